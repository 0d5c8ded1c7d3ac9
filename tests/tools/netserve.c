/*
 * A server without zones, for tests of sockets. It answers REFUSED by echoing the question; the
 * first label of the name may ask for something else:
 *
 *   drop       no answer                     cut        truncated, over UDP
 *   big        an answer of 1100 octets      huge       one of 60000, over TCP
 *   stream-N   N messages of 16000 octets    later-N    the answer comes after N milliseconds
 *   whoami     TXT: protocol, client, address asked, identity
 *
 * usage: netserve [--NAME VALUE]... ADDRESS...    names: workers, connections, per-client, idle,
 * query, write, wait, memory, rate, slip, drain; tls CERT,KEY[,CA] and tls-listen ADDRESS; fd N
 *
 * Prints "ready ADDRESS..." with the ports it got. Then lines on standard input: "totals" prints
 * the counters as JSON; "listen ADDRESS..." changes addresses and prints "ready ADDRESS..." or
 * "error"; the end of input stops the server.
 */
#include "base/error.h"
#include "base/reader.h"
#include "net/server.h"
#include "net/tls.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define LATER_MAX 256

/* An answer that a timer lets go. */
struct later {
    struct net_stream stream;
    struct worker *worker;
    bool used, ready, over_udp;
    int timer;
    struct net_route route;
    uint8_t message[512];
    size_t length;
};

struct worker {
    struct net_worker *net;
    struct later later[LATER_MAX];
};

/* Many messages. */
struct many {
    struct net_stream stream;
    unsigned left;
    uint8_t head[300];
    size_t length;
};

/* ---- answers ---- */

/* The end of the question; 0 when there is none. */
static size_t question(const uint8_t *query, size_t length)
{
    size_t at = 12;
    while (at < length && query[at] != 0 && query[at] < 64)
        at += 1 + (size_t)query[at];
    return base_load_u16(query + 4) == 1 && at + 5 <= length && query[at] == 0 ? at + 5 : 0;
}

static void make_head(uint8_t *out, const uint8_t *query, size_t length, unsigned rcode)
{
    memcpy(out, query, length);
    out[2] = (uint8_t)(0x80 | (query[2] & 0x79));
    out[3] = (uint8_t)rcode;
    memset(out + 4, 0, 8);
    out[5] = length > 12;
}

/* A TXT record for the question's name, of one text or of zeros until the message has `total`. */
static size_t add_text(uint8_t *out, size_t at, const char *text, size_t total)
{
    size_t length = text != NULL ? 1 + strlen(text) : total - at - 12;
    static const uint8_t head[] = {0xc0, 0x0c, 0, 16, 0, 1, 0, 0, 0, 0};
    out[7]++;
    memcpy(out + at, head, sizeof(head));
    base_store_u16(out + at + 10, (uint16_t)length);
    at += 12;
    memset(out + at, 0, length);
    if (text != NULL) {
        out[at] = (uint8_t)(length - 1);
        memcpy(out + at + 1, text, length - 1);
    }
    return at + length;
}

static int many_pull(struct net_stream *stream, uint8_t *out, size_t capacity, size_t *length)
{
    struct many *many = (struct many *)stream;
    memcpy(out, many->head, many->length);
    *length = add_text(out, many->length, NULL, 16000);
    return --many->left == 0 ? NET_STREAM_END : NET_STREAM_MORE;
}

static void many_close(struct net_stream *stream, bool finished)
{
    free(stream);
}

static int start_many(const uint8_t *head, size_t length, unsigned count, struct net_answer *answer)
{
    struct many *many = calloc(1, sizeof(*many));
    if (many == NULL)
        return BASE_ENOMEM;
    many->stream = (struct net_stream){.pull = many_pull, .close = many_close};
    many->left = count;
    many->length = length;
    memcpy(many->head, head, length);
    answer->stream = &many->stream;
    return NET_STREAM;
}

static void later_free(struct later *later)
{
    net_worker_unwatch(later->worker->net, later->timer);
    close(later->timer);
    later->used = false;
}

static int later_pull(struct net_stream *stream, uint8_t *out, size_t capacity, size_t *length)
{
    struct later *later = (struct later *)stream;
    if (!later->ready)
        return NET_STREAM_LATER;
    memcpy(out, later->message, later->length);
    *length = later->length;
    return NET_STREAM_END;
}

static void later_close(struct net_stream *stream, bool finished)
{
    later_free((struct later *)stream);
}

static void later_due(void *context, int fd)
{
    struct worker *worker = context;
    uint64_t count;
    if (read(fd, &count, sizeof(count)) < 0)
        return;
    for (size_t i = 0; i < LATER_MAX; i++) {
        struct later *later = &worker->later[i];
        if (!later->used || later->timer != fd)
            continue;
        later->ready = true;
        if (!later->over_udp) {
            net_stream_wake(&later->stream);
        } else {
            net_worker_send(worker->net, &later->route, later->message, later->length);
            later_free(later);
        }
        return;
    }
}

static int start_later(struct worker *worker, const struct net_client *client, const uint8_t *head,
                       size_t length, unsigned ms, struct net_answer *answer)
{
    struct later *later = worker->later;
    while (later < worker->later + LATER_MAX && later->used)
        later++;
    if (later == worker->later + LATER_MAX)
        return NET_DROP;
    memset(later, 0, sizeof(*later));
    later->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct itimerspec when = {.it_value = {ms / 1000, (long)(ms % 1000) * 1000000 + 1}};
    if (later->timer < 0 || timerfd_settime(later->timer, 0, &when, NULL) != 0 ||
        net_worker_watch(worker->net, later->timer, later_due) != BASE_OK)
        return BASE_EIO;
    later->used = true;
    later->worker = worker;
    later->stream = (struct net_stream){.pull = later_pull, .close = later_close};
    later->length = length;
    memcpy(later->message, head, length);
    later->over_udp = client->protocol == NET_UDP;
    if (later->over_udp) {
        net_client_keep(client, &later->route);
        return NET_DROP;
    }
    answer->stream = &later->stream;
    return NET_STREAM;
}

static size_t who(const struct net_client *client, uint8_t *out, size_t end)
{
    static const char *const protocols[] = {"udp", "tcp", "tls"};
    char peer[NET_ADDRESS_TEXT], local[NET_ADDRESS_TEXT], text[256];
    net_address_text(client->peer, peer);
    net_address_text(client->local, local);
    snprintf(text, sizeof(text), "%s %s %s %.60s", protocols[client->protocol], peer, local,
             client->identity ? client->identity : "-");
    return add_text(out, end, text, 0);
}

static bool label_is(const uint8_t *label, const char *text)
{
    return label[0] == strlen(text) && memcmp(label + 1, text, label[0]) == 0;
}

/* The number of a label "TEXT-N"; false when it is another one. */
static bool label_number(const uint8_t *label, const char *text, unsigned *number)
{
    size_t length = strlen(text);
    char digits[16] = "";
    if (label[0] <= length || label[0] - length >= sizeof(digits) ||
        memcmp(label + 1, text, length) != 0)
        return false;
    memcpy(digits, label + 1 + length, label[0] - length);
    *number = (unsigned)strtoul(digits, NULL, 10);
    return true;
}

static int respond(void *context, const struct net_client *client, const uint8_t *query,
                   size_t length, uint8_t *out, size_t capacity, struct net_answer *answer)
{
    size_t end = question(query, length);
    unsigned number;
    answer->kind = NET_KIND_ERROR;
    make_head(out, query, end == 0 ? 12 : end, end == 0 ? 1 : 5);
    answer->length = end == 0 ? 12 : end;
    if (end == 0)
        return NET_ANSWER;
    const uint8_t *label = query + 12;
    if (label_is(label, "drop"))
        return NET_DROP;
    if (label_is(label, "cut")) {
        answer->length = add_text(out, end, "cut away", 0);
        return NET_TRUNCATE;
    }
    if (label_is(label, "whoami"))
        answer->length = who(client, out, end);
    else if (label_is(label, "big"))
        answer->length = add_text(out, end, NULL, 1100);
    else if (label_is(label, "huge") && client->protocol != NET_UDP)
        answer->length = add_text(out, end, NULL, 60000);
    else if (label_number(label, "stream-", &number) && client->protocol != NET_UDP && number > 0)
        return start_many(out, end, number, answer);
    else if (label_number(label, "later-", &number))
        return start_later(context, client, out, end, number, answer);
    return NET_ANSWER;
}

static int worker_begin(void *context, struct net_worker *net, unsigned index, void **out)
{
    struct worker *worker = calloc(1, sizeof(*worker));
    if (worker == NULL)
        return BASE_ENOMEM;
    worker->net = net;
    *out = worker;
    return BASE_OK;
}

static void worker_end(void *context)
{
    struct worker *worker = context;
    for (size_t i = 0; i < LATER_MAX; i++)
        if (worker->later[i].used)
            later_free(&worker->later[i]);
    free(worker);
}

/* ---- the command ---- */

#define ENDPOINTS_MAX 64

struct setup {
    struct net_options options;
    struct net_rate_options rate;
    struct net_endpoint endpoints[ENDPOINTS_MAX];
    size_t count;
    int fds[8];
    size_t fd_count;
};

static void die(const char *what)
{
    fprintf(stderr, "netserve: %s\n", what);
    exit(2);
}

static void add_endpoint(struct setup *setup, const char *text, unsigned protocols)
{
    if (setup->count == ENDPOINTS_MAX ||
        net_address_parse(text, 53, &setup->endpoints[setup->count].address) != BASE_OK)
        die(text);
    setup->endpoints[setup->count++].protocols = protocols;
}

static void set_tls(struct setup *setup, const char *value)
{
    static char files[1024];
    char why[256];
    snprintf(files, sizeof(files), "%s", value);
    struct net_tls_options options = {.certificate = strtok(files, ",")};
    options.key = strtok(NULL, ",");
    options.client_ca = strtok(NULL, ",");
    if (options.certificate == NULL || options.key == NULL)
        die("--tls CERT,KEY[,CA]");
    if (net_tls_new(&options, why, &setup->options.tls) != BASE_OK)
        die(why);
}

static void set_option(struct setup *setup, const char *name, const char *value)
{
    struct net_limits *limits = &setup->options.limits;
    uint32_t number = (uint32_t)strtoul(value, NULL, 10);
    const struct {
        const char *name;
        uint32_t *at;
    } numbers[] = {
        {"connections", &limits->connections},
        {"per-client", &limits->per_client},
        {"idle", &limits->idle_ms},
        {"query", &limits->query_ms},
        {"write", &limits->write_ms},
        {"wait", &limits->wait_ms},
        {"drain", &setup->options.drain_ms},
        {"workers", &setup->options.workers},
        {"slip", &setup->rate.slip},
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (strcmp(name, numbers[i].name) == 0) {
            *numbers[i].at = number;
            return;
        }
    }
    if (strcmp(name, "memory") == 0) {
        limits->memory = number;
    } else if (strcmp(name, "rate") == 0) {
        for (size_t i = 0; i < NET_KINDS; i++)
            setup->rate.per_second[i] = number;
        setup->options.rate = &setup->rate;
    } else if (strcmp(name, "tls") == 0) {
        set_tls(setup, value);
    } else if (strcmp(name, "tls-listen") == 0) {
        add_endpoint(setup, value, NET_LISTEN_TLS);
    } else if (strcmp(name, "fd") == 0 && setup->fd_count < 8) {
        setup->fds[setup->fd_count++] = (int)number;
    } else {
        die(name);
    }
}

static void print_ready(const struct net_server *server)
{
    union net_address address;
    printf("ready");
    for (size_t i = 0; net_server_address(server, i, &address) == BASE_OK; i++) {
        char text[NET_ADDRESS_TEXT];
        net_address_text(&address, text);
        printf(" %s", text);
    }
    printf("\n");
    fflush(stdout);
}

static void print_totals(const struct net_server *server)
{
    struct net_totals totals;
    uint64_t answers = 0;
    net_server_totals(server, &totals);
    printf("{");
    for (enum net_counter i = 0; i < NET_COUNTERS; i++)
        printf("\"%s\": %" PRIu64 ", ", net_counter_name(i), totals.counters[i]);
    for (size_t i = 0; i < NET_LATENCY_BUCKETS; i++)
        answers += totals.latency[i];
    printf("\"latency_count\": %" PRIu64 ", \"connections\": %" PRIu64 "}\n", answers,
           totals.connections);
    fflush(stdout);
}

static void listen_anew(struct net_server *server, struct setup *setup, char *addresses)
{
    size_t failed = 0;
    setup->count = 0;
    for (char *text = strtok(addresses, " \n"); text != NULL; text = strtok(NULL, " \n"))
        add_endpoint(setup, text, NET_LISTEN_UDP | NET_LISTEN_TCP);
    int error = net_server_listen(server, setup->endpoints, setup->count, &failed);
    if (error == BASE_OK) {
        print_ready(server);
        return;
    }
    printf("error %zu %s: %s\n", failed, base_strerror(error), strerror(errno));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static struct setup setup = {.options = NET_OPTIONS_DEFAULT, .rate = NET_RATE_DEFAULT};
    setup.options.handler = (struct net_handler){
        .worker_begin = worker_begin, .worker_end = worker_end, .respond = respond};
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) != 0)
            add_endpoint(&setup, argv[i], NET_LISTEN_UDP | NET_LISTEN_TCP);
        else if (i + 1 < argc)
            set_option(&setup, argv[i] + 2, argv[i + 1]), i++;
        else
            die(argv[i]);
    }
    struct net_server *server;
    if (net_server_new(&setup.options, &server) != BASE_OK)
        die("no server");
    for (size_t i = 0; i < setup.fd_count; i++)
        if (net_server_adopt(server, setup.fds[i], false) != BASE_OK)
            die("not a socket for a server");
    if (net_server_listen(server, setup.endpoints, setup.count, NULL) != BASE_OK)
        die(strerror(errno));
    if (net_server_start(server) != BASE_OK)
        die("no workers");
    print_ready(server);
    char line[4096];
    while (fgets(line, sizeof(line), stdin) != NULL) {
        if (strncmp(line, "totals", 6) == 0)
            print_totals(server);
        else if (strncmp(line, "listen", 6) == 0)
            listen_anew(server, &setup, line + 6);
    }
    net_server_stop(server);
    print_totals(server);
    net_server_free(server);
    net_tls_free(setup.options.tls);
    return 0;
}
