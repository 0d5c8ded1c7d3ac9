/*
 * Messages that wait until a process takes them: the supervisor never waits for anybody. Inner part
 * of process/supervisor.
 */
#ifndef PROCESS_OUTBOX_H
#define PROCESS_OUTBOX_H

#include "process/channel.h"

#include <stdbool.h>

#define PROCESS_OUTBOX_MAX 65536 /* messages */

struct process_letter;

struct process_outbox {
    struct process_letter *first, *last;
    size_t count;
};

static inline bool process_outbox_empty(const struct process_outbox *outbox)
{
    return outbox->first == NULL;
}

/* Takes a copy, of the descriptor too. BASE_ELIMIT, BASE_ENOMEM, BASE_EIO, BASE_ERANGE. */
int process_outbox_add(struct process_outbox *outbox, const struct process_message *message);
/* Sends as much as is taken now. BASE_OK: all, or the rest waits; else the channel is no good:
 * BASE_ENOENT, BASE_EIO. */
int process_outbox_flush(struct process_outbox *outbox, int fd);
void process_outbox_clear(struct process_outbox *outbox);

#endif
