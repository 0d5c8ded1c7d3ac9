/*
 * The messages of a zone transfer (RFC 5936, RFC 1995), one after the other, to a zone or to edits.
 * Sans I/O: it knows no socket, no clock and no TSIG; messages come in with their TSIG verified and
 * taken off. Private to src/source.
 */
#ifndef SOURCE_TRANSFER_H
#define SOURCE_TRANSFER_H

#include "dns/message.h"
#include "source/update.h"
#include "zone/zone.h"

/* Serials by RFC 1982: is `a` greater than `b`? */
static inline bool source_serial_newer(uint32_t a, uint32_t b)
{
    return a != b && a - b < 0x80000000u;
}

#define SOURCE_SOA_MAX (2 * DNS_NAME_MAX + 20)
/* The serial of SOA rdata that is well formed. */
uint32_t source_soa_serial(const uint8_t *rdata, size_t length);

/* A query for a transfer, or for the SOA: type SOA, AXFR, or IXFR, which tells `serial`. With EDNS
 * it asks when the server's copy expires (RFC 7314). */
#define SOURCE_QUERY_MAX 560
size_t source_query(uint8_t out[SOURCE_QUERY_MAX], uint16_t id, const uint8_t *zone, uint16_t type,
                    uint32_t serial, bool edns);
/* What an OPT record says to that: seconds. False: nothing. */
bool source_expire_read(const struct dns_edns *edns, uint32_t *seconds);

enum source_transfer_form {
    SOURCE_TRANSFER_UNKNOWN, /* not to be told yet */
    SOURCE_TRANSFER_CURRENT, /* the peer has nothing newer: `serial` */
    SOURCE_TRANSFER_WHOLE,
    SOURCE_TRANSFER_EDITS,
};

struct source_transfer_options {
    const uint8_t *zone; /* lower case; stays */
    uint16_t type;       /* DNS_TYPE_AXFR, DNS_TYPE_IXFR */
    uint16_t id;
    bool have; /* `have_serial` is there: what is not newer is not taken (always so for IXFR) */
    uint32_t have_serial;
    size_t bytes_max; /* of memory for the records */
};

struct source_transfer {
    struct source_transfer_options options;
    enum source_transfer_form form;
    bool done; /* all is there; more messages are not expected */
    /* What went wrong: a code FETCH_… and words. */
    enum base_finding_code trouble;
    char why[256];
    size_t messages, records;

    uint8_t soa[SOURCE_SOA_MAX]; /* rdata of the newest */
    size_t soa_length;
    uint32_t soa_ttl, serial;
    bool expire_known; /* RFC 7314 */
    uint32_t expire_in;
    struct source_edits edits;

    /* Its own. */
    unsigned stage;
    uint32_t reached; /* serial that the edits so far lead to, or lead away from */
    struct zone_batch_writer writer;
    struct dns_batch *batches, **last; /* full ones; the writer's is not among them */
    size_t full_bytes;
};

int source_transfer_init(struct source_transfer *transfer,
                         const struct source_transfer_options *options); /* BASE_ENOMEM */
void source_transfer_free(struct source_transfer *transfer);
/* Takes a message. BASE_EFORMAT, BASE_EREFUSED (rcode), BASE_ELIMIT, BASE_ENOMEM with `trouble` and
 * `why`; the transfer is then of no more use. */
int source_transfer_take(struct source_transfer *transfer, const uint8_t *message, size_t length);
/* The zone, when the form is WHOLE and all is there; once. Errors as of zone_build. */
int source_transfer_zone(struct source_transfer *transfer, struct base_findings *findings,
                         struct zone **out);
/* "REFUSED", "rcode 23" */
const char *source_rcode_text(unsigned rcode, char room[16]);

#endif
