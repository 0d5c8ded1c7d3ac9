/*
 * The gate for changes: what zone.h judges of a whole zone, judged of the names that a change
 * touches and of all that they lean on. The version before has passed a gate; then this one passes
 * if and only if the whole new zone would. Shares nothing with the signer.
 */
#ifndef VALIDATE_DELTA_H
#define VALIDATE_DELTA_H

#include "validate/zone.h"
#include "zone/view.h"

struct validate_delta_result {
    size_t signatures;         /* verified */
    size_t names;              /* looked at */
    base_time earliest_expiry; /* of the signatures in the delta */
};

/* Findings say what is wrong: a signature that is missing, does not verify or is not valid at
 * options->now, data that must not be signed, a denial chain that is not closed or whose types are
 * wrong, `before` that is not what the view shows, a serial that does not go forward, a name whose
 * cut status changed and whose descendants are not in the delta, ... BASE_EUNSUPPORTED: the DNSKEY
 * set, NSEC3 parameters or denial kind change, or there is ZONEMD: judge the whole zone. BASE_OK
 * otherwise (also with findings; ask base_findings_bad). Errors of the view, BASE_ENOMEM. */
int validate_delta(const struct zone_view *before, const struct zone_delta *delta,
                   const struct validate_zone_options *options, struct base_findings *findings,
                   struct validate_delta_result *result);

#endif
