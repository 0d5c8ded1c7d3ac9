/* Checks of mail records: null MX, and which TXT record is SPF, DMARC, DKIM, MTA-STS or TLSRPT. */
#include "zone/check_text.h"

#include <string.h>

/* Joins the strings of `rr`. False when they are too long. */
static bool join(struct check_string *string, const struct dns_rr *rr)
{
    string->length = 0;
    for (size_t at = 0; at < rr->length; at += rr->rdata[at] + 1u) {
        size_t length = rr->rdata[at];
        if (length > rr->length - at - 1 || string->length + length > CHECK_STRING_MAX)
            return false;
        memcpy(string->data + string->length, rr->rdata + at + 1, length);
        string->length += length;
    }
    string->data[string->length] = 0;
    return true;
}

bool check_span_starts(struct check_span span, const char *text)
{
    size_t length = strlen(text);
    if (span.length < length)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (dns_lower[(uint8_t)span.text[i]] != dns_lower[(uint8_t)text[i]])
            return false;
    }
    return true;
}

bool check_span_is(struct check_span span, const char *text)
{
    return span.length == strlen(text) && check_span_starts(span, text);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct check_span trim(struct check_span span)
{
    while (span.length > 0 && is_space(span.text[0])) {
        span.text++;
        span.length--;
    }
    while (span.length > 0 && is_space(span.text[span.length - 1]))
        span.length--;
    return span;
}

bool check_cut(struct check_span *rest, char separator, struct check_span *piece)
{
    if (rest->text == NULL)
        return false;
    const char *end = memchr(rest->text, separator, rest->length);
    size_t length = end != NULL ? (size_t)(end - rest->text) : rest->length;
    *piece = trim((struct check_span){rest->text, length});
    if (end == NULL) {
        *rest = (struct check_span){NULL, 0};
    } else {
        rest->text += length + 1;
        rest->length -= length + 1;
    }
    return true;
}

bool check_tag(struct check_span piece, struct check_span *name, struct check_span *value)
{
    const char *equals = memchr(piece.text, '=', piece.length);
    if (equals == NULL)
        return false;
    size_t before = (size_t)(equals - piece.text);
    *name = trim((struct check_span){piece.text, before});
    *value = trim((struct check_span){equals + 1, piece.length - before - 1});
    return name->length > 0;
}

static bool starts(const struct check_string *text, const char *start)
{
    return check_span_starts((struct check_span){text->data, text->length}, start);
}

/* The kinds of TXT records that have a meaning by their owner. */
enum place { PLACE_ANY, PLACE_DMARC, PLACE_DMARC_REPORT, PLACE_DKIM, PLACE_MTA_STS, PLACE_TLSRPT };

static bool has_label(const uint8_t *name, const char *text)
{
    for (; *name != 0; name += *name + 1) {
        if (check_label_is(name, text))
            return true;
    }
    return false;
}

static enum place place_of(const uint8_t *owner)
{
    if (*owner == 0)
        return PLACE_ANY;
    const uint8_t *second = owner + *owner + 1;
    if (check_label_is(owner, "_dmarc"))
        return PLACE_DMARC;
    if (check_label_is(owner, "_mta-sts"))
        return PLACE_MTA_STS;
    if (check_label_is(owner, "_smtp") && check_label_is(second, "_tls"))
        return PLACE_TLSRPT;
    if (owner[1] != '_' && has_label(second, "_domainkey"))
        return PLACE_DKIM;
    return has_label(second, "_dmarc") ? PLACE_DMARC_REPORT : PLACE_ANY;
}

/* How many records of each kind a set holds. */
struct tally {
    unsigned spf, dmarc, dkim, mta_sts, tlsrpt;
};

static void check_spf_start(struct check *check, const struct dns_rr *rr,
                            const struct check_string *text, struct tally *tally)
{
    uint8_t after = text->length > 6 ? (uint8_t)text->data[6] : 0;
    if (starts(text, "v=spf1") && (after == ' ' || after == 0)) {
        tally->spf++;
        check_spf_text(check, rr, text);
    } else if (starts(text, "v=spf")) {
        CHECK_SAY(check, ZONE_SPF_VERSION, rr,
                  "the text starts with \"%.*s\" and not with "
                  "\"v=spf1\" and a space",
                  text->length > 12 ? 12 : (int)text->length, text->data);
    }
}

static void check_one_text(struct check *check, const struct dns_rr *rr, enum place place,
                           struct tally *tally)
{
    struct check_string text;
    if (!join(&text, rr))
        return;
    switch (place) {
    case PLACE_DMARC:
        tally->dmarc += starts(&text, "v=DMARC1");
        check_dmarc_text(check, rr, &text);
        return;
    case PLACE_DKIM:
        tally->dkim++;
        check_dkim_text(check, rr, &text);
        return;
    case PLACE_MTA_STS:
        tally->mta_sts++;
        check_mta_sts_text(check, rr, &text);
        return;
    case PLACE_TLSRPT:
        tally->tlsrpt++;
        check_tlsrpt_text(check, rr, &text);
        return;
    case PLACE_DMARC_REPORT:
        return;
    case PLACE_ANY:
        break;
    }
    check_spf_start(check, rr, &text, tally);
    if (starts(&text, "v=DMARC1"))
        CHECK_SAY(check, ZONE_DMARC_MISPLACED, rr,
                  "a DMARC policy is at \"%s\" and not at a name "
                  "that starts with _dmarc",
                  check_text(check, check->node->name));
}

static void check_txt(struct check *check, const struct zone_rrset *rrset)
{
    enum place place = place_of(check->node->name);
    struct tally tally = {0};
    for (unsigned i = 0; i < rrset->count; i++) {
        const struct dns_rr *rr = check_rr(check, rrset, i);
        /* Most TXT records are none of these: look at the first octets before joining. */
        if (place != PLACE_ANY || (rr->length > 2 && dns_lower[rr->rdata[1]] == 'v'))
            check_one_text(check, rr, place, &tally);
    }
    const struct dns_rr *first = check_rr(check, rrset, 0);
    if (tally.spf > 1)
        CHECK_SAY(check, ZONE_SPF_SEVERAL, first, "there are %u SPF records at one name",
                  tally.spf);
    if (tally.dmarc > 1)
        CHECK_SAY(check, ZONE_DMARC_SEVERAL, first, "there are %u DMARC records at one name",
                  tally.dmarc);
    if (tally.dkim > 1)
        CHECK_SAY(check, ZONE_DKIM_SEVERAL, first, "there are %u TXT records at one DKIM selector",
                  tally.dkim);
    if (tally.mta_sts > 1)
        CHECK_SAY(check, ZONE_MTA_STS_SYNTAX, first, "there are %u TXT records at the MTA-STS name",
                  tally.mta_sts);
    if (tally.tlsrpt > 1)
        CHECK_SAY(check, ZONE_TLSRPT_SYNTAX, first, "there are %u TXT records at the TLSRPT name",
                  tally.tlsrpt);
}

static bool has_spf_text(const struct check *check)
{
    const struct zone_rrset *txt = check_rrset(check, DNS_TYPE_TXT);
    for (unsigned i = 0; txt != NULL && i < txt->count; i++) {
        struct check_string text;
        if (join(&text, check_rr(check, txt, i)) && starts(&text, "v=spf1"))
            return true;
    }
    return false;
}

static void check_spf_type(struct check *check, const struct zone_rrset *rrset)
{
    const struct dns_rr *rr = check_rr(check, rrset, 0);
    if (has_spf_text(check))
        CHECK_SAY(check, ZONE_SPF_TYPE, rr, "there is a record of type SPF beside the TXT record");
    else
        CHECK_SAY(check, ZONE_SPF_TYPE_ALONE, rr,
                  "there is a record of type SPF and no TXT record "
                  "that starts with v=spf1");
}

/* Null MX (RFC 7505): alone, with preference 0. */
static void check_mx(struct check *check, const struct zone_rrset *rrset)
{
    for (unsigned i = 0; i < rrset->count; i++) {
        const struct dns_rr *rr = check_rr(check, rrset, i);
        if (rr->rdata[2] != 0)
            continue;
        if (rrset->count > 1)
            CHECK_SAY(check, ZONE_MX_NULL_MIXED, rr,
                      "one MX record is \".\", which says that the "
                      "domain takes no mail, and there are %u others",
                      rrset->count - 1u);
        else if (base_load_u16(rr->rdata) != 0)
            CHECK_SAY(check, ZONE_MX_NULL_PREFERENCE, rr,
                      "the null MX has preference %u instead "
                      "of 0",
                      base_load_u16(rr->rdata));
    }
}

const struct check_row check_mail_rows[] = {
    {check_txt, {DNS_TYPE_TXT}, false},
    {check_spf_type, {DNS_TYPE_SPF}, false},
    {check_mx, {DNS_TYPE_MX}, false},
    {NULL, {0}, false},
};
