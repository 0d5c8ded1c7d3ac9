/*
 * What the files of this folder share: the inside of a key, digests without allocation, and the
 * two encodings of ECDSA signatures. Not for other folders.
 */
#ifndef CRYPTO_INTERNAL_H
#define CRYPTO_INTERNAL_H

#include "crypto/crypto.h"

#include <openssl/evp.h>

/* What the mathematics of an algorithm is. */
enum crypto_family { CRYPTO_FAMILY_RSA, CRYPTO_FAMILY_ECDSA, CRYPTO_FAMILY_EDDSA };

struct crypto_family_info {
    enum crypto_family family;
    enum crypto_hash hash; /* not for EdDSA, which hashes by itself */
    const char *curve;     /* ECDSA: the group; EdDSA: the key type */
    size_t public_size;    /* octets of public key in a DNSKEY; 0: varies (RSA) */
    size_t scalar_size;    /* octets of a private key, and of r and of s */
};
/* For known algorithms; NULL otherwise. */
const struct crypto_family_info *crypto_family(unsigned algorithm);

#define CRYPTO_RSA_BITS_MIN 512
#define CRYPTO_RSA_BITS_MAX 4096

struct crypto_key {
    EVP_PKEY *pkey; /* NULL: the private half is elsewhere */
    const struct crypto_remote *remote;
    uint8_t id[CRYPTO_KEY_ID]; /* by which it is known there */
    unsigned algorithm;
    unsigned bits;
    size_t public_length;
    uint8_t public[CRYPTO_PUBLIC_MAX]; /* as in a DNSKEY */
};

/* Makes a key of a pair and takes the pair over (also on failure). Checks that it is of the
 * algorithm, within the limits, and that what the private half signs the public half verifies.
 * BASE_EMISMATCH: of another algorithm, or the halves do not belong together; BASE_ERANGE: RSA
 * size; BASE_EFORMAT; BASE_ENOMEM. */
int crypto_key_adopt(EVP_PKEY *pkey, unsigned algorithm, struct crypto_key **out);

/* The parts of an RSA private key fit together. BASE_EMISMATCH; BASE_EFORMAT: parts are missing. */
int crypto_rsa_check(const EVP_PKEY *pkey);

/* pkcs8.c: PEM of elliptic curves in its usual form. BASE_EUNSUPPORTED: another algorithm or form,
 * or the library does not like it. */
#define CRYPTO_PKCS8_MAX  192
#define CRYPTO_PKCS8_TEXT 512 /* octets of PEM, NUL included */
int crypto_pkcs8_write(const struct crypto_key *key, char out[CRYPTO_PKCS8_TEXT], size_t *length);
int crypto_pkcs8_read(unsigned algorithm, const char *pem, size_t length, EVP_PKEY **out);

/* A public key from the octets of a DNSKEY. BASE_EFORMAT, BASE_EUNSUPPORTED, BASE_ENOMEM. */
int crypto_public_from_wire(unsigned algorithm, const uint8_t *wire, size_t length, EVP_PKEY **out);

/* One digest over one piece of memory, without allocation. Returns its length. */
size_t crypto_digest(enum crypto_hash hash, const void *data, size_t length,
                     uint8_t out[CRYPTO_DIGEST_MAX]);

size_t crypto_digest_size(enum crypto_hash hash);

/* The DigestInfo of PKCS #1 v1.5 (RFC 8017 section 9.2) around a digest. Returns its length. */
#define CRYPTO_DIGEST_INFO_MAX (19 + CRYPTO_DIGEST_MAX)
size_t crypto_digest_info(enum crypto_hash hash, const uint8_t *digest, size_t size,
                          uint8_t out[CRYPTO_DIGEST_INFO_MAX]);

struct crypto_signer {
    /* Signs what crypto_sign_input takes; `out` has room for signature_size. */
    int (*sign)(struct crypto_signer *signer, const uint8_t *input, size_t length, uint8_t *out);
    enum crypto_hash hash;
    size_t digest_size; /* 0: the input is the message itself */
    size_t signature_size;
    EVP_PKEY *pkey;                 /* this signer's own */
    EVP_PKEY_CTX *context;          /* RSA, ECDSA */
    EVP_MD_CTX *digester;           /* EdDSA, which takes the message itself */
    struct crypto_pending *pending; /* keys that are elsewhere: what waits; else NULL */
};

/* remote.c: what waits to be signed elsewhere. */
int crypto_pending_new(const struct crypto_key *key, size_t signature_size,
                       struct crypto_pending **out);
void crypto_pending_free(struct crypto_pending *pending);
/* Takes a copy of an input; sends what waits when it is a batch. */
int crypto_pending_add(struct crypto_pending *pending, const uint8_t *input, size_t length,
                       uint8_t *out);
int crypto_pending_flush(struct crypto_pending *pending);

/* Fails as the library did: BASE_ENOMEM when it ran out of memory, else `error`. Empties its queue
 * of errors. */
int crypto_library_error(int error);

#endif
