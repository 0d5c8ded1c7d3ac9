/* Algorithm table, digests, and the NSEC3 hash around the borders of a block. */
#include "support.h"

#include <openssl/evp.h>

static void test_algorithms(void **state)
{
    unsigned number = 0;
    assert_string_equal(crypto_algorithm(13)->name, "ECDSAP256SHA256");
    assert_int_equal(crypto_algorithm(16)->signature_size, 114);
    assert_null(crypto_algorithm(0));
    assert_null(crypto_algorithm(1));
    assert_null(crypto_algorithm(12));
    assert_null(crypto_algorithm(256 + 13));
    assert_false(crypto_algorithm(5)->validate);
    assert_int_equal(crypto_algorithm_from_text("ecdsap256sha256", &number), BASE_OK);
    assert_int_equal(number, 13);
    assert_int_equal(crypto_algorithm_from_text("NSEC3RSASHA1", &number), BASE_OK);
    assert_int_equal(number, 7);
    assert_int_equal(crypto_algorithm_from_text("15", &number), BASE_OK);
    assert_int_equal(number, 15);
    static const char *const wrong[] = {"", "1", "13x", "0013", "999999999999", "ED2551", "-8"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(crypto_algorithm_from_text(wrong[i], &number), BASE_ENOENT);
    assert_int_equal(number, 15);
}

/* Each digest, in pieces of any size, equals the library's own interface. */
static void test_hashers(void **state)
{
    static const char *const names[] = {"SHA1", "SHA256", "SHA384", "SHA512"};
    uint8_t data[700];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 31);
    for (unsigned hash = CRYPTO_SHA1; hash <= CRYPTO_SHA512; hash++) {
        struct crypto_hasher *hasher;
        assert_int_equal(crypto_hasher_new((enum crypto_hash)hash, &hasher), BASE_OK);
        for (size_t length = 0; length <= sizeof(data); length += 53) {
            uint8_t expected[EVP_MAX_MD_SIZE], digest[CRYPTO_DIGEST_MAX];
            size_t expected_length, digest_length;
            assert_true(
                EVP_Q_digest(NULL, names[hash], NULL, data, length, expected, &expected_length));
            for (size_t at = 0; at < length; at += 19)
                crypto_hasher_update(hasher, data + at, length - at < 19 ? length - at : 19);
            crypto_hasher_update(hasher, NULL, 0);
            assert_int_equal(crypto_hasher_final(hasher, digest, &digest_length), BASE_OK);
            assert_int_equal(digest_length, expected_length);
            assert_memory_equal(digest, expected, digest_length);
        }
        crypto_hasher_free(hasher);
    }
    struct crypto_hasher *none;
    assert_int_equal(crypto_hasher_new((enum crypto_hash)9, &none), BASE_EINVAL);
    crypto_hasher_free(NULL);
}

static void nsec3_slowly(const uint8_t *name, size_t length, const uint8_t *salt,
                         size_t salt_length, unsigned iterations, uint8_t out[20])
{
    uint8_t input[600];
    memcpy(input, name, length);
    memcpy(input + length, salt, salt_length);
    size_t size;
    assert_true(EVP_Q_digest(NULL, "SHA1", NULL, input, length + salt_length, out, &size));
    while (iterations-- > 0) {
        memcpy(input, out, 20);
        memcpy(input + 20, salt, salt_length);
        assert_true(EVP_Q_digest(NULL, "SHA1", NULL, input, 20 + salt_length, out, &size));
    }
}

/* Names and salts of every length, over and under what one block holds. */
static void test_nsec3_lengths(void **state)
{
    static const size_t salts[] = {0, 1, 8, 34, 35, 36, 55, 255};
    uint8_t salt[255];
    memset(salt, 0xa5, sizeof(salt));
    for (size_t s = 0; s < sizeof(salts) / sizeof(salts[0]); s++) {
        for (unsigned iterations = 0; iterations < 3; iterations++) {
            struct crypto_nsec3 *nsec3;
            assert_int_equal(crypto_nsec3_new((uint16_t)iterations, salt, salts[s], &nsec3),
                             BASE_OK);
            for (size_t label = 1; label <= 63; label++) {
                uint8_t name[DNS_NAME_MAX], hash[20], expected[20];
                name[0] = (uint8_t)label;
                memset(name + 1, 'q', label);
                name[1 + label] = 0;
                nsec3_slowly(name, label + 2, salt, salts[s], iterations, expected);
                name[1] = 'Q';
                assert_int_equal(crypto_nsec3_hash(nsec3, name, hash), BASE_OK);
                assert_memory_equal(hash, expected, 20);
            }
            crypto_nsec3_free(nsec3);
        }
    }
    struct crypto_nsec3 *nsec3;
    assert_int_equal(crypto_nsec3_new(0, salt, 256, &nsec3), BASE_ERANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_algorithms),
        cmocka_unit_test(test_hashers),
        cmocka_unit_test(test_nsec3_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
