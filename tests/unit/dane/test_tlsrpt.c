/* TLSRPT: where reports go, sessions counted, the document. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "base/error.h"
#include "dane/tlsrpt.h"

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define DAY ((base_time)1795219200) /* 2026-11-21 */

static void test_destinations(void **state)
{
    static const struct {
        const char *text, *first;
        int status;
        size_t count;
    } cases[] = {
        {"v=TLSRPTv1; rua=mailto:a@b.test", "mailto:a@b.test", BASE_OK, 1},
        {"v=TLSRPTv1;rua=https://b.test/r,mailto:a@b.test;", "https://b.test/r", BASE_OK, 2},
        {"v=TLSRPTv1; ext=1; rua = mailto:a@b.test", "mailto:a@b.test", BASE_OK, 1},
        {"v=TLSRPTv1; rua=ftp://b.test, mailto:a@b.test", "mailto:a@b.test", BASE_OK, 1},
        {"v=spf1 -all", NULL, BASE_ENOENT, 0},
        {"v=TLSRPTv12; rua=mailto:a@b.test", NULL, BASE_ENOENT, 0},
        {"", NULL, BASE_ENOENT, 0},
        {"v=TLSRPTv1", NULL, BASE_EFORMAT, 0},
        {"v=TLSRPTv1;", NULL, BASE_EFORMAT, 0},
        {"v=TLSRPTv1; rua=mailto:nobody", NULL, BASE_EFORMAT, 0},
        {"v=TLSRPTv1; rua=http://b.test/", NULL, BASE_EFORMAT, 0},
        {"v=TLSRPTv1; rua=mailto:a@b.test; rua=mailto:c@d.test", NULL, BASE_EFORMAT, 0},
        {"v=TLSRPTv1; rua=mailto:a\n@b.test", NULL, BASE_EFORMAT, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dane_tlsrpt_rua rua = {.count = 0};
        int status = dane_tlsrpt_rua_read(cases[i].text, strlen(cases[i].text), &rua);
        if (status != cases[i].status || rua.count != cases[i].count)
            fail_msg("%s: %d, %zu", cases[i].text, status, rua.count);
        if (rua.count > 0)
            assert_string_equal(rua.uris[0], cases[i].first);
        dane_tlsrpt_rua_free(&rua);
    }
}

static const char *const strings[] = {"3 1 1 aa"};
static const char *const hosts[] = {"mx.b.test"};

static struct dane_tlsrpt_session session(enum dane_tlsrpt_type type)
{
    return (struct dane_tlsrpt_session){
        .domain = "B.test",
        .time = DAY + 5,
        .policy = DANE_TLSRPT_TLSA,
        .policy_strings = strings,
        .policy_string_count = 1,
        .mx_patterns = hosts,
        .mx_pattern_count = 1,
        .type = type,
        .mx = "mx.b.test",
        .reason = "say \"no\"\n",
    };
}

static json_t *document(struct dane_tlsrpt *report, const char *domain)
{
    struct dane_tlsrpt_sender sender = {"Us", "tls@us.test", "us.test"};
    struct base_buf text;
    json_error_t error;
    base_buf_init(&text, 1 << 24);
    assert_int_equal(dane_tlsrpt_document(report, domain, &sender, &text), BASE_OK);
    json_t *made = json_loads(base_buf_string(&text), JSON_REJECT_DUPLICATES, &error);
    assert_non_null(made);
    base_buf_free(&text);
    return made;
}

static void add(struct dane_tlsrpt *report, struct dane_tlsrpt_session one, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        assert_int_equal(dane_tlsrpt_add(report, &one), BASE_OK);
}

static void test_report(void **state)
{
    struct dane_tlsrpt *report;
    struct dane_tlsrpt_session none = {.domain = "a.test", .time = DAY, .policy = DANE_TLSRPT_NONE};
    assert_int_equal(dane_tlsrpt_new(DAY, DAY + 86400, &report), BASE_OK);
    add(report, session(DANE_TLSRPT_SUCCESS), 3);
    add(report, session(DANE_TLSRPT_TLSA_INVALID), 2);
    add(report, session(DANE_TLSRPT_CERTIFICATE_EXPIRED), 1);
    add(report, none, 1);
    none.time = DAY + 86400;
    assert_int_equal(dane_tlsrpt_add(report, &none), BASE_ERANGE);
    none.time = DAY - 1;
    assert_int_equal(dane_tlsrpt_add(report, &none), BASE_ERANGE);
    none.domain = "not a domain";
    none.time = DAY;
    assert_int_equal(dane_tlsrpt_add(report, &none), BASE_EFORMAT);
    assert_string_equal(dane_tlsrpt_domain(report, 0), "a.test");
    assert_string_equal(dane_tlsrpt_domain(report, 1), "b.test");
    assert_null(dane_tlsrpt_domain(report, 2));

    json_t *made = document(report, "b.test"), *policies = json_object_get(made, "policies");
    assert_int_equal(json_array_size(policies), 1);
    json_t *policy = json_array_get(policies, 0), *summary = json_object_get(policy, "summary");
    json_t *details = json_object_get(policy, "failure-details");
    const char *type, *domain, *result, *reason, *from, *until;
    int good, bad, count;
    assert_int_equal(json_unpack(made, "{s:{s:s,s:s}}", "date-range", "start-datetime", &from,
                                 "end-datetime", &until),
                     0);
    assert_string_equal(from, "2026-11-21T00:00:00Z");
    assert_string_equal(until, "2026-11-21T23:59:59Z");
    assert_int_equal(json_unpack(policy, "{s:{s:s,s:s}}", "policy", "policy-type", &type,
                                 "policy-domain", &domain),
                     0);
    assert_string_equal(type, "tlsa");
    assert_string_equal(domain, "b.test");
    assert_int_equal(json_unpack(summary, "{s:i,s:i}", "total-successful-session-count", &good,
                                 "total-failure-session-count", &bad),
                     0);
    assert_int_equal(good, 3);
    assert_int_equal(bad, 3);
    assert_int_equal(json_array_size(details), 2);
    assert_int_equal(json_unpack(json_array_get(details, 0), "{s:s,s:i,s:s}", "result-type",
                                 &result, "failed-session-count", &count, "failure-reason-code",
                                 &reason),
                     0);
    assert_string_equal(result, "tlsa-invalid");
    assert_int_equal(count, 2);
    assert_string_equal(reason, "say \"no\"\n");
    json_decref(made);
    struct dane_tlsrpt_sender sender = {.submitter = "us.test"};
    char *name = dane_tlsrpt_file_name(report, "b.test", &sender);
    assert_string_equal(name, "us.test!b.test!1795219200!1795305599.json");
    free(name);
    dane_tlsrpt_free(report);
}

/* Whoever makes every session fail in another way gets the number right, and a bounded report. */
static void test_budgets(void **state)
{
    struct dane_tlsrpt *report;
    char text[32], huge[5000];
    assert_int_equal(dane_tlsrpt_new(DAY, DAY + 86400, &report), BASE_OK);
    memset(huge, 'x', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    for (unsigned i = 0; i < 2000; i++) {
        struct dane_tlsrpt_session one = session(DANE_TLSRPT_VALIDATION_FAILURE);
        snprintf(text, sizeof text, "192.0.2.%u", i);
        one.receiving_ip = text;
        one.reason = huge;
        add(report, one, 1);
    }
    json_t *made = document(report, "b.test");
    json_t *policy = json_array_get(json_object_get(made, "policies"), 0);
    int bad;
    assert_int_equal(
        json_unpack(policy, "{s:{s:i}}", "summary", "total-failure-session-count", &bad), 0);
    assert_int_equal(bad, 2000);
    assert_int_equal(json_array_size(json_object_get(policy, "failure-details")),
                     DANE_TLSRPT_DETAILS_MAX);
    json_decref(made);
    int status = BASE_OK;
    for (unsigned i = 0; i < 100 && status == BASE_OK; i++) {
        const char *other[1] = {text};
        struct dane_tlsrpt_session one = session(DANE_TLSRPT_SUCCESS);
        snprintf(text, sizeof text, "3 1 1 %02x", i);
        one.policy_strings = other;
        status = dane_tlsrpt_add(report, &one);
    }
    assert_int_equal(status, BASE_ELIMIT);
    dane_tlsrpt_free(report);
}

static void test_sessions_of_verdicts(void **state)
{
    static const uint8_t digest[32] = {0xab};
    struct dane_tlsa tlsa = {
        .usage = 3, .selector = 1, .matching = 1, .length = 32, .data = digest};
    struct dane_endpoint endpoint = {.host = "mx.b.test",
                                     .demand = DANE_DEMAND_DANE,
                                     .tlsa = &tlsa,
                                     .tlsa_count = 1,
                                     .reason = "its TLSA counts"};
    struct dane_plan_result plan = {.domain = "b.test", .endpoints = &endpoint, .count = 1};
    struct dane_verdict verdict = {.result = DANE_AUTHENTICATED};
    struct dane_tlsrpt_session made;
    struct base_arena arena;
    base_arena_init(&arena, 0);
    assert_int_equal(dane_tlsrpt_session_of(&plan, &endpoint, &verdict, true, NULL, &arena, &made),
                     BASE_OK);
    assert_int_equal(made.type, DANE_TLSRPT_SUCCESS);
    assert_int_equal(made.policy, DANE_TLSRPT_TLSA);
    assert_int_equal(strlen(made.policy_strings[0]), 6 + 64);
    assert_string_equal(made.mx_patterns[0], "mx.b.test");
    verdict = (struct dane_verdict){
        .result = DANE_REFUSED, .tlsrpt = "certificate-not-trusted", .reason = "nobody knows it"};
    assert_int_equal(dane_tlsrpt_session_of(&plan, &endpoint, &verdict, true, NULL, &arena, &made),
                     BASE_OK);
    assert_int_equal(made.type, DANE_TLSRPT_CERTIFICATE_NOT_TRUSTED);
    assert_string_equal(made.reason, "nobody knows it");
    assert_int_equal(dane_tlsrpt_session_of(&plan, &endpoint, NULL, false, NULL, &arena, &made),
                     BASE_OK);
    assert_int_equal(made.type, DANE_TLSRPT_STARTTLS_NOT_SUPPORTED);
    char *mx[] = {(char[]){"*.b.test"}};
    struct dane_sts sts = {.mode = DANE_STS_ENFORCE, .max_age = 60, .mx = mx, .mx_count = 1};
    endpoint = (struct dane_endpoint){
        .host = "mx.b.test", .demand = DANE_DEMAND_PKIX, .sts = true, .reason = ""};
    assert_int_equal(dane_tlsrpt_session_of(&plan, &endpoint, &verdict, true, &sts, &arena, &made),
                     BASE_OK);
    assert_int_equal(made.policy, DANE_TLSRPT_STS);
    assert_int_equal(made.policy_string_count, 4);
    assert_string_equal(made.policy_strings[1], "mode: enforce");
    assert_string_equal(made.policy_strings[2], "mx: *.b.test");
    endpoint = (struct dane_endpoint){.host = "mx.b.test", .error = true, .reason = "bogus"};
    assert_int_equal(dane_tlsrpt_session_of(&plan, &endpoint, NULL, false, NULL, &arena, &made),
                     BASE_OK);
    assert_int_equal(made.type, DANE_TLSRPT_DNSSEC_INVALID);
    assert_string_equal(made.reason, "bogus");
    base_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_destinations),
        cmocka_unit_test(test_report),
        cmocka_unit_test(test_budgets),
        cmocka_unit_test(test_sessions_of_verdicts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
