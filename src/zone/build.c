/* Zones from files: see zone.h. */
#include "base/error.h"
#include "zone/assemble.h"

#include <stdlib.h>
#include <string.h>

static int own_files(struct zone *zone, struct zone_storage *storage,
                     const struct dns_zonefile *zonefile)
{
    zone->files = calloc(zonefile->file_count + 1, sizeof(const char *));
    if (zone->files == NULL)
        return BASE_ENOMEM;
    for (size_t i = 0; i < zonefile->file_count; i++) {
        const char *file = zonefile->files[i];
        zone->files[i] = base_arena_strndup(&storage->arena, file, strlen(file));
        if (zone->files[i] == NULL)
            return BASE_ENOMEM;
    }
    zone->file_count = zonefile->file_count;
    return BASE_OK;
}

static int hold_storage(struct zone *zone, struct zone_storage *storage)
{
    zone->storage = malloc(sizeof(struct zone_storage *));
    if (zone->storage == NULL)
        return BASE_ENOMEM;
    zone->storage[0] = zone_storage_hold(storage);
    zone->storage_count = 1;
    return BASE_OK;
}

static void check_soa(const struct zone *zone, struct base_findings *findings)
{
    if (zone->soa != NULL)
        return;
    char apex[DNS_NAME_TEXT];
    struct base_place place = {.owner = dns_name_text(apex, zone->apex), .type = "SOA"};
    if (zone->file_count > 0)
        place.file = zone->files[0];
    base_findings_add(findings, ZONE_SOA_MISSING, &place, "there is no SOA record at %s", apex);
}

int zone_build(struct dns_zonefile *zonefile, unsigned threads, struct base_findings *findings,
               struct zone **out)
{
    struct dns_batch *batches = zonefile->batches;
    zonefile->batches = NULL;
    struct zone *zone = zone_new(zonefile->origin);
    struct zone_storage *storage = zone_storage_new();
    struct zone_assembly assembly = {.zone = zone, .storage = storage, .threads = threads};
    int error = zone != NULL && storage != NULL ? own_files(zone, storage, zonefile) : BASE_ENOMEM;
    if (error == BASE_OK)
        error = hold_storage(zone, storage);
    if (error != BASE_OK) {
        dns_batches_free(batches);
    } else {
        error = zone_runs_order(&assembly.runs, batches, zone, threads, findings);
    }
    if (error == BASE_OK)
        error = zone_assemble(&assembly, findings);
    zone_runs_free(&assembly.runs, storage);
    zone_storage_release(storage);
    if (error != BASE_OK) {
        zone_release(zone);
        return error;
    }
    /* The keys were many small pieces, which the allocator would keep. */
    base_memory_trim(zone->rr_count * sizeof(struct dns_run));
    check_soa(zone, findings);
    *out = zone;
    return BASE_OK;
}

int zone_load(const char *path, const struct dns_zonefile_options *options,
              struct base_findings *findings, struct zone **out)
{
    struct dns_zonefile zonefile;
    int error = dns_zonefile_read(path, options, findings, &zonefile);
    if (error != BASE_OK)
        return error;
    error = zone_build(&zonefile, options != NULL ? options->threads : 0, findings, out);
    dns_zonefile_free(&zonefile);
    return error;
}
