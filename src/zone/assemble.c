/*
 * Nodes, RRsets and records of a zone from runs and from a base zone: see assemble.h.
 *
 * The sequence of names is cut into chunks. Each chunk is measured first, so that its part of the
 * zone's arrays can be no larger than what it gets; then it is made, by any thread. What duplicates
 * and dropped RRsets left free is closed up at the end.
 */
#include "zone/assemble.h"

#include "base/error.h"
#include "base/reader.h"
#include "base/thread.h"
#include "zone/gather.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define CHUNK_MIN      1024 /* names or runs */
#define CHUNK_MAX      65536
#define PAGE           4096u
#define LARGE_PAGE     (2u << 20)
#define CHUNKS_BY_HAND 32 /* chunks for each worker, so that all end at about the same time */

struct chunk {
    size_t base_first, base_end; /* nodes of the base */
    size_t run_first, run_end;
    size_t node_at, rrset_at, rr_at;          /* its part of the arrays */
    size_t node_count, rrset_count, rr_count; /* at most, then really */
    struct base_findings *findings;           /* made at the first finding */
    struct base_arena copies;
};

struct work {
    struct zone_assembly *assembly;
    struct zone *zone;
    struct chunk *chunks;
    size_t chunk_count;
    struct zone_gather *gathers; /* by worker */
    size_t per_code;
};

/* Planning. */

/* The first node of the base that is not before `name`. */
static size_t first_base_node(const struct zone *base, uint64_t prefix, const uint8_t *name)
{
    size_t low = 0, high = base->node_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct zone_node *node = &base->nodes[middle];
        if (node->key_prefix < prefix ||
            (node->key_prefix == prefix && dns_name_compare(node->name, name) < 0))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The first run that is not before a node. */
static size_t first_run(const struct zone_runs *runs, const struct zone_node *node)
{
    size_t low = 0, high = runs->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        struct zone_run run = zone_runs_at(runs, middle);
        if (run.prefix < node->key_prefix ||
            (run.prefix == node->key_prefix && dns_name_compare(run.name, node->name) < 0))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Where a chunk that shall begin at run `at` can begin: at the first run of a name. */
static size_t name_boundary(const struct zone_runs *runs, size_t at)
{
    while (at < runs->count && zone_runs_at(runs, at).same)
        at++;
    return at;
}

static int plan_chunks(struct work *work)
{
    const struct zone *base = work->assembly->base;
    const struct zone_runs *runs = &work->assembly->runs;
    size_t base_count = base != NULL ? base->node_count : 0;
    bool by_runs = runs->count > base_count;
    size_t all = by_runs ? runs->count : base_count;
    size_t size = all / (base_thread_count(work->assembly->threads) * (size_t)CHUNKS_BY_HAND);
    if (size < CHUNK_MIN)
        size = CHUNK_MIN;
    if (size > CHUNK_MAX)
        size = CHUNK_MAX;
    work->chunks = calloc(all / size + 1, sizeof(*work->chunks));
    if (work->chunks == NULL)
        return BASE_ENOMEM;
    struct chunk *chunk = &work->chunks[0];
    work->chunk_count = 1;
    for (size_t at = size; at < all; at += size) {
        size_t run_at, base_at = 0;
        if (!by_runs) {
            base_at = at;
            run_at = first_run(runs, &base->nodes[at]);
        } else {
            if (at <= chunk->run_first)
                continue;
            run_at = name_boundary(runs, at);
            if (run_at == runs->count)
                break;
            if (base_count > 0) {
                struct zone_run run = zone_runs_at(runs, run_at);
                base_at = first_base_node(base, run.prefix, run.name);
            }
        }
        chunk->run_end = run_at;
        chunk->base_end = base_at;
        chunk = &work->chunks[work->chunk_count++];
        *chunk = (struct chunk){.run_first = run_at, .base_first = base_at};
    }
    chunk->run_end = runs->count;
    chunk->base_end = base_count;
    return BASE_OK;
}

/* How much a chunk can give at most. */
static int measure_chunk(void *context, size_t index, unsigned worker)
{
    struct work *work = context;
    struct chunk *chunk = &work->chunks[index];
    const struct zone *base = work->assembly->base;
    base_arena_init(&chunk->copies, 0);
    if (chunk->base_first < chunk->base_end) {
        const struct zone_node *first = &base->nodes[chunk->base_first];
        const struct zone_node *last = &base->nodes[chunk->base_end - 1];
        size_t rrset_end = (size_t)last->first_rrset + last->rrset_count;
        const struct zone_rrset *last_set = &base->rrsets[rrset_end - 1];
        chunk->node_count = chunk->base_end - chunk->base_first;
        chunk->rrset_count = rrset_end - first->first_rrset;
        chunk->rr_count = (size_t)last_set->first_rr + last_set->count -
                          base->rrsets[first->first_rrset].first_rr;
    }
    struct zone_run_cursor cursor =
        zone_run_cursor(&work->assembly->runs, chunk->run_first, chunk->run_end);
    size_t records = 0;
    for (; cursor.position < cursor.end; cursor.position++) {
        struct zone_run run = zone_run_here(&cursor);
        records += run.count;
        chunk->node_count += !run.same;
    }
    chunk->rr_count += records;
    chunk->rrset_count += records;
    return BASE_OK;
}

/* Asks for large pages: the array will be filled from one end to the other, and then read from
 * everywhere. It is only a hint. */
static void use_large_pages(void *array, size_t size)
{
    uintptr_t first = ((uintptr_t)array + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
    uintptr_t end = ((uintptr_t)array + size) & ~(uintptr_t)(PAGE - 1);
    if (end > first && end - first >= LARGE_PAGE)
        madvise((void *)first, end - first, MADV_HUGEPAGE);
}

static int allocate(struct work *work)
{
    struct zone *zone = work->zone;
    for (size_t i = 0; i < work->chunk_count; i++) {
        struct chunk *chunk = &work->chunks[i];
        chunk->node_at = zone->node_count;
        chunk->rrset_at = zone->rrset_count;
        chunk->rr_at = zone->rr_count;
        zone->node_count += chunk->node_count;
        zone->rrset_count += chunk->rrset_count;
        zone->rr_count += chunk->rr_count;
    }
    if (zone->rr_count > UINT32_MAX)
        return BASE_ELIMIT;
    zone->nodes = malloc((zone->node_count + 1) * sizeof(*zone->nodes));
    zone->rrsets = malloc((zone->rrset_count + 1) * sizeof(*zone->rrsets));
    zone->rrs = malloc((zone->rr_count + 1) * sizeof(*zone->rrs));
    if (zone->nodes == NULL || zone->rrsets == NULL || zone->rrs == NULL)
        return BASE_ENOMEM;
    use_large_pages(zone->nodes, zone->node_count * sizeof(*zone->nodes));
    use_large_pages(zone->rrs, zone->rr_count * sizeof(*zone->rrs));
    return BASE_OK;
}

/* Making. */

struct maker {
    struct work *work;
    struct chunk *chunk;
    struct zone_node *node; /* next free place */
    size_t rrset, rr;       /* indexes of the next free places */
};

static struct base_findings *findings_of(struct maker *maker)
{
    struct chunk *chunk = maker->chunk;
    if (chunk->findings == NULL) {
        chunk->findings = malloc(sizeof(*chunk->findings));
        if (chunk->findings != NULL)
            base_findings_init(chunk->findings, maker->work->per_code);
    }
    return chunk->findings;
}

/* Adds a finding about a record. `format` gets the owner, the type and `detail`. */
__attribute__((format(printf, 5, 6))) static int
report(struct maker *maker, enum base_finding_code code, const uint8_t *owner,
       const struct dns_rr *rr, const char *format, ...)
{
    struct base_findings *findings = findings_of(maker);
    if (findings == NULL)
        return BASE_ENOMEM;
    if (!base_findings_wants(findings, code)) {
        base_findings_count(findings, code);
        return BASE_OK;
    }
    char owner_text[DNS_NAME_TEXT], type_text[DNS_TYPE_TEXT];
    struct base_place place = zone_place(maker->work->zone, owner, rr, owner_text, type_text);
    va_list args;
    va_start(args, format);
    base_findings_addv(findings, code, base_finding_info(code)->severity, &place, format, args);
    va_end(args);
    return BASE_OK;
}

static int report_duplicates(struct maker *maker, const uint8_t *owner,
                             const struct zone_gather *gather)
{
    int error = BASE_OK;
    for (size_t i = 0; i < gather->duplicate_count && error == BASE_OK; i++) {
        char type[DNS_TYPE_TEXT];
        const struct dns_rr *first = gather->duplicates[i].first;
        dns_type_text(type, first->type);
        if (first->line != 0)
            error = report(maker, ZONE_DUPLICATE_RECORD, owner, gather->duplicates[i].again,
                           "the same %s record is on line %u already; it is kept once", type,
                           first->line);
        else
            error = report(maker, ZONE_DUPLICATE_RECORD, owner, gather->duplicates[i].again,
                           "the same %s record is there twice; it is kept once", type);
    }
    return error;
}

/* The record that was written first. */
static const struct dns_rr *written_first(const struct dns_rr *const *rrs, size_t count)
{
    const struct dns_rr *first = rrs[0];
    for (size_t i = 1; i < count; i++) {
        if (rrs[i]->file < first->file ||
            (rrs[i]->file == first->file && rrs[i]->line < first->line))
            first = rrs[i];
    }
    return first;
}

/* Leaves of SOA records what a zone can have: one, at the apex. */
static int limit_soa(struct maker *maker, const struct zone_node *node, const struct dns_rr **rrs,
                     size_t *count)
{
    if (node->key_prefix != 0) {
        char apex[DNS_NAME_TEXT];
        *count = 0;
        return report(maker, ZONE_SOA_NOT_AT_APEX, node->name, rrs[0],
                      "an SOA record below the apex %s; it is left out",
                      dns_name_text(apex, maker->work->zone->apex));
    }
    if (*count == 1)
        return BASE_OK;
    const struct dns_rr *first = written_first(rrs, *count);
    char line[32] = "";
    if (first->line != 0)
        snprintf(line, sizeof(line), " (line %u)", first->line);
    int error = BASE_OK;
    for (size_t i = 0; i < *count && error == BASE_OK; i++) {
        if (rrs[i] != first)
            error =
                report(maker, ZONE_SOA_MULTIPLE, node->name, rrs[i],
                       "another SOA record, different from the first one%s; it is left out", line);
    }
    rrs[0] = first;
    *count = 1;
    return error;
}

/* Gives all records of a set the TTL of the set. Those of a base zone are shared, and copied. */
static int level_ttl(struct maker *maker, const struct dns_rr **rrs, size_t count, uint32_t ttl)
{
    for (size_t i = 0; i < count; i++) {
        if (rrs[i]->ttl == ttl)
            continue;
        struct dns_rr *own;
        if (maker->work->assembly->base == NULL) {
            own = (struct dns_rr *)(uintptr_t)rrs[i]; /* ours: it came with the batches */
        } else {
            own = base_arena_dup(&maker->chunk->copies, rrs[i], DNS_RR_SIZE(rrs[i]->length));
            if (own == NULL)
                return BASE_ENOMEM;
        }
        own->ttl = ttl;
        rrs[i] = own;
    }
    return BASE_OK;
}

static int check_ttl(struct maker *maker, const struct zone_node *node, const struct dns_rr **rrs,
                     size_t count, uint32_t *ttl)
{
    uint32_t least = rrs[0]->ttl, most = rrs[0]->ttl;
    for (size_t i = 1; i < count; i++) {
        least = rrs[i]->ttl < least ? rrs[i]->ttl : least;
        most = rrs[i]->ttl > most ? rrs[i]->ttl : most;
    }
    *ttl = least;
    /* RRSIG records of one owner are not one set: each has the TTL of what it covers. */
    if (least == most || rrs[0]->type == DNS_TYPE_RRSIG)
        return BASE_OK;
    if (!maker->work->assembly->quiet) {
        char type[DNS_TYPE_TEXT];
        int error = report(maker, ZONE_TTL_DIFFERS, node->name, written_first(rrs, count),
                           "the %s records have TTLs from %u to %u seconds; all get %u",
                           dns_type_text(type, rrs[0]->type), least, most, least);
        if (error != BASE_OK)
            return error;
    }
    return level_ttl(maker, rrs, count, least);
}

/* Adds an RRset to the node in the making. */
static int add_rrset(struct maker *maker, struct zone_node *node, const struct dns_rr **rrs,
                     size_t count)
{
    struct zone *zone = maker->work->zone;
    int error = BASE_OK;
    uint16_t type = rrs[0]->type;
    if (type == DNS_TYPE_SOA)
        error = limit_soa(maker, node, rrs, &count);
    if (count > UINT16_MAX) {
        char text[DNS_TYPE_TEXT];
        error = report(maker, ZONE_RRSET_TOO_LARGE, node->name, rrs[UINT16_MAX],
                       "%zu %s records; %u are kept, the others left out", count,
                       dns_type_text(text, type), UINT16_MAX);
        count = UINT16_MAX;
    }
    uint32_t ttl = 0;
    if (error == BASE_OK && count > 0)
        error = check_ttl(maker, node, rrs, count, &ttl);
    if (error != BASE_OK || count == 0)
        return error;
    zone->rrsets[maker->rrset++] = (struct zone_rrset){
        .first_rr = (uint32_t)maker->rr, .ttl = ttl, .type = type, .count = (uint16_t)count};
    memcpy(&zone->rrs[maker->rr], rrs, count * sizeof(const struct dns_rr *));
    maker->rr += count;
    return BASE_OK;
}

/* The flags that a node has on its own account; ZONE_WILDCARD is set beforehand. */
static uint16_t own_flags(const struct zone_node *node, const struct zone_rrset *rrsets,
                          size_t count)
{
    bool apex = node->key_prefix == 0;
    unsigned flags = node->flags | (apex ? ZONE_APEX : 0);
    bool nsec3 = false, other = false;
    for (size_t i = 0; i < count; i++) {
        switch (rrsets[i].type) {
        case DNS_TYPE_NS:
            flags |= apex ? 0 : ZONE_CUT;
            break;
        case DNS_TYPE_DNAME:
            flags |= ZONE_DNAME;
            break;
        case DNS_TYPE_DS:
            flags |= ZONE_HAS_DS;
            break;
        case DNS_TYPE_NSEC3:
            nsec3 = true;
            continue;
        case DNS_TYPE_RRSIG:
            continue;
        }
        other = true;
    }
    if (nsec3 && !other)
        flags |= ZONE_NSEC3;
    return (uint16_t)flags;
}

/* Ends the node in the making; a node without records does not come to be. */
static void finish_node(struct maker *maker, size_t first_rrset)
{
    struct zone_node *node = maker->node;
    size_t count = maker->rrset - first_rrset;
    if (count == 0)
        return;
    node->first_rrset = (uint32_t)first_rrset;
    node->rrset_count = (uint16_t)count;
    node->flags = own_flags(node, &maker->work->zone->rrsets[first_rrset], count);
    maker->node++;
}

static bool kept(const struct zone_assembly *assembly, const struct zone_node *node,
                 const struct zone_rrset *rrset)
{
    return assembly->keep == NULL || assembly->keep(assembly->context, node, rrset);
}

/* A node of the base that gets no new records: its sets are in order as they are. */
static void copy_node(struct maker *maker, const struct zone_node *from)
{
    const struct zone *base = maker->work->assembly->base;
    struct zone *zone = maker->work->zone;
    size_t first_rrset = maker->rrset;
    *maker->node = (struct zone_node){
        .name = from->name, .key_prefix = from->key_prefix, .flags = from->flags & ZONE_WILDCARD};
    for (unsigned i = 0; i < from->rrset_count; i++) {
        const struct zone_rrset *rrset = &base->rrsets[from->first_rrset + i];
        if (!kept(maker->work->assembly, from, rrset))
            continue;
        zone->rrsets[maker->rrset] = *rrset;
        zone->rrsets[maker->rrset++].first_rr = (uint32_t)maker->rr;
        for (unsigned j = 0; j < rrset->count; j++)
            zone->rrs[maker->rr++] = base->rrs[rrset->first_rr + j];
    }
    finish_node(maker, first_rrset);
}

static int gather_base(struct maker *maker, struct zone_gather *gather,
                       const struct zone_node *node)
{
    const struct zone *base = maker->work->assembly->base;
    for (unsigned i = 0; i < node->rrset_count; i++) {
        const struct zone_rrset *rrset = &base->rrsets[node->first_rrset + i];
        if (!kept(maker->work->assembly, node, rrset))
            continue;
        for (unsigned j = 0; j < rrset->count; j++) {
            if (!zone_gather_add(gather, base->rrs[rrset->first_rr + j]))
                return BASE_ENOMEM;
        }
    }
    return BASE_OK;
}

/* All runs of one name, from the cursor on. */
static int gather_runs(struct zone_gather *gather, struct zone_run_cursor *cursor)
{
    struct zone_run run = zone_run_here(cursor);
    do {
        const struct dns_rr *rr = run.first;
        for (uint32_t i = 0; i < run.count; i++, rr = dns_rr_next(rr)) {
            if (!zone_gather_add(gather, rr))
                return BASE_ENOMEM;
        }
        if (++cursor->position == cursor->end)
            break;
        run = zone_run_here(cursor);
    } while (run.same);
    return BASE_OK;
}

/* The node of the run at the cursor, joined with the base's node of that name if there is one. */
static int make_node(struct maker *maker, struct zone_gather *gather,
                     const struct zone_node *base_node, const struct zone_run *run,
                     struct zone_run_cursor *cursor)
{
    size_t first_rrset = maker->rrset;
    struct zone_node *node = maker->node;
    *node = (struct zone_node){.name = base_node != NULL ? base_node->name : run->name,
                               .key_prefix = run->prefix,
                               .flags = run->wildcard ? ZONE_WILDCARD : 0};
    gather->count = 0;
    int error = base_node != NULL ? gather_base(maker, gather, base_node) : BASE_OK;
    if (error == BASE_OK)
        error = gather_runs(gather, cursor);
    if (error == BASE_OK)
        error = zone_gather_order(gather);
    if (error == BASE_OK && gather->duplicate_count > 0 && !maker->work->assembly->quiet)
        error = report_duplicates(maker, node->name, gather);
    size_t end;
    for (size_t first = 0; error == BASE_OK && first < gather->count; first = end) {
        for (end = first + 1;
             end < gather->count && gather->rrs[end]->type == gather->rrs[first]->type;)
            end++;
        error = add_rrset(maker, node, gather->rrs + first, end - first);
    }
    if (error == BASE_OK)
        finish_node(maker, first_rrset);
    return error;
}

/* <0: the base's node comes first; 0: they have one name. */
static int compare_node(const struct zone_node *node, const uint8_t *name, uint64_t prefix)
{
    if (node->key_prefix != prefix)
        return node->key_prefix < prefix ? -1 : 1;
    return dns_name_equal(node->name, name) ? 0 : dns_name_compare(node->name, name);
}

static int make_chunk(void *context, size_t index, unsigned worker)
{
    struct work *work = context;
    struct chunk *chunk = &work->chunks[index];
    struct zone *zone = work->zone;
    struct maker maker = {.work = work,
                          .chunk = chunk,
                          .node = zone->nodes + chunk->node_at,
                          .rrset = chunk->rrset_at,
                          .rr = chunk->rr_at};
    struct zone_gather *gather = &work->gathers[worker];
    struct zone_run_cursor cursor =
        zone_run_cursor(&work->assembly->runs, chunk->run_first, chunk->run_end);
    size_t base_at = chunk->base_first;
    int error = BASE_OK;
    while (error == BASE_OK && cursor.position < cursor.end) {
        struct zone_run run = zone_run_here(&cursor);
        const struct zone_node *equal = NULL;
        for (; base_at < chunk->base_end; base_at++) {
            const struct zone_node *node = &work->assembly->base->nodes[base_at];
            int order = compare_node(node, run.name, run.prefix);
            if (order == 0)
                equal = node;
            if (order >= 0)
                break;
            copy_node(&maker, node);
        }
        error = make_node(&maker, gather, equal, &run, &cursor);
        base_at += equal != NULL;
    }
    for (; error == BASE_OK && base_at < chunk->base_end; base_at++)
        copy_node(&maker, &work->assembly->base->nodes[base_at]);
    chunk->node_count = (size_t)(maker.node - zone->nodes) - chunk->node_at;
    chunk->rrset_count = maker.rrset - chunk->rrset_at;
    chunk->rr_count = maker.rr - chunk->rr_at;
    zone_runs_done(&work->assembly->runs, chunk->run_first, chunk->run_end);
    return error;
}

/* Closing up. */

/* Corrects the indexes of a chunk that was moved. Its *_at are the old places; the new ones are
 * known from the chunks before. */
static void move_indexes(struct zone *zone, const struct chunk *chunk, size_t node_at,
                         size_t rrset_at, size_t rr_at)
{
    if (rrset_at != chunk->rrset_at) {
        uint32_t by = (uint32_t)(chunk->rrset_at - rrset_at);
        for (size_t i = 0; i < chunk->node_count; i++)
            zone->nodes[node_at + i].first_rrset -= by;
    }
    if (rr_at != chunk->rr_at) {
        uint32_t by = (uint32_t)(chunk->rr_at - rr_at);
        for (size_t i = 0; i < chunk->rrset_count; i++)
            zone->rrsets[rrset_at + i].first_rr -= by;
    }
}

static void *shrink(void *array, size_t count, size_t size)
{
    void *smaller = realloc(array, count > 0 ? count * size : 1);
    return smaller != NULL ? smaller : array;
}

static void close_up(struct work *work)
{
    struct zone *zone = work->zone;
    size_t node_at = 0, rrset_at = 0, rr_at = 0;
    for (size_t i = 0; i < work->chunk_count; i++) {
        const struct chunk *chunk = &work->chunks[i];
        if (node_at != chunk->node_at)
            memmove(zone->nodes + node_at, zone->nodes + chunk->node_at,
                    chunk->node_count * sizeof(*zone->nodes));
        if (rrset_at != chunk->rrset_at)
            memmove(zone->rrsets + rrset_at, zone->rrsets + chunk->rrset_at,
                    chunk->rrset_count * sizeof(*zone->rrsets));
        if (rr_at != chunk->rr_at)
            memmove(zone->rrs + rr_at, zone->rrs + chunk->rr_at,
                    chunk->rr_count * sizeof(*zone->rrs));
        move_indexes(zone, chunk, node_at, rrset_at, rr_at);
        node_at += chunk->node_count;
        rrset_at += chunk->rrset_count;
        rr_at += chunk->rr_count;
    }
    zone->node_count = node_at;
    zone->rrset_count = rrset_at;
    zone->rr_count = rr_at;
    zone->nodes = shrink(zone->nodes, node_at, sizeof(*zone->nodes));
    zone->rrsets = shrink(zone->rrsets, rrset_at, sizeof(*zone->rrsets));
    zone->rrs = shrink(zone->rrs, rr_at, sizeof(*zone->rrs));
}

static void find_soa(struct zone *zone)
{
    if (zone->node_count == 0 || !(zone->nodes[0].flags & ZONE_APEX))
        return;
    const struct zone_rrset *rrset = zone_rrset(zone, &zone->nodes[0], DNS_TYPE_SOA);
    if (rrset == NULL)
        return;
    zone->soa = zone->rrs[rrset->first_rr];
    /* The five numbers are the last 20 octets. */
    if (zone->soa->length >= 22)
        zone->serial = base_load_u32(zone->soa->rdata + zone->soa->length - 20);
}

static void free_work(struct work *work, struct base_findings *findings, unsigned workers)
{
    for (size_t i = 0; i < work->chunk_count; i++) {
        struct chunk *chunk = &work->chunks[i];
        if (chunk->findings != NULL) {
            base_findings_absorb(findings, chunk->findings);
            free(chunk->findings);
        }
        base_arena_absorb(&work->assembly->storage->arena, &chunk->copies);
    }
    for (unsigned i = 0; work->gathers != NULL && i < workers; i++)
        zone_gather_free(&work->gathers[i]);
    free(work->gathers);
    free(work->chunks);
}

int zone_assemble(struct zone_assembly *assembly, struct base_findings *findings)
{
    unsigned workers = base_thread_count(assembly->threads);
    struct work work = {.assembly = assembly,
                        .zone = assembly->zone,
                        .per_code = findings->per_code,
                        .gathers = calloc(workers, sizeof(*work.gathers))};
    int error = work.gathers != NULL ? plan_chunks(&work) : BASE_ENOMEM;
    if (error == BASE_OK)
        error = base_parallel(workers, work.chunk_count, measure_chunk, &work);
    if (error == BASE_OK)
        error = allocate(&work);
    if (error == BASE_OK)
        error = base_parallel(workers, work.chunk_count, make_chunk, &work);
    if (error == BASE_OK) {
        close_up(&work);
        find_soa(assembly->zone);
        error = zone_make_guide(assembly->zone);
    }
    if (error == BASE_OK)
        error = zone_mark_occluded(assembly->zone, workers);
    free_work(&work, findings, workers);
    return error;
}
