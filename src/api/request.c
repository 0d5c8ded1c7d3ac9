/* Requests to operations: see request.h. */
#include "api/request.h"

#include "api/body.h"
#include "api/edits.h"
#include "base/error.h"
#include "base/nearest.h"
#include "dns/rdata.h"
#include "dns/scalar.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#define SEGMENTS_MAX   5 /* of a path: "v1", "tlsa", HOST:PORT, "udp", "look" */
#define PARAMETERS_MAX 8

static const uint8_t root[1] = {0};

/* --- tables --- */

struct route {
    const char *method;
    const char *segments[SEGMENTS_MAX]; /* "*": the zone, or the service */
    enum api_operation operation;
    const struct api_member *body; /* NULL: none */
    bool metrics;                  /* also at that door */
    enum api_page page;            /* what comes out; the operation is its first */
};

static const struct route routes[] = {
    {"GET", {"v1", "status"}, API_STATUS, NULL, false, API_PAGE_NONE},
    {"GET", {"v1", "zones"}, API_ZONES, NULL, false, API_PAGE_NONE},
    {"POST", {"v1", "zones"}, API_ZONE_CREATE, api_create_members, false, API_PAGE_NONE},
    {"GET", {"v1", "zones", "*"}, API_ZONE, NULL, false, API_PAGE_NONE},
    {"DELETE", {"v1", "zones", "*"}, API_ZONE_DELETE, NULL, false, API_PAGE_NONE},
    {"GET", {"v1", "zones", "*", "why"}, API_WHY, NULL, false, API_PAGE_NONE},
    {"GET", {"v1", "zones", "*", "log"}, API_LOG, NULL, false, API_PAGE_NONE},
    {"GET", {"v1", "zones", "*", "records"}, API_RECORDS, NULL, false, API_PAGE_NONE},
    {"GET", {"v1", "zones", "*", "file"}, API_FILE, NULL, false, API_PAGE_NONE},
    {"POST", {"v1", "zones", "*", "changes"}, API_CHANGE, api_change_members, false, API_PAGE_NONE},
    {"POST", {"v1", "zones", "*", "reload"}, API_RELOAD, NULL, false, API_PAGE_NONE},
    {"POST", {"v1", "reload"}, API_RELOAD, NULL, false, API_PAGE_NONE},
    {"GET", {"v1", "tlsa"}, API_TLSA_LIST, NULL, false, API_PAGE_NONE},
    {"GET", {"v1", "tlsa", "*"}, API_TLSA, NULL, false, API_PAGE_NONE},
    {"GET", {"v1", "tlsa", "*", "udp"}, API_TLSA, NULL, false, API_PAGE_NONE},
    {"POST", {"v1", "tlsa", "*", "look"}, API_TLSA_LOOK, NULL, false, API_PAGE_NONE},
    {"POST", {"v1", "tlsa", "*", "udp", "look"}, API_TLSA_LOOK, NULL, false, API_PAGE_NONE},
    {"GET", {"metrics"}, API_METRICS, NULL, true, API_PAGE_NONE},
    {"GET", {"healthz"}, API_HEALTH, NULL, true, API_PAGE_NONE},
    {"GET", {""}, API_STATUS, NULL, true, API_PAGE_OVERVIEW},
    {"GET", {"zone"}, API_ZONE, NULL, true, API_PAGE_ZONE},
};
#define ROUTES (sizeof(routes) / sizeof(routes[0]))

static const char *const parameter_names[API_OPERATIONS][PARAMETERS_MAX] = {
    [API_ZONES] = {"after", "limit", "state", "since"},
    [API_LOG] = {"count"},
    [API_RECORDS] = {"name", "type", "signed"},
    [API_FILE] = {"signed"},
};
static const char *const page_parameter_names[][PARAMETERS_MAX] = {
    [API_PAGE_OVERVIEW] = {"after", "limit", "state"},
    [API_PAGE_ZONE] = {"zone", "count"},
};

/* --- a request that is being read --- */

struct parameter {
    const char *name, *value;
};

struct reading {
    const struct api_input *input;
    struct base_arena *arena;
    struct base_findings *findings;
    struct api_request *out;
    const struct route *route;
    const char *segments[SEGMENTS_MAX];
    size_t segment_count;
    struct parameter parameters[PARAMETERS_MAX];
    size_t parameter_count;
};

static unsigned no_memory(struct reading *reading)
{
    base_findings_add(reading->findings, API_FAILED, NULL, "there is no memory for the request");
    return 500;
}

static unsigned bad(struct reading *reading, const char *what, const char *text)
{
    base_findings_add(reading->findings, API_REQUEST_BAD, NULL, what, text);
    return 400;
}

/* Takes off the percent-encoding (RFC 3986 section 2.1). NULL: it is wrong, or no memory. */
static const char *decode(struct reading *reading, const char *text, size_t length)
{
    char *out = base_arena_alloc(reading->arena, length + 1), *at = out;
    if (out == NULL)
        return NULL;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (c == '%') {
            if (length - i < 3)
                return NULL;
            int high = dns_scalar_hex_digit(text[i + 1]), low = dns_scalar_hex_digit(text[i + 2]);
            if (high < 0 || low < 0)
                return NULL;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (c == '\0')
            return NULL;
        *at++ = c;
    }
    *at = '\0';
    return out;
}

/* --- host --- */

/* Somebody's page can have a browser here read what is under a name of theirs, which they let lead
 * to this machine (DNS rebinding); under an address, or a name that never leaves the machine
 * (RFC 6761 section 6.3), they cannot. */
static bool is_own_host(const char *host)
{
    uint8_t address[16];
    char name[64];
    if (host == NULL || host[0] == '\0')
        return true;
    bool v6 = host[0] == '[';
    size_t length = strcspn(host + v6, v6 ? "]" : ":");
    const char *rest = host + v6 + length;
    rest += v6 && *rest == ']';
    if (length >= sizeof(name) || (*rest != '\0' && *rest != ':'))
        return false;
    memcpy(name, host + v6, length);
    name[length] = '\0';
    if (v6)
        return inet_pton(AF_INET6, name, address) == 1;
    return inet_pton(AF_INET, name, address) == 1 || strcasecmp(name, "localhost") == 0;
}

static unsigned foreign_host(struct reading *reading)
{
    base_findings_add(reading->findings, API_HOST, NULL,
                      "pages are shown under an address or localhost, not under the name %.200s",
                      reading->input->host);
    return 421;
}

/* --- path --- */

static unsigned unknown_path(struct reading *reading)
{
    base_findings_add(reading->findings, API_PATH_UNKNOWN, NULL, "there is no path %.200s",
                      reading->input->target);
    return 404;
}

static unsigned split_path(struct reading *reading)
{
    const char *at = reading->input->target;
    if (*at != '/')
        return unknown_path(reading);
    while (*at == '/') {
        at++;
        size_t length = strcspn(at, "/?#");
        bool top = length == 0 && reading->segment_count == 0 && *at != '/';
        if (reading->segment_count == SEGMENTS_MAX || (length == 0 && !top))
            return unknown_path(reading);
        const char *segment = decode(reading, at, length);
        if (segment == NULL)
            return bad(reading, "the path %.200s is not well encoded", reading->input->target);
        reading->segments[reading->segment_count++] = segment;
        at += length;
    }
    return 200;
}

static bool has_path(const struct reading *reading, const struct route *route)
{
    size_t count = 0;
    while (count < SEGMENTS_MAX && route->segments[count] != NULL)
        count++;
    if (count != reading->segment_count ||
        (reading->input->door == API_DOOR_METRICS && !route->metrics))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(route->segments[i], "*") != 0 &&
            strcmp(route->segments[i], reading->segments[i]) != 0)
            return false;
    }
    return true;
}

/* What a path can do; static text. */
static const char *methods_of(const struct reading *reading)
{
    bool get = false, post = false, delete = false;
    for (size_t i = 0; i < ROUTES; i++) {
        if (!has_path(reading, &routes[i]))
            continue;
        get |= strcmp(routes[i].method, "GET") == 0;
        post |= strcmp(routes[i].method, "POST") == 0;
        delete |= strcmp(routes[i].method, "DELETE") == 0;
    }
    if (get)
        return post ? "GET, HEAD, POST" : delete ? "GET, HEAD, DELETE" : "GET, HEAD";
    return post ? "POST" : NULL;
}

static unsigned find_route(struct reading *reading, const char **allow)
{
    const char *method = reading->input->method;
    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    for (size_t i = 0; i < ROUTES; i++) {
        if (has_path(reading, &routes[i]) && strcmp(routes[i].method, method) == 0) {
            reading->route = &routes[i];
            reading->out->operation = routes[i].operation;
            reading->out->page = routes[i].page;
            return 200;
        }
    }
    const char *methods = methods_of(reading);
    if (methods == NULL)
        return unknown_path(reading);
    *allow = methods;
    base_findings_add(reading->findings, API_METHOD_UNKNOWN, NULL,
                      "%.200s does not do %.20s, but %s", reading->input->target, method, methods);
    return 405;
}

static unsigned read_name(struct reading *reading, const char *text, const uint8_t *origin,
                          uint8_t out[DNS_NAME_MAX])
{
    size_t length;
    if (dns_name_from_text(out, &length, text, strlen(text), origin) != BASE_OK)
        return bad(reading, "\"%.200s\" is not a domain name", text);
    return 200;
}

static unsigned read_zone(struct reading *reading, const char *text)
{
    unsigned status = read_name(reading, text, root, reading->out->zone);
    if (status == 200)
        dns_name_lower(reading->out->zone, reading->out->zone);
    reading->out->has_zone = status == 200;
    return status;
}

/* "mx.example.net:25", and "udp" behind it in the path. */
static unsigned read_service(struct reading *reading)
{
    struct api_service *service = &reading->out->service;
    const char *text = reading->segments[2], *colon = strrchr(text, ':');
    uint64_t port;
    size_t length;
    if (colon == NULL || !dns_scalar_number(colon + 1, strlen(colon + 1), 65535, &port) ||
        port == 0 ||
        dns_name_from_text(service->host, &length, text, (size_t)(colon - text), root) != BASE_OK)
        return bad(reading, "\"%.200s\" is no service: HOST:PORT", text);
    dns_name_lower(service->host, service->host);
    service->port = (uint16_t)port;
    service->udp = reading->segment_count > 3 && strcmp(reading->segments[3], "udp") == 0;
    return 200;
}

static unsigned read_object(struct reading *reading)
{
    enum api_operation operation = reading->route->operation;
    return operation == API_TLSA || operation == API_TLSA_LOOK
               ? read_service(reading)
               : read_zone(reading, reading->segments[2]);
}

/* --- parameters --- */

static unsigned add_parameter(struct reading *reading, const char *text, size_t length)
{
    const char *equals = memchr(text, '=', length);
    size_t name_length = equals != NULL ? (size_t)(equals - text) : length;
    const char *name = decode(reading, text, name_length);
    const char *value = equals != NULL ? decode(reading, equals + 1, length - name_length - 1) : "";
    if (name == NULL || value == NULL)
        return bad(reading, "the parameters of %.200s are not well encoded",
                   reading->input->target);
    bool page = reading->route->page != API_PAGE_NONE;
    const char *const *names = page ? page_parameter_names[reading->route->page]
                                    : parameter_names[reading->route->operation];
    for (size_t i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], name) != 0)
            continue;
        for (size_t j = 0; j < reading->parameter_count; j++) {
            if (strcmp(reading->parameters[j].name, name) == 0)
                return bad(reading, "the parameter %s is given twice", name);
        }
        if (page && *value == '\0')
            return 200; /* a field of a form that was left empty */
        reading->parameters[reading->parameter_count++] = (struct parameter){name, value};
        return 200;
    }
    const char *near = base_nearest(name, names);
    base_findings_add(reading->findings, API_REQUEST_BAD, NULL,
                      "there is no parameter \"%.60s\"%s%s%s", name,
                      near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
                      near != NULL ? "\"?" : "");
    return 400;
}

static unsigned split_parameters(struct reading *reading)
{
    const char *at = strchr(reading->input->target, '?');
    while (at != NULL && *at != '\0' && *at != '#') {
        at++;
        size_t length = strcspn(at, "&#");
        unsigned status = length > 0 ? add_parameter(reading, at, length) : 200;
        if (status != 200)
            return status;
        at += length;
    }
    return 200;
}

static const char *parameter(const struct reading *reading, const char *name)
{
    for (size_t i = 0; i < reading->parameter_count; i++) {
        if (strcmp(reading->parameters[i].name, name) == 0)
            return reading->parameters[i].value;
    }
    return NULL;
}

static unsigned read_count(struct reading *reading, const char *name, unsigned otherwise)
{
    const char *text = parameter(reading, name);
    uint64_t value = otherwise;
    if (text != NULL &&
        (!dns_scalar_number(text, strlen(text), API_PAGE_MAX, &value) || value == 0)) {
        base_findings_add(reading->findings, API_REQUEST_BAD, NULL,
                          "%s is \"%.60s\", and must be a number from 1 to %d", name, text,
                          API_PAGE_MAX);
        return 400;
    }
    reading->out->count = (unsigned)value;
    return 200;
}

static unsigned read_signed(struct reading *reading)
{
    const char *text = parameter(reading, "signed");
    if (text != NULL && strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return bad(reading, "signed is \"%.60s\", and must be true or false", text);
    reading->out->with_signing = text != NULL && strcmp(text, "true") == 0;
    return 200;
}

static unsigned read_state(struct reading *reading)
{
    const char *text = parameter(reading, "state");
    if (text == NULL)
        return 200;
    for (enum api_state state = 0; state < API_STATES; state++) {
        if (strcmp(api_state_name(state), text) == 0) {
            reading->out->state = state;
            return 200;
        }
    }
    return bad(reading, "\"%.60s\" is no state of a zone: ok, new, pending, problem, expired",
               text);
}

/* A mark is of 16 hex digits that name the run, and 16 of a number. */
static unsigned read_since(struct reading *reading)
{
    const char *text = parameter(reading, "since");
    unsigned long long run, number;
    int end = 0;
    if (text == NULL)
        return 200;
    if (strspn(text, "0123456789abcdef") != 32 || strlen(text) != 32 ||
        sscanf(text, "%16llx%16llx%n", &run, &number, &end) != 2 || end != 32)
        return bad(reading, "\"%.60s\" is no mark of a reply", text);
    reading->out->has_since = true;
    reading->out->since_run = run;
    reading->out->since = number;
    return 200;
}

static unsigned read_zones(struct reading *reading)
{
    unsigned status = read_count(reading, "limit", 100);
    if (status == 200)
        status = read_since(reading);
    if (status == 200)
        status = read_state(reading);
    const char *after = parameter(reading, "after");
    if (status != 200 || after == NULL)
        return status;
    status = read_name(reading, after, root, reading->out->after);
    if (status == 200)
        dns_name_lower(reading->out->after, reading->out->after);
    reading->out->has_after = status == 200;
    return status;
}

static unsigned read_records(struct reading *reading)
{
    const char *name = parameter(reading, "name"), *type = parameter(reading, "type");
    if (name == NULL)
        return bad(reading, "the parameter %s is needed", "name");
    unsigned status = read_name(reading, name, reading->out->zone, reading->out->name);
    if (status != 200)
        return status;
    if (!dns_name_within(reading->out->name, reading->out->zone))
        return bad(reading, "%.200s is not in the zone", name);
    if (type != NULL && (dns_type_from_text(type, strlen(type), &reading->out->type) != BASE_OK ||
                         dns_type_is_meta(reading->out->type)))
        return bad(reading, "\"%.60s\" is no type of records", type);
    return read_signed(reading);
}

static unsigned read_page_zone(struct reading *reading)
{
    const char *zone = parameter(reading, "zone");
    if (zone == NULL)
        return bad(reading, "the parameter %s is needed", "zone");
    unsigned status = read_zone(reading, zone);
    return status == 200 ? read_count(reading, "count", 20) : status;
}

static unsigned read_parameters(struct reading *reading)
{
    if (reading->route->page != API_PAGE_NONE)
        return reading->route->page == API_PAGE_ZONE ? read_page_zone(reading)
                                                     : read_zones(reading);
    switch (reading->route->operation) {
    case API_ZONES:
        return read_zones(reading);
    case API_LOG:
        return read_count(reading, "count", 20);
    case API_RECORDS:
        return read_records(reading);
    case API_FILE:
        return read_signed(reading);
    default:
        return 200;
    }
}

/* --- bodies --- */

static const char *keep_text(struct reading *reading, const json_t *value)
{
    return base_arena_strndup(reading->arena, json_string_value(value), json_string_length(value));
}

static unsigned read_primaries(struct reading *reading, const json_t *list)
{
    size_t count = json_array_size(list);
    const char **primaries = base_arena_alloc(reading->arena, count * sizeof(*primaries));
    if (primaries == NULL)
        return no_memory(reading);
    for (size_t i = 0; i < count; i++) {
        primaries[i] = keep_text(reading, json_array_get(list, i));
        if (primaries[i] == NULL)
            return no_memory(reading);
    }
    reading->out->create.primaries = primaries;
    reading->out->create.primary_count = count;
    return 200;
}

static unsigned read_source(struct reading *reading, const json_t *source)
{
    static const char *const needed[] = {
        [API_SOURCE_FILE] = "file", [API_SOURCE_PRIMARY] = "primaries", [API_SOURCE_EDITS] = NULL};
    struct api_create *create = &reading->out->create;
    const char *kind = json_string_value(json_object_get(source, "kind"));
    create->source = strcmp(kind, "file") == 0      ? API_SOURCE_FILE
                     : strcmp(kind, "primary") == 0 ? API_SOURCE_PRIMARY
                                                    : API_SOURCE_EDITS;
    const char *need = needed[create->source];
    if (need != NULL && json_object_get(source, need) == NULL)
        return bad(reading, "source.%s is missing", need);
    const char *own = need != NULL ? need : "content";
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)source, name, value)
    {
        if (strcmp(name, "kind") != 0 && strcmp(name, own) != 0)
            return bad(reading, "source.%s does not belong to this kind of source", name);
    }
    if (create->source == API_SOURCE_PRIMARY)
        return read_primaries(reading, json_object_get(source, need));
    const json_t *text = json_object_get(source, own);
    if (text == NULL)
        return 200;
    const char *kept = keep_text(reading, text);
    if (kept == NULL)
        return no_memory(reading);
    if (create->source == API_SOURCE_FILE) {
        create->file = kept;
        return kept[0] == '/' ? 200
                              : bad(reading, "source.file is %.200s, and must be absolute", kept);
    }
    create->content = kept;
    create->content_length = json_string_length(text);
    return 200;
}

static unsigned read_create(struct reading *reading, const json_t *body)
{
    unsigned status = read_zone(reading, json_string_value(json_object_get(body, "zone")));
    if (status == 200)
        status = read_source(reading, json_object_get(body, "source"));
    const json_t *policy = json_object_get(body, "policy");
    if (status != 200 || policy == NULL)
        return status;
    reading->out->create.policy = keep_text(reading, policy);
    return reading->out->create.policy != NULL ? 200 : no_memory(reading);
}

static unsigned read_body(struct reading *reading)
{
    const struct api_input *input = reading->input;
    json_t *body = NULL;
    if (reading->route->body == NULL)
        return input->length == 0 ? 200 : bad(reading, "%s takes no body", input->target);
    if (!api_body_read(input->body, input->length, reading->route->body, reading->findings, &body))
        return 400;
    unsigned status = reading->route->operation == API_ZONE_CREATE
                          ? read_create(reading, body)
                          : api_change_read(body, reading->arena, reading->findings, reading->out);
    json_decref(body);
    return status;
}

unsigned api_request_read(const struct api_input *input, struct base_arena *arena,
                          struct base_findings *findings, struct api_request *out,
                          const char **allow)
{
    struct api_reply *reply = out->reply;
    memset(out, 0, sizeof(*out));
    out->reply = reply;
    out->state = API_STATE_ANY;
    *allow = NULL;
    struct reading reading = {
        .input = input, .arena = arena, .findings = findings, .out = out, .segment_count = 0};
    unsigned status = split_path(&reading);
    if (status == 200)
        status = find_route(&reading, allow);
    if (status == 200 && reading.route->page != API_PAGE_NONE && input->door == API_DOOR_METRICS &&
        !is_own_host(input->host))
        status = foreign_host(&reading);
    if (status == 200 && reading.segment_count > 2)
        status = read_object(&reading);
    if (status == 200)
        status = split_parameters(&reading);
    if (status == 200)
        status = read_parameters(&reading);
    if (status == 200)
        status = read_body(&reading);
    return status;
}
