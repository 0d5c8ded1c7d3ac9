/*
 * Recursion from the root by libunbound, as a source of packets: its iterator only, whose answers
 * are judged here like all others; its validator has no part in this. What it fetches comes through
 * one descriptor. (It fetches in a thread of its own, which sees nothing of the context.)
 */
#include "base/error.h"
#include "resolve/internal.h"

#ifdef KENTER_UNBOUND

#include "dns/message.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unbound.h>

struct fetch {
    struct recursion *recursion;
    struct resolve_ticket *ticket;
    int id;
};

struct recursion {
    struct net_loop *loop;
    struct ub_ctx *unbound;
    struct net_watch watch;
    struct resolve_servers *direct; /* for queries that name a server */
};

static void reply_failed(struct resolve_ticket *ticket, const char *why)
{
    resolve_reply(ticket, &(struct validate_reply){
                              .kind = VALIDATE_REPLY_FAILED, .why = why, .server = "recursion"});
}

static void fetched(void *context, int error, struct ub_result *result)
{
    struct fetch *fetch = context;
    struct resolve_ticket *ticket = fetch->ticket;
    free(fetch);
    if (error != 0) {
        reply_failed(ticket, ub_strerror(error));
    } else if (result->answer_len < DNS_MESSAGE_HEADER || result->answer_len > DNS_MESSAGE_MAX) {
        reply_failed(ticket, "recursion came to nothing");
    } else {
        resolve_reply(ticket, &(struct validate_reply){.kind = VALIDATE_REPLY_PACKET,
                                                       .packet = result->answer_packet,
                                                       .length = (size_t)result->answer_len,
                                                       .server = "recursion"});
    }
    ub_resolve_free(result);
}

static void ready(struct net_watch *watch, short events)
{
    struct recursion *recursion =
        (struct recursion *)((char *)watch - offsetof(struct recursion, watch));
    ub_process(recursion->unbound);
}

static void ask(void *context, const struct resolve_query *query, struct resolve_ticket *ticket)
{
    struct recursion *recursion = context;
    if (query->server != NULL) {
        resolve_servers_ask(recursion->direct, query, ticket);
        return;
    }
    char name[DNS_NAME_TEXT];
    struct fetch *fetch = calloc(1, sizeof(*fetch));
    if (fetch == NULL) {
        reply_failed(ticket, "no memory for the query");
        return;
    }
    fetch->recursion = recursion;
    fetch->ticket = ticket;
    ticket->source = fetch;
    int error = ub_resolve_async(recursion->unbound, dns_name_text(name, query->name), query->type,
                                 DNS_CLASS_IN, fetch, fetched, &fetch->id);
    if (error != 0) {
        free(fetch);
        reply_failed(ticket, ub_strerror(error));
        return;
    }
    /* The thread, and with it the descriptor, begin with the first query. */
    if (recursion->watch.fd < 0) {
        recursion->watch.fd = ub_fd(recursion->unbound);
        net_loop_watch(recursion->loop, &recursion->watch, POLLIN);
    }
}

static void cancel(void *context, struct resolve_ticket *ticket)
{
    struct recursion *recursion = context;
    if (ticket->query.server != NULL) {
        resolve_servers_cancel(recursion->direct, ticket);
        return;
    }
    struct fetch *fetch = ticket->source;
    ub_cancel(recursion->unbound, fetch->id);
    free(fetch);
}

static void recursion_free(void *context)
{
    struct recursion *recursion = context;
    if (recursion->watch.fd >= 0)
        net_loop_watch(recursion->loop, &recursion->watch, 0);
    if (recursion->unbound != NULL)
        ub_ctx_delete(recursion->unbound);
    resolve_servers_free(recursion->direct);
    free(recursion);
}

/* libunbound answers for some names itself, unsigned, where the root has a proof that they are not
 * there. (Not for onion., which is not to be asked of anybody: RFC 7686.) */
static int remove_own_zones(struct ub_ctx *unbound)
{
    static const char *const zones[] = {"test.", "invalid.", "home.arpa."};
    int error = 0;
    for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]) && error == 0; i++)
        error = ub_ctx_zone_remove(unbound, zones[i]);
    return error;
}

static int set_up(struct recursion *recursion, const struct resolve_ground *ground,
                  char why[RESOLVE_WHY])
{
    static const char *const options[][2] = {
        {"module-config:", "iterator"}, {"msg-cache-size:", "512k"},
        {"rrset-cache-size:", "1m"},    {"key-cache-size:", "64k"},
        {"neg-cache-size:", "64k"},     {"infra-cache-numhosts:", "500"},
        {"outgoing-range:", "64"},      {"num-queries-per-thread:", "64"},
        {"so-reuseport:", "no"},        {"unblock-lan-zones:", "yes"},
    };
    int error = 0;
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]) && error == 0; i++)
        error = ub_ctx_set_option(recursion->unbound, options[i][0], options[i][1]);
    if (error == 0)
        error = ub_ctx_async(recursion->unbound, 1);
    if (error == 0 && ground->root_hints != NULL) {
        error = ub_ctx_set_option(recursion->unbound, "root-hints:", ground->root_hints);
        /* Who has a root of his own may well have it on this machine. */
        if (error == 0)
            error = ub_ctx_set_option(recursion->unbound, "do-not-query-localhost:", "no");
    }
    if (error == 0)
        error = remove_own_zones(recursion->unbound);
    if (error == 0)
        return BASE_OK;
    snprintf(why, RESOLVE_WHY, "libunbound: %s", ub_strerror(error));
    return error == UB_NOMEM ? BASE_ENOMEM : BASE_EIO;
}

int resolve_recursion_new(const struct resolve_ground *ground, char why[RESOLVE_WHY],
                          struct resolve_source *out)
{
    struct recursion *recursion = calloc(1, sizeof(*recursion));
    if (recursion == NULL)
        return BASE_ENOMEM;
    recursion->loop = ground->loop;
    recursion->watch = (struct net_watch){.fd = -1, .ready = ready};
    recursion->unbound = ub_ctx_create();
    int error = recursion->unbound == NULL ? BASE_ENOMEM : set_up(recursion, ground, why);
    if (error == BASE_OK)
        error = resolve_servers_new(ground, &recursion->direct);
    if (error != BASE_OK) {
        recursion_free(recursion);
        return error;
    }
    *out = (struct resolve_source){.transport = {ask, cancel, recursion}, .free = recursion_free};
    return BASE_OK;
}

bool resolve_recursion_built_in(void)
{
    return true;
}

#else

#include <stdio.h>

int resolve_recursion_new(const struct resolve_ground *ground, char why[RESOLVE_WHY],
                          struct resolve_source *out)
{
    snprintf(why, RESOLVE_WHY, "recursion is not built in (it needs libunbound)");
    return BASE_EUNSUPPORTED;
}

bool resolve_recursion_built_in(void)
{
    return false;
}

#endif
