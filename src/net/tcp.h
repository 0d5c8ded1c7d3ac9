/*
 * Sockets as transports of connections, for the event loop of a worker. Inner part of net/server.
 */
#ifndef NET_TCP_H
#define NET_TCP_H

#include "net/server.h"

struct net_tcp;

/* `epoll`: where connections wait; their events carry net_connection_id. BASE_ENOMEM. */
int net_tcp_new(const struct net_options *options, void *worker_context, struct net_worker *worker,
                struct net_stats *stats, const uint64_t secret[2], int epoll, struct net_tcp **out);
/* Closes all connections. NULL is allowed. */
void net_tcp_free(struct net_tcp *tcp);
struct net_connections *net_tcp_connections(struct net_tcp *tcp);
/* Takes over a socket that was accepted on a listener bound to `bound`. */
void net_tcp_accepted(struct net_tcp *tcp, int fd, enum net_protocol protocol,
                      const union net_address *peer, const union net_address *bound,
                      uint64_t now_ms);

#endif
