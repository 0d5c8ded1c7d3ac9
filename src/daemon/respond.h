/*
 * Between sockets and answers: the handler that net calls for each query, with a worker of serve in
 * each of net's threads.
 */
#ifndef DAEMON_RESPOND_H
#define DAEMON_RESPOND_H

#include "base/log.h"
#include "net/handler.h"
#include "serve/answer.h"

/* Clients that may transfer zones. */
struct daemon_prefix {
    int family;
    unsigned bits;
    struct net_prefix prefix;
};

/* "192.0.2.0/24", "2001:db8::/32", "::1". BASE_EFORMAT. */
int daemon_prefix_parse(const char *text, struct daemon_prefix *out);

struct daemon_responder {
    struct image *image;
    struct serve_options options;
    const struct daemon_prefix *transfer; /* who may; with 0 the machine itself */
    size_t transfer_count;
    const struct base_log *log;
};

#define DAEMON_TRANSFERS_MAX 16 /* at the same time, of each worker; each has a reader */

/* The handler; `responder` outlives the server. */
struct net_handler daemon_respond_handler(struct daemon_responder *responder);

#endif
