/*
 * Certificates made for tests, with OpenSSL: whatever can be wrong with one is a field.
 *
 *     struct test_certificate ca = certificate_make(&(struct certificate_spec){
 *         .subject = "CA", .authority = true});
 *     struct test_certificate leaf = certificate_make(&(struct certificate_spec){
 *         .subject = "mx", .names = "DNS:mx.example.org", .issuer = &ca});
 *     ... certificate_free(&leaf);
 */
#ifndef TEST_DANE_CERTIFICATES_H
#define TEST_DANE_CERTIFICATES_H

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The clock of tests: certificates hold a year around it unless their spec says otherwise. */
#define CERTIFICATE_NOW  ((int64_t)1790000000)
#define CERTIFICATE_YEAR ((int64_t)365 * 86400)

#define CERTIFICATE_MUST(condition)                                                                \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

struct test_certificate {
    X509 *x509;
    EVP_PKEY *key;
    uint8_t *der; /* of the certificate */
    size_t length;
    uint8_t *public_key; /* SubjectPublicKeyInfo */
    size_t public_length;
};

struct certificate_spec {
    const char *subject;   /* common name; NULL: an empty subject */
    const char *common[4]; /* more common names, after it */
    const char *names;     /* subjectAltName as openssl.cnf has it: "DNS:a.example, DNS:b.example",
                            * "otherName:1.3.6.1.5.5.7.8.7;IA5STRING:_xmpp-server.a.example" */
    const uint8_t *raw_names; /* or the octets of the extension's value, however wrong */
    size_t raw_length;
    bool authority;                        /* a CA */
    const struct test_certificate *issuer; /* NULL: signs itself */
    int64_t not_before, not_after;         /* 0: a year before, a year after CERTIFICATE_NOW */
    unsigned rsa_bits;                     /* 0: an ECDSA key (P-256) */
    EVP_PKEY *key;                         /* use this one; NULL: make one */
    const char *usage;                     /* extendedKeyUsage: "clientAuth"; NULL: none */
    bool sha1;                             /* signed with it */
};

static inline void certificate_extend(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    CERTIFICATE_MUST(extension && X509_add_ext(certificate, extension, -1));
    X509_EXTENSION_free(extension);
}

static inline void certificate_add_name(X509_NAME *name, const char *text)
{
    CERTIFICATE_MUST(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                                (const unsigned char *)text, -1, -1, 0));
}

static inline struct test_certificate certificate_make(const struct certificate_spec *spec)
{
    static long serial = 1;
    struct test_certificate made = {.key = spec->key};
    if (made.key)
        EVP_PKEY_up_ref(made.key);
    else
        made.key = spec->rsa_bits ? EVP_RSA_gen(spec->rsa_bits) : EVP_EC_gen("P-256");
    made.x509 = X509_new();
    CERTIFICATE_MUST(made.key && made.x509);
    X509 *issuer = spec->issuer ? spec->issuer->x509 : made.x509;
    X509_set_version(made.x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.x509), serial++);
    ASN1_TIME_set(X509_getm_notBefore(made.x509),
                  spec->not_before ? spec->not_before : CERTIFICATE_NOW - CERTIFICATE_YEAR);
    ASN1_TIME_set(X509_getm_notAfter(made.x509),
                  spec->not_after ? spec->not_after : CERTIFICATE_NOW + CERTIFICATE_YEAR);
    X509_set_pubkey(made.x509, made.key);
    X509_NAME *subject = X509_get_subject_name(made.x509);
    if (spec->subject)
        certificate_add_name(subject, spec->subject);
    for (size_t i = 0; i < 4 && spec->common[i]; i++)
        certificate_add_name(subject, spec->common[i]);
    X509_set_issuer_name(made.x509, X509_get_subject_name(issuer));
    certificate_extend(made.x509, issuer, NID_basic_constraints,
                       spec->authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    certificate_extend(made.x509, issuer, NID_subject_key_identifier, "hash");
    if (spec->issuer)
        certificate_extend(made.x509, issuer, NID_authority_key_identifier, "keyid");
    if (spec->usage)
        certificate_extend(made.x509, issuer, NID_ext_key_usage, spec->usage);
    if (spec->names)
        certificate_extend(made.x509, issuer, NID_subject_alt_name, spec->names);
    if (spec->raw_names) {
        ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
        ASN1_OCTET_STRING_set(octets, spec->raw_names, (int)spec->raw_length);
        X509_EXTENSION *extension =
            X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, 0, octets);
        CERTIFICATE_MUST(extension && X509_add_ext(made.x509, extension, -1));
        X509_EXTENSION_free(extension);
        ASN1_OCTET_STRING_free(octets);
    }
    CERTIFICATE_MUST(X509_sign(made.x509, spec->issuer ? spec->issuer->key : made.key,
                               spec->sha1 ? EVP_sha1() : EVP_sha256()));
    int length = i2d_X509(made.x509, &made.der);
    int public_length = i2d_PUBKEY(made.key, &made.public_key);
    CERTIFICATE_MUST(length > 0 && public_length > 0);
    made.length = (size_t)length;
    made.public_length = (size_t)public_length;
    return made;
}

static inline void certificate_free(struct test_certificate *certificate)
{
    X509_free(certificate->x509);
    EVP_PKEY_free(certificate->key);
    OPENSSL_free(certificate->der);
    OPENSSL_free(certificate->public_key);
    memset(certificate, 0, sizeof *certificate);
}

/* Writes certificates as PEM into a new file, which stands for the system's CAs; its path, which
 * the caller removes and frees. */
static inline char *certificate_file(const struct test_certificate *const *list, size_t count)
{
    char *path = strdup("/tmp/kenter-test-ca-XXXXXX");
    CERTIFICATE_MUST(path);
    int fd = mkstemp(path);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    CERTIFICATE_MUST(file);
    for (size_t i = 0; i < count; i++)
        CERTIFICATE_MUST(PEM_write_X509(file, list[i]->x509));
    CERTIFICATE_MUST(fclose(file) == 0);
    return path;
}

#endif
