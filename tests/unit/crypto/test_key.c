/* Keys: made, written, read again, damaged; signers and verifiers of every algorithm. */
#include "support.h"

#include "base/thread.h"

static const unsigned signing[] = {8, 10, 13, 14, 15, 16};
#define SIGNING (sizeof(signing) / sizeof(signing[0]))

static unsigned bits_for(unsigned algorithm)
{
    return algorithm <= 10 ? 1024 : 0; /* the smallest, to be quick */
}

static void assert_same(const struct crypto_key *a, const struct crypto_key *b)
{
    uint8_t one[CRYPTO_DNSKEY_MAX], other[CRYPTO_DNSKEY_MAX];
    size_t length = crypto_key_dnskey(a, 257, one);
    assert_int_equal(crypto_key_dnskey(b, 257, other), length);
    assert_memory_equal(one, other, length);
    assert_int_equal(crypto_key_algorithm(a), crypto_key_algorithm(b));
    assert_int_equal(crypto_key_bits(a), crypto_key_bits(b));
}

static void test_formats(void **state)
{
    for (size_t i = 0; i < SIGNING; i++) {
        unsigned algorithm = signing[i];
        struct crypto_key *key = new_key(algorithm, bits_for(algorithm)), *again;
        char *text;
        size_t length;
        assert_int_equal(crypto_key_to_pem(key, &text, &length), BASE_OK);
        assert_int_equal(strlen(text), length);
        assert_int_equal(crypto_key_from_pem(algorithm, text, length, &again), BASE_OK);
        assert_same(key, again);
        crypto_key_free(again);
        for (unsigned other = 5; other <= 16; other++) {
            /* RSA keys are good for both RSA algorithms. */
            if (other == algorithm || (algorithm <= 10 && (other == 8 || other == 10)))
                continue;
            int error = crypto_key_from_pem(other, text, length, &again);
            assert_true(error == BASE_EMISMATCH || error == BASE_EUNSUPPORTED);
        }
        crypto_wipe(text, length);
        free(text);
        assert_int_equal(crypto_key_to_bind(key, &text, &length), BASE_OK);
        assert_int_equal(strlen(text), length);
        assert_int_equal(crypto_key_from_bind(text, length, &again), BASE_OK);
        assert_same(key, again);
        crypto_key_free(again);
        free(text);
        crypto_key_free(key);
    }
}

/* Cut anywhere, and with any one octet changed, a key is refused or is still the same key. */
static void check_damage(const char *text, size_t length, unsigned algorithm, size_t step)
{
    struct crypto_key *key;
    char *copy = malloc(length);
    assert_non_null(copy);
    for (size_t cut = 0; cut < length; cut += step) {
        memcpy(copy, text, length);
        int error = algorithm == 0 ? crypto_key_from_bind(copy, cut, &key)
                                   : crypto_key_from_pem(algorithm, copy, cut, &key);
        if (error == BASE_OK)
            crypto_key_free(key);
        copy[cut] ^= 0x15;
        error = algorithm == 0 ? crypto_key_from_bind(copy, length, &key)
                               : crypto_key_from_pem(algorithm, copy, length, &key);
        if (error == BASE_OK)
            crypto_key_free(key);
    }
    free(copy);
}

static void test_damage(void **state)
{
    for (size_t i = 0; i < SIGNING; i++) {
        struct crypto_key *key = new_key(signing[i], bits_for(signing[i]));
        char *text;
        size_t length;
        size_t step = signing[i] <= 10 ? 37 : 11;
        assert_int_equal(crypto_key_to_pem(key, &text, &length), BASE_OK);
        check_damage(text, length, signing[i], step);
        free(text);
        assert_int_equal(crypto_key_to_bind(key, &text, &length), BASE_OK);
        check_damage(text, length, 0, step);
        free(text);
        crypto_key_free(key);
    }
}

/* An RSA key of which one part belongs to another key. */
static void test_mixed_rsa_key_is_refused(void **state)
{
    struct crypto_key *one = new_key(8, 1024), *other = new_key(8, 1024), *mixed;
    char *a, *b;
    size_t a_length, b_length;
    assert_int_equal(crypto_key_to_bind(one, &a, &a_length), BASE_OK);
    assert_int_equal(crypto_key_to_bind(other, &b, &b_length), BASE_OK);
    static const char *const tags[] = {
        "Modulus: ", "PrivateExponent: ", "Prime1: ", "Exponent2: ", "Coefficient: "};
    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
        char *from = strstr(a, tags[i]), *to = strstr(b, tags[i]);
        size_t from_length = strcspn(from, "\n"), to_length = strcspn(to, "\n");
        char text[8192];
        snprintf(text, sizeof(text), "%.*s%.*s%s", (int)(from - a), a, (int)to_length, to,
                 from + from_length);
        int error = crypto_key_from_bind(text, strlen(text), &mixed);
        assert_true(error == BASE_EMISMATCH || error == BASE_EFORMAT);
    }
    free(a);
    free(b);
    crypto_key_free(one);
    crypto_key_free(other);
}

static void test_limits(void **state)
{
    struct crypto_key *key;
    assert_int_equal(crypto_key_generate(8, 512, &key), BASE_ERANGE);
    assert_int_equal(crypto_key_generate(8, 4097, &key), BASE_ERANGE);
    assert_int_equal(crypto_key_generate(13, 384, &key), BASE_ERANGE);
    assert_int_equal(crypto_key_generate(5, 0, &key), BASE_EUNSUPPORTED);
    assert_int_equal(crypto_key_generate(7, 0, &key), BASE_EUNSUPPORTED);
    assert_int_equal(crypto_key_generate(12, 0, &key), BASE_EUNSUPPORTED);
    crypto_key_free(NULL);
    crypto_signer_free(NULL);
    crypto_verifier_free(NULL);
}

static void test_bind_text(void **state)
{
    static const struct {
        const char *text;
        int error;
    } cases[] = {
        {"", BASE_EFORMAT},
        {"Private-key-format: v2.0\nAlgorithm: 13\nPrivateKey: AQ==\n", BASE_EUNSUPPORTED},
        {"Private-key-format: v1.3\nAlgorithm: 12 (ECC-GOST)\nPrivateKey: AQ==\n",
         BASE_EUNSUPPORTED},
        {"Private-key-format: v1.3\nAlgorithm: 5 (RSASHA1)\n", BASE_EUNSUPPORTED},
        {"Private-key-format: v1.3\nAlgorithm: 300\nPrivateKey: AQ==\n", BASE_EFORMAT},
        {"Private-key-format: v1.3\nAlgorithm: x\nPrivateKey: AQ==\n", BASE_EFORMAT},
        {"Private-key-format: v1.3\nAlgorithm: 13 (ECDSAP256SHA256)\n", BASE_EFORMAT},
        {"Private-key-format: v1.3\nAlgorithm: 13\nPrivateKey:\n", BASE_EFORMAT},
        {"Private-key-format: v1.3\nAlgorithm: 13\nPrivateKey: AA==\n", BASE_EFORMAT},
        {"Private-key-format: v1.3\nAlgorithm: 13\nPrivateKey: "
         "//////////////////////////////////////////8=\n",
         BASE_EFORMAT},
        {"Private-key-format: v1.3\nAlgorithm: 15\nPrivateKey: AQ==\n", BASE_EFORMAT},
        {"Private-key-format: v1.3\nAlgorithm: 13\nPrivateKey: AQ==\nPrivateKey: AQ==\n",
         BASE_EFORMAT},
        {"Private-key-format: v1.3\nAlgorithm: 8 (RSASHA256)\nModulus: AQ==\n", BASE_EFORMAT},
        {"Private-key-format: v1.3\nAlgorithm: 13\nEngine: cGtjczExAA==\nLabel: AA==\n",
         BASE_EUNSUPPORTED},
        /* A number without its leading zeros, other line ends, other case. */
        {"Private-key-format: v1.3\r\nalgorithm: 13\r\nPRIVATEKEY: AQ==\r\n", BASE_OK},
        {"Private-key-format: v1.2\nAlgorithm: 14 (ECDSAP384SHA384)\nPrivateKey: Ag==", BASE_OK},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct crypto_key *key = NULL;
        assert_int_equal(crypto_key_from_bind(cases[i].text, strlen(cases[i].text), &key),
                         cases[i].error);
        assert_true((key != NULL) == (cases[i].error == BASE_OK));
        crypto_key_free(key);
    }
}

static void test_encrypted_and_foreign_pem(void **state)
{
    static const char *const texts[] = {
        "",
        "no key here",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\nMAA=\n-----END RSA PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\n",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct crypto_key *key;
        assert_int_equal(crypto_key_from_pem(13, texts[i], strlen(texts[i]), &key), BASE_EFORMAT);
    }
}

struct work {
    const struct crypto_key *key;
};

static int sign_and_verify(void *context, size_t index, unsigned worker)
{
    const struct work *work = context;
    struct crypto_signer *signer;
    int error = crypto_signer_new(work->key, &signer);
    if (error != BASE_OK)
        return error;
    struct crypto_verifier *verifier = verifier_of(work->key);
    for (size_t i = 0; i < 20 && error == BASE_OK; i++) {
        uint8_t data[300], signature[CRYPTO_SIGNATURE_MAX];
        size_t length;
        memset(data, (int)(index * 20 + i), sizeof(data));
        error = crypto_sign(signer, data, i * 15, signature, &length);
        if (error == BASE_OK)
            error = crypto_verify(verifier, data, i * 15, signature, length);
        if (error == BASE_OK &&
            crypto_verify(verifier, data, i * 15 + 1, signature, length) != BASE_EMISMATCH)
            error = BASE_EINVAL;
    }
    crypto_signer_free(signer);
    crypto_verifier_free(verifier);
    return error;
}

/* One key, signers of their own in several threads. */
static void test_threads(void **state)
{
    for (size_t i = 0; i < SIGNING; i++) {
        struct work work = {new_key(signing[i], bits_for(signing[i]))};
        assert_int_equal(base_parallel(4, 8, sign_and_verify, &work), BASE_OK);
        crypto_key_free((struct crypto_key *)work.key);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_mixed_rsa_key_is_refused),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_bind_text),
        cmocka_unit_test(test_encrypted_and_foreign_pem),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
