/* Single files, of zones of the settings and of the API: see internal.h. Their directories are
 * watched, since an editor puts a new file in the place of the old one. */
#include "control/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SETTLE_MS   100  /* an editor's several steps of saving a file are one change */
#define WATCHES_MAX 1024 /* the rest is looked at every ten seconds */

struct control_watch {
    uv_fs_event_t handle;
    struct control_watch *next;
    char path[];
};

static size_t directory_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
}

static bool is_of_api(const struct registry_zone *known)
{
    return known->made && strcmp(known->source, "file") == 0 && known->detail != NULL;
}

static int add_place(void *context, const struct registry_zone *known)
{
    struct control_places *places = context;
    if (!is_of_api(known))
        return BASE_OK;
    json_t *detail = json_loads(known->detail, 0, NULL);
    const char *file =
        json_string_value(json_object_get(json_object_get(detail, "source"), "file"));
    size_t length = file != NULL ? directory_length(file) : 0;
    bool there = length <= 1; /* a file in the root does not open all that there is */
    for (size_t i = 0; i < places->count && !there; i++)
        there = strlen(places->paths[i]) == length && memcmp(places->paths[i], file, length) == 0;
    int error = BASE_OK;
    if (!there) {
        char **paths = realloc((void *)places->paths, (places->count + 1) * sizeof(*places->paths));
        if (paths != NULL) {
            places->paths = paths;
            paths[places->count] = strndup(file, length);
        }
        if (paths == NULL || paths[places->count] == NULL)
            error = BASE_ENOMEM;
        else
            places->count++;
    }
    json_decref(detail);
    return error;
}

int control_places_of_api(struct control *control, struct control_places *out)
{
    *out = (struct control_places){.count = 0};
    return registry_zones(control->registry, add_place, out);
}

void control_places_free(struct control_places *places)
{
    for (size_t i = 0; i < places->count; i++)
        free(places->paths[i]);
    free((void *)places->paths);
}

static void on_change(uv_fs_event_t *watch, const char *name, int events, int status)
{
    control_schedule(watch->data, SETTLE_MS);
}

void control_path_watch(struct control *control, const char *path)
{
    size_t length = path != NULL ? directory_length(path) : 0, count = 0;
    if (length == 0)
        return;
    for (struct control_watch *i = control->file_watches; i != NULL; i = i->next, count++) {
        if (strlen(i->path) == length && memcmp(i->path, path, length) == 0)
            return;
    }
    struct control_watch *watch =
        count < WATCHES_MAX ? calloc(1, sizeof(*watch) + length + 1) : NULL;
    if (watch == NULL)
        return;
    memcpy(watch->path, path, length);
    uv_fs_event_init(&control->loop, &watch->handle);
    watch->handle.data = control;
    watch->next = control->file_watches;
    control->file_watches = watch;
    uv_fs_event_start(&watch->handle, on_change, watch->path, 0); /* or it is looked at */
}

void control_file_watch(struct control_zone *zone)
{
    if (zone->source == CONFIG_FILE && zone->origin != CONTROL_OF_DIRECTORY)
        control_path_watch(zone->control, zone->file);
}

void control_files_watch(struct control *control)
{
    for (size_t i = 0; i < control->table.count; i++)
        control_file_watch(control->table.zones[i]);
}

void control_files_free(struct control *control)
{
    while (control->file_watches != NULL) {
        struct control_watch *watch = control->file_watches;
        control->file_watches = watch->next;
        free(watch);
    }
}

void control_file_fingerprint(const char *path, struct source_fingerprint *out)
{
    struct stat status;
    *out = (struct source_fingerprint){.modified_ns = -1}; /* there is none */
    if (stat(path, &status) == 0)
        *out = (struct source_fingerprint){
            .device = status.st_dev,
            .inode = status.st_ino,
            .size = (uint64_t)status.st_size,
            .modified_ns = (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec};
}

bool control_file_out_of_reach(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0)
        close(fd);
    return fd < 0 && errno == EACCES;
}
