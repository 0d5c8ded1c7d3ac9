/*
 * Fields of types that few zones have, each checked, read and written side by side: WKS, NSAP,
 * ATMA, A6, NXT, HIP, and the gateways of IPSECKEY and AMTRELAY.
 */
#include "dns/rdata_parse.h"
#include "dns/rdata_print.h"
#include "dns/scalar.h"

#include "base/error.h"

#include <string.h>
#include <strings.h>

/* --- WKS: address, protocol, bitmap of ports (RFC 1035 section 3.4.2) --- */

static const struct dns_mnemonic protocols[] = {
    {"icmp", 1}, {"igmp", 2}, {"ggp", 3},  {"st", 5},   {"tcp", 6}, {"egp", 8},
    {"pup", 12}, {"udp", 17}, {"hmp", 20}, {"rdp", 27}, {NULL, 0},
};

/* Services by the names that RFC 1010 and IANA's list give them. */
static const struct dns_mnemonic services[] = {
    {"echo", 7},     {"discard", 9},      {"systat", 11},    {"daytime", 13},    {"netstat", 15},
    {"qotd", 17},    {"chargen", 19},     {"ftp-data", 20},  {"ftp", 21},        {"ssh", 22},
    {"telnet", 23},  {"smtp", 25},        {"time", 37},      {"nameserver", 42}, {"whois", 43},
    {"nicname", 43}, {"domain", 53},      {"bootps", 67},    {"bootpc", 68},     {"tftp", 69},
    {"gopher", 70},  {"finger", 79},      {"http", 80},      {"www", 80},        {"kerberos", 88},
    {"supdup", 95},  {"hostnames", 101},  {"hostname", 101}, {"pop2", 109},      {"pop3", 110},
    {"sunrpc", 111}, {"auth", 113},       {"ident", 113},    {"sftp", 115},      {"nntp", 119},
    {"ntp", 123},    {"imap", 143},       {"imap2", 143},    {"snmp", 161},      {"irc", 194},
    {"https", 443},  {"exec", 512},       {"login", 513},    {"shell", 514},     {"printer", 515},
    {"uucp", 540},   {"submission", 587}, {"imaps", 993},    {"pop3s", 995},     {NULL, 0},
};

static bool named_number(const struct dns_token *token, const struct dns_mnemonic *names,
                         uint64_t max, uint16_t *value)
{
    uint64_t number;
    if (dns_scalar_number(token->text, token->length, max, &number)) {
        *value = (uint16_t)number;
        return true;
    }
    return dns_mnemonic_value(names, token->text, token->length, value);
}

int dns_parse_services(struct dns_rdata_parser *parser)
{
    const struct dns_token *token = dns_parse_token(parser);
    if (token == NULL)
        return BASE_EFORMAT;
    uint16_t protocol;
    if (!named_number(token, protocols, UINT8_MAX, &protocol))
        return dns_parse_reject(parser, BASE_EFORMAT,
                                "must start with a protocol (tcp, udp, 0-255)");
    uint8_t bits[65536 / 8] = {0};
    size_t used = 0;
    while (parser->next < parser->count) {
        uint16_t port;
        if (!named_number(dns_parse_token(parser), services, UINT16_MAX, &port))
            return dns_parse_reject(parser, BASE_EFORMAT, "must be port numbers or known services");
        bits[port / 8] |= (uint8_t)(0x80 >> port % 8);
        if (used <= port / 8u)
            used = port / 8u + 1;
    }
    if (!dns_parse_room(parser, 1 + used))
        return BASE_ESPACE;
    parser->out[parser->at] = (uint8_t)protocol;
    memcpy(parser->out + parser->at + 1, bits, used);
    parser->at += 1 + used;
    return BASE_OK;
}

void dns_print_services(struct base_buf *buf, const uint8_t *field, size_t length)
{
    dns_print_number(buf, field[0]);
    for (unsigned port = 0; port < (length - 1) * 8; port++) {
        if ((field[1 + port / 8] & 0x80 >> port % 8) != 0) {
            base_buf_u8(buf, ' ');
            dns_print_number(buf, port);
        }
    }
}

/* --- NSAP (RFC 1706): 0x and hexadecimal digits, with dots anywhere; ATMA alike --- */

/* Appends hexadecimal digits in which dots are ignored. */
static int parse_dotted_hex(struct dns_rdata_parser *parser, const char *text, size_t length)
{
    unsigned high = 0;
    bool half = false;
    size_t start = parser->at;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '.')
            continue;
        int digit = dns_scalar_hex_digit(text[i]);
        if (digit < 0)
            return dns_parse_reject(parser, BASE_EFORMAT, "must be hexadecimal digits");
        if (half) {
            if (!dns_parse_room(parser, 1))
                return BASE_ESPACE;
            parser->out[parser->at++] = (uint8_t)(high << 4 | (unsigned)digit);
        }
        high = (unsigned)digit;
        half = !half;
    }
    if (half || parser->at == start)
        return dns_parse_reject(parser, BASE_EFORMAT, "must be pairs of hexadecimal digits");
    return BASE_OK;
}

int dns_parse_nsap(struct dns_rdata_parser *parser)
{
    const struct dns_token *token = dns_parse_token(parser);
    if (token == NULL)
        return BASE_EFORMAT;
    if (token->length < 2 || token->text[0] != '0' || (token->text[1] | 0x20) != 'x')
        return dns_parse_reject(parser, BASE_EFORMAT, "must start with 0x");
    return parse_dotted_hex(parser, token->text + 2, token->length - 2);
}

/* ATM addresses: digits of E.164 behind a plus, or an end system address in hexadecimal. */
int dns_parse_atma(struct dns_rdata_parser *parser)
{
    const struct dns_token *token = dns_parse_token(parser);
    if (token == NULL)
        return BASE_EFORMAT;
    if (!dns_parse_room(parser, (size_t)token->length + 1))
        return BASE_ESPACE;
    bool digits = token->length > 0 && token->text[0] == '+';
    parser->out[parser->at++] = digits ? 1 : 0;
    if (!digits)
        return parse_dotted_hex(parser, token->text, token->length);
    size_t start = parser->at;
    for (size_t i = 1; i < token->length; i++) {
        if (token->text[i] == '.')
            continue;
        if (token->text[i] < '0' || token->text[i] > '9')
            return dns_parse_reject(parser, BASE_EFORMAT, "may hold only digits behind the +");
        parser->out[parser->at++] = (uint8_t)token->text[i];
    }
    if (parser->at == start)
        return dns_parse_reject(parser, BASE_EFORMAT, "must have digits behind the +");
    return BASE_OK;
}

void dns_print_atma(struct base_buf *buf, const uint8_t *field, size_t length)
{
    if (field[0] == 1) {
        base_buf_u8(buf, '+');
        base_buf_append(buf, field + 1, length - 1);
    } else {
        dns_print_hex(buf, field + 1, length - 1);
    }
}

/* --- A6: prefix length, the octets of the address behind it, prefix name (RFC 2874) --- */

static size_t a6_suffix(unsigned prefix)
{
    return (128 - prefix + 7) / 8;
}

const char *dns_a6_check(const uint8_t *rdata, size_t length)
{
    if (length < 1)
        return "is missing";
    unsigned prefix = rdata[0];
    if (prefix > 128)
        return "has a prefix length over 128";
    size_t suffix = a6_suffix(prefix);
    if (length - 1 < suffix)
        return "is cut short";
    if (suffix > 0 && prefix % 8 != 0 && rdata[1] >> (8 - prefix % 8) != 0)
        return "has bits set that belong to the prefix";
    size_t rest = length - 1 - suffix, used = 0;
    if (prefix > 0 && dns_name_check(rdata + 1 + suffix, rest, &used) != BASE_OK)
        return "has no well-formed prefix name";
    return used == rest ? NULL : "goes on behind its end";
}

int dns_parse_a6(struct dns_rdata_parser *parser)
{
    size_t start = parser->at;
    int error = dns_parse_number(parser, 1, 128);
    if (error != BASE_OK)
        return error;
    unsigned prefix = parser->out[start];
    size_t suffix = a6_suffix(prefix);
    if (suffix > 0) {
        error = dns_parse_ipv6(parser);
        if (error != BASE_OK)
            return error;
        uint8_t *address = parser->out + start + 1;
        memmove(address, address + 16 - suffix, suffix);
        if (prefix % 8 != 0)
            address[0] &= 0xff >> prefix % 8;
        parser->at = start + 1 + suffix;
    }
    return prefix > 0 ? dns_parse_name(parser) : BASE_OK;
}

void dns_print_a6(struct base_buf *buf, const uint8_t *field, size_t length)
{
    unsigned prefix = field[0];
    size_t suffix = a6_suffix(prefix);
    dns_print_number(buf, prefix);
    if (suffix > 0) {
        uint8_t address[16] = {0};
        memcpy(address + 16 - suffix, field + 1, suffix);
        base_buf_u8(buf, ' ');
        dns_print_ipv6(buf, address);
    }
    if (prefix > 0) {
        base_buf_u8(buf, ' ');
        dns_print_name(buf, field + 1 + suffix);
    }
}

/* --- NXT: a bit for each type below 128 (RFC 2535 section 5.2) --- */

int dns_parse_old_bitmap(struct dns_rdata_parser *parser)
{
    uint8_t bits[16] = {0};
    size_t used = 0;
    while (parser->next < parser->count) {
        const struct dns_token *token = dns_parse_token(parser);
        uint16_t type;
        if (dns_type_from_text(token->text, token->length, &type) != BASE_OK || type == 0 ||
            type > 127)
            return dns_parse_reject(parser, BASE_EFORMAT, "must be record types from 1 to 127");
        bits[type / 8] |= (uint8_t)(0x80 >> type % 8);
        if (used <= type / 8u)
            used = type / 8u + 1;
    }
    if (!dns_parse_room(parser, used))
        return BASE_ESPACE;
    memcpy(parser->out + parser->at, bits, used);
    parser->at += used;
    return BASE_OK;
}

/* --- HIP: lengths, host identity tag, public key, rendezvous servers (RFC 8005 section 5) --- */

#define HIP_HEAD 4 /* tag length, algorithm, key length (two octets) */

const char *dns_hip_check(const uint8_t *rdata, size_t length)
{
    if (length < HIP_HEAD)
        return "is cut short";
    size_t tag = rdata[0], key = base_load_u16(rdata + 2);
    if (tag == 0 || key == 0)
        return tag == 0 ? "has an empty tag" : "has an empty public key";
    if (length - HIP_HEAD < tag + key)
        return "is cut short";
    for (size_t at = HIP_HEAD + tag + key; at < length;) {
        size_t used;
        if (dns_name_check(rdata + at, length - at, &used) != BASE_OK)
            return "has a rendezvous server that is not a well-formed uncompressed name";
        at += used;
    }
    return NULL;
}

int dns_parse_hip(struct dns_rdata_parser *parser)
{
    if (!dns_parse_room(parser, HIP_HEAD))
        return BASE_ESPACE;
    uint8_t *head = parser->out + parser->at;
    int error = dns_parse_number(parser, 1, UINT8_MAX);
    if (error != BASE_OK)
        return error;
    uint8_t algorithm = head[0];
    parser->at += HIP_HEAD - 1;
    size_t tag = parser->at;
    error = dns_parse_hex(parser, 1);
    if (error != BASE_OK)
        return error;
    size_t key = parser->at;
    if (key == tag || key - tag > UINT8_MAX)
        return dns_parse_reject(parser, BASE_ERANGE, "must have a tag of 1 to 255 octets");
    error = dns_parse_base64(parser, 1);
    if (error != BASE_OK)
        return error;
    if (parser->at == key)
        return dns_parse_reject(parser, BASE_EFORMAT, "must have a public key");
    head[0] = (uint8_t)(key - tag);
    head[1] = algorithm;
    base_store_u16(head + 2, (uint16_t)(parser->at - key));
    while (error == BASE_OK && parser->next < parser->count)
        error = dns_parse_name(parser);
    return error;
}

void dns_print_hip(struct base_buf *buf, const uint8_t *field, size_t length)
{
    size_t tag = field[0], key = base_load_u16(field + 2);
    dns_print_number(buf, field[1]);
    base_buf_u8(buf, ' ');
    dns_print_hex(buf, field + HIP_HEAD, tag);
    base_buf_u8(buf, ' ');
    dns_print_base64(buf, field + HIP_HEAD + tag, key);
    for (size_t at = HIP_HEAD + tag + key; at < length; at += dns_name_length(field + at)) {
        base_buf_u8(buf, ' ');
        dns_print_name(buf, field + at);
    }
}

/* --- Gateways of IPSECKEY (RFC 4025) and AMTRELAY (RFC 8777), by the type in the second octet ---
 */

int dns_parse_relay_type(struct dns_rdata_parser *parser)
{
    size_t start = parser->at;
    int error = dns_parse_number(parser, 1, 1);
    if (error != BASE_OK)
        return error;
    error = dns_parse_number(parser, 1, 3);
    if (error != BASE_OK)
        return error;
    parser->out[start] = (uint8_t)(parser->out[start] << 7 | parser->out[start + 1]);
    parser->at = start + 1;
    return BASE_OK;
}

int dns_parse_gateway(struct dns_rdata_parser *parser)
{
    switch (parser->out[1] & 0x7f) {
    case 1:
        return dns_parse_ipv4(parser);
    case 2:
        return dns_parse_ipv6(parser);
    case 3:
        return dns_parse_name(parser);
    default:
        break;
    }
    const struct dns_token *token = dns_parse_token(parser);
    if (token == NULL)
        return BASE_EFORMAT;
    if (token->length != 1 || token->text[0] != '.')
        return dns_parse_reject(parser, BASE_EFORMAT, "of type 0 must be a dot");
    return BASE_OK;
}
