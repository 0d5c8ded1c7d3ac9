/* Threads that fetch documents: see fetcher.h. */
#include "auth/fetcher.h"

#include "auth/authenticate.h"
#include "base/error.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define THREADS_MAX 16

struct auth_fetcher {
    struct auth_fetcher_options options;
    int fd;
    pthread_t threads[THREADS_MAX];
    unsigned thread_count;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t work;
    struct auth_fetch_job *first, **last; /* that wait */
    struct auth_fetch_job *done;
    unsigned count; /* that were started and not given back */
    bool stop;
};

static void work_on(const struct auth_fetcher *fetcher, struct auth_fetch_job *job)
{
    char resolve[sizeof job->host + sizeof job->addresses + 32];
    snprintf(resolve, sizeof resolve, "%s:%u:%s", job->host, job->port, job->addresses);
    struct auth_fetch fetch = {
        .url = job->url,
        .media_type = job->media_type,
        .ca_file = fetcher->options.ca_file,
        .resolve = resolve,
        .most = job->most,
        .timeout_ms = fetcher->options.timeout_ms,
    };
    job->status = auth_fetch(&fetch, &job->text, &job->length, job->why);
    if (job->status == BASE_OK && job->finish)
        job->finish(job);
}

static struct auth_fetch_job *take(struct auth_fetcher *fetcher)
{
    pthread_mutex_lock(&fetcher->lock);
    while (!fetcher->first && !fetcher->stop)
        pthread_cond_wait(&fetcher->work, &fetcher->lock);
    struct auth_fetch_job *job = fetcher->stop ? NULL : fetcher->first;
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
    struct auth_fetcher *fetcher = context;
    for (struct auth_fetch_job *job; (job = take(fetcher));) {
        work_on(fetcher, job);
        pthread_mutex_lock(&fetcher->lock);
        job->next = fetcher->done;
        fetcher->done = job;
        pthread_mutex_unlock(&fetcher->lock);
        eventfd_write(fetcher->fd, 1);
    }
    return NULL;
}

int auth_fetcher_new(const struct auth_fetcher_options *options, struct auth_fetcher **out)
{
    struct auth_fetcher *fetcher = calloc(1, sizeof *fetcher);
    if (!fetcher)
        return BASE_ENOMEM;
    fetcher->options = *options;
    if (fetcher->options.threads == 0)
        fetcher->options.threads = 4;
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
        auth_fetcher_free(fetcher);
        return BASE_EIO;
    }
    *out = fetcher;
    return BASE_OK;
}

static void free_list(struct auth_fetch_job *job)
{
    for (struct auth_fetch_job *next; job; job = next) {
        next = job->next;
        auth_fetch_job_free(job);
    }
}

void auth_fetcher_free(struct auth_fetcher *fetcher)
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

int auth_fetcher_start(struct auth_fetcher *fetcher, struct auth_fetch_job *job)
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

int auth_fetcher_fd(const struct auth_fetcher *fetcher)
{
    return fetcher->fd;
}

struct auth_fetch_job *auth_fetcher_next(struct auth_fetcher *fetcher)
{
    eventfd_t ignored;
    pthread_mutex_lock(&fetcher->lock);
    struct auth_fetch_job *job = fetcher->done;
    if (job) {
        fetcher->done = job->next;
        fetcher->count--;
    } else {
        eventfd_read(fetcher->fd, &ignored);
    }
    pthread_mutex_unlock(&fetcher->lock);
    return job;
}

void auth_fetch_job_free(struct auth_fetch_job *job)
{
    if (!job)
        return;
    free(job->url);
    free(job->text);
    free(job);
}
