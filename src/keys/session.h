/*
 * One client of the key process: what it asks, and what it is answered. Knows no socket, so that
 * anything can be asked of it.
 */
#ifndef KEYS_SESSION_H
#define KEYS_SESSION_H

#include "keys/vault.h"

struct keys_session {
    struct keys_vault *vault; /* shared */
    struct base_buf parts;    /* what came by KEYS_PART */
    struct base_buf answer;   /* data of the last answer */
    struct base_findings findings;
    base_time
        provided; /* at this time keys were asked for last: it may be later than the clock's */
};

void keys_session_init(struct keys_session *session, struct keys_vault *vault);
void keys_session_free(struct keys_session *session);

/* Handles a message at `now`. BASE_OK: *answer is to be sent, unless its type is 0; its data live
 * until the next call. Else the client breaks the rules and is to be closed: BASE_EFORMAT,
 * BASE_ELIMIT. KEYS_CONNECT is not for here. */
int keys_session_handle(struct keys_session *session, const struct process_message *message,
                        base_time now, struct process_message *answer);

#endif
