/* The text of a record's data, in tokens: see request.h. */
#include "api/request.h"
#include "base/error.h"
#include "dns/rdata.h"

#include <string.h>

struct lexer {
    const char *text;
    size_t length, at;
    unsigned depth; /* open parentheses */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Moves to the next token. False at the end. */
static bool skip(struct lexer *lexer, int *error)
{
    for (; lexer->at < lexer->length; lexer->at++) {
        char c = lexer->text[lexer->at];
        if (c == '(') {
            lexer->depth++;
        } else if (c == ')') {
            if (lexer->depth == 0) {
                *error = BASE_EFORMAT;
                return false;
            }
            lexer->depth--;
        } else if (c == ';') {
            while (lexer->at + 1 < lexer->length && lexer->text[lexer->at + 1] != '\n')
                lexer->at++;
        } else if (!is_blank(c)) {
            return true;
        }
    }
    if (lexer->depth > 0)
        *error = BASE_EFORMAT;
    return false;
}

/* Moves behind a quoted text; the cursor stands behind the opening quote. */
static bool skip_quoted(struct lexer *lexer)
{
    while (lexer->at < lexer->length && lexer->text[lexer->at] != '"') {
        lexer->at += lexer->text[lexer->at] == '\\' ? 2 : 1;
    }
    if (lexer->at >= lexer->length)
        return false;
    lexer->at++;
    return true;
}

static bool ends_token(char c)
{
    return is_blank(c) || c == '(' || c == ')' || c == ';';
}

static int read_token(struct lexer *lexer, struct dns_token *token)
{
    size_t start = lexer->at;
    *token = (struct dns_token){.line = 1, .column = (uint32_t)start + 1};
    if (lexer->text[start] == '"') {
        lexer->at++;
        if (!skip_quoted(lexer))
            return BASE_EFORMAT;
        token->quoted = true;
        token->text = lexer->text + start + 1;
        token->length = (uint32_t)(lexer->at - start - 2);
        return BASE_OK;
    }
    while (lexer->at < lexer->length && !ends_token(lexer->text[lexer->at])) {
        char c = lexer->text[lexer->at++];
        if (c == '\\' && lexer->at < lexer->length)
            lexer->at++;
        else if (c == '"' && !skip_quoted(lexer))
            return BASE_EFORMAT;
    }
    token->text = lexer->text + start;
    token->length = (uint32_t)(lexer->at - start);
    return BASE_OK;
}

int api_tokens(const char *text, size_t length, struct base_arena *arena, struct dns_token **tokens,
               size_t *count)
{
    struct lexer lexer = {.text = text, .length = length};
    struct dns_token *list = NULL;
    size_t used = 0, room = 0;
    int error = BASE_OK;
    while (error == BASE_OK && skip(&lexer, &error)) {
        if (used == room) {
            room = room == 0 ? 8 : room * 2;
            struct dns_token *larger = base_arena_alloc(arena, room * sizeof(*larger));
            if (larger == NULL)
                return BASE_ENOMEM;
            if (used > 0)
                memcpy(larger, list, used * sizeof(*larger));
            list = larger;
        }
        error = read_token(&lexer, &list[used++]);
    }
    if (error != BASE_OK)
        return error;
    *tokens = list;
    *count = used;
    return BASE_OK;
}
