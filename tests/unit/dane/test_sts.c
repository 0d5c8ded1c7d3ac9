/* MTA-STS: the TXT record, the policy document, what it covers (RFC 8461). */
#include "base/error.h"
#include "dane/sts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_id(void **state)
{
    static const struct {
        const char *text;
        int status;
        const char *id;
    } trials[] = {
        {"v=STSv1; id=20160831085700Z;", BASE_OK, "20160831085700Z"},
        {"v=STSv1;id=1", BASE_OK, "1"},
        {"v=STSv1 ; id = 1 ; x=y", BASE_OK, "1"},
        {"v=STSv1; x=y; id=1", BASE_OK, "1"},
        {"v=STSv1; id=12345678901234567890123456789012", BASE_OK,
         "12345678901234567890123456789012"},
        {"v=STSv1; id=123456789012345678901234567890123", BASE_EFORMAT, NULL},
        {"v=STSv1; id=", BASE_EFORMAT, NULL},
        {"v=STSv1; id=a-b", BASE_EFORMAT, NULL},
        {"v=STSv1; id=a b", BASE_EFORMAT, NULL},
        {"v=STSv1; id=1; id=2", BASE_EFORMAT, NULL},
        {"v=STSv1", BASE_EFORMAT, NULL},
        {"v=STSv1;", BASE_EFORMAT, NULL},
        {"v=STSv1; ID=1", BASE_EFORMAT, NULL},
        {"v=STSv2; id=1", BASE_ENOENT, NULL},
        {"v=STSv10; id=1", BASE_ENOENT, NULL},
        {"v=stsv1; id=1", BASE_ENOENT, NULL},
        {"id=1; v=STSv1", BASE_ENOENT, NULL},
        {"v=spf1 -all", BASE_ENOENT, NULL},
        {"", BASE_ENOENT, NULL},
    };
    char id[DANE_STS_ID_MAX + 1];
    for (size_t i = 0; i < sizeof trials / sizeof trials[0]; i++) {
        int status = dane_sts_id(trials[i].text, strlen(trials[i].text), id);
        if (status != trials[i].status || (status == BASE_OK && strcmp(id, trials[i].id) != 0))
            fail_msg("\"%s\": %d", trials[i].text, status);
    }
    assert_int_equal(dane_sts_id("v=STSv1; id=a\0b", 15, id), BASE_EFORMAT);
}

static void test_documents(void **state)
{
    static const struct {
        const char *text;
        const char *why; /* NULL: good */
    } trials[] = {
        {"version: STSv1\nmode: enforce\nmx: a.example\nmax_age: 86400\n", NULL},
        {"version: STSv1\r\nmode: enforce\r\nmx: a.example\r\nmax_age: 86400\r\n", NULL},
        {"version:STSv1\nmode:enforce\nmx:a.example\nmax_age:86400", NULL},
        {"  version :  STSv1  \n\n mode : testing\nmx: *.example\nmax_age: 0\n", NULL},
        {"version: STSv1\nmode: none\nmax_age: 86400\n", NULL},
        {"max_age: 1\nmx: a.example\nmode: enforce\nversion: STSv1\nx-extension: yes: no\n", NULL},
        /* Of what is there twice the first counts, but for mx. */
        {"version: STSv1\nversion: 2\nmode: none\nmode: x\nmax_age: 1\nmax_age: x\n", NULL},
        {"version: STSv1\nmode: enforce\nmx: b\xc3\xbc"
         "cher.example\nmax_age: 1\n",
         NULL},
        {"", "does not say its version"},
        {"mode: none\nmax_age: 1\n", "does not say its version"},
        {"version: STSv1\nmax_age: 1\n", "does not say its mode"},
        {"version: STSv1\nmode: none\n", "does not say its max_age"},
        {"version: STSv1\nmode: enforce\nmax_age: 1\n", "lists no mx"},
        {"version: STSv1\nmode: testing\nmax_age: 1\n", "lists no mx"},
        {"version: STSv2\nmode: none\nmax_age: 1\n", "unknown version \"STSv2\""},
        {"version: STSv1\nmode: Enforce\nmax_age: 1\n", "unknown mode \"Enforce\""},
        {"version: STSv1\nmode:\nmax_age: 1\n", "unknown mode"},
        {"version: STSv1\nmode: none\nmax_age: -1\n", "wrong max_age"},
        {"version: STSv1\nmode: none\nmax_age: 1 day\n", "wrong max_age"},
        {"version: STSv1\nmode: none\nmax_age: 99999999999\n", "wrong max_age"},
        {"version: STSv1\nmode: none\nmax_age:\n", "wrong max_age"},
        {"version: STSv1\nmode: enforce\nmx:\nmax_age: 1\n", "wrong mx"},
        {"version: STSv1\nmode: enforce\nmx: a..b\nmax_age: 1\n", "wrong mx"},
        {"version: STSv1\nmode: enforce\nmx: *\nmax_age: 1\n", "wrong mx"},
        {"version: STSv1\nmode: enforce\nmx: *.\nmax_age: 1\n", "wrong mx"},
        {"version: STSv1\nmode: enforce\nmx: a.*.b\nmax_age: 1\n", "wrong mx"},
        {"version: STSv1\nmode: enforce\nmx: *a.b\nmax_age: 1\n", "wrong mx"},
        {"version: STSv1\nmode: enforce\nmx: a b\nmax_age: 1\n", "wrong mx"},
        {"version: STSv1\nmode: enforce\nmx: [192.0.2.1]\nmax_age: 1\n", "wrong mx"},
        {"<html>\n", "no \"name: value\""},
        {"version: STSv1\nmode: no\033[31mne\nmax_age: 1\n", "\"no?[31mne\""},
    };
    for (size_t i = 0; i < sizeof trials / sizeof trials[0]; i++) {
        struct dane_sts sts;
        char why[200] = "";
        int status = dane_sts_parse(trials[i].text, strlen(trials[i].text), &sts, why);
        if (trials[i].why ? status != BASE_EFORMAT || !strstr(why, trials[i].why)
                          : status != BASE_OK)
            fail_msg("document %zu: %d, %s", i, status, why);
        if (status == BASE_OK)
            dane_sts_free(&sts);
    }
}

static void test_values(void **state)
{
    static const char text[] = "version: STSv1\nmode: testing\nmx: MX1.Example.\nmx: *.B.example\n"
                               "max_age: 9999999999\n";
    struct dane_sts sts;
    char why[200];
    assert_int_equal(dane_sts_parse(text, strlen(text), &sts, why), BASE_OK);
    assert_int_equal(sts.mode, DANE_STS_TESTING);
    assert_int_equal(sts.max_age, 31557600);
    assert_int_equal(sts.mx_count, 2);
    assert_string_equal(sts.mx[0], "mx1.example");
    assert_string_equal(sts.mx[1], "*.b.example");
    assert_true(dane_sts_covers(&sts, "mx1.example"));
    assert_true(dane_sts_covers(&sts, "MX1.example"));
    assert_true(dane_sts_covers(&sts, "a.b.example"));
    assert_false(dane_sts_covers(&sts, "b.example"));
    assert_false(dane_sts_covers(&sts, "a.a.b.example"));
    assert_false(dane_sts_covers(&sts, "mx2.example"));
    assert_false(dane_sts_covers(&sts, "example"));
    assert_false(dane_sts_covers(&sts, ""));
    assert_false(dane_sts_covers(&sts, "192.0.2.1"));
    dane_sts_free(&sts);
}

static void test_limits(void **state)
{
    struct dane_sts sts;
    char why[200];
    size_t room = DANE_STS_TEXT_MAX + 2, used = 0;
    char *text = malloc(room);
    memset(text, 'x', room);
    assert_int_equal(dane_sts_parse(text, DANE_STS_TEXT_MAX + 1, &sts, why), BASE_EFORMAT);
    assert_non_null(strstr(why, "64 KiB"));
    assert_int_equal(dane_sts_parse("version: STSv1\0", 15, &sts, why), BASE_EFORMAT);
    assert_int_equal(dane_sts_parse(NULL, 0, &sts, why), BASE_EFORMAT);
    for (int i = 0; i < DANE_STS_MX_MAX + 1; i++) {
        memcpy(text + used, "mx: a\n", 6);
        used += 6;
    }
    assert_int_equal(dane_sts_parse(text, used, &sts, why), BASE_EFORMAT);
    assert_non_null(strstr(why, "more hosts"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_id), cmocka_unit_test(test_documents),
                                       cmocka_unit_test(test_values),
                                       cmocka_unit_test(test_limits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
