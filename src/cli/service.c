/* Verbs that serve: see service.h. */
#include "cli/service.h"

#include "base/error.h"
#include "cli/report.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define CACHE ((size_t)32 * 1024 * 1024) /* of look-ups */

/* Before any thread is there, so that all have them blocked, and the loop's descriptor gets them.
 */
static void block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

int cli_service_run(struct cli_call *call, int (*serve)(struct cli_ask *ask, int *error))
{
    struct cli_ask ask;
    int error = BASE_OK;
    int code = cli_ask_parse(&ask, call);
    if (code != CLI_GOOD)
        return code;
    ask.live = true;
    /* Nobody sees proofs, and a look-up that is known costs a hundredth of a validated one. */
    ask.validate.no_proof = true;
    ask.cache_octets = CACHE;
    block_signals();
    code = cli_ask_open(&ask, false, &error);
    if (code == CLI_GOOD)
        code = serve(&ask, &error);
    call->data_on_stdout = true;
    if (code != CLI_USAGE && (error != BASE_OK || call->findings.count > 0))
        code = cli_finish(call, error) == CLI_GOOD ? code : CLI_SYSTEM;
    cli_ask_close(&ask);
    return code;
}

unsigned cli_service_mode(const struct cli_call *call)
{
    const char *mode = cli_text(call, "mode");
    return mode ? (unsigned)strtoul(mode, NULL, 8) : 0;
}

int cli_service_check(const struct cli_call *call)
{
    const char *mode = cli_text(call, "mode");
    char *end;
    if (call->operand_count > 0)
        return cli_usage_error(call->verb, "\"%s\" is one argument too many", call->operands[0]);
    if (mode && (strtoul(mode, &end, 8) == 0 || strtoul(mode, NULL, 8) > 0777 || *end != '\0'))
        return cli_usage_error(call->verb,
                               "--mode takes octal permissions such as 0660, not \"%s\"", mode);
    if (cli_text(call, "at"))
        return cli_usage_error(call->verb, "a service judges as of now, so --at does not fit");
    return CLI_GOOD;
}

const char **cli_service_sockets(struct cli_call *call, const char *option, size_t *count)
{
    const char **list = base_arena_alloc(&call->arena, (call->value_count + 1) * sizeof *list);
    *count = 0;
    for (size_t i = 0; list && i < call->value_count; i++) {
        if (strcmp(call->values[i].option->name, option) == 0)
            list[(*count)++] = call->values[i].text;
    }
    return list;
}
