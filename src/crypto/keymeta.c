/*
 * The metadata of a key: what the PKCS#8 file does not say. JSON, so that people can read it and
 * other programs too; docs/design/keys.md describes the fields.
 */
#include "base/codec.h"
#include "base/error.h"
#include "base/reader.h"
#include "crypto/internal.h"
#include "crypto/keyfiles.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define VERSION 1

static const char *const roles[] = {
    [CRYPTO_KSK] = "ksk",
    [CRYPTO_ZSK] = "zsk",
    [CRYPTO_CSK] = "csk",
};

/* The times of a key by their names in the metadata, in the order in which they pass. */
static const struct {
    const char *name;
    size_t offset;
} times[] = {
    {"created", offsetof(struct crypto_zone_key, created)},
    {"publish", offsetof(struct crypto_zone_key, publish)},
    {"activate", offsetof(struct crypto_zone_key, activate)},
    {"dsPublish", offsetof(struct crypto_zone_key, ds_publish)},
    {"dsRemove", offsetof(struct crypto_zone_key, ds_remove)},
    {"inactive", offsetof(struct crypto_zone_key, inactive)},
    {"remove", offsetof(struct crypto_zone_key, remove)},
};
#define TIMES (sizeof(times) / sizeof(times[0]))

static base_time *time_at(struct crypto_zone_key *key, size_t index)
{
    return (base_time *)((char *)key + times[index].offset);
}

void crypto_zone_key_complete(struct crypto_zone_key *key)
{
    uint8_t input[DNS_NAME_MAX + CRYPTO_DNSKEY_MAX], digest[CRYPTO_DIGEST_MAX];
    size_t length = dns_name_lower(key->zone, key->zone);
    memcpy(input, key->zone, length);
    memcpy(input + length, key->dnskey, key->dnskey_length);
    crypto_digest(CRYPTO_SHA256, input, length + key->dnskey_length, digest);
    memcpy(key->id, digest, sizeof(key->id));
    key->tag = crypto_key_tag(key->dnskey, key->dnskey_length);
}

int crypto_zone_key_check_public(const struct crypto_keyplace *place, const char *name,
                                 const struct crypto_zone_key *key)
{
    EVP_PKEY *pkey;
    int error =
        crypto_public_from_wire(key->algorithm, key->dnskey + 4, key->dnskey_length - 4, &pkey);
    if (error == BASE_OK)
        EVP_PKEY_free(pkey);
    if (error == BASE_OK || error == BASE_ENOMEM)
        return error;
    crypto_keyplace_add(place, KEY_DAMAGED, name, "the public key %u is not one of algorithm %u",
                        key->tag, key->algorithm);
    return BASE_EREFUSED;
}

void crypto_zone_key_judge(const struct crypto_keyplace *place, const char *name,
                           const struct crypto_zone_key *key)
{
    if (key->key != NULL && crypto_family(key->algorithm)->family == CRYPTO_FAMILY_RSA &&
        crypto_key_bits(key->key) < 2048)
        crypto_keyplace_add(place, KEY_WEAK, name, "the RSA key %u has only %u bits", key->tag,
                            crypto_key_bits(key->key));
    static const struct {
        const char *early, *late;
        size_t first, second;
    } orders[] = {
#define ORDER(a, b)                                                                                \
    {#a, #b, offsetof(struct crypto_zone_key, a), offsetof(struct crypto_zone_key, b)}
        ORDER(publish, activate), ORDER(activate, inactive),    ORDER(inactive, remove),
        ORDER(publish, remove),   ORDER(ds_publish, ds_remove),
#undef ORDER
    };
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        base_time early = *(const base_time *)((const char *)key + orders[i].first);
        base_time late = *(const base_time *)((const char *)key + orders[i].second);
        if (early != 0 && late != 0 && late < early) {
            char early_text[BASE_TIME_TEXT], late_text[BASE_TIME_TEXT];
            base_time_iso(early, early_text);
            base_time_iso(late, late_text);
            crypto_keyplace_add(place, KEY_TIMES, name, "key %u: %s at %s is before %s at %s",
                                key->tag, orders[i].late, late_text, orders[i].early, early_text);
        }
    }
}

/* Why metadata was refused: the field, and what is wrong with it. */
struct fault {
    const char *field;
    const char *what;
};

static bool fail(struct fault *fault, const char *field, const char *what)
{
    *fault = (struct fault){field, what};
    return false;
}

static bool get_number(const json_t *root, const char *field, unsigned limit, unsigned *out,
                       struct fault *fault)
{
    const json_t *value = json_object_get(root, field);
    if (!json_is_integer(value))
        return fail(fault, field, "is missing or not a number");
    json_int_t number = json_integer_value(value);
    if (number < 0 || number > (json_int_t)limit)
        return fail(fault, field, "is out of range");
    *out = (unsigned)number;
    return true;
}

static const char *get_text(const json_t *root, const char *field, struct fault *fault)
{
    const char *text = json_string_value(json_object_get(root, field));
    if (text == NULL)
        fail(fault, field, "is missing or not a text");
    return text;
}

static bool get_zone(const json_t *root, struct crypto_zone_key *key, struct fault *fault)
{
    const char *text = get_text(root, "zone", fault);
    size_t length;
    if (text == NULL)
        return false;
    if (dns_name_from_text(key->zone, &length, text, strlen(text), NULL) != BASE_OK)
        return fail(fault, "zone", "is not the name of a zone");
    return true;
}

static bool get_role(const json_t *root, struct crypto_zone_key *key, struct fault *fault)
{
    const char *text = get_text(root, "role", fault);
    if (text == NULL)
        return false;
    for (int role = CRYPTO_KSK; role <= CRYPTO_CSK; role++) {
        if (strcmp(text, roles[role]) == 0) {
            key->role = (enum crypto_key_role)role;
            return true;
        }
    }
    return fail(fault, "role", "is none of ksk, zsk, csk");
}

static bool get_public(const json_t *root, struct crypto_zone_key *key, struct fault *fault)
{
    const char *text = get_text(root, "publicKey", fault);
    size_t length;
    if (text == NULL)
        return false;
    if (base_base64_decode(key->dnskey + 4, CRYPTO_PUBLIC_MAX, &length, text, strlen(text)) !=
            BASE_OK ||
        length == 0)
        return fail(fault, "publicKey", "is not the base64 text of a public key");
    base_store_u16(key->dnskey, key->flags);
    key->dnskey[2] = 3;
    key->dnskey[3] = key->algorithm;
    key->dnskey_length = 4 + length;
    return true;
}

/* Times as they are written: "2026-11-21T23:59:59Z". */
static bool get_times(const json_t *root, struct crypto_zone_key *key, struct fault *fault)
{
    const json_t *object = json_object_get(root, "times");
    if (!json_is_object(object))
        return fail(fault, "times", "is missing or not an object");
    for (size_t i = 0; i < TIMES; i++) {
        const json_t *value = json_object_get(object, times[i].name);
        if (value == NULL || json_is_null(value))
            continue;
        const char *text = json_string_value(value);
        if (text == NULL || strlen(text) != strlen("YYYY-MM-DDThh:mm:ssZ") || text[0] < '0' ||
            text[0] > '9' || base_time_parse(text, 0, time_at(key, i)) != BASE_OK)
            return fail(fault, times[i].name, "is not a time like 2026-11-21T23:59:59Z");
    }
    return true;
}

/* Tag and id are there for people; they must be what the key gives. */
static bool check_identity(const json_t *root, const struct crypto_zone_key *key,
                           struct fault *fault)
{
    unsigned tag;
    uint8_t id[sizeof(key->id)];
    size_t length;
    if (!get_number(root, "tag", 65535, &tag, fault))
        return false;
    if (tag != key->tag)
        return fail(fault, "tag", "is not the tag of the public key");
    const char *text = get_text(root, "id", fault);
    if (text == NULL)
        return false;
    if (base_hex_decode(id, sizeof(id), &length, text, strlen(text)) != BASE_OK ||
        length != sizeof(id) || memcmp(id, key->id, sizeof(id)) != 0)
        return fail(fault, "id", "is not the digest of zone and public key");
    return true;
}

static bool get_key(const json_t *root, struct crypto_zone_key *key, struct fault *fault)
{
    unsigned algorithm, flags;
    if (!get_zone(root, key, fault) || !get_number(root, "algorithm", 255, &algorithm, fault) ||
        !get_number(root, "flags", 65535, &flags, fault))
        return false;
    key->algorithm = (uint8_t)algorithm;
    key->flags = (uint16_t)flags;
    if ((flags & CRYPTO_KEY_ZONE) == 0)
        return fail(fault, "flags", "lacks the bit of a zone key (256)");
    if (!get_role(root, key, fault) || !get_public(root, key, fault) ||
        !get_times(root, key, fault))
        return false;
    crypto_zone_key_complete(key);
    return check_identity(root, key, fault);
}

static int read_root(const struct crypto_keyplace *place, const char *name, const json_t *root,
                     struct crypto_zone_key *key)
{
    struct fault fault;
    unsigned version;
    if (!json_is_object(root) || !get_number(root, "version", 1000000, &version, &fault)) {
        crypto_keyplace_add(place, KEY_DAMAGED, name, "%s is not the metadata of a key", name);
        return BASE_EREFUSED;
    }
    if (version != VERSION) {
        crypto_keyplace_add(place, KEY_VERSION, name,
                            "the metadata has version %u; this Kenter knows version %d", version,
                            VERSION);
        return BASE_EREFUSED;
    }
    if (!get_key(root, key, &fault)) {
        crypto_keyplace_add(place, KEY_DAMAGED, name, "\"%s\" %s", fault.field, fault.what);
        return BASE_EREFUSED;
    }
    const struct crypto_algorithm_info *info = crypto_algorithm(key->algorithm);
    if (info == NULL || !info->sign) {
        crypto_keyplace_add(place, KEY_ALGORITHM, name, "the key %u has algorithm %u%s%s", key->tag,
                            key->algorithm, info == NULL ? "" : ", ",
                            info == NULL ? "" : info->name);
        return BASE_EREFUSED;
    }
    return BASE_OK;
}

int crypto_keymeta_read(const struct crypto_keyplace *place, const char *name, const char *text,
                        size_t length, struct crypto_zone_key *out)
{
    json_error_t problem;
    json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &problem);
    if (root == NULL) {
        crypto_keyplace_add(place, KEY_DAMAGED, name, "line %d: %s", problem.line, problem.text);
        return BASE_EREFUSED;
    }
    struct crypto_zone_key *key = calloc(1, sizeof(*key));
    int error = key == NULL ? BASE_ENOMEM : read_root(place, name, root, key);
    if (error == BASE_OK)
        *out = *key;
    free(key);
    json_decref(root);
    return error;
}

static json_t *times_to_json(const struct crypto_zone_key *key)
{
    json_t *object = json_object();
    for (size_t i = 0; i < TIMES; i++) {
        base_time time = *(const base_time *)((const char *)key + times[i].offset);
        char text[BASE_TIME_TEXT];
        if (time == 0)
            continue;
        base_time_iso(time, text);
        json_object_set_new(object, times[i].name, json_string(text));
    }
    return object;
}

int crypto_keymeta_write(const struct crypto_zone_key *key, char **text)
{
    char zone[DNS_NAME_TEXT], id[BASE_HEX_SIZE(sizeof(key->id)) + 1] = {0};
    char public[BASE_BASE64_SIZE(CRYPTO_PUBLIC_MAX) + 1] = {0};
    base_hex_encode(id, key->id, sizeof(key->id));
    base_base64_encode(public, key->dnskey + 4, key->dnskey_length - 4);
    json_t *root =
        json_pack("{s:i, s:s, s:i, s:i, s:s, s:i, s:s, s:s, s:o}", "version", VERSION, "zone",
                  dns_name_text(zone, key->zone), "algorithm", (int)key->algorithm, "flags",
                  (int)key->flags, "role", roles[key->role], "tag", (int)key->tag, "id", id,
                  "publicKey", public, "times", times_to_json(key));
    if (root == NULL)
        return BASE_ENOMEM;
    char *dump = json_dumps(root, JSON_INDENT(2));
    json_decref(root);
    int error = dump == NULL || asprintf(text, "%s\n", dump) < 0 ? BASE_ENOMEM : BASE_OK;
    free(dump);
    return error;
}
