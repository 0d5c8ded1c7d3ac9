/*
 * A worker: one thread with its own sockets, event loop, connections, limits and counters. Inner
 * part of net/server.
 */
#ifndef NET_WORKER_H
#define NET_WORKER_H

#include "net/server.h"

enum net_source_kind { NET_SOURCE_UDP, NET_SOURCE_TCP, NET_SOURCE_TLS };

/* A socket for a worker. The worker closes `fd`. */
struct net_source {
    enum net_source_kind kind;
    int fd;
    bool shared;       /* other workers wait on the same socket */
    uint32_t endpoint; /* by which it is taken away again */
    union net_address address;
};

struct net_worker;

/* Makes a worker; it does not run yet. `options` must outlive it, and holds the limits of one
 * worker. BASE_ENOMEM, BASE_EIO. */
int net_worker_new(const struct net_options *options, unsigned index, unsigned workers, int cpu,
                   const uint64_t secret[2], struct net_worker **out);
/* Frees what net_worker_run left, closing sockets it never took. */
void net_worker_free(struct net_worker *worker);
/* Starts the thread and waits until its handler's worker_begin has succeeded. Its error, BASE_EIO,
 * BASE_ENOMEM. */
int net_worker_start(struct net_worker *worker);

/* Messages to a worker, from the main thread. They cannot fail when there is memory reserved for as
 * many: BASE_ENOMEM. */
int net_worker_reserve(struct net_worker *worker, size_t messages);
void net_worker_add(struct net_worker *worker, const struct net_source *source);
void net_worker_remove(struct net_worker *worker, uint32_t endpoint);
/* Asks it to end gracefully, then to be joined. */
void net_worker_stop(struct net_worker *worker);
void net_worker_join(struct net_worker *worker);
const struct net_stats *net_worker_stats(const struct net_worker *worker);

#endif
