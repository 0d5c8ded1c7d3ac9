/* A zone in memory, looked at name by name: see view.h. */
#include "zone/view.h"

#include "base/codec.h"
#include "base/error.h"
#include "base/reader.h"
#include "dns/rdata.h"

#include <string.h>

enum { HASH_LABEL = 32 };

/* Does a record belong to the NSEC3 space? */
static bool of_hash(const struct dns_rr *rr)
{
    return rr->type == DNS_TYPE_NSEC3 || (rr->type == DNS_TYPE_RRSIG && rr->length >= 2 &&
                                          base_load_u16(rr->rdata) == DNS_TYPE_NSEC3);
}

/* Visits the records of a node in one of the two spaces. BASE_ENOENT: it has none there. */
static int visit_node(const struct zone *zone, const struct zone_node *node, bool hashes,
                      zone_view_visit *visit, void *visitor)
{
    bool any = false;
    for (unsigned i = 0; i < node->rrset_count; i++) {
        const struct zone_rrset *set = &zone->rrsets[node->first_rrset + i];
        for (unsigned j = 0; j < set->count; j++) {
            const struct dns_rr *rr = zone->rrs[set->first_rr + j];
            if (of_hash(rr) != hashes)
                continue;
            any = true;
            int error = visit(visitor, rr->type, rr->ttl, rr->rdata, rr->length);
            if (error != BASE_OK)
                return error;
        }
    }
    return any ? BASE_OK : BASE_ENOENT;
}

static int view_records(void *context, const uint8_t *name, zone_view_visit *visit, void *visitor)
{
    const struct zone *zone = context;
    const struct zone_node *node = zone_find(zone, name, NULL);
    return node != NULL ? visit_node(zone, node, false, visit, visitor) : BASE_ENOENT;
}

static bool is_owner(const struct zone_node *node)
{
    return (node->flags & ZONE_NSEC3) == 0;
}

static int give_name(const struct zone_node *node, uint8_t out[DNS_NAME_MAX])
{
    memcpy(out, node->name, dns_name_length(node->name));
    return BASE_OK;
}

static int view_owner(void *context, const uint8_t *name, uint8_t out[DNS_NAME_MAX])
{
    const struct zone_node *node = zone_find(context, name, NULL);
    return node != NULL && is_owner(node) ? give_name(node, out) : BASE_ENOENT;
}

/* The places of the nodes before and behind a name: `before` is one more than that of the first,
 * or 0. BASE_ENOENT: the name is not of the zone. */
static int around(const struct zone *zone, const uint8_t *name, size_t *before, size_t *after)
{
    if (!dns_name_within(name, zone->apex))
        return BASE_ENOENT;
    const struct zone_node *previous;
    const struct zone_node *node = zone_find(zone, name, &previous);
    size_t at = previous != NULL ? (size_t)(previous - zone->nodes) + 1 : 0;
    *before = node != NULL ? at - 1 : at;
    *after = at;
    return BASE_OK;
}

static int view_before(void *context, const uint8_t *name, uint8_t out[DNS_NAME_MAX])
{
    const struct zone *zone = context;
    size_t before, after;
    int error = around(zone, name, &before, &after);
    while (error == BASE_OK && before-- > 0) {
        if (is_owner(&zone->nodes[before]))
            return give_name(&zone->nodes[before], out);
    }
    return BASE_ENOENT;
}

static int view_after(void *context, const uint8_t *name, uint8_t out[DNS_NAME_MAX])
{
    const struct zone *zone = context;
    size_t before, after;
    int error = around(zone, name, &before, &after);
    for (; error == BASE_OK && after < zone->node_count; after++) {
        if (is_owner(&zone->nodes[after]))
            return give_name(&zone->nodes[after], out);
    }
    return BASE_ENOENT;
}

/* --- NSEC3 --- */

/* The owner of a hash; false: it would be longer than a name can be. */
static bool hash_owner(const struct zone *zone, const uint8_t hash[ZONE_VIEW_HASH],
                       uint8_t out[DNS_NAME_MAX])
{
    size_t length = dns_name_length(zone->apex);
    if (1 + HASH_LABEL + length > DNS_NAME_MAX)
        return false;
    out[0] = HASH_LABEL;
    base_base32hex_encode((char *)out + 1, hash, ZONE_VIEW_HASH);
    memcpy(out + 1 + HASH_LABEL, zone->apex, length);
    return true;
}

static bool node_hash(const struct zone *zone, const struct zone_node *node,
                      uint8_t out[ZONE_VIEW_HASH])
{
    size_t length;
    return node->name[0] == HASH_LABEL && zone_rrset(zone, node, DNS_TYPE_NSEC3) != NULL &&
           dns_name_labels(node->name) == zone->apex_labels + 1 &&
           base_base32hex_decode(out, ZONE_VIEW_HASH, &length, (const char *)node->name + 1,
                                 HASH_LABEL) == BASE_OK;
}

static int view_hash_records(void *context, const uint8_t hash[ZONE_VIEW_HASH],
                             zone_view_visit *visit, void *visitor)
{
    const struct zone *zone = context;
    uint8_t owner[DNS_NAME_MAX];
    const struct zone_node *node =
        hash_owner(zone, hash, owner) ? zone_find(zone, owner, NULL) : NULL;
    return node != NULL ? visit_node(zone, node, true, visit, visitor) : BASE_ENOENT;
}

/* Goes round the nodes from a hash until there is one of the ring, which at last is its own. */
static int go_round(const struct zone *zone, const uint8_t hash[ZONE_VIEW_HASH], bool forward,
                    uint8_t out[ZONE_VIEW_HASH])
{
    uint8_t owner[DNS_NAME_MAX];
    size_t before, after, count = zone->node_count;
    if (count == 0 || !hash_owner(zone, hash, owner) ||
        around(zone, owner, &before, &after) != BASE_OK)
        return BASE_ENOENT;
    for (size_t i = 0; i < count; i++) {
        size_t at = forward ? (after + i) % count : (before + count - 1 - i) % count;
        if (node_hash(zone, &zone->nodes[at], out))
            return BASE_OK;
    }
    return BASE_ENOENT;
}

static int view_hash_before(void *context, const uint8_t hash[ZONE_VIEW_HASH],
                            uint8_t out[ZONE_VIEW_HASH])
{
    return go_round(context, hash, false, out);
}

static int view_hash_after(void *context, const uint8_t hash[ZONE_VIEW_HASH],
                           uint8_t out[ZONE_VIEW_HASH])
{
    return go_round(context, hash, true, out);
}

void zone_view_of(struct zone *zone, struct zone_view *out)
{
    /* All functions of the zone lower what they compare. */
    *out = (struct zone_view){
        .apex = zone->apex,
        .apex_labels = zone->apex_labels,
        .serial = zone->serial,
        .context = zone,
        .owner = view_owner,
        .records = view_records,
        .before = view_before,
        .after = view_after,
        .hash_records = view_hash_records,
        .hash_before = view_hash_before,
        .hash_after = view_hash_after,
    };
}

void zone_delta_free(struct zone_delta *delta)
{
    zone_release(delta->before);
    zone_release(delta->after);
    delta->before = delta->after = NULL;
}

bool zone_delta_keeps(const struct zone_delta *delta, uint16_t type)
{
    const struct zone *a = delta->before, *b = delta->after;
    const struct zone_rrset *old = zone_rrset(a, &a->nodes[0], type);
    const struct zone_rrset *new = zone_rrset(b, &b->nodes[0], type);
    if (old == NULL || new == NULL || old->count != new->count)
        return old == new;
    for (unsigned i = 0; i < old->count; i++) {
        if (dns_rdata_compare(a->rrs[old->first_rr + i], b->rrs[new->first_rr + i]) != 0)
            return false;
    }
    return true;
}

base_time zone_first_expiry(const struct zone *zone, base_time now)
{
    base_time first = 0;
    for (size_t i = 0; i < zone->rr_count; i++) {
        const struct dns_rr *rr = zone->rrs[i];
        if (rr->type != DNS_TYPE_RRSIG || rr->length < 12)
            continue;
        base_time expiry = now + (int32_t)(base_load_u32(rr->rdata + 8) - (uint32_t)now);
        if (first == 0 || expiry < first)
            first = expiry;
    }
    return first;
}
