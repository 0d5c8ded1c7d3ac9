/* Proofs of non-existence: the verified NSEC and NSEC3 of one packet, handed to denial.h once. */
#include "validate/lookup_parts.h"

#include "base/error.h"
#include "base/reader.h"

#include <string.h>

#define DENIAL_SETS 32 /* NSEC and NSEC3 RRsets of one packet that are looked at */

struct gathered {
    struct validate_denial_record records[DENIAL_SETS];
    struct validate_group *groups[DENIAL_SETS]; /* of each record */
    const struct validate_checked *checked[DENIAL_SETS];
    size_t count;
};

static bool signed_by(const struct validate_group *group, const uint8_t *zone)
{
    for (size_t i = 0; i < group->signature_count && i < VALIDATE_SIGNATURES_SHOWN; i++) {
        if (dns_name_equal(group->signatures[i]->rdata + 18, zone))
            return true;
    }
    return false;
}

/* Takes up what the zone validly signed as it stands, not expanded from a wildcard. What is wrong
 * is passed over: it may be superfluous; the proof then shows whether it was needed. */
static bool gather(struct validate_lookup *lookup, struct lookup_packet *packet,
                   struct validate_chain *chain, struct lookup_proof *proof,
                   struct gathered *gathered)
{
    for (size_t i = 0; i < packet->message.group_count; i++) {
        struct validate_group *group = &packet->message.groups[i];
        if (group->section != DNS_SECTION_AUTHORITY || group->count == 0 ||
            (group->type != DNS_TYPE_NSEC && group->type != DNS_TYPE_NSEC3) ||
            !dns_name_within(group->name, chain->name))
            continue;
        if (proof->seen++ == DENIAL_SETS || !signed_by(group, chain->name))
            continue;
        const struct validate_checked *checked;
        if (!lookup_ok(lookup,
                       validate_rrset_check(&lookup->work, group, &chain->keys, false, &checked)))
            return false;
        if (!checked->good || checked->wildcard != NULL) {
            if (proof->bad == NULL) {
                proof->bad = group;
                proof->bad_checked = checked;
            }
            continue;
        }
        for (size_t k = 0; k < group->count && gathered->count < DENIAL_SETS; k++) {
            size_t at = gathered->count++;
            gathered->records[at] =
                (struct validate_denial_record){.owner = group->name,
                                                .rdata = group->records[k]->rdata,
                                                .length = group->records[k]->length,
                                                .type = group->type};
            gathered->groups[at] = group;
            gathered->checked[at] = checked;
        }
    }
    return true;
}

static void judge_proof(const struct validate_denial_set *set, struct lookup_proof *proof)
{
    switch (proof->kind) {
    case LOOKUP_DENIED_NAME:
        validate_denial_of_name(set, proof->name, &proof->proof);
        break;
    case LOOKUP_DENIED_TYPE:
        validate_denial_of_type(set, proof->name, (uint16_t)proof->detail, &proof->proof);
        break;
    case LOOKUP_DENIED_CLOSER:
        validate_denial_of_closer(set, proof->name, proof->detail, &proof->proof);
        break;
    case LOOKUP_DENIED_DS:
        validate_denial_of_ds(set, proof->name, &proof->proof);
        break;
    }
}

/* The SOA bounds how long an absence may be remembered (RFC 2308 section 5, RFC 9077). */
static uint32_t negative_ttl(const struct lookup_packet *packet, const uint8_t *zone)
{
    const struct validate_group *soa =
        validate_message_find(&packet->message, DNS_SECTION_AUTHORITY, zone, DNS_TYPE_SOA);
    if (soa == NULL || soa->count == 0 || soa->records[0]->length < 4)
        return UINT32_MAX;
    uint32_t minimum = base_load_u32(soa->records[0]->rdata + soa->records[0]->length - 4);
    return minimum < soa->ttl ? minimum : soa->ttl;
}

static void sum_up(const struct lookup_packet *packet, const struct gathered *gathered,
                   struct lookup_proof *proof)
{
    proof->ttl = negative_ttl(packet, proof->chain->name);
    for (size_t i = 0; i < proof->proof.used_count; i++) {
        size_t at = proof->proof.used[i];
        const struct validate_checked *checked = gathered->checked[at];
        if (checked->ttl < proof->ttl)
            proof->ttl = checked->ttl;
        proof->expiry = lookup_earlier(proof->expiry, checked->expiry);
        bool listed = false;
        for (size_t k = 0; k < proof->group_count; k++)
            listed = listed || proof->groups[k] == gathered->groups[at];
        if (!listed)
            proof->groups[proof->group_count++] = gathered->groups[at];
    }
    if (proof->ttl == UINT32_MAX)
        proof->ttl = 0;
}

static bool same(const struct lookup_proof *proof, const struct lookup_packet *packet,
                 const struct validate_chain *chain, enum lookup_denied kind, const uint8_t *name,
                 unsigned detail)
{
    return proof->packet == packet && proof->chain == chain && proof->kind == kind &&
           proof->detail == detail && dns_name_equal(proof->name, name);
}

const struct lookup_proof *lookup_prove(struct validate_lookup *lookup,
                                        struct lookup_packet *packet, struct validate_chain *chain,
                                        enum lookup_denied kind, const uint8_t *name,
                                        unsigned detail)
{
    for (struct lookup_proof *known = lookup->proofs; known != NULL; known = known->next) {
        if (same(known, packet, chain, kind, name, detail))
            return known;
    }
    struct lookup_proof *proof = lookup_alloc(lookup, &lookup->arena, sizeof(*proof));
    struct gathered *gathered = lookup_alloc(lookup, &lookup->pass.arena, sizeof(*gathered));
    if (proof == NULL || gathered == NULL)
        return NULL;
    proof->packet = packet;
    proof->chain = chain;
    proof->kind = kind;
    proof->detail = detail;
    proof->name = base_arena_dup(&lookup->arena, name, dns_name_length(name));
    if (proof->name == NULL) {
        lookup->error = BASE_ENOMEM;
        return NULL;
    }
    if (!gather(lookup, packet, chain, proof, gathered))
        return NULL;
    struct validate_denial_set set = {.zone = chain->name,
                                      .records = gathered->records,
                                      .count = gathered->count,
                                      .iterations_most = lookup->work.budgets.nsec3_iterations,
                                      .hashes_left = &lookup->hashes_left,
                                      .arena = &lookup->arena};
    judge_proof(&set, proof);
    if (proof->proof.outcome == VALIDATE_DENIAL_BUDGET)
        validate_work_spend(&lookup->work, "nsec3_hashes", lookup->work.budgets.nsec3_hashes, name,
                            DNS_TYPE_NSEC3);
    sum_up(packet, gathered, proof);
    proof->next = lookup->proofs;
    lookup->proofs = proof;
    return proof;
}
