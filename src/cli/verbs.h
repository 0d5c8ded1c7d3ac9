/*
 * The table of verbs. Each verb is one row, defined in its own file verb_NAME.c and listed in
 * verbs.c. Parsing, --help, manual pages, shell completion and error messages all come from the
 * rows, so that they cannot disagree. A new verb is a new file and a new line in the list.
 */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#include <stdbool.h>
#include <stddef.h>

struct cli_call;

enum cli_kind {
    CLI_FLAG,      /* takes no value */
    CLI_TEXT,      /* anything */
    CLI_COUNT,     /* a whole number, 0 to 4294967295 */
    CLI_TIME,      /* base_time_parse */
    CLI_DURATION,  /* base_duration_parse, at most 4294967295 seconds */
    CLI_NAME,      /* a domain name, completed with the root */
    CLI_FILE,      /* a path, or "-" */
    CLI_DIRECTORY, /* a path */
    CLI_CHOICE,    /* one of the words in `argument`, divided by "|" */
};

struct cli_option {
    const char *name;     /* long form without dashes; NULL ends a list */
    const char *argument; /* what the value is called in help; NULL for flags */
    const char *help;     /* one sentence */
    enum cli_kind kind;
    char letter;  /* short form, 0 for none */
    bool repeats; /* may be given more than once */
    bool required;
};

struct cli_operand {
    const char *name; /* "FILE"; NULL ends a list */
    enum cli_kind kind;
    bool optional;
    bool repeats; /* the last one: takes all that follows */
    const char *help;
    const char *choices; /* "a|b": offered by completion; may be NULL */
};

struct cli_example {
    const char *command; /* NULL ends a list */
    const char *meaning;
};

struct cli_exit_note {
    int code; /* below 0: ends a list */
    const char *meaning;
};

struct cli_verb {
    const char *name;        /* "check", "key new" */
    const char *summary;     /* one line, lower case, no full stop */
    const char *description; /* paragraphs divided by an empty line */
    const struct cli_operand *operands;
    const struct cli_option *options; /* its own; cli_common_options come on top. NULL: none */
    const struct cli_example *examples;
    const struct cli_exit_note *exits; /* where codes mean something else than usual; NULL */
    /* Does the work and returns the exit code. NULL: the row only heads the verbs below it ("key").
     */
    int (*run)(struct cli_call *call);
};

extern const struct cli_verb *const cli_verbs[]; /* ends with NULL */
extern const struct cli_option cli_common_options[];

/* By its full name; NULL when there is none. */
const struct cli_verb *cli_verb_find(const char *name);
/* The option of a verb, common ones included; NULL when there is none. */
const struct cli_option *cli_option_find(const struct cli_verb *verb, const char *name,
                                         size_t length);
const struct cli_option *cli_option_by_letter(const struct cli_verb *verb, char letter);
/* Is `verb` a verb below the row `head` ("key new" below "key")? */
bool cli_verb_is_below(const struct cli_verb *verb, const struct cli_verb *head);

/* Steps over the options of a verb, its own first, then the common ones; NULL at the end. `*at`
 * starts at 0. */
const struct cli_option *cli_option_next(const struct cli_verb *verb, size_t *at);

#endif
