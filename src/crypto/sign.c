/*
 * Signatures. A signer has a copy of the key of its own: OpenSSL's keys carry reference counts,
 * locks, Montgomery values and RSA blinding factors, which threads that share a key would fight
 * for.
 *
 * How a signer makes its signature hangs on a function, so that keys which live elsewhere (another
 * process, a security module) can be used through the same calls.
 */
#include "base/error.h"
#include "crypto/internal.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

/* The DER form of an ECDSA signature: two integers of up to 48 octets and a sign octet each. */
#define DER_MAX (3 + 2 * (2 + 49))

struct crypto_signer {
    int (*sign)(struct crypto_signer *signer, const uint8_t *data, size_t length, uint8_t *out,
                size_t *out_length);
    enum crypto_hash hash;
    size_t signature_size;
    EVP_PKEY *pkey;        /* this signer's own */
    EVP_PKEY_CTX *context; /* RSA, ECDSA */
    EVP_MD_CTX *digester;  /* EdDSA, which takes the message itself */
};

static int sign_rsa(struct crypto_signer *signer, const uint8_t *data, size_t length, uint8_t *out,
                    size_t *out_length)
{
    uint8_t info[CRYPTO_DIGEST_INFO_MAX];
    size_t info_length = crypto_digest_info(signer->hash, data, length, info);
    size_t size = CRYPTO_SIGNATURE_MAX;
    if (EVP_PKEY_sign(signer->context, out, &size, info, info_length) != 1)
        return crypto_library_error(BASE_ECRYPTO);
    *out_length = size;
    return BASE_OK;
}

/* Takes one DER integer at *at and writes it as `size` octets. */
static bool read_integer(const uint8_t *der, size_t length, size_t *at, uint8_t *out, size_t size)
{
    if (length - *at < 2 || der[*at] != 0x02)
        return false;
    size_t octets = der[*at + 1];
    const uint8_t *value = der + *at + 2;
    if (octets > length - *at - 2)
        return false;
    *at += 2 + octets;
    while (octets > 0 && *value == 0) {
        value++;
        octets--;
    }
    if (octets > size)
        return false;
    memset(out, 0, size - octets);
    memcpy(out + size - octets, value, octets);
    return true;
}

/* SEQUENCE { r INTEGER, s INTEGER } to r | s (RFC 6605 section 4). */
static bool raw_from_der(const uint8_t *der, size_t length, uint8_t *out, size_t size)
{
    /* At most 102 octets of content: the length always fits into one octet. */
    size_t at = 2;
    return length > 2 && der[0] == 0x30 && der[1] == length - 2 &&
           read_integer(der, length, &at, out, size) &&
           read_integer(der, length, &at, out + size, size) && at == length;
}

static int sign_ecdsa(struct crypto_signer *signer, const uint8_t *data, size_t length,
                      uint8_t *out, size_t *out_length)
{
    uint8_t digest[CRYPTO_DIGEST_MAX];
    size_t digest_length = crypto_digest(signer->hash, data, length, digest);
    uint8_t der[DER_MAX + 8];
    size_t der_length = sizeof(der);
    if (EVP_PKEY_sign(signer->context, der, &der_length, digest, digest_length) != 1)
        return crypto_library_error(BASE_ECRYPTO);
    if (!raw_from_der(der, der_length, out, signer->signature_size / 2))
        return BASE_ECRYPTO;
    *out_length = signer->signature_size;
    return BASE_OK;
}

static bool start_digester(struct crypto_signer *signer)
{
    return EVP_DigestSignInit(signer->digester, NULL, NULL, NULL, signer->pkey) == 1;
}

static int sign_eddsa(struct crypto_signer *signer, const uint8_t *data, size_t length,
                      uint8_t *out, size_t *out_length)
{
    size_t size = CRYPTO_SIGNATURE_MAX;
    if (EVP_DigestSign(signer->digester, out, &size, data, length) != 1) {
        /* Nothing says that a context may be used again; starting it anew each time costs 5 %. */
        size = CRYPTO_SIGNATURE_MAX;
        if (!start_digester(signer) ||
            EVP_DigestSign(signer->digester, out, &size, data, length) != 1)
            return crypto_library_error(BASE_ECRYPTO);
        ERR_clear_error();
    }
    *out_length = size;
    return BASE_OK;
}

static bool make_context(struct crypto_signer *signer)
{
    signer->context = EVP_PKEY_CTX_new_from_pkey(NULL, signer->pkey, NULL);
    return signer->context != NULL && EVP_PKEY_sign_init(signer->context) == 1;
}

static bool prepare(struct crypto_signer *signer, const struct crypto_key *key)
{
    signer->pkey = EVP_PKEY_dup(key->pkey);
    if (signer->pkey == NULL)
        return false;
    switch (crypto_family(key->algorithm)->family) {
    case CRYPTO_FAMILY_RSA:
        /* The context is left without a digest: it pads what it is given, a DigestInfo. */
        signer->sign = sign_rsa;
        return make_context(signer);
    case CRYPTO_FAMILY_ECDSA:
        signer->sign = sign_ecdsa;
        return make_context(signer);
    case CRYPTO_FAMILY_EDDSA:
        signer->sign = sign_eddsa;
        signer->digester = EVP_MD_CTX_new();
        return signer->digester != NULL && start_digester(signer);
    }
    return false;
}

int crypto_signer_new(const struct crypto_key *key, struct crypto_signer **out)
{
    struct crypto_signer *signer = calloc(1, sizeof(*signer));
    if (signer == NULL)
        return BASE_ENOMEM;
    signer->hash = crypto_family(key->algorithm)->hash;
    signer->signature_size = crypto_algorithm(key->algorithm)->signature_size;
    if (!prepare(signer, key)) {
        crypto_signer_free(signer);
        return crypto_library_error(BASE_ECRYPTO);
    }
    *out = signer;
    return BASE_OK;
}

int crypto_sign(struct crypto_signer *signer, const uint8_t *data, size_t length,
                uint8_t out[CRYPTO_SIGNATURE_MAX], size_t *out_length)
{
    return signer->sign(signer, data, length, out, out_length);
}

void crypto_signer_free(struct crypto_signer *signer)
{
    if (signer == NULL)
        return;
    EVP_PKEY_CTX_free(signer->context);
    EVP_MD_CTX_free(signer->digester);
    EVP_PKEY_free(signer->pkey);
    free(signer);
}
