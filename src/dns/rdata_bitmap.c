/* Type bitmaps of NSEC, NSEC3 and CSYNC (RFC 4034 section 4.1.2): see rdata.h. */
#include "dns/rdata.h"

#include "base/error.h"

#include <string.h>

/* A bitmap is a row of windows: number, length of 1 to 32, octets. */
#define WINDOW_OCTETS 32

int dns_bitmap_check(const uint8_t *bitmap, size_t length)
{
    int last = -1;
    size_t at = 0;
    while (at < length) {
        if (length - at < 2)
            return BASE_EFORMAT;
        int window = bitmap[at];
        size_t octets = bitmap[at + 1];
        if (window <= last || octets == 0 || octets > WINDOW_OCTETS || octets > length - at - 2)
            return BASE_EFORMAT;
        if (bitmap[at + 1 + octets] == 0)
            return BASE_EFORMAT;
        last = window;
        at += 2 + octets;
    }
    return BASE_OK;
}

bool dns_bitmap_has(const uint8_t *bitmap, size_t length, uint16_t type)
{
    size_t at = 0;
    while (length - at >= 2) {
        size_t octets = bitmap[at + 1];
        if (octets > length - at - 2)
            return false;
        if (bitmap[at] == type >> 8) {
            size_t octet = (type & 0xff) / 8;
            return octet < octets && (bitmap[at + 2 + octet] & 0x80 >> (type % 8)) != 0;
        }
        at += 2 + octets;
    }
    return false;
}

/* The first bit set at or after `from` among `octets`; -1 when none. */
static int next_bit(const uint8_t *octets, size_t count, unsigned from)
{
    for (size_t i = from / 8; i < count; i++) {
        unsigned bits = octets[i];
        if (i == from / 8)
            bits &= 0xffu >> (from % 8);
        if (bits != 0)
            return (int)(i * 8) + __builtin_clz(bits) - 24;
    }
    return -1;
}

int dns_bitmap_next(const uint8_t *bitmap, size_t length, uint32_t from)
{
    size_t at = 0;
    while (length - at >= 2) {
        uint32_t base = (uint32_t)bitmap[at] << 8;
        size_t octets = bitmap[at + 1];
        if (octets > length - at - 2)
            return -1;
        if (base + 256 > from) {
            int bit = next_bit(bitmap + at + 2, octets, from > base ? from - base : 0);
            if (bit >= 0)
                return (int)base + bit;
        }
        at += 2 + octets;
    }
    return -1;
}

size_t dns_bitmap_make(uint8_t *out, const uint16_t *types, size_t count)
{
    size_t length = 0;
    size_t i = 0;
    while (i < count) {
        unsigned window = types[i] >> 8;
        uint8_t *octets = out + length + 2;
        size_t used = 0;
        for (; i < count && types[i] >> 8 == window; i++) {
            size_t octet = (types[i] & 0xff) / 8;
            for (; used <= octet; used++)
                octets[used] = 0;
            octets[octet] |= (uint8_t)(0x80 >> (types[i] % 8));
        }
        out[length] = (uint8_t)window;
        out[length + 1] = (uint8_t)used;
        length += 2 + used;
    }
    return length;
}
