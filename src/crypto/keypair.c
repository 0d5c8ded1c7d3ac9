/*
 * BIND's pairs of files: K<zone>+<algorithm>+<tag>.key with the DNSKEY record, .private with the
 * private half and the times, and, when BIND manages the key by itself, .state with its roles.
 */
#include "base/buf.h"
#include "base/codec.h"
#include "base/error.h"
#include "base/reader.h"
#include "crypto/keyfiles.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAME_ROOM (CRYPTO_STEM_MAX + 16)

/* BIND's names for the times of a key. */
static const struct {
    const char *tag;
    size_t offset;
} times[] = {
    {"Created", offsetof(struct crypto_zone_key, created)},
    {"Publish", offsetof(struct crypto_zone_key, publish)},
    {"Activate", offsetof(struct crypto_zone_key, activate)},
    {"Inactive", offsetof(struct crypto_zone_key, inactive)},
    {"Delete", offsetof(struct crypto_zone_key, remove)},
    {"SyncPublish", offsetof(struct crypto_zone_key, ds_publish)},
    {"SyncDelete", offsetof(struct crypto_zone_key, ds_remove)},
};
#define TIMES (sizeof(times) / sizeof(times[0]))

/* The value of a line "Tag: value" or "; Tag: value"; NULL when there is none. Lines end with a
 * line feed or the text. */
static const char *find_line(const char *text, const char *tag)
{
    size_t length = strlen(tag);
    for (const char *line = text; line != NULL && *line != '\0';) {
        const char *at = line + strspn(line, "; \t");
        if (strncasecmp(at, tag, length) == 0 && at[length] == ':')
            return at + length + 1 + strspn(at + length + 1, " \t");
        line = strchr(line, '\n');
        if (line != NULL)
            line++;
    }
    return NULL;
}

/* Takes over the times of a text. False when one of them cannot be read. */
static bool read_times(const char *text, struct crypto_zone_key *key, const char **wrong)
{
    for (size_t i = 0; i < TIMES; i++) {
        const char *value = find_line(text, times[i].tag);
        char digits[15];
        base_time time;
        if (value == NULL)
            continue;
        /* "0" and "UNSET" mean that there is no such time. */
        if ((value[0] == '0' && strchr("123456789", value[1]) == NULL) ||
            strncasecmp(value, "UNSET", 5) == 0)
            continue;
        snprintf(digits, sizeof(digits), "%s", value);
        if (strspn(digits, "0123456789") != 14 || base_time_parse(digits, 0, &time) != BASE_OK) {
            *wrong = times[i].tag;
            return false;
        }
        *(base_time *)((char *)key + times[i].offset) = time;
    }
    return true;
}

/* Steps through the words of a zone file's text: no quotes, comments and parentheses passed. */
static bool next_word(const char **at, const char **word, size_t *length)
{
    const char *p = *at;
    for (;;) {
        p += strspn(p, " \t\r\n()");
        if (*p != ';')
            break;
        p += strcspn(p, "\n");
    }
    *word = p;
    /* An escaped character does not end a name. */
    while (*p != '\0' && strchr(" \t\r\n();", *p) == NULL)
        p += p[0] == '\\' && p[1] != '\0' ? 2 : 1;
    *length = (size_t)(p - *word);
    *at = p;
    return *length > 0;
}

static bool is_word(const char *word, size_t length, const char *text)
{
    return length == strlen(text) && strncasecmp(word, text, length) == 0;
}

static bool read_number(const char **at, unsigned limit, unsigned *out)
{
    const char *word;
    size_t length;
    unsigned value = 0;
    if (!next_word(at, &word, &length) || length > 5)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (word[i] < '0' || word[i] > '9')
            return false;
        value = value * 10 + (unsigned)(word[i] - '0');
    }
    *out = value;
    return value <= limit;
}

/* The public key: the rest of the words are one base64 text. */
static bool read_public(const char **at, struct crypto_zone_key *key)
{
    char text[BASE_BASE64_SIZE(CRYPTO_PUBLIC_MAX)];
    size_t used = 0, length;
    const char *word;
    while (next_word(at, &word, &length)) {
        if (length > sizeof(text) - used)
            return false;
        memcpy(text + used, word, length);
        used += length;
    }
    if (base_base64_decode(key->dnskey + 4, CRYPTO_PUBLIC_MAX, &length, text, used) != BASE_OK ||
        length == 0)
        return false;
    key->dnskey_length = 4 + length;
    return true;
}

/* Reads "owner [TTL] [class] DNSKEY flags protocol algorithm key". NULL, or what is wrong. */
static const char *read_record(const char *text, struct crypto_zone_key *key)
{
    const char *word;
    size_t length, name_length;
    unsigned flags, protocol, algorithm;
    if (!next_word(&text, &word, &length) ||
        dns_name_from_text(key->zone, &name_length, word, length, NULL) != BASE_OK)
        return "it does not begin with the full name of a zone, with its final dot";
    bool found = false;
    for (int i = 0; i < 3 && !found; i++) {
        if (!next_word(&text, &word, &length))
            break;
        found = is_word(word, length, "DNSKEY");
        if (!found && !is_word(word, length, "IN") && (word[0] < '0' || word[0] > '9'))
            return "there is no DNSKEY record of class IN in it";
    }
    if (!found)
        return "there is no DNSKEY record in it";
    if (!read_number(&text, 65535, &flags) || !read_number(&text, 3, &protocol) || protocol != 3 ||
        !read_number(&text, 255, &algorithm))
        return "flags, protocol and algorithm of the DNSKEY record must be numbers, protocol 3";
    if ((flags & CRYPTO_KEY_ZONE) == 0)
        return "the flags of the DNSKEY record lack the bit of a zone key (256)";
    if (!read_public(&text, key))
        return "the public key is not base64, or there is more than one record";
    key->flags = (uint16_t)flags;
    key->algorithm = (uint8_t)algorithm;
    base_store_u16(key->dnskey, key->flags);
    key->dnskey[2] = 3;
    key->dnskey[3] = key->algorithm;
    return NULL;
}

static int damaged(const struct crypto_keyplace *place, const char *name, const char *what)
{
    crypto_keyplace_add(place, KEY_DAMAGED, name, "%s: %s", name, what);
    return BASE_EREFUSED;
}

int crypto_pair_parse_public(const struct crypto_keyplace *place, const char *name,
                             const char *text, size_t length, struct crypto_zone_key *key)
{
    const char *wrong = strlen(text) != length ? "it holds binary data" : read_record(text, key);
    const char *field;
    if (wrong == NULL && !read_times(text, key, &field))
        wrong = "a time in its comments is not of the form YYYYMMDDHHMMSS";
    if (wrong != NULL)
        return damaged(place, name, wrong);
    crypto_zone_key_complete(key);
    const struct crypto_algorithm_info *info = crypto_algorithm(key->algorithm);
    if (info != NULL && info->sign)
        return BASE_OK;
    crypto_keyplace_add(place, KEY_ALGORITHM, name, "the key %u has algorithm %u%s%s", key->tag,
                        key->algorithm, info == NULL ? "" : ", ", info == NULL ? "" : info->name);
    return BASE_EREFUSED;
}

static int read_public_file(const struct crypto_keyplace *place, const char *stem,
                            struct crypto_zone_key *key)
{
    char name[NAME_ROOM], *text;
    size_t length;
    snprintf(name, sizeof(name), "%s.key", stem);
    int error = crypto_keyfile_read(place, name, 0, &text, &length);
    if (error == BASE_ENOENT) {
        crypto_keyplace_add(place, FILE_UNREADABLE, name, "there is no file %s", name);
        return BASE_EREFUSED;
    }
    if (error != BASE_OK)
        return error;
    error = crypto_pair_parse_public(place, name, text, length, key);
    free(text);
    return error;
}

int crypto_pair_parse_private(const struct crypto_keyplace *place, const char *name,
                              const char *text, size_t length, struct crypto_zone_key *key)
{
    const char *field;
    if (strlen(text) != length)
        return damaged(place, name, "it holds binary data");
    if (!read_times(text, key, &field)) {
        crypto_keyplace_add(place, KEY_DAMAGED, name, "the time \"%s\" is not YYYYMMDDHHMMSS",
                            field);
        return BASE_EREFUSED;
    }
    int error = crypto_key_from_bind(text, length, &key->key);
    if (error == BASE_OK || error == BASE_ENOMEM)
        return error;
    if (error == BASE_EUNSUPPORTED && find_line(text, "Label") != NULL)
        crypto_keyplace_add(place, KEY_HARDWARE, name, "%s has a label instead of a key", name);
    else if (error == BASE_EUNSUPPORTED)
        crypto_keyplace_add(place, KEY_ALGORITHM, name,
                            "%s has an algorithm or format that Kenter does not know", name);
    else
        crypto_keyplace_add(place, KEY_DAMAGED, name, "%s: the private key in it is broken: %s",
                            name, base_strerror(error));
    return BASE_EREFUSED;
}

static int check_halves(const struct crypto_keyplace *place, const char *name,
                        const struct crypto_zone_key *key)
{
    uint8_t dnskey[CRYPTO_DNSKEY_MAX];
    size_t length = crypto_key_dnskey(key->key, key->flags, dnskey);
    if (length == key->dnskey_length && memcmp(dnskey, key->dnskey, length) == 0)
        return BASE_OK;
    crypto_keyplace_add(place, KEY_MISMATCH, name,
                        "the private key gives the tag %u, the DNSKEY record has %u",
                        crypto_key_tag(dnskey, length), key->tag);
    return BASE_EREFUSED;
}

static int read_private_file(const struct crypto_keyplace *place, const char *stem,
                             mode_t forbidden, bool with_private, struct crypto_zone_key *key)
{
    char name[NAME_ROOM], *text;
    size_t length;
    snprintf(name, sizeof(name), "%s.private", stem);
    if (!with_private) {
        int error = crypto_keyfile_check(place, name, forbidden);
        return error == BASE_ENOENT ? BASE_OK : error;
    }
    int error = crypto_keyfile_read(place, name, forbidden, &text, &length);
    if (error == BASE_ENOENT)
        return BASE_OK; /* only the public half is kept here */
    if (error != BASE_OK)
        return error;
    error = crypto_pair_parse_private(place, name, text, length, key);
    crypto_keyfile_free(text, length);
    return error == BASE_OK ? check_halves(place, name, key) : error;
}

static bool says_yes(const char *text, const char *tag)
{
    const char *value = find_line(text, tag);
    return value != NULL && strncasecmp(value, "yes", 3) == 0;
}

/* BIND says in .state what a key is for; without that file the SEP flag must do. */
static int read_role(const struct crypto_keyplace *place, const char *stem,
                     struct crypto_zone_key *key, bool *guessed)
{
    char name[NAME_ROOM], *text;
    size_t length;
    snprintf(name, sizeof(name), "%s.state", stem);
    key->role = (key->flags & CRYPTO_KEY_SEP) != 0 ? CRYPTO_KSK : CRYPTO_ZSK;
    *guessed = true;
    int error = crypto_keyfile_read(place, name, 0, &text, &length);
    if (error != BASE_OK)
        return error == BASE_ENOENT ? BASE_OK : error;
    bool ksk = says_yes(text, "KSK"), zsk = says_yes(text, "ZSK");
    if (ksk || zsk) {
        key->role = ksk && zsk ? CRYPTO_CSK : ksk ? CRYPTO_KSK : CRYPTO_ZSK;
        *guessed = false;
    }
    free(text);
    return BASE_OK;
}

int crypto_pair_read(const struct crypto_keyplace *place, const char *stem, mode_t forbidden,
                     bool with_private, struct crypto_zone_key *out, bool *guessed)
{
    struct crypto_zone_key *key = calloc(1, sizeof(*key));
    if (key == NULL)
        return BASE_ENOMEM;
    int error = read_public_file(place, stem, key);
    if (error == BASE_OK)
        error = read_private_file(place, stem, forbidden, with_private, key);
    if (error == BASE_OK)
        error = read_role(place, stem, key, guessed);
    if (error == BASE_OK)
        *out = *key;
    else
        crypto_key_free(key->key);
    free(key);
    return error;
}

/* Splits a path into its directory and the common name of the pair. */
static bool split_path(const char *path, char **directory, char *stem)
{
    static const char *const suffixes[] = {".key", ".private", ".state"};
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        size_t suffix = strlen(suffixes[i]);
        if (length > suffix && strcmp(name + length - suffix, suffixes[i]) == 0) {
            length -= suffix;
            break;
        }
    }
    if (length == 0 || length >= CRYPTO_STEM_MAX)
        return false;
    memcpy(stem, name, length);
    stem[length] = '\0';
    if (slash == NULL)
        *directory = strdup(".");
    else
        *directory = slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
    return *directory != NULL;
}

int crypto_bind_pair_read(const char *path, struct base_findings *findings,
                          struct crypto_zone_key *out)
{
    char stem[CRYPTO_STEM_MAX], *directory = NULL;
    struct crypto_keyplace place = {.path = "", .findings = findings};
    bool guessed;
    if (!split_path(path, &directory, stem)) {
        struct base_place where = {.file = path};
        base_findings_add(findings, FILE_UNREADABLE, &where, "%s is not the name of a key", path);
        return BASE_EREFUSED;
    }
    int error = crypto_keyplace_open(directory, findings, &place);
    if (error == BASE_ENOENT) {
        struct base_place where = {.file = path};
        base_findings_add(findings, FILE_UNREADABLE, &where, "there is no directory %s", directory);
        error = BASE_EREFUSED;
    } else if (error == BASE_OK) {
        /* BIND's own directories let its group read. */
        error = crypto_pair_read(&place, stem, 027, true, out, &guessed);
        if (error == BASE_OK)
            crypto_zone_key_judge(&place, stem, out);
        crypto_keyplace_close(&place);
    }
    if (error == BASE_OK)
        out->path = NULL;
    free(directory);
    return error;
}

static void append_times(struct base_buf *buf, const struct crypto_zone_key *key,
                         const char *prefix)
{
    for (size_t i = 0; i < TIMES; i++) {
        base_time time = *(const base_time *)((const char *)key + times[i].offset);
        char text[BASE_TIME_TEXT];
        if (time == 0)
            continue;
        base_time_compact(time, text);
        base_buf_printf(buf, "%s%s: %s\n", prefix, times[i].tag, text);
    }
}

static int write_public(const struct crypto_keyplace *place, const char *stem,
                        const struct crypto_zone_key *key)
{
    char name[NAME_ROOM], zone[DNS_NAME_TEXT], public[BASE_BASE64_SIZE(CRYPTO_PUBLIC_MAX)];
    size_t length = base_base64_encode(public, key->dnskey + 4, key->dnskey_length - 4);
    struct base_buf buf;
    base_buf_init(&buf, CRYPTO_KEYFILE_LIMIT);
    dns_name_text(zone, key->zone);
    base_buf_printf(&buf, "; This is a %s-signing key, keyid %u, for %s\n",
                    (key->flags & CRYPTO_KEY_SEP) != 0 ? "key" : "zone", key->tag, zone);
    append_times(&buf, key, "; ");
    base_buf_printf(&buf, "%s IN DNSKEY %u 3 %u %.*s\n", zone, key->flags, key->algorithm,
                    (int)length, public);
    snprintf(name, sizeof(name), "%s.key", stem);
    int error = buf.error;
    if (error == BASE_OK)
        error = crypto_keyfile_write(place, name, 0644, (const char *)buf.data, buf.length);
    base_buf_free(&buf);
    return error;
}

static int write_private(const struct crypto_keyplace *place, const char *stem,
                         const struct crypto_zone_key *key)
{
    char name[NAME_ROOM], *text;
    size_t length;
    int error = crypto_key_to_bind(key->key, &text, &length);
    if (error != BASE_OK)
        return error;
    struct base_buf buf;
    base_buf_init(&buf, CRYPTO_KEYFILE_LIMIT);
    base_buf_reserve(&buf, length + 1024); /* at once, so that no copies are left behind */
    base_buf_append(&buf, text, length);
    crypto_keyfile_free(text, length);
    append_times(&buf, key, "");
    snprintf(name, sizeof(name), "%s.private", stem);
    error = buf.error;
    if (error == BASE_OK)
        error = crypto_keyfile_write(place, name, 0600, (const char *)buf.data, buf.length);
    if (buf.data != NULL)
        crypto_wipe(buf.data, buf.capacity);
    base_buf_free(&buf);
    return error;
}

static int write_pair(const struct crypto_keyplace *place, const struct crypto_zone_key *key)
{
    char stem[CRYPTO_STEM_MAX], name[NAME_ROOM];
    static const char *const suffixes[] = {".key", ".private"};
    if (crypto_keyname_bind(key, stem) != BASE_OK) {
        crypto_keyplace_add(place, FILE_UNWRITABLE, "",
                            "the name of the zone is too long for the file names that BIND uses");
        return BASE_EREFUSED;
    }
    for (size_t i = 0; i < 2; i++) {
        snprintf(name, sizeof(name), "%s%s", stem, suffixes[i]);
        if (crypto_keyplace_has(place, name)) {
            crypto_keyplace_add(place, KEY_EXISTS, name, "%s is there already", name);
            return BASE_EEXIST;
        }
    }
    int error = key->key == NULL ? BASE_OK : write_private(place, stem, key);
    return error == BASE_OK ? write_public(place, stem, key) : error;
}

int crypto_bind_pair_write(const char *directory, const struct crypto_zone_key *key,
                           struct base_findings *findings)
{
    struct crypto_keyplace place;
    int error = crypto_keyplace_open(directory, findings, &place);
    if (error == BASE_ENOENT) {
        struct base_place where = {.file = directory};
        base_findings_add(findings, FILE_UNWRITABLE, &where, "there is no directory %s", directory);
        return BASE_EREFUSED;
    }
    if (error != BASE_OK)
        return error;
    error = write_pair(&place, key);
    crypto_keyplace_close(&place);
    return error;
}
