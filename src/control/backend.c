/* The API's operations: see internal.h. What each reply holds is told by docs/openapi.yaml. */
#include "control/backend.h"

#include "base/error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct control_zone *find(struct control *control, const struct api_request *request)
{
    struct control_zone *zone = control_table_find(&control->table, request->zone);
    if (zone != NULL && !zone->gone)
        return zone;
    char name[DNS_NAME_TEXT];
    api_reply_error(request->reply, 404, API_ZONE_UNKNOWN, "there is no zone %s here",
                    dns_name_text(name, request->zone));
    return NULL;
}

/* --- zones --- */

/* Is what should be published not, or not as it should be? */
static bool is_held_up(const struct control_zone *zone)
{
    return zone->problem_parts[CONTROL_PROBLEM_OUTSIDE] != NULL || zone->last_good ||
           zone->failures > 0 || zone->stale || !zone->published || zone->refused;
}

enum api_state control_zone_state(const struct control_zone *zone, base_time now)
{
    if (zone->expired ||
        (zone->published && zone->earliest_expiry != 0 && zone->earliest_expiry <= now))
        return API_STATE_EXPIRED;
    if (zone->problems > 0 && (zone->breaks || is_held_up(zone)))
        return API_STATE_PROBLEM;
    if (!zone->published)
        return API_STATE_NEW;
    if (zone->busy || zone->changed || zone->changes != NULL || zone->fetched != NULL)
        return API_STATE_PENDING;
    return API_STATE_OK;
}

static json_t *source_object(const struct control_zone *zone)
{
    static const char *const origins[] = {"directory", "configuration", "api", "catalog",
                                          "configuration"};
    json_t *primaries = json_array();
    for (size_t i = 0; i < zone->server_count; i++)
        json_array_append_new(primaries, json_string(zone->servers[i].name));
    const char *file = zone->source == CONFIG_FILE ? zone->file : NULL;
    /* A catalog that we produce has the kind of none of them: its content is the other zones. */
    const char *kind =
        zone->origin == CONTROL_OF_PRODUCED ? "catalog" : control_source_name(zone->source);
    return json_pack("{s:s,s:s,s:s?,s:o}", "kind", kind, "from", origins[zone->origin], "file",
                     file, "primaries", primaries);
}

static json_t *problem_list(const struct control_zone *zone)
{
    json_t *list = zone->problem != NULL ? json_loads(zone->problem, 0, NULL) : NULL;
    return list != NULL ? list : json_array();
}

/* What the gravest of its findings says. */
static json_t *gravest_message(const struct control_zone *zone)
{
    json_t *list = problem_list(zone), *finding, *found = json_array_get(list, 0);
    size_t i;
    json_array_foreach(list, i, finding)
    {
        const char *severity = json_string_value(json_object_get(finding, "severity"));
        if (severity != NULL && strcmp(severity, "error") == 0) {
            found = finding;
            break;
        }
    }
    json_t *message = json_object_get(found, "message");
    message = message != NULL ? json_incref(message) : json_null();
    json_decref(list);
    return message;
}

json_t *control_zone_object(const struct control_zone *zone, base_time now)
{
    json_t *serial = zone->published ? json_integer(zone->serial) : json_null();
    return json_pack(
        "{s:o,s:o,s:s,s:s,s:o,s:b,s:I,s:I,s:o,s:o,s:o,s:o,s:o,s:I,s:o}", "zone",
        api_name(zone->name), "source", source_object(zone), "state",
        api_state_name(control_zone_state(zone, now)), "policy", zone->as->policy->name, "serial",
        serial, "signed", zone->published && zone->is_signed, "names", (json_int_t)zone->names,
        "records", (json_int_t)zone->records, "published",
        api_time(zone->published ? zone->published_at : 0), "checked", api_time(zone->checked_at),
        "next_resign", api_time(zone->published ? zone->next_resign : 0), "earliest_expiry",
        api_time(zone->published ? zone->earliest_expiry : 0), "expires",
        api_time(zone->expires_at), "problems", (json_int_t)zone->problems, "problem",
        gravest_message(zone));
}

/* Which zones are told to one who knew all of them at a moment: true, only those that have changed.
 * Of another run nothing is known, and zones that have gone cannot be listed. */
static bool knows_rest(const struct control *control, const struct api_request *request)
{
    return request->has_since && request->since_run == control->run &&
           request->since <= control->change && control->loss <= request->since;
}

static void serve_zones(struct control *control, const struct api_request *request)
{
    const struct control_table *table = &control->table;
    bool partly = knows_rest(control, request);
    base_time now = base_clock_now();
    json_t *list = json_array();
    size_t at = 0;
    if (request->has_after) {
        size_t low = 0, high = table->count;
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if (dns_name_compare(table->zones[middle]->name, request->after) <= 0)
                low = middle + 1;
            else
                high = middle;
        }
        at = low;
    }
    if (partly && request->since == control->change)
        at = table->count; /* nothing has changed */
    const struct control_zone *last = NULL;
    for (; at < table->count && json_array_size(list) < request->count; at++) {
        const struct control_zone *zone = table->zones[at];
        if (request->state != API_STATE_ANY && control_zone_state(zone, now) != request->state)
            continue;
        if (partly && zone->change <= request->since)
            continue;
        json_array_append_new(list, control_zone_object(zone, now));
        last = zone;
    }
    json_t *next = at < table->count && last != NULL ? api_name(last->name) : json_null();
    char mark[33];
    snprintf(mark, sizeof(mark), "%016" PRIx64 "%016" PRIx64, control->run, control->change);
    api_reply_json(request->reply, 200,
                   json_pack("{s:o,s:o,s:s,s:b}", "zones", list, "next", next, "mark", mark,
                             "complete", !partly));
}

static void serve_zone(struct control *control, const struct api_request *request)
{
    const struct control_zone *zone = find(control, request);
    if (zone != NULL)
        api_reply_json(request->reply, 200, control_zone_object(zone, base_clock_now()));
}

/* --- making and removing zones --- */

static json_t *create_detail(const struct api_create *create)
{
    json_t *primaries = json_array();
    for (size_t i = 0; i < create->primary_count; i++)
        json_array_append_new(primaries, json_string(create->primaries[i]));
    return json_pack("{s:{s:s,s:s?,s:o},s:s?}", "source", "kind",
                     control_source_name((enum config_source)create->source), "file",
                     create->source == API_SOURCE_FILE ? create->file : NULL, "primaries",
                     primaries, "policy", create->policy);
}

/* Can it be made? False: the reply has been given. */
static bool check_create(struct control *control, const struct api_request *request)
{
    const struct api_create *create = &request->create;
    char name[DNS_NAME_TEXT];
    dns_name_text(name, request->zone);
    if (control_table_find(&control->table, request->zone) != NULL) {
        api_reply_error(request->reply, 409, API_ZONE_EXISTS, "there is a zone %s already", name);
        return false;
    }
    if (control_removal_pending(control, request->zone)) {
        api_reply_error(request->reply, 503, API_BUSY,
                        "the zone %s that was there before is still being removed", name);
        return false;
    }
    if (create->policy != NULL && config_policy_find(control->config, create->policy) == NULL) {
        api_reply_error(request->reply, 422, API_POLICY_UNKNOWN, "the settings have no policy %s",
                        create->policy);
        return false;
    }
    for (size_t i = 0; i < create->primary_count; i++) {
        if (config_remote_find(control->config, create->primaries[i]) == NULL) {
            api_reply_error(
                request->reply, 422, API_REMOTE_UNKNOWN,
                "the settings have no remote %s; primaries of new zones are named there",
                create->primaries[i]);
            return false;
        }
    }
    return true;
}

/* The text that a zone of edits begins with, read and checked. False: the reply has been given. */
static bool read_content(const struct api_request *request, struct zone **out)
{
    const struct api_create *create = &request->create;
    *out = NULL;
    if (create->content == NULL)
        return true;
    struct base_findings findings;
    base_findings_init(&findings, 20);
    struct dns_zonefile_options options = {.origin = request->zone, .threads = 1};
    int error =
        control_zone_of_text(create->content, create->content_length, &options, &findings, out);
    bool good = error == BASE_OK && !base_findings_bad(&findings);
    if (!good) {
        zone_release(*out);
        *out = NULL;
        if (base_findings_bad(&findings))
            api_reply_findings(request->reply, 422, &findings);
        else
            api_reply_error(request->reply, 500, SYSTEM_FAILED, "%s", base_strerror(error));
    }
    base_findings_free(&findings);
    return good;
}

static int store_zone(struct control *control, const struct api_request *request,
                      struct zone *content)
{
    json_t *object = create_detail(&request->create);
    char *detail = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    if (detail == NULL)
        return BASE_ENOMEM;
    struct registry_zone made = {.made = true, .detail = detail};
    memcpy(made.name, request->zone, dns_name_length(request->zone));
    snprintf(made.source, sizeof(made.source), "%s",
             control_source_name((enum config_source)request->create.source));
    int error = registry_begin(control->registry);
    uint64_t edition;
    if (error == BASE_OK) {
        error = registry_zone_make(control->registry, &made);
        if (error == BASE_OK && content != NULL)
            error = registry_replace(control->registry, content, &edition);
        if (error == BASE_OK)
            error = registry_commit(control->registry);
        else
            registry_abort(control->registry);
    }
    if (error == BASE_OK)
        error = control_zone_of_api(control, &made);
    free(detail);
    return error;
}

static void serve_create(struct control *control, const struct api_request *request)
{
    struct zone *content;
    if (!check_create(control, request) || !read_content(request, &content))
        return;
    int error = store_zone(control, request, content);
    zone_release(content);
    struct control_zone *zone = control_table_find(&control->table, request->zone);
    if (error != BASE_OK || zone == NULL) {
        api_reply_error(request->reply, 500, SYSTEM_FAILED, "the zone could not be stored: %s",
                        base_strerror(error));
        return;
    }
    control_log_event(control, zone->name, "info", "zone.created", "made by the API");
    api_reply_json(request->reply, 201, control_zone_object(zone, base_clock_now()));
    if (zone->source == CONFIG_FILE && zone->file != NULL &&
        control_file_out_of_reach(zone->file)) {
        /* This process was sealed before the file was named: its successor may read it. */
        control_reload(control);
        return;
    }
    control_file_watch(zone);
    control_look_at_file(zone);
    if (zone->source == CONFIG_PRIMARY)
        control_refresh(zone);
    else if (zone->changed)
        control_zone_urgent(zone);
    control_run_due(control);
}

static void serve_delete(struct control *control, const struct api_request *request)
{
    struct control_zone *zone = find(control, request);
    if (zone == NULL)
        return;
    char name[DNS_NAME_TEXT];
    dns_name_text(name, zone->name);
    if (zone->origin != CONTROL_OF_API) {
        api_reply_error(request->reply, 409, API_ZONE_GIVEN, "%s comes from %s: remove it there",
                        name,
                        zone->origin == CONTROL_OF_DIRECTORY && zone->file != NULL
                            ? zone->file
                            : "the settings or a catalog");
        return;
    }
    control_zone_retire(zone);
    api_reply_json(request->reply, 200, json_pack("{s:s}", "zone", name));
}

/* --- looking again --- */

static void look_again(struct control_zone *zone)
{
    if (zone->source == CONFIG_PRIMARY && zone->origin != CONTROL_OF_PRODUCED) {
        zone->refresh_again = true;
        control_refresh(zone);
    } else {
        zone->changed = true;
    }
}

static void serve_reload(struct control *control, const struct api_request *request)
{
    size_t count = control->table.count;
    struct control_zone *zone = NULL;
    if (request->has_zone && (zone = find(control, request)) == NULL)
        return;
    control->accept_removal = true;
    if (zone != NULL) {
        control_wait_for(zone, request->reply);
        look_again(zone);
        if (zone->changed)
            control_zone_urgent(zone);
        else if (!zone->refreshing && !zone->busy)
            control_waiters_done(zone); /* there is nobody to ask */
        control_run_due(control);
        return;
    }
    control_clock_trust(control);
    for (size_t i = 0; i < control->table.count; i++) {
        look_again(control->table.zones[i]);
    }
    for (size_t i = 0; i < control->config->directory_count; i++)
        control_directory_look(control, i);
    control_collect_due(control);
    api_reply_json(request->reply, 202,
                   json_pack("{s:I,s:b,s:[]}", "zones", (json_int_t)count, "done", 0, "findings"));
    control_run_due(control);
}

struct control_waiter {
    struct control_waiter *next;
    struct api_reply *reply;
};

void control_wait_for(struct control_zone *zone, struct api_reply *reply)
{
    struct control_waiter *waiter = calloc(1, sizeof(*waiter));
    if (waiter == NULL) {
        api_reply_json(reply, 500, NULL);
        return;
    }
    waiter->reply = reply;
    waiter->next = zone->waiters;
    zone->waiters = waiter;
}

void control_waiters_done(struct control_zone *zone)
{
    while (zone->waiters != NULL) {
        struct control_waiter *waiter = zone->waiters;
        zone->waiters = waiter->next;
        api_reply_json(
            waiter->reply, 200,
            json_pack("{s:i,s:b,s:o}", "zones", 1, "done", 1, "findings", problem_list(zone)));
        control_api_kick(zone->control);
        free(waiter);
    }
}

void control_waiters_drop(struct control_zone *zone)
{
    while (zone->waiters != NULL) {
        struct control_waiter *waiter = zone->waiters;
        zone->waiters = waiter->next;
        free(waiter);
    }
}

/* --- why, log --- */

static const char *because(const struct control_zone *zone, enum api_state state, base_time now,
                           char *text, size_t size)
{
    char until[BASE_TIME_TEXT] = "?";
    if (zone->earliest_expiry != 0)
        base_duration_text(zone->earliest_expiry - now, until);
    switch (state) {
    case API_STATE_OK:
        if (zone->is_signed)
            snprintf(text, size, "Serial %u is published; its signatures are good for another %s.",
                     zone->serial, until);
        else
            snprintf(text, size, "Serial %u is published as it came; it is not signed here.",
                     zone->serial);
        break;
    case API_STATE_NEW:
        snprintf(text, size,
                 zone->source == CONFIG_PRIMARY ? "Its primary has not given the zone yet."
                 : zone->source == CONFIG_EDITS
                     ? "It needs an SOA record and NS records before it can be served."
                     : "Its first version is being made.");
        break;
    case API_STATE_PENDING:
        snprintf(text, size, "A new version is being made; serial %u is served meanwhile.",
                 zone->serial);
        break;
    case API_STATE_PROBLEM:
        if (!is_held_up(zone))
            snprintf(text, size,
                     "Serial %u is published, but what it says does not work: the "
                     "findings say why.",
                     zone->serial);
        else if (zone->published)
            snprintf(text, size,
                     "What should be published cannot be: the findings say why. Serial %u goes on "
                     "being served; its signatures are good for another %s.",
                     zone->serial, until);
        else
            snprintf(
                text, size,
                "What should be published cannot be: the findings say why. Nothing is served.");
        break;
    default:
        snprintf(text, size,
                 zone->expired ? "No primary has answered for longer than the SOA record allows."
                               : "Its signatures have expired.");
        break;
    }
    return text;
}

static void serve_why(struct control *control, const struct api_request *request)
{
    const struct control_zone *zone = find(control, request);
    if (zone == NULL)
        return;
    base_time now = base_clock_now();
    enum api_state state = control_zone_state(zone, now);
    char text[256];
    api_reply_json(request->reply, 200,
                   json_pack("{s:o,s:s,s:s,s:o}", "zone", api_name(zone->name), "state",
                             api_state_name(state), "because",
                             because(zone, state, now, text, sizeof(text)), "findings",
                             problem_list(zone)));
}

static int add_event(void *context, const struct registry_event *event)
{
    json_t *object = json_pack("{s:o,s:s,s:s,s:s}", "at", api_time(event->at), "severity",
                               event->severity, "code", event->code, "text", event->text);
    return json_array_append_new(context, object) == 0 ? BASE_OK : BASE_ENOMEM;
}

static void serve_log(struct control *control, const struct api_request *request)
{
    const struct control_zone *zone = find(control, request);
    if (zone == NULL)
        return;
    json_t *events = json_array();
    int error = registry_log_read(control->registry, zone->name, request->count, add_event, events);
    if (error != BASE_OK && error != BASE_ENOENT) {
        json_decref(events);
        api_reply_error(request->reply, 500, SYSTEM_FAILED, "the log cannot be read: %s",
                        base_strerror(error));
        return;
    }
    api_reply_json(request->reply, 200,
                   json_pack("{s:o,s:o}", "zone", api_name(zone->name), "events", events));
}

/* --- changes --- */

static void serve_change(struct control *control, const struct api_request *request)
{
    struct control_zone *zone = find(control, request);
    if (zone == NULL)
        return;
    char name[DNS_NAME_TEXT];
    dns_name_text(name, zone->name);
    if (zone->source != CONFIG_EDITS) {
        api_reply_error(request->reply, 409, API_NOT_EDITABLE,
                        zone->source == CONFIG_FILE
                            ? "the content of %s comes from a file: edit %s"
                            : "the content of %s comes from a primary: change it at %s",
                        name,
                        zone->source == CONFIG_FILE ? zone->file
                        : zone->server_count > 0    ? zone->servers[0].name
                                                    : "its primary");
        return;
    }
    if (request->change.has_serial && request->change.serial != zone->serial) {
        api_reply_error(request->reply, 409, API_CONFLICT,
                        "the published serial is %u, and %u was expected", zone->serial,
                        request->change.serial);
        return;
    }
    if (zone->change_count >= CONTROL_CHANGES_MAX) {
        api_reply_error(request->reply, 503, API_BUSY, "too many changes wait for %s", name);
        return;
    }
    struct control_change *change = control_change_new(CONTROL_API_CHANGE);
    if (change == NULL) {
        api_reply_json(request->reply, 500, NULL);
        return;
    }
    change->request = request;
    change->dry_run = request->change.dry_run;
    control_zone_add_change(zone, change);
}

static void answer_refused(struct control_change *change, const struct control_job *job)
{
    struct base_findings all;
    base_findings_init(&all, 100);
    base_findings_absorb(&all, &change->findings);
    for (size_t i = 0; job != NULL && i < job->findings.count; i++) {
        const struct base_finding *finding = &job->findings.items[i];
        base_findings_add(&all, finding->code, &finding->place, "%s", finding->message);
    }
    bool failed = job == NULL || job->outcome == CONTROL_FAILED;
    if (all.count > 0)
        api_reply_findings(change->request->reply, failed ? 500 : 422, &all);
    else
        api_reply_error(change->request->reply, failed ? 500 : 422, SYSTEM_FAILED,
                        "the change could not be published");
    base_findings_free(&all);
}

void control_change_answered(struct control *control, struct control_change *change,
                             const struct control_job *job)
{
    bool good =
        job != NULL && (job->outcome == CONTROL_PUBLISHED || job->outcome == CONTROL_CURRENT);
    control_api_kick(control);
    if (!good) {
        answer_refused(change, job);
        return;
    }
    json_t *findings = api_findings(&change->findings);
    json_t *removed = change->removed != NULL ? json_incref(change->removed) : json_array();
    json_t *added = change->added != NULL ? json_incref(change->added) : json_array();
    uint32_t serial = change->dry_run ? job->zone->serial : job->serial;
    api_reply_json(change->request->reply, 200,
                   json_pack("{s:o,s:I,s:b,s:o,s:o,s:o}", "zone", api_name(job->name), "serial",
                             (json_int_t)serial, "dry_run", change->dry_run, "removed", removed,
                             "added", added, "findings", findings));
}

/* Without a registry there are no zones to speak of. */
static void serve_damage(struct control *control, const struct api_request *request)
{
    if (request->operation != API_RELOAD) {
        api_reply_findings(request->reply, 503, &control->damage);
        return;
    }
    api_reply_json(request->reply, 202,
                   json_pack("{s:i,s:b,s:[]}", "zones", 0, "done", 0, "findings"));
    control_reload(control); /* tries again */
}

void control_backend_serve(void *context, const struct api_request *request)
{
    static void (*const operations[])(struct control *, const struct api_request *) = {
        [API_STATUS] = control_serve_status,
        [API_ZONES] = serve_zones,
        [API_ZONE] = serve_zone,
        [API_ZONE_CREATE] = serve_create,
        [API_ZONE_DELETE] = serve_delete,
        [API_RELOAD] = serve_reload,
        [API_WHY] = serve_why,
        [API_LOG] = serve_log,
        [API_RECORDS] = control_serve_records,
        [API_FILE] = control_serve_file,
        [API_CHANGE] = serve_change,
        [API_TLSA_LIST] = control_serve_tlsa_list,
        [API_TLSA] = control_serve_tlsa,
        [API_TLSA_LOOK] = control_serve_tlsa_look,
        [API_METRICS] = control_serve_metrics,
        [API_HEALTH] = control_serve_health};
    struct control *control = context;
    bool of_zones = request->operation != API_STATUS && request->operation != API_METRICS &&
                    request->operation != API_HEALTH;
    if (control->registry == NULL && of_zones)
        serve_damage(control, request);
    else
        operations[request->operation](control, request);
}
