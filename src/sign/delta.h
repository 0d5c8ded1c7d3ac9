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
    /* Names whose signatures are to be made anew where less than policy->refresh is left, by
     * schedule; owners of NSEC3 records are names like others. Those that are not there (any more)
     * are nothing. */
    const uint8_t *const *refresh;
    size_t refresh_count;
    const struct sign_policy *policy;
    const struct crypto_zone_key *keys;
    size_t key_count;
    base_time now;
    size_t names_max; /* most names and hashes that may be touched, and names gone over to see
                         whether anything is left below one; more is BASE_ELIMIT: sign the whole
                         zone. 0: 20 000 */
};

struct sign_delta_result {
    struct zone_delta delta;
    size_t signatures_made, signatures_kept;
    uint32_t serial;           /* of the new version */
    base_time earliest_expiry; /* of the signatures in delta.after */
    bool nothing;              /* nothing changes, and no signature of what was looked at is due: no
                                  new version, both sides of the delta are NULL */
};

/* The records are those that sign_zone with this version as `previous` gives for the edited zone,
 * as far as signatures that are due elsewhere do not matter. Names are in the delta when a record
 * of theirs changes, and when they lie below a cut or DNAME that comes or goes.
 * BASE_EREFUSED with findings, as sign_zone. BASE_ELIMIT: more names than names_max are touched.
 * BASE_EUNSUPPORTED: only the whole zone can be signed (ZONEMD by policy or there; signers, DNSKEY
 * set, denial or NSEC3 parameters that the version does not have; another TTL of negative answers;
 * a version without signatures). BASE_EINVAL: an edit outside of the zone, of a type that no zone
 * holds, with malformed rdata or a TTL over DNS_TTL_MAX; a name in `refresh` outside of the zone.
 * Errors of the view. */
int sign_delta(const struct sign_delta_request *request, struct base_findings *findings,
               struct sign_delta_result *result);

#endif
