/*
 * Services whose TLSA records change: what the verbs kenter tlsa next, gate, done and status share.
 * Which service is meant (tlsa.c), what its authoritative servers give (tlsa_look.c), what is
 * remembered of it (tlsa_state.c), how its records are changed (tlsa_publish.c), what kenterd says
 * when it keeps them (tlsa_kept.c), and what the service shows (tlsa_shown.c).
 */
#ifndef CLI_TLSA_H
#define CLI_TLSA_H

#include "cli/client.h"
#include "cli/peers.h"
#include "dane/life.h"
#include "dane/material.h"

#define CLI_NOT_YET      7 /* exit code: what is asked for is not safe yet */
#define CLI_TLSA_SERVERS 64
#define CLI_TLSA_HOPS    8 /* aliases that are followed */

#define CLI_OPERAND_TLSA                                                                           \
    {                                                                                              \
        .name = "HOST:PORT", .kind = CLI_TEXT, .optional = true,                                   \
        .help = "The service, as MX or SRV name it; \"/udp\" behind it for one over UDP. --host "  \
                "and --port say the same."                                                         \
    }
#define CLI_OPTIONS_TLSA_SERVICE                                                                   \
    {.name = "host",                                                                               \
     .kind = CLI_TEXT,                                                                             \
     .argument = "NAME",                                                                           \
     .help = "The server's name, as MX or SRV have it."},                                          \
    {                                                                                              \
        .name = "port", .kind = CLI_COUNT, .argument = "PORT",                                     \
        .help = "The port of the service; the default is 25."                                      \
    }
#define CLI_OPTIONS_TLSA_LOOK                                                                      \
    {.name = "zone",                                                                               \
     .kind = CLI_NAME,                                                                             \
     .argument = "ZONE",                                                                           \
     .help = "The zone that the records are in. It is looked up otherwise."},                      \
        {.name = "state",                                                                          \
         .kind = CLI_FILE,                                                                         \
         .argument = "FILE",                                                                       \
         .help = "Where it is remembered what was seen, and since when. The default is "           \
                 "HOST-PORT.json in $XDG_STATE_HOME/kenter/tlsa; without this variable in "        \
                 "/var/lib/kenter/tlsa for root, else in ~/.local/state/kenter/tlsa."},            \
    {                                                                                              \
        .name = "authority", .kind = CLI_TEXT, .argument = "ADDRESS", .repeats = true,             \
        .help = "Look at these servers (192.0.2.1@53), instead of those of the zone's NS "         \
                "records. May be given several times: all must be given."                          \
    }
#define CLI_OPTION_TLSA_STARTTLS                                                                   \
    {                                                                                              \
        .name = "starttls", .kind = CLI_CHOICE,                                                    \
        .argument = "smtp|submission|imap|pop3|sieve|xmpp-client|xmpp-server|none",                \
        .help = "The protocol that TLS begins in; none: with TLS at once. The default is "         \
                "what the port is known for."                                                      \
    }

struct cli_tlsa {
    struct cli_call *call;
    struct cli_ask *ask;
    /* The service. */
    char host[DANE_DOMAIN_MAX]; /* A-labels */
    uint16_t port;
    bool udp;
    const char *name;     /* "mx.example.net:25", "…/udp" */
    const uint8_t *owner; /* of its TLSA records */
    char where[DNS_NAME_TEXT];
    unsigned usages; /* that its clients take */
    /* What was seen at last. */
    struct base_arena arena; /* of it */
    struct dane_life_server servers[CLI_TLSA_SERVERS];
    struct cli_tlsa_source {
        const char *address;  /* "192.0.2.1@53"; NULL: it could not be found */
        const uint8_t *alias; /* as the server's, in wire form */
    } sources[CLI_TLSA_SERVERS];
    size_t count;
    struct cli_tlsa_hop { /* names on the way; they stay from look to look */
        uint8_t name[DNS_NAME_MAX], zone[DNS_NAME_MAX];
        bool has_zone;
    } hops[CLI_TLSA_HOPS];
    unsigned end;                 /* the hop that has the records */
    char end_text[DNS_NAME_TEXT]; /* its name: that of the records */
    bool judged;                  /* it was said whether aliases are secure */
};

/* --- tlsa.c: the service, and records as text --- */

/* "mx.example.net:25", "www.example.net:443/udp"; NULL: as --host and --port say. CLI_GOOD, or
 * CLI_USAGE after a message. cli_tlsa_free. */
int cli_tlsa_init(struct cli_tlsa *tlsa, struct cli_ask *ask, const char *text);
void cli_tlsa_free(struct cli_tlsa *tlsa);

/* "3 1 1 0b9f…", in full. NULL: no memory. */
const char *cli_tlsa_text(struct base_arena *arena, const struct dane_tlsa *record);
/* The reverse; its data is in the arena. BASE_EFORMAT, BASE_ENOMEM. */
int cli_tlsa_parse(struct base_arena *arena, const char *text, struct dane_tlsa *out);
bool cli_tlsa_equal(const struct dane_tlsa *one, const struct dane_tlsa *other);
/* The record that is made from a file's certificate or key. Its data is in the call's arena. */
int cli_tlsa_make(struct cli_tlsa *tlsa, const char *path, const struct dane_material *material,
                  uint8_t usage, uint8_t selector, uint8_t matching, struct dane_tlsa *out);
/* A bare key does for records of selector 1. */
struct dane_life_chain cli_tlsa_chain(const struct dane_material *material);
json_t *cli_tlsa_time(base_time time); /* null for 0 */

/* --- tlsa_look.c --- */

/* Asks every authoritative server, following aliases. BASE_EREFUSED after a finding; BASE_ENOMEM,
 * BASE_ELIMIT. */
int cli_tlsa_look(struct cli_tlsa *tlsa);
/* The zone of the records. NULL: it was not looked up. */
const uint8_t *cli_tlsa_zone(const struct cli_tlsa *tlsa);
/* [{"name","answered","alias","records":[…],"ttl"}]. NULL: no memory. */
json_t *cli_tlsa_servers(struct cli_tlsa *tlsa);

/* --- tlsa_state.c: a file for each service --- */

struct cli_tlsa_state {
    const char *path;
    json_t *memory; /* all of it */
    struct dane_life_state life;
    struct dane_tlsa next; /* of the change under way; without data: none is */
    bool has_next;
};
/* A file that is not there is an empty state. BASE_EREFUSED after a finding, BASE_ENOMEM. */
int cli_tlsa_state_read(struct cli_tlsa *tlsa, struct cli_tlsa_state *out);
/* The change that is under way is this one; another is forgotten. */
void cli_tlsa_state_change(struct cli_tlsa_state *state, const struct dane_tlsa *next);
/* With what came of the last look. */
int cli_tlsa_state_write(struct cli_tlsa *tlsa, struct cli_tlsa_state *state,
                         const struct dane_life_advice *advice);
void cli_tlsa_state_free(struct cli_tlsa_state *state);

/* --- tlsa_publish.c --- */

/* Adds or deletes ("add", "delete") records at the end of the aliases: in a zone of kenterd with
 * --publish, else they are printed for nsupdate, or added to `updates`, an array, for --json. */
int cli_tlsa_publish(struct cli_tlsa *tlsa, const char *action, const struct dane_tlsa *records,
                     size_t count, json_t *updates);

/* --- tlsa_kept.c --- */

/* The services that kenterd keeps, as its API has them, an array; *out NULL: there is no kenterd,
 * or it may not be asked, which is fine unless the user tells where it is. BASE_EREFUSED after a
 * finding, BASE_ENOMEM. */
int cli_tlsa_kept_list(struct cli_call *call, json_t **out);
/* The one that is meant, of that list; NULL: it is not kept. The list's. */
json_t *cli_tlsa_kept_find(const struct cli_tlsa *tlsa, const json_t *list);
/* The service as kenterd sees it, with `look` after a look that it makes now. The caller's. With
 * `away` (else NULL) it is no finding that kenterd is not there, as while it is started anew. */
int cli_tlsa_kept(struct cli_tlsa *tlsa, bool look, bool *away, json_t **out);
/* Is the record of `which` ("current", "next") made from what this file has? */
bool cli_tlsa_kept_is(const json_t *service, const char *which,
                      const struct dane_material *material);

/* --- tlsa_shown.c --- */

/* What is spoken at this port, as --starttls or its number says. CLI_GOOD, or CLI_USAGE after a
 * message. */
int cli_tlsa_speaks(struct cli_call *call, uint16_t port, enum dane_service *out);
/* Connects to every address of the host; the caller frees *visit, after errors, too. */
int cli_tlsa_visit(struct cli_tlsa *tlsa, struct cli_visit *visit);
/* What a contact showed: its chain, or the bare key in *key. None: nothing. */
struct dane_life_chain cli_tlsa_shown(const struct cli_contact *contact, struct dane_der *key);
/* Why it showed nothing, in words. */
const char *cli_tlsa_hidden(const struct cli_contact *contact);
/* [{"address","error","subject","not_after","matches":[…]}]; the latter of the records, texts, that
 * are given. NULL: no memory. */
json_t *cli_tlsa_addresses(const struct cli_visit *visit, const json_t *records);

#endif
