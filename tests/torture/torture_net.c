/*
 * Makes every allocation of a server fail in turn, from its making to its end with queries between.
 * It must start or refuse to, never crash, answer over UDP whenever it runs, and give back
 * everything. Ends when there are no more allocations.
 */
#include "base/error.h"
#include "net/server.h"

#include "allocate.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RUNS_MAX 10000

static int respond(void *context, const struct net_client *client, const uint8_t *query,
                   size_t length, uint8_t *out, size_t capacity, struct net_answer *answer)
{
    memcpy(out, query, length);
    answer->length = length;
    return NET_ANSWER;
}

static void say(int fd, const uint8_t *data, size_t length)
{
    /* A server that has no memory may have closed the line. */
    if (send(fd, data, length, MSG_NOSIGNAL) < 0)
        return;
}

/* One query; over TCP in two pieces, so that half of it has to be kept. True when answered. */
static bool ask(const union net_address *address, int type)
{
    static const uint8_t query[42] = {0, 40, 1, 2};
    size_t frame = type == SOCK_STREAM ? 0 : 2;
    uint8_t answer[64];
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    bool answered = false;
    if (fd >= 0 && connect(fd, &address->any, net_address_length(address)) == 0) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (type == SOCK_STREAM) {
            say(fd, query, 20);
            poll(&wait, 1, 5);
            say(fd, query + 20, sizeof(query) - 20);
        } else {
            say(fd, query + frame, sizeof(query) - frame);
        }
        answered = poll(&wait, 1, 2000) == 1 && recv(fd, answer, sizeof(answer), 0) > 0;
    }
    if (fd >= 0)
        close(fd);
    return answered;
}

/* One run; the first error, BASE_EMISMATCH when a server that runs does not answer. */
static int work(void)
{
    struct net_options options = NET_OPTIONS_DEFAULT;
    struct net_rate_options rate = NET_RATE_DEFAULT;
    struct net_endpoint end = {.protocols = NET_LISTEN_UDP | NET_LISTEN_TCP};
    struct net_server *server = NULL;
    union net_address address;
    options.handler.respond = respond;
    options.workers = 1;
    options.pin = false;
    options.rate = &rate;
    int error = net_address_parse("127.0.0.1", 0, &end.address);
    if (error == BASE_OK)
        error = net_server_new(&options, &server);
    if (error == BASE_OK)
        error = net_server_listen(server, &end, 1, NULL);
    if (error == BASE_OK)
        error = net_server_start(server);
    if (error == BASE_OK)
        error = net_server_address(server, 0, &address);
    if (error == BASE_OK) {
        bool tcp = ask(&address, SOCK_STREAM);
        if (!ask(&address, SOCK_DGRAM) || (!tcp && failing == 0))
            error = BASE_EMISMATCH;
    }
    net_server_free(server);
    return error;
}

static int count_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += lseek(fd, 0, SEEK_CUR) != -1 || dup2(fd, fd) == fd;
    return count;
}

int main(void)
{
    int descriptors = count_descriptors();
    long refused = 0, survived = 0;
    if (work() != BASE_OK) {
        fprintf(stderr, "torture: the server fails without any failing allocation\n");
        return 1;
    }
    for (failing = 1; failing < RUNS_MAX; failing++) {
        atomic_store(&asked, 0);
        int error = work();
        if (error == BASE_EMISMATCH) {
            fprintf(stderr, "torture: allocation %ld failed and the server is dumb\n", failing);
            return 1;
        }
        if (count_descriptors() != descriptors) {
            fprintf(stderr, "torture: allocation %ld failed and descriptors leaked\n", failing);
            return 1;
        }
        if (atomic_load(&asked) < failing)
            break;
        error == BASE_OK ? survived++ : refused++;
    }
    printf("torture: server: %ld allocations failed in turn: %ld refused, %ld done without\n",
           survived + refused, refused, survived);
    return 0;
}
