/* Numbers, addresses and times: see scalar.h. */
#include "dns/scalar.h"

#include "base/clock.h"

#include <string.h>

static inline unsigned digit_of(char character)
{
    return (unsigned)(unsigned char)character - '0';
}

bool dns_scalar_number(const char *text, size_t length, uint64_t max, uint64_t *value)
{
    if (length == 0)
        return false;
    uint64_t result = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned digit = digit_of(text[i]);
        if (digit > 9 || digit > max || result > (max - digit) / 10)
            return false;
        result = result * 10 + digit;
    }
    *value = result;
    return true;
}

bool dns_scalar_ttl(const char *text, size_t length, uint32_t *value)
{
    uint64_t total = 0, part = 0;
    bool digits = false, units = false;
    for (size_t i = 0; i < length; i++) {
        unsigned digit = digit_of(text[i]);
        if (digit <= 9) {
            part = part * 10 + digit;
            digits = true;
        } else {
            uint32_t seconds = base_duration_unit(text[i]);
            if (seconds == 0 || !digits)
                return false;
            total += part * seconds;
            part = 0;
            digits = false;
            units = true;
        }
        if (part > UINT32_MAX || total > UINT32_MAX)
            return false;
    }
    /* A number without unit stands alone. */
    if (digits == units || total + part > UINT32_MAX)
        return false;
    *value = (uint32_t)(total + part);
    return true;
}

/* Days since 1970-01-01 of a date of the Gregorian calendar. Years are counted from March, so that
 * the leap day is the last of its year. */
static uint32_t days_of_date(unsigned year, unsigned month, unsigned day)
{
    if (month <= 2) {
        year--;
        month += 12;
    }
    unsigned day_of_year = (153 * (month - 3) + 2) / 5 + day - 1;
    return year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719468;
}

static bool is_leap(unsigned year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static bool read_date(const char *text, uint32_t *value)
{
    unsigned pairs[7];
    for (unsigned i = 0; i < 7; i++) {
        unsigned tens = digit_of(text[2 * i]), ones = digit_of(text[2 * i + 1]);
        if (tens > 9 || ones > 9)
            return false;
        pairs[i] = tens * 10 + ones;
    }
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned year = pairs[0] * 100 + pairs[1], month = pairs[2], day = pairs[3];
    if (year < 1970 || year > 2106 || month < 1 || month > 12 || day < 1)
        return false;
    if (day > days[month - 1] + (month == 2 && is_leap(year) ? 1u : 0u))
        return false;
    if (pairs[4] > 23 || pairs[5] > 59 || pairs[6] > 59)
        return false;
    uint64_t seconds = (uint64_t)days_of_date(year, month, day) * 86400 + pairs[4] * 3600u +
                       pairs[5] * 60u + pairs[6];
    if (seconds > UINT32_MAX)
        return false;
    *value = (uint32_t)seconds;
    return true;
}

bool dns_scalar_time(const char *text, size_t length, uint32_t *value)
{
    if (length == 14)
        return read_date(text, value);
    uint64_t seconds;
    if (!dns_scalar_number(text, length, UINT32_MAX, &seconds))
        return false;
    *value = (uint32_t)seconds;
    return true;
}

bool dns_scalar_ipv4(const char *text, size_t length, uint8_t out[4])
{
    const char *end = text + length;
    uint8_t address[4];
    for (unsigned i = 0; i < 4; i++) {
        if (i > 0 && (text == end || *text++ != '.'))
            return false;
        if (text == end)
            return false;
        unsigned value = digit_of(*text++);
        if (value > 9)
            return false;
        unsigned digit;
        for (unsigned more = 0; text < end && (digit = digit_of(*text)) <= 9; text++) {
            value = value * 10 + digit;
            /* Leading zeros are octal to some and decimal to others: refused. */
            if (++more > 2 || value > 255 || value < 10)
                return false;
        }
        address[i] = (uint8_t)value;
    }
    if (text != end)
        return false;
    memcpy(out, address, sizeof(address));
    return true;
}

int dns_scalar_hex_digit(char digit)
{
    unsigned value = digit_of(digit);
    if (value <= 9)
        return (int)value;
    value = ((unsigned)(unsigned char)digit | 0x20) - 'a';
    return value < 6 ? (int)value + 10 : -1;
}

bool dns_scalar_ipv6(const char *text, size_t length, uint8_t out[16])
{
    uint8_t address[16] = {0};
    const char *end = text + length;
    int put = 0, gap = -1;
    if (length >= 2 && text[0] == ':') {
        if (text[1] != ':')
            return false;
        text += 2;
        gap = 0;
    }
    while (text < end) {
        const char *start = text;
        unsigned value = 0;
        int digit;
        while (text < end && text - start < 4 && (digit = dns_scalar_hex_digit(*text)) >= 0) {
            value = value << 4 | (unsigned)digit;
            text++;
        }
        if (text == start)
            return false;
        if (text < end && *text == '.') {
            if (put > 12 || !dns_scalar_ipv4(start, (size_t)(end - start), address + put))
                return false;
            put += 4;
            break;
        }
        if (put > 14)
            return false;
        address[put++] = (uint8_t)(value >> 8);
        address[put++] = (uint8_t)value;
        if (text == end)
            break;
        if (*text++ != ':' || text == end)
            return false;
        if (*text == ':') {
            if (gap >= 0)
                return false;
            gap = put;
            text++;
        }
    }
    if (gap >= 0) {
        if (put == 16)
            return false;
        memmove(address + 16 - (put - gap), address + gap, (size_t)(put - gap));
        memset(address + gap, 0, (size_t)(16 - put));
    } else if (put != 16) {
        return false;
    }
    memcpy(out, address, sizeof(address));
    return true;
}

bool dns_scalar_groups(const char *text, size_t length, uint8_t *out, size_t count, size_t group,
                       char separator)
{
    if (length != count * 2 + (count - 1) / group)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && i % group == 0 && *text++ != separator)
            return false;
        int high = dns_scalar_hex_digit(*text++);
        int low = dns_scalar_hex_digit(*text++);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static const char pairs_of_digits[] = "0001020304050607080910111213141516171819"
                                      "2021222324252627282930313233343536373839"
                                      "4041424344454647484950515253545556575859"
                                      "6061626364656667686970717273747576777879"
                                      "8081828384858687888990919293949596979899";

static inline void put_pair(char *out, unsigned value)
{
    memcpy(out, pairs_of_digits + (size_t)value * 2, 2);
}

size_t dns_scalar_put_number(char *out, uint64_t value)
{
    size_t digits = 1;
    for (uint64_t rest = value; rest >= 10; rest /= 10)
        digits++;
    /* From the last digit on, each to its own place: a copy would wait for what was just written.
     */
    size_t at = digits;
    for (; at >= 2; value /= 100) {
        at -= 2;
        put_pair(out + at, (unsigned)(value % 100));
    }
    if (at > 0)
        out[0] = (char)('0' + value);
    return digits;
}

size_t dns_scalar_put_time(char *out, uint32_t value)
{
    uint32_t days = value / 86400 + 719468;
    uint32_t rest = value % 86400;
    uint32_t era = days / 146097;
    uint32_t day_of_era = days % 146097;
    uint32_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint32_t march_month = (5 * day_of_year + 2) / 153;
    uint32_t day = day_of_year - (153 * march_month + 2) / 5 + 1;
    uint32_t month = march_month < 10 ? march_month + 3 : march_month - 9;
    uint32_t year = year_of_era + era * 400 + (month <= 2);
    put_pair(out, year / 100);
    put_pair(out + 2, year % 100);
    put_pair(out + 4, month);
    put_pair(out + 6, day);
    put_pair(out + 8, rest / 3600);
    put_pair(out + 10, rest / 60 % 60);
    put_pair(out + 12, rest % 60);
    return DNS_SCALAR_TIME;
}

size_t dns_scalar_put_ipv4(char *out, const uint8_t address[4])
{
    char *put = out;
    for (unsigned i = 0; i < 4; i++) {
        unsigned value = address[i];
        if (i > 0)
            *put++ = '.';
        if (value >= 100) {
            *put++ = (char)('0' + value / 100);
            put_pair(put, value % 100);
            put += 2;
        } else if (value >= 10) {
            put_pair(put, value);
            put += 2;
        } else {
            *put++ = (char)('0' + value);
        }
    }
    return (size_t)(put - out);
}

static const char hex_lower[] = "0123456789abcdef";

/* A group of an IPv6 address without leading zeros. */
static char *put_group(char *put, unsigned value)
{
    if (value >= 0x1000)
        *put++ = hex_lower[value >> 12];
    if (value >= 0x100)
        *put++ = hex_lower[value >> 8 & 15];
    if (value >= 0x10)
        *put++ = hex_lower[value >> 4 & 15];
    *put++ = hex_lower[value & 15];
    return put;
}

/* The first longest run of two or more zero groups. */
static void longest_gap(const unsigned groups[8], unsigned *start, unsigned *length)
{
    *start = 8;
    *length = 1;
    for (unsigned i = 0; i < 8; i++) {
        unsigned run = 0;
        while (i + run < 8 && groups[i + run] == 0)
            run++;
        if (run > *length) {
            *start = i;
            *length = run;
        }
        i += run;
    }
}

size_t dns_scalar_put_ipv6(char *out, const uint8_t address[16])
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (memcmp(address, mapped, sizeof(mapped)) == 0) {
        static const char prefix[7] = {':', ':', 'f', 'f', 'f', 'f', ':'};
        memcpy(out, prefix, sizeof(prefix));
        return sizeof(prefix) + dns_scalar_put_ipv4(out + sizeof(prefix), address + 12);
    }
    unsigned groups[8];
    for (unsigned i = 0; i < 8; i++)
        groups[i] = (unsigned)address[2 * i] << 8 | address[2 * i + 1];
    unsigned gap, gap_length;
    longest_gap(groups, &gap, &gap_length);
    char *put = out;
    for (unsigned i = 0; i < 8; i++) {
        if (i == gap) {
            *put++ = ':';
            if (i == 0)
                *put++ = ':';
            i += gap_length - 1;
            continue;
        }
        put = put_group(put, groups[i]);
        if (i < 7)
            *put++ = ':';
    }
    return (size_t)(put - out);
}

size_t dns_scalar_put_groups(char *out, const uint8_t *octets, size_t count, size_t group,
                             char separator)
{
    char *put = out;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && i % group == 0)
            *put++ = separator;
        *put++ = hex_lower[octets[i] >> 4];
        *put++ = hex_lower[octets[i] & 15];
    }
    return (size_t)(put - out);
}
