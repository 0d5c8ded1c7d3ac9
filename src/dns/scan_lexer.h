/*
 * Zone-file text to entries: the words of one record or directive, over as many lines as its
 * parentheses span. What stands in quotes, comments and escapes is found by walking the positions
 * that a kernel (scan_kernel.h) marked; bytes in between are not looked at.
 */
#ifndef DNS_SCAN_LEXER_H
#define DNS_SCAN_LEXER_H

#include "base/finding.h"
#include "dns/rdata.h"
#include "dns/scan_kernel.h"

/* Bytes that must follow the text in memory: line feeds, which do not belong to it. */
#define DNS_LEXER_PADDING 128

/* Words of one entry: more than the longest rdata in hexadecimal, written digit by digit. */
#define DNS_ENTRY_TOKENS_MAX (2 * DNS_RDATA_MAX + 64)

/* Bytes classified at a time, so that the positions stay in the first-level cache. */
#define DNS_LEXER_SEGMENT 4096
#define DNS_LEXER_TAPE    (DNS_LEXER_SEGMENT + DNS_SCAN_SLACK + 16)

/* Words of entries; grows, and is shared by lexers that run one inside the other. */
struct dns_tokens {
    struct dns_token *items; /* malloc'ed */
    size_t capacity;
};

struct dns_lexer {
    const uint8_t *text;
    size_t length;
    bool final;       /* nothing follows the text */
    size_t entry_max; /* octets of one entry */
    const struct dns_scan_kernel *kernel;
    size_t line_start; /* offset of the line that is being read */
    uint32_t line;
    size_t scanned; /* offset up to which the kernel has come */
    size_t segment; /* bytes to classify next: few after a jump, in case another one follows */
    bool in_word;
    size_t at; /* next position on the tape */
    size_t count;
    uint32_t tape[DNS_LEXER_TAPE];
};

enum dns_entry_status {
    DNS_ENTRY_END,        /* no more entries in the text */
    DNS_ENTRY_UNFINISHED, /* the text ends within the entry that starts at entry->start */
    DNS_ENTRY_FOUND,
    DNS_ENTRY_BAD, /* to be skipped: entry->problem says why */
    DNS_ENTRY_NOMEM,
};

struct dns_entry {
    const struct dns_token *tokens;
    size_t count;  /* at least 1 when found */
    bool inherits; /* begins with a blank: has the owner of the entry before */
    bool joined;   /* a word has a quoted part: key="some value" */
    bool lost;     /* bad, and no line in the rest of the text looks like the start of an entry */
    size_t start;  /* offset of its first line */
    uint32_t line; /* of that line */
    struct {
        enum base_finding_code code;
        uint32_t line, column;
        char message[200];
    } problem; /* when bad */
};

/* Starts on a text that begins at the start of a line, whose number is `line`. */
void dns_lexer_start(struct dns_lexer *lexer, const struct dns_scan_kernel *kernel,
                     const uint8_t *text, size_t length, bool final, uint32_t line,
                     size_t entry_max);

/* The next entry. Its tokens are valid until the next call with the same `tokens`; those of a bad
 * one are what could be read. */
enum dns_entry_status dns_lexer_next(struct dns_lexer *lexer, struct dns_tokens *tokens,
                                     struct dns_entry *entry);

/* Goes to the first line behind the present one that looks like the first of an entry. False when
 * there is none: the rest of the text was passed over. */
bool dns_lexer_skip_lines(struct dns_lexer *lexer);

/* True for a byte that can be the first of an entry with an owner name. */
static inline bool dns_scan_starts_entry(uint8_t byte)
{
    uint8_t class = dns_scan_classes[byte];
    return class == DNS_SCAN_WORD || class == DNS_SCAN_BACKSLASH || class == DNS_SCAN_QUOTE;
}

#endif
