/*
 * The XMPP matrix: tests/matrix/xmpp.table against the engine for pairs of domains. Each row makes
 * a world of signed zones in memory, which the validator judges packet by packet, a stream with its
 * certificates, and POSH documents; what the engine says of the pair must be what the row says.
 */
#pragma GCC diagnostic ignored "-Wunused-function"
#include "dane/xmpp.h"

#include "scene.h"

#include <arpa/inet.h>
#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define COLUMNS 12
#define DOMAIN  "example.org."

enum column {
    STREAM,
    SRV,
    ADDRESS,
    TLSA,
    SHOWS,
    POSH,
    POLICY,
    STATE,
    PROOF,
    DIALBACK,
    EXPIRY,
    REASON
};

/* --- the world --- */

static const char *host_name(const struct scene *scene, size_t i)
{
    return has_word(scene->field[SRV], "none") || has_word(scene->field[SRV], "no-direct") ? DOMAIN
           : i == 0 ? "mx1.host.net."
                    : "mx2.host2.net.";
}

static void add_tlsa(struct scene *scene, size_t i, struct world_zone *where, unsigned port)
{
    const char *list = scene->part[TLSA][i];
    char owner[128];
    snprintf(owner, sizeof owner, "_%u._tcp.%s", port, host_name(scene, i));
    if (strcmp(list, "none") == 0 || strcmp(list, "-") == 0)
        return;
    add_failing(scene, list, "", owner, DNS_TYPE_TLSA);
    if (strspn(list, "0123456789") == 0)
        list = "3 1 1 self";
    add_records(where, owner, list, 240);
}

static void add_host(struct scene *scene, size_t i)
{
    const char *text = scene->part[ADDRESS][i], *host = host_name(scene, i);
    struct world_zone *at = strcmp(host, DOMAIN) == 0
                                ? zone(scene, DOMAIN, "")
                                : zone(scene, i == 0 ? "host.net." : "host2.net.", text);
    struct world_zone *end = at;
    const char *owner = host;
    if (has_word(text, "alias") || has_word(text, "insecure-alias")) {
        end = zone(scene, "cdn.net.", has_word(text, "insecure-alias") ? "insecure" : "");
        owner = "t1.cdn.net.";
        add(at, "%s CNAME %s", host, owner);
    }
    if (has_word(text, "v4"))
        add(end, "%s A 192.0.2.%zu", owner, i + 1);
    if (has_word(text, "v6"))
        add(end, "%s AAAA 2001:db8::%zu", owner, i + 1);
    if (has_word(text, "!v4"))
        fail_at(scene, owner, DNS_TYPE_A, FAIL_SERVER);
    if (has_word(text, "!v6"))
        fail_at(scene, owner, DNS_TYPE_AAAA, FAIL_SERVER);
    if (has_word(text, "nothing"))
        add(at, "%s TXT x", host);
    add_tlsa(scene, i, at, 5269);
    if (has_word(scene->field[SRV], "direct"))
        add_tlsa(scene, i, at, 5270);
}

static void add_srv(struct scene *scene)
{
    const char *srv = scene->field[SRV];
    struct world_zone *domain = zone(scene, DOMAIN, srv), *at = domain;
    const char *plain = "_xmpp-server._tcp." DOMAIN, *direct = "_xmpps-server._tcp." DOMAIN;
    add_failing(scene, srv, "", plain, DNS_TYPE_SRV);
    add_failing(scene, srv, "direct-", direct, DNS_TYPE_SRV);
    if (has_word(srv, "denied"))
        add(domain, "%s SRV 0 0 0 .", plain);
    if (has_word(srv, "direct-denied") || has_word(srv, "no-direct"))
        add(domain, "%s SRV 0 0 0 .", direct);
    if (has_word(srv, "none") || has_word(srv, "denied") || has_word(srv, "no-direct"))
        return;
    if (has_word(srv, "alias") || has_word(srv, "insecure-alias")) {
        at = zone(scene, "pool.net.", has_word(srv, "insecure-alias") ? "insecure" : "");
        add(domain, "%s CNAME s.pool.net.", plain);
        plain = "s.pool.net.";
    }
    for (size_t i = scene->hosts; i-- > 0;) {
        if (!has_word(srv, "direct-only"))
            add(at, "%s SRV %zu 0 %d %s", plain, 10 * (i + 1), has_word(srv, "port0") ? 0 : 5269,
                host_name(scene, i));
        if (has_word(srv, "direct") || has_word(srv, "direct-only"))
            add(domain, "%s SRV %zu 0 5270 %s", direct, 5 * (i + 1), host_name(scene, i));
    }
}

static void build(struct scene *scene)
{
    struct world_zone *root = zone(scene, ".", ""), *net = zone(scene, "net.", "");
    zone(scene, "org.", "");
    scene->hosts = has_word(scene->field[SRV], "two") ? 2 : 1;
    add_srv(scene);
    for (size_t i = 0; i < scene->hosts; i++)
        add_host(scene, i);
    world_anchor(scene->anchors, has_word(scene->field[SRV], "unanchored") ? net : root, false);
}

/* --- POSH --- */

static void digests(const struct scene *scene, bool wrong, char sha256[64], char sha512[128])
{
    uint8_t short_one[SHA256_DIGEST_LENGTH] = {0}, long_one[SHA512_DIGEST_LENGTH] = {0};
    if (scene->shown.peer.count > 0) {
        const struct dane_der *leaf = &scene->shown.der[0];
        SHA256(leaf->data, leaf->length, short_one);
        SHA512(leaf->data, leaf->length, long_one);
    }
    short_one[0] ^= wrong;
    long_one[0] ^= wrong;
    sha256[EVP_EncodeBlock((unsigned char *)sha256, short_one, sizeof short_one)] = '\0';
    sha512[EVP_EncodeBlock((unsigned char *)sha512, long_one, sizeof long_one)] = '\0';
}

/* The document that a word stands for; NULL: there is none. */
static const char *posh_document(const struct scene *scene, const char *word, char text[1024])
{
    char sha256[64], sha512[128], bad256[64], bad512[128];
    digests(scene, false, sha256, sha512);
    digests(scene, true, bad256, bad512);
    text[0] = '\0';
    if (strncmp(word, "old", 3) == 0)
        word += 3;
    if (strcmp(word, "no") == 0 || strcmp(word, "failed") == 0)
        return NULL;
    if (strcmp(word, "match") == 0 || strcmp(word, "short") == 0)
        snprintf(text, 1024, "{\"fingerprints\":[{\"sha-256\":\"%s\"}],\"expires\":%d}", sha256,
                 word[0] == 'm' ? 600 : 60);
    if (strcmp(word, "wrong") == 0)
        snprintf(text, 1024, "{\"fingerprints\":[{\"sha-256\":\"%s\"}],\"expires\":600}", bad256);
    if (strcmp(word, "match512") == 0)
        snprintf(text, 1024, "{\"fingerprints\":[{\"sha-512\":\"%s\"}],\"expires\":600}", sha512);
    if (strcmp(word, "strong") == 0)
        snprintf(text, 1024,
                 "{\"fingerprints\":[{\"sha-256\":\"%s\",\"sha-512\":\"%s\"}],\"expires\":600}",
                 sha256, bad512);
    if (strcmp(word, "second") == 0)
        snprintf(text, 1024,
                 "{\"fingerprints\":[{\"sha-256\":\"%s\"},{\"sha-256\":\"%s\"}],\"expires\":600}",
                 bad256, sha256);
    if (strcmp(word, "zero") == 0 || strcmp(word, "negative") == 0)
        snprintf(text, 1024, "{\"fingerprints\":[{\"sha-256\":\"%s\"}],\"expires\":%d}", sha256,
                 word[0] == 'z' ? 0 : -1);
    if (strcmp(word, "endless") == 0)
        snprintf(text, 1024, "{\"fingerprints\":[{\"sha-256\":\"%s\"}]}", sha256);
    if (strcmp(word, "both") == 0)
        snprintf(text, 1024,
                 "{\"fingerprints\":[{\"sha-256\":\"%s\"}],\"url\":\"https://h.example/p\","
                 "\"expires\":600}",
                 sha256);
    if (strcmp(word, "empty") == 0)
        snprintf(text, 1024, "{\"fingerprints\":[],\"expires\":600}");
    if (strcmp(word, "junk") == 0)
        snprintf(text, 1024, "<html>");
    if (strcmp(word, "url") == 0)
        snprintf(text, 1024, "{\"url\":\"https://host.net/posh.json\",\"expires\":300}");
    if (strcmp(word, "http") == 0)
        snprintf(text, 1024, "{\"url\":\"http://host.net/posh.json\",\"expires\":300}");
    MUST(text[0] != '\0' || !"a word for a POSH document");
    return text;
}

/* "url>match": the document at the second URL comes after ">". */
static void answer_posh(struct scene *scene, struct dane_pair *pair,
                        const struct dane_pair_ask *ask)
{
    const char *at = scene->field[POSH];
    char word[FIELD], text[1024];
    bool referred = false, old = false, fresh = false;
    for (unsigned i = 0; i < scene->documents; i++) {
        old |= strncmp(at, "old", 3) == 0;
        size_t length = strcspn(at, ">");
        referred = length >= 3 && strncmp(at + length - 3, "url", 3) == 0;
        fresh |= old && !referred;
        at += length;
        at += *at == '>';
    }
    MUST(strcmp(ask->url, referred ? "https://host.net/posh.json"
                                   : "https://example.org/.well-known/posh/xmpp-server.json") == 0);
    MUST(ask->fresh == fresh);
    scene->documents++;
    copy_trimmed(word, at, strcspn(at, ">"));
    if (strcmp(word, "-") == 0) {
        snprintf(scene->problem, sizeof scene->problem, "  asks for POSH\n");
        snprintf(word, sizeof word, "no");
    }
    const char *text_or_none = posh_document(scene, word, text);
    struct dane_pair_document document = {
        .text = text_or_none,
        .length = text_or_none ? strlen(text_or_none) : 0,
        .why = "there is no POSH document",
        .failed = strcmp(word, "failed") == 0,
        .fetched = CERTIFICATE_NOW,
        .kept = strncmp(word, "old", 3) == 0,
    };
    MUST(dane_pair_answer_posh(pair, ask->id, &document) == BASE_OK);
}

/* --- what the row says, and what came --- */

static void check(struct scene *scene, const struct dane_pair_verdict *verdict)
{
    static const char *const states[] = {"yes", "no", "later"};
    char expiry[32] = "-";
    if (verdict->expiry != 0)
        snprintf(expiry, sizeof expiry, "%lld", (long long)(verdict->expiry - NOW));
    if (strcmp(states[verdict->state], scene->field[STATE]) != 0)
        complain(scene, "  the state is %s\n", states[verdict->state]);
    if (strcmp(dane_proof_name(verdict->proof), scene->field[PROOF]) != 0)
        complain(scene, "  the proof is %s\n", dane_proof_name(verdict->proof));
    if (verdict->dialback != (strcmp(scene->field[DIALBACK], "may") == 0))
        complain(scene, "  dialback: %s\n", verdict->dialback ? "may" : "-");
    if (strcmp(expiry, scene->field[EXPIRY]) != 0)
        complain(scene, "  the expiry is %s\n", expiry);
    if (strcmp(scene->field[REASON], "-") != 0 && !strstr(verdict->reason, scene->field[REASON]))
        complain(scene, "  another reason\n");
    if (strcmp(scene->field[POSH], "-") != 0 && scene->documents == 0)
        complain(scene, "  asks for no POSH\n");
    if (scene->problem[0] != '\0')
        complain(scene, "  it says: %s\n", verdict->reason);
}

/* "out", "in", "reuse"; of an outgoing one the host and port when they are others: "out
 * mx2.host2.net:5270", or the address: "out 192.0.2.1:5269". */
static void read_question(struct scene *scene, char host[64], struct dane_pair_question *question)
{
    const char *stream = scene->field[STREAM], *policy = scene->field[POLICY];
    unsigned port = 5269;
    snprintf(host, 64, "%s", host_name(scene, 0));
    host[strlen(host) - 1] = '\0';
    const char *space = strchr(stream, ' ');
    if (space)
        MUST(sscanf(space, " %63[^:]:%u", host, &port) == 2);
    *question = (struct dane_pair_question){
        .direction = stream[0] == 'i' ? DANE_INCOMING : DANE_OUTGOING,
        .local = "home.example",
        .remote = "Example.ORG.",
        .peer = &scene->shown.peer,
        .host = host,
        .port = (uint16_t)port,
        .no_posh = has_word(policy, "noposh"),
        .no_pkix = has_word(policy, "nopkix"),
        .now = NOW,
        .authorities = authorities,
    };
    if (inet_pton(AF_INET, host, question->address.octets) == 1) {
        question->address.family = 4;
        question->host = NULL;
    }
}

/* `kenter auth` verifies each endpoint of a plan, and asks the engine only where no CA vouches and
 * DANE is silent. That must come to the same. */
static void compare_with_plan(struct scene *scene, const struct dane_pair_question *question,
                              const struct dane_pair_verdict *pair)
{
    struct dane_plan *plan;
    struct dane_ask asked;
    struct dane_verify_options options = {.now = NOW, .authorities = authorities};
    char host[DANE_DOMAIN_MAX];
    MUST(dane_domain_to_ascii(question->host, host) == BASE_OK);
    MUST(dane_plan_new(DANE_XMPP_SERVER, "example.org", NULL, NOW, &plan) == BASE_OK);
    while (dane_plan_next(plan, &asked)) {
        const struct validate_result *result = look_up(scene, asked.name, asked.type);
        dane_plan_answer(plan, asked.id, result);
        validate_result_unref(result);
    }
    const struct dane_plan_result *result = dane_plan_result(plan);
    bool authenticated = false, undecided = false;
    for (size_t i = 0; i < result->count; i++) {
        const struct dane_endpoint *endpoint = &result->endpoints[i];
        struct dane_verdict verdict;
        if (strcmp(endpoint->host, host) != 0 || endpoint->port != question->port)
            continue;
        dane_verify(endpoint, &scene->shown.peer, &options, &verdict);
        authenticated |= verdict.result == DANE_AUTHENTICATED;
        undecided |= verdict.result == DANE_REFUSED && endpoint->demand == DANE_DEMAND_PKIX;
    }
    bool by_posh = undecided && pair->proof == DANE_PROOF_POSH;
    if ((pair->state == DANE_PAIR_YES) != (authenticated || by_posh))
        complain(scene, "  the plan and its verdicts would have it otherwise\n");
    dane_plan_free(plan);
}

static void run_row(struct scene *scene)
{
    struct dane_pair *pair;
    struct dane_pair_ask asked;
    struct dane_pair_question question;
    char host[64];
    bool reuse = has_word(scene->field[STREAM], "reuse");
    scene_begin(scene);
    build(scene);
    cast_show(scene->field[SHOWS], &scene->shown);
    read_question(scene, host, &question);
    MUST((reuse ? dane_pair_reuse_new : dane_pair_new)(&question, &pair) == BASE_OK);
    while (dane_pair_next(pair, &asked)) {
        if (asked.kind == DANE_PAIR_POSH) {
            answer_posh(scene, pair, &asked);
            continue;
        }
        const struct validate_result *result = look_up(scene, asked.name, asked.type);
        dane_pair_answer(pair, asked.id, result);
        validate_result_unref(result);
    }
    const struct dane_pair_verdict *verdict = dane_pair_result(pair);
    if (verdict)
        check(scene, verdict);
    else
        complain(scene, "  there is no verdict\n");
    if (verdict && !reuse && question.direction == DANE_OUTGOING && question.host &&
        !question.no_pkix)
        compare_with_plan(scene, &question, verdict);
    dane_pair_free(pair);
    scene_end(scene);
}

static void test_matrix(void **state)
{
    unsigned bad, rows = run_table("xmpp.table", COLUMNS, run_row, &bad);
    print_message("%u rows\n", rows);
    assert_true(rows >= 150);
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_matrix)};
    cast_begin();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    cast_end();
    return failed;
}
