/*
 * A result shown: in a terminal, as JSON, as a graph for dot, as a picture (SVG). All show the same
 * object; docs/trace.md describes the JSON.
 */
#ifndef RESOLVE_SHOW_H
#define RESOLVE_SHOW_H

#include "base/buf.h"
#include "validate/result.h"

struct resolve_show_options {
    bool color;     /* terminal: ANSI colors */
    bool ascii;     /* terminal: no box-drawing characters */
    unsigned width; /* terminal: columns; 0: 80 */
};
/* The chain from the root to the answer, and the sentence below. */
void resolve_show_text(const struct validate_result *result,
                       const struct resolve_show_options *options, struct base_buf *out);
void resolve_show_json(const struct validate_result *result, struct base_buf *out);
void resolve_show_dot(const struct validate_result *result, struct base_buf *out);
void resolve_show_svg(const struct validate_result *result, struct base_buf *out);

#endif
