/*
 * Messages of transfers (RFC 5936, RFC 1995): records of one zone behind each other, owners
 * compressed against the apex and the owner before, in their own case.
 */
#ifndef FRONT_MESSAGE_H
#define FRONT_MESSAGE_H

#include "dns/message.h"

/* Messages are filled up to here: every owner in them can be pointed to. */
#define FRONT_MESSAGE_FILL ((size_t)16 * 1024)

/* A record to be sent. */
struct front_record {
    const uint8_t *labels; /* of the owner: those below the apex, without root label */
    size_t labels_length;
    const uint8_t *body; /* type, class, TTL, length, rdata */
    size_t body_length;
    bool whole; /* the owner does not end in the apex's own octets: `labels` is all of it */
};

/* What all messages of an answer have. */
struct front_head {
    uint8_t question[DNS_NAME_MAX + 4];
    size_t question_length;
    const uint8_t *apex; /* wire, in the zone's case */
    size_t apex_length;
    uint16_t id;
    uint16_t flags;
    uint8_t opt[1024]; /* of the first message */
    size_t opt_length; /* 0: the query has none */
};

/* One that is being filled. Places are 0 as long as nothing stands there. */
struct front_message {
    uint8_t *wire;
    size_t length;
    size_t apex;         /* where the apex's name stands, in its own case */
    size_t owner;        /* where the owner of the last record stands */
    size_t owner_labels; /* octets of its labels */
    unsigned count;
};

void front_message_begin(struct front_message *message, const struct front_head *head,
                         uint8_t *wire);
/* Appends a record; false when the message would be longer than `limit`. */
bool front_message_put(struct front_message *message, const struct front_head *head,
                       const struct front_record *record, size_t limit);
/* Writes the counts and, with `opt`, the OPT record, for which there is room. */
void front_message_end(struct front_message *message, const struct front_head *head, bool opt);

#endif
