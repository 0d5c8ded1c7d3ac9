/* The packets that are sent: see internal.h. */
#include "base/reader.h"
#include "dns/message.h"
#include "resolve/internal.h"

#include <string.h>

#define OPTION_KEY_TAG 14 /* RFC 8145 section 4.1 */

static size_t put_tags(const struct resolve_query_options *options, uint8_t *out)
{
    if (options->tag_count == 0)
        return 0;
    base_store_u16(out, OPTION_KEY_TAG);
    base_store_u16(out + 2, (uint16_t)(2 * options->tag_count));
    for (size_t i = 0; i < options->tag_count; i++)
        base_store_u16(out + 4 + 2 * i, options->tags[i]);
    return 4 + 2 * options->tag_count;
}

size_t resolve_query_build(const uint8_t *name, uint16_t type,
                           const struct resolve_query_options *options,
                           uint8_t out[RESOLVE_QUERY_MAX])
{
    size_t at = DNS_MESSAGE_HEADER, length = dns_name_length(name);
    memset(out, 0, DNS_MESSAGE_HEADER);
    base_store_u16(out, options->id);
    base_store_u16(out + 2, (uint16_t)(DNS_FLAG_CD | (options->recursion ? DNS_FLAG_RD : 0)));
    base_store_u16(out + 4, 1);
    base_store_u16(out + 10, 1);
    memcpy(out + at, name, length);
    at += length;
    base_store_u16(out + at, type);
    base_store_u16(out + at + 2, DNS_CLASS_IN);
    at += 4;
    /* OPT (RFC 6891 section 6.1.2): root, type, payload, rcode and version and flags, options. */
    out[at] = 0;
    base_store_u16(out + at + 1, DNS_TYPE_OPT);
    base_store_u16(out + at + 3, RESOLVE_PAYLOAD);
    base_store_u32(out + at + 5, DNS_EDNS_DO);
    size_t size = put_tags(options, out + at + 11);
    base_store_u16(out + at + 9, (uint16_t)size);
    return at + 11 + size;
}
