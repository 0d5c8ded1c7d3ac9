/* What tests and the fuzz target of answers share: an image of some zones, and queries. */
#ifndef TEST_SERVE_SUPPORT_H
#define TEST_SERVE_SUPPORT_H

#include "base/error.h"
#include "dns/message.h"
#include "serve/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Aliases of all kinds, cuts with glue, wildcards, an empty non-terminal; no signatures. */
static const char aliases_zone[] =
    "$ORIGIN test.\n$TTL 300\n@ SOA ns h 1 2 3 4 60\n@ NS ns\n@ NS ns.out.example.\n"
    "ns A 192.0.2.1\nns AAAA 2001:db8::1\n@ MX 10 mail\nmail A 192.0.2.2\n"
    "c1 CNAME c2\nc2 CNAME c3\nc3 CNAME ns\nloop CNAME loop\nout CNAME www.out.\n"
    "d DNAME e\nx.e A 192.0.2.3\nself DNAME self.self\n*.w CNAME c1\n*.v TXT \"v\"\n"
    "a.b.c.ent TXT \"deep\"\ncut NS ns.cut\ncut NS ns2.cut\nns.cut A 192.0.2.4\n"
    "ns2.cut AAAA 2001:db8::4\n_s._tcp SRV 1 2 3 mail\nsvc HTTPS 1 . alpn=h2\nsvc A 192.0.2.5\n"
    "svc2 HTTPS 0 svc\nin CNAME ns1.example.\n"
    "secure NS ns.out.example.\nsecure DS 1 13 2 "
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n";

static inline void support_publish(struct image *image, const char *origin, const char *path,
                                   const char *text)
{
    uint8_t apex[DNS_NAME_MAX];
    size_t length;
    REQUIRE(dns_name_from_text(apex, &length, origin, strlen(origin), NULL) == BASE_OK);
    struct dns_zonefile_options options = {.origin = apex, .threads = 1};
    struct base_findings findings;
    base_findings_init(&findings, 10);
    struct zone *zone;
    if (path != NULL) {
        REQUIRE(zone_load(path, &options, &findings, &zone) == BASE_OK);
    } else {
        struct dns_zonefile file;
        REQUIRE(dns_zonefile_read_memory("zone", text, strlen(text), &options, &findings, &file) ==
                BASE_OK);
        REQUIRE(zone_build(&file, 1, &findings, &zone) == BASE_OK);
        dns_zonefile_free(&file);
    }
    base_findings_free(&findings);
    struct image_publish request = {.zone = zone, .now = 1};
    REQUIRE(image_publish(image, &request, NULL) == BASE_OK);
    zone_release(zone);
}

/* An image with example., that of RFC 4035 or that of RFC 5155, and test. */
static inline struct image *support_image(const char *directory, bool nsec3)
{
    struct image *image;
    struct image_options options = {.writer = true, .no_sync = true, .map_size = 16 << 20};
    REQUIRE(image_open(directory, &options, &image) == BASE_OK);
    support_publish(
        image, "example.",
        nsec3 ? TEST_DATA "/golden/rfc5155-a-part.zone" : TEST_DATA "/golden/rfc4035-a.zone", NULL);
    support_publish(image, "test.", NULL, aliases_zone);
    return image;
}

static inline struct serve_worker *support_worker(struct image *image, size_t cache)
{
    struct serve_options options = {.version = "test",
                                    .identity = "test",
                                    .nsid = (const uint8_t *)"nsid",
                                    .nsid_length = 4,
                                    .secret_count = 2,
                                    .keepalive = 100,
                                    .cache_octets = cache};
    struct serve_worker *worker;
    REQUIRE(serve_worker_new(&options, image, &worker) == BASE_OK);
    return worker;
}

/* A query; the octets written. */
static inline size_t support_query(uint8_t *out, const char *name, uint16_t type, bool dnssec)
{
    memcpy(out, "\x12\x34\1\0\0\1\0\0\0\0\0\0", 12);
    size_t length;
    REQUIRE(dns_name_from_text(out + 12, &length, name, strlen(name), NULL) == BASE_OK);
    length += 12;
    base_store_u16(out + length, type);
    base_store_u16(out + length + 2, 1);
    length += 4;
    if (dnssec) {
        memcpy(out + length, "\0\0\x29\x10\0\0\0\x80\0\0\0", 11);
        out[11] = 1;
        length += 11;
    }
    return length;
}

/* Every response is well formed, belongs to its query, and is not too long. */
static inline void support_check(const uint8_t *query, size_t length, const uint8_t *response,
                                 const struct serve_result *result, enum serve_transport transport)
{
    REQUIRE(result->length >= DNS_MESSAGE_HEADER);
    REQUIRE(transport != SERVE_UDP || result->length <= SERVE_PAYLOAD_DEFAULT);
    REQUIRE(memcmp(query, response, 2) == 0 && (response[2] & 0x80) != 0);
    if (response[5] != 0)
        REQUIRE(length > 12 && memcmp(query + 12, response + 12, result->question + 4) == 0);
    struct base_arena arena;
    base_arena_init(&arena, 0);
    struct dns_message message;
    REQUIRE(dns_message_parse(response, result->length, &arena, &message) == BASE_OK);
    REQUIRE(message.rcode == result->rcode);
    base_arena_free(&arena);
}

#endif
