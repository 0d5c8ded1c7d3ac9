/* The section tlsa: services whose TLSA records are made from their certificates. */
#include "base/error.h"
#include "config/read.h"

#include <stdlib.h>
#include <string.h>

#define TTL_MOST  604800
#define KEEP_MOST 31622400 /* a leap year */
#define PORTS     "a list of ports such as 25 or 443/udp"

struct tlsa_reading {
    struct config_tlsa tlsa;
    bool has_host;
};

static bool read_host(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    struct tlsa_reading *read = target;
    read->has_host = true;
    return node->kind == BASE_YAML_SCALAR && config_name(node->text, read->tlsa.host) &&
           read->tlsa.host[0] != 0;
}

/* "25", "25/tcp", "443/udp". */
static bool read_port(const struct base_yaml *node, struct config_tlsa_port *out)
{
    char *end;
    if (node->kind != BASE_YAML_SCALAR || node->text[0] < '1' || node->text[0] > '9')
        return false;
    unsigned long port = strtoul(node->text, &end, 10);
    bool udp = strcmp(end, "/udp") == 0;
    if (port > 65535 || (*end != '\0' && !udp && strcmp(end, "/tcp") != 0))
        return false;
    *out = (struct config_tlsa_port){(uint16_t)port, udp};
    return true;
}

static bool read_ports(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    struct config_tlsa *tlsa = &((struct tlsa_reading *)target)->tlsa;
    size_t most = node->kind == BASE_YAML_LIST ? node->count : 1;
    struct config_tlsa_port *ports = config_alloc(reading, most * sizeof(*ports));
    tlsa->ports = ports;
    tlsa->port_count = 0;
    for (const struct base_yaml *item = config_items(node); item != NULL && ports != NULL;
         item = config_next(node, item)) {
        if (!read_port(item, &ports[tlsa->port_count]))
            return false;
        tlsa->port_count++;
    }
    return tlsa->port_count > 0;
}

static bool read_certificate(struct config_reading *reading, const struct base_yaml *node,
                             void *target)
{
    return config_path(reading, node, &((struct tlsa_reading *)target)->tlsa.certificate);
}

static bool read_next(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    return config_path_or_none(reading, node, &((struct tlsa_reading *)target)->tlsa.next);
}

/* What can be said, but cannot be kept safely, is told so. */
static bool read_usage(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    unsigned usage;
    if (!config_number(node, 0, 3, &usage))
        return false;
    if (usage < 2)
        config_refuse(
            reading, CONFIG_CONFLICT, node,
            "usage: with %u, whether senders accept the certificate hangs on public "
            "authorities too, which Kenter does not look at, and mail servers ignore such "
            "records (RFC 7672 section 3.1.3); say 3 or 2",
            usage);
    ((struct tlsa_reading *)target)->tlsa.usage = (uint8_t)usage;
    return true;
}

static bool read_selector(struct config_reading *reading, const struct base_yaml *node,
                          void *target)
{
    unsigned selector;
    if (!config_number(node, 0, 1, &selector))
        return false;
    ((struct tlsa_reading *)target)->tlsa.selector = (uint8_t)selector;
    return true;
}

static bool read_matching(struct config_reading *reading, const struct base_yaml *node,
                          void *target)
{
    unsigned matching;
    if (!config_number(node, 0, 2, &matching))
        return false;
    if (matching == 0)
        config_refuse(reading, CONFIG_CONFLICT, node,
                      "matching: 0 puts whole certificates or keys into answers, which some "
                      "senders do not get whole; say 1 or 2");
    ((struct tlsa_reading *)target)->tlsa.matching = (uint8_t)matching;
    return true;
}

static bool read_duration(const struct base_yaml *node, uint32_t least, uint32_t most,
                          uint32_t *out)
{
    int64_t seconds;
    if (node->kind != BASE_YAML_SCALAR || base_duration_parse(node->text, &seconds) != BASE_OK ||
        seconds < least || seconds > most)
        return false;
    *out = (uint32_t)seconds;
    return true;
}

static bool read_ttl(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    return read_duration(node, 1, TTL_MOST, &((struct tlsa_reading *)target)->tlsa.ttl);
}

static bool read_keep(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    return read_duration(node, 0, KEEP_MOST, &((struct tlsa_reading *)target)->tlsa.keep);
}

static bool read_servers(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    struct config_tlsa *tlsa = &((struct tlsa_reading *)target)->tlsa;
    size_t most = node->kind == BASE_YAML_LIST ? node->count : 1;
    union net_address *servers = config_alloc(reading, most * sizeof(*servers));
    tlsa->servers = servers;
    tlsa->server_count = 0;
    for (const struct base_yaml *item = config_items(node); item != NULL && servers != NULL;
         item = config_next(node, item)) {
        if (item->kind != BASE_YAML_SCALAR ||
            net_address_parse(item->text, 53, &servers[tlsa->server_count]) != BASE_OK)
            return false;
        tlsa->server_count++;
    }
    return tlsa->server_count <= CONFIG_TLSA_SERVERS;
}

static const struct config_setting tlsa_settings[] = {
    {"host", read_host, "a domain name"},
    {"ports", read_ports, PORTS},
    {"certificate", read_certificate, "a path"},
    {"next", read_next, "a path, or none"},
    {"usage", read_usage, "3 (the server's own certificate or key) or 2 (a CA of the chain)"},
    {"selector", read_selector, "1 (the key) or 0 (the certificate)"},
    {"matching", read_matching, "1 (SHA-256) or 2 (SHA-512)"},
    {"ttl", read_ttl, "a duration from 1s to 1w"},
    {"keep", read_keep, "a duration of at most 366d"},
    {"servers", read_servers, "a list of at most 32 addresses such as 192.0.2.1 or 192.0.2.1@5300"},
};
const struct config_section config_section_tlsa = CONFIG_SECTION("tlsa", tlsa_settings);
_Static_assert(CONFIG_TLSA_SERVERS == 32, "the text above says so");

static void require(struct config_reading *reading, const struct base_yaml *item, const char *name,
                    const char *what)
{
    if (base_yaml_get(item, name) == NULL)
        config_refuse(reading, CONFIG_INVALID, item, "tlsa: %s", what);
}

static bool is_port_of(const struct config_tlsa *tlsa, size_t before,
                       const struct config_tlsa_port *port)
{
    for (size_t i = 0; i < before; i++)
        if (tlsa->ports[i].port == port->port && tlsa->ports[i].udp == port->udp)
            return true;
    return false;
}

/* A service's records are made from one certificate. */
static void check_twice(struct config_reading *reading, const struct base_yaml *item,
                        const struct config_tlsa *tlsa)
{
    const struct config *config = reading->config;
    char host[DNS_NAME_TEXT];
    for (size_t i = 0; i < tlsa->port_count; i++) {
        bool twice = is_port_of(tlsa, i, &tlsa->ports[i]);
        for (size_t k = 0; k < config->tlsa_count && !twice; k++)
            twice = dns_name_equal(config->tlsa[k].host, tlsa->host) &&
                    is_port_of(&config->tlsa[k], config->tlsa[k].port_count, &tlsa->ports[i]);
        if (twice)
            config_refuse(reading, CONFIG_CONFLICT, item, "tlsa: port %u%s of %s is here twice",
                          tlsa->ports[i].port, tlsa->ports[i].udp ? "/udp" : "",
                          dns_name_text(host, tlsa->host));
    }
}

/* Room for the labels _65535._tcp before it. */
static bool has_room(const uint8_t *host)
{
    return dns_name_length(host) + sizeof("_65535"
                                          "._tcp") <=
           DNS_NAME_MAX;
}

/* Without DNSSEC nobody looks at TLSA records. */
static void check_zone(struct config_reading *reading, const struct base_yaml *item,
                       const struct config_tlsa *tlsa)
{
    const uint8_t *name = tlsa->host;
    const struct config_zone *zone = NULL;
    char text[DNS_NAME_TEXT];
    if (reading->config->directory_count > 0 || reading->config->catalog_count > 0)
        return; /* one of those may be nearer */
    while (zone == NULL && name[0] != 0) {
        zone = config_zone_find(reading->config, name);
        name = dns_name_parent(name, 1);
    }
    if (zone != NULL && !zone->as.policy->signs)
        config_refuse(reading, CONFIG_CONFLICT, base_yaml_get(item, "host"),
                      "host: its zone, %s, is not signed here (policy %s), and without DNSSEC "
                      "nobody looks at TLSA records",
                      dns_name_text(text, zone->name), zone->as.policy->name);
}

static void check_service(struct config_reading *reading, const struct base_yaml *item,
                          const struct tlsa_reading *read)
{
    const struct config_tlsa *tlsa = &read->tlsa;
    const struct base_yaml *next = base_yaml_get(item, "next");
    require(reading, item, "host", "the host is missing");
    require(reading, item, "ports", "the ports are missing");
    require(reading, item, "certificate", "the certificate is missing");
    if (read->has_host && !has_room(tlsa->host))
        config_refuse(reading, CONFIG_INVALID, base_yaml_get(item, "host"),
                      "host: with _65535._tcp before it, the name is too long");
    if (tlsa->certificate != NULL && tlsa->next != NULL &&
        strcmp(tlsa->certificate, tlsa->next) == 0)
        config_refuse(reading, CONFIG_CONFLICT, next,
                      "next: this is the file of the certificate that is shown now");
}

static void read_service(struct config_reading *reading, const struct base_yaml *item)
{
    struct config *config = reading->config;
    struct tlsa_reading read = {
        .tlsa = {.usage = 3, .selector = 1, .matching = 1, .ttl = 3600, .keep = 7 * 86400}};
    size_t before = reading->findings->totals[BASE_ERROR];
    config_read_section(reading, item, &config_section_tlsa, &read);
    if (item->kind == BASE_YAML_MAP)
        check_service(reading, item, &read);
    if (reading->findings->totals[BASE_ERROR] != before)
        return;
    check_zone(reading, item, &read.tlsa);
    check_twice(reading, item, &read.tlsa);
    struct config_tlsa *all =
        config_append(reading, config->tlsa, config->tlsa_count, sizeof(read.tlsa));
    if (all == NULL)
        return;
    all[config->tlsa_count++] = read.tlsa;
    config->tlsa = all;
}

bool config_read_tlsa(struct config_reading *reading, const struct base_yaml *node, void *target)
{
    if (node->kind == BASE_YAML_MAP)
        return false;
    for (const struct base_yaml *item = config_items(node); item != NULL;
         item = config_next(node, item))
        read_service(reading, item);
    return true;
}
