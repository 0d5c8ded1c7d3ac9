/* Zones and where they come from: templates, directories, zones by name, catalogs. */
#include "base/error.h"
#include "config/read.h"
#include "dns/rdata.h"

#include <stdlib.h>
#include <string.h>

/*
 * What zones have in common
 */

static bool read_policy(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    const struct config *config = reading->config;
    const char *near = NULL;
    if (node->kind != BASE_YAML_SCALAR)
        return false;
    const struct config_policy *policy = config_policy_find(config, node->text);
    if (policy != NULL) {
        ((struct config_template *)target)->policy = policy;
        return true;
    }
    for (size_t i = 0; i < config->policy_count; i++)
        near = config_nearer(node->text, config->policies[i].name, near);
    config_unknown(reading, node, "policy", near);
    return true;
}

static bool read_transfer(struct config_reading *reading, const struct base_yaml *node,
                          void *target)
{
    return config_read_acl(reading, node, &((struct config_template *)target)->transfer);
}

static bool read_notify(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    struct config_template *as = target;
    struct config_remote_list list;
    if (!config_read_remote_list(reading, node, &list))
        return false;
    as->notify = list.items;
    as->notify_count = list.count;
    return true;
}

/* The scope of a rule, by `name` or by `below`. */
static bool read_scope(const struct base_yaml *node, struct config_update_rule *rule,
                       enum config_scope scope)
{
    if (node->kind != BASE_YAML_SCALAR || !config_name(node->text, rule->name))
        return false;
    rule->scope = scope;
    return true;
}

static bool read_rule_name(struct config_reading *reading, const struct base_yaml *node,
                           void *target)
{
    return read_scope(node, target, CONFIG_SCOPE_NAME);
}

static bool read_rule_below(struct config_reading *reading, const struct base_yaml *node,
                            void *target)
{
    return read_scope(node, target, CONFIG_SCOPE_BELOW);
}

static bool read_rule_types(struct config_reading *reading, const struct base_yaml *node,
                            void *target)
{
    struct config_update_rule *rule = target;
    size_t most = node->kind == BASE_YAML_LIST ? node->count : 1;
    uint16_t *types = config_alloc(reading, most * sizeof(*types));
    rule->types = types;
    rule->type_count = 0;
    for (const struct base_yaml *item = config_items(node); item != NULL && types != NULL;
         item = config_next(node, item)) {
        uint16_t type;
        if (item->kind != BASE_YAML_SCALAR ||
            dns_type_from_text(item->text, strlen(item->text), &type) != BASE_OK ||
            dns_type_is_meta(type))
            return false;
        if (dns_type_is_dnssec(type)) {
            config_refuse(reading, CONFIG_CONFLICT, item,
                          "%s records are made by the signer; nobody else may change them",
                          item->text);
            continue;
        }
        types[rule->type_count++] = type;
    }
    return true;
}

static bool read_rule_deny(struct config_reading *reading, const struct base_yaml *node,
                           void *target)
{
    bool deny;
    if (!config_bool(node, &deny))
        return false;
    ((struct config_update_rule *)target)->grant = !deny;
    return true;
}

static const struct config_setting update_settings[] = {
    {"name", read_rule_name, "a domain name"},
    {"below", read_rule_below, "a domain name"},
    {"types", read_rule_types, "a list of record types such as A or TXT"},
    {"deny", read_rule_deny, "true or false"},
};
const struct config_section config_section_update = CONFIG_SECTION("update", update_settings);

/* Addresses that only this machine itself can send from. */
static bool is_loopback(const struct config_match *match)
{
    struct config_match own;
    const char *network = match->family == AF_INET ? "127.0.0.0/8" : "::1";
    if (match->family == AF_UNSPEC || config_network_parse(network, &own) != BASE_OK ||
        match->bits < own.bits)
        return false;
    /* Of IPv4 the first octet stands above the last 24 bits; IPv6 is one address. */
    return match->family == AF_INET
               ? (match->prefix.low >> 24) == (own.prefix.low >> 24)
               : match->prefix.high == own.prefix.high && match->prefix.low == own.prefix.low;
}

static void read_rule(struct config_reading *reading, const struct base_yaml *item,
                      struct config_update_rule *rule)
{
    *rule = (struct config_update_rule){.grant = true};
    const struct config_part parts[] = {{&config_section_match, &rule->who},
                                        {&config_section_update, rule}};
    size_t before = reading->findings->totals[BASE_ERROR];
    config_read_parts(reading, item, parts, 2);
    if (reading->findings->totals[BASE_ERROR] != before)
        return;
    if (base_yaml_get(item, "name") != NULL && base_yaml_get(item, "below") != NULL)
        config_refuse(
            reading, CONFIG_CONFLICT, item,
            "\"name\" is one name, \"below\" that name and all below it; say one of them");
    if (rule->grant && rule->who.key == NULL && rule->who.identity == NULL &&
        !is_loopback(&rule->who))
        config_refuse(reading, CONFIG_CONFLICT, item,
                      "who may change the zone must be known by a key or a certificate; an address "
                      "alone can be forged, but for those of this machine (127.0.0.1, ::1)");
}

static bool read_update(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    struct config_template *as = target;
    size_t most = node->kind == BASE_YAML_LIST ? node->count : 1;
    struct config_update_rule *rules = config_alloc(reading, most * sizeof(*rules));
    as->update = rules;
    as->update_count = 0;
    for (const struct base_yaml *item = config_items(node); item != NULL && rules != NULL;
         item = config_next(node, item)) {
        if (item->kind != BASE_YAML_MAP)
            return false;
        read_rule(reading, item, &rules[as->update_count++]);
    }
    return true;
}

static const struct config_setting template_settings[] = {
    {"policy", read_policy, "the name of a policy"},
    {"transfer", read_transfer, "a list of networks, access lists, remotes and {key: NAME}"},
    {"notify", read_notify, "a list of remotes"},
    {"update", read_update, "a list of rules such as {key: NAME}"},
};
const struct config_section config_section_template = CONFIG_SECTION("defaults", template_settings);

/* Only zones of edits are changed by UPDATE: elsewhere rules would promise what is not so. */
static void no_update(struct config_reading *reading, const struct base_yaml *node,
                      struct config_template *as, const char *why)
{
    const struct base_yaml *update = base_yaml_get(node, "update");
    if (update != NULL && !config_is_none(update))
        config_refuse_key(reading, CONFIG_CONFLICT, update, "update: %s", why);
    as->update = NULL;
    as->update_count = 0;
}

#define FROM_FILES "zones of files are changed in their files; only zones of edits take updates"

/*
 * zone-directories
 */

static bool read_directory_path(struct config_reading *reading, const struct base_yaml *node,
                                void *target)
{
    return config_path(reading, node, &((struct config_directory *)target)->path);
}

static const struct config_setting directory_settings[] = {
    {"path", read_directory_path, "a path"},
};
const struct config_section config_section_directory =
    CONFIG_SECTION("zone-directories", directory_settings);

static void read_directory(struct config_reading *reading, const struct base_yaml *item)
{
    struct config *config = reading->config;
    struct config_directory directory = {.as = config->standard};
    const struct config_part parts[] = {{&config_section_directory, &directory},
                                        {&config_section_template, &directory.as}};
    if (item->kind != BASE_YAML_SCALAR)
        config_read_parts(reading, item, parts, 2);
    else if (!config_path(reading, item, &directory.path))
        config_refuse(reading, CONFIG_INVALID, item, "this is not a path");
    no_update(reading, item, &directory.as, FROM_FILES);
    if (directory.path == NULL) {
        if (item->kind == BASE_YAML_MAP && base_yaml_get(item, "path") == NULL)
            config_refuse(reading, CONFIG_INVALID, item, "the path of the directory is missing");
        return;
    }
    for (size_t i = 0; i < config->directory_count; i++) {
        if (strcmp(config->directories[i].path, directory.path) == 0) {
            config_refuse(reading, CONFIG_CONFLICT, item, "%s is here twice", directory.path);
            return;
        }
    }
    struct config_directory *all =
        config_append(reading, config->directories, config->directory_count, sizeof(directory));
    if (all == NULL)
        return;
    all[config->directory_count++] = directory;
    config->directories = all;
}

bool config_read_directories(struct config_reading *reading, const struct base_yaml *node,
                             void *target)
{
    for (const struct base_yaml *item = config_items(node); item != NULL;
         item = config_next(node, item))
        read_directory(reading, item);
    return true;
}

/*
 * zones
 */

struct zone_reading {
    struct config_zone zone;
    bool edits;
    const struct base_yaml *node;
};

static bool read_zone_file(struct config_reading *reading, const struct base_yaml *node,
                           void *target)
{
    return config_path(reading, node, &((struct zone_reading *)target)->zone.file);
}

static bool read_primaries(struct config_reading *reading, const struct base_yaml *node,
                           void *target)
{
    struct config_zone *zone = &((struct zone_reading *)target)->zone;
    struct config_remote_list list;
    if (!config_read_remote_list(reading, node, &list))
        return false;
    zone->primaries = list.items;
    zone->primary_count = list.count;
    return true;
}

static bool read_edits(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    return config_bool(node, &((struct zone_reading *)target)->edits);
}

static const struct config_setting zone_settings[] = {
    {"file", read_zone_file, "a path"},
    {"primaries", read_primaries, "a list of remotes"},
    {"edits", read_edits, "true or false"},
};
const struct config_section config_section_zone = CONFIG_SECTION("zones", zone_settings);

/* Where the zone comes from: exactly one of the three. */
static void choose_source(struct config_reading *reading, struct zone_reading *read)
{
    struct config_zone *zone = &read->zone;
    const struct base_yaml *node = read->node;
    bool primaries = base_yaml_get(node, "primaries") != NULL;
    if (primaries && (read->edits || zone->file != NULL)) {
        config_refuse_key(reading, CONFIG_CONFLICT, node,
                          "%.255s: a zone comes from its primaries, or from a file, or from edits "
                          "(with a file to begin with), and from one of them only",
                          node->key);
        return;
    }
    if (read->edits) {
        zone->source = CONFIG_EDITS;
    } else if (primaries) {
        zone->source = CONFIG_PRIMARY;
        if (zone->primary_count == 0 && !reading->bad)
            config_refuse_key(reading, CONFIG_INVALID, node, "%.255s: there is no primary",
                              node->key);
        no_update(reading, node, &zone->as, "this zone is changed at its primaries");
    } else {
        zone->source = CONFIG_FILE;
        if (zone->file == NULL && base_yaml_get(node, "file") == NULL)
            config_refuse_key(reading, CONFIG_INVALID, node,
                              "%.255s: where the zone comes from is missing: file, primaries or "
                              "edits: true",
                              node->key);
        no_update(reading, node, &zone->as, FROM_FILES);
    }
}

static void read_zone(struct config_reading *reading, const struct base_yaml *node,
                      struct zone_reading *read)
{
    *read = (struct zone_reading){.node = node, .zone.as = reading->config->standard};
    const struct config_part parts[] = {{&config_section_zone, read},
                                        {&config_section_template, &read->zone.as}};
    if (!config_name(node->key, read->zone.name))
        config_refuse_key(reading, CONFIG_INVALID, node, "\"%.255s\" is not a domain name",
                          node->key);
    if (node->kind == BASE_YAML_SCALAR && !config_is_none(node)) {
        if (!read_zone_file(reading, node, read))
            config_refuse(reading, CONFIG_INVALID, node, "this is not a path");
    } else {
        config_read_parts(reading, node, parts, 2);
    }
    choose_source(reading, read);
}

static int compare_zones(const void *a, const void *b)
{
    const struct zone_reading *x = a, *y = b;
    int order = dns_name_compare(x->zone.name, y->zone.name);
    if (order != 0)
        return order;
    return (x->node->key_line > y->node->key_line) - (x->node->key_line < y->node->key_line);
}

static void take_zones(struct config_reading *reading, struct zone_reading *read, size_t count)
{
    struct config *config = reading->config;
    struct config_zone *zones = config_alloc(reading, count * sizeof(*zones));
    if (zones == NULL)
        return;
    qsort(read, count, sizeof(*read), compare_zones);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && dns_name_equal(read[i].zone.name, read[i - 1].zone.name))
            config_refuse_key(reading, CONFIG_CONFLICT, read[i].node,
                              "%.255s is here twice, first in line %u", read[i].node->key,
                              read[i - 1].node->key_line);
        zones[i] = read[i].zone;
    }
    config->zones = zones;
    config->zone_count = count;
}

bool config_read_zones(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    if (node->kind != BASE_YAML_MAP)
        return config_is_none(node);
    struct zone_reading *read = calloc(node->count + 1, sizeof(*read));
    if (read == NULL) {
        reading->out_of_memory = true;
        return true;
    }
    size_t count = 0;
    for (const struct base_yaml *item = node->first; item != NULL; item = item->next)
        read_zone(reading, item, &read[count++]);
    take_zones(reading, read, count);
    free(read);
    return true;
}

/*
 * catalogs
 */

static bool read_produce(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    return config_bool(node, &((struct config_catalog *)target)->produce);
}

static bool read_catalog_primaries(struct config_reading *reading, const struct base_yaml *node,
                                   void *target)
{
    struct config_catalog *catalog = target;
    struct config_remote_list list;
    if (!config_read_remote_list(reading, node, &list))
        return false;
    catalog->primaries = list.items;
    catalog->primary_count = list.count;
    return true;
}

static bool read_members(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    struct config_catalog *catalog = target;
    config_read_section(reading, node, &config_section_template, &catalog->members);
    no_update(reading, node, &catalog->members,
              "members of a catalog are changed at its primaries");
    return true;
}

static const struct config_setting catalog_settings[] = {
    {"produce", read_produce, "true or false"},
    {"primaries", read_catalog_primaries, "a list of remotes"},
    {"members", read_members, ""},
};
const struct config_section config_section_catalog = CONFIG_SECTION("catalogs", catalog_settings);

static void check_catalog(struct config_reading *reading, const struct base_yaml *node,
                          const struct config_catalog *catalog)
{
    bool primaries = base_yaml_get(node, "primaries") != NULL;
    if (catalog->produce && (primaries || base_yaml_get(node, "members") != NULL))
        config_refuse_key(reading, CONFIG_CONFLICT, node,
                          "%.255s: a catalog that is produced lists the zones that are here; it "
                          "has no primaries and no settings of members",
                          node->key);
    else if (!catalog->produce && !primaries)
        config_refuse_key(reading, CONFIG_INVALID, node,
                          "%.255s: say either produce: true, or the primaries that it comes from",
                          node->key);
    for (size_t i = 0; i < reading->config->catalog_count; i++)
        if (dns_name_equal(reading->config->catalogs[i].name, catalog->name))
            config_refuse_key(reading, CONFIG_CONFLICT, node, "%.255s is here twice", node->key);
    if (config_zone_find(reading->config, catalog->name) != NULL)
        config_refuse_key(reading, CONFIG_CONFLICT, node,
                          "%.255s is among the zones too, and a catalog is a zone of its own",
                          node->key);
}

static void read_catalog(struct config_reading *reading, const struct base_yaml *node,
                         struct config_catalog *catalog)
{
    struct config *config = reading->config;
    *catalog = (struct config_catalog){.as = config->standard, .members = config->standard};
    catalog->members.update = NULL;
    catalog->members.update_count = 0;
    catalog->as.policy = &config->unsigned_policy; /* whoever wants it signed names a policy */
    const struct config_part parts[] = {{&config_section_catalog, catalog},
                                        {&config_section_template, &catalog->as}};
    if (!config_name(node->key, catalog->name))
        config_refuse_key(reading, CONFIG_INVALID, node, "\"%.255s\" is not a domain name",
                          node->key);
    config_read_parts(reading, node, parts, 2);
    no_update(reading, node, &catalog->as, "a catalog is made by its producer");
    check_catalog(reading, node, catalog);
    config->catalog_count++;
}

bool config_read_catalogs(struct config_reading *reading, const struct base_yaml *node,
                          void *target)
{
    struct config *config = target;
    if (node->kind != BASE_YAML_MAP)
        return config_is_none(node);
    struct config_catalog *catalogs = config_alloc(reading, node->count * sizeof(*catalogs));
    if (catalogs == NULL)
        return true;
    config->catalogs = catalogs;
    for (const struct base_yaml *item = node->first; item != NULL; item = item->next)
        read_catalog(reading, item, &catalogs[config->catalog_count]);
    return true;
}
