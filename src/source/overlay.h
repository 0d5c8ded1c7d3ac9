/*
 * The zone as it will be: a view of the version that is published, under the edits gathered so far.
 * Names are read from the view when they are first asked for, once; from then on they are looked up
 * by hash. Private to src/source.
 */
#ifndef SOURCE_OVERLAY_H
#define SOURCE_OVERLAY_H

#include "source/update.h"

/* Types that one name can be given; more are refused (BASE_ELIMIT). */
#define SOURCE_TYPES_MAX 1024
/* Records that one RRset can be given. */
#define SOURCE_RECORDS_MAX 65000

struct source_name;

/* A record that is there, or once was. */
struct source_record {
    const uint8_t *rdata;
    const uint8_t *canonical; /* may be `rdata` */
    struct source_set *set;
    struct source_record *previous, *next; /* of those present in the set */
    uint64_t hash;
    uint32_t stamp; /* for whoever counts: see source_overlay_stamp */
    uint16_t length;
    bool present;
};

struct source_set {
    struct source_name *name;
    struct source_record *first, *last;
    uint32_t ttl;
    uint32_t count; /* present records; may be 0 */
    uint32_t matched, stamp;
    uint16_t type;
};

struct source_name {
    const uint8_t *owner;
    struct source_set **sets; /* by type, ascending */
    uint32_t hash;
    uint32_t stamp;
    uint32_t used; /* present records but for RRSIG and NSEC: the name is in use */
    unsigned set_count, set_capacity;
};

/* The name, read from the view when it is new. Errors of the view, BASE_ENOMEM. */
int source_overlay_name(struct source_edits *edits, const struct zone_view *view,
                        const uint8_t *owner, struct source_name **out);
/* NULL when there never was one. It may be empty. */
struct source_set *source_overlay_set(const struct source_name *name, uint16_t type);
/* Present records of a type. */
uint32_t source_overlay_count(const struct source_name *name, uint16_t type);
/* The record, by its canonical rdata; NULL when it is not there. */
struct source_record *source_overlay_find(struct source_edits *edits, const struct source_set *set,
                                          const uint8_t *rdata, size_t length);
/* Adds a record, or gives the RRset another TTL, and makes an edit of it; nothing when the record
 * is there with this TTL. BASE_ELIMIT, BASE_ENOMEM. */
int source_overlay_add(struct source_edits *edits, struct source_name *name, uint16_t type,
                       uint32_t ttl, const uint8_t *rdata, size_t length);
/* Removes a record that is present. `quiet`: without an edit, since another one implies it. */
int source_overlay_remove(struct source_edits *edits, struct source_record *record, bool quiet);
/* Removes all of an RRset. */
int source_overlay_empty(struct source_edits *edits, struct source_set *set);

/* A number that no stamp in the overlay has yet. */
uint32_t source_overlay_stamp(struct source_edits *edits);
/* From here on changes can be taken back. */
void source_overlay_begin(struct source_edits *edits);
/* Edits made since. */
size_t source_overlay_changes(const struct source_edits *edits);
/* Takes them back. */
void source_overlay_undo(struct source_edits *edits);

#endif
