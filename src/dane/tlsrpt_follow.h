/*
 * A log file followed line by line, over rotation (renamed or cut short) and restarts: a place is
 * the file, by device, inode and its first octets, and an offset in it.
 */
#ifndef DANE_TLSRPT_FOLLOW_H
#define DANE_TLSRPT_FOLLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DANE_TLSRPT_HEAD_MAX 64

struct dane_tlsrpt_place {
    uint64_t device, inode, offset;          /* inode 0: the start of whatever is there */
    char head[2 * DANE_TLSRPT_HEAD_MAX + 1]; /* hexadecimal */
};

struct dane_tlsrpt_follow;
/* PATH "-" is standard input, which has no places. `place` NULL: from the start. *lost: the file of
 * the place is not there any more, nor what it was renamed to (`PATH.1`, `PATH-20261121`, not
 * compressed), so it starts with PATH. */
int dane_tlsrpt_follow_new(const char *path, const struct dane_tlsrpt_place *place, bool *lost,
                           struct dane_tlsrpt_follow **out);
void dane_tlsrpt_follow_free(struct dane_tlsrpt_follow *follow); /* NULL allowed */
/* Gives out the next lines, without their ends, at most `most` of them; *count: 0 when there are
 * none now. Lines of more than 64 KiB are passed over. BASE_EIO (errno); what `line` said. */
int dane_tlsrpt_follow_read(struct dane_tlsrpt_follow *follow, size_t most,
                            int (*line)(void *context, const char *text, size_t length),
                            void *context, size_t *count);
bool dane_tlsrpt_follow_ended(const struct dane_tlsrpt_follow *follow); /* standard input has */
/* Behind the last line that was given out. */
void dane_tlsrpt_follow_place(const struct dane_tlsrpt_follow *follow,
                              struct dane_tlsrpt_place *out);

#endif
