/*
 * Putting keys into a directory. A key is there when its metadata are. The private half is written
 * before them, under a name with a dot that nobody looks at without metadata, and gets its own name
 * after them. So an interruption at any point leaves a whole key or none, and a private half
 * without metadata under its own name means that somebody lost them.
 */
#include "base/error.h"
#include "crypto/keyfiles.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES 16 /* new keys made until one has a tag of its own */

/* A new directory must outlive a loss of power as the keys in it do. Not every system can. */
static void sync_parent(const struct crypto_keyplace *place)
{
    int fd = openat(place->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

/* Opens the directory, made if need be, checked, and ours until it is closed. */
static int open_for_writing(const char *path, struct base_findings *findings,
                            struct crypto_keyplace *place)
{
    struct base_place where = {.file = path};
    bool made = mkdir(path, 0700) == 0;
    if (!made && errno != EEXIST) {
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
    if (made)
        sync_parent(place);
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

static int write_pem(const struct crypto_keyplace *place, const char *name,
                     const struct crypto_zone_key *key)
{
    char *text;
    size_t length;
    int error = crypto_key_to_pem(key->key, &text, &length);
    if (error != BASE_OK)
        return error;
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
    char stem[CRYPTO_STEM_MAX], pending[CRYPTO_STEM_MAX + 16];
    crypto_keyname_stem(key, stem);
    if (key->key == NULL)
        return write_meta(place, stem, key);
    snprintf(pending, sizeof(pending), "%s%s%s", CRYPTO_PEM_PENDING, stem, CRYPTO_PEM_SUFFIX);
    int error = write_pem(place, pending, key);
    if (error != BASE_OK)
        return error;
    error = write_meta(place, stem, key);
    if (error == BASE_OK)
        return crypto_keyfile_rename(place, pending, pending + strlen(CRYPTO_PEM_PENDING));
    unlinkat(place->fd, pending, 0);
    return error;
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

static uint16_t flags_of(enum crypto_key_role role)
{
    return role == CRYPTO_ZSK ? CRYPTO_KEY_ZONE : CRYPTO_KEY_ZONE | CRYPTO_KEY_SEP;
}

void crypto_zone_key_begin(struct crypto_zone_key *key, const uint8_t *zone, unsigned algorithm,
                           enum crypto_key_role role, base_time now)
{
    *key = (struct crypto_zone_key){
        .algorithm = (uint8_t)algorithm,
        .role = role,
        .flags = flags_of(role),
        .created = now,
        .publish = now,
        .activate = now,
        .ds_publish = role == CRYPTO_ZSK ? 0 : now,
    };
    dns_name_lower(key->zone, zone);
}

static int generate(const struct crypto_zone_key *template, unsigned bits,
                    struct crypto_zone_key *out)
{
    *out = *template;
    out->path = NULL;
    out->key = NULL;
    if (out->flags == 0)
        out->flags = flags_of(out->role);
    int error = crypto_key_generate(out->algorithm, bits, &out->key);
    if (error != BASE_OK)
        return error;
    out->dnskey_length = crypto_key_dnskey(out->key, out->flags, out->dnskey);
    crypto_zone_key_complete(out);
    return BASE_OK;
}

int crypto_zone_key_generate(const struct crypto_zone_key *template, unsigned bits,
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

bool crypto_zone_key_templates_fit(const struct crypto_zone_key *templates, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!template_is_fine(&templates[i]) ||
            !dns_name_equal(templates[i].zone, templates[0].zone))
            return false;
    }
    return count > 0;
}

/* Makes and writes a key; the directory is ours. The caller frees out->key. */
static int create_in(const struct crypto_keyplace *place, const struct crypto_zone_key *template,
                     unsigned bits, struct crypto_zone_key *out)
{
    struct crypto_keydir dir;
    int error = crypto_keydir_open(place->path, template->zone, place->findings, &dir);
    if (error != BASE_OK)
        return error;
    error = crypto_zone_key_generate(template, bits, &dir, place, out);
    crypto_keydir_free(&dir);
    if (error != BASE_OK)
        return error;
    error = write_key(place, out);
    if (error != BASE_OK)
        crypto_key_free(out->key);
    return error;
}

int crypto_keydir_create(const char *path, const struct crypto_zone_key *template, unsigned bits,
                         struct base_findings *findings, struct crypto_zone_key *out)
{
    struct crypto_keyplace place;
    if (!template_is_fine(template))
        return BASE_EINVAL;
    struct crypto_zone_key *key = malloc(sizeof(*key));
    if (key == NULL)
        return BASE_ENOMEM;
    int error = open_for_writing(path, findings, &place);
    if (error == BASE_OK) {
        error = create_in(&place, template, bits, key);
        crypto_keyplace_close(&place);
    }
    if (error == BASE_OK)
        *out = *key;
    free(key);
    return error;
}

/* Has the zone keys, or what is left of one? What is found on the way is told by who uses them. */
static int has_keys(const char *path, const uint8_t *zone, struct base_findings *findings,
                    bool *answer)
{
    struct base_findings found;
    struct crypto_keydir dir;
    base_findings_init(&found, findings->per_code);
    int error = crypto_keydir_open(path, zone, &found, &dir);
    if (error == BASE_OK) {
        *answer = dir.count > 0 || found.by_code[KEY_ORPHAN] > 0;
        crypto_keydir_free(&dir);
    } else {
        base_findings_absorb(findings, &found);
    }
    base_findings_free(&found);
    return error;
}

static int create_first_in(const struct crypto_keyplace *place,
                           const struct crypto_zone_key *templates, size_t count, unsigned bits,
                           size_t *created)
{
    bool known;
    int error = has_keys(place->path, templates[0].zone, place->findings, &known);
    if (error != BASE_OK)
        return error;
    size_t made = 0;
    while (error == BASE_OK && !known && made < count) {
        struct crypto_zone_key key;
        error = create_in(place, &templates[made], bits, &key);
        if (error == BASE_OK) {
            crypto_key_free(key.key);
            made++;
        }
    }
    if (error == BASE_OK)
        *created = made;
    return error;
}

int crypto_keydir_create_first(const char *path, const struct crypto_zone_key *templates,
                               size_t count, unsigned bits, struct base_findings *findings,
                               size_t *created)
{
    struct crypto_keyplace place;
    if (!crypto_zone_key_templates_fit(templates, count))
        return BASE_EINVAL;
    int error = open_for_writing(path, findings, &place);
    if (error != BASE_OK)
        return error;
    error = create_first_in(&place, templates, count, bits, created);
    crypto_keyplace_close(&place);
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
