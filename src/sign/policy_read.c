/*
 * Policy files. One table says which settings there are and how their values are read; whatever is
 * not in it is refused, with the nearest name that is.
 */
#include "base/clock.h"
#include "base/codec.h"
#include "base/error.h"
#include "base/file.h"
#include "base/yaml.h"
#include "crypto/crypto.h"
#include "sign/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define POLICY_FILE_MAX (1024 * 1024)
#define NAME_MAX_LENGTH 32

struct reading {
    const char *file;
    struct base_findings *findings;
    struct sign_policy policy;
    bool bad;
};

struct setting {
    const char *section, *name;
    bool (*read)(struct sign_policy *policy, const struct base_yaml *node);
    const char *form; /* what a value may look like */
};

static void refuse(struct reading *reading, const struct base_yaml *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void refuse_key(struct reading *reading, const struct base_yaml *node, const char *format,
                       ...) __attribute__((format(printf, 3, 4)));

static void refuse(struct reading *reading, const struct base_yaml *node, const char *format, ...)
{
    struct base_place place = {.file = reading->file, .line = node->line, .column = node->column};
    va_list args;
    va_start(args, format);
    base_findings_addv(reading->findings, POLICY_INVALID, BASE_ERROR, &place, format, args);
    va_end(args);
    reading->bad = true;
}

/* The same at the node's key. */
static void refuse_key(struct reading *reading, const struct base_yaml *node, const char *format,
                       ...)
{
    struct base_place place = {
        .file = reading->file, .line = node->key_line, .column = node->key_column};
    va_list args;
    va_start(args, format);
    base_findings_addv(reading->findings, POLICY_INVALID, BASE_ERROR, &place, format, args);
    va_end(args);
    reading->bad = true;
}

/*
 * Values
 */

static bool read_duration(const struct base_yaml *node, uint32_t *out)
{
    int64_t value;
    if (node->kind != BASE_YAML_SCALAR || base_duration_parse(node->text, &value) != BASE_OK ||
        value > INT32_MAX)
        return false;
    *out = (uint32_t)value;
    return true;
}

static bool read_bool(const struct base_yaml *node, bool *out)
{
    if (node->kind != BASE_YAML_SCALAR)
        return false;
    bool is_true = strcmp(node->text, "true") == 0;
    if (!is_true && strcmp(node->text, "false") != 0)
        return false;
    *out = is_true;
    return true;
}

static bool read_number(const struct base_yaml *node, unsigned max, unsigned *out)
{
    if (node->kind != BASE_YAML_SCALAR || node->text[0] < '0' || node->text[0] > '9')
        return false;
    char *end;
    errno = 0;
    unsigned long value = strtoul(node->text, &end, 10);
    if (*end != '\0' || errno != 0 || value > max)
        return false;
    *out = (unsigned)value;
    return true;
}

static bool read_word(const struct base_yaml *node, const char *const *words, unsigned *out)
{
    for (unsigned i = 0; node->kind == BASE_YAML_SCALAR && words[i] != NULL; i++)
        if (strcmp(node->text, words[i]) == 0) {
            *out = i;
            return true;
        }
    return false;
}

static bool read_validity(struct sign_policy *policy, const struct base_yaml *node)
{
    return read_duration(node, &policy->validity) && policy->validity > 0;
}

static bool read_refresh(struct sign_policy *policy, const struct base_yaml *node)
{
    return read_duration(node, &policy->refresh);
}

static bool read_inception(struct sign_policy *policy, const struct base_yaml *node)
{
    return read_duration(node, &policy->inception);
}

static bool read_jitter(struct sign_policy *policy, const struct base_yaml *node)
{
    return read_duration(node, &policy->jitter);
}

static bool read_algorithm(struct sign_policy *policy, const struct base_yaml *node)
{
    unsigned number;
    if (node->kind != BASE_YAML_SCALAR ||
        crypto_algorithm_from_text(node->text, &number) != BASE_OK)
        return false;
    const struct crypto_algorithm_info *info = crypto_algorithm(number);
    if (info == NULL || !info->sign)
        return false;
    policy->algorithm = (uint8_t)number;
    return true;
}

static bool read_rsa_bits(struct sign_policy *policy, const struct base_yaml *node)
{
    unsigned bits;
    if (!read_number(node, 4096, &bits) || bits < 1024)
        return false;
    policy->rsa_bits = (uint16_t)bits;
    return true;
}

static bool read_csk(struct sign_policy *policy, const struct base_yaml *node)
{
    return read_bool(node, &policy->csk);
}

static bool read_dnskey_ttl(struct sign_policy *policy, const struct base_yaml *node)
{
    if (node->kind == BASE_YAML_SCALAR && strcmp(node->text, "soa") == 0) {
        policy->dnskey_ttl = 0;
        return true;
    }
    return read_duration(node, &policy->dnskey_ttl) && policy->dnskey_ttl > 0;
}

static bool read_denial_type(struct sign_policy *policy, const struct base_yaml *node)
{
    static const char *const words[] = {"nsec", "nsec3", NULL};
    unsigned word;
    if (!read_word(node, words, &word))
        return false;
    policy->denial = word == 0 ? SIGN_NSEC : SIGN_NSEC3;
    return true;
}

static bool read_opt_out(struct sign_policy *policy, const struct base_yaml *node)
{
    return read_bool(node, &policy->opt_out);
}

static bool read_iterations(struct sign_policy *policy, const struct base_yaml *node)
{
    unsigned value;
    if (!read_number(node, 2500, &value))
        return false;
    policy->nsec3_iterations = (uint16_t)value;
    return true;
}

static bool read_salt(struct sign_policy *policy, const struct base_yaml *node)
{
    if (node->kind != BASE_YAML_SCALAR)
        return false;
    size_t length = 0;
    if (strcmp(node->text, "-") != 0 &&
        base_hex_decode(policy->nsec3_salt, sizeof(policy->nsec3_salt), &length, node->text,
                        strlen(node->text)) != BASE_OK)
        return false;
    policy->nsec3_salt_length = (uint8_t)length;
    return true;
}

static bool read_serial(struct sign_policy *policy, const struct base_yaml *node)
{
    static const char *const words[] = {"keep", "increment", "unixtime", "date", NULL};
    static const enum sign_serial values[] = {SIGN_SERIAL_KEEP, SIGN_SERIAL_INCREMENT,
                                              SIGN_SERIAL_UNIXTIME, SIGN_SERIAL_DATE};
    unsigned word;
    if (!read_word(node, words, &word))
        return false;
    policy->serial = values[word];
    return true;
}

static bool read_cds(struct sign_policy *policy, const struct base_yaml *node)
{
    return read_bool(node, &policy->cds);
}

static bool read_cdnskey(struct sign_policy *policy, const struct base_yaml *node)
{
    return read_bool(node, &policy->cdnskey);
}

static bool read_cds_digests(struct sign_policy *policy, const struct base_yaml *node)
{
    uint8_t digests[sizeof(policy->cds_digests)] = {0};
    if (node->kind != BASE_YAML_LIST || node->count > sizeof(digests))
        return false;
    size_t count = 0;
    for (const struct base_yaml *item = node->first; item != NULL; item = item->next) {
        unsigned type;
        if (!read_number(item, 255, &type) || (type != 2 && type != 4) ||
            memchr(digests, (int)type, count) != NULL)
            return false;
        digests[count++] = (uint8_t)type;
    }
    memcpy(policy->cds_digests, digests, sizeof(digests));
    return true;
}

static bool read_zonemd(struct sign_policy *policy, const struct base_yaml *node)
{
    static const char *const words[] = {"none", "sha384", "sha512", NULL};
    unsigned word;
    if (!read_word(node, words, &word))
        return false;
    policy->zonemd = (uint8_t)word;
    return true;
}

#define DURATION "a duration such as 14d or 1h30m"
#define BOOLEAN  "true or false"

static const struct setting settings[] = {
    {"signatures", "validity", read_validity, DURATION},
    {"signatures", "refresh", read_refresh, DURATION},
    {"signatures", "inception", read_inception, DURATION},
    {"signatures", "jitter", read_jitter, DURATION},
    {"keys", "algorithm", read_algorithm,
     "an algorithm that zones are signed with, such as ECDSAP256SHA256 or 13"},
    {"keys", "rsa-bits", read_rsa_bits, "a number from 1024 to 4096"},
    {"keys", "csk", read_csk, BOOLEAN},
    {"keys", "dnskey-ttl", read_dnskey_ttl, DURATION ", or soa"},
    {"denial", "type", read_denial_type, "nsec or nsec3"},
    {"denial", "opt-out", read_opt_out, BOOLEAN},
    {"denial", "iterations", read_iterations, "a number from 0 to 2500"},
    {"denial", "salt", read_salt, "hexadecimal of at most 255 octets in quotes, or \"-\""},
    {"apex", "serial", read_serial, "keep, increment, unixtime or date"},
    {"apex", "cds", read_cds, BOOLEAN},
    {"apex", "cdnskey", read_cdnskey, BOOLEAN},
    {"apex", "cds-digests", read_cds_digests, "a list of digest types, each 2 or 4 and once"},
    {"apex", "zonemd", read_zonemd, "none, sha384 or sha512"},
};
#define SETTING_COUNT (sizeof(settings) / sizeof(settings[0]))

/*
 * Names
 */

/* The number of single edits that make one name of the other (Levenshtein). */
static size_t distance(const char *a, const char *b)
{
    size_t n = strlen(b), row[NAME_MAX_LENGTH + 1];
    if (strlen(a) > NAME_MAX_LENGTH || n > NAME_MAX_LENGTH)
        return SIZE_MAX;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t above = row[j], best = diagonal + (a[i - 1] != b[j - 1]);
            if (above + 1 < best)
                best = above + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            diagonal = above;
            row[j] = best;
        }
    }
    return row[n];
}

static void consider(const char *wrong, const char *name, const char **best, size_t *least)
{
    size_t edits = distance(wrong, name);
    if (edits < *least) {
        *least = edits;
        *best = name;
    }
}

/* The nearest name to a wrong one: a section when `section` is NULL, else a setting of it. NULL
 * when none is near. */
static const char *nearest(const char *wrong, const char *section)
{
    const char *best = NULL;
    size_t least = strlen(wrong) / 2 + 1;
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        if (section == NULL)
            consider(wrong, settings[i].section, &best, &least);
        else if (strcmp(section, settings[i].section) == 0)
            consider(wrong, settings[i].name, &best, &least);
    }
    return best;
}

static void refuse_name(struct reading *reading, const struct base_yaml *node, const char *section)
{
    const char *near = nearest(node->key, section);
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        /* Right name, wrong place: say where it belongs. */
        if (strcmp(node->key, settings[i].name) == 0) {
            refuse_key(reading, node, "setting \"%s\" belongs into section \"%s\"", node->key,
                       settings[i].section);
            return;
        }
    }
    refuse_key(reading, node, "there is no %s \"%.64s\"%s%s%s", section ? "setting" : "section",
               node->key, near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

static const struct setting *find_setting(const char *section, const char *name)
{
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (strcmp(settings[i].section, section) == 0 &&
            (name == NULL || strcmp(settings[i].name, name) == 0))
            return &settings[i];
    return NULL;
}

static void read_section(struct reading *reading, const struct base_yaml *section)
{
    if (section->kind == BASE_YAML_SCALAR && section->text[0] == '\0')
        return; /* a section without settings */
    if (section->kind != BASE_YAML_MAP) {
        refuse_key(reading, section, "section \"%s\" must hold settings, one a line", section->key);
        return;
    }
    for (const struct base_yaml *node = section->first; node != NULL; node = node->next) {
        const struct setting *setting = find_setting(section->key, node->key);
        if (setting == NULL) {
            refuse_name(reading, node, section->key);
        } else if (!setting->read(&reading->policy, node)) {
            const char *text = node->kind == BASE_YAML_SCALAR ? node->text : "this";
            refuse(reading, node, "%s: %s: \"%.64s\" is not %s", section->key, node->key, text,
                   setting->form);
        }
    }
}

static void read_tree(struct reading *reading, const struct base_yaml *root)
{
    if (root->kind != BASE_YAML_MAP) {
        refuse(reading, root, "a policy consists of sections: signatures, keys, denial, apex");
        return;
    }
    for (const struct base_yaml *node = root->first; node != NULL; node = node->next) {
        if (find_setting(node->key, NULL) == NULL)
            refuse_name(reading, node, NULL);
        else
            read_section(reading, node);
    }
}

static int read_data(struct reading *reading, const uint8_t *data, size_t length)
{
    struct base_arena arena;
    struct base_yaml *root;
    base_arena_init(&arena, 16 * (size_t)POLICY_FILE_MAX);
    int status = base_yaml_parse(reading->file, data, length, &arena, reading->findings, &root);
    if (status == BASE_OK)
        read_tree(reading, root);
    base_arena_free(&arena);
    if (status == BASE_ENOMEM)
        return status;
    if (status != BASE_OK || reading->bad)
        return BASE_EREFUSED;
    struct base_place place = {.file = reading->file};
    return sign_policy_check(&reading->policy, &place, reading->findings);
}

int sign_policy_read_part(const char *file, const struct base_yaml *root,
                          struct base_findings *findings, struct sign_policy *policy)
{
    struct reading reading = {.file = file, .findings = findings, .policy = *policy};
    struct base_place place = {.file = file, .line = root->line, .column = root->column};
    read_tree(&reading, root);
    if (reading.bad)
        return BASE_EREFUSED;
    int error = sign_policy_check(&reading.policy, &place, findings);
    if (error == BASE_OK)
        *policy = reading.policy;
    return error;
}

int sign_policy_read(const char *path, struct base_findings *findings, struct sign_policy *policy)
{
    struct reading reading = {.file = path, .findings = findings};
    struct base_place place = {.file = path};
    uint8_t *data;
    size_t length;
    sign_policy_default(&reading.policy);
    int status = base_file_read(path, POLICY_FILE_MAX, &data, &length);
    if (status == BASE_EIO) {
        base_findings_add(findings, FILE_UNREADABLE, &place, "the policy cannot be read: %s",
                          strerror(errno));
        return status;
    }
    if (status == BASE_ELIMIT) {
        base_findings_add(findings, POLICY_INVALID, &place,
                          "the file is larger than %d octets; this is not a policy",
                          POLICY_FILE_MAX);
        return BASE_EREFUSED;
    }
    if (status != BASE_OK)
        return status;
    status = read_data(&reading, data, length);
    free(data);
    if (status == BASE_OK)
        *policy = reading.policy;
    return status;
}
