/*
 * A server in the sandbox of the serve process: sockets come from another process, the image is
 * read, another process publishes, answers are new ones; and a second one serves when the first has
 * been killed.
 */
#include "base/error.h"
#include "base/reader.h"
#include "image/image.h"
#include "net/listeners.h"
#include "process/channel.h"
#include "process/sandbox.h"
#include "zone_text.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define QUERY 40

static char directory[] = "/tmp/kenter-sealed-XXXXXX";

static const uint8_t *apex(void)
{
    static const uint8_t name[] = "\7example";
    return name;
}

/* --- the server --- */

static int worker_begin(void *context, struct net_worker *worker, unsigned index, void **out)
{
    struct image_reader *reader;
    int error = image_reader_open(context, &reader);
    if (error == BASE_OK)
        *out = reader;
    return error;
}

static void worker_end(void *context)
{
    image_reader_close(context);
}

/* The query comes back with the serial that the image has. */
static int respond(void *context, const struct net_client *client, const uint8_t *query,
                   size_t length, uint8_t *out, size_t capacity, struct net_answer *answer)
{
    struct image_zone zone;
    memcpy(out, query, length);
    out[2] |= 0x80;
    if (length == QUERY && image_reader_renew(context) == BASE_OK &&
        image_zone_get(context, apex(), &zone) == BASE_OK)
        base_store_u32(out + length - 4, zone.serial);
    image_reader_release(context);
    answer->length = length;
    return NET_ANSWER;
}

static int seal(void)
{
    char lock[80];
    snprintf(lock, sizeof(lock), "%s/lock.mdb", directory);
    struct process_path paths[] = {{directory, PROCESS_READ}, {lock, PROCESS_READ | PROCESS_WRITE}};
    struct base_log log = {.fd = STDERR_FILENO, .least = BASE_LOG_ERROR};
    return process_sandbox(PROCESS_SANDBOX_SERVE, paths, 2, &log, NULL);
}

/* Serves until the channel ends. */
static int serve(const struct net_listeners *listeners, int channel)
{
    struct net_options options = NET_OPTIONS_DEFAULT;
    struct image_options reading = {0};
    struct image *image;
    struct net_server *server;
    size_t count;
    const struct net_listener *all = net_listeners_all(listeners, &count);
    if (image_open(directory, &reading, &image) != BASE_OK || seal() != BASE_OK)
        return 1;
    options.workers = 2;
    options.drain_ms = 200;
    options.handler = (struct net_handler){.worker_begin = worker_begin,
                                           .worker_end = worker_end,
                                           .respond = respond,
                                           .context = image};
    if (net_server_new(&options, &server) != BASE_OK)
        return 2;
    for (size_t i = 0; i < count; i++)
        if (net_server_adopt_for(server, all[i].fd, all[i].worker, false) != BASE_OK)
            return 3;
    if (net_server_start(server) != BASE_OK)
        return 4;
    struct process_message ready = {.fd = -1};
    static uint8_t buffer[PROCESS_MESSAGE_MAX];
    process_send(channel, &ready, 0);
    while (process_receive(channel, buffer, &ready, -1) == BASE_OK)
        continue;
    net_server_free(server);
    image_close(image);
    return 0;
}

static pid_t fork_server(const struct net_listeners *listeners, int *channel)
{
    static uint8_t buffer[PROCESS_MESSAGE_MAX];
    struct process_message ready;
    int pair[2];
    assert_int_equal(process_channel_pair(pair), BASE_OK);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(pair[0]);
        _exit(serve(listeners, pair[1]));
    }
    close(pair[1]);
    assert_int_equal(process_receive(pair[0], buffer, &ready, 10000), BASE_OK);
    *channel = pair[0];
    return pid;
}

/* --- who asks, and who publishes --- */

static void publish(unsigned serial)
{
    char text[200];
    snprintf(text, sizeof(text), "@ 300 SOA ns host %u 7200 900 1209600 300\n@ 300 NS ns\n",
             serial);
    struct zone *zone = zone_from_text(text, "example.");
    struct image *image;
    struct image_options writing = {.writer = true, .no_sync = true, .map_size = 64 << 20};
    assert_int_equal(image_open(directory, &writing, &image), BASE_OK);
    struct image_publish request = {.zone = zone, .now = 1700000000};
    assert_int_equal(image_publish(image, &request, NULL), BASE_OK);
    image_close(image);
    zone_release(zone);
}

static void ask(const union net_address *address, bool tcp, unsigned serial)
{
    uint8_t query[2 + QUERY] = {0, QUERY}, answer[2 + QUERY];
    size_t skip = tcp ? 0 : 2, got = 0;
    int fd = socket(address->any.sa_family, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, &address->any, net_address_length(address)), 0);
    assert_int_equal(send(fd, query + skip, sizeof(query) - skip, MSG_NOSIGNAL),
                     sizeof(query) - skip);
    while (got < sizeof(query) - skip) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&wait, 1, 5000), 1);
        ssize_t count = recv(fd, answer + skip + got, sizeof(answer) - skip - got, 0);
        assert_true(count > 0);
        got += (size_t)count;
    }
    assert_int_equal(base_load_u32(answer + sizeof(answer) - 4), serial);
    close(fd);
}

static void test_serve(void **state)
{
    struct net_listeners *listeners;
    struct net_endpoint endpoint = {.protocols = NET_LISTEN_UDP | NET_LISTEN_TCP};
    union net_address address;
    int channel, status;
    assert_non_null(mkdtemp(directory));
    publish(1);
    assert_int_equal(net_address_parse("127.0.0.1@0", 0, &endpoint.address), BASE_OK);
    assert_int_equal(net_listeners_new(2, 16, &listeners), BASE_OK);
    assert_int_equal(net_listeners_open(listeners, &endpoint, 1, NULL), BASE_OK);
    assert_int_equal(net_listeners_address(listeners, 0, &address), BASE_OK);
    for (unsigned run = 0; run < 2; run++) {
        pid_t pid = fork_server(listeners, &channel);
        for (unsigned i = 0; i < 10; i++)
            ask(&address, i % 2, 1 + run);
        publish(2 + run);
        for (unsigned i = 0; i < 10; i++)
            ask(&address, i % 2, 2 + run);
        if (run == 0)
            kill(pid, SIGKILL);
        close(channel);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, run == 0 ? SIGKILL : 0);
    }
    net_listeners_free(listeners);
    image_discard(directory);
    assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_serve)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
