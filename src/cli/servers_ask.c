/* Finding the servers of zones and asking them: see servers.h. */
#include "base/error.h"
#include "cli/servers.h"

#include <arpa/inet.h>
#include <string.h>

#define NAMES_MAX 32 /* of NS records of a zone that are followed */

/* --- zones on the way --- */

struct collector {
    struct cli_ask *ask;
    const struct validate_result *result;
    struct cli_servers_zone *zones;
    size_t count;
    int error;
};

static struct cli_servers_zone *find_zone(const struct collector *collector, const uint8_t *name)
{
    for (size_t i = 0; name != NULL && i < collector->count; i++) {
        if (dns_name_equal(collector->zones[i].name, name))
            return &collector->zones[i];
    }
    return NULL;
}

static void add_question(struct cli_servers_zone *zone, enum cli_servers_purpose purpose,
                         const uint8_t *name, uint16_t type)
{
    for (size_t i = 0; i < zone->question_count; i++) {
        if (zone->questions[i].type == type && dns_name_equal(zone->questions[i].name, name))
            return;
    }
    if (zone->question_count < CLI_SERVERS_QUESTIONS)
        zone->questions[zone->question_count++] =
            (struct cli_servers_question){purpose, name, type};
}

static struct cli_servers_zone *add_zone(struct collector *collector, const uint8_t *name,
                                         bool secure)
{
    struct cli_servers_zone *zone = find_zone(collector, name);
    if (zone == NULL && collector->count < CLI_SERVERS_ZONES) {
        zone = &collector->zones[collector->count++];
        *zone = (struct cli_servers_zone){.name = name};
        add_question(zone, CLI_SERVERS_SERIAL, name, DNS_TYPE_SOA);
        add_question(zone, CLI_SERVERS_NAMES, name, DNS_TYPE_NS);
        if (secure)
            add_question(zone, CLI_SERVERS_KEYS, name, DNS_TYPE_DNSKEY);
    }
    if (zone != NULL)
        zone->secure |= secure;
    return zone;
}

/* The zone that answers for a name: the closest one above it that is on the way. */
static struct cli_servers_zone *zone_of(const struct collector *collector, const uint8_t *name,
                                        bool above)
{
    struct cli_servers_zone *best = NULL;
    for (size_t i = 0; i < collector->count; i++) {
        struct cli_servers_zone *zone = &collector->zones[i];
        if (!dns_name_within(name, zone->name) || (above && dns_name_equal(name, zone->name)))
            continue;
        if (best == NULL || dns_name_labels(zone->name) > dns_name_labels(best->name))
            best = zone;
    }
    return best;
}

static void collect_zones(struct collector *collector)
{
    const struct validate_result *result = collector->result;
    for (size_t i = 0; i < result->node_count; i++) {
        const struct validate_node *node = &result->nodes[i];
        if (node->kind == VALIDATE_NODE_KEYS)
            add_zone(collector, node->name, node->status == VALIDATE_SECURE);
        else if (node->kind == VALIDATE_NODE_NO_DS || node->kind == VALIDATE_NODE_DS)
            add_zone(collector, node->name, false);
    }
    for (size_t i = 0; i < result->hop_count; i++) {
        if (result->hops[i].zone != NULL)
            add_zone(collector, result->hops[i].zone, false);
    }
    for (size_t i = 0; i < result->node_count; i++) {
        const struct validate_node *node = &result->nodes[i];
        struct cli_servers_zone *parent;
        if ((node->kind == VALIDATE_NODE_NO_DS || node->kind == VALIDATE_NODE_DS) &&
            (parent = zone_of(collector, node->name, true)) != NULL)
            add_question(parent, CLI_SERVERS_DS, node->name, DNS_TYPE_DS);
    }
    for (size_t i = 0; i < collector->count; i++) {
        const uint8_t *name = collector->zones[i].name;
        struct cli_servers_zone *parent = zone_of(collector, name, true);
        if (parent != NULL)
            add_question(parent, CLI_SERVERS_REFERRAL, name, DNS_TYPE_NS);
    }
    for (size_t i = 0; i < result->hop_count; i++) {
        struct cli_servers_zone *zone =
            zone_of(collector, result->hops[i].name, result->type == DNS_TYPE_DS);
        if (zone != NULL)
            add_question(zone, CLI_SERVERS_DATA, result->hops[i].name, result->type);
    }
}

/* --- their servers --- */

static const char *keep_text(struct collector *collector, const char *text)
{
    const char *kept = base_arena_strndup(&collector->ask->call->arena, text, strlen(text));
    if (kept == NULL)
        collector->error = BASE_ENOMEM;
    return kept;
}

static void add_server(struct collector *collector, struct cli_servers_zone *zone, const char *name,
                       uint16_t type, const struct validate_rdata *rdata)
{
    char text[INET6_ADDRSTRLEN], address[INET6_ADDRSTRLEN + 4];
    bool v6 = type == DNS_TYPE_AAAA;
    if (rdata->length != (v6 ? 16 : 4) || zone->server_count == CLI_SERVERS_ADDRESSES ||
        inet_ntop(v6 ? AF_INET6 : AF_INET, rdata->data, text, sizeof(text)) == NULL)
        return;
    snprintf(address, sizeof(address), "%s@53", text);
    for (size_t i = 0; i < zone->server_count; i++) {
        if (strcmp(zone->servers[i].address, address) == 0)
            return;
    }
    struct cli_server server = {.name = name, .address = keep_text(collector, address), .v6 = v6};
    if (server.address != NULL)
        zone->servers[zone->server_count++] = server;
}

static void add_host(struct cli_servers_zone *zone, const uint8_t *name, bool v6,
                     const struct validate_rdata *rdata)
{
    if (rdata->length != (v6 ? 16 : 4) || zone->host_count == CLI_SERVERS_ADDRESSES)
        return;
    struct cli_servers_host *host = &zone->hosts[zone->host_count++];
    *host = (struct cli_servers_host){.name = name, .v6 = v6};
    memcpy(host->address, rdata->data, rdata->length);
}

static void add_addresses(struct collector *collector, struct cli_servers_zone *zone,
                          const uint8_t *name)
{
    static const uint16_t types[] = {DNS_TYPE_A, DNS_TYPE_AAAA};
    char text[DNS_NAME_TEXT], zone_text[DNS_NAME_TEXT];
    const char *kept = keep_text(collector, dns_name_text(text, name));
    const uint8_t *wire = base_arena_dup(&collector->ask->call->arena, name, dns_name_length(name));
    size_t before = zone->host_count;
    if (wire == NULL)
        collector->error = BASE_ENOMEM;
    for (size_t i = 0; kept != NULL && wire != NULL && i < 2; i++) {
        const struct validate_result *result;
        int error = resolve_lookup(collector->ask->context, name, types[i], &result);
        if (error != BASE_OK) {
            collector->error = error;
            return;
        }
        const struct validate_records *set = cli_ask_records(result, types[i]);
        for (size_t j = 0; set != NULL && j < set->count; j++) {
            add_server(collector, zone, kept, types[i], &set->rdata[j]);
            add_host(zone, wire, types[i] == DNS_TYPE_AAAA, &set->rdata[j]);
        }
        validate_result_unref(result);
    }
    if (zone->host_count > before || kept == NULL || wire == NULL)
        return;
    struct base_place place = {.owner = dns_name_text(zone_text, zone->name), .type = "NS"};
    zone->lost++;
    base_findings_add(&collector->ask->call->findings, SERVERS_NO_ADDRESS, &place,
                      "the name server %s has no address that could be found", kept);
}

static void find_servers(struct collector *collector, struct cli_servers_zone *zone)
{
    const struct validate_result *result;
    char text[DNS_NAME_TEXT];
    zone->servers = base_arena_zalloc(&collector->ask->call->arena,
                                      CLI_SERVERS_ADDRESSES * sizeof(*zone->servers));
    zone->hosts = base_arena_zalloc(&collector->ask->call->arena,
                                    CLI_SERVERS_ADDRESSES * sizeof(*zone->hosts));
    collector->error =
        zone->servers == NULL || zone->hosts == NULL
            ? BASE_ENOMEM
            : resolve_lookup(collector->ask->context, zone->name, DNS_TYPE_NS, &result);
    if (collector->error != BASE_OK)
        return;
    const struct validate_records *set = cli_ask_records(result, DNS_TYPE_NS);
    for (size_t i = 0; set != NULL && i < set->count && i < NAMES_MAX; i++) {
        if (collector->error == BASE_OK)
            add_addresses(collector, zone, set->rdata[i].data);
    }
    if (set == NULL) {
        struct base_place place = {.owner = dns_name_text(text, zone->name), .type = "NS"};
        base_findings_add(&collector->ask->call->findings, SERVERS_UNKNOWN, &place,
                          "the NS records of %s could not be had: %s", text,
                          result->sentence == NULL ? "no answer" : result->sentence);
    }
    validate_result_unref(result);
}

/* --- asking --- */

struct asking {
    struct collector *collector;
    struct validate_reply *into;
};

static void take_reply(void *context, const struct validate_reply *reply)
{
    struct asking *asking = context;
    *asking->into = (struct validate_reply){.kind = reply->kind};
    if (reply->why != NULL)
        asking->into->why = keep_text(asking->collector, reply->why);
    if (reply->kind != VALIDATE_REPLY_PACKET)
        return;
    asking->into->packet =
        base_arena_dup(&asking->collector->ask->call->arena, reply->packet, reply->length);
    asking->into->length = reply->length;
    if (asking->into->packet == NULL) {
        asking->into->kind = VALIDATE_REPLY_SILENCE;
        asking->collector->error = BASE_ENOMEM;
    }
}

static void ask_server(struct collector *collector, const struct cli_servers_zone *zone,
                       struct cli_server *server, bool referrals)
{
    for (size_t i = 0; i < zone->question_count; i++) {
        const struct cli_servers_question *question = &zone->questions[i];
        if ((question->purpose == CLI_SERVERS_REFERRAL) != referrals)
            continue;
        struct asking *asking = base_arena_alloc(&collector->ask->call->arena, sizeof(*asking));
        server->replies[i].kind = VALIDATE_REPLY_SILENCE;
        if (asking == NULL) {
            collector->error = BASE_ENOMEM;
            return;
        }
        *asking = (struct asking){collector, &server->replies[i]};
        int error = resolve_ask(collector->ask->context, server->address, question->name,
                                question->type, take_reply, asking);
        if (error != BASE_OK)
            collector->error = error;
    }
}

/* Also after an error: what was asked writes into the arena. */
static void ask_all(struct collector *collector, bool referrals)
{
    for (size_t i = 0; i < collector->count && collector->error == BASE_OK; i++) {
        for (size_t j = 0; j < collector->zones[i].server_count; j++)
            ask_server(collector, &collector->zones[i], &collector->zones[i].servers[j], referrals);
    }
    resolve_wait(collector->ask->context);
}

/* --- servers that only the parent names --- */

static bool has_server(const struct cli_servers_zone *zone, const char *name)
{
    for (size_t i = 0; i < zone->server_count; i++) {
        if (strcmp(zone->servers[i].name, name) == 0)
            return true;
    }
    return false;
}

/* By its glue, or else by the addresses of its name. */
static void adopt_server(struct collector *collector, struct cli_servers_zone *zone,
                         const struct dns_message *referral, const uint8_t *name)
{
    static const uint16_t types[] = {DNS_TYPE_A, DNS_TYPE_AAAA};
    char text[DNS_NAME_TEXT];
    if (has_server(zone, dns_name_text(text, name)))
        return;
    const char *kept = keep_text(collector, text);
    bool glue = false;
    for (size_t i = 0; kept != NULL && i < 2; i++) {
        const struct dns_record *record = NULL;
        while ((record = cli_servers_record(referral, DNS_SECTION_ADDITIONAL, name, types[i],
                                            record)) != NULL) {
            struct validate_rdata rdata = {record->rdata, record->length};
            add_server(collector, zone, kept, types[i], &rdata);
            glue = true;
        }
    }
    if (!glue)
        add_addresses(collector, zone, name);
}

static void adopt_servers(struct collector *collector, struct cli_servers_zone *zone,
                          const struct validate_reply *reply)
{
    struct base_arena arena;
    struct dns_message referral;
    const struct dns_record *record = NULL;
    base_arena_init(&arena, (size_t)8 * DNS_MESSAGE_UNPACKED_MAX);
    bool good = cli_servers_referral(reply, zone->name, &arena, &referral);
    for (size_t i = 0; good && i < NAMES_MAX && collector->error == BASE_OK; i++) {
        record =
            cli_servers_record(&referral, DNS_SECTION_AUTHORITY, zone->name, DNS_TYPE_NS, record);
        if (record == NULL)
            break;
        adopt_server(collector, zone, &referral, record->rdata);
    }
    base_arena_free(&arena);
}

static void adopt_all(struct collector *collector, const struct cli_servers_zone *parent)
{
    for (size_t i = 0; i < parent->question_count; i++) {
        struct cli_servers_zone *zone = find_zone(collector, parent->questions[i].name);
        if (parent->questions[i].purpose != CLI_SERVERS_REFERRAL || zone == NULL)
            continue;
        for (size_t j = 0; j < parent->server_count && collector->error == BASE_OK; j++)
            adopt_servers(collector, zone, &parent->servers[j].replies[i]);
    }
}

int cli_servers_ask(struct cli_ask *ask, const struct validate_result *result,
                    struct cli_servers_zone **zones, size_t *count)
{
    struct collector collector = {.ask = ask, .result = result};
    collector.zones =
        base_arena_zalloc(&ask->call->arena, CLI_SERVERS_ZONES * sizeof(*collector.zones));
    if (collector.zones == NULL)
        return BASE_ENOMEM;
    collect_zones(&collector);
    for (size_t i = 0; i < collector.count && collector.error == BASE_OK; i++)
        find_servers(&collector, &collector.zones[i]);
    ask_all(&collector, true);
    for (size_t i = 0; i < collector.count && collector.error == BASE_OK; i++)
        adopt_all(&collector, &collector.zones[i]);
    ask_all(&collector, false);
    *zones = collector.zones;
    *count = collector.count;
    return collector.error;
}
