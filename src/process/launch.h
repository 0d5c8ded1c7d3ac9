/*
 * Starting a process as a fresh image of this program. Inner part of process/supervisor.
 */
#ifndef PROCESS_LAUNCH_H
#define PROCESS_LAUNCH_H

#include "process/supervisor.h"

#include <signal.h>

struct process_launch {
    const char *executable; /* NULL: this program */
    const struct process_role *role;
    int channel;          /* becomes the child's; stays open here */
    uint32_t generation;  /* which start of it, from 1 */
    const sigset_t *mask; /* of signals, as before the supervisor */
    const struct base_log *log;
};

/* BASE_EIO (errno), BASE_ENOMEM. That the program could not be executed is seen later, as its death
 * with code 127. */
int process_launch(const struct process_launch *launch, pid_t *pid);

#endif
