/*
 * Catalog zones (RFC 9432): read one, and make one. Pure.
 */
#ifndef SOURCE_CATALOG_H
#define SOURCE_CATALOG_H

#include "base/arena.h"
#include "base/finding.h"
#include "zone/zone.h"

struct source_member {
    uint8_t zone[DNS_NAME_MAX]; /* lower case */
    uint8_t id[64];             /* the label of the member node, with its length octet */
    const char *group;          /* RFC 9432 section 4.3.2; NULL: none */
    const uint8_t *coo;         /* change of ownership: the new catalog; NULL: none */
};
struct source_catalog {
    struct base_arena arena;
    struct source_member *members; /* by zone */
    size_t count;
};
/* Reads version 2. A catalog that is broken (section 5.1: no version, a version not known, a member
 * or its coo with two PTR records, one zone with two labels) is refused as a whole (BASE_EREFUSED
 * with findings): the last good stays. Of several groups of a member the first counts. What is not
 * known is ignored, as are properties (ext) of others. BASE_ENOMEM. */
int source_catalog_read(struct zone *catalog, struct base_findings *findings,
                        struct source_catalog *out);
void source_catalog_free(struct source_catalog *catalog);
const struct source_member *source_catalog_find(const struct source_catalog *catalog,
                                                const uint8_t *zone);

/* Makes a catalog zone of these members: the label of each is a digest of its name, so it stays the
 * same from version to version. SOA and NS as section 4.1 says. Members need only `zone` and
 * `group`. BASE_ERANGE: the apex is too long for a catalog, or a group's name. BASE_ENOMEM,
 * BASE_ECRYPTO. */
int source_catalog_make(const uint8_t *apex, uint32_t serial, const struct source_member *members,
                        size_t count, struct zone **out);

#endif
