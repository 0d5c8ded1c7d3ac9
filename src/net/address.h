/*
 * Addresses of sockets: reading and writing them as text, and the prefix that stands for a client.
 */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* An IPv4 or IPv6 address with its port, as the system wants it. */
union net_address {
    struct sockaddr any; /* any.sa_family: AF_INET, AF_INET6; AF_UNSPEC when unknown */
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

#define NET_ADDRESS_TEXT 80 /* room for any text below, NUL included */

/* Reads an address: "192.0.2.1", "2001:db8::1", "[2001:db8::1]", each with a port behind "@"
 * ("127.0.0.1@5300") or, where that is clear, ":" ("192.0.2.1:5300", "[::1]:5300"). An IPv6 address
 * may name its interface ("fe80::1%eth0"). Without a port it is `port`. BASE_EFORMAT. */
int net_address_parse(const char *text, uint16_t port, union net_address *out);
/* "192.0.2.1@53", "2001:db8::1@53": a form that net_address_parse reads. */
void net_address_text(const union net_address *address, char out[NET_ADDRESS_TEXT]);

uint16_t net_address_port(const union net_address *address);
void net_address_set_port(union net_address *address, uint16_t port);
/* The length that system calls want. */
socklen_t net_address_length(const union net_address *address);
/* Same family, address, port and scope. */
bool net_address_equal(const union net_address *a, const union net_address *b);
/* True for 0.0.0.0 and ::. */
bool net_address_wildcard(const union net_address *address);

/* Whom limits count as one client: the first `v4` or `v6` bits of the address, the rest zero. The
 * families never meet. */
struct net_prefix {
    uint64_t high, low;
};
struct net_prefix net_address_prefix(const union net_address *address, unsigned v4, unsigned v6);

#endif
