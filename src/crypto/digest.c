/*
 * Digests. Zones make millions of them over a few dozen octets each, where the cost of a call
 * through EVP (a fetched method, a provider context) is several times that of the hash itself. So
 * the block functions of libcrypto are called directly: the same code that EVP ends in, deprecated
 * as an interface only. docs/design/keys.md has the figures.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/error.h"
#include "crypto/internal.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

struct crypto_hasher {
    enum crypto_hash hash;
    union {
        SHA_CTX sha1;
        SHA256_CTX sha256;
        SHA512_CTX sha512; /* SHA-384 too */
    } state;
};

static void hasher_start(struct crypto_hasher *hasher)
{
    switch (hasher->hash) {
    case CRYPTO_SHA1:
        SHA1_Init(&hasher->state.sha1);
        break;
    case CRYPTO_SHA256:
        SHA256_Init(&hasher->state.sha256);
        break;
    case CRYPTO_SHA384:
        SHA384_Init(&hasher->state.sha512);
        break;
    case CRYPTO_SHA512:
        SHA512_Init(&hasher->state.sha512);
        break;
    }
}

static void hasher_add(struct crypto_hasher *hasher, const void *data, size_t length)
{
    switch (hasher->hash) {
    case CRYPTO_SHA1:
        SHA1_Update(&hasher->state.sha1, data, length);
        break;
    case CRYPTO_SHA256:
        SHA256_Update(&hasher->state.sha256, data, length);
        break;
    case CRYPTO_SHA384:
        SHA384_Update(&hasher->state.sha512, data, length);
        break;
    case CRYPTO_SHA512:
        SHA512_Update(&hasher->state.sha512, data, length);
        break;
    }
}

static size_t hasher_end(struct crypto_hasher *hasher, uint8_t *out)
{
    switch (hasher->hash) {
    case CRYPTO_SHA1:
        SHA1_Final(out, &hasher->state.sha1);
        return SHA_DIGEST_LENGTH;
    case CRYPTO_SHA256:
        SHA256_Final(out, &hasher->state.sha256);
        return SHA256_DIGEST_LENGTH;
    case CRYPTO_SHA384:
        SHA384_Final(out, &hasher->state.sha512);
        return SHA384_DIGEST_LENGTH;
    case CRYPTO_SHA512:
        SHA512_Final(out, &hasher->state.sha512);
        return SHA512_DIGEST_LENGTH;
    }
    return 0;
}

size_t crypto_digest(enum crypto_hash hash, const void *data, size_t length,
                     uint8_t out[CRYPTO_DIGEST_MAX])
{
    struct crypto_hasher hasher;
    hasher.hash = hash;
    hasher_start(&hasher);
    hasher_add(&hasher, data, length);
    return hasher_end(&hasher, out);
}

int crypto_hasher_new(enum crypto_hash hash, struct crypto_hasher **out)
{
    if (hash != CRYPTO_SHA1 && hash != CRYPTO_SHA256 && hash != CRYPTO_SHA384 &&
        hash != CRYPTO_SHA512)
        return BASE_EINVAL;
    struct crypto_hasher *hasher = malloc(sizeof(*hasher));
    if (hasher == NULL)
        return BASE_ENOMEM;
    hasher->hash = hash;
    hasher_start(hasher);
    *out = hasher;
    return BASE_OK;
}

int crypto_hasher_update(struct crypto_hasher *hasher, const void *data, size_t length)
{
    if (length > 0)
        hasher_add(hasher, data, length);
    return BASE_OK;
}

int crypto_hasher_final(struct crypto_hasher *hasher, uint8_t out[CRYPTO_DIGEST_MAX],
                        size_t *out_length)
{
    *out_length = hasher_end(hasher, out);
    hasher_start(hasher);
    return BASE_OK;
}

void crypto_hasher_free(struct crypto_hasher *hasher)
{
    free(hasher);
}

/* What PKCS #1 puts before a digest to say which one it is (RFC 8017 section 9.2, note 1). */
static const uint8_t info_sha1[] = {0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e,
                                    0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14};
static const uint8_t info_sha2[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                    0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};

size_t crypto_digest_size(enum crypto_hash hash)
{
    static const uint8_t sizes[] = {
        [CRYPTO_SHA1] = 20, [CRYPTO_SHA256] = 32, [CRYPTO_SHA384] = 48, [CRYPTO_SHA512] = 64};
    return sizes[hash];
}

size_t crypto_digest_info(enum crypto_hash hash, const uint8_t *digest, size_t size,
                          uint8_t out[CRYPTO_DIGEST_INFO_MAX])
{
    if (hash == CRYPTO_SHA1) {
        memcpy(out, info_sha1, sizeof(info_sha1));
        memcpy(out + sizeof(info_sha1), digest, size);
        return sizeof(info_sha1) + size;
    }
    memcpy(out, info_sha2, sizeof(info_sha2));
    memcpy(out + sizeof(info_sha2), digest, size);
    /* The SHA-2 family differs in the last arc of the identifier and in the two lengths. */
    out[1] = (uint8_t)(0x11 + size);
    out[14] = hash == CRYPTO_SHA256 ? 1 : hash == CRYPTO_SHA384 ? 2 : 3;
    out[18] = (uint8_t)size;
    return sizeof(info_sha2) + size;
}

void crypto_wipe(void *data, size_t length)
{
    OPENSSL_cleanse(data, length);
}

int crypto_library_error(int error)
{
    if (ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE)
        error = BASE_ENOMEM;
    ERR_clear_error();
    return error;
}
