/*
 * Answers of the policy service, kept until they expire, within a bound of memory; those that were
 * not asked for longest go first.
 */
#ifndef AUTH_POLICY_CACHE_H
#define AUTH_POLICY_CACHE_H

#include <stddef.h>
#include <stdint.h>

struct policy_cache;

struct policy_cached {
    const char *reply; /* as it goes to Postfix, netstring and all */
    size_t length;
};

/* `octets`: most memory for entries. BASE_ENOMEM. */
int policy_cache_new(size_t octets, struct policy_cache **out);
void policy_cache_free(struct policy_cache *cache);
/* `now`: of base_clock_monotonic. The reply stays until the next put or clear. Returns 0 when there
 * is none. */
int policy_cache_get(struct policy_cache *cache, const char *key, uint64_t now,
                     struct policy_cached *out);
/* Without memory it is not kept, and that is all. */
void policy_cache_put(struct policy_cache *cache, const char *key, uint64_t expires,
                      const void *reply, size_t length);
void policy_cache_clear(struct policy_cache *cache);
size_t policy_cache_count(const struct policy_cache *cache);
size_t policy_cache_octets(const struct policy_cache *cache);

#endif
