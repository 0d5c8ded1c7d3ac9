/*
 * Zone files from foreign bytes. The first three octets choose the size of blocks, the kernel and
 * the bounds; the rest is the file. Read in the chosen way and in one block with plain C it must
 * give the same records and findings.
 */
#include "base/error.h"
#include "dns/scan.h"
#include "dns/zonefile_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void dump_run(struct base_buf *buf, const struct dns_zonefile *zonefile,
                     const struct dns_run *run)
{
    const struct dns_rr *rr = run->first;
    size_t used;
    for (uint32_t i = 0; i < run->count; i++, rr = dns_rr_next(rr)) {
        if (dns_name_check(run->name, DNS_NAME_MAX, &used) != BASE_OK ||
            dns_rdata_check(rr->type, rr->rdata, rr->length, NULL) != BASE_OK ||
            rr->file >= zonefile->file_count || rr->ttl > DNS_TTL_MAX)
            abort();
        base_buf_append(buf, run->name, dns_name_length(run->name));
        base_buf_append(buf, run->key, run->key == NULL ? 0 : run->key_length);
        base_buf_printf(buf, " %u %u at %u:%u %d:", rr->ttl, rr->type, rr->line, rr->column,
                        rr->canonical);
        base_buf_append(buf, rr->rdata, rr->length);
        base_buf_u8(buf, '\n');
    }
}

static void read_dump(struct base_buf *buf, const uint8_t *data, size_t size,
                      const struct dns_zonefile_options *options,
                      const struct dns_zonefile_tuning *tuning)
{
    struct base_findings findings;
    struct dns_zonefile zonefile;
    base_findings_init(&findings, 20);
    if (dns_zonefile_read_tuned("/nonexistent/example.zone", size > 0 ? (const void *)data : "",
                                size, options, tuning, &findings, &zonefile) != BASE_OK)
        abort();
    for (const struct dns_batch *batch = zonefile.batches; batch != NULL; batch = batch->next) {
        for (size_t i = 0; i < batch->run_count; i++)
            dump_run(buf, &zonefile, &batch->runs[i]);
    }
    for (size_t i = 0; i < findings.count; i++)
        base_buf_printf(buf, "%s %u:%u %s\n", base_finding_info(findings.items[i].code)->code,
                        findings.items[i].place.line, findings.items[i].place.column,
                        findings.items[i].message);
    base_buf_printf(buf, "%zu records, %zu errors, %zu warnings\n", zonefile.rr_count,
                    findings.totals[BASE_ERROR], findings.totals[BASE_WARNING]);
    if (buf->error != BASE_OK || findings.totals[BASE_ERROR] + zonefile.rr_count == 0)
        abort();
    dns_zonefile_free(&zonefile);
    base_findings_free(&findings);
}

static void read_one(const uint8_t *data, size_t size)
{
    struct base_findings findings;
    uint8_t owner[DNS_NAME_MAX];
    struct dns_rr *rr = malloc(DNS_RR_MAX);
    if (rr == NULL)
        return;
    base_findings_init(&findings, 5);
    int error = dns_rr_from_text("fuzz", (const char *)data, size, (const uint8_t *)"\7example", 60,
                                 &findings, owner, rr);
    if (error != BASE_OK && !base_findings_bad(&findings))
        abort();
    base_findings_free(&findings);
    free(rr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    size_t kernels = 0;
    while (dns_scan_kernel(kernels) != NULL)
        kernels++;
    struct dns_zonefile_options options = {
        .origin = data[2] & 1 ? (const uint8_t *)"\7example" : NULL,
        .threads = 1,
        .generate_max = 20,
        .entry_max = data[2] & 2 ? 50 : 0,
    };
    struct dns_zonefile_tuning tuning = {.block = 1 << 20, .kernel = dns_scan_kernel(kernels - 1)};
    struct base_buf expected, got;
    base_buf_init(&expected, 1 << 30);
    base_buf_init(&got, 1 << 30);
    read_dump(&expected, data + 3, size - 3, &options, &tuning);
    tuning.block = 1 + data[0];
    tuning.kernel = dns_scan_kernel(data[1] % kernels);
    options.threads = data[2] & 4 ? 2 : 1;
    read_dump(&got, data + 3, size - 3, &options, &tuning);
    if (expected.length != got.length || memcmp(expected.data, got.data, got.length) != 0) {
        fprintf(stderr, "in one block:\n%s\nin blocks of %zu octets, kernel %s:\n%s\n",
                base_buf_string(&expected), tuning.block, tuning.kernel->name,
                base_buf_string(&got));
        abort();
    }
    base_buf_free(&expected);
    base_buf_free(&got);
    read_one(data + 3, size - 3);
    return 0;
}
