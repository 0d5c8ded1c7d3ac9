/*
 * One NSEC3 chain: closed, one record for each name and empty non-terminal, opt-out where it is
 * allowed, nothing else (RFC 5155 section 7.1).
 *
 * Every name is hashed and looked up among the records; what is not found must be excused by
 * opt-out, and records that nobody looked up are strays. So no sorting is needed, and names go in
 * any order on several threads.
 */
#include "base/codec.h"
#include "validate/zone_nsec3.h"

#include <stdlib.h>
#include <string.h>

#define HASH_SIZE CRYPTO_NSEC3_SIZE
#define HASH_TEXT (BASE_BASE32HEX_SIZE(HASH_SIZE) + 1)

struct check {
    struct verifier *verifier;
    struct validate_nsec3_chain *chain;
    struct crypto_nsec3 **hashers; /* by worker */
};

static const char *hash_text(char out[HASH_TEXT], const uint8_t *hash)
{
    out[base_base32hex_encode(out, hash, HASH_SIZE)] = '\0';
    return out;
}

static int compare_records(const void *left, const void *right)
{
    const struct validate_nsec3 *a = left, *b = right;
    int order = memcmp(a->hash, b->hash, HASH_SIZE);
    return order != 0 ? order : (a->node > b->node) - (a->node < b->node);
}

static unsigned bucket_of(const uint8_t *hash)
{
    return (unsigned)hash[0] << 8 | hash[1];
}

/* Nodes are in canonical order, which is that of the hashes; sorting is for safety only. */
static int index_records(struct validate_nsec3_chain *chain)
{
    bool sorted = true;
    for (size_t i = 1; i < chain->count && sorted; i++)
        sorted = memcmp(chain->records[i - 1].hash, chain->records[i].hash, HASH_SIZE) <= 0;
    if (!sorted)
        qsort(chain->records, chain->count, sizeof(chain->records[0]), compare_records);
    chain->buckets = malloc((VALIDATE_NSEC3_BUCKETS + 1) * sizeof(*chain->buckets));
    chain->used = calloc(chain->count + 1, sizeof(*chain->used));
    if (chain->buckets == NULL || chain->used == NULL)
        return BASE_ENOMEM;
    size_t at = 0;
    for (unsigned bucket = 0; bucket <= VALIDATE_NSEC3_BUCKETS; bucket++) {
        while (at < chain->count && bucket_of(chain->records[at].hash) < bucket)
            at++;
        chain->buckets[bucket] = (uint32_t)at;
    }
    return BASE_OK;
}

/* The first record whose hash is not before `hash`; may be chain->count. */
static size_t lower_bound(const struct validate_nsec3_chain *chain, const uint8_t *hash)
{
    size_t low = chain->buckets[bucket_of(hash)];
    size_t high = chain->buckets[bucket_of(hash) + 1];
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(chain->records[middle].hash, hash, HASH_SIZE) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/*
 * Records: closed circle, TTL.
 */
static void check_record(struct check *check, struct base_findings *findings, size_t index)
{
    const struct verifier *verifier = check->verifier;
    struct validate_nsec3_chain *chain = check->chain;
    const struct validate_nsec3 *record = &chain->records[index];
    const struct validate_nsec3 *follower = &chain->records[(index + 1) % chain->count];
    const struct zone_node *node = &verifier->zone->nodes[record->node];
    struct validate_nsec3_rdata rdata;
    if (!validate_nsec3_parse(record->rr, &rdata))
        return; /* was told when it was collected */
    if (chain->count > 1 && memcmp(record->hash, follower->hash, HASH_SIZE) == 0) {
        validate_report(verifier, findings, VERIFY_NSEC3_SEVERAL, node->name, record->rr,
                        "there is more than one NSEC3 of this chain");
        return;
    }
    if (memcmp(rdata.next, follower->hash, HASH_SIZE) != 0) {
        char next[HASH_TEXT], expected[HASH_TEXT];
        validate_report(verifier, findings, VERIFY_NSEC3_NEXT, node->name, record->rr,
                        "the NSEC3 points at %s; the next hash is %s", hash_text(next, rdata.next),
                        hash_text(expected, follower->hash));
    }
    const struct zone_rrset *rrset = zone_rrset(verifier->zone, node, DNS_TYPE_NSEC3);
    if (verifier->negative_ttl_known && rrset->ttl != verifier->negative_ttl) {
        atomic_fetch_add(&chain->wrong_ttl, 1);
        size_t first = atomic_load(&chain->first_wrong_ttl);
        while (record->node < first &&
               !atomic_compare_exchange_weak(&chain->first_wrong_ttl, &first, record->node))
            ;
    }
}

static int check_records(void *context, struct base_findings *findings, size_t from, size_t to,
                         unsigned worker)
{
    (void)worker;
    for (size_t i = from; i < to; i++)
        check_record(context, findings, i);
    return BASE_OK;
}

static int find_strays(void *context, struct base_findings *findings, size_t from, size_t to,
                       unsigned worker)
{
    (void)worker;
    struct check *check = context;
    struct validate_nsec3_chain *chain = check->chain;
    for (size_t i = from; i < to; i++) {
        const struct validate_nsec3 *record = &chain->records[i];
        bool repeats = i > 0 && memcmp(record->hash, record[-1].hash, HASH_SIZE) == 0;
        if (atomic_load_explicit(&chain->used[i], memory_order_relaxed) || repeats)
            continue;
        validate_report(check->verifier, findings, VERIFY_NSEC3_STRAY,
                        check->verifier->zone->nodes[record->node].name, record->rr,
                        "no authoritative name of the zone has this hash");
    }
    return BASE_OK;
}

/*
 * Names: each has its record.
 */
struct name_want {
    const uint8_t *name;
    const struct zone_node *node; /* NULL: an empty non-terminal */
    enum validate_role role;
    bool optional; /* opt-out may excuse it */
};

static void check_bitmap(struct check *check, struct base_findings *findings,
                         const struct name_want *want, const struct validate_nsec3 *record)
{
    const struct verifier *verifier = check->verifier;
    struct validate_nsec3_rdata rdata;
    if (!validate_nsec3_parse(record->rr, &rdata))
        return;
    struct validate_bitmap_want types = {.zone = verifier->zone,
                                         .node = want->node,
                                         .role = want->role,
                                         .ignore = verifier->nsec_chain ? DNS_TYPE_NSEC : 0,
                                         .ignore_rrsig = verifier->nsec_chain &&
                                                         want->role == VALIDATE_ROLE_CUT};
    const struct zone_node *owner = &verifier->zone->nodes[record->node];
    char why[VALIDATE_BITMAP_TEXT], name[DNS_NAME_TEXT];
    switch (validate_bitmap_compare(&types, rdata.bitmap, rdata.bitmap_length, why)) {
    case VALIDATE_BITMAP_EQUAL:
        break;
    case VALIDATE_BITMAP_OTHER:
        validate_report(verifier, findings, VERIFY_NSEC3_BITMAP, owner->name, record->rr,
                        "the NSEC3 of %s%s %s", dns_name_text(name, want->name),
                        want->node == NULL ? ", an empty non-terminal," : "", why);
        break;
    case VALIDATE_BITMAP_MALFORMED:
        validate_report(verifier, findings, VERIFY_NSEC3_MALFORMED, owner->name, record->rr,
                        "the type bitmap of the NSEC3 of %s is malformed",
                        dns_name_text(name, want->name));
        break;
    }
}

static void report_missing(struct check *check, struct base_findings *findings,
                           const struct name_want *want, const uint8_t *hash)
{
    char text[HASH_TEXT];
    validate_report_type(check->verifier, findings, VERIFY_NSEC3_MISSING, want->name,
                         DNS_TYPE_NSEC3, "the %s has no NSEC3; its hash is %s%s",
                         want->node == NULL ? "empty non-terminal" : "name", hash_text(text, hash),
                         want->optional ? ", which no NSEC3 with the opt-out flag covers" : "");
}

static int check_name(struct check *check, struct base_findings *findings, unsigned worker,
                      const struct name_want *want)
{
    struct validate_nsec3_chain *chain = check->chain;
    uint8_t hash[HASH_SIZE];
    int error = crypto_nsec3_hash(check->hashers[worker], want->name, hash);
    if (error != BASE_OK)
        return error;
    size_t at = lower_bound(chain, hash);
    if (at < chain->count && memcmp(chain->records[at].hash, hash, HASH_SIZE) == 0) {
        atomic_store_explicit(&chain->used[at], 1, memory_order_relaxed);
        check_bitmap(check, findings, want, &chain->records[at]);
        return BASE_OK;
    }
    const struct validate_nsec3 *cover =
        chain->count > 0 ? &chain->records[(at + chain->count - 1) % chain->count] : NULL;
    if (want->optional && cover != NULL && (cover->rr->rdata[1] & 1))
        return BASE_OK;
    report_missing(check, findings, want, hash);
    return BASE_OK;
}

/*
 * Does an empty non-terminal lead to nothing but delegations without DS? What one look along the
 * names below has shown is kept, since the next question is nearly always about the same names.
 */
struct insecure_stretch {
    size_t from, until; /* chain names in here are delegations without DS */
    size_t breaker;     /* a name at `until` that is none; SIZE_MAX when not known */
};

static bool leads_to_insecure_only(const struct verifier *verifier,
                                   struct insecure_stretch *stretch, const uint8_t *name,
                                   size_t first)
{
    const struct zone *zone = verifier->zone;
    if (first < stretch->from || first >= stretch->until) {
        *stretch = (struct insecure_stretch){first, first, SIZE_MAX};
    } else if (stretch->breaker != SIZE_MAX) {
        return !dns_name_within(zone->nodes[stretch->breaker].name, name);
    }
    for (size_t i = stretch->until; i < zone->node_count; i++) {
        if (!dns_name_within(zone->nodes[i].name, name))
            return true;
        enum validate_role role = (enum validate_role)verifier->roles[i];
        if (role > VALIDATE_ROLE_CUT) {
            stretch->breaker = i;
            stretch->until = i + 1;
            return false;
        }
        stretch->until = i + 1;
    }
    return true;
}

/* The empty non-terminals that come into being with node `index`: its ancestors below the apex
 * which the chain name before it does not share. */
static int check_empty_names(struct check *check, struct base_findings *findings, unsigned worker,
                             size_t index, size_t previous, struct insecure_stretch *stretch)
{
    const struct verifier *verifier = check->verifier;
    const struct zone *zone = verifier->zone;
    const uint8_t *name = zone->nodes[index].name;
    unsigned labels = dns_name_labels(name);
    unsigned shared = zone->apex_labels;
    if (labels <= shared + 1)
        return BASE_OK;
    if (previous != index)
        shared = dns_name_common(name, zone->nodes[previous].name);
    if (shared < zone->apex_labels)
        shared = zone->apex_labels;
    for (unsigned length = shared + 1; length < labels; length++) {
        struct name_want want = {.name = dns_name_parent(name, labels - length)};
        want.optional = leads_to_insecure_only(verifier, stretch, want.name, index);
        int error = check_name(check, findings, worker, &want);
        if (error != BASE_OK)
            return error;
    }
    return BASE_OK;
}

static int check_names(void *context, struct base_findings *findings, size_t from, size_t to,
                       unsigned worker)
{
    struct check *check = context;
    const struct verifier *verifier = check->verifier;
    struct insecure_stretch stretch = {0};
    size_t previous = validate_chain_previous(verifier, from);
    for (size_t i = from; i < to; i++) {
        enum validate_role role = (enum validate_role)verifier->roles[i];
        if (role < VALIDATE_ROLE_CUT)
            continue;
        int error = check_empty_names(check, findings, worker, i, previous, &stretch);
        if (error != BASE_OK)
            return error;
        const struct zone_node *node = &verifier->zone->nodes[i];
        struct name_want want = {
            .name = node->name, .node = node, .role = role, .optional = role == VALIDATE_ROLE_CUT};
        error = check_name(check, findings, worker, &want);
        if (error != BASE_OK)
            return error;
        previous = i;
    }
    return BASE_OK;
}

static int run_passes(struct check *check)
{
    struct verifier *verifier = check->verifier;
    struct validate_nsec3_chain *chain = check->chain;
    struct validate_pass records = {
        .count = chain->count, .slices_per_thread = 16, .work = check_records, .context = check};
    struct validate_pass names = {.count = verifier->zone->node_count,
                                  .slices_per_thread = 16,
                                  .work = check_names,
                                  .context = check};
    struct validate_pass strays = records;
    strays.work = find_strays;
    int error = validate_pass_run(verifier, &records, &chain->found);
    if (error == BASE_OK)
        error = validate_pass_run(verifier, &names, &chain->found);
    if (error == BASE_OK)
        error = validate_pass_run(verifier, &strays, &chain->found);
    return error;
}

int validate_nsec3_chain_check(struct verifier *verifier, struct validate_nsec3_chain *chain)
{
    struct check check = {.verifier = verifier, .chain = chain};
    int error = index_records(chain);
    if (error != BASE_OK)
        return error;
    check.hashers = calloc(verifier->threads, sizeof(struct crypto_nsec3 *));
    if (check.hashers == NULL)
        return BASE_ENOMEM;
    for (unsigned i = 0; i < verifier->threads && error == BASE_OK; i++)
        error = crypto_nsec3_new(chain->parameters.iterations, chain->parameters.salt,
                                 chain->parameters.salt_length, &check.hashers[i]);
    if (error == BASE_OK)
        error = run_passes(&check);
    for (unsigned i = 0; i < verifier->threads; i++)
        crypto_nsec3_free(check.hashers[i]);
    free(check.hashers);
    return error;
}
