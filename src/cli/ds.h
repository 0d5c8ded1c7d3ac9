/*
 * DS records as a person gives them on the command line.
 */
#ifndef CLI_DS_H
#define CLI_DS_H

#include "cli/call.h"
#include "validate/zone.h"

struct cli_ds_list {
    struct validate_ds *items; /* in the call's arena */
    size_t count;
    size_t capacity;
};

/* Reads every --ds of the call: "TAG ALGORITHM DIGESTTYPE DIGEST", a whole DS record, or @FILE with
 * one of these on each line ("@-": standard input). CLI_GOOD, CLI_USAGE after a message, or
 * CLI_SYSTEM after a message. */
int cli_ds_read(struct cli_call *call, struct cli_ds_list *list);

#endif
