/* Keys whose private half is elsewhere: batches, sizes, and what is refused. */
#include "support.h"

static const unsigned signing[] = {8, 10, 13, 14, 15, 16};
#define SIGNING (sizeof(signing) / sizeof(signing[0]))

struct place {
    struct crypto_signer *signer;
    size_t calls, items;
    int error;
};

static int sign_there(void *context, const uint8_t id[CRYPTO_KEY_ID],
                      const struct crypto_remote_item *items, size_t count, size_t signature_size)
{
    struct place *place = context;
    assert_int_equal(id[31], 9);
    assert_int_equal(crypto_signer_signature_size(place->signer), signature_size);
    place->calls++;
    place->items += count;
    for (size_t i = 0; i < count && place->error == BASE_OK; i++)
        assert_int_equal(
            crypto_sign_input(place->signer, items[i].input, items[i].length, items[i].out),
            BASE_OK);
    return place->error;
}

static const uint8_t id[CRYPTO_KEY_ID] = {[31] = 9};

static struct crypto_key *remote_of(const struct crypto_key *key,
                                    const struct crypto_remote *remote)
{
    uint8_t dnskey[CRYPTO_DNSKEY_MAX];
    struct crypto_key *away;
    size_t length = crypto_key_dnskey(key, 257, dnskey);
    assert_int_equal(
        crypto_key_remote(crypto_key_algorithm(key), dnskey + 4, length - 4, id, remote, &away),
        BASE_OK);
    return away;
}

#define COUNT 600

static void check_batches(struct crypto_signer *signer, struct crypto_verifier *verifier,
                          const struct place *place)
{
    size_t size = crypto_signer_signature_size(signer);
    uint8_t *signatures = malloc(COUNT * size);
    uint8_t data[COUNT];
    memset(data, 'k', sizeof(data));
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(crypto_sign_later(signer, data, i, signatures + i * size), BASE_OK);
    assert_true(place->items < COUNT);
    assert_int_equal(crypto_sign_flush(signer), BASE_OK);
    assert_int_equal(place->items, COUNT);
    size_t calls = place->calls;
    assert_int_equal(crypto_sign_flush(signer), BASE_OK);
    assert_int_equal(place->calls, calls);
    assert_true(calls <= 8);
    for (size_t i = 0; i < COUNT; i += 7)
        assert_int_equal(crypto_verify(verifier, data, i, signatures + i * size, size), BASE_OK);
    free(signatures);
}

/* More data than a batch takes: goes alone. */
static void check_large(struct crypto_signer *signer, struct crypto_verifier *verifier)
{
    uint8_t signature[CRYPTO_SIGNATURE_MAX];
    size_t length;
    uint8_t *data = calloc(1, 100000);
    assert_int_equal(crypto_sign(signer, data, 100000, signature, &length), BASE_OK);
    assert_int_equal(length, crypto_signer_signature_size(signer));
    assert_int_equal(crypto_verify(verifier, data, 100000, signature, length), BASE_OK);
    free(data);
}

static void test_batches(void **state)
{
    for (size_t i = 0; i < SIGNING; i++) {
        struct crypto_key *key = new_key(signing[i], signing[i] <= 10 ? 1024 : 0);
        struct place place = {0};
        struct crypto_remote remote = {sign_there, &place};
        struct crypto_key *away = remote_of(key, &remote);
        struct crypto_verifier *verifier = verifier_of(key);
        struct crypto_signer *signer;
        assert_true(crypto_key_is_remote(away) && !crypto_key_is_remote(key));
        assert_int_equal(crypto_key_bits(away), crypto_key_bits(key));
        assert_int_equal(crypto_signer_new(key, &place.signer), BASE_OK);
        assert_int_equal(crypto_signer_new(away, &signer), BASE_OK);
        size_t size = crypto_signer_input_size(signer);
        assert_int_equal(size, crypto_signer_input_size(place.signer));
        check_batches(signer, verifier, &place);
        check_large(signer, verifier);
        uint8_t octets[CRYPTO_DIGEST_MAX] = {0}, signature[CRYPTO_SIGNATURE_MAX];
        if (size > 0)
            assert_int_equal(crypto_sign_input(place.signer, octets, size - 1, signature),
                             BASE_ERANGE);
        crypto_signer_free(signer);
        crypto_signer_free(place.signer);
        crypto_verifier_free(verifier);
        crypto_key_free(away);
        crypto_key_free(key);
    }
}

/* A failure loses all that waited; the signer is good for more. */
static void test_failure(void **state)
{
    struct crypto_key *key = new_key(CRYPTO_ECDSAP256, 0);
    struct place place = {.error = BASE_ENOENT};
    struct crypto_remote remote = {sign_there, &place};
    struct crypto_key *away = remote_of(key, &remote);
    struct crypto_signer *signer;
    uint8_t signature[CRYPTO_SIGNATURE_MAX];
    size_t length;
    char *text;
    assert_int_equal(crypto_signer_new(key, &place.signer), BASE_OK);
    assert_int_equal(crypto_signer_new(away, &signer), BASE_OK);
    assert_int_equal(crypto_sign_later(signer, signature, 0, signature), BASE_OK);
    assert_int_equal(crypto_sign_flush(signer), BASE_ENOENT);
    assert_int_equal(crypto_sign_flush(signer), BASE_OK);
    place.error = BASE_OK;
    assert_int_equal(crypto_sign(signer, (const uint8_t *)"k", 1, signature, &length), BASE_OK);
    assert_int_equal(place.items, 2);
    crypto_signer_free(signer);
    crypto_signer_free(place.signer);
    assert_int_equal(crypto_key_to_pem(away, &text, &length), BASE_EUNSUPPORTED);
    assert_int_equal(crypto_key_to_bind(away, &text, &length), BASE_EUNSUPPORTED);
    crypto_key_free(away);
    crypto_key_free(key);
}

static void test_public_halves(void **state)
{
    uint8_t public[CRYPTO_PUBLIC_MAX + 1] = {3, 1, 0, 1, 0x80};
    struct crypto_remote remote = {sign_there, NULL};
    struct crypto_key *key;
    static const size_t sizes[][2] = {{13, 64}, {14, 96}, {15, 32}, {16, 57}};
    for (size_t i = 0; i < 4; i++) {
        unsigned algorithm = (unsigned)sizes[i][0];
        for (size_t length = 0; length <= sizeof(public); length++) {
            int error = crypto_key_remote(algorithm, public, length, id, &remote, &key);
            assert_int_equal(error, length == sizes[i][1] ? BASE_OK : BASE_EFORMAT);
            if (error == BASE_OK)
                crypto_key_free(key);
        }
    }
    for (size_t length = 0; length <= sizeof(public); length++) {
        int error = crypto_key_remote(8, public, length, id, &remote, &key);
        bool good = length >= 4 + 64 && length <= 4 + 512;
        assert_int_equal(error, good ? BASE_OK : BASE_EFORMAT);
        if (error == BASE_OK) {
            assert_int_equal(crypto_key_bits(key), 8 * (length - 4));
            crypto_key_free(key);
        }
    }
    public[4] = 0; /* a leading zero */
    assert_int_equal(crypto_key_remote(8, public, 4 + 128, id, &remote, &key), BASE_EFORMAT);
    public[0] = 0; /* an exponent longer than all */
    public[1] = 255;
    assert_int_equal(crypto_key_remote(8, public, 4 + 128, id, &remote, &key), BASE_EFORMAT);
    assert_int_equal(crypto_key_remote(5, public, 64, id, &remote, &key), BASE_EUNSUPPORTED);
    assert_int_equal(crypto_key_remote(99, public, 64, id, &remote, &key), BASE_EUNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_failure),
        cmocka_unit_test(test_public_halves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
