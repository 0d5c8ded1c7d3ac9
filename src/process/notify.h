/*
 * What systemd and kenterd tell each other: states over the socket in $NOTIFY_SOCKET
 * (sd_notify(3)), and sockets that systemd has opened (sd_listen_fds(3)). Both protocols are small
 * and stable, so they are spoken without its library. Without systemd nothing happens.
 */
#ifndef PROCESS_NOTIFY_H
#define PROCESS_NOTIFY_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

struct process_notify {
    struct sockaddr_un address;
    unsigned length;      /* of the address; 0: nobody listens */
    uint64_t watchdog_ns; /* how often systemd wants to hear of us; 0: never */
};

/* Reads the environment. An address that cannot be used counts as none. */
void process_notify_begin(struct process_notify *notify);
/* Sends lines such as "READY=1\nSTATUS=…"; never blocks. BASE_ENOENT: nobody listens; BASE_EIO. */
int process_notify(const struct process_notify *notify, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The states. `status`: one line, may be NULL. */
void process_notify_ready(const struct process_notify *notify, const char *status);
void process_notify_reloading(const struct process_notify *notify);
void process_notify_stopping(const struct process_notify *notify);

/* A socket that systemd opened. */
struct process_activated {
    int fd;           /* close-on-exec; the caller's */
    const char *name; /* FileDescriptorName=; in the environment; "" when there is none */
    size_t name_length;
};
/* Fills at most `capacity` and returns how many there are; 0 without socket activation. */
size_t process_activated(struct process_activated *out, size_t capacity);

#endif
