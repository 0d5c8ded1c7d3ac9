/* The examples of the RFCs: tests/golden/dnssec-algorithms.json. */
#include "support.h"

#include <jansson.h>

static json_t *golden;

static int load(void **state)
{
    json_error_t error;
    golden = json_load_file(TEST_DATA "/golden/dnssec-algorithms.json", 0, &error);
    return golden == NULL ? -1 : 0;
}

static int unload(void **state)
{
    json_decref(golden);
    return 0;
}

static const char *text_of(const json_t *object, const char *field)
{
    return json_string_value(json_object_get(object, field));
}

static void check_ds(const json_t *vector, const char *owner_field)
{
    uint8_t owner[DNS_NAME_MAX], dnskey[CRYPTO_DNSKEY_MAX];
    name_of(text_of(vector, owner_field), owner);
    size_t length = dnskey_of(text_of(vector, "dnskey"), dnskey);
    assert_int_equal(crypto_key_tag(dnskey, length),
                     json_integer_value(json_object_get(vector, "tag")));
    size_t index;
    json_t *ds;
    json_array_foreach(json_object_get(vector, "ds"), index, ds)
    {
        uint8_t expected[CRYPTO_DIGEST_MAX], digest[CRYPTO_DIGEST_MAX];
        size_t expected_length =
            from_hex(json_string_value(json_array_get(ds, 1)), expected, sizeof(expected));
        size_t digest_length;
        unsigned type = (unsigned)json_integer_value(json_array_get(ds, 0));
        assert_int_equal(crypto_ds_digest(type, owner, dnskey, length, digest, &digest_length),
                         BASE_OK);
        assert_int_equal(digest_length, expected_length);
        assert_memory_equal(digest, expected, digest_length);
    }
}

static void test_ds(void **state)
{
    size_t index;
    json_t *vector;
    json_array_foreach(json_object_get(golden, "ds"), index, vector) check_ds(vector, "owner");
    json_array_foreach(json_object_get(golden, "signatures"), index, vector)
        check_ds(vector, "zone");
    uint8_t digest[CRYPTO_DIGEST_MAX], dnskey[4] = {1, 0, 3, 8};
    size_t length = 77;
    assert_int_equal(crypto_ds_digest(3, (const uint8_t *)"", dnskey, 4, digest, &length),
                     BASE_EUNSUPPORTED);
    assert_int_equal(length, 77);
}

struct vector {
    uint8_t dnskey[CRYPTO_DNSKEY_MAX];
    size_t dnskey_length;
    uint8_t data[1024];
    size_t data_length;
    uint8_t signature[CRYPTO_SIGNATURE_MAX];
    size_t signature_length;
    bool legacy;
};

static void read_vector(const json_t *json, struct vector *vector)
{
    vector->dnskey_length = dnskey_of(text_of(json, "dnskey"), vector->dnskey);
    vector->data_length = from_hex(text_of(json, "data"), vector->data, sizeof(vector->data));
    vector->signature_length = from_base64(strrchr(text_of(json, "rrsig"), ' ') + 1,
                                           vector->signature, sizeof(vector->signature));
    vector->legacy = json_is_true(json_object_get(json, "legacy"));
}

/* The example signature verifies, and stops to when anything about it is changed. */
static void check_verify(struct vector *vector)
{
    struct crypto_verifier *verifier;
    assert_int_equal(
        crypto_verifier_new(vector->dnskey, vector->dnskey_length, vector->legacy, &verifier),
        BASE_OK);
    uint8_t *signature = vector->signature;
    size_t length = vector->signature_length;
    for (int twice = 0; twice < 2; twice++)
        assert_int_equal(
            crypto_verify(verifier, vector->data, vector->data_length, signature, length), BASE_OK);
    vector->data[vector->data_length - 1] ^= 1;
    assert_int_equal(crypto_verify(verifier, vector->data, vector->data_length, signature, length),
                     BASE_EMISMATCH);
    vector->data[vector->data_length - 1] ^= 1;
    for (size_t i = 0; i < length; i += 7) {
        signature[i] ^= 0x10;
        assert_int_equal(
            crypto_verify(verifier, vector->data, vector->data_length, signature, length),
            BASE_EMISMATCH);
        signature[i] ^= 0x10;
    }
    assert_int_equal(
        crypto_verify(verifier, vector->data, vector->data_length, signature, length - 1),
        BASE_EFORMAT);
    assert_int_equal(crypto_verify(verifier, vector->data, vector->data_length, signature, 0),
                     BASE_EFORMAT);
    assert_int_equal(crypto_verify(verifier, vector->data, vector->data_length, signature, length),
                     BASE_OK);
    crypto_verifier_free(verifier);
}

/* Our signature with the example's private key: the same one, or one that verifies. */
static void check_sign(const char *private, bool deterministic, const struct vector *vector)
{
    struct crypto_key *key;
    struct crypto_signer *signer;
    struct crypto_verifier *verifier;
    uint8_t dnskey[CRYPTO_DNSKEY_MAX], signature[CRYPTO_SIGNATURE_MAX];
    size_t length;
    assert_int_equal(crypto_key_from_bind(private, strlen(private), &key), BASE_OK);
    uint16_t flags = (uint16_t)(vector->dnskey[0] << 8 | vector->dnskey[1]);
    assert_int_equal(crypto_key_dnskey(key, flags, dnskey), vector->dnskey_length);
    assert_memory_equal(dnskey, vector->dnskey, vector->dnskey_length);
    assert_int_equal(crypto_signer_new(key, &signer), BASE_OK);
    assert_int_equal(crypto_sign(signer, vector->data, vector->data_length, signature, &length),
                     BASE_OK);
    assert_int_equal(length, vector->signature_length);
    if (deterministic)
        assert_memory_equal(signature, vector->signature, length);
    assert_int_equal(crypto_verifier_new(dnskey, vector->dnskey_length, false, &verifier), BASE_OK);
    assert_int_equal(crypto_verify(verifier, vector->data, vector->data_length, signature, length),
                     BASE_OK);
    crypto_verifier_free(verifier);
    crypto_signer_free(signer);
    crypto_key_free(key);
}

static void test_signatures(void **state)
{
    size_t index;
    json_t *json;
    json_array_foreach(json_object_get(golden, "signatures"), index, json)
    {
        struct vector vector;
        read_vector(json, &vector);
        check_verify(&vector);
        const char *private = text_of(json, "private");
        if (private != NULL)
            check_sign(private, json_is_true(json_object_get(json, "deterministic")), &vector);
    }
}

static void test_legacy_needs_to_be_asked_for(void **state)
{
    size_t index;
    json_t *json;
    bool seen = false;
    json_array_foreach(json_object_get(golden, "signatures"), index, json)
    {
        struct vector vector;
        struct crypto_verifier *verifier;
        read_vector(json, &vector);
        if (!vector.legacy)
            continue;
        seen = true;
        assert_int_equal(crypto_verifier_new(vector.dnskey, vector.dnskey_length, false, &verifier),
                         BASE_EUNSUPPORTED);
    }
    assert_true(seen);
}

static void test_nsec3(void **state)
{
    const json_t *set = json_object_get(golden, "nsec3");
    uint8_t salt[255];
    size_t salt_length = from_hex(text_of(set, "salt"), salt, sizeof(salt));
    struct crypto_nsec3 *nsec3;
    assert_int_equal(
        crypto_nsec3_new((uint16_t)json_integer_value(json_object_get(set, "iterations")), salt,
                         salt_length, &nsec3),
        BASE_OK);
    size_t index;
    json_t *pair;
    json_array_foreach(json_object_get(set, "names"), index, pair)
    {
        uint8_t name[DNS_NAME_MAX], hash[CRYPTO_NSEC3_SIZE];
        char text[BASE_BASE32HEX_SIZE(CRYPTO_NSEC3_SIZE) + 1] = {0};
        name_of(json_string_value(json_array_get(pair, 0)), name);
        name[1] = name[1] >= 'a' && name[1] <= 'z' ? name[1] - 32 : name[1]; /* case is ignored */
        assert_int_equal(crypto_nsec3_hash(nsec3, name, hash), BASE_OK);
        base_base32hex_encode(text, hash, sizeof(hash));
        assert_string_equal(text, json_string_value(json_array_get(pair, 1)));
    }
    crypto_nsec3_free(nsec3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ds),
        cmocka_unit_test(test_signatures),
        cmocka_unit_test(test_legacy_needs_to_be_asked_for),
        cmocka_unit_test(test_nsec3),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
