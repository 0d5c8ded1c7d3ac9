/*
 * A growing byte buffer with a hard limit, given when it is made. Errors stick: appending to a
 * buffer that has failed does nothing, so a writer checks `error` once at the end. Strings are
 * not NUL-terminated unless base_buf_string is called.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct base_buf {
    uint8_t *data; /* owned */
    size_t length;
    size_t capacity;
    size_t limit; /* most bytes it may hold */
    int error;    /* BASE_OK, BASE_ENOMEM or BASE_ESPACE */
};

/* An empty buffer; takes no memory yet. */
void base_buf_init(struct base_buf *buf, size_t limit);
/* Gives the memory back; the buffer is empty and usable again. */
void base_buf_free(struct base_buf *buf);
/* Empties it, keeps the memory, forgets the error. */
void base_buf_reset(struct base_buf *buf);
/* Room for `more` bytes behind the end: pointer to them (commit by raising length), or NULL. */
uint8_t *base_buf_reserve_slow(struct base_buf *buf, size_t more);

static inline uint8_t *base_buf_reserve(struct base_buf *buf, size_t more)
{
    if (buf->error == 0 && more <= buf->capacity - buf->length)
        return buf->data + buf->length;
    return base_buf_reserve_slow(buf, more);
}

static inline void base_buf_append(struct base_buf *buf, const void *data, size_t length)
{
    if (length == 0)
        return;
    uint8_t *room = base_buf_reserve(buf, length);
    if (room != NULL) {
        memcpy(room, data, length);
        buf->length += length;
    }
}

static inline void base_buf_u8(struct base_buf *buf, uint8_t value)
{
    base_buf_append(buf, &value, 1);
}

/* Network byte order. */
void base_buf_u16(struct base_buf *buf, uint16_t value);
void base_buf_u32(struct base_buf *buf, uint32_t value);
/* A NUL-terminated text, without the NUL. */
void base_buf_text(struct base_buf *buf, const char *text);
/* An unsigned number in decimal. */
void base_buf_decimal(struct base_buf *buf, uint64_t value);
void base_buf_printf(struct base_buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Ends the content with a NUL that does not count, and returns it as a string; "" after an error.
 */
const char *base_buf_string(struct base_buf *buf);

#endif
