/* Declares the rows of verb_list.def. */
#ifndef CLI_VERB_LIST_H
#define CLI_VERB_LIST_H

#include "cli/verbs.h"

#define VERB(symbol) extern const struct cli_verb cli_verb_##symbol;
#include "cli/verb_list.def"
#undef VERB

#endif
