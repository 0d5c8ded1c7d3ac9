/* Entries of zone-file text: see scan_lexer.h. */
#include "dns/scan_lexer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Positions that the loops below look ahead. */
#define LOOKAHEAD 4

void dns_lexer_start(struct dns_lexer *lexer, const struct dns_scan_kernel *kernel,
                     const uint8_t *text, size_t length, bool final, uint32_t line,
                     size_t entry_max)
{
    lexer->text = text;
    lexer->length = length;
    lexer->final = final;
    lexer->entry_max = entry_max;
    lexer->kernel = kernel;
    lexer->line_start = 0;
    lexer->line = line;
    lexer->scanned = 0;
    lexer->segment = DNS_LEXER_SEGMENT;
    lexer->in_word = false;
    lexer->at = 0;
    lexer->count = 0;
}

static void seek_line(struct dns_lexer *lexer, size_t offset)
{
    lexer->line_start = offset;
    lexer->scanned = offset;
    lexer->segment = DNS_SCAN_BLOCK;
    lexer->in_word = false;
    lexer->at = 0;
    lexer->count = 0;
}

/* Classifies more text until LOOKAHEAD positions are at hand. Behind the text the tape says its
 * length, as often as asked. */
static __attribute__((noinline)) void refill(struct dns_lexer *lexer)
{
    size_t left = lexer->count - lexer->at;
    memmove(lexer->tape, lexer->tape + lexer->at, left * sizeof(lexer->tape[0]));
    lexer->at = 0;
    lexer->count = left;
    while (lexer->count < LOOKAHEAD && lexer->scanned < lexer->length) {
        size_t blocks = lexer->segment / DNS_SCAN_BLOCK;
        size_t rest = (lexer->length - lexer->scanned + DNS_SCAN_BLOCK - 1) / DNS_SCAN_BLOCK;
        if (blocks > rest)
            blocks = rest;
        lexer->count +=
            lexer->kernel->index(lexer->text + lexer->scanned, blocks, (uint32_t)lexer->scanned,
                                 &lexer->in_word, lexer->tape + lexer->count);
        lexer->scanned += blocks * DNS_SCAN_BLOCK;
        if (lexer->segment < DNS_LEXER_SEGMENT)
            lexer->segment *= 2;
        /* Line feeds of the padding that share a block with the end of the text. */
        while (lexer->count > 0 && lexer->tape[lexer->count - 1] >= lexer->length)
            lexer->count--;
    }
    while (lexer->count < LOOKAHEAD)
        lexer->tape[lexer->count++] = (uint32_t)lexer->length;
}

static inline const uint32_t *ahead(struct dns_lexer *lexer)
{
    if (__builtin_expect(lexer->at + LOOKAHEAD > lexer->count, 0))
        refill(lexer);
    return lexer->tape + lexer->at;
}

/* Steps over all positions below `offset`. */
static void pass(struct dns_lexer *lexer, size_t offset)
{
    while (ahead(lexer)[0] < offset && ahead(lexer)[0] < lexer->length)
        lexer->at++;
}

/* Notes the first problem of an entry. */
static __attribute__((cold, format(printf, 5, 6))) void
problem(const struct dns_lexer *lexer, struct dns_entry *entry, enum base_finding_code code,
        size_t offset, const char *format, ...)
{
    if (entry->problem.line != 0)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(entry->problem.message, sizeof(entry->problem.message), format, args);
    va_end(args);
    entry->problem.code = code;
    entry->problem.line = lexer->line;
    entry->problem.column = (uint32_t)(offset - lexer->line_start) + 1;
}

static void control_problem(const struct dns_lexer *lexer, struct dns_entry *entry, size_t offset)
{
    uint8_t byte = lexer->text[offset];
    problem(lexer, entry, SYNTAX_CONTROL_CHARACTER, offset,
            "the byte %u (hexadecimal %02X) is a control character; written as \\%03u it can be "
            "part of a name or string",
            byte, byte, byte);
}

/* Steps over the backslash at `offset` and what it escapes; returns the offset behind. */
static size_t pass_escape(struct dns_lexer *lexer, struct dns_entry *entry, size_t offset)
{
    if (offset + 1 >= lexer->length || lexer->text[offset + 1] == '\n' ||
        lexer->text[offset + 1] == '\r') {
        problem(lexer, entry, SYNTAX_ESCAPE, offset,
                "a backslash at the end of a line escapes "
                "nothing");
        pass(lexer, offset + 1);
        return offset + 1;
    }
    if (dns_scan_classes[lexer->text[offset + 1]] == DNS_SCAN_CONTROL)
        control_problem(lexer, entry, offset + 1);
    pass(lexer, offset + 2);
    return offset + 2;
}

/* Steps over a quoted string whose opening quote is at `offset`. Returns the offset of the closing
 * quote, or of the end of the line when there is none. */
static size_t pass_quoted(struct dns_lexer *lexer, struct dns_entry *entry, size_t offset)
{
    lexer->at++;
    for (;;) {
        size_t at = ahead(lexer)[0];
        switch (dns_scan_classes[lexer->text[at]]) {
        case DNS_SCAN_QUOTE:
            lexer->at++;
            return at;
        case DNS_SCAN_NEWLINE:
            problem(lexer, entry, SYNTAX_QUOTE, offset,
                    "the quoted string that starts here does not end on its line");
            return at;
        case DNS_SCAN_BACKSLASH:
            pass_escape(lexer, entry, at);
            break;
        case DNS_SCAN_CONTROL:
            control_problem(lexer, entry, at);
            lexer->at++;
            break;
        default:
            lexer->at++;
        }
    }
}

/* Steps over a word from `start`, in which there is an escape, a quote or a control character.
 * Returns the offset behind it. A blank behind a byte that is not marked as part of a word is not
 * on the tape, so what follows such bytes is looked at. */
static __attribute__((noinline)) size_t pass_long_word(struct dns_lexer *lexer,
                                                       struct dns_entry *entry, size_t start)
{
    for (;;) {
        size_t at = ahead(lexer)[0];
        size_t next;
        switch (dns_scan_classes[lexer->text[at]]) {
        case DNS_SCAN_WORD:
            lexer->at++;
            continue;
        case DNS_SCAN_BACKSLASH:
            next = pass_escape(lexer, entry, at);
            break;
        case DNS_SCAN_QUOTE:
            entry->joined = true;
            next = pass_quoted(lexer, entry, at) + 1;
            if (lexer->text[next - 1] == '\n')
                return next - 1;
            break;
        case DNS_SCAN_CONTROL:
            control_problem(lexer, entry, at);
            lexer->at++;
            next = at + 1;
            break;
        case DNS_SCAN_BLANK:
            lexer->at++;
            return at;
        default:
            return at;
        }
        if (dns_scan_classes[lexer->text[next]] == DNS_SCAN_BLANK || next >= lexer->length)
            return next;
    }
}

static void pass_comment(struct dns_lexer *lexer)
{
    while (lexer->text[ahead(lexer)[0]] != '\n')
        lexer->at++;
}

static __attribute__((noinline)) bool grow_tokens(struct dns_tokens *tokens)
{
    size_t capacity = tokens->capacity == 0 ? 256 : tokens->capacity * 4;
    if (capacity > DNS_ENTRY_TOKENS_MAX)
        capacity = DNS_ENTRY_TOKENS_MAX;
    struct dns_token *items = realloc(tokens->items, capacity * sizeof(*items));
    if (items == NULL)
        return false;
    tokens->items = items;
    tokens->capacity = capacity;
    return true;
}

/* Reads on from a line at which an entry starts anew. False: the text had only empty lines. */
static bool begin(struct dns_lexer *lexer, struct dns_entry *entry)
{
    entry->start = lexer->line_start;
    entry->line = lexer->line;
    entry->problem.line = 0;
    entry->lost = false;
    entry->joined = false;
    if (lexer->line_start >= lexer->length)
        return false;
    entry->inherits = dns_scan_classes[lexer->text[lexer->line_start]] == DNS_SCAN_BLANK;
    return true;
}

static inline void pass_newline(struct dns_lexer *lexer, size_t offset)
{
    lexer->at++;
    lexer->line++;
    lexer->line_start = offset + 1;
}

/* The place of an open parenthesis. */
struct open {
    size_t offset;
    size_t line_start;
    uint32_t line; /* 0: none is open */
};

/* Ends an entry whose parentheses cannot be trusted: reading goes on at the next line that looks
 * like the start of an entry, so that one lost parenthesis does not swallow the file. */
static enum dns_entry_status give_up(struct dns_lexer *lexer, struct dns_entry *entry,
                                     const struct open *open)
{
    seek_line(lexer, open->line_start);
    lexer->line = open->line;
    entry->lost = !dns_lexer_skip_lines(lexer);
    return DNS_ENTRY_BAD;
}

/* What was found in lines behind a parenthesis that is not closed are not problems of its entry. */
static void forget_consequences(struct dns_entry *entry, const struct open *open)
{
    if (entry->problem.line > open->line)
        entry->problem.line = 0;
}

/* A line ends within parentheses. True when the entry ends with it, as *status says. */
static bool ends_in_parentheses(struct dns_lexer *lexer, struct dns_entry *entry, size_t offset,
                                const struct open *open, enum dns_entry_status *status)
{
    if (offset < lexer->length && offset - entry->start <= lexer->entry_max) {
        pass_newline(lexer, offset);
        return false;
    }
    if (offset >= lexer->length && !lexer->final) {
        *status = DNS_ENTRY_UNFINISHED;
        return true;
    }
    forget_consequences(entry, open);
    lexer->line = open->line;
    lexer->line_start = open->line_start;
    if (offset < lexer->length)
        problem(lexer, entry, SYNTAX_PARENTHESIS, open->offset,
                "the parenthesis that opens here is not closed within %zu octets",
                lexer->entry_max);
    else
        problem(lexer, entry, SYNTAX_PARENTHESIS, open->offset,
                "the parenthesis that opens here is never closed");
    *status = give_up(lexer, entry, open);
    return true;
}

static inline enum dns_entry_status finish(struct dns_entry *entry, const struct dns_tokens *tokens,
                                           size_t count, enum dns_entry_status status)
{
    entry->tokens = tokens->items;
    entry->count = count;
    return status;
}

enum dns_entry_status dns_lexer_next(struct dns_lexer *lexer, struct dns_tokens *tokens,
                                     struct dns_entry *entry)
{
    const uint8_t *text = lexer->text;
    size_t count = 0;
    struct open open = {.line = 0};
    enum dns_entry_status status;
    if (!begin(lexer, entry))
        return DNS_ENTRY_END;
    for (;;) {
        const uint32_t *tape = ahead(lexer);
        size_t at = tape[0];
        size_t start = at;
        size_t end;
        switch (dns_scan_classes[text[at]]) {
        case DNS_SCAN_WORD:
            end = tape[1];
            switch (dns_scan_classes[text[end]]) {
            case DNS_SCAN_BLANK:
                lexer->at += 2;
                break;
            case DNS_SCAN_BACKSLASH:
            case DNS_SCAN_QUOTE:
            case DNS_SCAN_CONTROL:
                end = pass_long_word(lexer, entry, at);
                break;
            default:
                lexer->at++;
            }
            break;
        case DNS_SCAN_BACKSLASH:
        case DNS_SCAN_CONTROL:
            end = pass_long_word(lexer, entry, at);
            break;
        case DNS_SCAN_QUOTE:
            end = pass_quoted(lexer, entry, at);
            start++;
            break;
        case DNS_SCAN_COMMENT:
            pass_comment(lexer);
            continue;
        case DNS_SCAN_OPEN:
            if (open.line != 0) {
                forget_consequences(entry, &open);
                problem(lexer, entry, SYNTAX_PARENTHESIS, at,
                        "a parenthesis opens while the one in line %u is still open", open.line);
                return finish(entry, tokens, count, give_up(lexer, entry, &open));
            }
            open = (struct open){at, lexer->line_start, lexer->line};
            lexer->at++;
            continue;
        case DNS_SCAN_CLOSE:
            if (open.line == 0)
                problem(lexer, entry, SYNTAX_PARENTHESIS, at,
                        "a parenthesis closes that was not opened");
            open.line = 0;
            lexer->at++;
            continue;
        case DNS_SCAN_NEWLINE:
            if (open.line != 0) {
                if (ends_in_parentheses(lexer, entry, at, &open, &status))
                    return finish(entry, tokens, count, status);
                continue;
            }
            pass_newline(lexer, at);
            if (entry->problem.line != 0)
                return finish(entry, tokens, count, DNS_ENTRY_BAD);
            if (count > 0)
                return finish(entry, tokens, count, DNS_ENTRY_FOUND);
            if (!begin(lexer, entry))
                return DNS_ENTRY_END;
            continue;
        default: /* a blank behind a long word */
            lexer->at++;
            continue;
        }
        if (__builtin_expect(count == tokens->capacity, 0)) {
            if (count == DNS_ENTRY_TOKENS_MAX) {
                problem(lexer, entry, SYNTAX_ENTRY_LENGTH, at,
                        "the entry has more than %u fields, more than any record can use",
                        (unsigned)DNS_ENTRY_TOKENS_MAX);
                continue;
            }
            if (!grow_tokens(tokens))
                return DNS_ENTRY_NOMEM;
        }
        tokens->items[count++] = (struct dns_token){
            .text = (const char *)text + start,
            .length = (uint32_t)(end - start),
            .line = lexer->line,
            .column = (uint32_t)(at - lexer->line_start) + 1,
            .quoted = start != at,
        };
    }
}

bool dns_lexer_skip_lines(struct dns_lexer *lexer)
{
    size_t at = lexer->line_start;
    while (at < lexer->length) {
        const uint8_t *newline = memchr(lexer->text + at, '\n', lexer->length - at);
        if (newline == NULL)
            break;
        at = (size_t)(newline - lexer->text) + 1;
        lexer->line++;
        if (at < lexer->length && dns_scan_starts_entry(lexer->text[at])) {
            seek_line(lexer, at);
            return true;
        }
    }
    seek_line(lexer, lexer->length);
    return false;
}
