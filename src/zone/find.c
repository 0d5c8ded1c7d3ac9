/* Looking names up in a zone: see zone.h. */
#include "base/error.h"
#include "zone/assemble.h"

#include <stdlib.h>
#include <string.h>

#define GUIDE_STEP 16

int zone_make_guide(struct zone *zone)
{
    size_t count = zone->node_count / GUIDE_STEP;
    zone->guide = malloc((count + 1) * sizeof(*zone->guide));
    if (zone->guide == NULL)
        return BASE_ENOMEM;
    for (size_t i = 0; i < count; i++)
        zone->guide[i] = zone->nodes[i * GUIDE_STEP].key_prefix;
    return BASE_OK;
}

/* The number of elements, of which there are `count` in ascending order, that are less. */
static size_t count_less(const uint64_t *guide, size_t count, uint64_t prefix)
{
    const uint64_t *first = guide;
    while (count > 0) {
        size_t half = count / 2;
        bool less = first[half] < prefix;
        first = less ? first + half + 1 : first;
        count = less ? count - half - 1 : half;
    }
    return (size_t)(first - guide);
}

/* Narrows the nodes [*low, *high) in which a prefix can be. The guide is small enough to stay in
 * the cache, which the nodes are not. */
static void narrow(const struct zone *zone, uint64_t prefix, size_t *low, size_t *high)
{
    size_t count = zone->node_count / GUIDE_STEP;
    size_t less = count_less(zone->guide, count, prefix);
    size_t equal = 0;
    if (less < count && zone->guide[less] == prefix)
        equal = prefix == UINT64_MAX ? count - less
                                     : count_less(zone->guide + less, count - less, prefix + 1);
    *low = less > 0 ? (less - 1) * GUIDE_STEP : 0;
    *high = less + equal < count ? (less + equal) * GUIDE_STEP : zone->node_count;
}

/* The number of nodes that come before a name; *found says whether the next one is it. */
static size_t seek(const struct zone *zone, const uint8_t *name, bool *found)
{
    uint8_t key[DNS_KEY_MAX];
    size_t length = dns_name_key(key, name, zone->apex_labels);
    uint64_t prefix = zone_key_prefix(key, length);
    size_t low = 0, high = zone->node_count;
    if (zone->guide != NULL)
        narrow(zone, prefix, &low, &high);
    *found = false;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct zone_node *node = &zone->nodes[middle];
        if (node->key_prefix < prefix) {
            low = middle + 1;
        } else if (node->key_prefix > prefix) {
            high = middle;
        } else {
            /* A key that ends within its prefix is known by it. */
            int order = length < 8 ? 0 : dns_name_compare(node->name, name);
            if (order == 0) {
                *found = true;
                return middle;
            }
            if (order < 0)
                low = middle + 1;
            else
                high = middle;
        }
    }
    return low;
}

const struct zone_node *zone_find(const struct zone *zone, const uint8_t *name,
                                  const struct zone_node **previous)
{
    if (!dns_name_within(name, zone->apex)) {
        if (previous != NULL)
            *previous = NULL;
        return NULL;
    }
    bool found;
    size_t before = seek(zone, name, &found);
    if (found) {
        if (previous != NULL)
            *previous = &zone->nodes[before];
        return &zone->nodes[before];
    }
    if (previous != NULL)
        *previous = before > 0 ? &zone->nodes[before - 1] : NULL;
    return NULL;
}

const struct zone_rrset *zone_rrset(const struct zone *zone, const struct zone_node *node,
                                    uint16_t type)
{
    const struct zone_rrset *rrset = &zone->rrsets[node->first_rrset];
    for (unsigned i = 0; i < node->rrset_count && rrset->type <= type; i++, rrset++) {
        if (rrset->type == type)
            return rrset;
    }
    return NULL;
}

bool zone_name_exists(const struct zone *zone, const uint8_t *name)
{
    if (!dns_name_within(name, zone->apex))
        return false;
    bool found;
    size_t before = seek(zone, name, &found);
    /* What is below a name follows it. */
    return found || (before < zone->node_count && dns_name_within(zone->nodes[before].name, name));
}

const struct zone_node *zone_covering_cut(const struct zone *zone, const uint8_t *name)
{
    const struct zone_node *previous;
    zone_find(zone, name, &previous);
    if (previous == NULL)
        return NULL;
    if (previous->flags & ZONE_CUT)
        return dns_name_within(name, previous->name) ? previous : NULL;
    if (!(previous->flags & ZONE_BELOW))
        return NULL;
    /* Everything from a cut to the last name below it is below it: a cut that covers the name
     * covers what comes before the name, too, and is an ancestor of both. */
    unsigned labels = dns_name_labels(name);
    unsigned common = dns_name_common(name, previous->name);
    for (unsigned depth = common; depth > zone->apex_labels; depth--) {
        const struct zone_node *node = zone_find(zone, dns_name_parent(name, labels - depth), NULL);
        if (node != NULL && (node->flags & ZONE_CUT))
            return node;
    }
    return NULL;
}

int zone_ent_walk(const struct zone *zone, size_t index,
                  int (*visit)(void *context, const uint8_t *name), void *context)
{
    const uint8_t *name = zone->nodes[index].name;
    unsigned labels = dns_name_labels(name);
    unsigned shared = zone->apex_labels;
    if (index > 0) {
        unsigned common = dns_name_common(zone->nodes[index - 1].name, name);
        shared = common > shared ? common : shared;
    }
    /* An ancestor with records would come right before, and be shared. */
    for (unsigned depth = shared + 1; depth < labels; depth++) {
        int error = visit(context, dns_name_parent(name, labels - depth));
        if (error != BASE_OK)
            return error;
    }
    return BASE_OK;
}
