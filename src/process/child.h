/*
 * A process of kenterd that the supervisor started (process/supervisor.h), seen from inside: its
 * channel to the supervisor, and what comes over it: channels to other processes, listening
 * sockets, the wish to read the settings again, the wish to end.
 *
 *     process_child_begin(&child)      first of all
 *     … prepare, seal the sandbox …
 *     process_child_ready(&child)      from now on it counts as started
 *     process_child_receive(&child…)   whenever child.fd is readable
 *
 * A child dies with its supervisor. Without a supervisor (a test, a trial by hand) begin succeeds
 * too, child.fd is -1, and nothing ever comes.
 */
#ifndef PROCESS_CHILD_H
#define PROCESS_CHILD_H

#include "process/channel.h"

#define PROCESS_NAME_MAX    32  /* octets of a role's name, with the NUL */
#define PROCESS_STATUS_MAX  256 /* octets of a status line */
#define PROCESS_WORKERS_ALL UINT16_MAX

/* Where a child finds its channel, who must be its parent, and which start of it this is, from 1:
 * set by the supervisor. */
#define PROCESS_CHANNEL_VARIABLE    "KENTER_CHANNEL"
#define PROCESS_SUPERVISOR_VARIABLE "KENTER_SUPERVISOR"
#define PROCESS_GENERATION_VARIABLE "KENTER_GENERATION"

/* Exit codes that the supervisor understands. Any other end means: start it again. */
enum process_exit {
    PROCESS_EXIT_END = 0,      /* as told; when not told it is started again */
    PROCESS_EXIT_AGAIN = 75,   /* start me again at once: what I have open is out of date */
    PROCESS_EXIT_REFUSED = 78, /* it cannot work with these settings, and has said why; before it
                                   was ever ready this ends all of kenterd with code 3 */
};

/* What passes between supervisor and child (message.type). */
enum process_type {
    PROCESS_PEER = 1, /* → child: `fd` is a new channel to the process `name` */
    PROCESS_SOCKET,   /* → child: `fd` is a listening socket */
    PROCESS_SOCKETS,  /* → child: these were all sockets; `value`: how many */
    PROCESS_RELOAD,   /* → child: read the settings again */
    PROCESS_STOP,     /* → child: end in good order; the channel ends after it */
    PROCESS_READY,    /* child →: it works */
    PROCESS_STATUS,   /* child →: a line for people */
    PROCESS_ALIVE,    /* child →: its loop runs */
    PROCESS_ASK,      /* child →: one more channel to the process `name` */
};

struct process_child {
    int fd;              /* to the supervisor; to be polled; -1: there is none */
    uint32_t generation; /* which start of this process, from 1; 0: not known */
    uint8_t *buffer;
};

/* Something that came. */
struct process_event {
    enum process_type type;
    char name[PROCESS_NAME_MAX]; /* PEER: "keys", "control", "serve" */
    /* PEER: which start of that process, from 1. Channels of an earlier one lead nowhere. */
    uint32_t generation;
    int fd;            /* PEER, SOCKET: the caller's from now on; else -1 */
    uint32_t endpoint; /* SOCKET: of the settings, from 0 */
    uint16_t worker;   /* SOCKET: whose it is; PROCESS_WORKERS_ALL: all share it */
    uint16_t protocol; /* SOCKET: a bit of enum net_listen */
    uint32_t count;    /* SOCKETS */
};

/* Finds the channel; ties the process's life to the supervisor's; ignores SIGPIPE, SIGINT and
 * SIGHUP, which a terminal sends to all processes and the supervisor handles. To be called before
 * threads are made. BASE_EFORMAT: the variable names no channel; BASE_ENOENT: the supervisor is
 * gone; BASE_ENOMEM. */
int process_child_begin(struct process_child *child);
/* The same over a channel that the caller has; for tests with threads. Owns `fd`. */
int process_child_over(struct process_child *child, int fd);
void process_child_end(struct process_child *child);

/* The next event. `timeout_ms` as process_receive. BASE_ELIMIT: nothing came; BASE_ENOENT: no more
 * will come, since the supervisor is gone or has told to stop: end. Without a supervisor
 * BASE_ELIMIT after the time. BASE_EIO. */
int process_child_receive(struct process_child *child, struct process_event *event, int timeout_ms);

/* Told to the supervisor; from any thread. Failures are not told: a supervisor that is gone shows
 * at the next receive. */
void process_child_ready(const struct process_child *child);
/* "1200 zones, 3 refused": shown by systemctl status. At most PROCESS_STATUS_MAX octets count. */
void process_child_status(const struct process_child *child, const char *text);
/* For roles with process_role.silence_ms: to be sent at least so often. */
void process_child_alive(const struct process_child *child);
/* Asks for one more channel to a process that a link leads to. PEER comes when it lives; nothing
 * when there is no such link. */
void process_child_ask(const struct process_child *child, const char *name);

/* How PROCESS_SOCKET packs `value`. */
static inline uint32_t process_socket_value(uint16_t worker, uint16_t protocol)
{
    return (uint32_t)worker | (uint32_t)protocol << 16;
}

#endif
