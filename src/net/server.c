/*
 * The server as a whole: which sockets are open, and the workers that have them.
 */
#include "net/server.h"

#include "base/error.h"
#include "net/listeners.h"
#include "net/socket.h"
#include "net/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

struct endpoint {
    union net_address asked;  /* as the caller named it */
    union net_address actual; /* with the port that it got */
    unsigned protocols;
    bool adopted;
    uint32_t number; /* what workers know it by */
};

struct net_server {
    struct net_options options; /* limits are those of one worker */
    struct net_rate_options rate;
    struct net_worker **workers;
    unsigned count;
    bool started;
    struct endpoint *endpoints;
    size_t endpoint_count;
    uint32_t next_number;
};

static uint32_t share(uint32_t limit, unsigned workers)
{
    return (uint32_t)(((uint64_t)limit + workers - 1) / workers);
}

static void divide_limits(struct net_limits *limits, unsigned workers)
{
    limits->connections = share(limits->connections, workers);
    limits->per_client = share(limits->per_client, workers);
    limits->memory /= workers;
}

static int make_workers(struct net_server *server, unsigned workers, const int *cpus)
{
    uint64_t secret[2];
    if (getrandom(secret, sizeof(secret), 0) != (ssize_t)sizeof(secret))
        return BASE_EIO;
    server->workers = calloc(workers, sizeof(struct net_worker *));
    if (server->workers == NULL)
        return BASE_ENOMEM;
    for (unsigned i = 0; i < workers; i++) {
        int error = net_worker_new(&server->options, i, workers, cpus ? cpus[i] : -1, secret,
                                   &server->workers[i]);
        if (error != BASE_OK)
            return error;
        server->count++;
    }
    return BASE_OK;
}

int net_server_new(const struct net_options *options, struct net_server **out)
{
    if (options->handler.respond == NULL || options->udp_answer_max < 512)
        return BASE_EINVAL;
    int cpus[NET_WORKERS_MAX];
    unsigned cpu_count;
    unsigned workers = net_listener_workers(options->workers, cpus, &cpu_count);
    struct net_server *server = calloc(1, sizeof(*server));
    if (server == NULL)
        return BASE_ENOMEM;
    server->options = *options;
    divide_limits(&server->options.limits, workers);
    if (options->rate != NULL) {
        server->rate = *options->rate;
        server->options.rate = &server->rate;
    }
    int error = make_workers(server, workers, options->pin && workers <= cpu_count ? cpus : NULL);
    if (error != BASE_OK) {
        net_server_free(server);
        return error;
    }
    *out = server;
    return BASE_OK;
}

void net_server_free(struct net_server *server)
{
    if (server == NULL)
        return;
    net_server_stop(server);
    for (unsigned i = 0; i < server->count; i++)
        net_worker_free(server->workers[i]);
    free(server->workers);
    free(server->endpoints);
    free(server);
}

/* ---- endpoints ---- */

/* The sockets of one endpoint, on their way to the workers. */
struct opened {
    struct net_listener *listeners; /* room for 3 per worker; NULL: none were opened */
    size_t count;
};

static bool is_ours(const void *context, const union net_address *address)
{
    const struct net_server *server = context;
    for (size_t i = 0; i < server->endpoint_count; i++)
        if (net_address_equal(&server->endpoints[i].actual, address))
            return true;
    return false;
}

static int open_endpoint(const struct net_server *server, const struct net_endpoint *wanted,
                         struct endpoint *endpoint, struct opened *opened)
{
    if (wanted->protocols & NET_LISTEN_TLS && server->options.tls == NULL)
        return BASE_EINVAL;
    opened->listeners = calloc((size_t)server->count * 3, sizeof(*opened->listeners));
    if (opened->listeners == NULL)
        return BASE_ENOMEM;
    struct net_opening opening = {.endpoint = wanted,
                                  .workers = server->count,
                                  .backlog = server->options.backlog,
                                  .ours = is_ours,
                                  .context = server};
    int error = net_listener_open(&opening, opened->listeners, &opened->count, &endpoint->actual);
    if (error != BASE_OK) {
        free(opened->listeners);
        opened->listeners = NULL;
    }
    return error;
}

static enum net_source_kind kind_of(unsigned protocol)
{
    return protocol == NET_LISTEN_UDP   ? NET_SOURCE_UDP
           : protocol == NET_LISTEN_TLS ? NET_SOURCE_TLS
                                        : NET_SOURCE_TCP;
}

/* Hands each worker its sockets. */
static void hand_over(struct net_server *server, const struct endpoint *endpoint,
                      struct opened *opened)
{
    for (size_t i = 0; i < opened->count; i++) {
        const struct net_listener *listener = &opened->listeners[i];
        struct net_source source = {.kind = kind_of(listener->protocol),
                                    .fd = listener->fd,
                                    .endpoint = endpoint->number,
                                    .address = endpoint->actual};
        net_worker_add(server->workers[listener->worker], &source);
    }
    free(opened->listeners);
    opened->listeners = NULL;
}

static int reserve(struct net_server *server, size_t messages)
{
    int error = BASE_OK;
    for (unsigned i = 0; i < server->count && error == BASE_OK; i++)
        error = net_worker_reserve(server->workers[i], messages);
    return error;
}

static const struct endpoint *find_endpoint(const struct net_server *server,
                                            const struct net_endpoint *wanted)
{
    for (size_t i = 0; i < server->endpoint_count; i++) {
        const struct endpoint *have = &server->endpoints[i];
        if (!have->adopted && have->protocols == wanted->protocols &&
            net_address_equal(&have->asked, &wanted->address))
            return have;
    }
    return NULL;
}

/* Opens what is new of `wanted` into `next`. */
static int open_new(struct net_server *server, const struct net_endpoint *wanted, size_t count,
                    struct endpoint *next, struct opened *opened, size_t *failed)
{
    for (size_t i = 0; i < count; i++) {
        const struct endpoint *have = find_endpoint(server, &wanted[i]);
        if (have != NULL) {
            next[i] = *have;
            continue;
        }
        next[i] = (struct endpoint){.asked = wanted[i].address,
                                    .protocols = wanted[i].protocols,
                                    .number = server->next_number + (uint32_t)i};
        int error = open_endpoint(server, &wanted[i], &next[i], &opened[i]);
        if (error != BASE_OK) {
            if (failed != NULL)
                *failed = i;
            return error;
        }
    }
    return BASE_OK;
}

static bool stays(const struct endpoint *have, const struct endpoint *next, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (next[i].number == have->number)
            return true;
    return have->adopted;
}

/* The step that changes the server: all sockets are open, all memory is there. */
static void replace(struct net_server *server, struct endpoint *next, size_t count,
                    struct opened *opened)
{
    size_t kept = count;
    for (size_t i = 0; i < count; i++)
        if (opened[i].listeners != NULL)
            hand_over(server, &next[i], &opened[i]);
    for (size_t i = 0; i < server->endpoint_count; i++) {
        const struct endpoint *have = &server->endpoints[i];
        if (have->adopted) {
            next[kept++] = *have;
        } else if (!stays(have, next, count)) {
            for (unsigned worker = 0; worker < server->count; worker++)
                net_worker_remove(server->workers[worker], have->number);
        }
    }
    free(server->endpoints);
    server->endpoints = next;
    server->endpoint_count = kept;
    server->next_number += (uint32_t)count;
}

int net_server_listen(struct net_server *server, const struct net_endpoint *endpoints, size_t count,
                      size_t *failed)
{
    struct endpoint *next = calloc(count + server->endpoint_count + 1, sizeof(*next));
    struct opened *opened = calloc(count + 1, sizeof(*opened));
    int error = next == NULL || opened == NULL ? BASE_ENOMEM : BASE_OK;
    if (error == BASE_OK)
        error = open_new(server, endpoints, count, next, opened, failed);
    if (error == BASE_OK)
        error = reserve(server, 3 * count + server->endpoint_count);
    if (error == BASE_OK) {
        replace(server, next, count, opened);
        next = NULL;
    } else if (opened != NULL) {
        for (size_t i = 0; i < count; i++) {
            net_listener_close(opened[i].listeners, opened[i].count);
            free(opened[i].listeners);
        }
    }
    int reason = errno;
    free(next);
    free(opened);
    errno = reason;
    return error;
}

/* A descriptor of the socket for each of `count` workers; the first is the one given. */
static int share_descriptor(int fd, unsigned count, int fds[NET_WORKERS_MAX])
{
    fds[0] = fd;
    for (unsigned i = 1; i < count; i++) {
        fds[i] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (fds[i] < 0) {
            while (--i > 0)
                close(fds[i]);
            return BASE_EIO;
        }
    }
    return BASE_OK;
}

static bool same_socket(const struct endpoint *endpoint, const union net_address *address,
                        unsigned protocol)
{
    return endpoint->adopted && endpoint->protocols == protocol &&
           net_address_equal(&endpoint->actual, address);
}

/* Finds or makes the endpoint that an adopted socket belongs to: the sockets of all workers on one
 * address are one. */
static int adopted_endpoint(struct net_server *server, const union net_address *address,
                            unsigned protocol, uint32_t *number)
{
    for (size_t i = 0; i < server->endpoint_count; i++)
        if (same_socket(&server->endpoints[i], address, protocol)) {
            *number = server->endpoints[i].number;
            return BASE_OK;
        }
    struct endpoint *more =
        realloc(server->endpoints, (server->endpoint_count + 1) * sizeof(*server->endpoints));
    if (more == NULL)
        return BASE_ENOMEM;
    server->endpoints = more;
    *number = server->next_number;
    more[server->endpoint_count] = (struct endpoint){.asked = *address,
                                                     .actual = *address,
                                                     .protocols = protocol,
                                                     .adopted = true,
                                                     .number = *number};
    return BASE_OK;
}

/* Gives an open socket to `count` workers from `first` on. */
static int adopt(struct net_server *server, int fd, unsigned first, unsigned count, bool tls)
{
    struct net_source source = {.shared = count > 1};
    bool tcp;
    if (tls && server->options.tls == NULL)
        return BASE_EINVAL;
    int error = net_socket_adopt(fd, &tcp, &source.address);
    if (error != BASE_OK)
        return error;
    unsigned protocol = !tcp ? NET_LISTEN_UDP : tls ? NET_LISTEN_TLS : NET_LISTEN_TCP;
    source.kind = kind_of(protocol);
    error = adopted_endpoint(server, &source.address, protocol, &source.endpoint);
    if (error == BASE_OK)
        error = reserve(server, 1);
    int fds[NET_WORKERS_MAX];
    if (error == BASE_OK)
        error = share_descriptor(fd, count, fds);
    if (error != BASE_OK)
        return error;
    for (unsigned i = 0; i < count; i++) {
        source.fd = fds[i];
        net_worker_add(server->workers[first + i], &source);
    }
    if (source.endpoint == server->next_number) { /* a new one, counted only now */
        server->endpoint_count++;
        server->next_number++;
    }
    return BASE_OK;
}

int net_server_adopt(struct net_server *server, int fd, bool tls)
{
    return adopt(server, fd, 0, server->count, tls);
}

int net_server_adopt_for(struct net_server *server, int fd, unsigned worker, bool tls)
{
    return adopt(server, fd, worker % server->count, 1, tls);
}

int net_server_address(const struct net_server *server, size_t index, union net_address *address)
{
    if (index >= server->endpoint_count)
        return BASE_ENOENT;
    *address = server->endpoints[index].actual;
    return BASE_OK;
}

/* ---- running ---- */

int net_server_start(struct net_server *server)
{
    if (server->started)
        return BASE_EINVAL;
    server->started = true;
    for (unsigned i = 0; i < server->count; i++) {
        int error = net_worker_start(server->workers[i]);
        if (error != BASE_OK) {
            net_server_stop(server);
            return error;
        }
    }
    return BASE_OK;
}

void net_server_stop(struct net_server *server)
{
    if (!server->started)
        return;
    for (unsigned i = 0; i < server->count; i++)
        net_worker_stop(server->workers[i]);
    for (unsigned i = 0; i < server->count; i++)
        net_worker_join(server->workers[i]);
}

unsigned net_server_workers(const struct net_server *server)
{
    return server->count;
}

void net_server_totals(const struct net_server *server, struct net_totals *totals)
{
    memset(totals, 0, sizeof(*totals));
    for (unsigned i = 0; i < server->count; i++)
        net_stats_sum(net_worker_stats(server->workers[i]), totals);
}
