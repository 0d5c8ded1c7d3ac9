/* Key pairs: making them, taking them over from elsewhere, and their public half as a DNSKEY. */
#include "base/error.h"
#include "base/reader.h"
#include "crypto/internal.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

/* RFC 3110 section 2, the form that rsa_from_wire in verify.c reads. */
static bool rsa_to_wire(struct crypto_key *key)
{
    BIGNUM *modulus = NULL, *exponent = NULL;
    bool good = EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_RSA_N, &modulus) == 1 &&
                EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_RSA_E, &exponent) == 1;
    if (good) {
        size_t modulus_length = (size_t)BN_num_bytes(modulus);
        size_t exponent_length = (size_t)BN_num_bytes(exponent);
        size_t head = exponent_length > 255 ? 3 : 1;
        good = head + exponent_length + modulus_length <= CRYPTO_PUBLIC_MAX;
        if (good) {
            key->public[0] = (uint8_t)exponent_length;
            if (head == 3) {
                key->public[0] = 0;
                base_store_u16(key->public + 1, (uint16_t)exponent_length);
            }
            BN_bn2bin(exponent, key->public + head);
            BN_bn2bin(modulus, key->public + head + exponent_length);
            key->public_length = head + exponent_length + modulus_length;
        }
    }
    BN_free(modulus);
    BN_free(exponent);
    return good;
}

/* x | y (RFC 6605 section 4), whatever form the point has in the file. */
static bool ecdsa_to_wire(struct crypto_key *key, const struct crypto_family_info *family)
{
    BIGNUM *x = NULL, *y = NULL;
    int half = (int)family->public_size / 2;
    bool good = EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_EC_PUB_X, &x) == 1 &&
                EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_EC_PUB_Y, &y) == 1 &&
                BN_bn2binpad(x, key->public, half) == half &&
                BN_bn2binpad(y, key->public + half, half) == half;
    key->public_length = family->public_size;
    BN_free(x);
    BN_free(y);
    return good;
}

static bool public_to_wire(struct crypto_key *key, const struct crypto_family_info *family)
{
    switch (family->family) {
    case CRYPTO_FAMILY_RSA:
        return rsa_to_wire(key);
    case CRYPTO_FAMILY_ECDSA:
        return ecdsa_to_wire(key, family);
    case CRYPTO_FAMILY_EDDSA:
        key->public_length = CRYPTO_PUBLIC_MAX;
        return EVP_PKEY_get_raw_public_key(key->pkey, key->public, &key->public_length) == 1 &&
               key->public_length == family->public_size;
    }
    return false;
}

static bool is_of_family(const EVP_PKEY *pkey, const struct crypto_family_info *family)
{
    if (family->family == CRYPTO_FAMILY_RSA)
        return EVP_PKEY_is_a(pkey, "RSA");
    if (family->family == CRYPTO_FAMILY_EDDSA)
        return EVP_PKEY_is_a(pkey, family->curve);
    char group[32];
    size_t length;
    return EVP_PKEY_is_a(pkey, "EC") &&
           EVP_PKEY_get_group_name((EVP_PKEY *)pkey, group, sizeof(group), &length) == 1 &&
           strcmp(group, family->curve) == 0;
}

/* A key whose halves do not belong together signs what nobody can verify: so each key that comes
 * from elsewhere must prove itself before it is used. */
static int check_pair(const struct crypto_key *key)
{
    static const uint8_t sample[] = "the halves of a key pair belong together";
    uint8_t dnskey[CRYPTO_DNSKEY_MAX], signature[CRYPTO_SIGNATURE_MAX];
    size_t signature_length;
    struct crypto_verifier *verifier = NULL;
    struct crypto_signer *signer = NULL;
    size_t dnskey_length = crypto_key_dnskey(key, 0, dnskey);
    int error = crypto_verifier_new(dnskey, dnskey_length, false, &verifier);
    if (error == BASE_OK)
        error = crypto_signer_new(key, &signer);
    if (error == BASE_OK)
        error = crypto_sign(signer, sample, sizeof(sample), signature, &signature_length);
    if (error == BASE_OK)
        error = crypto_verify(verifier, sample, sizeof(sample), signature, signature_length);
    crypto_signer_free(signer);
    crypto_verifier_free(verifier);
    return error == BASE_ECRYPTO ? BASE_EMISMATCH : error;
}

static int fill(struct crypto_key *key, bool foreign)
{
    const struct crypto_family_info *family = crypto_family(key->algorithm);
    if (!is_of_family(key->pkey, family))
        return crypto_library_error(BASE_EMISMATCH);
    key->bits = (unsigned)EVP_PKEY_get_bits(key->pkey);
    if (family->family == CRYPTO_FAMILY_RSA) {
        if (key->bits < CRYPTO_RSA_BITS_MIN || key->bits > CRYPTO_RSA_BITS_MAX)
            return BASE_ERANGE;
        int error = crypto_rsa_check(key->pkey);
        if (error != BASE_OK)
            return error;
    }
    if (!public_to_wire(key, family))
        return crypto_library_error(BASE_EFORMAT);
    return foreign ? check_pair(key) : BASE_OK;
}

static int adopt(EVP_PKEY *pkey, unsigned algorithm, bool foreign, struct crypto_key **out)
{
    struct crypto_key *key = calloc(1, sizeof(*key));
    if (key == NULL) {
        EVP_PKEY_free(pkey);
        return BASE_ENOMEM;
    }
    key->pkey = pkey;
    key->algorithm = algorithm;
    int error = fill(key, foreign);
    if (error != BASE_OK) {
        crypto_key_free(key);
        return error;
    }
    *out = key;
    return BASE_OK;
}

int crypto_key_adopt(EVP_PKEY *pkey, unsigned algorithm, struct crypto_key **out)
{
    return adopt(pkey, algorithm, true, out);
}

/* Keys of RSA with 4096 bits take under 2 KiB; pages that are not used take no memory. */
#define SECURE_OCTETS   ((size_t)32 << 20)
#define SECURE_SMALLEST 32

bool crypto_secure_memory(void)
{
    return CRYPTO_secure_malloc_initialized() ||
           CRYPTO_secure_malloc_init(SECURE_OCTETS, SECURE_SMALLEST) != 0;
}

int crypto_key_generate(unsigned algorithm, unsigned bits, struct crypto_key **out)
{
    const struct crypto_algorithm_info *info = crypto_algorithm(algorithm);
    if (info == NULL || !info->sign)
        return BASE_EUNSUPPORTED;
    const struct crypto_family_info *family = crypto_family(algorithm);
    EVP_PKEY *pkey = NULL;
    if (family->family == CRYPTO_FAMILY_RSA) {
        if (bits == 0)
            bits = info->bits_default;
        if (bits < info->bits_min || bits > info->bits_max)
            return BASE_ERANGE;
        pkey = EVP_RSA_gen(bits);
    } else if (bits != 0 && bits != info->bits_default) {
        return BASE_ERANGE;
    } else if (family->family == CRYPTO_FAMILY_ECDSA) {
        pkey = EVP_EC_gen(family->curve);
    } else {
        pkey = EVP_PKEY_Q_keygen(NULL, NULL, family->curve);
    }
    if (pkey == NULL)
        return crypto_library_error(BASE_ECRYPTO);
    /* Of a curve the public half was computed from the private one just now. */
    return adopt(pkey, algorithm, family->family == CRYPTO_FAMILY_RSA, out);
}

unsigned crypto_key_algorithm(const struct crypto_key *key)
{
    return key->algorithm;
}

unsigned crypto_key_bits(const struct crypto_key *key)
{
    return key->bits;
}

size_t crypto_key_dnskey(const struct crypto_key *key, uint16_t flags, uint8_t *out)
{
    base_store_u16(out, flags);
    out[2] = 3;
    out[3] = (uint8_t)key->algorithm;
    memcpy(out + 4, key->public, key->public_length);
    return 4 + key->public_length;
}

void crypto_key_free(struct crypto_key *key)
{
    if (key == NULL)
        return;
    EVP_PKEY_free(key->pkey);
    free(key);
}
