/*
 * Octets of a client of the policy service: requests, and the next hops in them. What is taken must
 * lie within what came, in one form whatever its spelling.
 */
#include "base/error.h"
#include "dane/postfix.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_key(const struct dane_socketmap_request *request)
{
    struct dane_postfix_key key, again;
    char text[DANE_POSTFIX_KEY_TEXT], second[DANE_POSTFIX_KEY_TEXT];
    dane_postfix_key_read(request->key, request->key_length, &key);
    dane_postfix_key_text(&key, text);
    if (key.hop == DANE_POSTFIX_NONE)
        return;
    dane_postfix_key_read(text, strlen(text), &again);
    dane_postfix_key_text(&again, second);
    if (again.hop != key.hop || strcmp(text, second) != 0)
        abort();
}

static void check_reply(const char *text, size_t length)
{
    struct base_buf out;
    char *copy = malloc(length + 1);
    if (!copy)
        return;
    memcpy(copy, text, length);
    copy[length] = '\0';
    base_buf_init(&out, 1 << 20);
    dane_socketmap_write(&out, DANE_SOCKETMAP_TEMP, copy);
    size_t size = strtoul(base_buf_string(&out), NULL, 10);
    const char *colon = strchr((const char *)out.data, ':');
    if (!colon || colon[1 + size] != ',' || colon[2 + size] != '\0')
        abort();
    base_buf_free(&out);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (size_t at = 0, used; at < size; at += used) {
        struct dane_socketmap_request request;
        int status = dane_socketmap_read(data + at, size - at, &request, &used);
        if (status != BASE_OK)
            break;
        const char *end = (const char *)data + at + used - 1;
        if (used == 0 || used > size - at || request.map < (const char *)data + at ||
            request.key + request.key_length != end ||
            request.map + request.map_length + 1 != request.key)
            abort();
        check_key(&request);
        check_reply(request.key, request.key_length);
    }
    return 0;
}
