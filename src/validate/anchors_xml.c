/*
 * IANA's root-anchors.xml (RFC 9718 section 2.1). The file has elements, attributes and text and
 * nothing else of XML: this reads just that and refuses what could mean more (a document type,
 * entities of its own, CDATA), so that what is read here is what everybody reads in it.
 */
#include "base/codec.h"
#include "base/error.h"
#include "base/reader.h"
#include "crypto/crypto.h"
#include "validate/anchors_parts.h"

#include <stdio.h>
#include <string.h>

struct slice {
    const char *text;
    size_t length;
};

/* One KeyDigest. Text fields are as in the file, white space around them taken off. */
struct digest {
    struct slice tag, algorithm, type, digest, key, flags;
    base_time from, until;
    uint32_t line;
};

struct xml {
    struct validate_anchors_reader *reader;
    const char *text;
    size_t length, at;
    struct slice zone;
    size_t counted; /* octets */
    uint32_t lines; /* in these */
};

/* Lines are counted on from where they were asked for last; places only grow. */
static uint32_t line_of(struct xml *xml, size_t at)
{
    for (; xml->counted < at; xml->counted++)
        xml->lines += xml->text[xml->counted] == '\n';
    return xml->lines + 1;
}

static void refuse(struct xml *xml, size_t at, const char *what)
{
    if (!xml->reader->refused)
        validate_anchors_refuse(xml->reader, ANCHORS_SYNTAX, line_of(xml, at), "%s", what);
    xml->at = xml->length;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct slice trimmed(struct slice slice)
{
    while (slice.length > 0 && is_space(slice.text[0])) {
        slice.text++;
        slice.length--;
    }
    while (slice.length > 0 && is_space(slice.text[slice.length - 1]))
        slice.length--;
    return slice;
}

static bool is(struct slice slice, const char *what)
{
    return slice.length == strlen(what) && memcmp(slice.text, what, slice.length) == 0;
}

/* Steps behind `mark`; false when it is not there any more. */
static bool skip_behind(struct xml *xml, const char *mark)
{
    size_t start = xml->at;
    const char *found = memmem(xml->text + xml->at, xml->length - xml->at, mark, strlen(mark));
    if (found == NULL) {
        refuse(xml, start, "the file ends within a comment or instruction");
        return false;
    }
    xml->at = (size_t)(found - xml->text) + strlen(mark);
    return true;
}

/* Gives the next tag without its brackets, and the text before it. False: at the end, or refused.
 */
static bool next_tag(struct xml *xml, struct slice *before, struct slice *tag)
{
    *before = (struct slice){.text = xml->text + xml->at};
    while (xml->at < xml->length) {
        const char *at = xml->text + xml->at;
        size_t left = xml->length - xml->at;
        if (*at == '&' || *at == '\0') {
            refuse(xml, xml->at, "entities and NUL have no place in this file");
            return false;
        }
        if (*at != '<') {
            xml->at++;
            before->length = (size_t)(xml->text + xml->at - before->text);
            continue;
        }
        if (left >= 2 && (at[1] == '?' || at[1] == '!')) {
            bool comment = left >= 4 && memcmp(at, "<!--", 4) == 0;
            if (at[1] == '!' && !comment) {
                refuse(xml, xml->at, "a document type or CDATA has no place in this file");
                return false;
            }
            if (trimmed(*before).length > 0) {
                refuse(xml, xml->at, "a comment stands within a value");
                return false;
            }
            xml->at += comment ? 4 : 2;
            if (!skip_behind(xml, comment ? "-->" : "?>"))
                return false;
            *before = (struct slice){.text = xml->text + xml->at};
            continue;
        }
        const char *end = memchr(at, '>', left);
        if (end == NULL) {
            refuse(xml, xml->at, "the file ends within a tag");
            return false;
        }
        *tag = (struct slice){at + 1, (size_t)(end - at) - 1};
        xml->at = (size_t)(end - xml->text) + 1;
        return true;
    }
    return false;
}

static struct slice element(struct slice tag)
{
    size_t length = 0;
    while (length < tag.length && !is_space(tag.text[length]) &&
           (tag.text[length] != '/' || length == 0))
        length++;
    return (struct slice){tag.text, length};
}

/* The value of an attribute; empty when there is none. */
static struct slice attribute(struct slice tag, const char *name)
{
    struct slice none = {tag.text, 0};
    size_t at = element(tag).length;
    while (at < tag.length) {
        while (at < tag.length && is_space(tag.text[at]))
            at++;
        struct slice key = {tag.text + at, 0};
        while (at < tag.length && tag.text[at] != '=' && !is_space(tag.text[at])) {
            at++;
            key.length++;
        }
        while (at < tag.length && (is_space(tag.text[at]) || tag.text[at] == '='))
            at++;
        if (at >= tag.length || (tag.text[at] != '"' && tag.text[at] != '\''))
            return none;
        char quote = tag.text[at++];
        struct slice value = {tag.text + at, 0};
        while (at < tag.length && tag.text[at] != quote) {
            at++;
            value.length++;
        }
        if (at >= tag.length)
            return none;
        at++;
        if (is(key, name))
            return value;
    }
    return none;
}

/* A time of XML Schema, "2017-02-02T00:00:00+00:00"; 0 when there is none. */
static bool read_time(struct slice slice, base_time *out)
{
    char text[BASE_TIME_TEXT];
    int sign = 1, hours = 0, minutes = 0;
    *out = 0;
    if (slice.length == 0)
        return true;
    if (slice.length < 20)
        return false;
    snprintf(text, sizeof(text), "%.19sZ", slice.text);
    if (base_time_parse(text, 0, out) != BASE_OK)
        return false;
    struct slice zone = {slice.text + 19, slice.length - 19};
    if (is(zone, "Z"))
        return true;
    if (zone.length != 6 || (zone.text[0] != '+' && zone.text[0] != '-') || zone.text[3] != ':')
        return false;
    for (int i = 1; i < 6; i++)
        if (i != 3 && (zone.text[i] < '0' || zone.text[i] > '9'))
            return false;
    sign = zone.text[0] == '-' ? -1 : 1;
    hours = (zone.text[1] - '0') * 10 + zone.text[2] - '0';
    minutes = (zone.text[4] - '0') * 10 + zone.text[5] - '0';
    *out -= sign * (hours * 3600 + minutes * 60);
    return true;
}

static bool read_number(struct slice slice, unsigned most, unsigned *out)
{
    unsigned number = 0;
    if (slice.length == 0 || slice.length > 5)
        return false;
    for (size_t i = 0; i < slice.length; i++) {
        if (slice.text[i] < '0' || slice.text[i] > '9')
            return false;
        number = number * 10 + (unsigned)(slice.text[i] - '0');
    }
    *out = number;
    return number <= most;
}

/* The key, where it is given too, must be the one of the digest. */
static bool key_fits(struct xml *xml, const struct digest *digest, const uint8_t *zone,
                     const uint8_t *ds, size_t ds_length)
{
    uint8_t dnskey[CRYPTO_DNSKEY_MAX], made[CRYPTO_DIGEST_MAX];
    char text[BASE_BASE64_SIZE(CRYPTO_PUBLIC_MAX)];
    size_t length = 0, text_length = 0, made_length;
    unsigned flags = 257;
    if (digest->key.length == 0)
        return true;
    for (size_t i = 0; i < digest->key.length && text_length < sizeof(text); i++)
        if (!is_space(digest->key.text[i]))
            text[text_length++] = digest->key.text[i];
    if ((digest->flags.length > 0 && !read_number(digest->flags, UINT16_MAX, &flags)) ||
        base_base64_decode(dnskey + 4, CRYPTO_PUBLIC_MAX, &length, text, text_length) != BASE_OK) {
        refuse(xml, xml->at, "Flags or PublicKey of a KeyDigest is malformed");
        return false;
    }
    base_store_u16(dnskey, (uint16_t)flags);
    dnskey[2] = 3;
    dnskey[3] = ds[2];
    int error = crypto_ds_digest(ds[3], zone, dnskey, length + 4, made, &made_length);
    if (error == BASE_EUNSUPPORTED)
        return true;
    if (error == BASE_OK && crypto_key_tag(dnskey, length + 4) == base_load_u16(ds) &&
        made_length == ds_length - 4 && memcmp(made, ds + 4, made_length) == 0)
        return true;
    validate_anchors_refuse(xml->reader, ANCHORS_MISMATCH, digest->line,
                            "PublicKey is not the key that Digest and KeyTag %u are made from",
                            base_load_u16(ds));
    return false;
}

static int take(struct xml *xml, const struct digest *digest)
{
    static const uint8_t root[1] = {0};
    uint8_t zone[DNS_NAME_MAX], ds[4 + CRYPTO_DIGEST_MAX];
    unsigned tag, algorithm, type;
    size_t length;
    struct validate_anchors_reader *reader = xml->reader;
    if (dns_name_from_text(zone, &length, xml->zone.text, xml->zone.length, root) != BASE_OK) {
        refuse(xml, xml->at, "Zone is missing before the first KeyDigest, or no domain name");
        return BASE_OK;
    }
    if (!read_number(digest->tag, UINT16_MAX, &tag) ||
        !read_number(digest->algorithm, UINT8_MAX, &algorithm) ||
        !read_number(digest->type, UINT8_MAX, &type) ||
        base_hex_decode(ds + 4, CRYPTO_DIGEST_MAX, &length, digest->digest.text,
                        digest->digest.length) != BASE_OK) {
        refuse(xml, xml->at, "KeyTag, Algorithm, DigestType or Digest is missing or malformed");
        return BASE_OK;
    }
    base_store_u16(ds, (uint16_t)tag);
    ds[2] = (uint8_t)algorithm;
    ds[3] = (uint8_t)type;
    if (!key_fits(xml, digest, zone, ds, length + 4))
        return BASE_OK;
    return validate_anchors_take(reader, zone, DNS_TYPE_DS, ds, length + 4, digest->from,
                                 digest->until, digest->line);
}

/* Keeps the text of an element that ended. */
static void keep(struct xml *xml, struct digest *digest, struct slice name, struct slice text)
{
    const struct {
        const char *name;
        struct slice *field;
    } fields[] = {{"/Zone", &xml->zone},
                  {"/KeyTag", &digest->tag},
                  {"/Algorithm", &digest->algorithm},
                  {"/DigestType", &digest->type},
                  {"/Digest", &digest->digest},
                  {"/PublicKey", &digest->key},
                  {"/Flags", &digest->flags}};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (is(name, fields[i].name))
            *fields[i].field = trimmed(text);
}

int validate_anchors_read_xml(struct validate_anchors_reader *reader)
{
    struct xml xml = {.reader = reader, .text = reader->text, .length = reader->length};
    struct digest digest = {.line = 0};
    struct slice text, tag;
    bool root_seen = false, root_ended = false;
    int error = BASE_OK;
    if (xml.length >= 3 && memcmp(xml.text, "\xef\xbb\xbf", 3) == 0)
        xml.at = 3;
    while (error == BASE_OK && !reader->refused && next_tag(&xml, &text, &tag)) {
        struct slice name = element(tag);
        root_seen |= is(name, "TrustAnchor");
        root_ended |= is(name, "/TrustAnchor");
        if (!root_seen) {
            refuse(&xml, xml.at, "this is no file of trust anchors: its root is not TrustAnchor");
        } else if (is(name, "KeyDigest")) {
            digest = (struct digest){.line = line_of(&xml, xml.at)};
            if (!read_time(attribute(tag, "validFrom"), &digest.from) ||
                !read_time(attribute(tag, "validUntil"), &digest.until))
                refuse(&xml, xml.at, "validFrom or validUntil is no time");
        } else if (is(name, "/KeyDigest")) {
            if (digest.line == 0)
                refuse(&xml, xml.at, "a KeyDigest ends that did not begin");
            else
                error = take(&xml, &digest);
            digest = (struct digest){.line = 0};
        } else {
            keep(&xml, &digest, name, text);
        }
    }
    if (error == BASE_OK && !reader->refused && !root_ended)
        refuse(&xml, xml.length, "the file ends before </TrustAnchor>");
    return error;
}
