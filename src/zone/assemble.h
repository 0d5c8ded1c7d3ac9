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

/* Where a run is, and where it belongs. */
struct zone_run_ref {
    uint64_t prefix;
    uint32_t batch;
    uint32_t index; /* below ZONE_RUN_SAME, which is or'ed in: same owner as the run before */
};
#define ZONE_RUN_SAME      0x80000000u
#define ZONE_RUN_SAME_FLAG 1u /* in dns_run.flags, for runs that are used as they lie */

/* The runs of some batches as one sequence in canonical order. */
struct zone_runs {
    struct dns_batch **batches;
    size_t batch_count;
    size_t *starts;             /* batch_count + 1: position of each batch's first run */
    size_t *pending;            /* by batch: runs not yet used up; atomic */
    struct zone_run_ref *order; /* NULL: canonical order is the order in which they lie */
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
    size_t batch; /* of `position`, when they are used as they lie */
};
struct zone_run_cursor zone_run_cursor(const struct zone_runs *runs, size_t first, size_t end);
const struct dns_run *zone_runs_at(const struct zone_runs *runs, size_t position, bool *same,
                                   uint64_t *prefix);

/* The run at the cursor, which must not be at its end. */
static inline const struct dns_run *zone_run_here(struct zone_run_cursor *cursor, bool *same,
                                                  uint64_t *prefix)
{
    const struct zone_runs *runs = cursor->runs;
    if (runs->order != NULL) {
        const struct zone_run_ref *ref = &runs->order[cursor->position];
        *same = (ref->index & ZONE_RUN_SAME) != 0;
        *prefix = ref->prefix;
        return &runs->batches[ref->batch]->runs[ref->index & ~ZONE_RUN_SAME];
    }
    while (cursor->position >= runs->starts[cursor->batch + 1])
        cursor->batch++;
    const struct dns_run *run =
        &runs->batches[cursor->batch]->runs[cursor->position - runs->starts[cursor->batch]];
    *same = (run->flags & ZONE_RUN_SAME_FLAG) != 0;
    *prefix = zone_key_prefix(run->key, run->key_length);
    return run;
}

/* Brings the memory near that is needed some runs later: after sorting they lie anywhere. */
static inline void zone_run_prefetch(const struct zone_run_cursor *cursor)
{
    const struct zone_runs *runs = cursor->runs;
    if (runs->order == NULL || cursor->end - cursor->position <= 16)
        return;
    const struct zone_run_ref *far = &runs->order[cursor->position + 16];
    __builtin_prefetch(&runs->batches[far->batch]->runs[far->index & ~ZONE_RUN_SAME]);
    const struct zone_run_ref *near = &runs->order[cursor->position + 8];
    const struct dns_run *run = &runs->batches[near->batch]->runs[near->index & ~ZONE_RUN_SAME];
    __builtin_prefetch(run->first);
    __builtin_prefetch(run->name);
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

/* Sets the flags that depend on nodes above, on all threads. */
int zone_mark_occluded(struct zone *zone, unsigned threads);

#endif
