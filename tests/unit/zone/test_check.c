/*
 * The checks of a whole zone. Each code has at least one zone that gives it and one close to it
 * that gives nothing of the kind; the catalogue is gone through, so that no code can go without.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "zone/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ORIGIN "$ORIGIN example.org.\n$TTL 3600\n"
#define SERVERS                                                                                    \
    "@ NS ns1\n@ NS ns2\nns1 A 185.49.140.1\nns2 AAAA 2a04:b900::1\n"                              \
    "www A 185.49.140.2\nmail A 185.49.140.3\n"
#define APEX_SOA "@ SOA ns1 hostmaster 2026010101 14400 3600 1209600 3600\n"
#define CLEAN    ORIGIN APEX_SOA SERVERS
/* A delegation in good order. */
#define CHILD "child NS ns.example.net.\nchild NS ns.example.com.\n"
#define OUTSIDE_SERVERS                                                                            \
    "@ SOA ns.example.org. hostmaster.example.org. 1 14400 3600 1209600 3600\n"                    \
    "@ NS ns.example.org.\n@ NS ns.example.net.\n"
#define REVERSE4 "!$ORIGIN 140.49.185.in-addr.arpa.\n$TTL 3600\n" OUTSIDE_SERVERS
#define REVERSE6 "!$ORIGIN 0.0.0.0.0.0.9.b.ip6.arpa.\n$TTL 3600\n" OUTSIDE_SERVERS
#define FILLER                                                                                     \
    "a text that is long enough to fill a message when there are many of its kind in one set"

/* Texts are added to the clean zone; with ! in front they are the zone. A good text of NULL is the
 * clean zone itself. */
struct check_case {
    enum base_finding_code code;
    const char *bad, *good;
};

#include "check_cases_records.h"
#include "check_cases_structure.h"

static void check_text(const char *text, unsigned threads, struct base_findings *findings)
{
    bool whole = text != NULL && text[0] == '!';
    char *all = NULL;
    assert_true(asprintf(&all, "%s%s\n", whole ? "" : CLEAN,
                         whole          ? text + 1
                         : text != NULL ? text
                                        : "") > 0);
    uint8_t origin[DNS_NAME_MAX];
    size_t length;
    const char *name = strchr(all, ' ') + 1;
    assert_int_equal(dns_name_from_text(origin, &length, name, strcspn(name, "\n"), NULL), BASE_OK);
    struct dns_zonefile_options options = {.origin = origin, .threads = 1};
    struct dns_zonefile file;
    assert_int_equal(dns_zonefile_read_memory("test", all, strlen(all), &options, findings, &file),
                     BASE_OK);
    struct zone *zone;
    assert_int_equal(zone_build(&file, 1, findings, &zone), BASE_OK);
    struct zone_check_options check = {.threads = threads, .refresh_margin = 300000};
    assert_int_equal(zone_check(zone, &check, findings), BASE_OK);
    zone_release(zone);
    dns_zonefile_free(&file);
    free(all);
}

static void print_findings(const struct base_findings *findings)
{
    for (size_t i = 0; i < findings->count; i++)
        print_message("  %s: %s\n", base_finding_info(findings->items[i].code)->code,
                      findings->items[i].message);
}

static unsigned run_case(const struct check_case *row)
{
    unsigned failures = 0;
    const char *code = base_finding_info(row->code)->code;
    struct base_findings findings;
    base_findings_init(&findings, 100);
    check_text(row->bad, 1, &findings);
    if (findings.by_code[row->code] == 0) {
        print_message("%s is not found in:\n%s\n", code, row->bad);
        print_findings(&findings);
        failures++;
    }
    base_findings_free(&findings);
    base_findings_init(&findings, 100);
    check_text(row->good, 1, &findings);
    bool syntax = false;
    for (size_t i = 0; i < findings.count; i++)
        syntax =
            syntax || strncmp(base_finding_info(findings.items[i].code)->code, "syntax.", 7) == 0;
    if (findings.by_code[row->code] != 0 || syntax) {
        print_message("%s is found in, or the syntax is wrong of:\n%s\n", code,
                      row->good != NULL ? row->good : "the clean zone");
        print_findings(&findings);
        failures++;
    }
    base_findings_free(&findings);
    return failures;
}

static void test_structure(void **state)
{
    unsigned failures = 0;
    for (size_t i = 0; i < sizeof(structure_cases) / sizeof(structure_cases[0]); i++)
        failures += run_case(&structure_cases[i]);
    assert_int_equal(failures, 0);
}

static void test_records(void **state)
{
    unsigned failures = 0;
    for (size_t i = 0; i < sizeof(record_cases) / sizeof(record_cases[0]); i++)
        failures += run_case(&record_cases[i]);
    assert_int_equal(failures, 0);
}

static bool has_case(enum base_finding_code code)
{
    for (size_t i = 0; i < sizeof(structure_cases) / sizeof(structure_cases[0]); i++) {
        if (structure_cases[i].code == code)
            return true;
    }
    for (size_t i = 0; i < sizeof(record_cases) / sizeof(record_cases[0]); i++) {
        if (record_cases[i].code == code)
            return true;
    }
    return false;
}

static void test_every_code_has_a_case(void **state)
{
    unsigned missing = 0;
    for (int i = 0; i < BASE_FINDING_COUNT; i++) {
        const char *code = base_finding_info((enum base_finding_code)i)->code;
        if (strncmp(code, "zone.", 5) == 0 && !has_case((enum base_finding_code)i)) {
            print_message("no case for %s\n", code);
            missing++;
        }
    }
    assert_int_equal(missing, 0);
}

/* A zone of everything that is well made gives nothing at all. */
static const char full_zone[] =
    "@ MX 10 mail\n@ MX 20 mx.example.net.\n@ TXT \"v=spf1 mx a:www.example.org -all\"\n"
    "@ TXT \"google-site-verification=abc\"\n_dmarc TXT \"v=DMARC1; p=reject; "
    "rua=mailto:d@example.org\"\ns1._domainkey TXT \"v=DKIM1; k=rsa; p=" DKIM_RSA_1024 "\"\n"
    "_mta-sts TXT \"v=STSv1; id=20260101\"\n_smtp._tls TXT \"v=TLSRPTv1; "
    "rua=mailto:t@example.org\"\n_25._tcp.mail TLSA 3 1 1 " SHA256_DIGEST "\n"
    "@ CAA 0 issue \"ca.example.net\"\n@ CAA 0 iodef \"mailto:sec@example.org\"\n"
    "@ HTTPS 1 . alpn=h2\n@ A 185.49.140.5\nblog CNAME www\n*.app A 185.49.140.6\n"
    "_xmpp-server._tcp SRV 0 0 5269 www\n_imap._tcp SRV 0 0 0 .\nwww SSHFP 4 2 " SHA256_DIGEST "\n"
    "old DNAME example.net.\n" CHILD "child DS 12345 13 2 " SHA256_DIGEST "\n"
    "two NS ns.two\ntwo NS ns.child2\nchild2 NS ns.child2\nchild2 NS ns1\n"
    "ns.two A 185.49.140.7\nns.child2 AAAA 2a04:b900::7\n"
    "a.b.c.d TXT \"below empty non-terminals\"\nwww LOC 52 22 23.000 N 4 53 32.000 E -2.00m\n"
    "4.3.2.1.e164 NAPTR 100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:info@example.org!\" .\n"
    "_acme-challenge TXT abc\nunknown TYPE65300 \\# 2 abcd\nhost AAAA 2a04:b900::8\n";

static void test_clean(void **state)
{
    struct base_findings findings;
    base_findings_init(&findings, 100);
    check_text(full_zone, 2, &findings);
    print_findings(&findings);
    assert_int_equal(findings.count, 0);
    base_findings_free(&findings);
}

/* The findings do not depend on the number of threads. */
static void test_threads(void **state)
{
    struct base_findings one, four;
    const char *text = "$GENERATE 1-9000 h$ MX 10 gone$\n$GENERATE 1-3000 c$ NS ns.c$\n"
                       "$GENERATE 1-3000 c$ NS ns$.other\n$GENERATE 1-2000 x.c$ A 185.49.140.9\n";
    base_findings_init(&one, 50);
    base_findings_init(&four, 50);
    check_text(text, 1, &one);
    check_text(text, 4, &four);
    assert_int_equal(one.by_code[ZONE_MX_TARGET_MISSING], 9000);
    assert_int_equal(one.by_code[ZONE_GLUE_MISSING], 3000);
    assert_int_equal(one.by_code[ZONE_GLUE_ORPHAN], 2000);
    assert_int_equal(one.by_code[ZONE_NS_ADDRESS_MISSING], 3000);
    assert_memory_equal(one.by_code, four.by_code, sizeof(one.by_code));
    assert_memory_equal(one.totals, four.totals, sizeof(one.totals));
    assert_int_equal(one.count, four.count);
    for (size_t i = 0; i < one.count; i++) {
        assert_int_equal(one.items[i].code, four.items[i].code);
        assert_string_equal(one.items[i].message, four.items[i].message);
        assert_string_equal(one.items[i].place.owner, four.items[i].place.owner);
        assert_int_equal(one.items[i].place.line, four.items[i].place.line);
    }
    base_findings_free(&one);
    base_findings_free(&four);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_has_a_case),
        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_structure),
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
