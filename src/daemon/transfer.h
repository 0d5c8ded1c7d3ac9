/*
 * Zone transfers out of the image (RFC 5936): a stream of messages that shows one moment, however
 * long it takes, and holds a few hundred octets beside its reader. An IXFR (RFC 1995) is answered
 * with the whole zone, or with the SOA alone when the client has nothing to fetch.
 */
#ifndef DAEMON_TRANSFER_H
#define DAEMON_TRANSFER_H

#include "base/log.h"
#include "image/image.h"
#include "net/handler.h"

struct daemon_transfer_request {
    struct image *image;
    const uint8_t *query; /* AXFR or IXFR, read and found good by serve_answer */
    size_t length;
    const struct net_client *client;
    const struct base_log *log; /* outlives the transfer */
    unsigned *running;          /* counts the transfers of a worker; outlives the transfer */
};

/* Begins a transfer; the stream frees itself in `close`. BASE_ENOENT: the image does not have the
 * zone; BASE_EINVAL: the query cannot be read as one; BASE_EFORMAT: damage in the image;
 * BASE_ENOMEM, errors of image_reader_open. */
int daemon_transfer_begin(const struct daemon_transfer_request *request, struct net_stream **out);

#endif
