/* Rdata as a JSON object: see rdata.h. */
#include "dns/rdata_print.h"

#include "base/error.h"

#include <string.h>

void dns_json_escape(struct base_buf *buf, size_t start)
{
    if (buf->error != BASE_OK)
        return;
    size_t length = buf->length - start, more = 0;
    const uint8_t *text = buf->data + start;
    for (size_t i = 0; i < length; i++)
        more += text[i] == '"' || text[i] == '\\';
    if (more == 0 || base_buf_reserve(buf, more) == NULL)
        return;
    uint8_t *put = buf->data + buf->length + more;
    for (size_t i = length; i-- > 0;) {
        uint8_t character = buf->data[start + i];
        *--put = character;
        if (character == '"' || character == '\\')
            *--put = '\\';
    }
    buf->length += more;
}

/* A field as a JSON string of its text. */
static size_t json_text(struct base_buf *buf, const struct dns_field *field, const uint8_t *rdata,
                        size_t length, size_t at)
{
    base_buf_u8(buf, '"');
    size_t start = buf->length;
    at = dns_field_print(buf, field, rdata, length, at, DNS_TEXT_PLAIN);
    dns_json_escape(buf, start);
    base_buf_u8(buf, '"');
    return at;
}

static void json_string(struct base_buf *buf, const uint8_t *octets, size_t length)
{
    base_buf_u8(buf, '"');
    size_t start = buf->length;
    dns_print_string(buf, octets, length);
    dns_json_escape(buf, start);
    base_buf_u8(buf, '"');
}

static size_t json_strings(struct base_buf *buf, const uint8_t *rdata, size_t length, size_t at)
{
    base_buf_u8(buf, '[');
    while (at < length) {
        json_string(buf, rdata + at + 1, rdata[at]);
        at += 1 + rdata[at];
        if (at < length)
            base_buf_u8(buf, ',');
    }
    base_buf_u8(buf, ']');
    return length;
}

/* The words of a field's text as an array: types, prefixes. Their text needs no escapes. */
static size_t json_words(struct base_buf *buf, const struct dns_field *field, const uint8_t *rdata,
                         size_t length, size_t at)
{
    struct base_buf words;
    base_buf_init(&words, buf->limit);
    at = dns_field_print(&words, field, rdata, length, at, DNS_TEXT_PLAIN);
    if (words.error != BASE_OK && buf->error == BASE_OK)
        buf->error = words.error;
    base_buf_u8(buf, '[');
    for (size_t i = 0; i < words.length; i++) {
        bool first = i == 0 || words.data[i - 1] == ' ';
        bool last = i + 1 == words.length || words.data[i + 1] == ' ';
        if (first)
            base_buf_u8(buf, '"');
        base_buf_u8(buf, words.data[i] == ' ' ? ',' : words.data[i]);
        if (last && words.data[i] != ' ')
            base_buf_u8(buf, '"');
    }
    base_buf_u8(buf, ']');
    base_buf_free(&words);
    return at;
}

static size_t json_field(struct base_buf *buf, const struct dns_field *field, const uint8_t *rdata,
                         size_t length, size_t at)
{
    switch ((enum dns_field_kind)field->kind) {
    case DNS_FIELD_U8:
    case DNS_FIELD_U16:
    case DNS_FIELD_U32:
    case DNS_FIELD_U48:
    case DNS_FIELD_TTL:
    case DNS_FIELD_ALGORITHM:
    case DNS_FIELD_DIGEST_TYPE:
    case DNS_FIELD_GATEWAY_TYPE:
        return dns_field_print(buf, field, rdata, length, at, DNS_TEXT_PLAIN);
    case DNS_FIELD_STRING:
    case DNS_FIELD_DIGITS:
    case DNS_FIELD_STRING_OPTIONAL:
        json_string(buf, rdata + at + 1, rdata[at]);
        return at + 1 + rdata[at];
    case DNS_FIELD_LONG_STRING:
        json_string(buf, rdata + at, length - at);
        return length;
    case DNS_FIELD_STRINGS:
        return json_strings(buf, rdata, length, at);
    case DNS_FIELD_BITMAP:
    case DNS_FIELD_OLD_BITMAP:
    case DNS_FIELD_PREFIXES:
        return json_words(buf, field, rdata, length, at);
    case DNS_FIELD_SVCPARAMS:
        dns_json_svcparams(buf, rdata + at, length - at);
        return length;
    default:
        return json_text(buf, field, rdata, length, at);
    }
}

void dns_rdata_to_json(struct base_buf *buf, uint16_t type, const uint8_t *rdata, size_t length)
{
    const struct dns_rrtype *row = dns_rrtype_find(type);
    base_buf_u8(buf, '{');
    if ((row->flags & DNS_RRTYPE_OPAQUE) != 0 ||
        dns_rdata_check(type, rdata, length, NULL) != BASE_OK) {
        base_buf_text(buf, "\"data\":\"");
        dns_print_hex(buf, rdata, length);
        base_buf_text(buf, "\"}");
        return;
    }
    size_t at = 0;
    for (const struct dns_field *field = row->fields; field->kind != DNS_FIELD_END; field++) {
        if (field->kind == DNS_FIELD_STRING_OPTIONAL && at == length)
            continue;
        if (field != row->fields)
            base_buf_u8(buf, ',');
        base_buf_u8(buf, '"');
        base_buf_text(buf, field->name);
        base_buf_text(buf, "\":");
        at = json_field(buf, field, rdata, length, at);
    }
    base_buf_u8(buf, '}');
}
