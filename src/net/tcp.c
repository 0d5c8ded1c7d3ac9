/*
 * Sockets behind the state machine of connections, plain or with TLS.
 */
#include "net/tcp.h"

#include "base/error.h"
#include "net/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

/* The socket of one connection. */
struct line {
    struct net_tcp *tcp;
    struct line *next; /* while it is spare */
    struct net_tls_session *session;
    uint64_t id; /* of its connection */
    int fd;
};

struct net_tcp {
    struct net_connections *connections;
    struct net_stats *stats;
    struct net_tls *tls;
    struct line *lines, *spare;
    int epoll;
};

static ssize_t result_of(ssize_t count)
{
    if (count >= 0)
        return count;
    return errno == EAGAIN || errno == EINTR ? NET_IO_BLOCKED : NET_IO_FAILED;
}

static ssize_t plain_read(void *io, uint8_t *data, size_t length)
{
    const struct line *line = io;
    return result_of(recv(line->fd, data, length, MSG_DONTWAIT));
}

static ssize_t plain_write(void *io, const uint8_t *data, size_t length)
{
    const struct line *line = io;
    return result_of(send(line->fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL));
}

static void line_want(void *io, unsigned wants)
{
    const struct line *line = io;
    struct epoll_event event = {.data.u64 = line->id};
    event.events = (wants & NET_WANT_READ ? EPOLLIN : 0) | (wants & NET_WANT_WRITE ? EPOLLOUT : 0);
    /* It cannot fail for what is in the set already; a lost event would end in a time-out. */
    epoll_ctl(line->tcp->epoll, EPOLL_CTL_MOD, line->fd, &event);
}

static void line_close(void *io)
{
    struct line *line = io;
    net_tls_session_free(line->session);
    line->session = NULL;
    close(line->fd);
    line->next = line->tcp->spare;
    line->tcp->spare = line;
}

static ssize_t secret_read(void *io, uint8_t *data, size_t length)
{
    return net_tls_read(((struct line *)io)->session, data, length);
}

static ssize_t secret_write(void *io, const uint8_t *data, size_t length)
{
    return net_tls_write(((struct line *)io)->session, data, length);
}

static bool secret_buffered(void *io)
{
    return net_tls_buffered(((struct line *)io)->session);
}

static const char *secret_identity(void *io)
{
    return net_tls_identity(((struct line *)io)->session);
}

static bool secret_tls13(void *io)
{
    return net_tls_is_13(((struct line *)io)->session);
}

static const struct net_transport plain = {
    .read = plain_read,
    .write = plain_write,
    .want = line_want,
    .close = line_close,
};

static const struct net_transport secret = {
    .read = secret_read,
    .write = secret_write,
    .want = line_want,
    .close = line_close,
    .buffered = secret_buffered,
    .identity = secret_identity,
    .tls13 = secret_tls13,
};

int net_tcp_new(const struct net_options *options, void *worker_context, struct net_worker *worker,
                struct net_stats *stats, const uint64_t secret_key[2], int epoll,
                struct net_tcp **out)
{
    struct net_tcp *tcp = calloc(1, sizeof(*tcp));
    if (tcp == NULL)
        return BASE_ENOMEM;
    int error = net_connections_new(&options->limits, &options->handler, worker_context, worker,
                                    stats, secret_key, &tcp->connections);
    if (error != BASE_OK) {
        free(tcp);
        return error;
    }
    /* One more than there are connections: it is taken before another one gives way. */
    size_t count = (size_t)options->limits.connections + 1;
    tcp->lines = calloc(count, sizeof(*tcp->lines));
    if (tcp->lines == NULL) {
        net_tcp_free(tcp);
        return BASE_ENOMEM;
    }
    for (size_t i = count; i-- > 0;) {
        tcp->lines[i] = (struct line){.tcp = tcp, .next = tcp->spare, .fd = -1};
        tcp->spare = &tcp->lines[i];
    }
    tcp->stats = stats;
    tcp->tls = options->tls;
    tcp->epoll = epoll;
    *out = tcp;
    return BASE_OK;
}

void net_tcp_free(struct net_tcp *tcp)
{
    if (tcp == NULL)
        return;
    net_connections_free(tcp->connections);
    free(tcp->lines);
    free(tcp);
}

struct net_connections *net_tcp_connections(struct net_tcp *tcp)
{
    return tcp->connections;
}

void net_tcp_accepted(struct net_tcp *tcp, int fd, enum net_protocol protocol,
                      const union net_address *peer, const union net_address *bound,
                      uint64_t now_ms)
{
    union net_address local = *bound;
    socklen_t length = sizeof(local);
    net_count(tcp->stats, NET_TCP_ACCEPTED, 1);
    struct line *line = tcp->spare;
    if (line == NULL ||
        (net_address_wildcard(bound) && getsockname(fd, &local.any, &length) != 0)) {
        close(fd);
        return;
    }
    struct net_tls_session *session = NULL;
    if (protocol == NET_TLS && net_tls_session_new(tcp->tls, fd, &session) != BASE_OK) {
        net_count(tcp->stats, NET_TLS_FAILED, 1);
        close(fd);
        return;
    }
    tcp->spare = line->next;
    line->fd = fd;
    line->session = session;
    struct net_connection *connection =
        net_connection_open(tcp->connections, protocol, protocol == NET_TLS ? &secret : &plain,
                            line, peer, &local, now_ms);
    if (connection == NULL)
        return;
    line->id = net_connection_id(connection);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = line->id};
    if (epoll_ctl(tcp->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        net_connection_abort(connection);
}
