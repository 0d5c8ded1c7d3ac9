/* Canonical form and order of rdata, bitmaps, rdata in messages, scalars. */
#include "base/error.h"
#include "dns/rdata_table.h"
#include "dns/scalar.h"
#include "rdata_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

static size_t read_text(uint16_t type, const char *text, uint8_t *out, bool *canonical)
{
    size_t length = 0;
    struct dns_rdata_problem problem = {.message = "none"};
    if (test_rdata_text(type, text, strlen(text), NULL, out, &length, canonical, &problem) !=
        BASE_OK)
        fail_msg("%s: %s", text, problem.message);
    return length;
}

/* Text, and its canonical form as text; the same where names keep their case. */
static void test_lower_case(void **state)
{
    (void)state;
    static const struct {
        const char *type, *text, *canonical;
    } cases[] = {
        {"NS", "Ns.EXAMPLE.", "ns.example."},
        {"CNAME", "A.", "a."},
        {"SOA", "A. B. 1 2 3 4 5", "a. b. 1 2 3 4 5"},
        {"PTR", "A.", "a."},
        {"MX", "1 A.", "1 a."},
        {"MINFO", "A. B.", "a. b."},
        {"RP", "A. B.", "a. b."},
        {"AFSDB", "1 A.", "1 a."},
        {"RT", "1 A.", "1 a."},
        {"SIG", "A 5 1 1 20030322173103 20030220173103 1 A. AQ==",
         "A 5 1 1 20030322173103 20030220173103 1 a. AQ=="},
        {"PX", "1 A. B.", "1 a. b."},
        {"NXT", "A. A", "a. A"},
        {"NAPTR", "1 1 \"U\" \"S\" \"R\" A.", "1 1 \"U\" \"S\" \"R\" a."},
        {"KX", "1 A.", "1 a."},
        {"SRV", "1 1 1 A.", "1 1 1 a."},
        {"DNAME", "A.", "a."},
        {"A6", "128 A.", "128 a."},
        {"RRSIG", "A 5 1 1 20030322173103 20030220173103 1 A. AQ==",
         "A 5 1 1 20030322173103 20030220173103 1 a. AQ=="},
        /* RFC 6840 section 5.1, RFC 3597 section 7 */
        {"NSEC", "A. A", "A. A"},
        {"HINFO", "A B", "\"A\" \"B\""},
        {"TXT", "A", "\"A\""},
        {"LP", "1 A.", "1 A."},
        {"SVCB", "1 A.", "1 A."},
        {"DSYNC", "CDS NOTIFY 1 A.", "CDS NOTIFY 1 A."},
        {"IPSECKEY", "1 3 1 A. AQ==", "1 3 1 A. AQ=="},
        {"HIP", "2 AB AQ== A.", "2 AB AQ== A."},
        {"TALINK", "A. B.", "A. B."},
        {"NSAP-PTR", "A.", "A."},
    };
    static uint8_t rdata[DNS_RDATA_MAX], lower[DNS_RDATA_MAX];
    struct base_buf buf;
    base_buf_init(&buf, 1 << 20);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint16_t type = 0;
        assert_int_equal(dns_type_from_text(cases[i].type, strlen(cases[i].type), &type), BASE_OK);
        bool canonical;
        size_t length = read_text(type, cases[i].text, rdata, &canonical);
        dns_rdata_canonical(type, rdata, length, lower);
        assert_int_equal(canonical, memcmp(rdata, lower, length) == 0);
        base_buf_reset(&buf);
        dns_rdata_to_text(&buf, type, lower, length, DNS_TEXT_PLAIN);
        assert_string_equal(base_buf_string(&buf), cases[i].canonical);
        /* In place, and with the generic form. */
        base_buf_reset(&buf);
        dns_rdata_to_text(&buf, type, rdata, length, DNS_TEXT_GENERIC);
        bool generic_canonical;
        read_text(type, base_buf_string(&buf), rdata, &generic_canonical);
        assert_int_equal(generic_canonical, canonical);
        dns_rdata_canonical(type, rdata, length, rdata);
        assert_memory_equal(rdata, lower, length);
    }
    base_buf_free(&buf);
}

static struct dns_rr *make_rr(uint16_t type, const char *text)
{
    static uint8_t rdata[DNS_RDATA_MAX];
    bool canonical;
    size_t length = read_text(type, text, rdata, &canonical);
    struct dns_rr *rr = calloc(1, DNS_RR_SIZE(length));
    assert_non_null(rr);
    rr->type = type;
    rr->length = (uint16_t)length;
    rr->canonical = canonical;
    memcpy(rr->rdata, rdata, length);
    return rr;
}

static int sign_of(int value)
{
    return (value > 0) - (value < 0);
}

static void require_order(uint16_t type, const char *a, const char *b, int order)
{
    struct dns_rr *left = make_rr(type, a), *right = make_rr(type, b);
    assert_int_equal(sign_of(dns_rdata_compare(left, right)), order);
    assert_int_equal(sign_of(dns_rdata_compare(right, left)), -order);
    free(left);
    free(right);
}

static void test_order(void **state)
{
    (void)state;
    require_order(DNS_TYPE_A, "1.2.3.4", "1.2.3.5", -1);
    require_order(DNS_TYPE_A, "200.2.3.4", "1.2.3.5", 1);
    require_order(DNS_TYPE_TXT, "a", "\"a\" \"\"", -1);
    require_order(DNS_TYPE_TXT, "A", "a", -1);
    require_order(DNS_TYPE_NS, "B.", "a.", 1);
    require_order(DNS_TYPE_NS, "A.", "a.", 0);
    require_order(DNS_TYPE_NS, "[.", "a.", -1);
    require_order(DNS_TYPE_NS, "[.", "A.", -1);
    require_order(DNS_TYPE_MX, "20 A.", "10 b.", 1);
    require_order(DNS_TYPE_SOA, "A. B. 66 2 3 4 5", "a. b. 97 2 3 4 5", -1);
    require_order(DNS_TYPE_SOA, "A. B. 65 2 3 4 5", "a. b. 97 2 3 4 5", -1);
    require_order(DNS_TYPE_NSEC, "A. A", "a. A", -1);
    require_order(65280, "\\# 0", "\\# 1 00", -1);
    require_order(DNS_TYPE_RRSIG, "A 5 1 1 20030322173103 20030220173103 1 A. QUE=",
                  "A 5 1 1 20030322173103 20030220173103 1 a. YWE=", -1);
}

static void test_bitmap(void **state)
{
    (void)state;
    /* RFC 4034 section 4.3 */
    static const uint8_t expected[] = "\x00\x06\x40\x01\x00\x00\x00\x03\x04\x1b\0\0\0\0\0\0\0\0\0"
                                      "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x20";
    static const uint16_t types[] = {1, 15, 46, 47, 1234};
    uint8_t bitmap[DNS_BITMAP_MAX];
    size_t length = dns_bitmap_make(bitmap, types, 5);
    assert_int_equal(length, 37);
    assert_memory_equal(bitmap, expected, 37);
    assert_int_equal(dns_bitmap_check(bitmap, length), BASE_OK);
    int type = -1;
    for (size_t i = 0; i < 5; i++) {
        type = dns_bitmap_next(bitmap, length, (uint32_t)type + 1);
        assert_int_equal(type, types[i]);
        assert_true(dns_bitmap_has(bitmap, length, types[i]));
        assert_false(dns_bitmap_has(bitmap, length, (uint16_t)(types[i] + 3)));
    }
    assert_int_equal(dns_bitmap_next(bitmap, length, 1235), -1);
    assert_int_equal(dns_bitmap_next(bitmap, length, 65536), -1);
    assert_false(dns_bitmap_has(bitmap, length, 65535));
    assert_false(dns_bitmap_has(bitmap, 0, 1));
    static uint16_t all[65536];
    for (size_t i = 0; i < 65536; i++)
        all[i] = (uint16_t)i;
    assert_int_equal(dns_bitmap_make(bitmap, all, 65536), DNS_BITMAP_MAX);
    assert_int_equal(dns_bitmap_check(bitmap, DNS_BITMAP_MAX), BASE_OK);
    assert_int_equal(dns_bitmap_next(bitmap, DNS_BITMAP_MAX, 65535), 65535);
    static const struct {
        const char *octets;
        size_t length;
    } bad[] = {{"\0", 1},       {"\0\0", 2},         {"\0\1", 2},         {"\0\1\0", 3},
               {"\0\2\1\0", 4}, {"\1\1\1\0\1\1", 6}, {"\0\1\1\0\1\1", 6}, {"\0\41", 35}};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        uint8_t octets[40] = {0};
        memcpy(octets, bad[i].octets,
               bad[i].length < 6    ? bad[i].length
               : bad[i].length > 30 ? 2
                                    : 6);
        assert_int_equal(dns_bitmap_check(octets, bad[i].length), BASE_EFORMAT);
    }
}

static void test_compressed(void **state)
{
    (void)state;
    /* "example.com" at 0, "mx" + pointer at 13. */
    static const uint8_t message[] = "\7example\3com\0" /* 0 */
                                     "\0\12\2mx\300\0"  /* 13: MX */
                                     "\300\17\1"        /* 20: NS by pointer; one octet more */
                                     "\300\27";         /* 23: a pointer to itself */
    uint8_t out[DNS_RDATA_MAX];
    size_t length;
    assert_int_equal(dns_rdata_from_wire(DNS_TYPE_MX, message, 25, 13, 7, out, &length), BASE_OK);
    assert_int_equal(length, 2 + 16);
    assert_memory_equal(out, "\0\12\2mx\7example\3com", 18);
    assert_int_equal(dns_rdata_from_wire(DNS_TYPE_NS, message, 25, 20, 2, out, &length), BASE_OK);
    assert_memory_equal(out, "\2mx\7example\3com", 16);
    assert_int_equal(dns_rdata_from_wire(DNS_TYPE_NS, message, 25, 20, 3, out, &length),
                     BASE_EFORMAT);
    assert_int_equal(dns_rdata_from_wire(DNS_TYPE_NS, message, 25, 20, 1, out, &length),
                     BASE_EFORMAT);
    assert_int_equal(dns_rdata_from_wire(DNS_TYPE_NS, message, 25, 23, 2, out, &length),
                     BASE_EFORMAT);
    assert_int_equal(dns_rdata_from_wire(DNS_TYPE_NS, message, 25, 24, 2, out, &length),
                     BASE_EFORMAT);
    /* DNAME and NSEC must not be compressed (RFC 3597 section 4). */
    assert_int_equal(dns_rdata_from_wire(DNS_TYPE_DNAME, message, 25, 20, 2, out, &length),
                     BASE_EFORMAT);
    assert_int_equal(dns_rdata_from_wire(65280, message, 25, 20, 2, out, &length), BASE_OK);
    assert_memory_equal(out, "\300\17", 2);
}

static void test_times(void **state)
{
    (void)state;
    char text[DNS_SCALAR_TIME];
    uint32_t back;
    for (uint64_t value = 0; value <= UINT32_MAX; value += 86399 * 7) {
        assert_int_equal(dns_scalar_put_time(text, (uint32_t)value), 14);
        assert_true(dns_scalar_time(text, 14, &back));
        assert_int_equal(back, value);
    }
    assert_true(dns_scalar_time("20000229000000", 14, &back));
    assert_int_equal(back, 951782400);
    assert_false(dns_scalar_time("21000229000000", 14, &back));
    assert_true(dns_scalar_time("1704067200", 10, &back));
    assert_int_equal(back, 1704067200);
    assert_false(dns_scalar_time("4294967296", 10, &back));
    assert_false(dns_scalar_time("20240101240000", 14, &back));
}

static void test_ttls(void **state)
{
    (void)state;
    uint32_t value;
    assert_true(dns_scalar_ttl("1w2D3h4M5s", 10, &value));
    assert_int_equal(value, 604800 + 2 * 86400 + 3 * 3600 + 4 * 60 + 5);
    assert_true(dns_scalar_ttl("4294967295", 10, &value));
    assert_int_equal(value, UINT32_MAX);
    static const char *const bad[] = {
        "", "h", "1h1", "4294967296", "7102w", "1y", "-1", "1 h", "99999999999999999999999999"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(dns_scalar_ttl(bad[i], strlen(bad[i]), &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lower_case), cmocka_unit_test(test_order),
        cmocka_unit_test(test_bitmap),     cmocka_unit_test(test_compressed),
        cmocka_unit_test(test_times),      cmocka_unit_test(test_ttls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
