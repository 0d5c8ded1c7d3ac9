/* The value of a name: see internal.h and docs/design/image.md. */
#include "image/internal.h"

#include <string.h>

#define RRSIG_HEAD 18 /* octets of rdata before the signer's name */

uint8_t image_occlusion_next(struct image_occlusion *occlusion, const struct zone *zone,
                             const struct zone_node *node)
{
    if (occlusion->name != NULL && dns_name_within(node->name, occlusion->name))
        return occlusion->depth;
    occlusion->name = NULL;
    if ((node->flags & (ZONE_CUT | ZONE_DNAME)) == 0)
        return 0;
    occlusion->name = node->name;
    occlusion->depth = (uint8_t)(dns_name_labels(node->name) - zone->apex_labels + 1);
    return occlusion->depth;
}

static uint16_t covered(const struct dns_rr *rrsig)
{
    return rrsig->length >= RRSIG_HEAD ? base_load_u16(rrsig->rdata) : 0;
}

static bool in_part(uint16_t type, enum image_part part)
{
    return (type == DNS_TYPE_NSEC3) == (part == IMAGE_PART_NSEC3);
}

/* The RRSIGs of a node. */
struct signatures {
    const struct dns_rr *const *rrs;
    unsigned count;
};

static struct signatures signatures_of(const struct zone *zone, const struct zone_node *node)
{
    const struct zone_rrset *rrset = zone_rrset(zone, node, DNS_TYPE_RRSIG);
    if (rrset == NULL)
        return (struct signatures){NULL, 0};
    return (struct signatures){&zone->rrs[rrset->first_rr], rrset->count};
}

static void put_record(struct base_buf *buf, const struct dns_rr *rr)
{
    uint8_t *room = base_buf_reserve(buf, IMAGE_RECORD_HEAD + (size_t)rr->length);
    if (room == NULL)
        return;
    base_store_u16(room, 0xC00C);
    base_store_u16(room + 2, rr->type);
    base_store_u16(room + 4, DNS_CLASS_IN);
    base_store_u32(room + 6, rr->ttl);
    base_store_u16(room + 10, rr->length);
    memcpy(room + IMAGE_RECORD_HEAD, rr->rdata, rr->length);
    buf->length += IMAGE_RECORD_HEAD + (size_t)rr->length;
}

struct row {
    uint16_t type;
    unsigned count;
    unsigned signatures;
    size_t offset;
    size_t length;
    size_t rrsigs_length;
};

static void put_row(struct base_buf *buf, size_t at, const struct row *row)
{
    if (buf->error != BASE_OK)
        return;
    uint8_t *out = buf->data + at;
    base_store_u16(out, row->type);
    base_store_u16(out + 2, (uint16_t)row->count);
    base_store_u16(out + 4, (uint16_t)row->signatures);
    base_store_u16(out + 6, 0);
    base_store_u32(out + 8, (uint32_t)row->offset);
    base_store_u32(out + 12, (uint32_t)row->length);
    base_store_u32(out + 16, (uint32_t)row->rrsigs_length);
}

/* Writes records and signatures of one type, and its row. */
static void put_rrset(struct base_buf *buf, size_t start, unsigned index, size_t rows,
                      const struct dns_rr *const *rrs, unsigned count, uint16_t type,
                      struct signatures signatures)
{
    struct row row = {.type = type, .count = count, .offset = buf->length - start};
    for (unsigned i = 0; i < count; i++)
        put_record(buf, rrs[i]);
    row.length = buf->length - start - row.offset;
    for (unsigned i = 0; i < signatures.count; i++) {
        if (covered(signatures.rrs[i]) == type) {
            put_record(buf, signatures.rrs[i]);
            row.signatures++;
        }
    }
    row.rrsigs_length = buf->length - start - row.offset - row.length;
    put_row(buf, rows + (size_t)index * IMAGE_ROW, &row);
}

/* Steps through the rows that a node comes to, ascending by type: its RRsets but for RRSIG, and
 * what has signatures only. Returns -1 at the end. */
static int next_type(const struct zone *zone, const struct zone_node *node,
                     struct signatures signatures, int after, enum image_part part,
                     const struct zone_rrset **rrset)
{
    int best = -1;
    *rrset = NULL;
    for (unsigned i = 0; i < node->rrset_count; i++) {
        const struct zone_rrset *candidate = &zone->rrsets[node->first_rrset + i];
        if ((int)candidate->type > after && candidate->type != DNS_TYPE_RRSIG &&
            in_part(candidate->type, part)) {
            best = candidate->type;
            *rrset = candidate;
            break;
        }
    }
    for (unsigned i = 0; i < signatures.count; i++) {
        int type = covered(signatures.rrs[i]);
        if (type > after && in_part((uint16_t)type, part) && (best < 0 || type < best)) {
            best = type;
            *rrset = NULL;
        }
    }
    return best;
}

bool image_value_wanted(const struct zone *zone, const struct zone_node *node, enum image_part part)
{
    const struct zone_rrset *rrset;
    if (part == IMAGE_PART_DATA && (node->flags & ZONE_APEX) != 0)
        return true;
    return next_type(zone, node, signatures_of(zone, node), -1, part, &rrset) >= 0;
}

static unsigned count_rows(const struct zone *zone, const struct zone_node *node,
                           struct signatures signatures, enum image_part part)
{
    const struct zone_rrset *rrset;
    unsigned count = 0;
    for (int type = -1; (type = next_type(zone, node, signatures, type, part, &rrset)) >= 0;)
        count++;
    return count;
}

void image_value_encode(struct base_buf *buf, const struct zone *zone, const struct zone_node *node,
                        uint8_t occluder, enum image_part part)
{
    struct signatures signatures = signatures_of(zone, node);
    unsigned count = count_rows(zone, node, signatures, part);
    size_t start = buf->length;
    size_t labels = dns_name_length(node->name) - dns_name_length(zone->apex);
    uint8_t *head = base_buf_reserve(buf, IMAGE_VALUE_HEAD + labels + (size_t)count * IMAGE_ROW);
    if (head == NULL)
        return;
    head[0] = IMAGE_LAYOUT;
    head[1] = occluder;
    base_store_u16(head + 2, node->flags);
    base_store_u16(head + 4, (uint16_t)count);
    head[6] = (uint8_t)labels;
    memcpy(head + IMAGE_VALUE_HEAD, node->name, labels);
    size_t rows = start + IMAGE_VALUE_HEAD + labels;
    buf->length += IMAGE_VALUE_HEAD + labels + (size_t)count * IMAGE_ROW;
    const struct zone_rrset *rrset;
    unsigned index = 0;
    for (int type = -1; (type = next_type(zone, node, signatures, type, part, &rrset)) >= 0;)
        put_rrset(buf, start, index++, rows, rrset ? &zone->rrs[rrset->first_rr] : NULL,
                  rrset ? rrset->count : 0, (uint16_t)type, signatures);
}

/* Are these the labels of a relative name that ends where the octets end? */
static bool labels_whole(const uint8_t *labels, size_t length)
{
    size_t at = 0;
    while (at < length) {
        if (labels[at] == 0 || labels[at] > DNS_LABEL_MAX)
            return false;
        at += 1u + labels[at];
    }
    return at == length;
}

int image_value_decode(const MDB_val *value, struct image_name *name)
{
    const uint8_t *data = value->mv_data;
    size_t size = value->mv_size;
    if (size < IMAGE_VALUE_HEAD || size > UINT32_MAX || data[0] != IMAGE_LAYOUT)
        return BASE_EFORMAT;
    name->value = data;
    name->length = (uint32_t)size;
    name->occluder = data[1];
    name->flags = base_load_u16(data + 2);
    name->rrset_count = base_load_u16(data + 4);
    name->labels_length = data[6];
    name->labels = data + IMAGE_VALUE_HEAD;
    name->directory = name->labels + name->labels_length;
    if (IMAGE_VALUE_HEAD + (size_t)name->labels_length + (size_t)name->rrset_count * IMAGE_ROW >
            size ||
        !labels_whole(name->labels, name->labels_length))
        return BASE_EFORMAT;
    return BASE_OK;
}

/* Exactly `count` records fill the octets. */
static bool records_whole(const uint8_t *data, uint32_t length, unsigned count)
{
    uint32_t at = 0;
    for (unsigned i = 0; i < count; i++) {
        if (length - at < IMAGE_RECORD_HEAD)
            return false;
        uint32_t size = IMAGE_RECORD_HEAD + (uint32_t)image_record_length(data + at);
        if (size > length - at)
            return false;
        at += size;
    }
    return at == length;
}

int image_rrset_at(const struct image_name *name, unsigned index, struct image_rrset *rrset)
{
    const uint8_t *row = name->directory + (size_t)index * IMAGE_ROW;
    uint32_t offset = base_load_u32(row + 8);
    rrset->type = base_load_u16(row);
    rrset->count = base_load_u16(row + 2);
    rrset->signatures = base_load_u16(row + 4);
    rrset->length = base_load_u32(row + 12);
    rrset->rrsigs_length = base_load_u32(row + 16);
    if (offset > name->length || rrset->length > name->length - offset ||
        rrset->rrsigs_length > name->length - offset - rrset->length)
        return BASE_EFORMAT;
    rrset->records = name->value + offset;
    rrset->rrsigs = rrset->records + rrset->length;
    if (!records_whole(rrset->records, rrset->length, rrset->count) ||
        !records_whole(rrset->rrsigs, rrset->rrsigs_length, rrset->signatures))
        return BASE_EFORMAT;
    return BASE_OK;
}

int image_rrset(const struct image_name *name, uint16_t type, struct image_rrset *rrset)
{
    const uint8_t *row = name->directory;
    for (unsigned i = 0; i < name->rrset_count; i++, row += IMAGE_ROW) {
        if (base_load_u16(row) == type)
            return base_load_u16(row + 2) > 0 ? image_rrset_at(name, i, rrset) : BASE_ENOENT;
    }
    return BASE_ENOENT;
}
