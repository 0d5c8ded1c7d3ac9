/*
 * Which names have signatures that expire first: an index by time, so that what is due is found
 * without a look at the whole zone. docs/design/image.md tells the keys.
 *
 * A key is the zone's id, 3 octets of time and part, and the key of the name (or the hash) below
 * the apex: 511 octets at most, which is what LMDB takes. Times are those of RRSIGs, 32 bits that
 * go round (RFC 4034 section 3.1.5): whoever reads goes round, too.
 */
#include "base/codec.h"
#include "image/internal.h"

#include <stdlib.h>
#include <string.h>

#define RRSIG_HEAD 18 /* octets of rdata before the signer's name */
#define PLACE      3  /* octets of time and part */
#define FINE_BITS  9  /* of the time that are in the value */

_Static_assert(4 + PLACE + 2 * 250 + 4 <= IMAGE_LMDB_KEY, "each name has a key that LMDB takes");

static uint32_t place_of(uint32_t expiry, enum image_part part)
{
    return expiry >> FINE_BITS << 1 | (part == IMAGE_PART_NSEC3);
}

bool image_node_expiry(const struct zone *zone, const struct zone_node *node, enum image_part part,
                       uint32_t *expiry)
{
    const struct zone_rrset *rrset = zone_rrset(zone, node, DNS_TYPE_RRSIG);
    bool found = false;
    for (unsigned i = 0; rrset != NULL && i < rrset->count; i++) {
        const struct dns_rr *rr = zone->rrs[rrset->first_rr + i];
        uint16_t covered = rr->length >= RRSIG_HEAD ? base_load_u16(rr->rdata) : 0;
        if (rr->length < RRSIG_HEAD || (covered == DNS_TYPE_NSEC3) != (part == IMAGE_PART_NSEC3))
            continue;
        uint32_t at = base_load_u32(rr->rdata + 8);
        if (!found || (int32_t)(at - *expiry) < 0)
            *expiry = at;
        found = true;
    }
    return found;
}

/* --- writing --- */

/* From the key of a name in its own database. */
static int put_entry(MDB_txn *txn, MDB_dbi dbi, const MDB_val *name, enum image_part part,
                     uint32_t expiry, bool remove, unsigned flags)
{
    uint8_t octets[PLACE + IMAGE_KEY_MAX], fine[2];
    uint32_t place = place_of(expiry, part);
    memcpy(octets, name->mv_data, 4);
    octets[4] = (uint8_t)(place >> 16);
    base_store_u16(octets + 5, (uint16_t)place);
    memcpy(octets + 4 + PLACE, (const uint8_t *)name->mv_data + 4, name->mv_size - 4);
    base_store_u16(fine, (uint16_t)(expiry & ((1u << FINE_BITS) - 1)));
    MDB_val key = {name->mv_size + PLACE, octets}, value = {sizeof(fine), fine};
    if (!remove)
        return image_error(mdb_put(txn, dbi, &key, &value, flags));
    /* A name may come twice in one publication: then it was moved already. */
    int rc = mdb_del(txn, dbi, &key, NULL);
    return rc == MDB_NOTFOUND ? BASE_OK : image_error(rc);
}

int image_expiry_move(struct image *image, MDB_txn *txn, const MDB_val *name, enum image_part part,
                      const uint32_t *before, const uint32_t *after)
{
    MDB_dbi dbi = image->dbis[IMAGE_EXPIRY];
    bool stays =
        before != NULL && after != NULL && place_of(*before, part) == place_of(*after, part);
    if (stays && *before == *after)
        return BASE_OK;
    int error = BASE_OK;
    if (before != NULL && !stays)
        error = put_entry(txn, dbi, name, part, *before, true, 0);
    if (error == BASE_OK && after != NULL)
        error = put_entry(txn, dbi, name, part, *after, false, 0);
    return error;
}

/* --- all of a zone: in the order of keys, so that they are appended --- */

struct entry {
    uint32_t place;
    uint32_t node;
    uint32_t expiry;
};

static size_t gather(const struct zone *zone, struct entry *entries)
{
    size_t count = 0;
    for (enum image_part part = IMAGE_PART_DATA; part <= IMAGE_PART_NSEC3; part++) {
        for (size_t i = 0; i < zone->node_count; i++) {
            struct entry entry = {.node = (uint32_t)i};
            if (!image_node_expiry(zone, &zone->nodes[i], part, &entry.expiry))
                continue;
            entry.place = place_of(entry.expiry, part);
            if (entries != NULL)
                entries[count] = entry;
            count++;
        }
    }
    return count;
}

/* By place; those of one place stay in order. Three rounds of 8 bits: the result is in `other`. */
static void sort_entries(struct entry *entries, struct entry *other, size_t count)
{
    for (unsigned shift = 0; shift < 24; shift += 8) {
        size_t starts[257] = {0};
        for (size_t i = 0; i < count; i++)
            starts[(entries[i].place >> shift & 0xff) + 1]++;
        for (unsigned i = 1; i < 256; i++)
            starts[i] += starts[i - 1];
        for (size_t i = 0; i < count; i++)
            other[starts[entries[i].place >> shift & 0xff]++] = entries[i];
        struct entry *swap = entries;
        entries = other;
        other = swap;
    }
}

int image_expiry_whole(struct image *image, MDB_txn *txn, const struct image_zone *described,
                       const struct zone *zone)
{
    size_t count = gather(zone, NULL);
    struct entry *entries = count > 0 ? malloc(2 * count * sizeof(*entries)) : NULL;
    if (count == 0)
        return BASE_OK;
    if (entries == NULL)
        return BASE_ENOMEM;
    gather(zone, entries);
    sort_entries(entries, entries + count, count);
    int error = BASE_OK;
    for (size_t i = count; error == BASE_OK && i < 2 * count; i++) {
        const struct entry *entry = &entries[i];
        enum image_part part = entry->place & 1 ? IMAGE_PART_NSEC3 : IMAGE_PART_DATA;
        uint8_t octets[IMAGE_KEY_MAX];
        MDB_val key = {0, octets};
        error = image_node_key(described, &zone->nodes[entry->node], part, octets, &key.mv_size);
        if (error == BASE_OK)
            error = put_entry(txn, image->dbis[IMAGE_EXPIRY], &key, part, entry->expiry, false,
                              MDB_APPEND);
    }
    free(entries);
    return error;
}

/* --- reading --- */

struct walk {
    MDB_cursor *cursor;
    uint32_t id;
    uint32_t first; /* place at which the circle begins */
    bool begun, round;
    MDB_val key, value;
    uint32_t place, expiry;
};

static int decode_entry(struct walk *walk)
{
    const uint8_t *key = walk->key.mv_data;
    if (walk->key.mv_size < 4 + PLACE || walk->value.mv_size != 2)
        return MDB_CORRUPTED;
    unsigned fine = base_load_u16(walk->value.mv_data);
    walk->place = (uint32_t)key[4] << 16 | base_load_u16(key + 5);
    walk->expiry = walk->place >> 1 << FINE_BITS | fine;
    return fine >> FINE_BITS == 0 ? 0 : MDB_CORRUPTED;
}

/* The next entry on the way round, from the place where it begins back to there. */
static int next_entry(struct walk *walk)
{
    uint8_t octets[4 + PLACE];
    int rc;
    if (walk->begun) {
        rc = mdb_cursor_get(walk->cursor, &walk->key, &walk->value, MDB_NEXT);
    } else {
        base_store_u32(octets, walk->id);
        octets[4] = (uint8_t)(walk->first >> 16);
        base_store_u16(octets + 5, (uint16_t)walk->first);
        walk->key = (MDB_val){sizeof(octets), octets};
        rc = mdb_cursor_get(walk->cursor, &walk->key, &walk->value, MDB_SET_RANGE);
        walk->begun = true;
    }
    if ((rc == MDB_NOTFOUND ||
         (rc == 0 && (walk->key.mv_size < 4 || base_load_u32(walk->key.mv_data) != walk->id))) &&
        !walk->round) {
        walk->round = true;
        base_store_u32(octets, walk->id);
        walk->key = (MDB_val){4, octets};
        rc = mdb_cursor_get(walk->cursor, &walk->key, &walk->value, MDB_SET_RANGE);
    }
    if (rc == 0 && (walk->key.mv_size < 4 || base_load_u32(walk->key.mv_data) != walk->id))
        return MDB_NOTFOUND;
    if (rc == 0)
        rc = decode_entry(walk);
    return rc == 0 && walk->round && walk->place >= walk->first ? MDB_NOTFOUND : rc;
}

/* The circle is cut half-way round from a moment. */
static uint32_t half_way(base_time moment)
{
    return place_of((uint32_t)moment + ((uint32_t)1 << 31), IMAGE_PART_DATA);
}

static base_time time_of(uint32_t expiry, base_time near)
{
    return near + (int32_t)(expiry - (uint32_t)near);
}

int image_expiry_bound(struct image *image, MDB_txn *txn, uint32_t id, base_time now,
                       base_time *bound)
{
    struct walk walk = {.id = id, .first = half_way(now)};
    int rc = mdb_cursor_open(txn, image->dbis[IMAGE_EXPIRY], &walk.cursor);
    if (rc != 0)
        return image_error(rc);
    rc = next_entry(&walk);
    mdb_cursor_close(walk.cursor);
    *bound = rc == 0 ? time_of(walk.expiry >> FINE_BITS << FINE_BITS, now) : 0;
    return rc == MDB_NOTFOUND ? BASE_OK : image_error(rc);
}

/* The owner that an entry stands for, as the zone writes it. */
static int owner_of(struct image_reader *reader, const struct image_zone *zone,
                    const struct walk *walk, uint8_t out[DNS_NAME_MAX])
{
    const uint8_t *below = (const uint8_t *)walk->key.mv_data + 4 + PLACE;
    size_t length = walk->key.mv_size - 4 - PLACE;
    bool hashed = walk->place & 1;
    uint8_t octets[IMAGE_KEY_MAX];
    MDB_val key = {4 + length, octets}, value;
    if (key.mv_size > sizeof(octets) || (hashed && length != IMAGE_HASH_SIZE))
        return BASE_EFORMAT;
    base_store_u32(octets, zone->id);
    memcpy(octets + 4, below, length);
    struct image_name name;
    int rc = mdb_cursor_get(reader->cursors[hashed ? IMAGE_HASHES : IMAGE_NAMES], &key, &value,
                            MDB_SET_KEY);
    if (rc != 0) /* the index names what is not there */
        return rc == MDB_NOTFOUND ? BASE_EFORMAT : image_error(rc);
    int error = image_value_decode(&value, &name);
    if (error != BASE_OK || (size_t)name.labels_length + zone->apex_length > DNS_NAME_MAX)
        return BASE_EFORMAT;
    memcpy(out, name.labels, name.labels_length);
    memcpy(out + name.labels_length, zone->apex, zone->apex_length);
    return BASE_OK;
}

int image_expiring(struct image_reader *reader, const struct image_zone *zone, base_time until,
                   size_t most, int (*visit)(void *context, const uint8_t *owner), void *context,
                   base_time *next)
{
    struct walk walk = {
        .cursor = reader->cursors[IMAGE_EXPIRY], .id = zone->id, .first = half_way(until)};
    base_time rest = 0;
    uint32_t rest_place = 0;
    int rc;
    while ((rc = next_entry(&walk)) == 0) {
        base_time at = time_of(walk.expiry, until);
        if (at > until) {
            /* Those that stand in the same stretch of time may be earlier. */
            if (rest != 0 && walk.place >> 1 != rest_place)
                break;
            rest_place = walk.place >> 1;
            rest = rest == 0 || at < rest ? at : rest;
            continue;
        }
        if (most == 0) { /* more of what is due: no need to know it to the second */
            rest = time_of(walk.expiry >> FINE_BITS << FINE_BITS, until);
            break;
        }
        uint8_t owner[DNS_NAME_MAX];
        int error = owner_of(reader, zone, &walk, owner);
        if (error == BASE_OK)
            error = visit(context, owner);
        if (error != BASE_OK)
            return error;
        most--;
    }
    if (rc != 0 && rc != MDB_NOTFOUND)
        return image_error(rc);
    *next = rest;
    return BASE_OK;
}

int image_expiry_count(struct image_reader *reader, const struct image_zone *zone, uint64_t *count)
{
    struct walk walk = {.cursor = reader->cursors[IMAGE_EXPIRY], .id = zone->id};
    int rc;
    *count = 0;
    while ((rc = next_entry(&walk)) == 0)
        (*count)++;
    return rc == MDB_NOTFOUND ? BASE_OK : image_error(rc);
}
