/*
 * What the parts of the service for pairs share: connections (pair_server.c), questions that are
 * being found out (pair_question.c), their POSH documents (pair_posh.c).
 */
#ifndef AUTH_PAIR_PARTS_H
#define AUTH_PAIR_PARTS_H

#include "auth/fetcher.h"
#include "auth/host.h"
#include "auth/pair_server.h"
#include "auth/policy_cache.h"
#include "dane/keyed.h"
#include "dane/pair_request.h"

/* What a connection may have in the air; with more it is not read from. */
#define PAIR_WAITS_MAX  256
#define PAIR_OUTPUT_MAX (1024 * 1024)

enum pair_watched { PAIR_LISTENER, PAIR_CONNECTION, PAIR_RESOLVE, PAIR_FETCHER, PAIR_SIGNAL };

struct pair_watch {
    enum pair_watched kind; /* what an epoll event is about */
    int fd;
};

struct pair_connection {
    struct pair_watch watch;
    struct pair_connection *next, *previous;
    struct base_buf input, output;
    size_t sent;     /* of the output */
    size_t searched; /* of the input: there is no end of a line in it */
    unsigned waits;  /* questions asked and not answered */
    uint32_t events;
    bool ended; /* the peer sends no more, or is of no use */
};

/* Somebody who waits for a question. */
struct pair_wait {
    struct pair_wait *next;
    struct pair_connection *connection; /* NULL: it has gone */
    int64_t id;
};

struct pair_lookup {
    struct pair_lookup *next;
    struct pair_question *question;
    struct resolve_request *request;
    uint32_t id;
};

/* A POSH document being had: the addresses of its host, then HTTPS. */
struct pair_posh {
    struct auth_fetch_job *job; /* NULL: none wanted, or the fetcher has it */
    struct auth_host host;
    uint32_t id;  /* of the ask */
    uint64_t tag; /* of the job that the fetcher has; 0 */
};

struct pair_question {
    struct keyed_link link; /* by key */
    struct pair_question *next_ready;
    struct pair_server *server;
    char key[DANE_PAIR_KEY];
    char remote[DANE_DOMAIN_MAX];
    struct dane_pair *pair;
    struct pair_lookup *lookups;
    struct pair_posh posh;
    struct pair_wait *waits;
    bool ready;
    uint64_t started;
};

struct pair_counts {
    uint64_t requests, hits, joined, pairs, malformed, refused, timeouts;
    uint64_t states[3], proofs[4]; /* of pairs that were found out */
    uint64_t fetches, fetch_failures, accepted;
};

struct pair_server {
    struct pair_options options;
    const struct base_log *log;
    struct resolve_context *context;
    struct dane_authorities *authorities;
    struct policy_cache *cache;
    struct auth_fetcher *fetcher;
    int epoll;
    struct pair_watch resolve, fetched, signals;
    struct pair_watch listeners[PAIR_LISTENERS_MAX];
    char *paths[PAIR_LISTENERS_MAX]; /* to be removed */
    size_t listener_count;
    bool listening; /* false: there are as many connections as may be */
    struct pair_connection *connections;
    unsigned connection_count;
    struct keyed_table questions;
    struct pair_question *ready;
    uint64_t last_tag;
    struct pair_counts counts;
    uint64_t next_tick;
    bool stop;
};

/* pair_question.c */
/* Answers a line at once, into the connection's output, or later. */
void pair_ask(struct pair_server *server, struct pair_connection *connection, const char *line,
              size_t length);
void pair_leave(struct pair_server *server, struct pair_connection *connection);
void pair_questions_step(struct pair_server *server);
void pair_questions_tick(struct pair_server *server, uint64_t now);
void pair_questions_end(struct pair_server *server);
void pair_make_ready(struct pair_question *question);
struct pair_question *pair_question_of(struct pair_server *server, uint64_t tag);

/* pair_posh.c */
/* Begins to fetch. When it cannot, the pair is told at once. */
void pair_posh_start(struct pair_question *question, const struct dane_pair_ask *ask);
/* Goes on when the addresses are there. */
void pair_posh_step(struct pair_question *question);
void pair_posh_done(struct pair_server *server); /* takes from the fetcher */
void pair_posh_end(struct pair_question *question);

/* pair_server.c: there is something in the connection's output. */
void pair_wake(struct pair_server *server, struct pair_connection *connection);

#endif
