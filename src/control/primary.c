/* Zones of primaries: refresh, retry, expire (RFC 1034 section 4.3.5), and telling secondaries. */
#include "control/internal.h"

#include "base/error.h"
#include "base/reader.h"

#include <stdlib.h>
#include <string.h>

/* Timers of a SOA are believed within these bounds: a primary must not make us ask without end, nor
 * stay silent for ever. */
#define REFRESH_LEAST 30
#define REFRESH_MOST  (7 * 86400)
#define RETRY_LEAST   15
#define EXPIRE_LEAST  3600
/* An answer that would keep a zone from expiring is waited for so long. */
#define ANSWER_MOST 120
/* Before any SOA was seen. */
#define RETRY_UNKNOWN 60

int control_zone_servers(struct control_zone *zone, const struct config_remote *const *remotes,
                         size_t count)
{
    struct source_server *servers = calloc(count + 1, sizeof(*servers));
    if (servers == NULL)
        return BASE_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const struct config_remote *remote = remotes[i];
        servers[i] = (struct source_server){.addresses = remote->addresses,
                                            .address_count = remote->address_count,
                                            .key = remote->key,
                                            .tls = remote->tls,
                                            .tls_name = remote->tls_name,
                                            .tls_ca = remote->tls_ca,
                                            .name = remote->name};
    }
    free(zone->servers);
    zone->servers = servers;
    zone->server_count = count;
    return BASE_OK;
}

/* --- fetching --- */

/* Comes back from the fetcher's thread. */
struct arrival {
    struct control_task task;
    struct control *control;
    struct control_zone *zone;
    enum source_fetched kind;
    struct control_fetched *fetched;
    uint32_t refresh, retry, expire;
    bool expire_known;
    uint32_t expire_in;
    struct base_findings findings;
    uint8_t apex[DNS_NAME_MAX];
};

static void expire_zone(struct control_zone *zone, base_time now)
{
    char name[DNS_NAME_TEXT];
    dns_name_text(name, zone->name);
    CONTROL_LOG(zone->control, ERROR,
                "%s: no primary has answered for longer than its SOA allows (expire): it is not "
                "served any more",
                name);
    zone->expired = true;
    zone->published = false;
    zone->change = ++zone->control->change;
    zone->source_known = false;
    zone->due = 0;
    zone->next_resign = zone->earliest_expiry = 0;
    control_log_event(zone->control, zone->name, "error", "zone.expired",
                      "no primary has answered for longer than the SOA allows");
    if (control_remove_start(zone->control, zone->name, false) == BASE_OK)
        zone->busy = true; /* until it is out of the image */
}

/* Unanswered for too long? A question that is under way is waited for, but not for ever: the clock
 * may have jumped, or we may have been away. */
static bool is_over(const struct control_zone *zone, base_time now)
{
    return zone->published && !zone->busy && zone->fetched == NULL && zone->expires_at != 0 &&
           zone->expires_at <= now;
}

static void set_timers(struct control_zone *zone, uint32_t refresh, uint32_t retry, uint32_t expire)
{
    if (refresh == 0 && retry == 0)
        return;
    zone->refresh = refresh < REFRESH_LEAST  ? REFRESH_LEAST
                    : refresh > REFRESH_MOST ? REFRESH_MOST
                                             : refresh;
    zone->retry = retry < RETRY_LEAST ? RETRY_LEAST : retry > zone->refresh ? zone->refresh : retry;
    zone->expire = expire < EXPIRE_LEAST ? EXPIRE_LEAST : expire;
}

/* A primary has answered: the zone is as fresh as now, or as the server, a secondary itself, says
 * that its own copy is (RFC 7314 section 4). */
static void note_checked(struct control_zone *zone, const struct arrival *arrival, base_time now)
{
    uint32_t left = zone->expire;
    bool said = arrival->expire_known && arrival->expire_in < left;
    if (said)
        left = arrival->expire_in;
    base_time until = zone->expire != 0 ? now + left : 0;
    /* What we have was perhaps confirmed by one that knows more. */
    bool keep = said && arrival->kind == SOURCE_CURRENT && zone->expires_at > until &&
                zone->expires_at <= now + zone->expire;
    zone->checked_at = now;
    zone->expires_at = keep ? zone->expires_at : until;
    zone->expired = false;
    zone->refresh_due = now + (zone->refresh != 0 ? zone->refresh : RETRY_UNKNOWN);
}

static void free_arrival(struct arrival *arrival)
{
    control_fetched_free(arrival->fetched);
    base_findings_free(&arrival->findings);
    free(arrival);
}

static void arrived(struct control_task *task)
{
    struct arrival *arrival = (struct arrival *)task;
    struct control *control = arrival->control;
    struct control_zone *zone = arrival->zone;
    base_time now = base_clock_now();
    zone->refreshing = false;
    control->fetches--;
    if (control->stopping) {
        free_arrival(arrival);
        return; /* the next run asks again */
    }
    control->fetches_total++;
    for (size_t i = 0; i < arrival->findings.count; i++)
        base_log_finding(control->log, now, &arrival->findings.items[i]);
    set_timers(zone, arrival->refresh, arrival->retry, arrival->expire);
    if (arrival->kind == SOURCE_FAILED) {
        control->fetches_failed_total++;
        zone->refresh_due = now + (zone->retry != 0 ? zone->retry : RETRY_UNKNOWN);
        control_zone_set_problem(zone, CONTROL_PROBLEM_FETCH, &arrival->findings);
        control_waiters_done(zone);
        if (is_over(zone, now))
            expire_zone(zone, now);
    } else {
        note_checked(zone, arrival, now);
        /* One of several may have failed. */
        control_zone_set_problem(zone, CONTROL_PROBLEM_FETCH, &arrival->findings);
        zone->whole_transfer = false;
        if (arrival->kind == SOURCE_CURRENT) {
            control_waiters_done(zone);
            control_checked_start(control, zone);
        } else {
            control_fetched_free(zone->fetched);
            zone->fetched = arrival->fetched;
            arrival->fetched = NULL;
            control_zone_urgent(zone);
        }
    }
    free_arrival(arrival);
    if (zone->gone)
        control_zone_retire(zone);
    else if (zone->refresh_again)
        control_refresh(zone);
}

static struct control_fetched *take_fetched(const struct source_fetch_result *result)
{
    struct control_fetched *fetched = calloc(1, sizeof(*fetched));
    if (fetched == NULL) {
        zone_release(result->zone);
        return NULL;
    }
    fetched->zone = result->kind == SOURCE_WHOLE ? result->zone : NULL;
    fetched->has_edits = result->kind == SOURCE_EDITS;
    if (fetched->has_edits)
        fetched->edits = result->edits;
    fetched->serial = result->serial;
    fetched->soa_ttl = result->soa_ttl;
    if (result->soa != NULL && result->soa_length <= sizeof(fetched->soa)) {
        memcpy(fetched->soa, result->soa, result->soa_length);
        fetched->soa_length = result->soa_length;
    }
    return fetched;
}

/* A difference says nothing of the SOA's other fields: it is one of the edits. */
static int add_soa(struct control_fetched *fetched, const uint8_t *zone)
{
    struct source_edit edit = {.owner = zone,
                               .rdata = fetched->soa,
                               .ttl = fetched->soa_ttl,
                               .type = DNS_TYPE_SOA,
                               .length = (uint16_t)fetched->soa_length,
                               .add = true};
    return source_edits_append(&fetched->edits, &edit);
}

/* In a thread of the fetcher. */
static void fetch_done(void *context, const struct source_fetch_result *result)
{
    struct arrival *arrival = context;
    arrival->kind = result->kind;
    arrival->refresh = result->refresh;
    arrival->retry = result->retry;
    arrival->expire = result->expire;
    arrival->expire_known = result->expire_known;
    arrival->expire_in = result->expire_in;
    base_findings_init(&arrival->findings, 20);
    for (size_t i = 0; result->findings != NULL && i < result->findings->count; i++) {
        const struct base_finding *finding = &result->findings->items[i];
        base_findings_add(&arrival->findings, finding->code, &finding->place, "%s",
                          finding->message);
    }
    if (result->kind == SOURCE_WHOLE || result->kind == SOURCE_EDITS) {
        arrival->fetched = take_fetched(result);
        bool bad =
            arrival->fetched == NULL ||
            (arrival->fetched->has_edits && add_soa(arrival->fetched, arrival->apex) != BASE_OK);
        if (bad)
            arrival->kind = SOURCE_FAILED;
    }
    control_pool_post(arrival->control, &arrival->task);
}

static void start_fetch(struct control_zone *zone)
{
    struct control *control = zone->control;
    struct arrival *arrival = calloc(1, sizeof(*arrival));
    if (arrival == NULL)
        return;
    arrival->task.done = arrived;
    arrival->control = control;
    arrival->zone = zone;
    memcpy(arrival->apex, zone->name, dns_name_length(zone->name));
    struct source_fetch fetch = {.servers = zone->servers,
                                 .server_count = zone->server_count,
                                 .have = zone->published && zone->source_known,
                                 .serial = zone->source_serial,
                                 .whole = zone->whole_transfer,
                                 .done = fetch_done,
                                 .context = arrival};
    memcpy(fetch.zone, zone->name, dns_name_length(zone->name));
    if (source_fetch_start(control->fetcher, &fetch) != BASE_OK) {
        free(arrival);
        return;
    }
    zone->refreshing = true;
    zone->refresh_again = false;
    zone->asked_at = base_clock_now();
    control->fetches++;
}

void control_refresh(struct control_zone *zone)
{
    base_time now = base_clock_now();
    bool late = zone->server_count == 0 || (zone->refreshing && now - zone->asked_at > ANSWER_MOST);
    if (late && is_over(zone, now))
        expire_zone(zone, now);
    if (zone->refreshing || zone->busy || zone->fetched != NULL || zone->gone ||
        zone->server_count == 0 || zone->control->stopping)
        return;
    if (zone->refresh_again || zone->refresh_due <= now || is_over(zone, now))
        start_fetch(zone);
}

void control_primary_done(struct control_zone *zone, struct control_job *job)
{
    bool good = job->outcome == CONTROL_PUBLISHED || job->outcome == CONTROL_CURRENT;
    if (good && zone->expires_at != 0)
        control_checked_start(zone->control, zone);
    /* A difference that did not fit what we have: the whole zone then. */
    if (!good && job->of_difference) {
        zone->whole_transfer = true;
        zone->source_known = false;
        zone->refresh_again = job->outcome == CONTROL_REFUSED;
    }
    /* What came is lost with the job, and asked for again when the job would be. */
    if (job->outcome == CONTROL_FAILED && job->of_fetch)
        zone->refresh_due = zone->due;
    if (zone->refresh_again)
        control_refresh(zone);
}

/* --- noting in the registry when a primary was last heard of --- */

struct checked {
    struct control_task task;
    struct control *control;
    base_time at, expires;
    uint8_t name[DNS_NAME_MAX];
};

static int write_checked(struct control_task *task)
{
    struct checked *checked = (struct checked *)task;
    int error =
        registry_checked(checked->control->registry, checked->name, checked->at, checked->expires);
    return error == BASE_ENOENT ? BASE_OK : error;
}

static int store_checked(struct control_task *task)
{
    struct checked *checked = (struct checked *)task;
    int error = image_set_expires(checked->control->image, checked->name, checked->expires);
    return error == BASE_ENOENT ? BASE_OK : error;
}

static void checked_done(struct control_task *task)
{
    free(task);
}

void control_checked_start(struct control *control, const struct control_zone *zone)
{
    struct checked *checked = calloc(1, sizeof(*checked));
    if (checked == NULL)
        return;
    checked->task.record = write_checked;
    checked->task.store = store_checked;
    checked->task.done = checked_done;
    checked->control = control;
    checked->at = zone->checked_at;
    checked->expires = zone->expires_at;
    memcpy(checked->name, zone->name, dns_name_length(zone->name));
    control_pool_write(control, &checked->task);
}

/* --- secondaries --- */

/* In a thread of the fetcher: logging is all that there is to do. */
static void notified(void *context, const uint8_t *zone, const struct source_server *server,
                     int error, const char *why)
{
    struct control *control = context;
    if (error == BASE_OK)
        return;
    char name[DNS_NAME_TEXT];
    dns_name_text(name, zone);
    CONTROL_LOG(control, WARNING, "%s: %s did not take the NOTIFY: %s", name, server->name,
                why != NULL ? why : base_strerror(error));
}

void control_notify_secondaries(struct control_zone *zone, const struct control_job *job)
{
    struct control *control = zone->control;
    for (size_t i = 0; i < zone->as->notify_count; i++) {
        const struct source_server *server =
            &control->remotes[zone->as->notify[i] - control->config->remotes];
        struct source_notify notify = {.server = server,
                                       .soa_ttl = job->soa_ttl,
                                       .soa = job->soa_length > 0 ? job->soa : NULL,
                                       .soa_length = job->soa_length,
                                       .done = notified,
                                       .context = control};
        memcpy(notify.zone, zone->name, dns_name_length(zone->name));
        source_notify_start(control->fetcher, &notify);
        control->notifies_total++;
    }
}
