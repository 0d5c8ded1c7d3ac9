/* TLSRPT on its way: gzip, mails, reports of others, the spool. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "base/error.h"
#include "dane/tlsrpt_mail.h"
#include "dane/tlsrpt_read.h"
#include "dane/tlsrpt_spool.h"

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW ((base_time)1795341600) /* 2026-11-22T10:00:00Z */

static const char report[] =
    "{\"organization-name\":\"Org\",\"date-range\":{\"start-datetime\":\"2026-11-21T00:00:00Z\","
    "\"end-datetime\":\"2026-11-21T23:59:59Z\"},\"contact-info\":\"a@org.test\",\"report-id\":"
    "\"1\","
    "\"policies\":[{\"policy\":{\"policy-type\":\"tlsa\",\"policy-domain\":\"b.test\"},\"summary\":"
    "{\"total-successful-session-count\":7,\"total-failure-session-count\":\"3\"},"
    "\"failure-details\":[{\"result-type\":\"certificate-expired\",\"receiving-mx-hostname\":"
    "\"mx.b.test\",\"failed-session-count\":3}]}]}";

static void check_view(const struct dane_tlsrpt_view *view)
{
    assert_string_equal(view->organization, "Org");
    assert_string_equal(view->until, "2026-11-21T23:59:59Z");
    assert_int_equal(view->count, 1);
    assert_string_equal(view->policies[0].domain, "b.test");
    assert_int_equal(view->policies[0].successes, 7);
    assert_int_equal(view->policies[0].failures, 3);
    assert_int_equal(view->policies[0].detail_count, 1);
    assert_string_equal(view->policies[0].details[0].mx, "mx.b.test");
    assert_string_equal(view->policies[0].details[0].reason, "");
    assert_int_equal(view->policies[0].details[0].count, 3);
}

static int read_text(const void *data, size_t length, bool good)
{
    struct base_arena arena;
    struct dane_tlsrpt_view view;
    char why[200] = "";
    base_arena_init(&arena, 0);
    int status = dane_tlsrpt_read(data, length, &arena, &view, why);
    if (good)
        assert_string_equal(why, "");
    assert_true((status == BASE_OK) == good);
    if (good)
        check_view(&view);
    else
        assert_string_not_equal(why, "");
    base_arena_free(&arena);
    return status;
}

static void test_gzip(void **state)
{
    struct base_buf packed, expanded;
    base_buf_init(&packed, 65536);
    base_buf_init(&expanded, 65536);
    assert_int_equal(dane_tlsrpt_compress((const uint8_t *)report, sizeof report - 1, &packed),
                     BASE_OK);
    assert_int_equal(dane_tlsrpt_expand(packed.data, packed.length, &expanded), BASE_OK);
    assert_int_equal(expanded.length, sizeof report - 1);
    assert_memory_equal(expanded.data, report, expanded.length);
    read_text(packed.data, packed.length, true);
    for (size_t cut = 0; cut < packed.length; cut++) {
        base_buf_reset(&expanded);
        assert_int_equal(dane_tlsrpt_expand(packed.data, cut, &expanded), BASE_EFORMAT);
    }
    base_buf_free(&packed);
    base_buf_free(&expanded);
}

/* 100 MB of spaces in some hundred KB. */
static void test_bomb(void **state)
{
    size_t length = (size_t)100 * 1000 * 1000;
    uint8_t *spaces = malloc(length);
    struct base_buf packed;
    assert_non_null(spaces);
    memset(spaces, ' ', length);
    base_buf_init(&packed, 200 * 1000 * 1000);
    assert_int_equal(dane_tlsrpt_compress(spaces, length, &packed), BASE_OK);
    assert_true(packed.length < 200000);
    assert_int_equal(read_text(packed.data, packed.length, false), BASE_ELIMIT);
    spaces[0] = '{';
    assert_int_equal(read_text(spaces, length, false), BASE_ELIMIT);
    free(spaces);
    base_buf_free(&packed);
}

static void test_addresses(void **state)
{
    static const struct {
        const char *uri, *address;
    } cases[] = {
        {"mailto:tls@b.test", "tls@b.test"},
        {"MAILTO:tls%2bx@b.test?subject=a", "tls+x@b.test"},
        {"tls@b.test", "tls@b.test"},
        {"mailto:a@b.test%2cc@d.test", NULL},
        {"mailto:a@b@c", NULL},
        {"mailto:a%0d%0aBcc:c@d.test@b.test", NULL},
        {"mailto:a@b.test%", NULL},
        {"mailto:a@b.test%4", NULL},
        {"mailto:%00@b.test", NULL},
        {"mailto:-f@b.test", NULL},
        {"mailto:<a@b.test>", NULL},
        {"mailto:@b.test", NULL},
        {"mailto:a@", NULL},
        {"mailto:", NULL},
    };
    char out[DANE_TLSRPT_ADDRESS_MAX];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int status = dane_tlsrpt_mail_address(cases[i].uri, out);
        if ((status == BASE_OK) != (cases[i].address != NULL))
            fail_msg("%s: %d", cases[i].uri, status);
        if (cases[i].address)
            assert_string_equal(out, cases[i].address);
    }
}

static void test_mail(void **state)
{
    struct base_buf packed, text;
    base_buf_init(&packed, 65536);
    base_buf_init(&text, 65536);
    dane_tlsrpt_compress((const uint8_t *)report, sizeof report - 1, &packed);
    struct dane_tlsrpt_mail mail = {
        .to = "mailto:tls@b.test",
        .from = "me@a.test",
        .domain = "b.test",
        .submitter = "a.test",
        .id = "2026-11-21_b.test@a.test",
        .file = "a.test!b.test!1!2.json.gz",
        .report = packed.data,
        .length = packed.length,
        .now = NOW,
    };
    assert_int_equal(dane_tlsrpt_mail_write(&mail, &text), BASE_OK);
    const char *made = base_buf_string(&text);
    assert_non_null(strstr(made, "To: <tls@b.test>\n"));
    assert_non_null(strstr(made, "Date: Sun, 22 Nov 2026 10:00:00 +0000\n"));
    assert_non_null(strstr(made, "\nTLS-Report-Domain: b.test\nTLS-Report-Submitter: a.test\n"));
    for (const char *line = made; *line != '\0'; line = strchr(line, '\n') + 1)
        assert_true(strcspn(line, "\n") <= 100);
    read_text(made, strlen(made), true);
    /* Cut anywhere, it is no report, and nothing worse. */
    char *copy = strdup(made);
    for (size_t cut = 0; cut + 24 < strlen(made); cut += 3)
        read_text(copy, cut, false);
    free(copy);
    mail.domain = "b.test\nBcc: c@d.test";
    base_buf_reset(&text);
    assert_int_equal(dane_tlsrpt_mail_write(&mail, &text), BASE_EFORMAT);
    base_buf_free(&packed);
    base_buf_free(&text);
}

static void read_mail(const char *head, const char *body, bool good)
{
    char *text;
    int length = asprintf(&text, "%s%s", head, body);
    assert_true(length >= 0);
    read_text(text, (size_t)length, good);
    free(text);
}

static void test_mails_of_others(void **state)
{
    read_mail("Subject: x\r\nContent-Type: application/tlsrpt+json\r\n\r\n", report, true);
    read_mail("Content-type: multipart/mixed; charset=x;\r\n\tboundary=abc\r\n\r\n"
              "preamble\r\n--abc\r\nContent-Type: multipart/alternative; boundary=\"d e\"\r\n\r\n"
              "--d e\r\n\r\ntext\r\n--d e--\r\n--abc\r\nContent-Type: application/octet-stream; "
              "name=r.json\r\n\r\n",
              report, true);
    char *closed;
    assert_true(asprintf(&closed, "%s\r\n--abc--\r\n", report) > 0);
    read_mail("Content-type: multipart/mixed;\r\n\tboundary=abc\r\n\r\n--abc\r\n"
              "Content-Disposition: attachment; filename=\"r.json\"\r\n\r\n",
              closed, true);
    free(closed);
    read_mail("Content-Type: application/tlsrpt+json\nContent-Transfer-Encoding: "
              "quoted-printable\n\n",
              "{=\n\"policies\"=3A[{\"policy\":{=7D}]}x", false);
    read_mail("Content-Type: application/tlsrpt+gzip\nContent-Transfer-Encoding: base64\n\n",
              "H4sI", false);
    read_mail("Content-Type: text/plain\n\n", report, false);
    read_mail("", "", false);
    read_mail("", "{\"policies\":{}}", false);
    read_mail("", "{\"policies\":[", false);
    read_mail("", "[]", false);
}

/* --- the spool --- */

static char directory[64];

static int look(void *context, struct dane_tlsrpt_parcel *parcel)
{
    struct dane_tlsrpt_parcel *out = context;
    dane_tlsrpt_parcel_free(out);
    *out = *parcel;
    *parcel = (struct dane_tlsrpt_parcel){.count = 0};
    return BASE_OK;
}

static void test_spool(void **state)
{
    struct dane_tlsrpt_spool *spool, *other;
    struct dane_tlsrpt_parcel parcel = {.name = (char[]){"a!b!1!2"},
                                        .domain = (char[]){"b.test"},
                                        .submitter = (char[]){"a.test"},
                                        .id = (char[]){"1"},
                                        .contact = (char[]){"me@a.test"},
                                        .count = 2};
    struct dane_tlsrpt_parcel found = {.count = 0};
    uint8_t *data;
    size_t length;
    parcel.targets[0] =
        (struct dane_tlsrpt_target){.uri = (char[]){"mailto:c@b.test"}, .next = NOW};
    parcel.targets[1] = (struct dane_tlsrpt_target){.uri = (char[]){"https://b.test/"},
                                                    .state = DANE_TLSRPT_SENDING,
                                                    .tries = 2,
                                                    .first = 5,
                                                    .why = "no"};
    assert_int_equal(dane_tlsrpt_spool_open(directory, &spool), BASE_OK);
    assert_int_equal(dane_tlsrpt_spool_open(directory, &other), BASE_EEXIST);
    assert_false(dane_tlsrpt_spool_has(spool, parcel.name));
    assert_int_equal(
        dane_tlsrpt_spool_add(spool, &parcel, (const uint8_t *)report, sizeof report - 1), BASE_OK);
    assert_true(dane_tlsrpt_spool_has(spool, parcel.name));
    assert_false(dane_tlsrpt_spool_is_made(spool, NOW));
    assert_int_equal(dane_tlsrpt_spool_made(spool, NOW), BASE_OK);
    assert_true(dane_tlsrpt_spool_is_made(spool, NOW + 3600));
    dane_tlsrpt_spool_close(spool);
    assert_int_equal(dane_tlsrpt_spool_open(directory, &spool), BASE_OK);
    assert_int_equal(dane_tlsrpt_spool_each(spool, look, &found), BASE_OK);
    assert_string_equal(found.name, parcel.name);
    assert_string_equal(found.contact, "me@a.test");
    assert_int_equal(found.count, 2);
    assert_true(dane_tlsrpt_target_is_due(&found.targets[0], NOW));
    assert_false(dane_tlsrpt_target_is_due(&found.targets[0], NOW - 1));
    assert_int_equal(found.targets[1].state, DANE_TLSRPT_SENDING);
    assert_false(dane_tlsrpt_target_is_due(&found.targets[1], NOW));
    assert_string_equal(found.targets[1].why, "no");
    assert_int_equal(dane_tlsrpt_spool_read(spool, found.name, &data, &length), BASE_OK);
    read_text(data, length, true);
    free(data);
    dane_tlsrpt_spool_remove(spool, found.name);
    assert_false(dane_tlsrpt_spool_has(spool, found.name));
    dane_tlsrpt_parcel_free(&found);
    dane_tlsrpt_spool_close(spool);
}

static void test_patience(void **state)
{
    struct dane_tlsrpt_target target = {.first = NOW, .next = NOW};
    base_time now = NOW, waits[32];
    while (target.state == DANE_TLSRPT_WAITING) {
        assert_true(target.tries < 30);
        target.tries++;
        dane_tlsrpt_target_failed(&target, now, "no");
        waits[target.tries - 1] = target.next - now;
        now = target.next;
    }
    assert_int_equal(waits[0], 900);
    assert_int_equal(waits[1], 1800);
    assert_int_equal(waits[5], 14400);
    assert_int_equal(target.state, DANE_TLSRPT_GIVEN_UP);
    assert_true(now > NOW + 86400 && now <= NOW + 86400 + 14400);
}

static int make_directory(void **state)
{
    snprintf(directory, sizeof directory, "/tmp/test-tlsrpt-XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gzip),
        cmocka_unit_test(test_bomb),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_mail),
        cmocka_unit_test(test_mails_of_others),
        cmocka_unit_test_setup_teardown(test_spool, make_directory, remove_directory),
        cmocka_unit_test(test_patience),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
