/*
 * Writing JSON (RFC 8259) into a buffer, piece by piece. Reading and building of documents is
 * jansson's; this is for long outputs that are never held as a tree.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"

/* Appends a string in quotes. Octets that are not UTF-8 become U+FFFD. */
void base_json_string(struct base_buf *buf, const char *text, size_t length);
/* The same for a NUL-terminated text; NULL becomes null. */
void base_json_text(struct base_buf *buf, const char *text);

#endif
