/* Zones for the tests of the verifier: from files, and from texts with one thing changed. */
#ifndef TEST_VALIDATE_SUPPORT_H
#define TEST_VALIDATE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/file.h"
#include "validate/zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct verified {
    struct base_findings findings;
    struct validate_zone_result result;
};

static base_time time_of(const char *text)
{
    base_time time = 0;
    assert_int_equal(base_time_parse(text, 0, &time), BASE_OK);
    return time;
}

static char *read_text(const char *path)
{
    char full[512];
    uint8_t *data;
    size_t length;
    snprintf(full, sizeof(full), "%s/golden/%s", TEST_DATA, path);
    assert_int_equal(base_file_read(full, 1 << 20, &data, &length), BASE_OK);
    return (char *)data;
}

/* Verifies a zone text; findings of reading and building do not count. */
static void verify_text(const char *text, const char *origin,
                        const struct validate_zone_options *options, struct verified *out)
{
    uint8_t name[DNS_NAME_MAX];
    size_t length;
    assert_int_equal(dns_name_from_text(name, &length, origin, strlen(origin), NULL), BASE_OK);
    struct dns_zonefile_options how = {.origin = name, .threads = 1};
    struct dns_zonefile file;
    struct base_findings reading;
    struct zone *zone = NULL;
    base_findings_init(&reading, 100);
    assert_int_equal(dns_zonefile_read_memory("test", text, strlen(text), &how, &reading, &file),
                     BASE_OK);
    assert_int_equal(zone_build(&file, 1, &reading, &zone), BASE_OK);
    base_findings_init(&out->findings, 100);
    assert_int_equal(validate_zone(zone, options, &out->findings, &out->result), BASE_OK);
    base_findings_free(&reading);
    zone_release(zone);
    dns_zonefile_free(&file);
}

static void verified_free(struct verified *verified)
{
    base_findings_free(&verified->findings);
}

/* `text` with the first `find` after the first `anchor` replaced; the caller frees it. */
static char *replaced(const char *text, const char *anchor, const char *find, const char *with)
{
    const char *at = strstr(text, anchor);
    assert_non_null(at);
    at = strstr(at, find);
    assert_non_null(at);
    char *out = malloc(strlen(text) + strlen(with) + 1);
    assert_non_null(out);
    size_t before = (size_t)(at - text);
    memcpy(out, text, before);
    strcpy(out + before, with);
    strcat(out, at + strlen(find));
    return out;
}

static const struct base_finding *find_code(const struct verified *verified,
                                            enum base_finding_code code)
{
    for (size_t i = 0; i < verified->findings.count; i++) {
        if (verified->findings.items[i].code == code)
            return &verified->findings.items[i];
    }
    return NULL;
}

static void print_findings(const struct verified *verified)
{
    for (size_t i = 0; i < verified->findings.count; i++) {
        const struct base_finding *finding = &verified->findings.items[i];
        print_message("  %s %s %s: %s\n", base_finding_info(finding->code)->code,
                      finding->place.owner != NULL ? finding->place.owner : "-",
                      finding->place.type != NULL ? finding->place.type : "-", finding->message);
    }
}

#endif
