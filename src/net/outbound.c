/* Connections to other servers: see outbound.h. */
#include "net/outbound.h"

#include "base/error.h"
#include "base/reader.h"
#include "net/connection.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct net_outbound {
    int fd;
    struct net_tls_session *tls;
    bool open; /* the TCP connection is there */
    bool ended, failed, tls_failed;
    bool read_wants_out, write_wants_in; /* TLS in the middle of something */
    uint8_t *output;                     /* of a message not yet sent */
    size_t output_length, output_sent;
    size_t capacity, length, taken; /* of the input; taken: given out by next */
    char why[NET_OUTBOUND_WHY];
    uint8_t input[];
};

static enum net_outbound_state fail(struct net_outbound *outbound, const char *what, int number)
{
    if (!outbound->failed)
        snprintf(outbound->why, sizeof(outbound->why), "%s: %s", what, strerror(number));
    outbound->failed = true;
    return NET_OUTBOUND_FAILED;
}

static int open_socket(const union net_address *address, int *out)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return BASE_EIO;
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, &address->any, net_address_length(address)) != 0 && errno != EINPROGRESS) {
        int reason = errno;
        close(fd);
        errno = reason;
        return BASE_EIO;
    }
    *out = fd;
    return BASE_OK;
}

int net_outbound_new(const struct net_outbound_options *options, char why[NET_OUTBOUND_WHY],
                     struct net_outbound **out)
{
    size_t capacity =
        options->input > NET_OUTBOUND_INPUT_MIN ? options->input : NET_OUTBOUND_INPUT_MIN;
    struct net_outbound *outbound = malloc(sizeof(*outbound) + capacity);
    if (outbound == NULL) {
        snprintf(why, NET_OUTBOUND_WHY, "no memory for a connection");
        return BASE_ENOMEM;
    }
    *outbound = (struct net_outbound){.fd = -1, .capacity = capacity};
    int error = open_socket(options->address, &outbound->fd);
    if (error != BASE_OK)
        snprintf(why, NET_OUTBOUND_WHY, "connecting: %s", strerror(errno));
    else if (options->tls != NULL)
        error = net_tls_client_session(options->tls, outbound->fd, options->tls_name,
                                       options->tls_ca, why, &outbound->tls);
    if (error != BASE_OK) {
        net_outbound_free(outbound);
        return error;
    }
    *out = outbound;
    return BASE_OK;
}

void net_outbound_free(struct net_outbound *outbound)
{
    if (outbound == NULL)
        return;
    net_tls_session_free(outbound->tls);
    if (outbound->fd >= 0)
        close(outbound->fd);
    free(outbound->output);
    free(outbound);
}

int net_outbound_fd(const struct net_outbound *outbound)
{
    return outbound->fd;
}

short net_outbound_events(const struct net_outbound *outbound)
{
    if (!outbound->open)
        return POLLOUT;
    short events = POLLIN;
    bool unsent = outbound->output != NULL && !outbound->write_wants_in;
    if (unsent || outbound->read_wants_out)
        events |= POLLOUT;
    return events;
}

int net_outbound_send(struct net_outbound *outbound, const uint8_t *message, size_t length)
{
    if (length > UINT16_MAX || outbound->output != NULL)
        return BASE_ELIMIT;
    uint8_t *output = malloc(2 + length);
    if (output == NULL)
        return BASE_ENOMEM;
    base_store_u16(output, (uint16_t)length);
    memcpy(output + 2, message, length);
    outbound->output = output;
    outbound->output_length = 2 + length;
    outbound->output_sent = 0;
    return BASE_OK;
}

/* Asks the socket how connecting went. */
static bool finish_connecting(struct net_outbound *outbound)
{
    struct pollfd state = {.fd = outbound->fd, .events = POLLOUT};
    if (poll(&state, 1, 0) <= 0)
        return false;
    int number = 0;
    socklen_t size = sizeof(number);
    if (getsockopt(outbound->fd, SOL_SOCKET, SO_ERROR, &number, &size) != 0)
        number = errno;
    if (number != 0) {
        fail(outbound, "connecting", number);
        return false;
    }
    outbound->open = true;
    return true;
}

/* As of struct net_transport, for TCP. */
static ssize_t result_of(ssize_t count, int *number)
{
    if (count >= 0)
        return count;
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
        return NET_IO_BLOCKED;
    *number = errno;
    return NET_IO_FAILED;
}

static void broken(struct net_outbound *outbound, const char *what, ssize_t result, int number)
{
    if (outbound->tls == NULL) {
        fail(outbound, what, number);
        return;
    }
    outbound->failed = true;
    outbound->tls_failed = true;
    snprintf(outbound->why, sizeof(outbound->why), "%s: %s",
             result == NET_IO_REFUSED ? "the TLS handshake failed" : "TLS failed",
             net_tls_why(outbound->tls));
}

static void send_some(struct net_outbound *outbound)
{
    while (outbound->output != NULL && !outbound->failed) {
        const uint8_t *data = outbound->output + outbound->output_sent;
        size_t length = outbound->output_length - outbound->output_sent;
        int number = 0;
        ssize_t count = outbound->tls != NULL
                            ? net_tls_write(outbound->tls, data, length)
                            : result_of(send(outbound->fd, data, length, MSG_NOSIGNAL), &number);
        outbound->write_wants_in = count == NET_IO_CROSSED;
        if (count == NET_IO_BLOCKED || count == NET_IO_CROSSED)
            return;
        if (count <= 0) {
            broken(outbound, "sending", count, number);
            return;
        }
        outbound->output_sent += (size_t)count;
        if (outbound->output_sent == outbound->output_length) {
            free(outbound->output);
            outbound->output = NULL;
        }
    }
}

static bool have_message(const struct net_outbound *outbound)
{
    size_t have = outbound->length - outbound->taken;
    return have >= 2 && have - 2 >= base_load_u16(outbound->input + outbound->taken);
}

/* One read into the room behind what is there. */
static void receive_some(struct net_outbound *outbound)
{
    if (outbound->taken > 0) {
        outbound->length -= outbound->taken;
        memmove(outbound->input, outbound->input + outbound->taken, outbound->length);
        outbound->taken = 0;
    }
    uint8_t *room = outbound->input + outbound->length;
    size_t size = outbound->capacity - outbound->length;
    int number = 0;
    ssize_t count = outbound->tls != NULL ? net_tls_read(outbound->tls, room, size)
                                          : result_of(recv(outbound->fd, room, size, 0), &number);
    outbound->read_wants_out = count == NET_IO_CROSSED;
    if (count > 0)
        outbound->length += (size_t)count;
    else if (count == NET_IO_END)
        outbound->ended = true;
    else if (count != NET_IO_BLOCKED && count != NET_IO_CROSSED)
        broken(outbound, "receiving", count, number);
}

enum net_outbound_state net_outbound_step(struct net_outbound *outbound)
{
    if (outbound->failed)
        return NET_OUTBOUND_FAILED;
    if (!outbound->open && !finish_connecting(outbound))
        return outbound->failed ? NET_OUTBOUND_FAILED : NET_OUTBOUND_WAITING;
    send_some(outbound);
    if (have_message(outbound))
        return NET_OUTBOUND_MESSAGE;
    for (;;) {
        size_t before = outbound->length - outbound->taken;
        if (!outbound->failed && !outbound->ended)
            receive_some(outbound);
        if (have_message(outbound))
            return NET_OUTBOUND_MESSAGE;
        if (outbound->failed)
            return NET_OUTBOUND_FAILED;
        if (outbound->ended)
            return NET_OUTBOUND_ENDED;
        /* TLS gives a record at a time, and may hold more of them than the socket shows. */
        if (outbound->length == before || outbound->tls == NULL)
            return NET_OUTBOUND_WAITING;
    }
}

uint8_t *net_outbound_next(struct net_outbound *outbound, size_t *length)
{
    if (!have_message(outbound))
        return NULL;
    uint8_t *message = outbound->input + outbound->taken;
    *length = base_load_u16(message);
    outbound->taken += 2 + *length;
    return message + 2;
}

bool net_outbound_connected(const struct net_outbound *outbound)
{
    return outbound->open && (outbound->tls == NULL || net_tls_ready(outbound->tls));
}

bool net_outbound_tls_failed(const struct net_outbound *outbound)
{
    return outbound->tls_failed;
}

const char *net_outbound_why(const struct net_outbound *outbound)
{
    return outbound->why;
}
