/*
 * Settings as they are in effect, as YAML: each with its value, whether it was given or not; access
 * lists and policies spelled out. Secrets are never told: of a file its path, else the line that
 * has it.
 */
#include "base/buf.h"
#include "base/error.h"
#include "config/config.h"
#include "dns/rdata.h"
#include "net/server.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRINT_MAX (64 * 1024 * 1024)

/*
 * Values
 */

/* In double quotes, unless it is of harmless characters. */
static void put_text(struct base_buf *buf, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "/._-@+";
    size_t length = strlen(text);
    if (length > 0 && strspn(text, plain) == length && strchr("-@", text[0]) == NULL) {
        base_buf_text(buf, text);
        return;
    }
    base_buf_u8(buf, '"');
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\')
            base_buf_u8(buf, '\\');
        if ((uint8_t)*at < 0x20 || *at == 0x7f)
            base_buf_printf(buf, "\\x%02x", (uint8_t)*at);
        else
            base_buf_u8(buf, (uint8_t)*at);
    }
    base_buf_u8(buf, '"');
}

/* A line with a text; NULL: none. */
static void put_line(struct base_buf *buf, const char *lead, const char *text)
{
    base_buf_text(buf, lead);
    put_text(buf, text != NULL ? text : "none");
    base_buf_u8(buf, '\n');
}

/* Without final dot, but for the root. */
static void put_name(struct base_buf *buf, const uint8_t *name)
{
    char text[DNS_NAME_TEXT];
    size_t length = dns_name_to_text(text, name);
    text[length > 1 ? length - 1 : length] = '\0';
    put_text(buf, text);
}

static void put_duration(struct base_buf *buf, uint32_t seconds)
{
    static const struct {
        uint32_t seconds;
        char unit;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    for (size_t i = 0; i < 4; i++) {
        if (seconds % units[i].seconds == 0) {
            base_buf_printf(buf, "%u%c", seconds / units[i].seconds, units[i].unit);
            return;
        }
    }
}

static void put_address(struct base_buf *buf, const union net_address *address)
{
    char text[NET_ADDRESS_TEXT];
    net_address_text(address, text);
    put_text(buf, text);
}

static const char *truth(bool value)
{
    return value ? "true" : "false";
}

/*
 * Clients
 */

static void put_network(struct base_buf *buf, const struct config_match *match)
{
    char text[INET6_ADDRSTRLEN];
    uint8_t octets[16];
    const struct net_prefix *prefix = &match->prefix;
    if (match->family == AF_UNSPEC) {
        base_buf_text(buf, "any");
        return;
    }
    for (size_t i = 0; i < 8; i++) {
        octets[i] = (uint8_t)(prefix->high >> (56 - 8 * i));
        octets[8 + i] = (uint8_t)(prefix->low >> (56 - 8 * i));
    }
    /* Of IPv4 as its mapped address: the last four octets. */
    inet_ntop(match->family, match->family == AF_INET ? octets + 12 : octets, text, sizeof(text));
    base_buf_printf(buf, "\"%s/%u\"", text, match->bits);
}

static void put_who(struct base_buf *buf, const struct config_match *match)
{
    base_buf_text(buf, "network: ");
    put_network(buf, match);
    if (match->key != NULL) {
        base_buf_text(buf, ", key: ");
        put_name(buf, match->key->name);
    }
    if (match->identity != NULL) {
        base_buf_text(buf, ", certificate: ");
        put_text(buf, match->identity);
    }
}

static void put_acl(struct base_buf *buf, const struct config_acl *acl)
{
    base_buf_u8(buf, '[');
    for (size_t i = 0; i < acl->count; i++) {
        base_buf_text(buf, i > 0 ? ", {" : "{");
        put_who(buf, &acl->matches[i]);
        base_buf_u8(buf, '}');
    }
    base_buf_text(buf, "]\n");
}

static void put_remotes(struct base_buf *buf, const struct config_remote *const *remotes,
                        size_t count)
{
    base_buf_u8(buf, '[');
    for (size_t i = 0; i < count; i++) {
        base_buf_text(buf, i > 0 ? ", " : "");
        put_text(buf, remotes[i]->name);
    }
    base_buf_text(buf, "]\n");
}

static void put_rule(struct base_buf *buf, const struct config_update_rule *rule)
{
    char text[DNS_TYPE_TEXT];
    base_buf_u8(buf, '{');
    put_who(buf, &rule->who);
    if (rule->scope != CONFIG_SCOPE_ZONE) {
        base_buf_text(buf, rule->scope == CONFIG_SCOPE_NAME ? ", name: " : ", below: ");
        put_name(buf, rule->name);
    }
    if (rule->type_count > 0) {
        base_buf_text(buf, ", types: [");
        for (size_t i = 0; i < rule->type_count; i++)
            base_buf_printf(buf, "%s%s", i > 0 ? ", " : "", dns_type_text(text, rule->types[i]));
        base_buf_u8(buf, ']');
    }
    base_buf_printf(buf, "%s}", rule->grant ? "" : ", deny: true");
}

static void put_policy(struct base_buf *buf, const char *indent, const struct config_template *as)
{
    base_buf_printf(buf, "%spolicy: ", indent);
    put_text(buf, as->policy->name);
    base_buf_u8(buf, '\n');
}

/* What a template has but for its policy. */
static void put_rest(struct base_buf *buf, const char *indent, const struct config_template *as)
{
    base_buf_printf(buf, "%stransfer: ", indent);
    put_acl(buf, &as->transfer);
    base_buf_printf(buf, "%snotify: ", indent);
    put_remotes(buf, as->notify, as->notify_count);
    if (as->update_count == 0)
        return;
    base_buf_printf(buf, "%supdate:\n", indent);
    for (size_t i = 0; i < as->update_count; i++) {
        base_buf_printf(buf, "%s  - ", indent);
        put_rule(buf, &as->update[i]);
        base_buf_u8(buf, '\n');
    }
}

static void put_template(struct base_buf *buf, const char *indent, const struct config_template *as)
{
    put_policy(buf, indent, as);
    put_rest(buf, indent, as);
}

/*
 * Sections
 */

static void put_listen(struct base_buf *buf, const struct config *config)
{
    base_buf_text(buf, config->listen_count > 0 ? "listen:\n" : "listen: []\n");
    for (size_t i = 0; i < config->listen_count; i++) {
        const struct config_listen *listen = &config->listen[i];
        const char *separator = "";
        static const char *const words[] = {"udp", "tcp", "tls"};
        base_buf_text(buf, "  - address: ");
        put_address(buf, &listen->address);
        base_buf_text(buf, "\n    protocols: [");
        for (unsigned word = 0; word < 3; word++) {
            if ((listen->protocols & 1u << word) == 0)
                continue;
            base_buf_printf(buf, "%s%s", separator, words[word]);
            separator = ", ";
        }
        base_buf_text(buf, "]\n");
    }
}

static void put_server(struct base_buf *buf, const struct config *config)
{
    put_line(buf, "tls:\n  certificate: ", config->tls_certificate);
    put_line(buf, "  key: ", config->tls_key);
    put_line(buf, "server:\n  version: ", config->version);
    put_line(buf, "  identity: ", config->identity);
    base_buf_text(buf, "  nsid: ");
    if (config->nsid == NULL) {
        base_buf_text(buf, "none\n");
    } else {
        base_buf_text(buf, "0x");
        for (size_t i = 0; i < config->nsid_length; i++)
            base_buf_printf(buf, "%02x", config->nsid[i]);
        base_buf_u8(buf, '\n');
    }
    put_line(buf, "  cookie-secret-file: ", config->cookie_secret);
}

static void put_limits(struct base_buf *buf, const struct config *config)
{
    const struct net_rate_options *rate = &config->rate;
    base_buf_printf(buf, "rate-limit:\n  enabled: %s\n  answers: %u\n  referrals: %u\n",
                    truth(config->limit), rate->per_second[NET_KIND_ANSWER],
                    rate->per_second[NET_KIND_REFERRAL]);
    base_buf_printf(buf, "  nodata: %u\n  nxdomain: %u\n  errors: %u\n",
                    rate->per_second[NET_KIND_NODATA], rate->per_second[NET_KIND_NXDOMAIN],
                    rate->per_second[NET_KIND_ERROR]);
    base_buf_printf(buf, "  burst: %u\n  slip: %u\n  ipv4-prefix: %u\n  ipv6-prefix: %u\n",
                    rate->burst, rate->slip, rate->v4, rate->v6);
    base_buf_printf(buf, "  table-size: %zu\n  exempt: ", rate->buckets);
    put_acl(buf, &config->exempt);
    base_buf_printf(buf, "limits:\n  connections: %u\n  hot-answers: %u\n  transfer-size: %zu\n",
                    config->connections, config->hot_answers, config->transfer_size);
}

static void put_api(struct base_buf *buf, const struct config *config)
{
    base_buf_text(buf, "api:\n  socket: ");
    if (config->socket != NULL) {
        put_text(buf, config->socket);
        base_buf_u8(buf, '\n');
    } else {
        char *path = NULL;
        if (asprintf(&path, "%s/kenter.sock", config->data) < 0) {
            buf->error = BASE_ENOMEM;
            return;
        }
        put_line(buf, "", path);
        free(path);
    }
    base_buf_printf(buf, "  mode: \"%04o\"\n", config->socket_mode);
    put_line(buf, "  group: ", config->socket_group);
    base_buf_text(buf, "  metrics: ");
    if (config->metrics != NULL)
        put_address(buf, config->metrics);
    else
        base_buf_text(buf, "none");
    base_buf_u8(buf, '\n');
}

static void put_keys(struct base_buf *buf, const struct config *config)
{
    static const char *const algorithms[] = {"hmac-sha1", "hmac-sha224", "hmac-sha256",
                                             "hmac-sha384", "hmac-sha512"};
    base_buf_text(buf, config->key_count > 0 ? "keys:\n" : "keys: {}\n");
    for (size_t i = 0; i < config->key_count; i++) {
        base_buf_text(buf, "  ");
        put_name(buf, config->keys[i].name);
        base_buf_printf(buf, ":\n    algorithm: %s\n", algorithms[config->keys[i].algorithm]);
        if (config->secrets[i].file != NULL)
            put_line(buf, "    secret-file: ", config->secrets[i].file);
        else
            base_buf_printf(buf, "    secret: (hidden) # in line %u of the settings\n",
                            config->secrets[i].line);
    }
}

static void put_remote_list(struct base_buf *buf, const struct config *config)
{
    base_buf_text(buf, config->remote_count > 0 ? "remotes:\n" : "remotes: {}\n");
    for (size_t i = 0; i < config->remote_count; i++) {
        const struct config_remote *remote = &config->remotes[i];
        base_buf_text(buf, "  ");
        put_text(buf, remote->name);
        base_buf_text(buf, ":\n    addresses: [");
        for (size_t a = 0; a < remote->address_count; a++) {
            base_buf_text(buf, a > 0 ? ", " : "");
            put_address(buf, &remote->addresses[a]);
        }
        base_buf_text(buf, "]\n    key: ");
        if (remote->key != NULL)
            put_name(buf, remote->key->name);
        else
            base_buf_text(buf, "none");
        base_buf_printf(buf, "\n    tls: %s\n", truth(remote->tls));
        put_line(buf, "    certificate-name: ", remote->tls_name);
        put_line(buf, "    ca-file: ", remote->tls_ca);
    }
}

static void put_signing(struct base_buf *buf, const struct sign_policy *sign)
{
    static const char *const serials[] = {"keep", "increment", "unixtime", "date"};
    static const char *const digests[] = {"none", "sha384", "sha512"};
    base_buf_text(buf, "    signatures:\n      validity: ");
    put_duration(buf, sign->validity);
    base_buf_text(buf, "\n      refresh: ");
    put_duration(buf, sign->refresh);
    base_buf_text(buf, "\n      inception: ");
    put_duration(buf, sign->inception);
    base_buf_text(buf, "\n      jitter: ");
    put_duration(buf, sign->jitter);
    base_buf_printf(buf, "\n    keys:\n      algorithm: %u\n      rsa-bits: %u\n      csk: %s\n",
                    sign->algorithm, sign->rsa_bits, truth(sign->csk));
    base_buf_text(buf, "      dnskey-ttl: ");
    if (sign->dnskey_ttl == 0)
        base_buf_text(buf, "soa");
    else
        put_duration(buf, sign->dnskey_ttl);
    base_buf_printf(buf, "\n    denial:\n      type: %s\n      opt-out: %s\n      iterations: %u\n",
                    sign->denial == SIGN_NSEC ? "nsec" : "nsec3", truth(sign->opt_out),
                    sign->nsec3_iterations);
    base_buf_text(buf, "      salt: \"");
    for (size_t i = 0; i < sign->nsec3_salt_length; i++)
        base_buf_printf(buf, "%02x", sign->nsec3_salt[i]);
    base_buf_printf(buf, "%s\"\n    apex:\n      serial: %s\n      cds: %s\n      cdnskey: %s\n",
                    sign->nsec3_salt_length == 0 ? "-" : "", serials[sign->serial],
                    truth(sign->cds), truth(sign->cdnskey));
    base_buf_text(buf, "      cds-digests: [");
    for (size_t i = 0; i < sizeof(sign->cds_digests) && sign->cds_digests[i] != 0; i++)
        base_buf_printf(buf, "%s%u", i > 0 ? ", " : "", sign->cds_digests[i]);
    base_buf_printf(buf, "]\n      zonemd: %s\n", digests[sign->zonemd]);
}

static void put_policies(struct base_buf *buf, const struct config *config)
{
    base_buf_text(buf, "policies:\n");
    for (size_t i = 0; i < config->policy_count; i++) {
        const struct config_policy *policy = &config->policies[i];
        base_buf_text(buf, "  ");
        put_text(buf, policy->name);
        base_buf_printf(buf, ":\n    sign: %s\n    history: {size: %zu, versions: %zu}\n",
                        truth(policy->signs), policy->history_bytes, policy->history_versions);
        put_signing(buf, &policy->sign);
    }
}

static void put_zones(struct base_buf *buf, const struct config *config)
{
    base_buf_text(buf, config->zone_count > 0 ? "zones:\n" : "zones: {}\n");
    for (size_t i = 0; i < config->zone_count; i++) {
        const struct config_zone *zone = &config->zones[i];
        base_buf_text(buf, "  ");
        put_name(buf, zone->name);
        base_buf_text(buf, ":\n");
        if (zone->file != NULL)
            put_line(buf, "    file: ", zone->file);
        if (zone->source == CONFIG_EDITS)
            base_buf_text(buf, "    edits: true\n");
        if (zone->source == CONFIG_PRIMARY) {
            base_buf_text(buf, "    primaries: ");
            put_remotes(buf, zone->primaries, zone->primary_count);
        }
        put_template(buf, "    ", &zone->as);
    }
}

static void put_catalogs(struct base_buf *buf, const struct config *config)
{
    base_buf_text(buf, config->catalog_count > 0 ? "catalogs:\n" : "catalogs: {}\n");
    for (size_t i = 0; i < config->catalog_count; i++) {
        const struct config_catalog *catalog = &config->catalogs[i];
        base_buf_text(buf, "  ");
        put_name(buf, catalog->name);
        base_buf_text(buf, catalog->produce ? ":\n    produce: true\n" : ":\n    primaries: ");
        if (!catalog->produce)
            put_remotes(buf, catalog->primaries, catalog->primary_count);
        if (catalog->as.policy != &config->unsigned_policy)
            put_policy(buf, "    ", &catalog->as);
        put_rest(buf, "    ", &catalog->as);
        if (!catalog->produce) {
            base_buf_text(buf, "    members:\n");
            put_template(buf, "      ", &catalog->members);
        }
    }
}

static void put_directories(struct base_buf *buf, const struct config *config)
{
    base_buf_text(buf,
                  config->directory_count > 0 ? "zone-directories:\n" : "zone-directories: []\n");
    for (size_t i = 0; i < config->directory_count; i++) {
        put_line(buf, "  - path: ", config->directories[i].path);
        put_template(buf, "    ", &config->directories[i].as);
    }
}

static void put_tlsa(struct base_buf *buf, const struct config *config)
{
    base_buf_text(buf, config->tlsa_count > 0 ? "tlsa:\n" : "tlsa: []\n");
    for (size_t i = 0; i < config->tlsa_count; i++) {
        const struct config_tlsa *tlsa = &config->tlsa[i];
        base_buf_text(buf, "  - host: ");
        put_name(buf, tlsa->host);
        base_buf_text(buf, "\n    ports: [");
        for (size_t p = 0; p < tlsa->port_count; p++)
            base_buf_printf(buf, "%s%u%s", p > 0 ? ", " : "", tlsa->ports[p].port,
                            tlsa->ports[p].udp ? "/udp" : "");
        base_buf_text(buf, "]\n");
        put_line(buf, "    certificate: ", tlsa->certificate);
        put_line(buf, "    next: ", tlsa->next);
        base_buf_printf(buf,
                        "    usage: %u\n    selector: %u\n    matching: %u\n    ttl: ", tlsa->usage,
                        tlsa->selector, tlsa->matching);
        put_duration(buf, tlsa->ttl);
        base_buf_text(buf, "\n    keep: ");
        put_duration(buf, tlsa->keep);
        base_buf_text(buf, "\n    servers: [");
        for (size_t s = 0; s < tlsa->server_count; s++) {
            base_buf_text(buf, s > 0 ? ", " : "");
            put_address(buf, &tlsa->servers[s]);
        }
        base_buf_text(buf, "]\n");
    }
}

int config_print(const struct config *config, char **text)
{
    struct base_buf buf;
    base_buf_init(&buf, PRINT_MAX);
    put_line(&buf, "data: ", config->data);
    put_line(&buf, "user: ", config->user);
    if (config->threads == 0)
        base_buf_text(&buf, "threads: auto\n");
    else
        base_buf_printf(&buf, "threads: %u\n", config->threads);
    base_buf_printf(&buf, "log:\n  level: %s\n  format: %s\n",
                    base_log_level_name(config->log.least), config->log.json ? "json" : "text");
    put_listen(&buf, config);
    put_server(&buf, config);
    put_limits(&buf, config);
    put_api(&buf, config);
    put_line(&buf, "export: ", config->export_directory);
    put_keys(&buf, config);
    put_remote_list(&buf, config);
    put_policies(&buf, config);
    base_buf_text(&buf, "defaults:\n");
    put_template(&buf, "  ", &config->standard);
    put_directories(&buf, config);
    put_zones(&buf, config);
    put_catalogs(&buf, config);
    put_tlsa(&buf, config);
    base_buf_u8(&buf, '\0');
    if (buf.error != BASE_OK) {
        int error = buf.error;
        base_buf_free(&buf);
        return error;
    }
    *text = (char *)buf.data;
    return BASE_OK;
}
