/*
 * A single record from one entry of zone-file text, for command lines, UPDATE and the API.
 */
#ifndef DNS_SCAN_H
#define DNS_SCAN_H

#include "base/finding.h"
#include "dns/name.h"
#include "dns/rr.h"

/* Octets that any record fits into. */
#define DNS_RR_MAX DNS_RR_SIZE(65535)

/*
 * Reads "owner [ttl] [class] type rdata" with all that zone files allow in an entry (escapes,
 * quotes, parentheses, comments). Names without a final dot, and "@", are completed with `origin`;
 * NULL: they must be absolute. A record without TTL gets `default_ttl`. `what` stands for the file
 * in findings.
 *
 * Writes the owner to `owner` and the record to `rr`, which has room for DNS_RR_MAX octets.
 * BASE_EFORMAT when it is not exactly one good record: findings say why. BASE_ENOMEM. The
 * outputs are as before then.
 */
int dns_rr_from_text(const char *what, const char *text, size_t length, const uint8_t *origin,
                     uint32_t default_ttl, struct base_findings *findings,
                     uint8_t owner[DNS_NAME_MAX], struct dns_rr *rr);

#endif
