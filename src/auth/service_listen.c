/* The sockets that services are asked at. */
#include "auth/service_parts.h"

#include "base/error.h"
#include "net/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG         256
#define SYSTEMD_FD_BASE 3 /* sd_listen_fds(3) */

static int add(struct auth_service *service, int fd, char *path, char why[AUTH_SERVICE_WHY])
{
    if (service->listener_count == AUTH_LISTENERS_MAX) {
        snprintf(why, AUTH_SERVICE_WHY, "more than %d sockets", AUTH_LISTENERS_MAX);
        close(fd);
        free(path);
        return BASE_EFORMAT;
    }
    service->listeners[service->listener_count++] =
        (struct auth_listener){.watch.fd = fd, .service = service, .path = path};
    return BASE_OK;
}

/* A socket that nobody listens at any more is left over from a process that was killed. */
static bool is_abandoned(const struct sockaddr_un *address)
{
    struct stat info;
    if (stat(address->sun_path, &info) != 0 || !S_ISSOCK(info.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool refused = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 &&
                   errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    return refused;
}

static int listen_unix(struct auth_service *service, const char *path, char why[AUTH_SERVICE_WHY])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path[0] == '\0' || strlen(path) >= sizeof address.sun_path) {
        snprintf(why, AUTH_SERVICE_WHY, "\"unix:%.100s\": not a path that a socket can have", path);
        return BASE_EFORMAT;
    }
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (is_abandoned(&address))
        unlink(path);
    char *copy = strdup(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (!copy || fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        chmod(path, service->options.socket_mode) != 0 || listen(fd, BACKLOG) != 0) {
        snprintf(why, AUTH_SERVICE_WHY, "unix:%.100s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        free(copy);
        return BASE_EIO;
    }
    return add(service, fd, copy, why);
}

/* "HOST:PORT", ":PORT", "[::1]:PORT" */
static int listen_inet(struct auth_service *service, const char *text, char why[AUTH_SERVICE_WHY])
{
    union net_address address;
    char full[NET_ADDRESS_TEXT];
    int fd;
    snprintf(full, sizeof full, "%s%s", text[0] == ':' ? "127.0.0.1" : "", text);
    if (net_address_parse(full, 0, &address) != BASE_OK || net_address_port(&address) == 0) {
        snprintf(why, AUTH_SERVICE_WHY, "\"inet:%.100s\": not ADDRESS:PORT", text);
        return BASE_EFORMAT;
    }
    if (net_socket_tcp(&address, BACKLOG, false, &fd) != BASE_OK) {
        snprintf(why, AUTH_SERVICE_WHY, "inet:%.100s: %s", text, strerror(errno));
        return BASE_EIO;
    }
    return add(service, fd, NULL, why);
}

static int adopt(struct auth_service *service, int fd, char why[AUTH_SERVICE_WHY])
{
    int listening = 0, type = 0;
    socklen_t length = sizeof listening;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) != 0 || !listening ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0 || type != SOCK_STREAM) {
        snprintf(why, AUTH_SERVICE_WHY, "descriptor %d from systemd is no listening stream socket",
                 fd);
        return BASE_EIO;
    }
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return add(service, fd, NULL, why);
}

static int listen_systemd(struct auth_service *service, char why[AUTH_SERVICE_WHY])
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    if (!pid || !count || strtol(pid, NULL, 10) != getpid() || strtol(count, NULL, 10) <= 0) {
        snprintf(why, AUTH_SERVICE_WHY, "systemd has opened no socket for this process");
        return BASE_EIO;
    }
    long most = strtol(count, NULL, 10);
    int status = BASE_OK;
    for (long i = 0; status == BASE_OK && i < most && i <= AUTH_LISTENERS_MAX; i++)
        status = adopt(service, SYSTEMD_FD_BASE + (int)i, why);
    return status;
}

int auth_service_listen(struct auth_service *service, char why[AUTH_SERVICE_WHY])
{
    int status = BASE_OK;
    for (size_t i = 0; status == BASE_OK && i < service->options.listen_count; i++) {
        const char *text = service->options.listen[i];
        if (strncmp(text, "unix:", 5) == 0 || text[0] == '/')
            status = listen_unix(service, text[0] == '/' ? text : text + 5, why);
        else if (strncmp(text, "inet:", 5) == 0)
            status = listen_inet(service, text + 5, why);
        else if (strcmp(text, "systemd") == 0)
            status = listen_systemd(service, why);
        else {
            snprintf(why, AUTH_SERVICE_WHY,
                     "\"%.100s\" is neither unix:PATH nor inet:ADDRESS:PORT nor systemd", text);
            status = BASE_EFORMAT;
        }
    }
    return status;
}

void auth_service_listen_end(struct auth_service *service)
{
    for (size_t i = 0; i < service->listener_count; i++) {
        close(service->listeners[i].watch.fd);
        if (service->listeners[i].path)
            unlink(service->listeners[i].path);
        free(service->listeners[i].path);
    }
    service->listener_count = 0;
}
