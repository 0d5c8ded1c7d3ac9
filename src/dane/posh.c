/*
 * POSH documents (RFC 7711 sections 3 and 4).
 */
#include "dane/posh.h"

#include "base/codec.h"
#include "base/error.h"

#include <jansson.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define URL_MAX 2048

static int wrong(char why[200], const char *what)
{
    snprintf(why, 200, "the POSH document %s", what);
    return BASE_EFORMAT;
}

/* Base64 of exactly `size` octets. */
static bool read_digest(const json_t *value, uint8_t *out, size_t size)
{
    size_t length;
    return json_is_string(value) &&
           base_base64_decode(out, size, &length, json_string_value(value),
                              json_string_length(value)) == BASE_OK &&
           length == size;
}

static int read_fingerprint(const json_t *entry, struct dane_posh_fingerprint *out, char why[200])
{
    const json_t *sha256 = json_object_get(entry, "sha-256");
    const json_t *sha512 = json_object_get(entry, "sha-512");
    if (!json_is_object(entry))
        return wrong(why, "has a fingerprint that is no object");
    out->has_sha256 = read_digest(sha256, out->sha256, sizeof out->sha256);
    out->has_sha512 = read_digest(sha512, out->sha512, sizeof out->sha512);
    if ((sha256 && !out->has_sha256) || (sha512 && !out->has_sha512))
        return wrong(why, "has a fingerprint that is not the base64 of its digest");
    /* An entry of digests that are unknown here is passed over. */
    return BASE_OK;
}

static int read_fingerprints(const json_t *list, struct dane_posh *posh, char why[200])
{
    size_t count = json_array_size(list);
    if (!json_is_array(list) || count == 0)
        return wrong(why, "has no list of fingerprints");
    if (count > DANE_POSH_FINGERPRINTS_MAX)
        return wrong(why, "has more fingerprints than is reasonable (64)");
    posh->fingerprints = calloc(count, sizeof *posh->fingerprints);
    if (!posh->fingerprints)
        return BASE_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        int status = read_fingerprint(json_array_get(list, i), &posh->fingerprints[i], why);
        if (status != BASE_OK)
            return status;
    }
    posh->count = count;
    return BASE_OK;
}

static int read_url(const json_t *url, struct dane_posh *posh, char why[200])
{
    const char *text = json_string_value(url);
    size_t length = json_string_length(url);
    if (!text || length > URL_MAX || strlen(text) != length ||
        strncasecmp(text, "https://", 8) != 0)
        return wrong(why, "refers to something that is no https URL");
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)text[i] <= ' ' || (unsigned char)text[i] >= 0x7f)
            return wrong(why, "refers to something that is no https URL");
    }
    posh->url = strdup(text);
    return posh->url ? BASE_OK : BASE_ENOMEM;
}

static int read_document(const json_t *root, struct dane_posh *posh, char why[200])
{
    const json_t *expires = json_object_get(root, "expires");
    const json_t *url = json_object_get(root, "url");
    const json_t *fingerprints = json_object_get(root, "fingerprints");
    if (!json_is_object(root))
        return wrong(why, "is no JSON object");
    if (!json_is_integer(expires) || json_integer_value(expires) <= 0)
        return wrong(why, "does not say for how long it is valid (expires)");
    json_int_t seconds = json_integer_value(expires);
    posh->expires = seconds > UINT32_MAX ? UINT32_MAX : (uint32_t)seconds;
    if (!url == !fingerprints)
        return wrong(why, url ? "has both a url and fingerprints"
                              : "has neither a url nor fingerprints");
    return url ? read_url(url, posh, why) : read_fingerprints(fingerprints, posh, why);
}

int dane_posh_parse(const char *text, size_t length, struct dane_posh *out, char why[200])
{
    struct dane_posh posh = {0};
    if (length > DANE_POSH_TEXT_MAX)
        return wrong(why, "is longer than 64 KiB");
    json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
    if (!root)
        return wrong(why, "is no JSON");
    int status = read_document(root, &posh, why);
    json_decref(root);
    if (status == BASE_OK)
        *out = posh;
    else
        dane_posh_free(&posh);
    return status;
}

void dane_posh_free(struct dane_posh *posh)
{
    free(posh->url);
    free(posh->fingerprints);
    *posh = (struct dane_posh){0};
}

bool dane_posh_match(const struct dane_posh *posh, const uint8_t *leaf, size_t length)
{
    uint8_t sha256[SHA256_DIGEST_LENGTH], sha512[SHA512_DIGEST_LENGTH];
    SHA256(leaf, length, sha256);
    SHA512(leaf, length, sha512);
    for (size_t i = 0; i < posh->count; i++) {
        const struct dane_posh_fingerprint *entry = &posh->fingerprints[i];
        if (entry->has_sha512
                ? memcmp(entry->sha512, sha512, sizeof sha512) == 0
                : entry->has_sha256 && memcmp(entry->sha256, sha256, sizeof sha256) == 0)
            return true;
    }
    return false;
}
