/* Replies: parsing, and gathering of records into RRsets with their signatures. */
#include "validate/message.h"

#include "base/error.h"
#include "base/reader.h"

#include <string.h>

/* A table of groups by owner, type and section: open addressing, a power of two of slots. */
struct gathering {
    struct validate_message *message;
    uint32_t *slots; /* index of a group + 1; 0: free */
    size_t mask;
};

static uint16_t covered_type(const struct dns_record *record)
{
    return record->type == DNS_TYPE_RRSIG ? base_load_u16(record->rdata) : record->type;
}

static struct validate_group *group_of(struct gathering *gathering, const struct dns_record *record,
                                       enum dns_section section)
{
    struct validate_message *message = gathering->message;
    uint16_t type = covered_type(record);
    size_t slot = dns_name_hash(record->name) * 31u + type * 7u + section;
    for (slot &= gathering->mask; gathering->slots[slot] != 0;
         slot = (slot + 1) & gathering->mask) {
        struct validate_group *group = &message->groups[gathering->slots[slot] - 1];
        if (group->type == type && group->section == section &&
            dns_name_equal(group->name, record->name))
            return group;
    }
    struct validate_group *group = &message->groups[message->group_count++];
    *group = (struct validate_group){.name = record->name, .type = type, .section = section};
    gathering->slots[slot] = (uint32_t)message->group_count;
    return group;
}

static bool is_data(const struct dns_record *record)
{
    return record->class == DNS_CLASS_IN;
}

/* Calls of `each` for all records that count, with their section. */
static void each_record(struct gathering *gathering,
                        void (*each)(struct validate_group *group, const struct dns_record *record))
{
    for (enum dns_section section = DNS_SECTION_ANSWER; section < DNS_SECTIONS; section++) {
        size_t count;
        const struct dns_record *record =
            dns_message_section(&gathering->message->dns, section, &count);
        for (size_t i = 0; i < count; i++, record++) {
            if (is_data(record))
                each(group_of(gathering, record, section), record);
        }
    }
}

static void count_record(struct validate_group *group, const struct dns_record *record)
{
    if (record->type == DNS_TYPE_RRSIG)
        group->signature_count++;
    else
        group->count++;
}

static void place_record(struct validate_group *group, const struct dns_record *record)
{
    if (record->type == DNS_TYPE_RRSIG) {
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): as many as counted */
        group->signatures[group->signature_count++] = record;
        return;
    }
    uint32_t ttl = record->ttl > DNS_TTL_MAX ? 0 : record->ttl; /* RFC 2181 section 8 */
    if (group->count == 0 || ttl < group->ttl)
        group->ttl = ttl;
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): as many as counted */
    group->records[group->count++] = record;
}

/* Cuts the arrays of all groups out of one. */
static void share_out(struct validate_message *message, const struct dns_record **places)
{
    for (size_t i = 0; i < message->group_count; i++) {
        struct validate_group *group = &message->groups[i];
        group->records = places;
        group->signatures = places + group->count;
        places += group->count + group->signature_count;
        group->count = group->signature_count = 0;
    }
}

static int gather(struct validate_message *message, struct base_arena *arena)
{
    size_t records = message->dns.counts[DNS_SECTION_ANSWER] +
                     message->dns.counts[DNS_SECTION_AUTHORITY] +
                     message->dns.counts[DNS_SECTION_ADDITIONAL];
    size_t size = 8;
    while (size < 2 * records)
        size *= 2;
    struct gathering gathering = {.message = message, .mask = size - 1};
    gathering.slots = base_arena_zalloc(arena, size * sizeof(*gathering.slots));
    message->groups = base_arena_alloc(arena, records * sizeof(*message->groups));
    const struct dns_record **places = base_arena_alloc(arena, records * sizeof(void *));
    if (gathering.slots == NULL || message->groups == NULL || places == NULL)
        return BASE_ENOMEM;
    each_record(&gathering, count_record);
    share_out(message, places);
    each_record(&gathering, place_record);
    return BASE_OK;
}

/* The first extended error that the sender gives. */
static int read_errors(struct validate_message *message, struct base_arena *arena)
{
    size_t at = 0, length;
    uint16_t code;
    const uint8_t *data;
    message->ede = -1;
    while (message->dns.edns.present &&
           dns_edns_next(&message->dns.edns, &at, &code, &data, &length)) {
        if (code != DNS_OPTION_ERROR || length < 2)
            continue;
        char *text = base_arena_strndup(arena, (const char *)data + 2, length - 2);
        if (text == NULL)
            return BASE_ENOMEM;
        for (size_t i = 0; text[i] != '\0'; i++) {
            if (text[i] < ' ' || text[i] > '~')
                text[i] = '?';
        }
        message->ede = base_load_u16(data);
        message->ede_text = text[0] != '\0' ? text : NULL;
        break;
    }
    return BASE_OK;
}

int validate_message_read(const uint8_t *wire, size_t length, struct base_arena *arena,
                          struct validate_message *out)
{
    struct validate_message message = {0};
    int error = dns_message_parse(wire, length, arena, &message.dns);
    if (error == BASE_OK)
        error = read_errors(&message, arena);
    if (error == BASE_OK)
        error = gather(&message, arena);
    if (error == BASE_OK)
        *out = message;
    return error;
}

const char *validate_message_unfit(const struct validate_message *message, const uint8_t *name,
                                   uint16_t type)
{
    const struct dns_message *dns = &message->dns;
    if (!(dns->flags & DNS_FLAG_QR))
        return "it is a query, not a response";
    if (DNS_OPCODE(dns->flags) != DNS_OPCODE_QUERY)
        return "it is no response to a query";
    if (dns->counts[DNS_SECTION_QUESTION] != 1)
        return "it does not repeat the question";
    const struct dns_question *question = &dns->questions[0];
    if (question->type != type || question->class != DNS_CLASS_IN ||
        !dns_name_equal(question->name, name))
        return "it answers another question";
    return NULL;
}

struct validate_group *validate_message_find(const struct validate_message *message,
                                             enum dns_section section, const uint8_t *name,
                                             uint16_t type)
{
    for (size_t i = 0; i < message->group_count; i++) {
        struct validate_group *group = &message->groups[i];
        if (group->type == type && group->section == section && dns_name_equal(group->name, name))
            return group;
    }
    return NULL;
}
