/*
 * The meaning of a zone: every check that named-checkzone, kzonecheck and validns know, and more.
 * Findings only; the zone is not changed.
 */
#ifndef ZONE_CHECK_H
#define ZONE_CHECK_H

#include "zone/zone.h"

struct zone_check_options {
    unsigned threads;        /* 0: one per CPU */
    uint32_t refresh_margin; /* seconds between signature refresh and expiry: no TTL may be longer;
                                0: do not check */
};

/* Runs all checks. BASE_OK also when there are findings; BASE_ENOMEM. */
int zone_check(const struct zone *zone, const struct zone_check_options *options,
               struct base_findings *findings);

#endif
