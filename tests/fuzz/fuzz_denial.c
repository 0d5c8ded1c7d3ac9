/*
 * Denial records from strangers. The input is a question (kind, type, labels, name) and then
 * records: type, owner, length, rdata. All names are in the zone "z." or are put there. No answer
 * may use more than the budget, or say that it used records that are not there; and a set that
 * holds a name's own record never proves that the name is missing.
 */
#include "base/error.h"
#include "base/reader.h"
#include "validate/denial.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RECORDS_MAX 100

static const uint8_t *read_name(struct base_reader *reader, uint8_t out[DNS_NAME_MAX])
{
    size_t used;
    size_t left = base_reader_left(reader);
    if (left == 0 || dns_name_check(reader->data + reader->at, left, &used) != BASE_OK)
        return NULL;
    const uint8_t *name = base_reader_bytes(reader, used);
    if (used + 2 > DNS_NAME_MAX)
        return name;
    memcpy(out, name, used - 1);
    memcpy(out + used - 1, "\1z", 3);
    return out;
}

static size_t read_records(struct base_reader *reader, struct validate_denial_record *records,
                           uint8_t owners[][DNS_NAME_MAX])
{
    size_t count = 0;
    while (count < RECORDS_MAX) {
        struct validate_denial_record *record = &records[count];
        record->type = base_reader_u8(reader) % 2 ? DNS_TYPE_NSEC : DNS_TYPE_NSEC3;
        record->owner = read_name(reader, owners[count]);
        if (record->owner == NULL)
            break;
        record->length = base_reader_u8(reader);
        record->rdata = base_reader_bytes(reader, record->length);
        if (record->rdata == NULL)
            break;
        count++;
    }
    return count;
}

static void judge(const struct validate_denial_set *set, unsigned kind, const uint8_t *name,
                  uint16_t type, unsigned labels, struct validate_denial_proof *proof)
{
    switch (kind % 4) {
    case 0:
        validate_denial_of_name(set, name, proof);
        break;
    case 1:
        validate_denial_of_type(set, name, type, proof);
        break;
    case 2:
        validate_denial_of_closer(set, name, labels, proof);
        break;
    default:
        validate_denial_of_ds(set, name, proof);
        break;
    }
}

/* A well-formed NSEC of the name itself. */
static bool is_own_nsec(const struct validate_denial_record *record, const uint8_t *name)
{
    static const uint8_t zone[] = {1, 'z', 0};
    size_t used;
    return record->type == DNS_TYPE_NSEC && dns_name_equal(record->owner, name) &&
           dns_name_check(record->rdata, record->length, &used) == BASE_OK &&
           dns_name_within(record->rdata, zone) &&
           dns_bitmap_check(record->rdata + used, record->length - used) == BASE_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t zone[] = {1, 'z', 0};
    static uint8_t owners[RECORDS_MAX][DNS_NAME_MAX];
    struct validate_denial_record records[RECORDS_MAX];
    struct base_reader reader = base_reader_make(data, size);
    uint8_t place[DNS_NAME_MAX];
    unsigned kind = base_reader_u8(&reader), labels = base_reader_u8(&reader);
    uint16_t type = base_reader_u16(&reader);
    const uint8_t *name = read_name(&reader, place);
    if (name == NULL)
        return 0;
    unsigned hashes = 16;
    struct base_arena arena;
    base_arena_init(&arena, 1 << 16);
    struct validate_denial_set set = {.zone = zone,
                                      .records = records,
                                      .count = read_records(&reader, records, owners),
                                      .iterations_most = 50,
                                      .hashes_left = &hashes,
                                      .arena = &arena};
    struct validate_denial_proof proof;
    judge(&set, kind, name, type, labels, &proof);
    if (proof.why[0] == '\0' || strlen(proof.why) >= VALIDATE_DENIAL_WHY || hashes > 16)
        abort();
    for (size_t i = 0; i < proof.used_count; i++)
        if (proof.used[i] >= set.count)
            abort();
    if (proof.outcome == VALIDATE_DENIAL_PROVED && kind % 4 == 0 && !proof.compact && !proof.nsec3)
        for (size_t i = 0; i < set.count; i++)
            if (is_own_nsec(&records[i], name))
                abort();
    base_arena_free(&arena);
    return 0;
}
