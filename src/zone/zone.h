/*
 * A zone in memory: immutable, flat, in canonical order. Nodes (owner names that have records),
 * RRsets and records are three arrays; a node is a slice of RRsets, an RRset a slice of records.
 * The next name in the chain is the next element. Empty non-terminals are not stored: they show as
 * labels that a node does not share with the node before it (zone_ent_walk).
 *
 * Records are shared: a signed zone points at the records of the zone it was made from, and holds
 * it alive. docs/design/zone.md tells why it is so.
 */
#ifndef ZONE_ZONE_H
#define ZONE_ZONE_H

#include "base/finding.h"
#include "dns/rdata.h"
#include "dns/rr.h"
#include "dns/zonefile.h"

enum zone_node_flag {
    ZONE_APEX = 1,
    ZONE_CUT = 2,          /* has NS, is not the apex and not occluded: a delegation point */
    ZONE_BELOW = 4,        /* below a cut: glue or occluded data, never signed */
    ZONE_DNAME = 8,        /* has DNAME */
    ZONE_UNDER_DNAME = 16, /* below a DNAME that is not below a cut: occluded */
    ZONE_WILDCARD = 32,    /* first label is * */
    ZONE_NSEC3 = 64,       /* holds nothing but NSEC3 and its RRSIG: a hashed owner */
    ZONE_HAS_DS = 128,
};

struct zone_node {
    const uint8_t *name;  /* wire, case as first written */
    uint32_t first_rrset; /* into zone->rrsets */
    uint16_t rrset_count;
    uint16_t flags;      /* enum zone_node_flag */
    uint64_t key_prefix; /* first 8 octets of the canonical-order key below the apex, big endian,
                            zero-padded: orders most pairs without touching the names */
};

struct zone_rrset {
    uint32_t first_rr; /* into zone->rrs */
    uint32_t ttl;      /* seconds; the smallest of its records' (RFC 2181 section 5.2) */
    uint16_t type;
    uint16_t count;
};

struct zone_storage; /* reference-counted memory that records live in */

struct zone {
    unsigned references;
    uint8_t apex[DNS_NAME_MAX];
    unsigned apex_labels;
    struct zone_node *nodes; /* nodes[0] is the apex when there is any data there */
    size_t node_count;
    struct zone_rrset *rrsets; /* of a node: by type, ascending */
    size_t rrset_count;
    const struct dns_rr **rrs; /* of an RRset: in canonical order, no duplicates, all with the TTL
                                  of the set (RRSIG excepted, where each has its own) */
    size_t rr_count;
    const struct dns_rr *soa; /* NULL when missing */
    uint32_t serial;
    const char **files; /* by dns_rr.file */
    size_t file_count;
    struct zone_storage **storage;
    size_t storage_count;
    uint64_t *guide; /* key_prefix of every 16th node: makes zone_find faster, may be NULL */
};

/* Builds a zone from batches (whose memory it takes over) with origin `apex`. Sorting, grouping,
 * duplicates and node flags are done on `threads` threads. Out-of-zone records, duplicates,
 * differing TTLs in a set and the like become findings; such records are left out of the zone (as
 * the finding says). The batches are gone afterwards, also on failure; the rest of `zonefile` stays
 * the caller's. *out is released by zone_release. BASE_ENOMEM; BASE_ELIMIT: more than 2^32 records.
 */
int zone_build(struct dns_zonefile *zonefile, unsigned threads, struct base_findings *findings,
               struct zone **out);

/* Reads and builds in one call: what every command does first. Options and errors as of
 * dns_zonefile_read and zone_build. */
int zone_load(const char *path, const struct dns_zonefile_options *options,
              struct base_findings *findings, struct zone **out);

/* One more reference, given back by zone_release; from any thread. Returns `zone`. */
struct zone *zone_hold(struct zone *zone);
void zone_release(struct zone *zone); /* NULL allowed */

/* The node of a name; NULL when it has no records. If `previous` is not NULL, it is set to the
 * node itself, or else to the last node before the name in canonical order (NULL: none). O(log n).
 */
const struct zone_node *zone_find(const struct zone *zone, const uint8_t *name,
                                  const struct zone_node **previous);
/* An RRset of a node by type; NULL when absent. */
const struct zone_rrset *zone_rrset(const struct zone *zone, const struct zone_node *node,
                                    uint16_t type);
/* The delegation point that the name is or lies below; NULL when there is none. */
const struct zone_node *zone_covering_cut(const struct zone *zone, const uint8_t *name);
/* Does the name exist, as owner or as empty non-terminal? */
bool zone_name_exists(const struct zone *zone, const uint8_t *name);

/* Asks for the name and the records of a node that will be wanted some nodes later: they lie where
 * they were read, which may be anywhere, so that each would be waited for. Always inlined: a
 * compiler that looks at it by itself finds that it does nothing, and drops it. */
#define ZONE_PREFETCH_NODES 8
static inline __attribute__((always_inline)) void zone_prefetch(const struct zone *zone,
                                                                size_t index)
{
    enum { RECORDS_MAX = 8, FURTHER = 16 };
    if (index >= zone->node_count || zone->nodes[index].rrset_count == 0)
        return;
    const struct zone_node *node = &zone->nodes[index];
    const struct zone_rrset *first = &zone->rrsets[node->first_rrset];
    const struct zone_rrset *last = first + node->rrset_count - 1;
    uint32_t end = last->first_rr + last->count;
    if (end - first->first_rr > RECORDS_MAX)
        end = first->first_rr + RECORDS_MAX;
    __builtin_prefetch(node->name);
    for (uint32_t i = first->first_rr; i < end; i++)
        __builtin_prefetch(zone->rrs[i]);
    /* The arrays too: among so many other accesses the processor does not see that they are read
     * from one end to the other. */
    if (index + FURTHER < zone->node_count)
        __builtin_prefetch(&zone->nodes[index + FURTHER]);
    if (node->first_rrset + 2 * FURTHER < zone->rrset_count)
        __builtin_prefetch(first + 2 * FURTHER);
    if (first->first_rr + 3 * FURTHER < zone->rr_count)
        __builtin_prefetch(&zone->rrs[first->first_rr + 3 * FURTHER]);
}

/* Calls `visit` for each empty non-terminal that lies directly before node `index` in canonical
 * order: the ancestors, below the apex, that it does not share with node index-1 and that own no
 * records. Top-most first. Names point into the node's name. Stops at an error and returns it. */
int zone_ent_walk(const struct zone *zone, size_t index,
                  int (*visit)(void *context, const uint8_t *name), void *context);

/*
 * Composition: a new zone from the nodes of a base zone and of extra records, in one linear pass.
 * The base's records are shared and their memory is held; the base itself may be released. A record
 * that is both in the base and extra is there once; RRsets joined from both get the smaller TTL.
 * `extra` is gone afterwards, also on failure. Findings: records of `extra` outside of the zone,
 * and what zone_build finds but for duplicates and TTLs. BASE_ENOMEM; BASE_ELIMIT: more than 2^32
 * records.
 */
struct zone_compose {
    struct zone *base;
    /* Says whether an RRset of the base goes into the new zone. NULL: all. May be called from
     * several threads. */
    bool (*keep)(void *context, const struct zone_node *node, const struct zone_rrset *rrset);
    void *context;
    struct dns_batch *extra; /* taken over; runs in any order, keys set; owners may be new */
    unsigned threads;
};
int zone_compose(const struct zone_compose *compose, struct base_findings *findings,
                 struct zone **out);

/*
 * Batches made by hand (signer, tests, UPDATE). The batch belongs to the caller until zone_build or
 * zone_compose takes it over; dns_batch_free otherwise. Several batches are joined by `next`.
 */
struct zone_batch_writer {
    struct dns_batch *batch;
    const uint8_t *apex; /* of the zone; must stay while the writer is used */
    unsigned apex_labels;
    size_t run_capacity;
    const uint8_t *run_end; /* where the last record ends */
};
/* Starts a new batch for a zone. BASE_ENOMEM. */
int zone_batch_writer_init(struct zone_batch_writer *writer, const uint8_t *apex);
/* Adds a record. Consecutive calls with one owner share a run. `rdata` is copied and must be well
 * formed. BASE_ENOMEM; BASE_ERANGE: rdata over 65535 octets. */
int zone_batch_add(struct zone_batch_writer *writer, const uint8_t *owner, uint16_t type,
                   uint32_t ttl, const uint8_t *rdata, size_t length);

/*
 * Assembly: for a maker that knows order and sizes beforehand (the signer). zone_make gives a zone
 * with the apex, files and serial of `like` and uninitialised arrays of these sizes; the maker
 * fills nodes, rrsets and rrs, from several threads if it likes, and sets `soa` and `serial`.
 * Slices lie one behind the other without gaps, and each node has at least one RRset, each RRset
 * one record; all records of a set (RRSIG excepted) have the TTL of the set. The memory its records
 * live in is given by zone_share (all that `from` holds: the records stay where they are) and
 * zone_adopt (an arena, which is empty afterwards). On failure nothing is taken over. BASE_ENOMEM;
 * BASE_ELIMIT: more RRsets or records than the arrays can index.
 */
int zone_make(const struct zone *like, size_t node_count, size_t rrset_count, size_t rr_count,
              struct zone **out);
int zone_share(struct zone *zone, const struct zone *from);
int zone_adopt(struct zone *zone, struct base_arena *arena);

/* The place of a record, for findings. `owner_text` gives room for the owner. */
struct base_place zone_place(const struct zone *zone, const uint8_t *owner, const struct dns_rr *rr,
                             char owner_text[DNS_NAME_TEXT], char type_text[DNS_TYPE_TEXT]);

#endif
