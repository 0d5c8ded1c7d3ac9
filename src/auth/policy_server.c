/* The policy service: its loop and its connections. */
#include "auth/policy_parts.h"

#include "base/error.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define EVENTS        64
#define SECOND        UINT64_C(1000000000)
#define METRICS_EVERY (15 * SECOND)
#define OUTPUT_MAX    (4 * (DANE_SOCKETMAP_REPLY_MAX + 64))

static int watch(struct policy_server *server, struct policy_watch *watch, uint32_t events, int op)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};
    return epoll_ctl(server->epoll, op, watch->fd, &event) == 0 ? BASE_OK : BASE_EIO;
}

/* With as many connections as may be, new ones wait in the kernel. */
static void set_listening(struct policy_server *server, bool listening)
{
    if (server->listening == listening)
        return;
    server->listening = listening;
    for (size_t i = 0; i < server->listener_count; i++)
        watch(server, &server->listeners[i], listening ? EPOLLIN : 0, EPOLL_CTL_MOD);
}

/* --- connections --- */

static void connection_close(struct policy_server *server, struct policy_connection *connection)
{
    policy_question_leave(connection);
    if (connection->next)
        connection->next->previous = connection->previous;
    *(connection->previous ? &connection->previous->next : &server->connections) = connection->next;
    close(connection->watch.fd);
    base_buf_free(&connection->output);
    free(connection);
    server->connection_count--;
    set_listening(server, true);
}

static void connection_new(struct policy_server *server, int fd)
{
    struct policy_connection *connection = calloc(1, sizeof *connection);
    if (!connection) {
        close(fd);
        return;
    }
    connection->watch = (struct policy_watch){POLICY_CONNECTION, fd};
    connection->events = EPOLLIN;
    connection->last_use = base_clock_monotonic();
    base_buf_init(&connection->output, OUTPUT_MAX);
    if (watch(server, &connection->watch, EPOLLIN, EPOLL_CTL_ADD) != BASE_OK) {
        close(fd);
        free(connection);
        return;
    }
    connection->next = server->connections;
    if (server->connections)
        server->connections->previous = connection;
    server->connections = connection;
    server->connection_count++;
    server->counts.accepted++;
}

static void accept_some(struct policy_server *server, struct policy_watch *listener)
{
    while (server->connection_count < server->options.connections) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        connection_new(server, fd);
    }
    set_listening(server, false);
}

static void set_events(struct policy_server *server, struct policy_connection *connection,
                       uint32_t events)
{
    if (connection->events == events)
        return;
    connection->events = events;
    watch(server, &connection->watch, events, EPOLL_CTL_MOD);
}

/* Sends what is there. False: the connection is broken. */
static bool flush(struct policy_connection *connection)
{
    struct base_buf *output = &connection->output;
    while (connection->sent < output->length) {
        ssize_t sent = send(connection->watch.fd, output->data + connection->sent,
                            output->length - connection->sent, MSG_NOSIGNAL);
        if (sent < 0)
            return errno == EAGAIN || errno == EINTR;
        connection->sent += (size_t)sent;
    }
    connection->sent = 0;
    base_buf_reset(output);
    return true;
}

static bool has_output(const struct policy_connection *connection)
{
    return connection->output.length > 0;
}

/* Takes requests one after the other, as long as they can be answered and the answers go out. */
static void take_requests(struct policy_server *server, struct policy_connection *connection)
{
    size_t at = 0, used;
    struct dane_socketmap_request request;
    while (!connection->question && !has_output(connection)) {
        int status = dane_socketmap_read(connection->input + at, connection->input_length - at,
                                         &request, &used);
        if (status == BASE_ENOENT)
            break;
        if (status != BASE_OK) {
            server->counts.malformed++;
            connection->ended = true;
            connection->input_length = at = 0;
            break;
        }
        at += used;
        policy_ask(server, connection, &request);
        if (connection->output.error != BASE_OK || !flush(connection)) {
            base_buf_reset(&connection->output);
            connection->sent = 0;
            connection->ended = true;
            connection->input_length = at = 0;
        }
    }
    connection->input_length -= at;
    memmove(connection->input, connection->input + at, connection->input_length);
}

static void receive(struct policy_connection *connection)
{
    size_t room = sizeof connection->input - connection->input_length;
    if (room == 0)
        return;
    ssize_t got = recv(connection->watch.fd, connection->input + connection->input_length, room, 0);
    if (got > 0)
        connection->input_length += (size_t)got;
    else if (got == 0 || (errno != EAGAIN && errno != EINTR))
        connection->ended = true;
}

static void connection_event(struct policy_server *server, struct policy_connection *connection,
                             uint32_t events)
{
    connection->last_use = base_clock_monotonic();
    if (events & (EPOLLERR | EPOLLHUP) || connection->output.error != BASE_OK ||
        !flush(connection)) {
        connection_close(server, connection);
        return;
    }
    if (events & EPOLLIN)
        receive(connection);
    take_requests(server, connection);
    if (connection->ended && !has_output(connection) && !connection->question) {
        connection_close(server, connection);
        return;
    }
    /* Whoever waits for an answer is not read from. */
    set_events(server, connection,
               has_output(connection) ? EPOLLOUT
               : connection->question ? 0
                                      : EPOLLIN);
}

void policy_connection_wake(struct policy_server *server, struct policy_connection *connection)
{
    set_events(server, connection, EPOLLOUT);
}

/* --- the loop --- */

static void take_signals(struct policy_server *server)
{
    struct signalfd_siginfo info;
    while (read(server->signals.fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGHUP) {
            base_log(server->log, base_clock_now(), BASE_LOG_INFO, "the caches are emptied");
            policy_cache_clear(server->cache);
            resolve_clear(server->context);
        } else {
            server->stop = true;
        }
    }
}

static void tick(struct policy_server *server)
{
    uint64_t now = base_clock_monotonic();
    if (now < server->next_tick)
        return;
    server->next_tick = now + SECOND;
    policy_questions_tick(server, now);
    uint64_t idle = server->options.idle_timeout * SECOND;
    for (struct policy_connection *connection = server->connections, *next; connection;
         connection = next) {
        next = connection->next;
        if (!connection->question && now - connection->last_use > idle)
            connection_close(server, connection);
    }
    if (server->options.metrics && now >= server->next_metrics) {
        server->next_metrics = now + METRICS_EVERY;
        policy_metrics_write(server);
    }
}

static void handle(struct policy_server *server, const struct epoll_event *event)
{
    struct policy_watch *about = event->data.ptr;
    switch (about->kind) {
    case POLICY_LISTENER:
        accept_some(server, about);
        break;
    case POLICY_CONNECTION:
        connection_event(server, (struct policy_connection *)about, event->events);
        break;
    case POLICY_RESOLVE:
        break; /* after all events */
    case POLICY_FETCHER:
        policy_fetches_done(server);
        break;
    case POLICY_SIGNAL:
        take_signals(server);
        break;
    }
}

static int wait_time(const struct policy_server *server)
{
    int timeout = resolve_timeout_ms(server->context);
    return timeout < 0 || timeout > POLICY_TICK_MS ? POLICY_TICK_MS : timeout;
}

static void turn(struct policy_server *server, const struct epoll_event *events, int count)
{
    /* Closing a connection frees it; none of the other events of one turn is about it. */
    for (int i = 0; i < count; i++)
        handle(server, &events[i]);
    resolve_process(server->context);
    while (server->ready_fetches || server->ready_questions) {
        policy_fetches_step(server);
        policy_questions_step(server);
    }
    tick(server);
}

int policy_server_run(struct policy_server *server)
{
    struct epoll_event events[EVENTS];
    base_log(server->log, base_clock_now(), BASE_LOG_INFO,
             "serving policies at %zu sockets, %zu MTA-STS policies known", server->listener_count,
             dane_sts_store_count(server->store));
    while (!server->stop) {
        int count = epoll_wait(server->epoll, events, EVENTS, wait_time(server));
        if (count < 0 && errno != EINTR)
            return BASE_EIO;
        turn(server, events, count);
    }
    if (server->options.metrics)
        policy_metrics_write(server);
    base_log(server->log, base_clock_now(), BASE_LOG_INFO, "ended");
    return BASE_OK;
}

/* --- beginning and end --- */

static void set_defaults(struct policy_options *options)
{
    const struct {
        unsigned *value, otherwise;
    } defaults[] = {
        {&options->socket_mode, 0666}, {&options->most_ttl, 3600}, {&options->connections, 512},
        {&options->questions, 256},    {&options->timeout, 60},    {&options->idle_timeout, 600},
    };
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++) {
        if (*defaults[i].value == 0)
            *defaults[i].value = defaults[i].otherwise;
    }
    if (options->cache_octets == 0)
        options->cache_octets = 16 * 1024 * 1024;
}

static int open_store(struct policy_server *server, char why[POLICY_WHY])
{
    if (server->options.state &&
        asprintf(&server->directory, "%s/mta-sts", server->options.state) < 0) {
        server->directory = NULL;
        return BASE_ENOMEM;
    }
    if (server->directory && mkdir(server->directory, 0750) != 0 && errno != EEXIST) {
        snprintf(why, POLICY_WHY, "%.150s: %s", server->directory, strerror(errno));
        return BASE_EIO;
    }
    int status =
        dane_sts_store_open(server->directory, base_clock_now(), server->log, &server->store);
    if (status == BASE_EIO)
        snprintf(why, POLICY_WHY, "%.150s: %s", server->directory, strerror(errno));
    return status;
}

static int open_signals(struct policy_server *server)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    server->signals = (struct policy_watch){POLICY_SIGNAL, fd};
    return fd >= 0 ? BASE_OK : BASE_EIO;
}

static int watch_all(struct policy_server *server)
{
    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (server->epoll < 0)
        return BASE_EIO;
    server->resolve = (struct policy_watch){POLICY_RESOLVE, resolve_fd(server->context)};
    server->fetched = (struct policy_watch){POLICY_FETCHER, auth_fetcher_fd(server->fetcher)};
    int status = watch(server, &server->resolve, EPOLLIN, EPOLL_CTL_ADD);
    if (status == BASE_OK)
        status = watch(server, &server->fetched, EPOLLIN, EPOLL_CTL_ADD);
    if (status == BASE_OK)
        status = watch(server, &server->signals, EPOLLIN, EPOLL_CTL_ADD);
    server->listening = true;
    for (size_t i = 0; status == BASE_OK && i < server->listener_count; i++)
        status = watch(server, &server->listeners[i], EPOLLIN, EPOLL_CTL_ADD);
    return status;
}

static int start(struct policy_server *server, char why[POLICY_WHY])
{
    int status = policy_cache_new(server->options.cache_octets, &server->cache);
    if (status == BASE_OK)
        status = open_store(server, why);
    struct auth_fetcher_options fetcher = {
        .ca_file = server->options.ca_file,
        .directory = server->directory,
    };
    if (status == BASE_OK)
        status = auth_fetcher_new(&fetcher, &server->fetcher);
    if (status == BASE_OK)
        status = open_signals(server);
    if (status == BASE_OK)
        status = policy_listen(server, why);
    if (status == BASE_OK)
        status = watch_all(server);
    if (status == BASE_EIO && why[0] == '\0')
        snprintf(why, POLICY_WHY, "the system refuses: %s", strerror(errno));
    return status;
}

int policy_server_new(const struct policy_options *options, struct resolve_context *context,
                      const struct base_log *log, char why[POLICY_WHY], struct policy_server **out)
{
    struct policy_server *server = calloc(1, sizeof *server);
    if (!server)
        return BASE_ENOMEM;
    server->options = *options;
    set_defaults(&server->options);
    server->context = context;
    server->log = log;
    server->epoll = server->signals.fd = -1;
    server->started = base_clock_monotonic();
    keyed_init(&server->questions);
    keyed_init(&server->fetches);
    why[0] = '\0';
    int status = start(server, why);
    if (status != BASE_OK) {
        policy_server_free(server);
        return status;
    }
    *out = server;
    return BASE_OK;
}

void policy_server_free(struct policy_server *server)
{
    if (!server)
        return;
    policy_questions_end(server);
    while (server->connections)
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): unlinked before */
        connection_close(server, server->connections);
    policy_fetches_end(server);
    auth_fetcher_free(server->fetcher);
    dane_sts_store_free(server->store);
    policy_cache_free(server->cache);
    policy_listen_end(server);
    if (server->signals.fd >= 0)
        close(server->signals.fd);
    if (server->epoll >= 0)
        close(server->epoll);
    free(server->directory);
    free(server);
}
