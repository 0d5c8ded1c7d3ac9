/* LOC (RFC 1876): where on Earth something is, checked, read and written. */
#include "dns/rdata_parse.h"
#include "dns/rdata_print.h"
#include "dns/scalar.h"

#include "base/error.h"

#include <string.h>

#define LOC_OCTETS 16

/* Angles are thousandths of a second of arc, counted from 2^31. */
#define EQUATOR    0x80000000u
#define PER_SECOND 1000u
#define PER_MINUTE (60 * PER_SECOND)
#define PER_DEGREE (60 * PER_MINUTE)
#define LATITUDE   (90 * PER_DEGREE)
#define LONGITUDE  (180 * PER_DEGREE)

/* Altitudes are centimetres, counted from 100 km below the reference spheroid. */
#define ALTITUDE_BASE 10000000u

/* Sizes are a decimal digit and a power of ten, in centimetres, in the halves of an octet. */
#define SIZE_MAX_CENTIMETRES 9000000000ull

/* Nothing has no power of ten: 0 is written in one way only. */
static bool size_valid(uint8_t size)
{
    return size == 0 || (size >> 4 >= 1 && size >> 4 <= 9 && (size & 15) <= 9);
}

static bool angle_valid(uint32_t angle, uint32_t most)
{
    return angle >= EQUATOR - most && angle <= EQUATOR + most;
}

const char *dns_location_check(const uint8_t *rdata, size_t length)
{
    if (length < 1)
        return "is missing";
    if (rdata[0] != 0)
        return "has an unknown version";
    if (length != LOC_OCTETS)
        return "must have 16 octets";
    if (!size_valid(rdata[1]) || !size_valid(rdata[2]) || !size_valid(rdata[3]))
        return "has a size or precision that is not a decimal digit and a power of ten";
    if (!angle_valid(base_load_u32(rdata + 4), LATITUDE))
        return "is beyond a pole";
    if (!angle_valid(base_load_u32(rdata + 8), LONGITUDE))
        return "is more than 180 degrees east or west";
    return NULL;
}

/* A decimal number with up to `places` digits behind the point, times 10^places. */
static bool read_decimal(const char *text, size_t length, unsigned places, uint64_t max,
                         uint64_t *value)
{
    const char *point = length == 0 ? NULL : memchr(text, '.', length);
    size_t whole = point == NULL ? length : (size_t)(point - text);
    uint64_t number;
    if (!dns_scalar_number(text, whole, max, &number))
        return false;
    size_t fraction = point == NULL ? 0 : length - whole - 1;
    if (fraction > places || (point != NULL && fraction == 0))
        return false;
    for (unsigned i = 0; i < places; i++) {
        unsigned digit = i < fraction ? (unsigned char)text[whole + 1 + i] - (unsigned)'0' : 0;
        if (digit > 9)
            return false;
        number = number * 10 + digit;
    }
    if (number > max)
        return false;
    *value = number;
    return true;
}

/* True when the token is one of the two letters of a direction; sets *negative for the second. */
static bool read_direction(const struct dns_token *token, char positive, char other, bool *negative)
{
    if (token->length != 1)
        return false;
    char letter = (char)(token->text[0] & ~0x20);
    *negative = letter == other;
    return letter == positive || letter == other;
}

/* Degrees, minutes and seconds, the last two optional, and a letter. */
static int parse_angle(struct dns_rdata_parser *parser, char positive, char other, uint32_t most)
{
    static const uint32_t units[] = {PER_DEGREE, PER_MINUTE, PER_SECOND};
    uint64_t angle = 0;
    bool negative;
    for (unsigned i = 0;; i++) {
        const struct dns_token *token = dns_parse_token(parser);
        if (token == NULL)
            return BASE_EFORMAT;
        if (i > 0 && read_direction(token, positive, other, &negative))
            break;
        uint64_t value;
        bool good = i < 2 ? dns_scalar_number(token->text, token->length, i == 0 ? 180 : 59, &value)
                    : i < 3 ? read_decimal(token->text, token->length, 3, 59999, &value)
                            : false;
        if (!good)
            return dns_parse_reject(parser, BASE_EFORMAT,
                                    "must be degrees, minutes, seconds and %c or %c", positive,
                                    other);
        angle += i < 2 ? value * units[i] : value;
    }
    if (angle > most)
        return dns_parse_fail(parser, BASE_ERANGE, "has an angle of more than %u degrees",
                              most / PER_DEGREE);
    base_store_u32(parser->out + parser->at,
                   negative ? EQUATOR - (uint32_t)angle : EQUATOR + (uint32_t)angle);
    parser->at += 4;
    return BASE_OK;
}

/* The length of a number of metres without its unit. */
static size_t without_metres(const struct dns_token *token)
{
    size_t length = token->length;
    return length > 1 && (token->text[length - 1] | 0x20) == 'm' ? length - 1 : length;
}

static int parse_altitude(struct dns_rdata_parser *parser)
{
    const struct dns_token *token = dns_parse_token(parser);
    if (token == NULL)
        return BASE_EFORMAT;
    const char *text = token->text;
    size_t length = without_metres(token);
    bool below = length > 1 && text[0] == '-';
    bool sign = below || (length > 1 && text[0] == '+');
    uint64_t value;
    uint64_t most = below ? ALTITUDE_BASE : UINT32_MAX - ALTITUDE_BASE;
    if (!read_decimal(text + sign, length - sign, 2, most, &value))
        return dns_parse_reject(parser, BASE_EFORMAT,
                                "must have an altitude in metres from -100000 to 42849672.95");
    base_store_u32(parser->out + parser->at,
                   below ? ALTITUDE_BASE - (uint32_t)value : ALTITUDE_BASE + (uint32_t)value);
    parser->at += 4;
    return BASE_OK;
}

/* A size in metres as digit and power; digits behind the first are dropped (RFC 1876 section 2). */
static int parse_size(struct dns_rdata_parser *parser, uint8_t *size)
{
    if (parser->next == parser->count)
        return BASE_OK; /* the default stays */
    const struct dns_token *token = dns_parse_token(parser);
    uint64_t value;
    if (!read_decimal(token->text, without_metres(token), 2, SIZE_MAX_CENTIMETRES, &value))
        return dns_parse_reject(parser, BASE_EFORMAT,
                                "must have a size in metres from 0 to 90000000");
    unsigned power = 0;
    for (; value > 9; value /= 10)
        power++;
    *size = (uint8_t)(value << 4 | power);
    return BASE_OK;
}

int dns_parse_location(struct dns_rdata_parser *parser)
{
    if (!dns_parse_room(parser, LOC_OCTETS))
        return BASE_ESPACE;
    uint8_t *head = parser->out + parser->at;
    /* Version; then the defaults: size 1 m, precision 10 000 m and 10 m. */
    static const uint8_t defaults[4] = {0, 0x12, 0x16, 0x13};
    memcpy(head, defaults, sizeof(defaults));
    parser->at += sizeof(defaults);
    int error = parse_angle(parser, 'N', 'S', LATITUDE);
    if (error == BASE_OK)
        error = parse_angle(parser, 'E', 'W', LONGITUDE);
    if (error == BASE_OK)
        error = parse_altitude(parser);
    for (unsigned i = 1; error == BASE_OK && i <= 3; i++)
        error = parse_size(parser, &head[i]);
    return error;
}

/* A number with `places` digits behind the point. */
static void print_decimal(struct base_buf *buf, uint64_t value, unsigned places)
{
    uint64_t scale = 1;
    for (unsigned i = 0; i < places; i++)
        scale *= 10;
    dns_print_number(buf, value / scale);
    base_buf_u8(buf, '.');
    for (scale /= 10; scale > 0; scale /= 10)
        base_buf_u8(buf, (uint8_t)('0' + value / scale % 10));
}

static void print_angle(struct base_buf *buf, uint32_t angle, char positive, char other)
{
    uint32_t value = angle >= EQUATOR ? angle - EQUATOR : EQUATOR - angle;
    dns_print_number(buf, value / PER_DEGREE);
    base_buf_u8(buf, ' ');
    dns_print_number(buf, value / PER_MINUTE % 60);
    base_buf_u8(buf, ' ');
    print_decimal(buf, value % PER_MINUTE, 3);
    base_buf_u8(buf, ' ');
    base_buf_u8(buf, (uint8_t)(angle >= EQUATOR ? positive : other));
    base_buf_u8(buf, ' ');
}

static void print_size(struct base_buf *buf, uint8_t size)
{
    uint64_t centimetres = size >> 4;
    for (unsigned i = 0; i < (size & 15u); i++)
        centimetres *= 10;
    if (centimetres % 100 == 0)
        dns_print_number(buf, centimetres / 100);
    else
        print_decimal(buf, centimetres, 2);
    base_buf_u8(buf, 'm');
}

void dns_print_location(struct base_buf *buf, const uint8_t *field)
{
    print_angle(buf, base_load_u32(field + 4), 'N', 'S');
    print_angle(buf, base_load_u32(field + 8), 'E', 'W');
    uint32_t altitude = base_load_u32(field + 12);
    if (altitude < ALTITUDE_BASE)
        base_buf_u8(buf, '-');
    print_decimal(
        buf, altitude < ALTITUDE_BASE ? ALTITUDE_BASE - altitude : altitude - ALTITUDE_BASE, 2);
    base_buf_u8(buf, 'm');
    for (unsigned i = 1; i <= 3; i++) {
        base_buf_u8(buf, ' ');
        print_size(buf, field[i]);
    }
}
