/*
 * Waiting for sockets and for times, in the thread of the caller: one descriptor (epoll) that
 * becomes readable when there is work, so that it fits into any event loop, or is waited for here.
 * One thread at a time.
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct net_loop;

/* A descriptor that is watched. The caller's; `fd` and `ready` are set before it is used. */
struct net_watch {
    int fd;
    short events; /* watched for: POLLIN, POLLOUT; 0: not watched */
    void (*ready)(struct net_watch *watch, short events); /* also POLLERR, POLLHUP */
};

/* A time that is waited for. The caller's; `due` is set before it is used, the rest is zero. */
struct net_timer {
    void (*due)(struct net_timer *timer); /* once; it is not set any more then */
    uint64_t at;                          /* base_clock_monotonic */
    struct net_timer *earlier, *later;
    bool set;
};

int net_loop_new(struct net_loop **out); /* BASE_ENOMEM, BASE_EIO */
/* When nothing is watched or waited for any more. NULL allowed. */
void net_loop_free(struct net_loop *loop);

/* Watches for `events` from now on; 0: for nothing, to be called before the descriptor is closed.
 * Nothing happens when they are the same. BASE_EIO. */
int net_loop_watch(struct net_loop *loop, struct net_watch *watch, short events);
/* Sets or moves a timer; a time that is over is due at once, but not within this call. */
void net_loop_set(struct net_loop *loop, struct net_timer *timer, uint64_t at);
void net_loop_unset(struct net_loop *loop, struct net_timer *timer);

/* Readable when there is work, but for times. */
int net_loop_fd(const struct net_loop *loop);
/* Milliseconds until the next time is due, rounded up; -1: none. */
int net_loop_timeout_ms(const struct net_loop *loop);
/* Has the descriptor be readable until work is done the next time. */
void net_loop_wake(struct net_loop *loop);
/* Does what there is to be done now. With `most_ms` other than 0 it waits so long at most for
 * something to do (-1: without a bound). May not be called from within `ready` or `due`. */
void net_loop_run(struct net_loop *loop, int most_ms);

#endif
