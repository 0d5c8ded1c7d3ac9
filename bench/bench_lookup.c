/*
 * What a validated answer costs, with the keys of its zone known: by our look-ups, by libunbound
 * (its validator and iterator), both asking the same forwarder on the loopback, in turn, one
 * question at a time, each name once; libunbound by its blocking call and by its asynchronous one.
 * Beside them the floor: a socket for each question, the answer received, one P-256 verification
 * with OpenSSL, and nothing else. CPU is user and system time of this process, the forwarder's not
 * counted.
 *
 * usage: bench_lookup SERVER ANCHORS ZONE NAMES [ROUNDS [TLS CA]]
 *     SERVER 127.0.0.1@5300; names n0.ZONE to n(NAMES-1).ZONE have A records. TLS, such as
 *     tls://127.0.0.1@5301#dns.test with its CA's file: also tells the memory of a context with a
 *     connection to it. bench/lookup.py makes all that and calls it.
 */
#include "base/clock.h"
#include "base/error.h"
#include "net/address.h"
#include "resolve/internal.h"

#include <malloc.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef KENTER_UNBOUND
#include <unbound.h>
#endif

#define MOST_ROUNDS 9

struct setting {
    const char *server, *anchors, *zone;
    unsigned names;
    union net_address address;
};

struct cost {
    double cpu, wall; /* microseconds for each answer */
};

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "bench_lookup: %s\n", what);
    exit(1);
}

static double cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static const uint8_t *name_of(const struct setting *setting, unsigned i, char text[DNS_NAME_TEXT])
{
    static const uint8_t root[1] = {0};
    static uint8_t name[DNS_NAME_MAX];
    size_t length;
    snprintf(text, DNS_NAME_TEXT, "n%u.%s", i, setting->zone);
    must(dns_name_from_text(name, &length, text, strlen(text), root) == BASE_OK, text);
    return name;
}

/* --- the floor --- */

struct bare {
    EVP_PKEY_CTX *verify;
    uint8_t signature[128], digest[32];
    size_t length;
};

static void bare_new(struct bare *bare)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    memset(bare->digest, 0x5a, sizeof(bare->digest));
    bare->length = sizeof(bare->signature);
    EVP_PKEY_CTX *sign = EVP_PKEY_CTX_new(key, NULL);
    bare->verify = EVP_PKEY_CTX_new(key, NULL);
    must(EVP_PKEY_sign_init(sign) == 1 && EVP_PKEY_verify_init(bare->verify) == 1 &&
             EVP_PKEY_sign(sign, bare->signature, &bare->length, bare->digest, 32) == 1,
         "a signature");
    EVP_PKEY_CTX_free(sign);
    EVP_PKEY_free(key);
}

static void bare_ask(const struct setting *setting, const uint8_t *name)
{
    uint8_t query[RESOLVE_QUERY_MAX], answer[4096];
    struct resolve_query_options options = {.recursion = true, .id = 1};
    size_t length = resolve_query_build(name, DNS_TYPE_A, &options, query);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct pollfd state = {.fd = fd, .events = POLLIN};
    must(connect(fd, &setting->address.any, net_address_length(&setting->address)) == 0 &&
             send(fd, query, length, 0) == (ssize_t)length && poll(&state, 1, 5000) == 1 &&
             recv(fd, answer, sizeof(answer), 0) > 12,
         "no answer");
    close(fd);
}

static void run_floor(const struct setting *setting, void *context)
{
    struct bare *bare = context;
    char text[DNS_NAME_TEXT];
    for (unsigned i = 0; i < setting->names; i++) {
        bare_ask(setting, name_of(setting, i, text));
        must(EVP_PKEY_verify(bare->verify, bare->signature, bare->length, bare->digest, 32) == 1,
             "the signature does not verify");
    }
}

/* --- ours --- */

static struct validate_anchors *read_anchors(const char *path)
{
    struct validate_anchors *anchors;
    struct base_findings findings;
    base_findings_init(&findings, BASE_FINDINGS_PER_CODE);
    must(validate_anchors_new(&anchors) == BASE_OK &&
             validate_anchors_read_file(anchors, path, &findings) == BASE_OK,
         "the anchors cannot be read");
    base_findings_free(&findings);
    return anchors;
}

static struct resolve_context *context_new(const char *server, const char *tls_ca,
                                           const struct validate_anchors *anchors)
{
    char why[RESOLVE_WHY];
    struct resolve_context *context;
    struct resolve_options options = {.from = RESOLVE_SERVERS,
                                      .servers = &server,
                                      .server_count = 1,
                                      .tls_ca = tls_ca,
                                      .cache_octets = SIZE_MAX,
                                      .validate = {.anchors = anchors}};
    must(resolve_context_new(&options, why, &context) == BASE_OK, why);
    return context;
}

static void look_up(struct resolve_context *context, const uint8_t *name)
{
    const struct validate_result *result;
    must(resolve_lookup(context, name, DNS_TYPE_A, &result) == BASE_OK, "the look-up fails");
    must(result->status == VALIDATE_SECURE, result->sentence);
    validate_result_unref(result);
}

static void run_ours(const struct setting *setting, void *context)
{
    char text[DNS_NAME_TEXT];
    for (unsigned i = 0; i < setting->names; i++)
        look_up(context, name_of(setting, i, text));
}

/* --- libunbound --- */

#ifdef KENTER_UNBOUND
static struct ub_ctx *unbound_new(const struct setting *setting, bool asynchronous)
{
    struct ub_ctx *unbound = ub_ctx_create();
    must(unbound != NULL && (!asynchronous || ub_ctx_async(unbound, 1) == 0) &&
             ub_ctx_set_option(unbound, "do-not-query-localhost:", "no") == 0 &&
             ub_ctx_set_fwd(unbound, setting->server) == 0 &&
             ub_ctx_add_ta_file(unbound, setting->anchors) == 0 &&
             ub_ctx_zone_remove(unbound, "test.") == 0,
         "libunbound cannot be set up");
    return unbound;
}

static void run_unbound(const struct setting *setting, void *context)
{
    char text[DNS_NAME_TEXT];
    for (unsigned i = 0; i < setting->names; i++) {
        struct ub_result *result;
        name_of(setting, i, text);
        must(ub_resolve(context, text, DNS_TYPE_A, 1, &result) == 0 && result->secure,
             "libunbound does not find it secure");
        ub_resolve_free(result);
    }
}

struct asynchronous {
    bool done, secure;
};

static void take_asynchronous(void *context, int error, struct ub_result *result)
{
    struct asynchronous *answer = context;
    answer->done = true;
    answer->secure = error == 0 && result != NULL && result->secure;
    ub_resolve_free(result);
}

static void run_unbound_asynchronous(const struct setting *setting, void *context)
{
    char text[DNS_NAME_TEXT];
    for (unsigned i = 0; i < setting->names; i++) {
        struct asynchronous answer = {false, false};
        struct pollfd state = {.fd = ub_fd(context), .events = POLLIN};
        int number;
        name_of(setting, i, text);
        must(ub_resolve_async(context, text, DNS_TYPE_A, 1, &answer, take_asynchronous, &number) ==
                 0,
             "libunbound does not take it");
        while (!answer.done)
            must(poll(&state, 1, 5000) == 1 && ub_process(context) == 0, "libunbound is silent");
        must(answer.secure, "libunbound does not find it secure");
    }
}
#endif

/* --- measuring --- */

static struct cost measure(const struct setting *setting,
                           void (*run)(const struct setting *setting, void *context), void *context)
{
    uint64_t start = base_clock_monotonic();
    double cpu = cpu_us();
    run(setting, context);
    return (struct cost){
        .cpu = (cpu_us() - cpu) / setting->names,
        .wall = (double)(base_clock_monotonic() - start) / 1e3 / setting->names,
    };
}

#ifdef KENTER_UNBOUND
/* A context of its own for each round, since it keeps answers; with the zone's keys. */
static struct cost measure_unbound(const struct setting *setting, bool asynchronous)
{
    struct ub_ctx *unbound = unbound_new(setting, asynchronous);
    void (*run)(const struct setting *, void *) =
        asynchronous ? run_unbound_asynchronous : run_unbound;
    struct setting first = *setting;
    first.names = 1;
    run(&first, unbound);
    struct cost cost = measure(setting, run, unbound);
    ub_ctx_delete(unbound);
    return cost;
}
#endif

static int by_cpu(const void *a, const void *b)
{
    double x = ((const struct cost *)a)->cpu, y = ((const struct cost *)b)->cpu;
    return (x > y) - (x < y);
}

/* Gives the median. */
static double show(const char *what, struct cost *costs, unsigned rounds, double floor)
{
    qsort(costs, rounds, sizeof(*costs), by_cpu);
    const struct cost *median = &costs[rounds / 2];
    printf("%-24s %7.1f us CPU  %8.0f answers/s  %.2f of the floor\n", what, median->cpu,
           1e6 / median->wall, median->cpu / floor);
    return median->cpu;
}

/* What contexts hold, without a cache: before they asked, and with the keys of the zones. The first
 * one is left out: libraries keep things for all that follow. */
static void show_memory(const struct setting *setting, const char *what, const char *server,
                        const char *tls_ca, const struct validate_anchors *anchors)
{
    char text[DNS_NAME_TEXT];
    struct resolve_context *context = context_new(server, tls_ca, anchors);
    look_up(context, name_of(setting, 0, text));
    resolve_context_free(context);
    size_t before = mallinfo2().uordblks;
    context = context_new(server, tls_ca, anchors);
    size_t empty = mallinfo2().uordblks - before;
    look_up(context, name_of(setting, 0, text));
    printf("memory of a context without cache, %s: %zu KiB, after a look-up %zu KiB\n", what,
           empty / 1024, (mallinfo2().uordblks - before) / 1024);
    resolve_context_free(context);
}

int main(int argc, char **argv)
{
    struct cost floor[MOST_ROUNDS], ours[MOST_ROUNDS];
#ifdef KENTER_UNBOUND
    struct cost blocking[MOST_ROUNDS], asynchronous[MOST_ROUNDS];
#endif
    char text[DNS_NAME_TEXT];
    if (argc < 5) {
        fprintf(stderr, "usage: bench_lookup SERVER ANCHORS ZONE NAMES [ROUNDS [TLS CA]]\n");
        return 2;
    }
    struct setting setting = {argv[1], argv[2], argv[3], (unsigned)atoi(argv[4]), {.any = {0}}};
    unsigned rounds = argc > 5 ? (unsigned)atoi(argv[5]) : 5;
    rounds = rounds < 1 || rounds > MOST_ROUNDS ? MOST_ROUNDS : rounds;
    must(net_address_parse(setting.server, 53, &setting.address) == BASE_OK, "no address");
    struct bare bare;
    bare_new(&bare);
    struct validate_anchors *anchors = read_anchors(setting.anchors);
    struct resolve_context *context = context_new(setting.server, NULL, anchors);
    look_up(context, name_of(&setting, 0, text));
    for (unsigned i = 0; i < rounds; i++) {
        floor[i] = measure(&setting, run_floor, &bare);
        ours[i] = measure(&setting, run_ours, context);
#ifdef KENTER_UNBOUND
        blocking[i] = measure_unbound(&setting, false);
        asynchronous[i] = measure_unbound(&setting, true);
#endif
    }
    qsort(floor, rounds, sizeof(*floor), by_cpu);
    double least = floor[rounds / 2].cpu;
    show("floor", floor, rounds, least);
    double own = show("kenter", ours, rounds, least);
#ifdef KENTER_UNBOUND
    printf("kenter / libunbound: %.2f\n", own / show("libunbound", blocking, rounds, least));
    printf("kenter / libunbound, asynchronous: %.2f\n",
           own / show("libunbound, asynchronous", asynchronous, rounds, least));
#endif
    printf("kenter / floor: %.2f\n", own / least);
    resolve_context_free(context);
    show_memory(&setting, "over UDP", setting.server, NULL, anchors);
    if (argc > 7)
        show_memory(&setting, "over TLS", argv[6], argv[7], anchors);
    validate_anchors_free(anchors);
    EVP_PKEY_CTX_free(bare.verify);
    return 0;
}
