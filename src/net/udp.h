/*
 * Queries over UDP: received, answered and sent in batches, out of buffers made at the start.
 */
#ifndef NET_UDP_H
#define NET_UDP_H

#include "net/handler.h"
#include "net/rate.h"
#include "net/stats.h"

#define NET_UDP_BATCH     32   /* packets per call */
#define NET_UDP_QUERY_MAX 4096 /* octets; longer ones are dropped */

struct net_udp;

/* The buffers of one worker. `rate` may be NULL. Answers have at most `answer_max` octets.
 * BASE_ENOMEM. */
int net_udp_new(const struct net_handler *handler, void *worker_context, struct net_worker *worker,
                struct net_stats *stats, struct net_rate *rate, size_t answer_max,
                struct net_udp **out);
void net_udp_free(struct net_udp *udp);

/* Receives, answers and sends one batch on a socket. `local` is the socket's address, a wildcard
 * when packets tell theirs; `socket` is its number for net_client. `now` is the wall clock,
 * monotonic_ns its companion. Returns the number of packets received. */
unsigned net_udp_batch(struct net_udp *udp, int fd, const union net_address *local, unsigned socket,
                       base_time now, uint64_t monotonic_ns);
/* Sends one answer. `wildcard` as the socket's address is. */
void net_udp_send(int fd, bool wildcard, const struct net_route *route, const uint8_t *message,
                  size_t length);

/* Cuts an answer to header, question and OPT record, with TC set (RFC 2181 section 9); returns its
 * new length. `length` is at least 12. */
size_t net_udp_truncate(uint8_t *message, size_t length, const struct net_answer *answer);

#endif
