/*
 * Connections that carry DNS messages (RFC 7766), as one state machine over any transport. It knows
 * no socket and asks no clock: events and `now_ms` come in, the next deadline goes out. All
 * connections of a worker live in one `net_connections`, which bounds what they hold together.
 *
 * `now_ms` is monotonic and never goes back.
 */
#ifndef NET_CONNECTION_H
#define NET_CONNECTION_H

#include "net/handler.h"
#include "net/stats.h"

#include <sys/types.h>

enum net_want { NET_WANT_READ = 1, NET_WANT_WRITE = 2 };

/* What read and write return when they moved no octets. */
enum net_io {
    NET_IO_END = 0,      /* read: the peer will send no more */
    NET_IO_BLOCKED = -1, /* wait for the usual direction */
    NET_IO_CROSSED = -2, /* wait for the other direction: TLS reads to write, and writes to read */
    NET_IO_FAILED = -3,  /* the connection is of no more use */
    NET_IO_REFUSED = -4, /* the TLS handshake failed */
};

struct net_transport {
    ssize_t (*read)(void *io, uint8_t *data, size_t length);
    ssize_t (*write)(void *io, const uint8_t *data, size_t length);
    /* Says what to wait for: a set of enum net_want, possibly empty. Only called on changes; at
     * first it is NET_WANT_READ. */
    void (*want)(void *io, unsigned wants);
    /* Ends the connection and frees `io`. */
    void (*close)(void *io);
    /* True when octets may be waiting that no event will tell of; may be NULL. */
    bool (*buffered)(void *io);
    /* The client's verified name, for net_client.identity; may be NULL. */
    const char *(*identity)(void *io);
    /* Is it TLS 1.3 or later? May be NULL. */
    bool (*tls13)(void *io);
};

struct net_limits {
    uint32_t connections; /* at the same time */
    uint32_t per_client;  /* of one prefix; 0: no limit */
    unsigned v4, v6;      /* bits of the prefix that is one client: 32, 56 */
    uint32_t idle_ms;     /* nothing asked */
    uint32_t query_ms;    /* from the first octet of a query, or from the connect, to its last */
    uint32_t write_ms;    /* NET_PROGRESS octets must be taken in this time, or all there are */
    uint32_t wait_ms;     /* a stream may say `later` for this long */
    size_t memory;        /* octets of buffers of all connections */
    uint32_t query_max;   /* octets of a query */
};

#define NET_LIMITS_DEFAULT                                                                         \
    {                                                                                              \
        .connections = 4096, .per_client = 128, .v4 = 32, .v6 = 56, .idle_ms = 10000,              \
        .query_ms = 5000, .write_ms = 10000, .wait_ms = 30000, .memory = 64 << 20,                 \
        .query_max = 65535                                                                         \
    }

#define NET_PROGRESS     (16 * 1024) /* octets */
#define NET_TURN_QUERIES 64          /* queries answered before others have their turn */
#define NET_TURN_PULLS   16          /* messages of streams before others have their turn */
#define NET_STREAMS_MAX  4           /* streams of one connection; then its queries wait */

struct net_connections;

/* `connections`, and everything in it. `worker` is given to handlers in net_client. BASE_ENOMEM. */
int net_connections_new(const struct net_limits *limits, const struct net_handler *handler,
                        void *worker_context, struct net_worker *worker, struct net_stats *stats,
                        const uint64_t secret[2], struct net_connections **out);
/* Closes all connections, then frees. NULL is allowed. */
void net_connections_free(struct net_connections *connections);

/* Takes over a new connection. When limits refuse it, `io` is closed and the result is NULL. */
struct net_connection *net_connection_open(struct net_connections *connections,
                                           enum net_protocol protocol,
                                           const struct net_transport *transport, void *io,
                                           const union net_address *peer,
                                           const union net_address *local, uint64_t now_ms);
/* The transport can be read or written, or both, or failed. The connection may be gone after. A
 * batch of the handler that this began goes on until net_connections_rest or _tick, so that the
 * events of one round share it. */
void net_connection_event(struct net_connection *connection, uint64_t now_ms);

/* Ends the batch, if there is one: before anything else uses the handler, or sleeps. */
void net_connections_rest(struct net_connections *connections);
/* Closes it at once. */
void net_connection_abort(struct net_connection *connection);

/* Closes whoever gives way first when there is no room: true when there was somebody. */
bool net_connections_evict(struct net_connections *connections);
/* True when somebody could go on at once: net_connections_tick does it. */
bool net_connections_ready(const struct net_connections *connections);
/* Goes on with whoever had more to do than one turn, and enforces time-outs. Returns milliseconds
 * until it must be called again, -1 for never; 0 when somebody is ready. */
int net_connections_tick(struct net_connections *connections, base_time now, uint64_t now_ms);
/* The wall clock that handlers see from now on. */
void net_connections_clock(struct net_connections *connections, base_time now);
/* Answers what was asked, ends streams, then closes: no connection reads another query. */
void net_connections_drain(struct net_connections *connections);
size_t net_connections_count(const struct net_connections *connections);
/* Octets of buffers held now. */
size_t net_connections_memory(const struct net_connections *connections);
/* A number that tells a connection from others that used the same place, and back; NULL when it is
 * gone. At least 2^32. For tables of events. */
uint64_t net_connection_id(const struct net_connection *connection);
struct net_connection *net_connection_by_id(struct net_connections *connections, uint64_t id);

#endif
