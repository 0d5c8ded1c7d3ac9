/*
 * Zones on the way: which anchor a name is under, who claims to have signed something, what a
 * parent says of a delegation, and the walk down where no signature gives a hint.
 */
#include "validate/lookup_parts.h"

#include "base/error.h"

#include <string.h>

#define RRSIG_SIGNER 18 /* place of the signer's name */

base_time lookup_earlier(base_time a, base_time b)
{
    if (a == 0 || b == 0)
        return a == 0 ? b : a;
    return a < b ? a : b;
}

base_time lookup_chain_expiry(const struct validate_chain *chain)
{
    base_time expiry = 0;
    for (; chain != NULL; chain = chain->parent)
        expiry = lookup_earlier(expiry, chain->expiry);
    return expiry;
}

static const uint8_t *parent_of(const uint8_t *name)
{
    return dns_name_parent(name, 1);
}

const struct validate_anchor *lookup_anchor(const struct validate_lookup *lookup,
                                            const uint8_t *name, uint16_t type)
{
    if (type == DNS_TYPE_DS && name[0] != 0)
        name = parent_of(name);
    return validate_anchors_closest(lookup->anchors, name, lookup->work.now);
}

/*
 * Who may have signed a group.
 */
static unsigned signer_rank(struct validate_lookup *lookup, const uint8_t *signer)
{
    /* Zones that are known already come first: nobody can send us after other names then. */
    for (struct lookup_chain *kept = lookup->chains; kept != NULL; kept = kept->next) {
        if (kept->chain->secure && dns_name_equal(kept->chain->name, signer))
            return 1000 + dns_name_labels(signer);
    }
    return dns_name_labels(signer);
}

static void add_signer(struct validate_lookup *lookup, const uint8_t *signer,
                       struct lookup_signers *signers)
{
    for (size_t i = 0; i < signers->count; i++) {
        if (dns_name_equal(signers->names[i], signer))
            return;
    }
    unsigned rank = signer_rank(lookup, signer);
    size_t at = 0;
    while (at < signers->count && signer_rank(lookup, signers->names[at]) >= rank)
        at++;
    if (at == LOOKUP_SIGNERS)
        return;
    if (signers->count < LOOKUP_SIGNERS)
        signers->count++;
    for (size_t i = signers->count - 1; i > at; i--)
        signers->names[i] = signers->names[i - 1];
    signers->names[at] = signer;
}

static bool may_sign(const uint8_t *signer, const uint8_t *owner,
                     const struct validate_anchor *anchor, bool strict)
{
    return dns_name_within(owner, signer) && dns_name_within(signer, anchor->name) &&
           !(strict && dns_name_equal(signer, owner));
}

struct lookup_signers lookup_signers(struct validate_lookup *lookup,
                                     const struct validate_group *group,
                                     const struct validate_anchor *anchor, bool strict)
{
    struct lookup_signers signers = {.count = 0};
    for (size_t i = 0; i < group->signature_count && i < VALIDATE_SIGNATURES_SHOWN; i++) {
        const uint8_t *signer = group->signatures[i]->rdata + RRSIG_SIGNER;
        if (may_sign(signer, group->name, anchor, strict))
            add_signer(lookup, signer, &signers);
    }
    return signers;
}

struct lookup_signers lookup_denial_signers(struct validate_lookup *lookup,
                                            struct lookup_packet *packet, const uint8_t *name,
                                            const struct validate_anchor *anchor, bool strict)
{
    struct lookup_signers signers = {.count = 0};
    const struct validate_message *message = &packet->message;
    for (size_t i = 0; i < message->group_count; i++) {
        const struct validate_group *group = &message->groups[i];
        if (group->section != DNS_SECTION_AUTHORITY || group->count == 0 ||
            (group->type != DNS_TYPE_NSEC && group->type != DNS_TYPE_NSEC3))
            continue;
        for (size_t k = 0; k < group->signature_count && k < VALIDATE_SIGNATURES_SHOWN; k++) {
            const uint8_t *signer = group->signatures[k]->rdata + RRSIG_SIGNER;
            if (dns_name_within(group->name, signer) && may_sign(signer, name, anchor, strict))
                add_signer(lookup, signer, &signers);
        }
    }
    return signers;
}

struct lookup_state *lookup_next_signer(struct validate_lookup *lookup,
                                        struct lookup_signers *signers)
{
    while (signers->at < signers->count) {
        const uint8_t *name = signers->names[signers->at++];
        struct lookup_mark mark = lookup_mark(lookup);
        struct lookup_state *state = lookup_zone(lookup, name, true);
        if (state->verdict == LOOKUP_SECURE)
            return state;
        /* The name may be junk that somebody added: the others are tried before it counts. */
        if (state->verdict == LOOKUP_PENDING)
            signers->pending = true;
        else if (state->verdict == LOOKUP_INSECURE && signers->insecure == NULL)
            signers->insecure = name;
        else if ((state->verdict == LOOKUP_BOGUS || state->verdict == LOOKUP_ERROR) &&
                 signers->failed == NULL)
            signers->failed = name;
        lookup_back(lookup, &mark);
    }
    return NULL;
}

struct lookup_state *lookup_obstacle(struct validate_lookup *lookup,
                                     const struct lookup_signers *signers)
{
    static struct lookup_state pending = {
        .verdict = LOOKUP_PENDING, .node = VALIDATE_NO_NODE, .finding = VALIDATE_NO_CAUSE};
    if (signers->insecure != NULL)
        return lookup_zone(lookup, signers->insecure, true);
    if (signers->pending)
        return &pending;
    if (signers->failed == NULL)
        return NULL;
    static struct lookup_state unsure = {
        .verdict = LOOKUP_ERROR, .node = VALIDATE_NO_NODE, .finding = VALIDATE_NO_CAUSE};
    struct lookup_state *state = lookup_zone(lookup, signers->failed, true);
    /* What failed and does not fail now (memory) vouches for nothing: no signature was checked. */
    return state->verdict == LOOKUP_SECURE ? &unsure : state;
}

/*
 * States of names.
 */
static struct lookup_state plain_state(const uint8_t *name, enum lookup_verdict verdict)
{
    return (struct lookup_state){
        .name = name, .verdict = verdict, .node = VALIDATE_NO_NODE, .finding = VALIDATE_NO_CAUSE};
}

static struct lookup_state *remember(struct validate_lookup *lookup,
                                     const struct lookup_state *state)
{
    struct lookup_state *kept = lookup_alloc(lookup, &lookup->pass.arena, sizeof(*kept));
    static struct lookup_state without_memory = {
        .verdict = LOOKUP_PENDING, .node = VALIDATE_NO_NODE, .finding = VALIDATE_NO_CAUSE};
    if (kept == NULL)
        return &without_memory;
    *kept = *state;
    kept->next = lookup->pass.states;
    lookup->pass.states = kept;
    return kept;
}

struct lookup_state *lookup_negative(struct validate_lookup *lookup, const uint8_t *name)
{
    const struct validate_negative_anchor *negative =
        validate_anchors_negative(lookup->anchors, name, lookup->work.now);
    if (negative == NULL)
        return NULL;
    for (struct lookup_state *state = lookup->pass.states; state != NULL; state = state->next) {
        if (state->name == negative->name)
            return state;
    }
    struct lookup_state state = plain_state(negative->name, LOOKUP_INSECURE);
    char until[BASE_TIME_TEXT];
    base_time_iso(negative->until, until);
    struct validate_node node = {.kind = VALIDATE_NODE_NEGATIVE,
                                 .status = VALIDATE_INSECURE,
                                 .parent = VALIDATE_NO_NODE,
                                 .name = negative->name,
                                 .note = negative->reason[0] != '\0' ? negative->reason : NULL};
    state.node = lookup_node(lookup, &node);
    struct lookup_problem problem = {.code = VALIDATE_NEGATIVE_ANCHOR,
                                     .ede = VALIDATE_NO_EDE,
                                     .name = negative->name,
                                     .node = state.node,
                                     .cause = VALIDATE_NO_CAUSE};
    state.finding =
        lookup_report(lookup, &problem, "a negative trust anchor at %s is in force until %s%s%s",
                      lookup_text(lookup, negative->name), until,
                      negative->reason[0] != '\0' ? ": " : "", negative->reason);
    return remember(lookup, &state);
}

static struct validate_chain *known_chain(struct validate_lookup *lookup, const uint8_t *name)
{
    for (struct lookup_chain *kept = lookup->chains; kept != NULL; kept = kept->next) {
        if (dns_name_equal(kept->chain->name, name))
            return kept->chain;
    }
    struct validate_chain *chain = validate_trust_find(lookup->trust, name, lookup->work.now);
    if (chain != NULL) {
        validate_chain_ref(chain);
        lookup_keep(lookup, chain);
    }
    return chain;
}

/* What a chain that was judged before says, as a state of this pass. */
static struct lookup_state state_of_chain(struct validate_lookup *lookup,
                                          struct validate_chain *chain)
{
    struct lookup_state state =
        plain_state(chain->name, chain->secure ? LOOKUP_SECURE : LOOKUP_INSECURE);
    state.chain = chain;
    state.node = lookup_chain_node(lookup, chain);
    if (chain->code >= 0) {
        struct lookup_problem problem = {.code = (enum base_finding_code)chain->code,
                                         .ede = chain->ede,
                                         .name = chain->name,
                                         .type = DNS_TYPE_DS,
                                         .node = state.node,
                                         .cause = VALIDATE_NO_CAUSE};
        state.finding = lookup_report(lookup, &problem, "%s", chain->message);
    }
    for (; chain != NULL; chain = chain->parent)
        lookup->pass.skewed = lookup->pass.skewed || chain->skewed;
    return state;
}

/* Security ends at `name`: the parent proved that there is no DS. */
static struct lookup_state end_by_denial(struct validate_lookup *lookup, const uint8_t *name,
                                         const struct lookup_state *up,
                                         const struct lookup_proof *proof)
{
    struct validate_chain *chain = validate_chain_new(name, up->chain);
    if (chain == NULL) {
        lookup->error = BASE_ENOMEM;
        return plain_state(name, LOOKUP_PENDING);
    }
    struct base_arena *arena = &chain->arena;
    struct validate_evidence *items = base_arena_zalloc(arena, proof->group_count * sizeof(*items));
    int error = items == NULL ? BASE_ENOMEM : BASE_OK;
    for (size_t i = 0; error == BASE_OK && i < proof->group_count; i++) {
        const struct validate_checked *checked = proof->groups[i]->checked;
        while (!dns_name_equal(checked->zone, up->chain->name))
            checked = checked->next;
        error = validate_chain_evidence(chain, proof->groups[i], checked->signatures,
                                        checked->signature_count, &items[i]);
    }
    chain->denied = true;
    chain->vouchers = items;
    chain->voucher_count = proof->group_count;
    const char *apex = lookup_text(lookup, name), *parent = lookup_text(lookup, up->chain->name);
    chain->note = base_arena_strndup(arena, proof->proof.why, strlen(proof->proof.why));
    chain->code = VALIDATE_DELEGATION_INSECURE;
    if (proof->proof.excess) {
        chain->code = VALIDATE_ITERATIONS;
        chain->ede = 27;
        chain->message = base_arena_printf(
            arena, "the NSEC3 records of %s that deny a DS of %s have too many iterations", parent,
            apex);
    } else if (proof->proof.outcome == VALIDATE_DENIAL_INSECURE) {
        chain->code = VALIDATE_OPT_OUT;
        chain->message = base_arena_printf(
            arena, "%s leaves open by NSEC3 with opt-out whether %s is an unsigned delegation",
            parent, apex);
    } else {
        chain->message = base_arena_printf(
            arena, "%s proves that %s has no DS: security ends there", parent, apex);
    }
    if (error != BASE_OK || chain->note == NULL || chain->message == NULL) {
        lookup->error = BASE_ENOMEM;
        validate_chain_unref(chain);
        return plain_state(name, LOOKUP_PENDING);
    }
    chain->expiry = proof->expiry;
    chain->until = lookup_earlier(lookup->work.now + proof->ttl, up->chain->until);
    lookup_keep(lookup, chain);
    return state_of_chain(lookup, chain);
}

/* No zone begins at `name`; what is there belongs to the zone that says so. */
static struct lookup_state no_cut(const uint8_t *name, const struct lookup_state *up)
{
    struct lookup_state state = *up;
    state.name = name;
    state.verdict = LOOKUP_NO_CUT;
    state.absent = false;
    state.next = NULL;
    return state;
}

static struct lookup_state failed(const uint8_t *name, enum lookup_verdict verdict,
                                  uint32_t finding, uint32_t node)
{
    struct lookup_state state = plain_state(name, verdict);
    state.finding = finding;
    state.node = node;
    return state;
}

/* When the answer about a delegation is of no use: it does not matter if security ended above. */
static bool ends_above(struct validate_lookup *lookup, const uint8_t *name,
                       struct lookup_state *state)
{
    struct lookup_mark mark = lookup_mark(lookup);
    struct lookup_state *above = lookup_walk(lookup, parent_of(name));
    if (above->verdict != LOOKUP_SECURE && above->verdict != LOOKUP_NO_CUT) {
        *state = *above;
        state->next = NULL;
        return true;
    }
    lookup_back(lookup, &mark);
    return false;
}

/* A DS set that came. */
static struct lookup_state by_ds(struct validate_lookup *lookup,
                                 const struct validate_anchor *anchor, struct lookup_packet *packet,
                                 struct validate_group *ds)
{
    struct lookup_signers signers = lookup_signers(lookup, ds, anchor, true);
    struct lookup_state *zone = NULL, *up;
    const struct validate_checked *tried = NULL;
    while ((up = lookup_next_signer(lookup, &signers)) != NULL) {
        const struct validate_checked *checked;
        if (!lookup_ok(lookup,
                       validate_rrset_check(&lookup->work, ds, &up->chain->keys, false, &checked)))
            return plain_state(ds->name, LOOKUP_PENDING);
        if (checked->good && checked->wildcard == NULL) {
            struct lookup_voucher voucher = {
                .name = packet->query.name, .up = up, .ds = ds, .checked = checked};
            return lookup_keys(lookup, &voucher);
        }
        if (zone == NULL) {
            zone = up;
            tried = checked;
        }
    }
    up = lookup_obstacle(lookup, &signers);
    if (up != NULL)
        return *up;
    struct lookup_state above;
    if (ends_above(lookup, ds->name, &above))
        return above;
    if (zone == NULL)
        zone = lookup_walk(lookup, parent_of(ds->name));
    struct lookup_group_node node = {.kind = VALIDATE_NODE_DS,
                                     .verdict = LOOKUP_BOGUS,
                                     .parent = zone->node,
                                     .group = ds,
                                     .checked = tried,
                                     .zone = zone->chain == NULL ? NULL : zone->chain->name};
    uint32_t index = lookup_group_node(lookup, &node);
    uint32_t finding = lookup_explain_set(lookup, packet, ds, tried, zone->chain, index);
    return failed(packet->query.name, LOOKUP_BOGUS, finding, index);
}

/* An alias at or above a name shows that no zone begins there. */
static bool alias_shows(struct validate_lookup *lookup, const struct validate_anchor *anchor,
                        struct lookup_packet *packet, const uint8_t *name,
                        struct lookup_state *state)
{
    for (size_t i = 0; i < packet->message.group_count; i++) {
        struct validate_group *group = &packet->message.groups[i];
        bool at = group->type == DNS_TYPE_CNAME && dns_name_equal(group->name, name);
        bool above = group->type == DNS_TYPE_DNAME && dns_name_within(name, group->name) &&
                     !dns_name_equal(name, group->name);
        if (group->section != DNS_SECTION_ANSWER || group->count == 0 || !(at || above))
            continue;
        /* The owner of a CNAME is no apex; a DNAME may be at one. */
        struct lookup_signers signers = lookup_signers(lookup, group, anchor, at);
        struct lookup_state *up;
        while ((up = lookup_next_signer(lookup, &signers)) != NULL) {
            const struct validate_checked *checked;
            if (!lookup_ok(lookup, validate_rrset_check(&lookup->work, group, &up->chain->keys,
                                                        false, &checked))) {
                *state = plain_state(name, LOOKUP_PENDING);
                return true;
            }
            if (!checked->good)
                continue;
            if (checked->wildcard != NULL) {
                const struct lookup_proof *closer = lookup_prove(
                    lookup, packet, up->chain, LOOKUP_DENIED_CLOSER, name, checked->labels);
                if (closer == NULL || closer->proof.outcome != VALIDATE_DENIAL_PROVED)
                    continue;
            }
            *state = no_cut(name, up);
            return true;
        }
        up = signers.insecure != NULL || signers.pending ? lookup_obstacle(lookup, &signers) : NULL;
        if (up != NULL) {
            *state = *up;
            return true;
        }
    }
    return false;
}

/* The child's own denial of a DS, which says nothing. */
static bool from_child(const struct lookup_packet *packet, const uint8_t *name)
{
    for (size_t i = 0; i < packet->message.group_count; i++) {
        const struct validate_group *group = &packet->message.groups[i];
        if (group->section == DNS_SECTION_AUTHORITY && group->type == DNS_TYPE_SOA &&
            dns_name_equal(group->name, name))
            return true;
    }
    return false;
}

static uint32_t report_child(struct validate_lookup *lookup, const struct lookup_packet *packet,
                             const uint8_t *name)
{
    struct lookup_problem problem = {
        .code = VALIDATE_DS_FROM_CHILD,
        .ede = 6,
        .name = name,
        .type = DNS_TYPE_DS,
        .node = VALIDATE_NO_NODE,
        .cause = VALIDATE_NO_CAUSE,
        .server = packet->server,
        .remedy = "you must use a resolver that asks the parent's servers for DS"};
    return lookup_report(lookup, &problem,
                         "the answer for the DS of %s is of the zone itself; only its parent can "
                         "say that there is none",
                         lookup_text(lookup, name));
}

/* An answer without DS. */
static struct lookup_state by_denial(struct validate_lookup *lookup,
                                     const struct validate_anchor *anchor,
                                     struct lookup_packet *packet, const uint8_t *name)
{
    struct lookup_state state;
    if (alias_shows(lookup, anchor, packet, name, &state))
        return state;
    struct lookup_signers signers = lookup_denial_signers(lookup, packet, name, anchor, true);
    const struct lookup_proof *tried = NULL;
    struct lookup_state *zone = NULL, *up;
    while ((up = lookup_next_signer(lookup, &signers)) != NULL) {
        const struct lookup_proof *proof =
            lookup_prove(lookup, packet, up->chain, LOOKUP_DENIED_DS, name, 0);
        if (proof == NULL)
            return plain_state(name, LOOKUP_PENDING);
        if (proof->proof.outcome == VALIDATE_DENIAL_INSECURE ||
            (proof->proof.outcome == VALIDATE_DENIAL_PROVED && proof->proof.delegation))
            return end_by_denial(lookup, name, up, proof);
        if (proof->proof.outcome == VALIDATE_DENIAL_PROVED) {
            state = no_cut(name, up);
            state.absent = proof->proof.next_closer != NULL || proof->proof.compact;
            return state;
        }
        if (tried == NULL) {
            tried = proof;
            zone = up;
        }
    }
    up = lookup_obstacle(lookup, &signers);
    if (up != NULL)
        return *up;
    if (ends_above(lookup, name, &state))
        return state;
    if (zone == NULL)
        zone = lookup_walk(lookup, parent_of(name));
    if (from_child(packet, name))
        return failed(name, LOOKUP_BOGUS, report_child(lookup, packet, name), zone->node);
    uint32_t node = VALIDATE_NO_NODE;
    if (tried != NULL)
        node = lookup_proof_node(lookup, tried, LOOKUP_BOGUS, zone->node);
    state =
        failed(name, LOOKUP_BOGUS,
               lookup_explain_proof(lookup, packet, tried, zone->chain, name, DNS_TYPE_DS, node),
               node != VALIDATE_NO_NODE ? node : zone->node);
    state.chain = zone->chain;
    return state;
}

static struct lookup_state delegated(struct validate_lookup *lookup,
                                     const struct validate_anchor *anchor, const uint8_t *name,
                                     bool hint)
{
    struct lookup_packet *packet = lookup_need(lookup, name, DNS_TYPE_DS);
    if (hint)
        lookup_need(lookup, name, DNS_TYPE_DNSKEY);
    if (known_chain(lookup, anchor->name) == NULL)
        lookup_need(lookup, anchor->name, DNS_TYPE_DNSKEY);
    if (!lookup_here(packet))
        return plain_state(name, LOOKUP_PENDING);
    struct lookup_state state;
    if (!packet->usable) {
        if (ends_above(lookup, name, &state))
            return state;
        return failed(name, LOOKUP_ERROR, lookup_explain_packet(lookup, packet), VALIDATE_NO_NODE);
    }
    struct validate_group *ds =
        validate_message_find(&packet->message, DNS_SECTION_ANSWER, name, DNS_TYPE_DS);
    if (ds == NULL || ds->count == 0)
        return by_denial(lookup, anchor, packet, packet->query.name);
    /* There seems to be a zone: its keys are asked for while the DS is judged. */
    lookup_need(lookup, name, DNS_TYPE_DNSKEY);
    return by_ds(lookup, anchor, packet, ds);
}

static struct lookup_state find_out(struct validate_lookup *lookup, const uint8_t *name, bool hint)
{
    struct validate_chain *chain = known_chain(lookup, name);
    if (chain != NULL)
        return state_of_chain(lookup, chain);
    const struct validate_anchor *anchor = lookup_anchor(lookup, name, 0);
    if (anchor == NULL)
        return plain_state(name, LOOKUP_INDETERMINATE);
    if (dns_name_equal(anchor->name, name)) {
        struct lookup_voucher voucher = {.name = anchor->name, .anchor = anchor};
        return lookup_keys(lookup, &voucher);
    }
    return delegated(lookup, anchor, name, hint);
}

struct lookup_state *lookup_zone(struct validate_lookup *lookup, const uint8_t *name, bool hint)
{
    struct lookup_state *negative = lookup_negative(lookup, name);
    if (negative != NULL)
        return negative;
    for (struct lookup_state *state = lookup->pass.states; state != NULL; state = state->next) {
        if (dns_name_equal(state->name, name))
            return state;
    }
    struct lookup_state state = find_out(lookup, name, hint);
    state.name = name;
    return remember(lookup, &state);
}

struct lookup_state *lookup_walk(struct validate_lookup *lookup, const uint8_t *name)
{
    if (lookup->only != NULL)
        return lookup_zone(lookup, lookup->only->name, false);
    struct lookup_state *negative = lookup_negative(lookup, name);
    if (negative != NULL)
        return negative;
    const struct validate_anchor *anchor = lookup_anchor(lookup, name, 0);
    if (anchor == NULL) {
        struct lookup_state state = plain_state(name, LOOKUP_INDETERMINATE);
        return remember(lookup, &state);
    }
    unsigned steps = dns_name_labels(name) - dns_name_labels(anchor->name);
    struct lookup_state *at = NULL;
    for (unsigned step = steps + 1; step-- > 0;) {
        /* Most delegations to ends of security are near the top: the next one is asked for
         * together with this one there. */
        if (step > 0 && steps - step < 1 && known_chain(lookup, anchor->name) == NULL) {
            lookup_need(lookup, dns_name_parent(name, step - 1), DNS_TYPE_DS);
            if (step > 1)
                lookup_need(lookup, dns_name_parent(name, step - 2), DNS_TYPE_DS);
        }
        struct lookup_state *state = lookup_zone(lookup, dns_name_parent(name, step), false);
        if (state->verdict != LOOKUP_SECURE && state->verdict != LOOKUP_NO_CUT)
            return state;
        if (state->verdict == LOOKUP_SECURE || at == NULL)
            at = state;
        if (state->absent)
            break;
    }
    return at;
}
