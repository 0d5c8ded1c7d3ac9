/* Binary to text and back: vectors of RFC 4648 section 10, every length, every wrong character. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/codec.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

struct codec {
    size_t (*encode)(char *out, const uint8_t *data, size_t length);
    int (*decode)(uint8_t *out, size_t capacity, size_t *out_length, const char *text,
                  size_t length);
    const char *alphabet;
    const char *vectors[7]; /* of "", "f", "fo", … "foobar" */
};

static const struct codec codecs[] = {
    {base_base64_encode,
     base_base64_decode,
     "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=",
     {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"}},
    {base_base32hex_encode,
     base_base32hex_decode,
     "0123456789abcdefghijklmnopqrstuvABCDEFGHIJKLMNOPQRSTUV",
     {"", "co", "cpng", "cpnmu", "cpnmuog", "cpnmuoj1", "cpnmuoj1e8"}},
    {base_hex_encode,
     base_hex_decode,
     "0123456789abcdefABCDEF",
     {"", "66", "666F", "666F6F", "666F6F62", "666F6F6261", "666F6F626172"}},
};
#define CODECS (sizeof(codecs) / sizeof(codecs[0]))

static void test_vectors(void **state)
{
    for (size_t c = 0; c < CODECS; c++) {
        for (size_t length = 0; length <= 6; length++) {
            char text[32];
            const char *want = codecs[c].vectors[length];
            size_t written = codecs[c].encode(text, (const uint8_t *)"foobar", length);
            assert_int_equal(written, strlen(want));
            assert_memory_equal(text, want, written);
            uint8_t back[8];
            size_t back_length = 99;
            assert_int_equal(codecs[c].decode(back, length, &back_length, text, written), BASE_OK);
            assert_int_equal(back_length, length);
            assert_memory_equal(back, "foobar", length);
            if (length > 0)
                assert_int_equal(codecs[c].decode(back, length - 1, &back_length, text, written),
                                 BASE_ESPACE);
        }
    }
}

/* Exact-size heap blocks, so that the sanitizer sees every step too far. */
static void round_trip(const struct codec *codec, const uint8_t *data, size_t length)
{
    char *room = malloc(BASE_HEX_SIZE(length) + 4);
    size_t written = codec->encode(room, data, length);
    char *text = malloc(written + !written);
    memcpy(text, room, written);
    free(room);
    uint8_t *back = malloc(length + !length);
    size_t back_length = 0;
    assert_int_equal(codec->decode(back, length, &back_length, text, written), BASE_OK);
    assert_int_equal(back_length, length);
    assert_memory_equal(back, data, length);
    free(back);
    free(text);
}

static void test_every_length(void **state)
{
    uint8_t data[300];
    srandom(1);
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)random();
    for (size_t c = 0; c < CODECS; c++) {
        for (size_t length = 0; length <= sizeof(data); length++)
            round_trip(&codecs[c], data + sizeof(data) - length, length);
    }
}

/* One wrong character at every place of texts long enough for every inner loop. */
static void test_wrong_characters(void **state)
{
    uint8_t data[90];
    memset(data, 0xa5, sizeof(data));
    for (size_t c = 0; c < CODECS; c++) {
        char text[200];
        uint8_t back[100];
        size_t back_length;
        size_t length = codecs[c].encode(text, data, sizeof(data));
        for (size_t at = 0; at < length; at++) {
            char saved = text[at];
            for (int wrong = 0; wrong < 256; wrong++) {
                if (wrong != 0 && strchr(codecs[c].alphabet, wrong) != NULL)
                    continue;
                text[at] = (char)wrong;
                assert_int_equal(codecs[c].decode(back, sizeof(back), &back_length, text, length),
                                 BASE_EFORMAT);
            }
            text[at] = saved;
        }
    }
}

static void refuse(const struct codec *codec, const char *text)
{
    uint8_t back[16];
    size_t length;
    assert_int_equal(codec->decode(back, sizeof(back), &length, text, strlen(text)), BASE_EFORMAT);
}

static void test_strict(void **state)
{
    static const char *const base64[] = {
        "Z",    "Zg",   "Zg=",      "Zh==",     "Zm9=",     "====",
        "=m9v", "Z===", "Zg==Zg==", "Zm8=Zm9v", "Zm9v====", "Zm9v\n"};
    for (size_t i = 0; i < sizeof(base64) / sizeof(base64[0]); i++)
        refuse(&codecs[0], base64[i]);
    static const char *const base32hex[] = {"c", "cp1", "cp1234", "cp", "cpnh", "co======", "w0"};
    for (size_t i = 0; i < sizeof(base32hex) / sizeof(base32hex[0]); i++)
        refuse(&codecs[1], base32hex[i]);
    static const char *const hex[] = {"6", "666", "6g", "0x66", "6 6"};
    for (size_t i = 0; i < sizeof(hex) / sizeof(hex[0]); i++)
        refuse(&codecs[2], hex[i]);
}

static void test_any_case(void **state)
{
    uint8_t back[8];
    size_t length;
    assert_int_equal(base_base32hex_decode(back, 8, &length, "CPNMUOJ1", 8), BASE_OK);
    assert_memory_equal(back, "fooba", 5);
    assert_int_equal(base_hex_decode(back, 8, &length, "6f6F", 4), BASE_OK);
    assert_memory_equal(back, "oo", 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),          cmocka_unit_test(test_every_length),
        cmocka_unit_test(test_wrong_characters), cmocka_unit_test(test_strict),
        cmocka_unit_test(test_any_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
