/*
 * Documents over HTTPS had by a few threads, so that an event loop never waits for a web server or
 * a disk.
 */
#ifndef AUTH_FETCHER_H
#define AUTH_FETCHER_H

#include "auth/host.h"

struct auth_fetcher;

struct auth_fetcher_options {
    const char *ca_file; /* NULL: the system's */
    unsigned threads;    /* 0: 4 */
    unsigned most;       /* jobs that wait or are under way */
    unsigned timeout_ms; /* of one fetch; 0: 10 000 */
};

/* May stand first in a larger thing of the caller's. */
struct auth_fetch_job {
    struct auth_fetch_job *next;
    /* Wanted. */
    char *url; /* malloc'ed */
    const char *media_type;
    size_t most;                                /* octets */
    void (*finish)(struct auth_fetch_job *job); /* in the fetcher's thread, when it is there; may
                                                 * change status and why. NULL */
    /* Where from. */
    char host[DANE_DOMAIN_MAX];
    uint16_t port;
    char addresses[AUTH_HOST_ADDRESSES];
    uint64_t tag;
    /* What came of it. */
    int status; /* of auth_fetch */
    char why[200];
    char *text; /* malloc'ed */
    size_t length;
};

int auth_fetcher_new(const struct auth_fetcher_options *options, struct auth_fetcher **out);
/* Waits for what is under way. */
void auth_fetcher_free(struct auth_fetcher *fetcher);
/* The job becomes the fetcher's until it is given back. BASE_ELIMIT: there are too many. */
int auth_fetcher_start(struct auth_fetcher *fetcher, struct auth_fetch_job *job);
/* Readable when a job is done. */
int auth_fetcher_fd(const struct auth_fetcher *fetcher);
/* A job that is done; the caller's again. NULL: none. */
struct auth_fetch_job *auth_fetcher_next(struct auth_fetcher *fetcher);
void auth_fetch_job_free(struct auth_fetch_job *job);

#endif
