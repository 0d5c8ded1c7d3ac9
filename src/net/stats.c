/*
 * Adding up what workers count.
 */
#include "net/stats.h"

void net_stats_latency(struct net_stats *stats, uint64_t nanoseconds, uint64_t answers)
{
    uint64_t microseconds = nanoseconds / 1000;
    unsigned bucket = microseconds == 0 ? 0 : 64 - (unsigned)__builtin_clzll(microseconds);
    if (bucket >= NET_LATENCY_BUCKETS)
        bucket = NET_LATENCY_BUCKETS - 1;
    net_stats_bump(&stats->latency[bucket], answers);
    net_stats_bump(&stats->latency_sum, nanoseconds * answers);
}

static uint64_t load(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void net_stats_sum(const struct net_stats *stats, struct net_totals *totals)
{
    for (size_t i = 0; i < NET_COUNTERS; i++)
        totals->counters[i] += load(&stats->counters[i]);
    for (size_t i = 0; i < NET_LATENCY_BUCKETS; i++)
        totals->latency[i] += load(&stats->latency[i]);
    totals->latency_sum += load(&stats->latency_sum);
    totals->connections += load(&stats->connections);
}

static const struct {
    const char *name, *help;
} counters[NET_COUNTERS] = {
#define COUNTER(symbol, name, help) {name, help},
#include "net/counters.def"
#undef COUNTER
};

const char *net_counter_name(enum net_counter counter)
{
    return counters[counter].name;
}

const char *net_counter_help(enum net_counter counter)
{
    return counters[counter].help;
}
