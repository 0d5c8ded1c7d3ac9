/*
 * systemd's protocols.
 */
#include "process/notify.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_FD 3 /* of those that systemd hands over */

static uint64_t number(const char *text)
{
    if (text == NULL || *text < '0' || *text > '9')
        return 0;
    char *end;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    return *end != '\0' || errno != 0 ? 0 : value;
}

static void read_address(struct process_notify *notify)
{
    const char *path = getenv("NOTIFY_SOCKET");
    if (path == NULL || (path[0] != '/' && path[0] != '@'))
        return;
    size_t length = strlen(path);
    if (length < 2 || length >= sizeof(notify->address.sun_path))
        return;
    notify->address.sun_family = AF_UNIX;
    memcpy(notify->address.sun_path, path, length + 1);
    notify->length = (unsigned)(offsetof(struct sockaddr_un, sun_path) + length);
    if (path[0] == '@')
        notify->address.sun_path[0] = '\0'; /* an abstract name: exactly so many octets */
    else
        notify->length++;
}

void process_notify_begin(struct process_notify *notify)
{
    *notify = (struct process_notify){0};
    read_address(notify);
    const char *pid = getenv("WATCHDOG_PID");
    if (notify->length > 0 && (pid == NULL || number(pid) == (uint64_t)getpid())) {
        uint64_t micros = number(getenv("WATCHDOG_USEC"));
        notify->watchdog_ns = micros < UINT64_MAX / 1000 ? micros * 1000 : 0;
    }
}

int process_notify(const struct process_notify *notify, const char *format, ...)
{
    if (notify->length == 0)
        return BASE_ENOENT;
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (length < 0)
        return BASE_EIO;
    size_t size = (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return BASE_EIO;
    ssize_t sent = sendto(fd, text, size, MSG_NOSIGNAL | MSG_DONTWAIT,
                          (const struct sockaddr *)&notify->address, notify->length);
    close(fd);
    return sent == (ssize_t)size ? BASE_OK : BASE_EIO;
}

void process_notify_ready(const struct process_notify *notify, const char *status)
{
    process_notify(notify, "READY=1\nSTATUS=%s", status != NULL ? status : "");
}

void process_notify_reloading(const struct process_notify *notify)
{
    process_notify(notify, "RELOADING=1\nMONOTONIC_USEC=%llu",
                   (unsigned long long)(base_clock_monotonic() / 1000));
}

void process_notify_stopping(const struct process_notify *notify)
{
    process_notify(notify, "STOPPING=1\nSTATUS=Ending");
}

size_t process_activated(struct process_activated *out, size_t capacity)
{
    if (number(getenv("LISTEN_PID")) != (uint64_t)getpid())
        return 0;
    uint64_t count = number(getenv("LISTEN_FDS"));
    const char *names = getenv("LISTEN_FDNAMES");
    size_t found = 0;
    for (; found < count && found < capacity; found++) {
        int fd = FIRST_FD + (int)found;
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
            break; /* less than was said */
        size_t length = names != NULL ? strcspn(names, ":") : 0;
        out[found] = (struct process_activated){
            .fd = fd, .name = names != NULL ? names : "", .name_length = length};
        if (names != NULL)
            names += length + (names[length] == ':');
    }
    return found;
}
