/* libkenter: see kenter/kenter.h. A thin skin, so that what is inside can change. */
#include "kenter/kenter.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/finding.h"
#include "dns/name.h"
#include "lib/public.h"
#include "validate/zone.h"
#include "zone/check.h"
#include "zone/zone.h"

#include <errno.h>
#include <string.h>

_Static_assert(KENTER_NAME_MAX == DNS_NAME_MAX, "names are as long outside as inside");
_Static_assert(KENTER_NAME_TEXT == DNS_NAME_TEXT, "and so are their texts");

static const uint8_t root[1] = {0};

const char *kenter_version(void)
{
    return KENTER_VERSION;
}

int lib_error(int error)
{
    switch (error) {
    case BASE_OK:
        return KENTER_OK;
    case BASE_ENOMEM:
        return KENTER_ENOMEM;
    case BASE_EFORMAT:
        return KENTER_EFORMAT;
    case BASE_ERANGE:
        return KENTER_ERANGE;
    case BASE_EIO:
        return KENTER_EIO;
    case BASE_EINVAL:
        return KENTER_EINVAL;
    case BASE_ELIMIT:
        return KENTER_ELIMIT;
    case BASE_EREFUSED:
        return KENTER_EREFUSED;
    default:
        return KENTER_EOTHER;
    }
}

const char *kenter_error_text(int error)
{
    if (error == KENTER_EOTHER)
        return "failed";
    return base_strerror(error);
}

int kenter_name_parse(struct kenter_name *name, const char *text)
{
    uint8_t wire[DNS_NAME_MAX];
    size_t length;
    int error = dns_name_from_text(wire, &length, text, strlen(text), root);
    if (error != BASE_OK)
        return lib_error(error);
    name->length = (uint8_t)length;
    memcpy(name->wire, wire, length);
    return KENTER_OK;
}

const char *kenter_name_print(const struct kenter_name *name, char out[KENTER_NAME_TEXT])
{
    return dns_name_text(out, name->wire);
}

int kenter_name_compare(const struct kenter_name *a, const struct kenter_name *b)
{
    return dns_name_compare(a->wire, b->wire);
}

int kenter_name_is_within(const struct kenter_name *name, const struct kenter_name *ancestor)
{
    return dns_name_within(name->wire, ancestor->wire);
}

/* What the caller said, over the defaults: a program built with an older header has a smaller
 * structure. */
static struct kenter_zone_options full_options(const struct kenter_zone_options *given)
{
    struct kenter_zone_options options = KENTER_ZONE_OPTIONS;
    if (given != NULL)
        memcpy(&options, given, given->size < sizeof(options) ? given->size : sizeof(options));
    if (options.now == 0)
        options.now = base_clock_now();
    return options;
}

static int load(const char *path, const struct kenter_zone_options *options,
                struct base_findings *findings, struct zone **zone)
{
    uint8_t origin[DNS_NAME_MAX];
    size_t length;
    struct dns_zonefile_options reading = {.threads = options->threads};
    if (options->origin != NULL) {
        int error =
            dns_name_from_text(origin, &length, options->origin, strlen(options->origin), root);
        if (error != BASE_OK)
            return BASE_EINVAL;
        reading.origin = origin;
    }
    return zone_load(path, &reading, findings, zone);
}

void lib_give_findings(struct base_findings *findings, kenter_finding_callback found, void *context)
{
    base_findings_sort(findings);
    for (size_t i = 0; found != NULL && i < findings->count; i++) {
        const struct base_finding *item = &findings->items[i];
        const struct base_finding_info *info = base_finding_info(item->code);
        struct kenter_finding finding = {
            .code = info->code,
            .severity = (enum kenter_severity)item->severity,
            .file = item->place.file,
            .line = item->place.line,
            .column = item->place.column,
            .owner = item->place.owner,
            .type = item->place.type,
            .message = item->message,
            .why = info->why,
            .remedy = info->remedy,
        };
        found(context, &finding);
    }
}

static void summarise(const struct zone *zone, const struct base_findings *findings,
                      struct kenter_zone_summary *summary)
{
    summary->zone.length = (uint8_t)dns_name_length(zone->apex);
    memcpy(summary->zone.wire, zone->apex, summary->zone.length);
    summary->serial = zone->serial;
    summary->names = zone->node_count;
    summary->records = zone->rr_count;
    summary->errors = findings->totals[BASE_ERROR];
    summary->warnings = findings->totals[BASE_WARNING];
    summary->notes = findings->totals[BASE_INFO];
}

static int check(const struct zone *zone, const struct kenter_zone_options *options,
                 struct base_findings *findings, struct kenter_zone_summary *summary)
{
    (void)summary;
    struct zone_check_options checking = {.threads = options->threads};
    return zone_check(zone, &checking, findings);
}

static int verify(const struct zone *zone, const struct kenter_zone_options *options,
                  struct base_findings *findings, struct kenter_zone_summary *summary)
{
    struct validate_zone_options verifying = {
        .now = options->now, .margin = options->margin, .threads = options->threads};
    struct validate_zone_result result = {.signatures = 0};
    int error = validate_zone(zone, &verifying, findings, &result);
    if (error == BASE_OK) {
        summary->signatures = result.signatures;
        summary->earliest_expiry = result.signatures > 0 ? result.earliest_expiry : 0;
    }
    return error;
}

static int run(const char *path, const struct kenter_zone_options *given,
               int (*work)(const struct zone *zone, const struct kenter_zone_options *options,
                           struct base_findings *findings, struct kenter_zone_summary *summary),
               kenter_finding_callback found, void *context, struct kenter_zone_summary *out)
{
    if (path == NULL || (given != NULL && given->size < sizeof(given->size)))
        return KENTER_EINVAL;
    struct kenter_zone_options options = full_options(given);
    struct kenter_zone_summary summary = {.serial = 0};
    struct base_findings findings;
    struct zone *zone = NULL;
    base_findings_init(&findings, BASE_FINDINGS_PER_CODE);
    int error = load(path, &options, &findings, &zone);
    int saved = errno;
    if (error == BASE_OK)
        error = work(zone, &options, &findings, &summary);
    if (error == BASE_OK)
        summarise(zone, &findings, &summary);
    lib_give_findings(&findings, found, context);
    base_findings_free(&findings);
    zone_release(zone);
    if (error == BASE_OK && out != NULL)
        *out = summary;
    errno = saved;
    return lib_error(error);
}

int kenter_zone_check(const char *path, const struct kenter_zone_options *options,
                      kenter_finding_callback found, void *context,
                      struct kenter_zone_summary *summary)
{
    return run(path, options, check, found, context, summary);
}

int kenter_zone_verify(const char *path, const struct kenter_zone_options *options,
                       kenter_finding_callback found, void *context,
                       struct kenter_zone_summary *summary)
{
    return run(path, options, verify, found, context, summary);
}
