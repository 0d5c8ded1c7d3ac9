/* Trust anchors: all forms in which they come, what is refused, and looking them up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/file.h"
#include "validate/anchors.h"
#include "validate/signals.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOW 1763800000

static const uint8_t root[1] = {0};

static const uint8_t *name_of(uint8_t out[DNS_NAME_MAX], const char *text)
{
    size_t length;
    assert_int_equal(dns_name_from_text(out, &length, text, strlen(text), root), BASE_OK);
    return out;
}

static struct validate_anchors *new_anchors(void)
{
    struct validate_anchors *anchors;
    assert_int_equal(validate_anchors_new(&anchors), BASE_OK);
    return anchors;
}

static struct validate_anchors *read_golden(const char *file)
{
    char path[512];
    struct base_findings findings;
    struct validate_anchors *anchors = new_anchors();
    snprintf(path, sizeof(path), "%s/golden/anchors/%s", TEST_DATA, file);
    base_findings_init(&findings, 10);
    int error = validate_anchors_read_file(anchors, path, &findings);
    if (findings.count > 0)
        print_message("%s\n", findings.items[0].message);
    assert_int_equal(error, BASE_OK);
    assert_int_equal(findings.count, 0);
    base_findings_free(&findings);
    return anchors;
}

static void assert_tags(const struct validate_anchors *anchors, base_time now, size_t count,
                        uint16_t first, uint16_t second)
{
    uint16_t tags[4] = {0};
    assert_int_equal(validate_anchors_tags(anchors, root, now, tags, 4), count);
    if (count > 0)
        assert_int_equal(tags[0], first);
    if (count > 1)
        assert_int_equal(tags[1], second);
}

/* What is built in is what the distribution's package has. */
static void built_in(void **state)
{
    (void)state;
    struct validate_anchors *anchors = new_anchors();
    struct base_findings findings;
    size_t count;
    assert_int_equal(validate_anchors_add_root(anchors), BASE_OK);
    assert_int_equal(validate_anchors_add_root(anchors), BASE_OK);
    assert_tags(anchors, NOW, 2, 20326, 38696);
    base_findings_init(&findings, 10);
    static const char *const files[] = {"/usr/share/dns/root.ds", "/usr/share/dns/root.key"};
    for (size_t i = 0; i < 2; i++) {
        if (access(files[i], R_OK) != 0)
            continue;
        assert_int_equal(validate_anchors_read_file(anchors, files[i], &findings), BASE_OK);
        assert_tags(anchors, NOW, 2, 20326, 38696);
        /* The same digests: reading the DS added nothing; reading the keys added these. */
        const struct validate_anchor *list = validate_anchors_list(anchors, &count);
        assert_int_equal(count, 1);
        assert_int_equal(list[0].count, i == 0 ? 2 : 4);
    }
    base_findings_free(&findings);
    validate_anchors_free(anchors);
}

static void xml(void **state)
{
    (void)state;
    base_time until, from;
    struct validate_anchors *anchors = read_golden("root-anchors.xml");
    assert_int_equal(base_time_parse("2019-01-11", 0, &until), BASE_OK);
    assert_int_equal(base_time_parse("2024-07-18", 0, &from), BASE_OK);
    assert_tags(anchors, until - 1, 2, 19036, 20326);
    assert_tags(anchors, until, 1, 20326, 0);
    assert_tags(anchors, from - 1, 1, 20326, 0);
    assert_tags(anchors, from, 2, 20326, 38696);
    assert_tags(anchors, 0, 0, 0, 0);
    assert_null(validate_anchors_closest(anchors, root, 0));
    validate_anchors_free(anchors);
}

/* Of the state that Unbound keeps, the key that is pending is no anchor. */
static void autotrust(void **state)
{
    (void)state;
    struct validate_anchors *anchors = read_golden("root.key");
    assert_tags(anchors, NOW, 1, 20326, 0);
    validate_anchors_free(anchors);
}

static void bind(void **state)
{
    (void)state;
    uint8_t name[DNS_NAME_MAX];
    size_t count;
    struct validate_anchors *anchors = read_golden("bind.keys");
    assert_tags(anchors, NOW, 2, 20326, 38696);
    const struct validate_anchor *list = validate_anchors_list(anchors, &count);
    assert_int_equal(count, 3);
    assert_int_equal(list[0].count, 2);
    assert_non_null(validate_anchors_closest(anchors, name_of(name, "a.example.net."), NOW));
    assert_int_equal(validate_anchors_tags(anchors, name_of(name, "example.org."), NOW, NULL, 0),
                     1);
    validate_anchors_free(anchors);
    struct base_findings findings;
    base_findings_init(&findings, 10);
    anchors = new_anchors();
    if (access("/etc/bind/bind.keys", R_OK) == 0)
        assert_int_equal(validate_anchors_read_file(anchors, "/etc/bind/bind.keys", &findings),
                         BASE_OK);
    base_findings_free(&findings);
    validate_anchors_free(anchors);
}

struct refused {
    const char *text;
    enum base_finding_code code;
};

static void refusals(void **state)
{
    (void)state;
    static const struct refused cases[] = {
        {"", SYNTAX_EMPTY},
        {"; nothing but a comment\n", SYNTAX_EMPTY},
        {". IN A 192.0.2.1\n", ANCHORS_NONE},
        {". IN DS 20326 8 2 E06D\n. IN A 1.2.3\n", SYNTAX_RDATA},
        {"trust-anchors { . initial-key 257 3 8 \"AwEAA=x\"; };", ANCHORS_SYNTAX},
        {"trust-anchors { . initial-key 257 3 8 \"AwEAA", ANCHORS_SYNTAX},
        {"trust-anchors { . initial-ds 1 2 3 4 5 6 7 8 9; };", ANCHORS_SYNTAX},
        {"trust-anchors { a..b initial-ds 1 8 2 \"AA\"; };", ANCHORS_SYNTAX},
        {"trust-anchors { };", ANCHORS_NONE},
        {"<html></html>", ANCHORS_SYNTAX},
        {"<TrustAnchor>", ANCHORS_SYNTAX},
        {"<TrustAnchor></TrustAnchor>", ANCHORS_NONE},
        {"<!DOCTYPE a [<!ENTITY x \"y\">]><TrustAnchor></TrustAnchor>", ANCHORS_SYNTAX},
        {"<TrustAnchor><Zone>&dot;</Zone></TrustAnchor>", ANCHORS_SYNTAX},
        {"<TrustAnchor><Zone>.</Zone><KeyDigest></KeyDigest></TrustAnchor>", ANCHORS_SYNTAX},
        {"<TrustAnchor><KeyDigest validFrom='yesterday'>", ANCHORS_SYNTAX},
        {"<TrustAnchor></KeyDigest></TrustAnchor>", ANCHORS_SYNTAX},
        {"<TrustAnchor><KeyDigest><KeyTag>1</KeyTag></KeyDigest></TrustAnchor>", ANCHORS_SYNTAX},
        {"<TrustAnchor><Zone>.</Zone><KeyDigest><KeyTag>1</KeyTag><Algorithm>8</Algorithm>"
         "<DigestType>2</DigestType>"
         "<Digest>E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D</Digest>"
         "<PublicKey>AwEAAQ==</PublicKey></KeyDigest></TrustAnchor>",
         ANCHORS_MISMATCH},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct base_findings findings;
        size_t count;
        struct validate_anchors *anchors = new_anchors();
        base_findings_init(&findings, 10);
        int error =
            validate_anchors_read(anchors, "test", cases[i].text, strlen(cases[i].text), &findings);
        if (error != BASE_EREFUSED || findings.by_code[cases[i].code] == 0)
            print_message("%s: %s\n", cases[i].text,
                          findings.count > 0 ? findings.items[0].message : "no finding");
        assert_int_equal(error, BASE_EREFUSED);
        assert_true(findings.by_code[cases[i].code] > 0);
        validate_anchors_list(anchors, &count);
        assert_int_equal(count, 0);
        base_findings_free(&findings);
        validate_anchors_free(anchors);
    }
}

/* Keys that must not be trusted are left out, and said; others of the file stay. */
static void unfit(void **state)
{
    (void)state;
    static const char text[] = ". IN DNSKEY 385 3 13 AAAA\n"
                               ". IN DNSKEY 1 3 13 AAAA\n"
                               ". IN DNSKEY 257 3 99 AAAA\n"
                               ". IN DS 1 13 1 "
                               "0000000000000000000000000000000000000000\n";
    struct base_findings findings;
    size_t count;
    struct validate_anchors *anchors = new_anchors();
    base_findings_init(&findings, 10);
    assert_int_equal(validate_anchors_read(anchors, "test", text, strlen(text), &findings),
                     BASE_OK);
    assert_int_equal(findings.by_code[ANCHORS_UNFIT], 2);
    assert_int_equal(findings.by_code[ANCHORS_UNSUPPORTED], 2);
    assert_int_equal(validate_anchors_list(anchors, &count)[0].count, 2);
    base_findings_free(&findings);
    validate_anchors_free(anchors);
}

static void negatives(void **state)
{
    (void)state;
    static const uint8_t ds[36] = {0, 1, 13, 2};
    uint8_t name[DNS_NAME_MAX];
    struct validate_anchors *anchors = new_anchors();
    assert_int_equal(validate_anchors_add_root(anchors), BASE_OK);
    assert_int_equal(validate_anchors_add_negative(anchors, name_of(name, "example."), 0, NULL),
                     BASE_EINVAL);
    assert_int_equal(
        validate_anchors_add_negative(anchors, name_of(name, "example."), NOW + 10, "broken"),
        BASE_OK);
    assert_int_equal(
        validate_anchors_add(anchors, name_of(name, "a.example."), DNS_TYPE_DS, ds, 36, 0, 0),
        BASE_OK);
    const struct validate_negative_anchor *negative =
        validate_anchors_negative(anchors, name_of(name, "b.EXAMPLE."), NOW);
    assert_non_null(negative);
    assert_string_equal(negative->reason, "broken");
    assert_null(validate_anchors_negative(anchors, name_of(name, "b.example."), NOW + 10));
    assert_null(validate_anchors_negative(anchors, name_of(name, "x.a.example."), NOW));
    assert_null(validate_anchors_negative(anchors, name_of(name, "example2."), NOW));
    /* At the same name the negative one wins. */
    assert_int_equal(
        validate_anchors_add_negative(anchors, name_of(name, "a.example."), NOW + 10, NULL),
        BASE_OK);
    assert_non_null(validate_anchors_negative(anchors, name_of(name, "x.a.example."), NOW));
    const struct validate_anchor *anchor =
        validate_anchors_closest(anchors, name_of(name, "x.a.example."), NOW);
    assert_int_equal(anchor->name[0], 1);
    assert_int_equal(validate_anchors_add(anchors, name, DNS_TYPE_A, ds, 4, 0, 0), BASE_EFORMAT);
    assert_int_equal(validate_anchors_add(anchors, name, DNS_TYPE_DS, ds, 3, 0, 0), BASE_EFORMAT);
    validate_anchors_free(anchors);
}

static void assert_text(const uint8_t *name, const char *text)
{
    char shown[DNS_NAME_TEXT];
    assert_string_equal(dns_name_text(shown, name), text);
}

static void signals(void **state)
{
    (void)state;
    uint16_t tags[20] = {0x4f66, 0x9728};
    uint8_t name[DNS_NAME_MAX], option[2 * VALIDATE_SIGNAL_TAGS];
    assert_int_equal(validate_signal_name(root, tags, 2, name), 15);
    assert_text(name, "_ta-4f66-9728.");
    assert_int_equal(validate_signal_name(root, tags, 20, name), 65);
    assert_int_equal(validate_signal_name(root, tags, 0, name), 0);
    assert_int_equal(validate_signal_option(tags, 2, option), 4);
    assert_memory_equal(option, "\x4f\x66\x97\x28", 4);
    assert_int_equal(validate_signal_option(tags, 20, option), 24);
    static const struct {
        const char *name;
        bool fails;
    } sentinels[] = {{"root-key-sentinel-is-ta-20326.example.", false},
                     {"Root-Key-Sentinel-IS-ta-20327.example.", true},
                     {"root-key-sentinel-not-ta-20326.example.", true},
                     {"root-key-sentinel-not-ta-20327.example.", false},
                     {"root-key-sentinel-not-ta-2032.example.", false},
                     {"root-key-sentinel-is-ta-99999.example.", false},
                     {"www.example.", false}};
    for (size_t i = 0; i < sizeof(sentinels) / sizeof(sentinels[0]); i++)
        assert_int_equal(validate_sentinel_fails(name_of(name, sentinels[i].name), tags, 2),
                         sentinels[i].fails);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(built_in),  cmocka_unit_test(xml),      cmocka_unit_test(autotrust),
        cmocka_unit_test(bind),      cmocka_unit_test(refusals), cmocka_unit_test(unfit),
        cmocka_unit_test(negatives), cmocka_unit_test(signals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
