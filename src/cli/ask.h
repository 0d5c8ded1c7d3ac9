/*
 * Validated questions for verbs: from the command line to a context of `resolve`, and what its
 * results mean for the exit code.
 */
#ifndef CLI_ASK_H
#define CLI_ASK_H

#include "cli/call.h"
#include "resolve/recording.h"

/* Exit codes of verbs that tell whether an answer is secure. A bogus one is CLI_FINDINGS. */
enum cli_ask_exit {
    CLI_INSECURE = 4,
    CLI_INDETERMINATE = 5,
    CLI_UNJUDGED = 6, /* nothing could be judged */
};

extern const struct cli_operand cli_ask_operands[];

#define CLI_OPTIONS_ASK                                                                            \
    {.name = "server",                                                                             \
     .kind = CLI_TEXT,                                                                             \
     .argument = "ADDRESS",                                                                        \
     .repeats = true,                                                                              \
     .help = "Ask this resolver: 192.0.2.1, 192.0.2.1@5353, tcp://192.0.2.1, "                     \
             "tls://dns.example.net, tls://192.0.2.1#dns.example.net or "                          \
             "https://dns.example.net/dns-query. May be given several times; @ADDRESS as an "      \
             "argument says the same. Otherwise the system's resolvers are asked."},               \
        {.name = "recursive",                                                                      \
         .letter = 'r',                                                                            \
         .kind = CLI_FLAG,                                                                         \
         .help = "Ask no resolver, but the servers of the zones, from the root down."},            \
        {.name = "root-hints",                                                                     \
         .kind = CLI_FILE,                                                                         \
         .argument = "FILE",                                                                       \
         .help = "Where the root's servers are, for --recursive; built in otherwise."},            \
        {.name = "tls-ca",                                                                         \
         .kind = CLI_FILE,                                                                         \
         .argument = "FILE",                                                                       \
         .help = "PEM file of those who may certify resolvers asked over TLS and HTTPS, instead "  \
                 "of the system's."},                                                              \
        {.name = "anchor",                                                                         \
         .letter = 'a',                                                                            \
         .kind = CLI_FILE,                                                                         \
         .argument = "FILE",                                                                       \
         .repeats = true,                                                                          \
         .help = "Trust the keys in this file instead of those of the root that are built in: "    \
                 "lines of DS or DNSKEY records, the files of Unbound and BIND, or the XML of "    \
                 "IANA. May be given several times."},                                             \
        {.name = "negative",                                                                       \
         .kind = CLI_TEXT,                                                                         \
         .argument = "NAME=UNTIL",                                                                 \
         .repeats = true,                                                                          \
         .help = "Take NAME and all below it as insecure until a time: example.com=now+1d. May "   \
                 "be given several times."},                                                       \
        {.name = "track",                                                                          \
         .kind = CLI_FILE,                                                                         \
         .argument = "FILE",                                                                       \
         .help =                                                                                   \
             "Follow the anchor as its zone changes its keys (RFC 5011), with the state kept "     \
             "in FILE, which is made when it is not there. Without NAME the state is shown. Not "  \
             "with --at: times of another clock would stay in the state."},                        \
        {.name = "at",                                                                             \
         .kind = CLI_TIME,                                                                         \
         .argument = "TIME",                                                                       \
         .help = "Judge as of this time instead of now: now+7d, 2026-11-21, 20261121235959."},     \
        {.name = "skew",                                                                           \
         .kind = CLI_DURATION,                                                                     \
         .argument = "DURATION",                                                                   \
         .help = "Let clocks differ by so much from the times in signatures."},                    \
        {.name = "legacy",                                                                         \
         .kind = CLI_FLAG,                                                                         \
         .help = "Also take signatures with SHA-1 (algorithms 5 and 7, digest 1)."},               \
    {                                                                                              \
        .name = "timeout", .kind = CLI_DURATION, .argument = "DURATION",                           \
        .help = "How long the whole question may take; the default is 10s."                        \
    }

struct cli_ask {
    struct cli_call *call;
    const uint8_t *name; /* NULL: none was given */
    uint16_t type;
    const char **servers;
    size_t server_count;
    struct validate_anchors *anchors;
    struct validate_options validate;
    struct resolve_options resolve;      /* that `context` was made with */
    struct resolve_recording *recording; /* being filled, or being played */
    struct resolve_transport transport;  /* of the latter */
    struct resolve_context *context;
    bool live;           /* set before opening: the clock goes on, as services want it */
    size_t cache_octets; /* likewise: of resolve_options; 0: its default */
    base_time now;
};

/* Sorts the operands: a name, a type (A when there is none), servers. CLI_GOOD, or CLI_USAGE after
 * a message. */
int cli_ask_parse(struct cli_ask *ask, struct cli_call *call);
/* The options alone, for verbs whose operands are something else. CLI_GOOD, CLI_USAGE, CLI_SYSTEM
 * as above. */
int cli_ask_parse_options(struct cli_ask *ask, struct cli_call *call);
/* Makes the context; `record`: all packets are kept. CLI_GOOD, CLI_USAGE after a message, or
 * CLI_SYSTEM with *error for cli_finish and findings. */
int cli_ask_open(struct cli_ask *ask, bool record, int *error);
/* Another context like that of cli_ask_open, for another thread; the caller frees it before
 * cli_ask_close. BASE_ENOMEM, BASE_EIO. */
int cli_ask_context(struct cli_ask *ask, struct resolve_context **out);
/* The same from a case in a file; sets the question. */
int cli_ask_replay(struct cli_ask *ask, const char *path, int *error);
/* Asks it. BASE_ENOMEM; BASE_EINVAL: the type cannot be asked for (with a finding). */
int cli_ask_lookup(struct cli_ask *ask, const struct validate_result **out);
void cli_ask_close(struct cli_ask *ask);

/* Was no name given, but a state to show? Then this asks for the zone's keys if it is time, and
 * shows what is known of them. */
bool cli_ask_wants_state(const struct cli_ask *ask);
int cli_ask_show_state(struct cli_ask *ask);

/* The records of a type in a result. It withholds what is bogus, but its proof shows it; for asking
 * around that is enough. NULL: there are none. */
const struct validate_records *cli_ask_records(const struct validate_result *result, uint16_t type);

/* The exit code of a result. */
int cli_ask_code(const struct validate_result *result);
/* Puts the findings of a result among those of the call. What a secure result tells does not make
 * the call fail. */
void cli_ask_findings(struct cli_call *call, const struct validate_result *result);

#endif
