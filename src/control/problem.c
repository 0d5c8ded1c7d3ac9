/* What stands against a zone, by who found it: see internal.h. What the one finds, and what is over
 * for the one, says nothing of the others.
 *
 * A part is kept as text: its findings as JSON objects with commas between them, without what the
 * catalogue says of their codes and without what is not known of their places. That is some two
 * hundred octets for a finding, where as values of a JSON library it would be two thousand, and a
 * provider may have a hundred thousand zones with a warning each. */
#include "control/internal.h"

#include "base/buf.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_MAX (1u << 20)

static const char *const place_members[] = {"file", "line", "column", "owner", "type"};

/* Leaves out what can be added again. */
static void shorten(json_t *finding)
{
    json_t *place = json_object_get(finding, "place"), *value;
    const char *key;
    void *next;
    json_object_del(finding, "why");
    json_object_del(finding, "remedy");
    json_object_foreach_safe(place, next, key, value)
    {
        if (json_is_null(value))
            json_object_del(place, key);
    }
}

/* Makes of it what the API shows. */
static void complete(json_t *finding)
{
    const char *name = json_string_value(json_object_get(finding, "code"));
    int code = name != NULL ? base_finding_by_name(name) : -1;
    json_t *place = json_object_get(finding, "place");
    for (size_t i = 0; i < sizeof(place_members) / sizeof(place_members[0]); i++) {
        if (json_object_get(place, place_members[i]) == NULL)
            json_object_set_new(place, place_members[i], json_null());
    }
    /* One of a later version is not in our catalogue. */
    const struct base_finding_info *info =
        code >= 0 ? base_finding_info((enum base_finding_code)code) : NULL;
    json_object_set_new(finding, "why", json_string(info != NULL ? info->why : ""));
    json_object_set_new(finding, "remedy", json_string(info != NULL ? info->remedy : ""));
}

static void add_text(struct base_buf *buf, const char *text)
{
    if (buf->length > 0)
        base_buf_u8(buf, ',');
    base_buf_append(buf, text, strlen(text));
}

static void add_finding(struct base_buf *buf, json_t *finding)
{
    char *text = json_dumps(finding, JSON_COMPACT);
    if (text != NULL)
        add_text(buf, text);
    free(text);
}

/* What was gathered, as a part has it; NULL: nothing, or no memory. */
static char *take_text(struct base_buf *buf)
{
    char *text = buf->length > 0 && buf->error == BASE_OK
                     ? strndup((const char *)buf->data, buf->length)
                     : NULL;
    base_buf_free(buf);
    return text;
}

/* What people should know: errors and warnings. */
static char *part_text(const struct base_findings *findings, unsigned *count)
{
    struct base_buf buf;
    base_buf_init(&buf, TEXT_MAX);
    *count = 0;
    for (size_t i = 0; findings != NULL && i < findings->count; i++) {
        if (findings->items[i].severity == BASE_INFO)
            continue;
        json_t *finding = api_finding(&findings->items[i]);
        shorten(finding);
        add_finding(&buf, finding);
        json_decref(finding);
        (*count)++;
    }
    return take_text(&buf);
}

/* All parts as one array, malloc'ed; NULL: nothing stands against it, or no memory. */
static char *whole_text(const struct control_zone *zone)
{
    struct base_buf buf;
    base_buf_init(&buf, CONTROL_PROBLEM_PARTS * TEXT_MAX);
    for (size_t i = 0; i < CONTROL_PROBLEM_PARTS; i++) {
        if (zone->problem_parts[i] != NULL)
            add_text(&buf, zone->problem_parts[i]);
    }
    char *items = take_text(&buf), *text = NULL;
    if (items != NULL && asprintf(&text, "[%s]", items) < 0)
        text = NULL;
    free(items);
    return text;
}

json_t *control_zone_problems(const struct control_zone *zone)
{
    char *text = whole_text(zone);
    json_t *list = text != NULL ? json_loads(text, 0, NULL) : NULL, *finding;
    size_t index;
    json_array_foreach(list, index, finding) complete(finding);
    free(text);
    return list != NULL ? list : json_array();
}

static void replace_part(struct control_zone *zone, enum control_problem part, char *text,
                         unsigned count)
{
    free(zone->problem_parts[part]);
    zone->problem_parts[part] = text;
    zone->problems += count - zone->problem_counts[part];
    zone->problem_counts[part] = count;
}

void control_zone_free_problems(struct control_zone *zone)
{
    for (size_t i = 0; i < CONTROL_PROBLEM_PARTS; i++)
        replace_part(zone, (enum control_problem)i, NULL, 0);
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

void control_zone_set_problem(struct control_zone *zone, enum control_problem part,
                              const struct base_findings *findings)
{
    unsigned count;
    char *text = part_text(findings, &count);
    bool same = same_text(text, zone->problem_parts[part]);
    replace_part(zone, part, text, count);
    if (same)
        return;
    struct registry_event event = {.at = base_clock_now(),
                                   .severity = "info",
                                   .code = "zone.problem-solved",
                                   .text = zone->problems == 0
                                               ? "nothing stands against it any more"
                                               : "less stands against it now"};
    for (size_t i = 0; findings != NULL && i < findings->count; i++) {
        const struct base_finding *finding = &findings->items[i];
        if (finding->severity == BASE_INFO)
            continue;
        event.severity = base_severity_name(finding->severity);
        event.code = base_finding_info(finding->code)->code;
        event.text = finding->message;
        if (finding->severity == BASE_ERROR)
            break;
    }
    char *whole = whole_text(zone);
    control_note_start(zone->control, zone->name, whole, true, &event);
    free(whole);
}

static enum control_problem part_of(const json_t *finding)
{
    const char *code = json_string_value(json_object_get(finding, "code"));
    if (code == NULL)
        return CONTROL_PROBLEM_VERSION;
    return strncmp(code, "fetch.", 6) == 0        ? CONTROL_PROBLEM_FETCH
           : strncmp(code, "catalog.", 8) == 0    ? CONTROL_PROBLEM_MEMBERS
           : strcmp(code, "file.unwritable") == 0 ? CONTROL_PROBLEM_EXPORT
                                                  : CONTROL_PROBLEM_VERSION;
}

void control_zone_known_problem(struct control_zone *zone, const char *text)
{
    struct base_buf parts[CONTROL_PROBLEM_PARTS];
    unsigned counts[CONTROL_PROBLEM_PARTS] = {0};
    size_t index;
    json_t *finding, *list = json_loads(text, 0, NULL);
    for (size_t i = 0; i < CONTROL_PROBLEM_PARTS; i++)
        base_buf_init(&parts[i], TEXT_MAX);
    json_array_foreach(list, index, finding)
    {
        enum control_problem part = part_of(finding);
        shorten(finding);
        add_finding(&parts[part], finding);
        counts[part]++;
    }
    json_decref(list);
    for (size_t i = 0; i < CONTROL_PROBLEM_PARTS; i++)
        replace_part(zone, (enum control_problem)i, take_text(&parts[i]), counts[i]);
}
