/*
 * TLS (RFC 7858, RFC 9103; versions and ciphers by RFC 9325): certificates, and sessions over
 * sockets that do not block, on the side of the server and of the client. The protocol itself is
 * OpenSSL's.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct net_tls;
struct net_tls_session;

struct net_tls_options {
    const char *certificate; /* PEM file: the certificate and its chain */
    const char *key;         /* PEM file */
    const char *client_ca;   /* PEM file: who may certify clients; NULL: clients show none. A client
                              * without a certificate is let in all the same, unnamed */
};

/* Reads the files. On failure `why` tells in words: BASE_EIO, BASE_EFORMAT, BASE_EMISMATCH (key and
 * certificate), BASE_ENOMEM. */
int net_tls_new(const struct net_tls_options *options, char why[256], struct net_tls **out);
/* Reads them anew: new connections use them. After an error the old ones stay. Any thread. */
int net_tls_reload(struct net_tls *tls, const struct net_tls_options *options, char why[256]);
/* After all servers that use it. NULL is allowed. */
void net_tls_free(struct net_tls *tls);

/* The server's side on an accepted socket, which stays the caller's. BASE_ENOMEM, BASE_EINVAL. */
int net_tls_session_new(struct net_tls *tls, int fd, struct net_tls_session **out);
/* Says goodbye as far as that is possible at once. NULL is allowed. */
void net_tls_session_free(struct net_tls_session *session);
/* As of struct net_transport. */
ssize_t net_tls_read(struct net_tls_session *session, uint8_t *data, size_t length);
ssize_t net_tls_write(struct net_tls_session *session, const uint8_t *data, size_t length);
bool net_tls_buffered(struct net_tls_session *session);
const char *net_tls_identity(struct net_tls_session *session);
/* Of version 1.3 or later? */
bool net_tls_is_13(const struct net_tls_session *session);

/* True once the handshake is done. */
bool net_tls_ready(const struct net_tls_session *session);
/* Why the session failed, in words. */
const char *net_tls_why(const struct net_tls_session *session);

/*
 * The client's side. Holds what was read of files of certificates until they change. May be used by
 * several threads at once.
 */
enum net_tls_purpose {
    NET_TLS_TRANSFER, /* RFC 9103: TLS 1.3 and the protocol "dot", nothing less */
    NET_TLS_QUERY,    /* RFC 7858: TLS 1.2 or 1.3; "dot" is offered, other answers are taken */
};
struct net_tls_client;
int net_tls_client_new(enum net_tls_purpose purpose, struct net_tls_client **out); /* BASE_ENOMEM */
/* After all its sessions. NULL is allowed. */
void net_tls_client_free(struct net_tls_client *client);
/* A session on a socket that connects, which stays the caller's. With `name` (DNS name or address)
 * or `ca` (PEM file; NULL: what the system trusts) the server must prove who it is; with neither
 * anybody is taken, and only those who merely listen are kept out. BASE_ENOMEM, BASE_EFORMAT: the
 * file. */
int net_tls_client_session(struct net_tls_client *client, int fd, const char *name, const char *ca,
                           char why[256], struct net_tls_session **out);

#endif
