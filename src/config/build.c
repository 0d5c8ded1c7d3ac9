/* Settings at their defaults, settings from a command line, and the end of both: see config.h. */
#include "base/error.h"
#include "config/config.h"

#include "net/server.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HISTORY_BYTES    (8 << 20)
#define HISTORY_VERSIONS 100
#define METRICS_PORT     9353

void config_policy_default(struct config_policy *policy, const char *name)
{
    *policy = (struct config_policy){.name = name,
                                     .signs = true,
                                     .history_bytes = HISTORY_BYTES,
                                     .history_versions = HISTORY_VERSIONS};
    sign_policy_default(&policy->sign);
}

int config_default(struct config **out)
{
    struct config *config = calloc(1, sizeof(*config));
    if (config == NULL)
        return BASE_ENOMEM;
    base_arena_init(&config->arena, 0);
    struct config_policy *policy = base_arena_zalloc(&config->arena, sizeof(*policy));
    if (policy == NULL) {
        config_free(config);
        return BASE_ENOMEM;
    }
    config_policy_default(policy, "default");
    config->policies = policy;
    config->policy_count = 1;
    config->standard.policy = policy;
    config_policy_default(&config->unsigned_policy, "unsigned");
    config->unsigned_policy.signs = false;
    config->data = CONFIG_DATA;
    config->log = (struct base_log){.least = BASE_LOG_INFO, .fd = STDERR_FILENO};
    config->limit = true;
    config->rate = (struct net_rate_options)NET_RATE_DEFAULT;
    config->connections = ((struct net_limits)NET_LIMITS_DEFAULT).connections;
    config->hot_answers = 64;
    config->transfer_size = (size_t)4 << 30;
    config->socket_mode = 0660;
    *out = config;
    return BASE_OK;
}

void config_free(struct config *config)
{
    if (config == NULL)
        return;
    for (size_t i = 0; i < config->key_count; i++)
        if (config->keys[i].secret != NULL)
            explicit_bzero((void *)config->keys[i].secret, config->keys[i].secret_length);
    base_arena_free(&config->arena);
    free(config);
}

/* A copy of an array with room for one more, in the arena; NULL: out of memory. */
static void *grown(struct config *config, const void *items, size_t count, size_t size)
{
    void *copy = base_arena_alloc(&config->arena, (count + 1) * size);
    if (copy != NULL && count > 0)
        memcpy(copy, items, count * size);
    return copy;
}

int config_add_listen(struct config *config, const char *address)
{
    struct config_listen listen = {.protocols = NET_LISTEN_UDP | NET_LISTEN_TCP};
    if (net_address_parse(address, 53, &listen.address) != BASE_OK)
        return BASE_EFORMAT;
    for (size_t i = 0; i < config->listen_count; i++)
        if (net_address_equal(&config->listen[i].address, &listen.address))
            return BASE_EEXIST;
    struct config_listen *all = grown(config, config->listen, config->listen_count, sizeof(listen));
    if (all == NULL)
        return BASE_ENOMEM;
    all[config->listen_count++] = listen;
    config->listen = all;
    return BASE_OK;
}

int config_set_metrics(struct config *config, const char *address)
{
    union net_address parsed;
    if (net_address_parse(address, METRICS_PORT, &parsed) != BASE_OK)
        return BASE_EFORMAT;
    union net_address *metrics = base_arena_alloc(&config->arena, sizeof(*metrics));
    if (metrics == NULL)
        return BASE_ENOMEM;
    *metrics = parsed;
    config->metrics = metrics;
    return BASE_OK;
}

int config_add_directory(struct config *config, const char *path)
{
    for (size_t i = 0; i < config->directory_count; i++)
        if (strcmp(config->directories[i].path, path) == 0)
            return BASE_EEXIST;
    struct config_directory directory = {
        .path = base_arena_strndup(&config->arena, path, strlen(path)), .as = config->standard};
    struct config_directory *all =
        grown(config, config->directories, config->directory_count, sizeof(directory));
    if (directory.path == NULL || all == NULL)
        return BASE_ENOMEM;
    all[config->directory_count++] = directory;
    config->directories = all;
    return BASE_OK;
}

int config_allow_transfer(struct config *config, const char *network)
{
    struct config_acl *acl = &config->standard.transfer;
    struct config_match match;
    if (config_network_parse(network, &match) != BASE_OK)
        return BASE_EFORMAT;
    struct config_match *all = grown(config, acl->matches, acl->count, sizeof(match));
    struct config_directory *directories =
        grown(config, config->directories, config->directory_count, sizeof(*directories));
    if (all == NULL || directories == NULL)
        return BASE_ENOMEM;
    all[acl->count] = match;
    *acl = (struct config_acl){.matches = all, .count = acl->count + 1};
    for (size_t i = 0; i < config->directory_count; i++)
        directories[i].as.transfer = *acl;
    config->directories = directories;
    return BASE_OK;
}

int config_set_policy(struct config *config, const char *path, struct base_findings *findings)
{
    struct sign_policy policy;
    int error = sign_policy_read(path, findings, &policy);
    if (error != BASE_OK)
        return error;
    /* In its place: templates point to it. It is ours, in the arena. */
    ((struct config_policy *)config->policies)->sign = policy;
    return BASE_OK;
}

const struct config_policy *config_policy_find(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->policy_count; i++)
        if (strcmp(config->policies[i].name, name) == 0)
            return &config->policies[i];
    return NULL;
}

const struct config_remote *config_remote_find(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->remote_count; i++)
        if (strcmp(config->remotes[i].name, name) == 0)
            return &config->remotes[i];
    return NULL;
}

const struct dns_tsig_key *config_key_find(const struct config *config, const uint8_t *name)
{
    for (size_t i = 0; i < config->key_count; i++)
        if (dns_name_equal(config->keys[i].name, name))
            return &config->keys[i];
    return NULL;
}

const struct config_zone *config_zone_find(const struct config *config, const uint8_t *name)
{
    size_t low = 0, high = config->zone_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = dns_name_compare(config->zones[middle].name, name);
        if (order == 0)
            return &config->zones[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
