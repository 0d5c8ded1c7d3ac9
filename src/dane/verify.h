/*
 * Is the peer who it should be? Judges certificates (DER) by an endpoint's demand. Independent of
 * the TLS library; OpenSSL's X.509 builds the chains.
 */
#ifndef DANE_VERIFY_H
#define DANE_VERIFY_H

#include "dane/endpoint.h"

struct dane_der {
    const uint8_t *data;
    size_t length;
};
/* What the peer showed. */
struct dane_peer {
    const struct dane_der *chain; /* the leaf first, in the order of the handshake */
    size_t count;
    const uint8_t *raw_public_key; /* SubjectPublicKeyInfo (RFC 7250), instead of a chain; NULL */
    size_t raw_length;
    bool tls; /* false: the session is not encrypted */
};

enum dane_result {
    DANE_AUTHENTICATED, /* as the domain's (delegation secure) or the host's */
    DANE_ENCRYPTED,     /* the demand is met, but nobody was authenticated */
    DANE_PLAIN,         /* the demand (nothing) is met without TLS */
    DANE_REFUSED,       /* the demand is not met: do not go on */
    DANE_FAILED,        /* could not be judged (no memory, the library) : do not go on */
};
const char *dane_result_name(enum dane_result result); /* "authenticated" */

#define DANE_CHAIN_MAX    16 /* certificates looked at */
#define DANE_VERDICT_TEXT 400
struct dane_verdict {
    enum dane_result result;
    bool by_dane;     /* by TLSA, else PKIX */
    size_t tlsa;      /* index of the record that matched; SIZE_MAX */
    unsigned depth;   /* of the certificate that matched: 0 the leaf */
    base_time expiry; /* of what was authenticated: certificates' end (not for DANE-EE), endpoint's
                       * expiry; 0: unknown */
    char identity[DANE_NAMES_TEXT]; /* "" when names do not count */
    char reason[DANE_VERDICT_TEXT]; /* a sentence */
    char tlsrpt[40]; /* result type of RFC 8460 section 4.3 when refused: "tlsa-invalid",
                      * "certificate-host-mismatch", …; "" */
};

/* The CAs that the system trusts, or those of a PEM file. Reading them takes milliseconds: who
 * verifies often keeps them. May be used by several threads. BASE_EIO: cannot be read. */
struct dane_authorities;
int dane_authorities_new(const char *ca_file, struct dane_authorities **out);
void dane_authorities_free(struct dane_authorities *authorities); /* NULL allowed */

/* At most `most` chains to the system's CAs that were built lately, to be used with the same
 * authorities, by one thread at a time: for who is shown the same chain for many domains.
 * BASE_ENOMEM. */
struct dane_chains;
int dane_chains_new(size_t most, struct dane_chains **out);
void dane_chains_free(struct dane_chains *chains); /* NULL allowed */

struct dane_verify_options {
    base_time now;
    const char *ca_file;                        /* PEM; NULL: the system's */
    const struct dane_authorities *authorities; /* instead of ca_file; NULL: read when needed */
    struct dane_chains *chains;                 /* NULL: each is built anew */
};
/* Budget: DANE_CHAIN_MAX certificates, each at most 64 KiB; more are not looked at. */
void dane_verify(const struct dane_endpoint *endpoint, const struct dane_peer *peer,
                 const struct dane_verify_options *options, struct dane_verdict *verdict);

#endif
