/*
 * What preambles share. Private to src/dane/preamble*.c.
 */
#ifndef DANE_PREAMBLE_PARTS_H
#define DANE_PREAMBLE_PARTS_H

#include "base/buf.h"
#include "dane/preamble.h"

struct preamble_xml; /* preamble_xmpp.c */

struct dane_preamble {
    enum dane_start start;
    enum dane_preamble_state state;
    char *domain, *from;
    size_t taken;         /* octets of input so far */
    struct base_buf line; /* the line that is not whole yet */
    struct base_buf output;
    unsigned step; /* which answer is awaited; each protocol's own */
    bool offered;  /* TLS */
    struct preamble_xml *xml;
    char why[200];
};

void preamble_say(struct dane_preamble *preamble, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Ends it: FAILED with its reason. */
void preamble_fail(struct dane_preamble *preamble, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Ends it: there is an answer to what we have not yet said. */
void preamble_too_early(struct dane_preamble *preamble);

/* XMPP: streams are XML (RFC 6120). */
int preamble_xmpp_begin(struct dane_preamble *preamble);
/* Takes octets one by one until the state is no longer WAIT; returns how many it took. */
size_t preamble_xmpp_input(struct dane_preamble *preamble, const char *data, size_t length);
void preamble_xmpp_free(struct preamble_xml *xml);

#endif
