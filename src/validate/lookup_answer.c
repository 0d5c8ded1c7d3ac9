/*
 * The question itself: from name to name along aliases, and at each the data or the proof that
 * there are none.
 */
#include "validate/lookup_parts.h"

#include "base/error.h"
#include "base/reader.h"

#include <string.h>

static bool is_failure(enum lookup_verdict verdict)
{
    return verdict == LOOKUP_BOGUS || verdict == LOOKUP_ERROR;
}

static struct lookup_judged plain_judged(enum lookup_verdict verdict)
{
    return (struct lookup_judged){.verdict = verdict, .node = VALIDATE_NO_NODE};
}

/* The name whose zone holds a group: a DS is the parent's. */
static const uint8_t *place_of(const struct validate_group *group)
{
    return group->type == DNS_TYPE_DS ? dns_name_parent(group->name, 1) : group->name;
}

static void note_insecure(struct validate_lookup *lookup, const struct lookup_state *state)
{
    if (state->verdict == LOOKUP_INSECURE && lookup->pass.insecure == NULL)
        lookup->pass.insecure = state->name;
}

/* The zone's name, where it is known. */
static const uint8_t *zone_name(const struct validate_chain *chain)
{
    return chain == NULL ? NULL : chain->name;
}

static void report_no_anchor(struct validate_lookup *lookup, const uint8_t *name)
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
    struct lookup_judged judged = plain_judged(state->verdict);
    if (state->verdict == LOOKUP_PENDING)
        return judged;
    note_insecure(lookup, state);
    struct lookup_group_node node = {
        .kind = kind, .verdict = state->verdict, .parent = state->node, .group = group};
    judged.node = lookup_group_node(lookup, &node);
    judged.chain = state->chain;
    judged.ttl = is_failure(state->verdict) ? 0 : group->ttl;
    if (state->chain != NULL && !is_failure(state->verdict))
        judged.expiry = lookup_chain_expiry(state->chain);
    return judged;
}

/* Its own signature is good. Of a wildcard, it must be proved that nothing is closer. */
static struct lookup_judged accept_set(struct validate_lookup *lookup, struct lookup_packet *packet,
                                       struct validate_group *group, enum validate_node_kind kind,
                                       const struct lookup_state *up,
                                       const struct validate_checked *checked)
{
    struct lookup_judged judged = plain_judged(LOOKUP_SECURE);
    judged.checked = checked;
    judged.chain = up->chain;
    judged.ttl = checked->ttl;
    judged.expiry = lookup_earlier(checked->expiry, lookup_chain_expiry(up->chain));
    if (checked->wildcard != NULL) {
        judged.closer = lookup_prove(lookup, packet, up->chain, LOOKUP_DENIED_CLOSER, group->name,
                                     checked->labels);
        if (judged.closer == NULL)
            return plain_judged(LOOKUP_PENDING);
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
static bool same_fault(const struct lookup_state *end, const uint8_t *name)
{
    return end->verdict == LOOKUP_BOGUS && end->chain != NULL && dns_name_equal(end->name, name);
}

/* The zone that should have proved or signed, as a state to hang an explanation on. */
static struct lookup_state *zone_at_fault(struct validate_lookup *lookup,
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
    if (zone == NULL && same_fault(end, place_of(group))) {
        zone = zone_at_fault(lookup, &mark, end);
        mark = lookup_mark(lookup);
    } else if (end->verdict != LOOKUP_SECURE && end->verdict != LOOKUP_NO_CUT) {
        /* With a good zone at hand that shows what is wrong, what fails further down adds nothing.
         */
        if (zone == NULL || !is_failure(end->verdict))
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
                                     .zone = zone_name(zone->chain)};
    struct lookup_judged judged = plain_judged(LOOKUP_BOGUS);
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
        report_no_anchor(lookup, group->name);
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
            return plain_judged(LOOKUP_PENDING);
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

/*
 * What an answer has at a name.
 */
static bool in_answer(const struct validate_group *group)
{
    return group->section == DNS_SECTION_ANSWER && group->count > 0;
}

static struct validate_group *answer_group(struct lookup_packet *packet, const uint8_t *name,
                                           uint16_t type)
{
    struct validate_group *group =
        validate_message_find(&packet->message, DNS_SECTION_ANSWER, name, type);
    return group != NULL && group->count > 0 ? group : NULL;
}

/* The DNAME that is closest above a name. */
static struct validate_group *dname_above(struct lookup_packet *packet, const uint8_t *name)
{
    struct validate_group *found = NULL;
    for (size_t i = 0; i < packet->message.group_count; i++) {
        struct validate_group *group = &packet->message.groups[i];
        if (!in_answer(group) || group->type != DNS_TYPE_DNAME ||
            !dns_name_within(name, group->name) || dns_name_equal(name, group->name))
            continue;
        if (found == NULL || dns_name_labels(group->name) > dns_name_labels(found->name))
            found = group;
    }
    return found;
}

/* One step on the way. */
struct step {
    struct validate_lookup *lookup;
    struct lookup_packet *packet;
    const uint8_t *name;
    enum lookup_verdict verdict;
    const uint8_t *next; /* the alias's target; NULL: this is the end */
};

static void end_hop(struct step *step, const struct lookup_judged *judged, bool dname)
{
    struct validate_hop hop = {.name = step->name,
                               .status = lookup_status(step->verdict),
                               .target = step->next,
                               .dname = dname,
                               .wildcard =
                                   judged->checked != NULL && judged->checked->wildcard != NULL,
                               .zone = zone_name(judged->chain),
                               .node = judged->node,
                               .ttl = judged->ttl,
                               .expiry = judged->expiry};
    lookup_hop(step->lookup, &hop);
}

static void show_answer(struct step *step, const struct validate_records *records, size_t count)
{
    struct lookup_pass *pass = &step->lookup->pass;
    pass->kind = VALIDATE_ANSWER_DATA;
    pass->answer = records;
    pass->answer_count = count;
    pass->rcode = step->packet->message.dns.rcode;
}

/* Data at the name: one RRset, or all of them for ANY. */
static void judge_data(struct step *step, struct validate_group *const *groups, size_t count)
{
    struct validate_lookup *lookup = step->lookup;
    struct validate_records *records =
        lookup_alloc(lookup, &lookup->pass.arena, count * sizeof(*records));
    struct lookup_judged all = plain_judged(LOOKUP_SECURE);
    bool pending = records == NULL;
    for (size_t i = 0; !pending && i < count; i++) {
        struct lookup_judged judged =
            lookup_set(lookup, step->packet, groups[i], VALIDATE_NODE_RRSET);
        if (judged.verdict == LOOKUP_PENDING) {
            pending = true;
            break;
        }
        if (!lookup_ok(lookup, validate_group_records(groups[i], judged.ttl, &lookup->pass.arena,
                                                      &records[i])))
            pending = true;
        if (i == 0) {
            all = judged;
            continue;
        }
        /* The order of verdicts is from good to bad. */
        if (judged.verdict > all.verdict)
            all.verdict = judged.verdict;
        all.ttl = judged.ttl < all.ttl ? judged.ttl : all.ttl;
        all.expiry = lookup_earlier(all.expiry, judged.expiry);
    }
    step->verdict = pending ? LOOKUP_PENDING : all.verdict;
    if (pending)
        return;
    end_hop(step, &all, false);
    show_answer(step, records, count);
}

/* RRSIG records are not signed (RFC 4035 section 2.2): where the name is under an anchor, they are
 * as good as insecure, whatever the zone. */
static void judge_signatures(struct step *step)
{
    struct validate_lookup *lookup = step->lookup;
    struct lookup_judged judged = plain_judged(LOOKUP_INSECURE);
    struct validate_records *records = lookup_alloc(lookup, &lookup->pass.arena, sizeof(*records));
    if (records == NULL)
        return;
    struct validate_group all = {.name = step->name, .type = DNS_TYPE_RRSIG};
    size_t total = 0;
    struct validate_message *message = &step->packet->message;
    for (size_t i = 0; i < message->group_count; i++) {
        if (message->groups[i].section == DNS_SECTION_ANSWER &&
            dns_name_equal(message->groups[i].name, step->name))
            total += message->groups[i].signature_count;
    }
    all.records = lookup_alloc(lookup, &lookup->pass.arena, total * sizeof(void *));
    if (all.records == NULL)
        return;
    all.ttl = UINT32_MAX;
    for (size_t i = 0; i < message->group_count; i++) {
        struct validate_group *group = &message->groups[i];
        if (group->section != DNS_SECTION_ANSWER || !dns_name_equal(group->name, step->name))
            continue;
        for (size_t k = 0; k < group->signature_count; k++) {
            all.records[all.count++] = group->signatures[k];
            if (group->signatures[k]->ttl < all.ttl)
                all.ttl = group->signatures[k]->ttl;
        }
    }
    if (!lookup_ok(lookup, validate_group_records(&all, all.ttl, &lookup->pass.arena, records)))
        return;
    if (lookup_negative(lookup, step->name) == NULL &&
        lookup_anchor(lookup, step->name, 0) == NULL) {
        judged.verdict = LOOKUP_INDETERMINATE;
        report_no_anchor(lookup, step->name);
    } else {
        struct lookup_problem problem = {.code = VALIDATE_RRSIG_QUERY,
                                         .ede = VALIDATE_NO_EDE,
                                         .name = step->name,
                                         .type = DNS_TYPE_RRSIG,
                                         .node = VALIDATE_NO_NODE,
                                         .cause = VALIDATE_NO_CAUSE};
        lookup_report(lookup, &problem, "the RRSIG records of %s are not signed themselves",
                      lookup_text(lookup, step->name));
    }
    judged.ttl = all.ttl;
    step->verdict = judged.verdict;
    if (lookup->pass.insecure == NULL)
        lookup->pass.insecure = step->name;
    end_hop(step, &judged, false);
    show_answer(step, records, 1);
}

/*
 * Aliases.
 */
static bool one_record(struct step *step, const struct validate_group *group)
{
    for (size_t i = 1; i < group->count; i++) {
        if (!dns_name_equal(group->records[0]->rdata, group->records[i]->rdata)) {
            char type[DNS_TYPE_TEXT];
            struct lookup_problem problem = {.code = VALIDATE_ALIAS_MALFORMED,
                                             .ede = 0,
                                             .name = group->name,
                                             .type = group->type,
                                             .node = VALIDATE_NO_NODE,
                                             .cause = VALIDATE_NO_CAUSE,
                                             .server = step->packet->server};
            lookup_report(step->lookup, &problem, "%s has %zu %s records; it may have one",
                          lookup_text(step->lookup, group->name), group->count,
                          dns_type_text(type, group->type));
            step->verdict = LOOKUP_ERROR;
            return false;
        }
    }
    return true;
}

static void judge_cname(struct step *step, struct validate_group *group)
{
    if (!one_record(step, group))
        return;
    struct lookup_judged judged =
        lookup_set(step->lookup, step->packet, group, VALIDATE_NODE_ALIAS);
    step->verdict = judged.verdict;
    if (judged.verdict == LOOKUP_PENDING)
        return;
    step->next = group->records[0]->rdata;
    end_hop(step, &judged, false);
}

/* The name with the DNAME's owner replaced by its target (RFC 6672 section 2.2); NULL: too long. */
static const uint8_t *synthesize(struct validate_lookup *lookup, const uint8_t *name,
                                 const struct validate_group *dname)
{
    size_t prefix = dns_name_length(name) - dns_name_length(dname->name);
    size_t target = dns_name_length(dname->records[0]->rdata);
    if (prefix + target > DNS_NAME_MAX)
        return NULL;
    uint8_t made[DNS_NAME_MAX];
    memcpy(made, name, prefix);
    memcpy(made + prefix, dname->records[0]->rdata, target);
    const uint8_t *kept = base_arena_dup(&lookup->pass.arena, made, prefix + target);
    if (kept == NULL)
        lookup->error = BASE_ENOMEM;
    return kept;
}

static void report_synthesis(struct step *step, const struct validate_group *cname,
                             const struct validate_group *dname, uint32_t node)
{
    struct validate_lookup *lookup = step->lookup;
    struct lookup_problem problem = {
        .code = VALIDATE_DNAME_SYNTHESIS,
        .ede = 6,
        .name = cname->name,
        .type = DNS_TYPE_CNAME,
        .node = node,
        .cause = VALIDATE_NO_CAUSE,
        .server = step->packet->server,
        .remedy = "you must not use the answer, which was altered or comes from a broken server"};
    lookup_report(lookup, &problem,
                  "the CNAME of %s leads to %s, which is not what the DNAME of %s makes of it",
                  lookup_text(lookup, cname->name), lookup_text(lookup, cname->records[0]->rdata),
                  lookup_text(lookup, dname->name));
}

static void too_long(struct step *step, const struct validate_group *dname)
{
    struct lookup_problem problem = {.code = VALIDATE_DNAME_LONG,
                                     .ede = 0,
                                     .name = step->name,
                                     .type = DNS_TYPE_DNAME,
                                     .node = VALIDATE_NO_NODE,
                                     .cause = VALIDATE_NO_CAUSE,
                                     .server = step->packet->server};
    lookup_report(step->lookup, &problem, "the DNAME of %s makes of %s a name of over 255 octets",
                  lookup_text(step->lookup, dname->name), lookup_text(step->lookup, step->name));
    step->lookup->pass.rcode = DNS_RCODE_YXDOMAIN;
    step->verdict = LOOKUP_ERROR;
}

/* Who asks for the CNAME itself gets the one that follows from the DNAME, sent along or not. */
static void show_made(struct step *step, const uint8_t *target, uint32_t ttl)
{
    struct base_arena *arena = &step->lookup->pass.arena;
    struct validate_records *records = lookup_alloc(step->lookup, arena, sizeof(*records));
    struct validate_rdata *rdata = lookup_alloc(step->lookup, arena, sizeof(*rdata));
    if (records == NULL || rdata == NULL || target == NULL)
        return;
    *rdata = (struct validate_rdata){.data = target, .length = (uint16_t)dns_name_length(target)};
    *records = (struct validate_records){
        .name = step->name, .type = DNS_TYPE_CNAME, .ttl = ttl, .rdata = rdata, .count = 1};
    show_answer(step, records, 1);
}

static void judge_dname(struct step *step, struct validate_group *dname,
                        struct validate_group *cname)
{
    struct validate_lookup *lookup = step->lookup;
    if (!one_record(step, dname))
        return;
    struct lookup_judged judged = lookup_set(lookup, step->packet, dname, VALIDATE_NODE_ALIAS);
    step->verdict = judged.verdict;
    if (judged.verdict == LOOKUP_PENDING)
        return;
    const uint8_t *made = synthesize(lookup, step->name, dname);
    if (lookup->error != BASE_OK)
        return;
    if (made == NULL && judged.verdict != LOOKUP_BOGUS) {
        too_long(step, dname);
        return;
    }
    bool other = made != NULL && cname != NULL && !dns_name_equal(made, cname->records[0]->rdata);
    if (other && judged.verdict == LOOKUP_SECURE) {
        step->verdict = LOOKUP_BOGUS;
        report_synthesis(step, cname, dname, judged.node);
    }
    step->next = other ? cname->records[0]->rdata : made;
    if (cname != NULL && cname->ttl < judged.ttl)
        judged.ttl = cname->ttl;
    if (lookup->type == DNS_TYPE_CNAME) {
        show_made(step, step->next, judged.ttl);
        step->next = NULL;
    }
    end_hop(step, &judged, true);
}

/*
 * Absence.
 */
struct absence {
    enum validate_answer_kind kind;
    enum lookup_verdict verdict; /* SECURE, INSECURE; BOGUS: not proved */
};

static void report_rcode(struct step *step, const char *claimed, const char *proved)
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
static const struct lookup_proof *prove_absence(struct step *step, const struct lookup_state *up,
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
static bool any_contradicts(const struct step *step, const struct lookup_proof *proof)
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

static void settle_absence(struct step *step, const struct absence *absence,
                           const struct lookup_judged *judged)
{
    step->verdict = absence->verdict;
    end_hop(step, judged, false);
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
static void take_unproved(struct step *step, const struct lookup_state *state)
{
    struct validate_lookup *lookup = step->lookup;
    struct absence absence = {.verdict = state->verdict, .kind = VALIDATE_ANSWER_NODATA};
    step->verdict = state->verdict;
    if (state->verdict == LOOKUP_PENDING)
        return;
    if (step->packet->message.dns.rcode == DNS_RCODE_NXDOMAIN)
        absence.kind = VALIDATE_ANSWER_NAME;
    note_insecure(lookup, state);
    struct lookup_judged judged = plain_judged(state->verdict);
    judged.node = state->node;
    judged.chain = state->chain;
    if (!is_failure(state->verdict))
        judged.ttl = soa_ttl(step->packet, step->name);
    if (state->chain != NULL && !is_failure(state->verdict))
        judged.expiry = lookup_chain_expiry(state->chain);
    settle_absence(step, &absence, &judged);
}

static void accept_absence(struct step *step, const struct lookup_state *up,
                           const struct lookup_proof *proof, const struct absence *absence)
{
    struct validate_lookup *lookup = step->lookup;
    struct lookup_judged judged = plain_judged(absence->verdict);
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
static void reject_absence(struct step *step, struct lookup_state *zone,
                           const struct lookup_proof *tried)
{
    struct validate_lookup *lookup = step->lookup;
    bool ds = lookup->type == DNS_TYPE_DS && step->name[0] != 0;
    struct lookup_mark mark = lookup_mark(lookup);
    struct lookup_state *end =
        lookup_walk(lookup, ds ? dns_name_parent(step->name, 1) : step->name);
    if (zone == NULL && same_fault(end, step->name)) {
        zone = zone_at_fault(lookup, &mark, end);
        mark = lookup_mark(lookup);
    } else if (end->verdict != LOOKUP_SECURE && end->verdict != LOOKUP_NO_CUT &&
               (zone == NULL || !is_failure(end->verdict))) {
        take_unproved(step, end);
        return;
    }
    if (zone != NULL)
        lookup_back(lookup, &mark);
    else
        zone = end;
    struct absence absence = {.verdict = LOOKUP_BOGUS, .kind = VALIDATE_ANSWER_NODATA};
    struct lookup_judged judged = plain_judged(LOOKUP_BOGUS);
    judged.chain = zone->chain;
    judged.node = zone->node;
    if (tried != NULL)
        judged.node = lookup_proof_node(lookup, tried, LOOKUP_BOGUS, zone->node);
    lookup_explain_proof(lookup, step->packet, tried, zone->chain, step->name, lookup->type,
                         judged.node);
    settle_absence(step, &absence, &judged);
}

static void judge_absence(struct step *step)
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
        report_no_anchor(lookup, step->name);
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

/*
 * The way along aliases.
 */
static void judge_any(struct step *step)
{
    struct validate_message *message = &step->packet->message;
    struct validate_group **groups = lookup_alloc(step->lookup, &step->lookup->pass.arena,
                                                  message->group_count * sizeof(*groups));
    if (groups == NULL)
        return;
    size_t count = 0;
    for (size_t i = 0; i < message->group_count; i++) {
        if (in_answer(&message->groups[i]) && dns_name_equal(message->groups[i].name, step->name))
            groups[count++] = &message->groups[i];
    }
    if (count > 0)
        judge_data(step, groups, count);
    else
        judge_absence(step);
}

static bool has_signatures(const struct lookup_packet *packet, const uint8_t *name)
{
    for (size_t i = 0; i < packet->message.group_count; i++) {
        const struct validate_group *group = &packet->message.groups[i];
        if (group->section == DNS_SECTION_ANSWER && group->signature_count > 0 &&
            dns_name_equal(group->name, name))
            return true;
    }
    return false;
}

static void judge_step(struct step *step)
{
    struct validate_lookup *lookup = step->lookup;
    uint16_t type = lookup->type;
    struct validate_group *cname = answer_group(step->packet, step->name, DNS_TYPE_CNAME);
    struct validate_group *dname = dname_above(step->packet, step->name);
    bool made = dname != NULL && (cname == NULL || cname->signature_count == 0);
    struct validate_group *data = answer_group(step->packet, step->name, type);
    step->verdict = LOOKUP_PENDING;
    if (type == DNS_TYPE_ANY && !made)
        judge_any(step);
    else if (type == DNS_TYPE_RRSIG && has_signatures(step->packet, step->name))
        judge_signatures(step);
    else if (data != NULL && !(type == DNS_TYPE_CNAME && made))
        judge_data(step, &data, 1);
    else if (made)
        judge_dname(step, dname, cname);
    else if (cname != NULL)
        judge_cname(step, cname);
    else
        judge_absence(step);
}

/* Does a packet that was asked for another name say anything of this one? */
static bool speaks_of(struct lookup_packet *packet, const uint8_t *name, uint16_t type)
{
    if (answer_group(packet, name, type) != NULL ||
        answer_group(packet, name, DNS_TYPE_CNAME) != NULL || dname_above(packet, name) != NULL)
        return true;
    for (size_t i = 0; i < packet->message.group_count; i++) {
        const struct validate_group *group = &packet->message.groups[i];
        if (group->section == DNS_SECTION_AUTHORITY && group->type == DNS_TYPE_SOA &&
            dns_name_within(name, group->name))
            return true;
    }
    return false;
}

static void fail_packet(struct step *step)
{
    struct validate_lookup *lookup = step->lookup;
    lookup_explain_packet(lookup, step->packet);
    lookup->pass.rcode = step->packet->message.dns.rcode;
    step->verdict = LOOKUP_ERROR;
}

/* Judges one name: by what the last packet says of it, or by a packet of its own. */
static void take_step(struct step *step)
{
    struct validate_lookup *lookup = step->lookup;
    if (step->packet != NULL && speaks_of(step->packet, step->name, lookup->type)) {
        struct lookup_mark mark = lookup_mark(lookup);
        struct lookup_pass before = lookup->pass;
        judge_step(step);
        if (step->verdict != LOOKUP_BOGUS || lookup->only != NULL ||
            dns_name_equal(step->packet->query.name, step->name))
            return;
        /* Servers add of other zones what they happen to have. */
        lookup_back(lookup, &mark);
        lookup->pass.kind = before.kind;
        lookup->pass.answer = before.answer;
        lookup->pass.answer_count = before.answer_count;
        lookup->pass.insecure = before.insecure;
        step->next = NULL;
    }
    step->packet = lookup_need(lookup, step->name, lookup->type);
    step->verdict = LOOKUP_PENDING;
    if (!lookup_here(step->packet))
        return;
    if (!step->packet->usable)
        fail_packet(step);
    else
        judge_step(step);
}

static bool seen_before(const struct lookup_pass *pass, const uint8_t *name)
{
    for (size_t i = 0; i < pass->hop_count; i++) {
        if (dns_name_equal(pass->hops[i].name, name))
            return true;
    }
    return false;
}

static enum lookup_verdict loop_found(struct validate_lookup *lookup, const uint8_t *name)
{
    struct lookup_problem problem = {.code = VALIDATE_ALIAS_LOOP,
                                     .ede = 0,
                                     .name = name,
                                     .node = VALIDATE_NO_NODE,
                                     .cause = VALIDATE_NO_CAUSE,
                                     .remedy =
                                         "the operator of one of the zones must change an alias"};
    lookup_report(lookup, &problem, "the aliases of %s lead back to %s",
                  lookup_text(lookup, lookup->name), lookup_text(lookup, name));
    return LOOKUP_ERROR;
}

/* The keys of the anchor are wanted in any case, so that they are asked for at once. */
static void ask_for_anchor(struct validate_lookup *lookup)
{
    const struct validate_anchor *anchor = lookup_anchor(lookup, lookup->name, lookup->type);
    if (anchor == NULL || lookup->only != NULL || lookup_negative(lookup, lookup->name) != NULL ||
        validate_trust_find(lookup->trust, anchor->name, lookup->work.now) != NULL)
        return;
    lookup_need(lookup, anchor->name, DNS_TYPE_DNSKEY);
}

/* RFC 8509: A and AAAA of "root-key-sentinel-is-ta-12345" are answered with SERVFAIL when there is
 * no such anchor of the root, of "…-not-ta-12345" when there is. */
static bool sentinel_says_no(const struct validate_lookup *lookup)
{
    static const char is_ta[] = "root-key-sentinel-is-ta-", not_ta[] = "root-key-sentinel-not-ta-";
    const uint8_t *label = lookup->name;
    if (lookup->type != DNS_TYPE_A && lookup->type != DNS_TYPE_AAAA)
        return false;
    uint8_t lower[DNS_NAME_MAX];
    dns_name_lower(lower, label);
    size_t length = lower[0];
    bool is = length == sizeof(is_ta) - 1 + 5 && memcmp(lower + 1, is_ta, sizeof(is_ta) - 1) == 0;
    bool not =
        length == sizeof(not_ta) - 1 + 5 && memcmp(lower + 1, not_ta, sizeof(not_ta) - 1) == 0;
    if (!is && !not )
        return false;
    unsigned tag = 0;
    for (size_t i = length - 4; i <= length; i++) {
        if (lower[i] < '0' || lower[i] > '9')
            return false;
        tag = tag * 10 + (lower[i] - '0');
    }
    uint16_t tags[64];
    static const uint8_t root[] = {0};
    size_t count = validate_anchors_tags(lookup->anchors, root, lookup->work.now, tags, 64);
    bool trusted = false;
    for (size_t i = 0; i < count && i < 64; i++)
        trusted = trusted || tags[i] == tag;
    return is ? !trusted : trusted;
}

static enum lookup_verdict judge_sentinel(struct validate_lookup *lookup)
{
    struct lookup_problem problem = {.code = VALIDATE_SENTINEL,
                                     .ede = VALIDATE_NO_EDE,
                                     .name = lookup->name,
                                     .node = VALIDATE_NO_NODE,
                                     .cause = VALIDATE_NO_CAUSE};
    lookup_report(lookup, &problem,
                  "%s is a sentinel of RFC 8509, and what it asks of the root's trust anchors is "
                  "not so",
                  lookup_text(lookup, lookup->name));
    lookup->pass.rcode = DNS_RCODE_SERVFAIL;
    return LOOKUP_ERROR;
}

static void report_skew(struct validate_lookup *lookup)
{
    struct lookup_problem problem = {.code = VALIDATE_SKEW,
                                     .ede = VALIDATE_NO_EDE,
                                     .name = lookup->name,
                                     .node = VALIDATE_NO_NODE,
                                     .cause = VALIDATE_NO_CAUSE};
    lookup_report(
        lookup, &problem,
        "signatures are out of their time by no more than the %u s that clocks may differ",
        lookup->work.skew);
}

enum lookup_verdict lookup_question(struct validate_lookup *lookup)
{
    struct step step = {.lookup = lookup, .name = lookup->name};
    bool secure = true;
    step.packet = lookup_need(lookup, lookup->name, lookup->type);
    ask_for_anchor(lookup);
    for (unsigned hops = 0;; hops++) {
        if (hops > lookup->work.budgets.alias_hops) {
            validate_work_spend(&lookup->work, "alias_hops", lookup->work.budgets.alias_hops,
                                step.name, 0);
            return LOOKUP_ERROR;
        }
        if (!lookup_here(step.packet))
            return LOOKUP_PENDING;
        step.next = NULL;
        if (!step.packet->usable)
            fail_packet(&step);
        else
            take_step(&step);
        if (step.verdict == LOOKUP_PENDING || is_failure(step.verdict))
            return step.verdict;
        secure = secure && step.verdict == LOOKUP_SECURE;
        if (step.next == NULL)
            break;
        if (lookup->only != NULL && !speaks_of(step.packet, step.next, lookup->type)) {
            lookup->pass.kind = VALIDATE_ANSWER_DATA; /* as far as the packet goes */
            break;
        }
        if (seen_before(&lookup->pass, step.next))
            return loop_found(lookup, step.next);
        step.name = step.next;
    }
    if (lookup->pass.skewed)
        report_skew(lookup);
    if (secure && lookup->pass.kind == VALIDATE_ANSWER_DATA && sentinel_says_no(lookup))
        return judge_sentinel(lookup);
    return step.verdict;
}
