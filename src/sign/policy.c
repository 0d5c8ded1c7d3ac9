/* The policy's defaults, and whether its values fit together. */
#include "sign/policy.h"

#include "base/clock.h"
#include "base/error.h"
#include "crypto/crypto.h"

#define DAY               86400u
#define ITERATIONS_MAX    2500 /* RFC 5155 section 10.3, for the largest keys */
#define LONG_VALIDITY_MAX (366u * DAY)

void sign_policy_default(struct sign_policy *policy)
{
    *policy = (struct sign_policy){
        .validity = 14 * DAY,
        .refresh = 7 * DAY,
        .inception = 3600,
        .jitter = 1 * DAY,
        .algorithm = CRYPTO_ECDSAP256,
        .rsa_bits = 2048,
        .csk = true,
        .dnskey_ttl = 3600,
        .denial = SIGN_NSEC,
        .serial = SIGN_SERIAL_INCREMENT,
        .cds = true,
        .cdnskey = true,
        .cds_digests = {2},
    };
}

/* The texts of a message's values. */
struct durations {
    char a[BASE_TIME_TEXT], b[BASE_TIME_TEXT], c[BASE_TIME_TEXT];
};

static bool check_times(const struct sign_policy *policy, const struct base_place *place,
                        struct base_findings *findings)
{
    struct durations text;
    base_duration_text(policy->validity, text.a);
    base_duration_text(policy->refresh, text.b);
    base_duration_text(policy->jitter, text.c);
    bool good = true;
    if (policy->validity == 0 || policy->validity > LONG_VALIDITY_MAX) {
        base_findings_add(findings, POLICY_INVALID, place,
                          "signatures: validity %s must be between 1 second and 366 days", text.a);
        good = false;
    } else if (policy->refresh >= policy->validity) {
        base_findings_add(findings, POLICY_INVALID, place,
                          "signatures: refresh (%s) must be shorter than validity (%s): a new "
                          "signature would be due at once",
                          text.b, text.a);
        good = false;
    } else if (policy->jitter >= policy->validity - policy->refresh) {
        base_findings_add(findings, POLICY_INVALID, place,
                          "signatures: jitter (%s) must be shorter than validity (%s) less refresh "
                          "(%s): a new signature could be due at once",
                          text.c, text.a, text.b);
        good = false;
    }
    if (policy->inception > LONG_VALIDITY_MAX) {
        base_duration_text(policy->inception, text.a);
        base_findings_add(findings, POLICY_INVALID, place,
                          "signatures: inception %s must be at most 366 days", text.a);
        good = false;
    }
    if (good && policy->dnskey_ttl > policy->refresh) {
        base_duration_text(policy->dnskey_ttl, text.a);
        base_findings_add(findings, POLICY_INVALID, place,
                          "keys: dnskey-ttl (%s) must not be longer than signatures: refresh (%s): "
                          "a cache could keep the keys longer than their signature lives",
                          text.a, text.b);
        good = false;
    }
    return good;
}

static bool check_keys(const struct sign_policy *policy, const struct base_place *place,
                       struct base_findings *findings)
{
    const struct crypto_algorithm_info *info = crypto_algorithm(policy->algorithm);
    if (info == NULL || !info->sign) {
        base_findings_add(findings, POLICY_INVALID, place,
                          "keys: algorithm %u is not one that zones are signed with",
                          (unsigned)policy->algorithm);
        return false;
    }
    if (info->bits_max != 0 && policy->rsa_bits != 0 &&
        (policy->rsa_bits < info->bits_min || policy->rsa_bits > info->bits_max)) {
        base_findings_add(findings, POLICY_INVALID, place,
                          "keys: rsa-bits %u is not between %u and %u", (unsigned)policy->rsa_bits,
                          (unsigned)info->bits_min, (unsigned)info->bits_max);
        return false;
    }
    return true;
}

static bool check_denial(const struct sign_policy *policy, const struct base_place *place,
                         struct base_findings *findings)
{
    if (policy->denial == SIGN_NSEC) {
        if (!policy->opt_out)
            return true;
        base_findings_add(findings, POLICY_INVALID, place,
                          "denial: opt-out needs type nsec3; NSEC has no opt-out");
        return false;
    }
    if (policy->nsec3_iterations > ITERATIONS_MAX) {
        base_findings_add(findings, POLICY_INVALID, place, "denial: iterations %u is more than %u",
                          (unsigned)policy->nsec3_iterations, ITERATIONS_MAX);
        return false;
    }
    if (policy->nsec3_iterations > 0)
        base_findings_add(findings, SIGN_POLICY_ADVICE, place,
                          "denial: iterations is %u; RFC 9276 wants 0: more cost every resolver "
                          "time, and validators treat zones with many as unsigned",
                          (unsigned)policy->nsec3_iterations);
    if (policy->nsec3_salt_length > 0)
        base_findings_add(findings, SIGN_POLICY_ADVICE, place,
                          "denial: a salt of %u octets is set; RFC 9276 wants none: it protects "
                          "nothing, since each hash covers the zone's name already",
                          (unsigned)policy->nsec3_salt_length);
    return true;
}

static bool check_apex(const struct sign_policy *policy, const struct base_place *place,
                       struct base_findings *findings)
{
    bool good = true;
    for (unsigned i = 0; i < sizeof(policy->cds_digests) && policy->cds_digests[i] != 0; i++) {
        unsigned type = policy->cds_digests[i];
        if (type != 2 && type != 4) {
            base_findings_add(findings, POLICY_INVALID, place,
                              "apex: cds-digests has %u; only 2 (SHA-256) and 4 (SHA-384) are in "
                              "use",
                              type);
            good = false;
        }
    }
    if (policy->cds && policy->cds_digests[0] == 0) {
        base_findings_add(findings, POLICY_INVALID, place,
                          "apex: cds is true, but cds-digests is empty");
        good = false;
    }
    if (policy->zonemd > 2) {
        base_findings_add(findings, POLICY_INVALID, place,
                          "apex: zonemd must be none, sha384 or sha512");
        good = false;
    }
    return good;
}

int sign_policy_check(const struct sign_policy *policy, const struct base_place *place,
                      struct base_findings *findings)
{
    bool times = check_times(policy, place, findings);
    bool keys = check_keys(policy, place, findings);
    bool denial = check_denial(policy, place, findings);
    bool apex = check_apex(policy, place, findings);
    return times && keys && denial && apex ? BASE_OK : BASE_EREFUSED;
}
