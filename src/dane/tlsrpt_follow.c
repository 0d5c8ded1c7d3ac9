/*
 * Following a log file: see tlsrpt_follow.h. Rotation is seen at the end of a file: then PATH is
 * another one, and has something in it, so that the writer is done with the old one.
 */
#include "dane/tlsrpt_follow.h"

#include "base/codec.h"
#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_SIZE 65536

struct dane_tlsrpt_follow {
    char *path;
    int fd; /* -1: the file is not there yet */
    struct dane_tlsrpt_place place;
    size_t used, length; /* of the buffer; `place.offset` is that of `used` */
    bool overlong;       /* within a line that is passed over */
    bool stream, ended;  /* standard input */
    char buffer[BUFFER_SIZE];
};

/* --- files --- */

static int open_log(const char *path)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd >= 0 && (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))) {
        close(fd);
        errno = EINVAL;
        return -1;
    }
    return fd;
}

/* Its first octets; of a file that grows, those of the place's length are compared. */
static void read_head(int fd, size_t length, char out[2 * DANE_TLSRPT_HEAD_MAX + 1])
{
    uint8_t head[DANE_TLSRPT_HEAD_MAX];
    ssize_t got = pread(fd, head, length, 0);
    out[base_hex_encode(out, head, got > 0 ? (size_t)got : 0)] = '\0';
}

static bool is_place(int fd, const struct dane_tlsrpt_place *place)
{
    struct stat info;
    char head[2 * DANE_TLSRPT_HEAD_MAX + 1];
    if (fstat(fd, &info) != 0 || (uint64_t)info.st_dev != place->device ||
        (uint64_t)info.st_ino != place->inode || (uint64_t)info.st_size < place->offset)
        return false;
    read_head(fd, strlen(place->head) / 2, head);
    return strcmp(head, place->head) == 0;
}

/* Takes the file over, from `offset` on. */
static void begin(struct dane_tlsrpt_follow *follow, int fd, uint64_t offset)
{
    struct stat info = {0};
    if (follow->fd >= 0)
        close(follow->fd);
    fstat(fd, &info);
    follow->fd = fd;
    follow->used = follow->length = 0;
    follow->overlong = false;
    follow->place = (struct dane_tlsrpt_place){
        .device = (uint64_t)info.st_dev, .inode = (uint64_t)info.st_ino, .offset = offset};
    read_head(fd, DANE_TLSRPT_HEAD_MAX, follow->place.head);
}

static bool is_compressed(const char *name)
{
    static const char *const ends[] = {".gz", ".xz", ".bz2", ".zst", ".lz4"};
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        size_t end = strlen(ends[i]);
        if (length > end && strcmp(name + length - end, ends[i]) == 0)
            return true;
    }
    return false;
}

/* Calls for what PATH may have been renamed to, until the call says that it is enough. */
static void each_rotated(const char *path, bool (*call)(void *context, const char *file),
                         void *context)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t length = strlen(name);
    char *directory = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    DIR *list = directory ? opendir(directory) : NULL;
    bool enough = false;
    for (struct dirent *entry; list && !enough && (entry = readdir(list));) {
        const char *found = entry->d_name;
        char *file;
        if (strncmp(found, name, length) != 0 || (found[length] != '.' && found[length] != '-') ||
            is_compressed(found) || asprintf(&file, "%s/%s", directory, found) < 0)
            continue;
        enough = call(context, file);
        free(file);
    }
    if (list)
        closedir(list);
    free(directory);
}

struct search {
    const struct dane_tlsrpt_place *place;
    struct timespec after; /* younger than this */
    struct timespec best;  /* and older than this, when `fd` is one */
    int fd;
};

static bool try_place(void *context, const char *file)
{
    struct search *search = context;
    int fd = open_log(file);
    if (fd >= 0 && is_place(fd, search->place)) {
        search->fd = fd;
        return true;
    }
    if (fd >= 0)
        close(fd);
    return false;
}

static bool is_before(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

/* The oldest that was written to after the file at hand. */
static bool try_younger(void *context, const char *file)
{
    struct search *search = context;
    struct stat info;
    int fd = open_log(file);
    if (fd < 0)
        return false;
    if (fstat(fd, &info) != 0 || (uint64_t)info.st_ino == search->place->inode ||
        !is_before(&search->after, &info.st_mtim) ||
        (search->fd >= 0 && !is_before(&info.st_mtim, &search->best))) {
        close(fd);
        return false;
    }
    if (search->fd >= 0)
        close(search->fd);
    search->fd = fd;
    search->best = info.st_mtim;
    return false;
}

int dane_tlsrpt_follow_new(const char *path, const struct dane_tlsrpt_place *place, bool *lost,
                           struct dane_tlsrpt_follow **out)
{
    struct dane_tlsrpt_follow *follow = calloc(1, sizeof *follow);
    if (!follow || !(follow->path = strdup(path))) {
        free(follow);
        return BASE_ENOMEM;
    }
    follow->fd = -1;
    *lost = false;
    *out = follow;
    if (strcmp(path, "-") == 0) {
        follow->stream = true;
        follow->fd = STDIN_FILENO;
        return BASE_OK;
    }
    int fd = open_log(path);
    if (place && place->inode != 0) {
        if (fd < 0 || !is_place(fd, place)) {
            struct search search = {.place = place, .fd = -1};
            each_rotated(path, try_place, &search);
            *lost = search.fd < 0;
            if (fd >= 0 && search.fd >= 0)
                close(fd);
            fd = search.fd >= 0 ? search.fd : fd;
        }
        if (fd >= 0)
            begin(follow, fd, *lost ? 0 : place->offset);
    } else if (fd >= 0) {
        begin(follow, fd, 0);
    }
    return BASE_OK;
}

void dane_tlsrpt_follow_free(struct dane_tlsrpt_follow *follow)
{
    if (!follow)
        return;
    if (follow->fd >= 0 && !follow->stream)
        close(follow->fd);
    free(follow->path);
    free(follow);
}

void dane_tlsrpt_follow_place(const struct dane_tlsrpt_follow *follow,
                              struct dane_tlsrpt_place *out)
{
    *out = follow->place;
}

/* --- lines --- */

/* What is there now, without waiting. */
static ssize_t read_stream(struct dane_tlsrpt_follow *follow)
{
    struct pollfd wait = {.fd = follow->fd, .events = POLLIN};
    if (poll(&wait, 1, 0) <= 0)
        return 0;
    ssize_t got = read(follow->fd, follow->buffer + follow->length, BUFFER_SIZE - follow->length);
    follow->ended = got == 0;
    return got;
}

bool dane_tlsrpt_follow_ended(const struct dane_tlsrpt_follow *follow)
{
    return follow->ended;
}

/* More octets behind those in the buffer. 0: the end; -1: errno. */
static ssize_t fill(struct dane_tlsrpt_follow *follow)
{
    memmove(follow->buffer, follow->buffer + follow->used, follow->length - follow->used);
    follow->length -= follow->used;
    follow->used = 0;
    if (follow->length == BUFFER_SIZE) {
        follow->overlong = true;
        follow->place.offset += BUFFER_SIZE;
        follow->length = 0;
    }
    ssize_t got = follow->stream ? read_stream(follow)
                                 : pread(follow->fd, follow->buffer + follow->length,
                                         BUFFER_SIZE - follow->length,
                                         (off_t)(follow->place.offset + follow->length));
    if (got > 0)
        follow->length += (size_t)got;
    return got;
}

/* At the end of a file: is there something to go on with? */
static bool next_file(struct dane_tlsrpt_follow *follow)
{
    struct stat ours, now;
    int fd = open_log(follow->path);
    if (follow->fd < 0) {
        if (fd >= 0)
            begin(follow, fd, 0);
        return fd >= 0;
    }
    bool good = fd >= 0 && fstat(fd, &now) == 0 && fstat(follow->fd, &ours) == 0;
    bool same = good && now.st_ino == ours.st_ino && now.st_dev == ours.st_dev;
    if (good && same && (uint64_t)now.st_size < follow->place.offset) {
        begin(follow, fd, 0); /* cut short and written anew */
        return true;
    }
    if (!good || same || now.st_size == 0) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    /* What was written between the last look and the first line of the new file. */
    if (fill(follow) > 0) {
        close(fd);
        return true;
    }
    struct search search = {.place = &follow->place, .after = ours.st_mtim, .fd = -1};
    each_rotated(follow->path, try_younger, &search);
    if (search.fd >= 0 && is_before(&search.best, &now.st_mtim)) {
        close(fd);
        fd = search.fd;
    } else if (search.fd >= 0) {
        close(search.fd);
    }
    begin(follow, fd, 0);
    return true;
}

/* Lines in the buffer. */
static int take_lines(struct dane_tlsrpt_follow *follow, size_t most,
                      int (*line)(void *context, const char *text, size_t length), void *context,
                      size_t *count)
{
    int status = BASE_OK;
    while (status == BASE_OK && *count < most) {
        const char *from = follow->buffer + follow->used;
        const char *end = memchr(from, '\n', follow->length - follow->used);
        if (!end)
            break;
        size_t length = (size_t)(end - from);
        if (!follow->overlong)
            status = line(context, from, length);
        follow->overlong = false;
        follow->used += length + 1;
        follow->place.offset += length + 1;
        (*count)++;
    }
    return status;
}

int dane_tlsrpt_follow_read(struct dane_tlsrpt_follow *follow, size_t most,
                            int (*line)(void *context, const char *text, size_t length),
                            void *context, size_t *count)
{
    *count = 0;
    if (follow->fd < 0 && !next_file(follow))
        return BASE_OK;
    if (!follow->stream && strlen(follow->place.head) < 2 * (size_t)DANE_TLSRPT_HEAD_MAX)
        read_head(follow->fd, DANE_TLSRPT_HEAD_MAX, follow->place.head);
    for (;;) {
        int status = take_lines(follow, most, line, context, count);
        if (status != BASE_OK || *count == most)
            return status;
        ssize_t got = fill(follow);
        if (got < 0 && errno != EINTR)
            return BASE_EIO;
        if (got == 0 && (follow->stream || !next_file(follow)))
            return BASE_OK;
    }
}
