/* Words and lines that all ways of showing share: see show_model.h. */
#include "base/utf8.h"
#include "crypto/crypto.h"
#include "resolve/show_model.h"

#include <stdio.h>
#include <string.h>

const char *show_ede_name(int ede)
{
    /* IANA's registry of extended DNS error codes. */
    static const char *const names[] = {
        "Other Error",
        "Unsupported DNSKEY Algorithm",
        "Unsupported DS Digest Type",
        "Stale Answer",
        "Forged Answer",
        "DNSSEC Indeterminate",
        "DNSSEC Bogus",
        "Signature Expired",
        "Signature Not Yet Valid",
        "DNSKEY Missing",
        "RRSIGs Missing",
        "No Zone Key Bit Set",
        "NSEC Missing",
        "Cached Error",
        "Not Ready",
        "Blocked",
        "Censored",
        "Filtered",
        "Prohibited",
        "Stale NXDOMAIN Answer",
        "Not Authoritative",
        "Not Supported",
        "No Reachable Authority",
        "Network Error",
        "Invalid Data",
        "Signature Expired before Valid",
        "Too Early",
        "Unsupported NSEC3 Iterations Value",
        "Unable to conform to policy",
        "Synthesized",
        "Invalid Query Type",
    };
    return ede >= 0 && (size_t)ede < sizeof(names) / sizeof(names[0]) ? names[ede] : NULL;
}

const char *show_algorithm(char out[SHOW_ALGORITHM_TEXT], unsigned algorithm)
{
    const struct crypto_algorithm_info *info = crypto_algorithm(algorithm);
    if (info != NULL)
        return info->name;
    snprintf(out, SHOW_ALGORITHM_TEXT, "algorithm %u", algorithm);
    return out;
}

const char *show_answer_kind_name(enum validate_answer_kind kind)
{
    static const char *const names[] = {
        [VALIDATE_ANSWER_NONE] = "none",
        [VALIDATE_ANSWER_DATA] = "data",
        [VALIDATE_ANSWER_NODATA] = "nodata",
        [VALIDATE_ANSWER_NAME] = "nxdomain",
    };
    return names[kind];
}

const char *show_rcode(char out[SHOW_RCODE_TEXT], unsigned rcode)
{
    static const char *const names[] = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN",
                                        "NOTIMP",  "REFUSED", "YXDOMAIN", "YXRRSET",
                                        "NXRRSET", "NOTAUTH", "NOTZONE"};
    if (rcode < sizeof(names) / sizeof(names[0]))
        return names[rcode];
    snprintf(out, SHOW_RCODE_TEXT, "RCODE%u", rcode);
    return out;
}

const char *show_when(char out[SHOW_WHEN_TEXT], base_time time, base_time now)
{
    char iso[BASE_TIME_TEXT], distance[BASE_TIME_TEXT];
    base_time_iso(time, iso);
    bool past = time < now;
    base_duration_text(past ? now - time : time - now, distance);
    snprintf(out, SHOW_WHEN_TEXT, "%.10s %.5s (%s%s%s)", iso, iso + 11, past ? "" : "in ", distance,
             past ? " ago" : "");
    return out;
}

unsigned show_finding_depth(const struct validate_result *result, size_t index)
{
    unsigned depth = 0;
    while (depth < 8) {
        uint32_t cause = result->findings[index].cause;
        if (cause == VALIDATE_NO_CAUSE || cause >= result->finding_count || cause == index)
            break;
        index = cause;
        depth++;
    }
    return depth;
}

/* Where a finding goes among the `count` that are placed: behind its cause and all that follows
 * from that; at the end when it has none. */
static size_t place_of(const struct validate_result *result, size_t index, const uint32_t *order,
                       size_t count)
{
    uint32_t cause = result->findings[index].cause;
    size_t at = 0;
    while (at < count && order[at] != cause)
        at++;
    if (at == count)
        return count;
    unsigned depth = show_finding_depth(result, cause);
    do
        at++;
    while (at < count && show_finding_depth(result, order[at]) > depth);
    return at;
}

void show_finding_order(const struct validate_result *result, uint32_t *order)
{
    for (size_t i = 0; i < result->finding_count; i++) {
        size_t at = place_of(result, i, order, i);
        memmove(order + at + 1, order + at, (i - at) * sizeof(*order));
        order[at] = (uint32_t)i;
    }
}

bool show_is_usable(const struct validate_result *result)
{
    return result->answer != NULL &&
           (result->status == VALIDATE_SECURE || result->status == VALIDATE_INSECURE);
}

enum show_tone show_tone_of_status(enum validate_status status)
{
    switch (status) {
    case VALIDATE_SECURE:
        return SHOW_GOOD;
    case VALIDATE_INSECURE:
    case VALIDATE_INDETERMINATE:
        return SHOW_DOUBT;
    default:
        return SHOW_BAD;
    }
}

enum show_tone show_tone_of_severity(enum base_severity severity)
{
    return severity == BASE_ERROR ? SHOW_BAD : severity == BASE_WARNING ? SHOW_DOUBT : SHOW_PLAIN;
}

/* Octets of the character at `text`; what is no UTF-8 goes octet by octet. */
static size_t character(const char *text, size_t left)
{
    size_t size = base_utf8_length((const uint8_t *)text, left);
    return size == 0 ? 1 : size;
}

size_t show_line(const char **text, size_t width)
{
    const char *start = *text;
    size_t left = strlen(start), at = 0, columns = 0, space = 0;
    while (at < left && columns < width && start[at] != '\n') {
        if (start[at] == ' ' && at > 0)
            space = at;
        at += character(start + at, left - at);
        columns++;
    }
    bool whole = at == left || start[at] == '\n' || start[at] == ' ';
    size_t length = whole || space == 0 ? at : space;
    const char *next = start + length;
    if (*next == '\n')
        next++;
    next += strspn(next, " ");
    *text = next;
    return length;
}

void show_safe(struct base_buf *out, const char *text, size_t length)
{
    for (size_t i = 0; i < length;) {
        uint8_t octet = (uint8_t)text[i];
        size_t size = octet < 0x80 ? 1 : base_utf8_length((const uint8_t *)text + i, length - i);
        /* C1 controls, too, are U+0080 to U+009F: C2 80 to C2 9F. */
        bool control = octet < 0x20 || octet == 0x7f ||
                       (size == 2 && octet == 0xc2 && (uint8_t)text[i + 1] < 0xa0);
        if (size == 0 || control)
            base_buf_u8(out, '?');
        else
            base_buf_append(out, text + i, size);
        i += size == 0 ? 1 : size;
    }
}

void show_xml(struct base_buf *out, const char *text, size_t length)
{
    for (size_t i = 0; i < length;) {
        size_t size = base_utf8_length((const uint8_t *)text + i, length - i);
        uint8_t octet = (uint8_t)text[i];
        if (octet == '&')
            base_buf_text(out, "&amp;");
        else if (octet == '<')
            base_buf_text(out, "&lt;");
        else if (octet == '>')
            base_buf_text(out, "&gt;");
        else if (octet == '"')
            base_buf_text(out, "&quot;");
        /* U+FFFE and U+FFFF are no characters of XML. */
        else if (size == 3 && octet == 0xef && (uint8_t)text[i + 1] == 0xbf &&
                 (uint8_t)text[i + 2] >= 0xbe)
            base_buf_u8(out, '?');
        else
            show_safe(out, text + i, size == 0 ? 1 : size);
        i += size == 0 ? 1 : size;
    }
}
