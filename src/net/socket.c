/*
 * Opening sockets and setting their options.
 */
#include "net/socket.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <unistd.h>

#define UDP_BUFFER (1 << 20) /* octets of queue; the system may give less */

static int set_int(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value));
}

static int failure(void)
{
    return errno == EACCES || errno == EPERM ? BASE_EPERM : BASE_EIO;
}

/* What makes UDP answers right and safe: they leave from the address that was asked, and forged
 * messages about path MTUs cannot make the system fragment them. */
static int set_udp_options(int fd, const union net_address *address)
{
    bool wildcard = net_address_wildcard(address);
    set_int(fd, SOL_SOCKET, SO_RCVBUF, UDP_BUFFER);
    set_int(fd, SOL_SOCKET, SO_SNDBUF, UDP_BUFFER);
    if (address->any.sa_family == AF_INET) {
        if (set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT) != 0)
            set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
        return wildcard ? set_int(fd, IPPROTO_IP, IP_PKTINFO, 1) : 0;
    }
    if (set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_OMIT) != 0)
        set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
    return wildcard ? set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) : 0;
}

static int open_bound(const union net_address *address, int type, bool share, int *out)
{
    int fd = socket(address->any.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return failure();
    int result = share ? set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1) : 0;
    if (type == SOCK_STREAM)
        result |= set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (address->any.sa_family == AF_INET6)
        result |= set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (type == SOCK_DGRAM)
        result |= set_udp_options(fd, address);
    if (result != 0 || bind(fd, &address->any, net_address_length(address)) != 0) {
        int error = failure();
        int reason = errno;
        close(fd);
        errno = reason;
        return error;
    }
    *out = fd;
    return BASE_OK;
}

int net_socket_udp(const union net_address *address, bool share, int *fd)
{
    return open_bound(address, SOCK_DGRAM, share, fd);
}

int net_socket_tcp(const union net_address *address, int backlog, bool share, int *out)
{
    int fd;
    int error = open_bound(address, SOCK_STREAM, share, &fd);
    if (error != BASE_OK)
        return error;
    /* Answers are handed over whole; accepted sockets inherit this. */
    if (set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1) != 0 || listen(fd, backlog) != 0) {
        error = failure();
        int reason = errno;
        close(fd);
        errno = reason;
        return error;
    }
    *out = fd;
    return BASE_OK;
}

int net_socket_adopt(int fd, bool *tcp, union net_address *address)
{
    int type, listening = 0;
    socklen_t length = sizeof(type);
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0)
        return BASE_EINVAL;
    length = sizeof(listening);
    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length);
    union net_address bound = {0};
    length = sizeof(bound);
    if (getsockname(fd, &bound.any, &length) != 0 ||
        (bound.any.sa_family != AF_INET && bound.any.sa_family != AF_INET6) ||
        (type != SOCK_DGRAM && (type != SOCK_STREAM || !listening)))
        return BASE_EINVAL;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
        return BASE_EIO;
    if (type == SOCK_DGRAM && set_udp_options(fd, &bound) != 0)
        return BASE_EIO;
    if (type == SOCK_STREAM)
        set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    *tcp = type == SOCK_STREAM;
    *address = bound;
    return BASE_OK;
}
