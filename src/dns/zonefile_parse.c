/* A block of zone-file text to a piece: entries one after the other, and what they leave behind. */
#include "base/error.h"
#include "dns/zonefile_internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct dns_zonefile_scratch *dns_zonefile_scratch_new(void)
{
    struct dns_zonefile_scratch *scratch = malloc(sizeof(*scratch));
    if (scratch == NULL)
        return NULL;
    /* Only what is read before it is written: the rest is large. */
    scratch->tokens = (struct dns_tokens){NULL, 0};
    scratch->runs = NULL;
    scratch->run_capacity = 0;
    return scratch;
}

void dns_zonefile_scratch_free(struct dns_zonefile_scratch *scratch)
{
    if (scratch == NULL)
        return;
    free(scratch->tokens.items);
    free(scratch->runs);
    free(scratch);
}

int dns_zonefile_piece_init(struct dns_zonefile_piece *piece, size_t per_code)
{
    memset(piece, 0, sizeof(*piece));
    piece->batch = dns_batch_new(per_code);
    return piece->batch != NULL ? BASE_OK : BASE_ENOMEM;
}

void dns_zonefile_piece_free(struct dns_zonefile_piece *piece)
{
    dns_batch_free(piece->batch);
    for (size_t i = 0; i < piece->file_count; i++)
        free(piece->files[i]);
    free(piece->files);
    memset(piece, 0, sizeof(*piece));
}

struct dns_batch *dns_batch_new(size_t per_code)
{
    struct dns_batch *batch = calloc(1, sizeof(*batch));
    if (batch == NULL)
        return NULL;
    base_arena_init(&batch->records, 0);
    base_arena_init(&batch->keys, 0);
    base_findings_init(&batch->findings, per_code);
    return batch;
}

void dns_batch_free(struct dns_batch *batch)
{
    if (batch == NULL)
        return;
    base_arena_free(&batch->records);
    base_arena_free(&batch->keys);
    base_findings_free(&batch->findings);
    free(batch->runs);
    free(batch);
}

void dns_batches_free(struct dns_batch *first)
{
    while (first != NULL) {
        struct dns_batch *batch = first;
        first = batch->next;
        dns_batch_free(batch);
    }
}

static void parse_directive(struct dns_zonefile_parser *parser, const struct dns_token *tokens,
                            size_t count);

/* An entry that could not be read still says whose the lines behind it are. */
static void bad_entry(struct dns_zonefile_parser *parser, const struct dns_entry *entry)
{
    dns_zonefile_finding(parser, entry->problem.code, entry->problem.line, entry->problem.column,
                         "%s", entry->problem.message);
    parser->state.lost = entry->lost;
    if (entry->inherits || (entry->count > 0 && entry->tokens[0].text[0] == '$'))
        return;
    size_t length;
    parser->run_open = false;
    parser->owner_text = NULL;
    parser->sets |= DNS_PART_OWNER;
    bool good = entry->count > 0 &&
                dns_name_from_text(parser->state.owner, &length, entry->tokens[0].text,
                                   entry->tokens[0].length, dns_zonefile_origin(parser)) == BASE_OK;
    parser->state.owner_state = good ? DNS_OWNER_GOOD : DNS_OWNER_BAD;
}

void dns_zonefile_parse(struct dns_zonefile_parser *parser, struct dns_lexer *lexer,
                        const uint8_t *text, size_t length, bool final, uint32_t line)
{
    struct dns_zonefile_piece *piece = parser->piece;
    struct dns_entry entry;
    parser->owner_text = NULL;
    piece->has_tail = false;
    dns_lexer_start(lexer, parser->reader->kernel, text, length, final, line,
                    parser->reader->options.entry_max);
    if (parser->state.lost && length > 0)
        parser->state.lost =
            !dns_scan_starts_entry(text[0]) && !dns_lexer_skip_lines(lexer) && !final;
    while (parser->error == BASE_OK) {
        switch (dns_lexer_next(lexer, &parser->scratch->tokens, &entry)) {
        case DNS_ENTRY_FOUND:
            parser->joined = entry.joined;
            if (!entry.inherits && entry.tokens[0].length > 0 && entry.tokens[0].text[0] == '$' &&
                !entry.tokens[0].quoted)
                parse_directive(parser, entry.tokens, entry.count);
            else
                dns_zonefile_parse_record(parser, entry.tokens, entry.count, entry.inherits);
            break;
        case DNS_ENTRY_BAD:
            bad_entry(parser, &entry);
            break;
        case DNS_ENTRY_UNFINISHED:
            piece->has_tail = true;
            piece->tail = entry.start;
            piece->tail_line = entry.line;
            return;
        case DNS_ENTRY_END:
            return;
        case DNS_ENTRY_NOMEM:
            parser->error = BASE_ENOMEM;
            return;
        }
    }
}

void dns_zonefile_parse_end(struct dns_zonefile_parser *parser)
{
    struct dns_batch *batch = parser->piece->batch;
    parser->piece->state = parser->state;
    parser->piece->needs = parser->needs;
    parser->piece->sets = parser->sets;
    if (parser->run_count == 0 || parser->error != BASE_OK)
        return;
    batch->runs = malloc(parser->run_count * sizeof(*batch->runs));
    if (batch->runs == NULL) {
        parser->error = BASE_ENOMEM;
        return;
    }
    memcpy(batch->runs, parser->scratch->runs, parser->run_count * sizeof(*batch->runs));
    batch->run_count = parser->run_count;
}

/* --- directives --- */

static bool is_directive(const struct dns_token *token, const char *name)
{
    return token->length == strlen(name) && strncasecmp(token->text, name, token->length) == 0;
}

/* Says so when a directive has other than `least` to `most` arguments. */
static bool check_arguments(struct dns_zonefile_parser *parser, const struct dns_token *tokens,
                            size_t count, size_t least, size_t most)
{
    char quoted[DNS_TOKEN_QUOTED];
    if (count - 1 < least) {
        const struct dns_token *last = &tokens[count - 1];
        dns_zonefile_finding(parser, SYNTAX_DIRECTIVE, last->line, last->column + last->length,
                             "%s needs an argument", dns_token_quote(quoted, &tokens[0]));
        return false;
    }
    if (count - 1 > most) {
        dns_zonefile_finding(parser, SYNTAX_DIRECTIVE, tokens[most + 1].line,
                             tokens[most + 1].column, "%s is one argument too many",
                             dns_token_quote(quoted, &tokens[most + 1]));
        return false;
    }
    return true;
}

static void set_origin(struct dns_zonefile_parser *parser, const struct dns_token *tokens,
                       size_t count)
{
    char quoted[DNS_TOKEN_QUOTED];
    uint8_t origin[DNS_NAME_MAX];
    size_t length;
    if (!check_arguments(parser, tokens, count, 1, 1))
        return;
    int error = dns_name_from_text(origin, &length, tokens[1].text, tokens[1].length,
                                   dns_zonefile_origin(parser));
    if (error != BASE_OK) {
        dns_zonefile_finding(parser, SYNTAX_DIRECTIVE, tokens[1].line, tokens[1].column,
                             "the origin %s %s", dns_token_quote(quoted, &tokens[1]),
                             dns_name_problem(error, parser->state.has_origin));
        return;
    }
    memcpy(parser->state.origin, origin, length);
    parser->state.has_origin = true;
    parser->state.origin_guessed = false;
    parser->sets |= DNS_PART_ORIGIN;
    parser->owner_text = NULL; /* the same text is another name now */
}

static void set_default_ttl(struct dns_zonefile_parser *parser, const struct dns_token *tokens,
                            size_t count)
{
    char quoted[DNS_TOKEN_QUOTED];
    uint32_t ttl;
    if (!check_arguments(parser, tokens, count, 1, 1))
        return;
    int error = dns_ttl_from_text(tokens[1].text, tokens[1].length, &ttl);
    if (error != BASE_OK) {
        dns_zonefile_finding(parser, SYNTAX_TTL, tokens[1].line, tokens[1].column, "the TTL %s %s",
                             dns_token_quote(quoted, &tokens[1]),
                             error == BASE_ERANGE
                                 ? "is more than 2147483647 seconds"
                                 : "is not a number of seconds, nor numbers with the units w, d, "
                                   "h, m, s");
        return;
    }
    parser->state.default_ttl = ttl;
    parser->state.has_default_ttl = true;
    parser->sets |= DNS_PART_DEFAULT_TTL;
}

static void parse_directive(struct dns_zonefile_parser *parser, const struct dns_token *tokens,
                            size_t count)
{
    char quoted[DNS_TOKEN_QUOTED];
    if (is_directive(&tokens[0], "$ORIGIN"))
        set_origin(parser, tokens, count);
    else if (is_directive(&tokens[0], "$TTL"))
        set_default_ttl(parser, tokens, count);
    else if (is_directive(&tokens[0], "$INCLUDE") && check_arguments(parser, tokens, count, 1, 2))
        dns_zonefile_include(parser, tokens, count);
    else if (is_directive(&tokens[0], "$GENERATE") &&
             check_arguments(parser, tokens, count, 4, DNS_ENTRY_TOKENS_MAX))
        dns_zonefile_generate(parser, tokens, count);
    else if (!is_directive(&tokens[0], "$INCLUDE") && !is_directive(&tokens[0], "$GENERATE"))
        dns_zonefile_finding(parser, SYNTAX_DIRECTIVE, tokens[0].line, tokens[0].column,
                             "%s is not a directive of zone files",
                             dns_token_quote(quoted, &tokens[0]));
}
