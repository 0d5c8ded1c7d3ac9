/*
 * Opening and closing the registry, its schema, and what is said of failures.
 *
 * A new database is made aside and renamed into place when it is whole and on disk. So there is
 * never a half-made one under its name, and a file that is empty or cannot be read is damage.
 */
#include "base/error.h"
#include "registry/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUSY_MS 10000

/* From each version to the next. Never changed once released: a new one is added at the end. */
static const char *const migrations[REGISTRY_VERSION] = {
    /* Zones are ordered by the canonical-order key of their name. `owner` is the key of a record's
     * owner below the apex, `rdata` its canonical form; how they were written, where that differs,
     * is kept beside. A table without row numbers is the tree of its key: an edit costs one way
     * down, and loading a zone is one walk. */
    "CREATE TABLE zone ("
    "id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "key BLOB NOT NULL UNIQUE,"
    "name BLOB NOT NULL,"
    "source TEXT NOT NULL DEFAULT '',"
    "made INTEGER NOT NULL DEFAULT 0,"
    "detail TEXT,"
    "serial INTEGER NOT NULL DEFAULT 0,"
    "published INTEGER NOT NULL DEFAULT 0,"
    "source_serial INTEGER NOT NULL DEFAULT 0,"
    "source_known INTEGER NOT NULL DEFAULT 0,"
    "edition INTEGER NOT NULL DEFAULT 0,"
    "published_edition INTEGER NOT NULL DEFAULT 0,"
    "published_at INTEGER NOT NULL DEFAULT 0,"
    "checked_at INTEGER NOT NULL DEFAULT 0,"
    "expires_at INTEGER NOT NULL DEFAULT 0,"
    "problem TEXT,"
    "stamp TEXT);"
    "CREATE TABLE record ("
    "zone INTEGER NOT NULL,"
    "owner BLOB NOT NULL,"
    "type INTEGER NOT NULL,"
    "rdata BLOB NOT NULL,"
    "ttl INTEGER NOT NULL,"
    "written_owner BLOB,"
    "written_rdata BLOB,"
    "PRIMARY KEY (zone, owner, type, rdata)) WITHOUT ROWID;"
    "CREATE TABLE event ("
    "zone BLOB NOT NULL,"
    "number INTEGER NOT NULL,"
    "at INTEGER NOT NULL,"
    "severity TEXT NOT NULL,"
    "code TEXT NOT NULL,"
    "text TEXT NOT NULL,"
    "PRIMARY KEY (zone, number)) WITHOUT ROWID;",
    /* TLSA records that are kept, by the key of their owner, and what was seen of them. */
    "CREATE TABLE tlsa ("
    "key BLOB PRIMARY KEY,"
    "owner BLOB NOT NULL,"
    "zone BLOB NOT NULL,"
    "unsafe INTEGER NOT NULL,"
    "changed_at INTEGER NOT NULL,"
    "current_since INTEGER NOT NULL,"
    "current_ttl INTEGER NOT NULL,"
    "current_old INTEGER NOT NULL,"
    "current_servers INTEGER NOT NULL,"
    "next_since INTEGER NOT NULL,"
    "next_ttl INTEGER NOT NULL,"
    "next_old INTEGER NOT NULL,"
    "next_servers INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE tlsa_record ("
    "key BLOB NOT NULL,"
    "number INTEGER NOT NULL,"
    "rdata BLOB NOT NULL,"
    "role INTEGER NOT NULL,"
    "settled INTEGER NOT NULL,"
    "since INTEGER NOT NULL,"
    "PRIMARY KEY (key, number)) WITHOUT ROWID;",
};

int registry_number(sqlite3 *database, const char *sql, int64_t *value)
{
    sqlite3_stmt *statement = NULL;
    errno = 0;
    int code = sqlite3_prepare_v2(database, sql, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    int error = registry_error(database, code);
    if (code == SQLITE_ROW)
        *value = sqlite3_column_int64(statement, 0);
    int why = errno;
    sqlite3_finalize(statement);
    errno = why;
    return error;
}

int registry_check(sqlite3 *database, const char *sql, char *verdict, size_t size)
{
    sqlite3_stmt *statement = NULL;
    errno = 0;
    int code = sqlite3_prepare_v2(database, sql, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    int error = registry_error(database, code);
    const char *text = code == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    if (error == BASE_OK && (text == NULL || strcmp(text, "ok") != 0))
        error = BASE_EMISMATCH;
    snprintf(verdict, size, "%s", text != NULL ? text : "");
    int why = errno;
    sqlite3_finalize(statement);
    errno = why;
    return error;
}

int registry_execute(sqlite3 *database, const char *sql)
{
    errno = 0;
    return registry_error(database, sqlite3_exec(database, sql, NULL, NULL, NULL));
}

int registry_migrate(sqlite3 *database, int from)
{
    char head[128];
    snprintf(head, sizeof(head), "PRAGMA user_version = %d; PRAGMA application_id = %d",
             REGISTRY_VERSION, REGISTRY_APPLICATION);
    int error = registry_execute(database, "BEGIN IMMEDIATE");
    for (int version = from; error == BASE_OK && version < REGISTRY_VERSION; version++)
        error = registry_execute(database, migrations[version]);
    if (error == BASE_OK)
        error = registry_execute(database, head);
    if (error == BASE_OK)
        error = registry_execute(database, "COMMIT");
    int why = errno;
    if (error != BASE_OK)
        sqlite3_exec(database, "ROLLBACK", NULL, NULL, NULL);
    errno = why;
    return error;
}

int registry_connect(const char *path, int flags, sqlite3 **out)
{
    int code =
        sqlite3_open_v2(path, out, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (code != SQLITE_OK)
        return *out != NULL ? registry_error(*out, code) : BASE_ENOMEM;
    sqlite3_busy_timeout(*out, BUSY_MS);
    /* FULL: the log of writes is synced at each commit. What the database file says is not run. */
    return registry_execute(*out,
                            "PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF;"
                            "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384;"
                            "PRAGMA journal_size_limit = 67108864; PRAGMA cell_size_check = ON");
}

int registry_sync_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *directory = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
    if (directory == NULL)
        return BASE_ENOMEM;
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(directory);
    if (fd < 0)
        return BASE_EIO;
    int status = fsync(fd);
    int why = errno;
    close(fd);
    errno = why;
    return status == 0 ? BASE_OK : BASE_EIO;
}

/* PATH and an ending; to be freed. */
static char *beside(const char *path, const char *ending)
{
    size_t size = strlen(path) + strlen(ending) + 1;
    char *result = malloc(size);
    if (result != NULL)
        snprintf(result, size, "%s%s", path, ending);
    return result;
}

void registry_remove(const char *path)
{
    static const char *const endings[] = {"", "-journal", "-wal", "-shm"};
    int why = errno;
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        char *name = beside(path, endings[i]);
        if (name != NULL)
            unlink(name);
        free(name);
    }
    errno = why;
}

static int make_at(const char *path)
{
    sqlite3 *database = NULL;
    /* Made by us, so that nobody else can read it: it may hold what others must not know yet. */
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0)
        return BASE_EIO;
    close(fd);
    int error = registry_connect(path, SQLITE_OPEN_READWRITE, &database);
    if (error == BASE_OK)
        error = registry_migrate(database, 0);
    if (error == BASE_OK)
        error = registry_execute(database, "PRAGMA journal_mode = WAL");
    int why = errno;
    int code = sqlite3_close(database);
    errno = why;
    return error == BASE_OK && code != SQLITE_OK ? BASE_EIO : error;
}

/* Makes an empty registry where there is none. */
static int make(const char *path)
{
    char *aside = beside(path, ".new");
    if (aside == NULL)
        return BASE_ENOMEM;
    registry_remove(aside);
    int error = make_at(aside);
    if (error == BASE_OK && rename(aside, path) != 0)
        error = BASE_EIO;
    if (error == BASE_OK)
        error = registry_sync_directory(path);
    registry_remove(aside);
    free(aside);
    return error;
}

/*
 * Findings
 */

void registry_explain(const struct registry *registry, int error, struct base_findings *findings)
{
    struct base_place place = {.file = registry->path};
    if (error == BASE_ESPACE)
        base_findings_add(findings, REGISTRY_FULL, &place,
                          "the change could not be written: no space is left");
    else if (error == BASE_EFORMAT)
        base_findings_add(findings, REGISTRY_DAMAGED, &place,
                          "the database cannot be read any more, its file is damaged");
    else if (error == BASE_EIO || error == BASE_ENOMEM || error == BASE_ERANGE)
        base_findings_add(findings, REGISTRY_FAILED, &place, "the database failed: %s",
                          error == BASE_EIO ? strerror(errno) : base_strerror(error));
}

/* Adds what is wrong with the file that cannot be opened, and gives the error back. */
static int refuse(const struct registry *registry, int error, struct base_findings *findings)
{
    struct base_place place = {.file = registry->path};
    if (error == BASE_EFORMAT)
        base_findings_add(findings, REGISTRY_DAMAGED, &place,
                          "this is not a database, or it is damaged: %s",
                          registry->database != NULL ? sqlite3_errmsg(registry->database) : "");
    else
        registry_explain(registry, error, findings);
    return error;
}

/*
 * Checks
 */

/* Is there a file? Makes one where there is nothing at all. */
static int find_or_make(const struct registry *registry, struct base_findings *findings)
{
    struct base_place place = {.file = registry->path};
    struct stat file;
    if (stat(registry->path, &file) == 0) {
        if (S_ISREG(file.st_mode) && file.st_size > 0)
            return BASE_OK;
        base_findings_add(findings, REGISTRY_DAMAGED, &place, "%s",
                          S_ISREG(file.st_mode) ? "the file is empty; a database never is"
                                                : "this is not a plain file");
        return BASE_EFORMAT;
    }
    if (errno != ENOENT)
        return refuse(registry, BASE_EIO, findings);
    char *log = beside(registry->path, "-wal");
    if (log == NULL)
        return BASE_ENOMEM;
    bool left = stat(log, &file) == 0 && file.st_size > 0;
    free(log);
    if (left) {
        base_findings_add(findings, REGISTRY_DAMAGED, &place,
                          "the file is gone, but the log of its last changes (%s-wal) is there",
                          registry->path);
        return BASE_EFORMAT;
    }
    int error = make(registry->path);
    return error == BASE_OK || error == BASE_ENOMEM ? error : refuse(registry, error, findings);
}

/* The version of an open database; anything but a registry of a known version is refused. */
static int check_version(const struct registry *registry, struct base_findings *findings,
                         int *version)
{
    struct base_place place = {.file = registry->path};
    int64_t application = 0, number = 0;
    int error = registry_number(registry->database, "PRAGMA application_id", &application);
    if (error == BASE_OK)
        error = registry_number(registry->database, "PRAGMA user_version", &number);
    if (error != BASE_OK)
        return refuse(registry, error, findings);
    if (application != REGISTRY_APPLICATION || number < 1) {
        base_findings_add(findings, REGISTRY_DAMAGED, &place,
                          "this is a database, but not Kenter's registry");
        return BASE_EFORMAT;
    }
    if (number > REGISTRY_VERSION) {
        base_findings_add(findings, REGISTRY_NEWER, &place,
                          "its version is %lld, and this program knows up to %d", (long long)number,
                          REGISTRY_VERSION);
        return BASE_EFORMAT;
    }
    *version = (int)number;
    return BASE_OK;
}

static int migrate(const struct registry *registry, int version, struct base_findings *findings)
{
    if (version == REGISTRY_VERSION)
        return BASE_OK;
    int error = registry_migrate(registry->database, version);
    return error == BASE_OK ? BASE_OK : refuse(registry, error, findings);
}

/* A quick look at what everything hangs on. Records are checked when a zone is loaded. */
static int check_content(const struct registry *registry, struct base_findings *findings)
{
    char verdict[200];
    struct base_place place = {.file = registry->path};
    int error =
        registry_check(registry->database, "PRAGMA quick_check(zone)", verdict, sizeof(verdict));
    if (error == BASE_EMISMATCH) {
        base_findings_add(findings, REGISTRY_DAMAGED, &place, "the database is damaged: %s",
                          verdict);
        return BASE_EFORMAT;
    }
    return error == BASE_OK ? BASE_OK : refuse(registry, error, findings);
}

static int open_file(struct registry *registry, struct base_findings *findings)
{
    int version = 0;
    int error = find_or_make(registry, findings);
    if (error != BASE_OK)
        return error;
    error = registry_connect(registry->path, SQLITE_OPEN_READWRITE, &registry->database);
    if (error == BASE_OK)
        error = registry_execute(registry->database, "PRAGMA journal_mode = WAL");
    if (error != BASE_OK)
        return refuse(registry, error, findings);
    error = check_version(registry, findings, &version);
    if (error == BASE_OK)
        error = migrate(registry, version, findings);
    if (error == BASE_OK)
        error = check_content(registry, findings);
    return error;
}

static struct registry *new_registry(const char *path)
{
    struct registry *registry = calloc(1, sizeof(*registry));
    if (registry == NULL)
        return NULL;
    pthread_mutexattr_t recursive;
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&registry->mutex, &recursive);
    pthread_mutexattr_destroy(&recursive);
    registry->path = strdup(path);
    if (registry->path == NULL) {
        registry_close(registry);
        return NULL;
    }
    return registry;
}

int registry_open(const char *path, struct base_findings *findings, struct registry **out)
{
    struct registry *registry = new_registry(path);
    if (registry == NULL)
        return BASE_ENOMEM;
    int error = open_file(registry, findings);
    if (error != BASE_OK) {
        int why = errno;
        registry_close(registry);
        errno = why;
        return error;
    }
    *out = registry;
    return BASE_OK;
}

void registry_close(struct registry *registry)
{
    if (registry == NULL)
        return;
    for (size_t i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(registry->statements[i]);
    sqlite3_close(registry->database);
    pthread_mutex_destroy(&registry->mutex);
    free(registry->path);
    free(registry);
}
