/*
 * The TLSA records that are kept join what a zone's source says: see tlsa.h. A job takes them
 * along. They go into the zone that is signed, and never into the source: what the registry has of
 * a zone of edits stays the source's own.
 */
#include "control/tlsa.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* Of one owner, for a job. */
struct control_kept {
    struct control_tlsa_service *service; /* the loop's: not looked at by workers */
    uint8_t owner[DNS_NAME_MAX];
    uint32_t ttl;
    struct registry_tlsa_record records[REGISTRY_TLSA_RECORDS];
    size_t count;
    enum control_tlsa_trouble trouble; /* out */
    bool also;                         /* out: the source has others */
    bool looked;                       /* out: the two above are known */
};

static bool is_kept_in(const struct control_tlsa_service *service, const uint8_t *zone)
{
    return service->known && service->state.count > 0 && dns_name_equal(service->state.zone, zone);
}

static uint32_t ttl_of(const struct control_tlsa_service *service,
                       const struct config_policy *policy)
{
    uint32_t most = policy->sign.refresh; /* else signatures could expire in caches */
    return service->config->ttl < most || most == 0 ? service->config->ttl : most;
}

void control_kept_take(struct control_job *job)
{
    struct control_tlsa *tlsa = job->control->tlsa;
    size_t count = 0;
    for (size_t i = 0; tlsa != NULL && i < tlsa->count; i++)
        count += is_kept_in(&tlsa->services[i], job->name);
    if (count == 0 || !job->policy->signs ||
        (job->kept = calloc(count, sizeof(*job->kept))) == NULL)
        return;
    for (size_t i = 0; i < tlsa->count; i++) {
        struct control_tlsa_service *service = &tlsa->services[i];
        if (!is_kept_in(service, job->name))
            continue;
        struct control_kept *kept = &job->kept[job->kept_count++];
        kept->service = service;
        memcpy(kept->owner, service->owner, dns_name_length(service->owner));
        kept->ttl = ttl_of(service, job->policy);
        kept->count = service->state.count;
        memcpy(kept->records, service->state.records, sizeof(kept->records));
    }
}

uint64_t control_kept_mix(const struct control_zone *zone, uint64_t hash,
                          uint64_t (*mix)(uint64_t hash, const void *data, size_t length))
{
    const struct control_tlsa *tlsa = zone->control->tlsa;
    for (size_t i = 0; tlsa != NULL && i < tlsa->count; i++) {
        const struct control_tlsa_service *service = &tlsa->services[i];
        if (!is_kept_in(service, zone->name))
            continue;
        hash = mix(hash, service->owner, dns_name_length(service->owner));
        hash = mix(hash, &service->config->ttl, sizeof(service->config->ttl));
        for (size_t k = 0; k < service->state.count; k++)
            hash = mix(hash, service->state.records[k].rdata, service->state.records[k].length);
    }
    return hash;
}

/* --- into a whole zone --- */

static enum control_tlsa_trouble find_trouble(const struct zone *zone, const uint8_t *owner)
{
    const struct zone_node *node = zone_find(zone, owner, NULL);
    if (zone_covering_cut(zone, owner) != NULL)
        return CONTROL_TLSA_DELEGATED;
    if (node != NULL && zone_rrset(zone, node, DNS_TYPE_CNAME) != NULL)
        return CONTROL_TLSA_ALIAS;
    for (const uint8_t *above = owner; !dns_name_equal(above, zone->apex);) {
        above = dns_name_parent(above, 1);
        node = zone_find(zone, above, NULL);
        if (node != NULL && zone_rrset(zone, node, DNS_TYPE_DNAME) != NULL)
            return CONTROL_TLSA_ALIAS;
    }
    return CONTROL_TLSA_WELL;
}

static bool is_kept(const struct control_kept *kept, const uint8_t *rdata, size_t length)
{
    for (size_t i = 0; i < kept->count; i++) {
        if (kept->records[i].length == length && memcmp(kept->records[i].rdata, rdata, length) == 0)
            return true;
    }
    return false;
}

/* Has the source others than those that are kept? */
static bool has_others(const struct zone *zone, const struct control_kept *kept)
{
    const struct zone_node *node = zone_find(zone, kept->owner, NULL);
    const struct zone_rrset *set = node != NULL ? zone_rrset(zone, node, DNS_TYPE_TLSA) : NULL;
    for (unsigned i = 0; set != NULL && i < set->count; i++) {
        const struct dns_rr *rr = zone->rrs[set->first_rr + i];
        if (!is_kept(kept, rr->rdata, rr->length))
            return true;
    }
    return false;
}

static bool has_any(const struct zone *zone, const struct control_kept *kept)
{
    const struct zone_node *node = zone_find(zone, kept->owner, NULL);
    return node != NULL && zone_rrset(zone, node, DNS_TYPE_TLSA) != NULL;
}

static int append(const struct control_kept *kept, struct source_edits *edits)
{
    int error = BASE_OK;
    for (size_t i = 0; i < kept->count && error == BASE_OK; i++) {
        struct source_edit edit = {.owner = kept->owner,
                                   .rdata = kept->records[i].rdata,
                                   .ttl = kept->ttl,
                                   .type = DNS_TYPE_TLSA,
                                   .length = kept->records[i].length,
                                   .add = true};
        error = source_edits_append(edits, &edit);
    }
    return error;
}

int control_kept_join(struct control_job *job, struct zone *content, struct zone **out)
{
    struct source_edits edits;
    bool is_source = !job->use_published && !job->last_good;
    if (job->kept_count == 0) {
        *out = zone_hold(content);
        return BASE_OK;
    }
    int error = source_edits_init(&edits);
    if (error != BASE_OK)
        return error;
    for (size_t i = 0; i < job->kept_count && error == BASE_OK; i++) {
        struct control_kept *kept = &job->kept[i];
        kept->trouble = find_trouble(content, kept->owner);
        /* Of what is published nobody knows who said it. */
        kept->looked = is_source && job->changes == NULL;
        kept->also = kept->looked && (job->source == CONFIG_PRIMARY ? has_others(content, kept)
                                                                    : has_any(content, kept));
        if (kept->trouble == CONTROL_TLSA_WELL)
            error = append(kept, &edits);
    }
    if (error == BASE_OK)
        error = control_apply(content, &edits, job->threads, &job->findings, out);
    source_edits_free(&edits);
    return error;
}

/* --- into a change --- */

static bool touches(const struct source_edits *edits, size_t count, const struct control_kept *kept)
{
    for (size_t i = 0; i < count; i++) {
        if (edits->items[i].type == DNS_TYPE_TLSA &&
            dns_name_equal(edits->items[i].owner, kept->owner))
            return true;
    }
    return false;
}

int control_kept_change(struct control_job *job)
{
    int error = BASE_OK;
    job->own_edits = job->edits.count;
    for (size_t i = 0; i < job->kept_count && error == BASE_OK; i++) {
        if (touches(&job->edits, job->own_edits, &job->kept[i]))
            error = append(&job->kept[i], &job->edits);
    }
    return error;
}

void control_kept_told(struct control_job *job)
{
    bool good = job->outcome == CONTROL_PUBLISHED || job->outcome == CONTROL_CURRENT;
    for (size_t i = 0; good && i < job->kept_count; i++) {
        const struct control_kept *kept = &job->kept[i];
        if (kept->looked)
            control_tlsa_joined(kept->service, kept->trouble, kept->also);
    }
}
