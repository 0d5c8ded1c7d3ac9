/* The statements, and how a call begins and ends: see internal.h. */
#include "base/error.h"
#include "registry/internal.h"

#include <errno.h>
#include <string.h>

static const char *const texts[STATEMENT_COUNT] = {
    /* Immediate: the lock for writing is taken at once, not in the midst of the work. */
    [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
    [STATEMENT_COMMIT] = "COMMIT",
    [STATEMENT_ROLLBACK] = "ROLLBACK",
#define ZONE_COLUMNS                                                                               \
    "name, source, made, detail, serial, published, source_serial, source_known, edition, "        \
    "published_edition, published_at, checked_at, expires_at, problem, stamp"
    [STATEMENT_ZONE_LIST] = "SELECT " ZONE_COLUMNS " FROM zone ORDER BY key",
    [STATEMENT_ZONE_GET] = "SELECT " ZONE_COLUMNS " FROM zone WHERE key = ?1",
    /* No row comes back when it has been made already. */
    [STATEMENT_ZONE_MAKE] =
        "INSERT INTO zone (key, name, source, made, detail) VALUES (?1, ?2, ?3, ?4, ?5) "
        "ON CONFLICT (key) DO UPDATE SET source = ?3, made = ?4, detail = ?5 WHERE made = 0 "
        "RETURNING id",
    [STATEMENT_ZONE_FORGET] = "DELETE FROM zone WHERE key = ?1 RETURNING id",
    [STATEMENT_PUBLISHED] =
        "INSERT INTO zone (key, name, source, serial, published, source_serial, source_known, "
        "published_edition, published_at, stamp) VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, ?7, ?8, ?9) "
        "ON CONFLICT (key) DO UPDATE SET source = ?3, serial = ?4, published = 1, "
        "source_serial = ?5, source_known = ?6, published_edition = ?7, published_at = ?8, "
        "stamp = ?9",
    [STATEMENT_CHECKED] = "INSERT INTO zone (key, name, source, checked_at, expires_at) "
                          "VALUES (?1, ?2, 'primary', ?3, ?4) "
                          "ON CONFLICT (key) DO UPDATE SET checked_at = ?3, expires_at = ?4",
    [STATEMENT_PROBLEM] = "INSERT INTO zone (key, name, problem) VALUES (?1, ?2, ?3) "
                          "ON CONFLICT (key) DO UPDATE SET problem = ?3",
    [STATEMENT_EDITION] = "INSERT INTO zone (key, name, source, edition) "
                          "VALUES (?1, ?2, 'edits', 1) "
                          "ON CONFLICT (key) DO UPDATE SET edition = edition + 1 "
                          "RETURNING id, edition",
    [STATEMENT_RECORD_ADD] =
        "INSERT INTO record (zone, owner, type, rdata, ttl, written_owner, written_rdata) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET ttl = ?5, "
        "written_owner = ?6, written_rdata = ?7",
    [STATEMENT_RECORD_REMOVE] =
        "DELETE FROM record WHERE zone = ?1 AND owner = ?2 AND type = ?3 AND rdata = ?4",
    [STATEMENT_SOA_CLEAR] = "DELETE FROM record WHERE zone = ?1 AND type = 6",
    [STATEMENT_RECORD_CLEAR] = "DELETE FROM record WHERE zone = ?1",
    [STATEMENT_LOG_ADD] =
        "INSERT INTO event (zone, number, at, severity, code, text) VALUES (?1, "
        "(SELECT coalesce(max(number), 0) + 1 FROM event WHERE zone = ?1), ?2, ?3, ?4, ?5) "
        "RETURNING number",
    [STATEMENT_LOG_TRIM] = "DELETE FROM event WHERE zone = ?1 AND number <= ?2",
#define TLSA_COLUMNS                                                                               \
    "owner, zone, unsafe, changed_at, current_since, current_ttl, current_old, current_servers, "  \
    "next_since, next_ttl, next_old, next_servers"
    [STATEMENT_TLSA_LIST] = "SELECT " TLSA_COLUMNS " FROM tlsa ORDER BY key",
    [STATEMENT_TLSA_PUT] = "INSERT OR REPLACE INTO tlsa (key, " TLSA_COLUMNS ") VALUES (?1, ?2, "
                           "?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    [STATEMENT_TLSA_FORGET] = "DELETE FROM tlsa WHERE key = ?1",
    [STATEMENT_TLSA_RECORDS] =
        "SELECT rdata, role, settled, since FROM tlsa_record WHERE key = ?1 ORDER BY number",
    [STATEMENT_TLSA_RECORD_ADD] = "INSERT INTO tlsa_record (key, number, rdata, role, settled, "
                                  "since) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [STATEMENT_TLSA_RECORD_CLEAR] = "DELETE FROM tlsa_record WHERE key = ?1",
    [STATEMENT_LOG_READ] = "SELECT at, severity, code, text FROM event WHERE zone = ?1 "
                           "ORDER BY number DESC LIMIT ?2",
};

int registry_error(sqlite3 *database, int code)
{
    /* SQLite keeps the system's reason for some failures, and not for that of a commit. */
    int system = errno != 0 ? errno : database != NULL ? sqlite3_system_errno(database) : 0;
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return BASE_OK;
    case SQLITE_NOMEM:
        return BASE_ENOMEM;
    case SQLITE_FULL:
        errno = ENOSPC;
        return BASE_ESPACE;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return BASE_EFORMAT;
    case SQLITE_TOOBIG:
        return BASE_ERANGE;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        errno = EBUSY;
        return BASE_EIO;
    case SQLITE_READONLY:
    case SQLITE_PERM:
        errno = EROFS;
        return BASE_EIO;
    default:
        break;
    }
    if (code == SQLITE_IOERR_NOMEM)
        return BASE_ENOMEM;
    if (code == SQLITE_IOERR_CORRUPTFS)
        return BASE_EFORMAT;
    errno = system != 0 ? system : EIO;
    /* EFBIG: the largest size that a file may have, which a person sees as a full disk. */
    return errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? BASE_ESPACE : BASE_EIO;
}

/* Errors that leave a transaction in an unknown state. */
static bool poisons(int error)
{
    return error == BASE_EIO || error == BASE_ESPACE || error == BASE_EFORMAT ||
           error == BASE_ENOMEM || error == BASE_ERANGE;
}

int registry_prepare(struct registry *registry, enum registry_statement which,
                     sqlite3_stmt **statement)
{
    if (registry->statements[which] == NULL) {
        int code =
            sqlite3_prepare_v3(registry->database, texts[which], -1, SQLITE_PREPARE_PERSISTENT,
                               &registry->statements[which], NULL);
        if (code != SQLITE_OK)
            return registry_error(registry->database, code);
    }
    *statement = registry->statements[which];
    return BASE_OK;
}

void registry_reset(sqlite3_stmt *statement)
{
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
}

int registry_step(struct registry *registry, sqlite3_stmt *statement)
{
    errno = 0;
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        return BASE_OK;
    return code == SQLITE_DONE ? BASE_ENOENT : registry_error(registry->database, code);
}

int registry_run(struct registry *registry, sqlite3_stmt *statement)
{
    int error;
    while ((error = registry_step(registry, statement)) == BASE_OK)
        ;
    int why = errno;
    registry_reset(statement);
    errno = why;
    return error == BASE_ENOENT ? BASE_OK : error;
}

static int run(struct registry *registry, enum registry_statement which)
{
    sqlite3_stmt *statement = NULL;
    int error = registry_prepare(registry, which, &statement);
    return error == BASE_OK ? registry_run(registry, statement) : error;
}

int registry_lock(struct registry *registry)
{
    pthread_mutex_lock(&registry->mutex);
    return registry->within ? registry->poisoned : BASE_OK;
}

int registry_unlock(struct registry *registry, int error)
{
    int why = errno;
    if (registry->within && registry->poisoned == BASE_OK && poisons(error))
        registry->poisoned = error;
    pthread_mutex_unlock(&registry->mutex);
    errno = why;
    return error;
}

/* Ends the transaction of SQLite, if it has not ended itself. */
static void roll_back(struct registry *registry)
{
    int why = errno;
    sqlite3_stmt *statement = NULL;
    if (sqlite3_get_autocommit(registry->database) == 0 &&
        registry_prepare(registry, STATEMENT_ROLLBACK, &statement) == BASE_OK)
        registry_run(registry, statement);
    errno = why;
}

int registry_enter(struct registry *registry)
{
    int error = registry_lock(registry);
    return error == BASE_OK && !registry->within ? run(registry, STATEMENT_BEGIN) : error;
}

int registry_leave(struct registry *registry, int error)
{
    if (!registry->within) {
        if (error == BASE_OK)
            error = run(registry, STATEMENT_COMMIT);
        if (error != BASE_OK)
            roll_back(registry);
    }
    return registry_unlock(registry, error);
}

int registry_begin(struct registry *registry)
{
    pthread_mutex_lock(&registry->mutex);
    if (registry->within) {
        pthread_mutex_unlock(&registry->mutex);
        return BASE_EINVAL;
    }
    int error = run(registry, STATEMENT_BEGIN);
    if (error != BASE_OK)
        return registry_unlock(registry, error);
    registry->within = true;
    registry->poisoned = BASE_OK;
    return BASE_OK;
}

/* Takes the lock of a transaction's own thread once more; false when there is no transaction. */
static bool own(struct registry *registry)
{
    pthread_mutex_lock(&registry->mutex);
    if (registry->within)
        return true;
    pthread_mutex_unlock(&registry->mutex);
    return false;
}

static int end(struct registry *registry, int error)
{
    int why = errno;
    if (error != BASE_OK)
        roll_back(registry);
    registry->within = false;
    registry->poisoned = BASE_OK;
    pthread_mutex_unlock(&registry->mutex); /* of `own` */
    pthread_mutex_unlock(&registry->mutex); /* of registry_begin */
    errno = why;
    return error;
}

int registry_commit(struct registry *registry)
{
    if (!own(registry))
        return BASE_EINVAL;
    int error = registry->poisoned;
    if (error == BASE_OK)
        error = run(registry, STATEMENT_COMMIT);
    return end(registry, error);
}

void registry_abort(struct registry *registry)
{
    if (own(registry))
        end(registry, BASE_EINVAL);
}

void registry_key(struct registry_key *key, const uint8_t *zone)
{
    key->length = dns_name_key(key->octets, zone, 0);
    key->name_length = dns_name_lower(key->name, zone);
}

void registry_bind_blob(sqlite3_stmt *statement, int at, const void *data, size_t length)
{
    sqlite3_bind_blob64(statement, at, length > 0 ? data : "", length, SQLITE_STATIC);
}

void registry_bind_text(sqlite3_stmt *statement, int at, const char *text)
{
    sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

void registry_bind_zone(sqlite3_stmt *statement, int at, int name, const struct registry_key *key)
{
    registry_bind_blob(statement, at, key->octets, key->length);
    if (name != 0)
        registry_bind_blob(statement, name, key->name, key->name_length);
}
