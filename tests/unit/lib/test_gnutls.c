/*
 * kenter/dane-gnutls.h: sessions of GnuTLS, over a pair of sockets, with servers that show chains
 * or bare keys (RFC 7250). The endpoints are made by hand: all that is needed stands in them.
 */
#include "dane/cast.h"

#include "kenter/dane-gnutls.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>

#include <cmocka.h>

#define TLSA_MAX 4

/* What a server shows, what is demanded of it, and what comes of it. */
static const struct trial {
    const char *shows; /* as cast_show; "none": no handshake comes about */
    enum kenter_demand demand;
    const char *tlsa;
    int raw; /* may be asked for */
    enum kenter_verdict_kind kind;
    const char *why;
} trials[] = {
    /* bare keys */
    {"key own", KENTER_DEMAND_DANE, "3 1 1 own", 1, KENTER_AUTHENTICATED, "bare key"},
    {"key own", KENTER_DEMAND_DANE, "3 1 2 own", 1, KENTER_AUTHENTICATED, "bare key"},
    {"key own", KENTER_DEMAND_DANE, "3 1 0 own", 1, KENTER_AUTHENTICATED, "bare key"},
    {"key own", KENTER_DEMAND_DANE, "3 1 1 self, 3 1 1 own", 1, KENTER_AUTHENTICATED, "bare key"},
    {"key own", KENTER_DEMAND_DANE, "3 1 1 !own", 1, KENTER_REFUSED, "none of the 1"},
    {"key own", KENTER_DEMAND_DANE, "3 0 1 own", 1, KENTER_REFUSED, "none of the 1"},
    {"key own", KENTER_DEMAND_DANE, "1 1 1 own", 1, KENTER_REFUSED, "none of the 1"},
    {"key ca", KENTER_DEMAND_DANE, "2 1 1 ca, 3 1 1 self", 1, KENTER_REFUSED, "none of the 2"},
    {"key own", KENTER_DEMAND_PKIX, "", 1, KENTER_REFUSED, "bare key"},
    {"key own", KENTER_DEMAND_TLS, "", 1, KENTER_ENCRYPTED, ""},
    {"key own", KENTER_DEMAND_SKIP, "3 1 1 own", 1, KENTER_REFUSED, "must not be used"},
    /* one that has nothing but a bare key, and was not asked for it */
    {"key own", KENTER_DEMAND_DANE, "3 1 1 own", 0, KENTER_FAILED, "no session"},
    /* who asks for a bare key takes a certificate as well */
    {"own+sub+ca", KENTER_DEMAND_DANE, "3 1 1 own", 1, KENTER_AUTHENTICATED, "the server's key"},
    /* chains */
    {"own+sub+ca", KENTER_DEMAND_DANE, "3 1 1 own", 0, KENTER_AUTHENTICATED, "the server's key"},
    {"ownold", KENTER_DEMAND_DANE, "3 0 1 ownold", 0, KENTER_AUTHENTICATED, "its certificate"},
    {"own+sub+ca", KENTER_DEMAND_DANE, "2 0 1 ca", 0, KENTER_AUTHENTICATED, "CA of the domain"},
    {"own+sub", KENTER_DEMAND_DANE, "2 1 1 sub", 0, KENTER_AUTHENTICATED, "CA of the domain"},
    {"own+sub", KENTER_DEMAND_DANE, "2 0 1 ca", 0, KENTER_REFUSED, "none of the 1"},
    {"ownold+sub+ca", KENTER_DEMAND_DANE, "2 0 1 ca", 0, KENTER_REFUSED, "expired"},
    {"ownother+sub+ca", KENTER_DEMAND_DANE, "2 0 1 ca", 0, KENTER_REFUSED, "not for"},
    {"self", KENTER_DEMAND_DANE, "2 0 1 ca", 0, KENTER_REFUSED, "none of the 1"},
    /* a CA of the system is no help against records that do not match, and else it is */
    {"leaf+inter", KENTER_DEMAND_DANE, "3 1 1 !leaf", 0, KENTER_REFUSED, "none of the 1"},
    {"leaf+inter", KENTER_DEMAND_DANE, "1 1 1 leaf", 0, KENTER_AUTHENTICATED, "vouches"},
    {"leaf+inter", KENTER_DEMAND_DANE, "0 0 1 inter", 0, KENTER_AUTHENTICATED, "vouches"},
    {"leaf+inter", KENTER_DEMAND_PKIX, "", 0, KENTER_AUTHENTICATED, "vouches"},
    {"own+sub+ca", KENTER_DEMAND_PKIX, "", 0, KENTER_REFUSED, "not to be trusted"},
    {"leafother+inter", KENTER_DEMAND_PKIX, "", 0, KENTER_REFUSED, "not for"},
    {"self", KENTER_DEMAND_NOTHING, "", 0, KENTER_ENCRYPTED, ""},
    {"plain", KENTER_DEMAND_NOTHING, "", 0, KENTER_PLAIN, ""},
    {"plain", KENTER_DEMAND_DANE, "3 1 1 own", 0, KENTER_REFUSED, "does not offer"},
};

/* --- the server --- */

static gnutls_datum_t as_pem(const struct test_certificate *const *made, size_t count, int key)
{
    BIO *memory = BIO_new(BIO_s_mem());
    char *text;
    for (size_t i = 0; i < count; i++)
        CERTIFICATE_MUST(
            key == 1   ? PEM_write_bio_PrivateKey(memory, made[i]->key, NULL, NULL, 0, NULL, NULL)
            : key == 2 ? PEM_write_bio_PUBKEY(memory, made[i]->key)
                       : PEM_write_bio_X509(memory, made[i]->x509));
    long length = BIO_get_mem_data(memory, &text);
    gnutls_datum_t pem = {malloc((size_t)length), (unsigned)length};
    CERTIFICATE_MUST(pem.data);
    memcpy(pem.data, text, (size_t)length);
    BIO_free(memory);
    return pem;
}

static gnutls_certificate_credentials_t server_credentials(const char *shows)
{
    gnutls_certificate_credentials_t credentials;
    bool raw = strncmp(shows, "key ", 4) == 0;
    struct cast_shown shown;
    CERTIFICATE_MUST(gnutls_certificate_allocate_credentials(&credentials) == 0);
    cast_show(shows, &shown);
    const struct test_certificate *leaf = raw ? cast(shows + 4, strlen(shows + 4)) : shown.made[0];
    CERTIFICATE_MUST(leaf);
    gnutls_datum_t key = as_pem(&leaf, 1, 1);
    gnutls_datum_t shows_pem = raw ? as_pem(&leaf, 1, 2) : as_pem(shown.made, shown.peer.count, 0);
    CERTIFICATE_MUST(
        (raw ? gnutls_certificate_set_rawpk_key_mem(credentials, &shows_pem, &key,
                                                    GNUTLS_X509_FMT_PEM, NULL, 0, NULL, 0, 0)
             : gnutls_certificate_set_x509_key_mem(credentials, &shows_pem, &key,
                                                   GNUTLS_X509_FMT_PEM)) >= 0);
    free(key.data);
    free(shows_pem.data);
    return credentials;
}

/* Both sides in turn, until both are done or one has failed. */
static bool shake_hands(gnutls_session_t client, gnutls_session_t server)
{
    int ours = GNUTLS_E_AGAIN, theirs = GNUTLS_E_AGAIN;
    for (int round = 0; round < 100; round++) {
        if (ours != 0)
            ours = gnutls_handshake(client);
        if (theirs != 0)
            theirs = gnutls_handshake(server);
        if ((ours == 0 && theirs == 0) || (ours != 0 && gnutls_error_is_fatal(ours)))
            break;
    }
    return ours == 0;
}

/* --- one trial --- */

static struct kenter_authorities *authorities;

/* Judged as plans judge. */
static size_t make_tlsa(const char *list, struct kenter_tlsa out[TLSA_MAX],
                        uint8_t rdata[TLSA_MAX][CAST_RDATA])
{
    struct dane_tlsa tlsa[TLSA_MAX];
    size_t count = 0;
    while (*list) {
        size_t length = strcspn(list, ",");
        size_t size = cast_tlsa_rdata(list, length, rdata[count]);
        CERTIFICATE_MUST(dane_tlsa_read(rdata[count], size, &tlsa[count]) == 0);
        count++;
        list += length + (list[length] == ',');
    }
    dane_tlsa_judge(tlsa, count, DANE_USAGES_ALL);
    for (size_t i = 0; i < count; i++)
        out[i] = (struct kenter_tlsa){.usage = tlsa[i].usage,
                                      .selector = tlsa[i].selector,
                                      .matching = tlsa[i].matching,
                                      .usable = tlsa[i].unusable == DANE_USABLE,
                                      .length = (uint16_t)tlsa[i].length,
                                      .data = tlsa[i].data,
                                      .judgement = ""};
    return count;
}

static void run_session(const struct trial *trial, const struct kenter_endpoint *endpoint,
                        const struct kenter_verify_options *options, struct kenter_verdict *verdict)
{
    gnutls_certificate_credentials_t ours, theirs = server_credentials(trial->shows);
    gnutls_session_t client, server;
    int pair[2];
    CERTIFICATE_MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    CERTIFICATE_MUST(gnutls_certificate_allocate_credentials(&ours) == 0);
    CERTIFICATE_MUST(gnutls_init(&client, GNUTLS_CLIENT | GNUTLS_ENABLE_RAWPK) == 0);
    CERTIFICATE_MUST(gnutls_init(&server, GNUTLS_SERVER | GNUTLS_ENABLE_RAWPK) == 0);
    CERTIFICATE_MUST(
        gnutls_priority_set_direct(server, "NORMAL:+CTYPE-SRV-RAWPK:+CTYPE-SRV-X509", NULL) == 0);
    gnutls_credentials_set(client, GNUTLS_CRD_CERTIFICATE, ours);
    gnutls_credentials_set(server, GNUTLS_CRD_CERTIFICATE, theirs);
    assert_int_equal(kenter_gnutls_prepare(client, endpoint), KENTER_OK);
    gnutls_transport_set_int(client, pair[0]);
    gnutls_transport_set_int(server, pair[1]);
    if (shake_hands(client, server)) {
        char name[256];
        size_t length = sizeof name;
        unsigned type;
        kenter_gnutls_verify(client, endpoint, options, verdict);
        assert_int_equal(gnutls_server_name_get(server, name, &length, &type, 0), 0);
        assert_string_equal(name, "mx1.host.net");
        assert_true(gnutls_protocol_get_version(client) >= GNUTLS_TLS1_2);
    }
    gnutls_deinit(client);
    gnutls_deinit(server);
    gnutls_certificate_free_credentials(ours);
    gnutls_certificate_free_credentials(theirs);
    close(pair[0]);
    close(pair[1]);
}

static void run(const struct trial *trial, struct kenter_verdict *verdict)
{
    static uint8_t rdata[TLSA_MAX][CAST_RDATA];
    static const struct kenter_reference reference = {KENTER_REFERENCE_DNS, "mx1.host.net"};
    struct kenter_tlsa tlsa[TLSA_MAX];
    struct kenter_verify_options options;
    struct kenter_endpoint endpoint = {
        .service = KENTER_TLS,
        .demand = trial->demand,
        .domain = "host.net",
        .host = "mx1.host.net",
        .base = "mx1.host.net",
        .sni = "mx1.host.net",
        .port = 443,
        .delegation_secure = 1,
        .tlsa = tlsa,
        .tlsa_count = make_tlsa(trial->tlsa, tlsa, rdata),
        .references = &reference,
        .reference_count = 1,
        .raw_public_key = trial->raw,
        .reason = "",
    };
    kenter_verify_options_init(&options);
    options.now = CERTIFICATE_NOW;
    options.authorities = authorities;
    *verdict = (struct kenter_verdict){.kind = KENTER_FAILED, .reason = "no session"};
    if (strcmp(trial->shows, "plain") == 0)
        kenter_gnutls_verify(NULL, &endpoint, &options, verdict);
    else
        run_session(trial, &endpoint, &options, verdict);
}

static void test_trials(void **state)
{
    for (size_t i = 0; i < sizeof trials / sizeof trials[0]; i++) {
        struct kenter_verdict verdict;
        run(&trials[i], &verdict);
        if (verdict.kind != trials[i].kind || !strstr(verdict.reason, trials[i].why))
            fail_msg("%s, %s, \"%s\": %s: %s", trials[i].shows,
                     kenter_demand_text(trials[i].demand), trials[i].tlsa,
                     kenter_verdict_text(verdict.kind), verdict.reason);
        assert_int_equal(kenter_verdict_is_good(&verdict), verdict.kind <= KENTER_PLAIN);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_trials)};
    cast_begin();
    CERTIFICATE_MUST(kenter_authorities_new(cast_ca_file, &authorities) == KENTER_OK);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    kenter_authorities_free(authorities);
    cast_end();
    return failed;
}
