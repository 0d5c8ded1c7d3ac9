/*
 * How fast zone files are read: wall time, rate and memory of dns_zonefile_read.
 *
 *     build/bench/bench_zonefile FILE [THREADS [TIMES [KERNEL [BLOCK]]]]
 */
#include "base/clock.h"
#include "base/error.h"
#include "dns/zonefile_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const struct dns_scan_kernel *find_kernel(const char *name)
{
    const struct dns_scan_kernel *kernel;
    for (size_t i = 0; (kernel = dns_scan_kernel(i)) != NULL; i++) {
        if (strcmp(kernel->name, name) == 0)
            return kernel;
    }
    return dns_scan_kernel(0);
}

static int read_once(const char *path, unsigned threads, const struct dns_zonefile_tuning *tuning)
{
    struct dns_zonefile_options options = {.threads = threads};
    struct dns_zonefile zonefile;
    struct base_findings findings;
    base_findings_init(&findings, 20);
    uint64_t start = base_clock_monotonic();
    int error = dns_zonefile_read_tuned(path, NULL, 0, &options, tuning, &findings, &zonefile);
    double seconds = (double)(base_clock_monotonic() - start) / 1e9;
    for (size_t i = 0; i < findings.count; i++)
        printf("%s:%u:%u: %s\n", findings.items[i].place.file, findings.items[i].place.line,
               findings.items[i].place.column, findings.items[i].message);
    base_findings_free(&findings);
    if (error != BASE_OK) {
        printf("%s: %s\n", path, base_strerror(error));
        return 1;
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("%.3f s, %.0f MB/s, %zu records, %zu runs, %.1f ns a record, %ld MiB at most\n", seconds,
           (double)zonefile.bytes / seconds / 1e6, zonefile.rr_count, zonefile.run_count,
           seconds * 1e9 / (double)(zonefile.rr_count + (zonefile.rr_count == 0)),
           usage.ru_maxrss / 1024);
    dns_zonefile_free(&zonefile);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s FILE [THREADS [TIMES [KERNEL [BLOCK]]]]\n", argv[0]);
        return 2;
    }
    unsigned threads = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    unsigned long times = argc > 3 ? strtoul(argv[3], NULL, 10) : 1;
    struct dns_zonefile_tuning tuning = {
        .kernel = argc > 4 ? find_kernel(argv[4]) : NULL,
        .block = argc > 5 ? strtoul(argv[5], NULL, 10) : 0,
    };
    int result = 0;
    while (times-- > 0 && result == 0)
        result = read_once(argv[1], threads, &tuning);
    return result;
}
