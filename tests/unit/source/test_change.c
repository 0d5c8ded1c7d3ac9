/* Changes from the API: what is done, and what is a finding. */
#include "updates.h"

static const char zone_text[] =
    "example. 3600 SOA ns.example. host.example. 7 3600 600 864000 300\n"
    "example. 3600 NS ns.example.\n"
    "example. 300 TXT apex\n"
    "alias.example. 300 CNAME www.example.\n"
    "d.example. 300 DNAME example.net.\n"
    "ns.example. 3600 A 192.0.2.53\n"
    "x.ent.example. 3600 A 192.0.2.53\n"
    "www.example. 300 A 192.0.2.1\n"
    "www.example. 300 A 192.0.2.2\n"
    "www.example. 300 TXT x\n";

struct row {
    const char *changes; /* lines: "add|set|delete OWNER TTL TYPE [DATA]" */
    int finding;         /* enum base_finding_code, or -1 */
    const char *edits;
};

#define CHANGES_MAX 8

static void check_row(const struct row *row)
{
    static struct parsed_record records[CHANGES_MAX];
    struct source_change changes[CHANGES_MAX];
    char *copy = strdup(row->changes), *rest = copy, *line;
    size_t count = 0;
    while ((line = strsep(&rest, "\n")) != NULL && count < CHANGES_MAX) {
        char *words[WORDS_MAX];
        unsigned length = words_of(line, words);
        struct parsed_record *record = &records[count];
        parse_record(words + 1, length - 1, record);
        changes[count++] = (struct source_change){
            .kind = words[0][0] == 'a'   ? SOURCE_ADD
                    : words[0][0] == 's' ? SOURCE_SET
                                         : SOURCE_DELETE,
            .owner = record->owner,
            .rdata = length > 4 ? record->rdata : NULL,
            .ttl = record->ttl,
            .type = record->type,
            .length = (uint16_t)record->length,
        };
    }
    struct zone *zone = zone_from_text(zone_text, "example.");
    struct zone_view view;
    struct source_edits edits;
    struct base_findings findings;
    zone_view_of(zone, &view);
    base_findings_init(&findings, 100);
    assert_int_equal(source_edits_init(&edits), BASE_OK);
    int error = source_change(&view, changes, count, &edits, &findings);
    bool bad = row->finding >= 0 &&
               base_finding_info((enum base_finding_code)row->finding)->severity == BASE_ERROR;
    char *text = edits_text(&edits, 0);
    if (error != (bad ? BASE_EREFUSED : BASE_OK) || strcmp(text, row->edits) != 0 ||
        findings.count != (row->finding >= 0) ||
        (row->finding >= 0 && findings.items[0].code != (enum base_finding_code)row->finding))
        fail_msg("%s: %s, %zu findings: %s; edits:\n%s", row->changes, base_strerror(error),
                 findings.count, findings.count > 0 ? findings.items[0].message : "none", text);
    free(text);
    free(copy);
    base_findings_free(&findings);
    source_edits_free(&edits);
    zone_release(zone);
}

static const struct row rows[] = {
    {"add n.example. 60 A 192.0.2.9", -1, "+ n.example. 60 A 192.0.2.9\n"},
    {"add www.example. 300 A 192.0.2.1", -1, ""},
    {"delete www.example. 0 A 192.0.2.1", -1, "- www.example. 300 A 192.0.2.1\n"},
    {"delete www.example. 0 A", -1,
     "- www.example. 300 A 192.0.2.1\n- www.example. 300 A 192.0.2.2\n"},
    {"delete www.example. 0 ANY", -1,
     "- www.example. 300 A 192.0.2.1\n- www.example. 300 A 192.0.2.2\n- www.example. 300 TXT "
     "\"x\"\n"},
    {"delete example. 0 ANY", -1, "- example. 300 TXT \"apex\"\n"},
    {"set www.example. 300 A 192.0.2.1", -1, "- www.example. 300 A 192.0.2.2\n"},
    {"set www.example. 300 A 192.0.2.3\nset www.example. 300 A 192.0.2.1", -1,
     "- www.example. 300 A 192.0.2.2\n+ www.example. 300 A 192.0.2.3\n"},
    {"set www.example. 60 A 192.0.2.1\nset www.example. 60 A 192.0.2.2", -1,
     "+ www.example. 60 A 192.0.2.1\n"},
    {"set n.example. 60 MX 1 a.example.\nset n.example. 60 MX 2 b.example.", -1,
     "+ n.example. 60 MX 1 a.example.\n+ n.example. 60 MX 2 b.example.\n"},
    {"set alias.example. 300 CNAME n.example.", -1,
     "- alias.example. 300 CNAME www.example.\n+ alias.example. 300 CNAME n.example.\n"},
    {"set example. 3600 SOA ns.example. host.example. 7 1 1 1 1", -1,
     "+ example. 3600 SOA ns.example. host.example. 7 1 1 1 1\n"},
    {"delete example. 0 NS\nadd example. 3600 NS ns2.example.", -1,
     "- example. 3600 NS ns.example.\n+ example. 3600 NS ns2.example.\n"},
    /* judged by the end, not by the order */
    {"add www.example. 60 CNAME n.example.\ndelete www.example. 0 A\ndelete www.example. 0 TXT", -1,
     "+ www.example. 60 CNAME n.example.\n- www.example. 300 A 192.0.2.1\n"
     "- www.example. 300 A 192.0.2.2\n- www.example. 300 TXT \"x\"\n"},
    {"add x.d.example. 60 A 192.0.2.1\ndelete d.example. 0 DNAME", -1,
     "+ x.d.example. 60 A 192.0.2.1\n- d.example. 300 DNAME example.net.\n"},
    /* findings */
    {"delete www.example. 0 AAAA", UPDATE_NOTHING, ""},
    {"delete www.example. 0 A 192.0.2.3", UPDATE_NOTHING, ""},
    {"delete none.example. 0 ANY", UPDATE_NOTHING, ""},
    {"add www.other. 60 A 192.0.2.1", UPDATE_OUT_OF_ZONE, ""},
    {"add www.example. 60 AXFR", UPDATE_TYPE, ""},
    {"add www.example. 60 ANY", UPDATE_TYPE, ""},
    {"delete www.example. 60 NSEC", UPDATE_FORBIDDEN, ""},
    {"delete example. 60 DNSKEY", UPDATE_FORBIDDEN, ""},
    {"add www.example. 60 A", UPDATE_DATA, ""},
    {"add www.example. 2147483648 A 192.0.2.1", UPDATE_TTL, ""},
    {"delete example. 0 SOA", UPDATE_SOA, ""},
    {"add www.example. 60 SOA a.example. b.example. 1 1 1 1 1", UPDATE_SOA, ""},
    {"add www.example. 60 CNAME n.example.", UPDATE_CNAME, ""},
    {"add alias.example. 60 A 192.0.2.1", UPDATE_CNAME, ""},
    {"add alias.example. 60 CNAME n.example.", UPDATE_SEVERAL, ""},
    {"add d.example. 60 DNAME example.org.", UPDATE_SEVERAL, ""},
    {"delete example. 0 NS", UPDATE_NO_NAMESERVER, ""},
    {"delete example. 0 NS ns.example.", UPDATE_NO_NAMESERVER, ""},
    {"add x.d.example. 60 A 192.0.2.1", UPDATE_OCCLUDED, ""},
    {"add ent.example. 60 DNAME example.org.", UPDATE_OCCLUDED, ""},
    {"add d.example. 60 NS ns.example.", UPDATE_OCCLUDED, ""},
};

static void test_rows(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_row(&rows[i]);
}

/* Edits of a primary are kept as they are. */
static void test_append(void **state)
{
    struct source_edits edits;
    assert_int_equal(source_edits_init(&edits), BASE_OK);
    for (unsigned i = 0; i < 100; i++) {
        uint8_t name[] = "\1a\7example", address[4] = {192, 0, 2, (uint8_t)i};
        struct source_edit edit = {name, address, 60, DNS_TYPE_A, 4, i % 2};
        assert_int_equal(source_edits_append(&edits, &edit), BASE_OK);
    }
    assert_int_equal(edits.count, 100);
    assert_int_equal(edits.items[42].rdata[3], 42);
    source_edits_free(&edits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_append),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
