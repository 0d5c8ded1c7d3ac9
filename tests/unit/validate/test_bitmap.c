/* Type bitmaps, right, different and malformed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "validate/zone_parts.h"

#include <string.h>

/* A node with these types; what its NSEC must list is A, MX, RRSIG, NSEC and CAA. */
static struct zone_rrset rrsets[] = {{.type = DNS_TYPE_A, .count = 1},
                                     {.type = DNS_TYPE_MX, .count = 1},
                                     {.type = DNS_TYPE_RRSIG, .count = 1},
                                     {.type = DNS_TYPE_NSEC, .count = 1},
                                     {.type = DNS_TYPE_CAA, .count = 1}};
static struct zone zone = {.rrsets = rrsets};
static struct zone_node node = {.rrset_count = 5};

static enum validate_bitmap_result compare(enum validate_role role, bool nsec, const char *bitmap,
                                           size_t length, char why[VALIDATE_BITMAP_TEXT])
{
    struct validate_bitmap_want want = {.zone = &zone, .node = &node, .role = role, .nsec = nsec};
    return validate_bitmap_compare(&want, (const uint8_t *)bitmap, length, why);
}

#define GOOD "\x00\x06\x40\x01\x00\x00\x00\x03\x01\x01\x40"
#define SIZE (sizeof(GOOD) - 1)

static void equal_and_other(void **state)
{
    (void)state;
    char why[VALIDATE_BITMAP_TEXT];
    char bitmap[SIZE];
    assert_int_equal(compare(VALIDATE_ROLE_DATA, true, GOOD, SIZE, why), VALIDATE_BITMAP_EQUAL);
    memcpy(bitmap, GOOD, SIZE);
    bitmap[2] |= 0x04; /* CNAME */
    bitmap[3] = 0;     /* no MX */
    assert_int_equal(compare(VALIDATE_ROLE_DATA, true, bitmap, SIZE, why), VALIDATE_BITMAP_OTHER);
    assert_string_equal(why, "lacks MX, and lists, though not there, CNAME");
    /* At a cut the address is glue, and MX and CAA are not there either. */
    assert_int_equal(compare(VALIDATE_ROLE_CUT, true, GOOD, SIZE, why), VALIDATE_BITMAP_OTHER);
    assert_string_equal(why, "lists, though not there, A MX CAA");
    /* NSEC3 does not list itself, and the NSEC of the name is a type as any other. */
    assert_int_equal(compare(VALIDATE_ROLE_DATA, false, GOOD, SIZE, why), VALIDATE_BITMAP_EQUAL);
}

static void empty_names_list_nothing(void **state)
{
    (void)state;
    char why[VALIDATE_BITMAP_TEXT];
    struct validate_bitmap_want want = {.zone = &zone, .node = NULL};
    assert_int_equal(validate_bitmap_compare(&want, (const uint8_t *)"", 0, why),
                     VALIDATE_BITMAP_EQUAL);
    assert_int_equal(validate_bitmap_compare(&want, (const uint8_t *)GOOD, SIZE, why),
                     VALIDATE_BITMAP_OTHER);
}

static void malformed(void **state)
{
    (void)state;
    static const struct {
        const char *bitmap;
        size_t length;
    } rows[] = {
        {"\x00", 1},                     /* no length */
        {"\x00\x00", 2},                 /* an empty block */
        {"\x00\x02\x40", 3},             /* runs over the end */
        {"\x00\x02\x40\x00", 4},         /* a trailing zero octet */
        {"\x00\x01\x40\x00\x01\x01", 6}, /* one window twice */
        {"\x01\x01\x40\x00\x01\x40", 6}, /* windows out of order */
        {"\x00\x21"
         "0123456789abcdef0123456789abcdef0",
         35}, /* a block of 33 octets */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char why[VALIDATE_BITMAP_TEXT];
        assert_int_equal(compare(VALIDATE_ROLE_DATA, true, rows[i].bitmap, rows[i].length, why),
                         VALIDATE_BITMAP_MALFORMED);
    }
}

/* All 65536 types: the text says some of them and stays in its bounds. */
static void very_many_types(void **state)
{
    (void)state;
    static uint8_t bitmap[256 * 34];
    char why[VALIDATE_BITMAP_TEXT];
    for (unsigned window = 0; window < 256; window++) {
        bitmap[window * 34] = (uint8_t)window;
        bitmap[window * 34 + 1] = 32;
        memset(bitmap + window * 34 + 2, 0xff, 32);
    }
    assert_int_equal(compare(VALIDATE_ROLE_DATA, true, (const char *)bitmap, sizeof(bitmap), why),
                     VALIDATE_BITMAP_OTHER);
    assert_true(strlen(why) < VALIDATE_BITMAP_TEXT);
    assert_non_null(strstr(why, "..."));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_and_other),
        cmocka_unit_test(empty_names_list_nothing),
        cmocka_unit_test(malformed),
        cmocka_unit_test(very_many_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
