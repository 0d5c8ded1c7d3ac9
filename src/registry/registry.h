/*
 * The registry: the truth about everything that is not zone content of somebody else's: zones made
 * by the API, records of zones of edits, serials that were published, what happened. SQLite (WAL,
 * synced: what a call has returned is on disk). One connection; calls from several threads wait for
 * each other.
 *
 * BASE_EIO: the database failed (a finding or errno says why); BASE_ESPACE: the disk is full;
 * BASE_EFORMAT: it is damaged, or of a newer version. BASE_ENOMEM.
 */
#ifndef REGISTRY_REGISTRY_H
#define REGISTRY_REGISTRY_H

#include "base/clock.h"
#include "base/finding.h"
#include "zone/zone.h"

struct registry;

/* Opens, makes or brings up to date the database file. The findings say what is wrong with it. */
int registry_open(const char *path, struct base_findings *findings, struct registry **out);
void registry_close(struct registry *registry); /* NULL allowed */

/* What is known of a zone beside its content. */
struct registry_zone {
    uint8_t name[DNS_NAME_MAX]; /* wire, lower case */
    char source[16]; /* "file", "primary", "edits"; made by the API: the source as JSON in `detail`
                      */
    bool made;       /* by the API, not by file or configuration */
    const char *detail;     /* JSON of the API's settings for it, or NULL */
    uint32_t serial;        /* last published */
    bool published;         /* serial is meaningful */
    uint32_t source_serial; /* of the source that was published */
    bool source_known;
    uint64_t edition; /* counts the edits; what was published last, and what there is: */
    uint64_t published_edition;
    base_time published_at, checked_at; /* of primaries: last successful refresh */
    base_time expires_at;               /* primaries; 0: not */
    const char *problem;                /* JSON array of findings, as the API shows; NULL: none */
};

/* Visits all zones in canonical order; texts hold during the call. */
int registry_zones(struct registry *registry,
                   int (*visit)(void *context, const struct registry_zone *zone), void *context);
int registry_zone_get(struct registry *registry, const uint8_t *zone, struct base_arena *arena,
                      struct registry_zone *out);
/* Makes (API) or forgets a zone; forgetting keeps its log. BASE_EEXIST, BASE_ENOENT. */
int registry_zone_make(struct registry *registry, const struct registry_zone *zone);
int registry_zone_forget(struct registry *registry, const uint8_t *zone);

/* Several changes in one transaction, from begin to commit: the thread that began has the registry
 * for itself. Each of the calls below may also stand alone. */
int registry_begin(struct registry *registry);
int registry_commit(struct registry *registry);
void registry_abort(struct registry *registry);

/* A version is about to be published (or its sources were looked at): written before the image. */
struct registry_published {
    const uint8_t *zone;
    const char *source;
    uint32_t serial, source_serial;
    bool source_known;
    uint64_t edition;
    base_time at;
};
int registry_published(struct registry *registry, const struct registry_published *published);
int registry_checked(struct registry *registry, const uint8_t *zone, base_time at,
                     base_time expires);
/* The findings that stand against a zone now; NULL: none. */
int registry_problem(struct registry *registry, const uint8_t *zone, const char *json);

/* Content of zones of edits: unsigned records. *edition is the new one. Replacing takes all records
 * of a zone; DNSSEC records of the signer are left out by the caller. */
struct registry_edit {
    const uint8_t *owner, *rdata; /* wire */
    uint32_t ttl;
    uint16_t type, length;
    bool add;
};
int registry_edit(struct registry *registry, const uint8_t *zone, const struct registry_edit *edits,
                  size_t count, uint64_t *edition);
int registry_replace(struct registry *registry, struct zone *content, uint64_t *edition);
int registry_load(struct registry *registry, const uint8_t *zone, unsigned threads,
                  struct base_findings *findings, struct zone **out, uint64_t *edition);

/* The log of what happened to zones: bounded to the newest `REGISTRY_LOG_MAX` of each. */
#define REGISTRY_LOG_MAX 1000
struct registry_event {
    base_time at;
    const char *severity; /* "info", "warning", "error" */
    const char *code;     /* a finding's, or "zone.published", … */
    const char *text;
};
int registry_log(struct registry *registry, const uint8_t *zone,
                 const struct registry_event *event);
/* Newest first, at most `count`. */
int registry_log_read(struct registry *registry, const uint8_t *zone, size_t count,
                      int (*visit)(void *context, const struct registry_event *event),
                      void *context);

#endif
