/* kenter completion: scripts for shells. */
#include "base/error.h"
#include "base/json.h"
#include "cli/help.h"
#include "cli/report.h"

#include <stdlib.h>

static int run(struct cli_call *call)
{
    const char *shell = call->operands[0];
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    if (stream == NULL)
        return cli_finish(call, BASE_ENOMEM);
    bool known = cli_completion(stream, shell);
    int error = fclose(stream) == 0 ? BASE_OK : BASE_ENOMEM;
    int code = CLI_GOOD;
    if (!known) {
        code = cli_usage_error(call->verb, "SHELL is bash, zsh or fish, not \"%s\"", shell);
    } else if (call->json || error != BASE_OK) {
        base_buf_text(&call->members, ",\"script\":");
        base_json_string(&call->members, text != NULL ? text : "", length);
        code = cli_finish(call, error);
    } else {
        fwrite(text, 1, length, stdout);
    }
    free(text);
    return code;
}

const struct cli_verb cli_verb_completion = {
    .name = "completion",
    .summary = "print a completion script for a shell",
    .description = "Prints a script that lets a shell complete verbs, options and file names of "
                   "kenter.",
    .operands = (const struct cli_operand[]){{.name = "SHELL",
                                              .kind = CLI_TEXT,
                                              .help = "bash, zsh or fish.",
                                              .choices = "bash|zsh|fish"},
                                             {.name = NULL}},
    .examples =
        (const struct cli_example[]){
            {"source <(kenter completion bash)", "Completion in this bash."},
            {"kenter completion fish > ~/.config/fish/completions/kenter.fish",
             "Completion in every fish to come."},
            {NULL, NULL}},
    .run = run,
};
