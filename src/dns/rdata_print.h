/*
 * Writing fields of rdata as text: what the files that write the several kinds share. The rdata is
 * well formed (dns_rdata_check). Private to the folder: others use dns_rdata_to_text and _to_json.
 */
#ifndef DNS_RDATA_PRINT_H
#define DNS_RDATA_PRINT_H

#include "dns/rdata_table.h"

/* Appends the field that starts at `at` of `rdata`; returns the place behind it. */
size_t dns_field_print(struct base_buf *buf, const struct dns_field *field, const uint8_t *rdata,
                       size_t length, size_t at, enum dns_text_style style);

void dns_print_name(struct base_buf *buf, const uint8_t *name);
void dns_print_number(struct base_buf *buf, uint64_t value);
/* The characters of a string, escaped, without quotes around. */
void dns_print_string(struct base_buf *buf, const uint8_t *octets, size_t length);
void dns_print_base64(struct base_buf *buf, const uint8_t *octets, size_t length);
void dns_print_hex(struct base_buf *buf, const uint8_t *octets, size_t length);
void dns_print_ipv4(struct base_buf *buf, const uint8_t *address);
void dns_print_ipv6(struct base_buf *buf, const uint8_t *address);

/* The fields that have files of their own; `length` octets from the field's start. */
void dns_print_services(struct base_buf *buf, const uint8_t *field, size_t length);
void dns_print_atma(struct base_buf *buf, const uint8_t *field, size_t length);
void dns_print_a6(struct base_buf *buf, const uint8_t *field, size_t length);
void dns_print_hip(struct base_buf *buf, const uint8_t *field, size_t length);
void dns_print_location(struct base_buf *buf, const uint8_t *field);
void dns_print_prefixes(struct base_buf *buf, const uint8_t *field, size_t length);
void dns_print_svcparams(struct base_buf *buf, const uint8_t *params, size_t length);
void dns_json_svcparams(struct base_buf *buf, const uint8_t *params, size_t length);
/* Makes the characters behind `start` fit into a JSON string: \ and " are escaped. They are
 * printable ASCII. */
void dns_json_escape(struct base_buf *buf, size_t start);

#endif
