/* The public library, as a program sees it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kenter/kenter.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void test_names(void **state)
{
    struct kenter_name a, b, root;
    char text[KENTER_NAME_TEXT];
    assert_int_equal(kenter_name_parse(&a, "WWW.example.com"), KENTER_OK);
    assert_int_equal(kenter_name_parse(&b, "www.example.com."), KENTER_OK);
    assert_int_equal(kenter_name_compare(&a, &b), 0);
    assert_int_equal(a.length, 17);
    assert_string_equal(kenter_name_print(&a, text), "WWW.example.com.");
    assert_int_equal(kenter_name_parse(&b, "example.com"), KENTER_OK);
    assert_true(kenter_name_compare(&b, &a) < 0);
    assert_int_equal(kenter_name_is_within(&a, &b), 1);
    assert_int_equal(kenter_name_is_within(&b, &a), 0);
    assert_int_equal(kenter_name_parse(&root, "."), KENTER_OK);
    assert_int_equal(root.length, 1);
    assert_int_equal(kenter_name_is_within(&a, &root), 1);
    assert_int_equal(kenter_name_parse(&root, "a..b"), KENTER_EFORMAT);
    char label[80];
    memset(label, 'x', 64);
    label[64] = '\0';
    assert_int_equal(kenter_name_parse(&root, label), KENTER_ERANGE);
    assert_int_equal(root.length, 1);
}

struct seen {
    size_t count;
    bool mx_alias;
};

static void note(void *context, const struct kenter_finding *finding)
{
    struct seen *seen = context;
    seen->count++;
    assert_non_null(finding->message);
    assert_non_null(finding->why);
    assert_non_null(finding->remedy);
    if (strcmp(finding->code, "zone.mx-target-alias") == 0) {
        seen->mx_alias = true;
        assert_int_equal(finding->line, 5);
        assert_string_equal(finding->type, "MX");
    }
}

static void write_zone(char path[32])
{
    static const char zone[] = "$ORIGIN example.\n$TTL 3600\n"
                               "@ SOA ns.example.net. h 1 7200 3600 1209600 300\n"
                               " NS ns.example.net.\n"
                               " MX 10 www\n"
                               "www CNAME host\n"
                               "host AAAA 2001:db8::1\n";
    strcpy(path, "/tmp/kenter-lib-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, zone, sizeof(zone) - 1), sizeof(zone) - 1);
    close(fd);
}

static void test_check(void **state)
{
    char path[32], text[KENTER_NAME_TEXT];
    struct kenter_zone_summary summary;
    struct seen seen = {0};
    write_zone(path);
    assert_int_equal(kenter_zone_check(path, NULL, note, &seen, &summary), KENTER_OK);
    assert_string_equal(kenter_name_print(&summary.zone, text), "example.");
    assert_int_equal(summary.serial, 1);
    assert_int_equal(summary.names, 3);
    assert_int_equal(summary.records, 5);
    assert_true(seen.mx_alias);
    assert_int_equal(seen.count, summary.errors + summary.warnings + summary.notes);
    struct kenter_zone_options options = KENTER_ZONE_OPTIONS;
    options.threads = 1;
    assert_int_equal(kenter_zone_check(path, &options, NULL, NULL, NULL), KENTER_OK);
    unlink(path);
}

static void test_verify_unsigned(void **state)
{
    char path[32];
    struct kenter_zone_summary summary;
    write_zone(path);
    assert_int_equal(kenter_zone_verify(path, NULL, NULL, NULL, &summary), KENTER_OK);
    assert_true(summary.errors > 0);
    assert_int_equal(summary.signatures, 0);
    assert_int_equal(summary.earliest_expiry, 0);
    unlink(path);
}

static void test_errors(void **state)
{
    struct seen seen = {0};
    struct kenter_zone_options options = {.size = 0};
    errno = 0;
    assert_int_equal(kenter_zone_check("/tmp/kenter-none/zone", NULL, note, &seen, NULL),
                     KENTER_EIO);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(seen.count, 1);
    assert_int_equal(kenter_zone_check("x", &options, NULL, NULL, NULL), KENTER_EINVAL);
    assert_int_equal(kenter_zone_check(NULL, NULL, NULL, NULL, NULL), KENTER_EINVAL);
    assert_string_equal(kenter_error_text(KENTER_OK), "no error");
    assert_string_equal(kenter_error_text(KENTER_EOTHER), "failed");
    assert_non_null(kenter_error_text(-12345));
    assert_string_equal(kenter_version(), KENTER_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_verify_unsigned),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
