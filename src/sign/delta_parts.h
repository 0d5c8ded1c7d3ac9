/*
 * What the files that sign changes share. The way of a change:
 *
 *   delta_names.c   the names that it touches: records before and after, what lies under what
 *   delta_ring.c    the denial chain as a ring: who comes and goes, who is next
 *   delta_chain.c   the members of the ring: names, or hashes of names and empty non-terminals
 *   delta.c         the small zones before and after, which are signed as a zone is; the result
 */
#ifndef SIGN_DELTA_PARTS_H
#define SIGN_DELTA_PARTS_H

#include "sign/delta.h"
#include "sign/internal.h"

/* What a name is, before or after. */
enum delta_state {
    DELTA_LIVE = 1, /* owns records other than those of DNSSEC */
    DELTA_NS = 2,
    DELTA_DNAME = 4,
    DELTA_DS = 8,
    DELTA_NSEC = 16,  /* only known of before */
    DELTA_OWNER = 32, /* owns anything; only known of before */
};

struct delta_records {
    const struct dns_rr **rrs;
    size_t count, capacity;
};

/* A name that was looked at. */
struct delta_name {
    const uint8_t *name; /* as the zone writes it */
    const uint8_t *key;  /* dns_name_key below the apex */
    uint16_t key_length;
    uint8_t was, is; /* enum delta_state */
    bool loaded;     /* `before` is filled */
    bool written;    /* belongs to the change */
    bool edited;
    bool asked;                  /* whether it is an empty non-terminal */
    bool pulled;                 /* lies below something that began or ceased to occlude it */
    struct delta_records before; /* NSEC3 and its signatures excepted */
    struct delta_records after;  /* without DNSSEC records; set when written */
    uint32_t node;               /* in the small zone after */
};

/* A place in the ring. */
struct delta_point {
    uint8_t key[DNS_KEY_MAX]; /* a name's key, or a hash */
    uint16_t key_length;
    uint8_t name[DNS_NAME_MAX]; /* NSEC only */
};

/* A member of the ring that is written, or was. */
struct delta_link {
    const uint8_t *key;
    uint16_t key_length;
    bool was, is;
    bool kept;                   /* NSEC3: its types stay as they are */
    struct delta_name *name;     /* that it stands for; NULL: empty non-terminal, or not known */
    struct delta_records before; /* NSEC3 and its signatures */
    const uint8_t *next;         /* next hash, or next name in lower case */
};

struct delta_job {
    const struct sign_delta_request *request;
    const struct zone_view *view;
    struct base_arena arena;
    uint8_t apex[DNS_NAME_MAX]; /* lower case */
    bool nsec3, opt_out;
    size_t limit, spent; /* names touched, and names gone over to find what is below one */
    struct crypto_nsec3 *hasher;

    struct delta_name **table; /* by hash; open addressing */
    size_t table_size, table_count;
    struct delta_name *top;    /* the apex */
    struct delta_name **names; /* those written; in canonical order after delta_names_sort */
    size_t count, capacity;

    struct delta_link *links; /* in order of the key after delta_ring_sort */
    size_t link_count, link_capacity;
};

/* --- delta_names.c --- */

int delta_names_init(struct delta_job *delta);
void delta_names_free(struct delta_job *delta);
/* What is known of a name of the zone, looked up when it is new. */
int delta_look(struct delta_job *delta, const uint8_t *name, struct delta_name **out);
/* The same, and it belongs to the change. BASE_ELIMIT: too many. */
int delta_touch(struct delta_job *delta, const uint8_t *name, struct delta_name **out);
/* Applies the request's edits, and touches what they change. */
int delta_edit(struct delta_job *delta);
/* Touches what lies below names that began or ceased to occlude. */
int delta_pull(struct delta_job *delta);
void delta_names_sort(struct delta_job *delta);
/* The topmost name above this one that occludes it, NULL: none. `after`, or before. */
int delta_cover(struct delta_job *delta, const uint8_t *name, bool after, struct delta_name **out);
/* Is it a member of the chain on its own account, after? */
int delta_is_member(struct delta_job *delta, const struct delta_name *name, bool *member);
/* Counts work against the limit. */
int delta_spend(struct delta_job *delta);
/* Appends a copy of a record. */
int delta_append(struct delta_job *delta, struct delta_records *records, uint16_t type,
                 uint32_t ttl, const uint8_t *rdata, size_t length);
int delta_append_rr(struct delta_job *delta, struct delta_records *records,
                    const struct dns_rr *rr);

static inline bool delta_is_apex(const struct delta_name *name)
{
    return name->key_length == 0;
}
/* What of a name's state occludes what is below it: DELTA_NS, DELTA_DNAME. */
static inline unsigned delta_barrier(const struct delta_name *name, unsigned state)
{
    return state & (delta_is_apex(name) ? DELTA_DNAME : DELTA_NS | DELTA_DNAME);
}
static inline bool delta_starts_with(const uint8_t *key, size_t length, const uint8_t *start,
                                     size_t start_length)
{
    return length >= start_length && memcmp(key, start, start_length) == 0;
}

/* --- delta_ring.c --- */

/* The ring before: the member directly before a place, and the one behind it. */
struct delta_ring {
    int (*before)(struct delta_job *delta, const struct delta_point *at, struct delta_point *out);
    int (*after)(struct delta_job *delta, const struct delta_point *at, struct delta_point *out);
};
/* Room for one more link, zeroed. NULL: out of memory. */
struct delta_link *delta_link_add(struct delta_job *delta);
/* Sorts the links; of two with one key the one that is kept is dropped. */
void delta_ring_sort(struct delta_job *delta);
struct delta_link *delta_link_find(const struct delta_job *delta, const uint8_t *key,
                                   size_t length);
/* Calls for the member before each link that comes or goes, when it is no link itself. It may add
 * links, which are not looked at. */
int delta_ring_neighbours(struct delta_job *delta, const struct delta_ring *ring,
                          int (*found)(struct delta_job *delta, const struct delta_point *point));
/* The member after a link in the new ring. */
int delta_ring_next(struct delta_job *delta, const struct delta_ring *ring,
                    const struct delta_link *link, struct delta_point *out);

/* --- delta_chain.c --- */

/* Finds all links, touches the names that they need, and what follows each. */
int delta_chain(struct delta_job *delta);

#endif
