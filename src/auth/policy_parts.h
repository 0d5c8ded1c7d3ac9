/*
 * What the parts of the policy service share: connections (policy_server.c), questions that are
 * being looked up (policy_question.c), sockets (policy_listen.c), numbers (policy_metrics.c).
 */
#ifndef AUTH_POLICY_PARTS_H
#define AUTH_POLICY_PARTS_H

#include "auth/fetcher.h"
#include "auth/policy_cache.h"
#include "auth/policy_server.h"
#include "dane/keyed.h"
#include "dane/postfix.h"
#include "dane/sts_store.h"

#define POLICY_INPUT_MAX (DANE_SOCKETMAP_REQUEST_MAX + 16)
#define POLICY_TICK_MS   1000

/* What an epoll event is about stands first in each of these. */
enum policy_kind {
    POLICY_LISTENER,
    POLICY_CONNECTION,
    POLICY_RESOLVE,
    POLICY_FETCHER,
    POLICY_SIGNAL
};

struct policy_watch {
    enum policy_kind kind;
    int fd;
};

struct policy_question;

struct policy_connection {
    struct policy_watch watch;
    struct policy_connection *next, *previous;
    struct policy_question *question;       /* that it waits for; NULL */
    struct policy_connection *next_waiting; /* for the same question */
    uint64_t last_use;                      /* monotonic */
    uint8_t input[POLICY_INPUT_MAX];
    size_t input_length;
    struct base_buf output; /* not sent yet */
    size_t sent;            /* of it */
    uint32_t events;        /* that epoll watches for */
    bool ended;             /* the peer sends no more, or is of no use */
};

/* One look-up of a question's plan. */
struct policy_lookup {
    struct policy_lookup *next;
    struct policy_question *question;
    struct resolve_request *request;
    uint32_t id;
};

struct policy_question {
    struct keyed_link link; /* by text */
    struct policy_question *next_ready;
    struct policy_server *server;
    char text[DANE_POSTFIX_KEY_TEXT];
    struct dane_postfix_key key;
    struct dane_plan *plan;
    struct policy_lookup *lookups; /* under way */
    struct policy_connection *waiting;
    bool ready;     /* something has come */
    bool wants_sts; /* waits for the policy of its domain */
    uint32_t sts_ask;
    base_time sts_until; /* of the policy that was used; 0: none */
    uint64_t started;
};

/* The policy of a domain being had: addresses, then HTTPS. */
struct policy_fetch {
    struct keyed_link link; /* by the domain */
    struct policy_fetch *next_ready;
    struct policy_server *server;
    struct auth_fetch_job *job; /* NULL while the fetcher has it */
    struct auth_host host;
    bool ready;
    char domain[DANE_DOMAIN_MAX];
};

struct policy_counts {
    uint64_t requests, hits, joined, plans;
    uint64_t replies[DANE_SOCKETMAP_PERM + 1];
    uint64_t levels[5]; /* policy_levels */
    uint64_t accepted, refused, malformed;
    uint64_t fetches, fetch_failures, timeouts;
    uint64_t answer_ns; /* of all plans */
};
extern const char *const policy_levels[5];

struct policy_server {
    struct policy_options options;
    char *directory; /* of policies; NULL */
    const struct base_log *log;
    struct resolve_context *context;
    struct policy_cache *cache;
    struct dane_sts_store *store;
    struct auth_fetcher *fetcher;
    int epoll;
    struct policy_watch resolve, fetched, signals;
    struct policy_watch listeners[POLICY_LISTENERS_MAX];
    char *paths[POLICY_LISTENERS_MAX]; /* to be removed; NULL */
    size_t listener_count;
    bool listening; /* false: there are as many connections as may be */
    struct policy_connection *connections;
    unsigned connection_count;
    struct keyed_table questions, fetches;
    struct policy_question *ready_questions;
    struct policy_fetch *ready_fetches;
    struct policy_counts counts;
    uint64_t started, next_tick, next_metrics;
    bool stop;
};

/* policy_listen.c */
int policy_listen(struct policy_server *server, char why[POLICY_WHY]);
void policy_listen_end(struct policy_server *server);

/* policy_question.c */
/* Answers at once (appended to the connection's output), or makes the connection wait. */
void policy_ask(struct policy_server *server, struct policy_connection *connection,
                const struct dane_socketmap_request *request);
void policy_question_leave(struct policy_connection *connection);
/* Goes on with everything that has come something for. */
void policy_questions_step(struct policy_server *server);
void policy_questions_tick(struct policy_server *server, uint64_t now);
void policy_questions_end(struct policy_server *server);

/* policy_fetch.c */
/* Begins to fetch, or joins. `why` when it cannot. */
int policy_fetch_start(struct policy_server *server, const char *domain, const char *id,
                       char why[200]);
void policy_fetches_step(struct policy_server *server);
void policy_fetches_done(struct policy_server *server); /* takes from the fetcher */
void policy_fetches_end(struct policy_server *server);
/* policy_question.c: a fetch has ended, well or not. */
void policy_question_fetched(struct policy_server *server, const char *domain, const char *why);

/* policy_server.c: the connection has a reply in its output now. */
void policy_connection_wake(struct policy_server *server, struct policy_connection *connection);

/* policy_metrics.c */
void policy_metrics_line(const struct policy_server *server, struct base_buf *out);
void policy_metrics_write(struct policy_server *server);

#endif
