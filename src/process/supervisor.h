/*
 * The supervisor: starts the processes of kenterd, each as a fresh image of the same program
 * (/proc/self/exe), and starts again those that die: at once at first, later and later when they
 * die again and again. It introduces processes to each other: for each link it makes channels and
 * hands both ends out whenever one side has started, so the other side goes on and only gets a new
 * channel. docs/design/processes.md has the picture; tests/unit/process/test_supervisor.c a small
 * example.
 *
 * It has one thread and no state worth keeping. The signals it uses (SIGTERM, SIGINT, SIGHUP,
 * SIGCHLD) are blocked from process_supervisor_new on.
 */
#ifndef PROCESS_SUPERVISOR_H
#define PROCESS_SUPERVISOR_H

#include "base/log.h"
#include "process/child.h"

#include <stdbool.h>
#include <sys/types.h>

struct process_supervisor;

/* A process. What is pointed to outlives the supervisor. */
struct process_role {
    const char *name; /* "keys" */
    /* What it is started with, argv[0] and the final NULL included. */
    const char *const *arguments;
    /* Called in the supervisor after each start, to hand things over with
     * process_supervisor_give (listening sockets); NULL: none. An error ends the supervisor. */
    int (*started)(void *context, struct process_supervisor *supervisor, const char *name);
    /* Called in the new process before the program is executed, in a copy of the supervisor: only
     * what is safe after fork (limits, privileges). An error is as if it had died. NULL: none. */
    int (*prepare)(void *context);
    void *context;
    unsigned stop_order; /* lower ends first; equal ones together */
    unsigned stop_ms;    /* how long it may take to end before it is killed */
    unsigned silence_ms; /* killed when it is ready and says nothing for so long; 0: never */
    bool optional;       /* kenterd counts as ready without it */
};

/* Two processes that talk. */
struct process_link {
    const char *a, *b;
    unsigned channels; /* made at each start of either */
};

struct process_supervisor_options {
    const struct process_role *roles; /* started in this order */
    size_t role_count;
    const struct process_link *links;
    size_t link_count;
    /* On SIGHUP, before the children are told. An error is logged by the callee; then the children
     * are not told. NULL: only the children are told. */
    int (*reload)(void *context, struct process_supervisor *supervisor);
    /* Once, when all have said that they are ready; NULL: none. */
    void (*ready)(void *context, struct process_supervisor *supervisor);
    void *context;
    const char *executable; /* NULL: this program */
    struct base_log log;
};

/* Blocks the signals that the supervisor handles. To be called first of all, so that one that comes
 * before process_supervisor_run is handled then; those that are started do not inherit this. */
void process_supervisor_block(void);
/* The options are copied, what they point to is not. Nothing is started yet. BASE_EINVAL: a link
 * or a name is wrong; BASE_ENOMEM; BASE_EIO. */
int process_supervisor_new(const struct process_supervisor_options *options,
                           struct process_supervisor **out);
/* Starts all and keeps them until SIGTERM or SIGINT; a second signal ends all at once. Tells
 * systemd (process/notify.h). Returns an exit code: 0, or 3 when it could not go on. */
int process_supervisor_run(struct process_supervisor *supervisor);
/* Kills what still runs. NULL allowed. */
void process_supervisor_free(struct process_supervisor *supervisor);

/* --- for the callbacks --- */

/* Queues a message to a process; `fd` stays the caller's. When the process dies it is lost:
 * `started` sends it anew. BASE_ENOENT: it is not running; BASE_ERANGE; BASE_ENOMEM; BASE_EIO;
 * BASE_ELIMIT: it takes no messages. */
int process_supervisor_give(struct process_supervisor *supervisor, const char *name,
                            const struct process_message *message);
/* Ends a process in good order and starts it again, as when it needs other sockets. */
int process_supervisor_restart(struct process_supervisor *supervisor, const char *name);
/* 0: it is not running. */
pid_t process_supervisor_pid(const struct process_supervisor *supervisor, const char *name);

/* --- how long to wait before the next start; here for its test --- */

struct process_backoff {
    unsigned failures; /* in a row */
};
#define PROCESS_BACKOFF_MAX_MS 5000
/* A process has died that had lived for so long, since it was ready (0: it never was). Returns
 * milliseconds. */
unsigned process_backoff_next(struct process_backoff *backoff, uint64_t lived_ms);

#endif
