/* Public keys and signatures as strangers send them. */
#include "support.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>

static int try_dnskey(const uint8_t *dnskey, size_t length)
{
    struct crypto_verifier *verifier = NULL;
    int error = crypto_verifier_new(dnskey, length, false, &verifier);
    assert_true((verifier != NULL) == (error == BASE_OK));
    crypto_verifier_free(verifier);
    return error;
}

static void test_dnskey_shapes(void **state)
{
    uint8_t dnskey[CRYPTO_DNSKEY_MAX + 600] = {1, 1, 3, 13};
    assert_int_equal(try_dnskey(dnskey, 0), BASE_EFORMAT);
    assert_int_equal(try_dnskey(dnskey, 3), BASE_EFORMAT);
    for (unsigned algorithm = 0; algorithm < 256; algorithm++) {
        dnskey[3] = (uint8_t)algorithm;
        const struct crypto_algorithm_info *info = crypto_algorithm(algorithm);
        int expected = info != NULL && info->validate ? BASE_EFORMAT : BASE_EUNSUPPORTED;
        assert_int_equal(try_dnskey(dnskey, 4), expected);
        assert_int_equal(try_dnskey(dnskey, 4 + 31), expected);
        assert_int_equal(try_dnskey(dnskey, sizeof(dnskey)), expected);
    }
    struct crypto_key *key = new_key(13, 0);
    size_t length = crypto_key_dnskey(key, 256, dnskey);
    assert_int_equal(try_dnskey(dnskey, length), BASE_OK);
    dnskey[2] = 2; /* protocol */
    assert_int_equal(try_dnskey(dnskey, length), BASE_EFORMAT);
    dnskey[2] = 3;
    assert_int_equal(try_dnskey(dnskey, length - 1), BASE_EFORMAT);
    assert_int_equal(try_dnskey(dnskey, length + 1), BASE_EFORMAT);
    dnskey[10] ^= 1; /* off the curve */
    assert_int_equal(try_dnskey(dnskey, length), BASE_EFORMAT);
    memset(dnskey + 4, 0, length - 4);
    assert_int_equal(try_dnskey(dnskey, length), BASE_EFORMAT);
    memset(dnskey + 4, 0xff, length - 4); /* coordinates beyond the field */
    assert_int_equal(try_dnskey(dnskey, length), BASE_EFORMAT);
    crypto_key_free(key);
}

/* A DNSKEY of RSA from an exponent and a modulus, with the length in one octet or in three. */
static size_t rsa_dnskey(uint8_t *out, unsigned algorithm, const uint8_t *exponent,
                         size_t exponent_length, const uint8_t *modulus, size_t modulus_length,
                         bool wide)
{
    size_t at = 0;
    out[at++] = 1;
    out[at++] = 0;
    out[at++] = 3;
    out[at++] = (uint8_t)algorithm;
    if (wide) {
        out[at++] = 0;
        out[at++] = (uint8_t)(exponent_length >> 8);
    }
    out[at++] = (uint8_t)exponent_length;
    memcpy(out + at, exponent, exponent_length);
    at += exponent_length;
    memcpy(out + at, modulus, modulus_length);
    return at + modulus_length;
}

static void test_rsa_forms(void **state)
{
    struct crypto_key *key = new_key(8, 1024);
    uint8_t own[CRYPTO_DNSKEY_MAX], dnskey[4096], modulus[600];
    static const uint8_t f4[] = {1, 0, 1}, padded[] = {0, 1, 0, 1}, one[] = {1}, even[] = {4};
    size_t own_length = crypto_key_dnskey(key, 256, own);
    assert_int_equal(own_length, 4 + 1 + 3 + 128);
    memcpy(modulus, own + 8, 128);
    size_t length = rsa_dnskey(dnskey, 8, f4, 3, modulus, 128, true);
    assert_int_equal(try_dnskey(dnskey, length), BASE_OK);

    /* The long form of the length verifies the same signatures. */
    struct crypto_signer *signer;
    struct crypto_verifier *verifier;
    uint8_t signature[CRYPTO_SIGNATURE_MAX];
    size_t signature_length;
    assert_int_equal(crypto_signer_new(key, &signer), BASE_OK);
    assert_int_equal(crypto_sign(signer, own, 9, signature, &signature_length), BASE_OK);
    assert_int_equal(crypto_verifier_new(dnskey, length, false, &verifier), BASE_OK);
    assert_int_equal(crypto_verify(verifier, own, 9, signature, signature_length), BASE_OK);
    memset(signature, 0xff, signature_length); /* larger than the modulus */
    assert_int_equal(crypto_verify(verifier, own, 9, signature, signature_length), BASE_EMISMATCH);
    memset(signature, 0, signature_length);
    assert_int_equal(crypto_verify(verifier, own, 9, signature, signature_length), BASE_EMISMATCH);
    crypto_verifier_free(verifier);
    crypto_signer_free(signer);

    length = rsa_dnskey(dnskey, 8, padded, 4, modulus, 128, false);
    assert_int_equal(try_dnskey(dnskey, length), BASE_EFORMAT);
    length = rsa_dnskey(dnskey, 8, one, 1, modulus, 128, false);
    assert_int_equal(try_dnskey(dnskey, length), BASE_EFORMAT);
    length = rsa_dnskey(dnskey, 8, even, 1, modulus, 128, false);
    assert_int_equal(try_dnskey(dnskey, length), BASE_EFORMAT);
    length = rsa_dnskey(dnskey, 8, f4, 0, modulus, 128, true);
    assert_int_equal(try_dnskey(dnskey, length), BASE_EFORMAT);
    length = rsa_dnskey(dnskey, 8, f4, 3, modulus, 0, false);
    assert_int_equal(try_dnskey(dnskey, length), BASE_EFORMAT);
    length = rsa_dnskey(dnskey, 8, modulus, 128, f4, 3, true);
    assert_int_equal(try_dnskey(dnskey, length), BASE_EFORMAT);
    crypto_key_free(key);
}

static void test_rsa_sizes(void **state)
{
    uint8_t dnskey[4096], modulus[600], exponent[300];
    static const uint8_t f4[] = {1, 0, 1};
    memset(modulus, 0xc3, sizeof(modulus));
    memset(exponent, 0x81, sizeof(exponent));
    static const struct {
        unsigned algorithm;
        size_t octets;
        int error;
    } sizes[] = {
        {8, 63, BASE_EFORMAT}, {8, 64, BASE_OK},  {10, 64, BASE_EFORMAT}, {10, 127, BASE_EFORMAT},
        {10, 128, BASE_OK},    {8, 512, BASE_OK}, {8, 513, BASE_EFORMAT}, {10, 600, BASE_EFORMAT},
    };
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t length =
            rsa_dnskey(dnskey, sizes[i].algorithm, f4, 3, modulus, sizes[i].octets, false);
        assert_int_equal(try_dnskey(dnskey, length), sizes[i].error);
    }
    modulus[255] = 0xc2; /* an even modulus */
    size_t length = rsa_dnskey(dnskey, 8, f4, 3, modulus, 256, false);
    assert_int_equal(try_dnskey(dnskey, length), BASE_EFORMAT);
    modulus[255] = 0xc3;
    length = rsa_dnskey(dnskey, 8, exponent, 256, modulus, 256, true);
    assert_int_equal(try_dnskey(dnskey, length), BASE_OK);
    length = rsa_dnskey(dnskey, 8, exponent, 9, modulus, 512, false);
    assert_int_equal(try_dnskey(dnskey, length), BASE_EUNSUPPORTED);
    length = rsa_dnskey(dnskey, 8, exponent, 8, modulus, 512, false);
    assert_int_equal(try_dnskey(dnskey, length), BASE_OK);
}

static void check_pair(struct crypto_verifier *verifier, size_t half, int r, int s)
{
    uint8_t signature[96];
    memset(signature, r, half);
    memset(signature + half, s, half);
    assert_int_equal(crypto_verify(verifier, (const uint8_t *)"data", 4, signature, 2 * half),
                     BASE_EMISMATCH);
}

static void test_ecdsa_numbers_out_of_range(void **state)
{
    for (unsigned algorithm = 13; algorithm <= 14; algorithm++) {
        struct crypto_key *key = new_key(algorithm, 0);
        struct crypto_verifier *verifier = verifier_of(key);
        size_t half = algorithm == 13 ? 32 : 48;
        check_pair(verifier, half, 0, 0);
        check_pair(verifier, half, 0, 1);
        check_pair(verifier, half, 1, 0);
        check_pair(verifier, half, 0xff, 0xff);
        check_pair(verifier, half, 0x7f, 0xff);
        check_pair(verifier, half, 0x80, 0x7f);
        crypto_verifier_free(verifier);
        crypto_key_free(key);
    }
}

/* Signatures whose numbers begin with zeros, which DER writes shorter. */
static void test_many_ecdsa_signatures(void **state)
{
    for (unsigned algorithm = 13; algorithm <= 14; algorithm++) {
        struct crypto_key *key = new_key(algorithm, 0);
        struct crypto_verifier *verifier = verifier_of(key);
        struct crypto_signer *signer;
        assert_int_equal(crypto_signer_new(key, &signer), BASE_OK);
        bool short_r = false;
        unsigned count = algorithm == 13 ? 3000 : 100;
        for (unsigned i = 0; i < count; i++) {
            uint8_t signature[CRYPTO_SIGNATURE_MAX];
            size_t length;
            assert_int_equal(
                crypto_sign(signer, (const uint8_t *)&i, sizeof(i), signature, &length), BASE_OK);
            assert_int_equal(length, algorithm == 13 ? 64 : 96);
            if (signature[0] == 0 || signature[length / 2] == 0 || i < 20) {
                short_r = short_r || signature[0] == 0;
                assert_int_equal(
                    crypto_verify(verifier, (const uint8_t *)&i, sizeof(i), signature, length),
                    BASE_OK);
            }
        }
        assert_true(short_r || algorithm == 14);
        crypto_signer_free(signer);
        crypto_verifier_free(verifier);
        crypto_key_free(key);
    }
}

static void test_odd_eddsa_keys(void **state)
{
    for (unsigned algorithm = 15; algorithm <= 16; algorithm++) {
        uint8_t dnskey[64] = {1, 0, 3, (uint8_t)algorithm}, signature[114] = {0};
        size_t length = 4 + (algorithm == 15 ? 32 : 57);
        for (int fill = 0; fill < 256; fill += 51) {
            struct crypto_verifier *verifier;
            memset(dnskey + 4, fill, length - 4);
            int error = crypto_verifier_new(dnskey, length, false, &verifier);
            if (error != BASE_OK)
                continue;
            memset(signature, 0xfe, sizeof(signature));
            assert_int_equal(
                crypto_verify(verifier, dnskey, 4, signature, algorithm == 15 ? 64 : 114),
                BASE_EMISMATCH);
            crypto_verifier_free(verifier);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dnskey_shapes),
        cmocka_unit_test(test_rsa_forms),
        cmocka_unit_test(test_rsa_sizes),
        cmocka_unit_test(test_ecdsa_numbers_out_of_range),
        cmocka_unit_test(test_many_ecdsa_signatures),
        cmocka_unit_test(test_odd_eddsa_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
