/*
 * Classifying zone-file text, 64 bytes at a time. A kernel finds the places where the text can
 * change its meaning; everything between two such places is of one kind and is never looked at
 * again byte by byte. Kernels differ in the instructions they use, never in their results.
 */
#ifndef DNS_SCAN_KERNEL_H
#define DNS_SCAN_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a byte is to the scanner. */
enum dns_scan_class {
    DNS_SCAN_WORD,      /* part of a word */
    DNS_SCAN_BLANK,     /* space, tab, carriage return */
    DNS_SCAN_NEWLINE,   /* line feed */
    DNS_SCAN_QUOTE,     /* " */
    DNS_SCAN_BACKSLASH, /* \ */
    DNS_SCAN_COMMENT,   /* ; */
    DNS_SCAN_OPEN,      /* ( */
    DNS_SCAN_CLOSE,     /* ) */
    DNS_SCAN_CONTROL,   /* 00-1F but for the above, 7F: must be written as \DDD */
};

extern const uint8_t dns_scan_classes[256];

#define DNS_SCAN_BLOCK 64
/* Positions that a kernel may write behind those that count. */
#define DNS_SCAN_SLACK 64

struct dns_scan_kernel {
    const char *name;
    /*
     * Writes to `tape` the positions, ascending and counted from `base`, of
     *  - every first byte of a word and every blank directly behind a word,
     *  - every byte that is neither blank nor part of a word,
     * in `blocks` blocks of 64 bytes at `text`; returns how many. *in_word says whether the byte
     * before `text` belongs to a word, and is set for the byte after. `tape` has room for 64
     * positions a block and DNS_SCAN_SLACK more.
     */
    size_t (*index)(const uint8_t *text, size_t blocks, uint32_t base, bool *in_word,
                    uint32_t *tape);
    /*
     * Counts the line feeds in `length` bytes, and writes to `dollars` (room for length / 2 + 1 +
     * DNS_SCAN_SLACK) the offset of each "$" at the start of a line, where the text itself starts
     * one. May read, but does not count, up to 63 bytes behind `length`. Returns the number of
     * offsets.
     */
    size_t (*survey)(const uint8_t *text, size_t length, uint32_t *dollars, size_t *lines);
};

/* The kernels that this processor can run, best first; the last is plain C. NULL behind them. */
const struct dns_scan_kernel *dns_scan_kernel(size_t index);

#endif
