/*
 * Makes every allocation of libkenter fail in turn: a resolver over a signed world, look-ups that
 * are secure, insecure, bogus and denied, results shown, plans for mail with and without a policy,
 * and verdicts. Each call must fail, or give what it gives with memory, or less: never SECURE where
 * that is not so, never other data, never less than DANE demands, never a peer authenticated that
 * is not. All memory must come back (the sanitizers tell).
 *
 * usage: torture_lib [STRIDE]     every STRIDE-th allocation only
 */
#pragma GCC diagnostic ignored "-Wunused-function"
#include "dane/cast.h"
#include "validate/world.h"

#include "kenter/dane.h"

#include "allocate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUESTIONS 5
#define ENDPOINTS 2
#define VERDICTS  4

static const struct {
    const char *name;
    uint16_t type;
} questions[QUESTIONS] = {
    {"www.example.org", KENTER_TYPE_A},     {"alias.example.org", KENTER_TYPE_A},
    {"nothing.example.org", KENTER_TYPE_A}, {"www.broken.net", KENTER_TYPE_A},
    {"www.plain.net", KENTER_TYPE_A},
};
/* What is shown to the first endpoint. */
static const char *const shows[VERDICTS] = {"own", "key own", "self", "plain"};

#define POLICY "version: STSv1\nmode: enforce\nmx: *.host.net\nmax_age: 60\n"

struct scene {
    struct world *world;
    char anchor[512];
    struct cast_shown shown[VERDICTS];
};
/* What came out; -1: nothing did. */
struct outcome {
    int status[QUESTIONS], kind[QUESTIONS];
    size_t records[QUESTIONS];
    int outcome, demand[ENDPOINTS], verdict[VERDICTS];
};

/* The world is the test's own: its allocations do not fail. */
static void ask(void *context, const struct kenter_query *query, struct kenter_ticket *ticket)
{
    static uint8_t packet[65535];
    struct scene *scene = context;
    long kept = failing, counted = atomic_load(&asked);
    failing = 0;
    scene->world->log[0] = '\0';
    size_t length =
        world_answer(scene->world, query->name.wire, query->type, packet, sizeof packet);
    failing = kept;
    atomic_store(&asked, counted);
    kenter_reply(ticket, packet, length);
}

static int64_t fixed_clock(void *context)
{
    return NOW;
}

static void fetch(void *context, const char *url, struct kenter_fetch *ticket)
{
    kenter_fetched(ticket, POLICY, strlen(POLICY), NULL);
}

static void take_result(struct kenter_result *result, size_t at, struct outcome *out)
{
    char *text;
    size_t count;
    out->status[at] = (int)kenter_result_status(result);
    out->kind[at] = (int)kenter_result_kind(result);
    kenter_result_records(result, &out->records[at]);
    kenter_result_steps(result, &count);
    kenter_result_findings(result, &count);
    if (kenter_result_sentence(result) == NULL)
        out->status[at] = -2;
    for (int form = KENTER_FORM_TEXT; form <= KENTER_FORM_SVG; form++) {
        if (kenter_result_show(result, (enum kenter_form)form, &text) == KENTER_OK)
            kenter_text_free(text);
    }
    kenter_result_free(result);
}

static int judge(const struct kenter_endpoint *endpoint, const struct cast_shown *shown)
{
    struct kenter_der chain[CAST_CHAIN_MAX];
    struct kenter_verify_options options;
    struct kenter_verdict verdict;
    for (size_t i = 0; i < shown->peer.count; i++)
        chain[i] = (struct kenter_der){shown->der[i].data, shown->der[i].length};
    struct kenter_peer peer = {.tls = shown->peer.tls,
                               .chain = chain,
                               .count = shown->peer.count,
                               .raw_public_key = shown->peer.raw_public_key,
                               .raw_length = shown->peer.raw_length};
    kenter_verify_options_init(&options);
    options.now = NOW;
    kenter_verify_peer(endpoint, &peer, &options, &verdict);
    return (int)verdict.kind;
}

static void take_plan(const struct scene *scene, struct kenter_plan *plan, struct outcome *out)
{
    size_t count;
    const struct kenter_endpoint *endpoints = kenter_plan_endpoints(plan, &count);
    out->outcome = (int)kenter_plan_outcome(plan);
    for (size_t i = 0; i < count && i < ENDPOINTS; i++)
        out->demand[i] = (int)endpoints[i].demand;
    for (size_t i = 0; count > 0 && i < VERDICTS; i++)
        out->verdict[i] = judge(&endpoints[0], &scene->shown[i]);
    kenter_plan_free(plan);
}

static void ask_all(const struct scene *scene, struct kenter_resolver *resolver, bool policy,
                    struct outcome *out)
{
    struct kenter_authenticate_options options;
    struct kenter_result *result;
    struct kenter_plan *plan;
    for (size_t i = 0; i < QUESTIONS; i++) {
        if (kenter_lookup(resolver, questions[i].name, questions[i].type, &result) == KENTER_OK)
            take_result(result, i, out);
    }
    kenter_authenticate_options_init(&options);
    options.no_sts = !policy;
    options.fetch = fetch;
    if (kenter_authenticate(resolver, KENTER_SMTP, "example.org", 0, &options, &plan) == KENTER_OK)
        take_plan(scene, plan, out);
}

static void work(struct scene *scene, bool policy, struct outcome *out)
{
    struct kenter_anchors *anchors;
    struct kenter_resolver *resolver;
    struct kenter_resolver_options options;
    struct kenter_transport transport = {ask, NULL, scene};
    char why[KENTER_WHY];
    memset(out, 0xff, sizeof *out);
    if (kenter_anchors_new(&anchors) != KENTER_OK)
        return;
    kenter_resolver_options_init(&options);
    options.from = KENTER_FROM_TRANSPORT;
    options.transport = &transport;
    options.clock = fixed_clock;
    options.anchors = anchors;
    if (kenter_anchors_add_text(anchors, scene->anchor, NULL, NULL) == KENTER_OK &&
        kenter_resolver_new(&options, why, &resolver) == KENTER_OK) {
        ask_all(scene, resolver, policy, out);
        kenter_resolver_free(resolver);
    }
    kenter_anchors_free(anchors);
}

/* --- judging --- */

/* Is what came out right, or less? NULL; else what is wrong. */
static const char *wrong(const struct outcome *right, const struct outcome *out)
{
    for (size_t i = 0; i < QUESTIONS; i++) {
        int status = out->status[i];
        if (status == -2)
            return "a result has no sentence";
        if (status == KENTER_STATUS_SECURE && right->status[i] != KENTER_STATUS_SECURE)
            return "an answer is secure that is not";
        if (status == KENTER_STATUS_INSECURE && right->status[i] != KENTER_STATUS_INSECURE)
            return "an answer counts as insecure that is not";
        if ((status == KENTER_STATUS_SECURE || status == KENTER_STATUS_INSECURE) &&
            (out->kind[i] != right->kind[i] || out->records[i] != right->records[i]))
            return "an answer has other data";
        if (status > KENTER_STATUS_INSECURE && out->records[i] != 0)
            return "an answer that is not to be used has data";
    }
    for (size_t i = 0; i < ENDPOINTS; i++) {
        /* An MTA-STS policy that cannot be had is none (RFC 8461 section 3.3); DANE never ends so.
         */
        bool without_policy =
            right->demand[i] == KENTER_DEMAND_PKIX && out->demand[i] == KENTER_DEMAND_NOTHING;
        if (out->demand[i] != -1 && out->demand[i] != KENTER_DEMAND_SKIP &&
            out->demand[i] != right->demand[i] && !without_policy)
            return "a server must show something else";
    }
    if (out->outcome != -1 && out->outcome != right->outcome &&
        out->outcome != KENTER_OUTCOME_DEFER)
        return "a domain counts as without mail";
    for (size_t i = 0; i < VERDICTS; i++) {
        if (out->verdict[i] >= 0 && out->verdict[i] <= KENTER_PLAIN &&
            out->verdict[i] != right->verdict[i])
            return "a peer passes that must not";
    }
    return NULL;
}

/* The scene shows what it should: else the rest shows nothing. */
static bool is_telling(const struct outcome *right)
{
    return right->status[0] == KENTER_STATUS_SECURE && right->status[1] == KENTER_STATUS_SECURE &&
           right->status[2] == KENTER_STATUS_SECURE && right->kind[2] == KENTER_KIND_NAME &&
           right->status[3] == KENTER_STATUS_BOGUS && right->status[4] == KENTER_STATUS_INSECURE &&
           right->records[0] == 1 && right->demand[0] == KENTER_DEMAND_DANE &&
           right->verdict[0] == KENTER_AUTHENTICATED && right->verdict[1] == KENTER_AUTHENTICATED &&
           right->verdict[2] == KENTER_REFUSED && right->verdict[3] == KENTER_REFUSED;
}

static int torture(struct scene *scene, bool policy, long stride)
{
    struct outcome right, out;
    long whole = 0, less = 0;
    failing = 0;
    work(scene, policy, &right);
    if (!is_telling(&right)) {
        fprintf(stderr, "torture: the library fails without any failing allocation\n");
        return 1;
    }
    for (failing = 1;; failing += stride) {
        atomic_store(&asked, 0);
        work(scene, policy, &out);
        if (atomic_load(&asked) < failing)
            break;
        const char *what = wrong(&right, &out);
        if (what) {
            fprintf(stderr, "torture: allocation %ld failed and %s\n", failing, what);
            return 1;
        }
        memcmp(&right, &out, sizeof out) == 0 ? whole++ : less++;
    }
    printf(
        "torture: library, %s: %ld allocations failed in turn: %ld times less, %ld all the same\n",
        policy ? "MTA-STS" : "DANE alone", whole + less, less, whole);
    return 0;
}

/* --- the scene --- */

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

static void make_scene(struct scene *scene)
{
    struct world *world = scene->world = world_new();
    unsigned char base64[256];
    struct world_zone *root = world_zone(world, "."), *org = world_zone(world, "example.org.");
    struct world_zone *host = world_zone(world, "host.net."),
                      *plain = world_zone(world, "plain.net.");
    struct world_zone *broken = world_zone(world, "broken.net.");
    broken->corrupt = true;
    world_add(broken, "www A 192.0.2.3");
    plain->is_unsigned = true;
    world_add(plain, "www A 192.0.2.9");
    world_add(org, "www A 192.0.2.1");
    world_add(org, "alias CNAME www.example.org.");
    world_add(org, "@ MX 10 mx1.host.net.");
    world_add(org, "@ MX 20 mx2.host.net.");
    world_add(org, "_mta-sts TXT v=STSv1;id=1");
    world_add(host, "mx1 A 192.0.2.1");
    world_add(host, "mx2 A 192.0.2.2");
    add_tlsa(host, "_25._tcp.mx1.host.net.", "3 1 1 own");
    EVP_EncodeBlock(base64, root->ksk.dnskey + 4, (int)root->ksk.length - 4);
    snprintf(scene->anchor, sizeof scene->anchor, ". IN DNSKEY 257 3 %u %s\n",
             crypto_key_algorithm(root->ksk.key), base64);
    for (size_t i = 0; i < VERDICTS; i++)
        cast_show(shows[i], &scene->shown[i]);
}

int main(int argc, char **argv)
{
    long stride = argc > 1 ? atol(argv[1]) : 1;
    static struct scene scene;
    make_scene(&scene);
    int bad = torture(&scene, false, stride < 1 ? 1 : stride) ||
              torture(&scene, true, stride < 1 ? 1 : stride);
    failing = 0;
    world_free(scene.world);
    return bad;
}
