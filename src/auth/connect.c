/*
 * One connection to an endpoint: TCP, the preamble, the handshake, the verdict. TLS is OpenSSL's;
 * it judges nothing here, verify.c does.
 */
#include "auth/authenticate.h"

#include "base/clock.h"
#include "base/error.h"
#include "dane/preamble.h"
#include "net/address.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_MS 15000
/* Addresses of one endpoint that may let us wait: with thirty of them it would take minutes. */
#define STALLS_MAX 3

struct link {
    const struct dane_endpoint *endpoint;
    const struct auth_connect_options *options;
    struct auth_attempt *out;
    uint64_t deadline; /* ns */
    int fd;
    bool timed_out;
};

static void say(struct link *link, const char *tlsrpt, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void say(struct link *link, const char *tlsrpt, const char *format, ...)
{
    struct dane_verdict *verdict = &link->out->verdict;
    *verdict = (struct dane_verdict){.result = DANE_REFUSED, .tlsa = SIZE_MAX};
    snprintf(verdict->tlsrpt, sizeof verdict->tlsrpt, "%s", tlsrpt);
    va_list args;
    va_start(args, format);
    vsnprintf(verdict->reason, sizeof verdict->reason, format, args);
    va_end(args);
}

/* Waits for the socket. False: the time is over. */
static bool wait_for(struct link *link, short events)
{
    uint64_t now = base_clock_monotonic();
    if (now >= link->deadline) {
        link->timed_out = true;
        return false;
    }
    struct pollfd wait = {.fd = link->fd, .events = events};
    int ready = poll(&wait, 1, (int)((link->deadline - now) / 1000000 + 1));
    if (ready < 0 && errno == EINTR)
        return true;
    link->timed_out = ready == 0;
    return ready > 0;
}

static bool connect_to(struct link *link, const union net_address *address)
{
    net_address_text(address, link->out->address);
    link->fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (link->fd < 0) {
        say(link, "", "no socket: %s", strerror(errno));
        return false;
    }
    int error = 0;
    if (connect(link->fd, &address->any, net_address_length(address)) != 0) {
        error = errno;
        if (error == EINPROGRESS) {
            socklen_t size = sizeof error;
            if (!wait_for(link, POLLOUT))
                error = ETIMEDOUT;
            else if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
                error = errno;
        }
    }
    if (error != 0)
        say(link, "", "%s cannot be reached: %s", link->out->address, strerror(error));
    link->out->connected = error == 0;
    return error == 0;
}

/* --- before TLS --- */

static bool send_all(struct link *link, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(link->fd, data, length, MSG_NOSIGNAL);
        if (sent > 0) {
            data += sent;
            length -= (size_t)sent;
        } else if ((errno != EAGAIN && errno != EINTR) || !wait_for(link, POLLOUT)) {
            return false;
        }
    }
    return true;
}

static void refuse_broken(struct link *link)
{
    if (link->timed_out)
        say(link, "", "the server does not answer in time");
    else
        say(link, "", "the server closes the connection before TLS");
}

/* Leads to TLS. False: said why. */
static bool run_preamble(struct link *link, struct dane_preamble *preamble)
{
    char data[4096];
    size_t length;
    enum dane_preamble_state state = dane_preamble_input(preamble, "", 0);
    for (;;) {
        const char *output = dane_preamble_output(preamble, &length);
        if (output && !send_all(link, output, length)) {
            refuse_broken(link);
            return false;
        }
        if (state != DANE_PREAMBLE_WAIT)
            break;
        ssize_t got = recv(link->fd, data, sizeof data, 0);
        if (got > 0) {
            state = dane_preamble_input(preamble, data, (size_t)got);
        } else if (got == 0 || (errno != EAGAIN && errno != EINTR) || !wait_for(link, POLLIN)) {
            refuse_broken(link);
            return false;
        }
    }
    if (state == DANE_PREAMBLE_FAILED)
        say(link, "", "%s", dane_preamble_why(preamble));
    return state != DANE_PREAMBLE_FAILED;
}

static bool reach_tls(struct link *link)
{
    struct dane_preamble *preamble;
    if (dane_preamble_new(link->endpoint->start, link->endpoint->domain, link->options->from,
                          &preamble) != BASE_OK) {
        say(link, "", "there is no memory");
        return false;
    }
    bool good = run_preamble(link, preamble);
    link->out->started_tls = good && dane_preamble_input(preamble, "", 0) == DANE_PREAMBLE_TLS;
    dane_preamble_free(preamble);
    return good;
}

/* --- TLS --- */

static int keep_chain(struct auth_attempt *out, SSL *ssl)
{
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);
    int count = chain ? sk_X509_num(chain) : 0;
    if (count > DANE_CHAIN_MAX)
        count = DANE_CHAIN_MAX;
    out->chain = calloc(count > 0 ? (size_t)count : 1, sizeof *out->chain);
    if (!out->chain)
        return BASE_ENOMEM;
    for (int i = 0; i < count; i++) {
        unsigned char *der = NULL;
        int length = i2d_X509(sk_X509_value(chain, i), &der);
        uint8_t *copy = length > 0 ? malloc((size_t)length) : NULL;
        if (copy)
            memcpy(copy, der, (size_t)length);
        OPENSSL_free(der);
        if (!copy)
            return BASE_ENOMEM;
        out->chain[out->chain_count++] = (struct dane_der){copy, (size_t)length};
    }
    return BASE_OK;
}

/* Why there is no session. */
static const char *failure(void)
{
    unsigned long error = ERR_peek_error();
    switch (ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0) {
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
        return "the server has no TLS 1.2 or better, which RFC 9325 demands";
    case SSL_R_WRONG_VERSION_NUMBER:
        return "what the server sends is no TLS";
    default:
        break;
    }
    const char *why = ERR_reason_error_string(error);
    return why ? why : "the server closes the connection";
}

static bool handshake(struct link *link, SSL *ssl)
{
    for (;;) {
        ERR_clear_error();
        int status = SSL_connect(ssl);
        if (status == 1)
            return true;
        int error = SSL_get_error(ssl, status);
        short events = 0;
        if (error == SSL_ERROR_WANT_READ)
            events = POLLIN;
        else if (error == SSL_ERROR_WANT_WRITE)
            events = POLLOUT;
        if (events && wait_for(link, events))
            continue;
        if (link->timed_out)
            say(link, "", "the server does not finish the TLS handshake in time");
        else
            say(link, "validation-failure", "the TLS handshake fails: %s", failure());
        return false;
    }
}

/* --- strength (RFC 9325 sections 4.1, 4.2 and 4.5): 112 bits of security, and forward secrecy ---
 */

#define SECURITY_BITS 112

static void add_weakness(struct auth_attempt *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add_weakness(struct auth_attempt *out, const char *format, ...)
{
    size_t used = strlen(out->weak);
    va_list args;
    if (used > 0)
        used += (size_t)snprintf(out->weak + used, sizeof out->weak - used, ", ");
    va_start(args, format);
    vsnprintf(out->weak + used, sizeof out->weak - used, format, args);
    va_end(args);
}

static void weigh(struct auth_attempt *out, SSL *ssl)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
    X509 *leaf = SSL_get0_peer_certificate(ssl);
    EVP_PKEY *key = leaf ? X509_get0_pubkey(leaf) : NULL, *exchanged = NULL;
    if (key && EVP_PKEY_get_security_bits(key) < SECURITY_BITS)
        add_weakness(out, "the server's key is %s of %d bits", EVP_PKEY_get0_type_name(key),
                     EVP_PKEY_get_bits(key));
    if (SSL_CIPHER_get_kx_nid(cipher) == NID_kx_rsa)
        add_weakness(out, "the session keys are not forward secret (RSA key transport)");
    if (SSL_get_peer_tmp_key(ssl, &exchanged) == 1 &&
        EVP_PKEY_get_security_bits(exchanged) < SECURITY_BITS)
        add_weakness(out, "the key exchange has %s of %d bits", EVP_PKEY_get0_type_name(exchanged),
                     EVP_PKEY_get_bits(exchanged));
    if (SSL_CIPHER_get_bits(cipher, NULL) < SECURITY_BITS)
        add_weakness(out, "the cipher has %d bits", SSL_CIPHER_get_bits(cipher, NULL));
    EVP_PKEY_free(exchanged);
}

/* RFC 9325: TLS 1.2 or better. */
static SSL *new_session(const struct dane_endpoint *endpoint, SSL_CTX *context, int fd)
{
    SSL *ssl = SSL_new(context);
    if (!ssl || !SSL_set_fd(ssl, fd)) {
        SSL_free(ssl);
        return NULL;
    }
    const struct dane_service_info *info = dane_service_info(endpoint->service);
    if (endpoint->sni)
        SSL_set_tlsext_host_name(ssl, endpoint->sni);
    if (info->alpn && endpoint->start == DANE_START_TLS_AT_ONCE) {
        unsigned char wire[64];
        size_t length = strlen(info->alpn);
        wire[0] = (unsigned char)length;
        memcpy(wire + 1, info->alpn, length);
        SSL_set_alpn_protos(ssl, wire, (unsigned)length + 1);
    }
    return ssl;
}

static bool run_tls(struct link *link)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = NULL;
    bool good = false;
    if (context && SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION)) {
        SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
        /* What is weak is told, not refused: that would leave people to guess why. */
        SSL_CTX_set_security_level(context, 1);
        ssl = new_session(link->endpoint, context, link->fd);
    }
    if (!ssl) {
        say(link, "", "OpenSSL cannot make a session");
    } else if (handshake(link, ssl)) {
        snprintf(link->out->protocol, sizeof link->out->protocol, "%s", SSL_get_version(ssl));
        snprintf(link->out->cipher, sizeof link->out->cipher, "%s", SSL_get_cipher_name(ssl));
        weigh(link->out, ssl);
        good = keep_chain(link->out, ssl) == BASE_OK;
        if (!good)
            say(link, "", "there is no memory");
        SSL_shutdown(ssl);
    }
    SSL_free(ssl);
    SSL_CTX_free(context);
    ERR_clear_error();
    return good;
}

static void judge(struct link *link)
{
    struct auth_attempt *out = link->out;
    struct dane_peer peer = {
        .chain = out->chain, .count = out->chain_count, .tls = out->protocol[0] != '\0'};
    struct dane_verify_options options = {.now = link->options->now,
                                          .ca_file = link->options->ca_file};
    dane_verify(link->endpoint, &peer, &options, &out->verdict);
}

/* True when there is nothing better to be had from another address. */
static bool try_address(struct link *link, const union net_address *address)
{
    unsigned timeout = link->options->timeout_ms ? link->options->timeout_ms : DEFAULT_MS;
    link->deadline = base_clock_monotonic() + (uint64_t)timeout * 1000000;
    link->timed_out = false;
    auth_attempt_free(link->out);
    if (connect_to(link, address) && reach_tls(link) && (!link->out->started_tls || run_tls(link)))
        judge(link);
    if (link->fd >= 0)
        close(link->fd);
    link->fd = -1;
    return link->out->verdict.result == DANE_AUTHENTICATED ||
           link->out->verdict.result == DANE_ENCRYPTED || link->out->verdict.result == DANE_PLAIN;
}

static void to_socket_address(const struct dane_address *from, uint16_t port,
                              union net_address *out)
{
    memset(out, 0, sizeof *out);
    if (from->family == 4) {
        out->v4.sin_family = AF_INET;
        memcpy(&out->v4.sin_addr, from->octets, 4);
    } else {
        out->v6.sin6_family = AF_INET6;
        memcpy(&out->v6.sin6_addr, from->octets, 16);
    }
    net_address_set_port(out, port);
}

int auth_connect(const struct dane_endpoint *endpoint, const struct auth_connect_options *options,
                 struct auth_attempt *out)
{
    *out = (struct auth_attempt){.verdict.result = DANE_REFUSED};
    struct link link = {.endpoint = endpoint, .options = options, .out = out, .fd = -1};
    union net_address address;
    if (endpoint->demand == DANE_DEMAND_SKIP) {
        say(&link, "", "%s", endpoint->reason);
        return BASE_OK;
    }
    if (options->address) {
        if (net_address_parse(options->address, endpoint->port, &address) != BASE_OK)
            return BASE_EFORMAT;
        try_address(&link, &address);
        return BASE_OK;
    }
    if (endpoint->address_count == 0)
        say(&link, "", "there is no address to connect to");
    for (size_t i = 0, stalls = 0; i < endpoint->address_count && stalls < STALLS_MAX; i++) {
        to_socket_address(&endpoint->addresses[i], endpoint->port, &address);
        if (try_address(&link, &address))
            break;
        stalls += link.timed_out;
    }
    return BASE_OK;
}

void auth_attempt_free(struct auth_attempt *attempt)
{
    for (size_t i = 0; i < attempt->chain_count; i++)
        free((void *)attempt->chain[i].data);
    free(attempt->chain);
    free(attempt->raw_public_key);
    *attempt = (struct auth_attempt){.verdict.result = DANE_REFUSED};
}
