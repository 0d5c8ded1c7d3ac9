/*
 * What the parts of the gate for changes share: the names that a change lists, what stands between
 * them in the version before, and what each name is before and after. Private to
 * src/validate/delta*.c; docs/design/delta-gate.md tells why looking at these is enough.
 */
#ifndef VALIDATE_DELTA_PARTS_H
#define VALIDATE_DELTA_PARTS_H

#include "validate/delta.h"
#include "validate/zone_nsec3.h"

enum delta_side { DELTA_OLD, DELTA_NEW };

/* What a name has, NSEC3 and its signatures left out. */
struct delta_look {
    struct validate_survey survey;
    bool ns, ds, dname;
};

/* What a name that is not occluded itself does to those below. */
enum delta_kind { DELTA_NOTHING, DELTA_CUT, DELTA_DNAME };

/* What stands between a listed name and the next one in the version before, and so in both. */
struct delta_gap {
    const uint8_t *any;          /* the first owner; NULL: nothing */
    const uint8_t *first, *last; /* names of the denial chain; NULL: none */
};

/* A name that the change lists. */
struct delta_name {
    const uint8_t *name;
    const struct zone_node *nodes[2]; /* by side; NULL: does not own anything there */
    struct delta_look looks[2];
    enum validate_role roles[2];
    enum delta_kind kinds[2];
    struct delta_gap gap;
    const uint8_t *next; /* the name that follows it in the new chain, whether it is in or not */
};

struct delta_hash {
    uint8_t hash[CRYPTO_NSEC3_SIZE];
    const struct zone_node *nodes[2]; /* with NSEC3; NULL: none */
    const uint8_t *first, *last;      /* hashes in the gap behind it; NULL: none */
    const uint8_t *next, *previous;   /* in the new chain; NULL: there are none */
    bool wanted;                      /* a name that was looked at needs it */
    bool unwanted;                    /* a name that was looked at has this hash and needs none */
};

#define DELTA_DEPTHS (DNS_LABELS_MAX + 1)

struct delta_check {
    struct verifier verifier; /* of the names as they are afterwards */
    const struct zone_view *view;
    const struct zone_delta *delta;
    struct base_arena arena;
    struct delta_name *names; /* in canonical order; names[0] is the apex */
    size_t count;
    struct delta_hash *hashes; /* ascending */
    size_t hash_count;
    /* The last name looked up in the view, by its labels: names come in order, so that ancestors
     * are mostly asked for again. */
    struct {
        const uint8_t *name;
        struct delta_look look;
    } cache[DELTA_DEPTHS];
    bool unsupported; /* only the whole zone can tell */
};

/* Lists the names of the change, and finds out what they are. */
int delta_scope_make(struct delta_check *check);
/* The listed name, or the first behind where it would be: see names[] (may be check->count). */
size_t delta_lower_bound(const struct delta_check *check, const uint8_t *name);
struct delta_name *delta_listed(const struct delta_check *check, const uint8_t *name);
/* What any name is on a side. */
int delta_role(struct delta_check *check, enum delta_side side, const uint8_t *name,
               enum validate_role *role);
/* The name of the new chain that follows any name, which needs not exist; the apex at the end. */
int delta_chain_after(struct delta_check *check, const uint8_t *name, const uint8_t **out);
/* Does a record belong to the NSEC3 space? */
bool delta_of_hash(uint16_t type, const uint8_t *rdata, size_t length);
/* The hash that an owner is; false: it is none. */
bool delta_hash_of(const struct delta_check *check, const uint8_t *name,
                   uint8_t hash[CRYPTO_NSEC3_SIZE]);

/* The parts. Errors of the view, BASE_ENOMEM. */
int delta_check_before(struct delta_check *check);
int delta_check_below(struct delta_check *check);
int delta_check_nsec(struct delta_check *check);
int delta_check_nsec3(struct delta_check *check);

#endif
