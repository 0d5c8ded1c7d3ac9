/*
 * What a zone's parent says of its servers, against what the zone says: NS records and glue. See
 * servers.h.
 */
#include "cli/servers.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define LIST_TEXT 600

struct delegation {
    struct cli_call *call;
    const struct cli_servers_zone *zone;
    const struct cli_server *server; /* of the parent */
    const struct dns_message *referral, *own;
};

bool cli_servers_referral(const struct validate_reply *reply, const uint8_t *zone,
                          struct base_arena *arena, struct dns_message *out)
{
    if (reply->kind != VALIDATE_REPLY_PACKET ||
        dns_message_parse(reply->packet, reply->length, arena, out) != BASE_OK ||
        (out->flags & DNS_FLAG_AA) != 0 || out->rcode != DNS_RCODE_NOERROR)
        return false;
    return cli_servers_record(out, DNS_SECTION_AUTHORITY, zone, DNS_TYPE_NS, NULL) != NULL;
}

const struct dns_record *cli_servers_record(const struct dns_message *message,
                                            enum dns_section section, const uint8_t *owner,
                                            uint16_t type, const struct dns_record *after)
{
    size_t count;
    const struct dns_record *records = dns_message_section(message, section, &count);
    for (size_t i = after == NULL ? 0 : (size_t)(after - records) + 1; i < count; i++) {
        if (records[i].type == type && dns_name_equal(records[i].name, owner))
            return &records[i];
    }
    return NULL;
}

/* Is the name among the NS records of the zone in a message? */
static bool is_named(const struct delegation *about, const struct dns_message *message,
                     enum dns_section section, const uint8_t *name)
{
    const struct dns_record *record = NULL;
    do
        record = cli_servers_record(message, section, about->zone->name, DNS_TYPE_NS, record);
    while (record != NULL && !dns_name_equal(record->rdata, name));
    return record != NULL;
}

static void report(const struct delegation *about, enum base_finding_code code, const char *what)
{
    char zone[DNS_NAME_TEXT];
    struct base_place place = {.owner = dns_name_text(zone, about->zone->name), .type = "NS"};
    base_findings_add(&about->call->findings, code, &place, "%s (%s), of the parent, %s",
                      about->server->name, about->server->address, what);
}

/* Names of NS records in `one` that are not in `other`; the number of them. */
static size_t list_missing(const struct delegation *about, const struct dns_message *one,
                           enum dns_section section, const struct dns_message *other,
                           enum dns_section other_section, char out[LIST_TEXT])
{
    size_t count = 0, at = 0;
    char text[DNS_NAME_TEXT];
    const struct dns_record *record = NULL;
    out[0] = '\0';
    while ((record = cli_servers_record(one, section, about->zone->name, DNS_TYPE_NS, record)) !=
           NULL) {
        if (is_named(about, other, other_section, record->rdata))
            continue;
        if (at + DNS_NAME_TEXT < LIST_TEXT || count == 0)
            at += (size_t)snprintf(out + at, LIST_TEXT - at, "%s%s", count == 0 ? "" : ", ",
                                   dns_name_text(text, record->rdata));
        count++;
    }
    return count;
}

static void compare_names(const struct delegation *about)
{
    char only_parent[LIST_TEXT], only_zone[LIST_TEXT];
    size_t more = list_missing(about, about->referral, DNS_SECTION_AUTHORITY, about->own,
                               DNS_SECTION_ANSWER, only_parent);
    size_t less = list_missing(about, about->own, DNS_SECTION_ANSWER, about->referral,
                               DNS_SECTION_AUTHORITY, only_zone);
    if (more == 0 && less == 0)
        return;
    char what[3 * LIST_TEXT];
    snprintf(what, sizeof(what), "%s%s%s%s%s", more > 0 ? "names " : "", only_parent,
             more > 0 ? ", which the zone itself does not" : "",
             less == 0  ? ""
             : more > 0 ? "; it lacks "
                        : "does not name ",
             only_zone);
    report(about, SERVERS_DELEGATION, what);
}

static bool has_host(const struct cli_servers_zone *zone, const uint8_t *name, bool v6,
                     const uint8_t *address)
{
    for (size_t i = 0; i < zone->host_count; i++) {
        const struct cli_servers_host *host = &zone->hosts[i];
        if (host->v6 == v6 && dns_name_equal(host->name, name) &&
            (address == NULL || memcmp(host->address, address, v6 ? 16 : 4) == 0))
            return true;
    }
    return false;
}

/* Glue of one name server against its addresses. A family that has no glue is as good as the other
 * one; an address that is wrong is not. */
static void compare_glue(const struct delegation *about, const uint8_t *name)
{
    static const uint16_t types[] = {DNS_TYPE_A, DNS_TYPE_AAAA};
    char server[DNS_NAME_TEXT], address[INET6_ADDRSTRLEN], what[DNS_NAME_TEXT + 120];
    bool glue = false;
    dns_name_text(server, name);
    for (size_t i = 0; i < 2; i++) {
        const struct dns_record *record = NULL;
        bool v6 = types[i] == DNS_TYPE_AAAA;
        while ((record = cli_servers_record(about->referral, DNS_SECTION_ADDITIONAL, name, types[i],
                                            record)) != NULL) {
            glue = true;
            if (has_host(about->zone, name, v6, record->rdata) ||
                inet_ntop(v6 ? AF_INET6 : AF_INET, record->rdata, address, sizeof(address)) == NULL)
                continue;
            snprintf(what, sizeof(what), "has the glue %s for %s, which the zone itself does not",
                     address, server);
            report(about, SERVERS_GLUE, what);
        }
    }
    if (!glue) {
        snprintf(what, sizeof(what), "has no glue for %s, which is in the zone itself", server);
        report(about, SERVERS_GLUE, what);
    }
}

static void compare_referral(const struct delegation *about)
{
    const struct dns_record *record = NULL;
    compare_names(about);
    while ((record = cli_servers_record(about->referral, DNS_SECTION_AUTHORITY, about->zone->name,
                                        DNS_TYPE_NS, record)) != NULL) {
        const uint8_t *name = record->rdata;
        bool known =
            has_host(about->zone, name, false, NULL) || has_host(about->zone, name, true, NULL);
        if (dns_name_within(name, about->zone->name) && known &&
            is_named(about, about->own, DNS_SECTION_ANSWER, name))
            compare_glue(about, name);
    }
}

/* What the server with the newest serial says of the zone's servers. */
static bool own_names(const struct cli_servers_zone *zone, struct base_arena *arena,
                      struct dns_message *out)
{
    const struct cli_server *server = cli_servers_newest(zone);
    for (size_t i = 0; server != NULL && i < zone->question_count; i++) {
        const struct validate_reply *reply = &server->replies[i];
        if (zone->questions[i].purpose == CLI_SERVERS_NAMES &&
            reply->kind == VALIDATE_REPLY_PACKET &&
            dns_message_parse(reply->packet, reply->length, arena, out) == BASE_OK)
            return cli_servers_record(out, DNS_SECTION_ANSWER, zone->name, DNS_TYPE_NS, NULL) !=
                   NULL;
    }
    return false;
}

static void compare_delegation(struct cli_call *call, const struct cli_servers_zone *zone,
                               struct cli_server *server, size_t question)
{
    struct base_arena arena;
    struct dns_message referral, own;
    struct delegation about = {
        .call = call, .zone = zone, .server = server, .referral = &referral, .own = &own};
    base_arena_init(&arena, (size_t)16 * DNS_MESSAGE_UNPACKED_MAX);
    size_t before = call->findings.count;
    if (cli_servers_referral(&server->replies[question], zone->name, &arena, &referral) &&
        own_names(zone, &arena, &own))
        compare_referral(&about);
    server->wrong = server->wrong || call->findings.count > before;
    base_arena_free(&arena);
}

void cli_servers_delegations(struct cli_call *call, struct cli_servers_zone *zones, size_t count,
                             struct cli_servers_zone *parent)
{
    for (size_t i = 0; i < parent->question_count; i++) {
        const struct cli_servers_zone *zone = NULL;
        for (size_t k = 0; k < count; k++) {
            if (dns_name_equal(zones[k].name, parent->questions[i].name))
                zone = &zones[k];
        }
        for (size_t k = 0; k < parent->server_count; k++) {
            if (parent->questions[i].purpose == CLI_SERVERS_REFERRAL && zone != NULL &&
                parent->servers[k].usable)
                compare_delegation(call, zone, &parent->servers[k], i);
        }
    }
}
