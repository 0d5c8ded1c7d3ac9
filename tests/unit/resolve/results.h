/* Results made by hand, for tests of what is done with them. */
#ifndef TEST_RESULTS_H
#define TEST_RESULTS_H

#include "validate/result.h"

#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOW          1795305600 /* 2026-11-22T00:00:00Z */

static const uint8_t root_name[] = {0};
static const uint8_t example[] = "\7example";
static const uint8_t www[] = "\3www\7example";
static const uint8_t other[] = "\5other";
static const uint8_t web_other[] = "\3web\5other";
static const uint8_t plain[] = "\5plain\7example";
static const uint8_t host_plain[] = "\4host\5plain\7example";
static const uint8_t hostile[] = "\x0a<&\"]]>\x1b[m\t\7example";

static const uint8_t address_data[] = {192, 0, 2, 1};
static const uint8_t text_data[] = "\x0c<b>&\"\x07\xff\xc3\xa4]]>";
static const uint8_t ds_root[] = {0x4f, 0x66, 8, 2, 0xe0, 0x6d, 0x44};
static const uint8_t ds_example[] = {0x12, 0x34, 13, 2, 1, 2, 3, 4};
static const uint8_t cname_data[] = "\3web\5other";
static const uint8_t nsec_data[] = "\1z\7example\0\0\1\x40";

static const struct validate_rdata address[] = {{address_data, 4}};
static const struct validate_rdata texts[] = {{text_data, 13}};
static const struct validate_rdata ds_of_root[] = {{ds_root, 7}};
static const struct validate_rdata ds_of_example[] = {{ds_example, 8}};
static const struct validate_rdata cname[] = {{cname_data, sizeof(cname_data)}};
static const struct validate_rdata nsec[] = {{nsec_data, sizeof(nsec_data) - 1}};

static const struct validate_records anchor_set[] = {{root_name, DNS_TYPE_DS, 0, ds_of_root, 1}};
static const struct validate_records ds_set[] = {
    {example, DNS_TYPE_DS, 3600, ds_of_example, 1},
};
static const struct validate_records alias_set[] = {{www, DNS_TYPE_CNAME, 300, cname, 1}};
static const struct validate_records address_set[] = {{web_other, DNS_TYPE_A, 300, address, 1}};
static const struct validate_records hostile_set[] = {{hostile, DNS_TYPE_TXT, 300, texts, 1}};
static const struct validate_records nsec_set[] = {{example, DNS_TYPE_NSEC, 300, nsec, 1}};

#define SIGNATURE(zone, key, found)                                                                \
    {                                                                                              \
        .signer = zone, .inception = NOW - 86400, .expiration = NOW + 864000,                      \
        .original_ttl = 3600, .tag = key, .algorithm = 13, .labels = 1, .verdict = found           \
    }
static const struct validate_signature by_root[] = {
    SIGNATURE(root_name, 20326, VALIDATE_SIGNATURE_GOOD)};
static const struct validate_signature by_example[] = {
    SIGNATURE(example, 0x1234, VALIDATE_SIGNATURE_GOOD)};
static const struct validate_signature by_other[] = {
    SIGNATURE(other, 815, VALIDATE_SIGNATURE_GOOD),
    SIGNATURE(other, 816, VALIDATE_SIGNATURE_NOT_TRIED)};
static const struct validate_signature expired[] = {{.signer = example,
                                                     .inception = NOW - 86400 * 30,
                                                     .expiration = NOW - 86400 * 2,
                                                     .original_ttl = 300,
                                                     .tag = 0x1234,
                                                     .algorithm = 13,
                                                     .labels = 2,
                                                     .verdict = VALIDATE_SIGNATURE_EXPIRED}};

static const struct validate_key_note root_keys[] = {
    {20326, 257, 8, true, true}, {38696, 257, 8, true, false}, {61050, 256, 8, false, false}};
static const struct validate_key_note example_keys[] = {{0x1234, 257, 13, true, true},
                                                        {99, 0x80 | 257, 200, false, false}};
static const struct validate_key_note other_keys[] = {{815, 257, 13, true, true}};

#define SECURE_TOP                                                                                 \
    {.kind = VALIDATE_NODE_ANCHOR,                                                                 \
     .parent = VALIDATE_NO_NODE,                                                                   \
     .name = root_name,                                                                            \
     .zone = root_name,                                                                            \
     .sets = anchor_set,                                                                           \
     .set_count = 1},                                                                              \
        {.kind = VALIDATE_NODE_KEYS,                                                               \
         .parent = 0,                                                                              \
         .name = root_name,                                                                        \
         .zone = root_name,                                                                        \
         .type = DNS_TYPE_DNSKEY,                                                                  \
         .keys = root_keys,                                                                        \
         .key_count = COUNT(root_keys),                                                            \
         .signatures = by_root,                                                                    \
         .signature_count = 1},                                                                    \
        {.kind = VALIDATE_NODE_DS,                                                                 \
         .parent = 1,                                                                              \
         .name = example,                                                                          \
         .zone = root_name,                                                                        \
         .type = DNS_TYPE_DS,                                                                      \
         .sets = ds_set,                                                                           \
         .set_count = 1,                                                                           \
         .signatures = by_root,                                                                    \
         .signature_count = 1},                                                                    \
    {                                                                                              \
        .kind = VALIDATE_NODE_KEYS, .parent = 2, .name = example, .zone = example,                 \
        .type = DNS_TYPE_DNSKEY, .keys = example_keys, .key_count = COUNT(example_keys),           \
        .signatures = by_example, .signature_count = 1                                             \
    }

/* An alias from one zone into another. */
static const struct validate_node alias_nodes[] = {
    SECURE_TOP,
    {.kind = VALIDATE_NODE_ALIAS,
     .parent = 3,
     .name = www,
     .zone = example,
     .type = DNS_TYPE_CNAME,
     .sets = alias_set,
     .set_count = 1,
     .signatures = by_example,
     .signature_count = 1},
    {.kind = VALIDATE_NODE_DS,
     .parent = 1,
     .name = other,
     .zone = root_name,
     .type = DNS_TYPE_DS,
     .sets = ds_set,
     .set_count = 1,
     .signatures = by_root,
     .signature_count = 1},
    {.kind = VALIDATE_NODE_KEYS,
     .parent = 5,
     .name = other,
     .zone = other,
     .type = DNS_TYPE_DNSKEY,
     .keys = other_keys,
     .key_count = 1,
     .signatures = by_other,
     .signature_count = 1},
    {.kind = VALIDATE_NODE_RRSET,
     .parent = 6,
     .name = web_other,
     .zone = other,
     .type = DNS_TYPE_A,
     .wildcard = (const uint8_t *)"\1*\5other",
     .sets = address_set,
     .set_count = 1,
     .signatures = by_other,
     .signature_count = 2,
     .note = "expanded from *.other."},
};
static const struct validate_hop alias_hops[] = {
    {.name = www, .target = web_other, .zone = example, .node = 4, .ttl = 300, .expiry = NOW + 5},
    {.name = web_other, .wildcard = true, .zone = other, .node = 7, .ttl = 300},
};
static const struct validate_result alias_result = {
    .status = VALIDATE_SECURE,
    .kind = VALIDATE_ANSWER_DATA,
    .name = www,
    .type = DNS_TYPE_A,
    .hops = alias_hops,
    .hop_count = 2,
    .answer = address_set,
    .answer_count = 1,
    .ttl = 300,
    .now = NOW,
    .expiry = NOW + 864000,
    .nodes = alias_nodes,
    .node_count = COUNT(alias_nodes),
    .sentence =
        "www.example. A is secure: signatures lead from the trust anchor of the root to it.",
    .queries = 6,
    .verifications = 7,
    .packet_octets = 4711,
};

/* An unsigned delegation. */
static const struct validate_node insecure_nodes[] = {
    SECURE_TOP,
    {.kind = VALIDATE_NODE_NO_DS,
     .parent = 3,
     .name = plain,
     .zone = example,
     .type = DNS_TYPE_DS,
     .sets = nsec_set,
     .set_count = 1,
     .signatures = by_example,
     .signature_count = 1,
     .note = "the NSEC of plain.example. has no DS"},
    {.kind = VALIDATE_NODE_RRSET,
     .status = VALIDATE_INSECURE,
     .parent = 4,
     .name = host_plain,
     .type = DNS_TYPE_A,
     .sets = address_set,
     .set_count = 1},
};
static const struct validate_hop insecure_hops[] = {
    {.name = host_plain, .status = VALIDATE_INSECURE, .zone = plain, .node = 5, .ttl = 300},
};
static const struct validate_result insecure_result = {
    .status = VALIDATE_INSECURE,
    .kind = VALIDATE_ANSWER_DATA,
    .name = host_plain,
    .type = DNS_TYPE_A,
    .hops = insecure_hops,
    .hop_count = 1,
    .answer = address_set,
    .answer_count = 1,
    .ttl = 300,
    .now = NOW,
    .insecure = plain,
    .nodes = insecure_nodes,
    .node_count = COUNT(insecure_nodes),
    .sentence = "host.plain.example. A is insecure: plain.example. is not signed.",
};

/* Expired signatures over data whose name and rdata are hostile; with what follows from it. */
static const struct validate_node bogus_nodes[] = {
    SECURE_TOP,
    {.kind = VALIDATE_NODE_RRSET,
     .status = VALIDATE_BOGUS,
     .parent = 3,
     .name = hostile,
     .zone = example,
     .type = DNS_TYPE_TXT,
     .sets = hostile_set,
     .set_count = 1,
     .signatures = expired,
     .signature_count = 1},
    {.kind = VALIDATE_NODE_DENIAL,
     .status = VALIDATE_BOGUS,
     .parent = 3,
     .name = www,
     .zone = example,
     .type = 0,
     .sets = nsec_set,
     .set_count = 1},
};
static const struct validate_finding bogus_findings[] = {
    {.code = REPLAY_SYNTAX,
     .severity = BASE_ERROR,
     .ede = 7,
     .cause = VALIDATE_NO_CAUSE,
     .node = 4,
     .owner = "www.example.",
     .type = "TXT",
     .server = "192.0.2.1@53",
     .message = "the signature by key 4660 expired on 2026-11-20, two days ago"},
    {.code = REPLAY_MISSED,
     .severity = BASE_WARNING,
     .ede = VALIDATE_NO_EDE,
     .cause = VALIDATE_NO_CAUSE,
     .node = VALIDATE_NO_NODE,
     .message = "something else \x1b[31m<b>&\x7f"},
    {.code = REPLAY_INVALID,
     .severity = BASE_ERROR,
     .ede = 6,
     .cause = 0,
     .node = 5,
     .message = "so nothing proves www.example."},
    {.code = REPLAY_INVALID,
     .severity = BASE_ERROR,
     .ede = 99,
     .cause = 2,
     .node = 5,
     .message = "a consequence of a consequence"},
};
static const struct validate_hop bogus_hops[] = {
    {.name = hostile, .status = VALIDATE_BOGUS, .zone = example, .node = 4},
};
static const struct validate_result bogus_result = {
    .status = VALIDATE_BOGUS,
    .kind = VALIDATE_ANSWER_DATA,
    .name = hostile,
    .type = DNS_TYPE_TXT,
    .hops = bogus_hops,
    .hop_count = 1,
    .answer = hostile_set,
    .answer_count = 1,
    .now = NOW,
    .nodes = bogus_nodes,
    .node_count = COUNT(bogus_nodes),
    .findings = bogus_findings,
    .finding_count = COUNT(bogus_findings),
    .sentence = "The signature over the data expired two days ago; the operator of example. must "
                "sign the zone again, now.",
};

/* Nothing came. */
static const struct validate_result error_result = {
    .status = VALIDATE_ERROR,
    .name = www,
    .type = DNS_TYPE_A,
    .now = NOW,
    .sentence = "Nothing could be judged: nobody answered.",
};

static const struct validate_result *const results[] = {&alias_result, &insecure_result,
                                                        &bogus_result, &error_result};

#endif
