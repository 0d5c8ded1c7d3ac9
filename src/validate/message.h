/*
 * A reply as the validator sees it: a DNS message whose records are gathered into RRsets, each with
 * the signatures that cover it. Nothing in it is trusted.
 */
#ifndef VALIDATE_MESSAGE_H
#define VALIDATE_MESSAGE_H

#include "dns/message.h"

struct validate_checked; /* rrset.h */

/* Records of one owner and type in one section, and the RRSIGs over them there. Either may be
 * missing, not both. RRSIG records are in no group of their own. */
struct validate_group {
    const uint8_t *name; /* of the first record, case as received */
    uint16_t type;
    enum dns_section section;
    uint32_t ttl;                         /* the smallest of the records */
    const struct dns_record **records;    /* duplicates included */
    const struct dns_record **signatures; /* RRSIG */
    size_t count, signature_count;
    const struct validate_checked *checked; /* what is known of it already: rrset.h */
};

struct validate_message {
    struct dns_message dns;
    struct validate_group *groups; /* by first appearance */
    size_t group_count;
    int ede;              /* what the sender says went wrong (RFC 8914); -1: nothing */
    const char *ede_text; /* its words, printable; NULL */
};

/* Reads a packet into memory of `arena`. Records of other classes than IN are left out.
 * BASE_EFORMAT, BASE_ELIMIT, BASE_ENOMEM. */
int validate_message_read(const uint8_t *wire, size_t length, struct base_arena *arena,
                          struct validate_message *out);
/* Why it is no answer to that question, in words: "it is a query"; NULL: it is one. */
const char *validate_message_unfit(const struct validate_message *message, const uint8_t *name,
                                   uint16_t type);
/* The group of that owner and type in a section, which may have signatures only; NULL. */
struct validate_group *validate_message_find(const struct validate_message *message,
                                             enum dns_section section, const uint8_t *name,
                                             uint16_t type);

#endif
