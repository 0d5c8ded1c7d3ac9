/*
 * PKCS#8 (RFC 5208) of elliptic curves, in the one form in which they are nearly always written:
 * RFC 5915 with the public point and without the curve's name inside, RFC 8410 without attributes.
 * All is constant but the numbers. The library would try every decoder that it has on every key,
 * which takes longer than all that is done with the key; it is left the other forms.
 */
#include "base/codec.h"
#include "base/error.h"
#include "crypto/internal.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/params.h>
#include <string.h>

#define HEAD_MAX   36
#define SCALAR_MAX 57

/* PKCS#8 is: head, scalar; ECDSA: then middle, point. */
struct form {
    unsigned algorithm;
    uint8_t head_length, scalar, middle_length;
    uint8_t point; /* without the octet before it that says it is not compressed */
    uint8_t head[HEAD_MAX], middle[5];
};

static const struct form forms[] = {
    /* version, { id-ecPublicKey, prime256v1 }, ECPrivateKey { 1, scalar, [1] point } */
    {CRYPTO_ECDSAP256,
     36,
     32,
     5,
     64,
     {0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86,
      0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d,
      0x03, 0x01, 0x07, 0x04, 0x6d, 0x30, 0x6b, 0x02, 0x01, 0x01, 0x04, 0x20},
     {0xa1, 0x44, 0x03, 0x42, 0x00}},
    /* secp384r1 */
    {CRYPTO_ECDSAP384,
     35,
     48,
     5,
     96,
     {0x30, 0x81, 0xb6, 0x02, 0x01, 0x00, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86,
      0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22,
      0x04, 0x81, 0x9e, 0x30, 0x81, 0x9b, 0x02, 0x01, 0x01, 0x04, 0x30},
     {0xa1, 0x64, 0x03, 0x62, 0x00}},
    /* version, { Ed25519 }, octets in octets */
    {CRYPTO_ED25519,
     16,
     32,
     0,
     0,
     {0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
      0x20},
     {0}},
    {CRYPTO_ED448,
     16,
     57,
     0,
     0,
     {0x30, 0x47, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x71, 0x04, 0x3b, 0x04,
      0x39},
     {0}},
};

static const char pem_head[] = "-----BEGIN PRIVATE KEY-----\n";
static const char pem_tail[] = "-----END PRIVATE KEY-----\n";
#define PEM_LINE 64

static const struct form *form_of(unsigned algorithm)
{
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (forms[i].algorithm == algorithm)
            return &forms[i];
    }
    return NULL;
}

static size_t form_size(const struct form *form)
{
    size_t point = form->point == 0 ? 0 : form->middle_length + 1u + form->point;
    return form->head_length + form->scalar + point;
}

static bool write_scalar(const struct crypto_key *key, const struct form *form, uint8_t *out)
{
    size_t length = form->scalar;
    if (form->point == 0)
        return EVP_PKEY_get_raw_private_key(key->pkey, out, &length) == 1 && length == form->scalar;
    BIGNUM *number = NULL;
    bool good = EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_PRIV_KEY, &number) == 1 &&
                BN_bn2binpad(number, out, form->scalar) == form->scalar;
    BN_clear_free(number);
    return good;
}

/* Text of DER in lines. Returns its length. */
static size_t write_pem(const uint8_t *der, size_t size, char *out)
{
    char text[BASE_BASE64_SIZE(CRYPTO_PKCS8_MAX)];
    size_t length = base_base64_encode(text, der, size), to = sizeof(pem_head) - 1;
    memcpy(out, pem_head, to);
    for (size_t at = 0; at < length; at += PEM_LINE) {
        size_t line = length - at < PEM_LINE ? length - at : PEM_LINE;
        memcpy(out + to, text + at, line);
        to += line;
        out[to++] = '\n';
    }
    memcpy(out + to, pem_tail, sizeof(pem_tail)); /* the NUL too */
    crypto_wipe(text, sizeof(text));
    return to + sizeof(pem_tail) - 1;
}

int crypto_pkcs8_write(const struct crypto_key *key, char out[CRYPTO_PKCS8_TEXT], size_t *length)
{
    const struct form *form = form_of(key->algorithm);
    uint8_t der[CRYPTO_PKCS8_MAX];
    if (form == NULL)
        return BASE_EUNSUPPORTED;
    memcpy(der, form->head, form->head_length);
    uint8_t *at = der + form->head_length;
    bool good = write_scalar(key, form, at);
    at += form->scalar;
    if (form->point != 0) {
        memcpy(at, form->middle, form->middle_length);
        at += form->middle_length;
        *at++ = POINT_CONVERSION_UNCOMPRESSED;
        memcpy(at, key->public, form->point);
    }
    if (good)
        *length = write_pem(der, form_size(form), out);
    crypto_wipe(der, sizeof(der));
    return good ? BASE_OK : crypto_library_error(BASE_ECRYPTO);
}

/* Takes the text of PEM apart, if it is just as we write it. */
static bool read_pem(const char *pem, size_t length, uint8_t der[CRYPTO_PKCS8_MAX], size_t *size)
{
    char text[BASE_BASE64_SIZE(CRYPTO_PKCS8_MAX)];
    const size_t head = sizeof(pem_head) - 1, tail = sizeof(pem_tail) - 1;
    size_t used = 0;
    if (length < head + tail || length > CRYPTO_PKCS8_TEXT || memcmp(pem, pem_head, head) != 0 ||
        memcmp(pem + length - tail, pem_tail, tail) != 0)
        return false;
    for (size_t i = head; i < length - tail; i++) {
        if (pem[i] == '\n')
            continue;
        if (used == sizeof(text))
            return false;
        text[used++] = pem[i];
    }
    bool good = base_base64_decode(der, CRYPTO_PKCS8_MAX, size, text, used) == BASE_OK;
    crypto_wipe(text, sizeof(text));
    return good;
}

static bool has_form(const struct form *form, const uint8_t *der, size_t size)
{
    if (size != form_size(form) || memcmp(der, form->head, form->head_length) != 0)
        return false;
    const uint8_t *middle = der + form->head_length + form->scalar;
    return form->point == 0 || (memcmp(middle, form->middle, form->middle_length) == 0 &&
                                middle[form->middle_length] == POINT_CONVERSION_UNCOMPRESSED);
}

/* The library checks that the point is one of the curve, and the scalar in its range. */
static EVP_PKEY *ecdsa_pair(const struct form *form, const char *curve, const uint8_t *scalar,
                            const uint8_t *point)
{
    uint8_t native[SCALAR_MAX];
    BIGNUM *number = BN_bin2bn(scalar, form->scalar, NULL);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *pkey = NULL;
    if (number != NULL && context != NULL &&
        BN_bn2nativepad(number, native, form->scalar) == form->scalar &&
        EVP_PKEY_fromdata_init(context) == 1) {
        OSSL_PARAM params[] = {
            OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)(uintptr_t)curve,
                                             0),
            OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)(uintptr_t)point,
                                              1u + form->point),
            OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, native, form->scalar),
            OSSL_PARAM_construct_end(),
        };
        if (EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_KEYPAIR, params) != 1)
            pkey = NULL;
    }
    EVP_PKEY_CTX_free(context);
    BN_clear_free(number);
    crypto_wipe(native, sizeof(native));
    return pkey;
}

int crypto_pkcs8_read(unsigned algorithm, const char *pem, size_t length, EVP_PKEY **out)
{
    const struct form *form = form_of(algorithm);
    uint8_t der[CRYPTO_PKCS8_MAX];
    size_t size;
    if (form == NULL || !read_pem(pem, length, der, &size))
        return BASE_EUNSUPPORTED;
    EVP_PKEY *pkey = NULL;
    if (has_form(form, der, size)) {
        const char *curve = crypto_family(algorithm)->curve;
        const uint8_t *scalar = der + form->head_length;
        pkey = form->point == 0
                   ? EVP_PKEY_new_raw_private_key_ex(NULL, curve, NULL, scalar, form->scalar)
                   : ecdsa_pair(form, curve, scalar, scalar + form->scalar + form->middle_length);
    }
    crypto_wipe(der, sizeof(der));
    int error = crypto_library_error(BASE_EUNSUPPORTED);
    if (pkey == NULL)
        return error; /* the library says what it thinks of it */
    *out = pkey;
    return BASE_OK;
}
