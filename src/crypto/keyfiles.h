/*
 * What the files that read and write keys share: names, checked reading, metadata. Not for other
 * folders.
 */
#ifndef CRYPTO_KEYFILES_H
#define CRYPTO_KEYFILES_H

#include "crypto/keydir.h"

#include <sys/types.h>

#define CRYPTO_KEYFILE_LIMIT 65536 /* octets of any file of a key */

/* Suffixes of Kenter's own files and of BIND's. */
#define CRYPTO_PEM_SUFFIX  ".key.pem"
#define CRYPTO_META_SUFFIX ".json"
/* Before the name of a private half whose metadata may not be there yet. */
#define CRYPTO_PEM_PENDING "."

/* --- keyname.c --- */
#define CRYPTO_STEM_MAX 256 /* room for the common part of a key's file names */

/* Reads the zone from the part of a file name before the first "+". BASE_EFORMAT. */
int crypto_keyname_zone(const char *text, size_t length, uint8_t out[DNS_NAME_MAX]);
/* True when a file name, which goes on with "+…" after `length` octets, is of a key of `zone`. */
bool crypto_keyname_is_of(const char *text, size_t length, const uint8_t *zone);
/* Writes "example.com.+013+12345+9f86d081". */
void crypto_keyname_stem(const struct crypto_zone_key *key, char out[CRYPTO_STEM_MAX]);
/* Writes "Kexample.com.+013+12345". BASE_ERANGE: longer than a file name may be. */
int crypto_keyname_bind(const struct crypto_zone_key *key, char out[CRYPTO_STEM_MAX]);

/* --- keyfile.c --- */
/* A directory that is open, with its name for messages. */
struct crypto_keyplace {
    int fd;
    const char *path;
    struct base_findings *findings;
};

/* Adds a finding about a file of the place ("" for the directory itself). */
void crypto_keyplace_add(const struct crypto_keyplace *place, enum base_finding_code code,
                         const char *name, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Opens a directory. BASE_ENOENT, else BASE_EREFUSED with a finding. */
int crypto_keyplace_open(const char *path, struct base_findings *findings,
                         struct crypto_keyplace *place);
void crypto_keyplace_close(struct crypto_keyplace *place);
/* Owner and mode of the directory. BASE_EREFUSED. */
int crypto_keyplace_check(const struct crypto_keyplace *place);
/* Waits until no other process changes the directory. The lock goes when it is closed. */
int crypto_keyplace_lock(const struct crypto_keyplace *place);
bool crypto_keyplace_has(const struct crypto_keyplace *place, const char *name);

/* Reads a file, malloc'ed and NUL-terminated; links are not followed. Mode bits of `forbidden` are
 * refused. BASE_ENOENT without a finding, else BASE_EREFUSED with one, BASE_ENOMEM. */
int crypto_keyfile_read(const struct crypto_keyplace *place, const char *name, mode_t forbidden,
                        char **text, size_t *length);
/* Checks owner, mode and kind of a file without reading it. As above. */
int crypto_keyfile_check(const struct crypto_keyplace *place, const char *name, mode_t forbidden);
/* Writes a new file aside, syncs it and puts it into place. BASE_EREFUSED with a finding. */
int crypto_keyfile_write(const struct crypto_keyplace *place, const char *name, mode_t mode,
                         const char *text, size_t length);
/* Gives a file another name, for good. BASE_EREFUSED with a finding. */
int crypto_keyfile_rename(const struct crypto_keyplace *place, const char *from, const char *to);
/* Wipes and frees what was read. */
void crypto_keyfile_free(char *text, size_t length);

/* --- keymeta.c --- */
/* Sets tag, id and the lower case of the zone, from zone and dnskey. */
void crypto_zone_key_complete(struct crypto_zone_key *key);
/* The public half alone is one that validators take. BASE_EREFUSED with a finding. */
int crypto_zone_key_check_public(const struct crypto_keyplace *place, const char *name,
                                 const struct crypto_zone_key *key);
/* Findings on a key as such: short RSA, times out of order. */
void crypto_zone_key_judge(const struct crypto_keyplace *place, const char *name,
                           const struct crypto_zone_key *key);
/* Reads metadata. BASE_EREFUSED with a finding that names the file. */
int crypto_keymeta_read(const struct crypto_keyplace *place, const char *name, const char *text,
                        size_t length, struct crypto_zone_key *out);
/* Writes metadata: malloc'ed, NUL-terminated. BASE_ENOMEM. */
int crypto_keymeta_write(const struct crypto_zone_key *key, char **text);

/* --- keystore.c --- */
/* All are of one zone, of a role that there is, zone keys; and there is at least one. */
bool crypto_zone_key_templates_fit(const struct crypto_zone_key *templates, size_t count);
/* Makes keys until one does not clash with those of `dir`. The caller frees out->key.
 * BASE_EREFUSED with a finding: all do. */
int crypto_zone_key_generate(const struct crypto_zone_key *template, unsigned bits,
                             const struct crypto_keydir *dir, const struct crypto_keyplace *place,
                             struct crypto_zone_key *out);

/* --- keypair.c --- */
/* Read the text of a .key and of a .private file (NUL-terminated); the latter needs the former's
 * result in *key and sets key->key. BASE_EREFUSED with a finding. */
int crypto_pair_parse_public(const struct crypto_keyplace *place, const char *name,
                             const char *text, size_t length, struct crypto_zone_key *key);
int crypto_pair_parse_private(const struct crypto_keyplace *place, const char *name,
                              const char *text, size_t length, struct crypto_zone_key *key);
/* Reads the pair with the common name `stem`. *guessed: the role follows from the flags alone.
 * BASE_EREFUSED with a finding. */
int crypto_pair_read(const struct crypto_keyplace *place, const char *stem, mode_t forbidden,
                     bool with_private, struct crypto_zone_key *out, bool *guessed);

#endif
