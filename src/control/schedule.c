/* What is due, which job does it, and what comes of it: see internal.h. */
#include "control/internal.h"

#include "base/error.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* A directory that the system cannot watch (a network file system) is looked at this often; and
 * what is due by the clock is found this late at most. */
#define POLL_MS 10000
/* After so many zones that are urgent, one that is merely due has its turn. */
#define URGENT_RUN 8
/* A new image takes the place of the one before it this late at most: a catalog or a primary that
 * cannot be reached must not keep the other zones from it. */
#define REFILL_SECONDS 60
/* Jobs on their way at once, those that wait for a commit included, and octets of their zones. */
#define JOBS_MAX   1024
#define WEIGHT_MAX ((uint64_t)16 << 20)
/* What a job holds that looks at some names only. */
#define WEIGHT_OF_STEP ((uint64_t)1 << 19)
/* While signatures are made anew step by step, the signed file follows this often. */
#define EXPORT_PAUSE 3600

/* --- lists --- */

static bool is_due(const struct control_zone *zone, base_time now)
{
    return !zone->busy && !zone->urgent && (zone->changed || (zone->due != 0 && zone->due <= now));
}

/* Lists what is due now, in the order of names. */
void control_collect_due(struct control *control)
{
    base_time now = control_now(control);
    for (size_t i = control->due_next; i < control->due_count; i++) {
        if (control->due[i] != NULL)
            control->due[i]->listed = false;
    }
    free((void *)control->due);
    control->due_count = control->due_next = 0;
    control->next = 0;
    control->due = calloc(control->table.count + 1, sizeof(struct control_zone *));
    if (control->due == NULL)
        return; /* the next look tries again */
    for (size_t i = 0; i < control->table.count; i++) {
        struct control_zone *zone = control->table.zones[i];
        if (is_due(zone, now)) {
            zone->listed = true;
            control->due[control->due_count++] = zone;
        } else if (!zone->busy && zone->due != 0 &&
                   (control->next == 0 || zone->due < control->next)) {
            control->next = zone->due;
        }
    }
}

/* Behind all others that are due: there is another step to be done. */
static void list_again(struct control_zone *zone)
{
    struct control *control = zone->control;
    if (zone->listed)
        return;
    struct control_zone **due =
        realloc((void *)control->due, (control->due_count + 1) * sizeof(struct control_zone *));
    if (due == NULL)
        return; /* the next look finds it */
    control->due = due;
    due[control->due_count++] = zone;
    zone->listed = true;
}

void control_zone_urgent(struct control_zone *zone)
{
    struct control *control = zone->control;
    if (zone->urgent)
        return;
    zone->urgent = true;
    zone->urgent_next = NULL;
    *control->urgent_last = zone;
    control->urgent_last = &zone->urgent_next;
}

static struct control_zone *next_due(struct control *control)
{
    control->urgent_run = 0;
    while (control->due_next < control->due_count) {
        struct control_zone *zone = control->due[control->due_next++];
        if (zone == NULL)
            continue;
        zone->listed = false;
        if (!zone->busy)
            return zone;
    }
    return NULL;
}

/* The next zone to work on; NULL: none. Those that are busy come again when they are not. */
static struct control_zone *next_zone(struct control *control)
{
    struct control_zone *due = control->urgent_run >= URGENT_RUN ? next_due(control) : NULL;
    if (due != NULL)
        return due;
    while (control->urgent != NULL) {
        struct control_zone *zone = control->urgent;
        control->urgent = zone->urgent_next;
        if (control->urgent == NULL)
            control->urgent_last = &control->urgent;
        zone->urgent = false;
        control->urgent_run++;
        if (!zone->busy)
            return zone;
    }
    return next_due(control);
}

/* The clock went back: what was to come at a time that is far away now comes at once, and
 * signatures that begin in the future are made anew. */
static void look_at_clock(struct control *control)
{
    base_time now = base_clock_now(), latest = control_now(control);
    if (!control->turned_back)
        return;
    control->turned_back = false;
    CONTROL_LOG(control, WARNING, "the clock went back: every zone is looked at");
    for (size_t i = 0; i < control->table.count; i++) {
        struct control_zone *zone = control->table.zones[i];
        if (zone->due != 0) {
            zone->due = latest;
            zone->stale = true;
        }
        if (zone->refresh_due > now)
            zone->refresh_due = now;
        if (zone->expires_at != 0 && zone->expires_at > now + zone->expire && zone->expire != 0)
            zone->expires_at = now + zone->expire;
    }
    control->members_due = 0;
}

static void on_timer(uv_timer_t *timer)
{
    struct control *control = timer->data;
    control_schedule(control, POLL_MS);
    if (!control->stopping && control->registry != NULL) {
        look_at_clock(control);
        control_link_tell(control);
        control_outside_again(control);
        for (size_t i = 0; i < control->config->directory_count; i++)
            control_directory_look(control, i);
        control_look_at_files(control);
        control_tlsa_tick(control);
        for (size_t i = 0; i < control->table.count; i++) {
            struct control_zone *zone = control->table.zones[i];
            if (zone->source == CONFIG_PRIMARY)
                control_refresh(zone);
        }
        if (control->sources_moved) {
            control->sources_moved = false;
            control_catalogs_read(control);
        }
        control_collect_due(control);
    }
    control_run_due(control);
}

void control_schedule(struct control *control, uint64_t milliseconds)
{
    uint64_t left = uv_timer_get_due_in(&control->timer);
    if (!uv_is_active((uv_handle_t *)&control->timer) || milliseconds < left)
        uv_timer_start(&control->timer, on_timer, milliseconds, 0);
}

/* --- which job --- */

static void job_done(struct control_task *task);

/* Takes changes along: one of the API, or UPDATEs up to a bound. */
static void take_changes(struct control_zone *zone, struct control_job *job)
{
    size_t most = zone->solo > 0 ? 1 : CONTROL_BATCH_MAX, taken = 0;
    struct control_change **last = &job->changes;
    while (zone->changes != NULL && taken < most) {
        struct control_change *change = zone->changes;
        bool alone = change->kind == CONTROL_API_CHANGE;
        if (alone && taken > 0)
            break;
        zone->changes = change->next;
        zone->change_count--;
        zone->change_octets -= change->length;
        change->next = NULL;
        *last = change;
        last = &change->next;
        taken++;
        if (alone)
            break;
    }
    if (zone->changes == NULL)
        zone->changes_last = &zone->changes;
    if (zone->solo > 0)
        zone->solo--;
}

/* Is only what is due to be signed again? A zone that has fallen far behind (nobody ran for days)
 * is signed as a whole, which is the faster way to have all of it right. */
static bool resigns_in_steps(const struct control_zone *zone, const struct control_job *job)
{
    base_time left = zone->earliest_expiry - control_now(zone->control);
    return zone->published && zone->in_image && zone->is_signed && job->policy->signs &&
           zone->failures == 0 && left > (base_time)job->policy->sign.refresh / 2;
}

/* The job of a zone; NULL: there is nothing to do, or no memory. */
static struct control_job *make_job(struct control_zone *zone)
{
    struct control_job *job;
    if (zone->origin == CONTROL_OF_PRODUCED)
        job = control_catalog_job(zone);
    else
        job = control_job_new(zone);
    if (job == NULL)
        return NULL;
    job->task.run = control_whole_run;
    if (zone->file != NULL)
        job->file = strdup(zone->file);
    if (job->made != NULL)
        return job;
    if (zone->fetched != NULL) {
        job->fetched = zone->fetched;
        zone->fetched = NULL;
        job->of_fetch = true;
        job->of_difference = job->fetched->has_edits;
        if (job->fetched->has_edits && zone->published && !zone->changed)
            job->task.run = control_change_run;
        return job;
    }
    bool begins = zone->file != NULL && zone->edition == 0; /* with what the file says */
    bool first_records =
        zone->source == CONFIG_EDITS && !zone->published && zone->changes != NULL && !begins;
    if ((zone->changed || zone->stale || !zone->published) && !first_records) {
        zone->stale = true; /* until it is done */
        job->use_published = zone->source == CONFIG_PRIMARY;
        return job;
    }
    if (zone->changes != NULL) {
        take_changes(zone, job);
        job->task.run = control_change_run;
        return job;
    }
    job->use_published = zone->source != CONFIG_FILE || zone->last_good;
    if (resigns_in_steps(zone, job)) {
        job->task.run = control_resign_run;
        job->last_good = zone->last_good;
        memcpy(job->stamp, zone->stamp, sizeof(job->stamp)); /* nothing is read */
    }
    return job;
}

/* How much a job holds while it is on its way, about: many small zones wait for one commit
 * together, of large ones there are only as many as there are workers to keep busy. */
static uint64_t weight(const struct control_zone *zone, const struct control_job *job)
{
    uint64_t all = zone->source == CONFIG_FILE ? zone->fingerprint.size : zone->records * 64;
    bool some = job->task.run == control_resign_run && all > WEIGHT_OF_STEP;
    return some ? WEIGHT_OF_STEP : all;
}

static bool has_room(struct control *control)
{
    if (control_pool_waiting(control) >= control->pool.count)
        return false; /* so that what is urgent does not wait long */
    return control->jobs < 2 * control->pool.count ||
           (control->jobs < JOBS_MAX && control->weight < WEIGHT_MAX);
}

/* Waits it for its primary, or for its first records? */
static bool has_nothing(const struct control_zone *zone)
{
    if (zone->published || zone->origin == CONTROL_OF_PRODUCED)
        return false;
    if (zone->source == CONFIG_PRIMARY)
        return zone->fetched == NULL;
    return zone->source == CONFIG_EDITS && zone->file == NULL && zone->edition == 0 &&
           zone->changes == NULL;
}

/* Starts what there is to do for a zone. */
static void start(struct control_zone *zone, unsigned threads)
{
    struct control *control = zone->control;
    if (zone->exporting && !zone->changed && zone->changes == NULL && zone->fetched == NULL) {
        control_export(zone, NULL);
        return;
    }
    if (has_nothing(zone)) {
        zone->changed = zone->stale = false;
        zone->due = 0;
        if (zone->source == CONFIG_EDITS)
            control_waiters_done(zone);
        return;
    }
    struct control_job *job = make_job(zone);
    if (job == NULL) {
        zone->due = control_now(zone->control) + CONTROL_RETRY_FIRST;
        return;
    }
    job->task.record = control_job_record;
    job->task.store = control_job_store;
    job->task.done = job_done;
    job->task.patient = job->task.run != control_change_run;
    job->now = control_now(control);
    job->threads = threads;
    zone->busy = true;
    if (job->task.run == control_whole_run)
        zone->changed = false;
    control->jobs++;
    job->weight = weight(zone, job);
    job->fresh = !zone->in_image;
    control->fresh += job->fresh;
    control->weight += job->weight;
    control_pool_run(control, &job->task);
}

static bool all_done(const struct control *control)
{
    bool idle = control->jobs == 0 && control->pool.out == 0 && control->looks == 0;
    /* At the end nothing new is begun, and the fetcher breaks off what is under way. */
    return idle && (control->stopping || (control->fetches == 0 && control->urgent == NULL));
}

/* Catalogs that we make follow soon, but not at every one of many zones. */
static void plan_members(struct control *control)
{
    base_time now = control_now(control);
    if (!control->members_changed || control->stopping || !control_sources_known(control))
        return;
    if (control->members_due == 0)
        control->members_due = now + 1 + (base_time)(control->table.count / 10000);
    if (control->members_due <= now)
        control_members_changed(control);
    else
        control_schedule(control, (uint64_t)(control->members_due - now) * 1000);
}

/* What was due at the start is done, as far as its sources can be reached. Changes that come
 * meanwhile do not count: they may never cease. */
static bool is_refilled(const struct control *control)
{
    if (base_clock_now() >= control->started + REFILL_SECONDS)
        return control->first_look_over;
    return control->first_look_over && control->due_next >= control->due_count &&
           control->fresh == 0 && control_sources_known(control) && control->fetches == 0;
}

void control_run_due(struct control *control)
{
    plan_members(control);
    if (!control_keys_there(control) && !control->stopping)
        return; /* nothing can be signed before the key process was introduced */
    size_t left = control->due_count - control->due_next;
    /* One zone alone gets all cores; many get one each. */
    unsigned threads = left + control->jobs > 1 ? 1 : control->config->threads;
    while (!control->stopping && has_room(control)) {
        struct control_zone *zone = next_zone(control);
        if (zone == NULL)
            break;
        start(zone, threads);
    }
    control->refilled = control->refilled || is_refilled(control);
    control_reopen_serve(control);
    if (!all_done(control))
        return;
    base_time now = control_now(control);
    if (control->stopping || (control->options->once && control->first_look_over))
        uv_stop(&control->loop);
    else if (control->next != 0 && control->next - now < POLL_MS / 1000)
        control_schedule(control, control->next > now ? (uint64_t)(control->next - now) * 1000 : 0);
}

/* --- what comes of it --- */

void control_log_event(struct control *control, const uint8_t *zone, const char *severity,
                       const char *code, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    struct registry_event event = {
        .at = base_clock_now(), .severity = severity, .code = code, .text = text};
    control_note_start(control, zone, NULL, false, &event);
}

static void log_outcome(struct control *control, const struct control_job *job)
{
    char name[DNS_NAME_TEXT], next[BASE_TIME_TEXT] = "a change";
    dns_name_text(name, job->name);
    if (job->next_resign != 0)
        base_time_iso(job->next_resign, next);
    for (size_t i = 0; i < job->findings.count; i++) {
        /* What is published goes through the signer again without its signatures: no news. */
        bool own = (job->use_published || job->last_good) &&
                   job->findings.items[i].code == SIGN_DNSSEC_DROPPED;
        if (!own)
            base_log_finding(control->log, base_clock_now(), &job->findings.items[i]);
    }
    if (job->keys_made > 0 && job->is_catalog) {
        CONTROL_LOG(control, INFO, "%s: made %zu new key%s", name, job->keys_made,
                    job->keys_made == 1 ? "" : "s");
    } else if (job->keys_made > 0) {
        char *keys = control_zone_path(control->keys_directory, job->name, "");
        CONTROL_LOG(control, INFO,
                    "%s: made %zu new key%s; for the parent: kenter key ds %s --keys %s", name,
                    job->keys_made, job->keys_made == 1 ? "" : "s", name, keys != NULL ? keys : "");
        free(keys);
    }
    switch (job->outcome) {
    case CONTROL_PUBLISHED:
        CONTROL_LOG(control, INFO,
                    "%s: published serial %u: %zu names, %zu signatures made, %zu kept; next "
                    "re-sign %s",
                    name, job->serial, job->names, job->signatures_made, job->signatures_kept,
                    next);
        break;
    case CONTROL_CURRENT:
        if (job->changes == NULL)
            CONTROL_LOG(control, INFO, "%s: serial %u is current; next re-sign %s", name,
                        job->serial, next);
        break;
    default:
        CONTROL_LOG(control, ERROR, "%s: nothing new was published; serial %u stays", name,
                    job->zone->serial);
        break;
    }
}

static void note_published(struct control_zone *zone, const struct control_job *job)
{
    struct control *control = zone->control;
    bool first = !zone->published;
    zone->published = zone->in_image = zone->serial_known = true;
    zone->serial = job->serial;
    zone->source_serial = job->source_serial;
    zone->source_known = job->source_known;
    zone->edition = job->edition;
    zone->published_edition = job->edition;
    zone->is_signed = job->is_signed;
    zone->next_resign = job->next_resign;
    zone->earliest_expiry = job->earliest_expiry;
    zone->names = job->names;
    zone->records = job->records;
    if (job->outcome == CONTROL_PUBLISHED) {
        zone->published_at = job->now;
        zone->change = ++control->change;
        control->published_total++;
        control->signatures_total += job->signatures_made;
    }
    zone->due = zone->next_resign;
    zone->failures = 0;
    if (!job->last_good)
        memcpy(zone->stamp, job->stamp, sizeof(zone->stamp));
    if (first)
        control->members_changed = true;
}

/* After a failure that may pass, soon again; then less and less often. */
static void try_again(struct control_zone *zone)
{
    base_time wait = CONTROL_RETRY_FIRST;
    for (unsigned i = 0; i < zone->failures && wait < CONTROL_RETRY_MOST; i++)
        wait *= 2;
    if (wait > CONTROL_RETRY_MOST)
        wait = CONTROL_RETRY_MOST;
    zone->failures++;
    base_time again = control_now(zone->control) + wait;
    zone->due = again;
    control_schedule(zone->control, (uint64_t)wait * 1000);
}

/* Changes that were refused together are taken one by one, so that one does not spoil the others.
 */
static bool take_apart(struct control_zone *zone, struct control_job *job)
{
    if (job->changes == NULL || job->changes->next == NULL ||
        (job->outcome != CONTROL_REFUSED && job->outcome != CONTROL_FAILED))
        return false;
    struct control_change *last = job->changes;
    size_t count = 1;
    zone->change_octets += last->length;
    while (last->next != NULL) {
        last = last->next;
        zone->change_octets += last->length;
        count++;
    }
    last->next = zone->changes;
    if (zone->changes == NULL)
        zone->changes_last = &last->next;
    zone->changes = job->changes;
    zone->change_count += count;
    zone->solo = count;
    job->changes = NULL;
    return true;
}

static void answer_changes(struct control *control, struct control_job *job)
{
    while (job->changes != NULL) {
        struct control_change *change = job->changes;
        job->changes = change->next;
        if (change->kind == CONTROL_API_CHANGE) {
            control_change_answered(control, change, job);
        } else {
            bool done = job->outcome == CONTROL_PUBLISHED || job->outcome == CONTROL_CURRENT;
            if (change->rcode == DNS_RCODE_NOERROR && !done) {
                change->rcode =
                    job->outcome == CONTROL_REFUSED ? DNS_RCODE_REFUSED : DNS_RCODE_SERVFAIL;
                snprintf(change->why, sizeof(change->why), "%s",
                         job->findings.count > 0
                             ? job->findings.items[job->findings.count - 1].message
                             : "the change could not be published");
            }
            control_link_answer(control, change);
        }
        control_change_free(change);
    }
}

static void writer_failed(struct control_zone *zone, struct control_job *job)
{
    if (job->task.error == BASE_EFORMAT)
        control_image_damaged(zone->control);
    job->outcome = CONTROL_FAILED;
    control_job_report(job, SERVING_FAILED, NULL, "serial %u could not be stored: %s", job->serial,
                       base_strerror(job->task.error));
    /* The registry may be ahead of the image: the next version is made from it. */
    zone->stale = true;
}

static bool was_dry(const struct control_job *job)
{
    return job->changes != NULL && job->changes->kind == CONTROL_API_CHANGE &&
           job->changes->dry_run;
}

static void take_outcome(struct control_zone *zone, struct control_job *job)
{
    struct control *control = zone->control;
    switch (job->outcome) {
    case CONTROL_PUBLISHED:
    case CONTROL_CURRENT:
        if (job->task.run == control_whole_run)
            zone->stale = false;
        note_published(zone, job);
        /* All of it was asked for while a change was under way: its turn is now, not when
         * signatures expire, since changes wait until then. */
        if (zone->stale)
            zone->due = control_now(control);
        zone->last_good = job->last_good;
        break;
    case CONTROL_REFUSED:
        if (job->task.run == control_whole_run)
            zone->stale = false; /* waits for another source */
        control->refused_total++;
        zone->last_good = job->last_good;
        zone->due = zone->next_resign;
        if (job->task.run == control_resign_run)
            try_again(zone); /* as a whole */
        break;
    case CONTROL_FAILED:
        /* A change that failed is told to the one who asked; there is nothing to try again. */
        if (job->changes == NULL || zone->stale)
            try_again(zone);
        break;
    }
    for (size_t i = 0; i < job->findings.count; i++) {
        if (job->findings.items[i].code == GATE_REFUSED)
            control->gate_refused_total++;
    }
    bool bad = job->outcome == CONTROL_REFUSED || job->outcome == CONTROL_FAILED;
    /* Signatures that were made anew say nothing of the source. */
    bool of_source = job->changes == NULL && (bad || job->task.run != control_resign_run);
    if (of_source)
        zone->refused = bad;
    if (bad || job->last_good)
        control->refused++;
    /* A change that was refused says nothing of what is published. */
    if (of_source || (job->changes != NULL && !bad))
        control_zone_set_problem(zone, CONTROL_PROBLEM_VERSION, &job->findings);
}

/* Comes another step before the signed file needs to be written? */
static bool follows_soon(const struct control_zone *zone, const struct control_job *job)
{
    return job->task.run == control_resign_run && job->next_resign < job->now + EXPORT_PAUSE &&
           job->now < zone->exported_at + EXPORT_PAUSE;
}

/* What others are told of a new version. */
static void spread(struct control_zone *zone, struct control_job *job)
{
    if (job->outcome == CONTROL_PUBLISHED) {
        control_notify_secondaries(zone, job);
        control_catalog_published(zone);
        control_outside_ask(zone);
        control_tlsa_version(zone);
        if (!follows_soon(zone, job))
            control_export(zone, job->result);
    } else if (zone->exporting && job->outcome == CONTROL_CURRENT) {
        control_export(zone, NULL);
    }
}

static void job_done(struct control_task *task)
{
    struct control_job *job = (struct control_job *)task;
    struct control_zone *zone = job->zone;
    struct control *control = job->control;
    control->jobs--;
    control->weight -= job->weight;
    control->fresh -= job->fresh;
    zone->busy = false;
    if (job->image_damaged)
        control_image_doubted(control);
    if (task->error != BASE_OK)
        writer_failed(zone, job);
    /* What the writer has refused may be in the registry nevertheless: it is not judged again. */
    bool dry = was_dry(job), apart = task->error == BASE_OK && take_apart(zone, job);
    if (apart && zone->stale)
        try_again(zone); /* the whole zone comes first */
    if (!dry && !apart) {
        log_outcome(control, job);
        take_outcome(zone, job);
        control_kept_told(job);
        if (zone->source == CONFIG_PRIMARY)
            control_primary_done(zone, job);
    }
    answer_changes(control, job);
    if (!zone->changed && zone->fetched == NULL)
        control_waiters_done(zone);
    if (!dry && !apart && !zone->gone)
        spread(zone, job);
    if (zone->gone)
        control_zone_retire(zone);
    else if (!zone->busy &&
             (zone->changed || zone->fetched != NULL || (zone->changes != NULL && !zone->stale)))
        control_zone_urgent(zone);
    else if ((job->step || zone->stale) && is_due(zone, control_now(zone->control)))
        list_again(zone);
    control_job_free(job);
}

void control_zone_add_change(struct control_zone *zone, struct control_change *change)
{
    change->next = NULL;
    *zone->changes_last = change;
    zone->changes_last = &change->next;
    zone->change_count++;
    zone->change_octets += change->length;
    /* One that fails is tried when it is due, not at every change. */
    if (zone->stale && zone->due > control_now(zone->control))
        return;
    control_zone_urgent(zone);
    control_run_due(zone->control);
}

/* --- the end of a zone --- */

void control_zone_retire(struct control_zone *zone)
{
    struct control *control = zone->control;
    if (zone->busy || zone->refreshing) {
        zone->gone = true;
        return;
    }
    char name[DNS_NAME_TEXT];
    dns_name_text(name, zone->name);
    control_export_retire(control, zone->name);
    if (zone->published && zone->is_signed && !control_is_catalog(zone))
        CONTROL_LOG(control, WARNING,
                    "%s: its %s is gone. If the parent still has a DS, have it removed before the "
                    "name servers forget the zone",
                    name, zone->source == CONFIG_FILE ? "file" : "source");
    bool forget = zone->origin == CONTROL_OF_API;
    control_log_event(control, zone->name, "warning", "zone.removed", "its source is gone");
    if (zone->published || forget)
        control_remove_start(control, zone->name, forget);
    while (zone->changes != NULL) {
        struct control_change *change = zone->changes;
        zone->changes = change->next;
        change->rcode = DNS_RCODE_NOTAUTH;
        if (change->kind == CONTROL_UPDATE)
            control_link_answer(control, change);
        else
            control_change_answered(control, change, NULL);
        control_change_free(change);
    }
    zone->changes_last = &zone->changes;
    control_waiters_done(zone);
    if (zone->urgent) { /* the list is short */
        struct control_zone **at = &control->urgent;
        while (*at != NULL && *at != zone)
            at = &(*at)->urgent_next;
        if (*at == zone) {
            *at = zone->urgent_next;
            if (*at == NULL)
                control->urgent_last = at;
        }
    }
    control->members_changed = true;
    control_table_remove(control, zone);
}

void control_zone_removed(struct control_zone *zone)
{
    zone->busy = false;
    zone->in_image = false;
    if (zone->gone)
        control_zone_retire(zone);
    else if (zone->changed || zone->fetched != NULL)
        control_zone_urgent(zone);
}
