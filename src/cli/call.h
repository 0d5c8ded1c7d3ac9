/*
 * One call of a verb: what was asked for, and what is to be reported.
 */
#ifndef CLI_CALL_H
#define CLI_CALL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/finding.h"
#include "base/nearest.h"
#include "cli/verbs.h"

#include <stdio.h>

enum cli_exit {
    CLI_GOOD = 0,
    CLI_FINDINGS = 1, /* findings of severity error, or of any with --strict */
    CLI_USAGE = 2,
    CLI_SYSTEM = 3, /* a file, memory, the machine */
};

struct cli_value {
    const struct cli_option *option;
    const char *text; /* NULL for flags */
};

struct cli_call {
    const struct cli_verb *verb;
    const char **operands;
    size_t operand_count;
    struct cli_value *values;
    size_t value_count;
    struct base_arena arena; /* lives as long as the call */

    base_time now;    /* the system's, or --at */
    uint64_t started; /* base_clock_monotonic */
    unsigned threads;
    bool json, quiet, brief, strict;
    bool notes;          /* findings of severity info are shown as text */
    bool color;          /* of the report */
    int outcome;         /* exit code of work that was done well; instead of CLI_FINDINGS, too */
    bool data_on_stdout; /* then the report goes to standard error */

    struct base_findings findings;
    size_t tolerated;        /* errors among them that the user wants to live with */
    struct base_buf members; /* further members of the JSON document: ,"name":value … */
    struct base_buf summary; /* members of its "summary": ,"name":value … */
    const char *words; /* the summary in plain words, without counts of findings; may be NULL */
};

/* Reads the arguments behind the verb. CLI_GOOD, or CLI_USAGE after a message on standard error. */
int cli_call_parse(struct cli_call *call, const struct cli_verb *verb, int argc, char **argv);
void cli_call_free(struct cli_call *call);

/* The value of an option, the last when it was given more than once; NULL when it was not given.
 * Values have been checked against their kind. */
const char *cli_text(const struct cli_call *call, const char *option);
bool cli_flag(const struct cli_call *call, const char *option);
/* These give `otherwise` when the option is absent. */
unsigned long cli_count(const struct cli_call *call, const char *option, unsigned long otherwise);
base_time cli_time(const struct cli_call *call, const char *option, base_time otherwise);
unsigned long cli_duration(const struct cli_call *call, const char *option,
                           unsigned long otherwise);
/* Is the choice this word? False when the option is absent. */
bool cli_chosen(const struct cli_call *call, const char *option, const char *word);
/* The wire form in the call's arena; NULL when absent. */
const unsigned char *cli_name(struct cli_call *call, const char *option);
/* Parses a text checked before as CLI_NAME. */
const unsigned char *cli_parse_name(struct cli_call *call, const char *text);

/* Complains about the use of a verb on standard error; returns CLI_USAGE. */
int cli_usage_error(const struct cli_verb *verb, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
