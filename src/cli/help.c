/* Help on the terminal, from the table of verbs: see help.h. */
#include "cli/help.h"

#include "cli/terminal.h"

#include <stdlib.h>
#include <string.h>

#define OPTION_COLUMN 26

static void heading(FILE *stream, bool color, const char *text)
{
    fprintf(stream, "\n%s%s%s\n", cli_color(color, CLI_BOLD), text, cli_color(color, CLI_PLAIN));
}

/* Breaks text into lines; the cursor stands at column `at`, later lines begin at `indent`. */
static void wrap(FILE *stream, const char *text, size_t at, size_t indent, size_t width)
{
    bool first = true;
    while (*text != '\0') {
        if (*text == '\n') {
            fprintf(stream, "\n\n%*s", (int)indent, "");
            text += strspn(text, "\n");
            at = indent;
            first = true;
        }
        size_t word = strcspn(text, " \n");
        if (!first && at + 1 + word > width) {
            fprintf(stream, "\n%*s", (int)indent, "");
            at = indent;
            first = true;
        }
        fprintf(stream, "%s%.*s", first ? "" : " ", (int)word, text);
        at += word + !first;
        first = false;
        text += word;
        text += strspn(text, " ");
    }
    fputc('\n', stream);
}

void cli_usage_line(FILE *stream, const struct cli_verb *verb)
{
    fprintf(stream, "usage: kenter %s", verb->name);
    if (verb->run == NULL) {
        fprintf(stream, " VERB ...\n");
        return;
    }
    fprintf(stream, " [options]");
    size_t at = 0;
    for (const struct cli_option *option; (option = cli_option_next(verb, &at)) != NULL;) {
        if (option->required)
            fprintf(stream, " --%s %s", option->name, option->argument);
    }
    for (const struct cli_operand *o = verb->operands; o != NULL && o->name != NULL; o++)
        fprintf(stream, " %s%s%s%s", o->optional ? "[" : "", o->name, o->repeats ? "..." : "",
                o->optional ? "]" : "");
    fputc('\n', stream);
}

static void print_row(FILE *stream, const char *name, const char *text, size_t column)
{
    size_t length = strlen(name);
    fprintf(stream, "  %s", name);
    if (length + 4 > column) {
        fputc('\n', stream);
        length = 0;
        fputs("  ", stream);
    }
    fprintf(stream, "%*s", (int)(column - length - 2), "");
    wrap(stream, text, column, column, cli_width(stream));
}

static void print_option(FILE *stream, const struct cli_option *option)
{
    char name[128];
    char letter[8] = "    ";
    if (option->letter != 0)
        snprintf(letter, sizeof(letter), "-%c, ", option->letter);
    snprintf(name, sizeof(name), "%s--%s%s%s", letter, option->name,
             option->argument != NULL ? " " : "", option->argument != NULL ? option->argument : "");
    print_row(stream, name, option->help, OPTION_COLUMN);
}

static void print_options(FILE *stream, bool color, const struct cli_verb *verb)
{
    if (verb->options != NULL) {
        heading(stream, color, "Options");
        for (const struct cli_option *option = verb->options; option->name != NULL; option++)
            print_option(stream, option);
    }
    heading(stream, color, "Options of every verb");
    for (const struct cli_option *option = cli_common_options; option->name != NULL; option++)
        print_option(stream, option);
}

static void print_operands(FILE *stream, bool color, const struct cli_verb *verb)
{
    if (verb->operands == NULL || verb->operands[0].name == NULL)
        return;
    heading(stream, color, "Arguments");
    for (const struct cli_operand *operand = verb->operands; operand->name != NULL; operand++)
        print_row(stream, operand->name, operand->help, OPTION_COLUMN);
}

static void print_examples(FILE *stream, bool color, const struct cli_verb *verb)
{
    if (verb->examples == NULL)
        return;
    heading(stream, color, "Examples");
    for (const struct cli_example *example = verb->examples; example->command != NULL; example++) {
        fputs("  ", stream);
        wrap(stream, example->meaning, 2, 2, cli_width(stream));
        fprintf(stream, "      %s%s%s\n", cli_color(color, CLI_GREEN), example->command,
                cli_color(color, CLI_PLAIN));
    }
}

static void print_exits(FILE *stream, bool color, const struct cli_verb *verb)
{
    if (verb->exits == NULL)
        return;
    heading(stream, color, "Exit codes");
    for (const struct cli_exit_note *note = verb->exits; note->code >= 0; note++) {
        char code[16];
        snprintf(code, sizeof(code), "%d", note->code);
        print_row(stream, code, note->meaning, 6);
    }
}

static void print_below(FILE *stream, bool color, const struct cli_verb *head)
{
    heading(stream, color, "Verbs");
    for (const struct cli_verb *const *verb = cli_verbs; *verb != NULL; verb++) {
        if (cli_verb_is_below(*verb, head))
            print_row(stream, (*verb)->name, (*verb)->summary, 16);
    }
}

void cli_help_verb(FILE *stream, bool color, const struct cli_verb *verb)
{
    fprintf(stream, "%skenter %s%s: %s\n\n", cli_color(color, CLI_BOLD), verb->name,
            cli_color(color, CLI_PLAIN), verb->summary);
    cli_usage_line(stream, verb);
    fputc('\n', stream);
    wrap(stream, verb->description, 0, 0, cli_width(stream));
    if (verb->run == NULL) {
        print_below(stream, color, verb);
    } else {
        print_operands(stream, color, verb);
        print_options(stream, color, verb);
    }
    print_exits(stream, color, verb);
    print_examples(stream, color, verb);
}

void cli_help_all(FILE *stream, bool color)
{
    fprintf(stream,
            "%skenter%s: DNSSEC for zones: check, sign, verify\n\n"
            "usage: kenter VERB [options] ...\n",
            cli_color(color, CLI_BOLD), cli_color(color, CLI_PLAIN));
    heading(stream, color, "Verbs");
    for (const struct cli_verb *const *verb = cli_verbs; *verb != NULL; verb++) {
        if ((*verb)->run != NULL)
            print_row(stream, (*verb)->name, (*verb)->summary, 16);
    }
    fprintf(stream, "\n'kenter VERB --help' tells more about a verb and shows examples.\n");
}
