/* Rdata in wire format: checks, decompression, the names in it: see rdata.h. */
#include "dns/rdata_table.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>

#define CUT_SHORT "is cut short"

/* Octets of a field of fixed size; 0 for the others. */
static size_t fixed_size(enum dns_field_kind kind)
{
    switch (kind) {
    case DNS_FIELD_U8:
    case DNS_FIELD_ALGORITHM:
    case DNS_FIELD_DIGEST_TYPE:
    case DNS_FIELD_SCHEME:
        return 1;
    case DNS_FIELD_U16:
    case DNS_FIELD_TYPE:
    case DNS_FIELD_CERT_TYPE:
        return 2;
    case DNS_FIELD_U32:
    case DNS_FIELD_TTL:
    case DNS_FIELD_TIME:
    case DNS_FIELD_IPV4:
        return 4;
    case DNS_FIELD_U48:
    case DNS_FIELD_EUI48:
        return 6;
    case DNS_FIELD_U64:
    case DNS_FIELD_EUI64:
    case DNS_FIELD_NODE:
        return 8;
    case DNS_FIELD_IPV6:
        return 16;
    default:
        return 0;
    }
}

/* A length octet and what it counts. */
static const char *check_counted(const uint8_t *rdata, size_t length, size_t *at)
{
    if (*at >= length || rdata[*at] > length - *at - 1)
        return CUT_SHORT;
    *at += 1 + rdata[*at];
    return NULL;
}

static const char *check_digits(unsigned least, const uint8_t *rdata, size_t length, size_t *at)
{
    size_t start = *at + 1;
    const char *wrong = check_counted(rdata, length, at);
    if (wrong != NULL)
        return wrong;
    for (size_t i = start; i < *at; i++) {
        if (rdata[i] < '0' || rdata[i] > '9')
            return "must consist of digits";
    }
    return *at - start < least ? "has too few digits" : NULL;
}

static const char *check_name(const uint8_t *rdata, size_t length, size_t *at)
{
    size_t used;
    if (dns_name_check(rdata + *at, length - *at, &used) != BASE_OK)
        return "is not a well-formed uncompressed name";
    *at += used;
    return NULL;
}

static const char *check_strings(const uint8_t *rdata, size_t length, size_t *at)
{
    do {
        const char *wrong = check_counted(rdata, length, at);
        if (wrong != NULL)
            return wrong;
    } while (*at < length);
    return NULL;
}

static const char *check_tag(const uint8_t *rdata, size_t length, size_t *at)
{
    size_t start = *at + 1;
    const char *wrong = check_counted(rdata, length, at);
    if (wrong != NULL)
        return wrong;
    if (start == *at)
        return "is empty";
    for (size_t i = start; i < *at; i++) {
        uint8_t lower = dns_lower[rdata[i]];
        if (!(lower >= 'a' && lower <= 'z') && !(lower >= '0' && lower <= '9'))
            return "may hold only letters and digits";
    }
    return NULL;
}

static const char *check_sized(const uint8_t *rdata, size_t length, size_t *at)
{
    if (length - *at < 2)
        return CUT_SHORT;
    size_t size = base_load_u16(rdata + *at);
    if (size > length - *at - 2)
        return CUT_SHORT;
    *at += 2 + size;
    return NULL;
}

static const char *check_hash(const uint8_t *rdata, size_t length, size_t *at)
{
    if (*at < length && rdata[*at] == 0)
        return "is empty";
    return check_counted(rdata, length, at);
}

static const char *check_bitmap(const uint8_t *bitmap, size_t length)
{
    if (dns_bitmap_check(bitmap, length) != BASE_OK)
        return "is not a well-formed bitmap of types (RFC 4034 section 4.1.2)";
    return NULL;
}

static const char *check_old_bitmap(const uint8_t *bitmap, size_t length)
{
    if (length > 16)
        return "has types above 127";
    if (length > 0 && ((bitmap[0] & 0x80) != 0 || bitmap[length - 1] == 0))
        return "is not a well-formed bitmap of types (RFC 2535 section 5.2)";
    return NULL;
}

static const char *check_services(const uint8_t *rdata, size_t length)
{
    if (length < 1)
        return CUT_SHORT;
    if (length > 1 + 65536 / 8)
        return "has ports above 65535";
    if (length > 1 && rdata[length - 1] == 0)
        return "ends with an octet that is zero";
    return NULL;
}

static const char *check_atma(const uint8_t *rdata, size_t length)
{
    if (length < 2)
        return CUT_SHORT;
    if (rdata[0] > 1)
        return "has an unknown format";
    for (size_t i = 1; rdata[0] == 1 && i < length; i++) {
        if (rdata[i] < '0' || rdata[i] > '9')
            return "may hold only digits";
    }
    return NULL;
}

/* The type of IPSECKEY and AMTRELAY stands in the second octet of both. */
static const char *check_gateway_type(const uint8_t *rdata, size_t length, size_t *at, uint8_t mask)
{
    if (*at >= length)
        return CUT_SHORT;
    if ((rdata[*at] & mask) > 3)
        return "is unknown";
    *at += 1;
    return NULL;
}

static const char *check_gateway(const uint8_t *rdata, size_t length, size_t *at)
{
    size_t size = 0;
    switch (rdata[1] & 0x7f) {
    case 1:
        size = 4;
        break;
    case 2:
        size = 16;
        break;
    case 3:
        return check_name(rdata, length, at);
    default:
        break;
    }
    if (size > length - *at)
        return CUT_SHORT;
    *at += size;
    return NULL;
}

/* Fields that take all that is left. */
static const char *check_rest(const struct dns_field *field, const uint8_t *rest, size_t length)
{
    if (length < field->least)
        return length == 0 ? "is missing" : "is too short";
    switch (field->kind) {
    case DNS_FIELD_BITMAP:
        return check_bitmap(rest, length);
    case DNS_FIELD_OLD_BITMAP:
        return check_old_bitmap(rest, length);
    case DNS_FIELD_SERVICES:
        return check_services(rest, length);
    case DNS_FIELD_ATMA:
        return check_atma(rest, length);
    case DNS_FIELD_A6:
        return dns_a6_check(rest, length);
    case DNS_FIELD_HIP:
        return dns_hip_check(rest, length);
    case DNS_FIELD_LOCATION:
        return dns_location_check(rest, length);
    case DNS_FIELD_PREFIXES:
        return dns_prefixes_check(rest, length);
    case DNS_FIELD_SVCPARAMS:
        return dns_svcparams_check(rest, length);
    default: /* any octets */
        return NULL;
    }
}

const char *dns_field_check(const struct dns_field *field, const uint8_t *rdata, size_t length,
                            size_t *at)
{
    size_t size = fixed_size(field->kind);
    if (size > 0) {
        if (size > length - *at)
            return CUT_SHORT;
        *at += size;
        return NULL;
    }
    const char *wrong;
    switch (field->kind) {
    case DNS_FIELD_NAME:
        return check_name(rdata, length, at);
    case DNS_FIELD_STRING_OPTIONAL:
        return *at == length ? NULL : check_counted(rdata, length, at);
    case DNS_FIELD_STRING:
    case DNS_FIELD_SALT:
        return check_counted(rdata, length, at);
    case DNS_FIELD_DIGITS:
        return check_digits(field->least, rdata, length, at);
    case DNS_FIELD_STRINGS:
        return check_strings(rdata, length, at);
    case DNS_FIELD_TAG:
        return check_tag(rdata, length, at);
    case DNS_FIELD_SIZED:
        return check_sized(rdata, length, at);
    case DNS_FIELD_HASH:
        return check_hash(rdata, length, at);
    case DNS_FIELD_GATEWAY_TYPE:
        return check_gateway_type(rdata, length, at, 0xff);
    case DNS_FIELD_RELAY_TYPE:
        return check_gateway_type(rdata, length, at, 0x7f);
    case DNS_FIELD_GATEWAY:
        return check_gateway(rdata, length, at);
    default:
        wrong = check_rest(field, rdata + *at, length - *at);
        if (wrong == NULL)
            *at = length;
        return wrong;
    }
}

static const char *digest_rules(unsigned digest_type, size_t length)
{
    switch (digest_type) {
    case 1:
        return length == 20 ? NULL : "of type 1 (SHA-1) must have 20 octets";
    case 2:
        return length == 32 ? NULL : "of type 2 (SHA-256) must have 32 octets";
    case 4:
        return length == 48 ? NULL : "of type 4 (SHA-384) must have 48 octets";
    default:
        return NULL;
    }
}

static const char *zonemd_rules(unsigned hash, size_t length)
{
    if (hash == 1 && length != 48)
        return "of hash algorithm 1 (SHA-384) must have 48 octets";
    if (hash == 2 && length != 64)
        return "of hash algorithm 2 (SHA-512) must have 64 octets";
    return NULL;
}

const char *dns_rdata_rules(uint16_t type, const uint8_t *rdata, size_t length)
{
    switch (type) {
    case DNS_TYPE_DS:
    case DNS_TYPE_CDS:
    case 32768: /* TA */
    case 32769: /* DLV */
        return digest_rules(rdata[3], length - 4);
    case DNS_TYPE_ZONEMD:
        return zonemd_rules(rdata[5], length - 6);
    default:
        return NULL;
    }
}

void dns_field_words(char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '_')
            *text = ' ';
    }
}

static int report(struct dns_rdata_problem *problem, const char *field, const char *wrong)
{
    if (problem != NULL) {
        snprintf(problem->message, sizeof(problem->message), "the %s ", field);
        dns_field_words(problem->message);
        size_t used = strlen(problem->message);
        snprintf(problem->message + used, sizeof(problem->message) - used, "%s", wrong);
        problem->token = 0;
    }
    return BASE_EFORMAT;
}

int dns_rdata_check(uint16_t type, const uint8_t *rdata, size_t length,
                    struct dns_rdata_problem *problem)
{
    if (length > DNS_RDATA_MAX)
        return report(problem, "rdata", "is longer than 65535 octets");
    const struct dns_rrtype *row = dns_rrtype_find(type);
    if ((row->flags & DNS_RRTYPE_OPAQUE) != 0)
        return BASE_OK;
    size_t at = 0;
    for (const struct dns_field *field = row->fields; field->kind != DNS_FIELD_END; field++) {
        const char *wrong = dns_field_check(field, rdata, length, &at);
        if (wrong != NULL)
            return report(problem, field->name, wrong);
    }
    if (at != length)
        return report(problem, "rdata", "goes on behind its last field");
    const char *wrong = dns_rdata_rules(type, rdata, length);
    return wrong == NULL ? BASE_OK : report(problem, "digest", wrong);
}

/* Rdata in which names may be compressed: field by field. */
static int unpack(const struct dns_rrtype *row, const uint8_t *message, size_t end, size_t at,
                  uint8_t *out, size_t *out_length)
{
    size_t put = 0;
    for (const struct dns_field *field = row->fields; field->kind != DNS_FIELD_END; field++) {
        size_t start = at;
        if (field->kind == DNS_FIELD_NAME) {
            uint8_t name[DNS_NAME_MAX];
            size_t name_length;
            int error = dns_name_from_wire(message, end, &at, name, &name_length);
            if (error != BASE_OK)
                return error;
            if (name_length > DNS_RDATA_MAX - put)
                return BASE_ESPACE;
            memcpy(out + put, name, name_length);
            put += name_length;
            continue;
        }
        if (dns_field_check(field, message, end, &at) != NULL)
            return BASE_EFORMAT;
        if (at - start > DNS_RDATA_MAX - put)
            return BASE_ESPACE;
        memcpy(out + put, message + start, at - start);
        put += at - start;
    }
    if (at != end)
        return BASE_EFORMAT;
    *out_length = put;
    return BASE_OK;
}

int dns_rdata_from_wire(uint16_t type, const uint8_t *message, size_t message_length, size_t at,
                        size_t length, uint8_t *out, size_t *out_length)
{
    if (at > message_length || length > message_length - at)
        return BASE_EFORMAT;
    const struct dns_rrtype *row = dns_rrtype_find(type);
    if ((row->flags & DNS_RRTYPE_UNPACK) != 0)
        return unpack(row, message, at + length, at, out, out_length);
    if (length > DNS_RDATA_MAX)
        return BASE_ESPACE;
    int error = dns_rdata_check(type, message + at, length, NULL);
    if (error != BASE_OK)
        return error;
    if (length > 0)
        memcpy(out, message + at, length);
    *out_length = length;
    return BASE_OK;
}

/* The name that A6 rdata ends with, behind prefix length and address suffix (RFC 2874). */
static size_t a6_name(const uint8_t *rdata)
{
    return rdata[0] == 0 ? SIZE_MAX : 1u + (128u - rdata[0] + 7) / 8;
}

/* The first name that starts at or after `from` within the field that starts at `start`; SIZE_MAX
 * when there is none. */
static size_t name_in_field(const struct dns_field *field, const uint8_t *rdata, size_t length,
                            size_t start, size_t from)
{
    size_t place = SIZE_MAX;
    if (field->kind == DNS_FIELD_NAME)
        place = start;
    else if (field->kind == DNS_FIELD_GATEWAY && (rdata[1] & 0x7f) == 3)
        place = start;
    else if (field->kind == DNS_FIELD_A6)
        place = a6_name(rdata);
    else if (field->kind == DNS_FIELD_HIP) {
        /* The rendezvous servers follow one another at the end. */
        place = 4u + rdata[0] + base_load_u16(rdata + 2);
        while (place < from && place < length)
            place += dns_name_length(rdata + place);
    }
    return place >= from && place < length ? place : SIZE_MAX;
}

const uint8_t *dns_rdata_next_name(uint16_t type, const uint8_t *rdata, size_t length, size_t *at)
{
    const struct dns_rrtype *row = dns_rrtype_find(type);
    size_t start = 0;
    for (const struct dns_field *field = row->fields; field->kind != DNS_FIELD_END; field++) {
        size_t place = name_in_field(field, rdata, length, start, *at);
        if (place != SIZE_MAX) {
            *at = place + 1; /* the next one starts behind */
            return rdata + place;
        }
        size_t size = fixed_size(field->kind);
        if (size > 0)
            start += size;
        else if (dns_field_check(field, rdata, length, &start) != NULL)
            return NULL;
    }
    return NULL;
}
