/* YAML: trees with places, and everything that configuration must not contain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/yaml.h"

#include <stdlib.h>
#include <string.h>

struct document {
    struct base_arena arena;
    struct base_findings findings;
    struct base_yaml *root;
};

static int parse(struct document *document, const char *text, size_t length)
{
    base_arena_init(&document->arena, 0);
    base_findings_init(&document->findings, 10);
    document->root = NULL;
    return base_yaml_parse("policy.yaml", text, length, &document->arena, &document->findings,
                           &document->root);
}

static void release(struct document *document)
{
    base_arena_free(&document->arena);
    base_findings_free(&document->findings);
}

static void test_tree(void **state)
{
    static const char text[] = "signatures:\n"
                               "  validity: 14d   # a comment\n"
                               "  refresh: \"7d\"\n"
                               "digests: [2, 4]\n"
                               "zones:\n"
                               "  - name: example.\n"
                               "  - name: example.org.\n";
    struct document document;
    assert_int_equal(parse(&document, text, sizeof(text) - 1), BASE_OK);
    const struct base_yaml *root = document.root;
    assert_int_equal(root->kind, BASE_YAML_MAP);
    assert_int_equal(root->count, 3);
    const struct base_yaml *refresh = base_yaml_get(base_yaml_get(root, "signatures"), "refresh");
    assert_string_equal(refresh->text, "7d");
    assert_string_equal(refresh->key, "refresh");
    assert_int_equal(refresh->line, 3);
    assert_int_equal(refresh->column, 12);
    const struct base_yaml *digests = base_yaml_get(root, "digests");
    assert_int_equal(digests->kind, BASE_YAML_LIST);
    assert_int_equal(digests->count, 2);
    assert_string_equal(digests->first->next->text, "4");
    const struct base_yaml *zones = base_yaml_get(root, "zones");
    assert_string_equal(base_yaml_get(zones->first->next, "name")->text, "example.org.");
    assert_null(base_yaml_get(root, "none"));
    assert_null(base_yaml_get(refresh, "none"));
    assert_null(base_yaml_get(NULL, "none"));
    assert_int_equal(document.findings.count, 0);
    release(&document);
}

static void test_nothing(void **state)
{
    static const char *const texts[] = {"", "# only a comment\n", "---\n", "--- \n...\n", "\n\n"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct document document;
        assert_int_equal(parse(&document, texts[i], strlen(texts[i])), BASE_OK);
        assert_int_equal(document.root->kind, BASE_YAML_MAP);
        assert_int_equal(document.root->count, 0);
        release(&document);
    }
}

static void refuse(const char *text, int error, uint32_t line, uint32_t column)
{
    struct document document;
    assert_int_equal(parse(&document, text, strlen(text)), error);
    assert_null(document.root);
    assert_int_equal(document.findings.count, 1);
    const struct base_finding *finding = &document.findings.items[0];
    assert_int_equal(finding->code, POLICY_INVALID);
    assert_string_equal(finding->place.file, "policy.yaml");
    assert_int_equal(finding->place.line, line);
    if (column != 0)
        assert_int_equal(finding->place.column, column);
    release(&document);
}

static void test_refused(void **state)
{
    refuse("a: 1\nb: 2\na: 3\n", BASE_EFORMAT, 3, 1);
    refuse("a: &x 1\nb: 2\n", BASE_EFORMAT, 1, 4);
    refuse("a: 1\nb: *x\n", BASE_EFORMAT, 2, 4);
    refuse("a: !!int 1\n", BASE_EFORMAT, 1, 4);
    refuse("a: !thing {}\n", BASE_EFORMAT, 1, 4);
    refuse("&x a: 1\n", BASE_EFORMAT, 1, 1);
    refuse("---\na: 1\n---\nb: 2\n", BASE_EFORMAT, 3, 1);
    refuse("[1, 2]: 3\n", BASE_EFORMAT, 1, 1);
    refuse("? {a: 1}\n: 3\n", BASE_EFORMAT, 1, 3);
    refuse("a: \"x\\0y\"\n", BASE_EFORMAT, 1, 4);
    refuse("a: [1, 2\nb: 3\n", BASE_EFORMAT, 2, 0);
    refuse("a: 1\n  b: 2\n", BASE_EFORMAT, 2, 0);
    refuse("a: \xff\xfe\n", BASE_EFORMAT, 1, 0);
}

static void test_depth(void **state)
{
    char text[128];
    memset(text, '[', 64);
    memset(text + 64, ']', 64);
    struct document document;
    assert_int_equal(parse(&document, text + 64 - 32, 64), BASE_OK);
    release(&document);
    assert_int_equal(parse(&document, text + 64 - 33, 66), BASE_ELIMIT);
    release(&document);
}

/* Input that is large in the number of things must be refused, not swallowed. */
static void test_limits(void **state)
{
    size_t size = 1000000;
    char *text = malloc(size);
    size_t length = 0;
    text[length++] = '[';
    while (length < 400000) {
        memcpy(text + length, "1,", 2);
        length += 2;
    }
    text[length++] = ']';
    struct document document;
    assert_int_equal(parse(&document, text, length), BASE_ELIMIT);
    release(&document);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree),    cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_depth),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
