/* TSIG: messages signed by another implementation, our own, and what must be refused. */
#include "base/codec.h"
#include "base/error.h"
#include "dns/tsig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "messages.inc"

#define NOW 1700000000

static const char secret[] = "0123456789abcdef0123456789abcdef";

static int hmac_start(void *context, enum dns_tsig_algorithm algorithm, const uint8_t *key,
                      size_t key_length, void **state)
{
    (void)context;
    static const char *const digests[] = {"SHA1", "SHA224", "SHA256", "SHA384", "SHA512"};
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *mac_context = EVP_MAC_CTX_new(mac);
    EVP_MAC_free(mac);
    char digest[8];
    strcpy(digest, digests[algorithm]);
    OSSL_PARAM params[2] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    if (EVP_MAC_init(mac_context, key, key_length, params) != 1)
        return BASE_ECRYPTO;
    *state = mac_context;
    return BASE_OK;
}

static int hmac_update(void *state, const uint8_t *data, size_t length)
{
    return EVP_MAC_update(state, data, length) == 1 ? BASE_OK : BASE_ECRYPTO;
}

static int hmac_finish(void *state, uint8_t mac[DNS_TSIG_MAC_MAX])
{
    size_t length;
    int good = EVP_MAC_final(state, mac, &length, DNS_TSIG_MAC_MAX);
    EVP_MAC_CTX_free(state);
    return good == 1 ? BASE_OK : BASE_ECRYPTO;
}

static void hmac_abandon(void *state)
{
    EVP_MAC_CTX_free(state);
}

static const struct dns_tsig_hmac hmac = {hmac_start, hmac_update, hmac_finish, hmac_abandon, NULL};

static struct dns_tsig_key key = {
    .name = (const uint8_t *)"\3kEy\7example",
    .algorithm = DNS_TSIG_HMAC_SHA256,
    .secret = (const uint8_t *)secret,
    .secret_length = sizeof(secret) - 1,
};

static size_t decode(uint8_t *out, const char *hex)
{
    size_t length = 0;
    assert_int_equal(base_hex_decode(out, DNS_MESSAGE_MAX, &length, hex, strlen(hex)), BASE_OK);
    return length;
}

static void test_verify_all_algorithms(void **state)
{
    (void)state;
    static const char *const all[] = {tsig_hmac_sha1, tsig_hmac_sha224, tsig_hmac_sha256,
                                      tsig_hmac_sha384, tsig_hmac_sha512};
    static const char *const names[] = {"HMAC-SHA1", "hmac-sha224", "hmac-sha256.", "hmac-sha384",
                                        "hmac-sha512"};
    uint8_t wire[1024];
    for (unsigned i = 0; i < DNS_TSIG_ALGORITHMS; i++) {
        struct dns_tsig_key own = key;
        assert_int_equal(dns_tsig_algorithm_from_text(names[i], &own.algorithm), BASE_OK);
        assert_int_equal(own.algorithm, i);
        size_t length = decode(wire, all[i]);
        size_t before = length;
        struct dns_tsig tsig;
        dns_tsig_init(&tsig, &own, &hmac);
        uint16_t error = 0;
        assert_int_equal(dns_tsig_verify(&tsig, wire, &length, NOW, &error), BASE_OK);
        assert_true(dns_tsig_complete(&tsig));
        assert_int_equal(length, 12 + 13 + 4);
        assert_int_equal(wire[11], 0);
        dns_tsig_free(&tsig);
        /* The same octets come out when we sign it. */
        static uint8_t other[DNS_MESSAGE_MAX];
        decode(other, all[i]);
        struct dns_tsig_key cased = own;
        cased.name = (const uint8_t *)"\3Key\7example";
        dns_tsig_init(&tsig, &cased, &hmac);
        assert_int_equal(dns_tsig_sign(&tsig, wire, &length, sizeof(wire), NOW, 0), BASE_OK);
        assert_int_equal(length, before);
        assert_memory_equal(wire, other, length);
        assert_true(length - (12 + 13 + 4) <= dns_tsig_room(&own));
        dns_tsig_free(&tsig);
    }
}

static void test_transfer(void **state)
{
    (void)state;
    uint8_t wire[1024];
    uint16_t error = 0;
    struct dns_tsig tsig;
    dns_tsig_init(&tsig, &key, &hmac);
    size_t length = decode(wire, tsig_request);
    assert_int_equal(dns_tsig_verify(&tsig, wire, &length, NOW + 300, &error), BASE_OK);
    length = decode(wire, tsig_first);
    assert_int_equal(dns_tsig_verify(&tsig, wire, &length, NOW, &error), BASE_OK);
    length = decode(wire, tsig_unsigned);
    assert_int_equal(dns_tsig_verify(&tsig, wire, &length, NOW, &error), BASE_OK);
    assert_false(dns_tsig_complete(&tsig));
    length = decode(wire, tsig_further);
    assert_int_equal(dns_tsig_verify(&tsig, wire, &length, NOW - 300, &error), BASE_OK);
    assert_true(dns_tsig_complete(&tsig));
    /* Unsigned messages are bounded. */
    for (unsigned i = 0; i < DNS_TSIG_UNSIGNED_MAX; i++) {
        length = decode(wire, tsig_unsigned);
        assert_int_equal(dns_tsig_verify(&tsig, wire, &length, NOW, &error), BASE_OK);
    }
    assert_int_equal(dns_tsig_verify(&tsig, wire, &length, NOW, &error), BASE_EMISMATCH);
    dns_tsig_free(&tsig);
}

static void test_single_answer(void **state)
{
    (void)state;
    uint8_t wire[1024];
    uint16_t error = 0;
    struct dns_tsig tsig;
    dns_tsig_init(&tsig, &key, &hmac);
    size_t length = decode(wire, tsig_request);
    assert_int_equal(dns_tsig_verify(&tsig, wire, &length, NOW, &error), BASE_OK);
    length = decode(wire, tsig_single);
    assert_int_equal(dns_tsig_verify(&tsig, wire, &length, NOW, &error), BASE_OK);
    dns_tsig_free(&tsig);
    /* Without the request it does not verify; an unsigned first answer is not accepted. */
    dns_tsig_init(&tsig, &key, &hmac);
    length = decode(wire, tsig_single);
    assert_int_equal(dns_tsig_verify(&tsig, wire, &length, NOW, &error), BASE_EMISMATCH);
    assert_int_equal(error, DNS_RCODE_BADSIG);
    dns_tsig_free(&tsig);
    length = decode(wire, tsig_unsigned);
    assert_int_equal(dns_tsig_verify(&tsig, wire, &length, NOW, &error), BASE_EMISMATCH);
    dns_tsig_free(&tsig);
}

/* A whole exchange of our own: request, many answers, another ID on the way. */
static void test_own_exchange(void **state)
{
    (void)state;
    uint8_t wire[1024];
    uint16_t error = 0;
    struct dns_tsig client, server;
    dns_tsig_init(&client, &key, &hmac);
    dns_tsig_init(&server, &key, &hmac);
    size_t length = decode(wire, tsig_unsigned);
    assert_int_equal(dns_tsig_sign(&client, wire, &length, sizeof(wire), NOW, 0), BASE_OK);
    wire[0] ^= 0xff; /* a forwarder's own ID */
    assert_int_equal(dns_tsig_verify(&server, wire, &length, NOW + 5, &error), BASE_OK);
    assert_int_equal(wire[0], 0x42);
    for (unsigned i = 0; i < 5; i++) {
        length = decode(wire, tsig_unsigned);
        assert_int_equal(dns_tsig_sign(&server, wire, &length, sizeof(wire), NOW + 6, 0), BASE_OK);
        assert_int_equal(dns_tsig_verify(&client, wire, &length, NOW + 7, &error), BASE_OK);
    }
    dns_tsig_free(&client);
    dns_tsig_free(&server);
}

static void test_times(void **state)
{
    (void)state;
    uint8_t wire[1024];
    uint16_t error = 0;
    struct dns_tsig client, server;
    dns_tsig_init(&client, &key, &hmac);
    dns_tsig_init(&server, &key, &hmac);
    size_t length = decode(wire, tsig_unsigned);
    assert_int_equal(dns_tsig_sign(&client, wire, &length, sizeof(wire), NOW, 0), BASE_OK);
    assert_int_equal(dns_tsig_verify(&server, wire, &length, NOW + 301, &error), BASE_EMISMATCH);
    assert_int_equal(error, DNS_RCODE_BADTIME);
    /* The answer is signed and tells the server's time. */
    assert_int_equal(dns_tsig_sign(&server, wire, &length, sizeof(wire), NOW + 301, error),
                     BASE_OK);
    struct dns_tsig_record record;
    assert_int_equal(dns_tsig_find(wire, length, &record), BASE_OK);
    assert_int_equal(record.other_length, 6);
    /* RFC 8945 section 5.2.3: the client's time, and beside it the server's. */
    assert_int_equal(record.time, NOW);
    const uint8_t *other = record.other;
    assert_int_equal((base_time)other[2] << 24 | other[3] << 16 | other[4] << 8 | other[5],
                     (NOW + 301) & 0xffffffff);
    assert_int_equal(dns_tsig_verify(&client, wire, &length, NOW + 301, &error), BASE_EMISMATCH);
    assert_int_equal(error, DNS_RCODE_BADTIME);
    dns_tsig_free(&client);
    dns_tsig_free(&server);
}

static void test_refused(void **state)
{
    (void)state;
    uint8_t wire[1024];
    uint16_t error = 0;
    struct dns_tsig_record record;
    struct dns_tsig tsig;
    struct dns_tsig_key other = key;
    other.name = (const uint8_t *)"\5other";
    dns_tsig_init(&tsig, &other, &hmac);
    size_t length = decode(wire, tsig_request);
    assert_int_equal(dns_tsig_find(wire, length, &record), BASE_OK);
    assert_true(dns_name_equal(record.key_name, key.name));
    assert_int_equal(dns_tsig_verify(&tsig, wire, &length, NOW, &error), BASE_EMISMATCH);
    assert_int_equal(error, DNS_RCODE_BADKEY);
    uint8_t answer[1024];
    size_t answer_length = decode(answer, tsig_unsigned);
    assert_int_equal(dns_tsig_refuse(&record, answer, &answer_length, sizeof(answer), error),
                     BASE_OK);
    dns_tsig_init(&tsig, &key, &hmac);
    error = 0;
    assert_int_equal(dns_tsig_verify(&tsig, answer, &answer_length, NOW, &error), BASE_EMISMATCH);
    assert_int_equal(error, DNS_RCODE_BADKEY);
    other = key;
    other.secret_length--;
    dns_tsig_init(&tsig, &other, &hmac);
    assert_int_equal(dns_tsig_verify(&tsig, wire, &length, NOW, &error), BASE_EMISMATCH);
    assert_int_equal(error, DNS_RCODE_BADSIG);
    /* No room for the record. */
    answer_length = decode(answer, tsig_unsigned);
    size_t before = answer_length;
    dns_tsig_init(&tsig, &key, &hmac);
    assert_int_equal(dns_tsig_sign(&tsig, answer, &answer_length, before + 20, NOW, 0),
                     BASE_ESPACE);
    assert_int_equal(answer_length, before);
    /* Signed twice is malformed. */
    length = decode(wire, tsig_request);
    assert_int_equal(dns_tsig_sign(&tsig, wire, &length, sizeof(wire), NOW, 0), BASE_EFORMAT);
}

/* No change of a signed message goes unseen, but for the case of names and the ID on the way. */
static void test_damaged(void **state)
{
    (void)state;
    uint8_t wire[1024];
    size_t full = decode(wire, tsig_request);
    for (size_t at = 2; at < full; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            size_t length = decode(wire, tsig_request);
            uint8_t *exact = malloc(length);
            assert_non_null(exact);
            memcpy(exact, wire, length);
            exact[at] ^= (uint8_t)(1u << bit);
            struct dns_tsig tsig;
            uint16_t error = 0;
            dns_tsig_init(&tsig, &key, &hmac);
            int result = dns_tsig_verify(&tsig, exact, &length, NOW, &error);
            bool case_only = bit == 5 && at > 29;
            assert_true(result == BASE_EMISMATCH || result == BASE_EFORMAT || case_only);
            dns_tsig_free(&tsig);
            free(exact);
        }
    }
    for (size_t cut = 0; cut < full; cut++) {
        size_t length = cut;
        uint8_t *exact = malloc(cut + 1);
        assert_non_null(exact);
        memcpy(exact, wire, cut);
        struct dns_tsig_record record;
        assert_int_equal(dns_tsig_find(exact, length, &record), BASE_EFORMAT);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verify_all_algorithms),
        cmocka_unit_test(test_transfer),
        cmocka_unit_test(test_single_answer),
        cmocka_unit_test(test_own_exchange),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
