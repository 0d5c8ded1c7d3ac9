/*
 * OpenSSL behind the transport of connections.
 */
#include "net/tls.h"

#include "base/error.h"
#include "net/connection.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct net_tls {
    pthread_mutex_t lock;
    SSL_CTX *context;
};

struct net_tls_session {
    SSL *ssl;
    bool refused;
    bool identity_read;
    bool client;
    bool demands_dot;
    char identity[256];
    char why[256];
};

/* The reason of the newest error in words; `what` is what was tried. */
static int explain(int error, const char *what, const char *file, char why[256])
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
    snprintf(why, 256, "%s %s: %s", what, file, reason ? reason : "no reason given");
    ERR_clear_error();
    return error;
}

/* Chooses "dot" when the client offers protocols (RFC 7858 has it in the registry of RFC 7301); a
 * client that offers only others is refused, so that nobody is made to speak another protocol. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *length,
                           const unsigned char *offered, unsigned offered_length, void *unused)
{
    for (unsigned at = 0; at < offered_length; at += 1U + offered[at]) {
        if (offered[at] == 3 && at + 3 < offered_length &&
            memcmp(offered + at + 1, "dot", 3) == 0) {
            *out = offered + at + 1;
            *length = 3;
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int accept_any(int good, X509_STORE_CTX *store)
{
    /* What did not verify gives no identity (SSL_get_verify_result); it is no reason to leave. */
    return 1;
}

static int context_new(const struct net_tls_options *options, char why[256], SSL_CTX **out)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context == NULL)
        return explain(BASE_ENOMEM, "starting", "TLS", why);
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    /* Renegotiation and compression are attacks more than features (RFC 9325 section 3). */
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20");
    /* Sessions resume by tickets; a cache would be memory that clients fill. */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(context, (const unsigned char *)"kenter", 6);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    int error = BASE_OK;
    if (SSL_CTX_use_certificate_chain_file(context, options->certificate) != 1)
        error = explain(BASE_EFORMAT, "reading the certificate", options->certificate, why);
    else if (SSL_CTX_use_PrivateKey_file(context, options->key, SSL_FILETYPE_PEM) != 1)
        error = explain(BASE_EFORMAT, "reading the key", options->key, why);
    else if (SSL_CTX_check_private_key(context) != 1)
        error = explain(BASE_EMISMATCH, "comparing the certificate with", options->key, why);
    else if (options->client_ca != NULL &&
             SSL_CTX_load_verify_locations(context, options->client_ca, NULL) != 1)
        error = explain(BASE_EFORMAT, "reading", options->client_ca, why);
    if (error != BASE_OK) {
        SSL_CTX_free(context);
        return error;
    }
    if (options->client_ca != NULL)
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, accept_any);
    *out = context;
    return BASE_OK;
}

int net_tls_new(const struct net_tls_options *options, char why[256], struct net_tls **out)
{
    struct net_tls *tls = calloc(1, sizeof(*tls));
    if (tls == NULL)
        return explain(BASE_ENOMEM, "starting", "TLS", why);
    int error = context_new(options, why, &tls->context);
    if (error != BASE_OK) {
        free(tls);
        return error;
    }
    pthread_mutex_init(&tls->lock, NULL);
    *out = tls;
    return BASE_OK;
}

int net_tls_reload(struct net_tls *tls, const struct net_tls_options *options, char why[256])
{
    SSL_CTX *context;
    int error = context_new(options, why, &context);
    if (error != BASE_OK)
        return error;
    pthread_mutex_lock(&tls->lock);
    SSL_CTX *old = tls->context;
    tls->context = context;
    pthread_mutex_unlock(&tls->lock);
    SSL_CTX_free(old); /* sessions hold it as long as they live */
    return BASE_OK;
}

void net_tls_free(struct net_tls *tls)
{
    if (tls == NULL)
        return;
    SSL_CTX_free(tls->context);
    pthread_mutex_destroy(&tls->lock);
    free(tls);
}

int net_tls_session_new(struct net_tls *tls, int fd, struct net_tls_session **out)
{
    if (tls == NULL)
        return BASE_EINVAL;
    struct net_tls_session *session = calloc(1, sizeof(*session));
    if (session == NULL)
        return BASE_ENOMEM;
    pthread_mutex_lock(&tls->lock);
    session->ssl = SSL_new(tls->context);
    pthread_mutex_unlock(&tls->lock);
    if (session->ssl == NULL || SSL_set_fd(session->ssl, fd) != 1) {
        ERR_clear_error();
        SSL_free(session->ssl);
        free(session);
        return BASE_ENOMEM;
    }
    SSL_set_accept_state(session->ssl);
    *out = session;
    return BASE_OK;
}

void net_tls_session_free(struct net_tls_session *session)
{
    if (session == NULL)
        return;
    if (!session->refused && SSL_is_init_finished(session->ssl))
        SSL_shutdown(session->ssl);
    ERR_clear_error();
    SSL_free(session->ssl);
    free(session);
}

/* Keeps the reason of a failure in words: what did not verify says more than the alert. */
static void keep_reason(struct net_tls_session *session)
{
    long verified = SSL_get_verify_result(session->ssl);
    unsigned long code = ERR_peek_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
    if (session->client && verified != X509_V_OK && SSL_get_verify_mode(session->ssl) != 0)
        reason = X509_verify_cert_error_string(verified);
    snprintf(session->why, sizeof(session->why), "%s",
             reason ? reason : "the connection was cut without a reason");
}

/* What a call that moved nothing means; `usual` is the direction it would wait for. */
static ssize_t outcome(struct net_tls_session *session, int result, int usual)
{
    bool before = !SSL_is_init_finished(session->ssl);
    switch (SSL_get_error(session->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return usual == SSL_ERROR_WANT_READ ? NET_IO_BLOCKED : NET_IO_CROSSED;
    case SSL_ERROR_WANT_WRITE:
        return usual == SSL_ERROR_WANT_WRITE ? NET_IO_BLOCKED : NET_IO_CROSSED;
    case SSL_ERROR_ZERO_RETURN:
        return NET_IO_END;
    default:
        /* After these nothing may be called on the session, not even shutdown. */
        session->refused = true;
        keep_reason(session);
        ERR_clear_error();
        return before ? NET_IO_REFUSED : NET_IO_FAILED;
    }
}

/* RFC 9103 section 7.1: a server must have chosen "dot". */
static bool speaks_dns(struct net_tls_session *session)
{
    const unsigned char *protocol;
    unsigned length;
    if (!session->demands_dot || !SSL_is_init_finished(session->ssl))
        return true;
    SSL_get0_alpn_selected(session->ssl, &protocol, &length);
    if (length == 3 && memcmp(protocol, "dot", 3) == 0)
        return true;
    snprintf(session->why, sizeof(session->why),
             "the server did not agree to speak DNS (ALPN \"dot\") on this port");
    session->refused = true;
    ERR_clear_error();
    return false;
}

ssize_t net_tls_read(struct net_tls_session *session, uint8_t *data, size_t length)
{
    if (session->refused)
        return NET_IO_FAILED;
    ERR_clear_error();
    int result = SSL_read(session->ssl, data, length > INT32_MAX ? INT32_MAX : (int)length);
    if (!speaks_dns(session))
        return NET_IO_REFUSED;
    return result > 0 ? result : outcome(session, result, SSL_ERROR_WANT_READ);
}

ssize_t net_tls_write(struct net_tls_session *session, const uint8_t *data, size_t length)
{
    if (session->refused)
        return NET_IO_FAILED;
    ERR_clear_error();
    if (session->client && !SSL_is_init_finished(session->ssl)) {
        /* Nothing is said to a server that has not agreed to the protocol. */
        int done = SSL_do_handshake(session->ssl);
        if (done != 1)
            return outcome(session, done, SSL_ERROR_WANT_WRITE);
        if (!speaks_dns(session))
            return NET_IO_REFUSED;
    }
    int result = SSL_write(session->ssl, data, length > INT32_MAX ? INT32_MAX : (int)length);
    return result > 0 ? result : outcome(session, result, SSL_ERROR_WANT_WRITE);
}

bool net_tls_buffered(struct net_tls_session *session)
{
    return !session->refused && SSL_has_pending(session->ssl);
}

bool net_tls_ready(const struct net_tls_session *session)
{
    return !session->refused && SSL_is_init_finished(session->ssl);
}

const char *net_tls_why(const struct net_tls_session *session)
{
    return session->why;
}

/* The first DNS name of a certificate, without octets that would end the text early. */
static void read_identity(struct net_tls_session *session, X509 *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_DNS)
            continue;
        const unsigned char *text = ASN1_STRING_get0_data(name->d.dNSName);
        size_t length = (size_t)ASN1_STRING_length(name->d.dNSName);
        if (length == 0 || length >= sizeof(session->identity) || memchr(text, 0, length) != NULL)
            continue;
        memcpy(session->identity, text, length);
        session->identity[length] = '\0';
        break;
    }
    GENERAL_NAMES_free(names);
}

bool net_tls_is_13(const struct net_tls_session *session)
{
    return SSL_version(session->ssl) >= TLS1_3_VERSION;
}

const char *net_tls_identity(struct net_tls_session *session)
{
    if (!session->identity_read && SSL_is_init_finished(session->ssl)) {
        session->identity_read = true;
        X509 *certificate = SSL_get1_peer_certificate(session->ssl);
        if (certificate != NULL && SSL_get_verify_result(session->ssl) == X509_V_OK)
            read_identity(session, certificate);
        X509_free(certificate);
        ERR_clear_error();
    }
    return session->identity[0] != '\0' ? session->identity : NULL;
}

/* --- the client's side --- */

/* What was read of one file of certificates. */
struct trust {
    struct trust *next;
    SSL_CTX *context;
    struct timespec modified; /* of the file */
    ino_t inode;
    char path[]; /* "": what the system trusts */
};

/* Files kept at most: there are few, but who configures them may make many. */
#define TRUST_MAX 64

struct net_tls_client {
    pthread_mutex_t lock;
    enum net_tls_purpose purpose;
    SSL_CTX *anybody;
    struct trust *trusts;
};

static SSL_CTX *client_context(enum net_tls_purpose purpose)
{
    static const unsigned char protocols[] = {3, 'd', 'o', 't'};
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context == NULL)
        return NULL;
    SSL_CTX_set_min_proto_version(context,
                                  purpose == NET_TLS_QUERY ? TLS1_2_VERSION : TLS1_3_VERSION);
    SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20");
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (SSL_CTX_set_alpn_protos(context, protocols, sizeof(protocols)) != 0) {
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}

int net_tls_client_new(enum net_tls_purpose purpose, struct net_tls_client **out)
{
    struct net_tls_client *client = calloc(1, sizeof(*client));
    if (client == NULL)
        return BASE_ENOMEM;
    client->purpose = purpose;
    client->anybody = client_context(purpose);
    if (client->anybody == NULL) {
        ERR_clear_error();
        free(client);
        return BASE_ENOMEM;
    }
    pthread_mutex_init(&client->lock, NULL);
    *out = client;
    return BASE_OK;
}

static void trust_free(struct trust *trust)
{
    SSL_CTX_free(trust->context);
    free(trust);
}

void net_tls_client_free(struct net_tls_client *client)
{
    if (client == NULL)
        return;
    for (struct trust *trust = client->trusts, *next; trust != NULL; trust = next) {
        next = trust->next;
        trust_free(trust);
    }
    SSL_CTX_free(client->anybody);
    pthread_mutex_destroy(&client->lock);
    free(client);
}

static int trust_new(enum net_tls_purpose purpose, const char *path, const struct stat *status,
                     char why[256], struct trust **out)
{
    struct trust *trust = calloc(1, sizeof(*trust) + strlen(path) + 1);
    SSL_CTX *context = trust == NULL ? NULL : client_context(purpose);
    if (context == NULL) {
        free(trust);
        return explain(BASE_ENOMEM, "starting", "TLS", why);
    }
    trust->context = context;
    trust->modified = status->st_mtim;
    trust->inode = status->st_ino;
    memcpy(trust->path, path, strlen(path) + 1);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    int read = path[0] == '\0' ? SSL_CTX_set_default_verify_paths(context)
                               : SSL_CTX_load_verify_locations(context, path, NULL);
    if (read != 1) {
        trust_free(trust);
        return explain(BASE_EFORMAT, "reading the certificates of",
                       path[0] == '\0' ? "the system" : path, why);
    }
    *out = trust;
    return BASE_OK;
}

static bool trust_fits(const struct trust *trust, const char *path, const struct stat *status)
{
    return strcmp(trust->path, path) == 0 && trust->inode == status->st_ino &&
           trust->modified.tv_sec == status->st_mtim.tv_sec &&
           trust->modified.tv_nsec == status->st_mtim.tv_nsec;
}

/* Drops what was read of an older state of the file, and the oldest when there are too many. */
static void drop_old(struct net_tls_client *client, const char *path)
{
    unsigned count = 0;
    for (struct trust **link = &client->trusts; *link != NULL;) {
        struct trust *trust = *link;
        if (strcmp(trust->path, path) == 0 || ++count >= TRUST_MAX) {
            *link = trust->next;
            trust_free(trust); /* sessions hold the context as long as they live */
        } else {
            link = &trust->next;
        }
    }
}

/* A session that trusts the file. Called with the lock. */
static int trusting_session(struct net_tls_client *client, const char *path, char why[256],
                            SSL **out)
{
    struct stat status = {0};
    if (path[0] != '\0' && stat(path, &status) != 0) {
        snprintf(why, 256, "reading the certificates of %s: %s", path, strerror(errno));
        return BASE_EFORMAT;
    }
    struct trust *trust = client->trusts;
    while (trust != NULL && !trust_fits(trust, path, &status))
        trust = trust->next;
    if (trust == NULL) {
        int error = trust_new(client->purpose, path, &status, why, &trust);
        if (error != BASE_OK)
            return error;
        drop_old(client, path);
        trust->next = client->trusts;
        client->trusts = trust;
    }
    *out = SSL_new(trust->context);
    return BASE_OK;
}

/* Asks for the name, and has it verified when it is one that the server must prove. */
static bool expect_name(SSL *ssl, const char *name)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1)
        return true;
    char text[256];
    size_t length = strlen(name);
    if (length > 0 && name[length - 1] == '.')
        length--;
    if (length == 0 || length >= sizeof(text))
        return false;
    memcpy(text, name, length);
    text[length] = '\0';
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set_tlsext_host_name(ssl, text) == 1 && SSL_set1_host(ssl, text) == 1;
}

int net_tls_client_session(struct net_tls_client *client, int fd, const char *name, const char *ca,
                           char why[256], struct net_tls_session **out)
{
    SSL *ssl = NULL;
    int error = BASE_OK;
    ERR_clear_error();
    struct net_tls_session *session = calloc(1, sizeof(*session));
    if (session == NULL)
        return explain(BASE_ENOMEM, "starting", "TLS", why);
    pthread_mutex_lock(&client->lock);
    if (name == NULL && ca == NULL)
        ssl = SSL_new(client->anybody);
    else
        error = trusting_session(client, ca != NULL ? ca : "", why, &ssl);
    pthread_mutex_unlock(&client->lock);
    if (error == BASE_OK && (ssl == NULL || SSL_set_fd(ssl, fd) != 1))
        error = explain(BASE_ENOMEM, "starting", "TLS", why);
    if (error == BASE_OK && name != NULL && !expect_name(ssl, name))
        error = explain(BASE_EFORMAT, "expecting the name", name, why);
    ERR_clear_error();
    if (error != BASE_OK) {
        SSL_free(ssl);
        free(session);
        return error;
    }
    session->ssl = ssl;
    session->client = true;
    session->demands_dot = client->purpose == NET_TLS_TRANSFER;
    SSL_set_connect_state(ssl);
    *out = session;
    return BASE_OK;
}
