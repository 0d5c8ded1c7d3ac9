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

#include <unistd.h>

/* After a refusal that is not the source's fault (a full disk, a key directory with the wrong
 * mode) the zone is tried again. */
#define RETRY_AFTER 300

/* What a job holds while it runs. */
struct material {
    struct zone *source;   /* what to sign: the new content, or the last good one */
    struct zone *previous; /* what is published; NULL: nothing yet */
    struct crypto_keydir keys;
    bool keys_open;
    struct sign_result signed_zone;
};

static void report(struct daemon_job *job, enum base_finding_code code, const char *file,
                   const char *text)
{
    struct base_place place = {.file = file};
    base_findings_add(&job->findings, code, &place, "%s", text);
}

/* Reads a zone file of this zone; NULL when it has errors. */
static struct zone *load(struct daemon_job *job, const char *path, struct base_findings *findings)
{
    struct dns_zonefile_options options = {.origin = job->zone, .threads = job->threads};
    struct zone *zone = NULL;
    if (zone_load(path, &options, findings, &zone) != BASE_OK)
        return NULL;
    if (base_findings_bad(findings)) {
        zone_release(zone);
        return NULL;
    }
    return zone;
}

/* The published version. One that cannot be read is as good as none: it is made again. */
static void load_previous(struct daemon_job *job, struct material *material)
{
    if (access(job->published, F_OK) != 0)
        return;
    struct base_findings ignored;
    base_findings_init(&ignored, 1);
    material->previous = load(job, job->published, &ignored);
    base_findings_free(&ignored);
}

static bool load_source(struct daemon_job *job, struct material *material)
{
    if (job->source != NULL) {
        material->source = load(job, job->source, &job->findings);
        struct zone_check_options options = {.threads = job->threads,
                                             .refresh_margin = job->policy->refresh};
        if (material->source != NULL &&
            zone_check(material->source, &options, &job->findings) == BASE_OK &&
            !base_findings_bad(&job->findings))
            return true;
        zone_release(material->source);
        material->source = NULL;
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
    int error = sign_keys_provide(job->keys, job->zone, job->policy, job->now, job->published,
                                  &job->findings, &material->keys, &job->keys_made);
    if (error != BASE_OK) {
        if (!base_findings_bad(&job->findings))
            report(job, FILE_UNREADABLE, job->keys, base_strerror(error));
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
    if (error != BASE_OK && error != BASE_EREFUSED)
        report(job, GATE_REFUSED, job->source, base_strerror(error));
    return error == BASE_OK;
}

/* The gate: the independent verifier must accept what the signer made. */
static bool passes_gate(struct daemon_job *job, struct material *material)
{
    struct base_findings verdict;
    base_findings_init(&verdict, 20);
    struct validate_zone_options options = {.now = job->now, .threads = job->threads};
    struct validate_zone_result result;
    int error = validate_zone(material->signed_zone.zone, &options, &verdict, &result);
    bool good = error == BASE_OK && !base_findings_bad(&verdict);
    if (!good) {
        report(job, GATE_REFUSED, job->source,
               error == BASE_OK ? "the independent verifier rejects the new version"
                                : base_strerror(error));
        base_findings_absorb(&job->findings, &verdict);
    }
    base_findings_free(&verdict);
    return good;
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
    if (error != BASE_OK)
        report(job, FILE_UNWRITABLE, job->published, "the signed zone could not be stored");
    return error == BASE_OK;
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
    if (is_published(material)) {
        job->outcome = DAEMON_CURRENT;
        return true;
    }
    if (!passes_gate(job, material) || !publish(job, material))
        return false;
    job->outcome = DAEMON_PUBLISHED;
    return true;
}

void daemon_job_run(struct daemon_job *job)
{
    struct material material = {0};
    job->outcome = DAEMON_REFUSED;
    job->last_good = false;
    job->next = 0;
    job->serial = 0;
    job->names = job->signatures_made = job->signatures_kept = 0;
    job->keys_made = 0;
    if (!advance(job, &material)) {
        job->outcome = DAEMON_REFUSED;
        job->serial = material.previous != NULL ? material.previous->serial : 0;
        /* An unreadable source is waited for; everything else may pass by itself. */
        job->next = material.source != NULL ? job->now + RETRY_AFTER : 0;
    }
    zone_release(material.signed_zone.zone);
    zone_release(material.source);
    zone_release(material.previous);
    if (material.keys_open)
        crypto_keydir_free(&material.keys);
}
