/*
 * An NSEC3 chain of the zone verifier. Private to src/validate/zone_nsec3*.c.
 */
#ifndef VALIDATE_ZONE_NSEC3_H
#define VALIDATE_ZONE_NSEC3_H

#include "validate/zone_parts.h"

#include <stdatomic.h>

struct validate_nsec3_parameters {
    uint8_t algorithm;
    uint8_t salt_length;
    uint16_t iterations;
    const uint8_t *salt;
};

/* One NSEC3 record, as found. */
struct validate_nsec3 {
    uint8_t hash[CRYPTO_NSEC3_SIZE]; /* its owner */
    uint32_t node;
    const struct dns_rr *rr;
};

#define VALIDATE_NSEC3_BUCKETS 65536

struct validate_nsec3_chain {
    struct validate_nsec3_parameters parameters;
    const struct dns_rr *announced; /* its NSEC3PARAM; NULL when there is none */
    struct validate_nsec3 *records; /* by hash */
    size_t count, capacity;
    atomic_uchar *used; /* by record: it is the hash of a name */
    uint32_t *buckets;  /* by the first two octets: where such hashes begin in `records` */
    bool opt_out;       /* some record has the flag */
    atomic_size_t wrong_ttl, first_wrong_ttl; /* the latter: index of its node */
    struct base_findings found;
};

/* The parts of NSEC3 rdata. False when malformed. */
struct validate_nsec3_rdata {
    struct validate_nsec3_parameters parameters;
    uint8_t flags;
    const uint8_t *next;
    size_t next_length;
    const uint8_t *bitmap;
    size_t bitmap_length;
};
bool validate_nsec3_parse(const struct dns_rr *rr, struct validate_nsec3_rdata *out);

/* Checks that the chain is closed and has each name of the zone. Findings go to chain->found. */
int validate_nsec3_chain_check(struct verifier *verifier, struct validate_nsec3_chain *chain);

#endif
