/* The processes of kenterd, from the inside: see roles.h. */
#include "daemon/roles.h"

#include "base/error.h"
#include "control/control.h"
#include "front/front.h"
#include "keys/service.h"
#include "process/clients.h"
#include "process/privileges.h"
#include "process/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOG(config, level, ...)                                                                    \
    base_log(&(config)->log, base_clock_now(), BASE_LOG_##level, __VA_ARGS__)

char *daemon_path(const char *directory, const char *name)
{
    char *path = NULL;
    return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

char *daemon_export_directory(const struct config *config, bool once)
{
    if (config->export_directory != NULL)
        return strdup(config->export_directory);
    return once || config->listen_count == 0 ? daemon_path(config->data, "signed") : NULL;
}

static int begin(const struct config *config, struct process_child *child, const char *name)
{
    int error = process_child_begin(child);
    if (error != BASE_OK)
        LOG(config, ERROR, "the %s process has no supervisor to talk to: %s", name,
            base_strerror(error));
    return error;
}

/* --- keys --- */

struct keys_role {
    const struct config *config;
    char *directory;
    struct process_child child;
    struct process_clients *clients;
};

static int seal_keys(void *context)
{
    struct keys_role *role = context;
    struct process_path paths[] = {{role->directory, PROCESS_ALL}};
    int error = process_sandbox(PROCESS_SANDBOX_KEYS, paths, 1, &role->config->log, NULL);
    if (error == BASE_OK)
        error = process_clients_start(role->clients);
    if (error == BASE_OK)
        process_child_ready(&role->child);
    return error;
}

int daemon_role_keys(const struct config *config)
{
    struct keys_role role = {.config = config, .directory = daemon_path(config->data, "keys")};
    int fd, code = 3;
    process_hide();
    if (role.directory == NULL || begin(config, &role.child, "keys") != BASE_OK)
        return 3;
    if (process_clients_new(&role.child, &role.clients, &fd) == BASE_OK) {
        struct keys_service_options options = {
            .directory = role.directory, .log = config->log, .seal = seal_keys, .context = &role};
        options.log.part = "keys";
        code = keys_service_run(fd, &options);
        process_clients_free(role.clients);
    }
    process_child_end(&role.child);
    free(role.directory);
    return code;
}

/* --- control --- */

struct control_role {
    const struct config *config;
    struct process_child child;
    char *export_directory, *socket;
};

static void set_group(const struct config *config, const char *path)
{
    struct group *group = config->socket_group != NULL ? getgrnam(config->socket_group) : NULL;
    if (config->socket_group == NULL)
        return;
    if (group == NULL || chown(path, (uid_t)-1, group->gr_gid) != 0)
        LOG(config, WARNING, "the socket %s cannot be given to the group %s: %s", path,
            config->socket_group, group == NULL ? "there is no such group" : strerror(errno));
}

/* The API's socket. One that an earlier run has left is removed; nobody listens on it, since the
 * data directory is ours. */
static int open_socket(const struct config *config, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path)) {
        LOG(config, ERROR,
            "the path of the API's socket is too long for a socket (%zu octets at "
            "most): %s; set another by --socket or api: socket",
            sizeof(address.sun_path) - 1, path);
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlink(path);
    mode_t mask = umask(0777 & ~(mode_t)config->socket_mode);
    bool good = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
                chmod(path, (mode_t)config->socket_mode) == 0 && listen(fd, 64) == 0;
    umask(mask);
    if (!good) {
        LOG(config, ERROR, "the API's socket %s cannot be opened: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    set_group(config, path);
    return fd;
}

static int open_metrics(const struct config *config)
{
    int one = 1;
    if (config->metrics == NULL)
        return -1;
    int fd = socket(config->metrics->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (fd >= 0 && bind(fd, &config->metrics->any, net_address_length(config->metrics)) == 0 &&
        listen(fd, 64) == 0)
        return fd;
    char text[NET_ADDRESS_TEXT];
    net_address_text(config->metrics, text);
    LOG(config, ERROR, "cannot listen on %s for metrics: %s", text, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

/* The directory of a file; malloc'ed. */
static char *parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return strdup(".");
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

/* The directories of a certificate's file, and of where a link leads (as ACME clients make them).
 */
static void open_certificate(const char *path, struct process_path *paths, size_t *count,
                             char **parents, size_t *parent_count)
{
    char *leads_to = path != NULL ? realpath(path, NULL) : NULL;
    const char *both[] = {path, leads_to};
    for (size_t i = 0; i < 2; i++) {
        if (both[i] == NULL || (parents[*parent_count] = parent(both[i])) == NULL)
            continue;
        paths[(*count)++] = (struct process_path){parents[(*parent_count)++], PROCESS_READ};
    }
    free(leads_to);
}

/* All that control reads and writes: its data, the sources, and who may sign their certificates.
 * Directories, since files are replaced by new ones. */
static int seal_control(void *context, const struct control_places *also)
{
    struct control_role *role = context;
    const struct config *config = role->config;
    size_t most = config->directory_count + config->zone_count + config->remote_count +
                  4 * config->tlsa_count + also->count + 4;
    struct process_path *paths = calloc(most, sizeof(*paths));
    char **parents = calloc(most, sizeof(*parents));
    if (paths == NULL || parents == NULL) {
        free(paths);
        free((void *)parents);
        return BASE_ENOMEM;
    }
    size_t count = 0, parent_count = 0;
    paths[count++] = (struct process_path){config->data, PROCESS_ALL};
    if (role->export_directory != NULL)
        paths[count++] = (struct process_path){role->export_directory, PROCESS_ALL};
    for (size_t i = 0; i < config->directory_count; i++)
        paths[count++] = (struct process_path){config->directories[i].path, PROCESS_READ};
    for (size_t i = 0; i < config->zone_count; i++) {
        if (config->zones[i].file == NULL)
            continue;
        parents[parent_count] = parent(config->zones[i].file);
        paths[count++] = (struct process_path){parents[parent_count++], PROCESS_READ};
    }
    for (size_t i = 0; i < config->remote_count; i++) {
        if (config->remotes[i].tls_ca == NULL)
            continue;
        parents[parent_count] = parent(config->remotes[i].tls_ca);
        paths[count++] = (struct process_path){parents[parent_count++], PROCESS_READ};
    }
    for (size_t i = 0; i < config->tlsa_count; i++) {
        open_certificate(config->tlsa[i].certificate, paths, &count, parents, &parent_count);
        open_certificate(config->tlsa[i].next, paths, &count, parents, &parent_count);
    }
    for (size_t i = 0; i < also->count; i++)
        paths[count++] = (struct process_path){also->paths[i], PROCESS_READ};
    int error = process_sandbox(PROCESS_SANDBOX_CONTROL, paths, count, &config->log, NULL);
    for (size_t i = 0; i < parent_count; i++)
        free(parents[i]);
    free((void *)parents);
    free(paths);
    return error;
}

static void control_ready(void *context)
{
    struct control_role *role = context;
    process_child_ready(&role->child);
}

int daemon_role_control(const struct config *config)
{
    struct control_role role = {.config = config,
                                .export_directory = daemon_export_directory(config, false)};
    if (begin(config, &role.child, "control") != BASE_OK)
        return 3;
    process_raise_files(65536); /* the fetcher asks many primaries at once */
    role.socket =
        config->socket != NULL ? strdup(config->socket) : daemon_path(config->data, "kenter.sock");
    struct control_options options = {.config = config,
                                      .keys = -1,
                                      .serve = -1,
                                      .child = &role.child,
                                      .api = role.socket != NULL ? open_socket(config, role.socket)
                                                                 : -1,
                                      .metrics = open_metrics(config),
                                      .export_directory = role.export_directory,
                                      .readers = front_readers(config),
                                      .seal = seal_control,
                                      .ready = control_ready,
                                      .context = &role};
    int code = options.api >= 0 ? control_run(&options) : PROCESS_EXIT_REFUSED;
    process_child_end(&role.child);
    free(role.socket);
    free(role.export_directory);
    return code;
}

/* --- serve --- */

struct serve_role {
    const struct config *config;
    char *image, *lock;
};

/* The image is read; only the table of readers beside it is written. */
static int seal_serve(void *context)
{
    struct serve_role *role = context;
    struct process_path paths[] = {{role->image, PROCESS_READ},
                                   {role->lock, PROCESS_READ | PROCESS_WRITE}};
    return process_sandbox(PROCESS_SANDBOX_SERVE, paths, 2, &role->config->log, NULL);
}

int daemon_role_serve(const struct config *config)
{
    struct serve_role role = {.config = config, .image = daemon_path(config->data, "image")};
    struct process_child child;
    struct base_log log = config->log;
    log.part = "serve";
    if (role.image != NULL)
        role.lock = daemon_path(role.image, "lock.mdb");
    if (role.lock == NULL || begin(config, &child, "serve") != BASE_OK) {
        free(role.image);
        free(role.lock);
        return 3;
    }
    process_raise_files(65536);
    struct front_options options = {.config = config,
                                    .image = role.image,
                                    .child = &child,
                                    .log = &log,
                                    .seal = seal_serve,
                                    .context = &role};
    int code = front_run(&options);
    process_child_end(&child);
    free(role.image);
    free(role.lock);
    return code;
}

/* --- once --- */

/* The key process of a run that ends by itself: a child without a program of its own. */
static int fork_keys(const struct config *config, pid_t *pid, int *fd)
{
    int pair[2];
    if (process_channel_pair(pair) != BASE_OK)
        return BASE_EIO;
    *pid = fork();
    if (*pid < 0)
        return BASE_EIO;
    if (*pid == 0) {
        close(pair[0]);
        process_hide();
        char *directory = daemon_path(config->data, "keys");
        struct keys_service_options options = {.directory = directory, .log = config->log};
        _exit(directory != NULL ? keys_service_run(pair[1], &options) : 3);
    }
    close(pair[1]);
    *fd = pair[0];
    return BASE_OK;
}

int daemon_once(const struct config *config)
{
    pid_t pid;
    int fd, status;
    if (mkdir(config->data, 0755) != 0 && errno != EEXIST) {
        LOG(config, ERROR, "cannot make the directory %s: %s", config->data, strerror(errno));
        return 3;
    }
    if (fork_keys(config, &pid, &fd) != BASE_OK) {
        LOG(config, ERROR, "the key process cannot be started: %s", strerror(errno));
        return 3;
    }
    char *directory = daemon_export_directory(config, true);
    struct control_options options = {.config = config,
                                      .keys = fd,
                                      .serve = -1,
                                      .api = -1,
                                      .metrics = -1,
                                      .once = true,
                                      .export_directory = directory};
    int code = control_run(&options); /* closes the channel, and so ends the child */
    free(directory);
    waitpid(pid, &status, 0);
    return code;
}
