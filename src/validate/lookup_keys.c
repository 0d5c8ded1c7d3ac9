/* A zone's keys: what vouches for them (DS or anchor), the match, the signature over the set
 * (RFC 4035 section 5.2, RFC 4509). */
#include "validate/lookup_parts.h"

#include "base/error.h"
#include "base/reader.h"

#include <stdio.h>
#include <string.h>

#define DS_DIGEST     4 /* place of the digest in DS rdata */
#define VOUCHERS_MOST 32
#define TRUST_LONGEST 86400 /* seconds that a zone's keys are believed without asking again */
#define LIST_TEXT     300

/* One DS, or one DNSKEY of an anchor. */
struct claim {
    const uint8_t *rdata;
    uint16_t length;
    uint16_t type;
    uint16_t tag;
    uint8_t algorithm;
    uint8_t digest; /* type of a DS; 0 for DNSKEY */
    bool algorithm_known, usable;
    bool matches, matches_unfit;
};

struct judging {
    struct validate_lookup *lookup;
    const struct lookup_voucher *voucher;
    struct claim claims[VOUCHERS_MOST];
    size_t count;
    struct validate_chain *chain;
    uint32_t parent; /* node that vouches; VALIDATE_NO_NODE */
};

void lookup_keep(struct validate_lookup *lookup, struct validate_chain *chain)
{
    struct lookup_chain *kept = lookup_alloc(lookup, &lookup->arena, sizeof(*kept));
    if (kept == NULL) {
        validate_chain_unref(chain);
        return;
    }
    kept->chain = chain;
    kept->next = lookup->chains;
    lookup->chains = kept;
    if (chain->until > lookup->work.now && lookup->only == NULL)
        validate_trust_keep(lookup->trust, chain);
}

static struct lookup_state plain(const struct judging *judging, enum lookup_verdict verdict)
{
    return (struct lookup_state){.name = judging->voucher->name,
                                 .verdict = verdict,
                                 .node = VALIDATE_NO_NODE,
                                 .finding = VALIDATE_NO_CAUSE};
}

/*
 * What is claimed.
 */
static void read_claim(struct judging *judging, uint16_t type, const uint8_t *rdata,
                       uint16_t length)
{
    const struct validate_work *work = &judging->lookup->work;
    if (judging->count == VOUCHERS_MOST || length < 5)
        return;
    struct claim *claim = &judging->claims[judging->count++];
    *claim = (struct claim){.rdata = rdata, .length = length, .type = type};
    if (type == DNS_TYPE_DS) {
        claim->tag = base_load_u16(rdata);
        claim->algorithm = rdata[2];
        claim->digest = rdata[3];
    } else {
        claim->tag = crypto_key_tag(rdata, length);
        claim->algorithm = rdata[3];
    }
    claim->algorithm_known = validate_algorithm_supported(work, claim->algorithm);
    claim->usable =
        claim->algorithm_known && (type == DNS_TYPE_DNSKEY || claim->digest == 2 ||
                                   claim->digest == 4 || (claim->digest == 1 && work->legacy));
}

static void read_claims(struct judging *judging)
{
    const struct lookup_voucher *voucher = judging->voucher;
    if (voucher->anchor != NULL) {
        for (size_t i = 0; i < voucher->anchor->count; i++) {
            const struct validate_anchor_record *record = &voucher->anchor->records[i];
            if (validate_anchor_valid(record, judging->lookup->work.now))
                read_claim(judging, record->type, record->rdata, record->length);
        }
    } else {
        for (size_t i = 0; i < voucher->ds->count; i++)
            read_claim(judging, DNS_TYPE_DS, voucher->ds->records[i]->rdata,
                       voucher->ds->records[i]->length);
    }
    bool better = false;
    for (size_t i = 0; i < judging->count; i++)
        better = better || (judging->claims[i].usable && judging->claims[i].digest > 1);
    for (size_t i = 0; better && i < judging->count; i++) {
        if (judging->claims[i].digest == 1) /* RFC 4509 section 3 */
            judging->claims[i].usable = false;
    }
}

static bool any_usable(const struct judging *judging)
{
    for (size_t i = 0; i < judging->count; i++) {
        if (judging->claims[i].usable)
            return true;
    }
    return false;
}

/* The anchor's records, those of one type in one set. */
static int keep_anchor(struct judging *judging)
{
    struct validate_chain *chain = judging->chain;
    struct validate_evidence *items = base_arena_zalloc(&chain->arena, 2 * sizeof(*items));
    if (items == NULL)
        return BASE_ENOMEM;
    size_t sets = 0;
    static const uint16_t types[] = {DNS_TYPE_DS, DNS_TYPE_DNSKEY};
    for (size_t t = 0; t < 2; t++) {
        struct validate_rdata rdata[VOUCHERS_MOST];
        size_t count = 0;
        for (size_t i = 0; i < judging->count; i++) {
            if (judging->claims[i].type == types[t])
                rdata[count++] = (struct validate_rdata){.data = judging->claims[i].rdata,
                                                         .length = judging->claims[i].length};
        }
        if (count == 0)
            continue;
        struct validate_records records = {
            .name = chain->name, .type = types[t], .rdata = rdata, .count = count};
        int error = validate_chain_records(chain, &records, &items[sets++].records);
        if (error != BASE_OK)
            return error;
    }
    chain->anchored = true;
    chain->vouchers = items;
    chain->voucher_count = sets;
    return BASE_OK;
}

static int keep_ds(struct judging *judging)
{
    const struct lookup_voucher *voucher = judging->voucher;
    struct validate_chain *chain = judging->chain;
    struct validate_evidence *item = base_arena_zalloc(&chain->arena, sizeof(*item));
    if (item == NULL)
        return BASE_ENOMEM;
    chain->vouchers = item;
    chain->voucher_count = 1;
    chain->skewed = voucher->checked->skewed;
    chain->expiry = voucher->checked->expiry;
    return validate_chain_evidence(chain, voucher->ds, voucher->checked->signatures,
                                   voucher->checked->signature_count, item);
}

static bool begin_chain(struct judging *judging)
{
    const struct lookup_voucher *voucher = judging->voucher;
    struct validate_lookup *lookup = judging->lookup;
    judging->chain =
        validate_chain_new(voucher->name, voucher->up == NULL ? NULL : voucher->up->chain);
    int error = judging->chain == NULL    ? BASE_ENOMEM
                : voucher->anchor != NULL ? keep_anchor(judging)
                                          : keep_ds(judging);
    if (error == BASE_OK)
        return true;
    validate_chain_unref(judging->chain);
    lookup->error = error;
    return false;
}

static base_time limit_until(const struct judging *judging, uint32_t ttl)
{
    const struct lookup_voucher *voucher = judging->voucher;
    base_time now = judging->lookup->work.now;
    base_time until = now + (ttl < TRUST_LONGEST ? ttl : TRUST_LONGEST);
    if (voucher->up != NULL) {
        base_time ds = now + voucher->checked->ttl, parent = voucher->up->chain->until;
        until = until < ds ? until : ds;
        return until < parent ? until : parent;
    }
    for (size_t i = 0; i < voucher->anchor->count; i++) {
        base_time end = voucher->anchor->records[i].until;
        if (end > now && end < until)
            until = end;
    }
    return until;
}

/* Nothing that vouches is supported: the zone counts as unsigned. */
static struct lookup_state end_unsupported(struct judging *judging)
{
    struct validate_lookup *lookup = judging->lookup;
    if (!begin_chain(judging))
        return plain(judging, LOOKUP_PENDING);
    struct validate_chain *chain = judging->chain;
    bool algorithm_known = false;
    for (size_t i = 0; i < judging->count; i++)
        algorithm_known = algorithm_known || judging->claims[i].algorithm_known;
    const struct claim *first = judging->count > 0 ? &judging->claims[0] : NULL;
    const char *apex = lookup_text(lookup, chain->name);
    chain->code = algorithm_known ? VALIDATE_UNSUPPORTED_DIGEST : VALIDATE_UNSUPPORTED_ALGORITHM;
    chain->ede = algorithm_known ? 2 : 1;
    const char *what = chain->anchored ? "trust anchors" : "DS";
    if (algorithm_known)
        chain->message = base_arena_printf(
            &chain->arena,
            "all %s of %s are of unsupported digest types, such as %u: it counts as unsigned", what,
            apex, first->digest);
    else
        chain->message = base_arena_printf(
            &chain->arena,
            "all %s of %s are of unsupported algorithms, such as %u: it counts as unsigned", what,
            apex, first == NULL ? 0 : first->algorithm);
    chain->note = chain->message;
    if (chain->message == NULL) {
        lookup->error = BASE_ENOMEM;
        validate_chain_unref(chain);
        return plain(judging, LOOKUP_PENDING);
    }
    chain->until = limit_until(judging, TRUST_LONGEST);
    lookup_keep(lookup, chain);
    return *lookup_zone(lookup, chain->name, false);
}

/*
 * The match.
 */
static bool claim_matches(struct validate_lookup *lookup, const struct claim *claim,
                          const uint8_t *zone, const struct validate_zone_key *key)
{
    if (claim->type == DNS_TYPE_DNSKEY)
        return claim->length == key->length && memcmp(claim->rdata, key->rdata, key->length) == 0;
    uint8_t digest[CRYPTO_DIGEST_MAX];
    size_t length;
    /* A digest that cannot be had for want of memory is no sign that the key is another one. */
    return lookup_ok(lookup, crypto_ds_digest(claim->digest, zone, key->rdata, key->length, digest,
                                              &length)) &&
           length == (size_t)claim->length - DS_DIGEST &&
           memcmp(digest, claim->rdata + DS_DIGEST, length) == 0;
}

/* RFC 5011: revoking a key changes its tag. It is the key that the claim meant all the same. */
static bool claim_matches_revoked(struct validate_lookup *lookup, const struct claim *claim,
                                  const uint8_t *zone, const struct validate_zone_key *key)
{
    uint8_t rdata[CRYPTO_DNSKEY_MAX];
    if (!(key->flags & 0x0080) || key->length > sizeof(rdata))
        return false;
    memcpy(rdata, key->rdata, key->length);
    base_store_u16(rdata, key->flags & (uint16_t)~0x0080);
    if (crypto_key_tag(rdata, key->length) != claim->tag)
        return false;
    struct validate_zone_key before = *key;
    before.rdata = rdata;
    return claim_matches(lookup, claim, zone, &before);
}

static void match(struct judging *judging)
{
    struct validate_lookup *lookup = judging->lookup;
    struct validate_chain *chain = judging->chain;
    unsigned left = lookup->work.budgets.ds_pairs;
    bool over = false, found = false;
    for (size_t i = 0; i < judging->count; i++) {
        struct claim *claim = &judging->claims[i];
        for (size_t k = 0; claim->usable && k < chain->keys.count; k++) {
            struct validate_zone_key *key = &chain->keys.keys[k];
            bool revoked = (key->flags & 0x0080) != 0;
            if (key->algorithm != claim->algorithm || (key->tag != claim->tag && !revoked))
                continue;
            if (left == 0) {
                over = true;
                continue;
            }
            left--;
            if (key->tag == claim->tag && claim_matches(lookup, claim, chain->name, key)) {
                claim->matches = key->fit;
                claim->matches_unfit = !key->fit;
                key->trusted = key->trusted || key->fit;
                found = found || key->fit;
            } else if (revoked && claim_matches_revoked(lookup, claim, chain->name, key)) {
                claim->matches_unfit = true;
            }
        }
    }
    if (over && !found)
        validate_work_spend(&lookup->work, "ds_pairs", lookup->work.budgets.ds_pairs, chain->name,
                            DNS_TYPE_DS);
}

/*
 * What is wrong, told with the values.
 */
static void list_claims(const struct judging *judging, char out[LIST_TEXT])
{
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < judging->count && at < LIST_TEXT - 60; i++) {
        const struct claim *claim = &judging->claims[i];
        at += (size_t)snprintf(out + at, LIST_TEXT - at, "%stag %u, algorithm %u",
                               i == 0 ? "" : "; ", claim->tag, claim->algorithm);
        if (claim->type == DNS_TYPE_DS)
            at += (size_t)snprintf(out + at, LIST_TEXT - at, ", digest type %u", claim->digest);
    }
}

static void list_keys(const struct validate_chain *chain, char out[LIST_TEXT])
{
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < chain->keys.count && at < LIST_TEXT - 60; i++) {
        const struct validate_zone_key *key = &chain->keys.keys[i];
        at += (size_t)snprintf(out + at, LIST_TEXT - at, "%stag %u, algorithm %u, flags %u",
                               i == 0 ? "" : "; ", key->tag, key->algorithm, key->flags);
    }
}

static const char *owner_remedy(struct judging *judging, const char *what)
{
    struct validate_lookup *lookup = judging->lookup;
    const char *text = base_arena_printf(&lookup->pass.arena, "the operator of %s %s",
                                         lookup_text(lookup, judging->voucher->name), what);
    if (text == NULL)
        lookup->error = BASE_ENOMEM;
    return text;
}

static uint32_t explain_match(struct judging *judging, const struct lookup_packet *packet,
                              uint32_t node)
{
    struct validate_lookup *lookup = judging->lookup;
    const char *zone = lookup_text(lookup, judging->voucher->name);
    bool anchored = judging->voucher->anchor != NULL, unfit = false, tag = false;
    for (size_t i = 0; i < judging->count; i++) {
        const struct claim *claim = &judging->claims[i];
        unfit = unfit || claim->matches_unfit;
        for (size_t k = 0; k < judging->chain->keys.count; k++)
            tag = tag || (claim->usable && judging->chain->keys.keys[k].tag == claim->tag &&
                          judging->chain->keys.keys[k].algorithm == claim->algorithm);
    }
    char wanted[LIST_TEXT], there[LIST_TEXT];
    list_claims(judging, wanted);
    list_keys(judging->chain, there);
    struct lookup_problem problem = {.ede = 9,
                                     .name = judging->voucher->name,
                                     .type = DNS_TYPE_DNSKEY,
                                     .node = node,
                                     .cause = VALIDATE_NO_CAUSE,
                                     .server = packet->server};
    if (unfit) {
        problem.code = VALIDATE_DS_UNFIT;
        problem.ede = 11;
        problem.remedy = owner_remedy(judging, "must have the DS of a key that is in use "
                                               "published at the parent");
        return lookup_report(lookup, &problem,
                             "%s of %s (%s) matches only a key that is revoked, no zone key or "
                             "malformed; the keys there are: %s",
                             anchored ? "the trust anchor" : "the DS", zone, wanted, there);
    }
    problem.code = anchored ? VALIDATE_ANCHOR_UNMATCHED : VALIDATE_DS_UNMATCHED;
    problem.remedy = anchored ? "you must bring your trust anchors up to date"
                              : owner_remedy(judging, "must have the parent publish a DS of a "
                                                      "key that is there, or bring back the key "
                                                      "that the DS wants");
    return lookup_report(lookup, &problem,
                         "%s of %s (%s) matches no key of the zone%s; the keys "
                         "there are: %s",
                         anchored ? "no trust anchor" : "no DS", zone, wanted,
                         tag ? " (a key has that tag, but another digest)" : "", there);
}

static uint32_t explain_missing(struct judging *judging, const struct lookup_packet *packet)
{
    struct validate_lookup *lookup = judging->lookup;
    char wanted[LIST_TEXT];
    list_claims(judging, wanted);
    struct lookup_problem problem = {
        .code = VALIDATE_DNSKEY_MISSING,
        .ede = 9,
        .name = judging->voucher->name,
        .type = DNS_TYPE_DNSKEY,
        .node = judging->parent,
        .cause = VALIDATE_NO_CAUSE,
        .server = packet->server,
        .remedy = owner_remedy(judging, "must publish the zone's DNSKEY records, or have the DS "
                                        "removed at the parent")};
    return lookup_report(lookup, &problem,
                         "%s has no DNSKEY records, but keys are vouched for (%s)",
                         lookup_text(lookup, judging->voucher->name), wanted);
}

/* The node that vouches, when the chain above it did not become one. */
static uint32_t voucher_node(struct judging *judging)
{
    const struct lookup_voucher *voucher = judging->voucher;
    struct validate_lookup *lookup = judging->lookup;
    if (voucher->anchor == NULL) {
        struct lookup_group_node node = {.kind = VALIDATE_NODE_DS,
                                         .verdict = LOOKUP_SECURE,
                                         .parent = voucher->up->node,
                                         .group = voucher->ds,
                                         .checked = voucher->checked,
                                         .zone = voucher->up->chain->name};
        return lookup_group_node(lookup, &node);
    }
    struct validate_key_note *notes =
        lookup_alloc(lookup, &lookup->pass.arena, judging->count * sizeof(*notes));
    for (size_t i = 0; notes != NULL && i < judging->count; i++)
        notes[i] = (struct validate_key_note){.tag = judging->claims[i].tag,
                                              .algorithm = judging->claims[i].algorithm,
                                              .trusted = true};
    struct validate_node node = {.kind = VALIDATE_NODE_ANCHOR,
                                 .status = VALIDATE_SECURE,
                                 .parent = VALIDATE_NO_NODE,
                                 .name = voucher->name,
                                 .type = judging->count > 0 ? judging->claims[0].type : DNS_TYPE_DS,
                                 .keys = notes,
                                 .key_count = notes == NULL ? 0 : judging->count};
    return lookup_node(lookup, &node);
}

static const struct validate_key_note *make_notes(struct judging *judging, struct base_arena *arena)
{
    const struct validate_zone_keys *keys = &judging->chain->keys;
    struct validate_key_note *notes =
        lookup_alloc(judging->lookup, arena, keys->count * sizeof(*notes));
    for (size_t i = 0; notes != NULL && i < keys->count; i++)
        notes[i] = (struct validate_key_note){.tag = keys->keys[i].tag,
                                              .flags = keys->keys[i].flags,
                                              .algorithm = keys->keys[i].algorithm,
                                              .trusted = keys->keys[i].trusted,
                                              .signs = keys->keys[i].signs};
    return notes;
}

static struct lookup_state bogus_keys(struct judging *judging, const struct lookup_packet *packet,
                                      struct validate_group *group,
                                      const struct validate_checked *checked, bool matched)
{
    struct validate_lookup *lookup = judging->lookup;
    judging->parent = voucher_node(judging);
    struct lookup_group_node what = {.kind = VALIDATE_NODE_KEYS,
                                     .verdict = LOOKUP_BOGUS,
                                     .parent = judging->parent,
                                     .group = group,
                                     .checked = checked,
                                     .zone = judging->voucher->name};
    struct lookup_state state = plain(judging, LOOKUP_BOGUS);
    state.node = lookup_group_node(lookup, &what);
    if (state.node != VALIDATE_NO_NODE) {
        struct validate_node *node = &lookup->pass.nodes[state.node];
        node->keys = make_notes(judging, &lookup->pass.arena);
        node->key_count = node->keys == NULL ? 0 : judging->chain->keys.count;
    }
    state.finding =
        matched ? lookup_explain_set(lookup, packet, group, checked, judging->chain, state.node)
                : explain_match(judging, packet, state.node);
    return state;
}

/* The set came: are its keys vouched for, and does one of these sign it? */
static struct lookup_state judge_set(struct judging *judging, const struct lookup_packet *packet,
                                     struct validate_group *group)
{
    struct validate_lookup *lookup = judging->lookup;
    struct validate_chain *chain = judging->chain;
    struct validate_evidence set = {0};
    if (!lookup_ok(lookup, validate_chain_evidence(chain, group, NULL, 0, &set)) ||
        !lookup_ok(lookup, validate_chain_keys(chain, &lookup->work, &set.records)))
        return plain(judging, LOOKUP_PENDING);
    match(judging);
    bool matched = false;
    for (size_t i = 0; i < chain->keys.count; i++)
        matched = matched || chain->keys.keys[i].trusted;
    const struct validate_checked *checked = NULL;
    if (matched && !lookup_ok(lookup, validate_rrset_check(&lookup->work, group, &chain->keys, true,
                                                           &checked)))
        return plain(judging, LOOKUP_PENDING);
    if (!matched || !checked->good || checked->wildcard != NULL)
        return bogus_keys(judging, packet, group, checked, matched);
    chain->secure = true;
    chain->skewed = chain->skewed || checked->skewed;
    chain->expiry = lookup_earlier(chain->expiry, checked->expiry);
    chain->until = limit_until(judging, checked->ttl);
    chain->notes = make_notes(judging, &chain->arena);
    if (!lookup_ok(lookup, validate_chain_evidence(chain, group, checked->signatures,
                                                   checked->signature_count, &chain->dnskey)))
        return plain(judging, LOOKUP_PENDING);
    validate_chain_ref(chain);
    lookup_keep(lookup, chain);
    return *lookup_zone(lookup, chain->name, false);
}

struct lookup_state lookup_keys(struct validate_lookup *lookup,
                                const struct lookup_voucher *voucher)
{
    struct judging judging = {.lookup = lookup, .voucher = voucher, .parent = VALIDATE_NO_NODE};
    read_claims(&judging);
    if (!any_usable(&judging))
        return end_unsupported(&judging);
    struct lookup_packet *packet = lookup_need(lookup, voucher->name, DNS_TYPE_DNSKEY);
    if (!lookup_here(packet))
        return plain(&judging, LOOKUP_PENDING);
    struct lookup_state state = plain(&judging, LOOKUP_ERROR);
    if (!packet->usable) {
        state.finding = lookup_explain_packet(lookup, packet);
        return state;
    }
    struct validate_group *group =
        validate_message_find(&packet->message, DNS_SECTION_ANSWER, voucher->name, DNS_TYPE_DNSKEY);
    if (group == NULL || group->count == 0) {
        judging.parent = voucher_node(&judging);
        state.verdict = LOOKUP_BOGUS;
        state.node = judging.parent;
        state.finding = explain_missing(&judging, packet);
        return state;
    }
    if (!begin_chain(&judging))
        return plain(&judging, LOOKUP_PENDING);
    state = judge_set(&judging, packet, group);
    validate_chain_unref(judging.chain);
    return state;
}
