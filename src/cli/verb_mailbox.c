/* kenter openpgpkey and kenter smimea: keys and certificates of mailboxes (RFC 7929, RFC 8162). */
#include "base/codec.h"
#include "base/error.h"
#include "cli/made.h"
#include "cli/owned.h"
#include "cli/report.h"
#include "dane/keys.h"

#include <stdlib.h>
#include <string.h>

#define OPENPGP_LABEL "_openpgpkey"
#define SMIME_LABEL   "_smimecert"

/* NULL after a message. */
static const uint8_t *owner_of(struct cli_call *call, const char *mailbox, const char *label)
{
    char name[DANE_MAILBOX_MAX];
    if (dane_mailbox_name(mailbox, label, name) == BASE_OK)
        return cli_made_name(call, "a mailbox", "%s", name);
    cli_usage_error(call->verb, "\"%s\" is no address of mail, such as hugh@example.com", mailbox);
    return NULL;
}

/* --- OPENPGPKEY --- */

static int make_openpgp(struct cli_call *call, struct cli_made *made, const uint8_t *owner)
{
    const char *mailbox = call->operands[0], *path = call->operands[1];
    uint8_t *file = NULL, *key = NULL;
    size_t length, key_length = 0;
    char why[200];
    struct dane_openpgp_facts facts;
    int error = cli_made_read(call, path, DANE_MATERIAL_OCTETS, &file, &length);
    if (error != BASE_OK)
        return error;
    error = dane_openpgp_read(file, length, mailbox, &key, &key_length, &facts, why);
    free(file);
    if (error == BASE_EFORMAT)
        return cli_made_bad(call, path, "%s", why);
    if (error != BASE_OK)
        return error;
    struct base_place place = {.file = path};
    if (facts.sum_differs)
        base_findings_add(&call->findings, AUTH_MATERIAL_ODD, &place,
                          "the checksum of its armor is of other octets: compare the key with its "
                          "owner's, since the file was changed or damaged");
    if (!facts.has_mailbox)
        base_findings_add(&call->findings, AUTH_MATERIAL_ODD, &place,
                          "no user ID of the key is of <%s>", mailbox);
    if (key_length > DNS_RDATA_MAX)
        error = cli_made_bad(call, path,
                             "the key has %zu octets, more than a record can have; export it "
                             "without signatures of others (gpg --export-options export-minimal)",
                             key_length);
    else
        error = cli_made_add(made, owner, DNS_TYPE_OPENPGPKEY, key, key_length);
    free(key);
    return error;
}

static int run_openpgp_make(struct cli_call *call)
{
    const uint8_t *owner = owner_of(call, call->operands[0], OPENPGP_LABEL);
    struct cli_made made;
    if (owner == NULL)
        return CLI_USAGE;
    cli_made_begin(&made, call);
    int error = make_openpgp(call, &made, owner);
    cli_made_end(&made);
    return cli_finish(call, error);
}

static int write_octets(FILE *stream, const uint8_t *rdata, size_t length)
{
    return fwrite(rdata, 1, length, stream) == length ? BASE_OK : BASE_EIO;
}

static int run_openpgp_get(struct cli_call *call)
{
    return cli_owned_get(call, owner_of(call, call->operands[0], OPENPGP_LABEL),
                         DNS_TYPE_OPENPGPKEY, write_octets);
}

/* --- SMIMEA --- */

static int make_record(struct cli_call *call, struct cli_made *made, const uint8_t *owner,
                       const struct dane_material *material)
{
    uint8_t usage = (uint8_t)cli_count(call, "usage", DANE_EE);
    uint8_t selector = (uint8_t)cli_count(call, "selector", DANE_CERTIFICATE);
    uint8_t matching = (uint8_t)cli_count(call, "mtype", DANE_FULL);
    bool authority = usage == DANE_PKIX_TA || usage == DANE_TA;
    const struct dane_der *from =
        material->count == 0 ? &material->key
                             : &material->certificates[authority ? material->count - 1 : 0];
    uint8_t *data = NULL;
    size_t length = 0;
    if (material->count == 0 && selector == DANE_CERTIFICATE)
        return cli_made_bad(call, call->operands[1],
                            "selector 0 needs a certificate, and the file has only a key");
    int error = dane_tlsa_make(selector, matching, from->data, from->length, &data, &length);
    uint8_t *rdata = error != BASE_OK ? NULL : base_arena_alloc(&call->arena, length + 3);
    if (rdata != NULL) {
        rdata[0] = usage;
        rdata[1] = selector;
        rdata[2] = matching;
        memcpy(rdata + 3, data, length);
    }
    free(data);
    if (error == BASE_OK && rdata == NULL)
        error = BASE_ENOMEM;
    if (error == BASE_OK && length + 3 > DNS_RDATA_MAX)
        return cli_made_bad(call, call->operands[1], "the certificate is too long for a record");
    return error == BASE_OK ? cli_made_add(made, owner, DNS_TYPE_SMIMEA, rdata, length + 3) : error;
}

static int make_smime(struct cli_call *call, struct cli_made *made, const uint8_t *owner)
{
    struct dane_material material;
    int error = cli_made_material(call, call->operands[1], &material);
    if (error != BASE_OK)
        return error;
    error = make_record(call, made, owner, &material);
    dane_material_free(&material);
    return error;
}

static int run_smime_make(struct cli_call *call)
{
    if (cli_count(call, "usage", 0) > 3 || cli_count(call, "selector", 0) > 1 ||
        cli_count(call, "mtype", 0) > 2)
        return cli_usage_error(call->verb, "usages are 0 to 3, selectors 0 and 1, matching types "
                                           "0 to 2");
    const uint8_t *owner = owner_of(call, call->operands[0], SMIME_LABEL);
    struct cli_made made;
    if (owner == NULL)
        return CLI_USAGE;
    cli_made_begin(&made, call);
    int error = make_smime(call, &made, owner);
    cli_made_end(&made);
    return cli_finish(call, error);
}

/* Only whole certificates have another form than the record. */
static int write_pem(FILE *stream, const uint8_t *rdata, size_t length)
{
    if (length < 4 || rdata[1] != DANE_CERTIFICATE || rdata[2] != DANE_FULL)
        return BASE_OK;
    char *text = malloc(BASE_BASE64_SIZE(length) + 1);
    if (text == NULL)
        return BASE_ENOMEM;
    size_t size = base_base64_encode(text, rdata + 3, length - 3);
    fputs("-----BEGIN CERTIFICATE-----\n", stream);
    for (size_t at = 0; at < size; at += 64)
        fprintf(stream, "%.*s\n", (int)(size - at < 64 ? size - at : 64), text + at);
    free(text);
    return fputs("-----END CERTIFICATE-----\n", stream) >= 0 ? BASE_OK : BASE_EIO;
}

static int run_smime_get(struct cli_call *call)
{
    return cli_owned_get(call, owner_of(call, call->operands[0], SMIME_LABEL), DNS_TYPE_SMIMEA,
                         write_pem);
}

/* --- rows --- */

#define MAILBOX                                                                                    \
    {                                                                                              \
        .name = "MAILBOX", .kind = CLI_TEXT, .help = "The address of mail: hugh@example.com."      \
    }
#define TTL_OPTION                                                                                 \
    {                                                                                              \
        .name = "ttl", .kind = CLI_DURATION, .argument = "DURATION",                               \
        .help = "The TTL of the record; the default is 1h."                                        \
    }

const struct cli_verb cli_verb_openpgpkey = {
    .name = "openpgpkey",
    .summary = "make and look up records of OpenPGP keys of mailboxes",
    .description = "OPENPGPKEY records (RFC 7929) give the OpenPGP key of a mailbox. Their name is "
                   "a digest of what stands before the @, so that the zone does not list its "
                   "mailboxes.",
};

const struct cli_verb cli_verb_openpgpkey_make = {
    .name = "openpgpkey make",
    .summary = "write the OPENPGPKEY record of a mailbox from a public key",
    .description = "Writes the record as a line of a zone file. The key is one that gpg --export "
                   "writes, armored or not; anything else, and above all a secret key, is refused.",
    .operands =
        (const struct cli_operand[]){
            MAILBOX,
            {.name = "FILE", .kind = CLI_FILE, .help = "The public key; \"-\" is standard input."},
            {.name = NULL}},
    .options = (const struct cli_option[]){TTL_OPTION, {.name = NULL}},
    .examples =
        (const struct cli_example[]){
            {"kenter openpgpkey make hugh@example.com hugh.asc",
             "From a file that gpg --armor --export --export-options export-minimal wrote."},
            {NULL, NULL}},
    .run = run_openpgp_make,
};

const struct cli_verb cli_verb_openpgpkey_get = {
    .name = "openpgpkey get",
    .summary = "look up the OpenPGP key of a mailbox; nothing is given that is not secure",
    .description = "Looks up the record, validates it, and prints it, or with --output writes the "
                   "key, only when it is secure.",
    .operands = (const struct cli_operand[]){MAILBOX, {.name = NULL}},
    .options = (const struct cli_option[]){CLI_OPTIONS_OWNED, CLI_OPTIONS_ASK, {.name = NULL}},
    .examples =
        (const struct cli_example[]){
            {"kenter openpgpkey get -o - hugh@example.com | gpg --import", "Into the key ring."},
            {NULL, NULL}},
    .exits = cli_owned_exits,
    .run = run_openpgp_get,
};

const struct cli_verb cli_verb_smimea = {
    .name = "smimea",
    .summary = "make and look up records of S/MIME certificates of mailboxes",
    .description = "SMIMEA records (RFC 8162) tie S/MIME certificates to mailboxes, as TLSA "
                   "records do with servers.",
};

const struct cli_verb cli_verb_smimea_make = {
    .name = "smimea make",
    .summary = "write the SMIMEA record of a mailbox from a certificate",
    .description = "Writes the record as a line of a zone file, 3 0 0 unless told otherwise: the "
                   "whole certificate, so that others can encrypt to it.",
    .operands =
        (const struct cli_operand[]){MAILBOX,
                                     {.name = "FILE",
                                      .kind = CLI_FILE,
                                      .help = "The certificate, PEM or DER; \"-\" is standard "
                                              "input."},
                                     {.name = NULL}},
    .options =
        (const struct cli_option[]){{.name = "usage",
                                     .kind = CLI_COUNT,
                                     .argument = "N",
                                     .help = "As of kenter tlsa make; the default is 3."},
                                    {.name = "selector",
                                     .kind = CLI_COUNT,
                                     .argument = "N",
                                     .help = "0, the default: the certificate; 1: its public key."},
                                    {.name = "mtype",
                                     .kind = CLI_COUNT,
                                     .argument = "N",
                                     .help = "0, the default: in full; 1: SHA-256; 2: SHA-512."},
                                    TTL_OPTION,
                                    {.name = NULL}},
    .examples = (const struct cli_example[]){{"kenter smimea make hugh@example.com hugh.pem",
                                              "The whole certificate."},
                                             {NULL, NULL}},
    .run = run_smime_make,
};

const struct cli_verb cli_verb_smimea_get = {
    .name = "smimea get",
    .summary = "look up the S/MIME certificate of a mailbox; nothing is given that is not secure",
    .description = "Looks up the records, validates them, and prints them, or with --output writes "
                   "the certificates, only when they are secure.",
    .operands = (const struct cli_operand[]){MAILBOX, {.name = NULL}},
    .options = (const struct cli_option[]){CLI_OPTIONS_OWNED, CLI_OPTIONS_ASK, {.name = NULL}},
    .examples =
        (const struct cli_example[]){
            {"kenter smimea get -o hugh.pem hugh@example.com", "Into a file."}, {NULL, NULL}},
    .exits = cli_owned_exits,
    .run = run_smime_get,
};
