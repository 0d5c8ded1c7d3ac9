/* kenter create and kenter remove: zones by the API. */
#include "base/error.h"
#include "base/file.h"
#include "cli/client.h"
#include "cli/report.h"
#include "dns/name.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONTENT_MAX ((size_t)12 << 20) /* octets of a zone file that a request has room for */

static size_t times_given(const struct cli_call *call, const char *option)
{
    size_t count = 0;
    for (size_t i = 0; i < call->value_count; i++)
        count += strcmp(call->values[i].option->name, option) == 0;
    return count;
}

/* The path as kenterd must have it, which runs elsewhere. */
static json_t *file_source(struct cli_call *call, const char *path)
{
    char here[PATH_MAX];
    if (path[0] == '/')
        return json_pack("{s:s, s:s}", "kind", "file", "file", path);
    if (getcwd(here, sizeof(here)) == NULL)
        return NULL;
    const char *whole = base_arena_printf(&call->arena, "%s/%s", here, path);
    return whole != NULL ? json_pack("{s:s, s:s}", "kind", "file", "file", whole) : NULL;
}

static json_t *primary_source(const struct cli_call *call)
{
    json_t *list = json_array();
    for (size_t i = 0; i < call->value_count; i++) {
        if (strcmp(call->values[i].option->name, "primary") == 0)
            json_array_append_new(list, json_string(call->values[i].text));
    }
    return json_pack("{s:s, s:o}", "kind", "primary", "primaries", list);
}

/* A zone that has nothing but its name servers. */
static json_t *servers_source(struct cli_call *call)
{
    struct base_buf text;
    base_buf_init(&text, SIZE_MAX / 2);
    for (size_t i = 0; i < call->value_count; i++) {
        if (strcmp(call->values[i].option->name, "ns") != 0)
            continue;
        char name[DNS_NAME_TEXT];
        const uint8_t *wire = cli_parse_name(call, call->values[i].text);
        if (wire == NULL)
            continue;
        dns_name_text(name, wire);
        if (text.length == 0)
            base_buf_printf(&text, "@ 3600 SOA %s hostmaster 1 7200 3600 1209600 300\n", name);
        base_buf_printf(&text, "@ 3600 NS %s\n", name);
    }
    json_t *source = json_pack("{s:s, s:s}", "kind", "edits", "content", base_buf_string(&text));
    base_buf_free(&text);
    return source;
}

static int content_source(struct cli_call *call, const char *path, json_t **out)
{
    uint8_t *text;
    size_t length;
    struct base_place place = {.file = path};
    int error = base_file_read(path, CONTENT_MAX, &text, &length);
    if (error == BASE_EIO)
        cli_file_finding(call, FILE_UNREADABLE, path, "the content cannot be read");
    if (error == BASE_ELIMIT)
        base_findings_add(&call->findings, API_TOO_LARGE, &place,
                          "it is larger than %zu octets; let kenterd read it: --file", CONTENT_MAX);
    if (error != BASE_OK)
        return error == BASE_ENOMEM ? error : BASE_EREFUSED;
    json_t *content = json_stringn((const char *)text, length);
    free(text);
    if (content == NULL)
        base_findings_add(&call->findings, API_REQUEST_BAD, &place,
                          "it is no text in UTF-8, as a request must be; let kenterd read it: "
                          "--file");
    if (content == NULL)
        return BASE_EREFUSED;
    *out = json_pack("{s:s, s:o}", "kind", "edits", "content", content);
    return BASE_OK;
}

static int make_source(struct cli_call *call, json_t **out)
{
    if (cli_text(call, "content") != NULL)
        return content_source(call, cli_text(call, "content"), out);
    if (cli_text(call, "file") != NULL)
        *out = file_source(call, cli_text(call, "file"));
    else if (cli_text(call, "primary") != NULL)
        *out = primary_source(call);
    else if (cli_text(call, "ns") != NULL)
        *out = servers_source(call);
    else
        *out = json_pack("{s:s}", "kind", "edits");
    return *out != NULL ? BASE_OK : BASE_ENOMEM;
}

static int create(struct cli_call *call, struct cli_client *client)
{
    json_t *source = NULL, *reply = NULL;
    int error = make_source(call, &source);
    if (error != BASE_OK)
        return error;
    json_t *body = json_pack("{s:s, s:o}", "zone", call->operands[0], "source", source);
    if (body == NULL)
        return BASE_ENOMEM;
    if (cli_text(call, "policy") != NULL)
        json_object_set_new(body, "policy", json_string(cli_text(call, "policy")));
    error = cli_client_ask(client, "POST", "/v1/zones", body, &reply);
    json_decref(body);
    if (error != BASE_OK)
        return error;
    if (call->json)
        cli_member(call, "zone", reply);
    cli_say(call, "%s was made; its state is %s.\n", cli_json_text(reply, "zone"),
            cli_json_text(reply, "state"));
    json_decref(reply);
    return BASE_OK;
}

static int run_create(struct cli_call *call)
{
    struct cli_client client;
    size_t kinds = times_given(call, "file") + times_given(call, "content") +
                   (times_given(call, "primary") > 0) + (times_given(call, "ns") > 0);
    if (kinds > 1)
        return cli_usage_error(call->verb,
                               "a zone has one source: --file, --primary, --content or --ns");
    int error = cli_client_open(&client, call);
    if (error == BASE_OK)
        error = create(call, &client);
    cli_client_close(&client);
    return cli_finish(call, error);
}

static int run_remove(struct cli_call *call)
{
    struct cli_client client;
    json_t *reply = NULL;
    int error = cli_client_open(&client, call);
    if (error == BASE_OK) {
        const char *name = cli_zone_name(call, call->operands[0]);
        const char *question =
            base_arena_printf(&call->arena, "Stop serving %s and forget its records?", name);
        if (question == NULL || !cli_confirm(call, question)) {
            cli_say(call, "Nothing was changed.\n");
            cli_client_close(&client);
            return cli_finish(call, question == NULL ? BASE_ENOMEM : BASE_OK);
        }
        error = cli_client_ask(&client, "DELETE", cli_zone_target(call, call->operands[0], ""),
                               NULL, &reply);
    }
    if (error == BASE_OK) {
        cli_say(call, "%s is not served any more.\n", cli_json_text(reply, "zone"));
        cli_summary_text(call, "zone", cli_json_text(reply, "zone"));
    }
    json_decref(reply);
    cli_client_close(&client);
    return cli_finish(call, error);
}

const struct cli_verb cli_verb_create = {
    .name = "create",
    .summary = "make a zone in kenterd",
    .description =
        "Makes a zone from a file, from primaries, or one whose records kenterd keeps itself, to "
        "be changed with set, add and delete and by DNS UPDATE. Such a zone begins with what "
        "--content or --ns gives it; without them it is empty, and is served as soon as it has an "
        "SOA record and NS records.",
    .operands = (const struct cli_operand[]){CLI_OPERAND_ZONE, {.name = NULL}},
    .options =
        (const struct cli_option[]){
            {.name = "file",
             .kind = CLI_FILE,
             .argument = "FILE",
             .help = "The zone file, which kenterd reads and watches."},
            {.name = "primary",
             .kind = CLI_TEXT,
             .argument = "REMOTE",
             .repeats = true,
             .help = "A primary to fetch the zone from: the name of a remote in kenter.yaml, or an "
                     "address."},
            {.name = "content",
             .kind = CLI_FILE,
             .argument = "FILE",
             .help = "A zone file to begin with, read once; \"-\" is standard input."},
            {.name = "ns",
             .kind = CLI_NAME,
             .argument = "NAME",
             .repeats = true,
             .help = "A name server; the zone begins with nothing else."},
            {.name = "policy",
             .kind = CLI_TEXT,
             .argument = "POLICY",
             .help = "Its policy; otherwise the one for zones of the API."},
            CLI_OPTION_SOCKET,
            {.name = NULL}},
    .examples =
        (const struct cli_example[]){
            {"kenter create example.com --ns ns1.example.net --ns ns2.example.net",
             "An empty zone with its name servers."},
            {"kenter create example.com --content example.com.zone",
             "A zone that begins with the records of a file."},
            {"kenter create example.com --primary 192.0.2.53", "A zone that is fetched."},
            {NULL, NULL}},
    .run = run_create,
};

const struct cli_verb cli_verb_remove = {
    .name = "remove",
    .summary = "remove a zone from kenterd",
    .description =
        "Stops serving a zone that was made with create, and forgets its records; its keys are "
        "kept. While the parent has a DS record for the zone, or still delegates it, this makes "
        "its names fail. Zones of a directory are removed by removing their file.",
    .operands = (const struct cli_operand[]){CLI_OPERAND_ZONE, {.name = NULL}},
    .options = (const struct cli_option[]){CLI_OPTION_YES, CLI_OPTION_SOCKET, {.name = NULL}},
    .examples =
        (const struct cli_example[]){
            {"kenter remove --yes example.com", "Remove it without being asked."}, {NULL, NULL}},
    .run = run_remove,
};
