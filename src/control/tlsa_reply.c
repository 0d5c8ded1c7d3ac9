/* The API's replies about services whose TLSA records are kept: see tlsa.h, docs/openapi.yaml. */
#include "control/backend.h"
#include "control/tlsa.h"

#include <stdlib.h>
#include <string.h>

/* "3 1 1 0b9f…", all of it. */
static json_t *record_text(const struct dane_tlsa *record)
{
    size_t size = 16 + 2u * record->length;
    char *text = malloc(size);
    if (text == NULL)
        return NULL;
    int at = snprintf(text, size, "%u %u %u ", record->usage, record->selector, record->matching);
    for (size_t i = 0; i < record->length; i++)
        at += snprintf(text + at, size - (size_t)at, "%02x", record->data[i]);
    json_t *object = json_string(text);
    free(text);
    return object;
}

static json_t *file_object(const struct control_tlsa_service *service,
                           const struct control_tlsa_file *file, enum registry_tlsa_role role)
{
    const struct registry_tlsa_record *record = control_tlsa_record(service, role);
    if (file->path == NULL || (role == REGISTRY_TLSA_NEXT && !file->there && record == NULL))
        return json_null();
    struct dane_tlsa tlsa = {0};
    if (record != NULL)
        tlsa = control_tlsa_of(record);
    return json_pack("{s:s,s:o,s:o,s:o}", "file", file->path, "record",
                     record != NULL ? record_text(&tlsa) : json_null(), "not_after",
                     api_time(file->until), "error",
                     file->why[0] != '\0' ? json_string(file->why) : json_null());
}

static json_t *old_list(const struct control_tlsa_service *service)
{
    json_t *list = json_array();
    for (size_t i = 0; i < service->state.count; i++) {
        struct dane_tlsa tlsa = control_tlsa_of(&service->state.records[i]);
        if (service->state.records[i].role == REGISTRY_TLSA_OLD)
            json_array_append_new(list, record_text(&tlsa));
    }
    return list;
}

static json_t *server_list(const struct control_tlsa_service *service)
{
    json_t *list = json_array();
    for (size_t i = 0; i < service->server_count; i++) {
        const struct control_tlsa_server *server = &service->servers[i];
        json_t *records = json_array();
        for (size_t k = 0; k < server->set.count; k++)
            json_array_append_new(records, record_text(&server->set.records[k]));
        json_array_append_new(list, json_pack("{s:s,s:b,s:o,s:I}", "name", server->name, "answered",
                                              server->answered, "records", records, "ttl",
                                              (json_int_t)server->set.ttl));
    }
    return list;
}

json_t *control_tlsa_object(const struct control_tlsa_service *service)
{
    const struct dane_life_advice *advice = &service->advice;
    bool zone = service->trusted && service->trouble != CONTROL_TLSA_NO_ZONE;
    json_t *findings = service->findings != NULL ? json_incref(service->findings) : json_array();
    return json_pack("{s:o,s:i,s:s,s:o,s:o,s:s,s:s,s:b,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "host",
                     api_name(service->config->host), "port", service->port, "protocol",
                     service->udp ? "udp" : "tcp", "zone",
                     zone ? api_name(service->zone) : json_null(), "owner",
                     api_name(service->owner), "step", dane_life_step_name(advice->step), "reason",
                     advice->reason, "switch_safe", advice->switch_safe, "safe_at",
                     api_time(advice->safe_at), "next_look", api_time(service->due), "current",
                     file_object(service, &service->current, REGISTRY_TLSA_CURRENT), "next",
                     file_object(service, &service->next, REGISTRY_TLSA_NEXT), "old",
                     old_list(service), "servers", server_list(service), "findings", findings);
}

void control_serve_tlsa_list(struct control *control, const struct api_request *request)
{
    const struct control_tlsa *tlsa = control->tlsa;
    json_t *list = json_array();
    for (size_t i = 0; tlsa != NULL && i < tlsa->count; i++)
        json_array_append_new(list, control_tlsa_object(&tlsa->services[i]));
    api_reply_json(request->reply, 200, json_pack("{s:o}", "services", list));
}

static struct control_tlsa_service *find(struct control *control, const struct api_request *request)
{
    const struct api_service *asked = &request->service;
    struct control_tlsa_service *service =
        control_tlsa_find(control, asked->host, asked->port, asked->udp);
    char host[DNS_NAME_TEXT];
    if (service == NULL)
        api_reply_error(request->reply, 404, API_SERVICE_UNKNOWN,
                        "there is no service %s port %u%s in the section tlsa",
                        dns_name_text(host, asked->host), asked->port, asked->udp ? "/udp" : "");
    return service;
}

void control_serve_tlsa(struct control *control, const struct api_request *request)
{
    const struct control_tlsa_service *service = find(control, request);
    if (service != NULL)
        api_reply_json(request->reply, 200, control_tlsa_object(service));
}

void control_tlsa_homeless(const struct control *control, json_t *findings)
{
    const struct control_tlsa *tlsa = control->tlsa;
    for (size_t i = 0; tlsa != NULL && i < tlsa->count; i++) {
        if (tlsa->services[i].trouble == CONTROL_TLSA_NO_ZONE)
            json_array_extend(findings, tlsa->services[i].findings);
    }
}

void control_tlsa_counts(const struct control *control, struct base_buf *buf)
{
    const struct control_tlsa *tlsa = control->tlsa;
    for (enum dane_life_step step = 0; step <= DANE_LIFE_DONE; step++) {
        size_t count = 0;
        for (size_t i = 0; tlsa != NULL && i < tlsa->count; i++)
            count += tlsa->services[i].advice.step == step;
        base_buf_printf(buf, "kenter_tlsa_services{step=\"%s\"} %zu\n", dane_life_step_name(step),
                        count);
    }
}

/* --- who waits for a look --- */

struct control_tlsa_waiter {
    struct control_tlsa_waiter *next;
    struct api_reply *reply;
    bool asked; /* the look that is under way is for it */
};

void control_serve_tlsa_look(struct control *control, const struct api_request *request)
{
    struct control_tlsa_service *service = find(control, request);
    if (service == NULL)
        return;
    struct control_tlsa_waiter *waiter = calloc(1, sizeof(*waiter));
    if (waiter == NULL) {
        api_reply_json(request->reply, 500, NULL);
        return;
    }
    waiter->reply = request->reply;
    waiter->next = service->waiters;
    service->waiters = waiter;
    control_tlsa_look(service);
}

void control_tlsa_waiters_asked(struct control_tlsa_service *service)
{
    for (struct control_tlsa_waiter *i = service->waiters; i != NULL && !service->reading;
         i = i->next)
        i->asked = true;
}

bool control_tlsa_waiters_done(struct control_tlsa_service *service)
{
    struct control_tlsa_waiter **at = &service->waiters;
    bool left = false;
    while (*at != NULL) {
        struct control_tlsa_waiter *waiter = *at;
        if (!waiter->asked) {
            left = true;
            at = &waiter->next;
            continue;
        }
        *at = waiter->next;
        api_reply_json(waiter->reply, 200, control_tlsa_object(service));
        control_api_kick(service->all->control);
        free(waiter);
    }
    return left && !service->reading;
}

void control_tlsa_waiters_drop(struct control_tlsa_service *service)
{
    while (service->waiters != NULL) {
        struct control_tlsa_waiter *waiter = service->waiters;
        service->waiters = waiter->next;
        free(waiter);
    }
}
