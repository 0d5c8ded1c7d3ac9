/*
 * The RRsets of the new apex: SOA, DNSKEY, CDS, CDNSKEY, NSEC3PARAM and ZONEMD are made, the others
 * taken over.
 */
#include "base/error.h"
#include "base/reader.h"
#include "sign/internal.h"

#include <stdlib.h>
#include <string.h>

#define APEX_MADE 8 /* most sets that are added to those of the input */

struct dns_rr *sign_new_rr(struct base_arena *arena, uint16_t type, uint32_t ttl, size_t length)
{
    struct dns_rr *rr = base_arena_alloc(arena, DNS_RR_SIZE(length));
    if (rr != NULL)
        *rr = (struct dns_rr){
            .ttl = ttl, .canonical = 1, .generated = 1, .length = (uint16_t)length, .type = type};
    return rr;
}

/* A list of records that becomes an RRset. */
struct rr_list {
    const struct dns_rr **rrs;
    size_t count;
};

static int list_init(struct sign_job *job, struct rr_list *list, size_t room)
{
    list->count = 0;
    list->rrs = base_arena_alloc(&job->arena, (room + 1) * sizeof(struct dns_rr *));
    return list->rrs != NULL ? BASE_OK : BASE_ENOMEM;
}

static int list_add_copy(struct sign_job *job, struct rr_list *list, uint16_t type,
                         const uint8_t *rdata, size_t length)
{
    struct dns_rr *rr = sign_new_rr(&job->records, type, 0, length);
    if (rr == NULL)
        return BASE_ENOMEM;
    memcpy(rr->rdata, rdata, length);
    list->rrs[list->count++] = rr;
    return BASE_OK;
}

static int compare_rrs(const void *a, const void *b)
{
    return dns_rdata_compare(*(const struct dns_rr *const *)a, *(const struct dns_rr *const *)b);
}

/* Sorts, drops duplicates, gives all one TTL, and appends the set to the apex. Foreign records are
 * copied before, so that the input stays as it is. */
static void add_set(struct sign_job *job, struct rr_list *list, uint16_t type, uint32_t ttl,
                    enum sign_role role)
{
    if (list->count == 0)
        return;
    qsort(list->rrs, list->count, sizeof(*list->rrs), compare_rrs);
    size_t count = 1;
    for (size_t i = 1; i < list->count; i++)
        if (dns_rdata_compare(list->rrs[count - 1], list->rrs[i]) != 0)
            list->rrs[count++] = list->rrs[i];
    for (size_t i = 0; i < count; i++)
        ((struct dns_rr *)list->rrs[i])->ttl = ttl; /* all are our own copies */
    job->top.sets[job->top.count++] = (struct sign_set){.rrs = list->rrs,
                                                        .ttl = ttl,
                                                        .type = type,
                                                        .count = (uint16_t)count,
                                                        .role = (uint8_t)role};
}

static const struct zone_rrset *input_set(const struct sign_job *job, uint16_t type)
{
    return zone_rrset(job->zone, &job->zone->nodes[0], type);
}

static int make_soa(struct sign_job *job)
{
    const struct dns_rr *input = job->zone->soa;
    const struct zone_rrset *set = input_set(job, DNS_TYPE_SOA);
    if (input == NULL || set == NULL || input->length < 22) {
        base_findings_add(job->findings, SIGN_NO_SOA, NULL, "there is no SOA record at the apex");
        return BASE_EREFUSED;
    }
    struct dns_rr *soa = base_arena_dup(&job->records, input, DNS_RR_SIZE(input->length));
    struct rr_list list;
    if (soa == NULL || list_init(job, &list, 1) != BASE_OK)
        return BASE_ENOMEM;
    list.rrs[list.count++] = soa;
    add_set(job, &list, DNS_TYPE_SOA, set->ttl, SIGN_BY_ZONE);
    job->top.sets[job->top.count - 1].deferred = true;
    job->top.soa = soa;
    /* RFC 9077: no denial may live longer than the SOA says twice. */
    uint32_t minimum = base_load_u32(soa->rdata + soa->length - 4);
    job->denial_ttl = minimum < set->ttl ? minimum : set->ttl;
    if (job->denial_ttl > DNS_TTL_MAX)
        job->denial_ttl = 0;
    return BASE_OK;
}

static int make_dnskey(struct sign_job *job, uint32_t ttl)
{
    const struct sign_keys *keys = &job->keys;
    struct rr_list list;
    int status = list_init(job, &list, keys->published_count + keys->foreign_count);
    for (size_t i = 0; status == BASE_OK && i < keys->published_count; i++)
        status = list_add_copy(job, &list, DNS_TYPE_DNSKEY, keys->published[i]->dnskey,
                               keys->published[i]->dnskey_length);
    for (size_t i = 0; status == BASE_OK && i < keys->foreign_count; i++)
        status = list_add_copy(job, &list, DNS_TYPE_DNSKEY, keys->foreign[i]->rdata,
                               keys->foreign[i]->length);
    if (status == BASE_OK)
        add_set(job, &list, DNS_TYPE_DNSKEY, ttl, SIGN_BY_ALL);
    return status;
}

/* Is it a request to remove the DS (RFC 8078 section 4)? */
static bool is_delete(const struct dns_rr *rr)
{
    size_t at = rr->type == DNS_TYPE_CDS ? 2 : 3;
    return rr->length > 4 && rr->rdata[at] == 0;
}

/* The CDS rdata of a key by a digest type; returns its length, 0 when the type is not supported. */
static size_t cds_rdata(const struct crypto_zone_key *key, unsigned digest,
                        uint8_t out[4 + CRYPTO_DIGEST_MAX])
{
    size_t length;
    base_store_u16(out, key->tag);
    out[2] = key->algorithm;
    out[3] = (uint8_t)digest;
    if (crypto_ds_digest(digest, key->zone, key->dnskey, key->dnskey_length, out + 4, &length) !=
        BASE_OK)
        return 0;
    return 4 + length;
}

bool sign_record_of_keys(const struct crypto_zone_key *keys, size_t count, const struct dns_rr *rr)
{
    for (size_t i = 0; rr->length > 4 && i < count; i++) {
        const struct crypto_zone_key *key = &keys[i];
        if (rr->type != DNS_TYPE_CDS) {
            if (sign_same_public_key(key, rr))
                return true;
            continue;
        }
        uint8_t rdata[4 + CRYPTO_DIGEST_MAX];
        size_t length = cds_rdata(key, rr->rdata[3], rdata);
        if (length == rr->length && memcmp(rdata, rr->rdata, length) == 0)
            return true;
    }
    return false;
}

/* Puts the foreign records of the input into the list; says whether one is a delete request. */
static int keep_foreign(struct sign_job *job, uint16_t type, struct rr_list *list, bool *deletes)
{
    const struct zone_rrset *set = input_set(job, type);
    for (unsigned i = 0; set != NULL && i < set->count; i++) {
        const struct dns_rr *rr = job->zone->rrs[set->first_rr + i];
        if (rr->length <= 4 || sign_record_of_keys(job->request->keys, job->request->key_count, rr))
            continue;
        int status = list_add_copy(job, list, type, rr->rdata, rr->length);
        if (status != BASE_OK)
            return status;
        char owner[DNS_NAME_TEXT], name[DNS_TYPE_TEXT];
        struct base_place place = zone_place(job->zone, job->zone->apex, rr, owner, name);
        if (is_delete(rr)) {
            *deletes = true;
            base_findings_add(job->findings, SIGN_CDS_DELETE, &place,
                              "this %s record asks the parent to remove all DS records; no %s of "
                              "our keys is added",
                              name, name);
        } else {
            base_findings_add(job->findings, SIGN_FOREIGN_KEY, &place,
                              "this %s record is not of our keys and stays in the zone", name);
        }
    }
    return BASE_OK;
}

/* A revoked key is nothing to trust: no DS may lead to it (RFC 5011 section 2.1). */
static bool wants_ds(const struct crypto_zone_key *key, base_time now)
{
    return (key->flags & CRYPTO_KEY_REVOKED) == 0 && (key->role & CRYPTO_KSK) != 0 &&
           key->ds_publish != 0 && key->ds_publish <= now &&
           (key->ds_remove == 0 || now < key->ds_remove) && sign_key_published(key, now);
}

static int add_own_cds(struct sign_job *job, struct rr_list *list)
{
    for (size_t i = 0; i < job->keys.published_count; i++) {
        const struct crypto_zone_key *key = job->keys.published[i];
        if (!wants_ds(key, job->request->now))
            continue;
        for (size_t d = 0; d < sizeof(job->policy->cds_digests) && job->policy->cds_digests[d];
             d++) {
            uint8_t rdata[4 + CRYPTO_DIGEST_MAX];
            size_t length = cds_rdata(key, job->policy->cds_digests[d], rdata);
            if (length == 0)
                return BASE_EUNSUPPORTED;
            int status = list_add_copy(job, list, DNS_TYPE_CDS, rdata, length);
            if (status != BASE_OK)
                return status;
        }
    }
    return BASE_OK;
}

static int add_own_cdnskey(struct sign_job *job, struct rr_list *list)
{
    for (size_t i = 0; i < job->keys.published_count; i++) {
        const struct crypto_zone_key *key = job->keys.published[i];
        if (!wants_ds(key, job->request->now))
            continue;
        int status = list_add_copy(job, list, DNS_TYPE_CDNSKEY, key->dnskey, key->dnskey_length);
        if (status != BASE_OK)
            return status;
    }
    return BASE_OK;
}

static int make_cds(struct sign_job *job, uint32_t ttl)
{
    const struct zone_rrset *cds_input = input_set(job, DNS_TYPE_CDS);
    const struct zone_rrset *cdnskey_input = input_set(job, DNS_TYPE_CDNSKEY);
    size_t own = job->keys.published_count;
    struct rr_list cds, cdnskey;
    bool deletes = false;
    int status = list_init(
        job, &cds, (cds_input ? cds_input->count : 0u) + own * sizeof(job->policy->cds_digests));
    if (status == BASE_OK)
        status = list_init(job, &cdnskey, (cdnskey_input ? cdnskey_input->count : 0u) + own);
    if (status == BASE_OK)
        status = keep_foreign(job, DNS_TYPE_CDS, &cds, &deletes);
    if (status == BASE_OK)
        status = keep_foreign(job, DNS_TYPE_CDNSKEY, &cdnskey, &deletes);
    if (status == BASE_OK && !deletes && job->policy->cds)
        status = add_own_cds(job, &cds);
    if (status == BASE_OK && !deletes && job->policy->cdnskey)
        status = add_own_cdnskey(job, &cdnskey);
    if (status != BASE_OK)
        return status;
    add_set(job, &cds, DNS_TYPE_CDS, ttl, SIGN_BY_KEYS);
    add_set(job, &cdnskey, DNS_TYPE_CDNSKEY, ttl, SIGN_BY_KEYS);
    return BASE_OK;
}

static int make_nsec3param(struct sign_job *job)
{
    if (!job->nsec3)
        return BASE_OK;
    const struct sign_policy *policy = job->policy;
    uint8_t rdata[5 + 255] = {1, 0}; /* SHA-1; flags are 0 here, opt-out or not */
    base_store_u16(rdata + 2, policy->nsec3_iterations);
    rdata[4] = policy->nsec3_salt_length;
    memcpy(rdata + 5, policy->nsec3_salt, policy->nsec3_salt_length);
    struct rr_list list;
    int status = list_init(job, &list, 1);
    if (status == BASE_OK)
        status =
            list_add_copy(job, &list, DNS_TYPE_NSEC3PARAM, rdata, 5u + policy->nsec3_salt_length);
    /* Only secondaries read it, from transfers: nobody needs to cache it. */
    if (status == BASE_OK)
        add_set(job, &list, DNS_TYPE_NSEC3PARAM, 0, SIGN_BY_ZONE);
    return status;
}

static int make_zonemd(struct sign_job *job, uint32_t ttl)
{
    if (job->policy->zonemd == 0)
        return BASE_OK;
    size_t digest = job->policy->zonemd == 1 ? 48 : 64;
    struct dns_rr *rr = sign_new_rr(&job->records, DNS_TYPE_ZONEMD, ttl, 6 + digest);
    struct rr_list list;
    if (rr == NULL || list_init(job, &list, 1) != BASE_OK)
        return BASE_ENOMEM;
    memset(rr->rdata, 0, rr->length);
    rr->rdata[4] = 1; /* scheme SIMPLE */
    rr->rdata[5] = job->policy->zonemd;
    list.rrs[list.count++] = rr;
    add_set(job, &list, DNS_TYPE_ZONEMD, ttl, SIGN_BY_ZONE);
    job->top.sets[job->top.count - 1].deferred = true;
    job->top.zonemd = rr;
    return BASE_OK;
}

static bool is_made(uint16_t type)
{
    return sign_type_dropped(type) || type == DNS_TYPE_SOA || type == DNS_TYPE_DNSKEY ||
           type == DNS_TYPE_CDS || type == DNS_TYPE_CDNSKEY || type == DNS_TYPE_ZONEMD;
}

static void take_over(struct sign_job *job)
{
    const struct zone *zone = job->zone;
    const struct zone_node *apex = &zone->nodes[0];
    for (unsigned i = 0; i < apex->rrset_count; i++) {
        const struct zone_rrset *set = &zone->rrsets[apex->first_rrset + i];
        if (!is_made(set->type))
            job->top.sets[job->top.count++] = (struct sign_set){.rrs = &zone->rrs[set->first_rr],
                                                                .ttl = set->ttl,
                                                                .type = set->type,
                                                                .count = set->count,
                                                                .role = SIGN_BY_ZONE};
    }
}

static int compare_sets(const void *a, const void *b)
{
    return (int)((const struct sign_set *)a)->type - (int)((const struct sign_set *)b)->type;
}

int sign_make_apex(struct sign_job *job)
{
    const struct zone_node *apex = &job->zone->nodes[0];
    job->top.sets = base_arena_zalloc(&job->arena, (apex->rrset_count + (size_t)APEX_MADE) *
                                                       sizeof(*job->top.sets));
    if (job->top.sets == NULL)
        return BASE_ENOMEM;
    int status = make_soa(job);
    if (status != BASE_OK)
        return status;
    uint32_t soa_ttl = job->top.sets[0].ttl;
    uint32_t key_ttl = job->policy->dnskey_ttl != 0 ? job->policy->dnskey_ttl : soa_ttl;
    take_over(job);
    status = make_dnskey(job, key_ttl);
    if (status == BASE_OK)
        status = make_cds(job, key_ttl);
    if (status == BASE_OK)
        status = make_nsec3param(job);
    if (status == BASE_OK)
        status = make_zonemd(job, soa_ttl);
    if (status == BASE_OK)
        qsort(job->top.sets, job->top.count, sizeof(*job->top.sets), compare_sets);
    return status;
}
