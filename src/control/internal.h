/*
 * What the files of the control process share.
 *
 *   control.c    start, loop, end
 *   pool.c       workers, the writer's queue, and the way back into the loop
 *   table.c      the zones, in canonical order
 *   clock.c      which time it is
 *   schedule.c   what is due, and which job does it
 *   whole.c      a job that makes a version from all of a zone's content
 *   change.c     a job that makes a version from a change of the published one
 *   pass.c       a job that makes a change of a zone that is not signed here
 *   resign.c     a job that makes signatures anew, a few names at a time
 *   keys.c       the keys that a job signs with
 *   writer.c     commits: registry first, then image, many zones at once
 *   directory.c  zones of directories
 *   files.c      zones of single files
 *   problem.c    what stands against a zone
 *   outside.c    what the own server answers, after each publication
 *   processes.c  what the system says of the processes of kenterd
 *   primary.c    zones of primaries: refresh, retry, expire; telling secondaries
 *   doubt.c      is the image damaged?
 *   catalog.c    catalog zones, consumed and produced
 *   tlsa*.c      TLSA records that are kept published (tlsa.h)
 *   link.c       UPDATE and NOTIFY from the serve process
 *   peers.c      channels to the other processes
 *   backend.c    the API's operations (and backend_*.c)
 *
 * A zone's state is the loop's. A job takes what it needs along, and brings back what it found.
 */
#ifndef CONTROL_INTERNAL_H
#define CONTROL_INTERNAL_H

#include "api/api.h"
#include "base/arena.h"
#include "base/buf.h"
#include "control/control.h"
#include "image/image.h"
#include "keys/client.h"
#include "process/channel.h"
#include "registry/registry.h"
#include "serve/link.h"
#include "sign/delta.h"
#include "source/catalog.h"
#include "source/directory.h"
#include "source/fetch.h"
#include "source/update.h"

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

/* After a failure that is not the source's fault (a full disk, no memory, the key process gone) a
 * zone is tried again after so many seconds: few at first. */
#define CONTROL_RETRY_FIRST 2
#define CONTROL_RETRY_MOST  300
/* UPDATEs of one zone that wait, and that one job takes together. */
#define CONTROL_CHANGES_MAX 1000
#define CONTROL_BATCH_MAX   128
/* Octets of UPDATEs that wait or are being made: of all zones, and of one, so that one does not
 * take the place of all others. */
#define CONTROL_UPDATES_OCTETS      ((uint64_t)64 << 20)
#define CONTROL_ZONE_UPDATES_OCTETS ((uint64_t)16 << 20)
/* Log lines about what was refused to strangers: so many in ten seconds, of one zone and of all. */
#define CONTROL_REFUSALS_ZONE 5
#define CONTROL_REFUSALS_ALL  50

/* --- pool.c --- */

struct control;
struct control_job;
struct control_worker {
    struct control *control;
    pthread_t thread;
    struct keys_client *keys;    /* NULL: to be connected */
    struct image_reader *reader; /* released between tasks */
};

/* Something that runs in a worker (or the writer), and then comes back into the loop. */
struct control_task {
    struct control_task *next;
    /* In a worker. True: the writer takes it next; else it is done. */
    bool (*run)(struct control_task *task, struct control_worker *worker);
    /* In the writer; NULL: nothing. What goes into the registry, and what into the image. */
    int (*record)(struct control_task *task);
    int (*store)(struct control_task *task);
    /* In the loop. Frees the task. */
    void (*done)(struct control_task *task);
    int error;    /* of the writer */
    bool counted; /* in pool.out */
    bool patient; /* nobody waits for it: its commit may wait for others */
};

struct control_queue {
    struct control_task *first, **last;
    size_t length;
};

struct control_pool {
    struct control *control;
    pthread_mutex_t lock;
    pthread_cond_t work, write;
    struct control_queue tasks, writes, finished;
    struct control_worker *workers;
    unsigned count;
    unsigned running; /* workers that have a task; under the lock */
    pthread_t writer;
    bool writer_runs;
    bool ending;
    bool ended; /* the threads have: tasks are not run any more, and come back with an error */
    uv_async_t wake;
    unsigned out; /* tasks that are not back yet; the loop's */
};

int control_pool_start(struct control *control, unsigned workers);
/* Lets what is under way come back, then ends the threads. */
void control_pool_stop(struct control *control);
/* From the loop: to a worker, or straight to the writer. */
void control_pool_run(struct control *control, struct control_task *task);
void control_pool_write(struct control *control, struct control_task *task);
/* Tasks that no worker has taken yet. */
size_t control_pool_waiting(struct control *control);
/* Any thread: calls task->done in the loop. */
void control_pool_post(struct control *control, struct control_task *task);
/* Runs in the writer: takes all that waits. Implemented by writer.c. */
void control_writer_commit(struct control *control, struct control_task *tasks);
/* The worker's client of the key process, connected if need be. BASE_ENOENT: it is not there. */
int control_worker_keys(struct control_worker *worker, struct keys_client **out);
void control_worker_lost_keys(struct control_worker *worker);
/* The keys of a job's zone, to be freed with crypto_keydir_free. `exist`: it was published with
 * keys, and gets no others. New ones may not be on disk yet: the writer sees to it before what they
 * have signed is published (job->early). Errors as keys_client_provide; BASE_ENOENT is reported. */
int control_provide_keys(struct control_job *job, struct control_worker *worker, bool exist,
                         struct crypto_keydir *out);
/* What came of signing with them: whether the key process was there all the time. */
void control_keys_used(struct control_job *job, struct control_worker *worker, int error);
/* The worker's reader, at the latest commit. */
int control_worker_reader(struct control_worker *worker, struct image_reader **out);

/* --- zones --- */

enum control_origin {
    CONTROL_OF_DIRECTORY,
    CONTROL_OF_CONFIG,
    CONTROL_OF_API,
    CONTROL_OF_CATALOG,  /* a member of a consumed catalog */
    CONTROL_OF_PRODUCED, /* a catalog that we make */
};

/* Who finds what stands against a zone. */
enum control_problem {
    CONTROL_PROBLEM_VERSION, /* making a version: the content, the gate */
    CONTROL_PROBLEM_FETCH,   /* asking its primaries */
    CONTROL_PROBLEM_EXPORT,  /* writing its signed file */
    CONTROL_PROBLEM_MEMBERS, /* reading it as a catalog */
    CONTROL_PROBLEM_OUTSIDE, /* asking the own server for it */
    CONTROL_PROBLEM_TLSA,    /* keeping TLSA records in it */
    CONTROL_PROBLEM_PARTS
};

struct control_change;
struct control_waiter;

struct control_zone {
    struct control *control;
    const struct config_template *as;
    struct config_template own_template; /* of a zone of the API with a policy of its own */
    uint64_t template;
    uint8_t origin; /* enum control_origin */
    uint8_t source; /* enum config_source */
    uint16_t place; /* index of the directory or catalog */
    /* file */
    char *file; /* owned; of EDITS: what it begins with */
    struct source_fingerprint fingerprint;
    /* primaries: as configured, in the form of the fetcher; owned */
    struct source_server *servers;
    size_t server_count;
    uint32_t refresh, retry, expire; /* of the SOA of the primary; 0: not known yet */
    base_time refresh_due;           /* 0: not */
    base_time checked_at, expires_at, asked_at;
    bool refreshing;     /* a fetch is under way */
    bool refresh_again;  /* NOTIFY came meanwhile */
    bool whole_transfer; /* the next fetch is an AXFR */
    bool expired;
    struct control_fetched *fetched; /* came, waits for its job */
    /* what is published */
    bool published;
    bool in_image;
    bool serial_known; /* `serial` was published, if not by this image */
    bool is_signed;
    uint32_t serial;
    uint32_t source_serial;
    bool source_known;
    uint64_t edition, published_edition;
    uint64_t names, records;
    base_time published_at, next_resign, earliest_expiry;
    char stamp[80]; /* what the source and the policy were when it was published */
    /* work */
    base_time due;  /* when to work on it without a change; 0: never */
    bool changed;   /* the source is to be read */
    bool busy;      /* a job runs */
    bool gone;      /* is to be forgotten */
    bool seen;      /* by the look that is under way */
    bool last_good; /* the source is unusable */
    bool stale;     /* what is published may not be what the source says: read it when due */
    bool listed;    /* in the list of what is due */
    bool urgent;    /* in the list of what goes before that */
    struct control_zone *urgent_next;
    bool exporting; /* the signed file is to be written */
    base_time exported_at;
    uint64_t change; /* control.change when its version last changed */
    bool conflict_told;
    base_time outside_again; /* when the own server is asked for it again; 0: not */
    bool outside_asked;      /* it waits to be asked for, or is */
    unsigned failures;
    bool refused;                   /* the last version that was made from the source */
    struct control_waiter *waiters; /* replies for when the work is over */
    struct control_change *changes, **changes_last;
    size_t change_count;
    uint64_t change_octets; /* of those that wait */
    base_time refusals_at;  /* when the first of those was that are counted */
    unsigned refusals;      /* told in the log since then */
    size_t solo;            /* so many changes are taken one by one */
    /* what stands against it */
    json_t *problem_parts[CONTROL_PROBLEM_PARTS]; /* arrays of findings, or NULL */
    char *problem;                                /* all of them as one array; NULL: none */
    unsigned problems;
    bool breaks;    /* what is published as it should be fails all the same: see TLSA */
    uint8_t name[]; /* wire, lower case */
};

struct control_table {
    struct control_zone **zones; /* canonical order */
    size_t count, capacity;
};
struct control_zone *control_table_find(const struct control_table *table, const uint8_t *name);
/* A new zone; NULL: no memory, or it is there already. */
struct control_zone *control_table_add(struct control *control, const uint8_t *name);
void control_table_remove(struct control *control, struct control_zone *zone); /* frees it */
void control_table_free(struct control *control);

/* --- changes that wait for a zone --- */

enum control_change_kind { CONTROL_UPDATE, CONTROL_API_CHANGE };
struct control_change {
    struct control_change *next;
    enum control_change_kind kind;
    /* UPDATE */
    uint64_t id; /* of the link's message */
    struct serve_link_head head;
    uint8_t *message; /* owned */
    size_t length;
    uint64_t *counted;          /* where its octets are counted; NULL: nowhere */
    const uint8_t *zone;        /* the zone's name; NULL: none was found */
    uint16_t rcode, error_code; /* out; the extended error (RFC 8914) */
    char why[256];
    /* API */
    const struct api_request *request;
    bool dry_run;
    json_t *removed, *added;       /* out */
    struct base_findings findings; /* out */
};
struct control_change *control_change_new(enum control_change_kind kind);
void control_change_free(struct control_change *change);

/* --- what a fetch brought --- */

struct control_fetched {
    struct zone *zone;         /* whole, or NULL */
    struct source_edits edits; /* else these */
    bool has_edits;
    uint8_t soa[DNS_NAME_MAX * 2 + 20];
    size_t soa_length;
    uint32_t soa_ttl;
    uint32_t serial;
};
void control_fetched_free(struct control_fetched *fetched); /* NULL allowed */

/* --- jobs --- */

enum control_outcome {
    CONTROL_PUBLISHED, /* there is a new version */
    CONTROL_CURRENT,   /* what is published is right */
    CONTROL_REFUSED,   /* findings say why; what is published stays */
    CONTROL_FAILED,    /* likewise, but it may pass when tried again */
};

struct control_job {
    struct control_task task;
    struct control *control;
    struct control_zone *zone; /* the loop's: not looked at by workers */
    /* in */
    uint8_t name[DNS_NAME_MAX];
    enum config_source source;
    const struct config_policy *policy;
    struct config_policy own_policy; /* the clock is in doubt */
    uint64_t template;
    base_time expires;         /* of a zone of primaries */
    char *file;                /* owned; NULL: none, or gone */
    struct control_kept *kept; /* TLSA records that join the source's; owned */
    size_t kept_count;
    struct zone *made;               /* content that we made (a produced catalog); owned */
    struct control_fetched *fetched; /* owned */
    struct control_change *changes;  /* owned */
    bool is_catalog; /* a list for machines: what is said of zones for people does not hold */
    bool of_fetch, of_difference; /* made from what a primary gave; of an IXFR */
    bool use_published;           /* content is what is published */
    bool begin;        /* EDITS: nothing is in the registry yet, `file` is what it begins with */
    bool serial_known; /* published before: the new one must be greater */
    bool source_was_known;
    uint32_t source_serial_before;
    uint32_t serial_before;
    base_time now;
    unsigned threads;
    bool export;
    /* out */
    enum control_outcome outcome;
    bool last_good;
    bool image_damaged;
    bool from_export;               /* `previous` is the exported file; the image has none */
    struct zone *previous, *result; /* whole */
    struct zone_delta delta;        /* or a change */
    bool has_delta;
    struct source_edits edits;
    bool has_edits;
    size_t own_edits; /* of whoever asked: the first of `edits` */
    bool replace;     /* EDITS: `content` goes into the registry */
    struct zone *content;
    struct control_refresh *resign; /* while it signs names again by schedule */
    bool step;                      /* took as many names as a job may: more are due soon */
    base_time next_resign, earliest_expiry;
    uint32_t serial, source_serial;
    bool source_known, is_signed;
    uint64_t edition;
    size_t names, records, signatures_made, signatures_kept, keys_made;
    uint32_t refresh, retry, expire, soa_ttl;
    uint8_t soa[DNS_NAME_MAX * 2 + 20]; /* of what is published: for NOTIFY */
    size_t soa_length;
    char stamp[80];
    bool early;     /* signed with keys that are perhaps not on disk yet */
    unsigned epoch; /* of keys, before they were asked for */
    bool fresh;     /* the image did not have the zone */
    uint64_t weight;
    struct base_findings findings;
};

struct control_job *control_job_new(struct control_zone *zone);
void control_job_free(struct control_job *job);
void control_job_report(struct control_job *job, enum base_finding_code code, const char *file,
                        const char *format, ...) __attribute__((format(printf, 4, 5)));
/* The image could not be read: the job fails; damage makes the image anew. */
void control_job_unreadable(struct control_job *job, int error);
/* A version is there: SOA, counts, times of it into the job. */
void control_job_describe(struct control_job *job, const struct zone *version);
bool control_whole_run(struct control_task *task, struct control_worker *worker);
/* What the writer does for a job. */
int control_job_record(struct control_task *task);
int control_job_record_edits(struct control_task *task); /* of the source alone */
int control_job_store(struct control_task *task);
bool control_change_run(struct control_task *task, struct control_worker *worker);
/* What a change begins with: the published version, and what is known of it into the job. */
int control_change_begin(struct control_job *job, struct control_worker *worker,
                         struct image_reader **reader, struct image_zone *held,
                         struct zone_view *view);
/* Signs the job's edits, or what it refreshes, and asks the gate. True: the writer takes it. */
bool control_change_publish(struct control_job *job, struct control_worker *worker,
                            const struct zone_view *view);
/* Names to be signed again, with a policy that makes anew what is due a little later, too. */
struct control_refresh {
    struct base_arena arena;
    const uint8_t **names;
    size_t count;
    struct sign_policy policy;
};
bool control_resign_run(struct control_task *task, struct control_worker *worker);
/* The edits as they are, for a zone that is not signed here. True: the writer takes the change.
 * *whole: only the whole zone can be looked at, and nothing was done. */
bool control_pass_publish(struct control_job *job, const struct zone_view *view, bool *whole);
/* Adds to edits that were made here a SOA with a greater serial, if they have none (RFC 2136
 * section 3.6). BASE_ENOMEM; errors of the view. */
int control_pass_serial(struct control_job *job, const struct zone_view *view);
/* All of the zone instead. */
bool control_resign_whole(struct control_job *job, struct control_worker *worker);
/* When the zone is due again, from the expiry that is the earliest now. */
void control_refresh_plan(struct control_job *job);
/* From content (which is taken over) to what the writer needs. */
bool control_whole_publish(struct control_job *job, struct control_worker *worker,
                           struct zone *content);
/* The published version; NULL in *out when there is none. */
int control_load_published(struct control_job *job, struct control_worker *worker,
                           struct zone **out);
/* A zone with edits applied; DNSSEC records of the base are kept. */
int control_apply(struct zone *base, const struct source_edits *edits, unsigned threads,
                  struct base_findings *findings, struct zone **out);

/* tlsa_join.c: TLSA records that are kept in the job's zone */
struct control_kept;
void control_kept_take(struct control_job *job); /* along with the job */
/* Content with the records in it; to be released. Errors of control_apply. */
int control_kept_join(struct control_job *job, struct zone *content, struct zone **out);
/* A change takes none of them away: behind its edits come those that put them back. */
int control_kept_change(struct control_job *job);
void control_kept_told(struct control_job *job); /* in the loop: what was found */
/* They are part of what a version is made from. */
uint64_t control_kept_mix(const struct control_zone *zone, uint64_t hash,
                          uint64_t (*mix)(uint64_t hash, const void *data, size_t length));

/* Takes a zone out of the image, and out of the registry too when it is to be forgotten. */
int control_remove_start(struct control *control, const uint8_t *name, bool forget);
/* Until it is done the name is not used for another zone: what is in the image is not its own. */
bool control_removal_pending(const struct control *control, const uint8_t *name);
/* Writes down in the registry what stands against a zone, and what happened. */
int control_note_start(struct control *control, const uint8_t *name, const char *problem,
                       bool problem_changed, const struct registry_event *event);

/* --- the process --- */

/* Which directory it was that this process has opened its sources in. */
struct control_place {
    dev_t device;
    ino_t inode;
    struct timespec modified; /* of another one in its place, when last looked at */
    bool emptied;             /* it has lost all zones, and nobody has said that it is meant */
};

struct control_outside; /* outside.c */

struct control {
    const struct control_options *options;
    const struct config *config;
    const struct base_log *log;
    struct image *image;
    dev_t image_device; /* of its file */
    ino_t image_inode;
    bool image_is_new;
    bool refilled;        /* the image has what it had: all that was due at the start is done */
    bool serve_to_reopen; /* serve may have the image before this one */
    char *image_directory, *signed_directory, *removed_directory;
    struct registry *registry;    /* NULL: it is damaged, and control stands still (control.c) */
    struct base_findings damage;  /* of the registry, when it could not be opened */
    atomic_bool registry_damaged; /* seen by the writer, while it was in use */
    struct source_fetcher *fetcher;
    struct source_server *remotes; /* those of the configuration, in its order */
    unsigned fetches;              /* under way */
    struct api *api;
    struct control_table table;
    struct control_pool pool;
    struct control_zone **due;
    size_t due_count, due_next;
    struct control_zone *urgent, **urgent_last;
    unsigned urgent_run;               /* so many were taken one after the other */
    base_time looked_at;               /* at the clock */
    uint64_t looked_at_monotonic;      /* seconds */
    bool turned_back;                  /* and the zones were not looked at since */
    base_time newest;                  /* publication before the start */
    int64_t clock_behind, clock_ahead; /* so much earlier or later may it be in truth; seconds */
    char *keys_directory;              /* for messages */
    base_time next;                    /* when the first of the others is due */
    uint64_t weight;                   /* of the jobs that run */
    unsigned fresh;                    /* jobs that run for zones that the image does not have */
    unsigned jobs;                     /* that run */
    bool stopping;
    bool first_look_over;
    bool told_ready;
    size_t refused;               /* jobs; for `once` */
    bool unlisted;                /* a directory could not be read; for `once` */
    unsigned looks;               /* looks at directories under way */
    bool *looking, *look_again;   /* by directory */
    bool *listed;                 /* by directory: it has been listed since the start */
    bool *members_known;          /* by catalog: its members are in the table */
    bool strangers_gone;          /* zones of the image that nobody knows were looked for */
    bool sources_moved;           /* a zone lost its source, and may have another */
    struct control_place *places; /* by directory */
    bool accept_removal;          /* an empty directory is meant: asked for by reload */
    uint64_t run;                 /* tells this run of the process from others */
    uint64_t change;              /* counts new versions, and zones that come and go */
    uint64_t loss;                /* its value when a zone last went */
    bool members_changed;         /* produced catalogs are to be made anew */
    base_time members_due;
    uv_loop_t loop;
    bool loop_open;
    int exit_code;
    struct image_reader *start_reader; /* of the loop's thread */
    void (*on_api_timer)(uv_timer_t *timer);
    uv_timer_t timer, api_timer;
    uv_poll_t api_poll;
    uv_fs_event_t *watches;
    struct control_watch *file_watches;
    uv_signal_t signals[2];
    uv_poll_t supervisor_poll, *serve_poll;
    int serve;                                  /* channel to the serve process; -1: none */
    uint32_t serve_generation, keys_generation; /* which start of them, from 1 */
    uint8_t *message;                           /* PROCESS_MESSAGE_MAX, for what peers say */
    pthread_mutex_t keys_lock;
    int keys;                     /* channel to the key process; under keys_lock */
    atomic_uint keys_epoch;       /* counts how often new keys were, or may have been, lost */
    struct control_worker scribe; /* the writer's connection to the key process */
    /* counted for metrics */
    uint64_t update_octets; /* of UPDATEs that wait, or are being made */
    base_time refusals_at;  /* as in struct control_zone */
    unsigned refusals;
    uint64_t refusals_untold;
    uint64_t published_total, refused_total, gate_refused_total, signatures_total, updates_total,
        updates_refused_total, notifies_total, fetches_total, fetches_failed_total, removed_total;
    uint64_t outside_total, outside_failed_total, outside_skipped_total;
    struct control_tlsa *tlsa;       /* NULL: not started */
    struct control_outside *outside; /* NULL: nobody answers for us */
    base_time started;
    struct control_removal *removals; /* under way */
    uint64_t asked;                   /* ids of messages to serve */
    struct control_scrape *scrapes;   /* metrics that wait for what serve has counted */
    uv_timer_t scrape_timer;
    uv_timer_t watch_timer, doubt_timer; /* of doubt.c */
    unsigned well_left;                  /* seconds until this process is well */
    bool doubt_ready;
    unsigned doubting;   /* readings of the image under way */
    uint64_t doubted_at; /* monotonic; 0: never */
    bool serve_known;    /* it was there before */
};

#define CONTROL_LOG(control, level, ...)                                                           \
    base_log((control)->log, base_clock_now(), BASE_LOG_##level, __VA_ARGS__)

/* export.c: signed zone files */
/* "file", "primary", "edits": as the registry and the API write it. */
const char *control_source_name(enum config_source source);
char *control_zone_path(const char *directory, const uint8_t *zone, const char *ending);
void control_export_retire(struct control *control, const uint8_t *name); /* the file goes aside */
void control_export(struct control_zone *zone, struct zone *version);     /* NULL: as published */

/* doubt.c */
/* At the start, before and after the image is open. True: it killed whoever read it. BASE_EFORMAT:
 * it cannot be read. */
bool control_doubt_hopeless(struct control *control);
int control_doubt_start(struct control *control);
void control_doubt_watch(struct control *control);
void control_doubt_well(struct control *control); /* the end was an orderly one */
/* Somebody could not read the image, or died: it is read in full, and made again if need be. */
void control_image_doubted(struct control *control);

/* outside.c */
int control_outside_start(struct control *control);
void control_outside_stop(struct control *control); /* before the pool ends */
/* A version was published: the own server is asked for it, unless too many wait. */
void control_outside_ask(struct control_zone *zone);
/* Asks again for zones against which something was found. Every ten seconds. */
void control_outside_again(struct control *control);

/* tlsa.c */
int control_tlsa_start(struct control *control); /* before the process seals itself */
void control_tlsa_watch(struct control *control);
void control_tlsa_tick(struct control *control); /* looks at files and zones: every ten seconds */
void control_tlsa_version(struct control_zone *zone); /* a version was published */
void control_tlsa_homeless(const struct control *control, json_t *findings);   /* of no zone here */
void control_tlsa_counts(const struct control *control, struct base_buf *buf); /* metrics */
void control_tlsa_free(struct control *control); /* after the loop was closed */

/* clock.c */
/* `newest` was published before, by whatever clock; 0: nothing. */
void control_clock_start(struct control *control, base_time newest);
/* How far the clock has jumped since the last look: seconds, negative for back. */
int64_t control_clock_look(struct control *control);
void control_clock_trust(struct control *control); /* somebody says that it is right */
/* The latest that it may be: what is due is due by it, and keys and signatures are looked at by it.
 */
base_time control_now(struct control *control);
/* The policy whose signatures begin before the earliest that it may be. */
void control_clock_policy(const struct control *control, const struct config_policy *policy,
                          struct config_policy *out);
void control_clock_tell(const struct control *control, struct base_findings *findings);

/* schedule.c */
void control_collect_due(struct control *control);
void control_schedule(struct control *control, uint64_t milliseconds);
void control_zone_urgent(struct control_zone *zone); /* goes before all that is merely due */
void control_run_due(struct control *control);
void control_zone_add_change(struct control_zone *zone, struct control_change *change);
/* Its source is gone: what is published goes away, the zone is forgotten. */
void control_zone_retire(struct control_zone *zone);
/* Its removal from the image is over, and it is still wanted. */
void control_zone_removed(struct control_zone *zone);
void control_log_event(struct control *control, const uint8_t *zone, const char *severity,
                       const char *code, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* problem.c */
/* What one of them has found now; NULL, or nothing but information: nothing stands against it. */
void control_zone_set_problem(struct control_zone *zone, enum control_problem part,
                              const struct base_findings *findings);
/* What an earlier run has written down. */
void control_zone_known_problem(struct control_zone *zone, const char *text);

/* directory.c */
int control_directories_start(struct control *control);
/* Before the process seals itself: which directories are these? */
int control_directories_note(struct control *control);
/* Begins anew when another directory stands in the place of one. */
void control_directories_watch(struct control *control);
void control_directory_look(struct control *control, size_t index);
void control_first_look_done(struct control *control); /* control.c */
/* Have all sources said which zones they have? Before, nothing is missing for good. */
bool control_sources_known(const struct control *control);
/* Removes zones from the image that no source has any more. */
void control_clear_strangers(struct control *control);
/* primary.c */
int control_zone_servers(struct control_zone *zone, const struct config_remote *const *remotes,
                         size_t count);
void control_refresh(struct control_zone *zone);
void control_checked_start(struct control *control, const struct control_zone *zone);
void control_primary_done(struct control_zone *zone, struct control_job *job);
void control_notify_secondaries(struct control_zone *zone, const struct control_job *job);
/* catalog.c */
bool control_is_catalog(const struct control_zone *zone);
void control_catalog_published(struct control_zone *zone);
void control_members_changed(struct control *control);
/* Reads all catalogs again: a zone that had another source may be a member now. */
void control_catalogs_read(struct control *control);
struct control_job *control_catalog_job(struct control_zone *zone);
int control_catalogs_start(struct control *control);
/* link.c */
void control_link_message(struct control *control, const struct process_message *message);
void control_link_answer(struct control *control, struct control_change *change);
/* Says how much was refused that the log does not have line by line. */
void control_link_tell(struct control *control);
/* peers.c */
int control_peers_start(struct control *control);
void control_peers_stop(struct control *control);
void control_stop(struct control *control);   /* control.c: ends in good order */
void control_reload(struct control *control); /* control.c: the settings have changed */
/* Has serve take the new image, when that is refilled: meanwhile the old one answers. */
void control_reopen_serve(struct control *control);
int control_connect_keys(struct control *control, int *fd);
bool control_keys_there(struct control *control);
/* Another key process: its end of a channel (-1: none), taken over. */
void control_take_keys(struct control *control, int fd);
/* files.c: directories of the files of zones that the API made, as the registry knows them */
int control_places_of_api(struct control *control, struct control_places *out);
void control_places_free(struct control_places *places);
void control_file_watch(struct control_zone *zone);
void control_path_watch(struct control *control, const char *path); /* NULL: nothing */
/* What the file of this name is now. */
void control_file_fingerprint(const char *path, struct source_fingerprint *out);
void control_files_watch(struct control *control);
void control_files_free(struct control *control); /* after the loop was closed */
/* The sandbox, or the permissions, do not let us read it. */
bool control_file_out_of_reach(const char *path);
void control_look_at_file(struct control_zone *zone); /* control.c */
/* processes.c: what the system says of them; pid 0: not known */
enum control_process {
    CONTROL_SUPERVISOR,
    CONTROL_KEYS,
    CONTROL_SELF,
    CONTROL_SERVE,
    CONTROL_PROCESSES
};
struct control_process_state {
    const char *name;
    pid_t pid;
    bool up;
    base_time started; /* 0: not known */
    uint32_t restarts;
    uint64_t own, shared; /* octets of memory, its own and together with others; 0: not known */
};
void control_processes(struct control *control,
                       struct control_process_state out[CONTROL_PROCESSES]);
int control_tell_serve(struct control *control, const struct process_message *message);
/* backend.c */
void control_backend_serve(void *context, const struct api_request *request);
void control_waiters_done(struct control_zone *zone);
void control_waiters_drop(struct control_zone *zone); /* the API has ended: no reply is given */
void control_backend_counted(struct control *control, const struct process_message *message);
void control_change_answered(struct control *control, struct control_change *change,
                             const struct control_job *job);
/* table.c, control.c */
void control_look_at_files(struct control *control);
void control_look_at_image(struct control *control);
void control_image_damaged(struct control *control);
void control_zone_source_seen(struct control_zone *zone);
void control_zone_stamp(const struct control_zone *zone, char out[80]);
int control_zone_of_api(struct control *control, const struct registry_zone *known);
void control_api_kick(struct control *control);
/* What the image has of a zone into the table's entry. */
void control_zone_as_published(struct control_zone *zone);
void control_zone_template(struct control_zone *zone, const struct config_template *as,
                           enum config_place place, const void *name);
int control_empty_zone(const uint8_t *apex, struct zone **out);

#endif
