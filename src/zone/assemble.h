/*
 * Inside of the zone builder: putting nodes together from the nodes of a base zone and from runs of
 * records. zone_build is the case without a base. docs/design/zone.md tells the plan.
 */
#ifndef ZONE_ASSEMBLE_H
#define ZONE_ASSEMBLE_H

#include "zone/zone.h"

/* Memory in which records and names live, shared by the zones that point into it. */
struct zone_storage {
    unsigned references; /* atomic */
    struct base_arena arena;
};

struct zone_storage *zone_storage_new(void);
struct zone_storage *zone_storage_hold(struct zone_storage *storage);
void zone_storage_release(struct zone_storage *storage);

/* An empty zone with one reference; NULL when out of memory. */
struct zone *zone_new(const uint8_t *apex);
/* Gives a zone without files those of another one. The texts are shared. BASE_ENOMEM. */
int zone_copy_files(struct zone *zone, const struct zone *like);

/* The first 8 octets of a key, big endian, padded with zeros. No key holds two zeros in a row, so
 * the padding cannot be mistaken for content. */
uint64_t zone_key_prefix(const uint8_t *key, size_t length);

/* Is the first label of the name "*"? It is the last one of the key, where it is its own octet. */
static inline bool zone_key_is_wildcard(const uint8_t *key, size_t length)
{
    return length >= 2 && key[length - 2] == '*' && (length == 2 || key[length - 3] == 0);
}

/* A run with what is known of its place. */
struct zone_run {
    const uint8_t *name;
    const struct dns_rr *first;
    uint64_t prefix;
    uint32_t count;
    bool same;     /* its owner is that of the run before */
    bool wildcard; /* known from the key, so that the name need not be fetched */
};
#define ZONE_RUN_SAME_FLAG 1u /* the same in dns_run.flags, of runs that are used as they lie */

/* The runs of some batches as one sequence in canonical order: stretches of it are given back as
 * soon as they are used up. */
struct zone_run_part {
    struct dns_run *plain;   /* of a batch, used as they lie; or NULL and: */
    struct zone_run *sorted; /* owned */
    size_t size;             /* of `sorted`, in bytes */
    struct base_arena *keys; /* of the batch; NULL: freed already */
    size_t pending;          /* runs not yet used up; atomic */
};
struct zone_runs {
    struct dns_batch **batches;
    size_t batch_count;
    struct zone_run_part *parts;
    size_t *starts; /* part_count + 1: position of each part's first run */
    size_t part_count;
    size_t count;
};

/* Takes over a list of batches, and puts their runs in order. Runs outside of the zone are left
 * out, with findings. On failure the batches are still held by `runs`. */
int zone_runs_order(struct zone_runs *runs, struct dns_batch *batches, const struct zone *zone,
                    unsigned threads, struct base_findings *findings);
/* Says that the runs at [first, end) are used up: memory that nobody needs is given back. */
void zone_runs_done(struct zone_runs *runs, size_t first, size_t end);
/* Moves the records into `storage` and frees the rest. `storage` NULL: frees all. */
void zone_runs_free(struct zone_runs *runs, struct zone_storage *storage);

/* Goes over a stretch of the runs. */
struct zone_run_cursor {
    const struct zone_runs *runs;
    size_t position;
    size_t end;
    size_t part; /* that `position` is in or behind */
};
struct zone_run_cursor zone_run_cursor(const struct zone_runs *runs, size_t first, size_t end);
struct zone_run zone_runs_at(const struct zone_runs *runs, size_t position);

/* The run at the cursor, which must not be at its end. */
static inline struct zone_run zone_run_here(struct zone_run_cursor *cursor)
{
    const struct zone_runs *runs = cursor->runs;
    while (cursor->position >= runs->starts[cursor->part + 1])
        cursor->part++;
    const struct zone_run_part *part = &runs->parts[cursor->part];
    size_t index = cursor->position - runs->starts[cursor->part];
    if (part->sorted != NULL) {
        /* What was read in another order lies anywhere in memory. */
        if (cursor->position + 16 < runs->starts[cursor->part + 1])
            __builtin_prefetch(part->sorted[index + 16].first);
        return part->sorted[index];
    }
    const struct dns_run *run = &part->plain[index];
    return (struct zone_run){.name = run->name,
                             .first = run->first,
                             .prefix = zone_key_prefix(run->key, run->key_length),
                             .count = run->count,
                             .same = (run->flags & ZONE_RUN_SAME_FLAG) != 0,
                             .wildcard = zone_key_is_wildcard(run->key, run->key_length)};
}

struct zone_assembly {
    const struct zone *base; /* may be NULL */
    bool (*keep)(void *context, const struct zone_node *node, const struct zone_rrset *rrset);
    void *context;
    struct zone_runs runs;
    struct zone *zone;            /* gets the arrays */
    struct zone_storage *storage; /* gets records that had to be copied */
    bool quiet;                   /* records of a composition: findings were given before */
    unsigned threads;
};
int zone_assemble(struct zone_assembly *assembly, struct base_findings *findings);

/* Makes the zone's guide from its nodes. */
int zone_make_guide(struct zone *zone);
/* Sets the flags that depend on nodes above, on all threads. */
int zone_mark_occluded(struct zone *zone, unsigned threads);

#endif
