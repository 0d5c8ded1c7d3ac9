/* kenter sshfp: keys of SSH servers (RFC 4255). */
#include "base/error.h"
#include "cli/made.h"
#include "cli/owned.h"
#include "cli/report.h"
#include "dane/keys.h"

#include <stdlib.h>
#include <string.h>

#define FILE_OCTETS ((size_t)1 << 20)

static int make_line(struct cli_made *made, const uint8_t *owner, const char *path, char *line,
                     size_t *keys)
{
    struct cli_call *call = made->call;
    struct dane_ssh_key key;
    char why[200] = "";
    uint8_t rdata[DANE_SSHFP_MAX];
    int error = dane_ssh_key_read(line, &key, why);
    if (error == BASE_ENOENT)
        return BASE_OK;
    if (error == BASE_EFORMAT)
        return cli_made_bad(call, path, "%s", why);
    if (error != BASE_OK)
        return error;
    ++*keys;
    if (cli_flag(call, "sha1"))
        error =
            cli_made_add(made, owner, DNS_TYPE_SSHFP, rdata, dane_ssh_key_sshfp(&key, 1, rdata));
    if (error == BASE_OK)
        error =
            cli_made_add(made, owner, DNS_TYPE_SSHFP, rdata, dane_ssh_key_sshfp(&key, 2, rdata));
    free(key.blob);
    return error;
}

static int make_file(struct cli_made *made, const uint8_t *owner, const char *path)
{
    uint8_t *text = NULL;
    size_t length, keys = 0;
    int error = cli_made_read(made->call, path, FILE_OCTETS, &text, &length);
    if (error != BASE_OK)
        return error;
    char *rest = (char *)text, *line;
    while (error == BASE_OK && (line = strsep(&rest, "\n")) != NULL)
        error = make_line(made, owner, path, line, &keys);
    if (error == BASE_OK && keys == 0)
        error = cli_made_bad(made->call, path, "there is no public key of OpenSSH in it");
    free(text);
    return error;
}

static int run_make(struct cli_call *call)
{
    const char *host = cli_text(call, "host");
    const uint8_t *owner = host == NULL ? NULL : cli_owned_host(call, host);
    struct cli_made made;
    int error = BASE_OK;
    if (host != NULL && owner == NULL)
        return CLI_USAGE;
    cli_made_begin(&made, call);
    for (size_t i = 0; error == BASE_OK && i < call->operand_count; i++)
        error = make_file(&made, owner, call->operands[i]);
    cli_made_end(&made);
    return cli_finish(call, error);
}

static int run_get(struct cli_call *call)
{
    return cli_owned_get(call, cli_owned_host(call, call->operands[0]), DNS_TYPE_SSHFP, NULL);
}

const struct cli_verb cli_verb_sshfp = {
    .name = "sshfp",
    .summary = "make and look up records of the keys of SSH servers",
    .description = "SSHFP records (RFC 4255) hold fingerprints of the keys of a server, so that "
                   "SSH clients need not ask their users whether a key is right.",
};

const struct cli_verb cli_verb_sshfp_make = {
    .name = "sshfp make",
    .summary = "write SSHFP records from public keys of OpenSSH",
    .description = "Writes an SSHFP record with SHA-256 for each key: a line of a zone file with "
                   "--host, otherwise the data alone. A file has lines as in /etc/ssh/*.pub or as "
                   "ssh-keyscan prints them.",
    .operands = (const struct cli_operand[]){{.name = "FILE",
                                              .kind = CLI_FILE,
                                              .repeats = true,
                                              .help = "Public keys; \"-\" is standard input."},
                                             {.name = NULL}},
    .options =
        (const struct cli_option[]){
            {.name = "sha1",
             .kind = CLI_FLAG,
             .help = "Also with SHA-1, for clients that know nothing else."},
            CLI_OPTIONS_MADE("The name of the server."),
            {.name = NULL}},
    .examples = (const struct cli_example[]){{"kenter sshfp make --host server.example.net "
                                              "/etc/ssh/ssh_host_*_key.pub",
                                              "On the server itself."},
                                             {NULL, NULL}},
    .run = run_make,
};

const struct cli_verb cli_verb_sshfp_get = {
    .name = "sshfp get",
    .summary = "look up the SSHFP records of a server; nothing is printed that is not secure",
    .description = "Looks up the records, validates them, and prints them only when they are "
                   "secure.",
    .operands =
        (const struct cli_operand[]){
            {.name = "HOST", .kind = CLI_TEXT, .help = "The name of the server."}, {.name = NULL}},
    .options = (const struct cli_option[]){CLI_OPTIONS_ASK, {.name = NULL}},
    .examples = (const struct cli_example[]){{"kenter sshfp get server.example.net", "By name."},
                                             {NULL, NULL}},
    .exits = cli_owned_exits,
    .run = run_get,
};
