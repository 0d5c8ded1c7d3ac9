/* The supervisor's side: sockets, privileges, and which processes there are. See roles.h. */
#include "base/error.h"
#include "daemon/roles.h"
#include "net/listeners.h"
#include "process/notify.h"
#include "process/privileges.h"
#include "process/supervisor.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How long a process may take to end before it is killed, and may say nothing. */
#define KEYS_STOP_MS    5000
#define CONTROL_STOP_MS 60000
#define SERVE_STOP_MS   10000
/* How long ports that are in use are tried again at the start, and how often. */
#define PATIENCE_MS      2000
#define PATIENCE_STEP_MS 50

struct supervision {
    const struct daemon_options *options;
    struct config *config; /* as it is in effect */
    struct net_listeners *listeners;
    int from_systemd;
};

#define LOG(supervision, level, ...)                                                               \
    base_log(&(supervision)->config->log, base_clock_now(), BASE_LOG_##level, __VA_ARGS__)

/* --- sockets --- */

/* At the start the processes of a supervisor that was killed may not be quite dead yet, and have
 * the ports still. */
static int try_listeners(struct supervision *supervision, const struct net_endpoint *endpoints,
                         size_t count, unsigned patience_ms, size_t *failed)
{
    for (unsigned waited = 0;; waited += PATIENCE_STEP_MS) {
        errno = 0;
        int error = net_listeners_open(supervision->listeners, endpoints, count, failed);
        if (error == BASE_OK || errno != EADDRINUSE || waited >= patience_ms)
            return error;
        poll(NULL, 0, PATIENCE_STEP_MS);
    }
}

static int open_listeners(struct supervision *supervision, const struct config *config,
                          unsigned patience_ms)
{
    struct net_endpoint *endpoints = calloc(config->listen_count + 1, sizeof(*endpoints));
    size_t failed = config->listen_count;
    if (endpoints == NULL)
        return BASE_ENOMEM;
    for (size_t i = 0; i < config->listen_count; i++)
        endpoints[i] =
            (struct net_endpoint){config->listen[i].address, config->listen[i].protocols};
    int error = try_listeners(supervision, endpoints, config->listen_count, patience_ms, &failed);
    if (error != BASE_OK && failed < config->listen_count) {
        char text[NET_ADDRESS_TEXT];
        const char *why = errno != 0 ? strerror(errno) : base_strerror(error);
        net_address_text(&endpoints[failed].address, text);
        LOG(supervision, ERROR, "cannot listen on %s: %s", text, why);
    }
    free(endpoints);
    return error;
}

static void adopt_from_systemd(struct supervision *supervision)
{
    struct process_activated sockets[DAEMON_LIST_MAX];
    size_t count = process_activated(sockets, DAEMON_LIST_MAX);
    for (size_t i = 0; i < count; i++) {
        bool tls = sockets[i].name_length == 3 && memcmp(sockets[i].name, "dot", 3) == 0;
        int error = net_listeners_adopt(supervision->listeners, sockets[i].fd, tls);
        if (error != BASE_OK)
            LOG(supervision, ERROR, "a socket of systemd cannot be used: %s", base_strerror(error));
        else
            supervision->from_systemd++;
    }
}

/* All listening sockets, to a serve process that has just started. */
static int give_sockets(void *context, struct process_supervisor *supervisor, const char *name)
{
    struct supervision *supervision = context;
    size_t count;
    const struct net_listener *all = net_listeners_all(supervision->listeners, &count);
    int error = BASE_OK;
    for (size_t i = 0; i < count && error == BASE_OK; i++) {
        struct process_message message = {.id = all[i].endpoint,
                                          .type = PROCESS_SOCKET,
                                          .value =
                                              process_socket_value(all[i].worker, all[i].protocol),
                                          .fd = all[i].fd};
        error = process_supervisor_give(supervisor, name, &message);
    }
    struct process_message end = {.type = PROCESS_SOCKETS, .value = (uint32_t)count, .fd = -1};
    if (error == BASE_OK)
        error = process_supervisor_give(supervisor, name, &end);
    return error == BASE_ENOENT ? BASE_OK : error;
}

/* --- reload --- */

/* The settings are read here first: what is wrong with them changes nothing. The processes then
 * end and are started again, and read them for themselves. */
static int reload(void *context, struct process_supervisor *supervisor)
{
    struct supervision *supervision = context;
    struct config *config = NULL;
    int error = daemon_options_config(supervision->options, &config);
    if (error == BASE_OK)
        error = open_listeners(supervision, config, 0);
    if (error != BASE_OK) {
        LOG(supervision, ERROR, "the settings were not read again: what is in effect stays");
        config_free(config);
        return error;
    }
    config_free(supervision->config);
    supervision->config = config;
    LOG(supervision, INFO, "the settings were read again; every zone is looked at");
    return BASE_OK;
}

/* --- start --- */

static bool make_directory(const struct supervision *supervision, const struct process_user *user,
                           const char *path, mode_t mode)
{
    bool made = mkdir(path, mode) == 0;
    if (!made && errno != EEXIST) {
        LOG(supervision, ERROR, "cannot make the directory %s: %s", path, strerror(errno));
        return false;
    }
    return !made || process_hand_over(user, path) == BASE_OK;
}

static bool make_places(const struct supervision *supervision, const struct process_user *user)
{
    const char *data = supervision->config->data;
    char *keys = daemon_path(data, "keys");
    bool good = keys != NULL && make_directory(supervision, user, data, 0755) &&
                make_directory(supervision, user, keys, 0700);
    free(keys);
    return good;
}

static void log_addresses(const struct supervision *supervision)
{
    union net_address address;
    for (size_t i = 0; net_listeners_address(supervision->listeners, i, &address) == BASE_OK; i++) {
        char text[NET_ADDRESS_TEXT];
        net_address_text(&address, text);
        LOG(supervision, INFO, "answering on %s by UDP and TCP", text);
    }
}

/* The command line with --role NAME behind it. */
static const char **role_arguments(int argc, char **argv, const char *role)
{
    const char **arguments = calloc((size_t)argc + 3, sizeof(*arguments));
    if (arguments == NULL)
        return NULL;
    for (int i = 0; i < argc; i++)
        arguments[i] = argv[i];
    arguments[argc] = "--role";
    arguments[argc + 1] = role;
    return arguments;
}

static int run(struct supervision *supervision, int argc, char **argv)
{
    const char **keys = role_arguments(argc, argv, "keys");
    const char **control = role_arguments(argc, argv, "control");
    const char **serve = role_arguments(argc, argv, "serve");
    struct process_role roles[] = {
        {.name = "keys", .arguments = keys, .stop_order = 2, .stop_ms = KEYS_STOP_MS},
        {.name = "control", .arguments = control, .stop_order = 1, .stop_ms = CONTROL_STOP_MS},
        {.name = "serve",
         .arguments = serve,
         .started = give_sockets,
         .context = supervision,
         .stop_order = 0,
         .stop_ms = SERVE_STOP_MS},
    };
    struct process_link links[] = {{"control", "keys", 1}, {"control", "serve", 1}};
    bool serves = supervision->config->listen_count > 0 || supervision->from_systemd > 0;
    struct process_supervisor_options options = {.roles = roles,
                                                 .role_count = serves ? 3 : 2,
                                                 .links = links,
                                                 .link_count = serves ? 2 : 1,
                                                 .reload = reload,
                                                 .context = supervision,
                                                 .log = supervision->config->log};
    struct process_supervisor *supervisor = NULL;
    int code = 3;
    if (keys != NULL && control != NULL && serve != NULL &&
        process_supervisor_new(&options, &supervisor) == BASE_OK)
        code = process_supervisor_run(supervisor);
    process_supervisor_free(supervisor);
    free((void *)keys);
    free((void *)control);
    free((void *)serve);
    return code;
}

static int prepare(struct supervision *supervision)
{
    const struct config *config = supervision->config;
    struct process_user user;
    int error = process_user_find(geteuid() == 0 ? config->user : NULL, NULL, &config->log, &user);
    if (error == BASE_OK)
        error = net_listeners_new(config->threads, 1024, &supervision->listeners);
    if (error != BASE_OK)
        return error;
    if (!make_places(supervision, &user))
        return BASE_EIO;
    adopt_from_systemd(supervision);
    error = open_listeners(supervision, config, PATIENCE_MS);
    if (error == BASE_OK)
        error = process_become(&user, true, &config->log);
    if (error == BASE_OK)
        log_addresses(supervision);
    return error;
}

int daemon_supervise(const struct daemon_options *options, struct config **config, int argc,
                     char **argv)
{
    struct supervision supervision = {.options = options, .config = *config};
    int code = prepare(&supervision) == BASE_OK ? run(&supervision, argc, argv) : 3;
    net_listeners_free(supervision.listeners);
    *config = supervision.config; /* which a reload may have exchanged */
    return code;
}
