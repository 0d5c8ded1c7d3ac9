/*
 * A change of a zone that is not signed here: what its primary sent, or what UPDATE and the API
 * made of it, as it is. Looks at the names of the change only, and at those below a cut or DNAME
 * that comes or goes, since the image has to know that they are glue. See internal.h.
 */
#include "control/internal.h"

#include "base/codec.h"
#include "base/error.h"
#include "base/reader.h"
#include "validate/delta.h"

#include <stdlib.h>
#include <string.h>

/* More are taken for the whole zone: then its size is no longer what matters. */
#define NAMES_MAX 20000
#define HASH_TEXT 32 /* characters of an NSEC3 owner's first label */

struct passing {
    struct control_job *job;
    const struct zone_view *view;
    struct base_arena arena;
    const uint8_t **names; /* of the change, apex first; a name may be there twice until sorted */
    size_t count, capacity;
    struct zone_batch_writer writer;
    const uint8_t *owner; /* being read */
    size_t records;
    struct zone_delta delta;
};

static int add_name(struct passing *passing, const uint8_t *name)
{
    if (passing->count >= 2 * NAMES_MAX)
        return BASE_ELIMIT;
    if (passing->count == passing->capacity) {
        size_t capacity = passing->capacity == 0 ? 64 : 2 * passing->capacity;
        const uint8_t **names = realloc((void *)passing->names, capacity * sizeof(const uint8_t *));
        if (names == NULL)
            return BASE_ENOMEM;
        passing->names = names;
        passing->capacity = capacity;
    }
    size_t length = dns_name_length(name);
    uint8_t *copy = base_arena_alloc(&passing->arena, length);
    if (copy == NULL)
        return BASE_ENOMEM;
    memcpy(copy, name, length);
    passing->names[passing->count++] = copy;
    return BASE_OK;
}

static int compare_names(const void *a, const void *b)
{
    return dns_name_compare(*(const uint8_t *const *)a, *(const uint8_t *const *)b);
}

static int sort_names(struct passing *passing)
{
    size_t kept = 0;
    qsort((void *)passing->names, passing->count, sizeof(*passing->names), compare_names);
    for (size_t i = 0; i < passing->count; i++) {
        if (kept == 0 || !dns_name_equal(passing->names[kept - 1], passing->names[i]))
            passing->names[kept++] = passing->names[i];
    }
    passing->count = kept;
    return kept <= NAMES_MAX ? BASE_OK : BASE_ELIMIT;
}

/* --- the version before --- */

static int take_record(void *context, uint16_t type, uint32_t ttl, const uint8_t *rdata,
                       size_t length)
{
    struct passing *passing = context;
    passing->records++;
    return zone_batch_add(&passing->writer, passing->owner, type, ttl, rdata, length);
}

/* Could it be the owner of an NSEC3 record? */
static bool read_hash(const struct passing *passing, const uint8_t *name,
                      uint8_t hash[ZONE_VIEW_HASH])
{
    size_t octets;
    return name[0] == HASH_TEXT && dns_name_labels(name) == passing->view->apex_labels + 1 &&
           base_base32hex_decode(hash, ZONE_VIEW_HASH, &octets, (const char *)name + 1,
                                 HASH_TEXT) == BASE_OK &&
           octets == ZONE_VIEW_HASH;
}

/* All that a name owns, in the case of the zone. */
static int read_name(struct passing *passing, const uint8_t *name)
{
    const struct zone_view *view = passing->view;
    uint8_t owner[DNS_NAME_MAX], hash[ZONE_VIEW_HASH];
    passing->owner = name;
    int error = view->owner(view->context, name, owner);
    if (error == BASE_OK) {
        passing->owner = owner;
        error = view->records(view->context, name, take_record, passing);
    }
    if (error == BASE_ENOENT)
        error = BASE_OK;
    if (error == BASE_OK && read_hash(passing, name, hash))
        error = view->hash_records(view->context, hash, take_record, passing);
    return error == BASE_ENOENT ? BASE_OK : error;
}

static int build_before(struct passing *passing, struct zone **out)
{
    struct base_findings findings;
    struct zone *zone;
    passing->records = 0;
    int error = zone_batch_writer_init(&passing->writer, passing->view->apex);
    if (error != BASE_OK)
        return error;
    for (size_t i = 0; error == BASE_OK && i < passing->count; i++)
        error = read_name(passing, passing->names[i]);
    if (error != BASE_OK) {
        dns_batch_free(passing->writer.batch);
        return error;
    }
    struct dns_zonefile file = {.batches = passing->writer.batch,
                                .rr_count = passing->records,
                                .run_count = passing->writer.batch->run_count};
    memcpy(file.origin, passing->view->apex, dns_name_length(passing->view->apex));
    base_arena_init(&file.arena, 0);
    base_findings_init(&findings, 1);
    error = zone_build(&file, 1, &findings, &zone);
    base_findings_free(&findings);
    dns_zonefile_free(&file);
    if (error == BASE_OK && (zone->soa == NULL || zone->rr_count != passing->records)) {
        zone_release(zone);
        error = BASE_EFORMAT;
    }
    if (error == BASE_OK)
        *out = zone;
    return error;
}

/* --- the version after --- */

static bool has(const struct zone *zone, const struct zone_node *node, uint16_t type)
{
    return node != NULL && zone_rrset(zone, node, type) != NULL;
}

/* What of a name occludes what lies below it. */
static unsigned barrier(const struct zone *zone, const uint8_t *name)
{
    const struct zone_node *node = zone_find(zone, name, NULL);
    bool cut = !dns_name_equal(name, zone->apex) && has(zone, node, DNS_TYPE_NS);
    return (unsigned)cut | (unsigned)has(zone, node, DNS_TYPE_DNAME) << 1;
}

/* Adds the names below those that begin or cease to be a cut. True in *more: there are some. */
static int add_below(struct passing *passing, bool *more)
{
    const struct zone_view *view = passing->view;
    size_t count = passing->count;
    int error = BASE_OK;
    *more = false;
    for (size_t i = 0; error == BASE_OK && i < count; i++) {
        const uint8_t *top = passing->names[i];
        uint8_t name[DNS_NAME_MAX];
        if (barrier(passing->delta.before, top) == barrier(passing->delta.after, top))
            continue;
        memcpy(name, top, dns_name_length(top));
        while ((error = view->after(view->context, name, name)) == BASE_OK &&
               dns_name_within(name, top)) {
            error = add_name(passing, name);
            *more = true;
            if (error != BASE_OK)
                return error;
        }
        if (error == BASE_ENOENT)
            error = BASE_OK;
    }
    return error;
}

static int apply(struct passing *passing)
{
    struct control_job *job = passing->job;
    struct base_findings findings;
    zone_delta_free(&passing->delta);
    passing->delta = (struct zone_delta){NULL, NULL};
    int error = sort_names(passing);
    if (error == BASE_OK)
        error = build_before(passing, &passing->delta.before);
    if (error != BASE_OK)
        return error;
    base_findings_init(&findings, 1);
    error = control_apply(passing->delta.before, &job->edits, 1, &findings, &passing->delta.after);
    bool clean = findings.totals[BASE_ERROR] == 0;
    base_findings_free(&findings);
    if (error == BASE_OK && !clean)
        error = BASE_EUNSUPPORTED; /* the whole zone is judged, and says what is wrong */
    return error;
}

/* An alias beside anything but what DNSSEC puts there. */
static bool is_crowded(const struct zone *zone, const struct zone_node *node)
{
    bool other = false;
    for (unsigned i = 0; i < node->rrset_count; i++) {
        const struct zone_rrset *rrset = &zone->rrsets[node->first_rrset + i];
        other |= rrset->type != DNS_TYPE_CNAME && rrset->type != DNS_TYPE_RRSIG &&
                 rrset->type != DNS_TYPE_NSEC && rrset->type != DNS_TYPE_KEY;
        if (rrset->type == DNS_TYPE_CNAME && rrset->count > 1)
            return true;
    }
    return other && has(zone, node, DNS_TYPE_CNAME);
}

/* Is the change one that cannot make the rest of the zone wrong? Otherwise the whole is looked at.
 */
static bool is_plain(const struct zone_delta *delta)
{
    const struct zone *after = delta->after;
    if (after->soa == NULL || after->node_count == 0 ||
        zone_rrset(after, &after->nodes[0], DNS_TYPE_SOA)->count != 1 ||
        !zone_delta_keeps(delta, DNS_TYPE_NS) || !zone_delta_keeps(delta, DNS_TYPE_DNSKEY) ||
        !zone_delta_keeps(delta, DNS_TYPE_NSEC3PARAM) ||
        !zone_delta_keeps(delta, DNS_TYPE_ZONEMD) || !zone_delta_keeps(delta, DNS_TYPE_DNAME))
        return false;
    for (size_t i = 0; i < after->node_count; i++) {
        if (is_crowded(after, &after->nodes[i]))
            return false;
    }
    return true;
}

static int make_delta(struct passing *passing)
{
    const struct source_edits *edits = &passing->job->edits;
    bool more = true;
    int error = add_name(passing, passing->view->apex);
    for (size_t i = 0; error == BASE_OK && i < edits->count; i++) {
        error = dns_name_within(edits->items[i].owner, passing->view->apex)
                    ? add_name(passing, edits->items[i].owner)
                    : BASE_EUNSUPPORTED;
    }
    if (error == BASE_OK)
        error = apply(passing);
    if (error == BASE_OK)
        error = add_below(passing, &more);
    if (error == BASE_OK && more)
        error = apply(passing);
    if (error == BASE_OK && !is_plain(&passing->delta))
        error = BASE_EUNSUPPORTED;
    return error;
}

/* --- the gate --- */

/* A zone that another has signed must be right, too. */
static int judge(struct control_job *job, const struct zone_view *view)
{
    struct validate_zone_options options = {.now = job->now, .threads = 1};
    struct validate_delta_result result;
    struct base_findings verdict;
    base_findings_init(&verdict, 20);
    int error = validate_delta(view, &job->delta, &options, &verdict, &result);
    if (error == BASE_OK && base_findings_bad(&verdict)) {
        control_job_report(job, GATE_REFUSED, NULL,
                           "the independent verifier rejects what should be published");
        base_findings_absorb(&job->findings, &verdict);
        error = BASE_EREFUSED;
    }
    base_findings_free(&verdict);
    return error;
}

static int pass(struct control_job *job, const struct zone_view *view)
{
    struct passing passing = {.job = job, .view = view};
    base_arena_init(&passing.arena, 0);
    int error = make_delta(&passing);
    base_arena_free(&passing.arena);
    free((void *)passing.names);
    if (error != BASE_OK) {
        zone_delta_free(&passing.delta);
        return error;
    }
    job->delta = passing.delta;
    job->has_delta = true;
    const struct zone *before = job->delta.before, *after = job->delta.after;
    if (zone_rrset(after, &after->nodes[0], DNS_TYPE_DNSKEY) != NULL)
        error = judge(job, view);
    if (error != BASE_OK)
        return error;
    base_time first = zone_first_expiry(after, job->now);
    if (first != 0 && (job->earliest_expiry == 0 || first < job->earliest_expiry))
        job->earliest_expiry = first;
    job->next_resign = 0;
    job->names += after->node_count - before->node_count;
    job->records += after->rr_count - before->rr_count;
    job->serial = after->serial;
    job->soa_ttl = after->soa->ttl;
    job->soa_length = after->soa->length;
    memcpy(job->soa, after->soa->rdata, job->soa_length);
    return BASE_OK;
}

bool control_pass_publish(struct control_job *job, const struct zone_view *view, bool *whole)
{
    int error = pass(job, view);
    *whole = error == BASE_EUNSUPPORTED || error == BASE_ELIMIT;
    if (error != BASE_OK && job->has_delta) {
        zone_delta_free(&job->delta);
        job->has_delta = false;
    }
    if (*whole)
        return false;
    job->image_damaged |= error == BASE_EFORMAT;
    job->outcome = error == BASE_OK         ? CONTROL_PUBLISHED
                   : error == BASE_EREFUSED ? CONTROL_REFUSED
                                            : CONTROL_FAILED;
    if (error != BASE_OK && error != BASE_EREFUSED)
        control_job_report(job, SYSTEM_FAILED, NULL, "%s", base_strerror(error));
    return error == BASE_OK;
}

/* --- serials of zones of edits --- */

struct soa {
    uint8_t rdata[2 * DNS_NAME_MAX + 20];
    size_t length;
    uint32_t ttl;
};

static int find_soa(void *context, uint16_t type, uint32_t ttl, const uint8_t *rdata, size_t length)
{
    struct soa *soa = context;
    if (type == DNS_TYPE_SOA && length <= sizeof(soa->rdata)) {
        memcpy(soa->rdata, rdata, length);
        soa->length = length;
        soa->ttl = ttl;
    }
    return BASE_OK;
}

int control_pass_serial(struct control_job *job, const struct zone_view *view)
{
    struct soa soa = {.length = 0};
    int error = view->records(view->context, view->apex, find_soa, &soa);
    if (error != BASE_OK || soa.length < 22)
        return error == BASE_OK || error == BASE_ENOENT ? BASE_EFORMAT : error;
    for (size_t i = 0; i < job->edits.count; i++) {
        const struct source_edit *edit = &job->edits.items[i];
        if (edit->type == DNS_TYPE_SOA && edit->add && edit->length >= 22)
            find_soa(&soa, edit->type, edit->ttl, edit->rdata, edit->length);
    }
    uint8_t *serial = soa.rdata + soa.length - 20;
    if ((int32_t)(base_load_u32(serial) - view->serial) > 0)
        return BASE_OK;
    base_store_u32(serial, view->serial + 1 != 0 ? view->serial + 1 : 1);
    struct source_edit edit = {.owner = view->apex,
                               .rdata = soa.rdata,
                               .ttl = soa.ttl,
                               .type = DNS_TYPE_SOA,
                               .length = (uint16_t)soa.length,
                               .add = true};
    return source_edits_append(&job->edits, &edit);
}
