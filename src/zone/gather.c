/* The records of one name in order: see gather.h. */
#include "zone/gather.h"

#include "base/error.h"
#include "dns/rdata.h"

#include <stdlib.h>
#include <string.h>

#define INSERTION_MAX 16

bool zone_gather_grow(struct zone_gather *gather)
{
    size_t capacity = gather->capacity ? gather->capacity * 2 : 64;
    const struct dns_rr **rrs = realloc(gather->rrs, capacity * sizeof(const struct dns_rr *));
    if (rrs == NULL)
        return false;
    gather->rrs = rrs;
    gather->capacity = capacity;
    return true;
}

static int compare(const struct dns_rr *a, const struct dns_rr *b)
{
    if (a->type != b->type)
        return (int)a->type - (int)b->type;
    return a == b ? 0 : dns_rdata_compare(a, b);
}

static int note_duplicate(struct zone_gather *gather, const struct dns_rr *first,
                          const struct dns_rr *again)
{
    if (gather->duplicate_count == gather->duplicate_capacity) {
        size_t capacity = gather->duplicate_capacity ? gather->duplicate_capacity * 2 : 16;
        struct zone_duplicate *duplicates =
            realloc(gather->duplicates, capacity * sizeof(*duplicates));
        if (duplicates == NULL)
            return BASE_ENOMEM;
        gather->duplicates = duplicates;
        gather->duplicate_capacity = capacity;
    }
    gather->duplicates[gather->duplicate_count++] =
        (struct zone_duplicate){.first = first, .again = again};
    return BASE_OK;
}

/* For the few records that most names have: one comparison each when they are in order. */
static int insert_all(struct zone_gather *gather)
{
    const struct dns_rr **rrs = gather->rrs;
    size_t kept = 0;
    for (size_t i = 0; i < gather->count; i++) {
        const struct dns_rr *rr = rrs[i];
        size_t at = kept;
        int order = 1;
        while (at > 0 && (order = compare(rr, rrs[at - 1])) < 0)
            at--;
        if (at > 0 && order == 0) {
            int error = note_duplicate(gather, rrs[at - 1], rr);
            if (error != BASE_OK)
                return error;
            continue;
        }
        memmove(rrs + at + 1, rrs + at, (kept - at) * sizeof(const struct dns_rr *));
        rrs[at] = rr;
        kept++;
    }
    gather->count = kept;
    return BASE_OK;
}

static void merge_sort(const struct dns_rr **rrs, size_t count, const struct dns_rr **spare)
{
    if (count < 2)
        return;
    size_t half = count / 2;
    merge_sort(rrs, half, spare);
    merge_sort(rrs + half, count - half, spare);
    if (compare(rrs[half - 1], rrs[half]) <= 0)
        return;
    memcpy(spare, rrs, half * sizeof(const struct dns_rr *));
    size_t left = 0, right = half, out = 0;
    while (left < half && right < count) {
        if (compare(rrs[right], spare[left]) < 0)
            rrs[out++] = rrs[right++];
        else
            rrs[out++] = spare[left++];
    }
    memcpy(rrs + out, spare + left, (half - left) * sizeof(const struct dns_rr *));
}

static int drop_duplicates(struct zone_gather *gather)
{
    const struct dns_rr **rrs = gather->rrs;
    size_t kept = 1;
    for (size_t i = 1; i < gather->count; i++) {
        if (compare(rrs[kept - 1], rrs[i]) == 0) {
            int error = note_duplicate(gather, rrs[kept - 1], rrs[i]);
            if (error != BASE_OK)
                return error;
        } else {
            rrs[kept++] = rrs[i];
        }
    }
    gather->count = kept;
    return BASE_OK;
}

int zone_gather_order(struct zone_gather *gather)
{
    gather->duplicate_count = 0;
    if (gather->count < 2)
        return BASE_OK;
    if (gather->count <= INSERTION_MAX)
        return insert_all(gather);
    const struct dns_rr **spare =
        realloc(gather->spare, gather->capacity * sizeof(const struct dns_rr *));
    if (spare == NULL)
        return BASE_ENOMEM;
    gather->spare = spare;
    merge_sort(gather->rrs, gather->count, spare);
    return drop_duplicates(gather);
}

void zone_gather_free(struct zone_gather *gather)
{
    free(gather->rrs);
    free(gather->spare);
    free(gather->duplicates);
    memset(gather, 0, sizeof(*gather));
}
