/* Metadata of a zone, to and from octets: see internal.h. */
#include "image/internal.h"

#include <string.h>

static void store_u64(uint8_t *out, uint64_t value)
{
    base_store_u32(out, (uint32_t)(value >> 32));
    base_store_u32(out + 4, (uint32_t)value);
}

static uint64_t load_u64(const uint8_t *in)
{
    return (uint64_t)base_load_u32(in) << 32 | base_load_u32(in + 4);
}

size_t image_zone_key(uint8_t out[IMAGE_KEY_MAX], const uint8_t *apex)
{
    out[0] = 'z'; /* the root has an empty key, which LMDB does not take */
    return 1 + dns_name_key(out + 1, apex, 0);
}

size_t image_zone_encode(uint8_t out[IMAGE_ZONE_RECORD_MAX], const struct image_zone *zone)
{
    out[0] = IMAGE_LAYOUT;
    out[1] = zone->denial;
    base_store_u16(out + 2, zone->iterations);
    base_store_u32(out + 4, zone->id);
    base_store_u32(out + 8, zone->serial);
    base_store_u32(out + 12, zone->negative_ttl);
    store_u64(out + 16, zone->version);
    store_u64(out + 24, (uint64_t)zone->published);
    store_u64(out + 32, (uint64_t)zone->earliest_expiry);
    store_u64(out + 40, (uint64_t)zone->next_resign);
    store_u64(out + 48, zone->nodes);
    store_u64(out + 56, zone->records);
    store_u64(out + 64, zone->template);
    base_store_u32(out + 72, (uint32_t)zone->expires);
    out[76] = zone->salt_length;
    out[77] = zone->apex_length;
    uint8_t *put = out + IMAGE_ZONE_HEAD;
    if (zone->salt_length > 0)
        memcpy(put, zone->salt, zone->salt_length);
    put += zone->salt_length;
    memcpy(put, zone->apex, zone->apex_length);
    return (size_t)(put + zone->apex_length - out);
}

int image_zone_decode(const MDB_val *value, struct image_zone *zone)
{
    const uint8_t *in = value->mv_data;
    if (value->mv_size < IMAGE_ZONE_HEAD || in[0] != IMAGE_LAYOUT || in[1] > IMAGE_NSEC3 ||
        value->mv_size != (size_t)IMAGE_ZONE_HEAD + in[76] + in[77])
        return BASE_EFORMAT;
    size_t used;
    const uint8_t *apex = in + IMAGE_ZONE_HEAD + in[76];
    if (dns_name_check(apex, in[77], &used) != BASE_OK || used != in[77])
        return BASE_EFORMAT;
    *zone = (struct image_zone){
        .denial = in[1],
        .iterations = base_load_u16(in + 2),
        .id = base_load_u32(in + 4),
        .serial = base_load_u32(in + 8),
        .negative_ttl = base_load_u32(in + 12),
        .version = load_u64(in + 16),
        .published = (base_time)load_u64(in + 24),
        .earliest_expiry = (base_time)load_u64(in + 32),
        .next_resign = (base_time)load_u64(in + 40),
        .nodes = load_u64(in + 48),
        .records = load_u64(in + 56),
        .template = load_u64(in + 64),
        .expires = base_load_u32(in + 72),
        .salt = in + IMAGE_ZONE_HEAD,
        .salt_length = in[76],
        .apex = apex,
        .apex_length = in[77],
        .apex_labels = (uint8_t)dns_name_labels(apex),
    };
    return BASE_OK;
}
