/*
 * Rdata of every type from foreign octets and foreign text. The first two octets choose the type,
 * the third what is done with the rest:
 *     0  it is rdata: its text must give the same octets back, its canonical form must be stable,
 *        its JSON must be valid
 *     1  it is text: what is accepted must pass the checks and survive being written and read
 *     2  it is a message with the rdata in it, names compressed
 */
#include "base/error.h"
#include "rdata_text.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static const uint8_t origin[] = "\7Example\3com";

static void require_same_text(uint16_t type, const uint8_t *rdata, size_t length,
                              enum dns_text_style style)
{
    static uint8_t again[DNS_RDATA_MAX];
    struct base_buf buf;
    base_buf_init(&buf, 32 << 20);
    dns_rdata_to_text(&buf, type, rdata, length, style);
    REQUIRE(buf.error == BASE_OK);
    size_t again_length = 0;
    bool canonical = false;
    struct dns_rdata_problem problem = {.message = ""};
    int error = test_rdata_text(type, base_buf_string(&buf), buf.length, NULL, again, &again_length,
                                &canonical, &problem);
    if (error != BASE_OK || again_length != length || memcmp(again, rdata, length) != 0) {
        fprintf(stderr, "type %u: %.*s: %s\n", type, (int)(buf.length < 2000 ? buf.length : 2000),
                (const char *)buf.data, problem.message);
        abort();
    }
    dns_rdata_canonical(type, rdata, length, again);
    REQUIRE(canonical == (memcmp(again, rdata, length) == 0));
    base_buf_free(&buf);
}

static void require_json(uint16_t type, const uint8_t *rdata, size_t length)
{
    struct base_buf buf;
    base_buf_init(&buf, 32 << 20);
    dns_rdata_to_json(&buf, type, rdata, length);
    REQUIRE(buf.error == BASE_OK);
    json_error_t error;
    json_t *json = json_loadb((const char *)buf.data, buf.length, JSON_REJECT_DUPLICATES, &error);
    if (json == NULL) {
        fprintf(stderr, "type %u: %s: %.*s\n", type, error.text, (int)buf.length,
                (const char *)buf.data);
        abort();
    }
    json_decref(json);
    base_buf_free(&buf);
}

static void require_good(uint16_t type, const uint8_t *rdata, size_t length)
{
    static uint8_t canonical[DNS_RDATA_MAX], twice[DNS_RDATA_MAX];
    require_same_text(type, rdata, length, DNS_TEXT_PLAIN);
    require_same_text(type, rdata, length, DNS_TEXT_PRETTY);
    require_same_text(type, rdata, length, DNS_TEXT_GENERIC);
    require_json(type, rdata, length);
    dns_rdata_canonical(type, rdata, length, canonical);
    dns_rdata_canonical(type, canonical, length, twice);
    REQUIRE(memcmp(canonical, twice, length) == 0);
    REQUIRE(dns_rdata_check(type, canonical, length, NULL) == BASE_OK);
    size_t at = 0;
    const uint8_t *name;
    while ((name = dns_rdata_next_name(type, rdata, length, &at)) != NULL)
        REQUIRE(name >= rdata && name + dns_name_length(name) <= rdata + length);
}

static void from_wire(uint16_t type, const uint8_t *data, size_t size)
{
    if (dns_rdata_check(type, data, size, NULL) == BASE_OK) {
        require_good(type, data, size);
        return;
    }
    /* Written all the same, in the form that fits anything. */
    struct base_buf buf;
    base_buf_init(&buf, 32 << 20);
    dns_rdata_to_text(&buf, type, data, size, DNS_TEXT_PLAIN);
    REQUIRE(buf.error == BASE_OK && buf.length > 2 && buf.data[0] == '\\' && buf.data[1] == '#');
    base_buf_free(&buf);
    require_json(type, data, size);
}

static void from_text(uint16_t type, const uint8_t *data, size_t size)
{
    static uint8_t rdata[DNS_RDATA_MAX];
    size_t length;
    bool canonical;
    struct dns_rdata_problem problem = {.message = ""};
    int error = test_rdata_text(type, (const char *)data, size, origin, rdata, &length, &canonical,
                                &problem);
    if (error != BASE_OK) {
        REQUIRE(problem.message[0] != '\0');
        REQUIRE(memchr(problem.message, '\0', sizeof(problem.message)) != NULL);
        return;
    }
    REQUIRE(dns_rdata_check(type, rdata, length, NULL) == BASE_OK);
    require_good(type, rdata, length);
}

static void from_message(uint16_t type, const uint8_t *data, size_t size)
{
    static uint8_t rdata[DNS_RDATA_MAX];
    if (size < 1)
        return;
    size_t at = data[0] < size ? data[0] : 0;
    size_t length;
    if (dns_rdata_from_wire(type, data, size, at, size - at, rdata, &length) != BASE_OK)
        return;
    REQUIRE(dns_rdata_check(type, rdata, length, NULL) == BASE_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3 || size > DNS_RDATA_MAX)
        return 0;
    uint16_t type = (uint16_t)(data[0] << 8 | data[1]);
    switch (data[2] % 3) {
    case 0:
        from_wire(type, data + 3, size - 3);
        break;
    case 1:
        from_text(type, data + 3, size - 3);
        break;
    default:
        from_message(type, data + 3, size - 3);
        break;
    }
    return 0;
}
