/* Zones that were judged, and the bounded store of them: a hash table and a list by last use. */
#include "validate/trust.h"

#include "base/error.h"
#include "base/reader.h"

#include <stdlib.h>
#include <string.h>

#define TRUST_OCTETS ((size_t)1024 * 1024)
#define TRUST_SLOTS  256
/* A parsed public key, which lies outside of the arena: about what OpenSSL takes. */
#define KEY_OCTETS 1024

#define FLAG_ZONE_KEY 0x0100
#define FLAG_REVOKED  0x0080

struct validate_trust {
    size_t limit;
    size_t octets;
    struct validate_chain *newest, *oldest;
    struct validate_chain *slots[TRUST_SLOTS];
};

struct validate_chain *validate_chain_new(const uint8_t *name, struct validate_chain *parent)
{
    struct base_arena arena;
    base_arena_init(&arena, 0);
    struct validate_chain *chain = base_arena_zalloc(&arena, sizeof(*chain));
    if (chain == NULL)
        return NULL;
    chain->name = base_arena_dup(&arena, name, dns_name_length(name));
    chain->references = 1;
    chain->arena = arena;
    chain->code = -1;
    chain->ede = VALIDATE_NO_EDE;
    if (chain->name == NULL) {
        base_arena_free(&arena);
        return NULL;
    }
    if (parent != NULL)
        validate_chain_ref(parent);
    chain->parent = parent;
    return chain;
}

void validate_chain_ref(struct validate_chain *chain)
{
    chain->references++;
}

void validate_chain_unref(struct validate_chain *chain)
{
    /* Parents are let go in a loop: a chain may be as long as a name has labels. */
    while (chain != NULL && --chain->references == 0) {
        struct validate_chain *parent = chain->parent;
        for (size_t i = 0; i < chain->keys.count; i++)
            crypto_verifier_free(chain->keys.keys[i].verifier);
        struct base_arena arena = chain->arena;
        base_arena_free(&arena);
        chain = parent;
    }
}

int validate_chain_records(struct validate_chain *chain, const struct validate_records *records,
                           struct validate_records *out)
{
    struct base_arena *arena = &chain->arena;
    struct validate_rdata *rdata =
        base_arena_dup(arena, records->rdata, records->count * sizeof(*rdata));
    if (rdata == NULL)
        return BASE_ENOMEM;
    *out = *records;
    out->rdata = rdata;
    out->name = base_arena_dup(arena, records->name, dns_name_length(records->name));
    if (out->name == NULL)
        return BASE_ENOMEM;
    for (size_t i = 0; i < records->count; i++) {
        rdata[i].data = base_arena_dup(arena, rdata[i].data, rdata[i].length);
        if (rdata[i].data == NULL)
            return BASE_ENOMEM;
    }
    return BASE_OK;
}

int validate_chain_evidence(struct validate_chain *chain, const struct validate_group *group,
                            const struct validate_signature *signatures, size_t signature_count,
                            struct validate_evidence *out)
{
    struct validate_records records;
    int error = validate_group_records(group, group->ttl, &chain->arena, &records);
    if (error == BASE_OK)
        error = validate_chain_records(chain, &records, &out->records);
    if (error != BASE_OK)
        return error;
    struct validate_signature *copies =
        base_arena_dup(&chain->arena, signatures, signature_count * sizeof(*copies));
    if (copies == NULL)
        return BASE_ENOMEM;
    for (size_t i = 0; i < signature_count; i++) {
        const uint8_t *from = copies[i].rdata.data;
        copies[i].rdata.data = base_arena_dup(&chain->arena, from, copies[i].rdata.length);
        if (copies[i].rdata.data == NULL)
            return BASE_ENOMEM;
        copies[i].signer = copies[i].rdata.data + (copies[i].signer - from);
    }
    out->signatures = copies;
    out->signature_count = signature_count;
    return BASE_OK;
}

int validate_chain_keys(struct validate_chain *chain, const struct validate_work *work,
                        const struct validate_records *dnskey)
{
    struct validate_zone_key *keys =
        base_arena_zalloc(&chain->arena, dnskey->count * sizeof(*keys));
    if (keys == NULL)
        return BASE_ENOMEM;
    for (size_t i = 0; i < dnskey->count; i++) {
        const struct validate_rdata *rdata = &dnskey->rdata[i];
        struct validate_zone_key *key = &keys[i];
        key->rdata = rdata->data;
        key->length = rdata->length;
        if (rdata->length < 4)
            continue;
        key->flags = base_load_u16(rdata->data);
        key->algorithm = rdata->data[3];
        key->tag = crypto_key_tag(rdata->data, rdata->length);
        key->fit = (key->flags & FLAG_ZONE_KEY) && !(key->flags & FLAG_REVOKED) &&
                   rdata->data[2] == 3 && validate_algorithm_supported(work, key->algorithm);
    }
    chain->keys =
        (struct validate_zone_keys){.zone = chain->name, .keys = keys, .count = dnskey->count};
    return BASE_OK;
}

/*
 * The store.
 */
int validate_trust_new(size_t octets, struct validate_trust **out)
{
    struct validate_trust *trust = calloc(1, sizeof(*trust));
    if (trust == NULL)
        return BASE_ENOMEM;
    trust->limit = octets == 0 ? TRUST_OCTETS : octets;
    *out = trust;
    return BASE_OK;
}

static struct validate_chain **slot_of(struct validate_trust *trust, const uint8_t *name)
{
    return &trust->slots[dns_name_hash(name) % TRUST_SLOTS];
}

static size_t octets_of(const struct validate_chain *chain)
{
    return chain->arena.reserved + chain->keys.count * KEY_OCTETS;
}

static void link_newest(struct validate_trust *trust, struct validate_chain *chain)
{
    chain->newer = NULL;
    chain->older = trust->newest;
    if (trust->newest != NULL)
        trust->newest->newer = chain;
    else
        trust->oldest = chain;
    trust->newest = chain;
}

static void unlink_chain(struct validate_trust *trust, struct validate_chain *chain)
{
    if (chain->newer != NULL)
        chain->newer->older = chain->older;
    else
        trust->newest = chain->older;
    if (chain->older != NULL)
        chain->older->newer = chain->newer;
    else
        trust->oldest = chain->newer;
}

static void drop(struct validate_trust *trust, struct validate_chain *chain)
{
    struct validate_chain **at = slot_of(trust, chain->name);
    while (*at != chain)
        at = &(*at)->same_slot;
    *at = chain->same_slot;
    unlink_chain(trust, chain);
    trust->octets -= octets_of(chain);
    chain->stored = false;
    chain->same_slot = chain->newer = chain->older = NULL;
    validate_chain_unref(chain);
}

void validate_trust_clear(struct validate_trust *trust)
{
    while (trust->newest != NULL)
        drop(trust, trust->newest);
}

void validate_trust_free(struct validate_trust *trust)
{
    if (trust == NULL)
        return;
    validate_trust_clear(trust);
    free(trust);
}

static struct validate_chain *stored(struct validate_trust *trust, const uint8_t *name)
{
    struct validate_chain *chain = *slot_of(trust, name);
    while (chain != NULL && !dns_name_equal(chain->name, name))
        chain = chain->same_slot;
    return chain;
}

struct validate_chain *validate_trust_find(struct validate_trust *trust, const uint8_t *name,
                                           base_time now)
{
    if (trust == NULL)
        return NULL;
    struct validate_chain *chain = stored(trust, name);
    if (chain != NULL && chain->until <= now) {
        drop(trust, chain);
        return NULL;
    }
    /* Its parents are used with it, so that they are never dropped before it. */
    for (struct validate_chain *used = chain; used != NULL; used = used->parent) {
        if (!used->stored)
            continue;
        unlink_chain(trust, used);
        link_newest(trust, used);
    }
    return chain;
}

void validate_trust_keep(struct validate_trust *trust, struct validate_chain *chain)
{
    if (trust == NULL || chain->stored)
        return;
    struct validate_chain *before = stored(trust, chain->name);
    if (before != NULL)
        drop(trust, before);
    struct validate_chain **slot = slot_of(trust, chain->name);
    chain->same_slot = *slot;
    *slot = chain;
    chain->stored = true;
    validate_chain_ref(chain);
    link_newest(trust, chain);
    trust->octets += octets_of(chain);
    while (trust->oldest != NULL && trust->octets > trust->limit)
        drop(trust, trust->oldest);
}
