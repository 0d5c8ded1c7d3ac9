/* Reading DNS messages: see message.h. */
#include "dns/message.h"

#include "base/error.h"
#include "dns/rdata_table.h"

#include <string.h>

/* Fixed part of a record behind its owner: type, class, TTL, length of rdata. */
#define RECORD_FIXED 10

/* The budget: what is still free of DNS_MESSAGE_UNPACKED_MAX. */
struct reader {
    const uint8_t *wire;
    size_t length;
    size_t at;
    struct base_arena *arena;
    size_t budget;
};

/* Steps over a name without following pointers. */
static int skip_name(const uint8_t *wire, size_t length, size_t *at)
{
    size_t from = *at;
    for (;;) {
        if (from >= length)
            return BASE_EFORMAT;
        uint8_t octet = wire[from];
        if (octet >= 0xc0) {
            if (length - from < 2)
                return BASE_EFORMAT;
            *at = from + 2;
            return BASE_OK;
        }
        if (octet > DNS_LABEL_MAX)
            return BASE_EFORMAT;
        from += octet + 1u;
        if (octet == 0) {
            *at = from;
            return BASE_OK;
        }
    }
}

int dns_record_skip(const uint8_t *wire, size_t length, size_t *at, struct dns_record_place *place)
{
    size_t from = *at;
    int error = skip_name(wire, length, &from);
    if (error != BASE_OK)
        return error;
    if (from > length || length - from < RECORD_FIXED)
        return BASE_EFORMAT;
    size_t rdata = from + RECORD_FIXED;
    uint16_t size = base_load_u16(wire + from + 8);
    if (size > length - rdata)
        return BASE_EFORMAT;
    *place = (struct dns_record_place){
        .start = *at,
        .rdata = rdata,
        .ttl = base_load_u32(wire + from + 4),
        .length = size,
        .type = base_load_u16(wire + from),
        .class = base_load_u16(wire + from + 2),
    };
    *at = rdata + size;
    return BASE_OK;
}

int dns_questions_skip(const uint8_t *wire, size_t length, size_t *at)
{
    if (length < DNS_MESSAGE_HEADER)
        return BASE_EFORMAT;
    size_t from = DNS_MESSAGE_HEADER;
    for (unsigned count = base_load_u16(wire + 4); count > 0; count--) {
        int error = skip_name(wire, length, &from);
        if (error != BASE_OK)
            return error;
        if (from > length || length - from < 4)
            return BASE_EFORMAT;
        from += 4;
    }
    *at = from;
    return BASE_OK;
}

/* A copy in the arena, on account of the budget. */
static int keep(struct reader *reader, const uint8_t *octets, size_t length, const uint8_t **out)
{
    if (length > reader->budget)
        return BASE_ELIMIT;
    reader->budget -= length;
    *out = base_arena_dup(reader->arena, octets, length);
    return *out == NULL ? BASE_ENOMEM : BASE_OK;
}

static int read_name(struct reader *reader, const uint8_t **out)
{
    uint8_t name[DNS_NAME_MAX];
    size_t length;
    int error = dns_name_from_wire(reader->wire, reader->length, &reader->at, name, &length);
    return error != BASE_OK ? error : keep(reader, name, length, out);
}

static int read_question(struct reader *reader, struct dns_question *question)
{
    int error = read_name(reader, &question->name);
    if (error != BASE_OK)
        return error;
    if (reader->length - reader->at < 4)
        return BASE_EFORMAT;
    question->type = base_load_u16(reader->wire + reader->at);
    question->class = base_load_u16(reader->wire + reader->at + 2);
    reader->at += 4;
    return BASE_OK;
}

static int read_edns(const struct reader *reader, const struct dns_record_place *place,
                     struct dns_message *message)
{
    if (message->edns.present || reader->wire[place->start] != 0)
        return BASE_EFORMAT;
    struct dns_edns edns = {
        .present = true,
        .version = (uint8_t)(place->ttl >> 16),
        .payload = place->class,
        .flags = (uint16_t)place->ttl,
        .options = reader->wire + place->rdata,
        .options_length = place->length,
    };
    for (size_t at = 0; at < edns.options_length;) {
        if (edns.options_length - at < 4)
            return BASE_EFORMAT;
        size_t size = base_load_u16(edns.options + at + 2);
        at += 4;
        if (size > edns.options_length - at)
            return BASE_EFORMAT;
        at += size;
    }
    message->edns = edns;
    message->rcode |= (uint16_t)(place->ttl >> 24 << 4);
    return BASE_OK;
}

/* The records of RFC 2136 that have no rdata: prerequisites and deletions. */
static bool may_be_empty(const struct dns_record_place *place)
{
    return place->length == 0 && (place->class == DNS_CLASS_ANY || place->class == DNS_CLASS_NONE);
}

static int read_record(struct reader *reader, const struct dns_record_place *place,
                       struct dns_record *record)
{
    size_t at = reader->at;
    reader->at = place->start;
    int error = read_name(reader, &record->name);
    reader->at = at;
    if (error != BASE_OK)
        return error;
    record->type = place->type;
    record->class = place->class;
    record->ttl = place->ttl;
    record->length = 0;
    record->rdata = reader->wire + place->rdata;
    if (may_be_empty(place))
        return BASE_OK;
    uint8_t rdata[DNS_RDATA_MAX];
    size_t length;
    error = dns_rdata_from_wire(place->type, reader->wire, reader->length, place->rdata,
                                place->length, rdata, &length);
    if (error != BASE_OK)
        return error;
    record->length = (uint16_t)length;
    return length == 0 ? BASE_OK : keep(reader, rdata, length, &record->rdata);
}

/* Reads the records of a section; OPT and TSIG do not count. */
static int read_section(struct reader *reader, enum dns_section section, unsigned count,
                        struct dns_message *message, size_t *put)
{
    for (unsigned i = 0; i < count; i++) {
        struct dns_record_place place;
        int error = dns_record_skip(reader->wire, reader->length, &reader->at, &place);
        if (error != BASE_OK)
            return error;
        if (place.type == DNS_TYPE_OPT) {
            error = section == DNS_SECTION_ADDITIONAL ? read_edns(reader, &place, message)
                                                      : BASE_EFORMAT;
        } else if (place.type == DNS_TYPE_TSIG) {
            /* The last record of the message (RFC 8945 section 5.1). */
            if (section != DNS_SECTION_ADDITIONAL || i + 1 != count)
                return BASE_EFORMAT;
            message->tsig_at = place.start;
        } else {
            error = read_record(reader, &place, &message->records[(*put)++]);
            message->counts[section]++;
        }
        if (error != BASE_OK)
            return error;
    }
    return BASE_OK;
}

int dns_message_parse(const uint8_t *wire, size_t length, struct base_arena *arena,
                      struct dns_message *message)
{
    if (length < DNS_MESSAGE_HEADER || length > DNS_MESSAGE_MAX)
        return BASE_EFORMAT;
    struct dns_message result = {.id = base_load_u16(wire), .flags = base_load_u16(wire + 2)};
    result.rcode = result.flags & 15;
    unsigned counts[DNS_SECTIONS];
    for (unsigned i = 0; i < DNS_SECTIONS; i++)
        counts[i] = base_load_u16(wire + 4 + 2 * i);
    /* No more than there is room for, so that a header alone cannot claim memory. */
    size_t room = length - DNS_MESSAGE_HEADER;
    size_t records = (size_t)counts[1] + counts[2] + counts[3];
    if (counts[0] > room / 5 || records > room / (RECORD_FIXED + 1))
        return BASE_EFORMAT;
    result.questions = base_arena_alloc(arena, counts[0] * sizeof(*result.questions));
    result.records = base_arena_alloc(arena, records * sizeof(*result.records));
    if (result.questions == NULL || result.records == NULL)
        return BASE_ENOMEM;
    struct reader reader = {wire, length, DNS_MESSAGE_HEADER, arena, DNS_MESSAGE_UNPACKED_MAX};
    for (unsigned i = 0; i < counts[0]; i++) {
        int error = read_question(&reader, &result.questions[i]);
        if (error != BASE_OK)
            return error;
    }
    result.counts[DNS_SECTION_QUESTION] = counts[0];
    size_t put = 0;
    for (enum dns_section section = DNS_SECTION_ANSWER; section < DNS_SECTIONS; section++) {
        int error = read_section(&reader, section, counts[section], &result, &put);
        if (error != BASE_OK)
            return error;
    }
    if (reader.at != length)
        return BASE_EFORMAT;
    *message = result;
    return BASE_OK;
}

const struct dns_record *dns_message_section(const struct dns_message *message,
                                             enum dns_section section, size_t *count)
{
    size_t first = 0;
    for (enum dns_section i = DNS_SECTION_ANSWER; i < section; i++)
        first += message->counts[i];
    *count = section == DNS_SECTION_QUESTION ? 0 : message->counts[section];
    return message->records + first;
}

bool dns_edns_next(const struct dns_edns *edns, size_t *at, uint16_t *code, const uint8_t **data,
                   size_t *length)
{
    if (*at > edns->options_length || edns->options_length - *at < 4)
        return false;
    const uint8_t *option = edns->options + *at;
    size_t size = base_load_u16(option + 2);
    if (size > edns->options_length - *at - 4)
        return false;
    *code = base_load_u16(option);
    *data = option + 4;
    *length = size;
    *at += 4 + size;
    return true;
}
