/*
 * TLSA records: reading, judging together, making.
 */
#include "dane/tlsa.h"

#include "base/error.h"

#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *dane_unusable_text(enum dane_unusable why)
{
    switch (why) {
    case DANE_USABLE:
        return "usable";
    case DANE_UNUSABLE_USAGE:
        return "its usage is not one that this service takes";
    case DANE_UNUSABLE_SELECTOR:
        return "its selector is unknown";
    case DANE_UNUSABLE_MATCHING:
        return "its matching type is unknown";
    case DANE_UNUSABLE_LENGTH:
        return "its data has not the length of the digest";
    case DANE_UNUSABLE_DATA:
        return "its data is neither a certificate nor a public key";
    case DANE_UNUSABLE_WEAKER:
        return "a record with a stronger digest stands beside it";
    }
    return "?";
}

int dane_tlsa_read(const uint8_t *rdata, size_t length, struct dane_tlsa *out)
{
    if (length < 3 || length - 3 > UINT16_MAX)
        return BASE_EFORMAT;
    *out = (struct dane_tlsa){
        .usage = rdata[0],
        .selector = rdata[1],
        .matching = rdata[2],
        .length = (uint16_t)(length - 3),
        .data = rdata + 3,
    };
    return BASE_OK;
}

/* Full data has to be what the selector says, with nothing left over. */
static bool parses(const struct dane_tlsa *record)
{
    const unsigned char *at = record->data;
    if (record->selector == DANE_CERTIFICATE) {
        X509 *certificate = d2i_X509(NULL, &at, record->length);
        X509_free(certificate);
        ERR_clear_error();
        return certificate && at == record->data + record->length;
    }
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, record->length);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return key && at == record->data + record->length;
}

static enum dane_unusable judge(const struct dane_tlsa *record, unsigned usages)
{
    if (record->usage > DANE_EE || !(usages >> record->usage & 1))
        return DANE_UNUSABLE_USAGE;
    if (record->selector > DANE_PUBLIC_KEY)
        return DANE_UNUSABLE_SELECTOR;
    switch (record->matching) {
    case DANE_FULL:
        return parses(record) ? DANE_USABLE : DANE_UNUSABLE_DATA;
    case DANE_SHA256:
        return record->length == SHA256_DIGEST_LENGTH ? DANE_USABLE : DANE_UNUSABLE_LENGTH;
    case DANE_SHA512:
        return record->length == SHA512_DIGEST_LENGTH ? DANE_USABLE : DANE_UNUSABLE_LENGTH;
    default:
        return DANE_UNUSABLE_MATCHING;
    }
}

size_t dane_tlsa_judge(struct dane_tlsa *records, size_t count, unsigned usages)
{
    /* The strongest digest for each usage and selector. Full data is no digest: it stays. */
    uint8_t strongest[4][2] = {{0}};
    for (size_t i = 0; i < count; i++) {
        struct dane_tlsa *record = &records[i];
        record->unusable = judge(record, usages);
        if (record->unusable == DANE_USABLE &&
            record->matching > strongest[record->usage][record->selector])
            strongest[record->usage][record->selector] = record->matching;
    }
    size_t usable = 0;
    for (size_t i = 0; i < count; i++) {
        struct dane_tlsa *record = &records[i];
        if (record->unusable != DANE_USABLE)
            continue;
        if (record->matching != DANE_FULL &&
            record->matching < strongest[record->usage][record->selector])
            record->unusable = DANE_UNUSABLE_WEAKER;
        else
            usable++;
    }
    return usable;
}

const char *dane_tlsa_text(const struct dane_tlsa *record, char out[DANE_TLSA_TEXT])
{
    enum { SHOWN = 12 };
    int at = snprintf(out, DANE_TLSA_TEXT, "%u %u %u ", record->usage, record->selector,
                      record->matching);
    for (size_t i = 0; i < record->length && i < SHOWN; i++)
        at += snprintf(out + at, DANE_TLSA_TEXT - (size_t)at, "%02x", record->data[i]);
    if (record->length > SHOWN)
        snprintf(out + at, DANE_TLSA_TEXT - (size_t)at, "…");
    return out;
}

/* The public key of a certificate, or `der` itself when it is one. malloc'ed by OpenSSL. */
static int public_key(const uint8_t *der, size_t der_length, unsigned char **out, int *length)
{
    const unsigned char *at = der;
    X509 *certificate = d2i_X509(NULL, &at, (long)der_length);
    if (certificate) {
        *length =
            at == der + der_length ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), out) : -1;
        X509_free(certificate);
        return *length > 0 ? BASE_OK : BASE_EFORMAT;
    }
    at = der;
    X509_PUBKEY *key = d2i_X509_PUBKEY(NULL, &at, (long)der_length);
    *length = key && at == der + der_length ? i2d_X509_PUBKEY(key, out) : -1;
    X509_PUBKEY_free(key);
    return *length > 0 ? BASE_OK : BASE_EFORMAT;
}

static int is_certificate(const uint8_t *der, size_t length)
{
    const unsigned char *at = der;
    X509 *certificate = d2i_X509(NULL, &at, (long)length);
    X509_free(certificate);
    return certificate && at == der + length ? BASE_OK : BASE_EFORMAT;
}

static int digest(uint8_t matching, const uint8_t *der, size_t der_length, uint8_t **data,
                  size_t *length)
{
    size_t size = matching == DANE_SHA256   ? SHA256_DIGEST_LENGTH
                  : matching == DANE_SHA512 ? SHA512_DIGEST_LENGTH
                                            : der_length;
    uint8_t *made = malloc(size);
    if (!made)
        return BASE_ENOMEM;
    if (matching == DANE_SHA256)
        SHA256(der, der_length, made);
    else if (matching == DANE_SHA512)
        SHA512(der, der_length, made);
    else
        memcpy(made, der, der_length);
    *data = made;
    *length = size;
    return BASE_OK;
}

int dane_tlsa_make(uint8_t selector, uint8_t matching, const uint8_t *der, size_t der_length,
                   uint8_t **data, size_t *length)
{
    if (selector > DANE_PUBLIC_KEY || matching > DANE_SHA512)
        return BASE_EUNSUPPORTED;
    if (der_length == 0 || der_length > INT32_MAX)
        return BASE_EFORMAT;
    if (selector == DANE_CERTIFICATE) {
        int status = is_certificate(der, der_length);
        return status != BASE_OK ? status : digest(matching, der, der_length, data, length);
    }
    unsigned char *key = NULL;
    int key_length;
    int status = public_key(der, der_length, &key, &key_length);
    if (status == BASE_OK)
        status = digest(matching, key, (size_t)key_length, data, length);
    OPENSSL_free(key);
    ERR_clear_error();
    return status;
}
