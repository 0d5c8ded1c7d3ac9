/* Messages: reading foreign ones, building our own, compression, truncation by whole RRsets. */
#include "base/codec.h"
#include "base/error.h"
#include "dns/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "messages.inc"

static size_t decode(uint8_t *out, const char *hex)
{
    size_t length = 0;
    assert_int_equal(base_hex_decode(out, DNS_MESSAGE_MAX, &length, hex, strlen(hex)), BASE_OK);
    return length;
}

static struct base_arena arena;

static int set_up(void **state)
{
    (void)state;
    base_arena_init(&arena, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    base_arena_free(&arena);
    return 0;
}

static void require_name(const uint8_t *name, const char *text)
{
    char buffer[DNS_NAME_TEXT];
    assert_string_equal(dns_name_text(buffer, name), text);
}

static void test_read_query(void **state)
{
    (void)state;
    static uint8_t wire[DNS_MESSAGE_MAX];
    size_t length = decode(wire, query_edns);
    struct dns_message message;
    assert_int_equal(dns_message_parse(wire, length, &arena, &message), BASE_OK);
    assert_int_equal(message.id, 0x1234);
    assert_int_equal(DNS_OPCODE(message.flags), DNS_OPCODE_QUERY);
    assert_int_equal(message.counts[DNS_SECTION_QUESTION], 1);
    require_name(message.questions[0].name, "www.Example.com.");
    assert_int_equal(message.questions[0].type, DNS_TYPE_A);
    assert_int_equal(message.questions[0].class, DNS_CLASS_IN);
    assert_true(message.edns.present);
    assert_int_equal(message.edns.payload, 1232);
    assert_int_equal(message.edns.flags, DNS_EDNS_DO);
    size_t at = 0, size;
    uint16_t code;
    const uint8_t *data;
    assert_true(dns_edns_next(&message.edns, &at, &code, &data, &size));
    assert_int_equal(code, DNS_OPTION_COOKIE);
    assert_int_equal(size, 8);
    assert_memory_equal(data, "12345678", 8);
    assert_true(dns_edns_next(&message.edns, &at, &code, &data, &size));
    assert_int_equal(code, DNS_OPTION_PADDING);
    assert_int_equal(size, 0);
    assert_false(dns_edns_next(&message.edns, &at, &code, &data, &size));
}

static void test_read_response(void **state)
{
    (void)state;
    static uint8_t wire[DNS_MESSAGE_MAX];
    size_t length = decode(wire, response), count;
    struct dns_message message;
    assert_int_equal(dns_message_parse(wire, length, &arena, &message), BASE_OK);
    assert_true((message.flags & DNS_FLAG_AA) != 0);
    const struct dns_record *record = dns_message_section(&message, DNS_SECTION_ANSWER, &count);
    assert_int_equal(count, 3);
    require_name(record[0].name, "www.Example.com.");
    require_name(record[0].rdata, "a.Example.com.");
    assert_int_equal(record[2].ttl, 300);
    assert_memory_equal(record[2].rdata, "\300\0\2\1", 4);
    record = dns_message_section(&message, DNS_SECTION_AUTHORITY, &count);
    assert_int_equal(count, 2);
    assert_int_equal(record[0].type, DNS_TYPE_SOA);
    require_name(record[0].rdata, "ns.Example.com.");
    assert_int_equal(record[0].length, 16 + 24 + 20);
    record = dns_message_section(&message, DNS_SECTION_ADDITIONAL, &count);
    assert_int_equal(count, 1);
    require_name(record[0].name, "mx.Example.com.");
}

static void test_read_update(void **state)
{
    (void)state;
    static uint8_t wire[DNS_MESSAGE_MAX];
    size_t length = decode(wire, update), count;
    struct dns_message message;
    assert_int_equal(dns_message_parse(wire, length, &arena, &message), BASE_OK);
    assert_int_equal(DNS_OPCODE(message.flags), DNS_OPCODE_UPDATE);
    const struct dns_record *record = dns_message_section(&message, DNS_SECTION_ANSWER, &count);
    assert_int_equal(count, 2);
    assert_int_equal(record[0].class, DNS_CLASS_ANY);
    assert_int_equal(record[0].length, 0);
    assert_int_equal(record[1].class, DNS_CLASS_NONE);
    record = dns_message_section(&message, DNS_SECTION_AUTHORITY, &count);
    assert_int_equal(count, 4);
    assert_int_equal(record[2].class, DNS_CLASS_NONE);
    assert_int_equal(record[2].length, 4);
    assert_int_equal(record[3].type, DNS_TYPE_TXT);
}

/* Every shortening and every added octet is refused; every changed octet is survived. */
static void test_damaged(void **state)
{
    (void)state;
    static uint8_t wire[DNS_MESSAGE_MAX];
    static const char *const all[] = {query_edns, response, update, tsig_request};
    for (size_t i = 0; i < 4; i++) {
        size_t length = decode(wire, all[i]);
        struct dns_message message;
        for (size_t cut = 0; cut <= length + 1; cut++) {
            uint8_t *exact = malloc(cut + 1);
            assert_non_null(exact);
            memcpy(exact, wire, cut);
            int error = dns_message_parse(exact, cut, &arena, &message);
            assert_int_equal(error, cut == length ? BASE_OK : BASE_EFORMAT);
            free(exact);
            base_arena_free(&arena);
        }
        for (size_t at = 0; at < length; at++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                wire[at] ^= (uint8_t)(1u << bit);
                (void)dns_message_parse(wire, length, &arena, &message);
                wire[at] ^= (uint8_t)(1u << bit);
            }
            base_arena_free(&arena);
        }
    }
}

static void test_pointer_bombs(void **state)
{
    (void)state;
    static uint8_t wire[DNS_MESSAGE_MAX];
    struct dns_message message;
    /* A pointer to itself, and one forward. */
    memcpy(wire, "\0\1\0\0\0\1\0\0\0\0\0\0\300\14\0\1\0\1", 18);
    assert_int_equal(dns_message_parse(wire, 18, &arena, &message), BASE_EFORMAT);
    wire[13] = 16;
    assert_int_equal(dns_message_parse(wire, 18, &arena, &message), BASE_EFORMAT);
    /* A long name, and as many records that point to it as fit: over the budget. */
    memset(wire, 0, sizeof(wire));
    wire[5] = 1;
    size_t at = 12;
    for (unsigned i = 0; i < 127; i++) {
        wire[at++] = 1;
        wire[at++] = 'a';
    }
    at += 1 + 4;
    unsigned count = 0;
    for (; at + 12 + 2 <= sizeof(wire); at += 14, count++) {
        memcpy(wire + at, "\300\14\0\2\0\1\0\0\0\0\0\2\300\14", 14);
    }
    wire[6] = (uint8_t)(count >> 8);
    wire[7] = (uint8_t)count;
    assert_int_equal(dns_message_parse(wire, at, &arena, &message), BASE_ELIMIT);
    /* Counts that the octets cannot hold. */
    memset(wire, 0xff, 12);
    assert_int_equal(dns_message_parse(wire, 12, &arena, &message), BASE_EFORMAT);
}

static void test_misplaced(void **state)
{
    (void)state;
    struct dns_message message;
    /* OPT in the answer section; two OPT; OPT with a name; option cut short; TSIG not last. */
    static const char *const bad[] = {
        "000100000000000100000000"
        "0000290000000000000000",
        "000100000000000000000002"
        "0000290000000000000000"
        "0000290000000000000000",
        "000100000000000000000001"
        "0161000029000000000000"
        "0000",
        "000100000000000000000001"
        "0000290000000000000003"
        "000A00",
        "000100000000000000000001"
        "0000290000000000000005"
        "000A000200",
        "000100000000000000000002"
        "0000FA00FF000000000000"
        "0000290000000000000000",
    };
    uint8_t wire[64];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        size_t length = decode(wire, bad[i]);
        assert_int_equal(dns_message_parse(wire, length, &arena, &message), BASE_EFORMAT);
    }
}

static struct dns_rr *make_rr(uint16_t type, const void *rdata, size_t length)
{
    struct dns_rr *rr = base_arena_zalloc(&arena, DNS_RR_SIZE(length));
    assert_non_null(rr);
    rr->type = type;
    rr->ttl = 300;
    rr->length = (uint16_t)length;
    memcpy(rr->rdata, rdata, length);
    return rr;
}

#define NAME(text) ((const uint8_t *)(text))

static void test_build(void **state)
{
    (void)state;
    static uint8_t wire[DNS_MESSAGE_MAX];
    struct dns_builder builder;
    dns_builder_init(&builder, wire, 1232, 11, 77, DNS_FLAG_QR | DNS_FLAG_AA);
    const uint8_t *zone = NAME("\7example\3com");
    assert_int_equal(dns_builder_question(&builder, NAME("\3WWW\7Example\3com"), 15, 1), BASE_OK);
    const struct dns_rr *set[2] = {make_rr(15, "\0\1\2mx\7example\3com", 18),
                                   make_rr(15, "\0\2\3mx2\7example\3com", 19)};
    assert_int_equal(
        dns_builder_rrset(&builder, DNS_SECTION_ANSWER, NAME("\3www\7example\3com"), set, 2, true),
        BASE_OK);
    const struct dns_rr *dname[1] = {make_rr(39, zone, 13)};
    assert_int_equal(dns_builder_rrset(&builder, DNS_SECTION_AUTHORITY, zone, dname, 1, true),
                     BASE_OK);
    assert_int_equal(dns_builder_rrset(&builder, DNS_SECTION_ANSWER, zone, dname, 1, true),
                     BASE_EINVAL);
    struct dns_edns edns = {.payload = 1232, .flags = DNS_EDNS_DO};
    assert_int_equal(dns_builder_edns(&builder, &edns, DNS_RCODE_BADVERS), BASE_OK);
    size_t length = dns_builder_finish(&builder);
    /* Header; question; two MX with owner as a pointer; DNAME with its target in full; OPT. */
    assert_int_equal(length, 12 + 21 + (12 + 2 + 5) + (12 + 2 + 6) + (12 + 13) + 11);
    struct dns_message message;
    assert_int_equal(dns_message_parse(wire, length, &arena, &message), BASE_OK);
    assert_int_equal(message.rcode, DNS_RCODE_BADVERS);
    size_t count;
    const struct dns_record *record = dns_message_section(&message, DNS_SECTION_ANSWER, &count);
    assert_int_equal(count, 2);
    require_name(record[0].name, "WWW.Example.com.");
    assert_int_equal(record[1].length, 19);
    record = dns_message_section(&message, DNS_SECTION_AUTHORITY, &count);
    assert_memory_equal(record[0].rdata, zone, 13);
}

static void test_exact_case(void **state)
{
    (void)state;
    uint8_t wire[512];
    struct dns_builder builder;
    dns_builder_init(&builder, wire, sizeof(wire), 0, 1, 0);
    builder.exact_case = true;
    dns_builder_question(&builder, NAME("\1A\7Example\3com"), 1, 1);
    assert_int_equal(dns_builder_record(&builder, DNS_SECTION_ANSWER, NAME("\1a\7example\3com"), 1,
                                        1, 0, NAME("abcd"), 4),
                     BASE_OK);
    size_t length = dns_builder_finish(&builder);
    struct dns_message message;
    assert_int_equal(dns_message_parse(wire, length, &arena, &message), BASE_OK);
    require_name(message.records[0].name, "a.example.com.");
}

static void test_truncation(void **state)
{
    (void)state;
    const struct dns_rr *set[8];
    for (size_t i = 0; i < 8; i++)
        set[i] = make_rr(DNS_TYPE_A, "\1\2\3\4", 4);
    for (size_t limit = 12; limit < 400; limit++) {
        uint8_t *wire = malloc(limit);
        assert_non_null(wire);
        struct dns_builder builder;
        dns_builder_init(&builder, wire, limit, 11, 1, DNS_FLAG_QR);
        int question = dns_builder_question(&builder, NAME("\7example\3com"), 1, 1);
        int first =
            dns_builder_rrset(&builder, DNS_SECTION_ANSWER, NAME("\7example\3com"), set, 8, true);
        int second = dns_builder_rrset(&builder, DNS_SECTION_ADDITIONAL, NAME("\2ns\7example\3com"),
                                       set, 8, false);
        struct dns_edns edns = {.payload = 1232};
        int opt = dns_builder_edns(&builder, &edns, 0);
        size_t length = dns_builder_finish(&builder);
        assert_true(length <= limit);
        assert_int_equal(opt, limit >= 23 ? BASE_OK : BASE_ESPACE);
        struct dns_message message;
        assert_int_equal(dns_message_parse(wire, length, &arena, &message), BASE_OK);
        assert_int_equal(message.counts[0], question == BASE_OK);
        assert_int_equal(message.counts[1], first == BASE_OK ? 8 : 0);
        assert_int_equal(message.counts[3], second == BASE_OK ? 8 : 0);
        assert_int_equal((message.flags & DNS_FLAG_TC) != 0, first == BASE_ESPACE);
        free(wire);
        base_arena_free(&arena);
        for (size_t i = 0; i < 8; i++)
            set[i] = make_rr(DNS_TYPE_A, "\1\2\3\4", 4);
    }
}

/* Many names, beyond what pointers reach and slots hold. */
static void test_large(void **state)
{
    (void)state;
    static uint8_t wire[DNS_MESSAGE_MAX];
    struct dns_builder builder;
    dns_builder_init(&builder, wire, sizeof(wire), 0, 1, 0);
    size_t count = 0;
    for (;; count++) {
        uint8_t owner[] = "\5xxxxx\3sub\7example\3com";
        for (size_t i = 0, n = count; i < 5; i++, n /= 26)
            owner[1 + i] = (uint8_t)('a' + n % 26);
        if (dns_builder_record(&builder, DNS_SECTION_ANSWER, owner, DNS_TYPE_NS, 1, 60, owner,
                               sizeof(owner)) != BASE_OK)
            break;
    }
    assert_true(count > 2700);
    size_t length = dns_builder_finish(&builder);
    struct dns_message message;
    assert_int_equal(dns_message_parse(wire, length, &arena, &message), BASE_OK);
    assert_int_equal(message.counts[1], count);
    for (size_t k = 0; k < count; k++) {
        uint8_t owner[] = "\5xxxxx\3sub\7example\3com";
        for (size_t i = 0, n = k; i < 5; i++, n /= 26)
            owner[1 + i] = (uint8_t)('a' + n % 26);
        assert_memory_equal(message.records[k].name, owner, sizeof(owner));
        assert_memory_equal(message.records[k].rdata, owner, sizeof(owner));
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_read_query), TEST(test_read_response), TEST(test_read_update),
        TEST(test_damaged),    TEST(test_pointer_bombs), TEST(test_misplaced),
        TEST(test_build),      TEST(test_exact_case),    TEST(test_truncation),
        TEST(test_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
