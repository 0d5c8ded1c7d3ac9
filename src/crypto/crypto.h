/*
 * DNSSEC cryptography: algorithms, keys, signatures, digests. The only folder that knows OpenSSL.
 * Algorithm numbers are those of IANA's DNSSEC registry (RFC 9904 says which to use).
 */
#ifndef CRYPTO_CRYPTO_H
#define CRYPTO_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum crypto_algorithm {
    CRYPTO_RSASHA1 = 5,
    CRYPTO_RSASHA1_NSEC3 = 7,
    CRYPTO_RSASHA256 = 8,
    CRYPTO_RSASHA512 = 10,
    CRYPTO_ECDSAP256 = 13,
    CRYPTO_ECDSAP384 = 14,
    CRYPTO_ED25519 = 15,
    CRYPTO_ED448 = 16,
};

#define CRYPTO_SIGNATURE_MAX 512  /* RSA of 4096 bits */
#define CRYPTO_PUBLIC_MAX    1028 /* RSA of 4096 bits with a long exponent (RFC 3110) */
#define CRYPTO_DNSKEY_MAX    (4 + CRYPTO_PUBLIC_MAX)

struct crypto_algorithm_info {
    uint8_t number;
    const char *name;                          /* "ECDSAP256SHA256" (RFC 8624 mnemonics) */
    uint16_t signature_size;                   /* octets; 0: by the key */
    bool sign;                                 /* Kenter signs with it */
    bool validate;                             /* Kenter validates it without being asked to */
    bool legacy;                               /* only when the caller allows it: 5 and 7 */
    uint16_t bits_min, bits_max, bits_default; /* RSA keys that Kenter makes; 0 for others */
};
/* NULL for numbers that Kenter does not know. */
const struct crypto_algorithm_info *crypto_algorithm(unsigned number);
/* By mnemonic (any case) or number. BASE_ENOENT. */
int crypto_algorithm_from_text(const char *text, unsigned *number);

/* RFC 4034 appendix B, over DNSKEY rdata. */
uint16_t crypto_key_tag(const uint8_t *dnskey, size_t length);

/* DS digest (RFC 4034 section 5.1.4) of a DNSKEY at `owner` (wire, any case). Types 1 (legacy),
 * 2, 4. BASE_EUNSUPPORTED. */
#define CRYPTO_DIGEST_MAX 64
int crypto_ds_digest(unsigned digest_type, const uint8_t *owner, const uint8_t *dnskey,
                     size_t dnskey_length, uint8_t out[CRYPTO_DIGEST_MAX], size_t *out_length);

/* Plain digests, for ZONEMD and identities. */
enum crypto_hash { CRYPTO_SHA1, CRYPTO_SHA256, CRYPTO_SHA384, CRYPTO_SHA512 };
struct crypto_hasher;
int crypto_hasher_new(enum crypto_hash hash, struct crypto_hasher **out);
int crypto_hasher_update(struct crypto_hasher *hasher, const void *data, size_t length);
/* Gives the digest and starts anew. */
int crypto_hasher_final(struct crypto_hasher *hasher, uint8_t out[CRYPTO_DIGEST_MAX],
                        size_t *out_length);
void crypto_hasher_free(struct crypto_hasher *hasher);

/* NSEC3 hash (RFC 5155 section 5) of `name` (wire, any case). A hasher keeps its context between
 * calls; one per thread. `iterations` is bounded by the caller. */
#define CRYPTO_NSEC3_SIZE 20
struct crypto_nsec3;
int crypto_nsec3_new(uint16_t iterations, const uint8_t *salt, size_t salt_length,
                     struct crypto_nsec3 **out);
int crypto_nsec3_hash(struct crypto_nsec3 *nsec3, const uint8_t *name,
                      uint8_t out[CRYPTO_NSEC3_SIZE]);
void crypto_nsec3_free(struct crypto_nsec3 *nsec3);

/*
 * A private key and its public half. Immutable after it is made, so threads may share it; work with
 * it goes through a signer, of which each thread has its own.
 */
struct crypto_key;

/* A place where private halves are kept. It and its context outlive the keys that refer to it. */
#define CRYPTO_KEY_ID 32
struct crypto_remote_item {
    const uint8_t *input; /* as of crypto_sign_input */
    size_t length;
    uint8_t *out; /* room for one signature; filled on success */
};
struct crypto_remote {
    /* Signs all items with one key. May be called by several threads at once. On an error no `out`
     * is of any worth. BASE_ENOENT: the place is gone; BASE_EPERM: it refuses to use this key. */
    int (*sign)(void *context, const uint8_t id[CRYPTO_KEY_ID],
                const struct crypto_remote_item *items, size_t count, size_t signature_size);
    void *context;
};
/* A key whose private half is elsewhere, known there by `id`. `public` is as in a DNSKEY record.
 * BASE_EUNSUPPORTED; BASE_EFORMAT: no public key of this algorithm by its length. */
int crypto_key_remote(unsigned algorithm, const uint8_t *public, size_t length,
                      const uint8_t id[CRYPTO_KEY_ID], const struct crypto_remote *remote,
                      struct crypto_key **out);
bool crypto_key_is_remote(const struct crypto_key *key);

/* For a process that holds private keys: from now on their secret numbers lie in memory of their
 * own, which is in no core dump and, where the system lets us, never written to swap. Once for a
 * process, before its first key. False: the library refused, and they lie where all else does. */
bool crypto_secure_memory(void);

/* Makes a new key pair. `bits` for RSA only, 0 for the default. BASE_EUNSUPPORTED, BASE_ERANGE. */
int crypto_key_generate(unsigned algorithm, unsigned bits, struct crypto_key **out);
/* PKCS#8, PEM, unencrypted. BASE_EFORMAT; BASE_EMISMATCH when it is not of this algorithm, or its
 * parts do not fit together; BASE_ERANGE: RSA not within 512 to 4096 bits; BASE_EUNSUPPORTED. */
int crypto_key_from_pem(unsigned algorithm, const char *pem, size_t length,
                        struct crypto_key **out);
/* PEM text, malloc'ed, NUL-terminated; the caller wipes it with crypto_wipe and frees it.
 * BASE_EUNSUPPORTED: the private half is elsewhere (also crypto_key_to_bind). */
int crypto_key_to_pem(const struct crypto_key *key, char **pem, size_t *length);
/* BIND's private-key format ("Private-key-format: v1.3"). Times in it are ignored here. Errors as
 * above; BASE_EUNSUPPORTED also when the private half is in a hardware module. */
int crypto_key_from_bind(const char *text, size_t length, struct crypto_key **out);
int crypto_key_to_bind(const struct crypto_key *key, char **text, size_t *length);
unsigned crypto_key_algorithm(const struct crypto_key *key);
unsigned crypto_key_bits(const struct crypto_key *key);
/* DNSKEY rdata: flags, protocol 3, algorithm, public key. `out` has room for CRYPTO_DNSKEY_MAX. */
size_t crypto_key_dnskey(const struct crypto_key *key, uint16_t flags, uint8_t *out);
void crypto_key_free(struct crypto_key *key);
void crypto_wipe(void *data, size_t length);

/* Signs for one thread, with a copy of the key that it shares with nobody. Nothing is allocated per
 * signature. A key whose private half is elsewhere outlives its signers. */
struct crypto_signer;
int crypto_signer_new(const struct crypto_key *key, struct crypto_signer **out);
/* The signature in the raw form of RRSIG over `length` octets of `data`. */
int crypto_sign(struct crypto_signer *signer, const uint8_t *data, size_t length,
                uint8_t out[CRYPTO_SIGNATURE_MAX], size_t *out_length);
/* The same, but the signature need not be there before crypto_sign_flush: those of keys that are
 * elsewhere are made many at once. `data` is not needed after the call; `out` has room for
 * crypto_signer_signature_size and stays. After an error nothing that waited is signed. */
int crypto_sign_later(struct crypto_signer *signer, const uint8_t *data, size_t length,
                      uint8_t *out);
int crypto_sign_flush(struct crypto_signer *signer);
/* Octets of each signature. */
size_t crypto_signer_signature_size(const struct crypto_signer *signer);
/* As crypto_sign_later, of what the mathematics takes: for RSA and ECDSA the digest of the data
 * (BASE_ERANGE: it has not crypto_signer_input_size octets); for EdDSA, where that size is 0, the
 * data themselves. */
int crypto_sign_input(struct crypto_signer *signer, const uint8_t *input, size_t length,
                      uint8_t *out);
size_t crypto_signer_input_size(const struct crypto_signer *signer);
void crypto_signer_free(struct crypto_signer *signer);

/* Verifies for one thread with one public key. */
struct crypto_verifier;
/* From DNSKEY rdata. BASE_EUNSUPPORTED: an algorithm we do not validate (5 and 7 need `legacy`);
 * BASE_EFORMAT: a key that is malformed (not on the curve, RSA modulus under 512 (RSASHA512: 1024)
 * or over 4096 bits, …). RSA with more than 3072 bits and an exponent of more than 64 bits, with
 * which a verification would cost as much as a signature, is BASE_EUNSUPPORTED. */
int crypto_verifier_new(const uint8_t *dnskey, size_t length, bool legacy,
                        struct crypto_verifier **out);
/* BASE_OK: good; BASE_EMISMATCH: it does not verify; BASE_EFORMAT: wrong length for the algorithm;
 * BASE_ECRYPTO: the library failed. */
int crypto_verify(struct crypto_verifier *verifier, const uint8_t *data, size_t length,
                  const uint8_t *signature, size_t signature_length);
void crypto_verifier_free(struct crypto_verifier *verifier);

#endif
