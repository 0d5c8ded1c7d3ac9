/*
 * Times signing by itself, without reading and writing, against the bare crypto:
 *     bench_sign FILE ORIGIN [THREADS] [nsec|nsec3|optout] [EDITED-FILE [TIMES]]
 * With an edited file it is signed next, with the first result as the previous version.
 */
#include "base/error.h"
#include "base/thread.h"
#include "sign/sign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Memory in use, in MiB. */
static double resident(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long all = 0, pages = 0;
    if (file != NULL) {
        if (fscanf(file, "%lu %lu", &all, &pages) != 2)
            pages = 0;
        fclose(file);
    }
    return (double)pages * 4096 / (1024 * 1024);
}

static void stop(const char *what, int error, const struct base_findings *findings)
{
    fprintf(stderr, "%s: %s\n", what, base_strerror(error));
    for (size_t i = 0; findings != NULL && i < findings->count; i++)
        fprintf(stderr, "  %s\n", findings->items[i].message);
    exit(1);
}

#define PIECES 64
#define EACH   256

/* Bare signatures: the floor. */
static int sign_piece(void *context, size_t index, unsigned worker)
{
    struct crypto_signer *signer;
    uint8_t data[120] = {(uint8_t)index}, signature[CRYPTO_SIGNATURE_MAX];
    size_t length;
    int error = crypto_signer_new(context, &signer);
    for (unsigned i = 0; error == BASE_OK && i < EACH; i++) {
        data[1] = (uint8_t)i;
        error = crypto_sign(signer, data, sizeof(data), signature, &length);
    }
    crypto_signer_free(signer);
    return error;
}

static double crypto_rate(struct crypto_key *key, unsigned threads)
{
    double start = now();
    int error = base_parallel(threads, PIECES, sign_piece, key);
    if (error != BASE_OK)
        stop("crypto", error, NULL);
    return PIECES * EACH / (now() - start);
}

static struct zone *load(const char *path, const uint8_t *origin, unsigned threads)
{
    struct base_findings findings;
    struct zone *zone;
    base_findings_init(&findings, 10);
    struct dns_zonefile_options options = {.origin = origin, .threads = threads};
    int error = zone_load(path, &options, &findings, &zone);
    if (error != BASE_OK)
        stop(path, error, &findings);
    base_findings_free(&findings);
    return zone;
}

static struct sign_result run(const char *what, struct sign_request *request,
                              struct crypto_key *key)
{
    struct base_findings findings;
    struct sign_result result;
    base_findings_init(&findings, 10);
    bool bare = request->previous == NULL;
    double rate = bare ? crypto_rate(key, request->threads) : 0;
    double before = resident(), start = now();
    clock_t cpu = clock();
    int error = sign_zone(request, &findings, &result);
    double took = now() - start;
    cpu = clock() - cpu;
    if (bare)
        rate = (rate + crypto_rate(key, request->threads)) / 2;
    if (error != BASE_OK)
        stop(what, error, &findings);
    printf("%-12s %8.3f s, %.3f s CPU, %zu made, %zu kept, %zu in the chain, %.0f MiB more\n", what,
           took, (double)cpu / CLOCKS_PER_SEC, result.signatures_made, result.signatures_kept,
           result.chain_records, resident() - before);
    if (bare)
        printf("%-12s %8.3f s at %.0f signatures a second: %.3f of the floor\n", "bare crypto",
               (double)result.signatures_made / rate, rate,
               took * rate / (double)result.signatures_made);
    base_findings_free(&findings);
    return result;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: bench_sign FILE ORIGIN [THREADS] [nsec|nsec3|optout] [EDITED "
                        "[TIMES]]\n");
        return 2;
    }
    unsigned threads = base_thread_count(argc > 3 ? (unsigned)atoi(argv[3]) : 0);
    const char *denial = argc > 4 ? argv[4] : "nsec";
    struct sign_policy policy;
    sign_policy_default(&policy);
    policy.denial = strcmp(denial, "nsec") == 0 ? SIGN_NSEC : SIGN_NSEC3;
    policy.opt_out = strcmp(denial, "optout") == 0;
    struct crypto_zone_key key = {.algorithm = policy.algorithm, .flags = 257, .role = CRYPTO_CSK};
    size_t length;
    if (dns_name_from_text(key.zone, &length, argv[2], strlen(argv[2]), NULL) != BASE_OK)
        return 2;
    int error = crypto_key_generate(policy.algorithm, 0, &key.key);
    if (error != BASE_OK)
        stop("key", error, NULL);
    key.dnskey_length = crypto_key_dnskey(key.key, key.flags, key.dnskey);
    key.tag = crypto_key_tag(key.dnskey, key.dnskey_length);

    struct sign_request request = {.zone = load(argv[1], key.zone, threads),
                                   .policy = &policy,
                                   .keys = &key,
                                   .key_count = 1,
                                   .now = base_clock_now(),
                                   .threads = threads};
    struct sign_result first = run("full", &request, key.key);
    zone_release(request.zone);
    if (argc > 5) {
        request.zone = load(argv[5], key.zone, threads);
        request.previous = first.zone;
        for (int i = 0; i < (argc > 6 ? atoi(argv[6]) : 1); i++) {
            struct sign_result second = run("incremental", &request, key.key);
            zone_release(second.zone);
        }
        zone_release(request.zone);
    }
    zone_release(first.zone);
    crypto_key_free(key.key);
    return 0;
}
