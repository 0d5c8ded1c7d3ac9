/* kenter explain: the catalogue of findings. */
#include "base/error.h"
#include "base/json.h"
#include "cli/report.h"
#include "cli/terminal.h"

#include <stdlib.h>
#include <string.h>

static int compare_codes(const void *a, const void *b)
{
    const struct base_finding_info *const *first = a, *const *second = b;
    return strcmp((*first)->code, (*second)->code);
}

static void explain_text(const struct cli_call *call, const struct base_finding_info *info)
{
    static const enum cli_color colors[] = {CLI_BLUE, CLI_YELLOW, CLI_RED};
    printf("%s%s%s (%s%s%s)\n    %s\n    why: %s\n    do:  %s\n", cli_color(call->color, CLI_BOLD),
           info->code, cli_color(call->color, CLI_PLAIN),
           cli_color(call->color, colors[info->severity]), base_severity_name(info->severity),
           cli_color(call->color, CLI_PLAIN), info->title, info->why, info->remedy);
}

static void explain_json(struct base_buf *buf, const struct base_finding_info *info)
{
    base_buf_text(buf, "{\"code\":");
    base_json_text(buf, info->code);
    base_buf_printf(buf, ",\"severity\":\"%s\",\"title\":", base_severity_name(info->severity));
    base_json_text(buf, info->title);
    base_buf_text(buf, ",\"why\":");
    base_json_text(buf, info->why);
    base_buf_text(buf, ",\"remedy\":");
    base_json_text(buf, info->remedy);
    base_buf_u8(buf, '}');
}

static void explain_markdown(const struct base_finding_info *const *rows, size_t count)
{
    printf("# Catalogue of findings\n\n"
           "Everything that Kenter finds has a stable code, which this page explains; "
           "`kenter explain CODE`\nprints one of them. Errors make the exit code 1; warnings do so "
           "with `--strict`.\n\n"
           "This page is the output of `kenter explain --all --markdown`.\n");
    size_t group = 0;
    for (size_t i = 0; i < count; i++) {
        size_t length = strcspn(rows[i]->code, ".");
        if (i == 0 || length != group || memcmp(rows[i - 1]->code, rows[i]->code, length) != 0)
            printf("\n## %.*s\n", (int)length, rows[i]->code);
        group = length;
        printf("\n### `%s`\n\n%s: %s.\n\n%s\n\n*What to do:* %s\n", rows[i]->code,
               base_severity_name(rows[i]->severity), rows[i]->title, rows[i]->why,
               rows[i]->remedy);
    }
}

static void explain_rows(struct cli_call *call, const struct base_finding_info *const *rows,
                         size_t count)
{
    if (call->json)
        base_buf_text(&call->members, ",\"codes\":[");
    for (size_t i = 0; i < count; i++) {
        if (call->json && i > 0)
            base_buf_u8(&call->members, ',');
        if (call->json)
            explain_json(&call->members, rows[i]);
        else
            explain_text(call, rows[i]);
    }
    if (call->json)
        base_buf_u8(&call->members, ']');
}

static int explain_all(struct cli_call *call)
{
    const struct base_finding_info *rows[BASE_FINDING_COUNT];
    for (int i = 0; i < BASE_FINDING_COUNT; i++)
        rows[i] = base_finding_info((enum base_finding_code)i);
    qsort(rows, BASE_FINDING_COUNT, sizeof(struct base_finding_info *), compare_codes);
    if (cli_flag(call, "markdown")) {
        explain_markdown(rows, BASE_FINDING_COUNT);
        return CLI_GOOD;
    }
    explain_rows(call, rows, BASE_FINDING_COUNT);
    return cli_finish(call, BASE_OK);
}

static int unknown_code(const struct cli_call *call, const char *code)
{
    const char *names[BASE_FINDING_COUNT + 1];
    for (int i = 0; i < BASE_FINDING_COUNT; i++)
        names[i] = base_finding_info((enum base_finding_code)i)->code;
    names[BASE_FINDING_COUNT] = NULL;
    const char *near = base_nearest(code, names);
    if (near != NULL)
        return cli_usage_error(call->verb, "there is no code \"%s\"; did you mean \"%s\"?", code,
                               near);
    return cli_usage_error(call->verb, "there is no code \"%s\"; --all lists them", code);
}

static int run(struct cli_call *call)
{
    if (cli_flag(call, "all") != (call->operand_count == 0))
        return cli_usage_error(call->verb, "give one CODE, or --all");
    if (cli_flag(call, "markdown") && !cli_flag(call, "all"))
        return cli_usage_error(call->verb, "--markdown goes with --all");
    if (cli_flag(call, "all"))
        return explain_all(call);
    int code = base_finding_by_name(call->operands[0]);
    if (code < 0)
        return unknown_code(call, call->operands[0]);
    const struct base_finding_info *row = base_finding_info((enum base_finding_code)code);
    explain_rows(call, &row, 1);
    return cli_finish(call, BASE_OK);
}

const struct cli_verb cli_verb_explain = {
    .name = "explain",
    .summary = "explain the code of a finding",
    .description = "Prints what a finding means, why it matters and what to do about it. Findings "
                   "end with their code in brackets; the code is stable and will never mean "
                   "something else.",
    .operands = (const struct cli_operand[]){{.name = "CODE",
                                              .kind = CLI_TEXT,
                                              .optional = true,
                                              .help = "The code, such as file.unreadable."},
                                             {.name = NULL}},
    .options =
        (const struct cli_option[]){
            {.name = "all", .letter = 'a', .kind = CLI_FLAG, .help = "Explain every code."},
            {.name = "markdown", .kind = CLI_FLAG, .help = "With --all: as a page of Markdown."},
            {.name = NULL}},
    .examples =
        (const struct cli_example[]){
            {"kenter explain file.unwritable", "What does this code mean?"},
            {"kenter explain --all --json", "The whole catalogue, for a program."},
            {NULL, NULL}},
    .run = run,
};
