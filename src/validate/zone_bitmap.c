/* Compares the type bitmaps of NSEC and NSEC3 records with the types that names really have. */
#include "validate/zone_parts.h"

#include <stdio.h>

/* Steps through the types of a bitmap in ascending order (RFC 4034 section 4.1.2). */
struct bitmap_reader {
    const uint8_t *at, *end;
    const uint8_t *block; /* octets of the window being read */
    unsigned block_length;
    unsigned bit; /* the next to look at, in the block */
    int window;   /* -1: none yet */
    bool malformed;
};

static bool open_window(struct bitmap_reader *reader)
{
    if (reader->at == reader->end)
        return false;
    size_t left = (size_t)(reader->end - reader->at);
    if (left < 3 || reader->at[0] <= reader->window || reader->at[1] < 1 || reader->at[1] > 32 ||
        reader->at[1] > left - 2 || reader->at[1 + reader->at[1]] == 0) {
        reader->malformed = true;
        return false;
    }
    reader->window = reader->at[0];
    reader->block_length = reader->at[1];
    reader->block = reader->at + 2;
    reader->bit = 0;
    reader->at += 2 + reader->block_length;
    return true;
}

/* The next type, or -1 at the end. */
static int next_in_bitmap(struct bitmap_reader *reader)
{
    for (;;) {
        for (; reader->bit < reader->block_length * 8; reader->bit++) {
            unsigned octet = reader->block[reader->bit / 8];
            if (octet == 0) {
                reader->bit |= 7; /* the increment goes on to the next octet */
                continue;
            }
            if (octet & (0x80u >> reader->bit % 8))
                return reader->window << 8 | (int)reader->bit++;
        }
        if (!open_window(reader))
            return -1;
    }
}

/* Steps through the types that should be listed, in ascending order. */
struct wanted_types {
    const struct validate_bitmap_want *want;
    const struct zone_rrset *rrsets;
    unsigned count, at;
    bool rrsig, nsec; /* still to be given in their place */
};

static struct wanted_types wanted_open(const struct validate_bitmap_want *want)
{
    struct wanted_types types = {.want = want};
    if (want->node == NULL)
        return types;
    types.rrsets = want->zone->rrsets + want->node->first_rrset;
    types.count = want->node->rrset_count;
    types.rrsig = want->nsec || want->role != VALIDATE_ROLE_CUT;
    types.nsec = want->nsec;
    return types;
}

static bool listed_as_it_stands(const struct validate_bitmap_want *want, uint16_t type)
{
    /* Put in by what the chain demands, not by what happens to be there. */
    if (type == DNS_TYPE_RRSIG || type == DNS_TYPE_NSEC3)
        return false;
    if (type == DNS_TYPE_NSEC)
        return !want->nsec;
    if (want->role == VALIDATE_ROLE_DATA)
        return true;
    return type == DNS_TYPE_NS || type == DNS_TYPE_DS;
}

static int next_wanted(struct wanted_types *types)
{
    while (types->at < types->count &&
           !listed_as_it_stands(types->want, types->rrsets[types->at].type))
        types->at++;
    int next = types->at < types->count ? types->rrsets[types->at].type : 0x10000;
    if (types->rrsig && next > DNS_TYPE_RRSIG) {
        types->rrsig = false;
        return DNS_TYPE_RRSIG;
    }
    if (types->nsec && next > DNS_TYPE_NSEC) {
        types->nsec = false;
        return DNS_TYPE_NSEC;
    }
    types->at++;
    return next == 0x10000 ? -1 : next;
}

struct type_list {
    char text[VALIDATE_BITMAP_TEXT / 2 - 40];
    size_t length;
    unsigned count;
};

static void list_type(struct type_list *list, int type)
{
    char name[DNS_TYPE_TEXT];
    list->count++;
    if (list->length + DNS_TYPE_TEXT + 8 > sizeof(list->text)) {
        if (list->text[list->length - 1] != '.')
            list->length += (size_t)snprintf(list->text + list->length, 6, " ...");
        return;
    }
    list->length +=
        (size_t)snprintf(list->text + list->length, sizeof(list->text) - list->length, "%s%s",
                         list->count > 1 ? " " : "", dns_type_text(name, (uint16_t)type));
}

static bool ignored(const struct validate_bitmap_want *want, int type)
{
    return (want->ignore != 0 && type == want->ignore) ||
           (want->ignore_rrsig && type == DNS_TYPE_RRSIG);
}

enum validate_bitmap_result validate_bitmap_compare(const struct validate_bitmap_want *want,
                                                    const uint8_t *bitmap, size_t length,
                                                    char why[VALIDATE_BITMAP_TEXT])
{
    struct bitmap_reader reader = {.at = bitmap, .end = bitmap + length, .window = -1};
    struct wanted_types types = wanted_open(want);
    struct type_list missing = {.text = ""}, extra = {.text = ""};
    int has = next_in_bitmap(&reader), wanted = next_wanted(&types);
    while (has >= 0 || wanted >= 0) {
        if (has == wanted) {
            has = next_in_bitmap(&reader);
            wanted = next_wanted(&types);
        } else if (wanted < 0 || (has >= 0 && has < wanted)) {
            if (!ignored(want, has))
                list_type(&extra, has);
            has = next_in_bitmap(&reader);
        } else {
            if (!ignored(want, wanted))
                list_type(&missing, wanted);
            wanted = next_wanted(&types);
        }
    }
    if (reader.malformed)
        return VALIDATE_BITMAP_MALFORMED;
    if (missing.count == 0 && extra.count == 0)
        return VALIDATE_BITMAP_EQUAL;
    snprintf(why, VALIDATE_BITMAP_TEXT, "%s%s%s%s%s", missing.count ? "lacks " : "", missing.text,
             missing.count && extra.count ? ", and " : "",
             extra.count ? "lists, though not there, " : "", extra.text);
    return VALIDATE_BITMAP_OTHER;
}
