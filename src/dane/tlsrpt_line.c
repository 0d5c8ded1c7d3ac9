/*
 * Sessions as lines of JSON, with the names that their members have in reports.
 */
#include "dane/tlsrpt.h"

#include "base/error.h"
#include "base/json.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#define LIST_MAX 300

/* --- writing --- */

static void member(struct base_buf *out, const char *name, const char *text)
{
    if (!text || text[0] == '\0')
        return;
    base_buf_printf(out, ",\"%s\":", name);
    base_json_text(out, text);
}

static void list(struct base_buf *out, const char *name, const char *const *texts, size_t count)
{
    if (count == 0)
        return;
    base_buf_printf(out, ",\"%s\":[", name);
    for (size_t i = 0; i < count; i++) {
        base_buf_text(out, i > 0 ? "," : "");
        base_json_text(out, texts[i]);
    }
    base_buf_text(out, "]");
}

int dane_tlsrpt_session_write(const struct dane_tlsrpt_session *session, struct base_buf *out)
{
    char time[BASE_TIME_TEXT];
    base_time_iso(session->time, time);
    base_buf_printf(out, "{\"time\":\"%s\"", time);
    member(out, "policy-domain", session->domain);
    member(out, "policy-type", dane_tlsrpt_policy_name(session->policy));
    list(out, "policy-string", session->policy_strings, session->policy_string_count);
    list(out, "mx-host", session->mx_patterns, session->mx_pattern_count);
    member(out, "result-type", dane_tlsrpt_type_name(session->type));
    member(out, "sending-mta-ip", session->sending_ip);
    member(out, "receiving-mx-hostname", session->mx);
    member(out, "receiving-mx-helo", session->helo);
    member(out, "receiving-ip", session->receiving_ip);
    member(out, "failure-reason-code", session->reason);
    if (session->count > 1)
        base_buf_printf(out, ",\"count\":%" PRIu64, session->count);
    base_buf_text(out, "}\n");
    return out->error;
}

/* --- reading --- */

static const char *text(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

/* A list of texts, or one text. */
static size_t texts(const json_t *value, struct base_arena *arena, const char *const **out,
                    int *error)
{
    size_t most = json_is_string(value) ? 1 : json_array_size(value), count = 0;
    if (most > LIST_MAX)
        most = LIST_MAX;
    const char **made = base_arena_alloc(arena, most * sizeof *made);
    *out = made;
    if (!made) {
        *error = BASE_ENOMEM;
        return 0;
    }
    if (json_is_string(value))
        made[count++] = json_string_value(value);
    for (size_t i = 0; i < json_array_size(value) && count < most; i++) {
        const char *item = json_string_value(json_array_get(value, i));
        if (item)
            made[count++] = item;
    }
    return count;
}

static int read_session(const json_t *object, base_time now, struct base_arena *arena,
                        struct dane_tlsrpt_session *out)
{
    const char *time = text(object, "time"), *policy = text(object, "policy-type");
    const char *type = text(object, "result-type");
    json_int_t count = json_integer_value(json_object_get(object, "count"));
    int error = BASE_OK;
    struct dane_tlsrpt_session session = {
        .domain = text(object, "policy-domain"),
        .time = now,
        .policy = DANE_TLSRPT_NONE,
        .sending_ip = text(object, "sending-mta-ip"),
        .mx = text(object, "receiving-mx-hostname"),
        .helo = text(object, "receiving-mx-helo"),
        .receiving_ip = text(object, "receiving-ip"),
        .reason = text(object, "failure-reason-code"),
        .count = count > 0 ? (uint64_t)count : 1,
    };
    session.policy_string_count =
        texts(json_object_get(object, "policy-string"), arena, &session.policy_strings, &error);
    session.mx_pattern_count =
        texts(json_object_get(object, "mx-host"), arena, &session.mx_patterns, &error);
    if (!session.domain || (time && base_time_parse(time, now, &session.time) != BASE_OK) ||
        (policy && dane_tlsrpt_policy_by_name(policy, &session.policy) != BASE_OK) ||
        (type && dane_tlsrpt_type_by_name(type, &session.type) != BASE_OK))
        return BASE_EFORMAT;
    if (error == BASE_OK)
        *out = session;
    return error;
}

int dane_tlsrpt_session_read(const char *line, size_t length, base_time now,
                             struct base_arena *arena, json_t **root,
                             struct dane_tlsrpt_session *out, char why[200])
{
    json_error_t error = {.text = ""};
    json_t *object = json_loadb(line, length, JSON_REJECT_DUPLICATES, &error);
    int status = json_is_object(object) ? read_session(object, now, arena, out) : BASE_EFORMAT;
    if (status == BASE_EFORMAT)
        snprintf(why, 200, "%s", object ? "a session with a wrong member" : error.text);
    if (status == BASE_OK)
        *root = object;
    else
        json_decref(object);
    return status;
}

void dane_tlsrpt_session_free(json_t *root)
{
    json_decref(root);
}
