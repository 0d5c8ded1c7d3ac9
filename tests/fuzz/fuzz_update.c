/*
 * UPDATE messages from foreign octets, several in a row on one zone: whatever they say, a refused
 * one leaves nothing behind, and the edits of the others, done one after the other, leave a zone
 * with its SOA, a nameserver, and nothing beside a CNAME.
 */
#include "base/error.h"
#include "base/reader.h"
#include "source/update.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#define MESSAGES_MAX 8

static const char zone_text[] =
    "@ 3600 SOA ns host 7 3600 600 864000 300\n@ NS ns\n@ NS ns2\n@ TXT apex\n"
    "alias CNAME www\nd DNAME example.net.\nx.ent A 192.0.2.1\nsub NS ns.sub\n"
    "wks WKS 192.0.2.1 6 25\nwww A 192.0.2.1\nwww A 192.0.2.2\nwww TXT x\nmx MX 1 Mail\n";

static struct zone *make_zone(void)
{
    const uint8_t *apex = (const uint8_t *)"\7example";
    struct dns_zonefile_options options = {.origin = apex, .default_ttl = 300, .threads = 1};
    struct dns_zonefile file;
    struct base_findings findings;
    struct zone *zone;
    base_findings_init(&findings, 100);
    REQUIRE(dns_zonefile_read_memory("zone", zone_text, sizeof(zone_text) - 1, &options, &findings,
                                     &file) == BASE_OK);
    REQUIRE(zone_build(&file, 1, &findings, &zone) == BASE_OK);
    base_findings_free(&findings);
    dns_zonefile_free(&file);
    return zone;
}

/* Counts of the apex and of the alias as the edits leave them. */
struct counts {
    int soa, ns, cname, beside;
};

static void count_record(struct counts *counts, const uint8_t *owner, uint16_t type, int step)
{
    bool apex = dns_name_equal(owner, (const uint8_t *)"\7example");
    counts->ns += apex && type == DNS_TYPE_NS ? step : 0;
    if (!dns_name_equal(owner, (const uint8_t *)"\5alias\7example"))
        return;
    if (type == DNS_TYPE_CNAME)
        counts->cname += step;
    else if (type != DNS_TYPE_KEY)
        counts->beside += step;
}

/* Is the edit the first or last word on its record? A record whose TTL alone changes is added
 * twice. */
static bool same_record(const struct source_edit *a, const struct source_edit *b)
{
    return a->type == b->type && a->length == b->length && dns_name_equal(a->owner, b->owner) &&
           memcmp(a->rdata, b->rdata, a->length) == 0;
}

static bool there_before(const struct source_edits *edits, size_t index, struct zone *zone)
{
    const struct source_edit *edit = &edits->items[index];
    for (size_t i = index; i-- > 0;) {
        if (same_record(edit, &edits->items[i]))
            return edits->items[i].add;
    }
    const struct zone_node *node = zone_find(zone, edit->owner, NULL);
    const struct zone_rrset *rrset = node != NULL ? zone_rrset(zone, node, edit->type) : NULL;
    for (unsigned i = 0; rrset != NULL && i < rrset->count; i++) {
        const struct dns_rr *rr = zone->rrs[rrset->first_rr + i];
        if (rr->length == edit->length && memcmp(rr->rdata, edit->rdata, rr->length) == 0)
            return true;
    }
    return false;
}

static void check_edits(const struct source_edits *edits, struct zone *zone)
{
    struct counts counts = {.ns = 2, .cname = 1};
    for (size_t i = 0; i < edits->count; i++) {
        const struct source_edit *edit = &edits->items[i];
        bool before = there_before(edits, i, zone);
        REQUIRE(dns_name_within(edit->owner, zone->apex));
        REQUIRE(!dns_type_is_meta(edit->type) && !dns_type_is_dnssec(edit->type));
        REQUIRE(dns_rdata_check(edit->type, edit->rdata, edit->length, NULL) == BASE_OK);
        REQUIRE(edit->add || (before && edit->type != DNS_TYPE_SOA));
        REQUIRE(edit->ttl <= DNS_TTL_MAX);
        if (edit->add != before)
            count_record(&counts, edit->owner, edit->type, edit->add ? 1 : -1);
    }
    REQUIRE(counts.ns >= 1);
    REQUIRE(counts.cname == 0 || (counts.cname == 1 && counts.beside == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct zone *zone;
    if (zone == NULL)
        zone = make_zone();
    struct zone_view view;
    struct source_edits edits;
    zone_view_of(zone, &view);
    REQUIRE(source_edits_init(&edits) == BASE_OK);
    size_t at = 0;
    for (unsigned i = 0; i < MESSAGES_MAX && size - at >= 2; i++) {
        size_t length = base_load_u16(data + at);
        at += 2;
        if (length > size - at)
            length = size - at;
        uint8_t *exact = malloc(length + 1);
        REQUIRE(exact != NULL);
        memcpy(exact, data + at, length);
        at += length;
        size_t before = edits.count;
        struct source_update_request request = {.message = exact, .length = length, .view = &view};
        struct source_update_result result;
        REQUIRE(source_update(&request, &edits, &result) == BASE_OK);
        REQUIRE(edits.count - before == result.changes);
        REQUIRE(result.rcode == DNS_RCODE_NOERROR || result.changes == 0);
        REQUIRE((result.rcode == DNS_RCODE_NOERROR) == (result.why[0] == '\0'));
        free(exact);
    }
    if (edits.count < 2000)
        check_edits(&edits, zone);
    source_edits_free(&edits);
    return 0;
}
