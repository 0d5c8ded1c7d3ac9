/* Zones of directories: see internal.h. A look lists a directory in a worker, the loop merges it.
 */
#include "control/internal.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* An editor's several steps of saving a file are one change. */
#define SETTLE_MS 100

struct look {
    struct control_task task;
    struct control *control;
    size_t index;
    struct base_findings findings;
    struct source_directory directory;
    int status;
};

static bool run_look(struct control_task *task, struct control_worker *worker)
{
    struct look *look = (struct look *)task;
    look->status = source_directory_scan(look->control->config->directories[look->index].path,
                                         &look->findings, &look->directory);
    return false;
}

/* Makes the state of a zone follow its file. */
static void follow(struct control_zone *zone, const struct source_file *file)
{
    zone->seen = true;
    zone->gone = false; /* the file may have come back before the job was done */
    bool same_path = zone->file != NULL && strcmp(zone->file, file->path) == 0;
    if (same_path && source_fingerprint_equal(&zone->fingerprint, &file->fingerprint))
        return;
    if (!same_path) {
        char *path = strdup(file->path);
        if (path == NULL)
            return; /* the next look finds the difference again */
        free(zone->file);
        zone->file = path;
    }
    zone->fingerprint = file->fingerprint;
    control_zone_source_seen(zone);
}

static struct control_zone *add_zone(struct control *control, size_t index,
                                     const struct source_file *file)
{
    const struct config_directory *directory = &control->config->directories[index];
    struct control_zone *zone = NULL;
    if (!control_removal_pending(control, file->zone)) /* else there is another look after it */
        zone = control_table_add(control, file->zone);
    if (zone == NULL)
        return NULL;
    zone->origin = CONTROL_OF_DIRECTORY;
    zone->source = CONFIG_FILE;
    zone->place = (uint16_t)index;
    control_zone_template(zone, &directory->as, CONFIG_DIRECTORY, directory->path);
    control_zone_as_published(zone);
    return zone;
}

static bool is_of(const struct control_zone *zone, size_t index)
{
    return zone->origin == CONTROL_OF_DIRECTORY && zone->place == index;
}

/* Zones whose file is gone. A directory that has lost all of many at once is more likely a file
 * system that is not mounted: nothing is taken down before somebody says that it is meant. */
static void retire_unseen(struct control *control, size_t index, size_t found)
{
    struct control_place *place = &control->places[index];
    size_t known = 0, unseen = 0;
    for (size_t i = 0; i < control->table.count; i++) {
        bool own = is_of(control->table.zones[i], index);
        known += own;
        unseen += own && !control->table.zones[i]->seen;
    }
    if (unseen == 0 || control->accept_removal)
        place->emptied = false;
    if (found > 0 && place->emptied)
        return; /* they are coming back, one after the other */
    if (found == 0 && known >= 2 && !control->accept_removal) {
        place->emptied = true;
        CONTROL_LOG(control, ERROR,
                    "%s holds no zone file any more, and %zu zones came from it: they go on being "
                    "served. If this is meant, say: kenter reload",
                    control->config->directories[index].path, known);
        return;
    }
    for (size_t i = control->table.count; i > 0; i--) {
        struct control_zone *zone = control->table.zones[i - 1];
        if (is_of(zone, index) && !zone->seen)
            control_zone_retire(zone);
    }
}

static void merge(struct look *look)
{
    struct control *control = look->control;
    control->listed[look->index] = true;
    for (size_t i = 0; i < control->table.count; i++)
        control->table.zones[i]->seen = false;
    for (size_t i = 0; i < look->directory.count; i++) {
        const struct source_file *file = &look->directory.files[i];
        struct control_zone *zone = control_table_find(&control->table, file->zone);
        if (zone == NULL)
            zone = add_zone(control, look->index, file);
        if (zone == NULL)
            continue;
        if (is_of(zone, look->index)) {
            follow(zone, file);
        } else if (!zone->conflict_told) {
            char name[DNS_NAME_TEXT];
            dns_name_text(name, zone->name);
            CONTROL_LOG(control, WARNING, "%s: %s is not used, the zone has another source", name,
                        file->path);
            zone->conflict_told = true;
        }
    }
    retire_unseen(control, look->index, look->directory.count);
}

/* The image may have zones that nobody knows any more: their files went while nobody looked. */
static int retire_stranger(void *context, const struct image_zone *held)
{
    struct control *control = context;
    if (control_table_find(&control->table, held->apex) == NULL &&
        !control_removal_pending(control, held->apex)) {
        char name[DNS_NAME_TEXT];
        dns_name_text(name, held->apex);
        CONTROL_LOG(control, WARNING, "%s: has no source any more", name);
        control_export_retire(control, held->apex);
        control_remove_start(control, held->apex, false);
    }
    return BASE_OK;
}

bool control_sources_known(const struct control *control)
{
    for (size_t i = 0; i < control->config->directory_count; i++) {
        if (!control->listed[i])
            return false;
    }
    for (size_t i = 0; i < control->config->catalog_count; i++) {
        if (!control->members_known[i])
            return false;
    }
    return control->first_look_over;
}

void control_clear_strangers(struct control *control)
{
    struct image_reader *reader;
    bool again = control->strangers_gone && !control->accept_removal;
    if (again || !control_sources_known(control) ||
        image_reader_open(control->image, &reader) != BASE_OK)
        return;
    bool empty = control->table.count == 0 && control->config->directory_count > 0;
    int error = BASE_OK;
    if (empty && !control->accept_removal)
        CONTROL_LOG(control, WARNING,
                    "there is no zone in any directory: what the image holds goes on being served. "
                    "If this is meant, say: kenter reload");
    else
        error = image_zone_list(reader, retire_stranger, control);
    image_reader_close(reader);
    control->strangers_gone = error == BASE_OK;
}

static void look_done(struct control_task *task)
{
    struct look *look = (struct look *)task;
    struct control *control = look->control;
    size_t index = look->index;
    control->looks--;
    for (size_t i = 0; i < look->findings.count; i++)
        base_log_finding(control->log, base_clock_now(), &look->findings.items[i]);
    if (look->status == BASE_OK) {
        merge(look);
        source_directory_free(&look->directory);
    } else {
        control->unlisted = true;
    }
    base_findings_free(&look->findings);
    free(look);
    control->looking[index] = false;
    if (control->look_again[index]) {
        control->look_again[index] = false;
        control_directory_look(control, index);
    }
    if (control->looks == 0) {
        control_first_look_done(control);
        control_clear_strangers(control);
        control->accept_removal = false;
    }
    control_collect_due(control);
}

void control_directory_look(struct control *control, size_t index)
{
    if (control->stopping)
        return;
    if (control->looking[index]) {
        control->look_again[index] = true;
        return;
    }
    struct look *look = calloc(1, sizeof(*look));
    if (look == NULL)
        return;
    look->task.run = run_look;
    look->task.done = look_done;
    look->status = BASE_EIO; /* until it was run */
    look->control = control;
    look->index = index;
    base_findings_init(&look->findings, 100);
    control->looking[index] = true;
    control->looks++;
    control_pool_run(control, &look->task);
}

/* --- another directory in its place --- */

int control_directories_note(struct control *control)
{
    size_t count = control->config->directory_count;
    control->places = calloc(count + 1, sizeof(*control->places));
    if (control->places == NULL)
        return BASE_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        struct stat status;
        if (stat(control->config->directories[i].path, &status) != 0)
            continue;
        control->places[i].device = status.st_dev;
        control->places[i].inode = status.st_ino;
    }
    return BASE_OK;
}

/* Has another directory taken the place, and come to rest? */
static bool is_replaced(struct control_place *place, const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISDIR(status.st_mode) ||
        (status.st_dev == place->device && status.st_ino == place->inode))
        return false;
    bool rests = place->modified.tv_sec == status.st_mtim.tv_sec &&
                 place->modified.tv_nsec == status.st_mtim.tv_nsec;
    place->modified = status.st_mtim;
    return rests;
}

/* The watch and the sandbox hold on to the directory that was there; a removed one that comes back,
 * a file system mounted over it, or a link that leads elsewhere now is another. */
void control_directories_watch(struct control *control)
{
    for (size_t i = 0; i < control->config->directory_count; i++) {
        const char *path = control->config->directories[i].path;
        if (!is_replaced(&control->places[i], path))
            continue;
        CONTROL_LOG(control, INFO, "%s is another directory than before: all is opened anew", path);
        control_reload(control);
        return;
    }
}

static void on_change(uv_fs_event_t *watch, const char *name, int events, int status)
{
    control_schedule(watch->data, SETTLE_MS);
}

int control_directories_start(struct control *control)
{
    size_t count = control->config->directory_count;
    control->watches = calloc(count + 1, sizeof(*control->watches));
    control->looking = calloc(count + 1, sizeof(*control->looking));
    control->look_again = calloc(count + 1, sizeof(*control->look_again));
    control->listed = calloc(count + 1, sizeof(*control->listed));
    if (control->watches == NULL || control->looking == NULL || control->look_again == NULL ||
        control->listed == NULL)
        return BASE_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const char *path = control->config->directories[i].path;
        uv_fs_event_init(&control->loop, &control->watches[i]);
        control->watches[i].data = control;
        int error = uv_fs_event_start(&control->watches[i], on_change, path, 0);
        if (error != 0)
            CONTROL_LOG(control, WARNING,
                        "%s cannot be watched (%s); it is looked at every 10 "
                        "seconds",
                        path, uv_strerror(error));
    }
    return BASE_OK;
}
