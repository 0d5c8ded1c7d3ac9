/*
 * What came of a question to another server.
 */
#ifndef NET_REPLY_H
#define NET_REPLY_H

#include <stddef.h>
#include <stdint.h>

enum net_reply_kind {
    NET_REPLY_ANSWER,      /* `message`; whatever its rcode */
    NET_REPLY_SILENCE,     /* no answer to any try */
    NET_REPLY_UNREACHABLE, /* the system says so, or the connection failed or was closed */
    NET_REPLY_GARBAGE,     /* over TCP or TLS: what came is no answer to this question */
    NET_REPLY_UNPROVED,    /* the TSIG of the answer is missing or wrong */
    NET_REPLY_TLS,         /* the handshake failed, or the server is not who it should be */
    NET_REPLY_LOCAL,       /* no memory, no sockets */
    NET_REPLY_STOPPED,     /* who asks ends */
};

struct net_reply {
    enum net_reply_kind kind;
    const uint8_t *message; /* header and question fit; TSIG verified and taken off */
    size_t length;
    const char *why; /* in words, unless it is an answer */
};

#endif
