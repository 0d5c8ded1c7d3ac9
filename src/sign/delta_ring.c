/*
 * The denial chain as a ring of keys: names in canonical order, or hashes. Some members come, some
 * go; the others stay where they are, and are asked of the version before. Each member that comes
 * or goes changes what its predecessor points to. See delta_parts.h.
 */
#include "base/error.h"
#include "sign/delta_parts.h"

#include <stdlib.h>
#include <string.h>

static int compare(const uint8_t *a, size_t a_length, const uint8_t *b, size_t b_length)
{
    int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
    return order != 0 ? order : a_length < b_length ? -1 : a_length > b_length;
}

struct delta_link *delta_link_add(struct delta_job *delta)
{
    if (delta->link_count == delta->link_capacity) {
        size_t capacity = delta->link_capacity != 0 ? 2 * delta->link_capacity : 32;
        struct delta_link *links = realloc(delta->links, capacity * sizeof(*links));
        if (links == NULL)
            return NULL;
        delta->links = links;
        delta->link_capacity = capacity;
    }
    struct delta_link *link = &delta->links[delta->link_count++];
    *link = (struct delta_link){0};
    return link;
}

/* Equal keys: the one of which more is known first. */
static int compare_links(const void *x, const void *y)
{
    const struct delta_link *a = x, *b = y;
    int order = compare(a->key, a->key_length, b->key, b->key_length);
    if (order == 0)
        order = (int)a->kept - (int)b->kept;
    return order != 0 ? order : (int)(a->name == NULL) - (int)(b->name == NULL);
}

void delta_ring_sort(struct delta_job *delta)
{
    if (delta->link_count < 2)
        return;
    qsort(delta->links, delta->link_count, sizeof(*delta->links), compare_links);
    size_t count = 1;
    for (size_t i = 1; i < delta->link_count; i++) {
        const struct delta_link *last = &delta->links[count - 1], *link = &delta->links[i];
        if (compare(last->key, last->key_length, link->key, link->key_length) != 0)
            delta->links[count++] = *link;
    }
    delta->link_count = count;
}

struct delta_link *delta_link_find(const struct delta_job *delta, const uint8_t *key, size_t length)
{
    size_t low = 0, high = delta->link_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct delta_link *link = &delta->links[middle];
        int order = compare(link->key, link->key_length, key, length);
        if (order == 0)
            return link;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static void point_at(const struct delta_link *link, struct delta_point *out)
{
    memcpy(out->key, link->key, link->key_length);
    out->key_length = link->key_length;
    if (link->name != NULL)
        memcpy(out->name, link->name->name, dns_name_length(link->name->name));
}

/* Does `link` lie in the part of the ring from `begin` on, up to but without `end`? */
static bool in_arc(const struct delta_link *link, const struct delta_point *begin,
                   const struct delta_link *end)
{
    bool from = compare(link->key, link->key_length, begin->key, begin->key_length) >= 0;
    bool to = compare(link->key, link->key_length, end->key, end->key_length) < 0;
    bool wraps = compare(begin->key, begin->key_length, end->key, end->key_length) >= 0;
    return wraps ? from || to : from && to;
}

/* Either the member before a link stays where it was before, or it is a link; then that is written
 * anyway, or goes, and its own turn comes. */
int delta_ring_neighbours(struct delta_job *delta, const struct delta_ring *ring,
                          int (*found)(struct delta_job *delta, const struct delta_point *point))
{
    size_t count = delta->link_count; /* others may be added behind them */
    for (size_t i = 0; i < count; i++) {
        const struct delta_link *link = &delta->links[i];
        if (link->was == link->is)
            continue;
        struct delta_point at, before;
        point_at(link, &at);
        int error = ring->before(delta, &at, &before);
        if (error == BASE_OK &&
            !in_arc(&delta->links[i > 0 ? i - 1 : count - 1], &before, &delta->links[i]))
            error = found(delta, &before);
        if (error != BASE_OK)
            return error;
    }
    return BASE_OK;
}

/* Which of two places comes first behind a link, going round? */
static bool is_nearer(const struct delta_link *link, const struct delta_point *a,
                      const struct delta_point *b)
{
    bool a_wraps = compare(a->key, a->key_length, link->key, link->key_length) <= 0;
    bool b_wraps = compare(b->key, b->key_length, link->key, link->key_length) <= 0;
    if (a_wraps != b_wraps)
        return b_wraps;
    return compare(a->key, a->key_length, b->key, b->key_length) < 0;
}

int delta_ring_next(struct delta_job *delta, const struct delta_ring *ring,
                    const struct delta_link *link, struct delta_point *out)
{
    /* The nearest that is a member now, of the links ... */
    size_t index = (size_t)(link - delta->links), count = delta->link_count, at = index;
    do
        at = at + 1 < count ? at + 1 : 0;
    while (at != index && !delta->links[at].is);
    struct delta_point own, held, from;
    point_at(&delta->links[at], &own);
    /* ... or of those that were there before and stay. */
    point_at(link, &from);
    const struct delta_link *met = NULL;
    for (size_t steps = 0; steps <= count; steps++) {
        int error = ring->after(delta, &from, &held);
        if (error != BASE_OK)
            return error;
        met = delta_link_find(delta, held.key, held.key_length);
        if (met == NULL || met->is)
            break;
        from = held;
    }
    *out = met != NULL || is_nearer(link, &own, &held) ? own : held;
    return BASE_OK;
}
