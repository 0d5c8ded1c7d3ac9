/* Zones put together by a maker that knows their order: see zone.h. */
#include "base/error.h"
#include "zone/assemble.h"

#include <stdlib.h>
#include <string.h>

static int allocate(struct zone *zone, const struct zone *like)
{
    zone->nodes = malloc((zone->node_count + 1) * sizeof(*zone->nodes));
    zone->rrsets = malloc((zone->rrset_count + 1) * sizeof(*zone->rrsets));
    zone->rrs = malloc((zone->rr_count + 1) * sizeof(*zone->rrs));
    if (zone->nodes == NULL || zone->rrsets == NULL || zone->rrs == NULL)
        return BASE_ENOMEM;
    return zone_copy_files(zone, like);
}

int zone_make(const struct zone *like, size_t node_count, size_t rrset_count, size_t rr_count,
              struct zone **out)
{
    if (node_count > UINT32_MAX || rrset_count > UINT32_MAX || rr_count > UINT32_MAX)
        return BASE_ELIMIT;
    struct zone *zone = zone_new(like->apex);
    if (zone == NULL)
        return BASE_ENOMEM;
    zone->node_count = node_count;
    zone->rrset_count = rrset_count;
    zone->rr_count = rr_count;
    zone->serial = like->serial;
    int error = allocate(zone, like);
    if (error != BASE_OK) {
        zone_release(zone);
        return error;
    }
    *out = zone;
    return BASE_OK;
}

/* Room for `more` storages behind those that the zone has. */
static bool grow_storage(struct zone *zone, size_t more)
{
    struct zone_storage **storage =
        realloc(zone->storage, (zone->storage_count + more) * sizeof(struct zone_storage *));
    if (storage == NULL)
        return false;
    zone->storage = storage;
    return true;
}

static bool holds(const struct zone *zone, const struct zone_storage *storage)
{
    for (size_t i = 0; i < zone->storage_count; i++) {
        if (zone->storage[i] == storage)
            return true;
    }
    return false;
}

int zone_share(struct zone *zone, const struct zone *from)
{
    if (from->storage_count > 0 && !grow_storage(zone, from->storage_count))
        return BASE_ENOMEM;
    for (size_t i = 0; i < from->storage_count; i++) {
        if (!holds(zone, from->storage[i]))
            zone->storage[zone->storage_count++] = zone_storage_hold(from->storage[i]);
    }
    return BASE_OK;
}

int zone_adopt(struct zone *zone, struct base_arena *arena)
{
    struct zone_storage *storage = zone_storage_new();
    if (storage == NULL || !grow_storage(zone, 1)) {
        zone_storage_release(storage);
        return BASE_ENOMEM;
    }
    base_arena_absorb(&storage->arena, arena);
    zone->storage[zone->storage_count++] = storage;
    return BASE_OK;
}
