/*
 * Rate limiting, over a clock that the tests turn.
 */
#include "base/error.h"
#include "net/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const uint64_t secret[2] = {UINT64_C(0x0123456789abcdef), UINT64_C(0xfedcba9876543210)};

static struct net_rate *make(struct net_rate_options options, unsigned workers)
{
    struct net_rate *rate;
    assert_int_equal(net_rate_new(&options, secret, workers, &rate), BASE_OK);
    return rate;
}

static union net_address from(const char *text)
{
    union net_address address;
    assert_int_equal(net_address_parse(text, 53, &address), BASE_OK);
    return address;
}

struct tally {
    unsigned pass, slip, drop;
};

/* `count` answers, one after `step_ms` after the other. */
static struct tally ask(struct net_rate *rate, const char *peer, enum net_kind kind, uint64_t hash,
                        unsigned count, uint64_t *now, uint64_t step_ms)
{
    union net_address address = from(peer);
    struct tally tally = {0};
    for (unsigned i = 0; i < count; i++, *now += step_ms) {
        switch (net_rate_check(rate, &address, kind, hash, *now)) {
        case NET_RATE_PASS:
            tally.pass++;
            break;
        case NET_RATE_SLIP:
            tally.slip++;
            break;
        case NET_RATE_DROP:
            tally.drop++;
            break;
        }
    }
    return tally;
}

static struct net_rate_options ten(void)
{
    struct net_rate_options options = NET_RATE_DEFAULT;
    for (size_t i = 0; i < NET_KINDS; i++)
        options.per_second[i] = 10;
    options.burst = 2;
    return options;
}

static void test_limit_and_slip(void **state)
{
    struct net_rate *rate = make(ten(), 1);
    uint64_t now = 1000;
    /* A burst of two seconds' worth, then every other answer slips. */
    struct tally tally = ask(rate, "192.0.2.1", NET_KIND_ANSWER, 7, 120, &now, 0);
    assert_int_equal(tally.pass, 20);
    assert_int_equal(tally.slip, 50);
    assert_int_equal(tally.drop, 50);
    /* Another port and address of the prefix shares, others do not. */
    assert_int_equal(ask(rate, "192.0.2.77@999", NET_KIND_ANSWER, 7, 1, &now, 0).pass, 0);
    assert_int_equal(ask(rate, "192.0.3.1", NET_KIND_ANSWER, 7, 1, &now, 0).pass, 1);
    assert_int_equal(ask(rate, "192.0.2.1", NET_KIND_ANSWER, 8, 1, &now, 0).pass, 1);
    assert_int_equal(ask(rate, "192.0.2.1", NET_KIND_ERROR, 7, 1, &now, 0).pass, 1);
    /* A second refills ten. */
    now += 1000;
    assert_int_equal(ask(rate, "192.0.2.1", NET_KIND_ANSWER, 7, 100, &now, 0).pass, 10);
    /* A flood of a minute gets what the limit says and no more. */
    assert_int_equal(ask(rate, "192.0.2.1", NET_KIND_ANSWER, 7, 60000, &now, 1).pass, 599);
    /* Exactly at the limit nothing is withheld. */
    now += 10000;
    assert_int_equal(ask(rate, "192.0.2.1", NET_KIND_ANSWER, 7, 1000, &now, 100).pass, 1000);
    net_rate_free(rate);
}

static void test_exempt(void **state)
{
    struct net_rate_options options = ten();
    options.per_second[NET_KIND_REFERRAL] = 0;
    options.slip = 0;
    struct net_rate *rate = make(options, 1);
    uint64_t now = 0;
    assert_int_equal(ask(rate, "2001:db8::1", NET_KIND_EXEMPT, 1, 5000, &now, 0).pass, 5000);
    assert_int_equal(ask(rate, "2001:db8::1", NET_KIND_REFERRAL, 1, 5000, &now, 0).pass, 5000);
    struct tally tally = ask(rate, "2001:db8::1", NET_KIND_NXDOMAIN, 1, 100, &now, 0);
    assert_int_equal(tally.pass, 20);
    assert_int_equal(tally.slip, 0);
    /* What is no kind at all is let pass, not looked up. */
    assert_int_equal(ask(rate, "2001:db8::1", (enum net_kind)99, 1, 50, &now, 0).pass, 50);
    net_rate_free(rate);
}

static void test_all_slip_and_workers(void **state)
{
    struct net_rate_options options = ten();
    options.slip = 1;
    struct net_rate *rate = make(options, 4);
    uint64_t now = 0;
    /* Ten a second over four workers are three for each. */
    struct tally tally = ask(rate, "2001:db8::1", NET_KIND_NODATA, 1, 100, &now, 0);
    assert_int_equal(tally.pass, 6);
    assert_int_equal(tally.slip, 94);
    net_rate_free(rate);
}

/* A table of four, and thousands of clients: whoever floods is still limited, since fuller buckets
 * give way first; memory does not grow. */
static void test_full_table(void **state)
{
    struct net_rate_options options = ten();
    options.buckets = 4;
    struct net_rate *rate = make(options, 1);
    uint64_t now = 0;
    ask(rate, "192.0.2.1", NET_KIND_ANSWER, 1, 100, &now, 0);
    unsigned passed = 0;
    for (unsigned i = 0; i < 2000; i++) {
        union net_address other = from("203.0.113.1");
        other.v4.sin_addr.s_addr = htonl(0x0a000000 + (i << 8));
        net_rate_check(rate, &other, NET_KIND_ANSWER, 1, now);
        passed += ask(rate, "192.0.2.1", NET_KIND_ANSWER, 1, 1, &now, 0).pass;
    }
    assert_int_equal(passed, 0);
    net_rate_free(rate);
}

/* The clock of buckets has 32 bits of milliseconds; passing its end changes nothing. */
static void test_clock_wraps(void **state)
{
    struct net_rate *rate = make(ten(), 1);
    uint64_t now = UINT32_MAX - 500;
    assert_int_equal(ask(rate, "192.0.2.1", NET_KIND_ANSWER, 7, 100, &now, 0).pass, 20);
    assert_int_equal(ask(rate, "192.0.2.1", NET_KIND_ANSWER, 7, 1000, &now, 1).pass, 9);
    net_rate_free(rate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limit_and_slip),       cmocka_unit_test(test_exempt),
        cmocka_unit_test(test_all_slip_and_workers), cmocka_unit_test(test_full_table),
        cmocka_unit_test(test_clock_wraps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
