/*
 * A case: one or more questions with all packets that were seen and the clock, saved as JSON, and
 * played again, offline, with the same result for ever.
 */
#ifndef RESOLVE_RECORDING_H
#define RESOLVE_RECORDING_H

#include "base/buf.h"
#include "resolve/resolve.h"

/* An empty one, for a context to fill (struct resolve_options). BASE_ENOMEM */
int resolve_recording_new(struct resolve_recording **out);
void resolve_recording_free(struct resolve_recording *recording);
/* What was asked of the context, when, and by which anchors and options it was judged. */
int resolve_recording_question(struct resolve_recording *recording, const uint8_t *name,
                               uint16_t type, base_time now,
                               const struct validate_options *options);
/* `server` as in struct resolve_query. Without memory the recording is marked as not whole. */
void resolve_recording_packet(struct resolve_recording *recording, const char *server,
                              const uint8_t *name, uint16_t type,
                              const struct validate_reply *reply);
/* BASE_ENOMEM (also when it is not whole). */
int resolve_recording_to_json(const struct resolve_recording *recording, struct base_buf *out);
/* BASE_EREFUSED: findings (replay.*) say what is wrong and where. */
int resolve_recording_from_json(const char *file, const char *text, size_t length,
                                struct base_findings *findings, struct resolve_recording **out);
/* What was recorded: the question, the clock, the options with their anchors (the recording's). */
const uint8_t *resolve_recording_name(const struct resolve_recording *recording, uint16_t *type);
base_time resolve_recording_now(const struct resolve_recording *recording);
const struct validate_options *resolve_recording_options(const struct resolve_recording *recording);
/* Answers queries from the recording; what is not in it stays unanswered (SILENCE). */
struct resolve_transport resolve_recording_transport(struct resolve_recording *recording);

#endif
