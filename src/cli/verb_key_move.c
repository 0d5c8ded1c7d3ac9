/* kenter key import and key export: keys from and to other software. */
#include "base/error.h"
#include "base/file.h"
#include "cli/keys.h"
#include "cli/report.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#define PEM_LIMIT ((size_t)64 * 1024)

static bool has_suffix(const char *text, const char *suffix)
{
    size_t length = strlen(text), tail = strlen(suffix);
    return length >= tail && strcmp(text + length - tail, suffix) == 0;
}

static bool is_pem(const struct cli_call *call, const char *path)
{
    if (cli_text(call, "from") != NULL)
        return cli_chosen(call, "from", "pem");
    return has_suffix(path, ".pem") || strcmp(path, "-") == 0;
}

/* A PEM file says nothing but the key: zone, algorithm and role come from options. */
static int read_pem(struct cli_call *call, const char *path, unsigned algorithm,
                    struct crypto_zone_key *key)
{
    uint8_t *text;
    size_t length;
    struct base_place place = {.file = path};
    int error = base_file_read(path, PEM_LIMIT, &text, &length);
    if (error == BASE_EIO)
        cli_file_finding(call, FILE_UNREADABLE, path, "the key cannot be read");
    if (error != BASE_OK)
        return error;
    error = crypto_key_from_pem(algorithm, (const char *)text, length, &key->key);
    crypto_wipe(text, length);
    free(text);
    if (error == BASE_OK || error == BASE_ENOMEM)
        return error;
    base_findings_add(&call->findings, error == BASE_EFORMAT ? KEY_DAMAGED : KEY_ALGORITHM, &place,
                      "this is no private key of %s: %s", crypto_algorithm(algorithm)->name,
                      base_strerror(error));
    return BASE_EREFUSED;
}

/* The flags of a pair do not tell a KSK from a CSK; the keys that lie beside it do. When they
 * cannot be read, what the flags say stays. */
static void guess_role(struct cli_call *call, const char *path, struct crypto_zone_key *key)
{
    bool known = false;
    char *copy = strdup(path);
    struct base_findings ignored;
    struct crypto_keydir keys;
    if (copy == NULL)
        return;
    base_findings_init(&ignored, 0);
    if (crypto_keydir_open(dirname(copy), key->zone, &ignored, &keys) == BASE_OK) {
        for (size_t i = 0; i < keys.count; i++) {
            const struct crypto_zone_key *beside = &keys.keys[i];
            if (memcmp(beside->id, key->id, sizeof(key->id)) != 0)
                continue;
            key->role = beside->role;
            known = true;
        }
        crypto_keydir_free(&keys);
    }
    base_findings_free(&ignored);
    free(copy);
    if (!known && key->role == CRYPTO_KSK && cli_text(call, "role") == NULL)
        cli_say(call, "taken as a KSK by its flags; if it signs everything, give --role csk\n");
}

static int read_key(struct cli_call *call, const uint8_t *zone, unsigned algorithm,
                    struct crypto_zone_key *key)
{
    const char *path = call->operands[0];
    if (!is_pem(call, path)) {
        int error = crypto_bind_pair_read(path, &call->findings, key);
        if (error == BASE_OK) {
            guess_role(call, path, key);
            key->role = cli_key_role(call, key->role);
        }
        return error;
    }
    crypto_zone_key_begin(key, zone, algorithm, cli_key_role(call, CRYPTO_CSK), call->now);
    return read_pem(call, path, algorithm, key);
}

/* What is stored, read back: with tag and identity. */
static void show_imported(struct cli_call *call, const struct crypto_zone_key *key)
{
    struct crypto_keydir keys;
    uint8_t dnskey[CRYPTO_DNSKEY_MAX];
    if (crypto_keydir_open(cli_text(call, "keys"), key->zone, &call->findings, &keys) != BASE_OK)
        return;
    size_t length = key->dnskey_length;
    if (key->key != NULL)
        length = crypto_key_dnskey(key->key, key->flags, dnskey);
    else
        memcpy(dnskey, key->dnskey, length);
    for (size_t i = 0; i < keys.count; i++) {
        const struct crypto_zone_key *stored = &keys.keys[i];
        if (stored->dnskey_length != length || memcmp(stored->dnskey, dnskey, length) != 0)
            continue;
        cli_key_line(call, stored);
        base_buf_text(&call->members, ",\"key\":");
        cli_key_json(&call->members, stored, call->now);
        break;
    }
    crypto_keydir_free(&keys);
}

static int import(struct cli_call *call, const uint8_t *zone, unsigned algorithm)
{
    struct base_place place = {.file = call->operands[0]};
    struct crypto_zone_key key = {.tag = 0};
    int error = read_key(call, zone, algorithm, &key);
    if (error == BASE_OK && zone != NULL && !dns_name_equal(zone, key.zone)) {
        char name[DNS_NAME_TEXT];
        base_findings_add(&call->findings, ZONE_OTHER, &place, "this is a key of %s",
                          dns_name_text(name, key.zone));
        error = BASE_EREFUSED;
    }
    if (error == BASE_OK) {
        cli_key_times(call, &key);
        error = crypto_keydir_import(cli_text(call, "keys"), &key, &call->findings);
    }
    if (error == BASE_EEXIST && !base_findings_bad(&call->findings))
        base_findings_add(&call->findings, KEY_EXISTS, &place, "this key is there already");
    if (error == BASE_EEXIST)
        error = BASE_EREFUSED;
    if (error == BASE_OK)
        show_imported(call, &key);
    crypto_key_free(key.key);
    return cli_finish(call, error);
}

static int run_import(struct cli_call *call)
{
    unsigned algorithm = CRYPTO_ECDSAP256;
    int code = cli_key_algorithm(call, &algorithm);
    if (code != CLI_GOOD)
        return code;
    const uint8_t *zone = cli_name(call, "zone");
    if (is_pem(call, call->operands[0]) && (zone == NULL || cli_text(call, "algorithm") == NULL))
        return cli_usage_error(call->verb,
                               "a PEM file does not say these; give --zone and --algorithm");
    return import(call, zone, algorithm);
}

const struct cli_verb cli_verb_key_import = {
    .name = "key import",
    .summary = "take a key over from other software",
    .description = "Stores a key of BIND's form (a pair K*.key and K*.private, of which either or "
                   "the common part of the name may be given) or a private key in PEM form. The "
                   "files that it is read from stay.",
    .operands =
        (const struct cli_operand[]){
            {.name = "FILE", .kind = CLI_FILE, .help = "The pair, or the PEM file."},
            {.name = NULL}},
    .options =
        (const struct cli_option[]){
            {.name = "keys",
             .letter = 'k',
             .kind = CLI_DIRECTORY,
             .argument = "DIRECTORY",
             .required = true,
             .help = "Where the key goes; it is made when it is missing."},
            {.name = "from",
             .kind = CLI_CHOICE,
             .argument = "bind|pem",
             .help = "The form; without it the name of the file decides."},
            {.name = "zone",
             .kind = CLI_NAME,
             .argument = "ZONE",
             .help = "The zone that the key is for; of a pair, it is checked."},
            {.name = "algorithm",
             .letter = 'a',
             .kind = CLI_TEXT,
             .argument = "NAME",
             .help = "Of a PEM file."},
            {.name = "role",
             .kind = CLI_CHOICE,
             .argument = "csk|ksk|zsk",
             .help = "What the key signs; of a pair, its flags say it otherwise."},
            CLI_OPTIONS_KEY_TIMES,
            {.name = NULL}},
    .examples =
        (const struct cli_example[]){
            {"kenter key import Kexample.com.+013+12345 --keys keys/", "A key from BIND."},
            {"kenter key import key.pem --zone example.com --algorithm ED25519 --keys keys/",
             "A key that something else made."},
            {NULL, NULL}},
    .run = run_import,
};

static int export_pem(struct cli_call *call, const struct crypto_zone_key *key, const char *path)
{
    char *text;
    size_t length;
    int error = crypto_key_to_pem(key->key, &text, &length);
    if (error != BASE_OK)
        return error;
    struct base_file_writer *writer;
    error = base_file_create(path, 0600, &writer);
    if (error == BASE_OK) {
        base_file_write(writer, text, length);
        error = base_file_commit(writer);
    }
    if (error == BASE_EIO)
        cli_file_finding(call, FILE_UNWRITABLE, path, "the key cannot be written");
    crypto_wipe(text, length);
    free(text);
    return error;
}

static int export_key(struct cli_call *call, const struct crypto_zone_key *key, const char *output)
{
    struct base_place place = {.file = key->path};
    bool pem = cli_chosen(call, "to", "pem");
    if (key->key == NULL) {
        base_findings_add(&call->findings, KEY_PUBLIC_ONLY, &place,
                          "only the public half of this key is there");
        return BASE_EREFUSED;
    }
    if (pem)
        return export_pem(call, key, output);
    int error = crypto_bind_pair_write(output, key, &call->findings);
    if (error == BASE_EEXIST && !base_findings_bad(&call->findings)) {
        place.file = output;
        base_findings_add(&call->findings, FILE_UNWRITABLE, &place, "the pair is there already");
    }
    if (error == BASE_OK)
        cli_say(call, "written to %s\n", output);
    return error == BASE_EEXIST ? BASE_EREFUSED : error;
}

static int run_export(struct cli_call *call)
{
    const char *output = cli_text(call, "output");
    if (output == NULL)
        output = cli_chosen(call, "to", "pem") ? "-" : ".";
    call->data_on_stdout = strcmp(output, "-") == 0;
    if (call->data_on_stdout && !cli_chosen(call, "to", "pem"))
        return cli_usage_error(call->verb, "a pair is two files; give a directory with --output");
    struct crypto_keydir keys;
    const struct crypto_zone_key *key;
    int error = cli_key_open(call, &keys, &key);
    if (error == BASE_OK) {
        error = export_key(call, key, output);
        crypto_keydir_free(&keys);
    }
    cli_summary_text(call, "output", output);
    return cli_finish(call, error);
}

const struct cli_verb cli_verb_key_export = {
    .name = "key export",
    .summary = "give a key to other software",
    .description = "Writes a key as a pair of BIND's form, or its private half as PEM. The key "
                   "stays in the directory.",
    .operands = cli_one_key,
    .options =
        (const struct cli_option[]){
            CLI_OPTION_KEYS,
            {.name = "to",
             .kind = CLI_CHOICE,
             .argument = "bind|pem",
             .required = true,
             .help = "The form."},
            {.name = "output",
             .letter = 'o',
             .kind = CLI_FILE,
             .argument = "PATH",
             .help = "bind: the directory, by default this one. pem: the file, by default standard "
                     "output."},
            {.name = NULL}},
    .examples = (const struct cli_example[]){{"kenter key export example.com 12345 --to bind "
                                              "--keys keys/ -o /etc/bind/keys",
                                              "Move back to BIND."},
                                             {NULL, NULL}},
    .run = run_export,
};
