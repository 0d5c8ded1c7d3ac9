/* A version from all of a zone's content: see internal.h. */
#include "control/internal.h"

#include "base/error.h"
#include "sign/sign.h"
#include "validate/zone.h"
#include "zone/check.h"
#include "zone/diff.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct control_job *control_job_new(struct control_zone *zone)
{
    struct control_job *job = calloc(1, sizeof(*job));
    if (job == NULL)
        return NULL;
    job->control = zone->control;
    job->zone = zone;
    job->source = zone->source;
    control_clock_look(zone->control);
    job->policy = zone->as->policy;
    if (zone->control->clock_behind != 0 || zone->control->clock_ahead != 0) {
        control_clock_policy(zone->control, job->policy, &job->own_policy);
        job->policy = &job->own_policy;
    }
    job->template = zone->template;
    job->expires = zone->source == CONFIG_PRIMARY ? zone->expires_at : 0;
    job->is_catalog = control_is_catalog(zone);
    job->serial_known = zone->published || zone->serial_known;
    job->serial_before = zone->serial;
    job->edition = zone->edition;
    job->source_known = job->source_was_known = zone->source_known;
    job->source_serial = job->source_serial_before = zone->source_serial;
    memcpy(job->name, zone->name, dns_name_length(zone->name));
    control_zone_stamp(zone, job->stamp);
    control_kept_take(job);
    base_findings_init(&job->findings, 20);
    return job;
}

void control_job_free(struct control_job *job)
{
    if (job == NULL)
        return;
    while (job->changes != NULL) {
        struct control_change *next = job->changes->next;
        control_change_free(job->changes);
        job->changes = next;
    }
    control_fetched_free(job->fetched);
    zone_release(job->made);
    zone_release(job->previous);
    zone_release(job->result);
    zone_release(job->content);
    if (job->has_delta)
        zone_delta_free(&job->delta);
    if (job->has_edits)
        source_edits_free(&job->edits);
    base_findings_free(&job->findings);
    free(job->kept);
    free(job->file);
    free(job);
}

void control_job_report(struct control_job *job, enum base_finding_code code, const char *file,
                        const char *format, ...)
{
    char name[DNS_NAME_TEXT];
    dns_name_text(name, job->name);
    struct base_place place = {.file = file, .owner = file == NULL ? name : NULL};
    va_list args;
    va_start(args, format);
    base_findings_addv(&job->findings, code, base_finding_info(code)->severity, &place, format,
                       args);
    va_end(args);
}

/* An error that no finding explains yet: refusals and files that cannot be read are explained. */
static void report_failure(struct control_job *job, const char *file, int error)
{
    bool explained = error == BASE_EREFUSED || error == BASE_EIO;
    if (!explained || !base_findings_bad(&job->findings))
        control_job_report(job, SYSTEM_FAILED, file, "%s", base_strerror(error));
}

void control_job_describe(struct control_job *job, const struct zone *version)
{
    job->serial = version->serial;
    job->names = version->node_count;
    job->records = version->rr_count;
    if (version->soa == NULL || version->soa->length > sizeof(job->soa))
        return;
    job->soa_ttl = version->soa->ttl;
    job->soa_length = version->soa->length;
    memcpy(job->soa, version->soa->rdata, version->soa->length);
}

int control_load_published(struct control_job *job, struct control_worker *worker,
                           struct zone **out)
{
    struct image_reader *reader;
    struct image_zone held;
    *out = NULL;
    int error = control_worker_reader(worker, &reader);
    if (error == BASE_OK)
        error = image_zone_get(reader, job->name, &held);
    if (error == BASE_OK)
        error = image_load(reader, &held, job->threads, out);
    return error == BASE_ENOENT ? BASE_OK : error;
}

void control_job_unreadable(struct control_job *job, int error)
{
    job->outcome = CONTROL_FAILED;
    job->image_damaged = error == BASE_EFORMAT;
    control_job_report(job, IMAGE_UNREADABLE, NULL,
                       "the published version cannot be read from the image: %s",
                       base_strerror(error));
}

/* --- the gate --- */

/* The independent verifier must accept what is to be published, and go on accepting it until the
 * zone is looked at again. NULL, or why not. */
static const char *objection(struct control_job *job, const struct zone *zone,
                             struct base_findings *verdict)
{
    struct validate_zone_options options = {
        .now = job->now, .threads = job->threads, .refuse_collisions = job->policy->signs};
    struct validate_zone_result result;
    int error = validate_zone(zone, &options, verdict, &result);
    if (error != BASE_OK)
        return base_strerror(error);
    if (base_findings_bad(verdict))
        return "the independent verifier rejects what should be published";
    if (job->policy->signs && result.earliest_expiry <= job->next_resign)
        return "a signature expires before it would be made anew";
    job->earliest_expiry = result.earliest_expiry;
    return NULL;
}

static bool passes_gate(struct control_job *job, const struct zone *zone)
{
    struct base_findings verdict;
    base_findings_init(&verdict, 20);
    const char *why_not = objection(job, zone, &verdict);
    if (why_not != NULL) {
        control_job_report(job, GATE_REFUSED, job->file, "%s", why_not);
        base_findings_absorb(&job->findings, &verdict);
    }
    base_findings_free(&verdict);
    return why_not == NULL;
}

static bool has_keys(const struct zone *zone)
{
    return zone->node_count > 0 && zone_rrset(zone, &zone->nodes[0], DNS_TYPE_DNSKEY) != NULL;
}

/* --- content --- */

/* The sandbox lets a link lead only to where sources are. */
static void explain_link(struct control_job *job)
{
    struct stat status;
    char target[512];
    ssize_t length = lstat(job->file, &status) == 0 && S_ISLNK(status.st_mode)
                         ? readlink(job->file, target, sizeof(target) - 1)
                         : -1;
    if (length < 0)
        return;
    target[length] = '\0';
    control_job_report(job, FILE_UNREADABLE, job->file,
                       "it is a symbolic link to %s; kenterd reads nothing outside of the "
                       "directories that its settings name",
                       target);
}

static int load_file(struct control_job *job, struct zone **out)
{
    struct dns_zonefile_options options = {.origin = job->name, .threads = job->threads};
    int error = zone_load(job->file, &options, &job->findings, out);
    if (error == BASE_EIO)
        explain_link(job);
    return error;
}

static int load_registry(struct control_job *job, struct zone **out)
{
    int error = registry_load(job->control->registry, job->name, job->threads, &job->findings, out,
                              &job->edition);
    if (error == BASE_ENOENT && job->file != NULL) {
        error = load_file(job, out);
        job->replace = error == BASE_OK;
    }
    return error;
}

static int load_fetched(struct control_job *job, struct zone **out)
{
    struct control_fetched *fetched = job->fetched;
    job->source_known = true;
    job->source_serial = fetched->serial;
    if (!fetched->has_edits) {
        *out = zone_hold(fetched->zone);
        return BASE_OK;
    }
    if (job->previous == NULL)
        return BASE_EMISMATCH; /* a difference to what is not there any more */
    return control_apply(job->previous, &fetched->edits, job->threads, &job->findings, out);
}

/* The content to publish, checked. BASE_EREFUSED: it has errors, which are findings. */
static int load_content(struct control_job *job, struct zone **out)
{
    struct zone *zone = NULL;
    int error;
    if (job->made != NULL) {
        *out = zone_hold(job->made);
        return BASE_OK;
    }
    if (job->fetched != NULL)
        error = load_fetched(job, &zone);
    else if (job->source == CONFIG_EDITS)
        error = load_registry(job, &zone);
    else if (job->source == CONFIG_FILE && job->file != NULL)
        error = load_file(job, &zone);
    else
        return BASE_ENOENT;
    struct zone_check_options options = {.threads = job->threads,
                                         .refresh_margin =
                                             job->policy->signs ? job->policy->sign.refresh : 0};
    if (error == BASE_OK && !base_findings_bad(&job->findings) && !job->is_catalog)
        error = zone_check(zone, &options, &job->findings);
    if (error == BASE_OK && base_findings_bad(&job->findings))
        error = BASE_EREFUSED;
    if (error == BASE_OK)
        *out = zone;
    else
        zone_release(zone);
    return error;
}

/* The image is gone and the source is bad: the signed file that was written for others is as good,
 * if it passes the gate as a new version would. */
static void load_exported(struct control_job *job)
{
    const char *directory = job->control->signed_directory;
    char *path = directory != NULL ? control_zone_path(directory, job->name, ".zone") : NULL;
    if (path == NULL || access(path, R_OK) != 0) {
        free(path);
        return;
    }
    struct base_findings ignored;
    base_findings_init(&ignored, 1);
    struct dns_zonefile_options options = {.origin = job->name, .threads = job->threads};
    struct zone *zone = NULL;
    bool good = zone_load(path, &options, &ignored, &zone) == BASE_OK &&
                !base_findings_bad(&ignored) && (!has_keys(zone) || passes_gate(job, zone));
    if (good) {
        job->previous = zone_hold(zone);
        job->from_export = true;
    }
    zone_release(zone);
    base_findings_free(&ignored);
    free(path);
}

static bool get_content(struct control_job *job, struct zone **out)
{
    if (!job->use_published) {
        int error = load_content(job, out);
        if (error == BASE_OK)
            return true;
        if (job->previous == NULL)
            load_exported(job);
        if (error != BASE_ENOENT || job->previous == NULL) {
            report_failure(job, job->file, error);
            job->outcome = error == BASE_EREFUSED ? CONTROL_REFUSED : CONTROL_FAILED;
        }
        /* What was to be signed again may not be lost with the source. */
        if (job->previous != NULL && error != BASE_ENOENT) {
            control_job_report(job, SOURCE_LAST_GOOD, job->file,
                               "serial %u, the last good version, goes on being served and signed",
                               job->previous->serial);
            job->last_good = true;
        }
        job->replace = false;
        job->source_known = job->source_was_known;
        job->source_serial = job->source_serial_before;
    }
    if (job->previous == NULL)
        return false;
    *out = zone_hold(job->previous);
    return true;
}

/* --- signing --- */

static int sign(struct control_job *job, struct control_worker *worker, struct zone *content,
                struct sign_result *result)
{
    struct crypto_keydir keys;
    bool had_keys = job->previous != NULL && has_keys(job->previous);
    int error = control_provide_keys(job, worker, had_keys, &keys);
    if (error != BASE_OK)
        return error;
    struct sign_request request = {
        .zone = content,
        .policy = &job->policy->sign,
        .keys = keys.keys,
        .key_count = keys.count,
        .previous = job->previous,
        .published = job->serial_known ? &job->serial_before : NULL,
        .now = job->now,
        .threads = job->threads,
    };
    error = sign_zone(&request, &job->findings, result);
    crypto_keydir_free(&keys);
    control_keys_used(job, worker, error);
    return error;
}

static int stop_at_first(void *context, enum zone_change change, const uint8_t *owner,
                         const struct dns_rr *rr)
{
    return BASE_EMISMATCH;
}

static bool is_published(const struct control_job *job, const struct zone *version)
{
    /* What we made has the serial of the moment. */
    struct zone_diff_options options = {.ignore_serial = job->made != NULL};
    return job->previous != NULL &&
           zone_diff(job->previous, version, &options, stop_at_first, NULL) == BASE_OK;
}

/* Content to version. On failure the outcome says how bad it is. */
static int make_version(struct control_job *job, struct control_worker *worker,
                        struct zone *content, struct zone **out)
{
    if (!job->policy->signs) {
        job->is_signed = has_keys(content);
        job->next_resign = 0;
        *out = zone_hold(content);
        return BASE_OK;
    }
    struct sign_result result;
    struct zone *joined = NULL;
    int error = control_kept_join(job, content, &joined);
    if (error == BASE_OK)
        error = sign(job, worker, joined, &result);
    zone_release(joined);
    if (error != BASE_OK)
        return error;
    job->is_signed = true;
    job->next_resign = result.next_resign;
    job->earliest_expiry = result.earliest_expiry;
    job->signatures_made = result.signatures_made;
    job->signatures_kept = result.signatures_kept;
    *out = result.zone;
    return BASE_OK;
}

bool control_whole_publish(struct control_job *job, struct control_worker *worker,
                           struct zone *content)
{
    struct zone *version = NULL;
    int error = make_version(job, worker, content, &version);
    if (error != BASE_OK) {
        if (error != BASE_ENOENT) /* the key process: is reported */
            report_failure(job, job->file, error);
        job->outcome = error == BASE_EREFUSED ? CONTROL_REFUSED : CONTROL_FAILED;
    } else if (!job->replace && !job->from_export && is_published(job, version)) {
        control_job_describe(job, job->previous);
        job->outcome = CONTROL_CURRENT;
    } else if (job->is_signed && !passes_gate(job, version)) {
        job->outcome = CONTROL_REFUSED;
    } else {
        control_job_describe(job, version);
        job->outcome = CONTROL_PUBLISHED;
        job->result = zone_hold(version);
        if (job->replace)
            job->content = zone_hold(content);
    }
    zone_release(version);
    zone_release(content);
    return job->outcome == CONTROL_PUBLISHED;
}

bool control_whole_run(struct control_task *task, struct control_worker *worker)
{
    struct control_job *job = (struct control_job *)task;
    struct zone *content = NULL;
    job->outcome = CONTROL_FAILED;
    int error = control_load_published(job, worker, &job->previous);
    if (error != BASE_OK) {
        control_job_unreadable(job, error);
        return false;
    }
    if (!get_content(job, &content))
        return false;
    enum control_outcome source = job->outcome;
    bool write = control_whole_publish(job, worker, content);
    /* The last good version is current or signed again, and the source is bad all the same. */
    if (job->last_good && !write)
        job->outcome = source;
    return write;
}
