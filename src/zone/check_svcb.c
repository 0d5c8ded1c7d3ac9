/* Checks of SVCB and HTTPS records (RFC 9460). That parameters fit each other is a matter of rdata
 * (dns/rdata_svcb.c): such records do not get into a zone. */
#include "zone/check_part.h"

#include <string.h>

#define ALIASES_MAX 16 /* hops of AliasMode that are followed */

enum svcb_key { SVCB_IPV4HINT = 4, SVCB_IPV6HINT = 6 };

static unsigned priority_of(const struct dns_rr *rr)
{
    return base_load_u16(rr->rdata);
}

/* The parameters behind the target. */
static struct base_reader params_of(const struct dns_rr *rr)
{
    size_t at = 2 + dns_name_length(rr->rdata + 2);
    return base_reader_make(rr->rdata + at, rr->length - at);
}

/* The value of a parameter; false when it is not there. */
static bool find_param(const struct dns_rr *rr, unsigned wanted, struct base_reader *value)
{
    struct base_reader params = params_of(rr);
    while (base_reader_left(&params) > 0) {
        unsigned key = base_reader_u16(&params), length = base_reader_u16(&params);
        const uint8_t *octets = base_reader_bytes(&params, length);
        if (params.failed)
            return false;
        if (key == wanted) {
            *value = base_reader_make(octets, length);
            return true;
        }
    }
    return false;
}

static void check_svcb_target(struct check *check, const struct dns_rr *rr)
{
    const uint8_t *target = rr->rdata + 2;
    struct base_reader hint;
    if (*target == 0)
        return; /* the owner itself, or no service */
    struct check_target found = check_resolve(check, target);
    bool service = priority_of(rr) != 0;
    bool hinted = find_param(rr, SVCB_IPV4HINT, &hint) || find_param(rr, SVCB_IPV6HINT, &hint);
    if (found.kind == CHECK_MISSING || (service && !hinted && found.kind == CHECK_NO_DATA))
        CHECK_SAY(check, ZONE_SVCB_TARGET_MISSING, rr, "the target \"%s\" %s in this zone",
                  check_text(check, target),
                  found.kind == CHECK_MISSING ? "does not exist" : "has no address");
}

static const struct dns_rr *alias_at(const struct zone *zone, const uint8_t *name, uint16_t type)
{
    if (!dns_name_within(name, zone->apex))
        return NULL;
    const struct zone_node *node = zone_find(zone, name, NULL);
    const struct zone_rrset *rrset = node != NULL ? zone_rrset(zone, node, type) : NULL;
    const struct dns_rr *rr = rrset != NULL ? zone->rrs[rrset->first_rr] : NULL;
    return rr != NULL && priority_of(rr) == 0 && rr->rdata[2] != 0 ? rr : NULL;
}

static void check_alias_loop(struct check *check, const struct dns_rr *rr)
{
    const struct dns_rr *at = rr;
    for (unsigned hops = 0; at != NULL; hops++) {
        const uint8_t *target = at->rdata + 2;
        if (hops == ALIASES_MAX || dns_name_equal(target, check->node->name)) {
            CHECK_SAY(check, ZONE_SVCB_ALIAS_LOOP, rr,
                      "the alias to \"%s\" leads back to where it "
                      "started, or over more than %u names",
                      check_text(check, rr->rdata + 2), ALIASES_MAX);
            return;
        }
        at = alias_at(check->zone, target, rr->type);
    }
}

static void check_alias_mode(struct check *check, const struct dns_rr *rr)
{
    struct base_reader params = params_of(rr);
    if (base_reader_left(&params) > 0)
        CHECK_SAY(check, ZONE_SVCB_ALIAS_PARAMETERS, rr, "an alias (priority 0) has parameters");
    if (rr->rdata[2] != 0)
        check_alias_loop(check, rr);
}

static void check_svcb(struct check *check, const struct zone_rrset *rrset)
{
    char type[DNS_TYPE_TEXT];
    unsigned aliases = 0;
    for (unsigned i = 0; i < rrset->count; i++) {
        const struct dns_rr *rr = check_rr(check, rrset, i);
        bool alias = priority_of(rr) == 0;
        aliases += alias;
        if (alias)
            check_alias_mode(check, rr);
        check_svcb_target(check, rr);
    }
    if (aliases > 0 && rrset->count > 1)
        CHECK_SAY(check, ZONE_SVCB_ALIAS_MIXED, check_rr(check, rrset, 0),
                  "of %u %s records %u %s "
                  "an alias (priority 0)",
                  rrset->count, dns_type_text(type, rrset->type), aliases,
                  aliases == 1 ? "is" : "are");
}

const struct check_row check_svcb_rows[] = {
    {check_svcb, {DNS_TYPE_SVCB, DNS_TYPE_HTTPS}, false},
    {NULL, {0}, false},
};
