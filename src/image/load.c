/* Whole zones out of the image: see image.h. */
#include "image/internal.h"

#include <stdlib.h>
#include <string.h>

static int walk_part(struct image_reader *reader, enum image_database database, uint32_t id,
                     int (*visit)(void *context, const struct image_name *name), void *context)
{
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(reader->txn, reader->image->dbis[database], &cursor);
    if (rc != 0)
        return image_error(rc);
    uint8_t octets[4];
    base_store_u32(octets, id);
    MDB_val key = {sizeof(octets), octets}, value;
    int error = BASE_OK;
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (rc == 0 && key.mv_size >= 4 && base_load_u32(key.mv_data) == id) {
        struct image_name name;
        error = image_value_decode(&value, &name);
        if (error == BASE_OK)
            error = visit(context, &name);
        if (error != BASE_OK)
            break;
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    if (error != BASE_OK)
        return error;
    return rc == 0 || rc == MDB_NOTFOUND ? BASE_OK : image_error(rc);
}

int image_walk(struct image_reader *reader, const struct image_zone *zone,
               int (*visit)(void *context, const struct image_name *name), void *context)
{
    int error = walk_part(reader, IMAGE_NAMES, zone->id, visit, context);
    return error == BASE_OK ? walk_part(reader, IMAGE_HASHES, zone->id, visit, context) : error;
}

int image_walk_next(struct image_reader *reader, const struct image_zone *zone, unsigned *stage,
                    struct image_name *name)
{
    /* For each part a stage before its first name, and one behind. */
    static const enum image_database parts[] = {IMAGE_NAMES, IMAGE_HASHES};
    uint8_t octets[4];
    base_store_u32(octets, zone->id);
    while (*stage < 4) {
        bool first = *stage % 2 == 0;
        MDB_val key = {sizeof(octets), octets}, value;
        int rc = mdb_cursor_get(reader->cursors[parts[*stage / 2]], &key, &value,
                                first ? MDB_SET_RANGE : MDB_NEXT);
        if (rc != 0 && rc != MDB_NOTFOUND)
            return image_error(rc);
        if (rc == 0 && key.mv_size >= 4 && base_load_u32(key.mv_data) == zone->id) {
            *stage += first;
            return image_value_decode(&value, name);
        }
        *stage = (*stage / 2 + 1) * 2;
    }
    return BASE_ENOENT;
}

/* --- a zone in memory --- */

struct load {
    const struct image_zone *zone;
    struct zone_batch_writer writer;
    uint8_t owner[2 * DNS_NAME_MAX];
    size_t records;
};

/* Rdata from the image becomes a record that the rest of Kenter trusts. */
static int load_records(struct load *load, const uint8_t *at, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint16_t type = base_load_u16(at + 2), length = image_record_length(at);
        const uint8_t *rdata = at + IMAGE_RECORD_HEAD;
        if (dns_rdata_check(type, rdata, length, NULL) != BASE_OK)
            return BASE_EFORMAT;
        int error =
            zone_batch_add(&load->writer, load->owner, type, image_record_ttl(at), rdata, length);
        if (error != BASE_OK)
            return error;
        load->records++;
        at += IMAGE_RECORD_HEAD + (size_t)length;
    }
    return BASE_OK;
}

static int load_name(void *context, const struct image_name *name)
{
    struct load *load = context;
    size_t length = (size_t)name->labels_length + load->zone->apex_length;
    if (length > DNS_NAME_MAX)
        return BASE_EFORMAT;
    memcpy(load->owner, name->labels, name->labels_length);
    memcpy(load->owner + name->labels_length, load->zone->apex, load->zone->apex_length);
    int error = BASE_OK;
    for (unsigned i = 0; error == BASE_OK && i < name->rrset_count; i++) {
        struct image_rrset rrset;
        error = image_rrset_at(name, i, &rrset);
        if (error == BASE_OK)
            error = load_records(load, rrset.records, rrset.count);
        if (error == BASE_OK)
            error = load_records(load, rrset.rrsigs, rrset.signatures);
    }
    return error;
}

static int build(struct load *load, unsigned threads, struct zone **out)
{
    struct dns_zonefile file = {.batches = load->writer.batch,
                                .rr_count = load->records,
                                .run_count = load->writer.batch->run_count};
    memcpy(file.origin, load->zone->apex, load->zone->apex_length);
    base_arena_init(&file.arena, 0);
    struct base_findings findings;
    base_findings_init(&findings, 1);
    struct zone *zone;
    int error = zone_build(&file, threads, &findings, &zone);
    if (error == BASE_OK && (zone->rr_count != load->zone->records || zone->soa == NULL ||
                             zone->serial != load->zone->serial)) {
        zone_release(zone);
        error = BASE_EFORMAT;
    }
    base_findings_free(&findings);
    dns_zonefile_free(&file);
    if (error == BASE_OK)
        *out = zone;
    return error;
}

int image_load(struct image_reader *reader, const struct image_zone *zone, unsigned threads,
               struct zone **out)
{
    struct load *load = calloc(1, sizeof(*load));
    if (load == NULL)
        return BASE_ENOMEM;
    load->zone = zone;
    int error = zone_batch_writer_init(&load->writer, zone->apex);
    if (error == BASE_OK) {
        error = image_walk(reader, zone, load_name, load);
        if (error == BASE_OK)
            error = build(load, threads, out);
        else
            dns_batch_free(load->writer.batch);
    }
    free(load);
    return error;
}

/* --- checking --- */

struct count {
    uint64_t records, signed_names;
};

static int check_name(void *context, const struct image_name *name)
{
    struct count *count = context;
    bool is_signed = false;
    for (unsigned i = 0; i < name->rrset_count; i++) {
        struct image_rrset rrset;
        int error = image_rrset_at(name, i, &rrset);
        if (error != BASE_OK)
            return error;
        const uint8_t *at = rrset.records;
        for (unsigned j = 0; j < rrset.count + rrset.signatures; j++) {
            uint16_t length = image_record_length(at);
            if (dns_rdata_check(base_load_u16(at + 2), at + IMAGE_RECORD_HEAD, length, NULL) !=
                BASE_OK)
                return BASE_EFORMAT;
            at += IMAGE_RECORD_HEAD + (size_t)length;
        }
        count->records += rrset.count + rrset.signatures;
        is_signed |= rrset.signatures > 0;
    }
    count->signed_names += is_signed;
    return BASE_OK;
}

static int check_zone(void *context, const struct image_zone *zone)
{
    struct count count = {0};
    uint64_t indexed = 0;
    int error = image_walk(context, zone, check_name, &count);
    if (error == BASE_OK)
        error = image_expiry_count(context, zone, &indexed);
    return error == BASE_OK && (count.records != zone->records || count.signed_names != indexed)
               ? BASE_EFORMAT
               : error;
}

int image_check(struct image_reader *reader)
{
    return image_zone_list(reader, check_zone, reader);
}
