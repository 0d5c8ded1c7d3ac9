/*
 * From the parts of an HTTP request to an operation with typed parts. Knows no sockets and no
 * library of HTTP, so that it can be tested and fuzzed by itself.
 */
#ifndef API_REQUEST_H
#define API_REQUEST_H

#include "api/api.h"
#include "base/arena.h"

/* Where the request has come in. */
enum api_door { API_DOOR_SOCKET, API_DOOR_METRICS };

struct api_input {
    enum api_door door;
    const char *method; /* "GET" */
    const char *target; /* path and parameters, as they came */
    const char *host;   /* the header; NULL: there is none */
    const char *body;   /* need not end with NUL */
    size_t length;
};

/* Reads a request into *out, whose texts live in `arena`; `reply` stays as it is. HEAD is read as
 * GET. Returns the HTTP status: 200, or that of an error, about which there are findings then. For
 * 405, *allow becomes the methods that there are ("GET, POST"; static). */
unsigned api_request_read(const struct api_input *input, struct base_arena *arena,
                          struct base_findings *findings, struct api_request *out,
                          const char **allow);

/* Splits the text of a record's data into tokens, as a zone file does: quotes, escapes, parentheses
 * that join lines, comments. *tokens live in the arena and point into the text. BASE_EFORMAT: a
 * quote or parenthesis that has no end; BASE_ENOMEM. */
struct dns_token;
int api_tokens(const char *text, size_t length, struct base_arena *arena, struct dns_token **tokens,
               size_t *count);

#endif
