/*
 * Listening sockets, opened by a process that may and handed to one that serves: a socket per
 * worker and protocol, so that workers share none. The set stays open where it was made, so a
 * server that dies and comes back loses no port, and packets that come meanwhile wait for it.
 */
#ifndef NET_LISTENERS_H
#define NET_LISTENERS_H

#include "net/server.h"

#define NET_WORKERS_ALL UINT16_MAX /* a socket that all workers share */

struct net_listener {
    int fd;
    uint32_t endpoint; /* index of the endpoint; adopted ones come after those */
    uint16_t worker;   /* whose it is: net_server_adopt_for; NET_WORKERS_ALL: net_server_adopt */
    uint16_t protocol; /* a bit of enum net_listen */
};

struct net_listeners;

/* A set without sockets. `workers`: of the server; 0: one per CPU that this process may use, as
 * net_options.workers; see net_listeners_workers. BASE_ENOMEM. */
int net_listeners_new(unsigned workers, int backlog, struct net_listeners **out);
/* Closes all. NULL allowed. */
void net_listeners_free(struct net_listeners *listeners);
unsigned net_listeners_workers(const struct net_listeners *listeners);

/* Makes the set hold exactly these endpoints, and those that were adopted: opens what is new,
 * closes what is not named any more, keeps the others, whose index may change. Errors as
 * net_server_listen, after which nothing has changed; TLS is not asked for here. */
int net_listeners_open(struct net_listeners *listeners, const struct net_endpoint *endpoints,
                       size_t count, size_t *failed);
/* Takes over an open socket, as net_server_adopt. */
int net_listeners_adopt(struct net_listeners *listeners, int fd, bool tls);
/* The sockets, which stay the set's; valid until it changes. */
const struct net_listener *net_listeners_all(const struct net_listeners *listeners, size_t *count);
/* The address of an endpoint, with the port that the system chose. BASE_ENOENT. */
int net_listeners_address(const struct net_listeners *listeners, size_t endpoint,
                          union net_address *address);

/* --- inner part, shared with net/server --- */

struct net_opening {
    const struct net_endpoint *endpoint;
    unsigned workers;
    int backlog;
    /* Is this address, with its port, one that the caller has open? Then it may be shared. */
    bool (*ours)(const void *context, const union net_address *address);
    const void *context;
};
/* Opens the sockets of an endpoint, for each protocol one per worker, in the order of workers.
 * `out` has room for 3 per worker. `actual` gets the port. Errors as net_server_listen. */
int net_listener_open(const struct net_opening *opening, struct net_listener *out, size_t *count,
                      union net_address *actual);
void net_listener_close(struct net_listener *listeners, size_t count); /* keeps errno */
/* The workers that are meant: never 0, at most 256; the CPUs of this process, if wanted, of which
 * *cpu_count get known. */
#define NET_WORKERS_MAX 256
unsigned net_listener_workers(unsigned wanted, int cpus[NET_WORKERS_MAX], unsigned *cpu_count);

#endif
