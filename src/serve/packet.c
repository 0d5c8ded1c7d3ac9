/*
 * Writing a response: RRsets are copied as they lie in the image, with owners put in and, for the
 * types of RFC 1035, the names in their rdata compressed. See internal.h.
 */
#include "serve/internal.h"

#include "base/copy.h"

#define POINTER_MAX 0x3fff /* the farthest place that a pointer can name */

/* --- names --- */

static bool same_label(const uint8_t *a, const uint8_t *b)
{
    if (a[0] != b[0])
        return false;
    for (unsigned i = 1; i <= a[0]; i++) {
        if (dns_lower[a[i]] != dns_lower[b[i]])
            return false;
    }
    return true;
}

/* The labels of a name, from the top; their number. */
static unsigned label_starts(const uint8_t *name, uint8_t starts[DNS_LABELS_MAX])
{
    uint8_t forward[DNS_LABELS_MAX];
    unsigned count = 0;
    for (const uint8_t *at = name; *at != 0; at += 1u + *at)
        forward[count++] = (uint8_t)(at - name);
    for (unsigned i = 0; i < count; i++)
        starts[i] = forward[count - 1 - i];
    return count;
}

/* Notes the first name, which is the question's. */
static void note_question(struct serve_packet *packet, const uint8_t *name)
{
    uint8_t starts[DNS_LABELS_MAX];
    unsigned count = label_starts(name, starts);
    packet->names[0].labels = (uint8_t)count;
    for (unsigned i = 0; i < count; i++)
        packet->names[0].places[i] = (uint16_t)(DNS_MESSAGE_HEADER + starts[i]);
    packet->name_count = 1;
}

/* Looks for the noted name with which most labels are shared. */
static unsigned best_shared(const struct serve_packet *packet, const uint8_t *name,
                            const uint8_t starts[], unsigned count, unsigned *index)
{
    unsigned best = 0;
    for (unsigned i = 0; i < packet->name_count; i++) {
        unsigned most = packet->names[i].labels < count ? packet->names[i].labels : count;
        unsigned shared = 0;
        while (shared < most &&
               same_label(packet->wire + packet->names[i].places[shared], name + starts[shared]))
            shared++;
        if (shared > best) {
            best = shared;
            *index = i;
        }
    }
    return best;
}

/* Notes a name of which the topmost `shared` labels stand where another one has them. */
static void note_name(struct serve_packet *packet, const uint8_t starts[], unsigned count,
                      unsigned shared, unsigned index, size_t at)
{
    if (packet->name_count == SERVE_NAMES || at > POINTER_MAX - DNS_NAME_MAX || shared == count)
        return;
    unsigned new = packet->name_count++;
    memcpy(packet->names[new].places, packet->names[index].places,
           shared * sizeof(packet->names[new].places[0]));
    for (unsigned i = shared; i < count; i++)
        packet->names[new].places[i] = (uint16_t)(at + starts[i]);
    packet->names[new].labels = (uint8_t)count;
}

/* Writes a name, compressed; *place is where a pointer to all of it leads. False: full. */
static bool put_name(struct serve_packet *packet, const uint8_t *name, uint16_t *place)
{
    uint8_t starts[DNS_LABELS_MAX];
    unsigned count = label_starts(name, starts), index = 0;
    unsigned shared = best_shared(packet, name, starts, count, &index);
    size_t own = shared == 0      ? dns_name_length(name)
                 : shared < count ? (size_t)starts[shared - 1]
                                  : 0;
    size_t need = own + (shared > 0 ? 2 : 0);
    if (need > packet->limit - packet->length)
        return false;
    size_t at = packet->length;
    memcpy(packet->wire + at, name, own);
    if (shared > 0) {
        uint16_t target = packet->names[index].places[shared - 1];
        base_store_u16(packet->wire + at + own, 0xC000 | target);
        *place = shared == count ? target : (uint16_t)(at > POINTER_MAX ? 0 : at);
    } else {
        *place = (uint16_t)(at > POINTER_MAX ? 0 : at);
    }
    packet->length = at + need;
    note_name(packet, starts, count, shared, index, at);
    return true;
}

/* Writes an owner: a pointer if it stands in the packet already. */
static bool put_owner(struct serve_packet *packet, struct serve_owner *owner)
{
    if (owner->pointer == 0)
        return put_name(packet, owner->name, &owner->pointer);
    if (packet->limit - packet->length < 2)
        return false;
    base_store_u16(packet->wire + packet->length, 0xC000 | owner->pointer);
    packet->length += 2;
    return true;
}

void serve_packet_init(struct serve_packet *packet, uint8_t *wire, size_t limit,
                       const struct serve_query *query)
{
    packet->wire = wire;
    packet->length = DNS_MESSAGE_HEADER;
    packet->limit = limit;
    packet->name_count = 0;
    memset(packet->counts, 0, sizeof(packet->counts));
    if (query->name == NULL)
        return;
    size_t length = query->name_length + 4;
    base_copy_short(wire + DNS_MESSAGE_HEADER, query->name, length);
    packet->length += length;
    packet->counts[DNS_SECTION_QUESTION] = 1;
    note_question(packet, query->name);
}

/* --- records --- */

/* Where the names of rdata begin that may be compressed, and how many there are; 0: none. */
static unsigned packed_names(uint16_t type, size_t *at)
{
    *at = type == DNS_TYPE_MX ? 2 : 0;
    switch (type) {
    case DNS_TYPE_SOA:
        return 2;
    case DNS_TYPE_NS:
    case DNS_TYPE_CNAME:
    case DNS_TYPE_PTR:
    case DNS_TYPE_MX:
        return 1;
    default:
        return 0;
    }
}

static bool put_octets(struct serve_packet *packet, const uint8_t *octets, size_t length)
{
    if (length > packet->limit - packet->length)
        return false;
    base_copy_short(packet->wire + packet->length, octets, length);
    packet->length += length;
    return true;
}

/* The rdata of a record with its names compressed. The image's octets are not trusted. */
static bool put_packed(struct serve_packet *packet, const uint8_t *rdata, size_t length,
                       unsigned names, size_t at)
{
    if (at > length)
        return put_octets(packet, rdata, length);
    if (!put_octets(packet, rdata, at))
        return false;
    for (unsigned i = 0; i < names; i++) {
        size_t used;
        uint16_t place;
        if (dns_name_check(rdata + at, length - at, &used) != BASE_OK)
            break;
        if (!put_name(packet, rdata + at, &place))
            return false;
        at += used;
    }
    return put_octets(packet, rdata + at, length - at);
}

/* One record with compressible rdata. */
static bool put_record(struct serve_packet *packet, struct serve_owner *owner,
                       const uint8_t *record, unsigned names, size_t at)
{
    if (!put_owner(packet, owner) || !put_octets(packet, record + 2, IMAGE_RECORD_HEAD - 2))
        return false;
    size_t start = packet->length;
    if (!put_packed(packet, record + IMAGE_RECORD_HEAD, image_record_length(record), names, at))
        return false;
    base_store_u16(packet->wire + start - 2, (uint16_t)(packet->length - start));
    return true;
}

/* Records that are copied in one piece, as they lie. */
static bool put_block(struct serve_packet *packet, struct serve_owner *owner, const uint8_t *data,
                      size_t length, unsigned count)
{
    if (count == 0)
        return true;
    size_t start = packet->length;
    if (!put_owner(packet, owner) || length - 2 > packet->limit - packet->length)
        return false;
    base_copy_short(packet->wire + packet->length, data + 2, length - 2);
    size_t at = packet->length - 2; /* where the first record would begin with a pointer */
    packet->length += length - 2;
    if (owner->pointer == DNS_MESSAGE_HEADER || count == 1)
        return true;
    if (owner->pointer == 0) { /* too far away for a pointer: written out each time */
        packet->length = start;
        for (unsigned i = 0; i < count;
             i++, data += IMAGE_RECORD_HEAD + image_record_length(data)) {
            if (!put_record(packet, owner, data, 0, 0))
                return false;
        }
        return true;
    }
    for (unsigned i = 1; i < count; i++) {
        at += IMAGE_RECORD_HEAD + (size_t)image_record_length(packet->wire + at);
        base_store_u16(packet->wire + at, 0xC000 | owner->pointer);
    }
    return true;
}

static bool put_records(struct serve_packet *packet, struct serve_owner *owner,
                        const struct image_rrset *rrset)
{
    size_t at;
    unsigned names = packed_names(rrset->type, &at);
    if (names == 0)
        return put_block(packet, owner, rrset->records, rrset->length, rrset->count);
    const uint8_t *record = rrset->records;
    for (unsigned i = 0; i < rrset->count; i++) {
        if (!put_record(packet, owner, record, names, at))
            return false;
        record += IMAGE_RECORD_HEAD + image_record_length(record);
    }
    return true;
}

/* Steps over an owner that we have written. */
static size_t skip_owner(const uint8_t *wire, size_t at)
{
    while (wire[at] != 0 && wire[at] < 0xC0)
        at += 1u + wire[at];
    return at + (wire[at] == 0 ? 1 : 2);
}

static void cap_ttls(struct serve_packet *packet, size_t at, uint32_t most)
{
    while (at < packet->length) {
        at = skip_owner(packet->wire, at);
        if (base_load_u32(packet->wire + at + 4) > most)
            base_store_u32(packet->wire + at + 4, most);
        at += 10u + base_load_u16(packet->wire + at + 8);
    }
}

int serve_packet_rrset(struct serve_packet *packet, enum dns_section section,
                       struct serve_owner *owner, const struct image_rrset *rrset, bool records,
                       bool rrsigs, uint32_t ttl_most)
{
    size_t start = packet->length;
    unsigned names = packet->name_count;
    uint16_t pointer = owner->pointer;
    unsigned count = (records ? rrset->count : 0u) + (rrsigs ? rrset->signatures : 0u);
    if ((records && !put_records(packet, owner, rrset)) ||
        (rrsigs &&
         !put_block(packet, owner, rrset->rrsigs, rrset->rrsigs_length, rrset->signatures)) ||
        count > UINT16_MAX - (unsigned)packet->counts[section]) {
        packet->length = start;
        packet->name_count = names;
        owner->pointer = pointer;
        return BASE_ESPACE;
    }
    packet->counts[section] = (uint16_t)(packet->counts[section] + count);
    if (ttl_most != SERVE_TTL_KEEP)
        cap_ttls(packet, start, ttl_most);
    return BASE_OK;
}

int serve_packet_alias(struct serve_packet *packet, struct serve_owner *owner, uint32_t ttl,
                       const uint8_t *target, uint16_t *place)
{
    size_t start = packet->length;
    unsigned names = packet->name_count;
    uint16_t pointer = owner->pointer;
    uint8_t head[10];
    base_store_u16(head, DNS_TYPE_CNAME);
    base_store_u16(head + 2, DNS_CLASS_IN);
    base_store_u32(head + 4, ttl);
    base_store_u16(head + 8, 0);
    bool done = put_owner(packet, owner) && put_octets(packet, head, sizeof(head));
    size_t rdata = packet->length;
    if (!done || !put_name(packet, target, place)) {
        packet->length = start;
        packet->name_count = names;
        owner->pointer = pointer;
        return BASE_ESPACE;
    }
    base_store_u16(packet->wire + rdata - 2, (uint16_t)(packet->length - rdata));
    packet->counts[DNS_SECTION_ANSWER]++;
    return BASE_OK;
}
