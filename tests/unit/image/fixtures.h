/* What the tests of the image share: zones made of text. */
#ifndef TEST_IMAGE_FIXTURES_H
#define TEST_IMAGE_FIXTURES_H

#include "base/error.h"
#include "zone/zone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct zone *zone_from(const char *text, const char *origin)
{
    uint8_t apex[DNS_NAME_MAX];
    size_t length;
    assert_int_equal(dns_name_from_text(apex, &length, origin, strlen(origin), NULL), BASE_OK);
    struct dns_zonefile_options options = {.origin = apex, .threads = 1};
    struct dns_zonefile file;
    struct base_findings findings;
    struct zone *zone;
    base_findings_init(&findings, 10);
    assert_int_equal(
        dns_zonefile_read_memory("test", text, strlen(text), &options, &findings, &file), BASE_OK);
    assert_int_equal(zone_build(&file, 1, &findings, &zone), BASE_OK);
    base_findings_free(&findings);
    dns_zonefile_free(&file);
    return zone;
}

#endif
