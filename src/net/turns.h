/*
 * Whose turn it is: work that is done with many peers, so many pieces at once in all and with each
 * of them. Peers are served in turn, so that ten thousand pieces for one hold up nobody else; a
 * peer that keeps its callers waiting gets an eighth of its share until it answers again. One
 * thread at a time.
 */
#ifndef NET_TURNS_H
#define NET_TURNS_H

#include "net/address.h"

struct net_turns_peer;

/* Part of a piece of work. */
struct net_turn {
    struct net_turn *next, *previous; /* of the same peer, waiting */
    struct net_turns_peer *peer;
    bool running;
};

#define NET_TURNS_BUCKETS 256

struct net_turns {
    struct net_turns_peer *buckets[NET_TURNS_BUCKETS];
    struct net_turns_peer *ring; /* peers with waiting work; this one is next */
    unsigned running, most;      /* pieces at once */
    unsigned most_of_peer;
};

/* `most` and `most_of_peer` at least 1. */
void net_turns_init(struct net_turns *turns, unsigned most, unsigned most_of_peer);
/* When no work is left. */
void net_turns_free(struct net_turns *turns);

/* Puts work at the end of its peer's queue. BASE_ENOMEM. */
int net_turns_add(struct net_turns *turns, const union net_address *address, struct net_turn *turn);
/* The next piece that may run now, which then counts as running; NULL: none. */
struct net_turn *net_turns_next(struct net_turns *turns);
/* Takes a piece out, running or waiting. `well`: the peer kept nobody waiting. */
void net_turns_end(struct net_turns *turns, struct net_turn *turn, bool well);

#endif
