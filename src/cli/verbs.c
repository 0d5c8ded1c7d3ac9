/* The list of verbs and the options that all of them have: see verbs.h. */
#include "cli/verbs.h"

#include "cli/verb_list.h"

#include <string.h>

/* In the order of help. */
const struct cli_verb *const cli_verbs[] = {
#define VERB(symbol) &cli_verb_##symbol,
#include "cli/verb_list.def"
#undef VERB
    NULL,
};

const struct cli_option cli_common_options[] = {
    {.name = "json", .kind = CLI_FLAG, .help = "Report as one JSON document."},
    {.name = "quiet",
     .letter = 'q',
     .kind = CLI_FLAG,
     .help = "Only findings: no summary, no progress bar."},
    {.name = "brief",
     .letter = 'b',
     .kind = CLI_FLAG,
     .help = "One line for each finding, without its explanation."},
    {.name = "color",
     .kind = CLI_CHOICE,
     .argument = "auto|always|never",
     .help = "When to use colours; auto: on a terminal, unless NO_COLOR is set."},
    {.name = "threads",
     .letter = 'j',
     .kind = CLI_COUNT,
     .argument = "N",
     .help = "How many threads work; 0, the default, is one for each CPU."},
    {.name = "help", .letter = 'h', .kind = CLI_FLAG, .help = "Show this help."},
    {.name = NULL},
};

const struct cli_verb *cli_verb_find(const char *name)
{
    for (const struct cli_verb *const *verb = cli_verbs; *verb != NULL; verb++) {
        if (strcmp((*verb)->name, name) == 0)
            return *verb;
    }
    return NULL;
}

const struct cli_option *cli_option_next(const struct cli_verb *verb, size_t *at)
{
    size_t own = 0;
    while (verb->options != NULL && verb->options[own].name != NULL)
        own++;
    const struct cli_option *option =
        *at < own ? &verb->options[*at] : &cli_common_options[*at - own];
    if (option->name == NULL)
        return NULL;
    (*at)++;
    return option;
}

const struct cli_option *cli_option_find(const struct cli_verb *verb, const char *name,
                                         size_t length)
{
    size_t at = 0;
    const struct cli_option *option;
    while ((option = cli_option_next(verb, &at)) != NULL) {
        if (strlen(option->name) == length && memcmp(option->name, name, length) == 0)
            return option;
    }
    return NULL;
}

const struct cli_option *cli_option_by_letter(const struct cli_verb *verb, char letter)
{
    size_t at = 0;
    const struct cli_option *option;
    while ((option = cli_option_next(verb, &at)) != NULL) {
        if (option->letter == letter)
            return option;
    }
    return NULL;
}

bool cli_verb_is_below(const struct cli_verb *verb, const struct cli_verb *head)
{
    size_t length = strlen(head->name);
    return strncmp(verb->name, head->name, length) == 0 && verb->name[length] == ' ';
}
