/*
 * First keys of many zones at once. Each zone's keys are written into a directory aside; then all
 * of these are brought to disk together and renamed. So a thousand new zones wait for the disk
 * once, and each directory of keys is whole or not there.
 */
#include "base/error.h"
#include "crypto/keyfiles.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Up to so many directories are synced one by one; for more the whole file system is. */
#define FEW 4

/* Writes a new file; nobody else knows the directory yet. */
static int write_file(const struct crypto_keyplace *place, const char *name, const char *text,
                      size_t length)
{
    int fd = openat(place->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool good = fd >= 0;
    while (good && length > 0) {
        ssize_t written = write(fd, text, length);
        if (written < 0 && errno == EINTR)
            continue;
        good = written > 0;
        if (good) {
            text += written;
            length -= (size_t)written;
        }
    }
    int saved = errno;
    if (fd >= 0 && close(fd) != 0 && good) {
        saved = errno;
        good = false;
    }
    if (good)
        return BASE_OK;
    crypto_keyplace_add(place, FILE_UNWRITABLE, name, "%s: %s", name, strerror(saved));
    return BASE_EREFUSED;
}

static int write_key(const struct crypto_keyplace *place, const char *stem,
                     const struct crypto_zone_key *key)
{
    char name[CRYPTO_STEM_MAX + 16], *text;
    size_t length;
    int error = crypto_key_to_pem(key->key, &text, &length);
    if (error != BASE_OK)
        return error;
    snprintf(name, sizeof(name), "%s%s", stem, CRYPTO_PEM_SUFFIX);
    error = write_file(place, name, text, length);
    crypto_keyfile_free(text, length);
    if (error == BASE_OK)
        error = crypto_keymeta_write(key, &text);
    if (error != BASE_OK)
        return error;
    snprintf(name, sizeof(name), "%s%s", stem, CRYPTO_META_SUFFIX);
    error = write_file(place, name, text, strlen(text));
    free(text);
    return error;
}

static int make_key(const struct crypto_keyplace *place, const char *path,
                    const struct crypto_zone_key *template, unsigned bits,
                    struct crypto_keydir *dir)
{
    char stem[CRYPTO_STEM_MAX];
    struct crypto_zone_key *key = &dir->keys[dir->count];
    int error = crypto_zone_key_generate(template, bits, dir, place, key);
    if (error != BASE_OK)
        return error;
    dir->count++;
    crypto_keyname_stem(key, stem);
    key->path = base_arena_printf(&dir->arena, "%s/%s%s", path, stem, CRYPTO_PEM_SUFFIX);
    return key->path == NULL ? BASE_ENOMEM : write_key(place, stem, key);
}

static int make_keys(const struct crypto_keyplace *place, const char *path,
                     const struct crypto_zone_key *templates, size_t count, unsigned bits,
                     struct crypto_keydir *dir)
{
    int error = BASE_OK;
    for (size_t i = 0; i < count && error == BASE_OK; i++)
        error = make_key(place, path, &templates[i], bits, dir);
    return error;
}

int crypto_keydir_prepare(const char *aside, const char *path,
                          const struct crypto_zone_key *templates, size_t count, unsigned bits,
                          struct base_findings *findings, struct crypto_keydir *out)
{
    struct base_place where = {.file = aside};
    struct crypto_keyplace place;
    if (!crypto_zone_key_templates_fit(templates, count))
        return BASE_EINVAL;
    struct crypto_keydir dir = {.keys = calloc(count, sizeof(*dir.keys))};
    if (dir.keys == NULL)
        return BASE_ENOMEM;
    base_arena_init(&dir.arena, 0);
    int error = BASE_OK;
    if (mkdir(aside, 0700) != 0) {
        base_findings_add(findings, FILE_UNWRITABLE, &where, "%s cannot be made: %s", aside,
                          strerror(errno));
        error = BASE_EREFUSED;
    }
    bool made = error == BASE_OK;
    if (made)
        error = crypto_keyplace_open(aside, findings, &place);
    if (made && error == BASE_OK) {
        error = make_keys(&place, path, templates, count, bits, &dir);
        crypto_keyplace_close(&place);
    }
    if (error == BASE_OK) {
        *out = dir;
        return BASE_OK;
    }
    if (made)
        crypto_keydir_discard(aside);
    crypto_keydir_free(&dir);
    return error == BASE_ENOENT ? BASE_EREFUSED : error;
}

/* Calls `work` for each file of a directory, then for itself as ".". */
static bool each_file(const char *path, bool (*work)(int directory, const char *name))
{
    DIR *stream = opendir(path);
    if (stream == NULL)
        return false;
    bool good = true;
    const struct dirent *entry;
    while (good && (entry = readdir(stream)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            good = work(dirfd(stream), entry->d_name);
    }
    good = good && work(dirfd(stream), ".");
    int saved = errno;
    closedir(stream);
    errno = saved;
    return good;
}

static bool sync_file(int directory, const char *name)
{
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool good = fsync(fd) == 0;
    int saved = errno;
    close(fd);
    errno = saved;
    return good;
}

static bool remove_file(int directory, const char *name)
{
    return strcmp(name, ".") == 0 || unlinkat(directory, name, 0) == 0;
}

void crypto_keydir_discard(const char *aside)
{
    each_file(aside, remove_file);
    rmdir(aside);
}

static bool sync_all(int parent, const struct crypto_keydir_move *moves, size_t count)
{
    if (count > FEW)
        return syncfs(parent) == 0;
    for (size_t i = 0; i < count; i++) {
        if (!each_file(moves[i].aside, sync_file))
            return false;
    }
    return true;
}

/* A directory that is there and not empty is left as it is. */
static bool rename_all(struct crypto_keydir_move *moves, size_t count,
                       struct base_findings *findings)
{
    bool all = true;
    for (size_t i = 0; i < count; i++) {
        struct base_place place = {.file = moves[i].path};
        moves[i].settled = rename(moves[i].aside, moves[i].path) == 0;
        if (!moves[i].settled)
            base_findings_add(findings, FILE_UNWRITABLE, &place,
                              "the new keys cannot be put into place: %s", strerror(errno));
        all &= moves[i].settled;
    }
    return all;
}

int crypto_keydir_settle(const char *parent, struct crypto_keydir_move *moves, size_t count,
                         struct base_findings *findings)
{
    if (count == 0)
        return BASE_OK;
    for (size_t i = 0; i < count; i++)
        moves[i].settled = false;
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && sync_all(fd, moves, count), all = true;
    if (good) {
        all = rename_all(moves, count, findings);
        good = fsync(fd) == 0;
    }
    int saved = errno;
    if (fd >= 0)
        close(fd);
    if (good)
        return all ? BASE_OK : BASE_EREFUSED;
    struct base_place place = {.file = parent};
    base_findings_add(findings, FILE_UNWRITABLE, &place, "new keys cannot be brought to disk: %s",
                      strerror(saved));
    return BASE_EIO;
}
