/* Messages of transfers: see message.h. */
#include "front/message.h"

#include "base/reader.h"

#include <string.h>

#define POINTER_MAX 0x3FFF

static size_t put_pointer(uint8_t *out, size_t place)
{
    base_store_u16(out, (uint16_t)(0xC000u | place));
    return 2;
}

void front_message_begin(struct front_message *message, const struct front_head *head,
                         uint8_t *wire)
{
    *message = (struct front_message){.wire = wire};
    memset(wire, 0, DNS_MESSAGE_HEADER);
    base_store_u16(wire, head->id);
    base_store_u16(wire + 2, head->flags);
    base_store_u16(wire + 4, 1);
    memcpy(wire + DNS_MESSAGE_HEADER, head->question, head->question_length);
    message->length = DNS_MESSAGE_HEADER + head->question_length;
    /* The client's case is not the zone's: owners keep theirs (RFC 5936 section 3.4). */
    if (memcmp(head->question, head->apex, head->apex_length) == 0)
        message->apex = DNS_MESSAGE_HEADER;
}

static bool same_owner(const struct front_message *message, const struct front_record *record)
{
    return message->owner != 0 && !record->whole &&
           message->owner_labels == record->labels_length &&
           memcmp(message->wire + message->owner, record->labels, record->labels_length) == 0;
}

/* Writes the owner of the record; returns its octets. There is room for the longest. */
static size_t put_owner(struct front_message *message, const struct front_head *head,
                        const struct front_record *record)
{
    uint8_t *out = message->wire + message->length;
    size_t length = record->labels_length;
    if (length == 0 && !record->whole && message->apex != 0)
        return put_pointer(out, message->apex);
    if (length > 0 && same_owner(message, record))
        return put_pointer(out, message->owner);
    memcpy(out, record->labels, length);
    message->owner = 0;
    if (record->whole)
        return length;
    bool reachable = message->length + length <= POINTER_MAX;
    if (message->apex != 0) {
        length += put_pointer(out + length, message->apex);
    } else {
        if (reachable)
            message->apex = message->length + length;
        memcpy(out + length, head->apex, head->apex_length);
        length += head->apex_length;
    }
    if (reachable && record->labels_length > 0) {
        message->owner = message->length;
        message->owner_labels = record->labels_length;
    }
    return length;
}

bool front_message_put(struct front_message *message, const struct front_head *head,
                       const struct front_record *record, size_t limit)
{
    size_t owner = record->labels_length + (record->whole ? 0 : head->apex_length);
    if (owner > DNS_NAME_MAX || message->length + owner + record->body_length > limit ||
        message->count == UINT16_MAX)
        return false;
    message->length += put_owner(message, head, record);
    memcpy(message->wire + message->length, record->body, record->body_length);
    message->length += record->body_length;
    message->count++;
    return true;
}

void front_message_end(struct front_message *message, const struct front_head *head, bool opt)
{
    base_store_u16(message->wire + 6, (uint16_t)message->count);
    if (!opt || head->opt_length == 0)
        return;
    memcpy(message->wire + message->length, head->opt, head->opt_length);
    message->length += head->opt_length;
    base_store_u16(message->wire + 10, 1);
}
