/* The zone verifier: surveys the zone, then runs the checks of zone_*.c one after the other. */
#include "validate/zone.h"

#include "base/reader.h"
#include "base/thread.h"
#include "validate/zone_parts.h"

#include <stdlib.h>

static void look_at(struct validate_survey *survey, const struct zone_rrset *rrset)
{
    switch (rrset->type) {
    case DNS_TYPE_RRSIG:
        survey->rrsigs += rrset->count;
        break;
    case DNS_TYPE_NSEC:
        survey->nsec = true;
        break;
    case DNS_TYPE_NSEC3:
        survey->nsec3 = true;
        break;
    default:
        survey->data = true;
    }
}

static struct validate_survey survey_node(const struct zone *zone, const struct zone_node *node)
{
    struct validate_survey survey = {0};
    for (unsigned i = 0; i < node->rrset_count; i++)
        look_at(&survey, &zone->rrsets[node->first_rrset + i]);
    return survey;
}

enum validate_role validate_role_of(const struct validate_survey *survey, unsigned flags,
                                    unsigned depth)
{
    bool hidden = flags & (ZONE_BELOW | ZONE_UNDER_DNAME);
    /* RFC 6672 forbids data below a DNAME and does not say what signers do with it: some leave it
     * out of the chain, some sign it. Either is taken as it is meant. */
    if (survey->data && survey->rrsigs > 0 && !(flags & ZONE_BELOW))
        hidden = false;
    /* Hashed owners stand directly below the apex even when that has a DNAME. */
    if (!survey->data && hidden && survey->nsec3 && depth == 1)
        return VALIDATE_ROLE_NOTHING;
    if (hidden)
        return VALIDATE_ROLE_HIDDEN;
    if (!survey->data)
        return VALIDATE_ROLE_NOTHING;
    if (flags & ZONE_CUT)
        return flags & ZONE_HAS_DS ? VALIDATE_ROLE_CUT_SECURE : VALIDATE_ROLE_CUT;
    return VALIDATE_ROLE_DATA;
}

static void note_below_dname(struct verifier *verifier, const struct zone_node *node)
{
    validate_report_type(verifier, verifier->findings, VERIFY_BELOW_DNAME, node->name, 0,
                         "the name is below a DNAME, yet it has signatures");
}

static int survey_zone(struct verifier *verifier)
{
    const struct zone *zone = verifier->zone;
    verifier->roles = malloc(zone->node_count + 1);
    if (verifier->roles == NULL)
        return BASE_ENOMEM;
    size_t chained_nsec = 0;
    for (size_t i = 0; i < zone->node_count; i++) {
        const struct zone_node *node = &zone->nodes[i];
        struct validate_survey survey = survey_node(zone, node);
        enum validate_role role =
            survey.data ? validate_role_of(&survey, node->flags, 0)
                        : validate_role_of(&survey, node->flags,
                                           dns_name_labels(node->name) - zone->apex_labels);
        verifier->roles[i] = (uint8_t)role;
        verifier->rrsigs += survey.rrsigs;
        verifier->chain_names += role >= VALIDATE_ROLE_CUT;
        verifier->nsec_nodes += survey.nsec;
        verifier->nsec3_nodes += survey.nsec3;
        chained_nsec += survey.nsec && role >= VALIDATE_ROLE_CUT;
        if (role >= VALIDATE_ROLE_CUT && zone->nodes[i].flags & ZONE_UNDER_DNAME)
            note_below_dname(verifier, &zone->nodes[i]);
    }
    /* A few NSEC in a zone with NSEC3, or the reverse, are strays and not a chain with gaps. */
    bool nsec3param =
        zone->node_count > 0 && zone_rrset(zone, &zone->nodes[0], DNS_TYPE_NSEC3PARAM) != NULL;
    bool nsec3 = nsec3param || verifier->nsec3_nodes > 0;
    verifier->nsec_chain =
        chained_nsec > 0 && (!nsec3 || chained_nsec >= verifier->chain_names / 2 + 1 ||
                             (!nsec3param && verifier->nsec3_nodes < chained_nsec));
    verifier->nsec3_chain = nsec3param || (verifier->nsec3_nodes > 0 && !verifier->nsec_chain);
    return BASE_OK;
}

void validate_negative_ttl(struct verifier *verifier)
{
    const struct dns_rr *soa = verifier->zone->soa;
    if (soa == NULL || soa->length < 22)
        return;
    uint32_t minimum = base_load_u32(soa->rdata + soa->length - 4);
    verifier->negative_ttl = soa->ttl < minimum ? soa->ttl : minimum;
    verifier->negative_ttl_known = true;
}

/* What makes all further checks pointless. */
static bool is_signed(struct verifier *verifier)
{
    const struct zone *zone = verifier->zone;
    bool apex = zone->node_count > 0 && dns_name_equal(zone->nodes[0].name, zone->apex);
    if (!apex || zone->soa == NULL)
        validate_report_type(verifier, verifier->findings, VERIFY_NO_SOA, zone->apex, DNS_TYPE_SOA,
                             "the apex has no %s", apex ? "SOA record" : "records at all");
    if (!apex)
        return false;
    bool keys = zone_rrset(zone, &zone->nodes[0], DNS_TYPE_DNSKEY) != NULL;
    if (verifier->rrsigs > 0)
        return true;
    validate_report_type(verifier, verifier->findings, VERIFY_UNSIGNED, zone->apex, 0,
                         "the zone has %s and no signature", keys ? "DNSKEY records" : "no DNSKEY");
    return false;
}

static void report_denial(struct verifier *verifier)
{
    verifier->result->denial = "none";
    if (verifier->nsec_chain) {
        verifier->result->denial = "NSEC";
        verifier->result->names = verifier->chain_names;
    }
    if (!verifier->nsec_chain && !verifier->nsec3_chain)
        validate_report_type(verifier, verifier->findings, VERIFY_DENIAL_NONE, verifier->zone->apex,
                             0, "the zone has neither NSEC nor NSEC3 records");
    if (verifier->nsec_chain && verifier->nsec3_chain)
        validate_report_type(verifier, verifier->findings, VERIFY_DENIAL_MIXED,
                             verifier->zone->apex, 0, "%zu names have NSEC and %zu have NSEC3",
                             verifier->nsec_nodes, verifier->nsec3_nodes);
}

static int run_checks(struct verifier *verifier)
{
    validate_negative_ttl(verifier);
    int error = survey_zone(verifier);
    if (error != BASE_OK || !is_signed(verifier))
        return error;
    error = validate_keys_read(verifier);
    if (error == BASE_OK)
        error = validate_signatures_check(verifier);
    if (error != BASE_OK)
        return error;
    validate_keys_summary(verifier);
    validate_ds_check(verifier);
    report_denial(verifier);
    error = validate_nsec_check(verifier);
    return error == BASE_OK ? validate_nsec3_check(verifier) : error;
}

int validate_zone(const struct zone *zone, const struct validate_zone_options *options,
                  struct base_findings *findings, struct validate_zone_result *result)
{
    *result = (struct validate_zone_result){.denial = "none"};
    struct verifier *verifier = calloc(1, sizeof(*verifier));
    if (verifier == NULL)
        return BASE_ENOMEM;
    verifier->zone = zone;
    verifier->options = options;
    verifier->findings = findings;
    verifier->result = result;
    verifier->threads = base_thread_count(options->threads);
    verifier->now = (uint32_t)options->now;
    int error = run_checks(verifier);
    validate_keys_free(verifier);
    free(verifier->roles);
    free(verifier);
    return error;
}
