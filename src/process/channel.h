/*
 * Messages between the processes of kenterd: a pair of connected sockets (SOCK_SEQPACKET), one
 * whole message a packet. A peer that dies shows as BASE_ENOENT at once. No process trusts the
 * length or the type that another says.
 */
#ifndef PROCESS_CHANNEL_H
#define PROCESS_CHANNEL_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define PROCESS_MESSAGE_MAX (128 * 1024) /* octets of data */

struct process_message {
    uint64_t id;    /* chosen by who asks, given back by who answers */
    uint32_t type;  /* the receiver's own enum */
    uint32_t value; /* of the type's own meaning; in answers often an enum base_error */
    const uint8_t *data;
    size_t length;
    /* A descriptor that comes along; -1: none. The receiver gets one of its own (close-on-exec),
     * the sender keeps and closes its. */
    int fd;
};

/* A pair, close-on-exec, with buffers that take several of the largest messages. BASE_EIO. */
int process_channel_pair(int fds[2]);
/* Sends, waiting for room, also on a socket in non-blocking mode. `nonblocking`: BASE_ELIMIT
 * instead of waiting. BASE_ENOENT: the peer is gone; BASE_ERANGE: too long; BASE_EIO. */
int process_send(int fd, const struct process_message *message, int nonblocking);
/* Receives into `buffer` (PROCESS_MESSAGE_MAX), which message->data points into. `timeout_ms` < 0
 * waits without end; 0 does not wait. BASE_ELIMIT: nothing came in time; BASE_ENOENT: the peer is
 * gone, and all that it sent has been taken; BASE_EFORMAT: a packet that is no message; BASE_EIO.
 */
int process_receive(int fd, uint8_t *buffer, struct process_message *message, int timeout_ms);

#endif
