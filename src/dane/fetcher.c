/* Threads that fetch MTA-STS policies: see fetcher.h. */
#include "dane/fetcher.h"

#include "base/error.h"
#include "dane/authenticate.h"
#include "dane/sts_store.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define THREADS_MAX 16

struct dane_fetcher {
    struct dane_fetcher_options options;
    int fd;
    pthread_t threads[THREADS_MAX];
    unsigned thread_count;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t work;
    struct dane_fetch_job *first, **last; /* that wait */
    struct dane_fetch_job *done;
    unsigned count; /* that were started and not given back */
    bool stop;
};

static void check(struct dane_fetch_job *job)
{
    struct dane_sts sts;
    job->status = dane_sts_parse(job->text, job->length, &sts, job->why);
    if (job->status == BASE_OK)
        dane_sts_free(&sts);
}

static void work_on_document(const struct dane_fetcher *fetcher, struct dane_fetch_job *job)
{
    char resolve[DANE_DOMAIN_MAX + sizeof job->addresses + 32];
    snprintf(resolve, sizeof resolve, "%s:%u:%s", job->domain, job->port, job->addresses);
    struct dane_fetch fetch = {
        .url = job->url,
        .ca_file = fetcher->options.ca_file,
        .resolve = resolve,
        .most = job->most,
        .timeout_ms = fetcher->options.timeout_ms,
    };
    job->status = dane_fetch(&fetch, &job->text, &job->length, job->why);
}

static void work_on(const struct dane_fetcher *fetcher, struct dane_fetch_job *job)
{
    if (job->url) {
        work_on_document(fetcher, job);
        return;
    }
    char url[DANE_DOMAIN_MAX + 64], resolve[DANE_DOMAIN_MAX + sizeof job->addresses + 32];
    snprintf(url, sizeof url, "https://mta-sts.%s/.well-known/mta-sts.txt", job->domain);
    snprintf(resolve, sizeof resolve, "mta-sts.%s:443:%s", job->domain, job->addresses);
    struct dane_fetch fetch = {
        .url = url,
        .media_type = "text/plain",
        .ca_file = fetcher->options.ca_file,
        .resolve = resolve,
        .most = DANE_STS_TEXT_MAX,
        .timeout_ms = fetcher->options.timeout_ms,
    };
    job->status = dane_fetch(&fetch, &job->text, &job->length, job->why);
    if (job->status == BASE_OK)
        check(job);
    if (job->status == BASE_OK)
        job->written = dane_sts_store_write(fetcher->options.directory, job->domain, job->id,
                                            job->now, job->text, job->length);
}

static struct dane_fetch_job *take(struct dane_fetcher *fetcher)
{
    pthread_mutex_lock(&fetcher->lock);
    while (!fetcher->first && !fetcher->stop)
        pthread_cond_wait(&fetcher->work, &fetcher->lock);
    struct dane_fetch_job *job = fetcher->stop ? NULL : fetcher->first;
    if (job) {
        fetcher->first = job->next;
        if (!fetcher->first)
            fetcher->last = &fetcher->first;
    }
    pthread_mutex_unlock(&fetcher->lock);
    return job;
}

static void *run(void *context)
{
    struct dane_fetcher *fetcher = context;
    for (struct dane_fetch_job *job; (job = take(fetcher));) {
        work_on(fetcher, job);
        pthread_mutex_lock(&fetcher->lock);
        job->next = fetcher->done;
        fetcher->done = job;
        pthread_mutex_unlock(&fetcher->lock);
        eventfd_write(fetcher->fd, 1);
    }
    return NULL;
}

int dane_fetcher_new(const struct dane_fetcher_options *options, struct dane_fetcher **out)
{
    struct dane_fetcher *fetcher = calloc(1, sizeof *fetcher);
    if (!fetcher)
        return BASE_ENOMEM;
    fetcher->options = *options;
    if (fetcher->options.threads == 0)
        fetcher->options.threads = 4;
    if (fetcher->options.most == 0)
        fetcher->options.most = 256;
    if (fetcher->options.timeout_ms == 0)
        fetcher->options.timeout_ms = 10000;
    fetcher->last = &fetcher->first;
    pthread_mutex_init(&fetcher->lock, NULL);
    pthread_cond_init(&fetcher->work, NULL);
    fetcher->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    while (fetcher->fd >= 0 && fetcher->thread_count < fetcher->options.threads &&
           fetcher->thread_count < THREADS_MAX &&
           pthread_create(&fetcher->threads[fetcher->thread_count], NULL, run, fetcher) == 0)
        fetcher->thread_count++;
    if (fetcher->thread_count == 0) {
        dane_fetcher_free(fetcher);
        return BASE_EIO;
    }
    *out = fetcher;
    return BASE_OK;
}

static void free_list(struct dane_fetch_job *job)
{
    for (struct dane_fetch_job *next; job; job = next) {
        next = job->next;
        dane_fetch_job_free(job);
    }
}

void dane_fetcher_free(struct dane_fetcher *fetcher)
{
    if (!fetcher)
        return;
    pthread_mutex_lock(&fetcher->lock);
    fetcher->stop = true;
    pthread_cond_broadcast(&fetcher->work);
    pthread_mutex_unlock(&fetcher->lock);
    for (unsigned i = 0; i < fetcher->thread_count; i++)
        pthread_join(fetcher->threads[i], NULL);
    free_list(fetcher->first);
    free_list(fetcher->done);
    if (fetcher->fd >= 0)
        close(fetcher->fd);
    pthread_cond_destroy(&fetcher->work);
    pthread_mutex_destroy(&fetcher->lock);
    free(fetcher);
}

int dane_fetcher_start(struct dane_fetcher *fetcher, struct dane_fetch_job *job)
{
    int status = BASE_OK;
    pthread_mutex_lock(&fetcher->lock);
    if (fetcher->count >= fetcher->options.most) {
        status = BASE_ELIMIT;
    } else {
        fetcher->count++;
        job->next = NULL;
        *fetcher->last = job;
        fetcher->last = &job->next;
        pthread_cond_signal(&fetcher->work);
    }
    pthread_mutex_unlock(&fetcher->lock);
    return status;
}

int dane_fetcher_fd(const struct dane_fetcher *fetcher)
{
    return fetcher->fd;
}

struct dane_fetch_job *dane_fetcher_next(struct dane_fetcher *fetcher)
{
    eventfd_t ignored;
    pthread_mutex_lock(&fetcher->lock);
    struct dane_fetch_job *job = fetcher->done;
    if (job) {
        fetcher->done = job->next;
        fetcher->count--;
    } else {
        eventfd_read(fetcher->fd, &ignored);
    }
    pthread_mutex_unlock(&fetcher->lock);
    return job;
}

void dane_fetch_job_free(struct dane_fetch_job *job)
{
    if (!job)
        return;
    free(job->url);
    free(job->text);
    free(job);
}
