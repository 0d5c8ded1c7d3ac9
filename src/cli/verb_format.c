/* kenter format: a zone file in another form. */
#include "base/error.h"
#include "cli/load.h"
#include "cli/report.h"
#include "zone/write.h"

#include <string.h>

static struct zone_write_options write_options(const struct cli_call *call)
{
    struct zone_write_options options = {.form = ZONE_TEXT_LINES};
    if (cli_chosen(call, "style", "pretty"))
        options.form = ZONE_TEXT_PRETTY;
    if (cli_chosen(call, "style", "json"))
        options.form = ZONE_TEXT_JSON;
    options.source_order = cli_chosen(call, "order", "source");
    return options;
}

static int run(struct cli_call *call)
{
    const char *path = cli_text(call, "output");
    if (path == NULL)
        path = "-";
    call->data_on_stdout = strcmp(path, "-") == 0;
    struct zone *zone = NULL;
    int error = cli_load_zone(call, call->operands[0], "reading", &call->findings, &zone);
    /* An entry that could not be read would be missing from the output. */
    if (error == BASE_OK && base_findings_bad(&call->findings))
        error = BASE_EREFUSED;
    if (error == BASE_OK) {
        struct zone_write_options options = write_options(call);
        error = cli_write_zone(call, zone, path, &options);
    }
    if (error == BASE_OK) {
        cli_summary_zone(call, zone);
        if (!call->data_on_stdout)
            cli_words_zone(call, zone);
    }
    int code = cli_finish(call, error);
    zone_release(zone);
    return code;
}

const struct cli_verb cli_verb_format = {
    .name = "format",
    .summary = "write a zone file in another form",
    .description =
        "Reads a zone file and writes it anew: one record a line for programs, with columns and "
        "relative names for people, or as JSON. Nothing is written when the file has errors, "
        "since what could not be read would be lost.\n\n"
        "With --json, the report that goes to standard error is JSON; --style json is for the "
        "zone.",
    .operands =
        (const struct cli_operand[]){
            {.name = "FILE", .kind = CLI_FILE, .help = "The zone file; \"-\" is standard input."},
            {.name = NULL}},
    .options =
        (const struct cli_option[]){
            {.name = "style",
             .letter = 's',
             .kind = CLI_CHOICE,
             .argument = "lines|pretty|json",
             .help = "lines, the default: one record a line, all names absolute. pretty: for "
                     "people. json: an array of records."},
            {.name = "order",
             .kind = CLI_CHOICE,
             .argument = "canonical|source",
             .help = "canonical, the default: the SOA, then sorted as DNSSEC sorts names. "
                     "source: as written."},
            {.name = "output",
             .letter = 'o',
             .kind = CLI_FILE,
             .argument = "FILE",
             .help = "Where to write; \"-\", the default, is standard output."},
            CLI_OPTION_ORIGIN,
            CLI_OPTION_INCLUDE,
            CLI_OPTION_LIMIT,
            {.name = NULL}},
    .examples =
        (const struct cli_example[]){
            {"kenter format --style pretty example.com.signed | less", "Read a zone."},
            {"kenter format --style json example.com.zone | jq '.[] | select(.type == \"MX\")'",
             "Pick records out of a zone."},
            {"kenter format --order source --style pretty -o example.com.zone example.com.zone",
             "Tidy a file up, in place."},
            {NULL, NULL}},
    .run = run,
};
