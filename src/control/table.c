/* The zones, in canonical order, and what belongs to them: see internal.h. */
#include "control/internal.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* Where a name is, or would be. */
static size_t place_of(const struct control_table *table, const uint8_t *name, bool *there)
{
    size_t low = 0, high = table->count;
    *there = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = dns_name_compare(table->zones[middle]->name, name);
        if (order == 0) {
            *there = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct control_zone *control_table_find(const struct control_table *table, const uint8_t *name)
{
    bool there;
    size_t at = place_of(table, name, &there);
    return there ? table->zones[at] : NULL;
}

static bool make_room(struct control_table *table)
{
    if (table->count < table->capacity)
        return true;
    size_t capacity = table->capacity == 0 ? 64 : table->capacity * 2;
    struct control_zone **zones =
        realloc((void *)table->zones, capacity * sizeof(struct control_zone *));
    if (zones == NULL)
        return false;
    table->zones = zones;
    table->capacity = capacity;
    return true;
}

struct control_zone *control_table_add(struct control *control, const uint8_t *name)
{
    struct control_table *table = &control->table;
    bool there;
    size_t at = place_of(table, name, &there);
    if (there || !make_room(table))
        return NULL;
    size_t length = dns_name_length(name);
    struct control_zone *zone = calloc(1, sizeof(*zone) + length);
    if (zone == NULL)
        return NULL;
    zone->control = control;
    zone->change = ++control->change;
    zone->changes_last = &zone->changes;
    dns_name_lower(zone->name, name);
    memmove((void *)&table->zones[at + 1], (void *)&table->zones[at],
            (table->count - at) * sizeof(struct control_zone *));
    table->zones[at] = zone;
    table->count++;
    return zone;
}

static void free_zone(struct control_zone *zone)
{
    control_waiters_drop(zone);
    while (zone->changes != NULL) {
        struct control_change *next = zone->changes->next;
        control_change_free(zone->changes);
        zone->changes = next;
    }
    control_fetched_free(zone->fetched);
    free(zone->file);
    free(zone->servers);
    for (size_t i = 0; i < CONTROL_PROBLEM_PARTS; i++)
        json_decref(zone->problem_parts[i]);
    free(zone->problem);
    free(zone);
}

void control_table_remove(struct control *control, struct control_zone *zone)
{
    struct control_table *table = &control->table;
    bool there;
    size_t at = place_of(table, zone->name, &there);
    if (there) {
        table->count--;
        control->loss = ++control->change;
        memmove((void *)&table->zones[at], (void *)&table->zones[at + 1],
                (table->count - at) * sizeof(struct control_zone *));
    }
    /* It may be in the list of what is due. */
    for (size_t i = control->due_next; zone->listed && i < control->due_count; i++) {
        if (control->due[i] == zone)
            control->due[i] = NULL;
    }
    free_zone(zone);
}

void control_table_free(struct control *control)
{
    struct control_table *table = &control->table;
    for (size_t i = 0; i < table->count; i++)
        free_zone(table->zones[i]);
    free((void *)table->zones);
    *table = (struct control_table){0};
}

struct control_change *control_change_new(enum control_change_kind kind)
{
    struct control_change *change = calloc(1, sizeof(*change));
    if (change == NULL)
        return NULL;
    change->kind = kind;
    base_findings_init(&change->findings, 20);
    return change;
}

void control_change_free(struct control_change *change)
{
    if (change == NULL)
        return;
    if (change->counted != NULL)
        *change->counted -= change->length;
    free(change->message);
    base_findings_free(&change->findings);
    json_decref(change->removed);
    json_decref(change->added);
    free(change);
}

void control_fetched_free(struct control_fetched *fetched)
{
    if (fetched == NULL)
        return;
    zone_release(fetched->zone);
    if (fetched->has_edits)
        source_edits_free(&fetched->edits);
    free(fetched);
}
