/*
 * The steps of a signing in order, and what can only be done at the end: the serial, which depends
 * on whether anything changed, and ZONEMD, which covers everything else.
 */
#include "sign/sign.h"

#include "base/error.h"
#include "base/reader.h"
#include "base/thread.h"
#include "sign/internal.h"
#include "zone/zonemd.h"

#include <stdlib.h>
#include <string.h>

#define SETS_MAX (65535 + 16)      /* of one node; pages that are not used cost nothing */
#define DATA_MAX ((size_t)1 << 32) /* octets of an RRset in canonical form */

/*
 * Setting up
 */

static int worker_init(struct sign_job *job, struct sign_worker *worker)
{
    base_arena_init(&worker->arena, 0);
    base_buf_init(&worker->data, DATA_MAX);
    base_findings_init(&worker->findings, BASE_FINDINGS_PER_CODE);
    worker->earliest = INT64_MAX;
    worker->sets = malloc(SETS_MAX * sizeof(*worker->sets));
    worker->hash_sets = malloc(SETS_MAX * sizeof(*worker->hash_sets));
    worker->types = malloc(SETS_MAX * sizeof(*worker->types));
    worker->signers = calloc(job->keys.count, sizeof(struct crypto_signer *));
    if (worker->sets == NULL || worker->hash_sets == NULL || worker->types == NULL ||
        worker->signers == NULL)
        return BASE_ENOMEM;
    for (size_t i = 0; i < job->keys.count; i++) {
        int status = crypto_signer_new(job->keys.signers[i].key->key, &worker->signers[i]);
        if (status != BASE_OK)
            return status;
    }
    return BASE_OK;
}

static void worker_free(const struct sign_job *job, struct sign_worker *worker)
{
    for (size_t i = 0; worker->signers != NULL && i < job->keys.count; i++)
        crypto_signer_free(worker->signers[i]);
    free(worker->signers);
    crypto_nsec3_free(worker->nsec3);
    free(worker->sets);
    free(worker->hash_sets);
    free(worker->types);
    base_findings_free(&worker->findings);
    base_buf_free(&worker->data);
    base_arena_free(&worker->arena);
}

int sign_make_workers(struct sign_job *job)
{
    job->workers = calloc(job->threads, sizeof(*job->workers));
    if (job->workers == NULL)
        return BASE_ENOMEM;
    for (unsigned i = 0; i < job->threads; i++) {
        int status = worker_init(job, &job->workers[i]);
        if (status != BASE_OK)
            return status;
    }
    return BASE_OK;
}

int sign_check_request(struct sign_job *job)
{
    const struct zone *zone = job->zone, *previous = job->previous;
    char a[DNS_NAME_TEXT], b[DNS_NAME_TEXT];
    int status = sign_policy_check(job->policy, NULL, job->findings);
    if (status != BASE_OK)
        return status;
    if (zone->node_count == 0 || zone->soa == NULL ||
        !dns_name_equal(zone->nodes[0].name, zone->apex)) {
        base_findings_add(job->findings, SIGN_NO_SOA, NULL, "%s has no SOA record",
                          dns_name_text(a, zone->apex));
        return BASE_EREFUSED;
    }
    if (previous != NULL && !dns_name_equal(previous->apex, zone->apex)) {
        base_findings_add(job->findings, SIGN_PREVIOUS_OTHER_ZONE, NULL,
                          "the zone is %s, the previous version is of %s",
                          dns_name_text(a, zone->apex), dns_name_text(b, previous->apex));
        return BASE_EREFUSED;
    }
    return BASE_OK;
}

void sign_job_init(struct sign_job *job, const struct sign_request *request,
                   struct base_findings *findings)
{
    const struct zone *previous = request->previous;
    *job = (struct sign_job){
        .request = request,
        .policy = request->policy,
        .zone = request->zone,
        .previous = previous != NULL && previous->node_count > 0 ? previous : NULL,
        .findings = findings,
        .nsec3 = request->policy->denial == SIGN_NSEC3,
        .opt_out = request->policy->denial == SIGN_NSEC3 && request->policy->opt_out,
        .inception = (uint32_t)(request->now - request->policy->inception - request->policy->doubt),
        .threads = base_thread_count(request->threads),
    };
    job->apex_length = dns_name_lower(job->apex, request->zone->apex);
    base_arena_init(&job->arena, 0);
    base_arena_init(&job->records, 0);
}

void sign_job_free(struct sign_job *job)
{
    for (unsigned i = 0; job->workers != NULL && i < job->threads; i++)
        worker_free(job, &job->workers[i]);
    free(job->workers);
    free(job->hashes);
    zone_release(job->out);
    base_arena_free(&job->records);
    base_arena_free(&job->arena);
}

/*
 * The end: serial, SOA, ZONEMD
 */

const struct sign_set *sign_apex_set(const struct sign_job *job, uint16_t type)
{
    for (size_t i = 0; i < job->top.count; i++)
        if (job->top.sets[i].type == type)
            return &job->top.sets[i];
    return NULL;
}

static const struct zone_node *previous_apex(const struct sign_job *job)
{
    const struct zone *previous = job->previous;
    return previous != NULL && dns_name_equal(previous->nodes[0].name, previous->apex)
               ? &previous->nodes[0]
               : NULL;
}

/* Records of the previous apex that are of a type or sign it. */
static size_t previous_count(const struct sign_job *job, uint16_t type)
{
    const struct zone_node *apex = previous_apex(job);
    if (apex == NULL)
        return 0;
    const struct zone_rrset *set = zone_rrset(job->previous, apex, type);
    const struct zone_rrset *sigs = zone_rrset(job->previous, apex, DNS_TYPE_RRSIG);
    size_t count = set != NULL ? set->count : 0;
    for (unsigned i = 0; sigs != NULL && i < sigs->count; i++)
        count += base_load_u16(job->previous->rrs[sigs->first_rr + i]->rdata) == type;
    return count;
}

/* Is all but SOA, ZONEMD and their signatures just as in the previous version? Each record of the
 * result was looked for there, so equal counts mean that nothing else was there either. */
static bool rest_unchanged(const struct sign_job *job)
{
    if (job->previous == NULL)
        return false;
    size_t each = 1 + job->keys.zone_count; /* SOA and ZONEMD are single records */
    size_t deferred = job->top.zonemd != NULL ? 2 * each : each;
    size_t previous_deferred = previous_count(job, DNS_TYPE_SOA);
    if (previous_deferred != each)
        return false;
    if (job->top.zonemd != NULL) {
        if (previous_count(job, DNS_TYPE_ZONEMD) != each)
            return false;
        previous_deferred += each;
    }
    size_t matched = 0;
    for (unsigned i = 0; i < job->threads; i++)
        matched += job->workers[i].matched;
    return matched == job->out->rr_count - deferred &&
           matched == job->previous->rr_count - previous_deferred;
}

/* Signs a set of the apex whose place was left free. */
static int sign_deferred(struct sign_job *job, uint16_t type, size_t at)
{
    struct sign_owner owner = sign_owner_make(job->apex, previous_apex(job));
    const struct sign_set *set = sign_apex_set(job, type);
    return sign_set_signatures(job, &job->workers[0], &owner, set,
                               sign_set_unchanged(job, &owner, set), &job->out->rrs[at]);
}

/* Something to stand where the signatures of ZONEMD will: the digest leaves it out. */
static int fill_zonemd_signatures(struct sign_job *job)
{
    struct dns_rr *stand_in = sign_new_rr(&job->records, DNS_TYPE_RRSIG, 0, 18 + job->apex_length);
    if (stand_in == NULL)
        return BASE_ENOMEM;
    memset(stand_in->rdata, 0, stand_in->length);
    base_store_u16(stand_in->rdata, DNS_TYPE_ZONEMD);
    memcpy(stand_in->rdata + 18, job->apex, job->apex_length);
    for (size_t i = 0; i < job->keys.zone_count; i++)
        job->out->rrs[job->zonemd_signatures + i] = stand_in;
    return BASE_OK;
}

static int flush_worker(void *context, size_t index, unsigned number)
{
    struct sign_job *job = context;
    return sign_worker_flush(job, &job->workers[index]);
}

/* Waits for the signatures that are still being made. Those of keys that are here are there. */
static int flush(struct sign_job *job)
{
    bool remote = false;
    for (size_t i = 0; i < job->keys.count; i++)
        remote |= crypto_key_is_remote(job->keys.signers[i].key->key);
    if (!remote)
        return BASE_OK;
    return base_parallel(job->threads, job->threads, flush_worker, job);
}

static int sign_zonemd(struct sign_job *job)
{
    struct dns_rr *zonemd = job->top.zonemd;
    if (zonemd == NULL)
        return BASE_OK;
    uint8_t digest[ZONE_ZONEMD_MAX];
    size_t length;
    base_store_u32(zonemd->rdata, job->out->serial);
    int status = fill_zonemd_signatures(job);
    if (status == BASE_OK)
        status = flush(job); /* the digest covers them */
    if (status == BASE_OK)
        status = zone_zonemd(job->out, job->policy->zonemd, digest, &length);
    if (status == BASE_OK && length + 6 != zonemd->length)
        status = BASE_EUNSUPPORTED;
    if (status != BASE_OK)
        return status;
    memcpy(zonemd->rdata + 6, digest, length);
    return sign_deferred(job, DNS_TYPE_ZONEMD, job->zonemd_signatures);
}

/* Gives the result a serial, and signs what depends on it. */
static int finish_with(struct sign_job *job, uint32_t serial)
{
    base_store_u32(job->top.soa->rdata + job->top.soa->length - 20, serial);
    job->out->soa = job->top.soa;
    job->out->serial = serial;
    int status = sign_deferred(job, DNS_TYPE_SOA, job->soa_signatures);
    return status == BASE_OK ? sign_zonemd(job) : status;
}

static void warn_of_kept_serial(struct sign_job *job)
{
    uint32_t serial = job->zone->serial, old = job->previous->serial;
    if (serial == old)
        base_findings_add(job->findings, SIGN_SERIAL_UNCHANGED, NULL,
                          "records differ from the previous version, and both have serial %u",
                          serial);
    else if (!sign_serial_greater(serial, old))
        base_findings_add(job->findings, SIGN_SERIAL_BACKWARDS, NULL,
                          "the previous version has serial %u, this one %u", old, serial);
}

int sign_finish(struct sign_job *job)
{
    struct sign_worker *worker = &job->workers[0];
    const struct zone *previous = job->previous;
    enum sign_serial policy = job->policy->serial;
    uint32_t input = job->zone->serial;
    bool same_serial = previous != NULL &&
                       (policy == SIGN_SERIAL_KEEP ? input == previous->serial
                                                   : !sign_serial_greater(input, previous->serial));
    if (same_serial && rest_unchanged(job)) {
        /* Most likely nothing changed at all: then nothing new is made here either. */
        size_t made = worker->made, kept = worker->kept;
        base_time earliest = worker->earliest;
        int status = finish_with(job, previous->serial);
        if (status != BASE_OK || worker->made == made) {
            job->unchanged = status == BASE_OK;
            return status;
        }
        worker->made = made;
        worker->kept = kept;
        worker->earliest = earliest;
    }
    if (previous != NULL && policy == SIGN_SERIAL_KEEP)
        warn_of_kept_serial(job);
    const uint32_t *last = previous != NULL ? &previous->serial : job->request->published;
    return finish_with(job, sign_serial_next(policy, input, last, job->request->now));
}

/*
 * The result
 */

int sign_hand_over(struct sign_job *job)
{
    size_t matched = 0;
    for (unsigned i = 0; i < job->threads; i++)
        matched += job->workers[i].matched + job->workers[i].kept;
    int status = flush(job);
    if (status == BASE_OK)
        status = zone_share(job->out, job->zone);
    if (status == BASE_OK && matched > 0)
        status = zone_share(job->out, job->previous);
    if (status == BASE_OK)
        status = zone_adopt(job->out, &job->records);
    for (unsigned i = 0; status == BASE_OK && i < job->threads; i++)
        status = zone_adopt(job->out, &job->workers[i].arena);
    return status;
}

void sign_fill_result(struct sign_job *job, struct sign_result *result)
{
    *result = (struct sign_result){
        .zone = job->out, .serial = job->out->serial, .earliest_expiry = INT64_MAX};
    for (unsigned i = 0; i < job->threads; i++) {
        const struct sign_worker *worker = &job->workers[i];
        result->signatures_made += worker->made;
        result->signatures_kept += worker->kept;
        result->chain_records += worker->denials;
        if (worker->earliest < result->earliest_expiry)
            result->earliest_expiry = worker->earliest;
    }
    result->next_resign = result->earliest_expiry - job->policy->refresh;
    job->out = NULL;
}

static int run(struct sign_job *job)
{
    int status = sign_check_request(job);
    if (status == BASE_OK)
        status = sign_choose_keys(job);
    if (status == BASE_OK)
        status = sign_make_apex(job);
    if (status == BASE_OK)
        status = sign_make_workers(job);
    if (status == BASE_OK)
        status = sign_scan(job);
    if (status == BASE_OK && job->nsec3)
        status = sign_hash_chain(job);
    if (status == BASE_OK)
        status = sign_emit(job);
    if (status == BASE_OK)
        status = sign_finish(job);
    if (status == BASE_OK)
        status = sign_hand_over(job);
    return status;
}

int sign_zone(const struct sign_request *request, struct base_findings *findings,
              struct sign_result *result)
{
    struct sign_job job;
    sign_job_init(&job, request, findings);
    int status = run(&job);
    if (status == BASE_OK) {
        sign_fill_result(&job, result);
        if (request->progress != NULL)
            request->progress(request->progress_context, job.signatures, job.signatures);
    } else if (status == BASE_ECRYPTO || status == BASE_EUNSUPPORTED || status == BASE_EPERM) {
        base_findings_add(findings, SIGN_CRYPTO_FAILED, NULL, "signing stopped: %s",
                          status == BASE_EPERM ? "the private key may not be used now"
                                               : base_strerror(status));
    }
    sign_job_free(&job);
    return status;
}
