/* Questions that are being found out: see question.h. */
#include "auth/question.h"

#include "auth/service_parts.h"
#include "base/error.h"

#include <stdlib.h>

#define SECOND UINT64_C(1000000000)

struct auth_wait {
    struct auth_wait *next;
    struct auth_connection *connection; /* NULL: it has gone */
    int64_t id;
};

struct auth_lookup {
    struct auth_lookup *next;
    struct auth_question *question;
    struct resolve_request *request;
    uint32_t id;
};

void auth_questions_init(struct auth_questions *questions, const struct auth_question_calls *calls,
                         struct auth_service *service, unsigned most, unsigned timeout)
{
    *questions = (struct auth_questions){
        .next = service->questions,
        .calls = calls,
        .context = service->context,
        .most = most,
        .timeout = timeout,
    };
    keyed_init(&questions->table);
    service->questions = questions;
}

/* --- one question --- */

struct auth_question *auth_question_find(const struct auth_questions *questions, const char *key)
{
    return (struct auth_question *)keyed_find(&questions->table, key);
}

int auth_question_add(struct auth_questions *questions, struct auth_question *question,
                      const char *key)
{
    question->link.key = key;
    question->questions = questions;
    question->started = base_clock_monotonic();
    int status = questions->table.count < questions->most
                     ? keyed_add(&questions->table, &question->link)
                     : BASE_ELIMIT;
    if (status != BASE_OK)
        return status;
    questions->asked++;
    auth_question_ready(question);
    return BASE_OK;
}

int auth_question_wait(struct auth_question *question, struct auth_connection *connection,
                       int64_t id)
{
    struct auth_wait *wait = malloc(sizeof *wait);
    if (!wait)
        return BASE_ENOMEM;
    question->questions->joined += question->waited_for;
    question->waited_for = true;
    *wait = (struct auth_wait){question->waits, connection, id};
    question->waits = wait;
    connection->waits++;
    return BASE_OK;
}

void auth_question_ready(struct auth_question *question)
{
    if (question->ready)
        return;
    question->ready = true;
    question->next_ready = question->questions->ready;
    question->questions->ready = question;
}

static void looked_up(void *context, const struct validate_result *result)
{
    struct auth_lookup *lookup = context, **at;
    struct auth_question *question = lookup->question;
    for (at = &question->lookups; *at != lookup;)
        at = &(*at)->next;
    *at = lookup->next;
    /* Without a result (no memory) the question waits for its deadline. */
    if (result)
        question->questions->calls->answer(question, lookup->id, result);
    validate_result_unref(result);
    free(lookup);
    auth_question_ready(question);
}

int auth_question_look_up(struct auth_question *question, uint32_t id, const uint8_t *name,
                          uint16_t type)
{
    struct auth_lookup *lookup = malloc(sizeof *lookup);
    if (!lookup)
        return BASE_ENOMEM;
    *lookup = (struct auth_lookup){question->lookups, question, NULL, id};
    int status = resolve_start(question->questions->context, name, type, looked_up, lookup,
                               &lookup->request);
    if (status != BASE_OK)
        free(lookup);
    else
        question->lookups = lookup;
    return status;
}

void auth_question_tell(struct auth_question *question, auth_question_teller *tell,
                        const void *answer)
{
    while (question->waits) {
        struct auth_wait *wait = question->waits;
        question->waits = wait->next;
        if (wait->connection) {
            wait->connection->waits--;
            tell(wait->connection, wait->id, answer);
            auth_connection_wake(wait->connection);
        }
        free(wait);
    }
}

void auth_question_end(struct auth_question *question)
{
    struct auth_questions *questions = question->questions;
    while (question->lookups) {
        struct auth_lookup *lookup = question->lookups;
        question->lookups = lookup->next;
        resolve_cancel(lookup->request);
        free(lookup);
    }
    while (question->waits) {
        struct auth_wait *wait = question->waits;
        question->waits = wait->next;
        free(wait);
    }
    struct auth_question **at = &questions->ready;
    while (question->ready && *at != question)
        at = &(*at)->next_ready;
    if (question->ready)
        *at = question->next_ready;
    keyed_remove(&questions->table, &question->link);
    questions->calls->free(question);
}

/* --- all of them --- */

bool auth_questions_step(struct auth_questions *questions)
{
    bool any = questions->ready != NULL;
    while (questions->ready) {
        struct auth_question *question = questions->ready;
        questions->ready = question->next_ready;
        question->ready = false;
        questions->calls->step(question);
    }
    return any;
}

static void check_age(void *context, struct keyed_link *link)
{
    struct auth_question *question = (struct auth_question *)link;
    struct auth_questions *questions = question->questions;
    const uint64_t *now = context;
    if (question->ready || *now - question->started < questions->timeout * SECOND)
        return;
    questions->late++;
    questions->calls->late(question);
}

void auth_questions_tick(struct auth_questions *questions, uint64_t now)
{
    keyed_each(&questions->table, check_age, &now);
}

static void leave_one(void *context, struct keyed_link *link)
{
    for (struct auth_wait *wait = ((struct auth_question *)link)->waits; wait; wait = wait->next) {
        if (wait->connection == context)
            wait->connection = NULL;
    }
}

void auth_questions_leave(struct auth_questions *questions,
                          const struct auth_connection *connection)
{
    keyed_each(&questions->table, leave_one, (void *)connection);
}

static void end_one(void *context, struct keyed_link *link)
{
    auth_question_end((struct auth_question *)link);
}

void auth_questions_free(struct auth_questions *questions)
{
    keyed_each(&questions->table, end_one, NULL);
    keyed_free(&questions->table);
}
