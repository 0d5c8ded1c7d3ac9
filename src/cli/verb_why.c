/* kenter why, kenter log, kenter reload: what is with a zone, what was, and looking again. */
#include "base/error.h"
#include "cli/client.h"
#include "cli/report.h"
#include "cli/terminal.h"

#include <string.h>

/* Asks, and gives the reply to `show` and to the JSON document, under `member`. */
static int ask_and_show(struct cli_call *call, const char *method, const char *target,
                        const char *member,
                        void (*show)(struct cli_call *call, const json_t *reply))
{
    struct cli_client client;
    json_t *reply = NULL;
    int error = cli_client_open(&client, call);
    if (error == BASE_OK)
        error = cli_client_ask(&client, method, target, NULL, &reply);
    if (error == BASE_OK) {
        cli_take_findings(call, json_object_get(reply, "findings"));
        if (json_is_object(reply))
            json_object_del(reply, "findings");
        if (call->json)
            cli_member(call, member, reply);
        else if (!call->quiet)
            show(call, reply);
    }
    json_decref(reply);
    cli_client_close(&client);
    return cli_finish(call, error);
}

static void show_why(struct cli_call *call, const json_t *reply)
{
    const char *state = cli_json_text(reply, "state");
    cli_print_safely(stdout, cli_json_text(reply, "zone"));
    printf(": %s%s%s. ", cli_color(call->color, cli_state_color(state)), state,
           cli_color(call->color, CLI_PLAIN));
    cli_print_safely(stdout, cli_json_text(reply, "because"));
    putchar('\n');
}

static int run_why(struct cli_call *call)
{
    return ask_and_show(call, "GET", cli_zone_target(call, call->operands[0], "/why"), "why",
                        show_why);
}

static void show_log(struct cli_call *call, const json_t *reply)
{
    const json_t *events = json_object_get(reply, "events");
    /* The newest is the first of the reply and the last on the screen. */
    for (size_t i = json_array_size(events); i > 0; i--) {
        const json_t *event = json_array_get(events, i - 1);
        const char *severity = cli_json_text(event, "severity");
        enum cli_color color = strcmp(severity, "error") == 0     ? CLI_RED
                               : strcmp(severity, "warning") == 0 ? CLI_YELLOW
                                                                  : CLI_PLAIN;
        printf("%s  %s%-7s%s ", cli_json_text(event, "at"), cli_color(call->color, color), severity,
               cli_color(call->color, CLI_PLAIN));
        cli_print_safely(stdout, cli_json_text(event, "text"));
        printf(" %s[%s]%s\n", cli_color(call->color, CLI_DIM), cli_json_text(event, "code"),
               cli_color(call->color, CLI_PLAIN));
    }
    if (json_array_size(events) == 0)
        cli_say(call, "Nothing has happened to it yet.\n");
}

static int run_log(struct cli_call *call)
{
    unsigned long count = cli_count(call, "count", 20);
    if (count < 1 || count > 1000)
        return cli_usage_error(call->verb, "--count takes a number from 1 to 1000");
    const char *tail = base_arena_printf(&call->arena, "/log?count=%lu", count);
    return ask_and_show(call, "GET",
                        tail != NULL ? cli_zone_target(call, call->operands[0], tail) : NULL, "log",
                        show_log);
}

static void show_reload(struct cli_call *call, const json_t *reply)
{
    long long zones = (long long)cli_json_number(reply, "zones");
    if (json_is_true(json_object_get(reply, "done")))
        cli_say(call, "It was looked at.\n");
    else
        cli_say(call, "%lld zone%s being looked at.\n", zones, zones == 1 ? " is" : "s are");
}

static int run_reload(struct cli_call *call)
{
    const char *target = call->operand_count > 0
                             ? cli_zone_target(call, call->operands[0], "/reload")
                             : "/v1/reload";
    return ask_and_show(call, "POST", target, "reload", show_reload);
}

const struct cli_verb cli_verb_why = {
    .name = "why",
    .summary = "tell why a zone is in its state, and what to do",
    .description = "Says what stands against the zone: which line of its file is wrong, what the "
                   "gate refused, which primary did not answer. The exit code is 1 when there are "
                   "errors, so that scripts can ask, too.",
    .operands = (const struct cli_operand[]){CLI_OPERAND_ZONE, {.name = NULL}},
    .options = (const struct cli_option[]){CLI_OPTION_SOCKET, {.name = NULL}},
    .examples = (const struct cli_example[]){{"kenter why example.com", "What is wrong with it?"},
                                             {NULL, NULL}},
    .run = run_why,
};

const struct cli_verb cli_verb_log = {
    .name = "log",
    .summary = "show what happened to a zone",
    .description = "Versions that were published, sources that could not be used, refusals of the "
                   "gate, changes of settings: oldest first, so that the newest is at the end.",
    .operands = (const struct cli_operand[]){CLI_OPERAND_ZONE, {.name = NULL}},
    .options = (const struct cli_option[]){{.name = "count",
                                            .letter = 'n',
                                            .kind = CLI_COUNT,
                                            .argument = "N",
                                            .help = "How many events, up to 1000; 20 otherwise."},
                                           CLI_OPTION_SOCKET,
                                           {.name = NULL}},
    .examples =
        (const struct cli_example[]){{"kenter log -n 100 example.com", "The last hundred events."},
                                     {NULL, NULL}},
    .run = run_log,
};

const struct cli_verb cli_verb_reload = {
    .name = "reload",
    .summary = "let kenterd look at a zone's source now, or at all of them",
    .description = "kenterd sees changes of files by itself, and asks primaries when they say so "
                   "or their time has come; this is for when it shall not wait. With a zone it "
                   "ends when the zone was looked at and what came of it is published.",
    .operands =
        (const struct cli_operand[]){
            {.name = "ZONE", .kind = CLI_NAME, .optional = true, .help = "The name of the zone."},
            {.name = NULL}},
    .options = (const struct cli_option[]){CLI_OPTION_SOCKET, {.name = NULL}},
    .examples = (const struct cli_example[]){{"kenter reload example.com", "Look at it now."},
                                             {NULL, NULL}},
    .run = run_reload,
};
