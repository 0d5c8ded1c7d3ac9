/* kenter man: the manual pages as roff. The build installs them. */
#include "base/error.h"
#include "base/json.h"
#include "cli/help.h"
#include "cli/report.h"

#include <stdlib.h>
#include <string.h>

/* A verb by the name of its page ("key-new") or its own. */
static const struct cli_verb *find_page(const char *name)
{
    for (const struct cli_verb *const *verb = cli_verbs; *verb != NULL; verb++) {
        char page[CLI_PAGE_NAME];
        if (strcmp(cli_page_name(page, *verb), name) == 0 || strcmp((*verb)->name, name) == 0)
            return *verb;
    }
    return NULL;
}

static int list_pages(struct cli_call *call)
{
    base_buf_text(&call->members, ",\"pages\":[\"kenter\"");
    if (!call->json)
        puts("kenter");
    for (const struct cli_verb *const *verb = cli_verbs; *verb != NULL; verb++) {
        char page[CLI_PAGE_NAME];
        cli_page_name(page, *verb);
        base_buf_printf(&call->members, ",\"kenter-%s\"", page);
        if (!call->json)
            printf("kenter-%s\n", page);
    }
    base_buf_u8(&call->members, ']');
    return cli_finish(call, BASE_OK);
}

static int run(struct cli_call *call)
{
    if (cli_flag(call, "list"))
        return list_pages(call);
    const struct cli_verb *verb = NULL;
    const char *name = call->operand_count > 0 ? call->operands[0] : "kenter";
    if (strncmp(name, "kenter-", 7) == 0)
        name += 7;
    if (strcmp(name, "kenter") != 0) {
        verb = find_page(name);
        if (verb == NULL)
            return cli_usage_error(call->verb, "there is no page \"%s\"; --list names them", name);
    }
    if (!call->json) {
        cli_man_page(stdout, verb);
        return CLI_GOOD;
    }
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    if (stream == NULL)
        return cli_finish(call, BASE_ENOMEM);
    cli_man_page(stream, verb);
    int error = fclose(stream) == 0 ? BASE_OK : BASE_ENOMEM;
    if (error == BASE_OK) {
        base_buf_text(&call->members, ",\"roff\":");
        base_json_string(&call->members, text, length);
    }
    free(text);
    return cli_finish(call, error);
}

const struct cli_verb cli_verb_man = {
    .name = "man",
    .summary = "print a manual page",
    .description = "Prints the manual page of kenter, or of one verb, as roff. Installed systems "
                   "have them under man(1).",
    .operands = (const struct cli_operand[]){{.name = "PAGE",
                                              .kind = CLI_TEXT,
                                              .optional = true,
                                              .help = "kenter, kenter-check, kenter-key-new ..."},
                                             {.name = NULL}},
    .options =
        (const struct cli_option[]){
            {.name = "list", .kind = CLI_FLAG, .help = "Print the names of all pages."},
            {.name = NULL}},
    .examples =
        (const struct cli_example[]){
            {"kenter man check | man -l -", "Read a page without installing it."}, {NULL, NULL}},
    .run = run,
};
