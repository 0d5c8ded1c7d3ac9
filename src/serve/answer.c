/* From query to response: see answer.h. */
#include "serve/internal.h"

#include <stdlib.h>
#include <strings.h>

#define CLASS_CHAOS 3
#define UDP_LEAST   512
#define TYPE_MAILB  253
#define TYPE_MAILA  254
#define OPCODE_BITS 0x7800u
/* RFC 1035 section 4.1.1. CD is for resolvers and is cleared (RFC 4035 section 3.1.6). */
#define FLAGS_ECHOED DNS_FLAG_RD

int serve_worker_new(const struct serve_options *options, struct image *image,
                     struct serve_worker **out)
{
    if (options->nsid_length > SERVE_NSID_MAX || options->secret_count > 2 ||
        (options->payload != 0 && options->payload < UDP_LEAST))
        return BASE_EINVAL;
    struct serve_worker *worker = calloc(1, sizeof(*worker));
    if (worker == NULL)
        return BASE_ENOMEM;
    worker->options = *options;
    if (options->payload == 0)
        worker->options.payload = SERVE_PAYLOAD_DEFAULT;
    int error = image_reader_open(image, &worker->reader);
    if (error == BASE_OK && options->cache_octets > 0)
        error = serve_cache_new(options->cache_octets, &worker->cache);
    if (error == BASE_OK && options->secret_count > 0)
        error = crypto_siphash_new(&worker->siphash);
    if (error != BASE_OK) {
        serve_worker_free(worker);
        return error;
    }
    *out = worker;
    return BASE_OK;
}

void serve_worker_free(struct serve_worker *worker)
{
    if (worker == NULL)
        return;
    image_reader_close(worker->reader);
    serve_cache_free(worker->cache);
    crypto_siphash_free(worker->siphash);
    crypto_nsec3_free(worker->nsec3);
    crypto_wipe(worker->options.secrets, sizeof(worker->options.secrets));
    free(worker);
}

int serve_renew(struct serve_worker *worker)
{
    worker->coming_count = 0;
    return image_reader_renew(worker->reader);
}

void serve_release(struct serve_worker *worker)
{
    worker->coming_count = 0;
    image_reader_release(worker->reader);
}

struct image_reader *serve_reader(struct serve_worker *worker)
{
    return worker->reader;
}

/* --- one answer --- */

struct answer {
    struct serve_worker *worker;
    const struct serve_client *client;
    struct serve_query query;
    struct serve_cookie cookie;
    uint32_t hash; /* of the question, for the cache */
    uint8_t *response;
    size_t limit; /* of the whole response, but for a TSIG */
    struct serve_result *result;
    size_t length;
    uint16_t counts[DNS_SECTIONS];
    unsigned flags;
    unsigned rcode;
    int ede;
};

/* Header and OPT around what has been written. */
static void finish(struct answer *answer)
{
    uint8_t *wire = answer->response;
    const struct serve_query *query = &answer->query;
    unsigned flags = answer->flags | DNS_FLAG_QR | (query->flags & FLAGS_ECHOED) |
                     (query->flags & OPCODE_BITS) | (answer->rcode & 15);
    base_store_u16(wire, query->id);
    base_store_u16(wire + 2, (uint16_t)flags);
    for (unsigned i = 0; i < DNS_SECTIONS; i++)
        base_store_u16(wire + 4 + 2 * i, answer->counts[i]);
    if (query->edns)
        base_store_u16(wire + 10, (uint16_t)(answer->counts[DNS_SECTION_ADDITIONAL] + 1));
    answer->result->length =
        serve_edns_put(answer->worker, answer->client, query, &answer->cookie, answer->rcode,
                       answer->ede, wire, answer->length, answer->limit);
    answer->result->opt = (uint16_t)answer->length;
    answer->result->opt_length = (uint16_t)(answer->result->length - answer->length);
    answer->result->rcode = (uint16_t)answer->rcode;
    answer->result->truncated = (answer->flags & DNS_FLAG_TC) != 0;
}

/* An answer without records. */
static void refuse(struct answer *answer, unsigned rcode, int ede)
{
    struct serve_packet *packet = &answer->worker->packet;
    serve_packet_init(packet, answer->response, answer->limit, &answer->query);
    memcpy(answer->counts, packet->counts, sizeof(answer->counts));
    answer->length = packet->length;
    answer->flags = 0;
    answer->rcode = rcode;
    answer->ede = ede;
    answer->result->kind = rcode == DNS_RCODE_NOERROR ? NET_KIND_NODATA : NET_KIND_ERROR;
    answer->result->subject = 0;
    finish(answer);
}

/* --- CHAOS --- */

/* The question's name is this text. */
static bool asks_for(const struct serve_query *query, const char *text)
{
    uint8_t name[DNS_NAME_MAX];
    size_t length;
    return dns_name_from_text(name, &length, text, strlen(text), NULL) == BASE_OK &&
           dns_name_equal(name, query->name);
}

static void answer_chaos(struct answer *answer)
{
    const struct serve_query *query = &answer->query;
    const struct serve_options *options = &answer->worker->options;
    const char *text = NULL;
    if (asks_for(query, "version.bind.") || asks_for(query, "version.server."))
        text = options->version;
    else if (asks_for(query, "id.server.") || asks_for(query, "hostname.bind."))
        text = options->identity;
    size_t length = text != NULL ? strnlen(text, 255) : 0;
    refuse(answer, DNS_RCODE_REFUSED, SERVE_EDE_NONE);
    bool fits = answer->length + 13 + length +
                    serve_edns_size(answer->worker, answer->client, query, &answer->cookie) <=
                answer->limit;
    if (text == NULL || (query->type != DNS_TYPE_TXT && query->type != DNS_TYPE_ANY) || !fits)
        return;
    uint8_t *put = answer->response + 12 + query->name_length + 4;
    base_store_u16(put, 0xC00C);
    base_store_u16(put + 2, DNS_TYPE_TXT);
    base_store_u16(put + 4, CLASS_CHAOS);
    base_store_u32(put + 6, 0);
    base_store_u16(put + 10, (uint16_t)(length + 1));
    put[12] = (uint8_t)length;
    memcpy(put + 13, text, length);
    answer->length += 13 + length;
    answer->counts[DNS_SECTION_ANSWER] = 1;
    answer->flags = DNS_FLAG_AA;
    answer->rcode = DNS_RCODE_NOERROR;
    answer->result->kind = NET_KIND_ANSWER;
    answer->result->subject = dns_name_hash(query->name);
    finish(answer);
}

/* --- zones --- */

static enum net_kind kind_of(const struct serve_work *work)
{
    const uint16_t *counts = work->packet->counts;
    if (work->rcode == DNS_RCODE_NXDOMAIN)
        return NET_KIND_NXDOMAIN;
    if (work->rcode != DNS_RCODE_NOERROR)
        return NET_KIND_ERROR;
    if (counts[DNS_SECTION_ANSWER] > 0)
        return NET_KIND_ANSWER;
    return work->authoritative ? NET_KIND_NODATA : NET_KIND_REFERRAL;
}

static void take_work(struct answer *answer, const struct serve_work *work)
{
    const struct serve_packet *packet = work->packet;
    memcpy(answer->counts, packet->counts, sizeof(answer->counts));
    answer->length = packet->length;
    answer->flags = (work->authoritative ? DNS_FLAG_AA : 0u) | (work->truncated ? DNS_FLAG_TC : 0u);
    answer->rcode = work->rcode;
    answer->ede = work->ede;
    answer->result->kind = kind_of(work);
    answer->result->subject = answer->result->kind == NET_KIND_ERROR ? 0
                              : work->subject_known                  ? work->subject
                                                    : dns_name_hash(answer->query.name);
}

static void start_work(struct answer *answer, struct serve_work *work, size_t limit)
{
    struct serve_worker *worker = answer->worker;
    serve_packet_init(&worker->packet, answer->response, limit, &answer->query);
    work->worker = worker;
    work->query = &answer->query;
    work->packet = &worker->packet;
    memcpy(work->name, answer->query.name, answer->query.name_length);
    work->owner = (struct serve_owner){.name = work->name, .pointer = DNS_MESSAGE_HEADER};
    work->hops = work->zones = work->given_count = work->proof_count = 0;
    work->rcode = DNS_RCODE_NOERROR;
    work->ede = SERVE_EDE_NONE;
    work->dnssec = work->authoritative = work->truncated = work->partial = false;
    work->subject_known = false;
    work->udp = answer->client->transport == SERVE_UDP;
}

/* Whoever validates will complain; say why. */
static void look_at_expiry(const struct answer *answer, struct serve_work *work)
{
    if (work->dnssec && work->zone.earliest_expiry != 0 &&
        answer->client->now > work->zone.earliest_expiry)
        work->ede = SERVE_EDE_EXPIRED;
}

/* To those who ask for the SOA of a zone of ours (RFC 7314 section 3). */
static int look_at_expire(struct answer *answer, const struct serve_work *work)
{
    struct image_name apex;
    struct image_rrset soa;
    if (!work->authoritative || work->hops > 0 || work->labels != 0 ||
        work->rcode != DNS_RCODE_NOERROR)
        return BASE_OK;
    struct image_reader *reader = answer->worker->reader;
    int error = image_get(reader, &work->zone, work->zone.apex, 0, &apex);
    if (error == BASE_OK)
        error = image_rrset(&apex, DNS_TYPE_SOA, &soa);
    if (error != BASE_OK)
        return error == BASE_ENOENT ? BASE_EFORMAT : error;
    answer->query.expire_known = true;
    answer->query.expire_in =
        serve_expire_in(&work->zone, soa.records + IMAGE_RECORD_HEAD,
                        image_record_length(soa.records), answer->client->now);
    return BASE_OK;
}

static bool from_cache(struct answer *answer, size_t limit)
{
    const uint8_t *wire = answer->response;
    bool udp = answer->client->transport == SERVE_UDP;
    struct serve_hot hot;
    if (!serve_cache_find(answer->worker, &answer->query, answer->hash, udp, answer->response,
                          limit, &hot))
        return false;
    answer->length = hot.length;
    answer->result->kind = hot.kind;
    answer->result->subject = hot.subject;
    unsigned flags = base_load_u16(wire + 2);
    answer->flags = flags & DNS_FLAG_AA;
    answer->rcode = flags & 15;
    answer->ede = SERVE_EDE_NONE;
    for (unsigned i = 0; i < DNS_SECTIONS; i++)
        answer->counts[i] = base_load_u16(wire + 4 + 2 * i);
    answer->result->hot = true;
    finish(answer);
    return true;
}

static void keep(const struct answer *answer, const struct serve_work *work)
{
    if (work->zones != 1 || work->truncated || work->partial || work->ede != SERVE_EDE_NONE)
        return;
    uint8_t *wire = answer->response;
    uint16_t additional = base_load_u16(wire + 10);
    base_store_u16(wire + 10, answer->counts[DNS_SECTION_ADDITIONAL]);
    struct serve_hot hot = {
        .length = answer->length, .subject = answer->result->subject, .kind = answer->result->kind};
    serve_cache_keep(answer->worker, &answer->query, answer->hash, work->udp, &work->zone, wire,
                     &hot);
    base_store_u16(wire + 10, additional);
}

static void answer_zone(struct answer *answer)
{
    struct serve_worker *worker = answer->worker;
    size_t edns = serve_edns_size(worker, answer->client, &answer->query, &answer->cookie);
    size_t limit = answer->limit - edns;
    bool asks_expire = answer->query.expire && answer->query.type == DNS_TYPE_SOA;
    if (worker->cache != NULL && !asks_expire && from_cache(answer, limit))
        return;
    struct serve_work *work = &worker->work;
    start_work(answer, work, limit);
    int error = serve_resolve(work);
    if (error == BASE_OK && asks_expire)
        error = look_at_expire(answer, work);
    if (error == BASE_ENOENT) {
        refuse(answer, DNS_RCODE_REFUSED, SERVE_EDE_NOT_AUTHORITATIVE);
        return;
    }
    if (error != BASE_OK) {
        answer->result->unreadable = error == BASE_EFORMAT || error == BASE_EIO;
        refuse(answer, DNS_RCODE_SERVFAIL, SERVE_EDE_OTHER);
        return;
    }
    look_at_expiry(answer, work);
    take_work(answer, work);
    finish(answer);
    if (worker->cache != NULL)
        keep(answer, work);
}

/* --- sorting out --- */

static void answer_question(struct answer *answer)
{
    const struct serve_query *query = &answer->query;
    if (query->name == NULL) {
        /* A client may ask for nothing but a cookie (RFC 7873 section 5.4). */
        refuse(answer, query->cookie != NULL ? DNS_RCODE_NOERROR : DNS_RCODE_FORMERR,
               SERVE_EDE_NONE);
    } else if (query->class == CLASS_CHAOS) {
        answer_chaos(answer);
    } else if (query->class != DNS_CLASS_IN) {
        refuse(answer, DNS_RCODE_REFUSED, SERVE_EDE_NONE);
    } else if (query->type == DNS_TYPE_AXFR || query->type == DNS_TYPE_IXFR) {
        refuse(answer, DNS_RCODE_REFUSED, SERVE_EDE_NONE);
        answer->result->action = SERVE_TRANSFER;
    } else if (query->type == DNS_TYPE_OPT || query->type == 0) {
        refuse(answer, DNS_RCODE_FORMERR, SERVE_EDE_NONE);
    } else if (query->type == DNS_TYPE_TSIG || query->type == DNS_TYPE_TKEY ||
               query->type == TYPE_MAILB || query->type == TYPE_MAILA) {
        refuse(answer, DNS_RCODE_NOTIMP, SERVE_EDE_NONE);
    } else {
        answer_zone(answer);
    }
}

/* The most octets of the response: by UDP what client and we take, in which the TSIG must have
 * room too. */
static size_t response_limit(const struct answer *answer, size_t capacity)
{
    size_t limit = DNS_MESSAGE_MAX;
    if (answer->client->transport == SERVE_UDP) {
        limit = answer->query.edns ? answer->query.payload : UDP_LEAST;
        if (limit > answer->worker->options.payload)
            limit = answer->worker->options.payload;
        if (limit < UDP_LEAST)
            limit = UDP_LEAST;
    }
    if (limit > capacity)
        limit = capacity;
    /* A question of 255 octets and a full OPT must always fit. */
    size_t most = limit - UDP_LEAST;
    return limit - (answer->client->reserve < most ? answer->client->reserve : 0);
}

static void respond(struct answer *answer)
{
    const struct serve_query *query = &answer->query;
    struct serve_result *result = answer->result;
    if (query->tsig_at != 0) {
        refuse(answer, DNS_RCODE_FORMERR, SERVE_EDE_NONE);
        result->action = SERVE_TSIG;
        return;
    }
    if (query->edns && query->version != 0) {
        refuse(answer, DNS_RCODE_BADVERS, SERVE_EDE_NONE);
        return;
    }
    unsigned opcode = DNS_OPCODE(query->flags);
    if (opcode != DNS_OPCODE_QUERY) {
        refuse(answer, DNS_RCODE_NOTIMP, SERVE_EDE_NONE);
        if (opcode == DNS_OPCODE_NOTIFY || opcode == DNS_OPCODE_UPDATE)
            result->action = opcode == DNS_OPCODE_NOTIFY ? SERVE_NOTIFY : SERVE_UPDATE;
        return;
    }
    answer_question(answer);
}

/* What cannot be read is answered with its header alone. */
static void complain(struct answer *answer, unsigned rcode)
{
    const uint8_t *wire = answer->query.wire;
    answer->query = (struct serve_query){
        .wire = wire, .id = base_load_u16(wire), .flags = base_load_u16(wire + 2)};
    refuse(answer, rcode, SERVE_EDE_NONE);
}

/* Reads the query, unless that was done ahead. */
static int read_query(struct answer *answer, const uint8_t *wire, size_t length)
{
    struct serve_worker *worker = answer->worker;
    bool udp = answer->client->transport == SERVE_UDP;
    const struct serve_coming *coming = udp ? serve_ahead_take(worker, wire, length) : NULL;
    if (coming != NULL) {
        answer->query = coming->query;
        answer->hash = coming->hash;
        return coming->error;
    }
    int error = serve_query_read(&answer->query, wire, length);
    if (worker->cache != NULL && error == BASE_OK && answer->query.name != NULL)
        answer->hash = serve_cache_hash(&answer->query, udp);
    return error;
}

void serve_answer(struct serve_worker *worker, const struct serve_client *client,
                  const uint8_t *query, size_t length, uint8_t *response, size_t capacity,
                  struct serve_result *result)
{
    *result = (struct serve_result){.action = SERVE_DROP};
    if (length < DNS_MESSAGE_HEADER || (base_load_u16(query + 2) & DNS_FLAG_QR) != 0 ||
        capacity < UDP_LEAST)
        return;
    struct answer answer;
    answer.worker = worker;
    answer.client = client;
    answer.response = response;
    answer.result = result;
    answer.cookie.present = answer.cookie.good = false;
    result->action = SERVE_SEND;
    int error = read_query(&answer, query, length);
    answer.limit = response_limit(&answer, capacity);
    if (error == BASE_OK)
        error = serve_cookie_check(worker, client, &answer.query, &answer.cookie);
    if (error != BASE_OK) {
        unsigned opcode = DNS_OPCODE(answer.query.flags);
        bool known = opcode == DNS_OPCODE_QUERY || opcode == DNS_OPCODE_NOTIFY ||
                     opcode == DNS_OPCODE_UPDATE;
        complain(&answer, known ? DNS_RCODE_FORMERR : DNS_RCODE_NOTIMP);
        return;
    }
    result->cookie = answer.cookie.good;
    result->expire = answer.query.expire;
    result->type = answer.query.type;
    result->question = answer.query.name_length;
    respond(&answer);
}
