/* The frame of services: its loop and its connections. */
#include "auth/service_parts.h"

#include "base/error.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define SECOND UINT64_C(1000000000)
/* An idle connection keeps no more memory for what comes and goes. */
#define KEPT_BUFFER 4096

/* --- connections --- */

/* New ones wait in the kernel otherwise. */
static void set_listening(struct auth_service *service, bool listening)
{
    for (size_t i = 0; i < service->listener_count; i++)
        net_loop_watch(service->loop, &service->listeners[i].watch, listening ? POLLIN : 0);
}

static bool has_room(const struct auth_service *service)
{
    return service->counts.connections < service->options.connections;
}

static void unlink_connection(struct auth_connection *connection)
{
    struct auth_service *service = connection->service;
    if (connection->next)
        connection->next->previous = connection->previous;
    *(connection->previous ? &connection->previous->next : &service->connections) =
        connection->next;
    struct auth_connection **at = &service->woken;
    while (connection->woken && *at != connection)
        at = &(*at)->next_woken;
    if (connection->woken)
        *at = connection->next_woken;
    service->counts.connections--;
}

static void connection_close(struct auth_connection *connection)
{
    struct auth_service *service = connection->service;
    for (struct auth_questions *questions = service->questions; questions && connection->waits > 0;
         questions = questions->next)
        auth_questions_leave(questions, connection);
    unlink_connection(connection);
    net_loop_watch(service->loop, &connection->watch, 0);
    close(connection->watch.fd);
    base_buf_free(&connection->input);
    base_buf_free(&connection->output);
    free(connection);
    set_listening(service, has_room(service));
}

static bool may_take(const struct auth_connection *connection)
{
    const struct auth_service_options *options = &connection->service->options;
    return !connection->refused && connection->waits < options->waits &&
           connection->output.length < options->output_full;
}

/* Sends what is there. False: the connection is broken. */
static bool flush(struct auth_connection *connection)
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
    if (output->capacity > KEPT_BUFFER)
        base_buf_free(output);
    else
        base_buf_reset(output);
    return true;
}

static void drop_input(struct auth_connection *connection, size_t used)
{
    struct base_buf *input = &connection->input;
    input->length -= used;
    if (input->length > 0)
        memmove(input->data, input->data + used, input->length);
    else if (input->capacity > KEPT_BUFFER)
        base_buf_free(input);
}

/* Takes requests one after the other, as long as they may be asked. False: there was none. */
static bool take_requests(struct auth_connection *connection)
{
    struct auth_service *service = connection->service;
    struct base_buf *input = &connection->input;
    size_t at = 0;
    while (at < input->length && may_take(connection)) {
        size_t used = service->calls->take(service->calls_context, connection, input->data + at,
                                           input->length - at);
        if (used == 0)
            break;
        at += used;
        connection->searched = 0;
    }
    if (connection->refused)
        at = input->length;
    if (at > 0)
        drop_input(connection, at);
    return at > 0;
}

static void receive(struct auth_connection *connection)
{
    uint8_t *room = connection->service->room;
    ssize_t got = recv(connection->watch.fd, room, AUTH_RECEIVE, 0);
    if (got > 0)
        base_buf_append(&connection->input, room, (size_t)got);
    else if (got == 0 || (errno != EAGAIN && errno != EINTR))
        connection->ended = true;
    if (connection->input.error != BASE_OK)
        connection->refused = true;
}

/* Takes, answers and sends as far as it goes now. */
static void serve(struct auth_connection *connection)
{
    bool sound = flush(connection);
    while (sound && take_requests(connection) && (sound = flush(connection)) &&
           connection->output.length == 0)
        continue;
    bool over = (connection->ended || connection->refused) && connection->waits == 0 &&
                connection->output.length == 0;
    if (!sound || over) {
        connection_close(connection);
        return;
    }
    /* The end of a peer is to be seen even while nothing is read from it. */
    int events = POLLHUP;
    if (!connection->ended && may_take(connection))
        events |= POLLIN;
    if (connection->output.length > 0)
        events |= POLLOUT;
    net_loop_watch(connection->service->loop, &connection->watch, (short)events);
}

static void connection_ready(struct net_watch *watch, short events)
{
    struct auth_connection *connection = (struct auth_connection *)watch;
    connection->last_use = base_clock_monotonic();
    if (events & (POLLERR | POLLHUP)) {
        connection_close(connection);
        return;
    }
    if (events & POLLIN)
        receive(connection);
    serve(connection);
}

void auth_connection_wake(struct auth_connection *connection)
{
    struct auth_service *service = connection->service;
    if (connection->woken)
        return;
    connection->woken = true;
    connection->next_woken = service->woken;
    service->woken = connection;
}

/* False: nobody was woken. */
static bool serve_woken(struct auth_service *service)
{
    uint64_t now = base_clock_monotonic();
    bool any = service->woken != NULL;
    while (service->woken) {
        struct auth_connection *connection = service->woken;
        service->woken = connection->next_woken;
        connection->woken = false;
        connection->last_use = now;
        serve(connection);
    }
    return any;
}

static void connection_new(struct auth_service *service, int fd)
{
    const struct auth_service_options *options = &service->options;
    struct auth_connection *connection = calloc(1, sizeof *connection);
    if (!connection) {
        close(fd);
        return;
    }
    *connection = (struct auth_connection){
        .watch = {.fd = fd, .ready = connection_ready},
        .service = service,
        .last_use = base_clock_monotonic(),
    };
    base_buf_init(&connection->input, options->request_most + AUTH_RECEIVE);
    base_buf_init(&connection->output, options->output_most);
    if (net_loop_watch(service->loop, &connection->watch, POLLIN | POLLHUP) != BASE_OK) {
        close(fd);
        free(connection);
        return;
    }
    connection->next = service->connections;
    if (service->connections)
        service->connections->previous = connection;
    service->connections = connection;
    service->counts.connections++;
    service->counts.accepted++;
}

/* Without descriptors or memory the listener stays readable: nothing is accepted then until a
 * connection closes or the next tick, lest the loop turn in vain. */
static void listener_ready(struct net_watch *watch, short events)
{
    struct auth_service *service = ((struct auth_listener *)watch)->service;
    while (has_room(service)) {
        int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            connection_new(service, fd);
        } else if (errno != ECONNABORTED && errno != EINTR) {
            if (errno == EAGAIN)
                return;
            service->counts.paused++;
            break;
        }
    }
    set_listening(service, false);
}

/* --- the loop --- */

static void close_idle(struct auth_service *service, uint64_t now)
{
    uint64_t idle = service->options.idle_timeout * SECOND;
    for (struct auth_connection *connection = service->connections, *next; connection && idle > 0;
         connection = next) {
        next = connection->next;
        if (connection->waits == 0 && now - connection->last_use > idle)
            connection_close(connection);
    }
}

static void tick(struct net_timer *timer)
{
    struct auth_service *service =
        (struct auth_service *)((char *)timer - offsetof(struct auth_service, tick));
    uint64_t now = base_clock_monotonic();
    net_loop_set(service->loop, timer, now + SECOND);
    for (struct auth_questions *questions = service->questions; questions;
         questions = questions->next)
        auth_questions_tick(questions, now);
    if (service->calls->tick)
        service->calls->tick(service->calls_context, now);
    close_idle(service, now);
    set_listening(service, has_room(service));
}

static void take_signals(struct net_watch *watch, short events)
{
    struct auth_service *service =
        (struct auth_service *)((char *)watch - offsetof(struct auth_service, signals));
    struct signalfd_siginfo info;
    while (read(watch->fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGHUP) {
            base_log(service->log, base_clock_now(), BASE_LOG_INFO, "the caches are emptied");
            resolve_clear(service->context);
            service->calls->reload(service->calls_context);
        } else {
            service->stop = true;
        }
    }
}

static void resolve_ready(struct net_watch *watch, short events)
{
    /* It is processed in each turn, after all events. */
}

/* Each may make others ready. False: none was. */
static bool step_questions(struct auth_service *service)
{
    bool any = false;
    for (struct auth_questions *questions = service->questions; questions;
         questions = questions->next)
        any |= auth_questions_step(questions);
    return any;
}

void auth_service_run(struct auth_service *service)
{
    net_loop_set(service->loop, &service->tick, base_clock_monotonic() + SECOND);
    while (!service->stop) {
        net_loop_run(service->loop, resolve_timeout_ms(service->context));
        resolve_process(service->context);
        while (step_questions(service) || serve_woken(service))
            continue;
    }
    base_log(service->log, base_clock_now(), BASE_LOG_INFO, "ended");
}

/* --- beginning and end --- */

static int open_signals(struct auth_service *service)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    service->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return service->signals.fd >= 0 ? BASE_OK : BASE_EIO;
}

static int start(struct auth_service *service, char why[AUTH_SERVICE_WHY])
{
    int status = net_loop_new(&service->loop);
    if (status == BASE_OK)
        status = open_signals(service);
    if (status == BASE_OK)
        status = net_loop_watch(service->loop, &service->signals, POLLIN);
    if (status == BASE_OK)
        status = net_loop_watch(service->loop, &service->resolve, POLLIN);
    if (status == BASE_OK)
        status = auth_service_listen(service, why);
    for (size_t i = 0; i < service->listener_count; i++)
        service->listeners[i].watch.ready = listener_ready;
    set_listening(service, status == BASE_OK);
    if (status == BASE_EIO && why[0] == '\0')
        snprintf(why, AUTH_SERVICE_WHY, "the system refuses: %s", strerror(errno));
    return status;
}

int auth_service_new(const struct auth_service_options *options,
                     const struct auth_service_calls *calls, void *calls_context,
                     struct resolve_context *context, const struct base_log *log,
                     char why[AUTH_SERVICE_WHY], struct auth_service **out)
{
    struct auth_service *service = calloc(1, sizeof *service);
    if (!service)
        return BASE_ENOMEM;
    service->options = *options;
    service->calls = calls;
    service->calls_context = calls_context;
    service->context = context;
    service->log = log;
    service->resolve = (struct net_watch){.fd = resolve_fd(context), .ready = resolve_ready};
    service->signals = (struct net_watch){.fd = -1, .ready = take_signals};
    service->tick.due = tick;
    why[0] = '\0';
    int status = start(service, why);
    if (status != BASE_OK) {
        auth_service_free(service);
        return status;
    }
    *out = service;
    return BASE_OK;
}

void auth_service_free(struct auth_service *service)
{
    if (!service)
        return;
    while (service->connections)
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): unlinked before */
        connection_close(service->connections);
    auth_service_listen_end(service);
    if (service->signals.fd >= 0)
        close(service->signals.fd);
    net_loop_free(service->loop);
    free(service);
}

struct net_loop *auth_service_loop(struct auth_service *service)
{
    return service->loop;
}

size_t auth_service_sockets(const struct auth_service *service)
{
    return service->listener_count;
}

void auth_service_counts(const struct auth_service *service, struct auth_service_counts *out)
{
    *out = service->counts;
}
