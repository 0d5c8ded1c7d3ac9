/* Socketmap, the keys and policies of Postfix, MTA-STS policies that are kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "base/error.h"
#include "dane/postfix.h"
#include "dane/sts_store.h"

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* --- socketmap --- */

static int read_text(const char *text, struct dane_socketmap_request *request, size_t *used)
{
    return dane_socketmap_read((const uint8_t *)text, strlen(text), request, used);
}

static void test_requests(void **state)
{
    struct dane_socketmap_request request;
    size_t used = 0;
    assert_int_equal(read_text("19:postfix example.org,5:a b c,", &request, &used), BASE_OK);
    assert_int_equal(used, 23);
    assert_memory_equal(request.map, "postfix", request.map_length);
    assert_int_equal(request.key_length, 11);
    assert_memory_equal(request.key, "example.org", 11);
    assert_int_equal(read_text("2:a ,", &request, &used), BASE_OK);
    assert_int_equal(request.key_length, 0);
}

static void test_requests_that_are_none(void **state)
{
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        {"", BASE_ENOENT},        {"1", BASE_ENOENT},         {"19:postfix", BASE_ENOENT},
        {"5:a b c", BASE_ENOENT}, {"5:a b c;", BASE_EFORMAT}, {":", BASE_EFORMAT},
        {"x:", BASE_EFORMAT},     {"-1:", BASE_EFORMAT},      {"05:a b c,", BASE_EFORMAT},
        {"3:abc,", BASE_EFORMAT}, {"0:,", BASE_EFORMAT},      {"1025:", BASE_ELIMIT},
        {"99999", BASE_ELIMIT},   {"9999", BASE_ELIMIT},      {"GET / HTTP/1.1\r\n", BASE_EFORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dane_socketmap_request request;
        size_t used;
        assert_int_equal(read_text(cases[i].text, &request, &used), cases[i].status);
    }
}

static void test_replies(void **state)
{
    struct base_buf out;
    base_buf_init(&out, 1 << 20);
    dane_socketmap_write(&out, DANE_SOCKETMAP_OK, "dane-only");
    dane_socketmap_write(&out, DANE_SOCKETMAP_NOTFOUND, "");
    dane_socketmap_write(&out, DANE_SOCKETMAP_TEMP, "a\nb");
    assert_string_equal(base_buf_string(&out), "12:OK dane-only,9:NOTFOUND ,8:TEMP a?b,");
    base_buf_reset(&out);
    char *longest = calloc(1, DANE_SOCKETMAP_REPLY_MAX + 2);
    assert_non_null(longest);
    memset(longest, 'x', DANE_SOCKETMAP_REPLY_MAX + 1);
    dane_socketmap_write(&out, DANE_SOCKETMAP_OK, longest);
    assert_non_null(strstr(base_buf_string(&out), ":TEMP "));
    free(longest);
    base_buf_free(&out);
}

/* --- keys --- */

static void test_keys(void **state)
{
    static const struct {
        const char *text;
        enum dane_postfix_hop hop;
        const char *domain, *again;
        unsigned port;
    } cases[] = {
        {"example.org", DANE_POSTFIX_DOMAIN, "example.org", "example.org", 25},
        {"EXAMPLE.Org:25", DANE_POSTFIX_DOMAIN, "example.org", "example.org", 25},
        {"example.org:587", DANE_POSTFIX_DOMAIN_PORT, "example.org", "example.org:587", 587},
        {"[mx.example.org]", DANE_POSTFIX_HOST, "mx.example.org", "[mx.example.org]:25", 25},
        {"[mx.example.org]:26", DANE_POSTFIX_HOST, "mx.example.org", "[mx.example.org]:26", 26},
        {"[192.0.2.1]", DANE_POSTFIX_LITERAL, "192.0.2.1", "[192.0.2.1]:25", 25},
        {"[2001:db8::1]:25", DANE_POSTFIX_LITERAL, "2001:db8::1", "[2001:db8::1]:25", 25},
        {"[IPv6:2001:db8::1]", DANE_POSTFIX_LITERAL, "IPv6:2001:db8::1", "[IPv6:2001:db8::1]:25",
         25},
        {"", DANE_POSTFIX_NONE, "", "", 0},
        {".example.org", DANE_POSTFIX_NONE, "", "", 0},
        {"[mx.example.org", DANE_POSTFIX_NONE, "", "", 0},
        {"[mx.example.org]x", DANE_POSTFIX_NONE, "", "", 0},
        {"example.org:0", DANE_POSTFIX_NONE, "", "", 0},
        {"example.org:65536", DANE_POSTFIX_NONE, "", "", 0},
        {"example.org:", DANE_POSTFIX_NONE, "", "", 0},
        {"a b", DANE_POSTFIX_NONE, "", "", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dane_postfix_key key;
        char text[DANE_POSTFIX_KEY_TEXT];
        dane_postfix_key_read(cases[i].text, strlen(cases[i].text), &key);
        if (key.hop != cases[i].hop)
            fail_msg("%s: %d", cases[i].text, key.hop);
        dane_postfix_key_text(&key, text);
        assert_string_equal(text, cases[i].again);
        if (key.hop == DANE_POSTFIX_NONE)
            continue;
        assert_string_equal(key.domain, cases[i].domain);
        assert_int_equal(key.port, cases[i].port);
    }
}

static void test_keys_with_strange_octets(void **state)
{
    struct dane_postfix_key key;
    char text[2000];
    dane_postfix_key_read("a\0.example.org", 14, &key);
    assert_int_equal(key.hop, DANE_POSTFIX_NONE);
    memset(text, 'a', sizeof text);
    for (size_t length = 200; length < sizeof text; length += 37) {
        dane_postfix_key_read(text, length, &key);
        assert_int_equal(key.hop, DANE_POSTFIX_NONE);
    }
}

/* --- policies --- */

/* Hosts in short: D dane, d dane behind an insecure MX, T encrypt, N nothing, t nothing with
 * MTA-STS in testing, S demanded by MTA-STS, s skipped because MTA-STS does not list it, X skipped
 * for an error, P a named host without TLSA, U one whose TLSA cannot be used. */
static struct dane_endpoint host(char what, const char *name)
{
    struct dane_endpoint endpoint = {.host = name, .reason = ""};
    switch (what) {
    case 'd':
        endpoint.delegation = DANE_DELEGATION_INSECURE; /* and the same as: */
        __attribute__((fallthrough));
    case 'D':
        endpoint.demand = DANE_DEMAND_DANE;
        break;
    case 'T':
        endpoint.demand = DANE_DEMAND_TLS;
        break;
    case 'S':
    case 'P':
    case 'U':
        endpoint.demand = DANE_DEMAND_PKIX;
        endpoint.sts = what == 'S';
        endpoint.tlsa_count = what == 'U';
        break;
    case 's':
    case 'X':
        endpoint.demand = DANE_DEMAND_SKIP;
        endpoint.error = what == 'X';
        break;
    default:
        endpoint.demand = DANE_DEMAND_NOTHING;
        endpoint.sts = endpoint.testing = what == 't';
        break;
    }
    return endpoint;
}

static void test_policies(void **state)
{
    static const char *const names[] = {"a.test", "b.test", "c.test"};
    static const struct {
        const char *hosts, *policy;
    } cases[] = {
        {"D", "dane-only"},
        {"DD", "dane-only"},
        {"DX", "dane-only"},
        {"d", "dane"},
        {"dd", "dane"},
        {"DN", "dane"},
        {"DT", "dane"},
        {"dN", "dane"},
        {"N", "may"},
        {"NN", "may"},
        {"t", "may"},
        {"T", "encrypt"},
        {"TT", "encrypt"},
        {"TN", "dane"},
        {"NX", "dane"}, /* the broken host must not be used without DANE */
        {"TX", "dane"},
        {"S", "secure match=a.test servername=hostname"},
        {"SS", "secure match=a.test:b.test servername=hostname"},
        {"Ss", "secure match=a.test servername=hostname"},
        {"XS", "secure match=b.test servername=hostname"},
        {"TS", "secure match=b.test servername=hostname"},
        {"DS", "dane-only"},
        {"dS", "secure match=b.test servername=hostname"},
        {"DSs", "dane-only"},
        {"P", "may"},
        {"U", "encrypt"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dane_endpoint endpoints[3];
        size_t count = strlen(cases[i].hosts);
        for (size_t k = 0; k < count; k++)
            endpoints[k] = host(cases[i].hosts[k], names[k]);
        struct dane_plan_result plan = {
            .outcome = DANE_OUTCOME_GO, .endpoints = endpoints, .count = count, .reason = ""};
        struct base_buf out;
        base_buf_init(&out, 4096);
        assert_int_equal(dane_postfix_answer(&plan, &out), DANE_SOCKETMAP_OK);
        assert_string_equal(base_buf_string(&out), cases[i].policy);
        base_buf_free(&out);
    }
}

static void test_outcomes(void **state)
{
    struct base_buf out;
    struct dane_plan_result plan = {.outcome = DANE_OUTCOME_DEFER, .reason = "no MX"};
    base_buf_init(&out, 4096);
    assert_int_equal(dane_postfix_answer(&plan, &out), DANE_SOCKETMAP_TEMP);
    assert_string_equal(base_buf_string(&out), "no MX");
    base_buf_reset(&out);
    plan.outcome = DANE_OUTCOME_NONE;
    assert_int_equal(dane_postfix_answer(&plan, &out), DANE_SOCKETMAP_NOTFOUND);
    plan.outcome = DANE_OUTCOME_UNKNOWN;
    assert_int_equal(dane_postfix_answer(&plan, &out), DANE_SOCKETMAP_NOTFOUND);
    base_buf_free(&out);
}

/* --- MTA-STS policies kept --- */

#define POLICY "version: STSv1\nmode: enforce\nmx: mx.example.org\nmax_age: 86400\n"
#define NOW    ((base_time)1800000000)

static const struct base_log quiet = {.least = BASE_LOG_ERROR + 1, .fd = 2};

static void put(struct dane_sts_store *store, const char *domain, const char *id, base_time now)
{
    char why[200];
    assert_int_equal(dane_sts_store_put(store, domain, id, now, POLICY, strlen(POLICY), why),
                     BASE_OK);
}

static void test_policies_kept(void **state)
{
    struct dane_sts_store *store;
    struct dane_sts_kept kept;
    char why[200];
    assert_int_equal(dane_sts_store_open(NULL, NOW, &quiet, &store), BASE_OK);
    dane_sts_store_find(store, "example.org", NOW, &kept);
    assert_null(kept.text);
    assert_null(kept.why);
    put(store, "example.org", "1", NOW);
    dane_sts_store_find(store, "example.org", NOW + 10, &kept);
    assert_string_equal(kept.text, POLICY);
    assert_string_equal(kept.id, "1");
    assert_false(kept.refresh);
    dane_sts_store_find(store, "example.org", NOW + 43200, &kept);
    assert_true(kept.refresh);
    /* A fetch that fails changes nothing of what holds. */
    dane_sts_store_failed(store, "example.org", "2", NOW + 10, "no route");
    dane_sts_store_find(store, "example.org", NOW + 20, &kept);
    assert_string_equal(kept.text, POLICY);
    assert_string_equal(kept.failed_id, "2");
    assert_string_equal(kept.why, "no route");
    dane_sts_store_find(store, "example.org", NOW + 10 + DANE_STS_RETRY, &kept);
    assert_null(kept.why);
    /* Nor does one that is no policy. */
    assert_int_equal(dane_sts_store_put(store, "example.org", "3", NOW, "<html>", 6, why),
                     BASE_EFORMAT);
    dane_sts_store_find(store, "example.org", NOW + 86399, &kept);
    assert_string_equal(kept.id, "1");
    dane_sts_store_find(store, "example.org", NOW + 86400, &kept);
    assert_null(kept.text);
    dane_sts_store_free(store);
}

static void write_file(const char *directory, const char *name, const char *text)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static bool is_there(const char *directory, const char *name)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return access(path, F_OK) == 0;
}

static void test_policies_in_files(void **state)
{
    char directory[] = "/tmp/kenter-sts-XXXXXX";
    struct dane_sts_store *store;
    struct dane_sts_kept kept;
    assert_non_null(mkdtemp(directory));
    assert_int_equal(
        dane_sts_store_write(directory, "good.test", "20260101", NOW - 100, POLICY, strlen(POLICY)),
        BASE_OK);
    assert_int_equal(
        dane_sts_store_write(directory, "old.test", "1", NOW - 86400, POLICY, strlen(POLICY)),
        BASE_OK);
    assert_int_equal(
        dane_sts_store_write(directory, "future.test", "1", NOW + 5, POLICY, strlen(POLICY)),
        BASE_OK);
    write_file(directory, "half.test", "kenter-sts-1 1 1799999999\nversion: STSv1\nmo");
    write_file(directory, "empty.test", "");
    write_file(directory, "OTHER", "not the store's\n");
    assert_int_equal(dane_sts_store_open(directory, NOW, &quiet, &store), BASE_OK);
    assert_int_equal(dane_sts_store_count(store), 1);
    dane_sts_store_find(store, "good.test", NOW, &kept);
    assert_string_equal(kept.text, POLICY);
    assert_string_equal(kept.id, "20260101");
    assert_int_equal(kept.until, NOW - 100 + 86400);
    static const char *const gone[] = {"old.test", "future.test", "half.test", "empty.test"};
    for (size_t i = 0; i < 4; i++)
        assert_false(is_there(directory, gone[i]));
    assert_true(is_there(directory, "OTHER"));
    dane_sts_store_find(store, "good.test", NOW + 86400, &kept); /* ended: the file goes, too */
    assert_false(is_there(directory, "good.test"));
    dane_sts_store_free(store);
    char command[100];
    snprintf(command, sizeof command, "rm -r %s", directory);
    assert_int_equal(system(command), 0);
    assert_int_equal(dane_sts_store_open(directory, NOW, &quiet, &store), BASE_EIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_requests_that_are_none),
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_keys_with_strange_octets),
        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_outcomes),
        cmocka_unit_test(test_policies_kept),
        cmocka_unit_test(test_policies_in_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
