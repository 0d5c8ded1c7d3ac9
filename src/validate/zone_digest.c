/* ZONEMD at the apex (RFC 8976 section 4). */
#include "base/reader.h"
#include "validate/zone_parts.h"
#include "zone/zonemd.h"

#include <string.h>

struct zonemd {
    const struct dns_rr *rr;
    uint32_t serial;
    uint8_t scheme;
    uint8_t algorithm;
    const uint8_t *digest;
    size_t length;
};

#define ZONEMD_HEAD       6
#define ZONEMD_DIGEST_MIN 12 /* RFC 8976 section 2.2.4 */

static bool parse(const struct verifier *verifier, struct base_findings *findings,
                  const struct dns_rr *rr, struct zonemd *out)
{
    if (rr->length < ZONEMD_HEAD + ZONEMD_DIGEST_MIN) {
        validate_report(verifier, findings, VERIFY_ZONEMD_MALFORMED, verifier->zone->apex, rr,
                        "a ZONEMD of %u octets is too short to hold a digest", rr->length);
        return false;
    }
    *out = (struct zonemd){.rr = rr,
                           .serial = base_load_u32(rr->rdata),
                           .scheme = rr->rdata[4],
                           .algorithm = rr->rdata[5],
                           .digest = rr->rdata + ZONEMD_HEAD,
                           .length = rr->length - ZONEMD_HEAD};
    return true;
}

static int compare_digest(const struct verifier *verifier, struct base_findings *findings,
                          const struct zonemd *zonemd)
{
    uint8_t digest[ZONE_ZONEMD_MAX];
    size_t length = 0;
    int error = zone_zonemd(verifier->zone, zonemd->algorithm, digest, &length);
    if (error != BASE_OK)
        return error;
    if (length != zonemd->length)
        validate_report(verifier, findings, VERIFY_ZONEMD_MALFORMED, verifier->zone->apex,
                        zonemd->rr, "a digest of hash algorithm %u has %zu octets, not %zu",
                        zonemd->algorithm, length, zonemd->length);
    else if (memcmp(digest, zonemd->digest, length) != 0)
        validate_report(verifier, findings, VERIFY_ZONEMD_MISMATCH, verifier->zone->apex,
                        zonemd->rr,
                        "the zone's digest by hash algorithm %u begins with %02x%02x%02x%02x, its "
                        "ZONEMD with %02x%02x%02x%02x",
                        zonemd->algorithm, digest[0], digest[1], digest[2], digest[3],
                        zonemd->digest[0], zonemd->digest[1], zonemd->digest[2], zonemd->digest[3]);
    verifier->result->zonemd_checked = true;
    return BASE_OK;
}

static int check_one(const struct verifier *verifier, struct base_findings *findings,
                     const struct zonemd *zonemd, bool duplicate)
{
    const uint8_t *apex = verifier->zone->apex;
    if (verifier->zone->soa != NULL && zonemd->serial != verifier->zone->serial)
        validate_report(verifier, findings, VERIFY_ZONEMD_SERIAL, apex, zonemd->rr,
                        "the ZONEMD is for serial %u, the zone has %u", zonemd->serial,
                        verifier->zone->serial);
    if (duplicate) {
        validate_report(verifier, findings, VERIFY_ZONEMD_DUPLICATE, apex, zonemd->rr,
                        "there is another ZONEMD with scheme %u and hash algorithm %u",
                        zonemd->scheme, zonemd->algorithm);
        return BASE_OK;
    }
    bool known = zonemd->scheme == ZONE_ZONEMD_SIMPLE && (zonemd->algorithm == ZONE_ZONEMD_SHA384 ||
                                                          zonemd->algorithm == ZONE_ZONEMD_SHA512);
    if (!known) {
        validate_report(verifier, findings, VERIFY_ZONEMD_UNSUPPORTED, apex, zonemd->rr,
                        "the ZONEMD with scheme %u and hash algorithm %u was not checked",
                        zonemd->scheme, zonemd->algorithm);
        return BASE_OK;
    }
    return compare_digest(verifier, findings, zonemd);
}

int validate_digest_check(const struct verifier *verifier, struct base_findings *findings)
{
    const struct zone *zone = verifier->zone;
    const struct zone_rrset *rrset = zone_rrset(zone, &zone->nodes[0], DNS_TYPE_ZONEMD);
    if (rrset == NULL)
        return BASE_OK;
    uint8_t seen[65536 / 8] = {0}; /* scheme and hash algorithm, a bit each */
    for (unsigned i = 0; i < rrset->count; i++) {
        struct zonemd zonemd;
        if (!parse(verifier, findings, zone->rrs[rrset->first_rr + i], &zonemd))
            continue;
        unsigned bit = (unsigned)zonemd.scheme << 8 | zonemd.algorithm;
        bool duplicate = seen[bit / 8] >> bit % 8 & 1;
        seen[bit / 8] |= (uint8_t)(1 << bit % 8);
        int error = check_one(verifier, findings, &zonemd, duplicate);
        if (error != BASE_OK)
            return error;
    }
    return BASE_OK;
}
