/*
 * Questions under way: each is driven by what comes for it, shared by all who ask the same, and
 * ends with its result or when its time is over. `done` is called from work_off only, never from
 * within calls of the loop, so that it may do whatever it likes.
 */
#include "base/clock.h"
#include "base/error.h"
#include "dns/message.h"
#include "resolve/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define MILLISECOND UINT64_C(1000000)

/* --- tickets --- */

static struct resolve_ticket **list_of(struct resolve_ticket *ticket)
{
    return ticket->job != NULL ? &ticket->job->tickets : &ticket->context->asks;
}

static struct resolve_ticket *ticket_new(struct resolve_context *context, struct resolve_job *job,
                                         const char *server)
{
    size_t size = server != NULL ? strlen(server) + 1 : 0;
    struct resolve_ticket *ticket = malloc(sizeof(*ticket) + size);
    if (ticket == NULL)
        return NULL;
    memset(ticket, 0, offsetof(struct resolve_ticket, name));
    ticket->context = context;
    ticket->job = job;
    if (server != NULL) {
        memcpy(ticket->server, server, size);
        ticket->query.server = ticket->server;
    }
    if (job == NULL)
        context->ask_count++;
    struct resolve_ticket **list = list_of(ticket);
    ticket->next = *list;
    if (ticket->next != NULL)
        ticket->next->previous = ticket;
    *list = ticket;
    return ticket;
}

static void ticket_free(struct resolve_ticket *ticket)
{
    if (ticket->previous != NULL)
        ticket->previous->next = ticket->next;
    else
        *list_of(ticket) = ticket->next;
    if (ticket->next != NULL)
        ticket->next->previous = ticket->previous;
    if (ticket->job == NULL)
        ticket->context->ask_count--;
    free(ticket);
}

/* Where queries with a server go: to the caller's transport, if there is one. */
static const struct resolve_transport *transport_of(const struct resolve_ticket *ticket)
{
    static const struct resolve_transport none;
    const struct resolve_context *context = ticket->context;
    if (ticket->job == NULL && !ticket->sourced && context->options.from != RESOLVE_TRANSPORT)
        return &none;
    return &context->source.transport;
}

static void send_ticket(struct resolve_ticket *ticket, const uint8_t *name, uint16_t type)
{
    struct resolve_context *context = ticket->context;
    const struct validate_anchors *anchors = context->options.validate.anchors;
    uint16_t tags[RESOLVE_TAGS_MAX];
    struct resolve_query_options options = {.recursion = ticket->query.server == NULL,
                                            .tags = tags};
    if (getrandom(&options.id, sizeof(options.id), GRND_NONBLOCK) != sizeof(options.id))
        options.id = 0; /* whoever sends it gives it another one */
    if (context->options.signal_tags && type == DNS_TYPE_DNSKEY && anchors != NULL) {
        options.tag_count =
            validate_anchors_tags(anchors, name, resolve_now(context), tags, RESOLVE_TAGS_MAX);
        if (options.tag_count > RESOLVE_TAGS_MAX)
            options.tag_count = RESOLVE_TAGS_MAX;
    }
    memcpy(ticket->name, name, dns_name_length(name));
    ticket->query.name = ticket->name;
    ticket->query.type = type;
    ticket->query.packet = ticket->packet;
    ticket->query.length = resolve_query_build(name, type, &options, ticket->packet);
    context->counts.queries++;
    const struct resolve_transport *transport = transport_of(ticket);
    if (transport->ask != NULL)
        transport->ask(transport->context, &ticket->query, ticket);
    else
        resolve_servers_ask(context->direct, &ticket->query, ticket);
}

static void cancel_ticket(struct resolve_ticket *ticket)
{
    const struct resolve_transport *transport = transport_of(ticket);
    if (transport->cancel != NULL)
        transport->cancel(transport->context, ticket);
    else
        resolve_servers_cancel(ticket->context->direct, ticket);
    ticket_free(ticket);
}

/* --- jobs --- */

static struct resolve_job **bucket_of(struct resolve_context *context, const uint8_t *name,
                                      uint16_t type)
{
    return &context->jobs[(dns_name_hash(name) * 31 + type) % RESOLVE_BUCKETS];
}

static struct resolve_job *find_job(struct resolve_context *context, const uint8_t *name,
                                    uint16_t type)
{
    struct resolve_job *job = *bucket_of(context, name, type);
    while (job != NULL && (job->type != type || !dns_name_equal(job->name, name)))
        job = job->next_in_bucket;
    return job;
}

static void make_ready(struct resolve_job *job)
{
    struct resolve_context *context = job->context;
    if (job->ready || job->pumping)
        return;
    job->ready = true;
    job->next_ready = NULL;
    *context->last_ready = job;
    context->last_ready = &job->next_ready;
    if (!context->running)
        net_loop_wake(context->loop);
}

static struct resolve_job *take_ready(struct resolve_context *context)
{
    struct resolve_job *job = context->first_ready;
    if (job == NULL)
        return NULL;
    context->first_ready = job->next_ready;
    if (context->first_ready == NULL)
        context->last_ready = &context->first_ready;
    job->ready = false;
    return job;
}

static void take_out_of_ready(struct resolve_job *job)
{
    struct resolve_context *context = job->context;
    if (!job->ready)
        return;
    struct resolve_job **link = &context->first_ready;
    while (*link != job)
        link = &(*link)->next_ready;
    *link = job->next_ready;
    if (job->next_ready == NULL)
        context->last_ready = link;
    job->ready = false;
}

/* Takes the job out of all lists, cancels its queries; its requests are the caller's. */
static void take_out(struct resolve_job *job)
{
    struct resolve_context *context = job->context;
    struct resolve_job **link = bucket_of(context, job->name, job->type);
    while (*link != job)
        link = &(*link)->next_in_bucket;
    *link = job->next_in_bucket;
    take_out_of_ready(job);
    net_loop_unset(context->loop, &job->deadline);
    while (job->tickets != NULL)
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): unlinked before */
        cancel_ticket(job->tickets);
    context->job_count--;
}

static void job_free(struct resolve_job *job)
{
    validate_lookup_free(job->lookup);
    validate_result_unref(job->result);
    free(job);
}

static void time_is_over(struct net_timer *timer)
{
    struct resolve_job *job =
        (struct resolve_job *)((char *)timer - offsetof(struct resolve_job, deadline));
    char why[80];
    unsigned ms = job->context->options.timeout_ms;
    snprintf(why, sizeof(why), "the time of %u.%03u s is over", ms / 1000, ms % 1000);
    validate_lookup_end(job->lookup, why);
    make_ready(job);
}

/* Gives it the notes that it does not have yet. */
static void note_news(struct resolve_job *job)
{
    const struct resolve_context *context = job->context;
    for (; job->noted < context->note_count; job->noted++) {
        const struct resolve_note *note = &context->notes[job->noted];
        if (context->options.recording != NULL)
            resolve_recording_note(context->options.recording, note->code,
                                   note->server[0] != '\0' ? note->server : NULL, note->message);
        validate_lookup_note(job->lookup, note->code, note->server[0] != '\0' ? note->server : NULL,
                             note->message);
    }
}

static void ask_next(struct resolve_job *job, const struct validate_query *query)
{
    struct resolve_ticket *ticket = ticket_new(job->context, job, NULL);
    if (ticket == NULL) {
        validate_lookup_end(job->lookup, "no memory for a query");
        return;
    }
    ticket->id = query->id;
    send_ticket(ticket, query->name, query->type);
}

/* Goes on as far as possible without waiting; the result, or NULL. */
static const struct validate_result *pump(struct resolve_job *job)
{
    struct validate_query query;
    job->pumping = true;
    do {
        job->replied = false;
        while (validate_lookup_next(job->lookup, &query))
            ask_next(job, &query);
    } while (job->replied);
    job->pumping = false;
    if (job->tickets == NULL && validate_lookup_result(job->lookup) == NULL)
        validate_lookup_end(job->lookup, "the proof came to no end"); /* without memory, say */
    return validate_lookup_result(job->lookup);
}

void resolve_reply(struct resolve_ticket *ticket, const struct validate_reply *reply)
{
    struct resolve_context *context = ticket->context;
    struct resolve_job *job = ticket->job;
    if (context->options.recording != NULL && !ticket->sourced)
        resolve_recording_packet(context->options.recording, ticket->query.server,
                                 ticket->query.name, ticket->query.type, reply);
    if (job == NULL) {
        /* Whoever is told may ask again, so the ticket goes first. */
        resolve_asked *asked = ticket->asked;
        void *asked_context = ticket->asked_context;
        ticket_free(ticket);
        asked(asked_context, reply);
        return;
    }
    uint32_t id = ticket->id;
    ticket_free(ticket);
    note_news(job);
    if (validate_lookup_reply(job->lookup, id, reply, resolve_now(context)) != BASE_OK)
        validate_lookup_end(job->lookup, "no memory to judge an answer");
    job->replied = true;
    make_ready(job);
}

/* --- requests --- */

static void unlink_request(struct resolve_request *request)
{
    if (request->previous != NULL)
        request->previous->next = request->next;
    else
        request->job->requests = request->next;
    if (request->next != NULL)
        request->next->previous = request->previous;
}

/* Tells all who asked. They may ask again and cancel each other meanwhile; nobody joins any more,
 * since the job is out of the table. */
static void finish(struct resolve_job *job, const struct validate_result *result)
{
    struct resolve_context *context = job->context;
    take_out(job);
    if (job->lookup != NULL && result != NULL && context->cache != NULL)
        resolve_cache_put(context->cache, result);
    while (job->requests != NULL) {
        struct resolve_request *request = job->requests;
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): unlinked before */
        unlink_request(request);
        request->done(request->done_context, result != NULL ? validate_result_ref(result) : NULL);
        free(request);
    }
    job_free(job);
}

static void work_off(struct resolve_context *context)
{
    bool outermost = !context->running;
    context->running = true;
    for (struct resolve_job *job; (job = take_ready(context)) != NULL;) {
        const struct validate_result *result = job->result != NULL ? job->result : pump(job);
        if (result != NULL || job->tickets == NULL || job->requests == NULL)
            finish(job, result);
    }
    if (outermost)
        context->running = false;
}

static int start_lookup(struct resolve_job *job)
{
    struct resolve_context *context = job->context;
    base_time now = resolve_now(context);
    if (context->options.recording != NULL)
        resolve_recording_question(context->options.recording, job->name, job->type, now,
                                   &context->options.validate);
    int error = validate_lookup_new(&context->options.validate, context->trust, job->name,
                                    job->type, now, &job->lookup);
    if (error != BASE_OK)
        return error;
    note_news(job);
    job->deadline.due = time_is_over;
    net_loop_set(context->loop, &job->deadline,
                 base_clock_monotonic() + context->options.timeout_ms * MILLISECOND);
    return BASE_OK;
}

static int job_new(struct resolve_context *context, const uint8_t *name, uint16_t type,
                   const struct validate_result *result, struct resolve_job **out)
{
    if (context->job_count >= context->options.most_lookups)
        return BASE_ELIMIT;
    struct resolve_job *job = calloc(1, sizeof(*job));
    if (job == NULL)
        return BASE_ENOMEM;
    job->context = context;
    job->type = type;
    memcpy(job->name, name, dns_name_length(name)); /* in the letters of who asks first */
    if (result != NULL)
        job->result = validate_result_ref(result);
    int error = result != NULL ? BASE_OK : start_lookup(job);
    if (error != BASE_OK) {
        job_free(job);
        return error;
    }
    struct resolve_job **bucket = bucket_of(context, job->name, type);
    job->next_in_bucket = *bucket;
    *bucket = job;
    context->job_count++;
    make_ready(job);
    *out = job;
    return BASE_OK;
}

/* The job that gives the answer: one under way, or a new one. */
static int job_for(struct resolve_context *context, const uint8_t *name, uint16_t type,
                   struct resolve_job **out)
{
    struct resolve_job *job = find_job(context, name, type);
    context->counts.lookups++;
    if (job != NULL) {
        context->counts.joined++;
        *out = job;
        return BASE_OK;
    }
    const struct validate_result *known =
        context->cache != NULL ? resolve_cache_get(context->cache, name, type, resolve_now(context))
                               : NULL;
    context->counts.from_cache += known != NULL;
    int error = job_new(context, name, type, known, out);
    validate_result_unref(known);
    return error;
}

int resolve_start(struct resolve_context *context, const uint8_t *name, uint16_t type,
                  resolve_done *done, void *done_context, struct resolve_request **out)
{
    struct resolve_request *request = calloc(1, sizeof(*request));
    struct resolve_job *job;
    if (request == NULL)
        return BASE_ENOMEM;
    resolve_track_due(context->tracking);
    int error = job_for(context, name, type, &job);
    if (error != BASE_OK) {
        free(request);
        return error;
    }
    request->job = job;
    request->done = done;
    request->done_context = done_context;
    request->next = job->requests;
    if (request->next != NULL)
        request->next->previous = request;
    job->requests = request;
    *out = request;
    return BASE_OK;
}

void resolve_cancel(struct resolve_request *request)
{
    struct resolve_job *job = request->job;
    unlink_request(request);
    free(request);
    /* A job that is being worked with ends there; one that is telling its result is out of the
     * table, and its end is near. */
    if (job->requests == NULL && !job->pumping &&
        find_job(job->context, job->name, job->type) == job) {
        take_out(job);
        job_free(job);
    }
}

/* --- driving --- */

int resolve_fd(struct resolve_context *context)
{
    return net_loop_fd(context->loop);
}

int resolve_timeout_ms(struct resolve_context *context)
{
    return context->first_ready != NULL ? 0 : net_loop_timeout_ms(context->loop);
}

static void drive(struct resolve_context *context, int most_ms)
{
    work_off(context);
    bool outermost = !context->running;
    context->running = true;
    net_loop_run(context->loop, most_ms);
    if (outermost)
        context->running = false;
    work_off(context);
}

void resolve_process(struct resolve_context *context)
{
    drive(context, 0);
}

struct waiting {
    bool done;
    const struct validate_result *result;
};

static void note_result(void *context, const struct validate_result *result)
{
    struct waiting *waiting = context;
    waiting->done = true;
    waiting->result = result;
}

/* Waits for one thing. What became ready before is worked off first, so it does not wait in vain.
 */
static void wait_once(struct resolve_context *context)
{
    work_off(context);
    bool outermost = !context->running;
    context->running = true;
    net_loop_run(context->loop, -1);
    if (outermost)
        context->running = false;
    work_off(context);
}

int resolve_lookup(struct resolve_context *context, const uint8_t *name, uint16_t type,
                   const struct validate_result **out)
{
    struct waiting waiting = {.done = false};
    struct resolve_request *request;
    resolve_track(context); /* who blocks comes back seldom: anchors are to be of today */
    if (context->cache != NULL) {
        const struct validate_result *known =
            resolve_cache_get(context->cache, name, type, resolve_now(context));
        if (known != NULL) {
            context->counts.lookups++;
            context->counts.from_cache++;
            *out = known;
            return BASE_OK;
        }
    }
    int error = resolve_start(context, name, type, note_result, &waiting, &request);
    if (error != BASE_OK)
        return error;
    work_off(context);
    while (!waiting.done)
        wait_once(context);
    if (waiting.result == NULL)
        return BASE_ENOMEM;
    *out = waiting.result;
    return BASE_OK;
}

int resolve_ask(struct resolve_context *context, const char *server, const uint8_t *name,
                uint16_t type, resolve_asked *done, void *done_context)
{
    struct resolve_ticket *ticket = ticket_new(context, NULL, server);
    if (ticket == NULL)
        return BASE_ENOMEM;
    ticket->asked = done;
    ticket->asked_context = done_context;
    send_ticket(ticket, name, type);
    return BASE_OK;
}

int resolve_ask_source(struct resolve_context *context, const uint8_t *name, uint16_t type,
                       resolve_asked *done, void *done_context, struct resolve_ticket **out)
{
    struct resolve_ticket *ticket = ticket_new(context, NULL, NULL);
    if (ticket == NULL)
        return BASE_ENOMEM;
    ticket->sourced = true;
    ticket->asked = done;
    ticket->asked_context = done_context;
    if (out != NULL)
        *out = ticket;
    send_ticket(ticket, name, type);
    return BASE_OK;
}

void resolve_ask_cancel(struct resolve_ticket *ticket)
{
    cancel_ticket(ticket);
}

void resolve_track(struct resolve_context *context)
{
    if (!resolve_track_due(context->tracking))
        return;
    work_off(context);
    while (resolve_track_asking(context->tracking))
        wait_once(context);
}

void resolve_wait(struct resolve_context *context)
{
    work_off(context);
    while (context->job_count > 0 || context->ask_count > 0)
        wait_once(context);
}

void resolve_lookups_free(struct resolve_context *context)
{
    while (context->asks != NULL)
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): unlinked before */
        cancel_ticket(context->asks);
    for (size_t i = 0; i < RESOLVE_BUCKETS; i++) {
        while (context->jobs[i] != NULL) {
            struct resolve_job *job = context->jobs[i];
            /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): unlinked before */
            while (job->requests != NULL) {
                struct resolve_request *request = job->requests;
                /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): unlinked before */
                unlink_request(request);
                free(request);
            }
            take_out(job);
            job_free(job);
        }
    }
}
