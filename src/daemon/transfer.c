/* Zone transfers out of the image: see transfer.h. */
#include "daemon/transfer.h"

#include "base/error.h"
#include "dns/message.h"

#include <stdlib.h>
#include <string.h>

/* Messages are filled up to here: every owner in them can be pointed to. */
#define FILL     ((size_t)16 * 1024)
#define OPT_SIZE 11

struct transfer {
    struct net_stream stream; /* the first member: what the connection holds */
    struct image_reader *reader;
    struct image_zone zone;
    struct image_name apex, name; /* the apex's values; the name that the walk has come to */
    unsigned stage;               /* of the walk */
    unsigned run;                 /* of the name: records and signatures of each RRset in turn */
    unsigned left;                /* records of the run */
    const uint8_t *at;            /* the next of them */
    const uint8_t *record;        /* to be sent next; NULL: all is sent */
    const uint8_t *soa;
    uint8_t question[DNS_NAME_MAX + 4];
    size_t question_length;
    uint16_t id;
    uint16_t flags;
    bool edns;   /* the query has an OPT record, so the first message has one (RFC 6891) */
    bool single; /* only the SOA */
    bool last;   /* `record` is the SOA that ends the transfer */
    size_t records, messages;
    const struct base_log *log;
    unsigned *running;
    char peer[NET_ADDRESS_TEXT];
};

/* --- which record comes next --- */

/* The first SOA is sent; all other records follow, then the SOA again. */
static int advance(struct transfer *transfer)
{
    for (;;) {
        while (transfer->left > 0) {
            const uint8_t *record = transfer->at;
            transfer->at += IMAGE_RECORD_HEAD + image_record_length(record);
            transfer->left--;
            if (base_load_u16(record + 2) != DNS_TYPE_SOA) {
                transfer->record = record;
                return BASE_OK;
            }
        }
        int error;
        if (transfer->run < 2u * transfer->name.rrset_count) {
            struct image_rrset rrset;
            error = image_rrset_at(&transfer->name, transfer->run / 2, &rrset);
            bool signatures = transfer->run++ % 2 != 0;
            if (error != BASE_OK)
                return error;
            transfer->at = signatures ? rrset.rrsigs : rrset.records;
            transfer->left = signatures ? rrset.signatures : rrset.count;
            continue;
        }
        error =
            image_walk_next(transfer->reader, &transfer->zone, &transfer->stage, &transfer->name);
        if (error == BASE_ENOENT) {
            transfer->name = transfer->apex;
            transfer->record = transfer->soa;
            transfer->last = true;
            return BASE_OK;
        }
        if (error != BASE_OK)
            return error;
        transfer->run = 0;
    }
}

/* --- messages --- */

/* A message that is being filled. Places are 0 as long as nothing stands there. */
struct message {
    uint8_t *wire;
    size_t length;
    size_t apex;           /* where the apex's name stands, in its own case */
    size_t owner;          /* where the owner of the last record stands */
    const uint8_t *labels; /* whose labels these are */
    unsigned count;
};

static size_t put_pointer(uint8_t *out, size_t place)
{
    base_store_u16(out, (uint16_t)(0xC000u | place));
    return 2;
}

/* Writes the owner of the record; returns its octets. There is room for the longest. */
static size_t put_owner(const struct transfer *transfer, struct message *message)
{
    uint8_t *out = message->wire + message->length;
    const struct image_name *name = &transfer->name;
    if (message->owner != 0 && message->labels == name->labels)
        return put_pointer(out, message->owner);
    size_t length = name->labels_length;
    memcpy(out, name->labels, length);
    if (message->apex == 0) {
        message->apex = message->length + length;
        memcpy(out + length, transfer->zone.apex, transfer->zone.apex_length);
        length += transfer->zone.apex_length;
    } else {
        length += put_pointer(out + length, message->apex);
    }
    message->owner = length == 2 && name->labels_length == 0 ? message->apex : message->length;
    message->labels = name->labels;
    return length;
}

static bool put_record(const struct transfer *transfer, struct message *message, size_t limit)
{
    size_t body = IMAGE_RECORD_HEAD - 2 + (size_t)image_record_length(transfer->record);
    size_t owner = (size_t)transfer->name.labels_length + transfer->zone.apex_length;
    if (owner > DNS_NAME_MAX || message->length + owner + body > limit)
        return false;
    message->length += put_owner(transfer, message);
    memcpy(message->wire + message->length, transfer->record + 2, body);
    message->length += body;
    message->count++;
    return true;
}

static void begin_message(const struct transfer *transfer, struct message *message)
{
    memset(message->wire, 0, DNS_MESSAGE_HEADER);
    base_store_u16(message->wire, transfer->id);
    base_store_u16(message->wire + 2, transfer->flags);
    base_store_u16(message->wire + 4, 1);
    memcpy(message->wire + DNS_MESSAGE_HEADER, transfer->question, transfer->question_length);
    message->length = DNS_MESSAGE_HEADER + transfer->question_length;
    /* The client's case is not the zone's: owners keep theirs (RFC 5936 section 3.4). */
    if (memcmp(transfer->question, transfer->zone.apex, transfer->zone.apex_length) == 0)
        message->apex = DNS_MESSAGE_HEADER;
}

static void end_message(const struct transfer *transfer, struct message *message)
{
    base_store_u16(message->wire + 6, (uint16_t)message->count);
    if (transfer->messages > 0 || !transfer->edns)
        return;
    static const uint8_t opt[OPT_SIZE] = {0, 0, DNS_TYPE_OPT, 1232 >> 8, 1232 & 255};
    memcpy(message->wire + message->length, opt, OPT_SIZE);
    message->length += OPT_SIZE;
    base_store_u16(message->wire + 10, 1);
}

/* Puts the record that is due, and finds the next. False: it does not fit. */
static int put_next(struct transfer *transfer, struct message *message, size_t capacity)
{
    /* A record that fills a message by itself may have all there is. */
    size_t limit = message->count == 0 || capacity < FILL ? capacity : FILL;
    if (!put_record(transfer, message, limit - OPT_SIZE))
        return BASE_ESPACE;
    transfer->records++;
    if (transfer->last || transfer->single) {
        transfer->record = NULL;
        return BASE_OK;
    }
    return advance(transfer);
}

static int pull(struct net_stream *stream, uint8_t *out, size_t capacity, size_t *length)
{
    struct transfer *transfer = (struct transfer *)stream;
    if (capacity > DNS_MESSAGE_MAX)
        capacity = DNS_MESSAGE_MAX;
    struct message message = {.wire = out};
    begin_message(transfer, &message);
    int error = BASE_OK;
    while (error == BASE_OK && transfer->record != NULL)
        error = put_next(transfer, &message, capacity);
    if (error != BASE_OK && (error != BASE_ESPACE || message.count == 0))
        return error;
    end_message(transfer, &message);
    transfer->messages++;
    *length = message.length;
    return transfer->record != NULL ? NET_STREAM_MORE : NET_STREAM_END;
}

/* --- beginning and end --- */

static void close_transfer(struct net_stream *stream, bool finished)
{
    struct transfer *transfer = (struct transfer *)stream;
    if (!transfer->single && transfer->reader != NULL) {
        char name[DNS_NAME_TEXT];
        dns_name_text(name, transfer->zone.apex);
        base_log(transfer->log, base_clock_now(), finished ? BASE_LOG_INFO : BASE_LOG_WARNING,
                 "%s: serial %u %s %s, %zu records in %zu messages", name, transfer->zone.serial,
                 finished ? "was transferred to" : "was not wholly transferred to", transfer->peer,
                 transfer->records, transfer->messages);
    }
    image_reader_close(transfer->reader);
    --*transfer->running;
    free(transfer);
}

/* RFC 1982: is the client's serial ours, or newer? */
static bool is_current(uint32_t client, uint32_t ours)
{
    return (int32_t)(client - ours) >= 0;
}

/* Takes from the query what is needed of it. */
static int read_query(struct transfer *transfer, const struct daemon_transfer_request *request,
                      uint8_t apex[DNS_NAME_MAX], bool *known, uint32_t *serial)
{
    struct base_arena arena;
    struct dns_message message;
    base_arena_init(&arena, 0);
    int error = dns_message_parse(request->query, request->length, &arena, &message);
    if (error == BASE_EFORMAT || (error == BASE_OK && message.counts[DNS_SECTION_QUESTION] != 1))
        error = BASE_EINVAL;
    *known = false;
    if (error == BASE_OK) {
        const struct dns_question *question = message.questions;
        size_t length = dns_name_length(question->name), count;
        dns_name_lower(apex, question->name);
        memcpy(transfer->question, question->name, length);
        base_store_u16(transfer->question + length, question->type);
        base_store_u16(transfer->question + length + 2, question->class);
        transfer->question_length = length + 4;
        transfer->id = message.id;
        transfer->flags = (uint16_t)(DNS_FLAG_QR | DNS_FLAG_AA | (message.flags & DNS_FLAG_RD));
        transfer->edns = message.edns.present;
        const struct dns_record *soa = dns_message_section(&message, DNS_SECTION_AUTHORITY, &count);
        *known = question->type == DNS_TYPE_IXFR && count > 0 && soa->type == DNS_TYPE_SOA &&
                 soa->length >= 22;
        if (*known)
            *serial = base_load_u32(soa->rdata + soa->length - 20);
        else if (question->type == DNS_TYPE_IXFR)
            error = BASE_EINVAL;
    }
    base_arena_free(&arena);
    return error;
}

static int open_zone(struct transfer *transfer, const uint8_t *apex)
{
    int error = image_zone_get(transfer->reader, apex, &transfer->zone);
    if (error != BASE_OK)
        return error;
    struct image_rrset soa;
    error = image_get(transfer->reader, &transfer->zone, apex, 0, &transfer->apex);
    if (error == BASE_OK)
        error = image_rrset(&transfer->apex, DNS_TYPE_SOA, &soa);
    if (error != BASE_OK)
        return error == BASE_ENOENT ? BASE_EFORMAT : error;
    transfer->name = transfer->apex;
    transfer->run = 2u * transfer->apex.rrset_count; /* the walk begins with the apex */
    transfer->soa = transfer->record = soa.records;
    return BASE_OK;
}

int daemon_transfer_begin(const struct daemon_transfer_request *request, struct net_stream **out)
{
    struct transfer *transfer = calloc(1, sizeof(*transfer));
    if (transfer == NULL)
        return BASE_ENOMEM;
    transfer->stream.pull = pull;
    transfer->stream.close = close_transfer;
    transfer->log = request->log;
    transfer->running = request->running;
    net_address_text(request->client->peer, transfer->peer);
    uint8_t apex[DNS_NAME_MAX];
    bool known;
    uint32_t serial = 0;
    int error = read_query(transfer, request, apex, &known, &serial);
    if (error == BASE_OK)
        error = image_reader_open(request->image, &transfer->reader);
    if (error == BASE_OK)
        error = open_zone(transfer, apex);
    if (error != BASE_OK) {
        image_reader_close(transfer->reader);
        free(transfer);
        return error;
    }
    /* Over UDP the SOA tells that there is something to come for by TCP (RFC 1995 section 2). */
    transfer->single = request->client->protocol == NET_UDP ||
                       (known && is_current(serial, transfer->zone.serial));
    ++*transfer->running;
    *out = &transfer->stream;
    return BASE_OK;
}
