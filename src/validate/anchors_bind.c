/*
 * Trust anchors as BIND's configuration has them: trust-anchors, and the older managed-keys and
 * trusted-keys. Other statements of the file are stepped over.
 */
#include "base/error.h"
#include "validate/anchors_parts.h"

#include <string.h>
#include <strings.h>

enum kind { KIND_END, KIND_WORD, KIND_STRING, KIND_OPEN, KIND_CLOSE, KIND_SEMICOLON, KIND_BAD };

struct lexer {
    const char *text;
    size_t length, at;
    uint32_t line;
};

struct lexeme {
    enum kind kind;
    const char *text; /* of WORD and STRING */
    size_t length;
    uint32_t line;
};

static bool looking_at(const struct lexer *lexer, const char *what)
{
    size_t length = strlen(what);
    return lexer->length - lexer->at >= length &&
           memcmp(lexer->text + lexer->at, what, length) == 0;
}

static void step(struct lexer *lexer)
{
    if (lexer->text[lexer->at++] == '\n')
        lexer->line++;
}

/* Steps over white space and comments of all three kinds. */
static void skip_space(struct lexer *lexer)
{
    while (lexer->at < lexer->length) {
        char c = lexer->text[lexer->at];
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
            step(lexer);
        } else if (c == '#' || looking_at(lexer, "//")) {
            while (lexer->at < lexer->length && lexer->text[lexer->at] != '\n')
                step(lexer);
        } else if (looking_at(lexer, "/*")) {
            lexer->at += 2;
            while (lexer->at < lexer->length && !looking_at(lexer, "*/"))
                step(lexer);
            lexer->at += lexer->at < lexer->length ? 2 : 0;
        } else {
            return;
        }
    }
}

static bool ends_word(const struct lexer *lexer)
{
    char c = lexer->text[lexer->at];
    return c == '\0' || strchr(" \t\r\n{};\"#", c) != NULL || looking_at(lexer, "/*") ||
           looking_at(lexer, "//");
}

static struct lexeme next(struct lexer *lexer)
{
    skip_space(lexer);
    struct lexeme lexeme = {.line = lexer->line};
    if (lexer->at >= lexer->length)
        return lexeme;
    char c = lexer->text[lexer->at];
    if (c == '{' || c == '}' || c == ';') {
        lexeme.kind = c == '{' ? KIND_OPEN : c == '}' ? KIND_CLOSE : KIND_SEMICOLON;
        lexer->at++;
        return lexeme;
    }
    if (c == '"') {
        size_t start = ++lexer->at;
        while (lexer->at < lexer->length && lexer->text[lexer->at] != '"')
            step(lexer);
        lexeme.kind = lexer->at < lexer->length ? KIND_STRING : KIND_BAD;
        lexeme.text = lexer->text + start;
        lexeme.length = lexer->at - start;
        lexer->at += lexer->at < lexer->length ? 1 : 0;
        return lexeme;
    }
    size_t start = lexer->at;
    while (lexer->at < lexer->length && !ends_word(lexer))
        lexer->at++;
    if (lexer->at == start)
        lexer->at++; /* a NUL */
    lexeme.kind = lexer->text[start] == '\0' ? KIND_BAD : KIND_WORD;
    lexeme.text = lexer->text + start;
    lexeme.length = lexer->at - start;
    return lexeme;
}

static bool is_word(const struct lexeme *lexeme, const char *word)
{
    return lexeme->kind == KIND_WORD && lexeme->length == strlen(word) &&
           strncasecmp(lexeme->text, word, lexeme->length) == 0;
}

static bool is_statement(const struct lexeme *lexeme)
{
    return is_word(lexeme, "trust-anchors") || is_word(lexeme, "managed-keys") ||
           is_word(lexeme, "trusted-keys");
}

bool validate_anchors_is_bind(const char *text, size_t length)
{
    struct lexer lexer = {.text = text, .length = length, .line = 1};
    struct lexeme lexeme = next(&lexer);
    for (; lexeme.kind != KIND_END; lexeme = next(&lexer)) {
        if (!is_statement(&lexeme))
            continue;
        struct lexer ahead = lexer;
        if (next(&ahead).kind == KIND_OPEN)
            return true;
    }
    return false;
}

/* Everything of an entry up to its semicolon. */
#define ENTRY_WORDS 6
struct entry {
    struct lexeme words[ENTRY_WORDS];
    size_t count;
};

#define TOKENS_MAX 64

/* The fields of rdata: words as they are, the last one, which may hold white space, in pieces. */
static bool make_tokens(const struct entry *entry, size_t first,
                        struct dns_token tokens[TOKENS_MAX], size_t *count)
{
    *count = 0;
    for (size_t i = first; i < entry->count; i++) {
        const char *text = entry->words[i].text, *end = text + entry->words[i].length;
        while (text < end) {
            size_t length = 0;
            while (text + length < end && strchr(" \t\r\n", text[length]) == NULL)
                length++;
            if (length > 0) {
                if (*count == TOKENS_MAX)
                    return false;
                tokens[(*count)++] = (struct dns_token){
                    .text = text, .length = (uint32_t)length, .line = entry->words[i].line};
            }
            text += length < (size_t)(end - text) ? length + 1 : length;
        }
    }
    return true;
}

static int take_entry(struct validate_anchors_reader *reader, const struct entry *entry)
{
    static const uint8_t root[1] = {0};
    struct dns_token tokens[TOKENS_MAX];
    uint8_t name[DNS_NAME_MAX];
    size_t length, count, first = 1;
    uint16_t type = DNS_TYPE_DNSKEY;
    const struct lexeme *how = &entry->words[1];
    uint32_t line = entry->words[0].line;
    if (dns_name_from_text(name, &length, entry->words[0].text, entry->words[0].length, root) !=
        BASE_OK) {
        validate_anchors_refuse(reader, ANCHORS_SYNTAX, line, "'%.*s' is no domain name",
                                (int)(entry->words[0].length < 80 ? entry->words[0].length : 80),
                                entry->words[0].text);
        return BASE_OK;
    }
    if (entry->count > 1 && (is_word(how, "initial-key") || is_word(how, "static-key")))
        first = 2;
    if (entry->count > 1 && (is_word(how, "initial-ds") || is_word(how, "static-ds"))) {
        first = 2;
        type = DNS_TYPE_DS;
    }
    if (!make_tokens(entry, first, tokens, &count)) {
        validate_anchors_refuse(reader, ANCHORS_SYNTAX, line, "the key is in too many pieces");
        return BASE_OK;
    }
    return validate_anchors_take_text(reader, name, type, tokens, count, line);
}

/* The entries between the braces. */
static int read_block(struct validate_anchors_reader *reader, struct lexer *lexer)
{
    struct entry entry = {.count = 0};
    while (!reader->refused) {
        struct lexeme lexeme = next(lexer);
        if (lexeme.kind == KIND_CLOSE && entry.count == 0)
            return BASE_OK;
        if (lexeme.kind == KIND_SEMICOLON && entry.count > 0) {
            int error = take_entry(reader, &entry);
            if (error != BASE_OK)
                return error;
            entry.count = 0;
        } else if ((lexeme.kind == KIND_WORD || lexeme.kind == KIND_STRING) &&
                   entry.count < ENTRY_WORDS) {
            entry.words[entry.count++] = lexeme;
        } else {
            validate_anchors_refuse(reader, ANCHORS_SYNTAX, lexeme.line,
                                    "expected: a name, initial-key, static-key, initial-ds or "
                                    "static-ds, three numbers, a text in quotes, and ';'");
        }
    }
    return BASE_OK;
}

int validate_anchors_read_bind(struct validate_anchors_reader *reader)
{
    struct lexer lexer = {.text = reader->text, .length = reader->length, .line = 1};
    struct lexeme lexeme = next(&lexer);
    int error = BASE_OK;
    /* They may stand inside of a view, so all that is not one of them is stepped over. */
    for (; lexeme.kind != KIND_END && error == BASE_OK && !reader->refused; lexeme = next(&lexer)) {
        if (lexeme.kind == KIND_BAD) {
            validate_anchors_refuse(reader, ANCHORS_SYNTAX, lexeme.line,
                                    "a text in quotes does not end, or there is a NUL");
            continue;
        }
        if (!is_statement(&lexeme))
            continue;
        struct lexer ahead = lexer;
        if (next(&ahead).kind == KIND_OPEN) {
            lexer = ahead;
            error = read_block(reader, &lexer);
        }
    }
    return error;
}
