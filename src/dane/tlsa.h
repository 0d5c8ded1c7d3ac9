/*
 * TLSA records (RFC 6698, RFC 7671): which of them can be used, and which of these count.
 */
#ifndef DANE_TLSA_H
#define DANE_TLSA_H

#include "validate/result.h"

enum dane_usage {
    DANE_PKIX_TA = 0, /* a CA that must be in the chain, which must be valid besides */
    DANE_PKIX_EE = 1, /* the server's certificate, which must be valid besides */
    DANE_TA = 2,      /* a trust anchor of the domain's own */
    DANE_EE = 3,      /* the server's certificate or key, and nothing else counts */
};
enum dane_selector { DANE_CERTIFICATE = 0, DANE_PUBLIC_KEY = 1 };
enum dane_matching { DANE_FULL = 0, DANE_SHA256 = 1, DANE_SHA512 = 2 };

/* Why a record is not used. */
enum dane_unusable {
    DANE_USABLE,
    DANE_UNUSABLE_USAGE,    /* not of a usage that the service takes, or unknown */
    DANE_UNUSABLE_SELECTOR, /* unknown */
    DANE_UNUSABLE_MATCHING, /* unknown matching type */
    DANE_UNUSABLE_LENGTH,   /* the data has not the length of its digest */
    DANE_UNUSABLE_DATA,     /* full data that is no certificate, or no public key */
    DANE_UNUSABLE_WEAKER,   /* a stronger digest of same usage and selector is there (RFC 7671
                             * section 9) */
};
const char *dane_unusable_text(enum dane_unusable why); /* a phrase */

struct dane_tlsa {
    uint8_t usage, selector, matching;
    uint16_t length;
    const uint8_t *data; /* of whoever has the rdata */
    enum dane_unusable unusable;
};

/* Which usages a service takes: bits (1 << usage). */
#define DANE_USAGES_OPPORTUNISTIC (1u << DANE_TA | 1u << DANE_EE) /* SMTP: RFC 7672 section 3.1 */
#define DANE_USAGES_ALL           0xfu

/* Reads one record. BASE_EFORMAT: shorter than its three octets. unusable is not yet judged. */
int dane_tlsa_read(const uint8_t *rdata, size_t length, struct dane_tlsa *out);
/* Judges all records of one RRset together, digest agility included. Returns the number of usable
 * ones. */
size_t dane_tlsa_judge(struct dane_tlsa *records, size_t count, unsigned usages);
/* "3 1 1 0b9f…": for people. */
#define DANE_TLSA_TEXT 64
const char *dane_tlsa_text(const struct dane_tlsa *record, char out[DANE_TLSA_TEXT]);

/* Makes the data of a record from a certificate or public key (DER), as (selector, matching) wants
 * it. For selector 1 `der` may be a bare SubjectPublicKeyInfo. malloc'ed. BASE_EFORMAT,
 * BASE_EUNSUPPORTED, BASE_ENOMEM. */
int dane_tlsa_make(uint8_t selector, uint8_t matching, const uint8_t *der, size_t der_length,
                   uint8_t **data, size_t *length);

#endif
