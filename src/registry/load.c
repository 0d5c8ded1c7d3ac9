/*
 * Zones of edits out of the registry. Outside of a transaction they are read over a connection of
 * their own, so that a large zone does not hold up those who write. What a damaged file may give is
 * checked record by record.
 */
#include "base/error.h"
#include "registry/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char records_sql[] = "SELECT owner, type, rdata, ttl, written_owner, written_rdata "
                                  "FROM record WHERE zone = ?1 ORDER BY owner, type, rdata";
static const char zone_sql[] = "SELECT id, edition FROM zone WHERE key = ?1";

enum column { OWNER, TYPE, RDATA, TTL, WRITTEN_OWNER, WRITTEN_RDATA };

struct loading {
    sqlite3 *database;
    const uint8_t *apex;
    struct zone_batch_writer writer;
    uint8_t key[DNS_KEY_MAX]; /* of the owner before */
    size_t key_length;
    uint8_t owner[DNS_NAME_MAX];
    bool begun;
    const char *problem; /* what is damaged */
};

/* Reads the next label of a key, which is two octets long where it has 0 or 1. */
static bool read_label(const uint8_t **at, const uint8_t *end, uint8_t *label, size_t *length)
{
    *length = 0;
    for (const uint8_t *in = *at; in < end; in++) {
        uint8_t octet = *in;
        if (octet == 0) {
            *at = in + 1;
            return *length > 0;
        }
        if (octet == 1) {
            if (++in == end || (*in != 1 && *in != 2))
                return false;
            octet = *in - 1;
        }
        if (*length == DNS_LABEL_MAX)
            return false;
        label[(*length)++] = octet;
    }
    return false;
}

/* The name that has this key below the apex. Labels are put in front of it, one after the other. */
static bool name_of_key(const uint8_t *key, size_t length, const uint8_t *apex,
                        uint8_t out[DNS_NAME_MAX])
{
    uint8_t room[DNS_NAME_MAX], label[DNS_LABEL_MAX];
    const uint8_t *at = key, *end = key + length;
    size_t apex_length = dns_name_length(apex), start = DNS_NAME_MAX - apex_length, label_length;
    memcpy(room + start, apex, apex_length);
    while (at < end) {
        if (!read_label(&at, end, label, &label_length) || label_length + 1 > start)
            return false;
        start -= label_length + 1;
        room[start] = (uint8_t)label_length;
        memcpy(room + start + 1, label, label_length);
    }
    memcpy(out, room + start, DNS_NAME_MAX - start);
    return true;
}

static int damaged(struct loading *loading, const char *problem)
{
    loading->problem = problem;
    return BASE_EFORMAT;
}

static const uint8_t *column_blob(sqlite3_stmt *row, int column, size_t *length)
{
    const uint8_t *blob = sqlite3_column_blob(row, column);
    *length = (size_t)sqlite3_column_bytes(row, column);
    return blob != NULL ? blob : (const uint8_t *)"";
}

/* Sets the owner from the row, when it is another than that of the row before. */
static int read_owner(struct loading *loading, sqlite3_stmt *row)
{
    size_t length, written_length, used;
    const uint8_t *key = column_blob(row, OWNER, &length);
    const uint8_t *written = column_blob(row, WRITTEN_OWNER, &written_length);
    bool same =
        loading->begun && length == loading->key_length && memcmp(key, loading->key, length) == 0;
    if (same)
        return BASE_OK; /* of one name in several cases the first is taken */
    if (length > sizeof(loading->key) || !name_of_key(key, length, loading->apex, loading->owner))
        return damaged(loading, "the owner of a record is malformed");
    if (written_length > 0) {
        if (dns_name_check(written, written_length, &used) != BASE_OK || used != written_length ||
            !dns_name_equal(written, loading->owner))
            return damaged(loading, "the owner of a record is not what it is filed under");
        memcpy(loading->owner, written, written_length);
    }
    memcpy(loading->key, key, length);
    loading->key_length = length;
    loading->begun = true;
    return BASE_OK;
}

static int read_record(struct loading *loading, sqlite3_stmt *row)
{
    size_t length, written_length;
    int64_t type = sqlite3_column_int64(row, TYPE), ttl = sqlite3_column_int64(row, TTL);
    const uint8_t *rdata = column_blob(row, RDATA, &length);
    const uint8_t *written = column_blob(row, WRITTEN_RDATA, &written_length);
    int error = read_owner(loading, row);
    if (error != BASE_OK)
        return error;
    if (written_length > 0) {
        rdata = written;
        length = written_length;
    }
    if (type <= 0 || type > UINT16_MAX || dns_type_is_meta((uint16_t)type) || ttl < 0 ||
        ttl > DNS_TTL_MAX || length > DNS_RDATA_MAX)
        return damaged(loading, "a record has an impossible type, TTL or length");
    if (dns_rdata_check((uint16_t)type, rdata, length, NULL) != BASE_OK)
        return damaged(loading, "the data of a record is malformed");
    return zone_batch_add(&loading->writer, loading->owner, (uint16_t)type, (uint32_t)ttl, rdata,
                          length);
}

static int prepare(struct loading *loading, const char *sql, sqlite3_stmt **out)
{
    errno = 0;
    int code = sqlite3_prepare_v2(loading->database, sql, -1, out, NULL);
    return registry_error(loading->database, code);
}

static int find_zone(struct loading *loading, int64_t *number, uint64_t *edition)
{
    struct registry_key key;
    sqlite3_stmt *statement = NULL;
    int error = prepare(loading, zone_sql, &statement);
    if (error != BASE_OK)
        return error;
    registry_key(&key, loading->apex);
    registry_bind_zone(statement, 1, 0, &key);
    errno = 0;
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        *number = sqlite3_column_int64(statement, 0);
        *edition = (uint64_t)sqlite3_column_int64(statement, 1);
    } else {
        error = code == SQLITE_DONE ? BASE_ENOENT : registry_error(loading->database, code);
    }
    sqlite3_finalize(statement);
    return error;
}

static int read_records(struct loading *loading, int64_t number)
{
    sqlite3_stmt *statement = NULL;
    int code = SQLITE_DONE, error = prepare(loading, records_sql, &statement);
    if (error != BASE_OK)
        return error;
    sqlite3_bind_int64(statement, 1, number);
    errno = 0;
    while (error == BASE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW)
        error = read_record(loading, statement);
    if (error == BASE_OK)
        error = code == SQLITE_DONE ? BASE_OK : registry_error(loading->database, code);
    sqlite3_finalize(statement);
    if (error == BASE_OK && loading->writer.batch->rr_count == 0)
        error = BASE_ENOENT;
    return error;
}

/* Zone and records as of one moment. */
static int read_all(struct loading *loading, uint64_t *edition)
{
    int64_t number = 0;
    bool own = sqlite3_get_autocommit(loading->database) != 0;
    int error = BASE_OK;
    if (own)
        error = registry_execute(loading->database, "BEGIN");
    if (error == BASE_OK)
        error = find_zone(loading, &number, edition);
    if (error == BASE_OK)
        error = read_records(loading, number);
    if (own)
        sqlite3_exec(loading->database, "ROLLBACK", NULL, NULL, NULL);
    return error;
}

/* Reads over the registry's connection within a transaction, else over one of its own. */
static int read_somewhere(struct registry *registry, struct loading *loading, uint64_t *edition)
{
    int error = registry_lock(registry);
    if (error != BASE_OK)
        return registry_unlock(registry, error);
    if (registry->within) {
        loading->database = registry->database;
        return registry_unlock(registry, read_all(loading, edition));
    }
    registry_unlock(registry, BASE_OK);
    error = registry_connect(registry->path, SQLITE_OPEN_READWRITE, &loading->database);
    if (error == BASE_OK)
        error = read_all(loading, edition);
    int why = errno;
    sqlite3_close(loading->database);
    errno = why;
    return error;
}

static void explain(const struct registry *registry, const struct loading *loading, int error,
                    struct base_findings *findings)
{
    char text[DNS_NAME_TEXT];
    struct base_place place = {.file = registry->path, .owner = dns_name_text(text, loading->apex)};
    if (error == BASE_EFORMAT && loading->problem != NULL)
        base_findings_add(findings, REGISTRY_DAMAGED, &place, "%s", loading->problem);
    else
        registry_explain(registry, error, findings);
}

int registry_load(struct registry *registry, const uint8_t *zone, unsigned threads,
                  struct base_findings *findings, struct zone **out, uint64_t *edition)
{
    struct loading loading = {.apex = zone};
    struct dns_zonefile content = {0};
    uint64_t number = 0;
    int error = zone_batch_writer_init(&loading.writer, zone);
    if (error != BASE_OK)
        return error;
    error = read_somewhere(registry, &loading, &number);
    if (error != BASE_OK) {
        explain(registry, &loading, error, findings);
        dns_batch_free(loading.writer.batch);
        return error;
    }
    dns_name_lower(content.origin, zone);
    content.batches = loading.writer.batch;
    content.rr_count = loading.writer.batch->rr_count;
    content.run_count = loading.writer.batch->run_count;
    base_arena_init(&content.arena, 0);
    error = zone_build(&content, threads, findings, out);
    if (error == BASE_OK)
        *edition = number;
    return error;
}
