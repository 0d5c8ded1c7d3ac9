/* kenter set, kenter add, kenter delete: records of zones whose content kenterd keeps. */
#include "base/error.h"
#include "cli/client.h"
#include "cli/report.h"
#include "cli/terminal.h"

#include <stdlib.h>
#include <string.h>

/* The operands from one on, as one text. */
static const char *join(struct cli_call *call, size_t from)
{
    size_t length = 1;
    for (size_t i = from; i < call->operand_count; i++)
        length += strlen(call->operands[i]) + 1;
    char *text = base_arena_alloc(&call->arena, length);
    if (text == NULL)
        return NULL;
    char *at = text;
    for (size_t i = from; i < call->operand_count; i++) {
        if (i > from)
            *at++ = ' ';
        size_t own = strlen(call->operands[i]);
        memcpy(at, call->operands[i], own);
        at += own;
    }
    *at = '\0';
    return text;
}

static bool is_ttl(const char *text)
{
    int64_t seconds;
    return text[0] >= '0' && text[0] <= '9' && base_duration_parse(text, &seconds) == BASE_OK &&
           seconds <= INT32_MAX;
}

static json_t *change_body(struct cli_call *call, const char *action, size_t type_at, int64_t ttl)
{
    json_t *change = json_pack("{s:s, s:s}", "action", action, "name", call->operands[1]);
    if (change != NULL && ttl >= 0)
        json_object_set_new(change, "ttl", json_integer(ttl));
    if (change != NULL && call->operand_count > type_at)
        json_object_set_new(change, "type", json_string(call->operands[type_at]));
    if (change != NULL && call->operand_count > type_at + 1) {
        const char *data = join(call, type_at + 1);
        json_object_set_new(change, "data", data != NULL ? json_string(data) : NULL);
    }
    return json_pack("{s:[o]}", "changes", change);
}

static void print_records(const struct cli_call *call, const json_t *records, char mark,
                          enum cli_color color)
{
    size_t index;
    json_t *record;
    json_array_foreach((json_t *)records, index, record)
    {
        printf("%s%c ", cli_color(call->color, color), mark);
        cli_print_safely(stdout, cli_json_text(record, "name"));
        printf(" %lld %s ", (long long)cli_json_number(record, "ttl"),
               cli_json_text(record, "type"));
        cli_print_safely(stdout, cli_json_text(record, "data"));
        printf("%s\n", cli_color(call->color, CLI_PLAIN));
    }
}

static size_t show_difference(const struct cli_call *call, const json_t *reply)
{
    const json_t *removed = json_object_get(reply, "removed"),
                 *added = json_object_get(reply, "added");
    if (!call->json && !call->quiet) {
        print_records(call, removed, '-', CLI_RED);
        print_records(call, added, '+', CLI_GREEN);
    }
    return json_array_size(removed) + json_array_size(added);
}

static void report(struct cli_call *call, json_t *reply)
{
    cli_take_findings(call, json_object_get(reply, "findings"));
    json_object_del(reply, "findings");
    if (call->json)
        cli_member(call, "change", reply);
}

/* Asks what would change, shows it, and does it. */
static int change(struct cli_call *call, struct cli_client *client, json_t *body)
{
    const char *target = cli_zone_target(call, call->operands[0], "/changes");
    json_t *reply = NULL;
    json_object_set_new(body, "dry_run", json_true());
    int error = cli_client_ask(client, "POST", target, body, &reply);
    if (error != BASE_OK)
        return error;
    bool dry = cli_flag(call, "dry-run");
    if (show_difference(call, reply) == 0 || dry) {
        if (!dry)
            cli_say(call, "That is how it is already; nothing was changed.\n");
        report(call, reply);
        json_decref(reply);
        return BASE_OK;
    }
    /* What was shown is what shall be done, so the zone must be the same still. */
    json_t *serial = json_object_get(reply, "serial");
    if (json_is_integer(serial))
        json_object_set(body, "serial", serial);
    json_object_set_new(body, "dry_run", json_false());
    json_decref(reply);
    reply = NULL;
    if (!cli_confirm(call, "Make this change?")) {
        cli_say(call, "Nothing was changed.\n");
        return BASE_OK;
    }
    error = cli_client_ask(client, "POST", target, body, &reply);
    if (error != BASE_OK)
        return error;
    cli_say(call, "Serial %lld is served.\n", (long long)cli_json_number(reply, "serial"));
    report(call, reply);
    json_decref(reply);
    return BASE_OK;
}

static int run_change(struct cli_call *call, const char *action, size_t type_at, int64_t ttl)
{
    struct cli_client client;
    json_t *body = change_body(call, action, type_at, ttl);
    int error = cli_client_open(&client, call);
    if (error == BASE_OK)
        error = body != NULL ? change(call, &client, body) : BASE_ENOMEM;
    json_decref(body);
    cli_client_close(&client);
    return cli_finish(call, error);
}

static int run_set_or_add(struct cli_call *call)
{
    int64_t ttl;
    if (!is_ttl(call->operands[2]))
        return cli_usage_error(call->verb,
                               "the TTL comes before the type: a number of seconds or a duration "
                               "such as 1h, not \"%s\"",
                               call->operands[2]);
    if (base_duration_parse(call->operands[2], &ttl) != BASE_OK)
        return CLI_USAGE;
    return run_change(call, call->verb->name, 3, ttl);
}

static int run_delete(struct cli_call *call)
{
    /* A TTL is taken, so that the record can be given as it is printed, and says nothing. */
    bool with_ttl = call->operand_count > 2 && is_ttl(call->operands[2]);
    return run_change(call, "delete", with_ttl ? 3 : 2, -1);
}

#define OPTIONS                                                                                    \
    (const struct cli_option[])                                                                    \
    {                                                                                              \
        {.name = "dry-run",                                                                        \
         .kind = CLI_FLAG,                                                                         \
         .help = "Only show what would change, and what would be wrong then."},                    \
            CLI_OPTION_YES, CLI_OPTION_SOCKET,                                                     \
        {                                                                                          \
            .name = NULL                                                                           \
        }                                                                                          \
    }
#define OPERAND_NAME                                                                               \
    {                                                                                              \
        .name = "NAME", .kind = CLI_TEXT,                                                          \
        .help = "A name, absolute or relative to the zone; \"@\" is the zone itself."              \
    }
#define OPERAND_DATA                                                                               \
    {                                                                                              \
        .name = "DATA", .kind = CLI_TEXT, .repeats = true,                                         \
        .help = "As in a zone file; quote for the shell what it would take apart."                 \
    }
/* A whole record: of set and add. */
static const struct cli_operand record_operands[] = {
    CLI_OPERAND_ZONE,
    OPERAND_NAME,
    {.name = "TTL", .kind = CLI_TEXT, .help = "In seconds, or as a duration: 3600, 1h."},
    {.name = "TYPE", .kind = CLI_TEXT, .help = "Its type."},
    OPERAND_DATA,
    {.name = NULL}};

#define WHAT_HAPPENS                                                                               \
    "The difference is shown first and, on a terminal, asked about. The change is on disk, "       \
    "signed, verified and served when the command ends, or nothing was changed.\n\n"               \
    "It is for zones of edits. For a zone of a file or of a primary it says what to edit "         \
    "instead."

const struct cli_verb cli_verb_set = {
    .name = "set",
    .summary = "replace the records of a name and type",
    .description = "The records of this name and type become the one that is given. " WHAT_HAPPENS,
    .operands = record_operands,
    .options = OPTIONS,
    .examples =
        (const struct cli_example[]){
            {"kenter set example.com www 1h A 192.0.2.80", "The one address of www.example.com."},
            {"kenter set --dry-run example.com @ 1h MX 10 mail", "What would that change?"},
            {NULL, NULL}},
    .run = run_set_or_add,
};

const struct cli_verb cli_verb_add = {
    .name = "add",
    .summary = "add a record to a zone",
    .description = "One more record. " WHAT_HAPPENS,
    .operands = record_operands,
    .options = OPTIONS,
    .examples =
        (const struct cli_example[]){
            {"kenter add example.com www 1h AAAA 2001:db8::80", "One more address."},
            {"kenter add example.com @ 1d TXT '\"v=spf1 -all\"'",
             "A text with a space; the inner quotes are the record's."},
            {NULL, NULL}},
    .run = run_set_or_add,
};

const struct cli_verb cli_verb_delete = {
    .name = "delete",
    .summary = "delete records from a zone",
    .description = "One record, all of a type, or all of a name. " WHAT_HAPPENS,
    .operands =
        (const struct cli_operand[]){
            CLI_OPERAND_ZONE,
            OPERAND_NAME,
            {.name = "TYPE",
             .kind = CLI_TEXT,
             .optional = true,
             .help = "Its type; without it, all records of the name. A TTL before it is ignored."},
            {.name = "DATA",
             .kind = CLI_TEXT,
             .optional = true,
             .repeats = true,
             .help = "As in a zone file; without it, all records of the type."},
            {.name = NULL}},
    .options = OPTIONS,
    .examples =
        (const struct cli_example[]){
            {"kenter delete example.com www AAAA 2001:db8::80", "One address less."},
            {"kenter delete example.com old", "All records of old.example.com."},
            {NULL, NULL}},
    .run = run_delete,
};
