/* What the authoritative servers of a service's TLSA records give: see tlsa.h. */
#include "cli/tlsa.h"

#include "base/error.h"
#include "dns/message.h"

#include <arpa/inet.h>
#include <string.h>

#define NAMES_MAX 32 /* NS records that are followed */

/* One name that is asked for: the service's own, or one that an alias leads to. */
struct look {
    struct cli_tlsa *tlsa;
    struct cli_tlsa_hop *hop;
    unsigned number;
    int error;
};

/* --- the zone --- */

static int refuse(struct cli_tlsa *tlsa, const uint8_t *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int refuse(struct cli_tlsa *tlsa, const uint8_t *name, const char *format, ...)
{
    char owner[DNS_NAME_TEXT], message[600];
    struct base_place place = {.owner = dns_name_text(owner, name), .type = "TLSA"};
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    base_findings_add(&tlsa->call->findings, AUTH_HOST_SKIPPED, &place, "%s", message);
    return BASE_EREFUSED;
}

/* The closest name above that has a SOA record. A name that is not there is in the zone of the one
 * above; one that cannot be had may be anywhere. */
static int find_zone(struct look *look)
{
    struct cli_tlsa *tlsa = look->tlsa;
    struct cli_tlsa_hop *hop = look->hop;
    for (const uint8_t *at = hop->name; !hop->has_zone; at += 1 + at[0]) {
        const struct validate_result *result;
        int error = resolve_lookup(tlsa->ask->context, at, DNS_TYPE_SOA, &result);
        if (error != BASE_OK)
            return error;
        const struct validate_records *set = cli_ask_records(result, DNS_TYPE_SOA);
        hop->has_zone = set != NULL && dns_name_equal(set->name, at);
        if (hop->has_zone)
            dns_name_lower(hop->zone, at);
        else if (result->kind == VALIDATE_ANSWER_NONE || at[0] == 0)
            error = refuse(tlsa, hop->name,
                           "the zone that it is in cannot be found out, so give it by --zone: %s",
                           result->sentence != NULL ? result->sentence : "no answer");
        validate_result_unref(result);
        if (error != BASE_OK)
            return error;
    }
    return BASE_OK;
}

static int know_zone(struct look *look)
{
    const uint8_t *given = cli_name(look->tlsa->call, "zone");
    if (look->hop->has_zone)
        return BASE_OK;
    if (given == NULL || !dns_name_within(look->hop->name, given))
        return find_zone(look);
    dns_name_lower(look->hop->zone, given);
    look->hop->has_zone = true;
    return BASE_OK;
}

/* --- its servers --- */

/* `address` NULL: it never answers. */
static void add_server(struct look *look, const char *name, const char *address)
{
    struct cli_tlsa *tlsa = look->tlsa;
    for (size_t i = 0; i < tlsa->count; i++) {
        if (tlsa->servers[i].hop == look->number && address != NULL &&
            tlsa->sources[i].address != NULL && strcmp(tlsa->sources[i].address, address) == 0)
            return;
    }
    const char *text = name == NULL || address == NULL
                           ? base_arena_printf(&tlsa->arena, "%s", name != NULL ? name : address)
                           : base_arena_printf(&tlsa->arena, "%s %s", name, address);
    const char *kept =
        address == NULL ? NULL : base_arena_strndup(&tlsa->arena, address, strlen(address));
    if (tlsa->count == CLI_TLSA_SERVERS)
        look->error = BASE_ELIMIT;
    else if (text == NULL || (address != NULL && kept == NULL))
        look->error = BASE_ENOMEM;
    if (look->error != BASE_OK)
        return;
    tlsa->sources[tlsa->count] = (struct cli_tlsa_source){.address = kept};
    tlsa->servers[tlsa->count++] = (struct dane_life_server){.name = text, .hop = look->number};
}

static void add_addresses_of(struct look *look, const char *name,
                             const struct validate_records *set)
{
    char text[INET6_ADDRSTRLEN], address[INET6_ADDRSTRLEN + 4];
    bool v6 = set->type == DNS_TYPE_AAAA;
    for (size_t i = 0; i < set->count; i++) {
        if (set->rdata[i].length != (v6 ? 16 : 4) ||
            inet_ntop(v6 ? AF_INET6 : AF_INET, set->rdata[i].data, text, sizeof(text)) == NULL)
            continue;
        snprintf(address, sizeof(address), "%s@53", text);
        add_server(look, name, address);
    }
}

/* Bogus and insecure answers alike: whoever they lead to is only asked. A server that cannot be
 * found makes the change wait, since it may be giving out the former set. */
static void add_addresses(struct look *look, const uint8_t *name)
{
    static const uint16_t types[] = {DNS_TYPE_A, DNS_TYPE_AAAA};
    char text[DNS_NAME_TEXT];
    size_t before = look->tlsa->count;
    dns_name_text(text, name);
    for (size_t i = 0; i < 2 && look->error == BASE_OK; i++) {
        const struct validate_result *result;
        look->error = resolve_lookup(look->tlsa->ask->context, name, types[i], &result);
        if (look->error != BASE_OK)
            return;
        const struct validate_records *set = cli_ask_records(result, types[i]);
        if (set != NULL)
            add_addresses_of(look, text, set);
        validate_result_unref(result);
    }
    if (look->tlsa->count == before && look->error == BASE_OK)
        add_server(look, text, NULL);
}

static int find_servers(struct look *look)
{
    const struct cli_call *call = look->tlsa->call;
    const struct validate_result *result;
    size_t before = look->tlsa->count;
    for (size_t i = 0; i < call->value_count; i++) {
        if (strcmp(call->values[i].option->name, "authority") == 0)
            add_server(look, NULL, call->values[i].text);
    }
    if (look->tlsa->count > before || look->error != BASE_OK)
        return look->error;
    look->error = resolve_lookup(look->tlsa->ask->context, look->hop->zone, DNS_TYPE_NS, &result);
    if (look->error != BASE_OK)
        return look->error;
    const struct validate_records *set = cli_ask_records(result, DNS_TYPE_NS);
    for (size_t i = 0; set != NULL && i < set->count && i < NAMES_MAX; i++) {
        if (look->error == BASE_OK)
            add_addresses(look, set->rdata[i].data);
    }
    validate_result_unref(result);
    return look->error;
}

/* --- their answers --- */

struct question {
    struct look *look;
    size_t index; /* of the server */
};

static void take_alias(struct look *look, size_t index, const struct dns_record *record)
{
    char text[DNS_NAME_TEXT];
    struct dane_life_server *server = &look->tlsa->servers[index];
    size_t length = dns_name_to_text(text, record->rdata);
    server->alias = base_arena_strndup(&look->tlsa->arena, text, length);
    server->ttl = record->ttl;
    server->answered = server->alias != NULL;
    look->tlsa->sources[index].alias = record->rdata;
}

static void take_records(struct look *look, size_t index, const struct dns_message *message)
{
    size_t count, taken = 0;
    struct dane_life_server *server = &look->tlsa->servers[index];
    const struct dns_record *records = dns_message_section(message, DNS_SECTION_ANSWER, &count);
    struct dane_tlsa *set = base_arena_alloc(&look->tlsa->arena, (count + 1) * sizeof(*set));
    if (set == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        const struct dns_record *record = &records[i];
        if (!dns_name_equal(record->name, look->hop->name))
            continue;
        if (record->type == DNS_TYPE_CNAME) {
            take_alias(look, index, record);
            return;
        }
        if (record->type != DNS_TYPE_TLSA)
            continue;
        if (dane_tlsa_read(record->rdata, record->length, &set[taken]) != BASE_OK)
            return;
        if (taken++ == 0 || record->ttl > server->ttl)
            server->ttl = record->ttl;
    }
    server->records = set;
    server->count = taken;
    server->answered = true;
}

static void asked(void *context, const struct validate_reply *reply)
{
    const struct question *question = context;
    struct dns_message message;
    struct base_arena *arena = &question->look->tlsa->arena;
    if (reply->kind != VALIDATE_REPLY_PACKET ||
        dns_message_parse(reply->packet, reply->length, arena, &message) != BASE_OK ||
        (message.flags & DNS_FLAG_AA) == 0 ||
        (message.rcode != DNS_RCODE_NOERROR && message.rcode != DNS_RCODE_NXDOMAIN))
        return;
    take_records(question->look, question->index, &message);
}

static int ask_servers(struct look *look, size_t from)
{
    struct cli_tlsa *tlsa = look->tlsa;
    struct question questions[CLI_TLSA_SERVERS];
    int error = BASE_OK;
    for (size_t i = from; i < tlsa->count && error == BASE_OK; i++) {
        questions[i] = (struct question){look, i};
        if (tlsa->sources[i].address != NULL)
            error = resolve_ask(tlsa->ask->context, tlsa->sources[i].address, look->hop->name,
                                DNS_TYPE_TLSA, asked, &questions[i]);
    }
    /* Also after an error: what was asked writes into `questions`. */
    resolve_wait(tlsa->ask->context);
    return error;
}

/* --- the whole look --- */

/* Where the first server that answers says that the records are. NULL: here. */
static const uint8_t *alias_of(const struct cli_tlsa *tlsa, size_t from)
{
    for (size_t i = from; i < tlsa->count; i++) {
        if (tlsa->servers[i].answered)
            return tlsa->sources[i].alias;
    }
    return NULL;
}

/* Who cannot prove an alias takes the records behind it for absent (RFC 7672 section 2.1.3). */
static int judge_aliases(struct cli_tlsa *tlsa)
{
    const struct validate_result *result;
    if (tlsa->judged || tlsa->end == 0)
        return BASE_OK;
    tlsa->judged = true;
    int error = resolve_lookup(tlsa->ask->context, tlsa->owner, DNS_TYPE_TLSA, &result);
    if (error != BASE_OK)
        return error;
    struct base_place place = {.owner = tlsa->where, .type = "TLSA"};
    if (result->status != VALIDATE_SECURE)
        base_findings_add(&tlsa->call->findings, AUTH_HOST_UNSIGNED, &place,
                          "the alias to %s is not proved to be the domain's, so senders take its "
                          "records for absent: %s",
                          tlsa->end_text,
                          result->sentence != NULL ? result->sentence : "no answer");
    validate_result_unref(result);
    return BASE_OK;
}

static int look_at(struct look *look)
{
    struct cli_tlsa *tlsa = look->tlsa;
    bool given = cli_text(tlsa->call, "authority") != NULL;
    size_t before = tlsa->count;
    int error = given && cli_text(tlsa->call, "zone") == NULL && !cli_flag(tlsa->call, "publish")
                    ? BASE_OK /* it is of no use */
                    : know_zone(look);
    if (error == BASE_OK)
        error = find_servers(look);
    return error == BASE_OK ? ask_servers(look, before) : error;
}

int cli_tlsa_look(struct cli_tlsa *tlsa)
{
    const uint8_t *name = tlsa->owner;
    base_arena_free(&tlsa->arena);
    tlsa->count = 0;
    for (unsigned i = 0; name != NULL; i++) {
        struct look look = {.tlsa = tlsa, .hop = &tlsa->hops[i], .number = i};
        if (i == CLI_TLSA_HOPS)
            return refuse(tlsa, tlsa->owner, "it leads from alias to alias, more than %d",
                          CLI_TLSA_HOPS - 1);
        if (!dns_name_equal(look.hop->name, name)) {
            *look.hop = (struct cli_tlsa_hop){.has_zone = false};
            memcpy(look.hop->name, name, dns_name_length(name));
        }
        tlsa->end = i;
        dns_name_text(tlsa->end_text, name);
        size_t before = tlsa->count;
        int error = look_at(&look);
        if (error != BASE_OK)
            return error;
        name = alias_of(tlsa, before);
    }
    return judge_aliases(tlsa);
}

const uint8_t *cli_tlsa_zone(const struct cli_tlsa *tlsa)
{
    return tlsa->hops[tlsa->end].has_zone ? tlsa->hops[tlsa->end].zone : NULL;
}

/* --- as JSON --- */

static json_t *records_json(struct cli_tlsa *tlsa, const struct dane_life_server *server)
{
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && i < server->count; i++) {
        const char *text = cli_tlsa_text(&tlsa->arena, &server->records[i]);
        json_array_append_new(list, text != NULL ? json_string(text) : NULL);
    }
    return list;
}

json_t *cli_tlsa_servers(struct cli_tlsa *tlsa)
{
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && i < tlsa->count; i++) {
        const struct dane_life_server *server = &tlsa->servers[i];
        json_array_append_new(list, json_pack("{s:s,s:b,s:s?,s:o,s:I}", "name", server->name,
                                              "answered", server->answered, "alias", server->alias,
                                              "records", records_json(tlsa, server), "ttl",
                                              (json_int_t)server->ttl));
    }
    return list;
}
