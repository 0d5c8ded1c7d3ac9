/* History for IXFR: see image.h and internal.h. A step is stored in pieces, so that no value is
 * much larger than a page of a transfer. */
#include "image/internal.h"

#include <stdlib.h>
#include <string.h>

#define PIECE      (256 * 1024)
#define PIECE_HEAD 9 /* from, to, flags */
#define KEY_SIZE   (4 + 8 + 4)

enum { PIECE_FIRST = 1, PIECE_LAST = 2 };

void image_step_init(struct image_step *step, size_t limit)
{
    memset(step, 0, sizeof(*step));
    base_buf_init(&step->removed, limit);
    base_buf_init(&step->added, limit);
}

void image_step_free(struct image_step *step)
{
    base_buf_free(&step->removed);
    base_buf_free(&step->added);
}

void image_step_record(struct base_buf *buf, const uint8_t *owner, const struct dns_rr *rr)
{
    base_buf_append(buf, owner, dns_name_length(owner));
    base_buf_u16(buf, rr->type);
    base_buf_u16(buf, DNS_CLASS_IN);
    base_buf_u32(buf, rr->ttl);
    base_buf_u16(buf, rr->length);
    base_buf_append(buf, rr->rdata, rr->length);
}

static void make_key(uint8_t key[KEY_SIZE], uint32_t id, uint64_t version, uint32_t piece)
{
    base_store_u32(key, id);
    base_store_u32(key + 4, (uint32_t)(version >> 32));
    base_store_u32(key + 8, (uint32_t)version);
    base_store_u32(key + 12, piece);
}

static int put_pieces(struct image *image, MDB_txn *txn, uint32_t id, const struct image_step *step)
{
    size_t total = step->removed.length + step->added.length, done = 0;
    int rc = 0;
    for (uint32_t piece = 0; rc == 0 && done < total; piece++) {
        size_t length = total - done < PIECE ? total - done : PIECE;
        uint8_t octets[KEY_SIZE];
        make_key(octets, id, step->version, piece);
        MDB_val key = {KEY_SIZE, octets}, value = {PIECE_HEAD + length, NULL};
        rc = mdb_put(txn, image->dbis[IMAGE_HISTORY], &key, &value, MDB_RESERVE);
        if (rc != 0)
            break;
        uint8_t *out = value.mv_data;
        base_store_u32(out, step->from);
        base_store_u32(out + 4, step->to);
        out[8] =
            (uint8_t)((done == 0 ? PIECE_FIRST : 0) | (done + length == total ? PIECE_LAST : 0));
        size_t head = 0;
        if (done < step->removed.length) {
            head = step->removed.length - done < length ? step->removed.length - done : length;
            memcpy(out + PIECE_HEAD, step->removed.data + done, head);
        }
        if (head < length)
            memcpy(out + PIECE_HEAD + head, step->added.data + (done + head - step->removed.length),
                   length - head);
        done += length;
    }
    return rc;
}

/* Goes back from the newest step, and deletes what is over the bounds. */
static int trim(struct image *image, MDB_txn *txn, uint32_t id, size_t bytes, size_t versions)
{
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, image->dbis[IMAGE_HISTORY], &cursor);
    if (rc != 0)
        return rc;
    uint8_t octets[KEY_SIZE];
    make_key(octets, id, UINT64_MAX, UINT32_MAX);
    MDB_val key = {KEY_SIZE, octets}, value;
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    rc = mdb_cursor_get(cursor, &key, &value, rc == 0 ? MDB_PREV : MDB_LAST);
    size_t kept = 0, steps = 0;
    while (rc == 0 && key.mv_size == KEY_SIZE && base_load_u32(key.mv_data) == id) {
        kept += value.mv_size;
        bool begins = value.mv_size > 8 && (((uint8_t *)value.mv_data)[8] & PIECE_FIRST) != 0;
        if (kept > bytes || steps >= versions) {
            rc = mdb_cursor_del(cursor, 0);
            if (rc != 0)
                break;
        }
        steps += begins;
        rc = mdb_cursor_get(cursor, &key, &value, MDB_PREV);
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int image_step_store(struct image *image, MDB_txn *txn, uint32_t id, struct image_step *step,
                     size_t bytes, size_t versions)
{
    if (step->removed.error == BASE_ENOMEM || step->added.error == BASE_ENOMEM)
        return BASE_ENOMEM;
    if (step->removed.error != BASE_OK || step->added.error != BASE_OK || versions == 0 ||
        step->removed.length + step->added.length > bytes)
        return image_delete_range(txn, image->dbis[IMAGE_HISTORY], id);
    int rc = put_pieces(image, txn, id, step);
    if (rc == 0)
        rc = trim(image, txn, id, bytes, versions);
    return image_error(rc);
}

static bool in_zone(const MDB_val *key, uint32_t id)
{
    return key->mv_size == KEY_SIZE && base_load_u32(key->mv_data) == id;
}

static int decode(const MDB_val *value, struct image_history *piece)
{
    const uint8_t *in = value->mv_data;
    if (value->mv_size <= PIECE_HEAD)
        return BASE_EFORMAT;
    *piece = (struct image_history){.from = base_load_u32(in),
                                    .to = base_load_u32(in + 4),
                                    .first = (in[8] & PIECE_FIRST) != 0,
                                    .last = (in[8] & PIECE_LAST) != 0,
                                    .data = in + PIECE_HEAD,
                                    .length = value->mv_size - PIECE_HEAD};
    return BASE_OK;
}

int image_history(struct image_reader *reader, const struct image_zone *zone, uint32_t serial,
                  int (*visit)(void *context, const struct image_history *piece), void *context)
{
    MDB_cursor *cursor = reader->cursors[IMAGE_HISTORY];
    uint8_t octets[KEY_SIZE];
    make_key(octets, zone->id, 0, 0);
    MDB_val key = {KEY_SIZE, octets}, value;
    int rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    bool found = false;
    uint32_t at = serial;
    struct image_history piece;
    for (; rc == 0 && in_zone(&key, zone->id);
         rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        int error = decode(&value, &piece);
        if (error != BASE_OK)
            return error;
        if (!found && (!piece.first || piece.from != serial))
            continue;
        /* Each step begins where the one before ended. */
        if (piece.first && piece.from != at)
            return BASE_EFORMAT;
        found = true;
        error = visit(context, &piece);
        if (error != BASE_OK)
            return error;
        if (piece.last)
            at = piece.to;
    }
    if (rc != 0 && rc != MDB_NOTFOUND)
        return image_error(rc);
    if (!found)
        return BASE_ENOENT;
    return at == zone->serial ? BASE_OK : BASE_EFORMAT;
}
