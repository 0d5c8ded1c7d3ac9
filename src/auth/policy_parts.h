/*
 * What the parts of the policy service share: requests (policy_server.c), questions that are being
 * looked up (policy_question.c), MTA-STS policies for them (policy_sts.c), numbers
 * (policy_metrics.c).
 */
#ifndef AUTH_POLICY_PARTS_H
#define AUTH_POLICY_PARTS_H

#include "auth/cache.h"
#include "auth/fetches.h"
#include "auth/policy_server.h"
#include "dane/postfix.h"
#include "dane/sts_store.h"

struct policy_question {
    struct auth_question question;
    struct policy_server *server;
    char text[DANE_POSTFIX_KEY_TEXT];
    struct dane_postfix_key key;
    struct dane_plan *plan;
    bool wants_sts; /* waits for the policy of its domain */
    uint32_t sts_ask;
    base_time sts_until; /* of the policy that was used; 0: none */
};

struct policy_counts {
    uint64_t requests, hits;
    uint64_t replies[DANE_SOCKETMAP_PERM + 1];
    uint64_t levels[5]; /* policy_levels */
    uint64_t refused, malformed, fetches;
    uint64_t answer_ns; /* of all plans */
};
extern const char *const policy_levels[5];

struct policy_server {
    struct policy_options options;
    char *directory; /* of policies; NULL */
    const struct base_log *log;
    struct resolve_context *context;
    struct auth_cache *cache;
    struct dane_sts_store *store;
    struct auth_service *service;
    struct auth_fetches fetches;
    struct auth_questions questions;
    struct policy_counts counts;
    uint64_t next_metrics;
};

/* policy_question.c */
extern const struct auth_question_calls policy_question_calls;
/* Answers at once (appended to the connection's output), or makes the connection wait. */
void policy_ask(struct policy_server *server, struct auth_connection *connection,
                const struct dane_socketmap_request *request);

/* policy_sts.c */
/* Answers the plan with the policy that is known, or begins to fetch it. */
int policy_sts_start(struct policy_question *question, const struct dane_ask *ask);
void policy_sts_done(void *server, struct auth_fetch_job *job);

/* policy_metrics.c */
void policy_metrics_line(const struct policy_server *server, struct base_buf *out);
void policy_metrics_write(struct policy_server *server);

#endif
