/*
 * Copying some dozens of bytes. For a length that it does not know but believes to be small, the
 * compiler puts a string instruction in the place of memcpy, which takes longer to start than the
 * copy should take in all. This is for hot paths only; everywhere else memcpy is right.
 */
#ifndef BASE_COPY_H
#define BASE_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* As memcpy. The last piece overlaps the one before, so that nothing is read or written outside. */
static inline void base_copy_short(void *to, const void *from, size_t length)
{
    uint8_t *out = to;
    const uint8_t *in = from;
    if (length >= 16) {
        for (size_t at = 0; at < length - 16; at += 16)
            memcpy(out + at, in + at, 16);
        memcpy(out + length - 16, in + length - 16, 16);
    } else if (length >= 8) {
        uint64_t head, tail;
        memcpy(&head, in, 8);
        memcpy(&tail, in + length - 8, 8);
        memcpy(out, &head, 8);
        memcpy(out + length - 8, &tail, 8);
    } else if (length >= 4) {
        uint32_t head, tail;
        memcpy(&head, in, 4);
        memcpy(&tail, in + length - 4, 4);
        memcpy(out, &head, 4);
        memcpy(out + length - 4, &tail, 4);
    } else {
        for (size_t at = 0; at < length; at++) {
            out[at] = in[at];
            /* Keeps the compiler from making a call of the loop. */
            __asm__ volatile("");
        }
    }
}

#endif
