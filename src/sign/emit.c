/*
 * Writing the new zone. The output is the merge of the input's nodes with the NSEC3 chain, both in
 * canonical order. It is cut into tasks; how much each will write is counted first, so that then
 * each writes its part of the final arrays with nobody else there. The previous version is walked
 * along, so that what has not changed is found without searching.
 */
#include "base/codec.h"
#include "base/error.h"
#include "base/reader.h"
#include "sign/internal.h"

#include <stdlib.h>
#include <string.h>

/* One output node: an input node, a member of the NSEC3 chain, or both at one name. */
struct piece {
    size_t node;                  /* SIZE_MAX: none */
    const struct sign_hash *hash; /* NULL: none */
    const uint8_t *name;
    uint64_t key_prefix;
    uint8_t hash_name[DNS_NAME_MAX];
};

/* Walks the pieces of a task. */
struct walk {
    const struct sign_job *job;
    size_t node, node_end;
    size_t hash, hash_end;
};

static uint64_t load_u64(const uint8_t *at)
{
    return (uint64_t)base_load_u32(at) << 32 | base_load_u32(at + 4);
}

/* The first octets of a hashed owner's key: base32hex needs no escapes, so they are its text. */
static uint64_t hash_prefix(const struct sign_hash *hash)
{
    uint8_t text[BASE_BASE32HEX_SIZE(5)];
    base_base32hex_encode((char *)text, hash->hash, 5);
    return load_u64(text);
}

/* Order of an input node and a hashed owner. Nearly always known without touching the name. */
static int compare_owner(const struct sign_job *job, size_t index, const struct sign_hash *hash)
{
    uint64_t prefix = hash_prefix(hash), own = job->zone->nodes[index].key_prefix;
    if (own != prefix)
        return own < prefix ? -1 : 1;
    const uint8_t *name = job->zone->nodes[index].name;
    unsigned labels = dns_name_labels(name);
    if (labels == job->zone->apex_labels)
        return -1;
    const uint8_t *top = dns_name_parent(name, labels - job->zone->apex_labels - 1);
    char text[BASE_BASE32HEX_SIZE(CRYPTO_NSEC3_SIZE)];
    base_base32hex_encode(text, hash->hash, CRYPTO_NSEC3_SIZE);
    for (unsigned i = 0; i < top[0] && i < sizeof(text); i++) {
        int difference = dns_lower[top[1 + i]] - (uint8_t)text[i];
        if (difference != 0)
            return difference;
    }
    if (top[0] != sizeof(text))
        return top[0] < sizeof(text) ? -1 : 1;
    return labels > job->zone->apex_labels + 1 ? 1 : 0;
}

static bool walk_next(struct walk *walk, struct piece *piece)
{
    const struct sign_job *job = walk->job;
    while (walk->node < walk->node_end && !sign_node_live(job, walk->node))
        walk->node++;
    bool has_node = walk->node < walk->node_end, has_hash = walk->hash < walk->hash_end;
    if (!has_node && !has_hash)
        return false;
    int order = !has_hash   ? -1
                : !has_node ? 1
                            : compare_owner(job, walk->node, &job->hashes[walk->hash]);
    piece->node = order <= 0 ? walk->node++ : SIZE_MAX;
    piece->hash = order >= 0 ? &job->hashes[walk->hash++] : NULL;
    if (piece->node != SIZE_MAX) {
        piece->name = job->zone->nodes[piece->node].name;
        piece->key_prefix = job->zone->nodes[piece->node].key_prefix;
    } else {
        sign_hash_name(job, piece->hash, piece->hash_name);
        piece->name = piece->hash_name;
        piece->key_prefix = load_u64(piece->hash_name + 1);
    }
    return true;
}

static struct walk task_walk(const struct sign_job *job, const struct sign_task *task)
{
    return (struct walk){job, task->node_begin, task->node_end, task->hash_begin, task->hash_end};
}

/*
 * Tasks: cut where a chunk of either side begins.
 */

/* How many hashes come before a node. */
static size_t hashes_before(const struct sign_job *job, size_t index)
{
    size_t low = 0, high = job->hash_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_owner(job, index, &job->hashes[middle]) > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* How many nodes come before a hash. */
static size_t nodes_before(const struct sign_job *job, size_t index)
{
    size_t low = 0, high = job->zone->node_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_owner(job, middle, &job->hashes[index]) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int compare_tasks(const void *a, const void *b)
{
    const struct sign_task *x = a, *y = b;
    size_t p = x->node_begin + x->hash_begin, q = y->node_begin + y->hash_begin;
    return p < q ? -1 : p > q;
}

static int make_tasks(struct sign_job *job)
{
    size_t hash_chunks = (job->hash_count + SIGN_CHUNK - 1) / SIGN_CHUNK;
    size_t count = job->chunk_count + hash_chunks;
    job->tasks = base_arena_zalloc(&job->arena, (count + 1) * sizeof(*job->tasks));
    if (job->tasks == NULL)
        return BASE_ENOMEM;
    struct sign_task *task = job->tasks;
    for (size_t c = 0; c < job->chunk_count; c++, task++) {
        task->node_begin = c * SIGN_CHUNK;
        task->hash_begin = hashes_before(job, task->node_begin);
    }
    for (size_t c = 0; c < hash_chunks; c++, task++) {
        task->hash_begin = c * SIGN_CHUNK;
        task->node_begin = nodes_before(job, task->hash_begin);
    }
    qsort(job->tasks, count, sizeof(*job->tasks), compare_tasks);
    for (size_t i = 0; i < count; i++) {
        bool last = i + 1 == count;
        job->tasks[i].node_end = last ? job->zone->node_count : job->tasks[i + 1].node_begin;
        job->tasks[i].hash_end = last ? job->hash_count : job->tasks[i + 1].hash_begin;
    }
    job->task_count = count;
    return BASE_OK;
}

/*
 * Counting
 */

static bool has_nsec(const struct sign_job *job, const struct piece *piece)
{
    return !job->nsec3 && piece->node != SIZE_MAX && sign_node_in_chain(job, piece->node);
}

/* The sets of a piece but its denial record. */
static size_t piece_sets(const struct sign_job *job, const struct piece *piece,
                         struct sign_set *sets)
{
    return piece->node != SIZE_MAX ? sign_node_view(job, piece->node, sets) : 0;
}

static int count_task(void *context, size_t index, unsigned number)
{
    struct sign_job *job = context;
    struct sign_worker *worker = &job->workers[number];
    struct sign_task *task = &job->tasks[index];
    struct walk walk = task_walk(job, task);
    struct piece piece;
    while (walk_next(&walk, &piece)) {
        size_t count = piece_sets(job, &piece, worker->sets), signatures = 0;
        for (size_t i = 0; i < count; i++) {
            signatures += sign_role_count(job, worker->sets[i].role);
            task->out_rr += worker->sets[i].count;
        }
        if (has_nsec(job, &piece) || piece.hash != NULL) {
            count++;
            task->out_rr++;
            signatures += job->keys.zone_count;
        }
        task->out_node++;
        task->out_rrset += count + (signatures > 0);
        task->out_rr += signatures;
        task->signatures += signatures;
    }
    return BASE_OK;
}

static int count_output(struct sign_job *job)
{
    int status = base_parallel(job->threads, job->task_count, count_task, job);
    if (status != BASE_OK)
        return status;
    struct sign_task total = {0};
    for (size_t i = 0; i < job->task_count; i++) {
        struct sign_task *task = &job->tasks[i], own = *task;
        task->out_node = total.out_node;
        task->out_rrset = total.out_rrset;
        task->out_rr = total.out_rr;
        total.out_node += own.out_node;
        total.out_rrset += own.out_rrset;
        total.out_rr += own.out_rr;
        total.signatures += own.signatures;
    }
    job->signatures = total.signatures;
    return zone_make(job->zone, total.out_node, total.out_rrset, total.out_rr, &job->out);
}

/*
 * The previous version
 */

static int compare_previous(const struct zone_node *old, const struct piece *piece)
{
    if (old->key_prefix != piece->key_prefix)
        return old->key_prefix < piece->key_prefix ? -1 : 1;
    if (dns_name_equal(old->name, piece->name))
        return 0;
    return dns_name_compare(old->name, piece->name);
}

static size_t previous_begin(const struct sign_job *job, const struct piece *piece)
{
    size_t low = 0, high = job->previous->node_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_previous(&job->previous->nodes[middle], piece) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The previous version's node of the piece; *at goes forward. */
static const struct zone_node *previous_node(const struct sign_job *job, const struct piece *piece,
                                             size_t *at)
{
    while (*at < job->previous->node_count) {
        int order = compare_previous(&job->previous->nodes[*at], piece);
        if (order >= 0)
            return order == 0 ? &job->previous->nodes[*at] : NULL;
        (*at)++;
    }
    return NULL;
}

/*
 * Writing
 */

struct emission {
    struct sign_job *job;
    struct sign_worker *worker;
    size_t node, rrset, rr; /* where the next go */
    struct sign_owner owner;
};

/* The denial record with rdata in worker->rdata: the previous version's when it is the same. */
static const struct dns_rr *denial_rr(struct emission *emission, uint16_t type, size_t length)
{
    const struct sign_job *job = emission->job;
    const struct zone_node *old = emission->owner.previous;
    const struct zone_rrset *set =
        old != NULL && job->previous != NULL ? zone_rrset(job->previous, old, type) : NULL;
    for (unsigned i = 0; set != NULL && i < set->count; i++) {
        const struct dns_rr *rr = job->previous->rrs[set->first_rr + i];
        if (rr->length == length && rr->ttl == job->denial_ttl &&
            memcmp(rr->rdata, emission->worker->rdata, length) == 0)
            return rr;
    }
    struct dns_rr *rr = sign_new_rr(&emission->worker->arena, type, job->denial_ttl, length);
    if (rr != NULL)
        memcpy(rr->rdata, emission->worker->rdata, length);
    return rr;
}

static const struct dns_rr *make_nsec(struct emission *emission, const struct piece *piece,
                                      const uint8_t *next, size_t count)
{
    struct sign_worker *worker = emission->worker;
    const struct sign_job *job = emission->job;
    size_t length = dns_name_lower(worker->rdata, next);
    length += sign_node_bitmap(job, piece->node, worker->sets, count, worker->types,
                               worker->rdata + length);
    return denial_rr(emission, DNS_TYPE_NSEC, length);
}

/* Copies the type bitmap that the previous version has; returns its length. */
static size_t kept_bitmap(const struct emission *emission, uint8_t *out)
{
    const struct zone *previous = emission->job->previous;
    const struct zone_rrset *set = zone_rrset(previous, emission->owner.previous, DNS_TYPE_NSEC3);
    const struct dns_rr *rr = previous->rrs[set->first_rr];
    size_t head = 5u + rr->rdata[4]; /* up to the salt's end */
    head += 1u + rr->rdata[head];
    memcpy(out, rr->rdata + head, rr->length - head);
    return rr->length - head;
}

static const uint8_t *next_hash(const struct sign_job *job, const struct sign_hash *hash)
{
    size_t index = (size_t)(hash - job->hashes);
    if (job->next_hashes != NULL)
        return job->next_hashes[index];
    return job->hashes[index + 1 < job->hash_count ? index + 1 : 0].hash;
}

static const struct dns_rr *make_nsec3(struct emission *emission, const struct sign_hash *hash)
{
    struct sign_worker *worker = emission->worker;
    const struct sign_job *job = emission->job;
    const struct sign_policy *policy = job->policy;
    uint8_t *at = worker->rdata;
    *at++ = 1; /* SHA-1 */
    *at++ = job->opt_out;
    base_store_u16(at, policy->nsec3_iterations);
    at += 2;
    *at++ = policy->nsec3_salt_length;
    memcpy(at, policy->nsec3_salt, policy->nsec3_salt_length);
    at += policy->nsec3_salt_length;
    *at++ = CRYPTO_NSEC3_SIZE;
    memcpy(at, next_hash(job, hash), CRYPTO_NSEC3_SIZE);
    at += CRYPTO_NSEC3_SIZE;
    if (hash->depth == SIGN_HASH_KEPT) {
        at += kept_bitmap(emission, at);
    } else if (hash->depth == 0) {
        size_t count = sign_node_view(job, hash->node, worker->hash_sets);
        at += sign_node_bitmap(job, hash->node, worker->hash_sets, count, worker->types, at);
    }
    return denial_rr(emission, DNS_TYPE_NSEC3, (size_t)(at - worker->rdata));
}

/* Puts the set of a denial record in its place among the others; returns the new count. */
static size_t add_denial(const struct sign_job *job, struct sign_set *sets, size_t count,
                         const struct dns_rr *const *rr)
{
    size_t at = count;
    while (at > 0 && sets[at - 1].type > (*rr)->type) {
        sets[at] = sets[at - 1];
        at--;
    }
    sets[at] = (struct sign_set){
        .rrs = rr, .ttl = job->denial_ttl, .type = (*rr)->type, .count = 1, .role = SIGN_BY_ZONE};
    return count + 1;
}

static void put_rrset(struct emission *emission, uint16_t type, uint32_t ttl, size_t count)
{
    struct zone *out = emission->job->out;
    out->rrsets[emission->rrset++] = (struct zone_rrset){
        .first_rr = (uint32_t)emission->rr, .ttl = ttl, .type = type, .count = (uint16_t)count};
    emission->rr += count;
}

/* Signs a set, or leaves the place free for the end. `at` is where its signatures go. */
static int put_signatures(struct emission *emission, const struct sign_set *set, size_t at)
{
    struct sign_job *job = emission->job;
    struct sign_worker *worker = emission->worker;
    if (set->deferred) {
        if (set->type == DNS_TYPE_SOA)
            job->soa_signatures = at;
        else
            job->zonemd_signatures = at;
        return BASE_OK;
    }
    bool unchanged = job->previous != NULL && sign_set_unchanged(job, &emission->owner, set);
    if (unchanged)
        worker->matched += set->count;
    if (set->role == SIGN_BY_NONE)
        return BASE_OK;
    size_t kept = worker->kept;
    int status =
        sign_set_signatures(job, worker, &emission->owner, set, unchanged, &job->out->rrs[at]);
    worker->matched += worker->kept - kept;
    return status;
}

static int put_sets(struct emission *emission, const struct sign_set *sets, size_t count)
{
    struct zone *out = emission->job->out;
    size_t signatures = 0;
    uint32_t ttl = UINT32_MAX;
    for (size_t i = 0; i < count; i++) {
        signatures += sign_role_count(emission->job, sets[i].role);
        if (sets[i].role != SIGN_BY_NONE && sets[i].ttl < ttl)
            ttl = sets[i].ttl;
    }
    size_t sig_at = SIZE_MAX;
    for (size_t i = 0; i <= count; i++) {
        if (sig_at == SIZE_MAX && (i == count || sets[i].type > DNS_TYPE_RRSIG)) {
            sig_at = emission->rr;
            if (signatures > 0)
                put_rrset(emission, DNS_TYPE_RRSIG, ttl, signatures);
        }
        if (i == count)
            break;
        memcpy(&out->rrs[emission->rr], sets[i].rrs, sets[i].count * sizeof(*sets[i].rrs));
        put_rrset(emission, sets[i].type, sets[i].ttl, sets[i].count);
    }
    for (size_t i = 0; i < count; i++) {
        int status = put_signatures(emission, &sets[i], sig_at);
        if (status != BASE_OK)
            return status;
        sig_at += sign_role_count(emission->job, sets[i].role);
    }
    return BASE_OK;
}

static int put_node(struct emission *emission, const struct piece *piece, size_t first_rrset)
{
    struct sign_job *job = emission->job;
    struct zone_node *node = &job->out->nodes[emission->node++];
    *node = (struct zone_node){.first_rrset = (uint32_t)first_rrset,
                               .rrset_count = (uint16_t)(emission->rrset - first_rrset),
                               .key_prefix = piece->key_prefix};
    if (piece->node != SIZE_MAX) {
        node->name = job->zone->nodes[piece->node].name;
        node->flags = job->zone->nodes[piece->node].flags & (uint16_t)~ZONE_NSEC3;
        return BASE_OK;
    }
    node->flags = ZONE_NSEC3;
    node->name =
        base_arena_dup(&emission->worker->arena, piece->name, dns_name_length(piece->name));
    return node->name != NULL ? BASE_OK : BASE_ENOMEM;
}

/* `next`: the next name of the chain; NULL: the piece has no NSEC. */
static int put_piece(struct emission *emission, const struct piece *piece, const uint8_t *next)
{
    struct sign_job *job = emission->job;
    struct sign_worker *worker = emission->worker;
    size_t first_rrset = emission->rrset;
    size_t count = piece_sets(job, piece, worker->sets);
    const struct dns_rr *denial = NULL;
    if (next != NULL || piece->hash != NULL) {
        denial = piece->hash != NULL ? make_nsec3(emission, piece->hash)
                                     : make_nsec(emission, piece, next, count);
        if (denial == NULL)
            return BASE_ENOMEM;
        count = add_denial(job, worker->sets, count, &denial);
        worker->denials++;
    }
    int status = put_sets(emission, worker->sets, count);
    return status == BASE_OK ? put_node(emission, piece, first_rrset) : status;
}

/* The next chain node after `index`, which the apex follows at the end. */
static size_t next_node(const struct sign_job *job, size_t index)
{
    size_t count = job->zone->node_count, chunk = index / SIGN_CHUNK;
    size_t end = (chunk + 1) * SIGN_CHUNK < count ? (chunk + 1) * SIGN_CHUNK : count;
    for (size_t i = index + 1; i < end; i++)
        if (sign_node_in_chain(job, i))
            return i;
    if (chunk + 1 < job->chunk_count && job->chain_first[chunk + 1] < count)
        return job->chain_first[chunk + 1];
    return 0;
}

static const uint8_t *next_name(const struct sign_job *job, size_t index)
{
    return job->next_names != NULL ? job->next_names[index]
                                   : job->zone->nodes[next_node(job, index)].name;
}

static int emit_task(void *context, size_t index, unsigned number)
{
    struct sign_job *job = context;
    struct sign_task *task = &job->tasks[index];
    struct walk walk = task_walk(job, task);
    struct emission emission = {.job = job,
                                .worker = &job->workers[number],
                                .node = task->out_node,
                                .rrset = task->out_rrset,
                                .rr = task->out_rr};
    struct piece piece;
    size_t previous = SIZE_MAX;
    while (walk_next(&walk, &piece)) {
        const struct zone_node *old = NULL;
        if (job->previous != NULL) {
            if (previous == SIZE_MAX)
                previous = previous_begin(job, &piece);
            old = previous_node(job, &piece, &previous);
            zone_prefetch(job->previous, previous + ZONE_PREFETCH_NODES);
        }
        zone_prefetch(job->zone, walk.node + ZONE_PREFETCH_NODES);
        emission.owner = sign_owner_make(piece.name, old);
        const uint8_t *next = has_nsec(job, &piece) ? next_name(job, piece.node) : NULL;
        int status = put_piece(&emission, &piece, next);
        if (status != BASE_OK)
            return status;
    }
    size_t done = atomic_fetch_add(&job->done, task->signatures) + task->signatures;
    if (number == 0 && job->request->progress != NULL)
        job->request->progress(job->request->progress_context, done, job->signatures);
    return BASE_OK;
}

int sign_emit(struct sign_job *job)
{
    int status = make_tasks(job);
    if (status == BASE_OK)
        status = count_output(job);
    if (status == BASE_OK)
        status = base_parallel(job->threads, job->task_count, emit_task, job);
    return status;
}
