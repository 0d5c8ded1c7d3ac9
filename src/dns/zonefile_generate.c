/*
 * $GENERATE start-stop[/step] owner [ttl] [class] type data: records from a template, in which $
 * or ${offset,width,base} stands for the number and $$ or \$ for the character.
 */
#include "base/error.h"
#include "dns/zonefile_internal.h"

#include <stdlib.h>
#include <string.h>

/* Octets of text that one number's records may come to, and in all, per record allowed. */
#define LINE_MAX_OCTETS   (4 * DNS_RDATA_MAX)
#define OCTETS_PER_RECORD 256
#define NUMBER_MAX        0x7fffffffu
#define WIDTH_MAX         255

struct range {
    uint32_t start, stop, step;
};

/* ${offset,width,base} */
struct modifier {
    int64_t offset;
    unsigned width;
    char base;
};

static void refuse(struct dns_zonefile_parser *parser, const struct dns_token *token,
                   const char *reason)
{
    char quoted[DNS_TOKEN_QUOTED];
    dns_zonefile_finding(parser, SYNTAX_GENERATE, token->line, token->column, "%s %s",
                         dns_token_quote(quoted, token), reason);
}

/* Reads decimal digits at *at; false: none, or a number over `most`. */
static bool read_number(const char *text, size_t length, size_t *at, uint64_t most,
                        uint64_t *number)
{
    size_t first = *at;
    *number = 0;
    for (; *at < length && text[*at] >= '0' && text[*at] <= '9'; ++*at) {
        *number = *number * 10 + (uint64_t)(text[*at] - '0');
        if (*number > most)
            return false;
    }
    return *at > first;
}

static bool read_range(const struct dns_token *token, struct range *range)
{
    uint64_t start, stop, step = 1;
    size_t at = 0;
    if (!read_number(token->text, token->length, &at, UINT32_MAX, &start) || at >= token->length ||
        token->text[at++] != '-' ||
        !read_number(token->text, token->length, &at, UINT32_MAX, &stop))
        return false;
    if (at < token->length) {
        if (token->text[at++] != '/' ||
            !read_number(token->text, token->length, &at, UINT32_MAX, &step))
            return false;
    }
    if (at != token->length || step == 0 || stop < start)
        return false;
    *range = (struct range){(uint32_t)start, (uint32_t)stop, (uint32_t)step};
    return true;
}

/* Reads what follows "${" up to "}"; moves *at behind it. */
static bool read_modifier(const char *text, size_t length, size_t *at, struct modifier *modifier)
{
    uint64_t number;
    bool minus = *at < length && text[*at] == '-';
    if (minus || (*at < length && text[*at] == '+'))
        ++*at;
    if (!read_number(text, length, at, NUMBER_MAX, &number))
        return false;
    modifier->offset = minus ? -(int64_t)number : (int64_t)number;
    if (*at < length && text[*at] == ',') {
        ++*at;
        if (!read_number(text, length, at, WIDTH_MAX, &number))
            return false;
        modifier->width = (unsigned)number;
    }
    if (*at < length && text[*at] == ',') {
        ++*at;
        if (*at >= length || text[*at] == '\0' || strchr("doxXnN", text[*at]) == NULL)
            return false;
        modifier->base = text[(*at)++];
    }
    return *at < length && text[(*at)++] == '}';
}

/* The hexadecimal digits from the lowest up, with dots between them, as names under ip6.arpa have
 * them; `width` counts the dots. */
static void put_nibbles(struct base_buf *buf, uint64_t number, const struct modifier *modifier)
{
    const char *digits = modifier->base == 'n' ? "0123456789abcdef" : "0123456789ABCDEF";
    unsigned width = 0;
    do {
        if (width > 0) {
            base_buf_u8(buf, '.');
            width++;
        }
        base_buf_u8(buf, (uint8_t)digits[number & 15]);
        number >>= 4;
        width++;
    } while (number != 0 || width + 1 < modifier->width);
}

static bool put_number(struct base_buf *buf, uint32_t number, const struct modifier *modifier)
{
    int64_t value = (int64_t)number + modifier->offset;
    if (value < 0 && modifier->base != 'd')
        return false;
    int width = (int)modifier->width;
    switch (modifier->base) {
    case 'o':
        base_buf_printf(buf, "%0*llo", width, (unsigned long long)value);
        break;
    case 'x':
        base_buf_printf(buf, "%0*llx", width, (unsigned long long)value);
        break;
    case 'X':
        base_buf_printf(buf, "%0*llX", width, (unsigned long long)value);
        break;
    case 'n':
    case 'N':
        put_nibbles(buf, (uint64_t)value, modifier);
        break;
    default:
        base_buf_printf(buf, "%0*lld", width, (long long)value);
    }
    return true;
}

/* Writes one word of the template with `number` put in; NULL, or why it cannot be. */
static const char *expand(struct base_buf *buf, const struct dns_token *token, uint32_t number)
{
    const char *text = token->text;
    size_t length = token->length;
    for (size_t at = 0; at < length;) {
        struct modifier modifier = {.base = 'd'};
        if (text[at] == '\\' && at + 1 < length) {
            if (text[at + 1] != '$')
                base_buf_u8(buf, '\\');
            base_buf_u8(buf, (uint8_t)text[at + 1]);
            at += 2;
        } else if (text[at] != '$') {
            base_buf_u8(buf, (uint8_t)text[at++]);
        } else if (at + 1 < length && text[at + 1] == '$') {
            base_buf_u8(buf, '$');
            at += 2;
        } else {
            bool modified = at + 1 < length && text[at + 1] == '{';
            at += modified ? 2 : 1;
            if (modified && !read_modifier(text, length, &at, &modifier))
                return "has a ${offset,width,base} that is not well formed";
            if (!put_number(buf, number, &modifier))
                return "gives a number below zero, which only base d can write";
        }
    }
    return NULL;
}

/* The entry of one number: its text in `buf`, its words in `out`. */
static bool expand_all(struct dns_zonefile_parser *parser, const struct dns_token *templates,
                       size_t count, uint32_t number, struct base_buf *buf, struct dns_token *out)
{
    base_buf_reset(buf);
    for (size_t i = 0; i < count; i++) {
        out[i] = templates[i];
        size_t start = buf->length;
        const char *reason = expand(buf, &templates[i], number);
        if (reason != NULL) {
            refuse(parser, &templates[i], reason);
            return false;
        }
        out[i].length = (uint32_t)(buf->length - start);
    }
    if (buf->error == BASE_ENOMEM)
        parser->error = BASE_ENOMEM;
    else if (buf->error != BASE_OK)
        refuse(parser, &templates[0], "gives entries that are too long");
    if (buf->error != BASE_OK)
        return false;
    /* The buffer may have moved while it grew. */
    const char *text = (const char *)buf->data;
    for (size_t i = 0; i < count; i++) {
        out[i].text = text;
        text += out[i].length;
    }
    return true;
}

static bool within_budget(struct dns_zonefile_parser *parser, const struct dns_token *token,
                          uint64_t records)
{
    const size_t most = parser->reader->options.generate_max;
    if (records <= most && parser->state.generated <= most - records) {
        size_t reach = parser->state.generated + (size_t)records;
        if (parser->state.generate_reach < reach)
            parser->state.generate_reach = reach;
        return true;
    }
    parser->needs |= DNS_PART_BUDGET;
    char quoted[DNS_TOKEN_QUOTED];
    dns_zonefile_finding(parser, SYNTAX_GENERATE_LIMIT, token->line, token->column,
                         "the range %s makes %llu records; at most %zu may be made in all",
                         dns_token_quote(quoted, token), (unsigned long long)records, most);
    return false;
}

static bool within_octets(struct dns_zonefile_parser *parser, const struct dns_token *token,
                          size_t octets)
{
    size_t records = parser->reader->options.generate_max;
    size_t most = records > SIZE_MAX / OCTETS_PER_RECORD ? SIZE_MAX : records * OCTETS_PER_RECORD;
    if (octets <= most && parser->state.generated_octets <= most - octets) {
        parser->state.generated_octets += octets;
        return true;
    }
    parser->needs |= DNS_PART_BUDGET;
    dns_zonefile_finding(parser, SYNTAX_GENERATE_LIMIT, token->line, token->column,
                         "the records that $GENERATE makes come to more than %zu octets of text; "
                         "those that fit were made",
                         most);
    return false;
}

static void generate(struct dns_zonefile_parser *parser, const struct range *range,
                     const struct dns_token *templates, size_t count, struct dns_token *words)
{
    struct base_buf buf;
    base_buf_init(&buf, LINE_MAX_OCTETS);
    for (uint64_t number = range->start; number <= range->stop && parser->error == BASE_OK;
         number += range->step) {
        if (!expand_all(parser, templates + 1, count - 1, (uint32_t)number, &buf, words) ||
            !within_octets(parser, &templates[0], buf.length))
            break;
        parser->owner_text = NULL; /* the last owner's text is written over */
        dns_zonefile_parse_record(parser, words, count - 1, false);
        parser->state.generated++;
    }
    parser->owner_text = NULL;
    base_buf_free(&buf);
}

/* Data in one quoted word are what stands in the quotes, as BIND has it: "10 mail$" for an MX. */
struct data {
    uint8_t *text;
    struct dns_tokens words;
};

static void free_data(struct data *data)
{
    free(data->text);
    free(data->words.items);
}

/* Reads the words in a quoted one. BASE_EFORMAT: there is no entry in it. */
static int unquote(struct dns_zonefile_parser *parser, const struct dns_token *token,
                   struct data *data, size_t *count)
{
    struct dns_lexer *lexer = malloc(sizeof(*lexer));
    struct dns_entry entry;
    size_t length = 0;
    data->text = malloc(token->length + DNS_LEXER_PADDING);
    if (lexer == NULL || data->text == NULL) {
        free(lexer);
        return BASE_ENOMEM;
    }
    for (uint32_t i = 0; i < token->length; i++) {
        if (token->text[i] == '\\' && i + 1 < token->length && token->text[i + 1] == '"')
            i++;
        data->text[length++] = (uint8_t)token->text[i];
    }
    memset(data->text + length, '\n', DNS_LEXER_PADDING);
    dns_lexer_start(lexer, parser->reader->kernel, data->text, length, true, token->line,
                    parser->reader->options.entry_max);
    enum dns_entry_status status = dns_lexer_next(lexer, &data->words, &entry);
    free(lexer);
    if (status == DNS_ENTRY_NOMEM)
        return BASE_ENOMEM;
    if (status != DNS_ENTRY_FOUND)
        return BASE_EFORMAT;
    parser->joined |= entry.joined;
    for (size_t i = 0; i < entry.count; i++)
        data->words.items[i].column += token->column;
    *count = entry.count;
    return BASE_OK;
}

/* The words of the template, malloc'ed, with those in the quotes in the place of the quoted one. */
static struct dns_token *templates_of(struct dns_zonefile_parser *parser,
                                      const struct dns_token *tokens, size_t count,
                                      struct data *data, size_t *template_count)
{
    const struct dns_token *last = &tokens[count - 1];
    uint16_t type;
    size_t more = 0;
    bool quoted = last->quoted && !last[-1].quoted &&
                  dns_type_from_text(last[-1].text, last[-1].length, &type) == BASE_OK;
    int error = quoted ? unquote(parser, last, data, &more) : BASE_EFORMAT;
    struct dns_token *templates =
        error == BASE_ENOMEM ? NULL : malloc((count + more) * sizeof(*templates));
    if (templates == NULL) {
        parser->error = BASE_ENOMEM;
        return NULL;
    }
    memcpy(templates, tokens, count * sizeof(*templates));
    if (error == BASE_OK)
        memcpy(templates + count - 1, data->words.items, more * sizeof(*templates));
    *template_count = error == BASE_OK ? count - 1 + more : count;
    return templates;
}

void dns_zonefile_generate(struct dns_zonefile_parser *parser, const struct dns_token *tokens,
                           size_t count)
{
    struct range range;
    if (!read_range(&tokens[1], &range)) {
        refuse(parser, &tokens[1],
               "is not a range; it is written start-stop or start-stop/step, with numbers up to "
               "4294967295 and stop not below start");
        return;
    }
    if (!within_budget(parser, &tokens[1], ((uint64_t)range.stop - range.start) / range.step + 1))
        return;
    struct data data = {.text = NULL};
    size_t template_count = 0;
    struct dns_token *templates =
        templates_of(parser, tokens + 1, count - 1, &data, &template_count);
    struct dns_token *words = templates == NULL ? NULL : malloc(template_count * sizeof(*words));
    if (words != NULL)
        generate(parser, &range, templates, template_count, words);
    else
        parser->error = BASE_ENOMEM;
    free(words);
    free(templates);
    free_data(&data);
}
