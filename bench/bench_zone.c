/*
 * Times what is done with a zone in memory, each part on its own:
 *     bench_zone FILE ORIGIN [THREADS] [OUTPUT]
 */
#include "base/error.h"
#include "base/file.h"
#include "base/thread.h"
#include "zone/diff.h"
#include "zone/write.h"
#include "zone/zonemd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* A line of /proc/self/status, in MiB. */
static double memory(const char *what)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    double mebibytes = 0;
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, what, strlen(what)) == 0)
            mebibytes = strtod(line + strlen(what) + 1, NULL) / 1024;
    }
    if (file != NULL)
        fclose(file);
    return mebibytes;
}

/* Of all threads, in seconds. */
static double cpu(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double started, cpu_started;

static void begin(void)
{
    started = now();
    cpu_started = cpu();
}

static void end(const char *what, int error)
{
    double took = now() - started;
    printf("%-26s %8.1f ms %8.1f CPU %7.1f MiB now, %7.1f at most%s%s\n", what, took * 1000,
           (cpu() - cpu_started) * 1000, memory("VmRSS:"), memory("VmHWM:"),
           error != BASE_OK ? "   " : "", error != BASE_OK ? base_strerror(error) : "");
    if (error != BASE_OK)
        exit(1);
}

struct finding_names {
    const struct zone *zone;
    const uint32_t *order;
    size_t count;
    size_t found;
};

#define FIND_CHUNK 4096

static int find_some(void *context, size_t index, unsigned worker)
{
    struct finding_names *names = context;
    size_t first = index * FIND_CHUNK, found = 0;
    for (size_t i = first; i < first + FIND_CHUNK && i < names->count; i++)
        found += zone_find(names->zone, names->zone->nodes[names->order[i]].name, NULL) != NULL;
    __atomic_add_fetch(&names->found, found, __ATOMIC_RELAXED);
    return BASE_OK;
}

static void time_find(const struct zone *zone, unsigned threads)
{
    uint32_t *order = malloc((zone->node_count + 1) * sizeof(*order));
    if (order == NULL)
        exit(1);
    for (size_t i = 0; i < zone->node_count; i++)
        order[i] = (uint32_t)i;
    srandom(1);
    for (size_t i = zone->node_count; i > 1; i--) {
        size_t j = (size_t)random() % i;
        uint32_t swap = order[i - 1];
        order[i - 1] = order[j];
        order[j] = swap;
    }
    struct finding_names names = {.zone = zone, .order = order, .count = zone->node_count};
    begin();
    int error =
        base_parallel(threads, (names.count + FIND_CHUNK - 1) / FIND_CHUNK, find_some, &names);
    end("find each name, any order", error);
    if (names.found != zone->node_count)
        printf("only %zu of %zu names found\n", names.found, zone->node_count);
    free(order);
}

/* As after signing: an RRSIG for each RRset, and an NSEC for each name. */
static struct dns_batch *signatures(const struct zone *zone)
{
    struct zone_batch_writer writer;
    uint8_t rdata[128] = {0};
    if (zone_batch_writer_init(&writer, zone->apex) != BASE_OK)
        exit(1);
    for (size_t i = 0; i < zone->node_count; i++) {
        const struct zone_node *node = &zone->nodes[i];
        int error = zone_batch_add(&writer, node->name, DNS_TYPE_NSEC, 3600, rdata, 10);
        for (unsigned j = 0; error == BASE_OK && j <= node->rrset_count; j++) {
            rdata[0] = 0;
            rdata[1] = (uint8_t)j;
            error = zone_batch_add(&writer, node->name, DNS_TYPE_RRSIG, 3600, rdata, 18 + 1 + 64);
        }
        if (error != BASE_OK)
            exit(1);
    }
    return writer.batch;
}

static int no_change(void *context, enum zone_change change, const uint8_t *owner,
                     const struct dns_rr *rr)
{
    (*(size_t *)context)++;
    return BASE_OK;
}

static void time_write(const struct zone *zone, enum zone_text_form form, bool source_order,
                       const char *what, const char *path, unsigned threads)
{
    const struct zone_write_options options = {
        .form = form, .source_order = source_order, .threads = threads};
    struct base_file_writer *writer;
    if (base_file_create(path, 0600, &writer) != BASE_OK)
        exit(1);
    begin();
    int error = zone_write(zone, &options, writer);
    end(what, error);
    base_file_abort(writer);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: bench_zone FILE ORIGIN [THREADS] [OUTPUT]\n");
        return 2;
    }
    unsigned threads = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
    const char *output = argc > 4 ? argv[4] : "/tmp/bench_zone.out";
    uint8_t origin[DNS_NAME_MAX];
    size_t length;
    if (dns_name_from_text(origin, &length, argv[2], strlen(argv[2]), NULL) != BASE_OK)
        return 2;
    struct base_findings findings;
    base_findings_init(&findings, 10);
    const struct dns_zonefile_options options = {.origin = origin, .threads = threads};
    struct dns_zonefile zonefile;
    begin();
    int error = dns_zonefile_read(argv[1], &options, &findings, &zonefile);
    end("read", error);
    struct zone *zone = NULL;
    begin();
    error = zone_build(&zonefile, threads, &findings, &zone);
    end("build", error);
    dns_zonefile_free(&zonefile);
    printf("%zu names, %zu RRsets, %zu records, %zu findings\n", zone->node_count,
           zone->rrset_count, zone->rr_count, findings.count);
    time_find(zone, threads);
    uint8_t digest[ZONE_ZONEMD_MAX];
    begin();
    error = zone_zonemd(zone, ZONE_ZONEMD_SHA384, digest, &length);
    end("ZONEMD", error);
    time_write(zone, ZONE_TEXT_LINES, false, "write lines", output, threads);
    time_write(zone, ZONE_TEXT_LINES, true, "write lines as in source", output, threads);
    time_write(zone, ZONE_TEXT_PRETTY, false, "write pretty", output, threads);
    time_write(zone, ZONE_TEXT_JSON, false, "write JSON", output, threads);
    struct zone_compose compose = {.base = zone, .extra = signatures(zone), .threads = threads};
    struct zone *signed_zone = NULL;
    begin();
    error = zone_compose(&compose, &findings, &signed_zone);
    end("compose with signatures", error);
    printf("%zu names, %zu RRsets, %zu records\n", signed_zone->node_count,
           signed_zone->rrset_count, signed_zone->rr_count);
    time_write(signed_zone, ZONE_TEXT_LINES, false, "write lines", output, threads);
    const struct zone_diff_options all = {0};
    size_t changes = 0;
    begin();
    error = zone_diff(zone, signed_zone, &all, no_change, &changes);
    end("difference of the two", error);
    begin();
    zone_release(zone);
    zone_release(signed_zone);
    end("release", BASE_OK);
    base_findings_free(&findings);
    return 0;
}
