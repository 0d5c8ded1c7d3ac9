/* Checks of CAA records (RFC 8659, RFC 8657, RFC 9495). */
#include "zone/check_text.h"

#include <string.h>

enum caa_value { CAA_ISSUE, CAA_URL, CAA_ANY };

/* IANA "Certification Authority Restriction Properties". */
static const struct caa_property {
    const char *tag;
    enum caa_value value;
} properties[] = {
    {"issue", CAA_ISSUE},      {"issuewild", CAA_ISSUE}, {"iodef", CAA_URL},
    {"issuemail", CAA_ISSUE},  {"issuevmc", CAA_ISSUE},  {"contactemail", CAA_ANY},
    {"contactphone", CAA_ANY},
};

/* Labels of letters, digits and inner hyphens, joined by dots. */
static bool is_issuer_name(struct check_span name)
{
    for (size_t i = 0; i < name.length; i++) {
        bool edge =
            i == 0 || i + 1 == name.length || name.text[i - 1] == '.' || name.text[i + 1] == '.';
        bool good =
            check_is_alnum(name.text[i]) || (!edge && name.text[i] == '-') ||
            (i > 0 && i + 1 < name.length && name.text[i] == '.' && name.text[i - 1] != '.');
        if (!good)
            return false;
    }
    return true;
}

static bool is_parameter(struct check_span piece)
{
    struct check_span tag, value;
    if (!check_tag(piece, &tag, &value))
        return false;
    for (size_t i = 0; i < tag.length; i++) {
        if (!check_is_alnum(tag.text[i]) && (i == 0 || tag.text[i] != '-'))
            return false;
    }
    for (size_t i = 0; i < value.length; i++) {
        if (value.text[i] < 0x21 || value.text[i] > 0x7e)
            return false;
    }
    return true;
}

/* "[issuer] [; name=value ...]"; ";" alone allows nobody. */
static bool is_issue_value(struct check_span value)
{
    struct check_span piece;
    if (!check_cut(&value, ';', &piece) || !is_issuer_name(piece))
        return false;
    while (check_cut(&value, ';', &piece)) {
        if (piece.length > 0 && !is_parameter(piece))
            return false;
    }
    return true;
}

static bool is_report_url(struct check_span value)
{
    return (check_span_starts(value, "mailto:") && memchr(value.text, '@', value.length) != NULL) ||
           (check_span_starts(value, "https://") && value.length > 8) ||
           (check_span_starts(value, "http://") && value.length > 7);
}

static const struct caa_property *property_of(struct check_span tag)
{
    for (size_t i = 0; i < sizeof(properties) / sizeof(properties[0]); i++) {
        if (check_span_is(tag, properties[i].tag))
            return &properties[i];
    }
    return NULL;
}

static void check_caa_record(struct check *check, const struct dns_rr *rr)
{
    unsigned flags = rr->rdata[0], tag_length = rr->length > 1 ? rr->rdata[1] : 0;
    if (tag_length + 2u > rr->length)
        return;
    struct check_span tag = {(const char *)rr->rdata + 2, tag_length};
    struct check_span value = {tag.text + tag_length, rr->length - 2u - tag_length};
    const struct caa_property *property = property_of(tag);
    if ((flags & 0x7f) != 0)
        CHECK_SAY(check, ZONE_CAA_FLAGS, rr, "CAA has flags %u; only 0 and 128 are defined", flags);
    if (property == NULL)
        CHECK_SAY(check, ZONE_CAA_TAG, rr, "CAA property \"%.*s\" is not known%s",
                  check_span_width(tag), tag.text,
                  (flags & 0x80) != 0 ? ", and critical: no CA may issue" : "");
    else if ((property->value == CAA_ISSUE && !is_issue_value(value)) ||
             (property->value == CAA_URL && !is_report_url(value)))
        CHECK_SAY(check, ZONE_CAA_VALUE, rr,
                  "CAA property %.*s has the value \"%.*s\", which is "
                  "malformed",
                  check_span_width(tag), tag.text, check_span_width(value), value.text);
}

static void check_caa(struct check *check, const struct zone_rrset *rrset)
{
    for (unsigned i = 0; i < rrset->count; i++)
        check_caa_record(check, check_rr(check, rrset, i));
}

const struct check_row check_caa_rows[] = {
    {check_caa, {DNS_TYPE_CAA}, false},
    {NULL, {0}, false},
};
