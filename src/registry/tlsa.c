/* TLSA records that are kept for services: see registry.h. */
#include "base/error.h"
#include "registry/internal.h"

#include <errno.h>
#include <string.h>

/* Columns of the statement that lists. */
enum column {
    OWNER,
    ZONE,
    UNSAFE,
    CHANGED_AT,
    CURRENT, /* and three behind it */
    NEXT = CURRENT + 4,
};

static int read_name(sqlite3_stmt *row, int column, uint8_t out[DNS_NAME_MAX])
{
    const uint8_t *name = sqlite3_column_blob(row, column);
    size_t length = (size_t)sqlite3_column_bytes(row, column), used;
    if (name == NULL || dns_name_check(name, length, &used) != BASE_OK || used != length)
        return BASE_EFORMAT;
    memcpy(out, name, length);
    return BASE_OK;
}

static void read_wait(sqlite3_stmt *row, int at, struct registry_tlsa_wait *out)
{
    *out = (struct registry_tlsa_wait){
        .since = sqlite3_column_int64(row, at),
        .ttl = (uint32_t)sqlite3_column_int64(row, at + 1),
        .old_seen = sqlite3_column_int(row, at + 2) != 0,
        .servers = (uint64_t)sqlite3_column_int64(row, at + 3),
    };
}

static int read_service(sqlite3_stmt *row, struct registry_tlsa *out)
{
    *out = (struct registry_tlsa){.unsafe = sqlite3_column_int(row, UNSAFE) != 0,
                                  .changed_at = sqlite3_column_int64(row, CHANGED_AT)};
    read_wait(row, CURRENT, &out->current);
    read_wait(row, NEXT, &out->next);
    int error = read_name(row, OWNER, out->owner);
    return error == BASE_OK ? read_name(row, ZONE, out->zone) : error;
}

static int read_record(sqlite3_stmt *row, struct registry_tlsa *out)
{
    const uint8_t *rdata = sqlite3_column_blob(row, 0);
    size_t length = (size_t)sqlite3_column_bytes(row, 0);
    int role = sqlite3_column_int(row, 1);
    if (rdata == NULL || length < 4 || length > REGISTRY_TLSA_RDATA ||
        out->count == REGISTRY_TLSA_RECORDS || role < 0 || role > REGISTRY_TLSA_OLD)
        return BASE_EFORMAT;
    struct registry_tlsa_record *record = &out->records[out->count++];
    record->role = (uint8_t)role;
    record->settled = sqlite3_column_int(row, 2) != 0;
    record->since = sqlite3_column_int64(row, 3);
    record->length = (uint8_t)length;
    memcpy(record->rdata, rdata, length);
    return BASE_OK;
}

static int read_records(struct registry *registry, struct registry_tlsa *out)
{
    struct registry_key key;
    sqlite3_stmt *statement = NULL;
    registry_key(&key, out->owner);
    int error = registry_prepare(registry, STATEMENT_TLSA_RECORDS, &statement);
    if (error != BASE_OK)
        return error;
    registry_bind_zone(statement, 1, 0, &key);
    while ((error = registry_step(registry, statement)) == BASE_OK) {
        error = read_record(statement, out);
        if (error != BASE_OK)
            break;
    }
    registry_reset(statement);
    return error == BASE_ENOENT ? BASE_OK : error;
}

int registry_tlsa_list(struct registry *registry,
                       int (*visit)(void *context, const struct registry_tlsa *tlsa), void *context)
{
    sqlite3_stmt *statement = NULL;
    int error = registry_lock(registry), visited = BASE_OK;
    if (error == BASE_OK)
        error = registry_prepare(registry, STATEMENT_TLSA_LIST, &statement);
    if (error != BASE_OK)
        return registry_unlock(registry, error);
    while (visited == BASE_OK && (error = registry_step(registry, statement)) == BASE_OK) {
        struct registry_tlsa tlsa;
        error = read_service(statement, &tlsa);
        if (error == BASE_OK)
            error = read_records(registry, &tlsa);
        if (error != BASE_OK)
            break;
        visited = visit(context, &tlsa);
    }
    registry_reset(statement);
    error = registry_unlock(registry, error == BASE_ENOENT ? BASE_OK : error);
    return visited != BASE_OK ? visited : error;
}

/* Runs a statement that has the key alone. */
static int run_for_key(struct registry *registry, enum registry_statement which,
                       const struct registry_key *key)
{
    sqlite3_stmt *statement = NULL;
    int error = registry_prepare(registry, which, &statement);
    if (error != BASE_OK)
        return error;
    registry_bind_zone(statement, 1, 0, key);
    return registry_run(registry, statement);
}

static void bind_wait(sqlite3_stmt *statement, int at, const struct registry_tlsa_wait *wait)
{
    sqlite3_bind_int64(statement, at, wait->since);
    sqlite3_bind_int64(statement, at + 1, wait->ttl);
    sqlite3_bind_int(statement, at + 2, wait->old_seen);
    sqlite3_bind_int64(statement, at + 3, (int64_t)wait->servers);
}

static int put_service(struct registry *registry, const struct registry_key *key,
                       const struct registry_tlsa *tlsa)
{
    sqlite3_stmt *statement = NULL;
    int error = registry_prepare(registry, STATEMENT_TLSA_PUT, &statement);
    if (error != BASE_OK)
        return error;
    registry_bind_zone(statement, 1, 2, key);
    registry_bind_blob(statement, 3, tlsa->zone, dns_name_length(tlsa->zone));
    sqlite3_bind_int(statement, 4, tlsa->unsafe);
    sqlite3_bind_int64(statement, 5, tlsa->changed_at);
    bind_wait(statement, 6, &tlsa->current);
    bind_wait(statement, 10, &tlsa->next);
    return registry_run(registry, statement);
}

static int put_record(struct registry *registry, const struct registry_key *key, size_t number,
                      const struct registry_tlsa_record *record)
{
    sqlite3_stmt *statement = NULL;
    int error = registry_prepare(registry, STATEMENT_TLSA_RECORD_ADD, &statement);
    if (error != BASE_OK)
        return error;
    registry_bind_zone(statement, 1, 0, key);
    sqlite3_bind_int64(statement, 2, (int64_t)number);
    registry_bind_blob(statement, 3, record->rdata, record->length);
    sqlite3_bind_int(statement, 4, record->role);
    sqlite3_bind_int(statement, 5, record->settled);
    sqlite3_bind_int64(statement, 6, record->since);
    return registry_run(registry, statement);
}

int registry_tlsa_put(struct registry *registry, const struct registry_tlsa *tlsa)
{
    struct registry_key key;
    registry_key(&key, tlsa->owner);
    int error = registry_enter(registry);
    if (error == BASE_OK)
        error = put_service(registry, &key, tlsa);
    if (error == BASE_OK)
        error = run_for_key(registry, STATEMENT_TLSA_RECORD_CLEAR, &key);
    for (size_t i = 0; i < tlsa->count && error == BASE_OK; i++)
        error = put_record(registry, &key, i, &tlsa->records[i]);
    return registry_leave(registry, error);
}

int registry_tlsa_forget(struct registry *registry, const uint8_t *owner)
{
    struct registry_key key;
    registry_key(&key, owner);
    int error = registry_enter(registry);
    if (error == BASE_OK)
        error = run_for_key(registry, STATEMENT_TLSA_FORGET, &key);
    if (error == BASE_OK)
        error = run_for_key(registry, STATEMENT_TLSA_RECORD_CLEAR, &key);
    return registry_leave(registry, error);
}
