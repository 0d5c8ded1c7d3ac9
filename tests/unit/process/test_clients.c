/*
 * Channels of clients, gathered from whoever was introduced.
 */
#include "process/clients.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static uint8_t buffer[PROCESS_MESSAGE_MAX];

static void introduce(int supervisor, int *peer)
{
    int pair[2];
    assert_int_equal(process_channel_pair(pair), BASE_OK);
    struct process_message message = {.type = PROCESS_PEER,
                                      .value = 1,
                                      .data = (const uint8_t *)"control",
                                      .length = 7,
                                      .fd = pair[1]};
    assert_int_equal(process_send(supervisor, &message, 0), BASE_OK);
    close(pair[1]);
    *peer = pair[0];
}

/* A client's channel goes in at one end and works at the other. */
static void connect_client(int peer, int service)
{
    int pair[2];
    assert_int_equal(process_channel_pair(pair), BASE_OK);
    struct process_message message = {.fd = pair[1]}, got;
    assert_int_equal(process_send(peer, &message, 0), BASE_OK);
    close(pair[1]);
    assert_int_equal(process_receive(service, buffer, &got, 5000), BASE_OK);
    assert_true(got.fd >= 0);
    int client = got.fd;
    message = (struct process_message){.id = 5, .fd = -1};
    assert_int_equal(process_send(pair[0], &message, 0), BASE_OK);
    assert_int_equal(process_receive(client, buffer, &got, 5000), BASE_OK);
    assert_int_equal(got.id, 5);
    close(client);
    close(pair[0]);
}

static void test_gather(void **state)
{
    int pair[2], service, peers[40];
    struct process_child child;
    struct process_clients *clients;
    assert_int_equal(process_channel_pair(pair), BASE_OK);
    assert_int_equal(process_child_over(&child, pair[1]), BASE_OK);
    assert_int_equal(process_clients_new(&child, &clients, &service), BASE_OK);
    assert_int_equal(process_clients_start(clients), BASE_OK);
    introduce(pair[0], &peers[0]);
    introduce(pair[0], &peers[1]);
    for (int i = 0; i < 3; i++) {
        connect_client(peers[0], service);
        connect_client(peers[1], service);
    }
    /* One dies, its successor comes; more come than are kept. */
    close(peers[0]);
    struct process_message none = {.fd = -1}, got;
    assert_int_equal(process_send(peers[1], &none, 0), BASE_OK);
    for (int i = 2; i < 40; i++)
        introduce(pair[0], &peers[i]);
    for (int i = 39; i >= 12; i -= 9)
        connect_client(peers[i], service);
    struct process_message stop = {.type = PROCESS_STOP, .fd = -1};
    assert_int_equal(process_send(pair[0], &stop, 0), BASE_OK);
    assert_int_equal(process_receive(service, buffer, &got, 5000), BASE_ENOENT);
    process_clients_free(clients);
    process_child_end(&child);
    for (int i = 1; i < 40; i++)
        close(peers[i]);
    close(service);
    close(pair[0]);
}

/* Either side may end it: the service, or the supervisor by dying; or it never starts. */
static void test_ends(void **state)
{
    for (int how = 0; how < 3; how++) {
        int pair[2], service;
        struct process_child child;
        struct process_clients *clients;
        struct process_message got;
        assert_int_equal(process_channel_pair(pair), BASE_OK);
        assert_int_equal(process_child_over(&child, pair[1]), BASE_OK);
        assert_int_equal(process_clients_new(&child, &clients, &service), BASE_OK);
        if (how < 2)
            assert_int_equal(process_clients_start(clients), BASE_OK);
        if (how == 0) {
            close(pair[0]);
            assert_int_equal(process_receive(service, buffer, &got, 5000), BASE_ENOENT);
        } else {
            close(service);
        }
        process_clients_free(clients);
        process_child_end(&child);
        close(how == 0 ? service : pair[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_gather), cmocka_unit_test(test_ends)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
