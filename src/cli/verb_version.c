/* kenter version. */
#include "base/error.h"
#include "cli/report.h"

static int run(struct cli_call *call)
{
    cli_summary_text(call, "version", KENTER_VERSION);
    if (!call->json)
        printf("kenter %s\n", KENTER_VERSION);
    return cli_finish(call, BASE_OK);
}

const struct cli_verb cli_verb_version = {
    .name = "version",
    .summary = "print the version",
    .description = "Prints the version of kenter.",
    .examples =
        (const struct cli_example[]){{"kenter version", "Which version is this?"}, {NULL, NULL}},
    .run = run,
};
