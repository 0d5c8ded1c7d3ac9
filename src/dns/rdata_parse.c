/* Rdata from text: the driver and the kinds of fields that many types have. See rdata.h. */
#include "dns/rdata_parse.h"

#include "base/codec.h"
#include "base/error.h"
#include "dns/scalar.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *dns_token_quote(char out[DNS_TOKEN_QUOTED], const struct dns_token *token)
{
    const uint32_t most = 60;
    uint32_t length = token->length < most ? token->length : most;
    size_t put = 0;
    out[put++] = '"';
    for (uint32_t i = 0; i < length; i++) {
        char character = token->text[i];
        out[put++] = (char)(character >= ' ' && character <= '~' ? character : '?');
    }
    if (length < token->length) {
        memcpy(out + put, "...", 3);
        put += 3;
    }
    out[put++] = '"';
    out[put] = '\0';
    return out;
}

static void describe(struct dns_rdata_parser *parser, const struct dns_token *token,
                     const char *format, va_list args)
{
    struct dns_rdata_problem *problem = parser->problem;
    if (problem == NULL)
        return;
    size_t room = sizeof(problem->message);
    const char *name = parser->field != NULL ? parser->field->name : "rdata";
    int used = snprintf(problem->message, room, "the %s ", name);
    if (used < 0 || (size_t)used >= room)
        return;
    dns_field_words(problem->message);
    int more = vsnprintf(problem->message + used, room - (size_t)used, format, args);
    used += more < 0 ? 0 : more;
    if (token != NULL && (size_t)used + 12 < room) {
        char quoted[DNS_TOKEN_QUOTED];
        snprintf(problem->message + used, room - (size_t)used, ", not %s",
                 dns_token_quote(quoted, token));
    }
    problem->token = parser->next > 0 ? parser->next - 1 : 0;
}

int dns_parse_fail(struct dns_rdata_parser *parser, int error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    describe(parser, NULL, format, args);
    va_end(args);
    return error;
}

int dns_parse_reject(struct dns_rdata_parser *parser, int error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    describe(parser, parser->next > 0 ? &parser->tokens[parser->next - 1] : NULL, format, args);
    va_end(args);
    return error;
}

const struct dns_token *dns_parse_token(struct dns_rdata_parser *parser)
{
    if (parser->next < parser->count)
        return &parser->tokens[parser->next++];
    dns_parse_fail(parser, BASE_EFORMAT, "is missing");
    return NULL;
}

bool dns_parse_room(struct dns_rdata_parser *parser, size_t size)
{
    if (size <= DNS_RDATA_MAX - parser->at)
        return true;
    dns_parse_fail(parser, BASE_ESPACE, "would make the rdata longer than 65535 octets");
    return false;
}

static int append(struct dns_rdata_parser *parser, const void *octets, size_t length)
{
    if (!dns_parse_room(parser, length))
        return BASE_ESPACE;
    memcpy(parser->out + parser->at, octets, length);
    parser->at += length;
    return BASE_OK;
}

static int append_number(struct dns_rdata_parser *parser, uint64_t value, unsigned octets)
{
    if (!dns_parse_room(parser, octets))
        return BASE_ESPACE;
    for (unsigned i = octets; i > 0; i--) {
        parser->out[parser->at + i - 1] = (uint8_t)value;
        value >>= 8;
    }
    parser->at += octets;
    return BASE_OK;
}

static bool all_digits(const struct dns_token *token)
{
    for (size_t i = 0; i < token->length; i++) {
        if (token->text[i] < '0' || token->text[i] > '9')
            return false;
    }
    return token->length > 0;
}

int dns_parse_number(struct dns_rdata_parser *parser, unsigned octets, uint64_t max)
{
    const struct dns_token *token = dns_parse_token(parser);
    if (token == NULL)
        return BASE_EFORMAT;
    uint64_t value;
    if (!dns_scalar_number(token->text, token->length, max, &value))
        return dns_parse_reject(parser, all_digits(token) ? BASE_ERANGE : BASE_EFORMAT,
                                "must be a number from 0 to %llu", (unsigned long long)max);
    return append_number(parser, value, octets);
}

static int parse_ttl(struct dns_rdata_parser *parser)
{
    const struct dns_token *token = dns_parse_token(parser);
    if (token == NULL)
        return BASE_EFORMAT;
    uint32_t value;
    if (!dns_scalar_ttl(token->text, token->length, &value))
        return dns_parse_reject(parser, all_digits(token) ? BASE_ERANGE : BASE_EFORMAT,
                                "must be seconds from 0 to 4294967295, or a time like 1h30m");
    return append_number(parser, value, 4);
}

static int parse_time(struct dns_rdata_parser *parser)
{
    const struct dns_token *token = dns_parse_token(parser);
    if (token == NULL)
        return BASE_EFORMAT;
    uint32_t value;
    if (!dns_scalar_time(token->text, token->length, &value))
        return dns_parse_reject(parser, all_digits(token) ? BASE_ERANGE : BASE_EFORMAT,
                                "must be a time like 20261231235959 (UTC, 1970 to 2106)");
    return append_number(parser, value, 4);
}

static int parse_type(struct dns_rdata_parser *parser)
{
    const struct dns_token *token = dns_parse_token(parser);
    if (token == NULL)
        return BASE_EFORMAT;
    uint16_t type;
    int error = dns_type_from_text(token->text, token->length, &type);
    if (error != BASE_OK)
        return dns_parse_reject(parser, error == BASE_ERANGE ? BASE_ERANGE : BASE_EFORMAT,
                                "must be a record type");
    return append_number(parser, type, 2);
}

static int parse_mnemonic(struct dns_rdata_parser *parser, unsigned octets)
{
    if (parser->next < parser->count) {
        const struct dns_token *token = &parser->tokens[parser->next];
        uint16_t value;
        if (token->length > 0 && (unsigned char)token->text[0] > '9' &&
            dns_mnemonic_value(dns_field_mnemonics(parser->field->kind), token->text, token->length,
                               &value)) {
            parser->next++;
            return append_number(parser, value, octets);
        }
    }
    return dns_parse_number(parser, octets, octets == 1 ? UINT8_MAX : UINT16_MAX);
}

int dns_parse_ipv4(struct dns_rdata_parser *parser)
{
    const struct dns_token *token = dns_parse_token(parser);
    if (token == NULL)
        return BASE_EFORMAT;
    uint8_t address[4];
    if (!dns_scalar_ipv4(token->text, token->length, address))
        return dns_parse_reject(parser, BASE_EFORMAT, "must be an IPv4 address");
    return append(parser, address, sizeof(address));
}

int dns_parse_ipv6(struct dns_rdata_parser *parser)
{
    const struct dns_token *token = dns_parse_token(parser);
    if (token == NULL)
        return BASE_EFORMAT;
    uint8_t address[16];
    if (!dns_scalar_ipv6(token->text, token->length, address))
        return dns_parse_reject(parser, BASE_EFORMAT, "must be an IPv6 address");
    return append(parser, address, sizeof(address));
}

/* Octets as pairs of hexadecimal digits with a separator. */
static int parse_groups(struct dns_rdata_parser *parser, unsigned octets)
{
    const struct dns_token *token = dns_parse_token(parser);
    if (token == NULL)
        return BASE_EFORMAT;
    uint8_t value[8];
    if (!dns_scalar_groups(token->text, token->length, value, octets, 1, '-'))
        return dns_parse_reject(parser, BASE_EFORMAT,
                                "must be %u pairs of hexadecimal digits joined by -", octets);
    return append(parser, value, octets);
}

/* Four groups of one to four hexadecimal digits joined by colons (RFC 6742 section 2.1.2). */
static int parse_node(struct dns_rdata_parser *parser)
{
    const struct dns_token *token = dns_parse_token(parser);
    if (token == NULL)
        return BASE_EFORMAT;
    uint64_t value = 0;
    size_t i = 0;
    unsigned groups = 0;
    while (groups < 4) {
        unsigned group = 0, digits = 0;
        int digit;
        for (; i < token->length && (digit = dns_scalar_hex_digit(token->text[i])) >= 0; i++) {
            group = group << 4 | (unsigned)digit;
            if (++digits > 4)
                break;
        }
        if (digits == 0 || digits > 4)
            break;
        value = value << 16 | group;
        if (++groups < 4 && (i >= token->length || token->text[i++] != ':'))
            break;
    }
    if (groups != 4 || i != token->length)
        return dns_parse_reject(parser, BASE_EFORMAT,
                                "must be four groups of hexadecimal digits joined by :");
    return append_number(parser, value, 8);
}

static int reject_name(struct dns_rdata_parser *parser, const struct dns_token *token, int error)
{
    if (error == BASE_ERANGE)
        return dns_parse_fail(parser, error,
                              "is a name of more than 255 octets or has a label of more than 63");
    bool relative = token->length > 0 && token->text[token->length - 1] != '.';
    if (relative && parser->origin == NULL)
        return dns_parse_reject(parser, error, "must be a name that ends with a dot");
    return dns_parse_reject(parser, error,
                            "must be a domain name without empty labels or broken escapes");
}

int dns_parse_name(struct dns_rdata_parser *parser)
{
    const struct dns_token *token = dns_parse_token(parser);
    if (token == NULL)
        return BASE_EFORMAT;
    uint8_t spare[DNS_NAME_MAX];
    bool fits = DNS_RDATA_MAX - parser->at >= DNS_NAME_MAX;
    uint8_t *name = fits ? parser->out + parser->at : spare;
    size_t length;
    int error = dns_name_from_text(name, &length, token->text, token->length, parser->origin);
    if (error != BASE_OK)
        return reject_name(parser, token, error);
    if (parser->lower && parser->canonical)
        parser->canonical = dns_name_is_lower(name);
    if (!fits)
        return append(parser, spare, length);
    parser->at += length;
    return BASE_OK;
}

int dns_parse_unescape(const char *text, size_t length, uint8_t *out, size_t capacity,
                       size_t *out_length)
{
    const char *escape = length == 0 ? NULL : memchr(text, '\\', length);
    size_t plain = escape == NULL ? length : (size_t)(escape - text);
    if (plain > capacity)
        return BASE_ESPACE;
    if (plain > 0)
        memcpy(out, text, plain);
    size_t put = plain;
    for (size_t at = plain; at < length;) {
        unsigned octet = (unsigned char)text[at++];
        if (octet == '\\') {
            if (at == length)
                return BASE_EFORMAT;
            octet = (unsigned char)text[at++];
            if (octet >= '0' && octet <= '9') {
                uint64_t value;
                if (length - at < 2 || !dns_scalar_number(text + at - 1, 3, 255, &value))
                    return BASE_EFORMAT;
                octet = (unsigned)value;
                at += 2;
            }
        }
        if (put == capacity)
            return BASE_ESPACE;
        out[put++] = (uint8_t)octet;
    }
    *out_length = put;
    return BASE_OK;
}

static int parse_string(struct dns_rdata_parser *parser)
{
    const struct dns_token *token = dns_parse_token(parser);
    if (token == NULL)
        return BASE_EFORMAT;
    uint8_t string[256];
    size_t length;
    int error = dns_parse_unescape(token->text, token->length, string + 1, 255, &length);
    if (error == BASE_ESPACE)
        return dns_parse_fail(parser, BASE_ERANGE,
                              "has more than 255 octets; split it into several strings");
    if (error != BASE_OK)
        return dns_parse_reject(parser, error, "must be a string without broken escapes");
    string[0] = (uint8_t)length;
    return append(parser, string, length + 1);
}

static int parse_strings(struct dns_rdata_parser *parser)
{
    do {
        int error = parse_string(parser);
        if (error != BASE_OK)
            return error;
    } while (parser->next < parser->count);
    return BASE_OK;
}

static int parse_digits(struct dns_rdata_parser *parser)
{
    size_t at = parser->at;
    int error = parse_string(parser);
    if (error != BASE_OK)
        return error;
    const char *wrong = dns_field_check(parser->field, parser->out, parser->at, &at);
    return wrong == NULL ? BASE_OK : dns_parse_fail(parser, BASE_EFORMAT, "%s", wrong);
}

static int parse_long_string(struct dns_rdata_parser *parser)
{
    const struct dns_token *token = dns_parse_token(parser);
    if (token == NULL)
        return BASE_EFORMAT;
    size_t length;
    int error = dns_parse_unescape(token->text, token->length, parser->out + parser->at,
                                   DNS_RDATA_MAX - parser->at, &length);
    if (error == BASE_ESPACE)
        return dns_parse_fail(parser, error, "would make the rdata longer than 65535 octets");
    if (error != BASE_OK)
        return dns_parse_reject(parser, error, "must be a string without broken escapes");
    if (length < parser->field->least)
        return dns_parse_fail(parser, BASE_EFORMAT, "is empty");
    parser->at += length;
    return BASE_OK;
}

/* Decodes `length` characters of base64 onto the end of the output. */
static int decode_base64(struct dns_rdata_parser *parser, const char *text, size_t length)
{
    size_t octets;
    int error = base_base64_decode(parser->out + parser->at, DNS_RDATA_MAX - parser->at, &octets,
                                   text, length);
    if (error == BASE_ESPACE)
        return dns_parse_fail(parser, error, "would make the rdata longer than 65535 octets");
    if (error != BASE_OK)
        return dns_parse_reject(parser, BASE_EFORMAT, "must be base64");
    parser->at += octets;
    return BASE_OK;
}

/* Groups of four characters may be torn apart by the ends of tokens: `carry` holds the beginning of
 * such a group. */
int dns_parse_base64(struct dns_rdata_parser *parser, size_t count)
{
    char carry[4];
    size_t carried = 0;
    bool padded = false;
    while (count-- > 0) {
        const struct dns_token *token = dns_parse_token(parser);
        if (token == NULL)
            return BASE_EFORMAT;
        const char *text = token->text;
        size_t length = token->length;
        if (length == 0)
            continue;
        if (padded)
            return dns_parse_reject(parser, BASE_EFORMAT, "goes on behind the padding of base64");
        while (carried > 0 && carried < 4 && length > 0) {
            carry[carried++] = *text++;
            length--;
        }
        int error = BASE_OK;
        if (carried == 4) {
            error = decode_base64(parser, carry, 4);
            padded = carry[3] == '=';
            carried = 0;
        }
        if (error == BASE_OK && length >= 4) {
            if (padded)
                return dns_parse_reject(parser, BASE_EFORMAT, "must be base64");
            error = decode_base64(parser, text, length & ~(size_t)3);
            padded = text[(length & ~(size_t)3) - 1] == '=';
        }
        if (error != BASE_OK)
            return error;
        for (size_t i = length & ~(size_t)3; i < length; i++)
            carry[carried++] = text[i];
    }
    if (carried > 0 && !padded)
        return dns_parse_fail(parser, BASE_EFORMAT,
                              "is not base64: its characters do not make up groups of four");
    if (carried > 0)
        return dns_parse_reject(parser, BASE_EFORMAT, "must be base64");
    return BASE_OK;
}

static int decode_hex(struct dns_rdata_parser *parser, const char *text, size_t length)
{
    size_t octets;
    int error = base_hex_decode(parser->out + parser->at, DNS_RDATA_MAX - parser->at, &octets, text,
                                length);
    if (error == BASE_ESPACE)
        return dns_parse_fail(parser, error, "would make the rdata longer than 65535 octets");
    if (error != BASE_OK)
        return dns_parse_reject(parser, BASE_EFORMAT, "must be hexadecimal digits");
    parser->at += octets;
    return BASE_OK;
}

int dns_parse_hex(struct dns_rdata_parser *parser, size_t count)
{
    char pair[2];
    bool half = false;
    while (count-- > 0) {
        const struct dns_token *token = dns_parse_token(parser);
        if (token == NULL)
            return BASE_EFORMAT;
        const char *text = token->text;
        size_t length = token->length;
        int error = BASE_OK;
        if (half && length > 0) {
            pair[1] = *text++;
            length--;
            half = false;
            error = decode_hex(parser, pair, 2);
        }
        if (error == BASE_OK && length >= 2)
            error = decode_hex(parser, text, length & ~(size_t)1);
        if (error != BASE_OK)
            return error;
        if (length % 2 != 0) {
            pair[0] = text[length - 1];
            half = true;
        }
    }
    if (half)
        return dns_parse_fail(parser, BASE_EFORMAT, "has an odd number of hexadecimal digits");
    return BASE_OK;
}

/* A blob to the end, with at least the octets that its field must have. */
static int parse_blob(struct dns_rdata_parser *parser)
{
    size_t start = parser->at;
    size_t count = parser->count - parser->next;
    bool dash = parser->field->kind == DNS_FIELD_BASE64_OR_DASH && count == 1 &&
                parser->tokens[parser->next].length == 1 &&
                parser->tokens[parser->next].text[0] == '-';
    if (dash) {
        parser->next++;
        return BASE_OK;
    }
    int error = parser->field->kind == DNS_FIELD_HEX ? dns_parse_hex(parser, count)
                                                     : dns_parse_base64(parser, count);
    if (error != BASE_OK)
        return error;
    if (parser->at - start < parser->field->least)
        return dns_parse_fail(parser, BASE_EFORMAT,
                              parser->at == start ? "is missing" : "is too short");
    return BASE_OK;
}

static int parse_sized(struct dns_rdata_parser *parser)
{
    size_t start = parser->at;
    int error = dns_parse_number(parser, 2, UINT16_MAX);
    if (error != BASE_OK)
        return error;
    size_t size = base_load_u16(parser->out + start);
    if (size > 0)
        error = dns_parse_base64(parser, 1);
    if (error == BASE_OK && parser->at - start - 2 != size)
        error = dns_parse_fail(parser, BASE_EFORMAT, "does not have the %zu octets it says", size);
    return error;
}

static int parse_salt(struct dns_rdata_parser *parser)
{
    const struct dns_token *token = dns_parse_token(parser);
    if (token == NULL)
        return BASE_EFORMAT;
    uint8_t salt[256];
    size_t length = 0;
    if (!(token->length == 1 && token->text[0] == '-')) {
        int error = base_hex_decode(salt + 1, 255, &length, token->text, token->length);
        if (error != BASE_OK || length == 0)
            return dns_parse_reject(parser, error == BASE_ESPACE ? BASE_ERANGE : BASE_EFORMAT,
                                    "must be \"-\" or up to 510 hexadecimal digits");
    }
    salt[0] = (uint8_t)length;
    return append(parser, salt, length + 1);
}

static int parse_hash(struct dns_rdata_parser *parser)
{
    const struct dns_token *token = dns_parse_token(parser);
    if (token == NULL)
        return BASE_EFORMAT;
    uint8_t hash[256];
    size_t length = 0;
    int error = base_base32hex_decode(hash + 1, 255, &length, token->text, token->length);
    if (error != BASE_OK || length == 0)
        return dns_parse_reject(parser, error == BASE_ESPACE ? BASE_ERANGE : BASE_EFORMAT,
                                "must be a hash in base32hex");
    hash[0] = (uint8_t)length;
    return append(parser, hash, length + 1);
}

static int parse_tag(struct dns_rdata_parser *parser)
{
    size_t start = parser->at;
    int error = parse_string(parser);
    if (error != BASE_OK)
        return error;
    size_t at = start;
    const char *wrong = dns_field_check(parser->field, parser->out, parser->at, &at);
    return wrong == NULL ? BASE_OK : dns_parse_fail(parser, BASE_EFORMAT, "%s", wrong);
}

/* Appends the windows of a bit field that has a bit for each type. */
static int append_bitmap(struct dns_rdata_parser *parser, const uint8_t *bits, size_t windows)
{
    for (size_t window = 0; window < windows; window++) {
        const uint8_t *octets = bits + window * 32;
        unsigned used = 32;
        while (used > 0 && octets[used - 1] == 0)
            used--;
        if (used == 0)
            continue;
        uint8_t head[2] = {(uint8_t)window, (uint8_t)used};
        int error = append(parser, head, sizeof(head));
        if (error == BASE_OK)
            error = append(parser, octets, used);
        if (error != BASE_OK)
            return error;
    }
    return BASE_OK;
}

/* Sets the bits of the types that are left on the line; true in *high when one of them is beyond
 * the `windows` that `bits` has room for. */
static int collect_types(struct dns_rdata_parser *parser, uint8_t *bits, size_t windows, bool *high)
{
    *high = false;
    while (parser->next < parser->count) {
        const struct dns_token *token = dns_parse_token(parser);
        uint16_t type;
        if (token == NULL || dns_type_from_text(token->text, token->length, &type) != BASE_OK)
            return dns_parse_reject(parser, BASE_EFORMAT, "must be record types");
        if ((size_t)type >> 8 >= windows)
            *high = true;
        else
            bits[type / 8] |= (uint8_t)(0x80 >> (type % 8));
    }
    return BASE_OK;
}

/* Nearly all bitmaps have only types below 256; the large bit field is for the others. */
static int parse_bitmap(struct dns_rdata_parser *parser)
{
    size_t first = parser->next, start = parser->at;
    uint8_t low[32] = {0};
    bool high;
    int error = collect_types(parser, low, 1, &high);
    if (error != BASE_OK)
        return error;
    if (!high) {
        error = append_bitmap(parser, low, 1);
    } else {
        uint8_t bits[65536 / 8] = {0};
        parser->next = first;
        error = collect_types(parser, bits, 256, &high);
        if (error == BASE_OK)
            error = append_bitmap(parser, bits, 256);
    }
    if (error == BASE_OK && parser->at - start < parser->field->least)
        error = dns_parse_fail(parser, BASE_EFORMAT, "are missing");
    return error;
}

static int parse_field(struct dns_rdata_parser *parser)
{
    switch ((enum dns_field_kind)parser->field->kind) {
    case DNS_FIELD_END:
        break;
    case DNS_FIELD_U8:
        return dns_parse_number(parser, 1, UINT8_MAX);
    case DNS_FIELD_U16:
        return dns_parse_number(parser, 2, UINT16_MAX);
    case DNS_FIELD_U32:
        return dns_parse_number(parser, 4, UINT32_MAX);
    case DNS_FIELD_U48:
        return dns_parse_number(parser, 6, (1ull << 48) - 1);
    case DNS_FIELD_U64:
        return dns_parse_number(parser, 8, UINT64_MAX);
    case DNS_FIELD_TTL:
        return parse_ttl(parser);
    case DNS_FIELD_TIME:
        return parse_time(parser);
    case DNS_FIELD_TYPE:
        return parse_type(parser);
    case DNS_FIELD_ALGORITHM:
    case DNS_FIELD_DIGEST_TYPE:
    case DNS_FIELD_SCHEME:
        return parse_mnemonic(parser, 1);
    case DNS_FIELD_CERT_TYPE:
        return parse_mnemonic(parser, 2);
    case DNS_FIELD_IPV4:
        return dns_parse_ipv4(parser);
    case DNS_FIELD_IPV6:
        return dns_parse_ipv6(parser);
    case DNS_FIELD_EUI48:
        return parse_groups(parser, 6);
    case DNS_FIELD_EUI64:
        return parse_groups(parser, 8);
    case DNS_FIELD_NODE:
        return parse_node(parser);
    case DNS_FIELD_NSAP:
        return dns_parse_nsap(parser);
    case DNS_FIELD_ATMA:
        return dns_parse_atma(parser);
    case DNS_FIELD_A6:
        return dns_parse_a6(parser);
    case DNS_FIELD_NAME:
        return dns_parse_name(parser);
    case DNS_FIELD_STRING:
        return parse_string(parser);
    case DNS_FIELD_DIGITS:
        return parse_digits(parser);
    case DNS_FIELD_STRING_OPTIONAL:
        return parser->next < parser->count ? parse_string(parser) : BASE_OK;
    case DNS_FIELD_STRINGS:
        return parse_strings(parser);
    case DNS_FIELD_TAG:
        return parse_tag(parser);
    case DNS_FIELD_LONG_STRING:
        return parse_long_string(parser);
    case DNS_FIELD_BASE64:
    case DNS_FIELD_BASE64_OR_DASH:
    case DNS_FIELD_HEX:
        return parse_blob(parser);
    case DNS_FIELD_SIZED:
        return parse_sized(parser);
    case DNS_FIELD_SALT:
        return parse_salt(parser);
    case DNS_FIELD_HASH:
        return parse_hash(parser);
    case DNS_FIELD_BITMAP:
        return parse_bitmap(parser);
    case DNS_FIELD_OLD_BITMAP:
        return dns_parse_old_bitmap(parser);
    case DNS_FIELD_SERVICES:
        return dns_parse_services(parser);
    case DNS_FIELD_GATEWAY_TYPE:
        return dns_parse_number(parser, 1, 3);
    case DNS_FIELD_RELAY_TYPE:
        return dns_parse_relay_type(parser);
    case DNS_FIELD_GATEWAY:
        return dns_parse_gateway(parser);
    case DNS_FIELD_HIP:
        return dns_parse_hip(parser);
    case DNS_FIELD_LOCATION:
        return dns_parse_location(parser);
    case DNS_FIELD_PREFIXES:
        return dns_parse_prefixes(parser);
    case DNS_FIELD_SVCPARAMS:
        return dns_parse_svcparams(parser);
    }
    return dns_parse_fail(parser, BASE_EINVAL, "cannot be read");
}

/* The form of RFC 3597: \# length octets in hexadecimal. */
static int parse_generic(struct dns_rdata_parser *parser, uint16_t type)
{
    static const struct dns_field size_field = {DNS_FIELD_U16, 0, "length behind \\#"};
    static const struct dns_field data_field = {DNS_FIELD_HEX, 0, "data behind \\#"};
    parser->next = 1;
    parser->field = &size_field;
    int error = dns_parse_number(parser, 2, DNS_RDATA_MAX);
    if (error != BASE_OK)
        return error;
    size_t size = base_load_u16(parser->out);
    parser->at = 0;
    parser->field = &data_field;
    error = dns_parse_hex(parser, parser->count - parser->next);
    if (error != BASE_OK)
        return error;
    if (parser->at != size)
        return dns_parse_fail(parser, BASE_EFORMAT, "has %zu octets, not the %zu it says",
                              parser->at, size);
    error = dns_rdata_check(type, parser->out, size, parser->problem);
    if (error != BASE_OK || !parser->lower)
        return error;
    size_t at = 0;
    const uint8_t *name;
    while ((name = dns_rdata_next_name(type, parser->out, size, &at)) != NULL)
        parser->canonical = parser->canonical && dns_name_is_lower(name);
    return BASE_OK;
}

static int parse_fields(struct dns_rdata_parser *parser, const struct dns_rrtype *row)
{
    if ((row->flags & DNS_RRTYPE_OPAQUE) != 0)
        return dns_parse_fail(parser, BASE_EFORMAT,
                              "of %s must be written as \\# length hex "
                              "(RFC 3597)",
                              row->name_length > 0 ? row->name : "an unknown type");
    for (const struct dns_field *field = row->fields; field->kind != DNS_FIELD_END; field++) {
        parser->field = field;
        int error = parse_field(parser);
        if (error != BASE_OK)
            return error;
    }
    parser->field = NULL;
    if (parser->next < parser->count) {
        parser->next++;
        return dns_parse_reject(parser, BASE_EFORMAT, "of %s must end here", row->name);
    }
    const char *wrong = dns_rdata_rules(row->number, parser->out, parser->at);
    return wrong == NULL ? BASE_OK
                         : dns_parse_fail(parser, BASE_EFORMAT, "has a digest that %s", wrong);
}

int dns_rdata_from_text(uint16_t type, const struct dns_token *tokens, size_t count,
                        const uint8_t *origin, uint8_t *out, size_t *out_length, bool *canonical,
                        struct dns_rdata_problem *problem)
{
    const struct dns_rrtype *row = dns_rrtype_find(type);
    struct dns_rdata_parser parser = {
        .tokens = tokens,
        .count = count,
        .origin = origin,
        .out = out,
        .lower = (row->flags & DNS_RRTYPE_LOWER) != 0,
        .canonical = true,
        .problem = problem,
    };
    bool generic = count > 0 && !tokens[0].quoted && tokens[0].length == 2 &&
                   tokens[0].text[0] == '\\' && tokens[0].text[1] == '#';
    int error = generic ? parse_generic(&parser, type) : parse_fields(&parser, row);
    if (error != BASE_OK)
        return error;
    *out_length = parser.at;
    *canonical = parser.canonical;
    return BASE_OK;
}
