/* Private keys as PKCS#8 in PEM (RFC 7468 section 10), unencrypted. */
#include "base/error.h"
#include "crypto/internal.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#define PEM_LIMIT 65536 /* an RSA key of 4096 bits takes 3300 octets */

int crypto_key_from_pem(unsigned algorithm, const char *pem, size_t length, struct crypto_key **out)
{
    const struct crypto_algorithm_info *info = crypto_algorithm(algorithm);
    if (info == NULL || !info->sign)
        return BASE_EUNSUPPORTED;
    if (length > PEM_LIMIT)
        return BASE_EFORMAT;
    EVP_PKEY *usual;
    if (crypto_pkcs8_read(algorithm, pem, length, &usual) == BASE_OK)
        return crypto_key_adopt(usual, algorithm, out);
    BIO *bio = BIO_new_mem_buf(pem, (int)length);
    if (bio == NULL)
        return crypto_library_error(BASE_ENOMEM);
    /* This reader takes "PRIVATE KEY" only: no older form, and nothing that asks for a password. */
    PKCS8_PRIV_KEY_INFO *pkcs8 = PEM_read_bio_PKCS8_PRIV_KEY_INFO(bio, NULL, NULL, NULL);
    BIO_free(bio);
    EVP_PKEY *pkey = pkcs8 == NULL ? NULL : EVP_PKCS82PKEY(pkcs8);
    PKCS8_PRIV_KEY_INFO_free(pkcs8);
    int error = crypto_library_error(BASE_EFORMAT);
    return pkey == NULL ? error : crypto_key_adopt(pkey, algorithm, out);
}

static int copy_out(BIO *bio, char **pem, size_t *length)
{
    char *data;
    long size = BIO_get_mem_data(bio, &data);
    if (size <= 0)
        return BASE_ECRYPTO;
    char *copy = malloc((size_t)size + 1);
    if (copy == NULL)
        return BASE_ENOMEM;
    memcpy(copy, data, (size_t)size);
    copy[size] = '\0';
    *pem = copy;
    *length = (size_t)size;
    return BASE_OK;
}

/* By the library, for what has no usual form. */
static int write_any(const struct crypto_key *key, char **pem, size_t *length)
{
    BIO *bio = BIO_new(BIO_s_mem());
    PKCS8_PRIV_KEY_INFO *pkcs8 = EVP_PKEY2PKCS8(key->pkey);
    int error;
    if (bio == NULL || pkcs8 == NULL || PEM_write_bio_PKCS8_PRIV_KEY_INFO(bio, pkcs8) != 1)
        error = crypto_library_error(BASE_ECRYPTO);
    else
        error = copy_out(bio, pem, length);
    PKCS8_PRIV_KEY_INFO_free(pkcs8);
    BIO_free(bio); /* wipes its memory */
    return error;
}

int crypto_key_to_pem(const struct crypto_key *key, char **pem, size_t *length)
{
    char text[CRYPTO_PKCS8_TEXT];
    size_t size;
    if (key->pkey == NULL)
        return BASE_EUNSUPPORTED;
    int error = crypto_pkcs8_write(key, text, &size);
    if (error == BASE_EUNSUPPORTED)
        return write_any(key, pem, length);
    if (error != BASE_OK)
        return error;
    char *copy = malloc(size + 1);
    if (copy != NULL)
        memcpy(copy, text, size + 1);
    crypto_wipe(text, sizeof(text));
    if (copy == NULL)
        return BASE_ENOMEM;
    *pem = copy;
    *length = size;
    return BASE_OK;
}
