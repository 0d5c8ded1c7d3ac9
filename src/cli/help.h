/*
 * Texts made from the table of verbs: help, manual pages, shell completion.
 */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include "cli/verbs.h"

#include <stdio.h>

/* All verbs with their summaries. */
void cli_help_all(FILE *stream, bool color);
/* One verb: usage, description, options, examples; for a row that heads others, these. */
void cli_help_verb(FILE *stream, bool color, const struct cli_verb *verb);
/* "kenter check [options] FILE" */
void cli_usage_line(FILE *stream, const struct cli_verb *verb);

/* Manual pages as roff: kenter(1) when `verb` is NULL, else kenter-VERB(1). */
void cli_man_page(FILE *stream, const struct cli_verb *verb);
/* "key-new": a verb's name as in the name of its page. */
#define CLI_PAGE_NAME 64
const char *cli_page_name(char out[CLI_PAGE_NAME], const struct cli_verb *verb);

/* A completion script; false when the shell is not known. */
bool cli_completion(FILE *stream, const char *shell);

#endif
