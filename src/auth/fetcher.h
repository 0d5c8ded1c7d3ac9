/*
 * MTA-STS policies (fetched and written to disk) and other documents had by a few threads, so that
 * an event loop never waits for a web server or a disk.
 */
#ifndef AUTH_FETCHER_H
#define AUTH_FETCHER_H

#include "auth/host.h"
#include "base/clock.h"
#include "dane/sts.h"

struct auth_fetcher;

struct auth_fetcher_options {
    const char *ca_file;   /* NULL: the system's */
    const char *directory; /* of the store; NULL: nothing is written */
    unsigned threads;      /* 0: 4 */
    unsigned most;         /* jobs that wait or are under way; 0: 256 */
    unsigned timeout_ms;   /* of one fetch; 0: 10 000 */
};

struct auth_fetch_job {
    struct auth_fetch_job *next;
    /* Wanted. */
    char domain[DANE_DOMAIN_MAX];
    char id[DANE_STS_ID_MAX + 1];
    char addresses[AUTH_HOST_ADDRESSES]; /* of mta-sts.DOMAIN: "192.0.2.1,2001:db8::1" */
    base_time now;
    /* Or another document: `url`, at `domain` and `port`, at most `most` octets. It is not looked
     * into, and not written. */
    char *url; /* malloc'ed; NULL: the MTA-STS policy of the domain */
    uint16_t port;
    size_t most;
    uint64_t tag; /* the caller's */
    /* What came of it. */
    int status; /* of auth_fetch, or that it is no policy */
    char why[200];
    char *text; /* malloc'ed */
    size_t length;
    int written; /* of dane_sts_store_write */
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
