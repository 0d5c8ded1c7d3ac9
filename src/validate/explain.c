/*
 * Saying what is wrong: findings with their causes and remedies, and the one sentence. A cause is
 * reported before what follows from it; who finds a name bogus because its zone is adds nothing.
 */
#include "validate/lookup_parts.h"

#include "base/error.h"
#include "base/reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *lookup_format(struct validate_lookup *lookup, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    const char *kept = base_arena_strndup(&lookup->pass.arena, text, strlen(text));
    if (kept == NULL)
        lookup->error = BASE_ENOMEM;
    return kept == NULL ? "" : kept;
}

static const char *type_text(struct validate_lookup *lookup, uint16_t type)
{
    char text[DNS_TYPE_TEXT];
    return lookup_format(lookup, "%s", dns_type_text(text, type));
}

static const char *server_text(const struct lookup_packet *packet)
{
    return packet->server != NULL ? packet->server : "the resolver";
}

uint32_t lookup_explain_packet(struct validate_lookup *lookup, const struct lookup_packet *packet)
{
    const char *name = lookup_text(lookup, packet->query.name);
    const char *type = type_text(lookup, packet->query.type);
    struct lookup_problem problem = {.code = packet->problem,
                                     .ede = packet->ede,
                                     .name = packet->query.name,
                                     .type = packet->query.type,
                                     .node = VALIDATE_NO_NODE,
                                     .cause = VALIDATE_NO_CAUSE,
                                     .server = packet->server};
    switch (packet->problem) {
    case VALIDATE_SERVER_FAILED:
        problem.remedy = lookup_format(
            lookup,
            "the operator of %s's zone must see to its servers, if other resolvers fail "
            "too; else you must use another resolver",
            name);
        return lookup_report(lookup, &problem, "%s answers %s for %s %s", server_text(packet),
                             packet->why, name, type);
    case VALIDATE_NO_ANSWER:
        problem.remedy = "you must ask again, or use another resolver";
        return lookup_report(lookup, &problem, "no answer for %s %s: %s", name, type, packet->why);
    default:
        problem.remedy = "you must use another resolver, or look for what alters DNS on the way";
        return lookup_report(lookup, &problem, "the answer for %s %s cannot be used: %s", name,
                             type, packet->why);
    }
}

/*
 * The clock. When every signature that came, of several zones or of the root, is out of its time in
 * the same direction, it is more likely that the clock is wrong.
 */
struct clock_view {
    unsigned past, future, current;
    bool root, several;
    const uint8_t *first;
};

static void view_group(const struct validate_lookup *lookup, const struct validate_group *group,
                       struct clock_view *view)
{
    for (size_t i = 0; i < group->signature_count; i++) {
        const uint8_t *rdata = group->signatures[i]->rdata;
        uint32_t now = (uint32_t)lookup->work.now;
        if ((int32_t)(base_load_u32(rdata + 8) - now) < 0)
            view->past++;
        else if ((int32_t)(base_load_u32(rdata + 12) - now) > 0)
            view->future++;
        else
            view->current++;
        const uint8_t *signer = rdata + 18;
        view->root = view->root || signer[0] == 0;
        if (view->first == NULL)
            view->first = signer;
        else if (!dns_name_equal(view->first, signer))
            view->several = true;
    }
}

static bool clock_suspected(const struct validate_lookup *lookup, bool *behind)
{
    struct clock_view view = {0};
    for (const struct lookup_packet *packet = lookup->packets; packet != NULL;
         packet = packet->next) {
        for (size_t i = 0; packet->usable && i < packet->message.group_count; i++)
            view_group(lookup, &packet->message.groups[i], &view);
    }
    *behind = view.future > 0;
    return view.current == 0 && (view.past == 0 || view.future == 0) &&
           (view.root || view.several) && view.past + view.future >= 2;
}

static uint32_t clock_cause(struct validate_lookup *lookup)
{
    bool behind;
    if (!clock_suspected(lookup, &behind))
        return VALIDATE_NO_CAUSE;
    char now[BASE_TIME_TEXT];
    base_time_iso(lookup->work.now, now);
    struct lookup_problem problem = {.code = VALIDATE_CLOCK,
                                     .ede = behind ? 8 : 7,
                                     .node = VALIDATE_NO_NODE,
                                     .cause = VALIDATE_NO_CAUSE,
                                     .remedy = "you must set the clock of this machine"};
    return lookup_report(lookup, &problem,
                         "all signatures that came %s by the clock here, which says %s: the clock "
                         "seems to %s",
                         behind ? "are not valid yet" : "have expired", now,
                         behind ? "lag behind" : "run ahead");
}

/*
 * One RRset whose signatures do not help.
 */
struct set_view {
    struct validate_lookup *lookup;
    const struct lookup_packet *packet;
    const struct validate_group *group;
    const struct validate_signature *signatures;
    const struct validate_signature *signature; /* the one that tells most; NULL: there is none */
    const struct validate_chain *chain;
    const char *owner, *type, *zone;
    struct lookup_problem problem;
};

static unsigned weight(enum validate_signature_verdict verdict)
{
    static const unsigned char weights[] = {
        [VALIDATE_SIGNATURE_MISMATCH] = 9,  [VALIDATE_SIGNATURE_EXPIRED] = 8,
        [VALIDATE_SIGNATURE_FUTURE] = 7,    [VALIDATE_SIGNATURE_KEY_UNFIT] = 6,
        [VALIDATE_SIGNATURE_NO_KEY] = 5,    [VALIDATE_SIGNATURE_NOT_TRIED] = 4,
        [VALIDATE_SIGNATURE_MALFORMED] = 3, [VALIDATE_SIGNATURE_UNSUPPORTED] = 2,
        [VALIDATE_SIGNATURE_SIGNER] = 1,    [VALIDATE_SIGNATURE_BUDGET] = 0,
        [VALIDATE_SIGNATURE_GOOD] = 0,
    };
    return weights[verdict];
}

static const struct validate_signature *telling(const struct validate_signature *signatures,
                                                size_t count)
{
    const struct validate_signature *found = NULL;
    for (size_t i = 0; i < count; i++) {
        if (found == NULL || weight(signatures[i].verdict) > weight(found->verdict))
            found = &signatures[i];
    }
    return found;
}

static const char *operator_must(struct set_view *view, const char *what)
{
    return lookup_format(view->lookup, "the operator of %s %s", view->zone, what);
}

static uint32_t explain_time(struct set_view *view)
{
    struct validate_lookup *lookup = view->lookup;
    bool expired = view->signature->verdict == VALIDATE_SIGNATURE_EXPIRED;
    base_time time = expired ? view->signature->expiration : view->signature->inception;
    base_time apart = expired ? lookup->work.now - time : time - lookup->work.now;
    char when[BASE_TIME_TEXT], since[BASE_TIME_TEXT];
    base_time_iso(time, when);
    base_duration_text(apart, since);
    view->problem.cause = clock_cause(lookup);
    view->problem.code = expired ? VALIDATE_RRSIG_EXPIRED : VALIDATE_RRSIG_FUTURE;
    view->problem.ede = expired ? 7 : 8;
    view->problem.remedy =
        expired ? operator_must(view, "must sign the zone again")
                : operator_must(view, "must set the clock of the signer, if yours is right");
    if (expired)
        return lookup_report(lookup, &view->problem,
                             "the signature over %s %s by %s expired %s ago, at %s", view->owner,
                             view->type, view->zone, since, when);
    return lookup_report(lookup, &view->problem,
                         "the signature over %s %s by %s is valid in %s only, from %s", view->owner,
                         view->type, view->zone, since, when);
}

static void list_tags(const struct validate_chain *chain, char *out, size_t size)
{
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; chain != NULL && i < chain->keys.count && at + 16 < size; i++)
        at += (size_t)snprintf(out + at, size - at, "%s%u", i == 0 ? "" : ", ",
                               chain->keys.keys[i].tag);
}

static uint32_t explain_key(struct set_view *view)
{
    struct validate_lookup *lookup = view->lookup;
    const struct validate_signature *signature = view->signature;
    char tags[200];
    list_tags(view->chain, tags, sizeof(tags));
    if (signature->verdict == VALIDATE_SIGNATURE_KEY_UNFIT) {
        view->problem.code = VALIDATE_KEY_UNFIT;
        view->problem.ede = 11;
        view->problem.remedy = operator_must(view, "must sign with a proper zone key");
        return lookup_report(lookup, &view->problem,
                             "the signature over %s %s is by the key with tag %u of %s, which is "
                             "revoked, no zone key or malformed",
                             view->owner, view->type, signature->tag, view->zone);
    }
    view->problem.code = VALIDATE_RRSIG_NO_KEY;
    view->problem.remedy =
        operator_must(view, "must publish the key that signs, or sign with one that is published");
    return lookup_report(lookup, &view->problem,
                         "the signature over %s %s is by a key with tag %u and algorithm %u, which "
                         "%s does not publish (its keys have the tags %s)",
                         view->owner, view->type, signature->tag, signature->algorithm, view->zone,
                         tags);
}

static uint32_t explain_dnskey(struct set_view *view)
{
    struct validate_lookup *lookup = view->lookup;
    char trusted[200];
    size_t at = 0;
    trusted[0] = '\0';
    for (size_t i = 0; view->chain != NULL && i < view->chain->keys.count && at < 180; i++) {
        if (view->chain->keys.keys[i].trusted)
            at += (size_t)snprintf(trusted + at, sizeof(trusted) - at, "%s%u", at == 0 ? "" : ", ",
                                   view->chain->keys.keys[i].tag);
    }
    view->problem.code = VALIDATE_DNSKEY_UNSIGNED;
    view->problem.ede = 10;
    view->problem.remedy = operator_must(view, "must sign the DNSKEY set with a key that is "
                                               "vouched for");
    return lookup_report(lookup, &view->problem,
                         "the DNSKEY set of %s is not signed by a key that is vouched for (those "
                         "have the tags %s)",
                         view->zone, trusted);
}

/* Has anything that came a signature? */
static bool any_signature(const struct validate_lookup *lookup)
{
    for (const struct lookup_packet *packet = lookup->packets; packet != NULL;
         packet = packet->next) {
        for (size_t i = 0; packet->usable && i < packet->message.group_count; i++) {
            if (packet->message.groups[i].signature_count > 0)
                return true;
        }
    }
    return false;
}

static uint32_t explain_unsigned(struct set_view *view)
{
    struct validate_lookup *lookup = view->lookup;
    uint32_t cause = VALIDATE_NO_CAUSE;
    if (!any_signature(lookup)) {
        struct lookup_problem problem = view->problem;
        problem.code = VALIDATE_STRIPPED;
        problem.ede = 10;
        problem.remedy = "you must use a resolver that hands on DNSSEC records";
        cause = lookup_report(lookup, &problem,
                              "%s gives no signatures at all: it does not do DNSSEC, or something "
                              "on the way strips them",
                              server_text(view->packet));
    }
    view->problem.code = VALIDATE_UNSIGNED;
    view->problem.ede = 10;
    view->problem.cause = cause;
    view->problem.remedy = lookup_format(
        lookup,
        "the operator of %s must sign it, if its servers give no signature; else you must "
        "use a resolver that does not remove it",
        view->zone);
    return lookup_report(lookup, &view->problem,
                         "%s %s has no signature, but its zone %s is signed", view->owner,
                         view->type, view->zone);
}

static const struct lookup_mismatch *note_mismatch(struct set_view *view)
{
    struct validate_lookup *lookup = view->lookup;
    if (view->chain == NULL)
        return NULL;
    struct lookup_mismatch *mismatch = lookup_alloc(lookup, &lookup->pass.arena, sizeof(*mismatch));
    if (mismatch == NULL)
        return NULL;
    mismatch->group = view->group;
    mismatch->record = view->group->signatures[view->signature - view->signatures];
    mismatch->signature = view->signature;
    mismatch->chain = (struct validate_chain *)(uintptr_t)view->chain;
    validate_chain_ref(mismatch->chain);
    mismatch->next = lookup->pass.mismatches;
    lookup->pass.mismatches = mismatch;
    return mismatch;
}

static uint32_t explain_mismatch(struct set_view *view)
{
    view->problem.code = VALIDATE_RRSIG_MISMATCH;
    view->problem.mismatch = note_mismatch(view);
    view->problem.remedy =
        operator_must(view, "must sign the zone again, if its servers give the same; else "
                            "somebody alters the data on the way to you");
    return lookup_report(view->lookup, &view->problem,
                         "the signature over %s %s by the key with tag %u of %s does not verify: "
                         "data, signature or key were altered",
                         view->owner, view->type, view->signature->tag, view->zone);
}

void lookup_tell_mismatch(struct validate_lookup *lookup, struct lookup_finding *finding,
                          const char *why, bool by_signer)
{
    const struct lookup_mismatch *mismatch = finding->mismatch;
    const char *zone = lookup_text(lookup, mismatch->chain->name);
    finding->finding.message = lookup_format(
        lookup, "the signature over %s %s by the key with tag %u of %s does not verify: %s",
        finding->finding.owner, finding->finding.type, mismatch->signature->tag, zone, why);
    if (by_signer)
        finding->remedy = lookup_format(
            lookup, "the operator of %s must sign it with a signer that follows RFC 4034", zone);
}

static uint32_t explain_rest(struct set_view *view)
{
    struct validate_lookup *lookup = view->lookup;
    const struct validate_signature *signature = view->signature;
    switch (signature->verdict) {
    case VALIDATE_SIGNATURE_SIGNER:
        view->problem.code = VALIDATE_RRSIG_SIGNER;
        view->problem.remedy = operator_must(view, "must sign the zone with its own keys");
        return lookup_report(lookup, &view->problem,
                             "the signature over %s %s names %s as its signer, but the zone is %s",
                             view->owner, view->type, lookup_text(lookup, signature->signer),
                             view->zone);
    case VALIDATE_SIGNATURE_UNSUPPORTED:
        view->problem.code = VALIDATE_RRSIG_UNSUPPORTED;
        view->problem.ede = 1;
        view->problem.remedy =
            operator_must(view, "must sign with the algorithms that the DS names");
        return lookup_report(lookup, &view->problem,
                             "%s %s is signed with algorithm %u only, which is not supported; keys "
                             "of %s that are supported do not sign it",
                             view->owner, view->type, signature->algorithm, view->zone);
    default:
        view->problem.code = VALIDATE_RRSIG_MALFORMED;
        view->problem.remedy = operator_must(view, "must sign the zone again");
        return lookup_report(lookup, &view->problem,
                             "the signature over %s %s contradicts itself: labels %u, inception "
                             "and expiration do not fit the data",
                             view->owner, view->type, signature->labels);
    }
}

uint32_t lookup_explain_set(struct validate_lookup *lookup, const struct lookup_packet *packet,
                            struct validate_group *group, const struct validate_checked *checked,
                            const struct validate_chain *chain, uint32_t node)
{
    struct set_view view = {.lookup = lookup, .packet = packet, .group = group, .chain = chain};
    view.owner = lookup_text(lookup, group->name);
    view.type = type_text(lookup, group->type);
    view.zone = chain == NULL ? view.owner : lookup_text(lookup, chain->name);
    view.problem = (struct lookup_problem){.ede = 6,
                                           .name = group->name,
                                           .type = group->type,
                                           .node = node,
                                           .cause = VALIDATE_NO_CAUSE,
                                           .server = packet->server};
    const struct validate_signature *signatures = NULL;
    size_t count = 0;
    if (checked != NULL) {
        signatures = checked->signatures;
        count = checked->signature_count;
    } else if (!lookup_ok(lookup, validate_rrset_look(&lookup->work, group,
                                                      chain == NULL ? group->name : chain->name,
                                                      &signatures, &count))) {
        return VALIDATE_NO_CAUSE;
    }
    view.signatures = signatures;
    view.signature = telling(signatures, count);
    if (view.signature == NULL)
        return explain_unsigned(&view);
    switch (view.signature->verdict) {
    case VALIDATE_SIGNATURE_EXPIRED:
    case VALIDATE_SIGNATURE_FUTURE:
        return explain_time(&view);
    case VALIDATE_SIGNATURE_MISMATCH:
        return explain_mismatch(&view);
    case VALIDATE_SIGNATURE_NO_KEY:
    case VALIDATE_SIGNATURE_KEY_UNFIT:
        return explain_key(&view);
    case VALIDATE_SIGNATURE_NOT_TRIED:
        return group->type == DNS_TYPE_DNSKEY ? explain_dnskey(&view) : explain_rest(&view);
    default:
        return explain_rest(&view);
    }
}

/*
 * Proofs.
 */
static const char *denied_text(struct validate_lookup *lookup, const struct lookup_packet *packet,
                               const char *name, uint16_t type)
{
    if (packet->message.dns.rcode == DNS_RCODE_NXDOMAIN && type != DNS_TYPE_DS)
        return lookup_format(lookup, "%s does not exist", name);
    return lookup_format(lookup, "%s has no %s", name, type_text(lookup, type));
}

static uint32_t explain_closer(struct validate_lookup *lookup, const struct lookup_packet *packet,
                               const struct lookup_proof *proof, const char *zone,
                               const uint8_t *name, uint16_t type, uint32_t node, uint32_t cause)
{
    struct lookup_problem problem = {
        .code = VALIDATE_WILDCARD_PROOF,
        .ede = 12,
        .name = name,
        .type = type,
        .node = node,
        .cause = cause,
        .server = packet->server,
        .remedy = lookup_format(lookup,
                                "the operator of %s must see to its servers, which must "
                                "prove that no closer name exists",
                                zone)};
    return lookup_report(lookup, &problem,
                         "%s %s comes from a wildcard, but it is not proved that no closer name "
                         "exists: %s",
                         lookup_text(lookup, name), type_text(lookup, type), proof->proof.why);
}

uint32_t lookup_explain_proof(struct validate_lookup *lookup, const struct lookup_packet *packet,
                              const struct lookup_proof *proof, const struct validate_chain *chain,
                              const uint8_t *name, uint16_t type, uint32_t node)
{
    const char *zone = chain == NULL ? "the zone" : lookup_text(lookup, chain->name);
    uint32_t cause = VALIDATE_NO_CAUSE;
    /* A record of the proof with a bad signature is the cause of what is missing. */
    if (proof != NULL && proof->bad != NULL)
        cause = lookup_explain_set(lookup, packet, proof->bad, proof->bad_checked, chain, node);
    if (proof != NULL && proof->kind == LOOKUP_DENIED_CLOSER)
        return explain_closer(lookup, packet, proof, zone, name, type, node, cause);
    const char *denied = denied_text(lookup, packet, lookup_text(lookup, name), type);
    struct lookup_problem problem = {.code = VALIDATE_PROOF_MISSING,
                                     .ede = 12,
                                     .name = name,
                                     .type = type,
                                     .node = node,
                                     .cause = cause,
                                     .server = packet->server};
    problem.remedy =
        lookup_format(lookup,
                      "the operator of %s must repair its chain of NSEC or NSEC3, if its "
                      "servers give the same; else somebody alters the answers",
                      zone);
    if (proof == NULL) {
        if (!any_signature(lookup)) {
            struct lookup_problem stripped = problem;
            stripped.code = VALIDATE_STRIPPED;
            stripped.ede = 10;
            stripped.remedy = "you must use a resolver that hands on DNSSEC records";
            problem.cause =
                lookup_report(lookup, &stripped,
                              "%s gives no signatures at all: it does not do DNSSEC, or "
                              "something on the way strips them",
                              server_text(packet));
        }
        return lookup_report(
            lookup, &problem,
            "the answer says that %s, but has no NSEC or NSEC3 of %s that prove it", denied, zone);
    }
    if (proof->proof.outcome == VALIDATE_DENIAL_WRONG ||
        proof->proof.outcome == VALIDATE_DENIAL_PROVED) {
        problem.code = VALIDATE_PROOF_WRONG;
        problem.ede = 6;
        return lookup_report(lookup, &problem,
                             "the answer says that %s, but the records of %s prove the contrary: "
                             "%s",
                             denied, zone, proof->proof.why);
    }
    return lookup_report(lookup, &problem, "the answer says that %s, but it is not proved: %s",
                         denied, proof->proof.why);
}

/*
 * The sentence.
 */
static const struct lookup_finding *first_cause(const struct lookup_pass *pass)
{
    for (size_t i = 0; i < pass->finding_count; i++) {
        if (pass->findings[i].finding.severity == BASE_ERROR)
            return &pass->findings[i];
    }
    return NULL;
}

/* What the answer is, in words: "www.example. A", "the absence of www.example.". */
static const char *subject(struct validate_lookup *lookup, const struct validate_result *result)
{
    const char *name = lookup_text(lookup, result->name);
    const char *type = type_text(lookup, result->type);
    if (result->kind == VALIDATE_ANSWER_NAME && result->hop_count > 0)
        return lookup_format(lookup, "the absence of %s",
                             lookup_text(lookup, result->hops[result->hop_count - 1].name));
    if (result->kind == VALIDATE_ANSWER_NODATA && result->hop_count > 0)
        return lookup_format(lookup, "the absence of %s %s",
                             lookup_text(lookup, result->hops[result->hop_count - 1].name), type);
    return lookup_format(lookup, "%s %s", name, type);
}

static const char *secure_sentence(struct validate_lookup *lookup,
                                   const struct validate_result *result)
{
    const char *what = subject(lookup, result);
    if (result->expiry == 0)
        return lookup_format(lookup, "%s is secure.", what);
    char when[BASE_TIME_TEXT], left[BASE_TIME_TEXT];
    base_time_iso(result->expiry, when);
    base_time apart = result->expiry - result->now;
    base_duration_text(apart > 0 ? apart : 0, left);
    return lookup_format(
        lookup,
        "%s is secure; the first of the signatures that it leans on expires in %s, "
        "at %s, and must be renewed before.",
        what, left, when);
}

static const char *insecure_sentence(struct validate_lookup *lookup,
                                     const struct validate_result *result)
{
    const struct lookup_pass *pass = &lookup->pass;
    const char *why = "security ends above it";
    if (pass->finding_count > 0)
        why = pass->findings[0].finding.message;
    return lookup_format(lookup,
                         "%s is insecure, so that nobody can tell whether it is authentic: "
                         "%s.",
                         subject(lookup, result), why);
}

const char *lookup_sentence(struct validate_lookup *lookup, const struct validate_result *result)
{
    if (result->status == VALIDATE_SECURE)
        return secure_sentence(lookup, result);
    if (result->status == VALIDATE_INSECURE)
        return insecure_sentence(lookup, result);
    const char *name = lookup_text(lookup, result->name);
    const char *type = type_text(lookup, result->type);
    if (result->status == VALIDATE_INDETERMINATE)
        return lookup_format(lookup,
                             "Nothing can be said about %s %s: no trust anchor covers it; you must "
                             "configure one.",
                             name, type);
    const struct lookup_finding *cause = first_cause(&lookup->pass);
    const char *verdict = result->status == VALIDATE_BOGUS ? "is bogus" : "could not be judged";
    if (cause == NULL)
        return lookup_format(lookup, "%s %s %s.", name, type, verdict);
    if (cause->remedy == NULL)
        return lookup_format(lookup, "%s %s %s: %s.", name, type, verdict, cause->finding.message);
    return lookup_format(lookup, "%s %s %s: %s; %s.", name, type, verdict, cause->finding.message,
                         cause->remedy);
}
