/* Checks of records that say where a service is: SRV (RFC 2782), NAPTR (RFC 3403), URI
 * (RFC 7553). */
#include "zone/check_text.h"

#include <string.h>

static void check_srv(struct check *check, const struct zone_rrset *rrset)
{
    const struct dns_rr *first = check_rr(check, rrset, 0);
    unsigned none = 0;
    for (unsigned i = 0; i < rrset->count; i++)
        none += check_rr(check, rrset, i)->rdata[6] == 0;
    if (!check_is_service_name(check->node->name))
        CHECK_SAY(check, ZONE_SRV_OWNER, first,
                  "\"%s\" does not start with a service and a "
                  "protocol like _sip._tcp",
                  check_text(check, check->node->name));
    if (none > 0 && rrset->count > 1)
        CHECK_SAY(check, ZONE_SRV_NULL_MIXED, first,
                  "one SRV record has the target \".\", which "
                  "says that there is no such service, and there are %u others",
                  rrset->count - 1u);
}

/* The three strings and the replacement of NAPTR. */
struct naptr {
    struct check_span flags, service, regexp;
    const uint8_t *replacement;
};

static bool naptr_of(const struct dns_rr *rr, struct naptr *naptr)
{
    struct check_span *const fields[] = {&naptr->flags, &naptr->service, &naptr->regexp};
    struct base_reader reader = base_reader_make(rr->rdata, rr->length);
    base_reader_u32(&reader);
    for (unsigned i = 0; i < 3; i++) {
        fields[i]->length = base_reader_u8(&reader);
        fields[i]->text = (const char *)base_reader_bytes(&reader, fields[i]->length);
    }
    naptr->replacement = rr->rdata + reader.at;
    return !reader.failed && reader.at < rr->length;
}

static bool has_flag(const struct naptr *naptr, char flag)
{
    for (size_t i = 0; i < naptr->flags.length; i++) {
        if (dns_lower[(uint8_t)naptr->flags.text[i]] == (uint8_t)flag)
            return true;
    }
    return false;
}

static void check_naptr_flags(struct check *check, const struct dns_rr *rr,
                              const struct naptr *naptr)
{
    unsigned terminal =
        has_flag(naptr, 's') + has_flag(naptr, 'a') + has_flag(naptr, 'u') + has_flag(naptr, 'p');
    bool bad = terminal > 1;
    for (size_t i = 0; i < naptr->flags.length; i++) {
        bad = bad || !check_is_alnum(naptr->flags.text[i]);
    }
    if (bad)
        CHECK_SAY(check, ZONE_NAPTR_FLAGS, rr,
                  "the NAPTR flags \"%.*s\" are not letters and digits "
                  "with at most one of S, A, U and P",
                  check_span_width(naptr->flags), naptr->flags.text);
}

static void check_naptr_record(struct check *check, const struct dns_rr *rr)
{
    struct naptr naptr;
    if (!naptr_of(rr, &naptr))
        return;
    check_naptr_flags(check, rr, &naptr);
    bool regexp = naptr.regexp.length > 0, replacement = *naptr.replacement != 0;
    if (regexp && replacement)
        CHECK_SAY(check, ZONE_NAPTR_EXCLUSIVE, rr,
                  "NAPTR has a regular expression and also the "
                  "replacement \"%s\"",
                  check_text(check, naptr.replacement));
    else if (!regexp && has_flag(&naptr, 'u'))
        CHECK_SAY(check, ZONE_NAPTR_REGEXP, rr, "NAPTR with flag U has no regular expression");
    else if (!regexp && !replacement)
        CHECK_SAY(check, ZONE_NAPTR_EXCLUSIVE, rr,
                  "NAPTR has neither a regular expression nor a "
                  "replacement");
    const char *wrong = regexp ? check_substitution(naptr.regexp) : NULL;
    if (wrong != NULL)
        CHECK_SAY(check, ZONE_NAPTR_REGEXP, rr, "the NAPTR expression \"%.*s\" %s",
                  check_span_width(naptr.regexp), naptr.regexp.text, wrong);
}

static void check_naptr(struct check *check, const struct zone_rrset *rrset)
{
    for (unsigned i = 0; i < rrset->count; i++)
        check_naptr_record(check, check_rr(check, rrset, i));
}

/* A scheme and a colon (RFC 3986 section 3.1). */
static bool has_scheme(struct check_span uri)
{
    const char *colon = memchr(uri.text, ':', uri.length);
    if (colon == NULL || colon == uri.text)
        return false;
    for (const char *at = uri.text; at < colon; at++) {
        uint8_t c = dns_lower[(uint8_t)*at];
        bool letter = c >= 'a' && c <= 'z';
        bool other = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
        if (!letter && (at == uri.text || !other))
            return false;
    }
    return true;
}

static void check_uri(struct check *check, const struct zone_rrset *rrset)
{
    const uint8_t *owner = check->node->name;
    bool underscore =
        *owner > 1 &&
        (owner[1] == '_' || (dns_name_is_wildcard(owner) && owner[2] > 1 && owner[3] == '_'));
    if (!underscore)
        CHECK_SAY(check, ZONE_URI_OWNER, check_rr(check, rrset, 0),
                  "\"%s\" does not start with a "
                  "service label like _http",
                  check_text(check, owner));
    for (unsigned i = 0; i < rrset->count; i++) {
        const struct dns_rr *rr = check_rr(check, rrset, i);
        struct check_span uri = {(const char *)rr->rdata + 4, rr->length - 4u};
        if (!has_scheme(uri))
            CHECK_SAY(check, ZONE_URI_TARGET, rr, "the URI \"%.*s\" has no scheme",
                      check_span_width(uri), uri.text);
    }
}

const struct check_row check_service_rows[] = {
    {check_srv, {DNS_TYPE_SRV}, false},
    {check_naptr, {DNS_TYPE_NAPTR}, false},
    {check_uri, {DNS_TYPE_URI}, false},
    {NULL, {0}, false},
};
