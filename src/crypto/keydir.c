/*
 * Opening a directory of keys: which files are keys, whether they are safe and whole, and whether
 * the keys of a zone can live together.
 */
#include "crypto/keydir.h"

#include "base/error.h"
#include "crypto/keyfiles.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is being read. */
struct reading {
    struct crypto_keyplace place;
    const uint8_t *zone; /* NULL: all */
    char **names;        /* of the files, sorted */
    size_t name_count, name_capacity;
    struct crypto_zone_key *keys;
    bool *guessed; /* by key: its role follows from its flags alone */
    size_t key_count, key_capacity;
    struct base_arena arena;
    bool refused; /* a finding stands against the directory */
};

static bool has_suffix(const char *name, const char *suffix)
{
    size_t length = strlen(name), end = strlen(suffix);
    return length > end && strcmp(name + length - end, suffix) == 0;
}

static bool has_name(const struct reading *reading, const char *stem, size_t length,
                     const char *suffix)
{
    char name[CRYPTO_STEM_MAX + 16];
    if (length >= CRYPTO_STEM_MAX)
        return false;
    snprintf(name, sizeof(name), "%.*s%s", (int)length, stem, suffix);
    return crypto_keyplace_has(&reading->place, name);
}

/* A file that may be of a key, of the zone that was asked for. */
static bool is_wanted(const struct reading *reading, const char *name)
{
    const char *text = name;
    if (name[0] == '.')
        return false; /* being written, or left by a writer that was stopped */
    bool own = has_suffix(name, CRYPTO_PEM_SUFFIX) || has_suffix(name, CRYPTO_META_SUFFIX);
    bool bind = name[0] == 'K' && (has_suffix(name, ".key") || has_suffix(name, ".private"));
    const char *plus = strchr(name, '+');
    if ((!own && !bind) || plus == NULL)
        return false;
    if (bind)
        text++;
    return reading->zone == NULL ||
           crypto_keyname_is_of(text, (size_t)(plus - text), reading->zone);
}

static int add_name(struct reading *reading, const char *name)
{
    if (reading->name_count == reading->name_capacity) {
        size_t capacity = reading->name_capacity == 0 ? 64 : reading->name_capacity * 2;
        char **names = realloc(reading->names, capacity * sizeof(*names));
        if (names == NULL)
            return BASE_ENOMEM;
        reading->names = names;
        reading->name_capacity = capacity;
    }
    char *copy = base_arena_strndup(&reading->arena, name, strlen(name));
    if (copy == NULL)
        return BASE_ENOMEM;
    reading->names[reading->name_count++] = copy;
    return BASE_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_names(struct reading *reading)
{
    /* The stream closes its descriptor; ours holds the lock of a writer. */
    int fd = dup(reading->place.fd);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (stream == NULL) {
        if (fd >= 0)
            close(fd);
        crypto_keyplace_add(&reading->place, FILE_UNREADABLE, "", "%s", strerror(errno));
        return BASE_EREFUSED;
    }
    rewinddir(stream);
    int error = BASE_OK;
    const struct dirent *entry;
    while (error == BASE_OK && (entry = readdir(stream)) != NULL) {
        if (is_wanted(reading, entry->d_name))
            error = add_name(reading, entry->d_name);
    }
    closedir(stream);
    if (error == BASE_OK && reading->name_count > 1)
        qsort(reading->names, reading->name_count, sizeof(*reading->names), compare_names);
    return error;
}

static int make_room(struct reading *reading)
{
    if (reading->key_count < reading->key_capacity)
        return BASE_OK;
    size_t capacity = reading->key_capacity == 0 ? 8 : reading->key_capacity * 2;
    struct crypto_zone_key *keys = realloc(reading->keys, capacity * sizeof(*keys));
    if (keys == NULL)
        return BASE_ENOMEM;
    reading->keys = keys;
    bool *guessed = realloc(reading->guessed, capacity * sizeof(*guessed));
    if (guessed == NULL)
        return BASE_ENOMEM;
    reading->guessed = guessed;
    reading->key_capacity = capacity;
    return BASE_OK;
}

/* Reads the private half that belongs to metadata. BASE_ENOENT: there is none of this name. */
static int read_pem(struct reading *reading, const char *name, struct crypto_zone_key *key)
{
    char *text;
    size_t length;
    uint8_t dnskey[CRYPTO_DNSKEY_MAX];
    if (reading->zone == NULL)
        return crypto_keyfile_check(&reading->place, name, 077);
    int error = crypto_keyfile_read(&reading->place, name, 077, &text, &length);
    if (error != BASE_OK)
        return error;
    error = crypto_key_from_pem(key->algorithm, text, length, &key->key);
    crypto_keyfile_free(text, length);
    if (error == BASE_ENOMEM)
        return error;
    if (error != BASE_OK) {
        crypto_keyplace_add(&reading->place, error == BASE_EMISMATCH ? KEY_MISMATCH : KEY_DAMAGED,
                            name, "%s holds no usable private key of algorithm %u: %s", name,
                            key->algorithm, base_strerror(error));
        return BASE_EREFUSED;
    }
    length = crypto_key_dnskey(key->key, key->flags, dnskey);
    if (length == key->dnskey_length && memcmp(dnskey, key->dnskey, length) == 0)
        return BASE_OK;
    crypto_keyplace_add(&reading->place, KEY_MISMATCH, name,
                        "the private key gives the tag %u, its metadata say %u",
                        crypto_key_tag(dnskey, length), key->tag);
    crypto_key_free(key->key);
    return BASE_EREFUSED;
}

/* The same under the name that it has, or has until a writer is done (keystore.c). */
static int find_pem(struct reading *reading, const char *stem, struct crypto_zone_key *key)
{
    char pending[CRYPTO_STEM_MAX + 16];
    const char *name = pending + strlen(CRYPTO_PEM_PENDING);
    snprintf(pending, sizeof(pending), "%s%s%s", CRYPTO_PEM_PENDING, stem, CRYPTO_PEM_SUFFIX);
    int error = read_pem(reading, name, key);
    if (error == BASE_ENOENT)
        error = read_pem(reading, pending, key);
    if (error == BASE_ENOENT) /* it may have been renamed in between */
        error = read_pem(reading, name, key);
    return error == BASE_ENOENT ? BASE_OK : error; /* only the public half is kept here */
}

/* Metadata and private key of one of our own keys. */
static int read_own(struct reading *reading, const char *name, struct crypto_zone_key *key)
{
    char *text, stem[CRYPTO_STEM_MAX];
    size_t length;
    int error = crypto_keyfile_read(&reading->place, name, 022, &text, &length);
    if (error == BASE_ENOENT)
        return BASE_EREFUSED; /* deleted since it was listed: somebody else is at work here */
    if (error != BASE_OK)
        return error;
    error = crypto_keymeta_read(&reading->place, name, text, length, key);
    free(text);
    if (error != BASE_OK)
        return error;
    crypto_keyname_stem(key, stem);
    length = strlen(name) - strlen(CRYPTO_META_SUFFIX);
    if (strlen(stem) != length || memcmp(stem, name, length) != 0) {
        crypto_keyplace_add(&reading->place, KEY_MISNAMED, name, "by its content its name is %s%s",
                            stem, CRYPTO_META_SUFFIX);
        return BASE_EREFUSED;
    }
    key->path =
        base_arena_printf(&reading->arena, "%s/%s%s", reading->place.path, stem, CRYPTO_PEM_SUFFIX);
    return key->path == NULL ? BASE_ENOMEM : find_pem(reading, stem, key);
}

/* A BIND pair: its name must say what it is. */
static int read_bind(struct reading *reading, const char *name, struct crypto_zone_key *key,
                     bool *guessed)
{
    char stem[CRYPTO_STEM_MAX];
    unsigned algorithm, tag;
    int end = 0;
    size_t length = strlen(name) - strlen(".key");
    if (length >= sizeof(stem))
        return BASE_EREFUSED;
    memcpy(stem, name, length);
    stem[length] = '\0';
    int error = crypto_pair_read(&reading->place, stem, 077, reading->zone != NULL, key, guessed);
    if (error != BASE_OK)
        return error;
    const char *plus = strchr(stem, '+');
    if (sscanf(plus, "+%3u+%5u%n", &algorithm, &tag, &end) != 2 || plus[end] != '\0' ||
        algorithm != key->algorithm || tag != key->tag ||
        !crypto_keyname_is_of(stem + 1, (size_t)(plus - stem - 1), key->zone)) {
        char zone[DNS_NAME_TEXT];
        crypto_keyplace_add(&reading->place, KEY_MISNAMED, name,
                            "it holds a key of %s with algorithm %u and tag %u",
                            dns_name_text(zone, key->zone), key->algorithm, key->tag);
        crypto_key_free(key->key);
        return BASE_EREFUSED;
    }
    key->path = base_arena_printf(&reading->arena, "%s/%s.private", reading->place.path, stem);
    if (key->path != NULL)
        return BASE_OK;
    crypto_key_free(key->key);
    return BASE_ENOMEM;
}

static bool is_known(const struct reading *reading, const struct crypto_zone_key *key)
{
    for (size_t i = 0; i < reading->key_count; i++) {
        if (memcmp(reading->keys[i].id, key->id, sizeof(key->id)) == 0)
            return true;
    }
    return false;
}

/* Takes one key, or notes that the directory is refused because of it. */
static int take_key(struct reading *reading, const char *name, bool own)
{
    int error = make_room(reading);
    if (error != BASE_OK)
        return error;
    struct crypto_zone_key *key = &reading->keys[reading->key_count];
    memset(key, 0, sizeof(*key));
    bool *guessed = &reading->guessed[reading->key_count];
    *guessed = false;
    error = own ? read_own(reading, name, key) : read_bind(reading, name, key, guessed);
    if (error == BASE_OK && reading->zone != NULL && key->key == NULL)
        error = crypto_zone_key_check_public(&reading->place, name, key);
    if (error == BASE_EREFUSED) {
        reading->refused = true;
        return BASE_OK; /* the others are read too, so that all findings come at once */
    }
    if (error != BASE_OK)
        return error;
    /* With a zone there are few keys. Without one nobody signs, and twice does no harm. */
    if (!own && reading->zone != NULL && is_known(reading, key)) {
        crypto_keyplace_add(&reading->place, KEY_DUPLICATE, name,
                            "the key %u is stored in Kenter's own form as well", key->tag);
        crypto_key_free(key->key);
        return BASE_OK;
    }
    crypto_zone_key_judge(&reading->place, name, key);
    reading->key_count++;
    return BASE_OK;
}

/* A private half alone is not used, but somebody may miss it. */
static void check_orphan(struct reading *reading, const char *name, const char *suffix,
                         const char *other)
{
    if (!has_name(reading, name, strlen(name) - strlen(suffix), other))
        crypto_keyplace_add(&reading->place, KEY_ORPHAN, name, "there is no %.*s%s beside it",
                            (int)(strlen(name) - strlen(suffix)), name, other);
}

static int read_keys(struct reading *reading)
{
    int error = BASE_OK;
    for (size_t i = 0; i < reading->name_count && error == BASE_OK; i++) {
        const char *name = reading->names[i];
        if (has_suffix(name, CRYPTO_META_SUFFIX))
            error = take_key(reading, name, true);
        else if (has_suffix(name, CRYPTO_PEM_SUFFIX))
            check_orphan(reading, name, CRYPTO_PEM_SUFFIX, CRYPTO_META_SUFFIX);
    }
    for (size_t i = 0; i < reading->name_count && error == BASE_OK; i++) {
        const char *name = reading->names[i];
        if (has_suffix(name, ".key"))
            error = take_key(reading, name, false);
        else if (has_suffix(name, ".private"))
            check_orphan(reading, name, ".private", ".key");
    }
    return error;
}

/* A guessed KSK signs everything when no other key of its algorithm does so for the zone. */
static void settle_roles(struct reading *reading)
{
    for (size_t i = 0; i < reading->key_count; i++) {
        struct crypto_zone_key *key = &reading->keys[i];
        bool alone = reading->guessed[i] && key->role == CRYPTO_KSK && reading->zone != NULL;
        for (size_t j = 0; j < reading->key_count && alone; j++) {
            const struct crypto_zone_key *other = &reading->keys[j];
            alone = other->algorithm != key->algorithm || other->role == CRYPTO_KSK ||
                    (reading->guessed[j] && (other->flags & CRYPTO_KEY_SEP) != 0);
        }
        if (alone)
            key->role = CRYPTO_CSK;
    }
}

static int compare_time(base_time a, base_time b)
{
    return (a > b) - (a < b);
}

static int compare_keys(const void *left, const void *right)
{
    const struct crypto_zone_key *a = left, *b = right;
    int order = dns_name_compare(a->zone, b->zone);
    if (order == 0)
        order = (a->role > b->role) - (a->role < b->role);
    if (order == 0)
        order = compare_time(a->created, b->created);
    return order != 0 ? order : memcmp(a->id, b->id, sizeof(a->id));
}

static void check_pair(struct reading *reading, const struct crypto_zone_key *a,
                       const struct crypto_zone_key *b)
{
    /* The same key twice is another matter. */
    if (a->tag != b->tag || memcmp(a->id, b->id, sizeof(a->id)) == 0)
        return;
    char zone[DNS_NAME_TEXT];
    crypto_keyplace_add(&reading->place, KEY_TAG_COLLISION, "",
                        "two keys of %s have the tag %u: %s and %s", dns_name_text(zone, a->zone),
                        a->tag, a->path, b->path);
    reading->refused = true;
}

/* The keys are sorted, so those of a zone lie together; a zone has few of them. */
static void check_tags(struct reading *reading)
{
    for (size_t i = 0; i < reading->key_count; i++) {
        const struct crypto_zone_key *key = &reading->keys[i];
        for (size_t j = i + 1; j < reading->key_count; j++) {
            if (!dns_name_equal(key->zone, reading->keys[j].zone))
                break;
            check_pair(reading, key, &reading->keys[j]);
        }
    }
}

static int read_all(struct reading *reading)
{
    int error = crypto_keyplace_check(&reading->place);
    if (error != BASE_OK)
        return error;
    error = list_names(reading);
    if (error == BASE_OK)
        error = read_keys(reading);
    if (error != BASE_OK)
        return error;
    settle_roles(reading);
    if (reading->key_count > 1)
        qsort(reading->keys, reading->key_count, sizeof(*reading->keys), compare_keys);
    check_tags(reading);
    return reading->refused ? BASE_EREFUSED : BASE_OK;
}

int crypto_keydir_open(const char *path, const uint8_t *zone, struct base_findings *findings,
                       struct crypto_keydir *out)
{
    struct reading reading = {.zone = zone};
    int error = crypto_keyplace_open(path, findings, &reading.place);
    if (error != BASE_OK)
        return error;
    base_arena_init(&reading.arena, 0);
    error = read_all(&reading);
    crypto_keyplace_close(&reading.place);
    free(reading.names);
    free(reading.guessed);
    struct crypto_keydir dir = {reading.keys, reading.key_count, reading.arena};
    if (error == BASE_OK)
        *out = dir;
    else
        crypto_keydir_free(&dir);
    return error;
}

void crypto_keydir_free(struct crypto_keydir *dir)
{
    for (size_t i = 0; i < dir->count; i++)
        crypto_key_free(dir->keys[i].key);
    free(dir->keys);
    base_arena_free(&dir->arena);
    dir->keys = NULL;
    dir->count = 0;
}
