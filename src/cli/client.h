/*
 * The client of kenterd's API (docs/api.md): HTTP over its Unix socket.
 */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include "cli/call.h"
#include "cli/terminal.h"

#include <curl/curl.h>
#include <jansson.h>

#define CLI_SOCKET_VARIABLE "KENTER_SOCKET"
#define CLI_OPTION_SOCKET                                                                          \
    {                                                                                              \
        .name = "socket", .kind = CLI_FILE, .argument = "PATH",                                    \
        .help =                                                                                    \
            "The socket of kenterd; may stand before the verb, too. Otherwise $KENTER_SOCKET, "    \
            "or what is there of /run/kenter/kenter.sock, /var/lib/kenter/kenter.sock and "        \
            "var/kenter.sock."                                                                     \
    }
#define CLI_OPTION_YES                                                                             \
    {                                                                                              \
        .name = "yes", .letter = 'y', .kind = CLI_FLAG,                                            \
        .help = "Do not ask. Without a terminal, nothing is asked anyway."                         \
    }
#define CLI_OPERAND_ZONE                                                                           \
    {                                                                                              \
        .name = "ZONE", .kind = CLI_NAME, .help = "The name of the zone."                          \
    }

struct cli_client {
    struct cli_call *call;
    CURL *curl;
    const char *path;
    char error[CURL_ERROR_SIZE];
};

/* BASE_EREFUSED with a finding: there is no socket. */
int cli_client_open(struct cli_client *client, struct cli_call *call);
void cli_client_close(struct cli_client *client);

/* Asks; `body` may be NULL and stays the caller's. *out is the reply, an object, when it is one of
 * success; the caller frees it. Otherwise BASE_EREFUSED: findings of the call say why. */
int cli_client_ask(struct cli_client *client, const char *method, const char *target,
                   const json_t *body, json_t **out);
/* The same for a text that may be long: `take` gets it piece by piece, and stops the work with
 * anything but BASE_OK, which is returned. */
int cli_client_read(struct cli_client *client, const char *target,
                    int (*take)(void *context, const char *text, size_t length), void *context);

/* "/v1/zones/example.com./why" in the arena of the call; `tail`: "/why" with its parameters, which
 * are encoded already. NULL: out of memory. */
const char *cli_zone_target(struct cli_call *call, const char *zone, const char *tail);
/* Percent-encodes a text for a path or a parameter, in the arena. */
const char *cli_encode(struct cli_call *call, const char *text);
/* The name of a zone as kenterd writes it: absolute, lower case. */
const char *cli_zone_name(struct cli_call *call, const char *text);

/* Adds the findings of a reply to those of the call. */
void cli_take_findings(struct cli_call *call, const json_t *list);

/* Members of replies; "" or 0 when they are not there. */
const char *cli_json_text(const json_t *object, const char *name);
json_int_t cli_json_number(const json_t *object, const char *name);

/* A time of a reply as people say it: "in 5 d", "3 h ago", "-" when it is null. */
#define CLI_WHEN_TEXT 32
const char *cli_when(char out[CLI_WHEN_TEXT], const json_t *time, base_time now);
enum cli_color cli_state_color(const char *state);

/* Adds ,"name":value to the JSON document of the call. */
void cli_member(struct cli_call *call, const char *name, const json_t *value);

/* Asks a person, on a terminal and without --yes; true: go on. */
bool cli_confirm(const struct cli_call *call, const char *question);

#endif
