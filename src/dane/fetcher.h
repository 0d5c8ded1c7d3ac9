/*
 * MTA-STS policies (fetched and written to disk) and other documents had by a few threads, so that
 * an event loop never waits for a web server or a disk.
 */
#ifndef DANE_FETCHER_H
#define DANE_FETCHER_H

#include "base/clock.h"
#include "dane/names.h"
#include "dane/sts.h"

struct dane_fetcher;

struct dane_fetcher_options {
    const char *ca_file;   /* NULL: the system's */
    const char *directory; /* of the store; NULL: nothing is written */
    unsigned threads;      /* 0: 4 */
    unsigned most;         /* jobs that wait or are under way; 0: 256 */
    unsigned timeout_ms;   /* of one fetch; 0: 10 000 */
};

struct dane_fetch_job {
    struct dane_fetch_job *next;
    /* Wanted. */
    char domain[DANE_DOMAIN_MAX];
    char id[DANE_STS_ID_MAX + 1];
    char addresses[1024]; /* of mta-sts.DOMAIN: "192.0.2.1,2001:db8::1" */
    base_time now;
    /* Or another document: `url`, at `domain` and `port`, at most `most` octets. It is not looked
     * into, and not written. */
    char *url; /* malloc'ed; NULL: the MTA-STS policy of the domain */
    uint16_t port;
    size_t most;
    uint64_t tag; /* the caller's */
    /* What came of it. */
    int status; /* of dane_fetch, or that it is no policy */
    char why[200];
    char *text; /* malloc'ed */
    size_t length;
    int written; /* of dane_sts_store_write */
};

int dane_fetcher_new(const struct dane_fetcher_options *options, struct dane_fetcher **out);
/* Waits for what is under way. */
void dane_fetcher_free(struct dane_fetcher *fetcher);
/* The job becomes the fetcher's until it is given back. BASE_ELIMIT: there are too many. */
int dane_fetcher_start(struct dane_fetcher *fetcher, struct dane_fetch_job *job);
/* Readable when a job is done. */
int dane_fetcher_fd(const struct dane_fetcher *fetcher);
/* A job that is done; the caller's again. NULL: none. */
struct dane_fetch_job *dane_fetcher_next(struct dane_fetcher *fetcher);
void dane_fetch_job_free(struct dane_fetch_job *job);

#endif
