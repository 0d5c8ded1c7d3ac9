/*
 * What workers count. Each worker writes its own counters, so nothing is locked and no cache line
 * is shared; readers add them up. A sum is not of one instant, but no count is ever lost.
 */
#ifndef NET_STATS_H
#define NET_STATS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum net_counter {
#define COUNTER(symbol, name, help) NET_##symbol,
#include "net/counters.def"
#undef COUNTER
    NET_COUNTERS
};

/* Latency: bucket i counts answers that took less than 2^i microseconds and not less than half of
 * it; the last one takes all that is longer. */
#define NET_LATENCY_BUCKETS 24

struct net_stats {
    _Atomic uint64_t counters[NET_COUNTERS];
    _Atomic uint64_t latency[NET_LATENCY_BUCKETS];
    _Atomic uint64_t latency_sum; /* nanoseconds */
    _Atomic uint64_t connections; /* open now */
};

/* The sum over workers. */
struct net_totals {
    uint64_t counters[NET_COUNTERS];
    uint64_t latency[NET_LATENCY_BUCKETS];
    uint64_t latency_sum; /* nanoseconds */
    uint64_t connections;
};

/* Only the owner of the counter calls this: a load and a store, no locked instruction. */
static inline void net_stats_bump(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
                          memory_order_relaxed);
}

static inline void net_count(struct net_stats *stats, enum net_counter counter, uint64_t by)
{
    net_stats_bump(&stats->counters[counter], by);
}

/* Records that `answers` answers took `nanoseconds` each. */
void net_stats_latency(struct net_stats *stats, uint64_t nanoseconds, uint64_t answers);
/* Adds a worker's counters to the totals. Any thread. */
void net_stats_sum(const struct net_stats *stats, struct net_totals *totals);
/* "udp_queries", and a sentence about it. */
const char *net_counter_name(enum net_counter counter);
const char *net_counter_help(enum net_counter counter);

#endif
