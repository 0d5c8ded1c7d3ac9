/*
 * Verification with public keys from DNSKEY records. Everything here comes from strangers: lengths
 * are checked before the library sees anything.
 */
#include "base/error.h"
#include "base/reader.h"
#include "crypto/internal.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <stdlib.h>
#include <string.h>

/* Above this size OpenSSL refuses exponents of more than 64 bits, because a verification with one
 * would cost as much as a signature. */
#define LARGE_MODULUS_BITS 3072

struct crypto_verifier {
    int (*verify)(struct crypto_verifier *verifier, const uint8_t *data, size_t length,
                  const uint8_t *signature);
    enum crypto_hash hash;
    size_t signature_size;
    EVP_PKEY *pkey;
    EVP_PKEY_CTX *context; /* RSA, ECDSA */
    EVP_MD_CTX *digester;  /* EdDSA */
};

/* Makes a public key of type `type` from parameters that are then freed. */
static int public_from_params(const char *type, OSSL_PARAM *params, EVP_PKEY **out)
{
    if (params == NULL)
        return crypto_library_error(BASE_ENOMEM);
    EVP_PKEY *pkey = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    int error = BASE_OK;
    if (context == NULL || EVP_PKEY_fromdata_init(context) != 1)
        error = crypto_library_error(BASE_ECRYPTO);
    else if (EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
        error = crypto_library_error(BASE_EFORMAT);
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    if (error == BASE_OK)
        *out = pkey;
    return error;
}

static OSSL_PARAM *rsa_params(const BIGNUM *modulus, const BIGNUM *exponent)
{
    OSSL_PARAM *params = NULL;
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    if (builder != NULL && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent))
        params = OSSL_PARAM_BLD_to_param(builder);
    OSSL_PARAM_BLD_free(builder);
    return params;
}

static int check_rsa(unsigned algorithm, const BIGNUM *modulus, const BIGNUM *exponent)
{
    int bits = BN_num_bits(modulus);
    /* RFC 5702 section 2: RSASHA512 needs 1024 bits, as its padding would not fit into less. */
    int least = algorithm == CRYPTO_RSASHA512 ? 1024 : CRYPTO_RSA_BITS_MIN;
    if (bits < least || bits > CRYPTO_RSA_BITS_MAX)
        return BASE_EFORMAT;
    if (!BN_is_odd(modulus) || !BN_is_odd(exponent) || BN_is_one(exponent) ||
        BN_cmp(exponent, modulus) >= 0)
        return BASE_EFORMAT;
    if (bits > LARGE_MODULUS_BITS && BN_num_bits(exponent) > 64)
        return BASE_EUNSUPPORTED;
    return BASE_OK;
}

/* RFC 3110 section 2: length of the exponent in one octet, or a zero and two; exponent; modulus.
 * Leading zero octets are prohibited in both. */
static int rsa_from_wire(unsigned algorithm, const uint8_t *wire, size_t length, EVP_PKEY **out)
{
    struct base_reader reader = base_reader_make(wire, length);
    size_t exponent_length = base_reader_u8(&reader);
    if (exponent_length == 0)
        exponent_length = base_reader_u16(&reader);
    const uint8_t *exponent_octets = base_reader_bytes(&reader, exponent_length);
    size_t modulus_length = base_reader_left(&reader);
    const uint8_t *modulus_octets = base_reader_bytes(&reader, modulus_length);
    if (reader.failed || exponent_length == 0 || modulus_length == 0 || exponent_octets[0] == 0 ||
        modulus_octets[0] == 0 || modulus_length > CRYPTO_RSA_BITS_MAX / 8 ||
        exponent_length > modulus_length)
        return BASE_EFORMAT;
    BIGNUM *exponent = BN_bin2bn(exponent_octets, (int)exponent_length, NULL);
    BIGNUM *modulus = BN_bin2bn(modulus_octets, (int)modulus_length, NULL);
    int error = BASE_ENOMEM;
    if (exponent != NULL && modulus != NULL)
        error = check_rsa(algorithm, modulus, exponent);
    if (error == BASE_OK)
        error = public_from_params("RSA", rsa_params(modulus, exponent), out);
    BN_free(exponent);
    BN_free(modulus);
    return error;
}

static int ecdsa_from_wire(const struct crypto_family_info *family, const uint8_t *wire,
                           size_t length, EVP_PKEY **out)
{
    if (length != family->public_size)
        return BASE_EFORMAT;
    uint8_t point[1 + 96] = {0x04}; /* uncompressed (SEC 1 section 2.3.3) */
    memcpy(point + 1, wire, length);
    OSSL_PARAM *params = NULL;
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    if (builder != NULL &&
        OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, family->curve, 0) &&
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + length))
        params = OSSL_PARAM_BLD_to_param(builder);
    OSSL_PARAM_BLD_free(builder);
    return public_from_params("EC", params, out);
}

int crypto_public_from_wire(unsigned algorithm, const uint8_t *wire, size_t length, EVP_PKEY **out)
{
    const struct crypto_family_info *family = crypto_family(algorithm);
    if (family == NULL)
        return BASE_EUNSUPPORTED;
    if (family->family == CRYPTO_FAMILY_RSA)
        return rsa_from_wire(algorithm, wire, length, out);
    if (family->family == CRYPTO_FAMILY_ECDSA)
        return ecdsa_from_wire(family, wire, length, out);
    if (length != family->public_size)
        return BASE_EFORMAT;
    EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key_ex(NULL, family->curve, NULL, wire, length);
    if (pkey == NULL)
        return crypto_library_error(BASE_EFORMAT);
    *out = pkey;
    return BASE_OK;
}

/* The library's verdict: 1 good, 0 bad, less: it could not tell. */
static int verdict(int result)
{
    if (result == 1)
        return BASE_OK;
    return crypto_library_error(result == 0 ? BASE_EMISMATCH : BASE_ECRYPTO);
}

static int verify_rsa(struct crypto_verifier *verifier, const uint8_t *data, size_t length,
                      const uint8_t *signature)
{
    uint8_t info[CRYPTO_DIGEST_INFO_MAX];
    uint8_t digest[CRYPTO_DIGEST_MAX];
    size_t size = crypto_digest(verifier->hash, data, length, digest);
    size_t info_length = crypto_digest_info(verifier->hash, digest, size, info);
    return verdict(
        EVP_PKEY_verify(verifier->context, signature, verifier->signature_size, info, info_length));
}

/* Writes one positive integer in DER; returns the octets. */
static size_t write_integer(uint8_t *out, const uint8_t *value, size_t size)
{
    while (size > 1 && *value == 0) {
        value++;
        size--;
    }
    size_t sign = *value >> 7;
    out[0] = 0x02;
    out[1] = (uint8_t)(size + sign);
    out[2] = 0;
    memcpy(out + 2 + sign, value, size);
    return 2 + sign + size;
}

static int verify_ecdsa(struct crypto_verifier *verifier, const uint8_t *data, size_t length,
                        const uint8_t *signature)
{
    uint8_t digest[CRYPTO_DIGEST_MAX];
    size_t digest_length = crypto_digest(verifier->hash, data, length, digest);
    uint8_t der[2 + 2 * (3 + 48)];
    size_t half = verifier->signature_size / 2;
    size_t at = 2;
    at += write_integer(der + at, signature, half);
    at += write_integer(der + at, signature + half, half);
    der[0] = 0x30;
    der[1] = (uint8_t)(at - 2);
    return verdict(EVP_PKEY_verify(verifier->context, der, at, digest, digest_length));
}

static int verify_eddsa(struct crypto_verifier *verifier, const uint8_t *data, size_t length,
                        const uint8_t *signature)
{
    if (EVP_DigestVerifyInit(verifier->digester, NULL, NULL, NULL, verifier->pkey) != 1)
        return crypto_library_error(BASE_ECRYPTO);
    return verdict(
        EVP_DigestVerify(verifier->digester, signature, verifier->signature_size, data, length));
}

static bool make_context(struct crypto_verifier *verifier)
{
    verifier->context = EVP_PKEY_CTX_new_from_pkey(NULL, verifier->pkey, NULL);
    return verifier->context != NULL && EVP_PKEY_verify_init(verifier->context) == 1;
}

static bool prepare(struct crypto_verifier *verifier, enum crypto_family family)
{
    switch (family) {
    case CRYPTO_FAMILY_RSA:
        verifier->verify = verify_rsa;
        verifier->signature_size = (size_t)EVP_PKEY_get_size(verifier->pkey);
        return make_context(verifier);
    case CRYPTO_FAMILY_ECDSA:
        verifier->verify = verify_ecdsa;
        return make_context(verifier);
    case CRYPTO_FAMILY_EDDSA:
        verifier->verify = verify_eddsa;
        verifier->digester = EVP_MD_CTX_new();
        return verifier->digester != NULL;
    }
    return false;
}

int crypto_verifier_new(const uint8_t *dnskey, size_t length, bool legacy,
                        struct crypto_verifier **out)
{
    struct base_reader reader = base_reader_make(dnskey, length);
    base_reader_u16(&reader); /* flags: whether a key may be used is not for us to say */
    unsigned protocol = base_reader_u8(&reader);
    unsigned algorithm = base_reader_u8(&reader);
    size_t public_length = base_reader_left(&reader);
    const uint8_t *public = base_reader_bytes(&reader, public_length);
    if (reader.failed || protocol != 3)
        return BASE_EFORMAT;
    const struct crypto_algorithm_info *info = crypto_algorithm(algorithm);
    if (info == NULL || !(info->validate || (info->legacy && legacy)))
        return BASE_EUNSUPPORTED;
    struct crypto_verifier *verifier = calloc(1, sizeof(*verifier));
    if (verifier == NULL)
        return BASE_ENOMEM;
    verifier->hash = crypto_family(algorithm)->hash;
    verifier->signature_size = info->signature_size;
    int error = crypto_public_from_wire(algorithm, public, public_length, &verifier->pkey);
    if (error == BASE_OK && !prepare(verifier, crypto_family(algorithm)->family))
        error = crypto_library_error(BASE_ECRYPTO);
    if (error != BASE_OK) {
        crypto_verifier_free(verifier);
        return error;
    }
    *out = verifier;
    return BASE_OK;
}

int crypto_verify(struct crypto_verifier *verifier, const uint8_t *data, size_t length,
                  const uint8_t *signature, size_t signature_length)
{
    if (signature_length != verifier->signature_size)
        return BASE_EFORMAT;
    return verifier->verify(verifier, data, length, signature);
}

void crypto_verifier_free(struct crypto_verifier *verifier)
{
    if (verifier == NULL)
        return;
    EVP_PKEY_CTX_free(verifier->context);
    EVP_MD_CTX_free(verifier->digester);
    EVP_PKEY_free(verifier->pkey);
    free(verifier);
}
