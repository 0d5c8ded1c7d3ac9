/*
 * Reading a zone for a verb: options, progress, summary.
 */
#ifndef CLI_LOAD_H
#define CLI_LOAD_H

#include "cli/call.h"
#include "cli/terminal.h"
#include "zone/zone.h"

/* The options that every verb has which reads zones. */
#define CLI_OPTION_ORIGIN                                                                          \
    {                                                                                              \
        .name = "origin", .kind = CLI_NAME, .argument = "NAME",                                    \
        .help = "The name of the zone; needed when the file does not say it."                      \
    }
#define CLI_OPTION_INCLUDE                                                                         \
    {                                                                                              \
        .name = "include-anywhere", .kind = CLI_FLAG,                                              \
        .help = "Let $INCLUDE read files outside of the directory of the zone file."               \
    }
#define CLI_OPTION_LIMIT                                                                           \
    {                                                                                              \
        .name = "limit", .kind = CLI_COUNT, .argument = "N",                                       \
        .help = "Show at most N findings of each code and count the rest; 0: all of them. "        \
                "The default is 100."                                                              \
    }
#define CLI_OPTION_STRICT                                                                          \
    {                                                                                              \
        .name = "strict", .kind = CLI_FLAG, .help = "Warnings make the exit code 1, too."          \
    }

/* Reads and builds a zone. What is wrong with it goes into `findings`; the zone is there also then,
 * except after an error. */
int cli_load_zone(struct cli_call *call, const char *path, const char *what,
                  struct base_findings *findings, struct zone **out);

/* Names, records, serial in the summary of the JSON document. */
void cli_summary_zone(struct cli_call *call, const struct zone *zone);
/* "example.: 3 names, 5 records" */
void cli_words_zone(struct cli_call *call, const struct zone *zone);

/* Does this call show progress bars? */
bool cli_progress_wanted(const struct cli_call *call);

/* Writes a zone to a file ("-": standard output) or leaves the file as it was, with a finding. */
struct zone_write_options;
int cli_write_zone(struct cli_call *call, const struct zone *zone, const char *path,
                   const struct zone_write_options *options);

#endif
