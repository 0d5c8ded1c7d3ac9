/* Readers, and looking up zones and names: see image.h. */
#include "image/internal.h"

#include <stdlib.h>
#include <string.h>

/* --- readers --- */

static int read_number(struct image_reader *reader, const char *what, uint64_t *number)
{
    MDB_val key = {strlen(what), (void *)(uintptr_t)what}, value;
    int rc = mdb_get(reader->txn, reader->image->dbis[IMAGE_ABOUT], &key, &value);
    *number = 0;
    if (rc == MDB_NOTFOUND)
        return BASE_OK;
    if (rc != 0)
        return image_error(rc);
    if (value.mv_size != 8)
        return BASE_EFORMAT;
    const uint8_t *in = value.mv_data;
    *number = (uint64_t)base_load_u32(in) << 32 | base_load_u32(in + 4);
    return BASE_OK;
}

static int look_around(struct image_reader *reader)
{
    reader->active = true;
    uint64_t commits = mdb_txn_id(reader->txn);
    if (commits == reader->commits)
        return BASE_OK; /* the same pages: what points to them holds */
    reader->commits = commits;
    reader->near_known = false;
    image_fetch_begin(reader);
    for (unsigned i = 0; i < IMAGE_KEPT; i++)
        reader->kept[i].length = 0;
    return read_number(reader, "set", &reader->set);
}

int image_reader_open(struct image *image, struct image_reader **out)
{
    struct image_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL)
        return BASE_ENOMEM;
    reader->image = image;
    int rc = mdb_txn_begin(image->env, NULL, MDB_RDONLY, &reader->txn);
    for (unsigned i = IMAGE_ZONES; rc == 0 && i < IMAGE_DATABASES; i++)
        rc = mdb_cursor_open(reader->txn, image->dbis[i], &reader->cursors[i]);
    int error = image_error(rc);
    if (error == BASE_OK)
        error = look_around(reader);
    if (error != BASE_OK) {
        image_reader_close(reader);
        return error;
    }
    *out = reader;
    return BASE_OK;
}

void image_reader_close(struct image_reader *reader)
{
    if (reader == NULL)
        return;
    for (unsigned i = 0; i < IMAGE_DATABASES; i++) {
        if (reader->cursors[i] != NULL)
            mdb_cursor_close(reader->cursors[i]);
    }
    if (reader->txn != NULL)
        mdb_txn_abort(reader->txn);
    free(reader);
}

void image_reader_release(struct image_reader *reader)
{
    if (reader->active)
        mdb_txn_reset(reader->txn);
    reader->active = false;
    reader->probe_count = 0;
}

int image_reader_renew(struct image_reader *reader)
{
    image_reader_release(reader);
    int rc = mdb_txn_renew(reader->txn);
    if (rc != 0)
        return image_error(rc);
    for (unsigned i = IMAGE_ZONES; i < IMAGE_DATABASES; i++) {
        rc = mdb_cursor_renew(reader->txn, reader->cursors[i]);
        if (rc != 0)
            return image_error(rc);
    }
    return look_around(reader);
}

uint64_t image_zone_set(const struct image_reader *reader)
{
    return reader->set;
}

uint64_t image_commits(const struct image_reader *reader)
{
    return reader->commits;
}

/* --- zones --- */

/* Octets of two keys' common beginning, as far as it consists of whole labels; their number. */
static size_t common_labels(const uint8_t *a, size_t a_length, const uint8_t *b, size_t b_length,
                            unsigned *labels)
{
    size_t least = a_length < b_length ? a_length : b_length, whole = 0;
    *labels = 0;
    for (size_t at = 0; at < least && a[at] == b[at]; at++) {
        if (a[at] == 0) {
            whole = at + 1;
            (*labels)++;
        }
    }
    return whole;
}

int image_zone_get(struct image_reader *reader, const uint8_t *apex, struct image_zone *zone)
{
    uint8_t octets[IMAGE_KEY_MAX];
    MDB_val key = {image_zone_key(octets, apex), octets}, value;
    int rc = mdb_cursor_get(reader->cursors[IMAGE_ZONES], &key, &value, MDB_SET_KEY);
    return rc == 0 ? image_zone_decode(&value, zone) : image_error(rc);
}

/* The last zone at or before a key. */
static int zone_before(MDB_cursor *cursor, MDB_val *key, MDB_val *value, bool *exact)
{
    MDB_val wanted = *key;
    int rc = mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
    *exact = rc == 0 && key->mv_size == wanted.mv_size &&
             memcmp(key->mv_data, wanted.mv_data, wanted.mv_size) == 0;
    if (*exact)
        return 0;
    return mdb_cursor_get(cursor, key, value, rc == 0 ? MDB_PREV : MDB_LAST);
}

/* Takes note of a zone that comes twice in a row, when what follows is not below it. */
static void note_near(struct image_reader *reader, const struct image_zone *zone)
{
    bool again = zone->id == reader->last_id;
    reader->last_id = zone->id;
    if (!again)
        return;
    uint8_t octets[IMAGE_KEY_MAX];
    size_t length = image_zone_key(octets, zone->apex);
    MDB_val key = {length, octets}, value;
    MDB_cursor *cursor = reader->cursors[IMAGE_ZONES];
    int rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_KEY);
    if (rc == 0)
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    if (rc == MDB_NOTFOUND ||
        (rc == 0 && (key.mv_size < length || memcmp(key.mv_data, octets, length) != 0))) {
        reader->near = *zone;
        reader->near_known = true;
    }
}

int image_zone_find(struct image_reader *reader, const uint8_t *name, bool strictly,
                    struct image_zone *zone)
{
    if (strictly && name[0] == 0)
        return BASE_ENOENT;
    if (strictly)
        name = dns_name_parent(name, 1);
    if (reader->near_known && dns_name_within(name, reader->near.apex)) {
        *zone = reader->near;
        return BASE_OK;
    }
    uint8_t octets[IMAGE_KEY_MAX];
    size_t length = image_zone_key(octets, name);
    /* Each round but the last ends at a name with fewer labels. */
    for (;;) {
        MDB_val key = {length, octets}, value;
        bool exact;
        int rc = zone_before(reader->cursors[IMAGE_ZONES], &key, &value, &exact);
        if (rc != 0)
            return image_error(rc);
        const uint8_t *before = key.mv_data;
        unsigned labels;
        size_t shared =
            1 + common_labels(octets + 1, length - 1, before + 1, key.mv_size - 1, &labels);
        if (exact || shared == key.mv_size) {
            int error = image_zone_decode(&value, zone);
            if (error == BASE_OK)
                note_near(reader, zone);
            return error;
        }
        if (shared >= length)
            return BASE_EFORMAT;
        length = shared;
    }
}

int image_zone_list(struct image_reader *reader,
                    int (*visit)(void *context, const struct image_zone *zone), void *context)
{
    MDB_cursor *cursor = reader->cursors[IMAGE_ZONES];
    MDB_val key, value;
    int rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    while (rc == 0) {
        struct image_zone zone;
        int error = image_zone_decode(&value, &zone);
        if (error == BASE_OK)
            error = visit(context, &zone);
        if (error != BASE_OK)
            return error;
        /* The visitor may have used the cursor. */
        MDB_val again = key;
        rc = mdb_cursor_get(cursor, &again, &value, MDB_SET_KEY);
        if (rc == 0)
            rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    return rc == MDB_NOTFOUND ? BASE_OK : image_error(rc);
}

/* --- names --- */

static bool in_zone(const MDB_val *key, uint32_t id)
{
    return key->mv_size >= 4 && base_load_u32(key->mv_data) == id;
}

static bool same_key(const MDB_val *key, const uint8_t *octets, size_t length)
{
    return key->mv_size == length && memcmp(key->mv_data, octets, length) == 0;
}

/* The neighbours of a key, as LMDB finds them. A key of size 0: there is none. */
static int find_neighbours(struct image_reader *reader, const uint8_t *octets, size_t length,
                           struct image_neighbours *found)
{
    MDB_cursor *cursor = reader->cursors[IMAGE_NAMES];
    MDB_val key = {length, (void *)(uintptr_t)octets};
    int rc = mdb_cursor_get(cursor, &key, &found->value, MDB_SET_RANGE);
    if (rc != 0 && rc != MDB_NOTFOUND)
        return image_error(rc);
    found->exact = rc == 0 && same_key(&key, octets, length);
    if (found->exact)
        return BASE_OK;
    found->after = rc == 0 ? key : (MDB_val){0, NULL};
    rc = mdb_cursor_get(cursor, &found->before, &found->value, rc == 0 ? MDB_PREV : MDB_LAST);
    if (rc == MDB_NOTFOUND)
        found->before = (MDB_val){0, NULL};
    return rc == 0 || rc == MDB_NOTFOUND ? BASE_OK : image_error(rc);
}

/* What a name that has no records is, from what comes after and before it. */
static int judge(const struct image_neighbours *found, const struct image_zone *zone,
                 const uint8_t *wanted, size_t length, struct image_place *place)
{
    place->match = IMAGE_ABSENT;
    place->shared = 0;
    if (in_zone(&found->after, zone->id)) {
        size_t whole = common_labels(wanted + 4, length - 4, (uint8_t *)found->after.mv_data + 4,
                                     found->after.mv_size - 4, &place->shared);
        if (whole == length - 4)
            place->match = IMAGE_ENT;
    }
    if (!in_zone(&found->before, zone->id))
        return BASE_EFORMAT;
    common_labels(wanted + 4, length - 4, (uint8_t *)found->before.mv_data + 4,
                  found->before.mv_size - 4, &place->previous);
    if (place->previous > place->shared)
        place->shared = place->previous;
    return image_value_decode(&found->value, &place->name);
}

int image_find(struct image_reader *reader, const struct image_zone *zone, const uint8_t *name_key,
               size_t key_length, struct image_place *place)
{
    uint8_t octets[IMAGE_KEY_MAX];
    size_t length = image_name_key(octets, zone->id, name_key, key_length);
    struct image_neighbours found;
    if (!image_fetched(reader, octets, length, &found)) {
        int error = find_neighbours(reader, octets, length, &found);
        if (error != BASE_OK)
            return error;
    }
    if (!found.exact)
        return judge(&found, zone, octets, length, place);
    place->match = IMAGE_EXACT;
    return image_value_decode(&found.value, &place->name);
}

int image_find_often(struct image_reader *reader, const struct image_zone *zone,
                     const uint8_t *name_key, size_t key_length, struct image_place *place)
{
    uint8_t octets[IMAGE_KEY_MAX];
    size_t length = image_name_key(octets, zone->id, name_key, key_length);
    if (length > IMAGE_KEPT_KEY)
        return image_find(reader, zone, name_key, key_length, place);
    struct image_kept *kept = &reader->kept[(zone->id + length) % IMAGE_KEPT];
    if (kept->length == length && memcmp(kept->key, octets, length) == 0) {
        *place = kept->place;
        return BASE_OK;
    }
    int error = image_find(reader, zone, name_key, key_length, place);
    if (error == BASE_OK) {
        kept->length = (uint8_t)length;
        memcpy(kept->key, octets, length);
        kept->place = *place;
    }
    return error;
}

int image_get(struct image_reader *reader, const struct image_zone *zone, const uint8_t *name_key,
              size_t key_length, struct image_name *name)
{
    uint8_t octets[IMAGE_KEY_MAX];
    MDB_val key = {image_name_key(octets, zone->id, name_key, key_length), octets}, value;
    int rc = mdb_cursor_get(reader->cursors[IMAGE_NAMES], &key, &value, MDB_SET_KEY);
    return rc == 0 ? image_value_decode(&value, name) : image_error(rc);
}

/* The last NSEC3 record of the zone, which closes the circle. */
static int last_hash(MDB_cursor *cursor, uint32_t id, MDB_val *key, MDB_val *value)
{
    uint8_t octets[4];
    base_store_u32(octets, id + 1);
    *key = (MDB_val){sizeof(octets), octets};
    int rc = id == UINT32_MAX ? MDB_NOTFOUND : mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
    rc = mdb_cursor_get(cursor, key, value, rc == 0 ? MDB_PREV : MDB_LAST);
    return rc == 0 && !in_zone(key, id) ? MDB_NOTFOUND : rc;
}

int image_find_nsec3(struct image_reader *reader, const struct image_zone *zone,
                     const uint8_t hash[IMAGE_HASH_SIZE], bool *match, struct image_name *name)
{
    uint8_t octets[4 + IMAGE_HASH_SIZE];
    base_store_u32(octets, zone->id);
    memcpy(octets + 4, hash, IMAGE_HASH_SIZE);
    MDB_cursor *cursor = reader->cursors[IMAGE_HASHES];
    MDB_val key = {sizeof(octets), octets}, value;
    int rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    *match = rc == 0 && same_key(&key, octets, sizeof(octets));
    if (!*match) {
        rc = mdb_cursor_get(cursor, &key, &value, rc == 0 ? MDB_PREV : MDB_LAST);
        if (rc != 0 || !in_zone(&key, zone->id))
            rc = last_hash(cursor, zone->id, &key, &value);
    }
    return rc == 0 ? image_value_decode(&value, name) : image_error(rc);
}
