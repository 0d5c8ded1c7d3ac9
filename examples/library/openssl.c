/* Is this the right server? With OpenSSL:  cc openssl.c $(pkg-config --cflags --libs kenter
 * openssl)
 * ./a.out example.org 443        ./a.out [192.0.2.1] 443 CAS.pem */
#include "connect.h"
#include <kenter/dane-openssl.h>

static void talk(SSL *ssl, const struct kenter_endpoint *endpoint,
                 const struct kenter_authorities *authorities, struct kenter_verdict *verdict)
{
    struct kenter_verify_options options;
    kenter_verify_options_init(&options);
    options.authorities = authorities;
    if (kenter_openssl_prepare(ssl, endpoint) == KENTER_OK && SSL_connect(ssl) == 1)
        kenter_openssl_verify(ssl, endpoint, &options, verdict);
    /* If it is good: SSL_write, SSL_read. */
}

int main(int argc, char **argv)
{
    size_t count;
    struct kenter_plan *plan = NULL;
    struct kenter_authorities *authorities = NULL;
    struct kenter_verdict verdict = {.kind = KENTER_FAILED, .reason = "no TLS session"};
    if (argc < 3)
        return fprintf(stderr, "usage: openssl HOST PORT [CAS.pem]\n"), 2;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context == NULL || !plan_for(argv, &plan, &authorities))
        return fprintf(stderr, "no plan\n"), 3;
    const struct kenter_endpoint *endpoints = kenter_plan_endpoints(plan, &count);
    for (size_t i = 0; i < count && !kenter_verdict_is_good(&verdict); i++) {
        if (endpoints[i].demand == KENTER_DEMAND_SKIP)
            continue;
        int fd = connect_to(&endpoints[i]);
        SSL *ssl = fd >= 0 ? SSL_new(context) : NULL;
        if (ssl != NULL && SSL_set_fd(ssl, fd) == 1)
            talk(ssl, &endpoints[i], authorities, &verdict);
        SSL_free(ssl);
        if (fd >= 0)
            close(fd);
    }
    printf("%s: %s\n", kenter_verdict_text(verdict.kind), verdict.reason);
    kenter_authorities_free(authorities);
    kenter_plan_free(plan);
    SSL_CTX_free(context);
    return verdict.kind == KENTER_AUTHENTICATED ? 0 : 1;
}
