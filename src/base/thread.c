/* Threads for bulk work: see thread.h. */
#include "base/thread.h"

#include "base/error.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

unsigned base_thread_count(unsigned threads)
{
    if (threads == 0) {
        /* The CPUs this process may run on, which can be fewer than the machine has. */
        cpu_set_t set;
        if (sched_getaffinity(0, sizeof(set), &set) == 0)
            threads = (unsigned)CPU_COUNT(&set);
        else
            threads = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    }
    if (threads < 1 || threads > INT32_MAX)
        return 1;
    return threads < BASE_THREAD_MAX ? threads : BASE_THREAD_MAX;
}

/* A crew: workers that run the same function, the caller among them as number 0. */
struct crew_member {
    void (*run)(void *shared, unsigned worker);
    void *shared;
    unsigned worker;
    pthread_t thread;
};

static void *crew_entry(void *argument)
{
    struct crew_member *member = argument;
    member->run(member->shared, member->worker);
    return NULL;
}

/* Work goes on with fewer when the system gives no more threads: there is always the caller. */
static void crew_run(unsigned workers, void (*run)(void *shared, unsigned worker), void *shared)
{
    struct crew_member members[BASE_THREAD_MAX];
    unsigned made = 1;
    while (made < workers) {
        struct crew_member *member = &members[made];
        *member = (struct crew_member){.run = run, .shared = shared, .worker = made};
        if (pthread_create(&member->thread, NULL, crew_entry, member) != 0)
            break;
        made++;
    }
    run(shared, 0);
    while (made > 1)
        pthread_join(members[--made].thread, NULL);
}

struct parallel {
    atomic_size_t next;
    atomic_bool stop;
    size_t count;
    int (*work)(void *context, size_t index, unsigned worker);
    void *context;
    pthread_mutex_t lock; /* over the two below */
    size_t failed_index;
    int error;
};

static void parallel_fail(struct parallel *parallel, size_t index, int error)
{
    atomic_store(&parallel->stop, true);
    pthread_mutex_lock(&parallel->lock);
    if (parallel->error == BASE_OK || index < parallel->failed_index) {
        parallel->failed_index = index;
        parallel->error = error;
    }
    pthread_mutex_unlock(&parallel->lock);
}

static void parallel_run(void *shared, unsigned worker)
{
    struct parallel *parallel = shared;
    while (!atomic_load_explicit(&parallel->stop, memory_order_relaxed)) {
        size_t index = atomic_fetch_add(&parallel->next, 1);
        if (index >= parallel->count)
            return;
        int error = parallel->work(parallel->context, index, worker);
        if (error != BASE_OK)
            parallel_fail(parallel, index, error);
    }
}

int base_parallel(unsigned threads, size_t count,
                  int (*work)(void *context, size_t index, unsigned worker), void *context)
{
    unsigned workers = base_thread_count(threads);
    if (workers > count)
        workers = count > 0 ? (unsigned)count : 1;
    struct parallel parallel = {
        .count = count, .work = work, .context = context, .lock = PTHREAD_MUTEX_INITIALIZER};
    crew_run(workers, parallel_run, &parallel);
    pthread_mutex_destroy(&parallel.lock);
    return parallel.error;
}

enum piece_state { PIECE_FREE, PIECE_MADE, PIECE_WORKING, PIECE_DONE };

struct pipeline_slot {
    void *piece;
    enum piece_state state;
};

/* A ring of slots: piece number n lies in slot n % depth. */
struct pipeline {
    const struct base_pipeline *stages;
    size_t depth;
    size_t workers;
    struct pipeline_slot *slots;
    pthread_mutex_t lock; /* over everything below, and over the slots */
    pthread_cond_t changed;
    size_t made;    /* number of the next piece to make */
    size_t started; /* number of the next piece to work on */
    size_t taken;   /* number of the next piece to take */
    bool making, taking, ended;
    int error;
};

static struct pipeline_slot *pipeline_slot(struct pipeline *pipeline, size_t number)
{
    return &pipeline->slots[number % pipeline->depth];
}

static void pipeline_fail(struct pipeline *pipeline, int error)
{
    if (pipeline->error == BASE_OK)
        pipeline->error = error;
}

/* Each step is called with the lock held, gives it away while it works, and says whether there
 * was something to do. */
static bool pipeline_take(struct pipeline *pipeline)
{
    if (pipeline->taking || pipeline->taken == pipeline->started)
        return false;
    struct pipeline_slot *slot = pipeline_slot(pipeline, pipeline->taken);
    if (slot->state != PIECE_DONE)
        return false;
    pipeline->taking = true;
    slot->state = PIECE_FREE;
    pthread_mutex_unlock(&pipeline->lock);
    int error = pipeline->stages->take(pipeline->stages->context, slot->piece);
    pthread_mutex_lock(&pipeline->lock);
    if (error != BASE_OK)
        pipeline_fail(pipeline, error);
    pipeline->taken++;
    pipeline->taking = false;
    return true;
}

static bool pipeline_make(struct pipeline *pipeline)
{
    if (pipeline->making || pipeline->ended || pipeline->made - pipeline->taken >= pipeline->depth)
        return false;
    pipeline->making = true;
    pthread_mutex_unlock(&pipeline->lock);
    void *piece = NULL;
    int error = pipeline->stages->make(pipeline->stages->context, &piece);
    pthread_mutex_lock(&pipeline->lock);
    pipeline->making = false;
    if (error != BASE_OK) {
        pipeline_fail(pipeline, error);
    } else if (piece == NULL) {
        pipeline->ended = true;
    } else {
        *pipeline_slot(pipeline, pipeline->made) =
            (struct pipeline_slot){.piece = piece, .state = PIECE_MADE};
        pipeline->made++;
    }
    return true;
}

static bool pipeline_work(struct pipeline *pipeline, unsigned worker)
{
    if (pipeline->started == pipeline->made)
        return false;
    struct pipeline_slot *slot = pipeline_slot(pipeline, pipeline->started++);
    slot->state = PIECE_WORKING;
    pthread_mutex_unlock(&pipeline->lock);
    int error = pipeline->stages->work(pipeline->stages->context, slot->piece, worker);
    pthread_mutex_lock(&pipeline->lock);
    slot->state = PIECE_DONE;
    if (error != BASE_OK)
        pipeline_fail(pipeline, error);
    return true;
}

static bool pipeline_over(const struct pipeline *pipeline)
{
    return pipeline->error != BASE_OK || (pipeline->ended && pipeline->taken == pipeline->made);
}

/* The two stages that only one at a time can do go first, since everybody waits for them; but
 * no more is made ahead than the crew can start on, so that pieces are worked on while they are
 * still in the cache. */
static bool pipeline_step(struct pipeline *pipeline, unsigned worker)
{
    if (pipeline_take(pipeline))
        return true;
    if (pipeline->made - pipeline->started < pipeline->workers && pipeline_make(pipeline))
        return true;
    return pipeline_work(pipeline, worker);
}

static void pipeline_run(void *shared, unsigned worker)
{
    struct pipeline *pipeline = shared;
    pthread_mutex_lock(&pipeline->lock);
    while (!pipeline_over(pipeline)) {
        if (pipeline_step(pipeline, worker))
            pthread_cond_broadcast(&pipeline->changed);
        else
            pthread_cond_wait(&pipeline->changed, &pipeline->lock);
    }
    pthread_mutex_unlock(&pipeline->lock);
}

static void pipeline_drop_rest(struct pipeline *pipeline)
{
    const struct base_pipeline *stages = pipeline->stages;
    for (size_t number = pipeline->taken; number < pipeline->made; number++) {
        if (stages->drop != NULL)
            stages->drop(stages->context, pipeline_slot(pipeline, number)->piece);
    }
}

int base_pipeline_run(const struct base_pipeline *stages, unsigned threads, size_t depth)
{
    unsigned workers = base_thread_count(threads);
    struct pipeline pipeline = {
        .stages = stages,
        .depth = depth > 0 ? depth : 1,
        .workers = workers,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER,
    };
    pipeline.slots = calloc(pipeline.depth, sizeof(*pipeline.slots));
    if (pipeline.slots == NULL)
        return BASE_ENOMEM;
    crew_run(workers, pipeline_run, &pipeline);
    pipeline_drop_rest(&pipeline);
    pthread_cond_destroy(&pipeline.changed);
    pthread_mutex_destroy(&pipeline.lock);
    free(pipeline.slots);
    return pipeline.error;
}
