/*
 * Putting keys into a directory. The private half is written first and the metadata last: a key is
 * there when its metadata are, and what an interruption leaves behind is an orphan, not a key.
 */
#include "base/error.h"
#include "crypto/keyfiles.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define TRIES 16 /* new keys made until one has a tag of its own */

/* Opens the directory, made if need be, checked, and ours until it is closed. */
static int open_for_writing(const char *path, struct base_findings *findings,
                            struct crypto_keyplace *place)
{
    struct base_place where = {.file = path};
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        base_findings_add(findings, FILE_UNWRITABLE, &where, "%s cannot be made: %s", path,
                          strerror(errno));
        return BASE_EREFUSED;
    }
    int error = crypto_keyplace_open(path, findings, place);
    if (error == BASE_ENOENT) { /* a link that points nowhere */
        base_findings_add(findings, FILE_UNWRITABLE, &where, "%s is no directory", path);
        return BASE_EREFUSED;
    }
    if (error != BASE_OK)
        return error;
    error = crypto_keyplace_check(place);
    if (error == BASE_OK && crypto_keyplace_lock(place) != BASE_OK) {
        crypto_keyplace_add(place, FILE_UNWRITABLE, "", "the directory cannot be locked: %s",
                            strerror(errno));
        error = BASE_EREFUSED;
    }
    if (error != BASE_OK)
        crypto_keyplace_close(place);
    return error;
}

static int write_pem(const struct crypto_keyplace *place, const char *stem,
                     const struct crypto_zone_key *key)
{
    char name[CRYPTO_STEM_MAX + 16], *text;
    size_t length;
    int error = crypto_key_to_pem(key->key, &text, &length);
    if (error != BASE_OK)
        return error;
    snprintf(name, sizeof(name), "%s%s", stem, CRYPTO_PEM_SUFFIX);
    error = crypto_keyfile_write(place, name, 0600, text, length);
    crypto_keyfile_free(text, length);
    return error;
}

static int write_meta(const struct crypto_keyplace *place, const char *stem,
                      const struct crypto_zone_key *key)
{
    char name[CRYPTO_STEM_MAX + 16], *text;
    int error = crypto_keymeta_write(key, &text);
    if (error != BASE_OK)
        return error;
    snprintf(name, sizeof(name), "%s%s", stem, CRYPTO_META_SUFFIX);
    error = crypto_keyfile_write(place, name, 0600, text, strlen(text));
    free(text);
    return error;
}

static int write_key(const struct crypto_keyplace *place, const struct crypto_zone_key *key)
{
    char stem[CRYPTO_STEM_MAX];
    crypto_keyname_stem(key, stem);
    int error = key->key == NULL ? BASE_OK : write_pem(place, stem, key);
    return error == BASE_OK ? write_meta(place, stem, key) : error;
}

/* The key in the directory with this tag; NULL when it is free. */
static const struct crypto_zone_key *holder_of(const struct crypto_keydir *dir, uint16_t tag)
{
    for (size_t i = 0; i < dir->count; i++) {
        if (dir->keys[i].tag == tag)
            return &dir->keys[i];
    }
    return NULL;
}

static int generate(const struct crypto_zone_key *template, unsigned bits,
                    struct crypto_zone_key *out)
{
    *out = *template;
    out->path = NULL;
    out->key = NULL;
    if (out->flags == 0)
        out->flags = out->role == CRYPTO_ZSK ? CRYPTO_KEY_ZONE : CRYPTO_KEY_ZONE | CRYPTO_KEY_SEP;
    int error = crypto_key_generate(out->algorithm, bits, &out->key);
    if (error != BASE_OK)
        return error;
    out->dnskey_length = crypto_key_dnskey(out->key, out->flags, out->dnskey);
    crypto_zone_key_complete(out);
    return BASE_OK;
}

/* Makes keys until one does not clash with those that are there. */
static int generate_free(const struct crypto_zone_key *template, unsigned bits,
                         const struct crypto_keydir *dir, const struct crypto_keyplace *place,
                         struct crypto_zone_key *out)
{
    for (int i = 0; i < TRIES; i++) {
        int error = generate(template, bits, out);
        if (error != BASE_OK)
            return error;
        if (holder_of(dir, out->tag) == NULL)
            return BASE_OK;
        crypto_key_free(out->key);
    }
    crypto_keyplace_add(place, KEY_TAG_COLLISION, "",
                        "%d new keys in a row had tags of keys that are there already; the zone "
                        "has too many keys",
                        TRIES);
    return BASE_EREFUSED;
}

static bool template_is_fine(const struct crypto_zone_key *template)
{
    return template->role >= CRYPTO_KSK && template->role <= CRYPTO_CSK &&
           (template->flags == 0 || (template->flags & CRYPTO_KEY_ZONE) != 0);
}

int crypto_keydir_create(const char *path, const struct crypto_zone_key *template, unsigned bits,
                         struct base_findings *findings, struct crypto_zone_key *out)
{
    struct crypto_keyplace place;
    struct crypto_keydir dir;
    if (!template_is_fine(template))
        return BASE_EINVAL;
    struct crypto_zone_key *key = malloc(sizeof(*key));
    if (key == NULL)
        return BASE_ENOMEM;
    int error = open_for_writing(path, findings, &place);
    if (error != BASE_OK) {
        free(key);
        return error;
    }
    error = crypto_keydir_open(path, template->zone, findings, &dir);
    if (error == BASE_OK) {
        error = generate_free(template, bits, &dir, &place, key);
        if (error == BASE_OK) {
            error = write_key(&place, key);
            if (error != BASE_OK)
                crypto_key_free(key->key);
        }
        crypto_keydir_free(&dir);
    }
    crypto_keyplace_close(&place);
    if (error == BASE_OK)
        *out = *key;
    free(key);
    return error;
}

/* The same key, as the directory would have it. BASE_EMISMATCH: its halves differ. */
static int normalise(const struct crypto_zone_key *from, struct crypto_zone_key *key)
{
    *key = *from;
    if (key->key != NULL) {
        uint8_t dnskey[CRYPTO_DNSKEY_MAX];
        size_t length = crypto_key_dnskey(key->key, key->flags, dnskey);
        if (key->dnskey_length != 0 &&
            (key->dnskey_length != length || memcmp(dnskey, key->dnskey, length) != 0))
            return BASE_EMISMATCH;
        memcpy(key->dnskey, dnskey, length);
        key->dnskey_length = length;
        key->algorithm = (uint8_t)crypto_key_algorithm(key->key);
    }
    const struct crypto_algorithm_info *info = crypto_algorithm(key->algorithm);
    if (key->dnskey_length <= 4 || key->role < CRYPTO_KSK || key->role > CRYPTO_CSK ||
        (key->flags & CRYPTO_KEY_ZONE) == 0 || info == NULL || !info->sign)
        return BASE_EINVAL;
    crypto_zone_key_complete(key);
    return BASE_OK;
}

/* Nothing with its tag may be there, except the same key as a BIND pair in this directory, or
 * without the private half that comes now. */
static int check_place(const struct crypto_keyplace *place, const struct crypto_keydir *dir,
                       const struct crypto_zone_key *key)
{
    char stem[CRYPTO_STEM_MAX], name[CRYPTO_STEM_MAX + 16];
    const struct crypto_zone_key *holder = holder_of(dir, key->tag);
    if (holder != NULL && memcmp(holder->id, key->id, sizeof(key->id)) != 0) {
        crypto_keyplace_add(place, KEY_TAG_COLLISION, "",
                            "the key to import has the tag %u, which %s has already", key->tag,
                            holder->path);
        return BASE_EREFUSED;
    }
    crypto_keyname_stem(key, stem);
    snprintf(name, sizeof(name), "%s%s", stem, CRYPTO_META_SUFFIX);
    if (holder == NULL || !crypto_keyplace_has(place, name) ||
        (holder->key == NULL && key->key != NULL))
        return BASE_OK;
    crypto_keyplace_add(place, KEY_EXISTS, name, "the key %u is there already", key->tag);
    return BASE_EEXIST;
}

static int import_into(const struct crypto_keyplace *place, const struct crypto_zone_key *key)
{
    struct crypto_keydir dir;
    int error = crypto_keydir_open(place->path, key->zone, place->findings, &dir);
    if (error != BASE_OK)
        return error;
    error = check_place(place, &dir, key);
    if (error == BASE_OK && key->key == NULL)
        error = crypto_zone_key_check_public(place, "", key);
    crypto_keydir_free(&dir);
    return error == BASE_OK ? write_key(place, key) : error;
}

int crypto_keydir_import(const char *path, const struct crypto_zone_key *from,
                         struct base_findings *findings)
{
    struct crypto_keyplace place;
    struct crypto_zone_key *key = malloc(sizeof(*key));
    if (key == NULL)
        return BASE_ENOMEM;
    int error = normalise(from, key);
    if (error == BASE_OK)
        error = open_for_writing(path, findings, &place);
    if (error == BASE_OK) {
        error = import_into(&place, key);
        crypto_keyplace_close(&place);
    }
    free(key);
    return error;
}

static int update_in(const struct crypto_keyplace *place, const struct crypto_zone_key *key)
{
    char stem[CRYPTO_STEM_MAX], name[CRYPTO_STEM_MAX + 16];
    crypto_keyname_stem(key, stem);
    snprintf(name, sizeof(name), "%s%s", stem, CRYPTO_META_SUFFIX);
    return crypto_keyplace_has(place, name) ? write_meta(place, stem, key) : BASE_ENOENT;
}

int crypto_keydir_update(const char *path, const struct crypto_zone_key *from,
                         struct base_findings *findings)
{
    struct crypto_keyplace place;
    struct crypto_zone_key *key = malloc(sizeof(*key));
    if (key == NULL)
        return BASE_ENOMEM;
    int error = normalise(from, key);
    if (error == BASE_OK)
        error = open_for_writing(path, findings, &place);
    if (error == BASE_OK) {
        error = update_in(&place, key);
        crypto_keyplace_close(&place);
    }
    free(key);
    return error;
}
