/*
 * Sockets as a name server wants them.
 */
#ifndef NET_SOCKET_H
#define NET_SOCKET_H

#include "net/address.h"

/* Opens a UDP socket on an address: not blocking, closed on exec, shared by SO_REUSEPORT with
 * `share`, telling the address that was asked when the address is a wildcard, path MTU messages
 * ignored, IPv6 only for IPv6. BASE_EIO (errno), BASE_EPERM. */
int net_socket_udp(const union net_address *address, bool share, int *fd);
/* Opens a listening TCP socket likewise. */
int net_socket_tcp(const union net_address *address, int backlog, bool share, int *fd);
/* Sets the same options, as far as an open socket takes them, and tells whether it is UDP or TCP
 * and its address. BASE_EINVAL when it is neither. */
int net_socket_adopt(int fd, bool *tcp, union net_address *address);

#endif
