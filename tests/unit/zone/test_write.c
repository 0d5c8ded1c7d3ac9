/* Zones to text and back, and the digests of RFC 8976. */
#include "zone/diff.h"
#include "zone/write.h"
#include "zone/zonemd.h"
#include "zones.h"

#include <unistd.h>

static struct zone *load(const char *path, const uint8_t *origin, struct base_findings *findings)
{
    const struct dns_zonefile_options options = {.origin = origin, .threads = 2};
    struct zone *zone = NULL;
    assert_int_equal(zone_load(path, &options, findings, &zone), BASE_OK);
    return zone;
}

static int fail_change(void *context, enum zone_change change, const uint8_t *owner,
                       const struct dns_rr *rr)
{
    char text[DNS_NAME_TEXT];
    print_message("%s %s type %u\n", change == ZONE_ADDED ? "+" : "-", dns_name_text(text, owner),
                  rr->type);
    return BASE_EMISMATCH;
}

static void assert_equal_zones(const struct zone *a, const struct zone *b)
{
    const struct zone_diff_options options = {0};
    assert_int_equal(a->rr_count, b->rr_count);
    assert_int_equal(zone_diff(a, b, &options, fail_change, NULL), BASE_OK);
}

static void count_progress(void *context, size_t done, size_t all)
{
    size_t *last = context;
    assert_true(done >= *last && done <= all);
    *last = done;
}

static void write_to(const char *path, const struct zone *zone, enum zone_text_form form,
                     bool source_order, unsigned threads)
{
    size_t last = 0;
    const struct zone_write_options options = {.form = form,
                                               .source_order = source_order,
                                               .threads = threads,
                                               .progress = count_progress,
                                               .progress_context = &last};
    struct base_file_writer *writer;
    assert_int_equal(base_file_create(path, 0600, &writer), BASE_OK);
    assert_int_equal(zone_write(zone, &options, writer), BASE_OK);
    assert_int_equal(base_file_commit(writer), BASE_OK);
    assert_true(last == zone->node_count);
}

static char *temporary(char path[64])
{
    strcpy(path, "/tmp/kenter-test-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    return path;
}

/* What was written is read as the same zone, in every form and order. */
static void check_round_trips(const struct zone *zone)
{
    char path[64];
    temporary(path);
    for (int i = 0; i < 8; i++) {
        enum zone_text_form form = i & 1 ? ZONE_TEXT_PRETTY : ZONE_TEXT_LINES;
        write_to(path, zone, form, i & 2, i & 4 ? 3 : 1);
        struct base_findings findings;
        base_findings_init(&findings, 10);
        struct zone *again = load(path, zone->apex, &findings);
        assert_int_equal(findings.totals[BASE_ERROR], zone->soa == NULL);
        assert_equal_zones(zone, again);
        zone_release(again);
        base_findings_free(&findings);
    }
    unlink(path);
}

static void test_round_trip(void **state)
{
    uint8_t apex[DNS_NAME_MAX];
    for (int round = 0; round < 8; round++) {
        name(apex, round % 4 == 0 ? "." : "Abc.example.");
        struct records records = {0};
        uint32_t count = round == 7 ? 6000 : random_below(100);
        for (uint32_t i = 0; i < count; i++)
            random_record(&records, apex);
        struct base_findings findings;
        base_findings_init(&findings, 10);
        struct zone *zone = build(&records, apex, 2, &findings);
        check_round_trips(zone);
        zone_release(zone);
        base_findings_free(&findings);
        free(records.items);
    }
}

static char *read_text(const char *path)
{
    uint8_t *data;
    size_t length;
    assert_int_equal(base_file_read(path, 1 << 20, &data, &length), BASE_OK);
    return (char *)data;
}

static void test_forms(void **state)
{
    static const char source[] = "$ORIGIN example.\n"
                                 "$TTL 300\n"
                                 "www A 192.0.2.2\n"
                                 "www A 192.0.2.1\n"
                                 "@ 60 SOA ns host 1 2 3 4 5\n"
                                 "@ NS ns\n"
                                 "ns A 192.0.2.3\n"
                                 "a\\.b TXT \"q\\\"\"\n";
    uint8_t apex[DNS_NAME_MAX];
    name(apex, "example.");
    struct base_findings findings;
    base_findings_init(&findings, 10);
    const struct dns_zonefile_options options = {.origin = apex, .threads = 1};
    struct dns_zonefile zonefile;
    assert_int_equal(
        dns_zonefile_read_memory("z", source, strlen(source), &options, &findings, &zonefile),
        BASE_OK);
    struct zone *zone;
    assert_int_equal(zone_build(&zonefile, 1, &findings, &zone), BASE_OK);
    dns_zonefile_free(&zonefile);
    char path[64];
    temporary(path);

    write_to(path, zone, ZONE_TEXT_LINES, true, 1);
    char *text = read_text(path);
    assert_string_equal(text, "www.example.\t300\tIN\tA\t192.0.2.2\n"
                              "www.example.\t300\tIN\tA\t192.0.2.1\n"
                              "example.\t60\tIN\tSOA\tns.example. host.example. 1 2 3 4 5\n"
                              "example.\t300\tIN\tNS\tns.example.\n"
                              "ns.example.\t300\tIN\tA\t192.0.2.3\n"
                              "a\\.b.example.\t300\tIN\tTXT\t\"q\\\"\"\n");
    free(text);
    write_to(path, zone, ZONE_TEXT_PRETTY, false, 1);
    text = read_text(path);
    assert_non_null(strstr(text, "$ORIGIN example.\n$TTL 300\n"
                                 "@                       60      IN SOA     ns.example."));
    assert_non_null(strstr(text, "\n                                IN NS      ns.example.\n"));
    assert_non_null(strstr(text, "\nwww                             IN A       192.0.2.1\n"
                                 "                                IN A       192.0.2.2\n"));
    free(text);
    write_to(path, zone, ZONE_TEXT_JSON, false, 2);
    text = read_text(path);
    assert_ptr_equal(strstr(text, "[\n{\"name\":\"example.\",\"ttl\":60,\"class\":\"IN\",\"type\":"
                                  "\"SOA\",\"rdata\":\"ns.example. host.example. 1 2 3 4 5\","),
                     text);
    assert_non_null(strstr(text, "\"name\":\"a\\\\.b.example.\""));
    assert_string_equal(text + strlen(text) - 4, "}\n]\n");
    free(text);
    unlink(path);
    zone_release(zone);
    base_findings_free(&findings);
}

static void test_zonemd(void **state)
{
    static const char *const origins[] = {"example.", "example.", "example.", "uri.arpa.",
                                          "root-servers.net."};
    size_t compared = 0;
    for (int i = 0; i < 5; i++) {
        uint8_t apex[DNS_NAME_MAX];
        name(apex, origins[i]);
        char path[512];
        snprintf(path, sizeof(path), TEST_DATA "/golden/rfc8976/a%d.zone", i + 1);
        struct base_findings findings;
        base_findings_init(&findings, 10);
        struct zone *zone = load(path, apex, &findings);
        /* Only the second holds an error, a record of another zone. */
        assert_int_equal(findings.totals[BASE_ERROR], i == 1);
        const struct zone_rrset *rrset = zone_rrset(zone, &zone->nodes[0], DNS_TYPE_ZONEMD);
        assert_non_null(rrset);
        for (unsigned j = 0; j < rrset->count; j++) {
            const struct dns_rr *rr = zone->rrs[rrset->first_rr + j];
            if (rr->rdata[4] != ZONE_ZONEMD_SIMPLE || rr->rdata[5] > ZONE_ZONEMD_SHA512)
                continue;
            uint8_t digest[ZONE_ZONEMD_MAX];
            size_t length;
            assert_int_equal(zone_zonemd(zone, rr->rdata[5], digest, &length), BASE_OK);
            assert_int_equal(rr->length, 6 + length);
            assert_memory_equal(rr->rdata + 6, digest, length);
            compared++;
        }
        uint8_t digest[ZONE_ZONEMD_MAX];
        size_t length;
        assert_int_equal(zone_zonemd(zone, 240, digest, &length), BASE_EUNSUPPORTED);
        zone_release(zone);
        base_findings_free(&findings);
    }
    assert_int_equal(compared, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_zonemd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
