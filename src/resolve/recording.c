/* Cases: taking them up, writing them as JSON, answering from them: see recording.h. */
#include "resolve/recording.h"

#include "base/codec.h"
#include "base/error.h"
#include "base/json.h"
#include "resolve/internal.h"
#include "resolve/recording_parts.h"

#include <stdlib.h>
#include <string.h>

#define BUDGET(name)                                                                               \
    {                                                                                              \
#name, offsetof(struct validate_budgets, name)                                             \
    }
const struct recording_budget recording_budgets[] = {
    BUDGET(rrset_verifications),
    BUDGET(tag_keys),
    BUDGET(ds_pairs),
    BUDGET(verifications),
    BUDGET(failed_verifications),
    BUDGET(nsec3_hashes),
    BUDGET(nsec3_iterations),
    BUDGET(alias_hops),
    BUDGET(queries),
    {NULL, 0},
};

int resolve_recording_new(struct resolve_recording **out)
{
    struct resolve_recording *recording = calloc(1, sizeof(*recording));
    if (recording == NULL)
        return BASE_ENOMEM;
    base_arena_init(&recording->arena, 0);
    int error = validate_anchors_new(&recording->anchors);
    if (error != BASE_OK) {
        free(recording);
        return error;
    }
    recording->options.anchors = recording->anchors;
    *out = recording;
    return BASE_OK;
}

void resolve_recording_free(struct resolve_recording *recording)
{
    if (recording == NULL)
        return;
    validate_anchors_free(recording->anchors);
    base_arena_free(&recording->arena);
    free(recording->questions);
    free(recording->packets);
    free(recording);
}

/* Room for one more item of a list. */
static int grow(void **items, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return BASE_OK;
    size_t more = *room == 0 ? 16 : *room * 2;
    void *grown = realloc(*items, more * size);
    if (grown == NULL)
        return BASE_ENOMEM;
    *items = grown;
    *room = more;
    return BASE_OK;
}

static int copy_name(struct resolve_recording *recording, const uint8_t *name, const uint8_t **out)
{
    *out = base_arena_dup(&recording->arena, name, dns_name_length(name));
    return *out == NULL ? BASE_ENOMEM : BASE_OK;
}

static int copy_text(struct resolve_recording *recording, const char *text, const char **out)
{
    *out = NULL;
    if (text == NULL)
        return BASE_OK;
    *out = base_arena_strndup(&recording->arena, text, strlen(text));
    return *out == NULL ? BASE_ENOMEM : BASE_OK;
}

int recording_add_question(struct resolve_recording *recording, const uint8_t *name, uint16_t type,
                           base_time now)
{
    struct resolve_recording_asked asked = {.type = type, .now = now};
    if (recording->question_count >= RESOLVE_RECORDING_QUESTIONS)
        return BASE_ELIMIT;
    int error = grow((void **)&recording->questions, recording->question_count,
                     &recording->question_room, sizeof(*recording->questions));
    if (error == BASE_OK)
        error = copy_name(recording, name, &asked.name);
    if (error == BASE_OK)
        recording->questions[recording->question_count++] = asked;
    return error;
}

int recording_add_packet(struct resolve_recording *recording, const char *server,
                         const uint8_t *name, uint16_t type, const struct validate_reply *reply)
{
    struct recorded_packet packet = {.type = type, .reply = *reply};
    size_t octets = recording->octets + BASE_BASE64_SIZE(reply->length) + DNS_NAME_TEXT + 512;
    if (recording->packet_count >= RESOLVE_RECORDING_PACKETS || reply->length > DNS_RDATA_MAX ||
        octets > RESOLVE_RECORDING_OCTETS)
        return BASE_ELIMIT;
    int error = grow((void **)&recording->packets, recording->packet_count, &recording->packet_room,
                     sizeof(*recording->packets));
    if (error == BASE_OK)
        error = copy_name(recording, name, &packet.name);
    if (error == BASE_OK)
        error = copy_text(recording, server, &packet.server);
    if (error == BASE_OK)
        error = copy_text(recording, reply->server, &packet.reply.server);
    if (error == BASE_OK)
        error = copy_text(recording, reply->why, &packet.reply.why);
    if (error == BASE_OK && reply->kind == VALIDATE_REPLY_PACKET) {
        packet.reply.packet = base_arena_dup(&recording->arena, reply->packet, reply->length);
        if (packet.reply.packet == NULL)
            error = BASE_ENOMEM;
    } else {
        packet.reply.packet = NULL;
        packet.reply.length = 0;
    }
    if (error != BASE_OK)
        return error;
    recording->packets[recording->packet_count++] = packet;
    recording->octets = octets;
    return BASE_OK;
}

int recording_add_note(struct resolve_recording *recording, enum base_finding_code code,
                       const char *server, const char *message)
{
    struct recorded_note note = {.code = code};
    for (size_t i = 0; i < recording->note_count; i++) {
        const struct recorded_note *other = &recording->notes[i];
        if (other->code == code && (other->server == NULL) == (server == NULL) &&
            (server == NULL || strcmp(other->server, server) == 0))
            return BASE_OK;
    }
    if (recording->note_count == RESOLVE_RECORDING_NOTES)
        return BASE_ELIMIT;
    int error = copy_text(recording, server, &note.server);
    if (error == BASE_OK)
        error = copy_text(recording, message, &note.message);
    if (error == BASE_OK)
        recording->notes[recording->note_count++] = note;
    return error;
}

void resolve_recording_note(struct resolve_recording *recording, enum base_finding_code code,
                            const char *server, const char *message)
{
    if (recording_add_note(recording, code, server, message) != BASE_OK)
        recording->partial = true;
}

void resolve_recording_repeat_notes(const struct resolve_recording *recording,
                                    struct resolve_context *context)
{
    for (size_t i = 0; i < recording->note_count; i++) {
        const struct recorded_note *note = &recording->notes[i];
        resolve_note(context, note->code, note->server == NULL ? "" : note->server, "%s",
                     note->message);
    }
}

/* The anchors of the caller may be gone when the case is written. */
static int copy_anchors(struct resolve_recording *recording, const struct validate_anchors *from)
{
    size_t count, taken = 0;
    const struct validate_anchor *list = validate_anchors_list(from, &count);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < list[i].count; j++) {
            const struct validate_anchor_record *record = &list[i].records[j];
            if (taken++ == RESOLVE_RECORDING_ANCHORS)
                return BASE_ELIMIT;
            int error =
                validate_anchors_add(recording->anchors, list[i].name, record->type, record->rdata,
                                     record->length, record->from, record->until);
            if (error != BASE_OK)
                return error;
        }
    }
    const struct validate_negative_anchor *negatives = validate_anchors_negatives(from, &count);
    if (count > RESOLVE_RECORDING_ANCHORS)
        return BASE_ELIMIT;
    for (size_t i = 0; i < count; i++) {
        int error = validate_anchors_add_negative(recording->anchors, negatives[i].name,
                                                  negatives[i].until, negatives[i].reason);
        if (error != BASE_OK)
            return error;
    }
    return BASE_OK;
}

int resolve_recording_question(struct resolve_recording *recording, const uint8_t *name,
                               uint16_t type, base_time now, const struct validate_options *options)
{
    int error = BASE_OK;
    if (recording->question_count == 0) {
        if (options->anchors != NULL)
            error = copy_anchors(recording, options->anchors);
        recording->options = *options;
        recording->options.anchors = recording->anchors;
    }
    if (error == BASE_OK)
        error = recording_add_question(recording, name, type, now);
    if (error != BASE_OK)
        recording->partial = true;
    return error;
}

void resolve_recording_packet(struct resolve_recording *recording, const char *server,
                              const uint8_t *name, uint16_t type,
                              const struct validate_reply *reply)
{
    if (recording_add_packet(recording, server, name, type, reply) != BASE_OK)
        recording->partial = true;
}

/* --- writing --- */

static void write_name(struct base_buf *out, const uint8_t *name)
{
    char text[DNS_NAME_TEXT];
    base_json_text(out, dns_name_text(text, name));
}

static void write_type(struct base_buf *out, uint16_t type)
{
    char text[DNS_TYPE_TEXT];
    base_buf_printf(out, "\"%s\"", dns_type_text(text, type));
}

/* 0 is no time. */
static void write_time(struct base_buf *out, base_time time)
{
    char text[BASE_TIME_TEXT];
    if (time == 0) {
        base_buf_text(out, "null");
        return;
    }
    base_time_iso(time, text);
    base_buf_printf(out, "\"%s\"", text);
}

static void write_questions(const struct resolve_recording *recording, struct base_buf *out)
{
    base_buf_text(out, "  \"questions\": [");
    for (size_t i = 0; i < recording->question_count; i++) {
        const struct resolve_recording_asked *asked = &recording->questions[i];
        base_buf_text(out, i > 0 ? ",\n    {\"name\": " : "\n    {\"name\": ");
        write_name(out, asked->name);
        base_buf_text(out, ", \"type\": ");
        write_type(out, asked->type);
        char now[BASE_TIME_TEXT];
        base_time_iso(asked->now, now);
        base_buf_printf(out, ", \"now\": \"%s\"}", now);
    }
    base_buf_text(out, "\n  ],\n");
}

static void write_options(const struct validate_options *options, struct base_buf *out)
{
    base_buf_printf(out, "  \"options\": {\"legacy\": %s, \"skew\": %u, \"packet_octets\": %zu",
                    options->legacy ? "true" : "false", options->skew,
                    options->budgets.packet_octets);
    for (const struct recording_budget *budget = recording_budgets; budget->name != NULL;
         budget++) {
        unsigned value;
        memcpy(&value, (const char *)&options->budgets + budget->place, sizeof(value));
        base_buf_printf(out, ", \"%s\": %u", budget->name, value);
    }
    base_buf_text(out, "},\n");
}

static void write_anchors(const struct validate_anchors *anchors, struct base_buf *out)
{
    size_t count, written = 0;
    const struct validate_anchor *list = validate_anchors_list(anchors, &count);
    base_buf_text(out, "  \"anchors\": [");
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < list[i].count; j++) {
            const struct validate_anchor_record *record = &list[i].records[j];
            base_buf_text(out, written++ > 0 ? ",\n    {\"name\": " : "\n    {\"name\": ");
            write_name(out, list[i].name);
            base_buf_text(out, ", \"type\": ");
            write_type(out, record->type);
            base_buf_text(out, ", \"rdata\": \"");
            dns_rdata_to_text(out, record->type, record->rdata, record->length, DNS_TEXT_PLAIN);
            base_buf_text(out, "\", \"from\": ");
            write_time(out, record->from);
            base_buf_text(out, ", \"until\": ");
            write_time(out, record->until);
            base_buf_u8(out, '}');
        }
    }
    base_buf_text(out, "\n  ],\n  \"negative_anchors\": [");
    const struct validate_negative_anchor *negatives = validate_anchors_negatives(anchors, &count);
    for (size_t i = 0; i < count; i++) {
        base_buf_text(out, i > 0 ? ",\n    {\"name\": " : "\n    {\"name\": ");
        write_name(out, negatives[i].name);
        base_buf_text(out, ", \"until\": ");
        write_time(out, negatives[i].until);
        base_buf_text(out, ", \"reason\": ");
        base_json_text(out, negatives[i].reason);
        base_buf_u8(out, '}');
    }
    base_buf_text(out, count > 0 ? "\n  ],\n" : "],\n");
}

static void write_notes(const struct resolve_recording *recording, struct base_buf *out)
{
    base_buf_text(out, "  \"notes\": [");
    for (size_t i = 0; i < recording->note_count; i++) {
        const struct recorded_note *note = &recording->notes[i];
        base_buf_printf(out, "%s\n    {\"code\": \"%s\", \"server\": ", i > 0 ? "," : "",
                        base_finding_info(note->code)->code);
        base_json_text(out, note->server);
        base_buf_text(out, ", \"message\": ");
        base_json_text(out, note->message);
        base_buf_u8(out, '}');
    }
    base_buf_text(out, recording->note_count > 0 ? "\n  ],\n" : "],\n");
}

static void write_base64(struct base_buf *out, const uint8_t *data, size_t length)
{
    size_t size = BASE_BASE64_SIZE(length);
    uint8_t *room = base_buf_reserve(out, size);
    if (room != NULL)
        out->length += base_base64_encode((char *)room, data, length);
}

static void write_packet(const struct recorded_packet *packet, struct base_buf *out)
{
    static const char *const kinds[] = {
        [VALIDATE_REPLY_PACKET] = "packet",
        [VALIDATE_REPLY_SILENCE] = "silence",
        [VALIDATE_REPLY_FAILED] = "failed",
    };
    base_buf_text(out, "{\"server\": ");
    base_json_text(out, packet->server);
    base_buf_text(out, ", \"name\": ");
    write_name(out, packet->name);
    base_buf_text(out, ", \"type\": ");
    write_type(out, packet->type);
    base_buf_printf(out, ", \"reply\": \"%s\", \"from\": ", kinds[packet->reply.kind]);
    base_json_text(out, packet->reply.server);
    base_buf_text(out, ", \"why\": ");
    base_json_text(out, packet->reply.why);
    base_buf_text(out, ", \"packet\": ");
    if (packet->reply.kind == VALIDATE_REPLY_PACKET) {
        base_buf_u8(out, '"');
        write_base64(out, packet->reply.packet, packet->reply.length);
        base_buf_text(out, "\"}");
    } else {
        base_buf_text(out, "null}");
    }
}

int resolve_recording_to_json(const struct resolve_recording *recording, struct base_buf *out)
{
    if (recording->partial)
        return BASE_ELIMIT;
    if (recording->question_count == 0)
        return BASE_EINVAL;
    base_buf_printf(out, "{\n  \"kenter_case\": %d,\n", RECORDING_VERSION);
    write_questions(recording, out);
    write_options(&recording->options, out);
    write_anchors(recording->anchors, out);
    write_notes(recording, out);
    base_buf_text(out, "  \"packets\": [");
    for (size_t i = 0; i < recording->packet_count; i++) {
        base_buf_text(out, i > 0 ? ",\n    " : "\n    ");
        write_packet(&recording->packets[i], out);
    }
    base_buf_text(out, "\n  ]\n}\n");
    return out->error == BASE_OK ? BASE_OK : BASE_ENOMEM;
}

/* --- what is in it --- */

const uint8_t *resolve_recording_name(const struct resolve_recording *recording, uint16_t *type)
{
    if (recording->question_count == 0)
        return NULL;
    *type = recording->questions[0].type;
    return recording->questions[0].name;
}

base_time resolve_recording_now(const struct resolve_recording *recording)
{
    return recording->question_count == 0 ? 0 : recording->questions[0].now;
}

const struct validate_options *resolve_recording_options(const struct resolve_recording *recording)
{
    return &recording->options;
}

const struct resolve_recording_asked *
resolve_recording_questions(const struct resolve_recording *recording, size_t *count)
{
    *count = recording->question_count;
    return recording->questions;
}

size_t resolve_recording_missed(const struct resolve_recording *recording)
{
    return recording->missed;
}

/* --- answering from it --- */

static bool answers(const struct recorded_packet *packet, const struct resolve_query *query)
{
    if ((packet->server == NULL) != (query->server == NULL))
        return false;
    if (packet->server != NULL && strcmp(packet->server, query->server) != 0)
        return false;
    return packet->type == query->type && dns_name_equal(packet->name, query->name);
}

static void answer(void *context, const struct resolve_query *query, struct resolve_ticket *ticket)
{
    static const struct validate_reply silence = {.kind = VALIDATE_REPLY_SILENCE};
    struct resolve_recording *recording = context;
    struct recorded_packet *found = NULL;
    for (size_t i = 0; i < recording->packet_count; i++) {
        if (!answers(&recording->packets[i], query))
            continue;
        found = &recording->packets[i];
        if (!found->given)
            break;
    }
    if (found != NULL)
        found->given = true;
    else
        recording->missed++;
    resolve_reply(ticket, found != NULL ? &found->reply : &silence);
}

static void forget(void *context, struct resolve_ticket *ticket)
{
    /* Every ticket was answered at once. */
}

struct resolve_transport resolve_recording_transport(struct resolve_recording *recording)
{
    return (struct resolve_transport){.ask = answer, .cancel = forget, .context = recording};
}
