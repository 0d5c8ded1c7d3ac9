/* kenter auth-server: tells XMPP servers, over a socket, whether a stream may speak for a pair of
 * domains. */
#include "auth/pair_server.h"
#include "base/error.h"
#include "cli/report.h"
#include "cli/service.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int check(const struct cli_call *call)
{
    if (cli_duration(call, "answer-timeout", 30) == 0 ||
        cli_duration(call, "answer-timeout", 30) > 600)
        return cli_usage_error(call->verb, "--answer-timeout takes 1s to 10m");
    return cli_service_check(call);
}

static int serve(struct cli_ask *ask, int *error)
{
    struct cli_call *call = ask->call;
    struct pair_options options = {
        .socket_mode = cli_service_mode(call),
        .ca_file = cli_text(call, "ca"),
        .cache_octets = cli_count(call, "cache", 16) * 1024 * 1024,
        .connections = (unsigned)cli_count(call, "connections", 64),
        .questions = (unsigned)cli_count(call, "lookups", 1024),
        .timeout = (unsigned)cli_duration(call, "answer-timeout", 30),
        .no_posh = cli_flag(call, "no-posh"),
        .no_pkix = cli_flag(call, "no-pkix"),
    };
    options.listen = cli_service_sockets(call, "socket", &options.listen_count);
    struct pair_server *server;
    char why[AUTH_SERVICE_WHY] = "";
    struct base_log log = {
        .least = call->quiet ? BASE_LOG_WARNING : BASE_LOG_INFO,
        .json = call->json,
        .fd = STDERR_FILENO,
        .part = "auth-server",
    };
    *error =
        options.listen ? pair_server_new(&options, ask->context, &log, why, &server) : BASE_ENOMEM;
    if (*error == BASE_EFORMAT)
        return cli_usage_error(call->verb, "%s", why);
    if (*error == BASE_OK) {
        pair_server_run(server);
        pair_server_free(server);
    } else if (*error == BASE_EIO) {
        base_findings_add(&call->findings, SYSTEM_FAILED, NULL, "nobody can be answered: %s", why);
        *error = BASE_EREFUSED;
        return CLI_SYSTEM;
    }
    return *error == BASE_OK ? CLI_GOOD : CLI_SYSTEM;
}

static int run(struct cli_call *call)
{
    int code = check(call);
    return code == CLI_GOOD ? cli_service_run(call, serve) : code;
}

const struct cli_verb cli_verb_auth_server = {
    .name = "auth-server",
    .summary = "tell XMPP servers for which domains a stream may speak, and until when",
    .description =
        "Runs until it is ended and answers questions of XMPP servers over a local socket: may "
        "the peer who shows these certificates on this stream speak for that domain? It looks up "
        "SRV, addresses and TLSA, validates them itself, and proves the domain by DANE, by a CA, "
        "or by a POSH document, in both directions (RFC 7712). A certificate that TLSA records "
        "rule out is refused whatever else speaks for it; what could not be found out is a "
        "temporary failure. Each yes has an end, after which it has to be asked for again.\n\n"
        "docs/xmpp.md describes the protocol, one JSON object a line, and the module for Prosody "
        "that speaks it. SIGHUP empties the caches. It needs no privileges.",
    .options =
        (const struct cli_option[]){
            {.name = "socket",
             .kind = CLI_TEXT,
             .argument = "SOCKET",
             .repeats = true,
             .required = true,
             .help = "Answer there: unix:PATH, inet:ADDRESS:PORT, or systemd, which means the "
                     "sockets that systemd opened. May be given several times."},
            {.name = "mode",
             .kind = CLI_TEXT,
             .argument = "OCTAL",
             .help = "Permissions of the sockets; the default is 0660."},
            {.name = "ca",
             .kind = CLI_FILE,
             .argument = "FILE",
             .help = "PEM file of those who may certify peers and hosts of POSH documents, "
                     "instead of the system's."},
            {.name = "no-posh", .kind = CLI_FLAG, .help = "Take no proof by POSH."},
            {.name = "no-pkix", .kind = CLI_FLAG, .help = "Take no proof by a CA alone."},
            {.name = "cache",
             .kind = CLI_COUNT,
             .argument = "MIB",
             .help = "Memory for verdicts; the default is 16."},
            {.name = "connections",
             .kind = CLI_COUNT,
             .argument = "NUMBER",
             .help = "Serve at most so many connections at once; the default is 64."},
            {.name = "lookups",
             .kind = CLI_COUNT,
             .argument = "NUMBER",
             .help = "Find out at most so much at once; the default is 1024."},
            {.name = "answer-timeout",
             .kind = CLI_DURATION,
             .argument = "DURATION",
             .help = "Answer within this time, if need be that it took too long; the default is "
                     "30s."},
            CLI_OPTIONS_ASK,
            {.name = NULL}},
    .examples =
        (const struct cli_example[]){
            {"kenter auth-server --socket unix:/run/kenter/auth.sock --mode 0666",
             "For a Prosody on this machine."},
            {"echo '{\"id\":1,\"metrics\":true}' | socat - /run/kenter/auth.sock",
             "What it has done so far."},
            {NULL, NULL}},
    .exits = (const struct cli_exit_note[]){{0, "It was ended by SIGTERM or SIGINT."},
                                            {3, "It could not go on: a socket, a file, memory."},
                                            {-1, NULL}},
    .run = run,
};
