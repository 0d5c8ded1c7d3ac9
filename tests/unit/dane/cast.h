/*
 * The cast of the matrices: certificates that are known by name, and a little language for what a
 * server shows and what TLSA records say of it.
 *
 *     chain  "leaf+inter+root"    leaf first; "key own" is its bare public key (RFC 7250), "plain"
 *                                 a server without TLS, "none" TLS without certificate, "junk" one
 *                                 that cannot be parsed; "leaf*100" the same a hundred times
 *     TLSA   "3 1 1 leaf, 2 0 0 ca"    data made from the certificate; "3 1 1 !leaf": with one bit
 *                                      wrong; "3 1 1 #20": that many octets of zeros
 *
 * All are for mx1.host.net unless their name says otherwise; `root` is a CA of the system, `ca` is
 * one of the host's own.
 */
#ifndef TEST_DANE_CAST_H
#define TEST_DANE_CAST_H

#include "certificates.h"
#include "dane/tlsa.h"
#include "dane/verify.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#define CAST_OLD  .not_before = CERTIFICATE_NOW - 100, .not_after = CERTIFICATE_NOW - 50
#define CAST_SOON .not_before = CERTIFICATE_NOW + 50
#define CAST_HOST .names = "DNS:mx1.host.net"

static const struct cast_role {
    const char *name, *issuer; /* NULL: signs itself */
    struct certificate_spec spec;
} cast_roles[] = {
    /* whom the system trusts */
    {"root", NULL, {.subject = "Root", .authority = true}},
    {"inter", "root", {.subject = "Intermediate", .authority = true}},
    {"leaf", "inter", {CAST_HOST}},
    {"leaf2", "inter", {.names = "DNS:mx2.host2.net"}},
    {"leafdomain", "inter", {.names = "DNS:example.org"}},
    {"leafold", "inter", {CAST_HOST, CAST_OLD}},
    {"leafother", "inter", {.names = "DNS:other.example"}},
    {"leafwild", "inter", {.names = "DNS:*.host.net"}},
    {"leafcn", "inter", {.subject = "mx1.host.net"}},
    {"leafsrv",
     "inter",
     {.names = "otherName:1.3.6.1.5.5.7.8.7;IA5STRING:_xmpp-server.example.org"}},
    {"leafsrvclient",
     "inter",
     {.names = "otherName:1.3.6.1.5.5.7.8.7;IA5STRING:_xmpp-client.example.org"}},
    {"leafxmpp", "inter", {.names = "otherName:1.3.6.1.5.5.7.8.5;UTF8:example.org"}},
    {"leafdomainold", "inter", {.names = "DNS:example.org", CAST_OLD}},
    {"leafmany", "inter", {.names = "DNS:a.example, DNS:b.example, DNS:example.org"}},
    {"leafdomainwild", "inter", {.names = "DNS:*.example.org"}},
    /* whom the host alone trusts */
    {"ca", NULL, {.subject = "Own CA", .authority = true}},
    {"sub", "ca", {.subject = "Own Sub", .authority = true}},
    {"own", "sub", {CAST_HOST}},
    {"direct", "ca", {CAST_HOST}},
    {"owntarget", "sub", {.names = "DNS:t1.cdn.net"}},
    {"owndomain", "sub", {.names = "DNS:example.org"}},
    {"ownalias", "sub", {.names = "DNS:alias.home.net"}},
    {"ownold", "sub", {CAST_HOST, CAST_OLD}},
    {"ownsoon", "sub", {CAST_HOST, CAST_SOON}},
    {"ownother", "sub", {.names = "DNS:other.example"}},
    {"ownwild", "sub", {.names = "DNS:*.host.net"}},
    {"owndeep", "sub", {.names = "DNS:*.net"}},
    {"owncn", "sub", {.subject = "mx1.host.net"}},
    {"owncnno", "sub", {.subject = "mx1.host.net", .names = "DNS:other.example"}},
    {"ownweak", "sub", {CAST_HOST, .rsa_bits = 1024}},
    {"ownsha1", "sub", {CAST_HOST, .sha1 = true}},
    {"ownclient", "sub", {CAST_HOST, .usage = "clientAuth"}},
    {"ownserver", "sub", {CAST_HOST, .usage = "serverAuth"}},
    {"subold", "ca", {.subject = "Old Sub", .authority = true, CAST_OLD}},
    {"undersubold", "subold", {CAST_HOST}},
    {"oldca", NULL, {.subject = "Old CA", .authority = true, CAST_OLD}},
    {"underold", "oldca", {CAST_HOST}},
    {"notca", "ca", {.subject = "No CA"}},
    {"undernotca", "notca", {CAST_HOST}},
    /* by themselves */
    {"self", NULL, {.subject = "mx1.host.net", CAST_HOST}},
    {"selfold", NULL, {.subject = "nobody", CAST_OLD}},
    {"selfnoname", NULL, {0}},
    {"selfweak", NULL, {.subject = "weak", .rsa_bits = 1024}},
    {"stranger", NULL, {.subject = "Stranger", .authority = true}},
};
#define CAST_COUNT (sizeof cast_roles / sizeof cast_roles[0])

static struct test_certificate cast_made[CAST_COUNT];
static char *cast_ca_file; /* with `root` */

static struct test_certificate *cast(const char *name, size_t length)
{
    for (size_t i = 0; i < CAST_COUNT; i++) {
        if (strlen(cast_roles[i].name) != length || strncmp(cast_roles[i].name, name, length) != 0)
            continue;
        if (!cast_made[i].x509) {
            struct certificate_spec spec = cast_roles[i].spec;
            const char *issuer = cast_roles[i].issuer;
            spec.issuer = issuer ? cast(issuer, strlen(issuer)) : NULL;
            cast_made[i] = certificate_make(&spec);
        }
        return &cast_made[i];
    }
    fprintf(stderr, "no certificate is called \"%.*s\"\n", (int)length, name);
    abort();
}

static inline void cast_begin(void)
{
    const struct test_certificate *root = cast("root", 4);
    cast_ca_file = certificate_file(&root, 1);
}

static inline void cast_end(void)
{
    unlink(cast_ca_file);
    free(cast_ca_file);
    for (size_t i = 0; i < CAST_COUNT; i++)
        certificate_free(&cast_made[i]);
}

static const char *cast_trim(const char *text, size_t *length)
{
    while (*length > 0 && *text == ' ') {
        text++;
        (*length)--;
    }
    while (*length > 0 && text[*length - 1] == ' ')
        (*length)--;
    return text;
}

/* --- TLSA --- */

#define CAST_RDATA 2048

/* One record of the list; its rdata. */
static inline size_t cast_tlsa_rdata(const char *text, size_t length, uint8_t out[CAST_RDATA])
{
    unsigned usage, selector, matching;
    char who[64], copy[128];
    text = cast_trim(text, &length);
    CERTIFICATE_MUST(length < sizeof copy);
    memcpy(copy, text, length);
    copy[length] = '\0';
    CERTIFICATE_MUST(sscanf(copy, "%u %u %u %63s", &usage, &selector, &matching, who) == 4);
    out[0] = (uint8_t)usage;
    out[1] = (uint8_t)selector;
    out[2] = (uint8_t)matching;
    if (who[0] == '#') {
        size_t zeros = (size_t)atoi(who + 1);
        memset(out + 3, 0, zeros);
        return 3 + zeros;
    }
    bool wrong = who[0] == '!';
    const struct test_certificate *made = cast(who + wrong, strlen(who + wrong));
    uint8_t *data;
    size_t size;
    CERTIFICATE_MUST(dane_tlsa_make((uint8_t)(selector & 1), matching > 2 ? 1 : (uint8_t)matching,
                                    made->der, made->length, &data, &size) == 0);
    CERTIFICATE_MUST(3 + size <= CAST_RDATA);
    memcpy(out + 3, data, size);
    out[3 + size - 1] ^= wrong;
    free(data);
    return 3 + size;
}

/* --- what a server shows --- */

#define CAST_CHAIN_MAX 128

struct cast_shown {
    struct dane_der der[CAST_CHAIN_MAX];
    const struct test_certificate *made[CAST_CHAIN_MAX]; /* NULL: junk */
    struct dane_peer peer;
};

static inline void cast_show(const char *text, struct cast_shown *out)
{
    static const uint8_t junk[] = {0x30, 0x03, 0x02, 0x01, 0x00};
    *out = (struct cast_shown){.peer.tls = strcmp(text, "plain") != 0};
    if (!out->peer.tls || strcmp(text, "none") == 0)
        return;
    if (strncmp(text, "key ", 4) == 0) {
        const struct test_certificate *made = cast(text + 4, strlen(text + 4));
        out->peer.raw_public_key = made->public_key;
        out->peer.raw_length = made->public_length;
        return;
    }
    while (*text) {
        size_t length = strcspn(text, "+"), name = strcspn(text, "+*");
        size_t times = text[name] == '*' ? (size_t)atoi(text + name + 1) : 1;
        for (; times > 0; times--) {
            size_t at = out->peer.count++;
            CERTIFICATE_MUST(at < CAST_CHAIN_MAX);
            if (name == 4 && strncmp(text, "junk", 4) == 0) {
                out->der[at] = (struct dane_der){junk, sizeof junk};
                continue;
            }
            out->made[at] = cast(text, name);
            out->der[at] = (struct dane_der){out->made[at]->der, out->made[at]->length};
        }
        text += length + (text[length] == '+');
    }
    out->peer.chain = out->der;
}

/* --- the same asked of OpenSSL's own DANE, in a handshake in memory --- */

enum cast_opinion { CAST_YES, CAST_NO, CAST_CANNOT_SAY };

static inline SSL *cast_server(SSL_CTX *context, const struct cast_shown *shown)
{
    SSL_CTX_set_security_level(context, 0);
    CERTIFICATE_MUST(shown->made[0]);
    CERTIFICATE_MUST(SSL_CTX_use_certificate(context, shown->made[0]->x509) == 1);
    CERTIFICATE_MUST(SSL_CTX_use_PrivateKey(context, shown->made[0]->key) == 1);
    for (size_t i = 1; i < shown->peer.count && shown->made[i]; i++)
        CERTIFICATE_MUST(SSL_CTX_add1_chain_cert(context, shown->made[i]->x509) == 1);
    SSL *ssl = SSL_new(context);
    SSL_set_accept_state(ssl);
    return ssl;
}

/* The client's side: records and names of the endpoint. False: no record can be used. */
static inline bool cast_client(SSL *ssl, const struct dane_endpoint *endpoint, unsigned usages)
{
    bool any = false;
    const char *base = endpoint->references[0].name;
    CERTIFICATE_MUST(SSL_dane_enable(ssl, base) > 0);
    SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
    for (size_t i = 1; i < endpoint->reference_count; i++)
        CERTIFICATE_MUST(SSL_add1_host(ssl, endpoint->references[i].name) == 1);
    for (size_t i = 0; i < endpoint->tlsa_count; i++) {
        const struct dane_tlsa *tlsa = &endpoint->tlsa[i];
        if (tlsa->usage <= DANE_EE && (usages >> tlsa->usage & 1) &&
            SSL_dane_tlsa_add(ssl, tlsa->usage, tlsa->selector, tlsa->matching, tlsa->data,
                              tlsa->length) > 0)
            any = true;
    }
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    SSL_set_security_level(ssl, 0);
    X509_VERIFY_PARAM *parameters = SSL_get0_param(ssl);
    X509_VERIFY_PARAM_set_time(parameters, CERTIFICATE_NOW);
    SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    SSL_set_connect_state(ssl);
    return any;
}

/* Levels: sessions may be made with any key, but chains are held to what ours are held to. */
static inline int cast_verify(X509_STORE_CTX *context, void *argument)
{
    X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(context), 2);
    return X509_verify_cert(context);
}

static inline enum cast_opinion cast_ask_openssl(const struct dane_endpoint *endpoint,
                                                 const struct cast_shown *shown, unsigned usages,
                                                 long *why)
{
    for (size_t i = 0; i < shown->peer.count; i++) {
        if (!shown->made[i])
            return CAST_CANNOT_SAY;
    }
    if (shown->peer.count == 0 || shown->peer.count > 20 || endpoint->reference_count == 0)
        return CAST_CANNOT_SAY;
    SSL_CTX *server_context = SSL_CTX_new(TLS_server_method());
    SSL_CTX *client_context = SSL_CTX_new(TLS_client_method());
    CERTIFICATE_MUST(SSL_CTX_dane_enable(client_context) > 0);
    CERTIFICATE_MUST(SSL_CTX_load_verify_file(client_context, cast_ca_file) == 1);
    SSL_CTX_set_cert_verify_callback(client_context, cast_verify, NULL);
    SSL *server = cast_server(server_context, shown), *client = SSL_new(client_context);
    enum cast_opinion opinion = CAST_CANNOT_SAY;
    if (cast_client(client, endpoint, usages)) {
        BIO *ours, *theirs;
        CERTIFICATE_MUST(BIO_new_bio_pair(&ours, 0, &theirs, 0) == 1);
        SSL_set_bio(client, ours, ours);
        SSL_set_bio(server, theirs, theirs);
        int done = 0;
        for (int round = 0; round < 20 && done != 1; round++) {
            done = SSL_do_handshake(client);
            SSL_do_handshake(server);
        }
        *why = SSL_get_verify_result(client);
        opinion = done == 1 && *why == X509_V_OK && SSL_get0_dane_authority(client, NULL, NULL) >= 0
                      ? CAST_YES
                      : CAST_NO;
    }
    SSL_free(client);
    SSL_free(server);
    SSL_CTX_free(client_context);
    SSL_CTX_free(server_context);
    ERR_clear_error();
    return opinion;
}

#endif
