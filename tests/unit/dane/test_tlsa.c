/* TLSA records: reading, judging together, making. */
#include "base/error.h"
#include "dane/der.h"
#include "dane/tlsa.h"

#include "certificates.h"

#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const uint8_t zeros[64];

static struct dane_tlsa record(uint8_t usage, uint8_t selector, uint8_t matching,
                               const uint8_t *data, size_t length)
{
    return (struct dane_tlsa){.usage = usage,
                              .selector = selector,
                              .matching = matching,
                              .data = data,
                              .length = (uint16_t)length};
}

static enum dane_unusable judged(struct dane_tlsa one, unsigned usages)
{
    size_t usable = dane_tlsa_judge(&one, 1, usages);
    assert_int_equal(usable, one.unusable == DANE_USABLE);
    return one.unusable;
}

static void test_read(void **state)
{
    const uint8_t rdata[] = {3, 1, 1, 0xab, 0xcd};
    struct dane_tlsa tlsa;
    char text[DANE_TLSA_TEXT];
    for (size_t length = 0; length < 3; length++)
        assert_int_equal(dane_tlsa_read(rdata, length, &tlsa), BASE_EFORMAT);
    assert_int_equal(dane_tlsa_read(rdata, 3, &tlsa), BASE_OK);
    assert_int_equal(tlsa.length, 0);
    assert_int_equal(dane_tlsa_read(rdata, 5, &tlsa), BASE_OK);
    assert_int_equal(tlsa.usage, 3);
    assert_int_equal(tlsa.selector, 1);
    assert_int_equal(tlsa.matching, 1);
    assert_string_equal(dane_tlsa_text(&tlsa, text), "3 1 1 abcd");
    tlsa = record(255, 255, 255, zeros, 64);
    assert_string_equal(dane_tlsa_text(&tlsa, text), "255 255 255 000000000000000000000000…");
}

static void test_judge_fields(void **state)
{
    assert_int_equal(judged(record(3, 1, 1, zeros, 32), DANE_USAGES_OPPORTUNISTIC), DANE_USABLE);
    assert_int_equal(judged(record(2, 0, 2, zeros, 64), DANE_USAGES_OPPORTUNISTIC), DANE_USABLE);
    assert_int_equal(judged(record(0, 0, 1, zeros, 32), DANE_USAGES_OPPORTUNISTIC),
                     DANE_UNUSABLE_USAGE);
    assert_int_equal(judged(record(1, 0, 1, zeros, 32), DANE_USAGES_OPPORTUNISTIC),
                     DANE_UNUSABLE_USAGE);
    assert_int_equal(judged(record(1, 0, 1, zeros, 32), DANE_USAGES_ALL), DANE_USABLE);
    assert_int_equal(judged(record(4, 0, 1, zeros, 32), DANE_USAGES_ALL), DANE_UNUSABLE_USAGE);
    assert_int_equal(judged(record(255, 0, 1, zeros, 32), DANE_USAGES_ALL), DANE_UNUSABLE_USAGE);
    assert_int_equal(judged(record(3, 2, 1, zeros, 32), DANE_USAGES_ALL), DANE_UNUSABLE_SELECTOR);
    assert_int_equal(judged(record(3, 255, 1, zeros, 32), DANE_USAGES_ALL), DANE_UNUSABLE_SELECTOR);
    assert_int_equal(judged(record(3, 1, 3, zeros, 32), DANE_USAGES_ALL), DANE_UNUSABLE_MATCHING);
    assert_int_equal(judged(record(3, 1, 255, zeros, 32), DANE_USAGES_ALL), DANE_UNUSABLE_MATCHING);
    for (size_t length = 0; length <= 64; length++) {
        assert_int_equal(judged(record(3, 1, 1, zeros, length), DANE_USAGES_ALL),
                         length == 32 ? DANE_USABLE : DANE_UNUSABLE_LENGTH);
        assert_int_equal(judged(record(3, 1, 2, zeros, length), DANE_USAGES_ALL),
                         length == 64 ? DANE_USABLE : DANE_UNUSABLE_LENGTH);
    }
}

static void test_judge_full(void **state)
{
    struct test_certificate made = certificate_make(&(struct certificate_spec){.subject = "a"});
    uint8_t longer[4096];
    assert_true(made.length + 1 <= sizeof longer);
    assert_int_equal(judged(record(3, 0, 0, made.der, made.length), DANE_USAGES_ALL), DANE_USABLE);
    assert_int_equal(judged(record(3, 1, 0, made.public_key, made.public_length), DANE_USAGES_ALL),
                     DANE_USABLE);
    /* One for the other, cut short, with something behind it, nothing at all. */
    assert_int_equal(judged(record(3, 1, 0, made.der, made.length), DANE_USAGES_ALL),
                     DANE_UNUSABLE_DATA);
    assert_int_equal(judged(record(3, 0, 0, made.public_key, made.public_length), DANE_USAGES_ALL),
                     DANE_UNUSABLE_DATA);
    assert_int_equal(judged(record(3, 0, 0, made.der, made.length - 1), DANE_USAGES_ALL),
                     DANE_UNUSABLE_DATA);
    memcpy(longer, made.der, made.length);
    longer[made.length] = 0;
    assert_int_equal(judged(record(2, 0, 0, longer, made.length + 1), DANE_USAGES_ALL),
                     DANE_UNUSABLE_DATA);
    memcpy(longer, made.public_key, made.public_length);
    longer[made.public_length] = 0;
    assert_int_equal(judged(record(2, 1, 0, longer, made.public_length + 1), DANE_USAGES_ALL),
                     DANE_UNUSABLE_DATA);
    assert_int_equal(judged(record(3, 0, 0, zeros, 0), DANE_USAGES_ALL), DANE_UNUSABLE_DATA);
    certificate_free(&made);
}

/* RFC 7671 section 9: of digests the strongest counts, for each usage and selector by itself. */
static void test_agility(void **state)
{
    struct test_certificate made = certificate_make(&(struct certificate_spec){.subject = "a"});
    struct dane_tlsa records[] = {
        record(3, 1, 1, zeros, 32),             /* weaker than the next */
        record(3, 1, 2, zeros, 64),             /* */
        record(3, 0, 1, zeros, 32),             /* another selector: stays */
        record(2, 1, 1, zeros, 32),             /* another usage: stays */
        record(3, 0, 0, made.der, made.length), /* no digest: stays */
        record(2, 1, 2, zeros, 63),             /* malformed: does not push 2 1 1 aside */
        record(1, 0, 2, zeros, 64),             /* not of a usage that counts */
        record(1, 0, 1, zeros, 32),             /* */
    };
    size_t count = sizeof records / sizeof records[0];
    assert_int_equal(dane_tlsa_judge(records, count, DANE_USAGES_OPPORTUNISTIC), 4);
    assert_int_equal(records[0].unusable, DANE_UNUSABLE_WEAKER);
    assert_int_equal(records[1].unusable, DANE_USABLE);
    assert_int_equal(records[2].unusable, DANE_USABLE);
    assert_int_equal(records[3].unusable, DANE_USABLE);
    assert_int_equal(records[4].unusable, DANE_USABLE);
    assert_int_equal(records[5].unusable, DANE_UNUSABLE_LENGTH);
    assert_int_equal(records[6].unusable, DANE_UNUSABLE_USAGE);
    assert_int_equal(records[7].unusable, DANE_UNUSABLE_USAGE);
    /* Judged again for other usages, nothing of the first judgement is left. */
    assert_int_equal(dane_tlsa_judge(records, count, DANE_USAGES_ALL), 5);
    assert_int_equal(records[6].unusable, DANE_USABLE);
    assert_int_equal(records[7].unusable, DANE_UNUSABLE_WEAKER);
    assert_int_equal(dane_tlsa_judge(NULL, 0, DANE_USAGES_ALL), 0);
    for (int why = DANE_USABLE; why <= DANE_UNUSABLE_WEAKER; why++)
        assert_true(strlen(dane_unusable_text((enum dane_unusable)why)) > 5);
    certificate_free(&made);
}

static void check_made(uint8_t selector, uint8_t matching, const struct test_certificate *from,
                       const uint8_t *wanted, size_t wanted_length)
{
    uint8_t *data;
    size_t length;
    assert_int_equal(dane_tlsa_make(selector, matching, from->der, from->length, &data, &length),
                     BASE_OK);
    assert_int_equal(length, wanted_length);
    assert_memory_equal(data, wanted, length);
    free(data);
}

static void test_make(void **state)
{
    struct test_certificate made =
        certificate_make(&(struct certificate_spec){.subject = "a", .rsa_bits = 2048});
    uint8_t digest[64], *data;
    size_t length;
    check_made(0, 0, &made, made.der, made.length);
    check_made(0, 1, &made, SHA256(made.der, made.length, digest), 32);
    check_made(0, 2, &made, SHA512(made.der, made.length, digest), 64);
    check_made(1, 0, &made, made.public_key, made.public_length);
    check_made(1, 1, &made, SHA256(made.public_key, made.public_length, digest), 32);
    check_made(1, 2, &made, SHA512(made.public_key, made.public_length, digest), 64);
    /* A bare key has no certificate in it. */
    assert_int_equal(dane_tlsa_make(1, 0, made.public_key, made.public_length, &data, &length),
                     BASE_OK);
    assert_int_equal(length, made.public_length);
    assert_memory_equal(data, made.public_key, length);
    free(data);
    assert_int_equal(dane_tlsa_make(0, 1, made.public_key, made.public_length, &data, &length),
                     BASE_EFORMAT);
    assert_int_equal(dane_tlsa_make(2, 1, made.der, made.length, &data, &length),
                     BASE_EUNSUPPORTED);
    assert_int_equal(dane_tlsa_make(0, 3, made.der, made.length, &data, &length),
                     BASE_EUNSUPPORTED);
    for (size_t cut = 0; cut < made.length; cut += 7)
        assert_int_equal(dane_tlsa_make(1, 1, made.der, cut, &data, &length), BASE_EFORMAT);
    uint8_t *longer = calloc(1, made.length + 1);
    memcpy(longer, made.der, made.length);
    for (uint8_t selector = 0; selector < 2; selector++)
        assert_int_equal(dane_tlsa_make(selector, 1, longer, made.length + 1, &data, &length),
                         BASE_EFORMAT);
    free(longer);
    certificate_free(&made);
}

/* The key is found where OpenSSL finds it; whatever is cut or altered is read whole or not at all.
 */
static void test_outline(void **state)
{
    static const struct certificate_spec specs[] = {
        {.subject = "a"},
        {.subject = "a", .rsa_bits = 2048, .authority = true},
        {.names = "DNS:a.example"},
    };
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        struct test_certificate made = certificate_make(&specs[i]);
        const uint8_t *key;
        size_t length;
        assert_true(dane_der_certificate_key(made.der, made.length, &key, &length));
        assert_int_equal(length, made.public_length);
        assert_memory_equal(key, made.public_key, length);
        assert_true(dane_der_is_key(key, length));
        assert_false(dane_der_is_key(made.der, made.length));
        assert_false(dane_der_certificate_key(key, length, &key, &length));
        for (size_t cut = 0; cut < made.length; cut++)
            assert_false(dane_der_certificate_key(made.der, cut, &key, &length));
        uint8_t *altered = malloc(made.length + 1);
        memcpy(altered, made.der, made.length);
        altered[made.length] = 0;
        assert_false(dane_der_certificate_key(altered, made.length + 1, &key, &length));
        for (size_t at = 0; at < made.length; at++) {
            altered[at] ^= 0xff;
            if (dane_der_certificate_key(altered, made.length, &key, &length))
                assert_true(key > altered && key + length < altered + made.length);
            altered[at] ^= 0xff;
        }
        free(altered);
        certificate_free(&made);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),       cmocka_unit_test(test_judge_fields),
        cmocka_unit_test(test_judge_full), cmocka_unit_test(test_agility),
        cmocka_unit_test(test_make),       cmocka_unit_test(test_outline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
