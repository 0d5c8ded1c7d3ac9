/*
 * What it costs that private keys are in another process:
 *     bench_keys DIRECTORY [ZONES [NAMES]]
 * signs that many small zones with new keys, and one zone of that many names, with keys here and
 * with keys there. CPU is of both processes. DIRECTORY is made, and removed at the end.
 */
#include "base/error.h"
#include "keys/client.h"
#include "keys/service.h"
#include "process/channel.h"
#include "sign/provide.h"
#include "sign/sign.h"

#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SETTLE_EACH 256 /* zones */

struct bench {
    const char *directory;
    struct keys_client *client;
    pid_t child;
    clockid_t child_clock;
    struct sign_policy policy;
    struct base_findings findings;
};

static void must(bool good, const char *what)
{
    if (good)
        return;
    perror(what);
    exit(1);
}

static double seconds(clockid_t clock)
{
    struct timespec time;
    must(clock_gettime(clock, &time) == 0, "clock");
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Time spent, taken apart. */
struct spent {
    double wall, here, there;
};

static struct spent now(const struct bench *bench)
{
    return (struct spent){seconds(CLOCK_MONOTONIC), seconds(CLOCK_PROCESS_CPUTIME_ID),
                          seconds(bench->child_clock)};
}

static void add_since(const struct bench *bench, const struct spent *start, struct spent *sum)
{
    struct spent end = now(bench);
    sum->wall += end.wall - start->wall;
    sum->here += end.here - start->here;
    sum->there += end.there - start->there;
}

static void print(const char *what, const struct spent *spent, size_t count, const char *unit)
{
    double each = 1e3 / (double)count;
    printf("%-34s %8.3f ms of wall, %7.3f ms CPU (%.3f here, %.3f there) a %s\n", what,
           spent->wall * each, (spent->here + spent->there) * each, spent->here * each,
           spent->there * each, unit);
}

static void start_service(struct bench *bench)
{
    int pair[2], channel[2];
    must(process_channel_pair(pair) == BASE_OK && process_channel_pair(channel) == BASE_OK, "pair");
    fflush(stdout);
    bench->child = fork();
    must(bench->child >= 0, "fork");
    if (bench->child == 0) {
        struct keys_service_options options = {.directory = bench->directory,
                                               .log = {.fd = STDERR_FILENO, .part = "keys"}};
        close(pair[0]);
        _exit(keys_service_run(pair[1], &options));
    }
    close(pair[1]);
    struct process_message message = {.fd = channel[1]};
    must(process_send(pair[0], &message, 0) == BASE_OK, "send");
    close(channel[1]);
    must(keys_client_new(channel[0], &bench->client) == BASE_OK, "client");
    must(clock_getcpuclockid(bench->child, &bench->child_clock) == 0, "clock of the child");
}

static struct zone *load(struct bench *bench, const char *path, const uint8_t *origin)
{
    struct zone *zone;
    struct dns_zonefile_options options = {.origin = origin, .threads = 1};
    must(zone_load(path, &options, &bench->findings, &zone) == BASE_OK, path);
    return zone;
}

static void sign(struct bench *bench, struct zone *zone, const struct crypto_keydir *keys)
{
    struct sign_result result;
    struct sign_request request = {.zone = zone,
                                   .policy = &bench->policy,
                                   .keys = keys->keys,
                                   .key_count = keys->count,
                                   .now = base_clock_now(),
                                   .threads = 1};
    must(sign_zone(&request, &bench->findings, &result) == BASE_OK, "sign_zone");
    zone_release(result.zone);
}

enum how { HERE, THERE, THERE_EARLY };

static void provide(struct bench *bench, enum how how, const uint8_t *zone,
                    struct crypto_keydir *keys)
{
    size_t created;
    struct keys_provided provided;
    struct keys_request request = {.zone = zone,
                                   .policy = &bench->policy,
                                   .now = base_clock_now(),
                                   .early = how == THERE_EARLY};
    char *path = crypto_keydir_path(bench->directory, zone);
    int error = how == HERE
                    ? sign_keys_provide(path, zone, &bench->policy, request.now, &bench->findings,
                                        keys, &created)
                    : keys_client_provide(bench->client, &request, &bench->findings, &provided);
    if (how != HERE && error == BASE_OK)
        *keys = provided.keys;
    free(path);
    must(error == BASE_OK, base_strerror(error));
}

/* New zones: keys made, then signed. */
static void small_zones(struct bench *bench, enum how how, size_t count, const char *file)
{
    static const char *const names[] = {"keys here", "keys there", "keys there, settled together"};
    struct spent making = {0}, signing = {0}, settling = {0};
    for (size_t i = 0; i < count; i++) {
        char text[64];
        uint8_t origin[DNS_NAME_MAX];
        size_t length;
        struct crypto_keydir keys;
        snprintf(text, sizeof(text), "zone%zu-%d.example.", i, (int)how);
        must(dns_name_from_text(origin, &length, text, strlen(text), NULL) == BASE_OK, "name");
        struct zone *zone = load(bench, file, origin);
        struct spent start = now(bench);
        provide(bench, how, origin, &keys);
        add_since(bench, &start, &making);
        start = now(bench);
        sign(bench, zone, &keys);
        add_since(bench, &start, &signing);
        start = now(bench);
        if (how == THERE_EARLY && (i + 1 == count || i % SETTLE_EACH == SETTLE_EACH - 1))
            must(keys_client_settle(bench->client, &bench->findings) == BASE_OK, "settle");
        add_since(bench, &start, &settling);
        crypto_keydir_free(&keys);
        zone_release(zone);
    }
    printf("%zu new small zones, %s:\n", count, names[how]);
    print("  new keys", &making, count, "zone");
    print("  signing", &signing, count, "zone");
    if (how == THERE_EARLY)
        print("  settling", &settling, count, "zone");
}

static void large_zone(struct bench *bench, enum how how, size_t names, const char *file)
{
    uint8_t origin[DNS_NAME_MAX];
    size_t length;
    struct crypto_keydir keys;
    must(dns_name_from_text(origin, &length, "large.example.", 14, NULL) == BASE_OK, "name");
    struct zone *zone = load(bench, file, origin);
    provide(bench, how, origin, &keys);
    struct spent start = now(bench), signing = {0};
    sign(bench, zone, &keys);
    add_since(bench, &start, &signing);
    printf("a zone of %zu names, keys %s:\n", names, how == HERE ? "here" : "there");
    print("  signing", &signing, 1, "zone");
    crypto_keydir_free(&keys);
    zone_release(zone);
}

static void write_zone(const char *path, size_t names)
{
    FILE *file = fopen(path, "w");
    must(file != NULL, path);
    fputs("@ 3600 SOA ns1 host 1 3600 900 1209600 3600\n@ 3600 NS ns1\n@ 3600 NS ns2\n"
          "@ 3600 MX 10 mail\n@ 3600 TXT \"v=spf1 mx -all\"\n@ 3600 A 192.0.2.1\n",
          file);
    fputs("ns1 3600 A 192.0.2.1\nns2 3600 A 192.0.2.2\nmail 3600 A 192.0.2.3\n", file);
    for (size_t i = 0; i < names; i++)
        fprintf(file, "h%zu 3600 A 10.0.0.%zu\n", i, i % 250);
    must(fclose(file) == 0, path);
}

static int remove_one(const char *path, const struct stat *info, int flag, struct FTW *ftw)
{
    return remove(path);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench_keys DIRECTORY [ZONES [NAMES]]\n");
        return 2;
    }
    size_t zones = argc > 2 ? strtoul(argv[2], NULL, 10) : 2000;
    size_t names = argc > 3 ? strtoul(argv[3], NULL, 10) : 50000;
    struct bench bench = {.directory = argv[1]};
    char file[4096];
    must(mkdir(argv[1], 0700) == 0, argv[1]);
    snprintf(file, sizeof(file), "%s/.zone", argv[1]);
    sign_policy_default(&bench.policy);
    base_findings_init(&bench.findings, 10);
    start_service(&bench);
    write_zone(file, 1);
    small_zones(&bench, HERE, zones, file);
    small_zones(&bench, THERE, zones, file);
    small_zones(&bench, THERE_EARLY, zones, file);
    write_zone(file, names);
    for (int round = 0; round < 2; round++) {
        large_zone(&bench, HERE, names, file);
        large_zone(&bench, THERE, names, file);
    }
    keys_client_free(bench.client);
    kill(bench.child, SIGTERM);
    waitpid(bench.child, NULL, 0);
    base_findings_free(&bench.findings);
    nftw(argv[1], remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
