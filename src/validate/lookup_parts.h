/*
 * What the parts of a look-up share. Private to src/validate/lookup*.c and explain.c.
 *
 * A pass judges the question from the top with the packets that are there. Its nodes, findings and
 * hops are a draft, thrown away when something is still missing; packets, checked signatures,
 * proofs and zones' keys stay with the look-up.
 */
#ifndef VALIDATE_LOOKUP_PARTS_H
#define VALIDATE_LOOKUP_PARTS_H

#include "validate/denial.h"
#include "validate/trust.h"

/* A query and what came for it. */
struct lookup_packet {
    struct validate_query query;
    bool given, arrived;
    bool usable; /* arrived, answers the question, NOERROR, NXDOMAIN or YXDOMAIN */
    struct validate_message message;
    const char *server; /* NULL: unknown */
    /* Not usable: */
    enum base_finding_code problem;
    int ede;
    const char *why;
    struct lookup_packet *next;
};

/* What a pass knows of a name: a verdict on the chain that leads to it. */
enum lookup_verdict {
    LOOKUP_PENDING, /* queries are out */
    LOOKUP_SECURE,
    LOOKUP_INSECURE,
    LOOKUP_NO_CUT, /* of names asked for as zones: no zone begins here, provably */
    LOOKUP_INDETERMINATE,
    LOOKUP_BOGUS,
    LOOKUP_ERROR,
};

struct lookup_state {
    const uint8_t *name;
    enum lookup_verdict verdict;
    struct validate_chain
        *chain; /* SECURE, INSECURE (may be NULL: negative anchor); of the zone that
                 * proved NO_CUT, or should have proved it (BOGUS; may be NULL) */
    uint32_t node;
    uint32_t finding; /* the one to name as the cause; VALIDATE_NO_CAUSE */
    bool absent;      /* NO_CUT: the name does not exist, so nothing is below it (RFC 8020) */
    struct lookup_state *next;
};

/* A signature that does not verify, for which a cause is looked for at the end. */
struct lookup_mismatch {
    const struct validate_group *group;
    const struct dns_record *record; /* the RRSIG */
    const struct validate_signature *signature;
    struct validate_chain *chain; /* the zone; a reference */
    struct lookup_mismatch *next;
};

struct lookup_finding {
    struct validate_finding finding;
    const char *remedy; /* who must do what, as the second half of a sentence; NULL */
    const struct lookup_mismatch *mismatch; /* NULL */
};

struct lookup_pass {
    struct base_arena arena;
    struct lookup_state *states; /* newest first */
    struct validate_node *nodes;
    size_t node_count, node_capacity;
    struct lookup_finding *findings;
    size_t finding_count, finding_capacity;
    struct validate_hop *hops;
    size_t hop_count, hop_capacity;
    const struct validate_records *answer;
    size_t answer_count;
    enum validate_answer_kind kind;
    const uint8_t *insecure;
    struct lookup_mismatch *mismatches;
    uint16_t rcode;
    bool skewed;
};

struct lookup_chain {
    struct validate_chain *chain;
    struct lookup_chain *next;
};

enum lookup_denied {
    LOOKUP_DENIED_NAME,
    LOOKUP_DENIED_TYPE,
    LOOKUP_DENIED_CLOSER,
    LOOKUP_DENIED_DS
};

/* A proof that was tried: hashes cost, so each is tried once. */
struct lookup_proof {
    const struct lookup_packet *packet;
    const struct validate_chain *chain;
    enum lookup_denied kind;
    const uint8_t *name;
    unsigned detail; /* type, or labels */
    struct validate_denial_proof proof;
    struct validate_group *groups[4]; /* used by it */
    size_t group_count;
    struct validate_group *bad; /* a record with a bad signature; NULL */
    const struct validate_checked *bad_checked;
    size_t seen; /* NSEC and NSEC3 sets in the packet */
    uint32_t ttl;
    base_time expiry;
    struct lookup_proof *next;
};

struct lookup_note {
    enum base_finding_code code;
    const char *server, *message;
    struct lookup_note *next;
};

struct validate_lookup {
    struct base_arena arena;
    const struct validate_anchors *anchors;
    bool no_proof;
    struct validate_trust *trust;
    const uint8_t *name;
    uint16_t type;
    struct validate_work work;
    struct lookup_packet *packets, **packets_end;
    unsigned query_count;
    size_t octets;
    unsigned hashes_left;
    struct lookup_chain *chains;
    struct lookup_proof *proofs;
    struct lookup_note *notes, **notes_end;
    const struct validate_result *result;
    struct validate_chain *only; /* comparing: the zone that the packet is from, nothing is asked */
    int error;                   /* sticks: BASE_ENOMEM */
    struct lookup_pass pass;
};

/* --- lookup.c --- */

/* The packet of a query, which is asked now if it was not before. NULL: it cannot be asked
 * (queries are spent, no memory, comparing): the pass ends without it. */
struct lookup_packet *lookup_need(struct validate_lookup *lookup, const uint8_t *name,
                                  uint16_t type);
/* Did it come? NULL is allowed. */
static inline bool lookup_here(const struct lookup_packet *packet)
{
    return packet != NULL && packet->arrived;
}
/* NULL, and lookup->error set, without memory. Of the look-up, or of the pass. */
void *lookup_alloc(struct validate_lookup *lookup, struct base_arena *arena, size_t size);
/* Notes an error; true when there is none. */
bool lookup_ok(struct validate_lookup *lookup, int error);
/* The name as text, in the pass's memory; never NULL. */
const char *lookup_text(struct validate_lookup *lookup, const uint8_t *name);

/* --- lookup_draft.c --- */

uint32_t lookup_node(struct validate_lookup *lookup, const struct validate_node *node);
/* The node from which what the zone's keys sign grows; of insecure ones, where security ends. */
uint32_t lookup_chain_node(struct validate_lookup *lookup, struct validate_chain *chain);
/* A node for one group with what is known of its signatures. */
struct lookup_group_node {
    enum validate_node_kind kind;
    enum lookup_verdict verdict;
    uint32_t parent;
    struct validate_group *group;
    const struct validate_checked *checked; /* NULL: not checked */
    const uint8_t *zone;                    /* NULL: unknown */
    const char *note;
};
uint32_t lookup_group_node(struct validate_lookup *lookup, const struct lookup_group_node *what);
/* A node for a proof. */
uint32_t lookup_proof_node(struct validate_lookup *lookup, const struct lookup_proof *proof,
                           enum lookup_verdict verdict, uint32_t parent);
enum validate_status lookup_status(enum lookup_verdict verdict);

struct lookup_problem {
    enum base_finding_code code;
    int ede;
    const uint8_t *name;
    uint16_t type; /* 0: none */
    uint32_t node;
    uint32_t cause;
    const char *server;
    const char *remedy;
    const struct lookup_mismatch *mismatch;
};
/* Adds a finding to the draft; its index, which can be a cause. */
uint32_t lookup_report(struct validate_lookup *lookup, const struct lookup_problem *problem,
                       const char *format, ...) __attribute__((format(printf, 3, 4)));
void lookup_hop(struct validate_lookup *lookup, const struct validate_hop *hop);

/* Going back: what was drafted after a mark is dropped. */
struct lookup_mark {
    size_t nodes, findings, hops;
    struct lookup_state *states;
};
struct lookup_mark lookup_mark(const struct validate_lookup *lookup);
void lookup_back(struct validate_lookup *lookup, const struct lookup_mark *mark);

/* --- lookup_zone.c --- */

/* What is known of `name` as a zone. `hint`: something says that it is one, so that its keys can be
 * asked for at once. */
struct lookup_state *lookup_zone(struct validate_lookup *lookup, const uint8_t *name, bool hint);
/* From the anchor down to `name`, a label at a time: the zone that encloses it, or where security
 * ends, or what is wrong on the way. */
struct lookup_state *lookup_walk(struct validate_lookup *lookup, const uint8_t *name);
/* The anchor for data at `name` of `type` (DS is the parent's); NULL. */
const struct validate_anchor *lookup_anchor(const struct validate_lookup *lookup,
                                            const uint8_t *name, uint16_t type);
/* Is there a negative anchor over it? Then the state to use. */
struct lookup_state *lookup_negative(struct validate_lookup *lookup, const uint8_t *name);
/* The zones that may have signed something, best first, and how far they were tried. */
#define LOOKUP_SIGNERS 4
struct lookup_signers {
    const uint8_t *names[LOOKUP_SIGNERS];
    size_t count, at;
    bool pending;
    const uint8_t *insecure,
        *failed; /* the first in which security ended, or the chain is broken */
};
/* Those that a group names. `strict`: only those above the owner. */
struct lookup_signers lookup_signers(struct validate_lookup *lookup,
                                     const struct validate_group *group,
                                     const struct validate_anchor *anchor, bool strict);
/* The next one whose keys are trusted; NULL: no more. Others leave nothing in the draft. */
struct lookup_state *lookup_next_signer(struct validate_lookup *lookup,
                                        struct lookup_signers *signers);
/* When none of them helped: what stood in the way of one; NULL: nothing did. */
struct lookup_state *lookup_obstacle(struct validate_lookup *lookup,
                                     const struct lookup_signers *signers);
/* The earliest expiry of a chain's signatures; 0: none. */
base_time lookup_chain_expiry(const struct validate_chain *chain);
base_time lookup_earlier(base_time a, base_time b); /* 0 is none */

/* --- lookup_keys.c --- */

/* What vouches for a zone's keys: an anchor, or a DS set that its parent signs. */
struct lookup_voucher {
    const uint8_t *name;
    const struct validate_anchor *anchor;
    struct lookup_state *up; /* of the parent */
    struct validate_group *ds;
    const struct validate_checked *checked;
};
struct lookup_state lookup_keys(struct validate_lookup *lookup,
                                const struct lookup_voucher *voucher);
/* Keeps a chain with the look-up and, when it may be used again, in the store. Takes over the
 * reference. */
void lookup_keep(struct validate_lookup *lookup, struct validate_chain *chain);

/* --- lookup_denial.c --- */

/* Tries a proof with the NSEC and NSEC3 of a packet that the zone signed. NULL: no memory. */
const struct lookup_proof *lookup_prove(struct validate_lookup *lookup,
                                        struct lookup_packet *packet, struct validate_chain *chain,
                                        enum lookup_denied kind, const uint8_t *name,
                                        unsigned detail);
/* The zones that the denial records of a packet say they are of. */
struct lookup_signers lookup_denial_signers(struct validate_lookup *lookup,
                                            struct lookup_packet *packet, const uint8_t *name,
                                            const struct validate_anchor *anchor, bool strict);

/* --- lookup_answer.c --- */

/* Judges the whole question. */
enum lookup_verdict lookup_question(struct validate_lookup *lookup);

/* --- lookup_set.c --- */

/* One RRset of an answer. */
struct lookup_judged {
    enum lookup_verdict verdict;
    const struct validate_checked *checked; /* SECURE */
    struct validate_chain *chain;           /* that it was judged by; NULL */
    const struct lookup_proof *closer;      /* of a wildcard */
    uint32_t node;
    uint32_t ttl;
    base_time expiry;
};
struct lookup_judged lookup_set(struct validate_lookup *lookup, struct lookup_packet *packet,
                                struct validate_group *group, enum validate_node_kind kind);

/* --- mismatch.c --- */

/* Looks why signatures of the draft's findings do not verify, by tries that fail, within the budget
 * of these, and says so in the findings. */
void lookup_find_causes(struct validate_lookup *lookup);

/* --- explain.c --- */

/* Text in the pass's memory, cut after 1 KiB; never NULL. */
const char *lookup_format(struct validate_lookup *lookup, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Each says what is wrong and gives the finding's index. */
uint32_t lookup_explain_packet(struct validate_lookup *lookup, const struct lookup_packet *packet);
/* An RRset whose signatures do not help. `chain`: the zone that it is in; `up` its finding. */
uint32_t lookup_explain_set(struct validate_lookup *lookup, const struct lookup_packet *packet,
                            struct validate_group *group, const struct validate_checked *checked,
                            const struct validate_chain *chain, uint32_t node);
uint32_t lookup_explain_proof(struct validate_lookup *lookup, const struct lookup_packet *packet,
                              const struct lookup_proof *proof, const struct validate_chain *chain,
                              const uint8_t *name, uint16_t type, uint32_t node);
/* Remedies and messages of a signature that does not verify: `why` is what is known of it. */
void lookup_tell_mismatch(struct validate_lookup *lookup, struct lookup_finding *finding,
                          const char *why, bool by_signer);
/* The result's sentence, in the pass's memory. */
const char *lookup_sentence(struct validate_lookup *lookup, const struct validate_result *result);

#endif
