/* TLSRPT: the log of Postfix, sessions, and the state of the collector, from strangers. */
#include "base/error.h"
#include "dane/tlsrpt_postfix.h"

#include <stdlib.h>
#include <string.h>

#define NOW ((base_time)1795341600)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int note(void *context, const struct dane_tlsrpt_seen *seen)
{
    struct dane_tlsrpt_session session = {.domain = seen->domain,
                                          .time = seen->time,
                                          .type = seen->type,
                                          .mx = seen->host,
                                          .receiving_ip = seen->address,
                                          .reason = seen->reason};
    if (seen->domain[0] == '\0' || seen->host[0] == '\0' || seen->time <= 0)
        abort();
    return dane_tlsrpt_session_write(&session, context);
}

/* What was written can be read again. */
static void read_back(const char *text, size_t length)
{
    for (const char *at = text, *end = text + length; at < end;) {
        struct dane_tlsrpt_session session;
        struct base_arena arena;
        struct json_t *root;
        char why[200];
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        base_arena_init(&arena, 0);
        if (!stop || dane_tlsrpt_session_read(at, (size_t)(stop - at), NOW, &arena, &root, &session,
                                              why) != BASE_OK)
            abort();
        dane_tlsrpt_session_free(root);
        base_arena_free(&arena);
        at = stop + 1;
    }
}

static void feed(struct dane_tlsrpt_postfix *postfix, const char *text, size_t size)
{
    for (size_t at = 0; at < size;) {
        const char *stop = memchr(text + at, '\n', size - at);
        size_t length = stop ? (size_t)(stop - (text + at)) : size - at;
        dane_tlsrpt_postfix_line(postfix, text + at, length, NOW);
        at += length + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dane_tlsrpt_postfix *postfix;
    struct dane_tlsrpt_session session;
    struct base_buf out, saved;
    struct base_arena arena;
    struct json_t *root;
    char why[200];
    base_buf_init(&out, 4 * 1024 * 1024);
    base_buf_init(&saved, 16 * 1024 * 1024);
    base_arena_init(&arena, 0);
    char *text = malloc(size ? size : 1);
    if (!text || dane_tlsrpt_postfix_new(note, &out, &postfix) != BASE_OK)
        abort();
    if (size > 0)
        memcpy(text, data, size);
    if (dane_tlsrpt_session_read(text, size, NOW, &arena, &root, &session, why) == BASE_OK)
        dane_tlsrpt_session_free(root);
    dane_tlsrpt_postfix_load(postfix, text, size);
    feed(postfix, text, size);
    if (out.error == BASE_OK && out.length > 0)
        read_back((const char *)out.data, out.length);
    if (dane_tlsrpt_postfix_save(postfix, &saved) != BASE_OK ||
        dane_tlsrpt_postfix_load(postfix, (const char *)saved.data, saved.length) != BASE_OK)
        abort();
    dane_tlsrpt_postfix_free(postfix);
    base_arena_free(&arena);
    base_buf_free(&saved);
    base_buf_free(&out);
    free(text);
    return 0;
}
