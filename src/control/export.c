/* Signed zone files, for those who take them away by other means than DNS: see internal.h. */
#include "control/internal.h"

#include "base/error.h"
#include "base/file.h"
#include "zone/write.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The path of a zone's file below `directory`, with `ending` behind the name; '/' in a name becomes
 * %2F. */
char *control_zone_path(const char *directory, const uint8_t *zone, const char *ending)
{
    char text[DNS_NAME_TEXT], safe[3 * DNS_NAME_TEXT + 8];
    size_t length = dns_name_to_text(text, zone);
    /* "example.com." → "example.com"; the root is "@", as in zone files and among keys. */
    if (length == 1)
        length = (size_t)snprintf(text, sizeof(text), "@.");
    size_t at = 0;
    for (size_t i = 0; i + 1 < length; i++) {
        if (text[i] == '/' || text[i] == '%' || text[i] == '\\')
            at += (size_t)snprintf(safe + at, sizeof(safe) - at, "%%%02X", (uint8_t)text[i]);
        else
            safe[at++] = text[i];
    }
    safe[at] = '\0';
    char *path = NULL;
    return asprintf(&path, "%s/%s%s", directory, safe, ending) < 0 ? NULL : path;
}

struct export
{
    struct control_task task;
    struct control_zone *zone;
    struct control *control;
    struct zone *version;
    char *path;
    int error, number; /* errno */
    uint8_t name[DNS_NAME_MAX];
};

static int write_file(struct export *export)
{
    struct base_file_writer *writer = NULL;
    struct zone_write_options options = {.form = ZONE_TEXT_LINES, .threads = 1};
    int error = base_file_create(export->path, 0644, &writer);
    if (error == BASE_OK)
        error = zone_write(export->version, &options, writer);
    if (error == BASE_OK) {
        error = base_file_commit(writer);
        writer = NULL;
    }
    base_file_abort(writer);
    return error;
}

static bool run_export(struct control_task *task, struct control_worker *worker)
{
    struct export *export = (struct export *)task;
    struct image_reader *reader;
    struct image_zone held;
    if (export->version == NULL) {
        export->error = control_worker_reader(worker, &reader);
        if (export->error == BASE_OK)
            export->error = image_zone_get(reader, export->name, &held);
        if (export->error == BASE_OK)
            export->error = image_load(reader, &held, 1, &export->version);
    }
    if (export->error == BASE_OK)
        export->error = write_file(export);
    export->number = errno;
    return false;
}

static void exported(struct control_task *task)
{
    struct export *export = (struct export *)task;
    struct control *control = export->control;
    struct control_zone *zone = export->zone;
    zone->busy = false;
    if (export->error != BASE_OK) {
        struct base_findings findings;
        base_findings_init(&findings, 1);
        struct base_place place = {.file = export->path};
        base_findings_add(
            &findings, FILE_UNWRITABLE, &place, "the signed zone could not be stored: %s",
            export->error == BASE_EIO ? strerror(export->number) : base_strerror(export->error));
        base_log_finding(control->log, base_clock_now(), &findings.items[0]);
        control_zone_set_problem(zone, CONTROL_PROBLEM_EXPORT, &findings);
        base_findings_free(&findings);
        control->refused++;
        zone->exporting = true;
        zone->due = control_now(zone->control) + CONTROL_RETRY_MOST;
    } else {
        control_zone_set_problem(zone, CONTROL_PROBLEM_EXPORT, NULL);
        if (!zone->stale && zone->failures == 0)
            zone->due = zone->next_resign;
    }
    if (zone->gone)
        control_zone_retire(zone);
    else if (zone->changed || zone->changes != NULL || zone->fetched != NULL)
        control_zone_urgent(zone);
    zone_release(export->version);
    free(export->path);
    free(export);
}

void control_export(struct control_zone *zone, struct zone *version)
{
    struct control *control = zone->control;
    zone->exporting = false;
    if (control->signed_directory == NULL)
        return;
    struct export *export = calloc(1, sizeof(*export));
    char *path = control_zone_path(control->signed_directory, zone->name, ".zone");
    if (export == NULL || path == NULL) {
        free(export);
        free(path);
        zone->exporting = true; /* the next look tries again */
        return;
    }
    export->task.run = run_export;
    export->task.done = exported;
    export->zone = zone;
    export->control = control;
    export->path = path;
    if (version != NULL)
        export->version = zone_hold(version);
    memcpy(export->name, zone->name, dns_name_length(zone->name));
    zone->exported_at = base_clock_now();
    zone->busy = true;
    control_pool_run(control, &export->task);
}

void control_export_retire(struct control *control, const uint8_t *name)
{
    if (control->signed_directory == NULL)
        return;
    char text[DNS_NAME_TEXT];
    char *from = control_zone_path(control->signed_directory, name, ".zone");
    char *to = control_zone_path(control->removed_directory, name, ".zone");
    if (from != NULL && to != NULL && rename(from, to) == 0)
        CONTROL_LOG(control, WARNING, "%s: the signed zone was moved to %s",
                    dns_name_text(text, name), to);
    free(from);
    free(to);
}
