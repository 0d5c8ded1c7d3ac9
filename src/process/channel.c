/*
 * Messages over SOCK_SEQPACKET: a head of fixed size, then the data; one packet is one message, so
 * a message is there as a whole or not at all. At most one descriptor comes along.
 */
#include "process/channel.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Room for some of the largest messages; the system may grant less, but never too little for one.
 */
#define BUFFER_SIZE (4 * PROCESS_MESSAGE_MAX)
#define FDS_MAX     16 /* descriptors looked for in a packet, to close what must not be there */

/* Both ends are of one program on one machine: the machine's own order of octets. */
struct head {
    uint64_t id;
    uint32_t type;
    uint32_t value;
};

union control {
    struct cmsghdr align;
    uint8_t room[CMSG_SPACE(FDS_MAX * sizeof(int))];
};

static void set_buffer(int fd, int forced, int plain)
{
    int size = BUFFER_SIZE;
    if (setsockopt(fd, SOL_SOCKET, forced, &size, sizeof(size)) != 0)
        setsockopt(fd, SOL_SOCKET, plain, &size, sizeof(size));
}

int process_channel_pair(int fds[2])
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return BASE_EIO;
    for (int i = 0; i < 2; i++) {
        set_buffer(pair[i], SO_SNDBUFFORCE, SO_SNDBUF);
        set_buffer(pair[i], SO_RCVBUFFORCE, SO_RCVBUF);
    }
    memcpy(fds, pair, sizeof(pair));
    return BASE_OK;
}

static int system_error(void)
{
    return errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN ? BASE_ENOENT : BASE_EIO;
}

/* Waits until the socket is ready for `events` or its peer is gone. BASE_ELIMIT: not in time. */
static int wait_ready(int fd, short events, int timeout_ms)
{
    uint64_t end = base_clock_monotonic() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms) * 1000000u;
    for (;;) {
        struct pollfd poller = {.fd = fd, .events = events};
        int ready = poll(&poller, 1, timeout_ms);
        if (ready > 0)
            return (poller.revents & POLLNVAL) != 0 ? BASE_EIO : BASE_OK;
        if (ready == 0)
            return BASE_ELIMIT;
        if (errno != EINTR)
            return BASE_EIO;
        if (timeout_ms > 0) {
            uint64_t now = base_clock_monotonic();
            timeout_ms = now < end ? (int)((end - now) / 1000000u) : 0;
        }
    }
}

static void attach_fd(struct msghdr *packet, union control *control, int fd)
{
    memset(control, 0, sizeof(*control));
    packet->msg_control = control->room;
    packet->msg_controllen = CMSG_SPACE(sizeof(int));
    struct cmsghdr *header = CMSG_FIRSTHDR(packet);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof(fd));
}

static int send_packet(int fd, const struct msghdr *packet, int nonblocking)
{
    for (;;) {
        if (sendmsg(fd, packet, MSG_NOSIGNAL | (nonblocking ? MSG_DONTWAIT : 0)) >= 0)
            return BASE_OK;
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            return system_error();
        if (nonblocking)
            return BASE_ELIMIT;
        /* The socket is in non-blocking mode, for somebody's event loop. */
        int error = wait_ready(fd, POLLOUT, -1);
        if (error != BASE_OK)
            return error;
    }
}

int process_send(int fd, const struct process_message *message, int nonblocking)
{
    if (message->length > PROCESS_MESSAGE_MAX)
        return BASE_ERANGE;
    struct head head = {message->id, message->type, message->value};
    struct iovec parts[2] = {
        {.iov_base = &head, .iov_len = sizeof(head)},
        {.iov_base = (void *)(uintptr_t)message->data, .iov_len = message->length},
    };
    struct msghdr packet = {.msg_iov = parts, .msg_iovlen = message->length > 0 ? 2 : 1};
    union control control;
    if (message->fd >= 0)
        attach_fd(&packet, &control, message->fd);
    return send_packet(fd, &packet, nonblocking);
}

/* Takes one descriptor out of a packet and closes what else came. False: there was more. */
static bool take_fd(struct msghdr *packet, int *out)
{
    size_t count = 0;
    *out = -1;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(packet); header != NULL;
         header = CMSG_NXTHDR(packet, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        size_t octets = header->cmsg_len - CMSG_LEN(0);
        for (size_t at = 0; at + sizeof(int) <= octets; at += sizeof(int)) {
            int fd;
            memcpy(&fd, CMSG_DATA(header) + at, sizeof(fd));
            if (count++ == 0)
                *out = fd;
            else
                close(fd);
        }
    }
    return count <= 1;
}

/* A packet that came: is it a message? What came along with one that is not is closed. */
static int judge(struct msghdr *packet, size_t size, const struct head *head, const uint8_t *buffer,
                 struct process_message *message)
{
    int fd;
    bool one = take_fd(packet, &fd);
    if (!one || size < sizeof(*head) || (packet->msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
        if (fd >= 0)
            close(fd);
        return BASE_EFORMAT;
    }
    *message = (struct process_message){.id = head->id,
                                        .type = head->type,
                                        .value = head->value,
                                        .data = buffer,
                                        .length = size - sizeof(*head),
                                        .fd = fd};
    return BASE_OK;
}

int process_receive(int fd, uint8_t *buffer, struct process_message *message, int timeout_ms)
{
    struct head head;
    struct iovec parts[2] = {
        {.iov_base = &head, .iov_len = sizeof(head)},
        {.iov_base = buffer, .iov_len = PROCESS_MESSAGE_MAX},
    };
    union control control;
    if (timeout_ms > 0) {
        int error = wait_ready(fd, POLLIN, timeout_ms);
        if (error != BASE_OK)
            return error;
    }
    for (;;) {
        struct msghdr packet = {.msg_iov = parts,
                                .msg_iovlen = 2,
                                .msg_control = control.room,
                                .msg_controllen = sizeof(control.room)};
        int flags = MSG_CMSG_CLOEXEC | (timeout_ms >= 0 ? MSG_DONTWAIT : 0);
        ssize_t size = recvmsg(fd, &packet, flags);
        if (size == 0)
            return BASE_ENOENT;
        if (size > 0)
            return judge(&packet, (size_t)size, &head, buffer, message);
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            return system_error();
        if (timeout_ms >= 0)
            return BASE_ELIMIT;
        int error = wait_ready(fd, POLLIN, -1);
        if (error != BASE_OK)
            return error;
    }
}
