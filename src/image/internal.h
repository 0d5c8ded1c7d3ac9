/*
 * What the files of this folder share: the environment, keys, encoding of values. Not for others.
 */
#ifndef IMAGE_INTERNAL_H
#define IMAGE_INTERNAL_H

#include "base/buf.h"
#include "base/error.h"
#include "image/image.h"

#include <lmdb.h>

enum image_database {
    IMAGE_ABOUT,
    IMAGE_ZONES,
    IMAGE_NAMES,
    IMAGE_HASHES,
    IMAGE_HISTORY,
    IMAGE_EXPIRY,
    IMAGE_DATABASES
};

struct image {
    MDB_env *env;
    MDB_dbi dbis[IMAGE_DATABASES];
    MDB_txn *batch; /* begun by image_begin */
    bool writer;
    bool set_changed; /* in the transaction that is open: the set of zones */
};

/* Orders keys as LMDB does by itself, faster: most of a look-up are comparisons. */
int image_compare_keys(const MDB_val *a, const MDB_val *b);

/* An error of LMDB as one of ours. */
int image_error(int rc);

/* A version of the layout of values. */
#define IMAGE_LAYOUT          1
#define IMAGE_VALUE_HEAD      7
#define IMAGE_ROW             20
#define IMAGE_KEY_MAX         (4 + DNS_KEY_MAX)
#define IMAGE_ZONE_HEAD       78 /* octets of metadata before salt and apex */
#define IMAGE_ZONE_RECORD_MAX (IMAGE_ZONE_HEAD + 255 + DNS_NAME_MAX)
/* Largest key that LMDB takes as it is built everywhere. */
#define IMAGE_LMDB_KEY 511
/* 250 octets of labels, each escaped, and the ends of 4 labels. */
_Static_assert(4 + 2 * 250 + 4 <= IMAGE_LMDB_KEY, "each name has a key that LMDB takes");

/* The key of an apex in the list of zones. */
size_t image_zone_key(uint8_t out[IMAGE_KEY_MAX], const uint8_t *apex);
/* The key of a name: the zone's id and the key below the apex. */
static inline size_t image_name_key(uint8_t out[IMAGE_KEY_MAX], uint32_t id, const uint8_t *key,
                                    size_t length)
{
    base_store_u32(out, id);
    memcpy(out + 4, key, length);
    return length + 4;
}

/* Metadata of a zone, to and from octets. Decoding: BASE_EFORMAT. */
size_t image_zone_encode(uint8_t out[IMAGE_ZONE_RECORD_MAX], const struct image_zone *zone);
int image_zone_decode(const MDB_val *value, struct image_zone *zone);

/* Which part of a name's RRsets a value holds. */
enum image_part { IMAGE_PART_DATA, IMAGE_PART_NSEC3 };

/* Appends the value of a node to a buffer; nothing when the node has no such RRset. The buffer's
 * error is to be looked at. */
void image_value_encode(struct base_buf *buf, const struct zone *zone, const struct zone_node *node,
                        uint8_t occluder, enum image_part part);
/* Does the node have RRsets of this part? */
bool image_value_wanted(const struct zone *zone, const struct zone_node *node,
                        enum image_part part);
/* BASE_EFORMAT. */
int image_value_decode(const MDB_val *value, struct image_name *name);

/* Finds out, node after node in canonical order, what occludes each. */
struct image_occlusion {
    const uint8_t *name; /* of the cut or DNAME that was last met */
    uint8_t depth;       /* as image_name.occluder */
};
uint8_t image_occlusion_next(struct image_occlusion *occlusion, const struct zone *zone,
                             const struct zone_node *node);

/* --- history --- */

/* The records of one step, gathered. */
struct image_step {
    struct base_buf removed;
    struct base_buf added;
    uint32_t from;
    uint32_t to;
    uint64_t version;
    const uint8_t *apex;
};
void image_step_init(struct image_step *step, size_t limit);
void image_step_free(struct image_step *step);
void image_step_record(struct base_buf *buf, const uint8_t *owner, const struct dns_rr *rr);
/* Stores a step and drops the oldest ones that are over the bounds; with one that is itself over
 * the bound: all of it. */
int image_step_store(struct image *image, MDB_txn *txn, uint32_t id, struct image_step *step,
                     size_t bytes, size_t versions);

/* --- when signatures expire (expiry.c) --- */

/* The first moment at which a signature of a node's part expires, as RRSIGs tell it. False: there
 * is none. */
bool image_node_expiry(const struct zone *zone, const struct zone_node *node, enum image_part part,
                       uint32_t *expiry);
/* Puts a name, given by its key in its own database, where it belongs in the index; NULL: it has no
 * signature. */
int image_expiry_move(struct image *image, MDB_txn *txn, const MDB_val *name, enum image_part part,
                      const uint32_t *before, const uint32_t *after);
/* The index of a zone that is written whole, behind all others. */
int image_expiry_whole(struct image *image, MDB_txn *txn, const struct image_zone *described,
                       const struct zone *zone);
/* No signature of the zone expires before *bound, which is less than ten minutes too early; 0:
 * there is none. */
int image_expiry_bound(struct image *image, MDB_txn *txn, uint32_t id, base_time now,
                       base_time *bound);
/* How many entries the index has of a zone. */
int image_expiry_count(struct image_reader *reader, const struct image_zone *zone, uint64_t *count);

/* --- publishing --- */

/* A transaction of its own, or within the one begun; ended according to `error`, which comes back
 * when it is one. */
int image_write_begin(struct image *image, MDB_txn **txn);
int image_write_end(struct image *image, MDB_txn *txn, int error);
/* Counts one up of the numbers in the database of general things; an error of LMDB. */
int image_next_number(struct image *image, MDB_txn *txn, const char *what, uint64_t *number);
int image_find_zone(struct image *image, MDB_txn *txn, const uint8_t *apex,
                    struct image_zone *zone);
int image_store_zone(struct image *image, MDB_txn *txn, const struct image_zone *zone);
/* What the records of the apex and the counts of the arrays say; `hashes`: there are NSEC3 records.
 * Points into the zone. */
void image_describe(const struct zone *zone, bool hashes, struct image_zone *out);
/* The key of a node in one part. BASE_EINVAL: an NSEC3 record whose owner is no hash. */
int image_node_key(const struct image_zone *zone, const struct zone_node *node,
                   enum image_part part, uint8_t out[IMAGE_KEY_MAX], size_t *length);
static inline MDB_dbi image_part_database(const struct image *image, enum image_part part)
{
    return image->dbis[part == IMAGE_PART_DATA ? IMAGE_NAMES : IMAGE_HASHES];
}

/* Deletes all keys of a zone in a database. */
int image_delete_range(MDB_txn *txn, MDB_dbi dbi, uint32_t id);

/* Where the map and the tree of names are (fetch.c), as of the reader's moment. */
struct image_pages {
    const uint8_t *map;
    uint64_t last; /* number of the last page */
    uint64_t root;
    uint32_t size;  /* of a page */
    unsigned depth; /* 0: not known */
};

/* A name on its way to its leaf. */
struct image_probe {
    const uint8_t *page; /* NULL: it got lost */
    uint16_t length;     /* of the key */
    uint16_t count;      /* of the leaf's nodes */
    uint16_t index;      /* of the first node that is not before the name */
    bool exact;          /* which is it */
    uint8_t key[IMAGE_KEY_MAX];
};

/* Where a name is, or would be. */
struct image_neighbours {
    bool exact;
    MDB_val before; /* key of the name itself or of what comes before, */
    MDB_val value;  /* and its value */
    MDB_val after;  /* key of what comes behind; of names that are not there */
};

/* After another moment has come. */
void image_fetch_begin(struct image_reader *reader);
/* What image_fetch has found for a key. False: nothing; ask LMDB. */
bool image_fetched(struct image_reader *reader, const uint8_t *key, size_t length,
                   struct image_neighbours *found);

#define IMAGE_KEPT     4
#define IMAGE_KEPT_KEY 60

/* A place that is asked for again and again. */
struct image_kept {
    uint8_t length; /* of the key; 0: free */
    uint8_t key[IMAGE_KEPT_KEY];
    struct image_place place;
};

struct image_reader {
    struct image *image;
    MDB_txn *txn;
    MDB_cursor *cursors[IMAGE_DATABASES];
    uint64_t set;
    uint64_t commits;
    bool active;
    /* The zone that was found last, if no other zone lies below it: then it is the closest to all
     * names within its apex. */
    bool near_known;
    uint32_t last_id; /* of the zone that was found last; noted when it comes again */
    struct image_zone near;
    const struct image_zone *viewed; /* by image_view */
    struct image_pages pages;
    unsigned probe_next, probe_count; /* those not taken yet */
    struct image_probe probes[IMAGE_FETCH_MAX];
    struct image_kept kept[IMAGE_KEPT]; /* as long as no other moment comes */
};

#endif
