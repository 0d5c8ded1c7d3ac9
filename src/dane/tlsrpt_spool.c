/*
 * The directory of reports on their way: see tlsrpt_spool.h.
 */
#include "dane/tlsrpt_spool.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "dane/tlsrpt_mail.h"

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

#define NOTE_MAX   65536
#define REPORT_MAX (10 * 1024 * 1024)
#define LIST_MAX   200000 /* reports in the directory */

struct dane_tlsrpt_spool {
    char *directory;
    int fd; /* locked */
};

static const char *const state_names[] = {"waiting", "sending", "sent", "given-up"};

const char *dane_tlsrpt_sending_name(enum dane_tlsrpt_sending state)
{
    return state_names[state];
}

void dane_tlsrpt_parcel_free(struct dane_tlsrpt_parcel *parcel)
{
    free(parcel->name);
    free(parcel->domain);
    free(parcel->submitter);
    free(parcel->id);
    free(parcel->contact);
    for (size_t i = 0; i < parcel->count; i++)
        free(parcel->targets[i].uri);
    *parcel = (struct dane_tlsrpt_parcel){.count = 0};
}

/* --- times --- */

bool dane_tlsrpt_target_is_due(const struct dane_tlsrpt_target *target, base_time now)
{
    return target->state == DANE_TLSRPT_WAITING && target->next <= now;
}

void dane_tlsrpt_target_failed(struct dane_tlsrpt_target *target, base_time now, const char *why)
{
    base_time wait = DANE_TLSRPT_FIRST_WAIT;
    for (unsigned i = 1; i < target->tries && wait < DANE_TLSRPT_MOST_WAIT; i++)
        wait *= 2;
    target->next = now + (wait < DANE_TLSRPT_MOST_WAIT ? wait : DANE_TLSRPT_MOST_WAIT);
    target->state = target->next > target->first + DANE_TLSRPT_SEND_FOR ? DANE_TLSRPT_GIVEN_UP
                                                                        : DANE_TLSRPT_WAITING;
    snprintf(target->why, sizeof target->why, "%s", why);
}

/* --- the directory --- */

int dane_tlsrpt_spool_open(const char *directory, struct dane_tlsrpt_spool **out)
{
    struct dane_tlsrpt_spool *spool = calloc(1, sizeof *spool);
    if (!spool || !(spool->directory = strdup(directory))) {
        free(spool);
        return BASE_ENOMEM;
    }
    mkdir(directory, 0750);
    spool->fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int status = spool->fd >= 0 ? BASE_OK : BASE_EIO;
    if (status == BASE_OK && flock(spool->fd, LOCK_EX | LOCK_NB) != 0)
        status = errno == EWOULDBLOCK ? BASE_EEXIST : BASE_EIO;
    if (status == BASE_OK) {
        *out = spool;
        return BASE_OK;
    }
    int kept = errno;
    dane_tlsrpt_spool_close(spool);
    errno = kept;
    return status;
}

void dane_tlsrpt_spool_close(struct dane_tlsrpt_spool *spool)
{
    if (!spool)
        return;
    if (spool->fd >= 0)
        close(spool->fd);
    free(spool->directory);
    free(spool);
}

static char *path_of(const struct dane_tlsrpt_spool *spool, const char *name, const char *end)
{
    char *path;
    return asprintf(&path, "%s/%s%s", spool->directory, name, end) < 0 ? NULL : path;
}

static int put(struct dane_tlsrpt_spool *spool, const char *name, const char *end, const void *data,
               size_t length)
{
    struct base_file_writer *writer;
    char *path = path_of(spool, name, end);
    int status = path ? base_file_create(path, 0640, &writer) : BASE_ENOMEM;
    if (status == BASE_OK) {
        status = base_file_write(writer, data, length);
        if (status == BASE_OK)
            status = base_file_commit(writer);
        else
            base_file_abort(writer);
    }
    free(path);
    return status;
}

static bool is_there(const struct dane_tlsrpt_spool *spool, const char *name, const char *end)
{
    struct stat info;
    char *path = path_of(spool, name, end);
    bool there = path && stat(path, &info) == 0;
    free(path);
    return there;
}

bool dane_tlsrpt_spool_has(const struct dane_tlsrpt_spool *spool, const char *name)
{
    return is_there(spool, name, ".send");
}

static void day_name(base_time day, char out[BASE_TIME_TEXT])
{
    base_time_iso(day, out);
    out[10] = '\0';
}

bool dane_tlsrpt_spool_is_made(const struct dane_tlsrpt_spool *spool, base_time day)
{
    char name[BASE_TIME_TEXT];
    day_name(day, name);
    return is_there(spool, name, ".made");
}

int dane_tlsrpt_spool_made(struct dane_tlsrpt_spool *spool, base_time day)
{
    char name[BASE_TIME_TEXT];
    day_name(day, name);
    return put(spool, name, ".made", "", 0);
}

void dane_tlsrpt_spool_remove(struct dane_tlsrpt_spool *spool, const char *name)
{
    static const char *const ends[] = {".json.gz", ".send"};
    for (size_t i = 0; i < 2; i++) {
        char *path = path_of(spool, name, ends[i]);
        if (path)
            unlink(path);
        free(path);
    }
}

int dane_tlsrpt_spool_read(const struct dane_tlsrpt_spool *spool, const char *name, uint8_t **data,
                           size_t *length)
{
    char *path = path_of(spool, name, ".json.gz");
    int status = path ? base_file_read(path, REPORT_MAX, data, length) : BASE_ENOMEM;
    free(path);
    return status;
}

/* --- notes --- */

static void member(struct base_buf *out, const char *name, const char *text)
{
    base_buf_printf(out, ",\"%s\":", name);
    base_json_text(out, text);
}

int dane_tlsrpt_spool_note(struct dane_tlsrpt_spool *spool, const struct dane_tlsrpt_parcel *parcel)
{
    struct base_buf out;
    base_buf_init(&out, NOTE_MAX);
    base_buf_text(&out, "{\"domain\":");
    base_json_text(&out, parcel->domain);
    member(&out, "submitter", parcel->submitter);
    member(&out, "id", parcel->id);
    member(&out, "contact", parcel->contact);
    base_buf_text(&out, ",\"targets\":[");
    for (size_t i = 0; i < parcel->count; i++) {
        const struct dane_tlsrpt_target *target = &parcel->targets[i];
        base_buf_text(&out, i > 0 ? ",{\"uri\":" : "{\"uri\":");
        base_json_text(&out, target->uri);
        member(&out, "state", state_names[target->state]);
        base_buf_printf(&out, ",\"tries\":%u,\"first\":%" PRId64 ",\"next\":%" PRId64,
                        target->tries, target->first, target->next);
        member(&out, "why", target->why);
        base_buf_text(&out, "}");
    }
    base_buf_text(&out, "]}\n");
    int status =
        out.error == BASE_OK ? put(spool, parcel->name, ".send", out.data, out.length) : out.error;
    base_buf_free(&out);
    return status;
}

int dane_tlsrpt_spool_add(struct dane_tlsrpt_spool *spool, const struct dane_tlsrpt_parcel *parcel,
                          const uint8_t *document, size_t length)
{
    struct base_buf packed;
    base_buf_init(&packed, REPORT_MAX);
    int status = dane_tlsrpt_compress(document, length, &packed);
    if (status == BASE_OK)
        status = put(spool, parcel->name, ".json.gz", packed.data, packed.length);
    base_buf_free(&packed);
    return status == BASE_OK ? dane_tlsrpt_spool_note(spool, parcel) : status;
}

static char *text(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));
    return strdup(value ? value : "");
}

static bool read_target(const json_t *item, struct dane_tlsrpt_target *out)
{
    const char *state = json_string_value(json_object_get(item, "state"));
    const char *why = json_string_value(json_object_get(item, "why"));
    json_int_t tries = json_integer_value(json_object_get(item, "tries"));
    size_t known = 0;
    while (state && known < 4 && strcmp(state, state_names[known]) != 0)
        known++;
    if (!state || known == 4 || tries < 0 || tries > 1000)
        return false;
    *out = (struct dane_tlsrpt_target){
        .uri = text(item, "uri"),
        .state = (enum dane_tlsrpt_sending)known,
        .tries = (unsigned)tries,
        .first = json_integer_value(json_object_get(item, "first")),
        .next = json_integer_value(json_object_get(item, "next")),
    };
    snprintf(out->why, sizeof out->why, "%s", why ? why : "");
    return out->uri != NULL;
}

/* BASE_EFORMAT: it is no note. */
static int read_note(const struct dane_tlsrpt_spool *spool, const char *name,
                     struct dane_tlsrpt_parcel *out)
{
    uint8_t *data;
    size_t length;
    char *path = path_of(spool, name, ".send");
    int status = path ? base_file_read(path, NOTE_MAX, &data, &length) : BASE_ENOMEM;
    free(path);
    if (status != BASE_OK)
        return status == BASE_ENOMEM ? status : BASE_EFORMAT;
    json_t *root = json_loadb((const char *)data, length, JSON_REJECT_DUPLICATES, NULL);
    free(data);
    const json_t *targets = json_object_get(root, "targets");
    struct dane_tlsrpt_parcel parcel = {.name = strdup(name),
                                        .domain = text(root, "domain"),
                                        .submitter = text(root, "submitter"),
                                        .id = text(root, "id"),
                                        .contact = text(root, "contact")};
    if (!parcel.name || !parcel.domain || !parcel.submitter || !parcel.id || !parcel.contact)
        status = BASE_ENOMEM;
    else if (!json_is_array(targets) || json_array_size(targets) > DANE_TLSRPT_RUA_MAX)
        status = BASE_EFORMAT;
    for (size_t i = 0; status == BASE_OK && i < json_array_size(targets); i++) {
        if (!read_target(json_array_get(targets, i), &parcel.targets[i]))
            status = BASE_EFORMAT;
        else
            parcel.count++;
    }
    json_decref(root);
    if (status == BASE_OK)
        *out = parcel;
    else
        dane_tlsrpt_parcel_free(&parcel);
    return status;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names of all reports; to be freed. */
static int list_names(const struct dane_tlsrpt_spool *spool, char ***out, size_t *count)
{
    char **names = NULL;
    size_t used = 0, room = 0;
    DIR *list = opendir(spool->directory);
    int status = list ? BASE_OK : BASE_EIO;
    for (struct dirent *entry; status == BASE_OK && used < LIST_MAX && (entry = readdir(list));) {
        size_t length = strlen(entry->d_name);
        if (length <= 5 || strcmp(entry->d_name + length - 5, ".send") != 0)
            continue;
        if (used == room) {
            room = room > 0 ? room * 2 : 64;
            char **more = realloc(names, room * sizeof *names);
            if (!more) {
                status = BASE_ENOMEM;
                break;
            }
            names = more;
        }
        names[used] = strndup(entry->d_name, length - 5);
        if (names[used])
            used++;
        else
            status = BASE_ENOMEM;
    }
    if (list)
        closedir(list);
    if (used > 0)
        qsort(names, used, sizeof *names, by_name);
    *out = names;
    *count = used;
    return status;
}

int dane_tlsrpt_spool_each(struct dane_tlsrpt_spool *spool,
                           int (*call)(void *context, struct dane_tlsrpt_parcel *parcel),
                           void *context)
{
    char **names;
    size_t count;
    int status = list_names(spool, &names, &count);
    for (size_t i = 0; i < count; i++) {
        struct dane_tlsrpt_parcel parcel;
        int read = status == BASE_OK ? read_note(spool, names[i], &parcel) : BASE_EFORMAT;
        if (read == BASE_OK) {
            status = call(context, &parcel);
            dane_tlsrpt_parcel_free(&parcel);
        } else if (read == BASE_ENOMEM) {
            status = read;
        }
        free(names[i]);
    }
    free(names);
    return status;
}
