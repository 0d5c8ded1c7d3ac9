/*
 * Keys whose private half is elsewhere. What they are to sign is gathered, so that a round trip is
 * paid for many signatures; the signatures go straight to where they are wanted.
 */
#include "base/buf.h"
#include "base/error.h"
#include "base/reader.h"
#include "crypto/internal.h"

#include <stdlib.h>
#include <string.h>

#define BATCH        256   /* signatures asked for at once */
#define INPUT_OCTETS 65536 /* of all inputs of a batch */

struct crypto_pending {
    const struct crypto_key *key;
    size_t signature_size;
    struct base_buf inputs;
    size_t count;
    struct crypto_remote_item items[BATCH]; /* `input` is set when they are sent */
};

int crypto_pending_new(const struct crypto_key *key, size_t signature_size,
                       struct crypto_pending **out)
{
    struct crypto_pending *pending = malloc(sizeof(*pending));
    if (pending == NULL)
        return BASE_ENOMEM;
    pending->key = key;
    pending->signature_size = signature_size;
    pending->count = 0;
    base_buf_init(&pending->inputs, INPUT_OCTETS);
    *out = pending;
    return BASE_OK;
}

void crypto_pending_free(struct crypto_pending *pending)
{
    if (pending == NULL)
        return;
    base_buf_free(&pending->inputs);
    free(pending);
}

static int sign_items(const struct crypto_pending *pending, const struct crypto_remote_item *items,
                      size_t count)
{
    const struct crypto_key *key = pending->key;
    return key->remote->sign(key->remote->context, key->id, items, count, pending->signature_size);
}

int crypto_pending_flush(struct crypto_pending *pending)
{
    if (pending->count == 0)
        return BASE_OK;
    static const uint8_t nothing[1]; /* when all messages are empty, there is no buffer */
    const uint8_t *inputs = pending->inputs.data != NULL ? pending->inputs.data : nothing;
    size_t at = 0;
    for (size_t i = 0; i < pending->count; i++) {
        pending->items[i].input = inputs + at;
        at += pending->items[i].length;
    }
    int error = sign_items(pending, pending->items, pending->count);
    pending->count = 0;
    base_buf_reset(&pending->inputs);
    return error;
}

int crypto_pending_add(struct crypto_pending *pending, const uint8_t *input, size_t length,
                       uint8_t *out)
{
    struct crypto_remote_item item = {input, length, out};
    if (pending->count == BATCH || pending->inputs.length + length > INPUT_OCTETS) {
        int error = crypto_pending_flush(pending);
        if (error != BASE_OK)
            return error;
    }
    if (length > INPUT_OCTETS)
        return sign_items(pending, &item, 1);
    base_buf_append(&pending->inputs, input, length);
    if (pending->inputs.error != BASE_OK)
        return pending->inputs.error;
    pending->items[pending->count++] = item;
    return BASE_OK;
}

/* The size of the modulus (RFC 3110 section 2); 0 when there is none of a size that we take. */
static unsigned rsa_bits(const uint8_t *public, size_t length)
{
    struct base_reader reader = base_reader_make(public, length);
    size_t exponent = base_reader_u8(&reader);
    if (exponent == 0)
        exponent = base_reader_u16(&reader);
    base_reader_bytes(&reader, exponent);
    size_t modulus = base_reader_left(&reader);
    if (exponent == 0 || modulus == 0 || modulus > CRYPTO_RSA_BITS_MAX / 8)
        return 0;
    uint8_t first = public[length - modulus];
    unsigned bits = (unsigned)modulus * 8;
    for (unsigned mask = 0x80; mask != 0 && (first & mask) == 0; mask >>= 1)
        bits--;
    return first != 0 && bits >= CRYPTO_RSA_BITS_MIN ? bits : 0;
}

static unsigned public_bits(unsigned algorithm, const struct crypto_family_info *family,
                            const uint8_t *public, size_t length)
{
    if (family->family == CRYPTO_FAMILY_RSA)
        return rsa_bits(public, length);
    if (length != family->public_size)
        return 0;
    /* As the library counts them (EVP_PKEY_get_bits). */
    return algorithm == CRYPTO_ECDSAP256   ? 256
           : algorithm == CRYPTO_ECDSAP384 ? 384
           : algorithm == CRYPTO_ED25519   ? 256
                                           : 456;
}

int crypto_key_remote(unsigned algorithm, const uint8_t *public, size_t length,
                      const uint8_t id[CRYPTO_KEY_ID], const struct crypto_remote *remote,
                      struct crypto_key **out)
{
    const struct crypto_algorithm_info *info = crypto_algorithm(algorithm);
    if (info == NULL || !info->sign)
        return BASE_EUNSUPPORTED;
    if (length > CRYPTO_PUBLIC_MAX)
        return BASE_EFORMAT;
    unsigned bits = public_bits(algorithm, crypto_family(algorithm), public, length);
    if (bits == 0)
        return BASE_EFORMAT;
    struct crypto_key *key = calloc(1, sizeof(*key));
    if (key == NULL)
        return BASE_ENOMEM;
    key->remote = remote;
    key->algorithm = algorithm;
    key->bits = bits;
    key->public_length = length;
    memcpy(key->id, id, sizeof(key->id));
    memcpy(key->public, public, length);
    *out = key;
    return BASE_OK;
}

bool crypto_key_is_remote(const struct crypto_key *key)
{
    return key->pkey == NULL;
}
