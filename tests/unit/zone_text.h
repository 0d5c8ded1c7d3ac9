/* A zone made of text, for the tests of many folders. */
#ifndef TESTS_UNIT_ZONE_TEXT_H
#define TESTS_UNIT_ZONE_TEXT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "dns/zonefile.h"
#include "zone/zone.h"

/* The caller releases it. An error in the text fails the test. */
static inline struct zone *zone_from_text(const char *text, const char *origin)
{
    uint8_t apex[DNS_NAME_MAX];
    size_t length;
    assert_int_equal(dns_name_from_text(apex, &length, origin, strlen(origin), NULL), BASE_OK);
    struct dns_zonefile_options options = {.origin = apex, .threads = 1};
    struct dns_zonefile file;
    struct base_findings findings;
    struct zone *zone;
    base_findings_init(&findings, 100);
    assert_int_equal(
        dns_zonefile_read_memory("test", text, strlen(text), &options, &findings, &file), BASE_OK);
    assert_int_equal(zone_build(&file, 1, &findings, &zone), BASE_OK);
    for (size_t i = 0; i < findings.count; i++)
        if (findings.items[i].severity == BASE_ERROR)
            fail_msg("%u: %s", findings.items[i].place.line, findings.items[i].message);
    base_findings_free(&findings);
    dns_zonefile_free(&file);
    return zone;
}

#endif
