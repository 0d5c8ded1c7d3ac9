/* Bounded buffers: see buf.h. */
#include "base/buf.h"

#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void base_buf_init(struct base_buf *buf, size_t limit)
{
    *buf = (struct base_buf){.limit = limit};
}

void base_buf_free(struct base_buf *buf)
{
    free(buf->data);
    base_buf_init(buf, buf->limit);
}

void base_buf_reset(struct base_buf *buf)
{
    buf->length = 0;
    buf->error = BASE_OK;
}

uint8_t *base_buf_reserve_slow(struct base_buf *buf, size_t more)
{
    if (buf->error != BASE_OK)
        return NULL;
    if (more > buf->limit || buf->length > buf->limit - more) {
        buf->error = BASE_ESPACE;
        return NULL;
    }
    size_t need = buf->length + more;
    if (need <= buf->capacity && buf->data != NULL)
        return buf->data + buf->length;
    size_t capacity = buf->capacity < 256 ? 256 : buf->capacity;
    while (capacity < need)
        capacity = capacity > buf->limit / 2 ? buf->limit : capacity * 2;
    if (capacity > buf->limit)
        capacity = buf->limit; /* or what is reserved without asking would go beyond it */
    uint8_t *data = realloc(buf->data, capacity);
    if (data == NULL) {
        buf->error = BASE_ENOMEM;
        return NULL;
    }
    buf->data = data;
    buf->capacity = capacity;
    return data + buf->length;
}

void base_buf_u16(struct base_buf *buf, uint16_t value)
{
    uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};
    base_buf_append(buf, bytes, sizeof(bytes));
}

void base_buf_u32(struct base_buf *buf, uint32_t value)
{
    uint8_t bytes[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                        (uint8_t)value};
    base_buf_append(buf, bytes, sizeof(bytes));
}

void base_buf_text(struct base_buf *buf, const char *text)
{
    base_buf_append(buf, text, strlen(text));
}

void base_buf_decimal(struct base_buf *buf, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    base_buf_append(buf, digits + at, sizeof(digits) - at);
}

void base_buf_printf(struct base_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    uint8_t *room = length < 0 ? NULL : base_buf_reserve(buf, (size_t)length + 1);
    if (room != NULL) {
        vsnprintf((char *)room, (size_t)length + 1, format, again);
        buf->length += (size_t)length;
    }
    va_end(again);
}

const char *base_buf_string(struct base_buf *buf)
{
    uint8_t *room = base_buf_reserve(buf, 1);
    if (room == NULL)
        return "";
    *room = '\0';
    return (const char *)buf->data;
}
