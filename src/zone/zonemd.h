/*
 * ZONEMD (RFC 8976): digest over a whole zone, scheme SIMPLE.
 */
#ifndef ZONE_ZONEMD_H
#define ZONE_ZONEMD_H

#include "zone/zone.h"

#define ZONE_ZONEMD_SIMPLE 1
#define ZONE_ZONEMD_SHA384 1
#define ZONE_ZONEMD_SHA512 2
#define ZONE_ZONEMD_MAX    64

/* Computes the digest by hash algorithm `algorithm` (1 or 2) over the zone as it stands, the apex
 * ZONEMD RRset and its RRSIG left out (RFC 8976 section 3.3.1). Sets the digest's octets in
 * *length. BASE_EUNSUPPORTED for another algorithm; BASE_ENOMEM; BASE_ECRYPTO. */
int zone_zonemd(const struct zone *zone, unsigned algorithm, uint8_t digest[ZONE_ZONEMD_MAX],
                size_t *length);

#endif
