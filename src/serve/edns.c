/* EDNS of responses (RFC 6891), cookies (RFC 7873, 9018), extended errors (RFC 8914). */
#include "serve/internal.h"

#define CLIENT_COOKIE  8
#define COOKIE_SIZE    24 /* with the server's part of RFC 9018 */
#define COOKIE_MAX     40
#define COOKIE_PAST    3600 /* seconds for which a cookie is good */
#define COOKIE_FUTURE  300
#define COOKIE_REFRESH 1800 /* seconds after which a new one is given */
#define OPT_SIZE       11
#define OPTION_HEAD    4
#define PADDING_BLOCK  468 /* RFC 8467 section 4.1 */

/* The server's part: version, reserved, time, and a hash over all of that and the address. */
static int make_cookie(struct serve_worker *worker, const struct serve_client *client,
                       const uint8_t *secret, const uint8_t *client_cookie, uint32_t time,
                       uint8_t out[COOKIE_SIZE])
{
    uint8_t input[CLIENT_COOKIE + 8 + 16];
    memcpy(out, client_cookie, CLIENT_COOKIE);
    base_store_u32(out + 8, 0x01000000);
    base_store_u32(out + 12, time);
    memcpy(input, out, 16);
    memcpy(input + 16, client->address, client->address_length);
    return crypto_siphash(worker->siphash, secret, input, 16u + client->address_length, out + 16);
}

static bool equal_octets(const uint8_t *a, const uint8_t *b, size_t length)
{
    uint8_t difference = 0;
    for (size_t i = 0; i < length; i++)
        difference |= a[i] ^ b[i];
    return difference == 0;
}

/* Is the cookie one of ours, and of this client? */
static bool is_ours(struct serve_worker *worker, const struct serve_client *client,
                    const uint8_t *cookie, uint32_t now)
{
    uint32_t time = base_load_u32(cookie + 12);
    int32_t age = (int32_t)(now - time);
    if (base_load_u32(cookie + 8) >> 24 != 1 || age > COOKIE_PAST || age < -COOKIE_FUTURE)
        return false;
    for (unsigned i = 0; i < worker->options.secret_count; i++) {
        uint8_t expected[COOKIE_SIZE];
        if (make_cookie(worker, client, worker->options.secrets[i], cookie, time, expected) ==
                BASE_OK &&
            equal_octets(expected + 16, cookie + 16, CRYPTO_SIPHASH_SIZE) &&
            memcmp(expected + 8, cookie + 8, 4) == 0)
            return true;
    }
    return false;
}

int serve_cookie_check(struct serve_worker *worker, const struct serve_client *client,
                       const struct serve_query *query, struct serve_cookie *cookie)
{
    *cookie = (struct serve_cookie){.present = false};
    if (query->cookie == NULL)
        return BASE_OK;
    if (query->cookie_length != CLIENT_COOKIE &&
        (query->cookie_length < 2 * CLIENT_COOKIE || query->cookie_length > COOKIE_MAX))
        return BASE_EFORMAT;
    if (worker->siphash == NULL || client->address_length > sizeof(client->address))
        return BASE_OK;
    uint32_t now = (uint32_t)client->now;
    if (query->cookie_length == COOKIE_SIZE && is_ours(worker, client, query->cookie, now)) {
        cookie->present = cookie->good = true;
        memcpy(cookie->octets, query->cookie, COOKIE_SIZE);
        int32_t age = (int32_t)(now - base_load_u32(query->cookie + 12));
        if (age < COOKIE_REFRESH && age >= 0)
            return BASE_OK;
    }
    cookie->present = make_cookie(worker, client, worker->options.secrets[0], query->cookie, now,
                                  cookie->octets) == BASE_OK;
    return BASE_OK;
}

static bool says_nsid(const struct serve_worker *worker, const struct serve_query *query)
{
    return query->nsid && worker->options.nsid != NULL;
}

/* Only where there is a connection to keep, and the client knows of it. */
static bool says_keepalive(const struct serve_worker *worker, const struct serve_client *client,
                           const struct serve_query *query)
{
    return query->keepalive && client->transport != SERVE_UDP && worker->options.keepalive != 0;
}

static bool may_say_expire(const struct serve_query *query)
{
    return query->expire && query->type == DNS_TYPE_SOA;
}

uint32_t serve_expire_in(const struct image_zone *zone, const uint8_t *soa, size_t length,
                         base_time now)
{
    base_time left = zone->expires > now ? zone->expires - now : 0;
    if (zone->expires == 0 && length >= 8)
        return base_load_u32(soa + length - 8); /* we are the primary */
    return left < UINT32_MAX ? (uint32_t)left : UINT32_MAX;
}

size_t serve_edns_size(const struct serve_worker *worker, const struct serve_client *client,
                       const struct serve_query *query, const struct serve_cookie *cookie)
{
    if (!query->edns)
        return 0;
    size_t size = OPT_SIZE;
    if (says_nsid(worker, query))
        size += OPTION_HEAD + worker->options.nsid_length;
    if (cookie->present)
        size += OPTION_HEAD + COOKIE_SIZE;
    if (says_keepalive(worker, client, query))
        size += OPTION_HEAD + 2;
    if (may_say_expire(query))
        size += OPTION_HEAD + 4;
    return size;
}

static uint8_t *put_option(uint8_t *put, uint16_t code, const void *data, size_t length)
{
    base_store_u16(put, code);
    base_store_u16(put + 2, (uint16_t)length);
    if (length > 0)
        memcpy(put + OPTION_HEAD, data, length);
    return put + OPTION_HEAD + length;
}

/* Pads the message, so far of `length` octets, to whole blocks. */
static uint8_t *put_padding(uint8_t *put, size_t length, size_t limit)
{
    size_t whole = (length + OPTION_HEAD + PADDING_BLOCK - 1) / PADDING_BLOCK * PADDING_BLOCK;
    if (length + OPTION_HEAD > limit)
        return put;
    size_t padding = (whole < limit ? whole : limit) - length - OPTION_HEAD;
    base_store_u16(put, DNS_OPTION_PADDING);
    base_store_u16(put + 2, (uint16_t)padding);
    memset(put + OPTION_HEAD, 0, padding);
    return put + OPTION_HEAD + padding;
}

size_t serve_edns_put(const struct serve_worker *worker, const struct serve_client *client,
                      const struct serve_query *query, const struct serve_cookie *cookie,
                      unsigned rcode, int ede, uint8_t *wire, size_t length, size_t limit)
{
    if (!query->edns)
        return length;
    uint8_t *opt = wire + length, *put = opt + OPT_SIZE;
    opt[0] = 0;
    base_store_u16(opt + 1, DNS_TYPE_OPT);
    base_store_u16(opt + 3, worker->options.payload);
    base_store_u32(opt + 5, (uint32_t)(rcode >> 4) << 24 | (query->dnssec ? DNS_EDNS_DO : 0));
    if (says_nsid(worker, query))
        put = put_option(put, DNS_OPTION_NSID, worker->options.nsid, worker->options.nsid_length);
    if (cookie->present)
        put = put_option(put, DNS_OPTION_COOKIE, cookie->octets, COOKIE_SIZE);
    uint8_t number[2];
    if (says_keepalive(worker, client, query)) {
        base_store_u16(number, worker->options.keepalive);
        put = put_option(put, DNS_OPTION_KEEPALIVE, number, 2);
    }
    if (may_say_expire(query) && query->expire_known) {
        uint8_t seconds[4];
        base_store_u32(seconds, query->expire_in);
        put = put_option(put, DNS_OPTION_EXPIRE, seconds, sizeof(seconds));
    }
    base_store_u16(number, (uint16_t)ede);
    if (ede != SERVE_EDE_NONE && (size_t)(put - wire) + SERVE_EDE_SIZE <= limit)
        put = put_option(put, DNS_OPTION_ERROR, number, 2);
    if (query->padding && client->transport == SERVE_TLS)
        put = put_padding(put, (size_t)(put - wire) + client->reserve, limit + client->reserve);
    base_store_u16(opt + 9, (uint16_t)(put - opt - OPT_SIZE));
    return (size_t)(put - wire);
}
