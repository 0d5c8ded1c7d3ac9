/* The gate for changes: see delta.h. Looks whether the change is what it says, and calls the parts.
 */
#include "validate/delta.h"

#include "base/reader.h"
#include "base/thread.h"
#include "validate/delta_parts.h"

#include <stdlib.h>
#include <string.h>

/* With fewer names threads cost more than they help. */
#define PARALLEL_NAMES 200

static void report(struct delta_check *check, enum base_finding_code code, const uint8_t *owner,
                   uint16_t type, const char *text)
{
    validate_report_type(&check->verifier, check->verifier.findings, code, owner, type, "%s", text);
}

/*
 * The form of the two fragments, on which all else relies.
 */
static const char *rrset_fault(const struct zone *zone, const struct zone_rrset *rrset)
{
    for (unsigned i = 0; i < rrset->count; i++) {
        const struct dns_rr *rr = zone->rrs[rrset->first_rr + i];
        if (rr->type != rrset->type)
            return "a record stands in the RRset of another type";
        if (rr->ttl > DNS_TTL_MAX || (rr->type != DNS_TYPE_RRSIG && rr->ttl != rrset->ttl))
            return "records of an RRset have different TTLs";
        if (dns_rdata_check(rr->type, rr->rdata, rr->length, NULL) != BASE_OK)
            return "a record does not fit its type";
        if (i > 0 && dns_rdata_compare(zone->rrs[rrset->first_rr + i - 1], rr) >= 0)
            return "records are there twice, or not in canonical order";
    }
    return rrset->count == 0 || dns_type_is_meta(rrset->type) ? "an RRset cannot be" : NULL;
}

static bool check_node(struct delta_check *check, const struct zone *zone, size_t index)
{
    const struct zone_node *node = &zone->nodes[index];
    uint16_t type = 0;
    const char *fault = NULL;
    if (!dns_name_within(node->name, check->view->apex))
        fault = "a name is not in the zone";
    else if (index > 0 && dns_name_compare(zone->nodes[index - 1].name, node->name) >= 0)
        fault = "names are there twice, or not in canonical order";
    else if (node->rrset_count == 0)
        fault = "a name owns nothing";
    for (unsigned i = 0; i < node->rrset_count && fault == NULL; i++) {
        const struct zone_rrset *rrset = &zone->rrsets[node->first_rrset + i];
        type = rrset->type;
        if (i > 0 && rrset[-1].type >= rrset->type)
            fault = "RRsets are there twice, or not in order";
        else
            fault = rrset_fault(zone, rrset);
    }
    if (fault != NULL)
        report(check, VERIFY_DELTA_FORM, node->name, type, fault);
    return fault == NULL;
}

static bool check_soa(struct delta_check *check, const struct zone *zone)
{
    const struct zone_rrset *rrset = zone_rrset(zone, &zone->nodes[0], DNS_TYPE_SOA);
    const struct dns_rr *soa = rrset != NULL ? zone->rrs[rrset->first_rr] : NULL;
    if (soa != NULL && rrset->count == 1 && zone->soa == soa && soa->length >= 22 &&
        zone->serial == base_load_u32(soa->rdata + soa->length - 20))
        return true;
    report(check, VERIFY_NO_SOA, check->view->apex, DNS_TYPE_SOA,
           "the apex has no SOA, several, or another than the change says");
    return false;
}

static bool check_form(struct delta_check *check, const struct zone *zone)
{
    const uint8_t *apex = check->view->apex;
    bool good = true;
    if (!dns_name_equal(zone->apex, apex) || zone->node_count == 0 ||
        !dns_name_equal(zone->nodes[0].name, apex)) {
        report(check, VERIFY_DELTA_FORM, apex, 0, "the apex is not in the change");
        return false;
    }
    for (size_t i = 0; i < zone->node_count; i++)
        good &= check_node(check, zone, i);
    return good && check_soa(check, zone);
}

/*
 * What can be judged by a change alone: the same keys, the same kind of denial, no digest over all.
 */
static int check_supported(struct delta_check *check, bool *supported)
{
    const struct zone *before = check->delta->before, *after = check->delta->after;
    bool nsec = zone_rrset(before, &before->nodes[0], DNS_TYPE_NSEC) != NULL;
    bool nsec3 = zone_rrset(before, &before->nodes[0], DNS_TYPE_NSEC3PARAM) != NULL;
    *supported = zone_delta_keeps(check->delta, DNS_TYPE_DNSKEY) &&
                 zone_delta_keeps(check->delta, DNS_TYPE_NSEC3PARAM) && nsec != nsec3 &&
                 zone_rrset(before, &before->nodes[0], DNS_TYPE_DNSKEY) != NULL &&
                 zone_rrset(before, &before->nodes[0], DNS_TYPE_ZONEMD) == NULL &&
                 zone_rrset(after, &after->nodes[0], DNS_TYPE_ZONEMD) == NULL;
    check->verifier.nsec_chain = nsec;
    check->verifier.nsec3_chain = nsec3;
    if (!nsec || !*supported)
        return BASE_OK;
    /* NSEC3 that stands beside NSEC is a chain that is being built. */
    for (size_t i = 0; i < after->node_count; i++)
        *supported &= zone_rrset(after, &after->nodes[i], DNS_TYPE_NSEC3) == NULL;
    static const uint8_t zero[ZONE_VIEW_HASH];
    uint8_t hash[ZONE_VIEW_HASH];
    int error = check->view->hash_after(check->view->context, zero, hash);
    *supported &= error == BASE_ENOENT;
    return error == BASE_ENOENT ? BASE_OK : error;
}

/*
 * Does the view show what the change says that it does?
 */
struct comparison {
    const struct zone *zone;
    const struct zone_node *node; /* NULL: nothing is to be there */
    unsigned rrset, record;       /* the next to compare */
    bool hashes;                  /* NSEC3 and its signatures, or all else */
    bool equal;
};

/* The next record of the node that is of the side asked for; NULL at the end. */
static const struct dns_rr *next_record(struct comparison *comparison, uint32_t *ttl)
{
    const struct zone_node *node = comparison->node;
    while (node != NULL && comparison->rrset < node->rrset_count) {
        const struct zone *zone = comparison->zone;
        const struct zone_rrset *rrset = &zone->rrsets[node->first_rrset + comparison->rrset];
        while (comparison->record < rrset->count) {
            const struct dns_rr *rr = zone->rrs[rrset->first_rr + comparison->record++];
            *ttl = rr->type == DNS_TYPE_RRSIG ? rr->ttl : rrset->ttl;
            if (delta_of_hash(rr->type, rr->rdata, rr->length) == comparison->hashes)
                return rr;
        }
        comparison->rrset++;
        comparison->record = 0;
    }
    return NULL;
}

static int compare_record(void *context, uint16_t type, uint32_t ttl, const uint8_t *rdata,
                          size_t length)
{
    struct comparison *comparison = context;
    uint32_t expected = 0;
    const struct dns_rr *rr = next_record(comparison, &expected);
    if (rr == NULL || rr->type != type || expected != ttl || rr->length != length ||
        memcmp(rr->rdata, rdata, length) != 0)
        comparison->equal = false;
    return BASE_OK;
}

static int compare_side(struct delta_check *check, const uint8_t *name,
                        struct comparison comparison, const uint8_t *hash, bool *equal)
{
    const struct zone_view *view = check->view;
    comparison.hashes = hash != NULL;
    comparison.equal = true;
    int error = hash != NULL ? view->hash_records(view->context, hash, compare_record, &comparison)
                             : view->records(view->context, name, compare_record, &comparison);
    if (error != BASE_OK && error != BASE_ENOENT)
        return error;
    uint32_t ttl;
    *equal &= comparison.equal && next_record(&comparison, &ttl) == NULL;
    return BASE_OK;
}

static int compare_name(struct delta_check *check, const uint8_t *name,
                        const struct zone_node *node)
{
    struct comparison comparison = {.zone = check->delta->before, .node = node};
    uint8_t hash[CRYPTO_NSEC3_SIZE];
    bool equal = true, hashed = delta_hash_of(check, name, hash);
    int error = compare_side(check, name, comparison, NULL, &equal);
    if (error == BASE_OK && hashed)
        error = compare_side(check, name, comparison, hash, &equal);
    if (error == BASE_OK && !equal)
        report(check, VERIFY_DELTA_BEFORE, name, 0,
               node != NULL
                   ? "the published version has other records here than the change says"
                   : "the published version has records here, the change says it has none");
    return error;
}

int delta_check_before(struct delta_check *check)
{
    const struct zone *before = check->delta->before, *after = check->delta->after;
    for (size_t i = 0, k = 0; i < before->node_count || k < after->node_count;) {
        const struct zone_node *old = i < before->node_count ? &before->nodes[i] : NULL;
        const struct zone_node *new = k < after->node_count ? &after->nodes[k] : NULL;
        int order = old == NULL ? 1 : new == NULL ? -1 : dns_name_compare(old->name, new->name);
        int error = BASE_OK;
        if (old != NULL && order <= 0)
            error = compare_name(check, old->name, old);
        else if (new != NULL)
            error = compare_name(check, new->name, NULL);
        if (error != BASE_OK)
            return error;
        i += order <= 0;
        k += order >= 0;
    }
    return BASE_OK;
}

static void check_serial(struct delta_check *check)
{
    uint32_t old = check->view->serial, new = check->delta->after->serial;
    if (new != old &&new - old < 0x80000000u)
        return;
    validate_report_type(
        &check->verifier, check->verifier.findings, VERIFY_DELTA_SERIAL, check->view->apex,
        DNS_TYPE_SOA, "the serial goes from %u to %u, which is not forward (RFC 1982)", old, new);
}

/* Where a cut or DNAME comes or goes, all below changes what it is, and must be in the change. */
int delta_check_below(struct delta_check *check)
{
    for (size_t i = 0; i < check->count; i++) {
        const struct delta_name *listed = &check->names[i];
        if (listed->kinds[DELTA_OLD] == listed->kinds[DELTA_NEW])
            continue;
        for (size_t k = i; k < check->count; k++) {
            const struct delta_name *here = &check->names[k];
            if (!dns_name_within(here->name, listed->name))
                break;
            if (here->gap.any == NULL || !dns_name_within(here->gap.any, listed->name))
                continue;
            char text[DNS_NAME_TEXT];
            validate_report_type(&check->verifier, check->verifier.findings, VERIFY_DELTA_BELOW,
                                 here->gap.any, 0,
                                 "a delegation or DNAME comes or goes at %s, but the change leaves "
                                 "the names below as they were",
                                 dns_name_text(text, listed->name));
            break;
        }
    }
    return BASE_OK;
}

/* All records of the chain have the TTL of negative answers: when it changes, those outside of the
 * change have the old one. */
static void check_negative_ttl(struct delta_check *check)
{
    struct verifier before = {.zone = check->delta->before};
    validate_negative_ttl(&before);
    if (before.negative_ttl != check->verifier.negative_ttl)
        validate_report_type(&check->verifier, check->verifier.findings, VERIFY_NSEC_TTL,
                             check->view->apex, DNS_TYPE_SOA,
                             "the TTL of negative answers goes from %u to %u, but the denial "
                             "records outside of the change keep the old one",
                             before.negative_ttl, check->verifier.negative_ttl);
}

static int check_signatures(struct delta_check *check)
{
    struct verifier *verifier = &check->verifier;
    const struct zone *zone = verifier->zone;
    verifier->roles = base_arena_alloc(&check->arena, zone->node_count + 1);
    if (verifier->roles == NULL)
        return BASE_ENOMEM;
    /* Owners of nothing but NSEC3, and then those that are names. */
    memset(verifier->roles, VALIDATE_ROLE_NOTHING, zone->node_count);
    for (size_t i = 0; i < check->count; i++) {
        const struct zone_node *node = check->names[i].nodes[DELTA_NEW];
        if (node != NULL)
            verifier->roles[node - zone->nodes] = (uint8_t)check->names[i].roles[DELTA_NEW];
    }
    int error = validate_keys_read(verifier);
    if (error == BASE_OK)
        error = validate_signatures_check(verifier);
    if (error != BASE_OK)
        return error;
    validate_keys_summary(verifier);
    validate_ds_check(verifier);
    return BASE_OK;
}

static int run_checks(struct delta_check *check)
{
    validate_negative_ttl(&check->verifier);
    check_negative_ttl(check);
    check_serial(check);
    int error = delta_check_before(check);
    if (error == BASE_OK && base_findings_bad(check->verifier.findings))
        return BASE_OK; /* nothing that follows would mean anything */
    if (error == BASE_OK)
        error = delta_scope_make(check);
    if (error == BASE_OK)
        error = delta_check_below(check);
    if (error == BASE_OK)
        error = check_signatures(check);
    if (error == BASE_OK)
        error = delta_check_nsec(check);
    if (error == BASE_OK && check->verifier.nsec3_chain)
        error = delta_check_nsec3(check);
    return error;
}

static int judge(struct delta_check *check)
{
    bool form = check_form(check, check->delta->before);
    form = check_form(check, check->delta->after) && form;
    if (!form)
        return BASE_OK;
    bool supported;
    int error = check_supported(check, &supported);
    if (error != BASE_OK || !supported)
        return error != BASE_OK ? error : BASE_EUNSUPPORTED;
    error = run_checks(check);
    if (error == BASE_OK && check->unsupported)
        error = BASE_EUNSUPPORTED;
    return error;
}

int validate_delta(const struct zone_view *before, const struct zone_delta *delta,
                   const struct validate_zone_options *options, struct base_findings *findings,
                   struct validate_delta_result *result)
{
    struct delta_check *check = calloc(1, sizeof(*check));
    if (check == NULL)
        return BASE_ENOMEM;
    struct validate_zone_result whole = {.denial = "none"};
    struct base_findings found;
    base_findings_init(&found, findings->per_code);
    check->view = before;
    check->delta = delta;
    base_arena_init(&check->arena, 0);
    check->verifier.zone = delta->after;
    check->verifier.options = options;
    check->verifier.findings = &found;
    check->verifier.result = &whole;
    check->verifier.now = (uint32_t)options->now;
    check->verifier.threads =
        delta->after->node_count < PARALLEL_NAMES ? 1 : base_thread_count(options->threads);
    int error = judge(check);
    *result = (struct validate_delta_result){.signatures = whole.signatures,
                                             .names = check->count + check->hash_count,
                                             .earliest_expiry = whole.earliest_expiry};
    base_findings_absorb(findings, &found);
    base_findings_free(&found);
    validate_keys_free(&check->verifier);
    base_arena_free(&check->arena);
    free(check);
    return error;
}
