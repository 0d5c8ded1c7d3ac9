/* Signing with a previous version: what is kept, what is not, and that the content is that of a
 * full signing. */
#include "zones.h"

#include "sign/internal.h"

static struct sign_result sign_next(struct zone *zone, struct zone *previous,
                                    const struct sign_policy *policy,
                                    const struct crypto_zone_key *keys, size_t count, base_time now,
                                    struct base_findings *findings)
{
    struct sign_request request = {.zone = zone,
                                   .policy = policy,
                                   .keys = keys,
                                   .key_count = count,
                                   .previous = previous,
                                   .now = now,
                                   .threads = 2};
    struct sign_result result;
    struct base_findings own;
    base_findings_init(&own, 100);
    int status = sign_zone(&request, findings != NULL ? findings : &own, &result);
    if (status != BASE_OK)
        fail_msg("%s", own.count > 0 ? own.items[0].message : base_strerror(status));
    base_findings_free(&own);
    assert_int_equal(verify_zone(result.zone), result.signatures_made + result.signatures_kept);
    return result;
}

static struct sign_policy default_policy(void)
{
    struct sign_policy policy;
    sign_policy_default(&policy);
    return policy;
}

#define BIG_HEAD                                                                                   \
    RANDOM_HEAD "a.example. 3600 A 192.0.2.1\nb.example. 3600 A 192.0.2.1\n"                       \
                "c.example. 3600 A 192.0.2.1\nd.example. 3600 A 192.0.2.1\n"

/* Nothing changed: nothing is made, and the result is the previous version. */
static void test_unchanged(void **state)
{
    struct crypto_zone_key key = rfc8080_key("example.", CRYPTO_CSK);
    for (unsigned kind = 0; kind < 12; kind++) {
        struct zone *zone = zone_from_text(BIG_HEAD, "example.");
        struct sign_policy policy = default_policy();
        policy.denial = kind % 3 == 0 ? SIGN_NSEC : SIGN_NSEC3;
        policy.opt_out = kind % 3 == 2;
        policy.zonemd = (kind / 3) % 2;
        policy.serial = kind / 6 ? SIGN_SERIAL_UNIXTIME : SIGN_SERIAL_INCREMENT;
        struct sign_result first = sign_next(zone, NULL, &policy, &key, 1, NOW, NULL);
        struct sign_result second =
            sign_next(zone, first.zone, &policy, &key, 1, NOW + 86400, NULL);
        assert_int_equal(second.signatures_made, 0);
        assert_int_equal(second.signatures_kept, first.signatures_made);
        assert_int_equal(second.serial, first.serial);
        assert_int_equal(second.earliest_expiry, first.earliest_expiry);
        assert_same_text(dump_zone(first.zone, 0, DUMP_ALL), dump_zone(second.zone, 0, DUMP_ALL));
        /* The result lives on without what it was made from. */
        zone_release(zone);
        zone_release(first.zone);
        free(dump_zone(second.zone, 0, DUMP_ALL));
        zone_release(second.zone);
    }
    crypto_key_free(key.key);
}

/* One record more: its name, its neighbour in the chain, and the apex are signed. */
static void test_one_change(void **state)
{
    struct crypto_zone_key key = rfc8080_key("example.", CRYPTO_CSK);
    struct sign_policy policy = default_policy();
    struct zone *zone = zone_from_text(BIG_HEAD, "example.");
    struct zone *more = zone_from_text(BIG_HEAD "bb.example. 3600 A 192.0.2.1\n", "example.");
    struct sign_result first = sign_next(zone, NULL, &policy, &key, 1, NOW, NULL);
    struct sign_result second = sign_next(more, first.zone, &policy, &key, 1, NOW, NULL);
    struct sign_result full = sign_next(more, NULL, &policy, &key, 1, NOW, NULL);
    /* b NSEC, bb A, bb NSEC, SOA. */
    assert_int_equal(second.signatures_made, 4);
    assert_int_equal(second.signatures_kept, full.signatures_made - 4);
    assert_int_equal(second.serial, first.serial + 1);
    /* And back: b NSEC, SOA. */
    struct sign_result third = sign_next(zone, second.zone, &policy, &key, 1, NOW, NULL);
    assert_int_equal(third.signatures_made, 2);
    assert_int_equal(third.serial, second.serial + 1);
    zone_release(zone);
    zone_release(more);
    zone_release(first.zone);
    zone_release(second.zone);
    zone_release(third.zone);
    zone_release(full.zone);
    crypto_key_free(key.key);
}

/* Changes that need no signature still need a serial: glue, and a removed unsigned name. */
static void test_glue_change(void **state)
{
    struct crypto_zone_key key = rfc8080_key("example.", CRYPTO_CSK);
    struct sign_policy policy = default_policy();
    struct zone *a = zone_from_text(BIG_HEAD "k.example. 3600 NS ns.k.example.\n"
                                             "ns.k.example. 3600 A 192.0.2.1\n",
                                    "example.");
    struct zone *b = zone_from_text(BIG_HEAD "k.example. 3600 NS ns.k.example.\n"
                                             "ns.k.example. 3600 A 192.0.2.2\n",
                                    "example.");
    struct zone *c = zone_from_text(BIG_HEAD "k.example. 3600 NS ns.k.example.\n", "example.");
    struct sign_result first = sign_next(a, NULL, &policy, &key, 1, NOW, NULL);
    struct sign_result second = sign_next(b, first.zone, &policy, &key, 1, NOW, NULL);
    assert_int_equal(second.signatures_made, 1);
    assert_int_equal(second.serial, first.serial + 1);
    struct sign_result third = sign_next(c, second.zone, &policy, &key, 1, NOW, NULL);
    assert_int_equal(third.signatures_made, 1);
    assert_int_equal(third.serial, second.serial + 1);
    zone_release(a);
    zone_release(b);
    zone_release(c);
    zone_release(first.zone);
    zone_release(second.zone);
    zone_release(third.zone);
    crypto_key_free(key.key);
}

/* Signatures are renewed when exactly `refresh` or less is left. */
static void test_refresh(void **state)
{
    struct crypto_zone_key key = rfc8080_key("example.", CRYPTO_CSK);
    struct sign_policy policy = default_policy();
    policy.jitter = 0;
    struct zone *zone = zone_from_text(BIG_HEAD, "example.");
    struct sign_result first = sign_next(zone, NULL, &policy, &key, 1, NOW, NULL);
    assert_int_equal(first.next_resign, NOW + 7 * 86400);
    struct sign_result before =
        sign_next(zone, first.zone, &policy, &key, 1, first.next_resign - 1, NULL);
    assert_int_equal(before.signatures_made, 0);
    struct sign_result due = sign_next(zone, first.zone, &policy, &key, 1, first.next_resign, NULL);
    assert_int_equal(due.signatures_kept, 0);
    assert_int_equal(due.serial, first.serial + 1);
    /* With jitter some are due before others. */
    policy.jitter = 86400;
    struct sign_result spread = sign_next(zone, NULL, &policy, &key, 1, NOW, NULL);
    struct sign_result some =
        sign_next(zone, spread.zone, &policy, &key, 1, spread.next_resign, NULL);
    assert_true(some.signatures_made > 0 && some.signatures_kept > 0);
    assert_int_equal(some.serial, spread.serial + 1);
    /* Signatures from the future, and longer than the policy has it, are not kept. */
    struct sign_result past = sign_next(zone, first.zone, &policy, &key, 1, NOW - 7200, NULL);
    assert_int_equal(past.signatures_kept, 0);
    policy.validity = 10 * 86400;
    struct sign_result shorter = sign_next(zone, first.zone, &policy, &key, 1, NOW, NULL);
    assert_int_equal(shorter.signatures_kept, 0);
    zone_release(zone);
    zone_release(first.zone);
    zone_release(before.zone);
    zone_release(due.zone);
    zone_release(spread.zone);
    zone_release(some.zone);
    zone_release(past.zone);
    zone_release(shorter.zone);
    crypto_key_free(key.key);
}

/* A new key with the old one's algorithm and tag keeps nothing: tags mislead. */
static void test_same_tag(void **state)
{
    struct crypto_zone_key key = rfc8080_key("example.", CRYPTO_CSK);
    struct crypto_zone_key other = new_key(15, "example.", CRYPTO_CSK);
    struct sign_policy policy = default_policy();
    struct zone *zone = zone_from_text(BIG_HEAD, "example.");
    struct sign_result first = sign_next(zone, NULL, &policy, &key, 1, NOW, NULL);
    struct sign_request request = {.zone = zone,
                                   .policy = &policy,
                                   .keys = &other,
                                   .new_keys = true,
                                   .key_count = 1,
                                   .previous = first.zone,
                                   .now = NOW};
    struct base_findings findings;
    struct sign_result second;
    base_findings_init(&findings, 100);
    other.tag = key.tag; /* as if it had collided; its signatures then say this tag */
    assert_int_equal(sign_zone(&request, &findings, &second), BASE_OK);
    assert_int_equal(second.signatures_kept, 0);
    base_findings_free(&findings);
    zone_release(zone);
    zone_release(first.zone);
    zone_release(second.zone);
    crypto_key_free(key.key);
    crypto_key_free(other.key);
}

/* A second key comes: the first one's signatures stay. The first goes: those of the second stay. */
static void test_key_change(void **state)
{
    struct crypto_zone_key keys[] = {new_key(13, "example.", CRYPTO_CSK),
                                     new_key(13, "example.", CRYPTO_CSK)};
    struct sign_policy policy = default_policy();
    struct zone *zone = zone_from_text(BIG_HEAD, "example.");
    struct sign_result one = sign_next(zone, NULL, &policy, keys, 1, NOW, NULL);
    struct sign_result both = sign_next(zone, one.zone, &policy, keys, 2, NOW, NULL);
    /* All but DNSKEY and SOA. */
    assert_int_equal(both.signatures_kept, one.signatures_made - 2);
    assert_int_equal(both.signatures_made, one.signatures_made + 2);
    struct sign_result last = sign_next(zone, both.zone, &policy, keys + 1, 1, NOW, NULL);
    assert_int_equal(last.signatures_made, 2);
    zone_release(zone);
    zone_release(one.zone);
    zone_release(both.zone);
    zone_release(last.zone);
    crypto_key_free(keys[0].key);
    crypto_key_free(keys[1].key);
}

/* Spelling is no change; a TTL is. */
static void test_case_and_ttl(void **state)
{
    struct crypto_zone_key key = rfc8080_key("example.", CRYPTO_CSK);
    struct sign_policy policy = default_policy();
    struct zone *a = zone_from_text(BIG_HEAD "m.example. 60 MX 1 mail.example.\n", "example.");
    struct zone *b = zone_from_text(BIG_HEAD "M.example. 60 MX 1 MAIL.example.\n", "example.");
    struct zone *c = zone_from_text(BIG_HEAD "m.example. 61 MX 1 mail.example.\n", "example.");
    struct sign_result first = sign_next(a, NULL, &policy, &key, 1, NOW, NULL);
    struct sign_result second = sign_next(b, first.zone, &policy, &key, 1, NOW, NULL);
    assert_int_equal(second.signatures_made, 0);
    struct sign_result third = sign_next(c, second.zone, &policy, &key, 1, NOW, NULL);
    assert_int_equal(third.signatures_made, 2);
    zone_release(a);
    zone_release(b);
    zone_release(c);
    zone_release(first.zone);
    zone_release(second.zone);
    zone_release(third.zone);
    crypto_key_free(key.key);
}

/* The policy keep says so when secondaries would not see a change. */
static void test_kept_serial(void **state)
{
    struct crypto_zone_key key = rfc8080_key("example.", CRYPTO_CSK);
    struct sign_policy policy = default_policy();
    policy.serial = SIGN_SERIAL_KEEP;
    struct zone *zone = zone_from_text(BIG_HEAD, "example.");
    struct zone *more = zone_from_text(BIG_HEAD "bb.example. 3600 A 192.0.2.1\n", "example.");
    struct zone *older =
        zone_from_text("example. 3600 SOA ns.example. host.example. 6 3600 600 864000 300\n"
                       "example. 3600 NS ns.example.\nns.example. 3600 A 192.0.2.1\n",
                       "example.");
    struct sign_result first = sign_next(zone, NULL, &policy, &key, 1, NOW, NULL);
    assert_int_equal(first.serial, 7);
    struct base_findings findings;
    base_findings_init(&findings, 100);
    struct sign_result same = sign_next(zone, first.zone, &policy, &key, 1, NOW, &findings);
    assert_int_equal(findings.count, 0);
    struct sign_result next = sign_next(more, first.zone, &policy, &key, 1, NOW, &findings);
    assert_int_equal(findings.by_code[SIGN_SERIAL_UNCHANGED], 1);
    assert_int_equal(next.serial, 7);
    struct sign_result back = sign_next(older, first.zone, &policy, &key, 1, NOW, &findings);
    assert_int_equal(findings.by_code[SIGN_SERIAL_BACKWARDS], 1);
    assert_int_equal(back.serial, 6);
    base_findings_free(&findings);
    zone_release(zone);
    zone_release(more);
    zone_release(older);
    zone_release(first.zone);
    zone_release(same.zone);
    zone_release(next.zone);
    zone_release(back.zone);
    crypto_key_free(key.key);
}

/* Random edits, one after the other, each signed upon the one before: the content is always that of
 * a full signing, and the policy may change on the way. */
static void edit(char **lines, unsigned count, uint64_t *seed)
{
    for (unsigned i = 0; i < 4; i++) {
        struct base_buf buf;
        base_buf_init(&buf, 4096);
        random_line(&buf, seed);
        unsigned at = next_random(seed) % count;
        free(lines[at]);
        lines[at] = strdup(base_buf_string(&buf));
        base_buf_free(&buf);
    }
}

static struct zone *zone_from_lines(char *const *lines, unsigned count)
{
    struct base_buf buf;
    base_buf_init(&buf, 1 << 20);
    base_buf_text(&buf, RANDOM_HEAD);
    for (unsigned i = 0; i < count; i++)
        base_buf_text(&buf, lines[i]);
    struct zone *zone = zone_from_text(base_buf_string(&buf), "example.");
    base_buf_free(&buf);
    return zone;
}

#define LINES 80

static void test_random_edits(void **state)
{
    struct crypto_zone_key key = rfc8080_key("example.", CRYPTO_CSK);
    for (uint64_t chain = 0; chain < 6; chain++) {
        uint64_t seed = 1000 + chain;
        char *lines[LINES];
        for (unsigned i = 0; i < LINES; i++)
            lines[i] = strdup("");
        for (unsigned i = 0; i < LINES / 2; i++)
            edit(lines, LINES, &seed);
        struct sign_policy policy = default_policy();
        policy.zonemd = chain % 3;
        struct zone *previous = NULL;
        size_t kept = 0;
        for (unsigned step = 0; step < 6; step++) {
            policy.denial = (chain + step / 3) % 2 ? SIGN_NSEC3 : SIGN_NSEC;
            policy.opt_out = policy.denial == SIGN_NSEC3 && chain % 3 == 0;
            edit(lines, LINES, &seed);
            struct zone *zone = zone_from_lines(lines, LINES);
            base_time now = NOW + step * 86400;
            struct sign_result next = sign_next(zone, previous, &policy, &key, 1, now, NULL);
            kept += next.signatures_kept;
            struct sign_policy same = policy;
            same.serial = SIGN_SERIAL_KEEP;
            const struct dns_rr *soa = zone->soa;
            base_store_u32((uint8_t *)soa->rdata + soa->length - 20, next.serial);
            zone->serial = next.serial;
            same.zonemd = 0; /* its digest covers the signatures themselves */
            policy.zonemd = 0;
            struct sign_result full = sign_next(zone, NULL, &same, &key, 1, now, NULL);
            struct sign_result again = sign_next(zone, next.zone, &same, &key, 1, now, NULL);
            assert_same_content(again.zone, full.zone);
            policy.zonemd = chain % 3;
            zone_release(previous);
            previous = next.zone;
            zone_release(full.zone);
            zone_release(again.zone);
            zone_release(zone);
        }
        assert_true(kept > 200);
        zone_release(previous);
        for (unsigned i = 0; i < LINES; i++)
            free(lines[i]);
    }
    crypto_key_free(key.key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unchanged),    cmocka_unit_test(test_one_change),
        cmocka_unit_test(test_glue_change),  cmocka_unit_test(test_refresh),
        cmocka_unit_test(test_same_tag),     cmocka_unit_test(test_key_change),
        cmocka_unit_test(test_case_and_ttl), cmocka_unit_test(test_kept_serial),
        cmocka_unit_test(test_random_edits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
