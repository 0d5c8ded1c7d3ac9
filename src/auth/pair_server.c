/* The service for pairs: its sockets, its connections and its loop. */
#include "auth/pair_server.h"

#include "auth/pair_parts.h"
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
#include <sys/un.h>
#include <unistd.h>

#define EVENTS  64
#define BACKLOG 64
#define SECOND  UINT64_C(1000000000)
#define TICK_MS 1000
#define READ    (64 * 1024)
/* With so much unsent, a connection is not read from. */
#define OUTPUT_FULL (64 * 1024)

static int watch(struct pair_server *server, struct pair_watch *watch, uint32_t events, int op)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};
    return epoll_ctl(server->epoll, op, watch->fd, &event) == 0 ? BASE_OK : BASE_EIO;
}

/* With as many connections as may be, new ones wait in the kernel. */
static void set_listening(struct pair_server *server, bool listening)
{
    if (server->listening == listening)
        return;
    server->listening = listening;
    for (size_t i = 0; i < server->listener_count; i++)
        watch(server, &server->listeners[i], listening ? EPOLLIN : 0, EPOLL_CTL_MOD);
}

/* --- connections --- */

static void connection_close(struct pair_server *server, struct pair_connection *connection)
{
    pair_leave(server, connection);
    if (connection->next)
        connection->next->previous = connection->previous;
    *(connection->previous ? &connection->previous->next : &server->connections) = connection->next;
    close(connection->watch.fd);
    base_buf_free(&connection->input);
    base_buf_free(&connection->output);
    free(connection);
    server->connection_count--;
    set_listening(server, true);
}

static void connection_new(struct pair_server *server, int fd)
{
    struct pair_connection *connection = calloc(1, sizeof *connection);
    if (!connection) {
        close(fd);
        return;
    }
    connection->watch = (struct pair_watch){PAIR_CONNECTION, fd};
    connection->events = EPOLLIN;
    base_buf_init(&connection->input, DANE_PAIR_LINE_MAX + READ);
    base_buf_init(&connection->output, PAIR_OUTPUT_MAX);
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

static void accept_some(struct pair_server *server, struct pair_watch *listener)
{
    while (server->connection_count < server->options.connections) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        connection_new(server, fd);
    }
    set_listening(server, false);
}

static bool may_read(const struct pair_connection *connection)
{
    return !connection->ended && connection->waits < PAIR_WAITS_MAX &&
           connection->output.length < OUTPUT_FULL;
}

static void set_events(struct pair_server *server, struct pair_connection *connection)
{
    uint32_t events =
        (may_read(connection) ? EPOLLIN : 0u) | (connection->output.length > 0 ? EPOLLOUT : 0u);
    if (connection->events == events)
        return;
    connection->events = events;
    watch(server, &connection->watch, events, EPOLL_CTL_MOD);
}

/* Sends what is there. False: the connection is broken. */
static bool flush(struct pair_connection *connection)
{
    struct base_buf *output = &connection->output;
    if (output->error != BASE_OK)
        return false;
    while (connection->sent < output->length) {
        ssize_t sent = send(connection->watch.fd, output->data + connection->sent,
                            output->length - connection->sent, MSG_NOSIGNAL);
        if (sent < 0)
            return errno == EAGAIN || errno == EINTR;
        connection->sent += (size_t)sent;
    }
    connection->sent = 0;
    base_buf_free(output);
    return true;
}

/* What has been used goes away; without anything left, the memory too. */
static void drop_input(struct pair_connection *connection, size_t used)
{
    struct base_buf *input = &connection->input;
    if (used == input->length) {
        base_buf_free(input);
        return;
    }
    memmove(input->data, input->data + used, input->length - used);
    input->length -= used;
}

/* Takes lines one after the other, as long as they may be asked. */
static void take_lines(struct pair_server *server, struct pair_connection *connection)
{
    struct base_buf *input = &connection->input;
    size_t at = 0;
    while (at < input->length && connection->waits < PAIR_WAITS_MAX &&
           connection->output.length < OUTPUT_FULL) {
        size_t from = connection->searched > at ? connection->searched : at;
        const uint8_t *end = memchr(input->data + from, '\n', input->length - from);
        if (!end) {
            connection->searched = input->length;
            break;
        }
        size_t length = (size_t)(end - input->data) - at;
        if (length > 0)
            pair_ask(server, connection, (const char *)input->data + at, length);
        at += length + 1;
        connection->searched = at;
    }
    if (at > 0) {
        connection->searched -= at;
        drop_input(connection, at);
    }
    if (connection->searched == input->length && input->length > DANE_PAIR_LINE_MAX) {
        server->counts.malformed++;
        dane_pair_reply_error(&connection->output, NULL, "the line is longer than lines may be");
        connection->ended = true;
    }
}

static void receive(struct pair_connection *connection)
{
    uint8_t *room = base_buf_reserve(&connection->input, READ);
    if (!room) {
        connection->ended = true;
        return;
    }
    ssize_t got = recv(connection->watch.fd, room, READ, 0);
    if (got > 0)
        connection->input.length += (size_t)got;
    else if (got == 0 || (errno != EAGAIN && errno != EINTR))
        connection->ended = true;
}

static void connection_event(struct pair_server *server, struct pair_connection *connection,
                             uint32_t events)
{
    bool broken = (events & EPOLLERR) || !flush(connection);
    if (!broken && (events & EPOLLIN) && may_read(connection))
        receive(connection);
    for (size_t before = SIZE_MAX; !broken && before != connection->input.length;) {
        before = connection->input.length;
        take_lines(server, connection);
        broken = !flush(connection);
        if (connection->output.length > 0)
            break;
    }
    bool finished = connection->ended && connection->output.length == 0 && connection->waits == 0;
    if (broken || finished || (events & EPOLLHUP))
        connection_close(server, connection);
    else
        set_events(server, connection);
}

void pair_wake(struct pair_server *server, struct pair_connection *connection)
{
    /* The loop sends; lines that were left lying are taken then, too. */
    connection->events |= EPOLLOUT;
    watch(server, &connection->watch, connection->events, EPOLL_CTL_MOD);
}

/* --- the loop --- */

static void take_signals(struct pair_server *server)
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

static void handle(struct pair_server *server, const struct epoll_event *event)
{
    struct pair_watch *about = event->data.ptr;
    switch (about->kind) {
    case PAIR_LISTENER:
        accept_some(server, about);
        break;
    case PAIR_CONNECTION:
        connection_event(server, (struct pair_connection *)about, event->events);
        break;
    case PAIR_RESOLVE:
        break; /* after all events */
    case PAIR_FETCHER:
        pair_posh_done(server);
        break;
    case PAIR_SIGNAL:
        take_signals(server);
        break;
    }
}

static void turn(struct pair_server *server, const struct epoll_event *events, int count)
{
    /* Closing a connection frees it; none of the other events of one turn is about it. */
    for (int i = 0; i < count; i++)
        handle(server, &events[i]);
    resolve_process(server->context);
    pair_questions_step(server);
    uint64_t now = base_clock_monotonic();
    if (now >= server->next_tick) {
        server->next_tick = now + SECOND;
        pair_questions_tick(server, now);
    }
}

int pair_server_run(struct pair_server *server)
{
    struct epoll_event events[EVENTS];
    base_log(server->log, base_clock_now(), BASE_LOG_INFO, "answering at %zu sockets",
             server->listener_count);
    while (!server->stop) {
        int timeout = resolve_timeout_ms(server->context);
        int count = epoll_wait(server->epoll, events, EVENTS,
                               timeout < 0 || timeout > TICK_MS ? TICK_MS : timeout);
        if (count < 0 && errno != EINTR)
            return BASE_EIO;
        turn(server, events, count);
    }
    base_log(server->log, base_clock_now(), BASE_LOG_INFO, "ended");
    return BASE_OK;
}

/* --- beginning and end --- */

/* A socket that nobody listens at any more is left over from a process that was killed. */
static void remove_abandoned(const struct sockaddr_un *address)
{
    struct stat info;
    if (stat(address->sun_path, &info) != 0 || !S_ISSOCK(info.st_mode))
        return;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 &&
        errno == ECONNREFUSED)
        unlink(address->sun_path);
    if (fd >= 0)
        close(fd);
}

static int listen_at(struct pair_server *server, const char *text, char why[PAIR_WHY])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = strncmp(text, "unix:", 5) == 0 ? text + 5 : text;
    if (path[0] != '/' || strlen(path) >= sizeof address.sun_path ||
        server->listener_count == PAIR_LISTENERS_MAX) {
        snprintf(why, PAIR_WHY,
                 path[0] == '/' ? "\"%.100s\": the path is too long, or there are too many sockets"
                                : "\"%.100s\": not unix:PATH with an absolute path",
                 text);
        return BASE_EFORMAT;
    }
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    remove_abandoned(&address);
    char *copy = strdup(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* Nobody connects before the permissions are as they shall be: it does not listen yet. */
    if (!copy || fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        chmod(path, server->options.socket_mode) != 0 || listen(fd, BACKLOG) != 0) {
        snprintf(why, PAIR_WHY, "%.100s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        free(copy);
        return BASE_EIO;
    }
    server->paths[server->listener_count] = copy;
    server->listeners[server->listener_count++] = (struct pair_watch){PAIR_LISTENER, fd};
    return BASE_OK;
}

static int open_signals(struct pair_server *server)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    server->signals = (struct pair_watch){PAIR_SIGNAL, fd};
    return fd >= 0 ? BASE_OK : BASE_EIO;
}

static int watch_all(struct pair_server *server)
{
    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (server->epoll < 0)
        return BASE_EIO;
    server->resolve = (struct pair_watch){PAIR_RESOLVE, resolve_fd(server->context)};
    server->fetched = (struct pair_watch){PAIR_FETCHER, auth_fetcher_fd(server->fetcher)};
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

static void set_defaults(struct pair_options *options)
{
    const struct {
        unsigned *value, otherwise;
    } defaults[] = {
        {&options->socket_mode, 0660},
        {&options->connections, 64},
        {&options->questions, 1024},
        {&options->timeout, 30},
    };
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++) {
        if (*defaults[i].value == 0)
            *defaults[i].value = defaults[i].otherwise;
    }
    if (options->cache_octets == 0)
        options->cache_octets = 16 * 1024 * 1024;
}

static int start(struct pair_server *server, char why[PAIR_WHY])
{
    struct auth_fetcher_options fetcher = {.ca_file = server->options.ca_file};
    int status = dane_authorities_new(server->options.ca_file, &server->authorities);
    if (status == BASE_EIO)
        snprintf(why, PAIR_WHY, "%.150s: the CAs cannot be read",
                 server->options.ca_file ? server->options.ca_file : "the system");
    if (status == BASE_OK)
        status = policy_cache_new(server->options.cache_octets, &server->cache);
    if (status == BASE_OK)
        status = auth_fetcher_new(&fetcher, &server->fetcher);
    if (status == BASE_OK)
        status = open_signals(server);
    for (size_t i = 0; status == BASE_OK && i < server->options.listen_count; i++)
        status = listen_at(server, server->options.listen[i], why);
    if (status == BASE_OK)
        status = watch_all(server);
    if (status == BASE_EIO && why[0] == '\0')
        snprintf(why, PAIR_WHY, "the system refuses: %s", strerror(errno));
    return status;
}

int pair_server_new(const struct pair_options *options, struct resolve_context *context,
                    const struct base_log *log, char why[PAIR_WHY], struct pair_server **out)
{
    struct pair_server *server = calloc(1, sizeof *server);
    if (!server)
        return BASE_ENOMEM;
    server->options = *options;
    set_defaults(&server->options);
    server->context = context;
    server->log = log;
    server->epoll = server->signals.fd = -1;
    keyed_init(&server->questions);
    why[0] = '\0';
    int status = start(server, why);
    if (status != BASE_OK) {
        pair_server_free(server);
        return status;
    }
    *out = server;
    return BASE_OK;
}

void pair_server_free(struct pair_server *server)
{
    if (!server)
        return;
    while (server->connections)
        connection_close(server, server->connections);
    pair_questions_end(server);
    auth_fetcher_free(server->fetcher);
    policy_cache_free(server->cache);
    dane_authorities_free(server->authorities);
    for (size_t i = 0; i < server->listener_count; i++) {
        close(server->listeners[i].fd);
        unlink(server->paths[i]);
        free(server->paths[i]);
    }
    if (server->signals.fd >= 0)
        close(server->signals.fd);
    if (server->epoll >= 0)
        close(server->epoll);
    free(server);
}
