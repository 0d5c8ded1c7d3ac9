/*
 * Verbs that serve until they are ended: signals, the context, and what the outcome means.
 */
#ifndef CLI_SERVICE_H
#define CLI_SERVICE_H

#include "cli/ask.h"

/* Opens the context and serves. SIGTERM, SIGINT and SIGHUP are blocked before any thread is there,
 * so that the loop of `serve` gets them by its descriptor. `serve` gives an exit code, and sets
 * *error for cli_finish. Returns the exit code of the verb. */
int cli_service_run(struct cli_call *call, int (*serve)(struct cli_ask *ask, int *error));

/* What services cannot take: operands, --at, and a --mode that is no permissions. An exit code. */
int cli_service_check(const struct cli_call *call);
/* The --mode, octal; 0: not given. */
unsigned cli_service_mode(const struct cli_call *call);
/* All values of an option that may be repeated, in the call's arena; NULL: no memory. */
const char **cli_service_sockets(struct cli_call *call, const char *option, size_t *count);

#endif
