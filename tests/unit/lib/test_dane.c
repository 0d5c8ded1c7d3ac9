/*
 * kenter/dane.h from outside: plans over a signed world that a transport brings, blocking and with
 * an event loop, policies from the program, verdicts, and sessions of OpenSSL.
 */
#pragma GCC diagnostic ignored "-Wunused-function"
#include "dane/cast.h"
#include "validate/world.h"

#include "kenter/dane-openssl.h"
#include "kenter/dane.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct fixture {
    struct world *world;
    struct kenter_anchors *anchors;
    struct kenter_resolver *resolver;
    struct kenter_ticket *held[64]; /* answered only in `pump` */
    uint8_t packets[64][4096];
    size_t lengths[64], held_count;
    bool hold;
};

static void ask(void *context, const struct kenter_query *query, struct kenter_ticket *ticket)
{
    struct fixture *fixture = context;
    static uint8_t packet[65535];
    size_t length = world_answer(fixture->world, query->name.wire, query->type, packet, 65535);
    if (!fixture->hold) {
        kenter_reply(ticket, packet, length);
        return;
    }
    MUST(fixture->held_count < 64 && length <= 4096);
    size_t at = fixture->held_count++;
    fixture->held[at] = ticket;
    memcpy(fixture->packets[at], packet, length);
    fixture->lengths[at] = length;
}

static void cancel(void *context, struct kenter_ticket *ticket)
{
    struct fixture *fixture = context;
    for (size_t i = 0; i < fixture->held_count; i++) {
        if (fixture->held[i] == ticket)
            fixture->held[i] = NULL;
    }
}

/* Answers what is held, and lets the resolver work. */
static void pump(struct fixture *fixture)
{
    for (size_t i = 0; i < fixture->held_count; i++) {
        if (fixture->held[i])
            kenter_reply(fixture->held[i], fixture->packets[i], fixture->lengths[i]);
    }
    fixture->held_count = 0;
    struct pollfd wait = {kenter_resolver_fd(fixture->resolver), POLLIN, 0};
    int most = kenter_resolver_timeout_ms(fixture->resolver);
    poll(&wait, 1, most < 0 || most > 10 ? 10 : most);
    kenter_resolver_process(fixture->resolver);
}

static int64_t fixed_clock(void *context)
{
    return NOW;
}

static void add_tlsa(struct world_zone *zone, const char *owner, const char *record)
{
    uint8_t rdata[CAST_RDATA];
    size_t length = cast_tlsa_rdata(record, strlen(record), rdata);
    struct world_record *made = &zone->records[zone->count++];
    memset(made, 0, sizeof *made);
    name_copy(made->name, wire(owner));
    made->type = DNS_TYPE_TLSA;
    made->ttl = 3600;
    made->length = (uint16_t)length;
    memcpy(made->rdata, rdata, length);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct world *world = fixture->world = world_new();
    struct world_zone *root = world_zone(world, "."), *org = world_zone(world, "example.org.");
    struct world_zone *host = world_zone(world, "host.net.");
    world_add(org, "@ MX 10 mx1.host.net.");
    world_add(org, "@ MX 20 mx2.host.net.");
    world_add(org, "_mta-sts TXT v=STSv1;id=1");
    world_add(org, "_imaps._tcp SRV 0 0 993 mx1.host.net.");
    world_add(host, "mx1 A 192.0.2.1");
    world_add(host, "mx1 AAAA 2001:db8::1");
    world_add(host, "mx2 A 192.0.2.2");
    add_tlsa(host, "_25._tcp.mx1.host.net.", "3 1 1 own");
    add_tlsa(host, "_25._tcp.mx1.host.net.", "3 1 1 #31");
    add_tlsa(host, "_443._tcp.mx1.host.net.", "2 0 1 ca");
    char text[512];
    unsigned char base64[256];
    EVP_EncodeBlock(base64, root->ksk.dnskey + 4, (int)root->ksk.length - 4);
    snprintf(text, sizeof text, ". IN DNSKEY 257 3 %u %s\n", crypto_key_algorithm(root->ksk.key),
             base64);
    assert_int_equal(kenter_anchors_new(&fixture->anchors), KENTER_OK);
    assert_int_equal(kenter_anchors_add_text(fixture->anchors, text, NULL, NULL), KENTER_OK);
    struct kenter_transport transport = {ask, cancel, fixture};
    struct kenter_resolver_options options;
    char why[KENTER_WHY];
    kenter_resolver_options_init(&options);
    options.from = KENTER_FROM_TRANSPORT;
    options.transport = &transport;
    options.clock = fixed_clock;
    options.anchors = fixture->anchors;
    assert_int_equal(kenter_resolver_new(&options, why, &fixture->resolver), KENTER_OK);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    kenter_resolver_free(fixture->resolver);
    kenter_anchors_free(fixture->anchors);
    world_free(fixture->world);
    free(fixture);
    return 0;
}

static void judge(const struct kenter_endpoint *endpoint, const char *shows,
                  struct kenter_verdict *verdict)
{
    struct cast_shown shown;
    struct kenter_der chain[CAST_CHAIN_MAX];
    struct kenter_verify_options options;
    cast_show(shows, &shown);
    for (size_t i = 0; i < shown.peer.count; i++)
        chain[i] = (struct kenter_der){shown.der[i].data, shown.der[i].length};
    struct kenter_peer peer = {.tls = shown.peer.tls,
                               .chain = chain,
                               .count = shown.peer.count,
                               .raw_public_key = shown.peer.raw_public_key,
                               .raw_length = shown.peer.raw_length};
    kenter_verify_options_init(&options);
    options.now = NOW;
    kenter_verify_peer(endpoint, &peer, &options, verdict);
}

static void test_mail(void **state)
{
    struct fixture *fixture = *state;
    struct kenter_authenticate_options options;
    struct kenter_plan *plan;
    struct kenter_verdict verdict;
    size_t count;
    kenter_authenticate_options_init(&options);
    options.no_sts = 1;
    assert_int_equal(
        kenter_authenticate(fixture->resolver, KENTER_SMTP, "Example.ORG.", 0, &options, &plan),
        KENTER_OK);
    /* A plan outlives its resolver's caches, and is shared. */
    kenter_resolver_clear(fixture->resolver);
    kenter_plan_free(kenter_plan_ref(plan));
    assert_int_equal(kenter_plan_outcome(plan), KENTER_OUTCOME_GO);
    assert_string_equal(kenter_plan_domain(plan), "example.org");
    assert_true(kenter_plan_ttl(plan) > 0 && kenter_plan_expiry(plan) > NOW);
    assert_true(strlen(kenter_plan_reason(plan)) > 10);
    const struct kenter_endpoint *endpoints = kenter_plan_endpoints(plan, &count);
    assert_int_equal(count, 2);
    assert_string_equal(endpoints[0].host, "mx1.host.net");
    assert_string_equal(endpoints[0].sni, "mx1.host.net");
    assert_string_equal(endpoints[0].base, "mx1.host.net");
    assert_int_equal(endpoints[0].port, 25);
    assert_int_equal(endpoints[0].start, KENTER_START_SMTP);
    assert_int_equal(endpoints[0].demand, KENTER_DEMAND_DANE);
    assert_true(endpoints[0].delegation_secure && endpoints[0].raw_public_key);
    assert_int_equal(endpoints[0].address_count, 2);
    assert_int_equal(endpoints[0].addresses[0].family, 6);
    assert_int_equal(endpoints[0].tlsa_count, 2);
    assert_int_equal(endpoints[0].tlsa[0].usable + endpoints[0].tlsa[1].usable, 1);
    assert_int_equal(endpoints[0].reference_count, 2);
    assert_int_equal(endpoints[1].demand, KENTER_DEMAND_NOTHING);
    judge(&endpoints[0], "own", &verdict);
    assert_int_equal(verdict.kind, KENTER_AUTHENTICATED);
    assert_true(kenter_verdict_is_good(&verdict) && verdict.by_dane);
    assert_true(endpoints[0].tlsa[verdict.tlsa].usable);
    judge(&endpoints[0], "key own", &verdict);
    assert_int_equal(verdict.kind, KENTER_AUTHENTICATED);
    judge(&endpoints[0], "self", &verdict);
    assert_int_equal(verdict.kind, KENTER_REFUSED);
    assert_false(kenter_verdict_is_good(&verdict));
    assert_int_equal(verdict.tlsa, KENTER_NONE);
    assert_string_equal(verdict.tlsrpt, "validation-failure");
    judge(&endpoints[0], "plain", &verdict);
    assert_int_equal(verdict.kind, KENTER_REFUSED);
    judge(&endpoints[1], "plain", &verdict);
    assert_int_equal(verdict.kind, KENTER_PLAIN);
    kenter_plan_free(plan);
}

struct outcome {
    unsigned calls;
    struct kenter_plan *plan;
};

static void planned(void *context, struct kenter_plan *plan)
{
    struct outcome *outcome = context;
    outcome->calls++;
    outcome->plan = plan;
}

static struct kenter_fetch *held_fetch;
static char fetched_url[300];

static void fetch_later(void *context, const char *url, struct kenter_fetch *ticket)
{
    snprintf(fetched_url, sizeof fetched_url, "%s", url);
    held_fetch = ticket;
}

static void fetch_now(void *context, const char *url, struct kenter_fetch *ticket)
{
    const char *text = context;
    kenter_fetched(ticket, text, text ? strlen(text) : 0, "no web server");
}

#define POLICY "version: STSv1\nmode: enforce\nmx: *.host.net\nmax_age: 60\n"

static void test_event_loop(void **state)
{
    struct fixture *fixture = *state;
    struct kenter_authenticate_options options;
    struct kenter_authentication *authentication;
    struct outcome outcome = {0};
    size_t count;
    fixture->hold = true;
    kenter_authenticate_options_init(&options);
    assert_int_equal(kenter_authenticate_start(fixture->resolver, KENTER_SMTP, "example.org", 0,
                                               &options, planned, &outcome, &authentication),
                     KENTER_EINVAL); /* who fetches? */
    options.fetch = fetch_later;
    held_fetch = NULL;
    assert_int_equal(kenter_authenticate_start(fixture->resolver, KENTER_SMTP, "example.org", 0,
                                               &options, planned, &outcome, &authentication),
                     KENTER_OK);
    assert_non_null(authentication);
    for (int i = 0; i < 200 && !held_fetch; i++)
        pump(fixture);
    assert_non_null(held_fetch);
    assert_int_equal(outcome.calls, 0);
    assert_string_equal(fetched_url, "https://mta-sts.example.org/.well-known/mta-sts.txt");
    kenter_fetched(held_fetch, POLICY, strlen(POLICY), NULL);
    assert_int_equal(outcome.calls, 1);
    const struct kenter_endpoint *endpoints = kenter_plan_endpoints(outcome.plan, &count);
    assert_int_equal(count, 2);
    assert_int_equal(endpoints[0].demand, KENTER_DEMAND_DANE);
    assert_int_equal(endpoints[1].demand, KENTER_DEMAND_PKIX);
    assert_true(endpoints[1].sts);
    assert_string_equal(kenter_plan_sts_mode(outcome.plan), "enforce");
    kenter_plan_free(outcome.plan);
    /* Cancelled: before any answer, and while a policy is fetched. */
    for (int after = 0; after < 2; after++) {
        held_fetch = NULL;
        kenter_resolver_clear(fixture->resolver);
        assert_int_equal(kenter_authenticate_start(fixture->resolver, KENTER_SMTP, "example.org", 0,
                                                   &options, planned, &outcome, &authentication),
                         KENTER_OK);
        for (int i = 0; after && i < 200 && !held_fetch; i++)
            pump(fixture);
        kenter_authenticate_cancel(authentication);
        if (held_fetch)
            kenter_fetched(held_fetch, POLICY, strlen(POLICY), NULL);
        for (int i = 0; i < 3; i++)
            pump(fixture);
        assert_int_equal(outcome.calls, 1);
    }
    kenter_authenticate_cancel(NULL);
    /* An address needs no answer. */
    authentication = (void *)&options;
    assert_int_equal(kenter_authenticate_start(fixture->resolver, KENTER_SMTP, "[192.0.2.1]", 0,
                                               &options, planned, &outcome, &authentication),
                     KENTER_OK);
    assert_null(authentication);
    assert_int_equal(outcome.calls, 2);
    kenter_plan_free(outcome.plan);
}

static void test_policies(void **state)
{
    struct fixture *fixture = *state;
    struct kenter_authenticate_options options;
    struct kenter_plan *plan;
    kenter_authenticate_options_init(&options);
    options.fetch = fetch_now;
    for (int there = 0; there < 2; there++) {
        options.fetch_context = there ? (void *)POLICY : NULL;
        assert_int_equal(
            kenter_authenticate(fixture->resolver, KENTER_SMTP, "example.org", 0, &options, &plan),
            KENTER_OK);
        assert_int_equal(kenter_plan_sts_mode(plan) != NULL, there);
        assert_int_equal(kenter_plan_sts_problem(plan) != NULL, !there);
        kenter_plan_free(plan);
    }
}

/* Who fetches is the library: the host of the policy is looked up by the resolver, not the system.
 */
static void test_policy_host(void **state)
{
    struct fixture *fixture = *state;
    struct kenter_plan *plan;
    size_t count;
    assert_int_equal(
        kenter_authenticate(fixture->resolver, KENTER_SMTP, "example.org", 0, NULL, &plan),
        KENTER_OK);
    assert_non_null(
        strstr(kenter_plan_sts_problem(plan), "mta-sts.example.org: it has no address"));
    assert_int_equal(kenter_plan_endpoints(plan, &count)[1].demand, KENTER_DEMAND_NOTHING);
    kenter_plan_free(plan);
}

static void test_wrong_calls(void **state)
{
    struct fixture *fixture = *state;
    struct kenter_plan *plan;
    enum kenter_service service;
    assert_int_equal(kenter_authenticate(fixture->resolver, KENTER_SMTP, "a b", 0, NULL, &plan),
                     KENTER_EFORMAT);
    assert_int_equal(kenter_authenticate(fixture->resolver, KENTER_TLS, "a", 0, NULL, &plan),
                     KENTER_EINVAL);
    assert_int_equal(
        kenter_authenticate(fixture->resolver, (enum kenter_service)99, "a", 1, NULL, &plan),
        KENTER_EINVAL);
    for (int i = KENTER_SMTP; i <= KENTER_TLS; i++) {
        assert_int_equal(
            kenter_service_parse(kenter_service_text((enum kenter_service)i), &service), KENTER_OK);
        assert_int_equal(service, i);
    }
    assert_int_equal(kenter_service_parse("gopher", &service), KENTER_EFORMAT);
    assert_string_equal(kenter_demand_text(KENTER_DEMAND_DANE), "dane");
    assert_string_equal(kenter_outcome_text(KENTER_OUTCOME_GO), "go");
    assert_string_equal(kenter_verdict_text(KENTER_REFUSED), "refused");
    struct kenter_authorities *authorities;
    assert_int_equal(kenter_authorities_new("/nonexistent", &authorities), KENTER_EIO);
    kenter_authorities_free(NULL);
    kenter_plan_free(NULL);
}

/* SRV, and a session of OpenSSL with a host whose CA is its own. */
static void test_session(void **state)
{
    struct fixture *fixture = *state;
    struct kenter_plan *plan;
    struct kenter_verdict verdict;
    struct kenter_verify_options options;
    size_t count;
    assert_int_equal(
        kenter_authenticate(fixture->resolver, KENTER_IMAPS, "example.org", 0, NULL, &plan),
        KENTER_OK);
    const struct kenter_endpoint *endpoints = kenter_plan_endpoints(plan, &count);
    assert_int_equal(count, 1);
    assert_int_equal(endpoints[0].port, 993);
    assert_int_equal(endpoints[0].demand, KENTER_DEMAND_PKIX);
    kenter_plan_free(plan);
    assert_int_equal(
        kenter_authenticate(fixture->resolver, KENTER_TLS, "mx1.host.net", 443, NULL, &plan),
        KENTER_OK);
    endpoints = kenter_plan_endpoints(plan, &count);
    assert_int_equal(endpoints[0].demand, KENTER_DEMAND_DANE);
    kenter_verify_options_init(&options);
    options.now = NOW;
    for (int good = 0; good < 2; good++) {
        struct cast_shown shown;
        SSL_CTX *server_context = SSL_CTX_new(TLS_server_method());
        SSL_CTX *client_context = SSL_CTX_new(TLS_client_method());
        BIO *ours, *theirs;
        cast_show(good ? "own+sub+ca" : "ownold+sub+ca", &shown);
        SSL *server = cast_server(server_context, &shown), *client = SSL_new(client_context);
        assert_int_equal(kenter_openssl_prepare(client, &endpoints[0]), KENTER_OK);
        SSL_set_connect_state(client);
        assert_int_equal(BIO_new_bio_pair(&ours, 0, &theirs, 0), 1);
        SSL_set_bio(client, ours, ours);
        SSL_set_bio(server, theirs, theirs);
        for (int round = 0; round < 10; round++) {
            SSL_do_handshake(client);
            SSL_do_handshake(server);
        }
        assert_string_equal(SSL_get_servername(server, TLSEXT_NAMETYPE_host_name), "mx1.host.net");
        kenter_openssl_verify(client, &endpoints[0], &options, &verdict);
        assert_int_equal(verdict.kind, good ? KENTER_AUTHENTICATED : KENTER_REFUSED);
        assert_string_equal(verdict.tlsrpt, good ? "" : "certificate-expired");
        SSL_free(client);
        SSL_free(server);
        SSL_CTX_free(client_context);
        SSL_CTX_free(server_context);
    }
    kenter_openssl_verify(NULL, &endpoints[0], &options, &verdict);
    assert_int_equal(verdict.kind, KENTER_REFUSED);
    kenter_plan_free(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_mail, setup, teardown),
        cmocka_unit_test_setup_teardown(test_event_loop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_policies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_policy_host, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_calls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_session, setup, teardown),
    };
    cast_begin();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    cast_end();
    return failed;
}
