/*
 * Publishing a change: see image.h. Only the names of the change are written. What a name is, its
 * flags and what occludes it, follows from its ancestors: those in the change, or else those that
 * the image holds.
 */
#include "image/internal.h"
#include "zone/diff.h"

#include <string.h>

#define VALUE_MAX    UINT32_MAX
#define FLAGS_OF_TOP (ZONE_CUT | ZONE_BELOW | ZONE_UNDER_DNAME) /* that depend on ancestors */

struct change {
    struct image *image;
    MDB_txn *txn;
    const struct image_change *request;
    const struct zone *before, *after;
    struct image_zone old;
    struct image_zone zone; /* being made */
    struct base_buf value;
    struct image_step step;
    size_t written;
};

/* --- what a name lies under --- */

/* What occludes below a name on its own account: ZONE_CUT, ZONE_DNAME. */
static uint16_t own_barrier(const struct zone *zone, const struct zone_node *node)
{
    uint16_t barrier = 0;
    if ((node->flags & ZONE_APEX) == 0 && zone_rrset(zone, node, DNS_TYPE_NS) != NULL)
        barrier |= ZONE_CUT;
    if (zone_rrset(zone, node, DNS_TYPE_DNAME) != NULL)
        barrier |= ZONE_DNAME;
    return barrier;
}

/* The same for any name, of which no ancestor occludes it. */
static int barrier_at(const struct change *change, const uint8_t *name, uint16_t *barrier)
{
    const struct zone_node *node = zone_find(change->after, name, NULL);
    *barrier = 0;
    if (node != NULL) {
        *barrier = own_barrier(change->after, node);
        return BASE_OK;
    }
    if (zone_find(change->before, name, NULL) != NULL)
        return BASE_OK; /* it goes */
    uint8_t octets[IMAGE_KEY_MAX];
    struct zone_node at = {.name = name};
    size_t length;
    int error = image_node_key(&change->zone, &at, IMAGE_PART_DATA, octets, &length);
    if (error != BASE_OK)
        return error;
    MDB_val key = {length, octets}, value;
    int rc = mdb_get(change->txn, change->image->dbis[IMAGE_NAMES], &key, &value);
    if (rc == MDB_NOTFOUND)
        return BASE_OK;
    struct image_name found = {0};
    error = rc == 0 ? image_value_decode(&value, &found) : image_error(rc);
    if (error == BASE_OK)
        *barrier = found.flags & (ZONE_CUT | ZONE_DNAME);
    return error;
}

/* Where the topmost barrier stands above a name: as image_name.occluder; 0: nowhere. */
static int barrier_above(const struct change *change, const uint8_t *name, uint8_t *occluder,
                         uint16_t *barrier)
{
    unsigned labels = dns_name_labels(name) - change->zone.apex_labels;
    *occluder = 0;
    *barrier = 0;
    for (unsigned depth = 0; depth < labels && *barrier == 0; depth++) {
        int error = barrier_at(change, dns_name_parent(name, labels - depth), barrier);
        if (error != BASE_OK)
            return error;
        *occluder = *barrier != 0 ? (uint8_t)(depth + 1) : 0;
    }
    return BASE_OK;
}

/* Puts a node's flags and occluder right, as they are in the whole zone. */
static int place_node(const struct change *change, struct zone_node *node, uint8_t *occluder)
{
    uint16_t above, own = own_barrier(change->after, node);
    int error = barrier_above(change, node->name, occluder, &above);
    if (error != BASE_OK)
        return error;
    node->flags &= (uint16_t)~FLAGS_OF_TOP;
    if (above == 0) {
        node->flags |= own & ZONE_CUT;
        if (own != 0)
            *occluder = (uint8_t)(dns_name_labels(node->name) - change->zone.apex_labels + 1);
    } else if ((above & ZONE_CUT) != 0) {
        node->flags |= ZONE_BELOW;
    } else if ((node->flags & ZONE_NSEC3) == 0 || *occluder > 1) {
        /* The hashed names of NSEC3 stand below the apex in any case (RFC 5155). */
        node->flags |= ZONE_UNDER_DNAME;
    }
    return BASE_OK;
}

/* --- a name --- */

/* Does the image hold just what the change says was there? Flags and occluder do not come from
 * there, and a name may be written in another case. */
static int compare_before(struct change *change, const struct zone_node *node, enum image_part part,
                          const MDB_val *value)
{
    base_buf_reset(&change->value);
    if (node != NULL && image_value_wanted(change->before, node, part))
        image_value_encode(&change->value, change->before, node, 0, part);
    if (change->value.error != BASE_OK)
        return change->value.error;
    if (value == NULL || change->value.length == 0)
        return value == NULL && change->value.length == 0 ? BASE_OK : BASE_EMISMATCH;
    MDB_val own = {change->value.length, change->value.data};
    struct image_name held, expected;
    int error = image_value_decode(value, &held);
    if (error != BASE_OK)
        return error;
    if (image_value_decode(&own, &expected) != BASE_OK || held.length != expected.length ||
        held.rrset_count != expected.rrset_count || held.labels_length != expected.labels_length ||
        memcmp(held.directory, expected.directory,
               held.length - (size_t)(held.directory - held.value)) != 0)
        return BASE_EMISMATCH;
    return BASE_OK;
}

static int move_expiry(const struct change *change, const struct zone_node *old,
                       const struct zone_node *new, const MDB_val *key, enum image_part part)
{
    uint32_t before, after;
    bool was = old != NULL && image_node_expiry(change->before, old, part, &before);
    bool is = new != NULL &&image_node_expiry(change->after, new, part, &after);
    return image_expiry_move(change->image, change->txn, key, part, was ? &before : NULL,
                             is ? &after : NULL);
}

/* Writes one part of a name: `new` has its flags right; either may be NULL. */
static int write_part(struct change *change, const struct zone_node *old,
                      const struct zone_node *new, uint8_t occluder, enum image_part part)
{
    const struct zone_node *node = new != NULL ? new : old;
    bool was = old != NULL && image_value_wanted(change->before, old, part);
    bool is = new != NULL &&image_value_wanted(change->after, new, part);
    if (!was && !is && part == IMAGE_PART_NSEC3)
        return BASE_OK;
    uint8_t octets[IMAGE_KEY_MAX];
    size_t length;
    int error = image_node_key(&change->zone, node, part, octets, &length);
    if (error != BASE_OK)
        return error;
    MDB_dbi dbi = image_part_database(change->image, part);
    MDB_val key = {length, octets}, value;
    int rc = mdb_get(change->txn, dbi, &key, &value);
    if (rc != 0 && rc != MDB_NOTFOUND)
        return image_error(rc);
    error = compare_before(change, old, part, rc == 0 ? &value : NULL);
    if (error != BASE_OK || (rc != 0 && !is))
        return error;
    base_buf_reset(&change->value);
    if (is)
        image_value_encode(&change->value, change->after, new, occluder, part);
    if (change->value.error != BASE_OK)
        return change->value.error;
    if (rc == 0 && is && value.mv_size == change->value.length &&
        memcmp(value.mv_data, change->value.data, value.mv_size) == 0)
        return BASE_OK;
    error = move_expiry(change, old, new, &key, part);
    if (error != BASE_OK)
        return error;
    change->written++;
    value = (MDB_val){change->value.length, change->value.data};
    return image_error(is ? mdb_put(change->txn, dbi, &key, &value, 0)
                          : mdb_del(change->txn, dbi, &key, NULL));
}

static int write_name(struct change *change, const struct zone_node *old,
                      const struct zone_node *new)
{
    struct zone_node placed;
    uint8_t occluder = 0;
    if (new != NULL) {
        placed = *new;
        int error = place_node(change, &placed, &occluder);
        if (error != BASE_OK)
            return error;
    }
    int error = BASE_OK;
    for (enum image_part part = IMAGE_PART_DATA; error == BASE_OK && part <= IMAGE_PART_NSEC3;
         part++)
        error = write_part(change, old, new != NULL ? &placed : NULL, occluder, part);
    return error;
}

static int write_names(struct change *change)
{
    const struct zone *from = change->before, *to = change->after;
    size_t i = 0, j = 0;
    int error = BASE_OK;
    while (error == BASE_OK && (i < from->node_count || j < to->node_count)) {
        int order = i == from->node_count ? 1
                    : j == to->node_count
                        ? -1
                        : dns_name_compare(from->nodes[i].name, to->nodes[j].name);
        error = write_name(change, order <= 0 ? &from->nodes[i] : NULL,
                           order >= 0 ? &to->nodes[j] : NULL);
        i += order <= 0;
        j += order >= 0;
    }
    return error;
}

/* --- history --- */

static int note_difference(void *context, enum zone_change which, const uint8_t *owner,
                           const struct dns_rr *rr)
{
    struct image_step *step = context;
    if (rr->type != DNS_TYPE_SOA || !dns_name_equal(owner, step->apex))
        image_step_record(which == ZONE_REMOVED ? &step->removed : &step->added, owner, rr);
    return BASE_OK;
}

static int store_step(struct change *change)
{
    const struct zone *from = change->before, *to = change->after;
    struct image_step *step = &change->step;
    step->from = from->serial;
    step->to = to->serial;
    step->version = change->zone.version;
    step->apex = to->apex;
    image_step_record(&step->removed, from->apex, from->soa);
    image_step_record(&step->added, to->apex, to->soa);
    int error = zone_diff(from, to, &(struct zone_diff_options){0}, note_difference, step);
    if (error != BASE_OK || change->written == 0)
        return error;
    /* Without a new serial there is no way to name the step. */
    return image_step_store(change->image, change->txn, change->zone.id, step,
                            step->from != step->to ? change->request->history_bytes : 0,
                            change->request->history_versions);
}

/* --- metadata --- */

/* The smaller of what was known and what the change brings is a bound, which the index betters when
 * the first to expire have gone. */
static int earliest_expiry(const struct change *change, base_time *out)
{
    const struct image_change *request = change->request;
    base_time known = change->old.earliest_expiry, bound;
    base_time own = zone_first_expiry(change->after, request->now);
    *out = own == 0 || (known != 0 && known < own) ? known : own;
    if (request->earliest_expiry != 0)
        *out = request->earliest_expiry;
    int error =
        image_expiry_bound(change->image, change->txn, change->zone.id, request->now, &bound);
    if (error == BASE_OK && bound > *out)
        *out = bound;
    return error;
}

static int has_hashes(const struct change *change, bool *hashes)
{
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(change->txn, change->image->dbis[IMAGE_HASHES], &cursor);
    if (rc != 0)
        return image_error(rc);
    uint8_t octets[4];
    base_store_u32(octets, change->zone.id);
    MDB_val key = {sizeof(octets), octets}, value;
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    *hashes = rc == 0 && key.mv_size >= 4 && base_load_u32(key.mv_data) == change->zone.id;
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? BASE_OK : image_error(rc);
}

static int describe_zone(struct change *change)
{
    bool hashes = false;
    uint32_t id = change->zone.id;
    uint64_t version = change->zone.version;
    int error = has_hashes(change, &hashes);
    if (error != BASE_OK)
        return error;
    struct image_zone *zone = &change->zone;
    image_describe(change->after, hashes, zone);
    zone->id = id;
    zone->template = change->old.template;
    zone->expires = change->old.expires;
    zone->version = version;
    zone->nodes = change->old.nodes + change->after->node_count - change->before->node_count;
    zone->records = change->old.records + change->after->rr_count - change->before->rr_count;
    zone->published = change->request->now;
    zone->next_resign = change->request->next_resign;
    return earliest_expiry(change, &zone->earliest_expiry);
}

static int write_change(struct change *change)
{
    int error = image_find_zone(change->image, change->txn, change->after->apex, &change->old);
    if (error != BASE_OK)
        return error == BASE_ENOENT ? BASE_EMISMATCH : error;
    const struct image_zone *old = &change->old;
    if (old->serial != change->before->serial || old->nodes < change->before->node_count ||
        old->records < change->before->rr_count)
        return BASE_EMISMATCH;
    change->zone = (struct image_zone){.id = old->id, .apex_labels = old->apex_labels};
    error = image_error(
        image_next_number(change->image, change->txn, "version", &change->zone.version));
    if (error == BASE_OK)
        error = write_names(change);
    if (error == BASE_OK)
        error = store_step(change);
    if (error == BASE_OK)
        error = describe_zone(change);
    if (error == BASE_OK)
        error = image_store_zone(change->image, change->txn, &change->zone);
    return error;
}

static bool is_whole(const struct zone *zone)
{
    return zone != NULL && zone->soa != NULL && zone->soa->length >= 22 && zone->node_count > 0;
}

int image_publish_change(struct image *image, const struct image_change *request,
                         struct image_published *published)
{
    const struct zone_delta *delta = request->delta;
    if (!is_whole(delta->before) || !is_whole(delta->after) ||
        !dns_name_equal(delta->before->apex, delta->after->apex))
        return BASE_EINVAL;
    struct change change = {
        .image = image, .request = request, .before = delta->before, .after = delta->after};
    int error = image_write_begin(image, &change.txn);
    if (error != BASE_OK)
        return error;
    base_buf_init(&change.value, VALUE_MAX);
    image_step_init(&change.step, request->history_bytes);
    error = image_write_end(image, change.txn, write_change(&change));
    base_buf_free(&change.value);
    image_step_free(&change.step);
    if (error == BASE_OK && published != NULL)
        *published = (struct image_published){.version = change.zone.version,
                                              .names_written = change.written};
    return error;
}
