/* The table of record types, and names of types: see rdata.h and rrtypes.def. */
#include "dns/rdata_table.h"

#include "base/error.h"

#include <string.h>
#include <strings.h>

enum row {
#define RRTYPE(symbol, number, name, flags, ...) ROW_##symbol,
#include "dns/rrtypes.def"
#undef RRTYPE
    ROW_COUNT
};

#define LOWER  DNS_RRTYPE_LOWER
#define UNPACK DNS_RRTYPE_UNPACK
#define PACK   DNS_RRTYPE_PACK
#define META   DNS_RRTYPE_META
#define SIGNER DNS_RRTYPE_SIGNER
#define OPAQUE DNS_RRTYPE_OPAQUE
#define F(kind, name, least)                                                                       \
    {                                                                                              \
        DNS_FIELD_##kind, least, name                                                              \
    }
#define END                                                                                        \
    {                                                                                              \
        0, 0, 0                                                                                    \
    }

static const struct dns_rrtype rows[ROW_COUNT] = {
#define RRTYPE(symbol, number, name, flags, ...)                                                   \
    [ROW_##symbol] = {number, flags, sizeof(name) - 1, name, {__VA_ARGS__}},
#include "dns/rrtypes.def"
#undef RRTYPE
};

static const struct dns_rrtype unknown = {.flags = OPAQUE};

/* No two types of the table are equal modulo this, which makes looking one up a single step. A test
 * holds it to that. */
#define SLOTS 521

static const uint8_t slots[SLOTS] = {
#define RRTYPE(symbol, number, name, flags, ...) [number % SLOTS] = ROW_##symbol,
#include "dns/rrtypes.def"
#undef RRTYPE
};

const struct dns_rrtype *dns_rrtype_find(uint16_t type)
{
    /* Most numbers are small: no need to divide. */
    const struct dns_rrtype *row = &rows[slots[type < SLOTS ? type : type % SLOTS]];
    return row->number == type ? row : &unknown;
}

const struct dns_rrtype *dns_rrtype_rows(size_t *count)
{
    *count = ROW_COUNT;
    return rows;
}

/* Up to eight letters as one number, for comparing names of types in one step. */
#define PACK2(a, b)            ((uint64_t)(a) | (uint64_t)(b) << 8)
#define PACK4(a, b, c, d)      (PACK2(a, b) | PACK2(c, d) << 16)
#define PACK8(a, b, c, d, ...) (PACK4(a, b, c, d) | (uint64_t)PACK4(__VA_ARGS__) << 32)

/* The types that zones are full of. Letters of `packed` are in upper case. */
static int common_type(uint64_t packed)
{
    switch (packed) {
    case 'A':
        return DNS_TYPE_A;
    case PACK2('N', 'S'):
        return DNS_TYPE_NS;
    case PACK2('D', 'S'):
        return DNS_TYPE_DS;
    case PACK2('M', 'X'):
        return DNS_TYPE_MX;
    case PACK4('T', 'X', 'T', 0):
        return DNS_TYPE_TXT;
    case PACK4('S', 'O', 'A', 0):
        return DNS_TYPE_SOA;
    case PACK4('S', 'R', 'V', 0):
        return DNS_TYPE_SRV;
    case PACK4('P', 'T', 'R', 0):
        return DNS_TYPE_PTR;
    case PACK4('C', 'A', 'A', 0):
        return DNS_TYPE_CAA;
    case PACK4('A', 'A', 'A', 'A'):
        return DNS_TYPE_AAAA;
    case PACK4('N', 'S', 'E', 'C'):
        return DNS_TYPE_NSEC;
    case PACK4('T', 'L', 'S', 'A'):
        return DNS_TYPE_TLSA;
    case PACK8('R', 'R', 'S', 'I', 'G', 0, 0, 0):
        return DNS_TYPE_RRSIG;
    case PACK8('C', 'N', 'A', 'M', 'E', 0, 0, 0):
        return DNS_TYPE_CNAME;
    case PACK8('N', 'S', 'E', 'C', '3', 0, 0, 0):
        return DNS_TYPE_NSEC3;
    case PACK8('D', 'N', 'S', 'K', 'E', 'Y', 0, 0):
        return DNS_TYPE_DNSKEY;
    default:
        return -1;
    }
}

/* The number in "TYPEn". */
static int numbered_type(const char *text, size_t length, uint16_t *type)
{
    if (length < 5 || strncasecmp(text, "TYPE", 4) != 0)
        return BASE_ENOENT;
    uint32_t value = 0;
    for (size_t i = 4; i < length; i++) {
        unsigned digit = (unsigned char)text[i] - (unsigned)'0';
        if (digit > 9)
            return BASE_ENOENT;
        value = value * 10 + digit;
        if (value > UINT16_MAX)
            return BASE_ERANGE;
    }
    *type = (uint16_t)value;
    return BASE_OK;
}

int dns_type_from_text(const char *text, size_t length, uint16_t *type)
{
    if (length <= 8) {
        uint64_t packed = 0;
        for (size_t i = 0; i < length; i++) {
            uint8_t letter = (uint8_t)text[i];
            if (letter == 0)
                return BASE_ENOENT;
            letter -= letter >= 'a' && letter <= 'z' ? 'a' - 'A' : 0;
            packed |= (uint64_t)letter << (8 * i);
        }
        int common = common_type(packed);
        if (common >= 0) {
            *type = (uint16_t)common;
            return BASE_OK;
        }
    }
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (rows[i].name_length == length && strncasecmp(rows[i].name, text, length) == 0) {
            *type = rows[i].number;
            return BASE_OK;
        }
    }
    return numbered_type(text, length, type);
}

const char *dns_type_text(char out[DNS_TYPE_TEXT], uint16_t type)
{
    const struct dns_rrtype *row = dns_rrtype_find(type);
    if (row->name_length > 0)
        return memcpy(out, row->name, sizeof(row->name));
    char digits[5];
    unsigned count = 0;
    do {
        digits[count++] = (char)('0' + type % 10);
        type /= 10;
    } while (type != 0);
    memcpy(out, "TYPE", 4);
    for (unsigned i = 0; i < count; i++)
        out[4 + i] = digits[count - 1 - i];
    out[4 + count] = '\0';
    return out;
}

bool dns_type_is_meta(uint16_t type)
{
    return type == 0 || (type >= 128 && type <= 255) || (dns_rrtype_find(type)->flags & META) != 0;
}

bool dns_type_is_dnssec(uint16_t type)
{
    return (dns_rrtype_find(type)->flags & SIGNER) != 0;
}

/* IANA "DNS Security Algorithm Numbers", with the spellings that other software knows. */
static const struct dns_mnemonic algorithms[] = {
    {"RSAMD5", 1},
    {"DH", 2},
    {"DSA", 3},
    {"RSASHA1", 5},
    {"DSA-NSEC3-SHA1", 6},
    {"NSEC3DSA", 6},
    {"DSANSEC3SHA1", 6},
    {"RSASHA1-NSEC3-SHA1", 7},
    {"NSEC3RSASHA1", 7},
    {"RSASHA1NSEC3SHA1", 7},
    {"RSASHA256", 8},
    {"RSASHA512", 10},
    {"ECC-GOST", 12},
    {"ECCGOST", 12},
    {"ECDSAP256SHA256", 13},
    {"ECDSA256", 13},
    {"ECDSAP384SHA384", 14},
    {"ECDSA384", 14},
    {"ED25519", 15},
    {"ED448", 16},
    {"SM2SM3", 17},
    {"ECC-GOST12", 23},
    {"INDIRECT", 252},
    {"PRIVATEDNS", 253},
    {"PRIVATEOID", 254},
    {NULL, 0},
};

static const struct dns_mnemonic digest_types[] = {
    {"SHA-1", 1},           {"SHA1", 1},    {"SHA-256", 2}, {"SHA256", 2}, {"GOST", 3},
    {"GOST R 34.11-94", 3}, {"SHA-384", 4}, {"SHA384", 4},  {NULL, 0},
};

static const struct dns_mnemonic cert_types[] = {
    {"PKIX", 1},   {"SPKI", 2},    {"PGP", 3},   {"IPKIX", 4}, {"ISPKI", 5}, {"IPGP", 6},
    {"ACPKIX", 7}, {"IACPKIX", 8}, {"URI", 253}, {"OID", 254}, {NULL, 0},
};

static const struct dns_mnemonic schemes[] = {{"NOTIFY", 1}, {NULL, 0}};

const struct dns_mnemonic *dns_field_mnemonics(enum dns_field_kind kind)
{
    switch (kind) {
    case DNS_FIELD_ALGORITHM:
        return algorithms;
    case DNS_FIELD_DIGEST_TYPE:
        return digest_types;
    case DNS_FIELD_CERT_TYPE:
        return cert_types;
    case DNS_FIELD_SCHEME:
        return schemes;
    default:
        return NULL;
    }
}

bool dns_mnemonic_value(const struct dns_mnemonic *list, const char *text, size_t length,
                        uint16_t *value)
{
    for (; list->name != NULL; list++) {
        if (strlen(list->name) == length && strncasecmp(list->name, text, length) == 0) {
            *value = list->value;
            return true;
        }
    }
    return false;
}

const char *dns_mnemonic_name(const struct dns_mnemonic *list, uint16_t value)
{
    for (; list->name != NULL; list++) {
        if (list->value == value)
            return list->name;
    }
    return NULL;
}
