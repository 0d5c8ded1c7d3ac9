/* Records in the order of their files: see source_order.h. */
#include "zone/source_order.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* A place is 12 bits of file and 32 of line: four digits, sorted from the least one up. */
#define DIGIT_BITS 11
#define DIGITS     4
#define DIGIT_MAX  (1u << DIGIT_BITS)

static uint64_t place_of(const struct dns_rr *rr)
{
    if (rr->line == 0)
        return (UINT64_C(1) << (DIGIT_BITS * DIGITS)) - 1;
    return (uint64_t)rr->file << 32 | rr->line;
}

/* Sorts by one digit; false when all have the same, and nothing was done. */
static bool sort_digit(const struct zone_source_record *from, struct zone_source_record *to,
                       size_t count, unsigned shift)
{
    size_t starts[DIGIT_MAX] = {0};
    for (size_t i = 0; i < count; i++)
        starts[(from[i].place >> shift) % DIGIT_MAX]++;
    if (starts[(from[0].place >> shift) % DIGIT_MAX] == count)
        return false;
    size_t at = 0;
    for (size_t i = 0; i < DIGIT_MAX; i++) {
        size_t here = starts[i];
        starts[i] = at;
        at += here;
    }
    for (size_t i = 0; i < count; i++)
        to[starts[(from[i].place >> shift) % DIGIT_MAX]++] = from[i];
    return true;
}

static bool collect(const struct zone *zone, struct zone_source_record *records)
{
    bool ordered = true;
    size_t at = 0;
    for (size_t i = 0; i < zone->node_count; i++) {
        const struct zone_node *node = &zone->nodes[i];
        for (unsigned j = 0; j < node->rrset_count; j++) {
            const struct zone_rrset *rrset = &zone->rrsets[node->first_rrset + j];
            for (unsigned k = 0; k < rrset->count; k++) {
                const struct dns_rr *rr = zone->rrs[rrset->first_rr + k];
                records[at] = (struct zone_source_record){
                    .place = place_of(rr), .owner = node->name, .rr = rr};
                ordered = ordered && (at == 0 || records[at - 1].place <= records[at].place);
                at++;
            }
        }
    }
    return ordered;
}

int zone_source_order(const struct zone *zone, struct zone_source_record **out)
{
    size_t count = zone->rr_count;
    struct zone_source_record *records = malloc((count + 1) * sizeof(*records));
    if (records == NULL)
        return BASE_ENOMEM;
    if (!collect(zone, records)) {
        struct zone_source_record *other = malloc(count * sizeof(*other));
        if (other == NULL) {
            free(records);
            return BASE_ENOMEM;
        }
        for (unsigned digit = 0; digit < DIGITS; digit++) {
            if (sort_digit(records, other, count, digit * DIGIT_BITS)) {
                struct zone_source_record *swap = records;
                records = other;
                other = swap;
            }
        }
        free(other);
    }
    *out = records;
    return BASE_OK;
}
