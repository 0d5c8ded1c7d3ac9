/*
 * Questions that are being found out by look-ups: each has a key, and whoever asks the same
 * meanwhile waits with the others. Services embed the question in what they know about it.
 */
#ifndef AUTH_QUESTION_H
#define AUTH_QUESTION_H

#include "auth/service.h"
#include "dane/keyed.h"

struct auth_question {
    struct keyed_link link; /* by a key of the service's */
    struct auth_questions *questions;
    struct auth_question *next_ready;
    struct auth_lookup *lookups; /* under way */
    struct auth_wait *waits;
    uint64_t started;
    bool ready;
    bool waited_for; /* by somebody, at some time */
};

struct auth_question_calls {
    /* A look-up has ended. */
    void (*answer)(struct auth_question *question, uint32_t id,
                   const struct validate_result *result);
    /* Something has come: goes on, perhaps to the end. */
    void (*step)(struct auth_question *question);
    /* Its time is over: has to end it. */
    void (*late)(struct auth_question *question);
    void (*free)(struct auth_question *question); /* it and all that is the service's */
};

struct auth_questions {
    struct auth_questions *next; /* of the service */
    const struct auth_question_calls *calls;
    struct resolve_context *context;
    unsigned most;    /* at once */
    unsigned timeout; /* seconds for one */
    struct keyed_table table;
    struct auth_question *ready;
    uint64_t asked, joined, late; /* counters */
};

/* The service drives them from now on. */
void auth_questions_init(struct auth_questions *questions, const struct auth_question_calls *calls,
                         struct auth_service *service, unsigned most, unsigned timeout);
/* Ends all, and tells nobody. Before the service is freed; nothing happens to what is all zero. */
void auth_questions_free(struct auth_questions *questions);

struct auth_question *auth_question_find(const struct auth_questions *questions, const char *key);
/* Begins a question, which is ready at once; its key, zero-filled otherwise, is in it. On failure
 * it stays the caller's. BASE_ELIMIT, BASE_ENOMEM. */
int auth_question_add(struct auth_questions *questions, struct auth_question *question,
                      const char *key);
int auth_question_wait(struct auth_question *question, struct auth_connection *connection,
                       int64_t id); /* BASE_ENOMEM */
/* BASE_ELIMIT: too many look-ups are under way; BASE_ENOMEM. */
int auth_question_look_up(struct auth_question *question, uint32_t id, const uint8_t *name,
                          uint16_t type);
void auth_question_ready(struct auth_question *question);
/* Calls `tell` for each who waits, and wakes the connection. */
typedef void auth_question_teller(struct auth_connection *connection, int64_t id,
                                  const void *answer);
void auth_question_tell(struct auth_question *question, auth_question_teller *tell,
                        const void *answer);
void auth_question_end(struct auth_question *question);

/* For the service. Goes on with everything that something has come for; false: there is none. */
bool auth_questions_step(struct auth_questions *questions);
void auth_questions_tick(struct auth_questions *questions, uint64_t now);
/* The connection waits for nothing any more. Questions go on: their answers are of use to the next
 * one who asks. */
void auth_questions_leave(struct auth_questions *questions,
                          const struct auth_connection *connection);

#endif
