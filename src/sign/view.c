/* A node as the signer sees it: what stays of it, what is signed, and its type bitmap. */
#include "sign/internal.h"

#include <string.h>

static bool authoritative(const struct zone_node *node)
{
    return (node->flags & (ZONE_BELOW | ZONE_UNDER_DNAME)) == 0;
}

bool sign_node_live(const struct sign_job *job, size_t index)
{
    const struct zone_node *node = &job->zone->nodes[index];
    const struct zone_rrset *sets = &job->zone->rrsets[node->first_rrset];
    for (unsigned i = 0; i < node->rrset_count; i++)
        if (!sign_type_dropped(sets[i].type))
            return true;
    return false;
}

bool sign_node_in_chain(const struct sign_job *job, size_t index)
{
    const struct zone_node *node = &job->zone->nodes[index];
    if (!authoritative(node))
        return false;
    if (job->opt_out && (node->flags & (ZONE_CUT | ZONE_HAS_DS)) == ZONE_CUT)
        return false;
    return sign_node_live(job, index);
}

size_t sign_node_view(const struct sign_job *job, size_t index, struct sign_set *sets)
{
    if (index == 0) {
        memcpy(sets, job->top.sets, job->top.count * sizeof(*sets));
        return job->top.count;
    }
    const struct zone *zone = job->zone;
    const struct zone_node *node = &zone->nodes[index];
    bool cut = (node->flags & ZONE_CUT) != 0, signs = authoritative(node);
    size_t count = 0;
    for (unsigned i = 0; i < node->rrset_count; i++) {
        const struct zone_rrset *set = &zone->rrsets[node->first_rrset + i];
        if (sign_type_dropped(set->type))
            continue;
        bool covered = signs && (!cut || set->type == DNS_TYPE_DS);
        sets[count++] = (struct sign_set){.rrs = &zone->rrs[set->first_rr],
                                          .ttl = set->ttl,
                                          .type = set->type,
                                          .count = set->count,
                                          .role = covered ? SIGN_BY_ZONE : SIGN_BY_NONE};
    }
    return count;
}

size_t sign_node_bitmap(const struct sign_job *job, size_t index, const struct sign_set *sets,
                        size_t count, uint16_t *types, uint8_t *out)
{
    bool cut = index != 0 && (job->zone->nodes[index].flags & ZONE_CUT) != 0;
    bool is_signed = !job->nsec3; /* the NSEC itself */
    size_t below = 0;             /* types less than RRSIG */
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        is_signed |= sets[i].role != SIGN_BY_NONE;
        if (cut && sets[i].type != DNS_TYPE_NS && sets[i].type != DNS_TYPE_DS)
            continue; /* not ours to speak of: the child's, or glue */
        types[used++] = sets[i].type;
        if (sets[i].type < DNS_TYPE_RRSIG)
            below = used;
    }
    size_t extra = is_signed + !job->nsec3;
    memmove(types + below + extra, types + below, (used - below) * sizeof(*types));
    if (is_signed)
        types[below] = DNS_TYPE_RRSIG;
    if (!job->nsec3)
        types[below + 1] = DNS_TYPE_NSEC;
    return dns_bitmap_make(out, types, used + extra);
}
