/* Checks of owner names, TTLs, sizes and types: what holds for every record alike. */
#include "zone/check_part.h"

#include <string.h>

#define TTL_LONG    604800 /* a week: resolvers cap there at the latest (RFC 8767 section 4) */
#define MESSAGE_MAX 65535
#define LARGE_SET   2 /* smaller sets cannot be too large */

/* "xn--" and a Punycode part: letters, digits and hyphens that do not end in one (RFC 5891). */
static bool is_bad_idna_label(const uint8_t *label)
{
    if (*label < 4 || memcmp(label + 3, "--", 2) != 0 || dns_lower[label[1]] != 'x' ||
        dns_lower[label[2]] != 'n')
        return false;
    if (*label == 4 || label[*label] == '-')
        return true;
    for (unsigned i = 5; i <= *label; i++) {
        uint8_t c = dns_lower[label[i]];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
            return true;
    }
    return false;
}

static bool is_checked_as_host(const struct check *check)
{
    return check_rrset(check, DNS_TYPE_A) != NULL || check_rrset(check, DNS_TYPE_AAAA) != NULL ||
           check_rrset(check, DNS_TYPE_MX) != NULL;
}

static void check_label(struct check *check, const uint8_t *label)
{
    if (label[1] == '-' && !is_checked_as_host(check))
        CHECK_SAY(check, ZONE_LABEL_HYPHEN, NULL, "\"%s\" has a label that starts with a hyphen",
                  check_text(check, check->node->name));
    if (label[1] == '*' && label[0] == 1 && label != check->node->name)
        CHECK_SAY(check, ZONE_WILDCARD_INSIDE, NULL, "\"%s\" has a * that is not its first label",
                  check_text(check, check->node->name));
    if (is_bad_idna_label(label))
        CHECK_SAY(check, ZONE_IDNA_LABEL, NULL,
                  "the label \"%.*s\" starts as an internationalized name and is none", (int)*label,
                  check_text(check, label));
}

/* Every owner name once. Nearly all labels are neither * nor start with x or a hyphen. */
void check_owner(struct check *check)
{
    const uint8_t *name = check->node->name;
    for (const uint8_t *label = name; *label != 0; label += *label + 1) {
        bool candidate =
            (label[0] == 1 && label[1] == '*') || (label[1] | 0x20) == 'x' || label[1] == '-';
        if (candidate && dns_name_labels(label) > check->zone->apex_labels)
            check_label(check, label);
    }
    if (check_is_doubled(check, name) && check->node->rrset_count > 0) {
        const struct zone_rrset *first = &check->zone->rrsets[check->node->first_rrset];
        CHECK_SAY(check, ZONE_NAME_DOUBLED, check_rr(check, first, 0),
                  "\"%s\" ends in the name of the zone twice", check_text(check, name));
    }
}

static void check_ttl(struct check *check, const struct zone_rrset *rrset)
{
    uint32_t ttl = rrset->ttl, margin = check->options->refresh_margin;
    if (dns_type_is_dnssec(rrset->type))
        return; /* made by the signer, with the TTLs that the RFCs ask for */
    if (ttl == 0)
        check_count(check, CHECK_SUM_TTL_ZERO, check_rr(check, rrset, 0), 0);
    else if (ttl > TTL_LONG)
        check_count(check, CHECK_SUM_TTL_LONG, check_rr(check, rrset, 0), ttl);
    if (margin != 0 && ttl > margin && (check->node->flags & ZONE_BELOW) == 0)
        check_count(check, CHECK_SUM_TTL_MARGIN, check_rr(check, rrset, 0), ttl);
}

/* A set must fit one message: header, question, and each record with a compressed owner. */
static void check_size(struct check *check, const struct zone_rrset *rrset)
{
    size_t octets = 12 + dns_name_length(check->node->name) + 4;
    for (unsigned i = 0; i < rrset->count; i++)
        octets += 12u + check_rr(check, rrset, i)->length;
    if (octets > MESSAGE_MAX)
        CHECK_SAY(check, ZONE_RRSET_TOO_LARGE, check_rr(check, rrset, 0),
                  "%u record%s of one set need%s %zu octets; a message holds %u", rrset->count,
                  rrset->count == 1 ? "" : "s", rrset->count == 1 ? "s" : "", octets, MESSAGE_MAX);
}

/* Every RRset of every node. */
static void check_rrset_limits(struct check *check, const struct zone_rrset *rrset)
{
    check_ttl(check, rrset);
    if (rrset->count > LARGE_SET || check_rr(check, rrset, 0)->length > MESSAGE_MAX / 4)
        check_size(check, rrset);
}

static void check_obsolete(struct check *check, const struct zone_rrset *rrset)
{
    char type[DNS_TYPE_TEXT];
    if (rrset->type > UINT8_MAX && rrset->type != CHECK_TYPE_DLV)
        return; /* the row is for all large types */
    dns_type_text(type, rrset->type);
    if (rrset->type == CHECK_TYPE_MD || rrset->type == CHECK_TYPE_MF)
        CHECK_SAY(check, ZONE_TYPE_WITHDRAWN, check_rr(check, rrset, 0),
                  "%s records are replaced by MX", type);
    else
        CHECK_SAY(check, ZONE_TYPE_OBSOLETE, check_rr(check, rrset, 0), "%s records are obsolete",
                  type);
}

/* Owners that must be host names (RFC 1123 section 2.1). _msdcs and its like hold addresses. */
static void check_host_owner(struct check *check, const struct zone_rrset *rrset)
{
    char type[DNS_TYPE_TEXT];
    const uint8_t *name = check->node->name;
    if (check_is_host_name(name, true))
        return;
    if (rrset->type != DNS_TYPE_MX && check_label_is(name, "gc") &&
        check_label_is(dns_name_parent(name, 1), "_msdcs"))
        return;
    CHECK_SAY(check, ZONE_OWNER_HOST_NAME, check_rr(check, rrset, 0),
              "\"%s\" has %s records but "
              "is not a valid host name",
              check_text(check, name), dns_type_text(type, rrset->type));
}

static bool same_ignoring_case(const struct dns_rr *a, const struct dns_rr *b)
{
    if (a->length != b->length)
        return false;
    for (unsigned i = 0; i < a->length; i++) {
        if (dns_lower[a->rdata[i]] != dns_lower[b->rdata[i]])
            return false;
    }
    return true;
}

/* Records that differ for DNSSEC only, by the case of a name (RFC 6840 section 5.1). */
static void check_alike(struct check *check, const struct zone_rrset *rrset)
{
    for (unsigned i = 1; i < rrset->count && i < 64; i++) {
        for (unsigned j = 0; j < i; j++) {
            const struct dns_rr *rr = check_rr(check, rrset, i);
            if (!same_ignoring_case(rr, check_rr(check, rrset, j)))
                continue;
            CHECK_SAY(check, ZONE_RECORDS_ALIKE, rr,
                      "two records of the set differ only in the "
                      "case of letters");
            break;
        }
    }
}

const struct check_row check_limit_rows[] = {
    {check_rrset_limits, {0}, true},
    /* 7 8 9: MB MG MR; 10: NULL; 27: GPOS */
    {check_obsolete,
     {CHECK_TYPE_MD, CHECK_TYPE_MF, CHECK_TYPE_WKS, CHECK_TYPE_NXT, CHECK_TYPE_A6, DNS_TYPE_SIG, 7,
      8, 9, 10, 27, CHECK_TYPE_DLV},
     false},
    {check_host_owner, {DNS_TYPE_A, DNS_TYPE_AAAA, DNS_TYPE_MX}, true},
    {check_alike, {DNS_TYPE_SVCB, DNS_TYPE_HTTPS, CHECK_TYPE_LP, DNS_TYPE_DSYNC}, false},
    {NULL, {0}, false},
};
