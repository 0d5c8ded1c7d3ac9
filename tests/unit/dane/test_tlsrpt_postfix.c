/* TLSRPT out of Postfix's log: lines joined, files followed, sessions kept once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "base/error.h"
#include "dane/tlsrpt_days.h"
#include "dane/tlsrpt_follow.h"
#include "dane/tlsrpt_postfix.h"

#include <cmocka.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW ((base_time)1795341600) /* 2026-11-22T10:00:00Z */

/* Each session as "domain host address kind trust refused type reason", one a line. */
static int note(void *context, const struct dane_tlsrpt_seen *seen)
{
    static const char *const kinds[] = {"tls", "plain", "lookup"};
    base_buf_printf(context, "%s %s %s %s %d %d %s %s\n", seen->domain, seen->host,
                    seen->address[0] != '\0' ? seen->address : "-", kinds[seen->kind], seen->trust,
                    seen->refused, dane_tlsrpt_type_name(seen->type), seen->reason);
    return BASE_OK;
}

#define SMTP(pid, text) "Nov 22 09:54:00 mx postfix/smtp[" #pid "]: " text
#define TLS(pid, level, host)                                                                      \
    SMTP(pid, level " TLS connection established to " host                                         \
                    ":25: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)")
#define TO(pid, queue, domain, relay, status)                                                      \
    SMTP(pid, queue ": to=<user@" domain ">, relay=" relay                                         \
                    ", delay=0.4, delays=0.1/0/0.2/0.1, dsn=2.0.0, status=" status)
#define FIRST "Nov 21 00:00:00 mx postfix/qmgr[9]: 1A2B3C: removed"

static void feed(struct dane_tlsrpt_postfix *postfix, const char *const *lines)
{
    for (size_t i = 0; lines[i]; i++)
        assert_int_equal(dane_tlsrpt_postfix_line(postfix, lines[i], strlen(lines[i]), NOW),
                         BASE_OK);
}

static void check(const char *const *lines, const char *expected)
{
    struct dane_tlsrpt_postfix *postfix;
    struct base_buf out;
    base_buf_init(&out, 65536);
    assert_int_equal(dane_tlsrpt_postfix_new(note, &out, &postfix), BASE_OK);
    feed(postfix, lines);
    assert_string_equal(base_buf_string(&out), expected);
    dane_tlsrpt_postfix_free(postfix);
    base_buf_free(&out);
}

#define CHECK(expected, ...) check((const char *const[]){FIRST, __VA_ARGS__, NULL}, expected)

static void test_lines(void **state)
{
    /* A session, and its further recipients and mails. */
    CHECK("a.test mx.a.test 192.0.2.1 tls 4 0 success \n",
          TLS(7, "Verified", "mx.a.test[192.0.2.1]"),
          TO(7, "4A3F", "a.test", "mx.a.test[192.0.2.1]:25", "sent (250 ok)"),
          TO(7, "4A3F", "a.test", "mx.a.test[192.0.2.1]:25", "sent (250 ok)"),
          SMTP(7, "4A40: to=<b@a.test>, relay=mx.a.test[192.0.2.1]:25, conn_use=2, delay=1, "
                  "delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)"));
    /* Another process's lines between. */
    CHECK("b.test mx.b.test 2001:db8::1 tls 2 0 success \n"
          "a.test mx.a.test 192.0.2.1 tls 3 0 success \n",
          TLS(7, "Trusted", "mx.a.test[192.0.2.1]"), TLS(8, "Untrusted", "mx.b.test[2001:db8::1]"),
          TO(8, "4A41", "b.test", "mx.b.test[2001:db8::1]:25", "sent (250 ok)"),
          TO(7, "4A3F", "a.test", "mx.a.test[192.0.2.1]:25", "sent (250 ok)"));
    /* The certificate, with and without what is wrong with it; then the next host. */
    CHECK("a.test mx.a.test 192.0.2.1 tls 2 1 certificate-expired certificate has expired\n"
          "a.test my.a.test 192.0.2.2 tls 3 1 certificate-host-mismatch Server certificate not "
          "verified\n"
          "a.test mz.a.test 192.0.2.3 tls 4 0 success \n",
          SMTP(7, "server certificate verification failed for mx.a.test[192.0.2.1]:25: certificate "
                  "has expired"),
          TLS(7, "Untrusted", "mx.a.test[192.0.2.1]"),
          SMTP(7, "4A3F: Server certificate not trusted"),
          TLS(7, "Trusted", "my.a.test[192.0.2.2]"),
          SMTP(7, "4A3F: Server certificate not verified"),
          TLS(7, "Verified", "mz.a.test[192.0.2.3]"),
          TO(7, "4A3F", "a.test", "mz.a.test[192.0.2.3]:25", "sent (250 ok)"));
    CHECK("a.test mx.a.test 192.0.2.1 tls 2 1 validation-failure no matching DANE TLSA records\n",
          "Nov 22 09:54:00 mx postfix/tlsproxy[3]: server certificate verification failed for "
          "mx.a.test[192.0.2.1]:25: num=65:no matching DANE TLSA records",
          TLS(7, "Untrusted", "mx.a.test[192.0.2.1]"),
          TO(7, "4A3F", "a.test", "mx.a.test[192.0.2.1]:25",
             "deferred (Server certificate not verified)"));
    /* Handshakes that fail; with `may` the mail goes without TLS then, which is no second session.
     */
    CHECK("a.test mx.a.test 192.0.2.1 tls 0 1 validation-failure the TLS handshake fails\n",
          SMTP(7, "SSL_connect error to mx.a.test[192.0.2.1]:25: -1"),
          SMTP(7, "4A3F: Cannot start TLS: handshake failure"),
          TO(7, "4A3F", "a.test", "mx.a.test[192.0.2.1]:25", "sent (250 ok)"));
    /* No STARTTLS: demanded, and not. */
    CHECK(
        "a.test mx.a.test 192.0.2.1 plain 0 1 starttls-not-supported TLS is required, but was not "
        "offered by host mx.a.test[192.0.2.1])\n"
        "b.test mx.b.test 192.0.2.2 plain 0 0 starttls-not-supported \n"
        "c.test mx.c.test 192.0.2.3 plain 0 0 starttls-not-supported \n",
        TO(7, "4A3F", "a.test", "mx.a.test[192.0.2.1]:25",
           "deferred (TLS is required, but was not offered by host mx.a.test[192.0.2.1])"),
        TO(7, "4A40", "b.test", "mx.b.test[192.0.2.2]:25", "sent (250 ok)"),
        TO(7, "4A41", "c.test", "mx.c.test[192.0.2.3]:25",
           "bounced (host mx.c.test[192.0.2.3] said: 550 no (in reply to RCPT TO command))"));
    /* A look-up that fails: at once, by itself. */
    CHECK("a.test mx.a.test - lookup 0 1 success TLSA lookup error for mx.a.test:25\n",
          SMTP(7, "warning: TLS policy lookup for a.test/mx.a.test: TLSA lookup error for "
                  "mx.a.test:25"));
}

static void test_no_sessions(void **state)
{
    CHECK("", TO(7, "4A3F", "a.test", "none", "deferred (connect to mx.a.test[192.0.2.1]:25: no)"),
          TO(7, "4A40", "a.test", "mx.a.test[192.0.2.1]:25",
             "deferred (host mx.a.test[192.0.2.1] refused to talk to me: 421 busy)"),
          TO(7, "4A41", "a.test", "private/dovecot-lmtp", "sent (ok)"),
          TO(7, "4A42", "[192.0.2.1]", "[192.0.2.1][192.0.2.1]:25", "sent (ok)"),
          SMTP(7, "4A43: to=<postmaster>, relay=mx.a.test[192.0.2.1]:25, status=sent (ok)"),
          "Nov 22 09:54:00 mx postfix/lmtp[7]: 4A44: to=<a@a.test>, relay=mx.a.test[192.0.2.1]:25, "
          "delays=0/0/0/0, status=sent (ok)",
          "Nov 22 09:54:00 mx notsmtp[7]: 4A44: to=<a@a.test>, relay=mx.a.test[192.0.2.1]:25, "
          "delays=0/0/0/0, status=sent (ok)");
    /* The log begins within a delivery: whether there was TLS is not known. */
    check((const char *const[]){TO(7, "4A3F", "a.test", "mx.a.test[192.0.2.1]:25", "sent (ok)"),
                                NULL},
          "");
    /* What a server says, and what is in addresses, is no line. */
    CHECK("a.test mx.a.test 192.0.2.1 tls 4 0 success \n",
          TLS(7, "Verified", "mx.a.test[192.0.2.1]"),
          TO(7, "4A3F", "a.test", "mx.a.test[192.0.2.1]:25",
             "deferred (host mx.a.test[192.0.2.1] said: 450 status=sent relay=evil[192.0.2.9]:25, "
             "Server certificate not trusted (in reply to RCPT TO command))"));
}

static int note_time(void *context, const struct dane_tlsrpt_seen *seen)
{
    *(base_time *)context = seen->time;
    return BASE_OK;
}

static void test_times(void **state)
{
    static const struct {
        const char *line;
        base_time time;
    } cases[] = {
        {"Nov 22 09:54:00 ", NOW - 360},
        {"Nov  2 09:54:00 ", NOW - 360 - 20 * 86400},
        {"Dec 31 23:59:59 ", 1767225599}, /* of last year */
        {"2026-11-22T09:54:00.123456+00:00 ", NOW - 360},
        {"2026-11-22T10:54:00+0100 ", NOW - 360},
        {"2026-11-22T04:24:00-05:30 ", NOW - 360},
        {"2026-11-22T09:54:00Z ", NOW - 360},
        {"2026-11-22T09:54:00", 0},
        {"Nov 22 ", 0},
        {"", 0},
    };
    setenv("TZ", "UTC", 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dane_tlsrpt_postfix *postfix;
        base_time time = 0;
        char line[400];
        int length = snprintf(line, sizeof line,
                              "%smx postfix/smtp[7]: warning: TLS policy lookup for a.test/mx: no",
                              cases[i].line);
        assert_int_equal(dane_tlsrpt_postfix_new(note_time, &time, &postfix), BASE_OK);
        dane_tlsrpt_postfix_line(postfix, line, (size_t)length, NOW);
        if (time != cases[i].time)
            fail_msg("%s: %" PRId64, cases[i].line, time);
        dane_tlsrpt_postfix_free(postfix);
    }
}

/* A session is joined over a restart; more processes than are kept forget the oldest. */
static void test_state(void **state)
{
    static const char *const before[] = {FIRST, TLS(7, "Verified", "mx.a.test[192.0.2.1]"), NULL};
    static const char *const after[] = {
        TO(7, "4A3F", "a.test", "mx.a.test[192.0.2.1]:25", "sent (ok)"), NULL};
    struct dane_tlsrpt_postfix *postfix;
    struct base_buf out, saved;
    base_buf_init(&out, 65536);
    base_buf_init(&saved, 1024 * 1024 * 16);
    assert_int_equal(dane_tlsrpt_postfix_new(note, &out, &postfix), BASE_OK);
    feed(postfix, before);
    assert_int_equal(dane_tlsrpt_postfix_save(postfix, &saved), BASE_OK);
    dane_tlsrpt_postfix_free(postfix);
    assert_int_equal(dane_tlsrpt_postfix_new(note, &out, &postfix), BASE_OK);
    assert_int_equal(dane_tlsrpt_postfix_load(postfix, (const char *)saved.data, saved.length),
                     BASE_OK);
    for (int i = 0; i < DANE_TLSRPT_PROCESSES_MAX - 1; i++) {
        char line[200];
        int length = snprintf(line, sizeof line, "Nov 22 09:54:00 mx postfix/smtp[%d]: x", 100 + i);
        dane_tlsrpt_postfix_line(postfix, line, (size_t)length, NOW);
    }
    feed(postfix, after);
    assert_string_equal(base_buf_string(&out), "a.test mx.a.test 192.0.2.1 tls 4 0 success \n");
    for (size_t cut = 0; cut < saved.length; cut += 7)
        assert_int_not_equal(dane_tlsrpt_postfix_load(postfix, (const char *)saved.data, cut),
                             BASE_OK);
    dane_tlsrpt_postfix_free(postfix);
    base_buf_free(&saved);
    base_buf_free(&out);
}

/* --- files --- */

static char directory[64];

static const char *path_of(const char *name)
{
    static char paths[4][128];
    static size_t next;
    char *path = paths[next++ % 4];
    snprintf(path, 128, "%s/%s", directory, name);
    return path;
}

static void put(const char *name, const char *text, const char *mode)
{
    FILE *file = fopen(path_of(name), mode);
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int join(void *context, const char *text, size_t length)
{
    base_buf_append(context, text, length);
    base_buf_text(context, "|");
    return BASE_OK;
}

/* All that is to be read now. */
static void expect(struct dane_tlsrpt_follow *follow, const char *expected)
{
    struct base_buf out;
    size_t count;
    base_buf_init(&out, 1024 * 1024);
    do
        assert_int_equal(dane_tlsrpt_follow_read(follow, 3, join, &out, &count), BASE_OK);
    while (count > 0);
    assert_string_equal(base_buf_string(&out), expected);
    base_buf_free(&out);
}

/* Ends, and goes on from the place. */
static struct dane_tlsrpt_follow *restart(struct dane_tlsrpt_follow *follow, bool expect_lost)
{
    struct dane_tlsrpt_place place;
    bool lost;
    dane_tlsrpt_follow_place(follow, &place);
    dane_tlsrpt_follow_free(follow);
    assert_int_equal(dane_tlsrpt_follow_new(path_of("log"), &place, &lost, &follow), BASE_OK);
    assert_int_equal(lost, expect_lost);
    return follow;
}

static void age(const char *name, int seconds)
{
    struct timespec times[2] = {{.tv_sec = NOW - seconds}, {.tv_sec = NOW - seconds}};
    assert_int_equal(utimensat(AT_FDCWD, path_of(name), times, 0), 0);
}

static void test_follow(void **state)
{
    struct dane_tlsrpt_follow *follow;
    bool lost;
    assert_int_equal(dane_tlsrpt_follow_new(path_of("log"), NULL, &lost, &follow), BASE_OK);
    expect(follow, "");
    put("log", "a\nb\nc\nd\nhal", "w");
    expect(follow, "a|b|c|d|");
    put("log", "f\n", "a");
    expect(follow, "half|");
    /* Renamed; the old one is written to until the new one is. */
    rename(path_of("log"), path_of("log.1"));
    put("log", "", "w");
    put("log.1", "e\n", "a");
    expect(follow, "e|");
    put("log.1", "late\n", "a");
    put("log", "new\n", "a");
    expect(follow, "late|new|");
    /* Renamed while nobody looked, twice; compressed ones do not count. */
    put("log", "f\n", "a");
    rename(path_of("log"), path_of("log.2"));
    put("log.1", "g\nh\n", "w");
    put("log.3.gz", "no\n", "w");
    put("log", "i\n", "w");
    age("log.2", 300);
    age("log.1", 200);
    age("log.3.gz", 150);
    age("log", 100);
    follow = restart(follow, false);
    expect(follow, "f|g|h|i|");
    /* Cut short. */
    put("log", "j\n", "w");
    expect(follow, ""); /* as long as before, and no sign of it: what was read goes on to count */
    put("log", "", "w");
    expect(follow, "");
    put("log", "k\n", "a");
    follow = restart(follow, false);
    expect(follow, "k|");
    /* Gone, with another in its place. */
    put("other", "l\n", "w");
    rename(path_of("other"), path_of("log"));
    follow = restart(follow, true);
    expect(follow, "l|");
    /* A line that is too long is passed over, whole. */
    FILE *file = fopen(path_of("log"), "a");
    for (int i = 0; i < 200000; i++)
        fputc('x', file);
    fputs("\nm\n", file);
    fclose(file);
    expect(follow, "m|");
    dane_tlsrpt_follow_free(follow);
}

static char *content(const char *name)
{
    static char text[4096];
    FILE *file = fopen(path_of(name), "r");
    text[file ? fread(text, 1, sizeof text - 1, file) : 0] = '\0';
    if (file)
        fclose(file);
    return text;
}

/* Dies between what is kept and the state: what is kept is cut off, and is there once in the end.
 */
static void test_days(void **state)
{
    struct dane_tlsrpt_days *days, *other;
    struct dane_tlsrpt_session session = {.domain = "a.test", .time = NOW};
    char *saved, name[32], file[64];
    dane_tlsrpt_day_file(NOW, name);
    snprintf(file, sizeof file, "s/%s", name);
    assert_string_equal(name, "2026-11-22.jsonl");
    assert_int_equal(dane_tlsrpt_days_open(path_of("s"), &days, &saved), BASE_OK);
    assert_null(saved);
    assert_int_equal(dane_tlsrpt_days_open(path_of("s"), &other, &saved), BASE_EEXIST);
    assert_int_equal(dane_tlsrpt_days_add(days, &session), BASE_OK);
    assert_int_equal(dane_tlsrpt_days_save(days, "{\"at\":1}"), BASE_OK);
    const char *line =
        "{\"time\":\"2026-11-22T10:00:00Z\",\"policy-domain\":\"a.test\",\"policy-type\":"
        "\"tlsa\",\"result-type\":\"success\"}\n";
    assert_string_equal(content(file), line);
    dane_tlsrpt_days_close(days);
    put(file, "{\"half", "a"); /* as a process does that is killed */
    put("s/2026-11-23.jsonl", "of somebody else\n", "w");
    assert_int_equal(dane_tlsrpt_days_open(path_of("s"), &days, &saved), BASE_OK);
    assert_string_equal(saved, "{\"at\":1}");
    free(saved);
    assert_string_equal(content(file), line);
    assert_string_equal(content("s/2026-11-23.jsonl"), "of somebody else\n");
    /* A new day, and no state that knows of what is in it. */
    session.time += 2 * 86400;
    assert_int_equal(dane_tlsrpt_days_add(days, &session), BASE_OK);
    dane_tlsrpt_days_close(days);
    put("s/2026-11-24.jsonl", line, "a");
    assert_int_equal(dane_tlsrpt_days_open(path_of("s"), &days, &saved), BASE_OK);
    free(saved);
    assert_string_equal(content("s/2026-11-24.jsonl"), "");
    dane_tlsrpt_days_expire(days, NOW + 86400);
    assert_string_equal(content(file), "");
    dane_tlsrpt_days_close(days);
    put("s/collect.state", "{\"files\":[{\"name\":\"../x\",\"size\":0}],\"state\":1}", "w");
    assert_int_equal(dane_tlsrpt_days_open(path_of("s"), &days, &saved), BASE_EFORMAT);
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
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_no_sessions),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_state),
        cmocka_unit_test_setup_teardown(test_follow, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_days, make_directory, remove_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
