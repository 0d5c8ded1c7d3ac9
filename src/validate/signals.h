/*
 * How a validator tells a zone which trust anchors it has: by a query and an EDNS option
 * (RFC 8145), and by answering a query of its users (RFC 8509).
 */
#ifndef VALIDATE_SIGNALS_H
#define VALIDATE_SIGNALS_H

#include "dns/name.h"

/* Key tags in one signal; more do not fit into a label. */
#define VALIDATE_SIGNAL_TAGS 12
#define VALIDATE_SIGNAL_TYPE 10 /* NULL: the type that is asked for */
#define VALIDATE_OPTION_TAGS 14 /* edns-key-tag */

/* The name to ask for, "_ta-4f66-9728." for the root. `tags` ascend; of more than
 * VALIDATE_SIGNAL_TAGS the first are told. Returns its length; 0: there are no tags, or the zone's
 * name is too long. */
size_t validate_signal_name(const uint8_t *zone, const uint16_t *tags, size_t count,
                            uint8_t out[DNS_NAME_MAX]);
/* The data of the EDNS option of a DNSKEY query. Returns its length. */
size_t validate_signal_option(const uint16_t *tags, size_t count,
                              uint8_t out[2 * VALIDATE_SIGNAL_TAGS]);

/* A root key sentinel: an answer to A or AAAA that validated as SECURE, and whose name begins with
 * "root-key-sentinel-is-ta-12345" or "-not-ta-12345", is to be turned into SERVFAIL, as the tag is
 * or is not among those of the root's anchors. False: the answer stays, or it is no sentinel. */
bool validate_sentinel_fails(const uint8_t *name, const uint16_t *tags, size_t count);

#endif
