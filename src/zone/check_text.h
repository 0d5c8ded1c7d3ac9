/*
 * Text in TXT records, for the checks of mail records: joined strings, tag lists.
 */
#ifndef ZONE_CHECK_TEXT_H
#define ZONE_CHECK_TEXT_H

#include "zone/check_part.h"

#define CHECK_STRING_MAX 4096 /* longer records are none of those that are checked */

/* The strings of a TXT record, joined, NUL-terminated. */
struct check_string {
    char data[CHECK_STRING_MAX + 1];
    size_t length;
};

/* A stretch of text, not terminated. */
struct check_span {
    const char *text;
    size_t length;
};

bool check_span_is(struct check_span span, const char *text);     /* ignoring case */
bool check_span_starts(struct check_span span, const char *text); /* ignoring case */
/* Cuts what is before the first `separator` off *rest; all of it when there is none. Spaces at both
 * ends are taken away. False at the end of *rest. */
bool check_cut(struct check_span *rest, char separator, struct check_span *piece);
/* Splits "name = value". False when there is no = or no name. */
bool check_tag(struct check_span piece, struct check_span *name, struct check_span *value);
/* Letters and digits of ASCII. */
static inline bool check_is_alnum(char c)
{
    uint8_t lower = dns_lower[(uint8_t)c];
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9');
}
/* For messages: the length, bounded, for %.*s. */
static inline int check_span_width(struct check_span span)
{
    return span.length > 80 ? 80 : (int)span.length;
}

/* What is wrong with a NAPTR's substitution expression, as the end of a sentence; NULL: nothing. */
const char *check_substitution(struct check_span text);

/* The records of one kind; each in its own file. `text` starts with what tells the kind. */
void check_spf_text(struct check *check, const struct dns_rr *rr, const struct check_string *text);
void check_dmarc_text(struct check *check, const struct dns_rr *rr,
                      const struct check_string *text);
void check_dkim_text(struct check *check, const struct dns_rr *rr, const struct check_string *text);
void check_mta_sts_text(struct check *check, const struct dns_rr *rr,
                        const struct check_string *text);
void check_tlsrpt_text(struct check *check, const struct dns_rr *rr,
                       const struct check_string *text);

#endif
