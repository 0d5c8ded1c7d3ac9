/*
 * The terminal: colours and the progress bar.
 */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Shall there be colours on this stream? `when` is "always", "never", or anything else for: on a
 * terminal, unless NO_COLOR is set or the terminal is dumb. */
bool cli_color_wanted(const char *when, FILE *stream);

enum cli_color { CLI_PLAIN, CLI_BOLD, CLI_RED, CLI_GREEN, CLI_YELLOW, CLI_BLUE, CLI_DIM };
/* The sequence that switches to a colour; "" when `wanted` is false. */
const char *cli_color(bool wanted, enum cli_color color);

/* Columns of the terminal on this stream; 80 when unknown, never under 40 nor over 120. */
size_t cli_width(FILE *stream);

/* A progress bar on standard error: appears when the work takes over a second, on a terminal
 * only. */
struct cli_progress {
    const char *what; /* "reading" */
    bool wanted;
    uint64_t started;
    atomic_uint_least64_t drawn; /* when last; 0: never */
};
void cli_progress_start(struct cli_progress *progress, bool wanted, const char *what);
/* The callback of the other folders: `context` is the struct. May come from any thread. */
void cli_progress_show(void *context, size_t done, size_t all);
/* Takes it off the screen. */
void cli_progress_end(struct cli_progress *progress);

/* Writes out what a stream still holds. NULL: all that was ever written to it went out; otherwise
 * the reason why something was lost. */
const char *cli_stream_end(FILE *stream);

#endif
