/*
 * Questions to resolvers and other servers, asked in the thread of the caller by its loop, over
 * UDP, TCP or TLS. (exchange.h has a thread of its own, and is for zone transfers and their like.)
 *
 * A datagram has a socket, so a port, and an ID of its own, both random, and on demand a random
 * case of its letters (RFC 5452); what comes is matched with all of them, and ignored when it does
 * not fit, since anybody may have sent it. A question is asked by TCP instead when its answer is
 * cut (TC), when only the case does not fit, or when too much is thrown at it. Connections are kept
 * for a while, and have many questions under way at once (RFC 7766).
 */
#ifndef NET_QUESTION_H
#define NET_QUESTION_H

#include "net/address.h"
#include "net/loop.h"
#include "net/protocol.h"
#include "net/reply.h"
#include "net/tls.h"

struct net_asker;
struct net_stream; /* a connection: question_parts.h */

struct net_asker_options {
    struct net_loop *loop;      /* outlives the asker */
    struct net_tls_client *tls; /* for NET_TLS; outlives the asker */
    const char *tls_ca;         /* PEM file of those who may certify; NULL: the system's. Copied */
    unsigned most_sockets;      /* 0: 128. Questions beyond wait for their turn */
    unsigned idle_ms;           /* a connection without questions is kept so long; 0: 5000 */
    bool random_case; /* over UDP; an answer comes with the letters of the question as asked */
};

/* What was ignored, and other oddities. */
struct net_asker_counts {
    uint64_t wrong_id, wrong_question, wrong_case, malformed, strays;
    uint64_t truncated, floods; /* asked again by TCP */
};

#define NET_QUESTION_MESSAGE_MAX 512

/* The caller's until `done`, which may free it. What it points to stays as long. */
struct net_question {
    union net_address address;
    enum net_protocol way;
    const uint8_t *message; /* one question; ID and case of letters are put in */
    size_t length;
    const char *tls_name; /* NET_TLS: whose certificate it must be; NULL: the address */
    unsigned timeout_ms;  /* of this try; a connection has twice as long */
    /* Once, never from within start or cancel. What `reply` points to holds during the call. It
     * may start and cancel questions. */
    void (*done)(struct net_question *question, const struct net_reply *reply);

    /* The asker's own. */
    struct net_asker *asker;
    struct net_question *next, *previous; /* in the queue, or of its connection */
    struct net_watch watch;               /* UDP */
    struct net_timer timer;
    struct net_stream *stream;
    uint64_t started; /* base_clock_monotonic, of the first sending */
    unsigned odd;     /* datagrams ignored */
    bool queued, sent, again, failing;
    enum net_reply_kind trouble;
    char why[256];
    uint8_t sending[NET_QUESTION_MESSAGE_MAX]; /* the message as it goes out */
};

int net_asker_new(const struct net_asker_options *options,
                  struct net_asker **out); /* BASE_ENOMEM */
/* When no question is under way; closes the connections. NULL allowed. */
void net_asker_free(struct net_asker *asker);
const struct net_asker_counts *net_asker_counts(const struct net_asker *asker);

/* BASE_EINVAL: it is no query with one question, or too long. */
int net_question_start(struct net_asker *asker, struct net_question *question);
void net_question_cancel(struct net_question *question);

#endif
