/*
 * The server on loopback: workers, addresses, stopping; and the cutting of answers over UDP.
 */
#include "base/error.h"
#include "base/reader.h"
#include "net/listeners.h"
#include "net/server.h"
#include "net/socket.h"
#include "net/udp.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct counts {
    atomic_int begun, ended, batches;
    int refuse; /* the worker whose beginning fails; -1: none */
};

static int worker_begin(void *context, struct net_worker *worker, unsigned index, void **out)
{
    struct counts *counts = context;
    if ((int)index == counts->refuse)
        return BASE_EPERM;
    atomic_fetch_add(&counts->begun, 1);
    *out = counts;
    return BASE_OK;
}

static void worker_end(void *context)
{
    atomic_fetch_add(&((struct counts *)context)->ended, 1);
}

static void batch_begin(void *context)
{
    atomic_fetch_add(&((struct counts *)context)->batches, 1);
}

static void batch_end(void *context)
{
    atomic_fetch_sub(&((struct counts *)context)->batches, 1);
}

static int respond(void *context, const struct net_client *client, const uint8_t *query,
                   size_t length, uint8_t *out, size_t capacity, struct net_answer *answer)
{
    assert_true(length <= capacity);
    assert_true(client->now > 1000000000 && client->worker != NULL);
    memcpy(out, query, length);
    out[2] |= 0x80;
    answer->length = length;
    return NET_ANSWER;
}

static struct net_options options_for(struct counts *counts, unsigned workers)
{
    struct net_options options = NET_OPTIONS_DEFAULT;
    options.workers = workers;
    options.drain_ms = 200;
    options.handler = (struct net_handler){.worker_begin = worker_begin,
                                           .worker_end = worker_end,
                                           .batch_begin = batch_begin,
                                           .batch_end = batch_end,
                                           .respond = respond,
                                           .context = counts};
    return options;
}

static struct net_endpoint endpoint(const char *text)
{
    struct net_endpoint endpoint = {.protocols = NET_LISTEN_UDP | NET_LISTEN_TCP};
    assert_int_equal(net_address_parse(text, 0, &endpoint.address), BASE_OK);
    return endpoint;
}

static int connected(int type, const union net_address *address)
{
    int fd = socket(address->any.sa_family, type | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, &address->any, net_address_length(address)), 0);
    return fd;
}

/* Asks once, over UDP or TCP, and sees that the answer is the query with QR set. */
static void ask(int fd, bool tcp, uint8_t id)
{
    uint8_t query[40] = {0}, answer[64];
    size_t frame = tcp ? 2 : 0;
    query[1] = 38;
    query[frame] = id;
    assert_int_equal(send(fd, query, 38 + frame, MSG_NOSIGNAL), 38 + frame);
    size_t got = 0;
    while (got < 38 + frame) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&wait, 1, 5000), 1);
        ssize_t count = recv(fd, answer + got, sizeof(answer) - got, 0);
        assert_true(count > 0);
        got += (size_t)count;
    }
    assert_int_equal(got, 38 + frame);
    assert_int_equal(answer[frame], id);
    assert_int_equal(answer[frame + 2] & 0x80, 0x80);
}

static void test_serve_and_stop(void **state)
{
    struct counts counts = {.refuse = -1};
    struct net_options options = options_for(&counts, 2);
    struct net_server *server;
    struct net_endpoint ends[2] = {endpoint("127.0.0.1@0"), endpoint("0.0.0.0@0")};
    assert_int_equal(net_server_new(&options, &server), BASE_OK);
    assert_int_equal(net_server_workers(server), 2);
    assert_int_equal(net_server_listen(server, ends, 2, NULL), BASE_OK);
    assert_int_equal(net_server_start(server), BASE_OK);
    assert_int_equal(atomic_load(&counts.begun), 2);
    union net_address first, any;
    assert_int_equal(net_server_address(server, 0, &first), BASE_OK);
    assert_int_equal(net_server_address(server, 1, &any), BASE_OK);
    assert_int_equal(net_server_address(server, 2, &any), BASE_ENOENT);
    assert_true(net_address_port(&first) != 0 && net_address_port(&any) != 0);
    any.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (uint8_t i = 0; i < 40; i++) {
        const union net_address *to = i % 2 ? &first : &any;
        int udp = connected(SOCK_DGRAM, to), tcp = connected(SOCK_STREAM, to);
        ask(udp, false, i);
        ask(tcp, true, i);
        close(udp);
        close(tcp);
    }
    /* Other addresses, with a connection open. */
    int kept = connected(SOCK_STREAM, &first);
    ask(kept, true, 1);
    ends[0] = endpoint("[::1]@0");
    ends[1].address = first;
    bool have_ipv6 = net_server_listen(server, ends, 1, NULL) == BASE_OK;
    if (!have_ipv6)
        assert_int_equal(net_server_listen(server, NULL, 0, NULL), BASE_OK);
    ask(kept, true, 2);
    if (have_ipv6) {
        assert_int_equal(net_server_address(server, 0, &first), BASE_OK);
        int udp = connected(SOCK_DGRAM, &first);
        ask(udp, false, 3);
        close(udp);
    }
    net_server_stop(server);
    assert_int_equal(atomic_load(&counts.ended), 2);
    assert_int_equal(atomic_load(&counts.batches), 0);
    struct net_totals totals;
    net_server_totals(server, &totals);
    assert_int_equal(totals.counters[NET_UDP_ANSWERS], 40 + have_ipv6);
    assert_int_equal(totals.counters[NET_TCP_QUERIES], 42);
    assert_int_equal(totals.counters[NET_TCP_CLOSED], 41);
    assert_int_equal(totals.connections, 0);
    net_server_free(server);
    close(kept);
}

static void test_failures(void **state)
{
    struct counts counts = {.refuse = 1};
    struct net_options options = options_for(&counts, 3);
    struct net_server *server;
    struct net_endpoint ends[2] = {endpoint("127.0.0.1@0"), endpoint("127.0.0.1@0")};
    /* A worker that cannot begin: none runs. */
    assert_int_equal(net_server_new(&options, &server), BASE_OK);
    assert_int_equal(net_server_listen(server, ends, 1, NULL), BASE_OK);
    assert_int_equal(net_server_start(server), BASE_EPERM);
    assert_int_equal(atomic_load(&counts.begun), atomic_load(&counts.ended));
    net_server_free(server);
    /* An address that is taken: nothing is opened, and the server says which. */
    int other = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(other, &ends[0].address.any, sizeof(struct sockaddr_in)), 0);
    socklen_t length = sizeof(ends[1].address);
    assert_int_equal(getsockname(other, &ends[1].address.any, &length), 0);
    size_t failed = 99;
    assert_int_equal(net_server_new(&options, &server), BASE_OK);
    assert_int_equal(net_server_listen(server, ends, 2, &failed), BASE_EIO);
    assert_int_equal(errno, EADDRINUSE);
    assert_int_equal(failed, 1);
    union net_address address;
    assert_int_equal(net_server_address(server, 0, &address), BASE_ENOENT);
    /* TLS without certificates, and a descriptor that is no socket. */
    ends[0].protocols = NET_LISTEN_TLS;
    assert_int_equal(net_server_listen(server, ends, 1, &failed), BASE_EINVAL);
    assert_int_equal(net_server_adopt(server, 0, true), BASE_EINVAL);
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(net_server_adopt(server, pipes[0], false), BASE_EINVAL);
    close(pipes[0]);
    close(pipes[1]);
    /* One that is: it goes with the server, which never ran. */
    assert_int_equal(net_server_adopt(server, other, false), BASE_OK);
    net_server_free(server);
    options.handler.respond = NULL;
    assert_int_equal(net_server_new(&options, &server), BASE_EINVAL);
}

/* A server that got copies of the set's sockets, as another process would. */
static struct net_server *serve_from(const struct net_listeners *listeners, struct counts *counts,
                                     unsigned workers)
{
    struct net_options options = options_for(counts, workers);
    struct net_server *server;
    size_t count;
    const struct net_listener *all = net_listeners_all(listeners, &count);
    assert_int_equal(net_server_new(&options, &server), BASE_OK);
    for (size_t i = 0; i < count; i++) {
        int fd = fcntl(all[i].fd, F_DUPFD_CLOEXEC, 3);
        if (all[i].worker == NET_WORKERS_ALL)
            assert_int_equal(net_server_adopt(server, fd, false), BASE_OK);
        else
            assert_int_equal(net_server_adopt_for(server, fd, all[i].worker, false), BASE_OK);
    }
    assert_int_equal(net_server_start(server), BASE_OK);
    return server;
}

/* Servers come and go, the sockets stay. */
static void test_listeners(void **state)
{
    struct counts counts = {.refuse = -1};
    struct net_endpoint ends[2] = {endpoint("127.0.0.1@0"), endpoint("127.0.0.1@0")};
    struct net_listeners *listeners;
    union net_address first, second, shared;
    size_t count, failed = 9;
    assert_int_equal(net_listeners_new(2, 16, &listeners), BASE_OK);
    assert_int_equal(net_listeners_workers(listeners), 2);
    assert_int_equal(net_listeners_open(listeners, ends, 1, NULL), BASE_OK);
    const struct net_listener *all = net_listeners_all(listeners, &count);
    assert_int_equal(count, 4);
    for (size_t i = 0; i < count; i++)
        assert_true(all[i].endpoint == 0 && all[i].worker == i % 2);
    assert_int_equal(net_listeners_address(listeners, 0, &first), BASE_OK);
    assert_int_equal(net_listeners_address(listeners, 1, &second), BASE_ENOENT);

    int other;
    assert_int_equal(net_socket_udp(&ends[0].address, false, &other), BASE_OK);
    assert_int_equal(net_listeners_adopt(listeners, other, true), BASE_EINVAL);
    assert_int_equal(net_listeners_adopt(listeners, other, false), BASE_OK);
    /* What is taken stays taken: the set opens none of the endpoints, and is as before. */
    assert_int_equal(net_address_parse("192.0.2.1", 53, &ends[1].address), BASE_OK);
    assert_true(net_listeners_open(listeners, ends, 2, &failed) != BASE_OK);
    assert_int_equal(failed, 1);
    net_listeners_all(listeners, &count);
    assert_int_equal(count, 5);

    for (unsigned round = 0; round < 3; round++) {
        /* Asked while nobody serves. */
        int early = connected(SOCK_DGRAM, &first);
        uint8_t query[38] = {42};
        assert_int_equal(send(early, query, sizeof(query), 0), sizeof(query));
        struct net_server *server = serve_from(listeners, &counts, 1 + round);
        struct pollfd wait = {.fd = early, .events = POLLIN};
        assert_int_equal(poll(&wait, 1, 5000), 1);
        close(early);
        assert_int_equal(net_server_address(server, 2, &shared), BASE_OK);
        for (uint8_t i = 0; i < 20; i++) {
            int fd = connected(i % 2 ? SOCK_STREAM : SOCK_DGRAM, &first);
            ask(fd, i % 2, i);
            close(fd);
        }
        int fd = connected(SOCK_DGRAM, &shared);
        ask(fd, false, 1);
        close(fd);
        net_server_free(server);
    }
    ends[1] = endpoint("127.0.0.1@0");
    ends[1].address = ends[0].address;
    ends[1].protocols = NET_LISTEN_UDP;
    assert_int_equal(net_listeners_open(listeners, &ends[1], 1, NULL), BASE_OK);
    net_listeners_all(listeners, &count);
    assert_int_equal(count, 3); /* and the adopted one */
    assert_int_equal(net_listeners_address(listeners, 0, &second), BASE_OK);
    assert_false(net_address_equal(&first, &second));
    net_listeners_free(listeners);
}

static void test_truncate(void **state)
{
    /* Question "a." A IN, an answer of 20 octets, an OPT record of 11. */
    uint8_t whole[12 + 7 + 20 + 11] = {0, 9, 0x84, 0,   0, 1, 0, 1, 0, 0,
                                       0, 1, 1,    'a', 0, 0, 1, 0, 1};
    whole[41] = 41;
    uint8_t message[sizeof(whole)];
    struct net_answer answer = {.opt = 39, .opt_length = 11};
    memcpy(message, whole, sizeof(whole));
    assert_int_equal(net_udp_truncate(message, sizeof(message), &answer), 12 + 7 + 11);
    assert_int_equal(message[2], 0x86);
    assert_int_equal(base_load_u16(message + 4), 1);
    assert_int_equal(base_load_u16(message + 6), 0);
    assert_int_equal(base_load_u16(message + 10), 1);
    assert_int_equal(message[19 + 2], 41);
    /* Without OPT; with one that is not there; with a question that is none. */
    memcpy(message, whole, sizeof(whole));
    answer.opt_length = 0;
    assert_int_equal(net_udp_truncate(message, sizeof(message), &answer), 19);
    assert_int_equal(base_load_u16(message + 10), 0);
    memcpy(message, whole, sizeof(whole));
    answer = (struct net_answer){.opt = 45, .opt_length = 11};
    assert_int_equal(net_udp_truncate(message, sizeof(message), &answer), 19);
    memcpy(message, whole, sizeof(whole));
    answer = (struct net_answer){.opt = 3, .opt_length = 11};
    assert_int_equal(net_udp_truncate(message, sizeof(message), &answer), 19);
    memcpy(message, whole, sizeof(whole));
    message[12] = 0xc0;
    assert_int_equal(net_udp_truncate(message, sizeof(message), &answer), 12);
    assert_int_equal(base_load_u16(message + 4), 0);
    memcpy(message, whole, sizeof(whole));
    message[12] = 63;
    assert_int_equal(net_udp_truncate(message, sizeof(message), &answer), 12);
    assert_int_equal(net_udp_truncate(message, 12, &answer), 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_serve_and_stop),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_listeners),
        cmocka_unit_test(test_truncate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
