/* Manual pages as roff, from the table of verbs: see help.h. */
#include "cli/help.h"

#include <ctype.h>
#include <string.h>

const char *cli_page_name(char out[CLI_PAGE_NAME], const struct cli_verb *verb)
{
    snprintf(out, CLI_PAGE_NAME, "%s", verb->name);
    for (char *c = out; *c != '\0'; c++) {
        if (*c == ' ')
            *c = '-';
    }
    return out;
}

/* Text in which nothing is markup. Empty lines divide paragraphs. */
static void put(FILE *stream, const char *text)
{
    bool line_start = true;
    for (; *text != '\0'; text++) {
        if (*text == '\n') {
            fputs("\n.PP\n", stream);
            text += strspn(text, "\n") - 1;
            line_start = true;
            continue;
        }
        if (line_start && (*text == '.' || *text == '\''))
            fputs("\\&", stream);
        if (*text == '\\')
            fputs("\\e", stream);
        else if (*text == '-')
            fputs("\\-", stream);
        else if (*text == '\'')
            fputs("\\(aq", stream);
        else
            fputc(*text, stream);
        line_start = false;
    }
}

static void title(FILE *stream, const char *page)
{
    fputs(".TH \"KENTER", stream);
    if (page[0] != '\0')
        fputc('-', stream);
    for (; *page != '\0'; page++)
        fputc(toupper((unsigned char)*page), stream);
    fputs("\" 1 \"\" \"Kenter\" \"Kenter manual\"\n.SH NAME\n", stream);
}

static void put_options(FILE *stream, const struct cli_option *options)
{
    for (const struct cli_option *option = options; option->name != NULL; option++) {
        fputs(".TP\n", stream);
        if (option->letter != 0)
            fprintf(stream, "\\fB\\-%c\\fR, ", option->letter);
        fputs("\\fB\\-\\-", stream);
        put(stream, option->name);
        fputs("\\fR", stream);
        if (option->argument != NULL) {
            fputs(" \\fI", stream);
            put(stream, option->argument);
            fputs("\\fR", stream);
        }
        fputc('\n', stream);
        put(stream, option->help);
        fputc('\n', stream);
    }
}

static void put_synopsis(FILE *stream, const struct cli_verb *verb)
{
    fputs(".SH SYNOPSIS\n\\fBkenter ", stream);
    put(stream, verb->name);
    fputs("\\fR", stream);
    if (verb->run == NULL)
        fputs(" \\fIVERB\\fR ...", stream);
    else
        fputs(" [\\fIoptions\\fR]", stream);
    for (const struct cli_operand *o = verb->operands; o != NULL && o->name != NULL; o++)
        fprintf(stream, " %s\\fI%s\\fR%s%s", o->optional ? "[" : "", o->name,
                o->repeats ? "..." : "", o->optional ? "]" : "");
    fputc('\n', stream);
}

static void put_verbs(FILE *stream, const struct cli_verb *head)
{
    fputs(".SH VERBS\n", stream);
    for (const struct cli_verb *const *verb = cli_verbs; *verb != NULL; verb++) {
        char page[CLI_PAGE_NAME];
        if (head != NULL ? !cli_verb_is_below(*verb, head) : (*verb)->run == NULL)
            continue;
        fputs(".TP\n\\fBkenter\\-", stream);
        put(stream, cli_page_name(page, *verb));
        fputs("\\fR(1)\n", stream);
        put(stream, (*verb)->summary);
        fputc('\n', stream);
    }
}

static void put_examples(FILE *stream, const struct cli_verb *verb)
{
    if (verb->examples == NULL)
        return;
    fputs(".SH EXAMPLES\n", stream);
    for (const struct cli_example *example = verb->examples; example->command != NULL; example++) {
        fputs(".PP\n", stream);
        put(stream, example->meaning);
        fputs("\n.PP\n.RS 4\n.nf\n", stream);
        put(stream, example->command);
        fputs("\n.fi\n.RE\n", stream);
    }
}

static void put_exit_codes(FILE *stream, const struct cli_exit_note *own)
{
    if (own != NULL) {
        fputs(".SH EXIT STATUS\n", stream);
        for (; own->code >= 0; own++) {
            fprintf(stream, ".TP\n%d\n", own->code);
            put(stream, own->meaning);
            fputc('\n', stream);
        }
        fputs(".PP\n2 and 3 mean what they do for all verbs: the command was used wrongly; the "
              "system refused something.\n",
              stream);
        return;
    }
    fputs(".SH EXIT STATUS\n"
          ".TP\n0\nAll is good.\n"
          ".TP\n1\nThere are findings of severity error.\n"
          ".TP\n2\nThe command was used wrongly.\n"
          ".TP\n3\nThe system refused: a file, memory, the network.\n",
          stream);
}

static void verb_page(FILE *stream, const struct cli_verb *verb)
{
    char page[CLI_PAGE_NAME];
    cli_page_name(page, verb);
    title(stream, page);
    fputs("kenter\\-", stream);
    put(stream, page);
    fputs(" \\- ", stream);
    put(stream, verb->summary);
    fputc('\n', stream);
    put_synopsis(stream, verb);
    fputs(".SH DESCRIPTION\n", stream);
    put(stream, verb->description);
    fputc('\n', stream);
    if (verb->operands != NULL && verb->operands[0].name != NULL) {
        fputs(".SH ARGUMENTS\n", stream);
        for (const struct cli_operand *o = verb->operands; o->name != NULL; o++) {
            fprintf(stream, ".TP\n\\fI%s\\fR\n", o->name);
            put(stream, o->help);
            fputc('\n', stream);
        }
    }
    if (verb->run == NULL) {
        put_verbs(stream, verb);
    } else {
        fputs(".SH OPTIONS\n", stream);
        if (verb->options != NULL)
            put_options(stream, verb->options);
        put_options(stream, cli_common_options);
    }
    put_examples(stream, verb);
    put_exit_codes(stream, verb->exits);
    fputs(".SH SEE ALSO\n\\fBkenter\\fR(1)\n", stream);
}

static void main_page(FILE *stream)
{
    title(stream, "");
    fputs("kenter \\- DNSSEC for zones: check, sign, verify, serve\n"
          ".SH SYNOPSIS\n\\fBkenter\\fR \\fIVERB\\fR [\\fIoptions\\fR] ...\n"
          ".SH DESCRIPTION\n",
          stream);
    put(stream,
        "Kenter reads zone files, checks what they mean, signs them and verifies signed zones. "
        "What it finds it tells as findings: each has a stable code, a place, says what is wrong, "
        "why it matters and what to do. With --json everything is said as one JSON document.\n\n"
        "Files named \"-\" are standard input or standard output. Output files are written aside "
        "and put into place when they are complete, so that no program ever reads half a zone.");
    fputc('\n', stream);
    put_verbs(stream, NULL);
    fputs(".SH OPTIONS OF EVERY VERB\n", stream);
    put_options(stream, cli_common_options);
    put_exit_codes(stream, NULL);
    fputs(".SH ENVIRONMENT\n.TP\nNO_COLOR\nWhen set and not empty, there are no colours.\n"
          ".TP\nKENTER_SOCKET\nThe socket of kenterd, for the verbs that ask it.\n",
          stream);
}

void cli_man_page(FILE *stream, const struct cli_verb *verb)
{
    if (verb == NULL)
        main_page(stream);
    else
        verb_page(stream, verb);
}
