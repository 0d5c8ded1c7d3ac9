/* The draft of a result: nodes, findings and hops, as a pass makes them. */
#include "validate/lookup_parts.h"

#include "base/error.h"
#include "base/reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DRAFT_NODES    400
#define DRAFT_FINDINGS 100
#define MESSAGE_TEXT   1024

/* Room for one more in an array that grows in the pass's memory. */
static bool make_room(struct validate_lookup *lookup, void **items, size_t count, size_t *capacity,
                      size_t size)
{
    if (count < *capacity)
        return true;
    size_t more = *capacity == 0 ? 16 : *capacity * 2;
    void *grown = lookup_alloc(lookup, &lookup->pass.arena, more * size);
    if (grown == NULL)
        return false;
    if (count > 0)
        memcpy(grown, *items, count * size);
    *items = grown;
    *capacity = more;
    return true;
}

enum validate_status lookup_status(enum lookup_verdict verdict)
{
    switch (verdict) {
    case LOOKUP_SECURE:
    case LOOKUP_NO_CUT:
        return VALIDATE_SECURE;
    case LOOKUP_INSECURE:
        return VALIDATE_INSECURE;
    case LOOKUP_BOGUS:
        return VALIDATE_BOGUS;
    case LOOKUP_INDETERMINATE:
        return VALIDATE_INDETERMINATE;
    case LOOKUP_PENDING:
    case LOOKUP_ERROR:
        break;
    }
    return VALIDATE_ERROR;
}

uint32_t lookup_node(struct validate_lookup *lookup, const struct validate_node *node)
{
    struct lookup_pass *pass = &lookup->pass;
    if (lookup->no_proof || pass->node_count >= DRAFT_NODES)
        return VALIDATE_NO_NODE;
    void *items = pass->nodes;
    if (!make_room(lookup, &items, pass->node_count, &pass->node_capacity, sizeof(*node)))
        return VALIDATE_NO_NODE;
    pass->nodes = items;
    pass->nodes[pass->node_count] = *node;
    return (uint32_t)pass->node_count++;
}

uint32_t lookup_report(struct validate_lookup *lookup, const struct lookup_problem *problem,
                       const char *format, ...)
{
    struct lookup_pass *pass = &lookup->pass;
    char message[MESSAGE_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    if (pass->finding_count >= DRAFT_FINDINGS)
        return problem->cause;
    for (size_t i = 0; i < pass->finding_count; i++) {
        /* Two branches may come upon the same thing. */
        if (pass->findings[i].finding.code == problem->code &&
            strcmp(pass->findings[i].finding.message, message) == 0)
            return (uint32_t)i;
    }
    void *items = pass->findings;
    if (!make_room(lookup, &items, pass->finding_count, &pass->finding_capacity,
                   sizeof(*pass->findings)))
        return VALIDATE_NO_CAUSE;
    pass->findings = items;
    const char *kept = base_arena_strndup(&pass->arena, message, strlen(message));
    char type[DNS_TYPE_TEXT];
    const char *type_text = NULL;
    if (problem->type != 0) {
        dns_type_text(type, problem->type);
        type_text = base_arena_strndup(&pass->arena, type, strlen(type));
    }
    if (kept == NULL || (problem->type != 0 && type_text == NULL)) {
        lookup->error = BASE_ENOMEM;
        return VALIDATE_NO_CAUSE;
    }
    pass->findings[pass->finding_count] = (struct lookup_finding){
        .finding = {.code = problem->code,
                    .severity = base_finding_info(problem->code)->severity,
                    .ede = problem->ede,
                    .cause = problem->cause,
                    .node = problem->node,
                    .owner = problem->name == NULL ? NULL : lookup_text(lookup, problem->name),
                    .type = type_text,
                    .server = problem->server,
                    .message = kept},
        .remedy = problem->remedy,
        .mismatch = problem->mismatch};
    return (uint32_t)pass->finding_count++;
}

void lookup_hop(struct validate_lookup *lookup, const struct validate_hop *hop)
{
    struct lookup_pass *pass = &lookup->pass;
    void *items = pass->hops;
    if (!make_room(lookup, &items, pass->hop_count, &pass->hop_capacity, sizeof(*hop)))
        return;
    pass->hops = items;
    pass->hops[pass->hop_count++] = *hop;
}

struct lookup_mark lookup_mark(const struct validate_lookup *lookup)
{
    const struct lookup_pass *pass = &lookup->pass;
    return (struct lookup_mark){.nodes = pass->node_count,
                                .findings = pass->finding_count,
                                .hops = pass->hop_count,
                                .states = pass->states};
}

void lookup_back(struct validate_lookup *lookup, const struct lookup_mark *mark)
{
    struct lookup_pass *pass = &lookup->pass;
    pass->node_count = mark->nodes;
    pass->finding_count = mark->findings;
    pass->hop_count = mark->hops;
    pass->states = mark->states;
}

/*
 * Nodes of zones that were judged, from what is kept of them.
 */
static uint32_t known_node(const struct lookup_pass *pass, const struct validate_chain *chain)
{
    /* The name's place tells one chain from another; the last node of a chain is the one that
     * things hang on. */
    for (size_t i = pass->node_count; i-- > 0;) {
        if (pass->nodes[i].name == chain->name)
            return (uint32_t)i;
    }
    return VALIDATE_NO_NODE;
}

/* All sets of some evidence in one array, and all their signatures in another. */
static void gather_evidence(struct validate_lookup *lookup, const struct validate_evidence *items,
                            size_t count, struct validate_node *node)
{
    size_t signatures = 0;
    for (size_t i = 0; i < count; i++)
        signatures += items[i].signature_count;
    struct base_arena *arena = &lookup->pass.arena;
    struct validate_records *sets = lookup_alloc(lookup, arena, count * sizeof(*sets));
    struct validate_signature *all = lookup_alloc(lookup, arena, signatures * sizeof(*all));
    if (sets == NULL || all == NULL)
        return;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        sets[i] = items[i].records;
        for (size_t k = 0; k < items[i].signature_count; k++) {
            all[at] = items[i].signatures[k];
            all[at++].set = (uint32_t)i;
        }
    }
    node->sets = sets;
    node->set_count = count;
    node->signatures = all;
    node->signature_count = signatures;
}

/* The keys that an anchor is of, by its records. */
static void anchor_keys(struct validate_lookup *lookup, const struct validate_chain *chain,
                        struct validate_node *node)
{
    size_t count = 0;
    for (size_t i = 0; i < chain->voucher_count; i++)
        count += chain->vouchers[i].records.count;
    struct validate_key_note *notes =
        lookup_alloc(lookup, &lookup->pass.arena, count * sizeof(*notes));
    if (notes == NULL)
        return;
    size_t at = 0;
    for (size_t i = 0; i < chain->voucher_count; i++) {
        const struct validate_records *records = &chain->vouchers[i].records;
        for (size_t k = 0; k < records->count; k++) {
            const struct validate_rdata *rdata = &records->rdata[k];
            struct validate_key_note *note = &notes[at++];
            *note = (struct validate_key_note){.trusted = true};
            if (rdata->length < 4)
                continue;
            bool ds = records->type == DNS_TYPE_DS;
            note->tag =
                ds ? base_load_u16(rdata->data) : crypto_key_tag(rdata->data, rdata->length);
            note->algorithm = ds ? rdata->data[2] : rdata->data[3];
            note->flags = ds ? 0 : base_load_u16(rdata->data);
        }
    }
    node->keys = notes;
    node->key_count = count;
}

static uint32_t voucher_node(struct validate_lookup *lookup, struct validate_chain *chain,
                             uint32_t parent)
{
    struct validate_node node = {.parent = parent, .name = chain->name, .note = chain->note};
    node.status = chain->secure ? VALIDATE_SECURE : VALIDATE_INSECURE;
    if (chain->anchored)
        node.kind = VALIDATE_NODE_ANCHOR;
    else if (chain->denied)
        node.kind = VALIDATE_NODE_NO_DS;
    else
        node.kind = VALIDATE_NODE_DS;
    node.type =
        chain->anchored && chain->voucher_count > 0 ? chain->vouchers[0].records.type : DNS_TYPE_DS;
    if (chain->parent != NULL)
        node.zone = chain->parent->name;
    gather_evidence(lookup, chain->vouchers, chain->voucher_count, &node);
    if (chain->anchored)
        anchor_keys(lookup, chain, &node);
    return lookup_node(lookup, &node);
}

uint32_t lookup_chain_node(struct validate_lookup *lookup, struct validate_chain *chain)
{
    if (lookup->no_proof)
        return VALIDATE_NO_NODE;
    uint32_t known = known_node(&lookup->pass, chain);
    if (known != VALIDATE_NO_NODE)
        return known;
    uint32_t parent =
        chain->parent == NULL ? VALIDATE_NO_NODE : lookup_chain_node(lookup, chain->parent);
    uint32_t voucher = voucher_node(lookup, chain, parent);
    if (!chain->secure)
        return voucher;
    struct validate_node node = {.kind = VALIDATE_NODE_KEYS,
                                 .status = VALIDATE_SECURE,
                                 .parent = voucher,
                                 .name = chain->name,
                                 .type = DNS_TYPE_DNSKEY,
                                 .zone = chain->name,
                                 .keys = chain->notes,
                                 .key_count = chain->keys.count};
    gather_evidence(lookup, &chain->dnskey, 1, &node);
    return lookup_node(lookup, &node);
}

uint32_t lookup_group_node(struct validate_lookup *lookup, const struct lookup_group_node *what)
{
    if (lookup->no_proof)
        return VALIDATE_NO_NODE;
    struct validate_group *group = what->group;
    struct base_arena *arena = &lookup->pass.arena;
    struct validate_records *records = lookup_alloc(lookup, arena, sizeof(*records));
    if (records == NULL ||
        !lookup_ok(lookup, validate_group_records(group, group->ttl, arena, records)))
        return VALIDATE_NO_NODE;
    struct validate_node node = {.kind = what->kind,
                                 .status = lookup_status(what->verdict),
                                 .parent = what->parent,
                                 .name = group->name,
                                 .type = group->type,
                                 .zone = what->zone,
                                 .sets = records,
                                 .set_count = 1,
                                 .note = what->note};
    if (what->checked != NULL) {
        node.wildcard = what->checked->wildcard;
        node.signatures = what->checked->signatures;
        node.signature_count = what->checked->signature_count;
    } else if (group->signature_count > 0) {
        const uint8_t *zone = what->zone != NULL ? what->zone : group->name;
        lookup_ok(lookup, validate_rrset_look(&lookup->work, group, zone, &node.signatures,
                                              &node.signature_count));
    }
    return lookup_node(lookup, &node);
}

uint32_t lookup_proof_node(struct validate_lookup *lookup, const struct lookup_proof *proof,
                           enum lookup_verdict verdict, uint32_t parent)
{
    if (lookup->no_proof)
        return VALIDATE_NO_NODE;
    struct base_arena *arena = &lookup->pass.arena;
    struct validate_evidence items[4];
    for (size_t i = 0; i < proof->group_count; i++) {
        const struct validate_checked *checked = proof->groups[i]->checked;
        while (checked != NULL && !dns_name_equal(checked->zone, proof->chain->name))
            checked = checked->next;
        if (!lookup_ok(lookup, validate_group_records(proof->groups[i], proof->groups[i]->ttl,
                                                      arena, &items[i].records)))
            return VALIDATE_NO_NODE;
        items[i].signatures = checked == NULL ? NULL : checked->signatures;
        items[i].signature_count = checked == NULL ? 0 : checked->signature_count;
    }
    struct validate_node node = {.kind = VALIDATE_NODE_DENIAL,
                                 .status = lookup_status(verdict),
                                 .parent = parent,
                                 .name = proof->name,
                                 .zone = proof->chain->name,
                                 .note = proof->proof.why[0] != '\0' ? proof->proof.why : NULL};
    if (proof->kind == LOOKUP_DENIED_TYPE)
        node.type = (uint16_t)proof->detail;
    else if (proof->kind == LOOKUP_DENIED_DS)
        node.type = DNS_TYPE_DS;
    gather_evidence(lookup, items, proof->group_count, &node);
    return lookup_node(lookup, &node);
}
