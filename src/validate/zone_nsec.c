/* The NSEC chain (RFC 4034 section 4, RFC 4035 section 2.3, RFC 9077). */
#include "validate/zone_parts.h"

#include <stdatomic.h>
#include <stdlib.h>

/* TTLs that are not those of negative answers: told once, for the first. */
struct ttl_note {
    atomic_size_t count;
    atomic_size_t first; /* index of its node */
};

struct run {
    struct verifier *verifier;
    struct ttl_note ttl;
};

static const struct zone_rrset *nsec_of(const struct verifier *verifier, size_t index)
{
    return zone_rrset(verifier->zone, &verifier->zone->nodes[index], DNS_TYPE_NSEC);
}

static void note_first(atomic_size_t *first, size_t index)
{
    size_t seen = atomic_load(first);
    while (index < seen && !atomic_compare_exchange_weak(first, &seen, index))
        ;
}

static void check_next(const struct verifier *verifier, struct base_findings *findings,
                       size_t index, const uint8_t *expected, const struct dns_rr *rr,
                       const uint8_t *next)
{
    const struct zone_node *nodes = verifier->zone->nodes;
    if (dns_name_equal(next, expected))
        return;
    const char *what = "which is not the next name";
    const uint8_t *apex = verifier->zone->apex;
    /* The last of the chain must close it. */
    bool ends = dns_name_compare(expected, nodes[index].name) <= 0;
    if (!dns_name_within(next, apex))
        what = "which is not in the zone";
    else if (dns_name_compare(next, nodes[index].name) <= 0)
        what = dns_name_equal(next, apex) ? "the apex, which ends the chain too early"
                                          : "which comes before it in canonical order";
    else if (ends || dns_name_compare(next, expected) < 0)
        what = "which does not exist or has no authoritative data";
    else
        what = "and so skips names, denying that they exist";
    char next_text[DNS_NAME_TEXT], expected_text[DNS_NAME_TEXT];
    validate_report(verifier, findings, VERIFY_NSEC_NEXT, nodes[index].name, rr,
                    "the NSEC points at %s, %s; the next name is %s",
                    dns_name_text(next_text, next), what, dns_name_text(expected_text, expected));
}

static void check_bitmap(const struct verifier *verifier, struct base_findings *findings,
                         size_t index, const struct dns_rr *rr, const uint8_t *bitmap,
                         size_t length)
{
    const struct zone_node *node = &verifier->zone->nodes[index];
    struct validate_bitmap_want want = {.zone = verifier->zone,
                                        .node = node,
                                        .role = (enum validate_role)verifier->roles[index],
                                        .nsec = true};
    char why[VALIDATE_BITMAP_TEXT];
    switch (validate_bitmap_compare(&want, bitmap, length, why)) {
    case VALIDATE_BITMAP_EQUAL:
        break;
    case VALIDATE_BITMAP_OTHER:
        validate_report(verifier, findings, VERIFY_NSEC_BITMAP, node->name, rr, "the NSEC %s", why);
        break;
    case VALIDATE_BITMAP_MALFORMED:
        validate_report(verifier, findings, VERIFY_NSEC_MALFORMED, node->name, rr,
                        "the type bitmap of the NSEC is malformed");
        break;
    }
}

/* True when its TTL is wrong. */
static bool check_record(const struct verifier *verifier, struct base_findings *findings,
                         size_t index, const struct zone_rrset *rrset, const uint8_t *expected)
{
    const struct zone_node *node = &verifier->zone->nodes[index];
    const struct dns_rr *rr = verifier->zone->rrs[rrset->first_rr];
    if (rrset->count > 1)
        validate_report(verifier, findings, VERIFY_NSEC_SEVERAL, node->name, rr,
                        "the name has %u NSEC records", rrset->count);
    size_t used;
    if (dns_name_check(rr->rdata, rr->length, &used) != BASE_OK) {
        validate_report(verifier, findings, VERIFY_NSEC_MALFORMED, node->name, rr,
                        "the next name of the NSEC is malformed");
        return false;
    }
    check_next(verifier, findings, index, expected, rr, rr->rdata);
    check_bitmap(verifier, findings, index, rr, rr->rdata + used, rr->length - used);
    return verifier->negative_ttl_known && rrset->ttl != verifier->negative_ttl;
}

static void report_stray(const struct verifier *verifier, struct base_findings *findings,
                         size_t index, const struct zone_rrset *rrset)
{
    const char *what = "at a name that has no other data";
    if (verifier->roles[index] == VALIDATE_ROLE_HIDDEN)
        what = "at glue or occluded data";
    else if (!verifier->nsec_chain)
        what = "in a zone that uses NSEC3";
    validate_report(verifier, findings, VERIFY_NSEC_STRAY, verifier->zone->nodes[index].name,
                    verifier->zone->rrs[rrset->first_rr], "there is an NSEC %s", what);
}

static bool chained(const struct verifier *verifier, size_t index)
{
    return verifier->nsec_chain && verifier->roles[index] >= VALIDATE_ROLE_CUT;
}

bool validate_nsec_judge(const struct verifier *verifier, struct base_findings *findings,
                         size_t index, const uint8_t *expected)
{
    const struct zone_rrset *rrset = nsec_of(verifier, index);
    if (rrset != NULL && chained(verifier, index))
        return check_record(verifier, findings, index, rrset, expected);
    if (rrset != NULL)
        report_stray(verifier, findings, index, rrset);
    else if (chained(verifier, index))
        validate_report_type(verifier, findings, VERIFY_NSEC_MISSING,
                             verifier->zone->nodes[index].name, DNS_TYPE_NSEC,
                             "the name has no NSEC");
    return false;
}

static int check_slice(void *context, struct base_findings *findings, size_t from, size_t to,
                       unsigned worker)
{
    (void)worker;
    struct run *run = context;
    const struct verifier *verifier = run->verifier;
    for (size_t i = from; i < to; i++) {
        size_t next = chained(verifier, i) ? validate_chain_next(verifier, i) : i;
        if (!validate_nsec_judge(verifier, findings, i, verifier->zone->nodes[next].name))
            continue;
        atomic_fetch_add(&run->ttl.count, 1);
        note_first(&run->ttl.first, i);
    }
    return BASE_OK;
}

void validate_nsec_report_ttl(struct verifier *verifier, size_t count, size_t first)
{
    if (count == 0)
        return;
    const struct zone_rrset *rrset = nsec_of(verifier, first);
    validate_report(verifier, verifier->findings, VERIFY_NSEC_TTL,
                    verifier->zone->nodes[first].name, verifier->zone->rrs[rrset->first_rr],
                    "the TTL of %zu NSEC is not %u, the smaller of the SOA's TTL and minimum; "
                    "here it is %u",
                    count, verifier->negative_ttl, rrset->ttl);
}

int validate_nsec_check(struct verifier *verifier)
{
    if (!verifier->nsec_chain && verifier->nsec_nodes == 0)
        return BASE_OK;
    struct run run = {.verifier = verifier};
    atomic_init(&run.ttl.first, SIZE_MAX);
    struct validate_pass pass = {.count = verifier->zone->node_count,
                                 .slices_per_thread = 16,
                                 .work = check_slice,
                                 .context = &run};
    int error = validate_pass_run(verifier, &pass, verifier->findings);
    if (error == BASE_OK)
        validate_nsec_report_ttl(verifier, atomic_load(&run.ttl.count),
                                 atomic_load(&run.ttl.first));
    return error;
}
