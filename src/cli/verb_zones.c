/* kenter zones: the zones of kenterd, a line each. */
#include "base/error.h"
#include "cli/client.h"
#include "cli/report.h"
#include "cli/terminal.h"

#include <stdlib.h>
#include <string.h>

#define PAGE       "1000"
#define NAME_LEAST 16
#define NAME_MOST  48

struct list {
    struct cli_call *call;
    size_t name_width;
    uint64_t count;
    bool first;
};

/* The file, without the way to it; the primaries; or what else it is. */
static const char *source_text(const json_t *zone)
{
    const json_t *source = json_object_get(zone, "source");
    const char *file = cli_json_text(source, "file");
    const char *primary =
        json_string_value(json_array_get(json_object_get(source, "primaries"), 0));
    if (file[0] != '\0')
        return file;
    return primary != NULL ? primary : cli_json_text(source, "kind");
}

static void print_line(struct list *list, const json_t *zone)
{
    struct cli_call *call = list->call;
    char expiry[CLI_WHEN_TEXT], resign[CLI_WHEN_TEXT], serial[24] = "-";
    const char *state = cli_json_text(zone, "state"), *name = cli_json_text(zone, "zone");
    const char *problem = cli_json_text(zone, "problem");
    if (json_is_integer(json_object_get(zone, "serial")))
        snprintf(serial, sizeof(serial), "%lld", (long long)cli_json_number(zone, "serial"));
    bool published = serial[0] != '-';
    cli_when(expiry, json_object_get(zone, "earliest_expiry"), call->now);
    if (published && json_is_false(json_object_get(zone, "signed")))
        strcpy(expiry, "unsigned");
    cli_print_safely(stdout, name);
    size_t length = strlen(name);
    printf("%*s %s%-8s%s %10s  %-9s %-9s ",
           (int)(length < list->name_width ? list->name_width - length : 0), "",
           cli_color(call->color, cli_state_color(state)), state, cli_color(call->color, CLI_PLAIN),
           serial, expiry, cli_when(resign, json_object_get(zone, "next_resign"), call->now));
    cli_print_safely(stdout, source_text(zone));
    if (problem[0] != '\0') {
        fputs(cli_color(call->color, CLI_RED), stdout);
        fputs("  ", stdout);
        cli_print_safely(stdout, problem);
        fputs(cli_color(call->color, CLI_PLAIN), stdout);
    }
    putchar('\n');
}

static void print_page(struct list *list, const json_t *zones)
{
    size_t index;
    json_t *zone;
    json_array_foreach((json_t *)zones, index, zone)
    {
        size_t length = strlen(cli_json_text(zone, "zone"));
        if (length > list->name_width)
            list->name_width = length < NAME_MOST ? length : NAME_MOST;
    }
    if (list->first && !list->call->quiet && json_array_size(zones) > 0)
        printf("%s%-*s %-8s %10s  %-9s %-9s %s%s\n", cli_color(list->call->color, CLI_BOLD),
               (int)list->name_width, "ZONE", "STATE", "SERIAL", "EXPIRES", "RE-SIGN", "SOURCE",
               cli_color(list->call->color, CLI_PLAIN));
    list->first = false;
    json_array_foreach((json_t *)zones, index, zone) print_line(list, zone);
    fflush(stdout);
}

/* The members of a page behind those of the pages before. */
static void add_page(struct list *list, const json_t *zones)
{
    struct base_buf *members = &list->call->members;
    size_t index;
    json_t *zone;
    if (list->first)
        base_buf_text(members, ",\"zones\":[");
    json_array_foreach((json_t *)zones, index, zone)
    {
        char *text = json_dumps(zone, JSON_COMPACT);
        if (text == NULL) {
            members->error = BASE_ENOMEM;
            return;
        }
        if (!list->first || index > 0)
            base_buf_u8(members, ',');
        base_buf_text(members, text);
        free(text);
    }
    list->first = false;
}

static int read_pages(struct list *list, struct cli_client *client)
{
    struct cli_call *call = list->call;
    const char *state = cli_text(call, "state"), *after = NULL;
    for (;;) {
        const char *target = base_arena_printf(
            &call->arena, "/v1/zones?limit=" PAGE "%s%s%s%s", state != NULL ? "&state=" : "",
            state != NULL ? state : "", after != NULL ? "&after=" : "", after != NULL ? after : "");
        json_t *page = NULL;
        int error = cli_client_ask(client, "GET", target, NULL, &page);
        if (error != BASE_OK)
            return error;
        const json_t *zones = json_object_get(page, "zones");
        list->count += json_array_size(zones);
        if (call->json)
            add_page(list, zones);
        else
            print_page(list, zones);
        const char *next = json_string_value(json_object_get(page, "next"));
        after = next != NULL ? cli_encode(call, next) : NULL;
        bool stop = next == NULL || json_array_size(zones) == 0;
        json_decref(page);
        if (stop || after == NULL)
            return stop ? BASE_OK : BASE_ENOMEM;
    }
}

static int run(struct cli_call *call)
{
    struct cli_client client;
    struct list list = {.call = call, .name_width = NAME_LEAST, .first = true};
    call->color = call->color && !call->json;
    int error = cli_client_open(&client, call);
    if (error == BASE_OK)
        error = read_pages(&list, &client);
    if (error == BASE_OK && call->json)
        base_buf_text(&call->members, "]");
    else
        base_buf_reset(&call->members);
    cli_client_close(&client);
    cli_summary_count(call, "zones", list.count);
    if (error == BASE_OK && list.count == 0)
        cli_say(call, "There are no zones%s.\n",
                cli_text(call, "state") != NULL ? " in this state" : "");
    return cli_finish(call, error);
}

const struct cli_verb cli_verb_zones = {
    .name = "zones",
    .summary = "list the zones that kenterd keeps",
    .description =
        "A line for each zone: its state, the serial that is served, when the first of its "
        "signatures expires, when it is signed again, where its content comes from, and what is "
        "wrong with it. The states: ok; new, nothing has been published yet; pending, a new "
        "version is being made; problem, its source cannot be used and the last good version is "
        "served; expired, it is not served any more.",
    .options = (const struct cli_option[]){{.name = "state",
                                            .kind = CLI_CHOICE,
                                            .argument = "ok|new|pending|problem|expired",
                                            .help = "Only the zones in this state."},
                                           CLI_OPTION_SOCKET,
                                           {.name = NULL}},
    .examples = (const struct cli_example[]){{"kenter zones --state problem",
                                              "Which zones need somebody to look at them?"},
                                             {NULL, NULL}},
    .run = run,
};
