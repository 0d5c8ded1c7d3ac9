/* The work on one zone: see job.h. */
#include "daemon/job.h"

#include "base/error.h"
#include "base/file.h"
#include "sign/provide.h"
#include "sign/sign.h"
#include "validate/zone.h"
#include "zone/check.h"
#include "zone/diff.h"
#include "zone/write.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* After a failure that is not the source's fault (a full disk, no memory, a key directory with the
 * wrong mode) the zone is tried again after so many seconds. */
#define RETRY_AFTER 300

/* What a job holds while it runs. */
struct material {
    struct zone *source;   /* what to sign: the new content, or the last good one */
    struct zone *previous; /* what is published; NULL: nothing yet */
    struct crypto_keydir keys;
    bool keys_open;
    struct sign_result signed_zone;
    bool may_pass; /* what went wrong may be over when the zone is tried again */
};

static void report(struct daemon_job *job, enum base_finding_code code, const char *file,
                   const char *text)
{
    struct base_place place = {.file = file};
    base_findings_add(&job->findings, code, &place, "%s", text);
}

/* An error that no finding explains yet: refusals and files that cannot be read are explained. */
static void report_failure(struct daemon_job *job, const char *file, int error)
{
    bool explained = error == BASE_EREFUSED || error == BASE_EIO;
    if (!explained || !base_findings_bad(&job->findings))
        report(job, SYSTEM_FAILED, file, base_strerror(error));
}

/* Reads a zone file of this zone. BASE_EREFUSED: it has errors, which are findings. */
static int load(struct daemon_job *job, const char *path, struct base_findings *findings,
                struct zone **out)
{
    struct dns_zonefile_options options = {.origin = job->zone, .threads = job->threads};
    struct zone *zone = NULL;
    int error = zone_load(path, &options, findings, &zone);
    if (error == BASE_OK && base_findings_bad(findings)) {
        zone_release(zone);
        return BASE_EREFUSED;
    }
    if (error == BASE_OK)
        *out = zone;
    return error;
}

/* The published version. One that cannot be read is as good as none: it is made again. */
static void load_previous(struct daemon_job *job, struct material *material)
{
    if (access(job->published, F_OK) != 0)
        return;
    struct base_findings ignored;
    base_findings_init(&ignored, 1);
    load(job, job->published, &ignored, &material->previous);
    base_findings_free(&ignored);
}

/* Reads and checks the zone file. BASE_EREFUSED: it has errors, which are findings. */
static int load_checked(struct daemon_job *job, struct zone **out)
{
    struct zone *zone = NULL;
    struct zone_check_options options = {.threads = job->threads,
                                         .refresh_margin = job->policy->refresh};
    int error = load(job, job->source, &job->findings, &zone);
    if (error == BASE_OK)
        error = zone_check(zone, &options, &job->findings);
    if (error == BASE_OK && base_findings_bad(&job->findings))
        error = BASE_EREFUSED;
    if (error == BASE_OK)
        *out = zone;
    else
        zone_release(zone);
    return error;
}

static bool load_source(struct daemon_job *job, struct material *material)
{
    if (job->source != NULL) {
        int error = load_checked(job, &material->source);
        if (error == BASE_OK)
            return true;
        report_failure(job, job->source, error);
        material->may_pass = error != BASE_EREFUSED;
    }
    if (material->previous == NULL)
        return false;
    /* The signer drops the DNSSEC records, so the last good version is its own source. */
    report(job, SOURCE_LAST_GOOD, job->published, "the last good version goes on being signed");
    material->source = zone_hold(material->previous);
    job->last_good = true;
    return true;
}

static bool sign(struct daemon_job *job, struct material *material)
{
    int error = sign_keys_provide(job->keys, job->zone, job->policy, job->now, &job->findings,
                                  &material->keys, &job->keys_made);
    if (error != BASE_OK) {
        report_failure(job, job->keys, error);
        return false;
    }
    material->keys_open = true;
    struct sign_request request = {
        .zone = material->source,
        .policy = job->policy,
        .keys = material->keys.keys,
        .key_count = material->keys.count,
        .previous = material->previous,
        .now = job->now,
        .threads = job->threads,
    };
    error = sign_zone(&request, &job->findings, &material->signed_zone);
    if (error != BASE_OK)
        report_failure(job, job->source, error);
    return error == BASE_OK;
}

/* The gate: the independent verifier must accept what the signer made, and go on accepting it until
 * the zone is looked at again. NULL, or why not. */
static const char *objection(const struct daemon_job *job, const struct zone *zone,
                             struct base_findings *verdict)
{
    struct validate_zone_options options = {
        .now = job->now, .threads = job->threads, .refuse_collisions = true};
    struct validate_zone_result result;
    int error = validate_zone(zone, &options, verdict, &result);
    if (error != BASE_OK)
        return base_strerror(error);
    if (base_findings_bad(verdict))
        return "the independent verifier rejects what should be published";
    if (result.earliest_expiry <= job->next)
        return "a signature expires before it would be made anew";
    return NULL;
}

static bool passes_gate(struct daemon_job *job, const struct zone *zone)
{
    struct base_findings verdict;
    base_findings_init(&verdict, 20);
    const char *why_not = objection(job, zone, &verdict);
    if (why_not != NULL) {
        report(job, GATE_REFUSED, job->source, why_not);
        base_findings_absorb(&job->findings, &verdict);
    }
    base_findings_free(&verdict);
    return why_not == NULL;
}

static int stop_at_first(void *context, enum zone_change change, const uint8_t *owner,
                         const struct dns_rr *rr)
{
    return BASE_EMISMATCH;
}

static bool is_published(const struct material *material)
{
    struct zone_diff_options options = {0};
    return material->previous != NULL && zone_diff(material->previous, material->signed_zone.zone,
                                                   &options, stop_at_first, NULL) == BASE_OK;
}

static bool publish(struct daemon_job *job, struct material *material)
{
    struct base_file_writer *writer = NULL;
    struct zone_write_options options = {.form = ZONE_TEXT_LINES, .threads = job->threads};
    int error = base_file_create(job->published, 0644, &writer);
    if (error == BASE_OK)
        error = zone_write(material->signed_zone.zone, &options, writer);
    if (error == BASE_OK) {
        error = base_file_commit(writer);
        writer = NULL;
    }
    base_file_abort(writer);
    if (error != BASE_OK) {
        struct base_place place = {.file = job->published};
        base_findings_add(&job->findings, FILE_UNWRITABLE, &place,
                          "the signed zone could not be stored: %s",
                          error == BASE_EIO ? strerror(errno) : base_strerror(error));
    }
    return error == BASE_OK;
}

/* What passed the gate is served. A failure is tried again soon; what was served stays. */
static void serve(struct daemon_job *job, const struct image_publish *publish)
{
    if (job->serving == NULL)
        return;
    int error = daemon_serving_publish(job->serving, publish);
    if (error == BASE_OK)
        return;
    base_time again = job->now + RETRY_AFTER;
    if (job->next == 0 || job->next > again)
        job->next = again;
    struct base_place place = {.file = job->published};
    base_findings_add(&job->findings, SERVING_FAILED, &place,
                      "serial %u could not be put into the image: %s", publish->zone->serial,
                      base_strerror(error));
}

/* The published version is right: does the image have it too? What an earlier run has published
 * passes the gate again before it gets there. */
static bool serve_current(struct daemon_job *job, const struct image_publish *publish)
{
    if (job->serving == NULL || daemon_serving_holds(job->serving, publish->zone, job->threads))
        return true;
    if (!passes_gate(job, publish->zone))
        return false;
    serve(job, publish);
    return true;
}

/* Nothing new came out, and the image, which may be new, has no version of the zone: the published
 * one is better than none, if it is good. */
static void serve_previous(struct daemon_job *job, const struct material *material)
{
    if (job->serving == NULL || material->previous == NULL ||
        daemon_serving_knows(job->serving, job->zone) || !passes_gate(job, material->previous))
        return;
    struct image_publish publish = {.zone = material->previous, .now = job->now};
    serve(job, &publish);
}

/* Source to published; false leaves what is published as it is. */
static bool advance(struct daemon_job *job, struct material *material)
{
    load_previous(job, material);
    if (!load_source(job, material) || !sign(job, material))
        return false;
    job->names = material->source->node_count;
    job->signatures_made = material->signed_zone.signatures_made;
    job->signatures_kept = material->signed_zone.signatures_kept;
    job->serial = material->signed_zone.serial;
    job->next = material->signed_zone.next_resign;
    struct image_publish served = {
        .zone = material->signed_zone.zone,
        .now = job->now,
        .earliest_expiry = material->signed_zone.earliest_expiry,
        .next_resign = material->signed_zone.next_resign,
    };
    if (is_published(material)) {
        job->outcome = DAEMON_CURRENT;
        return serve_current(job, &served);
    }
    if (!passes_gate(job, served.zone) || !publish(job, material))
        return false;
    job->outcome = DAEMON_PUBLISHED;
    served.previous = material->previous;
    serve(job, &served);
    return true;
}

void daemon_job_run(struct daemon_job *job)
{
    struct material material = {0};
    job->outcome = DAEMON_REFUSED;
    job->last_good = false;
    job->next = 0;
    job->serial = 0;
    job->names = job->signatures_made = job->signatures_kept = job->keys_made = 0;
    if (!advance(job, &material)) {
        job->outcome = DAEMON_REFUSED;
        job->serial = material.previous != NULL ? material.previous->serial : 0;
        job->next = 0; /* a source with errors is waited for */
        material.may_pass |= material.source != NULL;
        serve_previous(job, &material);
    }
    if (material.may_pass && (job->next == 0 || job->next > job->now + RETRY_AFTER))
        job->next = job->now + RETRY_AFTER;
    zone_release(material.signed_zone.zone);
    zone_release(material.source);
    zone_release(material.previous);
    if (material.keys_open)
        crypto_keydir_free(&material.keys);
}
