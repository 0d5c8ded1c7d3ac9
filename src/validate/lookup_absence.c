/* Answers that there is no such name, or no such type. */
#include "validate/lookup_step.h"

#include "base/error.h"
#include "base/reader.h"

struct absence {
    enum validate_answer_kind kind;
    enum lookup_verdict verdict; /* SECURE, INSECURE; BOGUS: not proved */
};

static void report_rcode(struct lookup_step *step, const char *claimed, const char *proved)
{
    struct lookup_problem problem = {.code = VALIDATE_RCODE,
                                     .ede = VALIDATE_NO_EDE,
                                     .name = step->name,
                                     .node = VALIDATE_NO_NODE,
                                     .cause = VALIDATE_NO_CAUSE,
                                     .server = step->packet->server};
    lookup_report(step->lookup, &problem,
                  "the response code says that %s %s, but the records prove "
                  "that it %s",
                  lookup_text(step->lookup, step->name), claimed, proved);
}

static bool is_proved(const struct lookup_proof *proof)
{
    return proof != NULL && (proof->proof.outcome == VALIDATE_DENIAL_PROVED ||
                             proof->proof.outcome == VALIDATE_DENIAL_INSECURE);
}

/* Tries what the response code says first, then the other: it is not signed (RFC 4035 section
 * 3.1.3), and compact denial has NOERROR for names that do not exist (RFC 9824). */
static const struct lookup_proof *prove_absence(struct lookup_step *step,
                                                const struct lookup_state *up,
                                                struct absence *absence,
                                                const struct lookup_proof **failed)
{
    struct validate_lookup *lookup = step->lookup;
    bool claims_name = step->packet->message.dns.rcode == DNS_RCODE_NXDOMAIN;
    bool delegation = lookup->type == DNS_TYPE_DS && step->name[0] != 0;
    enum lookup_denied type = delegation ? LOOKUP_DENIED_DS : LOOKUP_DENIED_TYPE;
    unsigned detail = delegation ? 0 : lookup->type;
    const struct lookup_proof *first =
        claims_name
            ? lookup_prove(lookup, step->packet, up->chain, LOOKUP_DENIED_NAME, step->name, 0)
            : lookup_prove(lookup, step->packet, up->chain, type, step->name, detail);
    bool name = claims_name;
    const struct lookup_proof *proof = first;
    if (!is_proved(proof) && lookup->work.spent == NULL && lookup->error == BASE_OK) {
        name = !claims_name;
        proof =
            claims_name
                ? lookup_prove(lookup, step->packet, up->chain, type, step->name, detail)
                : lookup_prove(lookup, step->packet, up->chain, LOOKUP_DENIED_NAME, step->name, 0);
    }
    if (!is_proved(proof)) {
        *failed = first;
        return NULL;
    }
    name = name || proof->proof.compact;
    if (name && !claims_name && !proof->proof.compact)
        report_rcode(step, "exists", "does not");
    if (!name && claims_name)
        report_rcode(step, "does not exist", "does");
    absence->kind = name ? VALIDATE_ANSWER_NAME : VALIDATE_ANSWER_NODATA;
    absence->verdict =
        proof->proof.outcome == VALIDATE_DENIAL_PROVED ? LOOKUP_SECURE : LOOKUP_INSECURE;
    return proof;
}

/* A name of which the zone says that it has data cannot have none of type ANY. */
static bool any_contradicts(const struct lookup_step *step, const struct lookup_proof *proof)
{
    if (step->lookup->type != DNS_TYPE_ANY || proof->kind != LOOKUP_DENIED_TYPE)
        return false;
    for (size_t i = 0; i < proof->group_count; i++) {
        const struct validate_group *group = proof->groups[i];
        if (group->type != DNS_TYPE_NSEC || !dns_name_equal(group->name, step->name))
            continue;
        const uint8_t *rdata = group->records[0]->rdata;
        size_t next = dns_name_length(rdata);
        for (int type = 0; type >= 0; type++) {
            type = dns_bitmap_next(rdata + next, group->records[0]->length - next, (uint32_t)type);
            if (type < 0)
                break;
            if (type != DNS_TYPE_NSEC && type != DNS_TYPE_RRSIG && type != 128)
                return true;
        }
    }
    return false;
}

static void settle_absence(struct lookup_step *step, const struct absence *absence,
                           const struct lookup_judged *judged)
{
    step->verdict = absence->verdict;
    lookup_end_hop(step, judged, false);
    step->lookup->pass.kind = absence->kind;
    step->lookup->pass.rcode = step->packet->message.dns.rcode;
}

/* How long an unproved absence may be remembered. */
static uint32_t soa_ttl(const struct lookup_packet *packet, const uint8_t *name)
{
    for (size_t i = 0; i < packet->message.group_count; i++) {
        const struct validate_group *group = &packet->message.groups[i];
        if (group->section != DNS_SECTION_AUTHORITY || group->type != DNS_TYPE_SOA ||
            group->count == 0 || !dns_name_within(name, group->name))
            continue;
        const struct dns_record *soa = group->records[0];
        uint32_t minimum = base_load_u32(soa->rdata + soa->length - 4);
        return minimum < group->ttl ? minimum : group->ttl;
    }
    return 0;
}

/* Absence below the end of security, or under no anchor: as the response code says. */
static void take_unproved(struct lookup_step *step, const struct lookup_state *state)
{
    struct validate_lookup *lookup = step->lookup;
    struct absence absence = {.verdict = state->verdict, .kind = VALIDATE_ANSWER_NODATA};
    step->verdict = state->verdict;
    if (state->verdict == LOOKUP_PENDING)
        return;
    if (step->packet->message.dns.rcode == DNS_RCODE_NXDOMAIN)
        absence.kind = VALIDATE_ANSWER_NAME;
    lookup_note_insecure(lookup, state);
    struct lookup_judged judged = lookup_plain(state->verdict);
    judged.node = state->node;
    judged.chain = state->chain;
    if (!lookup_is_failure(state->verdict))
        judged.ttl = soa_ttl(step->packet, step->name);
    if (state->chain != NULL && !lookup_is_failure(state->verdict))
        judged.expiry = lookup_chain_expiry(state->chain);
    settle_absence(step, &absence, &judged);
}

/* The SOA is part of the denial (RFC 4035 section 3.2.3): its TTL says how long the absence may be
 * remembered, so that one which comes must be authentic. False: it is not, and that was said. */
static bool is_soa_good(struct lookup_step *step, const struct lookup_state *up)
{
    struct validate_lookup *lookup = step->lookup;
    struct validate_group *soa = validate_message_find(
        &step->packet->message, DNS_SECTION_AUTHORITY, up->chain->name, DNS_TYPE_SOA);
    const struct validate_checked *checked;
    if (soa == NULL || soa->count == 0)
        return true;
    if (!lookup_ok(lookup,
                   validate_rrset_check(&lookup->work, soa, &up->chain->keys, false, &checked)))
        return false;
    if (checked->good)
        return true;
    lookup_explain_set(lookup, step->packet, soa, checked, up->chain, up->node);
    return false;
}

static void accept_absence(struct lookup_step *step, const struct lookup_state *up,
                           const struct lookup_proof *proof, struct absence *absence)
{
    struct validate_lookup *lookup = step->lookup;
    if (!is_soa_good(step, up))
        absence->verdict = LOOKUP_BOGUS;
    struct lookup_judged judged = lookup_plain(absence->verdict);
    judged.chain = up->chain;
    judged.ttl = proof->ttl;
    judged.expiry = lookup_earlier(proof->expiry, lookup_chain_expiry(up->chain));
    judged.node = lookup_proof_node(lookup, proof, absence->verdict, up->node);
    if (absence->verdict == LOOKUP_INSECURE) {
        if (lookup->pass.insecure == NULL)
            lookup->pass.insecure = up->chain->name;
        struct lookup_problem problem = {.code = proof->proof.excess ? VALIDATE_ITERATIONS
                                                                     : VALIDATE_OPT_OUT,
                                         .ede = proof->proof.excess ? 27 : VALIDATE_NO_EDE,
                                         .name = step->name,
                                         .node = judged.node,
                                         .cause = VALIDATE_NO_CAUSE};
        lookup_report(lookup, &problem, "the absence of %s is not proved for certain: %s",
                      lookup_text(lookup, step->name), proof->proof.why);
    }
    settle_absence(step, absence, &judged);
}

/* No proof holds: INSECURE where security ended above the name, else BOGUS. */
static void reject_absence(struct lookup_step *step, struct lookup_state *zone,
                           const struct lookup_proof *tried)
{
    struct validate_lookup *lookup = step->lookup;
    bool ds = lookup->type == DNS_TYPE_DS && step->name[0] != 0;
    struct lookup_mark mark = lookup_mark(lookup);
    struct lookup_state *end =
        lookup_walk(lookup, ds ? dns_name_parent(step->name, 1) : step->name);
    if (zone == NULL && lookup_same_fault(end, step->name)) {
        zone = lookup_zone_at_fault(lookup, &mark, end);
        mark = lookup_mark(lookup);
    } else if (end->verdict != LOOKUP_SECURE && end->verdict != LOOKUP_NO_CUT &&
               (zone == NULL || !lookup_is_failure(end->verdict))) {
        take_unproved(step, end);
        return;
    }
    if (zone != NULL)
        lookup_back(lookup, &mark);
    else
        zone = end;
    struct absence absence = {.verdict = LOOKUP_BOGUS, .kind = VALIDATE_ANSWER_NODATA};
    struct lookup_judged judged = lookup_plain(LOOKUP_BOGUS);
    judged.chain = zone->chain;
    judged.node = zone->node;
    if (tried != NULL)
        judged.node = lookup_proof_node(lookup, tried, LOOKUP_BOGUS, zone->node);
    lookup_explain_proof(lookup, step->packet, tried, zone->chain, step->name, lookup->type,
                         judged.node);
    settle_absence(step, &absence, &judged);
}

void lookup_absence(struct lookup_step *step)
{
    struct validate_lookup *lookup = step->lookup;
    bool ds = lookup->type == DNS_TYPE_DS && step->name[0] != 0;
    struct lookup_state *negative =
        lookup_negative(lookup, ds ? dns_name_parent(step->name, 1) : step->name);
    if (negative != NULL) {
        take_unproved(step, negative);
        return;
    }
    const struct validate_anchor *anchor = lookup_anchor(lookup, step->name, lookup->type);
    if (anchor == NULL) {
        struct lookup_state none = {.verdict = LOOKUP_INDETERMINATE, .node = VALIDATE_NO_NODE};
        lookup_report_no_anchor(lookup, step->name);
        take_unproved(step, &none);
        return;
    }
    struct lookup_signers signers =
        lookup_denial_signers(lookup, step->packet, step->name, anchor, ds);
    struct lookup_state *zone = NULL, *up;
    const struct lookup_proof *tried = NULL;
    while ((up = lookup_next_signer(lookup, &signers)) != NULL) {
        struct absence absence;
        const struct lookup_proof *failed = NULL;
        const struct lookup_proof *proof = prove_absence(step, up, &absence, &failed);
        if (proof != NULL && !any_contradicts(step, proof)) {
            accept_absence(step, up, proof, &absence);
            return;
        }
        if (zone == NULL) {
            zone = up;
            tried = proof != NULL ? proof : failed;
        }
    }
    up = lookup_obstacle(lookup, &signers);
    if (up != NULL)
        take_unproved(step, up);
    else
        reject_absence(step, zone, tried);
}
