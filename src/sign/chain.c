/*
 * The members of the denial chain. One pass checks TTLs and finds where chunks begin and end in the
 * chain; with NSEC3 two more count the members, empty non-terminals included, and hash them. The
 * hashes are sorted by distributing them over buckets by their first octet, which are sorted each
 * for itself: hashes are uniform, so buckets are equal.
 */
#include "base/codec.h"
#include "base/error.h"
#include "sign/internal.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 256

static void check_ttl(struct sign_job *job, struct sign_worker *worker, size_t index,
                      const struct sign_set *set)
{
    if (set->role == SIGN_BY_NONE || set->ttl <= job->policy->refresh)
        return;
    if (!base_findings_wants(&worker->findings, SIGN_TTL_TOO_LONG)) {
        base_findings_count(&worker->findings, SIGN_TTL_TOO_LONG);
        return;
    }
    char owner[DNS_NAME_TEXT], type[DNS_TYPE_TEXT];
    struct base_place place =
        zone_place(job->zone, job->zone->nodes[index].name, set->rrs[0], owner, type);
    base_findings_add(&worker->findings, SIGN_TTL_TOO_LONG, &place,
                      "the TTL is %u s, but signatures are renewed when only %u s are left",
                      set->ttl, job->policy->refresh);
}

static int scan_chunk(void *context, size_t chunk, unsigned number)
{
    struct sign_job *job = context;
    struct sign_worker *worker = &job->workers[number];
    const struct zone *zone = job->zone;
    size_t end = (chunk + 1) * SIGN_CHUNK;
    if (end > zone->node_count)
        end = zone->node_count;
    size_t first = zone->node_count, last = SIZE_MAX;
    for (size_t i = chunk * SIGN_CHUNK; i < end; i++) {
        const struct zone_node *node = &zone->nodes[i];
        for (unsigned s = 0; s < node->rrset_count; s++) {
            const struct zone_rrset *set = &zone->rrsets[node->first_rrset + s];
            if (sign_type_dropped(set->type))
                worker->dropped += set->count;
        }
        if (sign_node_in_chain(job, i)) {
            if (first == zone->node_count)
                first = i;
            last = i;
        }
        size_t count = sign_node_view(job, i, worker->sets);
        for (size_t s = 0; s < count; s++)
            check_ttl(job, worker, i, &worker->sets[s]);
    }
    job->chain_first[chunk] = first;
    job->chain_last[chunk] = last;
    return BASE_OK;
}

/* Turns each chunk's own first and last into first-at-or-after and last-before. */
static void link_chunks(struct sign_job *job)
{
    size_t next = job->zone->node_count, last = SIZE_MAX;
    for (size_t c = job->chunk_count; c-- > 0;) {
        if (job->chain_first[c] != job->zone->node_count)
            next = job->chain_first[c];
        job->chain_first[c] = next;
    }
    for (size_t c = 0; c < job->chunk_count; c++) {
        size_t own = job->chain_last[c];
        job->chain_last[c] = last;
        if (own != SIZE_MAX)
            last = own;
    }
}

static int join_findings(struct sign_job *job)
{
    struct base_findings all;
    base_findings_init(&all, BASE_FINDINGS_PER_CODE);
    for (unsigned i = 0; i < job->threads; i++)
        base_findings_absorb(&all, &job->workers[i].findings);
    base_findings_sort(&all);
    bool bad = base_findings_bad(&all);
    base_findings_absorb(job->findings, &all);
    base_findings_free(&all);
    return bad ? BASE_EREFUSED : BASE_OK;
}

int sign_scan(struct sign_job *job)
{
    job->chunk_count = (job->zone->node_count + SIGN_CHUNK - 1) / SIGN_CHUNK;
    job->chain_first = base_arena_alloc(&job->arena, job->chunk_count * sizeof(size_t));
    job->chain_last = base_arena_alloc(&job->arena, job->chunk_count * sizeof(size_t));
    if (job->chain_first == NULL || job->chain_last == NULL)
        return BASE_ENOMEM;
    int status = base_parallel(job->threads, job->chunk_count, scan_chunk, job);
    if (status != BASE_OK)
        return status;
    link_chunks(job);
    size_t dropped = 0;
    for (unsigned i = 0; i < job->threads; i++)
        dropped += job->workers[i].dropped;
    if (dropped > 0)
        base_findings_add(job->findings, SIGN_DNSSEC_DROPPED, NULL,
                          "%zu RRSIG, NSEC, NSEC3 and NSEC3PARAM records of the input are left out",
                          dropped);
    return join_findings(job);
}

/*
 * NSEC3
 */

/* The empty non-terminals between two neighbours of the chain: ancestors of `node` that it does not
 * share with `previous`. (One that owned records would stand between the two.) */
static unsigned empty_between(const struct sign_job *job, size_t previous, size_t node)
{
    const uint8_t *name = job->zone->nodes[node].name;
    unsigned labels = dns_name_labels(name);
    unsigned common = job->zone->apex_labels;
    if (previous != SIZE_MAX)
        common = dns_name_common(job->zone->nodes[previous].name, name);
    return labels > common + 1 ? labels - common - 1 : 0;
}

/* Calls for each chain node of a chunk, with the chain node before it. */
static int walk_chunk(struct sign_job *job, size_t chunk,
                      int (*visit)(struct sign_job *job, void *context, size_t previous,
                                   size_t node),
                      void *context)
{
    size_t end = (chunk + 1) * SIGN_CHUNK;
    if (end > job->zone->node_count)
        end = job->zone->node_count;
    size_t previous = job->chain_last[chunk];
    for (size_t i = chunk * SIGN_CHUNK; i < end; i++) {
        if (!sign_node_in_chain(job, i))
            continue;
        int status = visit(job, context, previous, i);
        if (status != BASE_OK)
            return status;
        previous = i;
    }
    return BASE_OK;
}

static int count_member(struct sign_job *job, void *context, size_t previous, size_t node)
{
    *(size_t *)context += 1 + empty_between(job, previous, node);
    return BASE_OK;
}

static int count_chunk(void *context, size_t chunk, unsigned number)
{
    struct sign_job *job = context;
    size_t count = 0;
    int status = walk_chunk(job, chunk, count_member, &count);
    job->hash_first[chunk] = count;
    return status;
}

struct hashing {
    struct crypto_nsec3 *nsec3;
    struct sign_hash *out;
};

static int hash_member(struct sign_job *job, void *context, size_t previous, size_t node)
{
    struct hashing *hashing = context;
    const uint8_t *name = job->zone->nodes[node].name;
    for (unsigned depth = 0; depth <= empty_between(job, previous, node); depth++) {
        *hashing->out = (struct sign_hash){.node = (uint32_t)node, .depth = depth};
        int status =
            crypto_nsec3_hash(hashing->nsec3, dns_name_parent(name, depth), hashing->out->hash);
        if (status != BASE_OK)
            return status;
        hashing->out++;
    }
    return BASE_OK;
}

static int hash_chunk(void *context, size_t chunk, unsigned number)
{
    struct sign_job *job = context;
    struct sign_worker *worker = &job->workers[number];
    if (worker->nsec3 == NULL) {
        int status = crypto_nsec3_new(job->policy->nsec3_iterations, job->policy->nsec3_salt,
                                      job->policy->nsec3_salt_length, &worker->nsec3);
        if (status != BASE_OK)
            return status;
    }
    struct hashing hashing = {worker->nsec3, job->hashes + job->hash_first[chunk]};
    return walk_chunk(job, chunk, hash_member, &hashing);
}

struct sorting {
    struct sign_hash *hashes;
    size_t begin[BUCKETS + 1];
};

static int compare_hashes(const void *a, const void *b)
{
    return memcmp(a, b, CRYPTO_NSEC3_SIZE);
}

static int sort_bucket(void *context, size_t bucket, unsigned number)
{
    struct sorting *sorting = context;
    size_t begin = sorting->begin[bucket], count = sorting->begin[bucket + 1] - begin;
    if (count > 1)
        qsort(sorting->hashes + begin, count, sizeof(struct sign_hash), compare_hashes);
    return BASE_OK;
}

static int sort_hashes(struct sign_job *job)
{
    struct sorting sorting = {.hashes = malloc((job->hash_count + 1) * sizeof(struct sign_hash))};
    if (sorting.hashes == NULL)
        return BASE_ENOMEM;
    for (size_t i = 0; i < job->hash_count; i++)
        sorting.begin[job->hashes[i].hash[0] + 1]++;
    size_t at[BUCKETS];
    for (size_t b = 0; b < BUCKETS; b++) {
        at[b] = sorting.begin[b];
        sorting.begin[b + 1] += sorting.begin[b];
    }
    for (size_t i = 0; i < job->hash_count; i++)
        sorting.hashes[at[job->hashes[i].hash[0]]++] = job->hashes[i];
    int status = base_parallel(job->threads, BUCKETS, sort_bucket, &sorting);
    free(job->hashes);
    job->hashes = sorting.hashes;
    return status;
}

static int check_hash_collisions(struct sign_job *job)
{
    int status = BASE_OK;
    for (size_t i = 1; i < job->hash_count; i++) {
        if (memcmp(job->hashes[i - 1].hash, job->hashes[i].hash, CRYPTO_NSEC3_SIZE) != 0)
            continue;
        char a[DNS_NAME_TEXT], b[DNS_NAME_TEXT];
        base_findings_add(job->findings, SIGN_NSEC3_COLLISION, NULL,
                          "%s and %s have the same hash with this salt",
                          dns_name_text(a, sign_hash_original(job, &job->hashes[i - 1])),
                          dns_name_text(b, sign_hash_original(job, &job->hashes[i])));
        status = BASE_EREFUSED;
    }
    return status;
}

int sign_hash_chain(struct sign_job *job)
{
    if (job->apex_length + 33 > DNS_NAME_MAX) {
        char owner[DNS_NAME_TEXT];
        base_findings_add(job->findings, SIGN_NSEC3_NAME_TOO_LONG, NULL,
                          "the zone's name %s has %zu octets; a hashed owner would have %zu",
                          dns_name_text(owner, job->apex), job->apex_length, job->apex_length + 33);
        return BASE_EREFUSED;
    }
    job->hash_first = base_arena_alloc(&job->arena, job->chunk_count * sizeof(size_t));
    if (job->hash_first == NULL)
        return BASE_ENOMEM;
    int status = base_parallel(job->threads, job->chunk_count, count_chunk, job);
    if (status != BASE_OK)
        return status;
    for (size_t c = 0; c < job->chunk_count; c++) {
        size_t count = job->hash_first[c];
        job->hash_first[c] = job->hash_count;
        job->hash_count += count;
    }
    job->hashes = malloc((job->hash_count + 1) * sizeof(*job->hashes));
    if (job->hashes == NULL)
        return BASE_ENOMEM;
    status = base_parallel(job->threads, job->chunk_count, hash_chunk, job);
    if (status == BASE_OK)
        status = sort_hashes(job);
    return status == BASE_OK ? check_hash_collisions(job) : status;
}

size_t sign_hash_name(const struct sign_job *job, const struct sign_hash *hash,
                      uint8_t out[DNS_NAME_MAX])
{
    out[0] = BASE_BASE32HEX_SIZE(CRYPTO_NSEC3_SIZE);
    base_base32hex_encode((char *)out + 1, hash->hash, CRYPTO_NSEC3_SIZE);
    memcpy(out + 33, job->apex, job->apex_length);
    return 33 + job->apex_length;
}

const uint8_t *sign_hash_original(const struct sign_job *job, const struct sign_hash *hash)
{
    return dns_name_parent(job->zone->nodes[hash->node].name, hash->depth);
}
