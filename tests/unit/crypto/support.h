/* What the tests of keys and signatures share. */
#ifndef TESTS_CRYPTO_SUPPORT_H
#define TESTS_CRYPTO_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/codec.h"
#include "base/error.h"
#include "crypto/crypto.h"
#include "dns/name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline size_t from_base64(const char *text, uint8_t *out, size_t capacity)
{
    size_t length;
    assert_int_equal(base_base64_decode(out, capacity, &length, text, strlen(text)), BASE_OK);
    return length;
}

static inline size_t from_hex(const char *text, uint8_t *out, size_t capacity)
{
    size_t length;
    assert_int_equal(base_hex_decode(out, capacity, &length, text, strlen(text)), BASE_OK);
    return length;
}

static inline void name_of(const char *text, uint8_t out[DNS_NAME_MAX])
{
    size_t length;
    assert_int_equal(dns_name_from_text(out, &length, text, strlen(text), NULL), BASE_OK);
}

/* "257 3 13 base64" to rdata. */
static inline size_t dnskey_of(const char *text, uint8_t out[CRYPTO_DNSKEY_MAX])
{
    unsigned flags, protocol, algorithm;
    int at;
    assert_int_equal(sscanf(text, "%u %u %u %n", &flags, &protocol, &algorithm, &at), 3);
    out[0] = (uint8_t)(flags >> 8);
    out[1] = (uint8_t)flags;
    out[2] = (uint8_t)protocol;
    out[3] = (uint8_t)algorithm;
    return 4 + from_base64(text + at, out + 4, CRYPTO_PUBLIC_MAX);
}

static inline struct crypto_key *new_key(unsigned algorithm, unsigned bits)
{
    struct crypto_key *key;
    assert_int_equal(crypto_key_generate(algorithm, bits, &key), BASE_OK);
    return key;
}

static inline struct crypto_verifier *verifier_of(const struct crypto_key *key)
{
    uint8_t dnskey[CRYPTO_DNSKEY_MAX];
    struct crypto_verifier *verifier;
    size_t length = crypto_key_dnskey(key, 256, dnskey);
    assert_int_equal(crypto_verifier_new(dnskey, length, false, &verifier), BASE_OK);
    return verifier;
}

#endif
