/*
 * Token buckets in sets of four: a set is one cache line, so that a check costs one miss.
 */
#include "net/rate.h"

#include "base/error.h"
#include "net/hash.h"

#include <stdlib.h>

#define WAYS 4

/* Tokens are counted in thousandths, so that a millisecond at one per second is one unit. */
struct bucket {
    uint32_t tag; /* 0: unused */
    uint32_t tokens;
    uint32_t at;    /* when tokens were last added: milliseconds, modulo 2^32 */
    uint16_t limit; /* tokens per millisecond of its kind, for comparing different ones */
    uint16_t over;  /* answers above the limit, for slip */
};

struct net_rate {
    struct bucket *buckets;
    size_t mask; /* number of sets - 1 */
    uint64_t secret[2];
    uint32_t per_second[NET_KINDS];
    uint32_t burst;
    unsigned slip, v4, v6;
};

int net_rate_new(const struct net_rate_options *options, const uint64_t secret[2], unsigned workers,
                 struct net_rate **out)
{
    struct net_rate *rate = calloc(1, sizeof(*rate));
    if (rate == NULL)
        return BASE_ENOMEM;
    size_t sets = 1;
    while (sets * WAYS < options->buckets && sets < SIZE_MAX / (2 * WAYS * sizeof(struct bucket)))
        sets *= 2;
    rate->buckets =
        aligned_alloc(WAYS * sizeof(struct bucket), sets * WAYS * sizeof(struct bucket));
    if (rate->buckets == NULL) {
        free(rate);
        return BASE_ENOMEM;
    }
    for (size_t i = 0; i < sets * WAYS; i++)
        rate->buckets[i] = (struct bucket){0};
    rate->mask = sets - 1;
    rate->secret[0] = secret[0] | 1;
    rate->secret[1] = secret[1] | 1;
    if (workers == 0)
        workers = 1;
    for (size_t kind = NET_KIND_EXEMPT + 1; kind < NET_KINDS; kind++) {
        uint32_t limit = options->per_second[kind];
        /* 2^16 a second are as good as no limit, and keep what follows within 32 bits. */
        rate->per_second[kind] = limit > 65535 ? 0 : (limit + workers - 1) / workers;
    }
    rate->burst = options->burst < 1 ? 1 : options->burst > 60 ? 60 : options->burst;
    rate->slip = options->slip;
    rate->v4 = options->v4;
    rate->v6 = options->v6;
    *out = rate;
    return BASE_OK;
}

void net_rate_free(struct net_rate *rate)
{
    if (rate == NULL)
        return;
    free(rate->buckets);
    free(rate);
}

/* What a bucket of `limit` per second can hold. */
static uint32_t full(const struct net_rate *rate, uint32_t limit)
{
    uint64_t tokens = (uint64_t)limit * rate->burst * 1000;
    return tokens > UINT32_MAX ? UINT32_MAX : (uint32_t)tokens;
}

/* What a bucket holds at `now`. */
static uint32_t tokens_at(const struct net_rate *rate, const struct bucket *bucket, uint32_t now)
{
    uint64_t tokens = bucket->tokens + (uint64_t)(now - bucket->at) * bucket->limit;
    uint32_t most = full(rate, bucket->limit);
    return tokens > most ? most : (uint32_t)tokens;
}

/* The bucket of a tag; a fresh one in place of what is missed least when there is none. */
static struct bucket *find(const struct net_rate *rate, struct bucket *set, uint32_t tag,
                           uint16_t limit, uint32_t now)
{
    struct bucket *spare = NULL;
    uint64_t most = 0;
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].tag == tag)
            return &set[i];
        /* How full it is, in parts of 2^16: a full bucket remembers nothing. */
        uint64_t left = UINT64_MAX;
        if (set[i].tag != 0)
            left = ((uint64_t)tokens_at(rate, &set[i], now) << 16) / full(rate, set[i].limit);
        if (spare == NULL || left > most) {
            spare = &set[i];
            most = left;
        }
    }
    *spare = (struct bucket){.tag = tag, .tokens = full(rate, limit), .at = now, .limit = limit};
    return spare;
}

enum net_rate_verdict net_rate_check(struct net_rate *rate, const union net_address *peer,
                                     enum net_kind kind, uint64_t hash, uint64_t now_ms)
{
    if (kind <= NET_KIND_EXEMPT || kind >= NET_KINDS || rate->per_second[kind] == 0)
        return NET_RATE_PASS;
    uint16_t limit = (uint16_t)rate->per_second[kind];
    uint32_t now = (uint32_t)now_ms;
    struct net_prefix prefix = net_address_prefix(peer, rate->v4, rate->v6);
    uint64_t key = net_hash(rate->secret, prefix.high, prefix.low, hash * NET_KINDS + kind);
    struct bucket *set = rate->buckets + (size_t)(key & rate->mask) * WAYS;
    struct bucket *bucket = find(rate, set, (uint32_t)(key >> 32) | 1, limit, now);
    bucket->tokens = tokens_at(rate, bucket, now);
    bucket->at = now;
    if (bucket->tokens >= 1000) {
        bucket->tokens -= 1000;
        return NET_RATE_PASS;
    }
    bucket->over++;
    return rate->slip != 0 && bucket->over % rate->slip == 0 ? NET_RATE_SLIP : NET_RATE_DROP;
}
