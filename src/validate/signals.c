/* Telling of trust anchors: RFC 8145, and root key sentinels, RFC 8509. */
#include "validate/signals.h"
#include "base/reader.h"

#include <stdio.h>
#include <string.h>

size_t validate_signal_name(const uint8_t *zone, const uint16_t *tags, size_t count,
                            uint8_t out[DNS_NAME_MAX])
{
    char label[DNS_LABEL_MAX + 1] = "_ta";
    size_t length = strlen(label), zone_length = dns_name_length(zone);
    for (size_t i = 0; i < count && i < VALIDATE_SIGNAL_TAGS; i++)
        length += (size_t)snprintf(label + length, sizeof(label) - length, "-%04x", tags[i]);
    if (count == 0 || 1 + length + zone_length > DNS_NAME_MAX)
        return 0;
    out[0] = (uint8_t)length;
    memcpy(out + 1, label, length);
    memcpy(out + 1 + length, zone, zone_length);
    return 1 + length + zone_length;
}

size_t validate_signal_option(const uint16_t *tags, size_t count,
                              uint8_t out[2 * VALIDATE_SIGNAL_TAGS])
{
    if (count > VALIDATE_SIGNAL_TAGS)
        count = VALIDATE_SIGNAL_TAGS;
    for (size_t i = 0; i < count; i++)
        base_store_u16(out + 2 * i, tags[i]);
    return 2 * count;
}

/* The tag of five digits behind `prefix`, which the label must have and nothing more; -1: not so.
 */
static int sentinel_tag(const uint8_t *name, const char *prefix)
{
    size_t length = strlen(prefix);
    unsigned tag = 0;
    if (name[0] != length + 5)
        return -1;
    for (size_t i = 0; i < length; i++)
        if (dns_lower[name[1 + i]] != (uint8_t)prefix[i])
            return -1;
    for (size_t i = length; i < length + 5; i++) {
        if (name[1 + i] < '0' || name[1 + i] > '9')
            return -1;
        tag = tag * 10 + (unsigned)(name[1 + i] - '0');
    }
    return tag <= UINT16_MAX ? (int)tag : -1;
}

bool validate_sentinel_fails(const uint8_t *name, const uint16_t *tags, size_t count)
{
    int is = sentinel_tag(name, "root-key-sentinel-is-ta-");
    int not = sentinel_tag(name, "root-key-sentinel-not-ta-");
    int tag = is >= 0 ? is : not ;
    bool trusted = false;
    for (size_t i = 0; i < count; i++)
        trusted |= tags[i] == tag;
    return tag >= 0 && (is >= 0) != trusted;
}
