/*
 * Reports in mail: written for sendmail, and found in what others sent.
 */
#include "dane/tlsrpt_mail.h"

#include "base/codec.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define LINE_OCTETS  57 /* of a line of base64, 76 characters */
#define DEPTH_MAX    4  /* parts within parts */
#define PARTS_MAX    64
#define BOUNDARY_MAX 200
#define HEADER_MAX   16384 /* of one part */

/* --- writing --- */

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

int dane_tlsrpt_mail_address(const char *uri, char out[DANE_TLSRPT_ADDRESS_MAX])
{
    char address[DANE_TLSRPT_ADDRESS_MAX];
    size_t length = 0, marks = 0;
    const char *at = strncasecmp(uri, "mailto:", 7) == 0 ? uri + 7 : uri;
    for (; *at != '\0' && *at != '?'; at++) {
        int c = (unsigned char)*at;
        if (c == '%') {
            int high = hex_value(at[1]), low = high < 0 ? -1 : hex_value(at[2]);
            if (low < 0)
                return BASE_EFORMAT;
            c = high * 16 + low;
            at += 2;
        }
        /* Only what needs no quotes: nothing that could be a second address or header. */
        if (c <= ' ' || c >= 127 || strchr("()<>[]:;,\\\"", c) || length == sizeof address - 1)
            return BASE_EFORMAT;
        marks += c == '@';
        address[length++] = (char)c;
    }
    address[length] = '\0';
    if (marks != 1 || address[0] == '@' || address[0] == '-' || address[length - 1] == '@')
        return BASE_EFORMAT;
    memcpy(out, address, length + 1);
    return BASE_OK;
}

/* Printable ASCII without what would end a quoted text. */
static bool is_plain(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text < ' ' || *text >= 127 || *text == '"' || *text == '\\')
            return false;
    }
    return true;
}

static void write_base64(const uint8_t *data, size_t length, struct base_buf *out)
{
    char line[BASE_BASE64_SIZE(LINE_OCTETS)];
    for (size_t at = 0; at < length; at += LINE_OCTETS) {
        size_t part = length - at < LINE_OCTETS ? length - at : LINE_OCTETS;
        base_buf_append(out, line, base_base64_encode(line, data + at, part));
        base_buf_text(out, "\n");
    }
}

int dane_tlsrpt_mail_write(const struct dane_tlsrpt_mail *mail, struct base_buf *out)
{
    char to[DANE_TLSRPT_ADDRESS_MAX], from[DANE_TLSRPT_ADDRESS_MAX], date[64];
    struct tm tm;
    time_t clock = (time_t)mail->now;
    if (dane_tlsrpt_mail_address(mail->to, to) != BASE_OK ||
        dane_tlsrpt_mail_address(mail->from, from) != BASE_OK || !is_plain(mail->domain) ||
        !is_plain(mail->submitter) || !is_plain(mail->id) || !is_plain(mail->file) ||
        !gmtime_r(&clock, &tm) ||
        strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S +0000", &tm) == 0)
        return BASE_EFORMAT;
    base_buf_printf(out,
                    "From: <%s>\nTo: <%s>\nDate: %s\nMessage-ID: <%s>\n"
                    "Subject: Report Domain: %s\n Submitter: %s\n Report-ID: <%s>\n"
                    "TLS-Report-Domain: %s\nTLS-Report-Submitter: %s\n"
                    /* A report about TLS that fails must arrive all the same (RFC 8689). */
                    "TLS-Required: No\nAuto-Submitted: auto-generated\nMIME-Version: 1.0\n",
                    from, to, date, mail->id, mail->domain, mail->submitter, mail->id, mail->domain,
                    mail->submitter);
    /* No line of the parts can be the boundary: base64 has no "=_" at the start of a line. */
    base_buf_printf(out,
                    "Content-Type: multipart/report; report-type=\"tlsrpt\";\n"
                    " boundary=\"=_kenter_tlsrpt\"\n\n"
                    "--=_kenter_tlsrpt\nContent-Type: text/plain; charset=us-ascii\n\n"
                    "This is a report about TLS sessions with the mail servers of %s,\n"
                    "by %s (RFC 8460).\n\n"
                    "--=_kenter_tlsrpt\nContent-Type: application/tlsrpt+gzip\n"
                    "Content-Transfer-Encoding: base64\n"
                    "Content-Disposition: attachment;\n filename=\"%s\"\n\n",
                    mail->domain, mail->submitter, mail->file);
    write_base64(mail->report, mail->length, out);
    base_buf_text(out, "\n--=_kenter_tlsrpt--\n");
    return out->error;
}

/* --- reading --- */

struct part {
    const char *head, *body, *end; /* the head ends where the body begins */
};

/* Cuts at the first empty line. */
static bool split(const char *text, const char *end, struct part *out)
{
    for (const char *at = text; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((stop ? stop : end) - at);
        if (length == 0 || (length == 1 && at[0] == '\r')) {
            *out = (struct part){text, stop ? stop + 1 : end, end};
            return at - text <= HEADER_MAX;
        }
        at += length + 1;
    }
    return false;
}

/* The value of a header field, unfolded; at most what fits. False: there is none. */
static bool field(const struct part *part, const char *name, char *out, size_t size)
{
    size_t length = strlen(name), used = 0;
    bool within = false;
    for (const char *at = part->head; at < part->body;) {
        const char *stop = memchr(at, '\n', (size_t)(part->body - at));
        const char *end = stop ? stop : part->body;
        bool folded = at < end && (*at == ' ' || *at == '\t');
        if (within && !folded)
            break;
        const char *from = at;
        if (!folded && (size_t)(end - at) > length && at[length] == ':' &&
            strncasecmp(at, name, length) == 0) {
            within = true;
            from = at + length + 1;
        }
        for (; within && from < end && used < size - 1; from++) {
            if (*from != '\r' && *from != '\0')
                out[used++] = *from;
        }
        at = end + 1;
    }
    out[used] = '\0';
    return within;
}

/* "…; name=value" or "…; name="value"". */
static bool parameter(const char *value, const char *name, char *out, size_t size)
{
    size_t length = strlen(name), used = 0;
    for (const char *at = strchr(value, ';'); at; at = strchr(at, ';')) {
        at++;
        at += strspn(at, " \t");
        if (strncasecmp(at, name, length) != 0)
            continue;
        const char *mark = at + length + strspn(at + length, " \t");
        if (*mark != '=')
            continue;
        mark += 1 + strspn(mark + 1, " \t");
        bool quoted = *mark == '"';
        for (mark += quoted;
             *mark != '\0' && (quoted ? *mark != '"' : !strchr("; \t", *mark)) && used < size - 1;
             mark++)
            out[used++] = *mark;
        out[used] = '\0';
        return used > 0;
    }
    return false;
}

static bool begins(const char *text, const char *word)
{
    text += strspn(text, " \t");
    return strncasecmp(text, word, strlen(word)) == 0;
}

static bool ends(const char *text, const char *word)
{
    size_t length = strlen(text), end = strlen(word);
    return length >= end && strcasecmp(text + length - end, word) == 0;
}

/* Base64 in lines of any length. */
static int decode_base64(const struct part *part, struct base_buf *out)
{
    char group[4];
    uint8_t octets[3];
    size_t used = 0, length;
    bool over = false;
    for (const char *at = part->body; at < part->end; at++) {
        if (strchr(" \t\r\n", *at))
            continue;
        if (over)
            return BASE_EFORMAT;
        group[used++] = *at;
        if (used < 4)
            continue;
        if (base_base64_decode(octets, sizeof octets, &length, group, 4) != BASE_OK)
            return BASE_EFORMAT;
        base_buf_append(out, octets, length);
        over = length < 3;
        used = 0;
    }
    return used == 0 ? out->error : BASE_EFORMAT;
}

static int decode_quoted(const struct part *part, struct base_buf *out)
{
    for (const char *at = part->body; at < part->end; at++) {
        if (*at != '=') {
            base_buf_append(out, at, 1);
            continue;
        }
        size_t left = (size_t)(part->end - at);
        if (left > 1 && at[1] == '\n') {
            at++;
        } else if (left > 2 && at[1] == '\r' && at[2] == '\n') {
            at += 2;
        } else {
            int high = left > 2 ? hex_value(at[1]) : -1, low = high < 0 ? -1 : hex_value(at[2]);
            if (low < 0)
                return BASE_EFORMAT;
            base_buf_u8(out, (uint8_t)(high * 16 + low));
            at += 2;
        }
    }
    return out->error;
}

static int decode(const struct part *part, struct base_buf *out)
{
    char encoding[64];
    int status;
    bool said = field(part, "Content-Transfer-Encoding", encoding, sizeof encoding);
    if (said && begins(encoding, "base64"))
        status = decode_base64(part, out);
    else if (said && begins(encoding, "quoted-printable"))
        status = decode_quoted(part, out);
    else {
        base_buf_append(out, part->body, (size_t)(part->end - part->body));
        status = out->error;
    }
    return status == BASE_ESPACE ? BASE_ELIMIT : status;
}

static bool is_report(const struct part *part, const char *type)
{
    char file[256] = "", disposition[1024];
    if (begins(type, "application/tlsrpt+gzip") || begins(type, "application/tlsrpt+json"))
        return true;
    if (!parameter(type, "name", file, sizeof file) &&
        field(part, "Content-Disposition", disposition, sizeof disposition))
        parameter(disposition, "filename", file, sizeof file);
    return ends(file, ".json") || ends(file, ".json.gz");
}

/* The next line from `at` that begins with the boundary; NULL: none. */
static const char *find_boundary(const char *at, const char *end, const char *boundary)
{
    size_t length = strlen(boundary);
    while (at < end) {
        if ((size_t)(end - at) >= length + 2 && at[0] == '-' && at[1] == '-' &&
            memcmp(at + 2, boundary, length) == 0)
            return at;
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop)
            break;
        at = stop + 1;
    }
    return NULL;
}

static int find_part(const char *text, const char *end, unsigned depth, unsigned *parts,
                     struct base_buf *out)
{
    char type[1024], boundary[BOUNDARY_MAX];
    struct part part;
    if (++*parts > PARTS_MAX || depth > DEPTH_MAX || !split(text, end, &part))
        return BASE_ENOENT;
    if (!field(&part, "Content-Type", type, sizeof type))
        type[0] = '\0';
    if (is_report(&part, type))
        return decode(&part, out);
    if (!begins(type, "multipart/") || !parameter(type, "boundary", boundary, sizeof boundary))
        return BASE_ENOENT;
    const char *at = find_boundary(part.body, end, boundary);
    while (at) {
        const char *from = memchr(at, '\n', (size_t)(end - at));
        const char *next = from ? find_boundary(from + 1, end, boundary) : NULL;
        if (from) {
            int status = find_part(from + 1, next ? next : end, depth + 1, parts, out);
            if (status != BASE_ENOENT)
                return status;
        }
        at = next;
    }
    return BASE_ENOENT;
}

int dane_tlsrpt_mail_read(const char *text, size_t length, struct base_buf *out)
{
    unsigned parts = 0;
    return find_part(text, text + length, 0, &parts, out);
}
