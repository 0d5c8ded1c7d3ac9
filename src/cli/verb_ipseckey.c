/* kenter ipseckey: keys for IPsec of hosts and addresses (RFC 4025). */
#include "base/error.h"
#include "cli/made.h"
#include "cli/owned.h"
#include "cli/report.h"
#include "dane/keys.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define TYPE_IPSECKEY 45 /* RFC 4025 */

enum gateway { GATEWAY_NONE, GATEWAY_IPV4, GATEWAY_IPV6, GATEWAY_NAME };

/* The gateway's field; false after a message. */
static bool read_gateway(struct cli_call *call, enum gateway *kind, const uint8_t **data,
                         size_t *length)
{
    const char *text = cli_text(call, "gateway");
    uint8_t *octets = base_arena_alloc(&call->arena, 16);
    *kind = GATEWAY_NONE;
    *length = 0;
    if (text == NULL || octets == NULL)
        return octets != NULL;
    *data = octets;
    if (inet_pton(AF_INET, text, octets) == 1) {
        *kind = GATEWAY_IPV4;
        *length = 4;
    } else if (inet_pton(AF_INET6, text, octets) == 1) {
        *kind = GATEWAY_IPV6;
        *length = 16;
    } else {
        *kind = GATEWAY_NAME;
        *data = cli_owned_host(call, text);
        *length = *data == NULL ? 0 : dns_name_length(*data);
    }
    return *data != NULL;
}

static int make(struct cli_call *call, struct cli_made *made, const uint8_t *owner,
                const uint8_t *head, size_t head_length)
{
    const char *path = call->operands[0];
    uint8_t *key = NULL, algorithm;
    size_t key_length;
    struct dane_material material;
    int error = cli_made_material(call, path, &material);
    if (error != BASE_OK)
        return error;
    error = dane_ipsec_key(&material.key, &algorithm, &key, &key_length);
    dane_material_free(&material);
    if (error == BASE_EUNSUPPORTED || error == BASE_EFORMAT)
        return cli_made_bad(call, path, "IPSECKEY takes keys of RSA, ECDSA and EdDSA only");
    if (error != BASE_OK)
        return error;
    uint8_t *rdata = base_arena_alloc(&call->arena, head_length + key_length);
    if (rdata != NULL) {
        memcpy(rdata, head, head_length);
        rdata[2] = algorithm;
        memcpy(rdata + head_length, key, key_length);
        error = cli_made_add(made, owner, TYPE_IPSECKEY, rdata, head_length + key_length);
    }
    free(key);
    return rdata == NULL ? BASE_ENOMEM : error;
}

static int run_make(struct cli_call *call)
{
    const char *host = cli_text(call, "host");
    const uint8_t *owner = host == NULL ? NULL : cli_owned_host(call, host), *gateway = NULL;
    unsigned long precedence = cli_count(call, "precedence", 10);
    uint8_t head[3 + DNS_NAME_MAX];
    enum gateway kind;
    size_t length;
    struct cli_made made;
    if ((host != NULL && owner == NULL) || !read_gateway(call, &kind, &gateway, &length))
        return CLI_USAGE;
    if (precedence > 255)
        return cli_usage_error(call->verb, "the precedence is at most 255");
    head[0] = (uint8_t)precedence;
    head[1] = (uint8_t)kind;
    if (length > 0)
        memcpy(head + 3, gateway, length);
    cli_made_begin(&made, call);
    int error = make(call, &made, owner, head, 3 + length);
    cli_made_end(&made);
    return cli_finish(call, error);
}

static int run_get(struct cli_call *call)
{
    return cli_owned_get(call, cli_owned_host(call, call->operands[0]), TYPE_IPSECKEY, NULL);
}

const struct cli_verb cli_verb_ipseckey = {
    .name = "ipseckey",
    .summary = "make and look up records of keys for IPsec",
    .description = "IPSECKEY records (RFC 4025) give the key of a host, or of the gateway that "
                   "speaks IPsec for an address.",
};

const struct cli_verb cli_verb_ipseckey_make = {
    .name = "ipseckey make",
    .summary = "write an IPSECKEY record from a key or certificate",
    .description = "Writes the record: a line of a zone file with --host, which may be an address "
                   "(then it is for the reverse zone), otherwise the data alone.",
    .operands = (const struct cli_operand[]){{.name = "FILE",
                                              .kind = CLI_FILE,
                                              .help = "A public or private key or a certificate, "
                                                      "PEM or DER; \"-\" is standard input."},
                                             {.name = NULL}},
    .options =
        (const struct cli_option[]){
            {.name = "gateway",
             .kind = CLI_TEXT,
             .argument = "ADDRESS|NAME",
             .help = "Who speaks IPsec for the host; without it there is no gateway."},
            {.name = "precedence",
             .kind = CLI_COUNT,
             .argument = "N",
             .help = "Lower ones are tried first; the default is 10."},
            CLI_OPTIONS_MADE("The host, or its address."),
            {.name = NULL}},
    .examples = (const struct cli_example[]){{"kenter ipseckey make --host 192.0.2.38 --gateway "
                                              "192.0.2.1 gateway.pem",
                                              "For the reverse zone."},
                                             {NULL, NULL}},
    .run = run_make,
};

const struct cli_verb cli_verb_ipseckey_get = {
    .name = "ipseckey get",
    .summary = "look up the IPSECKEY records of a host; nothing is printed that is not secure",
    .description = "Looks up the records, validates them, and prints them only when they are "
                   "secure.",
    .operands =
        (const struct cli_operand[]){
            {.name = "HOST", .kind = CLI_TEXT, .help = "The host, or its address."},
            {.name = NULL}},
    .options = (const struct cli_option[]){CLI_OPTIONS_ASK, {.name = NULL}},
    .examples = (const struct cli_example[]){{"kenter ipseckey get 192.0.2.38", "By address."},
                                             {NULL, NULL}},
    .exits = cli_owned_exits,
    .run = run_get,
};
