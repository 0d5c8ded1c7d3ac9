/* Keys for a zone: see provide.h. */
#include "sign/provide.h"

#include "base/error.h"

#include <string.h>
#include <unistd.h>

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

int sign_keys_provide(const char *directory, const uint8_t *zone, const struct sign_policy *policy,
                      base_time now, const char *output, struct base_findings *findings,
                      struct crypto_keydir *out, unsigned *created)
{
    struct crypto_keydir keys = {0};
    uint32_t orphans = findings->by_code[KEY_ORPHAN];
    int error = crypto_keydir_open(directory, zone, findings, &keys);
    if (error == BASE_OK && keys.count > 0) {
        *out = keys;
        *created = 0;
        return BASE_OK;
    }
    if (error == BASE_OK && findings->by_code[KEY_ORPHAN] > orphans && access(output, F_OK) == 0) {
        refuse_orphan(directory, zone, findings);
        crypto_keydir_free(&keys);
        return BASE_EREFUSED;
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
