/*
 * What kenter export has written into a directory, kept there in .kenter-export, so that only
 * changed zones are written again and only files of its own are removed.
 */
#ifndef CLI_EXPORT_STATE_H
#define CLI_EXPORT_STATE_H

#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cli_exported {
    const char *zone; /* as kenterd names it */
    uint32_t serial;
    bool written; /* false: its file may be there, of an unknown serial */
    bool seen;    /* kenterd still has the zone */
};

struct cli_export_state {
    struct base_arena arena;
    struct cli_exported *items; /* by name */
    size_t count, capacity;
};

/* Reads it; an absent file is an empty state. BASE_EIO, BASE_EFORMAT (it is something else),
 * BASE_ENOMEM, BASE_ELIMIT. */
int cli_export_load(const char *directory, struct cli_export_state *out);
void cli_export_free(struct cli_export_state *state);
/* Replaces the file. Errors of base_file_commit. */
int cli_export_save(const char *directory, const struct cli_export_state *state);

struct cli_exported *cli_export_find(struct cli_export_state *state, const char *zone);
/* Adds a zone, which must not be there; cli_export_sort must come before the next find. */
int cli_export_add(struct cli_export_state *state, const char *zone);
void cli_export_sort(struct cli_export_state *state);

#endif
