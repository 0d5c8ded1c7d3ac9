/* Policy files: defaults, every setting, and what is refused with which place and hint. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "sign/policy.h"

/* Reads a policy from text. */
static int read_text(const char *text, struct base_findings *findings, struct sign_policy *policy)
{
    char path[] = "/tmp/kenter-policy-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, strlen(text)), (ssize_t)strlen(text));
    close(file);
    int status = sign_policy_read(path, findings, policy);
    unlink(path);
    return status;
}

static void assert_same(const struct sign_policy *a, const struct sign_policy *b)
{
    assert_int_equal(a->validity, b->validity);
    assert_int_equal(a->refresh, b->refresh);
    assert_int_equal(a->inception, b->inception);
    assert_int_equal(a->jitter, b->jitter);
    assert_int_equal(a->algorithm, b->algorithm);
    assert_int_equal(a->rsa_bits, b->rsa_bits);
    assert_int_equal(a->csk, b->csk);
    assert_int_equal(a->dnskey_ttl, b->dnskey_ttl);
    assert_int_equal(a->denial, b->denial);
    assert_int_equal(a->opt_out, b->opt_out);
    assert_int_equal(a->nsec3_iterations, b->nsec3_iterations);
    assert_int_equal(a->nsec3_salt_length, b->nsec3_salt_length);
    assert_int_equal(a->serial, b->serial);
    assert_int_equal(a->cds, b->cds);
    assert_int_equal(a->cdnskey, b->cdnskey);
    assert_memory_equal(a->cds_digests, b->cds_digests, sizeof(a->cds_digests));
    assert_int_equal(a->zonemd, b->zonemd);
}

/* The example names every setting, at its default. */
static void test_example(void **state)
{
    struct base_findings findings;
    struct sign_policy policy, standard;
    base_findings_init(&findings, 100);
    memset(&policy, 0xa5, sizeof(policy));
    sign_policy_default(&standard);
    assert_int_equal(sign_policy_read(TEST_DATA "/../examples/policy.yaml", &findings, &policy),
                     BASE_OK);
    assert_int_equal(findings.count, 0);
    assert_same(&policy, &standard);
    base_findings_free(&findings);
}

static void test_all_settings(void **state)
{
    static const char text[] = "signatures:\n  validity: 30d\n  refresh: 10d\n  inception: 2h\n"
                               "  jitter: 36h\n"
                               "keys:\n  algorithm: 8\n  rsa-bits: 3072\n  csk: false\n"
                               "  dnskey-ttl: soa\n"
                               "denial:\n  type: nsec3\n  opt-out: true\n  iterations: 5\n"
                               "  salt: \"aAbB\"\n"
                               "apex:\n  serial: date\n  cds: false\n  cdnskey: false\n"
                               "  cds-digests: [4, 2]\n  zonemd: sha512\n";
    struct base_findings findings;
    struct sign_policy policy;
    base_findings_init(&findings, 100);
    assert_int_equal(read_text(text, &findings, &policy), BASE_OK);
    const struct sign_policy expected = {.validity = 30 * 86400,
                                         .refresh = 10 * 86400,
                                         .inception = 7200,
                                         .jitter = 36 * 3600,
                                         .algorithm = 8,
                                         .rsa_bits = 3072,
                                         .denial = SIGN_NSEC3,
                                         .opt_out = true,
                                         .nsec3_iterations = 5,
                                         .nsec3_salt_length = 2,
                                         .serial = SIGN_SERIAL_DATE,
                                         .cds_digests = {4, 2},
                                         .zonemd = 2};
    assert_same(&policy, &expected);
    assert_memory_equal(policy.nsec3_salt, "\xaa\xbb", 2);
    /* What RFC 9276 advises against is said, not refused. */
    assert_int_equal(findings.by_code[SIGN_POLICY_ADVICE], 2);
    assert_false(base_findings_bad(&findings));
    base_findings_free(&findings);
}

static void test_empty(void **state)
{
    struct base_findings findings;
    struct sign_policy policy, standard;
    base_findings_init(&findings, 100);
    sign_policy_default(&standard);
    assert_int_equal(read_text("", &findings, &policy), BASE_OK);
    assert_same(&policy, &standard);
    assert_int_equal(read_text("# nothing\nsignatures:\n", &findings, &policy), BASE_OK);
    assert_same(&policy, &standard);
    base_findings_free(&findings);
}

struct refusal {
    const char *text;
    unsigned line, column;
    const char *says;
};

static const struct refusal refusals[] = {
    {"signature:\n  validity: 1d\n", 1, 0, "did you mean \"signatures\""},
    {"signatures:\n  validty: 14d\n", 2, 0, "did you mean \"validity\""},
    {"apex:\n  zzzzzzzzzz: 1\n", 2, 0, "there is no setting \"zzzzzzzzzz\""},
    {"apex:\n  algorithm: 13\n", 2, 0, "belongs into section \"keys\""},
    {"validity: 14d\n", 1, 0, "belongs into section \"signatures\""},
    {"signatures:\n  jitter: 1h\n  jitter: 2h\n", 3, 0, "twice"},
    {"keys:\n  csk: true\nkeys:\n  csk: true\n", 3, 0, "twice"},
    {"signatures:\n  validity: fortnight\n", 2, 13, "is not a duration"},
    {"signatures:\n  validity: 0\n", 2, 13, "is not a duration"},
    {"signatures:\n  validity: -3d\n", 2, 13, "is not a duration"},
    {"signatures:\n  validity: 99999999d\n", 2, 13, "is not a duration"},
    {"signatures:\n  validity: [1d]\n", 2, 13, "is not a duration"},
    {"signatures: 14d\n", 1, 0, "must hold settings"},
    {"- signatures\n", 1, 0, "consists of sections"},
    {"keys:\n  algorithm: 5\n", 2, 14, "is not an algorithm"},
    {"keys:\n  algorithm: ROT13\n", 2, 14, "is not an algorithm"},
    {"keys:\n  rsa-bits: 512\n", 2, 13, "from 1024 to 4096"},
    {"keys:\n  csk: yes\n", 2, 8, "true or false"},
    {"denial:\n  type: NSEC5\n", 2, 9, "nsec or nsec3"},
    {"denial:\n  salt: \"abc\"\n", 2, 9, "hexadecimal"},
    {"denial:\n  iterations: 2501\n", 2, 15, "from 0 to 2500"},
    {"denial:\n  iterations: 1x\n", 2, 15, "from 0 to 2500"},
    {"apex:\n  serial: random\n", 2, 11, "keep, increment"},
    {"apex:\n  cds-digests: [1]\n", 2, 0, "digest types"},
    {"apex:\n  cds-digests: [2, 2]\n", 2, 0, "digest types"},
    {"apex:\n  cds-digests: []\n", 0, 0, "empty"},
    {"apex:\n  zonemd: md5\n", 2, 11, "none, sha384"},
    {"signatures:\n  refresh: 14d\n", 0, 0, "shorter than validity"},
    {"signatures:\n  jitter: 7d\n", 0, 0, "jitter"},
    {"signatures:\n  validity: 400d\n", 0, 0, "366 days"},
    {"signatures:\n  inception: 400d\n", 0, 0, "366 days"},
    {"keys:\n  dnskey-ttl: 8d\n", 0, 0, "dnskey-ttl"},
    {"denial:\n  opt-out: true\n", 0, 0, "needs type nsec3"},
};

static void test_refusals(void **state)
{
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        const struct refusal *refusal = &refusals[i];
        struct base_findings findings;
        struct sign_policy policy = {.validity = 12345};
        base_findings_init(&findings, 100);
        assert_int_equal(read_text(refusal->text, &findings, &policy), BASE_EREFUSED);
        assert_int_equal(policy.validity, 12345);
        bool found = false;
        for (size_t f = 0; f < findings.count; f++) {
            const struct base_finding *finding = &findings.items[f];
            found |= finding->code == POLICY_INVALID &&
                     strstr(finding->message, refusal->says) != NULL &&
                     finding->place.line == refusal->line &&
                     (refusal->column == 0 || finding->place.column == refusal->column);
        }
        if (!found) {
            print_error("%s", refusal->text);
            for (size_t f = 0; f < findings.count; f++)
                print_error("  %u:%u: %s\n", findings.items[f].place.line,
                            findings.items[f].place.column, findings.items[f].message);
        }
        assert_true(found);
        base_findings_free(&findings);
    }
}

static void test_missing_file(void **state)
{
    struct base_findings findings;
    struct sign_policy policy;
    base_findings_init(&findings, 100);
    assert_int_equal(sign_policy_read("/nonexistent/policy.yaml", &findings, &policy), BASE_EIO);
    assert_int_equal(findings.by_code[FILE_UNREADABLE], 1);
    base_findings_free(&findings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example),      cmocka_unit_test(test_all_settings),
        cmocka_unit_test(test_empty),        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_missing_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
