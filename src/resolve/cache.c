/* Results that are kept: a table by question, and a list by last use. See internal.h. */
#include "base/error.h"
#include "resolve/internal.h"

#include <stdlib.h>
#include <string.h>

/* Seconds for which failures are kept (RFC 9520 section 3.2: at least one, at most 300; RFC 4035
 * section 4.7): short, since mending them is what people are about. */
#define BOGUS_SECONDS 5
#define ERROR_SECONDS 1
#define BUCKETS_FIRST 64

struct entry {
    struct entry *next;          /* in its bucket */
    struct entry *newer, *older; /* by use */
    const struct validate_result *result;
    size_t octets;
    uint32_t hash;
    base_time until;
};

struct resolve_cache {
    struct entry **buckets;
    size_t bucket_count, count;
    size_t octets, limit;
    struct entry *newest, *oldest;
};

static uint32_t hash_of(const uint8_t *name, uint16_t type)
{
    return dns_name_hash(name) * 31 + type;
}

int resolve_cache_new(size_t octets, struct resolve_cache **out)
{
    struct resolve_cache *cache = calloc(1, sizeof(*cache));
    if (cache == NULL)
        return BASE_ENOMEM;
    cache->bucket_count = BUCKETS_FIRST;
    cache->limit = octets;
    cache->buckets = calloc(cache->bucket_count, sizeof(*cache->buckets));
    if (cache->buckets == NULL) {
        free(cache);
        return BASE_ENOMEM;
    }
    *out = cache;
    return BASE_OK;
}

static void unlink_use(struct resolve_cache *cache, struct entry *entry)
{
    if (entry->newer != NULL)
        entry->newer->older = entry->older;
    else
        cache->newest = entry->older;
    if (entry->older != NULL)
        entry->older->newer = entry->newer;
    else
        cache->oldest = entry->newer;
}

static void link_use(struct resolve_cache *cache, struct entry *entry)
{
    entry->newer = NULL;
    entry->older = cache->newest;
    if (cache->newest != NULL)
        cache->newest->newer = entry;
    else
        cache->oldest = entry;
    cache->newest = entry;
}

static void drop(struct resolve_cache *cache, struct entry *entry)
{
    struct entry **link = &cache->buckets[entry->hash % cache->bucket_count];
    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
    unlink_use(cache, entry);
    cache->octets -= entry->octets;
    cache->count--;
    validate_result_unref(entry->result);
    free(entry);
}

void resolve_cache_clear(struct resolve_cache *cache)
{
    while (cache->oldest != NULL)
        drop(cache, cache->oldest);
}

void resolve_cache_free(struct resolve_cache *cache)
{
    if (cache == NULL)
        return;
    resolve_cache_clear(cache);
    free(cache->buckets);
    free(cache);
}

static struct entry *find(const struct resolve_cache *cache, const uint8_t *name, uint16_t type)
{
    uint32_t hash = hash_of(name, type);
    for (struct entry *entry = cache->buckets[hash % cache->bucket_count]; entry != NULL;
         entry = entry->next) {
        if (entry->hash == hash && entry->result->type == type &&
            dns_name_equal(entry->result->name, name))
            return entry;
    }
    return NULL;
}

const struct validate_result *resolve_cache_get(struct resolve_cache *cache, const uint8_t *name,
                                                uint16_t type, base_time now)
{
    struct entry *entry = find(cache, name, type);
    if (entry == NULL)
        return NULL;
    /* A clock that was set back makes what is newer than now doubtful. */
    if (now >= entry->until || now < entry->result->now) {
        drop(cache, entry);
        return NULL;
    }
    unlink_use(cache, entry);
    link_use(cache, entry);
    return validate_result_ref(entry->result);
}

static base_time holds_until(const struct validate_result *result)
{
    base_time until = result->now + result->ttl;
    if (result->status == VALIDATE_ERROR)
        return result->now + ERROR_SECONDS;
    if (result->status == VALIDATE_BOGUS)
        return result->now + BOGUS_SECONDS;
    if (result->expiry != 0 && result->expiry < until)
        until = result->expiry;
    return until;
}

/* As many buckets as entries; without memory the lists get longer. */
static void grow(struct resolve_cache *cache)
{
    size_t count = cache->bucket_count * 2;
    struct entry **buckets = calloc(count, sizeof(*buckets));
    if (buckets == NULL)
        return;
    for (struct entry *entry = cache->newest; entry != NULL; entry = entry->older) {
        struct entry **link = &buckets[entry->hash % count];
        entry->next = *link;
        *link = entry;
    }
    free(cache->buckets);
    cache->buckets = buckets;
    cache->bucket_count = count;
}

void resolve_cache_put(struct resolve_cache *cache, const struct validate_result *result)
{
    size_t octets =
        sizeof(struct entry) + 2 * sizeof(struct entry *) + validate_result_octets(result);
    base_time until = holds_until(result);
    struct entry *old = find(cache, result->name, result->type);
    if (old != NULL)
        drop(cache, old);
    if (until <= result->now || octets > cache->limit)
        return;
    while (cache->oldest != NULL && cache->octets + octets > cache->limit)
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): unlinked before */
        drop(cache, cache->oldest);
    struct entry *entry = calloc(1, sizeof(*entry));
    if (entry == NULL)
        return;
    if (cache->count >= cache->bucket_count)
        grow(cache);
    entry->result = validate_result_ref(result);
    entry->octets = octets;
    entry->hash = hash_of(result->name, result->type);
    entry->until = until;
    struct entry **link = &cache->buckets[entry->hash % cache->bucket_count];
    entry->next = *link;
    *link = entry;
    link_use(cache, entry);
    cache->octets += octets;
    cache->count++;
}

void resolve_cache_counts(const struct resolve_cache *cache, size_t *octets, size_t *entries)
{
    *octets = cache->octets;
    *entries = cache->count;
}
