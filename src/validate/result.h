/*
 * What the validator found out about one question: immutable, counted by references, the same
 * object for programs, the command, JSON and pictures. It owns all that it points to.
 *
 * Statuses are those of RFC 4035 section 4.3; ERROR is no statement about the data: there were none
 * to judge (no answer, garbage, a budget spent).
 */
#ifndef VALIDATE_RESULT_H
#define VALIDATE_RESULT_H

#include "base/clock.h"
#include "base/finding.h"
#include "dns/rdata.h"

enum validate_status {
    VALIDATE_SECURE,        /* a chain of signatures leads from a trust anchor to it */
    VALIDATE_INSECURE,      /* it is proved that no chain need be there */
    VALIDATE_BOGUS,         /* there must be a chain, and there is none */
    VALIDATE_INDETERMINATE, /* no trust anchor covers it */
    VALIDATE_ERROR,         /* nothing could be judged */
};
const char *validate_status_name(enum validate_status status); /* "secure" */

struct validate_rdata {
    const uint8_t *data; /* wire, names uncompressed, case as received */
    uint16_t length;
};

/* An RRset. */
struct validate_records {
    const uint8_t *name; /* case as received */
    uint16_t type;
    uint32_t ttl; /* as received, the smallest of its records */
    const struct validate_rdata *rdata;
    size_t count;
};

enum validate_signature_verdict {
    VALIDATE_SIGNATURE_GOOD,
    VALIDATE_SIGNATURE_NOT_TRIED,   /* another one was good */
    VALIDATE_SIGNATURE_EXPIRED,     /* RFC 4035 section 5.3.1, and so on */
    VALIDATE_SIGNATURE_FUTURE,      /* its time has not come */
    VALIDATE_SIGNATURE_NO_KEY,      /* no key of that algorithm and tag in the zone's set */
    VALIDATE_SIGNATURE_MISMATCH,    /* the mathematics say no */
    VALIDATE_SIGNATURE_SIGNER,      /* its signer is not the zone of the data */
    VALIDATE_SIGNATURE_UNSUPPORTED, /* algorithm */
    VALIDATE_SIGNATURE_MALFORMED,   /* labels, lengths, inception after expiration */
    VALIDATE_SIGNATURE_KEY_UNFIT,   /* the key is revoked, no zone key, of another protocol */
    VALIDATE_SIGNATURE_BUDGET,      /* not tried: a budget was spent */
};
const char *validate_signature_verdict_name(enum validate_signature_verdict verdict);

struct validate_signature {
    const uint8_t *signer;
    base_time inception, expiration; /* unfolded around `now` (RFC 1982) */
    uint32_t original_ttl;
    uint16_t tag;
    uint8_t algorithm;
    uint8_t labels;
    enum validate_signature_verdict verdict;
    struct validate_rdata rdata; /* the RRSIG itself; `signer` is in it */
    uint32_t set;                /* of its node, which it is over */
};

/* A key of a DNSKEY set, or of an anchor. */
struct validate_key_note {
    uint16_t tag;
    uint16_t flags;
    uint8_t algorithm;
    bool trusted; /* a DS or an anchor vouches for it */
    bool signs;   /* a good signature of it over the DNSKEY set */
};

enum validate_node_kind {
    VALIDATE_NODE_ANCHOR,   /* where trust begins: `records` has DS or DNSKEY of the anchor */
    VALIDATE_NODE_NEGATIVE, /* a negative trust anchor (RFC 7646): where it was told to end */
    VALIDATE_NODE_KEYS,     /* the DNSKEY set of a zone */
    VALIDATE_NODE_DS,       /* the DS set of a delegation */
    VALIDATE_NODE_NO_DS,    /* the proof that a delegation has none: security ends */
    VALIDATE_NODE_ALIAS,    /* CNAME, or the DNAME that a CNAME was made from */
    VALIDATE_NODE_RRSET,    /* the data asked for */
    VALIDATE_NODE_DENIAL,   /* the proof that a name, a type or a closer match is not there */
};
const char *validate_node_kind_name(enum validate_node_kind kind); /* "keys" */

#define VALIDATE_NO_NODE UINT32_MAX

/* A step of the proof. Nodes form trees that grow from anchors: a zone's keys hang on its DS or
 * anchor, data and DS hang on the keys that sign them. A denial that completes a positive answer
 * (of a wildcard) follows it with the same parent. */
struct validate_node {
    enum validate_node_kind kind;
    enum validate_status status;
    uint32_t parent;         /* index, smaller than its own; VALIDATE_NO_NODE */
    const uint8_t *name;     /* what it is about: zone, owner, or the name denied */
    uint16_t type;           /* of the data, or denied (0: the name itself) */
    const uint8_t *zone;     /* that signs it, or claims to; NULL: unknown */
    const uint8_t *wildcard; /* the data came from this wildcard (RFC 4035 section 5.3.4); NULL */
    /* The RRsets: one, but for denials, which have as many as there are NSEC or NSEC3 used. */
    const struct validate_records *sets;
    size_t set_count;
    const struct validate_signature *signatures; /* of all sets, in their order */
    size_t signature_count;
    const struct validate_key_note *keys; /* of KEYS and ANCHOR */
    size_t key_count;
    const char *note; /* one phrase for people: "covered by the NSEC of a.example."; NULL */
};

#define VALIDATE_NO_EDE   (-1)
#define VALIDATE_NO_CAUSE UINT32_MAX

struct validate_finding {
    enum base_finding_code code;
    enum base_severity severity;
    int ede;        /* info code of RFC 8914; VALIDATE_NO_EDE */
    uint32_t cause; /* index of the finding that this one follows from; VALIDATE_NO_CAUSE */
    uint32_t node;  /* VALIDATE_NO_NODE */
    const char *owner, *type; /* place; NULL: unknown */
    const char *server;       /* whose answer it is about; NULL: the resolver's or all */
    const char *message;
};

/* One name on the way from the question to the data. */
struct validate_hop {
    const uint8_t *name;
    enum validate_status status; /* of this hop alone */
    const uint8_t *target;       /* where the alias leads; NULL: the end */
    bool dname;                  /* by a DNAME */
    bool wildcard;               /* from a wildcard */
    const uint8_t *zone;         /* that it was found in, as far as known; NULL */
    uint32_t node;               /* VALIDATE_NO_NODE */
    uint32_t ttl;                /* most seconds to keep it */
    base_time expiry;            /* of its signatures, the earliest; 0: none */
};

enum validate_answer_kind {
    VALIDATE_ANSWER_NONE, /* ERROR */
    VALIDATE_ANSWER_DATA,
    VALIDATE_ANSWER_NODATA, /* the name has no such type */
    VALIDATE_ANSWER_NAME,   /* the name does not exist */
};

struct validate_result {
    enum validate_status status; /* of all hops together: the worst */
    enum validate_answer_kind kind;
    const uint8_t *name; /* the question */
    uint16_t type;
    uint16_t rcode;                  /* of the last answer */
    const struct validate_hop *hops; /* at least one unless ERROR */
    size_t hop_count;
    const struct validate_records *answer; /* of DATA, TTLs as they may be used; else NULL, and for
                                            * BOGUS always: only the nodes have what came. For type
                                            * ANY and RRSIG there may be several sets */
    size_t answer_count;
    uint32_t ttl;            /* most seconds that the result may be kept, from `now` */
    base_time now;           /* of the judgement */
    base_time expiry;        /* earliest of all signatures that it leans on; 0: none */
    const uint8_t *insecure; /* INSECURE: the name where security ends; NULL */
    const struct validate_node *nodes;
    size_t node_count;
    const struct validate_finding *findings; /* causes before what follows from them */
    size_t finding_count;
    const char *sentence; /* what is so, and, when it is wrong, who must do what by when */
    /* What it took. */
    unsigned queries, verifications, failed_verifications, nsec3_hashes;
    size_t packet_octets;
};

const struct validate_result *validate_result_ref(const struct validate_result *result);
void validate_result_unref(const struct validate_result *result); /* NULL allowed */
/* For those who make results: a copy that owns all that it points to, whatever `draft` lies in.
 * NULL: without memory. */
const struct validate_result *validate_result_copy(const struct validate_result *draft);
/* The memory that it takes, for caches. */
size_t validate_result_octets(const struct validate_result *result);

#endif
