/*
 * Times what one changed record, and signing 500 names again, cost in signed zones of different
 * sizes: from the edit to the
 * commit of the image, without sockets and without the gate.
 *     bench_delta DIRECTORY [nsec|nsec3|optout] [sync] [NAMES...]
 * An image is made in the directory, and removed at the end. With `sync` each commit waits for the
 * disk.
 */
#include "base/error.h"
#include "image/image.h"
#include "sign/delta.h"
#include "sign/sign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 300

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void stop(const char *what, int error, const struct base_findings *findings)
{
    fprintf(stderr, "%s: %s\n", what, base_strerror(error));
    for (size_t i = 0; findings != NULL && i < findings->count; i++)
        fprintf(stderr, "  %s\n", findings->items[i].message);
    exit(1);
}

static void check(const char *what, int error)
{
    if (error != BASE_OK)
        stop(what, error, NULL);
}

static void make_name(uint8_t out[DNS_NAME_MAX], const char *text)
{
    size_t length;
    check(text, dns_name_from_text(out, &length, text, strlen(text), NULL));
}

static void host_name(uint8_t out[DNS_NAME_MAX], unsigned number)
{
    char text[64];
    snprintf(text, sizeof(text), "host%07u.example.", number);
    make_name(out, text);
}

/* --- the zone --- */

static void add(struct zone_batch_writer *writer, const uint8_t *owner, uint16_t type,
                const uint8_t *rdata, size_t length)
{
    check("adding", zone_batch_add(writer, owner, type, 3600, rdata, length));
}

/* Every fourth name is a host, the others are delegations, one in sixteen of them secure. */
static bool is_host(unsigned number)
{
    return number % 4 == 0;
}

static struct zone *make_zone(const uint8_t *apex, unsigned names)
{
    struct zone_batch_writer writer;
    struct base_findings findings;
    struct zone *zone;
    uint8_t owner[DNS_NAME_MAX], soa[64] = "\2ns\7example\0\0";
    uint8_t ns[] = "\2ns\5other", ds[36] = {0, 1, 13, 2};
    for (unsigned i = 0; i < 5; i++)
        memcpy(soa + 13 + 4 * (size_t)i, (const uint8_t[]){0, 0, 1, 44}, 4);
    check("zone", zone_batch_writer_init(&writer, apex));
    add(&writer, apex, DNS_TYPE_SOA, soa, 13 + 20);
    add(&writer, apex, DNS_TYPE_NS, ns, sizeof(ns));
    for (unsigned i = 0; i < names; i++) {
        const uint8_t address[4] = {192, 0, 2, (uint8_t)i};
        host_name(owner, i);
        if (is_host(i))
            add(&writer, owner, DNS_TYPE_A, address, 4);
        else
            add(&writer, owner, DNS_TYPE_NS, ns, sizeof(ns));
        if (i % 16 == 1)
            add(&writer, owner, DNS_TYPE_DS, ds, sizeof(ds));
    }
    struct dns_zonefile file = {.batches = writer.batch};
    memcpy(file.origin, apex, dns_name_length(apex));
    base_arena_init(&file.arena, 0);
    base_findings_init(&findings, 10);
    int error = zone_build(&file, 0, &findings, &zone);
    if (error != BASE_OK || zone->soa == NULL)
        stop("building", error, &findings);
    base_findings_free(&findings);
    dns_zonefile_free(&file);
    return zone;
}

struct bench {
    struct image *image;
    struct image_reader *reader;
    struct sign_policy policy;
    struct crypto_zone_key key;
};

static void publish_whole(struct bench *bench, unsigned names)
{
    struct base_findings findings;
    struct sign_result result;
    struct zone *plain = make_zone(bench->key.zone, names);
    base_findings_init(&findings, 10);
    struct sign_request request = {.zone = plain,
                                   .policy = &bench->policy,
                                   .keys = &bench->key,
                                   .key_count = 1,
                                   .now = base_clock_now()};
    int error = sign_zone(&request, &findings, &result);
    if (error != BASE_OK)
        stop("signing", error, &findings);
    double start = now();
    struct image_publish publish = {
        .zone = result.zone, .now = request.now, .earliest_expiry = result.earliest_expiry};
    check("publishing", image_publish(bench->image, &publish, NULL));
    printf("%8u names  published whole in %.2f s\n", names, now() - start);
    base_findings_free(&findings);
    zone_release(result.zone);
    zone_release(plain);
}

/* --- one change --- */

struct times {
    double sign[ROUNDS], publish[ROUNDS], all[ROUNDS];
};

static void change(struct bench *bench, const struct sign_edit *edits, size_t count,
                   struct times *times, unsigned round)
{
    struct base_findings findings;
    struct sign_delta_result result;
    struct image_zone zone;
    struct zone_view view;
    base_findings_init(&findings, 10);
    double start = now();
    check("reader", image_reader_renew(bench->reader));
    check("zone", image_zone_get(bench->reader, bench->key.zone, &zone));
    image_view(bench->reader, &zone, &view);
    struct sign_delta_request request = {.view = &view,
                                         .edits = edits,
                                         .edit_count = count,
                                         .policy = &bench->policy,
                                         .keys = &bench->key,
                                         .key_count = 1,
                                         .now = base_clock_now()};
    int error = sign_delta(&request, &findings, &result);
    if (error != BASE_OK || result.nothing)
        stop("signing the change", error, &findings);
    image_reader_release(bench->reader);
    double middle = now();
    struct image_change publish = {.delta = &result.delta,
                                   .now = request.now,
                                   .history_bytes = 16 << 20,
                                   .history_versions = 100};
    check("publishing the change", image_publish_change(bench->image, &publish, NULL));
    zone_delta_free(&result.delta);
    double end = now();
    times->sign[round] = middle - start;
    times->publish[round] = end - middle;
    times->all[round] = end - start;
    base_findings_free(&findings);
}

/* --- signing again what expires first --- */

#define STEPS      20
#define STEP_NAMES 500

struct due {
    uint8_t names[STEP_NAMES][DNS_NAME_MAX];
    const uint8_t *list[STEP_NAMES];
    size_t count;
};

static int note_due(void *context, const uint8_t *owner)
{
    struct due *due = context;
    memcpy(due->names[due->count], owner, dns_name_length(owner));
    due->list[due->count] = due->names[due->count];
    due->count++;
    return BASE_OK;
}

/* As the daemon does when the first signatures are due; *find: seconds for finding them. */
static double sign_again(struct bench *bench, base_time late, double *find)
{
    static struct due due;
    struct base_findings findings;
    struct sign_delta_result result;
    struct image_zone zone;
    struct zone_view view;
    base_time next, clock = base_clock_now() + late;
    base_findings_init(&findings, 10);
    due.count = 0;
    double start = now();
    check("reader", image_reader_renew(bench->reader));
    check("zone", image_zone_get(bench->reader, bench->key.zone, &zone));
    check("what is due", image_expiring(bench->reader, &zone, clock + bench->policy.refresh,
                                        STEP_NAMES, note_due, &due, &next));
    *find = now() - start;
    image_view(bench->reader, &zone, &view);
    struct sign_delta_request request = {.view = &view,
                                         .refresh = due.list,
                                         .refresh_count = due.count,
                                         .policy = &bench->policy,
                                         .keys = &bench->key,
                                         .key_count = 1,
                                         .now = clock};
    int error = sign_delta(&request, &findings, &result);
    if (error != BASE_OK || result.nothing || due.count < STEP_NAMES)
        stop("signing again", error, &findings);
    image_reader_release(bench->reader);
    struct image_change publish = {
        .delta = &result.delta, .now = clock, .history_bytes = 16 << 20, .history_versions = 100};
    check("publishing", image_publish_change(bench->image, &publish, NULL));
    double all = now() - start;
    zone_delta_free(&result.delta);
    base_findings_free(&findings);
    return all;
}

static void run_again(struct bench *bench, unsigned names)
{
    double all = 0, find, finding = 0;
    /* So late that the names of each step are due. */
    base_time late = (base_time)bench->policy.validity - bench->policy.refresh;
    for (unsigned i = 0; i < STEPS; i++) {
        all += sign_again(bench, late, &find);
        finding += find;
    }
    printf("%8u names  500 names signed again %6.1f ms, of which %.2f ms to find them\n", names,
           all / STEPS * 1e3, finding / STEPS * 1e3);
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static double at(double *all, unsigned percent)
{
    qsort(all, ROUNDS, sizeof(*all), compare);
    return all[ROUNDS * percent / 100] * 1e6;
}

static void report(unsigned names, const char *what, struct times *times)
{
    printf("%8u names  %-22s %7.0f µs median, %7.0f µs p99 (sign %.0f, publish %.0f)\n", names,
           what, at(times->all, 50), at(times->all, 99), at(times->sign, 50),
           at(times->publish, 50));
    fflush(stdout);
}

/* One record replaced, a name added, a name removed. */
static void run(struct bench *bench, unsigned names)
{
    static struct times times[3];
    unsigned seed = 1;
    publish_whole(bench, names);
    sync(); /* what is still on its way to the disk is not part of a change */
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned number = ((unsigned)rand_r(&seed) % names) & ~3u;
        uint8_t owner[DNS_NAME_MAX], extra[DNS_NAME_MAX] = "\3new";
        uint8_t old[4] = {192, 0, 2, (uint8_t)number};
        uint8_t new[4] = {198, 51, 100, (uint8_t)i};
        host_name(owner, number);
        memcpy(extra + 4, owner, dns_name_length(owner));
        struct sign_edit replace[] = {
            {.owner = owner, .rdata = old, .ttl = 3600, .type = 1, .length = 4},
            {.owner = owner, .rdata = new, .ttl = 3600, .type = 1, .length = 4, .add = true}};
        struct sign_edit name = {
            .owner = extra, .rdata = new, .ttl = 3600, .type = 1, .length = 4, .add = true};
        change(bench, replace, 2, &times[0], i);
        replace[0].add = true;
        replace[1].add = false;
        change(bench, &name, 1, &times[1], i);
        name.add = false;
        change(bench, &name, 1, &times[2], i);
        /* Back, for a name that comes up twice. */
        static struct times unused;
        change(bench, replace, 2, &unused, i);
    }
    report(names, "record replaced", &times[0]);
    report(names, "name added", &times[1]);
    report(names, "name removed", &times[2]);
    run_again(bench, names);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench_delta DIRECTORY [nsec|nsec3|optout] [sync] [NAMES...]\n");
        return 2;
    }
    const char *denial = argc > 2 ? argv[2] : "nsec";
    bool sync = argc > 3 && strcmp(argv[3], "sync") == 0;
    struct bench bench = {0};
    sign_policy_default(&bench.policy);
    bench.policy.serial = SIGN_SERIAL_INCREMENT;
    bench.policy.denial = strcmp(denial, "nsec") == 0 ? SIGN_NSEC : SIGN_NSEC3;
    bench.policy.opt_out = strcmp(denial, "optout") == 0;
    struct crypto_zone_key *key = &bench.key;
    *key = (struct crypto_zone_key){
        .algorithm = bench.policy.algorithm, .flags = 257, .role = CRYPTO_CSK};
    make_name(key->zone, "example.");
    check("key", crypto_key_generate(key->algorithm, 0, &key->key));
    key->dnskey_length = crypto_key_dnskey(key->key, key->flags, key->dnskey);
    key->tag = crypto_key_tag(key->dnskey, key->dnskey_length);
    struct image_options options = {.writer = true, .no_sync = !sync};
    check(argv[1], image_open(argv[1], &options, &bench.image));
    check("reader", image_reader_open(bench.image, &bench.reader));
    image_reader_release(bench.reader);
    int first = 3 + sync;
    if (argc <= first) {
        run(&bench, 10000);
        run(&bench, 1000000);
    }
    for (int i = first; i < argc; i++)
        run(&bench, (unsigned)strtoul(argv[i], NULL, 10));
    image_reader_close(bench.reader);
    image_close(bench.image);
    crypto_key_free(key->key);
    check(argv[1], image_discard(argv[1]));
    return 0;
}
