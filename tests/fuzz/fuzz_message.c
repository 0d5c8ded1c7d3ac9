/*
 * Messages from foreign octets: whatever is read must survive being built anew (compressed or not,
 * whole or truncated) and read again; the TSIG record is looked for in all of them.
 */
#include "base/error.h"
#include "dns/message.h"
#include "dns/tsig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static int build(struct dns_builder *builder, const struct dns_message *message)
{
    for (size_t i = 0; i < message->counts[DNS_SECTION_QUESTION]; i++) {
        const struct dns_question *question = &message->questions[i];
        int error = dns_builder_question(builder, question->name, question->type, question->class);
        if (error != BASE_OK)
            return error;
    }
    for (enum dns_section section = DNS_SECTION_ANSWER; section < DNS_SECTIONS; section++) {
        size_t count;
        const struct dns_record *record = dns_message_section(message, section, &count);
        for (size_t i = 0; i < count; i++, record++) {
            int error =
                dns_builder_record(builder, section, record->name, record->type, record->class,
                                   record->ttl, record->rdata, record->length);
            if (error != BASE_OK)
                return error;
        }
    }
    return message->edns.present ? dns_builder_edns(builder, &message->edns, message->rcode)
                                 : BASE_OK;
}

static void require_equal(const struct dns_message *a, const struct dns_message *b)
{
    REQUIRE(memcmp(a->counts, b->counts, sizeof(a->counts)) == 0);
    REQUIRE(a->rcode == b->rcode && a->edns.present == b->edns.present);
    size_t records = a->counts[1] + a->counts[2] + a->counts[3];
    for (size_t i = 0; i < records; i++) {
        const struct dns_record *x = &a->records[i], *y = &b->records[i];
        REQUIRE(x->type == y->type && x->class == y->class && x->ttl == y->ttl);
        REQUIRE(dns_name_equal(x->name, y->name));
        REQUIRE(x->length == y->length);
    }
    for (size_t i = 0; i < a->counts[0]; i++)
        REQUIRE(dns_name_equal(a->questions[i].name, b->questions[i].name));
    REQUIRE(a->edns.options_length == b->edns.options_length);
}

static void build_again(const struct dns_message *message, size_t limit, bool exact_case)
{
    uint8_t *wire = malloc(limit);
    REQUIRE(wire != NULL);
    struct dns_builder builder;
    dns_builder_init(&builder, wire, limit, 11, message->id, message->flags);
    builder.exact_case = exact_case;
    int error = build(&builder, message);
    size_t length = dns_builder_finish(&builder);
    REQUIRE(length <= limit);
    struct base_arena arena;
    base_arena_init(&arena, 0);
    struct dns_message again;
    REQUIRE(dns_message_parse(wire, length, &arena, &again) == BASE_OK);
    if (error == BASE_OK)
        require_equal(message, &again);
    base_arena_free(&arena);
    free(wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct base_arena arena;
    base_arena_init(&arena, 0);
    struct dns_message message;
    if (dns_message_parse(data, size, &arena, &message) == BASE_OK) {
        /* A record of length 0 and class ANY may be one that only an UPDATE can have. */
        build_again(&message, DNS_MESSAGE_MAX, false);
        build_again(&message, DNS_MESSAGE_MAX, true);
        build_again(&message, DNS_MESSAGE_HEADER + size / 2, false);
        size_t at = 0, length;
        uint16_t code;
        const uint8_t *option;
        while (dns_edns_next(&message.edns, &at, &code, &option, &length))
            REQUIRE(option + length <= data + size);
    }
    struct dns_tsig_record record;
    if (dns_tsig_find(data, size, &record) == BASE_OK) {
        REQUIRE(record.start < size && record.mac + record.mac_length <= data + size);
        REQUIRE(record.other + record.other_length <= data + size);
    }
    base_arena_free(&arena);
    return 0;
}
