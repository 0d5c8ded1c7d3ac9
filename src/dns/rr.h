/*
 * A resource record as it is kept in memory: fixed head and rdata in one piece, in an arena.
 * Its owner is known from where it hangs (a run, a node).
 */
#ifndef DNS_RR_H
#define DNS_RR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_CLASS_IN 1
#define DNS_TTL_MAX  0x7fffffffu /* RFC 2181 section 8 */

struct dns_rr {
    uint32_t ttl;           /* seconds */
    uint32_t line;          /* place in its file; 0 when it does not come from one */
    uint16_t column;        /* of the rdata */
    uint16_t file : 12;     /* index into the zone's list of files */
    uint16_t canonical : 1; /* rdata is in canonical form as it stands (RFC 4034 section 6.2) */
    uint16_t generated : 1; /* made by Kenter (NSEC, RRSIG, …), not read */
    uint16_t length;        /* octets of rdata */
    uint16_t type;
    uint8_t rdata[]; /* wire format, names uncompressed and in the case as written */
};
_Static_assert(sizeof(struct dns_rr) == 16, "the head of a record is 16 bytes");
#define DNS_RR_SIZE(length) ((sizeof(struct dns_rr) + (length) + 7) & ~(size_t)7)

/* The record that follows in a run, in which records lie one behind the other. */
static inline const struct dns_rr *dns_rr_next(const struct dns_rr *rr)
{
    return (const struct dns_rr *)((const uint8_t *)rr + DNS_RR_SIZE(rr->length));
}

/*
 * Records of one owner that were written one after another, contiguous in memory.
 */
struct dns_run {
    const uint8_t *name; /* owner, wire, case as written */
    const uint8_t *key;  /* canonical-order key below the zone's origin (dns_name_key with skip =
                            labels of the origin); NULL when the owner is not within the origin */
    const struct dns_rr *first;
    uint32_t count;
    uint16_t key_length;
    uint16_t flags;
};

#endif
