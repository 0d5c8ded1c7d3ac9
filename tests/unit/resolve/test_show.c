/* Results shown: whatever they hold, lines are as wide as they may be, ASCII stays ASCII, documents
 * are well formed, and docs/trace.md names every member of the JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/utf8.h"
#include "resolve/show.h"
#include "resolve/show_model.h"
#include "results.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>

static struct base_buf shown;

static const char *text_of(const struct validate_result *result, bool color, bool ascii,
                           unsigned width)
{
    struct resolve_show_options options = {.color = color, .ascii = ascii, .width = width};
    base_buf_reset(&shown);
    resolve_show_text(result, &options, &shown);
    assert_int_equal(shown.error, 0);
    return base_buf_string(&shown);
}

static void check_line(const char *line, size_t length, bool ascii, size_t width)
{
    size_t columns = 0;
    for (size_t i = 0; i < length; columns++) {
        size_t size = base_utf8_length((const uint8_t *)line + i, length - i);
        assert_true(size > 0);
        assert_true(!ascii || size == 1);
        assert_true((uint8_t)line[i] >= 0x20 && line[i] != 0x7f);
        i += size;
    }
    if (columns > width)
        fail_msg("%zu columns: %.*s", columns, (int)length, line);
}

static void test_lines(void **state)
{
    static const unsigned widths[] = {40, 57, 80, 120, 400};
    for (size_t r = 0; r < COUNT(results); r++) {
        for (size_t w = 0; w < COUNT(widths); w++) {
            for (int ascii = 0; ascii < 2; ascii++) {
                const char *text = text_of(results[r], false, ascii == 1, widths[w]);
                for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1)
                    check_line(line, strcspn(line, "\n"), ascii == 1, widths[w]);
            }
        }
    }
    /* Colours are all that they add, and each is taken back. */
    const char *text = text_of(&bogus_result, true, false, 80);
    assert_non_null(strstr(text, "\033[1;31m"));
    assert_non_null(strstr(text, "\033[0m"));
    assert_null(strstr(text, "\033[31m<b>"));
}

static void test_content(void **state)
{
    const char *text = text_of(&alias_result, false, false, 80);
    static const char *const said[] = {
        "20326 RSASHA256 SEP: vouched for, signs the keys",
        "DS 4660",
        "www.example. is an alias of web.other.: secure",
        "web.other. A, from *.other.",
        "until 2026-12-02 00:00 (in 10d)",
        "816 ECDSAP256SHA256, not needed, not tried",
        "www.example. A is secure: signatures lead",
    };
    for (size_t i = 0; i < COUNT(said); i++) {
        if (strstr(text, said[i]) == NULL)
            fail_msg("\"%s\" is not in\n%s", said[i], text);
    }
    /* Blocks in the order of the chain. */
    assert_true(strstr(text, " example. ") < strstr(text, "found in example."));
    assert_true(strstr(text, " other. ") < strstr(text, "found in other."));
    text = text_of(&insecure_result, false, false, 80);
    assert_non_null(strstr(text, "no DS"));
    assert_non_null(strstr(text, "none: security ends here"));
}

/* The cause first, what follows from it set in below it, and others after that. */
static void test_causes(void **state)
{
    const char *text = text_of(&bogus_result, false, false, 120);
    const char *cause = strstr(text, "error: 192.0.2.1@53: the signature by key 4660 expired");
    const char *follows = strstr(text, "└─ error: so nothing proves www.example.");
    const char *further = strstr(text, "  └─ error: a consequence of a consequence");
    const char *another = strstr(text, "warning: something else ?[31m<b>&?");
    assert_non_null(cause);
    assert_true(cause < follows && follows < further && further < another);
    assert_non_null(strstr(text, "(EDE 7, Signature Expired)"));
    assert_non_null(strstr(text, "expired 2026-11-20 00:00 (2d ago)"));
    assert_non_null(strstr(text, "signed  not at all"));
    assert_true(strstr(text, "do:  Get the file again") < follows);
}

/* --- JSON --- */

static json_t *json_of(const struct validate_result *result)
{
    json_error_t problem;
    base_buf_reset(&shown);
    resolve_show_json(result, &shown);
    assert_int_equal(shown.error, 0);
    json_t *root =
        json_loadb((const char *)shown.data, shown.length, JSON_REJECT_DUPLICATES, &problem);
    if (root == NULL)
        fail_msg("%s: %s", problem.text, base_buf_string(&shown));
    return root;
}

static void check_members(const json_t *value, const char *docs)
{
    const char *name;
    json_t *member;
    char quoted[80];
    if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++)
            check_members(json_array_get(value, i), docs);
        return;
    }
    json_object_foreach((json_t *)value, name, member)
    {
        snprintf(quoted, sizeof(quoted), "`%s`", name);
        if (strstr(docs, quoted) == NULL)
            fail_msg("docs/trace.md does not name %s", quoted);
        check_members(member, docs);
    }
}

static char *read_docs(void)
{
    FILE *file = fopen(TEST_DATA "/../docs/trace.md", "r");
    char *text = calloc(1, 1 << 18);
    assert_non_null(file);
    assert_non_null(text);
    assert_true(fread(text, 1, (1 << 18) - 1, file) > 0);
    fclose(file);
    return text;
}

static void test_json(void **state)
{
    char *docs = read_docs();
    for (size_t r = 0; r < COUNT(results); r++) {
        json_t *root = json_of(results[r]);
        check_members(root, docs);
        json_decref(root);
    }
    free(docs);
    json_t *root = json_of(&alias_result);
    assert_string_equal(json_string_value(json_object_get(root, "status")), "secure");
    assert_int_equal(json_array_size(json_object_get(root, "nodes")), COUNT(alias_nodes));
    json_t *node = json_array_get(json_object_get(root, "nodes"), 7);
    assert_string_equal(json_string_value(json_object_get(node, "wildcard")), "*.other.");
    assert_int_equal(json_integer_value(json_object_get(node, "parent")), 6);
    json_t *hop = json_array_get(json_object_get(root, "hops"), 0);
    assert_string_equal(json_string_value(json_object_get(hop, "target")), "web.other.");
    json_decref(root);
    root = json_of(&bogus_result);
    json_t *finding = json_array_get(json_object_get(root, "findings"), 0);
    assert_string_equal(json_string_value(json_object_get(finding, "ede_name")),
                        "Signature Expired");
    assert_true(json_is_null(json_object_get(finding, "cause")));
    json_decref(root);
    root = json_of(&error_result);
    assert_true(json_is_null(json_object_get(root, "expiry")));
    json_decref(root);
}

/* --- XML --- */

/* Well-formedness as far as our own pictures go: tags match, attributes are quoted, and of the
 * markup characters in text there are only references. */
static const char *check_tag(const char *at, char stack[][16], size_t *depth)
{
    bool closing = at[1] == '/';
    const char *name = at + 1 + closing;
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz");
    char tag[16] = "";
    assert_true(length > 0 && length < sizeof(tag));
    memcpy(tag, name, length);
    at = name + length;
    bool quoted = false;
    while (quoted || *at != '>') {
        assert_true(*at != '\0' && *at != '<');
        quoted ^= *at++ == '"';
    }
    if (closing) {
        assert_true(*depth > 0);
        assert_string_equal(stack[--*depth], tag);
    } else if (at[-1] != '/') {
        assert_true(*depth < 8);
        memcpy(stack[(*depth)++], tag, sizeof(tag));
    }
    return at + 1;
}

static void check_xml(const char *text)
{
    static const char head[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
    char stack[8][16];
    size_t depth = 0, elements = 0;
    assert_int_equal(strncmp(text, head, sizeof(head) - 1), 0);
    const char *at = text + sizeof(head) - 1;
    while (*at != '\0') {
        if (*at == '<') {
            at = check_tag(at, stack, &depth);
            elements++;
            continue;
        }
        assert_true(*at != '>');
        assert_true((uint8_t)*at >= 0x20 || *at == '\n');
        assert_true(depth > 0 || isspace((unsigned char)*at));
        if (*at == '&')
            assert_true(strncmp(at, "&amp;", 5) == 0 || strncmp(at, "&lt;", 4) == 0 ||
                        strncmp(at, "&gt;", 4) == 0 || strncmp(at, "&quot;", 6) == 0);
        at++;
    }
    assert_int_equal(depth, 0);
    assert_true(elements > 6);
}

static void test_svg(void **state)
{
    for (size_t r = 0; r < COUNT(results); r++) {
        base_buf_reset(&shown);
        resolve_show_svg(results[r], &shown);
        assert_int_equal(shown.error, 0);
        check_xml(base_buf_string(&shown));
        assert_null(strstr((const char *)shown.data, "<script"));
        assert_non_null(strstr((const char *)shown.data, validate_status_name(results[r]->status)));
    }
}

static void test_dot(void **state)
{
    for (size_t r = 0; r < COUNT(results); r++) {
        base_buf_reset(&shown);
        resolve_show_dot(results[r], &shown);
        assert_int_equal(shown.error, 0);
        const char *text = base_buf_string(&shown);
        assert_int_equal(strncmp(text, "digraph trace {", 15), 0);
        assert_string_equal(text + strlen(text) - 2, "}\n");
        assert_null(strstr(text, "<b>&\""));
    }
    base_buf_reset(&shown);
    resolve_show_dot(&insecure_result, &shown);
    assert_non_null(strstr(base_buf_string(&shown), "label=\"no DS\""));
}

/* --- parts --- */

static void test_line(void **state)
{
    const char *at = "one two  three";
    assert_int_equal(show_line(&at, 5), 3);
    assert_string_equal(at, "two  three");
    assert_int_equal(show_line(&at, 3), 3);
    assert_string_equal(at, "three");
    assert_int_equal(show_line(&at, 2), 2);
    assert_int_equal(show_line(&at, 50), 3);
    assert_int_equal(show_line(&at, 50), 0);
    at = "ä é\nx";
    assert_int_equal(show_line(&at, 2), 2);
    assert_int_equal(show_line(&at, 9), 2);
    assert_string_equal(at, "x");
}

/* Indexes that lead in circles end. */
static void test_depth(void **state)
{
    struct validate_finding findings[2] = {{.cause = 1}, {.cause = 0}};
    struct validate_result result = {.findings = findings, .finding_count = 2};
    assert_int_equal(show_finding_depth(&result, 0), 8);
    findings[0].cause = VALIDATE_NO_CAUSE;
    assert_int_equal(show_finding_depth(&result, 0), 0);
    assert_int_equal(show_finding_depth(&result, 1), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines), cmocka_unit_test(test_content), cmocka_unit_test(test_causes),
        cmocka_unit_test(test_json),  cmocka_unit_test(test_svg),     cmocka_unit_test(test_dot),
        cmocka_unit_test(test_line),  cmocka_unit_test(test_depth),
    };
    base_buf_init(&shown, 1 << 24);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    base_buf_free(&shown);
    return failed;
}
