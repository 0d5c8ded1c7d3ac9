/*
 * What connections of one worker share: places, lists, buffers. Inner part of net/connection.
 */
#ifndef NET_CONNECTION_TABLE_H
#define NET_CONNECTION_TABLE_H

#include "net/connection.h"

#define MESSAGE_MAX 65535             /* octets of a message, by its framing */
#define FRAME_MAX   (2 + MESSAGE_MAX) /* with its length */
#define IN_SIZE     (64 * 1024)
#define OUT_SIZE    (FRAME_MAX + 64 * 1024)

/* Octets that are left for the next turn. */
struct left {
    uint8_t *data; /* owned; NULL when empty */
    uint32_t start, length, capacity;
};

/* Time-outs: a list each, in order of deadlines because each has one duration. */
enum wait_class { WAIT_IDLE, WAIT_QUERY, WAIT_WRITE, WAIT_STREAM, WAIT_CLASSES, WAIT_NONE };

struct net_connection {
    struct net_connections *all; /* NULL: the place is free */
    const struct net_transport *transport;
    void *io;
    struct left in, out;
    uint64_t written; /* octets, since the beginning */
    uint64_t window;  /* `written` when the time-out began */
    uint64_t deadline;
    struct net_stream *streams[NET_STREAMS_MAX];
    struct net_connection *wait_next, *wait_prev;
    struct net_connection *ready_next, **ready_link;   /* ready_link NULL: not in the list */
    struct net_connection *client_next, **client_link; /* others with the same hash of the prefix */
    struct net_prefix prefix;
    union net_address peer, local;
    uint32_t generation; /* how often the place was used */
    enum net_protocol protocol;
    enum wait_class wait;
    unsigned wants;
    uint8_t stream_count, stream_turn;
    bool asked;        /* a whole query came */
    bool fresh;        /* one came in this turn */
    bool partial;      /* half a query is kept */
    bool more;         /* it could go on at once */
    bool ending;       /* closes when all is answered */
    bool over;         /* closes now */
    bool refuse_input; /* reads no more */
    bool crossed_read, crossed_write;
};

struct wait_list {
    struct net_connection *first, *last;
};

struct net_connections {
    struct net_limits limits;
    const struct net_handler *handler;
    void *worker_context;
    struct net_worker *worker;
    struct net_stats *stats;
    base_time now;
    struct net_connection *slots; /* limits.connections places */
    struct net_connection *spare; /* free places, linked by wait_next */
    struct wait_list waiting[WAIT_CLASSES];
    struct net_connection *ready;    /* will have a turn */
    struct net_connection *running;  /* have their turn now */
    struct net_connection **clients; /* by hash of the prefix */
    uint64_t client_mask;
    uint64_t secret[2];
    size_t count;
    size_t memory; /* octets of `left` buffers */
    bool draining;
    bool batch; /* batch_begin was called */
    size_t out_length;
    uint8_t *in;  /* IN_SIZE */
    uint8_t *out; /* OUT_SIZE */
};

/* Replaces what is left; false when memory is spent. */
bool left_keep(struct net_connections *all, struct left *left, const uint8_t *data, size_t length);
/* Takes octets off the front; frees the memory with the last one. */
void left_consume(struct net_connections *all, struct left *left, size_t length);
/* Makes room to read more of a frame of `frame` octets: grows with what has come, so that an
 * announced length costs nothing. */
bool left_room(struct net_connections *all, struct left *left, size_t frame);

/* Puts a connection at the end of a list of time-outs; it is in one at most. */
void wait_enter(struct net_connection *connection, enum wait_class class, uint64_t now_ms);
void ready_enter(struct net_connection *connection);
void ready_leave(struct net_connection *connection);
/* Connections of a prefix. */
uint32_t client_count(const struct net_connections *all, struct net_prefix prefix);
/* A zeroed place out of `spare`, which is not empty, filed under its prefix. */
struct net_connection *slot_take(struct net_connections *all, struct net_prefix prefix);
/* Cancels streams, closes the transport, frees buffers and the place. */
void connection_close(struct net_connection *connection);

/* Brackets calls of the handler. */
void batch_open(struct net_connections *all);
void batch_shut(struct net_connections *all);

#endif
