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
 * many. The private halves are loaded. On success the caller frees `out` with crypto_keydir_free.
 * A private key that lost its other file is left from an interrupted start, unless the zone was
 * signed before (there is a file at `output`): then it may be the one that the parent's DS names,
 * and a new key beside it would make the zone bogus. BASE_EREFUSED, with a finding.
 * Errors as crypto_keydir_open and crypto_keydir_create, with findings.
 */
int sign_keys_provide(const char *directory, const uint8_t *zone, const struct sign_policy *policy,
                      base_time now, const char *output, struct base_findings *findings,
                      struct crypto_keydir *out, unsigned *created);

#endif
