/*
 * The contract between the sockets and whoever answers: who asked, what to do with the answer, and
 * answers of many messages. Everything here happens in a worker's thread; a handler's state is per
 * worker and needs no locks.
 */
#ifndef NET_HANDLER_H
#define NET_HANDLER_H

#include "base/clock.h"
#include "net/address.h"
#include "net/protocol.h"

struct net_worker;
struct net_connection;

/* Who asks. Valid during the call only. */
struct net_client {
    enum net_protocol protocol;
    const union net_address *peer;  /* whom the answer goes to */
    const union net_address *local; /* the address that was asked */
    base_time now;                  /* wall clock, read once per batch */
    uint32_t idle_ms;               /* how long this connection may be idle; 0 for UDP. RFC 7828 */
    struct net_worker *worker;      /* for net_client_keep; NULL in tests without one */
    unsigned socket;                /* which of the worker's sockets; for net_client_keep */
    const char *identity; /* TLS: a text for the client's verified certificate: its subject's DNS
                           * name; NULL when it showed none (RFC 9103 section 9.3.3) */
    bool tls13;           /* TLS: of version 1.3 or later */
};

/* The octets of a query. */
struct net_packet {
    const uint8_t *octets;
    size_t length;
};

/* What to do with a query. */
enum net_verdict {
    NET_ANSWER,   /* send what was written */
    NET_DROP,     /* send nothing */
    NET_TRUNCATE, /* UDP: send header and question of what was written, with TC set */
    NET_STREAM,   /* TCP, TLS: pull messages from answer->stream. As NET_DROP over UDP */
};

/* What kind an answer is, for rate limiting. */
enum net_kind {
    NET_KIND_EXEMPT, /* never limited: the client proved its address (RFC 7873), or is trusted */
    NET_KIND_ANSWER,
    NET_KIND_REFERRAL,
    NET_KIND_NODATA,
    NET_KIND_NXDOMAIN,
    NET_KIND_ERROR, /* any other rcode */
    NET_KINDS
};

/* An answer of several messages, or of one that is not ready yet. The handler embeds it in its own
 * object, which lives until `close`. Its messages are pulled over many batches, and over as long as
 * the client takes: what a transfer reads must not change or be held by a batch's transaction. */
struct net_stream {
    /* Writes the next message into `out` (64 KiB of room) and returns NET_STREAM_MORE, or
     * NET_STREAM_END when it is the last one. NET_STREAM_END with *length 0 ends without a message.
     * NET_STREAM_LATER: nothing yet; net_stream_wake will be called. A negative error closes the
     * connection, which tells the client that the transfer is broken. */
    int (*pull)(struct net_stream *stream, uint8_t *out, size_t capacity, size_t *length);
    /* Called once: `finished` is false when the connection went away before NET_STREAM_END. Frees
     * the object. Must not touch the connection. */
    void (*close)(struct net_stream *stream, bool finished);
    /* The connection's part; set by it. */
    struct net_connection *connection;
    bool waiting;
};

enum net_pull { NET_STREAM_MORE, NET_STREAM_END, NET_STREAM_LATER };

/* What the handler tells besides its return value. Zeroed before the call. */
struct net_answer {
    size_t length;             /* of what was written */
    struct net_stream *stream; /* for NET_STREAM; owned by the connection from then on */
    enum net_kind kind;        /* for rate limiting */
    /* What stands for the name in rate limiting: a hash of the zone for errors and names that do
     * not exist, of the name otherwise (a wildcard's for what it makes), so that random names under
     * one zone share a limit. */
    uint64_t hash;
    /* Where the OPT record stands in the answer, so that truncation keeps it; opt_length 0: none.
     */
    uint16_t opt, opt_length;
};

struct net_handler {
    /* Called in each worker's thread before and after all else; may be NULL. An error ends the
     * worker. `worker_context` is given to all other functions. */
    int (*worker_begin)(void *context, struct net_worker *worker, unsigned index,
                        void **worker_context);
    void (*worker_end)(void *worker_context);
    /* Around a batch of queries and pulls; may be NULL. Readers renew their transaction here. Never
     * one within the other, and none is open while the worker sleeps. */
    void (*batch_begin)(void *worker_context);
    void (*batch_end)(void *worker_context);
    /* Shows the queries over UDP that this batch will ask, in this order, before the first of them;
     * may be NULL. Each is one that `respond` takes, and stays where it is until then. */
    void (*look_ahead)(void *worker_context, const struct net_packet *packets, unsigned count);
    /* Answers one query of at least 12 octets, whose QR bit is clear, into `out`. Returns an enum
     * net_verdict; a negative error is as NET_DROP over UDP and closes a connection. `capacity` is
     * what the server is willing to send over this transport; over UDP the client may want less. */
    int (*respond)(void *worker_context, const struct net_client *client, const uint8_t *query,
                   size_t length, uint8_t *out, size_t capacity, struct net_answer *answer);
    void *context; /* for worker_begin; the worker context too when that is NULL */
};

/* Says that a stream which said NET_STREAM_LATER has a message now. Called in its worker's thread,
 * outside of `pull`. */
void net_stream_wake(struct net_stream *stream);

/* Where an answer over UDP goes that is sent later. */
struct net_route {
    union net_address peer, local;
    unsigned socket;
};
/* Remembers where to answer a query over UDP. */
void net_client_keep(const struct net_client *client, struct net_route *route);
/* Sends an answer over UDP now; it may get lost as any packet. In the worker's thread. */
void net_worker_send(struct net_worker *worker, const struct net_route *route,
                     const uint8_t *message, size_t length);
/* Calls `readable(worker_context, fd)` whenever `fd` can be read, in the worker's thread: how a
 * handler hears from other processes. The descriptor stays the caller's. BASE_ELIMIT, BASE_EIO. */
int net_worker_watch(struct net_worker *worker, int fd, void (*readable)(void *context, int fd));
void net_worker_unwatch(struct net_worker *worker, int fd);

#endif
