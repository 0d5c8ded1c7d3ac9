/* Shell completion, from the table of verbs: see help.h. The scripts hold only words, so they need
 * no kenter to run. */
#include "cli/help.h"

#include <string.h>

/* First words of all verbs, each once: "check", "key", … Calls visit for each. */
static void each_first_word(FILE *stream, void (*visit)(FILE *stream, const char *word, int length,
                                                        const struct cli_verb *verb))
{
    for (size_t i = 0; cli_verbs[i] != NULL; i++) {
        int length = (int)strcspn(cli_verbs[i]->name, " ");
        bool seen = false;
        for (size_t j = 0; j < i; j++)
            seen |= (int)strcspn(cli_verbs[j]->name, " ") == length &&
                    memcmp(cli_verbs[j]->name, cli_verbs[i]->name, (size_t)length) == 0;
        if (!seen)
            visit(stream, cli_verbs[i]->name, length, cli_verbs[i]);
    }
}

/* Text for between single quotes, as fish reads it. */
static void put_fish(FILE *stream, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'' || *text == '\\')
            fputc('\\', stream);
        fputc(*text, stream);
    }
}

/* The same for zsh, where brackets and colons divide the parts of a description. */
static void put_zsh(FILE *stream, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            fputs("'\\''", stream);
            continue;
        }
        if (strchr("[]:\\", *text) != NULL)
            fputc('\\', stream);
        fputc(*text, stream);
    }
}

static void put_choices(FILE *stream, const char *choices)
{
    for (; *choices != '\0'; choices++)
        fputc(*choices == '|' ? ' ' : *choices, stream);
}

static bool takes_path(enum cli_kind kind)
{
    return kind == CLI_FILE || kind == CLI_DIRECTORY;
}

static void bash_word(FILE *stream, const char *word, int length, const struct cli_verb *verb)
{
    (void)verb;
    fprintf(stream, " %.*s", length, word);
}

static bool has_below(const struct cli_verb *head)
{
    for (const struct cli_verb *const *verb = cli_verbs; *verb != NULL; verb++) {
        if (cli_verb_is_below(*verb, head))
            return true;
    }
    return false;
}

/* The last words of the verbs below, with `mark` between them. */
static void put_below(FILE *stream, const struct cli_verb *head, const char *mark)
{
    const char *between = "";
    for (const struct cli_verb *const *verb = cli_verbs; *verb != NULL; verb++) {
        if (cli_verb_is_below(*verb, head)) {
            fprintf(stream, "%s%s", between, (*verb)->name + strlen(head->name) + 1);
            between = mark;
        }
    }
}

static void bash_subverbs(FILE *stream)
{
    for (const struct cli_verb *const *head = cli_verbs; *head != NULL; head++) {
        if ((*head)->run != NULL)
            continue;
        fprintf(stream, "    %s) words=\"", (*head)->name);
        put_below(stream, *head, " ");
        fputs(" --help\" ;;\n", stream);
    }
}

static void bash_choices(FILE *stream, const struct cli_verb *verb)
{
    size_t at = 0;
    for (const struct cli_option *option; (option = cli_option_next(verb, &at)) != NULL;) {
        if (option->kind == CLI_FLAG)
            continue;
        fprintf(stream, "    '%s --%s'", verb->name, option->name);
        if (option->letter != 0)
            fprintf(stream, "|'%s -%c'", verb->name, option->letter);
        fputs(") ", stream);
        if (option->kind == CLI_CHOICE) {
            fputs("COMPREPLY=($(compgen -W \"", stream);
            put_choices(stream, option->argument);
            fputs("\" -- \"$current\")); ", stream);
        } else if (takes_path(option->kind)) {
            fprintf(stream, "mapfile -t COMPREPLY < <(compgen -%c -- \"$current\"); ",
                    option->kind == CLI_FILE ? 'f' : 'd');
        }
        fputs("return ;;\n", stream);
    }
}

/* What the first operand can be: files, or words. */
static void bash_operands(FILE *stream, const struct cli_verb *verb)
{
    const struct cli_operand *operand = verb->operands;
    if (has_below(verb)) {
        fputs(" operands=\"", stream);
        put_below(stream, verb, " ");
        fputs("\"", stream);
    }
    if (operand == NULL || operand->name == NULL)
        return;
    if (takes_path(operand->kind)) {
        fputs(" operands=files", stream);
    } else if (operand->choices != NULL) {
        fputs(" operands=\"", stream);
        put_choices(stream, operand->choices);
        fputs("\"", stream);
    }
}

static void bash_script(FILE *stream)
{
    fputs("# bash completion for kenter\n"
          "_kenter()\n{\n"
          "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
          "    local verb=${COMP_WORDS[1]} words= operands=\n"
          "    # \"--option=value\" comes as three words.\n"
          "    if [ \"$current\" = = ]; then\n"
          "        current=\n"
          "    elif [ \"$previous\" = = ]; then\n"
          "        previous=${COMP_WORDS[COMP_CWORD-2]}\n"
          "    fi\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
          "        COMPREPLY=($(compgen -W \"",
          stream);
    each_first_word(stream, bash_word);
    fputs("\" -- \"$current\"))\n        return\n    fi\n    case $verb in\n", stream);
    for (const struct cli_verb *const *head = cli_verbs; *head != NULL; head++) {
        if ((*head)->run == NULL)
            fprintf(stream,
                    "    %s) [ \"$COMP_CWORD\" -gt 2 ] && verb=\"$verb ${COMP_WORDS[2]}\" ;;\n",
                    (*head)->name);
        else if (has_below(*head)) { /* it works by itself, too */
            fprintf(stream,
                    "    %s) case $COMP_CWORD:${COMP_WORDS[2]} in\n        2:*) ;;\n        *:",
                    (*head)->name);
            put_below(stream, *head, "|*:");
            fputs(") verb=\"$verb ${COMP_WORDS[2]}\" ;;\n        esac ;;\n", stream);
        }
    }
    fputs("    esac\n    case \"$verb $previous\" in\n", stream);
    for (const struct cli_verb *const *verb = cli_verbs; *verb != NULL; verb++) {
        if ((*verb)->run != NULL)
            bash_choices(stream, *verb);
    }
    fputs("    esac\n    case $verb in\n", stream);
    bash_subverbs(stream);
    for (const struct cli_verb *const *verb = cli_verbs; *verb != NULL; verb++) {
        if ((*verb)->run == NULL)
            continue;
        fprintf(stream, "    '%s') words=\"", (*verb)->name);
        size_t at = 0;
        for (const struct cli_option *option; (option = cli_option_next(*verb, &at)) != NULL;)
            fprintf(stream, "--%s ", option->name);
        fputs("\"", stream);
        bash_operands(stream, *verb);
        fputs(" ;;\n", stream);
    }
    fputs("    esac\n"
          "    case $current in\n"
          "    -*) COMPREPLY=($(compgen -W \"$words\" -- \"$current\")) ;;\n"
          "    *) case $words:$operands in\n"
          "        -*:files) mapfile -t COMPREPLY < <(compgen -f -- \"$current\") ;;\n"
          "        -*) COMPREPLY=($(compgen -W \"$operands\" -- \"$current\")) ;;\n"
          "        *) COMPREPLY=($(compgen -W \"$words\" -- \"$current\")) ;;\n"
          "        esac ;;\n"
          "    esac\n"
          "}\n"
          "complete -o filenames -F _kenter kenter\n",
          stream);
}

static void zsh_word(FILE *stream, const char *word, int length, const struct cli_verb *verb)
{
    fprintf(stream, "        '%.*s:", length, word);
    put_zsh(stream, verb->summary);
    fputs("'\n", stream);
}

static void zsh_option(FILE *stream, const struct cli_option *option)
{
    fprintf(stream, "            '%s--%s%s[", option->repeats ? "*" : "", option->name,
            option->kind == CLI_FLAG ? "" : "=");
    put_zsh(stream, option->help);
    fputs("]", stream);
    if (option->kind == CLI_CHOICE) {
        fputs(":value:(", stream);
        put_choices(stream, option->argument);
        fputc(')', stream);
    } else if (takes_path(option->kind)) {
        fprintf(stream, ":path:_files%s", option->kind == CLI_DIRECTORY ? " -/" : "");
    } else if (option->kind != CLI_FLAG) {
        fputs(":value:", stream);
    }
    fputs("' \\\n", stream);
}

static void zsh_script(FILE *stream)
{
    fputs("#compdef kenter\n"
          "_kenter()\n{\n"
          "    local -a verbs\n"
          "    local verb=$words[2]\n"
          "    if (( CURRENT == 2 )); then\n"
          "        verbs=(\n",
          stream);
    each_first_word(stream, zsh_word);
    fputs("        )\n        _describe verb verbs\n        return\n    fi\n    case $verb in\n",
          stream);
    for (const struct cli_verb *const *head = cli_verbs; *head != NULL; head++) {
        if (!has_below(*head))
            continue;
        /* One that works by itself, too, has options in the place of a further verb. */
        fprintf(stream, "    %s)\n        if (( CURRENT == 3 ))%s; then\n            verbs=(\n",
                (*head)->name, (*head)->run ? " && [[ $words[3] != -* ]]" : "");
        for (const struct cli_verb *const *verb = cli_verbs; *verb != NULL; verb++) {
            const char *name = (*verb)->name + strlen((*head)->name) + 1;
            if (cli_verb_is_below(*verb, *head))
                zsh_word(stream, name, (int)strlen(name), *verb);
        }
        fputs("            )\n            _describe verb verbs\n            return\n        fi\n"
              "        case $words[3] in\n        -*) ;;\n"
              "        *) verb=\"$verb $words[3]\" ;;\n        esac\n        ;;\n",
              stream);
    }
    fputs("    esac\n    case $verb in\n", stream);
    for (const struct cli_verb *const *verb = cli_verbs; *verb != NULL; verb++) {
        if ((*verb)->run == NULL)
            continue;
        fprintf(stream, "    '%s')\n        _arguments \\\n", (*verb)->name);
        size_t at = 0;
        for (const struct cli_option *option; (option = cli_option_next(*verb, &at)) != NULL;)
            zsh_option(stream, option);
        fputs("            '*:path:_files'\n        ;;\n", stream);
    }
    fputs("    esac\n}\n_kenter \"$@\"\n", stream);
}

static void fish_word(FILE *stream, const char *word, int length, const struct cli_verb *verb)
{
    fprintf(stream, "complete -c kenter -n __fish_use_subcommand -f -a '%.*s' -d '", length, word);
    put_fish(stream, verb->summary);
    fputs("'\n", stream);
}

/* The condition under which a verb's options are offered. */
static void fish_condition(FILE *stream, const struct cli_verb *verb)
{
    const char *space = strchr(verb->name, ' ');
    if (space == NULL)
        fprintf(stream, "__fish_seen_subcommand_from %s", verb->name);
    else
        fprintf(stream, "__fish_seen_subcommand_from %.*s; and __fish_seen_subcommand_from %s",
                (int)(space - verb->name), verb->name, space + 1);
}

static void fish_option(FILE *stream, const struct cli_verb *verb, const struct cli_option *option)
{
    fputs("complete -c kenter -n '", stream);
    fish_condition(stream, verb);
    fprintf(stream, "' -l %s", option->name);
    if (option->letter != 0)
        fprintf(stream, " -s %c", option->letter);
    if (option->kind != CLI_FLAG)
        fputs(takes_path(option->kind) ? " -r -F" : " -x", stream);
    if (option->kind == CLI_CHOICE) {
        fputs(" -a '", stream);
        put_choices(stream, option->argument);
        fputs("'", stream);
    }
    fputs(" -d '", stream);
    put_fish(stream, option->help);
    fputs("'\n", stream);
}

static void fish_script(FILE *stream)
{
    fputs("# fish completion for kenter\n", stream);
    each_first_word(stream, fish_word);
    for (const struct cli_verb *const *verb = cli_verbs; *verb != NULL; verb++) {
        const char *space = strchr((*verb)->name, ' ');
        if (space != NULL) {
            fprintf(stream,
                    "complete -c kenter -n '__fish_seen_subcommand_from %.*s' -f -a '%s' -d '",
                    (int)(space - (*verb)->name), (*verb)->name, space + 1);
            put_fish(stream, (*verb)->summary);
            fputs("'\n", stream);
        }
        if ((*verb)->run == NULL)
            continue;
        size_t at = 0;
        for (const struct cli_option *option; (option = cli_option_next(*verb, &at)) != NULL;)
            fish_option(stream, *verb, option);
    }
}

bool cli_completion(FILE *stream, const char *shell)
{
    static const struct {
        const char *name;
        void (*script)(FILE *stream);
    } shells[] = {{"bash", bash_script}, {"zsh", zsh_script}, {"fish", fish_script}};
    for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
        if (strcmp(shells[i].name, shell) == 0) {
            shells[i].script(stream);
            return true;
        }
    }
    return false;
}
