/*
 * Binary to text and back: base64 (RFC 4648 section 4, with padding), base32hex (section 7,
 * without padding, as NSEC3 uses it) and hexadecimal. Decoders take no white space: the caller
 * joins the pieces of a field by calling with each piece, or strips it before.
 */
#ifndef BASE_CODEC_H
#define BASE_CODEC_H

#include <stddef.h>
#include <stdint.h>

/* Characters needed for `length` bytes. */
#define BASE_BASE64_SIZE(length)    (((length) + 2) / 3 * 4)
#define BASE_BASE32HEX_SIZE(length) (((length)*8 + 4) / 5)
#define BASE_HEX_SIZE(length)       ((length)*2)

/* Write the text of `length` bytes to `out` (no NUL); return the characters written. */
size_t base_base64_encode(char *out, const uint8_t *data, size_t length);
size_t base_base32hex_encode(char *out, const uint8_t *data, size_t length); /* lower case */
size_t base_hex_encode(char *out, const uint8_t *data, size_t length);       /* upper case */

/* Decode `length` characters into `out`, which has room for `capacity` bytes; set *out_length.
 * BASE_EFORMAT for a wrong character, length or padding, or bits set that must be zero;
 * BASE_ESPACE when `out` is too small. `out` may hold partial data after an error. */
int base_base64_decode(uint8_t *out, size_t capacity, size_t *out_length, const char *text,
                       size_t length);
int base_base32hex_decode(uint8_t *out, size_t capacity, size_t *out_length, const char *text,
                          size_t length);
int base_hex_decode(uint8_t *out, size_t capacity, size_t *out_length, const char *text,
                    size_t length);

#endif
