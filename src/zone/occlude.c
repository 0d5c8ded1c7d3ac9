/*
 * Which nodes lie below a delegation or a DNAME: see assemble.h. Descendants follow their ancestor,
 * so one pass with the cut in force is enough; a stretch that begins in the middle looks its
 * ancestors up.
 */
#include "base/error.h"
#include "base/thread.h"
#include "zone/assemble.h"

#include <stdlib.h>

#define STRETCH 16384 /* nodes */

/* The nodes in force at some place; NULL when there is none. */
struct cover {
    struct zone_node *cut;
    struct zone_node *dname;
};

struct marking {
    struct zone *zone;
    struct cover *covers; /* by stretch: in force before its first node */
};

static bool node_within(const struct zone_node *node, const struct zone_node *top)
{
    if (top->key_prefix == 0)
        return true;
    /* A key that ends within its prefix leaves zeros; one of them belongs to the key. */
    unsigned zeros = (unsigned)__builtin_ctzll(top->key_prefix) / 8;
    uint64_t mask = zeros < 2 ? UINT64_MAX : UINT64_MAX << (8 * (zeros - 1));
    if (((node->key_prefix ^ top->key_prefix) & mask) != 0)
        return false;
    return zeros >= 2 || dns_name_within(node->name, top->name);
}

/* Goes on to `node`: what does not reach it is no longer in force. */
static void narrow(struct cover *cover, const struct zone_node *node)
{
    if (cover->cut != NULL && !node_within(node, cover->cut))
        cover->cut = NULL;
    if (cover->dname != NULL && !node_within(node, cover->dname))
        cover->dname = NULL;
}

static void extend(struct cover *cover, struct zone_node *node, unsigned flags)
{
    if (cover->cut != NULL || cover->dname != NULL)
        return;
    if (flags & ZONE_CUT)
        cover->cut = node;
    if (flags & ZONE_DNAME)
        cover->dname = node;
}

/* What is in force before the node at `index`, from its ancestors. */
static struct cover cover_before(const struct zone *zone, size_t index)
{
    struct cover cover = {NULL, NULL};
    const uint8_t *name = zone->nodes[index].name;
    unsigned labels = dns_name_labels(name);
    for (unsigned depth = zone->apex_labels; depth < labels; depth++) {
        const struct zone_node *node = zone_find(zone, dns_name_parent(name, labels - depth), NULL);
        if (node != NULL)
            extend(&cover, &zone->nodes[node - zone->nodes], node->flags);
    }
    return cover;
}

static int mark_stretch(void *context, size_t index, unsigned worker)
{
    struct marking *marking = context;
    struct zone *zone = marking->zone;
    struct cover cover = marking->covers[index];
    size_t first = index * STRETCH;
    size_t end = zone->node_count - first > STRETCH ? first + STRETCH : zone->node_count;
    for (size_t i = first; i < end; i++) {
        struct zone_node *node = &zone->nodes[i];
        narrow(&cover, node);
        if (cover.cut != NULL) {
            node->flags = (uint16_t)((node->flags | ZONE_BELOW) & ~ZONE_CUT);
        } else if (cover.dname != NULL) {
            /* The hashed names of NSEC3 stand below the apex in any case (RFC 5155). */
            if (!(node->flags & ZONE_NSEC3) || cover.dname->key_prefix != 0)
                node->flags = (uint16_t)((node->flags | ZONE_UNDER_DNAME) & ~ZONE_CUT);
        }
        extend(&cover, node, node->flags);
    }
    return BASE_OK;
}

int zone_mark_occluded(struct zone *zone, unsigned threads)
{
    size_t count = (zone->node_count + STRETCH - 1) / STRETCH;
    if (count == 0)
        return BASE_OK;
    struct marking marking = {.zone = zone, .covers = malloc(count * sizeof(struct cover))};
    if (marking.covers == NULL)
        return BASE_ENOMEM;
    /* Before anybody changes flags. */
    for (size_t i = 0; i < count; i++)
        marking.covers[i] = cover_before(zone, i * STRETCH);
    int error = base_parallel(threads, count, mark_stretch, &marking);
    free(marking.covers);
    return error;
}
