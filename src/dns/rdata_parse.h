/*
 * Reading rdata from tokens: the state, and what the files that read the several kinds of fields
 * share. Private to the folder: others use dns_rdata_from_text.
 */
#ifndef DNS_RDATA_PARSE_H
#define DNS_RDATA_PARSE_H

#include "dns/rdata_table.h"

struct dns_rdata_parser {
    const struct dns_token *tokens;
    size_t count;
    size_t next; /* index of the token to read next */
    const uint8_t *origin;
    uint8_t *out; /* room for DNS_RDATA_MAX */
    size_t at;    /* octets written */
    bool lower;   /* names are lowered in canonical form */
    bool canonical;
    const struct dns_field *field; /* being read */
    struct dns_rdata_problem *problem;
};

/* Describe what is wrong with the field being read, as the end of a sentence that starts with its
 * name; return `error`. dns_parse_reject adds the token that was read last. */
int dns_parse_fail(struct dns_rdata_parser *parser, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int dns_parse_reject(struct dns_rdata_parser *parser, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A token for a message: at most 60 characters of it, all printable, in quotes. */
#define DNS_TOKEN_QUOTED 72
const char *dns_token_quote(char out[DNS_TOKEN_QUOTED], const struct dns_token *token);

/* The next token; NULL, with the problem described, when there is none. */
const struct dns_token *dns_parse_token(struct dns_rdata_parser *parser);
/* True when `size` more octets fit; else the problem is described. */
bool dns_parse_room(struct dns_rdata_parser *parser, size_t size);

/* Each reads a token and appends to the output. */
int dns_parse_name(struct dns_rdata_parser *parser);
int dns_parse_number(struct dns_rdata_parser *parser, unsigned octets, uint64_t max);
int dns_parse_ipv4(struct dns_rdata_parser *parser);
int dns_parse_ipv6(struct dns_rdata_parser *parser);
/* Read all tokens that are left, joined. */
int dns_parse_base64(struct dns_rdata_parser *parser, size_t count);
int dns_parse_hex(struct dns_rdata_parser *parser, size_t count);

/* Resolves the escapes in `text` into `out`, room for `capacity`. BASE_EFORMAT, BASE_ESPACE. */
int dns_parse_unescape(const char *text, size_t length, uint8_t *out, size_t capacity,
                       size_t *out_length);

/* The fields that have files of their own. */
int dns_parse_services(struct dns_rdata_parser *parser);
int dns_parse_atma(struct dns_rdata_parser *parser);
int dns_parse_nsap(struct dns_rdata_parser *parser);
int dns_parse_a6(struct dns_rdata_parser *parser);
int dns_parse_hip(struct dns_rdata_parser *parser);
int dns_parse_gateway(struct dns_rdata_parser *parser);
int dns_parse_relay_type(struct dns_rdata_parser *parser);
int dns_parse_old_bitmap(struct dns_rdata_parser *parser);
int dns_parse_location(struct dns_rdata_parser *parser);
int dns_parse_prefixes(struct dns_rdata_parser *parser);
int dns_parse_svcparams(struct dns_rdata_parser *parser);

#endif
