/*
 * MTA-STS: reading the TXT record and the policy document, and what a policy covers.
 */
#include "dane/sts.h"

#include "base/error.h"
#include "dane/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_AGE_MOST 31557600u /* section 3.2: one year */

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* A piece of text. */
struct span {
    const char *from;
    size_t length;
};

static struct span trim(struct span span)
{
    while (span.length > 0 && is_space(span.from[0])) {
        span.from++;
        span.length--;
    }
    while (span.length > 0 && is_space(span.from[span.length - 1]))
        span.length--;
    return span;
}

static bool is(struct span span, const char *text)
{
    return span.length == strlen(text) && memcmp(span.from, text, span.length) == 0;
}

/* Cuts the piece up to `mark` off `rest`; the mark goes. */
static struct span cut(struct span *rest, char mark)
{
    const char *end = memchr(rest->from, mark, rest->length);
    struct span piece = {rest->from, end ? (size_t)(end - rest->from) : rest->length};
    size_t gone = piece.length + (end ? 1 : 0);
    rest->from += gone;
    rest->length -= gone;
    return piece;
}

static bool is_id(struct span span)
{
    if (span.length == 0 || span.length > DANE_STS_ID_MAX)
        return false;
    for (size_t i = 0; i < span.length; i++) {
        char c = span.from[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
            return false;
    }
    return true;
}

int dane_sts_id(const char *text, size_t length, char id[DANE_STS_ID_MAX + 1])
{
    struct span rest = {text, length};
    if (!is(trim(cut(&rest, ';')), "v=STSv1"))
        return BASE_ENOENT;
    bool found = false;
    while (rest.length > 0) {
        struct span field = trim(cut(&rest, ';'));
        if (field.length == 0)
            continue;
        struct span name = trim(cut(&field, '='));
        struct span value = trim(field);
        if (!is(name, "id"))
            continue; /* an extension */
        if (found || !is_id(value))
            return BASE_EFORMAT;
        memcpy(id, value.from, value.length);
        id[value.length] = '\0';
        found = true;
    }
    return found ? BASE_OK : BASE_EFORMAT;
}

/* --- the document --- */

struct reading {
    struct dane_sts sts;
    bool version, mode, max_age;
    char *why;
};

static int wrong(struct reading *reading, const char *what, struct span value)
{
    int shown = value.length > 60 ? 60 : (int)value.length;
    snprintf(reading->why, 200, "the MTA-STS policy %s%s%.*s%s", what, shown ? " \"" : "", shown,
             value.from, shown ? "\"" : "");
    /* It is shown to people: no control characters. */
    for (char *at = reading->why; *at; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    }
    return BASE_EFORMAT;
}

static int read_mode(struct reading *reading, struct span value)
{
    if (is(value, "enforce"))
        reading->sts.mode = DANE_STS_ENFORCE;
    else if (is(value, "testing"))
        reading->sts.mode = DANE_STS_TESTING;
    else if (is(value, "none"))
        reading->sts.mode = DANE_STS_NONE;
    else
        return wrong(reading, "has an unknown mode", value);
    reading->mode = true;
    return BASE_OK;
}

static int read_max_age(struct reading *reading, struct span value)
{
    uint64_t seconds = 0;
    if (value.length == 0 || value.length > 10)
        return wrong(reading, "has a wrong max_age", value);
    for (size_t i = 0; i < value.length; i++) {
        if (value.from[i] < '0' || value.from[i] > '9')
            return wrong(reading, "has a wrong max_age", value);
        seconds = seconds * 10 + (uint64_t)(value.from[i] - '0');
    }
    reading->sts.max_age = seconds > MAX_AGE_MOST ? MAX_AGE_MOST : (uint32_t)seconds;
    reading->max_age = true;
    return BASE_OK;
}

static int read_mx(struct reading *reading, struct span value)
{
    char text[DANE_DOMAIN_MAX + 2], name[DANE_DOMAIN_MAX];
    bool star = value.length > 2 && value.from[0] == '*' && value.from[1] == '.';
    size_t skip = star ? 2 : 0;
    if (value.length == 0 || value.length - skip >= sizeof text)
        return wrong(reading, "has a wrong mx", value);
    memcpy(text, value.from + skip, value.length - skip);
    text[value.length - skip] = '\0';
    if (strlen(text) != value.length - skip || dane_domain_to_ascii(text, name) != BASE_OK)
        return wrong(reading, "has a wrong mx", value);
    if (reading->sts.mx_count == DANE_STS_MX_MAX)
        return wrong(reading, "lists more hosts than is reasonable", (struct span){"", 0});
    char *pattern;
    if (asprintf(&pattern, "%s%s", star ? "*." : "", name) < 0)
        return BASE_ENOMEM;
    char **mx = reallocarray(reading->sts.mx, reading->sts.mx_count + 1, sizeof *mx);
    if (!mx) {
        free(pattern);
        return BASE_ENOMEM;
    }
    mx[reading->sts.mx_count++] = pattern;
    reading->sts.mx = mx;
    return BASE_OK;
}

static int read_line(struct reading *reading, struct span line)
{
    struct span value = line;
    struct span name = trim(cut(&value, ':'));
    if (name.length == line.length)
        return wrong(reading, "has a line that is no \"name: value\":", line);
    value = trim(value);
    /* Of a field that is there twice the first one counts (section 3.2). */
    if (is(name, "version")) {
        if (reading->version)
            return BASE_OK;
        reading->version = true;
        return is(value, "STSv1") ? BASE_OK : wrong(reading, "has an unknown version", value);
    }
    if (is(name, "mode"))
        return reading->mode ? BASE_OK : read_mode(reading, value);
    if (is(name, "max_age"))
        return reading->max_age ? BASE_OK : read_max_age(reading, value);
    if (is(name, "mx"))
        return read_mx(reading, value);
    return BASE_OK; /* an extension */
}

static int read_all(struct reading *reading, struct span rest)
{
    while (rest.length > 0) {
        struct span line = cut(&rest, '\n');
        if (line.length > 0 && line.from[line.length - 1] == '\r')
            line.length--;
        int status = trim(line).length == 0 ? BASE_OK : read_line(reading, line);
        if (status != BASE_OK)
            return status;
    }
    struct span none = {"", 0};
    if (!reading->version)
        return wrong(reading, "does not say its version", none);
    if (!reading->mode)
        return wrong(reading, "does not say its mode", none);
    if (!reading->max_age)
        return wrong(reading, "does not say its max_age", none);
    if (reading->sts.mode != DANE_STS_NONE && reading->sts.mx_count == 0)
        return wrong(reading, "lists no mx", none);
    return BASE_OK;
}

int dane_sts_parse(const char *text, size_t length, struct dane_sts *out, char why[200])
{
    struct reading reading = {.why = why};
    if (length > DANE_STS_TEXT_MAX)
        return wrong(&reading, "is longer than 64 KiB", (struct span){"", 0});
    if (length > 0 && memchr(text, '\0', length))
        return wrong(&reading, "has octets that are no text", (struct span){"", 0});
    int status = read_all(&reading, (struct span){text, length});
    if (status == BASE_OK)
        *out = reading.sts;
    else
        dane_sts_free(&reading.sts);
    return status;
}

void dane_sts_free(struct dane_sts *sts)
{
    for (size_t i = 0; i < sts->mx_count; i++)
        free(sts->mx[i]);
    free(sts->mx);
    *sts = (struct dane_sts){.mode = DANE_STS_NONE};
}

bool dane_sts_covers(const struct dane_sts *sts, const char *host)
{
    for (size_t i = 0; i < sts->mx_count; i++) {
        const char *pattern = sts->mx[i];
        const char *rest = strchr(host, '.');
        if (pattern[0] == '*' ? rest && strcasecmp(rest, pattern + 1) == 0
                              : strcasecmp(host, pattern) == 0)
            return true;
    }
    return false;
}
