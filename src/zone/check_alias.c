/* Checks of aliases: CNAME and DNAME, what may stand beside them, and where their chains end. */
#include "zone/check_part.h"

#include <string.h>

#define CHAIN_LONG 8  /* resolvers give up between 8 and 16 */
#define CHAIN_MAX  64 /* looked at before it counts as a loop */

static bool may_stand_beside_cname(uint16_t type)
{
    return type == DNS_TYPE_CNAME || type == DNS_TYPE_RRSIG || type == DNS_TYPE_NSEC ||
           type == DNS_TYPE_KEY || type == DNS_TYPE_SIG || type == CHECK_TYPE_NXT;
}

static void check_beside_cname(struct check *check, const struct zone_rrset *cname)
{
    char type[DNS_TYPE_TEXT];
    const struct dns_rr *rr = check_rr(check, cname, 0);
    if (check_at_apex(check)) {
        CHECK_SAY(check, ZONE_CNAME_AT_APEX, rr, "there is a CNAME at the apex, beside SOA and NS");
        return;
    }
    for (unsigned i = 0; i < check->node->rrset_count; i++) {
        uint16_t other = check->zone->rrsets[check->node->first_rrset + i].type;
        if (may_stand_beside_cname(other))
            continue;
        CHECK_SAY(check, ZONE_CNAME_AND_OTHER_DATA, rr, "\"%s\" has a CNAME and also %s",
                  check_text(check, check->node->name), dns_type_text(type, other));
        return;
    }
}

static void check_dname_node(struct check *check, const struct zone_rrset *dname)
{
    const struct dns_rr *rr = check_rr(check, dname, 0);
    if (dname->count > 1)
        CHECK_SAY(check, ZONE_DNAME_SEVERAL, rr, "there are %u DNAME records at one name",
                  dname->count);
    if (!check_at_apex(check) && check_rrset(check, DNS_TYPE_NS) != NULL)
        CHECK_SAY(check, ZONE_DNAME_AND_NS, rr, "\"%s\" has DNAME and NS records",
                  check_text(check, check->node->name));
    if ((check->node->flags & ZONE_WILDCARD) != 0)
        CHECK_SAY(check, ZONE_DNAME_WILDCARD, rr, "a wildcard has a DNAME record");
    if (dns_name_within(rr->rdata, check->node->name))
        CHECK_SAY(check, ZONE_ALIAS_LOOP, rr,
                  "the DNAME points to \"%s\", which is at or below "
                  "its own name",
                  check_text(check, rr->rdata));
}

/* What must not be together at one name. */
void check_coexistence(struct check *check)
{
    const struct zone_rrset *rrsets = &check->zone->rrsets[check->node->first_rrset];
    for (unsigned i = 0; i < check->node->rrset_count; i++) {
        if (rrsets[i].type == DNS_TYPE_CNAME) {
            check_beside_cname(check, &rrsets[i]);
            if (rrsets[i].count > 1)
                CHECK_SAY(check, ZONE_CNAME_SEVERAL, check_rr(check, &rrsets[i], 1),
                          "there are "
                          "%u CNAME records at one name",
                          rrsets[i].count);
        } else if (rrsets[i].type == DNS_TYPE_DNAME) {
            check_dname_node(check, &rrsets[i]);
        } else if (rrsets[i].type > DNS_TYPE_DNAME) {
            return; /* they are in ascending order */
        }
    }
}

/* The next name of a chain after an alias at `target`. False: it cannot be said (too long). */
static bool next_name(const struct zone *zone, struct check_target target,
                      uint8_t name[DNS_NAME_MAX])
{
    uint16_t type = target.kind == CHECK_ALIAS ? DNS_TYPE_CNAME : DNS_TYPE_DNAME;
    const struct zone_rrset *rrset = zone_rrset(zone, target.node, type);
    if (rrset == NULL)
        return false;
    const uint8_t *to = zone->rrs[rrset->first_rr]->rdata;
    size_t length = dns_name_length(to);
    if (target.kind == CHECK_ALIAS) {
        memcpy(name, to, length);
        return true;
    }
    size_t prefix = dns_name_length(name) - dns_name_length(target.node->name);
    if (prefix + length > DNS_NAME_MAX)
        return false;
    memcpy(name + prefix, to, length);
    return true;
}

static void check_chain_end(struct check *check, const struct dns_rr *rr, const uint8_t *name,
                            struct check_target target, unsigned hops)
{
    if (target.kind == CHECK_MISSING)
        CHECK_SAY(check, ZONE_ALIAS_DANGLING, rr,
                  "the alias ends at \"%s\", which does not exist "
                  "in this zone",
                  check_text(check, name));
    if (hops > CHAIN_LONG)
        CHECK_SAY(check, ZONE_ALIAS_CHAIN_LONG, rr, "the alias goes over %u names before it ends",
                  hops);
}

/* Follows aliases inside the zone. */
static void follow(struct check *check, const struct dns_rr *rr, const uint8_t *start)
{
    uint8_t name[DNS_NAME_MAX], stop[DNS_NAME_MAX];
    memcpy(name, start, dns_name_length(start));
    unsigned hops = 1;
    /* The first look-up starts from rdata, which lives as long as the memo. */
    struct check_target target = check_resolve(check, start);
    for (; target.kind == CHECK_ALIAS || target.kind == CHECK_DNAME; hops++) {
        /* A mark is left behind at each power of two (Brent), so any loop is seen. */
        if ((hops & (hops - 1)) == 0)
            memcpy(stop, name, dns_name_length(name));
        if (!next_name(check->zone, target, name))
            return;
        if (hops >= CHAIN_MAX || dns_name_equal(name, check->node->name) ||
            dns_name_equal(name, stop)) {
            CHECK_SAY(check, ZONE_ALIAS_LOOP, rr,
                      "the alias to \"%s\" comes back to a name where "
                      "it has been: \"%s\"",
                      check_text(check, start), check_text(check, name));
            return;
        }
        target = check_resolve_plain(check->zone, name);
    }
    check_chain_end(check, rr, name, target, hops);
}

static void check_cname(struct check *check, const struct zone_rrset *rrset)
{
    const struct dns_rr *rr = check_rr(check, rrset, 0);
    if (check_is_address_text(rr->rdata))
        check_host_target(check, rr, rr->rdata);
    if (dns_name_equal(rr->rdata, check->node->name))
        CHECK_SAY(check, ZONE_ALIAS_LOOP, rr, "the CNAME points to itself");
    else
        follow(check, rr, rr->rdata);
}

/* The target of a DNAME need not exist itself, but something must be at or below it. */
static void check_dname(struct check *check, const struct zone_rrset *rrset)
{
    const struct dns_rr *rr = check_rr(check, rrset, 0);
    if (!dns_name_within(rr->rdata, check->node->name))
        follow(check, rr, rr->rdata);
}

const struct check_row check_alias_rows[] = {
    {check_cname, {DNS_TYPE_CNAME}, false},
    {check_dname, {DNS_TYPE_DNAME}, false},
    {NULL, {0}, false},
};
