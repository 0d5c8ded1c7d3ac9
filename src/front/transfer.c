/* Zone transfers: see transfer.h. */
#include "front/transfer.h"

#include "base/error.h"
#include "front/difference.h"
#include "front/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UDP_LEAST   512
#define OPT_SIZE    11
#define EXPIRE_SIZE 8 /* of the option */

/* What the query asks for. */
struct ask {
    uint8_t apex[DNS_NAME_MAX]; /* lower case */
    uint16_t type;
    uint32_t serial; /* of IXFR */
    size_t udp_limit;
};

/* What is sent, one record after the other. */
struct front_transfer {
    struct net_stream stream; /* the first member: what the connection holds */
    struct front_worker *worker;
    struct front_transfer *next, **link;
    struct front_image *image;
    struct image_reader *reader;
    struct image_zone zone;
    struct net_prefix client;
    struct front_auth auth;
    struct front_head head;
    struct image_name apex;
    struct image_rrset soa;
    struct front_record record;          /* to be sent next */
    bool due;                            /* there is one; otherwise all is sent */
    bool last;                           /* it is the SOA that ends the transfer */
    bool incremental;                    /* what was asked for */
    struct front_difference *difference; /* NULL: the whole zone */
    /* the whole zone */
    struct image_name name; /* that the walk has come to */
    unsigned stage;         /* of the walk */
    unsigned run;           /* of the name: records and signatures of each RRset in turn */
    unsigned left;          /* records of the run */
    const uint8_t *at;      /* the next of them */
    uint64_t began;         /* monotonic nanoseconds */
    uint32_t from;
    size_t records, messages, octets;
    char peer[NET_ADDRESS_TEXT];
};

/* --- which record comes next --- */

static void show_record(struct front_transfer *transfer, const uint8_t *record)
{
    transfer->record =
        (struct front_record){.labels = transfer->name.labels,
                              .labels_length = transfer->name.labels_length,
                              .body = record + 2,
                              .body_length = IMAGE_RECORD_HEAD - 2u + image_record_length(record)};
}

static void show_soa(struct front_transfer *transfer)
{
    transfer->name = transfer->apex;
    show_record(transfer, transfer->soa.records);
}

/* The next record of the walk but for SOAs. BASE_ENOENT: that was all. */
static int walk(struct front_transfer *transfer)
{
    for (;;) {
        while (transfer->left > 0) {
            const uint8_t *record = transfer->at;
            transfer->at += IMAGE_RECORD_HEAD + image_record_length(record);
            transfer->left--;
            if (base_load_u16(record + 2) != DNS_TYPE_SOA) {
                show_record(transfer, record);
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
        if (error != BASE_OK)
            return error;
        transfer->run = 0;
    }
}

static int advance(struct front_transfer *transfer)
{
    if (transfer->last) {
        transfer->due = false;
        return BASE_OK;
    }
    int error = transfer->difference != NULL
                    ? front_difference_next(transfer->difference, &transfer->record)
                    : walk(transfer);
    if (error != BASE_ENOENT)
        return error;
    transfer->last = true;
    show_soa(transfer);
    return BASE_OK;
}

/* --- messages --- */

/* Fills the next message with at most `capacity` octets, the signature's not counted. */
static int fill(struct front_transfer *transfer, uint8_t *out, size_t capacity, size_t fill,
                size_t *length)
{
    const struct front_head *head = &transfer->head;
    bool first = transfer->messages == 0;
    size_t opt = first ? head->opt_length : 0;
    struct front_message message;
    front_message_begin(&message, head, out);
    while (transfer->due) {
        /* A record that fills a message by itself may have all there is. */
        size_t limit = message.count == 0 || capacity < fill ? capacity : fill;
        if (limit < opt || !front_message_put(&message, head, &transfer->record, limit - opt))
            break;
        transfer->records++;
        int error = advance(transfer);
        if (error != BASE_OK)
            return error;
    }
    if (message.count == 0)
        return BASE_ESPACE;
    front_message_end(&message, head, first);
    transfer->messages++;
    *length = message.length;
    return BASE_OK;
}

static int pull(struct net_stream *stream, uint8_t *out, size_t capacity, size_t *length)
{
    struct front_transfer *transfer = (struct front_transfer *)stream;
    if (base_clock_monotonic() - transfer->began > FRONT_TRANSFER_SECONDS * UINT64_C(1000000000))
        return BASE_ELIMIT;
    if (capacity > DNS_MESSAGE_MAX)
        capacity = DNS_MESSAGE_MAX;
    size_t room = front_auth_room(&transfer->auth);
    int error = fill(transfer, out, capacity - room, FRONT_MESSAGE_FILL, length);
    if (error == BASE_OK)
        error = front_auth_sign(&transfer->auth, out, length, capacity, base_clock_now());
    if (error != BASE_OK)
        return error;
    transfer->octets += *length;
    front_count(transfer->worker->stats, FRONT_TRANSFER_BYTES, *length);
    return transfer->due ? NET_STREAM_MORE : NET_STREAM_END;
}

/* --- the end --- */

static void log_end(const struct front_transfer *transfer, bool finished)
{
    char name[DNS_NAME_TEXT], what[64] = "";
    bool condensed = false;
    dns_name_text(name, transfer->zone.apex);
    if (transfer->difference != NULL) {
        size_t steps = front_difference_steps(transfer->difference, &condensed);
        snprintf(what, sizeof(what), ", %zu %s%s from %u", steps, steps == 1 ? "step" : "steps",
                 condensed ? " in one" : "", transfer->from);
    }
    base_log(transfer->worker->shared->log, base_clock_now(),
             finished ? BASE_LOG_INFO : BASE_LOG_WARNING,
             "%s: serial %u%s %s %s, %zu records in %zu messages, %zu octets", name,
             transfer->zone.serial, what,
             finished ? "was transferred to" : "was not wholly transferred to", transfer->peer,
             transfer->records, transfer->messages, transfer->octets);
}

static void count_end(const struct front_transfer *transfer, bool finished)
{
    bool whole = transfer->difference == NULL;
    front_count(transfer->worker->stats,
                finished                ? transfer->incremental && whole ? FRONT_IXFR_WHOLE
                                          : transfer->incremental        ? FRONT_IXFR_DONE
                                                                         : FRONT_AXFR_DONE
                : transfer->incremental ? FRONT_IXFR_BROKEN
                                        : FRONT_AXFR_BROKEN,
                1);
}

static void free_transfer(struct front_transfer *transfer)
{
    struct front_worker *worker = transfer->worker;
    if (transfer->link != NULL) {
        *transfer->link = transfer->next;
        if (transfer->next != NULL)
            transfer->next->link = transfer->link;
        worker->transfer_count--;
        atomic_store_explicit(&worker->stats->transfers, worker->transfer_count,
                              memory_order_relaxed);
    }
    front_difference_free(transfer->difference);
    dns_tsig_free(&transfer->auth.tsig);
    if (transfer->image != NULL) {
        image_reader_close(transfer->reader);
        front_image_leave(worker->shared, transfer->image);
    }
    free(transfer);
}

static void close_transfer(struct net_stream *stream, bool finished)
{
    struct front_transfer *transfer = (struct front_transfer *)stream;
    log_end(transfer, finished);
    count_end(transfer, finished);
    free_transfer(transfer);
}

/* --- the query --- */

/* Takes from the query what is needed of it. */
static int read_query(const struct front_request *request, struct ask *ask, struct front_head *head)
{
    struct base_arena arena;
    struct dns_message message;
    base_arena_init(&arena, 0);
    int error = dns_message_parse(request->query, request->length, &arena, &message);
    if (error == BASE_OK && message.counts[DNS_SECTION_QUESTION] != 1)
        error = BASE_EFORMAT;
    if (error == BASE_OK) {
        const struct dns_question *question = message.questions;
        size_t length = dns_name_length(question->name), count;
        dns_name_lower(ask->apex, question->name);
        ask->type = question->type;
        memcpy(head->question, question->name, length);
        base_store_u16(head->question + length, question->type);
        base_store_u16(head->question + length + 2, question->class);
        head->question_length = length + 4;
        head->id = message.id;
        head->flags = (uint16_t)(DNS_FLAG_QR | DNS_FLAG_AA | (message.flags & DNS_FLAG_RD));
        ask->udp_limit = message.edns.payload > UDP_LEAST ? message.edns.payload : UDP_LEAST;
        const struct dns_record *soa = dns_message_section(&message, DNS_SECTION_AUTHORITY, &count);
        bool known = count == 1 && soa->type == DNS_TYPE_SOA && soa->length >= 22 &&
                     dns_name_equal(soa->name, question->name);
        if (known)
            ask->serial = base_load_u32(soa->rdata + soa->length - 20);
        else if (question->type == DNS_TYPE_IXFR)
            error = BASE_EFORMAT;
    }
    base_arena_free(&arena);
    return error;
}

/* The OPT record that the response has, without what it says of the rcode. */
static void take_opt(const struct front_request *request, struct front_head *head)
{
    if (request->result.opt_length > sizeof(head->opt))
        return;
    head->opt_length = request->result.opt_length;
    memcpy(head->opt, request->out + request->result.opt, head->opt_length);
}

/* When the zone expires, for a client that asks for it (RFC 7314). */
static void add_expire(const struct front_request *request, struct front_transfer *transfer)
{
    struct front_head *head = &transfer->head;
    uint8_t *put = head->opt + head->opt_length;
    if (!request->result.expire || head->opt_length < OPT_SIZE ||
        head->opt_length + EXPIRE_SIZE > sizeof(head->opt))
        return;
    const uint8_t *soa = transfer->soa.records;
    base_store_u16(put, DNS_OPTION_EXPIRE);
    base_store_u16(put + 2, 4);
    base_store_u32(put + 4, serve_expire_in(&transfer->zone, soa + IMAGE_RECORD_HEAD,
                                            image_record_length(soa), request->client->now));
    head->opt_length += EXPIRE_SIZE;
    base_store_u16(head->opt + OPT_SIZE - 2, (uint16_t)(head->opt_length - OPT_SIZE));
}

static bool is_loopback(const union net_address *peer)
{
    static const struct in6_addr loopback = IN6ADDR_LOOPBACK_INIT;
    if (peer->any.sa_family == AF_INET6)
        return memcmp(&peer->v6.sin6_addr, &loopback, sizeof(loopback)) == 0;
    return peer->any.sa_family == AF_INET && ntohl(peer->v4.sin_addr.s_addr) >> 24 == 127;
}

static bool may_transfer(const struct front_worker *worker, const struct front_request *request,
                         const struct image_zone *zone)
{
    const struct front_auth *auth = &request->auth;
    const struct config_template *template = front_template(worker, zone);
    if (request->client->protocol == NET_TLS && !request->client->tls13)
        return false; /* RFC 9103: answers may come over TLS 1.2, zones may not */
    return is_loopback(request->client->peer) ||
           (template != NULL && config_acl_allows(&template->transfer, request->client->peer,
                                                  auth->key != NULL ? auth->key->name : NULL,
                                                  request->client->identity));
}

/* RFC 1982: is the client's serial ours, or newer? */
static bool is_current(uint32_t client, uint32_t ours)
{
    return (int32_t)(client - ours) >= 0;
}

/* --- the beginning --- */

/* Looks at the zone that the reader sees, and makes the first SOA due. */
static int open_zone(struct front_transfer *transfer, const uint8_t *apex)
{
    int error = image_zone_get(transfer->reader, apex, &transfer->zone);
    if (error != BASE_OK)
        return error;
    error = image_get(transfer->reader, &transfer->zone, apex, 0, &transfer->apex);
    if (error == BASE_OK)
        error = image_rrset(&transfer->apex, DNS_TYPE_SOA, &transfer->soa);
    if (error != BASE_OK)
        return error == BASE_ENOENT ? BASE_EFORMAT : error;
    transfer->head.apex = transfer->zone.apex;
    transfer->head.apex_length = transfer->zone.apex_length;
    transfer->run = 2u * transfer->apex.rrset_count; /* the walk begins with the apex */
    transfer->due = true;
    show_soa(transfer);
    return BASE_OK;
}

/* Looks for the difference that was asked for. Without one, or when the zone itself is not larger,
 * the whole zone is sent (RFC 1995 section 4). */
static int open_difference(struct front_transfer *transfer, uint32_t serial, size_t octets)
{
    struct front_difference *difference;
    int error =
        front_difference_new(transfer->reader, &transfer->zone, serial, octets, &difference);
    if (error == BASE_ENOENT || error == BASE_ELIMIT)
        return BASE_OK;
    if (error != BASE_OK)
        return error;
    if (front_difference_count(difference) >= transfer->zone.records) {
        front_difference_free(difference);
        return BASE_OK;
    }
    transfer->difference = difference;
    transfer->from = serial;
    return BASE_OK;
}

/* Answers with what fits into one message: for UDP the difference, if there is one that fits, or
 * the SOA alone, which tells that there is something to come for by TCP (RFC 1995 section 2). */
static int answer_once(struct front_worker *worker, struct front_request *request,
                       struct front_transfer *transfer, const struct ask *ask, bool current)
{
    size_t room = front_auth_room(&request->auth), limit = request->capacity;
    bool udp = request->client->protocol == NET_UDP;
    if (udp && limit > ask->udp_limit)
        limit = ask->udp_limit;
    if (limit > DNS_MESSAGE_MAX)
        limit = DNS_MESSAGE_MAX;
    if (limit < room)
        return BASE_ESPACE;
    limit -= room;
    if (!current) {
        int error = open_difference(transfer, ask->serial, 4 * limit);
        if (error == BASE_OK && transfer->difference != NULL)
            error = fill(transfer, request->out, limit, limit, &request->result.length);
        if (error == BASE_OK && transfer->difference != NULL && !transfer->due) {
            front_count(worker->stats, FRONT_IXFR_DONE, 1);
            return BASE_OK;
        }
        if (error != BASE_OK && error != BASE_ESPACE)
            return error;
    }
    front_count(worker->stats, current ? FRONT_IXFR_CURRENT : FRONT_IXFR_LATER, 1);
    transfer->messages = 0;
    transfer->due = transfer->last = true;
    show_soa(transfer);
    return fill(transfer, request->out, limit, limit, &request->result.length);
}

/* Is there room for one more, and may this client have it? */
static bool may_begin(const struct front_worker *worker, struct net_prefix client)
{
    unsigned same = 0;
    for (const struct front_transfer *other = worker->transfers; other != NULL; other = other->next)
        same += other->client.high == client.high && other->client.low == client.low;
    return worker->transfer_count < FRONT_TRANSFERS_MAX && same < FRONT_TRANSFERS_CLIENT;
}

static void enlist(struct front_worker *worker, struct front_transfer *transfer)
{
    transfer->next = worker->transfers;
    transfer->link = &worker->transfers;
    if (transfer->next != NULL)
        transfer->next->link = &transfer->next;
    worker->transfers = transfer;
    worker->transfer_count++;
    atomic_store_explicit(&worker->stats->transfers, worker->transfer_count, memory_order_relaxed);
}

/* Begins a stream of messages. */
static int begin_stream(struct front_worker *worker, const struct front_request *request,
                        struct front_transfer *transfer, const struct ask *ask)
{
    transfer->client = net_address_prefix(request->client->peer, 32, 56);
    if (!may_begin(worker, transfer->client))
        return BASE_ELIMIT;
    uint32_t generation;
    struct front_image *image = front_image_take(worker->shared, &generation);
    if (image == NULL)
        return BASE_ENOENT;
    transfer->reader = NULL;
    transfer->image = image;
    int error = image_reader_open(image->image, &transfer->reader);
    if (error == BASE_OK)
        error = open_zone(transfer, ask->apex);
    if (error == BASE_OK && ask->type == DNS_TYPE_IXFR)
        error = open_difference(transfer, ask->serial, SIZE_MAX);
    if (error != BASE_OK)
        return error;
    transfer->stream = (struct net_stream){.pull = pull, .close = close_transfer};
    transfer->began = base_clock_monotonic();
    transfer->incremental = ask->type == DNS_TYPE_IXFR;
    net_address_text(request->client->peer, transfer->peer);
    enlist(worker, transfer);
    return BASE_OK;
}

/* What a failure looks like to the client. */
static int refuse(struct front_worker *worker, struct front_request *request, int error)
{
    unsigned rcode = DNS_RCODE_SERVFAIL;
    enum front_counter counter = FRONT_TRANSFER_FAILED;
    switch (error) {
    case BASE_ENOENT:
        rcode = DNS_RCODE_NOTAUTH;
        counter = FRONT_TRANSFER_UNKNOWN;
        break;
    case BASE_EPERM:
        rcode = DNS_RCODE_REFUSED;
        counter = FRONT_TRANSFER_REFUSED;
        break;
    case BASE_ELIMIT:
        counter = FRONT_TRANSFER_BUSY;
        break;
    case BASE_EFORMAT:
        rcode = DNS_RCODE_FORMERR;
        break;
    default:
        break;
    }
    front_count(worker->stats, counter, 1);
    front_request_rcode(request, rcode);
    return NET_ANSWER;
}

/* BASE_EPERM: not for this client. */
static int begin(struct front_worker *worker, struct front_request *request,
                 struct front_transfer *transfer, const struct ask *ask, bool *streams)
{
    bool udp = request->client->protocol == NET_UDP;
    transfer->reader = serve_reader(worker->serve); /* to look around only */
    int error = open_zone(transfer, ask->apex);
    if (error == BASE_EFORMAT)
        error = BASE_EIO; /* damage is no mistake of the client */
    if (error == BASE_OK &&
        (!may_transfer(worker, request, &transfer->zone) || (udp && ask->type != DNS_TYPE_IXFR)))
        error = BASE_EPERM;
    if (error != BASE_OK)
        return error;
    add_expire(request, transfer);
    bool current = ask->type == DNS_TYPE_IXFR && is_current(ask->serial, transfer->zone.serial);
    *streams = !udp && !current;
    error = *streams ? begin_stream(worker, request, transfer, ask)
                     : answer_once(worker, request, transfer, ask, current);
    return error == BASE_EFORMAT ? BASE_EIO : error;
}

int front_transfer(struct front_worker *worker, struct front_request *request)
{
    struct ask ask;
    bool streams = false;
    struct front_transfer *transfer = calloc(1, sizeof(*transfer));
    if (transfer == NULL)
        return refuse(worker, request, BASE_ENOMEM);
    transfer->worker = worker;
    transfer->auth = request->auth;
    int error = read_query(request, &ask, &transfer->head);
    if (error == BASE_OK) {
        take_opt(request, &transfer->head);
        error = begin(worker, request, transfer, &ask, &streams);
    }
    if (error == BASE_OK && streams) {
        request->answer->stream = &transfer->stream;
        return NET_STREAM;
    }
    free_transfer(transfer);
    if (error != BASE_OK)
        return refuse(worker, request, error);
    request->result.kind = NET_KIND_ANSWER;
    request->result.subject = dns_name_hash(ask.apex);
    request->result.rcode = DNS_RCODE_NOERROR;
    return NET_ANSWER;
}
