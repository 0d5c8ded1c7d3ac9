/*
 * The state machine of connections. Queries are taken from the worker's input buffer, answers are
 * made in its output buffer; a connection keeps only what is left of either.
 *
 * A turn (run) is: write what is left over; answer queries and pull from streams until the peer
 * does not take more, there is nothing to do, or the turn is used up; then settle, which sets the
 * time-out and what to wait for, or closes.
 */
#include "net/connection.h"

#include "base/error.h"
#include "base/reader.h"
#include "net/connection_table.h"

#include <stdlib.h>
#include <string.h>

/* ---- output ---- */

/* Writes until nothing is left or the transport takes no more. Returns the octets taken, or a
 * negative enum net_io. */
static ssize_t write_out(struct net_connection *connection, const uint8_t *data, size_t length)
{
    size_t done = 0;
    connection->crossed_write = false;
    while (done < length) {
        ssize_t count = connection->transport->write(connection->io, data + done, length - done);
        if (count == NET_IO_FAILED || count == NET_IO_REFUSED || count == NET_IO_END)
            return count == NET_IO_END ? NET_IO_FAILED : count;
        if (count < 0) {
            connection->crossed_write = count == NET_IO_CROSSED;
            break;
        }
        done += (size_t)count;
    }
    connection->written += done;
    net_count(connection->all->stats, NET_TCP_BYTES_OUT, done);
    return (ssize_t)done;
}

/* Sends what an earlier turn left. True when nothing is left now. */
static bool flush_left(struct net_connection *connection)
{
    struct left *out = &connection->out;
    if (out->length == 0)
        return true;
    ssize_t count = write_out(connection, out->data + out->start, out->length);
    if (count < 0) {
        connection->over = true;
        return false;
    }
    left_consume(connection->all, out, (size_t)count);
    return out->length == 0;
}

/* Sends the output buffer and keeps what the peer did not take. True when it took all. */
static bool flush_stage(struct net_connection *connection)
{
    struct net_connections *all = connection->all;
    size_t length = all->out_length;
    all->out_length = 0;
    if (length == 0)
        return true;
    ssize_t count = write_out(connection, all->out, length);
    if (count < 0) {
        connection->over = true;
        return false;
    }
    if ((size_t)count == length)
        return true;
    if (!left_keep(all, &connection->out, all->out + count, length - (size_t)count)) {
        net_count(all->stats, NET_TCP_NO_MEMORY, 1);
        connection->over = true;
    }
    return false;
}

/* True when there is room for another message; sends what there is to make it. */
static bool make_room(struct net_connection *connection)
{
    if (connection->out.length > 0)
        return false;
    if (OUT_SIZE - connection->all->out_length >= FRAME_MAX)
        return true;
    return flush_stage(connection);
}

/* Ends a message of `length` octets that was written behind the place of its frame. */
static void commit(struct net_connections *all, size_t length)
{
    base_store_u16(all->out + all->out_length, (uint16_t)length);
    all->out_length += 2 + length;
    net_count(all->stats, NET_TCP_ANSWERS, 1);
}

/* ---- streams ---- */

static void stream_remove(struct net_connection *connection, size_t index, bool finished)
{
    struct net_stream *stream = connection->streams[index];
    connection->stream_count--;
    for (size_t i = index; i < connection->stream_count; i++)
        connection->streams[i] = connection->streams[i + 1];
    if (!finished)
        net_count(connection->all->stats, NET_STREAMS_CANCELLED, 1);
    stream->close(stream, finished);
}

/* The next stream in turn that is not waiting; NET_STREAMS_MAX when there is none. */
static size_t stream_next(struct net_connection *connection)
{
    for (size_t i = 0; i < connection->stream_count; i++) {
        size_t index = (connection->stream_turn + i) % connection->stream_count;
        if (!connection->streams[index]->waiting)
            return index;
    }
    return NET_STREAMS_MAX;
}

/* Pulls one message of a stream. */
static void stream_pull(struct net_connection *connection, size_t index)
{
    struct net_connections *all = connection->all;
    struct net_stream *stream = connection->streams[index];
    size_t length = 0;
    batch_open(all);
    int result = stream->pull(stream, all->out + all->out_length + 2, MESSAGE_MAX, &length);
    if (result < 0 || length > MESSAGE_MAX) {
        connection->over = true;
        return;
    }
    if (result == NET_STREAM_LATER) {
        stream->waiting = true;
        return;
    }
    if (length > 0)
        commit(all, length);
    connection->stream_turn = (uint8_t)(index + 1);
    if (result == NET_STREAM_END)
        stream_remove(connection, index, true);
    else if (length == 0)
        connection->over = true; /* neither a message nor an end: it would never end */
}

/* Pulls while there is room; false when the turn is over. */
static bool pull_streams(struct net_connection *connection, unsigned *pulls)
{
    size_t index;
    while (!connection->over && (index = stream_next(connection)) != NET_STREAMS_MAX) {
        if (*pulls == 0) {
            connection->more = true;
            return false;
        }
        (*pulls)--;
        if (!make_room(connection))
            return false;
        stream_pull(connection, index);
        /* What has been made goes out before the next is made: the peer's pace is ours. */
        if (connection->all->out_length >= NET_PROGRESS && !flush_stage(connection))
            return false;
    }
    return !connection->over;
}

/* ---- queries ---- */

static void stream_begin(struct net_connection *connection, struct net_stream *stream)
{
    stream->connection = connection;
    stream->waiting = false;
    connection->streams[connection->stream_count++] = stream;
    net_count(connection->all->stats, NET_STREAMS, 1);
}

/* Answers one query. */
static void answer(struct net_connection *connection, const uint8_t *query, size_t length)
{
    struct net_connections *all = connection->all;
    struct net_client client = {
        .protocol = connection->protocol,
        .peer = &connection->peer,
        .local = &connection->local,
        .now = all->now,
        .idle_ms = all->limits.idle_ms,
        .worker = all->worker,
    };
    if (connection->transport->identity != NULL)
        client.identity = connection->transport->identity(connection->io);
    if (connection->transport->tls13 != NULL)
        client.tls13 = connection->transport->tls13(connection->io);
    struct net_answer reply = {0};
    net_count(all->stats, connection->protocol == NET_TLS ? NET_TLS_QUERIES : NET_TCP_QUERIES, 1);
    batch_open(all);
    int verdict = all->handler->respond(all->worker_context, &client, query, length,
                                        all->out + all->out_length + 2, MESSAGE_MAX, &reply);
    switch (verdict) {
    case NET_STREAM:
        if (reply.stream != NULL)
            stream_begin(connection, reply.stream);
        else
            connection->over = true;
        break;
    case NET_ANSWER:
    case NET_TRUNCATE:
        if (reply.length > 0 && reply.length <= MESSAGE_MAX)
            commit(all, reply.length);
        else
            connection->over = true;
        break;
    case NET_DROP:
        net_count(all->stats, NET_DROPPED, 1);
        break;
    default:
        connection->over = true;
    }
}

/* Answers the whole queries of `data`, as many as there is room and time for; returns the octets
 * used. `*turn` says how many queries may still be answered. */
static size_t answer_frames(struct net_connection *connection, const uint8_t *data, size_t length,
                            unsigned *turn)
{
    size_t at = 0;
    connection->partial = false;
    while (!connection->over) {
        if (length - at < 2) {
            connection->partial = true;
            break;
        }
        size_t size = base_load_u16(data + at);
        /* Only a query may come here. What is shorter than a header, longer than allowed, or an
         * answer, is from somebody who speaks something else. */
        bool foreign = size < 12 || size > connection->all->limits.query_max;
        foreign = foreign || (length - at >= 5 && (data[at + 4] & 0x80) != 0);
        if (foreign) {
            net_count(connection->all->stats, NET_TCP_MALFORMED, 1);
            connection->ending = true;
            connection->refuse_input = true;
            return length;
        }
        if (length - at - 2 < size) {
            connection->partial = true;
            break;
        }
        if (connection->stream_count == NET_STREAMS_MAX)
            break; /* settle sees that whole queries are left */
        if (*turn == 0) {
            connection->more = true;
            break;
        }
        if (!make_room(connection))
            break;
        (*turn)--;
        answer(connection, data + at + 2, size);
        connection->asked = true;
        connection->fresh = true;
        at += 2 + size;
    }
    return at;
}

/* Reads into the worker's buffer, or behind half a query that is kept. Returns the octets read, or
 * an enum net_io; sets *short_read when there is probably nothing more to read. */
static ssize_t read_more(struct net_connection *connection, bool *short_read)
{
    struct net_connections *all = connection->all;
    struct left *in = &connection->in;
    uint8_t *into = all->in;
    size_t room = IN_SIZE;
    if (in->length > 0) {
        size_t frame = in->length < 2 ? 2 : 2 + (size_t)base_load_u16(in->data + in->start);
        if (!left_room(all, in, frame)) {
            net_count(all->stats, NET_TCP_NO_MEMORY, 1);
            return NET_IO_FAILED;
        }
        into = in->data + in->start + in->length;
        room = in->capacity - in->start - in->length;
    }
    ssize_t count = connection->transport->read(connection->io, into, room);
    connection->crossed_read = count == NET_IO_CROSSED;
    if (count > 0) {
        net_count(all->stats, NET_TCP_BYTES_IN, (uint64_t)count);
        *short_read = (size_t)count < room && (connection->transport->buffered == NULL ||
                                               !connection->transport->buffered(connection->io));
        if (in->length > 0)
            in->length += (size_t)count;
    }
    return count;
}

/* Handles what read_more did not read. */
static void read_ended(struct net_connection *connection, ssize_t result)
{
    if (result == NET_IO_END) {
        connection->ending = true;
        connection->refuse_input = true;
    } else if (result == NET_IO_FAILED || result == NET_IO_REFUSED) {
        if (result == NET_IO_REFUSED)
            net_count(connection->all->stats, NET_TLS_FAILED, 1);
        connection->over = true;
    }
}

/* Answers what was kept from before. True when half a query or nothing is left. */
static bool answer_kept(struct net_connection *connection, unsigned *turn)
{
    struct left *in = &connection->in;
    if (in->length == 0)
        return true;
    size_t used = answer_frames(connection, in->data + in->start, in->length, turn);
    left_consume(connection->all, in, used);
    return !connection->over && (in->length == 0 || connection->partial);
}

/* Reads and answers until there is no more, or the turn is over. False in the latter case. */
static bool answer_queries(struct net_connection *connection, unsigned *turn)
{
    struct net_connections *all = connection->all;
    bool short_read = false;
    while (answer_kept(connection, turn) && connection->out.length == 0) {
        if (connection->refuse_input || short_read)
            return true;
        if (connection->stream_count == NET_STREAMS_MAX)
            return true;
        bool kept = connection->in.length > 0;
        ssize_t count = read_more(connection, &short_read);
        if (count <= 0) {
            read_ended(connection, count);
            return !connection->over;
        }
        if (kept)
            continue;
        size_t used = answer_frames(connection, all->in, (size_t)count, turn);
        if (!connection->over && used < (size_t)count &&
            !left_keep(all, &connection->in, all->in + used, (size_t)count - used)) {
            net_count(all->stats, NET_TCP_NO_MEMORY, 1);
            connection->over = true;
        }
    }
    return false;
}

/* ---- turns ---- */

static void set_wants(struct net_connection *connection)
{
    bool blocked = connection->out.length > 0;
    bool reading = !blocked && !connection->refuse_input && !connection->more &&
                   connection->stream_count < NET_STREAMS_MAX;
    unsigned wants = 0;
    if (blocked)
        wants |= connection->crossed_write ? NET_WANT_READ : NET_WANT_WRITE;
    if (reading)
        wants |= connection->crossed_read ? NET_WANT_WRITE : NET_WANT_READ;
    if (wants != connection->wants) {
        connection->wants = wants;
        connection->transport->want(connection->io, wants);
    }
}

/* The time-out that a connection is under. */
static enum wait_class waits_for(const struct net_connection *connection)
{
    if (connection->out.length > 0)
        return WAIT_WRITE;
    if (connection->stream_count > 0)
        return WAIT_STREAM;
    if (!connection->asked || (connection->partial && connection->in.length > 0))
        return WAIT_QUERY;
    return WAIT_IDLE;
}

static void set_timeout(struct net_connection *connection, uint64_t now_ms)
{
    enum wait_class class = waits_for(connection);
    bool restart = class != connection->wait;
    if (class == WAIT_WRITE && connection->written - connection->window >= NET_PROGRESS)
        restart = true;
    /* A query that became whole starts the clock of the next half one, or of idleness. */
    if ((class == WAIT_QUERY || class == WAIT_IDLE) && connection->fresh)
        restart = true;
    if (class == WAIT_STREAM && connection->written != connection->window)
        restart = true;
    connection->fresh = false;
    if (!restart)
        return;
    connection->window = connection->written;
    wait_enter(connection, class, now_ms);
}

static void settle(struct net_connection *connection, uint64_t now_ms)
{
    if (connection->all->draining) {
        connection->ending = true;
        connection->refuse_input = true;
    }
    bool quiet = connection->out.length == 0 && connection->stream_count == 0 && !connection->more;
    if (connection->over || (connection->ending && quiet)) {
        connection_close(connection);
        return;
    }
    set_wants(connection);
    set_timeout(connection, now_ms);
    if (connection->more)
        ready_enter(connection);
}

static void run(struct net_connection *connection, uint64_t now_ms)
{
    unsigned turn = NET_TURN_QUERIES, pulls = NET_TURN_PULLS;
    connection->more = false;
    if (!connection->over && flush_left(connection)) {
        bool going = answer_queries(connection, &turn);
        /* Streams have their turn even when queries have used up theirs; not when the peer takes
         * no more. */
        if ((going || connection->more || connection->stream_count == NET_STREAMS_MAX) &&
            !connection->over && connection->out.length == 0) {
            bool stuck = connection->stream_count == NET_STREAMS_MAX;
            pull_streams(connection, &pulls);
            /* A place has become free: whoever waited for it goes on. */
            if (stuck && connection->stream_count < NET_STREAMS_MAX)
                connection->more = true;
        }
    }
    /* Answers that are ready go out even when the connection ends. */
    flush_stage(connection);
    settle(connection, now_ms);
}

void net_connection_event(struct net_connection *connection, uint64_t now_ms)
{
    run(connection, now_ms);
}

void net_connections_rest(struct net_connections *all)
{
    batch_shut(all);
}

void net_connection_abort(struct net_connection *connection)
{
    connection_close(connection);
}

void net_stream_wake(struct net_stream *stream)
{
    stream->waiting = false;
    if (stream->connection != NULL)
        ready_enter(stream->connection);
}

/* ---- all connections ---- */

static const enum net_counter timeout_counters[WAIT_CLASSES] = {
    [WAIT_IDLE] = NET_TCP_TIMEOUT_IDLE,
    [WAIT_QUERY] = NET_TCP_TIMEOUT_QUERY,
    [WAIT_WRITE] = NET_TCP_TIMEOUT_WRITE,
    [WAIT_STREAM] = NET_TCP_TIMEOUT_WAIT,
};

/* Closes whoever has waited too long; returns when the next one will have, or UINT64_MAX. */
static uint64_t expire(struct net_connections *all, uint64_t now_ms)
{
    uint64_t next = UINT64_MAX;
    for (enum wait_class class = 0; class < WAIT_CLASSES; class ++) {
        struct net_connection *first;
        while ((first = all->waiting[class].first) != NULL && first->deadline <= now_ms) {
            net_count(all->stats, timeout_counters[class], 1);
            connection_close(first);
        }
        if (first != NULL && first->deadline < next)
            next = first->deadline;
    }
    return next;
}

bool net_connections_ready(const struct net_connections *all)
{
    return all->ready != NULL;
}

int net_connections_tick(struct net_connections *all, base_time now, uint64_t now_ms)
{
    all->now = now;
    /* Whoever is made ready by this has its turn the next time. */
    struct net_connection *connection;
    struct net_connection *list = all->ready;
    all->ready = NULL;
    all->running = list;
    if (list != NULL)
        list->ready_link = &all->running;
    while ((connection = all->running) != NULL) {
        ready_leave(connection);
        run(connection, now_ms);
    }
    batch_shut(all);
    uint64_t next = expire(all, now_ms);
    if (all->ready != NULL)
        return 0;
    if (next == UINT64_MAX)
        return -1;
    return next - now_ms > 60000 ? 60000 : (int)(next - now_ms);
}

void net_connections_clock(struct net_connections *all, base_time now)
{
    all->now = now;
}

bool net_connections_evict(struct net_connections *all)
{
    struct net_connection *victim = all->waiting[WAIT_QUERY].first;
    if (victim == NULL)
        victim = all->waiting[WAIT_IDLE].first;
    if (victim == NULL)
        return false;
    net_count(all->stats, NET_TCP_EVICTED, 1);
    connection_close(victim);
    return true;
}

void net_connections_drain(struct net_connections *all)
{
    all->draining = true;
    for (uint32_t i = 0; i < all->limits.connections; i++)
        if (all->slots[i].all != NULL)
            ready_enter(&all->slots[i]);
}

struct net_connection *net_connection_open(struct net_connections *all, enum net_protocol protocol,
                                           const struct net_transport *transport, void *io,
                                           const union net_address *peer,
                                           const union net_address *local, uint64_t now_ms)
{
    struct net_prefix prefix = net_address_prefix(peer, all->limits.v4, all->limits.v6);
    if (all->limits.per_client != 0 && client_count(all, prefix) >= all->limits.per_client) {
        net_count(all->stats, NET_TCP_REFUSED_CLIENT, 1);
        transport->close(io);
        return NULL;
    }
    if (all->draining || (all->spare == NULL && !net_connections_evict(all))) {
        net_count(all->stats, NET_TCP_REFUSED_FULL, 1);
        transport->close(io);
        return NULL;
    }
    struct net_connection *connection = slot_take(all, prefix);
    connection->protocol = protocol;
    connection->transport = transport;
    connection->io = io;
    connection->peer = *peer;
    connection->local = *local;
    connection->wants = NET_WANT_READ;
    connection->wait = WAIT_NONE;
    wait_enter(connection, WAIT_QUERY, now_ms);
    return connection;
}
