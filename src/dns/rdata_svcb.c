/* Service parameters of SVCB and HTTPS (RFC 9460): checked, read and written. */
#include "dns/rdata_parse.h"
#include "dns/rdata_print.h"
#include "dns/scalar.h"

#include "base/codec.h"
#include "base/error.h"
#include "base/utf8.h"

#include <string.h>

enum svc_key {
    SVC_MANDATORY = 0,
    SVC_ALPN = 1,
    SVC_NO_DEFAULT_ALPN = 2,
    SVC_PORT = 3,
    SVC_IPV4HINT = 4,
    SVC_ECH = 5,
    SVC_IPV6HINT = 6,
    SVC_DOHPATH = 7,    /* RFC 9461 */
    SVC_OHTTP = 8,      /* RFC 9540 */
    SVC_TLS_GROUPS = 9, /* draft-ietf-tls-key-share-prediction, at IANA */
};

static const struct dns_mnemonic keys[] = {
    {"mandatory", 0},
    {"alpn", 1},
    {"no-default-alpn", 2},
    {"port", 3},
    {"ipv4hint", 4},
    {"ech", 5},
    {"ipv6hint", 6},
    {"dohpath", 7},
    {"ohttp", 8},
    {"tls-supported-groups", 9},
    {NULL, 0},
};

#define PARAM_HEAD 4 /* key and length, two octets each */

/* Parameters out of order that one record may have in text. */
#define DISORDER_MAX 512

/* --- in wire format --- */

/* Keys listed as mandatory: in ascending order, and each of them there. */
static const char *check_mandatory(const uint8_t *value, size_t size, const uint8_t *params,
                                   size_t length)
{
    if (size == 0 || size % 2 != 0)
        return "have a mandatory list that is empty or cut short";
    size_t at = 0;
    int last = -1;
    for (size_t i = 0; i < size; i += 2) {
        int key = base_load_u16(value + i);
        if (key == SVC_MANDATORY)
            return "have a mandatory list that names itself";
        if (key <= last)
            return "have a mandatory list that is not in ascending order or repeats a key";
        last = key;
        while (length - at >= PARAM_HEAD && base_load_u16(params + at) < key &&
               base_load_u16(params + at + 2) <= length - at - PARAM_HEAD)
            at += PARAM_HEAD + base_load_u16(params + at + 2);
        if (length - at < PARAM_HEAD || base_load_u16(params + at) != key)
            return "lack a key that they call mandatory";
    }
    return NULL;
}

static const char *check_alpn(const uint8_t *value, size_t size)
{
    if (size == 0)
        return "have an empty alpn";
    for (size_t at = 0; at < size; at += 1u + value[at]) {
        if (value[at] == 0 || value[at] > size - at - 1)
            return "have an alpn with an empty protocol or one that is cut short";
    }
    return NULL;
}

/* A relative URI template in UTF-8 that has the variable "dns" (RFC 9461 section 5). */
static const char *check_dohpath(const uint8_t *value, size_t size)
{
    for (size_t at = 0; at < size;) {
        size_t sequence = base_utf8_length(value + at, size - at);
        if (sequence == 0)
            return "have a dohpath that is not UTF-8";
        at += sequence;
    }
    if (size == 0 || value[0] != '/')
        return "have a dohpath that does not start with a slash";
    for (size_t at = 0; at + 5 <= size; at++) {
        if (value[at] == '{' && memcmp(value + at + 1, "?dns", 4) == 0 && at + 5 < size &&
            (value[at + 5] == '}' || value[at + 5] == ','))
            return NULL;
    }
    return "have a dohpath without {?dns}";
}

/* Groups in order of preference, each once. */
static const char *check_groups(const uint8_t *value, size_t size)
{
    uint8_t seen[65536 / 8] = {0};
    if (size == 0 || size % 2 != 0)
        return "have tls-supported-groups that are none or cut short";
    for (size_t i = 0; i < size; i += 2) {
        unsigned group = base_load_u16(value + i);
        if ((seen[group / 8] & 1 << group % 8) != 0)
            return "repeat a group in tls-supported-groups";
        seen[group / 8] |= (uint8_t)(1 << group % 8);
    }
    return NULL;
}

static const char *check_value(uint16_t key, const uint8_t *value, size_t size)
{
    switch (key) {
    case SVC_ALPN:
        return check_alpn(value, size);
    case SVC_NO_DEFAULT_ALPN:
        return size == 0 ? NULL : "have a value for no-default-alpn";
    case SVC_PORT:
        return size == 2 ? NULL : "have a port that is not two octets";
    case SVC_IPV4HINT:
        return size > 0 && size % 4 == 0 ? NULL : "have an ipv4hint without whole addresses";
    case SVC_ECH:
        return size > 0 ? NULL : "have an empty ech";
    case SVC_IPV6HINT:
        return size > 0 && size % 16 == 0 ? NULL : "have an ipv6hint without whole addresses";
    case SVC_DOHPATH:
        return check_dohpath(value, size);
    case SVC_OHTTP:
        return size == 0 ? NULL : "have a value for ohttp";
    case SVC_TLS_GROUPS:
        return check_groups(value, size);
    default:
        return NULL;
    }
}

const char *dns_svcparams_check(const uint8_t *params, size_t length)
{
    int last = -1;
    bool alpn = false;
    for (size_t at = 0; at < length;) {
        if (length - at < PARAM_HEAD)
            return "are cut short";
        int key = base_load_u16(params + at);
        size_t size = base_load_u16(params + at + 2);
        at += PARAM_HEAD;
        if (size > length - at)
            return "are cut short";
        if (key <= last)
            return "are not in ascending order of keys or repeat a key";
        last = key;
        const char *wrong = key == SVC_MANDATORY
                                ? check_mandatory(params + at, size, params, length)
                                : check_value((uint16_t)key, params + at, size);
        if (wrong != NULL)
            return wrong;
        alpn = alpn || key == SVC_ALPN;
        if (key == SVC_NO_DEFAULT_ALPN && !alpn)
            return "have no-default-alpn without alpn";
        at += size;
    }
    return NULL;
}

/* --- from text --- */

struct span {
    const char *text;
    size_t length;
};

static bool read_key(struct span name, uint16_t *key)
{
    for (const struct dns_mnemonic *known = keys; known->name != NULL; known++) {
        if (strlen(known->name) == name.length &&
            memcmp(known->name, name.text, name.length) == 0) {
            *key = known->value;
            return true;
        }
    }
    uint64_t number;
    if (name.length < 4 || memcmp(name.text, "key", 3) != 0 ||
        (name.text[3] == '0' && name.length > 4) ||
        !dns_scalar_number(name.text + 3, name.length - 3, UINT16_MAX, &number))
        return false;
    *key = (uint16_t)number;
    return true;
}

/* Takes the piece before the next comma off `rest`; false at the end. */
static bool next_piece(struct span *rest, struct span *piece)
{
    if (rest->text == NULL)
        return false;
    const char *comma = rest->length == 0 ? NULL : memchr(rest->text, ',', rest->length);
    piece->text = rest->text;
    piece->length = comma == NULL ? rest->length : (size_t)(comma - rest->text);
    if (comma == NULL) {
        rest->text = NULL;
    } else {
        rest->text = comma + 1;
        rest->length -= piece->length + 1;
    }
    return true;
}

static int parse_mandatory(struct dns_rdata_parser *parser, struct span value)
{
    uint8_t listed[65536 / 8] = {0};
    struct span piece;
    while (next_piece(&value, &piece)) {
        uint16_t key;
        if (!read_key(piece, &key))
            return dns_parse_reject(parser, BASE_EFORMAT, "must have a mandatory list of keys");
        if ((listed[key / 8] & 1 << key % 8) != 0)
            return dns_parse_reject(parser, BASE_EFORMAT, "must not repeat a key as mandatory");
        listed[key / 8] |= (uint8_t)(1 << key % 8);
    }
    for (unsigned key = 0; key <= UINT16_MAX; key++) {
        if ((listed[key / 8] & 1 << key % 8) == 0)
            continue;
        if (!dns_parse_room(parser, 2))
            return BASE_ESPACE;
        base_store_u16(parser->out + parser->at, key);
        parser->at += 2;
    }
    return BASE_OK;
}

/* Resolves the escapes of a string onto the output, `ahead` octets behind its end; the output's
 * length stays. */
static int unescape(struct dns_rdata_parser *parser, struct span value, size_t ahead, size_t *size)
{
    if (!dns_parse_room(parser, ahead))
        return BASE_ESPACE;
    size_t start = parser->at + ahead;
    int error = dns_parse_unescape(value.text, value.length, parser->out + start,
                                   DNS_RDATA_MAX - start, size);
    if (error == BASE_ESPACE)
        return dns_parse_fail(parser, error, "make the rdata longer than 65535 octets");
    if (error != BASE_OK)
        return dns_parse_reject(parser, error, "must not have broken escapes");
    return BASE_OK;
}

/* A list of protocols: commas separate, unless a backslash (that has survived the escapes of the
 * string) stands before them (RFC 9460 appendix A.1). */
static int parse_alpn(struct dns_rdata_parser *parser, struct span value)
{
    /* The list is one octet longer in wire format. The string is put one octet ahead, so that the
     * list can be written over what has been read of it. */
    size_t size;
    int error = unescape(parser, value, 1, &size);
    if (error != BASE_OK)
        return error;
    const uint8_t *from = parser->out + parser->at + 1, *end = from + size;
    uint8_t *put = parser->out + parser->at;
    for (;;) {
        uint8_t *head = put++;
        while (from < end && *from != ',') {
            if (*from == '\\') {
                if (++from == end || (*from != ',' && *from != '\\'))
                    return dns_parse_reject(parser, BASE_EFORMAT, "must not have broken escapes");
            }
            *put++ = *from++;
        }
        size_t length = (size_t)(put - head) - 1;
        if (length == 0 || length > 255)
            return dns_parse_reject(parser, BASE_EFORMAT,
                                    "must have protocols of 1 to 255 octets in alpn");
        *head = (uint8_t)length;
        if (from == end)
            break;
        from++;
    }
    parser->at = (size_t)(put - parser->out);
    return BASE_OK;
}

static int parse_u16(struct dns_rdata_parser *parser, struct span value, const char *what)
{
    uint64_t number;
    if (!dns_scalar_number(value.text, value.length, UINT16_MAX, &number))
        return dns_parse_reject(parser, BASE_EFORMAT, "must have %s from 0 to 65535", what);
    if (!dns_parse_room(parser, 2))
        return BASE_ESPACE;
    base_store_u16(parser->out + parser->at, (uint16_t)number);
    parser->at += 2;
    return BASE_OK;
}

static int parse_groups(struct dns_rdata_parser *parser, struct span value)
{
    struct span piece;
    int error = BASE_OK;
    while (error == BASE_OK && next_piece(&value, &piece))
        error = parse_u16(parser, piece, "tls-supported-groups");
    return error;
}

static int parse_hint(struct dns_rdata_parser *parser, struct span value, size_t octets)
{
    struct span piece;
    while (next_piece(&value, &piece)) {
        uint8_t address[16];
        bool good = octets == 4 ? dns_scalar_ipv4(piece.text, piece.length, address)
                                : dns_scalar_ipv6(piece.text, piece.length, address);
        if (!good)
            return dns_parse_reject(parser, BASE_EFORMAT,
                                    "must have addresses of the hint's family");
        if (!dns_parse_room(parser, octets))
            return BASE_ESPACE;
        memcpy(parser->out + parser->at, address, octets);
        parser->at += octets;
    }
    return BASE_OK;
}

static int parse_ech(struct dns_rdata_parser *parser, struct span value)
{
    size_t size;
    int error = base_base64_decode(parser->out + parser->at, DNS_RDATA_MAX - parser->at, &size,
                                   value.text, value.length);
    if (error != BASE_OK)
        return dns_parse_reject(parser, error == BASE_ESPACE ? error : BASE_EFORMAT,
                                "must have base64 as ech");
    parser->at += size;
    return BASE_OK;
}

static int parse_plain(struct dns_rdata_parser *parser, struct span value)
{
    size_t size;
    int error = unescape(parser, value, 0, &size);
    if (error == BASE_OK)
        parser->at += size;
    return error;
}

static int parse_value(struct dns_rdata_parser *parser, uint16_t key, struct span value)
{
    switch (key) {
    case SVC_MANDATORY:
        return parse_mandatory(parser, value);
    case SVC_ALPN:
        return parse_alpn(parser, value);
    case SVC_PORT:
        return parse_u16(parser, value, "a port");
    case SVC_IPV4HINT:
        return parse_hint(parser, value, 4);
    case SVC_ECH:
        return parse_ech(parser, value);
    case SVC_IPV6HINT:
        return parse_hint(parser, value, 16);
    case SVC_TLS_GROUPS:
        return parse_groups(parser, value);
    default:
        return parse_plain(parser, value);
    }
}

/* Splits the next token into key and value. A value in quotes may be part of the token or a token
 * of its own right behind the "=". The value's text is NULL when there is none. */
static int read_param(struct dns_rdata_parser *parser, struct span *name, struct span *value)
{
    const struct dns_token *token = dns_parse_token(parser);
    const char *equals = token->length == 0 ? NULL : memchr(token->text, '=', token->length);
    *value = (struct span){NULL, 0};
    *name = (struct span){token->text, token->length};
    if (equals == NULL)
        return BASE_OK;
    name->length = (size_t)(equals - token->text);
    value->text = equals + 1;
    value->length = token->length - name->length - 1;
    if (value->length == 0 && !token->quoted && parser->next < parser->count) {
        const struct dns_token *next = &parser->tokens[parser->next];
        const char *end = token->text + token->length;
        /* The text of a quoted token starts behind its quote. */
        if (next->quoted && (next->text == end + 1 || next->text == end)) {
            parser->next++;
            *value = (struct span){next->text, next->length};
        }
        return BASE_OK;
    }
    if (!token->quoted && value->length > 0 && value->text[0] == '"') {
        if (value->length < 2 || value->text[value->length - 1] != '"')
            return dns_parse_reject(parser, BASE_EFORMAT, "must have quotes around a whole value");
        value->text++;
        value->length -= 2;
    }
    return BASE_OK;
}

static void reverse(uint8_t *first, uint8_t *last)
{
    while (first < last) {
        uint8_t octet = *first;
        *first++ = *--last;
        *last = octet;
    }
}

/* Moves the parameter that starts at `last`, behind all others, to its place among them. */
static void move_to_place(struct dns_rdata_parser *parser, size_t start, size_t last)
{
    uint8_t *out = parser->out;
    unsigned key = base_load_u16(out + last);
    size_t place = start;
    while (place < last && base_load_u16(out + place) <= key)
        place += PARAM_HEAD + base_load_u16(out + place + 2);
    reverse(out + place, out + last);
    reverse(out + last, out + parser->at);
    reverse(out + place, out + parser->at);
}

static int parse_param(struct dns_rdata_parser *parser, uint16_t *key)
{
    struct span name, value;
    int error = read_param(parser, &name, &value);
    if (error != BASE_OK)
        return error;
    if (!read_key(name, key))
        return dns_parse_reject(parser, BASE_EFORMAT, "must be keys, like alpn=h2 or key65333=x");
    if (!dns_parse_room(parser, PARAM_HEAD))
        return BASE_ESPACE;
    size_t head = parser->at;
    parser->at += PARAM_HEAD;
    /* "key1" and "alpn" are the same key, but the value behind the former is in wire format. */
    bool raw = name.length > 3 && memcmp(name.text, "key", 3) == 0;
    if (value.text != NULL)
        error = raw ? parse_plain(parser, value) : parse_value(parser, *key, value);
    if (error != BASE_OK)
        return error;
    base_store_u16(parser->out + head, *key);
    base_store_u16(parser->out + head + 2, (uint16_t)(parser->at - head - PARAM_HEAD));
    return BASE_OK;
}

int dns_parse_svcparams(struct dns_rdata_parser *parser)
{
    size_t start = parser->at;
    int highest = -1;
    unsigned disorder = 0;
    while (parser->next < parser->count) {
        size_t last = parser->at;
        uint16_t key = 0;
        int error = parse_param(parser, &key);
        if (error != BASE_OK)
            return error;
        if (key > highest) {
            highest = key;
        } else {
            if (++disorder > DISORDER_MAX)
                return dns_parse_fail(parser, BASE_ELIMIT, "have more than %u keys out of order",
                                      DISORDER_MAX);
            move_to_place(parser, start, last);
        }
    }
    const char *wrong = dns_svcparams_check(parser->out + start, parser->at - start);
    return wrong == NULL ? BASE_OK : dns_parse_fail(parser, BASE_EFORMAT, "%s", wrong);
}

/* --- to text --- */

/* Of keys that no RFC defines yet the number is written, which every server reads (RFC 9460 section
 * 2.1): a zone that it could load before must not become one that it cannot. */
static void print_key(struct base_buf *buf, uint16_t key)
{
    const char *name = key <= SVC_OHTTP ? dns_mnemonic_name(keys, key) : NULL;
    if (name != NULL) {
        base_buf_text(buf, name);
        return;
    }
    base_buf_text(buf, "key");
    dns_print_number(buf, key);
}

/* A protocol within the list: commas and backslashes are escaped once for the list, and the
 * backslashes of that again for the string. */
static void print_protocol(struct base_buf *buf, const uint8_t *protocol, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (protocol[i] == ',')
            base_buf_text(buf, "\\\\,");
        else if (protocol[i] == '\\')
            base_buf_text(buf, "\\\\\\\\");
        else
            dns_print_string(buf, protocol + i, 1);
    }
}

static void print_alpn(struct base_buf *buf, const uint8_t *value, size_t length)
{
    for (size_t at = 0; at < length; at += 1u + value[at]) {
        if (at > 0)
            base_buf_u8(buf, ',');
        print_protocol(buf, value + at + 1, value[at]);
    }
}

/* Appends the value of one parameter as it stands behind "key=", without quotes around. */
static void print_value(struct base_buf *buf, uint16_t key, const uint8_t *value, size_t length)
{
    switch (key) {
    case SVC_MANDATORY:
        for (size_t at = 0; at < length; at += 2) {
            if (at > 0)
                base_buf_u8(buf, ',');
            print_key(buf, base_load_u16(value + at));
        }
        return;
    case SVC_ALPN:
        print_alpn(buf, value, length);
        return;
    case SVC_PORT:
        dns_print_number(buf, base_load_u16(value));
        return;
    case SVC_IPV4HINT:
    case SVC_IPV6HINT:
        for (size_t at = 0; at < length; at += key == SVC_IPV4HINT ? 4 : 16) {
            if (at > 0)
                base_buf_u8(buf, ',');
            if (key == SVC_IPV4HINT)
                dns_print_ipv4(buf, value + at);
            else
                dns_print_ipv6(buf, value + at);
        }
        return;
    case SVC_ECH:
        dns_print_base64(buf, value, length);
        return;
    default:
        dns_print_string(buf, value, length);
        return;
    }
}

static bool is_quoted(uint16_t key)
{
    return key == SVC_ALPN || key == SVC_DOHPATH || key > SVC_OHTTP;
}

void dns_print_svcparams(struct base_buf *buf, const uint8_t *params, size_t length)
{
    for (size_t at = 0; at < length;) {
        uint16_t key = base_load_u16(params + at);
        size_t size = base_load_u16(params + at + 2);
        if (at > 0)
            base_buf_u8(buf, ' ');
        print_key(buf, key);
        at += PARAM_HEAD;
        if (size > 0) {
            base_buf_text(buf, is_quoted(key) ? "=\"" : "=");
            print_value(buf, key, params + at, size);
            if (is_quoted(key))
                base_buf_u8(buf, '"');
        }
        at += size;
    }
}

void dns_json_svcparams(struct base_buf *buf, const uint8_t *params, size_t length)
{
    base_buf_u8(buf, '{');
    for (size_t at = 0; at < length;) {
        uint16_t key = base_load_u16(params + at);
        size_t size = base_load_u16(params + at + 2);
        base_buf_text(buf, at > 0 ? ",\"" : "\"");
        print_key(buf, key);
        at += PARAM_HEAD;
        if (size == 0) {
            base_buf_text(buf, "\":null");
        } else {
            base_buf_text(buf, "\":\"");
            size_t start = buf->length;
            print_value(buf, key, params + at, size);
            dns_json_escape(buf, start);
            base_buf_u8(buf, '"');
        }
        at += size;
    }
    base_buf_u8(buf, '}');
}
