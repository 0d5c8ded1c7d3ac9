/*
 * Signing a change: given a signed version, looked at through a view, and records to add and
 * remove, makes what the change does to the zone, the neighbours in the denial chain and the serial
 * included. The work grows with the change, not with the zone.
 */
#ifndef SIGN_DELTA_H
#define SIGN_DELTA_H

#include "crypto/keydir.h"
#include "sign/policy.h"
#include "zone/view.h"

/* One record added or removed. Adding what is there, or removing what is not, is nothing. Records
 * of an RRset take the TTL of the one added last. DNSSEC records (RRSIG, NSEC, NSEC3, NSEC3PARAM)
 * and those that the signer puts at the apex (its DNSKEY, CDS, CDNSKEY, ZONEMD) are left out. A SOA
 * added replaces the SOA; its serial counts as that of the source. */
struct sign_edit {
    const uint8_t *owner; /* wire */
    const uint8_t *rdata; /* wire, names uncompressed */
    uint32_t ttl;
    uint16_t type;
    uint16_t length; /* of the rdata */
    bool add;        /* else remove */
};

struct sign_delta_request {
    const struct zone_view *view; /* of the version that is published: signed by these keys */
    const struct sign_edit *edits;
    size_t edit_count;
    /* Names whose signatures are to be made anew where less than policy->refresh is left (owner
     * names, and hashes of NSEC3 owners). For re-signing by schedule. */
    const uint8_t *const *refresh;
    size_t refresh_count;
    const struct sign_policy *policy;
    const struct crypto_zone_key *keys;
    size_t key_count;
    base_time now;
    size_t names_max; /* most names that may be touched; more is BASE_ELIMIT: sign the whole zone.
                         0: 20 000 */
};

struct sign_delta_result {
    struct zone_delta delta;
    size_t signatures_made, signatures_kept;
    uint32_t serial;           /* of the new version */
    base_time earliest_expiry; /* of the signatures in delta.after */
    bool nothing;              /* the edits change nothing: no new version, the delta is empty */
};

/* BASE_EREFUSED with findings, as sign_zone. BASE_ELIMIT: more names than names_max are touched.
 * BASE_EUNSUPPORTED: only the whole zone can be signed (ZONEMD by policy; keys, denial or NSEC3
 * parameters by policy that the version does not have; a version without signatures).
 * Errors of the view. */
int sign_delta(const struct sign_delta_request *request, struct base_findings *findings,
               struct sign_delta_result *result);

#endif
