/*
 * What the parts of the zone verifier share: the state of a run, the roles of names, passes over
 * the zone in parallel, and reporting. Private to src/validate/zone*.c; docs/design/verifier.md
 * tells how the parts work together.
 */
#ifndef VALIDATE_ZONE_PARTS_H
#define VALIDATE_ZONE_PARTS_H

#include "base/buf.h"
#include "base/error.h"
#include "crypto/crypto.h"
#include "dns/rdata.h"
#include "validate/zone.h"

/* Budgets: what a crafted file can make us do stays linear in its size. */
#define VALIDATE_KEYS_MAX            64  /* DNSKEY records looked at */
#define VALIDATE_RRSET_VERIFICATIONS 8   /* crypto operations for one RRset */
#define VALIDATE_RRSET_SIGNATURES    32  /* RRSIG records of one RRset looked at */
#define VALIDATE_TAG_KEYS            4   /* keys tried for one tag */
#define VALIDATE_DIAGNOSES           4   /* bad signatures of a slice whose cause is looked for */
#define VALIDATE_DIAGNOSIS_TRIES     12  /* crypto operations to find one cause */
#define VALIDATE_DS_PAIRS            8   /* keys compared with one DS */
#define VALIDATE_NSEC3_CHAINS        4   /* NSEC3 parameter sets looked at */
#define VALIDATE_ITERATIONS_MAX      500 /* more: the chain is not checked */
/* With more, validators treat the zone as insecure (RFC 9276). */
#define VALIDATE_ITERATIONS_INSECURE 50

#define VALIDATE_FLAG_ZONE_KEY 0x0100
#define VALIDATE_FLAG_REVOKED  0x0080
#define VALIDATE_FLAG_SEP      0x0001

/* What a stored name is to DNSSEC. From VALIDATE_ROLE_CUT on names are in the denial chain. */
enum validate_role {
    VALIDATE_ROLE_NOTHING,    /* nothing but RRSIG, NSEC, NSEC3: the name itself does not exist */
    VALIDATE_ROLE_HIDDEN,     /* below a cut or a DNAME: glue or occluded data */
    VALIDATE_ROLE_CUT,        /* a delegation without DS */
    VALIDATE_ROLE_CUT_SECURE, /* a delegation with DS */
    VALIDATE_ROLE_DATA,       /* authoritative data */
};

/* What a name has, seen in one look over its RRsets. */
struct validate_survey {
    bool data; /* anything but RRSIG, NSEC, NSEC3 */
    bool nsec, nsec3;
    size_t rrsigs;
};
/* `flags`: enum zone_node_flag. `depth`: labels below the apex; matters for hashed owners only. */
enum validate_role validate_role_of(const struct validate_survey *survey, unsigned flags,
                                    unsigned depth);

struct validate_key {
    const struct dns_rr *rr;
    uint16_t flags;
    uint16_t tag;
    uint8_t algorithm;
    bool supported; /* an algorithm that we validate */
    bool parsed;    /* supported and well-formed */
    bool usable;    /* may verify zone data: parsed, zone key, protocol 3, not revoked */
    bool signs_dnskey;
    bool signs_self;  /* a valid signature by it over the DNSKEY set, usable or not */
    size_t good, bad; /* signatures by it that verified, and that did not */
    struct crypto_verifier *context; /* made to see whether it is well-formed; the first worker
                                        takes it over, validate_keys_free frees what is left */
};

struct verifier {
    const struct zone *zone;
    const struct validate_zone_options *options;
    struct base_findings *findings; /* of the whole run; the calling thread's */
    struct validate_zone_result *result;
    unsigned threads;
    uint32_t now; /* as in RRSIG: modulo 2^32 (RFC 1982) */

    uint8_t *roles; /* enum validate_role, by node */
    size_t chain_names;
    size_t nsec_nodes;
    size_t nsec3_nodes;
    size_t rrsigs;

    struct validate_key keys[VALIDATE_KEYS_MAX]; /* by algorithm, then tag */
    size_t key_count;
    uint8_t algorithms[32]; /* of the DNSKEY set's zone keys: what every RRset needs */
    unsigned algorithm_count;
    uint32_t checked_algorithms; /* bits of those that we validate */

    bool nsec_chain;  /* NSEC is used here (else NSEC records are strays) */
    bool nsec3_chain; /* NSEC3 is used here */
    uint32_t negative_ttl;
    bool negative_ttl_known;
};

/*
 * Reporting. Places and texts are made only when the finding is kept.
 */
void validate_report(const struct verifier *verifier, struct base_findings *findings,
                     enum base_finding_code code, const uint8_t *owner, const struct dns_rr *rr,
                     const char *format, ...) __attribute__((format(printf, 6, 7)));
void validate_report_as(const struct verifier *verifier, struct base_findings *findings,
                        enum base_finding_code code, enum base_severity severity,
                        const uint8_t *owner, const struct dns_rr *rr, const char *format, ...)
    __attribute__((format(printf, 7, 8)));
/* About a record that is not there: the place names the type. */
void validate_report_type(const struct verifier *verifier, struct base_findings *findings,
                          enum base_finding_code code, const uint8_t *owner, uint16_t type,
                          const char *format, ...) __attribute__((format(printf, 6, 7)));
/* "13 (ECDSAP256SHA256)", or "99". */
#define VALIDATE_ALGORITHM_TEXT 40
const char *validate_algorithm_text(char out[VALIDATE_ALGORITHM_TEXT], unsigned algorithm);

/*
 * Passes: `work` is called for consecutive slices of `count` things, on several threads, with a
 * findings list of its own. The lists are joined in order into `into`, so that the outcome does
 * not depend on the number of threads. `first` (may be NULL) is one more piece of work, handed out
 * before the slices.
 */
struct validate_pass {
    size_t count;
    unsigned slices_per_thread;
    int (*work)(void *context, struct base_findings *findings, size_t from, size_t to,
                unsigned worker);
    int (*first)(void *context, struct base_findings *findings);
    void *context;
};
int validate_pass_run(const struct verifier *verifier, const struct validate_pass *pass,
                      struct base_findings *into);

/* The smallest index of the circle after (or before) `index` that is in the denial chain. */
size_t validate_chain_next(const struct verifier *verifier, size_t index);
size_t validate_chain_previous(const struct verifier *verifier, size_t index);

/*
 * Type bitmaps of NSEC and NSEC3, read here with a decoder of its own.
 */
enum validate_bitmap_result {
    VALIDATE_BITMAP_EQUAL,
    VALIDATE_BITMAP_OTHER,
    VALIDATE_BITMAP_MALFORMED
};
#define VALIDATE_BITMAP_TEXT 400
/* The types that the bitmap of a name must list. `extra`: the types that the chain itself adds
 * (NSEC, RRSIG); those in `ignore` are not compared (0: none). When they differ, `why` says how. */
struct validate_bitmap_want {
    const struct zone *zone;
    const struct zone_node *node; /* NULL: an empty non-terminal, no types at all */
    enum validate_role role;
    bool nsec;       /* the chain is NSEC: NSEC and RRSIG are always there */
    uint16_t ignore; /* a type that does not matter */
    bool ignore_rrsig;
};
enum validate_bitmap_result validate_bitmap_compare(const struct validate_bitmap_want *want,
                                                    const uint8_t *bitmap, size_t length,
                                                    char why[VALIDATE_BITMAP_TEXT]);

/* The parts, in the order in which they run. Findings only; errors are BASE_ENOMEM and the like. */
int validate_keys_read(struct verifier *verifier);
void validate_keys_free(struct verifier *verifier);
void validate_keys_summary(struct verifier *verifier);
void validate_ds_check(struct verifier *verifier);
/* All signatures and, at the same time, ZONEMD. */
int validate_signatures_check(struct verifier *verifier);
int validate_digest_check(const struct verifier *verifier, struct base_findings *findings);
int validate_nsec_check(struct verifier *verifier);
/* The NSEC of one node, or that it has none. `expected`: the next name of the chain, looked at only
 * where the node is in it. True when the TTL is wrong, which is told by validate_nsec_report_ttl,
 * once for all. */
bool validate_nsec_judge(const struct verifier *verifier, struct base_findings *findings,
                         size_t index, const uint8_t *expected);
void validate_nsec_report_ttl(struct verifier *verifier, size_t count, size_t first);
/* Sets the TTL that negative answers have. */
void validate_negative_ttl(struct verifier *verifier);
int validate_nsec3_check(struct verifier *verifier);
/* The first key of an algorithm and tag; NULL when none. More follow it in the array. */
struct validate_key *validate_key_find(struct verifier *verifier, unsigned algorithm, unsigned tag);

#endif
