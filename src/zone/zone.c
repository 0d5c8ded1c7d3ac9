/* The life of a zone and of the memory it shares: see zone.h. */
#include "zone/zone.h"

#include "base/error.h"
#include "zone/assemble.h"

#include <stdlib.h>
#include <string.h>

struct zone_storage *zone_storage_new(void)
{
    struct zone_storage *storage = malloc(sizeof(*storage));
    if (storage == NULL)
        return NULL;
    storage->references = 1;
    base_arena_init(&storage->arena, 0);
    return storage;
}

struct zone_storage *zone_storage_hold(struct zone_storage *storage)
{
    __atomic_add_fetch(&storage->references, 1, __ATOMIC_RELAXED);
    return storage;
}

void zone_storage_release(struct zone_storage *storage)
{
    if (storage == NULL || __atomic_sub_fetch(&storage->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    base_arena_free(&storage->arena);
    free(storage);
}

struct zone *zone_new(const uint8_t *apex)
{
    struct zone *zone = calloc(1, sizeof(*zone));
    if (zone == NULL)
        return NULL;
    zone->references = 1;
    memcpy(zone->apex, apex, dns_name_length(apex));
    zone->apex_labels = dns_name_labels(apex);
    return zone;
}

int zone_copy_files(struct zone *zone, const struct zone *like)
{
    zone->files = calloc(like->file_count + 1, sizeof(const char *));
    if (zone->files == NULL)
        return BASE_ENOMEM;
    if (like->file_count > 0)
        memcpy(zone->files, like->files, like->file_count * sizeof(const char *));
    zone->file_count = like->file_count;
    return BASE_OK;
}

struct zone *zone_hold(struct zone *zone)
{
    __atomic_add_fetch(&zone->references, 1, __ATOMIC_RELAXED);
    return zone;
}

void zone_release(struct zone *zone)
{
    if (zone == NULL || __atomic_sub_fetch(&zone->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    for (size_t i = 0; i < zone->storage_count; i++)
        zone_storage_release(zone->storage[i]);
    free(zone->storage);
    free(zone->nodes);
    free(zone->rrsets);
    free(zone->rrs);
    free(zone->files);
    free(zone->guide);
    free(zone);
}

struct base_place zone_place(const struct zone *zone, const uint8_t *owner, const struct dns_rr *rr,
                             char owner_text[DNS_NAME_TEXT], char type_text[DNS_TYPE_TEXT])
{
    struct base_place place = {.owner = dns_name_text(owner_text, owner),
                               .type = dns_type_text(type_text, rr->type)};
    if (rr->line != 0 && rr->file < zone->file_count) {
        place.file = zone->files[rr->file];
        place.line = rr->line;
        place.column = rr->column;
    }
    return place;
}
