/* Checks of delegations: name servers and their addresses, glue, what lies hidden below a cut. */
#include "zone/check_part.h"

#define REFERRAL_OCTETS 1232 /* what fits a UDP answer without fragments */

static size_t node_index(const struct check *check, const struct zone_node *node)
{
    return (size_t)(node - check->zone->nodes);
}

/* Remembers that a name server points to this glue. Workers share the bits. */
static void mark_used(const struct check *check, const struct zone_node *node)
{
    size_t index = node_index(check, node);
    uint64_t bit = (uint64_t)1 << (index % 64);
    uint64_t *word = &check->used_glue[index / 64];
    if ((__atomic_load_n(word, __ATOMIC_RELAXED) & bit) == 0)
        __atomic_fetch_or(word, bit, __ATOMIC_RELAXED);
}

static bool is_used(const struct check *check, const struct zone_node *node)
{
    size_t index = node_index(check, node);
    return (check->used_glue[index / 64] >> (index % 64) & 1) != 0;
}

static void say_no_address(struct check *check, const struct dns_rr *rr, struct check_target target)
{
    const uint8_t *name = rr->rdata;
    if (target.kind == CHECK_ALIAS)
        CHECK_SAY(check, ZONE_NS_TARGET_ALIAS, rr,
                  "the name server \"%s\" is an alias: it has a "
                  "CNAME",
                  check_text(check, name));
    else if (target.kind == CHECK_DNAME)
        CHECK_SAY(check, ZONE_NS_TARGET_ALIAS, rr,
                  "the name server \"%s\" is an alias: it is below "
                  "the DNAME at \"%s\"",
                  check_text(check, name), check_text(check, target.node->name));
    else if (target.kind == CHECK_MISSING)
        CHECK_SAY(check, ZONE_NS_ADDRESS_MISSING, rr,
                  "the name server \"%s\" is in this zone but "
                  "does not exist",
                  check_text(check, name));
    else if (target.kind == CHECK_NO_DATA)
        CHECK_SAY(check, ZONE_NS_ADDRESS_MISSING, rr,
                  "the name server \"%s\" has neither A nor "
                  "AAAA in this zone",
                  check_text(check, name));
}

static void say_no_glue(struct check *check, const struct dns_rr *rr, const struct zone_node *cut)
{
    if (dns_name_within(rr->rdata, check->node->name) || check_at_apex(check))
        CHECK_SAY(check, ZONE_GLUE_MISSING, rr,
                  "the name server \"%s\" is at or below the cut "
                  "\"%s\" and has no glue address",
                  check_text(check, rr->rdata), check_text(check, cut->name));
    else
        CHECK_SAY(check, ZONE_GLUE_SIBLING_MISSING, rr,
                  "the name server \"%s\" is in the "
                  "delegation \"%s\" of this zone and has no glue address",
                  check_text(check, rr->rdata), check_text(check, cut->name));
}

/* Octets that the addresses of a node take in the additional section: compressed owner. */
static unsigned address_octets(const struct check *check, const struct zone_node *node)
{
    const struct zone_rrset *a = zone_rrset(check->zone, node, DNS_TYPE_A);
    const struct zone_rrset *aaaa = zone_rrset(check->zone, node, DNS_TYPE_AAAA);
    return (a != NULL ? a->count * 16u : 0) + (aaaa != NULL ? aaaa->count * 28u : 0);
}

/* Looks at one NS record; returns the octets that it adds to a referral. */
static unsigned check_ns_record(struct check *check, const struct dns_rr *rr)
{
    unsigned octets = 12u + rr->length;
    check_host_target(check, rr, rr->rdata);
    struct check_target target = check_resolve(check, rr->rdata);
    switch (target.kind) {
    case CHECK_OUTSIDE:
        break;
    case CHECK_ADDRESS:
        octets += address_octets(check, target.node);
        break;
    case CHECK_GLUE:
        mark_used(check, target.node);
        octets += address_octets(check, target.node);
        break;
    case CHECK_DELEGATED:
        say_no_glue(check, rr, target.node);
        break;
    default:
        say_no_address(check, rr, target);
    }
    return octets;
}

static void check_ns(struct check *check, const struct zone_rrset *rrset)
{
    const struct dns_rr *first = check_rr(check, rrset, 0);
    unsigned octets = 0;
    for (unsigned i = 0; i < rrset->count; i++)
        octets += check_ns_record(check, check_rr(check, rrset, i));
    if ((check->node->flags & ZONE_WILDCARD) != 0)
        CHECK_SAY(check, ZONE_NS_WILDCARD, first, "a wildcard has NS records");
    if ((check->node->flags & ZONE_CUT) == 0)
        return;
    if (rrset->count == 1)
        check_count(check, CHECK_SUM_SINGLE_NS, first, 0);
    /* Header, question and OPT come on top. */
    if (octets > REFERRAL_OCTETS / 2) {
        octets += 12u + (unsigned)dns_name_length(check->node->name) + 4 + 11;
        if (octets > REFERRAL_OCTETS)
            check_count(check, CHECK_SUM_REFERRAL, first, octets);
    }
}

static bool is_address(uint16_t type)
{
    return type == DNS_TYPE_A || type == DNS_TYPE_AAAA;
}

static bool may_be_at_cut(uint16_t type)
{
    return type == DNS_TYPE_NS || type == DNS_TYPE_DS || dns_type_is_dnssec(type);
}

/* Data that nobody can ask for: the answer is a referral or a rewritten name. */
void check_occlusion(struct check *check)
{
    const struct zone_node *node = check->node;
    char type[DNS_TYPE_TEXT];
    for (unsigned i = 0; i < node->rrset_count; i++) {
        const struct zone_rrset *rrset = &check->zone->rrsets[node->first_rrset + i];
        const struct dns_rr *rr = check_rr(check, rrset, 0);
        if ((node->flags & ZONE_UNDER_DNAME) != 0) {
            CHECK_SAY(check, ZONE_OCCLUDED_BY_DNAME, rr, "the %s record is below a DNAME",
                      dns_type_text(type, rrset->type));
            return;
        }
        if (is_address(rrset->type) || rrset->type == DNS_TYPE_SOA)
            continue;
        if ((node->flags & ZONE_BELOW) != 0)
            CHECK_SAY(check, ZONE_OCCLUDED_BY_CUT, rr, "the %s record is below a delegation",
                      dns_type_text(type, rrset->type));
        else if (!may_be_at_cut(rrset->type) && rrset->type != DNS_TYPE_CNAME)
            CHECK_SAY(check, ZONE_OCCLUDED_BY_CUT, rr, "the %s record is at a delegation",
                      dns_type_text(type, rrset->type));
    }
}

/* The second pass: addresses at or below a cut that no NS record points to. */
void check_orphan_glue(struct check *check)
{
    const struct zone_rrset *rrset = check_rrset(check, DNS_TYPE_A);
    if ((check->node->flags & ZONE_UNDER_DNAME) != 0 || is_used(check, check->node))
        return;
    if (rrset == NULL)
        rrset = check_rrset(check, DNS_TYPE_AAAA);
    if (rrset != NULL)
        CHECK_SAY(check, ZONE_GLUE_ORPHAN, check_rr(check, rrset, 0),
                  "no NS record of the zone "
                  "points to \"%s\", which is at or below a delegation",
                  check_text(check, check->node->name));
}

const struct check_row check_delegation_rows[] = {
    {check_ns, {DNS_TYPE_NS}, false},
    {NULL, {0}, false},
};
