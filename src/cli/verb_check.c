/* kenter check: is this zone file good? */
#include "base/error.h"
#include "cli/load.h"
#include "cli/report.h"
#include "sign/policy.h"
#include "zone/check.h"

static int check(struct cli_call *call, const struct zone *zone)
{
    struct zone_check_options options = {.threads = call->threads};
    const char *path = cli_text(call, "policy");
    if (path != NULL) {
        struct sign_policy policy;
        int error = sign_policy_read(path, &call->findings, &policy);
        if (error != BASE_OK)
            return error;
        options.refresh_margin = policy.refresh;
    }
    return zone_check(zone, &options, &call->findings);
}

static int run(struct cli_call *call)
{
    struct zone *zone = NULL;
    int error = cli_load_zone(call, call->operands[0], "reading", &call->findings, &zone);
    if (error == BASE_OK)
        error = check(call, zone);
    if (zone != NULL) {
        cli_summary_zone(call, zone);
        cli_words_zone(call, zone);
    }
    int code = cli_finish(call, error);
    zone_release(zone);
    return code;
}

const struct cli_verb cli_verb_check = {
    .name = "check",
    .summary = "check the syntax and the meaning of a zone file",
    .description =
        "Reads a zone file and says everything that is wrong with it: syntax with line and "
        "column, and what the records mean together, such as glue that is missing, an alias "
        "beside other data, or a name server that is an alias. One run reports all of it.\n\n"
        "A zone that passes can be loaded and signed.",
    .operands =
        (const struct cli_operand[]){
            {.name = "FILE", .kind = CLI_FILE, .help = "The zone file; \"-\" is standard input."},
            {.name = NULL}},
    .options =
        (const struct cli_option[]){
            CLI_OPTION_ORIGIN,
            {.name = "policy",
             .kind = CLI_FILE,
             .argument = "FILE",
             .help = "Also check that the zone can be signed by this policy: no TTL may outlive a "
                     "signature."},
            CLI_OPTION_INCLUDE,
            CLI_OPTION_STRICT,
            CLI_OPTION_LIMIT,
            {.name = NULL}},
    .examples =
        (const struct cli_example[]){
            {"kenter check example.com.zone", "Everything that is wrong, with explanations."},
            {"kenter check --strict --brief --origin example.com db.example",
             "For a script: one line a finding, and warnings count."},
            {"ssh ns1 cat /etc/zones/example.com | kenter check --json -",
             "A zone from somewhere else, the result for a program."},
            {NULL, NULL}},
    .run = run,
};
