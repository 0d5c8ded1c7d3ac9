/* Findings: bounded lists, joining, stable order; and a catalogue that speaks plainly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/finding.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static void add(struct base_findings *findings, const char *file, uint32_t line, uint32_t column,
                const char *owner, const char *message)
{
    struct base_place place = {.file = file, .line = line, .column = column, .owner = owner};
    base_findings_add(findings, FILE_UNREADABLE, &place, "%s", message);
}

static void test_bound(void **state)
{
    struct base_findings findings;
    base_findings_init(&findings, 5);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(base_findings_wants(&findings, FILE_UNREADABLE), i < 5);
        base_findings_add(&findings, FILE_UNREADABLE, NULL, "number %d", i);
    }
    base_findings_count(&findings, FILE_UNREADABLE);
    base_findings_add(&findings, POLICY_INVALID, NULL, "another");
    assert_int_equal(findings.count, 6);
    assert_int_equal(findings.by_code[FILE_UNREADABLE], 9);
    assert_int_equal(findings.totals[BASE_ERROR], 10);
    assert_string_equal(findings.items[4].message, "number 4");
    assert_true(base_findings_bad(&findings));
    base_findings_free(&findings);
    assert_int_equal(findings.per_code, 5);
    assert_false(base_findings_bad(&findings));
}

/* Texts given to a finding may go away. */
static void test_copies(void **state)
{
    struct base_findings findings;
    base_findings_init(&findings, 5);
    char file[] = "zone", owner[] = "www.", type[] = "MX";
    struct base_place place = {.file = file, .line = 3, .owner = owner, .type = type};
    base_findings_add(&findings, FILE_UNREADABLE, &place, "message");
    memset(file, 'x', 4);
    memset(owner, 'x', 4);
    memset(type, 'x', 2);
    assert_string_equal(findings.items[0].place.file, "zone");
    assert_string_equal(findings.items[0].place.owner, "www.");
    assert_string_equal(findings.items[0].place.type, "MX");
    assert_int_equal(findings.items[0].place.line, 3);
    base_findings_free(&findings);
}

static void test_absorb(void **state)
{
    struct base_findings into, from;
    base_findings_init(&into, 5);
    base_findings_init(&from, 10);
    for (int i = 0; i < 3; i++)
        add(&into, "a", (uint32_t)i, 0, NULL, "into");
    for (int i = 0; i < 12; i++)
        add(&from, "b", (uint32_t)i, 0, NULL, "from");
    base_findings_absorb(&into, &from);
    assert_int_equal(into.count, 5);
    assert_int_equal(into.by_code[FILE_UNREADABLE], 15);
    assert_int_equal(into.totals[BASE_ERROR], 15);
    assert_int_equal(from.count, 0);
    assert_int_equal(from.totals[BASE_ERROR], 0);
    assert_string_equal(into.items[4].message, "from");
    assert_int_equal(into.items[4].place.line, 1);
    base_findings_free(&from);
    assert_string_equal(into.items[4].place.file, "b");
    base_findings_absorb(&from, &into);
    assert_int_equal(from.count, 5);
    assert_int_equal(from.by_code[FILE_UNREADABLE], 15);
    base_findings_free(&into);
    base_findings_free(&from);
}

static void test_sort(void **state)
{
    struct base_findings findings;
    base_findings_init(&findings, 1000);
    for (uint32_t i = 0; i < 500; i++) {
        char message[16];
        snprintf(message, sizeof(message), "%u", i);
        add(&findings, i % 3 ? "b" : NULL, i * 7919 % 13, i % 2, i % 5 ? "x." : NULL, message);
    }
    base_findings_sort(&findings);
    for (size_t i = 1; i < findings.count; i++) {
        const struct base_finding *a = &findings.items[i - 1], *b = &findings.items[i];
        assert_true((a->place.file != NULL) <= (b->place.file != NULL));
        if ((a->place.file == NULL) != (b->place.file == NULL))
            continue;
        assert_true(a->place.line <= b->place.line);
        if (a->place.line != b->place.line)
            continue;
        assert_true(a->place.column <= b->place.column);
        bool same_owner = (a->place.owner == NULL) == (b->place.owner == NULL);
        if (a->place.column == b->place.column && same_owner) {
            unsigned first, second;
            assert_int_equal(sscanf(a->message, "%u", &first), 1);
            assert_int_equal(sscanf(b->message, "%u", &second), 1);
            assert_true(first < second);
        }
    }
    base_findings_free(&findings);
    base_findings_sort(&findings);
    base_findings_free(&findings);
}

/* Every row: a code of the form group.words, unique, and texts that are sentences. */
static void test_catalogue(void **state)
{
    for (int i = 0; i < BASE_FINDING_COUNT; i++) {
        const struct base_finding_info *info = base_finding_info((enum base_finding_code)i);
        assert_int_equal(base_finding_by_name(info->code), i);
        assert_non_null(strchr(info->code, '.'));
        for (const char *c = info->code; *c != '\0'; c++) {
            if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && *c != '.' &&
                *c != '-')
                fail_msg("code %s holds '%c'", info->code, *c);
        }
        assert_true(strlen(info->title) > 0);
        const char *const sentences[] = {info->why, info->remedy};
        for (size_t j = 0; j < 2; j++) {
            size_t length = strlen(sentences[j]);
            if (length < 10 || sentences[j][length - 1] != '.')
                fail_msg("%s: \"%s\" is not a sentence", info->code, sentences[j]);
        }
    }
    assert_int_equal(base_finding_by_name("FILE.Unreadable"), FILE_UNREADABLE);
    assert_int_equal(base_finding_by_name("no.such-code"), -1);
}

static void test_error_texts(void **state)
{
    for (int error = 0; error >= BASE_EMISMATCH; error--)
        assert_string_not_equal(base_strerror(error), base_strerror(-1000));
    assert_string_equal(base_severity_name(BASE_WARNING), "warning");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bound),     cmocka_unit_test(test_copies),
        cmocka_unit_test(test_absorb),    cmocka_unit_test(test_sort),
        cmocka_unit_test(test_catalogue), cmocka_unit_test(test_error_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
