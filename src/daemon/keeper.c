/* Keeping a directory of zones signed: see keeper.h. */
#include "daemon/keeper.h"

#include "base/error.h"
#include "base/thread.h"
#include "crypto/keydir.h"
#include "daemon/job.h"
#include "daemon/serving.h"
#include "source/directory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uv.h>

/* A directory that the system cannot watch (a network file system) is looked at this often. */
#define POLL_MS 10000
/* An editor's several steps of saving a file are one change. */
#define SETTLE_MS 100

struct keeper;

/* A zone that is kept. */
struct kept {
    uint8_t zone[DNS_NAME_MAX];
    char *source; /* owned */
    struct source_fingerprint fingerprint;
    base_time next; /* when it is due without a change; 0: never */
    bool changed;   /* the file is not the one that the last job read */
    bool busy;      /* a job runs */
    bool gone;      /* the file was removed while a job ran */
};

struct keeper {
    const struct daemon_options *options;
    struct sign_policy policy;
    char *keys, *published, *removed, *image; /* directories, owned */
    struct daemon_serving *serving;           /* NULL: nothing is served */
    bool cleared;        /* the image has been rid of zones that have no file any more */
    struct kept **zones; /* in canonical order */
    size_t count;
    struct kept **due; /* what the last look found due, in order */
    size_t due_count, due_next;
    base_time next; /* when the first of the others is due; 0: never */
    unsigned running, at_most;
    bool stopping;
    size_t refused;
    bool unlisted; /* the directory of zones could not be read */
    uv_loop_t loop;
    uv_timer_t timer;
    uv_fs_event_t watch;
    uv_signal_t signals[3];
};

struct running_job {
    uv_work_t work;
    struct keeper *keeper;
    struct kept *kept;
    char *source, *published, *keys;
    struct daemon_job job;
};

/* A zone that is taken out of the image. */
struct removal {
    uv_work_t work;
    struct keeper *keeper;
    uint8_t zone[DNS_NAME_MAX];
    char *published;
    int error;
};

static void schedule(struct keeper *keeper, uint64_t milliseconds);

#define LOG(keeper, level, ...)                                                                    \
    base_log(&(keeper)->options->log, base_clock_now(), BASE_LOG_##level, __VA_ARGS__)

static char *join(const char *directory, const char *name)
{
    char *path = NULL;
    return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

/* The path of a zone's file or directory below `directory`, with `ending` behind the name; '/' in a
 * name becomes %2F. */
static char *zone_path(const char *directory, const uint8_t *zone, const char *ending)
{
    char text[DNS_NAME_TEXT], safe[3 * DNS_NAME_TEXT + 8];
    size_t length = dns_name_to_text(text, zone);
    /* "example.com." → "example.com"; the root stays recognisable. */
    if (length == 1)
        length = (size_t)snprintf(text, sizeof(text), "root.");
    size_t at = 0;
    for (size_t i = 0; i + 1 < length; i++) {
        if (text[i] == '/' || text[i] == '%' || text[i] == '\\')
            at += (size_t)snprintf(safe + at, sizeof(safe) - at, "%%%02X", (uint8_t)text[i]);
        else
            safe[at++] = text[i];
    }
    snprintf(safe + at, sizeof(safe) - at, "%s", ending);
    return join(directory, safe);
}

static void log_findings(struct keeper *keeper, const struct base_findings *findings)
{
    for (size_t i = 0; i < findings->count; i++)
        base_log_finding(&keeper->options->log, base_clock_now(), &findings->items[i]);
}

static void free_kept(struct kept *kept)
{
    free(kept->source);
    free(kept);
}

/* --- jobs --------------------------------------------------------------------------------- */

static void log_outcome(struct keeper *keeper, const struct daemon_job *job)
{
    char name[DNS_NAME_TEXT], next[BASE_TIME_TEXT] = "a change";
    dns_name_text(name, job->zone);
    if (job->next != 0)
        base_time_iso(job->next, next);
    log_findings(keeper, &job->findings);
    if (job->keys_made > 0)
        LOG(keeper, INFO, "%s: made %zu new key%s; for the parent: kenter key ds %s --keys %s",
            name, job->keys_made, job->keys_made == 1 ? "" : "s", name, job->keys);
    switch (job->outcome) {
    case DAEMON_PUBLISHED:
        LOG(keeper, INFO, "%s: published serial %u: %zu names, %zu signatures made, %zu kept; %s%s",
            name, job->serial, job->names, job->signatures_made, job->signatures_kept,
            "next re-sign ", next);
        break;
    case DAEMON_CURRENT:
        LOG(keeper, INFO, "%s: serial %u is current; next re-sign %s", name, job->serial, next);
        break;
    case DAEMON_REFUSED:
        LOG(keeper, ERROR, "%s: nothing new was published; serial %u stays; waiting for %s", name,
            job->serial, next);
        break;
    }
}

static void work_in_thread(uv_work_t *work)
{
    struct running_job *running = work->data;
    daemon_job_run(&running->job);
}

static void free_running(struct running_job *running)
{
    base_findings_free(&running->job.findings);
    free(running->source);
    free(running->published);
    free(running->keys);
    free(running);
}

static void forget(struct keeper *keeper, struct kept *kept);
static void run_due(struct keeper *keeper);

/* The zone in the table; NULL when it is not there. */
static struct kept *find_kept(const struct keeper *keeper, const uint8_t *zone)
{
    size_t low = 0, high = keeper->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = dns_name_compare(keeper->zones[middle]->zone, zone);
        if (order == 0)
            return keeper->zones[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static void work_done(uv_work_t *work, int status)
{
    struct running_job *running = work->data;
    struct keeper *keeper = running->keeper;
    struct kept *kept = running->kept;
    keeper->running--;
    log_outcome(keeper, &running->job);
    if (running->job.outcome == DAEMON_REFUSED || running->job.last_good)
        keeper->refused++;
    kept->busy = false;
    kept->next = running->job.next;
    if (kept->gone)
        forget(keeper, kept);
    else if (kept->changed)
        schedule(keeper, 0); /* the file changed again meanwhile */
    free_running(running);
    run_due(keeper);
}

/* Starts the job of a zone; false when there is no memory, and the zone stays due. */
static bool start_job(struct keeper *keeper, struct kept *kept, unsigned threads)
{
    struct running_job *running = calloc(1, sizeof(*running));
    if (running == NULL)
        return false;
    running->keeper = keeper;
    running->kept = kept;
    running->source = strdup(kept->source);
    running->published = zone_path(keeper->published, kept->zone, ".zone");
    /* A directory of keys for each zone: to open one never lists those of all others. */
    running->keys = crypto_keydir_path(keeper->keys, kept->zone);
    base_findings_init(&running->job.findings, 20);
    if (running->source == NULL || running->published == NULL || running->keys == NULL) {
        free_running(running);
        return false;
    }
    memcpy(running->job.zone, kept->zone, sizeof(kept->zone));
    running->job.source = running->source;
    running->job.published = running->published;
    running->job.keys = running->keys;
    running->job.policy = &keeper->policy;
    running->job.now = base_clock_now();
    running->job.threads = threads;
    running->job.serving = keeper->serving;
    running->work.data = running;
    if (uv_queue_work(&keeper->loop, &running->work, work_in_thread, work_done) != 0) {
        free_running(running);
        return false;
    }
    kept->busy = true;
    kept->changed = false;
    keeper->running++;
    return true;
}

/* --- what is due -------------------------------------------------------------------------- */

static bool is_due(const struct kept *kept, base_time now)
{
    return !kept->busy && (kept->changed || (kept->next != 0 && kept->next <= now));
}

/* Lists what is due now. The list is made anew after every look at the directory, so it never
 * holds a zone that is gone. */
static void collect_due(struct keeper *keeper)
{
    base_time now = base_clock_now();
    free((void *)keeper->due);
    keeper->due_count = keeper->due_next = 0;
    keeper->next = 0;
    keeper->due = calloc(keeper->count + 1, sizeof(struct kept *));
    if (keeper->due == NULL)
        return; /* the next look tries again */
    for (size_t i = 0; i < keeper->count; i++) {
        struct kept *kept = keeper->zones[i];
        if (is_due(kept, now))
            keeper->due[keeper->due_count++] = kept;
        else if (!kept->busy && kept->next != 0 && (keeper->next == 0 || kept->next < keeper->next))
            keeper->next = kept->next;
    }
}

/* Starts what is due, as far as there are free workers. */
static void run_due(struct keeper *keeper)
{
    /* One zone alone gets all cores; many get one each. */
    size_t left = keeper->due_count - keeper->due_next;
    unsigned threads = left + keeper->running > 1 ? 1 : keeper->options->threads;
    while (keeper->due_next < keeper->due_count && keeper->running < keeper->at_most &&
           !keeper->stopping) {
        if (!start_job(keeper, keeper->due[keeper->due_next], threads))
            break;
        keeper->due_next++;
    }
    if (keeper->running > 0)
        return;
    base_time now = base_clock_now();
    if (keeper->options->once || keeper->stopping)
        uv_stop(&keeper->loop);
    else if (keeper->next != 0 && keeper->next - now < POLL_MS / 1000)
        schedule(keeper, keeper->next > now ? (uint64_t)(keeper->next - now) * 1000 : 0);
}

static void remove_in_thread(uv_work_t *work)
{
    struct removal *removal = work->data;
    removal->error =
        daemon_serving_remove(removal->keeper->serving, removal->zone, removal->published);
}

static void free_removal(struct removal *removal)
{
    free(removal->published);
    free(removal);
}

static void remove_done(uv_work_t *work, int status)
{
    struct removal *removal = work->data;
    struct keeper *keeper = removal->keeper;
    keeper->running--;
    char name[DNS_NAME_TEXT];
    dns_name_text(name, removal->zone);
    if (removal->error == BASE_OK)
        LOG(keeper, INFO, "%s: is not served any more", name);
    else
        LOG(keeper, ERROR, "%s: goes on being served until the next start: %s", name,
            base_strerror(removal->error));
    free_removal(removal);
    run_due(keeper);
}

/* Takes a zone out of the image, in a thread: it may be large, or the writer busy. */
static void stop_serving(struct keeper *keeper, const uint8_t *zone)
{
    if (keeper->serving == NULL)
        return;
    struct removal *removal = calloc(1, sizeof(*removal));
    if (removal != NULL)
        removal->published = zone_path(keeper->published, zone, ".zone");
    if (removal == NULL || removal->published == NULL) {
        LOG(keeper, ERROR, "no memory: a removed zone goes on being served until the next start");
        free(removal);
        return;
    }
    removal->keeper = keeper;
    memcpy(removal->zone, zone, dns_name_length(zone));
    removal->work.data = removal;
    if (uv_queue_work(&keeper->loop, &removal->work, remove_in_thread, remove_done) == 0)
        keeper->running++;
    else
        free_removal(removal);
}

/* The file of a zone was removed: what was published goes aside, so that nothing is lost. */
static void retire(struct keeper *keeper, const uint8_t *zone)
{
    char name[DNS_NAME_TEXT];
    dns_name_text(name, zone);
    char *from = zone_path(keeper->published, zone, ".zone");
    char *to = zone_path(keeper->removed, zone, ".zone");
    if (from != NULL && to != NULL && rename(from, to) == 0)
        LOG(keeper, WARNING,
            "%s: its file is gone; the signed zone was moved to %s. If the parent still has a DS, "
            "have it removed before the name servers forget the zone",
            name, to);
    free(from);
    free(to);
    stop_serving(keeper, zone);
}

static int retire_stranger(void *context, const struct image_zone *zone)
{
    struct keeper *keeper = context;
    if (find_kept(keeper, zone->apex) == NULL)
        retire(keeper, zone->apex);
    return BASE_OK;
}

/* Once after a start: files may have been removed while nobody looked. */
static void clear_image(struct keeper *keeper)
{
    if (keeper->serving == NULL || keeper->cleared)
        return;
    int error = daemon_serving_list(keeper->serving, retire_stranger, keeper);
    if (error != BASE_OK)
        LOG(keeper, ERROR, "the zones of %s cannot be listed: %s", keeper->image,
            base_strerror(error));
    keeper->cleared = true;
}

/* Takes a zone out of the table whose file was removed while its job ran. The list of what is due
 * has passed it, since it was busy. */
static void forget(struct keeper *keeper, struct kept *kept)
{
    size_t at = 0;
    while (at < keeper->count && keeper->zones[at] != kept)
        at++;
    if (at < keeper->count) {
        keeper->count--;
        memmove((void *)&keeper->zones[at], (void *)&keeper->zones[at + 1],
                (keeper->count - at) * sizeof(struct kept *));
    }
    retire(keeper, kept->zone);
    free_kept(kept);
}

/* Makes the state of a zone follow what the directory holds. NULL: no memory. */
static struct kept *follow(struct kept *kept, const struct source_file *file)
{
    if (kept == NULL) {
        kept = calloc(1, sizeof(*kept));
        if (kept == NULL)
            return NULL;
        memcpy(kept->zone, file->zone, sizeof(kept->zone));
        kept->changed = true;
    }
    kept->gone = false; /* the file may have come back before the job was done */
    if (kept->source == NULL || strcmp(kept->source, file->path) != 0 ||
        !source_fingerprint_equal(&kept->fingerprint, &file->fingerprint)) {
        char *source = strdup(file->path);
        if (source == NULL)
            return kept; /* the next look finds the difference again */
        free(kept->source);
        kept->source = source;
        kept->fingerprint = file->fingerprint;
        kept->changed = true;
    }
    return kept;
}

/* The file of a zone is gone. True when the zone stays in the table until its job is done. */
static bool drop(struct keeper *keeper, struct kept *kept)
{
    kept->gone = kept->busy;
    if (kept->busy)
        return true;
    retire(keeper, kept->zone);
    free_kept(kept);
    return false;
}

/* Merges what the directory holds with what is known; both are in canonical order.
 * False: no memory for all of it. */
static bool merge(struct keeper *keeper, const struct source_directory *directory)
{
    struct kept **zones = calloc(directory->count + keeper->count + 1, sizeof(struct kept *));
    if (zones == NULL)
        return false;
    bool all = true;
    size_t old = 0, count = 0;
    for (size_t i = 0; i < directory->count; i++) {
        const struct source_file *file = &directory->files[i];
        int order = -1;
        while (old < keeper->count &&
               (order = dns_name_compare(keeper->zones[old]->zone, file->zone)) < 0) {
            if (drop(keeper, keeper->zones[old]))
                zones[count++] = keeper->zones[old];
            old++;
        }
        bool known = old < keeper->count && order == 0;
        struct kept *kept = follow(known ? keeper->zones[old++] : NULL, file);
        if (kept != NULL)
            zones[count++] = kept;
        all &= kept != NULL;
    }
    for (; old < keeper->count; old++) {
        if (drop(keeper, keeper->zones[old]))
            zones[count++] = keeper->zones[old];
    }
    free((void *)keeper->zones);
    keeper->zones = zones;
    keeper->count = count;
    return all;
}

static void look(struct keeper *keeper)
{
    struct base_findings findings;
    base_findings_init(&findings, 100);
    struct source_directory directory;
    keeper->unlisted =
        source_directory_scan(keeper->options->zones, &findings, &directory) != BASE_OK;
    if (!keeper->unlisted) {
        if (merge(keeper, &directory))
            clear_image(keeper);
        source_directory_free(&directory);
    }
    log_findings(keeper, &findings);
    base_findings_free(&findings);
}

/* --- the loop ----------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer)
{
    struct keeper *keeper = timer->data;
    schedule(keeper, POLL_MS);
    if (!keeper->stopping) {
        look(keeper);
        collect_due(keeper);
    }
    run_due(keeper);
}

static void schedule(struct keeper *keeper, uint64_t milliseconds)
{
    uint64_t left = uv_timer_get_due_in(&keeper->timer);
    if (!uv_is_active((uv_handle_t *)&keeper->timer) || milliseconds < left)
        uv_timer_start(&keeper->timer, on_timer, milliseconds, 0);
}

static void on_change(uv_fs_event_t *watch, const char *name, int events, int status)
{
    struct keeper *keeper = watch->data;
    schedule(keeper, SETTLE_MS);
}

static bool load_policy(struct keeper *keeper)
{
    struct base_findings findings;
    base_findings_init(&findings, 100);
    struct sign_policy policy;
    sign_policy_default(&policy);
    int error = BASE_OK;
    if (keeper->options->policy != NULL)
        error = sign_policy_read(keeper->options->policy, &findings, &policy);
    if (error == BASE_OK)
        keeper->policy = policy;
    log_findings(keeper, &findings);
    base_findings_free(&findings);
    return error == BASE_OK;
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct keeper *keeper = handle->data;
    if (number != SIGHUP) {
        LOG(keeper, INFO, "ending after the zones that are being signed");
        keeper->stopping = true;
        schedule(keeper, 0);
        return;
    }
    /* Jobs share the policy, so it is not exchanged under them. */
    if (keeper->running > 0) {
        LOG(keeper, WARNING, "zones are being signed: send SIGHUP again when they are done");
        return;
    }
    if (load_policy(keeper)) {
        LOG(keeper, INFO, "the policy was read again; every zone is looked at");
        for (size_t i = 0; i < keeper->count; i++)
            keeper->zones[i]->changed = true;
    }
    schedule(keeper, 0);
}

static bool make_directory(struct keeper *keeper, const char *path, mode_t mode)
{
    if (mkdir(path, mode) == 0 || errno == EEXIST)
        return true;
    LOG(keeper, ERROR, "cannot make the directory %s: %s", path, strerror(errno));
    return false;
}

static bool make_places(struct keeper *keeper)
{
    const char *data = keeper->options->data;
    keeper->keys = join(data, "keys");
    keeper->published = join(data, "signed");
    keeper->removed = join(data, "removed");
    keeper->image = join(data, "image");
    return keeper->keys != NULL && keeper->published != NULL && keeper->removed != NULL &&
           keeper->image != NULL && make_directory(keeper, data, 0755) &&
           make_directory(keeper, keeper->keys, 0700) &&
           make_directory(keeper, keeper->published, 0755) &&
           make_directory(keeper, keeper->removed, 0755);
}

static bool open_loop(struct keeper *keeper)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    char workers[16];
    /* libuv reads this when its first work is queued. */
    snprintf(workers, sizeof(workers), "%u", keeper->at_most);
    setenv("UV_THREADPOOL_SIZE", workers, 1);
    if (uv_loop_init(&keeper->loop) != 0)
        return false;
    uv_timer_init(&keeper->loop, &keeper->timer);
    keeper->timer.data = keeper;
    uv_fs_event_init(&keeper->loop, &keeper->watch);
    keeper->watch.data = keeper;
    int error = uv_fs_event_start(&keeper->watch, on_change, keeper->options->zones, 0);
    if (error != 0)
        LOG(keeper, WARNING, "%s cannot be watched (%s); it is looked at every %d seconds",
            keeper->options->zones, uv_strerror(error), POLL_MS / 1000);
    for (size_t i = 0; i < 3; i++) {
        uv_signal_init(&keeper->loop, &keeper->signals[i]);
        keeper->signals[i].data = keeper;
        uv_signal_start(&keeper->signals[i], on_signal, numbers[i]);
    }
    return true;
}

static void close_handle(uv_handle_t *handle, void *context)
{
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void close_loop(struct keeper *keeper)
{
    uv_walk(&keeper->loop, close_handle, NULL);
    uv_run(&keeper->loop, UV_RUN_DEFAULT);
    uv_loop_close(&keeper->loop);
}

static bool start_serving(struct keeper *keeper)
{
    const struct daemon_options *options = keeper->options;
    if (options->listen_count == 0)
        return true;
    struct daemon_serving_options serving = {
        .directory = keeper->image,
        .listen = options->listen,
        .listen_count = options->listen_count,
        .transfer = options->transfer,
        .transfer_count = options->transfer_count,
        .threads = options->threads,
        .log = options->log,
    };
    return daemon_serving_open(&serving, &keeper->serving) == BASE_OK;
}

/* Keeps until the end; the exit code. */
static int run(struct keeper *keeper)
{
    const struct daemon_options *options = keeper->options;
    if (!start_serving(keeper))
        return 3;
    LOG(keeper, INFO, "keeping the zones of %s signed in %s", options->zones, keeper->published);
    schedule(keeper, 0);
    uv_run(&keeper->loop, UV_RUN_DEFAULT);
    if (options->once && keeper->unlisted)
        return 3;
    return options->once && keeper->refused > 0 ? 1 : 0;
}

int daemon_keep(const struct daemon_options *options)
{
    struct keeper keeper = {.options = options, .at_most = base_thread_count(options->threads)};
    int code = 3;
    if (load_policy(&keeper) && make_places(&keeper) && open_loop(&keeper)) {
        code = run(&keeper);
        close_loop(&keeper);
        daemon_serving_close(keeper.serving);
    }
    for (size_t i = 0; i < keeper.count; i++)
        free_kept(keeper.zones[i]);
    free((void *)keeper.zones);
    free((void *)keeper.due);
    free(keeper.keys);
    free(keeper.published);
    free(keeper.removed);
    free(keeper.image);
    return code;
}
