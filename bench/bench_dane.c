/*
 * What plans and verdicts cost: a mail domain with two hosts, whose answers are in the cache (the
 * resolver is not asked again); verdicts by usage 3, usage 2, and CAs. Then the plans of many
 * domains side by side over a resolver on loopback that answers at once, beside the bare look-ups.
 *
 *     bench_dane [DOMAINS]
 */
#include "auth/authenticate.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/reader.h"
#include "dns/message.h"
#include "dns/name.h"

#include "../tests/unit/dane/cast.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static double seconds(void)
{
    return (double)base_clock_monotonic() / 1e9;
}

/* --- answers: without signatures, since what validation costs is another benchmark's --- */

static uint8_t *put_record(uint8_t *at, uint16_t type, const uint8_t *rdata, size_t length)
{
    base_store_u16(at, 0xc00c);
    base_store_u16(at + 2, type);
    base_store_u16(at + 4, DNS_CLASS_IN);
    base_store_u32(at + 6, 3600);
    base_store_u16(at + 10, (uint16_t)length);
    memcpy(at + 12, rdata, length);
    return at + 12 + length;
}

static size_t answer(const uint8_t *query, uint8_t out[1232])
{
    static const uint8_t mx1[] = {0, 10, 3, 'm', 'x', '1', 3, 'n', 'e', 't', 0};
    static const uint8_t mx2[] = {0, 20, 3, 'm', 'x', '2', 3, 'n', 'e', 't', 0};
    static const uint8_t a[] = {192, 0, 2, 1};
    size_t question = dns_name_length(query + DNS_MESSAGE_HEADER) + 4;
    uint16_t type = base_load_u16(query + DNS_MESSAGE_HEADER + question - 4), count = 0;
    uint8_t *at = out + DNS_MESSAGE_HEADER + question;
    memset(out, 0, DNS_MESSAGE_HEADER);
    memcpy(out, query, 2);
    base_store_u16(out + 2, DNS_FLAG_QR | DNS_FLAG_RD | DNS_FLAG_RA);
    memcpy(out + DNS_MESSAGE_HEADER, query + DNS_MESSAGE_HEADER, question);
    if (type == DNS_TYPE_MX) {
        at = put_record(at, type, mx1, sizeof mx1);
        at = put_record(at, type, mx2, sizeof mx2);
        count = 2;
    } else if (type == DNS_TYPE_A) {
        at = put_record(at, type, a, sizeof a);
        count = 1;
    }
    base_store_u16(out + 4, 1);
    base_store_u16(out + 6, count);
    base_store_u16(out + 10, 1);
    at[0] = 0;
    base_store_u16(at + 1, DNS_TYPE_OPT);
    base_store_u16(at + 3, 1232);
    base_store_u32(at + 5, DNS_EDNS_DO);
    base_store_u16(at + 9, 0);
    return (size_t)(at + 11 - out);
}

/* --- plans from answers that are there: secure, with TLSA --- */

static const struct validate_result *made_result(const char *name, uint16_t type,
                                                 const struct validate_rdata *rdata, size_t count)
{
    static uint8_t wire[DNS_NAME_MAX];
    size_t length;
    MUST(dns_name_from_text(wire, &length, name, strlen(name), (const uint8_t *)"") == BASE_OK);
    struct validate_hop hop = {.name = wire, .node = VALIDATE_NO_NODE};
    struct validate_records set = {
        .name = wire, .type = type, .ttl = 3600, .rdata = rdata, .count = count};
    struct validate_result draft = {.kind = count ? VALIDATE_ANSWER_DATA : VALIDATE_ANSWER_NODATA,
                                    .name = wire,
                                    .type = type,
                                    .hops = &hop,
                                    .hop_count = 1,
                                    .answer = count ? &set : NULL,
                                    .answer_count = count ? 1 : 0,
                                    .ttl = 3600,
                                    .now = CERTIFICATE_NOW,
                                    .expiry = CERTIFICATE_NOW + 86400,
                                    .sentence = ""};
    const struct validate_result *result = validate_result_copy(&draft);
    MUST(result);
    return result;
}

static struct dane_plan *plan_once(const struct validate_result *const answers[4])
{
    struct dane_plan *plan;
    struct dane_ask ask;
    MUST(dane_plan_new(DANE_SMTP, "example.org", NULL, CERTIFICATE_NOW, &plan) == BASE_OK);
    while (dane_plan_next(plan, &ask)) {
        size_t at = ask.type == DNS_TYPE_MX     ? 0
                    : ask.type == DNS_TYPE_A    ? 1
                    : ask.type == DNS_TYPE_AAAA ? 2
                                                : 3;
        MUST(dane_plan_answer(plan, ask.id, answers[at]) == BASE_OK);
    }
    MUST(dane_plan_result(plan));
    return plan;
}

static void bench_plan(void)
{
    enum { ROUNDS = 20000 };
    static const uint8_t mx1[] = "\0\012\003mx1\004host\003net";
    static const uint8_t mx2[] = "\0\024\003mx2\004host\003net", a[] = {192, 0, 2, 1};
    static uint8_t tlsa[CAST_RDATA];
    size_t length = cast_tlsa_rdata("3 1 1 own", 9, tlsa);
    struct validate_rdata mx[] = {{mx1, sizeof mx1}, {mx2, sizeof mx2}};
    struct validate_rdata address[] = {{a, 4}}, records[] = {{tlsa, (uint16_t)length}};
    const struct validate_result *answers[4] = {
        made_result("example.org.", DNS_TYPE_MX, mx, 2),
        made_result("mx1.host.net.", DNS_TYPE_A, address, 1),
        made_result("mx1.host.net.", DNS_TYPE_AAAA, NULL, 0),
        made_result("_25._tcp.mx1.host.net.", DNS_TYPE_TLSA, records, 1)};
    double start = seconds();
    for (int i = 0; i < ROUNDS; i++)
        dane_plan_free(plan_once(answers));
    printf("plan of two hosts with TLSA, from 7 answers: %.2f us\n",
           (seconds() - start) * 1e6 / ROUNDS);
    for (size_t i = 0; i < 4; i++)
        validate_result_unref(answers[i]);
}

/* --- verdicts --- */

static void bench_verdict(const char *what, enum dane_demand demand, const char *record,
                          const char *shows)
{
    enum { ROUNDS = 5000 };
    static uint8_t rdata[CAST_RDATA];
    static const struct dane_reference reference = {DANE_REFERENCE_DNS, "mx1.host.net"};
    struct dane_authorities *authorities;
    struct dane_tlsa tlsa;
    struct dane_verdict verdict;
    struct cast_shown shown;
    size_t length = cast_tlsa_rdata(record, strlen(record), rdata);
    MUST(dane_tlsa_read(rdata, length, &tlsa) == BASE_OK && dane_tlsa_judge(&tlsa, 1, 0xf) == 1);
    MUST(dane_authorities_new(cast_ca_file, &authorities) == BASE_OK);
    struct dane_endpoint endpoint = {.demand = demand,
                                     .tlsa = &tlsa,
                                     .tlsa_count = 1,
                                     .references = &reference,
                                     .reference_count = 1};
    struct dane_verify_options options = {.now = CERTIFICATE_NOW, .authorities = authorities};
    cast_show(shows, &shown);
    double start = seconds();
    for (int i = 0; i < ROUNDS; i++) {
        dane_verify(&endpoint, &shown.peer, &options, &verdict);
        MUST(verdict.result == DANE_AUTHENTICATED);
    }
    printf("verdict by %s: %.2f us\n", what, (seconds() - start) * 1e6 / ROUNDS);
    dane_authorities_free(authorities);
}

/* --- over a resolver --- */

struct resolver {
    int fd;
    uint64_t answered;
};

static void *serve(void *context)
{
    struct resolver *resolver = context;
    uint8_t query[1500], out[1500];
    for (;;) {
        struct sockaddr_storage from;
        socklen_t size = sizeof from;
        ssize_t got =
            recvfrom(resolver->fd, query, sizeof query, 0, (struct sockaddr *)&from, &size);
        if (got < 17)
            return NULL;
        size_t length = answer(query, out);
        resolver->answered++;
        sendto(resolver->fd, out, length, 0, (struct sockaddr *)&from, size);
    }
}

static base_time fixed_clock(void *context)
{
    return CERTIFICATE_NOW;
}

static struct resolve_context *context_for(int port, const struct validate_anchors *anchors)
{
    char server[64], why[RESOLVE_WHY];
    const char *list[] = {server};
    struct resolve_context *context;
    snprintf(server, sizeof server, "127.0.0.1@%d", port);
    struct resolve_options options = {.from = RESOLVE_SERVERS,
                                      .servers = list,
                                      .server_count = 1,
                                      .clock = fixed_clock,
                                      .validate = {.anchors = anchors, .no_proof = true},
                                      .cache_octets = 64u * 1024 * 1024,
                                      .most_lookups = 8192};
    MUST(resolve_context_new(&options, why, &context) == BASE_OK);
    return context;
}

struct crowd {
    size_t done, good;
};

static void planned(void *context, int error, struct dane_plan *plan)
{
    struct crowd *crowd = context;
    crowd->done++;
    crowd->good += error == BASE_OK && dane_plan_result(plan)->outcome == DANE_OUTCOME_GO;
    dane_plan_free(plan);
}

static void looked_up(void *context, const struct validate_result *result)
{
    struct crowd *crowd = context;
    crowd->done++;
    crowd->good += result && result->status != VALIDATE_ERROR;
    validate_result_unref(result);
}

static void turn(struct resolve_context *context)
{
    struct pollfd wait = {.fd = resolve_fd(context), .events = POLLIN};
    poll(&wait, 1, resolve_timeout_ms(context));
    resolve_process(context);
}

static void no_policy(void *context, const struct auth_fetch *fetch, struct auth_ticket *ticket)
{
    auth_fetched(ticket, NULL, 0, "none");
}

static void bench_many(size_t domains)
{
    enum { AT_ONCE = 200 };
    struct resolver resolver = {.fd = socket(AF_INET, SOCK_DGRAM, 0)};
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof own;
    int buffer = 4 * 1024 * 1024;
    pthread_t thread;
    struct validate_anchors *anchors;
    setsockopt(resolver.fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    MUST(bind(resolver.fd, (struct sockaddr *)&own, sizeof own) == 0);
    MUST(getsockname(resolver.fd, (struct sockaddr *)&own, &size) == 0);
    MUST(pthread_create(&thread, NULL, serve, &resolver) == 0);
    MUST(validate_anchors_new(&anchors) == BASE_OK);
    for (int round = 0; round < 2; round++) {
        struct resolve_context *context = context_for(ntohs(own.sin_port), anchors);
        struct crowd crowd = {0};
        uint64_t before = resolver.answered;
        double start = seconds();
        if (round == 0) { /* as many bare look-ups, to compare with */
            for (size_t i = 0; crowd.done < 2 * domains;) {
                while (i < 2 * domains && i - crowd.done < AT_ONCE) {
                    char text[64];
                    uint8_t name[DNS_NAME_MAX];
                    size_t length;
                    struct resolve_request *request;
                    snprintf(text, sizeof text, "%sd%zu.example.", i % 2 ? "_mta-sts." : "", i / 2);
                    MUST(dns_name_from_text(name, &length, text, strlen(text),
                                            (const uint8_t *)"") == BASE_OK);
                    MUST(resolve_start(context, name, i % 2 ? DNS_TYPE_TXT : DNS_TYPE_MX, looked_up,
                                       &crowd, &request) == BASE_OK);
                    i++;
                }
                turn(context);
            }
        } else {
            struct auth_documents documents = {.fetch = no_policy};
            for (size_t i = 0; crowd.done < domains;) {
                while (i < domains && i - crowd.done < AT_ONCE) {
                    char domain[64];
                    struct auth_run *run;
                    snprintf(domain, sizeof domain, "d%zu.example", i++);
                    MUST(auth_run_start(context, DANE_SMTP, domain, NULL, &documents, planned,
                                        &crowd, &run) == BASE_OK);
                }
                turn(context);
            }
        }
        double took = seconds() - start;
        printf("%s of %zu domains: %.3f s, %zu good, %lu queries, %.1f us a query\n",
               round == 0 ? "bare look-ups" : "plans", domains, took, crowd.good,
               (unsigned long)(resolver.answered - before),
               took * 1e6 / (double)(resolver.answered - before));
        resolve_context_free(context);
    }
    sendto(resolver.fd, "", 1, 0, (struct sockaddr *)&own, sizeof own); /* too short: the end */
    pthread_join(thread, NULL);
    close(resolver.fd);
    validate_anchors_free(anchors);
}

int main(int argc, char **argv)
{
    size_t domains = argc > 1 ? (size_t)atol(argv[1]) : 1000;
    cast_begin();
    bench_plan();
    bench_verdict("usage 3, key", DANE_DEMAND_DANE, "3 1 1 own", "own+sub+ca");
    bench_verdict("usage 3, certificate", DANE_DEMAND_DANE, "3 0 1 own", "own+sub+ca");
    bench_verdict("usage 2, two signatures", DANE_DEMAND_DANE, "2 0 1 ca", "own+sub+ca");
    bench_verdict("CAs, two signatures", DANE_DEMAND_PKIX, "2 0 1 ca", "leaf+inter");
    bench_many(domains);
    cast_end();
    return 0;
}
