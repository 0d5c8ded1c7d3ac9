/* Catalog zones: see catalog.h. */
#include "source/catalog.h"

#include "base/codec.h"
#include "base/error.h"
#include "base/reader.h"
#include "crypto/crypto.h"

#include <stdlib.h>
#include <string.h>

#define ID_OCTETS 16 /* of the digest, in the labels that we make */

/* --- reading --- */

struct reader {
    struct zone *zone;
    struct base_findings *findings;
    struct source_catalog catalog;
    size_t capacity;
    const struct zone_node *node; /* of the last member */
};

/* A finding about a node, and what it means for the catalog. */
static int refuse(struct reader *reader, const uint8_t *owner, const char *type, const char *what)
{
    char text[DNS_NAME_TEXT];
    struct base_place place = {.owner = dns_name_text(text, owner), .type = type};
    base_findings_add(reader->findings, CATALOG_BROKEN, &place, "%s: %s", text, what);
    return BASE_EREFUSED;
}

static void ignored(struct reader *reader, const uint8_t *owner, const char *type, const char *what)
{
    char text[DNS_NAME_TEXT];
    struct base_place place = {.owner = dns_name_text(text, owner), .type = type};
    base_findings_add(reader->findings, CATALOG_IGNORED, &place, "%s: %s", text, what);
}

static bool label_is(const uint8_t *name, const char *text)
{
    size_t length = strlen(text);
    if (name[0] != length)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (dns_lower[name[1 + i]] != (uint8_t)text[i])
            return false;
    }
    return true;
}

/* The strings of a TXT record joined; NULL without memory. `length` tells NULs in it. */
static char *join_text(struct base_arena *arena, const struct dns_rr *rr, size_t *length)
{
    char *out = base_arena_alloc(arena, rr->length + 1u);
    size_t put = 0;
    for (size_t at = 0; out != NULL && at < rr->length; at += 1u + rr->rdata[at]) {
        memcpy(out + put, rr->rdata + at + 1, rr->rdata[at]);
        put += rr->rdata[at];
    }
    if (out != NULL)
        out[put] = '\0';
    *length = put;
    return out;
}

/* Section 4.2.1: exactly one TXT record that says 2. */
static int check_version(struct reader *reader)
{
    static const uint8_t label[] = {7, 'v', 'e', 'r', 's', 'i', 'o', 'n'};
    const struct zone *zone = reader->zone;
    uint8_t name[DNS_NAME_MAX];
    size_t length = dns_name_length(zone->apex);
    if (length + sizeof(label) > DNS_NAME_MAX)
        return refuse(reader, zone->apex, "TXT", "the name is too long for a catalog");
    memcpy(name, label, sizeof(label));
    memcpy(name + sizeof(label), zone->apex, length);
    const struct zone_node *node = zone_find(zone, name, NULL);
    const struct zone_rrset *rrset = node != NULL ? zone_rrset(zone, node, DNS_TYPE_TXT) : NULL;
    if (rrset == NULL)
        return refuse(reader, name, "TXT",
                      "there is no version record, so this is no catalog that can be understood");
    if (rrset->count != 1)
        return refuse(reader, name, "TXT", "there must be exactly one version record");
    char *text = join_text(&reader->catalog.arena, zone->rrs[rrset->first_rr], &length);
    if (text == NULL)
        return BASE_ENOMEM;
    if (length != 1 || text[0] != '2')
        return refuse(reader, name, "TXT", "the version is not 2, the only one that is known");
    return BASE_OK;
}

/* The one name of a PTR RRset; NULL: there is none. More than one is an error (4.1, 4.3.1). */
static int single_pointer(struct reader *reader, const struct zone_node *node, const uint8_t **out)
{
    const struct zone_rrset *rrset = zone_rrset(reader->zone, node, DNS_TYPE_PTR);
    if (rrset != NULL && rrset->count != 1)
        return refuse(reader, node->name, "PTR", "there must be exactly one PTR record");
    *out = rrset != NULL ? reader->zone->rrs[rrset->first_rr]->rdata : NULL;
    return BASE_OK;
}

static int add_member(struct reader *reader, const struct zone_node *node)
{
    struct source_catalog *catalog = &reader->catalog;
    const uint8_t *zone;
    int error = single_pointer(reader, node, &zone);
    if (error != BASE_OK || zone == NULL)
        return error;
    if (catalog->count == reader->capacity) {
        size_t capacity = reader->capacity > 0 ? 2 * reader->capacity : 64;
        struct source_member *members = realloc(catalog->members, capacity * sizeof(*members));
        if (members == NULL)
            return BASE_ENOMEM;
        catalog->members = members;
        reader->capacity = capacity;
    }
    struct source_member *member = &catalog->members[catalog->count++];
    memset(member, 0, sizeof(*member));
    dns_name_lower(member->zone, zone);
    for (size_t i = 0; i <= node->name[0]; i++)
        member->id[i] = i == 0 ? node->name[0] : dns_lower[node->name[i]];
    reader->node = node;
    return BASE_OK;
}

static int read_group(struct reader *reader, const struct zone_node *node,
                      struct source_member *member)
{
    const struct zone_rrset *rrset = zone_rrset(reader->zone, node, DNS_TYPE_TXT);
    if (rrset == NULL)
        return BASE_OK;
    size_t length;
    char *text = join_text(&reader->catalog.arena, reader->zone->rrs[rrset->first_rr], &length);
    if (text == NULL)
        return BASE_ENOMEM;
    if (strlen(text) != length)
        ignored(reader, node->name, "TXT", "the group's name holds an octet 0, and has no effect");
    else
        member->group = text;
    if (rrset->count > 1)
        ignored(reader, node->name, "TXT", "of several groups only the first is used");
    return BASE_OK;
}

/* Properties of a member (section 4.3); its own node comes before them in the zone's order. */
static int read_property(struct reader *reader, const struct zone_node *node)
{
    const uint8_t *of = dns_name_parent(node->name, 1);
    if (reader->node == NULL || !dns_name_equal(of, reader->node->name))
        return BASE_OK; /* of nothing that is a member */
    struct source_member *member = &reader->catalog.members[reader->catalog.count - 1];
    if (label_is(node->name, "group"))
        return read_group(reader, node, member);
    if (!label_is(node->name, "coo"))
        return BASE_OK;
    const uint8_t *to;
    int error = single_pointer(reader, node, &to);
    if (error != BASE_OK || to == NULL)
        return error;
    uint8_t name[DNS_NAME_MAX];
    size_t length = dns_name_lower(name, to);
    member->coo = base_arena_dup(&reader->catalog.arena, name, length);
    return member->coo != NULL ? BASE_OK : BASE_ENOMEM;
}

static int read_node(struct reader *reader, const struct zone_node *node)
{
    unsigned below = dns_name_labels(node->name) - reader->zone->apex_labels;
    if (below == 2 && label_is(dns_name_parent(node->name, 1), "zones"))
        return add_member(reader, node);
    if (below == 3 && label_is(dns_name_parent(node->name, 2), "zones"))
        return read_property(reader, node);
    return BASE_OK; /* what is not known is ignored (section 3) */
}

static int compare_members(const void *a, const void *b)
{
    return dns_name_compare(((const struct source_member *)a)->zone,
                            ((const struct source_member *)b)->zone);
}

/* Orders the members; one zone with two labels breaks the catalog (section 4.1). */
static int settle(struct reader *reader)
{
    struct source_catalog *catalog = &reader->catalog;
    if (catalog->count == 0)
        return BASE_OK;
    qsort(catalog->members, catalog->count, sizeof(*catalog->members), compare_members);
    for (size_t i = 1; i < catalog->count; i++) {
        const struct source_member *member = &catalog->members[i];
        if (dns_name_equal(member[-1].zone, member->zone))
            return refuse(reader, member->zone, "PTR", "two members of the catalog are this zone");
    }
    return BASE_OK;
}

int source_catalog_read(struct zone *zone, struct base_findings *findings,
                        struct source_catalog *out)
{
    struct reader reader = {.zone = zone, .findings = findings};
    base_arena_init(&reader.catalog.arena, 0);
    int error = check_version(&reader);
    for (size_t i = 0; i < zone->node_count && error == BASE_OK; i++)
        error = read_node(&reader, &zone->nodes[i]);
    if (error == BASE_OK)
        error = settle(&reader);
    if (error != BASE_OK) {
        source_catalog_free(&reader.catalog);
        return error;
    }
    *out = reader.catalog;
    return BASE_OK;
}

void source_catalog_free(struct source_catalog *catalog)
{
    free(catalog->members);
    base_arena_free(&catalog->arena);
    catalog->members = NULL;
    catalog->count = 0;
}

const struct source_member *source_catalog_find(const struct source_catalog *catalog,
                                                const uint8_t *zone)
{
    size_t low = 0, high = catalog->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = dns_name_compare(catalog->members[middle].zone, zone);
        if (order == 0)
            return &catalog->members[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* --- making --- */

struct maker {
    struct zone_batch_writer writer;
    struct crypto_hasher *hasher;
    const uint8_t *apex;
    size_t apex_length;
};

/* Writes a label before what the name is so far. BASE_ERANGE: too long. */
static int prepend(uint8_t name[DNS_NAME_MAX], const char *label)
{
    size_t size = strlen(label), length = dns_name_length(name);
    if (length + size + 1 > DNS_NAME_MAX)
        return BASE_ERANGE;
    memmove(name + size + 1, name, length);
    name[0] = (uint8_t)size;
    memcpy(name + 1, label, size);
    return BASE_OK;
}

/* A text in strings of at most 255 octets. */
static int add_text(struct maker *maker, const uint8_t *owner, const char *text)
{
    uint8_t rdata[4096];
    size_t length = strlen(text), put = 0;
    if (length > sizeof(rdata) / 2)
        return BASE_ERANGE;
    do {
        size_t size = length < 255 ? length : 255;
        rdata[put++] = (uint8_t)size;
        memcpy(rdata + put, text, size);
        put += size;
        text += size;
        length -= size;
    } while (length > 0);
    return zone_batch_add(&maker->writer, owner, DNS_TYPE_TXT, 0, rdata, put);
}

/* SOA, NS (section 4.1: they are there only because a zone has them) and version. */
static int add_head(struct maker *maker, uint32_t serial)
{
    static const uint8_t nowhere[] = "\7invalid";
    uint8_t soa[2 * sizeof(nowhere) + 20], name[DNS_NAME_MAX];
    memcpy(soa, nowhere, sizeof(nowhere));
    memcpy(soa + sizeof(nowhere), nowhere, sizeof(nowhere));
    uint8_t *numbers = soa + 2 * sizeof(nowhere);
    base_store_u32(numbers, serial);
    base_store_u32(numbers + 4, 3600);
    base_store_u32(numbers + 8, 600);
    base_store_u32(numbers + 12, 2147483646);
    base_store_u32(numbers + 16, 0);
    int error = zone_batch_add(&maker->writer, maker->apex, DNS_TYPE_SOA, 0, soa, sizeof(soa));
    if (error == BASE_OK)
        error =
            zone_batch_add(&maker->writer, maker->apex, DNS_TYPE_NS, 0, nowhere, sizeof(nowhere));
    memcpy(name, maker->apex, maker->apex_length);
    if (error == BASE_OK)
        error = prepend(name, "version");
    return error != BASE_OK ? error : add_text(maker, name, "2");
}

static int add_made_member(struct maker *maker, const struct source_member *member)
{
    uint8_t zone[DNS_NAME_MAX], name[DNS_NAME_MAX], digest[CRYPTO_DIGEST_MAX];
    char id[2 * ID_OCTETS + 1];
    size_t length = dns_name_lower(zone, member->zone), digest_length;
    int error = crypto_hasher_update(maker->hasher, zone, length);
    if (error == BASE_OK)
        error = crypto_hasher_final(maker->hasher, digest, &digest_length);
    if (error != BASE_OK)
        return error;
    id[base_hex_encode(id, digest, ID_OCTETS)] = '\0';
    for (char *at = id; *at != '\0'; at++)
        *at = (char)dns_lower[(uint8_t)*at];
    memcpy(name, maker->apex, maker->apex_length);
    error = prepend(name, "zones");
    if (error == BASE_OK)
        error = prepend(name, id);
    if (error == BASE_OK)
        error = zone_batch_add(&maker->writer, name, DNS_TYPE_PTR, 0, zone, length);
    if (error != BASE_OK || member->group == NULL)
        return error;
    error = prepend(name, "group");
    return error != BASE_OK ? error : add_text(maker, name, member->group);
}

static int build(struct maker *maker, struct zone **out)
{
    struct dns_zonefile zonefile = {.batches = maker->writer.batch};
    struct base_findings findings;
    memcpy(zonefile.origin, maker->apex, maker->apex_length);
    base_findings_init(&findings, 1);
    maker->writer.batch = NULL;
    int error = zone_build(&zonefile, 1, &findings, out);
    base_findings_free(&findings);
    return error;
}

int source_catalog_make(const uint8_t *apex, uint32_t serial, const struct source_member *members,
                        size_t count, struct zone **out)
{
    uint8_t lower[DNS_NAME_MAX];
    struct maker maker = {.apex = lower, .apex_length = dns_name_lower(lower, apex)};
    int error = crypto_hasher_new(CRYPTO_SHA256, &maker.hasher);
    if (error != BASE_OK)
        return error;
    error = zone_batch_writer_init(&maker.writer, lower);
    if (error == BASE_OK)
        error = add_head(&maker, serial);
    for (size_t i = 0; i < count && error == BASE_OK; i++)
        error = add_made_member(&maker, &members[i]);
    if (error == BASE_OK)
        error = build(&maker, out);
    dns_batch_free(maker.writer.batch);
    crypto_hasher_free(maker.hasher);
    return error;
}
