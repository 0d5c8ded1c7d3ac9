/*
 * What the parts of verification share. Private to src/dane/verify*.c and names.c.
 */
#ifndef DANE_VERIFY_PARTS_H
#define DANE_VERIFY_PARTS_H

#include "dane/verify.h"

#include <openssl/x509_vfy.h>

/* Budget: signatures tried and chains built for anchors that TLSA records tell of. */
#define VERIFY_ANCHORS_MAX 32

/* A certificate, or a bare key, that the peer shows. */
struct verify_shown {
    const uint8_t *der; /* of the certificate; NULL: a bare key, or it cannot be read */
    size_t length;
    const uint8_t *key; /* SubjectPublicKeyInfo; NULL: it cannot be read */
    size_t key_length;
    X509 *x509; /* made when first wanted; see verify_x509 */
    bool tried;
};

/* How telling a reason for refusal is; of several the most telling one is given. */
enum verify_weight {
    VERIFY_NO_REASON,
    VERIFY_NO_MATCH,   /* no record speaks of what is shown */
    VERIFY_NOT_LED,    /* one does, but the chain is not good */
    VERIFY_WRONG_NAME, /* the chain is good, but somebody else's */
};

/* From the leaf to what ends it. */
struct verify_chain {
    STACK_OF(X509) * certificates; /* NULL: it is not good */
    int error;                     /* X509_V_ERR_… */
};

struct verify_judge {
    const struct dane_endpoint *endpoint;
    const struct dane_verify_options *options;
    struct dane_verdict *verdict;
    struct verify_shown shown[DANE_CHAIN_MAX]; /* the leaf first */
    size_t count;
    enum verify_weight weight;    /* of the verdict's reason so far */
    unsigned anchors;             /* tried */
    struct dane_authorities *own; /* read for this judgement alone */
    uint8_t digest[32];           /* of what is shown, when it is looked for among chains */
};

/* --- verify.c --- */

/* Refuses, if that says more than what was said before. */
void verify_object(struct verify_judge *judge, enum verify_weight weight, const char *tlsrpt,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Authenticated; `record` is SIZE_MAX without TLSA. */
void verify_accept(struct verify_judge *judge, size_t record, unsigned depth, const char *what);
/* Finds the key; false: it is no certificate. */
bool verify_show(struct verify_shown *shown, const uint8_t *der, size_t length);
/* For OpenSSL. NULL: a bare key, or it cannot be read. */
X509 *verify_x509(struct verify_shown *shown);
/* The record of this usage that matches; SIZE_MAX: none. */
size_t verify_match(const struct verify_judge *judge, unsigned usage,
                    const struct verify_shown *shown);
static inline bool verify_usable(const struct dane_tlsa *record, unsigned usage)
{
    return record->unusable == DANE_USABLE && record->usage == usage;
}

/* --- verify_chain.c --- */

/* Usage 2. True: accepted; else said why. */
bool verify_by_anchors(struct verify_judge *judge);
/* Usages 0 and 1. */
bool verify_by_authorities_and_tlsa(struct verify_judge *judge);
/* No TLSA: a CA of the system and the name. */
bool verify_by_authorities(struct verify_judge *judge);

/* --- chains.c --- */

/* The chain of the system that was built for the same certificates lately. *out is the caller's. */
bool verify_recall(struct verify_judge *judge, struct verify_chain *out);
/* After verify_recall found none. */
void verify_remember(struct verify_judge *judge, const struct verify_chain *chain);

/* --- names.c --- */

/* dane_names_match for a certificate that is parsed already. */
int verify_names(X509 *certificate, const struct dane_reference *references, size_t count,
                 bool common_name, struct dane_names_match *match, char why[DANE_NAMES_TEXT]);

#endif
