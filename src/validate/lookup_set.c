/*
 * One RRset of an answer: by which zone's keys it is signed, and what follows when it is not.
 */
#include "validate/lookup_step.h"

/* The name whose zone holds a group: a DS is the parent's. */
static const uint8_t *place_of(const struct validate_group *group)
{
    return group->type == DNS_TYPE_DS ? dns_name_parent(group->name, 1) : group->name;
}

void lookup_note_insecure(struct validate_lookup *lookup, const struct lookup_state *state)
{
    if (state->verdict == LOOKUP_INSECURE && lookup->pass.insecure == NULL)
        lookup->pass.insecure = state->name;
}

void lookup_report_no_anchor(struct validate_lookup *lookup, const uint8_t *name)
{
    struct lookup_problem problem = {.code = VALIDATE_NO_ANCHOR,
                                     .ede = 5,
                                     .name = name,
                                     .node = VALIDATE_NO_NODE,
                                     .cause = VALIDATE_NO_CAUSE,
                                     .remedy = "you must configure a trust anchor for it"};
    lookup_report(lookup, &problem, "no trust anchor is at %s or above it",
                  lookup_text(lookup, name));
}

/* A verdict on a group that is not by its own signatures. */
static struct lookup_judged settle(struct validate_lookup *lookup, struct validate_group *group,
                                   enum validate_node_kind kind, const struct lookup_state *state)
{
    struct lookup_judged judged = lookup_plain(state->verdict);
    if (state->verdict == LOOKUP_PENDING)
        return judged;
    lookup_note_insecure(lookup, state);
    struct lookup_group_node node = {
        .kind = kind, .verdict = state->verdict, .parent = state->node, .group = group};
    judged.node = lookup_group_node(lookup, &node);
    judged.chain = state->chain;
    judged.ttl = lookup_is_failure(state->verdict) ? 0 : group->ttl;
    if (state->chain != NULL && !lookup_is_failure(state->verdict))
        judged.expiry = lookup_chain_expiry(state->chain);
    return judged;
}

/* Its own signature is good. Of a wildcard, it must be proved that nothing is closer. */
static struct lookup_judged accept_set(struct validate_lookup *lookup, struct lookup_packet *packet,
                                       struct validate_group *group, enum validate_node_kind kind,
                                       const struct lookup_state *up,
                                       const struct validate_checked *checked)
{
    struct lookup_judged judged = lookup_plain(LOOKUP_SECURE);
    judged.checked = checked;
    judged.chain = up->chain;
    judged.ttl = checked->ttl;
    judged.expiry = lookup_earlier(checked->expiry, lookup_chain_expiry(up->chain));
    if (checked->wildcard != NULL) {
        judged.closer = lookup_prove(lookup, packet, up->chain, LOOKUP_DENIED_CLOSER, group->name,
                                     checked->labels);
        if (judged.closer == NULL)
            return lookup_plain(LOOKUP_PENDING);
        if (judged.closer->proof.outcome == VALIDATE_DENIAL_INSECURE)
            judged.verdict = LOOKUP_INSECURE;
        else if (judged.closer->proof.outcome != VALIDATE_DENIAL_PROVED)
            judged.verdict = LOOKUP_BOGUS;
        judged.ttl = judged.closer->ttl < judged.ttl ? judged.closer->ttl : judged.ttl;
        judged.expiry = lookup_earlier(judged.expiry, judged.closer->expiry);
    }
    lookup->pass.skewed = lookup->pass.skewed || checked->skewed;
    struct lookup_group_node node = {.kind = kind,
                                     .verdict = judged.verdict,
                                     .parent = up->node,
                                     .group = group,
                                     .checked = checked,
                                     .zone = up->chain->name};
    judged.node = lookup_group_node(lookup, &node);
    uint32_t denial = VALIDATE_NO_NODE;
    if (judged.closer != NULL)
        denial = lookup_proof_node(lookup, judged.closer, judged.verdict, up->node);
    if (judged.verdict == LOOKUP_BOGUS)
        lookup_explain_proof(lookup, packet, judged.closer, up->chain, group->name, group->type,
                             denial);
    if (judged.verdict == LOOKUP_INSECURE && lookup->pass.insecure == NULL)
        lookup->pass.insecure = up->chain->name;
    return judged;
}

/* The walk came as far as the name itself, and then found the same fault that is judged already:
 * its zone gives no proofs. */
bool lookup_same_fault(const struct lookup_state *end, const uint8_t *name)
{
    return end->verdict == LOOKUP_BOGUS && end->chain != NULL && dns_name_equal(end->name, name);
}

/* The zone that should have proved or signed, as a state to hang an explanation on. */
struct lookup_state *lookup_zone_at_fault(struct validate_lookup *lookup,
                                          const struct lookup_mark *mark,
                                          const struct lookup_state *end)
{
    struct validate_chain *chain = end->chain;
    lookup_back(lookup, mark);
    return lookup_zone(lookup, chain->name, false);
}

/* Nothing that signs it could be found good: INSECURE where security ended above, else BOGUS. */
static struct lookup_judged reject_set(struct validate_lookup *lookup, struct lookup_packet *packet,
                                       struct validate_group *group, enum validate_node_kind kind,
                                       struct lookup_state *zone,
                                       const struct validate_checked *tried)
{
    struct lookup_mark mark = lookup_mark(lookup);
    struct lookup_state *end = lookup_walk(lookup, place_of(group));
    if (zone == NULL && lookup_same_fault(end, place_of(group))) {
        zone = lookup_zone_at_fault(lookup, &mark, end);
        mark = lookup_mark(lookup);
    } else if (end->verdict != LOOKUP_SECURE && end->verdict != LOOKUP_NO_CUT) {
        /* With a good zone at hand that shows what is wrong, what fails further down adds nothing.
         */
        if (zone == NULL || !lookup_is_failure(end->verdict))
            return settle(lookup, group, kind, end);
    }
    if (zone != NULL)
        lookup_back(lookup, &mark);
    else
        zone = end;
    struct lookup_group_node node = {.kind = kind,
                                     .verdict = LOOKUP_BOGUS,
                                     .parent = zone->node,
                                     .group = group,
                                     .checked = tried,
                                     .zone = lookup_zone_name(zone->chain)};
    struct lookup_judged judged = lookup_plain(LOOKUP_BOGUS);
    judged.node = lookup_group_node(lookup, &node);
    judged.chain = zone->chain;
    lookup_explain_set(lookup, packet, group, tried, zone->chain, judged.node);
    return judged;
}

struct lookup_judged lookup_set(struct validate_lookup *lookup, struct lookup_packet *packet,
                                struct validate_group *group, enum validate_node_kind kind)
{
    struct lookup_state *negative = lookup_negative(lookup, place_of(group));
    if (negative != NULL)
        return settle(lookup, group, kind, negative);
    const struct validate_anchor *anchor = lookup_anchor(lookup, group->name, group->type);
    if (anchor == NULL) {
        struct lookup_state none = {.verdict = LOOKUP_INDETERMINATE, .node = VALIDATE_NO_NODE};
        lookup_report_no_anchor(lookup, group->name);
        return settle(lookup, group, kind, &none);
    }
    struct lookup_signers signers =
        lookup_signers(lookup, group, anchor, group->type == DNS_TYPE_DS);
    struct lookup_state *zone = NULL, *up;
    const struct validate_checked *tried = NULL;
    while ((up = lookup_next_signer(lookup, &signers)) != NULL) {
        const struct validate_checked *checked;
        if (!lookup_ok(lookup, validate_rrset_check(&lookup->work, group, &up->chain->keys, false,
                                                    &checked)))
            return lookup_plain(LOOKUP_PENDING);
        if (checked->good)
            return accept_set(lookup, packet, group, kind, up, checked);
        if (zone == NULL) {
            zone = up;
            tried = checked;
        }
    }
    up = lookup_obstacle(lookup, &signers);
    if (up != NULL)
        return settle(lookup, group, kind, up);
    return reject_set(lookup, packet, group, kind, zone, tried);
}
