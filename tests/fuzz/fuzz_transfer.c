/*
 * The messages of a zone transfer from foreign octets. The first octet chooses what was asked for;
 * then come messages, each with its length before it. IDs are put right, so that what is behind
 * them is reached. What is taken must be consistent, and a whole zone must be buildable.
 */
#include "base/error.h"
#include "base/reader.h"
#include "source/transfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

enum { BYTES_MAX = 1 << 20, SLACK = 8 << 20 };

static const uint8_t zone[] = "\7example";

static void check_whole(struct source_transfer *transfer)
{
    struct base_findings findings;
    struct zone *built;
    base_findings_init(&findings, 10);
    REQUIRE(source_transfer_zone(transfer, &findings, &built) == BASE_OK);
    REQUIRE(built->soa != NULL && built->rr_count <= transfer->records);
    for (size_t i = 0; i < built->node_count; i++)
        REQUIRE(dns_name_within(built->nodes[i].name, zone));
    zone_release(built);
    base_findings_free(&findings);
}

static void check_edits(const struct source_transfer *transfer)
{
    REQUIRE(transfer->edits.count < transfer->records);
    for (size_t i = 0; i < transfer->edits.count; i++) {
        const struct source_edit *edit = &transfer->edits.items[i];
        REQUIRE(dns_name_within(edit->owner, zone) && edit->type != DNS_TYPE_SOA);
        REQUIRE(dns_rdata_check(edit->type, edit->rdata, edit->length, NULL) == BASE_OK);
    }
}

static int take(struct source_transfer *transfer, const uint8_t *data, size_t length)
{
    uint8_t *copy = malloc(length + 1);
    REQUIRE(copy != NULL);
    memcpy(copy, data, length);
    if (length >= 2)
        base_store_u16(copy, transfer->options.id);
    int error = source_transfer_take(transfer, copy, length);
    free(copy);
    REQUIRE((error == BASE_OK) == (transfer->why[0] == '\0'));
    REQUIRE(transfer->edits.arena.reserved < BYTES_MAX + SLACK);
    return error;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct source_transfer_options options = {
        .zone = zone,
        .type = data[0] & 1 ? DNS_TYPE_IXFR : DNS_TYPE_AXFR,
        .id = 1,
        .have = data[0] & 3,
        .have_serial = data[0] >> 4,
        .bytes_max = BYTES_MAX,
    };
    struct source_transfer transfer;
    REQUIRE(source_transfer_init(&transfer, &options) == BASE_OK);
    int error = BASE_OK;
    for (size_t at = 1; size - at >= 2 && error == BASE_OK && !transfer.done;) {
        size_t length = base_load_u16(data + at);
        at += 2;
        if (length > size - at)
            length = size - at;
        error = take(&transfer, data + at, length);
        at += length;
    }
    if (transfer.done && transfer.form == SOURCE_TRANSFER_WHOLE)
        check_whole(&transfer);
    if (transfer.done && transfer.form == SOURCE_TRANSFER_EDITS)
        check_edits(&transfer);
    source_transfer_free(&transfer);
    return 0;
}
