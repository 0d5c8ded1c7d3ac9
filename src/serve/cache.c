/*
 * Hot answers, one table per worker. A slot holds the answer without OPT; it is good as long as the
 * set of zones and the version of its zone stay. An answer is kept when its question comes a second
 * time, so that questions that come once do not drive out others.
 */
#include "serve/internal.h"

#include <stdlib.h>

#define SLOT_OCTETS 960 /* longer answers are not kept */

struct slot {
    uint64_t commits; /* at which it was last known to be good */
    uint64_t set;
    uint64_t version;
    uint32_t zone;
    uint32_t hash;
    uint32_t subject;
    uint16_t length; /* 0: free */
    uint8_t mode;
    uint8_t kind; /* enum net_kind */
    uint8_t octets[SLOT_OCTETS];
};

struct serve_cache {
    uint32_t mask;
    uint32_t *seen; /* hashes of the last question that came to each slot */
    struct slot *slots;
};

int serve_cache_new(unsigned entries, struct serve_cache **out)
{
    if ((entries & (entries - 1)) != 0 || entries == 0)
        return BASE_EINVAL;
    struct serve_cache *cache = calloc(1, sizeof(*cache));
    if (cache == NULL)
        return BASE_ENOMEM;
    cache->mask = entries - 1;
    cache->seen = calloc(entries, sizeof(*cache->seen));
    cache->slots = calloc(entries, sizeof(*cache->slots));
    if (cache->seen == NULL || cache->slots == NULL) {
        serve_cache_free(cache);
        return BASE_ENOMEM;
    }
    *out = cache;
    return BASE_OK;
}

void serve_cache_free(struct serve_cache *cache)
{
    if (cache == NULL)
        return;
    free(cache->seen);
    free(cache->slots);
    free(cache);
}

/* What an answer depends on beside name and type. */
static uint8_t mode_of(const struct serve_query *query, bool udp)
{
    return (uint8_t)((query->dnssec ? 1 : 0) | (udp ? 2 : 0));
}

static uint32_t hash_of(const struct serve_query *query, uint8_t mode)
{
    uint32_t hash = dns_name_hash(query->name) * 31 + query->type * 4u + mode;
    hash ^= hash >> 15;
    hash *= 0x2c1b3c6du;
    return hash ^ hash >> 12;
}

/* The same question, but for case. */
static bool same_question(const struct slot *slot, const struct serve_query *query)
{
    const uint8_t *name = slot->octets + DNS_MESSAGE_HEADER;
    return slot->length >= DNS_MESSAGE_HEADER + query->name_length + 4 &&
           memcmp(name + query->name_length, query->name + query->name_length, 4) == 0 &&
           dns_name_equal(name, query->name);
}

/* Does the answer still hold? Zones are looked at only after a commit. */
static bool still_good(struct serve_worker *worker, struct slot *slot,
                       const struct serve_query *query)
{
    uint64_t commits = image_commits(worker->reader);
    if (slot->commits == commits)
        return true;
    struct image_zone zone;
    if (slot->set != image_zone_set(worker->reader) || query->type == DNS_TYPE_DS ||
        image_zone_find(worker->reader, query->name, false, &zone) != BASE_OK ||
        zone.id != slot->zone || zone.version != slot->version)
        return false;
    slot->commits = commits;
    return true;
}

bool serve_cache_find(struct serve_worker *worker, const struct serve_query *query, bool udp,
                      uint8_t *response, size_t limit, struct serve_hot *hot)
{
    struct serve_cache *cache = worker->cache;
    uint8_t mode = mode_of(query, udp);
    uint32_t hash = hash_of(query, mode);
    struct slot *slot = &cache->slots[hash & cache->mask];
    if (slot->length == 0 || slot->hash != hash || slot->mode != mode || slot->length > limit ||
        !same_question(slot, query) || !still_good(worker, slot, query))
        return false;
    memcpy(response, slot->octets, slot->length);
    memcpy(response + DNS_MESSAGE_HEADER, query->name, query->name_length);
    *hot = (struct serve_hot){
        .length = slot->length, .subject = slot->subject, .kind = (enum net_kind)slot->kind};
    return true;
}

void serve_cache_keep(struct serve_worker *worker, const struct serve_query *query, bool udp,
                      const struct image_zone *zone, const uint8_t *response,
                      const struct serve_hot *hot)
{
    struct serve_cache *cache = worker->cache;
    if (hot->length > SLOT_OCTETS)
        return;
    uint8_t mode = mode_of(query, udp);
    uint32_t hash = hash_of(query, mode);
    if (cache->seen[hash & cache->mask] != hash) {
        cache->seen[hash & cache->mask] = hash;
        return;
    }
    struct slot *slot = &cache->slots[hash & cache->mask];
    slot->commits = image_commits(worker->reader);
    slot->set = image_zone_set(worker->reader);
    slot->version = zone->version;
    slot->zone = zone->id;
    slot->hash = hash;
    slot->mode = mode;
    slot->subject = hot->subject;
    slot->kind = (uint8_t)hot->kind;
    slot->length = (uint16_t)hot->length;
    memcpy(slot->octets, response, hot->length);
}
