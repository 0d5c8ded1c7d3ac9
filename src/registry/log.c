/* The log of what happened to zones: numbered per zone, the oldest dropped as new ones come. */
#include "base/error.h"
#include "registry/internal.h"

#include <errno.h>

static int add(struct registry *registry, const struct registry_key *key,
               const struct registry_event *event, int64_t *number)
{
    sqlite3_stmt *statement = NULL;
    int error = registry_prepare(registry, STATEMENT_LOG_ADD, &statement);
    if (error != BASE_OK)
        return error;
    registry_bind_zone(statement, 1, 0, key);
    sqlite3_bind_int64(statement, 2, event->at);
    registry_bind_text(statement, 3, event->severity);
    registry_bind_text(statement, 4, event->code);
    registry_bind_text(statement, 5, event->text);
    error = registry_step(registry, statement);
    if (error == BASE_OK)
        *number = sqlite3_column_int64(statement, 0);
    int why = errno;
    registry_reset(statement);
    errno = why;
    return error;
}

static int trim(struct registry *registry, const struct registry_key *key, int64_t last)
{
    sqlite3_stmt *statement = NULL;
    if (last <= 0)
        return BASE_OK;
    int error = registry_prepare(registry, STATEMENT_LOG_TRIM, &statement);
    if (error != BASE_OK)
        return error;
    registry_bind_zone(statement, 1, 0, key);
    sqlite3_bind_int64(statement, 2, last);
    return registry_run(registry, statement);
}

int registry_log(struct registry *registry, const uint8_t *zone, const struct registry_event *event)
{
    struct registry_key key;
    int64_t number = 0;
    registry_key(&key, zone);
    int error = registry_enter(registry);
    if (error == BASE_OK)
        error = add(registry, &key, event, &number);
    if (error == BASE_OK)
        error = trim(registry, &key, number - REGISTRY_LOG_MAX);
    return registry_leave(registry, error);
}

static const char *column_text(sqlite3_stmt *row, int column)
{
    const char *text = (const char *)sqlite3_column_text(row, column);
    return text != NULL ? text : "";
}

int registry_log_read(struct registry *registry, const uint8_t *zone, size_t count,
                      int (*visit)(void *context, const struct registry_event *event),
                      void *context)
{
    struct registry_key key;
    sqlite3_stmt *statement = NULL;
    registry_key(&key, zone);
    int error = registry_lock(registry);
    if (error == BASE_OK)
        error = registry_prepare(registry, STATEMENT_LOG_READ, &statement);
    if (error != BASE_OK)
        return registry_unlock(registry, error);
    registry_bind_zone(statement, 1, 0, &key);
    sqlite3_bind_int64(statement, 2, count < INT64_MAX ? (int64_t)count : INT64_MAX);
    int visited = BASE_OK;
    while (visited == BASE_OK && (error = registry_step(registry, statement)) == BASE_OK) {
        struct registry_event event = {.at = sqlite3_column_int64(statement, 0),
                                       .severity = column_text(statement, 1),
                                       .code = column_text(statement, 2),
                                       .text = column_text(statement, 3)};
        visited = visit(context, &event);
    }
    registry_reset(statement);
    error = registry_unlock(registry, error == BASE_ENOENT ? BASE_OK : error);
    return visited != BASE_OK ? visited : error;
}
