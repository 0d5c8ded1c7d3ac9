/* Chains of RFC 9102: making them. */
#include "validate/chainext.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int validate_chainext_name(const uint8_t *host, uint16_t port, const char *protocol,
                           uint8_t out[DNS_NAME_MAX])
{
    char first[DNS_LABEL_MAX + 1], second[DNS_LABEL_MAX + 1];
    int first_length = snprintf(first, sizeof(first), "_%u", port);
    int second_length = snprintf(second, sizeof(second), "_%s", protocol);
    size_t length = dns_name_length(host);
    if (second_length < 2 || second_length > DNS_LABEL_MAX ||
        length + (size_t)first_length + (size_t)second_length + 2 > DNS_NAME_MAX)
        return BASE_ERANGE;
    *out++ = (uint8_t)first_length;
    memcpy(out, first, (size_t)first_length);
    out += first_length;
    *out++ = (uint8_t)second_length;
    memcpy(out, second, (size_t)second_length);
    memcpy(out + second_length, host, length);
    return BASE_OK;
}

static void write_record(struct base_buf *out, const uint8_t *owner, uint16_t type, uint32_t ttl,
                         const struct validate_rdata *rdata)
{
    base_buf_append(out, owner, dns_name_length(owner));
    base_buf_u16(out, type);
    base_buf_u16(out, DNS_CLASS_IN);
    base_buf_u32(out, ttl);
    base_buf_u16(out, rdata->length);
    base_buf_append(out, rdata->data, rdata->length);
}

static void write_set(struct base_buf *out, const struct validate_chainext_set *set)
{
    const struct validate_records *records = set->records;
    for (size_t i = 0; i < records->count; i++)
        write_record(out, records->name, records->type, records->ttl, &records->rdata[i]);
    for (size_t i = 0; i < set->signature_count; i++)
        write_record(out, records->name, DNS_TYPE_RRSIG, records->ttl, &set->signatures[i]);
}

int validate_chainext_write(const struct validate_chainext_set *sets, size_t count,
                            uint16_t lifetime, struct base_buf *out)
{
    struct base_buf chain;
    base_buf_init(&chain, VALIDATE_CHAINEXT_MAX);
    base_buf_u16(&chain, lifetime);
    for (size_t i = 0; i < count; i++)
        write_set(&chain, &sets[i]);
    int error = chain.error == BASE_ESPACE ? BASE_ELIMIT : chain.error;
    if (error == BASE_OK) {
        size_t before = out->length;
        base_buf_append(out, chain.data, chain.length);
        error = out->error == BASE_ESPACE ? BASE_ELIMIT : out->error;
        if (error != BASE_OK)
            out->length = before;
    }
    base_buf_free(&chain);
    return error;
}

/* The sets of a result that are signed, in the order in which they are sent. */
struct gathered {
    struct base_arena arena;
    struct validate_chainext_set *sets;
    size_t count, capacity;
};

static bool is_there(const struct gathered *gathered, const struct validate_records *records)
{
    for (size_t i = 0; i < gathered->count; i++)
        if (gathered->sets[i].records->type == records->type &&
            dns_name_equal(gathered->sets[i].records->name, records->name))
            return true;
    return false;
}

/* The good signatures over one set of a node, and the set with the TTL that they sign. */
static int gather_set(struct gathered *gathered, const struct validate_node *node, size_t set)
{
    size_t count = 0;
    struct validate_rdata *signatures =
        base_arena_alloc(&gathered->arena, node->signature_count * sizeof(*signatures));
    struct validate_records *records = base_arena_alloc(&gathered->arena, sizeof(*records));
    if (signatures == NULL || records == NULL)
        return BASE_ENOMEM;
    *records = node->sets[set];
    for (size_t i = 0; i < node->signature_count; i++) {
        const struct validate_signature *signature = &node->signatures[i];
        if (signature->set != set || signature->verdict != VALIDATE_SIGNATURE_GOOD ||
            signature->rdata.data == NULL)
            continue;
        records->ttl = signature->original_ttl;
        signatures[count++] = signature->rdata;
    }
    /* What is not signed has no place in a chain: a CNAME made from a DNAME, an anchor. */
    if (count == 0 || is_there(gathered, records))
        return BASE_OK;
    gathered->sets[gathered->count++] = (struct validate_chainext_set){
        .records = records, .signatures = signatures, .signature_count = count};
    return BASE_OK;
}

static int gather_node(struct gathered *gathered, const struct validate_node *node)
{
    int error = BASE_OK;
    for (size_t i = 0; i < node->set_count && error == BASE_OK; i++)
        error = gather_set(gathered, node, i);
    return error;
}

/* What answers, or denies, as opposed to what leads there. */
static bool is_answer(const struct validate_node *node)
{
    return node->kind == VALIDATE_NODE_ALIAS || node->kind == VALIDATE_NODE_RRSET ||
           node->kind == VALIDATE_NODE_DENIAL || node->kind == VALIDATE_NODE_NO_DS;
}

static int gather(struct gathered *gathered, const struct validate_result *result)
{
    int error = BASE_OK;
    for (size_t i = 0; i < result->node_count; i++)
        gathered->capacity += result->nodes[i].set_count;
    gathered->sets =
        base_arena_alloc(&gathered->arena, gathered->capacity * sizeof(*gathered->sets));
    if (gathered->sets == NULL)
        return BASE_ENOMEM;
    for (size_t i = 0; i < result->node_count && error == BASE_OK; i++)
        if (is_answer(&result->nodes[i]))
            error = gather_node(gathered, &result->nodes[i]);
    /* Nodes stand behind those that they grow from, so backwards is upwards. */
    for (size_t i = result->node_count; i-- > 0 && error == BASE_OK;)
        if (result->nodes[i].kind == VALIDATE_NODE_KEYS ||
            result->nodes[i].kind == VALIDATE_NODE_DS)
            error = gather_node(gathered, &result->nodes[i]);
    return error;
}

int validate_chainext_make(const struct validate_result *result, uint16_t lifetime,
                           struct base_buf *out)
{
    struct gathered gathered = {.sets = NULL};
    if (result->status != VALIDATE_SECURE && result->status != VALIDATE_INSECURE)
        return BASE_EINVAL;
    base_arena_init(&gathered.arena, 0);
    int error = gather(&gathered, result);
    if (error == BASE_OK)
        error = gathered.count == 0
                    ? BASE_EINVAL
                    : validate_chainext_write(gathered.sets, gathered.count, lifetime, out);
    base_arena_free(&gathered.arena);
    return error;
}
