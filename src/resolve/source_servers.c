/*
 * Asking servers: the fastest first, the next one when it fails, each a few times. A server that
 * says that it cannot help (SERVFAIL, REFUSED and their like) is believed when no other does
 * better.
 */
#include "base/clock.h"
#include "base/error.h"
#include "resolve/internal.h"

#include "dns/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRIES_MOST 12 /* of one query, whatever the number of servers */

/* A list that queries under way hold on to. */
struct list {
    unsigned references;
    size_t count;
    struct resolve_server items[];
};

struct attempt {
    struct resolve_servers *servers;
    struct attempt *next, *previous;
    struct list *list;
    struct resolve_ticket *ticket;
    struct resolve_server *server; /* of the current try */
    uint32_t tried;                /* in this round, a bit for each of the list */
    unsigned round, tries;
    uint64_t started;
    bool https; /* the current try is of this kind */
    struct net_question question;
    struct resolve_https_question https_question;
    uint8_t *bad; /* the best of what is no help */
    size_t bad_length;
    char bad_server[320];
    bool silent; /* nothing but silence so far */
    char why[RESOLVE_WHY + 64];
};

struct resolve_servers {
    struct resolve_ground ground;
    struct list *list;
    struct resolve_https *https;
    struct attempt *attempts;
    unsigned try_ms, tries;
};

static void begin_try(struct attempt *attempt);

static struct list *list_new(size_t count)
{
    struct list *list = calloc(1, sizeof(*list) + count * sizeof(list->items[0]));
    if (list != NULL) {
        list->references = 1;
        list->count = count;
    }
    return list;
}

static void list_unref(struct list *list)
{
    if (list != NULL && --list->references == 0)
        free(list);
}

int resolve_servers_new(const struct resolve_ground *ground, struct resolve_servers **out)
{
    struct resolve_servers *servers = calloc(1, sizeof(*servers));
    struct list *list = list_new(0);
    if (servers == NULL || list == NULL) {
        free(servers);
        free(list);
        return BASE_ENOMEM;
    }
    servers->ground = *ground;
    servers->list = list;
    servers->try_ms = ground->try_ms;
    servers->tries = ground->tries;
    *out = servers;
    return BASE_OK;
}

void resolve_servers_free(struct resolve_servers *servers)
{
    if (servers == NULL)
        return;
    resolve_https_free(servers->https);
    list_unref(servers->list);
    free(servers);
}

int resolve_servers_set(struct resolve_servers *servers, const struct resolve_server *items,
                        size_t count, unsigned try_ms, unsigned tries)
{
    struct list *list = list_new(count);
    if (list == NULL)
        return BASE_ENOMEM;
    if (count > 0)
        memcpy(list->items, items, count * sizeof(*items));
    list_unref(servers->list);
    servers->list = list;
    servers->try_ms = try_ms != 0 ? try_ms : servers->try_ms;
    servers->tries = tries != 0 ? tries : servers->tries;
    return BASE_OK;
}

/* --- the end of a query --- */

static void attempt_free(struct attempt *attempt)
{
    struct resolve_servers *servers = attempt->servers;
    if (attempt->previous != NULL)
        attempt->previous->next = attempt->next;
    else
        servers->attempts = attempt->next;
    if (attempt->next != NULL)
        attempt->next->previous = attempt->previous;
    list_unref(attempt->list);
    free(attempt->bad);
    free(attempt);
}

/* The reply may lie in the attempt, which is freed afterwards; the ticket is gone then. */
static void finish(struct attempt *attempt, const struct validate_reply *reply)
{
    struct resolve_ticket *ticket = attempt->ticket;
    attempt->ticket = NULL;
    resolve_reply(ticket, reply);
    attempt_free(attempt);
}

/* All tries are over. */
static void give_up(struct attempt *attempt)
{
    struct validate_reply reply = {.kind = attempt->silent ? VALIDATE_REPLY_SILENCE
                                                           : VALIDATE_REPLY_FAILED,
                                   .why = attempt->why[0] != '\0' ? attempt->why : NULL};
    if (attempt->bad != NULL)
        reply = (struct validate_reply){.kind = VALIDATE_REPLY_PACKET,
                                        .packet = attempt->bad,
                                        .length = attempt->bad_length,
                                        .server = attempt->bad_server};
    finish(attempt, &reply);
}

/* --- one try --- */

static bool no_help(const struct net_reply *reply)
{
    unsigned rcode = reply->message[3] & 15u;
    return rcode == DNS_RCODE_SERVFAIL || rcode == DNS_RCODE_REFUSED || rcode == DNS_RCODE_NOTIMP ||
           rcode == DNS_RCODE_FORMERR;
}

static bool others_left(const struct attempt *attempt)
{
    return attempt->list->count > 1 && attempt->tried != (1u << attempt->list->count) - 1;
}

static void keep_bad(struct attempt *attempt, const struct net_reply *reply)
{
    uint8_t *copy = malloc(reply->length);
    if (attempt->bad != NULL || copy == NULL) {
        free(copy);
        return;
    }
    memcpy(copy, reply->message, reply->length);
    attempt->bad = copy;
    attempt->bad_length = reply->length;
    snprintf(attempt->bad_server, sizeof(attempt->bad_server), "%s", attempt->server->text);
}

static void took_message(struct attempt *attempt, const struct net_reply *reply)
{
    uint64_t took = base_clock_monotonic() - attempt->started;
    bool bad = no_help(reply);
    if (bad && others_left(attempt)) {
        resolve_server_bad(attempt->server, base_clock_monotonic());
        keep_bad(attempt, reply);
        begin_try(attempt);
        return;
    }
    resolve_server_good(attempt->server, took);
    char server[sizeof(attempt->server->text)];
    snprintf(server, sizeof(server), "%s", attempt->server->text);
    finish(attempt, &(struct validate_reply){.kind = VALIDATE_REPLY_PACKET,
                                             .packet = reply->message,
                                             .length = reply->length,
                                             .server = server});
}

static void try_done(struct attempt *attempt, const struct net_reply *reply)
{
    if (reply->kind == NET_REPLY_ANSWER) {
        took_message(attempt, reply);
        return;
    }
    resolve_server_bad(attempt->server, base_clock_monotonic());
    /* What was found out about a server says more than that another one was silent. */
    bool silence = reply->kind == NET_REPLY_SILENCE;
    if (attempt->silent)
        snprintf(attempt->why, sizeof(attempt->why), "%.200s: %s", attempt->server->text,
                 reply->why != NULL ? reply->why : "no answer");
    attempt->silent = attempt->silent && silence;
    begin_try(attempt);
}

static void question_done(struct net_question *question, const struct net_reply *reply)
{
    try_done((struct attempt *)((char *)question - offsetof(struct attempt, question)), reply);
}

static void https_done(struct resolve_https_question *question, const struct net_reply *reply)
{
    try_done((struct attempt *)((char *)question - offsetof(struct attempt, https_question)),
             reply);
}

/* The best server that has not been tried in this round. */
static struct resolve_server *choose(struct attempt *attempt)
{
    struct list *list = attempt->list;
    uint64_t now = base_clock_monotonic(), best_score = 0;
    size_t best = list->count;
    if (list->count > 0 && attempt->tried == (1u << list->count) - 1) {
        attempt->tried = 0;
        attempt->round++;
    }
    for (size_t i = 0; i < list->count; i++) {
        uint64_t score = resolve_server_score(&list->items[i], now);
        if (!(attempt->tried >> i & 1) && (best == list->count || score < best_score)) {
            best = i;
            best_score = score;
        }
    }
    if (best == list->count || attempt->round >= attempt->servers->tries ||
        attempt->tries >= TRIES_MOST)
        return NULL;
    /* Those that are not used get better in memory, so that they are tried again some day. */
    for (size_t i = 0; i < list->count; i++)
        list->items[i].rtt_us -= i != best ? list->items[i].rtt_us / 128 : 0;
    attempt->tried |= 1u << best;
    attempt->tries++;
    return &list->items[best];
}

static int start_https(struct attempt *attempt, unsigned timeout_ms)
{
    struct resolve_servers *servers = attempt->servers;
    int error = BASE_OK;
    if (servers->https == NULL)
        error = resolve_https_new(&servers->ground, &servers->https);
    attempt->https_question =
        (struct resolve_https_question){.server = attempt->server,
                                        .message = attempt->ticket->query.packet,
                                        .length = attempt->ticket->query.length,
                                        .timeout_ms = 2 * timeout_ms,
                                        .done = https_done};
    if (error == BASE_OK)
        error = resolve_https_start(servers->https, &attempt->https_question);
    return error;
}

static int start(struct attempt *attempt)
{
    const struct resolve_server *server = attempt->server;
    unsigned timeout_ms = attempt->servers->try_ms << (attempt->round < 2 ? attempt->round : 2);
    attempt->started = base_clock_monotonic();
    attempt->https = server->way == RESOLVE_HTTPS;
    if (attempt->https)
        return start_https(attempt, timeout_ms);
    struct net_question *question = &attempt->question;
    question->address = server->address;
    question->way = server->way == RESOLVE_TLS   ? NET_TLS
                    : server->way == RESOLVE_TCP ? NET_TCP
                                                 : NET_UDP;
    question->message = attempt->ticket->query.packet;
    question->length = attempt->ticket->query.length;
    question->tls_name = server->host[0] != '\0' ? server->host : NULL;
    question->timeout_ms = timeout_ms;
    question->done = question_done;
    return net_question_start(attempt->servers->ground.asker, question);
}

static void begin_try(struct attempt *attempt)
{
    attempt->server = choose(attempt);
    if (attempt->server == NULL) {
        give_up(attempt);
        return;
    }
    int error = start(attempt);
    if (error != BASE_OK) {
        attempt->silent = false;
        snprintf(attempt->why, sizeof(attempt->why), "%s", base_strerror(error));
        give_up(attempt);
    }
}

/* --- as a source --- */

/* A list of the one server that the query names. */
static struct list *list_of_query(const struct resolve_query *query)
{
    struct list *list = list_new(1);
    struct resolve_server servers[RESOLVE_SERVERS_MAX];
    char why[RESOLVE_WHY];
    size_t count = 0;
    if (list != NULL && resolve_server_read(query->server, why, servers, &count) == BASE_OK &&
        count > 0)
        list->items[0] = servers[0];
    else if (list != NULL)
        list->count = 0;
    return list;
}

void resolve_servers_ask(void *context, const struct resolve_query *query,
                         struct resolve_ticket *ticket)
{
    struct resolve_servers *servers = context;
    struct attempt *attempt = malloc(sizeof(*attempt));
    if (attempt == NULL) {
        resolve_reply(ticket, &(struct validate_reply){.kind = VALIDATE_REPLY_FAILED,
                                                       .why = "no memory for the query"});
        return;
    }
    /* The buffers within need not be cleared. */
    memset(attempt, 0, offsetof(struct attempt, question));
    attempt->bad = NULL;
    attempt->why[0] = '\0';
    attempt->silent = true;
    attempt->servers = servers;
    attempt->ticket = ticket;
    ticket->source = attempt;
    attempt->next = servers->attempts;
    if (attempt->next != NULL)
        attempt->next->previous = attempt;
    servers->attempts = attempt;
    if (query->server != NULL) {
        attempt->list = list_of_query(query);
    } else {
        attempt->list = servers->list;
        servers->list->references++;
    }
    if (attempt->list == NULL || attempt->list->count == 0) {
        snprintf(attempt->why, sizeof(attempt->why), "there is no server to ask");
        attempt->silent = false;
        give_up(attempt);
        return;
    }
    begin_try(attempt);
}

void resolve_servers_cancel(void *context, struct resolve_ticket *ticket)
{
    struct attempt *attempt = ticket->source;
    if (attempt->https)
        resolve_https_cancel(&attempt->https_question);
    else
        net_question_cancel(&attempt->question);
    attempt_free(attempt);
}

static void free_servers(void *servers)
{
    resolve_servers_free(servers);
}

struct resolve_source resolve_servers_source(struct resolve_servers *servers)
{
    return (struct resolve_source){
        .transport = {resolve_servers_ask, resolve_servers_cancel, servers},
        .free = free_servers,
    };
}
