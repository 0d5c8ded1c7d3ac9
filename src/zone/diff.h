/*
 * The difference of two zones, as a linear merge of their arrays.
 */
#ifndef ZONE_DIFF_H
#define ZONE_DIFF_H

#include "zone/zone.h"

enum zone_change { ZONE_REMOVED, ZONE_ADDED };

struct zone_diff_options {
    bool ignore_dnssec; /* leave RRSIG, NSEC, NSEC3, NSEC3PARAM out */
    bool ignore_serial; /* SOA records that differ in the serial only are equal */
    bool ignore_ttl;
};

/* Calls `visit` for each record that is in one zone only (a changed TTL is a removal and an
 * addition), in canonical order, per RRset removals first. Stops at an error and returns it. */
int zone_diff(const struct zone *from, const struct zone *to,
              const struct zone_diff_options *options,
              int (*visit)(void *context, enum zone_change change, const uint8_t *owner,
                           const struct dns_rr *rr),
              void *context);

/* The same for one name: either node may be NULL. */
int zone_diff_node(const struct zone *from, const struct zone_node *old, const struct zone *to,
                   const struct zone_node *new, const struct zone_diff_options *options,
                   int (*visit)(void *context, enum zone_change change, const uint8_t *owner,
                                const struct dns_rr *rr),
                   void *context);

#endif
