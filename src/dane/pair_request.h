/*
 * The protocol of the service for pairs (pair_server.h): one JSON object a line, in both
 * directions; docs/xmpp.md describes it. No sockets here.
 */
#ifndef DANE_PAIR_REQUEST_H
#define DANE_PAIR_REQUEST_H

#include "base/buf.h"
#include "dane/xmpp.h"

/* Longest line that is read, without its end: sixteen certificates of a common size and more. */
#define DANE_PAIR_LINE_MAX (256 * 1024)
/* Text that two questions have in common exactly when they have the same answer. */
#define DANE_PAIR_KEY 1024

struct dane_pair_request {
    int64_t id;
    bool has_id;
    bool metrics; /* wants the counters; nothing else is set */
    bool reuse;
    struct dane_pair_question question; /* its texts and the peer are the request's */
    struct dane_peer peer;
    struct dane_der chain[DANE_CHAIN_MAX];
    uint8_t *octets; /* of the chain; owned */
    char local[DANE_DOMAIN_MAX], remote[DANE_DOMAIN_MAX], host[DANE_DOMAIN_MAX];
};

/* Reads a line. The question has neither `now` nor authorities. BASE_EFORMAT with `why`, and the id
 * if that much could be read; BASE_ENOMEM. Free in any case. */
int dane_pair_request_read(const char *line, size_t length, struct dane_pair_request *out,
                           char why[200]);
void dane_pair_request_free(struct dane_pair_request *request);
/* The local domain is not in it: it has no part in the answer. False: there is no memory. */
bool dane_pair_request_key(const struct dane_pair_request *request, char out[DANE_PAIR_KEY]);

/* Append a line. */
void dane_pair_reply_verdict(struct base_buf *out, int64_t id,
                             const struct dane_pair_verdict *verdict, base_time now);
void dane_pair_reply_error(struct base_buf *out, const struct dane_pair_request *request,
                           const char *why);

#endif
