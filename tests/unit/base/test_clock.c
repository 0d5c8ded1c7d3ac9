/* Time: every form a person may write, every form we print, and their limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/error.h"

#include <string.h>
#include <time.h>

#define NOW 1000000

static void test_parse(void **state)
{
    static const struct {
        const char *text;
        base_time want;
    } good[] = {
        {"now", NOW},
        {"now+3d", NOW + 259200},
        {"now-1h30m", NOW - 5400},
        {"now+60", NOW + 60},
        {"19700101000000", 0},
        {"20261121235959", 1795305599},
        {"2026-11-21T23:59:59Z", 1795305599},
        {"2026-11-21", 1795219200},
        {"20000229000000", 951782400},
        {"@1764547200", 1764547200},
        {"99991231235959", 253402300799},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        base_time time = -1;
        assert_int_equal(base_time_parse(good[i].text, NOW, &time), BASE_OK);
        assert_int_equal(time, good[i].want);
    }
    static const char *const bad[] = {"",
                                      "no",
                                      "nowx",
                                      "now+",
                                      "now+1x",
                                      "now3d",
                                      "@",
                                      "@1x",
                                      "@-1",
                                      "20261321000000",
                                      "20260230000000",
                                      "2026112123",
                                      "2026-02-29",
                                      "20261121240000",
                                      "2026-11-21T00:00:00",
                                      "2026-1-1",
                                      "@99999999999999999999",
                                      "now+99999999999999999999w"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        base_time time = 42;
        assert_int_equal(base_time_parse(bad[i], NOW, &time), BASE_EFORMAT);
        assert_int_equal(time, 42);
    }
}

/* Our calendar against the C library's, over leap years and centuries. */
static void test_calendar(void **state)
{
    for (base_time time = 0; time < 253402300800; time += 86400 * 97 + 12347) {
        struct tm tm;
        char want[BASE_TIME_TEXT], got[BASE_TIME_TEXT];
        time_t system_time = (time_t)time;
        gmtime_r(&system_time, &tm);
        strftime(want, sizeof(want), "%Y%m%d%H%M%S", &tm);
        base_time_compact(time, got);
        assert_string_equal(got, want);
        base_time back;
        assert_int_equal(base_time_parse(got, 0, &back), BASE_OK);
        assert_int_equal(back, time);
        base_time_iso(time, got);
        assert_int_equal(base_time_parse(got, 0, &back), BASE_OK);
        assert_int_equal(back, time);
    }
    char text[BASE_TIME_TEXT];
    base_time_iso(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59Z");
    base_time_iso(INT64_MIN, text);
    assert_string_equal(text, "1970-01-01T00:00:00Z");
}

static void test_durations(void **state)
{
    static const struct {
        const char *text;
        int64_t want;
    } good[] = {{"0", 0},         {"3600", 3600},         {"1h", 3600},
                {"14d", 1209600}, {"1w2d3h4m5s", 788645}, {"1W", 604800},
                {"90m", 5400}};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        int64_t seconds;
        assert_int_equal(base_duration_parse(good[i].text, &seconds), BASE_OK);
        assert_int_equal(seconds, good[i].want);
    }
    static const char *const bad[] = {"", "d", "1x", "-1", "1d1d", "1h30", "5s4m", "1 d", "1d "};
    int64_t seconds;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(base_duration_parse(bad[i], &seconds), BASE_EFORMAT);
    assert_int_equal(base_duration_parse("99999999999999999999", &seconds), BASE_ERANGE);
    assert_int_equal(base_duration_parse("9999999999999999w", &seconds), BASE_ERANGE);
}

static void test_duration_text(void **state)
{
    static const struct {
        int64_t seconds;
        const char *want;
    } rows[] = {{0, "0s"},           {3, "3s"},     {59 * 60, "59m"},   {3661, "1h 1m"},
                {1137600, "13d 4h"}, {86400, "1d"}, {86400 + 59, "1d"}, {-90, "-1m 30s"}};
    char text[BASE_TIME_TEXT];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        base_duration_text(rows[i].seconds, text);
        assert_string_equal(text, rows[i].want);
    }
    base_duration_text(INT64_MIN, text);
    assert_true(strlen(text) < BASE_TIME_TEXT);
}

static void test_now(void **state)
{
    assert_true(base_clock_now() > 1700000000);
    uint64_t before = base_clock_monotonic();
    assert_true(base_clock_monotonic() >= before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),     cmocka_unit_test(test_calendar),
        cmocka_unit_test(test_durations), cmocka_unit_test(test_duration_text),
        cmocka_unit_test(test_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
