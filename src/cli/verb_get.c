/* kenter get: records as they are served. */
#include "base/error.h"
#include "cli/client.h"
#include "cli/report.h"
#include "dns/rdata.h"

#include <errno.h>
#include <string.h>

static int print_text(void *context, const char *text, size_t length)
{
    (void)context;
    return fwrite(text, 1, length, stdout) == length ? BASE_OK : BASE_EIO;
}

static const char *records_target(struct cli_call *call, bool with_signing)
{
    const char *name = cli_encode(call, call->operands[1]);
    const char *type = call->operand_count > 2 ? cli_encode(call, call->operands[2]) : NULL;
    if (name == NULL || (call->operand_count > 2 && type == NULL))
        return NULL;
    const char *tail = base_arena_printf(&call->arena, "/records?name=%s%s%s%s", name,
                                         type != NULL ? "&type=" : "", type != NULL ? type : "",
                                         with_signing ? "&signed=true" : "");
    return tail != NULL ? cli_zone_target(call, call->operands[0], tail) : NULL;
}

static int get_records(struct cli_call *call, struct cli_client *client, bool with_signing)
{
    json_t *reply = NULL, *record;
    size_t index;
    int error = cli_client_ask(client, "GET", records_target(call, with_signing), NULL, &reply);
    if (error != BASE_OK)
        return error;
    const json_t *records = json_object_get(reply, "records");
    if (call->json) {
        cli_member(call, "records", records);
    } else {
        json_array_foreach((json_t *)records, index, record)
        {
            cli_print_safely(stdout, cli_json_text(record, "name"));
            printf(" %lld IN %s ", (long long)cli_json_number(record, "ttl"),
                   cli_json_text(record, "type"));
            cli_print_safely(stdout, cli_json_text(record, "data"));
            putchar('\n');
        }
    }
    cli_summary_count(call, "records", json_array_size(records));
    json_decref(reply);
    return BASE_OK;
}

static int run(struct cli_call *call)
{
    struct cli_client client;
    bool with_signing = cli_flag(call, "signed"), all = call->operand_count == 1;
    call->data_on_stdout = all || !call->json;
    int error = cli_client_open(&client, call);
    if (error == BASE_OK && all)
        error = cli_client_read(
            &client,
            cli_zone_target(call, call->operands[0], with_signing ? "/file?signed=true" : "/file"),
            print_text, NULL);
    else if (error == BASE_OK)
        error = get_records(call, &client, with_signing);
    cli_client_close(&client);
    return cli_finish(call, error);
}

const struct cli_verb cli_verb_get = {
    .name = "get",
    .summary = "print a zone of kenterd, or records of it",
    .description = "What is served now: the whole zone as a zone file, or the records of one name. "
                   "What signing has added is left out unless it is asked for. Nothing is printed "
                   "when there is no such name or type.",
    .operands =
        (const struct cli_operand[]){
            CLI_OPERAND_ZONE,
            {.name = "NAME",
             .kind = CLI_TEXT,
             .optional = true,
             .help = "A name, absolute or relative to the zone; \"@\" is the zone itself."},
            {.name = "TYPE",
             .kind = CLI_TEXT,
             .optional = true,
             .help = "Only records of this type."},
            {.name = NULL}},
    .options =
        (const struct cli_option[]){{.name = "signed",
                                     .kind = CLI_FLAG,
                                     .help = "Also what signing has added: RRSIG, NSEC, DNSKEY."},
                                    CLI_OPTION_SOCKET,
                                    {.name = NULL}},
    .examples =
        (const struct cli_example[]){
            {"kenter get example.com www A", "The addresses of www.example.com."},
            {"kenter get --signed example.com > example.com.signed",
             "The signed zone, as it is served."},
            {NULL, NULL}},
    .run = run,
};
