/*
 * Files of keys from strangers: BIND's private and public texts, Kenter's metadata, PKCS#8, and
 * public keys with signatures. The first octet says which; the rest is the content.
 */
#include "base/error.h"
#include "crypto/crypto.h"
#include "crypto/keyfiles.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was accepted must survive being written and read again. */
static void check_key(struct crypto_key *key)
{
    char *text;
    size_t length;
    struct crypto_key *again;
    if (crypto_key_to_bind(key, &text, &length) != BASE_OK ||
        crypto_key_from_bind(text, length, &again) != BASE_OK)
        abort();
    free(text);
    crypto_key_free(again);
    if (crypto_key_to_pem(key, &text, &length) != BASE_OK ||
        crypto_key_from_pem(crypto_key_algorithm(key), text, length, &again) != BASE_OK)
        abort();
    free(text);
    crypto_key_free(again);
    crypto_key_free(key);
}

static void fuzz_pem(const char *text, size_t length)
{
    struct crypto_key *key;
    for (unsigned algorithm = 8; algorithm <= 16; algorithm++) {
        if (crypto_key_from_pem(algorithm, text, length, &key) == BASE_OK)
            check_key(key);
    }
}

static void fuzz_private(const struct crypto_keyplace *place, const char *text, size_t length,
                         struct crypto_zone_key *zone_key)
{
    if (crypto_pair_parse_private(place, "K.private", text, length, zone_key) == BASE_OK)
        check_key(zone_key->key);
}

static void fuzz_meta(const struct crypto_keyplace *place, const char *text, size_t length,
                      struct crypto_zone_key *zone_key)
{
    char *again;
    char stem[CRYPTO_STEM_MAX];
    if (crypto_keymeta_read(place, "K.json", text, length, zone_key) != BASE_OK)
        return;
    crypto_keyname_stem(zone_key, stem);
    const char *plus = strchr(stem, '+');
    if (plus == NULL || !crypto_keyname_is_of(stem, (size_t)(plus - stem), zone_key->zone))
        abort();
    if (crypto_keymeta_write(zone_key, &again) != BASE_OK ||
        crypto_keymeta_read(place, "K.json", again, strlen(again), zone_key) != BASE_OK)
        abort();
    free(again);
}

/* Length of the DNSKEY rdata in one octet and a half, DNSKEY, signature. */
static void fuzz_verify(const uint8_t *data, size_t size)
{
    struct crypto_verifier *verifier;
    if (size < 2)
        return;
    size_t key = (size_t)(data[0] << 8 | data[1]) % (size - 1);
    if (crypto_verifier_new(data + 2, key, true, &verifier) != BASE_OK)
        return;
    size_t rest = size - 2 - key;
    crypto_verify(verifier, data, 2, data + 2 + key, rest);
    crypto_verify(verifier, data, 2, data + 2 + key, rest < 64 ? rest : 64);
    crypto_verifier_free(verifier);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > CRYPTO_KEYFILE_LIMIT)
        return 0;
    size_t length = size - 1;
    char *text = malloc(length + 1);
    struct crypto_zone_key *zone_key = calloc(1, sizeof(*zone_key));
    if (text == NULL || zone_key == NULL)
        abort();
    memcpy(text, data + 1, length);
    text[length] = '\0';
    struct base_findings findings;
    base_findings_init(&findings, 10);
    const struct crypto_keyplace place = {.fd = -1, .path = "", .findings = &findings};
    uint8_t zone[DNS_NAME_MAX];
    switch (data[0]) {
    case 'B':
        fuzz_private(&place, text, length, zone_key);
        break;
    case 'K':
        if (crypto_pair_parse_public(&place, "K.key", text, length, zone_key) == BASE_OK)
            crypto_zone_key_check_public(&place, "K.key", zone_key);
        break;
    case 'J':
        fuzz_meta(&place, text, length, zone_key);
        break;
    case 'P':
        fuzz_pem(text, length);
        break;
    case 'V':
        fuzz_verify(data + 1, length);
        break;
    case 'N':
        crypto_keyname_zone(text, length, zone);
        break;
    default:
        break;
    }
    base_findings_free(&findings);
    free(zone_key);
    free(text);
    return 0;
}
