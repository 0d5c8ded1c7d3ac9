/* Questions to other servers: see exchange.h. */
#include "net/exchange.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/reader.h"
#include "crypto/mac.h"
#include "net/outbound.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#define EVENTS          64
#define DATAGRAM_MAX    4096
#define DATAGRAMS_ONCE  16 /* of one socket, before others have their turn */
#define MILLISECOND     UINT64_C(1000000)
#define OVER_STREAM     2 /* a connection has so many times the time of a datagram */
#define LONGEST_WAIT_MS 60000
#define TSIG_ROOM       1024

struct net_exchanger {
    int epoll, wake;
    pthread_t thread;
    pthread_mutex_t lock; /* of the next two */
    struct net_task *first, **last;
    bool stop;
    bool stopping; /* the thread's own view */
    struct net_turns turns;
    struct net_exchange *running;
    struct net_tls_client *tls;
    struct epoll_event events[EVENTS];
    int event_count, event_at;
};

static void begin_try(struct net_exchanger *exchanger, struct net_exchange *exchange);

static struct net_exchange *exchange_of(struct net_turn *turn)
{
    return (struct net_exchange *)((char *)turn - offsetof(struct net_exchange, turn));
}

/* --- one exchange --- */

static void release(struct net_exchanger *exchanger, struct net_exchange *exchange)
{
    if (exchange->fd >= 0)
        close(exchange->fd);
    exchange->fd = -1;
    net_outbound_free(exchange->outbound);
    exchange->outbound = NULL;
    dns_tsig_free(&exchange->tsig);
    /* Events of it that have been fetched already lead nowhere any more. */
    for (int i = exchanger->event_at + 1; i < exchanger->event_count; i++) {
        if (exchanger->events[i].data.ptr == exchange)
            exchanger->events[i].data.ptr = NULL;
    }
}

static void take_out(struct net_exchanger *exchanger, struct net_exchange *exchange, bool well)
{
    bool running = exchange->turn.running;
    release(exchanger, exchange);
    net_turns_end(&exchanger->turns, &exchange->turn, well);
    if (!running)
        return;
    if (exchange->previous != NULL)
        exchange->previous->next = exchange->next;
    else
        exchanger->running = exchange->next;
    if (exchange->next != NULL)
        exchange->next->previous = exchange->previous;
}

static void end(struct net_exchanger *exchanger, struct net_exchange *exchange,
                const struct net_reply *reply)
{
    take_out(exchanger, exchange, reply->kind != NET_REPLY_SILENCE);
    exchange->done(exchange, reply);
}

static void end_badly(struct net_exchanger *exchanger, struct net_exchange *exchange,
                      enum net_reply_kind kind, const char *why)
{
    char text[sizeof(exchange->why)];
    snprintf(text, sizeof(text), "%s", why);
    end(exchanger, exchange, &(struct net_reply){.kind = kind, .why = text});
}

/* Remembers why a try came to nothing, in case none does better. */
static void note_trouble(struct net_exchange *exchange, enum net_reply_kind kind, const char *why)
{
    exchange->trouble = kind;
    snprintf(exchange->why, sizeof(exchange->why), "%s", why);
}

static uint64_t wait_of(const struct net_exchange *exchange)
{
    uint64_t wait = exchange->timeout_ms;
    for (unsigned i = 1; exchange->patient && i < exchange->tried && wait < LONGEST_WAIT_MS; i++)
        wait *= 2;
    return (wait < LONGEST_WAIT_MS ? wait : LONGEST_WAIT_MS) * MILLISECOND;
}

/* The message with a new ID, signed. */
static int make_message(struct net_exchange *exchange, uint8_t *out, size_t capacity,
                        size_t *length)
{
    if (getrandom(&exchange->id, sizeof(exchange->id), 0) != sizeof(exchange->id))
        return BASE_EIO;
    memcpy(out, exchange->message, exchange->length);
    base_store_u16(out, exchange->id);
    *length = exchange->length;
    if (exchange->key == NULL)
        return BASE_OK;
    dns_tsig_free(&exchange->tsig);
    dns_tsig_init(&exchange->tsig, exchange->key, &crypto_tsig_hmac);
    return dns_tsig_sign(&exchange->tsig, out, length, capacity, base_clock_now(), 0);
}

/* Does what came answer this question? A server that could not read it may leave it out. */
static bool fits(const struct net_exchange *exchange, const uint8_t *message, size_t length)
{
    if (length < DNS_MESSAGE_HEADER || base_load_u16(message) != exchange->id)
        return false;
    uint16_t flags = base_load_u16(message + 2);
    uint16_t asked = base_load_u16(exchange->message + 2);
    if (!(flags & DNS_FLAG_QR) || DNS_OPCODE(flags) != DNS_OPCODE(asked))
        return false;
    unsigned questions = base_load_u16(message + 4);
    if (questions == 0)
        return (flags & 15) != DNS_RCODE_NOERROR;
    size_t at = DNS_MESSAGE_HEADER, name_length;
    uint8_t name[DNS_NAME_MAX];
    if (questions != 1 || dns_name_from_wire(message, length, &at, name, &name_length) != BASE_OK ||
        length - at < 4)
        return false;
    const uint8_t *question = exchange->message + DNS_MESSAGE_HEADER;
    return dns_name_equal(name, question) &&
           memcmp(message + at, question + dns_name_length(question), 4) == 0;
}

/* Verifies with a copy of the state, so that a forged answer does not spoil it for the right one.
 */
static bool proved(struct net_exchange *exchange, uint8_t *message, size_t *length)
{
    if (exchange->key == NULL)
        return true;
    struct dns_tsig tsig = exchange->tsig;
    uint16_t error = 0;
    unsigned rcode = message[3] & 15u;
    struct dns_tsig_record record;
    bool is_signed = dns_tsig_find(message, *length, &record) == BASE_OK;
    int result = dns_tsig_verify(&tsig, message, length, base_clock_now(), &error);
    dns_tsig_free(&tsig);
    if (result == BASE_OK)
        return true;
    const char *reason = error == DNS_RCODE_BADKEY    ? "the key is not known there (BADKEY)"
                         : error == DNS_RCODE_BADTIME ? "the clocks differ too much (BADTIME)"
                         : error == DNS_RCODE_BADSIG  ? "the MAC is wrong (BADSIG)"
                                                      : "the TSIG record is malformed or cut";
    char why[160];
    if (is_signed)
        snprintf(why, sizeof(why), "%s", reason);
    else
        snprintf(why, sizeof(why), "the answer (rcode %u) is not signed", rcode);
    note_trouble(exchange, NET_REPLY_UNPROVED, why);
    return false;
}

/* --- over TCP and TLS --- */

/* A connection came to nothing. Over TLS who is patient tries again when the time of the try is
 * over; over TCP there was an answer by UDP, so the peer is there. */
static void stream_failed(struct net_exchanger *exchanger, struct net_exchange *exchange,
                          enum net_reply_kind kind, const char *why)
{
    if (!exchange->tls || !exchange->patient || exchange->tried >= exchange->tries) {
        end_badly(exchanger, exchange, kind, why);
        return;
    }
    note_trouble(exchange, kind, why);
    net_outbound_free(exchange->outbound);
    exchange->outbound = NULL;
}

static int watch(struct net_exchanger *exchanger, struct net_exchange *exchange, int operation,
                 int fd, short events)
{
    struct epoll_event event = {.data.ptr = exchange};
    event.events = (events & POLLIN ? EPOLLIN : 0) | (events & POLLOUT ? EPOLLOUT : 0);
    return epoll_ctl(exchanger->epoll, operation, fd, &event) == 0 ? BASE_OK : BASE_EIO;
}

static void begin_stream(struct net_exchanger *exchanger, struct net_exchange *exchange)
{
    uint8_t wire[NET_EXCHANGE_MESSAGE_MAX + TSIG_ROOM];
    size_t length;
    char why[NET_OUTBOUND_WHY] = "the message could not be made";
    struct net_outbound_options options = {.address = &exchange->address,
                                           .tls = exchange->tls ? exchanger->tls : NULL,
                                           .tls_name = exchange->tls_name,
                                           .tls_ca = exchange->tls_ca};
    if (exchange->fd >= 0)
        close(exchange->fd);
    exchange->fd = -1;
    int error = make_message(exchange, wire, sizeof(wire), &length);
    if (error == BASE_OK)
        error = net_outbound_new(&options, why, &exchange->outbound);
    if (error == BASE_OK)
        error = net_outbound_send(exchange->outbound, wire, length);
    if (error == BASE_OK)
        error = watch(exchanger, exchange, EPOLL_CTL_ADD, net_outbound_fd(exchange->outbound),
                      net_outbound_events(exchange->outbound));
    if (exchange->tls)
        exchange->tried++;
    exchange->deadline = base_clock_monotonic() + OVER_STREAM * wait_of(exchange);
    if (error != BASE_OK)
        stream_failed(exchanger, exchange,
                      error == BASE_EFORMAT ? NET_REPLY_TLS
                      : error == BASE_EIO   ? NET_REPLY_UNREACHABLE
                                            : NET_REPLY_LOCAL,
                      why);
}

static void stream_message(struct net_exchanger *exchanger, struct net_exchange *exchange)
{
    size_t length;
    uint8_t *message = net_outbound_next(exchange->outbound, &length);
    struct net_reply reply = {.kind = NET_REPLY_ANSWER, .message = message};
    if (!fits(exchange, message, length) || (message[2] & DNS_FLAG_TC >> 8)) {
        end_badly(exchanger, exchange, NET_REPLY_GARBAGE,
                  "what came over the connection does not answer the question");
        return;
    }
    if (!proved(exchange, message, &length)) {
        end_badly(exchanger, exchange, exchange->trouble, exchange->why);
        return;
    }
    reply.length = length;
    /* The message lies in the connection, which must outlast the call. */
    struct net_outbound *outbound = exchange->outbound;
    exchange->outbound = NULL;
    end(exchanger, exchange, &reply);
    net_outbound_free(outbound);
}

static void step_stream(struct net_exchanger *exchanger, struct net_exchange *exchange)
{
    struct net_outbound *outbound = exchange->outbound;
    switch (net_outbound_step(outbound)) {
    case NET_OUTBOUND_MESSAGE:
        stream_message(exchanger, exchange);
        return;
    case NET_OUTBOUND_FAILED:
        stream_failed(exchanger, exchange,
                      net_outbound_tls_failed(outbound) ? NET_REPLY_TLS : NET_REPLY_UNREACHABLE,
                      net_outbound_why(outbound));
        return;
    case NET_OUTBOUND_ENDED:
        stream_failed(exchanger, exchange, NET_REPLY_UNREACHABLE,
                      "the connection was closed without an answer");
        return;
    case NET_OUTBOUND_WAITING:
        watch(exchanger, exchange, EPOLL_CTL_MOD, net_outbound_fd(outbound),
              net_outbound_events(outbound));
    }
}

/* --- over UDP --- */

static int open_datagram(struct net_exchanger *exchanger, struct net_exchange *exchange)
{
    const union net_address *address = &exchange->address;
    int fd = socket(address->any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return BASE_EIO;
    /* Connecting chooses a random port, and has the kernel drop what comes from elsewhere. */
    if (connect(fd, &address->any, net_address_length(address)) != 0 ||
        watch(exchanger, exchange, EPOLL_CTL_ADD, fd, POLLIN) != BASE_OK) {
        int reason = errno;
        close(fd);
        errno = reason;
        return BASE_EIO;
    }
    exchange->fd = fd;
    return BASE_OK;
}

/* The system says that the peer is not there, or that we have no more sockets. */
static void unreachable(struct net_exchanger *exchanger, struct net_exchange *exchange)
{
    bool local = errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS;
    note_trouble(exchange, local ? NET_REPLY_LOCAL : NET_REPLY_UNREACHABLE, strerror(errno));
    if (!exchange->patient)
        end_badly(exchanger, exchange, exchange->trouble, exchange->why);
    else if (exchange->fd >= 0) {
        close(exchange->fd); /* the next try comes when its time has come */
        exchange->fd = -1;
    }
}

static void begin_datagram(struct net_exchanger *exchanger, struct net_exchange *exchange)
{
    uint8_t wire[NET_EXCHANGE_MESSAGE_MAX + TSIG_ROOM];
    size_t length;
    if (exchange->fd >= 0)
        close(exchange->fd);
    exchange->fd = -1;
    exchange->tried++;
    exchange->deadline = base_clock_monotonic() + wait_of(exchange);
    if (make_message(exchange, wire, sizeof(wire), &length) != BASE_OK) {
        end_badly(exchanger, exchange, NET_REPLY_LOCAL, "the message could not be made");
        return;
    }
    if (open_datagram(exchanger, exchange) != BASE_OK ||
        send(exchange->fd, wire, length, MSG_NOSIGNAL) < 0)
        unreachable(exchanger, exchange);
}

/* Is it to be asked by TCP? When the answer is cut; and when it is refused, since there are zones
 * that servers give by TCP only (Knot DNS its catalogs). Whoever sent it: by TCP nothing can be
 * forged that easily. */
static bool wants_stream(const struct net_exchange *exchange, const uint8_t *message)
{
    unsigned opcode = DNS_OPCODE(base_load_u16(exchange->message + 2));
    unsigned rcode = message[3] & 15u;
    return (message[2] & DNS_FLAG_TC >> 8) ||
           (opcode == DNS_OPCODE_QUERY && rcode == DNS_RCODE_REFUSED);
}

/* True when the exchange is over, or goes on by TCP. */
static bool take_datagram(struct net_exchanger *exchanger, struct net_exchange *exchange)
{
    uint8_t message[DATAGRAM_MAX];
    ssize_t count = recv(exchange->fd, message, sizeof(message), MSG_TRUNC);
    if (count < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
            unreachable(exchanger, exchange);
        return true;
    }
    size_t length = (size_t)count;
    if (length > sizeof(message) || !fits(exchange, message, length))
        return false;
    if (wants_stream(exchange, message)) {
        begin_stream(exchanger, exchange);
        return true;
    }
    if (!proved(exchange, message, &length))
        return false;
    struct net_reply reply = {.kind = NET_REPLY_ANSWER, .message = message, .length = length};
    end(exchanger, exchange, &reply);
    return true;
}

static void step_datagram(struct net_exchanger *exchanger, struct net_exchange *exchange)
{
    for (unsigned i = 0; i < DATAGRAMS_ONCE; i++) {
        if (take_datagram(exchanger, exchange))
            return;
    }
}

/* --- time --- */

static void begin_try(struct net_exchanger *exchanger, struct net_exchange *exchange)
{
    if (exchange->tls)
        begin_stream(exchanger, exchange);
    else
        begin_datagram(exchanger, exchange);
}

static void try_again(struct net_exchanger *exchanger, struct net_exchange *exchange)
{
    net_outbound_free(exchange->outbound);
    exchange->outbound = NULL;
    begin_try(exchanger, exchange);
}

static void too_late(struct net_exchanger *exchanger, struct net_exchange *exchange)
{
    bool stream = exchange->outbound != NULL;
    bool more = exchange->tried < exchange->tries;
    char why[80];
    if (exchange->tls ? exchange->patient && more
                      : !stream && more && exchange->trouble != NET_REPLY_UNPROVED) {
        try_again(exchanger, exchange);
    } else if (!stream && exchange->trouble != NET_REPLY_SILENCE) {
        /* Unreachable; or its answers do not verify, and would not the next time. */
        end_badly(exchanger, exchange, exchange->trouble, exchange->why);
    } else if (stream) {
        snprintf(why, sizeof(why), "no answer over %s in time", exchange->tls ? "TLS" : "TCP");
        end_badly(exchanger, exchange, NET_REPLY_SILENCE, why);
    } else {
        snprintf(why, sizeof(why), "no answer by UDP to %u tries", exchange->tried);
        end_badly(exchanger, exchange, NET_REPLY_SILENCE, why);
    }
}

static uint64_t next_deadline(const struct net_exchanger *exchanger)
{
    uint64_t deadline = UINT64_MAX;
    for (const struct net_exchange *i = exchanger->running; i != NULL; i = i->next) {
        if (i->deadline < deadline)
            deadline = i->deadline;
    }
    return deadline;
}

/* Ends or tries again what is due. Calls of `done` may change the list, so it is looked through
 * anew after each. */
static void handle_deadlines(struct net_exchanger *exchanger)
{
    uint64_t now = base_clock_monotonic();
    while (next_deadline(exchanger) <= now) {
        struct net_exchange *exchange = exchanger->running;
        while (exchange->deadline > now)
            exchange = exchange->next;
        too_late(exchanger, exchange);
    }
}

/* --- the thread --- */

static void start_waiting(struct net_exchanger *exchanger)
{
    for (struct net_turn *turn; (turn = net_turns_next(&exchanger->turns)) != NULL;) {
        struct net_exchange *exchange = exchange_of(turn);
        exchange->previous = NULL;
        exchange->next = exchanger->running;
        if (exchange->next != NULL)
            exchange->next->previous = exchange;
        exchanger->running = exchange;
        begin_try(exchanger, exchange);
    }
}

/* Runs what was handed in, and tells whether there was anything; *stop: it is time to stop. */
static bool run_tasks(struct net_exchanger *exchanger, bool *stop)
{
    pthread_mutex_lock(&exchanger->lock);
    struct net_task *task = exchanger->first;
    exchanger->first = NULL;
    exchanger->last = &exchanger->first;
    *stop = exchanger->stop;
    pthread_mutex_unlock(&exchanger->lock);
    bool any = task != NULL;
    while (task != NULL) {
        struct net_task *next = task->next;
        task->run(task);
        task = next;
    }
    return any;
}

static void handle_events(struct net_exchanger *exchanger)
{
    for (exchanger->event_at = 0; exchanger->event_at < exchanger->event_count;
         exchanger->event_at++) {
        struct net_exchange *exchange = exchanger->events[exchanger->event_at].data.ptr;
        if (exchange == NULL)
            continue;
        if (exchange->outbound != NULL)
            step_stream(exchanger, exchange);
        else if (exchange->fd >= 0)
            step_datagram(exchanger, exchange);
    }
    exchanger->event_count = 0;
}

static int wait_ms(const struct net_exchanger *exchanger)
{
    uint64_t deadline = next_deadline(exchanger);
    if (deadline == UINT64_MAX)
        return -1;
    uint64_t now = base_clock_monotonic();
    return deadline <= now ? 0 : (int)((deadline - now) / MILLISECOND) + 1;
}

static void end_all(struct net_exchanger *exchanger)
{
    exchanger->stopping = true;
    while (exchanger->running != NULL)
        end_badly(exchanger, exchanger->running, NET_REPLY_STOPPED, "the fetcher is being ended");
    /* Those that wait: with nothing running, each can be had. */
    for (struct net_turn *turn; (turn = net_turns_next(&exchanger->turns)) != NULL;) {
        struct net_exchange *exchange = exchange_of(turn);
        net_turns_end(&exchanger->turns, turn, true);
        exchange->done(exchange, &(struct net_reply){.kind = NET_REPLY_STOPPED,
                                                     .why = "the fetcher is being ended"});
    }
    /* Tasks may hand in tasks; but nothing that waits can be begun any more. */
    bool stop;
    while (run_tasks(exchanger, &stop))
        continue;
}

static void *run(void *context)
{
    struct net_exchanger *exchanger = context;
    for (;;) {
        int count = epoll_wait(exchanger->epoll, exchanger->events, EVENTS, wait_ms(exchanger));
        exchanger->event_count = count > 0 ? count : 0;
        for (int i = 0; i < exchanger->event_count; i++) {
            if (exchanger->events[i].data.ptr != exchanger)
                continue;
            uint64_t number;
            exchanger->events[i].data.ptr = NULL;
            if (read(exchanger->wake, &number, sizeof(number)) < 0)
                continue;
        }
        handle_events(exchanger);
        bool stop;
        run_tasks(exchanger, &stop);
        if (stop)
            break;
        handle_deadlines(exchanger);
        start_waiting(exchanger);
    }
    end_all(exchanger);
    return NULL;
}

int net_exchanger_new(const struct net_exchanger_options *options, struct net_exchanger **out)
{
    struct net_exchanger *exchanger = calloc(1, sizeof(*exchanger));
    if (exchanger == NULL)
        return BASE_ENOMEM;
    exchanger->tls = options->tls;
    exchanger->last = &exchanger->first;
    net_turns_init(&exchanger->turns, options->most ? options->most : 512,
                   options->most_of_peer ? options->most_of_peer : 64);
    pthread_mutex_init(&exchanger->lock, NULL);
    exchanger->epoll = epoll_create1(EPOLL_CLOEXEC);
    exchanger->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = exchanger};
    if (exchanger->epoll >= 0 && exchanger->wake >= 0 &&
        epoll_ctl(exchanger->epoll, EPOLL_CTL_ADD, exchanger->wake, &event) == 0 &&
        pthread_create(&exchanger->thread, NULL, run, exchanger) == 0) {
        *out = exchanger;
        return BASE_OK;
    }
    if (exchanger->epoll >= 0)
        close(exchanger->epoll);
    if (exchanger->wake >= 0)
        close(exchanger->wake);
    pthread_mutex_destroy(&exchanger->lock);
    free(exchanger);
    return BASE_EIO;
}

/* The number of the eventfd cannot overflow: it is read whenever it is not zero. */
static void wake_up(struct net_exchanger *exchanger)
{
    uint64_t one = 1;
    while (write(exchanger->wake, &one, sizeof(one)) < 0 && errno == EINTR)
        continue;
}

void net_exchanger_free(struct net_exchanger *exchanger)
{
    if (exchanger == NULL)
        return;
    pthread_mutex_lock(&exchanger->lock);
    exchanger->stop = true;
    pthread_mutex_unlock(&exchanger->lock);
    wake_up(exchanger);
    pthread_join(exchanger->thread, NULL);
    net_turns_free(&exchanger->turns);
    close(exchanger->epoll);
    close(exchanger->wake);
    pthread_mutex_destroy(&exchanger->lock);
    free(exchanger);
}

void net_exchanger_post(struct net_exchanger *exchanger, struct net_task *task)
{
    task->next = NULL;
    pthread_mutex_lock(&exchanger->lock);
    *exchanger->last = task;
    exchanger->last = &task->next;
    pthread_mutex_unlock(&exchanger->lock);
    wake_up(exchanger);
}

int net_exchange_start(struct net_exchanger *exchanger, struct net_exchange *exchange)
{
    if (exchanger->stopping)
        return BASE_EREFUSED;
    if (exchange->length > NET_EXCHANGE_MESSAGE_MAX || exchange->length < DNS_MESSAGE_HEADER)
        return BASE_ELIMIT;
    exchange->fd = -1;
    exchange->outbound = NULL;
    exchange->tried = 0;
    exchange->trouble = NET_REPLY_SILENCE;
    dns_tsig_init(&exchange->tsig, exchange->key, &crypto_tsig_hmac);
    return net_turns_add(&exchanger->turns, &exchange->address, &exchange->turn);
}

void net_exchange_cancel(struct net_exchanger *exchanger, struct net_exchange *exchange)
{
    take_out(exchanger, exchange, true);
}
