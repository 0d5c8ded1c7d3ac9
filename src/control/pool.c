/* Workers, the writer's queue, and the way back into the loop: see internal.h. */
#include "control/internal.h"

#include "base/error.h"

#include <stdlib.h>
#include <time.h>

/* How long a commit waits for more zones, and for how many. */
#define GATHER_NS    20000000
#define GATHER_TASKS 256

static void put(struct control_queue *queue, struct control_task *task)
{
    task->next = NULL;
    *queue->last = task;
    queue->last = &task->next;
    queue->length++;
}

static struct control_task *take(struct control_queue *queue)
{
    struct control_task *task = queue->first;
    if (task == NULL)
        return NULL;
    queue->first = task->next;
    if (queue->first == NULL)
        queue->last = &queue->first;
    queue->length--;
    task->next = NULL;
    return task;
}

static struct control_task *take_all(struct control_queue *queue)
{
    struct control_task *first = queue->first;
    *queue = (struct control_queue){.last = &queue->first};
    return first;
}

void control_pool_post(struct control *control, struct control_task *task)
{
    struct control_pool *pool = &control->pool;
    pthread_mutex_lock(&pool->lock);
    put(&pool->finished, task);
    pthread_mutex_unlock(&pool->lock);
    uv_async_send(&pool->wake);
}

static void count(struct control_pool *pool, struct control_task *task)
{
    task->counted = true;
    pool->out++;
}

void control_pool_run(struct control *control, struct control_task *task)
{
    struct control_pool *pool = &control->pool;
    count(pool, task);
    pthread_mutex_lock(&pool->lock);
    if (pool->ended) {
        task->error = BASE_EIO;
        put(&pool->finished, task);
    } else {
        put(&pool->tasks, task);
        pthread_cond_signal(&pool->work);
    }
    pthread_mutex_unlock(&pool->lock);
}

static void to_writer(struct control_pool *pool, struct control_task *task)
{
    pthread_mutex_lock(&pool->lock);
    if (pool->ended) {
        task->error = BASE_EIO;
        put(&pool->finished, task);
    } else {
        put(&pool->writes, task);
        pthread_cond_signal(&pool->write);
    }
    pthread_mutex_unlock(&pool->lock);
}

void control_pool_write(struct control *control, struct control_task *task)
{
    count(&control->pool, task);
    to_writer(&control->pool, task);
}

size_t control_pool_waiting(struct control *control)
{
    struct control_pool *pool = &control->pool;
    pthread_mutex_lock(&pool->lock);
    size_t waiting = pool->tasks.length;
    pthread_mutex_unlock(&pool->lock);
    return waiting;
}

/* --- in the loop --- */

static void on_wake(uv_async_t *wake)
{
    struct control *control = wake->data;
    struct control_pool *pool = &control->pool;
    pthread_mutex_lock(&pool->lock);
    struct control_task *task = take_all(&pool->finished);
    pthread_mutex_unlock(&pool->lock);
    while (task != NULL) {
        struct control_task *next = task->next;
        if (task->counted)
            pool->out--;
        task->done(task);
        task = next;
    }
    control_run_due(control);
}

/* --- workers --- */

int control_worker_keys(struct control_worker *worker, struct keys_client **out)
{
    if (worker->keys == NULL) {
        int fd;
        int error = control_connect_keys(worker->control, &fd);
        if (error == BASE_OK)
            error = keys_client_new(fd, &worker->keys);
        if (error != BASE_OK)
            return error;
    }
    *out = worker->keys;
    return BASE_OK;
}

void control_worker_lost_keys(struct control_worker *worker)
{
    keys_client_free(worker->keys);
    worker->keys = NULL;
}

int control_worker_reader(struct control_worker *worker, struct image_reader **out)
{
    int error = BASE_OK;
    if (worker->reader == NULL) {
        error = image_reader_open(worker->control->image, &worker->reader);
    } else {
        error = image_reader_renew(worker->reader);
    }
    if (error == BASE_OK)
        *out = worker->reader;
    return error;
}

static void *work(void *context)
{
    struct control_worker *worker = context;
    struct control *control = worker->control;
    struct control_pool *pool = &control->pool;
    pthread_mutex_lock(&pool->lock);
    while (true) {
        struct control_task *task = take(&pool->tasks);
        if (task == NULL) {
            if (pool->ending)
                break;
            pthread_cond_wait(&pool->work, &pool->lock);
            continue;
        }
        pool->running++;
        pthread_mutex_unlock(&pool->lock);
        bool write = task->run(task, worker);
        if (worker->reader != NULL)
            image_reader_release(worker->reader);
        pthread_mutex_lock(&pool->lock);
        pool->running--;
        pthread_mutex_unlock(&pool->lock);
        if (write) {
            to_writer(pool, task);
            uv_async_send(&pool->wake); /* there is room for another */
        } else {
            control_pool_post(control, task);
        }
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* Is there anybody among those that wait for the writer whom somebody waits for? */
static bool is_awaited(const struct control_queue *queue)
{
    for (const struct control_task *task = queue->first; task != NULL; task = task->next)
        if (!task->patient)
            return true;
    return false;
}

/* While workers bring one zone after the other, a commit of few zones is put off a little: each
 * costs the disk the same. With the lock held. */
static void gather_writes(struct control_pool *pool)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_nsec += GATHER_NS;
    if (end.tv_nsec >= 1000000000) {
        end.tv_nsec -= 1000000000;
        end.tv_sec++;
    }
    while (pool->writes.length < GATHER_TASKS && !pool->ending && !is_awaited(&pool->writes) &&
           pool->running + pool->tasks.length > 0 &&
           pthread_cond_timedwait(&pool->write, &pool->lock, &end) == 0)
        ;
}

/* Whoever comes while a commit is on its way is in the next one, together with all others: so
 * commits are as large as the disk is slow. */
static void *write_all(void *context)
{
    struct control *control = context;
    struct control_pool *pool = &control->pool;
    pthread_mutex_lock(&pool->lock);
    while (true) {
        if (pool->writes.first != NULL)
            gather_writes(pool);
        struct control_task *tasks = take_all(&pool->writes);
        if (tasks == NULL) {
            if (pool->ending)
                break;
            pthread_cond_wait(&pool->write, &pool->lock);
            continue;
        }
        pthread_mutex_unlock(&pool->lock);
        control_writer_commit(control, tasks);
        while (tasks != NULL) {
            struct control_task *next = tasks->next;
            control_pool_post(control, tasks);
            tasks = next;
        }
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

int control_pool_start(struct control *control, unsigned workers)
{
    struct control_pool *pool = &control->pool;
    *pool = (struct control_pool){.control = control};
    control->scribe.control = control;
    pool->tasks.last = &pool->tasks.first;
    pool->writes.last = &pool->writes.first;
    pool->finished.last = &pool->finished.first;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->write, &attributes);
    pthread_condattr_destroy(&attributes);
    pool->workers = calloc(workers, sizeof(*pool->workers));
    if (pool->workers == NULL || uv_async_init(&control->loop, &pool->wake, on_wake) != 0)
        return BASE_ENOMEM;
    pool->wake.data = control;
    if (pthread_create(&pool->writer, NULL, write_all, control) != 0)
        return BASE_EIO;
    pool->writer_runs = true;
    for (unsigned i = 0; i < workers; i++) {
        pool->workers[i].control = control;
        if (pthread_create(&pool->workers[i].thread, NULL, work, &pool->workers[i]) != 0)
            return i > 0 ? BASE_OK : BASE_EIO;
        pool->count = i + 1;
    }
    return BASE_OK;
}

void control_pool_stop(struct control *control)
{
    struct control_pool *pool = &control->pool;
    if (pool->control == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->ending = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->count; i++)
        pthread_join(pool->workers[i].thread, NULL);
    /* The workers have handed over what they had; now the writer ends after it. */
    pthread_mutex_lock(&pool->lock);
    pthread_cond_broadcast(&pool->write);
    pthread_mutex_unlock(&pool->lock);
    if (pool->writer_runs)
        pthread_join(pool->writer, NULL);
    /* What they bring may want more work done: it comes back at once, as failed. */
    pool->ended = true;
    struct control_task *task;
    while ((task = take(&pool->finished)) != NULL)
        task->done(task);
    for (unsigned i = 0; i < pool->count; i++) {
        keys_client_free(pool->workers[i].keys);
        image_reader_close(pool->workers[i].reader);
    }
    keys_client_free(control->scribe.keys);
    free(pool->workers);
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->write);
    pthread_mutex_destroy(&pool->lock);
    pool->control = NULL;
}
