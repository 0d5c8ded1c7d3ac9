/* Settings that others refer to by name: keys, remotes, access lists, policies. */
#include "base/codec.h"
#include "base/error.h"
#include "base/file.h"
#include "config/read.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* True for a map of named things; an empty value holds none. Others: false, `*good` says whether
 * that is right. */
static bool is_named(const struct base_yaml *node, bool *good)
{
    *good = node->kind == BASE_YAML_MAP || config_is_none(node);
    return node->kind == BASE_YAML_MAP;
}

/*
 * keys
 */

#define SECRET_FILE_MAX 4096
#define SECRET_MAX      512
#define SECRET_SHORT    16 /* octets; fewer can be guessed sooner than the MAC */

struct key_reading {
    struct dns_tsig_key *key;
    struct config_secret *from;
};

static bool read_algorithm(struct config_reading *reading, const struct base_yaml *node,
                           void *target)
{
    struct key_reading *key = target;
    if (node->kind != BASE_YAML_SCALAR ||
        dns_tsig_algorithm_from_text(node->text, &key->key->algorithm) != BASE_OK)
        return false;
    if (key->key->algorithm == DNS_TSIG_HMAC_SHA1)
        config_refuse(reading, CONFIG_ADVICE, node,
                      "hmac-sha1 is there for old servers only; use hmac-sha256");
    return true;
}

/* Base64 to the key's secret; spaces at the end do not count. */
static bool take_secret(struct config_reading *reading, struct key_reading *key, const char *text,
                        size_t length)
{
    uint8_t secret[SECRET_MAX];
    size_t octets = 0;
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        length--;
    bool good =
        base_base64_decode(secret, sizeof(secret), &octets, text, length) == BASE_OK && octets > 0;
    uint8_t *kept = good ? config_alloc(reading, octets) : NULL;
    if (kept != NULL) {
        memcpy(kept, secret, octets);
        key->key->secret = kept;
        key->key->secret_length = octets;
    }
    explicit_bzero(secret, sizeof(secret));
    return good;
}

static bool read_secret(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    struct key_reading *key = target;
    if (node->kind != BASE_YAML_SCALAR ||
        !take_secret(reading, key, node->text, strlen(node->text))) {
        /* Said here: the value is not for findings. */
        bool printed = node->kind == BASE_YAML_SCALAR && strcmp(node->text, "(hidden)") == 0;
        if (printed) {
            config_refuse(reading, CONFIG_INVALID, node,
                          "secret: settings were printed without it; put it here again");
            return true;
        }
        config_refuse(reading, CONFIG_INVALID, node, "secret: this is not base64 of 1 to %d octets",
                      SECRET_MAX);
        return true;
    }
    key->from->line = node->line;
    if (reading->open)
        config_refuse(reading, CONFIG_SECRET_OPEN, node,
                      "every user of this machine may read or write this file, which holds a "
                      "secret; run: chmod o= %s",
                      reading->file);
    return true;
}

static bool read_secret_file(struct config_reading *reading, const struct base_yaml *node,
                             void *target)
{
    struct key_reading *key = target;
    uint8_t *data;
    size_t length;
    if (!config_path(reading, node, &key->from->file) || key->from->file == NULL)
        return false;
    if (!config_check_secret_file(reading, node, key->from->file))
        return true;
    int error = base_file_read(key->from->file, SECRET_FILE_MAX, &data, &length);
    if (error != BASE_OK) {
        config_refuse(reading, FILE_UNREADABLE, node, "%s: %s", key->from->file,
                      base_strerror(error));
        return true;
    }
    if (!take_secret(reading, key, (const char *)data, length))
        config_refuse(reading, CONFIG_INVALID, node,
                      "%s does not hold a secret: base64 of 1 to %d octets, and nothing else",
                      key->from->file, SECRET_MAX);
    explicit_bzero(data, length);
    free(data);
    return true;
}

static const struct config_setting key_settings[] = {
    {"algorithm", read_algorithm,
     "hmac-sha256, hmac-sha384, hmac-sha512, hmac-sha224 or hmac-sha1"},
    {"secret", read_secret, "base64"},
    {"secret-file", read_secret_file, "a path"},
};
const struct config_section config_section_key = CONFIG_SECTION("keys", key_settings);

static void read_key(struct config_reading *reading, const struct base_yaml *node,
                     struct dns_tsig_key *keys, struct config_secret *secrets)
{
    struct config *config = reading->config;
    struct key_reading key = {&keys[config->key_count], &secrets[config->key_count]};
    uint8_t name[DNS_NAME_MAX];
    key.key->algorithm = DNS_TSIG_HMAC_SHA256;
    if (!config_name(node->key, name)) {
        config_refuse_key(reading, CONFIG_INVALID, node,
                          "\"%.64s\" cannot be the name of a key, which is a domain name",
                          node->key);
        return;
    }
    if (config_key_find(config, name) != NULL) {
        config_refuse_key(reading, CONFIG_CONFLICT, node, "there is a key \"%.64s\" already",
                          node->key);
        return;
    }
    size_t before = reading->findings->totals[BASE_ERROR];
    config_read_section(reading, node, &config_section_key, &key);
    if (base_yaml_get(node, "secret") != NULL && base_yaml_get(node, "secret-file") != NULL)
        config_refuse_key(reading, CONFIG_CONFLICT, node,
                          "key \"%.64s\" has both a secret and a secret-file", node->key);
    else if (key.key->secret == NULL && reading->findings->totals[BASE_ERROR] == before)
        config_refuse_key(reading, CONFIG_INVALID, node,
                          "key \"%.64s\" needs a secret or a secret-file", node->key);
    else if (key.key->secret != NULL && key.key->secret_length < SECRET_SHORT)
        config_refuse_key(reading, CONFIG_ADVICE, node,
                          "the secret of key \"%.64s\" has only %zu octets; make one of 32",
                          node->key, key.key->secret_length);
    uint8_t *kept = config_alloc(reading, dns_name_length(name));
    if (kept != NULL) {
        memcpy(kept, name, dns_name_length(name));
        key.key->name = kept;
        config->key_count++;
    } else if (key.key->secret != NULL) {
        explicit_bzero((void *)key.key->secret, key.key->secret_length);
    }
}

bool config_read_keys(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    bool good;
    struct config *config = target;
    if (!is_named(node, &good))
        return good;
    struct dns_tsig_key *keys = config_alloc(reading, node->count * sizeof(*keys));
    struct config_secret *secrets = config_alloc(reading, node->count * sizeof(*secrets));
    if (keys == NULL || secrets == NULL)
        return true;
    config->keys = keys;
    config->secrets = secrets;
    for (const struct base_yaml *key = node->first; key != NULL; key = key->next)
        read_key(reading, key, keys, secrets);
    return true;
}

const struct dns_tsig_key *config_refer_key(struct config_reading *reading,
                                            const struct base_yaml *node)
{
    uint8_t name[DNS_NAME_MAX];
    char text[DNS_NAME_TEXT];
    const struct config *config = reading->config;
    const struct dns_tsig_key *key = NULL;
    const char *near = NULL;
    if (node->kind == BASE_YAML_SCALAR && config_name(node->text, name))
        key = config_key_find(config, name);
    if (key != NULL)
        return key;
    char nearest[DNS_NAME_TEXT] = "";
    for (size_t i = 0; i < config->key_count && node->kind == BASE_YAML_SCALAR; i++) {
        dns_name_text(text, config->keys[i].name);
        size_t length = strlen(text);
        if (length > 1)
            text[length - 1] = '\0'; /* as it is written here: without the final dot */
        if (config_nearer(node->text, text, near) == text) {
            memcpy(nearest, text, sizeof(nearest));
            near = nearest;
        }
    }
    config_unknown(reading, node, "key", near);
    return NULL;
}

/*
 * remotes
 */

static bool read_addresses(struct config_reading *reading, const struct base_yaml *node,
                           void *target)
{
    struct config_remote *remote = target;
    size_t most = node->kind == BASE_YAML_LIST ? node->count : 1;
    union net_address *all = config_alloc(reading, most * sizeof(*all));
    remote->addresses = all;
    remote->address_count = 0;
    for (const struct base_yaml *item = config_items(node); item != NULL && all != NULL;
         item = config_next(node, item)) {
        /* The port is set when all of the remote is known. */
        if (item->kind != BASE_YAML_SCALAR ||
            net_address_parse(item->text, 0, &all[remote->address_count]) != BASE_OK)
            return false;
        remote->address_count++;
    }
    return true;
}

static bool read_remote_key(struct config_reading *reading, const struct base_yaml *node,
                            void *target)
{
    ((struct config_remote *)target)->key =
        config_is_none(node) ? NULL : config_refer_key(reading, node);
    return true;
}

static bool read_remote_tls(struct config_reading *reading, const struct base_yaml *node,
                            void *target)
{
    return config_bool(node, &((struct config_remote *)target)->tls);
}

static bool read_certificate_name(struct config_reading *reading, const struct base_yaml *node,
                                  void *target)
{
    uint8_t name[DNS_NAME_MAX];
    return node->kind == BASE_YAML_SCALAR &&
           (config_is_none(node) || config_name(node->text, name)) &&
           config_text_or_none(reading, node, &((struct config_remote *)target)->tls_name);
}

static bool read_ca_file(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    return config_path_or_none(reading, node, &((struct config_remote *)target)->tls_ca);
}

static const struct config_setting remote_settings[] = {
    {"addresses", read_addresses, "a list of addresses such as 192.0.2.1 or [2001:db8::1]@5300"},
    {"key", read_remote_key, "the name of a key, or none"},
    {"tls", read_remote_tls, "true or false"},
    {"certificate-name", read_certificate_name, "a domain name, or none"},
    {"ca-file", read_ca_file, "a path, or none"},
};
const struct config_section config_section_remote = CONFIG_SECTION("remotes", remote_settings);

static void read_remote(struct config_reading *reading, const struct base_yaml *node,
                        struct config_remote *remote)
{
    if (!config_check_name(reading, node, "a remote"))
        return;
    remote->name = config_keep(reading, node->key);
    if (node->kind == BASE_YAML_MAP || config_is_none(node))
        config_read_section(reading, node, &config_section_remote, remote);
    else if (!read_addresses(reading, node, remote))
        config_refuse(reading, CONFIG_INVALID, node, "%s: this is not %s, nor settings", node->key,
                      remote_settings[0].form);
    if (!remote->tls && (remote->tls_name != NULL || remote->tls_ca != NULL))
        config_refuse_key(reading, CONFIG_CONFLICT, node,
                          "remote \"%.64s\" names a certificate or its authority, but is not "
                          "asked over TLS; add: tls: true",
                          node->key);
    for (size_t i = 0; i < remote->address_count; i++) {
        union net_address *address = (union net_address *)&remote->addresses[i];
        if (net_address_port(address) == 0)
            net_address_set_port(address, remote->tls ? 853 : 53);
    }
    if (remote->name != NULL)
        reading->config->remote_count++;
}

bool config_read_remotes(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    bool good;
    struct config *config = target;
    if (!is_named(node, &good))
        return good;
    struct config_remote *remotes = config_alloc(reading, node->count * sizeof(*remotes));
    if (remotes == NULL)
        return true;
    config->remotes = remotes;
    for (const struct base_yaml *remote = node->first; remote != NULL; remote = remote->next)
        read_remote(reading, remote, &remotes[config->remote_count]);
    return true;
}

static void add_remote(struct config_reading *reading, const struct base_yaml *item,
                       struct config_remote_list *list, const struct config_remote **room)
{
    const struct config *config = reading->config;
    const char *near = NULL;
    const struct config_remote *remote =
        item->kind == BASE_YAML_SCALAR ? config_remote_find(config, item->text) : NULL;
    if (remote == NULL) {
        for (size_t i = 0; i < config->remote_count && item->kind == BASE_YAML_SCALAR; i++)
            near = config_nearer(item->text, config->remotes[i].name, near);
        config_unknown(reading, item, "remote", near);
        return;
    }
    if (remote->address_count == 0) {
        config_refuse(reading, CONFIG_CONFLICT, item,
                      "remote \"%s\" has no address, so it can neither be asked nor told",
                      remote->name);
        return;
    }
    for (size_t i = 0; i < list->count; i++) {
        if (room[i] == remote) {
            config_refuse(reading, CONFIG_CONFLICT, item, "remote \"%s\" is here twice",
                          remote->name);
            return;
        }
    }
    room[list->count++] = remote;
}

bool config_read_remote_list(struct config_reading *reading, const struct base_yaml *node,
                             struct config_remote_list *out)
{
    if (node->kind == BASE_YAML_MAP)
        return false;
    size_t most = node->kind == BASE_YAML_LIST ? node->count : 1;
    const struct config_remote **room =
        config_alloc(reading, most * sizeof(struct config_remote *));
    struct config_remote_list list = {.items = room};
    for (const struct base_yaml *item = config_items(node); item != NULL && room != NULL;
         item = config_next(node, item))
        add_remote(reading, item, &list, room);
    *out = list;
    return true;
}

/*
 * acls
 */

static bool read_network(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    struct config_match *match = target, network;
    if (node->kind != BASE_YAML_SCALAR || config_network_parse(node->text, &network) != BASE_OK)
        return false;
    match->family = network.family;
    match->bits = network.bits;
    match->prefix = network.prefix;
    return true;
}

static bool read_match_key(struct config_reading *reading, const struct base_yaml *node,
                           void *target)
{
    ((struct config_match *)target)->key = config_refer_key(reading, node);
    return true;
}

static bool read_match_certificate(struct config_reading *reading, const struct base_yaml *node,
                                   void *target)
{
    uint8_t name[DNS_NAME_MAX];
    if (node->kind != BASE_YAML_SCALAR || !config_name(node->text, name))
        return false;
    if (reading->certificate == NULL)
        reading->certificate = node;
    return config_text(reading, node, &((struct config_match *)target)->identity);
}

static const struct config_setting match_settings[] = {
    {"network", read_network, "a network such as 192.0.2.0/24 or 2001:db8::/32, or any"},
    {"key", read_match_key, "the name of a key"},
    {"certificate", read_match_certificate, "the domain name of a client's certificate"},
};
const struct config_section config_section_match = CONFIG_SECTION("acls", match_settings);

static void add_match(struct config_reading *reading, struct config_acl *acl,
                      const struct config_match *match)
{
    struct config_match *all = config_append(reading, acl->matches, acl->count, sizeof(*match));
    if (all == NULL)
        return;
    all[acl->count++] = *match;
    acl->matches = all;
}

/* A remote: each of its addresses, with its key. Without an address, whoever has its key. */
static void add_remote_matches(struct config_reading *reading, const struct base_yaml *item,
                               struct config_acl *acl, const struct config_remote *remote)
{
    for (size_t i = 0; i < remote->address_count; i++) {
        const union net_address *address = &remote->addresses[i];
        unsigned bits = address->any.sa_family == AF_INET ? 32 : 128;
        add_match(reading, acl,
                  &(struct config_match){.family = address->any.sa_family,
                                         .bits = bits,
                                         .prefix = net_address_prefix(address, bits, bits),
                                         .key = remote->key});
    }
    if (remote->address_count == 0 && remote->key != NULL)
        add_match(reading, acl, &(struct config_match){.key = remote->key});
    else if (remote->address_count == 0)
        config_refuse(reading, CONFIG_CONFLICT, item,
                      "remote \"%s\" has neither address nor key: nobody can be known by it",
                      remote->name);
}

static void add_by_name(struct config_reading *reading, const struct base_yaml *item,
                        struct config_acl *acl)
{
    const struct config *config = reading->config;
    const char *near = NULL;
    struct config_match match = {0};
    if (read_network(reading, item, &match)) {
        add_match(reading, acl, &match);
        return;
    }
    for (size_t i = 0; i < reading->acl_count; i++) {
        const struct config_named_acl *named = &reading->acls[i];
        if (strcmp(named->name, item->text) == 0) {
            for (size_t m = 0; m < named->acl.count; m++)
                add_match(reading, acl, &named->acl.matches[m]);
            return;
        }
        near = config_nearer(item->text, named->name, near);
    }
    const struct config_remote *remote = config_remote_find(config, item->text);
    if (remote != NULL) {
        add_remote_matches(reading, item, acl, remote);
        return;
    }
    for (size_t i = 0; i < config->remote_count; i++)
        near = config_nearer(item->text, config->remotes[i].name, near);
    if (strpbrk(item->text, "/:") != NULL)
        config_refuse(reading, CONFIG_INVALID, item,
                      "\"%.64s\" is not a network: such are 192.0.2.0/24 and 2001:db8::/32, with "
                      "nothing but zeros behind the prefix",
                      item->text);
    else
        config_unknown(reading, item, "network, access list (above here) or remote", near);
}

bool config_read_acl(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    struct config_acl acl = {0};
    for (const struct base_yaml *item = config_items(node); item != NULL;
         item = config_next(node, item)) {
        if (item->kind == BASE_YAML_LIST)
            return false;
        if (item->kind == BASE_YAML_SCALAR) {
            add_by_name(reading, item, &acl);
            continue;
        }
        struct config_match match = {0};
        if (item->count == 0) {
            config_refuse(reading, CONFIG_INVALID, item,
                          "say network, key or certificate; for everybody: any");
            continue;
        }
        config_read_section(reading, item, &config_section_match, &match);
        add_match(reading, &acl, &match);
    }
    *(struct config_acl *)target = acl;
    return true;
}

bool config_read_acls(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    bool good;
    if (!is_named(node, &good))
        return good;
    reading->acls = config_alloc(reading, node->count * sizeof(*reading->acls));
    for (const struct base_yaml *item = node->first; item != NULL && reading->acls != NULL;
         item = item->next) {
        struct config_named_acl *named = &reading->acls[reading->acl_count];
        if (!config_check_name(reading, item, "an access list"))
            continue;
        if (config_remote_find(reading->config, item->key) != NULL)
            config_refuse_key(reading, CONFIG_CONFLICT, item,
                              "\"%.64s\" is the name of a remote already", item->key);
        if (!config_read_acl(reading, item, &named->acl))
            config_refuse(reading, CONFIG_INVALID, item, "%s: this is not a list of networks",
                          item->key);
        named->name = config_keep(reading, item->key);
        if (named->name == NULL)
            return true;
        reading->acl_count++;
    }
    return true;
}

/*
 * policies
 */

struct policy_reading {
    struct config_policy *policy;
    struct base_yaml part; /* those of its sections that are of signing */
    struct base_yaml *last;
};

static bool read_policy_file(struct config_reading *reading, const struct base_yaml *node,
                             void *target)
{
    return node->kind == BASE_YAML_SCALAR; /* read before the others */
}

static bool read_sign(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    return config_bool(node, &((struct policy_reading *)target)->policy->signs);
}

static bool read_history_size(struct config_reading *reading, const struct base_yaml *node,
                              void *target)
{
    return config_size(node, &((struct config_policy *)target)->history_bytes);
}

static bool read_history_versions(struct config_reading *reading, const struct base_yaml *node,
                                  void *target)
{
    unsigned versions;
    if (!config_number(node, 0, 1000000, &versions))
        return false;
    ((struct config_policy *)target)->history_versions = versions;
    return true;
}

static const struct config_setting history_settings[] = {
    {"size", read_history_size, "a number of octets such as 8M, 512K or 0"},
    {"versions", read_history_versions, "a number from 0 to 1000000"},
};
const struct config_section config_section_history = CONFIG_SECTION("history", history_settings);

static bool read_history(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    config_read_section(reading, node, &config_section_history,
                        ((struct policy_reading *)target)->policy);
    return true;
}

/* Puts a section aside for the reader of policies. */
static bool put_aside(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    struct policy_reading *policy = target;
    struct base_yaml *copy = config_alloc(reading, sizeof(*copy));
    if (copy == NULL)
        return true;
    *copy = *node;
    copy->next = NULL;
    if (policy->last != NULL)
        policy->last->next = copy;
    else
        policy->part.first = copy;
    policy->last = copy;
    policy->part.count++;
    return true;
}

static const struct config_setting policy_settings[] = {
    {"file", read_policy_file, "a path"},
    {"sign", read_sign, "true or false"},
    {"history", read_history, ""},
    {"signatures", put_aside, ""},
    {"keys", put_aside, ""},
    {"denial", put_aside, ""},
    {"apex", put_aside, ""},
};
const struct config_section config_section_policy = CONFIG_SECTION("policies", policy_settings);

static void take_file(struct config_reading *reading, const struct base_yaml *node,
                      struct config_policy *policy)
{
    const char *path = NULL;
    const struct base_yaml *file = base_yaml_get(node, "file");
    if (file == NULL || !config_path(reading, file, &path) || path == NULL)
        return;
    int error = sign_policy_read(path, reading->findings, &policy->sign);
    if (error == BASE_ENOMEM)
        reading->out_of_memory = true;
    else if (error != BASE_OK)
        reading->bad = true;
}

static void read_policy(struct config_reading *reading, const struct base_yaml *node,
                        struct config_policy *policy)
{
    struct policy_reading target = {
        .policy = policy,
        .part = {.kind = BASE_YAML_MAP, .line = node->line, .column = node->column}};
    if (node->kind != BASE_YAML_MAP && !config_is_none(node)) {
        config_refuse(reading, CONFIG_INVALID, node,
                      "%s: a policy consists of settings, see "
                      "docs/policy.md; for those of a file: {file: PATH}",
                      node->key);
        return;
    }
    take_file(reading, node, policy);
    config_read_section(reading, node, &config_section_policy, &target);
    if (target.part.count > 0 && sign_policy_read_part(reading->file, &target.part,
                                                       reading->findings, &policy->sign) != BASE_OK)
        reading->bad = true;
}

bool config_read_policies(struct config_reading *reading, const struct base_yaml *node,
                          void *target)
{
    bool good;
    struct config *config = target;
    if (!is_named(node, &good))
        return good;
    struct config_policy *policies = config_alloc(reading, (node->count + 1) * sizeof(*policies));
    if (policies == NULL)
        return true;
    policies[0] = config->policies[0];
    config->policies = policies;
    config->standard.policy = policies;
    for (const struct base_yaml *item = node->first; item != NULL; item = item->next) {
        struct config_policy *policy = policies;
        if (!config_check_name(reading, item, "a policy"))
            continue;
        if (strcmp(item->key, policies[0].name) != 0) {
            const char *name = config_keep(reading, item->key);
            if (name == NULL)
                return true;
            policy = &policies[config->policy_count++];
            config_policy_default(policy, name);
        }
        read_policy(reading, item, policy);
    }
    return true;
}
