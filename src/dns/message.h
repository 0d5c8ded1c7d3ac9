/*
 * DNS messages (RFC 1035 section 4.1, EDNS: RFC 6891): reading foreign ones, building our own.
 *
 * Reading is strict: what is malformed anywhere is refused as a whole. Names come out uncompressed;
 * a message has a budget for what it may unfold to. Building compresses names (owners, and the
 * rdata of the types of RFC 1035), and never leaves half an RRset in a message that is full.
 */
#ifndef DNS_MESSAGE_H
#define DNS_MESSAGE_H

#include "base/arena.h"
#include "dns/rdata.h"

#define DNS_MESSAGE_MAX    65535
#define DNS_MESSAGE_HEADER 12

/* Octets that the names and rdata of one message may take uncompressed: the budget of reading. */
#define DNS_MESSAGE_UNPACKED_MAX (1024 * 1024)

enum dns_message_flag {
    DNS_FLAG_QR = 0x8000,
    DNS_FLAG_AA = 0x0400,
    DNS_FLAG_TC = 0x0200,
    DNS_FLAG_RD = 0x0100,
    DNS_FLAG_RA = 0x0080,
    DNS_FLAG_AD = 0x0020,
    DNS_FLAG_CD = 0x0010,
};

enum dns_opcode {
    DNS_OPCODE_QUERY = 0,
    DNS_OPCODE_NOTIFY = 4, /* RFC 1996 */
    DNS_OPCODE_UPDATE = 5, /* RFC 2136 */
};

enum dns_rcode {
    DNS_RCODE_NOERROR = 0,
    DNS_RCODE_FORMERR = 1,
    DNS_RCODE_SERVFAIL = 2,
    DNS_RCODE_NXDOMAIN = 3,
    DNS_RCODE_NOTIMP = 4,
    DNS_RCODE_REFUSED = 5,
    DNS_RCODE_YXDOMAIN = 6,
    DNS_RCODE_YXRRSET = 7,
    DNS_RCODE_NXRRSET = 8,
    DNS_RCODE_NOTAUTH = 9,
    DNS_RCODE_NOTZONE = 10,
    DNS_RCODE_BADVERS = 16, /* with EDNS only */
    DNS_RCODE_BADSIG = 16,  /* in TSIG only, as the next ones (RFC 8945 section 3) */
    DNS_RCODE_BADKEY = 17,
    DNS_RCODE_BADTIME = 18,
    DNS_RCODE_BADTRUNC = 22,
    DNS_RCODE_BADCOOKIE = 23,
};

enum dns_class { DNS_CLASS_NONE = 254, DNS_CLASS_ANY = 255 };

enum dns_section {
    DNS_SECTION_QUESTION, /* the zone, of an UPDATE */
    DNS_SECTION_ANSWER,   /* prerequisites */
    DNS_SECTION_AUTHORITY,
    DNS_SECTION_ADDITIONAL,
    DNS_SECTIONS
};

#define DNS_OPCODE(flags) ((flags) >> 11 & 15u)

/* --- reading --- */

struct dns_question {
    const uint8_t *name;
    uint16_t type;
    uint16_t class;
};

struct dns_record {
    const uint8_t *name;
    const uint8_t *rdata; /* uncompressed, well formed for its type */
    uint32_t ttl;
    uint16_t length; /* of the rdata; 0 is possible with class ANY or NONE (RFC 2136) */
    uint16_t type;
    uint16_t class;
};

#define DNS_EDNS_DO 0x8000

struct dns_edns {
    bool present;
    uint8_t version;
    uint16_t payload; /* octets that the sender can take by UDP */
    uint16_t flags;   /* DNS_EDNS_DO */
    const uint8_t *options;
    size_t options_length;
};

enum dns_edns_option {
    DNS_OPTION_NSID = 3,
    DNS_OPTION_CLIENT_SUBNET = 8,
    DNS_OPTION_EXPIRE = 9,
    DNS_OPTION_COOKIE = 10,
    DNS_OPTION_KEEPALIVE = 11,
    DNS_OPTION_PADDING = 12,
    DNS_OPTION_ERROR = 15, /* extended DNS errors, RFC 8914 */
    DNS_OPTION_REPORT_CHANNEL = 18,
};

struct dns_message {
    uint16_t id;
    uint16_t flags; /* as in the header, with opcode and the low bits of rcode */
    uint16_t rcode; /* with the upper bits from EDNS */
    struct dns_question *questions;
    struct dns_record *records;  /* of all sections, in their order; OPT and TSIG left out */
    size_t counts[DNS_SECTIONS]; /* questions, and records of each section */
    struct dns_edns edns;
    size_t tsig_at; /* place of the TSIG record; 0 when there is none. See tsig.h */
};

/* Reads a message into memory of `arena`; the result points into the arena and, for EDNS options,
 * into `wire`. BASE_EFORMAT: malformed in any way: cut short, octets left over, bad names or rdata,
 * two OPT records, OPT or TSIG out of place. BASE_ELIMIT: unfolds to more than
 * DNS_MESSAGE_UNPACKED_MAX. BASE_ENOMEM. */
int dns_message_parse(const uint8_t *wire, size_t length, struct base_arena *arena,
                      struct dns_message *message);

/* The records of a section: the first, and their number in *count. */
const struct dns_record *dns_message_section(const struct dns_message *message,
                                             enum dns_section section, size_t *count);

/* Steps through EDNS options: *at starts at 0. False at the end. */
bool dns_edns_next(const struct dns_edns *edns, size_t *at, uint16_t *code, const uint8_t **data,
                   size_t *length);

/* A record where it stands in a message, nothing of it unfolded. */
struct dns_record_place {
    size_t start; /* of the owner */
    size_t rdata;
    uint32_t ttl;
    uint16_t length; /* of the rdata */
    uint16_t type;
    uint16_t class;
};
/* Steps over the record at *at. BASE_EFORMAT. */
int dns_record_skip(const uint8_t *wire, size_t length, size_t *at, struct dns_record_place *place);
/* Steps over the questions, from the header's end. BASE_EFORMAT. */
int dns_questions_skip(const uint8_t *wire, size_t length, size_t *at);

/* --- building --- */

#define DNS_BUILDER_SLOTS 1024

struct dns_builder {
    uint8_t *wire;
    size_t length;
    size_t limit;    /* most octets of the message */
    size_t reserved; /* of these, kept for the OPT record and a TSIG */
    uint16_t counts[DNS_SECTIONS];
    uint16_t flags;
    bool exact_case;                   /* compress only onto names of the same case */
    uint16_t slots[DNS_BUILDER_SLOTS]; /* places of names, by their hash */
};

/* Starts a message in `wire`, which has room for `limit` octets (at most DNS_MESSAGE_MAX, at least
 * DNS_MESSAGE_HEADER). `reserve` octets are left free for dns_builder_edns and a TSIG. `flags` with
 * opcode and rcode. */
void dns_builder_init(struct dns_builder *builder, uint8_t *wire, size_t limit, size_t reserve,
                      uint16_t id, uint16_t flags);

/* Each appends to a section; sections are filled in their order (BASE_EINVAL otherwise).
 * BASE_ESPACE when it does not fit: the message is then as before. */
int dns_builder_question(struct dns_builder *builder, const uint8_t *name, uint16_t type,
                         uint16_t class);
int dns_builder_record(struct dns_builder *builder, enum dns_section section, const uint8_t *owner,
                       uint16_t type, uint16_t class, uint32_t ttl, const uint8_t *rdata,
                       size_t length);
/* All `count` records of an RRset of class IN, or none of them: BASE_ESPACE, and when it is
 * `required`, TC is set (RFC 2181 section 9). */
int dns_builder_rrset(struct dns_builder *builder, enum dns_section section, const uint8_t *owner,
                      const struct dns_rr *const *records, size_t count, bool required);

/* Appends the OPT record, for which the reserved room may be used; `rcode` with its upper bits. The
 * last record but for a TSIG. BASE_ESPACE. */
int dns_builder_edns(struct dns_builder *builder, const struct dns_edns *edns, uint16_t rcode);

/* Writes the header; returns the message's length. More can be added afterwards, and finished
 * again.
 */
size_t dns_builder_finish(struct dns_builder *builder);

#endif
