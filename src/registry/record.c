/*
 * Records of zones of edits. A record is known by the key of its owner below the apex, its type and
 * its rdata in canonical form, so that two ways to write it are one record; how it was written is
 * kept beside where that differs.
 */
#include "base/error.h"
#include "registry/internal.h"

#include <stdlib.h>
#include <string.h>

struct writing {
    struct registry *registry;
    const uint8_t *apex;
    unsigned apex_labels;
    int64_t zone; /* its number */
    uint8_t key[DNS_KEY_MAX];
    size_t key_length;
    uint8_t *rdata; /* room for the canonical form */
};

/* The zone's number, its edition counted up. */
static int next_edition(struct registry *registry, const uint8_t *zone, int64_t *number,
                        uint64_t *edition)
{
    struct registry_key key;
    sqlite3_stmt *statement = NULL;
    int error = registry_prepare(registry, STATEMENT_EDITION, &statement);
    if (error != BASE_OK)
        return error;
    registry_key(&key, zone);
    registry_bind_zone(statement, 1, 2, &key);
    error = registry_step(registry, statement);
    if (error == BASE_OK) {
        *number = sqlite3_column_int64(statement, 0);
        *edition = (uint64_t)sqlite3_column_int64(statement, 1);
        return registry_run(registry, statement);
    }
    registry_reset(statement);
    return error;
}

static int set_owner(struct writing *writing, const uint8_t *owner)
{
    if (!dns_name_within(owner, writing->apex))
        return BASE_EINVAL;
    writing->key_length = dns_name_key(writing->key, owner, writing->apex_labels);
    return BASE_OK;
}

/* Binds what a record is known by. */
static void bind_record(struct writing *writing, sqlite3_stmt *statement, uint16_t type,
                        const uint8_t *rdata, size_t length)
{
    dns_rdata_canonical(type, rdata, length, writing->rdata);
    sqlite3_bind_int64(statement, 1, writing->zone);
    registry_bind_blob(statement, 2, writing->key, writing->key_length);
    sqlite3_bind_int(statement, 3, type);
    registry_bind_blob(statement, 4, writing->rdata, length);
}

static int add_record(struct writing *writing, const uint8_t *owner, uint16_t type, uint32_t ttl,
                      const uint8_t *rdata, size_t length)
{
    sqlite3_stmt *statement = NULL;
    int error = registry_prepare(writing->registry, STATEMENT_RECORD_ADD, &statement);
    if (error != BASE_OK)
        return error;
    bind_record(writing, statement, type, rdata, length);
    sqlite3_bind_int64(statement, 5, ttl);
    if (!dns_name_is_lower(owner))
        registry_bind_blob(statement, 6, owner, dns_name_length(owner));
    if (length > 0 && memcmp(writing->rdata, rdata, length) != 0)
        registry_bind_blob(statement, 7, rdata, length);
    return registry_run(writing->registry, statement);
}

static int remove_record(struct writing *writing, uint16_t type, const uint8_t *rdata,
                         size_t length)
{
    sqlite3_stmt *statement = NULL;
    int error = registry_prepare(writing->registry, STATEMENT_RECORD_REMOVE, &statement);
    if (error != BASE_OK)
        return error;
    bind_record(writing, statement, type, rdata, length);
    return registry_run(writing->registry, statement);
}

static int clear(struct writing *writing, enum registry_statement which)
{
    sqlite3_stmt *statement = NULL;
    int error = registry_prepare(writing->registry, which, &statement);
    if (error != BASE_OK)
        return error;
    sqlite3_bind_int64(statement, 1, writing->zone);
    return registry_run(writing->registry, statement);
}

/* A zone has one SOA: that which is added takes the place of the other. */
static int apply(struct writing *writing, const struct registry_edit *edit)
{
    int error = set_owner(writing, edit->owner);
    if (error != BASE_OK)
        return error;
    if (!edit->add)
        return remove_record(writing, edit->type, edit->rdata, edit->length);
    if (edit->type == DNS_TYPE_SOA)
        error = clear(writing, STATEMENT_SOA_CLEAR);
    if (error != BASE_OK)
        return error;
    return add_record(writing, edit->owner, edit->type, edit->ttl, edit->rdata, edit->length);
}

int registry_edit(struct registry *registry, const uint8_t *zone, const struct registry_edit *edits,
                  size_t count, uint64_t *edition)
{
    struct writing writing = {
        .registry = registry, .apex = zone, .apex_labels = dns_name_labels(zone)};
    uint64_t number = 0;
    /* Before anything is written: a refusal must not leave half of the edits in a transaction. */
    for (size_t i = 0; i < count; i++)
        if (!dns_name_within(edits[i].owner, zone))
            return BASE_EINVAL;
    int error = registry_enter(registry);
    if (error == BASE_OK) {
        writing.rdata = malloc(DNS_RDATA_MAX);
        error = writing.rdata != NULL ? BASE_OK : BASE_ENOMEM;
    }
    if (error == BASE_OK)
        error = next_edition(registry, zone, &writing.zone, &number);
    for (size_t i = 0; error == BASE_OK && i < count; i++)
        error = apply(&writing, &edits[i]);
    free(writing.rdata);
    error = registry_leave(registry, error);
    if (error == BASE_OK)
        *edition = number;
    return error;
}

static int add_node(struct writing *writing, const struct zone *zone, const struct zone_node *node)
{
    int error = set_owner(writing, node->name);
    const struct zone_rrset *sets = &zone->rrsets[node->first_rrset];
    for (size_t s = 0; error == BASE_OK && s < node->rrset_count; s++) {
        if (dns_type_is_dnssec(sets[s].type))
            continue;
        for (size_t i = 0; error == BASE_OK && i < sets[s].count; i++) {
            const struct dns_rr *rr = zone->rrs[sets[s].first_rr + i];
            error = add_record(writing, node->name, rr->type, sets[s].ttl, rr->rdata, rr->length);
        }
    }
    return error;
}

int registry_replace(struct registry *registry, struct zone *content, uint64_t *edition)
{
    struct writing writing = {
        .registry = registry, .apex = content->apex, .apex_labels = content->apex_labels};
    uint64_t number = 0;
    int error = registry_enter(registry);
    if (error == BASE_OK) {
        writing.rdata = malloc(DNS_RDATA_MAX);
        error = writing.rdata != NULL ? BASE_OK : BASE_ENOMEM;
    }
    if (error == BASE_OK)
        error = next_edition(registry, content->apex, &writing.zone, &number);
    if (error == BASE_OK)
        error = clear(&writing, STATEMENT_RECORD_CLEAR);
    /* In the order of the table: each record goes to its end, as far as the pages are filled. */
    for (size_t i = 0; error == BASE_OK && i < content->node_count; i++)
        error = add_node(&writing, content, &content->nodes[i]);
    free(writing.rdata);
    error = registry_leave(registry, error);
    if (error == BASE_OK)
        *edition = number;
    return error;
}
