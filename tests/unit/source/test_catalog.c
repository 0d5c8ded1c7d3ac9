/*
 * Catalog zones: the example of RFC 9432, what breaks a catalog and what does not, and that what we
 * make is what we read.
 */
#include "base/error.h"
#include "source/catalog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEAD    "$ORIGIN c.\n$TTL 0\n@ SOA invalid. invalid. 1 3600 600 2147483646 0\n@ NS invalid.\n"
#define VERSION "version TXT 2\n"

static const uint8_t *name(const char *text)
{
    static uint8_t names[8][DNS_NAME_MAX];
    static unsigned next;
    static const uint8_t root[] = {0};
    uint8_t *out = names[next++ % 8];
    size_t length;
    assert_int_equal(dns_name_from_text(out, &length, text, strlen(text), root), BASE_OK);
    return out;
}

static struct zone *zone_of(const char *text)
{
    struct base_findings findings;
    struct dns_zonefile file;
    struct zone *zone;
    base_findings_init(&findings, 10);
    assert_int_equal(dns_zonefile_read_memory("c.zone", text, strlen(text), NULL, &findings, &file),
                     BASE_OK);
    assert_false(base_findings_bad(&findings));
    assert_int_equal(zone_build(&file, 1, &findings, &zone), BASE_OK);
    dns_zonefile_free(&file);
    base_findings_free(&findings);
    return zone;
}

/* Reads the catalog; tells how many findings of `code` there were. */
static int read_text(const char *text, enum base_finding_code code, unsigned *count,
                     struct source_catalog *catalog)
{
    struct base_findings findings;
    struct zone *zone = zone_of(text);
    base_findings_init(&findings, 10);
    int error = source_catalog_read(zone, &findings, catalog);
    *count = findings.by_code[code];
    base_findings_free(&findings);
    zone_release(zone);
    return error;
}

static void test_example(void **state)
{
    struct base_findings findings;
    struct zone *zone;
    struct source_catalog catalog;
    base_findings_init(&findings, 10);
    assert_int_equal(zone_load(TEST_DATA "/golden/rfc9432-a.zone", NULL, &findings, &zone),
                     BASE_OK);
    assert_int_equal(source_catalog_read(zone, &findings, &catalog), BASE_OK);
    zone_release(zone);
    assert_int_equal(catalog.count, 3);
    const struct source_member *com = source_catalog_find(&catalog, name("EXAMPLE.com."));
    const struct source_member *net = source_catalog_find(&catalog, name("example.net."));
    const struct source_member *org = source_catalog_find(&catalog, name("example.org."));
    assert_null(source_catalog_find(&catalog, name("collector.example.net.")));
    assert_non_null(com);
    assert_null(com->group);
    assert_null(com->coo);
    assert_memory_equal(com->id, "\7nj2xg5b", 8);
    assert_string_equal(net->group, "operator-x-foo");
    assert_null(net->coo);
    assert_string_equal(org->group, "operator-y-bar");
    assert_true(dns_name_equal(org->coo, name("newcatz.invalid.")));
    source_catalog_free(&catalog);
    base_findings_free(&findings);
}

static void test_broken(void **state)
{
    static const char *const texts[] = {
        HEAD "a.zones PTR example.com.\n",               /* no version */
        HEAD "version TXT 1\n",                          /* another */
        HEAD "version TXT 2\nversion TXT 3\n",           /* two */
        HEAD "version A 192.0.2.1\n",                    /* of another type */
        HEAD VERSION "a.zones PTR x.\na.zones PTR y.\n", /* two PTR */
        HEAD VERSION "a.zones PTR x.\nb.zones PTR X.\n", /* a zone twice */
        HEAD VERSION "a.zones PTR x.\ncoo.a.zones PTR y.\ncoo.a.zones PTR z.\n",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct source_catalog catalog;
        unsigned count;
        assert_int_equal(read_text(texts[i], CATALOG_BROKEN, &count, &catalog), BASE_EREFUSED);
        assert_int_equal(count, 1);
    }
}

static void test_ignored(void **state)
{
    struct source_catalog catalog;
    unsigned count;
    static const char text[] =
        HEAD VERSION "a.zones PTR X.Test.\n"
                     "a.zones TXT \"no property\"\n"
                     "GROUP.A.zones TXT \"two \" \"strings\"\n"
                     "group.a.zones TXT \"zzzzzzzzzzzz\"\n"
                     "deep.group.a.zones TXT \"x\"\n"
                     "group.b.zones TXT \"of no member\"\ncoo.b.zones PTR y.\ncoo.b.zones PTR z.\n"
                     "zones PTR not.a.member.\nother.zone PTR neither.\n"
                     "c.zones A 192.0.2.1\nunknown.a.zones TXT \"x\"\n";
    assert_int_equal(read_text(text, CATALOG_IGNORED, &count, &catalog), BASE_OK);
    assert_int_equal(count, 1);
    assert_int_equal(catalog.count, 1);
    assert_true(dns_name_equal(catalog.members[0].zone, name("x.test.")));
    assert_true(dns_name_is_lower(catalog.members[0].zone));
    assert_string_equal(catalog.members[0].group, "two strings");
    assert_null(catalog.members[0].coo);
    source_catalog_free(&catalog);
    /* None is a catalog too. */
    assert_int_equal(read_text(HEAD VERSION, CATALOG_IGNORED, &count, &catalog), BASE_OK);
    assert_int_equal(catalog.count, 0);
    assert_null(source_catalog_find(&catalog, name("x.")));
    source_catalog_free(&catalog);
}

static void test_make(void **state)
{
    enum { COUNT = 1000 };
    static struct source_member members[COUNT];
    char group[300], text[32];
    memset(group, 'g', sizeof(group) - 1);
    group[sizeof(group) - 1] = '\0';
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(text, sizeof(text), "z%u.Example.", i);
        memcpy(members[i].zone, name(text), 32);
        members[i].group = i % 3 == 0 ? NULL : i % 3 == 1 ? "one" : group;
    }
    struct zone *zone, *again;
    struct base_findings findings;
    struct source_catalog catalog;
    base_findings_init(&findings, 10);
    assert_int_equal(source_catalog_make(name("Cat."), 7, members, COUNT, &zone), BASE_OK);
    assert_int_equal(zone->serial, 7);
    assert_int_equal(source_catalog_read(zone, &findings, &catalog), BASE_OK);
    assert_int_equal(findings.count, 0);
    assert_int_equal(catalog.count, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        const struct source_member *member = source_catalog_find(&catalog, members[i].zone);
        assert_non_null(member);
        assert_true((member->group == NULL) == (members[i].group == NULL));
        if (member->group != NULL)
            assert_string_equal(member->group, members[i].group);
    }
    /* The labels do not change with what else is there. */
    struct source_catalog other;
    assert_int_equal(source_catalog_make(name("cat."), 8, members + 500, 1, &again), BASE_OK);
    assert_int_equal(source_catalog_read(again, &findings, &other), BASE_OK);
    assert_int_equal(other.count, 1);
    assert_memory_equal(other.members[0].id, source_catalog_find(&catalog, members[500].zone)->id,
                        33);
    source_catalog_free(&other);
    source_catalog_free(&catalog);
    zone_release(zone);
    zone_release(again);
    base_findings_free(&findings);
}

static void test_make_too_long(void **state)
{
    char text[300] = "";
    for (unsigned i = 0; i < 120; i++)
        strcat(text, "a.");
    struct source_member member = {.zone = {1, 'x', 0}};
    struct zone *zone;
    assert_int_equal(source_catalog_make(name(text), 1, &member, 1, &zone), BASE_ERANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example),       cmocka_unit_test(test_broken),
        cmocka_unit_test(test_ignored),       cmocka_unit_test(test_make),
        cmocka_unit_test(test_make_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
