/* Zones to text: see write.h. */
#include "zone/write.h"

#include "base/error.h"
#include "base/json.h"
#include "base/reader.h"
#include "dns/scalar.h"
#include "zone/pieces.h"
#include "zone/source_order.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Columns of the pretty form. */
#define OWNER_WIDTH 24
#define TTL_WIDTH   8
#define TYPE_WIDTH  8

#define HEAD_MAX (DNS_NAME_TEXT + DNS_TYPE_TEXT + OWNER_WIDTH + 64)

struct text {
    const struct zone *zone;
    enum zone_text_form form;
    uint32_t default_ttl;              /* of the pretty form */
    struct zone_source_record *source; /* NULL: canonical order */
    const struct zone_write_options *options;
    struct base_file_writer *writer;
};

/* What stands before the rdata. It is made once for all records that have it in common. */
struct head {
    const uint8_t *owner; /* NULL: none yet */
    uint16_t type;
    uint32_t ttl;
    char owner_text[DNS_NAME_TEXT];
    size_t owner_length;
    char text[HEAD_MAX];
    size_t length;
    bool owner_shown;      /* pretty form: the owner stands above */
    bool stale;            /* `text` must be made anew */
    bool comma;            /* JSON: a record stands before */
    struct base_buf rdata; /* JSON: the rdata as text */
};

static void append(struct head *head, const char *text, size_t length)
{
    memcpy(head->text + head->length, text, length);
    head->length += length;
}

static void append_number(struct head *head, uint32_t number)
{
    head->length += dns_scalar_put_number(head->text + head->length, number);
}

/* Fills up with spaces to `column`, one at least. */
static void pad(struct head *head, size_t column)
{
    do {
        head->text[head->length++] = ' ';
    } while (head->length < column);
}

static void set_owner(const struct text *text, struct head *head, const uint8_t *owner)
{
    head->owner = owner;
    head->owner_shown = false;
    if (text->form != ZONE_TEXT_PRETTY) {
        head->owner_length = dns_name_to_text(head->owner_text, owner);
        return;
    }
    /* Relative: the labels below the apex, as if they were a name, without the final dot. */
    size_t below = dns_name_length(owner) - dns_name_length(text->zone->apex);
    if (below == 0) {
        head->owner_text[0] = '@';
        head->owner_length = 1;
        return;
    }
    uint8_t relative[DNS_NAME_MAX + 1];
    memcpy(relative, owner, below);
    relative[below] = 0;
    head->owner_length = dns_name_to_text(head->owner_text, relative) - 1;
}

static void make_lines_head(struct head *head)
{
    char type[DNS_TYPE_TEXT];
    dns_type_text(type, head->type);
    append(head, head->owner_text, head->owner_length);
    append(head, "\t", 1);
    append_number(head, head->ttl);
    append(head, "\tIN\t", 4);
    append(head, type, strlen(type));
    append(head, "\t", 1);
}

static void make_pretty_head(const struct text *text, struct head *head)
{
    char type[DNS_TYPE_TEXT];
    dns_type_text(type, head->type);
    if (!head->owner_shown)
        append(head, head->owner_text, head->owner_length);
    pad(head, OWNER_WIDTH);
    size_t column = head->length + TTL_WIDTH;
    if (head->ttl != text->default_ttl)
        append_number(head, head->ttl);
    pad(head, column);
    append(head, "IN ", 3);
    column = head->length + TYPE_WIDTH;
    append(head, type, strlen(type));
    pad(head, column);
}

static void make_head(const struct text *text, struct head *head, const uint8_t *owner,
                      const struct dns_rr *rr)
{
    bool new_owner =
        head->owner != owner && (head->owner == NULL || !dns_name_equal(head->owner, owner));
    if (!new_owner && head->type == rr->type && head->ttl == rr->ttl && !head->stale)
        return;
    if (new_owner)
        set_owner(text, head, owner);
    head->type = rr->type;
    head->ttl = rr->ttl;
    head->length = 0;
    if (text->form == ZONE_TEXT_PRETTY)
        make_pretty_head(text, head);
    else
        make_lines_head(head);
}

static void write_json(struct head *head, const uint8_t *owner, const struct dns_rr *rr,
                       struct base_buf *buf)
{
    if (head->owner != owner) {
        head->owner = owner;
        head->owner_length = dns_name_to_text(head->owner_text, owner);
    }
    char type[DNS_TYPE_TEXT];
    base_buf_text(buf, "{\"name\":");
    base_json_string(buf, head->owner_text, head->owner_length);
    base_buf_text(buf, ",\"ttl\":");
    base_buf_decimal(buf, rr->ttl);
    base_buf_text(buf, ",\"class\":\"IN\",\"type\":\"");
    base_buf_text(buf, dns_type_text(type, rr->type));
    base_buf_text(buf, "\",\"rdata\":");
    base_buf_reset(&head->rdata);
    dns_rdata_to_text(&head->rdata, rr->type, rr->rdata, rr->length, DNS_TEXT_PLAIN);
    base_json_string(buf, (const char *)head->rdata.data, head->rdata.length);
    base_buf_text(buf, ",\"data\":");
    dns_rdata_to_json(buf, rr->type, rr->rdata, rr->length);
    base_buf_u8(buf, '}');
}

static void write_record(const struct text *text, struct head *head, const uint8_t *owner,
                         const struct dns_rr *rr, struct base_buf *buf)
{
    if (text->form == ZONE_TEXT_JSON) {
        if (head->comma)
            base_buf_append(buf, ",\n", 2);
        head->comma = true;
        write_json(head, owner, rr, buf);
        return;
    }
    make_head(text, head, owner, rr);
    base_buf_append(buf, head->text, head->length);
    dns_rdata_to_text(buf, rr->type, rr->rdata, rr->length,
                      text->form == ZONE_TEXT_PRETTY ? DNS_TEXT_PRETTY : DNS_TEXT_PLAIN);
    base_buf_u8(buf, '\n');
    /* In the pretty form the owner is left out from the second record on. */
    head->stale = text->form == ZONE_TEXT_PRETTY && !head->owner_shown;
    head->owner_shown = true;
}

/* Signatures behind what they sign, for people. Not when an absurd number of them would make the
 * search long. */
#define INTERLEAVE_MAX 4096

static void write_signatures(const struct text *text, struct head *head,
                             const struct zone_node *node, const struct zone_rrset *signatures,
                             uint16_t covered, struct base_buf *buf)
{
    for (unsigned i = 0; i < signatures->count; i++) {
        const struct dns_rr *rr = text->zone->rrs[signatures->first_rr + i];
        if (rr->length >= 2 && base_load_u16(rr->rdata) == covered)
            write_record(text, head, node->name, rr, buf);
    }
}

static void write_rrset(const struct text *text, struct head *head, const struct zone_node *node,
                        const struct zone_rrset *rrset, const struct zone_rrset *signatures,
                        struct base_buf *buf)
{
    for (unsigned i = 0; i < rrset->count; i++)
        write_record(text, head, node->name, text->zone->rrs[rrset->first_rr + i], buf);
    if (signatures != NULL)
        write_signatures(text, head, node, signatures, rrset->type, buf);
}

/* Signatures whose RRset is not there. */
static void write_strays(const struct text *text, struct head *head, const struct zone_node *node,
                         const struct zone_rrset *signatures, struct base_buf *buf)
{
    for (unsigned i = 0; i < signatures->count; i++) {
        const struct dns_rr *rr = text->zone->rrs[signatures->first_rr + i];
        uint16_t covered = rr->length >= 2 ? base_load_u16(rr->rdata) : 0;
        if (covered == DNS_TYPE_RRSIG || zone_rrset(text->zone, node, covered) == NULL)
            write_record(text, head, node->name, rr, buf);
    }
}

/* The node's signatures, when each goes behind the set that it covers; else NULL. */
static const struct zone_rrset *find_signatures(const struct text *text,
                                                const struct zone_node *node)
{
    if (text->form != ZONE_TEXT_PRETTY)
        return NULL;
    const struct zone_rrset *signatures = zone_rrset(text->zone, node, DNS_TYPE_RRSIG);
    if (signatures != NULL && (size_t)signatures->count * node->rrset_count > INTERLEAVE_MAX)
        return NULL;
    return signatures;
}

static void write_node(const struct text *text, struct head *head, const struct zone_node *node,
                       struct base_buf *buf)
{
    const struct zone_rrset *rrsets = &text->zone->rrsets[node->first_rrset];
    const struct zone_rrset *signatures = find_signatures(text, node);
    /* A zone begins with its SOA record: much that reads zone files relies on it. */
    const struct zone_rrset *soa =
        node->flags & ZONE_APEX ? zone_rrset(text->zone, node, DNS_TYPE_SOA) : NULL;
    if (soa != NULL)
        write_rrset(text, head, node, soa, signatures, buf);
    for (unsigned i = 0; i < node->rrset_count; i++) {
        if (&rrsets[i] != soa && &rrsets[i] != signatures)
            write_rrset(text, head, node, &rrsets[i], signatures, buf);
    }
    if (signatures != NULL)
        write_strays(text, head, node, signatures, buf);
}

static int fill(const void *context, size_t first, size_t end, struct base_buf *buf)
{
    const struct text *text = context;
    struct head head = {.stale = true, .comma = first > 0};
    base_buf_init(&head.rdata, SIZE_MAX / 2);
    for (size_t i = first; i < end; i++) {
        if (text->source != NULL) {
            write_record(text, &head, text->source[i].owner, text->source[i].rr, buf);
        } else {
            zone_prefetch(text->zone, i + ZONE_PREFETCH_NODES);
            write_node(text, &head, &text->zone->nodes[i], buf);
        }
    }
    int error = head.rdata.error;
    base_buf_free(&head.rdata);
    return error;
}

static size_t piece_end(const void *context, size_t first)
{
    const struct text *text = context;
    if (text->source == NULL)
        return zone_piece_end(text->zone, first);
    size_t left = text->zone->rr_count - first;
    return first + (left < ZONE_PIECE_RECORDS ? left : ZONE_PIECE_RECORDS);
}

static int take(void *taker, const void *data, size_t length, size_t end)
{
    const struct text *text = taker;
    int error = base_file_write(text->writer, data, length);
    if (error != BASE_OK || text->options->progress == NULL)
        return error;
    size_t nodes = text->zone->node_count;
    if (text->source != NULL)
        end = (size_t)((double)end / (double)text->zone->rr_count * (double)nodes);
    text->options->progress(text->options->progress_context, end, nodes);
    return BASE_OK;
}

/* The TTL that most RRsets have, or close to it: counted for the first few that are seen. */
static uint32_t common_ttl(const struct zone *zone)
{
    enum { KINDS = 32 };
    uint32_t ttls[KINDS];
    size_t counts[KINDS], kinds = 0, best = 0;
    for (size_t i = 0; i < zone->rrset_count; i++) {
        size_t at = 0;
        while (at < kinds && ttls[at] != zone->rrsets[i].ttl)
            at++;
        if (at == KINDS)
            continue;
        if (at == kinds) {
            ttls[kinds] = zone->rrsets[i].ttl;
            counts[kinds++] = 0;
        }
        if (++counts[at] > counts[best])
            best = at;
    }
    return kinds > 0 ? ttls[best] : 0;
}

static int write_text(struct base_file_writer *writer, const char *text)
{
    return base_file_write(writer, text, strlen(text));
}

static int write_start(const struct text *text)
{
    if (text->form == ZONE_TEXT_LINES)
        return BASE_OK;
    if (text->form == ZONE_TEXT_JSON)
        return write_text(text->writer, "[\n");
    char apex[DNS_NAME_TEXT], lines[DNS_NAME_TEXT + 64];
    snprintf(lines, sizeof(lines), "$ORIGIN %s\n$TTL %u\n", dns_name_text(apex, text->zone->apex),
             text->default_ttl);
    return write_text(text->writer, lines);
}

static int write_end(const struct text *text)
{
    if (text->form != ZONE_TEXT_JSON)
        return BASE_OK;
    return write_text(text->writer, text->zone->rr_count > 0 ? "\n]\n" : "]\n");
}

int zone_write(const struct zone *zone, const struct zone_write_options *options,
               struct base_file_writer *writer)
{
    struct text text = {.zone = zone, .form = options->form, .options = options, .writer = writer};
    int error = BASE_OK;
    if (options->form == ZONE_TEXT_PRETTY)
        text.default_ttl = common_ttl(zone);
    if (options->source_order)
        error = zone_source_order(zone, &text.source);
    if (error == BASE_OK)
        error = write_start(&text);
    const struct zone_pieces pieces = {.end = piece_end,
                                       .fill = fill,
                                       .take = take,
                                       .context = &text,
                                       .taker = &text,
                                       .count = options->source_order ? zone->rr_count
                                                                      : zone->node_count,
                                       .threads = options->threads};
    if (error == BASE_OK)
        error = zone_pieces_run(&pieces);
    if (error == BASE_OK)
        error = write_end(&text);
    free(text.source);
    return error;
}
