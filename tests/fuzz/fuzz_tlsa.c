/*
 * TLSA records from strangers, judged together: whatever they are, what counts as usable must be of
 * a known kind and of the right length, and agility must leave the strongest.
 */
#include "base/error.h"
#include "dane/tlsa.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST 16

static void check(const struct dane_tlsa *record, unsigned usages)
{
    if (record->unusable != DANE_USABLE)
        return;
    if (record->usage > 3 || !(usages >> record->usage & 1) || record->selector > 1 ||
        record->matching > 2)
        abort();
    if ((record->matching == DANE_SHA256 && record->length != 32) ||
        (record->matching == DANE_SHA512 && record->length != 64) ||
        (record->matching == DANE_FULL && record->length == 0))
        abort();
}

static void make(const uint8_t *der, size_t length)
{
    for (uint8_t selector = 0; selector < 3; selector++) {
        for (uint8_t matching = 0; matching < 4; matching++) {
            uint8_t *made;
            size_t made_length;
            if (dane_tlsa_make(selector, matching, der, length, &made, &made_length) != BASE_OK)
                continue;
            if (selector > 1 || matching > 2 || (matching == 1 && made_length != 32) ||
                (matching == 2 && made_length != 64))
                abort();
            free(made);
        }
    }
}

/* A first octet of usages, then records behind two octets of length. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dane_tlsa records[MOST];
    uint8_t *copies[MOST];
    size_t count = 0;
    if (size < 1)
        return 0;
    unsigned usages = data[0] & 0xf;
    for (size_t at = 1; at + 2 <= size && count < MOST;) {
        size_t length = (size_t)data[at] << 8 | data[at + 1];
        at += 2;
        if (length > size - at)
            length = size - at;
        /* A copy of its own, so that reading on is seen. */
        uint8_t *copy = malloc(length + 1);
        if (!copy)
            break;
        memcpy(copy, data + at, length);
        copy = realloc(copy, length ? length : 1);
        if (dane_tlsa_read(copy, length, &records[count]) == BASE_OK)
            copies[count++] = copy;
        else
            free(copy);
        at += length;
    }
    size_t usable = dane_tlsa_judge(records, count, usages), found = 0;
    for (size_t i = 0; i < count; i++) {
        char text[DANE_TLSA_TEXT];
        check(&records[i], usages);
        found += records[i].unusable == DANE_USABLE;
        if (strlen(dane_tlsa_text(&records[i], text)) >= DANE_TLSA_TEXT)
            abort();
    }
    if (found != usable)
        abort();
    make(data + 1, size - 1);
    for (size_t i = 0; i < count; i++)
        free(copies[i]);
    return 0;
}
