/*
 * A case: one or more questions with all packets that were seen and the clock, saved as JSON, and
 * played again, offline, with the same result for ever. docs/trace.md describes the JSON.
 */
#ifndef RESOLVE_RECORDING_H
#define RESOLVE_RECORDING_H

#include "base/buf.h"
#include "resolve/resolve.h"

/* Bounds of a case; what is more is not taken up, and the recording is marked as not whole. */
#define RESOLVE_RECORDING_OCTETS    (16u * 1024 * 1024) /* of its JSON */
#define RESOLVE_RECORDING_PACKETS   4096u
#define RESOLVE_RECORDING_QUESTIONS 1024u
#define RESOLVE_RECORDING_NOTES     16u
#define RESOLVE_RECORDING_ANCHORS   256u /* records of positive ones; and as many negative ones */

/* An empty one, for a context to fill (struct resolve_options). BASE_ENOMEM */
int resolve_recording_new(struct resolve_recording **out);
void resolve_recording_free(struct resolve_recording *recording); /* NULL allowed */
/* What was asked of the context, when, and by which anchors and options it was judged; these are
 * taken from the first question. BASE_ENOMEM, BASE_ELIMIT. */
int resolve_recording_question(struct resolve_recording *recording, const uint8_t *name,
                               uint16_t type, base_time now,
                               const struct validate_options *options);
/* What came for a query. `server` as in struct resolve_query. Without memory the recording is
 * marked as not whole. */
void resolve_recording_packet(struct resolve_recording *recording, const char *server,
                              const uint8_t *name, uint16_t type,
                              const struct validate_reply *reply);
/* What the context says of the places that its answers come from; once for each code and server. */
void resolve_recording_note(struct resolve_recording *recording, enum base_finding_code code,
                            const char *server, const char *message);
/* BASE_ENOMEM; BASE_ELIMIT: it is not whole; BASE_EINVAL: nothing was asked. */
int resolve_recording_to_json(const struct resolve_recording *recording, struct base_buf *out);
/* BASE_EREFUSED: findings (replay.*) say what is wrong and where. BASE_ENOMEM. */
int resolve_recording_from_json(const char *file, const char *text, size_t length,
                                struct base_findings *findings, struct resolve_recording **out);
/* What was recorded: the first question, its clock, the options with their anchors (the
 * recording's). NULL: no question. */
const uint8_t *resolve_recording_name(const struct resolve_recording *recording, uint16_t *type);
base_time resolve_recording_now(const struct resolve_recording *recording);
const struct validate_options *resolve_recording_options(const struct resolve_recording *recording);
/* All questions, in their order. */
struct resolve_recording_asked {
    const uint8_t *name;
    uint16_t type;
    base_time now;
};
const struct resolve_recording_asked *
resolve_recording_questions(const struct resolve_recording *recording, size_t *count);
/* Answers queries from the recording; of several packets for one query the first comes first, and
 * the last again and again. What is not in it stays unanswered (SILENCE) and is counted. */
struct resolve_transport resolve_recording_transport(struct resolve_recording *recording);
/* Lets a context that replays it say what was noted; before the first question. */
void resolve_recording_repeat_notes(const struct resolve_recording *recording,
                                    struct resolve_context *context);
size_t resolve_recording_missed(const struct resolve_recording *recording);

#endif
