/*
 * Transfers out of the image: AXFR (RFC 5936), IXFR (RFC 1995) over TCP, TLS (RFC 9103) and, as far
 * as one packet holds it, UDP; each message signed when the query was (RFC 8945 section 5.3.1).
 *
 * A transfer shows one moment of the zone however long it takes, through a reader of its own, which
 * keeps the pages of that moment from being used again. So its time is bounded.
 */
#ifndef FRONT_TRANSFER_H
#define FRONT_TRANSFER_H

#include "front/worker.h"

#define FRONT_TRANSFERS_MAX    16   /* of each worker at the same time; each has a reader */
#define FRONT_TRANSFERS_CLIENT 8    /* of these, for one client: IPv4 address or IPv6 /56 */
#define FRONT_TRANSFER_SECONDS 3600 /* then it ends, and with it the connection */

/* Answers AXFR and IXFR; returns an enum net_verdict. With NET_ANSWER the response in `out` is to
 * be signed by the caller. */
int front_transfer(struct front_worker *worker, struct front_request *request);

#endif
