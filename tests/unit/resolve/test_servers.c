/*
 * Servers on the loopback that stall, lie and break off, as the first label of the question tells
 * them: what is wrong is ignored, counted, asked again over TCP, or ends in ERROR; never taken.
 */
#include "world.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define RIGHT 1  /* the address in answers that are right */
#define WRONG 66 /* and in those that are not */

struct server {
    int udp, tcp, other, stop[2];
    pthread_t thread, connected[64];
    _Atomic unsigned datagrams;
    unsigned connections;
    unsigned number;
    uint16_t port;
    char text[64];
};

static bool is(const uint8_t *query, const char *label)
{
    const uint8_t *name = query + DNS_MESSAGE_HEADER;
    return name[0] == strlen(label) && strncasecmp((const char *)name + 1, label, name[0]) == 0;
}

static void send_datagram(int fd, const struct sockaddr_in *peer, const uint8_t *data,
                          size_t length)
{
    sendto(fd, data, length, 0, (const struct sockaddr *)peer, sizeof(*peer));
}

/* Sends what is wrong about `label`; true when the right answer is to follow. */
static bool lie(struct server *server, const uint8_t *query, const struct sockaddr_in *peer)
{
    uint8_t out[512], altered[512];
    size_t length = world_answer(query, 0, WRONG, 60, out);
    if (is(query, "wrongid")) {
        out[0] ^= 1;
        send_datagram(server->udp, peer, out, length);
    } else if (is(query, "flood")) {
        for (unsigned i = 0; i < 20; i++) {
            base_store_u16(out, (uint16_t)(base_load_u16(query) + 1 + i));
            send_datagram(server->udp, peer, out, length);
        }
        return false;
    } else if (is(query, "otherq")) {
        out[DNS_MESSAGE_HEADER + 1] ^= 0x15;
        send_datagram(server->udp, peer, out, length);
    } else if (is(query, "othertype")) {
        size_t at = DNS_MESSAGE_HEADER + world_question_length(query) - 4;
        base_store_u16(out + at, DNS_TYPE_TXT);
        send_datagram(server->udp, peer, out, length);
    } else if (is(query, "otherport")) {
        send_datagram(server->other, peer, out, length);
        usleep(20000);
    } else if (is(query, "short")) {
        send_datagram(server->udp, peer, out, 11);
        send_datagram(server->udp, peer, out, 0);
        send_datagram(server->udp, peer, out, 20);
    } else if (is(query, "echo")) {
        send_datagram(server->udp, peer, query, 12 + world_question_length(query) + 11);
    } else if (is(query, "case")) {
        memcpy(altered, out, length);
        for (size_t i = 12; i < 12 + world_question_length(query) - 4; i++)
            altered[i] = dns_lower[altered[i]];
        if (memcmp(altered, out, length) == 0)
            altered[13] ^= 0x20;
        send_datagram(server->udp, peer, altered, length);
        return false;
    }
    return true;
}

static uint16_t flags_of(const struct server *server, const uint8_t *query)
{
    if (strncasecmp((const char *)query + DNS_MESSAGE_HEADER + 1, "tc", 2) == 0)
        return DNS_FLAG_TC;
    if (is(query, "servfail") && server->number == 0)
        return DNS_RCODE_SERVFAIL;
    if (is(query, "ad"))
        return DNS_FLAG_AD;
    return 0;
}

static void answer_datagram(struct server *server)
{
    uint8_t query[512], out[512];
    struct sockaddr_in peer;
    socklen_t size = sizeof(peer);
    ssize_t count = recvfrom(server->udp, query, sizeof(query), 0, (struct sockaddr *)&peer, &size);
    if (count < DNS_MESSAGE_HEADER + 5)
        return;
    server->datagrams++;
    if (is(query, "stall") || (is(query, "lossy") && server->datagrams % 2 == 1) ||
        !lie(server, query, &peer))
        return;
    send_datagram(server->udp, &peer, out,
                  world_answer(query, flags_of(server, query), RIGHT, 60, out));
}

static bool read_all(int fd, uint8_t *out, size_t length)
{
    for (size_t have = 0; have < length;) {
        ssize_t count = recv(fd, out + have, length - have, 0);
        if (count <= 0)
            return false;
        have += (size_t)count;
    }
    return true;
}

/* A connection has a thread, until it is closed. */
static void *answer_connection(void *context)
{
    int fd = *(int *)context;
    free(context);
    uint8_t query[514], out[1024];
    while (fd >= 0 && read_all(fd, query, 2) && base_load_u16(query) <= 512 &&
           read_all(fd, query + 2, base_load_u16(query))) {
        size_t length = world_answer(query + 2, 0, RIGHT, 60, out + 2);
        base_store_u16(out, (uint16_t)length);
        if (is(query + 2, "tcclose"))
            break;
        if (is(query + 2, "tcstall"))
            continue;
        if (is(query + 2, "tchalf")) {
            send(fd, out, length / 2, MSG_NOSIGNAL);
            break;
        }
        if (is(query + 2, "tcstray")) {
            out[2] ^= 0x40;
            send(fd, out, 2 + length, MSG_NOSIGNAL);
            out[2] ^= 0x40;
        }
        if (is(query + 2, "tcother"))
            out[2 + DNS_MESSAGE_HEADER + 1] ^= 0x15;
        if (is(query + 2, "tctc"))
            out[2 + 2] |= DNS_FLAG_TC >> 8;
        send(fd, out, 2 + length, MSG_NOSIGNAL);
        if (is(query + 2, "tconce"))
            break;
    }
    close(fd);
    return NULL;
}

static void accept_connection(struct server *server)
{
    int *fd = malloc(sizeof(*fd));
    *fd = accept(server->tcp, NULL, NULL);
    assert_true(server->connections < 64);
    pthread_create(&server->connected[server->connections++], NULL, answer_connection, fd);
}

static void *serve(void *context)
{
    struct server *server = context;
    for (;;) {
        struct pollfd fds[] = {{.fd = server->udp, .events = POLLIN},
                               {.fd = server->tcp, .events = POLLIN},
                               {.fd = server->stop[0], .events = POLLIN}};
        poll(fds, 3, -1);
        if (fds[2].revents != 0)
            return NULL;
        if (fds[0].revents != 0)
            answer_datagram(server);
        if (fds[1].revents != 0)
            accept_connection(server);
    }
}

static void server_start(struct server *server, unsigned number)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *server = (struct server){.number = number};
    /* A port that is free for both. */
    for (unsigned i = 0; i < 50; i++) {
        server->udp = socket(AF_INET, SOCK_DGRAM, 0);
        server->tcp = socket(AF_INET, SOCK_STREAM, 0);
        address.sin_port = 0;
        assert_int_equal(bind(server->tcp, (struct sockaddr *)&address, size), 0);
        getsockname(server->tcp, (struct sockaddr *)&address, &size);
        if (bind(server->udp, (struct sockaddr *)&address, size) == 0)
            break;
        close(server->udp);
        close(server->tcp);
    }
    server->other = socket(AF_INET, SOCK_DGRAM, 0);
    server->port = ntohs(address.sin_port);
    assert_int_equal(listen(server->tcp, 16), 0);
    assert_int_equal(pipe(server->stop), 0);
    snprintf(server->text, sizeof(server->text), "127.0.0.1@%u", server->port);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void server_stop(struct server *server)
{
    assert_int_equal(write(server->stop[1], "", 1), 1);
    pthread_join(server->thread, NULL);
    for (unsigned i = 0; i < server->connections; i++)
        pthread_join(server->connected[i], NULL);
    close(server->udp);
    close(server->tcp);
    close(server->other);
    close(server->stop[0]);
    close(server->stop[1]);
}

static struct validate_anchors *anchors;

static struct resolve_context *context_of(const char *const *servers, size_t count,
                                          struct resolve_options options)
{
    char why[RESOLVE_WHY];
    struct resolve_context *context;
    options.from = RESOLVE_SERVERS;
    options.servers = servers;
    options.server_count = count;
    options.validate.anchors = anchors;
    /* Long, so that what is answered on a loaded machine is not asked twice. */
    options.try_ms = options.try_ms ? options.try_ms : 5000;
    assert_int_equal(resolve_context_new(&options, why, &context), BASE_OK);
    return context;
}

static unsigned look_up(struct resolve_context *context, const char *name,
                        enum validate_status status)
{
    const struct validate_result *result;
    assert_int_equal(resolve_lookup(context, world_name(name), DNS_TYPE_A, &result), BASE_OK);
    if (result->status != status)
        print_message("%s: %s\n", name, result->sentence);
    assert_int_equal(result->status, status);
    unsigned address = world_address(result);
    validate_result_unref(result);
    return address;
}

/* Whatever is sent beside it, the right answer is what counts. */
static void test_lies(void **state)
{
    static const char *const names[] = {"good.",      "wrongid.", "otherq.",  "othertype.",
                                        "otherport.", "short.",   "echo.",    "case.",
                                        "flood.",     "tc.",      "tcstray.", "tconce."};
    struct server server;
    struct resolve_counts counts;
    server_start(&server, 0);
    const char *text = server.text;
    struct resolve_context *context =
        context_of(&text, 1, (struct resolve_options){.random_case = true});
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_int_equal(look_up(context, names[i], VALIDATE_INDETERMINATE), RIGHT);
    resolve_counts(context, &counts);
    assert_true(counts.wrong_id >= 1 + 8);
    assert_true(counts.wrong_question >= 4);
    assert_int_equal(counts.wrong_case, 1);
    assert_int_equal(counts.floods, 1);
    assert_int_equal(counts.truncated, 3);
    assert_int_equal(counts.strays, 1);
    resolve_context_free(context);
    server_stop(&server);
}

/* Names come back in the letters of who asked, though the servers saw others. */
static void test_letters(void **state)
{
    static const char *const names[] = {"LettersThatStay.Example.", "lettersthatalsostay.example.",
                                        "ONLYCAPITALSARESHOWN.EXAMPLE.", "1234-5678."};
    struct server server;
    server_start(&server, 0);
    const char *text = server.text;
    struct resolve_context *context =
        context_of(&text, 1, (struct resolve_options){.random_case = true});
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct validate_result *result;
        const uint8_t *name = world_name(names[i]);
        assert_int_equal(resolve_lookup(context, name, DNS_TYPE_A, &result), BASE_OK);
        assert_int_equal(result->hop_count, 1);
        assert_int_equal(result->answer_count, 1);
        assert_memory_equal(result->answer[0].name, name, dns_name_length(name));
        validate_result_unref(result);
    }
    resolve_context_free(context);
    server_stop(&server);
}

/* A connection that brings no answer ends in ERROR, in time. */
static void test_broken_connections(void **state)
{
    static const char *const names[] = {"tcclose.", "tcstall.", "tchalf.", "tcother.", "tctc."};
    struct server server;
    server_start(&server, 0);
    const char *text = server.text;
    struct resolve_context *context =
        context_of(&text, 1, (struct resolve_options){.try_ms = 50, .tries = 1});
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_int_equal(look_up(context, names[i], VALIDATE_ERROR), 0);
    resolve_context_free(context);
    server_stop(&server);
}

static void test_silence(void **state)
{
    struct server server;
    server_start(&server, 0);
    const char *text = server.text;
    struct resolve_context *context =
        context_of(&text, 1, (struct resolve_options){.try_ms = 40, .tries = 2});
    look_up(context, "stall.", VALIDATE_ERROR);
    for (unsigned i = 0; server.datagrams < 2 && i < 500; i++)
        usleep(10000);
    assert_int_equal(server.datagrams, 2);
    resolve_context_free(context);
    /* What is lost once is asked again. */
    context = context_of(&text, 1, (struct resolve_options){.try_ms = 1000, .tries = 2});
    assert_int_equal(look_up(context, "lossy.", VALIDATE_INDETERMINATE), RIGHT);
    resolve_context_free(context);
    server_stop(&server);
}

/* A server that fails, or is not there, is passed over, and remembered. */
static void test_other_server(void **state)
{
    struct server bad, good;
    server_start(&bad, 0);
    server_start(&good, 1);
    const char *const texts[] = {"127.0.0.1@1", bad.text, good.text};
    struct resolve_context *context = context_of(texts, 3, (struct resolve_options){.tries = 2});
    assert_int_equal(look_up(context, "servfail.", VALIDATE_INDETERMINATE), RIGHT);
    unsigned before = bad.datagrams;
    assert_int_equal(look_up(context, "good.a.", VALIDATE_INDETERMINATE), RIGHT);
    assert_int_equal(look_up(context, "good.b.", VALIDATE_INDETERMINATE), RIGHT);
    assert_int_equal(bad.datagrams, before);
    resolve_context_free(context);
    /* When nobody does better, the failure is what there is. */
    context = context_of(texts, 2, (struct resolve_options){.tries = 1});
    look_up(context, "servfail.", VALIDATE_ERROR);
    resolve_context_free(context);
    server_stop(&bad);
    server_stop(&good);
}

/* AD of a forwarder proves nothing. */
static void test_ad(void **state)
{
    struct server server;
    server_start(&server, 0);
    const char *text = server.text;
    struct resolve_context *context = context_of(&text, 1, (struct resolve_options){.tries = 1});
    assert_int_equal(look_up(context, "ad.", VALIDATE_INDETERMINATE), RIGHT);
    resolve_context_free(context);
    server_stop(&server);
}

struct many {
    unsigned done, right;
};

static void one_of_many(void *context, const struct validate_result *result)
{
    struct many *many = context;
    many->done++;
    if (world_address(result) != RIGHT)
        print_message("%s\n", result->sentence);
    many->right += world_address(result) == RIGHT;
    validate_result_unref(result);
}

/* More questions than sockets; over one connection; with others cancelled in between. */
static void many_with(const char *scheme, unsigned sockets)
{
    struct server server;
    struct many many = {0};
    struct resolve_request *requests[200];
    char text[80], name[32];
    const char *texts[] = {text};
    server_start(&server, 0);
    snprintf(text, sizeof(text), "%s%s", scheme, server.text);
    struct resolve_context *context =
        context_of(texts, 1, (struct resolve_options){.most_sockets = sockets, .try_ms = 2000});
    for (unsigned i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "n%u.", i);
        assert_int_equal(
            resolve_start(context, world_name(name), DNS_TYPE_A, one_of_many, &many, &requests[i]),
            BASE_OK);
    }
    resolve_process(context);
    unsigned cancelled = 0;
    for (unsigned i = 50; i < 200 && many.done == 0; i += 3, cancelled++)
        resolve_cancel(requests[i]);
    resolve_wait(context);
    assert_int_equal(many.done, 200 - cancelled);
    assert_int_equal(many.right, many.done);
    resolve_context_free(context);
    server_stop(&server);
}

static void test_many(void **state)
{
    many_with("", 4);
    many_with("tcp://", 1);
}

/* In the middle of everything the context goes. */
static void test_end(void **state)
{
    struct many many = {0};
    struct resolve_request *request;
    char texts[4][64];
    /* Connections are taken by the system, and by nobody else. */
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);
    int silent = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(silent, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(silent, 4), 0);
    getsockname(silent, (struct sockaddr *)&address, &size);
    unsigned port = ntohs(address.sin_port);
    snprintf(texts[0], sizeof(texts[0]), "tcp://127.0.0.1@%u", port);
    snprintf(texts[1], sizeof(texts[1]), "tls://127.0.0.1@%u", port);
    snprintf(texts[2], sizeof(texts[2]), "https://127.0.0.1:%u/q", port);
    snprintf(texts[3], sizeof(texts[3]), "192.0.2.1");
    for (unsigned i = 0; i < 4; i++) {
        const char *text = texts[i];
        struct resolve_context *context =
            context_of(&text, 1, (struct resolve_options){.try_ms = 5000});
        resolve_start(context, world_name("stall."), DNS_TYPE_A, one_of_many, &many, &request);
        for (unsigned k = 0; k < 3; k++)
            resolve_process(context);
        /* A try may have failed already, by whatever the system refuses: what is not done by now
         * never will be. */
        unsigned before = many.done;
        resolve_context_free(context);
        assert_int_equal(many.done, before);
    }
    close(silent);
}

/* resolve_ask goes to the server that is named, whatever the context's are. */
static void asked(void *context, const struct validate_reply *reply)
{
    unsigned *answers = context;
    *answers += reply->kind == VALIDATE_REPLY_PACKET ? 1 : 100;
}

static void test_ask(void **state)
{
    struct server server;
    unsigned answers = 0;
    server_start(&server, 0);
    const char *text = "127.0.0.1@1";
    struct resolve_context *context =
        context_of(&text, 1, (struct resolve_options){.try_ms = 50, .tries = 1});
    for (unsigned i = 0; i < 2; i++) {
        resolve_ask(context, i == 0 ? server.text : "no address", world_name("good."), DNS_TYPE_A,
                    asked, &answers);
        resolve_wait(context);
    }
    assert_int_equal(answers, 101);
    resolve_context_free(context);
    server_stop(&server);
}

static int set_up(void **state)
{
    return validate_anchors_new(&anchors);
}

static int tear_down(void **state)
{
    validate_anchors_free(anchors);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_letters),
        cmocka_unit_test(test_lies),
        cmocka_unit_test(test_broken_connections),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_other_server),
        cmocka_unit_test(test_ad),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_end),
        cmocka_unit_test(test_ask),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
