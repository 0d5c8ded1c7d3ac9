/* kenter policy: TLS policies for a mail server, through a socket. */
#include "auth/policy_server.h"
#include "base/error.h"
#include "cli/report.h"
#include "cli/service.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_TIMEOUT 3600

static int check(const struct cli_call *call)
{
    if (cli_duration(call, "answer-timeout", 60) == 0 ||
        cli_duration(call, "answer-timeout", 60) > MOST_TIMEOUT)
        return cli_usage_error(call->verb, "--answer-timeout takes 1s to 1h");
    return cli_service_check(call);
}

static struct policy_options options_of(struct cli_call *call)
{
    struct policy_options options = {
        .socket_mode = cli_service_mode(call),
        .state = cli_text(call, "state"),
        .ca_file = cli_text(call, "sts-ca"),
        .metrics = cli_text(call, "metrics"),
        .tlsrpt = cli_text(call, "tlsrpt"),
        .cache_octets = cli_count(call, "cache", 16) * 1024 * 1024,
        .most_ttl = (unsigned)cli_duration(call, "keep", 3600),
        .connections = (unsigned)cli_count(call, "connections", 512),
        .questions = (unsigned)cli_count(call, "lookups", 256),
        .timeout = (unsigned)cli_duration(call, "answer-timeout", 60),
        .no_sts = cli_flag(call, "no-sts"),
    };
    options.listen = cli_service_sockets(call, "postfix", &options.listen_count);
    return options;
}

static int serve(struct cli_ask *ask, int *error)
{
    struct cli_call *call = ask->call;
    struct policy_options options = options_of(call);
    struct policy_server *server;
    char why[AUTH_SERVICE_WHY] = "";
    struct base_log log = {
        .least = call->quiet ? BASE_LOG_WARNING : BASE_LOG_INFO,
        .json = call->json,
        .fd = STDERR_FILENO,
        .part = "policy",
    };
    *error = options.listen ? policy_server_new(&options, ask->context, &log, why, &server)
                            : BASE_ENOMEM;
    if (*error == BASE_EFORMAT)
        return cli_usage_error(call->verb, "%s", why);
    if (*error == BASE_OK) {
        policy_server_run(server);
        policy_server_free(server);
    } else if (*error == BASE_EIO) {
        base_findings_add(&call->findings, SYSTEM_FAILED, NULL, "no policies can be served: %s",
                          why);
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

const struct cli_verb cli_verb_policy = {
    .name = "policy",
    .summary = "tell Postfix, domain by domain, how TLS must be authenticated",
    .description =
        "Runs until it is ended and answers Postfix's smtp_tls_policy_maps over the socketmap "
        "protocol. For each next hop it looks up MX, addresses and TLSA, validates them itself, "
        "and where DANE is proved absent fetches the domain's MTA-STS policy. What it says is "
        "never less than what any of the domain's hosts demands: dane-only, dane, secure with the "
        "hosts of the MTA-STS policy, encrypt or may; and when something could not be found out, "
        "that mail has to wait. docs/postfix.md has the lines for main.cf, and tells what Postfix "
        "cannot express and what is said instead.\n\n"
        "MTA-STS policies are kept in --state until they end, over restarts; the service forgets "
        "them when it ends otherwise. It needs no privileges. SIGHUP empties its caches. Asked "
        "for the key *metrics*, it answers with its counters.",
    .options =
        (const struct cli_option[]){
            {.name = "postfix",
             .kind = CLI_TEXT,
             .argument = "SOCKET",
             .repeats = true,
             .required = true,
             .help = "Answer there: unix:PATH, inet:ADDRESS:PORT, or systemd, which means the "
                     "sockets that systemd opened. May be given several times."},
            {.name = "mode",
             .kind = CLI_TEXT,
             .argument = "OCTAL",
             .help = "Permissions of sockets in the file system; the default is 0666."},
            {.name = "state",
             .kind = CLI_DIRECTORY,
             .argument = "DIRECTORY",
             .help = "Keep MTA-STS policies there, in mta-sts/."},
            {.name = "sts-ca",
             .kind = CLI_FILE,
             .argument = "FILE",
             .help = "PEM file of those who may certify hosts of MTA-STS policies, instead of the "
                     "system's."},
            {.name = "no-sts", .kind = CLI_FLAG, .help = "Leave MTA-STS out."},
            {.name = "metrics",
             .kind = CLI_FILE,
             .argument = "FILE",
             .help = "Write counters there every 15 seconds, in the format of Prometheus."},
            {.name = "tlsrpt",
             .kind = CLI_FILE,
             .argument = "FILE",
             .help = "Append a line for each MTA-STS policy that could not be fetched, for kenter "
                     "tlsrpt."},
            {.name = "cache",
             .kind = CLI_COUNT,
             .argument = "MIB",
             .help = "Memory for answers; the default is 16."},
            {.name = "keep",
             .kind = CLI_DURATION,
             .argument = "DURATION",
             .help = "Keep an answer at most so long, whatever its records allow; the default is "
                     "1h."},
            {.name = "connections",
             .kind = CLI_COUNT,
             .argument = "NUMBER",
             .help = "Serve at most so many connections at once; the default is 512."},
            {.name = "lookups",
             .kind = CLI_COUNT,
             .argument = "NUMBER",
             .help = "Look up at most so many domains at once; the default is 256."},
            {.name = "answer-timeout",
             .kind = CLI_DURATION,
             .argument = "DURATION",
             .help = "Answer within this time, if need be that it took too long; the default is "
                     "60s. Postfix waits for 100 seconds."},
            CLI_OPTIONS_ASK,
            {.name = NULL}},
    .examples =
        (const struct cli_example[]){
            {"kenter policy --postfix unix:/var/spool/postfix/kenter/policy --state "
             "/var/lib/kenter-policy",
             "For a Postfix on this machine."},
            {"postmap -q example.org socketmap:unix:/var/spool/postfix/kenter/policy:postfix",
             "What Postfix is told of a domain."},
            {NULL, NULL}},
    .exits =
        (const struct cli_exit_note[]){{0, "It was ended by SIGTERM or SIGINT."},
                                       {3, "It could not go on: a socket, a directory, memory."},
                                       {-1, NULL}},
    .run = run,
};
