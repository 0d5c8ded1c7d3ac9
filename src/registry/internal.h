/*
 * What the files of the registry share: the connection, its prepared statements, and how a call
 * begins and ends.
 */
#ifndef REGISTRY_INTERNAL_H
#define REGISTRY_INTERNAL_H

#include "registry/registry.h"

#include <pthread.h>
#include <sqlite3.h>

/* Every statement that is used while running; prepared at its first use and kept. */
enum registry_statement {
    STATEMENT_BEGIN,
    STATEMENT_COMMIT,
    STATEMENT_ROLLBACK,
    STATEMENT_ZONE_LIST,
    STATEMENT_ZONE_GET,
    STATEMENT_ZONE_MAKE,
    STATEMENT_ZONE_FORGET,
    STATEMENT_PUBLISHED,
    STATEMENT_CHECKED,
    STATEMENT_PROBLEM,
    STATEMENT_EDITION,
    STATEMENT_RECORD_ADD,
    STATEMENT_RECORD_REMOVE,
    STATEMENT_SOA_CLEAR,
    STATEMENT_RECORD_CLEAR,
    STATEMENT_LOG_ADD,
    STATEMENT_LOG_TRIM,
    STATEMENT_LOG_READ,
    STATEMENT_TLSA_LIST,
    STATEMENT_TLSA_PUT,
    STATEMENT_TLSA_FORGET,
    STATEMENT_TLSA_RECORDS,
    STATEMENT_TLSA_RECORD_ADD,
    STATEMENT_TLSA_RECORD_CLEAR,
    STATEMENT_COUNT
};

struct registry {
    pthread_mutex_t mutex; /* recursive: held by a transaction from begin to end */
    sqlite3 *database;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    char *path;
    bool within;  /* a transaction; seen by its own thread only */
    int poisoned; /* the error that the transaction cannot get over */
};

/* The error for a result code of SQLite; sets errno for BASE_EIO. errno must have been 0 before the
 * call that gave the code, for it may hold the reason. */
int registry_error(sqlite3 *database, int code);

/* The database's schema: from version `from` (0: an empty file) to the newest; in one transaction.
 */
#define REGISTRY_VERSION     2
#define REGISTRY_APPLICATION 0x4b6e7472 /* "Kntr" in the file's head */
int registry_migrate(sqlite3 *database, int from);
/* Opens a connection with our settings. On failure *out is what is left, for the error's text; to
 * be closed. */
int registry_connect(const char *path, int flags, sqlite3 **out);
int registry_execute(sqlite3 *database, const char *sql);
/* A number that a statement without parameters gives. */
int registry_number(sqlite3 *database, const char *sql, int64_t *value);
/* A check that answers "ok" or what is wrong, which is BASE_EMISMATCH, with the text in `verdict`.
 */
int registry_check(sqlite3 *database, const char *sql, char *verdict, size_t size);
/* Removes a database and what belongs to it; errno stays. */
void registry_remove(const char *path);
/* Syncs the directory of a file, so that its name is on disk. BASE_EIO. */
int registry_sync_directory(const char *path);

/*
 * A call that changes something:
 *     int error = registry_enter(registry);            locks; opens a transaction if there is none
 *     if (error == BASE_OK) error = ...;
 *     return registry_leave(registry, error);          commits or rolls back; unlocks
 * To be used also when registry_enter failed. A call that reads: registry_lock, registry_unlock.
 */
int registry_enter(struct registry *registry);
int registry_leave(struct registry *registry, int error);
int registry_lock(struct registry *registry);
int registry_unlock(struct registry *registry, int error);

/* The statement, ready for its parameters. */
int registry_prepare(struct registry *registry, enum registry_statement which,
                     sqlite3_stmt **statement);
/* Runs it to its end and resets it; rows are not looked at. */
int registry_run(struct registry *registry, sqlite3_stmt *statement);
/* The next row: BASE_OK, BASE_ENOENT at the end. */
int registry_step(struct registry *registry, sqlite3_stmt *statement);
void registry_reset(sqlite3_stmt *statement);

/* A zone's name as statements take it: the key that zones are found and ordered by, and the name in
 * lower case. */
struct registry_key {
    uint8_t octets[DNS_KEY_MAX], name[DNS_NAME_MAX];
    size_t length, name_length;
};
void registry_key(struct registry_key *key, const uint8_t *zone);
/* Binds the key and, at `name` unless 0, the name. `key` stays until the statement has run. */
void registry_bind_zone(sqlite3_stmt *statement, int at, int name, const struct registry_key *key);
/* Binds octets that stay until the statement has run; none: an empty blob, not NULL. */
void registry_bind_blob(sqlite3_stmt *statement, int at, const void *data, size_t length);
void registry_bind_text(sqlite3_stmt *statement, int at, const char *text); /* NULL: NULL */

#endif
