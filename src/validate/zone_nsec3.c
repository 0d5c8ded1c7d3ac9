/*
 * NSEC3 (RFC 5155): collects the records into chains by their parameters, and judges which chains
 * must be complete.
 */
#include "validate/zone_nsec3.h"

#include "base/codec.h"
#include "base/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OWNER_LABEL BASE_BASE32HEX_SIZE(CRYPTO_NSEC3_SIZE)

struct collection {
    struct verifier *verifier;
    struct validate_nsec3_chain chains[VALIDATE_NSEC3_CHAINS];
    unsigned count;
    bool announced;      /* there is a usable NSEC3PARAM */
    size_t foreign;      /* records of no chain, in the midst of a change */
    size_t foreign_node; /* the first of them */
};

static struct validate_nsec3_parameters read_parameters(struct base_reader *reader, uint8_t *flags)
{
    struct validate_nsec3_parameters parameters = {.algorithm = base_reader_u8(reader)};
    *flags = base_reader_u8(reader);
    parameters.iterations = base_reader_u16(reader);
    parameters.salt_length = base_reader_u8(reader);
    parameters.salt = base_reader_bytes(reader, parameters.salt_length);
    return parameters;
}

bool validate_nsec3_parse(const struct dns_rr *rr, struct validate_nsec3_rdata *out)
{
    struct base_reader reader = base_reader_make(rr->rdata, rr->length);
    out->parameters = read_parameters(&reader, &out->flags);
    out->next_length = base_reader_u8(&reader);
    out->next = base_reader_bytes(&reader, out->next_length);
    out->bitmap_length = base_reader_left(&reader);
    out->bitmap = base_reader_bytes(&reader, out->bitmap_length);
    return !reader.failed && out->next_length == CRYPTO_NSEC3_SIZE;
}

static bool same_parameters(const struct validate_nsec3_parameters *a,
                            const struct validate_nsec3_parameters *b)
{
    return a->algorithm == b->algorithm && a->iterations == b->iterations &&
           a->salt_length == b->salt_length && memcmp(a->salt, b->salt, a->salt_length) == 0;
}

#define PARAMETERS_TEXT 64
static const char *parameters_text(char out[PARAMETERS_TEXT],
                                   const struct validate_nsec3_parameters *parameters)
{
    char salt[20] = "-";
    size_t shown = parameters->salt_length < 8 ? parameters->salt_length : 8;
    if (shown > 0)
        salt[base_hex_encode(salt, parameters->salt, shown)] = '\0';
    snprintf(out, PARAMETERS_TEXT, "%u iterations, salt %s%s", parameters->iterations, salt,
             shown < parameters->salt_length ? "..." : "");
    return out;
}

static struct validate_nsec3_chain *find_chain(struct collection *collection,
                                               const struct validate_nsec3_parameters *parameters)
{
    for (unsigned i = 0; i < collection->count; i++) {
        if (same_parameters(&collection->chains[i].parameters, parameters))
            return &collection->chains[i];
    }
    return NULL;
}

/* NULL when there are too many. */
static struct validate_nsec3_chain *open_chain(struct collection *collection,
                                               const struct validate_nsec3_parameters *parameters)
{
    if (collection->count == VALIDATE_NSEC3_CHAINS)
        return NULL;
    struct validate_nsec3_chain *chain = &collection->chains[collection->count++];
    chain->parameters = *parameters;
    atomic_init(&chain->first_wrong_ttl, SIZE_MAX);
    base_findings_init(&chain->found, collection->verifier->findings->per_code);
    return chain;
}

/*
 * NSEC3PARAM.
 */
static void read_announcement(struct collection *collection, const struct dns_rr *rr)
{
    struct verifier *verifier = collection->verifier;
    const uint8_t *apex = verifier->zone->apex;
    struct base_reader reader = base_reader_make(rr->rdata, rr->length);
    uint8_t flags;
    struct validate_nsec3_parameters parameters = read_parameters(&reader, &flags);
    if (reader.failed || base_reader_left(&reader) != 0) {
        validate_report(verifier, verifier->findings, VERIFY_NSEC3PARAM_INVALID, apex, rr,
                        "the NSEC3PARAM is malformed");
        return;
    }
    if (flags != 0 || parameters.algorithm != 1) {
        validate_report(verifier, verifier->findings, VERIFY_NSEC3PARAM_INVALID, apex, rr,
                        "the NSEC3PARAM has hash algorithm %u and flags %u; they must be 1 and 0",
                        parameters.algorithm, flags);
        return;
    }
    collection->announced = true;
    if (find_chain(collection, &parameters) != NULL)
        return;
    struct validate_nsec3_chain *chain = open_chain(collection, &parameters);
    if (chain != NULL)
        chain->announced = rr;
    else
        validate_report(verifier, verifier->findings, VERIFY_BUDGET, apex, rr,
                        "there are more than %d NSEC3 chains; this one was not checked",
                        VALIDATE_NSEC3_CHAINS);
}

static void read_announcements(struct collection *collection)
{
    const struct zone *zone = collection->verifier->zone;
    const struct zone_rrset *rrset = zone_rrset(zone, &zone->nodes[0], DNS_TYPE_NSEC3PARAM);
    for (unsigned i = 0; rrset != NULL && i < rrset->count; i++)
        read_announcement(collection, zone->rrs[rrset->first_rr + i]);
}

/*
 * NSEC3 records.
 */
static bool owner_hash(const struct zone *zone, const struct zone_node *node,
                       uint8_t hash[CRYPTO_NSEC3_SIZE])
{
    size_t length;
    return node->name[0] == OWNER_LABEL && dns_name_labels(node->name) == zone->apex_labels + 1 &&
           base_base32hex_decode(hash, CRYPTO_NSEC3_SIZE, &length, (const char *)node->name + 1,
                                 OWNER_LABEL) == BASE_OK &&
           length == CRYPTO_NSEC3_SIZE;
}

static bool well_formed(struct collection *collection, const struct zone_node *node,
                        const struct dns_rr *rr, struct validate_nsec3_rdata *rdata,
                        uint8_t hash[CRYPTO_NSEC3_SIZE])
{
    struct verifier *verifier = collection->verifier;
    struct base_findings *findings = verifier->findings;
    bool parsed = validate_nsec3_parse(rr, rdata);
    if (!parsed) {
        validate_report(verifier, findings, VERIFY_NSEC3_MALFORMED, node->name, rr,
                        "the NSEC3 does not hold parameters and a next hash of %d octets",
                        CRYPTO_NSEC3_SIZE);
        return false;
    }
    if (rdata->parameters.algorithm != 1) {
        validate_report(verifier, findings, VERIFY_NSEC3_ALGORITHM, node->name, rr,
                        "the NSEC3 has hash algorithm %u; only 1 is known",
                        rdata->parameters.algorithm);
        return false;
    }
    if (rdata->flags & ~1)
        validate_report(verifier, findings, VERIFY_NSEC3_FLAGS, node->name, rr,
                        "the NSEC3 has flags %u; only 1 (opt-out) is known", rdata->flags);
    if (!owner_hash(verifier->zone, node, hash)) {
        validate_report(verifier, findings, VERIFY_NSEC3_OWNER, node->name, rr,
                        "the owner is not one label of %zu base32hex characters below the apex",
                        (size_t)OWNER_LABEL);
        return false;
    }
    return true;
}

static int append(struct validate_nsec3_chain *chain, const uint8_t *hash, size_t node,
                  const struct dns_rr *rr)
{
    if (chain->count == chain->capacity) {
        size_t capacity = chain->capacity > 0 ? chain->capacity * 2 : 1024;
        struct validate_nsec3 *records =
            realloc(chain->records, capacity * sizeof(*chain->records));
        if (records == NULL)
            return BASE_ENOMEM;
        chain->records = records;
        chain->capacity = capacity;
    }
    struct validate_nsec3 *record = &chain->records[chain->count++];
    memcpy(record->hash, hash, CRYPTO_NSEC3_SIZE);
    record->node = (uint32_t)node;
    record->rr = rr;
    return BASE_OK;
}

static void note_foreign(struct collection *collection, size_t index, const struct dns_rr *rr,
                         const struct validate_nsec3_rdata *rdata)
{
    struct verifier *verifier = collection->verifier;
    char text[PARAMETERS_TEXT];
    if (collection->foreign++ == 0)
        collection->foreign_node = index;
    /* Next to a complete NSEC chain it is a chain that is being built: told once, at the end. */
    if (collection->announced || !verifier->nsec_chain)
        validate_report(verifier, verifier->findings, VERIFY_NSEC3_FOREIGN,
                        verifier->zone->nodes[index].name, rr,
                        "no NSEC3PARAM has the parameters of this NSEC3 (%s)",
                        parameters_text(text, &rdata->parameters));
}

static int collect_record(struct collection *collection, size_t index, const struct dns_rr *rr)
{
    struct validate_nsec3_rdata rdata;
    uint8_t hash[CRYPTO_NSEC3_SIZE];
    if (!well_formed(collection, &collection->verifier->zone->nodes[index], rr, &rdata, hash))
        return BASE_OK;
    struct validate_nsec3_chain *chain = find_chain(collection, &rdata.parameters);
    bool guess = !collection->announced && !collection->verifier->nsec_chain;
    if (chain == NULL && guess && collection->count == 0)
        chain = open_chain(collection, &rdata.parameters);
    if (chain == NULL) {
        note_foreign(collection, index, rr, &rdata);
        return BASE_OK;
    }
    chain->opt_out |= rdata.flags & 1;
    return append(chain, hash, index, rr);
}

static int collect_records(struct collection *collection)
{
    const struct zone *zone = collection->verifier->zone;
    for (size_t i = 0; i < zone->node_count; i++) {
        const struct zone_rrset *rrset = zone_rrset(zone, &zone->nodes[i], DNS_TYPE_NSEC3);
        for (unsigned k = 0; rrset != NULL && k < rrset->count; k++) {
            int error = collect_record(collection, i, zone->rrs[rrset->first_rr + k]);
            if (error != BASE_OK)
                return error;
        }
    }
    return BASE_OK;
}

/*
 * Judging chains.
 */
static bool check_iterations(struct collection *collection, struct validate_nsec3_chain *chain)
{
    struct verifier *verifier = collection->verifier;
    unsigned iterations = chain->parameters.iterations;
    const struct dns_rr *rr = chain->announced;
    const uint8_t *owner = verifier->zone->apex;
    if (rr == NULL && chain->count > 0) {
        rr = chain->records[0].rr;
        owner = verifier->zone->nodes[chain->records[0].node].name;
    }
    if (iterations > VALIDATE_ITERATIONS_INSECURE)
        validate_report_as(
            verifier, verifier->findings, VERIFY_NSEC3_ITERATIONS, BASE_ERROR, owner, rr,
            "the NSEC3 chain has %u iterations, with which validators do not "
            "protect the zone%s",
            iterations, iterations > VALIDATE_ITERATIONS_MAX ? "; the chain was not checked" : "");
    else if (iterations > 0)
        validate_report(verifier, verifier->findings, VERIFY_NSEC3_ITERATIONS, owner, rr,
                        "the NSEC3 chain has %u iterations; it should have none", iterations);
    return iterations <= VALIDATE_ITERATIONS_MAX;
}

static int check_chain(struct collection *collection, struct validate_nsec3_chain *chain)
{
    struct verifier *verifier = collection->verifier;
    if (!check_iterations(collection, chain))
        return BASE_OK;
    if (chain->count == 0) {
        char text[PARAMETERS_TEXT];
        validate_report(verifier, &chain->found, VERIFY_NSEC3_MISSING, verifier->zone->apex,
                        chain->announced,
                        "no NSEC3 has the parameters of this NSEC3PARAM (%s): its chain is missing",
                        parameters_text(text, &chain->parameters));
        return BASE_OK;
    }
    int error = validate_nsec3_chain_check(verifier, chain);
    if (error != BASE_OK || atomic_load(&chain->wrong_ttl) == 0)
        return error;
    const struct zone_node *node = &verifier->zone->nodes[atomic_load(&chain->first_wrong_ttl)];
    const struct zone_rrset *rrset = zone_rrset(verifier->zone, node, DNS_TYPE_NSEC3);
    validate_report(verifier, &chain->found, VERIFY_NSEC_TTL, node->name,
                    verifier->zone->rrs[rrset->first_rr],
                    "the TTL of %zu NSEC3 is not %u, the smaller of the SOA's TTL and minimum; "
                    "here it is %u",
                    (size_t)atomic_load(&chain->wrong_ttl), verifier->negative_ttl, rrset->ttl);
    return BASE_OK;
}

/* The chain that answers are made from: complete, or else the one that is nearest to it. */
static struct validate_nsec3_chain *best_chain(struct collection *collection)
{
    struct validate_nsec3_chain *best = NULL;
    for (unsigned i = 0; i < collection->count; i++) {
        struct validate_nsec3_chain *chain = &collection->chains[i];
        bool complete = !base_findings_bad(&chain->found);
        bool best_complete = best != NULL && !base_findings_bad(&best->found);
        if (best == NULL || (complete && !best_complete) ||
            (complete == best_complete && chain->count > best->count))
            best = chain;
    }
    return best;
}

static void report_partial(struct collection *collection, const struct validate_nsec3_chain *chain)
{
    struct verifier *verifier = collection->verifier;
    char text[PARAMETERS_TEXT];
    validate_report(
        verifier, verifier->findings, VERIFY_NSEC3_PARTIAL, verifier->zone->apex, chain->announced,
        "the NSEC3 chain with %s has %zu records and %zu errors; another one is used",
        parameters_text(text, &chain->parameters), chain->count, chain->found.totals[BASE_ERROR]);
}

static void judge_chains(struct collection *collection)
{
    struct verifier *verifier = collection->verifier;
    struct validate_nsec3_chain *best = best_chain(collection);
    if (best == NULL)
        return;
    verifier->result->denial = best->opt_out ? "NSEC3 opt-out" : "NSEC3";
    verifier->result->names = best->count;
    for (unsigned i = 0; i < collection->count; i++) {
        struct validate_nsec3_chain *chain = &collection->chains[i];
        if (chain != best && base_findings_bad(&chain->found))
            report_partial(collection, chain);
        else
            base_findings_absorb(verifier->findings, &chain->found);
    }
}

static void report_unannounced(struct collection *collection)
{
    struct verifier *verifier = collection->verifier;
    if (collection->announced)
        return;
    if (!verifier->nsec_chain)
        validate_report_type(verifier, verifier->findings, VERIFY_NSEC3PARAM_MISSING,
                             verifier->zone->apex, DNS_TYPE_NSEC3PARAM,
                             "%zu names have NSEC3, but the apex has no usable NSEC3PARAM",
                             verifier->nsec3_nodes);
    else if (collection->foreign > 0)
        validate_report_type(verifier, verifier->findings, VERIFY_NSEC3_PARTIAL,
                             verifier->zone->nodes[collection->foreign_node].name, DNS_TYPE_NSEC3,
                             "there are %zu NSEC3 next to the NSEC chain, without NSEC3PARAM",
                             collection->foreign);
}

static void free_collection(struct collection *collection)
{
    for (unsigned i = 0; i < collection->count; i++) {
        struct validate_nsec3_chain *chain = &collection->chains[i];
        free(chain->records);
        free(chain->buckets);
        free(chain->used);
        base_findings_free(&chain->found);
    }
}

int validate_nsec3_check(struct verifier *verifier)
{
    if (!verifier->nsec3_chain && verifier->nsec3_nodes == 0)
        return BASE_OK;
    struct collection collection = {.verifier = verifier};
    read_announcements(&collection);
    int error = collect_records(&collection);
    if (error == BASE_OK)
        report_unannounced(&collection);
    for (unsigned i = 0; i < collection.count && error == BASE_OK; i++)
        error = check_chain(&collection, &collection.chains[i]);
    if (error == BASE_OK)
        judge_chains(&collection);
    free_collection(&collection);
    return error;
}
