/*
 * The registry: the truth about everything that is not zone content of somebody else's: zones made
 * by the API, records of zones of edits, serials that were published, what happened. SQLite (WAL,
 * synced: what a call has returned is on disk). Calls from several threads wait for each other, but
 * for registry_load and registry_backup, which read beside the others.
 *
 * BASE_EIO: the database failed (see errno); BASE_ESPACE: the disk is full; BASE_EFORMAT: it is
 * damaged, or of a newer version. BASE_ENOMEM. After one of these a call has changed nothing;
 * registry_explain gives the finding.
 */
#ifndef REGISTRY_REGISTRY_H
#define REGISTRY_REGISTRY_H

#include "base/clock.h"
#include "base/finding.h"
#include "zone/zone.h"

struct registry;

/* Opens, makes or brings up to date the database file. It is made only where there is nothing: a
 * file that is empty or damaged is refused (BASE_EFORMAT), for what it held is not known. After any
 * error but BASE_ENOMEM a finding says what is wrong and what to do. */
int registry_open(const char *path, struct base_findings *findings, struct registry **out);
void registry_close(struct registry *registry); /* NULL allowed */

/* Adds the finding for a call of this thread that has just failed with `error`; nothing for errors
 * that are an answer (BASE_ENOENT, BASE_EEXIST, BASE_EINVAL). errno must still be the call's. */
void registry_explain(const struct registry *registry, int error, struct base_findings *findings);

/* Writes a copy of what is committed now to `path`, while others go on; an existing file there is
 * replaced when the copy is whole, checked and on disk. A copy is an ordinary database file: to
 * restore it, put it in the place of the registry while kenterd does not run, and remove the files
 * with -wal and -shm behind their name. */
int registry_backup(struct registry *registry, const char *path);

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
    char stamp[80]; /* what source and policy were when it was published; "": not known */
    base_time published_at, checked_at; /* of primaries: last successful refresh */
    base_time expires_at;               /* primaries; 0: not */
    const char *problem;                /* JSON array of findings, as the API shows; NULL: none */
};

/* Visits all zones in canonical order; texts hold during the call, which must not use the
 * registry. An error of `visit` ends it and is returned. */
int registry_zones(struct registry *registry,
                   int (*visit)(void *context, const struct registry_zone *zone), void *context);
/* BASE_ENOENT. Texts live in `arena`. */
int registry_zone_get(struct registry *registry, const uint8_t *zone, struct base_arena *arena,
                      struct registry_zone *out);
/* Makes (API: name, source, made and detail count) or forgets a zone, with its records; forgetting
 * keeps its log. A zone that is not made by the API is known by itself from the first thing that is
 * written about it; making it turns it into one of the API's, and is BASE_EEXIST when it is one
 * already. BASE_ENOENT. */
int registry_zone_make(struct registry *registry, const struct registry_zone *zone);
int registry_zone_forget(struct registry *registry, const uint8_t *zone);

/* Several changes in one transaction, from begin to commit or abort: the thread that began has the
 * registry for itself. Each of the other calls may also stand alone. When one of them fails with
 * BASE_EIO, BASE_ESPACE, BASE_EFORMAT or BASE_ENOMEM, so do all that follow and the commit, and
 * nothing of the transaction is kept. Commit and abort end it, whatever they return. BASE_EINVAL:
 * begun twice, or not begun. */
int registry_begin(struct registry *registry);
int registry_commit(struct registry *registry);
void registry_abort(struct registry *registry);

/* A version is about to be published (or its sources were looked at): written before the image. */
struct registry_published {
    const uint8_t *zone; /* this and all names of zones: any case */
    const char *source;
    uint32_t serial, source_serial;
    bool source_known;
    uint64_t edition; /* that it was made from; 0 for zones that are not of edits */
    base_time at;
    const char *stamp; /* see registry_zone; NULL: none */
};
int registry_published(struct registry *registry, const struct registry_published *published);
int registry_checked(struct registry *registry, const uint8_t *zone, base_time at,
                     base_time expires);
/* The findings that stand against a zone now; NULL: none. */
int registry_problem(struct registry *registry, const uint8_t *zone, const char *json);

/* Content of zones of edits: unsigned records. Edits are applied in their order; adding a record
 * that is there sets its TTL, removing one that is not there does nothing (the TTL of a removal
 * does not matter). *edition is the new one; it is per zone, and grows by one with each call.
 * BASE_EINVAL: an owner is not within the zone. */
struct registry_edit {
    const uint8_t *owner, *rdata; /* wire */
    uint32_t ttl;
    uint16_t type, length;
    bool add;
};
int registry_edit(struct registry *registry, const uint8_t *zone, const struct registry_edit *edits,
                  size_t count, uint64_t *edition);
/* Puts `content` in the place of all records of the zone. Those that a signer makes (RRSIG, NSEC,
 * NSEC3, NSEC3PARAM) are left out. */
int registry_replace(struct registry *registry, struct zone *content, uint64_t *edition);
/* Builds the zone from its records as they are committed (within a transaction of this thread: as
 * they are now), with the edition that this is. What zone_build finds becomes findings; so does
 * damage (BASE_EFORMAT). BASE_ENOENT: the zone has no records. */
int registry_load(struct registry *registry, const uint8_t *zone, unsigned threads,
                  struct base_findings *findings, struct zone **out, uint64_t *edition);

/* TLSA records that are kept for a service, and what was seen of them at the name servers. */
#define REGISTRY_TLSA_RECORDS 16
#define REGISTRY_TLSA_RDATA   67 /* usage, selector, matching type, and at most 64 octets */
enum registry_tlsa_role { REGISTRY_TLSA_CURRENT, REGISTRY_TLSA_NEXT, REGISTRY_TLSA_OLD };
struct registry_tlsa_record {
    uint8_t role;    /* enum registry_tlsa_role */
    bool settled;    /* was in every cache */
    base_time since; /* in this role */
    uint8_t length;
    uint8_t rdata[REGISTRY_TLSA_RDATA];
};
struct registry_tlsa_wait { /* of dane/life.h */
    base_time since;        /* every server has had the record since then; 0: not */
    uint32_t ttl;
    bool old_seen;
    uint64_t servers;
};
struct registry_tlsa {
    uint8_t owner[DNS_NAME_MAX]; /* wire, lower case */
    uint8_t zone[DNS_NAME_MAX];  /* that has them */
    bool unsafe;                 /* the certificate was changed too early */
    base_time changed_at;        /* when the certificate changed last; 0: never */
    struct registry_tlsa_wait current, next;
    struct registry_tlsa_record records[REGISTRY_TLSA_RECORDS];
    size_t count;
};
/* Visits all; as registry_zones. */
int registry_tlsa_list(struct registry *registry,
                       int (*visit)(void *context, const struct registry_tlsa *tlsa),
                       void *context);
/* In the place of what was known of the owner. */
int registry_tlsa_put(struct registry *registry, const struct registry_tlsa *tlsa);
int registry_tlsa_forget(struct registry *registry, const uint8_t *owner);

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
/* Newest first, at most `count`; texts hold during the call, which must not use the registry. An
 * error of `visit` ends it and is returned. */
int registry_log_read(struct registry *registry, const uint8_t *zone, size_t count,
                      int (*visit)(void *context, const struct registry_event *event),
                      void *context);

#endif
