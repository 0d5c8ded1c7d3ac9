/*
 * Record types and their rdata. One table (rrtypes.def) says of what fields the rdata of each type
 * consists; wire checks, decompression, text parsing, printing, canonical form and JSON are all
 * driven by it. Types that are not in the table work everywhere in the form of RFC 3597.
 */
#ifndef DNS_RDATA_H
#define DNS_RDATA_H

#include "base/buf.h"
#include "dns/name.h"
#include "dns/rr.h"

enum dns_type {
    DNS_TYPE_A = 1,
    DNS_TYPE_NS = 2,
    DNS_TYPE_CNAME = 5,
    DNS_TYPE_SOA = 6,
    DNS_TYPE_PTR = 12,
    DNS_TYPE_MX = 15,
    DNS_TYPE_TXT = 16,
    DNS_TYPE_SIG = 24,
    DNS_TYPE_KEY = 25,
    DNS_TYPE_AAAA = 28,
    DNS_TYPE_LOC = 29,
    DNS_TYPE_SRV = 33,
    DNS_TYPE_NAPTR = 35,
    DNS_TYPE_DNAME = 39,
    DNS_TYPE_OPT = 41,
    DNS_TYPE_DS = 43,
    DNS_TYPE_SSHFP = 44,
    DNS_TYPE_RRSIG = 46,
    DNS_TYPE_NSEC = 47,
    DNS_TYPE_DNSKEY = 48,
    DNS_TYPE_NSEC3 = 50,
    DNS_TYPE_NSEC3PARAM = 51,
    DNS_TYPE_TLSA = 52,
    DNS_TYPE_SMIMEA = 53,
    DNS_TYPE_CDS = 59,
    DNS_TYPE_CDNSKEY = 60,
    DNS_TYPE_OPENPGPKEY = 61,
    DNS_TYPE_CSYNC = 62,
    DNS_TYPE_ZONEMD = 63,
    DNS_TYPE_SVCB = 64,
    DNS_TYPE_HTTPS = 65,
    DNS_TYPE_DSYNC = 66,
    DNS_TYPE_SPF = 99,
    DNS_TYPE_TKEY = 249,
    DNS_TYPE_TSIG = 250,
    DNS_TYPE_IXFR = 251,
    DNS_TYPE_AXFR = 252,
    DNS_TYPE_ANY = 255,
    DNS_TYPE_URI = 256,
    DNS_TYPE_CAA = 257,
};

#define DNS_RDATA_MAX 65535
#define DNS_TYPE_TEXT 16 /* room for any type as text, NUL included ("TYPE65535") */

/* The type's number by its name or "TYPEn", any case. BASE_ENOENT, BASE_ERANGE. */
int dns_type_from_text(const char *text, size_t length, uint16_t *type);
/* Writes name or "TYPEn", NUL-terminated; returns `out`. */
const char *dns_type_text(char out[DNS_TYPE_TEXT], uint16_t type);
/* True for types that are never zone data: 0, OPT, and 128-255 (RFC 6895 section 3.1). */
bool dns_type_is_meta(uint16_t type);
/* True for the types that DNSSEC signing makes and owns: RRSIG NSEC NSEC3 NSEC3PARAM. */
bool dns_type_is_dnssec(uint16_t type);

/* A token of zone-file text: escapes not yet resolved, quotes around it taken off. Quotes that
 * start within a token (key="a value", RFC 9460 section 2.1) stay part of its text, with all
 * between. */
struct dns_token {
    const char *text;
    uint32_t length;
    uint32_t line;
    uint32_t column;
    bool quoted;
};

/* Why a text or wire rdata was refused. */
struct dns_rdata_problem {
    char message[160]; /* one sentence with the values */
    size_t token;      /* index of the token at fault */
};

/*
 * Parses the rdata of `type` from `count` tokens (all that follow the type on the entry) into
 * `out`, which has room for DNS_RDATA_MAX octets. Names without a final dot are completed with
 * `origin` (may be NULL: then they must be absolute). "\#" (RFC 3597) is accepted for every type
 * and checked against the table for known ones. *canonical is set when the rdata is in canonical
 * form as it stands. BASE_EFORMAT, BASE_ERANGE, BASE_ESPACE, and BASE_ELIMIT (more than 512 service
 * parameters out of order), with *problem filled unless it is NULL; `out` may then hold anything.
 */
int dns_rdata_from_text(uint16_t type, const struct dns_token *tokens, size_t count,
                        const uint8_t *origin, uint8_t *out, size_t *out_length, bool *canonical,
                        struct dns_rdata_problem *problem);

/* Checks that `length` octets are well-formed rdata of `type` with uncompressed names, nothing
 * missing, nothing left over. BASE_EFORMAT; `problem` may be NULL. */
int dns_rdata_check(uint16_t type, const uint8_t *rdata, size_t length,
                    struct dns_rdata_problem *problem);

/* Reads rdata of `type` from a message: `length` octets at `at`, in which names may be compressed
 * where RFC 3597 section 4 allows it. Writes it uncompressed to `out` (room for DNS_RDATA_MAX).
 * BASE_EFORMAT, BASE_ESPACE. */
int dns_rdata_from_wire(uint16_t type, const uint8_t *message, size_t message_length, size_t at,
                        size_t length, uint8_t *out, size_t *out_length);

enum dns_text_style {
    DNS_TEXT_PLAIN = 0,   /* one line */
    DNS_TEXT_PRETTY = 1,  /* long fields in parentheses over lines, SOA with comments */
    DNS_TEXT_GENERIC = 2, /* \# of RFC 3597 */
};
/* Appends the presentation format. Rdata that does not fit its type is written in generic form. */
void dns_rdata_to_text(struct base_buf *buf, uint16_t type, const uint8_t *rdata, size_t length,
                       enum dns_text_style style);
/* Appends a JSON object of the fields by name, numbers as numbers, names, addresses and blobs as
 * strings. */
void dns_rdata_to_json(struct base_buf *buf, uint16_t type, const uint8_t *rdata, size_t length);

/* Writes the canonical form (RFC 4034 section 6.2 as amended by RFC 6840 section 5.1: names in
 * lower case for the types listed there) to `out`, same length as `rdata`; may be `rdata`. */
void dns_rdata_canonical(uint16_t type, const uint8_t *rdata, size_t length, uint8_t *out);
/* Orders two records' rdata in canonical form, as octets, shorter first (RFC 4034 section 6.3).
 * Uses the records' `canonical` flags to skip the conversion. */
int dns_rdata_compare(const struct dns_rr *a, const struct dns_rr *b);

/* Steps through the domain names in rdata: *at starts at 0; gives each name's place. Returns NULL
 * when there are no more. The rdata must be well formed. */
const uint8_t *dns_rdata_next_name(uint16_t type, const uint8_t *rdata, size_t length, size_t *at);

/* Type bitmaps (RFC 4034 section 4.1.2). */
bool dns_bitmap_has(const uint8_t *bitmap, size_t length, uint16_t type);
/* Writes the bitmap of `count` types in ascending order to `out`, which has room for
 * DNS_BITMAP_MAX; returns its length. */
#define DNS_BITMAP_MAX (256 * 34)
size_t dns_bitmap_make(uint8_t *out, const uint16_t *types, size_t count);
/* The next type set at or after `from`; -1 when none. For stepping through a bitmap. */
int dns_bitmap_next(const uint8_t *bitmap, size_t length, uint32_t from);
int dns_bitmap_check(const uint8_t *bitmap, size_t length); /* BASE_EFORMAT */

#endif
