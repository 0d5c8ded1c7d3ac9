/*
 * Threads for bulk work. Two shapes are enough: independent pieces in any order, and a pipeline
 * whose pieces are made in order, worked on by anybody, and consumed in order.
 *
 * `threads` counts workers; the calling thread is one of them. 0 means one per online CPU. With 1
 * everything runs on the caller, in order.
 */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <stddef.h>

#define BASE_THREAD_MAX 256 /* workers at most */

/* The number of workers meant by `threads`. */
unsigned base_thread_count(unsigned threads);

/* Calls work(context, index, worker) once for each index below `count`; `worker` < the number of
 * workers, and no two calls with one worker number run at the same time. Returns when all are
 * done. A call that returns an error stops the hand-out of further indexes; the error of the
 * lowest failed index is returned. When the system refuses a thread, fewer do the work. */
int base_parallel(unsigned threads, size_t count,
                  int (*work)(void *context, size_t index, unsigned worker), void *context);

/*
 * An ordered pipeline over pieces. At most `depth` pieces are in flight, so memory is bounded.
 *   make:  called for one piece after the other, never twice at the same time; sets *piece, or
 *          leaves it NULL at the end.
 *   work:  called for different pieces at the same time.
 *   take:  called in the order of `make`, never twice at the same time; owns the piece after.
 * The first error stops everything, and `drop` (may be NULL) is called for each piece that was
 * made and not taken; a piece whose `take` failed counts as taken. Returns that error, or
 * BASE_ENOMEM.
 */
struct base_pipeline {
    int (*make)(void *context, void **piece);
    int (*work)(void *context, void *piece, unsigned worker);
    int (*take)(void *context, void *piece);
    void (*drop)(void *context, void *piece);
    void *context;
};
int base_pipeline_run(const struct base_pipeline *pipeline, unsigned threads, size_t depth);

#endif
