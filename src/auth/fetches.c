/* Documents for services: see fetches.h. */
#include "auth/fetches.h"

#include "base/error.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOKUP_TIMEOUT 60 /* seconds */

struct fetch {
    struct auth_question question;
    struct auth_fetch_job *job; /* NULL while the fetcher has it */
    uint64_t tag;
    struct auth_host host;
    char url[];
};

/* --- the document --- */

static void end(struct fetch *fetch, struct auth_fetch_job *job)
{
    struct auth_fetches *fetches = (struct auth_fetches *)fetch->question.questions;
    fetches->failed += job->status != BASE_OK;
    if (job->status != BASE_OK && job->why[0] == '\0')
        snprintf(job->why, sizeof job->why, "%s", base_strerror(job->status));
    fetch->job = NULL;
    auth_question_end(&fetch->question);
    fetches->done(fetches->context, job);
    auth_fetch_job_free(job);
}

static void hand_over(struct auth_question *question)
{
    struct fetch *fetch = (struct fetch *)question;
    struct auth_fetches *fetches = (struct auth_fetches *)question->questions;
    struct auth_fetch_job *job = fetch->job;
    const struct auth_host *host = &fetch->host;
    if (!job || host->missing > 0)
        return;
    if (host->addresses[0] == '\0') {
        job->status = host->failed ? BASE_EIO : BASE_ENOENT;
        snprintf(job->why, sizeof job->why, "%.60s: %.130s", job->host, host->why);
        end(fetch, job);
        return;
    }
    memcpy(job->addresses, host->addresses, sizeof job->addresses);
    job->tag = fetch->tag = ++fetches->last_tag;
    if (auth_fetcher_start(fetches->fetcher, job) == BASE_OK) {
        fetch->job = NULL;
        return;
    }
    job->status = BASE_ESPACE;
    snprintf(job->why, sizeof job->why, "too many documents are being fetched");
    end(fetch, job);
}

static void late(struct auth_question *question)
{
    struct fetch *fetch = (struct fetch *)question;
    struct auth_fetch_job *job = fetch->job;
    if (!job) /* the fetcher has deadlines of its own */
        return;
    job->status = BASE_EIO;
    snprintf(job->why, sizeof job->why, "%.60s: its address cannot be had: it takes too long",
             job->host);
    end(fetch, job);
}

static void fetched(struct net_watch *watch, short events)
{
    struct auth_fetches *fetches =
        (struct auth_fetches *)((char *)watch - offsetof(struct auth_fetches, watch));
    for (struct auth_fetch_job *job; (job = auth_fetcher_next(fetches->fetcher));) {
        struct fetch *fetch = (struct fetch *)auth_question_find(&fetches->questions, job->url);
        if (fetch && fetch->tag == job->tag)
            end(fetch, job);
        else
            auth_fetch_job_free(job);
    }
}

static void found_host(void *context)
{
    auth_question_ready(context);
}

static void fetch_free(struct auth_question *question)
{
    struct fetch *fetch = (struct fetch *)question;
    auth_host_cancel(&fetch->host);
    auth_fetch_job_free(fetch->job);
    free(fetch);
}

int auth_fetches_start(struct auth_fetches *fetches, struct auth_fetch_job *job)
{
    if (auth_question_find(&fetches->questions, job->url)) {
        auth_fetch_job_free(job);
        return BASE_OK;
    }
    size_t size = strlen(job->url) + 1;
    struct fetch *fetch = calloc(1, sizeof *fetch + size);
    int status = !fetch                                           ? BASE_ENOMEM
                 : auth_url_host(job->url, job->host, &job->port) ? BASE_OK
                                                                  : BASE_EFORMAT;
    if (status == BASE_OK) {
        memcpy(fetch->url, job->url, size);
        status = auth_question_add(&fetches->questions, &fetch->question, fetch->url);
    }
    if (status != BASE_OK) {
        free(fetch);
        auth_fetch_job_free(job);
        return status;
    }
    fetch->job = job;
    status = auth_host_start(&fetch->host, fetches->questions.context, job->host, found_host,
                             &fetch->question);
    if (status != BASE_OK)
        auth_question_end(&fetch->question);
    return status;
}

/* --- beginning and end --- */

int auth_fetches_init(struct auth_fetches *fetches, const struct auth_fetcher_options *options,
                      struct auth_service *service,
                      void (*done)(void *context, struct auth_fetch_job *job), void *done_context)
{
    static const struct auth_question_calls calls = {
        .step = hand_over, .late = late, .free = fetch_free};
    *fetches = (struct auth_fetches){
        .loop = auth_service_loop(service), .done = done, .context = done_context};
    auth_questions_init(&fetches->questions, &calls, service, options->most, LOOKUP_TIMEOUT);
    int status = auth_fetcher_new(options, &fetches->fetcher);
    if (status != BASE_OK)
        return status;
    fetches->watch = (struct net_watch){.fd = auth_fetcher_fd(fetches->fetcher), .ready = fetched};
    return net_loop_watch(fetches->loop, &fetches->watch, POLLIN);
}

void auth_fetches_free(struct auth_fetches *fetches)
{
    auth_questions_free(&fetches->questions);
    if (fetches->watch.events != 0)
        net_loop_watch(fetches->loop, &fetches->watch, 0);
    auth_fetcher_free(fetches->fetcher);
}
