/*
 * The name servers of the zones on the way to an answer, each asked by itself, and compared:
 * serials, DNSKEY sets, NS sets, DS, delegations and glue at the parent's servers, answers.
 */
#ifndef CLI_SERVERS_H
#define CLI_SERVERS_H

#include "cli/ask.h"
#include "dns/message.h"

/* Asks and compares, after a result; prints a line for each server, or adds "servers" to the JSON
 * document. Differences become findings (servers.*) of the call. BASE_ENOMEM. */
int cli_servers_compare(struct cli_ask *ask, const struct validate_result *result);

/* --- what servers_ask.c collects for servers.c --- */

#define CLI_SERVERS_ZONES     32
#define CLI_SERVERS_ADDRESSES 64 /* of one zone */
#define CLI_SERVERS_QUESTIONS 12 /* to each of them */

enum cli_servers_purpose {
    CLI_SERVERS_SERIAL,
    CLI_SERVERS_KEYS,
    CLI_SERVERS_NAMES,    /* the zone's NS set */
    CLI_SERVERS_REFERRAL, /* to a zone below */
    CLI_SERVERS_DS,       /* of a zone below */
    CLI_SERVERS_DATA,
};

struct cli_servers_question {
    enum cli_servers_purpose purpose;
    const uint8_t *name;
    uint16_t type;
};

struct cli_server {
    const char *name;    /* of the NS record */
    const char *address; /* "192.0.2.1@53" */
    bool v6;
    struct validate_reply replies[CLI_SERVERS_QUESTIONS];
    /* What became of the comparison. */
    bool answers, usable, has_serial, wrong;
    uint32_t serial;
};

/* An address of a name server, as the zone itself has it. */
struct cli_servers_host {
    const uint8_t *name;
    bool v6;
    uint8_t address[16];
};

struct cli_servers_zone {
    const uint8_t *name;
    bool secure; /* its keys are trusted */
    struct cli_servers_question questions[CLI_SERVERS_QUESTIONS];
    size_t question_count;
    struct cli_server *servers;
    size_t server_count;
    struct cli_servers_host *hosts;
    size_t host_count;
    size_t lost; /* names without addresses: their findings are made */
};

/* In the arena of the call. Findings say what could not be found out. BASE_ENOMEM. */
int cli_servers_ask(struct cli_ask *ask, const struct validate_result *result,
                    struct cli_servers_zone **zones, size_t *count);
/* The one with the newest serial, once these are known; NULL. */
struct cli_server *cli_servers_newest(const struct cli_servers_zone *zone);

/* --- servers_delegation.c --- */

/* Compares what a zone's servers say of the zones below with what these say of themselves. */
void cli_servers_delegations(struct cli_call *call, struct cli_servers_zone *zones, size_t count,
                             struct cli_servers_zone *parent);
/* Is a reply a referral to the zone? Then it is read into memory of `arena`. */
bool cli_servers_referral(const struct validate_reply *reply, const uint8_t *zone,
                          struct base_arena *arena, struct dns_message *out);
/* The next record of an owner and type in a section; NULL: no more. */
const struct dns_record *cli_servers_record(const struct dns_message *message,
                                            enum dns_section section, const uint8_t *owner,
                                            uint16_t type, const struct dns_record *after);

#endif
