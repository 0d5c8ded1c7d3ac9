/*
 * The server side of DNS over UDP, TCP (RFC 7766) and TLS (RFC 7858): opens sockets, runs workers,
 * and hands queries to a handler (net/handler.h). docs/design/net.md tells how.
 *
 * Order of calls: new, then listen and adopt (as root), privileges dropped, start; listen again to
 * change addresses, stop, free. All from one thread.
 */
#ifndef NET_SERVER_H
#define NET_SERVER_H

#include "net/connection.h"
#include "net/handler.h"
#include "net/rate.h"
#include "net/stats.h"

struct net_tls;

struct net_options {
    struct net_handler handler;
    unsigned workers;                    /* 0: one per CPU that this process may use */
    bool pin;                            /* each worker stays on one CPU, when there are enough */
    struct net_limits limits;            /* of the whole server; divided among the workers */
    const struct net_rate_options *rate; /* NULL: no rate limiting. Copied */
    uint16_t udp_answer_max;             /* octets; 1232 fits every path without fragments */
    int backlog;                         /* connections that wait to be accepted, per socket */
    uint32_t drain_ms;                   /* how long a stop waits for answers to be taken */
    struct net_tls *tls;                 /* for NET_LISTEN_TLS; NULL without. Stays the caller's */
};

#define NET_OPTIONS_DEFAULT                                                                        \
    {                                                                                              \
        .pin = true, .limits = NET_LIMITS_DEFAULT, .udp_answer_max = 1232, .backlog = 1024,        \
        .drain_ms = 3000                                                                           \
    }

enum net_listen { NET_LISTEN_UDP = 1, NET_LISTEN_TCP = 2, NET_LISTEN_TLS = 4 };

struct net_endpoint {
    union net_address address; /* port 0: the system chooses one, the same for UDP and TCP */
    unsigned protocols;        /* set of enum net_listen */
};

struct net_server;

/* BASE_ENOMEM, BASE_EIO, BASE_EINVAL. */
int net_server_new(const struct net_options *options, struct net_server **out);
/* Stops it if need be. NULL is allowed. */
void net_server_free(struct net_server *server);

/* Makes the server listen on exactly these endpoints, and those that were adopted: opens what is
 * new, closes what is not named any more, leaves the rest alone. After an error nothing has
 * changed, and *failed (may be NULL) is the index of the endpoint that could not be opened.
 * BASE_EIO (errno: EADDRINUSE also when another server shares its port), BASE_EPERM, BASE_ENOMEM,
 * BASE_EINVAL (TLS without options.tls). */
int net_server_listen(struct net_server *server, const struct net_endpoint *endpoints, size_t count,
                      size_t *failed);
/* Takes over an open UDP or listening socket (systemd's socket activation); all workers share it.
 * `tls`: connections on it are TLS. After an error it stays the caller's: BASE_EINVAL (it is
 * neither), BASE_EIO, BASE_ENOMEM. */
int net_server_adopt(struct net_server *server, int fd, bool tls);
/* The same for one worker only: its socket of those that share an address by SO_REUSEPORT
 * (net/listeners.h). All of an address must be adopted, since the system spreads clients over them;
 * a server with fewer workers than sockets gives some workers several. */
int net_server_adopt_for(struct net_server *server, int fd, unsigned worker, bool tls);
/* The address of the index-th endpoint, with the port that the system chose: first those that
 * listen named, in its order, then those that were adopted; the sockets of all workers on one
 * address and protocol count as one. BASE_ENOENT. */
int net_server_address(const struct net_server *server, size_t index, union net_address *address);

/* Starts the workers and returns when all are ready. After an error none runs. */
int net_server_start(struct net_server *server);
/* Answers what was asked, closes all connections within options.drain_ms, ends the workers. */
void net_server_stop(struct net_server *server);

unsigned net_server_workers(const struct net_server *server);
/* Adds up what the workers have counted. Any thread, while the server lives. */
void net_server_totals(const struct net_server *server, struct net_totals *totals);

#endif
