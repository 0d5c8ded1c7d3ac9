/*
 * How fast signatures, verifications and NSEC3 hashes are made, next to what a bare loop over
 * OpenSSL gives in the same run, as `openssl speed` does it: the context made once, the digest
 * given. On one thread and on several; the ratio says what our own code costs.
 *
 *   bench_crypto [SECONDS-PER-FIGURE] [THREADS]
 */
#include "base/error.h"
#include "base/thread.h"
#include "crypto/crypto.h"
#include "dns/name.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DATA_SIZE   150 /* octets that a signature of an RRset with one or two records covers */
#define THREADS_MAX 64

/* One figure: `start` makes what a thread needs, `step` does some of the work. */
struct task {
    const char *name;
    void *(*start)(unsigned algorithm);
    void (*step)(void *state);
    void (*stop)(void *state);
    unsigned algorithm;
    unsigned per_step;
};

static void must(int good)
{
    if (!good) {
        fprintf(stderr, "bench_crypto: a step failed\n");
        exit(1);
    }
}

/* --- ours --- */

struct ours {
    struct crypto_signer *signer;
    struct crypto_verifier *verifier;
    uint8_t data[DATA_SIZE];
    uint8_t signature[CRYPTO_SIGNATURE_MAX];
    size_t length;
};

static struct crypto_key *shared[32]; /* threads share the key, as they do when signing a zone */

static void *ours_start(unsigned algorithm)
{
    struct ours *ours = calloc(1, sizeof(*ours));
    uint8_t dnskey[CRYPTO_DNSKEY_MAX];
    must(ours != NULL);
    size_t length = crypto_key_dnskey(shared[algorithm], 256, dnskey);
    must(crypto_signer_new(shared[algorithm], &ours->signer) == BASE_OK);
    must(crypto_verifier_new(dnskey, length, false, &ours->verifier) == BASE_OK);
    must(crypto_sign(ours->signer, ours->data, DATA_SIZE, ours->signature, &ours->length) ==
         BASE_OK);
    return ours;
}

static void ours_sign(void *state)
{
    struct ours *ours = state;
    for (int i = 0; i < 10; i++) {
        ours->data[i]++;
        must(crypto_sign(ours->signer, ours->data, DATA_SIZE, ours->signature, &ours->length) ==
             BASE_OK);
    }
}

static void ours_verify(void *state)
{
    struct ours *ours = state;
    for (int i = 0; i < 10; i++)
        must(crypto_verify(ours->verifier, ours->data, DATA_SIZE, ours->signature, ours->length) ==
             BASE_OK);
}

static void ours_stop(void *state)
{
    struct ours *ours = state;
    crypto_signer_free(ours->signer);
    crypto_verifier_free(ours->verifier);
    free(ours);
}

/* --- the bare library --- */

struct bare {
    EVP_PKEY *pkey;
    EVP_PKEY_CTX *sign, *verify;
    EVP_MD_CTX *message_sign, *message_verify; /* EdDSA */
    uint8_t data[DATA_SIZE];
    uint8_t signature[CRYPTO_SIGNATURE_MAX];
    size_t length;
};

static EVP_PKEY *bare_key(unsigned algorithm)
{
    switch (algorithm) {
    case CRYPTO_ECDSAP256:
        return EVP_EC_gen("P-256");
    case CRYPTO_ECDSAP384:
        return EVP_EC_gen("P-384");
    case CRYPTO_ED25519:
        return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    case CRYPTO_ED448:
        return EVP_PKEY_Q_keygen(NULL, NULL, "ED448");
    default:
        return EVP_RSA_gen(2048);
    }
}

static void bare_sign(void *state)
{
    struct bare *bare = state;
    for (int i = 0; i < 10; i++) {
        bare->length = sizeof(bare->signature);
        if (bare->sign != NULL)
            must(EVP_PKEY_sign(bare->sign, bare->signature, &bare->length, bare->data, 32) == 1);
        else
            must(EVP_DigestSign(bare->message_sign, bare->signature, &bare->length, bare->data,
                                DATA_SIZE) == 1);
    }
}

static void bare_verify(void *state)
{
    struct bare *bare = state;
    for (int i = 0; i < 10; i++) {
        if (bare->verify != NULL)
            must(EVP_PKEY_verify(bare->verify, bare->signature, bare->length, bare->data, 32) == 1);
        else
            must(EVP_DigestVerify(bare->message_verify, bare->signature, bare->length, bare->data,
                                  DATA_SIZE) == 1);
    }
}

static void *bare_start(unsigned algorithm)
{
    struct bare *bare = calloc(1, sizeof(*bare));
    must(bare != NULL);
    memset(bare->data, 0x5a, sizeof(bare->data)); /* a digest of zeros is verified faster */
    bare->pkey = bare_key(algorithm);
    must(bare->pkey != NULL);
    if (algorithm >= CRYPTO_ED25519) {
        bare->message_sign = EVP_MD_CTX_new();
        bare->message_verify = EVP_MD_CTX_new();
        must(EVP_DigestSignInit(bare->message_sign, NULL, NULL, NULL, bare->pkey) == 1);
        must(EVP_DigestVerifyInit(bare->message_verify, NULL, NULL, NULL, bare->pkey) == 1);
    } else {
        bare->sign = EVP_PKEY_CTX_new(bare->pkey, NULL);
        bare->verify = EVP_PKEY_CTX_new(bare->pkey, NULL);
        must(EVP_PKEY_sign_init(bare->sign) == 1 && EVP_PKEY_verify_init(bare->verify) == 1);
    }
    bare_sign(bare);
    return bare;
}

static void bare_stop(void *state)
{
    struct bare *bare = state;
    EVP_PKEY_CTX_free(bare->sign);
    EVP_PKEY_CTX_free(bare->verify);
    EVP_MD_CTX_free(bare->message_sign);
    EVP_MD_CTX_free(bare->message_verify);
    EVP_PKEY_free(bare->pkey);
    free(bare);
}

/* --- NSEC3 and SHA-256 --- */

static const uint8_t sample_name[] = "\x0b"
                                     "host-123456\x07"
                                     "example\x03"
                                     "com";

static void *nsec3_start(unsigned iterations)
{
    struct crypto_nsec3 *nsec3;
    must(crypto_nsec3_new((uint16_t)iterations, NULL, 0, &nsec3) == BASE_OK);
    return nsec3;
}

static void nsec3_step(void *state)
{
    uint8_t hash[CRYPTO_NSEC3_SIZE];
    for (int i = 0; i < 1000; i++)
        must(crypto_nsec3_hash(state, sample_name, hash) == BASE_OK);
}

static void nsec3_stop(void *state)
{
    crypto_nsec3_free(state);
}

static void *evp_start(unsigned unused)
{
    EVP_MD *sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    must(sha1 != NULL && context != NULL && EVP_DigestInit_ex2(context, sha1, NULL) == 1);
    EVP_MD_free(sha1);
    return context;
}

static void evp_step(void *state)
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    for (int i = 0; i < 1000; i++)
        must(EVP_DigestInit_ex2(state, NULL, NULL) == 1 &&
             EVP_DigestUpdate(state, sample_name, sizeof(sample_name)) == 1 &&
             EVP_DigestFinal_ex(state, hash, NULL) == 1);
}

static void evp_stop(void *state)
{
    EVP_MD_CTX_free(state);
}

static void *hasher_start(unsigned hash)
{
    struct crypto_hasher *hasher;
    must(crypto_hasher_new((enum crypto_hash)hash, &hasher) == BASE_OK);
    return hasher;
}

static void hasher_step(void *state)
{
    static const uint8_t data[DATA_SIZE];
    uint8_t digest[CRYPTO_DIGEST_MAX];
    size_t length;
    for (int i = 0; i < 1000; i++) {
        crypto_hasher_update(state, data, sizeof(data));
        crypto_hasher_final(state, digest, &length);
    }
}

static void hasher_stop(void *state)
{
    crypto_hasher_free(state);
}

/* --- measuring --- */

struct run {
    const struct task *task;
    uint64_t nanoseconds;
    double rates[THREADS_MAX];
};

/* The thread's own time: what else the machine does is left out, waiting for locks as well, but a
 * contended lock also costs time of its own and shows in the figures for several threads. */
static uint64_t cpu_time(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static int run_thread(void *context, size_t index, unsigned worker)
{
    struct run *run = context;
    void *state = run->task->start(run->task->algorithm);
    uint64_t steps = 0, start = cpu_time(), now;
    do {
        run->task->step(state);
        steps++;
        now = cpu_time();
    } while (now - start < run->nanoseconds);
    run->rates[index] = (double)(steps * run->task->per_step) * 1e9 / (double)(now - start);
    run->task->stop(state);
    return BASE_OK;
}

static double measure(const struct task *task, double seconds, unsigned threads)
{
    struct run run = {.task = task, .nanoseconds = (uint64_t)(seconds * 1e9)};
    double sum = 0;
    must(base_parallel(threads, threads, run_thread, &run) == BASE_OK);
    for (unsigned i = 0; i < threads; i++)
        sum += run.rates[i];
    return sum;
}

/* Both in short turns, so that a change of the clock falls on both alike; the best counts. */
static void compare(const struct task *task, const struct task *floor, double seconds,
                    unsigned threads)
{
    double best = 0, best_floor = 0;
    for (int turn = 0; turn < 4; turn++) {
        double rate = measure(task, seconds / 4, threads);
        double floor_rate = floor == NULL ? 0 : measure(floor, seconds / 4, threads);
        best = rate > best ? rate : best;
        best_floor = floor_rate > best_floor ? floor_rate : best_floor;
    }
    printf("%-24s %7u %14.0f", task->name, threads, best);
    if (floor != NULL)
        printf(" %14.0f %7.3f", best_floor, best / best_floor);
    printf("\n");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 1.0;
    unsigned threads = argc > 2 ? (unsigned)atoi(argv[2]) : base_thread_count(0);
    static const struct {
        unsigned algorithm;
        const char *sign, *verify;
    } rows[] = {
        {CRYPTO_ECDSAP256, "P-256 sign", "P-256 verify"},
        {CRYPTO_ECDSAP384, "P-384 sign", "P-384 verify"},
        {CRYPTO_ED25519, "Ed25519 sign", "Ed25519 verify"},
        {CRYPTO_ED448, "Ed448 sign", "Ed448 verify"},
        {CRYPTO_RSASHA256, "RSA-2048 sign", "RSA-2048 verify"},
    };
    threads = threads < 1 ? 1 : threads > THREADS_MAX ? THREADS_MAX : threads;
    printf("%-24s %7s %14s %14s %7s\n", "operation", "threads", "per second", "bare OpenSSL",
           "ratio");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unsigned algorithm = rows[i].algorithm;
        must(crypto_key_generate(algorithm, 0, &shared[algorithm]) == BASE_OK);
        const struct task tasks[] = {
            {rows[i].sign, ours_start, ours_sign, ours_stop, algorithm, 10},
            {rows[i].verify, ours_start, ours_verify, ours_stop, algorithm, 10},
            {"", bare_start, bare_sign, bare_stop, algorithm, 10},
            {"", bare_start, bare_verify, bare_stop, algorithm, 10},
        };
        for (unsigned count = 1; count <= threads; count += threads > 1 ? threads - 1 : 1) {
            compare(&tasks[0], &tasks[2], seconds, count);
            compare(&tasks[1], &tasks[3], seconds, count);
        }
        crypto_key_free(shared[algorithm]);
    }
    const struct task nsec3 = {"NSEC3, 0 iterations", nsec3_start, nsec3_step, nsec3_stop, 0, 1000};
    const struct task nsec3_ten = {
        "NSEC3, 10 iterations", nsec3_start, nsec3_step, nsec3_stop, 10, 1000};
    const struct task evp = {"", evp_start, evp_step, evp_stop, 0, 1000};
    const struct task sha256 = {"SHA-256 of 150 octets", hasher_start, hasher_step, hasher_stop,
                                CRYPTO_SHA256,           1000};
    for (unsigned count = 1; count <= threads; count += threads > 1 ? threads - 1 : 1) {
        compare(&nsec3, &evp, seconds, count);
        compare(&nsec3_ten, NULL, seconds, count);
        compare(&sha256, NULL, seconds, count);
    }
    return 0;
}
