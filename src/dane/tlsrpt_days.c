/*
 * Files of sessions and the state that belongs to them: see tlsrpt_days.h.
 *
 *   {"files":[{"name":"2026-11-22.jsonl","size":1234}],"state":…}
 *
 * A file is named in the state before it is made, with no octets.
 */
#include "dane/tlsrpt_days.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_MAX_DAY   32
#define PENDING_MAX    (64 * 1024) /* octets of a file that are written at once */
#define SESSION_OCTETS (1024 * 1024)

struct day {
    char name[NAME_MAX_DAY];
    uint64_t size; /* as of the last state */
    int fd;        /* -1: not open */
    struct base_buf pending;
    bool written; /* since the last state */
};
struct dane_tlsrpt_days {
    char *directory;
    int fd; /* of the directory, locked */
    struct day days[DANE_TLSRPT_DAYS_MAX];
    size_t count;
    char *state; /* as last saved; NULL */
};

void dane_tlsrpt_day_file(base_time time, char out[32])
{
    char text[BASE_TIME_TEXT];
    base_time_iso(time, text);
    snprintf(out, 32, "%.10s.jsonl", text);
}

static bool is_day(const char *name)
{
    static const char form[] = "dddd-dd-dd.jsonl";
    for (size_t i = 0; i < sizeof form; i++) {
        bool digit = name[i] >= '0' && name[i] <= '9';
        if (form[i] == 'd' ? !digit : name[i] != form[i])
            return false;
    }
    return true;
}

static void close_day(struct day *day)
{
    if (day->fd >= 0)
        close(day->fd);
    day->fd = -1;
    base_buf_free(&day->pending);
}

/* Behind those that are there; the oldest makes room. */
static struct day *add_day(struct dane_tlsrpt_days *days, const char *name, uint64_t size)
{
    if (days->count == DANE_TLSRPT_DAYS_MAX) {
        size_t oldest = 0;
        for (size_t i = 1; i < days->count; i++) {
            if (strcmp(days->days[i].name, days->days[oldest].name) < 0)
                oldest = i;
        }
        if (days->days[oldest].pending.length > 0)
            return NULL;
        close_day(&days->days[oldest]);
        days->days[oldest] = days->days[--days->count];
    }
    struct day *day = &days->days[days->count++];
    *day = (struct day){.size = size, .fd = -1};
    snprintf(day->name, sizeof day->name, "%s", name);
    base_buf_init(&day->pending, PENDING_MAX + SESSION_OCTETS);
    return day;
}

/* --- the state --- */

static char *state_path(const struct dane_tlsrpt_days *days)
{
    char *path;
    return asprintf(&path, "%s/" DANE_TLSRPT_STATE, days->directory) < 0 ? NULL : path;
}

static int read_files(struct dane_tlsrpt_days *days, const json_t *files)
{
    if (!json_is_array(files) || json_array_size(files) > DANE_TLSRPT_DAYS_MAX)
        return BASE_EFORMAT;
    for (size_t i = 0; i < json_array_size(files); i++) {
        const json_t *file = json_array_get(files, i);
        const char *name = json_string_value(json_object_get(file, "name"));
        json_int_t size = json_integer_value(json_object_get(file, "size"));
        if (!name || !is_day(name) || size < 0)
            return BASE_EFORMAT;
        add_day(days, name, (uint64_t)size);
    }
    return BASE_OK;
}

static int read_state(struct dane_tlsrpt_days *days)
{
    uint8_t *data;
    size_t length;
    char *path = state_path(days);
    if (!path)
        return BASE_ENOMEM;
    int status = base_file_read(path, DANE_TLSRPT_STATE_MAX, &data, &length);
    free(path);
    if (status == BASE_EIO && errno == ENOENT)
        return BASE_OK;
    if (status != BASE_OK)
        return status == BASE_ELIMIT ? BASE_EFORMAT : status;
    json_t *root = json_loadb((const char *)data, length, JSON_REJECT_DUPLICATES, NULL);
    free(data);
    status = read_files(days, json_object_get(root, "files"));
    json_t *state = json_object_get(root, "state");
    if (status == BASE_OK && !(days->state = json_dumps(state, JSON_COMPACT | JSON_ENCODE_ANY)))
        status = state ? BASE_ENOMEM : BASE_EFORMAT;
    json_decref(root);
    return status;
}

static int write_state(struct dane_tlsrpt_days *days)
{
    struct base_file_writer *writer;
    struct base_buf out;
    base_buf_init(&out, DANE_TLSRPT_STATE_MAX);
    base_buf_text(&out, "{\"files\":[");
    for (size_t i = 0; i < days->count; i++)
        base_buf_printf(&out, "%s{\"name\":\"%s\",\"size\":%" PRIu64 "}", i > 0 ? "," : "",
                        days->days[i].name, days->days[i].size);
    base_buf_printf(&out, "],\"state\":");
    base_buf_text(&out, days->state ? days->state : "null");
    base_buf_text(&out, "}\n");
    char *path = state_path(days);
    int status = path ? out.error : BASE_ENOMEM;
    if (status == BASE_OK)
        status = base_file_create(path, 0640, &writer);
    if (status == BASE_OK) {
        status = base_file_write(writer, out.data, out.length);
        if (status == BASE_OK)
            status = base_file_commit(writer);
        else
            base_file_abort(writer);
    }
    free(path);
    base_buf_free(&out);
    return status;
}

/* --- opening --- */

/* What the state does not know of goes. */
static int cut(struct dane_tlsrpt_days *days)
{
    for (size_t i = 0; i < days->count;) {
        struct day *day = &days->days[i];
        struct stat info;
        if (fstatat(days->fd, day->name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
            close_day(day); /* somebody removed it */
            *day = days->days[--days->count];
            continue;
        }
        if ((uint64_t)info.st_size > day->size) {
            int fd = openat(days->fd, day->name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
            bool good = fd >= 0 && ftruncate(fd, (off_t)day->size) == 0 && fsync(fd) == 0;
            if (fd >= 0)
                close(fd);
            if (!good)
                return BASE_EIO;
        }
        day->size = (uint64_t)info.st_size < day->size ? (uint64_t)info.st_size : day->size;
        i++;
    }
    return BASE_OK;
}

int dane_tlsrpt_days_open(const char *directory, struct dane_tlsrpt_days **out, char **state)
{
    struct dane_tlsrpt_days *days = calloc(1, sizeof *days);
    if (!days || !(days->directory = strdup(directory))) {
        free(days);
        return BASE_ENOMEM;
    }
    days->fd = -1;
    int status = mkdir(directory, 0750) == 0 || errno == EEXIST ? BASE_OK : BASE_EIO;
    if (status == BASE_OK) {
        days->fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        status = days->fd >= 0 ? BASE_OK : BASE_EIO;
    }
    if (status == BASE_OK && flock(days->fd, LOCK_EX | LOCK_NB) != 0)
        status = errno == EWOULDBLOCK ? BASE_EEXIST : BASE_EIO;
    if (status == BASE_OK)
        status = read_state(days);
    if (status == BASE_OK)
        status = cut(days);
    char *copy = NULL;
    if (status == BASE_OK && days->state && !(copy = strdup(days->state)))
        status = BASE_ENOMEM;
    if (status != BASE_OK) {
        int kept = errno;
        dane_tlsrpt_days_close(days);
        errno = kept;
        return status;
    }
    *out = days;
    *state = copy;
    return BASE_OK;
}

void dane_tlsrpt_days_close(struct dane_tlsrpt_days *days)
{
    if (!days)
        return;
    for (size_t i = 0; i < days->count; i++)
        close_day(&days->days[i]);
    if (days->fd >= 0)
        close(days->fd);
    free(days->state);
    free(days->directory);
    free(days);
}

/* --- sessions --- */

static int flush(struct day *day)
{
    size_t done = 0;
    while (done < day->pending.length) {
        ssize_t wrote = write(day->fd, day->pending.data + done, day->pending.length - done);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return BASE_EIO;
        done += (size_t)wrote;
    }
    day->written = day->written || done > 0;
    base_buf_reset(&day->pending);
    return BASE_OK;
}

static int find_day(struct dane_tlsrpt_days *days, base_time time, struct day **out)
{
    char name[NAME_MAX_DAY];
    struct day *day = NULL;
    struct stat info;
    dane_tlsrpt_day_file(time, name);
    for (size_t i = 0; !day && i < days->count; i++) {
        if (strcmp(days->days[i].name, name) == 0)
            day = &days->days[i];
    }
    if (!day) {
        bool there = fstatat(days->fd, name, &info, AT_SYMLINK_NOFOLLOW) == 0;
        day = add_day(days, name, there ? (uint64_t)info.st_size : 0);
        if (!day)
            return BASE_ENOMEM;
        int status = write_state(days);
        if (status != BASE_OK)
            return status;
    }
    if (day->fd < 0)
        day->fd =
            openat(days->fd, name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (day->fd < 0)
        return BASE_EIO;
    *out = day;
    return BASE_OK;
}

int dane_tlsrpt_days_add(struct dane_tlsrpt_days *days, const struct dane_tlsrpt_session *session)
{
    struct day *day;
    int status = find_day(days, session->time, &day);
    if (status == BASE_OK)
        status = dane_tlsrpt_session_write(session, &day->pending);
    if (status == BASE_OK && day->pending.length >= PENDING_MAX)
        status = flush(day);
    return status;
}

int dane_tlsrpt_days_save(struct dane_tlsrpt_days *days, const char *state)
{
    int status = BASE_OK;
    for (size_t i = 0; status == BASE_OK && i < days->count; i++) {
        struct day *day = &days->days[i];
        struct stat info;
        if (day->fd < 0)
            continue;
        status = flush(day);
        if (status != BASE_OK || !day->written)
            continue;
        if (fsync(day->fd) != 0 || fstat(day->fd, &info) != 0)
            return BASE_EIO;
        day->size = (uint64_t)info.st_size;
        day->written = false;
    }
    char *copy = status == BASE_OK ? strdup(state) : NULL;
    if (status == BASE_OK && !copy)
        status = BASE_ENOMEM;
    if (status != BASE_OK)
        return status;
    free(days->state);
    days->state = copy;
    return write_state(days);
}

void dane_tlsrpt_days_expire(struct dane_tlsrpt_days *days, base_time first)
{
    char least[NAME_MAX_DAY];
    int copy = openat(days->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = copy >= 0 ? fdopendir(copy) : NULL;
    dane_tlsrpt_day_file(first, least);
    for (struct dirent *entry; list && (entry = readdir(list));) {
        if (is_day(entry->d_name) && strcmp(entry->d_name, least) < 0)
            unlinkat(days->fd, entry->d_name, 0);
    }
    if (list)
        closedir(list);
    else if (copy >= 0)
        close(copy);
    for (size_t i = 0; i < days->count;) {
        struct day *day = &days->days[i];
        if (strcmp(day->name, least) >= 0 || day->pending.length > 0) {
            i++;
            continue;
        }
        close_day(day);
        *day = days->days[--days->count];
    }
}
