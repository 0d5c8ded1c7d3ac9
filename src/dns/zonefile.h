/*
 * Zone files (RFC 1035 section 5, RFC 2308 section 4) to batches of records, on several threads.
 *
 * The input is read once, in blocks that end where an entry very likely ends. Each block is parsed
 * on its own from the state that a file has after its head; when the block before turns out to have
 * left another state ($ORIGIN, $TTL, an open parenthesis), the block is parsed again from the right
 * one. Batches come out in the order of the file. docs/design/zone-files.md tells more.
 */
#ifndef DNS_ZONEFILE_H
#define DNS_ZONEFILE_H

#include "base/arena.h"
#include "base/finding.h"
#include "dns/name.h"
#include "dns/rr.h"

/* What a stretch of a zone file holds. Memory: `records` (names and records) lives as long as the
 * zone; `keys` and `runs` only until the zone is built. */
struct dns_batch {
    struct dns_batch *next;
    struct base_arena records;
    struct base_arena keys;
    struct dns_run *runs; /* malloc'ed */
    size_t run_count;
    size_t rr_count;
    struct base_findings findings;
};

/* An empty batch; NULL when out of memory. `per_code` as of base_findings_init. */
struct dns_batch *dns_batch_new(size_t per_code);
void dns_batch_free(struct dns_batch *batch);   /* this one only; NULL allowed */
void dns_batches_free(struct dns_batch *first); /* it and all that follow it; NULL allowed */

struct dns_zonefile_options {
    const uint8_t *origin;    /* wire; NULL: the file's $ORIGIN, or else its name, must say it */
    uint32_t default_ttl;     /* when neither $TTL nor a TTL nor an SOA is there; 0 = 3600 */
    unsigned threads;         /* 0: one per CPU */
    const char *include_root; /* $INCLUDE must stay below this directory; NULL: the directory of
                                 the main file */
    bool include_anywhere;
    unsigned include_depth; /* 0 = 10 */
    size_t generate_max;    /* records by $GENERATE in all; 0 = 1 000 000 */
    size_t entry_max;       /* octets of one entry; 0 = 16 MiB */
    void (*progress)(void *context, uint64_t bytes_done, uint64_t bytes_all); /* may be NULL */
    void *progress_context;
};

struct dns_zonefile {
    uint8_t origin[DNS_NAME_MAX]; /* of the zone */
    struct base_arena arena;      /* of the file names */
    const char **files;           /* by the `file` index of records; [0] is the main file */
    size_t file_count;
    struct dns_batch *batches; /* in order; NULL after somebody took them */
    size_t rr_count;
    size_t run_count;
    uint64_t bytes;
};

/*
 * Reads the file at `path` ("-": standard input). Syntax errors are findings of severity error with
 * file, line and column; the entry at fault is skipped and reading goes on, so that one run
 * reports them all. Returns BASE_OK also then: see base_findings_bad.
 *
 * Names without a final dot are relative to $ORIGIN, before any to options->origin, and without
 * that to what the file's name says ("example.com.zone", "db.example"; a finding tells when it has
 * not the form that files of zones usually have). The zone's origin is options->origin, or else the
 * owner of the first SOA record, or else the last $ORIGIN.
 *
 * All findings are added to `findings`; those of the batches stay empty. Options of NULL are all
 * defaults. *out is to be freed by dns_zonefile_free. BASE_EIO (a finding says which file),
 * BASE_ENOMEM; *out is untouched then.
 */
int dns_zonefile_read(const char *path, const struct dns_zonefile_options *options,
                      struct base_findings *findings, struct dns_zonefile *out);
/* The same from memory; `name` stands for the file in findings. For tests and fuzzing. */
int dns_zonefile_read_memory(const char *name, const void *data, size_t length,
                             const struct dns_zonefile_options *options,
                             struct base_findings *findings, struct dns_zonefile *out);
/* Frees what it holds, and empties it. */
void dns_zonefile_free(struct dns_zonefile *zonefile);

#endif
