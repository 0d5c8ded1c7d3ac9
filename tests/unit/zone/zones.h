/*
 * Random zones for the tests, and what they must come to: a plain list of records, sorted by
 * qsort. Every test program uses a part of it.
 */
#ifndef TEST_ZONE_ZONES_H
#define TEST_ZONE_ZONES_H

#include "base/error.h"
#include "zone/zone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define UNUSED __attribute__((unused))

struct record {
    uint8_t owner[DNS_NAME_MAX];
    uint16_t type;
    uint32_t ttl;
    uint8_t rdata[64];
    size_t length;
};

struct records {
    struct record *items;
    size_t count;
    size_t capacity;
};

/* The same numbers each time. */
static uint64_t random_state = 88172645463325252u;
static UNUSED uint32_t random_below(uint32_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 11) % limit;
}

static UNUSED void name(uint8_t out[DNS_NAME_MAX], const char *text)
{
    size_t length;
    assert_int_equal(dns_name_from_text(out, &length, text, strlen(text), NULL), BASE_OK);
}

static UNUSED struct record *push(struct records *records)
{
    if (records->count == records->capacity) {
        records->capacity = records->capacity ? records->capacity * 2 : 64;
        records->items = realloc(records->items, records->capacity * sizeof(struct record));
        assert_non_null(records->items);
    }
    struct record *record = &records->items[records->count++];
    memset(record, 0, sizeof(*record));
    return record;
}

static UNUSED void add(struct records *records, const char *owner, uint16_t type, uint32_t ttl,
                       const void *rdata, size_t length)
{
    struct record *record = push(records);
    name(record->owner, owner);
    record->type = type;
    record->ttl = ttl;
    memcpy(record->rdata, rdata, length);
    record->length = length;
}

/* A record whose rdata is one name. */
static UNUSED void add_name(struct records *records, const char *owner, uint16_t type,
                            const char *target)
{
    uint8_t wire[DNS_NAME_MAX];
    name(wire, target);
    add(records, owner, type, 3600, wire, dns_name_length(wire));
}

static UNUSED void add_soa(struct records *records, const char *owner, uint32_t serial)
{
    uint8_t rdata[64] = {0};
    size_t at = 0;
    for (int i = 0; i < 2; i++) {
        memcpy(rdata + at, "\002ns\003abc", 8);
        at += 8;
    }
    uint32_t numbers[5] = {serial, 7200, 900, 1209600, 3600};
    for (int i = 0; i < 5; i++) {
        for (int j = 0; j < 4; j++)
            rdata[at++] = (uint8_t)(numbers[i] >> (24 - 8 * j));
    }
    add(records, owner, DNS_TYPE_SOA, 3600, rdata, at);
}

/* A name of up to four short labels below the apex, from a small alphabet so that names meet, with
 * letters of both cases and the octets that keys must escape. */
static UNUSED void random_name(uint8_t out[DNS_NAME_MAX], const uint8_t *apex)
{
    static const char alphabet[] = "abAB*-\0\1\377z";
    size_t at = 0;
    for (uint32_t labels = random_below(5); labels > 0; labels--) {
        uint32_t length = random_below(8) == 0 ? 1 + random_below(12) : 1 + random_below(2);
        out[at++] = (uint8_t)length;
        while (length-- > 0)
            out[at++] = (uint8_t)alphabet[random_below(sizeof(alphabet) - 1)];
    }
    memcpy(out + at, apex, dns_name_length(apex));
}

static UNUSED void random_record(struct records *records, const uint8_t *apex)
{
    struct record *record = push(records);
    random_name(record->owner, apex);
    record->ttl = 3600;
    switch (random_below(8)) {
    case 0:
        record->type = DNS_TYPE_NS;
        record->length = 8;
        memcpy(record->rdata, "\002Ns\003abc", 8);
        record->rdata[2] = (uint8_t)("nNsS"[random_below(4)]);
        break;
    case 1:
        record->type = random_below(4) == 0 ? DNS_TYPE_DNAME : DNS_TYPE_MX;
        record->length = 8;
        memcpy(record->rdata, "\000\001\003mxX\000", 8);
        if (record->type == DNS_TYPE_DNAME) {
            record->length = 5;
            memcpy(record->rdata, "\003dnA\000", 5);
        } else {
            record->length = 7;
        }
        break;
    case 2:
        record->type = DNS_TYPE_TXT;
        record->length = 2 + random_below(4);
        record->rdata[0] = (uint8_t)(record->length - 1);
        for (size_t i = 1; i < record->length; i++)
            record->rdata[i] = (uint8_t)("aAbB"[random_below(4)]);
        break;
    default:
        record->type = DNS_TYPE_A;
        record->length = 4;
        record->rdata[3] = (uint8_t)random_below(6);
        break;
    }
}

/* Batches of the records in the order given, cut at random. */
static UNUSED struct dns_batch *make_batches(const struct records *records, const uint8_t *apex)
{
    struct dns_batch *first = NULL, **link = &first;
    struct zone_batch_writer writer = {0};
    for (size_t i = 0; i < records->count; i++) {
        if (i == 0 || random_below((uint32_t)records->count / 3 + 2) == 0) {
            assert_int_equal(zone_batch_writer_init(&writer, apex), BASE_OK);
            *link = writer.batch;
            link = &writer.batch->next;
        }
        const struct record *record = &records->items[i];
        assert_int_equal(zone_batch_add(&writer, record->owner, record->type, record->ttl,
                                        record->rdata, record->length),
                         BASE_OK);
    }
    return first;
}

static UNUSED struct zone *build(const struct records *records, const uint8_t *apex,
                                 unsigned threads, struct base_findings *findings)
{
    struct dns_zonefile zonefile = {.batches = make_batches(records, apex)};
    memcpy(zonefile.origin, apex, dns_name_length(apex));
    struct zone *zone = NULL;
    assert_int_equal(zone_build(&zonefile, threads, findings, &zone), BASE_OK);
    assert_null(zonefile.batches);
    return zone;
}

static UNUSED int compare_rdata(const struct record *a, const struct record *b)
{
    uint8_t left[64], right[64];
    dns_rdata_canonical(a->type, a->rdata, a->length, left);
    dns_rdata_canonical(b->type, b->rdata, b->length, right);
    int order = memcmp(left, right, a->length < b->length ? a->length : b->length);
    return order != 0 ? order : (int)a->length - (int)b->length;
}

static UNUSED int compare_record(const void *x, const void *y)
{
    const struct record *a = x, *b = y;
    int order = dns_name_compare(a->owner, b->owner);
    if (order == 0)
        order = (int)a->type - (int)b->type;
    return order != 0 ? order : compare_rdata(a, b);
}

/* Sorts, and takes duplicates and what is outside of the zone out. */
static UNUSED void tidy(struct records *records, const uint8_t *apex)
{
    size_t kept = 0;
    for (size_t i = 0; i < records->count; i++) {
        if (dns_name_within(records->items[i].owner, apex))
            records->items[kept++] = records->items[i];
    }
    records->count = kept;
    if (kept == 0)
        return;
    qsort(records->items, kept, sizeof(struct record), compare_record);
    kept = 1;
    for (size_t i = 1; i < records->count; i++) {
        if (compare_record(&records->items[kept - 1], &records->items[i]) != 0)
            records->items[kept++] = records->items[i];
    }
    records->count = kept;
}

/* The zone holds just these tidy records, and its arrays fit together. */
static UNUSED void assert_zone(const struct zone *zone, const struct records *records)
{
    size_t at = 0, rrset_at = 0;
    for (size_t i = 0; i < zone->node_count; i++) {
        const struct zone_node *node = &zone->nodes[i];
        assert_int_equal(node->first_rrset, rrset_at);
        assert_true(node->rrset_count > 0);
        for (unsigned j = 0; j < node->rrset_count; j++) {
            const struct zone_rrset *rrset = &zone->rrsets[rrset_at++];
            assert_int_equal(rrset->first_rr, at);
            assert_true(rrset->count > 0);
            for (unsigned k = 0; k < rrset->count; k++, at++) {
                assert_true(at < records->count);
                const struct dns_rr *rr = zone->rrs[at];
                const struct record *record = &records->items[at];
                assert_int_equal(dns_name_compare(node->name, record->owner), 0);
                assert_int_equal(rr->type, record->type);
                assert_int_equal(rrset->type, record->type);
                assert_int_equal(rr->ttl, rrset->ttl);
                struct record own = {.type = rr->type, .length = rr->length};
                memcpy(own.rdata, rr->rdata, rr->length);
                assert_int_equal(compare_rdata(&own, record), 0);
            }
        }
    }
    assert_int_equal(at, records->count);
    assert_int_equal(at, zone->rr_count);
    assert_int_equal(rrset_at, zone->rrset_count);
}

#endif
