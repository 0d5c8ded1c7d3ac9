/* kenter top: what kenterd does now, refreshed. */
#include "base/error.h"
#include "cli/client.h"
#include "cli/metrics.h"
#include "cli/report.h"
#include "cli/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SAMPLES  128
#define ROWS     10 /* shown of each table */
#define TEXT_MAX ((size_t)256 << 20)

/* What the counters said at one moment. */
struct moment {
    uint64_t at; /* monotonic, nanoseconds */
    struct cli_sample types[SAMPLES], rcodes[SAMPLES];
    size_t type_count, rcode_count;
};

struct rate {
    const char *label;
    double value;
};

static int append(void *context, const char *text, size_t length)
{
    struct base_buf *buf = context;
    base_buf_append(buf, text, length);
    return buf->error;
}

static int read_moment(struct cli_client *client, struct moment *out)
{
    struct base_buf text;
    base_buf_init(&text, TEXT_MAX);
    int error = cli_client_read(client, "/metrics", append, &text);
    if (error == BASE_OK) {
        const char *string = base_buf_string(&text);
        out->at = base_clock_monotonic();
        out->type_count =
            cli_metric_read(string, "kenter_questions_total", "type", out->types, SAMPLES);
        out->rcode_count =
            cli_metric_read(string, "kenter_answers_total", "rcode", out->rcodes, SAMPLES);
        error = text.error;
    }
    base_buf_free(&text);
    return error;
}

static int compare_rates(const void *a, const void *b)
{
    double first = ((const struct rate *)a)->value, second = ((const struct rate *)b)->value;
    return (first < second) - (first > second);
}

/* Per second, the most first. A counter that went back has begun anew with its process. */
static size_t make_rates(const struct cli_sample *old, size_t old_count,
                         const struct cli_sample *now, size_t count, double seconds,
                         struct rate *out)
{
    for (size_t i = 0; i < count; i++) {
        double before = 0;
        for (size_t j = 0; j < old_count; j++) {
            if (strcmp(old[j].label, now[i].label) == 0)
                before = old[j].value;
        }
        double more = now[i].value >= before ? now[i].value - before : now[i].value;
        out[i] = (struct rate){now[i].label, more / seconds};
    }
    qsort(out, count, sizeof(*out), compare_rates);
    return count;
}

static double sum(const struct rate *rates, size_t count)
{
    double total = 0;
    for (size_t i = 0; i < count; i++)
        total += rates[i].value;
    return total;
}

static void print_head(const struct cli_call *call, const json_t *status)
{
    static const char *const states[] = {"ok", "new", "pending", "problem", "expired"};
    const json_t *zones = json_object_get(status, "zones"), *jobs = json_object_get(status, "jobs");
    char when[CLI_WHEN_TEXT], number[CLI_NUMBER_TEXT];
    printf("%skenterd %s%s  started %s, %lld jobs running, %lld waiting\n",
           cli_color(call->color, CLI_BOLD), cli_json_text(status, "version"),
           cli_color(call->color, CLI_PLAIN),
           cli_when(when, json_object_get(status, "started"), base_clock_now()),
           (long long)cli_json_number(jobs, "running"),
           (long long)cli_json_number(jobs, "waiting"));
    printf("zones %s:", cli_number(number, (uint64_t)cli_json_number(zones, "total")));
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
        printf(" %s%s %s%s", cli_color(call->color, cli_state_color(states[i])),
               cli_number(number, (uint64_t)cli_json_number(zones, states[i])), states[i],
               cli_color(call->color, CLI_PLAIN));
    printf("\nfirst expiry %s",
           cli_when(when, json_object_get(status, "earliest_expiry"), base_clock_now()));
    const char *zone = cli_json_text(status, "earliest_expiry_zone");
    if (zone[0] != '\0') {
        fputs(", ", stdout);
        cli_print_safely(stdout, zone);
    }
    printf("; next re-sign %s\n",
           cli_when(when, json_object_get(status, "next_resign"), base_clock_now()));
}

static void print_memory(const struct cli_call *call, const json_t *status)
{
    size_t index;
    json_t *process;
    fputs("memory", stdout);
    json_array_foreach(json_object_get(status, "processes"), index, process)
    {
        bool up = json_is_true(json_object_get(process, "up"));
        printf("  %s %s%lld MiB%s", cli_json_text(process, "name"),
               cli_color(call->color, up ? CLI_PLAIN : CLI_RED),
               (long long)cli_json_number(process, "rss") >> 20, cli_color(call->color, CLI_PLAIN));
    }
    fputs("\n\n", stdout);
}

static void print_cell(const struct rate *rates, size_t count, size_t row)
{
    char number[CLI_NUMBER_TEXT];
    if (row < count)
        printf("%-14.14s %12s    ", rates[row].label,
               cli_number(number, (uint64_t)(rates[row].value + 0.5)));
    else
        printf("%-14s %12s    ", "", "");
}

static void print_rates(const struct cli_call *call, const struct moment *old,
                        const struct moment *now)
{
    struct rate types[SAMPLES], rcodes[SAMPLES];
    char number[CLI_NUMBER_TEXT];
    double seconds = (double)(now->at - old->at) / 1e9;
    if (seconds <= 0)
        seconds = 1;
    size_t type_count =
        make_rates(old->types, old->type_count, now->types, now->type_count, seconds, types);
    size_t rcode_count =
        make_rates(old->rcodes, old->rcode_count, now->rcodes, now->rcode_count, seconds, rcodes);
    printf("%s%-14s %12s    %-14s %12s%s\n", cli_color(call->color, CLI_BOLD), "QUERIES", "/s",
           "RESPONSES", "/s", cli_color(call->color, CLI_PLAIN));
    printf("%-14s %12s    ", "all", cli_number(number, (uint64_t)(sum(types, type_count) + 0.5)));
    printf("%-14s %12s\n", "all", cli_number(number, (uint64_t)(sum(rcodes, rcode_count) + 0.5)));
    for (size_t i = 0; i < ROWS && (i < type_count || i < rcode_count); i++) {
        print_cell(types, type_count, i);
        print_cell(rcodes, rcode_count, i);
        putchar('\n');
    }
}

static void rest(unsigned long seconds)
{
    struct timespec time = {.tv_sec = (time_t)seconds};
    nanosleep(&time, NULL);
}

static int frame(struct cli_call *call, struct cli_client *client, struct moment *old, bool clear)
{
    struct moment now;
    json_t *status = NULL;
    int error = cli_client_ask(client, "GET", "/v1/status", NULL, &status);
    if (error == BASE_OK)
        error = read_moment(client, &now);
    if (error == BASE_OK) {
        if (clear)
            fputs("\033[H\033[2J", stdout);
        print_head(call, status);
        print_memory(call, status);
        print_rates(call, old, &now);
        fflush(stdout);
        *old = now;
    }
    json_decref(status);
    return error;
}

static int run(struct cli_call *call)
{
    struct cli_client client;
    struct moment *old = calloc(1, sizeof(*old));
    unsigned long interval = cli_duration(call, "interval", 2);
    bool clear = isatty(STDOUT_FILENO) && !cli_flag(call, "once");
    int error = old != NULL ? cli_client_open(&client, call) : BASE_ENOMEM;
    bool open = error == BASE_OK;
    if (open)
        error = read_moment(&client, old);
    while (error == BASE_OK) {
        rest(interval > 0 ? interval : 1);
        error = frame(call, &client, old, clear);
        if (cli_flag(call, "once") || ferror(stdout))
            break;
    }
    if (open)
        cli_client_close(&client);
    free(old);
    return cli_finish(call, error);
}

const struct cli_verb cli_verb_top = {
    .name = "top",
    .summary = "watch what kenterd does",
    .description =
        "Shows, refreshed until it is interrupted: zones by state, the first expiry of signatures, "
        "the memory of each process, and queries and responses a second, by type and by rcode.",
    .options =
        (const struct cli_option[]){
            {.name = "once", .kind = CLI_FLAG, .help = "A single look, after one interval."},
            {.name = "interval",
             .letter = 'n',
             .kind = CLI_DURATION,
             .argument = "TIME",
             .help = "Between two looks; 2s otherwise."},
            CLI_OPTION_SOCKET,
            {.name = NULL}},
    .examples =
        (const struct cli_example[]){{"kenter top --once", "How busy is it?"}, {NULL, NULL}},
    .run = run,
};
