/*
 * What a verb says at its end: findings, then one line of summary; or one JSON document.
 */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include "cli/call.h"

/* Text from files and from elsewhere goes to a terminal: control characters become "?". */
void cli_print_safely(FILE *stream, const char *text);

/* Adds a finding about a file, with the reason that errno gives. */
void cli_file_finding(struct cli_call *call, enum base_finding_code code, const char *path,
                      const char *what);

/* Numbers and texts of the summary, in the JSON document. */
void cli_summary_count(struct cli_call *call, const char *name, uint64_t value);
void cli_summary_text(struct cli_call *call, const char *name, const char *text);
/* The summary in plain words: "example.: 3 names, 5 records". Counts of findings and the time are
 * added to it. */
void cli_summary_words(struct cli_call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* 1234567 as "1 234 567". */
#define CLI_NUMBER_TEXT 32
const char *cli_number(char out[CLI_NUMBER_TEXT], uint64_t value);

/* Prints findings and summary as the call wants them, and returns the exit code. `error` is what
 * stopped the work, BASE_OK when nothing did. */
int cli_finish(struct cli_call *call, int error);

/* Text for people on standard output, outside of the report; nothing with --json or --quiet. */
void cli_say(const struct cli_call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
