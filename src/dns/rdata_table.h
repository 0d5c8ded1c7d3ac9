/*
 * The table of record types in memory, and what the files that are driven by it share. Private to
 * the folder: others use rdata.h.
 */
#ifndef DNS_RDATA_TABLE_H
#define DNS_RDATA_TABLE_H

#include "base/reader.h"
#include "dns/rdata.h"

enum dns_field_kind {
    DNS_FIELD_END,
    /* numbers in network byte order */
    DNS_FIELD_U8,
    DNS_FIELD_U16,
    DNS_FIELD_U32,
    DNS_FIELD_U48,
    DNS_FIELD_U64,
    DNS_FIELD_TTL,         /* 32 bits; text may have units: 1h30m */
    DNS_FIELD_TIME,        /* 32 bits; YYYYMMDDHHmmSS (RFC 4034 section 3.2) */
    DNS_FIELD_TYPE,        /* 16 bits; a record type */
    DNS_FIELD_ALGORITHM,   /* 8 bits; DNSSEC algorithm, number or mnemonic */
    DNS_FIELD_DIGEST_TYPE, /* 8 bits; number or mnemonic */
    DNS_FIELD_CERT_TYPE,   /* 16 bits; RFC 4398 section 2.1 */
    DNS_FIELD_SCHEME,      /* 8 bits; RFC 9859 */
    /* addresses */
    DNS_FIELD_IPV4,
    DNS_FIELD_IPV6,
    DNS_FIELD_EUI48,
    DNS_FIELD_EUI64,
    DNS_FIELD_NODE, /* four groups of four hexadecimal digits (RFC 6742) */
    DNS_FIELD_NSAP, /* the rest, 0x… (RFC 1706) */
    DNS_FIELD_ATMA, /* the rest */
    DNS_FIELD_A6,   /* the rest (RFC 2874) */
    DNS_FIELD_NAME,
    /* texts */
    DNS_FIELD_STRING,          /* length octet, up to 255 octets */
    DNS_FIELD_DIGITS,          /* the same, digits only, `least` of them (RFC 1183) */
    DNS_FIELD_STRING_OPTIONAL, /* a string that may be absent at the end */
    DNS_FIELD_STRINGS,         /* one or more to the end */
    DNS_FIELD_TAG,             /* length octet, letters and digits (RFC 8659) */
    DNS_FIELD_LONG_STRING,     /* the rest, without length octet */
    /* blobs */
    DNS_FIELD_BASE64,         /* the rest */
    DNS_FIELD_BASE64_OR_DASH, /* the rest; "-" when empty */
    DNS_FIELD_HEX,            /* the rest */
    DNS_FIELD_SIZED,          /* 16-bit length; text: length, then base64 when not empty */
    DNS_FIELD_SALT,           /* length octet; hexadecimal or "-" */
    DNS_FIELD_HASH,           /* length octet; base32hex */
    /* others */
    DNS_FIELD_BITMAP,       /* the rest (RFC 4034 section 4.1.2) */
    DNS_FIELD_OLD_BITMAP,   /* the rest (RFC 2535 section 5.2) */
    DNS_FIELD_SERVICES,     /* protocol and bitmap of ports (RFC 1035 section 3.4.2) */
    DNS_FIELD_GATEWAY_TYPE, /* RFC 4025 */
    DNS_FIELD_RELAY_TYPE,   /* discovery bit and type (RFC 8777) */
    DNS_FIELD_GATEWAY,      /* by the type in the second octet: nothing, IPv4, IPv6, name */
    DNS_FIELD_HIP,          /* the whole rdata (RFC 8005) */
    DNS_FIELD_LOCATION,     /* the whole rdata (RFC 1876) */
    DNS_FIELD_PREFIXES,     /* the whole rdata (RFC 3123) */
    DNS_FIELD_SVCPARAMS,    /* the rest (RFC 9460) */
};

struct dns_field {
    uint8_t kind;     /* enum dns_field_kind */
    uint8_t least;    /* octets that a field which takes the rest must have */
    const char *name; /* as in JSON and in messages */
};

enum dns_rrtype_flag {
    DNS_RRTYPE_LOWER = 1,
    DNS_RRTYPE_UNPACK = 2,
    DNS_RRTYPE_PACK = 4,
    DNS_RRTYPE_META = 8,
    DNS_RRTYPE_SIGNER = 16,
    DNS_RRTYPE_OPAQUE = 32,
};

#define DNS_FIELDS_MAX 9

struct dns_rrtype {
    uint16_t number;
    uint8_t flags;
    uint8_t name_length;
    char name[12];                               /* NUL-terminated */
    struct dns_field fields[DNS_FIELDS_MAX + 1]; /* ends with DNS_FIELD_END */
};

/* The row of `type`; for a type that is not in the table one that has no name and is opaque. */
const struct dns_rrtype *dns_rrtype_find(uint16_t type);
/* All rows, for tests. */
const struct dns_rrtype *dns_rrtype_rows(size_t *count);

/* Names of values of a field: algorithms and the like. The first that has the value is printed. */
struct dns_mnemonic {
    const char *name;
    uint16_t value;
};
/* The list for a kind of field, ended by a NULL name; NULL when it has none. */
const struct dns_mnemonic *dns_field_mnemonics(enum dns_field_kind kind);
/* Looks a value up by name, any case. */
bool dns_mnemonic_value(const struct dns_mnemonic *list, const char *text, size_t length,
                        uint16_t *value);
/* NULL when the value has no name. */
const char *dns_mnemonic_name(const struct dns_mnemonic *list, uint16_t value);

/* Makes words of a field's name for a message: "public_key" to "public key". */
void dns_field_words(char *text);

/* Checks the field that starts at *at and moves *at behind it. Returns NULL when it is well formed,
 * else what is wrong, as the end of a sentence that starts with the field's name. */
const char *dns_field_check(const struct dns_field *field, const uint8_t *rdata, size_t length,
                            size_t *at);

/* What rules beyond the fields' shape say about the rdata of a type (digest sizes and the like);
 * NULL when all is well. The fields are well formed. */
const char *dns_rdata_rules(uint16_t type, const uint8_t *rdata, size_t length);

/* Checks of fields that have files of their own; NULL or what is wrong. */
const char *dns_svcparams_check(const uint8_t *params, size_t length);
const char *dns_location_check(const uint8_t *rdata, size_t length);
const char *dns_prefixes_check(const uint8_t *rdata, size_t length);
const char *dns_hip_check(const uint8_t *rdata, size_t length);
const char *dns_a6_check(const uint8_t *rdata, size_t length);

#endif
