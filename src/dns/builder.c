/* Building DNS messages, with compression of names: see message.h. */
#include "dns/message.h"

#include "base/error.h"
#include "dns/rdata_table.h"

#include <string.h>

/* Pointers reach only this far (RFC 1035 section 4.1.4). */
#define POINTER_MAX 0x3fff

/* Slots that are tried for a name; then the first is overwritten. */
#define PROBES 4

void dns_builder_init(struct dns_builder *builder, uint8_t *wire, size_t limit, size_t reserve,
                      uint16_t id, uint16_t flags)
{
    memset(builder, 0, sizeof(*builder));
    builder->wire = wire;
    builder->limit = limit < DNS_MESSAGE_MAX ? limit : DNS_MESSAGE_MAX;
    size_t room = builder->limit - DNS_MESSAGE_HEADER;
    builder->reserved = reserve < room ? reserve : room;
    builder->length = DNS_MESSAGE_HEADER;
    builder->flags = flags;
    base_store_u16(wire, id);
}

static int append(struct dns_builder *builder, const void *octets, size_t length)
{
    if (length > builder->limit - builder->reserved - builder->length)
        return BASE_ESPACE;
    if (length > 0)
        memcpy(builder->wire + builder->length, octets, length);
    builder->length += length;
    return BASE_OK;
}

/* Takes back what was appended since the message had `length` octets, and the names in it. */
static void roll_back(struct dns_builder *builder, size_t length)
{
    builder->length = length;
    for (unsigned i = 0; i < DNS_BUILDER_SLOTS; i++) {
        if (builder->slots[i] >= length)
            builder->slots[i] = 0;
    }
}

static bool same_label(const struct dns_builder *builder, const uint8_t *a, const uint8_t *b)
{
    if (*a != *b)
        return false;
    if (builder->exact_case)
        return memcmp(a, b, *a + 1u) == 0;
    for (unsigned i = 1; i <= *a; i++) {
        if (dns_lower[a[i]] != dns_lower[b[i]])
            return false;
    }
    return true;
}

/* True when `name` stands at `at` in the message. */
static bool name_at(const struct dns_builder *builder, size_t at, const uint8_t *name)
{
    unsigned pointers = 0;
    while (at < builder->length) {
        const uint8_t *label = builder->wire + at;
        if (*label >= 0xc0) {
            if (builder->length - at < 2 || ++pointers > DNS_NAME_POINTERS_MAX)
                return false;
            size_t target = base_load_u16(label) & POINTER_MAX;
            if (target >= at)
                return false;
            at = target;
            continue;
        }
        if (*label > DNS_LABEL_MAX || *label >= builder->length - at ||
            !same_label(builder, label, name))
            return false;
        if (*label == 0)
            return true;
        at += *label + 1u;
        name += *name + 1;
    }
    return false;
}

/* The place of `name` in the message, 0 when it is not there (the header has no names). */
static size_t find_name(const struct dns_builder *builder, const uint8_t *name, uint32_t hash)
{
    for (unsigned probe = 0; probe < PROBES; probe++) {
        size_t at = builder->slots[(hash + probe) % DNS_BUILDER_SLOTS];
        if (at == 0)
            return 0;
        if (name_at(builder, at, name))
            return at;
    }
    return 0;
}

static void remember_name(struct dns_builder *builder, size_t at, uint32_t hash)
{
    if (at > POINTER_MAX)
        return;
    unsigned probe = 0;
    while (probe < PROBES && builder->slots[(hash + probe) % DNS_BUILDER_SLOTS] != 0)
        probe++;
    builder->slots[(hash + probe % PROBES) % DNS_BUILDER_SLOTS] = (uint16_t)at;
}

/* Appends a name: its first labels as they are, the rest as a pointer to where it stands already.
 */
static int append_name(struct dns_builder *builder, const uint8_t *name, bool compress)
{
    const uint8_t *rest = name;
    size_t target = 0;
    uint32_t hashes[DNS_LABELS_MAX];
    unsigned labels = 0;
    for (; *rest != 0 && labels < DNS_LABELS_MAX; rest += *rest + 1) {
        uint32_t hash = dns_name_hash(rest);
        if (compress && (target = find_name(builder, rest, hash)) != 0)
            break;
        hashes[labels++] = hash;
    }
    size_t start = builder->length;
    int error = append(builder, name, (size_t)(rest - name));
    uint8_t end[2] = {0};
    if (target != 0)
        base_store_u16(end, 0xc000u | (unsigned)target);
    if (error == BASE_OK)
        error = append(builder, end, target != 0 ? 2 : 1);
    if (error != BASE_OK) {
        builder->length = start;
        return error;
    }
    for (unsigned i = 0; i < labels; i++) {
        remember_name(builder, start, hashes[i]);
        start += builder->wire[start] + 1u;
    }
    return BASE_OK;
}

static int enter_section(const struct dns_builder *builder, enum dns_section section)
{
    for (enum dns_section later = section + 1; later < DNS_SECTIONS; later++) {
        if (builder->counts[later] != 0)
            return BASE_EINVAL;
    }
    return builder->counts[section] == UINT16_MAX ? BASE_ESPACE : BASE_OK;
}

int dns_builder_question(struct dns_builder *builder, const uint8_t *name, uint16_t type,
                         uint16_t class)
{
    int error = enter_section(builder, DNS_SECTION_QUESTION);
    if (error != BASE_OK)
        return error;
    size_t start = builder->length;
    uint8_t fixed[4];
    base_store_u16(fixed, type);
    base_store_u16(fixed + 2, class);
    error = append_name(builder, name, true);
    if (error == BASE_OK)
        error = append(builder, fixed, sizeof(fixed));
    if (error != BASE_OK) {
        roll_back(builder, start);
        return error;
    }
    builder->counts[DNS_SECTION_QUESTION]++;
    return BASE_OK;
}

static int append_rdata(struct dns_builder *builder, uint16_t type, const uint8_t *rdata,
                        size_t length)
{
    /* An UPDATE has records without rdata of every type (RFC 2136 section 2.4). */
    if (length == 0 || (dns_rrtype_find(type)->flags & DNS_RRTYPE_PACK) == 0)
        return append(builder, rdata, length);
    size_t done = 0, at = 0;
    const uint8_t *name;
    int error = BASE_OK;
    while (error == BASE_OK && (name = dns_rdata_next_name(type, rdata, length, &at)) != NULL) {
        error = append(builder, rdata + done, (size_t)(name - rdata) - done);
        if (error == BASE_OK)
            error = append_name(builder, name, true);
        done = (size_t)(name - rdata) + dns_name_length(name);
    }
    return error != BASE_OK ? error : append(builder, rdata + done, length - done);
}

int dns_builder_record(struct dns_builder *builder, enum dns_section section, const uint8_t *owner,
                       uint16_t type, uint16_t class, uint32_t ttl, const uint8_t *rdata,
                       size_t length)
{
    int error = enter_section(builder, section);
    if (error != BASE_OK)
        return error;
    size_t start = builder->length;
    uint8_t fixed[10] = {0};
    base_store_u16(fixed, type);
    base_store_u16(fixed + 2, class);
    base_store_u32(fixed + 4, ttl);
    error = append_name(builder, owner, true);
    if (error == BASE_OK)
        error = append(builder, fixed, sizeof(fixed));
    size_t begin = builder->length;
    if (error == BASE_OK)
        error = append_rdata(builder, type, rdata, length);
    if (error != BASE_OK) {
        roll_back(builder, start);
        return error;
    }
    base_store_u16(builder->wire + begin - 2, (uint16_t)(builder->length - begin));
    builder->counts[section]++;
    return BASE_OK;
}

int dns_builder_rrset(struct dns_builder *builder, enum dns_section section, const uint8_t *owner,
                      const struct dns_rr *const *records, size_t count, bool required)
{
    size_t start = builder->length;
    uint16_t before = builder->counts[section];
    for (size_t i = 0; i < count; i++) {
        const struct dns_rr *rr = records[i];
        int error = dns_builder_record(builder, section, owner, rr->type, DNS_CLASS_IN, rr->ttl,
                                       rr->rdata, rr->length);
        if (error == BASE_OK)
            continue;
        roll_back(builder, start);
        builder->counts[section] = before;
        if (error == BASE_ESPACE && required)
            builder->flags |= DNS_FLAG_TC;
        return error;
    }
    return BASE_OK;
}

int dns_builder_edns(struct dns_builder *builder, const struct dns_edns *edns, uint16_t rcode)
{
    size_t need = 1 + 10 + edns->options_length;
    if (need > builder->limit - builder->length)
        return BASE_ESPACE;
    size_t reserved = builder->reserved;
    builder->reserved = reserved > need ? reserved - need : 0;
    uint32_t ttl =
        (uint32_t)(rcode >> 4 & 0xff) << 24 | (uint32_t)edns->version << 16 | edns->flags;
    int error =
        dns_builder_record(builder, DNS_SECTION_ADDITIONAL, (const uint8_t *)"", DNS_TYPE_OPT,
                           edns->payload, ttl, edns->options, edns->options_length);
    if (error != BASE_OK) {
        builder->reserved = reserved;
        return error;
    }
    builder->flags = (uint16_t)((builder->flags & ~15u) | (rcode & 15u));
    return BASE_OK;
}

size_t dns_builder_finish(struct dns_builder *builder)
{
    base_store_u16(builder->wire + 2, builder->flags);
    for (unsigned i = 0; i < DNS_SECTIONS; i++)
        base_store_u16(builder->wire + 4 + 2 * i, builder->counts[i]);
    return builder->length;
}
