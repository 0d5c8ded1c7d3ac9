/* What recording.c and recording_read.c share: the recording's inside. */
#ifndef RESOLVE_RECORDING_PARTS_H
#define RESOLVE_RECORDING_PARTS_H

#include "base/arena.h"
#include "resolve/recording.h"

#define RECORDING_VERSION 1

struct recorded_packet {
    const char *server; /* that was meant; NULL: the resolver */
    const uint8_t *name;
    uint16_t type;
    struct validate_reply reply; /* its texts and packet are the arena's */
    bool given;                  /* by the transport, at least once */
};

struct recorded_note {
    enum base_finding_code code;
    const char *server; /* NULL: none */
    const char *message;
};

struct resolve_recording {
    struct base_arena arena;
    struct resolve_recording_asked *questions;
    size_t question_count, question_room;
    struct recorded_packet *packets;
    size_t packet_count, packet_room;
    struct recorded_note notes[RESOLVE_RECORDING_NOTES];
    size_t note_count;
    size_t octets; /* that the packets will take in JSON, about */
    struct validate_anchors *anchors;
    struct validate_options options; /* with `anchors` */
    bool partial;                    /* something could not be taken up */
    size_t missed;
};

/* Each copies what it is given. BASE_ENOMEM, BASE_ELIMIT. */
int recording_add_question(struct resolve_recording *recording, const uint8_t *name, uint16_t type,
                           base_time now);
int recording_add_packet(struct resolve_recording *recording, const char *server,
                         const uint8_t *name, uint16_t type, const struct validate_reply *reply);

int recording_add_note(struct resolve_recording *recording, enum base_finding_code code,
                       const char *server, const char *message);

/* The names of the members of "options" and where their values are. */
struct recording_budget {
    const char *name;
    size_t place; /* of an unsigned in struct validate_budgets */
};
extern const struct recording_budget recording_budgets[]; /* ends with a NULL name */

#endif
