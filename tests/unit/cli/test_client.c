/* What the client makes of texts: metrics and times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/client.h"
#include "cli/metrics.h"

static void test_metrics(void **state)
{
    static const char text[] = "# HELP m something\n"
                               "m{type=\"A\"} 5\n"
                               "m{server=\"x\",type=\"A\"} 7.5\n"
                               "m{type=\"a\\\"b\",other=\"}\"} 1e3\n"
                               "m{other=\"A\"} 9\n"
                               "m 4\nmm{type=\"A\"} 4\n"
                               "m{type=\"A\" 3\nm{type=\"A\nm{type\nm{\nm{type=\"C\"} x\n"
                               "m{type=\"end";
    struct cli_sample samples[4];
    assert_int_equal(cli_metric_read(text, "m", "type", samples, 4), 2);
    assert_string_equal(samples[0].label, "A");
    assert_true(samples[0].value == 12.5);
    assert_string_equal(samples[1].label, "a\"b");
    assert_true(samples[1].value == 1000);
    assert_int_equal(cli_metric_read(text, "m", "type", samples, 1), 1);
    assert_int_equal(cli_metric_read("", "m", "type", samples, 4), 0);
}

static void test_when(void **state)
{
    static const struct {
        const char *time, *text;
    } cases[] = {
        {"2026-11-22T00:00:00Z", "0 s ago"},  {"2026-11-22T00:01:59Z", "in 119 s"},
        {"2026-11-22T00:02:00Z", "in 2 min"}, {"2026-11-21T22:00:00Z", "2 h ago"},
        {"2026-11-27T00:00:00Z", "in 5 d"},   {"nonsense", "-"},
    };
    base_time now = 1795305600;
    char out[CLI_WHEN_TEXT];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *time = json_string(cases[i].time);
        assert_string_equal(cli_when(out, time, now), cases[i].text);
        json_decref(time);
    }
    assert_string_equal(cli_when(out, NULL, now), "-");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_metrics), cmocka_unit_test(test_when)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
