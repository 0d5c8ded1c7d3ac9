/* Log lines and JSON strings: one line whatever the bytes, and always JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"

#include <string.h>
#include <unistd.h>

static void assert_json(const char *text, size_t length, const char *want)
{
    struct base_buf buf;
    base_buf_init(&buf, 1000);
    base_json_string(&buf, text, length);
    assert_string_equal(base_buf_string(&buf), want);
    base_buf_free(&buf);
}

static void test_json_strings(void **state)
{
    assert_json("", 0, "\"\"");
    assert_json("a\"b\\c\n\r\t\1\x7f", 10, "\"a\\\"b\\\\c\\n\\r\\t\\u0001\\u007f\"");
    assert_json("\0x", 2, "\"\\u0000x\"");
    assert_json("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9,
                "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
    /* Overlong, surrogate, beyond the last, cut short, stray. */
    assert_json("\xc0\xaf", 2, "\"\\ufffd\\ufffd\"");
    assert_json("\xed\xa0\x80", 3, "\"\\ufffd\\ufffd\\ufffd\"");
    assert_json("\xf4\x90\x80\x80", 4, "\"\\ufffd\\ufffd\\ufffd\\ufffd\"");
    assert_json("a\xe2\x82", 3, "\"a\\ufffd\\ufffd\"");
    assert_json("\x80z", 2, "\"\\ufffdz\"");
}

/* What a call writes to the log. */
static void read_back(int fd, char *out, size_t size)
{
    ssize_t got = read(fd, out, size - 1);
    assert_true(got >= 0);
    out[got] = '\0';
}

static void test_lines(void **state)
{
    int ends[2];
    char line[4096];
    assert_int_equal(pipe(ends), 0);
    struct base_log log = {.least = BASE_LOG_INFO, .fd = ends[1], .part = "signer"};
    base_log(&log, 1795305599, BASE_LOG_DEBUG, "not shown");
    base_log(&log, 1795305599, BASE_LOG_WARNING, "%d zones\nlate", 3);
    read_back(ends[0], line, sizeof(line));
    assert_string_equal(line, "2026-11-21T23:59:59Z warning signer: 3 zones late\n");
    log.json = true;
    base_log(&log, 0, BASE_LOG_ERROR, "say \"no\"");
    read_back(ends[0], line, sizeof(line));
    assert_string_equal(line, "{\"time\":\"1970-01-01T00:00:00Z\",\"level\":\"error\","
                              "\"part\":\"signer\",\"message\":\"say \\\"no\\\"\"}\n");
    close(ends[0]);
    close(ends[1]);
}

static void test_findings(void **state)
{
    int ends[2];
    char line[4096];
    assert_int_equal(pipe(ends), 0);
    struct base_log log = {.least = BASE_LOG_INFO, .fd = ends[1]};
    struct base_finding finding = {.code = FILE_UNREADABLE,
                                   .severity = BASE_ERROR,
                                   .place = {.file = "zone", .line = 3, .column = 9},
                                   .message = "cannot be read"};
    base_log_finding(&log, 0, &finding);
    read_back(ends[0], line, sizeof(line));
    assert_string_equal(line,
                        "1970-01-01T00:00:00Z error zone:3:9: cannot be read [file.unreadable]\n");
    log.json = true;
    base_log_finding(&log, 0, &finding);
    read_back(ends[0], line, sizeof(line));
    assert_non_null(strstr(line, "\"code\":\"file.unreadable\",\"file\":\"zone\",\"line\":3,"));
    assert_non_null(strstr(line, "\"remedy\":\""));
    log.least = BASE_LOG_ERROR + 1;
    base_log_finding(&log, 0, &finding);
    close(ends[1]);
    read_back(ends[0], line, sizeof(line));
    assert_string_equal(line, "");
    close(ends[0]);
}

static void test_levels(void **state)
{
    assert_int_equal(base_log_level_by_name("Warning"), BASE_LOG_WARNING);
    assert_int_equal(base_log_level_by_name("loud"), -1);
    assert_string_equal(base_log_level_name(BASE_LOG_DEBUG), "debug");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_strings),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_findings),
        cmocka_unit_test(test_levels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
