/* Names: text and wire, limits, canonical order (RFC 4034 section 6.1), keys. */
#include "base/error.h"
#include "dns/name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

static uint64_t random_state = 20260101;

static uint32_t random_below(uint32_t bound)
{
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(random_state >> 33) % bound;
}

static void parse(uint8_t out[DNS_NAME_MAX], const char *text)
{
    size_t length = 0;
    assert_int_equal(dns_name_from_text(out, &length, text, strlen(text), NULL), BASE_OK);
    assert_int_equal(length, dns_name_length(out));
}

static void test_text_to_wire(void **state)
{
    (void)state;
    uint8_t name[DNS_NAME_MAX];
    parse(name, "www.Example.com.");
    assert_memory_equal(name, "\3www\7Example\3com", 17);
    assert_int_equal(dns_name_length(name), 17);
    assert_int_equal(dns_name_labels(name), 3);
    parse(name, ".");
    assert_memory_equal(name, "", 1);
    parse(name, "\\046\\.a\\000.b.");
    assert_memory_equal(name, "\4..a\0\1b", 8);
    parse(name, "a-label-of-some-length.under_score.x.");
    assert_int_equal(dns_name_length(name), 38);
}

static void test_relative_text(void **state)
{
    (void)state;
    uint8_t origin[DNS_NAME_MAX], name[DNS_NAME_MAX];
    size_t length;
    parse(origin, "example.com.");
    assert_int_equal(dns_name_from_text(name, &length, "@", 1, origin), BASE_OK);
    assert_true(dns_name_equal(name, origin));
    assert_int_equal(dns_name_from_text(name, &length, "www", 3, origin), BASE_OK);
    assert_memory_equal(name, "\3www\7example\3com", 17);
    assert_int_equal(length, 17);
    assert_int_equal(dns_name_from_text(name, &length, "\\@", 2, origin), BASE_OK);
    assert_memory_equal(name, "\1@\7example\3com", 15);
    assert_int_equal(dns_name_from_text(name, &length, "www", 3, NULL), BASE_EFORMAT);
    assert_int_equal(dns_name_from_text(name, &length, "@", 1, NULL), BASE_EFORMAT);
}

static void test_bad_text(void **state)
{
    (void)state;
    static const char *const bad[] = {"",     "..",    ".a.",    "a..b.",      "a..",
                                      "\\",   "a\\",   "a\\1.",  "a\\12.",     "\\256.",
                                      "a.\\", "\\...", "\\30a.", "12345678..", "1234567..9."};
    uint8_t origin[1] = {0};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        uint8_t name[DNS_NAME_MAX];
        size_t length = 4711;
        int error = dns_name_from_text(name, &length, bad[i], strlen(bad[i]), origin);
        if (error != BASE_EFORMAT)
            fail_msg("%s: %d", bad[i], error);
        assert_int_equal(length, 4711);
    }
}

/* A text of labels with the lengths given, each followed by a dot. */
static size_t labels_text(char *out, const unsigned *lengths, size_t count, bool escaped)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        for (unsigned j = 0; j < lengths[i]; j++)
            at += (size_t)sprintf(out + at, escaped ? "\\%03u" : "%c",
                                  escaped ? 200u : 'a' + (unsigned)i);
        out[at++] = '.';
    }
    return at;
}

static void test_limits(void **state)
{
    (void)state;
    char text[2048];
    uint8_t name[DNS_NAME_MAX];
    size_t length;
    for (int escaped = 0; escaped < 2; escaped++) {
        const unsigned largest[] = {63, 63, 63, 61};
        size_t size = labels_text(text, largest, 4, escaped);
        assert_int_equal(dns_name_from_text(name, &length, text, size, NULL), BASE_OK);
        assert_int_equal(length, 255);
        char back[DNS_NAME_TEXT];
        assert_int_equal(dns_name_to_text(back, name), size);
        assert_memory_equal(back, text, size);
        uint8_t key[DNS_KEY_MAX];
        assert_int_equal(dns_name_key(key, name, 0), 254);
        assert_int_equal(dns_name_from_text(name, &length, text, size - 1, (uint8_t[]){0}),
                         BASE_OK);
        assert_int_equal(dns_name_from_text(name, &length, text, size - 1, (uint8_t[]){1, 'x', 0}),
                         BASE_ERANGE);
        const unsigned too_long[] = {63, 63, 63, 62};
        size = labels_text(text, too_long, 4, escaped);
        assert_int_equal(dns_name_from_text(name, &length, text, size, NULL), BASE_ERANGE);
        const unsigned long_label[] = {2, 64};
        size = labels_text(text, long_label, 2, escaped);
        assert_int_equal(dns_name_from_text(name, &length, text, size, NULL), BASE_ERANGE);
    }
    unsigned ones[128];
    for (size_t i = 0; i < 128; i++)
        ones[i] = 1;
    size_t size = labels_text(text, ones, 127, false);
    assert_int_equal(dns_name_from_text(name, &length, text, size, NULL), BASE_OK);
    assert_int_equal(length, 255);
    assert_int_equal(dns_name_labels(name), 127);
    assert_int_equal(dns_name_compare(name, name), 0);
    size = labels_text(text, ones, 128, false);
    assert_int_equal(dns_name_from_text(name, &length, text, size, NULL), BASE_ERANGE);
    memset(text, 'a', sizeof(text));
    assert_int_equal(dns_name_from_text(name, &length, text, sizeof(text), NULL), BASE_ERANGE);
    memset(text, '.', sizeof(text));
    assert_int_equal(dns_name_from_text(name, &length, text, sizeof(text), NULL), BASE_EFORMAT);
}

static void test_check_wire(void **state)
{
    (void)state;
    size_t used = 0;
    const uint8_t good[] = "\3www\7example\3com\0rest";
    assert_int_equal(dns_name_check(good, sizeof(good), &used), BASE_OK);
    assert_int_equal(used, 17);
    assert_int_equal(dns_name_check(good, 17, &used), BASE_OK);
    assert_int_equal(dns_name_check(good, 16, &used), BASE_EFORMAT);
    assert_int_equal(dns_name_check(good, 0, &used), BASE_EFORMAT);
    assert_int_equal(dns_name_check((const uint8_t *)"\100a", 3, &used), BASE_EFORMAT);
    assert_int_equal(dns_name_check((const uint8_t *)"\300\0", 2, &used), BASE_EFORMAT);
    uint8_t wire[300];
    memset(wire, 'x', sizeof(wire));
    wire[0] = wire[64] = wire[128] = 63;
    wire[192] = 61;
    wire[254] = 0;
    assert_int_equal(dns_name_check(wire, sizeof(wire), &used), BASE_OK);
    assert_int_equal(used, 255);
    wire[192] = 62;
    wire[255] = 0;
    assert_int_equal(dns_name_check(wire, sizeof(wire), &used), BASE_EFORMAT);
}

static void test_to_text(void **state)
{
    (void)state;
    char text[DNS_NAME_TEXT];
    assert_string_equal(dns_name_text(text, (const uint8_t *)""), ".");
    assert_string_equal(dns_name_text(text, (const uint8_t *)"\15"
                                                             "a.;()\"\\@$ \1\177\377"
                                                             "\1b"),
                        "a\\.\\;\\(\\)\\\"\\\\\\@\\$\\032\\001\\127\\255.b.");
    assert_string_equal(dns_name_text(text, (const uint8_t *)"\15*-_aAzZ09/`{["
                                                             "\11"
                                                             "abcdefghi"),
                        "*-_aAzZ09/\\`\\{\\091.abcdefghi.");
}

static void test_relations(void **state)
{
    (void)state;
    uint8_t a[DNS_NAME_MAX], b[DNS_NAME_MAX], lower[DNS_NAME_MAX];
    parse(a, "a.b.Example.COM.");
    parse(b, "example.com.");
    assert_true(dns_name_within(a, b));
    assert_true(dns_name_within(b, b));
    assert_false(dns_name_within(b, a));
    assert_true(dns_name_within(a, (const uint8_t *)""));
    assert_true(dns_name_equal(dns_name_parent(a, 2), b));
    assert_int_equal(dns_name_common(a, b), 2);
    assert_int_equal(dns_name_hash(dns_name_parent(a, 2)), dns_name_hash(b));
    assert_int_equal(dns_name_lower(lower, a), 17);
    assert_memory_equal(lower, "\1a\1b\7example\3com", 17);
    parse(a, "notexample.com.");
    assert_false(dns_name_within(a, b));
    assert_int_equal(dns_name_common(a, b), 1);
    /* The octets end alike, but not at a label. */
    assert_false(dns_name_within((const uint8_t *)"\4\3com", (const uint8_t *)"\3com"));
    assert_true(dns_name_is_wildcard((const uint8_t *)"\1*\3com"));
    assert_false(dns_name_is_wildcard((const uint8_t *)"\2**\3com"));
    assert_false(dns_name_is_wildcard((const uint8_t *)""));
    assert_int_equal(*dns_name_parent(a, 9), 0);
}

static int sign_of(int value)
{
    return (value > 0) - (value < 0);
}

static int compare_keys(const uint8_t *a, const uint8_t *b, unsigned skip)
{
    uint8_t key_a[DNS_KEY_MAX], key_b[DNS_KEY_MAX];
    size_t length_a = dns_name_key(key_a, a, skip), length_b = dns_name_key(key_b, b, skip);
    int order = memcmp(key_a, key_b, length_a < length_b ? length_a : length_b);
    return order != 0 ? sign_of(order) : sign_of((int)length_a - (int)length_b);
}

static void test_order_of_the_rfc(void **state)
{
    (void)state;
    /* RFC 4034 section 6.1 */
    static const char *const sorted[] = {
        "example.",         "a.example.",      "yljkjljk.a.example.",
        "Z.a.example.",     "zABC.a.EXAMPLE.", "z.example.",
        "\\001.z.example.", "*.z.example.",    "\\200.z.example."};
    for (size_t i = 0; i < ARRAY_SIZE(sorted); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(sorted); j++) {
            uint8_t a[DNS_NAME_MAX], b[DNS_NAME_MAX];
            parse(a, sorted[i]);
            parse(b, sorted[j]);
            int want = (i > j) - (i < j);
            assert_int_equal(sign_of(dns_name_compare(a, b)), want);
            assert_int_equal(compare_keys(a, b, 0), want);
            assert_int_equal(compare_keys(a, b, 1), want);
        }
    }
}

static size_t random_name(uint8_t *out)
{
    static const uint8_t interesting[] = {0,   1,   2,   'a', 'A', 'b', 'Z',
                                          'z', '[', '@', '.', '-', 255, 0xc1};
    size_t at = 0;
    unsigned labels = random_below(8);
    for (unsigned i = 0; i < labels; i++) {
        unsigned length = 1 + random_below(random_below(4) == 0 ? 30 : 3);
        out[at++] = (uint8_t)length;
        for (unsigned j = 0; j < length; j++)
            out[at++] = random_below(8) == 0 ? (uint8_t)random_below(256)
                                             : interesting[random_below(sizeof(interesting))];
    }
    out[at++] = 0;
    return at;
}

/* The order once more, written down as plainly as can be. */
static int plain_compare(const uint8_t *a, const uint8_t *b)
{
    unsigned labels_a = dns_name_labels(a), labels_b = dns_name_labels(b);
    for (unsigned i = 1; i <= labels_a && i <= labels_b; i++) {
        const uint8_t *x = dns_name_parent(a, labels_a - i), *y = dns_name_parent(b, labels_b - i);
        for (unsigned j = 1; j <= x[0] && j <= y[0]; j++) {
            int left = x[j] >= 'A' && x[j] <= 'Z' ? x[j] + 32 : x[j];
            int right = y[j] >= 'A' && y[j] <= 'Z' ? y[j] + 32 : y[j];
            if (left != right)
                return left - right;
        }
        if (x[0] != y[0])
            return (int)x[0] - (int)y[0];
    }
    return (int)labels_a - (int)labels_b;
}

static void test_random_names(void **state)
{
    (void)state;
    for (int round = 0; round < 100000; round++) {
        uint8_t a[DNS_NAME_MAX], b[DNS_NAME_MAX], back[DNS_NAME_MAX];
        size_t length = random_name(a), parsed = 0, used = 0;
        random_name(b);
        int order = sign_of(plain_compare(a, b));
        assert_int_equal(sign_of(dns_name_compare(a, b)), order);
        assert_int_equal(compare_keys(a, b, 0), order);
        assert_int_equal(dns_name_equal(a, b), order == 0);
        if (order == 0)
            assert_int_equal(dns_name_hash(a), dns_name_hash(b));
        char text[DNS_NAME_TEXT];
        size_t size = dns_name_to_text(text, a);
        assert_int_equal(dns_name_from_text(back, &parsed, text, size, NULL), BASE_OK);
        assert_int_equal(parsed, length);
        assert_memory_equal(back, a, length);
        assert_int_equal(dns_name_check(a, length, &used), BASE_OK);
        assert_int_equal(used, length);
        dns_name_lower(back, a);
        assert_true(dns_name_equal(back, a));
        for (size_t i = 0; i < length; i++)
            assert_int_equal(back[i], dns_lower[a[i]]);
    }
}

static void test_ancestors_key_is_a_prefix(void **state)
{
    (void)state;
    uint8_t name[DNS_NAME_MAX], key[DNS_KEY_MAX], longer[DNS_KEY_MAX];
    parse(name, "host.sub.\\001\\000.example.");
    size_t length = dns_name_key(key, dns_name_parent(name, 1), 1);
    size_t longer_length = dns_name_key(longer, name, 1);
    assert_int_equal(length, 5 + 4);
    assert_memory_equal(key, "\1\2\1\1\0sub", 9);
    assert_memory_equal(longer, key, length);
    assert_int_equal(longer_length, length + 5);
    assert_int_equal(dns_name_key(key, name, 4), 0);
    assert_int_equal(dns_name_key(key, name, 9), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_to_wire), cmocka_unit_test(test_relative_text),
        cmocka_unit_test(test_bad_text),     cmocka_unit_test(test_limits),
        cmocka_unit_test(test_check_wire),   cmocka_unit_test(test_to_text),
        cmocka_unit_test(test_relations),    cmocka_unit_test(test_order_of_the_rfc),
        cmocka_unit_test(test_random_names), cmocka_unit_test(test_ancestors_key_is_a_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
