/*
 * kenter.yaml to settings: the file, the tables' common part, and the sections that say what
 * kenterd is like. Keys, remotes, lists and policies are in read_named.c, zones in read_zones.c.
 */
#include "config/read.h"
#include "base/codec.h"
#include "base/error.h"
#include "base/file.h"
#include "net/server.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_SIZE_MAX       (16 * 1024 * 1024)
#define ARENA_MAX           (16 * (size_t)FILE_SIZE_MAX)
#define TRANSFER_SIZE_LEAST ((size_t)1 << 20)
#define NEAR_MAX            64 /* longer names are compared with none */

/*
 * Findings
 */

static void refuse_at(struct config_reading *reading, enum base_finding_code code, uint32_t line,
                      uint32_t column, const char *format, va_list args)
{
    struct base_place place = {.file = reading->file, .line = line, .column = column};
    enum base_severity severity = base_finding_info(code)->severity;
    base_findings_addv(reading->findings, code, severity, &place, format, args);
    if (severity == BASE_ERROR)
        reading->bad = true;
}

void config_refuse(struct config_reading *reading, enum base_finding_code code,
                   const struct base_yaml *node, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    refuse_at(reading, code, node->line, node->column, format, args);
    va_end(args);
}

void config_refuse_key(struct config_reading *reading, enum base_finding_code code,
                       const struct base_yaml *node, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    refuse_at(reading, code, node->key != NULL ? node->key_line : node->line,
              node->key != NULL ? node->key_column : node->column, format, args);
    va_end(args);
}

/*
 * Names that are near to a wrong one
 */

/* The number of single edits that make one name of the other. */
static size_t distance(const char *a, const char *b)
{
    size_t n = strlen(b), row[NEAR_MAX + 1];
    if (n > NEAR_MAX || strlen(a) > NEAR_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[n];
}

const char *config_nearer(const char *wrong, const char *name, const char *best)
{
    size_t least = best != NULL ? distance(wrong, best) : strlen(wrong) / 2 + 1;
    return distance(wrong, name) < least ? name : best;
}

void config_unknown(struct config_reading *reading, const struct base_yaml *node, const char *what,
                    const char *near)
{
    const char *name = node->kind == BASE_YAML_SCALAR ? node->text : "";
    config_refuse(reading, CONFIG_UNKNOWN, node, "there is no %s \"%.64s\"%s%s%s", what, name,
                  near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
                  near != NULL ? "\"?" : "");
}

/*
 * Tables
 */

static const struct config_setting *find_setting(const struct config_section *section,
                                                 const char *name)
{
    for (size_t i = 0; i < section->count; i++)
        if (strcmp(section->settings[i].name, name) == 0)
            return &section->settings[i];
    return NULL;
}

static void refuse_setting(struct config_reading *reading, const struct base_yaml *node,
                           const struct config_part *parts, size_t count)
{
    const char *near = NULL;
    for (size_t p = 0; p < count; p++)
        for (size_t i = 0; i < parts[p].section->count; i++)
            near = config_nearer(node->key, parts[p].section->settings[i].name, near);
    config_refuse_key(reading, CONFIG_INVALID, node, "there is no setting \"%.64s\" here%s%s%s",
                      node->key, near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
                      near != NULL ? "\"?" : "");
}

static void read_setting(struct config_reading *reading, const struct config_setting *setting,
                         const struct base_yaml *node, void *target)
{
    if (setting->read(reading, node, target))
        return;
    if (node->kind == BASE_YAML_SCALAR)
        config_refuse(reading, CONFIG_INVALID, node, "%s: \"%.64s\" is not %s", node->key,
                      node->text, setting->form);
    else
        config_refuse(reading, CONFIG_INVALID, node, "%s: this is not %s", node->key,
                      setting->form);
}

/* True for a map; an empty value is an empty one. */
static bool is_map(struct config_reading *reading, const struct base_yaml *map)
{
    if (map->kind == BASE_YAML_SCALAR && map->text[0] == '\0')
        return false;
    if (map->kind == BASE_YAML_MAP)
        return true;
    config_refuse(reading, CONFIG_INVALID, map,
                  "here must be settings, one a line, as NAME: VALUE");
    return false;
}

void config_read_parts(struct config_reading *reading, const struct base_yaml *map,
                       const struct config_part *parts, size_t count)
{
    if (!is_map(reading, map))
        return;
    for (const struct base_yaml *node = map->first; node != NULL; node = node->next) {
        const struct config_setting *setting = NULL;
        for (size_t p = 0; p < count && setting == NULL; p++) {
            setting = find_setting(parts[p].section, node->key);
            if (setting != NULL)
                read_setting(reading, setting, node, parts[p].target);
        }
        if (setting == NULL)
            refuse_setting(reading, node, parts, count);
    }
}

void config_read_section(struct config_reading *reading, const struct base_yaml *map,
                         const struct config_section *section, void *target)
{
    config_read_parts(reading, map, &(struct config_part){section, target}, 1);
}

/*
 * log, listen, tls
 */

static bool read_level(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    struct config *config = target;
    int level = node->kind == BASE_YAML_SCALAR ? base_log_level_by_name(node->text) : -1;
    if (level >= 0)
        config->log.least = (enum base_log_level)level;
    return level >= 0;
}

static bool read_format(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    static const char *const words[] = {"text", "json", NULL};
    unsigned word;
    if (!config_word(node, words, &word))
        return false;
    ((struct config *)target)->log.json = word == 1;
    return true;
}

static const struct config_setting log_settings[] = {
    {"level", read_level, "debug, info, warning or error"},
    {"format", read_format, "text or json"},
};
const struct config_section config_section_log = CONFIG_SECTION("log", log_settings);

static bool read_log(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    config_read_section(reading, node, &config_section_log, target);
    return true;
}

struct listening {
    const char *address;
    unsigned protocols;
};

static bool read_address(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    union net_address address;
    struct listening *listening = target;
    if (node->kind != BASE_YAML_SCALAR || net_address_parse(node->text, 53, &address) != BASE_OK)
        return false;
    listening->address = node->text;
    return true;
}

static bool read_protocols(struct config_reading *reading, const struct base_yaml *node,
                           void *target)
{
    static const char *const words[] = {"udp", "tcp", "tls", NULL};
    struct listening *listening = target;
    listening->protocols = 0;
    for (const struct base_yaml *item = config_items(node); item != NULL;
         item = config_next(node, item)) {
        unsigned word;
        if (!config_word(item, words, &word))
            return false;
        listening->protocols |= 1u << word;
    }
    return listening->protocols != 0;
}

static const struct config_setting listen_settings[] = {
    {"address", read_address, "an address such as 192.0.2.1, 192.0.2.1@5300 or [2001:db8::1]@53"},
    {"protocols", read_protocols, "a list of udp, tcp and tls"},
};
const struct config_section config_section_listen = CONFIG_SECTION("listen", listen_settings);
_Static_assert(NET_LISTEN_UDP == 1 && NET_LISTEN_TCP == 2 && NET_LISTEN_TLS == 4,
               "the words above are in the order of the bits");

static void add_listen(struct config_reading *reading, const struct base_yaml *node,
                       const char *text, uint16_t port, unsigned protocols)
{
    struct config *config = reading->config;
    struct config_listen listen = {.protocols = protocols};
    if (net_address_parse(text, port, &listen.address) != BASE_OK)
        return;
    for (size_t i = 0; i < config->listen_count; i++) {
        if (net_address_equal(&config->listen[i].address, &listen.address)) {
            config_refuse(reading, CONFIG_CONFLICT, node,
                          "%s: this address and port are listened "
                          "on already",
                          text);
            return;
        }
    }
    struct config_listen *all =
        config_append(reading, config->listen, config->listen_count, sizeof(listen));
    if (all == NULL)
        return;
    all[config->listen_count++] = listen;
    config->listen = all;
}

static void read_listen_item(struct config_reading *reading, const struct base_yaml *item)
{
    struct listening listening = {.protocols = NET_LISTEN_UDP | NET_LISTEN_TCP};
    union net_address address;
    if (item->kind == BASE_YAML_SCALAR) {
        if (!read_address(reading, item, &listening)) {
            config_refuse(reading, CONFIG_INVALID, item, "listen: \"%.64s\" is not %s", item->text,
                          listen_settings[0].form);
            return;
        }
    } else {
        config_read_section(reading, item, &config_section_listen, &listening);
        if (listening.address == NULL) {
            if (base_yaml_get(item, "address") == NULL)
                config_refuse(reading, CONFIG_INVALID, item, "listen: an address is missing");
            return;
        }
    }
    unsigned plain = listening.protocols & (NET_LISTEN_UDP | NET_LISTEN_TCP);
    unsigned tls = listening.protocols & NET_LISTEN_TLS;
    if (net_address_parse(listening.address, 0, &address) != BASE_OK)
        return;
    if (net_address_port(&address) != 0 && tls != 0 && (plain & NET_LISTEN_TCP) != 0) {
        config_refuse(reading, CONFIG_CONFLICT, item,
                      "%s: TCP and TLS cannot have one port; without a port here they get 53 and "
                      "853",
                      listening.address);
        return;
    }
    /* Each protocol has its own port when none is named. */
    if (net_address_port(&address) != 0) {
        add_listen(reading, item, listening.address, 0, listening.protocols);
    } else {
        if (plain != 0)
            add_listen(reading, item, listening.address, 53, plain);
        if (tls != 0)
            add_listen(reading, item, listening.address, 853, tls);
    }
}

bool config_read_listen(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    for (const struct base_yaml *item = config_items(node); item != NULL;
         item = config_next(node, item))
        read_listen_item(reading, item);
    return true;
}

static bool read_certificate(struct config_reading *reading, const struct base_yaml *node,
                             void *target)
{
    return config_path_or_none(reading, node, &((struct config *)target)->tls_certificate);
}

static bool read_tls_key(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    struct config *config = target;
    if (!config_path_or_none(reading, node, &config->tls_key))
        return false;
    if (config->tls_key != NULL)
        config_check_secret_file(reading, node, config->tls_key);
    return true;
}

static const struct config_setting tls_settings[] = {
    {"certificate", read_certificate, "a path, or none"},
    {"key", read_tls_key, "a path, or none"},
};
const struct config_section config_section_tls = CONFIG_SECTION("tls", tls_settings);

static bool read_tls(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    config_read_section(reading, node, &config_section_tls, target);
    return true;
}

/*
 * server, rate-limit, limits
 */

static bool read_version(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    struct config *config = target;
    return node->kind == BASE_YAML_SCALAR && strlen(node->text) <= 255 &&
           config_text_or_none(reading, node, &config->version);
}

static bool read_identity(struct config_reading *reading, const struct base_yaml *node,
                          void *target)
{
    struct config *config = target;
    return node->kind == BASE_YAML_SCALAR && strlen(node->text) <= 255 &&
           config_text_or_none(reading, node, &config->identity);
}

#define NSID_MAX 128 /* octets: it goes into every answer that asks for it */

static bool read_nsid(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    struct config *config = target;
    uint8_t octets[NSID_MAX];
    size_t length;
    if (node->kind != BASE_YAML_SCALAR)
        return false;
    config->nsid = NULL;
    config->nsid_length = 0;
    if (config_is_none(node))
        return true;
    if (strncmp(node->text, "0x", 2) == 0) {
        if (base_hex_decode(octets, sizeof(octets), &length, node->text + 2,
                            strlen(node->text + 2)) != BASE_OK ||
            length == 0)
            return false;
    } else {
        length = strlen(node->text);
        if (length > sizeof(octets))
            return false;
        memcpy(octets, node->text, length);
    }
    uint8_t *nsid = config_alloc(reading, length);
    if (nsid != NULL) {
        memcpy(nsid, octets, length);
        config->nsid = nsid;
        config->nsid_length = length;
    }
    return true;
}

static bool read_cookie_secret(struct config_reading *reading, const struct base_yaml *node,
                               void *target)
{
    struct config *config = target;
    if (!config_path_or_none(reading, node, &config->cookie_secret))
        return false;
    if (config->cookie_secret != NULL)
        config_check_secret_file(reading, node, config->cookie_secret);
    return true;
}

static const struct config_setting server_settings[] = {
    {"version", read_version, "a text of at most 255 octets, or none"},
    {"identity", read_identity, "a text of at most 255 octets, or none"},
    {"nsid", read_nsid, "a text or 0x and hexadecimal, at most 128 octets, or none"},
    {"cookie-secret-file", read_cookie_secret, "a path, or none"},
};
const struct config_section config_section_server = CONFIG_SECTION("server", server_settings);

static bool read_server(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    config_read_section(reading, node, &config_section_server, target);
    return true;
}

static bool read_enabled(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    return config_bool(node, &((struct config *)target)->limit);
}

/* A reader for each kind of answer. */
#define READ_KIND(name, kind)                                                                      \
    static bool name(struct config_reading *reading, const struct base_yaml *node, void *target)   \
    {                                                                                              \
        return config_number(node, 0, 1000000, &((struct config *)target)->rate.per_second[kind]); \
    }
READ_KIND(read_answers, NET_KIND_ANSWER)
READ_KIND(read_referrals, NET_KIND_REFERRAL)
READ_KIND(read_nodata, NET_KIND_NODATA)
READ_KIND(read_nxdomain, NET_KIND_NXDOMAIN)
READ_KIND(read_errors, NET_KIND_ERROR)

static bool read_burst(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    return config_number(node, 1, 3600, &((struct config *)target)->rate.burst);
}

static bool read_slip(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    return config_number(node, 0, 100, &((struct config *)target)->rate.slip);
}

static bool read_v4(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    return config_number(node, 1, 32, &((struct config *)target)->rate.v4);
}

static bool read_v6(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    return config_number(node, 1, 128, &((struct config *)target)->rate.v6);
}

static bool read_table(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    unsigned buckets;
    if (!config_number(node, 1024, 1 << 28, &buckets))
        return false;
    ((struct config *)target)->rate.buckets = buckets;
    return true;
}

static bool read_exempt(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    return config_read_acl(reading, node, &((struct config *)target)->exempt);
}

#define PER_SECOND "a number of answers a second, 0 for no limit"
static const struct config_setting rate_settings[] = {
    {"enabled", read_enabled, "true or false"},
    {"answers", read_answers, PER_SECOND},
    {"referrals", read_referrals, PER_SECOND},
    {"nodata", read_nodata, PER_SECOND},
    {"nxdomain", read_nxdomain, PER_SECOND},
    {"errors", read_errors, PER_SECOND},
    {"burst", read_burst, "a number of seconds from 1 to 3600"},
    {"slip", read_slip, "a number from 0 to 100"},
    {"ipv4-prefix", read_v4, "a number from 1 to 32"},
    {"ipv6-prefix", read_v6, "a number from 1 to 128"},
    {"table-size", read_table, "a number from 1024 to 268435456"},
    {"exempt", read_exempt, "a list of networks and names of access lists"},
};
const struct config_section config_section_rate = CONFIG_SECTION("rate-limit", rate_settings);

static bool read_rate(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    config_read_section(reading, node, &config_section_rate, target);
    return true;
}

static bool read_connections(struct config_reading *reading, const struct base_yaml *node,
                             void *target)
{
    return config_number(node, 1, 1000000, &((struct config *)target)->connections);
}

static bool read_hot_answers(struct config_reading *reading, const struct base_yaml *node,
                             void *target)
{
    return config_number(node, 0, 2048, &((struct config *)target)->hot_answers);
}

static bool read_transfer_size(struct config_reading *reading, const struct base_yaml *node,
                               void *target)
{
    size_t size;
    if (!config_size(node, &size) || size < TRANSFER_SIZE_LEAST)
        return false;
    ((struct config *)target)->transfer_size = size;
    return true;
}

static const struct config_setting limits_settings[] = {
    {"connections", read_connections, "a number from 1 to 1000000"},
    {"hot-answers", read_hot_answers, "a number from 0 to 2048"},
    {"transfer-size", read_transfer_size, "a size of at least 1M, as 500M or 4G"},
};
const struct config_section config_section_limits = CONFIG_SECTION("limits", limits_settings);

static bool read_limits(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    config_read_section(reading, node, &config_section_limits, target);
    return true;
}

/*
 * api
 */

static bool read_socket(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    struct config *config = target;
    return config_path(reading, node, &config->socket) &&
           (config->socket == NULL || strlen(config->socket) < CONFIG_SOCKET_PATH);
}

static bool read_mode(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    char *end;
    if (node->kind != BASE_YAML_SCALAR || node->text[0] < '0' || node->text[0] > '7')
        return false;
    unsigned long mode = strtoul(node->text, &end, 8);
    if (*end != '\0' || mode > 0777)
        return false;
    ((struct config *)target)->socket_mode = (unsigned)mode;
    return true;
}

static bool read_group(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    return config_text_or_none(reading, node, &((struct config *)target)->socket_group);
}

static bool read_metrics(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    struct config *config = target;
    config->metrics = NULL;
    if (config_is_none(node))
        return true;
    int error =
        node->kind == BASE_YAML_SCALAR ? config_set_metrics(config, node->text) : BASE_EFORMAT;
    if (error == BASE_ENOMEM)
        reading->out_of_memory = true;
    return error != BASE_EFORMAT;
}

static const struct config_setting api_settings[] = {
    {"socket", read_socket, "a path of at most 107 octets"},
    {"mode", read_mode, "permissions in octal, such as 0660"},
    {"group", read_group, "a group, or none"},
    {"metrics", read_metrics, "an address such as 127.0.0.1@9353, or none"},
};
const struct config_section config_section_api = CONFIG_SECTION("api", api_settings);

static bool read_api(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    config_read_section(reading, node, &config_section_api, target);
    return true;
}

/*
 * The whole
 */

static bool read_data(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    return config_path(reading, node, &((struct config *)target)->data);
}

static bool read_user(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    return config_text_or_none(reading, node, &((struct config *)target)->user);
}

static bool read_threads(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    struct config *config = target;
    if (node->kind == BASE_YAML_SCALAR && strcmp(node->text, "auto") == 0) {
        config->threads = 0;
        return true;
    }
    return config_number(node, 1, 256, &config->threads);
}

static bool read_export(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    return config_path_or_none(reading, node, &((struct config *)target)->export_directory);
}

static bool read_defaults(struct config_reading *reading, const struct base_yaml *node,
                          void *target)
{
    config_read_section(reading, node, &config_section_template,
                        &((struct config *)target)->standard);
    return true;
}

/* In the order in which they are read, wherever they stand: what is referred to comes first. */
static const struct config_setting top_settings[] = {
    {"data", read_data, "a path"},
    {"user", read_user, "a user, or none"},
    {"threads", read_threads, "a number from 1 to 256, or auto"},
    {"log", read_log, ""},
    {"listen", config_read_listen, ""},
    {"tls", read_tls, ""},
    {"server", read_server, ""},
    {"limits", read_limits, ""},
    {"api", read_api, ""},
    {"export", read_export, "a path, or none"},
    {"keys", config_read_keys, "keys by name"},
    {"remotes", config_read_remotes, "servers by name"},
    {"acls", config_read_acls, "access lists by name"},
    {"rate-limit", read_rate, ""},
    {"policies", config_read_policies, "policies by name"},
    {"defaults", read_defaults, ""},
    {"zone-directories", config_read_directories, "a list of directories"},
    {"zones", config_read_zones, "zones by name"},
    {"catalogs", config_read_catalogs, "catalog zones by name"},
    {"tlsa", config_read_tlsa, "a list of services"},
};
const struct config_section config_section_top = CONFIG_SECTION("", top_settings);

static void read_root(struct config_reading *reading, const struct base_yaml *root)
{
    const struct config_part part = {&config_section_top, reading->config};
    if (!is_map(reading, root))
        return;
    for (const struct base_yaml *node = root->first; node != NULL; node = node->next)
        if (find_setting(&config_section_top, node->key) == NULL)
            refuse_setting(reading, node, &part, 1);
    for (size_t i = 0; i < config_section_top.count; i++) {
        const struct base_yaml *node = base_yaml_get(root, top_settings[i].name);
        if (node != NULL)
            read_setting(reading, &top_settings[i], node, reading->config);
    }
    config_check(reading, root);
}

/* The parser's findings speak of a policy; here they are of the settings. */
static void take_findings(struct config_reading *reading, struct base_findings *parsed)
{
    for (size_t i = 0; i < parsed->count; i++)
        base_findings_add(reading->findings, CONFIG_INVALID, &parsed->items[i].place, "%s",
                          parsed->items[i].message);
}

/* Secrets are not left behind in memory that is given back. */
static void wipe_secrets(const struct base_yaml *root)
{
    const struct base_yaml *keys = base_yaml_get(root, "keys");
    for (const struct base_yaml *key = keys != NULL ? keys->first : NULL; key != NULL;
         key = key->next) {
        const struct base_yaml *secret = base_yaml_get(key, "secret");
        if (secret != NULL && secret->kind == BASE_YAML_SCALAR)
            explicit_bzero((char *)secret->text, strlen(secret->text));
    }
}

static int read_text(struct config_reading *reading, const uint8_t *data, size_t length)
{
    struct base_arena arena;
    struct base_findings parsed;
    struct base_yaml *root;
    base_arena_init(&arena, ARENA_MAX);
    base_findings_init(&parsed, BASE_FINDINGS_PER_CODE);
    int error = base_yaml_parse(reading->file, data, length, &arena, &parsed, &root);
    take_findings(reading, &parsed);
    base_findings_free(&parsed);
    if (error == BASE_OK) {
        read_root(reading, root);
        wipe_secrets(root);
    }
    base_arena_free(&arena);
    if (error == BASE_ENOMEM || reading->out_of_memory)
        return BASE_ENOMEM;
    return error != BASE_OK || reading->bad ? BASE_EREFUSED : BASE_OK;
}

int config_read_memory(const char *file, const char *directory, bool open, const void *data,
                       size_t length, struct base_findings *findings, struct config **out)
{
    struct config_reading reading = {
        .file = file, .directory = directory, .findings = findings, .open = open};
    int error = config_default(&reading.config);
    if (error != BASE_OK)
        return error;
    error = read_text(&reading, data, length);
    base_findings_sort(findings);
    if (error != BASE_OK) {
        config_free(reading.config);
        return error;
    }
    *out = reading.config;
    return BASE_OK;
}

/* The absolute directory of a file; to be freed. */
static char *directory_of(const char *path)
{
    char *copy = strdup(path);
    char *result = copy != NULL ? realpath(dirname(copy), NULL) : NULL;
    free(copy);
    return result;
}

static int unreadable(const char *path, struct base_findings *findings)
{
    struct base_place place = {.file = path};
    int error = errno == ENOENT ? BASE_ENOENT : BASE_EREFUSED;
    base_findings_add(findings, FILE_UNREADABLE, &place, "the settings cannot be read: %s",
                      strerror(errno));
    return error;
}

int config_read(const char *path, struct base_findings *findings, struct config **out)
{
    struct base_place place = {.file = path};
    struct stat file;
    uint8_t *data;
    size_t length;
    if (stat(path, &file) != 0)
        return unreadable(path, findings);
    int error = base_file_read(path, FILE_SIZE_MAX, &data, &length);
    if (error == BASE_EIO)
        return unreadable(path, findings);
    if (error == BASE_ELIMIT) {
        base_findings_add(findings, CONFIG_INVALID, &place,
                          "the file is larger than %d octets; these are not settings",
                          FILE_SIZE_MAX);
        return BASE_EREFUSED;
    }
    if (error != BASE_OK)
        return error;
    char *directory = directory_of(path);
    error = directory == NULL
                ? BASE_ENOMEM
                : config_read_memory(path, directory, (file.st_mode & (S_IROTH | S_IWOTH)) != 0,
                                     data, length, findings, out);
    explicit_bzero(data, length);
    free(directory);
    free(data);
    return error;
}
