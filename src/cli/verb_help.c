/* kenter help: the verbs, or one of them. */
#include "base/error.h"
#include "base/json.h"
#include "cli/help.h"
#include "cli/report.h"

#include <string.h>

static void json_verbs(struct cli_call *call)
{
    struct base_buf *buf = &call->members;
    base_buf_text(buf, ",\"verbs\":[");
    bool first = true;
    for (const struct cli_verb *const *verb = cli_verbs; *verb != NULL; verb++) {
        if ((*verb)->run == NULL)
            continue;
        base_buf_text(buf, first ? "{\"name\":" : ",{\"name\":");
        base_json_text(buf, (*verb)->name);
        base_buf_text(buf, ",\"summary\":");
        base_json_text(buf, (*verb)->summary);
        base_buf_u8(buf, '}');
        first = false;
    }
    base_buf_u8(buf, ']');
}

static int run(struct cli_call *call)
{
    if (call->operand_count > 0) {
        char name[64];
        snprintf(name, sizeof(name), "%s%s%s", call->operands[0],
                 call->operand_count > 1 ? " " : "",
                 call->operand_count > 1 ? call->operands[1] : "");
        const struct cli_verb *verb = cli_verb_find(name);
        if (verb == NULL)
            return cli_usage_error(call->verb, "there is no verb \"%s\"", name);
        cli_help_verb(stdout, call->color, verb);
        return CLI_GOOD;
    }
    if (!call->json) {
        cli_help_all(stdout, call->color);
        return CLI_GOOD;
    }
    json_verbs(call);
    return cli_finish(call, BASE_OK);
}

const struct cli_verb cli_verb_help = {
    .name = "help",
    .summary = "show the verbs, or help on one of them",
    .description = "Without an argument, lists all verbs. With one, shows its help, as "
                   "'kenter VERB --help' does.",
    .operands =
        (const struct cli_operand[]){
            {.name = "VERB", .kind = CLI_TEXT, .optional = true, .help = "The verb to explain."},
            {.name = "SUBVERB",
             .kind = CLI_TEXT,
             .optional = true,
             .help = "The second word of verbs that have one, such as \"key new\"."},
            {.name = NULL}},
    .examples =
        (const struct cli_example[]){{"kenter help key new", "How do I make a key?"}, {NULL, NULL}},
    .run = run,
};
