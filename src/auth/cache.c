/* Answers kept: see cache.h. */
#include "auth/cache.h"

#include "base/error.h"
#include "dane/keyed.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNED  _Alignof(max_align_t)
#define OVERHEAD 64 /* octets that the allocator and the table take for an entry, about */

struct entry {
    struct keyed_link link;
    struct entry *newer, *older; /* by last use */
    uint64_t expires;
    size_t key_size, length;
    _Alignas(max_align_t) char text[]; /* the key with its NUL, then the reply */
};

struct auth_cache {
    struct keyed_table table;
    struct entry *newest, *oldest;
    size_t octets, most;
};

int auth_cache_new(size_t octets, struct auth_cache **out)
{
    struct auth_cache *cache = calloc(1, sizeof *cache);
    if (!cache)
        return BASE_ENOMEM;
    keyed_init(&cache->table);
    cache->most = octets;
    *out = cache;
    return BASE_OK;
}

void auth_cache_free(struct auth_cache *cache)
{
    if (!cache)
        return;
    auth_cache_clear(cache);
    keyed_free(&cache->table);
    free(cache);
}

static size_t cost(const struct entry *entry)
{
    return sizeof *entry + entry->key_size + entry->length + OVERHEAD;
}

static void list_remove(struct auth_cache *cache, struct entry *entry)
{
    *(entry->newer ? &entry->newer->older : &cache->newest) = entry->older;
    *(entry->older ? &entry->older->newer : &cache->oldest) = entry->newer;
}

static void list_add(struct auth_cache *cache, struct entry *entry)
{
    entry->newer = NULL;
    entry->older = cache->newest;
    *(cache->newest ? &cache->newest->newer : &cache->oldest) = entry;
    cache->newest = entry;
}

static void drop(struct auth_cache *cache, struct entry *entry)
{
    cache->octets -= cost(entry);
    list_remove(cache, entry);
    keyed_remove(&cache->table, &entry->link);
    free(entry);
}

int auth_cache_get(struct auth_cache *cache, const char *key, uint64_t now, struct auth_cached *out)
{
    struct entry *entry = (struct entry *)keyed_find(&cache->table, key);
    if (!entry)
        return 0;
    if (now >= entry->expires) {
        drop(cache, entry);
        return 0;
    }
    if (entry != cache->newest) {
        list_remove(cache, entry);
        list_add(cache, entry);
    }
    *out = (struct auth_cached){entry->text + entry->key_size, entry->length};
    return 1;
}

void auth_cache_put(struct auth_cache *cache, const char *key, uint64_t expires, const void *reply,
                    size_t length)
{
    struct entry *old = (struct entry *)keyed_find(&cache->table, key);
    if (old)
        drop(cache, old);
    size_t key_length = strlen(key) + 1;
    size_t key_size = (key_length + ALIGNED - 1) / ALIGNED * ALIGNED;
    struct entry *entry = malloc(sizeof *entry + key_size + length);
    if (!entry)
        return;
    *entry = (struct entry){.expires = expires, .key_size = key_size, .length = length};
    memcpy(entry->text, key, key_length);
    memcpy(entry->text + key_size, reply, length);
    entry->link.key = entry->text;
    if (keyed_add(&cache->table, &entry->link) != BASE_OK) {
        free(entry);
        return;
    }
    list_add(cache, entry);
    cache->octets += cost(entry);
    while (cache->octets > cache->most && cache->oldest)
        drop(cache, cache->oldest);
}

void auth_cache_clear(struct auth_cache *cache)
{
    while (cache->oldest)
        drop(cache, cache->oldest);
}

size_t auth_cache_count(const struct auth_cache *cache)
{
    return cache->table.count;
}

size_t auth_cache_octets(const struct auth_cache *cache)
{
    return cache->octets;
}
