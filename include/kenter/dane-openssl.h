/*
 * Endpoints and OpenSSL (3.0 or later): a session made for an endpoint, and the verdict on it. All
 * of it is in this header; the program links OpenSSL, libkenter is not told of it.
 *
 *     SSL *ssl = SSL_new(context);
 *     if (kenter_openssl_prepare(ssl, endpoint) != KENTER_OK) ...
 *     SSL_connect(ssl);
 *     kenter_openssl_verify(ssl, endpoint, NULL, &verdict);
 *     if (!kenter_verdict_is_good(&verdict)) ... close it; nothing may be sent
 */
#ifndef KENTER_DANE_OPENSSL_H
#define KENTER_DANE_OPENSSL_H

#include <kenter/dane.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif

/* SNI, TLS 1.2 or better (RFC 9325), bare keys where they can be used (OpenSSL 3.2); the handshake
 * itself judges nothing. KENTER_EOTHER: OpenSSL refuses. */
static inline int kenter_openssl_prepare(SSL *ssl, const struct kenter_endpoint *endpoint)
{
    SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
    if (SSL_set_min_proto_version(ssl, TLS1_2_VERSION) != 1)
        return KENTER_EOTHER;
    if (endpoint->sni != NULL && SSL_set_tlsext_host_name(ssl, endpoint->sni) != 1)
        return KENTER_EOTHER;
#ifdef TLSEXT_cert_type_rpk
    if (endpoint->raw_public_key) {
        static const unsigned char types[] = {TLSEXT_cert_type_rpk, TLSEXT_cert_type_x509};
        if (SSL_set1_server_cert_type(ssl, types, sizeof(types)) != 1)
            return KENTER_EOTHER;
    }
#endif
    return KENTER_OK;
}

#define KENTER_OPENSSL_CHAIN 16

struct kenter_openssl_shown {
    struct kenter_der chain[KENTER_OPENSSL_CHAIN];
    unsigned char *der[KENTER_OPENSSL_CHAIN], *key;
    struct kenter_peer peer;
};

static inline int kenter_openssl_take(struct kenter_openssl_shown *shown, X509 *certificate)
{
    size_t at = shown->peer.count;
    int length = i2d_X509(certificate, &shown->der[at]);
    if (length <= 0)
        return 0;
    shown->chain[at].data = shown->der[at];
    shown->chain[at].length = (size_t)length;
    shown->peer.count++;
    return 1;
}

/* 0: no memory. */
static inline int kenter_openssl_read(SSL *ssl, struct kenter_openssl_shown *shown)
{
    int good = 1, count;
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);
    shown->peer.tls = 1;
    shown->peer.chain = shown->chain;
#ifdef TLSEXT_cert_type_rpk
    EVP_PKEY *key = SSL_get0_peer_rpk(ssl);
    if (key != NULL) {
        int length = i2d_PUBKEY(key, &shown->key);
        shown->peer.raw_public_key = shown->key;
        shown->peer.raw_length = length > 0 ? (size_t)length : 0;
        return length > 0;
    }
#endif
    count = chain != NULL ? sk_X509_num(chain) : 0;
    if (count == 0) { /* a session taken up again may have kept the leaf alone */
        X509 *leaf = SSL_get1_peer_certificate(ssl);
        if (leaf != NULL)
            good = kenter_openssl_take(shown, leaf);
        X509_free(leaf);
    }
    for (int i = 0; good && i < count && i < KENTER_OPENSSL_CHAIN; i++)
        good = kenter_openssl_take(shown, sk_X509_value(chain, i));
    return good;
}

/* The verdict on a session after its handshake; `ssl` NULL: there is no TLS. Always gives one. */
static inline void kenter_openssl_verify(SSL *ssl, const struct kenter_endpoint *endpoint,
                                         const struct kenter_verify_options *options,
                                         struct kenter_verdict *verdict)
{
    struct kenter_openssl_shown shown;
    memset(&shown, 0, sizeof(shown));
    if (ssl != NULL && !kenter_openssl_read(ssl, &shown)) {
        memset(verdict, 0, sizeof(*verdict));
        verdict->kind = KENTER_FAILED;
        verdict->tlsa = KENTER_NONE;
        strcpy(verdict->reason, "there is no memory");
    } else {
        kenter_verify_peer(endpoint, &shown.peer, options, verdict);
    }
    for (size_t i = 0; i < KENTER_OPENSSL_CHAIN; i++)
        OPENSSL_free(shown.der[i]);
    OPENSSL_free(shown.key);
}

#ifdef __cplusplus
}
#endif

#endif
