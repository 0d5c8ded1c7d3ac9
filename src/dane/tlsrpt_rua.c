/*
 * Where reports go: the TXT record at _smtp._tls (RFC 8460 section 3).
 */
#include "dane/tlsrpt.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TXT_MAX 4096

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static void trim(const char **from, const char **to)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): all written */
    while (*from < *to && is_space(**from))
        (*from)++;
    /* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): all written */
    while (*from < *to && is_space((*to)[-1]))
        (*to)--;
}

/* A mailto: or https: URI of printable characters. */
static bool is_usable(const char *from, const char *to)
{
    size_t length = (size_t)(to - from);
    for (const char *at = from; at < to; at++) {
        if (*at <= ' ' || *at == 127 || (unsigned char)*at > 127)
            return false;
    }
    return (length > 7 && strncasecmp(from, "mailto:", 7) == 0 && memchr(from, '@', length)) ||
           (length > 8 && strncasecmp(from, "https://", 8) == 0);
}

static int add_uris(const char *from, const char *to, struct dane_tlsrpt_rua *rua)
{
    while (from < to) {
        const char *comma = memchr(from, ',', (size_t)(to - from));
        const char *start = from, *end = comma ? comma : to;
        from = comma ? comma + 1 : to;
        trim(&start, &end);
        if (!is_usable(start, end) || rua->count == DANE_TLSRPT_RUA_MAX)
            continue;
        char *uri = strndup(start, (size_t)(end - start));
        if (!uri)
            return BASE_ENOMEM;
        rua->uris[rua->count++] = uri;
    }
    return BASE_OK;
}

static int read_fields(const char *from, const char *to, struct dane_tlsrpt_rua *rua)
{
    bool found = false;
    while (from < to) {
        const char *mark = memchr(from, ';', (size_t)(to - from));
        const char *start = from, *end = mark ? mark : to;
        from = mark ? mark + 1 : to;
        trim(&start, &end);
        if (end - start < 4 || memcmp(start, "rua", 3) != 0)
            continue;
        start += 3;
        trim(&start, &end);
        if (start == end || *start != '=')
            continue; /* an extension whose name begins like it */
        if (found)
            return BASE_EFORMAT;
        found = true;
        int status = add_uris(start + 1, end, rua);
        if (status != BASE_OK)
            return status;
    }
    return rua->count > 0 ? BASE_OK : BASE_EFORMAT;
}

int dane_tlsrpt_rua_read(const char *text, size_t length, struct dane_tlsrpt_rua *out)
{
    static const char version[] = "v=TLSRPTv1";
    struct dane_tlsrpt_rua rua = {.count = 0};
    const char *to = text + length, *mark = memchr(text, ';', length);
    const char *start = text, *end = mark ? mark : to;
    trim(&start, &end);
    if ((size_t)(end - start) != sizeof version - 1 ||
        memcmp(start, version, sizeof version - 1) != 0)
        return BASE_ENOENT;
    int status = mark ? read_fields(mark + 1, to, &rua) : BASE_EFORMAT;
    if (status == BASE_OK)
        *out = rua;
    else
        dane_tlsrpt_rua_free(&rua);
    return status;
}

void dane_tlsrpt_rua_free(struct dane_tlsrpt_rua *rua)
{
    for (size_t i = 0; i < rua->count; i++)
        free(rua->uris[i]);
    rua->count = 0;
}

/* The character-strings of a TXT record, joined. */
static size_t join(const struct validate_rdata *rdata, char out[TXT_MAX])
{
    size_t length = 0;
    for (size_t at = 0; at < rdata->length;) {
        size_t part = rdata->data[at++];
        if (at + part > rdata->length || length + part > TXT_MAX)
            break;
        memcpy(out + length, rdata->data + at, part);
        length += part;
        at += part;
    }
    return length;
}

static int no(char why[200], int status, const char *text)
{
    snprintf(why, 200, "%s", text);
    return status;
}

int dane_tlsrpt_rua_find(const struct validate_result *txt, struct dane_tlsrpt_rua *out,
                         char why[200])
{
    struct dane_tlsrpt_rua found = {.count = 0}, one;
    char text[TXT_MAX];
    size_t records = 0, good = 0;
    if (txt->status == VALIDATE_BOGUS || txt->status == VALIDATE_ERROR)
        return no(why, BASE_EIO, txt->sentence ? txt->sentence : "the record cannot be had");
    for (size_t i = 0; txt->kind == VALIDATE_ANSWER_DATA && i < txt->answer[0].count; i++) {
        int status = dane_tlsrpt_rua_read(text, join(&txt->answer[0].rdata[i], text), &one);
        records += status != BASE_ENOENT;
        if (status != BASE_OK)
            continue;
        good++;
        dane_tlsrpt_rua_free(&found);
        found = one;
    }
    if (records == 1 && good == 1) {
        *out = found;
        return BASE_OK;
    }
    dane_tlsrpt_rua_free(&found);
    return no(why, BASE_ENOENT,
              records == 0  ? "the domain asks for no reports"
              : records > 1 ? "there are several TLSRPTv1 records, so none counts"
                            : "the TLSRPTv1 record names no destination that can be used");
}
