/*
 * The API over zones that are only in memory, for tests of the API and of its client: nothing is
 * signed, served or kept. There are, beside those that are made by requests:
 *
 *   example.com.   of edits, published    file.test.   of a file    primary.test.   of primaries
 *   broken.test.   of a file, with a problem            new.test.   of edits, nothing published
 *
 * usage: apiserve [--zones N] [--later MILLISECONDS] [--metrics PORT] [--hostile yes] SOCKET
 * --zones: so many more, zNNNNNN.test. Changes and reloads are answered after --later. --hostile: a
 * zone whose name and problem are made of markup and of characters that steer.
 * Prints "ready" and serves until standard input ends.
 */
#include "api/api.h"
#include "base/error.h"
#include "dns/rdata.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define NOW        1795305599 /* 2026-11-21T23:59:59Z */
#define LATER_MAX  64
#define VERSIONED  "test"
#define FILE_PIECE 4096

struct record {
    uint8_t *owner, *rdata;
    uint32_t ttl;
    uint16_t type, length;
};

struct fake {
    uint8_t name[DNS_NAME_MAX];
    enum api_source source;
    enum api_state state;
    bool made;
    char *detail; /* file or primary */
    uint32_t serial;
    struct record *records;
    size_t count;
};

struct later {
    uint64_t at;
    const struct api_request *request;
};

struct server {
    struct fake **zones; /* in canonical order */
    size_t count;
    struct later later[LATER_MAX];
    size_t later_count;
    unsigned delay;
    uint64_t requests;
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void *need(void *memory)
{
    if (memory == NULL)
        die("memory");
    return memory;
}

/* --- zones --- */

static size_t place_of(const struct server *server, const uint8_t *name)
{
    size_t low = 0, high = server->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (dns_name_compare(server->zones[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct fake *find(const struct server *server, const uint8_t *name)
{
    size_t at = place_of(server, name);
    return at < server->count && dns_name_equal(server->zones[at]->name, name) ? server->zones[at]
                                                                               : NULL;
}

static struct fake *make(struct server *server, const uint8_t *name, enum api_source source,
                         enum api_state state, const char *detail)
{
    struct fake *zone = need(calloc(1, sizeof(*zone)));
    memcpy(zone->name, name, dns_name_length(name));
    zone->source = source;
    zone->state = state;
    zone->detail = detail != NULL ? need(strdup(detail)) : NULL;
    zone->serial = 1;
    size_t at = place_of(server, name);
    server->zones =
        need(realloc((void *)server->zones, (server->count + 1) * sizeof(*server->zones)));
    memmove((void *)(server->zones + at + 1), (void *)(server->zones + at),
            (server->count - at) * sizeof(*server->zones));
    server->zones[at] = zone;
    server->count++;
    return zone;
}

static struct fake *make_named(struct server *server, const char *text, enum api_source source,
                               enum api_state state, const char *detail)
{
    uint8_t name[DNS_NAME_MAX];
    size_t length;
    if (dns_name_from_text(name, &length, text, strlen(text), NULL) != BASE_OK)
        die(text);
    return make(server, name, source, state, detail);
}

static void drop_record(struct fake *zone, size_t at)
{
    free(zone->records[at].owner);
    free(zone->records[at].rdata);
    zone->records[at] = zone->records[--zone->count];
}

static void drop(struct server *server, struct fake *zone)
{
    size_t at = place_of(server, zone->name);
    memmove((void *)(server->zones + at), (void *)(server->zones + at + 1),
            (server->count - at - 1) * sizeof(*server->zones));
    server->count--;
    while (zone->count > 0)
        drop_record(zone, 0);
    free(zone->records);
    free(zone->detail);
    free(zone);
}

static void add_record(struct fake *zone, const uint8_t *owner, uint32_t ttl, uint16_t type,
                       const uint8_t *rdata, uint16_t length)
{
    zone->records = need(realloc(zone->records, (zone->count + 1) * sizeof(*zone->records)));
    struct record *record = &zone->records[zone->count++];
    *record = (struct record){.ttl = ttl, .type = type, .length = length};
    record->owner = need(malloc(dns_name_length(owner)));
    memcpy(record->owner, owner, dns_name_length(owner));
    record->rdata = need(malloc(length + 1));
    memcpy(record->rdata, rdata, length);
}

static void add_text(struct fake *zone, const char *owner, uint16_t type, const char *words)
{
    uint8_t name[DNS_NAME_MAX];
    static uint8_t rdata[DNS_RDATA_MAX];
    struct dns_token tokens[16];
    size_t name_length, length = 0, count = 0;
    bool canonical;
    for (const char *at = words; *at != '\0';) {
        size_t word = strcspn(at, " ");
        tokens[count++] = (struct dns_token){.text = at, .length = (uint32_t)word};
        at += word + strspn(at + word, " ");
    }
    if (dns_name_from_text(name, &name_length, owner, strlen(owner), zone->name) != BASE_OK ||
        dns_rdata_from_text(type, tokens, count, zone->name, rdata, &length, &canonical, NULL) !=
            BASE_OK)
        die(words);
    add_record(zone, name, 3600, type, rdata, (uint16_t)length);
}

static void fill(struct fake *zone)
{
    add_text(zone, "@", DNS_TYPE_SOA, "ns1 hostmaster 1 7200 3600 1209600 300");
    add_text(zone, "@", DNS_TYPE_NS, "ns1");
    add_text(zone, "ns1", DNS_TYPE_A, "192.0.2.1");
    add_text(zone, "www", DNS_TYPE_A, "192.0.2.80");
}

/* --- replies --- */

static bool published(const struct fake *zone)
{
    return zone->state != API_STATE_NEW;
}

static const char *source_name(enum api_source source)
{
    static const char *const names[] = {"file", "primary", "edits"};
    return names[source];
}

static json_t *text_or_null(const char *text)
{
    return text != NULL ? json_string(text) : json_null();
}

static json_t *zone_object(const struct fake *zone)
{
    bool there = published(zone);
    const char *file = zone->source == API_SOURCE_FILE ? zone->detail : NULL;
    json_t *primaries = json_array();
    if (zone->source == API_SOURCE_PRIMARY)
        json_array_append_new(primaries, json_string(zone->detail));
    return json_pack("{s:o, s:{s:s, s:s, s:o, s:o}, s:s, s:s, s:o, s:b, s:i, s:i, s:o, s:o, s:o, "
                     "s:o, s:o, s:i, s:o}",
                     "zone", api_name(zone->name), "source", "kind", source_name(zone->source),
                     "from", zone->made ? "api" : "configuration", "file", text_or_null(file),
                     "primaries", primaries, "state", api_state_name(zone->state), "policy",
                     "default", "serial", there ? json_integer(zone->serial) : json_null(),
                     "signed", there, "names", (int)zone->count, "records", (int)zone->count,
                     "published", api_time(there ? NOW - 3600 : 0), "checked", api_time(NOW - 60),
                     "next_resign", api_time(there ? NOW + 5 * 86400 : 0), "earliest_expiry",
                     api_time(there ? NOW + 12 * 86400 : 0), "expires",
                     api_time(zone->source == API_SOURCE_PRIMARY ? NOW + 604800 : 0), "problems",
                     zone->state == API_STATE_PROBLEM ? 1 : 0, "problem",
                     zone->state == API_STATE_PROBLEM ? json_string("line 7 is as a test wants it")
                                                      : json_null());
}

static void reply_zones(struct server *server, const struct api_request *request)
{
    json_t *list = json_array(), *next = NULL;
    size_t at = request->has_after ? place_of(server, request->after) : 0;
    if (at < server->count && request->has_after &&
        dns_name_equal(server->zones[at]->name, request->after))
        at++;
    const uint8_t *last = NULL;
    for (; at < server->count; at++) {
        const struct fake *zone = server->zones[at];
        if (request->state != API_STATE_ANY && zone->state != request->state)
            continue;
        if (json_array_size(list) == request->count) {
            next = api_name(last);
            break;
        }
        json_array_append_new(list, zone_object(zone));
        last = zone->name;
    }
    api_reply_json(request->reply, 200,
                   json_pack("{s:o, s:o, s:s, s:b}", "zones", list, "next",
                             next != NULL ? next : json_null(), "mark",
                             "000000000000000100000000000000ff", "complete", 1));
}

static void reply_status(struct server *server, const struct api_request *request)
{
    int states[API_STATES] = {0};
    for (size_t i = 0; i < server->count; i++)
        states[server->zones[i]->state]++;
    json_t *zones = json_pack("{s:i}", "total", (int)server->count);
    for (int state = 0; state < API_STATES; state++)
        json_object_set_new(zones, api_state_name((enum api_state)state),
                            json_integer(states[state]));
    json_t *process =
        json_pack("{s:s, s:i, s:b, s:o, s:i, s:i}", "name", "control", "pid", (int)getpid(), "up",
                  1, "started", api_time(NOW - 7200), "restarts", 0, "rss", 12345678);
    api_reply_json(
        request->reply, 200,
        json_pack("{s:s, s:o, s:o, s:b, s:o, s:o, s:s, s:o, s:{s:i, s:i}, s:[s], s:[o], s:[]}",
                  "version", VERSIONED, "now", api_time(NOW), "started", api_time(NOW - 7200),
                  "ready", 1, "zones", zones, "earliest_expiry", api_time(NOW + 12 * 86400),
                  "earliest_expiry_zone", "example.com.", "next_resign", api_time(NOW + 5 * 86400),
                  "jobs", "running", 0, "waiting", (int)server->later_count, "listen",
                  "127.0.0.1@5300", "processes", process, "findings"));
}

static void problem_of(const struct fake *zone, struct base_findings *findings)
{
    base_findings_init(findings, 10);
    struct base_place place = {.file = zone->detail, .line = 7, .column = 3};
    if (zone->state == API_STATE_PROBLEM)
        base_findings_add(findings, GATE_REFUSED, &place,
                          "the seventh line of %s is as a test wants it", zone->detail);
}

static void reply_why(const struct fake *zone, const struct api_request *request)
{
    struct base_findings findings;
    problem_of(zone, &findings);
    const char *because = zone->state == API_STATE_PROBLEM
                              ? "The file cannot be used; serial 1 goes on being served."
                          : zone->state == API_STATE_NEW ? "It waits for its first records."
                                                         : "All is well.";
    api_reply_json(request->reply, 200,
                   json_pack("{s:o, s:s, s:s, s:o}", "zone", api_name(zone->name), "state",
                             api_state_name(zone->state), "because", because, "findings",
                             api_findings(&findings)));
    base_findings_free(&findings);
}

static void reply_log(const struct fake *zone, const struct api_request *request)
{
    json_t *events = json_array();
    for (unsigned i = 0; i < request->count && i < 30; i++) {
        char text[64];
        snprintf(text, sizeof(text), "serial %u was published", 30 - i);
        json_array_append_new(events, json_pack("{s:o, s:s, s:s, s:s}", "at",
                                                api_time(NOW - 60 * i), "severity", "info", "code",
                                                "zone.published", "text", text));
    }
    api_reply_json(request->reply, 200,
                   json_pack("{s:o, s:o}", "zone", api_name(zone->name), "events", events));
}

static json_t *record_object(const struct record *record)
{
    return api_record(record->owner, record->ttl, record->type, record->rdata, record->length);
}

static void reply_records(const struct fake *zone, const struct api_request *request)
{
    json_t *list = json_array();
    for (size_t i = 0; i < zone->count; i++) {
        const struct record *record = &zone->records[i];
        if (dns_name_equal(record->owner, request->name) &&
            (request->type == 0 || request->type == record->type))
            json_array_append_new(list, record_object(record));
    }
    api_reply_json(request->reply, 200,
                   json_pack("{s:o, s:i, s:o}", "zone", api_name(zone->name), "serial",
                             (int)zone->serial, "records", list));
}

struct text {
    struct base_buf buf;
    size_t at;
};

static int next_text(void *context, char **piece, size_t *length)
{
    struct text *text = context;
    size_t left = text->buf.length - text->at;
    if (left == 0)
        return BASE_ENOENT;
    *length = left < FILE_PIECE ? left : FILE_PIECE;
    *piece = need(malloc(*length));
    memcpy(*piece, text->buf.data + text->at, *length);
    text->at += *length;
    return BASE_OK;
}

static void free_text(void *context)
{
    struct text *text = context;
    base_buf_free(&text->buf);
    free(text);
}

static void reply_file(const struct fake *zone, const struct api_request *request)
{
    struct text *text = need(calloc(1, sizeof(*text)));
    base_buf_init(&text->buf, SIZE_MAX / 2);
    char name[DNS_NAME_TEXT], type[DNS_TYPE_TEXT];
    if (request->with_signing)
        base_buf_printf(&text->buf, "; signed, serial %u\n", zone->serial);
    for (size_t i = 0; i < zone->count; i++) {
        const struct record *record = &zone->records[i];
        base_buf_printf(&text->buf, "%s %u IN %s ", dns_name_text(name, record->owner), record->ttl,
                        dns_type_text(type, record->type));
        dns_rdata_to_text(&text->buf, record->type, record->rdata, record->length, DNS_TEXT_PLAIN);
        base_buf_u8(&text->buf, '\n');
    }
    api_reply_pieces(request->reply, 200, API_FILE_TYPE, next_text, free_text, text);
}

static void reply_metrics(struct server *server, const struct api_request *request)
{
    struct base_buf buf;
    base_buf_init(&buf, SIZE_MAX / 2);
    uint64_t n = ++server->requests;
    base_buf_printf(&buf,
                    "# HELP kenter_questions_total queries by type\n"
                    "# TYPE kenter_questions_total counter\n"
                    "kenter_questions_total{type=\"A\"} %llu\n"
                    "kenter_questions_total{type=\"AAAA\"} %llu\n"
                    "# TYPE kenter_answers_total counter\n"
                    "kenter_answers_total{rcode=\"NOERROR\"} %llu\n"
                    "kenter_answers_total{rcode=\"NXDOMAIN\"} %llu\n"
                    "# TYPE kenter_zones gauge\n"
                    "kenter_zones{state=\"ok\"} %zu\n"
                    "kenter_resident_bytes{process=\"serve\",pages=\"own\"} 7000000\n",
                    (unsigned long long)n * 1000, (unsigned long long)n * 300,
                    (unsigned long long)n * 1200, (unsigned long long)n * 100, server->count);
    api_reply_text(request->reply, 200, API_METRICS_TYPE, (char *)buf.data, buf.length);
}

/* --- changes --- */

static bool edit_takes(const struct api_edit *edit, const struct record *record)
{
    if (!dns_name_equal(edit->owner, record->owner))
        return false;
    if (edit->action == API_SET)
        return edit->type == record->type;
    if (edit->action == API_ADD || (edit->type != DNS_TYPE_ANY && edit->type != record->type))
        return false;
    return edit->rdata == NULL || (edit->length == record->length &&
                                   memcmp(edit->rdata, record->rdata, record->length) == 0);
}

static bool is_same(const struct api_edit *edit, const struct record *record)
{
    return dns_name_equal(edit->owner, record->owner) && edit->type == record->type &&
           edit->ttl == record->ttl && edit->length == record->length &&
           memcmp(edit->rdata, record->rdata, record->length) == 0;
}

static bool has_record(const struct fake *zone, const struct api_edit *edit)
{
    for (size_t i = 0; i < zone->count; i++) {
        if (is_same(edit, &zone->records[i]))
            return true;
    }
    return false;
}

static json_t *edit_object(const struct api_edit *edit)
{
    return api_record(edit->owner, edit->ttl, edit->type, edit->rdata, edit->length);
}

static void reply_change(struct fake *zone, const struct api_request *request)
{
    const struct api_change *change = &request->change;
    json_t *removed = json_array(), *added = json_array();
    for (size_t e = 0; e < change->count; e++) {
        const struct api_edit *edit = &change->edits[e];
        for (size_t i = zone->count; i > 0; i--) {
            if (!edit_takes(edit, &zone->records[i - 1]) ||
                (edit->action == API_SET && is_same(edit, &zone->records[i - 1])))
                continue;
            json_array_append_new(removed, record_object(&zone->records[i - 1]));
            if (!change->dry_run)
                drop_record(zone, i - 1);
        }
        if (edit->action == API_DELETE || has_record(zone, edit))
            continue;
        json_array_append_new(added, edit_object(edit));
        if (!change->dry_run)
            add_record(zone, edit->owner, edit->ttl, edit->type, edit->rdata, edit->length);
    }
    if (!change->dry_run && json_array_size(removed) + json_array_size(added) > 0) {
        zone->serial++;
        zone->state = API_STATE_OK;
    }
    api_reply_json(request->reply, 200,
                   json_pack("{s:o, s:o, s:b, s:o, s:o, s:[]}", "zone", api_name(zone->name),
                             "serial", published(zone) ? json_integer(zone->serial) : json_null(),
                             "dry_run", change->dry_run, "removed", removed, "added", added,
                             "findings"));
}

static void change(struct fake *zone, const struct api_request *request)
{
    if (zone->source != API_SOURCE_EDITS)
        api_reply_error(request->reply, 409, API_NOT_EDITABLE, "its source is the %s %s",
                        source_name(zone->source), zone->detail);
    else if (request->change.has_serial && request->change.serial != zone->serial)
        api_reply_error(request->reply, 409, API_CONFLICT, "its serial is %u, not %u", zone->serial,
                        request->change.serial);
    else
        reply_change(zone, request);
}

static void create(struct server *server, const struct api_request *request)
{
    const struct api_create *wish = &request->create;
    if (find(server, request->zone) != NULL) {
        api_reply_error(request->reply, 409, API_ZONE_EXISTS, "the zone is there already");
        return;
    }
    if (wish->policy != NULL && strcmp(wish->policy, "default") != 0) {
        api_reply_error(request->reply, 422, API_POLICY_UNKNOWN, "there is no policy %s",
                        wish->policy);
        return;
    }
    const char *detail = wish->source == API_SOURCE_FILE      ? wish->file
                         : wish->source == API_SOURCE_PRIMARY ? wish->primaries[0]
                                                              : NULL;
    bool empty = wish->source == API_SOURCE_EDITS && wish->content == NULL;
    struct fake *zone = make(server, request->zone, wish->source,
                             empty ? API_STATE_NEW : API_STATE_PENDING, detail);
    zone->made = true;
    if (!empty)
        fill(zone);
    api_reply_json(request->reply, 201, zone_object(zone));
}

static void reload(const struct server *server, const struct fake *zone,
                   const struct api_request *request)
{
    struct base_findings findings;
    base_findings_init(&findings, 10);
    if (zone != NULL)
        problem_of(zone, &findings);
    api_reply_json(request->reply, zone != NULL ? 200 : 202,
                   json_pack("{s:i, s:b, s:o}", "zones", zone != NULL ? 1 : (int)server->count,
                             "done", zone != NULL, "findings", api_findings(&findings)));
    base_findings_free(&findings);
}

static void delete_zone(struct server *server, struct fake *zone, const struct api_request *request)
{
    if (!zone->made) {
        api_reply_error(request->reply, 409, API_ZONE_GIVEN, "it stands in the configuration");
        return;
    }
    json_t *name = api_name(zone->name);
    drop(server, zone);
    api_reply_json(request->reply, 200, json_pack("{s:o}", "zone", name));
}

static void serve_zone(struct server *server, struct fake *zone, const struct api_request *request)
{
    bool needs_version = request->operation == API_RECORDS || request->operation == API_FILE;
    if (needs_version && !published(zone)) {
        api_reply_error(request->reply, 409, API_UNPUBLISHED, "it has no records yet");
        return;
    }
    switch (request->operation) {
    case API_ZONE:
        api_reply_json(request->reply, 200, zone_object(zone));
        break;
    case API_ZONE_DELETE:
        delete_zone(server, zone, request);
        break;
    case API_WHY:
        reply_why(zone, request);
        break;
    case API_LOG:
        reply_log(zone, request);
        break;
    case API_RECORDS:
        reply_records(zone, request);
        break;
    case API_FILE:
        reply_file(zone, request);
        break;
    case API_CHANGE:
        change(zone, request);
        break;
    default:
        reload(server, zone, request);
    }
}

static json_t *service_object(const struct api_service *service)
{
    json_t *record =
        json_string("3 1 1 0b9fa5a59eed715c26c1020c711b4f6ec42d58b0015e14337a39dad301c5afc3");
    json_t *file = json_pack("{s:s, s:O, s:o, s:n}", "file", "/etc/mail/cert.pem", "record", record,
                             "not_after", api_time(NOW + 86400), "error");
    json_t *kenterd = json_pack("{s:s, s:b, s:[o], s:i}", "name", "kenterd", "answered", 1,
                                "records", record, "ttl", 3600);
    return json_pack(
        "{s:o, s:i, s:s, s:s, s:o, s:s, s:s, s:b, s:n, s:o, s:o, s:n, s:[], s:[o], s:[]}", "host",
        api_name(service->host), "port", service->port, "protocol", service->udp ? "udp" : "tcp",
        "zone", "example.com.", "owner", api_name(service->host), "step", "done", "reason",
        "all is well", "switch_safe", 0, "safe_at", "next_look", api_time(NOW + 3600), "current",
        file, "next", "old", "servers", kenterd, "findings");
}

/* mx.example.com, port 25 and 443/udp. */
static void reply_tlsa(const struct api_request *request)
{
    static const uint8_t host[] = "\2mx\7example\3com";
    struct api_service service = request->service;
    if (request->operation == API_TLSA_LIST) {
        memcpy(service.host, host, sizeof(host));
        service.port = 25;
        api_reply_json(request->reply, 200,
                       json_pack("{s:[o]}", "services", service_object(&service)));
    } else if (!dns_name_equal(service.host, host) || service.port != (service.udp ? 443 : 25)) {
        api_reply_error(request->reply, 404, API_SERVICE_UNKNOWN, "there is no such service");
    } else {
        api_reply_json(request->reply, 200, service_object(&service));
    }
}

static void serve_now(struct server *server, const struct api_request *request)
{
    struct fake *zone = request->has_zone ? find(server, request->zone) : NULL;
    if (request->operation == API_ZONE_CREATE) {
        create(server, request);
    } else if (request->has_zone && zone == NULL) {
        char name[DNS_NAME_TEXT];
        api_reply_error(request->reply, 404, API_ZONE_UNKNOWN, "there is no zone %s",
                        dns_name_text(name, request->zone));
    } else if (zone != NULL) {
        serve_zone(server, zone, request);
    } else if (request->operation == API_TLSA_LIST || request->operation == API_TLSA ||
               request->operation == API_TLSA_LOOK) {
        reply_tlsa(request);
    } else if (request->operation == API_ZONES) {
        reply_zones(server, request);
    } else if (request->operation == API_STATUS) {
        reply_status(server, request);
    } else if (request->operation == API_METRICS) {
        reply_metrics(server, request);
    } else if (request->operation == API_HEALTH) {
        api_reply_json(request->reply, 200, json_pack("{s:b, s:[]}", "healthy", 1, "problems"));
    } else {
        reload(server, NULL, request);
    }
}

static void serve(void *context, const struct api_request *request)
{
    struct server *server = context;
    bool waits = request->operation == API_CHANGE || request->operation == API_RELOAD;
    if (!waits || server->delay == 0 || server->later_count == LATER_MAX) {
        serve_now(server, request);
        return;
    }
    server->later[server->later_count++] = (struct later){
        .at = base_clock_monotonic() + (uint64_t)server->delay * 1000000, .request = request};
}

/* Gives the replies whose time has come; milliseconds until the next, -1: there is none. */
static int serve_later(struct server *server)
{
    uint64_t now = base_clock_monotonic();
    int next = -1;
    for (size_t i = 0; i < server->later_count;) {
        struct later later = server->later[i];
        if (later.at <= now) {
            server->later[i] = server->later[--server->later_count];
            serve_now(server, later.request);
            continue;
        }
        int wait = (int)((later.at - now) / 1000000) + 1;
        next = next < 0 || wait < next ? wait : next;
        i++;
    }
    return next;
}

/* --- the program --- */

static int listen_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(fd, 64) != 0)
        die(path);
    return fd;
}

static int listen_tcp(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(port)),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 64) != 0)
        die(port);
    return fd;
}

/* What must not become more than text, wherever it is shown. */
#define HOSTILE_ZONE "<script>alert\\(1\\)</script>&'\\\".\\007%41+b.test."
#define HOSTILE_TEXT "/etc/<img src=x onerror='alert(1)'>&amp;\"\x1b[31m\xe2\x80\xae"

static void make_zones(struct server *server, int more, bool hostile)
{
    fill(make_named(server, "example.com.", API_SOURCE_EDITS, API_STATE_OK, NULL));
    fill(make_named(server, "file.test.", API_SOURCE_FILE, API_STATE_OK, "/etc/zones/file.zone"));
    fill(make_named(server, "primary.test.", API_SOURCE_PRIMARY, API_STATE_OK, "192.0.2.53"));
    fill(make_named(server, "broken.test.", API_SOURCE_FILE, API_STATE_PROBLEM,
                    "/etc/zones/broken.zone"));
    make_named(server, "new.test.", API_SOURCE_EDITS, API_STATE_NEW, NULL);
    fill(make_named(server, "0/25.2.0.192.in-addr.arpa.", API_SOURCE_EDITS, API_STATE_OK, NULL));
    if (hostile)
        make_named(server, HOSTILE_ZONE, API_SOURCE_FILE, API_STATE_PROBLEM, HOSTILE_TEXT);
    for (int i = 0; i < more; i++) {
        char name[64];
        snprintf(name, sizeof(name), "z%06d.test.", i);
        fill(make_named(server, name, API_SOURCE_FILE, API_STATE_OK, "/etc/zones/z.zone"));
    }
}

static void run(struct server *server, struct api *api)
{
    for (;;) {
        int wait;
        api_run(api, &wait);
        int later = serve_later(server);
        if (later >= 0 && (wait < 0 || later < wait))
            wait = later;
        struct pollfd polled[2] = {{.fd = api_descriptor(api), .events = POLLIN},
                                   {.fd = STDIN_FILENO, .events = POLLIN}};
        poll(polled, 2, wait);
        char ignored[64];
        if (polled[1].revents != 0 && read(STDIN_FILENO, ignored, sizeof(ignored)) <= 0)
            return;
    }
}

int main(int argc, char **argv)
{
    struct server server = {.delay = 0};
    struct api_options options = {.metrics = -1,
                                  .backend = {.serve = serve, .context = &server},
                                  .log = {.least = BASE_LOG_DEBUG, .fd = STDERR_FILENO}};
    int at = 1, zones = 0;
    bool hostile = false;
    for (; at + 1 < argc && argv[at][0] == '-'; at += 2) {
        if (strcmp(argv[at], "--zones") == 0)
            zones = atoi(argv[at + 1]);
        else if (strcmp(argv[at], "--later") == 0)
            server.delay = (unsigned)atoi(argv[at + 1]);
        else if (strcmp(argv[at], "--metrics") == 0)
            options.metrics = listen_tcp(argv[at + 1]);
        else if (strcmp(argv[at], "--hostile") == 0)
            hostile = strcmp(argv[at + 1], "yes") == 0;
    }
    if (at + 1 != argc)
        die("usage: apiserve [--zones N] [--later MILLISECONDS] [--metrics PORT] SOCKET");
    make_zones(&server, zones, hostile);
    options.socket = listen_unix(argv[at]);
    struct api *api;
    if (api_new(&options, &api) != BASE_OK)
        die("api_new");
    puts("ready");
    fflush(stdout);
    run(&server, api);
    api_free(api);
    while (server.count > 0)
        drop(&server, server.zones[0]);
    free((void *)server.zones);
    return 0;
}
