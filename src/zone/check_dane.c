/* Checks of records that hold digests of keys and certificates: TLSA (RFC 6698, 7671, 7672),
 * SMIMEA (RFC 8162), OPENPGPKEY (RFC 7929), SSHFP (RFC 4255, 6594, 7479), CERT (RFC 4398). */
#include "zone/check_part.h"

static bool is_port_label(const uint8_t *label)
{
    unsigned value = 0;
    if (label[0] < 2 || label[0] > 6 || label[1] != '_')
        return false;
    if (label[0] == 2 && label[2] == '*')
        return false;
    for (unsigned i = 2; i <= label[0]; i++) {
        if (label[i] < '0' || label[i] > '9')
            return false;
        value = value * 10 + (label[i] - '0');
    }
    return value > 0 && value < 65536 && label[2] != '0';
}

static bool is_transport_label(const uint8_t *label)
{
    return check_label_is(label, "_tcp") || check_label_is(label, "_udp") ||
           check_label_is(label, "_sctp") || check_label_is(label, "_dccp") ||
           check_label_is(label, "_quic");
}

/* "_25._tcp.host", or "*._tcp.host". NULL: it has another shape. */
static const uint8_t *tlsa_base(const uint8_t *owner)
{
    if (*owner == 0 || (!dns_name_is_wildcard(owner) && !is_port_label(owner)))
        return NULL;
    const uint8_t *transport = owner + *owner + 1;
    return is_transport_label(transport) ? transport + *transport + 1 : NULL;
}

static unsigned digest_octets(unsigned matching)
{
    return matching == 1 ? 32 : matching == 2 ? 64 : 0;
}

/* The numbers of a TLSA or SMIMEA record; 255 is for private use. */
static void check_association(struct check *check, const struct dns_rr *rr)
{
    char type[DNS_TYPE_TEXT];
    unsigned usage = rr->rdata[0], selector = rr->rdata[1], matching = rr->rdata[2];
    unsigned length = rr->length - 3u, wanted = digest_octets(matching);
    dns_type_text(type, rr->type);
    if ((usage > 3 && usage != 255) || (selector > 1 && selector != 255) ||
        (matching > 2 && matching != 255))
        CHECK_SAY(check, ZONE_TLSA_PARAMETER, rr,
                  "the %s record has usage %u, selector %u, "
                  "matching type %u; 3, 1 and 2 are the largest assigned",
                  type, usage, selector, matching);
    if ((wanted != 0 && length != wanted) || length == 0)
        CHECK_SAY(check, ZONE_TLSA_LENGTH, rr,
                  "the %s record of matching type %u has %u octets of "
                  "data; %u are right",
                  type, matching, length, wanted);
}

static void check_tlsa_base(struct check *check, const struct dns_rr *rr, const uint8_t *base)
{
    struct check_target target = check_resolve(check, base);
    if (target.kind == CHECK_MISSING || target.kind == CHECK_NO_DATA)
        CHECK_SAY(check, ZONE_TLSA_BASE_ADDRESS, rr,
                  "the TLSA record is for \"%s\", which has no "
                  "address in this zone",
                  check_text(check, base));
}

static void check_tlsa(struct check *check, const struct zone_rrset *rrset)
{
    const struct dns_rr *first = check_rr(check, rrset, 0);
    const uint8_t *base = tlsa_base(check->node->name);
    for (unsigned i = 0; i < rrset->count; i++) {
        const struct dns_rr *rr = check_rr(check, rrset, i);
        check_association(check, rr);
        if (check_label_is(check->node->name, "_25") && rr->rdata[0] < 2)
            CHECK_SAY(check, ZONE_TLSA_MAIL_USAGE, rr, "the TLSA record for port 25 has usage %u",
                      rr->rdata[0]);
    }
    if (base != NULL)
        check_tlsa_base(check, first, base);
    else
        CHECK_SAY(check, ZONE_TLSA_OWNER, first,
                  "\"%s\" does not start with a port and a "
                  "transport like _25._tcp",
                  check_text(check, check->node->name));
}

/* A label of 56 hexadecimal digits (a cut SHA-256) and this label behind it. */
static bool is_mailbox_owner(const uint8_t *owner, const char *second)
{
    if (*owner != 56 || !check_label_is(owner + 57, second))
        return false;
    for (unsigned i = 1; i <= 56; i++) {
        uint8_t c = dns_lower[owner[i]];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
    }
    return true;
}

static void check_mailbox_key(struct check *check, const struct zone_rrset *rrset)
{
    const uint8_t *owner = check->node->name;
    bool smime = rrset->type == DNS_TYPE_SMIMEA;
    const char *second = smime ? "_smimecert" : "_openpgpkey";
    for (unsigned i = 0; smime && i < rrset->count; i++)
        check_association(check, check_rr(check, rrset, i));
    bool wildcard = dns_name_is_wildcard(owner) && check_label_is(owner + 2, second);
    if (!wildcard && !is_mailbox_owner(owner, second))
        CHECK_SAY(check, ZONE_MAILBOX_KEY_OWNER, check_rr(check, rrset, 0),
                  "\"%s\" is not 56 "
                  "hexadecimal digits followed by %s",
                  check_text(check, owner), second);
}

static void check_sshfp(struct check *check, const struct zone_rrset *rrset)
{
    for (unsigned i = 0; i < rrset->count; i++) {
        const struct dns_rr *rr = check_rr(check, rrset, i);
        unsigned algorithm = rr->rdata[0], hash = rr->rdata[1], length = rr->length - 2u;
        unsigned wanted = hash == 1 ? 20 : 32;
        if (algorithm < 1 || algorithm > 6 || algorithm == 5 || hash < 1 || hash > 2)
            CHECK_SAY(check, ZONE_SSHFP_PARAMETER, rr,
                      "SSHFP algorithm %u with fingerprint type %u "
                      "is not assigned",
                      algorithm, hash);
        else if (length != wanted)
            CHECK_SAY(check, ZONE_SSHFP_LENGTH, rr,
                      "the fingerprint of type %u has %u octets; %u "
                      "are right",
                      hash, length, wanted);
    }
}

static void check_cert(struct check *check, const struct zone_rrset *rrset)
{
    for (unsigned i = 0; i < rrset->count; i++) {
        const struct dns_rr *rr = check_rr(check, rrset, i);
        unsigned type = base_load_u16(rr->rdata);
        if (type == 0 || (type > 8 && type < 253) || type == 255 || (type > 255 && type < 65280) ||
            type == 65535)
            CHECK_SAY(check, ZONE_CERT_TYPE, rr, "CERT type %u is reserved or not assigned", type);
    }
}

const struct check_row check_dane_rows[] = {
    {check_tlsa, {DNS_TYPE_TLSA}, false},
    {check_mailbox_key, {DNS_TYPE_SMIMEA, DNS_TYPE_OPENPGPKEY}, false},
    {check_sshfp, {DNS_TYPE_SSHFP}, false},
    {check_cert, {CHECK_TYPE_CERT}, false},
    {NULL, {0}, false},
};
