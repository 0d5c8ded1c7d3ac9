/* What an earlier run has left of zones, in the image and in the registry: see internal.h. */
#include "control/internal.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* More new zones than these are looked up by one scan of the registry. */
#define FEW 16

struct retemplate {
    struct control_task task;
    struct control *control;
    uint64_t template;
    uint8_t name[DNS_NAME_MAX];
};

static int set_template(struct control_task *task)
{
    struct retemplate *work = (struct retemplate *)task;
    int error = image_set_template(work->control->image, work->name, work->template);
    return error == BASE_ENOENT ? BASE_OK : error;
}

static void template_set(struct control_task *task)
{
    free(task);
}

/* The settings may have changed since the zone was published. */
static void note_template(struct control_zone *zone, uint64_t known)
{
    if (known == zone->template)
        return;
    struct retemplate *work = calloc(1, sizeof(*work));
    if (work == NULL)
        return;
    work->task.store = set_template;
    work->task.done = template_set;
    work->control = zone->control;
    work->template = zone->template;
    memcpy(work->name, zone->name, dns_name_length(zone->name));
    control_pool_write(zone->control, &work->task);
}

/* Sees the image as it is now; NULL: it cannot be read. */
static struct image_reader *open_image(struct control *control)
{
    if (control->start_reader == NULL &&
        image_reader_open(control->image, &control->start_reader) != BASE_OK)
        return NULL;
    if (image_reader_renew(control->start_reader) == BASE_OK)
        return control->start_reader;
    image_reader_release(control->start_reader);
    return NULL;
}

static void take_image(struct control_zone *zone, struct image_reader *reader)
{
    struct image_zone held;
    if (reader == NULL || image_zone_get(reader, zone->name, &held) != BASE_OK)
        return;
    zone->in_image = true;
    zone->published = true;
    zone->serial = held.serial;
    zone->names = held.nodes;
    zone->records = held.records;
    zone->published_at = held.published;
    zone->next_resign = zone->due = held.next_resign;
    zone->earliest_expiry = held.earliest_expiry;
    zone->is_signed = held.denial != IMAGE_UNSIGNED;
    note_template(zone, held.template);
}

/* The registry was written, and then the image was not: what is noted of the source was never
 * published. */
static void make_again(struct control_zone *zone)
{
    zone->stamp[0] = '\0';
    zone->stale = zone->source == CONFIG_EDITS;
    zone->source_known = false; /* a primary gives the whole zone again */
    zone->refresh_again = true;
}

/* A zone in the registry that the image does not have was published before: its serial counts. */
static void take_registry(struct control_zone *zone, const struct registry_zone *known)
{
    bool behind = zone->in_image && known->published &&
                  (known->serial != zone->serial || known->published_at != zone->published_at);
    if (known->published && !zone->in_image)
        zone->serial = known->serial;
    zone->serial_known = known->published;
    zone->source_serial = known->source_serial;
    zone->source_known = known->source_known && zone->in_image;
    zone->edition = known->edition;
    zone->published_edition = known->published_edition;
    zone->checked_at = known->checked_at;
    zone->expires_at = known->expires_at;
    snprintf(zone->stamp, sizeof(zone->stamp), "%s", known->stamp);
    if (behind)
        make_again(zone);
    if (known->problem != NULL)
        control_zone_known_problem(zone, known->problem);
}

static void ask_registry(struct control_zone *zone)
{
    struct base_arena arena;
    struct registry_zone known;
    base_arena_init(&arena, 1u << 24);
    if (registry_zone_get(zone->control->registry, zone->name, &arena, &known) == BASE_OK)
        take_registry(zone, &known);
    base_arena_free(&arena);
}

/* Is its file not older than what is published? */
static bool is_exported(const struct control_zone *zone)
{
    if (zone->control->signed_directory == NULL)
        return true;
    char *path = control_zone_path(zone->control->signed_directory, zone->name, ".zone");
    struct stat status;
    bool good =
        path != NULL && stat(path, &status) == 0 && status.st_mtim.tv_sec >= zone->published_at;
    free(path);
    return good;
}

/* The settings may ask for other signatures than those that are published, or for none. */
static void follow_policy(struct control_zone *zone)
{
    char stamp[80];
    control_zone_stamp(zone, stamp);
    if (strcmp(stamp, zone->stamp) == 0)
        return;
    if (zone->source == CONFIG_PRIMARY && zone->origin != CONTROL_OF_PRODUCED &&
        !zone->as->policy->signs) {
        /* What came unsigned has our signatures now: it has to come again. */
        zone->whole_transfer = zone->refresh_again = true;
        zone->source_known = false;
    } else {
        zone->changed = true;
    }
}

/* What follows from both. */
static void conclude(struct control_zone *zone)
{
    zone->unread = false;
    if (zone->source == CONFIG_EDITS && zone->edition != zone->published_edition)
        zone->stale = true;
    zone->exporting = zone->published && !is_exported(zone);
    if (zone->exporting)
        zone->due = base_clock_now();
    if (zone->source == CONFIG_EDITS && zone->stale)
        zone->changed = true;
    if (zone->source == CONFIG_EDITS && !zone->published)
        zone->changed = zone->file != NULL || zone->edition > 0;
    if (zone->source != CONFIG_FILE && zone->published)
        follow_policy(zone);
}

void control_zone_as_published(struct control_zone *zone, const struct registry_zone *known)
{
    struct control *control = zone->control;
    struct image_reader *reader = open_image(control);
    take_image(zone, reader);
    if (reader != NULL)
        image_reader_release(reader);
    if (known != NULL)
        take_registry(zone, known);
    else
        ask_registry(zone);
    conclude(zone);
}

/* --- many zones --- */

static int take_known(void *context, const struct registry_zone *known)
{
    struct control *control = context;
    struct control_zone *zone = control_table_find(&control->table, known->name);
    if (zone != NULL && zone->unread)
        take_registry(zone, known);
    return BASE_OK;
}

/* The zones that are not read yet, into `list` unless NULL. */
static size_t list_unread(const struct control *control, struct control_zone **list)
{
    size_t count = 0;
    for (size_t i = 0; i < control->table.count; i++) {
        struct control_zone *zone = control->table.zones[i];
        if (zone->unread && list != NULL)
            list[count] = zone;
        count += zone->unread;
    }
    return count;
}

/* Looking up each of a hundred thousand costs a second, and a scan of all a tenth. */
void control_zones_as_published(struct control *control)
{
    size_t count = list_unread(control, NULL);
    struct control_zone **zones = count > 0 ? calloc(count, sizeof(struct control_zone *)) : NULL;
    if (zones == NULL && count > 0) { /* no memory */
        for (size_t i = 0; i < control->table.count; i++) {
            if (control->table.zones[i]->unread)
                control_zone_as_published(control->table.zones[i], NULL);
        }
    }
    if (zones == NULL)
        return;
    list_unread(control, zones);
    struct image_reader *reader = open_image(control);
    for (size_t i = 0; i < count; i++)
        take_image(zones[i], reader);
    if (reader != NULL)
        image_reader_release(reader);
    if (count > FEW)
        registry_zones(control->registry, take_known, control);
    for (size_t i = 0; i < count; i++) {
        if (count <= FEW)
            ask_registry(zones[i]);
        conclude(zones[i]);
    }
    free((void *)zones);
}
