/*
 * Message authentication: SipHash-2-4 for DNS cookies (RFC 9018), HMAC for TSIG (RFC 8945).
 */
#ifndef CRYPTO_MAC_H
#define CRYPTO_MAC_H

#include "dns/tsig.h"

#define CRYPTO_SIPHASH_KEY  16
#define CRYPTO_SIPHASH_SIZE 8

/* Keeps its context between calls; one per thread. */
struct crypto_siphash;
int crypto_siphash_new(struct crypto_siphash **out); /* BASE_ENOMEM, BASE_ECRYPTO */
int crypto_siphash(struct crypto_siphash *siphash, const uint8_t key[CRYPTO_SIPHASH_KEY],
                   const void *data, size_t length, uint8_t out[CRYPTO_SIPHASH_SIZE]);
void crypto_siphash_free(struct crypto_siphash *siphash); /* NULL allowed */

/* The HMACs of TSIG, for dns_tsig_init. May be used by several threads at once. */
extern const struct dns_tsig_hmac crypto_tsig_hmac;

#endif
