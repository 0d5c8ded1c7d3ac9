/* What a primary says: messages of transfers of the zone "example.", made by hand. */
#ifndef TEST_MESSAGES_H
#define TEST_MESSAGES_H

#include "base/error.h"
#include "base/reader.h"
#include "dns/message.h"

#include <string.h>

static const uint8_t test_zone[] = "\7example";

struct test_message {
    struct dns_builder builder;
    uint8_t wire[DNS_MESSAGE_MAX];
    size_t length;
};

static inline void message_begin(struct test_message *message, uint16_t id, uint16_t type,
                                 uint16_t flags)
{
    dns_builder_init(&message->builder, message->wire, sizeof(message->wire), 1024, id,
                     DNS_FLAG_QR | flags);
    if (type != 0)
        assert_int_equal(dns_builder_question(&message->builder, test_zone, type, DNS_CLASS_IN),
                         BASE_OK);
}

static inline void message_record(struct test_message *message, const char *owner, uint16_t type,
                                  uint16_t class, const void *rdata, size_t length)
{
    assert_int_equal(dns_builder_record(&message->builder, DNS_SECTION_ANSWER,
                                        (const uint8_t *)owner, type, class, 300, rdata, length),
                     BASE_OK);
}

static inline void message_soa(struct test_message *message, uint32_t serial)
{
    uint8_t rdata[22] = {0};
    base_store_u32(rdata + 2, serial);
    base_store_u32(rdata + 6, 7200);
    base_store_u32(rdata + 10, 900);
    base_store_u32(rdata + 14, 86400);
    base_store_u32(rdata + 18, 60);
    message_record(message, "\7example", DNS_TYPE_SOA, DNS_CLASS_IN, rdata, sizeof(rdata));
}

/* An address record whose last octet is `value`. */
static inline void message_a(struct test_message *message, const char *owner, uint8_t value)
{
    uint8_t rdata[4] = {192, 0, 2, value};
    message_record(message, owner, DNS_TYPE_A, DNS_CLASS_IN, rdata, sizeof(rdata));
}

static inline void message_ns(struct test_message *message)
{
    message_record(message, "\7example", DNS_TYPE_NS, DNS_CLASS_IN, "\2ns\7example", 12);
}

static inline void message_end(struct test_message *message)
{
    message->length = dns_builder_finish(&message->builder);
}

#endif
