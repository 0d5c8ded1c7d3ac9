/* Signing with keys whose private halves are elsewhere: the same zone, in few round trips. */
#include "zones.h"

#include <stdatomic.h>

/* The other place: a key, and what happened. */
struct place {
    struct crypto_key *key;
    struct crypto_remote remote;
    atomic_size_t calls, items;
    int error; /* what it answers from the second call on */
};

static int sign_there(void *context, const uint8_t id[CRYPTO_KEY_ID],
                      const struct crypto_remote_item *items, size_t count, size_t signature_size)
{
    struct place *place = context;
    struct crypto_signer *signer;
    assert_int_equal(id[0], 7);
    if (atomic_fetch_add(&place->calls, 1) > 0 && place->error != BASE_OK)
        return place->error;
    atomic_fetch_add(&place->items, count);
    assert_int_equal(crypto_signer_new(place->key, &signer), BASE_OK);
    assert_int_equal(crypto_signer_signature_size(signer), signature_size);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(crypto_sign_input(signer, items[i].input, items[i].length, items[i].out),
                         BASE_OK);
    crypto_signer_free(signer);
    return BASE_OK;
}

/* The key moves to the other place. */
static void send_away(struct crypto_zone_key *key, struct place *place)
{
    static const uint8_t id[CRYPTO_KEY_ID] = {7};
    *place = (struct place){.key = key->key, .remote = {sign_there, place}};
    assert_int_equal(crypto_key_remote(key->algorithm, key->dnskey + 4, key->dnskey_length - 4, id,
                                       &place->remote, &key->key),
                     BASE_OK);
}

struct setting {
    struct zone *zone;
    struct sign_policy policy;
    struct crypto_zone_key keys[2];
    struct place places[2];
    char *text;
};

static void begin(struct setting *setting)
{
    setting->text = random_zone(11, 1500);
    setting->zone = zone_from_text(setting->text, "example.");
    sign_policy_default(&setting->policy);
    setting->policy.zonemd = 1;
    setting->keys[0] = new_key(CRYPTO_ECDSAP256, "example.", CRYPTO_CSK);
    setting->keys[1] = rfc8080_key("example.", CRYPTO_CSK);
    for (int i = 0; i < 2; i++)
        send_away(&setting->keys[i], &setting->places[i]);
}

static void end(struct setting *setting)
{
    for (int i = 0; i < 2; i++) {
        crypto_key_free(setting->keys[i].key);
        crypto_key_free(setting->places[i].key);
    }
    zone_release(setting->zone);
    free(setting->text);
}

static int sign_setting(struct setting *setting, unsigned threads, struct zone *previous,
                        struct base_findings *findings, struct sign_result *result)
{
    struct sign_request request = {.zone = setting->zone,
                                   .policy = &setting->policy,
                                   .keys = setting->keys,
                                   .key_count = 2,
                                   .previous = previous,
                                   .now = NOW,
                                   .threads = threads};
    base_findings_init(findings, 100);
    int status = sign_zone(&request, findings, result);
    return status;
}

static void test_whole_zone(void **state)
{
    struct setting setting;
    begin(&setting);
    for (unsigned threads = 1; threads <= 4; threads++) {
        struct base_findings findings;
        struct sign_result result;
        size_t before = setting.places[0].items, calls = setting.places[0].calls;
        assert_int_equal(sign_setting(&setting, threads, NULL, &findings, &result), BASE_OK);
        base_findings_free(&findings);
        assert_int_equal(verify_zone(result.zone), result.signatures_made);
        size_t items = setting.places[0].items - before;
        assert_int_equal(2 * items, result.signatures_made);
        /* Full batches, one more for each worker, and one after the digest of the zone. */
        assert_true(setting.places[0].calls - calls <= items / 256 + threads + 1);
        if (threads == 4) {
            struct sign_result again;
            before = setting.places[0].items;
            assert_int_equal(sign_setting(&setting, 2, result.zone, &findings, &again), BASE_OK);
            base_findings_free(&findings);
            assert_int_equal(again.signatures_made, 0);
            assert_int_equal(setting.places[0].items, before);
            zone_release(again.zone);
        }
        zone_release(result.zone);
    }
    end(&setting);
}

static void test_failure(void **state)
{
    static const int errors[] = {BASE_ENOENT, BASE_EPERM, BASE_ECRYPTO};
    struct setting setting;
    begin(&setting);
    for (size_t i = 0; i < 3; i++) {
        struct base_findings findings;
        struct sign_result result;
        setting.places[1].error = errors[i];
        assert_int_equal(sign_setting(&setting, 2, NULL, &findings, &result), errors[i]);
        assert_int_equal(findings.by_code[SIGN_CRYPTO_FAILED], i > 0);
        base_findings_free(&findings);
    }
    end(&setting);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_zone),
        cmocka_unit_test(test_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
