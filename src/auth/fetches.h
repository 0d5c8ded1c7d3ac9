/*
 * Documents over HTTPS for services: the addresses of their hosts by validated look-ups, then the
 * fetcher's threads. One that is being fetched already is not fetched twice.
 */
#ifndef AUTH_FETCHES_H
#define AUTH_FETCHES_H

#include "auth/fetcher.h"
#include "auth/question.h"

struct auth_fetches {
    struct auth_questions questions; /* by URL */
    struct auth_fetcher *fetcher;
    struct net_watch watch;
    struct net_loop *loop;
    void (*done)(void *context, struct auth_fetch_job *job);
    void *context;
    uint64_t last_tag, failed;
};

/* `done` is told of each job with what came of it, and never from within start; the job is freed
 * then. Its status is that of auth_fetch, or BASE_ESPACE: too many wait, so it was not tried.
 * BASE_EIO, BASE_ENOMEM. */
int auth_fetches_init(struct auth_fetches *fetches, const struct auth_fetcher_options *options,
                      struct auth_service *service,
                      void (*done)(void *context, struct auth_fetch_job *job), void *done_context);
/* Waits for what is under way. Also after init has failed, and for one that is all zero. */
void auth_fetches_free(struct auth_fetches *fetches);
/* Takes the job (its url and what is wanted), whatever comes of it. BASE_OK, too, when its URL is
 * being fetched already; BASE_EFORMAT: the URL has no host whose addresses could be looked up;
 * BASE_ELIMIT, BASE_ENOMEM. */
int auth_fetches_start(struct auth_fetches *fetches, struct auth_fetch_job *job);

#endif
