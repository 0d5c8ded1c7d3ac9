/*
 * The signing policy: a YAML file, every setting with a default (docs/policy.md).
 */
#ifndef SIGN_POLICY_H
#define SIGN_POLICY_H

#include "base/finding.h"

#include <stdbool.h>
#include <stdint.h>

enum sign_denial { SIGN_NSEC, SIGN_NSEC3 };
enum sign_serial {
    SIGN_SERIAL_KEEP,
    SIGN_SERIAL_INCREMENT,
    SIGN_SERIAL_UNIXTIME,
    SIGN_SERIAL_DATE
};

struct sign_policy {
    /* signatures; seconds */
    uint32_t validity;  /* 14 days */
    uint32_t refresh;   /* made anew when less than this is left: 7 days */
    uint32_t inception; /* back-dated by: 1 hour */
    uint32_t doubt;     /* by so much more, since the clock is in doubt: 0; never read */
    uint32_t jitter; /* expirations spread over this by a hash of the name: 1 day, at most validity
                        - refresh */
    /* keys made when there are none */
    uint8_t algorithm; /* 13 */
    uint16_t rsa_bits;
    bool csk;            /* one key for both roles: true */
    uint32_t dnskey_ttl; /* 3600; 0: the SOA's TTL */
    /* denial */
    enum sign_denial denial;
    bool opt_out;
    uint16_t nsec3_iterations;
    uint8_t nsec3_salt[255];
    uint8_t nsec3_salt_length;
    /* apex */
    enum sign_serial serial;
    bool cds, cdnskey;      /* publish them for keys whose ds_publish has come: true */
    uint8_t cds_digests[4]; /* digest types, 0-terminated: {2} */
    uint8_t zonemd;         /* 0: none, else hash algorithm 1 or 2 */
};

void sign_policy_default(struct sign_policy *policy);
/* Reads a policy file over the defaults. Unknown or repeated keys and impossible values are
 * findings with line and column: BASE_EREFUSED; `policy` is set only on success. */
int sign_policy_read(const char *path, struct base_findings *findings, struct sign_policy *policy);
/* The same from a part of a larger document: reads the map `root` over what `policy` has, and
 * checks it. `file` is for findings. BASE_EREFUSED, then `policy` is as before. */
struct base_yaml;
int sign_policy_read_part(const char *file, const struct base_yaml *root,
                          struct base_findings *findings, struct sign_policy *policy);
/* Checks that the values fit together (validity > refresh > inception, ...). */
int sign_policy_check(const struct sign_policy *policy, const struct base_place *place,
                      struct base_findings *findings);

#endif
