/* Serials: the arithmetic of RFC 1982 and the policies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sign/internal.h"

static void test_greater(void **state)
{
    assert_true(sign_serial_greater(1, 0));
    assert_false(sign_serial_greater(0, 1));
    assert_false(sign_serial_greater(5, 5));
    assert_true(sign_serial_greater(0, 0xffffffff));
    assert_true(sign_serial_greater(0x7fffffff, 0));
    /* Half a circle apart neither is greater: RFC 1982 leaves it undefined. */
    assert_false(sign_serial_greater(0x80000000, 0));
    assert_false(sign_serial_greater(0, 0x80000000));
    assert_true(sign_serial_greater(0x80000001, 0x80000000));
}

static void test_increment(void **state)
{
    uint32_t previous = 20;
    assert_int_equal(sign_serial_next(SIGN_SERIAL_INCREMENT, 7, NULL, 0), 8);
    assert_int_equal(sign_serial_next(SIGN_SERIAL_INCREMENT, 7, &previous, 0), 21);
    assert_int_equal(sign_serial_next(SIGN_SERIAL_INCREMENT, 30, &previous, 0), 31);
    assert_int_equal(sign_serial_next(SIGN_SERIAL_INCREMENT, 0xffffffff, NULL, 0), 1);
    previous = 0xfffffff0;
    assert_int_equal(sign_serial_next(SIGN_SERIAL_INCREMENT, 3, &previous, 0), 4);
}

static void test_unixtime(void **state)
{
    uint32_t previous = 1700000005;
    assert_int_equal(sign_serial_next(SIGN_SERIAL_UNIXTIME, 7, NULL, 1700000000), 1700000000);
    assert_int_equal(sign_serial_next(SIGN_SERIAL_UNIXTIME, 7, &previous, 1700000000), 1700000006);
    assert_int_equal(sign_serial_next(SIGN_SERIAL_UNIXTIME, 2026112100, NULL, 1700000000),
                     2026112101);
}

static void test_date(void **state)
{
    base_time now = 1795219199; /* 2026-11-20T23:59:59Z */
    uint32_t previous = 2026112003;
    assert_int_equal(sign_serial_next(SIGN_SERIAL_DATE, 7, NULL, now), 2026112000);
    assert_int_equal(sign_serial_next(SIGN_SERIAL_DATE, 7, &previous, now), 2026112004);
    assert_int_equal(sign_serial_next(SIGN_SERIAL_DATE, 7, &previous, now + 1), 2026112100);
}

static void test_keep(void **state)
{
    uint32_t previous = 9;
    assert_int_equal(sign_serial_next(SIGN_SERIAL_KEEP, 7, NULL, 0), 7);
    assert_int_equal(sign_serial_next(SIGN_SERIAL_KEEP, 7, &previous, 0), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greater),  cmocka_unit_test(test_increment),
        cmocka_unit_test(test_unixtime), cmocka_unit_test(test_date),
        cmocka_unit_test(test_keep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
