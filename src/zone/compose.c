/* New zones from old ones: see zone.h. */
#include "base/error.h"
#include "zone/assemble.h"

#include <stdlib.h>
#include <string.h>

/* Takes over from the base what its records need, and the memory of the new ones. */
static int inherit(struct zone *zone, const struct zone *base, struct zone_storage *storage)
{
    zone->storage = calloc(base->storage_count + 1, sizeof(struct zone_storage *));
    if (zone->storage == NULL)
        return BASE_ENOMEM;
    for (size_t i = 0; i < base->storage_count; i++)
        zone->storage[i] = zone_storage_hold(base->storage[i]);
    zone->storage[base->storage_count] = zone_storage_hold(storage);
    zone->storage_count = base->storage_count + 1;
    return zone_copy_files(zone, base);
}

int zone_compose(const struct zone_compose *compose, struct base_findings *findings,
                 struct zone **out)
{
    struct zone *zone = zone_new(compose->base->apex);
    struct zone_storage *storage = zone_storage_new();
    struct zone_assembly assembly = {.base = compose->base,
                                     .keep = compose->keep,
                                     .context = compose->context,
                                     .zone = zone,
                                     .storage = storage,
                                     .quiet = true,
                                     .threads = compose->threads};
    int error = BASE_ENOMEM;
    if (zone != NULL && storage != NULL)
        error = inherit(zone, compose->base, storage);
    /* Also after an error: the extra records are taken over. */
    int ordered =
        zone_runs_order(&assembly.runs, compose->extra, compose->base, compose->threads, findings);
    if (error == BASE_OK)
        error = ordered;
    if (error == BASE_OK)
        error = zone_assemble(&assembly, findings);
    zone_runs_free(&assembly.runs, storage);
    zone_storage_release(storage);
    if (error != BASE_OK) {
        zone_release(zone);
        return error;
    }
    *out = zone;
    return BASE_OK;
}
