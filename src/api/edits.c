/* Changes of records: see edits.h. */
#include "api/edits.h"

#include "base/error.h"
#include "dns/rdata.h"

#include <stdlib.h>
#include <string.h>

struct work {
    struct base_arena *arena;
    struct base_findings *findings;
    const uint8_t *zone;
    uint8_t *rdata; /* scratch, DNS_RDATA_MAX */
    size_t at;      /* which change */
};

/* One edit as the JSON has it. */
struct raw {
    const char *name, *type, *data;
    size_t data_length;
    const json_t *ttl;
};

static unsigned no_memory(const struct work *work)
{
    base_findings_add(work->findings, API_FAILED, NULL, "there is no memory for the request");
    return 500;
}

static unsigned wrong(const struct work *work, const struct raw *raw, const char *what)
{
    const struct base_place place = {.owner = raw->name, .type = raw->type};
    base_findings_add(work->findings, API_RECORD_BAD, &place, "changes[%zu]: %s", work->at, what);
    return 400;
}

static unsigned read_owner(const struct work *work, const struct raw *raw, struct api_edit *edit)
{
    uint8_t name[DNS_NAME_MAX];
    size_t length;
    if (dns_name_from_text(name, &length, raw->name, strlen(raw->name), work->zone) != BASE_OK)
        return wrong(work, raw, "the name is not a domain name");
    if (!dns_name_within(name, work->zone))
        return wrong(work, raw, "the name is not in the zone; a relative name has no final dot");
    edit->owner = base_arena_dup(work->arena, name, length);
    return edit->owner != NULL ? 200 : no_memory(work);
}

static unsigned read_type(const struct work *work, const struct raw *raw, struct api_edit *edit)
{
    edit->type = DNS_TYPE_ANY;
    if (raw->type == NULL)
        return 200;
    if (dns_type_from_text(raw->type, strlen(raw->type), &edit->type) != BASE_OK)
        return wrong(work, raw, "there is no such type of records");
    if (dns_type_is_meta(edit->type))
        return wrong(work, raw, "a zone cannot hold records of this type");
    if (dns_type_is_dnssec(edit->type))
        return wrong(work, raw, "records of this type are made by signing");
    return 200;
}

static unsigned read_data(const struct work *work, const struct raw *raw, struct api_edit *edit)
{
    struct dns_token *tokens;
    size_t count, length;
    bool canonical;
    struct dns_rdata_problem problem = {.message = ""};
    struct base_arena scratch;
    base_arena_init(&scratch, 0);
    int error = api_tokens(raw->data, raw->data_length, &scratch, &tokens, &count);
    if (error == BASE_EFORMAT)
        snprintf(problem.message, sizeof(problem.message),
                 "the data has a quote or parenthesis without its other half");
    if (error == BASE_OK)
        error = dns_rdata_from_text(edit->type, tokens, count, work->zone, work->rdata, &length,
                                    &canonical, &problem);
    base_arena_free(&scratch);
    if (error == BASE_ENOMEM)
        return no_memory(work);
    if (error != BASE_OK)
        return wrong(work, raw,
                     problem.message[0] != '\0' ? problem.message : base_strerror(error));
    edit->rdata = base_arena_dup(work->arena, work->rdata, length);
    edit->length = (uint16_t)length;
    return edit->rdata != NULL ? 200 : no_memory(work);
}

/* Are the parts there that the action needs, and no others? */
static unsigned check_parts(const struct work *work, const struct raw *raw, enum api_action action)
{
    if (action == API_DELETE) {
        if (raw->ttl != NULL)
            return wrong(work, raw, "a record is deleted whatever its TTL is; leave ttl out");
        if (raw->data != NULL && raw->type == NULL)
            return wrong(work, raw, "data needs a type");
        return 200;
    }
    if (raw->type == NULL || raw->ttl == NULL || raw->data == NULL)
        return wrong(work, raw, "type, ttl and data are needed");
    return 200;
}

static unsigned read_edit(const struct work *work, const json_t *change, struct api_edit *edit)
{
    const char *action = json_string_value(json_object_get(change, "action"));
    const json_t *data = json_object_get(change, "data");
    const struct raw raw = {
        .name = json_string_value(json_object_get(change, "name")),
        .type = json_string_value(json_object_get(change, "type")),
        .data = json_string_value(data),
        .data_length = json_string_length(data),
        .ttl = json_object_get(change, "ttl"),
    };
    *edit = (struct api_edit){.action = strcmp(action, "add") == 0      ? API_ADD
                                        : strcmp(action, "delete") == 0 ? API_DELETE
                                                                        : API_SET,
                              .ttl = (uint32_t)json_integer_value(raw.ttl)};
    unsigned status = check_parts(work, &raw, edit->action);
    if (status == 200)
        status = read_owner(work, &raw, edit);
    if (status == 200)
        status = read_type(work, &raw, edit);
    if (status == 200 && raw.data != NULL)
        status = read_data(work, &raw, edit);
    return status;
}

unsigned api_change_read(const json_t *body, struct base_arena *arena,
                         struct base_findings *findings, struct api_request *out)
{
    const json_t *list = json_object_get(body, "changes");
    const json_t *serial = json_object_get(body, "serial");
    size_t count = json_array_size(list);
    struct work work = {.arena = arena, .findings = findings, .zone = out->zone};
    struct api_edit *edits = base_arena_alloc(arena, count * sizeof(*edits));
    work.rdata = malloc(DNS_RDATA_MAX);
    unsigned status = edits == NULL || work.rdata == NULL ? no_memory(&work) : 200;
    for (; status == 200 && work.at < count; work.at++)
        status = read_edit(&work, json_array_get(list, work.at), &edits[work.at]);
    free(work.rdata);
    out->change = (struct api_change){
        .edits = edits,
        .count = count,
        .dry_run = json_is_true(json_object_get(body, "dry_run")),
        .has_serial = serial != NULL,
        .serial = (uint32_t)json_integer_value(serial),
    };
    return status;
}
