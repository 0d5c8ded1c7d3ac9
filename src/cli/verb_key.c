/* kenter key: the head of the key verbs, and the shortest of them. */
#include "base/error.h"
#include "base/json.h"
#include "cli/keys.h"
#include "cli/record.h"
#include "cli/report.h"

#include <string.h>

const struct cli_verb cli_verb_key = {
    .name = "key",
    .summary = "make, show, move and describe keys",
    .description = "Keys live in a directory: for each a file with the private key, which only its "
                   "owner may read, and a file that says what the key is for and since when. A "
                   "key is known by its identity, a digest; tags can collide.",
};

static int run_new(struct cli_call *call)
{
    unsigned algorithm = CRYPTO_ECDSAP256;
    int code = cli_key_algorithm(call, &algorithm);
    if (code != CLI_GOOD)
        return code;
    const uint8_t *zone = cli_parse_name(call, call->operands[0]);
    if (zone == NULL)
        return cli_finish(call, BASE_ENOMEM);
    unsigned bits = (unsigned)cli_count(call, "bits", 0);
    const struct crypto_algorithm_info *info = crypto_algorithm(algorithm);
    if (bits != 0 && info->bits_max == 0)
        return cli_usage_error(call->verb, "keys of %s have one size; leave --bits out",
                               info->name);
    if (bits != 0 && (bits < info->bits_min || bits > info->bits_max))
        return cli_usage_error(call->verb, "keys of %s have %u to %u bits", info->name,
                               info->bits_min, info->bits_max);
    struct crypto_zone_key template, key;
    crypto_zone_key_begin(&template, zone, algorithm, cli_key_role(call, CRYPTO_CSK), call->now);
    cli_key_times(call, &template);
    int error =
        crypto_keydir_create(cli_text(call, "keys"), &template, bits, &call->findings, &key);
    if (error == BASE_OK) {
        cli_key_line(call, &key);
        base_buf_text(&call->members, ",\"key\":");
        cli_key_json(&call->members, &key, call->now);
        crypto_key_free(key.key);
    }
    return cli_finish(call, error);
}

const struct cli_verb cli_verb_key_new = {
    .name = "key new",
    .summary = "make a key",
    .description = "Makes a key for a zone and stores it. Without times it is published and signs "
                   "from now on.",
    .operands =
        (const struct cli_operand[]){
            {.name = "ZONE", .kind = CLI_NAME, .help = "The zone that the key is for."},
            {.name = NULL}},
    .options =
        (const struct cli_option[]){
            {.name = "keys",
             .letter = 'k',
             .kind = CLI_DIRECTORY,
             .argument = "DIRECTORY",
             .required = true,
             .help = "Where the key goes; it is made when it is missing."},
            {.name = "role",
             .kind = CLI_CHOICE,
             .argument = "csk|ksk|zsk",
             .help = "csk, the default: signs everything. ksk: signs the keys. zsk: signs the "
                     "rest."},
            {.name = "algorithm",
             .letter = 'a',
             .kind = CLI_TEXT,
             .argument = "NAME",
             .help = "ECDSAP256SHA256 (the default), ECDSAP384SHA384, ED25519, ED448, RSASHA256, "
                     "RSASHA512, or a number."},
            {.name = "bits", .kind = CLI_COUNT, .argument = "N", .help = "Of RSA keys."},
            CLI_OPTIONS_KEY_TIMES,
            {.name = NULL}},
    .examples =
        (const struct cli_example[]){
            {"kenter key new example.com --keys keys/", "One key for everything."},
            {"kenter key new example.com --keys keys/ --role zsk --publish now --activate now+3d",
             "The next ZSK, seen by resolvers before it signs."},
            {NULL, NULL}},
    .run = run_new,
};

static int run_list(struct cli_call *call)
{
    const uint8_t *zone = NULL;
    if (call->operand_count > 0) {
        zone = cli_parse_name(call, call->operands[0]);
        if (zone == NULL)
            return cli_finish(call, BASE_ENOMEM);
    }
    struct crypto_keydir keys;
    int error = cli_keys_open(call, zone, &keys);
    if (error != BASE_OK)
        return cli_finish(call, error);
    base_buf_text(&call->members, ",\"keys\":[");
    for (size_t i = 0; i < keys.count; i++) {
        cli_key_line(call, &keys.keys[i]);
        if (i > 0)
            base_buf_u8(&call->members, ',');
        cli_key_json(&call->members, &keys.keys[i], call->now);
    }
    base_buf_u8(&call->members, ']');
    cli_summary_count(call, "keys", keys.count);
    crypto_keydir_free(&keys);
    return cli_finish(call, BASE_OK);
}

const struct cli_verb cli_verb_key_list = {
    .name = "key list",
    .summary = "list keys",
    .description = "Lists the keys of a directory: zone, role, algorithm, tag, the beginning of "
                   "the identity, state, and when the key was made.",
    .operands =
        (const struct cli_operand[]){
            {.name = "ZONE", .kind = CLI_NAME, .optional = true, .help = "Only keys of this zone."},
            {.name = NULL}},
    .options = (const struct cli_option[]){CLI_OPTION_KEYS,
                                           {.name = "at",
                                            .kind = CLI_TIME,
                                            .argument = "TIME",
                                            .help = "The state at this time instead of now."},
                                           {.name = NULL}},
    .examples =
        (const struct cli_example[]){{"kenter key list --keys keys/", "Which keys are there?"},
                                     {NULL, NULL}},
    .run = run_list,
};

static void show_time(const struct cli_call *call, const char *name, base_time time)
{
    char text[BASE_TIME_TEXT];
    if (time == 0)
        return;
    base_time_iso(time, text);
    cli_say(call, "  %-12s %s\n", name, text);
}

static void show(struct cli_call *call, const struct crypto_zone_key *key)
{
    char name[DNS_NAME_TEXT], id[CLI_KEY_ID];
    struct base_buf record;
    base_buf_init(&record, (size_t)64 * 1024);
    cli_record_text(&record, key->zone, 3600, DNS_TYPE_DNSKEY, key->dnskey, key->dnskey_length);
    cli_say(call, "%s %s, %s, tag %u, %s\n", dns_name_text(name, key->zone),
            cli_role_name(key->role), crypto_algorithm(key->algorithm)->name, key->tag,
            cli_key_state(key, call->now));
    cli_say(call, "  %-12s %s\n", "identity", cli_key_id(id, key));
    if (key->key != NULL)
        cli_say(call, "  %-12s %u\n", "bits", crypto_key_bits(key->key));
    cli_say(call, "  %-12s %s\n", "file", key->path != NULL ? key->path : "-");
    show_time(call, "created", key->created);
    show_time(call, "publish", key->publish);
    show_time(call, "activate", key->activate);
    show_time(call, "inactive", key->inactive);
    show_time(call, "remove", key->remove);
    show_time(call, "ds-publish", key->ds_publish);
    show_time(call, "ds-remove", key->ds_remove);
    cli_say(call, "%s\n", base_buf_string(&record));
    base_buf_text(&call->members, ",\"key\":");
    cli_key_json(&call->members, key, call->now);
    base_buf_text(&call->members, ",\"dnskey\":");
    base_json_text(&call->members, base_buf_string(&record));
    base_buf_free(&record);
}

static int run_show(struct cli_call *call)
{
    struct crypto_keydir keys;
    const struct crypto_zone_key *key;
    int error = cli_key_open(call, &keys, &key);
    if (error == BASE_OK) {
        show(call, key);
        crypto_keydir_free(&keys);
    }
    return cli_finish(call, error);
}

const struct cli_verb cli_verb_key_show = {
    .name = "key show",
    .summary = "show all about one key",
    .description = "Shows identity, times and the DNSKEY record of a key.",
    .operands = cli_one_key,
    .options = (const struct cli_option[]){CLI_OPTION_KEYS, {.name = NULL}},
    .examples =
        (const struct cli_example[]){
            {"kenter key show example.com 12345 --keys keys/", "What is this key?"}, {NULL, NULL}},
    .run = run_show,
};

static int run_set(struct cli_call *call)
{
    struct crypto_keydir keys;
    const struct crypto_zone_key *key;
    int error = cli_key_open(call, &keys, &key);
    if (error != BASE_OK)
        return cli_finish(call, error);
    struct crypto_zone_key changed = *key;
    changed.role = cli_key_role(call, key->role);
    cli_key_times(call, &changed);
    error = crypto_keydir_update(cli_text(call, "keys"), &changed, &call->findings);
    if (error == BASE_ENOENT) {
        struct base_place place = {.file = key->path};
        base_findings_add(
            &call->findings, KEY_FOREIGN, &place,
            "this is a pair of BIND's, which Kenter does not change; import it first");
        error = BASE_EREFUSED;
    }
    if (error == BASE_OK)
        show(call, &changed);
    crypto_keydir_free(&keys);
    return cli_finish(call, error);
}

const struct cli_verb cli_verb_key_set = {
    .name = "key set",
    .summary = "change the times or the role of a key",
    .description = "Changes when a key is published, signs, and goes. Zones that were signed "
                   "already do not change by it; sign them again.",
    .operands = cli_one_key,
    .options = (const struct cli_option[]){CLI_OPTION_KEYS,
                                           CLI_OPTIONS_KEY_TIMES,
                                           {.name = "role",
                                            .kind = CLI_CHOICE,
                                            .argument = "csk|ksk|zsk",
                                            .help = "What the key signs."},
                                           {.name = NULL}},
    .examples =
        (const struct cli_example[]){
            {"kenter key set example.com 12345 --keys keys/ --inactive now --remove now+14d",
             "Stop signing with a key now, and take it out when no signature of it is left."},
            {NULL, NULL}},
    .run = run_set,
};
