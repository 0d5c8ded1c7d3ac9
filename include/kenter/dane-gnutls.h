/*
 * Endpoints and GnuTLS (3.6.6 or later): a session made for an endpoint, and the verdict on it. All
 * of it is in this header; the program links GnuTLS, libkenter does not.
 *
 *     gnutls_init(&session, GNUTLS_CLIENT);
 *     gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
 *     if (kenter_gnutls_prepare(session, endpoint) != KENTER_OK) ...
 *     gnutls_handshake(session);
 *     kenter_gnutls_verify(session, endpoint, NULL, &verdict);
 *     if (!kenter_verdict_is_good(&verdict)) ... close it; nothing may be sent
 */
#ifndef KENTER_DANE_GNUTLS_H
#define KENTER_DANE_GNUTLS_H

#include <gnutls/gnutls.h>
#include <kenter/dane.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What kenter_gnutls_prepare sets: the system's defaults, TLS 1.2 or better (RFC 9325). Bare keys
 * besides certificates also need gnutls_init with GNUTLS_ENABLE_RAWPK. */
#define KENTER_GNUTLS_PRIORITY     "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
#define KENTER_GNUTLS_PRIORITY_RAW KENTER_GNUTLS_PRIORITY ":+CTYPE-SRV-RAWPK:+CTYPE-SRV-X509"

/* SNI and versions; the handshake itself judges nothing. KENTER_EOTHER: GnuTLS refuses. */
static inline int kenter_gnutls_prepare(gnutls_session_t session,
                                        const struct kenter_endpoint *endpoint)
{
    const char *priority =
        endpoint->raw_public_key ? KENTER_GNUTLS_PRIORITY_RAW : KENTER_GNUTLS_PRIORITY;
    if (gnutls_priority_set_direct(session, priority, NULL) < 0)
        return KENTER_EOTHER;
    if (endpoint->sni != NULL &&
        gnutls_server_name_set(session, GNUTLS_NAME_DNS, endpoint->sni, strlen(endpoint->sni)) < 0)
        return KENTER_EOTHER;
    return KENTER_OK;
}

#define KENTER_GNUTLS_CHAIN 16

/* The verdict on a session after its handshake; `session` NULL: there is no TLS. */
static inline void kenter_gnutls_verify(gnutls_session_t session,
                                        const struct kenter_endpoint *endpoint,
                                        const struct kenter_verify_options *options,
                                        struct kenter_verdict *verdict)
{
    struct kenter_der chain[KENTER_GNUTLS_CHAIN];
    struct kenter_peer peer;
    unsigned count = 0;
    memset(&peer, 0, sizeof(peer));
    if (session != NULL) {
        const gnutls_datum_t *list = gnutls_certificate_get_peers(session, &count);
        peer.tls = 1;
        if (list == NULL)
            count = 0;
        if (count > 0 &&
            gnutls_certificate_type_get2(session, GNUTLS_CTYPE_SERVER) == GNUTLS_CRT_RAWPK) {
            peer.raw_public_key = list[0].data;
            peer.raw_length = list[0].size;
            count = 0;
        }
        for (unsigned i = 0; i < count && i < KENTER_GNUTLS_CHAIN; i++) {
            chain[i].data = list[i].data;
            chain[i].length = list[i].size;
            peer.count = i + 1;
        }
        peer.chain = chain;
    }
    kenter_verify_peer(endpoint, &peer, options, verdict);
}

#ifdef __cplusplus
}
#endif

#endif
