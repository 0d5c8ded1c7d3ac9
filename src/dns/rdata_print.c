/* Rdata to text: the driver and the kinds of fields that many types have. See rdata.h. */
#include "dns/rdata_print.h"

#include "base/codec.h"
#include "base/error.h"
#include "dns/scalar.h"

#include <string.h>

/* Characters of a blob on each line of the pretty style. */
#define PRETTY_COLUMNS 56
#define PRETTY_INDENT  "\n\t\t\t\t"

static inline char *reserve(struct base_buf *buf, size_t size)
{
    return (char *)base_buf_reserve(buf, size);
}

void dns_print_number(struct base_buf *buf, uint64_t value)
{
    char *room = reserve(buf, DNS_SCALAR_NUMBER);
    if (room != NULL)
        buf->length += dns_scalar_put_number(room, value);
}

void dns_print_name(struct base_buf *buf, const uint8_t *name)
{
    char *room = reserve(buf, DNS_NAME_TEXT);
    if (room != NULL)
        buf->length += dns_name_to_text(room, name);
}

void dns_print_ipv4(struct base_buf *buf, const uint8_t *address)
{
    char *room = reserve(buf, DNS_SCALAR_IPV4);
    if (room != NULL)
        buf->length += dns_scalar_put_ipv4(room, address);
}

void dns_print_ipv6(struct base_buf *buf, const uint8_t *address)
{
    char *room = reserve(buf, DNS_SCALAR_IPV6);
    if (room != NULL)
        buf->length += dns_scalar_put_ipv6(room, address);
}

static void print_time(struct base_buf *buf, uint32_t value)
{
    char *room = reserve(buf, DNS_SCALAR_TIME);
    if (room != NULL)
        buf->length += dns_scalar_put_time(room, value);
}

static void print_groups(struct base_buf *buf, const uint8_t *octets, size_t count, size_t group,
                         char separator)
{
    char *room = reserve(buf, count * 3);
    if (room != NULL)
        buf->length += dns_scalar_put_groups(room, octets, count, group, separator);
}

void dns_print_base64(struct base_buf *buf, const uint8_t *octets, size_t length)
{
    char *room = reserve(buf, BASE_BASE64_SIZE(length));
    if (room != NULL)
        buf->length += base_base64_encode(room, octets, length);
}

void dns_print_hex(struct base_buf *buf, const uint8_t *octets, size_t length)
{
    char *room = reserve(buf, BASE_HEX_SIZE(length));
    if (room != NULL)
        buf->length += base_hex_encode(room, octets, length);
}

static void print_base32hex(struct base_buf *buf, const uint8_t *octets, size_t length)
{
    char *room = reserve(buf, BASE_BASE32HEX_SIZE(length));
    if (room != NULL)
        buf->length += base_base32hex_encode(room, octets, length);
}

/* True when no octet needs an escape. Written without branches so that it is done many at once. */
static bool is_plain(const uint8_t *octets, size_t length)
{
    uint8_t special = 0;
    for (size_t i = 0; i < length; i++) {
        uint8_t octet = octets[i];
        special |=
            (uint8_t)((uint8_t)(octet - ' ') > 0x7e - ' ') | (octet == '"') | (octet == '\\');
    }
    return special == 0;
}

void dns_print_string(struct base_buf *buf, const uint8_t *octets, size_t length)
{
    if (is_plain(octets, length)) {
        base_buf_append(buf, octets, length);
        return;
    }
    char *room = reserve(buf, length * 4);
    if (room == NULL)
        return;
    char *put = room;
    for (size_t i = 0; i < length; i++) {
        uint8_t octet = octets[i];
        if (octet >= ' ' && octet <= 0x7e) {
            if (octet == '"' || octet == '\\')
                *put++ = '\\';
            *put++ = (char)octet;
        } else {
            *put++ = '\\';
            *put++ = (char)('0' + octet / 100);
            *put++ = (char)('0' + octet / 10 % 10);
            *put++ = (char)('0' + octet % 10);
        }
    }
    buf->length += (size_t)(put - room);
}

static void print_quoted(struct base_buf *buf, const uint8_t *octets, size_t length)
{
    base_buf_u8(buf, '"');
    dns_print_string(buf, octets, length);
    base_buf_u8(buf, '"');
}

/* Strings to the end of the rdata, with a blank between. */
static size_t print_strings(struct base_buf *buf, const uint8_t *rdata, size_t length, size_t at)
{
    while (at < length) {
        print_quoted(buf, rdata + at + 1, rdata[at]);
        at += 1 + rdata[at];
        if (at < length)
            base_buf_u8(buf, ' ');
    }
    return length;
}

/* Writes the type's text into a room of DNS_TYPE_TEXT; returns the end. */
static char *put_type(char *put, uint16_t type)
{
    const struct dns_rrtype *row = dns_rrtype_find(type);
    if (row->name_length == 0)
        return put + strlen(dns_type_text(put, type));
    memcpy(put, row->name, sizeof(row->name));
    return put + row->name_length;
}

static void print_type(struct base_buf *buf, uint16_t type)
{
    char text[DNS_TYPE_TEXT];
    base_buf_text(buf, dns_type_text(text, type));
}

static void print_bitmap(struct base_buf *buf, const uint8_t *bitmap, size_t length)
{
    size_t start = buf->length;
    for (size_t at = 0; at < length; at += 2u + bitmap[at + 1]) {
        unsigned base = (unsigned)bitmap[at] << 8;
        for (unsigned i = 0; i < bitmap[at + 1]; i++) {
            unsigned bits = bitmap[at + 2 + i];
            char *room = bits == 0 ? NULL : reserve(buf, (DNS_TYPE_TEXT + 1) * 8);
            if (room == NULL)
                continue;
            char *put = room;
            bool first = buf->length == start; /* no blank before it */
            for (; bits != 0; first = false) {
                unsigned bit = (unsigned)__builtin_clz(bits) - 24;
                bits &= ~(0x80u >> bit);
                if (!first)
                    *put++ = ' ';
                put = put_type(put, (uint16_t)(base + i * 8 + bit));
            }
            buf->length += (size_t)(put - room);
        }
    }
}

static void print_old_bitmap(struct base_buf *buf, const uint8_t *bitmap, size_t length)
{
    bool first = true;
    for (unsigned type = 1; type < length * 8; type++) {
        if ((bitmap[type / 8] & 0x80 >> type % 8) == 0)
            continue;
        if (!first)
            base_buf_u8(buf, ' ');
        first = false;
        print_type(buf, (uint16_t)type);
    }
}

static void print_mnemonic(struct base_buf *buf, enum dns_field_kind kind, uint16_t value)
{
    const char *name = dns_mnemonic_name(dns_field_mnemonics(kind), value);
    if (name != NULL)
        base_buf_text(buf, name);
    else
        dns_print_number(buf, value);
}

/* Breaks the characters behind `start` into lines that begin with the indent, the first one too. */
static void break_lines(struct base_buf *buf, size_t start)
{
    size_t length = buf->length - start;
    const size_t indent = sizeof(PRETTY_INDENT) - 1;
    size_t lines = (length + PRETTY_COLUMNS - 1) / PRETTY_COLUMNS;
    size_t more = lines * indent;
    if (buf->error != BASE_OK || base_buf_reserve(buf, more) == NULL)
        return;
    char *text = (char *)buf->data + start;
    /* From the end, so that nothing is overwritten that is still to move. */
    for (size_t i = lines; i-- > 0;) {
        size_t from = i * PRETTY_COLUMNS;
        size_t size = i == lines - 1 ? length - from : PRETTY_COLUMNS;
        char *to = text + i * (PRETTY_COLUMNS + indent);
        memmove(to + indent, text + from, size);
        memcpy(to, PRETTY_INDENT, indent);
    }
    buf->length += more;
}

/* Puts the characters behind `start` into lines in parentheses when they are too many for one. */
static void enclose_lines(struct base_buf *buf, size_t start)
{
    size_t length = buf->length - start;
    if (length <= PRETTY_COLUMNS || base_buf_reserve(buf, 1) == NULL)
        return;
    memmove(buf->data + start + 1, buf->data + start, length);
    buf->data[start] = '(';
    buf->length++;
    break_lines(buf, start + 1);
    base_buf_text(buf, " )");
}

static size_t print_blob(struct base_buf *buf, const struct dns_field *field, const uint8_t *rdata,
                         size_t length, size_t at, enum dns_text_style style)
{
    size_t start = buf->length;
    if (field->kind == DNS_FIELD_HEX)
        dns_print_hex(buf, rdata + at, length - at);
    else if (field->kind == DNS_FIELD_BASE64_OR_DASH && at == length)
        base_buf_u8(buf, '-');
    else
        dns_print_base64(buf, rdata + at, length - at);
    if (style == DNS_TEXT_PRETTY)
        enclose_lines(buf, start);
    return length;
}

static size_t print_sized(struct base_buf *buf, const uint8_t *rdata, size_t at)
{
    size_t size = base_load_u16(rdata + at);
    dns_print_number(buf, size);
    if (size > 0) {
        base_buf_u8(buf, ' ');
        dns_print_base64(buf, rdata + at + 2, size);
    }
    return at + 2 + size;
}

static size_t print_salt(struct base_buf *buf, const uint8_t *rdata, size_t at)
{
    if (rdata[at] == 0)
        base_buf_u8(buf, '-');
    else
        dns_print_hex(buf, rdata + at + 1, rdata[at]);
    return at + 1 + rdata[at];
}

static size_t print_gateway(struct base_buf *buf, const uint8_t *rdata, size_t at)
{
    switch (rdata[1] & 0x7f) {
    case 1:
        dns_print_ipv4(buf, rdata + at);
        return at + 4;
    case 2:
        dns_print_ipv6(buf, rdata + at);
        return at + 16;
    case 3:
        dns_print_name(buf, rdata + at);
        return at + dns_name_length(rdata + at);
    default:
        base_buf_u8(buf, '.');
        return at;
    }
}

static uint64_t get_number(const uint8_t *at, unsigned octets)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < octets; i++)
        value = value << 8 | at[i];
    return value;
}

static size_t print_number(struct base_buf *buf, const uint8_t *rdata, size_t at, unsigned octets)
{
    dns_print_number(buf, get_number(rdata + at, octets));
    return at + octets;
}

size_t dns_field_print(struct base_buf *buf, const struct dns_field *field, const uint8_t *rdata,
                       size_t length, size_t at, enum dns_text_style style)
{
    switch ((enum dns_field_kind)field->kind) {
    case DNS_FIELD_END:
        return length;
    case DNS_FIELD_U8:
    case DNS_FIELD_ALGORITHM:
    case DNS_FIELD_DIGEST_TYPE:
    case DNS_FIELD_GATEWAY_TYPE:
        return print_number(buf, rdata, at, 1);
    case DNS_FIELD_U16:
        return print_number(buf, rdata, at, 2);
    case DNS_FIELD_U32:
    case DNS_FIELD_TTL:
        return print_number(buf, rdata, at, 4);
    case DNS_FIELD_U48:
        return print_number(buf, rdata, at, 6);
    case DNS_FIELD_U64:
        return print_number(buf, rdata, at, 8);
    case DNS_FIELD_TIME:
        print_time(buf, base_load_u32(rdata + at));
        return at + 4;
    case DNS_FIELD_TYPE:
        print_type(buf, base_load_u16(rdata + at));
        return at + 2;
    case DNS_FIELD_SCHEME:
        print_mnemonic(buf, field->kind, rdata[at]);
        return at + 1;
    case DNS_FIELD_CERT_TYPE:
        print_mnemonic(buf, field->kind, base_load_u16(rdata + at));
        return at + 2;
    case DNS_FIELD_IPV4:
        dns_print_ipv4(buf, rdata + at);
        return at + 4;
    case DNS_FIELD_IPV6:
        dns_print_ipv6(buf, rdata + at);
        return at + 16;
    case DNS_FIELD_EUI48:
        print_groups(buf, rdata + at, 6, 1, '-');
        return at + 6;
    case DNS_FIELD_EUI64:
        print_groups(buf, rdata + at, 8, 1, '-');
        return at + 8;
    case DNS_FIELD_NODE:
        print_groups(buf, rdata + at, 8, 2, ':');
        return at + 8;
    case DNS_FIELD_NSAP:
        base_buf_text(buf, "0x");
        dns_print_hex(buf, rdata + at, length - at);
        return length;
    case DNS_FIELD_ATMA:
        dns_print_atma(buf, rdata + at, length - at);
        return length;
    case DNS_FIELD_A6:
        dns_print_a6(buf, rdata + at, length - at);
        return length;
    case DNS_FIELD_NAME:
        dns_print_name(buf, rdata + at);
        return at + dns_name_length(rdata + at);
    case DNS_FIELD_STRING:
    case DNS_FIELD_DIGITS:
    case DNS_FIELD_STRING_OPTIONAL:
        print_quoted(buf, rdata + at + 1, rdata[at]);
        return at + 1 + rdata[at];
    case DNS_FIELD_STRINGS:
        return print_strings(buf, rdata, length, at);
    case DNS_FIELD_TAG:
        base_buf_append(buf, rdata + at + 1, rdata[at]);
        return at + 1 + rdata[at];
    case DNS_FIELD_LONG_STRING:
        print_quoted(buf, rdata + at, length - at);
        return length;
    case DNS_FIELD_BASE64:
    case DNS_FIELD_BASE64_OR_DASH:
    case DNS_FIELD_HEX:
        return print_blob(buf, field, rdata, length, at, style);
    case DNS_FIELD_SIZED:
        return print_sized(buf, rdata, at);
    case DNS_FIELD_SALT:
        return print_salt(buf, rdata, at);
    case DNS_FIELD_HASH:
        print_base32hex(buf, rdata + at + 1, rdata[at]);
        return at + 1 + rdata[at];
    case DNS_FIELD_BITMAP:
        print_bitmap(buf, rdata + at, length - at);
        return length;
    case DNS_FIELD_OLD_BITMAP:
        print_old_bitmap(buf, rdata + at, length - at);
        return length;
    case DNS_FIELD_SERVICES:
        dns_print_services(buf, rdata + at, length - at);
        return length;
    case DNS_FIELD_RELAY_TYPE:
        dns_print_number(buf, rdata[at] >> 7);
        base_buf_u8(buf, ' ');
        dns_print_number(buf, rdata[at] & 0x7f);
        return at + 1;
    case DNS_FIELD_GATEWAY:
        return print_gateway(buf, rdata, at);
    case DNS_FIELD_HIP:
        dns_print_hip(buf, rdata + at, length - at);
        return length;
    case DNS_FIELD_LOCATION:
        dns_print_location(buf, rdata + at);
        return length;
    case DNS_FIELD_PREFIXES:
        dns_print_prefixes(buf, rdata + at, length - at);
        return length;
    case DNS_FIELD_SVCPARAMS:
        dns_print_svcparams(buf, rdata + at, length - at);
        return length;
    }
    return length;
}

static void print_generic(struct base_buf *buf, const uint8_t *rdata, size_t length)
{
    base_buf_text(buf, "\\# ");
    dns_print_number(buf, length);
    if (length > 0) {
        base_buf_u8(buf, ' ');
        dns_print_hex(buf, rdata, length);
    }
}

/* An SOA over lines, each number with its meaning. */
static void print_pretty_soa(struct base_buf *buf, const struct dns_rrtype *row,
                             const uint8_t *rdata, size_t length)
{
    size_t at = dns_field_print(buf, &row->fields[0], rdata, length, 0, DNS_TEXT_PLAIN);
    base_buf_u8(buf, ' ');
    at = dns_field_print(buf, &row->fields[1], rdata, length, at, DNS_TEXT_PLAIN);
    base_buf_text(buf, " (");
    for (size_t i = 2; row->fields[i].kind != DNS_FIELD_END; i++) {
        base_buf_text(buf, PRETTY_INDENT);
        size_t start = buf->length;
        at = dns_field_print(buf, &row->fields[i], rdata, length, at, DNS_TEXT_PLAIN);
        while (buf->error == BASE_OK && buf->length - start < 10)
            base_buf_u8(buf, ' ');
        base_buf_text(buf, " ; ");
        base_buf_text(buf, row->fields[i].name);
    }
    base_buf_text(buf, PRETTY_INDENT ")");
}

/* A signature over lines: what it covers, its dates and key, the signature. */
static void print_pretty_signature(struct base_buf *buf, const struct dns_rrtype *row,
                                   const uint8_t *rdata, size_t length)
{
    enum { HEAD = 4, LAST = 8 }; /* fields on the first line; the signature */
    size_t at = 0;
    for (size_t i = 0; i < LAST; i++) {
        if (i == HEAD)
            base_buf_text(buf, " (" PRETTY_INDENT);
        else if (i > 0)
            base_buf_u8(buf, ' ');
        at = dns_field_print(buf, &row->fields[i], rdata, length, at, DNS_TEXT_PLAIN);
    }
    size_t start = buf->length;
    dns_field_print(buf, &row->fields[LAST], rdata, length, at, DNS_TEXT_PLAIN);
    break_lines(buf, start);
    base_buf_text(buf, " )");
}

/* Writes a field of one of the kinds that most records consist of, plainly, into room that is
 * there; returns the end, or NULL for another kind. */
static char *put_field(char *put, const struct dns_field *field, const uint8_t *rdata,
                       size_t length, size_t *at)
{
    const uint8_t *from = rdata + *at;
    switch (field->kind) {
    case DNS_FIELD_U8:
    case DNS_FIELD_ALGORITHM:
    case DNS_FIELD_DIGEST_TYPE:
        *at += 1;
        return put + dns_scalar_put_number(put, from[0]);
    case DNS_FIELD_U16:
        *at += 2;
        return put + dns_scalar_put_number(put, base_load_u16(from));
    case DNS_FIELD_U32:
    case DNS_FIELD_TTL:
        *at += 4;
        return put + dns_scalar_put_number(put, base_load_u32(from));
    case DNS_FIELD_TIME:
        *at += 4;
        return put + dns_scalar_put_time(put, base_load_u32(from));
    case DNS_FIELD_TYPE:
        *at += 2;
        return put_type(put, base_load_u16(from));
    case DNS_FIELD_IPV4:
        *at += 4;
        return put + dns_scalar_put_ipv4(put, from);
    case DNS_FIELD_NAME:
        *at += dns_name_length(from);
        return put + dns_name_to_text(put, from);
    case DNS_FIELD_BASE64:
        put += base_base64_encode(put, from, length - *at);
        *at = length;
        return put;
    case DNS_FIELD_HEX:
        put += base_hex_encode(put, from, length - *at);
        *at = length;
        return put;
    default:
        return NULL;
    }
}

/* Writes a field as put_field does, with the blank before it; false, with nothing written, for
 * kinds that it does not know and for buffers that may not become large enough for any content. */
static bool print_common(struct base_buf *buf, const struct dns_field *field, bool first,
                         const uint8_t *rdata, size_t length, size_t *at)
{
    /* A name is the longest field of a bounded length, hexadecimal the longest form of the rest. */
    size_t most = DNS_NAME_TEXT + 2 * (length - *at) + 8;
    char *room = most <= buf->limit - buf->length ? reserve(buf, most) : NULL;
    if (room == NULL)
        return false;
    char *start = room;
    if (!first)
        *start++ = ' ';
    char *end = put_field(start, field, rdata, length, at);
    if (end > start)
        buf->length += (size_t)(end - room);
    return end != NULL;
}

void dns_rdata_to_text(struct base_buf *buf, uint16_t type, const uint8_t *rdata, size_t length,
                       enum dns_text_style style)
{
    const struct dns_rrtype *row = dns_rrtype_find(type);
    bool generic = style == DNS_TEXT_GENERIC || (row->flags & DNS_RRTYPE_OPAQUE) != 0 ||
                   dns_rdata_check(type, rdata, length, NULL) != BASE_OK;
    if (generic) {
        print_generic(buf, rdata, length);
        return;
    }
    if (style == DNS_TEXT_PRETTY && type == DNS_TYPE_SOA) {
        print_pretty_soa(buf, row, rdata, length);
        return;
    }
    if (style == DNS_TEXT_PRETTY && type == DNS_TYPE_RRSIG) {
        print_pretty_signature(buf, row, rdata, length);
        return;
    }
    size_t at = 0;
    for (const struct dns_field *field = row->fields; field->kind != DNS_FIELD_END; field++) {
        if (style == DNS_TEXT_PLAIN &&
            print_common(buf, field, field == row->fields, rdata, length, &at))
            continue;
        /* Fields that may be absent leave nothing behind, not even the blank before them. */
        size_t before = buf->length;
        if (field != row->fields)
            base_buf_u8(buf, ' ');
        size_t start = buf->length;
        if (at < length || field->kind != DNS_FIELD_STRING_OPTIONAL)
            at = dns_field_print(buf, field, rdata, length, at, style);
        if (buf->length == start && buf->error == BASE_OK)
            buf->length = before;
    }
}
