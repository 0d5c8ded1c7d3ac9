/* Parts of replies as JSON: see api.h. */
#include "api/api.h"
#include "base/buf.h"
#include "base/json.h"
#include "dns/rdata.h"

static json_t *text_or_null(const char *text)
{
    if (text == NULL)
        return json_null();
    json_t *value = json_string(text);
    if (value != NULL)
        return value;
    /* What is said of foreign octets may be no UTF-8. */
    struct base_buf buf;
    base_buf_init(&buf, SIZE_MAX / 2);
    base_json_text(&buf, text);
    if (buf.error == 0)
        value = json_loadb((const char *)buf.data, buf.length, JSON_DECODE_ANY, NULL);
    base_buf_free(&buf);
    return value;
}

static json_t *number_or_null(uint32_t number)
{
    return number == 0 ? json_null() : json_integer(number);
}

json_t *api_finding(const struct base_finding *finding)
{
    const struct base_finding_info *info = base_finding_info(finding->code);
    const struct base_place *place = &finding->place;
    return json_pack("{s:s, s:s, s:{s:o, s:o, s:o, s:o, s:o}, s:o, s:s, s:s}", "code", info->code,
                     "severity", base_severity_name(finding->severity), "place", "file",
                     text_or_null(place->file), "line", number_or_null(place->line), "column",
                     number_or_null(place->column), "owner", text_or_null(place->owner), "type",
                     text_or_null(place->type), "message", text_or_null(finding->message), "why",
                     info->why, "remedy", info->remedy);
}

json_t *api_findings(const struct base_findings *findings)
{
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && i < findings->count; i++) {
        if (json_array_append_new(list, api_finding(&findings->items[i])) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

json_t *api_time(base_time time)
{
    char text[BASE_TIME_TEXT];
    if (time == 0)
        return json_null();
    base_time_iso(time, text);
    return json_string(text);
}

json_t *api_name(const uint8_t *name)
{
    char text[DNS_NAME_TEXT];
    return json_string(dns_name_text(text, name));
}

json_t *api_record(const uint8_t *owner, uint32_t ttl, uint16_t type, const uint8_t *rdata,
                   size_t length)
{
    char name[DNS_NAME_TEXT], type_text[DNS_TYPE_TEXT];
    struct base_buf data;
    base_buf_init(&data, SIZE_MAX / 2);
    dns_rdata_to_text(&data, type, rdata, length, DNS_TEXT_PLAIN);
    json_t *record = NULL;
    const char *text = base_buf_string(&data);
    if (data.error == 0)
        record = json_pack("{s:s, s:I, s:s, s:s}", "name", dns_name_text(name, owner), "ttl",
                           (json_int_t)ttl, "type", dns_type_text(type_text, type), "data", text);
    base_buf_free(&data);
    return record;
}

const char *api_state_name(enum api_state state)
{
    static const char *const names[API_STATES] = {
        [API_STATE_OK] = "ok",           [API_STATE_NEW] = "new",
        [API_STATE_PENDING] = "pending", [API_STATE_PROBLEM] = "problem",
        [API_STATE_EXPIRED] = "expired",
    };
    return state >= 0 && state < API_STATES ? names[state] : "any";
}
