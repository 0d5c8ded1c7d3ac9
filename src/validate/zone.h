/*
 * The independent verifier of a whole signed zone: shares no code with the signer.
 */
#ifndef VALIDATE_ZONE_H
#define VALIDATE_ZONE_H

#include "base/clock.h"
#include "zone/zone.h"

/* A DS that the parent has; rdata in wire format. */
struct validate_ds {
    const uint8_t *rdata;
    size_t length;
};

struct validate_zone_options {
    base_time now;
    const struct validate_ds *ds; /* when given, the chain from it must work */
    size_t ds_count;
    bool legacy; /* validate algorithms 5 and 7 too */
    /* Two keys with one tag, whatever their algorithms, are an error: nothing that is to be
     * published may have them. Otherwise only those of one algorithm are reported, as a warning,
     * since RFC 4034 section 5.3.1 allows them. */
    bool refuse_collisions;
    uint32_t margin; /* seconds: a signature that expires within is a warning; 0: none */
    unsigned threads;
    void (*progress)(void *context, size_t done, size_t all); /* signatures; may be NULL */
    void *progress_context;
};

struct validate_zone_result {
    size_t signatures; /* checked */
    size_t rrsets;     /* that must be signed */
    size_t names;      /* in the denial chain */
    base_time earliest_expiry;
    base_time latest_inception;
    unsigned algorithms[8]; /* in the DNSKEY set, 0-terminated */
    const char *denial;     /* "NSEC", "NSEC3", "NSEC3 opt-out", "none" */
    bool zonemd_checked;
};

/* Checks everything: each signature (covered set, dates, signer, labels, original TTL, key,
 * crypto), that every authoritative RRset is signed by each algorithm of the DNSKEY set, that
 * nothing else is signed, that the denial chain is complete and closed with correct bitmaps, DS
 * match, ZONEMD. Every problem is a finding that names the record. BASE_OK when the check ran,
 * whatever it found; see base_findings_bad. */
int validate_zone(const struct zone *zone, const struct validate_zone_options *options,
                  struct base_findings *findings, struct validate_zone_result *result);

#endif
