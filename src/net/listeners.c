/*
 * Opening listening sockets for all workers, and keeping them.
 */
#include "net/listeners.h"

#include "base/error.h"
#include "net/socket.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PORT_TRIES 16 /* ports the system chose for UDP that were not free for TCP */

/* ---- opening one endpoint ---- */

unsigned net_listener_workers(unsigned wanted, int cpus[NET_WORKERS_MAX], unsigned *cpu_count)
{
    cpu_set_t set;
    unsigned count = 0;
    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        for (unsigned cpu = 0; cpu < CPU_SETSIZE && count < NET_WORKERS_MAX; cpu++)
            if (CPU_ISSET(cpu, &set))
                cpus[count++] = (int)cpu;
    *cpu_count = count;
    unsigned workers = wanted == 0 ? count : wanted;
    return workers == 0 ? 1 : workers > NET_WORKERS_MAX ? NET_WORKERS_MAX : workers;
}

void net_listener_close(struct net_listener *listeners, size_t count)
{
    int reason = errno;
    for (size_t i = 0; i < count; i++)
        close(listeners[i].fd);
    errno = reason;
}

static int open_one(const union net_address *address, enum net_listen protocol, int backlog,
                    bool share_port, int *fd)
{
    return protocol == NET_LISTEN_UDP ? net_socket_udp(address, share_port, fd)
                                      : net_socket_tcp(address, backlog, share_port, fd);
}

/* Sees whether somebody else has the port, by opening it without sharing: two servers that share a
 * port by accident would each get half of the queries. Learns the port when the system chooses. */
static int probe_port(const struct net_opening *opening, enum net_listen protocol,
                      union net_address *actual)
{
    if (opening->ours(opening->context, actual))
        return BASE_OK;
    int fd;
    int error = open_one(actual, protocol, opening->backlog, false, &fd);
    if (error != BASE_OK)
        return error;
    socklen_t length = sizeof(*actual);
    if (getsockname(fd, &actual->any, &length) != 0)
        error = BASE_EIO;
    close(fd);
    return error;
}

/* Opens a socket per worker. */
static int open_protocol(const struct net_opening *opening, enum net_listen protocol,
                         union net_address *actual, struct net_listener *out, size_t *count)
{
    int error = probe_port(opening, protocol, actual);
    for (unsigned i = 0; error == BASE_OK && i < opening->workers; i++) {
        struct net_listener listener = {.worker = (uint16_t)i, .protocol = (uint16_t)protocol};
        error = open_one(actual, protocol, opening->backlog, true, &listener.fd);
        if (error == BASE_OK)
            out[(*count)++] = listener;
    }
    return error;
}

static int open_protocols(const struct net_opening *opening, union net_address *actual,
                          struct net_listener *out, size_t *count)
{
    static const enum net_listen protocols[] = {NET_LISTEN_UDP, NET_LISTEN_TCP, NET_LISTEN_TLS};
    int error = BASE_OK;
    *actual = opening->endpoint->address;
    *count = 0;
    for (size_t i = 0; error == BASE_OK && i < sizeof(protocols) / sizeof(protocols[0]); i++)
        if (opening->endpoint->protocols & protocols[i])
            error = open_protocol(opening, protocols[i], actual, out, count);
    if (error != BASE_OK)
        net_listener_close(out, *count);
    return error;
}

int net_listener_open(const struct net_opening *opening, struct net_listener *out, size_t *count,
                      union net_address *actual)
{
    const struct net_endpoint *endpoint = opening->endpoint;
    if (endpoint->protocols == 0 ||
        (endpoint->protocols & NET_LISTEN_TLS && endpoint->protocols & NET_LISTEN_TCP))
        return BASE_EINVAL;
    union net_address address;
    size_t opened = 0;
    int error = BASE_EIO;
    for (unsigned i = 0; i < PORT_TRIES && error != BASE_OK; i++) {
        error = open_protocols(opening, &address, out, &opened);
        if (error != BASE_OK && (net_address_port(&endpoint->address) != 0 || errno != EADDRINUSE))
            break;
    }
    if (error == BASE_OK) {
        *count = opened;
        *actual = address;
    }
    return error;
}

/* ---- the set ---- */

struct held {
    struct net_endpoint endpoint; /* as the caller named it */
    union net_address actual;
    bool adopted;
    struct net_listener *listeners;
    size_t count;
};

struct net_listeners {
    unsigned workers;
    int backlog;
    struct held *held;
    size_t held_count;
    struct net_listener *all; /* of all of them, one after the other */
    size_t all_count;
};

int net_listeners_new(unsigned workers, int backlog, struct net_listeners **out)
{
    int cpus[NET_WORKERS_MAX];
    unsigned cpu_count;
    struct net_listeners *listeners = calloc(1, sizeof(*listeners));
    if (listeners == NULL)
        return BASE_ENOMEM;
    listeners->workers = net_listener_workers(workers, cpus, &cpu_count);
    listeners->backlog = backlog;
    *out = listeners;
    return BASE_OK;
}

static void drop_held(struct held *held)
{
    net_listener_close(held->listeners, held->count);
    free(held->listeners);
}

void net_listeners_free(struct net_listeners *listeners)
{
    if (listeners == NULL)
        return;
    for (size_t i = 0; i < listeners->held_count; i++)
        drop_held(&listeners->held[i]);
    free(listeners->held);
    free(listeners->all);
    free(listeners);
}

unsigned net_listeners_workers(const struct net_listeners *listeners)
{
    return listeners->workers;
}

static bool is_ours(const void *context, const union net_address *address)
{
    const struct net_listeners *listeners = context;
    for (size_t i = 0; i < listeners->held_count; i++)
        if (net_address_equal(&listeners->held[i].actual, address))
            return true;
    return false;
}

static const struct held *find_held(const struct net_listeners *listeners,
                                    const struct net_endpoint *wanted)
{
    for (size_t i = 0; i < listeners->held_count; i++) {
        const struct held *held = &listeners->held[i];
        if (!held->adopted && held->endpoint.protocols == wanted->protocols &&
            net_address_equal(&held->endpoint.address, &wanted->address))
            return held;
    }
    return NULL;
}

static int open_held(const struct net_listeners *listeners, const struct net_endpoint *endpoint,
                     struct held *held)
{
    held->endpoint = *endpoint;
    held->listeners = calloc((size_t)listeners->workers * 3, sizeof(*held->listeners));
    if (held->listeners == NULL)
        return BASE_ENOMEM;
    struct net_opening opening = {.endpoint = endpoint,
                                  .workers = listeners->workers,
                                  .backlog = listeners->backlog,
                                  .ours = is_ours,
                                  .context = listeners};
    int error = net_listener_open(&opening, held->listeners, &held->count, &held->actual);
    if (error != BASE_OK) {
        free(held->listeners);
        held->listeners = NULL;
    }
    return error;
}

static bool holds(const struct held *held, size_t count, const struct net_listener *listeners)
{
    for (size_t i = 0; i < count; i++)
        if (held[i].listeners == listeners)
            return true;
    return false;
}

/* All sockets in one array, numbered by their place among `held`. */
static struct net_listener *gather(const struct held *held, size_t held_count, size_t *count)
{
    size_t total = 0, at = 0;
    for (size_t i = 0; i < held_count; i++)
        total += held[i].count;
    struct net_listener *all = calloc(total + 1, sizeof(*all));
    for (size_t i = 0; all != NULL && i < held_count; i++)
        for (size_t k = 0; k < held[i].count; k++) {
            all[at] = held[i].listeners[k];
            all[at++].endpoint = (uint32_t)i;
        }
    *count = total;
    return all;
}

/* Takes `next` in the place of what is held. After an error nothing has changed. */
static int replace(struct net_listeners *listeners, struct held *next, size_t count)
{
    size_t all_count;
    struct net_listener *all = gather(next, count, &all_count);
    if (all == NULL)
        return BASE_ENOMEM;
    for (size_t i = 0; i < listeners->held_count; i++)
        if (!holds(next, count, listeners->held[i].listeners))
            drop_held(&listeners->held[i]);
    free(listeners->held);
    free(listeners->all);
    listeners->held = next;
    listeners->held_count = count;
    listeners->all = all;
    listeners->all_count = all_count;
    return BASE_OK;
}

/* Closes what `next` has and the set has not. */
static void undo(const struct net_listeners *listeners, struct held *next, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (next[i].listeners != NULL &&
            !holds(listeners->held, listeners->held_count, next[i].listeners))
            drop_held(&next[i]);
    int reason = errno;
    free(next);
    errno = reason;
}

int net_listeners_open(struct net_listeners *listeners, const struct net_endpoint *endpoints,
                       size_t count, size_t *failed)
{
    struct held *next = calloc(count + listeners->held_count + 1, sizeof(*next));
    if (next == NULL)
        return BASE_ENOMEM;
    int error = BASE_OK;
    size_t made = 0;
    for (; error == BASE_OK && made < count; made++) {
        const struct held *have = find_held(listeners, &endpoints[made]);
        if (have != NULL && !holds(next, made, have->listeners))
            next[made] = *have;
        else
            error = open_held(listeners, &endpoints[made], &next[made]);
        if (error != BASE_OK && failed != NULL)
            *failed = made;
    }
    for (size_t i = 0; error == BASE_OK && i < listeners->held_count; i++)
        if (listeners->held[i].adopted)
            next[made++] = listeners->held[i];
    if (error == BASE_OK)
        error = replace(listeners, next, made);
    if (error != BASE_OK)
        undo(listeners, next, made);
    return error;
}

int net_listeners_adopt(struct net_listeners *listeners, int fd, bool tls)
{
    struct held adopted = {.adopted = true, .count = 1};
    bool tcp;
    int error = net_socket_adopt(fd, &tcp, &adopted.actual);
    if (error != BASE_OK)
        return error;
    if (tls && !tcp)
        return BASE_EINVAL;
    adopted.endpoint.address = adopted.actual;
    adopted.endpoint.protocols = !tcp ? NET_LISTEN_UDP : tls ? NET_LISTEN_TLS : NET_LISTEN_TCP;
    size_t count = listeners->held_count;
    struct held *next = calloc(count + 1, sizeof(*next));
    adopted.listeners = calloc(1, sizeof(*adopted.listeners));
    error = next == NULL || adopted.listeners == NULL ? BASE_ENOMEM : BASE_OK;
    if (error == BASE_OK) {
        *adopted.listeners = (struct net_listener){
            .fd = fd, .worker = NET_WORKERS_ALL, .protocol = (uint16_t)adopted.endpoint.protocols};
        if (count > 0)
            memcpy(next, listeners->held, count * sizeof(*next));
        next[count] = adopted;
        error = replace(listeners, next, count + 1);
    }
    if (error != BASE_OK) {
        free(next);
        free(adopted.listeners);
    }
    return error;
}

const struct net_listener *net_listeners_all(const struct net_listeners *listeners, size_t *count)
{
    *count = listeners->all_count;
    return listeners->all;
}

int net_listeners_address(const struct net_listeners *listeners, size_t endpoint,
                          union net_address *address)
{
    if (endpoint >= listeners->held_count)
        return BASE_ENOENT;
    *address = listeners->held[endpoint].actual;
    return BASE_OK;
}
