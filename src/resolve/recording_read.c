/* Reading cases: see recording.h. A case is foreign bytes; it is understood as a whole, or refused
 * with what is wrong and where. */
#include "base/codec.h"
#include "base/error.h"
#include "resolve/recording_parts.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKENS_MAX 64 /* of the rdata of an anchor */
#define TEXT_MAX   1024
#define BUDGET_MAX 65535 /* a case cannot ask for work without a bound */

struct reading {
    const char *file;
    struct base_findings *findings;
    struct resolve_recording *recording;
    int error; /* sticks */
    uint8_t *rdata;
};

/* A value within the document, for messages: "packets[3].name". */
#define PATH_TEXT 64
struct path {
    char text[PATH_TEXT];
};

static struct path path_at(const char *list, size_t index)
{
    struct path path;
    snprintf(path.text, sizeof(path.text), "%s[%zu]", list, index);
    return path;
}

static void __attribute__((format(printf, 4, 5)))
complain(struct reading *reading, const char *path, const char *name, const char *format, ...)
{
    char what[256];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    struct base_place place = {.file = reading->file};
    base_findings_add(reading->findings, REPLAY_INVALID, &place, "%s%s%s %s", path,
                      path[0] != '\0' && name[0] != '\0' ? "." : "", name, what);
    if (reading->error == BASE_OK)
        reading->error = BASE_EREFUSED;
}

/* --- members --- */

static bool is_known(const char *name, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (strcmp(*names, name) == 0)
            return true;
    }
    return false;
}

/* An object that has no other members than these; a misspelt one would change the result. */
static bool check_object(struct reading *reading, const char *path, json_t *object,
                         const char *const *names)
{
    const char *name;
    json_t *value;
    if (!json_is_object(object)) {
        complain(reading, path, "", "is no object");
        return false;
    }
    json_object_foreach(object, name, value)
    {
        if (!is_known(name, names))
            complain(reading, path, "", "has a member \"%.40s\", which a case does not have", name);
    }
    return true;
}

/* NULL: it is not there, or null when that is allowed, or wrong; the latter has been said. */
static const char *member_text(struct reading *reading, const char *path, json_t *object,
                               const char *name, bool optional)
{
    json_t *value = json_object_get(object, name);
    if (optional && json_is_null(value))
        return NULL;
    const char *text = json_string_value(value);
    if (text == NULL) {
        complain(reading, path, name, value == NULL ? "is missing" : "is no text%s",
                 value != NULL && optional ? ", nor null" : "");
        return NULL;
    }
    if (json_string_length(value) != strlen(text)) {
        complain(reading, path, name, "holds a character of value 0");
        return NULL;
    }
    return text;
}

static uint64_t member_count(struct reading *reading, const char *path, json_t *object,
                             const char *name, uint64_t most)
{
    json_t *value = json_object_get(object, name);
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0 || (uint64_t)number > most) {
        complain(reading, path, name, value == NULL ? "is missing" : "is no number from 0 to %llu",
                 (unsigned long long)most);
        return 0;
    }
    return (uint64_t)number;
}

static bool member_name(struct reading *reading, const char *path, json_t *object,
                        uint8_t out[DNS_NAME_MAX])
{
    size_t length;
    const char *text = member_text(reading, path, object, "name", false);
    if (text == NULL)
        return false;
    if (dns_name_from_text(out, &length, text, strlen(text), NULL) == BASE_OK)
        return true;
    complain(reading, path, "name", "is no absolute domain name: \"%.80s\"", text);
    return false;
}

static bool member_type(struct reading *reading, const char *path, json_t *object, uint16_t *out)
{
    const char *text = member_text(reading, path, object, "type", false);
    if (text == NULL)
        return false;
    if (dns_type_from_text(text, strlen(text), out) == BASE_OK)
        return true;
    complain(reading, path, "type", "is no record type: \"%.20s\"", text);
    return false;
}

/* Absolute times only: a case does not change with the day on which it is read. */
static base_time member_time(struct reading *reading, const char *path, json_t *object,
                             const char *name, bool optional)
{
    base_time time;
    const char *text = member_text(reading, path, object, name, optional);
    if (text == NULL)
        return 0;
    if (strlen(text) == strlen("2026-11-21T23:59:59Z") && text[4] == '-' &&
        base_time_parse(text, 0, &time) == BASE_OK)
        return time;
    complain(reading, path, name, "is no time such as 2026-11-21T23:59:59Z: \"%.40s\"", text);
    return 0;
}

static json_t *member_list(struct reading *reading, json_t *root, const char *name, size_t least,
                           size_t most)
{
    json_t *list = json_object_get(root, name);
    if (!json_is_array(list)) {
        complain(reading, "", name, list == NULL ? "is missing" : "is no list");
        return NULL;
    }
    if (json_array_size(list) < least)
        complain(reading, "", name, "is empty");
    if (json_array_size(list) > most)
        complain(reading, "", name, "has %zu items, and a case at most %zu", json_array_size(list),
                 most);
    return json_array_size(list) > most ? NULL : list;
}

static void note_error(struct reading *reading, int error)
{
    if (reading->error == BASE_OK)
        reading->error = error;
}

/* --- parts of a case --- */

static void read_question(struct reading *reading, const char *path, json_t *item)
{
    static const char *const names[] = {"name", "type", "now", NULL};
    uint8_t name[DNS_NAME_MAX];
    uint16_t type;
    if (!check_object(reading, path, item, names))
        return;
    base_time now = member_time(reading, path, item, "now", false);
    if (!member_name(reading, path, item, name) || !member_type(reading, path, item, &type))
        return;
    int error = recording_add_question(reading->recording, name, type, now);
    if (error != BASE_OK)
        note_error(reading, error);
}

static void read_options(struct reading *reading, json_t *root)
{
    static const char *const fixed[] = {"legacy", "skew", "packet_octets"};
    const char *names[16] = {fixed[0], fixed[1], fixed[2]};
    size_t count = 3;
    for (const struct recording_budget *budget = recording_budgets; budget->name != NULL; budget++)
        names[count++] = budget->name;
    json_t *object = json_object_get(root, "options");
    struct validate_options *options = &reading->recording->options;
    if (object == NULL) {
        complain(reading, "", "options", "is missing");
        return;
    }
    if (!check_object(reading, "options", object, names))
        return;
    json_t *legacy = json_object_get(object, "legacy");
    if (!json_is_boolean(legacy))
        complain(reading, "options", "legacy", "is neither true nor false");
    options->legacy = json_is_true(legacy);
    options->skew = (uint32_t)member_count(reading, "options", object, "skew", UINT32_MAX);
    options->budgets.packet_octets =
        (size_t)member_count(reading, "options", object, "packet_octets", RESOLVE_RECORDING_OCTETS);
    for (const struct recording_budget *budget = recording_budgets; budget->name != NULL;
         budget++) {
        unsigned value =
            (unsigned)member_count(reading, "options", object, budget->name, BUDGET_MAX);
        memcpy((char *)&options->budgets + budget->place, &value, sizeof(value));
    }
}

/* Rdata of DS and DNSKEY has neither quotes nor escapes. */
static bool parse_rdata(struct reading *reading, uint16_t type, const char *text, size_t *length)
{
    struct dns_token tokens[TOKENS_MAX];
    size_t count = 0;
    bool canonical;
    for (const char *at = text + strspn(text, " "); *at != '\0'; at += strspn(at, " ")) {
        size_t size = strcspn(at, " ");
        if (count == TOKENS_MAX)
            return false;
        tokens[count++] = (struct dns_token){.text = at, .length = (uint32_t)size};
        at += size;
    }
    return dns_rdata_from_text(type, tokens, count, NULL, reading->rdata, length, &canonical,
                               NULL) == BASE_OK;
}

static void read_anchor(struct reading *reading, const char *path, json_t *item)
{
    static const char *const names[] = {"name", "type", "rdata", "from", "until", NULL};
    uint8_t name[DNS_NAME_MAX];
    uint16_t type;
    size_t length;
    if (!check_object(reading, path, item, names))
        return;
    base_time from = member_time(reading, path, item, "from", true);
    base_time until = member_time(reading, path, item, "until", true);
    const char *rdata = member_text(reading, path, item, "rdata", false);
    if (!member_name(reading, path, item, name) || !member_type(reading, path, item, &type) ||
        rdata == NULL)
        return;
    if ((type != DNS_TYPE_DS && type != DNS_TYPE_DNSKEY) ||
        !parse_rdata(reading, type, rdata, &length)) {
        complain(reading, path, "rdata", "is no DS or DNSKEY data: \"%.40s\"", rdata);
        return;
    }
    int error = validate_anchors_add(reading->recording->anchors, name, type, reading->rdata,
                                     length, from, until);
    if (error == BASE_EFORMAT)
        complain(reading, path, "rdata", "cannot be a trust anchor: \"%.40s\"", rdata);
    else if (error != BASE_OK)
        note_error(reading, error);
}

static void read_negative(struct reading *reading, const char *path, json_t *item)
{
    static const char *const names[] = {"name", "until", "reason", NULL};
    uint8_t name[DNS_NAME_MAX];
    if (!check_object(reading, path, item, names))
        return;
    base_time until = member_time(reading, path, item, "until", false);
    const char *reason = member_text(reading, path, item, "reason", true);
    if (!member_name(reading, path, item, name) || reading->error != BASE_OK)
        return;
    if (until == 0) {
        complain(reading, path, "until", "cannot be the first second of 1970");
        return;
    }
    int error = validate_anchors_add_negative(reading->recording->anchors, name, until, reason);
    if (error != BASE_OK)
        note_error(reading, error);
}

static bool member_kind(struct reading *reading, const char *path, json_t *item,
                        enum validate_reply_kind *kind)
{
    const char *text = member_text(reading, path, item, "reply", false);
    if (text == NULL)
        return false;
    if (strcmp(text, "packet") == 0)
        *kind = VALIDATE_REPLY_PACKET;
    else if (strcmp(text, "silence") == 0)
        *kind = VALIDATE_REPLY_SILENCE;
    else if (strcmp(text, "failed") == 0)
        *kind = VALIDATE_REPLY_FAILED;
    else {
        complain(reading, path, "reply", "is none of packet, silence, failed: \"%.20s\"", text);
        return false;
    }
    return true;
}

/* Texts that go into results are short, whoever wrote the case. */
static const char *member_short(struct reading *reading, const char *path, json_t *item,
                                const char *name)
{
    const char *text = member_text(reading, path, item, name, true);
    if (text != NULL && strlen(text) > TEXT_MAX) {
        complain(reading, path, name, "is longer than %d characters", TEXT_MAX);
        return NULL;
    }
    return text;
}

static void read_note(struct reading *reading, const char *path, json_t *item)
{
    static const char *const names[] = {"code", "server", "message", NULL};
    if (!check_object(reading, path, item, names))
        return;
    const char *server = member_short(reading, path, item, "server");
    const char *message = member_short(reading, path, item, "message");
    const char *code = member_text(reading, path, item, "code", false);
    int number = code == NULL ? -1 : base_finding_by_name(code);
    if (code != NULL && number < 0)
        complain(reading, path, "code", "is no code of a finding: \"%.40s\"", code);
    if (message == NULL)
        complain(reading, path, "message", "is empty");
    if (reading->error != BASE_OK || number < 0)
        return;
    int error =
        recording_add_note(reading->recording, (enum base_finding_code)number, server, message);
    if (error != BASE_OK)
        note_error(reading, error);
}

static bool member_packet(struct reading *reading, const char *path, json_t *item,
                          struct validate_reply *reply)
{
    const char *text =
        member_text(reading, path, item, "packet", reply->kind != VALIDATE_REPLY_PACKET);
    if (reply->kind != VALIDATE_REPLY_PACKET) {
        if (text != NULL)
            complain(reading, path, "packet", "must be null, since no packet came");
        return text == NULL;
    }
    if (text == NULL)
        return false;
    if (base_base64_decode(reading->rdata, DNS_RDATA_MAX, &reply->length, text, strlen(text)) !=
        BASE_OK) {
        complain(reading, path, "packet", "is not base64 of at most %d octets", DNS_RDATA_MAX);
        return false;
    }
    reply->packet = reading->rdata;
    return true;
}

static void read_packet(struct reading *reading, const char *path, json_t *item)
{
    static const char *const names[] = {"server", "name", "type",   "reply",
                                        "from",   "why",  "packet", NULL};
    uint8_t name[DNS_NAME_MAX];
    uint16_t type;
    struct validate_reply reply = {0};
    if (!check_object(reading, path, item, names))
        return;
    const char *server = member_short(reading, path, item, "server");
    reply.server = member_short(reading, path, item, "from");
    reply.why = member_short(reading, path, item, "why");
    if (!member_name(reading, path, item, name) || !member_type(reading, path, item, &type) ||
        !member_kind(reading, path, item, &reply.kind) ||
        !member_packet(reading, path, item, &reply))
        return;
    int error = recording_add_packet(reading->recording, server, name, type, &reply);
    if (error != BASE_OK)
        note_error(reading, error);
}

/* --- the whole --- */

static void read_list(struct reading *reading, json_t *root, const char *name, size_t least,
                      size_t most, void (*read)(struct reading *, const char *, json_t *))
{
    json_t *list = member_list(reading, root, name, least, most);
    for (size_t i = 0; i < json_array_size(list); i++)
        read(reading, path_at(name, i).text, json_array_get(list, i));
}

static void read_case(struct reading *reading, json_t *root)
{
    static const char *const names[] = {"kenter_case",      "questions", "options", "anchors",
                                        "negative_anchors", "notes",     "packets", NULL};
    struct base_place place = {.file = reading->file};
    json_t *version = json_object_get(root, "kenter_case");
    if (json_is_integer(version) && json_integer_value(version) > RECORDING_VERSION) {
        base_findings_add(reading->findings, REPLAY_VERSION, &place,
                          "the case is of version %lld, and %d is the highest that is known here",
                          (long long)json_integer_value(version), RECORDING_VERSION);
        reading->error = BASE_EREFUSED;
        return;
    }
    if (!json_is_integer(version) || json_integer_value(version) != RECORDING_VERSION) {
        complain(reading, "", "kenter_case", "is not %d, so this is no case", RECORDING_VERSION);
        return;
    }
    check_object(reading, "the document", root, names);
    read_list(reading, root, "questions", 1, RESOLVE_RECORDING_QUESTIONS, read_question);
    read_options(reading, root);
    read_list(reading, root, "anchors", 0, RESOLVE_RECORDING_ANCHORS, read_anchor);
    read_list(reading, root, "negative_anchors", 0, RESOLVE_RECORDING_ANCHORS, read_negative);
    read_list(reading, root, "notes", 0, RESOLVE_RECORDING_NOTES, read_note);
    read_list(reading, root, "packets", 0, RESOLVE_RECORDING_PACKETS, read_packet);
    if (reading->error != BASE_ELIMIT)
        return;
    base_findings_add(reading->findings, REPLAY_TOO_LARGE, &place,
                      "its packets have more than %u octets in all", RESOLVE_RECORDING_OCTETS);
    reading->error = BASE_EREFUSED;
}

static json_t *parse(struct reading *reading, const char *text, size_t length)
{
    json_error_t problem;
    struct base_place place = {.file = reading->file};
    if (length > RESOLVE_RECORDING_OCTETS) {
        base_findings_add(reading->findings, REPLAY_TOO_LARGE, &place,
                          "the file has %zu octets, and a case at most %u", length,
                          RESOLVE_RECORDING_OCTETS);
        return NULL;
    }
    json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &problem);
    if (root != NULL)
        return root;
    place.line = problem.line > 0 ? (uint32_t)problem.line : 0;
    place.column = problem.column > 0 ? (uint32_t)problem.column : 0;
    base_findings_add(reading->findings, REPLAY_SYNTAX, &place, "this is no JSON: %s",
                      problem.text);
    return NULL;
}

int resolve_recording_from_json(const char *file, const char *text, size_t length,
                                struct base_findings *findings, struct resolve_recording **out)
{
    struct reading reading = {.file = file, .findings = findings};
    json_t *root = parse(&reading, text, length);
    if (root == NULL)
        return BASE_EREFUSED;
    reading.rdata = malloc(DNS_RDATA_MAX);
    reading.error = reading.rdata == NULL ? BASE_ENOMEM : BASE_OK;
    if (reading.error == BASE_OK)
        reading.error = resolve_recording_new(&reading.recording);
    if (reading.error == BASE_OK)
        read_case(&reading, root);
    if (reading.error == BASE_OK)
        *out = reading.recording;
    else
        resolve_recording_free(reading.recording);
    free(reading.rdata);
    json_decref(root);
    return reading.error;
}
