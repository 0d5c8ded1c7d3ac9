/*
 * For a process that serves clients of its own by channels (keys): gathers the channels that they
 * send. The supervisor introduces a process once; that process then makes as many channels as it
 * has threads, and sends one end of each over the channel it was introduced by. All of these arrive
 * at one place, whoever was introduced when:
 *
 *     supervisor ─ PEER ─►┐
 *     control ── fd, fd ─►├─ process_clients ── fd, fd, fd ─► the service
 *     (the next control) ►┘
 *
 * When the supervisor says stop, or is gone, that place ends, and the service with it.
 */
#ifndef PROCESS_CLIENTS_H
#define PROCESS_CLIENTS_H

#include "process/child.h"

struct process_clients;

/* `child` outlives it and is used by nobody else to receive. *fd is the caller's: messages on it
 * carry a client's channel each. Nothing moves before start. BASE_ENOMEM, BASE_EIO. */
int process_clients_new(struct process_child *child, struct process_clients **out, int *fd);
/* Starts the thread that gathers; after the sandbox is made. BASE_EIO. */
int process_clients_start(struct process_clients *clients);
void process_clients_free(struct process_clients *clients); /* NULL allowed */

#endif
