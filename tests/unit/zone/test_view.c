/* A zone through a view, against plain searches. */
#include "zone/view.h"
#include "zones.h"

#include "base/codec.h"
#include "base/reader.h"

struct seen {
    struct base_buf records;
    int fail;
};

static int see(void *context, uint16_t type, uint32_t ttl, const uint8_t *rdata, size_t length)
{
    struct seen *seen = context;
    base_buf_u16(&seen->records, type);
    base_buf_u32(&seen->records, ttl);
    base_buf_append(&seen->records, rdata, length);
    return seen->fail;
}

static bool of_hash(const struct dns_rr *rr)
{
    return rr->type == DNS_TYPE_NSEC3 ||
           (rr->type == DNS_TYPE_RRSIG && base_load_u16(rr->rdata) == DNS_TYPE_NSEC3);
}

/* What a node has in one of the spaces. */
static void expect(const struct zone *zone, const struct zone_node *node, bool hashes,
                   struct seen *out)
{
    base_buf_init(&out->records, 1 << 20);
    out->fail = BASE_OK;
    for (unsigned s = 0; node != NULL && s < node->rrset_count; s++) {
        const struct zone_rrset *set = &zone->rrsets[node->first_rrset + s];
        for (unsigned r = 0; r < set->count; r++) {
            const struct dns_rr *rr = zone->rrs[set->first_rr + r];
            if (of_hash(rr) == hashes)
                see(out, rr->type, rr->ttl, rr->rdata, rr->length);
        }
    }
}

static void same(struct seen *expected, struct seen *seen, int error)
{
    assert_int_equal(error, expected->records.length > 0 ? BASE_OK : BASE_ENOENT);
    assert_int_equal(expected->records.length, seen->records.length);
    if (expected->records.length > 0)
        assert_memory_equal(expected->records.data, seen->records.data, seen->records.length);
    base_buf_free(&expected->records);
    base_buf_free(&seen->records);
}

static const struct zone_node *neighbour(const struct zone *zone, const uint8_t *owner, int side)
{
    const struct zone_node *best = NULL;
    for (size_t i = 0; i < zone->node_count; i++) {
        const struct zone_node *node = &zone->nodes[i];
        int order = dns_name_compare(node->name, owner);
        if ((node->flags & ZONE_NSEC3) != 0 || order == 0 || (order < 0) != (side < 0))
            continue;
        if (side < 0 || best == NULL)
            best = node;
    }
    return best;
}

static void check_side(const struct zone *zone, const struct zone_view *view, const uint8_t *owner,
                       int side)
{
    uint8_t found[DNS_NAME_MAX];
    const struct zone_node *expected = neighbour(zone, owner, side);
    int error = (side < 0 ? view->before : view->after)(view->context, owner, found);
    assert_int_equal(error, expected != NULL ? BASE_OK : BASE_ENOENT);
    if (expected != NULL)
        assert_memory_equal(found, expected->name, dns_name_length(expected->name));
}

static void check_owner(const struct zone *zone, const struct zone_view *view, const uint8_t *owner)
{
    struct seen expected, seen = {.fail = BASE_OK};
    base_buf_init(&seen.records, 1 << 20);
    expect(zone, zone_find(zone, owner, NULL), false, &expected);
    same(&expected, &seen, view->records(view->context, owner, see, &seen));
    uint8_t found[DNS_NAME_MAX];
    const struct zone_node *node = zone_find(zone, owner, NULL);
    int error = view->owner(view->context, owner, found);
    assert_int_equal(error, node != NULL && !(node->flags & ZONE_NSEC3) ? BASE_OK : BASE_ENOENT);
    if (error == BASE_OK)
        assert_memory_equal(found, node->name, dns_name_length(node->name));
    check_side(zone, view, owner, -1);
    check_side(zone, view, owner, 1);
}

/* --- NSEC3 --- */

#define HASHES 9

/* The first octets spread over the ring; the last ones are behind all letters of the alphabet that
 * base32hex has. */
static void make_hash(unsigned i, uint8_t out[ZONE_VIEW_HASH])
{
    memset(out, 7, ZONE_VIEW_HASH);
    out[0] = (uint8_t)(i * 28);
}

static void hash_owner(const uint8_t hash[ZONE_VIEW_HASH], const uint8_t *apex,
                       uint8_t out[DNS_NAME_MAX])
{
    out[0] = 32;
    base_base32hex_encode((char *)out + 1, hash, ZONE_VIEW_HASH);
    memcpy(out + 33, apex, dns_name_length(apex));
}

static void add_hash(struct records *records, const uint8_t *apex, unsigned i, bool plain_too)
{
    uint8_t hash[ZONE_VIEW_HASH], owner[DNS_NAME_MAX] = {0};
    make_hash(i, hash);
    hash_owner(hash, apex, owner);
    struct record *record = push(records);
    *record = (struct record){.type = DNS_TYPE_NSEC3, .ttl = 300, .length = 29};
    memcpy(record->owner, owner, sizeof(owner));
    memcpy(record->rdata, "\1\0\0\0\0\24", 6);
    memcpy(record->rdata + 6, hash, 20);
    memcpy(record->rdata + 26, "\0\1\100", 3);
    if (plain_too) {
        record = push(records);
        *record = (struct record){.type = DNS_TYPE_A, .ttl = 300, .length = 4};
        memcpy(record->owner, owner, sizeof(owner));
    }
}

static void check_ring(const struct zone *zone, const struct zone_view *view, unsigned probe)
{
    uint8_t hash[ZONE_VIEW_HASH], wanted[ZONE_VIEW_HASH], found[ZONE_VIEW_HASH];
    uint8_t owner[DNS_NAME_MAX];
    make_hash(probe, hash);
    struct seen expected, seen = {.fail = BASE_OK};
    base_buf_init(&seen.records, 1 << 20);
    hash_owner(hash, zone->apex, owner);
    expect(zone, zone_find(zone, owner, NULL), true, &expected);
    same(&expected, &seen, view->hash_records(view->context, hash, see, &seen));
    make_hash((probe + 1) % HASHES, wanted);
    assert_int_equal(view->hash_after(view->context, hash, found), BASE_OK);
    assert_memory_equal(found, wanted, sizeof(found));
    make_hash((probe + HASHES - 1) % HASHES, wanted);
    assert_int_equal(view->hash_before(view->context, hash, found), BASE_OK);
    assert_memory_equal(found, wanted, sizeof(found));
    hash[19]++; /* between two */
    make_hash(probe, wanted);
    assert_int_equal(view->hash_records(view->context, hash, see, NULL), BASE_ENOENT);
    assert_int_equal(view->hash_before(view->context, hash, found), BASE_OK);
    assert_memory_equal(found, wanted, sizeof(found));
}

static void test_view(void **state)
{
    uint8_t apex[DNS_NAME_MAX], outside[DNS_NAME_MAX], found[DNS_NAME_MAX];
    name(outside, "else.where.");
    for (unsigned round = 0; round < 40; round++) {
        name(apex, round % 4 == 3 ? "." : "Zone.");
        struct records records = {0};
        for (unsigned i = 0; i < 10 + round; i++)
            random_record(&records, apex);
        for (unsigned i = 0; round % 2 == 1 && i < HASHES; i++)
            add_hash(&records, apex, i, i % 3 == 0);
        struct base_findings findings;
        base_findings_init(&findings, 0);
        struct zone *zone = build(&records, apex, 1, &findings);
        base_findings_free(&findings);
        struct zone_view view;
        zone_view_of(zone, &view);
        assert_true(dns_name_equal(view.apex, apex));
        for (size_t i = 0; i < records.count; i++) {
            uint8_t below[DNS_NAME_MAX] = "\1m";
            if (!dns_name_within(records.items[i].owner, apex))
                continue;
            check_owner(zone, &view, records.items[i].owner);
            memcpy(below + 2, records.items[i].owner, sizeof(below) - 2);
            if (dns_name_length(records.items[i].owner) < DNS_NAME_MAX - 2)
                check_owner(zone, &view, below);
        }
        uint8_t hash[ZONE_VIEW_HASH] = {0};
        for (unsigned i = 0; round % 2 == 1 && i < HASHES; i++)
            check_ring(zone, &view, i);
        if (round % 2 == 0)
            assert_int_equal(view.hash_after(view.context, hash, hash), BASE_ENOENT);
        if (round % 4 != 3)
            assert_int_equal(view.before(view.context, outside, found), BASE_ENOENT);
        zone_release(zone);
        free(records.items);
    }
}

/* The only hash is its own neighbour; an error of the visitor comes back. */
static void test_edges(void **state)
{
    uint8_t apex[DNS_NAME_MAX], hash[ZONE_VIEW_HASH], found[ZONE_VIEW_HASH];
    name(apex, "zone.");
    struct records records = {0};
    add_hash(&records, apex, 3, false);
    struct base_findings findings;
    base_findings_init(&findings, 0);
    struct zone *zone = build(&records, apex, 1, &findings);
    struct zone_view view;
    zone_view_of(zone, &view);
    make_hash(3, hash);
    assert_int_equal(view.hash_after(view.context, hash, found), BASE_OK);
    assert_memory_equal(found, hash, sizeof(hash));
    assert_int_equal(view.hash_before(view.context, hash, found), BASE_OK);
    assert_memory_equal(found, hash, sizeof(hash));
    struct seen seen = {.fail = BASE_ELIMIT};
    base_buf_init(&seen.records, 1 << 20);
    assert_int_equal(view.hash_records(view.context, hash, see, &seen), BASE_ELIMIT);
    base_buf_free(&seen.records);
    struct zone_delta delta = {zone, NULL};
    zone_delta_free(&delta);
    assert_null(delta.before);
    base_findings_free(&findings);
    free(records.items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_view), cmocka_unit_test(test_edges)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
