/* Building and composing zones, against plain lists sorted by qsort. */
#include "zones.h"

static const unsigned thread_counts[] = {1, 2, 3, 8};

static bool has_type(const struct records *records, const uint8_t *owner, uint16_t type)
{
    for (size_t i = 0; i < records->count; i++) {
        if (records->items[i].type == type && dns_name_equal(records->items[i].owner, owner))
            return true;
    }
    return false;
}

/* Flags by definition: from the top down, the first cut or DNAME above decides. */
static unsigned expected_flags(const struct records *records, const uint8_t *owner,
                               const uint8_t *apex)
{
    unsigned apex_labels = dns_name_labels(apex), labels = dns_name_labels(owner);
    unsigned flags = labels == apex_labels ? ZONE_APEX : 0;
    if (has_type(records, owner, DNS_TYPE_DNAME))
        flags |= ZONE_DNAME;
    if (dns_name_is_wildcard(owner))
        flags |= ZONE_WILDCARD;
    for (unsigned depth = apex_labels; depth < labels; depth++) {
        const uint8_t *above = dns_name_parent(owner, labels - depth);
        if (depth > apex_labels && has_type(records, above, DNS_TYPE_NS))
            return flags | ZONE_BELOW;
        if (has_type(records, above, DNS_TYPE_DNAME))
            return flags | ZONE_UNDER_DNAME;
    }
    if (labels > apex_labels && has_type(records, owner, DNS_TYPE_NS))
        flags |= ZONE_CUT;
    return flags;
}

static void test_random_zones(void **state)
{
    uint8_t apex[DNS_NAME_MAX];
    for (int round = 0; round < 120; round++) {
        name(apex, round % 3 == 0 ? "." : "Abc.example.");
        struct records records = {0};
        uint32_t count = round < 100 ? random_below(200) : 3000;
        for (uint32_t i = 0; i < count; i++) {
            random_record(&records, apex);
            /* Often the same owner again. */
            if (i > 0 && random_below(2) == 0)
                memcpy(records.items[i].owner, records.items[i - 1].owner, DNS_NAME_MAX);
        }
        struct records expected = records;
        expected.items = malloc((records.count + 1) * sizeof(struct record));
        if (records.count > 0)
            memcpy(expected.items, records.items, records.count * sizeof(struct record));
        expected.capacity = expected.count;
        tidy(&expected, apex);
        if (round % 4 == 0) { /* in order beforehand */
            memcpy(records.items, expected.items, expected.count * sizeof(struct record));
            records.count = expected.count;
        }
        struct base_findings findings;
        base_findings_init(&findings, 10);
        struct zone *zone = build(&records, apex, thread_counts[round % 4], &findings);
        assert_zone(zone, &expected);
        assert_int_equal(findings.by_code[ZONE_SOA_MISSING], 1);
        assert_int_equal(findings.by_code[ZONE_DUPLICATE_RECORD], records.count - expected.count);
        for (size_t i = 0; i < zone->node_count && round < 100; i++)
            assert_int_equal(zone->nodes[i].flags,
                             expected_flags(&expected, zone->nodes[i].name, apex));
        zone_release(zone);
        base_findings_free(&findings);
        free(records.items);
        free(expected.items);
    }
}

/* Many names with long common beginnings, shuffled: several buckets, deep keys. */
static void test_shuffled(void **state)
{
    uint8_t apex[DNS_NAME_MAX];
    name(apex, "example.");
    enum { COUNT = 40000 };
    struct records records = {0};
    for (uint32_t i = 0; i < COUNT; i++) {
        char owner[128];
        uint32_t number = i < COUNT / 2 ? i : random_below(COUNT);
        snprintf(owner, sizeof(owner), "x%u.a-rather-long-label-that-all-have-%u.example.",
                 number % 7, number / 7);
        uint8_t address[4] = {192, 0, 2, (uint8_t)random_below(3)};
        add(&records, owner, DNS_TYPE_A, 300, address, 4);
    }
    for (uint32_t i = COUNT; i > 1; i--) {
        uint32_t j = random_below(i);
        struct record swap = records.items[i - 1];
        records.items[i - 1] = records.items[j];
        records.items[j] = swap;
    }
    struct base_findings findings;
    base_findings_init(&findings, 10);
    struct zone *two = build(&records, apex, 2, &findings);
    struct zone *five = build(&records, apex, 5, &findings);
    tidy(&records, apex);
    assert_zone(two, &records);
    assert_zone(five, &records);
    zone_release(two);
    zone_release(five);
    base_findings_free(&findings);
    free(records.items);
}

static void test_findings(void **state)
{
    uint8_t apex[DNS_NAME_MAX];
    name(apex, "example.");
    struct records records = {0};
    add_soa(&records, "example.", 7);
    add_soa(&records, "EXAMPLE.", 8);
    add_soa(&records, "sub.example.", 9);
    add_name(&records, "example.", DNS_TYPE_NS, "ns.example.");
    add_name(&records, "example.", DNS_TYPE_NS, "NS.example.");
    add_name(&records, "other.", DNS_TYPE_NS, "ns.example.");
    add(&records, "a.example.", DNS_TYPE_A, 60, "\1\2\3\4", 4);
    add(&records, "A.example.", DNS_TYPE_A, 30, "\1\2\3\5", 4);
    add(&records, "a.example.", DNS_TYPE_A, 90, "\1\2\3\6", 4);
    struct base_findings findings;
    base_findings_init(&findings, 10);
    struct zone *zone = build(&records, apex, 2, &findings);
    assert_int_equal(findings.by_code[ZONE_SOA_MULTIPLE], 1);
    assert_int_equal(findings.by_code[ZONE_SOA_NOT_AT_APEX], 1);
    assert_int_equal(findings.by_code[ZONE_SOA_MISSING], 0);
    assert_int_equal(findings.by_code[ZONE_DUPLICATE_RECORD], 1);
    assert_int_equal(findings.by_code[ZONE_OUT_OF_ZONE], 1);
    assert_int_equal(findings.by_code[ZONE_TTL_DIFFERS], 1);
    assert_int_equal(zone->node_count, 2);
    assert_int_equal(zone->rr_count, 5);
    assert_int_equal(zone->serial, 7);
    assert_non_null(zone->soa);
    assert_int_equal(zone->rrsets[2].ttl, 30);
    for (int i = 2; i < 5; i++)
        assert_int_equal(zone->rrs[i]->ttl, 30);
    zone_release(zone);
    base_findings_free(&findings);
    free(records.items);
}

static void test_empty(void **state)
{
    uint8_t apex[DNS_NAME_MAX];
    name(apex, "example.");
    struct records records = {0};
    struct base_findings findings;
    base_findings_init(&findings, 10);
    struct zone *zone = build(&records, apex, 2, &findings);
    assert_int_equal(zone->node_count, 0);
    assert_null(zone->soa);
    assert_null(zone_find(zone, apex, NULL));
    assert_false(zone_name_exists(zone, apex));
    zone_release(zone);
    base_findings_free(&findings);
}

/* Names of 255 octets, of one-octet labels and of the longest ones. */
static void test_long_names(void **state)
{
    uint8_t apex[DNS_NAME_MAX] = {0};
    struct records records = {0};
    for (int i = 0; i < 40; i++) {
        struct record *record = push(&records);
        size_t at = 0;
        if (i % 2 == 0) {
            for (; at < 254; at += 2) {
                record->owner[at] = 1;
                record->owner[at + 1] = (uint8_t)random_below(2);
            }
        } else {
            static const uint8_t lengths[] = {63, 63, 63, 61};
            for (int j = 0; j < 4; j++) {
                record->owner[at] = lengths[j];
                memset(record->owner + at + 1, (int)random_below(2), lengths[j]);
                at += lengths[j] + 1u;
            }
        }
        record->owner[at] = 0;
        assert_int_equal(dns_name_length(record->owner), 255);
        record->type = DNS_TYPE_A;
        record->length = 4;
        record->ttl = 1;
    }
    struct base_findings findings;
    base_findings_init(&findings, 10);
    struct zone *zone = build(&records, apex, 2, &findings);
    tidy(&records, apex);
    assert_zone(zone, &records);
    for (size_t i = 0; i < zone->node_count; i++)
        assert_ptr_equal(zone_find(zone, zone->nodes[i].name, NULL), &zone->nodes[i]);
    zone_release(zone);
    base_findings_free(&findings);
    free(records.items);
}

static void test_large_set(void **state)
{
    uint8_t apex[DNS_NAME_MAX];
    name(apex, "example.");
    struct zone_batch_writer writer;
    assert_int_equal(zone_batch_writer_init(&writer, apex), BASE_OK);
    for (uint32_t i = 70000; i > 0; i--) {
        uint8_t address[4] = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
        assert_int_equal(zone_batch_add(&writer, apex, DNS_TYPE_A, 60, address, 4), BASE_OK);
    }
    struct dns_zonefile zonefile = {.batches = writer.batch};
    memcpy(zonefile.origin, apex, dns_name_length(apex));
    struct base_findings findings;
    base_findings_init(&findings, 10);
    struct zone *zone;
    assert_int_equal(zone_build(&zonefile, 2, &findings, &zone), BASE_OK);
    assert_int_equal(findings.by_code[ZONE_RRSET_TOO_LARGE], 1);
    assert_int_equal(zone->rr_count, 65535);
    assert_int_equal(zone->rrsets[0].count, 65535);
    for (size_t i = 1; i < zone->rr_count; i++)
        assert_true(memcmp(zone->rrs[i - 1]->rdata, zone->rrs[i]->rdata, 4) < 0);
    zone_release(zone);
    base_findings_free(&findings);
}

static bool keep_some(void *context, const struct zone_node *node, const struct zone_rrset *rrset)
{
    __atomic_add_fetch((unsigned *)context, 1, __ATOMIC_RELAXED);
    return rrset->type != DNS_TYPE_TXT && !(node->flags & ZONE_WILDCARD);
}

static void test_compose(void **state)
{
    uint8_t apex[DNS_NAME_MAX];
    name(apex, "abc.example.");
    for (int round = 0; round < 60; round++) {
        struct records old = {0}, extra = {0}, expected = {0};
        uint32_t old_count = round % 10 == 9 ? 3000 : random_below(150);
        uint32_t extra_count = round % 10 == 8 ? 3000 : random_below(100);
        for (uint32_t i = 0; i < old_count; i++)
            random_record(&old, apex);
        for (uint32_t i = 0; i < extra_count; i++)
            random_record(&extra, apex);
        struct base_findings findings;
        base_findings_init(&findings, 10);
        struct zone *base = build(&old, apex, 2, &findings);
        unsigned calls = 0;
        struct zone_compose compose = {.base = base,
                                       .keep = round % 2 ? keep_some : NULL,
                                       .context = &calls,
                                       .extra = make_batches(&extra, apex),
                                       .threads = thread_counts[round % 4]};
        struct zone *zone;
        assert_int_equal(zone_compose(&compose, &findings, &zone), BASE_OK);
        zone_release(base); /* the new zone lives on by itself */
        for (size_t i = 0; i < old.count; i++) {
            const struct record *record = &old.items[i];
            if (round % 2 == 0 ||
                (record->type != DNS_TYPE_TXT && !dns_name_is_wildcard(record->owner)))
                *push(&expected) = *record;
        }
        for (size_t i = 0; i < extra.count; i++)
            *push(&expected) = extra.items[i];
        tidy(&expected, apex);
        assert_zone(zone, &expected);
        for (size_t i = 0; i < zone->node_count && expected.count < 1000; i++)
            assert_int_equal(zone->nodes[i].flags,
                             expected_flags(&expected, zone->nodes[i].name, apex));
        zone_release(zone);
        base_findings_free(&findings);
        free(old.items);
        free(extra.items);
        free(expected.items);
    }
}

/* A record of the base is shared; when its set gets a smaller TTL, the old zone keeps its own. */
static void test_compose_ttl(void **state)
{
    uint8_t apex[DNS_NAME_MAX];
    name(apex, "example.");
    struct records old = {0}, extra = {0};
    add_soa(&old, "example.", 1);
    add(&old, "a.example.", DNS_TYPE_A, 600, "\1\2\3\4", 4);
    add(&extra, "a.example.", DNS_TYPE_A, 60, "\1\2\3\5", 4);
    struct base_findings findings;
    base_findings_init(&findings, 10);
    struct zone *base = build(&old, apex, 1, &findings);
    struct zone_compose compose = {.base = base, .extra = make_batches(&extra, apex), .threads = 1};
    struct zone *zone;
    assert_int_equal(zone_compose(&compose, &findings, &zone), BASE_OK);
    assert_int_equal(zone->rrs[1]->ttl, 60);
    assert_int_equal(zone->rrs[2]->ttl, 60);
    assert_int_equal(base->rrs[1]->ttl, 600);
    assert_ptr_equal(zone->soa, base->soa);
    assert_int_equal(zone->serial, 1);
    zone_release(base);
    zone_release(zone);
    assert_int_equal(findings.count, 0);
    base_findings_free(&findings);
    free(old.items);
    free(extra.items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_zones), cmocka_unit_test(test_shuffled),
        cmocka_unit_test(test_findings),     cmocka_unit_test(test_empty),
        cmocka_unit_test(test_long_names),   cmocka_unit_test(test_large_set),
        cmocka_unit_test(test_compose),      cmocka_unit_test(test_compose_ttl),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
