/*
 * What the files of the fetcher share: a fetch under way, the threads that transfer, NOTIFY.
 */
#ifndef SOURCE_INTERNAL_H
#define SOURCE_INTERNAL_H

#include "net/exchange.h"
#include "source/fetch.h"
#include "source/transfer.h"

#include <pthread.h>
#include <stdatomic.h>

#define SOURCE_TRANSFERS_MAX 256

struct source_notifies;

/* Threads that transfer, and what waits for them. */
struct source_pool {
    pthread_mutex_t lock;
    pthread_cond_t ready;
    struct net_turns turns; /* under the lock */
    bool stop;              /* likewise */
    pthread_t threads[SOURCE_TRANSFERS_MAX];
    unsigned thread_count;
    int stop_event; /* readable when transfers under way must end */
};

struct source_fetcher {
    struct source_fetcher_options options; /* with all values filled in */
    struct net_tls_client *tls;
    struct net_exchanger *exchanger;
    struct source_notifies *notifies; /* the exchanger's thread's */
    struct source_pool pool;
    atomic_bool stopping;
};

/* A fetch under way. It belongs to the exchanger's thread or to one that transfers, never to both.
 */
struct source_job {
    struct net_task task;
    struct net_exchange question;
    struct net_turn turn; /* of the pool */
    struct source_fetcher *fetcher;
    struct source_fetch fetch;
    size_t server, address;              /* being tried */
    const struct source_server *current; /* has answered that there is nothing newer */
    bool stopped;
    struct base_findings findings;
    uint8_t query[SOURCE_QUERY_MAX];

    /* The result so far. */
    struct zone *zone;
    struct source_edits edits;
    bool have_edits;
    uint8_t soa[SOURCE_SOA_MAX];
    size_t soa_length;
    uint32_t soa_ttl, serial;
    bool expire_known; /* of the server that gave it (RFC 7314) */
    uint32_t expire_in;
    bool plain; /* the server being tried does not want EDNS */
};

static inline const struct source_server *source_job_server(const struct source_job *job)
{
    return &job->fetch.servers[job->server];
}

/* fetch.c */
/* A finding about the primary that is being tried. */
void source_job_finding(struct source_job *job, enum base_finding_code code, const char *format,
                        ...) __attribute__((format(printf, 3, 4)));
/* The primary being tried has this SOA, which is not newer than what is there. `expire`: when it
 * expires, NULL: that was not said. */
void source_job_current(struct source_job *job, const uint8_t *soa, size_t length, uint32_t ttl,
                        const uint32_t *expire);
/* Hands in the result and frees the job. */
void source_job_end(struct source_job *job, enum source_fetched kind);
/* The primary being tried is of no more use: asks the next. Any thread. `server`: not only this
 * address of it. */
void source_job_next(struct source_job *job, bool server);

/* pool.c */
int source_pool_start(struct source_fetcher *fetcher);
/* Ends the transfers; what waits comes to its end as stopped. */
void source_pool_stop(struct source_fetcher *fetcher);
/* After it, when the exchanger is gone too: until then that may still add (and be refused). */
void source_pool_free(struct source_fetcher *fetcher);
/* Queues a transfer from the server being tried. BASE_ENOMEM; BASE_EREFUSED: the pool stops. */
int source_pool_add(struct source_job *job);

/* pull.c */
enum source_pulled {
    SOURCE_PULLED,       /* the job holds a zone or edits */
    SOURCE_PULL_CURRENT, /* there is nothing newer; source_job_current was called */
    SOURCE_PULL_NO_USE,  /* findings say why; try the next */
    SOURCE_PULL_STALLED, /* likewise; it has held up the thread */
};
/* Transfers from the server being tried, in the calling thread. */
enum source_pulled source_pull(struct source_job *job);

/* notify.c */
int source_notifies_new(struct source_notifies **out);
void source_notifies_free(struct source_notifies *notifies);

#endif
