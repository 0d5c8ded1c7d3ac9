/*
 * The parser of transfers: all forms of answers, in one message and in many, and everything that is
 * not an answer. No sockets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "messages.h"
#include "source/transfer.h"

enum { ID = 4711 };

/* A script: 's' SOA with the next number, 'a' a record of ns.example, 'n' NS, '|' a new message,
 * 'o' a record out of the zone, 'c' one of class CH, 'x' SOA below the apex, 'm' a meta type. */
struct answer {
    struct source_transfer transfer;
    int error;
};

static void take(struct answer *answer, struct test_message *message)
{
    message_end(message);
    /* In memory of its own size, so that reading over its end is seen. */
    uint8_t *copy = malloc(message->length);
    assert_non_null(copy);
    memcpy(copy, message->wire, message->length);
    answer->error = source_transfer_take(&answer->transfer, copy, message->length);
    free(copy);
}

static void put(struct test_message *message, char what, uint32_t number)
{
    switch (what) {
    case 's':
        message_soa(message, number);
        break;
    case 'a':
        message_a(message, "\2ns\7example", (uint8_t)number);
        break;
    case 'n':
        message_ns(message);
        break;
    case 'o':
        message_a(message, "\2ns\5other", 1);
        break;
    case 'c':
        message_record(message, "\7example", DNS_TYPE_A, 3, "\1\2\3\4", 4);
        break;
    case 'm':
        message_record(message, "\7example", DNS_TYPE_ANY, DNS_CLASS_IN, "\1", 1);
        break;
    case 'x':
        message_record(message, "\1x\7example", DNS_TYPE_SOA, DNS_CLASS_IN,
                       "\0\0aaaabbbbccccddddeeee", 22);
        break;
    }
}

/* Runs words like "s2 n a1 | s2" through a transfer; `have` 0: nothing. */
static void run(struct answer *answer, uint16_t type, uint32_t have, const char *words)
{
    static struct test_message message;
    struct source_transfer_options options = {.zone = test_zone,
                                              .type = type,
                                              .id = ID,
                                              .have = have != 0,
                                              .have_serial = have,
                                              .bytes_max = 1 << 20};
    assert_int_equal(source_transfer_init(&answer->transfer, &options), BASE_OK);
    answer->error = BASE_OK;
    message_begin(&message, ID, type, 0);
    for (const char *at = words; *at != '\0' && answer->error == BASE_OK; at++) {
        if (*at == ' ')
            continue;
        if (*at == '|') {
            take(answer, &message);
            message_begin(&message, ID, 0, 0);
            continue;
        }
        char what = *at;
        char *end;
        uint32_t number = (uint32_t)strtoul(at + 1, &end, 10);
        put(&message, what, number);
        at = end - 1;
    }
    if (answer->error == BASE_OK)
        take(answer, &message);
}

static void expect_good(uint16_t type, uint32_t have, const char *words,
                        enum source_transfer_form form, uint32_t serial, size_t count)
{
    struct answer answer;
    run(&answer, type, have, words);
    if (answer.error != BASE_OK || !answer.transfer.done)
        fail_msg("%s: %s", words, answer.transfer.why);
    assert_int_equal(answer.transfer.form, form);
    assert_int_equal(answer.transfer.serial, serial);
    assert_int_equal(source_soa_serial(answer.transfer.soa, answer.transfer.soa_length), serial);
    assert_int_equal(answer.transfer.edits.count, form == SOURCE_TRANSFER_EDITS ? count : 0);
    struct base_findings findings;
    struct zone *zone;
    base_findings_init(&findings, 10);
    if (form == SOURCE_TRANSFER_WHOLE) {
        assert_int_equal(source_transfer_zone(&answer.transfer, &findings, &zone), BASE_OK);
        assert_int_equal(zone->rr_count, count);
        assert_int_equal(zone->serial, serial);
        zone_release(zone);
    } else {
        assert_int_equal(source_transfer_zone(&answer.transfer, &findings, &zone), BASE_EINVAL);
    }
    base_findings_free(&findings);
    source_transfer_free(&answer.transfer);
}

static void expect_more(uint16_t type, uint32_t have, const char *words)
{
    struct answer answer;
    run(&answer, type, have, words);
    assert_int_equal(answer.error, BASE_OK);
    assert_false(answer.transfer.done);
    source_transfer_free(&answer.transfer);
}

static void expect_bad(uint16_t type, uint32_t have, const char *words,
                       enum base_finding_code trouble)
{
    struct answer answer;
    run(&answer, type, have, words);
    if (answer.error == BASE_OK)
        fail_msg("%s was taken", words);
    if (answer.transfer.trouble != trouble)
        fail_msg("%s: %s", words, answer.transfer.why);
    assert_true(answer.transfer.why[0] != '\0');
    assert_false(answer.transfer.done);
    source_transfer_free(&answer.transfer);
}

#define AXFR DNS_TYPE_AXFR
#define IXFR DNS_TYPE_IXFR

static void test_whole(void **state)
{
    expect_good(AXFR, 0, "s2 n a1 s2", SOURCE_TRANSFER_WHOLE, 2, 3);
    expect_good(AXFR, 0, "s2 | n | a1 | s2", SOURCE_TRANSFER_WHOLE, 2, 3);
    expect_good(AXFR, 1, "s2 n | a1 a2 a3 s2", SOURCE_TRANSFER_WHOLE, 2, 5);
    expect_good(AXFR, 0, "s2 s2", SOURCE_TRANSFER_WHOLE, 2, 1);
    /* A zone as the answer to IXFR (RFC 1995 section 4). */
    expect_good(IXFR, 1, "s2 n a1 s2", SOURCE_TRANSFER_WHOLE, 2, 3);
    expect_good(IXFR, 1, "s2 | n a1 | s2", SOURCE_TRANSFER_WHOLE, 2, 3);
    expect_good(IXFR, 1, "s2 s2", SOURCE_TRANSFER_WHOLE, 2, 1);
    expect_more(AXFR, 0, "s2 n a1");
    expect_more(AXFR, 0, "s2");
}

static void test_current(void **state)
{
    expect_good(IXFR, 2, "s2", SOURCE_TRANSFER_CURRENT, 2, 0);
    expect_good(IXFR, 3, "s2", SOURCE_TRANSFER_CURRENT, 2, 0);
    expect_good(IXFR, 2, "s2 n a1 s2", SOURCE_TRANSFER_CURRENT, 2, 0);
    expect_good(AXFR, 2, "s2 n | a1", SOURCE_TRANSFER_CURRENT, 2, 0);
    /* By RFC 1982 4294967295 comes before 1; half the way around is no order. */
    expect_good(IXFR, 1, "s4294967295", SOURCE_TRANSFER_CURRENT, 4294967295u, 0);
    expect_good(IXFR, 1, "s2147483649", SOURCE_TRANSFER_CURRENT, 2147483649u, 0);
    expect_more(IXFR, 1, "s2");
}

static void test_edits(void **state)
{
    expect_good(IXFR, 1, "s2 s1 a1 s2 a2 s2", SOURCE_TRANSFER_EDITS, 2, 2);
    expect_good(IXFR, 1, "s2 | s1 | a1 | s2 | a2 | s2", SOURCE_TRANSFER_EDITS, 2, 2);
    expect_good(IXFR, 1, "s4 s1 a1 s3 a2 a3 s3 a2 s4 a4 s4", SOURCE_TRANSFER_EDITS, 4, 5);
    expect_good(IXFR, 1, "s2 s1 s2 s2", SOURCE_TRANSFER_EDITS, 2, 0);
    expect_good(IXFR, 4294967295u, "s1 s4294967295 a1 s1 s1", SOURCE_TRANSFER_EDITS, 1, 1);
    expect_more(IXFR, 1, "s2 s1 a1 s2 a2");
    struct answer answer;
    run(&answer, IXFR, 1, "s2 s1 a7 s2 a8 n s2");
    assert_int_equal(answer.transfer.edits.count, 3);
    const struct source_edit *edits = answer.transfer.edits.items;
    assert_true(!edits[0].add && edits[1].add && edits[2].add);
    assert_int_equal(edits[0].rdata[3], 7);
    assert_int_equal(edits[1].rdata[3], 8);
    assert_int_equal(edits[1].ttl, 300);
    assert_int_equal(edits[2].type, DNS_TYPE_NS);
    assert_true(dns_name_equal(edits[2].rdata, (const uint8_t *)"\2ns\7example"));
    source_transfer_free(&answer.transfer);
}

static void test_wrong_content(void **state)
{
    expect_bad(AXFR, 0, "n s2", FETCH_BAD_CONTENT);
    expect_bad(AXFR, 0, "s2 n s3", FETCH_BAD_CONTENT);
    expect_bad(AXFR, 0, "s2 n s2 a1", FETCH_BAD_CONTENT);
    expect_bad(AXFR, 0, "s2 n o s2", FETCH_BAD_CONTENT);
    expect_bad(AXFR, 0, "s2 n c s2", FETCH_BAD_CONTENT);
    expect_bad(AXFR, 0, "s2 n m s2", FETCH_BAD_CONTENT);
    expect_bad(AXFR, 0, "s2 n x s2", FETCH_BAD_CONTENT);
    expect_bad(IXFR, 5, "s9 s4 a1 s9 s9", FETCH_BAD_CONTENT);    /* from another serial */
    expect_bad(IXFR, 5, "s9 s5 s7 s6 s9 s9", FETCH_BAD_CONTENT); /* a gap in the chain */
    expect_bad(IXFR, 5, "s9 s5 s5 s9", FETCH_BAD_CONTENT);       /* does not get on */
    expect_bad(IXFR, 5, "s9 s5 s10 s9", FETCH_BAD_CONTENT);      /* beyond the newest */
    expect_bad(IXFR, 5, "s9 s5 s7 s9", FETCH_BAD_CONTENT);       /* ends too early */
    expect_bad(IXFR, 5, "s9 s5 s9 s9 a1", FETCH_BAD_CONTENT);    /* goes on too long */
    expect_bad(IXFR, 5, "s9 s5 o s9 s9", FETCH_BAD_CONTENT);
    expect_bad(IXFR, 5, "s9 n a1 s8", FETCH_BAD_CONTENT);
    expect_bad(AXFR, 0, "s2 |", FETCH_BAD_MESSAGE); /* a message with nothing */
}

static int take_header(uint16_t id, uint16_t type, uint16_t flags, enum base_finding_code *trouble)
{
    static struct test_message message;
    struct answer answer;
    struct source_transfer_options options = {
        .zone = test_zone, .type = AXFR, .id = ID, .bytes_max = 1 << 20};
    assert_int_equal(source_transfer_init(&answer.transfer, &options), BASE_OK);
    message_begin(&message, id, type, flags);
    if (!(flags & 15))
        message_soa(&message, 1);
    take(&answer, &message);
    *trouble = answer.transfer.trouble;
    source_transfer_free(&answer.transfer);
    return answer.error;
}

static void test_headers(void **state)
{
    enum base_finding_code trouble;
    assert_int_equal(take_header(ID, AXFR, 0, &trouble), BASE_OK);
    assert_int_equal(take_header(ID, 0, 0, &trouble), BASE_OK);
    assert_int_equal(take_header(ID + 1, AXFR, 0, &trouble), BASE_EFORMAT);
    assert_int_equal(take_header(ID, IXFR, 0, &trouble), BASE_EFORMAT);
    assert_int_equal(take_header(ID, AXFR, DNS_FLAG_TC, &trouble), BASE_EFORMAT);
    assert_int_equal(take_header(ID, AXFR, DNS_OPCODE_NOTIFY << 11, &trouble), BASE_EFORMAT);
    assert_int_equal(trouble, FETCH_BAD_MESSAGE);
    assert_int_equal(take_header(ID, AXFR, DNS_RCODE_REFUSED, &trouble), BASE_EREFUSED);
    assert_int_equal(trouble, FETCH_REFUSED);
}

/* Every prefix of a good message, and every octet of it turned over: an error or not, but never
 * more. */
static void test_damaged(void **state)
{
    static struct test_message message;
    message_begin(&message, ID, AXFR, 0);
    message_soa(&message, 1);
    message_ns(&message);
    message_a(&message, "\2ns\7example", 1);
    message_soa(&message, 1);
    message_end(&message);
    for (size_t i = 0; i < 2 * message.length; i++) {
        size_t length = i < message.length ? i : message.length;
        struct source_transfer transfer;
        struct source_transfer_options options = {
            .zone = test_zone, .type = AXFR, .id = ID, .bytes_max = 1 << 20};
        assert_int_equal(source_transfer_init(&transfer, &options), BASE_OK);
        uint8_t *copy = malloc(length + 1);
        assert_non_null(copy);
        memcpy(copy, message.wire, length);
        if (i >= message.length)
            copy[i - message.length] ^= 0xff;
        int error = source_transfer_take(&transfer, copy, length);
        if (i < message.length)
            assert_int_not_equal(error, BASE_OK);
        source_transfer_free(&transfer);
        free(copy);
    }
}

static void test_too_large(void **state)
{
    static struct test_message message;
    for (unsigned round = 0; round < 2; round++) {
        struct source_transfer transfer;
        struct source_transfer_options options = {.zone = test_zone,
                                                  .type = round == 0 ? AXFR : IXFR,
                                                  .id = ID,
                                                  .have = round == 1,
                                                  .have_serial = 1,
                                                  .bytes_max = 1 << 20};
        assert_int_equal(source_transfer_init(&transfer, &options), BASE_OK);
        int error = BASE_OK;
        unsigned count = 0;
        while (error == BASE_OK && count++ < 1000) {
            message_begin(&message, ID, 0, 0);
            if (count == 1) {
                message_soa(&message, 2);
                if (round == 1) {
                    message_soa(&message, 1);
                    message_soa(&message, 2);
                }
            }
            for (unsigned i = 0; i < 1000; i++)
                message_a(&message, "\2ns\7example", (uint8_t)i);
            message_end(&message);
            error = source_transfer_take(&transfer, message.wire, message.length);
        }
        assert_int_equal(error, BASE_ELIMIT);
        assert_int_equal(transfer.trouble, FETCH_TOO_LARGE);
        assert_true(count < 100);
        source_transfer_free(&transfer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),     cmocka_unit_test(test_current),
        cmocka_unit_test(test_edits),     cmocka_unit_test(test_wrong_content),
        cmocka_unit_test(test_headers),   cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
