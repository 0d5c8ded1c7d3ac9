/*
 * Records of keys that are used only when they are secure: kenter sshfp get and its like.
 */
#ifndef CLI_OWNED_H
#define CLI_OWNED_H

#include "cli/ask.h"

/* Options of "get" verbs. */
#define CLI_OPTIONS_OWNED                                                                          \
    {                                                                                              \
        .name = "output", .letter = 'o', .kind = CLI_FILE, .argument = "FILE",                     \
        .help = "Write the keys to this file instead of printing records: the octets of OpenPGP, " \
                "PEM of certificates; \"-\" is standard output."                                   \
    }

/* Writes rdata into a file. NULL: this type has no other form than records. */
typedef int cli_owned_write(FILE *stream, const uint8_t *rdata, size_t length);

/* Looks up, validated, and prints; nothing that is not secure. Returns the exit code. `owner` NULL:
 * CLI_USAGE, a message was given. */
int cli_owned_get(struct cli_call *call, const uint8_t *owner, uint16_t type,
                  cli_owned_write *write);

/* The name of an address for reverse look-ups, or of a host. NULL after a message. */
const uint8_t *cli_owned_host(struct cli_call *call, const char *text);

extern const struct cli_exit_note cli_owned_exits[];

#endif
