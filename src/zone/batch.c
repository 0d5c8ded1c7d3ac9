/* Batches made by hand: see zone.h. */
#include "base/error.h"
#include "zone/zone.h"

#include <stdlib.h>
#include <string.h>

int zone_batch_writer_init(struct zone_batch_writer *writer, const uint8_t *apex)
{
    struct dns_batch *batch = dns_batch_new(BASE_FINDINGS_PER_CODE);
    if (batch == NULL)
        return BASE_ENOMEM;
    *writer = (struct zone_batch_writer){
        .batch = batch, .apex = apex, .apex_labels = dns_name_labels(apex)};
    return BASE_OK;
}

/* True when the names in the rdata are in lower case: then it is in canonical form. */
static bool is_canonical(uint16_t type, const uint8_t *rdata, size_t length)
{
    size_t at = 0;
    for (const uint8_t *name; (name = dns_rdata_next_name(type, rdata, length, &at)) != NULL;) {
        if (!dns_name_is_lower(name))
            return false;
    }
    return true;
}

static struct dns_rr *make_rr(struct dns_batch *batch, uint16_t type, uint32_t ttl,
                              const uint8_t *rdata, size_t length)
{
    struct dns_rr *rr = base_arena_alloc(&batch->records, DNS_RR_SIZE(length));
    if (rr == NULL)
        return NULL;
    *rr = (struct dns_rr){.ttl = ttl,
                          .canonical = is_canonical(type, rdata, length),
                          .generated = 1,
                          .length = (uint16_t)length,
                          .type = type};
    if (length > 0)
        memcpy(rr->rdata, rdata, length);
    return rr;
}

static struct dns_run *new_run(struct zone_batch_writer *writer)
{
    struct dns_batch *batch = writer->batch;
    if (batch->run_count == writer->run_capacity) {
        size_t capacity =
            writer->run_capacity ? writer->run_capacity + writer->run_capacity / 2 : 64;
        struct dns_run *runs = realloc(batch->runs, capacity * sizeof(*runs));
        if (runs == NULL)
            return NULL;
        batch->runs = runs;
        writer->run_capacity = capacity;
    }
    return &batch->runs[batch->run_count];
}

/* Gives a new run a copy of its owner's name and its key. */
static int set_owner(struct zone_batch_writer *writer, struct dns_run *run, const uint8_t *owner)
{
    struct dns_batch *batch = writer->batch;
    *run = (struct dns_run){
        .name = base_arena_dup(&batch->records, owner, dns_name_length(owner)),
    };
    if (run->name == NULL)
        return BASE_ENOMEM;
    if (!dns_name_within(owner, writer->apex))
        return BASE_OK; /* no key: zone_build says that it is not within the zone */
    uint8_t key[DNS_KEY_MAX];
    run->key_length = (uint16_t)dns_name_key(key, owner, writer->apex_labels);
    run->key = base_arena_dup(&batch->keys, key, run->key_length);
    return run->key != NULL ? BASE_OK : BASE_ENOMEM;
}

int zone_batch_add(struct zone_batch_writer *writer, const uint8_t *owner, uint16_t type,
                   uint32_t ttl, const uint8_t *rdata, size_t length)
{
    struct dns_batch *batch = writer->batch;
    if (length > DNS_RDATA_MAX)
        return BASE_ERANGE;
    struct dns_run *last = batch->run_count > 0 ? &batch->runs[batch->run_count - 1] : NULL;
    bool same = last != NULL && dns_name_equal(last->name, owner);
    struct dns_run fresh;
    if (!same) {
        int error = set_owner(writer, &fresh, owner);
        if (error != BASE_OK)
            return error;
    }
    struct dns_rr *rr = make_rr(batch, type, ttl, rdata, length);
    if (rr == NULL)
        return BASE_ENOMEM;
    /* The arena may have begun a new block: then the records do not lie one behind the other. */
    if (same && (const uint8_t *)rr == writer->run_end) {
        last->count++;
    } else {
        struct dns_run *run = new_run(writer);
        if (run == NULL)
            return BASE_ENOMEM;
        *run = same ? batch->runs[batch->run_count - 1] : fresh;
        run->first = rr;
        run->count = 1;
        batch->run_count++;
    }
    writer->run_end = (const uint8_t *)rr + DNS_RR_SIZE(length);
    batch->rr_count++;
    return BASE_OK;
}
