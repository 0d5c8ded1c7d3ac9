/* Checks of DS, DNSKEY, NSEC3PARAM, CSYNC and ZONEMD records that are in the file: their shape, and
 * what validators will make of them. */
#include "zone/check_part.h"

#include "crypto/crypto.h"

#include <string.h>

#define TAGS_MAX 64 /* keys of a set that are compared */

enum standing { KNOWN, DEPRECATED, UNKNOWN };

/* IANA "DNS Security Algorithm Numbers"; RFC 8624, RFC 9905 and RFC 9906 say what is no longer to
 * be used. */
static enum standing algorithm_standing(unsigned algorithm)
{
    switch (algorithm) {
    case 1:  /* RSAMD5 */
    case 3:  /* DSA */
    case 5:  /* RSASHA1 */
    case 6:  /* DSA-NSEC3-SHA1 */
    case 7:  /* RSASHA1-NSEC3-SHA1 */
    case 12: /* ECC-GOST */
        return DEPRECATED;
    case 8:
    case 10:
    case 13:
    case 14:
    case 15:
    case 16:
    case 17:  /* SM2SM3 */
    case 23:  /* ECC-GOST12 */
    case 253: /* PRIVATEDNS */
    case 254: /* PRIVATEOID */
        return KNOWN;
    default:
        return UNKNOWN;
    }
}

/* IANA "DS RR Type Digest Algorithms". Sets the digest's octets, 0 when they are not known. */
static enum standing digest_standing(unsigned digest, unsigned *length)
{
    static const struct {
        uint8_t length;
        uint8_t standing;
    } types[] = {[1] = {20, DEPRECATED}, [2] = {32, KNOWN}, [3] = {32, DEPRECATED},
                 [4] = {48, KNOWN},      [5] = {32, KNOWN}, [6] = {32, KNOWN}};
    *length = 0;
    if (digest == 0 || digest >= sizeof(types) / sizeof(types[0]))
        return UNKNOWN;
    *length = types[digest].length;
    return (enum standing)types[digest].standing;
}

static void check_algorithm(struct check *check, const struct dns_rr *rr, unsigned algorithm)
{
    char type[DNS_TYPE_TEXT];
    enum standing standing = algorithm_standing(algorithm);
    dns_type_text(type, rr->type);
    if (standing == DEPRECATED)
        CHECK_SAY(check, ZONE_ALGORITHM_DEPRECATED, rr,
                  "the %s record uses DNSSEC algorithm %u, "
                  "which is not to be used any more",
                  type, algorithm);
    else if (standing == UNKNOWN)
        CHECK_SAY(check, ZONE_ALGORITHM_UNKNOWN, rr,
                  "the %s record uses DNSSEC algorithm %u, "
                  "which is not assigned",
                  type, algorithm);
}

/* The shape of a DS or CDS record. */
static void check_ds_record(struct check *check, const struct dns_rr *rr)
{
    char type[DNS_TYPE_TEXT];
    unsigned algorithm = rr->rdata[2], digest = rr->rdata[3], wanted;
    unsigned length = rr->length - 4u;
    if (rr->type == DNS_TYPE_CDS && algorithm == 0)
        return; /* the delete form, see check_cds.c */
    check_algorithm(check, rr, algorithm);
    enum standing standing = digest_standing(digest, &wanted);
    dns_type_text(type, rr->type);
    if (standing == UNKNOWN)
        CHECK_SAY(check, ZONE_DS_DIGEST_UNKNOWN, rr,
                  "the %s record uses digest type %u, which is "
                  "not assigned",
                  type, digest);
    else if (length != wanted)
        CHECK_SAY(check, ZONE_DS_DIGEST_LENGTH, rr,
                  "the %s record has a digest of %u octets; "
                  "type %u has %u",
                  type, length, digest, wanted);
    else if (standing == DEPRECATED)
        CHECK_SAY(check, ZONE_DS_DIGEST_DEPRECATED, rr,
                  "the %s record uses digest type %u, which "
                  "is not to be used any more",
                  type, digest);
}

static void check_ds(struct check *check, const struct zone_rrset *rrset)
{
    const struct dns_rr *first = check_rr(check, rrset, 0);
    for (unsigned i = 0; i < rrset->count; i++)
        check_ds_record(check, check_rr(check, rrset, i));
    if (rrset->type != DNS_TYPE_DS)
        return;
    if (check_at_apex(check))
        CHECK_SAY(check, ZONE_DS_AT_APEX, first, "there is a DS record at the apex");
    else if ((check->node->flags & ZONE_CUT) == 0)
        CHECK_SAY(check, ZONE_DS_WITHOUT_NS, first, "\"%s\" has a DS record and no NS",
                  check_text(check, check->node->name));
    for (unsigned i = 1; i < rrset->count; i++) {
        unsigned other = check_rr(check, rrset, i)->rdata[2];
        if (other == first->rdata[2])
            continue;
        CHECK_SAY(check, ZONE_DS_ALGORITHM_MIX, first,
                  "the DS records are for keys of algorithms "
                  "%u and %u",
                  first->rdata[2], other);
        break;
    }
}

/* The parts of an RSA public key (RFC 3110 section 2). False: malformed. */
static bool rsa_parts(const uint8_t *key, size_t length, size_t *exponent, size_t *at)
{
    if (length < 1)
        return false;
    *at = 1;
    *exponent = key[0];
    if (*exponent == 0) {
        if (length < 3)
            return false;
        *exponent = base_load_u16(key + 1);
        *at = 3;
    }
    return *exponent > 0 && *at + *exponent < length;
}

static unsigned modulus_bits(const uint8_t *modulus, size_t length)
{
    while (length > 0 && *modulus == 0) {
        modulus++;
        length--;
    }
    return length == 0 ? 0 : (unsigned)length * 8 - ((unsigned)__builtin_clz(*modulus) - 24);
}

static void check_rsa_key(struct check *check, const struct dns_rr *rr, const uint8_t *key,
                          size_t length)
{
    size_t exponent, at;
    if (!rsa_parts(key, length, &exponent, &at)) {
        CHECK_SAY(check, ZONE_DNSKEY_MALFORMED, rr,
                  "the RSA key of %zu octets is shorter than its "
                  "own exponent",
                  length);
        return;
    }
    const uint8_t *modulus = key + at + exponent;
    size_t modulus_length = length - at - exponent;
    unsigned bits = modulus_bits(modulus, modulus_length);
    if (key[at] == 0 || modulus[0] == 0)
        CHECK_SAY(check, ZONE_DNSKEY_LEADING_ZERO, rr, "the RSA key's %s starts with a zero octet",
                  key[at] == 0 ? "exponent" : "modulus");
    if (bits < 512 || bits > 4096)
        CHECK_SAY(check, ZONE_DNSKEY_MALFORMED, rr,
                  "the RSA key has %u bits; 512 to 4096 can be "
                  "used",
                  bits);
    else if (bits < 2048)
        CHECK_SAY(check, ZONE_DNSKEY_RSA_SHORT, rr, "the RSA key has %u bits", bits);
}

static void check_public_key(struct check *check, const struct dns_rr *rr)
{
    const uint8_t *key = rr->rdata + 4;
    size_t length = rr->length - 4u, wanted = 0;
    switch (rr->rdata[3]) {
    case 1:
    case 5:
    case 7:
    case 8:
    case 10:
        check_rsa_key(check, rr, key, length);
        return;
    case 12:
    case 13:
        wanted = 64;
        break;
    case 14:
        wanted = 96;
        break;
    case 15:
        wanted = 32;
        break;
    case 16:
        wanted = 57;
        break;
    default:
        break;
    }
    if (length == 0 || (wanted != 0 && length != wanted))
        CHECK_SAY(check, ZONE_DNSKEY_MALFORMED, rr, "the key has %zu octets; algorithm %u has %zu",
                  length, rr->rdata[3], wanted);
}

/* The shape of a DNSKEY or CDNSKEY record. */
static void check_dnskey_record(struct check *check, const struct dns_rr *rr)
{
    char type[DNS_TYPE_TEXT];
    unsigned flags = base_load_u16(rr->rdata);
    if (rr->type == DNS_TYPE_CDNSKEY && rr->rdata[3] == 0)
        return; /* the delete form */
    dns_type_text(type, rr->type);
    if (rr->rdata[2] != 3)
        CHECK_SAY(check, ZONE_DNSKEY_PROTOCOL, rr, "the %s record has protocol %u instead of 3",
                  type, rr->rdata[2]);
    /* 0x0100 zone key, 0x0080 revoked (RFC 5011), 0x0001 secure entry point */
    if ((flags & 0xfe7e) != 0)
        CHECK_SAY(check, ZONE_DNSKEY_FLAGS, rr,
                  "the %s record has flags %u with reserved bits "
                  "set",
                  type, flags);
    else if ((flags & 0x0100) == 0)
        CHECK_SAY(check, ZONE_DNSKEY_FLAGS, rr,
                  "the %s record has flags %u without the zone key "
                  "bit",
                  type, flags);
    check_algorithm(check, rr, rr->rdata[3]);
    check_public_key(check, rr);
}

static void check_key_tags(struct check *check, const struct zone_rrset *rrset)
{
    uint16_t tags[TAGS_MAX];
    unsigned count = rrset->count < TAGS_MAX ? rrset->count : TAGS_MAX;
    for (unsigned i = 0; i < count; i++) {
        const struct dns_rr *rr = check_rr(check, rrset, i);
        tags[i] = crypto_key_tag(rr->rdata, rr->length);
        for (unsigned j = 0; j < i; j++) {
            if (tags[i] == tags[j] && rr->rdata[3] == check_rr(check, rrset, j)->rdata[3])
                CHECK_SAY(check, ZONE_KEY_TAG_COLLISION, rr,
                          "two DNSKEY records of algorithm %u "
                          "have the key tag %u",
                          rr->rdata[3], tags[i]);
        }
    }
}

static void check_dnskey(struct check *check, const struct zone_rrset *rrset)
{
    bool entry_point = false;
    for (unsigned i = 0; i < rrset->count; i++) {
        const struct dns_rr *rr = check_rr(check, rrset, i);
        check_dnskey_record(check, rr);
        entry_point = entry_point || (rr->rdata[1] & 1) != 0;
    }
    if (rrset->type != DNS_TYPE_DNSKEY)
        return;
    check_key_tags(check, rrset);
    if (!entry_point && check_at_apex(check))
        CHECK_SAY(check, ZONE_DNSKEY_NO_SEP, check_rr(check, rrset, 0),
                  "none of the %u DNSKEY "
                  "records has the secure entry point flag",
                  rrset->count);
}

/* KEY records remain for SIG(0); their algorithms grow old like others. */
static void check_key(struct check *check, const struct zone_rrset *rrset)
{
    for (unsigned i = 0; i < rrset->count; i++) {
        const struct dns_rr *rr = check_rr(check, rrset, i);
        if (rr->length >= 4 && algorithm_standing(rr->rdata[3]) == DEPRECATED)
            check_algorithm(check, rr, rr->rdata[3]);
    }
}

static void check_nsec3param(struct check *check, const struct zone_rrset *rrset)
{
    for (unsigned i = 0; i < rrset->count; i++) {
        const struct dns_rr *rr = check_rr(check, rrset, i);
        unsigned iterations = base_load_u16(rr->rdata + 2);
        if (rr->rdata[0] != 1 || rr->rdata[1] != 0)
            CHECK_SAY(check, ZONE_NSEC3PARAM_SHAPE, rr,
                      "NSEC3PARAM has hash algorithm %u and "
                      "flags %u instead of 1 and 0",
                      rr->rdata[0], rr->rdata[1]);
        if (iterations > 0 || rr->rdata[4] > 0)
            CHECK_SAY(check, ZONE_NSEC3PARAM_COST, rr,
                      "NSEC3PARAM asks for %u iterations and a "
                      "salt of %u octets",
                      iterations, rr->rdata[4]);
    }
}

static void check_csync(struct check *check, const struct zone_rrset *rrset)
{
    const struct dns_rr *rr = check_rr(check, rrset, 0);
    unsigned flags = base_load_u16(rr->rdata + 4);
    if (rrset->count > 1)
        CHECK_SAY(check, ZONE_CSYNC_SHAPE, rr, "there are %u CSYNC records; one is allowed",
                  rrset->count);
    if ((flags & ~3u) != 0)
        CHECK_SAY(check, ZONE_CSYNC_SHAPE, rr, "CSYNC has flags %u; only 1 and 2 are defined",
                  flags);
}

/* The length of the digest is a matter of rdata. */
static void check_zonemd(struct check *check, const struct zone_rrset *rrset)
{
    for (unsigned i = 0; i < rrset->count; i++) {
        const struct dns_rr *rr = check_rr(check, rrset, i);
        if (check->zone->soa != NULL && base_load_u32(rr->rdata) != check->zone->serial)
            CHECK_SAY(check, ZONE_ZONEMD_SERIAL, rr, "ZONEMD is for serial %u, the SOA has %u",
                      base_load_u32(rr->rdata), check->zone->serial);
        const struct dns_rr *before = i > 0 ? check_rr(check, rrset, i - 1) : NULL;
        if (before != NULL && memcmp(rr->rdata + 4, before->rdata + 4, 2) == 0)
            CHECK_SAY(check, ZONE_ZONEMD_TWICE, rr,
                      "two ZONEMD records have scheme %u and hash "
                      "algorithm %u",
                      rr->rdata[4], rr->rdata[5]);
    }
}

const struct check_row check_dnssec_rows[] = {
    {check_ds, {DNS_TYPE_DS, DNS_TYPE_CDS}, false},
    {check_dnskey, {DNS_TYPE_DNSKEY, DNS_TYPE_CDNSKEY}, false},
    {check_key, {DNS_TYPE_KEY}, false},
    {check_nsec3param, {DNS_TYPE_NSEC3PARAM}, false},
    {check_csync, {DNS_TYPE_CSYNC}, false},
    {check_zonemd, {DNS_TYPE_ZONEMD}, false},
    {NULL, {0}, false},
};
