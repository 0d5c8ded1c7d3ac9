/* Zone-file entries to records: owner, TTL, class, type, rdata, and where the record is put. */
#include "base/clock.h"
#include "base/copy.h"
#include "base/error.h"
#include "base/reader.h"
#include "dns/zonefile_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Where the 32-bit minimum of an SOA stands, counted from the end of its rdata. */
#define SOA_MINIMUM_FROM_END 4

void dns_zonefile_finding(struct dns_zonefile_parser *parser, enum base_finding_code code,
                          uint32_t line, uint32_t column, const char *format, ...)
{
    struct base_place place = {.file = parser->frame->name, .line = line, .column = column};
    va_list args;
    va_start(args, format);
    base_findings_addv(&parser->piece->batch->findings, code, base_finding_info(code)->severity,
                       &place, format, args);
    va_end(args);
}

const char *dns_name_problem(int error, bool has_origin)
{
    if (error == BASE_ERANGE)
        return "is too long: a label has at most 63 octets, a name 255";
    if (!has_origin)
        return "has no final dot, and there is no origin to complete it";
    return "is not a domain name: it has an empty label or a wrong escape";
}

int dns_ttl_from_text(const char *text, size_t length, uint32_t *ttl)
{
    uint64_t total = 0;
    size_t at = 0;
    if (length == 0)
        return BASE_EFORMAT;
    while (at < length) {
        uint64_t number = 0;
        size_t first = at;
        for (; at < length && text[at] >= '0' && text[at] <= '9'; at++) {
            number = number * 10 + (uint64_t)(text[at] - '0');
            if (number > DNS_TTL_MAX)
                return BASE_ERANGE;
        }
        if (at == first)
            return BASE_EFORMAT;
        uint32_t unit = 1;
        if (at < length && (unit = base_duration_unit(text[at++])) == 0)
            return BASE_EFORMAT;
        total += number * unit;
        if (total > DNS_TTL_MAX)
            return BASE_ERANGE;
    }
    *ttl = (uint32_t)total;
    return BASE_OK;
}

const uint8_t *dns_zonefile_origin(struct dns_zonefile_parser *parser)
{
    if ((parser->sets & DNS_PART_ORIGIN) == 0)
        parser->needs |= DNS_PART_ORIGIN;
    return parser->state.has_origin ? parser->state.origin : NULL;
}

static __attribute__((cold)) void tell_guessed_origin(struct dns_zonefile_parser *parser,
                                                      const struct dns_token *token)
{
    char text[DNS_NAME_TEXT];
    parser->state.origin_guessed = false;
    if (token->length > 0 && token->text[token->length - 1] == '.')
        return;
    dns_zonefile_finding(parser, SYNTAX_ORIGIN_GUESSED, token->line, token->column,
                         "names are relative to %s, which is taken from the name of the file",
                         dns_name_text(text, parser->state.origin));
}

static __attribute__((cold)) void bad_owner(struct dns_zonefile_parser *parser,
                                            const struct dns_token *token, int error)
{
    char quoted[DNS_TOKEN_QUOTED];
    bool has_origin = parser->state.has_origin;
    parser->state.owner_state = DNS_OWNER_BAD;
    parser->owner_text = NULL;
    dns_zonefile_finding(parser,
                         error != BASE_ERANGE && !has_origin ? SYNTAX_NO_ORIGIN : SYNTAX_OWNER,
                         token->line, token->column, "the owner %s %s",
                         dns_token_quote(quoted, token), dns_name_problem(error, has_origin));
}

/* Makes the token the owner. A text that is the same as that of the entry before is not read
 * again. */
static inline bool set_owner(struct dns_zonefile_parser *parser, const struct dns_token *token)
{
    if (parser->owner_text != NULL && token->length == parser->owner_text_length &&
        memcmp(token->text, parser->owner_text, token->length) == 0)
        return true;
    size_t length;
    const uint8_t *origin = dns_zonefile_origin(parser);
    if (__builtin_expect(parser->state.origin_guessed, 0))
        tell_guessed_origin(parser, token);
    parser->run_open = false;
    parser->sets |= DNS_PART_OWNER;
    int error =
        dns_name_from_text(parser->state.owner, &length, token->text, token->length, origin);
    if (error != BASE_OK) {
        bad_owner(parser, token, error);
        return false;
    }
    parser->state.owner_state = DNS_OWNER_GOOD;
    parser->owner_text = token->text;
    parser->owner_text_length = token->length;
    return true;
}

static bool inherit_owner(struct dns_zonefile_parser *parser, const struct dns_token *token)
{
    if ((parser->sets & DNS_PART_OWNER) == 0)
        parser->needs |= DNS_PART_OWNER;
    if (parser->state.owner_state == DNS_OWNER_GOOD)
        return true;
    dns_zonefile_finding(parser, SYNTAX_NO_OWNER, token->line, token->column,
                         parser->state.owner_state == DNS_OWNER_BAD
                             ? "the line takes its owner from the entry before, whose owner is not "
                               "valid"
                             : "the line begins with a blank, but no entry before it has an owner");
    return false;
}

/* What stands between owner and rdata. */
struct head {
    uint32_t ttl;
    uint16_t type;
    bool has_ttl, has_class;
};

static bool read_ttl(struct dns_zonefile_parser *parser, const struct dns_token *token,
                     struct head *head)
{
    char quoted[DNS_TOKEN_QUOTED];
    int error = dns_ttl_from_text(token->text, token->length, &head->ttl);
    if (error == BASE_OK && !head->has_ttl) {
        head->has_ttl = true;
        parser->state.last_ttl = head->ttl;
        parser->state.has_last_ttl = true;
        parser->sets |= DNS_PART_LAST_TTL;
        return true;
    }
    const char *reason = error == BASE_OK       ? "is the second of this entry"
                         : error == BASE_ERANGE ? "is more than 2147483647 seconds"
                                                : "is not a number of seconds, nor numbers with "
                                                  "the units w, d, h, m, s";
    dns_zonefile_finding(parser, SYNTAX_TTL, token->line, token->column, "the TTL %s %s",
                         dns_token_quote(quoted, token), reason);
    return false;
}

/* Two letters as a number, in lower case. */
#define PAIR(a, b) ((unsigned)(a) << 8 | (unsigned)(b))

static inline unsigned pair(const struct dns_token *token)
{
    return token->length == 2 ? PAIR(token->text[0] & 0xff, token->text[1] & 0xff) | PAIR(32, 32)
                              : 0;
}

static inline bool is_internet_class(const struct dns_token *token)
{
    return pair(token) == PAIR('i', 'n');
}

/* Another class by name, or any as CLASSn (RFC 3597 section 5). */
static inline bool is_class(const struct dns_token *token)
{
    unsigned letters = pair(token);
    if (letters != 0)
        return letters == PAIR('c', 'h') || letters == PAIR('h', 's') || letters == PAIR('c', 's');
    return token->length > 5 && (token->text[0] | 0x20) == 'c' &&
           strncasecmp(token->text, "class", 5) == 0 && token->text[5] >= '0' &&
           token->text[5] <= '9';
}

static bool read_class(struct dns_zonefile_parser *parser, const struct dns_token *token,
                       struct head *head)
{
    char quoted[DNS_TOKEN_QUOTED];
    bool internet = is_internet_class(token) ||
                    (token->length == 6 && strncasecmp(token->text, "class1", 6) == 0);
    if (internet && !head->has_class) {
        head->has_class = true;
        return true;
    }
    dns_zonefile_finding(parser, SYNTAX_CLASS, token->line, token->column, "the class %s %s",
                         dns_token_quote(quoted, token),
                         internet ? "is the second of this entry" : "is not IN");
    return false;
}

static __attribute__((cold)) bool bad_type(struct dns_zonefile_parser *parser,
                                           const struct dns_token *token, int error)
{
    char quoted[DNS_TOKEN_QUOTED];
    dns_token_quote(quoted, token);
    if (error == BASE_OK)
        dns_zonefile_finding(parser, SYNTAX_META_TYPE, token->line, token->column,
                             "the type %s is not the type of a record in a zone", quoted);
    else if (error == BASE_ERANGE)
        dns_zonefile_finding(parser, SYNTAX_TYPE, token->line, token->column,
                             "the type %s has a number over 65535", quoted);
    else
        dns_zonefile_finding(parser, SYNTAX_TYPE, token->line, token->column,
                             "%s is not a record type", quoted);
    return false;
}

static bool read_type(struct dns_zonefile_parser *parser, const struct dns_token *token,
                      struct head *head)
{
    int error =
        token->quoted ? BASE_ENOENT : dns_type_from_text(token->text, token->length, &head->type);
    /* Most types have low numbers: no need to ask. */
    if (error != BASE_OK ||
        ((head->type >= DNS_TYPE_OPT || head->type == 0) && dns_type_is_meta(head->type)))
        return bad_type(parser, token, error);
    return true;
}

/* TTL and class in any order, each once at most, then the type. Sets *at to the first word of the
 * rdata. A type never begins with a digit, and a TTL always does. */
static inline bool read_head(struct dns_zonefile_parser *parser, const struct dns_token *tokens,
                             size_t count, size_t *at, struct head *head)
{
    for (; *at < count; ++*at) {
        const struct dns_token *token = &tokens[*at];
        if (token->length > 0 && token->text[0] >= '0' && token->text[0] <= '9') {
            if (!read_ttl(parser, token, head))
                return false;
        } else if (is_internet_class(token) || is_class(token)) {
            if (!read_class(parser, token, head))
                return false;
        } else {
            ++*at;
            return read_type(parser, token, head);
        }
    }
    const struct dns_token *last = &tokens[count - 1];
    dns_zonefile_finding(parser, SYNTAX_NO_TYPE, last->line, last->column + last->length,
                         "the entry ends before its type");
    return false;
}

static __attribute__((cold)) uint32_t missing_ttl(struct dns_zonefile_parser *parser,
                                                  const struct dns_token *token, uint16_t type,
                                                  const uint8_t *rdata, size_t length)
{
    struct dns_zonefile_state *state = &parser->state;
    state->default_ttl = parser->reader->options.default_ttl;
    bool soa = type == DNS_TYPE_SOA && length > SOA_MINIMUM_FROM_END;
    if (soa) {
        const uint8_t *minimum = rdata + length - SOA_MINIMUM_FROM_END;
        state->default_ttl = base_load_u32(minimum);
        if (state->default_ttl > DNS_TTL_MAX)
            state->default_ttl = DNS_TTL_MAX;
    }
    state->has_default_ttl = true;
    parser->sets |= DNS_PART_DEFAULT_TTL;
    dns_zonefile_finding(parser, SYNTAX_NO_TTL, token->line, token->column,
                         soa ? "there is no TTL here and no $TTL before; the last field of the "
                               "SOA, %u, is used from here on"
                             : "there is no TTL here, none before, and no $TTL; %u is used from "
                               "here on",
                         state->default_ttl);
    return state->default_ttl;
}

/* The TTL of a record that has none written: $TTL (RFC 2308 section 4), else the last one written
 * (RFC 1035 section 5.1), else the SOA's last field as it was before RFC 2308. */
static uint32_t implied_ttl(struct dns_zonefile_parser *parser, const struct dns_token *token,
                            uint16_t type, const uint8_t *rdata, size_t length)
{
    const struct dns_zonefile_state *state = &parser->state;
    if ((parser->sets & DNS_PART_DEFAULT_TTL) == 0)
        parser->needs |= DNS_PART_DEFAULT_TTL;
    if (state->has_default_ttl)
        return state->default_ttl;
    if ((parser->sets & DNS_PART_LAST_TTL) == 0)
        parser->needs |= DNS_PART_LAST_TTL;
    if (state->has_last_ttl)
        return state->last_ttl;
    return missing_ttl(parser, token, type, rdata, length);
}

/* --- runs --- */

static __attribute__((noinline)) bool grow_runs(struct dns_zonefile_scratch *scratch)
{
    size_t capacity = scratch->run_capacity == 0 ? 1024 : scratch->run_capacity * 2;
    struct dns_run *runs = realloc(scratch->runs, capacity * sizeof(*runs));
    if (runs == NULL)
        return false;
    scratch->runs = runs;
    scratch->run_capacity = capacity;
    return true;
}

static inline const uint8_t *keep(struct base_arena *arena, const uint8_t *octets, size_t length)
{
    uint8_t *copy = base_arena_alloc(arena, length);
    if (copy != NULL)
        base_copy_short(copy, octets, length);
    return copy;
}

static bool make_key(const struct dns_zonefile_reader *reader, struct dns_batch *batch,
                     struct dns_run *run)
{
    uint8_t key[DNS_KEY_MAX];
    if (!dns_name_within(run->name, reader->zone))
        return true;
    size_t length = dns_name_key(key, run->name, reader->zone_labels);
    run->key = keep(&batch->keys, key, length);
    run->key_length = (uint16_t)length;
    return run->key != NULL;
}

/* A run for the owner: `like` gives name and key when there is one already. */
static struct dns_run *open_run(struct dns_zonefile_parser *parser, const struct dns_run *like)
{
    struct dns_zonefile_scratch *scratch = parser->scratch;
    struct dns_batch *batch = parser->piece->batch;
    struct dns_run run = {0};
    if (like != NULL) {
        run = *like;
        run.count = 0;
    } else {
        run.name = keep(&batch->records, parser->state.owner, dns_name_length(parser->state.owner));
        if (run.name == NULL ||
            (parser->reader->zone_known && !make_key(parser->reader, batch, &run)))
            return NULL;
    }
    if (parser->run_count == scratch->run_capacity && !grow_runs(scratch))
        return NULL;
    parser->run_open = true;
    scratch->runs[parser->run_count] = run;
    return &scratch->runs[parser->run_count++];
}

/* Puts a record of `length` octets of rdata behind the others of its run; the caller fills it.
 * Where that place is taken, the run ends and a new one with the same name begins. */
static struct dns_rr *add_record(struct dns_zonefile_parser *parser, size_t length)
{
    struct dns_batch *batch = parser->piece->batch;
    struct dns_run *run =
        parser->run_open ? &parser->scratch->runs[parser->run_count - 1] : open_run(parser, NULL);
    struct dns_rr *rr = base_arena_alloc(&batch->records, sizeof(*rr) + length);
    if (run == NULL || rr == NULL)
        return NULL;
    if (run->count > 0 && (const uint8_t *)rr != parser->run_end) {
        run = open_run(parser, run);
        if (run == NULL)
            return NULL;
    }
    if (run->count == 0)
        run->first = rr;
    run->count++;
    parser->run_end = (const uint8_t *)rr + DNS_RR_SIZE(length);
    batch->rr_count++;
    return rr;
}

int dns_zonefile_make_keys(const struct dns_zonefile_reader *reader, struct dns_batch *batch)
{
    for (size_t i = 0; i < batch->run_count; i++) {
        if (!make_key(reader, batch, &batch->runs[i]))
            return BASE_ENOMEM;
    }
    return BASE_OK;
}

/* --- the record --- */

static __attribute__((cold)) void bad_rdata(struct dns_zonefile_parser *parser, uint16_t type,
                                            const struct dns_token *tokens, size_t count,
                                            size_t first, const struct dns_rdata_problem *problem)
{
    char text[DNS_TYPE_TEXT];
    size_t at = first + problem->token;
    const struct dns_token *token = &tokens[at < count ? at : count - 1];
    uint32_t column = token->column + (at < count ? 0 : token->length + 2u * token->quoted);
    dns_zonefile_finding(parser, SYNTAX_RDATA, token->line, column, "%s: %s",
                         dns_type_text(text, type), problem->message);
}

/* The offset of the first quote in the word that no backslash precedes; its length when none. */
static uint32_t find_quote(const struct dns_token *token, uint32_t from)
{
    for (uint32_t i = from; i < token->length; i++) {
        if (token->text[i] == '\\')
            i++;
        else if (token->text[i] == '"')
            return i;
    }
    return token->length;
}

/* Words with quoted parts, key="some value", are one word in the data of SVCB and HTTPS (RFC 9460
 * section 2.1), and elsewhere several, as BIND and NSD read them. Gives the words of rdata,
 * malloc'ed; NULL: the sticky error is set. */
static struct dns_token *split_words(struct dns_zonefile_parser *parser,
                                     const struct dns_token *tokens, size_t count,
                                     size_t *split_count)
{
    size_t room = count;
    for (size_t i = 0; i < count; i++) {
        for (uint32_t at = 0; !tokens[i].quoted && at < tokens[i].length; at++)
            room += tokens[i].text[at] == '"';
    }
    struct dns_token *split = calloc(room + 1, sizeof(*split));
    if (split == NULL) {
        parser->error = BASE_ENOMEM;
        return NULL;
    }
    size_t put = 0;
    for (size_t i = 0; i < count; i++) {
        const struct dns_token *token = &tokens[i];
        bool quoted = token->quoted;
        uint32_t start = 0;
        do {
            uint32_t end = token->quoted ? token->length : find_quote(token, start);
            if (end > start || quoted) {
                split[put] = *token;
                split[put].text += start;
                split[put].length = end - start;
                split[put].column += start;
                split[put++].quoted = quoted;
            }
            quoted = !quoted;
            start = end + 1;
        } while (start < token->length);
    }
    *split_count = put;
    return split;
}

/* Owner, TTL, class and type are single words. */
static bool head_is_whole(struct dns_zonefile_parser *parser, const struct dns_token *tokens,
                          size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t at = tokens[i].quoted ? tokens[i].length : find_quote(&tokens[i], 0);
        if (at < tokens[i].length) {
            dns_zonefile_finding(
                parser, SYNTAX_QUOTE, tokens[i].line, tokens[i].column + at,
                "there is a quote in the middle of a word; a quote that belongs to "
                "it is written \\\"");
            return false;
        }
    }
    return true;
}

/* Reads the rdata, which begins at word `at`, and keeps the record. */
static inline void parse_data(struct dns_zonefile_parser *parser, const struct dns_token *tokens,
                              size_t count, size_t at, struct head *head)
{
    struct dns_rdata_problem problem;
    problem.token = 0; /* only what is needed: the message is long */
    problem.message[0] = '\0';
    uint8_t *rdata = parser->scratch->rdata;
    size_t length;
    bool canonical = false;
    if (dns_rdata_from_text(head->type, tokens + at, count - at, dns_zonefile_origin(parser), rdata,
                            &length, &canonical, &problem) != BASE_OK) {
        bad_rdata(parser, head->type, tokens, count, at, &problem);
        return;
    }
    if (!head->has_ttl)
        head->ttl = implied_ttl(parser, &tokens[at - 1], head->type, rdata, length);
    const struct dns_token *place = &tokens[at < count ? at : at - 1];
    struct dns_rr *rr = add_record(parser, length);
    if (rr == NULL) {
        parser->error = BASE_ENOMEM;
        return;
    }
    rr->ttl = head->ttl;
    rr->line = place->line;
    rr->column = (uint16_t)(place->column < UINT16_MAX ? place->column : UINT16_MAX);
    rr->file = parser->frame->index & 0xfff;
    rr->canonical = canonical;
    rr->generated = 0;
    rr->length = (uint16_t)length;
    rr->type = head->type;
    base_copy_short(rr->rdata, rdata, length);
    if (head->type == DNS_TYPE_SOA && !parser->piece->has_soa) {
        parser->piece->has_soa = true;
        memcpy(parser->piece->soa_owner, parser->state.owner, dns_name_length(parser->state.owner));
    }
}

/* The rest of an entry in which a word has a quoted part. */
static __attribute__((cold)) void parse_joined(struct dns_zonefile_parser *parser,
                                               const struct dns_token *tokens, size_t count,
                                               size_t at, struct head *head)
{
    if (!head_is_whole(parser, tokens, at))
        return;
    if (head->type == DNS_TYPE_SVCB || head->type == DNS_TYPE_HTTPS) {
        parse_data(parser, tokens, count, at, head);
        return;
    }
    size_t split_count;
    struct dns_token *split = split_words(parser, tokens, count, &split_count);
    if (split != NULL)
        parse_data(parser, split, split_count, at, head);
    free(split);
}

void dns_zonefile_parse_record(struct dns_zonefile_parser *parser, const struct dns_token *tokens,
                               size_t count, bool inherits)
{
    struct head head = {0};
    size_t at = inherits ? 0 : 1;
    if (!(inherits ? inherit_owner(parser, &tokens[0]) : set_owner(parser, &tokens[0])))
        return;
    if (!read_head(parser, tokens, count, &at, &head))
        return;
    if (__builtin_expect(parser->joined, 0))
        parse_joined(parser, tokens, count, at, &head);
    else
        parse_data(parser, tokens, count, at, &head);
}
