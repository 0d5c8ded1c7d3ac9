/* Verbs that serve: see service.h. */
#include "cli/service.h"

#include "base/error.h"
#include "cli/report.h"

#include <signal.h>

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
