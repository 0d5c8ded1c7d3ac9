/*
 * What the tests of look-ups share: contexts without anchors (so that everything is INDETERMINATE
 * after one query, and packets need no signatures), and packets made for queries.
 */
#ifndef TEST_RESOLVE_WORLD_H
#define TEST_RESOLVE_WORLD_H

#include "base/error.h"
#include "base/reader.h"
#include "dns/message.h"
#include "dns/name.h"
#include "resolve/resolve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t world_root[1] = {0};

static inline const uint8_t *world_name(const char *text)
{
    static uint8_t names[8][DNS_NAME_MAX];
    static unsigned next;
    size_t length;
    uint8_t *name = names[next++ % 8];
    assert_int_equal(dns_name_from_text(name, &length, text, strlen(text), world_root), BASE_OK);
    return name;
}

static inline size_t world_question_length(const uint8_t *query)
{
    return dns_name_length(query + DNS_MESSAGE_HEADER) + 4;
}

/* An answer to a query: the A record 192.0.2.N of its name, with `flags` beside QR. */
static inline size_t world_answer(const uint8_t *query, uint16_t flags, uint8_t number,
                                  uint32_t ttl, uint8_t out[512])
{
    size_t question = world_question_length(query), at = DNS_MESSAGE_HEADER + question;
    bool data = (flags & (DNS_FLAG_TC | 15)) == 0;
    memset(out, 0, DNS_MESSAGE_HEADER);
    memcpy(out, query, 2);
    base_store_u16(out + 2, (uint16_t)(DNS_FLAG_QR | DNS_FLAG_RD | DNS_FLAG_RA | flags));
    base_store_u16(out + 4, 1);
    base_store_u16(out + 6, data);
    base_store_u16(out + 10, 1);
    memcpy(out + DNS_MESSAGE_HEADER, query + DNS_MESSAGE_HEADER, question);
    if (data) {
        base_store_u16(out + at, 0xc00c);
        base_store_u16(out + at + 2, DNS_TYPE_A);
        base_store_u16(out + at + 4, DNS_CLASS_IN);
        base_store_u32(out + at + 6, ttl);
        base_store_u16(out + at + 10, 4);
        memcpy(out + at + 12, (uint8_t[]){192, 0, 2, number}, 4);
        at += 16;
    }
    out[at] = 0;
    base_store_u16(out + at + 1, DNS_TYPE_OPT);
    base_store_u16(out + at + 3, 1232);
    base_store_u32(out + at + 5, DNS_EDNS_DO);
    base_store_u16(out + at + 9, 0);
    return at + 11;
}

/* The last octet of the only address of a result; 0: it has none. */
static inline unsigned world_address(const struct validate_result *result)
{
    if (result->answer_count != 1 || result->answer[0].count != 1 ||
        result->answer[0].rdata[0].length != 4)
        return 0;
    return result->answer[0].rdata[0].data[3];
}

#endif
