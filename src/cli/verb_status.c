/* kenter status: how the server is, or one zone. */
#include "base/error.h"
#include "cli/client.h"
#include "cli/report.h"
#include "cli/terminal.h"

#include <string.h>

static void row(const struct cli_call *call, const char *name)
{
    printf("%s%-14s%s", cli_color(call->color, CLI_DIM), name, cli_color(call->color, CLI_PLAIN));
}

static void row_text(const struct cli_call *call, const char *name, const char *text)
{
    row(call, name);
    cli_print_safely(stdout, text[0] != '\0' ? text : "-");
    putchar('\n');
}

static void row_time(const struct cli_call *call, const char *name, const json_t *time,
                     const char *more)
{
    char when[CLI_WHEN_TEXT];
    row(call, name);
    fputs(cli_when(when, time, call->now), stdout);
    if (json_is_string(time))
        printf("  %s%s%s", cli_color(call->color, CLI_DIM), json_string_value(time),
               cli_color(call->color, CLI_PLAIN));
    if (more[0] != '\0') {
        fputs("  ", stdout);
        cli_print_safely(stdout, more);
    }
    putchar('\n');
}

static void row_state(const struct cli_call *call, const char *state)
{
    row(call, "state");
    printf("%s%s%s\n", cli_color(call->color, cli_state_color(state)), state,
           cli_color(call->color, CLI_PLAIN));
}

static void row_source(const struct cli_call *call, const json_t *source)
{
    size_t index;
    json_t *primary;
    row(call, "source");
    fputs(cli_json_text(source, "kind"), stdout);
    const char *file = cli_json_text(source, "file");
    if (file[0] != '\0') {
        putchar(' ');
        cli_print_safely(stdout, file);
    }
    json_array_foreach(json_object_get(source, "primaries"), index, primary)
    {
        putchar(' ');
        cli_print_safely(stdout, json_string_value(primary));
    }
    printf(", known by %s\n", cli_json_text(source, "from"));
}

static void print_zone(const struct cli_call *call, const json_t *zone)
{
    char names[CLI_NUMBER_TEXT], records[CLI_NUMBER_TEXT];
    row_text(call, "zone", cli_json_text(zone, "zone"));
    row_state(call, cli_json_text(zone, "state"));
    row_source(call, json_object_get(zone, "source"));
    row_text(call, "policy", cli_json_text(zone, "policy"));
    row(call, "serial");
    if (json_is_integer(json_object_get(zone, "serial")))
        printf("%lld%s\n", (long long)cli_json_number(zone, "serial"),
               json_is_true(json_object_get(zone, "signed")) ? ", signed" : ", not signed");
    else
        puts("-");
    row(call, "content");
    printf("%s names, %s records\n", cli_number(names, (uint64_t)cli_json_number(zone, "names")),
           cli_number(records, (uint64_t)cli_json_number(zone, "records")));
    row_time(call, "published", json_object_get(zone, "published"), "");
    row_time(call, "checked", json_object_get(zone, "checked"), "");
    row_time(call, "next re-sign", json_object_get(zone, "next_resign"), "");
    row_time(call, "first expiry", json_object_get(zone, "earliest_expiry"), "");
    if (json_is_string(json_object_get(zone, "expires")))
        row_time(call, "served until", json_object_get(zone, "expires"),
                 "unless a primary is reached");
    row(call, "problems");
    printf("%lld%s\n", (long long)cli_json_number(zone, "problems"),
           cli_json_number(zone, "problems") > 0 ? "  (kenter why tells)" : "");
}

static void print_counts(const struct cli_call *call, const json_t *zones)
{
    static const char *const states[] = {"ok", "new", "pending", "problem", "expired"};
    char number[CLI_NUMBER_TEXT];
    row(call, "zones");
    fputs(cli_number(number, (uint64_t)cli_json_number(zones, "total")), stdout);
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        uint64_t count = (uint64_t)cli_json_number(zones, states[i]);
        if (count > 0)
            printf(", %s%s %s%s", cli_color(call->color, cli_state_color(states[i])),
                   cli_number(number, count), states[i], cli_color(call->color, CLI_PLAIN));
    }
    putchar('\n');
}

static void print_processes(const struct cli_call *call, const json_t *list)
{
    size_t index;
    json_t *process;
    char when[CLI_WHEN_TEXT];
    json_array_foreach((json_t *)list, index, process)
    {
        bool up = json_is_true(json_object_get(process, "up"));
        row(call, index == 0 ? "processes" : "");
        printf("%-11s %s%s%s", cli_json_text(process, "name"),
               cli_color(call->color, up ? CLI_GREEN : CLI_RED), up ? "up" : "down",
               cli_color(call->color, CLI_PLAIN));
        /* Of some processes not all is known. */
        if (up && json_is_integer(json_object_get(process, "pid")))
            printf("  pid %lld", (long long)cli_json_number(process, "pid"));
        if (up && json_is_string(json_object_get(process, "started")))
            printf("  started %s", cli_when(when, json_object_get(process, "started"), call->now));
        if (up && json_is_integer(json_object_get(process, "rss")))
            printf("  %lld MiB", (long long)cli_json_number(process, "rss") >> 20);
        long long restarts = (long long)cli_json_number(process, "restarts");
        if (restarts > 0)
            printf("  restarted %lld times", restarts);
        putchar('\n');
    }
}

static void print_status(const struct cli_call *call, const json_t *status)
{
    const json_t *jobs = json_object_get(status, "jobs");
    size_t index;
    json_t *address;
    row(call, "kenterd");
    printf("%s%s\n", cli_json_text(status, "version"),
           json_is_true(json_object_get(status, "ready")) ? "" : ", still starting");
    row_time(call, "started", json_object_get(status, "started"), "");
    row(call, "answers at");
    json_array_foreach(json_object_get(status, "listen"), index, address)
        printf("%s%s", index > 0 ? " " : "", json_string_value(address));
    putchar('\n');
    print_counts(call, json_object_get(status, "zones"));
    row(call, "jobs");
    printf("%lld running, %lld waiting\n", (long long)cli_json_number(jobs, "running"),
           (long long)cli_json_number(jobs, "waiting"));
    row_time(call, "next re-sign", json_object_get(status, "next_resign"), "");
    row_time(call, "first expiry", json_object_get(status, "earliest_expiry"),
             cli_json_text(status, "earliest_expiry_zone"));
    print_processes(call, json_object_get(status, "processes"));
}

static int run(struct cli_call *call)
{
    struct cli_client client;
    json_t *reply = NULL;
    bool one = call->operand_count > 0;
    int error = cli_client_open(&client, call);
    if (error == BASE_OK)
        error = cli_client_ask(&client, "GET",
                               one ? cli_zone_target(call, call->operands[0], "") : "/v1/status",
                               NULL, &reply);
    if (error == BASE_OK && call->json) {
        cli_member(call, one ? "zone" : "status", reply);
    } else if (error == BASE_OK) {
        if (one)
            print_zone(call, reply);
        else
            print_status(call, reply);
    }
    if (error == BASE_OK && !one)
        cli_take_findings(call, json_object_get(reply, "findings"));
    json_decref(reply);
    cli_client_close(&client);
    return cli_finish(call, error);
}

const struct cli_verb cli_verb_status = {
    .name = "status",
    .summary = "show how kenterd is, or one of its zones",
    .description =
        "Without a zone: since when kenterd runs, where it answers, how its zones are, which "
        "signatures expire first, and its processes. With a zone: all that is known of it.",
    .operands =
        (const struct cli_operand[]){
            {.name = "ZONE", .kind = CLI_NAME, .optional = true, .help = "The name of the zone."},
            {.name = NULL}},
    .options = (const struct cli_option[]){CLI_OPTION_SOCKET, {.name = NULL}},
    .examples = (const struct cli_example[]){{"kenter status", "How is everything?"},
                                             {"kenter status example.com", "How is this zone?"},
                                             {NULL, NULL}},
    .run = run,
};
