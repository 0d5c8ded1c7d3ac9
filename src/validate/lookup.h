/*
 * Validating one question: a state machine without sockets, threads and clocks. It asks for
 * queries, takes packets, and ends in a result. Whoever drives it sends each query to a resolver
 * (RD, CD and DO set) or to whatever else has answers, and hands back what came.
 *
 * Everything is judged on demand: what is missing becomes a query, and the judgement is made again
 * when it has come. Work is bounded by budgets; one that is spent ends in ERROR with its name.
 */
#ifndef VALIDATE_LOOKUP_H
#define VALIDATE_LOOKUP_H

#include "validate/anchors.h"
#include "validate/result.h"

/* Named budgets; 0 means the default, which is given behind each. */
struct validate_budgets {
    unsigned rrset_verifications;  /* 8: signature verifications for one RRset */
    unsigned tag_keys;             /* 4: keys tried for one tag */
    unsigned ds_pairs;             /* 8: DS compared with keys, of one delegation */
    unsigned verifications;        /* 128: of one question */
    unsigned failed_verifications; /* 16 of these */
    unsigned nsec3_hashes;         /* 16: of one question */
    unsigned nsec3_iterations;     /* 50: more is INSECURE (RFC 9276) */
    unsigned alias_hops;           /* 12 */
    unsigned queries;              /* 64 */
    size_t packet_octets;          /* 512 KiB in all */
};

struct validate_options {
    const struct validate_anchors *anchors; /* outlives the lookups */
    struct validate_budgets budgets;
    bool legacy;   /* algorithms 5 and 7 and digest 1 count as supported */
    uint32_t skew; /* seconds by which clocks may differ; 0: none. Used is reported */
    bool no_proof; /* leave nodes out of the result: only verdict, data and findings; no search for
                    * why a signature does not verify */
};

/* Zone keys and insecure delegations that earlier lookups found, with a bound in octets. Belongs to
 * one thread; outlives its lookups. Entries hold until their TTL and signatures end. */
struct validate_trust;
int validate_trust_new(size_t octets, struct validate_trust **out); /* 0: 1 MiB. BASE_ENOMEM */
void validate_trust_free(struct validate_trust *trust);
void validate_trust_clear(struct validate_trust *trust); /* when anchors changed */

struct validate_lookup;

/* Starts. `trust` may be NULL. BASE_ENOMEM; BASE_EINVAL: a meta type other than ANY. */
int validate_lookup_new(const struct validate_options *options, struct validate_trust *trust,
                        const uint8_t *name, uint16_t type, base_time now,
                        struct validate_lookup **out);
void validate_lookup_free(struct validate_lookup *lookup); /* NULL allowed */

struct validate_query {
    uint32_t id;         /* of this query in this lookup; not a DNS ID */
    const uint8_t *name; /* stays as long as the lookup */
    uint16_t type;
};
/* The next query that has not been given out yet. False: none now. */
bool validate_lookup_next(struct validate_lookup *lookup, struct validate_query *out);

enum validate_reply_kind {
    VALIDATE_REPLY_PACKET,
    VALIDATE_REPLY_SILENCE, /* nobody answered in time */
    VALIDATE_REPLY_FAILED,  /* could not be asked; `why` */
};
struct validate_reply {
    enum validate_reply_kind kind;
    const uint8_t *packet; /* a whole DNS message; the ID is the driver's affair. Copied */
    size_t length;
    const char *why;    /* in words; NULL */
    const char *server; /* who answered, for people; NULL */
};
/* Hands in what came for a query; a second reply to it is ignored. BASE_ENOMEM; BASE_EINVAL: no
 * such query. */
int validate_lookup_reply(struct validate_lookup *lookup, uint32_t id,
                          const struct validate_reply *reply, base_time now);
/* Adds a finding of the driver's to those of the judgement: about how answers were come by ("the
 * resolver strips signatures"); `server` may be NULL. No effect when it is done. BASE_ENOMEM */
int validate_lookup_note(struct validate_lookup *lookup, enum base_finding_code code,
                         const char *server, const char *message);
/* NULL as long as replies are missing. The lookup's; take a reference to keep it. */
const struct validate_result *validate_lookup_result(struct validate_lookup *lookup);
/* Ends it now, as ERROR that says `why` ("the time of 5 s is over"); no effect when it is done. */
void validate_lookup_end(struct validate_lookup *lookup, const char *why);

/* Judges one packet by keys that a finished lookup of the same options has trusted, without asking
 * more: is this server's answer to (name, type) as good as the resolver's? For comparing the
 * servers of a zone. BASE_ENOENT: the zone's keys are not in `trust`. */
int validate_lookup_compare(const struct validate_options *options, struct validate_trust *trust,
                            const uint8_t *zone, const uint8_t *name, uint16_t type,
                            const struct validate_reply *reply, base_time now,
                            const struct validate_result **out);

#endif
