/*
 * UTF-8 (RFC 3629): is this a character?
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Octets of the character that begins at `text`, of which `length` octets (at least 1) are there; 0
 * when it is not one: cut short, overlong, a surrogate, or beyond U+10FFFF. */
static inline size_t base_utf8_length(const uint8_t *text, size_t length)
{
    uint8_t lead = text[0];
    if (lead < 0x80)
        return 1;
    size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || size > length)
        return 0;
    for (size_t i = 1; i < size; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((lead == 0xe0 && text[1] < 0xa0) || (lead == 0xed && text[1] > 0x9f) ||
        (lead == 0xf0 && text[1] < 0x90) || (lead == 0xf4 && text[1] > 0x8f))
        return 0;
    return size;
}

#endif
