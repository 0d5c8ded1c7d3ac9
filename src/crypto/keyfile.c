/*
 * Reading and writing single files of keys, with the checks that private keys need: no links, the
 * right owner, nothing for others. Checks are made on what was opened, so that nothing can be
 * exchanged between the check and the reading.
 */
#include "base/error.h"
#include "base/file.h"
#include "crypto/keyfiles.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* "directory/name", malloc'ed. */
static char *full_path(const struct crypto_keyplace *place, const char *name)
{
    if (name[0] == '\0')
        return strdup(place->path);
    size_t length = strlen(place->path);
    bool slash = length > 0 && place->path[length - 1] == '/';
    char *path = malloc(length + strlen(name) + 2);
    if (path != NULL)
        sprintf(path, "%s%s%s", place->path, slash ? "" : "/", name);
    return path;
}

void crypto_keyplace_add(const struct crypto_keyplace *place, enum base_finding_code code,
                         const char *name, const char *format, ...)
{
    char *path = full_path(place, name);
    struct base_place where = {.file = path == NULL ? name : path};
    va_list args;
    va_start(args, format);
    base_findings_addv(place->findings, code, base_finding_info(code)->severity, &where, format,
                       args);
    va_end(args);
    free(path);
}

int crypto_keyplace_open(const char *path, struct base_findings *findings,
                         struct crypto_keyplace *place)
{
    struct crypto_keyplace opened = {.path = path, .findings = findings};
    opened.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (opened.fd >= 0) {
        *place = opened;
        return BASE_OK;
    }
    if (errno == ENOENT)
        return BASE_ENOENT;
    crypto_keyplace_add(&opened, FILE_UNREADABLE, "", "%s cannot be opened as a directory: %s",
                        path, strerror(errno));
    return BASE_EREFUSED;
}

void crypto_keyplace_close(struct crypto_keyplace *place)
{
    close(place->fd);
}

/* Root may use what belongs to anybody; others only what is theirs or root's. */
static bool owner_is_fine(const struct stat *info)
{
    return geteuid() == 0 || info->st_uid == geteuid() || info->st_uid == 0;
}

static int check_owner(const struct crypto_keyplace *place, const char *name,
                       const struct stat *info)
{
    if (owner_is_fine(info))
        return BASE_OK;
    crypto_keyplace_add(place, KEY_OWNER, name,
                        "it belongs to the user with the number %u, but Kenter runs as %u",
                        (unsigned)info->st_uid, (unsigned)geteuid());
    return BASE_EREFUSED;
}

int crypto_keyplace_check(const struct crypto_keyplace *place)
{
    struct stat info;
    if (fstat(place->fd, &info) != 0) {
        crypto_keyplace_add(place, FILE_UNREADABLE, "", "%s: %s", place->path, strerror(errno));
        return BASE_EREFUSED;
    }
    if ((info.st_mode & 077) != 0) {
        crypto_keyplace_add(place, KEY_PERMISSIONS, "",
                            "the directory of keys has mode %04o, which lets others in; run: "
                            "chmod 700 '%s'",
                            (unsigned)info.st_mode & 07777, place->path);
        return BASE_EREFUSED;
    }
    return check_owner(place, "", &info);
}

int crypto_keyplace_lock(const struct crypto_keyplace *place)
{
    int result;
    do
        result = flock(place->fd, LOCK_EX);
    while (result != 0 && errno == EINTR);
    /* A file system without locks is no reason to stop: names of files never clash. */
    return result == 0 || errno == ENOLCK || errno == EOPNOTSUPP ? BASE_OK : BASE_EIO;
}

bool crypto_keyplace_has(const struct crypto_keyplace *place, const char *name)
{
    struct stat info;
    return fstatat(place->fd, name, &info, AT_SYMLINK_NOFOLLOW) == 0;
}

static int check_file(const struct crypto_keyplace *place, const char *name, mode_t forbidden,
                      const struct stat *info)
{
    if (!S_ISREG(info->st_mode)) {
        crypto_keyplace_add(place, KEY_NOT_A_FILE, name, "%s is a link or a device, not a file",
                            name);
        return BASE_EREFUSED;
    }
    if ((info->st_mode & forbidden) != 0) {
        crypto_keyplace_add(place, KEY_PERMISSIONS, name,
                            "the file has mode %04o, which is too open for it; run: chmod %o "
                            "'%s/%s'",
                            (unsigned)info->st_mode & 07777,
                            (unsigned)(info->st_mode & 0777 & ~forbidden), place->path, name);
        return BASE_EREFUSED;
    }
    return check_owner(place, name, info);
}

int crypto_keyfile_check(const struct crypto_keyplace *place, const char *name, mode_t forbidden)
{
    struct stat info;
    if (fstatat(place->fd, name, &info, AT_SYMLINK_NOFOLLOW) == 0)
        return check_file(place, name, forbidden, &info);
    if (errno == ENOENT)
        return BASE_ENOENT;
    crypto_keyplace_add(place, FILE_UNREADABLE, name, "%s: %s", name, strerror(errno));
    return BASE_EREFUSED;
}

/* Reads what there is, up to the limit. */
static int read_open_file(const struct crypto_keyplace *place, const char *name, int fd, char **out,
                          size_t *out_length)
{
    char *text = malloc(CRYPTO_KEYFILE_LIMIT + 2);
    if (text == NULL)
        return BASE_ENOMEM;
    size_t length = 0;
    ssize_t got = 1;
    while (got != 0 && length <= CRYPTO_KEYFILE_LIMIT) {
        got = read(fd, text + length, CRYPTO_KEYFILE_LIMIT + 1 - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            break;
        length += (size_t)got;
    }
    if (got < 0)
        crypto_keyplace_add(place, FILE_UNREADABLE, name, "%s: %s", name, strerror(errno));
    else if (length > CRYPTO_KEYFILE_LIMIT)
        crypto_keyplace_add(place, KEY_DAMAGED, name, "%s is larger than any key: over %d octets",
                            name, CRYPTO_KEYFILE_LIMIT);
    if (got < 0 || length > CRYPTO_KEYFILE_LIMIT) {
        crypto_keyfile_free(text, CRYPTO_KEYFILE_LIMIT + 1);
        return BASE_EREFUSED;
    }
    text[length] = '\0';
    *out = text;
    *out_length = length;
    return BASE_OK;
}

int crypto_keyfile_read(const struct crypto_keyplace *place, const char *name, mode_t forbidden,
                        char **text, size_t *length)
{
    /* Without O_NONBLOCK a pipe put there would make us wait for ever. */
    int fd = openat(place->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return BASE_ENOENT;
    if (fd < 0 && errno == ELOOP) {
        crypto_keyplace_add(place, KEY_NOT_A_FILE, name, "%s is a symbolic link", name);
        return BASE_EREFUSED;
    }
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0) {
        crypto_keyplace_add(place, FILE_UNREADABLE, name, "%s: %s", name, strerror(errno));
        if (fd >= 0)
            close(fd);
        return BASE_EREFUSED;
    }
    int error = check_file(place, name, forbidden, &info);
    if (error == BASE_OK)
        error = read_open_file(place, name, fd, text, length);
    close(fd);
    return error;
}

int crypto_keyfile_write(const struct crypto_keyplace *place, const char *name, mode_t mode,
                         const char *text, size_t length)
{
    char *path = full_path(place, name);
    if (path == NULL)
        return BASE_ENOMEM;
    struct base_file_writer *writer;
    int error = base_file_create(path, mode, &writer);
    free(path);
    if (error == BASE_OK) {
        base_file_write(writer, text, length); /* the error sticks until the commit */
        error = base_file_commit(writer);
    }
    if (error == BASE_EIO) {
        crypto_keyplace_add(place, FILE_UNWRITABLE, name, "%s: %s", name, strerror(errno));
        error = BASE_EREFUSED;
    }
    return error;
}

int crypto_keyfile_rename(const struct crypto_keyplace *place, const char *from, const char *to)
{
    if (renameat(place->fd, from, place->fd, to) == 0 && fsync(place->fd) == 0)
        return BASE_OK;
    crypto_keyplace_add(place, FILE_UNWRITABLE, to, "%s: %s", to, strerror(errno));
    return BASE_EREFUSED;
}

void crypto_keyfile_free(char *text, size_t length)
{
    if (text != NULL)
        crypto_wipe(text, length);
    free(text);
}
