/*
 * Domain names in wire format (RFC 1035 section 3.1): length-prefixed labels, ending with the root
 * label, uncompressed, at most 255 octets. A name is a pointer to its first length octet; functions
 * that take one trust it to be well formed. Foreign bytes become names through dns_name_from_wire
 * or dns_name_from_text only.
 *
 * The case of letters is kept as written and ignored in every comparison.
 */
#ifndef DNS_NAME_H
#define DNS_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_NAME_MAX   255 /* octets of a wire name */
#define DNS_LABEL_MAX  63
#define DNS_LABELS_MAX 127
#define DNS_NAME_TEXT  1024 /* room for any name as text, NUL included (4 characters an octet) */
#define DNS_KEY_MAX    512  /* room for any name's canonical-order key */

extern const uint8_t dns_lower[256]; /* ASCII letters to lower case, the rest unchanged */

/* Octets of the name, root label included (1 for the root). */
size_t dns_name_length(const uint8_t *name);
/* Labels, the root not counted. */
unsigned dns_name_labels(const uint8_t *name);
/* The name without its first `count` labels; the root when it has no more than that. */
const uint8_t *dns_name_parent(const uint8_t *name, unsigned count);
bool dns_name_equal(const uint8_t *a, const uint8_t *b);
/* Canonical order (RFC 4034 section 6.1): <0, 0, >0. */
int dns_name_compare(const uint8_t *a, const uint8_t *b);
/* True when `name` is `ancestor` or below it. */
bool dns_name_within(const uint8_t *name, const uint8_t *ancestor);
/* Labels that the two names share, counted from the root (root not counted). */
unsigned dns_name_common(const uint8_t *a, const uint8_t *b);
bool dns_name_is_wildcard(const uint8_t *name); /* first label is "*" */
/* Copies with letters in lower case; returns the length. `out` has room for DNS_NAME_MAX; may be
 * `name`. */
size_t dns_name_lower(uint8_t *out, const uint8_t *name);
/* True when there are no capital letters: it is already as dns_name_lower gives it. */
bool dns_name_is_lower(const uint8_t *name);
uint32_t dns_name_hash(const uint8_t *name); /* ignores case; for tables in memory only */

/* Reads one uncompressed name from at most `length` octets; sets its octets in *used.
 * BASE_EFORMAT: runs over the end, a label type other than 00, or longer than 255. */
int dns_name_check(const uint8_t *wire, size_t length, size_t *used);

/* Reads a name at *at of a message of `length` octets, in which it may be compressed (RFC 1035
 * section 4.1.4); writes it uncompressed to `out`, sets *out_length, and moves *at behind it.
 * Pointers must lead strictly backwards and are followed at most DNS_NAME_POINTERS_MAX times.
 * BASE_EFORMAT; then *at is as before. */
#define DNS_NAME_POINTERS_MAX 127
int dns_name_from_wire(const uint8_t *message, size_t length, size_t *at, uint8_t out[DNS_NAME_MAX],
                       size_t *out_length);

/* Reads text (RFC 1035 section 5.1: escapes \X and \DDD, "@" alone for the origin) into `out`.
 * A name without a final dot is completed with `origin`; NULL origin: must be absolute
 * (BASE_EFORMAT). BASE_EFORMAT: empty label, bad escape; BASE_ERANGE: label over 63 or name over
 * 255 octets. `origin` may be `out`, which is as before after an error. */
int dns_name_from_text(uint8_t out[DNS_NAME_MAX], size_t *out_length, const char *text,
                       size_t length, const uint8_t *origin);
/* Writes the absolute presentation format with final dot, no NUL; returns the characters. Octets
 * outside of printable ASCII and spaces in a label become \DDD (tools split lines at spaces);
 * . ; ( ) " \ @ $ get a backslash. */
size_t dns_name_to_text(char out[DNS_NAME_TEXT], const uint8_t *name);
/* The same, NUL-terminated, returned. */
const char *dns_name_text(char out[DNS_NAME_TEXT], const uint8_t *name);

/*
 * The canonical-order key: octets whose memcmp order (shorter first on a tie) is the canonical
 * order of names. For each label from the top down: its octets in lower case, 00 written as 01 01
 * and 01 as 01 02, then 00. A key of an ancestor is a prefix of the keys of all below it. The
 * `skip` topmost labels are left out, so that names of one zone have short keys.
 * Returns its length.
 */
size_t dns_name_key(uint8_t out[DNS_KEY_MAX], const uint8_t *name, unsigned skip);

#endif
