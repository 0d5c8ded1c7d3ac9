/* Chains that are kept: used for the same certificates and times only, and few of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "cast.h"

static struct dane_authorities *all, *others; /* `others` do not vouch for `root` */

static struct dane_verdict judge_shown(struct dane_chains *chains,
                                       const struct dane_authorities *by,
                                       const struct dane_peer *peer, const char *name,
                                       base_time now)
{
    struct dane_reference reference = {DANE_REFERENCE_DNS, name};
    struct dane_endpoint endpoint = {
        .demand = DANE_DEMAND_PKIX, .references = &reference, .reference_count = 1};
    struct dane_verify_options options = {.now = now, .authorities = by, .chains = chains};
    struct dane_verdict verdict;
    dane_verify(&endpoint, peer, &options, &verdict);
    return verdict;
}

static struct dane_verdict judge(struct dane_chains *chains, const struct dane_authorities *by,
                                 const char *shows, const char *name, base_time now)
{
    struct cast_shown shown;
    cast_show(shows, &shown);
    return judge_shown(chains, by, &shown.peer, name, now);
}

/* Known is what authorities that do not vouch for it would not give. */
static bool is_kept(struct dane_chains *chains, const char *shows, base_time now)
{
    return judge(chains, others, shows, "mx1.host.net", now).result == DANE_AUTHENTICATED;
}

static void test_the_same_verdict(void **state)
{
    struct dane_chains *chains;
    static const char *const shows[] = {"leaf+inter", "leaf+junk+inter", "leafold+inter", "leaf",
                                        "self",       "leafother+inter", "leafmany+inter"};
    assert_int_equal(dane_chains_new(16, &chains), BASE_OK);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < sizeof shows / sizeof shows[0]; i++) {
            struct dane_verdict with, without;
            with = judge(chains, all, shows[i], "mx1.host.net", CERTIFICATE_NOW);
            without = judge(NULL, all, shows[i], "mx1.host.net", CERTIFICATE_NOW);
            assert_int_equal(with.result, without.result);
            assert_int_equal(with.expiry, without.expiry);
            assert_string_equal(with.reason, without.reason);
            assert_string_equal(with.identity, without.identity);
            assert_string_equal(with.tlsrpt, without.tlsrpt);
        }
    }
    /* The chain is kept, names are not. */
    struct dane_verdict verdict =
        judge(chains, all, "leafmany+inter", "b.example", CERTIFICATE_NOW);
    assert_int_equal(verdict.result, DANE_AUTHENTICATED);
    dane_chains_free(chains);
    dane_chains_free(NULL);
}

static void test_what_is_kept(void **state)
{
    struct dane_chains *chains;
    assert_int_equal(dane_chains_new(2, &chains), BASE_OK);
    assert_false(is_kept(chains, "leaf+inter", CERTIFICATE_NOW)); /* and that is kept now */
    assert_int_equal(judge(chains, all, "leaf+inter", "mx1.host.net", CERTIFICATE_NOW).result,
                     DANE_REFUSED);
    /* A refusal for a minute, a good chain for an hour. */
    base_time now = CERTIFICATE_NOW + 60;
    assert_int_equal(judge(chains, all, "leaf+inter", "mx1.host.net", now).result,
                     DANE_AUTHENTICATED);
    assert_true(is_kept(chains, "leaf+inter", now));
    assert_true(is_kept(chains, "leaf+inter", now + 3599));
    judge(chains, all, "leafwild+inter", "mx1.host.net", now);
    assert_true(is_kept(chains, "leafwild+inter", now));
    assert_true(is_kept(chains, "leaf+inter", now));
    judge(chains, all, "leafother+inter", "mx1.host.net", now); /* the third */
    assert_true(is_kept(chains, "leaf+inter", now));
    assert_false(is_kept(chains, "leafwild+inter", now));
    assert_false(is_kept(chains, "leaf+inter", now + 3600));
    dane_chains_free(chains);
}

static void test_one_bit(void **state)
{
    struct dane_chains *chains;
    struct cast_shown shown;
    uint8_t copy[4096];
    assert_int_equal(dane_chains_new(2, &chains), BASE_OK);
    cast_show("leaf+inter", &shown);
    assert_int_equal(judge_shown(chains, all, &shown.peer, "mx1.host.net", CERTIFICATE_NOW).result,
                     DANE_AUTHENTICATED);
    size_t length = shown.der[0].length;
    assert_true(length <= sizeof copy);
    memcpy(copy, shown.der[0].data, length);
    copy[length - 1] ^= 1; /* of the signature */
    shown.der[0].data = copy;
    assert_int_equal(judge_shown(chains, all, &shown.peer, "mx1.host.net", CERTIFICATE_NOW).result,
                     DANE_REFUSED);
    dane_chains_free(chains);
}

static void test_the_end_of_a_certificate(void **state)
{
    struct dane_chains *chains;
    assert_int_equal(dane_chains_new(2, &chains), BASE_OK);
    base_time end = CERTIFICATE_NOW + CERTIFICATE_YEAR;
    assert_int_equal(judge(chains, all, "leaf+inter", "mx1.host.net", end - 10).result,
                     DANE_AUTHENTICATED);
    assert_true(is_kept(chains, "leaf+inter", end - 1));
    assert_int_equal(judge(chains, all, "leaf+inter", "mx1.host.net", end + 1).result,
                     DANE_REFUSED);
    dane_chains_free(chains);
}

static int begin(void **state)
{
    const struct test_certificate *ca = cast("ca", 2);
    cast_begin();
    char *file = certificate_file(&ca, 1);
    bool made = dane_authorities_new(cast_ca_file, &all) == BASE_OK &&
                dane_authorities_new(file, &others) == BASE_OK;
    unlink(file);
    free(file);
    return made ? 0 : -1;
}

static int end(void **state)
{
    dane_authorities_free(all);
    dane_authorities_free(others);
    cast_end();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_verdict),
        cmocka_unit_test(test_what_is_kept),
        cmocka_unit_test(test_one_bit),
        cmocka_unit_test(test_the_end_of_a_certificate),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
