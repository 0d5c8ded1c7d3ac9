/*
 * The image: the published version of every zone in one LMDB environment, laid out so that an
 * answer is a copy. One writer, many readers in this and other processes, no locks between them.
 * It is derived: whoever gets BASE_EFORMAT removes it and publishes everything again.
 * docs/design/image.md tells the layout.
 *
 * Pointers that readers give lead into the map, and hold until the reader is renewed or released.
 */
#ifndef IMAGE_IMAGE_H
#define IMAGE_IMAGE_H

#include "base/clock.h"
#include "base/reader.h"
#include "zone/view.h"
#include "zone/zone.h"

#define IMAGE_FORMAT      2
#define IMAGE_HASH_SIZE   20 /* octets of an NSEC3 hash */
#define IMAGE_MAP_DEFAULT ((size_t)64 << 30)

struct image;

struct image_options {
    size_t map_size;  /* octets the file can grow to; only addresses are taken. 0: the default */
    bool writer;      /* one process at a time */
    bool no_sync;     /* for tests and trials: safe against kill -9, not against power failure */
    unsigned readers; /* at once, in all processes; 0: 126 */
};

/* Opens the image in a directory; a writer makes it when it is not there. BASE_ENOENT: a reader,
 * and there is none. BASE_EFORMAT: damaged or of another format: remove and rebuild. BASE_EPERM;
 * BASE_EIO; BASE_ENOMEM. An image must not be opened twice by one process. */
int image_open(const char *directory, const struct image_options *options, struct image **out);
void image_close(struct image *image); /* NULL allowed; all readers are closed before */

/* Removes the files of an image, which nobody in this process has open. */
int image_discard(const char *directory);

/* --- writing: one thread at a time --- */

struct image_publish {
    struct zone *zone;     /* signed, or not */
    struct zone *previous; /* what the image holds now, or NULL when the caller does not have it */
    /* With `previous`: the names at which the two may differ, each once; nothing else is looked at,
     * so that the work does not grow with the zone. NULL: everything is compared. */
    const uint8_t *const *touched;
    size_t touched_count;
    base_time now;
    base_time earliest_expiry; /* of any signature; 0: none */
    base_time next_resign;     /* 0: never */
    size_t history_bytes;      /* most octets of history to keep; 0: none */
    size_t history_versions;   /* most steps of history to keep; 0: none */
};
struct image_published {
    uint64_t version;     /* the zone's; never the same for two contents */
    size_t names_written; /* and removed */
    bool whole;           /* not as a difference */
};

/* Publishes a version: one commit, or part of the one begun. On failure the image is as before.
 * BASE_ESPACE: map or disk is full. BASE_EINVAL: no SOA, an NSEC3 record whose owner is no hash,
 * names that differ are missing in `touched`, or
 * the image is not open for writing.
 * BASE_ENOMEM, BASE_EIO. `published` may be NULL. */
int image_publish(struct image *image, const struct image_publish *publish,
                  struct image_published *published);
/* Publishes a change of the version that the image holds. Costs as much as the change (and, where a
 * cut or DNAME comes or goes, as the names below it, all of which are in the delta). The same
 * errors; BASE_EMISMATCH: delta->before is not what the image holds. `resign`: as
 * image_publish.next_resign. */
struct image_change {
    const struct zone_delta *delta;
    base_time now;
    base_time earliest_expiry; /* of the whole zone from now on; 0: the smaller of what the image
                                  knows and the delta's */
    base_time next_resign;
    size_t history_bytes, history_versions;
};
int image_publish_change(struct image *image, const struct image_change *change,
                         struct image_published *published);
/* Takes a zone out, with its history. BASE_ENOENT. */
int image_remove(struct image *image, const uint8_t *apex);

/* Notes which of the settings' templates holds for a zone (config_template_number); stays through
 * publications, which is 0 for a zone that is new. Whoever answers looks there for who may
 * transfer. Without a change nothing is written. BASE_ENOENT: there is no such zone. */
int image_set_template(struct image *image, const uint8_t *apex, uint64_t template);

/* Notes until when a zone holds whose primaries are not heard of (0: it has none), for those who
 * are to know (RFC 7314); stays through publications. Without a change nothing is written.
 * BASE_ENOENT: there is no such zone. */
int image_set_expires(struct image *image, const uint8_t *apex, base_time expires);

/* Gathers several zones into one commit. */
int image_begin(struct image *image);
int image_commit(struct image *image); /* BASE_ESPACE, BASE_EIO: nothing of it happened */
void image_abort(struct image *image);

/* --- reading: each reader is used by one thread at a time --- */

struct image_reader;
int image_reader_open(struct image *image, struct image_reader **out);
void image_reader_close(struct image_reader *reader); /* NULL allowed */
/* Sees the latest commit from now on. To be called per batch. BASE_EIO, BASE_ENOMEM. */
int image_reader_renew(struct image_reader *reader);
/* Sees nothing until renewed, and pins no old pages: before waiting. */
void image_reader_release(struct image_reader *reader);

enum image_denial { IMAGE_UNSIGNED, IMAGE_NSEC, IMAGE_NSEC3 };

/* What is known of a zone. */
struct image_zone {
    uint64_t version;
    base_time published;
    base_time earliest_expiry; /* 0: none */
    base_time next_resign;     /* 0: never */
    uint64_t nodes;
    uint64_t records;
    uint64_t template;   /* of image_set_template; 0: none was set */
    base_time expires;   /* of image_set_expires; 0: never */
    const uint8_t *apex; /* wire, absolute */
    const uint8_t *salt;
    uint32_t id;
    uint32_t serial;
    uint32_t negative_ttl; /* the smaller of the SOA's TTL and its last field (RFC 2308) */
    uint16_t iterations;
    uint8_t apex_length;
    uint8_t apex_labels;
    uint8_t salt_length;
    uint8_t denial; /* enum image_denial */
};

/* The closest zone that encloses a name: `strictly` leaves out the zone whose apex is the name
 * itself. BASE_ENOENT; BASE_EFORMAT: damage; BASE_EIO. */
int image_zone_find(struct image_reader *reader, const uint8_t *name, bool strictly,
                    struct image_zone *zone);
/* The zone with this apex. */
int image_zone_get(struct image_reader *reader, const uint8_t *apex, struct image_zone *zone);
/* All zones, in canonical order. Stops at an error and returns it. */
int image_zone_list(struct image_reader *reader,
                    int (*visit)(void *context, const struct image_zone *zone), void *context);
/* Counts changes to the set of zones. */
uint64_t image_zone_set(const struct image_reader *reader);
/* Counts commits: as long as it stays, nothing has changed. */
uint64_t image_commits(const struct image_reader *reader);

/* All RRsets of one name. */
struct image_name {
    const uint8_t *value;
    const uint8_t *labels;    /* of the owner, below the apex, without root label */
    const uint8_t *directory; /* of the RRsets */
    uint32_t length;
    uint16_t flags; /* enum zone_node_flag */
    uint16_t rrset_count;
    uint8_t labels_length;
    uint8_t occluder; /* 0: none; else one more than the labels below the apex of the topmost cut
                         or DNAME that the name is or lies below */
};

enum image_match {
    IMAGE_EXACT,  /* `name` is it */
    IMAGE_ENT,    /* an empty non-terminal; `name` comes before it */
    IMAGE_ABSENT, /* does not exist; `name` comes before it */
};

struct image_place {
    enum image_match match;
    struct image_name name;
    unsigned shared;   /* labels below the apex that the closest encloser has */
    unsigned previous; /* labels below the apex shared with `name`; of IMAGE_ENT and ABSENT */
};

/* Looks for a name by its key below the zone's apex (dns_name_key). BASE_EFORMAT: damage, or there
 * is nothing before it; BASE_EIO. */
int image_find(struct image_reader *reader, const struct image_zone *zone, const uint8_t *key,
               size_t key_length, struct image_place *place);
/* The same for a name that nearly every look-up of a zone comes to, as its apex and the wildcard
 * below it: what was found is kept. */
int image_find_often(struct image_reader *reader, const struct image_zone *zone, const uint8_t *key,
                     size_t key_length, struct image_place *place);
#define IMAGE_FETCH_MAX 32
/* Looks for several names at the same time: image_find gives what was found, in this order. At most
 * IMAGE_FETCH_MAX of them, and only those in the zone that was found last. A hint. */
void image_fetch(struct image_reader *reader, const uint8_t *const names[], unsigned count);
/* Only when it exists as an owner. BASE_ENOENT. */
int image_get(struct image_reader *reader, const struct image_zone *zone, const uint8_t *key,
              size_t key_length, struct image_name *name);
/* The NSEC3 that matches a hash (*match) or covers it. BASE_ENOENT: the zone has none. */
int image_find_nsec3(struct image_reader *reader, const struct image_zone *zone,
                     const uint8_t hash[IMAGE_HASH_SIZE], bool *match, struct image_name *name);

#define IMAGE_RECORD_HEAD 12 /* C0 0C, type, class, TTL, length */

/* An RRset: `count` records and `signatures` RRSIGs, one behind the other, each with a head.
 * Checked to be whole. */
struct image_rrset {
    const uint8_t *records;
    const uint8_t *rrsigs;
    uint32_t length;        /* octets of the records */
    uint32_t rrsigs_length; /* octets of the RRSIGs */
    uint16_t type;
    uint16_t count; /* 0: only RRSIGs are there */
    uint16_t signatures;
};

/* The RRset at `index` < rrset_count. BASE_EFORMAT. */
int image_rrset_at(const struct image_name *name, unsigned index, struct image_rrset *rrset);
/* By type. BASE_ENOENT: there is none, or only signatures; BASE_EFORMAT. */
int image_rrset(const struct image_name *name, uint16_t type, struct image_rrset *rrset);

/* The fields of a record with its head; the rdata's length. */
static inline uint32_t image_record_ttl(const uint8_t *record)
{
    return base_load_u32(record + 6);
}
static inline uint16_t image_record_length(const uint8_t *record)
{
    return base_load_u16(record + 10);
}

/* Goes over all names of a zone, in canonical order, and then over its NSEC3 records. */
int image_walk(struct image_reader *reader, const struct image_zone *zone,
               int (*visit)(void *context, const struct image_name *name), void *context);
/* The same, one name a call, for whoever cannot stay: *stage is 0 at first. Meanwhile the reader is
 * used for nothing else. BASE_ENOENT: that was all. */
int image_walk_next(struct image_reader *reader, const struct image_zone *zone, unsigned *stage,
                    struct image_name *name);
/* Visits owners (NSEC3 owners too) of signatures that expire at `until` or before, those that
 * expire first before others, `most` of them at most. *next: when the first signature of all other
 * names expires; 0: none has one. Is something left that expires until then, it is up to ten
 * minutes too early. The zone is not looked through: the cost is that of what is visited and of
 * what expires within the same ten minutes. An error of the visitor ends it. BASE_EFORMAT: damage;
 * BASE_EIO. */
int image_expiring(struct image_reader *reader, const struct image_zone *zone, base_time until,
                   size_t most, int (*visit)(void *context, const uint8_t *owner), void *context,
                   base_time *next);
/* A view of a zone, for as long as the reader is not renewed, released or used to look for another
 * zone. `zone` must live as long. Nothing to free. */
void image_view(struct image_reader *reader, const struct image_zone *zone, struct zone_view *out);
/* The zone as a whole, to be released by the caller. BASE_ENOMEM; as image_walk. */
int image_load(struct image_reader *reader, const struct image_zone *zone, unsigned threads,
               struct zone **out);

/* One step of history: octets of records in wire format, owners and rdata uncompressed, in the
 * order of IXFR (RFC 1995): old SOA, what was removed, new SOA, what was added. `first` and `last`
 * piece of a step. A record may be cut by the end of a piece. */
struct image_history {
    uint32_t from;
    uint32_t to;
    bool first;
    bool last;
    const uint8_t *data;
    size_t length;
};
/* Visits the steps that lead from a serial to the current one. BASE_ENOENT: not kept (any more). */
int image_history(struct image_reader *reader, const struct image_zone *zone, uint32_t serial,
                  int (*visit)(void *context, const struct image_history *piece), void *context);

/* Is the file as long as its heads say? Not while somebody writes it. BASE_ENOENT, BASE_EFORMAT. */
int image_is_whole(const char *directory);
/* Writes what is open to another directory, or to its own one when the file was removed. It must
 * not hold an image. BASE_ESPACE, BASE_EIO. */
int image_copy(struct image *image, const char *directory);

/* Reads everything and looks whether it decodes. BASE_EFORMAT. */
int image_check(struct image_reader *reader);

#endif
