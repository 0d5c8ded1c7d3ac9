/* Certificates and keys from files: see material.h. */
#include "dane/material.h"

#include "base/error.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- collecting --- */

static int copy(struct dane_der *out, const uint8_t *data, size_t length)
{
    uint8_t *octets = malloc(length > 0 ? length : 1);
    if (octets == NULL)
        return BASE_ENOMEM;
    memcpy(octets, data, length);
    *out = (struct dane_der){octets, length};
    return BASE_OK;
}

/* Takes what OpenSSL allocated. */
static int take_key(struct dane_material *out, unsigned char *der, int length)
{
    int status = der != NULL && length > 0 ? BASE_OK : BASE_EFORMAT;
    if (status == BASE_OK && out->key.data == NULL)
        status = copy(&out->key, der, (size_t)length);
    OPENSSL_free(der);
    return status;
}

static int add_certificate(struct dane_material *out, const uint8_t *der, size_t length)
{
    const unsigned char *at = der;
    X509 *certificate = d2i_X509(NULL, &at, (long)length);
    if (certificate == NULL || at != der + length) {
        X509_free(certificate);
        return BASE_EFORMAT;
    }
    int status = out->count < DANE_MATERIAL_MAX ? copy(&out->certificates[out->count], der, length)
                                                : BASE_EFORMAT;
    if (status == BASE_OK && out->count++ == 0) {
        /* The key of the server's certificate is the one that counts, whatever stands before. */
        unsigned char *key = NULL;
        free((void *)out->key.data);
        out->key = (struct dane_der){0};
        int key_length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &key);
        status = take_key(out, key, key_length);
    }
    X509_free(certificate);
    return status;
}

static int add_public(struct dane_material *out, const uint8_t *der, size_t length)
{
    const unsigned char *at = der;
    unsigned char *key = NULL;
    EVP_PKEY *public = d2i_PUBKEY(NULL, &at, (long)length);
    int key_length = public != NULL && at == der + length ? i2d_PUBKEY(public, &key) : -1;
    EVP_PKEY_free(public);
    return take_key(out, key, key_length);
}

static int add_private(struct dane_material *out, const uint8_t *der, size_t length)
{
    const unsigned char *at = der;
    unsigned char *key = NULL;
    EVP_PKEY *private = d2i_AutoPrivateKey(NULL, &at, (long)length);
    int key_length = private != NULL ? i2d_PUBKEY(private, &key) : -1;
    EVP_PKEY_free(private);
    return take_key(out, key, key_length);
}

static int add_request(struct dane_material *out, const uint8_t *der, size_t length)
{
    const unsigned char *at = der;
    unsigned char *key = NULL;
    X509_REQ *request = d2i_X509_REQ(NULL, &at, (long)length);
    int key_length =
        request != NULL ? i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY(request), &key) : -1;
    X509_REQ_free(request);
    return take_key(out, key, key_length);
}

/* --- files --- */

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), most = strlen(end);
    return length >= most && strcmp(text + length - most, end) == 0;
}

static int add_block(struct dane_material *out, const char *name, const char *header,
                     const uint8_t *der, size_t length, char why[200])
{
    int status = BASE_OK;
    if (strcmp(name, PEM_STRING_X509) == 0 || strcmp(name, PEM_STRING_X509_OLD) == 0)
        status = add_certificate(out, der, length);
    else if (strcmp(name, "ENCRYPTED PRIVATE KEY") == 0 || strstr(header, "ENCRYPTED") != NULL)
        status = BASE_EUNSUPPORTED;
    else if (strcmp(name, PEM_STRING_PUBLIC) == 0)
        status = add_public(out, der, length);
    else if (ends_with(name, "PRIVATE KEY") && strcmp(name, "OPENSSH PRIVATE KEY") != 0)
        status = add_private(out, der, length);
    else if (ends_with(name, "CERTIFICATE REQUEST"))
        status = add_request(out, der, length);
    if (status == BASE_EUNSUPPORTED)
        snprintf(why, 200, "the private key is encrypted; give the certificate or the public key");
    else if (status == BASE_EFORMAT)
        snprintf(why, 200,
                 out->count == DANE_MATERIAL_MAX
                     ? "there are more certificates than can be meant (%.60s)"
                     : "the block \"%.60s\" does not hold what it says",
                 name);
    return status == BASE_EUNSUPPORTED ? BASE_EFORMAT : status;
}

static int read_pem(const uint8_t *data, size_t length, struct dane_material *out, char why[200])
{
    BIO *bio = BIO_new_mem_buf(data, (int)length);
    char *name = NULL, *header = NULL;
    unsigned char *der = NULL;
    long der_length;
    int status = bio == NULL ? BASE_ENOMEM : BASE_OK;
    while (status == BASE_OK && PEM_read_bio(bio, &name, &header, &der, &der_length) == 1) {
        status = add_block(out, name, header, der, (size_t)der_length, why);
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_clear_free(der, (size_t)der_length);
    }
    /* The reader ends in an error: at the end of the file that of finding no further block. */
    if (status == BASE_OK && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
        snprintf(why, 200, "a block of the PEM file is broken");
        status = BASE_EFORMAT;
    }
    BIO_free(bio);
    return status;
}

static int read_der(const uint8_t *data, size_t length, struct dane_material *out)
{
    int status = add_certificate(out, data, length);
    if (status == BASE_EFORMAT)
        status = add_public(out, data, length);
    if (status == BASE_EFORMAT)
        status = add_private(out, data, length);
    if (status == BASE_EFORMAT)
        status = add_request(out, data, length);
    return status;
}

int dane_material_read(const uint8_t *data, size_t length, struct dane_material *out, char why[200])
{
    struct dane_material made = {.certificates =
                                     calloc(DANE_MATERIAL_MAX, sizeof(*made.certificates))};
    why[0] = '\0';
    int status = made.certificates == NULL       ? BASE_ENOMEM
                 : length > DANE_MATERIAL_OCTETS ? BASE_EFORMAT
                                                 : BASE_OK;
    bool pem = memmem(data, length, "-----BEGIN ", 11) != NULL;
    ERR_clear_error();
    if (status == BASE_OK)
        status = pem ? read_pem(data, length, &made, why) : read_der(data, length, &made);
    if (status == BASE_OK && made.key.data == NULL)
        status = BASE_EFORMAT;
    if (status == BASE_EFORMAT && why[0] == '\0')
        snprintf(why, 200, "there is neither a certificate nor a key in it, in PEM or DER");
    ERR_clear_error();
    if (status != BASE_OK)
        dane_material_free(&made);
    else
        *out = made;
    return status;
}

void dane_material_free(struct dane_material *material)
{
    for (size_t i = 0; i < material->count; i++)
        free((void *)material->certificates[i].data);
    free(material->certificates);
    free((void *)material->key.data);
    *material = (struct dane_material){0};
}

const struct dane_der *dane_material_certificate(const struct dane_material *material,
                                                 uint8_t usage)
{
    bool authority = usage == DANE_PKIX_TA || usage == DANE_TA;
    if (material->count == 0)
        return NULL;
    return &material->certificates[authority ? material->count - 1 : 0];
}

/* --- words --- */

static void name_text(const X509_NAME *name, char *out, size_t size)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    out[0] = '\0';
    if (bio == NULL || X509_NAME_print_ex(bio, name, 0,
                                          (XN_FLAG_ONELINE | XN_FLAG_DN_REV) &
                                              ~(unsigned long)ASN1_STRFLGS_ESC_MSB &
                                              ~(unsigned long)XN_FLAG_SPC_EQ) < 0) {
        BIO_free(bio);
        return;
    }
    long length = BIO_get_mem_data(bio, &text);
    snprintf(out, size, "%.*s", (int)length, length > 0 ? text : "");
    for (char *c = out; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    }
    BIO_free(bio);
}

static base_time time_of(const ASN1_TIME *time)
{
    int days = 0, seconds = 0;
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    bool good = epoch != NULL && ASN1_TIME_diff(&days, &seconds, epoch, time) == 1;
    ASN1_TIME_free(epoch);
    return good ? (base_time)days * 86400 + seconds : 0;
}

static void add_name(char out[DANE_NAMES_TEXT], const ASN1_IA5STRING *name)
{
    size_t at = strlen(out);
    const unsigned char *data = ASN1_STRING_get0_data(name);
    size_t length = (size_t)ASN1_STRING_length(name);
    if (at + length + 8 > DANE_NAMES_TEXT) {
        if (at + 6 < DANE_NAMES_TEXT && strcmp(out + (at > 3 ? at - 3 : 0), "...") != 0)
            memcpy(out + at, ", ...", sizeof(", ..."));
        return;
    }
    if (at > 0) {
        out[at++] = ',';
        out[at++] = ' ';
    }
    for (size_t i = 0; i < length; i++)
        out[at++] = (char)(data[i] <= 0x20 || data[i] >= 0x7f ? '?' : data[i]);
    out[at] = '\0';
}

static void list_names(X509 *certificate, char out[DANE_NAMES_TEXT])
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    out[0] = '\0';
    for (int i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS)
            add_name(out, name->d.dNSName);
    }
    GENERAL_NAMES_free(names);
}

int dane_certificate_describe(const uint8_t *der, size_t length, struct dane_certificate_info *out)
{
    const unsigned char *at = der;
    X509 *certificate = d2i_X509(NULL, &at, (long)length);
    if (certificate == NULL) {
        ERR_clear_error();
        return BASE_EFORMAT;
    }
    *out = (struct dane_certificate_info){
        .from = time_of(X509_get0_notBefore(certificate)),
        .until = time_of(X509_get0_notAfter(certificate)),
        .authority = X509_check_ca(certificate) > 0,
    };
    name_text(X509_get_subject_name(certificate), out->subject, sizeof(out->subject));
    name_text(X509_get_issuer_name(certificate), out->issuer, sizeof(out->issuer));
    list_names(certificate, out->names);
    EVP_PKEY *key = X509_get0_pubkey(certificate);
    const char *type = key == NULL ? NULL : EVP_PKEY_get0_type_name(key);
    snprintf(out->key, sizeof(out->key), "%.20s %d", type == NULL ? "unknown" : type,
             key == NULL ? 0 : EVP_PKEY_get_bits(key));
    X509_free(certificate);
    ERR_clear_error();
    return BASE_OK;
}
