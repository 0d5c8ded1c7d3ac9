/* Message authentication: see mac.h. */
#include "crypto/mac.h"

#include "base/error.h"
#include "crypto/internal.h"

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <stdlib.h>

struct crypto_siphash {
    EVP_MAC_CTX *context;
};

/* A context for an algorithm; NULL when the library refuses. */
static EVP_MAC_CTX *new_context(const char *algorithm)
{
    EVP_MAC *mac = EVP_MAC_fetch(NULL, algorithm, NULL);
    EVP_MAC_CTX *context = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;
    EVP_MAC_free(mac); /* the context holds it */
    return context;
}

int crypto_siphash_new(struct crypto_siphash **out)
{
    struct crypto_siphash *siphash = calloc(1, sizeof(*siphash));
    if (siphash == NULL)
        return BASE_ENOMEM;
    size_t size = CRYPTO_SIPHASH_SIZE;
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
                                 OSSL_PARAM_construct_end()};
    siphash->context = new_context("SIPHASH");
    if (siphash->context == NULL || EVP_MAC_CTX_set_params(siphash->context, params) != 1) {
        crypto_siphash_free(siphash);
        return crypto_library_error(BASE_ECRYPTO);
    }
    *out = siphash;
    return BASE_OK;
}

int crypto_siphash(struct crypto_siphash *siphash, const uint8_t key[CRYPTO_SIPHASH_KEY],
                   const void *data, size_t length, uint8_t out[CRYPTO_SIPHASH_SIZE])
{
    size_t size;
    if (EVP_MAC_init(siphash->context, key, CRYPTO_SIPHASH_KEY, NULL) != 1 ||
        EVP_MAC_update(siphash->context, data, length) != 1 ||
        EVP_MAC_final(siphash->context, out, &size, CRYPTO_SIPHASH_SIZE) != 1)
        return crypto_library_error(BASE_ECRYPTO);
    return BASE_OK;
}

void crypto_siphash_free(struct crypto_siphash *siphash)
{
    if (siphash == NULL)
        return;
    EVP_MAC_CTX_free(siphash->context);
    free(siphash);
}

/* --- HMAC --- */

static int hmac_start(void *context, enum dns_tsig_algorithm algorithm, const uint8_t *secret,
                      size_t secret_length, void **state)
{
    static const char *const digests[DNS_TSIG_ALGORITHMS] = {
        [DNS_TSIG_HMAC_SHA1] = "SHA1",     [DNS_TSIG_HMAC_SHA224] = "SHA224",
        [DNS_TSIG_HMAC_SHA256] = "SHA256", [DNS_TSIG_HMAC_SHA384] = "SHA384",
        [DNS_TSIG_HMAC_SHA512] = "SHA512",
    };
    if ((unsigned)algorithm >= DNS_TSIG_ALGORITHMS)
        return BASE_EUNSUPPORTED;
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
                                         (char *)(uintptr_t)digests[algorithm], 0),
        OSSL_PARAM_construct_end()};
    EVP_MAC_CTX *mac = new_context("HMAC");
    if (mac == NULL || EVP_MAC_init(mac, secret, secret_length, params) != 1) {
        EVP_MAC_CTX_free(mac);
        return crypto_library_error(BASE_ECRYPTO);
    }
    *state = mac;
    return BASE_OK;
}

static int hmac_update(void *state, const uint8_t *data, size_t length)
{
    return EVP_MAC_update(state, data, length) == 1 ? BASE_OK : crypto_library_error(BASE_ECRYPTO);
}

static int hmac_finish(void *state, uint8_t mac[DNS_TSIG_MAC_MAX])
{
    size_t size;
    int done = EVP_MAC_final(state, mac, &size, DNS_TSIG_MAC_MAX);
    EVP_MAC_CTX_free(state);
    return done == 1 ? BASE_OK : crypto_library_error(BASE_ECRYPTO);
}

static void hmac_abandon(void *state)
{
    EVP_MAC_CTX_free(state);
}

const struct dns_tsig_hmac crypto_tsig_hmac = {
    .start = hmac_start,
    .update = hmac_update,
    .finish = hmac_finish,
    .abandon = hmac_abandon,
};
