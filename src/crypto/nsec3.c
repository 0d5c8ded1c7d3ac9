/*
 * The NSEC3 hash (RFC 5155 section 5): SHA-1 over the lower-case name and the salt, and then
 * `iterations` times over the result and the salt.
 *
 * A zone hashes each of its names once, so this runs a million times in a row. Nearly all inputs
 * fit into one block of SHA-1, which is then padded in place and given to the block function
 * without the bookkeeping of an incremental digest.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/error.h"
#include "base/reader.h"
#include "crypto/internal.h"
#include "dns/name.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK     64
#define ONE_BLOCK 55 /* octets that fit into a block together with the padding */

struct crypto_nsec3 {
    uint16_t iterations;
    uint8_t salt_length;
    uint8_t salt[255];
    uint8_t input[DNS_NAME_MAX + 255];
};

int crypto_nsec3_new(uint16_t iterations, const uint8_t *salt, size_t salt_length,
                     struct crypto_nsec3 **out)
{
    if (salt_length > 255)
        return BASE_ERANGE;
    struct crypto_nsec3 *nsec3 = calloc(1, sizeof(*nsec3));
    if (nsec3 == NULL)
        return BASE_ENOMEM;
    nsec3->iterations = iterations;
    nsec3->salt_length = (uint8_t)salt_length;
    if (salt_length > 0)
        memcpy(nsec3->salt, salt, salt_length);
    *out = nsec3;
    return BASE_OK;
}

static void hash_block(const uint8_t *data, size_t length, uint8_t out[CRYPTO_NSEC3_SIZE])
{
    uint8_t block[BLOCK] = {0};
    memcpy(block, data, length);
    block[length] = 0x80;
    base_store_u16(block + BLOCK - 2, (uint16_t)(length * 8));
    SHA_CTX state;
    SHA1_Init(&state);
    SHA1_Transform(&state, block);
    base_store_u32(out, state.h0);
    base_store_u32(out + 4, state.h1);
    base_store_u32(out + 8, state.h2);
    base_store_u32(out + 12, state.h3);
    base_store_u32(out + 16, state.h4);
}

static void hash_once(const uint8_t *data, size_t length, uint8_t out[CRYPTO_NSEC3_SIZE])
{
    if (length <= ONE_BLOCK) {
        hash_block(data, length, out);
        return;
    }
    SHA_CTX state;
    SHA1_Init(&state);
    SHA1_Update(&state, data, length);
    SHA1_Final(out, &state);
}

int crypto_nsec3_hash(struct crypto_nsec3 *nsec3, const uint8_t *name,
                      uint8_t out[CRYPTO_NSEC3_SIZE])
{
    uint8_t *input = nsec3->input;
    size_t length = dns_name_lower(input, name);
    memcpy(input + length, nsec3->salt, nsec3->salt_length);
    hash_once(input, length + nsec3->salt_length, out);
    if (nsec3->iterations == 0)
        return BASE_OK;
    memcpy(input + CRYPTO_NSEC3_SIZE, nsec3->salt, nsec3->salt_length);
    for (unsigned i = 0; i < nsec3->iterations; i++) {
        memcpy(input, out, CRYPTO_NSEC3_SIZE);
        hash_once(input, CRYPTO_NSEC3_SIZE + nsec3->salt_length, out);
    }
    return BASE_OK;
}

void crypto_nsec3_free(struct crypto_nsec3 *nsec3)
{
    free(nsec3);
}
