/*
 * Netstrings, and the requests and replies of Postfix within them.
 */
#include "dane/socketmap.h"

#include "base/error.h"

#include <stdio.h>

#define LENGTH_DIGITS 4 /* of DANE_SOCKETMAP_REQUEST_MAX */

const char *dane_socketmap_word_name(enum dane_socketmap_word word)
{
    static const char *const names[] = {"OK", "NOTFOUND", "TEMP", "TIMEOUT", "PERM"};
    return names[word];
}

/* The decimal length up to the colon, without superfluous zeros. */
static int read_length(const uint8_t *data, size_t length, size_t *value, size_t *digits)
{
    size_t number = 0, at = 0;
    while (at < length && data[at] >= '0' && data[at] <= '9') {
        if (at == LENGTH_DIGITS)
            return BASE_ELIMIT;
        if (at == 1 && data[0] == '0')
            return BASE_EFORMAT;
        number = number * 10 + (size_t)(data[at++] - '0');
    }
    if (number > DANE_SOCKETMAP_REQUEST_MAX)
        return BASE_ELIMIT;
    if (at == length)
        return BASE_ENOENT;
    if (at == 0 || data[at] != ':')
        return BASE_EFORMAT;
    *value = number;
    *digits = at;
    return BASE_OK;
}

int dane_socketmap_read(const uint8_t *data, size_t length, struct dane_socketmap_request *out,
                        size_t *used)
{
    size_t size, digits;
    int status = read_length(data, length, &size, &digits);
    if (status != BASE_OK)
        return status;
    if (length - digits < size + 2)
        return BASE_ENOENT;
    const uint8_t *body = data + digits + 1;
    if (body[size] != ',')
        return BASE_EFORMAT;
    const uint8_t *space = memchr(body, ' ', size);
    if (!space)
        return BASE_EFORMAT;
    size_t name = (size_t)(space - body);
    *out = (struct dane_socketmap_request){
        .map = (const char *)body,
        .map_length = name,
        .key = (const char *)space + 1,
        .key_length = size - name - 1,
    };
    *used = digits + size + 2;
    return BASE_OK;
}

void dane_socketmap_write(struct base_buf *out, enum dane_socketmap_word word, const char *text)
{
    size_t length = strlen(text);
    if (length > DANE_SOCKETMAP_REPLY_MAX) {
        if (word == DANE_SOCKETMAP_OK) {
            word = DANE_SOCKETMAP_TEMP;
            text = "the answer is longer than it may be";
            length = strlen(text);
        } else {
            length = DANE_SOCKETMAP_REPLY_MAX;
        }
    }
    const char *name = dane_socketmap_word_name(word);
    base_buf_printf(out, "%zu:%s ", strlen(name) + 1 + length, name);
    for (size_t i = 0; i < length; i++)
        base_buf_u8(out, (unsigned char)text[i] < ' ' || text[i] == 127 ? '?' : (uint8_t)text[i]);
    base_buf_u8(out, ',');
}
