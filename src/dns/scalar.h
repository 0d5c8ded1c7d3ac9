/*
 * Numbers, addresses and times, between text and value. They are read and written by the million,
 * so nothing here goes through printf or the C library's locale.
 */
#ifndef DNS_SCALAR_H
#define DNS_SCALAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A decimal number of digits only, at most `max`. */
bool dns_scalar_number(const char *text, size_t length, uint64_t max, uint64_t *value);
/* Seconds: a number, or numbers with units s m h d w in any case ("1h30m"), at most 2^32-1. Not for
 * the TTLs of records, which end at 2^31-1: see dns_ttl_from_text. */
bool dns_scalar_ttl(const char *text, size_t length, uint32_t *value);
/* A time of RFC 4034 section 3.2: YYYYMMDDHHmmSS (1970 to 2106), or seconds since the epoch. */
bool dns_scalar_time(const char *text, size_t length, uint32_t *value);
/* Dotted quad; no leading zeros. */
bool dns_scalar_ipv4(const char *text, size_t length, uint8_t out[4]);
/* RFC 4291 section 2.2. */
bool dns_scalar_ipv6(const char *text, size_t length, uint8_t out[16]);
/* `count` octets of two hexadecimal digits, with `separator` between each `group` octets. */
bool dns_scalar_groups(const char *text, size_t length, uint8_t *out, size_t count, size_t group,
                       char separator);
/* The value of a hexadecimal digit, or -1. */
int dns_scalar_hex_digit(char digit);

/* Writers: no NUL; they return the characters written. */
#define DNS_SCALAR_NUMBER 20
#define DNS_SCALAR_TIME   14
#define DNS_SCALAR_IPV4   15
#define DNS_SCALAR_IPV6   45
size_t dns_scalar_put_number(char *out, uint64_t value);
size_t dns_scalar_put_time(char *out, uint32_t value);
size_t dns_scalar_put_ipv4(char *out, const uint8_t address[4]);
/* RFC 5952. */
size_t dns_scalar_put_ipv6(char *out, const uint8_t address[16]);
size_t dns_scalar_put_groups(char *out, const uint8_t *octets, size_t count, size_t group,
                             char separator);

#endif
