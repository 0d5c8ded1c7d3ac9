/* Channels: whole messages, descriptors, time-outs, peers that die or send what is no message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "process/channel.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD 16 /* octets of a packet before the data */

struct ends {
    int fds[2];
    uint8_t *buffer;
};

static int open_pair(void **state)
{
    struct ends *ends = calloc(1, sizeof(*ends));
    ends->buffer = malloc(PROCESS_MESSAGE_MAX);
    assert_int_equal(process_channel_pair(ends->fds), BASE_OK);
    *state = ends;
    return 0;
}

static void close_end(struct ends *ends, int end)
{
    if (ends->fds[end] >= 0)
        close(ends->fds[end]);
    ends->fds[end] = -1;
}

static int close_pair(void **state)
{
    struct ends *ends = *state;
    close_end(ends, 0);
    close_end(ends, 1);
    free(ends->buffer);
    free(ends);
    return 0;
}

static struct process_message text(uint64_t id, const char *what)
{
    return (struct process_message){.id = id,
                                    .type = 7,
                                    .value = (uint32_t)BASE_EREFUSED,
                                    .data = (const uint8_t *)what,
                                    .length = strlen(what),
                                    .fd = -1};
}

static void test_messages(void **state)
{
    struct ends *ends = *state;
    struct process_message one = text(UINT64_MAX, "anchor"), two = text(2, ""), got;
    for (int end = 0; end < 2; end++) {
        assert_int_equal(fcntl(ends->fds[end], F_GETFD), FD_CLOEXEC);
        assert_int_equal(process_send(ends->fds[end], &one, 0), BASE_OK);
        assert_int_equal(process_send(ends->fds[end], &two, 1), BASE_OK);
        assert_int_equal(process_receive(ends->fds[!end], ends->buffer, &got, -1), BASE_OK);
        assert_true(got.id == UINT64_MAX && got.type == 7 && (int)got.value == BASE_EREFUSED);
        assert_int_equal(got.length, 6);
        assert_memory_equal(got.data, "anchor", 6);
        assert_int_equal(got.fd, -1);
        assert_int_equal(process_receive(ends->fds[!end], ends->buffer, &got, 1000), BASE_OK);
        assert_true(got.id == 2 && got.length == 0);
    }
}

static void test_largest(void **state)
{
    struct ends *ends = *state;
    uint8_t *data = malloc(PROCESS_MESSAGE_MAX + 1);
    for (size_t i = 0; i <= PROCESS_MESSAGE_MAX; i++)
        data[i] = (uint8_t)(i * 31);
    struct process_message message = {.data = data, .length = PROCESS_MESSAGE_MAX, .fd = -1}, got;
    assert_int_equal(process_send(ends->fds[0], &message, 1), BASE_OK);
    assert_int_equal(process_send(ends->fds[0], &message, 1), BASE_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(process_receive(ends->fds[1], ends->buffer, &got, 0), BASE_OK);
        assert_int_equal(got.length, PROCESS_MESSAGE_MAX);
        assert_memory_equal(got.data, data, PROCESS_MESSAGE_MAX);
    }
    message.length++;
    assert_int_equal(process_send(ends->fds[0], &message, 0), BASE_ERANGE);
    free(data);
}

/* The descriptor that comes is another one for the same file, and is not inherited. */
static void test_descriptor(void **state)
{
    struct ends *ends = *state;
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    struct process_message message = text(1, "take this"), got;
    message.fd = pipes[1];
    assert_int_equal(process_send(ends->fds[0], &message, 0), BASE_OK);
    assert_int_equal(process_receive(ends->fds[1], ends->buffer, &got, -1), BASE_OK);
    assert_true(got.fd >= 0 && got.fd != pipes[1]);
    assert_int_equal(fcntl(got.fd, F_GETFD), FD_CLOEXEC);
    char octet = 0;
    assert_int_equal(write(got.fd, "x", 1), 1);
    assert_int_equal(read(pipes[0], &octet, 1), 1);
    assert_int_equal(octet, 'x');
    close(got.fd);
    close(pipes[0]);
    close(pipes[1]);
}

static void test_time(void **state)
{
    struct ends *ends = *state;
    struct process_message got;
    assert_int_equal(process_receive(ends->fds[0], ends->buffer, &got, 0), BASE_ELIMIT);
    uint64_t start = base_clock_monotonic();
    assert_int_equal(process_receive(ends->fds[0], ends->buffer, &got, 30), BASE_ELIMIT);
    assert_true(base_clock_monotonic() - start >= 29000000u);
}

/* Without room: told so, or waited for. */
static void *take_all(void *context)
{
    struct ends *ends = context;
    struct process_message got;
    uint64_t expected = 0;
    usleep(20000);
    while (process_receive(ends->fds[1], ends->buffer, &got, -1) == BASE_OK)
        if (got.id != expected++)
            return NULL;
    return (void *)(uintptr_t)expected;
}

static void test_room(void **state)
{
    struct ends *ends = *state;
    uint8_t *data = calloc(1, PROCESS_MESSAGE_MAX);
    struct process_message message = {.data = data, .length = PROCESS_MESSAGE_MAX, .fd = -1};
    int error;
    while ((error = process_send(ends->fds[0], &message, 1)) == BASE_OK)
        message.id++;
    assert_int_equal(error, BASE_ELIMIT);
    assert_true(message.id >= 2);
    pthread_t thread;
    void *taken;
    assert_int_equal(pthread_create(&thread, NULL, take_all, ends), 0);
    for (int i = 0; i < 20; i++, message.id++) {
        if (i == 10) /* as an event loop has it */
            fcntl(ends->fds[0], F_SETFL, O_NONBLOCK);
        assert_int_equal(process_send(ends->fds[0], &message, 0), BASE_OK);
    }
    close_end(ends, 0);
    pthread_join(thread, &taken);
    assert_int_equal((uintptr_t)taken, message.id);
    free(data);
}

/* What was sent before the end still comes; then both directions tell that the peer is gone. */
static void test_gone(void **state)
{
    struct ends *ends = *state;
    struct process_message message = text(1, "last words"), got;
    assert_int_equal(process_send(ends->fds[0], &message, 0), BASE_OK);
    close_end(ends, 0);
    assert_int_equal(process_receive(ends->fds[1], ends->buffer, &got, -1), BASE_OK);
    assert_int_equal(got.length, 10);
    for (int timeout = -1; timeout < 2; timeout++)
        assert_int_equal(process_receive(ends->fds[1], ends->buffer, &got, timeout), BASE_ENOENT);
    assert_int_equal(process_send(ends->fds[1], &message, 0), BASE_ENOENT);
    assert_int_equal(process_send(ends->fds[1], &message, 1), BASE_ENOENT);
    close_end(ends, 1);
    assert_int_equal(process_send(-1, &message, 0), BASE_EIO);
}

static size_t open_files(void)
{
    size_t count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void send_raw(int fd, size_t length, size_t fd_count)
{
    static uint8_t data[HEAD + PROCESS_MESSAGE_MAX + 1];
    union {
        struct cmsghdr align;
        uint8_t room[CMSG_SPACE(32 * sizeof(int))];
    } control = {0};
    struct iovec part = {.iov_base = data, .iov_len = length};
    struct msghdr packet = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd_count > 0) {
        packet.msg_control = control.room;
        packet.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&packet);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        for (size_t i = 0; i < fd_count; i++)
            memcpy(CMSG_DATA(header) + i * sizeof(int), &fd, sizeof(int));
    }
    assert_int_equal(sendmsg(fd, &packet, 0), length);
}

/* Packets that are no messages: refused, what comes along is closed, the next one is read. */
static void test_bad_packets(void **state)
{
    struct ends *ends = *state;
    struct process_message message = text(5, "good"), got;
    size_t before = open_files();
    send_raw(ends->fds[0], 1, 0);
    send_raw(ends->fds[0], HEAD - 1, 1);
    send_raw(ends->fds[0], HEAD + PROCESS_MESSAGE_MAX + 1, 1);
    send_raw(ends->fds[0], HEAD, 2);
    send_raw(ends->fds[0], HEAD, 32);
    for (int i = 0; i < 5; i++)
        assert_int_equal(process_receive(ends->fds[1], ends->buffer, &got, -1), BASE_EFORMAT);
    assert_int_equal(open_files(), before);
    assert_int_equal(process_send(ends->fds[0], &message, 0), BASE_OK);
    assert_int_equal(process_receive(ends->fds[1], ends->buffer, &got, -1), BASE_OK);
    assert_int_equal(got.id, 5);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_pair, close_pair)
    const struct CMUnitTest tests[] = {
        TEST(test_messages), TEST(test_largest), TEST(test_descriptor),  TEST(test_time),
        TEST(test_room),     TEST(test_gone),    TEST(test_bad_packets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
