/* The serve process: see front.h. */
#include "front/front.h"

#include "base/error.h"
#include "front/forward.h"
#include "front/transfer.h"
#include "net/listeners.h"
#include "net/tls.h"
#include "serve/link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define RETRY_MS  200  /* between looks for an image that is not there yet */
#define DRAIN_MS  1500 /* how long the end waits for clients to take their answers */
#define METRICS   PROCESS_MESSAGE_MAX
#define ADDRESSES 64
#define DATA_FILE "data.mdb"
#define PATH_SIZE 4096

struct front {
    const struct front_options *options;
    struct front_shared shared;
    struct net_server *server;
    struct net_tls *tls;
    uint8_t *buffer; /* PROCESS_MESSAGE_MAX */
    bool linked;     /* there is a channel to control */
    int signals;
    int memory;   /* /proc/self/statm; -1: it cannot be read */
    bool sockets; /* all have come */
    bool ending;
    int exit;
    dev_t device; /* of the image's file */
    ino_t inode;
};

#define LOG(front, level, ...)                                                                     \
    base_log((front)->options->log, base_clock_now(), BASE_LOG_##level, __VA_ARGS__)

unsigned front_readers(const struct config *config)
{
    unsigned cpus;
    int list[NET_WORKERS_MAX];
    return net_listener_workers(config->threads, list, &cpus) * (2 + FRONT_TRANSFERS_MAX);
}

/* --- the image --- */

static bool look_at_file(const struct front *front, struct stat *status)
{
    char path[PATH_SIZE];
    int length = snprintf(path, sizeof(path), "%s/" DATA_FILE, front->options->image);
    return length > 0 && length < PATH_SIZE && stat(path, status) == 0;
}

/* Opens the image unless it is the one that is open: the locks of its files are the process's, and
 * closing it once would give them up. */
static int open_image(struct front *front)
{
    struct stat status;
    struct image *image;
    if (!look_at_file(front, &status))
        return BASE_ENOENT;
    if (front->shared.image != NULL && status.st_dev == front->device &&
        status.st_ino == front->inode)
        return BASE_OK;
    int error = image_open(front->options->image, &(struct image_options){0}, &image);
    if (error != BASE_OK)
        return error;
    error = front_shared_image(&front->shared, image);
    if (error != BASE_OK) {
        image_close(image);
        return error;
    }
    front->device = status.st_dev;
    front->inode = status.st_ino;
    return BASE_OK;
}

static void end(struct front *front, enum process_exit how);

/* Another image: its files are out of reach of a sealed process, which begins anew. */
static void reopen_image(struct front *front)
{
    int error = open_image(front);
    if (error == BASE_EPERM)
        end(front, PROCESS_EXIT_AGAIN);
    else if (error != BASE_OK)
        LOG(front, ERROR, "the image in %s cannot be opened again: %s", front->options->image,
            base_strerror(error));
}

/* --- the server --- */

static int open_tls(struct front *front)
{
    const struct config *config = front->options->config;
    char why[256];
    if (config->tls_certificate == NULL)
        return BASE_OK;
    struct net_tls_options options = {.certificate = config->tls_certificate,
                                      .key = config->tls_key,
                                      .client_ca = config->tls_clients};
    int error = net_tls_new(&options, why, &front->tls);
    if (error != BASE_OK)
        LOG(front, ERROR, "TLS cannot be used: %s", why);
    return error;
}

static int make_server(struct front *front)
{
    const struct config *config = front->options->config;
    struct net_options options = NET_OPTIONS_DEFAULT;
    options.handler = front_handler(&front->shared);
    options.workers = front->shared.workers;
    options.pin = false; /* the processors are shared with those that sign */
    options.rate = config->limit ? &config->rate : NULL;
    options.tls = front->tls;
    options.drain_ms = DRAIN_MS;
    if (config->connections > 0)
        options.limits.connections = config->connections;
    int error = net_server_new(&options, &front->server);
    if (error != BASE_OK)
        LOG(front, ERROR, "cannot serve: %s", base_strerror(error));
    return error;
}

static int adopt(struct front *front, const struct process_event *event)
{
    bool tls = (event->protocol & NET_LISTEN_TLS) != 0;
    int error = event->worker == PROCESS_WORKERS_ALL
                    ? net_server_adopt(front->server, event->fd, tls)
                    : net_server_adopt_for(front->server, event->fd, event->worker, tls);
    if (error == BASE_OK)
        return BASE_OK;
    close(event->fd);
    LOG(front, ERROR, "a socket cannot be taken over: %s%s", base_strerror(error),
        tls && front->tls == NULL ? "; it is for TLS, and there is no certificate" : "");
    return error;
}

/* Without a supervisor. */
static int listen_here(struct front *front)
{
    const struct config *config = front->options->config;
    struct net_endpoint *endpoints = calloc(config->listen_count + 1, sizeof(*endpoints));
    size_t failed = 0;
    if (endpoints == NULL)
        return BASE_ENOMEM;
    for (size_t i = 0; i < config->listen_count; i++)
        endpoints[i] =
            (struct net_endpoint){config->listen[i].address, config->listen[i].protocols};
    int error = net_server_listen(front->server, endpoints, config->listen_count, &failed);
    if (error != BASE_OK && failed < config->listen_count) {
        char text[NET_ADDRESS_TEXT];
        net_address_text(&endpoints[failed].address, text);
        LOG(front, ERROR, "cannot listen on %s: %s", text,
            error == BASE_EIO ? strerror(errno) : base_strerror(error));
    }
    free(endpoints);
    front->sockets = error == BASE_OK;
    return error;
}

/* --- what comes --- */

static void link_control(struct front *front, int fd)
{
    if (front->linked)
        front_link_gone(&front->shared); /* what was sent on the old one is not answered any more */
    front->linked = front_link_replace(&front->shared, fd) == BASE_OK;
}

static void end(struct front *front, enum process_exit how)
{
    front->ending = true;
    front->exit = how;
}

static int handle_event(struct front *front, const struct process_event *event)
{
    int error = BASE_OK;
    switch (event->type) {
    case PROCESS_PEER:
        if (strcmp(event->name, "control") == 0)
            link_control(front, event->fd);
        close(event->fd);
        break;
    case PROCESS_SOCKET:
        if (!front->sockets)
            error = adopt(front, event);
        else
            close(event->fd);
        break;
    case PROCESS_SOCKETS:
        front->sockets = true;
        break;
    case PROCESS_RELOAD:
        /* The files of settings and certificates cannot be seen any more. */
        end(front, PROCESS_EXIT_AGAIN);
        break;
    case PROCESS_STOP:
        end(front, PROCESS_EXIT_END);
        break;
    default:
        break;
    }
    return error;
}

/* All that the supervisor has said. */
static int handle_child(struct front *front)
{
    struct process_event event;
    int error = BASE_OK;
    while (error == BASE_OK && !front->ending) {
        error = process_child_receive(front->options->child, &event, 0);
        if (error == BASE_ENOENT || error == BASE_EIO)
            end(front, PROCESS_EXIT_END);
        else if (error == BASE_OK)
            error = handle_event(front, &event);
        else
            return BASE_OK;
    }
    return front->ending ? BASE_OK : error;
}

static void read_memory(const struct front *front, uint64_t *resident, uint64_t *shared)
{
    char text[128] = "";
    unsigned long long all = 0, pages = 0, mapped = 0;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    ssize_t length = front->memory >= 0 ? pread(front->memory, text, sizeof(text) - 1, 0) : 0;
    if (length <= 0 || sscanf(text, "%llu %llu %llu", &all, &pages, &mapped) != 3)
        pages = mapped = 0;
    *resident = pages * page;
    *shared = mapped * page;
}

static void send_metrics(struct front *front, uint64_t id)
{
    struct net_totals net;
    struct front_totals totals;
    struct base_buf text;
    uint64_t resident, shared;
    base_buf_init(&text, METRICS);
    net_server_totals(front->server, &net);
    front_shared_totals(&front->shared, &totals);
    read_memory(front, &resident, &shared);
    front_stats_print(&text, &net, &totals, resident, shared);
    struct process_message message = {.id = id,
                                      .type = SERVE_LINK_COUNTED,
                                      .value = (uint32_t)text.error,
                                      .data = text.data,
                                      .length = text.error == BASE_OK ? text.length : 0,
                                      .fd = -1};
    process_send(front->shared.link, &message, 1);
    base_buf_free(&text);
}

static void handle_control(struct front *front)
{
    struct process_message message;
    int error;
    while ((error = process_receive(front->shared.link, front->buffer, &message, 0)) !=
           BASE_ELIMIT) {
        if (error == BASE_EFORMAT)
            continue;
        if (error != BASE_OK) {
            front->linked = false;
            front_link_gone(&front->shared);
            return;
        }
        if (message.fd >= 0)
            close(message.fd);
        if (message.type == SERVE_LINK_ANSWER)
            front_link_answer(&front->shared, &message);
        else if (message.type == SERVE_LINK_COUNT)
            send_metrics(front, message.id);
        else if (message.type == SERVE_LINK_REOPEN)
            reopen_image(front);
    }
}

static void handle_signal(struct front *front)
{
    struct signalfd_siginfo info;
    if (read(front->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
        end(front, PROCESS_EXIT_END);
}

/* Waits for something to happen, and handles it. */
static int turn(struct front *front, int timeout_ms)
{
    struct pollfd waits[] = {
        {.fd = front->options->child->fd, .events = POLLIN},
        {.fd = front->linked ? front->shared.link : -1, .events = POLLIN},
        {.fd = front->signals, .events = POLLIN},
    };
    int error = BASE_OK;
    if (poll(waits, sizeof(waits) / sizeof(*waits), timeout_ms) < 0)
        return errno == EINTR ? BASE_OK : BASE_EIO;
    if (waits[1].revents != 0)
        handle_control(front);
    if (waits[0].revents != 0)
        error = handle_child(front);
    if (waits[2].revents != 0)
        handle_signal(front);
    return error;
}

/* --- the process --- */

/* Waits until all sockets have come and the image is there, which control makes at its start. */
static int gather(struct front *front)
{
    const char *image = front->options->image;
    int image_error = open_image(front), error = BASE_OK;
    if (image_error != BASE_OK)
        LOG(front, INFO, "waiting for the image in %s: %s", image, base_strerror(image_error));
    while (error == BASE_OK && !front->ending && (image_error != BASE_OK || !front->sockets)) {
        error = turn(front, image_error != BASE_OK ? RETRY_MS : -1);
        if (image_error != BASE_OK)
            image_error = open_image(front);
        if (image_error == BASE_EPERM) {
            LOG(front, ERROR, "the image in %s cannot be read: %s", image,
                base_strerror(image_error));
            return image_error;
        }
    }
    return error;
}

static int catch_signals(struct front *front)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return BASE_EIO;
    front->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return front->signals >= 0 ? BASE_OK : BASE_EIO;
}

static int prepare(struct front *front)
{
    const struct front_options *options = front->options;
    unsigned cpus;
    int list[NET_WORKERS_MAX];
    unsigned workers = net_listener_workers(options->config->threads, list, &cpus);
    front->memory = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    front->buffer = malloc(PROCESS_MESSAGE_MAX);
    if (front->buffer == NULL)
        return BASE_ENOMEM;
    int error = catch_signals(front);
    if (error == BASE_OK) {
        error = front_shared_init(&front->shared, options->config, options->log, workers);
        if (error != BASE_OK)
            LOG(front, ERROR, "cannot serve: %s%s%s", base_strerror(error),
                options->config->cookie_secret != NULL ? "; secrets of cookies are read from " : "",
                options->config->cookie_secret != NULL ? options->config->cookie_secret : "");
    }
    if (error == BASE_OK)
        error = open_tls(front);
    if (error == BASE_OK)
        error = make_server(front);
    if (error == BASE_OK && options->child->fd < 0)
        error = listen_here(front);
    return error;
}

static void say_ready(struct front *front)
{
    union net_address address, last = {0};
    for (size_t i = 0; net_server_address(front->server, i, &address) == BASE_OK; i++) {
        char text[NET_ADDRESS_TEXT];
        net_address_text(&address, text);
        if (!net_address_equal(&address, &last)) /* UDP and TCP are two */
            LOG(front, INFO, "answering on %s", text);
        last = address;
    }
    process_child_ready(front->options->child);
}

static int serve(struct front *front)
{
    const struct front_options *options = front->options;
    int error = options->seal != NULL ? options->seal(options->context) : BASE_OK;
    if (error == BASE_OK)
        error = net_server_start(front->server);
    if (error != BASE_OK) {
        LOG(front, ERROR, "cannot serve: %s", base_strerror(error));
        return error;
    }
    say_ready(front);
    while (error == BASE_OK && !front->ending)
        error = turn(front, -1);
    net_server_stop(front->server);
    return error;
}

int front_run(const struct front_options *options)
{
    struct front front = {.options = options,
                          .signals = -1,
                          .memory = -1,
                          .shared = {.link = -1},
                          .exit = PROCESS_EXIT_REFUSED};
    int error = prepare(&front);
    if (error == BASE_OK)
        error = gather(&front);
    if (error == BASE_OK && !front.ending)
        error = serve(&front);
    net_server_free(front.server);
    net_tls_free(front.tls);
    if (front.shared.stats != NULL)
        front_shared_free(&front.shared);
    if (front.signals >= 0)
        close(front.signals);
    if (front.memory >= 0)
        close(front.memory);
    free(front.buffer);
    return error == BASE_OK ? front.exit : PROCESS_EXIT_REFUSED;
}
