/*
 * The members of the denial chain that a change touches. With NSEC they are names; with NSEC3
 * hashes, also of empty non-terminals, which come and go with the names below them. See
 * delta_parts.h.
 */
#include "base/codec.h"
#include "base/error.h"
#include "base/reader.h"
#include "sign/delta_parts.h"

#include <string.h>

enum { HASH_LABEL = 32 };

/* --- NSEC --- */

static int set_point(const struct delta_job *delta, const uint8_t *name, struct delta_point *out)
{
    memcpy(out->name, name, dns_name_length(name));
    out->key_length = (uint16_t)dns_name_key(out->key, name, delta->view->apex_labels);
    return BASE_OK;
}

/* The member before a name: its predecessor, or the cut or DNAME that that one lies below. */
static int nsec_before(struct delta_job *delta, const struct delta_point *at,
                       struct delta_point *out)
{
    const struct zone_view *view = delta->view;
    uint8_t name[DNS_NAME_MAX];
    memcpy(name, at->name, dns_name_length(at->name));
    for (;;) {
        int error = view->before(view->context, name, name);
        if (error != BASE_OK)
            return error == BASE_ENOENT ? BASE_EFORMAT : error;
        struct delta_name *found;
        error = delta_cover(delta, name, false, &found);
        if (error == BASE_OK && found == NULL)
            error = delta_look(delta, name, &found);
        if (error != BASE_OK)
            return error;
        if ((found->was & DELTA_NSEC) != 0)
            return set_point(delta, found->name, out);
        /* A name with DNSSEC records only, which nobody signed. */
        error = delta_spend(delta);
        if (error != BASE_OK)
            return error;
        memcpy(name, found->name, dns_name_length(found->name));
    }
}

struct next_search {
    const struct delta_job *delta;
    struct delta_point *out;
    bool found;
};

static int take_next(void *context, uint16_t type, uint32_t ttl, const uint8_t *rdata,
                     size_t length)
{
    struct next_search *search = context;
    size_t used;
    if (type != DNS_TYPE_NSEC || search->found)
        return BASE_OK;
    if (dns_name_check(rdata, length, &used) != BASE_OK ||
        !dns_name_within(rdata, search->delta->apex))
        return BASE_EFORMAT;
    search->found = true;
    return set_point(search->delta, rdata, search->out);
}

/* The member after a name: what its NSEC says, or that of the member before it. */
static int nsec_after(struct delta_job *delta, const struct delta_point *at,
                      struct delta_point *out)
{
    const struct zone_view *view = delta->view;
    struct delta_point member = *at;
    struct delta_name *name;
    int error = delta_look(delta, at->name, &name);
    if (error == BASE_OK && (name->was & DELTA_NSEC) == 0)
        error = nsec_before(delta, at, &member);
    struct next_search search = {delta, out, false};
    if (error == BASE_OK)
        error = view->records(view->context, member.name, take_next, &search);
    return error == BASE_ENOENT || (error == BASE_OK && !search.found) ? BASE_EFORMAT : error;
}

static int add_name_link(struct delta_job *delta, struct delta_name *name, bool was, bool is)
{
    struct delta_link *link = delta_link_add(delta);
    if (link == NULL)
        return BASE_ENOMEM;
    *link = (struct delta_link){
        .key = name->key, .key_length = name->key_length, .was = was, .is = is, .name = name};
    return BASE_OK;
}

static int touch_neighbour(struct delta_job *delta, const struct delta_point *point)
{
    struct delta_name *name;
    int error = delta_touch(delta, point->name, &name);
    return error == BASE_OK ? add_name_link(delta, name, true, true) : error;
}

static int link_names(struct delta_job *delta)
{
    for (size_t i = 0; i < delta->count; i++) {
        struct delta_name *name = delta->names[i];
        bool was = (name->was & DELTA_NSEC) != 0, is;
        int error = delta_is_member(delta, name, &is);
        if (error == BASE_OK && (was || is))
            error = add_name_link(delta, name, was, is);
        if (error != BASE_OK)
            return error;
    }
    return BASE_OK;
}

/* --- NSEC3 --- */

static int hash_neighbour(int (*ask)(void *context, const uint8_t *hash, uint8_t *out),
                          void *context, const struct delta_point *at, struct delta_point *out)
{
    int error = ask(context, at->key, out->key);
    out->key_length = ZONE_VIEW_HASH;
    return error == BASE_ENOENT ? BASE_EFORMAT : error;
}

static int hash_before(struct delta_job *delta, const struct delta_point *at,
                       struct delta_point *out)
{
    return hash_neighbour(delta->view->hash_before, delta->view->context, at, out);
}

static int hash_after(struct delta_job *delta, const struct delta_point *at,
                      struct delta_point *out)
{
    return hash_neighbour(delta->view->hash_after, delta->view->context, at, out);
}

struct hash_loading {
    struct delta_job *delta;
    struct delta_records *records;
    unsigned nsec3;
};

static int load_hash_record(void *context, uint16_t type, uint32_t ttl, const uint8_t *rdata,
                            size_t length)
{
    struct hash_loading *loading = context;
    if (type == DNS_TYPE_NSEC3) {
        /* The view's records are well formed; but what we go on with must be ours. */
        if (length < 6u + rdata[4] + CRYPTO_NSEC3_SIZE ||
            rdata[5 + rdata[4]] != CRYPTO_NSEC3_SIZE ||
            length - (6u + rdata[4] + CRYPTO_NSEC3_SIZE) > DNS_BITMAP_MAX)
            return BASE_EFORMAT;
        loading->nsec3++;
    }
    return delta_append(loading->delta, loading->records, type, ttl, rdata, length);
}

/* A link for a hash, with what was there. */
static int make_hash_link(struct delta_job *delta, const uint8_t hash[CRYPTO_NSEC3_SIZE],
                          struct delta_link *link)
{
    *link = (struct delta_link){.key = base_arena_dup(&delta->arena, hash, CRYPTO_NSEC3_SIZE),
                                .key_length = CRYPTO_NSEC3_SIZE};
    if (link->key == NULL)
        return BASE_ENOMEM;
    struct hash_loading loading = {delta, &link->before, 0};
    int error = delta->view->hash_records(delta->view->context, hash, load_hash_record, &loading);
    if (error == BASE_ENOENT)
        return BASE_OK;
    link->was = loading.nsec3 > 0;
    return error == BASE_OK && loading.nsec3 > 1 ? BASE_EFORMAT : error;
}

static int keep_link(struct delta_job *delta, const struct delta_link *made)
{
    int error = delta_spend(delta);
    if (error != BASE_OK)
        return error;
    struct delta_link *link = delta_link_add(delta);
    if (link == NULL)
        return BASE_ENOMEM;
    *link = *made;
    return BASE_OK;
}

/* A member that stays, for its place in the ring or its signatures. */
static int add_kept(struct delta_job *delta, const uint8_t hash[CRYPTO_NSEC3_SIZE])
{
    struct delta_link link;
    int error = make_hash_link(delta, hash, &link);
    if (error != BASE_OK || !link.was)
        return error;
    link.is = link.kept = true;
    return keep_link(delta, &link);
}

static int keep_neighbour(struct delta_job *delta, const struct delta_point *point)
{
    return add_kept(delta, point->key);
}

/* The first of the names written that comes after a key. */
static size_t first_after(const struct delta_job *delta, const struct delta_name *name)
{
    size_t low = 0, high = delta->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct delta_name *other = delta->names[middle];
        size_t least = other->key_length < name->key_length ? other->key_length : name->key_length;
        int order = memcmp(other->key, name->key, least);
        if (order == 0)
            order = (int)other->key_length - (int)name->key_length;
        if (order <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_changed(const struct delta_name *name)
{
    return name->edited || name->pulled;
}

/* Is there a member below a name that nothing occludes? `before`: there was one. */
static int member_below(struct delta_job *delta, const struct delta_name *top, bool before,
                        bool *member)
{
    const struct zone_view *view = delta->view;
    int error = BASE_OK;
    *member = false;
    for (size_t i = first_after(delta, top); error == BASE_OK && !*member && i < delta->count;
         i++) {
        const struct delta_name *name = delta->names[i];
        if (!delta_starts_with(name->key, name->key_length, top->key, top->key_length))
            break;
        if (is_changed(name))
            error = delta_is_member(delta, name, member);
    }
    if (error != BASE_OK || *member || !before)
        return error;
    uint8_t at[DNS_NAME_MAX];
    error = view->after(view->context, top->name, at);
    while (error == BASE_OK && !*member && dns_name_within(at, top->name)) {
        struct delta_name *name;
        error = delta_look(delta, at, &name);
        if (error == BASE_OK && !is_changed(name)) {
            error = delta_spend(delta);
            if (error == BASE_OK)
                error = delta_is_member(delta, name, member);
        }
        if (error == BASE_OK && !*member)
            error = view->after(view->context, at, at);
    }
    return error == BASE_ENOENT ? BASE_OK : error;
}

/* Is a name in the ring after the change? *own: because it owns something. */
static int in_ring(struct delta_job *delta, const struct delta_name *name, bool before, bool *own,
                   bool *is)
{
    struct delta_name *cover;
    int error = delta_is_member(delta, name, own);
    *is = error == BASE_OK && *own;
    if (error != BASE_OK || *own || delta_barrier(name, name->is) != 0)
        return error;
    error = delta_cover(delta, name->name, true, &cover);
    return error == BASE_OK && cover == NULL ? member_below(delta, name, before, is) : error;
}

/* Adds the link of a name that may come or go; says whether it does. */
static int consider(struct delta_job *delta, struct delta_name *name, bool *turns)
{
    uint8_t hash[CRYPTO_NSEC3_SIZE];
    struct delta_link link;
    bool own;
    int error = crypto_nsec3_hash(delta->hasher, name->name, hash);
    if (error == BASE_OK)
        error = make_hash_link(delta, hash, &link);
    if (error == BASE_OK)
        error = in_ring(delta, name, link.was, &own, &link.is);
    if (error != BASE_OK)
        return error;
    name->asked = true;
    *turns = link.was != link.is;
    link.name = own ? name : NULL;
    /* Of a name that did not change itself the types do not change either. */
    if (!*turns && (!link.is || !(is_changed(name) || delta_is_apex(name))))
        return BASE_OK;
    return keep_link(delta, &link);
}

/* The names above one that comes or goes may be empty non-terminals, which come or go with it. */
static int consider_ancestors(struct delta_job *delta, const uint8_t *name)
{
    unsigned labels = dns_name_labels(name);
    for (unsigned depth = labels - 1; depth > delta->view->apex_labels; depth--) {
        struct delta_name *above;
        bool turns;
        int error = delta_look(delta, dns_name_parent(name, labels - depth), &above);
        if (error == BASE_OK && !is_changed(above) && !above->asked)
            error = consider(delta, above, &turns);
        if (error != BASE_OK)
            return error;
    }
    return BASE_OK;
}

/* The hash of which a name is the owner. */
static bool name_hash(const struct delta_job *delta, const uint8_t *name,
                      uint8_t out[CRYPTO_NSEC3_SIZE])
{
    size_t length;
    return name[0] == HASH_LABEL && dns_name_labels(name) == delta->view->apex_labels + 1 &&
           base_base32hex_decode(out, CRYPTO_NSEC3_SIZE, &length, (const char *)name + 1,
                                 HASH_LABEL) == BASE_OK;
}

static int link_hashes(struct delta_job *delta)
{
    for (size_t i = 0; i < delta->count; i++) {
        struct delta_name *name = delta->names[i];
        uint8_t hash[CRYPTO_NSEC3_SIZE];
        bool turns = false;
        int error = BASE_OK;
        if (is_changed(name) || delta_is_apex(name))
            error = consider(delta, name, &turns);
        if (error == BASE_OK && turns && !delta_is_apex(name))
            error = consider_ancestors(delta, name->name);
        /* A name that is a hash's owner as well is written as one. */
        if (error == BASE_OK && name_hash(delta, name->name, hash))
            error = add_kept(delta, hash);
        if (error != BASE_OK)
            return error;
    }
    return BASE_OK;
}

/* What else stands at the owner of a hash belongs to the change. */
static int touch_owners(struct delta_job *delta)
{
    uint8_t owner[DNS_NAME_MAX];
    size_t length = dns_name_length(delta->apex);
    owner[0] = HASH_LABEL;
    memcpy(owner + 1 + HASH_LABEL, delta->apex, length);
    for (size_t i = 0; i < delta->link_count; i++) {
        struct delta_name *name;
        base_base32hex_encode((char *)owner + 1, delta->links[i].key, CRYPTO_NSEC3_SIZE);
        int error = delta_look(delta, owner, &name);
        if (error == BASE_OK && (name->was & DELTA_OWNER) != 0)
            error = delta_touch(delta, owner, NULL);
        if (error != BASE_OK)
            return error;
    }
    return BASE_OK;
}

/* --- both --- */

static int set_next(struct delta_job *delta, const struct delta_ring *ring)
{
    for (size_t i = 0; i < delta->link_count; i++) {
        struct delta_link *link = &delta->links[i];
        struct delta_point next;
        if (!link->is)
            continue;
        int error = delta_ring_next(delta, ring, link, &next);
        if (error != BASE_OK)
            return error;
        link->next = delta->nsec3
                         ? base_arena_dup(&delta->arena, next.key, next.key_length)
                         : base_arena_dup(&delta->arena, next.name, dns_name_length(next.name));
        if (link->next == NULL)
            return BASE_ENOMEM;
    }
    return BASE_OK;
}

int delta_chain(struct delta_job *delta)
{
    static const struct delta_ring names = {nsec_before, nsec_after};
    static const struct delta_ring hashes = {hash_before, hash_after};
    const struct delta_ring *ring = delta->nsec3 ? &hashes : &names;
    int error = delta->nsec3 ? link_hashes(delta) : link_names(delta);
    if (error != BASE_OK)
        return error;
    delta_ring_sort(delta);
    error = delta_ring_neighbours(delta, ring, delta->nsec3 ? keep_neighbour : touch_neighbour);
    if (error != BASE_OK)
        return error;
    delta_ring_sort(delta);
    error = set_next(delta, ring);
    return error == BASE_OK && delta->nsec3 ? touch_owners(delta) : error;
}
