/*
 * Signing a zone: denial chain and signatures, all of it or only what changed.
 */
#ifndef SIGN_SIGN_H
#define SIGN_SIGN_H

#include "base/clock.h"
#include "crypto/keydir.h"
#include "sign/policy.h"
#include "zone/zone.h"

struct sign_request {
    struct zone *zone; /* DNSSEC records in it are dropped and remade */
    const struct sign_policy *policy;
    const struct crypto_zone_key *keys; /* of this zone; private halves of those that sign */
    size_t key_count;
    struct zone *previous; /* the last signed version, or NULL: its good signatures are kept */
    /* The serial that was published last though its version is not there any more: the new one must
     * be greater. NULL: none. Not looked at when there is 'previous'. */
    const uint32_t *published;
    bool new_keys; /* allow keys of which none is in the previous version's DNSKEY set */
    base_time now;
    unsigned threads;
    void (*progress)(void *context, size_t done, size_t all); /* signatures; may be NULL */
    void *progress_context;
};

struct sign_result {
    struct zone *zone; /* signed; the caller releases it */
    size_t signatures_made;
    size_t signatures_kept;
    size_t chain_records; /* NSEC or NSEC3 */
    uint32_t serial;
    base_time earliest_expiry; /* of any signature */
    base_time next_resign;     /* when the first must be refreshed */
};

/* Signs. Findings explain every refusal (BASE_EREFUSED): no usable key, tag collision, a TTL
 * longer than the refresh margin, an algorithm that does not sign everything, ... BASE_ENOENT,
 * without findings: the private halves are elsewhere and that place is gone. */
int sign_zone(const struct sign_request *request, struct base_findings *findings,
              struct sign_result *result);

#endif
