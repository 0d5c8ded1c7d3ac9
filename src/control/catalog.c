/* Catalog zones (RFC 9432): those we follow, and those we make. See internal.h. */
#include "control/internal.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

bool control_is_catalog(const struct control_zone *zone)
{
    const struct config *config = zone->control->config;
    for (size_t i = 0; i < config->catalog_count; i++) {
        if (dns_name_equal(config->catalogs[i].name, zone->name))
            return true;
    }
    return false;
}

/* --- followed --- */

struct reading {
    struct control_task task;
    struct control *control;
    size_t index; /* of the catalog in the configuration */
    int status;
    struct source_catalog catalog;
    struct base_findings findings;
    uint8_t name[DNS_NAME_MAX];
};

static bool read_catalog(struct control_task *task, struct control_worker *worker)
{
    struct reading *reading = (struct reading *)task;
    struct image_reader *reader;
    struct image_zone held;
    struct zone *zone = NULL;
    reading->status = control_worker_reader(worker, &reader);
    if (reading->status == BASE_OK)
        reading->status = image_zone_get(reader, reading->name, &held);
    if (reading->status == BASE_OK)
        reading->status = image_load(reader, &held, 1, &zone);
    if (reading->status == BASE_OK)
        reading->status = source_catalog_read(zone, &reading->findings, &reading->catalog);
    zone_release(zone);
    return false;
}

static bool is_member_of(const struct control_zone *zone, size_t index)
{
    return zone->origin == CONTROL_OF_CATALOG && zone->place == index;
}

static void add_member(struct control *control, size_t index, const uint8_t *name)
{
    const struct config_catalog *catalog = &control->config->catalogs[index];
    struct control_zone *zone = control_table_find(&control->table, name);
    if (zone != NULL) {
        zone->seen = true;
        if (is_member_of(zone, index)) {
            zone->gone = false; /* it may have come back before its job was done */
        } else if (!zone->conflict_told) {
            char text[DNS_NAME_TEXT], of[DNS_NAME_TEXT];
            CONTROL_LOG(control, WARNING, "%s: the catalog %s lists it, but it has another source",
                        dns_name_text(text, name), dns_name_text(of, catalog->name));
            zone->conflict_told = true;
        }
        return;
    }
    if (control_removal_pending(control, name))
        return; /* catalogs are read again after it */
    zone = control_table_add(control, name);
    if (zone == NULL)
        return;
    zone->origin = CONTROL_OF_CATALOG;
    zone->source = CONFIG_PRIMARY;
    zone->place = (uint16_t)index;
    zone->seen = true;
    control_zone_template(zone, &catalog->members, CONFIG_MEMBERS, catalog->name);
    control_zone_servers(zone, catalog->primaries, catalog->primary_count);
    control_zone_as_published(zone);
    control_refresh(zone);
}

static void follow(struct control *control, size_t index, const struct source_catalog *catalog)
{
    for (size_t i = 0; i < control->table.count; i++)
        control->table.zones[i]->seen = false;
    for (size_t i = 0; i < catalog->count; i++)
        add_member(control, index, catalog->members[i].zone);
    for (size_t i = control->table.count; i > 0; i--) {
        struct control_zone *zone = control->table.zones[i - 1];
        if (is_member_of(zone, index) && !zone->seen)
            control_zone_retire(zone);
    }
    control->members_known[index] = true;
    control_clear_strangers(control);
}

static void catalog_read(struct control_task *task)
{
    struct reading *reading = (struct reading *)task;
    struct control *control = reading->control;
    for (size_t i = 0; i < reading->findings.count; i++)
        base_log_finding(control->log, base_clock_now(), &reading->findings.items[i]);
    struct control_zone *zone = control_table_find(&control->table, reading->name);
    if (reading->status == BASE_OK) {
        if (zone != NULL)
            control_zone_set_problem(zone, CONTROL_PROBLEM_MEMBERS, NULL);
        follow(control, reading->index, &reading->catalog);
        source_catalog_free(&reading->catalog);
    } else if (zone != NULL && reading->status == BASE_EREFUSED) {
        control_zone_set_problem(zone, CONTROL_PROBLEM_MEMBERS,
                                 &reading->findings); /* the last good members stay */
    }
    base_findings_free(&reading->findings);
    free(reading);
}

static void start_reading(struct control *control, size_t index)
{
    struct reading *reading = calloc(1, sizeof(*reading));
    if (reading == NULL)
        return;
    const uint8_t *name = control->config->catalogs[index].name;
    reading->task.run = read_catalog;
    reading->task.done = catalog_read;
    reading->status = BASE_EIO; /* until it was run */
    reading->control = control;
    reading->index = index;
    memcpy(reading->name, name, dns_name_length(name));
    base_findings_init(&reading->findings, 20);
    control_pool_run(control, &reading->task);
}

void control_catalog_published(struct control_zone *zone)
{
    const struct config *config = zone->control->config;
    for (size_t i = 0; i < config->catalog_count; i++) {
        const struct config_catalog *catalog = &config->catalogs[i];
        if (!catalog->produce && dns_name_equal(catalog->name, zone->name))
            start_reading(zone->control, i);
    }
}

/* --- made --- */

static bool is_listed(const struct control_zone *zone)
{
    return zone->origin != CONTROL_OF_PRODUCED && zone->published && !zone->gone;
}

static int make_content(struct control_zone *zone, uint32_t serial, struct zone **out)
{
    const struct control_table *table = &zone->control->table;
    struct source_member *members = calloc(table->count + 1, sizeof(*members));
    if (members == NULL)
        return BASE_ENOMEM;
    size_t count = 0;
    for (size_t i = 0; i < table->count; i++) {
        const struct control_zone *listed = table->zones[i];
        if (is_listed(listed)) {
            memcpy(members[count].zone, listed->name, dns_name_length(listed->name));
            count++;
        }
    }
    int error = source_catalog_make(zone->name, serial, members, count, out);
    free(members);
    return error;
}

struct control_job *control_catalog_job(struct control_zone *zone)
{
    base_time now = base_clock_now();
    uint32_t serial = (uint32_t)now;
    if (zone->published && (int32_t)(serial - zone->serial) <= 0)
        serial = zone->serial + 1 != 0 ? zone->serial + 1 : 1;
    struct control_job *job = control_job_new(zone);
    if (job != NULL && make_content(zone, serial, &job->made) != BASE_OK) {
        control_job_free(job);
        return NULL;
    }
    return job;
}

void control_catalogs_read(struct control *control)
{
    for (size_t i = 0; i < control->config->catalog_count; i++) {
        const struct config_catalog *catalog = &control->config->catalogs[i];
        const struct control_zone *zone = control_table_find(&control->table, catalog->name);
        if (!catalog->produce && zone != NULL && zone->published)
            start_reading(control, i);
    }
}

void control_members_changed(struct control *control)
{
    control->members_due = 0;
    if (!control->members_changed)
        return;
    control->members_changed = false;
    for (size_t i = 0; i < control->config->catalog_count; i++) {
        const struct config_catalog *catalog = &control->config->catalogs[i];
        struct control_zone *zone = control_table_find(&control->table, catalog->name);
        if (catalog->produce && zone != NULL) {
            zone->changed = true;
            control_zone_urgent(zone);
        }
    }
}

int control_catalogs_start(struct control *control)
{
    control->members_known =
        calloc(control->config->catalog_count + 1, sizeof(*control->members_known));
    if (control->members_known == NULL)
        return BASE_ENOMEM;
    for (size_t i = 0; i < control->config->catalog_count; i++) {
        const struct config_catalog *catalog = &control->config->catalogs[i];
        struct control_zone *zone = control_table_add(control, catalog->name);
        control->members_known[i] = true;
        if (zone == NULL)
            continue;
        zone->origin = catalog->produce ? CONTROL_OF_PRODUCED : CONTROL_OF_CONFIG;
        zone->source = CONFIG_PRIMARY;
        zone->place = (uint16_t)i;
        control_zone_template(zone, &catalog->as, CONFIG_CATALOG, catalog->name);
        if (!catalog->produce)
            control_zone_servers(zone, catalog->primaries, catalog->primary_count);
        control_zone_as_published(zone);
        if (!catalog->produce && zone->published) {
            control->members_known[i] = false;
            start_reading(control, i);
        }
        control->members_changed |= catalog->produce;
    }
    return BASE_OK;
}
