/* Whose turn it is: see turns.h. */
#include "net/turns.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

#define TROUBLED_SHARE 8

struct net_turns_peer {
    union net_address address;
    struct net_turns_peer *next_in_bucket;
    struct net_turns_peer *after, *before; /* in the ring, while work waits */
    struct net_turn *first, *last;
    unsigned running, waiting;
    bool troubled;
};

void net_turns_init(struct net_turns *turns, unsigned most, unsigned most_of_peer)
{
    memset(turns, 0, sizeof(*turns));
    turns->most = most;
    turns->most_of_peer = most_of_peer;
}

void net_turns_free(struct net_turns *turns)
{
    for (size_t i = 0; i < NET_TURNS_BUCKETS; i++) {
        for (struct net_turns_peer *peer = turns->buckets[i], *next; peer != NULL; peer = next) {
            next = peer->next_in_bucket;
            free(peer);
        }
        turns->buckets[i] = NULL;
    }
}

/* Peers are configured, not foreign: the hash need not be keyed. */
static size_t bucket_of(const union net_address *address)
{
    const uint8_t *octets = address->any.sa_family == AF_INET
                                ? (const uint8_t *)&address->v4.sin_addr
                                : (const uint8_t *)&address->v6.sin6_addr;
    size_t count = address->any.sa_family == AF_INET ? 4 : 16;
    uint32_t hash = 2166136261u ^ net_address_port(address);
    for (size_t i = 0; i < count; i++)
        hash = (hash ^ octets[i]) * 16777619u;
    return (hash ^ hash >> 16) % NET_TURNS_BUCKETS;
}

static struct net_turns_peer *peer_of(struct net_turns *turns, const union net_address *address)
{
    struct net_turns_peer **bucket = &turns->buckets[bucket_of(address)];
    for (struct net_turns_peer *peer = *bucket; peer != NULL; peer = peer->next_in_bucket) {
        if (net_address_equal(&peer->address, address))
            return peer;
    }
    struct net_turns_peer *peer = calloc(1, sizeof(*peer));
    if (peer == NULL)
        return NULL;
    peer->address = *address;
    peer->next_in_bucket = *bucket;
    *bucket = peer;
    return peer;
}

/* A peer with neither work nor a bad record is forgotten. */
static void forget_idle(struct net_turns *turns, struct net_turns_peer *peer)
{
    if (peer->running > 0 || peer->waiting > 0 || peer->troubled)
        return;
    struct net_turns_peer **link = &turns->buckets[bucket_of(&peer->address)];
    while (*link != peer)
        link = &(*link)->next_in_bucket;
    *link = peer->next_in_bucket;
    free(peer);
}

static void ring_add(struct net_turns *turns, struct net_turns_peer *peer)
{
    if (turns->ring == NULL) {
        turns->ring = peer->after = peer->before = peer;
        return;
    }
    peer->after = turns->ring;
    peer->before = turns->ring->before;
    peer->before->after = peer;
    peer->after->before = peer;
}

static void ring_remove(struct net_turns *turns, struct net_turns_peer *peer)
{
    if (turns->ring == peer)
        turns->ring = peer->after != peer ? peer->after : NULL;
    peer->before->after = peer->after;
    peer->after->before = peer->before;
    peer->after = peer->before = NULL;
}

int net_turns_add(struct net_turns *turns, const union net_address *address, struct net_turn *turn)
{
    struct net_turns_peer *peer = peer_of(turns, address);
    if (peer == NULL)
        return BASE_ENOMEM;
    *turn = (struct net_turn){.previous = peer->last, .peer = peer};
    if (peer->last != NULL)
        peer->last->next = turn;
    else
        peer->first = turn;
    peer->last = turn;
    if (peer->waiting++ == 0)
        ring_add(turns, peer);
    return BASE_OK;
}

static void unlink_waiting(struct net_turns *turns, struct net_turn *turn)
{
    struct net_turns_peer *peer = turn->peer;
    if (turn->previous != NULL)
        turn->previous->next = turn->next;
    else
        peer->first = turn->next;
    if (turn->next != NULL)
        turn->next->previous = turn->previous;
    else
        peer->last = turn->previous;
    turn->next = turn->previous = NULL;
    if (--peer->waiting == 0)
        ring_remove(turns, peer);
}

static bool may_run(const struct net_turns *turns, const struct net_turns_peer *peer)
{
    unsigned most = turns->most_of_peer;
    if (peer->troubled)
        most = most > TROUBLED_SHARE ? most / TROUBLED_SHARE : 1;
    return peer->running < most;
}

struct net_turn *net_turns_next(struct net_turns *turns)
{
    if (turns->running >= turns->most || turns->ring == NULL)
        return NULL;
    struct net_turns_peer *peer = turns->ring;
    do {
        if (may_run(turns, peer)) {
            struct net_turn *turn = peer->first;
            turns->ring = peer->after;
            unlink_waiting(turns, turn);
            turn->running = true;
            peer->running++;
            turns->running++;
            return turn;
        }
        peer = peer->after;
    } while (peer != turns->ring);
    return NULL;
}

void net_turns_end(struct net_turns *turns, struct net_turn *turn, bool well)
{
    struct net_turns_peer *peer = turn->peer;
    if (turn->running) {
        peer->running--;
        turns->running--;
        peer->troubled = !well;
    } else {
        unlink_waiting(turns, turn);
    }
    turn->peer = NULL;
    forget_idle(turns, peer);
}
