/* Files: see file.h. */
#include "base/file.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_SIZE ((size_t)256 * 1024)
/* The system is told to start writing to disk after so many bytes, so that the sync at the end has
 * little left to wait for. */
#define WRITEBACK_STEP ((off_t)8 * 1024 * 1024)
#define NAME_TRIES     100

static bool is_dash(const char *path)
{
    return strcmp(path, "-") == 0;
}

/* read(2) until the buffer is full or the file ends; the bytes read, or -1. */
static ssize_t read_full(int fd, uint8_t *data, size_t length)
{
    size_t done = 0;
    while (done < length) {
        ssize_t got = read(fd, data + done, length - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

static size_t first_capacity(int fd, size_t limit)
{
    struct stat info;
    size_t size = BUFFER_SIZE;
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size >= 0)
        size = (size_t)info.st_size;
    return size < limit ? size : limit;
}

/* Reads to the end. One byte more than `limit` is asked for, to know that it is too much. */
static int read_all(int fd, size_t limit, uint8_t **out, size_t *out_length)
{
    size_t capacity = first_capacity(fd, limit) + 1;
    size_t length = 0;
    uint8_t *data = NULL;
    for (;;) {
        uint8_t *larger = realloc(data, capacity + 1);
        if (larger == NULL) {
            free(data);
            return BASE_ENOMEM;
        }
        data = larger;
        ssize_t got = read_full(fd, data + length, capacity - length);
        if (got < 0) {
            free(data);
            return BASE_EIO;
        }
        length += (size_t)got;
        if (length > limit) {
            free(data);
            return BASE_ELIMIT;
        }
        if (length < capacity)
            break;
        capacity = capacity > limit / 2 ? limit + 1 : capacity * 2;
    }
    data[length] = '\0';
    *out = data;
    *out_length = length;
    return BASE_OK;
}

int base_file_read(const char *path, size_t limit, uint8_t **data, size_t *length)
{
    if (limit > SSIZE_MAX - 2)
        limit = SSIZE_MAX - 2;
    if (is_dash(path))
        return read_all(STDIN_FILENO, limit, data, length);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return BASE_EIO;
    int error = read_all(fd, limit, data, length);
    int saved = errno;
    close(fd);
    errno = saved;
    return error;
}

struct base_file_writer {
    int fd;
    char *target; /* where the file goes by rename; NULL when written straight */
    char *aside;  /* where it is until then; NULL when it has no name yet */
    uint8_t *buffer;
    size_t buffered;
    off_t written;   /* given to the system */
    off_t requested; /* of these, asked to be put to disk */
    int error;
    int error_number; /* errno of the first failure */
};

static void writer_free(struct base_file_writer *writer)
{
    if (writer->fd >= 0 && writer->fd != STDOUT_FILENO)
        close(writer->fd);
    free(writer->target);
    free(writer->aside);
    free(writer->buffer);
    free(writer);
}

static int writer_fail(struct base_file_writer *writer)
{
    if (writer->error == BASE_OK) {
        writer->error = BASE_EIO;
        writer->error_number = errno;
    }
    errno = writer->error_number;
    return writer->error;
}

/* The directory part of a path, with its final slash; "" when there is none. */
static size_t directory_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : (size_t)(slash - path) + 1;
}

/* A file without a name, which is gone when we are killed. Not every file system can; the name
 * that it gets in the end goes through /proc. */
static int open_nameless(const char *target, mode_t mode)
{
    size_t length = directory_length(target);
    char *directory = length == 0 ? strdup(".") : strndup(target, length);
    if (directory == NULL || access("/proc/self/fd", X_OK) != 0) {
        free(directory);
        return -1;
    }
    int fd = open(directory, O_WRONLY | O_TMPFILE | O_CLOEXEC, mode);
    free(directory);
    return fd;
}

/* Gives the open file the name in `aside`, or opens a new file of this name. */
static bool take_name(struct base_file_writer *writer, mode_t mode)
{
    if (writer->fd < 0) {
        writer->fd = open(writer->aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        return writer->fd >= 0;
    }
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", writer->fd);
    return linkat(AT_FDCWD, path, AT_FDCWD, writer->aside, AT_SYMLINK_FOLLOW) == 0;
}

/* Finds a free name beside the target. It begins with a dot, so that tools which read whole
 * directories pass over it. */
static int name_aside(struct base_file_writer *writer, mode_t mode)
{
    size_t directory = directory_length(writer->target);
    size_t room = strlen(writer->target) + 32;
    writer->aside = malloc(room);
    if (writer->aside == NULL)
        return BASE_ENOMEM;
    for (int i = 0; i < NAME_TRIES; i++) {
        uint64_t number;
        if (getrandom(&number, sizeof(number), 0) != sizeof(number))
            break;
        /* The name is cut so that its length stays one that the file system takes. */
        snprintf(writer->aside, room, "%.*s.%.200s.%016llx", (int)directory, writer->target,
                 writer->target + directory, (unsigned long long)number);
        if (take_name(writer, mode))
            return BASE_OK;
        if (errno != EEXIST)
            break;
    }
    free(writer->aside);
    writer->aside = NULL;
    return BASE_EIO;
}

static int open_aside(struct base_file_writer *writer, mode_t mode)
{
    writer->fd = open_nameless(writer->target, mode);
    return writer->fd >= 0 ? BASE_OK : name_aside(writer, mode);
}

/* Gives the new file the permissions of the one that it replaces. The owner is kept where the
 * system lets us, which it does for root. */
static int copy_permissions(int fd, const struct stat *old)
{
    if (old->st_uid != geteuid() || old->st_gid != getegid()) {
        if (fchown(fd, old->st_uid, old->st_gid) != 0 && errno != EPERM)
            return BASE_EIO;
    }
    return fchmod(fd, old->st_mode & 07777) == 0 ? BASE_OK : BASE_EIO;
}

/* Opens for replacement of a regular file, existing (`old`) or not. */
static int open_replacement(struct base_file_writer *writer, const char *target, mode_t mode,
                            const struct stat *old)
{
    writer->target = strdup(target);
    if (writer->target == NULL)
        return BASE_ENOMEM;
    int error = open_aside(writer, mode);
    if (error == BASE_OK && old != NULL)
        error = copy_permissions(writer->fd, old);
    return error;
}

/* Opens devices, pipes and dangling links, which cannot be replaced by a rename. */
static int open_straight(struct base_file_writer *writer, const char *path, mode_t mode)
{
    writer->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    return writer->fd >= 0 ? BASE_OK : BASE_EIO;
}

static int open_target(struct base_file_writer *writer, const char *path, mode_t mode)
{
    if (is_dash(path)) {
        writer->fd = STDOUT_FILENO;
        return BASE_OK;
    }
    struct stat info;
    if (lstat(path, &info) != 0)
        return errno == ENOENT ? open_replacement(writer, path, mode, NULL) : BASE_EIO;
    if (S_ISREG(info.st_mode))
        return open_replacement(writer, path, mode, &info);
    if (!S_ISLNK(info.st_mode) || stat(path, &info) != 0 || !S_ISREG(info.st_mode))
        return open_straight(writer, path, mode);
    /* The link stays; what it points at is replaced. */
    char *real = realpath(path, NULL);
    if (real == NULL)
        return BASE_EIO;
    int error = open_replacement(writer, real, mode, &info);
    int saved = errno;
    free(real);
    errno = saved;
    return error;
}

int base_file_create(const char *path, mode_t mode, struct base_file_writer **out)
{
    struct base_file_writer *writer = calloc(1, sizeof(*writer));
    if (writer == NULL)
        return BASE_ENOMEM;
    writer->fd = -1;
    writer->buffer = malloc(BUFFER_SIZE);
    int error = writer->buffer == NULL ? BASE_ENOMEM : open_target(writer, path, mode);
    if (error != BASE_OK) {
        int saved = errno;
        base_file_abort(writer);
        errno = saved;
        return error;
    }
    *out = writer;
    return BASE_OK;
}

static int write_out(struct base_file_writer *writer, const uint8_t *data, size_t length)
{
    while (length > 0) {
        ssize_t put = write(writer->fd, data, length);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return writer_fail(writer);
        data += put;
        length -= (size_t)put;
        writer->written += put;
    }
    if (writer->target != NULL && writer->written - writer->requested >= WRITEBACK_STEP) {
        /* Advice only: what fails here is seen by the sync. */
        sync_file_range(writer->fd, writer->requested, writer->written - writer->requested,
                        SYNC_FILE_RANGE_WRITE);
        writer->requested = writer->written;
    }
    return BASE_OK;
}

static int flush(struct base_file_writer *writer)
{
    size_t length = writer->buffered;
    writer->buffered = 0;
    return write_out(writer, writer->buffer, length);
}

int base_file_write(struct base_file_writer *writer, const void *data, size_t length)
{
    if (writer->error != BASE_OK) {
        errno = writer->error_number;
        return writer->error;
    }
    if (length > BUFFER_SIZE - writer->buffered) {
        int error = flush(writer);
        if (error != BASE_OK)
            return error;
        if (length >= BUFFER_SIZE)
            return write_out(writer, data, length);
    }
    if (length > 0)
        memcpy(writer->buffer + writer->buffered, data, length);
    writer->buffered += length;
    return BASE_OK;
}

/* Makes a rename in the directory of `path` last. */
static int sync_directory(const char *path)
{
    size_t length = directory_length(path);
    char *directory = length == 0 ? strdup(".") : strndup(path, length);
    if (directory == NULL)
        return BASE_ENOMEM;
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(directory);
    if (fd < 0)
        return BASE_EIO;
    int failed = fsync(fd) != 0 && errno != EINVAL;
    int saved = errno;
    close(fd);
    errno = saved;
    return failed ? BASE_EIO : BASE_OK;
}

static int put_into_place(struct base_file_writer *writer)
{
    if (fsync(writer->fd) != 0)
        return writer_fail(writer);
    if (writer->aside == NULL && name_aside(writer, 0) != BASE_OK)
        return writer_fail(writer);
    if (rename(writer->aside, writer->target) != 0)
        return writer_fail(writer);
    free(writer->aside);
    writer->aside = NULL;
    if (sync_directory(writer->target) != BASE_OK)
        return writer_fail(writer);
    return BASE_OK;
}

static int finish_straight(struct base_file_writer *writer)
{
    /* Pipes and devices cannot sync, which is no failure. */
    if (fsync(writer->fd) != 0 && errno != EINVAL && errno != EROFS && errno != ENOTSUP)
        return writer_fail(writer);
    return BASE_OK;
}

int base_file_commit(struct base_file_writer *writer)
{
    int error = writer->error;
    if (error == BASE_OK)
        error = flush(writer);
    if (error == BASE_OK)
        error = writer->target != NULL ? put_into_place(writer) : finish_straight(writer);
    base_file_abort(writer);
    return error;
}

void base_file_abort(struct base_file_writer *writer)
{
    if (writer == NULL)
        return;
    int saved = writer->error == BASE_OK ? errno : writer->error_number;
    if (writer->aside != NULL && writer->fd >= 0)
        unlink(writer->aside);
    writer_free(writer);
    errno = saved;
}
