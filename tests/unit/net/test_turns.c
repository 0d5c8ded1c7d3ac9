/*
 * Whose turn it is: peers in turn, limits in all and for one, troubled peers, work taken out.
 */
#include "base/error.h"
#include "net/turns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static union net_address address(const char *text)
{
    union net_address out;
    assert_int_equal(net_address_parse(text, 53, &out), BASE_OK);
    return out;
}

static void test_limits(void **state)
{
    struct net_turns turns;
    struct net_turn a[6], b[6];
    union net_address first = address("192.0.2.1"), second = address("[2001:db8::1]:5300");
    net_turns_init(&turns, 5, 3);
    assert_null(net_turns_next(&turns));
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(net_turns_add(&turns, &first, &a[i]), BASE_OK);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(net_turns_add(&turns, &second, &b[i]), BASE_OK);
    /* In turn, each in its order, up to both limits. */
    assert_ptr_equal(net_turns_next(&turns), &a[0]);
    assert_ptr_equal(net_turns_next(&turns), &b[0]);
    assert_ptr_equal(net_turns_next(&turns), &a[1]);
    assert_ptr_equal(net_turns_next(&turns), &b[1]);
    assert_ptr_equal(net_turns_next(&turns), &a[2]);
    assert_null(net_turns_next(&turns));
    net_turns_end(&turns, &b[0], true);
    assert_ptr_equal(net_turns_next(&turns), &b[2]);
    net_turns_end(&turns, &b[1], true);
    net_turns_end(&turns, &b[2], true);
    assert_ptr_equal(net_turns_next(&turns), &b[3]); /* the first has its share */
    assert_ptr_equal(net_turns_next(&turns), &b[4]);
    /* Waiting work can go, too. */
    net_turns_end(&turns, &a[4], true);
    net_turns_end(&turns, &a[0], true);
    assert_ptr_equal(net_turns_next(&turns), &a[3]);
    net_turns_end(&turns, &a[1], true);
    assert_ptr_equal(net_turns_next(&turns), &b[5]);
    net_turns_end(&turns, &b[5], true);
    assert_ptr_equal(net_turns_next(&turns), &a[5]);
    net_turns_end(&turns, &a[2], true);
    net_turns_end(&turns, &a[3], true);
    net_turns_end(&turns, &a[5], true);
    net_turns_end(&turns, &b[3], true);
    net_turns_end(&turns, &b[4], true);
    assert_null(net_turns_next(&turns));
    assert_int_equal(turns.running, 0);
    net_turns_free(&turns);
}

static void test_troubled(void **state)
{
    enum { COUNT = 40 };
    struct net_turns turns;
    struct net_turn work[COUNT];
    union net_address peer = address("192.0.2.1");
    net_turns_init(&turns, 100, 16);
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(net_turns_add(&turns, &peer, &work[i]), BASE_OK);
    for (unsigned i = 0; i < 16; i++)
        assert_ptr_equal(net_turns_next(&turns), &work[i]);
    assert_null(net_turns_next(&turns));
    for (unsigned i = 0; i < 16; i++)
        net_turns_end(&turns, &work[i], false);
    /* An eighth of its share, until it does well. */
    assert_ptr_equal(net_turns_next(&turns), &work[16]);
    assert_ptr_equal(net_turns_next(&turns), &work[17]);
    assert_null(net_turns_next(&turns));
    net_turns_end(&turns, &work[16], true);
    for (unsigned i = 18; i < 33; i++)
        assert_ptr_equal(net_turns_next(&turns), &work[i]);
    assert_null(net_turns_next(&turns));
    for (unsigned i = 17; i < 33; i++)
        net_turns_end(&turns, &work[i], true);
    for (unsigned i = 33; i < COUNT; i++)
        net_turns_end(&turns, &work[i], true);
    assert_null(net_turns_next(&turns));
    net_turns_free(&turns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_troubled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
