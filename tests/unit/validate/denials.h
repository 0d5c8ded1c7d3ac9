/* Denial records for tests: from zone-file lines and from golden files. */
#ifndef TEST_VALIDATE_DENIALS_H
#define TEST_VALIDATE_DENIALS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/file.h"
#include "dns/zonefile.h"
#include "validate/denial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t *name_of(uint8_t out[DNS_NAME_MAX], const char *text)
{
    static const uint8_t root[1] = {0};
    size_t length;
    assert_int_equal(dns_name_from_text(out, &length, text, strlen(text), root), BASE_OK);
    return out;
}

/* The NSEC and NSEC3 of a zone text. */
struct denials {
    struct dns_zonefile file;
    struct validate_denial_record records[64];
    struct validate_denial_set set;
    uint8_t zone[DNS_NAME_MAX];
    struct base_arena arena;
};

static void denials_read(struct denials *denials, const char *zone, const char *text)
{
    struct base_findings findings;
    memset(denials, 0, sizeof(*denials));
    struct dns_zonefile_options options = {.origin = name_of(denials->zone, zone), .threads = 1};
    base_findings_init(&findings, 10);
    assert_int_equal(
        dns_zonefile_read_memory("test", text, strlen(text), &options, &findings, &denials->file),
        BASE_OK);
    if (base_findings_bad(&findings))
        print_message("%s\n", findings.items[0].message);
    assert_false(base_findings_bad(&findings));
    base_findings_free(&findings);
    base_arena_init(&denials->arena, 1 << 16);
    for (const struct dns_batch *batch = denials->file.batches; batch != NULL;
         batch = batch->next) {
        for (size_t i = 0; i < batch->run_count; i++) {
            const struct dns_rr *rr = batch->runs[i].first;
            for (uint32_t j = 0; j < batch->runs[i].count; j++, rr = dns_rr_next(rr)) {
                if (rr->type != DNS_TYPE_NSEC && rr->type != DNS_TYPE_NSEC3)
                    continue;
                assert_true(denials->set.count < 64);
                denials->records[denials->set.count++] =
                    (struct validate_denial_record){.owner = batch->runs[i].name,
                                                    .rdata = rr->rdata,
                                                    .length = rr->length,
                                                    .type = rr->type};
            }
        }
    }
    denials->set.zone = denials->zone;
    denials->set.records = denials->records;
    denials->set.iterations_most = 50;
    denials->set.arena = &denials->arena;
}

static void denials_golden(struct denials *denials, const char *zone, const char *path)
{
    char full[512];
    uint8_t *data;
    size_t length;
    snprintf(full, sizeof(full), "%s/golden/%s", TEST_DATA, path);
    assert_int_equal(base_file_read(full, 1 << 20, &data, &length), BASE_OK);
    denials_read(denials, zone, (const char *)data);
    free(data);
}

static void denials_free(struct denials *denials)
{
    dns_zonefile_free(&denials->file);
    base_arena_free(&denials->arena);
}

static void assert_name(const uint8_t *name, const char *text)
{
    char shown[DNS_NAME_TEXT];
    assert_non_null(name);
    assert_string_equal(dns_name_text(shown, name), text);
}

#endif
