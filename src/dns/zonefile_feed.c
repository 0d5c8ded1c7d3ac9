/* Blocks in order: joins an entry that the end of a block cut off with the block behind it. */
#include "base/error.h"
#include "dns/zonefile_internal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void dns_zonefile_feed_free(struct dns_zonefile_feed *feed)
{
    free(feed->tail);
    feed->tail = NULL;
    feed->tail_length = feed->tail_capacity = 0;
}

/* Room for `length` octets in all. */
static int make_room(struct dns_zonefile_feed *feed, size_t length)
{
    size_t need = length + DNS_LEXER_PADDING;
    if (need <= feed->tail_capacity)
        return BASE_OK;
    uint8_t *tail = realloc(feed->tail, need);
    if (tail == NULL)
        return BASE_ENOMEM;
    feed->tail = tail;
    feed->tail_capacity = need;
    return BASE_OK;
}

int dns_zonefile_feed_keep(struct dns_zonefile_feed *feed, const uint8_t *text, size_t length,
                           uint32_t line)
{
    int error = make_room(feed, length);
    if (error != BASE_OK)
        return error;
    memmove(feed->tail, text, length);
    memset(feed->tail + length, '\n', DNS_LEXER_PADDING);
    feed->tail_length = length;
    feed->tail_line = line;
    /* Twice as much each time, so that all looking together stays in proportion to the text. */
    size_t most = feed->entry_max + 1;
    feed->worth = length < most / 2 ? 2 * length : most;
    return BASE_OK;
}

/* Parses text and keeps what it leaves unfinished. */
static int parse(struct dns_zonefile_feed *feed, const uint8_t *text, size_t length, bool final,
                 uint32_t line)
{
    struct dns_zonefile_piece *piece = feed->parser->piece;
    dns_zonefile_parse(feed->parser, feed->lexer, text, length, final, line);
    feed->tail_length = 0;
    if (feed->parser->error != BASE_OK || !piece->has_tail)
        return feed->parser->error;
    piece->has_tail = false;
    return dns_zonefile_feed_keep(feed, text + piece->tail, length - piece->tail, piece->tail_line);
}

/* A line that is too long was left out: what was open before it cannot be finished, and whose the
 * lines behind it are is not known. */
static int feed_overlong(struct dns_zonefile_feed *feed, const struct dns_zonefile_block *block)
{
    struct dns_zonefile_parser *parser = feed->parser;
    int error = BASE_OK;
    /* What was kept may have grown to its end since it was last looked at. */
    if (feed->tail_length > 0)
        error = parse(feed, feed->tail, feed->tail_length, false, feed->tail_line);
    bool open = feed->tail_length > 0;
    if (open && error == BASE_OK)
        error = parse(feed, feed->tail, feed->tail_length, true, feed->tail_line);
    if (error != BASE_OK)
        return error;
    dns_zonefile_finding(parser, SYNTAX_ENTRY_LENGTH, block->line, 1,
                         "the line is longer than %zu octets", parser->reader->options.entry_max);
    parser->state.lost = open;
    parser->state.owner_state = DNS_OWNER_BAD;
    parser->sets |= DNS_PART_OWNER;
    parser->owner_text = NULL;
    parser->run_open = false;
    return BASE_OK;
}

int dns_zonefile_feed(struct dns_zonefile_feed *feed, const struct dns_zonefile_block *block)
{
    if (block->overlong)
        return feed_overlong(feed, block);
    if (feed->tail_length == 0)
        return parse(feed, block->text, block->length, block->final, block->line);
    size_t length = feed->tail_length + block->length;
    int error = make_room(feed, length);
    if (error != BASE_OK)
        return error;
    memcpy(feed->tail + feed->tail_length, block->text, block->length + DNS_LEXER_PADDING);
    feed->tail_length = length;
    if (length < feed->worth && !block->final)
        return BASE_OK;
    return parse(feed, feed->tail, length, block->final, feed->tail_line);
}

void dns_zonefile_source_notes(struct dns_zonefile_parser *parser,
                               const struct dns_zonefile_source *source)
{
    if (source->byte_order_mark)
        dns_zonefile_finding(parser, SYNTAX_BYTE_ORDER_MARK, 1, 1,
                             "the file begins with the bytes EF BB BF");
    if (source->wide_characters)
        dns_zonefile_finding(parser, SYNTAX_ENCODING, 1, 1,
                             "the file begins with the byte order mark of UTF-16");
    if (source->no_final_newline)
        dns_zonefile_finding(parser, SYNTAX_FINAL_NEWLINE, source->line, 0,
                             "line %u is the last and does not end with a line feed", source->line);
}

/* --- what the name of a file, and the first bytes of a line, tell --- */

bool dns_zonefile_origin_of_path(const char *path, uint8_t origin[DNS_NAME_MAX], bool *usual)
{
    static const char *const endings[] = {".signed", ".unsigned", ".zone", ".db", ".txt"};
    static const uint8_t root[1] = {0};
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    size_t length = strlen(name);
    *usual = false;
    if (length > 3 && strncmp(name, "db.", 3) == 0) {
        *usual = true;
        name += 3;
        length -= 3;
    }
    /* From the right, in the order of the table: "example.zone.signed". */
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        size_t ending = strlen(endings[i]);
        if (length > ending && memcmp(name + length - ending, endings[i], ending) == 0) {
            length -= ending;
            *usual |= strcmp(endings[i], ".txt") != 0;
        }
    }
    size_t used;
    for (size_t i = 0; i < length; i++) {
        if (dns_scan_classes[(uint8_t)name[i]] != DNS_SCAN_WORD || name[i] == '@')
            return false;
    }
    return length > 0 && name[0] != '-' &&
           dns_name_from_text(origin, &used, name, length, root) == BASE_OK && used > 1;
}

char *dns_zonefile_include_root(const char *path, const char *root)
{
    char directory[PATH_MAX];
    if (root != NULL)
        return realpath(root, NULL);
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return realpath(".", NULL);
    size_t length = slash == path ? 1 : (size_t)(slash - path);
    if (length >= sizeof(directory))
        return NULL;
    memcpy(directory, path, length);
    directory[length] = '\0';
    return realpath(directory, NULL);
}

/* The word behind `at` on the same line. */
static bool next_word(const struct dns_zonefile_block *block, size_t at, struct dns_token *word)
{
    while (at < block->length && dns_scan_classes[block->text[at]] == DNS_SCAN_BLANK)
        at++;
    size_t end = at;
    while (end < block->length && dns_scan_classes[block->text[end]] == DNS_SCAN_WORD)
        end++;
    *word =
        (struct dns_token){.text = (const char *)block->text + at, .length = (uint32_t)(end - at)};
    return end > at;
}

void dns_zonefile_predict(struct dns_zonefile_state *state, const struct dns_zonefile_block *block,
                          const struct dns_zonefile_source *source)
{
    for (size_t i = 0; i < source->dollar_count; i++) {
        struct dns_token name, value;
        size_t at = source->dollars[i];
        if (!next_word(block, at, &name) || !next_word(block, at + name.length, &value))
            continue;
        uint8_t origin[DNS_NAME_MAX];
        size_t length;
        uint32_t ttl;
        if (name.length == 7 && strncasecmp(name.text, "$ORIGIN", 7) == 0 &&
            dns_name_from_text(origin, &length, value.text, value.length,
                               state->has_origin ? state->origin : NULL) == BASE_OK) {
            memcpy(state->origin, origin, length);
            state->has_origin = true;
        } else if (name.length == 4 && strncasecmp(name.text, "$TTL", 4) == 0 &&
                   dns_ttl_from_text(value.text, value.length, &ttl) == BASE_OK) {
            state->default_ttl = ttl;
            state->has_default_ttl = true;
        }
    }
}
