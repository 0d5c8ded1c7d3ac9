/*
 * What a signature is over, and one try whether it verifies. Private to rrset.c, which tries what
 * the records say, and mismatch.c, which tries what may have been said instead.
 */
#ifndef VALIDATE_RRSET_PARTS_H
#define VALIDATE_RRSET_PARTS_H

#include "validate/rrset.h"

#define VALIDATE_RRSIG_HEAD 18 /* octets of RRSIG rdata before the signer's name */

/* A record as it is signed. */
struct validate_item {
    const uint8_t *data;
    uint16_t length;
    const struct dns_record *record;
};
int validate_item_compare(const void *a, const void *b); /* as octets, shorter first */
/* In canonical form, sorted, duplicates left out (RFC 4034 section 6). BASE_ENOMEM */
int validate_group_items(const struct validate_group *group, struct base_arena *arena,
                         struct validate_item **out, size_t *count);
/* The owner as it was signed: of a wildcard when there are fewer labels (RFC 4035 section 5.3.2).
 * Gives its length. */
size_t validate_signed_owner(const uint8_t *name, unsigned labels, uint8_t out[DNS_NAME_MAX]);

/* All that is signed (RFC 4034 section 3.1.8.1). */
struct validate_signed {
    const uint8_t *head; /* VALIDATE_RRSIG_HEAD octets */
    const uint8_t *signer, *owner;
    uint16_t type;
    uint32_t ttl; /* of each record */
    const struct validate_item *items;
    size_t count;
};
/* Does the signature of the RRSIG `record` verify over it? Counted among the verifications of the
 * work, which the caller has looked at. BASE_EMISMATCH: no; BASE_EFORMAT: the key is unfit, now
 * marked as such; BASE_ENOMEM. */
int validate_signed_try(struct validate_work *work, struct validate_zone_key *key,
                        const struct validate_signed *what, const struct dns_record *record);

#endif
