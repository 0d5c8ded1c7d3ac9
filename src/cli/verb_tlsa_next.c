/* kenter tlsa next, kenter tlsa gate: the next certificate of a server under TLSA. What is to be
 * published, what every authoritative server gives, and when the certificate may be shown. */
#include "base/error.h"
#include "base/file.h"
#include "cli/ask.h"
#include "cli/client.h"
#include "cli/made.h"
#include "cli/report.h"
#include "dane/life.h"
#include "dane/material.h"
#include "dns/message.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SERVERS_MAX  64
#define NAMES_MAX    32
#define STATE_OCTETS ((size_t)1 << 20)
#define CLI_NOT_YET  7 /* the switch is not safe yet */
#define GATE_WAIT    172800
#define FIELDS_MAX   256

struct change {
    struct cli_call *call;
    struct cli_ask ask;
    const uint8_t *owner, *zone;
    struct dane_material current, next;
    struct dane_tlsa current_record, next_record;
    struct dane_life_wanted wanted;
    struct dane_life_server servers[SERVERS_MAX];
    size_t count;
    struct dane_life_state state;
    struct dane_life_advice advice;
    const char *path; /* of the state */
    json_t *memory;   /* what is in it */
    char where[DNS_NAME_TEXT];
    int error;
};

/* --- certificates --- */

/* A bare key does for records of selector 1. */
static struct dane_life_chain chain_of(const struct dane_material *material)
{
    if (material->count > 0)
        return (struct dane_life_chain){material->certificates, material->count};
    return (struct dane_life_chain){&material->key, 1};
}

static int make_record(struct change *change, const struct dane_material *material,
                       struct dane_tlsa *out)
{
    uint8_t *data;
    size_t length;
    uint8_t matching = (uint8_t)cli_count(change->call, "mtype", DANE_SHA256);
    struct dane_life_chain chain = chain_of(material);
    int error = dane_tlsa_make(DANE_PUBLIC_KEY, matching, chain.certificates[0].data,
                               chain.certificates[0].length, &data, &length);
    if (error != BASE_OK)
        return error;
    uint8_t *kept = base_arena_alloc(&change->call->arena, length);
    if (kept != NULL)
        memcpy(kept, data, length);
    free(data);
    *out = (struct dane_tlsa){.usage = DANE_EE,
                              .selector = DANE_PUBLIC_KEY,
                              .matching = matching,
                              .length = (uint16_t)length,
                              .data = kept};
    return kept != NULL ? BASE_OK : BASE_ENOMEM;
}

static int read_certificates(struct change *change)
{
    struct dane_life_wanted *wanted = &change->wanted;
    const char *current = cli_text(change->call, "current");
    int error = cli_made_material(change->call, cli_text(change->call, "cert"), &change->next);
    if (error == BASE_OK)
        error = make_record(change, &change->next, &change->next_record);
    if (error != BASE_OK)
        return error;
    wanted->next = chain_of(&change->next);
    wanted->next_record = &change->next_record;
    if (current == NULL)
        return BASE_OK;
    error = cli_made_material(change->call, current, &change->current);
    if (error == BASE_OK)
        error = make_record(change, &change->current, &change->current_record);
    wanted->current = chain_of(&change->current);
    wanted->current_record = &change->current_record;
    return error;
}

/* --- the state file --- */

static char *hex_of(struct change *change, const struct dane_tlsa *record)
{
    char *text = base_arena_alloc(&change->call->arena, 2u * record->length + 1);
    for (size_t i = 0; text != NULL && i < record->length; i++)
        sprintf(text + 2 * i, "%02x", record->data[i]);
    return text;
}

static int read_state(struct change *change)
{
    uint8_t *text;
    size_t length;
    json_error_t why;
    int error = base_file_read(change->path, STATE_OCTETS, &text, &length);
    if (error == BASE_EIO && errno == ENOENT) {
        change->memory = json_object();
        return change->memory != NULL ? BASE_OK : BASE_ENOMEM;
    }
    if (error != BASE_OK)
        return cli_made_bad(change->call, change->path, "the state cannot be read: %s",
                            base_strerror(error));
    change->memory = json_loadb((const char *)text, length, 0, &why);
    free(text);
    if (!json_is_object(change->memory))
        return cli_made_bad(change->call, change->path, "this is no state of a change: %s",
                            why.text);
    struct dane_life_state *state = &change->state;
    state->complete_since = cli_json_number(change->memory, "complete_since");
    state->ttl = (uint32_t)cli_json_number(change->memory, "ttl");
    state->old_seen = json_is_true(json_object_get(change->memory, "old_seen"));
    state->servers = strtoull(cli_json_text(change->memory, "servers"), NULL, 16);
    const char *next = hex_of(change, &change->next_record);
    if (next == NULL)
        return BASE_ENOMEM;
    /* Another certificate is another change. */
    if (strcmp(next, cli_json_text(change->memory, "next")) != 0 ||
        strcmp(change->where, cli_json_text(change->memory, "where")) != 0)
        dane_life_begin(state);
    return BASE_OK;
}

static int write_state(struct change *change)
{
    char servers[20];
    const struct dane_life_state *state = &change->state;
    json_t *memory = change->memory;
    snprintf(servers, sizeof(servers), "%" PRIx64, state->servers);
    json_object_set_new(memory, "where", json_string(change->where));
    json_object_set_new(memory, "next", json_string(hex_of(change, &change->next_record)));
    json_object_set_new(memory, "complete_since", json_integer(state->complete_since));
    json_object_set_new(memory, "ttl", json_integer(state->ttl));
    json_object_set_new(memory, "old_seen", json_boolean(state->old_seen));
    json_object_set_new(memory, "servers", json_string(servers));
    json_object_set_new(memory, "step", json_string(dane_life_step_name(change->advice.step)));
    json_object_set_new(memory, "reason", json_string(change->advice.reason));
    char *text = json_dumps(memory, JSON_INDENT(1));
    struct base_file_writer *writer = NULL;
    if (text == NULL)
        return BASE_ENOMEM;
    int error = base_file_create(change->path, 0644, &writer);
    if (error == BASE_OK && (error = base_file_write(writer, text, strlen(text))) == BASE_OK)
        error = base_file_commit(writer);
    else
        base_file_abort(writer);
    free(text);
    return error == BASE_OK ? BASE_OK
                            : cli_made_bad(change->call, change->path,
                                           "the state cannot be written: %s", strerror(errno));
}

/* --- the authoritative servers --- */

static void add_server(struct change *change, const char *name)
{
    for (size_t i = 0; i < change->count; i++) {
        if (strcmp(change->servers[i].name, name) == 0)
            return;
    }
    const char *kept = base_arena_strndup(&change->call->arena, name, strlen(name));
    if (kept == NULL || change->count == SERVERS_MAX)
        change->error = kept == NULL ? BASE_ENOMEM : BASE_ELIMIT;
    else
        change->servers[change->count++].name = kept;
}

/* Bogus and insecure answers alike: whoever they lead to is only asked. A server that cannot be
 * found makes the change wait, since it may be giving out the former set. */
static void add_addresses(struct change *change, const uint8_t *name)
{
    char text[INET6_ADDRSTRLEN], address[INET6_ADDRSTRLEN + 4];
    size_t before = change->count;
    for (size_t i = 0; i < 2 && change->error == BASE_OK; i++) {
        const struct validate_result *result;
        change->error =
            resolve_lookup(change->ask.context, name, i == 0 ? DNS_TYPE_A : DNS_TYPE_AAAA, &result);
        if (change->error != BASE_OK)
            return;
        for (size_t k = 0; k < result->answer_count; k++) {
            const struct validate_records *set = &result->answer[k];
            bool v6 = set->type == DNS_TYPE_AAAA;
            for (size_t r = 0; (v6 || set->type == DNS_TYPE_A) && r < set->count; r++) {
                inet_ntop(v6 ? AF_INET6 : AF_INET, set->rdata[r].data, text, sizeof(text));
                snprintf(address, sizeof(address), "%s@53", text);
                add_server(change, address);
            }
        }
        validate_result_unref(result);
    }
    char owner[DNS_NAME_TEXT];
    if (change->count == before && change->error == BASE_OK)
        add_server(change, dns_name_text(owner, name)); /* never answers */
}

static int find_servers(struct change *change)
{
    const struct validate_result *result;
    struct cli_call *call = change->call;
    memset(change->servers, 0, sizeof(change->servers));
    change->count = 0;
    for (size_t i = 0; i < call->value_count; i++) {
        if (strcmp(call->values[i].option->name, "authority") == 0)
            add_server(change, call->values[i].text);
    }
    if (change->count > 0 || change->error != BASE_OK)
        return change->error;
    change->error = resolve_lookup(change->ask.context, change->zone, DNS_TYPE_NS, &result);
    if (change->error != BASE_OK)
        return change->error;
    for (size_t k = 0; k < result->answer_count; k++) {
        const struct validate_records *set = &result->answer[k];
        for (size_t i = 0; set->type == DNS_TYPE_NS && i < set->count && i < NAMES_MAX &&
                           change->error == BASE_OK;
             i++)
            add_addresses(change, set->rdata[i].data);
    }
    validate_result_unref(result);
    return change->error;
}

struct answer {
    struct change *change;
    struct dane_life_server *server;
};

static void take_records(struct change *change, const struct dns_message *message,
                         struct dane_life_server *server)
{
    size_t count, taken = 0;
    const struct dns_record *records = dns_message_section(message, DNS_SECTION_ANSWER, &count);
    struct dane_tlsa *set = base_arena_alloc(&change->call->arena, (count + 1) * sizeof(*set));
    if (set == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        const struct dns_record *record = &records[i];
        if (record->type == DNS_TYPE_CNAME || record->type == DNS_TYPE_DNAME)
            return; /* the set is somebody else's: not to be judged here */
        if (record->type != DNS_TYPE_TLSA || !dns_name_equal(record->name, change->owner))
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
    struct answer *answer = context;
    struct dns_message message;
    if (reply->kind != VALIDATE_REPLY_PACKET ||
        dns_message_parse(reply->packet, reply->length, &answer->change->call->arena, &message) !=
            BASE_OK ||
        (message.flags & DNS_FLAG_AA) == 0 ||
        (message.rcode != DNS_RCODE_NOERROR && message.rcode != DNS_RCODE_NXDOMAIN))
        return;
    take_records(answer->change, &message, answer->server);
}

static int look(struct change *change)
{
    struct answer answers[SERVERS_MAX];
    int error = find_servers(change);
    for (size_t i = 0; i < change->count && error == BASE_OK; i++) {
        answers[i] = (struct answer){change, &change->servers[i]};
        if (strpbrk(change->servers[i].name, "@:") != NULL)
            error = resolve_ask(change->ask.context, change->servers[i].name, change->owner,
                                DNS_TYPE_TLSA, asked, &answers[i]);
    }
    resolve_wait(change->ask.context);
    if (error != BASE_OK)
        return error;
    dane_life_look(&change->wanted, change->servers, change->count, base_clock_now(),
                   &change->state, &change->advice);
    return write_state(change);
}

/* --- publishing --- */

static int publish_one(struct change *change, struct cli_client *client,
                       const struct dane_tlsa *record)
{
    char data[3 * 4 + 2 * 64 + 1], zone[DNS_NAME_TEXT];
    json_t *reply = NULL;
    const char *hex = hex_of(change, record);
    if (hex == NULL || record->length > 64)
        return BASE_EUNSUPPORTED;
    snprintf(data, sizeof(data), "%u %u %u %s", record->usage, record->selector, record->matching,
             hex);
    unsigned long ttl = cli_duration(change->call, "ttl", 3600);
    for (size_t i = 0; i < change->count; i++) {
        if (change->servers[i].count > 0)
            ttl = change->servers[i].ttl; /* an RRset has one TTL */
    }
    if (client == NULL) {
        cli_say(change->call, "update add %s %lu TLSA %s\n", change->where, ttl, data);
        return BASE_OK;
    }
    json_t *body = json_pack("{s:[{s:s,s:s,s:I,s:s,s:s}]}", "changes", "action", "add", "name",
                             change->where, "ttl", (json_int_t)ttl, "type", "TLSA", "data", data);
    int error = cli_client_ask(
        client, "POST",
        cli_zone_target(change->call, dns_name_text(zone, change->zone), "/changes"), body, &reply);
    json_decref(body);
    json_decref(reply);
    return error;
}

static int publish(struct change *change)
{
    struct cli_client client;
    bool by_api = cli_flag(change->call, "publish");
    int error = by_api ? cli_client_open(&client, change->call) : BASE_OK;
    if (!by_api)
        cli_say(change->call, "To be published (for nsupdate, or the zone file):\n");
    if (error == BASE_OK && change->advice.add_current)
        error = publish_one(change, by_api ? &client : NULL, &change->current_record);
    if (error == BASE_OK && change->advice.add_next)
        error = publish_one(change, by_api ? &client : NULL, &change->next_record);
    if (by_api)
        cli_client_close(&client);
    return error;
}

/* --- the course of it --- */

static int override(struct change *change, const char *why)
{
    char at[BASE_TIME_TEXT];
    json_t *list = json_object_get(change->memory, "overrides");
    base_time_iso(base_clock_now(), at);
    if (!json_is_array(list)) {
        list = json_array();
        json_object_set_new(change->memory, "overrides", list);
    }
    json_array_append_new(list, json_pack("{s:s,s:s,s:s}", "at", at, "because", why, "breaks",
                                          change->advice.reason));
    cli_say(change->call, "Overridden (%s), and recorded in %s. What it breaks: %s.\n", why,
            change->path, change->advice.reason);
    change->advice.switch_safe = true;
    return write_state(change);
}

static int follow(struct change *change)
{
    struct cli_call *call = change->call;
    bool gate = strcmp(call->verb->name, "tlsa gate") == 0;
    base_time until =
        base_clock_now() + (base_time)cli_duration(call, "wait", gate ? GATE_WAIT : 0);
    bool published = gate && !cli_flag(call, "publish");
    char told[DANE_LIFE_TEXT] = "";
    while (true) {
        int error = look(change);
        if (error == BASE_OK && (change->advice.add_current || change->advice.add_next) &&
            !published) {
            error = publish(change);
            published = true;
        }
        if (error != BASE_OK)
            return error;
        if (strcmp(told, change->advice.reason) != 0)
            cli_say(call, "%s: %s.\n", dane_life_step_name(change->advice.step),
                    change->advice.reason);
        memcpy(told, change->advice.reason, sizeof(told));
        base_time now = base_clock_now(), next = change->advice.next_look;
        if (change->advice.switch_safe || change->advice.step == DANE_LIFE_REFUSED || now >= until)
            break;
        next = next < until ? next : until;
        struct timespec pause = {.tv_sec = next > now ? next - now : 1};
        nanosleep(&pause, NULL);
    }
    const char *because = cli_text(call, "override");
    return !change->advice.switch_safe && because != NULL ? override(change, because) : BASE_OK;
}

static int begin(struct change *change)
{
    struct cli_call *call = change->call;
    unsigned long port = cli_count(call, "port", 25);
    if (port == 0 || port > UINT16_MAX)
        return cli_usage_error(call->verb, "%lu is no port", port);
    if (cli_count(call, "mtype", 1) < 1 || cli_count(call, "mtype", 1) > 2)
        return cli_usage_error(call->verb, "the matching type is 1 or 2");
    change->owner = cli_made_name(call, "a service", "_%lu._tcp.%s", port, cli_text(call, "host"));
    if (change->owner == NULL)
        return CLI_USAGE;
    dns_name_text(change->where, change->owner);
    change->zone = cli_name(call, "zone");
    change->path = cli_text(call, "state");
    change->wanted = (struct dane_life_wanted){.usages = port == 25 ? DANE_USAGES_OPPORTUNISTIC
                                                                    : DANE_USAGES_ALL,
                                               .ttl = (uint32_t)cli_duration(call, "former-ttl", 0),
                                               .where = change->where};
    int code = cli_ask_parse_options(&change->ask, call);
    change->ask.live = true;
    return code == CLI_GOOD ? cli_ask_open(&change->ask, false, &change->error) : code;
}

static int run(struct cli_call *call)
{
    struct change *change = base_arena_zalloc(&call->arena, sizeof(*change));
    if (change == NULL)
        return cli_finish(call, BASE_ENOMEM);
    change->call = call;
    int code = begin(change), error = change->error;
    if (code == CLI_GOOD) {
        error = read_certificates(change);
        if (error == BASE_OK)
            error = read_state(change);
        if (error == BASE_OK)
            error = follow(change);
        if (error == BASE_OK && !change->advice.switch_safe)
            call->outcome = CLI_NOT_YET;
    }
    cli_ask_close(&change->ask);
    dane_material_free(&change->current);
    dane_material_free(&change->next);
    json_decref(change->memory);
    return code == CLI_GOOD || error != BASE_OK ? cli_finish(call, error) : code;
}

#define OPTIONS                                                                                    \
    (const struct cli_option[])                                                                    \
    {                                                                                              \
        {.name = "cert",                                                                           \
         .letter = 'c',                                                                            \
         .kind = CLI_FILE,                                                                         \
         .argument = "FILE",                                                                       \
         .required = true,                                                                         \
         .help = "The next certificate, or its key."},                                             \
            {.name = "current",                                                                    \
             .kind = CLI_FILE,                                                                     \
             .argument = "FILE",                                                                   \
             .help = "The certificate that is shown now. Needed when nothing is published yet; "   \
                     "with it, a set that does not match it is noticed."},                         \
            {.name = "host",                                                                       \
             .kind = CLI_TEXT,                                                                     \
             .argument = "NAME",                                                                   \
             .required = true,                                                                     \
             .help = "The server's name, as MX or SRV have it."},                                  \
            {.name = "port",                                                                       \
             .kind = CLI_COUNT,                                                                    \
             .argument = "PORT",                                                                   \
             .help = "The port of the service; the default is 25."},                               \
            {.name = "zone",                                                                       \
             .kind = CLI_NAME,                                                                     \
             .argument = "ZONE",                                                                   \
             .required = true,                                                                     \
             .help = "The zone that the records are in."},                                         \
            {.name = "state",                                                                      \
             .kind = CLI_FILE,                                                                     \
             .argument = "FILE",                                                                   \
             .required = true,                                                                     \
             .help = "Where it is remembered what was seen, and since when: one file for each "    \
                     "host and port."},                                                            \
            {.name = "publish",                                                                    \
             .kind = CLI_FLAG,                                                                     \
             .help = "Publish the records by kenterd, which keeps the zone (one of edits). "       \
                     "Otherwise they are printed."},                                               \
            {.name = "wait",                                                                       \
             .kind = CLI_DURATION,                                                                 \
             .argument = "DURATION",                                                               \
             .help = "Wait so long for it to be safe. The default is 0; of gate, 2 days."},        \
            {.name = "mtype",                                                                      \
             .kind = CLI_COUNT,                                                                    \
             .argument = "N",                                                                      \
             .help = "Matching type of the record; 1, the default: SHA-256; 2: SHA-512."},         \
            {.name = "ttl",                                                                        \
             .kind = CLI_DURATION,                                                                 \
             .argument = "DURATION",                                                               \
             .help = "TTL of the records where none are there yet; the default is 1h."},           \
            {.name = "former-ttl",                                                                 \
             .kind = CLI_DURATION,                                                                 \
             .argument = "DURATION",                                                               \
             .help = "The largest TTL of former sets, where it was lowered just before, or was "   \
                     "never seen."},                                                               \
            {.name = "authority",                                                                  \
             .kind = CLI_TEXT,                                                                     \
             .argument = "ADDRESS",                                                                \
             .repeats = true,                                                                      \
             .help = "Look at these servers (192.0.2.1@53), instead of those of the zone's NS "    \
                     "records. May be given several times: all must be given."},                   \
            {.name = "override",                                                                   \
             .kind = CLI_TEXT,                                                                     \
             .argument = "REASON",                                                                 \
             .help = "Go on though it is not safe. The reason, and what it breaks, are recorded "  \
                     "in the state file."},                                                        \
            CLI_OPTION_SOCKET, CLI_OPTIONS_ASK,                                                    \
        {                                                                                          \
            .name = NULL                                                                           \
        }                                                                                          \
    }

#define EXITS                                                                                      \
    "The exit code is 0 when the next certificate may be shown, 7 when it may not yet; what is "   \
    "waited for, and until when, is said."

const struct cli_verb cli_verb_tlsa_next = {
    .name = "tlsa next",
    .summary = "prepare the next certificate of a server under TLSA",
    .description =
        "Publishes, or prints, a TLSA record for the next certificate beside those that are there, "
        "looks what every authoritative server gives, and tells when the certificate may be shown: "
        "when every server has been seen with the record, and the TTL of the former set has passed "
        "since then.\n\n" EXITS,
    .options = OPTIONS,
    .examples =
        (const struct cli_example[]){
            {"kenter tlsa next --cert new.pem --host mx.example.net --zone example.net --state "
             "mx.json",
             "Publish nothing, and tell what is to be published and when it is safe."},
            {NULL, NULL}},
    .run = run,
};

const struct cli_verb cli_verb_tlsa_gate = {
    .name = "tlsa gate",
    .summary = "wait until a certificate may be shown under TLSA",
    .description = "The same as kenter tlsa next, for the hooks of ACME clients: waits, and prints "
                   "no records. With --publish it publishes what is missing.\n\n" EXITS,
    .options = OPTIONS,
    .examples =
        (const struct cli_example[]){
            {"kenter tlsa gate --cert c.pem --host mx.example.net --zone example.net "
             "--state s --wait 1d",
             "Block until it is safe, for a day at most."},
            {NULL, NULL}},
    .run = run,
};
