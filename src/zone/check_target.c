/* Names that records point to: looking them up in the zone, and the shape that they must have. */
#include "zone/check_part.h"

#include <string.h>

static bool has_address(const struct zone *zone, const struct zone_node *node)
{
    return zone_rrset(zone, node, DNS_TYPE_A) != NULL ||
           zone_rrset(zone, node, DNS_TYPE_AAAA) != NULL;
}

/* The topmost cut or DNAME at or above `name`, of which `below` says how many labels are shared
 * with existing names. NULL when there is none. */
static const struct zone_node *topmost_barrier(const struct zone *zone, const uint8_t *name,
                                               unsigned shared)
{
    unsigned labels = dns_name_labels(name);
    if (zone->node_count > 0 &&
        (zone->nodes[0].flags & (ZONE_APEX | ZONE_DNAME)) == (ZONE_APEX | ZONE_DNAME) &&
        labels > zone->apex_labels)
        return &zone->nodes[0];
    for (unsigned depth = zone->apex_labels + 1; depth <= shared && depth <= labels; depth++) {
        const struct zone_node *node = zone_find(zone, dns_name_parent(name, labels - depth), NULL);
        if (node == NULL)
            continue;
        if ((node->flags & ZONE_CUT) != 0 || ((node->flags & ZONE_DNAME) != 0 && depth < labels))
            return node;
    }
    return NULL;
}

static struct check_target target_behind(const struct zone_node *barrier)
{
    bool cut = (barrier->flags & ZONE_CUT) != 0;
    return (struct check_target){cut ? CHECK_DELEGATED : CHECK_DNAME, barrier};
}

static struct check_target target_of_node(const struct zone *zone, const struct zone_node *node)
{
    const uint16_t hidden = ZONE_CUT | ZONE_BELOW | ZONE_UNDER_DNAME;
    if ((node->flags & hidden) != 0) {
        if ((node->flags & ZONE_UNDER_DNAME) == 0 && has_address(zone, node))
            return (struct check_target){CHECK_GLUE, node};
        const struct zone_node *barrier =
            topmost_barrier(zone, node->name, dns_name_labels(node->name));
        return barrier != NULL ? target_behind(barrier)
                               : (struct check_target){CHECK_NO_DATA, node};
    }
    if (zone_rrset(zone, node, DNS_TYPE_CNAME) != NULL)
        return (struct check_target){CHECK_ALIAS, node};
    return (struct check_target){has_address(zone, node) ? CHECK_ADDRESS : CHECK_NO_DATA, node};
}

/* A name without a node: below a cut or DNAME, an empty non-terminal, matched by a wildcard, or
 * nothing (RFC 4592 section 3.3.1). `previous` is the node before it. */
static struct check_target target_of_absent(const struct zone *zone, const uint8_t *name,
                                            const struct zone_node *previous)
{
    unsigned shared = previous != NULL ? dns_name_common(previous->name, name) : 0;
    if (previous != NULL &&
        (previous->flags & (ZONE_CUT | ZONE_BELOW | ZONE_DNAME | ZONE_UNDER_DNAME)) != 0) {
        const struct zone_node *barrier = topmost_barrier(zone, name, shared);
        if (barrier != NULL)
            return target_behind(barrier);
    }
    const struct zone_node *next = previous != NULL ? previous + 1 : zone->nodes;
    if (next < zone->nodes + zone->node_count) {
        if (dns_name_within(next->name, name))
            return (struct check_target){CHECK_NO_DATA, NULL};
        unsigned after = dns_name_common(next->name, name);
        shared = after > shared ? after : shared;
    }
    unsigned labels = dns_name_labels(name);
    const uint8_t *encloser = dns_name_parent(name, labels - shared);
    uint8_t wildcard[DNS_NAME_MAX + 2] = {1, '*'};
    size_t length = dns_name_length(encloser);
    if (length + 2 > DNS_NAME_MAX)
        return (struct check_target){CHECK_MISSING, NULL};
    memcpy(wildcard + 2, encloser, length);
    const struct zone_node *node = zone_find(zone, wildcard, NULL);
    return node != NULL ? target_of_node(zone, node) : (struct check_target){CHECK_MISSING, NULL};
}

struct check_target check_resolve_plain(const struct zone *zone, const uint8_t *name)
{
    if (!dns_name_within(name, zone->apex))
        return (struct check_target){CHECK_OUTSIDE, NULL};
    const struct zone_node *previous = NULL;
    const struct zone_node *node = zone_find(zone, name, &previous);
    return node != NULL ? target_of_node(zone, node) : target_of_absent(zone, name, previous);
}

/* Names below a node follow it directly, and its name servers are often among them. */
static const struct zone_node *find_near(const struct check *check, const uint8_t *name)
{
    const struct zone_node *end = check->zone->nodes + check->zone->node_count;
    const struct zone_node *node = check->node;
    if (!dns_name_within(name, node->name))
        return NULL;
    for (unsigned i = 0; i < 6 && node < end; i++, node++) {
        if (dns_name_equal(node->name, name))
            return node;
    }
    return NULL;
}

struct check_target check_resolve(struct check *check, const uint8_t *name)
{
    if (!dns_name_within(name, check->zone->apex))
        return (struct check_target){CHECK_OUTSIDE, NULL};
    const struct zone_node *near = find_near(check, name);
    if (near != NULL)
        return target_of_node(check->zone, near);
    unsigned slot = dns_name_hash(name) % CHECK_MEMO;
    const uint8_t *known = check->memo->slots[slot].name;
    if (known == NULL || !dns_name_equal(known, name)) {
        check->memo->slots[slot].target = check_resolve_plain(check->zone, name);
        check->memo->slots[slot].name = name;
    }
    return check->memo->slots[slot].target;
}

/* Octets of host names: 1 where they may stand inside of a label, 2 also at its ends. */
static const uint8_t host_octets[256] = {
    ['-'] = 1, ['0'] = 2, ['1'] = 2, ['2'] = 2, ['3'] = 2, ['4'] = 2, ['5'] = 2, ['6'] = 2,
    ['7'] = 2, ['8'] = 2, ['9'] = 2, ['A'] = 2, ['B'] = 2, ['C'] = 2, ['D'] = 2, ['E'] = 2,
    ['F'] = 2, ['G'] = 2, ['H'] = 2, ['I'] = 2, ['J'] = 2, ['K'] = 2, ['L'] = 2, ['M'] = 2,
    ['N'] = 2, ['O'] = 2, ['P'] = 2, ['Q'] = 2, ['R'] = 2, ['S'] = 2, ['T'] = 2, ['U'] = 2,
    ['V'] = 2, ['W'] = 2, ['X'] = 2, ['Y'] = 2, ['Z'] = 2, ['a'] = 2, ['b'] = 2, ['c'] = 2,
    ['d'] = 2, ['e'] = 2, ['f'] = 2, ['g'] = 2, ['h'] = 2, ['i'] = 2, ['j'] = 2, ['k'] = 2,
    ['l'] = 2, ['m'] = 2, ['n'] = 2, ['o'] = 2, ['p'] = 2, ['q'] = 2, ['r'] = 2, ['s'] = 2,
    ['t'] = 2, ['u'] = 2, ['v'] = 2, ['w'] = 2, ['x'] = 2, ['y'] = 2, ['z'] = 2,
};

bool check_is_host_name(const uint8_t *name, bool wildcard)
{
    if (wildcard && dns_name_is_wildcard(name))
        name += 2;
    for (; *name != 0; name += *name + 1) {
        bool good = host_octets[name[1]] == 2 && host_octets[name[*name]] == 2;
        for (unsigned i = 2; i < *name; i++)
            good = good && host_octets[name[i]] != 0;
        if (!good)
            return false;
    }
    return true;
}

/* True for a label that is a decimal number up to 255. */
static bool is_octet(const uint8_t *label)
{
    unsigned value = 0;
    if (*label == 0 || *label > 3)
        return false;
    for (unsigned i = 1; i <= *label; i++) {
        if (label[i] < '0' || label[i] > '9')
            return false;
        value = value * 10 + (label[i] - '0');
    }
    return value < 256;
}

bool check_is_address_text(const uint8_t *name)
{
    for (unsigned i = 0; i < 4; i++) {
        if (!is_octet(name))
            return false;
        name += *name + 1;
    }
    /* 4.3.2.1.in-addr.arpa. is a name like any other. */
    return !check_label_is(name, "in-addr") && !is_octet(name);
}

bool check_label_is(const uint8_t *label, const char *text)
{
    size_t length = strlen(text);
    if (*label != length)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (dns_lower[label[i + 1]] != dns_lower[(uint8_t)text[i]])
            return false;
    }
    return true;
}

bool check_is_service_name(const uint8_t *name)
{
    if (dns_name_is_wildcard(name))
        name += 2;
    if (*name < 2 || name[1] != '_')
        return false;
    name += *name + 1;
    return *name >= 2 && name[1] == '_';
}

bool check_is_doubled(const struct check *check, const uint8_t *name)
{
    return check->doubled != NULL && dns_name_within(name, check->doubled);
}

void check_host_target(struct check *check, const struct dns_rr *rr, const uint8_t *target)
{
    char type[DNS_TYPE_TEXT];
    if (*target == 0 && rr->type != DNS_TYPE_NS)
        return; /* says that there is none */
    if (check_is_address_text(target))
        CHECK_SAY(check, ZONE_TARGET_IS_ADDRESS, rr,
                  "the %s record points to \"%s\", which is an "
                  "address written where a name belongs",
                  dns_type_text(type, rr->type), check_text(check, target));
    else if (*target == 0 || !check_is_host_name(target, false))
        CHECK_SAY(check, ZONE_TARGET_HOST_NAME, rr,
                  "the %s record points to \"%s\", which is not "
                  "a valid host name",
                  dns_type_text(type, rr->type), check_text(check, target));
}

/* The name of a host in rdata, behind its numbers. */
static const uint8_t *target_in(const struct dns_rr *rr)
{
    switch (rr->type) {
    case DNS_TYPE_SRV:
        return rr->rdata + 6;
    case DNS_TYPE_NS:
        return rr->rdata;
    default: /* MX AFSDB RT KX LP: one number */
        return rr->rdata + 2;
    }
}

/* What to say about a target of a type that is not NS. */
struct target_codes {
    uint16_t type;
    enum base_finding_code alias, missing;
};

static const struct target_codes codes_of[] = {
    {DNS_TYPE_MX, ZONE_MX_TARGET_ALIAS, ZONE_MX_TARGET_MISSING},
    {DNS_TYPE_SRV, ZONE_SRV_TARGET_ALIAS, ZONE_SRV_TARGET_MISSING},
    {0, ZONE_TARGET_ALIAS, ZONE_TARGET_MISSING},
};

static void say_target(struct check *check, const struct dns_rr *rr, const uint8_t *name,
                       struct check_target target)
{
    char type[DNS_TYPE_TEXT];
    dns_type_text(type, rr->type);
    const struct target_codes *codes = codes_of;
    while (codes->type != 0 && codes->type != rr->type)
        codes++;
    if (target.kind == CHECK_ALIAS)
        CHECK_SAY(check, codes->alias, rr, "the %s target \"%s\" is an alias: it has a CNAME", type,
                  check_text(check, name));
    else if (target.kind == CHECK_DNAME)
        CHECK_SAY(check, codes->alias, rr,
                  "the %s target \"%s\" is an alias: it is below the "
                  "DNAME at \"%s\"",
                  type, check_text(check, name), check_text(check, target.node->name));
    else if (target.kind == CHECK_MISSING)
        CHECK_SAY(check, codes->missing, rr, "the %s target \"%s\" does not exist in this zone",
                  type, check_text(check, name));
    else if (target.kind == CHECK_NO_DATA)
        CHECK_SAY(check, codes->missing, rr,
                  "the %s target \"%s\" has neither A nor AAAA in this "
                  "zone",
                  type, check_text(check, name));
}

static void check_targets(struct check *check, const struct zone_rrset *rrset)
{
    for (unsigned i = 0; i < rrset->count; i++) {
        const struct dns_rr *rr = check_rr(check, rrset, i);
        const uint8_t *name = target_in(rr);
        check_host_target(check, rr, name);
        if (*name != 0)
            say_target(check, rr, name, check_resolve(check, name));
        if (rr->type == CHECK_TYPE_LP && dns_name_equal(name, check->node->name))
            CHECK_SAY(check, ZONE_LP_SELF, rr, "the LP record points to its own name");
    }
}

/* Every name in rdata: the mark of a forgotten final dot. */
static void check_doubled_targets(struct check *check, const struct zone_rrset *rrset)
{
    if (check->doubled == NULL)
        return;
    for (unsigned i = 0; i < rrset->count; i++) {
        const struct dns_rr *rr = check_rr(check, rrset, i);
        size_t at = 0;
        const uint8_t *name;
        while ((name = dns_rdata_next_name(rr->type, rr->rdata, rr->length, &at)) != NULL) {
            if (check_is_doubled(check, name) && !check_is_doubled(check, check->node->name))
                CHECK_SAY(check, ZONE_NAME_DOUBLED, rr,
                          "the record points to \"%s\", which ends "
                          "in the name of the zone twice",
                          check_text(check, name));
        }
    }
}

/* A name that stands for a mailbox: behind the first label it is a host name. */
static void check_mailbox(struct check *check, const struct dns_rr *rr, const uint8_t *mailbox)
{
    char type[DNS_TYPE_TEXT];
    if (*mailbox != 0 && !check_is_host_name(dns_name_parent(mailbox, 1), false))
        CHECK_SAY(check, ZONE_MAILBOX_NAME, rr,
                  "the %s record has the mailbox \"%s\", whose domain is not a valid host name",
                  dns_type_text(type, rr->type), check_text(check, mailbox));
}

/* RP has one, MINFO two. */
static void check_mailboxes(struct check *check, const struct zone_rrset *rrset)
{
    for (unsigned i = 0; i < rrset->count; i++) {
        const struct dns_rr *rr = check_rr(check, rrset, i);
        check_mailbox(check, rr, rr->rdata);
        if (rr->type == CHECK_TYPE_MINFO)
            check_mailbox(check, rr, rr->rdata + dns_name_length(rr->rdata));
    }
}

static void check_rp(struct check *check, const struct zone_rrset *rrset)
{
    for (unsigned i = 0; i < rrset->count; i++) {
        const struct dns_rr *rr = check_rr(check, rrset, i);
        const uint8_t *text = rr->rdata + dns_name_length(rr->rdata);
        if (*text == 0 || !dns_name_within(text, check->zone->apex))
            continue;
        const struct zone_node *node = zone_find(check->zone, text, NULL);
        struct check_target target = check_resolve(check, text);
        if (target.kind == CHECK_ALIAS || target.kind == CHECK_DELEGATED ||
            target.kind == CHECK_DNAME || target.kind == CHECK_GLUE)
            continue;
        node = node != NULL ? node : target.node; /* a wildcard */
        if (node == NULL || zone_rrset(check->zone, node, DNS_TYPE_TXT) == NULL)
            CHECK_SAY(check, ZONE_RP_TXT_MISSING, rr,
                      "the RP record refers to a TXT record at "
                      "\"%s\", where there is none",
                      check_text(check, text));
    }
}

static void check_afsdb(struct check *check, const struct zone_rrset *rrset)
{
    for (unsigned i = 0; i < rrset->count; i++) {
        const struct dns_rr *rr = check_rr(check, rrset, i);
        unsigned subtype = base_load_u16(rr->rdata);
        if (subtype < 1 || subtype > 2)
            CHECK_SAY(check, ZONE_AFSDB_SUBTYPE, rr, "AFSDB subtype %u is neither 1 nor 2",
                      subtype);
    }
}

const struct check_row check_target_rows[] = {
    {check_targets,
     {DNS_TYPE_MX, DNS_TYPE_SRV, CHECK_TYPE_AFSDB, CHECK_TYPE_RT, CHECK_TYPE_KX, CHECK_TYPE_LP},
     false},
    {check_doubled_targets,
     {DNS_TYPE_NS, DNS_TYPE_CNAME, DNS_TYPE_SOA, DNS_TYPE_PTR, DNS_TYPE_MX, DNS_TYPE_SRV,
      DNS_TYPE_DNAME, DNS_TYPE_NAPTR, DNS_TYPE_SVCB, DNS_TYPE_HTTPS, CHECK_TYPE_AFSDB,
      CHECK_TYPE_RP, CHECK_TYPE_KX},
     false},
    {check_mailboxes, {CHECK_TYPE_RP, CHECK_TYPE_MINFO}, false},
    {check_rp, {CHECK_TYPE_RP}, false},
    {check_afsdb, {CHECK_TYPE_AFSDB}, false},
    {NULL, {0}, false},
};
