/*
 * Checks that the parts of an RSA private key fit together. The library signs with whatever it is
 * given and repairs wrong results by a slow way; a key that needs this is damaged or forged, and
 * with another library it would give itself away by its first signature.
 */
#include "base/error.h"
#include "crypto/internal.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>

enum part { N, E, D, P, Q, DP, DQ, QINV, PARTS };

static const char *const part_names[PARTS] = {
    OSSL_PKEY_PARAM_RSA_N,         OSSL_PKEY_PARAM_RSA_E,
    OSSL_PKEY_PARAM_RSA_D,         OSSL_PKEY_PARAM_RSA_FACTOR1,
    OSSL_PKEY_PARAM_RSA_FACTOR2,   OSSL_PKEY_PARAM_RSA_EXPONENT1,
    OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
};

/* a · b ≡ 1 modulo m */
static bool inverse(const BIGNUM *a, const BIGNUM *b, const BIGNUM *m, BN_CTX *context)
{
    BIGNUM *product = BN_CTX_get(context);
    return product != NULL && BN_mod_mul(product, a, b, m, context) && BN_is_one(product);
}

/* What RFC 8017 section 3.2 asks for, seen from one prime. */
static bool check_prime(BIGNUM *const parts[PARTS], enum part prime, enum part exponent,
                        BN_CTX *context)
{
    BIGNUM *below = BN_CTX_get(context), *reduced = BN_CTX_get(context);
    return reduced != NULL && BN_is_odd(parts[prime]) && !BN_is_one(parts[prime]) &&
           BN_sub(below, parts[prime], BN_value_one()) &&
           inverse(parts[E], parts[exponent], below, context) &&
           BN_mod(reduced, parts[D], below, context) && BN_cmp(reduced, parts[exponent]) == 0;
}

static bool check_parts(BIGNUM *const parts[PARTS], BN_CTX *context)
{
    BIGNUM *product = BN_CTX_get(context);
    return product != NULL && BN_is_odd(parts[E]) && !BN_is_one(parts[E]) &&
           BN_mul(product, parts[P], parts[Q], context) && BN_cmp(product, parts[N]) == 0 &&
           check_prime(parts, P, DP, context) && check_prime(parts, Q, DQ, context) &&
           BN_cmp(parts[QINV], parts[P]) < 0 && inverse(parts[Q], parts[QINV], parts[P], context);
}

int crypto_rsa_check(const EVP_PKEY *pkey)
{
    BIGNUM *parts[PARTS] = {NULL};
    BN_CTX *context = BN_CTX_secure_new();
    int error = context == NULL ? BASE_ENOMEM : BASE_OK;
    for (int i = 0; i < PARTS && error == BASE_OK; i++) {
        if (EVP_PKEY_get_bn_param(pkey, part_names[i], &parts[i]) != 1)
            error = BASE_EFORMAT; /* this form of the key lacks a part */
    }
    if (error == BASE_OK) {
        BN_CTX_start(context);
        if (!check_parts(parts, context))
            error = BASE_EMISMATCH;
        BN_CTX_end(context);
    }
    for (int i = 0; i < PARTS; i++)
        BN_clear_free(parts[i]);
    BN_CTX_free(context);
    return error == BASE_OK ? BASE_OK : crypto_library_error(error);
}
