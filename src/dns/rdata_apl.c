/* APL (RFC 3123): lists of address prefixes, checked, read and written. */
#include "dns/rdata_parse.h"
#include "dns/rdata_print.h"
#include "dns/scalar.h"

#include "base/error.h"

#include <string.h>

#define ITEM_HEAD 4 /* family (two octets), prefix length, negation and octets that follow */
#define IPV4      1
#define IPV6      2

static unsigned family_octets(unsigned family)
{
    return family == IPV4 ? 4 : family == IPV6 ? 16 : 0;
}

const char *dns_prefixes_check(const uint8_t *rdata, size_t length)
{
    for (size_t at = 0; at < length;) {
        if (length - at < ITEM_HEAD)
            return "are cut short";
        unsigned octets = family_octets(base_load_u16(rdata + at));
        unsigned used = rdata[at + 3] & 0x7f;
        if (octets == 0)
            return "have an address family other than 1 (IPv4) and 2 (IPv6)";
        if (rdata[at + 2] > octets * 8 || used > octets)
            return "have a prefix or an address that is too long for its family";
        at += ITEM_HEAD;
        if (length - at < used)
            return "are cut short";
        if (used > 0 && rdata[at + used - 1] == 0)
            return "have an address that ends with an octet that is zero";
        at += used;
    }
    return NULL;
}

/* Reads "address/prefix" behind the family; NULL or what is wrong. */
static const char *read_prefix(unsigned family, const char *text, size_t length, uint8_t *address,
                               unsigned *prefix)
{
    const char *slash = length == 0 ? NULL : memchr(text, '/', length);
    if (slash == NULL)
        return "must have a slash and a prefix length";
    size_t size = (size_t)(slash - text);
    bool good = family == IPV4 ? dns_scalar_ipv4(text, size, address)
                               : dns_scalar_ipv6(text, size, address);
    uint64_t number;
    if (!good)
        return "must have an address of the family";
    if (!dns_scalar_number(slash + 1, length - size - 1, family_octets(family) * 8, &number))
        return "must have a prefix length that fits the family";
    *prefix = (unsigned)number;
    return NULL;
}

static int parse_prefix(struct dns_rdata_parser *parser)
{
    const struct dns_token *token = dns_parse_token(parser);
    const char *text = token->text;
    size_t length = token->length;
    bool negated = length > 0 && text[0] == '!';
    text += negated;
    length -= negated;
    if (length < 2 || (text[0] != '1' && text[0] != '2') || text[1] != ':')
        return dns_parse_reject(parser, BASE_EFORMAT,
                                "must be like 1:192.0.2.0/24 or !2:2001:db8::/32");
    unsigned family = (unsigned)(text[0] - '0');
    uint8_t address[16];
    unsigned prefix;
    const char *wrong = read_prefix(family, text + 2, length - 2, address, &prefix);
    if (wrong != NULL)
        return dns_parse_reject(parser, BASE_EFORMAT, "%s", wrong);
    unsigned used = family_octets(family);
    while (used > 0 && address[used - 1] == 0)
        used--;
    if (!dns_parse_room(parser, ITEM_HEAD + used))
        return BASE_ESPACE;
    uint8_t *item = parser->out + parser->at;
    base_store_u16(item, family);
    item[2] = (uint8_t)prefix;
    item[3] = (uint8_t)(used | (negated ? 0x80 : 0));
    memcpy(item + ITEM_HEAD, address, used);
    parser->at += ITEM_HEAD + used;
    return BASE_OK;
}

int dns_parse_prefixes(struct dns_rdata_parser *parser)
{
    int error = BASE_OK;
    while (error == BASE_OK && parser->next < parser->count)
        error = parse_prefix(parser);
    return error;
}

void dns_print_prefixes(struct base_buf *buf, const uint8_t *field, size_t length)
{
    for (size_t at = 0; at < length;) {
        const uint8_t *item = field + at;
        unsigned family = base_load_u16(item), used = item[3] & 0x7f;
        uint8_t address[16] = {0};
        memcpy(address, item + ITEM_HEAD, used);
        if (at > 0)
            base_buf_u8(buf, ' ');
        if ((item[3] & 0x80) != 0)
            base_buf_u8(buf, '!');
        dns_print_number(buf, family);
        base_buf_u8(buf, ':');
        if (family == IPV4)
            dns_print_ipv4(buf, address);
        else
            dns_print_ipv6(buf, address);
        base_buf_u8(buf, '/');
        dns_print_number(buf, item[2]);
        at += ITEM_HEAD + used;
    }
}
