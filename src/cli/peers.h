/*
 * Servers of a domain for verbs that authenticate them: the plan, connections by it, and both as
 * text, JSON and findings.
 */
#ifndef CLI_PEERS_H
#define CLI_PEERS_H

#include "auth/authenticate.h"
#include "cli/ask.h"

/* Options of verbs that connect. */
#define CLI_OPTIONS_PEERS                                                                          \
    {.name = "connect",                                                                            \
     .kind = CLI_TEXT,                                                                             \
     .argument = "HOST=ADDRESS",                                                                   \
     .repeats = true,                                                                              \
     .help = "Connect to this address, which may have a port behind \"@\", whenever HOST is the "  \
             "server, of policies and POSH documents, too; for tests, and for servers behind a "   \
             "tunnel. May be given several times."},                                               \
        {.name = "ca",                                                                             \
         .kind = CLI_FILE,                                                                         \
         .argument = "FILE",                                                                       \
         .help = "PEM file of the authorities that certificates may lead to, instead of the "      \
                 "system's."},                                                                     \
        {.name = "own-name",                                                                       \
         .kind = CLI_TEXT,                                                                         \
         .argument = "NAME",                                                                       \
         .help = "What to say that we are: EHLO of SMTP, \"from\" of XMPP."},                      \
    {                                                                                              \
        .name = "connect-timeout", .kind = CLI_DURATION, .argument = "DURATION",                   \
        .help = "How long one address may take in all; the default is 10s."                        \
    }

/* One address that was connected to, or an endpoint that may not be. */
struct cli_contact {
    const struct dane_endpoint *endpoint;
    const char *to; /* address to connect to; NULL: those of the endpoint, until one is good */
    struct auth_attempt attempt;
    bool tried;
};

/* A domain, and what came of it. */
struct cli_visit {
    char domain[DANE_DOMAIN_MAX + 4];
    uint16_t port; /* 0: none was given */
    enum dane_service service;
    struct dane_plan_options options;
    int error; /* BASE_EFORMAT: `domain` is none; the rest stops the call */
    struct dane_plan *plan;
    const struct dane_plan_result *result;
    struct cli_contact *contacts;
    size_t contact_count;
};

/* Takes "example.org", "example.org:25", "[192.0.2.1]:25". BASE_EFORMAT. */
int cli_visit_parse(struct cli_visit *visit, const char *text);
/* Checks values of CLI_OPTIONS_PEERS. CLI_GOOD, or CLI_USAGE after a message. */
int cli_peers_check(const struct cli_call *call);
/* How documents are fetched: hosts by look-ups of the context, or where --connect says. */
struct auth_web cli_web(const struct cli_call *call, struct resolve_context *context);
/* Makes the plan, with a context of the calling thread. */
void cli_visit_plan(struct cli_visit *visit, struct cli_call *call,
                    struct resolve_context *context);
/* Connects to the endpoints; `every_address`: to each address of each. At most `threads` at once.
 */
void cli_visit_connect(struct cli_visit *visit, struct cli_call *call, base_time now,
                       bool every_address, unsigned threads);
/* XMPP: asks the domain's POSH document about servers for which nobody else vouches. */
void cli_visit_posh(struct cli_visit *visit, struct cli_call *call, base_time now,
                    struct resolve_context *context);
void cli_visit_free(struct cli_visit *visit);

/* How good it is, from best to worst. */
enum cli_visit_grade {
    CLI_VISIT_GOOD,    /* whoever serves the domain is authenticated, or will have to be */
    CLI_VISIT_OPEN,    /* somebody is not */
    CLI_VISIT_NOTHING, /* there is no such domain or service */
    CLI_VISIT_BAD,     /* somebody is refused, or all is deferred */
};
enum cli_visit_grade cli_visit_grade(const struct cli_visit *visit);
int cli_visit_code(enum cli_visit_grade grade); /* the exit code */

void cli_visit_text(const struct cli_visit *visit, bool color, struct base_buf *out);
void cli_visit_json(const struct cli_visit *visit, struct base_buf *out);
/* Each becomes a finding of the call. */
void cli_visit_findings(const struct cli_visit *visit, struct cli_call *call);

/* Would this TLSA record (judged) alone let a client in that is after `host`? */
bool cli_contact_matches(const struct cli_contact *contact, const struct dane_tlsa *record,
                         const char *host, base_time now, const char *ca_file);

/* "2026-11-21T23:59:59Z" in quotes, or null for 0. */
void cli_json_time(struct base_buf *out, base_time time);

#endif
