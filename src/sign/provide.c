/* Keys for a zone: see provide.h. */
#include "sign/provide.h"

#include "base/error.h"

size_t sign_keys_wanted(const uint8_t *zone, const struct sign_policy *policy, base_time now,
                        struct crypto_zone_key wanted[2], unsigned *bits)
{
    bool rsa = policy->algorithm == CRYPTO_RSASHA256 || policy->algorithm == CRYPTO_RSASHA512;
    crypto_zone_key_begin(&wanted[0], zone, policy->algorithm,
                          policy->csk ? CRYPTO_CSK : CRYPTO_KSK, now);
    crypto_zone_key_begin(&wanted[1], zone, policy->algorithm, CRYPTO_ZSK, now);
    *bits = rsa ? policy->rsa_bits : 0;
    return policy->csk ? 1 : 2;
}

/* Makes the first keys of a zone as the policy says. */
static int make_keys(const char *directory, const uint8_t *zone, const struct sign_policy *policy,
                     base_time now, struct base_findings *findings, size_t *created)
{
    struct crypto_zone_key wanted[2];
    unsigned bits;
    size_t count = sign_keys_wanted(zone, policy, now, wanted, &bits);
    return crypto_keydir_create_first(directory, wanted, count, bits, findings, created);
}

/* The parent may have the DS of the key that lost its other half: a new key beside it would make
 * the zone bogus. */
static void refuse_orphan(const char *directory, const uint8_t *zone,
                          struct base_findings *findings)
{
    char name[DNS_NAME_TEXT];
    struct base_place place = {.file = directory};
    base_findings_add(findings, SIGN_NO_KEY, &place,
                      "%s has no complete key here, but a private key whose other file is missing; "
                      "no new key was made",
                      dns_name_text(name, zone));
}

/* Opens the directory. BASE_ENOENT, without findings: it has no key of the zone. */
static int open_keys(const char *directory, const uint8_t *zone, struct base_findings *findings,
                     struct crypto_keydir *out)
{
    struct base_findings found;
    base_findings_init(&found, findings->per_code);
    int error = crypto_keydir_open(directory, zone, &found, out);
    if (error == BASE_OK && out->count == 0) {
        crypto_keydir_free(out);
        error = BASE_ENOENT;
    }
    if (error != BASE_ENOENT)
        base_findings_absorb(findings, &found);
    base_findings_free(&found);
    return error;
}

int sign_keys_provide(const char *directory, const uint8_t *zone, const struct sign_policy *policy,
                      base_time now, struct base_findings *findings, struct crypto_keydir *out,
                      size_t *created)
{
    struct crypto_keydir keys;
    size_t made = 0;
    int error = open_keys(directory, zone, findings, &keys);
    if (error == BASE_ENOENT) {
        error = make_keys(directory, zone, policy, now, findings, &made);
        if (error == BASE_OK)
            error = crypto_keydir_open(directory, zone, findings, &keys);
        if (error == BASE_OK && keys.count == 0) {
            refuse_orphan(directory, zone, findings);
            crypto_keydir_free(&keys);
            error = BASE_EREFUSED;
        }
    }
    if (error != BASE_OK)
        return error;
    *out = keys;
    *created = made;
    return BASE_OK;
}
