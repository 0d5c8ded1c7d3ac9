/*
 * The records of a zone in the order in which they were written. Inside of the zone folder.
 */
#ifndef ZONE_SOURCE_ORDER_H
#define ZONE_SOURCE_ORDER_H

#include "zone/zone.h"

struct zone_source_record {
    uint64_t place; /* file and line */
    const uint8_t *owner;
    const struct dns_rr *rr;
};

/* All records by file and line; those that were not read come last, in canonical order. `*out` has
 * zone->rr_count elements and is freed by the caller. BASE_ENOMEM. */
int zone_source_order(const struct zone *zone, struct zone_source_record **out);

#endif
