/* Checks of the apex: SOA, the zone's own name servers, and what only the apex may hold. */
#include "zone/check_part.h"

#include <string.h>

/* Ranges by RFC 1912 section 2.2, widened so that the values of RIPE-203 and those in use with
 * NOTIFY are inside. */
#define REFRESH_MIN 1200
#define REFRESH_MAX 172800
#define RETRY_MIN   120
#define EXPIRE_MIN  604800
#define EXPIRE_MAX  5184000
#define MINIMUM_MAX 86400 /* RFC 2308 section 5 */

/* The numbers of an SOA, behind its two names. */
struct soa {
    const uint8_t *mname, *rname;
    uint32_t serial, refresh, retry, expire, minimum;
};

static struct soa soa_of(const struct dns_rr *rr)
{
    struct soa soa = {.mname = rr->rdata};
    soa.rname = soa.mname + dns_name_length(soa.mname);
    const uint8_t *numbers = soa.rname + dns_name_length(soa.rname);
    soa.serial = base_load_u32(numbers);
    soa.refresh = base_load_u32(numbers + 4);
    soa.retry = base_load_u32(numbers + 8);
    soa.expire = base_load_u32(numbers + 12);
    soa.minimum = base_load_u32(numbers + 16);
    return soa;
}

static void check_soa_refresh(struct check *check, const struct dns_rr *rr, const struct soa *soa)
{
    if (soa->refresh < REFRESH_MIN || soa->refresh > REFRESH_MAX)
        CHECK_SAY(check, ZONE_SOA_REFRESH, rr, "the SOA refresh of %u s is outside of %u to %u s",
                  soa->refresh, REFRESH_MIN, REFRESH_MAX);
    if (soa->retry >= soa->refresh)
        CHECK_SAY(check, ZONE_SOA_RETRY, rr,
                  "the SOA retry of %u s is not shorter than the refresh "
                  "of %u s",
                  soa->retry, soa->refresh);
    else if (soa->retry < RETRY_MIN)
        CHECK_SAY(check, ZONE_SOA_RETRY, rr, "the SOA retry of %u s is shorter than %u s",
                  soa->retry, RETRY_MIN);
}

static void check_soa_times(struct check *check, const struct dns_rr *rr, const struct soa *soa)
{
    check_soa_refresh(check, rr, soa);
    if ((uint64_t)soa->expire < (uint64_t)soa->refresh + soa->retry)
        CHECK_SAY(check, ZONE_SOA_EXPIRE_SHORT, rr,
                  "the SOA expire of %u s is shorter than refresh "
                  "and retry together (%u + %u s)",
                  soa->expire, soa->refresh, soa->retry);
    else if (soa->expire < EXPIRE_MIN || soa->expire > EXPIRE_MAX)
        CHECK_SAY(check, ZONE_SOA_EXPIRE, rr, "the SOA expire of %u s is outside of %u to %u s",
                  soa->expire, EXPIRE_MIN, EXPIRE_MAX);
    if (soa->minimum > MINIMUM_MAX)
        CHECK_SAY(check, ZONE_SOA_MINIMUM, rr, "the SOA minimum of %u s is longer than a day",
                  soa->minimum);
    if (rr->ttl < soa->minimum)
        CHECK_SAY(check, ZONE_SOA_TTL, rr,
                  "the SOA record's TTL of %u s is shorter than its "
                  "minimum field of %u s",
                  rr->ttl, soa->minimum);
}

static bool is_apex_ns(const struct check *check, const uint8_t *name)
{
    const struct zone_rrset *ns = check_rrset(check, DNS_TYPE_NS);
    for (unsigned i = 0; ns != NULL && i < ns->count; i++) {
        if (dns_name_equal(check_rr(check, ns, i)->rdata, name))
            return true;
    }
    return ns == NULL;
}

static bool label_has(const uint8_t *label, char c)
{
    return memchr(label + 1, c, *label) != NULL;
}

static void check_soa_names(struct check *check, const struct dns_rr *rr, const struct soa *soa)
{
    if (*soa->mname == 0 || check_is_address_text(soa->mname) ||
        !check_is_host_name(soa->mname, false))
        CHECK_SAY(check, ZONE_SOA_MNAME, rr,
                  "the SOA names \"%s\" as primary server, which is not "
                  "a valid host name",
                  check_text(check, soa->mname));
    else if (!is_apex_ns(check, soa->mname))
        CHECK_SAY(check, ZONE_SOA_MNAME_NOT_NS, rr,
                  "the SOA names \"%s\" as primary server, which "
                  "is not among the zone's NS records",
                  check_text(check, soa->mname));
    if (*soa->rname == 0)
        return; /* "." says that there is no mailbox */
    bool shape = dns_name_labels(soa->rname) >= 3 ||
                 (check->zone->apex_labels == 1 && dns_name_labels(soa->rname) == 2) ||
                 check->zone->apex_labels == 0;
    if (label_has(soa->rname, '@'))
        CHECK_SAY(check, ZONE_SOA_RNAME, rr,
                  "the SOA mailbox \"%s\" holds an @; the first dot "
                  "stands for it",
                  check_text(check, soa->rname));
    else if (!shape || label_has(soa->rname, ' ') || label_has(soa->rname, '/') ||
             !check_is_host_name(dns_name_parent(soa->rname, 1), false))
        CHECK_SAY(check, ZONE_SOA_RNAME, rr,
                  "the SOA mailbox \"%s\" is not a mailbox with a host "
                  "name behind the first dot",
                  check_text(check, soa->rname));
}

static void check_soa(struct check *check, const struct zone_rrset *rrset)
{
    const struct dns_rr *rr = check_rr(check, rrset, 0);
    struct soa soa = soa_of(rr);
    check_soa_times(check, rr, &soa);
    check_soa_names(check, rr, &soa);
}

static void check_apex_ns(struct check *check)
{
    const struct zone_rrset *ns = check_rrset(check, DNS_TYPE_NS);
    if (ns == NULL)
        CHECK_SAY(check, ZONE_NS_MISSING, check->zone->soa, "the apex has no NS record");
    else if (ns->count == 1)
        CHECK_SAY(check, ZONE_NS_SINGLE, check_rr(check, ns, 0),
                  "\"%s\" is the zone's only name "
                  "server",
                  check_text(check, check_rr(check, ns, 0)->rdata));
}

/* Once for the zone, before the pass over its nodes. */
void check_zone_apex(struct check *check)
{
    const struct zone *zone = check->zone;
    if (zone->node_count == 0) {
        CHECK_SAY(check, ZONE_EMPTY, NULL, "the zone holds no record");
        return;
    }
    if (check_at_apex(check))
        check_apex_ns(check);
}

/* A wildcard at the apex answers for _dmarc and its kind too, unless they exist. */
void check_apex_wildcard(struct check *check)
{
    uint8_t name[DNS_NAME_MAX + 8] = {1, '*'};
    const struct zone *zone = check->zone;
    size_t length = dns_name_length(zone->apex);
    if (length + 7 > DNS_NAME_MAX || zone_rrset(zone, zone->nodes, DNS_TYPE_MX) == NULL)
        return;
    memcpy(name + 2, zone->apex, length);
    const struct zone_node *wildcard = zone_find(zone, name, NULL);
    memcpy(name, "\6_dmarc", 7);
    memcpy(name + 7, zone->apex, length);
    if (wildcard == NULL || zone_name_exists(zone, name))
        return;
    const struct zone_rrset *set = zone_rrset(zone, wildcard, DNS_TYPE_TXT);
    if (set == NULL)
        set = zone_rrset(zone, wildcard, DNS_TYPE_CNAME);
    check->node = wildcard;
    if (set != NULL)
        CHECK_SAY(check, ZONE_WILDCARD_ANSWERS_DMARC, check_rr(check, set, 0),
                  "the wildcard "
                  "answers queries for \"%s\", which does not exist",
                  check_text(check, name));
}

static void check_apex_only(struct check *check, const struct zone_rrset *rrset)
{
    char type[DNS_TYPE_TEXT];
    if (!check_at_apex(check))
        CHECK_SAY(check, ZONE_APEX_ONLY_TYPE, check_rr(check, rrset, 0),
                  "a %s record is at "
                  "\"%s\", which is not the apex",
                  dns_type_text(type, rrset->type), check_text(check, check->node->name));
}

const struct check_row check_apex_rows[] = {
    {check_soa, {DNS_TYPE_SOA}, true},
    {check_apex_only,
     {DNS_TYPE_DNSKEY, DNS_TYPE_NSEC3PARAM, DNS_TYPE_CDS, DNS_TYPE_CDNSKEY, DNS_TYPE_CSYNC,
      DNS_TYPE_ZONEMD},
     false},
    {NULL, {0}, false},
};
