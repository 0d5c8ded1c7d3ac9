/*
 * What the parts of the service for pairs share: requests (pair_server.c), questions that are being
 * found out (pair_question.c), their POSH documents (pair_posh.c).
 */
#ifndef AUTH_PAIR_PARTS_H
#define AUTH_PAIR_PARTS_H

#include "auth/cache.h"
#include "auth/fetches.h"
#include "auth/pair_server.h"
#include "dane/pair_request.h"

struct pair_question {
    struct auth_question question;
    struct pair_server *server;
    char key[DANE_PAIR_KEY];
    char remote[DANE_DOMAIN_MAX];
    struct dane_pair *pair;
    const char *url;  /* of the POSH document that it waits for, the pair's; NULL */
    uint32_t posh_id; /* of the ask */
};

struct pair_counts {
    uint64_t requests, hits, malformed, refused;
    uint64_t states[3], proofs[4]; /* of pairs that were found out */
    uint64_t fetches, documents;   /* POSH documents fetched, and used again */
};

struct pair_server {
    struct pair_options options;
    const struct base_log *log;
    struct resolve_context *context;
    struct dane_authorities *authorities;
    struct dane_chains *chains;
    struct auth_cache *cache;     /* of verdicts */
    struct auth_cache *documents; /* of POSH, and that there is none */
    struct auth_service *service;
    struct auth_fetches fetches;
    struct auth_questions questions;
    struct pair_counts counts;
};

/* pair_question.c */
extern const struct auth_question_calls pair_question_calls;
/* Answers a line at once, into the connection's output, or later. */
void pair_ask(struct pair_server *server, struct auth_connection *connection, const char *line,
              size_t length);

/* pair_posh.c */
/* Answers with a document that is kept, or begins to fetch one. */
void pair_posh_start(struct pair_question *question, const struct dane_pair_ask *ask);
void pair_posh_done(void *server, struct auth_fetch_job *job);

#endif
