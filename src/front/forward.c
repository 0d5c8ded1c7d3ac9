/* Passing on what changes zones: see forward.h. */
#include "front/forward.h"

#include "base/error.h"
#include "serve/link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define ID_WORKER   56 /* bits of a message's id: worker, place, generation */
#define ID_PLACE    32
#define OPT_SIZE    11
#define EDE_SIZE    6
#define NAME_AND_4  (DNS_NAME_MAX + 4)
#define UDP_MAX     1232
#define FLAG_OPCODE 0x7800u

/* An UPDATE that waits. */
struct waiting {
    struct net_stream stream; /* the first member */
    struct front_forward *forward;
    bool used;
    bool udp;
    bool edns;
    uint32_t generation; /* how often the place was used */
    uint32_t link;       /* generation of the channel that it was sent on */
    struct net_route route;
    union net_address peer;
    struct net_prefix client;
    struct front_auth auth;
    uint16_t id; /* of the signed request */
    uint16_t flags;
    uint32_t hash;     /* of the message */
    uint64_t deadline; /* monotonic nanoseconds */
    uint8_t question[NAME_AND_4];
    size_t question_length;
    uint8_t *response; /* NULL: not yet */
    size_t length;
};

struct front_forward {
    struct front_worker *worker;
    int timer;
    unsigned count;
    uint64_t notify_at; /* monotonic nanoseconds: when the budget was last looked at */
    uint64_t notify_budget;
    struct waiting waiting[FRONT_UPDATES_MAX];
    uint8_t packet[sizeof(struct serve_link_head) + DNS_MESSAGE_MAX];
};

_Static_assert(sizeof(struct serve_link_head) + DNS_MESSAGE_MAX <= PROCESS_MESSAGE_MAX,
               "every message can be passed on");

/* --- the table --- */

static void set_count(struct front_forward *forward, unsigned count)
{
    forward->count = count;
    atomic_store_explicit(&forward->worker->stats->updates, count, memory_order_relaxed);
    bool on = count > 0;
    struct itimerspec every = {.it_interval = {.tv_sec = on}, .it_value = {.tv_sec = on}};
    if (count <= 1)
        timerfd_settime(forward->timer, 0, &every, NULL);
}

static void release(struct waiting *waiting)
{
    dns_tsig_free(&waiting->auth.tsig);
    free(waiting->response);
    waiting->response = NULL;
    waiting->used = false;
    set_count(waiting->forward, waiting->forward->count - 1);
}

/* --- answers --- */

/* A response without records. */
static size_t make_failure(const struct waiting *waiting, uint8_t *out)
{
    memset(out, 0, DNS_MESSAGE_HEADER);
    base_store_u16(out, waiting->id);
    base_store_u16(out + 2,
                   (uint16_t)(DNS_FLAG_QR | (waiting->flags & FLAG_OPCODE) | DNS_RCODE_SERVFAIL));
    base_store_u16(out + 4, 1);
    memcpy(out + DNS_MESSAGE_HEADER, waiting->question, waiting->question_length);
    return DNS_MESSAGE_HEADER + waiting->question_length;
}

/* Appends an OPT record that tells the reason, unless the response has one. */
static size_t put_error(uint8_t *out, size_t length, uint16_t code)
{
    if (base_load_u16(out + 10) != 0)
        return length;
    uint8_t *opt = out + length;
    memset(opt, 0, OPT_SIZE);
    base_store_u16(opt + 1, DNS_TYPE_OPT);
    base_store_u16(opt + 3, UDP_MAX);
    base_store_u16(opt + 9, code != 0 ? EDE_SIZE : 0);
    base_store_u16(opt + OPT_SIZE, DNS_OPTION_ERROR);
    base_store_u16(opt + OPT_SIZE + 2, 2);
    base_store_u16(opt + OPT_SIZE + 4, code);
    base_store_u16(out + 10, 1);
    return length + OPT_SIZE + (code != 0 ? EDE_SIZE : 0);
}

/* Is it a response to what waits, fit to be sent? */
static bool is_response(const struct waiting *waiting, const uint8_t *response, size_t length)
{
    size_t at;
    struct dns_record_place place;
    if (length < DNS_MESSAGE_HEADER || length > DNS_MESSAGE_MAX ||
        base_load_u16(response) != waiting->id ||
        (base_load_u16(response + 2) & (DNS_FLAG_QR | FLAG_OPCODE)) !=
            (DNS_FLAG_QR | (waiting->flags & FLAG_OPCODE)) ||
        dns_questions_skip(response, length, &at) != BASE_OK)
        return false;
    unsigned records = base_load_u16(response + 6) + (unsigned)base_load_u16(response + 8) +
                       base_load_u16(response + 10);
    for (; records > 0; records--) {
        if (dns_record_skip(response, length, &at, &place) != BASE_OK)
            return false;
    }
    return at == length;
}

/* Gives the answer: sends it, or wakes the connection that waits for it. */
static void answer(struct waiting *waiting, const uint8_t *response, size_t length, uint16_t code)
{
    struct front_worker *worker = waiting->forward->worker;
    size_t most = waiting->udp ? UDP_MAX : DNS_MESSAGE_MAX, room = front_auth_room(&waiting->auth);
    if (response != NULL &&
        (!is_response(waiting, response, length) || length + OPT_SIZE + EDE_SIZE + room > most))
        response = NULL;
    size_t need =
        (response != NULL ? length : DNS_MESSAGE_HEADER + NAME_AND_4) + OPT_SIZE + EDE_SIZE + room;
    uint8_t *out = malloc(need);
    if (out == NULL) {
        if (waiting->udp)
            release(waiting);
        return; /* the connection ends when its time is over */
    }
    if (response != NULL)
        memcpy(out, response, length);
    else
        length = make_failure(waiting, out);
    if (waiting->edns)
        length = put_error(out, length, code);
    unsigned rcode = base_load_u16(out + 2) & 15;
    if (front_auth_sign(&waiting->auth, out, &length, need, base_clock_now()) != BASE_OK)
        length = 0; /* better nothing than what cannot be trusted */
    else
        front_count_answer(worker->stats, DNS_TYPE_SOA, rcode);
    waiting->response = out;
    waiting->length = length;
    if (!waiting->udp) {
        net_stream_wake(&waiting->stream);
        return;
    }
    if (length > 0)
        net_worker_send(worker->net, &waiting->route, out, length);
    release(waiting);
}

static int pull(struct net_stream *stream, uint8_t *out, size_t capacity, size_t *length)
{
    struct waiting *waiting = (struct waiting *)stream;
    if (waiting->response == NULL)
        return NET_STREAM_LATER;
    if (waiting->length == 0 || waiting->length > capacity)
        return BASE_EIO;
    memcpy(out, waiting->response, waiting->length);
    *length = waiting->length;
    return NET_STREAM_END;
}

static void close_stream(struct net_stream *stream, bool finished)
{
    release((struct waiting *)stream);
}

/* --- what wakes the worker --- */

static void handle_letter(struct front_forward *forward, const struct front_letter *letter)
{
    if (letter->gone) {
        for (unsigned i = 0; i < FRONT_UPDATES_MAX; i++) {
            struct waiting *waiting = &forward->waiting[i];
            if (!waiting->used || waiting->response != NULL || waiting->link != letter->value)
                continue;
            front_count(forward->worker->stats, FRONT_UPDATE_ALONE, 1);
            answer(waiting, NULL, 0, 0);
        }
        return;
    }
    size_t place = (size_t)(letter->id >> ID_PLACE & 0xFFFF);
    struct waiting *waiting = place < FRONT_UPDATES_MAX ? &forward->waiting[place] : NULL;
    if (waiting == NULL || !waiting->used || waiting->response != NULL ||
        waiting->generation != (uint32_t)letter->id)
        return;
    front_count(forward->worker->stats, FRONT_UPDATE_ANSWERED, 1);
    answer(waiting, letter->data, letter->length, (uint16_t)letter->value);
}

static void read_mailbox(void *context, int fd)
{
    struct front_worker *worker = context;
    struct front_mailbox *mailbox = &worker->shared->mailboxes[worker->index];
    uint64_t count;
    if (read(fd, &count, sizeof(count)) < 0)
        return;
    front_worker_look(worker);
    pthread_mutex_lock(&mailbox->lock);
    struct front_letter *letter = mailbox->first;
    mailbox->first = NULL;
    mailbox->last = &mailbox->first;
    pthread_mutex_unlock(&mailbox->lock);
    while (letter != NULL) {
        struct front_letter *next = letter->next;
        handle_letter(worker->forward, letter);
        free(letter);
        letter = next;
    }
}

static void look_at_clock(void *context, int fd)
{
    struct front_worker *worker = context;
    struct front_forward *forward = worker->forward;
    uint64_t count, now = base_clock_monotonic();
    if (read(fd, &count, sizeof(count)) < 0)
        return;
    for (unsigned i = 0; i < FRONT_UPDATES_MAX; i++) {
        struct waiting *waiting = &forward->waiting[i];
        if (!waiting->used || waiting->response != NULL || waiting->deadline > now)
            continue;
        front_count(worker->stats, FRONT_UPDATE_LATE, 1);
        answer(waiting, NULL, 0, 0);
    }
}

int front_forward_new(struct front_worker *worker, struct front_forward **out)
{
    struct front_forward *forward = calloc(1, sizeof(*forward));
    if (forward == NULL)
        return BASE_ENOMEM;
    forward->worker = worker;
    forward->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    int error = forward->timer < 0 ? BASE_EIO : BASE_OK;
    if (error == BASE_OK && worker->net != NULL) {
        error = net_worker_watch(worker->net, forward->timer, look_at_clock);
        if (error == BASE_OK)
            error = net_worker_watch(worker->net, worker->shared->mailboxes[worker->index].wake,
                                     read_mailbox);
    }
    if (error != BASE_OK) {
        front_forward_free(forward);
        return error;
    }
    *out = forward;
    return BASE_OK;
}

void front_forward_free(struct front_forward *forward)
{
    if (forward == NULL)
        return;
    struct front_worker *worker = forward->worker;
    for (unsigned i = 0; i < FRONT_UPDATES_MAX; i++) {
        if (forward->waiting[i].used)
            release(&forward->waiting[i]);
    }
    if (worker->net != NULL) {
        net_worker_unwatch(worker->net, worker->shared->mailboxes[worker->index].wake);
        net_worker_unwatch(worker->net, forward->timer);
    }
    if (forward->timer >= 0)
        close(forward->timer);
    free(forward);
}

/* --- sending --- */

static int pass_on(struct front_worker *worker, const struct front_request *request, uint32_t type,
                   uint64_t id)
{
    struct front_forward *forward = worker->forward;
    struct serve_link_head head;
    memset(&head, 0, sizeof(head));
    head.peer = *request->client->peer;
    if (request->auth.key != NULL)
        dns_name_lower(head.key, request->auth.key->name);
    if (request->client->identity != NULL)
        snprintf(head.identity, sizeof(head.identity), "%s", request->client->identity);
    memcpy(forward->packet, &head, sizeof(head));
    memcpy(forward->packet + sizeof(head), request->query, request->length);
    struct process_message message = {.id = id,
                                      .type = type,
                                      .data = forward->packet,
                                      .length = sizeof(head) + request->length,
                                      .fd = -1};
    return process_send(worker->shared->link, &message, 1);
}

/* One question of type SOA and class IN, and nothing before it. */
static bool names_zone(const struct front_request *request)
{
    return request->result.question > 0 && request->result.type == DNS_TYPE_SOA &&
           base_load_u16(request->query + DNS_MESSAGE_HEADER + request->result.question + 2) ==
               DNS_CLASS_IN;
}

/* --- NOTIFY --- */

/* A bucket of tokens; a nanosecond is worth FRONT_NOTIFIES_SECOND of its units. */
static bool notify_allowed(struct front_forward *forward)
{
    const uint64_t second = UINT64_C(1000000000);
    uint64_t now = base_clock_monotonic(), passed = now - forward->notify_at;
    forward->notify_at = now;
    if (passed > second)
        passed = second;
    forward->notify_budget += passed * FRONT_NOTIFIES_SECOND;
    if (forward->notify_budget > second * FRONT_NOTIFIES_SECOND)
        forward->notify_budget = second * FRONT_NOTIFIES_SECOND;
    if (forward->notify_budget < second)
        return false;
    forward->notify_budget -= second;
    return true;
}

int front_notify(struct front_worker *worker, struct front_request *request)
{
    if (!names_zone(request)) {
        front_request_rcode(request, DNS_RCODE_FORMERR);
        return NET_ANSWER;
    }
    /* A primary that is not answered asks again (RFC 1996 section 3.6). */
    if ((request->auth.key == NULL && !notify_allowed(worker->forward)) ||
        pass_on(worker, request, SERVE_LINK_NOTIFY, 0) != BASE_OK) {
        front_count(worker->stats, FRONT_NOTIFY_DROPPED, 1);
        return NET_DROP;
    }
    front_count(worker->stats, FRONT_NOTIFY_PASSED, 1);
    front_request_rcode(request, DNS_RCODE_NOERROR);
    request->out[2] |= DNS_FLAG_AA >> 8;
    request->result.kind = NET_KIND_ANSWER;
    return NET_ANSWER;
}

/* --- UPDATE --- */

static uint32_t hash_of(const uint8_t *octets, size_t length)
{
    uint32_t hash = 0x811c9dc5;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ octets[i]) * 0x01000193;
    return hash;
}

/* Could any rule of the zone grant this client anything? What it grants is for control to say. A
 * zone that is not in the image may be one that control is about to publish: only clients with a
 * key may ask. */
static unsigned may_update(const struct front_worker *worker, const struct front_request *request)
{
    struct image_zone zone;
    const uint8_t *key = request->auth.key != NULL ? request->auth.key->name : NULL;
    int error = worker->serve != NULL ? image_zone_get(serve_reader(worker->serve),
                                                       request->query + DNS_MESSAGE_HEADER, &zone)
                                      : BASE_ENOENT;
    if (error != BASE_OK)
        return key != NULL ? DNS_RCODE_NOERROR : DNS_RCODE_NOTAUTH;
    const struct config_template *template = front_template(worker, &zone);
    for (size_t i = 0; template != NULL && i < template->update_count; i++) {
        const struct config_acl who = {.matches = &template->update[i].who, .count = 1};
        if (template->update[i].grant &&
            config_acl_allows(&who, request->client->peer, key, request->client->identity))
            return DNS_RCODE_NOERROR;
    }
    return DNS_RCODE_REFUSED;
}

/* A free place; NULL when there is none for this client. *repeated: it waits already. */
static struct waiting *find_place(struct front_forward *forward,
                                  const struct front_request *request, struct net_prefix client,
                                  uint32_t hash, bool *repeated)
{
    struct waiting *free_place = NULL;
    unsigned same = 0;
    *repeated = false;
    for (unsigned i = 0; i < FRONT_UPDATES_MAX; i++) {
        struct waiting *waiting = &forward->waiting[i];
        if (!waiting->used) {
            if (free_place == NULL)
                free_place = waiting;
            continue;
        }
        same += waiting->client.high == client.high && waiting->client.low == client.low;
        if (waiting->udp && request->client->protocol == NET_UDP && waiting->hash == hash &&
            waiting->auth.id == request->auth.id &&
            net_address_equal(&waiting->peer, request->client->peer))
            *repeated = true;
    }
    return same < FRONT_UPDATES_CLIENT ? free_place : NULL;
}

static void fill_place(struct waiting *waiting, struct front_worker *worker,
                       const struct front_request *request, struct net_prefix client, uint32_t hash)
{
    uint32_t generation = waiting->generation + 1;
    *waiting = (struct waiting){
        .stream = {.pull = pull, .close = close_stream},
        .forward = worker->forward,
        .used = true,
        .udp = request->client->protocol == NET_UDP,
        .edns = request->result.opt_length > 0,
        .generation = generation,
        .link = atomic_load_explicit(&worker->shared->link_generation, memory_order_acquire),
        .peer = *request->client->peer,
        .client = client,
        .auth = request->auth,
        .id = base_load_u16(request->query),
        .flags = base_load_u16(request->query + 2),
        .hash = hash,
        .deadline = base_clock_monotonic() + FRONT_UPDATE_SECONDS * UINT64_C(1000000000),
        .question_length = request->result.question + 4,
    };
    memcpy(waiting->question, request->query + DNS_MESSAGE_HEADER, waiting->question_length);
    if (waiting->udp)
        net_client_keep(request->client, &waiting->route);
    set_count(worker->forward, worker->forward->count + 1);
}

static int refuse(struct front_worker *worker, struct front_request *request,
                  enum front_counter counter, unsigned rcode)
{
    front_count(worker->stats, counter, 1);
    front_request_rcode(request, rcode);
    return NET_ANSWER;
}

int front_update(struct front_worker *worker, struct front_request *request)
{
    struct front_forward *forward = worker->forward;
    if (!names_zone(request))
        return refuse(worker, request, FRONT_UPDATE_REFUSED, DNS_RCODE_FORMERR);
    unsigned rcode = may_update(worker, request);
    if (rcode != DNS_RCODE_NOERROR)
        return refuse(worker, request, FRONT_UPDATE_REFUSED, rcode);
    struct net_prefix client = net_address_prefix(request->client->peer, 32, 56);
    uint32_t hash = hash_of(request->query, request->length);
    bool repeated;
    struct waiting *waiting = find_place(forward, request, client, hash, &repeated);
    if (repeated) {
        front_count(worker->stats, FRONT_UPDATE_REPEATED, 1);
        return NET_DROP; /* the answer is on its way */
    }
    if (waiting == NULL)
        return refuse(worker, request, FRONT_UPDATE_BUSY, DNS_RCODE_SERVFAIL);
    fill_place(waiting, worker, request, client, hash);
    uint64_t id = (uint64_t)worker->index << ID_WORKER |
                  (uint64_t)(waiting - forward->waiting) << ID_PLACE | waiting->generation;
    int error = pass_on(worker, request, SERVE_LINK_UPDATE, id);
    if (error != BASE_OK) {
        release(waiting);
        return refuse(worker, request,
                      error == BASE_ELIMIT ? FRONT_UPDATE_BUSY : FRONT_UPDATE_ALONE,
                      DNS_RCODE_SERVFAIL);
    }
    if (waiting->udp)
        return NET_DROP;
    request->answer->stream = &waiting->stream;
    return NET_STREAM;
}
