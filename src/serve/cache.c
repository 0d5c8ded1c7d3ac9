/*
 * Hot answers, one table per worker: answers without OPT, which are good as long as the set of
 * zones and the version of their zone stay. An answer is kept when its question comes a second
 * time, so that questions that come once do not drive out others.
 *
 * Answers lie one behind the other in a ring, each from a cache line on; a new one overwrites the
 * oldest. They are found by buckets of one cache line. Both begin small and grow with what is kept:
 * the ring because a page that was never touched is no memory, the buckets by doubling.
 */
#include "serve/internal.h"

#include "base/copy.h"

#include <stdlib.h>
#include <sys/mman.h>

#define LINE          64u
#define LINES_MAX     63u        /* of one answer: what a slot can say */
#define PLACE_BITS    26         /* of a slot: 4 GiB of ring */
#define RING_LEAST    4096u      /* octets */
#define RING_MOST     (1u << 31) /* octets */
#define SLOTS         8u         /* of a bucket */
#define BUCKETS_LEAST 16u
#define SEEN_LEAST    256u
#define PAGE_HUGE     ((uintptr_t)2 << 20)
#define KEEP_LIMIT    (LINES_MAX * LINE - sizeof(struct entry))

/* In the ring. */
struct entry {
    uint64_t commits; /* at which it was last known to be good */
    uint64_t set;
    uint64_t version;
    uint32_t zone;
    uint32_t hash;
    uint32_t subject;
    uint16_t length;
    uint8_t mode;
    uint8_t kind; /* enum net_kind */
    uint8_t octets[];
};

/* Slots name the entry's line in the ring, and how many lines it has; 0: free. */
struct bucket {
    uint32_t hashes[SLOTS];
    uint32_t places[SLOTS];
};

struct serve_cache {
    struct bucket *buckets;
    uint8_t *ring;
    uint64_t *seen; /* questions that came and were not kept: parts of four hashes in each */
    uint32_t bucket_mask;
    uint32_t bucket_most;
    uint32_t entries; /* about as many as there are */
    uint32_t seen_mask;
    uint32_t seen_most;
    uint32_t strangers; /* noted in `seen` since it is as large as it is */
    uint32_t lines;     /* of the ring */
    uint32_t head;      /* where the next entry goes */
    uint32_t oldest;    /* the first entry of the lap before that stands at or behind `head` */
    uint32_t lap_end;   /* where that lap's entries end */
};

static struct bucket *new_buckets(size_t count)
{
    struct bucket *buckets = aligned_alloc(LINE, count * sizeof(*buckets));
    if (buckets != NULL)
        memset(buckets, 0, count * sizeof(*buckets));
    return buckets;
}

/* The least power of two that is not less. */
static uint32_t round_up(uint32_t number)
{
    return number <= 1 ? 1 : (uint32_t)1 << (32 - __builtin_clz(number - 1));
}

static uint8_t *new_ring(size_t octets)
{
    uint8_t *ring = mmap(NULL, octets, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (ring == MAP_FAILED)
        return NULL;
    /* Behind the first of them huge pages: a look-up costs a miss of the TLB less. */
    uintptr_t from = ((uintptr_t)ring + 2 * PAGE_HUGE - 1) & ~(PAGE_HUGE - 1);
    uintptr_t end = (uintptr_t)ring + octets;
    if (from < end)
        madvise((void *)from, end - from, MADV_HUGEPAGE); /* a wish */
    return ring;
}

int serve_cache_new(size_t octets, struct serve_cache **out)
{
    if (octets < RING_LEAST || octets > RING_MOST)
        return BASE_EINVAL;
    struct serve_cache *cache = calloc(1, sizeof(*cache));
    if (cache == NULL)
        return BASE_ENOMEM;
    cache->lines = (uint32_t)(octets / LINE);
    /* Answers have three lines at least: enough slots for all that the ring can hold. */
    cache->bucket_most = round_up(cache->lines / 3 / SLOTS + 1);
    if (cache->bucket_most < BUCKETS_LEAST)
        cache->bucket_most = BUCKETS_LEAST;
    cache->seen_most = round_up(cache->lines / 8);
    if (cache->seen_most < SEEN_LEAST)
        cache->seen_most = SEEN_LEAST;
    cache->bucket_mask = BUCKETS_LEAST - 1;
    cache->seen_mask = SEEN_LEAST - 1;
    cache->buckets = new_buckets(BUCKETS_LEAST);
    cache->seen = calloc(SEEN_LEAST, sizeof(*cache->seen));
    cache->ring = new_ring((size_t)cache->lines * LINE);
    if (cache->buckets == NULL || cache->seen == NULL || cache->ring == NULL) {
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
    if (cache->ring != NULL)
        munmap(cache->ring, (size_t)cache->lines * LINE);
    free(cache->buckets);
    free(cache->seen);
    free(cache);
}

/* --- questions --- */

/* What an answer depends on beside name and type. */
static uint8_t mode_of(const struct serve_query *query, bool udp)
{
    return (uint8_t)((query->dnssec ? 1 : 0) | (udp ? 2 : 0));
}

uint32_t serve_cache_hash(const struct serve_query *query, bool udp)
{
    uint32_t hash = dns_name_hash(query->name) * 31 + query->type * 4u + mode_of(query, udp);
    hash ^= hash >> 15;
    hash *= 0x2c1b3c6du;
    return hash ^ hash >> 12;
}

/* The same question, but for case. */
static bool same_question(const struct entry *entry, const struct serve_query *query)
{
    const uint8_t *name = entry->octets + DNS_MESSAGE_HEADER;
    return entry->length >= DNS_MESSAGE_HEADER + query->name_length + 4 &&
           memcmp(name + query->name_length, query->name + query->name_length, 4) == 0 &&
           dns_name_equal(name, query->name);
}

/* --- slots --- */

static uint32_t slot_place(uint32_t slot)
{
    return slot & (((uint32_t)1 << PLACE_BITS) - 1);
}

static struct entry *entry_at(const struct serve_cache *cache, uint32_t line)
{
    return (struct entry *)(void *)(cache->ring + (size_t)line * LINE);
}

static uint32_t entry_lines(size_t length)
{
    return (uint32_t)((sizeof(struct entry) + length + LINE - 1) / LINE);
}

/* The slot of an entry in a bucket; SLOTS: none. */
static unsigned find_slot(const struct bucket *bucket, uint32_t hash, uint32_t line)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        if (bucket->places[i] != 0 && bucket->hashes[i] == hash &&
            slot_place(bucket->places[i]) == line)
            return i;
    }
    return SLOTS;
}

/* Frees the slot of an entry that is about to be overwritten, if it still has one. */
static void forget(struct serve_cache *cache, uint32_t line)
{
    uint32_t hash = entry_at(cache, line)->hash;
    struct bucket *bucket = &cache->buckets[hash & cache->bucket_mask];
    unsigned slot = find_slot(bucket, hash, line);
    if (slot < SLOTS) {
        bucket->places[slot] = 0;
        cache->entries--;
    }
}

static void put_slot(struct bucket *bucket, uint32_t hash, uint32_t place)
{
    unsigned slot = 0;
    while (slot < SLOTS && bucket->places[slot] != 0)
        slot++;
    if (slot == SLOTS) /* any one has to give way */
        slot = slot_place(place) % SLOTS;
    bucket->hashes[slot] = hash;
    bucket->places[slot] = place;
}

/* Twice as many buckets; as before if there is no memory. */
static void grow_buckets(struct serve_cache *cache)
{
    uint32_t count = cache->bucket_mask + 1;
    struct bucket *buckets = new_buckets(2 * (size_t)count);
    if (buckets == NULL)
        return;
    for (uint32_t i = 0; i < count; i++) {
        for (unsigned k = 0; k < SLOTS; k++) {
            const struct bucket *old = &cache->buckets[i];
            if (old->places[k] != 0)
                put_slot(&buckets[old->hashes[k] & (2 * count - 1)], old->hashes[k],
                         old->places[k]);
        }
    }
    free(cache->buckets);
    cache->buckets = buckets;
    cache->bucket_mask = 2 * count - 1;
}

/* --- the ring --- */

/* Room for an entry behind the last one; what stands there is forgotten. */
static uint32_t make_room(struct serve_cache *cache, uint32_t lines)
{
    if (lines > cache->lines - cache->head) { /* the next lap */
        for (; cache->oldest < cache->lap_end;
             cache->oldest += entry_lines(entry_at(cache, cache->oldest)->length))
            forget(cache, cache->oldest);
        cache->lap_end = cache->head;
        cache->head = cache->oldest = 0;
    }
    uint32_t line = cache->head;
    for (; cache->oldest < cache->lap_end && cache->oldest < line + lines;
         cache->oldest += entry_lines(entry_at(cache, cache->oldest)->length))
        forget(cache, cache->oldest);
    cache->head = line + lines;
    return line;
}

/* --- looking --- */

void serve_cache_fetch_bucket(const struct serve_cache *cache, uint32_t hash)
{
    __builtin_prefetch(&cache->buckets[hash & cache->bucket_mask]);
}

bool serve_cache_fetch_answer(const struct serve_cache *cache, uint32_t hash)
{
    const struct bucket *bucket = &cache->buckets[hash & cache->bucket_mask];
    for (unsigned i = 0; i < SLOTS; i++) {
        if (bucket->hashes[i] != hash || bucket->places[i] == 0)
            continue;
        const uint8_t *entry = cache->ring + (size_t)slot_place(bucket->places[i]) * LINE;
        unsigned lines = bucket->places[i] >> PLACE_BITS;
        for (unsigned k = 0; k < lines; k++)
            __builtin_prefetch(entry + (size_t)k * LINE);
        return true;
    }
    __builtin_prefetch(&cache->seen[hash & cache->seen_mask]); /* for serve_cache_keep */
    return false;
}

/* Does the answer still hold? Zones are looked at only after a commit. */
static bool still_good(struct serve_worker *worker, struct entry *entry,
                       const struct serve_query *query)
{
    uint64_t commits = image_commits(worker->reader);
    if (entry->commits == commits)
        return true;
    struct image_zone zone;
    if (entry->set != image_zone_set(worker->reader) || query->type == DNS_TYPE_DS ||
        image_zone_find(worker->reader, query->name, false, &zone) != BASE_OK ||
        zone.id != entry->zone || zone.version != entry->version)
        return false;
    entry->commits = commits;
    return true;
}

/* The entry that has the question; NULL: none. */
static struct entry *find_entry(const struct serve_cache *cache, const struct serve_query *query,
                                uint32_t hash, uint8_t mode)
{
    const struct bucket *bucket = &cache->buckets[hash & cache->bucket_mask];
    for (unsigned i = 0; i < SLOTS; i++) {
        if (bucket->hashes[i] != hash || bucket->places[i] == 0)
            continue;
        struct entry *entry = entry_at(cache, slot_place(bucket->places[i]));
        if (entry->mode == mode && same_question(entry, query))
            return entry;
    }
    return NULL;
}

bool serve_cache_find(struct serve_worker *worker, const struct serve_query *query, uint32_t hash,
                      bool udp, uint8_t *response, size_t limit, struct serve_hot *hot)
{
    struct entry *entry = find_entry(worker->cache, query, hash, mode_of(query, udp));
    if (entry == NULL || entry->length > limit || !still_good(worker, entry, query))
        return false;
    base_copy_short(response, entry->octets, entry->length);
    base_copy_short(response + DNS_MESSAGE_HEADER, query->name, query->name_length);
    *hot = (struct serve_hot){
        .length = entry->length, .subject = entry->subject, .kind = (enum net_kind)entry->kind};
    return true;
}

/* --- keeping --- */

/* More room for questions that came once: those of many clients outlive each other only in a table
 * that is larger than what comes between. */
static void grow_seen(struct serve_cache *cache)
{
    size_t count = (size_t)cache->seen_mask + 1;
    uint64_t *seen = realloc(cache->seen, 2 * count * sizeof(*seen));
    if (seen == NULL)
        return;
    memcpy(seen + count, seen, count * sizeof(*seen)); /* each is in one of the two places */
    cache->seen = seen;
    cache->seen_mask = (uint32_t)(2 * count - 1);
}

/* Has the question come before? Notes it if not. */
static bool is_known(struct serve_cache *cache, uint32_t hash)
{
    uint16_t part = (uint16_t)(hash >> 16 | 1); /* 0 is nothing */
    uint64_t four = cache->seen[hash & cache->seen_mask];
    for (unsigned i = 0; i < 64; i += 16) {
        if ((uint16_t)(four >> i) == part)
            return true;
    }
    if (++cache->strangers > 4 * cache->seen_mask && cache->seen_mask + 1 < cache->seen_most) {
        grow_seen(cache);
        cache->strangers = 0;
    }
    /* Any one gives way, not the oldest: of five that come in turn none would come to stay. */
    unsigned at = (cache->strangers ^ hash >> 20) % 4 * 16;
    uint64_t *seen = &cache->seen[hash & cache->seen_mask];
    *seen = (*seen & ~((uint64_t)0xffff << at)) | (uint64_t)part << at;
    return false;
}

void serve_cache_keep(struct serve_worker *worker, const struct serve_query *query, uint32_t hash,
                      bool udp, const struct image_zone *zone, const uint8_t *response,
                      const struct serve_hot *hot)
{
    struct serve_cache *cache = worker->cache;
    uint32_t lines = entry_lines(hot->length);
    if (hot->length > KEEP_LIMIT || lines > cache->lines / 4 || !is_known(cache, hash))
        return;
    uint8_t mode = mode_of(query, udp);
    struct bucket *bucket = &cache->buckets[hash & cache->bucket_mask];
    struct entry *entry = find_entry(cache, query, hash, mode);
    if (entry != NULL) { /* one that does not hold any more: the ring forgets it in its time */
        uint32_t line = (uint32_t)((size_t)((uint8_t *)entry - cache->ring) / LINE);
        bucket->places[find_slot(bucket, hash, line)] = 0;
    } else if (++cache->entries > (cache->bucket_mask + 1) * (SLOTS / 2) &&
               cache->bucket_mask + 1 < cache->bucket_most) {
        grow_buckets(cache);
    }
    uint32_t line = make_room(cache, lines);
    entry = entry_at(cache, line);
    *entry = (struct entry){.commits = image_commits(worker->reader),
                            .set = image_zone_set(worker->reader),
                            .version = zone->version,
                            .zone = zone->id,
                            .hash = hash,
                            .mode = mode,
                            .subject = hot->subject,
                            .kind = (uint8_t)hot->kind,
                            .length = (uint16_t)hot->length};
    memcpy(entry->octets, response, hot->length);
    put_slot(&cache->buckets[hash & cache->bucket_mask], hash, line | lines << PLACE_BITS);
}
