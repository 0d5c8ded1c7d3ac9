/* Results: names of what they hold, references, and the copy that puts one into memory of its own.
 */
#include "validate/result.h"

#include "base/arena.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* What is behind a result; the result is its first member, so that one pointer is both. */
struct kept_result {
    struct validate_result result;
    atomic_uint references;
    struct base_arena arena;
};

const char *validate_status_name(enum validate_status status)
{
    static const char *const names[] = {"secure", "insecure", "bogus", "indeterminate", "error"};
    return names[status];
}

const char *validate_signature_verdict_name(enum validate_signature_verdict verdict)
{
    static const char *const names[] = {
        [VALIDATE_SIGNATURE_GOOD] = "good",
        [VALIDATE_SIGNATURE_NOT_TRIED] = "not tried",
        [VALIDATE_SIGNATURE_EXPIRED] = "expired",
        [VALIDATE_SIGNATURE_FUTURE] = "not yet valid",
        [VALIDATE_SIGNATURE_NO_KEY] = "no such key",
        [VALIDATE_SIGNATURE_MISMATCH] = "does not verify",
        [VALIDATE_SIGNATURE_SIGNER] = "wrong signer",
        [VALIDATE_SIGNATURE_UNSUPPORTED] = "unsupported algorithm",
        [VALIDATE_SIGNATURE_MALFORMED] = "malformed",
        [VALIDATE_SIGNATURE_KEY_UNFIT] = "unfit key",
        [VALIDATE_SIGNATURE_BUDGET] = "budget spent",
    };
    return names[verdict];
}

const char *validate_node_kind_name(enum validate_node_kind kind)
{
    static const char *const names[] = {
        [VALIDATE_NODE_ANCHOR] = "anchor", [VALIDATE_NODE_NEGATIVE] = "negative-anchor",
        [VALIDATE_NODE_KEYS] = "keys",     [VALIDATE_NODE_DS] = "ds",
        [VALIDATE_NODE_NO_DS] = "no-ds",   [VALIDATE_NODE_ALIAS] = "alias",
        [VALIDATE_NODE_RRSET] = "rrset",   [VALIDATE_NODE_DENIAL] = "denial",
    };
    return names[kind];
}

/*
 * Copying. Without memory `failed` is set and what was made so far is thrown away as a whole.
 */
struct copier {
    struct base_arena *arena;
    bool failed;
};

static void *copy_octets(struct copier *copier, const void *data, size_t length)
{
    if (data == NULL || copier->failed)
        return NULL;
    void *copy = base_arena_dup(copier->arena, data, length);
    copier->failed = copy == NULL;
    return copy;
}

static const uint8_t *copy_name(struct copier *copier, const uint8_t *name)
{
    return name == NULL ? NULL : copy_octets(copier, name, dns_name_length(name));
}

static const char *copy_text(struct copier *copier, const char *text)
{
    return text == NULL ? NULL : copy_octets(copier, text, strlen(text) + 1);
}

/* An array of `count` things; NULL when there are none. */
static void *copy_array(struct copier *copier, const void *data, size_t count, size_t size)
{
    return count == 0 ? NULL : copy_octets(copier, data, count * size);
}

static const struct validate_records *copy_sets(struct copier *copier,
                                                const struct validate_records *from, size_t count)
{
    struct validate_records *sets = copy_array(copier, from, count, sizeof(*sets));
    for (size_t i = 0; sets != NULL && i < count; i++) {
        struct validate_rdata *rdata =
            copy_array(copier, from[i].rdata, from[i].count, sizeof(*rdata));
        for (size_t k = 0; rdata != NULL && k < from[i].count; k++)
            rdata[k].data = copy_octets(copier, rdata[k].data, rdata[k].length);
        sets[i].name = copy_name(copier, from[i].name);
        sets[i].rdata = rdata;
    }
    return sets;
}

static void copy_signature(struct copier *copier, struct validate_signature *signature)
{
    const uint8_t *from = signature->rdata.data;
    if (from == NULL) {
        signature->signer = copy_name(copier, signature->signer);
        return;
    }
    signature->rdata.data = copy_octets(copier, from, signature->rdata.length);
    if (signature->rdata.data != NULL)
        signature->signer = signature->rdata.data + (signature->signer - from);
}

static const struct validate_node *copy_nodes(struct copier *copier,
                                              const struct validate_node *from, size_t count)
{
    struct validate_node *nodes = copy_array(copier, from, count, sizeof(*nodes));
    for (size_t i = 0; nodes != NULL && i < count; i++) {
        struct validate_node *node = &nodes[i];
        node->name = copy_name(copier, node->name);
        node->zone = copy_name(copier, node->zone);
        node->wildcard = copy_name(copier, node->wildcard);
        node->sets = copy_sets(copier, node->sets, node->set_count);
        struct validate_signature *signatures =
            copy_array(copier, node->signatures, node->signature_count, sizeof(*signatures));
        for (size_t k = 0; signatures != NULL && k < node->signature_count; k++)
            copy_signature(copier, &signatures[k]);
        node->signatures = signatures;
        node->keys = copy_array(copier, node->keys, node->key_count, sizeof(*node->keys));
        node->note = copy_text(copier, node->note);
    }
    return nodes;
}

static const struct validate_finding *
copy_findings(struct copier *copier, const struct validate_finding *from, size_t count)
{
    struct validate_finding *findings = copy_array(copier, from, count, sizeof(*findings));
    for (size_t i = 0; findings != NULL && i < count; i++) {
        findings[i].owner = copy_text(copier, from[i].owner);
        findings[i].type = copy_text(copier, from[i].type);
        findings[i].server = copy_text(copier, from[i].server);
        findings[i].message = copy_text(copier, from[i].message);
    }
    return findings;
}

static const struct validate_hop *copy_hops(struct copier *copier, const struct validate_hop *from,
                                            size_t count)
{
    struct validate_hop *hops = copy_array(copier, from, count, sizeof(*hops));
    for (size_t i = 0; hops != NULL && i < count; i++) {
        hops[i].name = copy_name(copier, from[i].name);
        hops[i].target = copy_name(copier, from[i].target);
        hops[i].zone = copy_name(copier, from[i].zone);
    }
    return hops;
}

const struct validate_result *validate_result_copy(const struct validate_result *draft)
{
    struct base_arena arena;
    base_arena_init(&arena, 0);
    struct copier copier = {.arena = &arena};
    struct kept_result *kept = base_arena_zalloc(&arena, sizeof(*kept));
    if (kept == NULL)
        return NULL;
    struct validate_result *result = &kept->result;
    *result = *draft;
    result->name = copy_name(&copier, draft->name);
    result->hops = copy_hops(&copier, draft->hops, draft->hop_count);
    result->answer = copy_sets(&copier, draft->answer, draft->answer_count);
    result->insecure = copy_name(&copier, draft->insecure);
    result->nodes = copy_nodes(&copier, draft->nodes, draft->node_count);
    result->findings = copy_findings(&copier, draft->findings, draft->finding_count);
    result->sentence = copy_text(&copier, draft->sentence);
    if (copier.failed) {
        base_arena_free(&arena);
        return NULL;
    }
    atomic_init(&kept->references, 1);
    kept->arena = arena;
    return result;
}

static struct kept_result *kept_of(const struct validate_result *result)
{
    return (struct kept_result *)(uintptr_t)result;
}

const struct validate_result *validate_result_ref(const struct validate_result *result)
{
    atomic_fetch_add_explicit(&kept_of(result)->references, 1, memory_order_relaxed);
    return result;
}

void validate_result_unref(const struct validate_result *result)
{
    if (result == NULL)
        return;
    struct kept_result *kept = kept_of(result);
    if (atomic_fetch_sub_explicit(&kept->references, 1, memory_order_acq_rel) != 1)
        return;
    struct base_arena arena = kept->arena; /* which the result itself lies in */
    base_arena_free(&arena);
}

size_t validate_result_octets(const struct validate_result *result)
{
    return kept_of(result)->arena.reserved;
}
