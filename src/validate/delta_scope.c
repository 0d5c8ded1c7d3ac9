/*
 * The names that a change lists, and what stands between them. Nothing between two listed names
 * changes, so one look at the edges of each gap tells where the chain goes on.
 */
#include "base/codec.h"
#include "base/reader.h"
#include "validate/delta_parts.h"

#include <stdlib.h>
#include <string.h>

#define OWNER_LABEL BASE_BASE32HEX_SIZE(CRYPTO_NSEC3_SIZE)

bool delta_of_hash(uint16_t type, const uint8_t *rdata, size_t length)
{
    return type == DNS_TYPE_NSEC3 ||
           (type == DNS_TYPE_RRSIG && length >= 2 && base_load_u16(rdata) == DNS_TYPE_NSEC3);
}

bool delta_hash_of(const struct delta_check *check, const uint8_t *name,
                   uint8_t hash[CRYPTO_NSEC3_SIZE])
{
    size_t length;
    return name[0] == OWNER_LABEL && dns_name_labels(name) == check->view->apex_labels + 1 &&
           base_base32hex_decode(hash, CRYPTO_NSEC3_SIZE, &length, (const char *)name + 1,
                                 OWNER_LABEL) == BASE_OK &&
           length == CRYPTO_NSEC3_SIZE;
}

/*
 * Looks.
 */
static void add_to_look(struct delta_look *look, uint16_t type)
{
    switch (type) {
    case DNS_TYPE_RRSIG:
        look->survey.rrsigs++;
        return;
    case DNS_TYPE_NSEC:
        look->survey.nsec = true;
        return;
    case DNS_TYPE_NSEC3:
        look->survey.nsec3 = true;
        return;
    case DNS_TYPE_NS:
        look->ns = true;
        break;
    case DNS_TYPE_DS:
        look->ds = true;
        break;
    case DNS_TYPE_DNAME:
        look->dname = true;
        break;
    default:
        break;
    }
    look->survey.data = true;
}

static int visit_look(void *context, uint16_t type, uint32_t ttl, const uint8_t *rdata,
                      size_t length)
{
    (void)ttl;
    (void)rdata;
    (void)length;
    add_to_look(context, type);
    return BASE_OK;
}

static struct delta_look look_at_node(const struct zone *zone, const struct zone_node *node)
{
    struct delta_look look = {.ns = false};
    for (unsigned i = 0; node != NULL && i < node->rrset_count; i++) {
        const struct zone_rrset *rrset = &zone->rrsets[node->first_rrset + i];
        for (unsigned k = 0; k < rrset->count; k++)
            add_to_look(&look, rrset->type);
    }
    return look;
}

static int look_in_view(struct delta_check *check, const uint8_t *name, struct delta_look *look)
{
    unsigned depth = dns_name_labels(name);
    if (check->cache[depth].name != NULL && dns_name_equal(check->cache[depth].name, name)) {
        *look = check->cache[depth].look;
        return BASE_OK;
    }
    *look = (struct delta_look){.ns = false};
    int error = check->view->records(check->view->context, name, visit_look, look);
    if (error != BASE_OK && error != BASE_ENOENT)
        return error;
    check->cache[depth].name = base_arena_dup(&check->arena, name, dns_name_length(name));
    check->cache[depth].look = *look;
    return check->cache[depth].name != NULL ? BASE_OK : BASE_ENOMEM;
}

static int look_at(struct delta_check *check, enum delta_side side, const uint8_t *name,
                   struct delta_look *look)
{
    const struct delta_name *listed = delta_listed(check, name);
    if (listed == NULL)
        return look_in_view(check, name, look);
    *look = listed->looks[side];
    return BASE_OK;
}

/* What the topmost cut or DNAME above makes of a name: node flags; and its number of labels. */
static int occlusion_of(struct delta_check *check, enum delta_side side, const uint8_t *name,
                        unsigned *flags, unsigned *occluder)
{
    unsigned top = check->view->apex_labels, labels = dns_name_labels(name);
    *flags = 0;
    for (unsigned depth = top; depth < labels && *flags == 0; depth++) {
        struct delta_look look;
        int error = look_at(check, side, dns_name_parent(name, labels - depth), &look);
        if (error != BASE_OK)
            return error;
        if (look.ns && depth > top)
            *flags = ZONE_BELOW;
        else if (look.dname)
            *flags = ZONE_UNDER_DNAME;
        *occluder = depth;
    }
    return BASE_OK;
}

static enum validate_role role_from(const struct delta_check *check, const struct delta_look *look,
                                    const uint8_t *name, unsigned flags)
{
    unsigned depth = dns_name_labels(name) - check->view->apex_labels;
    if (depth > 0 && look->ns && flags == 0)
        flags |= ZONE_CUT;
    if (look->ds)
        flags |= ZONE_HAS_DS;
    return validate_role_of(&look->survey, flags, depth);
}

int delta_role(struct delta_check *check, enum delta_side side, const uint8_t *name,
               enum validate_role *role)
{
    struct delta_look look;
    unsigned flags, occluder;
    int error = look_at(check, side, name, &look);
    if (error == BASE_OK)
        error = occlusion_of(check, side, name, &flags, &occluder);
    if (error == BASE_OK)
        *role = role_from(check, &look, name, flags);
    return error;
}

/*
 * The list.
 */
size_t delta_lower_bound(const struct delta_check *check, const uint8_t *name)
{
    size_t low = 0, high = check->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (dns_name_compare(check->names[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct delta_name *delta_listed(const struct delta_check *check, const uint8_t *name)
{
    size_t at = delta_lower_bound(check, name);
    return at < check->count && dns_name_equal(check->names[at].name, name) ? &check->names[at]
                                                                            : NULL;
}

static bool has_plain(const struct zone *zone, const struct zone_node *node)
{
    for (unsigned i = 0; node != NULL && i < node->rrset_count; i++) {
        const struct zone_rrset *rrset = &zone->rrsets[node->first_rrset + i];
        for (unsigned k = 0; k < rrset->count; k++) {
            const struct dns_rr *rr = zone->rrs[rrset->first_rr + k];
            if (!delta_of_hash(rr->type, rr->rdata, rr->length))
                return true;
        }
    }
    return false;
}

static void list_name(struct delta_check *check, const uint8_t *name, const struct zone_node *old,
                      const struct zone_node *new)
{
    const struct zone *before = check->delta->before, *after = check->delta->after;
    if (has_plain(before, old) || has_plain(after, new)) {
        struct delta_name *listed = &check->names[check->count++];
        *listed = (struct delta_name){.name = name, .nodes = {old, new}};
        listed->looks[DELTA_OLD] = look_at_node(before, old);
        listed->looks[DELTA_NEW] = look_at_node(after, new);
    }
    uint8_t hash[CRYPTO_NSEC3_SIZE];
    bool was = old != NULL && zone_rrset(before, old, DNS_TYPE_NSEC3) != NULL;
    bool is = new != NULL &&zone_rrset(after, new, DNS_TYPE_NSEC3) != NULL;
    if ((was || is) && delta_hash_of(check, name, hash)) {
        struct delta_hash *entry = &check->hashes[check->hash_count++];
        *entry = (struct delta_hash){.nodes = {was ? old : NULL, is ? new : NULL}};
        memcpy(entry->hash, hash, sizeof(hash));
    }
}

/* Both zones are in canonical order, which is that of hashes too. */
static int make_list(struct delta_check *check)
{
    const struct zone *before = check->delta->before, *after = check->delta->after;
    size_t most = before->node_count + after->node_count;
    check->names = base_arena_alloc(&check->arena, (most + 1) * sizeof(*check->names));
    check->hashes = base_arena_alloc(&check->arena, (most + 1) * sizeof(*check->hashes));
    if (check->names == NULL || check->hashes == NULL)
        return BASE_ENOMEM;
    for (size_t i = 0, k = 0; i < before->node_count || k < after->node_count;) {
        const struct zone_node *old = i < before->node_count ? &before->nodes[i] : NULL;
        const struct zone_node *new = k < after->node_count ? &after->nodes[k] : NULL;
        int order = old == NULL ? 1 : new == NULL ? -1 : dns_name_compare(old->name, new->name);
        const struct zone_node *first = old != NULL && order <= 0 ? old : new;
        if (first != NULL)
            list_name(check, first->name, order <= 0 ? old : NULL, order >= 0 ? new : NULL);
        i += order <= 0;
        k += order >= 0;
    }
    return BASE_OK;
}

static enum delta_kind kind_of(const struct delta_check *check, const struct delta_name *listed,
                               enum delta_side side, unsigned flags)
{
    const struct delta_look *look = &listed->looks[side];
    bool apex = dns_name_labels(listed->name) == check->view->apex_labels;
    if (flags != 0)
        return DELTA_NOTHING;
    if (look->ns && !apex)
        return DELTA_CUT;
    return look->dname ? DELTA_DNAME : DELTA_NOTHING;
}

static int find_roles(struct delta_check *check)
{
    for (size_t i = 0; i < check->count; i++) {
        struct delta_name *listed = &check->names[i];
        for (enum delta_side side = DELTA_OLD; side <= DELTA_NEW; side++) {
            unsigned flags, occluder;
            int error = occlusion_of(check, side, listed->name, &flags, &occluder);
            if (error != BASE_OK)
                return error;
            listed->roles[side] = role_from(check, &listed->looks[side], listed->name, flags);
            listed->kinds[side] = kind_of(check, listed, side, flags);
        }
    }
    return BASE_OK;
}

/*
 * Gaps.
 */

/* The greatest name in canonical order that is below `name`, or nearly so. */
static void greatest_below(const uint8_t *name, uint8_t out[DNS_NAME_MAX])
{
    size_t length = dns_name_length(name);
    size_t room = DNS_NAME_MAX - length, at = 0;
    /* The lowest label, which is written first, takes what whole labels leave. */
    size_t rest = room % (DNS_LABEL_MAX + 1);
    if (rest >= 2) {
        out[at++] = (uint8_t)(rest - 1);
        memset(out + at, 0xff, rest - 1);
        at += rest - 1;
    }
    for (size_t whole = room / (DNS_LABEL_MAX + 1); whole > 0; whole--) {
        out[at++] = DNS_LABEL_MAX;
        memset(out + at, 0xff, DNS_LABEL_MAX);
        at += DNS_LABEL_MAX;
    }
    memcpy(out + at, name, length);
}

static bool inside(const uint8_t *name, const uint8_t *end)
{
    return end == NULL || dns_name_compare(name, end) < 0;
}

static const uint8_t *keep(struct delta_check *check, const uint8_t *name)
{
    return base_arena_dup(&check->arena, name, dns_name_length(name));
}

/* One name of the view and what becomes of the search for the chain there. */
struct look_up {
    uint8_t name[DNS_NAME_MAX];
    bool chained;
    unsigned below; /* labels of the cut that it is below; 0: none */
};

static int judge_place(struct delta_check *check, struct look_up *place)
{
    struct delta_look look;
    unsigned flags = 0, occluder = 0;
    int error = look_in_view(check, place->name, &look);
    if (error == BASE_OK)
        error = occlusion_of(check, DELTA_NEW, place->name, &flags, &occluder);
    if (error != BASE_OK)
        return error;
    place->chained = role_from(check, &look, place->name, flags) >= VALIDATE_ROLE_CUT;
    place->below = flags & ZONE_BELOW ? occluder : 0;
    return BASE_OK;
}

/* The first unlisted name of the chain after `from` and before `end` (NULL: of the zone), where all
 * names in between are unlisted. *any: the first owner of any kind. */
static int first_in_gap(struct delta_check *check, const uint8_t *from, const uint8_t *end,
                        const uint8_t **any, const uint8_t **first)
{
    struct look_up place;
    uint8_t at[DNS_NAME_MAX];
    memcpy(at, from, dns_name_length(from));
    *first = NULL;
    if (any != NULL)
        *any = NULL;
    for (;;) {
        int error = check->view->after(check->view->context, at, place.name);
        if (error == BASE_ENOENT || (error == BASE_OK && !inside(place.name, end)))
            return BASE_OK;
        if (error == BASE_OK)
            error = judge_place(check, &place);
        if (error != BASE_OK)
            return error;
        if (any != NULL && *any == NULL && (*any = keep(check, place.name)) == NULL)
            return BASE_ENOMEM;
        if (place.chained) {
            *first = keep(check, place.name);
            return *first != NULL ? BASE_OK : BASE_ENOMEM;
        }
        if (place.below != 0)
            greatest_below(dns_name_parent(place.name, dns_name_labels(place.name) - place.below),
                           at);
        else
            memcpy(at, place.name, dns_name_length(place.name));
    }
}

/* The last unlisted one before `end` (NULL: of the zone) and after `from`. */
static int last_in_gap(struct delta_check *check, const uint8_t *from, const uint8_t *end,
                       const uint8_t **last)
{
    struct look_up place;
    uint8_t at[DNS_NAME_MAX];
    if (end != NULL)
        memcpy(at, end, dns_name_length(end));
    else
        greatest_below(check->view->apex, at);
    *last = NULL;
    for (;;) {
        int error = check->view->before(check->view->context, at, place.name);
        if (error == BASE_ENOENT || (error == BASE_OK && dns_name_compare(place.name, from) <= 0))
            return BASE_OK;
        if (error == BASE_OK)
            error = judge_place(check, &place);
        if (error != BASE_OK)
            return error;
        const uint8_t *found = place.name;
        if (place.below != 0) /* the cut is the last of the chain up to here */
            found = dns_name_parent(found, dns_name_labels(found) - place.below);
        if (dns_name_compare(found, from) <= 0)
            return BASE_OK; /* … but it is listed, or lies before */
        if (place.chained || place.below != 0) {
            *last = keep(check, found);
            return *last != NULL ? BASE_OK : BASE_ENOMEM;
        }
        memcpy(at, place.name, dns_name_length(place.name));
    }
}

static int find_gaps(struct delta_check *check)
{
    for (size_t i = 0; i < check->count; i++) {
        struct delta_name *listed = &check->names[i];
        const uint8_t *end = i + 1 < check->count ? check->names[i + 1].name : NULL;
        int error = first_in_gap(check, listed->name, end, &listed->gap.any, &listed->gap.first);
        /* The last matters to NSEC only, which must point at what follows. */
        if (error == BASE_OK && listed->gap.first != NULL && check->verifier.nsec_chain)
            error = last_in_gap(check, listed->name, end, &listed->gap.last);
        if (error != BASE_OK)
            return error;
    }
    return BASE_OK;
}

static bool chained(const struct delta_name *listed)
{
    return listed->roles[DELTA_NEW] >= VALIDATE_ROLE_CUT;
}

static void find_next(struct delta_check *check)
{
    const uint8_t *next = check->view->apex;
    for (size_t i = check->count; i-- > 0;) {
        struct delta_name *listed = &check->names[i];
        listed->next = listed->gap.first != NULL ? listed->gap.first : next;
        next = chained(listed) ? listed->name : listed->next;
    }
}

int delta_chain_after(struct delta_check *check, const uint8_t *name, const uint8_t **out)
{
    size_t at = delta_lower_bound(check, name);
    if (at < check->count && dns_name_equal(check->names[at].name, name)) {
        *out = check->names[at].next;
        return BASE_OK;
    }
    const struct delta_name *behind = at < check->count ? &check->names[at] : NULL;
    const uint8_t *first;
    int error = first_in_gap(check, name, behind != NULL ? behind->name : NULL, NULL, &first);
    if (error != BASE_OK)
        return error;
    if (first != NULL)
        *out = first;
    else if (behind == NULL)
        *out = check->view->apex;
    else
        *out = chained(behind) ? behind->name : behind->next;
    return BASE_OK;
}

int delta_scope_make(struct delta_check *check)
{
    int error = make_list(check);
    if (error == BASE_OK)
        error = find_roles(check);
    if (error == BASE_OK)
        error = find_gaps(check);
    if (error == BASE_OK)
        find_next(check);
    return error;
}
