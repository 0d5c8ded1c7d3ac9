/*
 * Binary to text and back: see codec.h. Signatures make up most of a signed zone, so the three
 * codecs work in whole groups through tables without a branch for each character.
 */
#include "base/codec.h"

#include "base/error.h"

#include <stdbool.h>
#include <string.h>

/* Decoding tables hold the value of a character with this bit set; 0 for all that is not of the
 * alphabet. So one AND over a group says whether all of it is good. */
#define GOOD 0x80

static const char base64_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base32hex_alphabet[] = "0123456789abcdefghijklmnopqrstuv";
static const char hex_alphabet[] = "0123456789ABCDEF";

static const uint8_t base64_value[256] = {
    ['A'] = GOOD | 0,  ['B'] = GOOD | 1,  ['C'] = GOOD | 2,  ['D'] = GOOD | 3,  ['E'] = GOOD | 4,
    ['F'] = GOOD | 5,  ['G'] = GOOD | 6,  ['H'] = GOOD | 7,  ['I'] = GOOD | 8,  ['J'] = GOOD | 9,
    ['K'] = GOOD | 10, ['L'] = GOOD | 11, ['M'] = GOOD | 12, ['N'] = GOOD | 13, ['O'] = GOOD | 14,
    ['P'] = GOOD | 15, ['Q'] = GOOD | 16, ['R'] = GOOD | 17, ['S'] = GOOD | 18, ['T'] = GOOD | 19,
    ['U'] = GOOD | 20, ['V'] = GOOD | 21, ['W'] = GOOD | 22, ['X'] = GOOD | 23, ['Y'] = GOOD | 24,
    ['Z'] = GOOD | 25, ['a'] = GOOD | 26, ['b'] = GOOD | 27, ['c'] = GOOD | 28, ['d'] = GOOD | 29,
    ['e'] = GOOD | 30, ['f'] = GOOD | 31, ['g'] = GOOD | 32, ['h'] = GOOD | 33, ['i'] = GOOD | 34,
    ['j'] = GOOD | 35, ['k'] = GOOD | 36, ['l'] = GOOD | 37, ['m'] = GOOD | 38, ['n'] = GOOD | 39,
    ['o'] = GOOD | 40, ['p'] = GOOD | 41, ['q'] = GOOD | 42, ['r'] = GOOD | 43, ['s'] = GOOD | 44,
    ['t'] = GOOD | 45, ['u'] = GOOD | 46, ['v'] = GOOD | 47, ['w'] = GOOD | 48, ['x'] = GOOD | 49,
    ['y'] = GOOD | 50, ['z'] = GOOD | 51, ['0'] = GOOD | 52, ['1'] = GOOD | 53, ['2'] = GOOD | 54,
    ['3'] = GOOD | 55, ['4'] = GOOD | 56, ['5'] = GOOD | 57, ['6'] = GOOD | 58, ['7'] = GOOD | 59,
    ['8'] = GOOD | 60, ['9'] = GOOD | 61, ['+'] = GOOD | 62, ['/'] = GOOD | 63,
};
static const uint8_t base32hex_value[256] = {
    ['0'] = GOOD | 0,  ['1'] = GOOD | 1,  ['2'] = GOOD | 2,  ['3'] = GOOD | 3,  ['4'] = GOOD | 4,
    ['5'] = GOOD | 5,  ['6'] = GOOD | 6,  ['7'] = GOOD | 7,  ['8'] = GOOD | 8,  ['9'] = GOOD | 9,
    ['a'] = GOOD | 10, ['A'] = GOOD | 10, ['b'] = GOOD | 11, ['B'] = GOOD | 11, ['c'] = GOOD | 12,
    ['C'] = GOOD | 12, ['d'] = GOOD | 13, ['D'] = GOOD | 13, ['e'] = GOOD | 14, ['E'] = GOOD | 14,
    ['f'] = GOOD | 15, ['F'] = GOOD | 15, ['g'] = GOOD | 16, ['G'] = GOOD | 16, ['h'] = GOOD | 17,
    ['H'] = GOOD | 17, ['i'] = GOOD | 18, ['I'] = GOOD | 18, ['j'] = GOOD | 19, ['J'] = GOOD | 19,
    ['k'] = GOOD | 20, ['K'] = GOOD | 20, ['l'] = GOOD | 21, ['L'] = GOOD | 21, ['m'] = GOOD | 22,
    ['M'] = GOOD | 22, ['n'] = GOOD | 23, ['N'] = GOOD | 23, ['o'] = GOOD | 24, ['O'] = GOOD | 24,
    ['p'] = GOOD | 25, ['P'] = GOOD | 25, ['q'] = GOOD | 26, ['Q'] = GOOD | 26, ['r'] = GOOD | 27,
    ['R'] = GOOD | 27, ['s'] = GOOD | 28, ['S'] = GOOD | 28, ['t'] = GOOD | 29, ['T'] = GOOD | 29,
    ['u'] = GOOD | 30, ['U'] = GOOD | 30, ['v'] = GOOD | 31, ['V'] = GOOD | 31,
};
static const uint8_t hex_value[256] = {
    ['0'] = GOOD | 0,  ['1'] = GOOD | 1,  ['2'] = GOOD | 2,  ['3'] = GOOD | 3,  ['4'] = GOOD | 4,
    ['5'] = GOOD | 5,  ['6'] = GOOD | 6,  ['7'] = GOOD | 7,  ['8'] = GOOD | 8,  ['9'] = GOOD | 9,
    ['A'] = GOOD | 10, ['a'] = GOOD | 10, ['B'] = GOOD | 11, ['b'] = GOOD | 11, ['C'] = GOOD | 12,
    ['c'] = GOOD | 12, ['D'] = GOOD | 13, ['d'] = GOOD | 13, ['E'] = GOOD | 14, ['e'] = GOOD | 14,
    ['F'] = GOOD | 15, ['f'] = GOOD | 15,
};

static void base64_encode_group(char *out, const uint8_t *data)
{
    uint32_t bits = (uint32_t)data[0] << 16 | (uint32_t)data[1] << 8 | data[2];
    out[0] = base64_alphabet[bits >> 18];
    out[1] = base64_alphabet[bits >> 12 & 63];
    out[2] = base64_alphabet[bits >> 6 & 63];
    out[3] = base64_alphabet[bits & 63];
}

size_t base_base64_encode(char *out, const uint8_t *data, size_t length)
{
    char *start = out;
    for (; length >= 3; length -= 3, data += 3, out += 4)
        base64_encode_group(out, data);
    if (length > 0) {
        uint8_t last[3] = {data[0], length > 1 ? data[1] : 0, 0};
        base64_encode_group(out, last);
        out[3] = '=';
        if (length == 1)
            out[2] = '=';
        out += 4;
    }
    return (size_t)(out - start);
}

/* Four characters to three bytes; false when one is not of the alphabet. */
static bool base64_decode_group(uint8_t *out, const char *text)
{
    uint8_t a = base64_value[(uint8_t)text[0]], b = base64_value[(uint8_t)text[1]];
    uint8_t c = base64_value[(uint8_t)text[2]], d = base64_value[(uint8_t)text[3]];
    out[0] = (uint8_t)(a << 2 | (b & 63) >> 4);
    out[1] = (uint8_t)(b << 4 | (c & 63) >> 2);
    out[2] = (uint8_t)(c << 6 | (d & 63));
    return a & b & c & d & GOOD;
}

/* The last group, with `padding` 1 or 2. The bits that belong to no byte must be zero. */
static int base64_decode_last(uint8_t *out, const char *text, size_t padding)
{
    char group[4] = {text[0], text[1], 'A', 'A'};
    if (padding == 1)
        group[2] = text[2];
    uint8_t bytes[3];
    if (!base64_decode_group(bytes, group))
        return BASE_EFORMAT;
    size_t count = 3 - padding;
    if (bytes[count] != 0)
        return BASE_EFORMAT;
    memcpy(out, bytes, count);
    return BASE_OK;
}

int base_base64_decode(uint8_t *out, size_t capacity, size_t *out_length, const char *text,
                       size_t length)
{
    if (length % 4 != 0)
        return BASE_EFORMAT;
    if (length == 0) {
        *out_length = 0;
        return BASE_OK;
    }
    size_t padding = text[length - 1] != '=' ? 0 : text[length - 2] != '=' ? 1 : 2;
    size_t need = length / 4 * 3 - padding;
    if (need > capacity)
        return BASE_ESPACE;
    size_t whole = length / 4 - (padding != 0);
    bool good = true;
    for (size_t i = 0; i < whole; i++)
        good &= base64_decode_group(out + 3 * i, text + 4 * i);
    if (!good)
        return BASE_EFORMAT;
    if (padding != 0) {
        int error = base64_decode_last(out + 3 * whole, text + 4 * whole, padding);
        if (error != BASE_OK)
            return error;
    }
    *out_length = need;
    return BASE_OK;
}

size_t base_base32hex_encode(char *out, const uint8_t *data, size_t length)
{
    char *start = out;
    uint32_t bits = 0;
    unsigned held = 0; /* bits not yet written */
    for (size_t i = 0; i < length; i++) {
        bits = bits << 8 | data[i];
        for (held += 8; held >= 5; held -= 5)
            *out++ = base32hex_alphabet[bits >> (held - 5) & 31];
    }
    if (held > 0)
        *out++ = base32hex_alphabet[bits << (5 - held) & 31];
    return (size_t)(out - start);
}

int base_base32hex_decode(uint8_t *out, size_t capacity, size_t *out_length, const char *text,
                          size_t length)
{
    /* 8 characters are 5 bytes; of a shorter rest only these lengths come from whole bytes. */
    size_t rest = length % 8;
    if (rest == 1 || rest == 3 || rest == 6)
        return BASE_EFORMAT;
    size_t need = length / 8 * 5 + rest * 5 / 8;
    if (need > capacity)
        return BASE_ESPACE;
    uint32_t bits = 0;
    unsigned held = 0;
    uint8_t good = GOOD;
    for (size_t i = 0; i < length; i++) {
        uint8_t value = base32hex_value[(uint8_t)text[i]];
        good &= value;
        bits = bits << 5 | (value & 31);
        held += 5;
        if (held >= 8) {
            held -= 8;
            *out++ = (uint8_t)(bits >> held);
        }
    }
    if (!good || (bits & ((1u << held) - 1)) != 0)
        return BASE_EFORMAT;
    *out_length = need;
    return BASE_OK;
}

size_t base_hex_encode(char *out, const uint8_t *data, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        out[2 * i] = hex_alphabet[data[i] >> 4];
        out[2 * i + 1] = hex_alphabet[data[i] & 15];
    }
    return 2 * length;
}

int base_hex_decode(uint8_t *out, size_t capacity, size_t *out_length, const char *text,
                    size_t length)
{
    if (length % 2 != 0)
        return BASE_EFORMAT;
    if (length / 2 > capacity)
        return BASE_ESPACE;
    uint8_t good = GOOD;
    for (size_t i = 0; i < length / 2; i++) {
        uint8_t high = hex_value[(uint8_t)text[2 * i]], low = hex_value[(uint8_t)text[2 * i + 1]];
        good &= high & low;
        out[i] = (uint8_t)(high << 4 | (low & 15));
    }
    if (!good)
        return BASE_EFORMAT;
    *out_length = length / 2;
    return BASE_OK;
}
