/* Steps of history, one by one or condensed: see difference.h. */
#include "front/difference.h"

#include "base/error.h"
#include "base/reader.h"

#include <stdlib.h>
#include <string.h>

#define BODY_HEAD  10 /* type, class, TTL, length */
#define RECORD_MAX (DNS_NAME_MAX + BODY_HEAD + DNS_RDATA_MAX)

struct piece {
    const uint8_t *data;
    size_t length;
};

/* Where reading has come to. */
struct cursor {
    size_t piece;
    size_t at;
};

/* A record as it stands in history: owner, body. */
struct raw {
    const uint8_t *octets;
    size_t owner;
    size_t length; /* of all */
};

/* Of a condensed difference. */
struct entry {
    const uint8_t *octets;
    uint32_t length;
    uint32_t hash;
    uint8_t owner; /* octets */
    int8_t net;    /* -1: removed, 1: added, 0: both */
};

struct front_difference {
    const uint8_t *apex;
    size_t apex_length;
    struct piece *pieces;
    size_t piece_count, piece_room;
    size_t octets, limit;
    size_t steps, records;
    struct cursor cursor;
    uint8_t *scratch; /* RECORD_MAX: a record that goes over the end of a piece */
    /* condensed */
    bool condensed;
    struct base_arena arena; /* such records */
    struct entry soas[2];    /* of the client's version, of ours */
    struct entry *entries;   /* in the order in which they came */
    size_t entry_count;
    uint32_t *table; /* indices of `entries`, plus 1; 0: free */
    size_t mask;
    size_t next;
    enum { REMOVED, ADDED, ENDED } part;
    bool soa_given; /* of the part */
};

/* --- gathering --- */

static int keep_piece(void *context, const struct image_history *history)
{
    struct front_difference *difference = context;
    if (difference->piece_count == difference->piece_room) {
        size_t room = difference->piece_room == 0 ? 16 : 2 * difference->piece_room;
        struct piece *more = realloc(difference->pieces, room * sizeof(*more));
        if (more == NULL)
            return BASE_ENOMEM;
        difference->pieces = more;
        difference->piece_room = room;
    }
    difference->octets += history->length;
    if (difference->octets > difference->limit)
        return BASE_ELIMIT;
    difference->pieces[difference->piece_count++] =
        (struct piece){.data = history->data, .length = history->length};
    difference->steps += history->first;
    return BASE_OK;
}

/* --- reading records --- */

/* Copies octets that may go over the ends of pieces, and steps over them. */
static int copy(const struct front_difference *difference, struct cursor *cursor, uint8_t *out,
                size_t length)
{
    while (length > 0) {
        if (cursor->piece == difference->piece_count)
            return BASE_EFORMAT;
        const struct piece *piece = &difference->pieces[cursor->piece];
        size_t left = piece->length - cursor->at, some = left < length ? left : length;
        memcpy(out, piece->data + cursor->at, some);
        out += some;
        length -= some;
        cursor->at += some;
        if (cursor->at == piece->length)
            *cursor = (struct cursor){.piece = cursor->piece + 1};
    }
    return BASE_OK;
}

/* Reads a record that is cut into `scratch`. */
static int read_cut(struct front_difference *difference, struct raw *raw)
{
    uint8_t *put = difference->scratch;
    size_t owner = 0;
    if (put == NULL)
        put = difference->scratch = malloc(RECORD_MAX);
    if (put == NULL)
        return BASE_ENOMEM;
    int error;
    do {
        error = copy(difference, &difference->cursor, put + owner, 1);
        size_t label = error == BASE_OK ? put[owner] : 0;
        if (label > DNS_LABEL_MAX || owner + 1 + label > DNS_NAME_MAX)
            return BASE_EFORMAT;
        if (error == BASE_OK)
            error = copy(difference, &difference->cursor, put + owner + 1, label);
        owner += 1 + label;
        if (label == 0)
            break;
    } while (error == BASE_OK);
    if (error == BASE_OK)
        error = copy(difference, &difference->cursor, put + owner, BODY_HEAD);
    if (error != BASE_OK)
        return error;
    size_t length = base_load_u16(put + owner + 8);
    *raw = (struct raw){put, owner, owner + BODY_HEAD + length};
    return copy(difference, &difference->cursor, put + owner + BODY_HEAD, length);
}

/* BASE_ENOENT: there are no more. */
static int read_record(struct front_difference *difference, struct raw *raw)
{
    struct cursor *cursor = &difference->cursor;
    if (cursor->piece == difference->piece_count)
        return BASE_ENOENT;
    const struct piece *piece = &difference->pieces[cursor->piece];
    const uint8_t *at = piece->data + cursor->at;
    size_t left = piece->length - cursor->at, owner;
    if (dns_name_check(at, left, &owner) != BASE_OK || left - owner < BODY_HEAD ||
        left - owner - BODY_HEAD < base_load_u16(at + owner + 8))
        return read_cut(difference, raw);
    *raw = (struct raw){at, owner, owner + BODY_HEAD + base_load_u16(at + owner + 8)};
    cursor->at += raw->length;
    if (cursor->at == piece->length)
        *cursor = (struct cursor){.piece = cursor->piece + 1};
    return BASE_OK;
}

static bool is_soa(const struct raw *raw)
{
    return base_load_u16(raw->octets + raw->owner) == DNS_TYPE_SOA;
}

static int count_records(struct front_difference *difference)
{
    struct raw raw;
    int error;
    while ((error = read_record(difference, &raw)) == BASE_OK)
        difference->records++;
    difference->cursor = (struct cursor){0};
    return error == BASE_ENOENT ? BASE_OK : error;
}

/* --- condensing --- */

/* The address makes it another function each time: nobody can aim records at one slot. */
static uint32_t hash_of(const struct front_difference *difference, const struct raw *raw)
{
    uint64_t hash = (uint64_t)(uintptr_t)difference * UINT64_C(0x9e3779b97f4a7c15) ^ raw->length;
    size_t at = 0;
    for (; at + 8 <= raw->length; at += 8) {
        uint64_t word;
        memcpy(&word, raw->octets + at, 8);
        hash = (hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
        hash ^= hash >> 32;
    }
    for (; at < raw->length; at++)
        hash = (hash ^ raw->octets[at]) * UINT64_C(0x100000001b3);
    return (uint32_t)(hash ^ hash >> 29);
}

static int make_entry(struct front_difference *difference, const struct raw *raw,
                      struct entry *entry)
{
    *entry = (struct entry){
        .octets = raw->octets, .length = (uint32_t)raw->length, .owner = (uint8_t)raw->owner};
    if (raw->octets == difference->scratch)
        entry->octets = base_arena_dup(&difference->arena, raw->octets, raw->length);
    return entry->octets != NULL ? BASE_OK : BASE_ENOMEM;
}

/* Takes note that a record, which is no SOA, was added or removed. */
static int note(struct front_difference *difference, const struct raw *raw, int sign)
{
    uint32_t hash = hash_of(difference, raw);
    size_t slot = hash & difference->mask;
    for (; difference->table[slot] != 0; slot = (slot + 1) & difference->mask) {
        struct entry *entry = &difference->entries[difference->table[slot] - 1];
        if (entry->hash != hash || entry->length != raw->length ||
            memcmp(entry->octets, raw->octets, raw->length) != 0)
            continue;
        if (entry->net == sign)
            return BASE_EFORMAT; /* nothing is added or removed twice */
        entry->net = (int8_t)(entry->net + sign);
        return BASE_OK;
    }
    struct entry *entry = &difference->entries[difference->entry_count];
    int error = make_entry(difference, raw, entry);
    if (error != BASE_OK)
        return error;
    entry->hash = hash;
    entry->net = (int8_t)sign;
    difference->table[slot] = (uint32_t)++difference->entry_count;
    return BASE_OK;
}

static int note_all(struct front_difference *difference)
{
    struct raw raw;
    int error, sign = 1;
    size_t soas = 0;
    while ((error = read_record(difference, &raw)) == BASE_OK) {
        if (is_soa(&raw)) {
            /* The first one is that of the client, the last one ours. */
            sign = -sign;
            error = make_entry(difference, &raw, &difference->soas[soas++ == 0 ? REMOVED : ADDED]);
        } else {
            error = soas > 0 ? note(difference, &raw, sign) : BASE_EFORMAT;
        }
        if (error != BASE_OK)
            return error;
    }
    if (error != BASE_ENOENT)
        return error;
    return soas >= 2 && soas % 2 == 0 ? BASE_OK : BASE_EFORMAT;
}

static int condense(struct front_difference *difference)
{
    size_t slots = 16;
    while (slots < 2 * difference->records)
        slots *= 2;
    difference->mask = slots - 1;
    difference->table = calloc(slots, sizeof(*difference->table));
    difference->entries = calloc(difference->records, sizeof(*difference->entries));
    if (difference->table == NULL || difference->entries == NULL)
        return BASE_ENOMEM;
    int error = note_all(difference);
    free(difference->table);
    difference->table = NULL;
    if (error != BASE_OK)
        return error;
    difference->condensed = true;
    difference->records = 2;
    for (size_t i = 0; i < difference->entry_count; i++)
        difference->records += difference->entries[i].net != 0;
    return BASE_OK;
}

/* --- the interface --- */

int front_difference_new(struct image_reader *reader, const struct image_zone *zone,
                         uint32_t serial, size_t octets, struct front_difference **out)
{
    struct front_difference *difference = calloc(1, sizeof(*difference));
    if (difference == NULL)
        return BASE_ENOMEM;
    base_arena_init(&difference->arena, 0);
    difference->apex = zone->apex;
    difference->apex_length = zone->apex_length;
    difference->limit = octets;
    int error = image_history(reader, zone, serial, keep_piece, difference);
    if (error == BASE_OK)
        error = count_records(difference);
    if (error == BASE_OK && difference->steps > 1 && difference->octets <= FRONT_CONDENSE_MAX)
        error = condense(difference);
    if (error != BASE_OK) {
        front_difference_free(difference);
        return error;
    }
    *out = difference;
    return BASE_OK;
}

void front_difference_free(struct front_difference *difference)
{
    if (difference == NULL)
        return;
    base_arena_free(&difference->arena);
    free(difference->entries);
    free(difference->table);
    free(difference->scratch);
    free(difference->pieces);
    free(difference);
}

size_t front_difference_count(const struct front_difference *difference)
{
    return difference->records;
}

size_t front_difference_steps(const struct front_difference *difference, bool *condensed)
{
    *condensed = difference->condensed;
    return difference->steps;
}

static void describe(const struct front_difference *difference, const uint8_t *octets, size_t owner,
                     size_t length, struct front_record *record)
{
    size_t at = 0;
    while (owner - at > difference->apex_length)
        at += 1 + (size_t)octets[at];
    *record = (struct front_record){
        .labels = octets,
        .labels_length = at,
        .body = octets + owner,
        .body_length = length - owner,
    };
    if (owner - at != difference->apex_length ||
        memcmp(octets + at, difference->apex, difference->apex_length) != 0) {
        record->whole = true;
        record->labels_length = owner;
    }
}

static int next_condensed(struct front_difference *difference, struct front_record *record)
{
    const struct entry *entry = NULL;
    int wanted = difference->part == REMOVED ? -1 : 1;
    if (difference->part == ENDED)
        return BASE_ENOENT;
    if (!difference->soa_given) {
        entry = &difference->soas[difference->part];
        difference->soa_given = true;
    }
    while (entry == NULL && difference->next < difference->entry_count) {
        const struct entry *candidate = &difference->entries[difference->next++];
        if (candidate->net == wanted)
            entry = candidate;
    }
    if (entry == NULL) {
        difference->part++;
        difference->next = 0;
        difference->soa_given = false;
        return next_condensed(difference, record);
    }
    describe(difference, entry->octets, entry->owner, entry->length, record);
    return BASE_OK;
}

int front_difference_next(struct front_difference *difference, struct front_record *record)
{
    if (difference->condensed)
        return next_condensed(difference, record);
    struct raw raw;
    int error = read_record(difference, &raw);
    if (error == BASE_OK)
        describe(difference, raw.octets, raw.owner, raw.length, record);
    return error;
}
