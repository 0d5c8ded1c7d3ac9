/* Time: see clock.h. Dates are computed here, in UTC, without the C library's idea of a zone. */
#include "base/clock.h"

#include "base/error.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECONDS_PER_DAY 86400
#define YEAR_MAX        9999
#define EPOCH_MAX       253402300799 /* 9999-12-31T23:59:59Z */

base_time base_clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec;
}

uint64_t base_clock_monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

struct date {
    int year, month, day, hour, minute, second;
};

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in_month(int year, int month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days from 1970-01-01 to the first of January of `year`. */
static int64_t days_to_year(int year)
{
    int64_t before = year - 1;
    return before * 365 + before / 4 - before / 100 + before / 400 - 719162;
}

static int64_t days_to_date(const struct date *date)
{
    int64_t days = days_to_year(date->year);
    for (int month = 1; month < date->month; month++)
        days += days_in_month(date->year, month);
    return days + date->day - 1;
}

static struct date date_of(base_time time)
{
    if (time < 0)
        time = 0;
    if (time > EPOCH_MAX)
        time = EPOCH_MAX;
    int64_t days = time / SECONDS_PER_DAY;
    int second = (int)(time % SECONDS_PER_DAY);
    struct date date = {.year = (int)(1970 + days / 366), .month = 1};
    while (days_to_year(date.year + 1) <= days)
        date.year++;
    days -= days_to_year(date.year);
    while (days >= days_in_month(date.year, date.month))
        days -= days_in_month(date.year, date.month++);
    date.day = (int)days + 1;
    date.hour = second / 3600;
    date.minute = second / 60 % 60;
    date.second = second % 60;
    return date;
}

static int time_of(const struct date *date, base_time *out)
{
    if (date->year < 1970 || date->year > YEAR_MAX || date->month < 1 || date->month > 12 ||
        date->day < 1 || date->day > days_in_month(date->year, date->month) || date->hour > 23 ||
        date->minute > 59 || date->second > 59)
        return BASE_EFORMAT;
    *out =
        days_to_date(date) * SECONDS_PER_DAY + date->hour * 3600 + date->minute * 60 + date->second;
    return BASE_OK;
}

/* Reads a date by a pattern: a letter of "YMDhms" takes one digit, anything else stands for itself.
 * False when the text does not have that shape. */
static bool match_date(const char *text, const char *pattern, struct date *out)
{
    struct date date = {0};
    for (; *pattern != '\0'; pattern++, text++) {
        int *field = *pattern == 'Y'   ? &date.year
                     : *pattern == 'M' ? &date.month
                     : *pattern == 'D' ? &date.day
                     : *pattern == 'h' ? &date.hour
                     : *pattern == 'm' ? &date.minute
                     : *pattern == 's' ? &date.second
                                       : NULL;
        if (field == NULL && *text != *pattern)
            return false;
        if (field != NULL) {
            if (*text < '0' || *text > '9')
                return false;
            *field = *field * 10 + (*text - '0');
        }
    }
    if (*text != '\0')
        return false;
    *out = date;
    return true;
}

/* Digits to a number; moves *text behind them. */
static int parse_digits(const char **text, int64_t *out)
{
    if (**text < '0' || **text > '9')
        return BASE_EFORMAT;
    int64_t value = 0;
    for (; **text >= '0' && **text <= '9'; (*text)++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, **text - '0', &value))
            return BASE_ERANGE;
    }
    *out = value;
    return BASE_OK;
}

uint32_t base_duration_unit(char unit)
{
    switch (unit) {
    case 's':
    case 'S':
        return 1;
    case 'm':
    case 'M':
        return 60;
    case 'h':
    case 'H':
        return 3600;
    case 'd':
    case 'D':
        return SECONDS_PER_DAY;
    case 'w':
    case 'W':
        return 7 * SECONDS_PER_DAY;
    default:
        return 0;
    }
}

int base_duration_parse(const char *text, int64_t *out)
{
    int64_t total = 0;
    int64_t last_unit = INT64_MAX;
    do {
        int64_t number;
        int error = parse_digits(&text, &number);
        if (error != BASE_OK)
            return error;
        int64_t unit = *text == '\0' ? 1 : base_duration_unit(*text);
        /* From large to small and each unit once, so that "1h30" cannot be misread. */
        if (unit == 0 || unit >= last_unit || (*text == '\0' && last_unit != INT64_MAX))
            return BASE_EFORMAT;
        last_unit = unit;
        if (__builtin_mul_overflow(number, unit, &number) ||
            __builtin_add_overflow(total, number, &total))
            return BASE_ERANGE;
        if (*text != '\0')
            text++;
    } while (*text != '\0');
    *out = total;
    return BASE_OK;
}

static int parse_relative(const char *text, base_time now, base_time *out)
{
    if (*text == '\0') {
        *out = now;
        return BASE_OK;
    }
    int64_t distance;
    if ((*text != '+' && *text != '-') || base_duration_parse(text + 1, &distance) != BASE_OK)
        return BASE_EFORMAT;
    if (__builtin_add_overflow(now, *text == '+' ? distance : -distance, out))
        return BASE_EFORMAT;
    return BASE_OK;
}

int base_time_parse(const char *text, base_time now, base_time *out)
{
    static const char *const patterns[] = {"YYYYMMDDhhmmss", "YYYY-MM-DDThh:mm:ssZ", "YYYY-MM-DD"};
    base_time time = 0;
    int error = BASE_EFORMAT;
    if (strncmp(text, "now", 3) == 0) {
        error = parse_relative(text + 3, now, &time);
    } else if (text[0] == '@') {
        const char *digits = text + 1;
        error = parse_digits(&digits, &time);
        if (error != BASE_OK || *digits != '\0')
            error = BASE_EFORMAT;
    } else {
        struct date date;
        for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
            if (match_date(text, patterns[i], &date))
                error = time_of(&date, &time);
        }
    }
    if (error == BASE_OK)
        *out = time;
    return error;
}

void base_time_compact(base_time time, char out[BASE_TIME_TEXT])
{
    struct date date = date_of(time);
    snprintf(out, BASE_TIME_TEXT, "%04u%02u%02u%02u%02u%02u", (unsigned)date.year % 10000,
             (unsigned)date.month % 100, (unsigned)date.day % 100, (unsigned)date.hour % 100,
             (unsigned)date.minute % 100, (unsigned)date.second % 100);
}

void base_time_iso(base_time time, char out[BASE_TIME_TEXT])
{
    struct date date = date_of(time);
    snprintf(out, BASE_TIME_TEXT, "%04u-%02u-%02uT%02u:%02u:%02uZ", (unsigned)date.year % 10000,
             (unsigned)date.month % 100, (unsigned)date.day % 100, (unsigned)date.hour % 100,
             (unsigned)date.minute % 100, (unsigned)date.second % 100);
}

void base_duration_text(int64_t seconds, char out[BASE_TIME_TEXT])
{
    static const struct {
        uint32_t seconds;
        char letter;
    } units[] = {{SECONDS_PER_DAY, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    uint64_t left = seconds < 0 ? -(uint64_t)seconds : (uint64_t)seconds;
    const char *sign = seconds < 0 ? "-" : "";
    size_t i = 0;
    while (i < 3 && left < units[i].seconds)
        i++;
    /* The remainders change nothing; they show the compiler how long the text can get. */
    unsigned long long whole = left / units[i].seconds % 1000000000000000000;
    uint64_t rest = left % units[i].seconds;
    unsigned next = i < 3 ? (unsigned)(rest / units[i + 1].seconds) : 0;
    if (next == 0)
        snprintf(out, BASE_TIME_TEXT, "%s%llu%c", sign, whole, units[i].letter);
    else
        snprintf(out, BASE_TIME_TEXT, "%s%llu%c %u%c", sign, whole % 1000000000000000,
                 units[i].letter, next % 100, units[i + 1].letter);
}
