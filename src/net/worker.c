/*
 * The event loop of a worker.
 */
#include "net/worker.h"

#include "base/error.h"
#include "net/tcp.h"
#include "net/udp.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SLOTS_MAX     1024 /* sockets and watched descriptors of a worker */
#define EVENTS        128  /* per wait */
#define UDP_ROUNDS    8    /* batches of one socket before others have their turn */
#define ACCEPT_BUDGET 64   /* connections accepted on one socket before others have their turn */
#define ACCEPT_PAUSE  100  /* milliseconds, when the system has no descriptors left */

enum slot_kind { SLOT_FREE, SLOT_UDP, SLOT_TCP, SLOT_TLS, SLOT_WATCH, SLOT_MAIL };

/* Something that the loop waits for, besides connections. */
struct slot {
    enum slot_kind kind;
    int fd;
    bool shared;
    bool paused;
    uint32_t endpoint;
    union net_address address;
    void (*readable)(void *context, int fd);
};

/* What other threads tell. */
struct letter {
    struct letter *next;
    enum { LETTER_ADD, LETTER_REMOVE, LETTER_STOP } what;
    struct net_source source;
    uint32_t endpoint;
};

struct net_worker {
    const struct net_options *options;
    struct net_rate *rate;
    struct net_udp *udp;
    struct net_tcp *tcp;
    void *context;
    struct slot *slots; /* SLOTS_MAX */
    unsigned slot_count;
    unsigned index, workers; /* which of how many */
    int cpu;                 /* -1: any */
    int epoll, mail;
    bool stopping;
    base_time now;
    uint64_t now_ns;
    uint64_t resume_ms; /* when paused listeners go on; 0: none is paused */
    uint64_t end_ms;    /* when a stop becomes final */
    uint64_t secret[2];
    struct net_stats stats;
    /* the main thread's */
    pthread_t thread;
    bool running, stop_sent;
    struct letter *spare; /* reserved */
    size_t spare_count;
    /* both, under the lock */
    bool status_known;
    int status;
    pthread_mutex_t lock;
    pthread_cond_t began;
    struct letter *letters, **letters_end;
    struct letter stop_letter;
};

static void read_clocks(struct net_worker *worker)
{
    worker->now_ns = base_clock_monotonic();
    worker->now = base_clock_now();
}

static uint64_t now_ms(const struct net_worker *worker)
{
    return worker->now_ns / 1000000;
}

/* ---- slots ---- */

static int slot_wait(struct net_worker *worker, unsigned index, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u64 = index};
    return epoll_ctl(worker->epoll, operation, worker->slots[index].fd, &event) == 0 ? BASE_OK
                                                                                     : BASE_EIO;
}

/* The events of a slot: a socket that all workers share wakes one of them. */
static uint32_t slot_events(const struct slot *slot)
{
    return slot->shared ? EPOLLIN | EPOLLEXCLUSIVE : EPOLLIN;
}

static int slot_add(struct net_worker *worker, const struct slot *what, unsigned *out)
{
    unsigned index = 0;
    while (index < worker->slot_count && worker->slots[index].kind != SLOT_FREE)
        index++;
    if (index == SLOTS_MAX)
        return BASE_ELIMIT;
    worker->slots[index] = *what;
    int error = slot_wait(worker, index, EPOLL_CTL_ADD, slot_events(what));
    if (error != BASE_OK) {
        worker->slots[index].kind = SLOT_FREE;
        return error;
    }
    if (index == worker->slot_count)
        worker->slot_count++;
    *out = index;
    return BASE_OK;
}

static bool is_socket(const struct slot *slot)
{
    return slot->kind == SLOT_UDP || slot->kind == SLOT_TCP || slot->kind == SLOT_TLS;
}

static void slot_drop(struct net_worker *worker, unsigned index)
{
    struct slot *slot = &worker->slots[index];
    epoll_ctl(worker->epoll, EPOLL_CTL_DEL, slot->fd, NULL);
    if (is_socket(slot))
        close(slot->fd);
    slot->kind = SLOT_FREE;
}

int net_worker_watch(struct net_worker *worker, int fd, void (*readable)(void *context, int fd))
{
    unsigned index;
    struct slot slot = {.kind = SLOT_WATCH, .fd = fd, .readable = readable};
    return slot_add(worker, &slot, &index);
}

void net_worker_unwatch(struct net_worker *worker, int fd)
{
    for (unsigned i = 0; i < worker->slot_count; i++)
        if (worker->slots[i].kind == SLOT_WATCH && worker->slots[i].fd == fd)
            slot_drop(worker, i);
}

void net_worker_send(struct net_worker *worker, const struct net_route *route,
                     const uint8_t *message, size_t length)
{
    if (route->socket >= worker->slot_count)
        return;
    const struct slot *slot = &worker->slots[route->socket];
    if (slot->kind != SLOT_UDP ||
        net_address_port(&slot->address) != net_address_port(&route->local))
        return; /* the socket has been closed since */
    net_udp_send(slot->fd, net_address_wildcard(&slot->address), route, message, length);
    net_count(&worker->stats, NET_UDP_ANSWERS, 1);
    net_count(&worker->stats, NET_UDP_BYTES_OUT, length);
}

/* ---- sockets ---- */

static void serve_udp(struct net_worker *worker, unsigned index)
{
    struct slot *slot = &worker->slots[index];
    net_connections_rest(net_tcp_connections(worker->tcp));
    for (unsigned round = 0; round < UDP_ROUNDS; round++) {
        uint64_t answered =
            atomic_load_explicit(&worker->stats.counters[NET_UDP_ANSWERS], memory_order_relaxed);
        unsigned count = net_udp_batch(worker->udp, slot->fd, &slot->address, index, worker->now,
                                       worker->now_ns);
        if (count == 0)
            return;
        uint64_t began = worker->now_ns;
        answered =
            atomic_load_explicit(&worker->stats.counters[NET_UDP_ANSWERS], memory_order_relaxed) -
            answered;
        read_clocks(worker);
        net_stats_latency(&worker->stats, worker->now_ns - began, answered);
        if (count < NET_UDP_BATCH)
            return;
    }
}

/* Stops accepting for a moment: without descriptors the loop would spin. */
static void pause_accepting(struct net_worker *worker)
{
    for (unsigned i = 0; i < worker->slot_count; i++) {
        struct slot *slot = &worker->slots[i];
        if ((slot->kind == SLOT_TCP || slot->kind == SLOT_TLS) && !slot->paused &&
            epoll_ctl(worker->epoll, EPOLL_CTL_DEL, slot->fd, NULL) == 0)
            slot->paused = true;
    }
    worker->resume_ms = now_ms(worker) + ACCEPT_PAUSE;
}

static void resume_accepting(struct net_worker *worker)
{
    worker->resume_ms = 0;
    for (unsigned i = 0; i < worker->slot_count; i++) {
        struct slot *slot = &worker->slots[i];
        if (slot->kind == SLOT_FREE || !slot->paused)
            continue;
        if (slot_wait(worker, i, EPOLL_CTL_ADD, slot_events(slot)) == BASE_OK)
            slot->paused = false;
        else
            worker->resume_ms = now_ms(worker) + ACCEPT_PAUSE;
    }
}

static void serve_listener(struct net_worker *worker, struct slot *slot)
{
    enum net_protocol protocol = slot->kind == SLOT_TLS ? NET_TLS : NET_TCP;
    for (unsigned i = 0; i < ACCEPT_BUDGET; i++) {
        union net_address peer;
        socklen_t length = sizeof(peer);
        int fd = accept4(slot->fd, &peer.any, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            net_tcp_accepted(worker->tcp, fd, protocol, &peer, &slot->address, now_ms(worker));
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            net_count(&worker->stats, NET_TCP_ACCEPT_FAILED, 1);
            if (!net_connections_evict(net_tcp_connections(worker->tcp))) {
                pause_accepting(worker);
                return;
            }
        } else if (errno == EAGAIN) {
            return;
        }
        /* Anything else is the trouble of a connection that is already gone. */
    }
}

/* ---- letters ---- */

static void open_source(struct net_worker *worker, const struct net_source *source)
{
    static const enum slot_kind kinds[] = {
        [NET_SOURCE_UDP] = SLOT_UDP, [NET_SOURCE_TCP] = SLOT_TCP, [NET_SOURCE_TLS] = SLOT_TLS};
    struct slot slot = {.kind = kinds[source->kind],
                        .fd = source->fd,
                        .shared = source->shared,
                        .endpoint = source->endpoint,
                        .address = source->address};
    unsigned index;
    if (worker->stopping || slot_add(worker, &slot, &index) != BASE_OK)
        close(source->fd);
}

static void close_sources(struct net_worker *worker, bool all, uint32_t endpoint)
{
    for (unsigned i = 0; i < worker->slot_count; i++) {
        struct slot *slot = &worker->slots[i];
        if (!is_socket(slot) || (!all && slot->endpoint != endpoint))
            continue;
        /* What has come already is answered. */
        if (slot->kind == SLOT_UDP)
            serve_udp(worker, i);
        slot_drop(worker, i);
    }
}

static void handle_letter(struct net_worker *worker, const struct letter *letter)
{
    switch (letter->what) {
    case LETTER_ADD:
        open_source(worker, &letter->source);
        break;
    case LETTER_REMOVE:
        close_sources(worker, false, letter->endpoint);
        break;
    case LETTER_STOP:
        close_sources(worker, true, 0);
        worker->stopping = true;
        worker->end_ms = now_ms(worker) + worker->options->drain_ms;
        net_connections_drain(net_tcp_connections(worker->tcp));
        break;
    }
}

static void read_mail(struct net_worker *worker)
{
    uint64_t count;
    if (read(worker->mail, &count, sizeof(count)) < 0 && errno != EAGAIN && errno != EINTR)
        return;
    pthread_mutex_lock(&worker->lock);
    struct letter *letter = worker->letters;
    worker->letters = NULL;
    worker->letters_end = &worker->letters;
    pthread_mutex_unlock(&worker->lock);
    while (letter != NULL) {
        struct letter *next = letter->next;
        handle_letter(worker, letter);
        if (letter != &worker->stop_letter)
            free(letter);
        letter = next;
    }
}

static void send_letter(struct net_worker *worker, struct letter *letter)
{
    letter->next = NULL;
    pthread_mutex_lock(&worker->lock);
    *worker->letters_end = letter;
    worker->letters_end = &letter->next;
    pthread_mutex_unlock(&worker->lock);
    uint64_t one = 1;
    while (write(worker->mail, &one, sizeof(one)) < 0 && errno == EINTR)
        continue;
}

int net_worker_reserve(struct net_worker *worker, size_t messages)
{
    for (; worker->spare_count < messages; worker->spare_count++) {
        struct letter *letter = calloc(1, sizeof(*letter));
        if (letter == NULL)
            return BASE_ENOMEM;
        letter->next = worker->spare;
        worker->spare = letter;
    }
    return BASE_OK;
}

/* One of those that were reserved. */
static struct letter *take_letter(struct net_worker *worker)
{
    struct letter *letter = worker->spare;
    if (letter == NULL)
        return NULL;
    worker->spare = letter->next;
    worker->spare_count--;
    return letter;
}

void net_worker_add(struct net_worker *worker, const struct net_source *source)
{
    struct letter *letter = take_letter(worker);
    if (letter == NULL) {
        close(source->fd);
        return;
    }
    letter->what = LETTER_ADD;
    letter->source = *source;
    send_letter(worker, letter);
}

void net_worker_remove(struct net_worker *worker, uint32_t endpoint)
{
    struct letter *letter = take_letter(worker);
    if (letter == NULL)
        return;
    letter->what = LETTER_REMOVE;
    letter->endpoint = endpoint;
    send_letter(worker, letter);
}

void net_worker_stop(struct net_worker *worker)
{
    if (worker->stop_sent)
        return;
    worker->stop_sent = true;
    worker->stop_letter.what = LETTER_STOP;
    send_letter(worker, &worker->stop_letter);
}

/* ---- the loop ---- */

static void serve_slot(struct net_worker *worker, unsigned index, bool *mail)
{
    if (index >= worker->slot_count)
        return;
    struct slot *slot = &worker->slots[index];
    switch (slot->kind) {
    case SLOT_UDP:
        serve_udp(worker, index);
        break;
    case SLOT_TCP:
    case SLOT_TLS:
        if (!slot->paused)
            serve_listener(worker, slot);
        break;
    case SLOT_WATCH:
        net_connections_rest(net_tcp_connections(worker->tcp));
        slot->readable(worker->context, slot->fd);
        break;
    case SLOT_MAIL:
        *mail = true;
        break;
    case SLOT_FREE:
        break;
    }
}

static void serve_connection(struct net_worker *worker, const struct epoll_event *event)
{
    struct net_connection *connection =
        net_connection_by_id(net_tcp_connections(worker->tcp), event->data.u64);
    if (connection == NULL)
        return; /* it gave way to another one in this round */
    /* A line that was reset is told of again and again, even when nothing is waited for, as while
     * a stream has nothing to say. */
    if ((event->events & (EPOLLERR | EPOLLHUP)) != 0)
        net_connection_abort(connection);
    else
        net_connection_event(connection, now_ms(worker));
}

/* Milliseconds that the loop may sleep after a tick that said `timeout`. */
static int sleep_ms(const struct net_worker *worker, int timeout)
{
    uint64_t until = worker->stopping ? worker->end_ms : worker->resume_ms;
    if (until == 0)
        return timeout;
    int left = until <= now_ms(worker) ? 0 : (int)(until - now_ms(worker));
    return timeout < 0 || left < timeout ? left : timeout;
}

static void loop(struct net_worker *worker)
{
    struct net_connections *connections = net_tcp_connections(worker->tcp);
    struct epoll_event events[EVENTS];
    int timeout = 0;
    for (;;) {
        int count = epoll_wait(worker->epoll, events, EVENTS, timeout);
        if (count < 0 && errno != EINTR)
            return;
        read_clocks(worker);
        net_connections_clock(connections, worker->now);
        bool mail = false;
        for (int i = 0; i < count; i++) {
            if (events[i].data.u64 <= UINT32_MAX)
                serve_slot(worker, (unsigned)events[i].data.u64, &mail);
            else
                serve_connection(worker, &events[i]);
        }
        /* Sockets are taken away only when no event of this round can mean them any more. */
        if (mail)
            read_mail(worker);
        if (worker->resume_ms != 0 && worker->resume_ms <= now_ms(worker))
            resume_accepting(worker);
        timeout = sleep_ms(worker, net_connections_tick(connections, worker->now, now_ms(worker)));
        if (worker->stopping &&
            (net_connections_count(connections) == 0 || worker->end_ms <= now_ms(worker)))
            return;
    }
}

static void report(struct net_worker *worker, int status)
{
    pthread_mutex_lock(&worker->lock);
    worker->status = status;
    worker->status_known = true;
    pthread_cond_signal(&worker->began);
    pthread_mutex_unlock(&worker->lock);
}

/* What belongs to the thread, made in it so that memory is near its CPU. */
static int begin(struct net_worker *worker)
{
    const struct net_options *options = worker->options;
    const struct net_handler *handler = &options->handler;
    worker->context = handler->context;
    read_clocks(worker);
    if (handler->worker_begin != NULL) {
        int error =
            handler->worker_begin(handler->context, worker, worker->index, &worker->context);
        if (error != BASE_OK)
            return error;
    }
    int error = BASE_OK;
    if (options->rate != NULL)
        error = net_rate_new(options->rate, worker->secret, worker->workers, &worker->rate);
    if (error == BASE_OK)
        error = net_udp_new(handler, worker->context, worker, &worker->stats, worker->rate,
                            options->udp_answer_max, &worker->udp);
    if (error == BASE_OK)
        error = net_tcp_new(options, worker->context, worker, &worker->stats, worker->secret,
                            worker->epoll, &worker->tcp);
    if (error != BASE_OK && handler->worker_end != NULL)
        handler->worker_end(worker->context);
    return error;
}

static void end(struct net_worker *worker)
{
    net_tcp_free(worker->tcp);
    worker->tcp = NULL;
    if (worker->options->handler.worker_end != NULL)
        worker->options->handler.worker_end(worker->context);
}

static void *run(void *data)
{
    struct net_worker *worker = data;
    if (worker->cpu >= 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET((unsigned)worker->cpu, &set);
        pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
    }
    int status = begin(worker);
    report(worker, status);
    if (status == BASE_OK) {
        loop(worker);
        end(worker);
    }
    return NULL;
}

int net_worker_start(struct net_worker *worker)
{
    /* Signals are the main thread's. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&worker->thread, NULL, run, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0) {
        errno = failed;
        return BASE_EIO;
    }
    worker->running = true;
    pthread_mutex_lock(&worker->lock);
    while (!worker->status_known)
        pthread_cond_wait(&worker->began, &worker->lock);
    int status = worker->status;
    pthread_mutex_unlock(&worker->lock);
    return status;
}

void net_worker_join(struct net_worker *worker)
{
    if (worker->running)
        pthread_join(worker->thread, NULL);
    worker->running = false;
}

int net_worker_new(const struct net_options *options, unsigned index, unsigned workers, int cpu,
                   const uint64_t secret[2], struct net_worker **out)
{
    struct net_worker *worker = calloc(1, sizeof(*worker));
    if (worker == NULL)
        return BASE_ENOMEM;
    worker->options = options;
    worker->index = index;
    worker->workers = workers;
    worker->cpu = cpu;
    worker->secret[0] = secret[0];
    worker->secret[1] = secret[1];
    worker->letters_end = &worker->letters;
    pthread_mutex_init(&worker->lock, NULL);
    pthread_cond_init(&worker->began, NULL);
    worker->slots = calloc(SLOTS_MAX, sizeof(*worker->slots));
    worker->epoll = epoll_create1(EPOLL_CLOEXEC);
    worker->mail = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    unsigned slot;
    struct slot mail = {.kind = SLOT_MAIL, .fd = worker->mail};
    if (worker->slots == NULL || worker->epoll < 0 || worker->mail < 0 ||
        slot_add(worker, &mail, &slot) != BASE_OK) {
        int error = worker->slots == NULL ? BASE_ENOMEM : BASE_EIO;
        net_worker_free(worker);
        return error;
    }
    *out = worker;
    return BASE_OK;
}

void net_worker_free(struct net_worker *worker)
{
    if (worker == NULL)
        return;
    for (unsigned i = 0; worker->slots != NULL && i < worker->slot_count; i++)
        if (is_socket(&worker->slots[i]))
            close(worker->slots[i].fd);
    while (worker->letters != NULL) {
        struct letter *letter = worker->letters;
        worker->letters = letter->next;
        if (letter->what == LETTER_ADD)
            close(letter->source.fd);
        if (letter != &worker->stop_letter)
            free(letter);
    }
    while (worker->spare != NULL)
        free(take_letter(worker));
    net_udp_free(worker->udp);
    net_rate_free(worker->rate);
    if (worker->epoll >= 0)
        close(worker->epoll);
    if (worker->mail >= 0)
        close(worker->mail);
    free(worker->slots);
    pthread_mutex_destroy(&worker->lock);
    pthread_cond_destroy(&worker->began);
    free(worker);
}

const struct net_stats *net_worker_stats(const struct net_worker *worker)
{
    return &worker->stats;
}
