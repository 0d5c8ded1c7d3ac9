/* The digest over a zone: see zonemd.h. */
#include "zone/zonemd.h"

#include "base/error.h"
#include "base/reader.h"
#include "crypto/crypto.h"
#include "zone/pieces.h"

#include <string.h>

/* Of the apex: what cannot be part of its own digest (RFC 8976 section 3.3.1.1). */
static bool is_excluded(const struct zone_node *node, const struct dns_rr *rr)
{
    if (!(node->flags & ZONE_APEX))
        return false;
    if (rr->type == DNS_TYPE_ZONEMD)
        return true;
    return rr->type == DNS_TYPE_RRSIG && rr->length >= 2 &&
           base_load_u16(rr->rdata) == DNS_TYPE_ZONEMD;
}

static void add_record(struct base_buf *buf, const uint8_t *owner, size_t owner_length,
                       const struct dns_rr *rr)
{
    uint8_t *at = base_buf_reserve(buf, owner_length + 10 + rr->length);
    if (at == NULL)
        return; /* the error sticks to the buffer */
    memcpy(at, owner, owner_length);
    at += owner_length;
    base_store_u16(at, rr->type);
    base_store_u16(at + 2, DNS_CLASS_IN);
    base_store_u32(at + 4, rr->ttl);
    base_store_u16(at + 8, rr->length);
    if (rr->canonical)
        memcpy(at + 10, rr->rdata, rr->length);
    else
        dns_rdata_canonical(rr->type, rr->rdata, rr->length, at + 10);
    buf->length += owner_length + 10 + rr->length;
}

static int fill(const void *context, size_t first, size_t end, struct base_buf *buf)
{
    const struct zone *zone = context;
    for (size_t i = first; i < end; i++) {
        const struct zone_node *node = &zone->nodes[i];
        uint8_t owner[DNS_NAME_MAX];
        size_t owner_length = dns_name_lower(owner, node->name);
        for (unsigned j = 0; j < node->rrset_count; j++) {
            const struct zone_rrset *rrset = &zone->rrsets[node->first_rrset + j];
            for (unsigned k = 0; k < rrset->count; k++) {
                const struct dns_rr *rr = zone->rrs[rrset->first_rr + k];
                if (!is_excluded(node, rr))
                    add_record(buf, owner, owner_length, rr);
            }
        }
    }
    return BASE_OK;
}

static size_t piece_end(const void *context, size_t first)
{
    return zone_piece_end(context, first);
}

static int take(void *taker, const void *data, size_t length, size_t end)
{
    return length == 0 ? BASE_OK : crypto_hasher_update(taker, data, length);
}

int zone_zonemd(const struct zone *zone, unsigned algorithm, uint8_t digest[ZONE_ZONEMD_MAX],
                size_t *length)
{
    if (algorithm != ZONE_ZONEMD_SHA384 && algorithm != ZONE_ZONEMD_SHA512)
        return BASE_EUNSUPPORTED;
    struct crypto_hasher *hasher;
    int error =
        crypto_hasher_new(algorithm == ZONE_ZONEMD_SHA384 ? CRYPTO_SHA384 : CRYPTO_SHA512, &hasher);
    if (error != BASE_OK)
        return error;
    const struct zone_pieces pieces = {.end = piece_end,
                                       .fill = fill,
                                       .take = take,
                                       .context = zone,
                                       .taker = hasher,
                                       .count = zone->node_count};
    error = zone_pieces_run(&pieces);
    if (error == BASE_OK)
        error = crypto_hasher_final(hasher, digest, length);
    crypto_hasher_free(hasher);
    return error;
}
