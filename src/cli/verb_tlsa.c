/* kenter tlsa: the head of its verbs; kenter tlsa make: TLSA records from certificates and keys. */
#include "base/error.h"
#include "cli/made.h"
#include "cli/report.h"
#include "dane/material.h"
#include "dane/tlsa.h"

#include <stdlib.h>
#include <string.h>

#define SOON (14 * 86400)

struct order {
    struct cli_call *call;
    struct cli_made made;
    uint8_t usage, selector, matching;
    unsigned long port;
    const char *host;     /* A-labels; NULL: none */
    const uint8_t *owner; /* NULL: data only */
    const char *path;     /* of the file at work */
};

static void warn(struct order *order, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void warn(struct order *order, const char *format, ...)
{
    char message[512];
    struct base_place place = {.file = order->path};
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    base_findings_add(&order->call->findings, AUTH_MATERIAL_ODD, &place, "%s", message);
}

static bool is_authority(const struct dane_der *certificate)
{
    struct dane_certificate_info info;
    return dane_certificate_describe(certificate->data, certificate->length, &info) == BASE_OK &&
           info.authority;
}

/* NULL: the file has only a key. */
static const struct dane_der *choose(struct order *order, const struct dane_material *material)
{
    bool authority = order->usage == DANE_PKIX_TA || order->usage == DANE_TA;
    const struct dane_der *chosen = dane_material_certificate(material, order->usage);
    if (chosen != NULL && authority && !is_authority(chosen))
        warn(order,
             "usage %u is for the certificate of an authority, and this one may not sign "
             "others",
             order->usage);
    return chosen;
}

/* What only a certificate can tell. Usage 3 takes it whatever its names and dates are. */
static void check_certificate(struct order *order, const struct dane_der *certificate)
{
    struct dane_certificate_info info;
    char until[BASE_TIME_TEXT];
    if (order->usage == DANE_EE ||
        dane_certificate_describe(certificate->data, certificate->length, &info) != BASE_OK)
        return;
    base_time_iso(info.until, until);
    if (info.until <= order->call->now)
        warn(order, "the certificate (%s) ended on %s, and usage %u demands a valid one",
             info.subject, until, order->usage);
    else if (info.until - order->call->now < SOON)
        warn(order, "the certificate (%s) ends soon, on %s, and usage %u demands a valid one",
             info.subject, until, order->usage);
    struct dane_reference reference = {DANE_REFERENCE_DNS, order->host};
    struct dane_names_match match;
    if (order->usage == DANE_PKIX_EE && order->host != NULL &&
        dane_names_match(certificate->data, certificate->length, &reference, 1, true, &match,
                         NULL) == BASE_EMISMATCH)
        warn(order, "the certificate is for %s, not for %s",
             info.names[0] != '\0' ? info.names : info.subject, order->host);
}

static int make_record(struct order *order, const struct dane_der *from)
{
    uint8_t *data = NULL;
    size_t length = 0;
    int error =
        dane_tlsa_make(order->selector, order->matching, from->data, from->length, &data, &length);
    if (error != BASE_OK)
        return error;
    if (length + 3 > DNS_RDATA_MAX) {
        free(data);
        return cli_made_bad(order->call, order->path, "the certificate is too long for a record");
    }
    uint8_t *rdata = base_arena_alloc(&order->call->arena, length + 3);
    if (rdata != NULL) {
        rdata[0] = order->usage;
        rdata[1] = order->selector;
        rdata[2] = order->matching;
        memcpy(rdata + 3, data, length);
    }
    free(data);
    if (rdata == NULL)
        return BASE_ENOMEM;
    return cli_made_add(&order->made, order->owner, DNS_TYPE_TLSA, rdata, length + 3);
}

static int make_from(struct order *order, const char *path)
{
    struct dane_material material;
    order->path = path;
    int error = cli_made_material(order->call, path, &material);
    if (error != BASE_OK)
        return error;
    const struct dane_der *certificate = choose(order, &material);
    if (certificate != NULL)
        check_certificate(order, certificate);
    if (certificate == NULL && order->selector == DANE_CERTIFICATE)
        error = cli_made_bad(order->call, path,
                             "selector 0 needs a certificate, and the file has only a key");
    else
        error = make_record(order, certificate != NULL ? certificate : &material.key);
    dane_material_free(&material);
    return error;
}

static int check_use(struct order *order)
{
    struct cli_call *call = order->call;
    const char *host = cli_text(call, "host");
    char *ascii = base_arena_alloc(&call->arena, DANE_DOMAIN_MAX);
    order->usage = (uint8_t)cli_count(call, "usage", DANE_EE);
    order->selector = (uint8_t)cli_count(call, "selector", DANE_PUBLIC_KEY);
    order->matching = (uint8_t)cli_count(call, "mtype", DANE_SHA256);
    order->port = cli_count(call, "port", 0);
    if (cli_count(call, "usage", 0) > 3 || cli_count(call, "selector", 0) > 1 ||
        cli_count(call, "mtype", 0) > 2)
        return cli_usage_error(call->verb, "usages are 0 to 3, selectors 0 and 1, matching types "
                                           "0 to 2");
    if (order->port > UINT16_MAX || (cli_flag(call, "port") && order->port == 0))
        return cli_usage_error(call->verb, "%lu is no port", order->port);
    if ((host != NULL) != (order->port != 0))
        return cli_usage_error(call->verb, "--host and --port go together");
    if (host == NULL)
        return CLI_GOOD;
    if (ascii == NULL || dane_domain_to_ascii(host, ascii) != BASE_OK)
        return cli_usage_error(call->verb, "\"%s\" is no host", host);
    order->host = ascii;
    const char *transport = cli_text(call, "transport");
    order->owner = cli_made_name(call, "a service", "_%lu._%s.%s", order->port,
                                 transport == NULL ? "tcp" : transport, ascii);
    return order->owner == NULL ? CLI_USAGE : CLI_GOOD;
}

static int make_all(struct order *order)
{
    struct cli_call *call = order->call;
    int error = BASE_OK;
    cli_made_begin(&order->made, call);
    for (size_t i = 0; error == BASE_OK && i < call->value_count; i++) {
        if (strcmp(call->values[i].option->name, "cert") == 0)
            error = make_from(order, call->values[i].text);
    }
    cli_made_end(&order->made);
    order->path = NULL;
    if (order->port == 25 && order->usage <= DANE_PKIX_EE)
        warn(order,
             "mail servers take usages 2 and 3 only; records of usage %u are ignored (RFC "
             "7672 section 3.1.3)",
             order->usage);
    return error;
}

static int run(struct cli_call *call)
{
    struct order order = {.call = call};
    int code = check_use(&order);
    if (code != CLI_GOOD)
        return code;
    return cli_finish(call, make_all(&order));
}

const struct cli_verb cli_verb_tlsa = {
    .name = "tlsa",
    .summary = "make, check and change TLSA records, which tie certificates to DNSSEC",
    .description = "TLSA records (RFC 6698) tell clients which certificate or key a server will "
                   "show. kenter tlsa make writes them from files; kenter tlsa check compares "
                   "those that are published with what the server shows. When a certificate "
                   "changes, kenter tlsa next, gate and done take the steps in their order, and "
                   "kenter tlsa status tells how far it is.",
};

const struct cli_verb cli_verb_tlsa_make = {
    .name = "tlsa make",
    .summary = "write TLSA records from certificates or keys",
    .description =
        "Writes a TLSA record for each file: a line of a zone file with --host and --port, "
        "otherwise the data alone. A file holds certificates, a public or private key, or a "
        "request for a certificate, in PEM or DER; so the record can be published before the "
        "certificate is there.\n\n"
        "The record is 3 1 1 unless told otherwise: the digest of the server's own key. It holds "
        "as long as the key stays, whatever the certificate says. Usages 1 and 3 take the first "
        "certificate of a file, 0 and 2 the last one, which is nearest to the top of the chain.",
    .options =
        (const struct cli_option[]){
            {.name = "cert",
             .letter = 'c',
             .kind = CLI_FILE,
             .argument = "FILE",
             .repeats = true,
             .required = true,
             .help = "The certificate, chain or key. May be given several times: the key of now "
                     "and the next one."},
            {.name = "usage",
             .kind = CLI_COUNT,
             .argument = "N",
             .help = "3: this server's certificate or key; 2: an authority of the domain's own; 1 "
                     "and 0: the same, and trusted by clients besides. The default is 3."},
            {.name = "selector",
             .kind = CLI_COUNT,
             .argument = "N",
             .help = "0: the whole certificate; 1, the default: its public key."},
            {.name = "mtype",
             .kind = CLI_COUNT,
             .argument = "N",
             .help = "Matching type; 0: in full; 1, the default: SHA-256; 2: SHA-512."},
            {.name = "port",
             .kind = CLI_COUNT,
             .argument = "PORT",
             .help = "The port of the service: 25 for mail."},
            {.name = "transport",
             .kind = CLI_CHOICE,
             .argument = "tcp|udp|sctp",
             .help = "What the service runs over; the default is tcp."},
            CLI_OPTIONS_MADE("The server's name, as MX, SRV or URLs have it."),
            {.name = NULL}},
    .examples =
        (const struct cli_example[]){
            {"kenter tlsa make --cert mx.pem --host mx.example.net --port 25",
             "The record of a mail server."},
            {"kenter tlsa make --cert now.pem --cert next.key --host mx.example.net --port 25",
             "With that of the next key, before it is used."},
            {"kenter tlsa make --cert ca.pem --usage 2 --selector 0",
             "The data for an authority of one's own."},
            {NULL, NULL}},
    .run = run,
};
