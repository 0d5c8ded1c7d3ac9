/*
 * Runs of records in canonical order: see assemble.h. Most zone files are in order, and then one
 * pass over the keys says so and nothing is moved. Otherwise references to the runs are
 * distributed over buckets by a sample of the keys, and each bucket is sorted on its own, eight
 * octets of the keys at a time.
 */
#include "base/error.h"
#include "base/reader.h"
#include "base/thread.h"
#include "zone/assemble.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SLICE_RUNS        32768 /* runs that one call of a worker goes over */
#define BUCKET_RUNS       10000 /* about that many are sorted together: they fit a level 2 cache */
#define BUCKETS_MAX       1024
#define SAMPLES_BY_BUCKET 16
#define INSERTION_MAX     12
#define SLOTS             4096

uint64_t zone_key_prefix(const uint8_t *key, size_t length)
{
    if (length >= 8)
        return (uint64_t)base_load_u32(key) << 32 | base_load_u32(key + 4);
    uint64_t prefix = 0;
    for (size_t i = 0; i < length; i++)
        prefix |= (uint64_t)key[i] << (56 - 8 * i);
    return prefix;
}

static int compare_keys(const struct dns_run *a, const struct dns_run *b)
{
    size_t length = a->key_length < b->key_length ? a->key_length : b->key_length;
    int order = memcmp(a->key, b->key, length);
    return order != 0 ? order : (int)a->key_length - (int)b->key_length;
}

/* Memory that goes back to the system when it is freed, which malloc does not promise. */
static void *take_pages(size_t bytes)
{
    void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages == MAP_FAILED ? NULL : pages;
}

static void free_pages(void *pages, size_t bytes)
{
    if (pages != NULL)
        munmap(pages, bytes);
}

/* A run's place in its batch, while it is sorted. */
struct run_ref {
    uint64_t prefix;
    uint32_t batch;
    uint32_t index; /* what follows is or'ed in */
};
#define RUN_SAME     0x80000000u /* same owner as the run before */
#define RUN_WILDCARD 0x40000000u
#define RUN_INDEX    0x3fffffffu

/* A stretch of one batch. */
struct slice {
    uint32_t batch;
    uint32_t first;
    uint32_t end;
    size_t outside; /* runs without a key */
    bool ordered;
};

struct ordering {
    struct zone_runs *runs;
    unsigned threads;
    struct slice *slices;
    size_t slice_count;
    const struct dns_run **splitters; /* bucket_count - 1, ascending */
    size_t bucket_count;
    size_t *cursors;       /* by slice and bucket: where its next reference goes */
    size_t *buckets;       /* references in each bucket */
    struct run_ref **refs; /* by bucket */
    struct run_ref **spare;
    size_t *spare_size; /* by worker */
};

static int cut_slices(struct ordering *ordering)
{
    struct zone_runs *runs = ordering->runs;
    size_t count = 0;
    /* All batch_count batches are there; the analyzer cannot follow that. */
    for (size_t i = 0; i < runs->batch_count; i++) /* NOLINTNEXTLINE(clang-analyzer-core.*) */
        count += (runs->batches[i]->run_count + SLICE_RUNS - 1) / SLICE_RUNS;
    free(ordering->slices);
    ordering->slices = calloc(count + 1, sizeof(*ordering->slices));
    ordering->slice_count = count;
    if (ordering->slices == NULL)
        return BASE_ENOMEM;
    size_t position = 0, at = 0;
    for (size_t i = 0; i < runs->batch_count; i++) {
        size_t run_count = runs->batches[i]->run_count;
        position += run_count;
        for (size_t first = 0; first < run_count; first += SLICE_RUNS) {
            size_t end = run_count - first > SLICE_RUNS ? first + SLICE_RUNS : run_count;
            ordering->slices[at++] = (struct slice){
                .batch = (uint32_t)i, .first = (uint32_t)first, .end = (uint32_t)end};
        }
    }
    runs->count = position;
    return BASE_OK;
}

/* The run before a slice's first; NULL when there is none. */
static const struct dns_run *run_before(const struct zone_runs *runs, const struct slice *slice)
{
    if (slice->first > 0)
        return &runs->batches[slice->batch]->runs[slice->first - 1];
    for (size_t i = slice->batch; i-- > 0;) {
        if (runs->batches[i]->run_count > 0)
            return &runs->batches[i]->runs[runs->batches[i]->run_count - 1];
    }
    return NULL;
}

/* Finds out if a slice is in order, and marks runs that have the owner of the run before. */
static int scan_slice(void *context, size_t index, unsigned worker)
{
    struct ordering *ordering = context;
    struct slice *slice = &ordering->slices[index];
    struct dns_run *all = ordering->runs->batches[slice->batch]->runs;
    const struct dns_run *previous = run_before(ordering->runs, slice);
    slice->outside = 0;
    slice->ordered = true;
    for (uint32_t i = slice->first; i < slice->end; i++) {
        struct dns_run *run = &all[i];
        run->flags = 0;
        if (run->key == NULL) {
            slice->outside++;
            slice->ordered = false;
            continue;
        }
        if (slice->ordered && previous != NULL && previous->key != NULL) {
            int order = compare_keys(previous, run);
            if (order > 0)
                slice->ordered = false;
            else if (order == 0)
                run->flags = ZONE_RUN_SAME_FLAG;
        }
        previous = run;
    }
    return BASE_OK;
}

static void report_outside(const struct dns_run *run, const struct zone *zone,
                           struct base_findings *findings)
{
    char owner[DNS_NAME_TEXT], type[DNS_TYPE_TEXT], apex[DNS_NAME_TEXT];
    const struct dns_rr *rr = run->first;
    for (uint32_t i = 0; i < run->count; i++, rr = dns_rr_next(rr)) {
        if (!base_findings_wants(findings, ZONE_OUT_OF_ZONE)) {
            base_findings_count(findings, ZONE_OUT_OF_ZONE);
            continue;
        }
        struct base_place place = zone_place(zone, run->name, rr, owner, type);
        base_findings_add(findings, ZONE_OUT_OF_ZONE, &place,
                          "%s is not within the zone %s; its %s record is left out", owner,
                          dns_name_text(apex, zone->apex), type);
    }
}

/* Takes the runs out that are not within the zone. */
static void remove_outside(struct zone_runs *runs, const struct zone *zone,
                           struct base_findings *findings)
{
    for (size_t i = 0; i < runs->batch_count; i++) {
        struct dns_batch *batch = runs->batches[i];
        size_t kept = 0;
        for (size_t j = 0; j < batch->run_count; j++) {
            if (batch->runs[j].key == NULL)
                report_outside(&batch->runs[j], zone, findings);
            else
                batch->runs[kept++] = batch->runs[j];
        }
        batch->run_count = kept;
    }
}

static int scan(struct ordering *ordering, size_t *outside, bool *ordered)
{
    int error = cut_slices(ordering);
    if (error == BASE_OK)
        error = base_parallel(ordering->threads, ordering->slice_count, scan_slice, ordering);
    *outside = 0;
    *ordered = true;
    for (size_t i = 0; error == BASE_OK && i < ordering->slice_count; i++) {
        *outside += ordering->slices[i].outside;
        *ordered = *ordered && ordering->slices[i].ordered;
    }
    return error;
}

/* Sorting. */

static void merge_sort(struct run_ref *refs, size_t count, struct run_ref *spare)
{
    if (count <= INSERTION_MAX) {
        for (size_t i = 1; i < count; i++) {
            struct run_ref ref = refs[i];
            size_t j = i;
            for (; j > 0 && refs[j - 1].prefix > ref.prefix; j--)
                refs[j] = refs[j - 1];
            refs[j] = ref;
        }
        return;
    }
    size_t half = count / 2;
    merge_sort(refs, half, spare);
    merge_sort(refs + half, count - half, spare);
    if (refs[half - 1].prefix <= refs[half].prefix)
        return;
    memcpy(spare, refs, half * sizeof(*refs));
    struct run_ref *left = spare, *left_end = spare + half;
    struct run_ref *right = refs + half, *right_end = refs + count;
    while (left < left_end && right < right_end) {
        /* No branch on the comparison: it could not be predicted. */
        bool take_right = right->prefix < left->prefix;
        *refs++ = take_right ? *right : *left;
        right += take_right;
        left += !take_right;
    }
    memcpy(refs, left, (size_t)(left_end - left) * sizeof(*refs));
}

/* Sorts references whose keys are spread over a range: first into slots of the range, so that
 * little is left to be done in each. `spare` has room for all. */
static void slot_sort(struct run_ref *refs, size_t count, struct run_ref *spare)
{
    uint64_t least = UINT64_MAX, most = 0;
    for (size_t i = 0; i < count; i++) {
        least = refs[i].prefix < least ? refs[i].prefix : least;
        most = refs[i].prefix > most ? refs[i].prefix : most;
    }
    unsigned shift = 0;
    while ((most - least) >> shift >= SLOTS)
        shift++;
    uint32_t ends[SLOTS] = {0};
    for (size_t i = 0; i < count; i++)
        ends[(refs[i].prefix - least) >> shift]++;
    uint32_t end = 0;
    for (size_t i = 0; i < SLOTS; i++)
        ends[i] = end += ends[i];
    /* From the last one down, so that equals keep their order. */
    memcpy(spare, refs, count * sizeof(*refs));
    for (size_t i = count; i-- > 0;)
        refs[--ends[(spare[i].prefix - least) >> shift]] = spare[i];
    for (size_t i = 0; i < SLOTS; i++) {
        size_t slot_end = i + 1 < SLOTS ? ends[i + 1] : count;
        merge_sort(refs + ends[i], slot_end - ends[i], spare);
    }
}

static const struct dns_run *run_of(const struct zone_runs *runs, const struct run_ref *ref)
{
    return &runs->batches[ref->batch]->runs[ref->index & RUN_INDEX];
}

/* Sorts by the keys from octet `depth` on, where the prefixes are already loaded from; the prefixes
 * are the same afterwards. A key has at most DNS_KEY_MAX octets, which bounds the recursion. */
static void sort_refs(const struct zone_runs *runs, struct run_ref *refs, size_t count,
                      size_t depth, struct run_ref *spare)
{
    if (count >= SLOTS / 4 && count <= UINT32_MAX)
        slot_sort(refs, count, spare);
    else
        merge_sort(refs, count, spare);
    size_t end;
    for (size_t first = 0; first < count; first = end) {
        uint64_t prefix = refs[first].prefix;
        for (end = first + 1; end < count && refs[end].prefix == prefix;)
            end++;
        if (end - first < 2)
            continue;
        /* Two zeros at the end: all of these keys are over, and equal. */
        if ((prefix & 0xffff) == 0) {
            for (size_t i = first + 1; i < end; i++)
                refs[i].index |= RUN_SAME;
            continue;
        }
        size_t deeper = depth + 8;
        for (size_t i = first; i < end; i++) {
            const struct dns_run *run = run_of(runs, &refs[i]);
            size_t left = run->key_length > deeper ? run->key_length - deeper : 0;
            refs[i].prefix = zone_key_prefix(run->key + (left > 0 ? deeper : 0), left);
        }
        sort_refs(runs, refs + first, end - first, deeper, spare);
        for (size_t i = first; i < end; i++)
            refs[i].prefix = prefix;
    }
}

static int compare_samples(const void *a, const void *b)
{
    return compare_keys(*(const struct dns_run *const *)a, *(const struct dns_run *const *)b);
}

static int choose_splitters(struct ordering *ordering)
{
    const struct zone_runs *runs = ordering->runs;
    size_t buckets = runs->count / BUCKET_RUNS + 1;
    if (buckets > BUCKETS_MAX)
        buckets = BUCKETS_MAX;
    size_t samples = buckets * SAMPLES_BY_BUCKET;
    const struct dns_run **sample = malloc(samples * sizeof(const struct dns_run *));
    if (sample == NULL)
        return BASE_ENOMEM;
    ordering->bucket_count = buckets;
    ordering->splitters = sample;
    if (buckets == 1)
        return BASE_OK;
    size_t batch = 0, batch_at = 0; /* position of the batch's first run */
    for (size_t i = 0; i < samples; i++) {
        size_t position = i * (runs->count / samples);
        while (position - batch_at >= runs->batches[batch]->run_count)
            batch_at += runs->batches[batch++]->run_count;
        sample[i] = &runs->batches[batch]->runs[position - batch_at];
    }
    qsort(sample, samples, sizeof(const struct dns_run *), compare_samples);
    for (size_t i = 0; i + 1 < buckets; i++)
        sample[i] = sample[(i + 1) * SAMPLES_BY_BUCKET];
    return BASE_OK;
}

/* The number of splitters that are not after the run. */
static size_t find_bucket(const struct ordering *ordering, const uint64_t *prefixes,
                          const struct dns_run *run)
{
    uint64_t prefix = zone_key_prefix(run->key, run->key_length);
    size_t low = 0, high = ordering->bucket_count - 1;
    while (low < high) {
        size_t middle = (low + high) / 2;
        bool not_after = /* NOLINTNEXTLINE(clang-analyzer-core.*): all prefixes are filled */
            prefixes[middle] < prefix ||
            (prefixes[middle] == prefix && compare_keys(ordering->splitters[middle], run) <= 0);
        if (not_after)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Counts how many runs of a slice go into each bucket, and keeps the choice in the run's flags. */
static int classify_slice(void *context, size_t index, unsigned worker)
{
    struct ordering *ordering = context;
    const struct slice *slice = &ordering->slices[index];
    struct dns_run *all = ordering->runs->batches[slice->batch]->runs;
    size_t *counts = ordering->cursors + index * ordering->bucket_count;
    uint64_t prefixes[BUCKETS_MAX];
    for (size_t i = 0; i + 1 < ordering->bucket_count; i++)
        prefixes[i] =
            zone_key_prefix(ordering->splitters[i]->key, ordering->splitters[i]->key_length);
    for (uint32_t i = slice->first; i < slice->end; i++) {
        size_t bucket = find_bucket(ordering, prefixes, &all[i]);
        all[i].flags = (uint16_t)bucket;
        counts[bucket]++;
    }
    return BASE_OK;
}

/* Counts to places: in each bucket the slices in order. */
static int place_buckets(struct ordering *ordering)
{
    for (size_t bucket = 0; bucket < ordering->bucket_count; bucket++) {
        size_t position = 0;
        for (size_t slice = 0; slice < ordering->slice_count; slice++) {
            size_t *cursor = &ordering->cursors[slice * ordering->bucket_count + bucket];
            size_t count = *cursor;
            *cursor = position;
            position += count;
        }
        ordering->buckets[bucket] = position;
        ordering->refs[bucket] = take_pages((position + 1) * sizeof(struct run_ref));
        if (ordering->refs[bucket] == NULL)
            return BASE_ENOMEM;
    }
    return BASE_OK;
}

static int distribute_slice(void *context, size_t index, unsigned worker)
{
    struct ordering *ordering = context;
    const struct slice *slice = &ordering->slices[index];
    const struct dns_run *all = ordering->runs->batches[slice->batch]->runs;
    size_t *cursors = ordering->cursors + index * ordering->bucket_count;
    for (uint32_t i = slice->first; i < slice->end; i++) {
        unsigned bucket = all[i].flags;
        ordering->refs[bucket][cursors[bucket]++] = (struct run_ref){
            .prefix = zone_key_prefix(all[i].key, all[i].key_length),
            .batch = slice->batch,
            .index = i | (zone_key_is_wildcard(all[i].key, all[i].key_length) ? RUN_WILDCARD : 0),
        };
    }
    return BASE_OK;
}

static int sort_bucket(void *context, size_t index, unsigned worker)
{
    struct ordering *ordering = context;
    size_t count = ordering->buckets[index];
    if (ordering->spare_size[worker] < count + 1) {
        free(ordering->spare[worker]);
        ordering->spare_size[worker] = 0;
        ordering->spare[worker] = malloc((count + 1) * sizeof(struct run_ref));
        if (ordering->spare[worker] == NULL)
            return BASE_ENOMEM;
        ordering->spare_size[worker] = count + 1;
    }
    sort_refs(ordering->runs, ordering->refs[index], count, 0, ordering->spare[worker]);
    return BASE_OK;
}

/* Brings the runs of a bucket together, and gives the references back. */
static int gather_bucket(void *context, size_t index, unsigned worker)
{
    struct ordering *ordering = context;
    struct zone_runs *runs = ordering->runs;
    const struct run_ref *refs = ordering->refs[index];
    size_t count = ordering->buckets[index];
    struct zone_run *sorted = take_pages((count + 1) * sizeof(*sorted));
    if (sorted == NULL)
        return BASE_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        if (i + 16 < count)
            __builtin_prefetch(run_of(runs, &refs[i + 16]));
        const struct dns_run *run = run_of(runs, &refs[i]);
        sorted[i] = (struct zone_run){.name = run->name,
                                      .first = run->first,
                                      .prefix = refs[i].prefix,
                                      .count = run->count,
                                      .same = (refs[i].index & RUN_SAME) != 0,
                                      .wildcard = (refs[i].index & RUN_WILDCARD) != 0};
    }
    runs->parts[index].sorted = sorted;
    runs->parts[index].size = (count + 1) * sizeof(*sorted);
    runs->starts[index + 1] = count; /* summed up later */
    free_pages(ordering->refs[index], (count + 1) * sizeof(struct run_ref));
    ordering->refs[index] = NULL;
    return BASE_OK;
}

static int make_parts(struct zone_runs *runs, size_t count)
{
    runs->parts = calloc(count + 1, sizeof(*runs->parts));
    runs->starts = calloc(count + 1, sizeof(*runs->starts));
    if (runs->parts == NULL || runs->starts == NULL)
        return BASE_ENOMEM;
    runs->part_count = count;
    return BASE_OK;
}

/* Turns the lengths of the parts into their starts. */
static void place_parts(struct zone_runs *runs)
{
    for (size_t i = 0; i < runs->part_count; i++) {
        runs->parts[i].pending = runs->starts[i + 1];
        runs->starts[i + 1] += runs->starts[i];
    }
}

/* The batches are the parts when all is in order. */
static int use_batches(struct zone_runs *runs)
{
    int error = make_parts(runs, runs->batch_count);
    if (error != BASE_OK)
        return error;
    for (size_t i = 0; i < runs->batch_count; i++) {
        runs->parts[i].plain = runs->batches[i]->runs;
        runs->parts[i].keys = &runs->batches[i]->keys;
        runs->starts[i + 1] = runs->batches[i]->run_count;
        runs->batches[i]->runs = NULL;
    }
    place_parts(runs);
    return BASE_OK;
}

static int allocate(struct ordering *ordering, unsigned workers)
{
    ordering->cursors = calloc(ordering->slice_count * ordering->bucket_count + 1, sizeof(size_t));
    ordering->buckets = calloc(ordering->bucket_count + 1, sizeof(size_t));
    ordering->refs = calloc(ordering->bucket_count + 1, sizeof(struct run_ref *));
    ordering->spare = calloc(workers + 1, sizeof(struct run_ref *));
    ordering->spare_size = calloc(workers + 1, sizeof(size_t));
    if (ordering->cursors == NULL || ordering->buckets == NULL || ordering->refs == NULL ||
        ordering->spare == NULL || ordering->spare_size == NULL)
        return BASE_ENOMEM;
    return make_parts(ordering->runs, ordering->bucket_count);
}

static void free_ordering(struct ordering *ordering, unsigned workers)
{
    bool filled = ordering->refs != NULL && ordering->buckets != NULL;
    for (size_t i = 0; filled && i < ordering->bucket_count; i++)
        free_pages(ordering->refs[i], (ordering->buckets[i] + 1) * sizeof(struct run_ref));
    for (unsigned i = 0; ordering->spare != NULL && i < workers; i++)
        free(ordering->spare[i]);
    free(ordering->slices);
    free(ordering->splitters);
    free(ordering->cursors);
    free(ordering->buckets);
    free(ordering->refs);
    free(ordering->spare);
    free(ordering->spare_size);
}

/* Keys are freed as soon as the sorting is done, and runs when they are gathered: at no time is
 * all of it there together with the arrays of the zone. */
static int sort_runs(struct ordering *ordering, unsigned workers)
{
    struct zone_runs *runs = ordering->runs;
    int error = choose_splitters(ordering);
    if (error == BASE_OK)
        error = allocate(ordering, workers);
    if (error == BASE_OK)
        error = base_parallel(workers, ordering->slice_count, classify_slice, ordering);
    if (error == BASE_OK)
        error = place_buckets(ordering);
    if (error == BASE_OK)
        error = base_parallel(workers, ordering->slice_count, distribute_slice, ordering);
    if (error == BASE_OK)
        error = base_parallel(workers, ordering->bucket_count, sort_bucket, ordering);
    size_t freed = 0;
    for (size_t i = 0; error == BASE_OK && i < runs->batch_count; i++) {
        freed += runs->batches[i]->keys.reserved;
        base_arena_free(&runs->batches[i]->keys);
    }
    base_memory_trim(freed);
    if (error == BASE_OK)
        error = base_parallel(workers, ordering->bucket_count, gather_bucket, ordering);
    if (error != BASE_OK)
        return error;
    for (size_t i = 0; i < runs->batch_count; i++) {
        free(runs->batches[i]->runs);
        runs->batches[i]->runs = NULL;
    }
    place_parts(runs);
    return BASE_OK;
}

static int collect_batches(struct zone_runs *runs, struct dns_batch *batches)
{
    size_t count = 0;
    for (struct dns_batch *batch = batches; batch != NULL; batch = batch->next)
        count++;
    runs->batches = calloc(count + 1, sizeof(struct dns_batch *));
    if (runs->batches == NULL) {
        dns_batches_free(batches); /* held nowhere else */
        return BASE_ENOMEM;
    }
    bool too_many = count >= UINT32_MAX;
    while (batches != NULL) {
        struct dns_batch *next = batches->next;
        batches->next = NULL;
        too_many = too_many || batches->run_count > RUN_INDEX;
        runs->batches[runs->batch_count++] = batches;
        batches = next;
    }
    return too_many ? BASE_ELIMIT : BASE_OK;
}

int zone_runs_order(struct zone_runs *runs, struct dns_batch *batches, const struct zone *zone,
                    unsigned threads, struct base_findings *findings)
{
    memset(runs, 0, sizeof(*runs));
    struct ordering ordering = {.runs = runs, .threads = threads};
    size_t outside = 0;
    bool ordered = true;
    unsigned workers = base_thread_count(threads);
    int error = collect_batches(runs, batches);
    if (error == BASE_OK)
        error = scan(&ordering, &outside, &ordered);
    if (error == BASE_OK && outside > 0) {
        remove_outside(runs, zone, findings);
        error = scan(&ordering, &outside, &ordered);
    }
    if (error == BASE_OK)
        error = ordered ? use_batches(runs) : sort_runs(&ordering, workers);
    free_ordering(&ordering, workers);
    return error;
}

/* Use. */

/* The part that a position lies in. */
static size_t find_part(const struct zone_runs *runs, size_t position)
{
    size_t low = 0, high = runs->part_count;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (runs->starts[middle] <= position)
            low = middle;
        else
            high = middle;
    }
    return low;
}

struct zone_run_cursor zone_run_cursor(const struct zone_runs *runs, size_t first, size_t end)
{
    return (struct zone_run_cursor){.runs = runs,
                                    .position = first,
                                    .end = end,
                                    .part = first < end ? find_part(runs, first) : 0};
}

struct zone_run zone_runs_at(const struct zone_runs *runs, size_t position)
{
    struct zone_run_cursor cursor = zone_run_cursor(runs, position, position + 1);
    return zone_run_here(&cursor);
}

static void free_part(struct zone_run_part *part)
{
    free(part->plain);
    free_pages(part->sorted, part->size);
    if (part->keys != NULL)
        base_arena_free(part->keys);
    *part = (struct zone_run_part){0};
}

void zone_runs_done(struct zone_runs *runs, size_t first, size_t end)
{
    if (first >= end)
        return;
    for (size_t i = find_part(runs, first); first < end; i++) {
        size_t stop = runs->starts[i + 1] < end ? runs->starts[i + 1] : end;
        if (stop <= first)
            continue;
        if (__atomic_sub_fetch(&runs->parts[i].pending, stop - first, __ATOMIC_ACQ_REL) == 0)
            free_part(&runs->parts[i]);
        first = stop;
    }
}

void zone_runs_free(struct zone_runs *runs, struct zone_storage *storage)
{
    for (size_t i = 0; i < runs->part_count; i++)
        free_part(&runs->parts[i]);
    for (size_t i = 0; i < runs->batch_count; i++) {
        if (storage != NULL)
            base_arena_absorb(&storage->arena, &runs->batches[i]->records);
        dns_batch_free(runs->batches[i]);
    }
    free(runs->batches);
    free(runs->parts);
    free(runs->starts);
    memset(runs, 0, sizeof(*runs));
}
