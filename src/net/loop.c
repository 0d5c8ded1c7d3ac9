/* Waiting for sockets and times: see loop.h. */
#include "net/loop.h"

#include "base/clock.h"
#include "base/error.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS      64
#define MILLISECOND UINT64_C(1000000)

_Static_assert(POLLIN == EPOLLIN && POLLOUT == EPOLLOUT && POLLERR == EPOLLERR &&
                   POLLHUP == EPOLLHUP,
               "poll and epoll have the same bits");

struct net_loop {
    int epoll;
    struct net_watch wake;          /* an eventfd */
    bool awake;                     /* it has been written to */
    struct net_timer *first, *last; /* by time. Most are set for later than all others */
    struct epoll_event events[EVENTS];
    int event_count, event_at;
};

static void woken(struct net_watch *watch, short events)
{
    /* The loop reads it before it calls anybody. */
}

int net_loop_new(struct net_loop **out)
{
    struct net_loop *loop = calloc(1, sizeof(*loop));
    if (loop == NULL)
        return BASE_ENOMEM;
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    loop->wake = (struct net_watch){.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), .ready = woken};
    if (loop->epoll < 0 || loop->wake.fd < 0 ||
        net_loop_watch(loop, &loop->wake, POLLIN) != BASE_OK) {
        net_loop_free(loop);
        return BASE_EIO;
    }
    *out = loop;
    return BASE_OK;
}

void net_loop_free(struct net_loop *loop)
{
    if (loop == NULL)
        return;
    if (loop->epoll >= 0)
        close(loop->epoll);
    if (loop->wake.fd >= 0)
        close(loop->wake.fd);
    free(loop);
}

/* Events that have been fetched already lead nowhere any more. */
static void drop_events(struct net_loop *loop, const struct net_watch *watch)
{
    for (int i = loop->event_at; i < loop->event_count; i++) {
        if (loop->events[i].data.ptr == watch)
            loop->events[i].data.ptr = NULL;
    }
}

int net_loop_watch(struct net_loop *loop, struct net_watch *watch, short events)
{
    if (watch->events == events)
        return BASE_OK;
    int operation = events == 0          ? EPOLL_CTL_DEL
                    : watch->events == 0 ? EPOLL_CTL_ADD
                                         : EPOLL_CTL_MOD;
    struct epoll_event event = {.events = (uint32_t)events, .data.ptr = watch};
    if (events == 0)
        drop_events(loop, watch);
    if (epoll_ctl(loop->epoll, operation, watch->fd, &event) != 0 && events != 0)
        return BASE_EIO;
    watch->events = events;
    return BASE_OK;
}

/* --- times --- */

void net_loop_unset(struct net_loop *loop, struct net_timer *timer)
{
    if (!timer->set)
        return;
    if (timer->earlier != NULL)
        timer->earlier->later = timer->later;
    else
        loop->first = timer->later;
    if (timer->later != NULL)
        timer->later->earlier = timer->earlier;
    else
        loop->last = timer->earlier;
    timer->earlier = timer->later = NULL;
    timer->set = false;
}

void net_loop_set(struct net_loop *loop, struct net_timer *timer, uint64_t at)
{
    net_loop_unset(loop, timer);
    timer->at = at;
    timer->set = true;
    struct net_timer *before = loop->last;
    while (before != NULL && before->at > at)
        before = before->earlier;
    timer->earlier = before;
    timer->later = before != NULL ? before->later : loop->first;
    if (before != NULL)
        before->later = timer;
    else
        loop->first = timer;
    if (timer->later != NULL)
        timer->later->earlier = timer;
    else
        loop->last = timer;
}

int net_loop_timeout_ms(const struct net_loop *loop)
{
    if (loop->first == NULL)
        return -1;
    uint64_t now = base_clock_monotonic();
    if (loop->first->at <= now)
        return 0;
    uint64_t wait = (loop->first->at - now + MILLISECOND - 1) / MILLISECOND;
    return wait > INT_MAX ? INT_MAX : (int)wait;
}

/* What is set from now on is for the next time, so that this ends. */
static void run_timers(struct net_loop *loop)
{
    if (loop->first == NULL)
        return;
    uint64_t now = base_clock_monotonic();
    while (loop->first != NULL && loop->first->at <= now) {
        struct net_timer *timer = loop->first;
        net_loop_unset(loop, timer);
        timer->due(timer);
        /* A time set for "at once" (0) within the call comes first, but has its turn later. */
        if (loop->first != NULL && loop->first->at == 0)
            break;
    }
}

/* --- running --- */

int net_loop_fd(const struct net_loop *loop)
{
    return loop->epoll;
}

void net_loop_wake(struct net_loop *loop)
{
    uint64_t one = 1;
    if (loop->awake)
        return;
    loop->awake = true;
    while (write(loop->wake.fd, &one, sizeof(one)) < 0 && errno == EINTR)
        continue;
}

static void read_wake(struct net_loop *loop)
{
    uint64_t number;
    if (!loop->awake)
        return;
    loop->awake = false;
    while (read(loop->wake.fd, &number, sizeof(number)) < 0 && errno == EINTR)
        continue;
}

static int wait_ms(const struct net_loop *loop, int most_ms)
{
    if (most_ms == 0 || loop->awake)
        return 0;
    int timeout = net_loop_timeout_ms(loop);
    if (timeout < 0)
        return most_ms;
    return most_ms < 0 || timeout < most_ms ? timeout : most_ms;
}

void net_loop_run(struct net_loop *loop, int most_ms)
{
    int count = epoll_wait(loop->epoll, loop->events, EVENTS, wait_ms(loop, most_ms));
    loop->event_count = count > 0 ? count : 0;
    read_wake(loop);
    for (loop->event_at = 0; loop->event_at < loop->event_count; loop->event_at++) {
        struct net_watch *watch = loop->events[loop->event_at].data.ptr;
        if (watch != NULL)
            watch->ready(watch, (short)loop->events[loop->event_at].events);
    }
    loop->event_count = 0;
    run_timers(loop);
}
