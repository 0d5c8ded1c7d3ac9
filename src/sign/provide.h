/*
 * The keys a zone is signed with: those of a key directory, or new ones by policy when it has none.
 */
#ifndef SIGN_PROVIDE_H
#define SIGN_PROVIDE_H

#include "base/clock.h"
#include "crypto/keydir.h"
#include "sign/policy.h"

/*
 * Opens the key directory for `zone`. When it holds no key of that zone, keys are made as the
 * policy says (one CSK, or a KSK and a ZSK), published and active from `now`, and *created says how
 * many; processes that come at the same time make them once. A private key without its metadata is
 * a key too, and lost: no other is made beside it (BASE_EREFUSED). The private halves are loaded.
 * On success the caller frees `out` with crypto_keydir_free. Errors as crypto_keydir_open and
 * crypto_keydir_create, with findings.
 */
int sign_keys_provide(const char *directory, const uint8_t *zone, const struct sign_policy *policy,
                      base_time now, struct base_findings *findings, struct crypto_keydir *out,
                      size_t *created);

/* What the first keys of a zone are to be by the policy: fills `wanted`, says how many they are,
 * and the bits for crypto_keydir_create_first and crypto_keydir_prepare. */
size_t sign_keys_wanted(const uint8_t *zone, const struct sign_policy *policy, base_time now,
                        struct crypto_zone_key wanted[2], unsigned *bits);

#endif
