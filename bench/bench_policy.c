/*
 * Asks a policy service over and over, as Postfix does: one request after the other on each
 * connection.
 *
 *   bench_policy SOCKET SECONDS CONNECTIONS KEY...
 */
#include "base/clock.h"
#include "dane/socketmap.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECTIONS_MAX 256
#define KEYS_MAX        4096

struct client {
    int fd;
    size_t key;
    uint64_t asked;
};

static struct base_buf requests[KEYS_MAX];
static size_t request_count;
static uint64_t worst, total;

static void die(const char *what)
{
    fprintf(stderr, "bench_policy: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void make_requests(char **keys, size_t count)
{
    for (size_t i = 0; i < count && i < KEYS_MAX; i++) {
        base_buf_init(&requests[i], 2048);
        base_buf_printf(&requests[i], "%zu:postfix %s,", strlen(keys[i]) + 8, keys[i]);
        request_count++;
    }
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        die(path);
    return fd;
}

static void ask(struct client *client)
{
    const struct base_buf *request = &requests[client->key++ % request_count];
    client->asked = base_clock_monotonic();
    if (send(client->fd, request->data, request->length, MSG_NOSIGNAL) != (ssize_t)request->length)
        die("send");
}

/* Replies are short: they come whole. */
static void take(struct client *client)
{
    char reply[DANE_SOCKETMAP_REPLY_MAX + 64];
    ssize_t got = recv(client->fd, reply, sizeof reply, 0);
    if (got <= 0 || reply[got - 1] != ',')
        die("recv");
    uint64_t took = base_clock_monotonic() - client->asked;
    total += took;
    worst = took > worst ? took : worst;
}

int main(int argc, char **argv)
{
    static struct client clients[CONNECTIONS_MAX];
    static struct pollfd polls[CONNECTIONS_MAX];
    uint64_t done = 0;
    if (argc < 5) {
        fprintf(stderr, "usage: bench_policy SOCKET SECONDS CONNECTIONS KEY...\n");
        return 2;
    }
    size_t count = strtoul(argv[3], NULL, 10);
    count = count < 1 ? 1 : count > CONNECTIONS_MAX ? CONNECTIONS_MAX : count;
    make_requests(argv + 4, (size_t)argc - 4);
    for (size_t i = 0; i < count; i++) {
        clients[i] = (struct client){.fd = connect_to(argv[1]), .key = i};
        polls[i] = (struct pollfd){clients[i].fd, POLLIN, 0};
        ask(&clients[i]);
    }
    uint64_t started = base_clock_monotonic(), wanted = strtoul(argv[2], NULL, 10) * 1000000000;
    while (base_clock_monotonic() - started < wanted) {
        if (poll(polls, count, 1000) <= 0)
            die("poll");
        for (size_t i = 0; i < count; i++) {
            if (!(polls[i].revents & POLLIN))
                continue;
            take(&clients[i]);
            done++;
            ask(&clients[i]);
        }
    }
    double seconds = (double)(base_clock_monotonic() - started) / 1e9;
    printf("%.0f look-ups/s, mean %.1f us, worst %.1f us, %zu connections\n",
           (double)done / seconds, done ? (double)total / (double)done / 1e3 : 0.0,
           (double)worst / 1e3, count);
    return 0;
}
