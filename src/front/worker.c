/* The handler that net calls for each query: see worker.h. */
#include "front/worker.h"

#include "base/error.h"
#include "front/forward.h"
#include "front/transfer.h"
#include "serve/link.h"

#include <stdlib.h>
#include <string.h>

void front_request_rcode(struct front_request *request, unsigned rcode)
{
    request->out[3] = (uint8_t)((request->out[3] & 0xF0) | rcode);
    request->result.rcode = (uint16_t)rcode;
    request->result.kind = NET_KIND_ERROR;
    request->result.subject = 0;
}

/* --- one query --- */

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

/* What is to be done beside the response that stands there. */
static int act(struct front_worker *worker, struct front_request *request)
{
    switch (request->result.action) {
    case SERVE_TRANSFER:
        return front_transfer(worker, request);
    case SERVE_NOTIFY:
        return front_notify(worker, request);
    case SERVE_UPDATE:
        return front_update(worker, request);
    case SERVE_DROP:
        return NET_DROP;
    case SERVE_SEND:
    case SERVE_TSIG:
        break;
    }
    return NET_ANSWER;
}

/* A signed query that does not verify. The response in `out` is a FORMERR. */
static int refuse_signed(struct front_request *request, int failed,
                         const struct dns_tsig_record *record, uint16_t error)
{
    if (failed == BASE_EFORMAT)
        return NET_ANSWER;
    if (failed != BASE_EMISMATCH) {
        front_request_rcode(request, DNS_RCODE_SERVFAIL);
        return NET_ANSWER;
    }
    front_request_rcode(request, DNS_RCODE_NOTAUTH);
    if (request->auth.key != NULL) /* as the request was signed */
        memcpy(request->out, request->query, 2);
    failed = front_auth_refuse(&request->auth, record, request->out, &request->result.length,
                               request->capacity, request->client->now, error);
    return failed == BASE_OK ? NET_ANSWER : NET_DROP;
}

/* A signed query: verified, answered as if it were not signed, and the answer signed. */
static int answer_signed(struct front_worker *worker, struct front_request *request,
                         struct serve_client *asker)
{
    struct dns_tsig_record record;
    uint16_t error;
    struct front_auth *auth = &request->auth;
    memcpy(worker->scratch, request->query, request->length);
    request->query = worker->scratch;
    int failed = front_auth_verify(
        auth, worker->shared->config->keys, worker->shared->config->key_count, worker->scratch,
        &request->length, request->client->now, worker->stats, &record, &error);
    if (failed != BASE_OK)
        return refuse_signed(request, failed, &record, error);
    asker->authenticated = true;
    asker->reserve = front_auth_room(auth);
    serve_answer(worker->serve, asker, request->query, request->length, request->out,
                 request->capacity, &request->result);
    int verdict = act(worker, request);
    if (verdict != NET_ANSWER)
        return verdict;
    failed = front_auth_sign(auth, request->out, &request->result.length, request->capacity,
                             request->client->now);
    return failed == BASE_OK ? NET_ANSWER : NET_DROP;
}

/* What net needs to limit and to cut answers over UDP. */
static void account(const struct front_worker *worker, const struct front_request *request)
{
    const struct serve_result *result = &request->result;
    const struct config_acl *exempt = &worker->shared->config->exempt;
    struct net_answer *answer = request->answer;
    /* A cookie of ours shows that the address is not forged (RFC 7873), as a key does. */
    if (result->cookie || request->auth.key != NULL ||
        (exempt->count > 0 &&
         config_acl_allows(exempt, request->client->peer, NULL, request->client->identity))) {
        answer->kind = NET_KIND_EXEMPT;
        return;
    }
    answer->kind = result->kind;
    answer->hash = result->subject;
    answer->opt = result->opt;
    answer->opt_length = result->opt_length;
}

/* Control is told, once a second at most. */
static void complain(struct front_worker *worker, base_time now)
{
    if (now == worker->complained)
        return;
    struct process_message message = {.type = SERVE_LINK_UNREADABLE, .fd = -1};
    worker->complained = now;
    process_send(worker->shared->link, &message, 1);
}

static int respond(void *context, const struct net_client *client, const uint8_t *query,
                   size_t length, uint8_t *out, size_t capacity, struct net_answer *answer)
{
    struct front_worker *worker = context;
    if (worker->blind)
        complain(worker, client->now);
    if (worker->blind)
        return NET_DROP; /* the client asks again, here or elsewhere */
    struct serve_client asker;
    struct front_request request;
    request.client = client;
    request.query = query;
    request.length = length;
    request.auth.key = NULL;
    request.auth.tsig.state = NULL;
    request.auth.id = base_load_u16(query);
    request.out = out;
    request.capacity = capacity;
    request.answer = answer;
    describe(client, &asker);
    serve_answer(worker->serve, &asker, query, length, out, capacity, &request.result);
    int verdict = NET_ANSWER;
    if (request.result.action == SERVE_TSIG && length <= DNS_MESSAGE_MAX)
        verdict = answer_signed(worker, &request, &asker);
    else if (request.result.action != SERVE_SEND)
        verdict = act(worker, &request);
    if (verdict != NET_ANSWER)
        return verdict;
    answer->length = request.result.length;
    if (request.result.unreadable)
        complain(worker, client->now);
    if (request.result.hot)
        front_count(worker->stats, FRONT_HOT, 1);
    front_count_answer(worker->stats, request.result.type, request.result.rcode);
    if (client->protocol == NET_UDP)
        account(worker, &request);
    return NET_ANSWER;
}

/* --- batches --- */

static void leave_image(struct front_worker *worker)
{
    serve_worker_free(worker->serve);
    worker->serve = NULL;
    if (worker->image != NULL)
        front_image_leave(worker->shared, worker->image);
    worker->image = NULL;
}

/* Goes over to the newest image. */
static void change_image(struct front_worker *worker)
{
    uint32_t generation;
    struct front_image *image = front_image_take(worker->shared, &generation);
    leave_image(worker);
    worker->image_generation = generation;
    worker->image = image;
    if (image != NULL &&
        serve_worker_new(&worker->shared->serve, image->image, &worker->serve) != BASE_OK) {
        worker->serve = NULL;
        leave_image(worker);
        worker->image_generation--; /* tried again with the next batch */
    }
}

static void look_at_image(struct front_worker *worker)
{
    uint32_t generation =
        atomic_load_explicit(&worker->shared->image_generation, memory_order_acquire);
    if (generation != worker->image_generation) {
        change_image(worker);
        if (worker->serve != NULL)
            serve_release(worker->serve);
    }
}

static void batch_begin(void *context)
{
    struct front_worker *worker = context;
    look_at_image(worker);
    worker->blind = worker->serve == NULL || serve_renew(worker->serve) != BASE_OK;
    if (worker->blind)
        front_count(worker->stats, FRONT_BLIND, 1);
}

static void look_ahead(void *context, const struct net_packet *packets, unsigned count)
{
    struct front_worker *worker = context;
    if (!worker->blind)
        serve_look_ahead(worker->serve, packets, count);
}

static void batch_end(void *context)
{
    struct front_worker *worker = context;
    if (worker->serve != NULL)
        serve_release(worker->serve);
}

void front_worker_look(struct front_worker *worker)
{
    look_at_image(worker);
}

/* --- beginning and end --- */

static void worker_free(struct front_worker *worker)
{
    front_forward_free(worker->forward);
    leave_image(worker);
    free(worker->scratch);
    free(worker);
}

static int worker_begin(void *context, struct net_worker *net, unsigned index,
                        void **worker_context)
{
    struct front_shared *shared = context;
    if (index >= shared->workers)
        return BASE_EINVAL;
    struct front_worker *worker = calloc(1, sizeof(*worker));
    if (worker == NULL)
        return BASE_ENOMEM;
    worker->shared = shared;
    worker->net = net;
    worker->index = index;
    worker->stats = &shared->stats[index];
    worker->scratch = malloc(DNS_MESSAGE_MAX);
    int error = worker->scratch == NULL ? BASE_ENOMEM : front_forward_new(worker, &worker->forward);
    if (error != BASE_OK) {
        worker_free(worker);
        return error;
    }
    look_at_image(worker);
    *worker_context = worker;
    return BASE_OK;
}

static void worker_end(void *context)
{
    worker_free(context);
}

struct net_handler front_handler(struct front_shared *shared)
{
    return (struct net_handler){.worker_begin = worker_begin,
                                .worker_end = worker_end,
                                .batch_begin = batch_begin,
                                .batch_end = batch_end,
                                .look_ahead = look_ahead,
                                .respond = respond,
                                .context = shared};
}
