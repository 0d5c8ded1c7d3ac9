/*
 * Proofs of non-existence from NSEC (RFC 4035 section 5.4, RFC 6840 section 4) and NSEC3 records
 * (RFC 5155 section 8), minimal ones (RFC 4470) and compact ones (RFC 9824) included. Pure: it
 * judges records whose signatures were verified already.
 */
#ifndef VALIDATE_DENIAL_H
#define VALIDATE_DENIAL_H

#include "base/arena.h"
#include "dns/rdata.h"

/* An NSEC or NSEC3, signed by the zone, not expanded from a wildcard. */
struct validate_denial_record {
    const uint8_t *owner;
    const uint8_t *rdata;
    uint16_t length;
    uint16_t type;
};

struct validate_denial_set {
    const uint8_t *zone; /* that signed all of them */
    const struct validate_denial_record *records;
    size_t count;
    unsigned iterations_most; /* NSEC3 with more are not looked at */
    unsigned *hashes_left;    /* budget, counted down; NULL: none. Eight hashes of no iterations
                               * count as one */
    struct base_arena *arena; /* for the names that a proof points to; NULL: it has none */
};

enum validate_denial_outcome {
    VALIDATE_DENIAL_PROVED,
    VALIDATE_DENIAL_INSECURE, /* proved as far as opt-out lets it (RFC 5155 section 6): an unsigned
                               * delegation may be there; or too many iterations */
    VALIDATE_DENIAL_MISSING,  /* records are missing for the proof */
    VALIDATE_DENIAL_WRONG,    /* the records prove the contrary: the name or type is there */
    VALIDATE_DENIAL_BUDGET,   /* hashes_left is spent */
};

#define VALIDATE_DENIAL_WHY 400
struct validate_denial_proof {
    enum validate_denial_outcome outcome;
    bool nsec3;
    bool opt_out;                    /* a record used has the flag */
    bool wildcard;                   /* NODATA at the wildcard that matches the name */
    bool compact;                    /* RFC 9824: NXNAME says that the name does not exist */
    bool ent;                        /* the name is an empty non-terminal */
    bool delegation;                 /* NS without SOA in the bitmap of the name itself */
    bool excess;                     /* INSECURE because of iterations */
    const uint8_t *closest_encloser; /* NULL: unknown */
    const uint8_t *next_closer;      /* NULL: unknown */
    size_t used[4];                  /* indexes of the records that the proof needs */
    size_t used_count;
    char why[VALIDATE_DENIAL_WHY]; /* a phrase: what proves it, or what is missing or contrary */
};

/* `name` (within set->zone) does not exist, and no wildcard matches it. */
void validate_denial_of_name(const struct validate_denial_set *set, const uint8_t *name,
                             struct validate_denial_proof *proof);
/* `name` exists or is matched by a wildcard, but has no `type`, nor CNAME. For DS at a delegation
 * use validate_denial_of_ds. */
void validate_denial_of_type(const struct validate_denial_set *set, const uint8_t *name,
                             uint16_t type, struct validate_denial_proof *proof);
/* An answer for `name` came from the wildcard below the ancestor of `encloser_labels` labels: no
 * closer match exists (RFC 4035 section 5.3.4, RFC 5155 section 8.8). */
void validate_denial_of_closer(const struct validate_denial_set *set, const uint8_t *name,
                               unsigned encloser_labels, struct validate_denial_proof *proof);
/* What the parent (set->zone, strictly above `name`) says of a DS at `name`. PROVED and
 * proof->delegation: an unsigned delegation. PROVED without: no cut here (the name may be data, an
 * empty non-terminal or missing). INSECURE: opt-out. */
void validate_denial_of_ds(const struct validate_denial_set *set, const uint8_t *name,
                           struct validate_denial_proof *proof);

#endif
