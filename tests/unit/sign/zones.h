/* What the signer's tests share: zones from text and from a seed, keys, and an own look at results:
 * each signature verified, content as text. */
#ifndef TESTS_SIGN_ZONES_H
#define TESTS_SIGN_ZONES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/reader.h"
#include "sign/sign.h"
#include "zone_text.h"

#define NOW 1700000000

/* A key that has always been active. */
static inline struct crypto_zone_key zone_key(struct crypto_key *key, const char *zone,
                                              enum crypto_key_role role)
{
    struct crypto_zone_key out = {.role = role,
                                  .flags = role == CRYPTO_ZSK ? 256 : 257,
                                  .algorithm = (uint8_t)crypto_key_algorithm(key),
                                  .key = key};
    size_t length;
    assert_int_equal(dns_name_from_text(out.zone, &length, zone, strlen(zone), NULL), BASE_OK);
    out.dnskey_length = crypto_key_dnskey(key, out.flags, out.dnskey);
    out.tag = crypto_key_tag(out.dnskey, out.dnskey_length);
    memcpy(out.id, out.dnskey + 4, sizeof(out.id));
    return out;
}

static inline struct crypto_zone_key new_key(unsigned algorithm, const char *zone,
                                             enum crypto_key_role role)
{
    struct crypto_key *key;
    assert_int_equal(crypto_key_generate(algorithm, 0, &key), BASE_OK);
    return zone_key(key, zone, role);
}

/* The key of the first example of RFC 8080 section 6.1: its signatures are deterministic. */
static inline struct crypto_zone_key rfc8080_key(const char *zone, enum crypto_key_role role)
{
    static const char text[] = "Private-key-format: v1.2\nAlgorithm: 15 (ED25519)\n"
                               "PrivateKey: ODIyNjAzODQ2MjgwODAxMjI2NDUxOTAyMDQxNDIyNjI=\n";
    struct crypto_key *key;
    assert_int_equal(crypto_key_from_bind(text, strlen(text), &key), BASE_OK);
    return zone_key(key, zone, role);
}

/*
 * Content as text
 */

enum dump { DUMP_ALL, DUMP_CONTENT /* signatures without their times and octets */ };

static inline void dump_rr(struct base_buf *buf, const struct zone *zone, const uint8_t *owner,
                           const struct zone_rrset *set, const struct dns_rr *rr, enum dump form)
{
    char name[DNS_NAME_TEXT], type[DNS_TYPE_TEXT];
    base_buf_printf(buf, "%s %u %s ", dns_name_text(name, owner),
                    set->type == DNS_TYPE_RRSIG ? rr->ttl : set->ttl,
                    dns_type_text(type, set->type));
    if (set->type == DNS_TYPE_RRSIG && form == DUMP_CONTENT)
        base_buf_printf(buf, "%s %u %u %u %u\n", dns_type_text(type, base_load_u16(rr->rdata)),
                        rr->rdata[2], rr->rdata[3], base_load_u32(rr->rdata + 4),
                        base_load_u16(rr->rdata + 16));
    else {
        dns_rdata_to_text(buf, set->type, rr->rdata, rr->length, DNS_TEXT_PLAIN);
        base_buf_text(buf, "\n");
    }
}

/* The zone as text, malloc'ed; `only` is a type, 0 for all. */
static inline char *dump_zone(const struct zone *zone, uint16_t only, enum dump form)
{
    struct base_buf buf;
    base_buf_init(&buf, SIZE_MAX / 2);
    for (size_t n = 0; n < zone->node_count; n++) {
        const struct zone_node *node = &zone->nodes[n];
        for (unsigned s = 0; s < node->rrset_count; s++) {
            const struct zone_rrset *set = &zone->rrsets[node->first_rrset + s];
            if (only != 0 && set->type != only)
                continue;
            for (unsigned r = 0; r < set->count; r++)
                dump_rr(&buf, zone, node->name, set, zone->rrs[set->first_rr + r], form);
        }
    }
    char *text = strdup(base_buf_string(&buf));
    base_buf_free(&buf);
    assert_non_null(text);
    return text;
}

static inline void assert_same_text(char *a, char *b)
{
    if (strcmp(a, b) != 0) {
        size_t at = 0;
        while (a[at] == b[at])
            at++;
        while (at > 0 && a[at - 1] != '\n')
            at--;
        print_error("first difference:\n%.200s\n%.200s\n", a + at, b + at);
    }
    assert_string_equal(a, b);
    free(a);
    free(b);
}

static inline void assert_same_content(const struct zone *a, const struct zone *b)
{
    assert_same_text(dump_zone(a, 0, DUMP_CONTENT), dump_zone(b, 0, DUMP_CONTENT));
}

/*
 * Verifying
 */

static inline void verify_signature(const struct zone *zone, const struct zone_node *node,
                                    const struct dns_rr *sig)
{
    const struct zone_rrset *keys = zone_rrset(zone, &zone->nodes[0], DNS_TYPE_DNSKEY);
    const struct zone_rrset *set = zone_rrset(zone, node, base_load_u16(sig->rdata));
    assert_non_null(keys);
    assert_non_null(set);
    const struct dns_rr *key = NULL;
    for (unsigned i = 0; i < keys->count; i++) {
        const struct dns_rr *rr = zone->rrs[keys->first_rr + i];
        if (rr->rdata[3] == sig->rdata[2] &&
            crypto_key_tag(rr->rdata, rr->length) == base_load_u16(sig->rdata + 16))
            key = rr;
    }
    assert_non_null(key);
    struct base_buf data;
    base_buf_init(&data, 1 << 24);
    size_t head = 18 + dns_name_length(sig->rdata + 18);
    base_buf_append(&data, sig->rdata, head);
    uint8_t owner[DNS_NAME_MAX];
    size_t owner_length = dns_name_lower(owner, node->name);
    for (unsigned i = 0; i < set->count; i++) {
        const struct dns_rr *rr = zone->rrs[set->first_rr + i];
        base_buf_append(&data, owner, owner_length);
        base_buf_u16(&data, set->type);
        base_buf_u16(&data, 1);
        base_buf_u32(&data, base_load_u32(sig->rdata + 4));
        base_buf_u16(&data, rr->length);
        uint8_t *rdata = base_buf_reserve(&data, rr->length);
        assert_non_null(rdata);
        dns_rdata_canonical(rr->type, rr->rdata, rr->length, rdata);
        data.length += rr->length;
    }
    assert_int_equal(data.error, BASE_OK);
    struct crypto_verifier *verifier;
    assert_int_equal(crypto_verifier_new(key->rdata, key->length, false, &verifier), BASE_OK);
    assert_int_equal(
        crypto_verify(verifier, data.data, data.length, sig->rdata + head, sig->length - head),
        BASE_OK);
    crypto_verifier_free(verifier);
    base_buf_free(&data);
}

/* Checks every signature of the zone, and that nodes, RRsets and records are where the arrays say.
 * Returns how many there are. */
static inline size_t verify_zone(const struct zone *zone)
{
    size_t count = 0, rrset = 0, rr = 0;
    for (size_t n = 0; n < zone->node_count; n++) {
        const struct zone_node *node = &zone->nodes[n];
        assert_int_equal(node->first_rrset, rrset);
        if (n > 0)
            assert_true(dns_name_compare(zone->nodes[n - 1].name, node->name) < 0);
        uint8_t key[DNS_KEY_MAX] = {0};
        dns_name_key(key, node->name, zone->apex_labels);
        for (unsigned i = 0; i < 8; i++)
            assert_int_equal(key[i], (uint8_t)(node->key_prefix >> (56 - 8 * i)));
        for (unsigned s = 0; s < node->rrset_count; s++, rrset++) {
            const struct zone_rrset *set = &zone->rrsets[rrset];
            assert_int_equal(set->first_rr, rr);
            if (s > 0)
                assert_true(set[-1].type < set->type);
            for (unsigned r = 0; r < set->count; r++, rr++) {
                if (r > 0)
                    assert_true(dns_rdata_compare(zone->rrs[rr - 1], zone->rrs[rr]) < 0);
                assert_int_equal(zone->rrs[rr]->type, set->type);
                if (set->type == DNS_TYPE_RRSIG) {
                    verify_signature(zone, node, zone->rrs[rr]);
                    count++;
                }
            }
        }
    }
    assert_int_equal(rrset, zone->rrset_count);
    assert_int_equal(rr, zone->rr_count);
    return count;
}

/*
 * Random zones
 */

static inline uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* One line of a zone under "example.": few labels, so that names nest, cuts occlude, empty
 * non-terminals and wildcards come up. */
static inline void random_line(struct base_buf *buf, uint64_t *state)
{
    static const char *const labels[] = {"a", "b", "C", "*", "zz", "\\000x", "ns", "mail"};
    unsigned depth = 1 + next_random(state) % 4;
    for (unsigned i = 0; i < depth; i++) {
        const char *label = labels[next_random(state) % 8];
        if (label[0] == '*')
            base_buf_text(buf, "*.");
        else
            base_buf_printf(buf, "%s%u.", label, next_random(state) % 4);
    }
    unsigned octet = next_random(state) % 250;
    switch (next_random(state) % 12) {
    case 0:
        base_buf_printf(buf, "example. 3600 NS ns%u.Example.net.\n", octet);
        break;
    case 1:
        base_buf_printf(buf, "example. 3600 NS a.ns0.example.\n");
        break;
    case 2:
        base_buf_printf(buf, "example. 600 DS %u 13 2 %064u\n", octet, octet);
        break;
    case 3:
        base_buf_printf(buf, "example. 3600 MX %u Mail.example.\n", octet);
        break;
    case 4:
        base_buf_printf(buf, "example. 3600 TXT \"%u\"\n", octet);
        break;
    case 5:
        base_buf_printf(buf, "example. 3600 AAAA 2001:db8::%x\n", octet);
        break;
    case 6:
        if (octet < 50) {
            base_buf_printf(buf, "example. 3600 DNAME d%u.example.net.\n", octet);
            break;
        }
        /* fall through */
    default:
        base_buf_printf(buf, "example. 3600 A 192.0.2.%u\n", octet);
    }
}

#define RANDOM_HEAD                                                                                \
    "example. 3600 SOA ns.example. host.example. 7 3600 600 864000 300\n"                          \
    "example. 3600 NS ns.example.\nns.example. 3600 A 192.0.2.1\n"

/* Text of a zone with `lines` random lines. */
static inline char *random_zone(uint64_t seed, unsigned lines)
{
    struct base_buf buf;
    base_buf_init(&buf, 1 << 24);
    base_buf_text(&buf, RANDOM_HEAD);
    for (unsigned i = 0; i < lines; i++)
        random_line(&buf, &seed);
    char *text = strdup(base_buf_string(&buf));
    base_buf_free(&buf);
    return text;
}

#endif
