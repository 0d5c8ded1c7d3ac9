/*
 * One RRSIG of the zone verifier: reading it, checking its fields against what it covers, the
 * crypto, and the search for the cause when that fails. Private to src/validate/zone*.c.
 */
#ifndef VALIDATE_ZONE_RRSIG_H
#define VALIDATE_ZONE_RRSIG_H

#include "validate/zone_parts.h"

/* The fields of RFC 4034 section 3.1; pointers into the record. */
struct validate_rrsig {
    const struct dns_rr *rr;
    uint16_t covered;
    uint8_t algorithm;
    uint8_t labels;
    uint32_t original_ttl;
    uint32_t expiration;
    uint32_t inception;
    uint16_t tag;
    const uint8_t *signer;
    size_t signer_length;
    const uint8_t *signature;
    size_t signature_length;
};

/* What one thread of work keeps: nothing is allocated per record. */
struct validate_worker {
    struct crypto_verifier *verifiers[VALIDATE_KEYS_MAX]; /* by key, made when first needed */
    size_t good[VALIDATE_KEYS_MAX], bad[VALIDATE_KEYS_MAX];
    struct base_buf data; /* what is signed */
};

/* An RRset and the node it is at. */
struct validate_set {
    const struct zone_node *node;
    const struct zone_rrset *rrset;
};

bool validate_rrsig_parse(const struct dns_rr *rr, struct validate_rrsig *out);

/* Verifies with one key, over the RRset as it is. As crypto_verify. */
int validate_rrsig_verify(const struct verifier *verifier, struct validate_worker *worker,
                          const struct validate_rrsig *rrsig, const struct validate_set *set,
                          size_t key);

/* Why does it not verify? Says it in `out`, "" when no cause was found. */
#define VALIDATE_CAUSE_TEXT 200
void validate_rrsig_diagnose(struct verifier *verifier, struct validate_worker *worker,
                             const struct validate_rrsig *rrsig, const struct validate_set *set,
                             size_t key, char out[VALIDATE_CAUSE_TEXT]);

#endif
