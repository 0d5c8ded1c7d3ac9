/* Clients that break the rules lose their channel, and only they do. */
#include "support.h"

#include <poll.h>

/* Sends a message; is the channel closed instead of an answer? */
static bool is_closed_after(int fd, uint32_t type, const void *data, size_t length)
{
    uint8_t *buffer = malloc(PROCESS_MESSAGE_MAX);
    struct process_message message = {
        .id = 1, .type = type, .data = data, .length = length, .fd = -1};
    assert_int_equal(process_send(fd, &message, 0), BASE_OK);
    int error = process_receive(fd, buffer, &message, 5000);
    assert_true(error == BASE_OK || error == BASE_ENOENT);
    free(buffer);
    return error == BASE_ENOENT;
}

static void assert_closed(const struct service *service, uint32_t type, const void *data,
                          size_t length)
{
    int fd = connect_raw(service);
    assert_true(is_closed_after(fd, type, data, length));
    close(fd);
}

static void test_types(void **state)
{
    struct service *service = *state;
    assert_closed(service, 0, NULL, 0);
    assert_closed(service, KEYS_ANSWER, NULL, 0);
    assert_closed(service, KEYS_CONNECT, NULL, 0); /* without a descriptor */
    assert_closed(service, 99, "x", 1);
    assert_closed(service, KEYS_SETTLE, "x", 1);
    assert_closed(service, UINT32_MAX, NULL, 0);
    /* A descriptor where none belongs. */
    int fd = connect_raw(service);
    struct process_message message = {.type = KEYS_SETTLE, .fd = fd};
    assert_int_equal(process_send(fd, &message, 0), BASE_OK);
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&poller, 1, 5000), 1);
    close(fd);
}

static void test_provide(void **state)
{
    struct service *service = *state;
    struct base_buf buf;
    struct keys_provide provide = {.now = 1, .algorithm = 13};
    name_of("example.", provide.zone);
    base_buf_init(&buf, PROCESS_MESSAGE_MAX);
    keys_put_provide(&buf, &provide);
    for (size_t length = 0; length < buf.length; length++)
        assert_closed(service, KEYS_PROVIDE, buf.data, length);
    base_buf_u8(&buf, 0);
    assert_closed(service, KEYS_PROVIDE, buf.data, buf.length);
    buf.data[9 + 8] = 0xff; /* flags */
    assert_closed(service, KEYS_PROVIDE, buf.data, buf.length - 1);
    base_buf_free(&buf);
}

static void test_sign(void **state)
{
    struct service *service = *state;
    struct keys_client *client = connect_client(service);
    struct crypto_keydir keys = provide(client, "example.", 13, true, false, 1);
    const struct crypto_zone_key *key = &keys.keys[0];
    uint8_t digest[64] = {0}, id[CRYPTO_KEY_ID] = {0};
    struct base_buf buf;
    base_buf_init(&buf, PROCESS_MESSAGE_MAX);
    keys_put_sign(&buf, key->zone, key->id, false, 2);
    keys_put_item(&buf, digest, 32);
    keys_put_item(&buf, digest, 32);
    int fd = connect_raw(service);
    assert_false(is_closed_after(fd, KEYS_SIGN, buf.data, buf.length));
    for (size_t length = 0; length < buf.length; length += 3)
        assert_closed(service, KEYS_SIGN, buf.data, length);
    base_buf_u8(&buf, 0); /* something behind */
    assert_closed(service, KEYS_SIGN, buf.data, buf.length);
    static const size_t lengths[] = {0, 31, 33, 64};
    for (size_t i = 0; i < 4; i++) { /* no digest of this algorithm */
        base_buf_reset(&buf);
        keys_put_sign(&buf, key->zone, key->id, false, 1);
        keys_put_item(&buf, digest, lengths[i]);
        assert_closed(service, KEYS_SIGN, buf.data, buf.length);
    }
    static const size_t counts[] = {0, KEYS_ITEMS_MAX + 1, 65535};
    for (size_t i = 0; i < 3; i++) {
        base_buf_reset(&buf);
        keys_put_sign(&buf, key->zone, key->id, false, counts[i]);
        assert_closed(service, KEYS_SIGN, buf.data, buf.length);
    }
    base_buf_reset(&buf);
    keys_put_sign(&buf, key->zone, key->id, true, 1); /* parts that did not come */
    assert_closed(service, KEYS_SIGN, buf.data, buf.length);
    base_buf_reset(&buf);
    keys_put_sign(&buf, key->zone, id, false, 1); /* an unknown key is no crime */
    keys_put_item(&buf, digest, 32);
    assert_false(is_closed_after(fd, KEYS_SIGN, buf.data, buf.length));
    base_buf_reset(&buf);
    keys_put_sign(&buf, key->zone + 8, key->id, false, 1); /* nor one of another zone */
    keys_put_item(&buf, digest, 32);
    assert_false(is_closed_after(fd, KEYS_SIGN, buf.data, buf.length));
    close(fd);
    base_buf_free(&buf);
    /* All that did not touch the others. */
    assert_int_equal(check_key(key, 10, 10), BASE_OK);
    crypto_keydir_free(&keys);
    keys_client_free(client);
}

/* Parts without end. */
static void test_parts(void **state)
{
    int fd = connect_raw(*state);
    uint8_t *data = calloc(1, PROCESS_MESSAGE_MAX);
    struct process_message part = {
        .type = KEYS_PART, .data = data, .length = PROCESS_MESSAGE_MAX, .fd = -1};
    int error = BASE_OK;
    size_t sent = 0;
    while (error == BASE_OK && sent <= 2 * KEYS_PARTS_MAX) {
        error = process_send(fd, &part, 0);
        sent += part.length;
    }
    assert_int_equal(error, BASE_ENOENT);
    close(fd);
    free(data);
}

/* More channels than there may be: the last are turned away. */
static void test_channels(void **state)
{
    struct service *service = *state;
    int fds[KEYS_CHANNELS_MAX + 1];
    for (size_t i = 0; i < KEYS_CHANNELS_MAX; i++)
        fds[i] = connect_raw(service);
    assert_false(is_closed_after(fds[KEYS_CHANNELS_MAX - 1], KEYS_SETTLE, NULL, 0));
    fds[KEYS_CHANNELS_MAX] = connect_raw(service);
    struct pollfd poller = {.fd = fds[KEYS_CHANNELS_MAX], .events = POLLIN};
    assert_int_equal(poll(&poller, 1, 5000), 1);
    assert_true((poller.revents & POLLHUP) != 0);
    for (size_t i = 0; i <= KEYS_CHANNELS_MAX; i++)
        close(fds[i]);
}

/* A key process that answers nonsense is as good as none. */
static void *answer_nonsense(void *context)
{
    int fd = *(int *)context;
    uint8_t *buffer = malloc(PROCESS_MESSAGE_MAX);
    struct process_message message;
    for (uint64_t i = 0; process_receive(fd, buffer, &message, -1) == BASE_OK; i++) {
        struct process_message answer = {.id = message.id,
                                         .type = KEYS_ANSWER,
                                         .data = (const uint8_t *)"\0\0\0\0\0\0\0\0\0\1\xff",
                                         .length = 11,
                                         .fd = -1};
        process_send(fd, &answer, 0);
    }
    free(buffer);
    close(fd);
    return NULL;
}

static void test_bad_service(void **state)
{
    int pair[2];
    pthread_t thread;
    struct keys_client *client;
    struct keys_provided provided;
    struct sign_policy policy;
    struct base_findings findings;
    uint8_t zone[DNS_NAME_MAX];
    struct keys_request request = {.zone = zone, .policy = &policy, .now = 1};
    name_of("example.", zone);
    base_findings_init(&findings, 10);
    sign_policy_default(&policy);
    assert_int_equal(process_channel_pair(pair), BASE_OK);
    assert_int_equal(pthread_create(&thread, NULL, answer_nonsense, &pair[1]), 0);
    assert_int_equal(keys_client_new(pair[0], &client), BASE_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(keys_client_provide(client, &request, &findings, &provided), BASE_ENOENT);
    assert_true(keys_client_gone(client));
    keys_client_free(client);
    pthread_join(thread, NULL);
    base_findings_free(&findings);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_types), TEST(test_provide),  TEST(test_sign),
        TEST(test_parts), TEST(test_channels), TEST(test_bad_service),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
