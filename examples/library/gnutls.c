/* Is this the right server? With GnuTLS:  cc gnutls.c $(pkg-config --cflags --libs kenter gnutls)
 * ./a.out example.org 443        ./a.out [192.0.2.1] 443 CAS.pem */
#include "connect.h"
#include <kenter/dane-gnutls.h>

static void talk(gnutls_session_t session, int fd, const struct kenter_endpoint *endpoint,
                 const struct kenter_authorities *authorities, struct kenter_verdict *verdict)
{
    struct kenter_verify_options options;
    kenter_verify_options_init(&options);
    options.authorities = authorities;
    gnutls_transport_set_int(session, fd);
    if (kenter_gnutls_prepare(session, endpoint) == KENTER_OK &&
        gnutls_handshake(session) == GNUTLS_E_SUCCESS)
        kenter_gnutls_verify(session, endpoint, &options, verdict);
    /* If it is good: gnutls_record_send, gnutls_record_recv. */
}

int main(int argc, char **argv)
{
    size_t count;
    struct kenter_plan *plan = NULL;
    struct kenter_authorities *authorities = NULL;
    struct kenter_verdict verdict = {.kind = KENTER_FAILED, .reason = "no TLS session"};
    gnutls_certificate_credentials_t credentials;
    if (argc < 3)
        return fprintf(stderr, "usage: gnutls HOST PORT [CAS.pem]\n"), 2;
    if (gnutls_certificate_allocate_credentials(&credentials) < 0 ||
        !plan_for(argv, &plan, &authorities))
        return fprintf(stderr, "no plan\n"), 3;
    const struct kenter_endpoint *endpoints = kenter_plan_endpoints(plan, &count);
    for (size_t i = 0; i < count && !kenter_verdict_is_good(&verdict); i++) {
        gnutls_session_t session;
        if (endpoints[i].demand == KENTER_DEMAND_SKIP)
            continue;
        int fd = connect_to(&endpoints[i]);
        if (fd < 0)
            continue;
        if (gnutls_init(&session, GNUTLS_CLIENT | GNUTLS_ENABLE_RAWPK) >= 0) {
            gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
            talk(session, fd, &endpoints[i], authorities, &verdict);
            gnutls_deinit(session);
        }
        close(fd);
    }
    printf("%s: %s\n", kenter_verdict_text(verdict.kind), verdict.reason);
    kenter_authorities_free(authorities);
    kenter_plan_free(plan);
    gnutls_certificate_free_credentials(credentials);
    return verdict.kind == KENTER_AUTHENTICATED ? 0 : 1;
}
