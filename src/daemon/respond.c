/* Between sockets and answers: see respond.h. */
#include "daemon/respond.h"

#include "base/error.h"
#include "daemon/transfer.h"
#include "dns/message.h"

#include <stdlib.h>
#include <string.h>

struct worker {
    const struct daemon_responder *responder;
    struct serve_worker *serve;
    unsigned transfers;
    bool blind; /* the image could not be looked at */
};

/* --- who may transfer --- */

int daemon_prefix_parse(const char *text, struct daemon_prefix *out)
{
    char address[NET_ADDRESS_TEXT];
    union net_address parsed;
    const char *slash = strchr(text, '/');
    size_t length = slash != NULL ? (size_t)(slash - text) : strlen(text);
    if (length >= sizeof(address))
        return BASE_EFORMAT;
    memcpy(address, text, length);
    address[length] = '\0';
    if (net_address_parse(address, 0, &parsed) != BASE_OK || net_address_port(&parsed) != 0)
        return BASE_EFORMAT;
    unsigned long bits = parsed.any.sa_family == AF_INET6 ? 128 : 32, most = bits;
    if (slash != NULL) {
        char *end;
        bits = strtoul(slash + 1, &end, 10);
        if (slash[1] < '0' || slash[1] > '9' || *end != '\0' || bits > most)
            return BASE_EFORMAT;
    }
    out->family = parsed.any.sa_family;
    out->bits = (unsigned)bits;
    out->prefix = net_address_prefix(&parsed, out->bits, out->bits);
    return BASE_OK;
}

static bool within(const struct daemon_prefix *prefix, const union net_address *address)
{
    if (address->any.sa_family != prefix->family)
        return false;
    struct net_prefix own = net_address_prefix(address, prefix->bits, prefix->bits);
    return own.high == prefix->prefix.high && own.low == prefix->prefix.low;
}

static bool may_transfer(const struct daemon_responder *responder, const union net_address *peer)
{
    if (responder->transfer_count == 0) {
        static const struct in6_addr loopback = IN6ADDR_LOOPBACK_INIT;
        if (peer->any.sa_family == AF_INET6)
            return memcmp(&peer->v6.sin6_addr, &loopback, sizeof(loopback)) == 0;
        return ntohl(peer->v4.sin_addr.s_addr) >> 24 == 127;
    }
    for (size_t i = 0; i < responder->transfer_count; i++) {
        if (within(&responder->transfer[i], peer))
            return true;
    }
    return false;
}

/* The response that refuses stands in `out`, and stays when there is nothing better. */
static int transfer(struct worker *worker, const struct net_client *client, const uint8_t *query,
                    size_t length, uint8_t *out, size_t capacity, const struct serve_result *result,
                    struct net_answer *answer)
{
    bool udp = client->protocol == NET_UDP;
    if (!may_transfer(worker->responder, client->peer) || (udp && result->type != DNS_TYPE_IXFR))
        return NET_ANSWER;
    struct daemon_transfer_request request = {.image = worker->responder->image,
                                              .query = query,
                                              .length = length,
                                              .client = client,
                                              .log = worker->responder->log,
                                              .running = &worker->transfers};
    struct net_stream *stream = NULL;
    int error = worker->transfers < DAEMON_TRANSFERS_MAX ? daemon_transfer_begin(&request, &stream)
                                                         : BASE_ELIMIT;
    if (error != BASE_OK) {
        unsigned rcode = error == BASE_ENOENT   ? DNS_RCODE_NOTAUTH
                         : error == BASE_EINVAL ? DNS_RCODE_FORMERR
                                                : DNS_RCODE_SERVFAIL;
        out[3] = (uint8_t)((out[3] & 0xF0) | rcode);
        return NET_ANSWER;
    }
    if (!udp) {
        answer->stream = stream;
        return NET_STREAM;
    }
    error = stream->pull(stream, out, capacity, &answer->length);
    stream->close(stream, true);
    return error < 0 ? NET_DROP : NET_ANSWER;
}

/* --- rate limiting --- */

/* The name that an answer is counted under. Whatever is asked below a zone or a cut without being
 * there counts as one, and so do all names that one wildcard makes. */
static uint64_t accounted_name(const uint8_t *wire, size_t length, enum net_kind kind)
{
    uint8_t name[DNS_NAME_MAX];
    struct dns_record_place place;
    size_t at = DNS_MESSAGE_HEADER, name_length, start;
    if (kind == NET_KIND_ERROR ||
        dns_name_from_wire(wire, length, &at, name, &name_length) != BASE_OK)
        return 0;
    at += 4;
    if (kind == NET_KIND_NXDOMAIN || kind == NET_KIND_REFERRAL) {
        /* CNAMEs may come first; then SOA or NS. */
        unsigned skip = base_load_u16(wire + 6);
        while (skip-- > 0) {
            if (dns_record_skip(wire, length, &at, &place) != BASE_OK)
                return 0;
        }
        if (dns_name_from_wire(wire, length, &at, name, &name_length) != BASE_OK)
            return 0;
        return dns_name_hash(name);
    }
    unsigned labels = dns_name_labels(name);
    for (unsigned left = base_load_u16(wire + 6); left > 0; left--) {
        start = at;
        if (dns_record_skip(wire, length, &at, &place) != BASE_OK)
            break;
        /* An RRSIG of the question's name tells by its label count that a wildcard made it. */
        if (place.type == DNS_TYPE_RRSIG && place.length > 4 &&
            base_load_u16(wire + start) == (0xC000 | DNS_MESSAGE_HEADER)) {
            unsigned signed_labels = wire[place.rdata + 3];
            return dns_name_hash(
                signed_labels < labels ? dns_name_parent(name, labels - signed_labels) : name);
        }
    }
    return dns_name_hash(name);
}

static void account(const uint8_t *wire, const struct serve_result *result,
                    struct net_answer *answer)
{
    /* A cookie of ours shows that the address is not forged (RFC 7873). */
    if (result->cookie) {
        answer->kind = NET_KIND_EXEMPT;
        return;
    }
    unsigned flags = base_load_u16(wire + 2);
    if (result->rcode == DNS_RCODE_NXDOMAIN)
        answer->kind = NET_KIND_NXDOMAIN;
    else if (result->rcode != DNS_RCODE_NOERROR)
        answer->kind = NET_KIND_ERROR;
    else if (base_load_u16(wire + 6) > 0)
        answer->kind = NET_KIND_ANSWER;
    else if ((flags & DNS_FLAG_AA) == 0 && base_load_u16(wire + 8) > 0)
        answer->kind = NET_KIND_REFERRAL;
    else
        answer->kind = NET_KIND_NODATA;
    answer->hash = accounted_name(wire, result->length, answer->kind);
}

/* The OPT record, so that truncation keeps it. It is the last one of the answer. */
static void find_opt(const uint8_t *wire, size_t length, struct net_answer *answer)
{
    size_t at = DNS_MESSAGE_HEADER;
    struct dns_record_place place;
    unsigned records =
        base_load_u16(wire + 6) + base_load_u16(wire + 8) + (unsigned)base_load_u16(wire + 10);
    if (base_load_u16(wire + 10) == 0 || dns_questions_skip(wire, length, &at) != BASE_OK)
        return;
    for (; records > 0; records--) {
        if (dns_record_skip(wire, length, &at, &place) != BASE_OK)
            return;
        if (place.type == DNS_TYPE_OPT) {
            answer->opt = (uint16_t)place.start;
            answer->opt_length = (uint16_t)(at - place.start);
            return;
        }
    }
}

/* --- the handler --- */

static void describe(const struct net_client *client, struct serve_client *out)
{
    *out = (struct serve_client){.transport = client->protocol == NET_UDP   ? SERVE_UDP
                                              : client->protocol == NET_TCP ? SERVE_TCP
                                                                            : SERVE_TLS,
                                 .now = client->now};
    if (client->peer->any.sa_family == AF_INET6) {
        out->address_length = 16;
        memcpy(out->address, &client->peer->v6.sin6_addr, 16);
    } else {
        out->address_length = 4;
        memcpy(out->address, &client->peer->v4.sin_addr, 4);
    }
}

static int respond(void *context, const struct net_client *client, const uint8_t *query,
                   size_t length, uint8_t *out, size_t capacity, struct net_answer *answer)
{
    struct worker *worker = context;
    if (worker->blind)
        return NET_DROP; /* the client asks again, here or elsewhere */
    struct serve_client asker;
    struct serve_result result;
    describe(client, &asker);
    serve_answer(worker->serve, &asker, query, length, out, capacity, &result);
    if (result.action == SERVE_DROP)
        return NET_DROP;
    answer->length = result.length;
    int verdict = NET_ANSWER;
    if (result.action == SERVE_TRANSFER)
        verdict = transfer(worker, client, query, length, out, capacity, &result, answer);
    if (client->protocol == NET_UDP && verdict == NET_ANSWER) {
        result.length = answer->length;
        account(out, &result, answer);
        find_opt(out, answer->length, answer);
    }
    return verdict;
}

static void batch_begin(void *context)
{
    struct worker *worker = context;
    worker->blind = serve_renew(worker->serve) != BASE_OK;
}

static void batch_end(void *context)
{
    struct worker *worker = context;
    serve_release(worker->serve);
}

static int worker_begin(void *context, struct net_worker *net, unsigned index,
                        void **worker_context)
{
    const struct daemon_responder *responder = context;
    struct worker *worker = calloc(1, sizeof(*worker));
    if (worker == NULL)
        return BASE_ENOMEM;
    worker->responder = responder;
    int error = serve_worker_new(&responder->options, responder->image, &worker->serve);
    if (error != BASE_OK) {
        free(worker);
        return error;
    }
    serve_release(worker->serve);
    *worker_context = worker;
    return BASE_OK;
}

static void worker_end(void *context)
{
    struct worker *worker = context;
    serve_worker_free(worker->serve);
    free(worker);
}

struct net_handler daemon_respond_handler(struct daemon_responder *responder)
{
    return (struct net_handler){.worker_begin = worker_begin,
                                .worker_end = worker_end,
                                .batch_begin = batch_begin,
                                .batch_end = batch_end,
                                .respond = respond,
                                .context = responder};
}
