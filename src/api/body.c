/* Bodies against their tables: see body.h. */
#include "api/body.h"

#include "api/api.h"
#include "base/nearest.h"
#include "dns/rdata.h"

#include <string.h>

#define PLACE_MAX 64 /* characters of "changes[99999].data" and its like */
#define NAMES_MAX 16 /* members of one table */

static const char *const source_words[] = {"file", "primary", "edits", NULL};
static const struct api_member source_members[] = {
    {.name = "kind", .kind = API_CHOICE, .required = true, .words = source_words},
    {.name = "file", .kind = API_TEXT, .least = 1, .most = 4095},
    {.name = "primaries", .kind = API_TEXTS, .least = 1, .most = API_PRIMARIES_MAX},
    {.name = "content", .kind = API_TEXT, .most = API_BODY_MAX},
    {.name = NULL},
};
const struct api_member api_create_members[] = {
    {.name = "zone", .kind = API_TEXT, .required = true, .least = 1, .most = DNS_NAME_TEXT - 1},
    {.name = "source", .kind = API_OBJECT, .required = true, .members = source_members},
    {.name = "policy", .kind = API_TEXT, .least = 1, .most = 255},
    {.name = NULL},
};

static const char *const action_words[] = {"add", "delete", "set", NULL};
static const struct api_member edit_members[] = {
    {.name = "action", .kind = API_CHOICE, .required = true, .words = action_words},
    {.name = "name", .kind = API_TEXT, .required = true, .least = 1, .most = DNS_NAME_TEXT - 1},
    {.name = "type", .kind = API_TEXT, .least = 1, .most = DNS_TYPE_TEXT - 1},
    {.name = "ttl", .kind = API_NUMBER, .most = INT32_MAX},
    {.name = "data", .kind = API_TEXT, .most = API_BODY_MAX},
    {.name = NULL},
};
const struct api_member api_change_members[] = {
    {.name = "dry_run", .kind = API_BOOLEAN},
    {.name = "serial", .kind = API_NUMBER, .most = UINT32_MAX},
    {.name = "changes",
     .kind = API_LIST,
     .required = true,
     .least = 1,
     .most = API_CHANGES_MAX,
     .members = edit_members},
    {.name = NULL},
};

/* A value that is being checked, and where it stands. */
struct spot {
    char place[PLACE_MAX];
    struct base_findings *findings;
};

static bool check_object(const struct spot *spot, const json_t *object,
                         const struct api_member *members);

static bool wrong(const struct spot *spot, const char *what)
{
    base_findings_add(spot->findings, API_REQUEST_BAD, NULL, "%s%s%s",
                      spot->place[0] != '\0' ? spot->place : "the body", " ", what);
    return false;
}

static bool check_text(const struct spot *spot, const json_t *value,
                       const struct api_member *member)
{
    if (!json_is_string(value))
        return wrong(spot, "must be a text");
    size_t length = json_string_length(value);
    if (length < member->least)
        return wrong(spot, "must not be empty");
    return length <= member->most || wrong(spot, "is too long");
}

static bool check_number(const struct spot *spot, const json_t *value,
                         const struct api_member *member)
{
    if (!json_is_integer(value))
        return wrong(spot, "must be a whole number");
    json_int_t number = json_integer_value(value);
    if (number >= (json_int_t)member->least && number <= (json_int_t)member->most)
        return true;
    base_findings_add(spot->findings, API_REQUEST_BAD, NULL,
                      "%s is %" JSON_INTEGER_FORMAT ", and must be from %zu to %zu", spot->place,
                      number, member->least, member->most);
    return false;
}

static bool check_choice(const struct spot *spot, const json_t *value,
                         const struct api_member *member)
{
    const char *text = json_string_value(value);
    if (text == NULL)
        return wrong(spot, "must be a text");
    char list[128] = "";
    for (const char *const *word = member->words; *word != NULL; word++) {
        if (strcmp(*word, text) == 0)
            return true;
        size_t at = strlen(list);
        snprintf(list + at, sizeof(list) - at, "%s\"%s\"",
                 at == 0           ? ""
                 : word[1] == NULL ? " or "
                                   : ", ",
                 *word);
    }
    base_findings_add(spot->findings, API_REQUEST_BAD, NULL, "%s is \"%.60s\", and must be %s",
                      spot->place, text, list);
    return false;
}

static bool check_elements(const struct spot *spot, const json_t *value,
                           const struct api_member *member)
{
    static const struct api_member element = {.kind = API_TEXT, .least = 1, .most = 255};
    if (!json_is_array(value))
        return wrong(spot, "must be a list");
    size_t count = json_array_size(value);
    if (count < member->least)
        return wrong(spot, "must not be empty");
    if (count > member->most)
        return wrong(spot, "has too many elements");
    for (size_t i = 0; i < count; i++) {
        struct spot inner = {.findings = spot->findings};
        snprintf(inner.place, sizeof(inner.place), "%.40s[%zu]", spot->place, i);
        const json_t *item = json_array_get(value, i);
        bool good = member->kind == API_LIST ? check_object(&inner, item, member->members)
                                             : check_text(&inner, item, &element);
        if (!good)
            return false;
    }
    return true;
}

static bool check_value(const struct spot *spot, const json_t *value,
                        const struct api_member *member)
{
    switch (member->kind) {
    case API_TEXT:
        return check_text(spot, value, member);
    case API_NUMBER:
        return check_number(spot, value, member);
    case API_BOOLEAN:
        return json_is_boolean(value) || wrong(spot, "must be true or false");
    case API_CHOICE:
        return check_choice(spot, value, member);
    case API_OBJECT:
        return check_object(spot, value, member->members);
    default:
        return check_elements(spot, value, member);
    }
}

static void enter(struct spot *inner, const struct spot *spot, const char *name)
{
    inner->findings = spot->findings;
    snprintf(inner->place, sizeof(inner->place), "%.40s%s%.20s", spot->place,
             spot->place[0] != '\0' ? "." : "", name);
}

static bool refuse_unknown(const struct spot *spot, const char *name,
                           const struct api_member *members)
{
    const char *names[NAMES_MAX] = {NULL};
    for (size_t i = 0; members[i].name != NULL && i + 1 < NAMES_MAX; i++)
        names[i] = members[i].name;
    const char *near = base_nearest(name, names);
    base_findings_add(spot->findings, API_REQUEST_BAD, NULL,
                      "%s%sthere is no member \"%.60s\"%s%s%s", spot->place,
                      spot->place[0] != '\0' ? ": " : "", name,
                      near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
                      near != NULL ? "\"?" : "");
    return false;
}

static const struct api_member *find_member(const struct api_member *members, const char *name)
{
    for (; members->name != NULL; members++) {
        if (strcmp(members->name, name) == 0)
            return members;
    }
    return NULL;
}

static bool check_object(const struct spot *spot, const json_t *object,
                         const struct api_member *members)
{
    const char *name;
    json_t *value;
    if (!json_is_object(object))
        return wrong(spot, "must be an object");
    json_object_foreach((json_t *)object, name, value)
    {
        const struct api_member *member = find_member(members, name);
        struct spot inner;
        if (member == NULL)
            return refuse_unknown(spot, name, members);
        enter(&inner, spot, name);
        if (!check_value(&inner, value, member))
            return false;
    }
    for (const struct api_member *member = members; member->name != NULL; member++) {
        if (member->required && json_object_get(object, member->name) == NULL) {
            struct spot inner;
            enter(&inner, spot, member->name);
            return wrong(&inner, "is missing");
        }
    }
    return true;
}

bool api_body_read(const char *body, size_t length, const struct api_member *members,
                   struct base_findings *findings, json_t **out)
{
    json_error_t error;
    json_t *value = json_loadb(body, length, JSON_REJECT_DUPLICATES, &error);
    if (value == NULL) {
        struct base_place place = {.file = "<body>",
                                   .line = error.line > 0 ? (uint32_t)error.line : 0,
                                   .column = error.column > 0 ? (uint32_t)error.column : 0};
        base_findings_add(findings, API_REQUEST_BAD, &place, "%s: %s",
                          length == 0 ? "a body is needed" : "the body is not JSON", error.text);
        return false;
    }
    const struct spot spot = {.findings = findings};
    if (!check_object(&spot, value, members)) {
        json_decref(value);
        return false;
    }
    *out = value;
    return true;
}
