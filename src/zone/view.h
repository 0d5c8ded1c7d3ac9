/*
 * One version of a zone, looked at name by name: what the image has, or a struct zone. Work on a
 * few names of a large zone goes through a view, and costs as much as these names.
 *
 * A view belongs to one thread and shows one moment. Names are wire format, any case in, the case
 * of the zone out.
 */
#ifndef ZONE_VIEW_H
#define ZONE_VIEW_H

#include "base/clock.h"
#include "zone/zone.h"

#define ZONE_VIEW_HASH 20 /* octets of an NSEC3 hash */

/* Gets each record of a name; `rdata` holds during the call only. An error ends the visit. */
typedef int zone_view_visit(void *context, uint16_t type, uint32_t ttl, const uint8_t *rdata,
                            size_t length);

struct zone_view {
    const uint8_t *apex; /* case as the zone has it */
    unsigned apex_labels;
    uint32_t serial;
    void *context;
    /* The name of an owner as the zone writes it. BASE_ENOENT: it owns nothing. */
    int (*owner)(void *context, const uint8_t *name, uint8_t out[DNS_NAME_MAX]);
    /* Visits all records of an owner, RRset after RRset (types ascending, records in canonical
     * order), RRSIGs included as type RRSIG. Only what is not NSEC3 or its RRSIG: those come by
     * `hash_records`. BASE_ENOENT: it owns nothing (it may be an empty non-terminal).
     * BASE_EFORMAT, BASE_EIO: damage. */
    int (*records)(void *context, const uint8_t *name, zone_view_visit *visit, void *visitor);
    /* The owner directly before or after a name in canonical order, which needs not exist itself;
     * owners of nothing but NSEC3 do not count, occluded ones and glue do. `out` may be the name.
     * BASE_ENOENT: none. */
    int (*before)(void *context, const uint8_t *name, uint8_t out[DNS_NAME_MAX]);
    int (*after)(void *context, const uint8_t *name, uint8_t out[DNS_NAME_MAX]);
    /* NSEC3 owners by their hash. `records` as above, `before` and `after` go round the ring, and
     * give the hash itself when it is the only one. BASE_ENOENT: there are none. */
    int (*hash_records)(void *context, const uint8_t hash[ZONE_VIEW_HASH], zone_view_visit *visit,
                        void *visitor);
    int (*hash_before)(void *context, const uint8_t hash[ZONE_VIEW_HASH],
                       uint8_t out[ZONE_VIEW_HASH]);
    int (*hash_after)(void *context, const uint8_t hash[ZONE_VIEW_HASH],
                      uint8_t out[ZONE_VIEW_HASH]);
};

/* A view of a zone in memory, which outlives it. Nothing to free. */
void zone_view_of(struct zone *zone, struct zone_view *out);

/*
 * What a change does to a few names: for each of them all it owns before and after (NSEC3 owners
 * likewise), as two small zones. A name that comes is in `after` only, one that goes in `before`
 * only. The apex is in both, since the serial changes. Node flags that depend on names which are
 * not here (ZONE_BELOW, ZONE_UNDER_DNAME, ZONE_CUT) are not to be relied on.
 */
struct zone_delta {
    struct zone *before, *after; /* released by zone_delta_free */
};
void zone_delta_free(struct zone_delta *delta);
/* Has the apex the same records of a type before and after? */
bool zone_delta_keeps(const struct zone_delta *delta, uint16_t type);

/* When the first signature of a zone expires, in serial arithmetic around `now` (RFC 4034 section
 * 3.1.5); 0: it has none. */
base_time zone_first_expiry(const struct zone *zone, base_time now);

#endif
