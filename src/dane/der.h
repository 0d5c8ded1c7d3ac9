/*
 * The outline of certificates (RFC 5280 section 4.1), without understanding them: where the public
 * key is. Reading one with OpenSSL 3 takes a third of a millisecond, and usage 3 wants no more than
 * that. DER as it must be: definite, shortest lengths, nothing left over.
 */
#ifndef DANE_DER_H
#define DANE_DER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The SubjectPublicKeyInfo in a certificate. */
bool dane_der_certificate_key(const uint8_t *der, size_t length, const uint8_t **key,
                              size_t *key_length);
/* Is it a SubjectPublicKeyInfo, and nothing else? */
bool dane_der_is_key(const uint8_t *der, size_t length);

#endif
