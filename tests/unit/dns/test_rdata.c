/* Rdata of all types: text to wire and back, golden bytes, what must be refused. */
#include "base/codec.h"
#include "base/error.h"
#include "dns/rdata_table.h"
#include "rdata_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

static const uint8_t origin[] = "\7example\3com";

static uint16_t type_of(const char *name)
{
    uint16_t type;
    assert_int_equal(dns_type_from_text(name, strlen(name), &type), BASE_OK);
    return type;
}

/* Reads text; fails the test with the problem when it is refused. */
static size_t read_text(const char *type, const char *text, uint8_t *out)
{
    size_t length = 0;
    bool canonical = false;
    struct dns_rdata_problem problem = {.message = "none"};
    int error = test_rdata_text(type_of(type), text, strlen(text), origin, out, &length, &canonical,
                                &problem);
    if (error != BASE_OK)
        fail_msg("%s %s: %s (%s)", type, text, problem.message, base_strerror(error));
    if (dns_rdata_check(type_of(type), out, length, &problem) != BASE_OK)
        fail_msg("%s %s: wire: %s", type, text, problem.message);
    return length;
}

static const char *write_text(struct base_buf *buf, const char *type, const uint8_t *rdata,
                              size_t length)
{
    base_buf_reset(buf);
    dns_rdata_to_text(buf, type_of(type), rdata, length, DNS_TEXT_PLAIN);
    return base_buf_string(buf);
}

/* Text as a person writes it, the octets, and the text as we write it (NULL: as it was). */
struct example {
    const char *type;
    const char *text;
    const char *hex;
    const char *printed;
};

static const struct example examples[] = {
#include "rdata_examples.inc"
};

static void test_examples(void **state)
{
    (void)state;
    static uint8_t rdata[DNS_RDATA_MAX], again[DNS_RDATA_MAX], wanted[DNS_RDATA_MAX];
    struct base_buf buf;
    base_buf_init(&buf, 1 << 20);
    for (size_t i = 0; i < ARRAY_SIZE(examples); i++) {
        const struct example *example = &examples[i];
        size_t length = read_text(example->type, example->text, rdata);
        if (example->hex != NULL) {
            size_t size;
            assert_int_equal(
                base_hex_decode(wanted, sizeof(wanted), &size, example->hex, strlen(example->hex)),
                BASE_OK);
            if (size != length || memcmp(wanted, rdata, length) != 0) {
                base_buf_reset(&buf);
                dns_rdata_to_text(&buf, type_of(example->type), rdata, length, DNS_TEXT_GENERIC);
                fail_msg("%s %s: got %s", example->type, example->text, base_buf_string(&buf));
            }
        }
        const char *text = write_text(&buf, example->type, rdata, length);
        assert_string_equal(text, example->printed != NULL ? example->printed : example->text);
        size_t again_length = read_text(example->type, text, again);
        assert_int_equal(again_length, length);
        assert_memory_equal(again, rdata, length);
    }
    base_buf_free(&buf);
}

static const struct example refused[] = {
#include "rdata_refused.inc"
};

static void test_refused(void **state)
{
    (void)state;
    static uint8_t rdata[DNS_RDATA_MAX];
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        size_t length = 4711;
        bool canonical;
        struct dns_rdata_problem problem = {.message = ""};
        int error =
            test_rdata_text(type_of(refused[i].type), refused[i].text, strlen(refused[i].text),
                            origin, rdata, &length, &canonical, &problem);
        if (error == BASE_OK)
            fail_msg("accepted: %s %s", refused[i].type, refused[i].text);
        assert_int_equal(length, 4711);
        /* A sentence that says what is wrong. */
        if (refused[i].printed != NULL)
            assert_string_equal(problem.message, refused[i].printed);
        assert_true(strlen(problem.message) > 10);
    }
}

static void test_every_type_has_an_example(void **state)
{
    (void)state;
    size_t count;
    const struct dns_rrtype *rows = dns_rrtype_rows(&count);
    for (size_t i = 0; i < count; i++) {
        bool found = (rows[i].flags & DNS_RRTYPE_OPAQUE) != 0;
        for (size_t j = 0; j < ARRAY_SIZE(examples); j++)
            found = found || strcmp(examples[j].type, rows[i].name) == 0;
        if (!found)
            fail_msg("no example of %s", rows[i].name);
        /* The table's look-up finds each row. */
        assert_ptr_equal(dns_rrtype_find(rows[i].number), &rows[i]);
        assert_int_equal(strlen(rows[i].name), rows[i].name_length);
        uint16_t type;
        assert_int_equal(dns_type_from_text(rows[i].name, rows[i].name_length, &type), BASE_OK);
        assert_int_equal(type, rows[i].number);
    }
}

static void test_type_names(void **state)
{
    (void)state;
    char text[DNS_TYPE_TEXT];
    uint16_t type;
    assert_string_equal(dns_type_text(text, 65535), "TYPE65535");
    assert_string_equal(dns_type_text(text, 0), "TYPE0");
    assert_string_equal(dns_type_text(text, 16), "TXT");
    assert_string_equal(dns_type_text(text, 32769), "DLV");
    assert_int_equal(dns_type_from_text("nsec3Param", 10, &type), BASE_OK);
    assert_int_equal(type, DNS_TYPE_NSEC3PARAM);
    assert_int_equal(dns_type_from_text("aAaA", 4, &type), BASE_OK);
    assert_int_equal(type, DNS_TYPE_AAAA);
    assert_int_equal(dns_type_from_text("type28", 6, &type), BASE_OK);
    assert_int_equal(type, DNS_TYPE_AAAA);
    assert_int_equal(dns_type_from_text("TYPE65535", 9, &type), BASE_OK);
    assert_int_equal(dns_type_from_text("TYPE65536", 9, &type), BASE_ERANGE);
    assert_int_equal(dns_type_from_text("TYPE", 4, &type), BASE_ENOENT);
    assert_int_equal(dns_type_from_text("TYPE1x", 6, &type), BASE_ENOENT);
    assert_int_equal(dns_type_from_text("", 0, &type), BASE_ENOENT);
    assert_int_equal(dns_type_from_text("A\0", 2, &type), BASE_ENOENT);
    assert_int_equal(dns_type_from_text("AAA", 3, &type), BASE_ENOENT);
    assert_true(dns_type_is_meta(DNS_TYPE_OPT));
    assert_true(dns_type_is_meta(DNS_TYPE_TSIG));
    assert_true(dns_type_is_meta(200));
    assert_false(dns_type_is_meta(DNS_TYPE_CAA));
    assert_true(dns_type_is_dnssec(DNS_TYPE_RRSIG));
    assert_true(dns_type_is_dnssec(DNS_TYPE_NSEC3PARAM));
    assert_false(dns_type_is_dnssec(DNS_TYPE_DNSKEY));
}

/* Wire rdata with octets taken away, added or changed is bad, or it is another good one that also
 * survives the way through text. */
static void require_identity_or_bad(struct base_buf *buf, const char *type, const uint8_t *rdata,
                                    size_t length)
{
    static uint8_t again[DNS_RDATA_MAX];
    uint8_t *exact = malloc(length + 1); /* so that ASan sees any step too far */
    assert_non_null(exact);
    uint8_t *start = exact + 1;
    memcpy(start, rdata, length);
    bool good = dns_rdata_check(type_of(type), start, length, NULL) == BASE_OK;
    const char *text = write_text(buf, type, start, length);
    if (good) {
        assert_int_equal(read_text(type, text, again), length);
        assert_memory_equal(again, start, length);
    } else {
        assert_memory_equal(text, "\\# ", 3);
    }
    base_buf_reset(buf);
    dns_rdata_to_json(buf, type_of(type), start, length);
    assert_int_equal(buf->data[0], '{');
    assert_int_equal(buf->data[buf->length - 1], '}');
    free(exact);
}

static void test_other_lengths(void **state)
{
    (void)state;
    static uint8_t rdata[DNS_RDATA_MAX + 1];
    struct base_buf buf;
    base_buf_init(&buf, 1 << 20);
    for (size_t i = 0; i < ARRAY_SIZE(examples); i++) {
        size_t full = read_text(examples[i].type, examples[i].text, rdata);
        rdata[full] = 7;
        for (size_t length = 0; length <= full + 1; length++)
            require_identity_or_bad(&buf, examples[i].type, rdata, length);
    }
    base_buf_free(&buf);
}

static uint64_t random_state = 20260102;

static uint32_t random_below(uint32_t bound)
{
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(random_state >> 33) % bound;
}

static void test_changed_octets(void **state)
{
    (void)state;
    static uint8_t rdata[DNS_RDATA_MAX + 8];
    struct base_buf buf;
    base_buf_init(&buf, 1 << 20);
    for (size_t i = 0; i < ARRAY_SIZE(examples); i++) {
        for (int round = 0; round < 60; round++) {
            size_t length = read_text(examples[i].type, examples[i].text, rdata);
            for (uint32_t change = random_below(4); change > 0 && length > 0; change--)
                rdata[random_below((uint32_t)length)] ^= (uint8_t)(1u << random_below(8));
            for (uint32_t more = random_below(3); more > 0; more--)
                rdata[length++] = (uint8_t)random_below(256);
            require_identity_or_bad(&buf, examples[i].type, rdata, length);
        }
    }
    base_buf_free(&buf);
}

/* --- random rdata made from the table --- */

static size_t random_octets(uint8_t *out, size_t length)
{
    for (size_t i = 0; i < length; i++)
        out[i] = (uint8_t)random_below(256);
    return length;
}

static size_t random_name(uint8_t *out)
{
    size_t at = 0;
    for (uint32_t labels = random_below(5); labels > 0; labels--) {
        size_t length = 1 + random_below(random_below(5) == 0 ? 63 : 8);
        out[at++] = (uint8_t)length;
        at += random_octets(out + at, length);
    }
    out[at++] = 0;
    return at;
}

static size_t random_counted(uint8_t *out, size_t least)
{
    size_t length = least + random_below(random_below(4) == 0 ? 255 : 12);
    out[0] = (uint8_t)length;
    return 1 + random_octets(out + 1, length);
}

static size_t random_bitmap(uint8_t *out)
{
    uint16_t types[40];
    uint32_t type = 0;
    size_t count = 0;
    while (count < 1 + random_below(40)) {
        type += 1 + random_below(random_below(5) == 0 ? 3000 : 20);
        if (type > 65535)
            break;
        types[count++] = (uint16_t)type;
    }
    return dns_bitmap_make(out, types, count);
}

static size_t random_svcparams(uint8_t *out)
{
    size_t at = 0;
    unsigned key = 9;
    for (uint32_t count = random_below(4); count > 0; count--) {
        key += 1 + random_below(20000);
        size_t length = random_below(20);
        base_store_u16(out + at, key);
        base_store_u16(out + at + 2, (uint16_t)length);
        at += 4 + random_octets(out + at + 4, length);
    }
    return at;
}

/* Octets that are good for a field; those whose shape is too special come from the examples. */
static size_t random_field(uint8_t *out, const struct dns_field *field)
{
    switch ((enum dns_field_kind)field->kind) {
    case DNS_FIELD_NAME:
        return random_name(out);
    case DNS_FIELD_STRING:
    case DNS_FIELD_STRING_OPTIONAL:
    case DNS_FIELD_SALT:
        return random_counted(out, 0);
    case DNS_FIELD_HASH:
        return random_counted(out, 1);
    case DNS_FIELD_DIGITS:
        out[0] = (uint8_t)(field->least + random_below(10));
        for (unsigned i = 1; i <= out[0]; i++)
            out[i] = (uint8_t)('0' + random_below(10));
        return 1 + out[0];
    case DNS_FIELD_TAG:
        out[0] = 2;
        out[1] = 'x';
        out[2] = (uint8_t)('0' + random_below(10));
        return 3;
    case DNS_FIELD_STRINGS: {
        size_t at = random_counted(out, 0);
        return random_below(2) == 0 ? at : at + random_counted(out + at, 0);
    }
    case DNS_FIELD_SIZED: {
        size_t length = random_below(40);
        base_store_u16(out, (uint16_t)length);
        return 2 + random_octets(out + 2, length);
    }
    case DNS_FIELD_BITMAP:
        return random_bitmap(out);
    case DNS_FIELD_SVCPARAMS:
        return random_svcparams(out);
    case DNS_FIELD_GATEWAY_TYPE:
    case DNS_FIELD_RELAY_TYPE:
        out[0] = 0;
        return 1;
    case DNS_FIELD_GATEWAY:
        return 0;
    case DNS_FIELD_BASE64:
    case DNS_FIELD_BASE64_OR_DASH:
    case DNS_FIELD_HEX:
    case DNS_FIELD_NSAP:
    case DNS_FIELD_LONG_STRING:
        return random_octets(out, field->least + random_below(200));
    default: {
        /* A fixed size, found by trying; or a shape too special. */
        uint8_t spare[16];
        random_octets(spare, sizeof(spare));
        for (size_t length = 1; length <= 16; length++) {
            size_t at = 0;
            if (dns_field_check(field, spare, length, &at) == NULL && at == length) {
                memcpy(out, spare, length);
                return length;
            }
        }
        return 0;
    }
    }
}

static void test_random_rdata(void **state)
{
    (void)state;
    static uint8_t rdata[DNS_RDATA_MAX];
    struct base_buf buf;
    base_buf_init(&buf, 1 << 20);
    size_t count;
    const struct dns_rrtype *rows = dns_rrtype_rows(&count);
    for (size_t i = 0; i < count; i++) {
        unsigned good = 0;
        for (int round = 0; round < 100; round++) {
            size_t length = 0;
            for (const struct dns_field *field = rows[i].fields; field->kind != DNS_FIELD_END;
                 field++)
                length += random_field(rdata + length, field);
            good += dns_rdata_check(rows[i].number, rdata, length, NULL) == BASE_OK;
            require_identity_or_bad(&buf, rows[i].name, rdata, length);
        }
        /* HIP, ZONEMD and A6 are hit by chance only; the examples cover them. */
        bool special = rows[i].number == 55 || rows[i].number == 38 || rows[i].number == 29 ||
                       rows[i].number == 42 || rows[i].number == 34;
        if (good < 50 && !special)
            fail_msg("only %u of 100 random rdata of %s are good", good, rows[i].name);
    }
    base_buf_free(&buf);
}

static void test_largest_rdata(void **state)
{
    (void)state;
    static uint8_t rdata[DNS_RDATA_MAX], again[DNS_RDATA_MAX];
    struct base_buf buf;
    base_buf_init(&buf, 4 << 20);
    random_octets(rdata, sizeof(rdata));
    for (size_t at = 0; at < sizeof(rdata); at += 256)
        rdata[at] = 255;
    rdata[DNS_RDATA_MAX / 256 * 256] = DNS_RDATA_MAX % 256 - 1;
    static const char *const types[] = {"TXT", "OPENPGPKEY", "TYPE65281", "EID"};
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        assert_int_equal(dns_rdata_check(type_of(types[i]), rdata, sizeof(rdata), NULL), BASE_OK);
        const char *text = write_text(&buf, types[i], rdata, sizeof(rdata));
        assert_int_equal(read_text(types[i], text, again), sizeof(rdata));
        assert_memory_equal(again, rdata, sizeof(rdata));
        /* One octet more is refused. */
        base_buf_text(&buf, i == 0 ? " \"\"" : i == 1 ? "AAAA" : "00");
        size_t length = 4711;
        bool canonical;
        struct dns_rdata_problem problem;
        assert_int_not_equal(test_rdata_text(type_of(types[i]), (const char *)buf.data, buf.length,
                                             NULL, again, &length, &canonical, &problem),
                             BASE_OK);
        assert_int_equal(length, 4711);
    }
    base_buf_free(&buf);
}

static void test_names_in_rdata(void **state)
{
    (void)state;
    static uint8_t rdata[DNS_RDATA_MAX];
    static const struct {
        const char *type, *text, *names;
    } cases[] = {
        {"A", "192.0.2.1", ""},
        {"MX", "10 a.b.", "a.b. "},
        {"SOA", "a. b. 1 2 3 4 5", "a. b. "},
        {"NAPTR", "1 2 \"a\" \"bcd\" \"\" r.", "r. "},
        {"RRSIG", "A 5 3 1 20030322173103 20030220173103 2642 s. AQ==", "s. "},
        {"IPSECKEY", "10 3 2 g. AQ==", "g. "},
        {"IPSECKEY", "10 1 2 1.2.3.4 AQ==", ""},
        {"AMTRELAY", "10 1 3 r.", "r. "},
        {"HIP", "2 AB AQ== r1. r2. r3.", "r1. r2. r3. "},
        {"A6", "65 ::1 p.", "p. "},
        {"A6", "0 ::1", ""},
        {"SVCB", "1 t. port=1", "t. "},
        {"TALINK", ". b.", ". b. "},
        {"DSYNC", "CDS NOTIFY 53 d.", "d. "},
        {"NULL", "\\# 2 0161", ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t length = read_text(cases[i].type, cases[i].text, rdata);
        char names[256] = "", text[DNS_NAME_TEXT];
        size_t at = 0;
        const uint8_t *name;
        while ((name = dns_rdata_next_name(type_of(cases[i].type), rdata, length, &at)) != NULL) {
            strcat(names, dns_name_text(text, name));
            strcat(names, " ");
        }
        assert_string_equal(names, cases[i].names);
    }
}

static void test_pretty_and_json(void **state)
{
    (void)state;
    static uint8_t rdata[DNS_RDATA_MAX], again[DNS_RDATA_MAX];
    struct base_buf buf;
    base_buf_init(&buf, 1 << 20);
    for (size_t i = 0; i < ARRAY_SIZE(examples); i++) {
        size_t length = read_text(examples[i].type, examples[i].text, rdata);
        base_buf_reset(&buf);
        dns_rdata_to_text(&buf, type_of(examples[i].type), rdata, length, DNS_TEXT_PRETTY);
        assert_int_equal(read_text(examples[i].type, base_buf_string(&buf), again), length);
        assert_memory_equal(again, rdata, length);
    }
    size_t length = read_text("SVCB", "1 . alpn=\"f\\\\\\\\oo\\\\,bar\" port=53 ohttp", rdata);
    base_buf_reset(&buf);
    dns_rdata_to_json(&buf, DNS_TYPE_SVCB, rdata, length);
    assert_string_equal(base_buf_string(&buf),
                        "{\"priority\":1,\"target\":\".\",\"params\":{\"alpn\":"
                        "\"f\\\\\\\\\\\\\\\\oo\\\\\\\\,bar\",\"port\":\"53\",\"ohttp\":null}}");
    length = read_text("SOA", "a b 1 2 3 4 5", rdata);
    base_buf_reset(&buf);
    dns_rdata_to_text(&buf, DNS_TYPE_SOA, rdata, length, DNS_TEXT_PRETTY);
    assert_string_equal(base_buf_string(&buf), "a.example.com. b.example.com. (\n"
                                               "\t\t\t\t1          ; serial\n"
                                               "\t\t\t\t2          ; refresh\n"
                                               "\t\t\t\t3          ; retry\n"
                                               "\t\t\t\t4          ; expire\n"
                                               "\t\t\t\t5          ; minimum\n\t\t\t\t)");
    base_buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_type_names),     cmocka_unit_test(test_every_type_has_an_example),
        cmocka_unit_test(test_examples),       cmocka_unit_test(test_refused),
        cmocka_unit_test(test_other_lengths),  cmocka_unit_test(test_changed_octets),
        cmocka_unit_test(test_random_rdata),   cmocka_unit_test(test_largest_rdata),
        cmocka_unit_test(test_names_in_rdata), cmocka_unit_test(test_pretty_and_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
