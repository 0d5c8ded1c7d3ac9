/*
 * What a packet costs the server, with a handler that only echoes: the sockets' own share of an
 * answer. Beside it the floor, a loop that receives 32 packets, turns them round and sends them,
 * and nothing else. "wildcard" and "limited" are the server on 0.0.0.0, and with rate limiting. All
 * are asked in turn by another process over loopback; user and system time of the answering process
 * is divided by the packets that it answered.
 *
 * usage: bench_udp [PACKETS [ROUNDS [WINDOW]]]     (default: 400000 in each of 3 rounds, 128 under
 * way; a small window shows what a quiet server pays for a packet, since batches are small then)
 */
#include "base/error.h"
#include "net/server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define BATCH   32
#define QUERY   60 /* octets: a question with EDNS */
#define ANSWER  180
#define SECONDS 20 /* a round ends then, whatever it has answered */

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int respond(void *context, const struct net_client *client, const uint8_t *query,
                   size_t length, uint8_t *out, size_t capacity, struct net_answer *answer)
{
    memcpy(out, query, length);
    memset(out + length, 0, ANSWER - length);
    out[2] |= 0x80;
    answer->length = ANSWER;
    answer->kind = NET_KIND_EXEMPT;
    return NET_ANSWER;
}

/* ---- the floor ---- */

static void echo(int fd)
{
    static uint8_t in[BATCH][512], out[BATCH][512];
    static struct sockaddr_storage peers[BATCH];
    struct mmsghdr received[BATCH], sent[BATCH];
    struct iovec from[BATCH], to[BATCH];
    memset(received, 0, sizeof(received));
    memset(sent, 0, sizeof(sent));
    for (size_t i = 0; i < BATCH; i++) {
        from[i] = (struct iovec){in[i], sizeof(in[i])};
        received[i].msg_hdr.msg_iov = &from[i];
        received[i].msg_hdr.msg_iovlen = 1;
        received[i].msg_hdr.msg_name = &peers[i];
        sent[i].msg_hdr.msg_iov = &to[i];
        sent[i].msg_hdr.msg_iovlen = 1;
        sent[i].msg_hdr.msg_name = &peers[i];
    }
    for (;;) {
        for (size_t i = 0; i < BATCH; i++)
            received[i].msg_hdr.msg_namelen = sizeof(peers[i]);
        int count = recvmmsg(fd, received, BATCH, MSG_WAITFORONE, NULL);
        if (count < 0)
            die("recvmmsg");
        for (int i = 0; i < count; i++) {
            struct net_answer answer = {0};
            respond(NULL, NULL, in[i], received[i].msg_len, out[i], sizeof(out[i]), &answer);
            to[i] = (struct iovec){out[i], answer.length};
            sent[i].msg_hdr.msg_namelen = received[i].msg_hdr.msg_namelen;
        }
        if (sendmmsg(fd, sent, (unsigned)count, 0) < 0)
            die("sendmmsg");
    }
}

static int open_loopback(union net_address *address)
{
    socklen_t length = sizeof(*address);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (net_address_parse("127.0.0.1", 0, address) != BASE_OK || fd < 0 ||
        bind(fd, &address->any, sizeof(address->v4)) != 0 ||
        getsockname(fd, &address->any, &length) != 0)
        die("socket");
    return fd;
}

static void run_floor(int tell)
{
    union net_address address;
    int fd = open_loopback(&address);
    if (write(tell, &address, sizeof(address)) < 0)
        die("write");
    echo(fd);
}

/* ---- the server ---- */

static void run_server(int tell, bool wildcard, bool limited)
{
    struct net_options options = NET_OPTIONS_DEFAULT;
    struct net_rate_options rate = NET_RATE_DEFAULT;
    struct net_server *server;
    struct net_endpoint endpoint = {.protocols = NET_LISTEN_UDP};
    options.handler.respond = respond;
    options.workers = 1;
    options.pin = false;
    options.rate = limited ? &rate : NULL;
    union net_address address;
    if (net_address_parse(wildcard ? "0.0.0.0" : "127.0.0.1", 0, &endpoint.address) != BASE_OK ||
        net_server_new(&options, &server) != BASE_OK ||
        net_server_listen(server, &endpoint, 1, NULL) != BASE_OK ||
        net_server_start(server) != BASE_OK || net_server_address(server, 0, &address) != BASE_OK)
        die("server");
    address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (write(tell, &address, sizeof(address)) < 0)
        die("write");
    for (;;)
        pause();
}

/* ---- asking ---- */

/* Keeps some batches under way until `packets` answers came; returns how many. */
static size_t ask(const union net_address *address, size_t packets, size_t window)
{
    static uint8_t query[QUERY], answers[BATCH][512];
    struct mmsghdr out[BATCH], in[BATCH];
    struct iovec to = {query, sizeof(query)}, from[BATCH];
    memset(out, 0, sizeof(out));
    memset(in, 0, sizeof(in));
    for (size_t i = 0; i < BATCH; i++) {
        from[i] = (struct iovec){answers[i], sizeof(answers[i])};
        out[i].msg_hdr.msg_iov = &to;
        out[i].msg_hdr.msg_iovlen = 1;
        in[i].msg_hdr.msg_iov = &from[i];
        in[i].msg_hdr.msg_iovlen = 1;
    }
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct timeval patience = {.tv_usec = 20000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (fd < 0 || connect(fd, &address->any, sizeof(address->v4)) != 0)
        die("connect");
    uint64_t end = base_clock_monotonic() + (uint64_t)SECONDS * 1000000000;
    size_t got = 0, under_way = 0;
    while (got < packets && base_clock_monotonic() < end) {
        while (under_way < window) {
            unsigned batch = window - under_way < BATCH ? (unsigned)(window - under_way) : BATCH;
            int count = sendmmsg(fd, out, batch, 0);
            under_way += count > 0 ? (size_t)count : batch;
        }
        int count = recvmmsg(fd, in, BATCH, MSG_WAITFORONE, NULL);
        if (count <= 0) {
            under_way = 0; /* lost */
            continue;
        }
        got += (size_t)count;
        under_way -= (size_t)count > under_way ? under_way : (size_t)count;
    }
    close(fd);
    return got;
}

enum who { FLOOR, SERVER, WILDCARD, LIMITED };

/* In the child: serves until SIGTERM. */
static void child(enum who who, int tell)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (who == FLOOR)
        run_floor(tell);
    run_server(tell, who == WILDCARD, who == LIMITED);
}

/* Microseconds of user and system time per packet, as wait4 tells at the end. */
static double measure(enum who who, size_t packets, size_t window)
{
    int channel[2];
    if (pipe(channel) != 0)
        die("pipe");
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0)
        child(who, channel[1]);
    union net_address address;
    if (read(channel[0], &address, sizeof(address)) != (ssize_t)sizeof(address))
        die("read");
    size_t got = ask(&address, packets, window);
    kill(pid, SIGTERM);
    struct rusage usage;
    int status;
    if (wait4(pid, &status, 0, &usage) != pid)
        die("wait");
    close(channel[0]);
    close(channel[1]);
    double used = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
                  (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    return used / (double)(got == 0 ? 1 : got);
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"floor", "server", "wildcard", "limited"};
    size_t packets = argc > 1 ? strtoul(argv[1], NULL, 10) : 400000;
    size_t rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 3;
    size_t window = argc > 3 ? strtoul(argv[3], NULL, 10) : 4 * BATCH;
    if (window == 0 || window > 10000 || packets == 0 || packets > 10000000 || rounds == 0 ||
        rounds > 20)
        return 2;
    double best[4] = {0};
    for (size_t round = 0; round < rounds; round++) {
        for (enum who who = FLOOR; who <= LIMITED; who++) {
            double cost = measure(who, packets, window);
            if (round == 0 || cost < best[who])
                best[who] = cost;
        }
    }
    printf("CPU of the answering process per packet, best of %zu rounds of %zu:\n", rounds,
           packets);
    for (enum who who = FLOOR; who <= LIMITED; who++)
        printf("%-10s %6.2f us   %.2f x the floor\n", names[who], best[who], best[who] / best[0]);
    return 0;
}
