/* Message authentication against the vectors of RFC 2202, RFC 4231 and the paper on SipHash. */
#include "base/codec.h"
#include "base/error.h"
#include "crypto/mac.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

struct vector {
    enum dns_tsig_algorithm algorithm;
    const char *key;  /* hexadecimal */
    const char *data; /* text */
    const char *mac;  /* hexadecimal */
};

#define HI     "Hi There"
#define JEFE   "4a656665"
#define WHAT   "what do ya want for nothing?"
#define B20    "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"
#define LARGER "Test Using Larger Than Block-Size Key - Hash Key First"

static const struct vector vectors[] = {
    /* RFC 2202 section 3, cases 1 and 2 */
    {DNS_TSIG_HMAC_SHA1, B20, HI, "b617318655057264e28bc0b6fb378c8ef146be00"},
    {DNS_TSIG_HMAC_SHA1, JEFE, WHAT, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
    /* RFC 4231 sections 4.2 and 4.3 */
    {DNS_TSIG_HMAC_SHA224, B20, HI, "896fb1128abbdf196832107cd49df33f47b4b1169912ba4f53684b22"},
    {DNS_TSIG_HMAC_SHA256, B20, HI,
     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {DNS_TSIG_HMAC_SHA384, B20, HI,
     "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59c"
     "faea9ea9076ede7f4af152e8b2fa9cb6"},
    {DNS_TSIG_HMAC_SHA512, B20, HI,
     "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
     "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"},
    {DNS_TSIG_HMAC_SHA224, JEFE, WHAT, "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44"},
    {DNS_TSIG_HMAC_SHA256, JEFE, WHAT,
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {DNS_TSIG_HMAC_SHA384, JEFE, WHAT,
     "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e"
     "8e2240ca5e69e2c78b3239ecfab21649"},
    {DNS_TSIG_HMAC_SHA512, JEFE, WHAT,
     "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
     "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
};

/* In pieces of `step` octets. */
static void assert_mac(const struct vector *vector, const uint8_t *key, size_t key_length,
                       const char *expected, size_t step)
{
    uint8_t mac[DNS_TSIG_MAC_MAX];
    char text[2 * DNS_TSIG_MAC_MAX + 1];
    void *state = NULL;
    size_t length = strlen(vector->data);
    assert_int_equal(crypto_tsig_hmac.start(crypto_tsig_hmac.context, vector->algorithm, key,
                                            key_length, &state),
                     BASE_OK);
    for (size_t at = 0; at < length; at += step)
        assert_int_equal(crypto_tsig_hmac.update(state, (const uint8_t *)vector->data + at,
                                                 length - at < step ? length - at : step),
                         BASE_OK);
    assert_int_equal(crypto_tsig_hmac.finish(state, mac), BASE_OK);
    text[base_hex_encode(text, mac, dns_tsig_mac_size(vector->algorithm))] = '\0';
    assert_int_equal(strcasecmp(text, expected), 0);
}

static void test_hmac(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
        uint8_t key[64];
        size_t length;
        assert_int_equal(
            base_hex_decode(key, sizeof(key), &length, vectors[i].key, strlen(vectors[i].key)),
            BASE_OK);
        assert_mac(&vectors[i], key, length, vectors[i].mac, 1000);
        assert_mac(&vectors[i], key, length, vectors[i].mac, 3);
    }
}

/* RFC 4231 section 4.7: a key longer than the block. */
static void test_long_key(void **state)
{
    (void)state;
    uint8_t key[131];
    memset(key, 0xaa, sizeof(key));
    const struct vector vector = {.algorithm = DNS_TSIG_HMAC_SHA256, .data = LARGER};
    assert_mac(&vector, key, sizeof(key),
               "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54", 1000);
}

static void test_abandon(void **state)
{
    (void)state;
    void *hmac = NULL;
    assert_int_equal(
        crypto_tsig_hmac.start(NULL, DNS_TSIG_HMAC_SHA512, (const uint8_t *)"k", 1, &hmac),
        BASE_OK);
    crypto_tsig_hmac.abandon(hmac);
    assert_int_equal(
        crypto_tsig_hmac.start(NULL, DNS_TSIG_ALGORITHMS, (const uint8_t *)"k", 1, &hmac),
        BASE_EUNSUPPORTED);
}

/* The example of the paper: key and data are 00 01 02 … */
static void test_siphash(void **state)
{
    (void)state;
    uint8_t octets[16], out[CRYPTO_SIPHASH_SIZE];
    struct crypto_siphash *siphash;
    for (uint8_t i = 0; i < sizeof(octets); i++)
        octets[i] = i;
    assert_int_equal(crypto_siphash_new(&siphash), BASE_OK);
    for (unsigned round = 0; round < 2; round++) {
        assert_int_equal(crypto_siphash(siphash, octets, octets, 15, out), BASE_OK);
        assert_memory_equal(out, "\xe5\x45\xbe\x49\x61\xca\x29\xa1", sizeof(out));
    }
    crypto_siphash_free(siphash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hmac),
        cmocka_unit_test(test_long_key),
        cmocka_unit_test(test_abandon),
        cmocka_unit_test(test_siphash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
