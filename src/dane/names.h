/*
 * Who a certificate is for (RFC 9525): DNS-ID, SRV-ID, XmppAddr, against reference identities.
 */
#ifndef DANE_NAMES_H
#define DANE_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dane_reference_kind {
    DANE_REFERENCE_DNS,     /* a host or domain: DNS-ID, CN only without any DNS-ID (and only where
                             * `common_name` allows it) */
    DANE_REFERENCE_SRV,     /* "_xmpp-server.example.org": SRV-ID (RFC 4985) */
    DANE_REFERENCE_XMPP,    /* "example.org": XmppAddr (RFC 6120 section 13.7.1.4) */
    DANE_REFERENCE_ADDRESS, /* an IP address, as text */
};

/* Names are A-labels, lower case, without final dot. */
struct dane_reference {
    enum dane_reference_kind kind;
    const char *name;
};

/* What matched, for people. */
#define DANE_NAMES_TEXT 320
struct dane_names_match {
    size_t reference;               /* index */
    char identity[DANE_NAMES_TEXT]; /* "DNS-ID *.example.org" */
};

/* The certificate (DER) against the references; any one is enough. `*` stands for the whole of a
 * left label and nothing else; names with NUL or other strange octets never match. BASE_OK;
 * BASE_EMISMATCH: `why` lists what the certificate is for (may be NULL); BASE_EFORMAT. */
int dane_names_match(const uint8_t *certificate, size_t length,
                     const struct dane_reference *references, size_t count, bool common_name,
                     struct dane_names_match *match, char why[DANE_NAMES_TEXT]);

/* A domain as people write it to A-labels in lower case without final dot (IDNA2008 by libidn2).
 * BASE_EFORMAT; BASE_ERANGE: too long. */
#define DANE_DOMAIN_MAX 254
int dane_domain_to_ascii(const char *text, char out[DANE_DOMAIN_MAX]);

#endif
