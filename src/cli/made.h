/*
 * Records made from files of keys: reading the file, and the record as a line of a zone file or as
 * JSON.
 */
#ifndef CLI_MADE_H
#define CLI_MADE_H

#include "cli/call.h"
#include "dane/material.h"
#include "dns/rdata.h"

/* For --ttl and --host. */
#define CLI_OPTIONS_MADE(what)                                                                     \
    {.name = "host", .kind = CLI_TEXT, .argument = "NAME", .help = (what)},                        \
    {                                                                                              \
        .name = "ttl", .kind = CLI_DURATION, .argument = "DURATION",                               \
        .help = "The TTL of the record; the default is 1h."                                        \
    }

struct cli_made {
    struct cli_call *call;
    size_t count;
};

/* Reads a file of at most `most` octets; the caller frees *data. BASE_EREFUSED after a finding. */
int cli_made_read(struct cli_call *call, const char *path, size_t most, uint8_t **data,
                  size_t *length);
/* Reads certificates or a key from a file; what was read of it is wiped, since it may be a private
 * key. The caller releases *out by dane_material_free. BASE_EREFUSED after a finding, BASE_ENOMEM
 */
int cli_made_material(struct cli_call *call, const char *path, struct dane_material *out);
/* Adds the finding that a file is not what it must be. BASE_EREFUSED. */
int cli_made_bad(struct cli_call *call, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Output begins, and ends. */
void cli_made_begin(struct cli_made *made, struct cli_call *call);
void cli_made_end(struct cli_made *made);
/* A record; `owner` NULL: only its data. BASE_ENOMEM */
int cli_made_add(struct cli_made *made, const uint8_t *owner, uint16_t type, const uint8_t *rdata,
                 size_t length);
/* A name from `format`, completed with the root. NULL after a message about `what`. */
const uint8_t *cli_made_name(struct cli_call *call, const char *what, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
