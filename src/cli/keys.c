/* What the key verbs share: see keys.h. */
#include "cli/keys.h"

#include "base/codec.h"
#include "base/error.h"
#include "base/json.h"
#include "cli/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ID_LEAST 4 /* characters of an identity that a person must give at least */

void cli_key_times(const struct cli_call *call, struct crypto_zone_key *key)
{
    key->publish = cli_time(call, "publish", key->publish);
    key->activate = cli_time(call, "activate", key->activate);
    key->inactive = cli_time(call, "inactive", key->inactive);
    key->remove = cli_time(call, "remove", key->remove);
    key->ds_publish = cli_time(call, "ds-publish", key->ds_publish);
    key->ds_remove = cli_time(call, "ds-remove", key->ds_remove);
}

int cli_keys_open(struct cli_call *call, const uint8_t *zone, struct crypto_keydir *keys)
{
    const char *path = cli_text(call, "keys");
    int error = crypto_keydir_open(path, zone, &call->findings, keys);
    if (error == BASE_ENOENT) {
        errno = ENOENT;
        cli_file_finding(call, FILE_UNREADABLE, path, "the key directory cannot be read");
        return BASE_EIO;
    }
    return error;
}

static bool matches(const struct crypto_zone_key *key, const char *text)
{
    char id[CLI_KEY_ID];
    size_t length = strlen(text);
    char *end;
    unsigned long tag = strtoul(text, &end, 10);
    if (length <= 5 && *end == '\0' && tag == key->tag)
        return true;
    return length >= ID_LEAST && strncasecmp(cli_key_id(id, key), text, length) == 0;
}

int cli_key_choose(struct cli_call *call, const struct crypto_keydir *keys, const char *text,
                   const struct crypto_zone_key **out)
{
    const struct crypto_zone_key *found = NULL;
    struct base_place place = {.file = cli_text(call, "keys")};
    size_t count = 0;
    for (size_t i = 0; i < keys->count; i++) {
        if (matches(&keys->keys[i], text)) {
            found = &keys->keys[i];
            count++;
        }
    }
    if (count == 1) {
        *out = found;
        return BASE_OK;
    }
    if (count == 0)
        base_findings_add(&call->findings, KEY_UNKNOWN, &place,
                          "no key of %s has the tag or identity \"%s\"", call->operands[0], text);
    else
        base_findings_add(&call->findings, KEY_UNKNOWN, &place,
                          "%zu keys of %s have the tag or identity \"%s\"", count,
                          call->operands[0], text);
    return BASE_EREFUSED;
}

const struct cli_operand cli_one_key[] = {
    {.name = "ZONE", .kind = CLI_NAME, .help = "The zone that the key is for."},
    {.name = "KEY",
     .kind = CLI_TEXT,
     .help = "Its tag, or at least four characters of its identity."},
    {.name = NULL}};

int cli_key_open(struct cli_call *call, struct crypto_keydir *keys,
                 const struct crypto_zone_key **key)
{
    const uint8_t *zone = cli_parse_name(call, call->operands[0]);
    if (zone == NULL)
        return BASE_ENOMEM;
    int error = cli_keys_open(call, zone, keys);
    if (error != BASE_OK)
        return error;
    error = cli_key_choose(call, keys, call->operands[1], key);
    if (error != BASE_OK)
        crypto_keydir_free(keys);
    return error;
}

enum crypto_key_role cli_key_role(const struct cli_call *call, enum crypto_key_role otherwise)
{
    if (cli_chosen(call, "role", "csk"))
        return CRYPTO_CSK;
    if (cli_chosen(call, "role", "ksk"))
        return CRYPTO_KSK;
    if (cli_chosen(call, "role", "zsk"))
        return CRYPTO_ZSK;
    return otherwise;
}

int cli_key_algorithm(const struct cli_call *call, unsigned *algorithm)
{
    const char *text = cli_text(call, "algorithm");
    unsigned number;
    if (text == NULL)
        return CLI_GOOD;
    if (crypto_algorithm_from_text(text, &number) != BASE_OK)
        return cli_usage_error(call->verb, "\"%s\" is no algorithm that Kenter knows", text);
    if (!crypto_algorithm(number)->sign)
        return cli_usage_error(call->verb, "Kenter does not sign with %s, which is retired",
                               crypto_algorithm(number)->name);
    *algorithm = number;
    return CLI_GOOD;
}

const char *cli_role_name(enum crypto_key_role role)
{
    return role == CRYPTO_KSK ? "ksk" : role == CRYPTO_ZSK ? "zsk" : "csk";
}

static bool has_come(base_time time, base_time now)
{
    return time != 0 && time <= now;
}

const char *cli_key_state(const struct crypto_zone_key *key, base_time now)
{
    if (has_come(key->remove, now))
        return "removed";
    if (has_come(key->inactive, now))
        return "retired";
    if (has_come(key->activate, now))
        return "active";
    return has_come(key->publish, now) ? "published" : "waiting";
}

const char *cli_key_id(char out[CLI_KEY_ID], const struct crypto_zone_key *key)
{
    size_t length = base_hex_encode(out, key->id, sizeof(key->id));
    for (size_t i = 0; i < length; i++) {
        if (out[i] >= 'A')
            out[i] = (char)(out[i] - 'A' + 'a');
    }
    out[length] = '\0';
    return out;
}

static const char *algorithm_name(char out[16], unsigned number)
{
    const struct crypto_algorithm_info *info = crypto_algorithm(number);
    if (info != NULL)
        return info->name;
    snprintf(out, 16, "%u", number % 256);
    return out;
}

void cli_key_line(const struct cli_call *call, const struct crypto_zone_key *key)
{
    char name[DNS_NAME_TEXT], id[CLI_KEY_ID], created[BASE_TIME_TEXT] = "-", algorithm[16];
    if (key->created != 0)
        base_time_iso(key->created, created);
    cli_say(call, "%-24s %s %-16s %5u %.16s %-9s %s\n", dns_name_text(name, key->zone),
            cli_role_name(key->role), algorithm_name(algorithm, key->algorithm), key->tag,
            cli_key_id(id, key), cli_key_state(key, call->now), created);
}

static void json_time(struct base_buf *buf, const char *name, base_time time)
{
    char text[BASE_TIME_TEXT];
    if (time == 0) {
        base_buf_printf(buf, ",\"%s\":null", name);
        return;
    }
    base_time_iso(time, text);
    base_buf_printf(buf, ",\"%s\":\"%s\"", name, text);
}

void cli_key_json(struct base_buf *buf, const struct crypto_zone_key *key, base_time now)
{
    char name[DNS_NAME_TEXT], id[CLI_KEY_ID], algorithm[16];
    base_buf_text(buf, "{\"zone\":");
    base_json_text(buf, dns_name_text(name, key->zone));
    base_buf_printf(buf,
                    ",\"id\":\"%s\",\"tag\":%u,\"role\":\"%s\",\"algorithm\":%u,"
                    "\"algorithm_name\":\"%s\",\"flags\":%u,\"state\":\"%s\"",
                    cli_key_id(id, key), key->tag, cli_role_name(key->role), key->algorithm,
                    algorithm_name(algorithm, key->algorithm), key->flags, cli_key_state(key, now));
    json_time(buf, "created", key->created);
    json_time(buf, "publish", key->publish);
    json_time(buf, "activate", key->activate);
    json_time(buf, "inactive", key->inactive);
    json_time(buf, "remove", key->remove);
    json_time(buf, "ds_publish", key->ds_publish);
    json_time(buf, "ds_remove", key->ds_remove);
    base_buf_text(buf, ",\"path\":");
    base_json_text(buf, key->path);
    base_buf_u8(buf, '}');
}
