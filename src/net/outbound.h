/*
 * Our side of a connection to another server, over TCP or TLS: connecting, framing messages (RFC
 * 1035 section 4.2.2), without ever blocking. Deadlines are the caller's; what the peer can make us
 * hold is one message and one buffer of input.
 */
#ifndef NET_OUTBOUND_H
#define NET_OUTBOUND_H

#include "net/address.h"
#include "net/tls.h"

struct net_outbound;

struct net_outbound_options {
    const union net_address *address;
    struct net_tls_client *tls; /* NULL: TCP */
    const char *tls_name;       /* the certificate must have this name; NULL: any */
    const char *tls_ca;         /* PEM file of those who may certify; NULL: the system's */
    size_t input;               /* octets read at once; at least one message (see below) */
};
#define NET_OUTBOUND_INPUT_MIN (2 + 65535)

#define NET_OUTBOUND_WHY 256

/* Starts to connect. On failure `why` tells in words. BASE_ENOMEM, BASE_EIO, BASE_EFORMAT (the file
 * of certificates). */
int net_outbound_new(const struct net_outbound_options *options, char why[NET_OUTBOUND_WHY],
                     struct net_outbound **out);
void net_outbound_free(struct net_outbound *outbound); /* NULL allowed */

/* The socket, and what it waits for: POLLIN, POLLOUT. Call net_outbound_step when that is there. */
int net_outbound_fd(const struct net_outbound *outbound);
short net_outbound_events(const struct net_outbound *outbound);

/* The message is copied; it goes out as soon as that is possible. One at a time. BASE_ENOMEM,
 * BASE_ELIMIT. */
int net_outbound_send(struct net_outbound *outbound, const uint8_t *message, size_t length);

enum net_outbound_state {
    NET_OUTBOUND_WAITING, /* nothing more can be done without waiting */
    NET_OUTBOUND_MESSAGE, /* net_outbound_next gives a message */
    NET_OUTBOUND_ENDED,   /* the peer closed the connection, in good order */
    NET_OUTBOUND_FAILED,  /* net_outbound_why tells why; net_outbound_tls_failed: it was TLS */
};
enum net_outbound_state net_outbound_step(struct net_outbound *outbound);
/* A whole message, which stays until the next call of step; NULL: there is none yet. It may be
 * changed in place. */
uint8_t *net_outbound_next(struct net_outbound *outbound, size_t *length);
/* True once the connection, and with TLS its handshake, is there. */
bool net_outbound_connected(const struct net_outbound *outbound);
bool net_outbound_tls_failed(const struct net_outbound *outbound);
const char *net_outbound_why(const struct net_outbound *outbound);

#endif
