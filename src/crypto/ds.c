/* What a parent says of a key: key tags and DS digests. */
#include "base/error.h"
#include "crypto/internal.h"
#include "dns/name.h"

uint16_t crypto_key_tag(const uint8_t *dnskey, size_t length)
{
    /* RFC 4034 appendix B. Its special case for algorithm 1 is not needed: RSAMD5 must not be
     * used (RFC 6725), and a tag only helps to find a key. */
    uint32_t sum = 0;
    for (size_t i = 0; i < length; i++)
        sum += (i & 1) ? dnskey[i] : (uint32_t)dnskey[i] << 8;
    sum += sum >> 16 & 0xffff;
    return (uint16_t)sum;
}

int crypto_ds_digest(unsigned digest_type, const uint8_t *owner, const uint8_t *dnskey,
                     size_t dnskey_length, uint8_t out[CRYPTO_DIGEST_MAX], size_t *out_length)
{
    enum crypto_hash hash;
    switch (digest_type) {
    case 1:
        hash = CRYPTO_SHA1;
        break;
    case 2:
        hash = CRYPTO_SHA256;
        break;
    case 4:
        hash = CRYPTO_SHA384;
        break;
    default:
        return BASE_EUNSUPPORTED;
    }
    struct crypto_hasher *hasher;
    int error = crypto_hasher_new(hash, &hasher);
    if (error != BASE_OK)
        return error;
    uint8_t name[DNS_NAME_MAX];
    crypto_hasher_update(hasher, name, dns_name_lower(name, owner));
    crypto_hasher_update(hasher, dnskey, dnskey_length);
    crypto_hasher_final(hasher, out, out_length);
    crypto_hasher_free(hasher);
    return BASE_OK;
}
