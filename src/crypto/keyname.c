/*
 * Names of the files of keys. A zone's name may hold any octet, a file name may not: letters (in
 * lower case), digits, "-" and "_" stand for themselves, everything else is written as %XX, as BIND
 * does. So two zones never share a name, and none leads out of the directory.
 */
#include "base/codec.h"
#include "base/error.h"
#include "crypto/internal.h"
#include "crypto/keyfiles.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The name of a zone takes at most so many characters. A longer one is cut and ends with "~";
 * the digest in the name of the file still tells keys apart. */
#define ZONE_TEXT_MAX 200
#define ROOT          '@'
#define CUT           '~'

static size_t encode_octet(char *out, uint8_t octet)
{
    static const char hex[] = "0123456789ABCDEF";
    uint8_t lower = dns_lower[octet];
    if ((lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9') || lower == '-' ||
        lower == '_') {
        out[0] = (char)lower;
        return 1;
    }
    out[0] = '%';
    out[1] = hex[lower >> 4];
    out[2] = hex[lower & 15];
    return 3;
}

/* Writes the zone with a dot behind each label; returns the characters. */
static size_t encode_zone(const uint8_t *zone, char out[3 * DNS_NAME_MAX])
{
    size_t length = 0;
    for (const uint8_t *label = zone; *label != 0; label += 1 + *label) {
        for (unsigned i = 1; i <= *label; i++)
            length += encode_octet(out + length, label[i]);
        out[length++] = '.';
    }
    return length;
}

/* The zone as it stands in Kenter's own file names; returns the characters. */
static size_t own_zone(const uint8_t *zone, char out[3 * DNS_NAME_MAX])
{
    size_t length = encode_zone(zone, out);
    if (length == 0) {
        out[0] = ROOT;
        return 1;
    }
    if (length > ZONE_TEXT_MAX) {
        out[ZONE_TEXT_MAX] = CUT;
        return ZONE_TEXT_MAX + 1;
    }
    return length;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One octet of a label at *at: a character, or %XX. */
static bool decode_octet(const char *text, size_t length, size_t *at, uint8_t *octet)
{
    if (text[*at] != '%') {
        *octet = (uint8_t)text[(*at)++];
        return true;
    }
    if (length - *at < 3)
        return false;
    int high = hex_digit(text[*at + 1]), low = hex_digit(text[*at + 2]);
    if (high < 0 || low < 0)
        return false;
    *octet = (uint8_t)(high << 4 | low);
    *at += 3;
    return true;
}

int crypto_keyname_zone(const char *text, size_t length, uint8_t out[DNS_NAME_MAX])
{
    uint8_t name[DNS_NAME_MAX];
    size_t used = 0, at = 0;
    if (length == 1 && (text[0] == '.' || text[0] == ROOT)) {
        out[0] = 0;
        return BASE_OK;
    }
    while (at < length) {
        uint8_t label[DNS_LABEL_MAX];
        size_t octets = 0;
        while (at < length && text[at] != '.') {
            if (octets == DNS_LABEL_MAX || !decode_octet(text, length, &at, &label[octets++]))
                return BASE_EFORMAT;
        }
        /* Each label ends with a dot, and there is room for it and the root label. */
        if (at == length || octets == 0 || used + 1 + octets + 1 > DNS_NAME_MAX)
            return BASE_EFORMAT;
        at++;
        name[used++] = (uint8_t)octets;
        memcpy(name + used, label, octets);
        used += octets;
    }
    if (used == 0)
        return BASE_EFORMAT;
    name[used++] = 0;
    memcpy(out, name, used);
    return BASE_OK;
}

bool crypto_keyname_is_of(const char *text, size_t length, const uint8_t *zone)
{
    uint8_t name[DNS_NAME_MAX];
    if (crypto_keyname_zone(text, length, name) == BASE_OK)
        return dns_name_equal(name, zone);
    char own[3 * DNS_NAME_MAX];
    return own_zone(zone, own) == length && memcmp(own, text, length) == 0;
}

void crypto_keyname_stem(const struct crypto_zone_key *key, char out[CRYPTO_STEM_MAX])
{
    char zone[3 * DNS_NAME_MAX];
    int length = (int)own_zone(key->zone, zone);
    snprintf(out, CRYPTO_STEM_MAX, "%.*s+%03u+%05u+%02x%02x%02x%02x", length, zone, key->algorithm,
             key->tag, key->id[0], key->id[1], key->id[2], key->id[3]);
}

int crypto_keyname_bind(const struct crypto_zone_key *key, char out[CRYPTO_STEM_MAX])
{
    char zone[3 * DNS_NAME_MAX];
    size_t length = encode_zone(key->zone, zone);
    if (length == 0)
        zone[length++] = '.';
    if (length > ZONE_TEXT_MAX)
        return BASE_ERANGE;
    snprintf(out, CRYPTO_STEM_MAX, "K%.*s+%03u+%05u", (int)length, zone, key->algorithm, key->tag);
    return BASE_OK;
}

/* As of the files, without the last dot; what was cut off is told apart by a digest. */
char *crypto_keydir_path(const char *directory, const uint8_t *zone)
{
    uint8_t lower[DNS_NAME_MAX], digest[CRYPTO_DIGEST_MAX];
    char name[3 * DNS_NAME_MAX];
    size_t octets = dns_name_lower(lower, zone), length = encode_zone(lower, name);
    if (length == 0)
        name[length++] = ROOT;
    else
        length--;
    if (length > ZONE_TEXT_MAX) {
        crypto_digest(CRYPTO_SHA256, lower, octets, digest);
        length = ZONE_TEXT_MAX;
        name[length++] = CUT;
        length += base_hex_encode(name + length, digest, 16);
    }
    bool slash = directory[0] != '\0' && directory[strlen(directory) - 1] == '/';
    size_t room = strlen(directory) + length + 2;
    char *path = malloc(room);
    if (path != NULL)
        snprintf(path, room, "%s%s%.*s", directory, slash ? "" : "/", (int)length, name);
    return path;
}
