/*
 * A directory of zone files as the source of zones: which file belongs to which zone, and whether
 * it has changed since it was last looked at.
 */
#ifndef SOURCE_DIRECTORY_H
#define SOURCE_DIRECTORY_H

#include "base/arena.h"
#include "base/finding.h"
#include "dns/name.h"

#include <stdbool.h>
#include <stdint.h>

/* What tells one state of a file from another without reading it. */
struct source_fingerprint {
    uint64_t device, inode, size;
    int64_t modified_ns; /* nanoseconds since the epoch */
};

struct source_file {
    uint8_t zone[DNS_NAME_MAX]; /* wire, lower case */
    const char *path;
    struct source_fingerprint fingerprint;
};

/* The files of a directory, in canonical order of their zones. Texts live in `arena`. */
struct source_directory {
    struct base_arena arena;
    struct source_file *files;
    size_t count;
};

/*
 * The zone that a file name stands for: "example.com.zone", "example.com.db", "db.example.com".
 * "%2F" and the like stand for characters that a file name cannot hold. BASE_ENOENT: not the name
 * of a zone file (hidden files, editors' copies, other endings).
 */
int source_zone_of_file(const char *file_name, uint8_t zone[DNS_NAME_MAX]);

/* Lists the zone files of a directory (not of directories below it). Two files for one zone are a
 * finding; the first by file name counts. BASE_EIO with a finding; BASE_ENOMEM. */
int source_directory_scan(const char *path, struct base_findings *findings,
                          struct source_directory *out);
void source_directory_free(struct source_directory *directory);

/* The file of a zone; NULL when there is none. O(log n). */
const struct source_file *source_directory_find(const struct source_directory *directory,
                                                const uint8_t *zone);

bool source_fingerprint_equal(const struct source_fingerprint *a,
                              const struct source_fingerprint *b);

#endif
