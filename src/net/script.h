/*
 * A scripted transport: a connection without a socket, for tests. The test says what octets arrive
 * and how many the peer takes, and sees what was sent, awaited and closed.
 */
#ifndef NET_SCRIPT_H
#define NET_SCRIPT_H

#include "base/buf.h"
#include "net/connection.h"

/* Initialise with net_script_init; lives as long as the connection and until net_script_free. */
struct net_script {
    struct base_buf input;  /* what arrives, as far as it has been given */
    size_t taken;           /* of it, by the connection */
    size_t segment;         /* most octets that one read gives; 0: all */
    size_t room;            /* octets that the peer still takes; SIZE_MAX: any */
    bool end;               /* the peer closes its side behind the input */
    bool broken;            /* reads and writes fail */
    struct base_buf output; /* what the peer took */
    unsigned wants;         /* what the connection waits for */
    bool closed;
};

extern const struct net_transport net_script_transport;

void net_script_init(struct net_script *script);
void net_script_free(struct net_script *script);
/* Appends a message with its framing to the input. */
void net_script_query(struct net_script *script, const uint8_t *message, size_t length);
/* True when an event loop would call the connection: it waits for something that is there. */
bool net_script_due(const struct net_script *script);

#endif
