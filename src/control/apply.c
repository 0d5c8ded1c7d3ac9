/*
 * A zone with edits applied, as a whole: for zones that are not signed here, and for changes that
 * touch so much that the whole zone is signed.
 */
#include "control/internal.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* The edits of one RRset, in the order in which they were made. */
struct touched {
    const uint8_t *owner;
    uint16_t type;
    size_t first, end; /* into the sorted edits */
};

struct application {
    struct zone *base;
    const struct source_edit **edits;
    struct touched *sets;
    size_t set_count;
    struct zone_batch_writer writer;
};

static int compare_set(const uint8_t *a, uint16_t a_type, const uint8_t *b, uint16_t b_type)
{
    int order = dns_name_compare(a, b);
    return order != 0 ? order : (int)a_type - (int)b_type;
}

static int compare_rdata(const uint8_t *a, size_t a_length, const uint8_t *b, size_t b_length)
{
    int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
    return order != 0 ? order : (a_length > b_length) - (a_length < b_length);
}

/* By RRset, by record, and then in the order of their making, in which they lie. */
static int compare_edits(const void *a, const void *b)
{
    const struct source_edit *x = *(const struct source_edit *const *)a;
    const struct source_edit *y = *(const struct source_edit *const *)b;
    int order = compare_set(x->owner, x->type, y->owner, y->type);
    if (order == 0)
        order = compare_rdata(x->rdata, x->length, y->rdata, y->length);
    return order != 0 ? order : x < y ? -1 : x > y;
}

static int sort_edits(struct application *work, const struct source_edits *edits)
{
    work->edits = calloc(edits->count + 1, sizeof(*work->edits));
    work->sets = calloc(edits->count + 1, sizeof(*work->sets));
    if (work->edits == NULL || work->sets == NULL)
        return BASE_ENOMEM;
    for (size_t i = 0; i < edits->count; i++)
        work->edits[i] = &edits->items[i];
    qsort((void *)work->edits, edits->count, sizeof(*work->edits), compare_edits);
    for (size_t i = 0; i < edits->count; i++) {
        const struct source_edit *edit = work->edits[i];
        struct touched *last = work->set_count > 0 ? &work->sets[work->set_count - 1] : NULL;
        if (last == NULL || compare_set(last->owner, last->type, edit->owner, edit->type) != 0) {
            last = &work->sets[work->set_count++];
            *last = (struct touched){.owner = edit->owner, .type = edit->type, .first = i};
        }
        last->end = i + 1;
    }
    return BASE_OK;
}

static const struct touched *find_set(const struct application *work, const uint8_t *owner,
                                      uint16_t type)
{
    size_t low = 0, high = work->set_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_set(work->sets[middle].owner, work->sets[middle].type, owner, type);
        if (order == 0)
            return &work->sets[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static bool keep_untouched(void *context, const struct zone_node *node,
                           const struct zone_rrset *rrset)
{
    return find_set(context, node->name, rrset->type) == NULL;
}

static bool same_record(const struct source_edit *a, const struct source_edit *b)
{
    return compare_rdata(a->rdata, a->length, b->rdata, b->length) == 0;
}

/* Is there an edit of a record? */
static bool is_edited(const struct application *work, const struct touched *set,
                      const struct dns_rr *rr)
{
    size_t low = set->first, high = set->end;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct source_edit *edit = work->edits[middle];
        int order = compare_rdata(edit->rdata, edit->length, rr->rdata, rr->length);
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* The record that was added last of all; NULL: none was. Its TTL is the RRset's. */
static const struct source_edit *last_added(const struct application *work,
                                            const struct touched *set)
{
    const struct source_edit *last = NULL;
    for (size_t i = set->first; i < set->end; i++) {
        if (work->edits[i]->add && (last == NULL || work->edits[i] > last))
            last = work->edits[i];
    }
    return last;
}

/* Writes what an RRset is afterwards. A SOA that is added takes the place of the one before. */
static int write_set(struct application *work, const struct touched *set)
{
    const struct zone *base = work->base;
    const struct zone_node *node = zone_find(base, set->owner, NULL);
    const struct zone_rrset *old = node != NULL ? zone_rrset(base, node, set->type) : NULL;
    const struct source_edit *added = last_added(work, set);
    uint32_t ttl = added != NULL ? added->ttl : old != NULL ? old->ttl : 0;
    bool single = set->type == DNS_TYPE_SOA && added != NULL;
    bool own = set->type == DNS_TYPE_RRSIG; /* each has the TTL of what it covers */
    int error = BASE_OK;
    for (unsigned i = 0; old != NULL && !single && error == BASE_OK && i < old->count; i++) {
        const struct dns_rr *rr = base->rrs[old->first_rr + i];
        if (!is_edited(work, set, rr))
            error = zone_batch_add(&work->writer, set->owner, set->type, own ? rr->ttl : ttl,
                                   rr->rdata, rr->length);
    }
    for (size_t i = set->first; error == BASE_OK && i < set->end; i++) {
        const struct source_edit *edit = work->edits[i];
        bool last = i + 1 == set->end || !same_record(edit, work->edits[i + 1]);
        if (single ? edit == added : edit->add && last)
            error = zone_batch_add(&work->writer, set->owner, set->type, own ? edit->ttl : ttl,
                                   edit->rdata, edit->length);
    }
    return error;
}

int control_apply(struct zone *base, const struct source_edits *edits, unsigned threads,
                  struct base_findings *findings, struct zone **out)
{
    struct application work = {.base = base};
    int error = sort_edits(&work, edits);
    if (error == BASE_OK)
        error = zone_batch_writer_init(&work.writer, base->apex);
    for (size_t i = 0; error == BASE_OK && i < work.set_count; i++)
        error = write_set(&work, &work.sets[i]);
    if (error == BASE_OK) {
        struct zone_compose compose = {.base = base,
                                       .keep = keep_untouched,
                                       .context = &work,
                                       .extra = work.writer.batch,
                                       .threads = threads};
        work.writer.batch = NULL;
        error = zone_compose(&compose, findings, out);
    }
    dns_batch_free(work.writer.batch);
    free((void *)work.edits);
    free(work.sets);
    return error;
}
