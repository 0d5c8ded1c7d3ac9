/* Trust anchors in memory: kept in canonical order of their names, looked up by bisection. */
#include "base/error.h"
#include "base/reader.h"
#include "crypto/crypto.h"
#include "validate/anchors_parts.h"

#include <stdlib.h>
#include <string.h>

struct validate_anchors {
    struct validate_anchor *list; /* by name */
    size_t count;
    struct validate_negative_anchor *negatives; /* by name */
    size_t negative_count;
};

/* The two keys of the root that are in use or about to be: IANA's root-anchors.xml. */
static const uint8_t root_ds[][36] = {
    {0x4f, 0x66, 8,    2,    0xe0, 0x6d, 0x44, 0xb8, 0x0b, 0x8f, 0x1d, 0x39,
     0xa9, 0x5c, 0x0b, 0x0d, 0x7c, 0x65, 0xd0, 0x84, 0x58, 0xe8, 0x80, 0x40,
     0x9b, 0xbc, 0x68, 0x34, 0x57, 0x10, 0x42, 0x37, 0xc7, 0xf8, 0xec, 0x8d},
    {0x97, 0x28, 8,    2,    0x68, 0x3d, 0x2d, 0x0a, 0xcb, 0x8c, 0x9b, 0x71,
     0x2a, 0x19, 0x48, 0xb2, 0x7f, 0x74, 0x12, 0x19, 0x29, 0x8d, 0x0a, 0x45,
     0x0d, 0x61, 0x2c, 0x48, 0x3a, 0xf4, 0x44, 0xa4, 0xc0, 0xfb, 0x2b, 0x16},
};

int validate_anchors_new(struct validate_anchors **out)
{
    struct validate_anchors *anchors = calloc(1, sizeof(*anchors));
    if (anchors == NULL)
        return BASE_ENOMEM;
    *out = anchors;
    return BASE_OK;
}

static void free_anchor(struct validate_anchor *anchor)
{
    for (size_t i = 0; i < anchor->count; i++)
        free((void *)anchor->records[i].rdata);
    free((void *)anchor->records);
    free((void *)anchor->name);
}

void validate_anchors_free(struct validate_anchors *anchors)
{
    if (anchors == NULL)
        return;
    for (size_t i = 0; i < anchors->count; i++)
        free_anchor(&anchors->list[i]);
    for (size_t i = 0; i < anchors->negative_count; i++) {
        free((void *)anchors->negatives[i].name);
        free((void *)anchors->negatives[i].reason);
    }
    free(anchors->list);
    free(anchors->negatives);
    free(anchors);
}

static void *copied(const void *data, size_t length)
{
    void *copy = malloc(length > 0 ? length : 1);
    if (copy != NULL && length > 0)
        memcpy(copy, data, length);
    return copy;
}

/* Where `name` is, or where it belongs. Both lists have items that begin with the name. */
static bool find(const void *list, size_t item_size, size_t count, const uint8_t *name,
                 size_t *place)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const uint8_t *other;
        memcpy(&other, (const uint8_t *)list + middle * item_size, sizeof(other));
        int order = dns_name_compare(name, other);
        if (order == 0) {
            *place = middle;
            return true;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    *place = low;
    return false;
}

/* Makes room for an item at `place` of a list of `count` items; NULL without memory. */
static void *open_gap(void *list, size_t item_size, size_t count, size_t place)
{
    uint8_t *grown = realloc(list, (count + 1) * item_size);
    if (grown != NULL)
        memmove(grown + (place + 1) * item_size, grown + place * item_size,
                (count - place) * item_size);
    return grown;
}

/* The anchor of `name`, made when there is none. */
static struct validate_anchor *anchor_of(struct validate_anchors *anchors, const uint8_t *name)
{
    size_t place;
    if (find(anchors->list, sizeof(*anchors->list), anchors->count, name, &place))
        return &anchors->list[place];
    uint8_t *copy = copied(name, dns_name_length(name));
    if (copy == NULL)
        return NULL;
    struct validate_anchor *list =
        open_gap(anchors->list, sizeof(*anchors->list), anchors->count, place);
    if (list == NULL) {
        free(copy);
        return NULL;
    }
    list[place] = (struct validate_anchor){.name = copy};
    anchors->list = list;
    anchors->count++;
    return &list[place];
}

static int append(struct validate_anchor *anchor, const struct validate_anchor_record *record)
{
    struct validate_anchor_record *records = (struct validate_anchor_record *)anchor->records;
    for (size_t i = 0; i < anchor->count; i++) {
        if (records[i].type != record->type || records[i].length != record->length ||
            memcmp(records[i].rdata, record->rdata, record->length) != 0)
            continue;
        /* Said twice: it holds as long as one of both says. */
        if (record->from < records[i].from)
            records[i].from = record->from;
        if (record->until == 0 || (records[i].until != 0 && record->until > records[i].until))
            records[i].until = record->until;
        return BASE_OK;
    }
    if (anchor->count >= VALIDATE_ANCHOR_RECORDS_MAX)
        return BASE_ELIMIT;
    uint8_t *rdata = copied(record->rdata, record->length);
    if (rdata == NULL)
        return BASE_ENOMEM;
    records = realloc(records, (anchor->count + 1) * sizeof(*records));
    if (records == NULL) {
        free(rdata);
        return BASE_ENOMEM;
    }
    anchor->records = records;
    records[anchor->count] = *record;
    records[anchor->count++].rdata = rdata;
    return BASE_OK;
}

int validate_anchors_add(struct validate_anchors *anchors, const uint8_t *name, uint16_t type,
                         const uint8_t *rdata, size_t length, base_time from, base_time until)
{
    if ((type != DNS_TYPE_DS && type != DNS_TYPE_DNSKEY) || length > DNS_RDATA_MAX ||
        dns_rdata_check(type, rdata, length, NULL) != BASE_OK)
        return BASE_EFORMAT;
    struct validate_anchor *anchor = anchor_of(anchors, name);
    if (anchor == NULL)
        return BASE_ENOMEM;
    int error = append(anchor, &(struct validate_anchor_record){.type = type,
                                                                .length = (uint16_t)length,
                                                                .rdata = rdata,
                                                                .from = from,
                                                                .until = until});
    if (anchor->count == 0) {
        /* Without memory for its first record the name must not stay. */
        size_t place = (size_t)(anchor - anchors->list);
        free_anchor(anchor);
        anchors->count--;
        memmove(anchor, anchor + 1, (anchors->count - place) * sizeof(*anchor));
    }
    return error;
}

int validate_anchors_add_root(struct validate_anchors *anchors)
{
    static const uint8_t root[1] = {0};
    int error = BASE_OK;
    for (size_t i = 0; i < sizeof(root_ds) / sizeof(root_ds[0]) && error == BASE_OK; i++)
        error =
            validate_anchors_add(anchors, root, DNS_TYPE_DS, root_ds[i], sizeof(root_ds[i]), 0, 0);
    return error;
}

int validate_anchors_add_negative(struct validate_anchors *anchors, const uint8_t *name,
                                  base_time until, const char *reason)
{
    if (until == 0)
        return BASE_EINVAL;
    if (reason == NULL)
        reason = "";
    char *text = copied(reason, strlen(reason) + 1);
    if (text == NULL)
        return BASE_ENOMEM;
    size_t place;
    struct validate_negative_anchor *list = anchors->negatives;
    if (find(list, sizeof(*list), anchors->negative_count, name, &place)) {
        free((void *)list[place].reason);
        list[place].reason = text;
        list[place].until = until;
        return BASE_OK;
    }
    uint8_t *copy = copied(name, dns_name_length(name));
    list = copy == NULL ? NULL : open_gap(list, sizeof(*list), anchors->negative_count, place);
    if (list == NULL) {
        free(copy);
        free(text);
        return BASE_ENOMEM;
    }
    list[place] = (struct validate_negative_anchor){.name = copy, .until = until, .reason = text};
    anchors->negatives = list;
    anchors->negative_count++;
    return BASE_OK;
}

bool validate_anchor_valid(const struct validate_anchor_record *record, base_time now)
{
    return record->from <= now && (record->until == 0 || now < record->until);
}

static bool any_valid(const struct validate_anchor *anchor, base_time now)
{
    for (size_t i = 0; i < anchor->count; i++)
        if (validate_anchor_valid(&anchor->records[i], now))
            return true;
    return false;
}

const struct validate_anchor *validate_anchors_closest(const struct validate_anchors *anchors,
                                                       const uint8_t *name, base_time now)
{
    for (;; name += 1 + name[0]) {
        size_t place;
        if (find(anchors->list, sizeof(*anchors->list), anchors->count, name, &place) &&
            any_valid(&anchors->list[place], now))
            return &anchors->list[place];
        if (name[0] == 0)
            return NULL;
    }
}

const struct validate_negative_anchor *
validate_anchors_negative(const struct validate_anchors *anchors, const uint8_t *name,
                          base_time now)
{
    const struct validate_negative_anchor *list = anchors->negatives;
    const struct validate_anchor *positive = validate_anchors_closest(anchors, name, now);
    for (;; name += 1 + name[0]) {
        size_t place;
        if (find(list, sizeof(*list), anchors->negative_count, name, &place) &&
            now < list[place].until)
            return &list[place];
        /* At one and the same name the negative one wins: it is what somebody set for a while. */
        if (name[0] == 0 || (positive != NULL && dns_name_equal(positive->name, name)))
            return NULL;
    }
}

const struct validate_anchor *validate_anchors_list(const struct validate_anchors *anchors,
                                                    size_t *count)
{
    *count = anchors->count;
    return anchors->list;
}

const struct validate_negative_anchor *
validate_anchors_negatives(const struct validate_anchors *anchors, size_t *count)
{
    *count = anchors->negative_count;
    return anchors->negatives;
}

static int order_tags(const void *a, const void *b)
{
    return *(const uint16_t *)a - *(const uint16_t *)b;
}

size_t validate_anchors_tags(const struct validate_anchors *anchors, const uint8_t *name,
                             base_time now, uint16_t *tags, size_t most)
{
    uint16_t all[VALIDATE_ANCHOR_RECORDS_MAX];
    size_t place, count = 0, kept = 0;
    if (!find(anchors->list, sizeof(*anchors->list), anchors->count, name, &place))
        return 0;
    const struct validate_anchor *anchor = &anchors->list[place];
    for (size_t i = 0; i < anchor->count; i++) {
        const struct validate_anchor_record *record = &anchor->records[i];
        if (validate_anchor_valid(record, now))
            all[count++] = record->type == DNS_TYPE_DS
                               ? base_load_u16(record->rdata)
                               : crypto_key_tag(record->rdata, record->length);
    }
    qsort(all, count, sizeof(all[0]), order_tags);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && all[i] == all[i - 1])
            continue; /* a key as DS of two digests, or as DS and DNSKEY */
        if (kept < most)
            tags[kept] = all[i];
        kept++;
    }
    return kept;
}
