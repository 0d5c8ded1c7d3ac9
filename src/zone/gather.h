/*
 * The records of one name, being put in order. Inside of the zone builder; one for each worker.
 */
#ifndef ZONE_GATHER_H
#define ZONE_GATHER_H

#include "dns/rr.h"

#include <stdbool.h>
#include <stddef.h>

/* A record that was there twice. */
struct zone_duplicate {
    const struct dns_rr *first;
    const struct dns_rr *again;
};

struct zone_gather {
    const struct dns_rr **rrs;
    const struct dns_rr **spare;
    size_t count;
    size_t capacity;
    struct zone_duplicate *duplicates; /* of the last zone_gather_order */
    size_t duplicate_count;
    size_t duplicate_capacity;
};

bool zone_gather_grow(struct zone_gather *gather);

/* False when out of memory. */
static inline bool zone_gather_add(struct zone_gather *gather, const struct dns_rr *rr)
{
    if (gather->count == gather->capacity && !zone_gather_grow(gather))
        return false;
    gather->rrs[gather->count++] = rr;
    return true;
}

/* Orders by type and canonical rdata, and takes duplicates out; of those the one that was added
 * first stays. BASE_ENOMEM. */
int zone_gather_order(struct zone_gather *gather);
void zone_gather_free(struct zone_gather *gather);

#endif
