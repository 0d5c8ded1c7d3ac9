/*
 * One RRset against the keys of one zone (RFC 4035 section 5.3), within budgets.
 */
#ifndef VALIDATE_RRSET_H
#define VALIDATE_RRSET_H

#include "base/buf.h"
#include "validate/lookup.h"
#include "validate/message.h"

#include "crypto/crypto.h"

/* A key of a zone's DNSKEY set. */
struct validate_zone_key {
    const uint8_t *rdata;
    uint16_t length;
    uint16_t flags;
    uint16_t tag;
    uint8_t algorithm;
    bool fit;     /* zone key, protocol 3, not revoked, supported, well formed as
                   * far as is known yet */
    bool trusted; /* a DS or an anchor vouches for it */
    bool signs;   /* a good signature over the DNSKEY set */
    struct crypto_verifier *verifier; /* made when it is first needed */
};

struct validate_zone_keys {
    const uint8_t *zone;
    struct validate_zone_key *keys;
    size_t count;
};

/* What the checks of one look-up share: its budgets, what was spent of them, its clock. */
struct validate_work {
    struct validate_budgets budgets; /* no zeros */
    bool legacy;
    uint32_t skew;
    base_time now;
    unsigned verifications, failed_verifications;
    const char *spent; /* name of the budget that ended it; NULL */
    unsigned spent_limit;
    const uint8_t *spent_at; /* where; NULL: over the question as a whole */
    uint16_t spent_type;
    struct base_buf scratch; /* what is signed */
    struct base_arena *arena;
};

/* Marks a budget as spent, at a name and type (NULL: over the question as a whole); the first one
 * is kept. */
void validate_work_spend(struct validate_work *work, const char *budget, unsigned limit,
                         const uint8_t *name, uint16_t type);
/* An algorithm that is validated here. */
bool validate_algorithm_supported(const struct validate_work *work, unsigned algorithm);

/* What was found out about one group with the keys of one zone. */
struct validate_checked {
    const uint8_t *zone;
    const struct validate_signature *signatures;
    size_t signature_count;
    bool good;               /* a signature verifies; then: */
    size_t best;             /* its index */
    const uint8_t *wildcard; /* the data came from it; NULL */
    unsigned labels;         /* of the signature */
    uint32_t ttl;            /* most seconds to keep the RRset */
    base_time expiry;
    bool skewed;                         /* good only because clocks may differ */
    const struct validate_checked *next; /* with keys of another zone, or an earlier time */
};

#define VALIDATE_SIGNATURES_SHOWN 32 /* RRSIG records of one RRset that are looked at */

/* Checks a group, or finds that it was done already. `trusted_only`: only keys that are vouched for
 * count (the DNSKEY set itself). Budgets: work->spent. BASE_ENOMEM */
int validate_rrset_check(struct validate_work *work, struct validate_group *group,
                         const struct validate_zone_keys *keys, bool trusted_only,
                         const struct validate_checked **out);
/* The fields of its signatures without trying any: verdict NOT_TRIED, or what the fields tell. */
int validate_rrset_look(struct validate_work *work, const struct validate_group *group,
                        const uint8_t *zone, const struct validate_signature **out, size_t *count);
/* The records of a group as a result shows them, in memory of `arena`, without duplicates and with
 * `ttl`. BASE_ENOMEM */
int validate_group_records(const struct validate_group *group, uint32_t ttl,
                           struct base_arena *arena, struct validate_records *out);

#endif
