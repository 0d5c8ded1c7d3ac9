/* How the server is as a whole, for the API: status, health, metrics. */
#include "control/backend.h"

#include "base/buf.h"
#include "base/error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is known of all zones together. */
struct overview {
    size_t total, states[API_STATES], waiting;
    base_time earliest, next_resign;
    const struct control_zone *first; /* to expire */
};

static void look_over(const struct control *control, base_time now, struct overview *out)
{
    *out = (struct overview){.total = control->table.count};
    for (size_t i = 0; i < control->table.count; i++) {
        const struct control_zone *zone = control->table.zones[i];
        out->states[control_zone_state(zone, now)]++;
        out->waiting += !zone->busy && (zone->changed || (zone->due != 0 && zone->due <= now));
        if (!zone->published)
            continue;
        if (zone->earliest_expiry != 0 &&
            (out->earliest == 0 || zone->earliest_expiry < out->earliest)) {
            out->earliest = zone->earliest_expiry;
            out->first = zone;
        }
        if (zone->next_resign != 0 &&
            (out->next_resign == 0 || zone->next_resign < out->next_resign))
            out->next_resign = zone->next_resign;
    }
}

static json_t *process_object(const struct control_process_state *process)
{
    uint64_t memory = process->own + process->shared;
    return json_pack("{s:s,s:o,s:b,s:o,s:I,s:o}", "name", process->name, "pid",
                     process->pid > 0 ? json_integer(process->pid) : json_null(), "up", process->up,
                     "started", api_time(process->started), "restarts",
                     (json_int_t)process->restarts, "rss",
                     memory > 0 ? json_integer((json_int_t)memory) : json_null());
}

static json_t *process_list(struct control *control)
{
    struct control_process_state all[CONTROL_PROCESSES];
    json_t *list = json_array();
    control_processes(control, all);
    for (size_t i = 0; i < CONTROL_PROCESSES; i++)
        json_array_append_new(list, process_object(&all[i]));
    return list;
}

/* Seen while the registry was in use: what can be done is the same. */
static void note_damage(struct control *control)
{
    if (atomic_load(&control->registry_damaged) && control->damage.count == 0)
        registry_explain(control->registry, BASE_EFORMAT, &control->damage);
}

/* What is wrong with the server as a whole. */
static json_t *finding_list(struct control *control)
{
    struct base_findings clock;
    json_t *list, *more;
    note_damage(control);
    base_findings_init(&clock, 1);
    control_clock_tell(control, &clock);
    list = api_findings(&control->damage);
    more = api_findings(&clock);
    json_array_extend(list, more);
    json_decref(more);
    base_findings_free(&clock);
    control_tlsa_homeless(control, list);
    return list;
}

void control_serve_status(struct control *control, const struct api_request *request)
{
    struct overview all;
    base_time now = base_clock_now();
    look_over(control, now, &all);
    json_t *listen = json_array();
    for (size_t i = 0; i < control->config->listen_count; i++) {
        char text[NET_ADDRESS_TEXT];
        net_address_text(&control->config->listen[i].address, text);
        json_array_append_new(listen, json_string(text));
    }
    json_t *zones = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "total", (json_int_t)all.total, "ok",
                              (json_int_t)all.states[API_STATE_OK], "new",
                              (json_int_t)all.states[API_STATE_NEW], "pending",
                              (json_int_t)all.states[API_STATE_PENDING], "problem",
                              (json_int_t)all.states[API_STATE_PROBLEM], "expired",
                              (json_int_t)all.states[API_STATE_EXPIRED]);
    json_t *first = all.first != NULL ? api_name(all.first->name) : json_null();
    api_reply_json(
        request->reply, 200,
        json_pack("{s:s,s:o,s:o,s:b,s:o,s:o,s:o,s:o,s:{s:I,s:I},s:o,s:o,s:o}", "version",
                  KENTER_VERSION, "now", api_time(now), "started", api_time(control->started),
                  "ready", control->first_look_over, "zones", zones, "earliest_expiry",
                  api_time(all.earliest), "earliest_expiry_zone", first, "next_resign",
                  api_time(all.next_resign), "jobs", "running", (json_int_t)control->jobs,
                  "waiting", (json_int_t)all.waiting, "listen", listen, "processes",
                  process_list(control), "findings", finding_list(control)));
}

void control_serve_health(struct control *control, const struct api_request *request)
{
    struct overview all;
    look_over(control, base_clock_now(), &all);
    json_t *problems = json_array();
    note_damage(control);
    for (size_t i = 0; i < control->damage.count; i++)
        json_array_append_new(problems, json_sprintf("the registry %s: %s",
                                                     control->damage.items[i].place.file,
                                                     control->damage.items[i].message));
    if (!control->first_look_over && control->registry != NULL)
        json_array_append_new(problems, json_string("kenterd is still starting"));
    if (!control_keys_there(control))
        json_array_append_new(problems, json_string("the key process is not there"));
    if (control->config->listen_count > 0 && control->serve < 0)
        json_array_append_new(problems, json_string("the serve process is not there"));
    if (all.states[API_STATE_EXPIRED] > 0)
        json_array_append_new(
            problems, json_sprintf("%zu zones have expired", all.states[API_STATE_EXPIRED]));
    bool healthy = json_array_size(problems) == 0;
    api_reply_json(request->reply, healthy ? 200 : 503,
                   json_pack("{s:b,s:o}", "healthy", healthy, "problems", problems));
}

/* --- metrics --- */

static void head(struct base_buf *buf, const char *name, const char *kind, const char *help)
{
    base_buf_printf(buf, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
}

static void one(struct base_buf *buf, const char *name, const char *kind, const char *help,
                int64_t value)
{
    head(buf, name, kind, help);
    base_buf_printf(buf, "%s %" PRId64 "\n", name, value);
}

static void print_zones(const struct control *control, struct base_buf *buf, base_time now)
{
    struct overview all;
    look_over(control, now, &all);
    head(buf, "kenter_zones", "gauge", "zones by state");
    for (int state = 0; state < API_STATES; state++)
        base_buf_printf(buf, "kenter_zones{state=\"%s\"} %zu\n",
                        api_state_name((enum api_state)state), all.states[state]);
    if (all.earliest != 0)
        one(buf, "kenter_expiry_seconds", "gauge",
            "seconds to the earliest expiry of a signature of any zone", all.earliest - now);
    one(buf, "kenter_sign_queue", "gauge", "zones that wait to be worked on", (int64_t)all.waiting);
    head(buf, "kenter_tlsa_services", "gauge", "services whose TLSA records are kept, by step");
    control_tlsa_counts(control, buf);
    head(buf, "kenter_zone_expiry_seconds", "gauge",
         "seconds to the earliest expiry of a signature of the zone");
    for (size_t i = 0; i < control->table.count; i++) {
        const struct control_zone *zone = control->table.zones[i];
        char name[DNS_NAME_TEXT];
        if (!zone->published || zone->earliest_expiry == 0)
            continue;
        dns_name_text(name, zone->name);
        base_buf_text(buf, "kenter_zone_expiry_seconds{zone=\"");
        for (const char *at = name; *at != '\0'; at++) {
            if (*at == '"' || *at == '\\')
                base_buf_u8(buf, '\\');
            base_buf_u8(buf, (uint8_t)*at);
        }
        base_buf_printf(buf, "\"} %" PRId64 "\n", (int64_t)(zone->earliest_expiry - now));
    }
}

/* Serve tells its own memory. */
static void print_memory(struct control *control, struct base_buf *buf)
{
    struct control_process_state all[CONTROL_PROCESSES];
    control_processes(control, all);
    for (size_t i = 0; i < CONTROL_PROCESSES; i++) {
        if (i == CONTROL_SERVE || all[i].pid == 0)
            continue;
        base_buf_printf(buf,
                        "kenter_resident_bytes{process=\"%s\",pages=\"own\"} %" PRIu64
                        "\nkenter_resident_bytes{process=\"%s\",pages=\"shared\"} %" PRIu64 "\n",
                        all[i].name, all[i].own, all[i].name, all[i].shared);
    }
}

static void print_own(const struct control *control, struct base_buf *buf)
{
    one(buf, "kenter_jobs", "gauge", "zones that are worked on now", control->jobs);
    one(buf, "kenter_published_total", "counter", "versions published",
        (int64_t)control->published_total);
    one(buf, "kenter_signatures_total", "counter", "signatures made",
        (int64_t)control->signatures_total);
    one(buf, "kenter_refused_total", "counter", "versions not published, by source or gate",
        (int64_t)control->refused_total);
    one(buf, "kenter_gate_refusals_total", "counter", "versions that did not pass the gate",
        (int64_t)control->gate_refused_total);
    one(buf, "kenter_updates_total", "counter", "UPDATE messages answered",
        (int64_t)control->updates_total);
    one(buf, "kenter_updates_refused_total", "counter", "UPDATE messages refused",
        (int64_t)control->updates_refused_total);
    one(buf, "kenter_fetches_total", "counter", "looks at primaries",
        (int64_t)control->fetches_total);
    one(buf, "kenter_fetches_failed_total", "counter", "looks at primaries that failed",
        (int64_t)control->fetches_failed_total);
    one(buf, "kenter_notifies_sent_total", "counter", "NOTIFY messages begun to secondaries",
        (int64_t)control->notifies_total);
    one(buf, "kenter_outside_total", "counter", "publications asked for at the own sockets",
        (int64_t)control->outside_total);
    one(buf, "kenter_outside_failed_total", "counter",
        "of these, no answer, an old one, or one that does not validate",
        (int64_t)control->outside_failed_total);
    one(buf, "kenter_outside_skipped_total", "counter",
        "publications not asked for, since too many waited",
        (int64_t)control->outside_skipped_total);
    one(buf, "kenter_start_time_seconds", "gauge", "when the control process started",
        control->started);
}

/* A scrape that waits for what serve has counted. */
struct control_scrape {
    struct control_scrape *next;
    struct control *control;
    struct api_reply *reply;
    uint64_t id;
};

#define SERVE_ANSWERS_WITHIN 1000 /* milliseconds */

static void give(struct control *control, struct control_scrape *scrape, const char *more,
                 size_t length)
{
    struct base_buf buf;
    base_buf_init(&buf, 1u << 28);
    /* One metric's lines stand together: what serve begins with its memory goes on with ours. */
    base_buf_append(&buf, more, length);
    if (length == 0)
        head(&buf, "kenter_resident_bytes", "gauge", "memory of the processes");
    print_memory(control, &buf);
    print_own(control, &buf);
    print_zones(control, &buf, base_clock_now());
    if (buf.error == BASE_OK)
        api_reply_text(scrape->reply, 200, API_METRICS_TYPE, (char *)buf.data, buf.length);
    else
        api_reply_json(scrape->reply, 500, NULL);
    if (buf.error != BASE_OK)
        base_buf_free(&buf);
    free(scrape);
    control_api_kick(control);
}

/* Serve did not answer: what we know ourselves is better than nothing. */
static void on_late(uv_timer_t *timer)
{
    struct control *control = timer->data;
    while (control->scrapes != NULL) {
        struct control_scrape *scrape = control->scrapes;
        control->scrapes = scrape->next;
        give(control, scrape, "", 0);
    }
}

void control_serve_metrics(struct control *control, const struct api_request *request)
{
    struct control_scrape *scrape = calloc(1, sizeof(*scrape));
    if (scrape == NULL) {
        api_reply_json(request->reply, 500, NULL);
        return;
    }
    scrape->control = control;
    scrape->reply = request->reply;
    scrape->id = ++control->asked;
    struct process_message message = {.id = scrape->id, .type = SERVE_LINK_COUNT, .fd = -1};
    if (control_tell_serve(control, &message) != BASE_OK) {
        give(control, scrape, "", 0);
        return;
    }
    scrape->next = control->scrapes;
    control->scrapes = scrape;
    if (control->scrape_timer.data == NULL) {
        uv_timer_init(&control->loop, &control->scrape_timer);
        control->scrape_timer.data = control;
    }
    uv_timer_start(&control->scrape_timer, on_late, SERVE_ANSWERS_WITHIN, 0);
}

void control_scrapes_drop(struct control *control)
{
    while (control->scrapes != NULL) {
        struct control_scrape *scrape = control->scrapes;
        control->scrapes = scrape->next;
        free(scrape);
    }
}

void control_backend_counted(struct control *control, const struct process_message *message)
{
    struct control_scrape **at = &control->scrapes;
    while (*at != NULL && (*at)->id != message->id)
        at = &(*at)->next;
    if (*at == NULL)
        return;
    struct control_scrape *scrape = *at;
    *at = scrape->next;
    give(control, scrape, (const char *)message->data, message->length);
}
