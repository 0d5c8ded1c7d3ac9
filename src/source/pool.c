/* The threads that transfer: see internal.h. */
#include "base/error.h"
#include "source/internal.h"

#include <sys/eventfd.h>
#include <unistd.h>

static struct source_job *job_of_turn(struct net_turn *turn)
{
    return (struct source_job *)((char *)turn - offsetof(struct source_job, turn));
}

/* Waits for a transfer; NULL when the pool stops and none is left. */
static struct source_job *next_job(struct source_pool *pool)
{
    struct net_turn *turn;
    pthread_mutex_lock(&pool->lock);
    while ((turn = net_turns_next(&pool->turns)) == NULL && !pool->stop)
        pthread_cond_wait(&pool->ready, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    return turn != NULL ? job_of_turn(turn) : NULL;
}

static void end_turn(struct source_pool *pool, struct source_job *job, bool well)
{
    pthread_mutex_lock(&pool->lock);
    net_turns_end(&pool->turns, &job->turn, well);
    /* The peer's next may run now, or several when it is no longer troubled. */
    pthread_cond_broadcast(&pool->ready);
    pthread_mutex_unlock(&pool->lock);
}

static void do_job(struct source_pool *pool, struct source_job *job)
{
    enum source_pulled pulled =
        atomic_load(&job->fetcher->stopping) ? SOURCE_PULL_NO_USE : source_pull(job);
    end_turn(pool, job, pulled != SOURCE_PULL_STALLED);
    if (pulled == SOURCE_PULLED)
        source_job_end(job, job->zone != NULL ? SOURCE_WHOLE : SOURCE_EDITS);
    else
        source_job_next(job, pulled == SOURCE_PULL_CURRENT);
}

static void *run(void *context)
{
    struct source_fetcher *fetcher = context;
    for (struct source_job *job; (job = next_job(&fetcher->pool)) != NULL;)
        do_job(&fetcher->pool, job);
    return NULL;
}

int source_pool_start(struct source_fetcher *fetcher)
{
    struct source_pool *pool = &fetcher->pool;
    unsigned threads = fetcher->options.transfers;
    /* One primary never has all of the threads: others are fetched from while it stalls. */
    net_turns_init(&pool->turns, threads, threads > 1 ? threads - (threads + 3) / 4 : 1);
    pool->stop_event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (pool->stop_event < 0)
        return BASE_EIO;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->ready, NULL);
    while (pool->thread_count < threads &&
           pthread_create(&pool->threads[pool->thread_count], NULL, run, fetcher) == 0)
        pool->thread_count++;
    if (pool->thread_count > 0)
        return BASE_OK;
    pthread_cond_destroy(&pool->ready);
    pthread_mutex_destroy(&pool->lock);
    close(pool->stop_event);
    return BASE_EIO;
}

void source_pool_stop(struct source_fetcher *fetcher)
{
    struct source_pool *pool = &fetcher->pool;
    uint64_t one = 1;
    pthread_mutex_lock(&pool->lock);
    pool->stop = true;
    pthread_cond_broadcast(&pool->ready);
    pthread_mutex_unlock(&pool->lock);
    ssize_t written = write(pool->stop_event, &one, sizeof(one));
    (void)written; /* the event's number is 0 until here, so there is room */
    for (unsigned i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    /* What the limits kept from running while the last threads went. */
    for (struct net_turn *turn; (turn = net_turns_next(&pool->turns)) != NULL;)
        do_job(pool, job_of_turn(turn));
}

void source_pool_free(struct source_fetcher *fetcher)
{
    struct source_pool *pool = &fetcher->pool;
    net_turns_free(&pool->turns);
    pthread_cond_destroy(&pool->ready);
    pthread_mutex_destroy(&pool->lock);
    close(pool->stop_event);
}

int source_pool_add(struct source_job *job)
{
    struct source_pool *pool = &job->fetcher->pool;
    pthread_mutex_lock(&pool->lock);
    int error = pool->stop
                    ? BASE_EREFUSED
                    : net_turns_add(&pool->turns, &source_job_server(job)->addresses[job->address],
                                    &job->turn);
    pthread_cond_signal(&pool->ready);
    pthread_mutex_unlock(&pool->lock);
    return error;
}
