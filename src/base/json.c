/* Writing JSON: see json.h. */
#include "base/json.h"

#include "base/utf8.h"

#include <stdbool.h>

static bool is_plain(uint8_t octet)
{
    return octet >= 0x20 && octet < 0x7f && octet != '"' && octet != '\\';
}

static void escape(struct base_buf *buf, uint8_t octet)
{
    switch (octet) {
    case '"':
        base_buf_text(buf, "\\\"");
        break;
    case '\\':
        base_buf_text(buf, "\\\\");
        break;
    case '\n':
        base_buf_text(buf, "\\n");
        break;
    case '\r':
        base_buf_text(buf, "\\r");
        break;
    case '\t':
        base_buf_text(buf, "\\t");
        break;
    default:
        base_buf_printf(buf, "\\u%04x", octet);
    }
}

void base_json_string(struct base_buf *buf, const char *text, size_t length)
{
    const uint8_t *octets = (const uint8_t *)text;
    base_buf_u8(buf, '"');
    size_t at = 0;
    while (at < length) {
        size_t plain = at;
        while (plain < length && is_plain(octets[plain]))
            plain++;
        base_buf_append(buf, octets + at, plain - at);
        at = plain;
        if (at == length)
            break;
        size_t sequence = octets[at] < 0x80 ? 0 : base_utf8_length(octets + at, length - at);
        if (sequence > 0) {
            base_buf_append(buf, octets + at, sequence);
            at += sequence;
        } else if (octets[at] < 0x80) {
            escape(buf, octets[at++]);
        } else {
            base_buf_text(buf, "\\ufffd");
            at++;
        }
    }
    base_buf_u8(buf, '"');
}

void base_json_text(struct base_buf *buf, const char *text)
{
    if (text == NULL)
        base_buf_text(buf, "null");
    else
        base_json_string(buf, text, strlen(text));
}
