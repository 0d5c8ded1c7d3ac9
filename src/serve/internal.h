/* What the files of this folder share: the query as it was read, the response being written, and
 * the work on one answer. */
#ifndef SERVE_INTERNAL_H
#define SERVE_INTERNAL_H

#include "base/error.h"
#include "crypto/crypto.h"
#include "crypto/mac.h"
#include "dns/message.h"
#include "serve/answer.h"

#include <string.h>

/* --- queries (query.c) --- */

struct serve_query {
    const uint8_t *wire;
    size_t length;
    const uint8_t *name; /* of the question, in the query; NULL: no question */
    size_t name_length;
    const uint8_t *options; /* of EDNS */
    size_t options_length;
    size_t tsig_at; /* 0: none */
    uint16_t id;
    uint16_t flags;
    uint16_t type;
    uint16_t class;
    uint16_t payload;
    uint8_t version;
    bool edns;
    bool dnssec; /* DO */
    /* Options that were asked for. */
    bool nsid;
    bool keepalive;
    bool padding;
    bool expire;
    bool expire_known; /* and the answer to it: seconds */
    uint32_t expire_in;
    const uint8_t *cookie; /* NULL: none */
    size_t cookie_length;
};

/* Reads a query with at most one question. BASE_EFORMAT: answer FORMERR. `query` holds what was
 * read, the header always. The length is at least that of a header. */
int serve_query_read(struct serve_query *query, const uint8_t *wire, size_t length);

/* --- writing (packet.c) --- */

#define SERVE_NAMES 12 /* names remembered for compression */

struct serve_packet {
    uint8_t *wire;
    size_t length;
    size_t limit;
    uint16_t counts[DNS_SECTIONS];
    unsigned name_count;
    struct {
        uint16_t places[DNS_LABELS_MAX + 1]; /* of the labels, topmost first */
        uint8_t labels;
    } names[SERVE_NAMES];
};

/* An owner: its name, and a pointer to it once it stands in the packet (0: not yet). */
struct serve_owner {
    const uint8_t *name;
    uint16_t pointer;
};

/* Starts a packet that holds header room and the question. */
void serve_packet_init(struct serve_packet *packet, uint8_t *wire, size_t limit,
                       const struct serve_query *query);
#define SERVE_TTL_KEEP UINT32_MAX
/* All records of an RRset, with signatures if wanted, or nothing of it: BASE_ESPACE. No TTL is
 * larger than `ttl_most`. */
int serve_packet_rrset(struct serve_packet *packet, enum dns_section section,
                       struct serve_owner *owner, const struct image_rrset *rrset, bool records,
                       bool rrsigs, uint32_t ttl_most);
/* One record whose rdata is a name (a CNAME that is made up). *place: where the name stands. */
int serve_packet_alias(struct serve_packet *packet, struct serve_owner *owner, uint32_t ttl,
                       const uint8_t *target, uint16_t *place);

/* --- EDNS (edns.c) --- */

enum serve_ede {
    SERVE_EDE_NONE = -1,
    SERVE_EDE_OTHER = 0,
    SERVE_EDE_EXPIRED = 7,
    SERVE_EDE_NOT_READY = 14,
    SERVE_EDE_NOT_AUTHORITATIVE = 20,
    SERVE_EDE_NOT_SUPPORTED = 21
};

struct serve_cookie {
    bool present;       /* the client has one */
    bool good;          /* and shows one of ours */
    uint8_t octets[24]; /* for the response */
};
/* BASE_EFORMAT: a length that no cookie has. */
int serve_cookie_check(struct serve_worker *worker, const struct serve_client *client,
                       const struct serve_query *query, struct serve_cookie *cookie);
/* Octets of the OPT record but for padding and an error; 0 when the query has none. */
size_t serve_edns_size(const struct serve_worker *worker, const struct serve_client *client,
                       const struct serve_query *query, const struct serve_cookie *cookie);
/* Appends it; the room is there. */
size_t serve_edns_put(const struct serve_worker *worker, const struct serve_client *client,
                      const struct serve_query *query, const struct serve_cookie *cookie,
                      unsigned rcode, int ede, uint8_t *wire, size_t length, size_t limit);
#define SERVE_EDE_SIZE 6

/* --- answers --- */

#define SERVE_PROOFS 24 /* RRsets of denial in one answer */

/* A proof that waits for the end of the answer section. */
struct serve_proof {
    struct image_rrset rrset;
    const uint8_t *labels; /* of the owner, below the apex */
    const uint8_t *apex;
    uint8_t labels_length;
    uint8_t apex_length;
};

struct serve_work {
    struct serve_worker *worker;
    const struct serve_query *query;
    struct serve_packet *packet;
    struct image_zone zone;   /* that the name is looked for in */
    struct serve_owner owner; /* the name: the question's, or where aliases have led */
    uint8_t name[DNS_NAME_MAX];
    uint8_t key[DNS_KEY_MAX]; /* of the name below the zone's apex */
    size_t key_length;
    unsigned labels; /* of the name below the zone's apex */
    unsigned hops;
    unsigned zones;                     /* that were asked */
    const uint8_t *given[SERVE_PROOFS]; /* RRsets that are in the packet */
    unsigned given_count;
    struct serve_proof proofs[SERVE_PROOFS];
    unsigned proof_count;
    unsigned rcode;
    int ede;
    uint32_t subject;   /* of struct serve_result */
    bool subject_known; /* otherwise it is the question's name */
    bool dnssec;        /* proofs and signatures are wanted, and the zone has them */
    bool authoritative;
    bool truncated;
    bool partial; /* something optional was left out */
    bool udp;
};

/* Answers work->query from the image; fills packet and flags. Errors: damage in the image, or a
 * failure of the system: SERVFAIL. */
int serve_resolve(struct serve_work *work);

/* Puts an RRset in a section. What does not fit sets `truncated` when it is needed, else `partial`,
 * and is BASE_ESPACE. */
int serve_put(struct serve_work *work, enum dns_section section, struct serve_owner *owner,
              const struct image_rrset *rrset, bool needed);
/* Is the RRset not in the packet yet? Then it is noted. */
bool serve_first_time(struct serve_work *work, const struct image_rrset *rrset);
/* Octets of the key of the ancestor with so many labels below the apex. */
size_t serve_key_prefix(const uint8_t *key, size_t length, unsigned labels);
/* The name's ancestor with so many labels below the apex. */
static inline const uint8_t *serve_ancestor(const struct serve_work *work, unsigned labels)
{
    return dns_name_parent(work->name, work->labels - labels);
}

/* Writes the proofs that wait. */
int serve_put_proofs(struct serve_work *work);

/* Proofs (denial.c), for a zone that is signed and a client that wants them. They wait
 * until serve_put_proofs. */
int serve_deny_type(struct serve_work *work, const struct image_place *place);
int serve_deny_name(struct serve_work *work, const struct image_place *place,
                    const struct image_place *wildcard);
int serve_deny_closer(struct serve_work *work, const struct image_place *place);
int serve_deny_wildcard_type(struct serve_work *work, const struct image_place *place,
                             const struct image_place *wildcard);
int serve_deny_ds(struct serve_work *work, const struct image_name *cut, unsigned labels);

/* Additional records (additional.c). */
int serve_glue(struct serve_work *work, const struct image_rrset *ns, const uint8_t *cut);
int serve_additional(struct serve_work *work, const struct image_rrset *rrset);

/* --- hot answers (cache.c) --- */

struct serve_cache;
/* What is kept beside the octets. */
struct serve_hot {
    size_t length;
    uint32_t subject; /* of struct serve_result */
    enum net_kind kind;
};
/* At most so many octets of answers, from 4096 to 2 GiB. BASE_EINVAL, BASE_ENOMEM. */
int serve_cache_new(size_t octets, struct serve_cache **out);
void serve_cache_free(struct serve_cache *cache);
/* Of a query that has a question. */
uint32_t serve_cache_hash(const struct serve_query *query, bool udp);
/* Has memory fetched that the look-up will need: first the one for all queries, then the other;
 * false when no answer is there. */
void serve_cache_fetch_bucket(const struct serve_cache *cache, uint32_t hash);
bool serve_cache_fetch_answer(const struct serve_cache *cache, uint32_t hash);
/* Looks for an answer of at most `limit` octets; copies it, with the question's case; false when
 * there is none. */
bool serve_cache_find(struct serve_worker *worker, const struct serve_query *query, uint32_t hash,
                      bool udp, uint8_t *response, size_t limit, struct serve_hot *hot);
/* Keeps an answer, if its question has come before. */
void serve_cache_keep(struct serve_worker *worker, const struct serve_query *query, uint32_t hash,
                      bool udp, const struct image_zone *zone, const uint8_t *response,
                      const struct serve_hot *hot);

/* --- what comes next (ahead.c) --- */

/* A query of the batch, as it was read. */
struct serve_coming {
    struct serve_query query;
    int error; /* of serve_query_read */
    uint32_t hash;
};
/* The query at `wire` if it was looked at ahead; each is given once. NULL: it was not. */
const struct serve_coming *serve_ahead_take(struct serve_worker *worker, const uint8_t *wire,
                                            size_t length);

struct serve_worker {
    struct serve_options options;
    struct image_reader *reader;
    struct serve_cache *cache;
    struct crypto_siphash *siphash;
    /* The NSEC3 hasher for the zone that was last asked. */
    struct crypto_nsec3 *nsec3;
    uint16_t nsec3_iterations;
    uint8_t nsec3_salt_length;
    uint8_t nsec3_salt[255];
    bool nsec3_apex_known;
    uint8_t nsec3_apex[DNS_NAME_MAX];
    uint8_t nsec3_apex_hash[CRYPTO_NSEC3_SIZE];
    struct serve_packet packet;
    struct serve_work work;
    /* Queries that were looked at and not answered yet. */
    unsigned coming_next, coming_count;
    struct serve_coming coming[SERVE_AHEAD_MAX];
};

#endif
