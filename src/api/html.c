/* Foreign text in HTML: see page.h. */
#include "api/page.h"

#include <string.h>

static const char *entity(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

/* Octets of a UTF-8 character here that would change how the text around it is shown: C1 controls,
 * marks and overrides of direction (U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069, U+061C),
 * separators of lines (U+2028, U+2029). 0: it is none. */
static size_t steering(const unsigned char *at)
{
    if ((at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0) || (at[0] == 0xd8 && at[1] == 0x9c))
        return 2;
    if (at[0] != 0xe2)
        return 0;
    if (at[1] == 0x80 && (at[2] == 0x8e || at[2] == 0x8f || (at[2] >= 0xa8 && at[2] <= 0xae)))
        return 3;
    return at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9 ? 3 : 0;
}

void api_html_text(struct base_buf *buf, const char *text)
{
    while (*text != '\0') {
        unsigned char c = (unsigned char)*text;
        const char *safe = entity(*text);
        size_t steers = c >= 0x80 ? steering((const unsigned char *)text) : 0;
        if (safe != NULL)
            base_buf_text(buf, safe);
        else if (steers > 0 || (c < ' ' && c != '\n' && c != '\t') || c == 0x7f)
            base_buf_text(buf, "\xef\xbf\xbd");
        else
            base_buf_u8(buf, c);
        text += steers > 0 ? steers : 1;
    }
}

void api_html_value(struct base_buf *buf, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
    for (; *text != '\0'; text++) {
        if (strchr(plain, *text) != NULL)
            base_buf_u8(buf, (uint8_t)*text);
        else
            base_buf_printf(buf, "%%%02X", (unsigned char)*text);
    }
}
