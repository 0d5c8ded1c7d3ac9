/* Reading a query: one question, and what stands behind it: see internal.h. */
#include "serve/internal.h"

#define QUESTION_FIXED 4  /* type and class */
#define OPT_FIXED      11 /* root, type, payload, version and flags, length */

static int read_question(struct serve_query *query, size_t *at)
{
    size_t length;
    const uint8_t *name = query->wire + DNS_MESSAGE_HEADER;
    size_t left = query->length - DNS_MESSAGE_HEADER;
    if (dns_name_check(name, left, &length) != BASE_OK || left - length < QUESTION_FIXED)
        return BASE_EFORMAT;
    query->name = name;
    query->name_length = length;
    query->type = base_load_u16(name + length);
    query->class = base_load_u16(name + length + 2);
    *at = DNS_MESSAGE_HEADER + length + QUESTION_FIXED;
    return BASE_OK;
}

static int read_options(struct serve_query *query)
{
    struct base_reader reader = base_reader_make(query->options, query->options_length);
    while (base_reader_left(&reader) > 0) {
        uint16_t code = base_reader_u16(&reader);
        size_t length = base_reader_u16(&reader);
        const uint8_t *data = base_reader_bytes(&reader, length);
        if (reader.failed)
            return BASE_EFORMAT;
        switch (code) {
        case DNS_OPTION_NSID:
            query->nsid = true;
            break;
        case DNS_OPTION_KEEPALIVE:
            query->keepalive = true;
            break;
        case DNS_OPTION_EXPIRE:
            query->expire = true;
            break;
        case DNS_OPTION_PADDING:
            query->padding = true;
            break;
        case DNS_OPTION_COOKIE: /* the first one counts (RFC 7873 section 5.2) */
            if (query->cookie == NULL) {
                query->cookie = data;
                query->cookie_length = length;
            }
            break;
        default:
            break;
        }
    }
    return BASE_OK;
}

static int read_edns(struct serve_query *query, const struct dns_record_place *place)
{
    if (query->edns || query->wire[place->start] != 0)
        return BASE_EFORMAT;
    query->edns = true;
    query->payload = place->class;
    query->version = (uint8_t)(place->ttl >> 16);
    query->dnssec = (place->ttl & DNS_EDNS_DO) != 0;
    query->options = query->wire + place->rdata;
    query->options_length = place->length;
    /* What other versions put there is not ours to read. */
    return query->version == 0 && place->length > 0 ? read_options(query) : BASE_OK;
}

/* The sections behind the question. Only the last one may hold OPT and TSIG. */
static int read_rest(struct serve_query *query, size_t at)
{
    unsigned before = base_load_u16(query->wire + 6) + (unsigned)base_load_u16(query->wire + 8);
    unsigned all = before + base_load_u16(query->wire + 10);
    for (unsigned i = 0; i < all; i++) {
        struct dns_record_place place;
        if (query->tsig_at != 0 ||
            dns_record_skip(query->wire, query->length, &at, &place) != BASE_OK)
            return BASE_EFORMAT;
        if (place.type != DNS_TYPE_OPT && place.type != DNS_TYPE_TSIG)
            continue;
        if (i < before)
            return BASE_EFORMAT;
        if (place.type == DNS_TYPE_TSIG)
            query->tsig_at = place.start;
        else if (read_edns(query, &place) != BASE_OK)
            return BASE_EFORMAT;
    }
    return at == query->length ? BASE_OK : BASE_EFORMAT;
}

int serve_query_read(struct serve_query *query, const uint8_t *wire, size_t length)
{
    *query = (struct serve_query){.wire = wire,
                                  .length = length,
                                  .id = base_load_u16(wire),
                                  .flags = base_load_u16(wire + 2)};
    unsigned questions = base_load_u16(wire + 4);
    size_t at = DNS_MESSAGE_HEADER;
    if (questions > 1)
        return BASE_EFORMAT;
    if (questions == 1 && read_question(query, &at) != BASE_OK)
        return BASE_EFORMAT;
    if (base_load_u16(wire + 6) != 0 && DNS_OPCODE(query->flags) == DNS_OPCODE_QUERY)
        return BASE_EFORMAT;
    return read_rest(query, at);
}
