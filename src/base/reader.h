/*
 * A bounded cursor over foreign bytes whose error sticks: after the first read past the end every
 * read gives zero, and `failed` is checked once when all is read.
 */
#ifndef BASE_READER_H
#define BASE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct base_reader {
    const uint8_t *data;
    size_t length;
    size_t at;
    bool failed;
};

static inline struct base_reader base_reader_make(const void *data, size_t length)
{
    return (struct base_reader){.data = data, .length = length};
}

static inline size_t base_reader_left(const struct base_reader *reader)
{
    return reader->failed ? 0 : reader->length - reader->at;
}

/* `length` bytes in place, or NULL (and failed) when there are fewer. */
static inline const uint8_t *base_reader_bytes(struct base_reader *reader, size_t length)
{
    if (reader->failed || length > reader->length - reader->at) {
        reader->failed = true;
        return NULL;
    }
    const uint8_t *bytes = reader->data + reader->at;
    reader->at += length;
    return bytes;
}

static inline uint8_t base_reader_u8(struct base_reader *reader)
{
    const uint8_t *b = base_reader_bytes(reader, 1);
    return b ? b[0] : 0;
}

static inline uint16_t base_load_u16(const uint8_t *b)
{
    return (uint16_t)(b[0] << 8 | b[1]);
}

static inline uint32_t base_load_u32(const uint8_t *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static inline void base_store_u16(uint8_t *b, uint16_t value)
{
    b[0] = (uint8_t)(value >> 8);
    b[1] = (uint8_t)value;
}

static inline void base_store_u32(uint8_t *b, uint32_t value)
{
    b[0] = (uint8_t)(value >> 24);
    b[1] = (uint8_t)(value >> 16);
    b[2] = (uint8_t)(value >> 8);
    b[3] = (uint8_t)value;
}

/* Network byte order. */
static inline uint16_t base_reader_u16(struct base_reader *reader)
{
    const uint8_t *b = base_reader_bytes(reader, 2);
    return b ? base_load_u16(b) : 0;
}

static inline uint32_t base_reader_u32(struct base_reader *reader)
{
    const uint8_t *b = base_reader_bytes(reader, 4);
    return b ? base_load_u32(b) : 0;
}

#endif
