/*
 * The socketmap protocol, as Postfix speaks it (socketmap_table(5)): each request and each reply is
 * one netstring. A request is "map key", a reply is a word and a text. No sockets here.
 */
#ifndef DANE_SOCKETMAP_H
#define DANE_SOCKETMAP_H

#include "base/buf.h"

/* Longest request that is read, without its length and comma: a map's name and a next hop. */
#define DANE_SOCKETMAP_REQUEST_MAX 1024
/* Longest text of a reply; Postfix takes 100 000. */
#define DANE_SOCKETMAP_REPLY_MAX 16384

struct dane_socketmap_request {
    const char *map; /* not ended by NUL, and within the octets that were read */
    size_t map_length;
    const char *key; /* any octets */
    size_t key_length;
};

enum dane_socketmap_word {
    DANE_SOCKETMAP_OK,
    DANE_SOCKETMAP_NOTFOUND,
    DANE_SOCKETMAP_TEMP, /* try again later: the text says why */
    DANE_SOCKETMAP_TIMEOUT,
    DANE_SOCKETMAP_PERM,
};
const char *dane_socketmap_word_name(enum dane_socketmap_word word); /* "OK" */

/* Reads the first request of what has come, and how many octets it took. BASE_ENOENT: it is not
 * whole yet; BASE_EFORMAT: this is no netstring, or no request; BASE_ELIMIT: it is longer than
 * requests may be. After the last two the connection is of no more use. */
int dane_socketmap_read(const uint8_t *data, size_t length, struct dane_socketmap_request *out,
                        size_t *used);
/* Appends a reply. Octets of the text that could break lines become "?"; a text that is too long is
 * cut, but for OK, where that would change its meaning and TEMP is said instead. */
void dane_socketmap_write(struct base_buf *out, enum dane_socketmap_word word, const char *text);

#endif
