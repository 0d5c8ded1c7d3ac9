/* What is known of zones beside their content: see registry.h. */
#include "base/error.h"
#include "registry/internal.h"

#include <errno.h>
#include <string.h>

/* Columns of the statements that give zones. */
enum column {
    NAME,
    SOURCE,
    MADE,
    DETAIL,
    SERIAL,
    PUBLISHED,
    SOURCE_SERIAL,
    SOURCE_KNOWN,
    EDITION,
    PUBLISHED_EDITION,
    PUBLISHED_AT,
    CHECKED_AT,
    EXPIRES_AT,
    PROBLEM,
    STAMP
};

static int read_name(sqlite3_stmt *row, struct registry_zone *zone)
{
    const uint8_t *name = sqlite3_column_blob(row, NAME);
    size_t length = (size_t)sqlite3_column_bytes(row, NAME), used;
    if (name == NULL || dns_name_check(name, length, &used) != BASE_OK || used != length)
        return BASE_EFORMAT;
    memcpy(zone->name, name, length);
    return BASE_OK;
}

/* A short text into its field; what does not fit is cut. */
static void read_text(sqlite3_stmt *row, int column, char *out, size_t size)
{
    const char *text = (const char *)sqlite3_column_text(row, column);
    size_t length = text != NULL ? strnlen(text, size - 1) : 0;
    memcpy(out, text != NULL ? text : "", length);
    out[length] = '\0';
}

/* Texts are SQLite's, until the next step. */
static int read_zone(sqlite3_stmt *row, struct registry_zone *zone)
{
    *zone = (struct registry_zone){
        .made = sqlite3_column_int(row, MADE) != 0,
        .detail = (const char *)sqlite3_column_text(row, DETAIL),
        .serial = (uint32_t)sqlite3_column_int64(row, SERIAL),
        .published = sqlite3_column_int(row, PUBLISHED) != 0,
        .source_serial = (uint32_t)sqlite3_column_int64(row, SOURCE_SERIAL),
        .source_known = sqlite3_column_int(row, SOURCE_KNOWN) != 0,
        .edition = (uint64_t)sqlite3_column_int64(row, EDITION),
        .published_edition = (uint64_t)sqlite3_column_int64(row, PUBLISHED_EDITION),
        .published_at = sqlite3_column_int64(row, PUBLISHED_AT),
        .checked_at = sqlite3_column_int64(row, CHECKED_AT),
        .expires_at = sqlite3_column_int64(row, EXPIRES_AT),
        .problem = (const char *)sqlite3_column_text(row, PROBLEM),
    };
    /* A text that is there and cannot be given: memory ran out. */
    if ((zone->detail == NULL && sqlite3_column_type(row, DETAIL) != SQLITE_NULL) ||
        (zone->problem == NULL && sqlite3_column_type(row, PROBLEM) != SQLITE_NULL))
        return BASE_ENOMEM;
    read_text(row, SOURCE, zone->source, sizeof(zone->source));
    read_text(row, STAMP, zone->stamp, sizeof(zone->stamp));
    return read_name(row, zone);
}

int registry_zones(struct registry *registry,
                   int (*visit)(void *context, const struct registry_zone *zone), void *context)
{
    sqlite3_stmt *statement = NULL;
    int error = registry_lock(registry);
    if (error == BASE_OK)
        error = registry_prepare(registry, STATEMENT_ZONE_LIST, &statement);
    if (error != BASE_OK)
        return registry_unlock(registry, error);
    int visited = BASE_OK;
    while (visited == BASE_OK && (error = registry_step(registry, statement)) == BASE_OK) {
        struct registry_zone zone;
        error = read_zone(statement, &zone);
        if (error != BASE_OK)
            break;
        visited = visit(context, &zone);
    }
    registry_reset(statement);
    error = registry_unlock(registry, error == BASE_ENOENT ? BASE_OK : error);
    return visited != BASE_OK ? visited : error;
}

static int keep_text(struct base_arena *arena, const char **text)
{
    if (*text == NULL)
        return BASE_OK;
    *text = base_arena_strndup(arena, *text, strlen(*text));
    return *text != NULL ? BASE_OK : BASE_ENOMEM;
}

int registry_zone_get(struct registry *registry, const uint8_t *zone, struct base_arena *arena,
                      struct registry_zone *out)
{
    struct registry_key key;
    struct registry_zone found;
    sqlite3_stmt *statement = NULL;
    registry_key(&key, zone);
    int error = registry_lock(registry);
    if (error == BASE_OK)
        error = registry_prepare(registry, STATEMENT_ZONE_GET, &statement);
    if (error != BASE_OK)
        return registry_unlock(registry, error);
    registry_bind_zone(statement, 1, 0, &key);
    error = registry_step(registry, statement);
    if (error == BASE_OK)
        error = read_zone(statement, &found);
    if (error == BASE_OK)
        error = keep_text(arena, &found.detail);
    if (error == BASE_OK)
        error = keep_text(arena, &found.problem);
    if (error == BASE_OK)
        *out = found;
    registry_reset(statement);
    return registry_unlock(registry, error);
}

/* Runs a statement that gives a row when it has done something; `otherwise` when it has not. */
static int run_for_row(struct registry *registry, sqlite3_stmt *statement, int otherwise)
{
    int error = registry_step(registry, statement);
    if (error == BASE_ENOENT) {
        registry_reset(statement);
        return otherwise;
    }
    if (error == BASE_OK)
        return registry_run(registry, statement);
    int why = errno;
    registry_reset(statement);
    errno = why;
    return error;
}

int registry_zone_make(struct registry *registry, const struct registry_zone *zone)
{
    struct registry_key key;
    sqlite3_stmt *statement = NULL;
    registry_key(&key, zone->name);
    int error = registry_enter(registry);
    if (error == BASE_OK)
        error = registry_prepare(registry, STATEMENT_ZONE_MAKE, &statement);
    if (error == BASE_OK) {
        registry_bind_zone(statement, 1, 2, &key);
        registry_bind_text(statement, 3, zone->source);
        sqlite3_bind_int(statement, 4, zone->made);
        registry_bind_text(statement, 5, zone->detail);
        error = run_for_row(registry, statement, BASE_EEXIST);
    }
    return registry_leave(registry, error);
}

static int clear_records(struct registry *registry, int64_t id)
{
    sqlite3_stmt *statement = NULL;
    int error = registry_prepare(registry, STATEMENT_RECORD_CLEAR, &statement);
    if (error != BASE_OK)
        return error;
    sqlite3_bind_int64(statement, 1, id);
    return registry_run(registry, statement);
}

int registry_zone_forget(struct registry *registry, const uint8_t *zone)
{
    struct registry_key key;
    sqlite3_stmt *statement = NULL;
    registry_key(&key, zone);
    int error = registry_enter(registry);
    if (error == BASE_OK)
        error = registry_prepare(registry, STATEMENT_ZONE_FORGET, &statement);
    if (error == BASE_OK) {
        registry_bind_zone(statement, 1, 0, &key);
        error = registry_step(registry, statement);
        int64_t id = error == BASE_OK ? sqlite3_column_int64(statement, 0) : 0;
        registry_reset(statement);
        if (error == BASE_OK)
            error = clear_records(registry, id);
    }
    return registry_leave(registry, error);
}

int registry_published(struct registry *registry, const struct registry_published *published)
{
    struct registry_key key;
    sqlite3_stmt *statement = NULL;
    registry_key(&key, published->zone);
    int error = registry_enter(registry);
    if (error == BASE_OK)
        error = registry_prepare(registry, STATEMENT_PUBLISHED, &statement);
    if (error == BASE_OK) {
        registry_bind_zone(statement, 1, 2, &key);
        registry_bind_text(statement, 3, published->source);
        sqlite3_bind_int64(statement, 4, published->serial);
        sqlite3_bind_int64(statement, 5, published->source_serial);
        sqlite3_bind_int(statement, 6, published->source_known);
        sqlite3_bind_int64(statement, 7, (int64_t)published->edition);
        sqlite3_bind_int64(statement, 8, published->at);
        registry_bind_text(statement, 9, published->stamp);
        error = registry_run(registry, statement);
    }
    return registry_leave(registry, error);
}

int registry_checked(struct registry *registry, const uint8_t *zone, base_time at,
                     base_time expires)
{
    struct registry_key key;
    sqlite3_stmt *statement = NULL;
    registry_key(&key, zone);
    int error = registry_enter(registry);
    if (error == BASE_OK)
        error = registry_prepare(registry, STATEMENT_CHECKED, &statement);
    if (error == BASE_OK) {
        registry_bind_zone(statement, 1, 2, &key);
        sqlite3_bind_int64(statement, 3, at);
        sqlite3_bind_int64(statement, 4, expires);
        error = registry_run(registry, statement);
    }
    return registry_leave(registry, error);
}

int registry_problem(struct registry *registry, const uint8_t *zone, const char *json)
{
    struct registry_key key;
    sqlite3_stmt *statement = NULL;
    registry_key(&key, zone);
    int error = registry_enter(registry);
    if (error == BASE_OK)
        error = registry_prepare(registry, STATEMENT_PROBLEM, &statement);
    if (error == BASE_OK) {
        registry_bind_zone(statement, 1, 2, &key);
        registry_bind_text(statement, 3, json);
        error = registry_run(registry, statement);
    }
    return registry_leave(registry, error);
}
