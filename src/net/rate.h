/*
 * Response-rate limiting: how many equal answers a client may have per second over UDP, so that
 * answers are of no use for flooding whose address was forged. A token bucket per (client prefix,
 * name, kind of answer) in a table of fixed size. One worker's; no locks.
 */
#ifndef NET_RATE_H
#define NET_RATE_H

#include "net/handler.h"

struct net_rate_options {
    /* Answers per second of each kind; 0: that kind is not limited. NET_KIND_EXEMPT never is. */
    uint32_t per_second[NET_KINDS];
    uint32_t burst; /* how many seconds' worth may come at once after silence; at least 1 */
    unsigned slip; /* of the answers above the limit every n-th is truncated instead of withheld, so
                    * that a victim can come by TCP; 1: all are, 0: none */
    unsigned v4, v6; /* bits of the prefix that is one client: 24, 56 */
    size_t buckets;  /* size of the table; 16 octets each; rounded up to a power of two */
};

/* Limits that no resolver meets and a flood does: 20 equal answers a second, slip 2. */
#define NET_RATE_DEFAULT                                                                           \
    {                                                                                              \
        .per_second = {0, 20, 20, 20, 20, 20}, .burst = 5, .slip = 2, .v4 = 24, .v6 = 56,          \
        .buckets = 65536                                                                           \
    }

enum net_rate_verdict { NET_RATE_PASS, NET_RATE_SLIP, NET_RATE_DROP };

struct net_rate;

/* `secret`: random, so that nobody can aim at buckets. The limits are divided by `workers`, rounded
 * up: clients spread over workers by port. BASE_ENOMEM. */
int net_rate_new(const struct net_rate_options *options, const uint64_t secret[2], unsigned workers,
                 struct net_rate **out);
void net_rate_free(struct net_rate *rate);

/* Accounts one answer to `peer` at `now_ms` (monotonic) and says what to do with it. When the table
 * is full of busy buckets, the one that has most left gives way. */
enum net_rate_verdict net_rate_check(struct net_rate *rate, const union net_address *peer,
                                     enum net_kind kind, uint64_t hash, uint64_t now_ms);

#endif
