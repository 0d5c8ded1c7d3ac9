/* The difference of two zones: see diff.h. */
#include "zone/diff.h"

#include "base/error.h"

#include <string.h>

struct diff {
    const struct zone *from;
    const struct zone *to;
    const struct zone_diff_options *options;
    int (*visit)(void *context, enum zone_change change, const uint8_t *owner,
                 const struct dns_rr *rr);
    void *context;
};

/* The records of one RRset, or of none. */
struct side {
    const struct dns_rr *const *rrs;
    size_t count;
};

static struct side side_of(const struct zone *zone, const struct zone_rrset *rrset)
{
    return rrset == NULL ? (struct side){NULL, 0}
                         : (struct side){&zone->rrs[rrset->first_rr], rrset->count};
}

/* Orders SOA rdata with the serial left out of it: the five numbers are the last 20 octets. */
static int compare_soa(const struct dns_rr *a, const struct dns_rr *b)
{
    if (a->length != b->length || a->length < 22)
        return dns_rdata_compare(a, b);
    uint8_t left[2 * DNS_NAME_MAX + 20], right[2 * DNS_NAME_MAX + 20];
    size_t length = a->length;
    if (length > sizeof(left))
        return dns_rdata_compare(a, b);
    dns_rdata_canonical(DNS_TYPE_SOA, a->rdata, length, left);
    dns_rdata_canonical(DNS_TYPE_SOA, b->rdata, length, right);
    memset(left + length - 20, 0, 4);
    memset(right + length - 20, 0, 4);
    return memcmp(left, right, length);
}

static int compare_records(const struct diff *diff, const struct dns_rr *a, const struct dns_rr *b)
{
    if (a == b)
        return 0;
    if (a->type == DNS_TYPE_SOA && diff->options->ignore_serial)
        return compare_soa(a, b);
    return dns_rdata_compare(a, b);
}

/* Visits the records of `mine` that `other` does not have. */
static int visit_missing(const struct diff *diff, enum zone_change change, const uint8_t *owner,
                         struct side mine, struct side other)
{
    size_t at = 0;
    for (size_t i = 0; i < mine.count; i++) {
        const struct dns_rr *rr = mine.rrs[i];
        int order = -1;
        while (at < other.count && (order = compare_records(diff, other.rrs[at], rr)) < 0)
            at++;
        if (at < other.count && order == 0 &&
            (diff->options->ignore_ttl || other.rrs[at]->ttl == rr->ttl))
            continue;
        int error = diff->visit(diff->context, change, owner, rr);
        if (error != BASE_OK)
            return error;
    }
    return BASE_OK;
}

/* Records that are shared by both zones need no comparison. */
static bool is_shared(struct side from, struct side to)
{
    return from.count == to.count &&
           (from.count == 0 || memcmp(from.rrs, to.rrs, from.count * sizeof(from.rrs[0])) == 0);
}

static int diff_rrset(const struct diff *diff, const uint8_t *owner, uint16_t type,
                      struct side from, struct side to)
{
    if (diff->options->ignore_dnssec && dns_type_is_dnssec(type))
        return BASE_OK;
    if (is_shared(from, to))
        return BASE_OK;
    int error = visit_missing(diff, ZONE_REMOVED, owner, from, to);
    if (error == BASE_OK)
        error = visit_missing(diff, ZONE_ADDED, owner, to, from);
    return error;
}

/* One of the nodes may be NULL. */
static int diff_nodes(const struct diff *diff, const struct zone_node *from,
                      const struct zone_node *to)
{
    if (from == NULL && to == NULL)
        return BASE_OK;
    const uint8_t *owner = from != NULL ? from->name : to->name;
    const struct zone_rrset *old = from != NULL ? &diff->from->rrsets[from->first_rrset] : NULL;
    const struct zone_rrset *old_end = from != NULL ? old + from->rrset_count : NULL;
    const struct zone_rrset *new = to != NULL ? &diff->to->rrsets[to->first_rrset] : NULL;
    const struct zone_rrset *new_end = to != NULL ? new + to->rrset_count : NULL;
    int error = BASE_OK;
    while (error == BASE_OK && (old != old_end || new != new_end)) {
        bool take_old = old != old_end && (new == new_end || old->type <= new->type);
        bool take_new = new != new_end && (old == old_end || new->type <= old->type);
        uint16_t type = take_old ? old->type : new->type;
        error = diff_rrset(diff, owner, type, side_of(diff->from, take_old ? old : NULL),
                           side_of(diff->to, take_new ? new : NULL));
        if (take_old)
            old++;
        if (take_new)
            new ++;
    }
    return error;
}

int zone_diff_node(const struct zone *from, const struct zone_node *old, const struct zone *to,
                   const struct zone_node *new, const struct zone_diff_options *options,
                   int (*visit)(void *context, enum zone_change change, const uint8_t *owner,
                                const struct dns_rr *rr),
                   void *context)
{
    const struct diff diff = {
        .from = from, .to = to, .options = options, .visit = visit, .context = context};
    return diff_nodes(&diff, old, new);
}

static int compare_nodes(const struct zone_node *a, const struct zone_node *b)
{
    if (a->name == b->name)
        return 0;
    if (a->key_prefix != b->key_prefix)
        return a->key_prefix < b->key_prefix ? -1 : 1;
    return dns_name_equal(a->name, b->name) ? 0 : dns_name_compare(a->name, b->name);
}

int zone_diff(const struct zone *from, const struct zone *to,
              const struct zone_diff_options *options,
              int (*visit)(void *context, enum zone_change change, const uint8_t *owner,
                           const struct dns_rr *rr),
              void *context)
{
    if (!dns_name_equal(from->apex, to->apex))
        return BASE_EINVAL;
    const struct diff diff = {
        .from = from, .to = to, .options = options, .visit = visit, .context = context};
    size_t i = 0, j = 0;
    int error = BASE_OK;
    while (error == BASE_OK && (i < from->node_count || j < to->node_count)) {
        int order;
        if (i == from->node_count)
            order = 1;
        else if (j == to->node_count)
            order = -1;
        else
            order = compare_nodes(&from->nodes[i], &to->nodes[j]);
        error = diff_nodes(&diff, order <= 0 ? &from->nodes[i] : NULL,
                           order >= 0 ? &to->nodes[j] : NULL);
        i += order <= 0;
        j += order >= 0;
    }
    return error;
}
