/*
 * A keyed mix of words for tables that outsiders can put entries into. It is no MAC: what it must
 * do is to keep somebody who does not know the secret from aiming at one bucket.
 */
#ifndef NET_HASH_H
#define NET_HASH_H

#include <stdint.h>

static inline uint64_t net_hash_fold(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 product = a;
    product *= b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t net_hash(const uint64_t secret[2], uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t state = net_hash_fold(a ^ secret[0], b ^ secret[1]);
    return net_hash_fold(state ^ c ^ secret[1], secret[0] ^ UINT64_C(0x9e3779b97f4a7c15));
}

#endif
