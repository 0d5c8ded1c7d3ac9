/*
 * From a fresh connection to the moment where TLS may begin (STARTTLS), for each protocol; without
 * sockets. What the server says before TLS is believed in nothing but that TLS may begin: octets
 * that come after its consent, before the handshake, are an injection and end it (CVE-2011-0411).
 */
#ifndef DANE_PREAMBLE_H
#define DANE_PREAMBLE_H

#include "dane/endpoint.h"

struct dane_preamble;
enum dane_preamble_state {
    DANE_PREAMBLE_WAIT,  /* for input; first send what dane_preamble_output gives */
    DANE_PREAMBLE_TLS,   /* start TLS now */
    DANE_PREAMBLE_NONE,  /* the server does not offer TLS */
    DANE_PREAMBLE_FAILED /* dane_preamble_why */
};
#define DANE_PREAMBLE_INPUT_MAX (64 * 1024) /* octets taken in all */
/* `domain`: for whom a stream is opened (XMPP `to`); `from`: who we are (EHLO, XMPP `from`; NULL:
 * an address literal, none). BASE_ENOMEM; BASE_EINVAL: they are no names. */
int dane_preamble_new(enum dane_start start, const char *domain, const char *from,
                      struct dane_preamble **out);
void dane_preamble_free(struct dane_preamble *preamble);
enum dane_preamble_state dane_preamble_input(struct dane_preamble *preamble, const char *data,
                                             size_t length);
/* What is to be sent now; NULL: nothing. Taken by the call. Input that comes while there is some is
 * an answer to what was not asked, and ends it. */
const char *dane_preamble_output(struct dane_preamble *preamble, size_t *length);
const char *dane_preamble_why(const struct dane_preamble *preamble);

#endif
