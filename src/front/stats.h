/*
 * What front counts beside net (net/stats.h), and the text of all of it for Prometheus. Each worker
 * writes its own numbers; whoever reads adds them up.
 */
#ifndef FRONT_STATS_H
#define FRONT_STATS_H

#include "base/buf.h"
#include "net/stats.h"

enum front_counter {
#define COUNTER(symbol, metric, labels, help) FRONT_##symbol,
#include "front/counters.def"
#undef COUNTER
    FRONT_COUNTERS
};

#define FRONT_TYPES  260 /* types below are counted by themselves, all others at 0 */
#define FRONT_RCODES 24  /* and all others in the last place */

struct front_stats {
    _Atomic uint64_t counters[FRONT_COUNTERS];
    _Atomic uint64_t types[FRONT_TYPES];
    _Atomic uint64_t rcodes[FRONT_RCODES];
    _Atomic uint64_t transfers; /* that run now */
    _Atomic uint64_t updates;   /* that wait for control now */
};

struct front_totals {
    uint64_t counters[FRONT_COUNTERS];
    uint64_t types[FRONT_TYPES];
    uint64_t rcodes[FRONT_RCODES];
    uint64_t transfers;
    uint64_t updates;
};

/* Only by the worker whose they are. */
static inline void front_count(struct front_stats *stats, enum front_counter counter, uint64_t by)
{
    net_stats_bump(&stats->counters[counter], by);
}
/* One answer. `type`: of its question; 0: none was read. */
static inline void front_count_answer(struct front_stats *stats, unsigned type, unsigned rcode)
{
    net_stats_bump(&stats->types[type < FRONT_TYPES ? type : 0], 1);
    net_stats_bump(&stats->rcodes[rcode < FRONT_RCODES ? rcode : FRONT_RCODES - 1], 1);
}

void front_stats_sum(const struct front_stats *stats, struct front_totals *totals);
/* Appends the metrics. `resident`, `shared`: octets of memory, as the system tells them. */
void front_stats_print(struct base_buf *out, const struct net_totals *net,
                       const struct front_totals *front, uint64_t resident, uint64_t shared);

#endif
