/* A zone of the image, looked at name by name: see image.h. */
#include "image/internal.h"

#include <string.h>

/* What a look-up needs: the reader is the context of the view. */
struct place {
    struct image_reader *reader;
    const struct image_zone *zone;
    MDB_cursor *cursor;
    uint8_t octets[IMAGE_KEY_MAX];
    MDB_val key, value;
};

static bool in_zone(const struct place *place)
{
    return place->key.mv_size >= 4 && base_load_u32(place->key.mv_data) == place->zone->id;
}

static int place_error(int rc)
{
    return rc == MDB_NOTFOUND ? BASE_ENOENT : image_error(rc);
}

/* --- names --- */

/* BASE_ENOENT: the name is not of the zone. */
static int place_name(struct place *place, void *context, const uint8_t *name)
{
    struct image_reader *reader = context;
    const struct image_zone *zone = reader->viewed;
    uint8_t key[DNS_KEY_MAX];
    if (!dns_name_within(name, zone->apex))
        return BASE_ENOENT;
    place->reader = reader;
    place->zone = zone;
    place->cursor = reader->cursors[IMAGE_NAMES];
    size_t length = dns_name_key(key, name, zone->apex_labels);
    place->key = (MDB_val){image_name_key(place->octets, zone->id, key, length), place->octets};
    return BASE_OK;
}

static int give_owner(const struct place *place, uint8_t out[DNS_NAME_MAX])
{
    struct image_name name;
    int error = image_value_decode(&place->value, &name);
    if (error != BASE_OK)
        return error;
    if ((size_t)name.labels_length + place->zone->apex_length > DNS_NAME_MAX)
        return BASE_EFORMAT;
    memcpy(out, name.labels, name.labels_length);
    memcpy(out + name.labels_length, place->zone->apex, place->zone->apex_length);
    return BASE_OK;
}

/* What a damaged page does not show looks as if it were not there, and a change that is made of
 * that would be lost or wrong. A name that is not there has one of the zone before it, the apex at
 * least, and that must be readable. */
static int confirm_absence(struct place *place)
{
    struct image_name name;
    MDB_val wanted = place->key;
    int rc = mdb_cursor_get(place->cursor, &place->key, &place->value, MDB_SET_RANGE);
    if (rc == 0 || rc == MDB_NOTFOUND)
        rc = mdb_cursor_get(place->cursor, &place->key, &place->value,
                            rc == 0 ? MDB_PREV : MDB_LAST);
    if (rc != 0 && rc != MDB_NOTFOUND)
        return image_error(rc);
    bool sound = rc == 0 && in_zone(place) && place->key.mv_size <= IMAGE_KEY_MAX &&
                 mdb_cmp(mdb_cursor_txn(place->cursor), mdb_cursor_dbi(place->cursor), &place->key,
                         &wanted) < 0 &&
                 image_value_decode(&place->value, &name) == BASE_OK;
    return sound ? BASE_ENOENT : BASE_EFORMAT;
}

static int find_name(struct place *place, void *context, const uint8_t *name)
{
    int error = place_name(place, context, name);
    if (error != BASE_OK)
        return error;
    MDB_val wanted = place->key;
    int rc = mdb_cursor_get(place->cursor, &place->key, &place->value, MDB_SET_KEY);
    if (rc != MDB_NOTFOUND)
        return image_error(rc);
    place->key = wanted;
    return confirm_absence(place);
}

/* Rdata from the image becomes a record that the rest of Kenter trusts. */
static int visit_records(const uint8_t *at, unsigned count, zone_view_visit *visit, void *visitor)
{
    for (unsigned i = 0; i < count; i++) {
        uint16_t type = base_load_u16(at + 2), length = image_record_length(at);
        const uint8_t *rdata = at + IMAGE_RECORD_HEAD;
        if (dns_rdata_check(type, rdata, length, NULL) != BASE_OK)
            return BASE_EFORMAT;
        int error = visit(visitor, type, image_record_ttl(at), rdata, length);
        if (error != BASE_OK)
            return error;
        at += IMAGE_RECORD_HEAD + (size_t)length;
    }
    return BASE_OK;
}

/* The signatures of all RRsets: rows and what is in them are in their canonical order. */
static int visit_signatures(const struct image_name *name, zone_view_visit *visit, void *visitor)
{
    int error = BASE_OK;
    for (unsigned i = 0; error == BASE_OK && i < name->rrset_count; i++) {
        struct image_rrset rrset;
        error = image_rrset_at(name, i, &rrset);
        if (error == BASE_OK)
            error = visit_records(rrset.rrsigs, rrset.signatures, visit, visitor);
    }
    return error;
}

static int visit_value(const MDB_val *value, zone_view_visit *visit, void *visitor)
{
    struct image_name name;
    int error = image_value_decode(value, &name);
    bool signatures = false;
    for (unsigned i = 0; error == BASE_OK && i < name.rrset_count; i++) {
        struct image_rrset rrset;
        error = image_rrset_at(&name, i, &rrset);
        if (error == BASE_OK && rrset.type > DNS_TYPE_RRSIG && !signatures) {
            signatures = true;
            error = visit_signatures(&name, visit, visitor);
        }
        if (error == BASE_OK)
            error = visit_records(rrset.records, rrset.count, visit, visitor);
    }
    if (error == BASE_OK && !signatures)
        error = visit_signatures(&name, visit, visitor);
    return error;
}

static int view_owner(void *context, const uint8_t *name, uint8_t out[DNS_NAME_MAX])
{
    struct place place;
    int error = find_name(&place, context, name);
    return error == BASE_OK ? give_owner(&place, out) : error;
}

static int view_records(void *context, const uint8_t *name, zone_view_visit *visit, void *visitor)
{
    struct place place;
    int error = find_name(&place, context, name);
    return error == BASE_OK ? visit_value(&place.value, visit, visitor) : error;
}

static int view_before(void *context, const uint8_t *name, uint8_t out[DNS_NAME_MAX])
{
    struct place place;
    int error = place_name(&place, context, name);
    if (error != BASE_OK)
        return error;
    int rc = mdb_cursor_get(place.cursor, &place.key, &place.value, MDB_SET_RANGE);
    if (rc == 0 || rc == MDB_NOTFOUND)
        rc = mdb_cursor_get(place.cursor, &place.key, &place.value, rc == 0 ? MDB_PREV : MDB_LAST);
    if (rc == 0 && !in_zone(&place))
        rc = MDB_NOTFOUND;
    return rc == 0 ? give_owner(&place, out) : place_error(rc);
}

static int view_after(void *context, const uint8_t *name, uint8_t out[DNS_NAME_MAX])
{
    struct place place;
    int error = place_name(&place, context, name);
    if (error != BASE_OK)
        return error;
    MDB_val wanted = place.key;
    int rc = mdb_cursor_get(place.cursor, &place.key, &place.value, MDB_SET_RANGE);
    if (rc == 0 && place.key.mv_size == wanted.mv_size &&
        memcmp(place.key.mv_data, wanted.mv_data, wanted.mv_size) == 0)
        rc = mdb_cursor_get(place.cursor, &place.key, &place.value, MDB_NEXT);
    if (rc == 0 && !in_zone(&place))
        rc = MDB_NOTFOUND;
    return rc == 0 ? give_owner(&place, out) : place_error(rc);
}

/* --- NSEC3 --- */

static void place_hash(struct place *place, void *context, const uint8_t *hash, size_t length)
{
    struct image_reader *reader = context;
    place->reader = reader;
    place->zone = reader->viewed;
    place->cursor = reader->cursors[IMAGE_HASHES];
    base_store_u32(place->octets, place->zone->id);
    memcpy(place->octets + 4, hash, length);
    place->key = (MDB_val){4 + length, place->octets};
}

static int give_hash(const struct place *place, uint8_t out[ZONE_VIEW_HASH])
{
    if (place->key.mv_size != 4 + ZONE_VIEW_HASH)
        return BASE_EFORMAT;
    memcpy(out, (const uint8_t *)place->key.mv_data + 4, ZONE_VIEW_HASH);
    return BASE_OK;
}

static int view_hash_records(void *context, const uint8_t hash[ZONE_VIEW_HASH],
                             zone_view_visit *visit, void *visitor)
{
    struct place place;
    place_hash(&place, context, hash, ZONE_VIEW_HASH);
    int rc = mdb_cursor_get(place.cursor, &place.key, &place.value, MDB_SET_KEY);
    return rc == 0 ? visit_value(&place.value, visit, visitor) : place_error(rc);
}

/* The last hash of the zone. */
static int last_hash(struct place *place)
{
    uint8_t octets[ZONE_VIEW_HASH + 1];
    memset(octets, 0xff, sizeof(octets)); /* longer than a hash: behind all of them */
    place_hash(place, place->reader, octets, sizeof(octets));
    int rc = mdb_cursor_get(place->cursor, &place->key, &place->value, MDB_SET_RANGE);
    if (rc == 0 || rc == MDB_NOTFOUND)
        rc = mdb_cursor_get(place->cursor, &place->key, &place->value,
                            rc == 0 ? MDB_PREV : MDB_LAST);
    return rc == 0 && !in_zone(place) ? MDB_NOTFOUND : rc;
}

static int view_hash_before(void *context, const uint8_t hash[ZONE_VIEW_HASH],
                            uint8_t out[ZONE_VIEW_HASH])
{
    struct place place;
    place_hash(&place, context, hash, ZONE_VIEW_HASH);
    int rc = mdb_cursor_get(place.cursor, &place.key, &place.value, MDB_SET_RANGE);
    if (rc == 0 || rc == MDB_NOTFOUND)
        rc = mdb_cursor_get(place.cursor, &place.key, &place.value, rc == 0 ? MDB_PREV : MDB_LAST);
    if (rc == MDB_NOTFOUND || (rc == 0 && !in_zone(&place)))
        rc = last_hash(&place);
    return rc == 0 ? give_hash(&place, out) : place_error(rc);
}

static int view_hash_after(void *context, const uint8_t hash[ZONE_VIEW_HASH],
                           uint8_t out[ZONE_VIEW_HASH])
{
    struct place place;
    place_hash(&place, context, hash, ZONE_VIEW_HASH);
    int rc = mdb_cursor_get(place.cursor, &place.key, &place.value, MDB_SET_RANGE);
    if (rc == 0 && in_zone(&place) && place.key.mv_size == 4 + ZONE_VIEW_HASH &&
        memcmp((const uint8_t *)place.key.mv_data + 4, hash, ZONE_VIEW_HASH) == 0)
        rc = mdb_cursor_get(place.cursor, &place.key, &place.value, MDB_NEXT);
    if (rc == MDB_NOTFOUND || (rc == 0 && !in_zone(&place))) {
        place_hash(&place, context, hash, 0);
        rc = mdb_cursor_get(place.cursor, &place.key, &place.value, MDB_SET_RANGE);
    }
    if (rc == 0 && !in_zone(&place))
        rc = MDB_NOTFOUND;
    return rc == 0 ? give_hash(&place, out) : place_error(rc);
}

void image_view(struct image_reader *reader, const struct image_zone *zone, struct zone_view *out)
{
    reader->viewed = zone;
    *out = (struct zone_view){
        .apex = zone->apex,
        .apex_labels = zone->apex_labels,
        .serial = zone->serial,
        .context = reader,
        .owner = view_owner,
        .records = view_records,
        .before = view_before,
        .after = view_after,
        .hash_records = view_hash_records,
        .hash_before = view_hash_before,
        .hash_after = view_hash_after,
    };
}
