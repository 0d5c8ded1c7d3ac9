/* Comparing the servers of zones: see servers.h. */
#include "cli/servers.h"

#include "base/error.h"
#include "base/json.h"
#include "base/reader.h"
#include "cli/report.h"
#include "cli/terminal.h"
#include "dns/message.h"

#include <stdlib.h>
#include <string.h>

struct comparison {
    struct cli_ask *ask;
    const struct validate_result *result;
    struct cli_servers_zone *zone;
    char zone_text[DNS_NAME_TEXT];
    /* What the server with the newest serial says to each question, once it was asked. */
    const struct validate_result *newest[CLI_SERVERS_QUESTIONS];
    const char *newest_name;
    int error;
};

static void __attribute__((format(printf, 5, 6)))
note(struct comparison *comparison, struct cli_server *server, enum base_finding_code code,
     uint16_t type, const char *format, ...)
{
    char what[800], type_text[DNS_TYPE_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    struct base_place place = {.owner = comparison->zone_text,
                               .type = dns_type_text(type_text, type)};
    server->wrong = true;
    base_findings_add(&comparison->ask->call->findings, code, &place, "%s (%s) %s", server->name,
                      server->address, what);
}

/* --- one answer --- */

static bool has_signatures(const struct dns_message *message)
{
    size_t count = message->counts[DNS_SECTION_ANSWER] + message->counts[DNS_SECTION_AUTHORITY];
    for (size_t i = 0; i < count; i++) {
        if (message->records[i].type == DNS_TYPE_RRSIG)
            return true;
    }
    return false;
}

static const char *rcode_text(char out[16], unsigned rcode)
{
    static const char *const names[] = {"NOERROR",  "FORMERR", "SERVFAIL",
                                        "NXDOMAIN", "NOTIMP",  "REFUSED"};
    snprintf(out, 16, "RCODE%u", rcode);
    return rcode < sizeof(names) / sizeof(names[0]) ? names[rcode] : out;
}

/* The SOA tells whether the server is one of the zone at all. */
static bool judge_soa(struct comparison *comparison, struct cli_server *server,
                      const struct dns_message *message)
{
    char rcode[16];
    if (message->rcode != DNS_RCODE_NOERROR) {
        note(comparison, server, SERVERS_LAME, DNS_TYPE_SOA, "answers with %s",
             rcode_text(rcode, message->rcode));
        return false;
    }
    const struct dns_record *soa =
        cli_servers_record(message, DNS_SECTION_ANSWER, comparison->zone->name, DNS_TYPE_SOA, NULL);
    if ((message->flags & DNS_FLAG_AA) == 0 || soa == NULL) {
        note(comparison, server, SERVERS_LAME, DNS_TYPE_SOA, "%s",
             soa == NULL ? "does not know the SOA of the zone" : "answers without authority");
        return false;
    }
    server->serial = base_load_u32(soa->rdata + soa->length - 20);
    server->has_serial = true;
    if (comparison->zone->secure && !has_signatures(message)) {
        note(comparison, server, SERVERS_NO_DNSSEC, DNS_TYPE_SOA,
             "leaves out the signatures that were asked for");
        return false;
    }
    return true;
}

static bool check_server(struct comparison *comparison, struct cli_server *server)
{
    const struct validate_reply *reply = &server->replies[0];
    struct base_arena arena;
    struct dns_message message;
    if (reply->kind != VALIDATE_REPLY_PACKET) {
        note(comparison, server, SERVERS_SILENT, DNS_TYPE_SOA, "does not answer%s%s",
             reply->why == NULL ? "" : ": ", reply->why == NULL ? "" : reply->why);
        return false;
    }
    base_arena_init(&arena, (size_t)8 * DNS_MESSAGE_UNPACKED_MAX);
    bool good = dns_message_parse(reply->packet, reply->length, &arena, &message) == BASE_OK;
    server->answers = good;
    if (!good)
        note(comparison, server, SERVERS_LAME, DNS_TYPE_SOA, "sends what is no DNS message");
    else
        good = judge_soa(comparison, server, &message);
    base_arena_free(&arena);
    return good;
}

/* --- sets --- */

static int by_octets(const void *a, const void *b)
{
    const struct validate_rdata *x = a, *y = b;
    size_t least = x->length < y->length ? x->length : y->length;
    int order = memcmp(x->data, y->data, least);
    return order != 0 ? order : (x->length > y->length) - (x->length < y->length);
}

/* Do two sets have the same records, whatever their order? */
static bool same_set(const struct validate_records *a, const struct validate_records *b)
{
    if (a->count != b->count || a->type != b->type)
        return false;
    struct validate_rdata *copies = malloc(2 * (a->count + 1) * sizeof(*copies));
    if (copies == NULL)
        return true; /* nothing is said that is not sure */
    struct validate_rdata *second = copies + a->count;
    memcpy(copies, a->rdata, a->count * sizeof(*copies));
    memcpy(second, b->rdata, b->count * sizeof(*copies));
    qsort(copies, a->count, sizeof(*copies), by_octets);
    qsort(second, b->count, sizeof(*copies), by_octets);
    bool same = true;
    for (size_t i = 0; same && i < a->count; i++)
        same = by_octets(&copies[i], &second[i]) == 0;
    free(copies);
    return same;
}

static bool same_or_none(const struct validate_records *a, const struct validate_records *b)
{
    return a == NULL || b == NULL ? a == b : same_set(a, b);
}

/* Keys and DS as the chain has them; NULL: it has none. */
static const struct validate_records *chain_set(const struct validate_result *result,
                                                const struct cli_servers_question *question)
{
    for (size_t i = 0; i < result->node_count; i++) {
        const struct validate_node *node = &result->nodes[i];
        for (size_t j = 0; dns_name_equal(node->name, question->name) && j < node->set_count; j++) {
            if (node->sets[j].type == question->type &&
                (node->kind == VALIDATE_NODE_KEYS || node->kind == VALIDATE_NODE_DS))
                return &node->sets[j];
        }
    }
    return NULL;
}

static const struct validate_records *answer_set(const struct validate_result *result,
                                                 uint16_t type)
{
    for (size_t i = 0; result->answer != NULL && i < result->answer_count; i++) {
        if (result->answer[i].type == type)
            return &result->answer[i];
    }
    return NULL;
}

/* Do the data differ from those of the server with the newest serial, or, where this is that one,
 * from what was traced? A resolver may have these from a server that is behind, or from its cache.
 */
static void compare_data(struct comparison *comparison, struct cli_server *server, size_t index,
                         const struct validate_result *theirs)
{
    const struct cli_servers_question *question = &comparison->zone->questions[index];
    const struct validate_result *ours = comparison->result, *best = comparison->newest[index];
    char name[DNS_NAME_TEXT], type[DNS_TYPE_TEXT];
    bool names = question->purpose == CLI_SERVERS_NAMES;
    /* An alias ends the answer of one server; only the last hop has the data. */
    if (!names && (ours->hop_count == 0 ||
                   !dns_name_equal(question->name, ours->hops[ours->hop_count - 1].name)))
        return;
    const struct validate_records *set = answer_set(theirs, question->type);
    const struct validate_records *expected =
        answer_set(best != NULL ? best : ours, question->type);
    if (best == NULL)
        comparison->newest[index] = validate_result_ref(theirs);
    if ((names && best == NULL) || same_or_none(set, expected))
        return;
    note(comparison, server, SERVERS_ANSWER, question->type, "has %s for %s %s, unlike %s",
         set == NULL ? "nothing" : "other data", dns_name_text(name, question->name),
         dns_type_text(type, question->type),
         best == NULL ? "the answer that was traced, which came from another server or from a cache"
                      : comparison->newest_name);
}

/* Keys and DS, against those of the chain. */
static void compare_chain(struct comparison *comparison, struct cli_server *server,
                          const struct cli_servers_question *question,
                          const struct validate_result *theirs)
{
    const struct validate_records *set = answer_set(theirs, question->type);
    const struct validate_records *expected = chain_set(comparison->result, question);
    char name[DNS_NAME_TEXT], type[DNS_TYPE_TEXT];
    if (same_or_none(set, expected))
        return;
    note(comparison, server, question->purpose == CLI_SERVERS_KEYS ? SERVERS_KEYS : SERVERS_DS,
         question->type, "has %s %s set for %s",
         set == NULL        ? "no"
         : expected == NULL ? "a new"
                            : "another",
         dns_type_text(type, question->type), dns_name_text(name, question->name));
}

static const char *first_error(const struct validate_result *result)
{
    for (size_t i = 0; i < result->finding_count; i++) {
        if (result->findings[i].severity == BASE_ERROR && result->findings[i].message != NULL)
            return result->findings[i].message;
    }
    return result->sentence == NULL ? "it does not validate" : result->sentence;
}

static void compare_answer(struct comparison *comparison, struct cli_server *server, size_t index)
{
    const struct cli_servers_question *question = &comparison->zone->questions[index];
    const struct validate_reply *reply = &server->replies[index];
    char name[DNS_NAME_TEXT], type[DNS_TYPE_TEXT];
    const struct validate_options *options = &comparison->ask->validate;
    const struct validate_result *theirs;
    if (question->purpose == CLI_SERVERS_REFERRAL)
        return; /* compared by itself, when all zones are known */
    if (reply->kind != VALIDATE_REPLY_PACKET) {
        note(comparison, server, SERVERS_SILENT, question->type, "does not answer for %s %s",
             dns_name_text(name, question->name), dns_type_text(type, question->type));
        return;
    }
    int error = validate_lookup_compare(options, resolve_trust(comparison->ask->context),
                                        comparison->zone->name, question->name, question->type,
                                        reply, comparison->ask->now, &theirs);
    if (error == BASE_ENOENT)
        return;
    if (error != BASE_OK) {
        comparison->error = error;
        return;
    }
    bool good = theirs->status == VALIDATE_SECURE || theirs->status == VALIDATE_INSECURE;
    if (good && (question->purpose == CLI_SERVERS_DATA || question->purpose == CLI_SERVERS_NAMES))
        compare_data(comparison, server, index, theirs);
    else if (good && question->purpose != CLI_SERVERS_SERIAL)
        compare_chain(comparison, server, question, theirs);
    else if (!good)
        note(comparison, server, SERVERS_BOGUS, question->type, "for %s %s: %s",
             dns_name_text(name, question->name), dns_type_text(type, question->type),
             first_error(theirs));
    validate_result_unref(theirs);
}

/* --- zones --- */

struct cli_server *cli_servers_newest(const struct cli_servers_zone *zone)
{
    struct cli_server *best = NULL;
    for (size_t i = 0; i < zone->server_count; i++) {
        struct cli_server *server = &zone->servers[i];
        /* RFC 1982. */
        if (server->has_serial && (best == NULL || (int32_t)(server->serial - best->serial) > 0))
            best = server;
    }
    return best;
}

static void compare_serials(struct comparison *comparison)
{
    const struct cli_server *best = cli_servers_newest(comparison->zone);
    for (size_t i = 0; best != NULL && i < comparison->zone->server_count; i++) {
        struct cli_server *server = &comparison->zone->servers[i];
        if (server->has_serial && server->serial != best->serial)
            note(comparison, server, SERVERS_STALE, DNS_TYPE_SOA,
                 "has serial %u, and %s (%s) has %u", server->serial, best->name, best->address,
                 best->serial);
    }
}

/* Is every IPv6 address of every zone out of reach? Then it is the machine. */
static bool is_without_ipv6(const struct cli_servers_zone *zones, size_t count)
{
    size_t seen = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < zones[i].server_count; j++) {
            const struct cli_server *server = &zones[i].servers[j];
            if (server->v6 && server->replies[0].kind == VALIDATE_REPLY_PACKET)
                return false;
            seen += server->v6;
        }
    }
    return seen > 0;
}

static void compare_server(struct comparison *comparison, struct cli_server *server)
{
    for (size_t i = 0; i < comparison->zone->question_count && comparison->error == BASE_OK; i++)
        compare_answer(comparison, server, i);
}

static void compare_zone(struct comparison *comparison, bool without_ipv6)
{
    struct cli_servers_zone *zone = comparison->zone;
    dns_name_text(comparison->zone_text, zone->name);
    for (size_t i = 0; i < zone->server_count; i++) {
        struct cli_server *server = &zone->servers[i];
        server->usable = (!server->v6 || !without_ipv6) && check_server(comparison, server);
    }
    struct cli_server *best = cli_servers_newest(zone);
    if (best != NULL && best->usable) {
        comparison->newest_name = best->name;
        compare_server(comparison, best);
    }
    for (size_t i = 0; i < zone->server_count; i++) {
        if (zone->servers[i].usable && &zone->servers[i] != best)
            compare_server(comparison, &zone->servers[i]);
    }
    for (size_t i = 0; i < CLI_SERVERS_QUESTIONS; i++) {
        validate_result_unref(comparison->newest[i]);
        comparison->newest[i] = NULL;
    }
    compare_serials(comparison);
}

/* --- saying it --- */

static void print_zone(const struct cli_call *call, const struct cli_servers_zone *zone)
{
    char name[DNS_NAME_TEXT];
    cli_say(call, "\nservers of %s\n", dns_name_text(name, zone->name));
    for (size_t i = 0; i < zone->server_count; i++) {
        const struct cli_server *server = &zone->servers[i];
        char serial[24] = "-";
        if (server->has_serial)
            snprintf(serial, sizeof(serial), "%u", server->serial);
        cli_say(call, "  %s%-28s %-26s %10s  %s%s\n",
                cli_color(call->color, server->wrong     ? CLI_RED
                                       : server->answers ? CLI_GREEN
                                                         : CLI_DIM),
                server->name, server->address, serial,
                server->wrong     ? "see below"
                : server->answers ? "agrees"
                                  : "not asked",
                cli_color(call->color, CLI_PLAIN));
    }
}

static void write_zone(struct base_buf *out, const struct cli_servers_zone *zone)
{
    char name[DNS_NAME_TEXT];
    base_buf_text(out, "{\"zone\":");
    base_json_text(out, dns_name_text(name, zone->name));
    base_buf_text(out, ",\"servers\":[");
    for (size_t i = 0; i < zone->server_count; i++) {
        const struct cli_server *server = &zone->servers[i];
        base_buf_text(out, i > 0 ? ",{\"name\":" : "{\"name\":");
        base_json_text(out, server->name);
        base_buf_printf(out, ",\"address\":\"%s\",\"answers\":%s,\"agrees\":%s,\"serial\":",
                        server->address, server->answers ? "true" : "false",
                        server->answers && !server->wrong ? "true" : "false");
        if (server->has_serial)
            base_buf_printf(out, "%u}", server->serial);
        else
            base_buf_text(out, "null}");
    }
    base_buf_text(out, "]}");
}

int cli_servers_compare(struct cli_ask *ask, const struct validate_result *result)
{
    struct cli_call *call = ask->call;
    struct comparison comparison = {.ask = ask, .result = result};
    struct cli_servers_zone *zones;
    size_t count;
    int error = cli_servers_ask(ask, result, &zones, &count);
    if (error != BASE_OK)
        return error;
    bool without_ipv6 = is_without_ipv6(zones, count);
    if (without_ipv6)
        base_findings_add(&call->findings, SERVERS_NO_IPV6, NULL,
                          "no server could be reached by IPv6");
    base_buf_text(&call->members, ",\"servers\":[");
    for (size_t i = 0; i < count; i++) {
        comparison.zone = &zones[i];
        compare_zone(&comparison, without_ipv6);
    }
    for (size_t i = 0; i < count; i++) {
        cli_servers_delegations(call, zones, count, &zones[i]);
        print_zone(call, &zones[i]);
        base_buf_text(&call->members, i > 0 ? "," : "");
        write_zone(&call->members, &zones[i]);
    }
    base_buf_u8(&call->members, ']');
    cli_say(call, "\n");
    return comparison.error;
}
