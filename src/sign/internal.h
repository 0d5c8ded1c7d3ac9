/*
 * What the files of the signer share. The way of a zone through it:
 *
 *   keys.c    which keys are published, which sign what
 *   apex.c    the RRsets of the new apex
 *   view.c    a node as the signer sees it: what stays, what is signed, the type bitmap
 *   chain.c   the nodes of the denial chain; NSEC3: names hashed and sorted
 *   rrsig.c   one RRset's signatures, kept from the previous version or made
 *   emit.c    all nodes into the arrays of the new zone, in tasks that know where they write
 *   sign.c    the steps in order; serial and ZONEMD at the end
 *
 * A change goes the same way, with a small zone of the names that it touches: delta.h, delta.c.
 */
#ifndef SIGN_INTERNAL_H
#define SIGN_INTERNAL_H

#include "base/buf.h"
#include "base/thread.h"
#include "sign/sign.h"

#include <stdatomic.h>

/* Nodes of the input that one task takes: enough to make the hand-out cheap, few enough that
 * workers end together. */
#define SIGN_CHUNK 512

/* By whose signatures an RRset is covered. */
enum sign_role {
    SIGN_BY_NONE, /* glue, delegation NS, occluded data */
    SIGN_BY_ZONE, /* ZSK and CSK */
    SIGN_BY_KEYS, /* KSK and CSK: CDS and CDNSKEY at the apex */
    SIGN_BY_ALL,  /* these and revoked keys: the DNSKEY RRset (RFC 5011 section 2.1) */
};

/* A key that makes signatures now. */
struct sign_signer {
    const struct crypto_zone_key *key;
    bool by_keys;     /* signs DNSKEY, CDS, CDNSKEY */
    bool by_zone;     /* signs all else */
    bool revoked;     /* RFC 5011: signs the DNSKEY RRset, nothing else, and counts for nothing */
    bool in_previous; /* the previous version's DNSKEY RRset has exactly this key */
};

struct sign_keys {
    struct sign_signer *signers; /* by algorithm, then tag */
    size_t count;
    size_t keys_count, zone_count;            /* signers with by_keys, with by_zone */
    size_t revoked_count;                     /* those that are revoked */
    const struct crypto_zone_key **published; /* ours in the DNSKEY RRset */
    size_t published_count;
    const struct dns_rr **foreign; /* DNSKEYs of the input that are of other signers */
    size_t foreign_count;
};

/* An RRset as the signer sees it. */
struct sign_set {
    const struct dns_rr *const *rrs;
    uint32_t ttl;
    uint16_t type;
    uint16_t count;
    uint8_t role;  /* enum sign_role */
    bool deferred; /* signed at the end: SOA, ZONEMD */
};

/* The sets of the new apex, and what is known of them only at the end. */
struct sign_apex {
    struct sign_set *sets; /* by type */
    size_t count;
    struct dns_rr *soa;    /* its serial is written at the end */
    struct dns_rr *zonemd; /* its serial and digest likewise; NULL: none */
};

/* A member of the NSEC3 chain. */
struct sign_hash {
    uint8_t hash[CRYPTO_NSEC3_SIZE];
    uint32_t node;  /* of the input */
    uint32_t depth; /* labels to take off the node's name: > 0 for an empty non-terminal */
};
/* The depth of a member of which only the next hash is new: the types are the previous version's.
 */
#define SIGN_HASH_KEPT UINT32_MAX

/* A stretch of the merge of input nodes and NSEC3 chain, and where its output goes. */
struct sign_task {
    size_t node_begin, node_end;
    size_t hash_begin, hash_end;
    size_t out_node, out_rrset, out_rr;
    size_t signatures;
};

struct sign_worker {
    struct base_arena arena; /* records made by this worker */
    struct crypto_signer **signers;
    struct crypto_nsec3 *nsec3;
    struct base_buf data; /* what is signed */
    struct base_findings findings;
    struct sign_set *sets, *hash_sets;
    uint16_t *types;
    uint8_t rdata[DNS_NAME_MAX + 6 + 255 + CRYPTO_NSEC3_SIZE + DNS_BITMAP_MAX];
    size_t made, kept;
    size_t matched; /* records that the previous version has just so */
    size_t denials; /* NSEC or NSEC3 records in the result */
    size_t dropped; /* DNSSEC records of the input */
    base_time earliest;
};

/* Everything about one signing. Written by one thread between the parallel steps; workers write
 * nothing but their own sign_worker, their part of the output, and `done`. */
struct sign_job {
    const struct sign_request *request;
    const struct sign_policy *policy;
    const struct zone *zone;
    const struct zone *previous; /* or NULL */
    struct base_findings *findings;
    struct base_arena arena;    /* lives as long as the job */
    struct base_arena records;  /* apex records: lives as long as the result */
    uint8_t apex[DNS_NAME_MAX]; /* lower case */
    size_t apex_length;
    struct sign_keys keys;
    struct sign_apex top;
    uint32_t denial_ttl;
    bool nsec3, opt_out;
    uint32_t inception; /* of new signatures, as in an RRSIG */
    size_t max_sets;

    /* chain.c: by chunk of SIGN_CHUNK nodes */
    size_t chunk_count;
    size_t *chain_first; /* first chain node at or after the chunk's begin; node_count: none */
    size_t *chain_last;  /* last chain node before the chunk's begin; SIZE_MAX: none */
    size_t chain_records;
    size_t *hash_first; /* NSEC3: place of the chunk's first hash */
    struct sign_hash *hashes;
    size_t hash_count;

    /* A change knows of each member what follows it: by node, in lower case, and by hash. NULL: the
     * members are all there, the next is the next. */
    const uint8_t *const *next_names;
    const uint8_t *const *next_hashes;

    struct sign_task *tasks;
    size_t task_count;
    struct zone *out;
    size_t signatures; /* in the result */
    bool unchanged;    /* the result is the previous version */
    /* where the apex's deferred sets have their signatures */
    size_t soa_signatures, zonemd_signatures;

    unsigned threads;
    struct sign_worker *workers;
    atomic_size_t done;
};

/* keys.c */
/* Is the record the public half of the key? Flags may differ. */
bool sign_same_public_key(const struct crypto_zone_key *key, const struct dns_rr *rr);
int sign_choose_keys(struct sign_job *job);
bool sign_key_published(const struct crypto_zone_key *key, base_time now);
/* "KSK 13/12345" */
const char *sign_key_text(const struct crypto_zone_key *key, char out[32]);

/* apex.c */
/* Is it a DNSKEY, CDS or CDNSKEY record that stands for one of these keys? */
bool sign_record_of_keys(const struct crypto_zone_key *keys, size_t count, const struct dns_rr *rr);
int sign_make_apex(struct sign_job *job);
/* A record in `arena`, rdata not set; NULL when out of memory. */
struct dns_rr *sign_new_rr(struct base_arena *arena, uint16_t type, uint32_t ttl, size_t length);

/* serial.c */
/* RFC 1982: is `a` greater than `b`? */
bool sign_serial_greater(uint32_t a, uint32_t b);
/* The serial of a version that differs from `previous` (NULL: there is none) and was made from
 * content with serial `input`. */
uint32_t sign_serial_next(enum sign_serial policy, uint32_t input, const uint32_t *previous,
                          base_time now);

/* view.c */
/* The types that signing drops and makes anew; on the way of every RRset. */
static inline bool sign_type_dropped(uint16_t type)
{
    return type == DNS_TYPE_RRSIG || type == DNS_TYPE_NSEC || type == DNS_TYPE_NSEC3 ||
           type == DNS_TYPE_NSEC3PARAM;
}
/* Has the node anything but DNSSEC records? */
bool sign_node_live(const struct sign_job *job, size_t index);
/* Is it a member of the denial chain? */
bool sign_node_in_chain(const struct sign_job *job, size_t index);
/* What stays of a node; `sets` has room for max_sets. Returns how many. */
size_t sign_node_view(const struct sign_job *job, size_t index, struct sign_set *sets);
/* The type bitmap of a chain member with these sets. Returns its length. */
size_t sign_node_bitmap(const struct sign_job *job, size_t index, const struct sign_set *sets,
                        size_t count, uint16_t *types, uint8_t *out);

/* chain.c */
/* Checks TTLs and finds the chain's members. */
int sign_scan(struct sign_job *job);
/* NSEC3 only: hashes and sorts the members. */
int sign_hash_chain(struct sign_job *job);
/* The owner name of an NSEC3 record; returns its length. */
size_t sign_hash_name(const struct sign_job *job, const struct sign_hash *hash,
                      uint8_t out[DNS_NAME_MAX]);
/* The name whose hash it is. */
const uint8_t *sign_hash_original(const struct sign_job *job, const struct sign_hash *hash);

/* rrsig.c */
/* An owner whose sets are being signed, and the node that the previous version has for it. */
struct sign_owner {
    const uint8_t *name; /* any case */
    uint8_t labels;      /* as in an RRSIG: no root, no wildcard label */
    const struct zone_node *previous;
};
struct sign_owner sign_owner_make(const uint8_t *name, const struct zone_node *previous);
/* Is the set in the previous version with the same content and TTL? */
bool sign_set_unchanged(const struct sign_job *job, const struct sign_owner *owner,
                        const struct sign_set *set);
/* The set's signatures, in canonical order, into `out`: as many as sign_role_count. Those of keys
 * whose private half is elsewhere are filled in by sign_worker_flush at the latest: nobody may look
 * at a new signature's octets before. */
int sign_set_signatures(struct sign_job *job, struct sign_worker *worker,
                        const struct sign_owner *owner, const struct sign_set *set, bool unchanged,
                        const struct dns_rr **out);
size_t sign_role_count(const struct sign_job *job, unsigned role);
int sign_worker_flush(const struct sign_job *job, struct sign_worker *worker);

/* emit.c */
int sign_emit(struct sign_job *job);

/* sign.c */
void sign_job_init(struct sign_job *job, const struct sign_request *request,
                   struct base_findings *findings);
void sign_job_free(struct sign_job *job);
int sign_check_request(struct sign_job *job);
int sign_make_workers(struct sign_job *job);
const struct sign_set *sign_apex_set(const struct sign_job *job, uint16_t type);
/* Serial, SOA, ZONEMD. */
int sign_finish(struct sign_job *job);
/* Waits for all signatures, and gives the result the memory that its records live in. */
int sign_hand_over(struct sign_job *job);
void sign_fill_result(struct sign_job *job, struct sign_result *result);

#endif
