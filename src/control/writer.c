/*
 * Commits: what is the truth goes into the registry first, then the versions into the image. A
 * crash between the two leaves a registry that is ahead, which the next start finds by the edition
 * or the serial, and makes the version again.
 */
#include "control/internal.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

static int note_edits(struct control_job *job)
{
    struct registry *registry = job->control->registry;
    if (job->source != CONFIG_EDITS)
        return BASE_OK;
    if (job->replace)
        return registry_replace(registry, job->content, &job->edition);
    if (!job->has_edits)
        return BASE_OK;
    struct registry_edit *edits = calloc(job->edits.count + 1, sizeof(*edits));
    if (edits == NULL)
        return BASE_ENOMEM;
    size_t count = job->own_edits > 0 ? job->own_edits : job->edits.count;
    for (size_t i = 0; i < count; i++) {
        const struct source_edit *from = &job->edits.items[i];
        edits[i] = (struct registry_edit){.owner = from->owner,
                                          .rdata = from->rdata,
                                          .ttl = from->ttl,
                                          .type = from->type,
                                          .length = from->length,
                                          .add = from->add};
    }
    int error = registry_edit(registry, job->name, edits, count, &job->edition);
    free(edits);
    return error;
}

const char *control_source_name(enum config_source source)
{
    static const char *const names[] = {"file", "primary", "edits"};
    return names[source];
}

int control_job_record_edits(struct control_task *task)
{
    return note_edits((struct control_job *)task);
}

int control_job_record(struct control_task *task)
{
    struct control_job *job = (struct control_job *)task;
    struct registry *registry = job->control->registry;
    int error = note_edits(job);
    struct registry_published published = {.zone = job->name,
                                           .source = control_source_name(job->source),
                                           .serial = job->serial,
                                           .source_serial = job->source_serial,
                                           .source_known = job->source_known,
                                           .edition = job->edition,
                                           .stamp = job->stamp,
                                           .at = job->now};
    if (error == BASE_OK)
        error = registry_published(registry, &published);
    if (error != BASE_OK)
        return error;
    if (job->step)
        return BASE_OK; /* one of many: they would push everything else out of the log */
    char text[160];
    snprintf(text, sizeof(text), "published serial %u: %zu names, %zu signatures made, %zu kept",
             job->serial, job->names, job->signatures_made, job->signatures_kept);
    struct registry_event event = {
        .at = job->now, .severity = "info", .code = "zone.published", .text = text};
    return registry_log(registry, job->name, &event);
}

static int store_version(struct control_job *job)
{
    const struct config_policy *policy = job->policy;
    struct image *image = job->control->image;
    if (job->has_delta) {
        struct image_change change = {.delta = &job->delta,
                                      .now = job->now,
                                      .earliest_expiry = job->earliest_expiry,
                                      .next_resign = job->next_resign,
                                      .history_bytes = policy->history_bytes,
                                      .history_versions = policy->history_versions};
        return image_publish_change(image, &change, NULL);
    }
    struct image_publish publish = {.zone = job->result,
                                    .previous = job->previous,
                                    .now = job->now,
                                    .earliest_expiry = job->earliest_expiry,
                                    .next_resign = job->next_resign,
                                    .history_bytes = policy->history_bytes,
                                    .history_versions = policy->history_versions};
    return image_publish(image, &publish, NULL);
}

int control_job_store(struct control_task *task)
{
    struct control_job *job = (struct control_job *)task;
    int error = store_version(job);
    if (error == BASE_OK)
        error = image_set_template(job->control->image, job->name, job->template);
    if (error == BASE_OK)
        error = image_set_expires(job->control->image, job->name, job->expires);
    return error;
}

/* --- other things that the writer does --- */

struct control_removal {
    struct control_task task;
    struct control_removal *next;
    struct control *control;
    bool forget;
    uint8_t name[DNS_NAME_MAX];
};

static int forget_zone(struct control_task *task)
{
    struct control_removal *removal = (struct control_removal *)task;
    if (!removal->forget)
        return BASE_OK;
    int error = registry_zone_forget(removal->control->registry, removal->name);
    return error == BASE_ENOENT ? BASE_OK : error;
}

static int remove_zone(struct control_task *task)
{
    struct control_removal *removal = (struct control_removal *)task;
    int error = image_remove(removal->control->image, removal->name);
    return error == BASE_ENOENT ? BASE_OK : error;
}

bool control_removal_pending(const struct control *control, const uint8_t *name)
{
    const struct control_removal *removal = control->removals;
    while (removal != NULL && !dns_name_equal(removal->name, name))
        removal = removal->next;
    return removal != NULL;
}

static void take_off(struct control_removal *removal)
{
    struct control_removal **at = &removal->control->removals;
    while (*at != removal)
        at = &(*at)->next;
    *at = removal->next;
}

static void removed(struct control_task *task)
{
    struct control_removal *removal = (struct control_removal *)task;
    char name[DNS_NAME_TEXT];
    dns_name_text(name, removal->name);
    if (task->error == BASE_OK)
        CONTROL_LOG(removal->control, INFO, "%s: is not served any more", name);
    else
        CONTROL_LOG(removal->control, ERROR, "%s: goes on being served until the next start: %s",
                    name, base_strerror(task->error));
    take_off(removal);
    struct control *control = removal->control;
    struct control_zone *zone = control_table_find(&control->table, removal->name);
    if (zone != NULL) {
        control_zone_removed(zone);
    } else if (!control->stopping) {
        control->sources_moved = true; /* another source may have the zone too */
        control_schedule(control, 0);
    }
    control->removed_total++;
    free(removal);
}

int control_remove_start(struct control *control, const uint8_t *name, bool forget)
{
    struct control_removal *removal = calloc(1, sizeof(*removal));
    if (removal == NULL)
        return BASE_ENOMEM;
    removal->task.record = forget_zone;
    removal->task.store = remove_zone;
    removal->task.done = removed;
    removal->control = control;
    removal->forget = forget;
    memcpy(removal->name, name, dns_name_length(name));
    removal->next = control->removals;
    control->removals = removal;
    control_pool_write(control, &removal->task);
    return BASE_OK;
}

struct note {
    struct control_task task;
    struct control *control;
    uint8_t name[DNS_NAME_MAX];
    bool problem_changed, has_event;
    char *problem;
    struct registry_event event;
    char severity[16], code[64], text[512];
};

static int write_note(struct control_task *task)
{
    struct note *note = (struct note *)task;
    int error = BASE_OK;
    if (note->problem_changed)
        error = registry_problem(note->control->registry, note->name, note->problem);
    if (error == BASE_OK && note->has_event)
        error = registry_log(note->control->registry, note->name, &note->event);
    return error == BASE_ENOENT ? BASE_OK : error;
}

static void noted(struct control_task *task)
{
    struct note *note = (struct note *)task;
    free(note->problem);
    free(note);
}

int control_note_start(struct control *control, const uint8_t *name, const char *problem,
                       bool problem_changed, const struct registry_event *event)
{
    struct note *note = calloc(1, sizeof(*note));
    if (note == NULL)
        return BASE_ENOMEM;
    note->task.record = write_note;
    note->task.done = noted;
    note->control = control;
    memcpy(note->name, name, dns_name_length(name));
    note->problem_changed = problem_changed;
    note->problem = problem != NULL ? strdup(problem) : NULL;
    if (event != NULL) {
        note->has_event = true;
        snprintf(note->severity, sizeof(note->severity), "%s", event->severity);
        snprintf(note->code, sizeof(note->code), "%s", event->code);
        snprintf(note->text, sizeof(note->text), "%s", event->text);
        note->event = (struct registry_event){
            .at = event->at, .severity = note->severity, .code = note->code, .text = note->text};
    }
    control_pool_write(control, &note->task);
    return BASE_OK;
}

/* --- the commit --- */

static void set_errors(struct control_task *tasks, int error)
{
    for (struct control_task *task = tasks; task != NULL; task = task->next) {
        if (task->error == BASE_OK)
            task->error = error;
    }
}

/* All, or none: *failed is the one that could not be recorded, NULL for the database itself. */
static int try_registry(struct control *control, struct control_task *tasks,
                        struct control_task **failed)
{
    *failed = NULL;
    int error = registry_begin(control->registry);
    if (error != BASE_OK)
        return error;
    for (struct control_task *task = tasks; task != NULL; task = task->next) {
        if (task->record == NULL || task->error != BASE_OK)
            continue;
        error = task->record(task);
        if (error != BASE_OK) {
            registry_abort(control->registry);
            *failed = task;
            return error;
        }
    }
    return registry_commit(control->registry);
}

static bool is_of_disk(int error)
{
    return error == BASE_EIO || error == BASE_ESPACE || error == BASE_EFORMAT;
}

/* One that cannot be recorded is left out, and the others are tried again without it; what the disk
 * refuses, it refuses to all. */
static int write_registry(struct control *control, struct control_task *tasks)
{
    while (true) {
        struct control_task *failed;
        int error = try_registry(control, tasks, &failed);
        if (error == BASE_OK || failed == NULL || is_of_disk(error))
            return error;
        failed->error = error;
    }
}

/* One that fails leaves the others. */
static int write_image(struct control *control, struct control_task *tasks)
{
    bool any = false;
    for (struct control_task *task = tasks; task != NULL; task = task->next)
        any |= task->store != NULL;
    int error = any ? image_begin(control->image) : BASE_OK;
    if (!any || error != BASE_OK)
        return error;
    for (struct control_task *task = tasks; task != NULL; task = task->next) {
        if (task->store != NULL && task->error == BASE_OK)
            task->error = task->store(task);
    }
    return image_commit(control->image);
}

/* The keys that versions were signed with must be on disk before the versions are seen. */
static int settle_keys(struct control *control)
{
    struct keys_client *client;
    struct base_findings findings;
    base_findings_init(&findings, 20);
    int error = control_worker_keys(&control->scribe, &client);
    if (error == BASE_OK)
        error = keys_client_settle(client, &findings);
    if (error != BASE_OK) {
        for (size_t i = 0; i < findings.count; i++)
            base_log_finding(control->log, base_clock_now(), &findings.items[i]);
        atomic_fetch_add(&control->keys_epoch, 1);
        control_worker_lost_keys(&control->scribe);
    }
    base_findings_free(&findings);
    return error;
}

/* Versions whose keys were lost are not written; they are made again. */
static void check_keys(struct control *control, struct control_task *tasks)
{
    bool early = false;
    for (struct control_task *task = tasks; task != NULL; task = task->next)
        early |= task->record == control_job_record && ((struct control_job *)task)->early;
    if (!early)
        return;
    settle_keys(control);
    unsigned epoch = atomic_load(&control->keys_epoch);
    for (struct control_task *task = tasks; task != NULL; task = task->next) {
        struct control_job *job = (struct control_job *)task;
        if (task->record != control_job_record || !job->early || job->epoch == epoch)
            continue;
        task->error = BASE_EIO;
        job->keys_made = 0;
        control_job_report(job, KEYS_UNSETTLED, NULL,
                           "the new keys of this zone were lost before they were on disk");
    }
}

void control_writer_commit(struct control *control, struct control_task *tasks)
{
    check_keys(control, tasks);
    int error = write_registry(control, tasks);
    if (error == BASE_EFORMAT) { /* of the registry: nothing is wrong with the image */
        atomic_store(&control->registry_damaged, true);
        error = BASE_EIO;
    }
    if (error == BASE_OK)
        error = write_image(control, tasks);
    if (error != BASE_OK)
        set_errors(tasks, error);
}
