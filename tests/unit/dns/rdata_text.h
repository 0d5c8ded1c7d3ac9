/*
 * For tests: rdata from text. Splits it into tokens as a zone file's scanner does: blanks and
 * parentheses separate, a semicolon starts a comment, quotes around a token are taken off, quotes
 * within one stay.
 */
#ifndef TESTS_RDATA_TEXT_H
#define TESTS_RDATA_TEXT_H

#include "dns/rdata.h"

#include <string.h>

#define TEST_TOKENS_MAX 70000

static inline bool test_is_blank(char character)
{
    return character != '\0' && strchr(" \t\r\n()", character) != NULL;
}

/* Steps over what stands between tokens. */
static inline const char *test_blanks(const char *text, const char *end)
{
    while (text < end && (test_is_blank(*text) || *text == ';')) {
        if (*text == ';') {
            while (text < end && *text != '\n')
                text++;
        } else {
            text++;
        }
    }
    return text;
}

/* Reads one token at `text`; returns what follows it. */
static inline const char *test_token(const char *text, const char *end, struct dns_token *token)
{
    *token = (struct dns_token){.text = text, .quoted = *text == '"'};
    if (token->quoted) {
        token->text = ++text;
        while (text < end && *text != '"')
            text += *text == '\\' && end - text > 1 ? 2 : 1;
        token->length = (uint32_t)(text - token->text);
        return text < end ? text + 1 : text;
    }
    bool quote = false;
    while (text < end && (quote || !(test_is_blank(*text) || *text == ';'))) {
        if (*text == '"')
            quote = !quote;
        text += *text == '\\' && end - text > 1 ? 2 : 1;
    }
    token->length = (uint32_t)(text - token->text);
    return text;
}

/* As dns_rdata_from_text, from text that is not yet in tokens. */
static inline int test_rdata_text(uint16_t type, const char *text, size_t length,
                                  const uint8_t *origin, uint8_t *out, size_t *out_length,
                                  bool *canonical, struct dns_rdata_problem *problem)
{
    static struct dns_token tokens[TEST_TOKENS_MAX];
    const char *end = text + length;
    size_t count = 0;
    while ((text = test_blanks(text, end)) < end && count < TEST_TOKENS_MAX)
        text = test_token(text, end, &tokens[count++]);
    return dns_rdata_from_text(type, tokens, count, origin, out, out_length, canonical, problem);
}

#endif
