/* Keys for a zone: see provide.h. */
#include "sign/provide.h"

#include "base/error.h"

#include <string.h>

static int make_key(const char *directory, const uint8_t *zone, const struct sign_policy *policy,
                    enum crypto_key_role role, base_time now, struct base_findings *findings)
{
    struct crypto_zone_key wanted = {
        .algorithm = policy->algorithm,
        .role = role,
        .flags = CRYPTO_KEY_ZONE | (role == CRYPTO_ZSK ? 0 : CRYPTO_KEY_SEP),
        .created = now,
        .publish = now,
        .activate = now,
        .ds_publish = role == CRYPTO_ZSK ? 0 : now,
    };
    dns_name_lower(wanted.zone, zone);
    struct crypto_zone_key made;
    bool rsa = policy->algorithm == CRYPTO_RSASHA256 || policy->algorithm == CRYPTO_RSASHA512;
    int error =
        crypto_keydir_create(directory, &wanted, rsa ? policy->rsa_bits : 0, findings, &made);
    if (error == BASE_OK)
        crypto_key_free(made.key);
    return error;
}

int sign_keys_provide(const char *directory, const uint8_t *zone, const struct sign_policy *policy,
                      base_time now, struct base_findings *findings, struct crypto_keydir *out,
                      unsigned *created)
{
    struct crypto_keydir keys = {0};
    int error = crypto_keydir_open(directory, zone, findings, &keys);
    if (error == BASE_OK && keys.count > 0) {
        *out = keys;
        *created = 0;
        return BASE_OK;
    }
    if (error == BASE_OK)
        crypto_keydir_free(&keys);
    else if (error != BASE_ENOENT)
        return error;
    unsigned count = policy->csk ? 1 : 2;
    error = make_key(directory, zone, policy, policy->csk ? CRYPTO_CSK : CRYPTO_KSK, now, findings);
    if (error == BASE_OK && !policy->csk)
        error = make_key(directory, zone, policy, CRYPTO_ZSK, now, findings);
    if (error == BASE_OK)
        error = crypto_keydir_open(directory, zone, findings, &keys);
    if (error != BASE_OK)
        return error;
    *out = keys;
    *created = count;
    return BASE_OK;
}
