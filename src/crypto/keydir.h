/*
 * A directory of keys: for each key a PKCS#8 file (mode 0600) and a metadata file (JSON), named by
 * zone, algorithm, tag and the beginning of the key's digest. The directory must not be writable or
 * readable by others. A key is known by its digest: SHA-256 over owner name (lower case) and DNSKEY
 * rdata.
 */
#ifndef CRYPTO_KEYDIR_H
#define CRYPTO_KEYDIR_H

#include "base/clock.h"
#include "base/finding.h"
#include "crypto/crypto.h"
#include "dns/name.h"

/* DNSKEY flags (RFC 4034 section 2.1.1, RFC 5011 section 3). */
#define CRYPTO_KEY_ZONE    256 /* zone key */
#define CRYPTO_KEY_REVOKED 128
#define CRYPTO_KEY_SEP     1 /* secure entry point: KSK or CSK */

enum crypto_key_role { CRYPTO_KSK = 1, CRYPTO_ZSK = 2, CRYPTO_CSK = 3 };

/* A key with what is known of it. Times are seconds since the epoch, 0 when not set. */
struct crypto_zone_key {
    uint8_t zone[DNS_NAME_MAX];
    uint8_t id[32]; /* the digest */
    uint16_t tag;
    uint16_t flags; /* of the DNSKEY */
    uint8_t algorithm;
    enum crypto_key_role role;
    base_time created;
    base_time publish;               /* in the DNSKEY set from */
    base_time activate;              /* signs from */
    base_time inactive;              /* signs until */
    base_time remove;                /* in the DNSKEY set until */
    base_time ds_publish, ds_remove; /* CDS and CDNSKEY */
    uint8_t dnskey[CRYPTO_DNSKEY_MAX];
    size_t dnskey_length;
    const char *path; /* of the file with the private half; owned by the crypto_keydir, else NULL */
    struct crypto_key *key; /* NULL when only the public half is there */
};

struct crypto_keydir {
    struct crypto_zone_key *keys; /* by zone, role, created, id */
    size_t count;
    struct base_arena arena;
};

/* Opens `path` and reads the keys of `zone` (NULL: of all zones; private parts are loaded only
 * when a zone is given). Wrong permissions, damaged files, a public half that does not fit, two
 * keys of a zone with one tag are findings and refuse the directory (BASE_EREFUSED). Reads our own
 * files and BIND's K*.key/.private pairs alike; of a BIND pair without .state file the role is that
 * of its SEP flag, or CSK when no other key of the zone and algorithm signs its records.
 * BASE_ENOENT: no such directory. */
int crypto_keydir_open(const char *path, const uint8_t *zone, struct base_findings *findings,
                       struct crypto_keydir *out);
void crypto_keydir_free(struct crypto_keydir *dir);

/* Where the keys of one zone are, when each zone has a directory of its own below `directory`: to
 * open it never lists those of all others. malloc'ed; NULL: out of memory. The root is "@"; octets
 * other than letters, digits, "-", "_" and the dots between labels are written as %XX. */
char *crypto_keydir_path(const char *directory, const uint8_t *zone);

/* What a key is to be that is made or taken over without being told more: published and active from
 * `now`, its DS wanted from then on, flags as the role wants them. */
void crypto_zone_key_begin(struct crypto_zone_key *key, const uint8_t *zone, unsigned algorithm,
                           enum crypto_key_role role, base_time now);

/* Makes a key and stores it (both files written aside, synced, renamed; the metadata last). The
 * directory is made (mode 0700) when missing. Refuses a tag that another key of the zone has (tries
 * again with a new key up to 16 times). `template` gives zone, algorithm, role, times, and flags
 * (0: as the role wants them). The caller frees out->key. BASE_EREFUSED with findings;
 * BASE_EUNSUPPORTED, BASE_ERANGE as of crypto_key_generate. */
int crypto_keydir_create(const char *path, const struct crypto_zone_key *template, unsigned bits,
                         struct base_findings *findings, struct crypto_zone_key *out);
/* Makes the keys of `count` templates for a zone that has none; *created says how many. It is 0
 * when the zone has keys, or the private half of one that lost its metadata (KEY_ORPHAN). Whoever
 * comes at the same time waits, so that keys are made once. Errors as crypto_keydir_create. */
int crypto_keydir_create_first(const char *path, const struct crypto_zone_key *templates,
                               size_t count, unsigned bits, struct base_findings *findings,
                               size_t *created);
/* The same for a zone whose directory is not there at all, in two steps, so that many zones wait
 * for the disk once. First the keys are made and written into a directory `aside` (made, mode
 * 0700), without waiting for the disk; out->keys[].path says already where they will be. Nobody may
 * rely on them before they are settled. On success the caller frees `out`. Errors as above; then
 * nothing is left. */
int crypto_keydir_prepare(const char *aside, const char *path,
                          const struct crypto_zone_key *templates, size_t count, unsigned bits,
                          struct base_findings *findings, struct crypto_keydir *out);
/* Then the directories are written to disk and get their own names: after a loss of power a zone
 * has all of its keys or no directory. All lie in the directory `parent`. `settled` of each says
 * how it ended: a zone whose directory somebody else has made meanwhile is refused with a finding,
 * and the others are settled all the same (BASE_EREFUSED). BASE_EIO: none is. */
struct crypto_keydir_move {
    const char *aside, *path;
    bool settled;
};
int crypto_keydir_settle(const char *parent, struct crypto_keydir_move *moves, size_t count,
                         struct base_findings *findings);
/* Removes a directory that was prepared and is not wanted. */
void crypto_keydir_discard(const char *aside);

/* Stores a key that came from elsewhere: zone, flags, role, times, and the private half (`key`) or
 * the public one (algorithm, dnskey) or both. BASE_EEXIST, BASE_EREFUSED with findings;
 * BASE_EMISMATCH: the halves differ; BASE_EINVAL. */
int crypto_keydir_import(const char *path, const struct crypto_zone_key *key,
                         struct base_findings *findings);
/* Writes role and times of a key of our own form anew. BASE_ENOENT: it is not there (BIND pairs are
 * not changed); else as above. */
int crypto_keydir_update(const char *path, const struct crypto_zone_key *key,
                         struct base_findings *findings);
/* Reads a BIND pair (either file's name, or the common stem). A .private file that everybody may
 * read, or the group may write, is refused. The caller frees out->key, which is NULL when there is
 * no .private file. BASE_EREFUSED with findings. */
int crypto_bind_pair_read(const char *path, struct base_findings *findings,
                          struct crypto_zone_key *out);
/* Writes one into `directory`, which is there. BASE_EEXIST, BASE_EREFUSED with findings. */
int crypto_bind_pair_write(const char *directory, const struct crypto_zone_key *key,
                           struct base_findings *findings);

#endif
