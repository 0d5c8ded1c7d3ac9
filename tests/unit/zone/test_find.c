/* Looking up, empty non-terminals, cuts and differences, against plain searches. */
#include "zone/diff.h"
#include "zones.h"

static struct zone *random_zone(struct records *records, const uint8_t *apex, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        random_record(records, apex);
    struct base_findings findings;
    base_findings_init(&findings, 0);
    struct zone *zone = build(records, apex, 2, &findings);
    base_findings_free(&findings);
    tidy(records, apex);
    return zone;
}

static bool naive_exists(const struct records *records, const uint8_t *owner)
{
    for (size_t i = 0; i < records->count; i++) {
        if (dns_name_within(records->items[i].owner, owner))
            return true;
    }
    return false;
}

static bool owns(const struct records *records, const uint8_t *owner)
{
    for (size_t i = 0; i < records->count; i++) {
        if (dns_name_equal(records->items[i].owner, owner))
            return true;
    }
    return false;
}

static void check_name(const struct zone *zone, const struct records *records, const uint8_t *owner)
{
    const struct zone_node *expected = NULL, *before = NULL, *previous;
    for (size_t i = 0; i < zone->node_count; i++) {
        int order = dns_name_compare(zone->nodes[i].name, owner);
        if (order == 0)
            expected = &zone->nodes[i];
        if (order <= 0)
            before = &zone->nodes[i];
    }
    assert_ptr_equal(zone_find(zone, owner, NULL), expected);
    assert_ptr_equal(zone_find(zone, owner, &previous), expected);
    assert_ptr_equal(previous, before);
    assert_int_equal(zone_name_exists(zone, owner), naive_exists(records, owner));
    const struct zone_node *cut = NULL;
    for (size_t i = 0; i < zone->node_count; i++) {
        if ((zone->nodes[i].flags & ZONE_CUT) && dns_name_within(owner, zone->nodes[i].name))
            cut = &zone->nodes[i];
    }
    assert_ptr_equal(zone_covering_cut(zone, owner), cut);
}

static void test_find(void **state)
{
    uint8_t apex[DNS_NAME_MAX], outside[DNS_NAME_MAX];
    name(outside, "b.other.");
    for (int round = 0; round < 40; round++) {
        name(apex, round % 4 == 0 ? "." : "Abc.example.");
        struct records records = {0};
        struct zone *zone = random_zone(&records, apex, random_below(150));
        for (int i = 0; i < 200; i++) {
            uint8_t owner[DNS_NAME_MAX];
            random_name(owner, apex);
            check_name(zone, &records, owner);
        }
        if (round % 4 != 0) {
            const struct zone_node *previous = zone->nodes;
            assert_null(zone_find(zone, outside, &previous));
            assert_null(previous);
            assert_false(zone_name_exists(zone, outside));
            assert_null(zone_covering_cut(zone, outside));
        }
        for (size_t i = 0; i < zone->node_count; i++) {
            for (unsigned type = 0; type < 60; type++) {
                const struct zone_rrset *rrset = zone_rrset(zone, &zone->nodes[i], (uint16_t)type);
                if (rrset != NULL)
                    assert_int_equal(rrset->type, type);
            }
        }
        zone_release(zone);
        free(records.items);
    }
}

struct seen {
    const struct records *records;
    struct records ents;
};

static int see_ent(void *context, const uint8_t *owner)
{
    struct seen *seen = context;
    assert_false(owns(seen->records, owner));
    assert_true(naive_exists(seen->records, owner));
    for (size_t i = 0; i < seen->ents.count; i++)
        assert_false(dns_name_equal(seen->ents.items[i].owner, owner));
    memcpy(push(&seen->ents)->owner, owner, dns_name_length(owner));
    return BASE_OK;
}

/* Every ancestor without records, once each. */
static void test_ents(void **state)
{
    uint8_t apex[DNS_NAME_MAX];
    for (int round = 0; round < 40; round++) {
        name(apex, round % 4 == 0 ? "." : "Abc.example.");
        struct records records = {0};
        struct zone *zone = random_zone(&records, apex, random_below(150));
        struct seen seen = {.records = &records};
        for (size_t i = 0; i < zone->node_count; i++)
            assert_int_equal(zone_ent_walk(zone, i, see_ent, &seen), BASE_OK);
        for (size_t i = 0; i < records.count; i++) {
            const uint8_t *owner = records.items[i].owner;
            for (unsigned up = 1; dns_name_labels(owner) > zone->apex_labels + up; up++) {
                const uint8_t *above = dns_name_parent(owner, up);
                assert_true(owns(&records, above) || owns(&seen.ents, above));
            }
        }
        zone_release(zone);
        free(records.items);
        free(seen.ents.items);
    }
}

static bool has(const struct records *records, const struct record *record)
{
    return records->count > 0 && bsearch(record, records->items, records->count,
                                         sizeof(struct record), compare_record) != NULL;
}

struct changes {
    struct records sides[2];
};

static int see_change(void *context, enum zone_change change, const uint8_t *owner,
                      const struct dns_rr *rr)
{
    struct changes *changes = context;
    struct record *record = push(&changes->sides[change]);
    memcpy(record->owner, owner, dns_name_length(owner));
    record->type = rr->type;
    record->ttl = rr->ttl;
    record->length = rr->length;
    memcpy(record->rdata, rr->rdata, rr->length);
    return BASE_OK;
}

static void check_side(const struct records *mine, const struct records *other,
                       const struct records *changes)
{
    size_t at = 0;
    for (size_t i = 0; i < mine->count; i++) {
        if (has(other, &mine->items[i]))
            continue;
        assert_true(at < changes->count);
        assert_int_equal(compare_record(&mine->items[i], &changes->items[at]), 0);
        at++;
    }
    assert_int_equal(at, changes->count);
}

static void test_diff(void **state)
{
    uint8_t apex[DNS_NAME_MAX];
    name(apex, "example.");
    const struct zone_diff_options options = {0};
    for (int round = 0; round < 40; round++) {
        struct records old = {0}, new = {0};
        struct zone *from = random_zone(&old, apex, random_below(200));
        for (size_t i = 0; i < old.count; i++) {
            if (random_below(5) > 0)
                *push(&new) = old.items[i];
        }
        struct zone *to = random_zone(&new, apex, random_below(50));
        struct changes changes = {0};
        assert_int_equal(zone_diff(from, to, &options, see_change, &changes), BASE_OK);
        check_side(&old, &new, &changes.sides[ZONE_REMOVED]);
        check_side(&new, &old, &changes.sides[ZONE_ADDED]);
        changes.sides[0].count = changes.sides[1].count = 0;
        assert_int_equal(zone_diff(to, to, &options, see_change, &changes), BASE_OK);
        assert_int_equal(changes.sides[0].count + changes.sides[1].count, 0);
        zone_release(from);
        zone_release(to);
        free(old.items);
        free(new.items);
        free(changes.sides[0].items);
        free(changes.sides[1].items);
    }
}

static struct zone *small_zone(uint32_t serial, uint32_t ttl, bool nsec)
{
    uint8_t apex[DNS_NAME_MAX];
    name(apex, "example.");
    struct records records = {0};
    add_soa(&records, "example.", serial);
    add(&records, "a.example.", DNS_TYPE_A, ttl, "\1\2\3\4", 4);
    if (nsec)
        add(&records, "a.example.", DNS_TYPE_NSEC, 60, "\000\000\001\100", 4);
    struct base_findings findings;
    base_findings_init(&findings, 0);
    struct zone *zone = build(&records, apex, 1, &findings);
    base_findings_free(&findings);
    free(records.items);
    return zone;
}

static size_t count_changes(const struct zone *from, const struct zone *to,
                            const struct zone_diff_options *options)
{
    struct changes changes = {0};
    assert_int_equal(zone_diff(from, to, options, see_change, &changes), BASE_OK);
    size_t count = changes.sides[0].count + changes.sides[1].count;
    free(changes.sides[0].items);
    free(changes.sides[1].items);
    return count;
}

static void test_diff_options(void **state)
{
    struct zone *from = small_zone(1, 60, false);
    struct zone *to = small_zone(2, 90, true);
    struct zone_diff_options options = {0};
    assert_int_equal(count_changes(from, to, &options), 5);
    options.ignore_serial = true;
    assert_int_equal(count_changes(from, to, &options), 3);
    options.ignore_ttl = true;
    assert_int_equal(count_changes(from, to, &options), 1);
    options.ignore_dnssec = true;
    assert_int_equal(count_changes(from, to, &options), 0);
    zone_release(from);
    zone_release(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_ents),
        cmocka_unit_test(test_diff),
        cmocka_unit_test(test_diff_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
