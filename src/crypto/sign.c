/*
 * Signatures. A signer has a copy of the key of its own: OpenSSL's keys carry reference counts,
 * locks, Montgomery values and RSA blinding factors, which threads that share a key would fight
 * for.
 *
 * Keys that live elsewhere (another process) are used through the same calls: what is to be signed
 * is digested here, gathered, and sent in batches (remote.c).
 */
#include "base/error.h"
#include "crypto/internal.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

/* The DER form of an ECDSA signature: two integers of up to 48 octets and a sign octet each. */
#define DER_MAX (3 + 2 * (2 + 49))

static int sign_rsa(struct crypto_signer *signer, const uint8_t *input, size_t length, uint8_t *out)
{
    uint8_t info[CRYPTO_DIGEST_INFO_MAX];
    size_t info_length = crypto_digest_info(signer->hash, input, length, info);
    size_t size = signer->signature_size;
    if (EVP_PKEY_sign(signer->context, out, &size, info, info_length) != 1)
        return crypto_library_error(BASE_ECRYPTO);
    return size == signer->signature_size ? BASE_OK : BASE_ECRYPTO;
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

static int sign_ecdsa(struct crypto_signer *signer, const uint8_t *input, size_t length,
                      uint8_t *out)
{
    uint8_t der[DER_MAX + 8];
    size_t der_length = sizeof(der);
    if (EVP_PKEY_sign(signer->context, der, &der_length, input, length) != 1)
        return crypto_library_error(BASE_ECRYPTO);
    return raw_from_der(der, der_length, out, signer->signature_size / 2) ? BASE_OK : BASE_ECRYPTO;
}

static bool start_digester(struct crypto_signer *signer)
{
    return EVP_DigestSignInit(signer->digester, NULL, NULL, NULL, signer->pkey) == 1;
}

static int sign_eddsa(struct crypto_signer *signer, const uint8_t *input, size_t length,
                      uint8_t *out)
{
    size_t size = signer->signature_size;
    if (EVP_DigestSign(signer->digester, out, &size, input, length) != 1) {
        /* Nothing says that a context may be used again; starting it anew each time costs 5 %. */
        size = signer->signature_size;
        if (!start_digester(signer) ||
            EVP_DigestSign(signer->digester, out, &size, input, length) != 1)
            return crypto_library_error(BASE_ECRYPTO);
        ERR_clear_error();
    }
    return size == signer->signature_size ? BASE_OK : BASE_ECRYPTO;
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
    const struct crypto_family_info *family = crypto_family(key->algorithm);
    bool hashes = family->family != CRYPTO_FAMILY_EDDSA;
    signer->hash = family->hash;
    signer->digest_size = hashes ? crypto_digest_size(family->hash) : 0;
    signer->signature_size = crypto_algorithm(key->algorithm)->signature_size;
    if (signer->signature_size == 0)
        signer->signature_size = (key->bits + 7) / 8;
    int error = BASE_OK;
    if (key->pkey == NULL)
        error = crypto_pending_new(key, signer->signature_size, &signer->pending);
    else if (!prepare(signer, key))
        error = crypto_library_error(BASE_ECRYPTO);
    if (error == BASE_OK)
        *out = signer;
    else
        crypto_signer_free(signer);
    return error;
}

size_t crypto_signer_input_size(const struct crypto_signer *signer)
{
    return signer->digest_size;
}

size_t crypto_signer_signature_size(const struct crypto_signer *signer)
{
    return signer->signature_size;
}

int crypto_sign_input(struct crypto_signer *signer, const uint8_t *input, size_t length,
                      uint8_t *out)
{
    if (signer->digest_size != 0 && length != signer->digest_size)
        return BASE_ERANGE;
    return signer->pending != NULL ? crypto_pending_add(signer->pending, input, length, out)
                                   : signer->sign(signer, input, length, out);
}

int crypto_sign_later(struct crypto_signer *signer, const uint8_t *data, size_t length,
                      uint8_t *out)
{
    uint8_t digest[CRYPTO_DIGEST_MAX];
    if (signer->digest_size != 0) {
        length = crypto_digest(signer->hash, data, length, digest);
        data = digest;
    }
    return crypto_sign_input(signer, data, length, out);
}

int crypto_sign_flush(struct crypto_signer *signer)
{
    return signer->pending != NULL ? crypto_pending_flush(signer->pending) : BASE_OK;
}

int crypto_sign(struct crypto_signer *signer, const uint8_t *data, size_t length,
                uint8_t out[CRYPTO_SIGNATURE_MAX], size_t *out_length)
{
    int error = crypto_sign_later(signer, data, length, out);
    if (error == BASE_OK)
        error = crypto_sign_flush(signer);
    if (error == BASE_OK)
        *out_length = signer->signature_size;
    return error;
}

void crypto_signer_free(struct crypto_signer *signer)
{
    if (signer == NULL)
        return;
    EVP_PKEY_CTX_free(signer->context);
    EVP_MD_CTX_free(signer->digester);
    EVP_PKEY_free(signer->pkey);
    crypto_pending_free(signer->pending);
    free(signer);
}
