/*
 * The server as a whole: which sockets are open, and the workers that have them.
 */
#include "net/server.h"

#include "base/error.h"
#include "net/socket.h"
#include "net/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define WORKERS_MAX 256
#define PORT_TRIES  16 /* ports the system chose for UDP that were not free for TCP */

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

/* The CPUs that this process may use. */
static unsigned find_cpus(int cpus[WORKERS_MAX])
{
    cpu_set_t set;
    unsigned count = 0;
    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return 0;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE && count < WORKERS_MAX; cpu++)
        if (CPU_ISSET(cpu, &set))
            cpus[count++] = (int)cpu;
    return count;
}

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
    int cpus[WORKERS_MAX];
    unsigned cpu_count = find_cpus(cpus);
    unsigned workers = options->workers == 0 ? cpu_count : options->workers;
    workers = workers == 0 ? 1 : workers > WORKERS_MAX ? WORKERS_MAX : workers;
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
    struct net_source *sources; /* room for 3 per worker */
    size_t count;
};

static void close_opened(struct opened *opened)
{
    int reason = errno;
    for (size_t i = 0; i < opened->count; i++)
        close(opened->sources[i].fd);
    opened->count = 0;
    errno = reason;
}

static int open_one(const union net_address *address, enum net_source_kind kind, int backlog,
                    bool share_port, int *fd)
{
    return kind == NET_SOURCE_UDP ? net_socket_udp(address, share_port, fd)
                                  : net_socket_tcp(address, backlog, share_port, fd);
}

/* Sees whether somebody else has the port, by opening it without sharing: two servers that share a
 * port by accident would each get half of the queries. Learns the port when the system chooses. */
static int probe_port(const struct net_server *server, struct endpoint *endpoint,
                      enum net_source_kind kind)
{
    for (size_t i = 0; i < server->endpoint_count; i++)
        if (net_address_equal(&server->endpoints[i].actual, &endpoint->actual))
            return BASE_OK; /* it is ours */
    int fd;
    int error = open_one(&endpoint->actual, kind, server->options.backlog, false, &fd);
    if (error != BASE_OK)
        return error;
    socklen_t length = sizeof(endpoint->actual);
    if (getsockname(fd, &endpoint->actual.any, &length) != 0)
        error = BASE_EIO;
    close(fd);
    return error;
}

/* Opens a socket per worker. */
static int open_kind(const struct net_server *server, struct endpoint *endpoint,
                     enum net_source_kind kind, struct opened *opened)
{
    int error = probe_port(server, endpoint, kind);
    for (unsigned i = 0; error == BASE_OK && i < server->count; i++) {
        struct net_source source = {
            .kind = kind, .endpoint = endpoint->number, .address = endpoint->actual};
        error = open_one(&endpoint->actual, kind, server->options.backlog, true, &source.fd);
        if (error == BASE_OK)
            opened->sources[opened->count++] = source;
    }
    return error;
}

static int open_protocols(const struct net_server *server, struct endpoint *endpoint,
                          struct opened *opened)
{
    int error = BASE_OK;
    endpoint->actual = endpoint->asked;
    if (endpoint->protocols & NET_LISTEN_UDP)
        error = open_kind(server, endpoint, NET_SOURCE_UDP, opened);
    if (error == BASE_OK && (endpoint->protocols & NET_LISTEN_TCP))
        error = open_kind(server, endpoint, NET_SOURCE_TCP, opened);
    if (error == BASE_OK && (endpoint->protocols & NET_LISTEN_TLS))
        error = open_kind(server, endpoint, NET_SOURCE_TLS, opened);
    if (error != BASE_OK)
        close_opened(opened);
    return error;
}

static int open_endpoint(const struct net_server *server, struct endpoint *endpoint,
                         struct opened *opened)
{
    if (endpoint->protocols == 0 ||
        (endpoint->protocols & NET_LISTEN_TLS && server->options.tls == NULL) ||
        (endpoint->protocols & NET_LISTEN_TLS && endpoint->protocols & NET_LISTEN_TCP))
        return BASE_EINVAL;
    opened->count = 0;
    opened->sources = calloc((size_t)server->count * 3, sizeof(*opened->sources));
    if (opened->sources == NULL)
        return BASE_ENOMEM;
    int error = BASE_EIO;
    for (unsigned i = 0; i < PORT_TRIES && error != BASE_OK; i++) {
        error = open_protocols(server, endpoint, opened);
        if (net_address_port(&endpoint->asked) != 0 || errno != EADDRINUSE)
            break;
    }
    if (error != BASE_OK) {
        free(opened->sources);
        opened->sources = NULL;
    }
    return error;
}

/* Hands sockets to the workers, round and round. */
static void hand_over(struct net_server *server, struct opened *opened)
{
    for (size_t i = 0; i < opened->count; i++)
        net_worker_add(server->workers[i % server->count], &opened->sources[i]);
    free(opened->sources);
    opened->sources = NULL;
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
        int error = open_endpoint(server, &next[i], &opened[i]);
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
        if (opened[i].sources != NULL)
            hand_over(server, &opened[i]);
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
            close_opened(&opened[i]);
            free(opened[i].sources);
        }
    }
    int reason = errno;
    free(next);
    free(opened);
    errno = reason;
    return error;
}

/* A descriptor of the socket for each worker; the first is the one given. */
static int share_descriptor(const struct net_server *server, int fd, int fds[WORKERS_MAX])
{
    fds[0] = fd;
    for (unsigned i = 1; i < server->count; i++) {
        fds[i] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (fds[i] < 0) {
            while (--i > 0)
                close(fds[i]);
            return BASE_EIO;
        }
    }
    return BASE_OK;
}

int net_server_adopt(struct net_server *server, int fd, bool tls)
{
    struct net_source source = {.shared = server->count > 1, .endpoint = server->next_number};
    bool tcp;
    if (tls && server->options.tls == NULL)
        return BASE_EINVAL;
    int error = net_socket_adopt(fd, &tcp, &source.address);
    if (error != BASE_OK)
        return error;
    source.kind = !tcp ? NET_SOURCE_UDP : tls ? NET_SOURCE_TLS : NET_SOURCE_TCP;
    struct endpoint *more =
        realloc(server->endpoints, (server->endpoint_count + 1) * sizeof(*server->endpoints));
    if (more == NULL)
        return BASE_ENOMEM;
    server->endpoints = more;
    error = reserve(server, 1);
    int fds[WORKERS_MAX];
    if (error == BASE_OK)
        error = share_descriptor(server, fd, fds);
    if (error != BASE_OK)
        return error;
    for (unsigned i = 0; i < server->count; i++) {
        source.fd = fds[i];
        net_worker_add(server->workers[i], &source);
    }
    server->endpoints[server->endpoint_count++] = (struct endpoint){
        .asked = source.address,
        .actual = source.address,
        .protocols = !tcp  ? NET_LISTEN_UDP
                     : tls ? NET_LISTEN_TLS
                           : NET_LISTEN_TCP,
        .adopted = true,
        .number = server->next_number++,
    };
    return BASE_OK;
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
