/*
 * Places, lists and buffers of the connections of one worker.
 */
#include "net/connection_table.h"

#include "base/error.h"
#include "net/hash.h"

#include <stdlib.h>
#include <string.h>

#define LEFT_MIN 512 /* octets */

bool left_keep(struct net_connections *all, struct left *left, const uint8_t *data, size_t length)
{
    if (length > all->limits.memory || all->memory > all->limits.memory - length)
        return false;
    uint8_t *copy = malloc(length);
    if (copy == NULL)
        return false;
    memcpy(copy, data, length);
    all->memory += length;
    all->memory -= left->capacity;
    free(left->data);
    *left = (struct left){.data = copy, .length = (uint32_t)length, .capacity = (uint32_t)length};
    return true;
}

void left_consume(struct net_connections *all, struct left *left, size_t length)
{
    left->start += (uint32_t)length;
    left->length -= (uint32_t)length;
    if (left->length > 0)
        return;
    all->memory -= left->capacity;
    free(left->data);
    *left = (struct left){0};
}

bool left_room(struct net_connections *all, struct left *left, size_t frame)
{
    if (left->start > 0) {
        memmove(left->data, left->data + left->start, left->length);
        left->start = 0;
    }
    size_t want = left->length < LEFT_MIN / 2 ? LEFT_MIN : (size_t)left->length * 2;
    if (want > frame)
        want = frame;
    /* Half of what has come, at least, so that short reads do not copy it again and again. */
    if (left->capacity > left->length && left->capacity >= want)
        return true;
    size_t more = want - left->capacity;
    if (all->memory + more > all->limits.memory)
        return left->capacity > left->length;
    uint8_t *data = realloc(left->data, want);
    if (data == NULL)
        return left->capacity > left->length;
    all->memory += more;
    left->data = data;
    left->capacity = (uint32_t)want;
    return true;
}

static uint32_t duration(const struct net_connections *all, enum wait_class class)
{
    switch (class) {
    case WAIT_QUERY:
        return all->limits.query_ms;
    case WAIT_WRITE:
        return all->limits.write_ms;
    case WAIT_STREAM:
        return all->limits.wait_ms;
    default:
        return all->limits.idle_ms;
    }
}

static void wait_leave(struct net_connection *connection)
{
    if (connection->wait >= WAIT_CLASSES)
        return;
    struct wait_list *list = &connection->all->waiting[connection->wait];
    *(connection->wait_prev ? &connection->wait_prev->wait_next : &list->first) =
        connection->wait_next;
    *(connection->wait_next ? &connection->wait_next->wait_prev : &list->last) =
        connection->wait_prev;
    connection->wait = WAIT_NONE;
}

void wait_enter(struct net_connection *connection, enum wait_class class, uint64_t now_ms)
{
    wait_leave(connection);
    struct wait_list *list = &connection->all->waiting[class];
    connection->wait = class;
    connection->deadline = now_ms + duration(connection->all, class);
    connection->wait_next = NULL;
    connection->wait_prev = list->last;
    *(list->last ? &list->last->wait_next : &list->first) = connection;
    list->last = connection;
}

void ready_enter(struct net_connection *connection)
{
    if (connection->ready_link != NULL)
        return;
    struct net_connections *all = connection->all;
    connection->ready_next = all->ready;
    connection->ready_link = &all->ready;
    if (all->ready != NULL)
        all->ready->ready_link = &connection->ready_next;
    all->ready = connection;
}

void ready_leave(struct net_connection *connection)
{
    if (connection->ready_link == NULL)
        return;
    *connection->ready_link = connection->ready_next;
    if (connection->ready_next != NULL)
        connection->ready_next->ready_link = connection->ready_link;
    connection->ready_link = NULL;
}

static struct net_connection **client_bucket(const struct net_connections *all,
                                             struct net_prefix prefix)
{
    return &all->clients[net_hash(all->secret, prefix.high, prefix.low, 0) & all->client_mask];
}

uint32_t client_count(const struct net_connections *all, struct net_prefix prefix)
{
    uint32_t count = 0;
    for (const struct net_connection *one = *client_bucket(all, prefix); one;
         one = one->client_next)
        if (one->prefix.high == prefix.high && one->prefix.low == prefix.low)
            count++;
    return count;
}

struct net_connection *slot_take(struct net_connections *all, struct net_prefix prefix)
{
    struct net_connection *slot = all->spare;
    all->spare = slot->wait_next;
    /* Never 0, so that no identity of a connection is a small number. */
    uint32_t generation = slot->generation == UINT32_MAX ? 1 : slot->generation + 1;
    memset(slot, 0, sizeof(*slot));
    slot->generation = generation;
    slot->all = all;
    slot->prefix = prefix;
    slot->wait = WAIT_NONE;
    struct net_connection **bucket = client_bucket(all, prefix);
    slot->client_next = *bucket;
    slot->client_link = bucket;
    if (*bucket != NULL)
        (*bucket)->client_link = &slot->client_next;
    *bucket = slot;
    all->count++;
    net_stats_bump(&all->stats->connections, 1);
    return slot;
}

void connection_close(struct net_connection *connection)
{
    struct net_connections *all = connection->all;
    while (connection->stream_count > 0) {
        struct net_stream *stream = connection->streams[--connection->stream_count];
        net_count(all->stats, NET_STREAMS_CANCELLED, 1);
        stream->close(stream, false);
    }
    connection->transport->close(connection->io);
    left_consume(all, &connection->in, connection->in.length);
    left_consume(all, &connection->out, connection->out.length);
    wait_leave(connection);
    ready_leave(connection);
    *connection->client_link = connection->client_next;
    if (connection->client_next != NULL)
        connection->client_next->client_link = connection->client_link;
    connection->all = NULL;
    connection->wait_next = all->spare;
    all->spare = connection;
    all->count--;
    net_stats_bump(&all->stats->connections, (uint64_t)-1);
    net_count(all->stats, NET_TCP_CLOSED, 1);
}

void batch_open(struct net_connections *all)
{
    if (!all->batch && all->handler->batch_begin != NULL)
        all->handler->batch_begin(all->worker_context);
    all->batch = true;
}

void batch_shut(struct net_connections *all)
{
    if (all->batch && all->handler->batch_end != NULL)
        all->handler->batch_end(all->worker_context);
    all->batch = false;
}

int net_connections_new(const struct net_limits *limits, const struct net_handler *handler,
                        void *worker_context, struct net_worker *worker, struct net_stats *stats,
                        const uint64_t secret[2], struct net_connections **out)
{
    struct net_connections *all = calloc(1, sizeof(*all));
    if (all == NULL)
        return BASE_ENOMEM;
    all->limits = *limits;
    if (all->limits.connections == 0)
        all->limits.connections = 1;
    all->handler = handler;
    all->worker_context = worker_context;
    all->worker = worker;
    all->stats = stats;
    all->secret[0] = secret[0] | 1;
    all->secret[1] = secret[1] | 1;
    uint64_t buckets = 16;
    while (buckets < all->limits.connections)
        buckets *= 2;
    all->client_mask = buckets - 1;
    all->clients = calloc(buckets, sizeof(struct net_connection *));
    all->slots = calloc(all->limits.connections, sizeof(*all->slots));
    all->in = malloc(IN_SIZE);
    all->out = malloc(OUT_SIZE);
    if (!all->clients || !all->slots || !all->in || !all->out) {
        all->limits.connections = 0;
        net_connections_free(all);
        return BASE_ENOMEM;
    }
    for (uint32_t i = all->limits.connections; i-- > 0;) {
        all->slots[i].wait_next = all->spare;
        all->spare = &all->slots[i];
    }
    *out = all;
    return BASE_OK;
}

void net_connections_free(struct net_connections *all)
{
    if (all == NULL)
        return;
    for (uint32_t i = 0; i < all->limits.connections; i++)
        if (all->slots[i].all != NULL)
            connection_close(&all->slots[i]);
    batch_shut(all);
    free(all->clients);
    free(all->slots);
    free(all->in);
    free(all->out);
    free(all);
}

size_t net_connections_count(const struct net_connections *all)
{
    return all->count;
}

size_t net_connections_memory(const struct net_connections *all)
{
    return all->memory;
}

uint64_t net_connection_id(const struct net_connection *connection)
{
    return (uint64_t)connection->generation << 32 | (uint64_t)(connection - connection->all->slots);
}

struct net_connection *net_connection_by_id(struct net_connections *all, uint64_t id)
{
    uint32_t index = (uint32_t)id;
    if (index >= all->limits.connections)
        return NULL;
    struct net_connection *slot = &all->slots[index];
    return slot->all != NULL && slot->generation == (uint32_t)(id >> 32) ? slot : NULL;
}
