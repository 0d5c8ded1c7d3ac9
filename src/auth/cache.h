/*
 * Answers of services, kept until they expire, within a bound of memory; those that were not asked
 * for longest go first.
 */
#ifndef AUTH_CACHE_H
#define AUTH_CACHE_H

#include <stddef.h>
#include <stdint.h>

struct auth_cache;

struct auth_cached {
    const char *reply; /* aligned as malloc would */
    size_t length;
};

/* `octets`: most memory for entries. BASE_ENOMEM. */
int auth_cache_new(size_t octets, struct auth_cache **out);
void auth_cache_free(struct auth_cache *cache);
/* `now`: of base_clock_monotonic. The reply stays until the next put or clear. Returns 0 when there
 * is none. */
int auth_cache_get(struct auth_cache *cache, const char *key, uint64_t now,
                   struct auth_cached *out);
/* Without memory it is not kept, and that is all. */
void auth_cache_put(struct auth_cache *cache, const char *key, uint64_t expires, const void *reply,
                    size_t length);
void auth_cache_clear(struct auth_cache *cache);
size_t auth_cache_count(const struct auth_cache *cache);
size_t auth_cache_octets(const struct auth_cache *cache);

#endif
