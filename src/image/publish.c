/* Publishing versions: see image.h. */
#include "base/codec.h"
#include "crypto/crypto.h"
#include "image/internal.h"
#include "zone/diff.h"

#include <stdlib.h>
#include <string.h>

#define VALUE_MAX UINT32_MAX

/* One publication under way. */
struct publication {
    struct image *image;
    MDB_txn *txn;
    const struct image_publish *request;
    struct image_zone zone; /* being made */
    struct base_buf before; /* values, for comparison */
    struct base_buf after;
    struct image_step step;
    size_t written;
    bool silent; /* no history: values change, but not the records */
};

/* --- numbers in the database of general things --- */

int image_next_number(struct image *image, MDB_txn *txn, const char *what, uint64_t *number)
{
    MDB_val key = {strlen(what), (void *)(uintptr_t)what}, value;
    uint8_t octets[8] = {0};
    int rc = mdb_get(txn, image->dbis[IMAGE_ABOUT], &key, &value);
    if (rc == 0 && value.mv_size != sizeof(octets))
        return MDB_CORRUPTED;
    if (rc == 0)
        memcpy(octets, value.mv_data, sizeof(octets));
    else if (rc != MDB_NOTFOUND)
        return rc;
    uint64_t next = ((uint64_t)base_load_u32(octets) << 32 | base_load_u32(octets + 4)) + 1;
    base_store_u32(octets, (uint32_t)(next >> 32));
    base_store_u32(octets + 4, (uint32_t)next);
    value = (MDB_val){sizeof(octets), octets};
    rc = mdb_put(txn, image->dbis[IMAGE_ABOUT], &key, &value, 0);
    if (rc == 0)
        *number = next;
    return rc;
}

int image_delete_range(MDB_txn *txn, MDB_dbi dbi, uint32_t id)
{
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, dbi, &cursor);
    if (rc != 0)
        return image_error(rc);
    uint8_t octets[4];
    base_store_u32(octets, id);
    MDB_val key = {sizeof(octets), octets}, value;
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (rc == 0 && key.mv_size >= 4 && base_load_u32(key.mv_data) == id) {
        rc = mdb_cursor_del(cursor, 0);
        /* The cursor stands at what follows. */
        if (rc == 0)
            rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? BASE_OK : image_error(rc);
}

/* --- a name --- */

int image_node_key(const struct image_zone *zone, const struct zone_node *node,
                   enum image_part part, uint8_t out[IMAGE_KEY_MAX], size_t *length)
{
    base_store_u32(out, zone->id);
    if (part == IMAGE_PART_DATA) {
        *length = 4 + dns_name_key(out + 4, node->name, zone->apex_labels);
        return BASE_OK;
    }
    size_t octets;
    if (node->name[0] != 32 || dns_name_labels(node->name) != zone->apex_labels + 1u ||
        base_base32hex_decode(out + 4, IMAGE_HASH_SIZE, &octets, (const char *)node->name + 1,
                              32) != BASE_OK ||
        octets != IMAGE_HASH_SIZE)
        return BASE_EINVAL;
    *length = 4 + IMAGE_HASH_SIZE;
    return BASE_OK;
}

/* Fills a buffer with the value of a node; leaves it empty when there is none. */
static int encode(struct base_buf *buf, const struct zone *zone, const struct zone_node *node,
                  uint8_t occluder, enum image_part part)
{
    base_buf_reset(buf);
    if (node != NULL && image_value_wanted(zone, node, part))
        image_value_encode(buf, zone, node, occluder, part);
    return buf->error;
}

static int put(struct publication *publication, const struct zone_node *node, enum image_part part,
               const struct base_buf *value, unsigned flags)
{
    uint8_t octets[IMAGE_KEY_MAX];
    size_t length;
    int error = image_node_key(&publication->zone, node, part, octets, &length);
    if (error != BASE_OK)
        return error;
    MDB_val key = {length, octets}, data = {value->length, value->data};
    MDB_dbi dbi = image_part_database(publication->image, part);
    publication->written++;
    if (value->length > 0)
        return image_error(mdb_put(publication->txn, dbi, &key, &data, flags));
    int rc = mdb_del(publication->txn, dbi, &key, NULL);
    return rc == MDB_NOTFOUND ? BASE_EFORMAT : image_error(rc);
}

/* --- all of a zone --- */

static int append_node(struct publication *publication, const struct zone_node *node,
                       uint8_t occluder)
{
    for (enum image_part part = IMAGE_PART_DATA; part <= IMAGE_PART_NSEC3; part++) {
        int error = encode(&publication->after, publication->request->zone, node, occluder, part);
        if (error == BASE_OK && publication->after.length > 0)
            error = put(publication, node, part, &publication->after, MDB_APPEND);
        if (error != BASE_OK)
            return error;
    }
    return BASE_OK;
}

static int write_whole(struct publication *publication, const struct image_zone *old)
{
    const struct zone *zone = publication->request->zone;
    struct image_occlusion occlusion = {0};
    int error = BASE_OK;
    for (size_t i = 0; error == BASE_OK && i < zone->node_count; i++)
        error = append_node(publication, &zone->nodes[i],
                            image_occlusion_next(&occlusion, zone, &zone->nodes[i]));
    if (error == BASE_OK)
        error = image_expiry_whole(publication->image, publication->txn, &publication->zone, zone);
    for (unsigned i = IMAGE_NAMES; error == BASE_OK && old != NULL && i < IMAGE_DATABASES; i++)
        error = image_delete_range(publication->txn, publication->image->dbis[i], old->id);
    return error;
}

/* --- a difference --- */

/* Is the image's version this one? The apex holds serial and signatures. */
static bool is_previous(struct publication *publication, const struct image_zone *old,
                        const struct zone *previous)
{
    if (old->serial != previous->serial || old->nodes != previous->node_count ||
        old->records != previous->rr_count || previous->node_count == 0)
        return false;
    struct image_occlusion occlusion = {0};
    uint8_t occluder = image_occlusion_next(&occlusion, previous, &previous->nodes[0]);
    if (encode(&publication->before, previous, &previous->nodes[0], occluder, IMAGE_PART_DATA) !=
        BASE_OK)
        return false;
    uint8_t octets[4];
    base_store_u32(octets, old->id);
    MDB_val key = {sizeof(octets), octets}, value;
    return mdb_get(publication->txn, publication->image->dbis[IMAGE_NAMES], &key, &value) == 0 &&
           value.mv_size == publication->before.length &&
           memcmp(value.mv_data, publication->before.data, value.mv_size) == 0;
}

static int visit_change(void *context, enum zone_change change, const uint8_t *owner,
                        const struct dns_rr *rr)
{
    struct publication *publication = context;
    struct image_step *step = &publication->step;
    if (rr->type != DNS_TYPE_SOA)
        image_step_record(change == ZONE_REMOVED ? &step->removed : &step->added, owner, rr);
    return BASE_OK;
}

/* Equal names, also in case. */
static bool same_case(const uint8_t *a, const uint8_t *b)
{
    return a == b || memcmp(a, b, dns_name_length(a)) == 0;
}

/* Both nodes have the same records, as the same objects. */
static bool is_shared(const struct zone *a, const struct zone_node *old, const struct zone *b,
                      const struct zone_node *new)
{
    if (old->rrset_count != new->rrset_count || old->flags != new->flags)
        return false;
    const struct zone_rrset *x = &a->rrsets[old->first_rrset], *y = &b->rrsets[new->first_rrset];
    for (unsigned i = 0; i < old->rrset_count; i++) {
        if (x[i].type != y[i].type || x[i].count != y[i].count ||
            memcmp(&a->rrs[x[i].first_rr], &b->rrs[y[i].first_rr],
                   x[i].count * sizeof(struct dns_rr *)) != 0)
            return false;
    }
    return true;
}

static int move_expiry(struct publication *publication, const struct zone_node *old,
                       const struct zone_node *new, enum image_part part)
{
    const struct image_publish *request = publication->request;
    uint32_t before, after;
    bool was = old != NULL && image_node_expiry(request->previous, old, part, &before);
    bool is = new != NULL &&image_node_expiry(request->zone, new, part, &after);
    if (was == is && (!was || before == after))
        return BASE_OK;
    uint8_t octets[IMAGE_KEY_MAX];
    MDB_val key = {0, octets};
    int error =
        image_node_key(&publication->zone, new != NULL ? new : old, part, octets, &key.mv_size);
    return error == BASE_OK ? image_expiry_move(publication->image, publication->txn, &key, part,
                                                was ? &before : NULL, is ? &after : NULL)
                            : error;
}

/* Writes what differs between two nodes, of which one may be NULL. */
static int update_node(struct publication *publication, const struct zone_node *old,
                       uint8_t old_occluder, const struct zone_node *new, uint8_t new_occluder)
{
    const struct zone *from = publication->request->previous, *to = publication->request->zone;
    const struct zone_node *node = new != NULL ? new : old;
    if (node == NULL)
        return BASE_OK;
    if (old != NULL && new != NULL &&
        old_occluder == new_occluder &&same_case(old->name, new->name) &&
        is_shared(from, old, to, new))
        return BASE_OK;
    struct base_buf *before = &publication->before, *after = &publication->after;
    for (enum image_part part = IMAGE_PART_DATA; part <= IMAGE_PART_NSEC3; part++) {
        int error = encode(before, from, old, old_occluder, part);
        if (error == BASE_OK)
            error = encode(after, to, new, new_occluder, part);
        if (error == BASE_OK &&
            (before->length != after->length ||
             (after->length > 0 && memcmp(before->data, after->data, after->length) != 0)))
            error = put(publication, node, part, after, 0);
        if (error == BASE_OK)
            error = move_expiry(publication, old, new, part);
        if (error != BASE_OK)
            return error;
    }
    if (publication->silent)
        return BASE_OK;
    return zone_diff_node(from, old, to, new, &(struct zone_diff_options){0}, visit_change,
                          publication);
}

static int compare_nodes(const struct zone_node *a, const struct zone_node *b)
{
    if (a->name == b->name)
        return 0;
    if (a->key_prefix != b->key_prefix)
        return a->key_prefix < b->key_prefix ? -1 : 1;
    return dns_name_compare(a->name, b->name);
}

static int merge(struct publication *publication)
{
    const struct zone *from = publication->request->previous, *to = publication->request->zone;
    struct image_occlusion before = {0}, after = {0};
    size_t i = 0, j = 0;
    int error = BASE_OK;
    while (error == BASE_OK && (i < from->node_count || j < to->node_count)) {
        int order = i == from->node_count ? 1
                    : j == to->node_count ? -1
                                          : compare_nodes(&from->nodes[i], &to->nodes[j]);
        const struct zone_node *old = order <= 0 ? &from->nodes[i] : NULL;
        const struct zone_node *new = order >= 0 ? &to->nodes[j] : NULL;
        error = update_node(publication, old,
                            old != NULL ? image_occlusion_next(&before, from, old) : 0, new,
                            new != NULL ? image_occlusion_next(&after, to, new) : 0);
        i += order <= 0;
        j += order >= 0;
    }
    return error;
}

/* --- a difference of which the names are known --- */

/* As image_occlusion_next, for one name. */
static uint8_t occluder_of(const struct zone *zone, const uint8_t *name)
{
    unsigned labels = dns_name_labels(name) - zone->apex_labels;
    for (unsigned depth = 0; depth <= labels; depth++) {
        const struct zone_node *node = zone_find(zone, dns_name_parent(name, labels - depth), NULL);
        if (node != NULL && (node->flags & (ZONE_CUT | ZONE_DNAME)) != 0)
            return (uint8_t)(depth + 1);
    }
    return 0;
}

static int update_name(struct publication *publication, const uint8_t *name)
{
    const struct zone *from = publication->request->previous, *to = publication->request->zone;
    const struct zone_node *old = zone_find(from, name, NULL), *new = zone_find(to, name, NULL);
    if (old == NULL && new == NULL)
        return BASE_OK;
    return update_node(publication, old, old != NULL ? occluder_of(from, name) : 0, new,
                       new != NULL ? occluder_of(to, name) : 0);
}

/* The names below one that are in both zones: what is in one of them only is touched itself. */
static int update_below(struct publication *publication, const uint8_t *name)
{
    const struct zone *from = publication->request->previous, *to = publication->request->zone;
    const struct zone_node *before;
    zone_find(to, name, &before);
    size_t i = before != NULL ? (size_t)(before - to->nodes) + 1 : 0;
    int error = BASE_OK;
    for (; error == BASE_OK && i < to->node_count && dns_name_within(to->nodes[i].name, name);
         i++) {
        if (zone_find(from, to->nodes[i].name, NULL) != NULL)
            error = update_name(publication, to->nodes[i].name);
    }
    return error;
}

static unsigned occludes(const struct zone *zone, const uint8_t *name)
{
    const struct zone_node *node = zone_find(zone, name, NULL);
    return node != NULL ? node->flags & (ZONE_CUT | ZONE_DNAME) : 0;
}

static size_t count_records(const struct zone *zone, const uint8_t *name)
{
    const struct zone_node *node = zone_find(zone, name, NULL);
    size_t count = 0;
    for (unsigned i = 0; node != NULL && i < node->rrset_count; i++)
        count += zone->rrsets[node->first_rrset + i].count;
    return count;
}

/* Updates the names that the caller knows to have changed. */
static int merge_touched(struct publication *publication)
{
    const struct image_publish *request = publication->request;
    const struct zone *from = request->previous, *to = request->zone;
    size_t old_records = from->rr_count, new_records = to->rr_count;
    for (size_t i = 0; i < request->touched_count; i++) {
        const uint8_t *name = request->touched[i];
        if (!dns_name_within(name, to->apex))
            return BASE_EINVAL;
        int error = update_name(publication, name);
        if (error != BASE_OK)
            return error;
        old_records -= count_records(from, name);
        new_records -= count_records(to, name);
    }
    /* Cuts that come and go change what all below them is. */
    for (size_t i = 0; i < request->touched_count; i++) {
        const uint8_t *name = request->touched[i];
        if (occludes(from, name) == occludes(to, name))
            continue;
        publication->silent = true;
        int error = update_below(publication, name);
        publication->silent = false;
        if (error != BASE_OK)
            return error;
    }
    /* The rest of both zones has equally many records, or something was forgotten. */
    return old_records == new_records ? BASE_OK : BASE_EINVAL;
}

static int write_difference(struct publication *publication)
{
    const struct image_publish *request = publication->request;
    const struct zone *from = request->previous, *to = request->zone;
    struct image_step *step = &publication->step;
    step->from = from->serial;
    step->to = to->serial;
    step->version = publication->zone.version;
    image_step_record(&step->removed, from->apex, from->soa);
    image_step_record(&step->added, to->apex, to->soa);
    int error = request->touched != NULL ? merge_touched(publication) : merge(publication);
    if (error != BASE_OK || publication->written == 0)
        return error;
    /* Without a new serial there is no way to name the step. */
    return image_step_store(publication->image, publication->txn, publication->zone.id, step,
                            step->from != step->to ? request->history_bytes : 0,
                            request->history_versions);
}

/* --- metadata --- */

static const struct dns_rr *apex_record(const struct zone *zone, uint16_t type)
{
    const struct zone_rrset *rrset = zone_rrset(zone, &zone->nodes[0], type);
    return rrset != NULL ? zone->rrs[rrset->first_rr] : NULL;
}

static bool has_hashes(const struct zone *zone)
{
    for (size_t i = 0; i < zone->node_count; i++) {
        if (zone->nodes[i].flags & ZONE_NSEC3)
            return true;
    }
    return false;
}

static void describe_denial(const struct zone *zone, bool hashes, struct image_zone *out)
{
    const struct dns_rr *param = apex_record(zone, DNS_TYPE_NSEC3PARAM);
    if (param != NULL && param->length >= 5 && param->rdata[0] == 1 &&
        param->length == 5u + param->rdata[4] && hashes) {
        out->denial = IMAGE_NSEC3;
        out->iterations = base_load_u16(param->rdata + 2);
        out->salt_length = param->rdata[4];
        out->salt = param->rdata + 5;
    } else if (apex_record(zone, DNS_TYPE_NSEC) != NULL) {
        out->denial = IMAGE_NSEC;
    }
}

void image_describe(const struct zone *zone, bool hashes, struct image_zone *out)
{
    const struct dns_rr *soa = zone->soa;
    uint32_t minimum = base_load_u32(soa->rdata + soa->length - 4);
    *out = (struct image_zone){
        .nodes = zone->node_count,
        .records = zone->rr_count,
        .apex = zone->apex,
        .serial = zone->serial,
        .negative_ttl = soa->ttl < minimum ? soa->ttl : minimum,
        .apex_length = (uint8_t)dns_name_length(zone->apex),
        .apex_labels = (uint8_t)zone->apex_labels,
    };
    describe_denial(zone, hashes, out);
}

static void describe(const struct image_publish *request, struct image_zone *out)
{
    image_describe(request->zone, has_hashes(request->zone), out);
    out->published = request->now;
    out->earliest_expiry = request->earliest_expiry;
    out->next_resign = request->next_resign;
}

int image_find_zone(struct image *image, MDB_txn *txn, const uint8_t *apex, struct image_zone *zone)
{
    uint8_t octets[IMAGE_KEY_MAX];
    MDB_val key = {image_zone_key(octets, apex), octets}, value;
    memset(zone, 0, sizeof(*zone));
    int rc = mdb_get(txn, image->dbis[IMAGE_ZONES], &key, &value);
    return rc == 0 ? image_zone_decode(&value, zone) : image_error(rc);
}

int image_store_zone(struct image *image, MDB_txn *txn, const struct image_zone *zone)
{
    uint8_t octets[IMAGE_KEY_MAX], record[IMAGE_ZONE_RECORD_MAX];
    MDB_val key = {image_zone_key(octets, zone->apex), octets};
    MDB_val value = {image_zone_encode(record, zone), record};
    return image_error(mdb_put(txn, image->dbis[IMAGE_ZONES], &key, &value, 0));
}

static int write_zone(struct publication *publication, struct image_published *published)
{
    const struct image_publish *request = publication->request;
    struct image *image = publication->image;
    struct image_zone old;
    int error = image_find_zone(image, publication->txn, request->zone->apex, &old);
    if (error != BASE_OK && error != BASE_ENOENT)
        return error;
    bool known = error == BASE_OK;
    bool whole = !known || request->previous == NULL || request->previous->soa == NULL ||
                 !is_previous(publication, &old, request->previous);
    uint64_t id = known ? old.id : 0, set;
    publication->zone.template = known ? old.template : 0;
    publication->zone.expires = known ? old.expires : 0;
    int rc = image_next_number(image, publication->txn, "version", &publication->zone.version);
    if (rc == 0 && whole)
        rc = image_next_number(image, publication->txn, "next", &id);
    if (rc == 0 && !known)
        rc = image_next_number(image, publication->txn, "set", &set);
    if (rc != 0)
        return image_error(rc);
    if (id > UINT32_MAX)
        return BASE_EFORMAT; /* all used up: to be made anew */
    publication->zone.id = (uint32_t)id;
    error = whole ? write_whole(publication, known ? &old : NULL) : write_difference(publication);
    if (error == BASE_OK)
        error = image_store_zone(image, publication->txn, &publication->zone);
    *published = (struct image_published){.version = publication->zone.version,
                                          .names_written = publication->written,
                                          .whole = whole};
    return error;
}

int image_write_begin(struct image *image, MDB_txn **txn)
{
    if (!image->writer)
        return BASE_EINVAL;
    return image_error(mdb_txn_begin(image->env, image->batch, 0, txn));
}

int image_write_end(struct image *image, MDB_txn *txn, int error)
{
    if (error != BASE_OK) {
        mdb_txn_abort(txn);
        return error;
    }
    if (image->batch != NULL)
        return image_error(mdb_txn_commit(txn));
    image->batch = txn;
    return image_commit(image);
}

int image_publish(struct image *image, const struct image_publish *request,
                  struct image_published *published)
{
    const struct zone *zone = request->zone;
    if (zone->soa == NULL || zone->soa->length < 22 || zone->node_count == 0)
        return BASE_EINVAL;
    struct publication publication = {.image = image, .request = request};
    int error = image_write_begin(image, &publication.txn);
    if (error != BASE_OK)
        return error;
    base_buf_init(&publication.before, VALUE_MAX);
    base_buf_init(&publication.after, VALUE_MAX);
    image_step_init(&publication.step, request->history_bytes);
    describe(request, &publication.zone);
    struct image_published result;
    error = image_write_end(image, publication.txn, write_zone(&publication, &result));
    base_buf_free(&publication.before);
    base_buf_free(&publication.after);
    image_step_free(&publication.step);
    if (error == BASE_OK && published != NULL)
        *published = result;
    return error;
}

static int remove_zone(struct image *image, MDB_txn *txn, const uint8_t *apex)
{
    struct image_zone zone;
    uint64_t set;
    uint8_t octets[IMAGE_KEY_MAX];
    int error = image_find_zone(image, txn, apex, &zone);
    for (unsigned i = IMAGE_NAMES; error == BASE_OK && i < IMAGE_DATABASES; i++)
        error = image_delete_range(txn, image->dbis[i], zone.id);
    if (error != BASE_OK)
        return error;
    MDB_val key = {image_zone_key(octets, apex), octets};
    int rc = mdb_del(txn, image->dbis[IMAGE_ZONES], &key, NULL);
    if (rc == 0)
        rc = image_next_number(image, txn, "set", &set);
    return image_error(rc);
}

int image_remove(struct image *image, const uint8_t *apex)
{
    MDB_txn *txn;
    int error = image_write_begin(image, &txn);
    return error != BASE_OK ? error : image_write_end(image, txn, remove_zone(image, txn, apex));
}

static int write_template(struct image *image, MDB_txn *txn, const uint8_t *apex, uint64_t template)
{
    struct image_zone zone;
    int error = image_find_zone(image, txn, apex, &zone);
    if (error != BASE_OK || zone.template == template)
        return error;
    zone.template = template;
    return image_store_zone(image, txn, &zone);
}

int image_set_template(struct image *image, const uint8_t *apex, uint64_t template)
{
    MDB_txn *txn;
    int error = image_write_begin(image, &txn);
    return error != BASE_OK
               ? error
               : image_write_end(image, txn, write_template(image, txn, apex, template));
}

static int write_expires(struct image *image, MDB_txn *txn, const uint8_t *apex, base_time expires)
{
    struct image_zone zone;
    int error = image_find_zone(image, txn, apex, &zone);
    if (error != BASE_OK || zone.expires == expires)
        return error;
    zone.expires = expires;
    return image_store_zone(image, txn, &zone);
}

int image_set_expires(struct image *image, const uint8_t *apex, base_time expires)
{
    MDB_txn *txn;
    int error = image_write_begin(image, &txn);
    return error != BASE_OK ? error
                            : image_write_end(image, txn, write_expires(image, txn, apex, expires));
}
