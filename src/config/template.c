/* Templates by number: see config.h. */
#include "base/error.h"
#include "config/config.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a; what comes out is compared with nothing but itself. */
#define HASH_START UINT64_C(0xcbf29ce484222325)
#define HASH_PRIME UINT64_C(0x100000001b3)

uint64_t config_template_number(enum config_place place, const void *name)
{
    const uint8_t *octets = name;
    size_t length = name == NULL                ? 0
                    : place == CONFIG_DIRECTORY ? strlen(name)
                                                : dns_name_length(name);
    uint64_t hash = (HASH_START ^ (uint64_t)place) * HASH_PRIME;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ octets[i]) * HASH_PRIME;
    return hash != 0 ? hash : 1;
}

static int compare(const void *a, const void *b)
{
    const struct config_numbered *x = a, *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

int config_templates(const struct config *config, struct config_numbered **out, size_t *count)
{
    size_t most = 1 + config->directory_count + config->zone_count + 2 * config->catalog_count;
    struct config_numbered *all = calloc(most, sizeof(*all));
    if (all == NULL)
        return BASE_ENOMEM;
    size_t n = 0;
    all[n++] =
        (struct config_numbered){config_template_number(CONFIG_STANDARD, NULL), &config->standard};
    for (size_t i = 0; i < config->directory_count; i++) {
        const struct config_directory *directory = &config->directories[i];
        all[n++] = (struct config_numbered){
            config_template_number(CONFIG_DIRECTORY, directory->path), &directory->as};
    }
    for (size_t i = 0; i < config->zone_count; i++) {
        const struct config_zone *zone = &config->zones[i];
        all[n++] =
            (struct config_numbered){config_template_number(CONFIG_ZONE, zone->name), &zone->as};
    }
    for (size_t i = 0; i < config->catalog_count; i++) {
        const struct config_catalog *catalog = &config->catalogs[i];
        all[n++] = (struct config_numbered){config_template_number(CONFIG_CATALOG, catalog->name),
                                            &catalog->as};
        all[n++] = (struct config_numbered){config_template_number(CONFIG_MEMBERS, catalog->name),
                                            &catalog->members};
    }
    qsort(all, n, sizeof(*all), compare);
    *out = all;
    *count = n;
    return BASE_OK;
}

const struct config_template *config_template_find(const struct config_numbered *templates,
                                                   size_t count, uint64_t number)
{
    struct config_numbered key = {.number = number};
    const struct config_numbered *found =
        count > 0 ? bsearch(&key, templates, count, sizeof(*templates), compare) : NULL;
    return found != NULL ? found->as : NULL;
}
