/*
 * What records are made from: certificates and keys in files, PEM (RFC 7468) or DER. Also what a
 * certificate says, in words for people.
 */
#ifndef DANE_MATERIAL_H
#define DANE_MATERIAL_H

#include "base/clock.h"
#include "dane/verify.h"

#define DANE_MATERIAL_OCTETS ((size_t)1 << 20) /* longest file that is read */
#define DANE_MATERIAL_MAX    64                /* certificates of one file */

struct dane_material {
    struct dane_der *certificates; /* in the order of the file */
    size_t count;
    struct dane_der key; /* SubjectPublicKeyInfo: of the first certificate, else of a public or
                          * private key or a request for a certificate */
};
/* Reads certificates, or a key when there are none: "PUBLIC KEY", "PRIVATE KEY" of any form that is
 * not encrypted, "CERTIFICATE REQUEST". BASE_EFORMAT with `why` in words; BASE_ENOMEM. */
int dane_material_read(const uint8_t *data, size_t length, struct dane_material *out,
                       char why[200]);
void dane_material_free(struct dane_material *material);
/* The certificate that TLSA records of this usage speak of: 1 and 3 of the server's, which stands
 * first; 0 and 2 of an authority's, and the last one of the file is nearest to the top. NULL: the
 * file has only a key. */
const struct dane_der *dane_material_certificate(const struct dane_material *material,
                                                 uint8_t usage);

struct dane_certificate_info {
    char subject[256], issuer[256]; /* "CN=mx.example.net, O=Example"; UTF-8, no control characters
                                     */
    char names[DANE_NAMES_TEXT];    /* "mx.example.net, *.example.org": DNS-IDs; shortened */
    char key[40];                   /* "EC 256", "RSA 2048" */
    base_time from, until;          /* 0: cannot be read */
    bool authority;                 /* may sign certificates */
};
/* BASE_EFORMAT. */
int dane_certificate_describe(const uint8_t *der, size_t length, struct dane_certificate_info *out);

#endif
