/* The table of verbs is whole: everything that parsing, help, pages and completion rely on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/call.h"
#include "cli/help.h"
#include "cli/report.h"
#include "cli/terminal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static bool is_sentence(const char *text)
{
    size_t length = strlen(text);
    return length > 5 && text[length - 1] == '.';
}

static void check_option(const struct cli_verb *verb, const struct cli_option *option)
{
    if (!is_sentence(option->help))
        fail_msg("%s --%s: help is no sentence", verb->name, option->name);
    if ((option->kind == CLI_FLAG) != (option->argument == NULL))
        fail_msg("%s --%s: flags alone have no argument", verb->name, option->name);
    if (cli_option_find(verb, option->name, strlen(option->name)) != option)
        fail_msg("%s --%s is there twice", verb->name, option->name);
    if (option->letter != 0 && cli_option_by_letter(verb, option->letter) != option)
        fail_msg("%s -%c is there twice", verb->name, option->letter);
}

static void test_options(void **state)
{
    for (const struct cli_verb *const *verb = cli_verbs; *verb != NULL; verb++) {
        const struct cli_option *option;
        size_t at = 0;
        while ((option = cli_option_next(*verb, &at)) != NULL)
            check_option(*verb, option);
    }
}

static void test_verbs(void **state)
{
    for (const struct cli_verb *const *verb = cli_verbs; *verb != NULL; verb++) {
        assert_ptr_equal(cli_verb_find((*verb)->name), *verb);
        assert_true(is_sentence((*verb)->description));
        assert_true(islower((unsigned char)(*verb)->summary[0]));
        if ((*verb)->run == NULL)
            continue;
        assert_non_null((*verb)->examples);
        assert_non_null((*verb)->examples[0].command);
        bool optional = false;
        for (const struct cli_operand *o = (*verb)->operands; o != NULL && o->name != NULL; o++) {
            assert_true(is_sentence(o->help));
            assert_true(!optional || o->optional);
            optional |= o->optional;
        }
    }
    assert_null(cli_verb_find("ke"));
    assert_true(cli_verb_is_below(cli_verb_find("key new"), cli_verb_find("key")));
    assert_false(cli_verb_is_below(cli_verb_find("key"), cli_verb_find("key")));
}

static void test_nearest(void **state)
{
    const char *const words[] = {"check", "verify", "version", "format", NULL};
    assert_string_equal(base_nearest("chekc", words), "check");
    assert_string_equal(base_nearest("verfy", words), "verify");
    assert_string_equal(base_nearest("vers", words), "version");
    assert_string_equal(base_nearest("formatt", words), "format");
    assert_null(base_nearest("x", words));
    assert_null(base_nearest("", words));
    assert_null(base_nearest("nothing like it", words));
    char large[200];
    memset(large, 'c', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    assert_null(base_nearest(large, words));
}

/* Arguments divided by blanks. `line` must outlive the call. */
static int parse(struct cli_call *call, char *line)
{
    char *arguments[16];
    int count = 0;
    for (char *word = strtok(line, " "); word != NULL; word = strtok(NULL, " "))
        arguments[count++] = word;
    return cli_call_parse(call, cli_verb_find("sign"), count, arguments);
}

static void test_parse(void **state)
{
    char line[] = "-qj3 --serial=date zone -kkeys --at @100";
    struct cli_call call;
    assert_int_equal(parse(&call, line), CLI_GOOD);
    assert_true(call.quiet);
    assert_false(call.json);
    assert_int_equal(call.threads, 3);
    assert_int_equal(call.now, 100);
    assert_true(cli_chosen(&call, "serial", "date"));
    assert_false(cli_chosen(&call, "serial", "dat"));
    assert_string_equal(cli_text(&call, "keys"), "keys");
    assert_int_equal(call.operand_count, 1);
    assert_null(cli_name(&call, "origin"));
    assert_int_equal(cli_duration(&call, "validity", 7), 7);
    cli_call_free(&call);

    char dashes[] = "--keys k -- --json";
    assert_int_equal(parse(&call, dashes), CLI_GOOD);
    assert_false(call.json);
    assert_string_equal(call.operands[0], "--json");
    cli_call_free(&call);
}

static void test_numbers(void **state)
{
    char text[CLI_NUMBER_TEXT];
    assert_string_equal(cli_number(text, 0), "0");
    assert_string_equal(cli_number(text, 999), "999");
    assert_string_equal(cli_number(text, 1000), "1 000");
    assert_string_equal(cli_number(text, 12345678), "12 345 678");
    assert_string_equal(cli_number(text, UINT64_MAX), "18 446 744 073 709 551 615");
}

/* Everything can be printed for every verb. */
static void test_texts(void **state)
{
    for (const struct cli_verb *const *verb = cli_verbs; *verb != NULL; verb++) {
        char *text;
        size_t length;
        FILE *stream = open_memstream(&text, &length);
        cli_help_verb(stream, true, *verb);
        cli_man_page(stream, *verb);
        fclose(stream);
        assert_true(length > 500);
        free(text);
    }
    assert_string_equal(cli_color(false, CLI_RED), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options), cmocka_unit_test(test_verbs),
        cmocka_unit_test(test_nearest), cmocka_unit_test(test_parse),
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
