/*
 * A copy of the registry while it is used: pages are copied a piece at a time over a connection of
 * its own, beside those who write; the copy is checked, synced, and only then gets its name.
 */
#include "base/error.h"
#include "registry/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int copy(sqlite3 *from, sqlite3 *to)
{
    errno = 0;
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    if (backup == NULL)
        return registry_error(to, sqlite3_extended_errcode(to));
    /* All in one step: it reads one snapshot, which in WAL mode holds up nobody. In several steps
     * each commit of another would make it begin again. */
    sqlite3_backup_step(backup, -1);
    return registry_error(to, sqlite3_backup_finish(backup));
}

/* A copy that could not be restored is no backup. */
static int check(sqlite3 *copied)
{
    char verdict[200];
    int error = registry_check(copied, "PRAGMA quick_check(1)", verdict, sizeof(verdict));
    return error == BASE_EMISMATCH ? BASE_EFORMAT : error;
}

static int copy_to(const char *source, const char *path)
{
    sqlite3 *from = NULL, *to = NULL;
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0)
        return BASE_EIO;
    close(fd);
    int error = registry_connect(source, SQLITE_OPEN_READWRITE, &from);
    if (error == BASE_OK)
        error = registry_connect(path, SQLITE_OPEN_READWRITE, &to);
    if (error == BASE_OK)
        error = copy(from, to);
    if (error == BASE_OK)
        error = check(to);
    /* One file that is all: what a WAL would keep beside it goes in when that is left. */
    if (error == BASE_OK)
        error = registry_execute(to, "PRAGMA journal_mode = DELETE");
    int why = errno;
    sqlite3_close(from);
    sqlite3_close(to);
    errno = why;
    return error;
}

static int sync_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return BASE_EIO;
    int status = fsync(fd), why = errno;
    close(fd);
    errno = why;
    return status == 0 ? BASE_OK : errno == ENOSPC || errno == EDQUOT ? BASE_ESPACE : BASE_EIO;
}

int registry_backup(struct registry *registry, const char *path)
{
    size_t size = strlen(path) + sizeof(".new");
    char *aside = malloc(size);
    if (aside == NULL)
        return BASE_ENOMEM;
    snprintf(aside, size, "%s.new", path);
    registry_remove(aside);
    int error = copy_to(registry->path, aside);
    if (error == BASE_OK)
        error = sync_file(aside);
    if (error == BASE_OK && rename(aside, path) != 0)
        error = BASE_EIO;
    if (error == BASE_OK)
        error = registry_sync_directory(path);
    if (error != BASE_OK)
        registry_remove(aside);
    free(aside);
    return error;
}
