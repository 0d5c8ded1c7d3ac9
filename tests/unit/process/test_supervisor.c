/*
 * The supervisor with toy processes: this program again, with --role. It is also the example of how
 * its interfaces are used. `serve` asks `control`, which asks `keys`; whoever is killed comes back,
 * the others go on, and questions are answered again.
 */
#include "base/clock.h"
#include "process/notify.h"
#include "process/supervisor.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum toy { TOY_KEYS, TOY_CONTROL, TOY_SERVE, TOYS };
static const char *const toy_names[TOYS] = {"keys", "control", "serve"};
#define TOY_PEERS 256

/* What the test sees of its processes. */
struct board {
    struct {
        atomic_int pid, starts, peers, ended, reloads;
    } toys[TOYS];
    atomic_int rounds, ends, port, refuse, deaf, restart, again;
};
static struct board *board;
static char board_path[] = "/tmp/kenter-test-XXXXXX";

static struct board *map_board(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    void *map = mmap(NULL, sizeof(struct board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return map == MAP_FAILED ? NULL : map;
}

/* --- a process --- */

struct actor {
    enum toy toy;
    struct process_child child;
    struct pollfd polls[TOY_PEERS + 1]; /* the supervisor, then the peers */
    enum toy whose[TOY_PEERS + 1];
    size_t count;
    uint8_t buffer[PROCESS_MESSAGE_MAX];
};

static void drop_peer(struct actor *actor, size_t index)
{
    close(actor->polls[index].fd);
    actor->count--;
    actor->polls[index] = actor->polls[actor->count];
    actor->whose[index] = actor->whose[actor->count];
}

static void send_to(struct actor *actor, enum toy toy, uint64_t id)
{
    for (size_t i = 1; i < actor->count; i++) {
        struct process_message message = {.id = id, .fd = -1};
        if (actor->whose[i] == toy && process_send(actor->polls[i].fd, &message, 1) == BASE_OK)
            return;
    }
}

static void hear(struct actor *actor, size_t index)
{
    struct process_message message;
    int error = process_receive(actor->polls[index].fd, actor->buffer, &message, 0);
    if (error == BASE_ENOENT)
        drop_peer(actor, index);
    if (error != BASE_OK)
        return;
    if (actor->toy == TOY_KEYS)
        process_send(actor->polls[index].fd, &message, 1);
    else if (actor->toy == TOY_SERVE)
        atomic_fetch_add(&board->rounds, 1);
    else
        send_to(actor, actor->whose[index] == TOY_KEYS ? TOY_SERVE : TOY_KEYS, message.id);
}

static void meet(struct actor *actor, const struct process_event *event)
{
    if (actor->count > TOY_PEERS) {
        close(event->fd);
        return;
    }
    for (int toy = 0; toy < TOYS; toy++)
        if (strcmp(event->name, toy_names[toy]) == 0)
            actor->whose[actor->count] = (enum toy)toy;
    actor->polls[actor->count++] = (struct pollfd){.fd = event->fd, .events = POLLIN};
    atomic_fetch_add(&board->toys[actor->toy].peers, 1);
}

static void take_socket(const struct process_event *event)
{
    struct sockaddr_in address;
    socklen_t length = sizeof(address);
    if (event->endpoint == 7 && event->worker == 1 && event->protocol == 2 &&
        getsockname(event->fd, (struct sockaddr *)&address, &length) == 0)
        atomic_store(&board->port, ntohs(address.sin_port));
    close(event->fd);
}

/* False: to end. */
static bool attend(struct actor *actor)
{
    struct process_event event;
    int error = process_child_receive(&actor->child, &event, 0);
    if (error != BASE_OK)
        return error == BASE_ELIMIT;
    switch (event.type) {
    case PROCESS_PEER:
        meet(actor, &event);
        return true;
    case PROCESS_SOCKET:
        take_socket(&event);
        return true;
    case PROCESS_RELOAD:
        atomic_fetch_add(&board->toys[actor->toy].reloads, 1);
        if (atomic_load(&board->again) == 1 + (int)actor->toy)
            _exit(PROCESS_EXIT_AGAIN);
        return true;
    case PROCESS_STOP:
        return atomic_load(&board->deaf) == 1 + (int)actor->toy;
    default:
        return true;
    }
}

static int act(struct actor *actor)
{
    bool go_on = true;
    while (go_on) {
        poll(actor->polls, actor->count, 5);
        if (actor->toy == TOY_SERVE)
            send_to(actor, TOY_CONTROL, 1);
        for (size_t i = actor->count - 1; i > 0; i--)
            if (actor->polls[i].revents != 0)
                hear(actor, i);
        if (actor->polls[0].revents != 0)
            go_on = attend(actor);
        process_child_alive(&actor->child);
        if (!go_on && atomic_load(&board->deaf) == 1 + (int)actor->toy)
            pause();
    }
    atomic_store(&board->toys[actor->toy].ended, 1 + atomic_fetch_add(&board->ends, 1));
    return PROCESS_EXIT_END;
}

static int run_role(const char *name, const char *path)
{
    static struct actor actor;
    while (actor.toy < TOYS && strcmp(toy_names[actor.toy], name) != 0)
        actor.toy++;
    board = map_board(path);
    if (actor.toy == TOYS || board == NULL || process_child_begin(&actor.child) != BASE_OK ||
        actor.child.fd < 0)
        return 1;
    if (atomic_load(&board->refuse) == 1 + (int)actor.toy)
        return PROCESS_EXIT_REFUSED;
    actor.polls[0] = (struct pollfd){.fd = actor.child.fd, .events = POLLIN};
    actor.count = 1;
    atomic_store(&board->toys[actor.toy].pid, getpid());
    atomic_fetch_add(&board->toys[actor.toy].starts, 1);
    process_child_status(&actor.child, "plays");
    process_child_ready(&actor.child);
    if (actor.toy == TOY_SERVE)
        process_child_ask(&actor.child, "control");
    int code = act(&actor);
    while (actor.count > 1)
        drop_peer(&actor, 1);
    process_child_end(&actor.child);
    return code;
}

/* --- the supervisor, in a process of its own --- */

static int give_socket(void *context, struct process_supervisor *supervisor, const char *name)
{
    struct process_message socket = {.type = PROCESS_SOCKET,
                                     .id = 7,
                                     .value = process_socket_value(1, 2),
                                     .fd = *(int *)context};
    struct process_message all = {.type = PROCESS_SOCKETS, .value = 1, .fd = -1};
    int error = process_supervisor_give(supervisor, name, &socket);
    return error == BASE_OK ? process_supervisor_give(supervisor, name, &all) : error;
}

static int reload(void *context, struct process_supervisor *supervisor)
{
    int toy = atomic_exchange(&board->restart, 0);
    return toy == 0 ? BASE_OK : process_supervisor_restart(supervisor, toy_names[toy - 1]);
}

static int supervise(int socket)
{
    static const char *const arguments[TOYS][5] = {{"test", "--role", "keys", board_path, NULL},
                                                   {"test", "--role", "control", board_path, NULL},
                                                   {"test", "--role", "serve", board_path, NULL}};
    const struct process_role roles[TOYS] = {
        {.name = "keys", .arguments = arguments[0], .stop_order = 3, .stop_ms = 5000},
        {.name = "control", .arguments = arguments[1], .stop_order = 2, .stop_ms = 300},
        {.name = "serve",
         .arguments = arguments[2],
         .started = give_socket,
         .context = &socket,
         .stop_order = 1,
         .stop_ms = 5000,
         .silence_ms = 20000},
    };
    const struct process_link links[] = {{"control", "keys", 40}, {"serve", "control", 1}};
    struct process_supervisor_options options = {
        .roles = roles, .role_count = TOYS, .links = links, .link_count = 2, .reload = reload};
    options.log = (struct base_log){.fd = open("/dev/null", O_WRONLY | O_CLOEXEC)};
    if (getenv("TEST_LOG") != NULL)
        options.log.fd = STDERR_FILENO;
    struct process_supervisor *supervisor;
    if (process_supervisor_new(&options, &supervisor) != BASE_OK)
        return 100;
    int code = process_supervisor_run(supervisor);
    process_supervisor_free(supervisor);
    close(socket);
    return code;
}

static int open_udp(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void begin(void)
{
    memset(board, 0, sizeof(*board));
}

static pid_t fork_supervisor(void)
{
    int fd = open_udp();
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(supervise(fd));
    close(fd);
    return pid;
}

static void nap(void)
{
    poll(NULL, 0, 2);
}

static void wait_for(atomic_int *what, int least)
{
    for (int i = 0; i < 10000 && atomic_load(what) < least; i++)
        nap();
    assert_true(atomic_load(what) >= least);
}

static int exit_code(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void wait_for_start(void)
{
    for (int toy = 0; toy < TOYS; toy++)
        wait_for(&board->toys[toy].starts, 1);
    wait_for(&board->rounds, 10);
}

/* --- tests --- */

static void test_killed_at_random(void **state)
{
    begin();
    pid_t pid = fork_supervisor();
    wait_for_start();
    wait_for(&board->port, 1);
    int port = atomic_load(&board->port);
    srand(7);
    for (int i = 0; i < 12; i++) {
        int victim = rand() % TOYS, before[TOYS], starts[TOYS];
        for (int toy = 0; toy < TOYS; toy++) {
            before[toy] = atomic_load(&board->toys[toy].pid);
            starts[toy] = atomic_load(&board->toys[toy].starts);
        }
        atomic_store(&board->port, 0);
        kill(before[victim], rand() % 2 ? SIGKILL : SIGTERM);
        wait_for(&board->toys[victim].starts, starts[victim] + 1);
        wait_for(&board->rounds, atomic_load(&board->rounds) + 5);
        for (int toy = 0; toy < TOYS; toy++) {
            int now = atomic_load(&board->toys[toy].pid);
            assert_true(toy == victim ? now != before[toy] : now == before[toy]);
        }
        if (victim == TOY_SERVE) {
            wait_for(&board->port, 1);
            assert_int_equal(atomic_load(&board->port), port);
        }
    }
    kill(pid, SIGHUP);
    for (int toy = 0; toy < TOYS; toy++)
        wait_for(&board->toys[toy].reloads, 1);
    kill(pid, SIGTERM);
    assert_int_equal(exit_code(pid), 0);
    assert_int_equal(atomic_load(&board->toys[TOY_SERVE].ended), 1);
    assert_int_equal(atomic_load(&board->toys[TOY_CONTROL].ended), 2);
    assert_int_equal(atomic_load(&board->toys[TOY_KEYS].ended), 3);
}

/* Told to end and to come back, and coming back of its own will. */
static void test_restart(void **state)
{
    begin();
    pid_t pid = fork_supervisor();
    wait_for_start();
    int keys = atomic_load(&board->toys[TOY_KEYS].pid);
    for (int i = 1; i <= 6; i++) {
        atomic_store(&board->restart, i % 2 ? 1 + TOY_SERVE : 0);
        atomic_store(&board->again, i % 2 ? 0 : 1 + TOY_SERVE);
        kill(pid, SIGHUP);
        wait_for(&board->toys[TOY_SERVE].starts, 1 + i);
        wait_for(&board->toys[TOY_KEYS].reloads, i);
        wait_for(&board->rounds, atomic_load(&board->rounds) + 5);
        assert_int_equal(atomic_load(&board->ends), (i + 1) / 2);
    }
    assert_int_equal(atomic_load(&board->toys[TOY_KEYS].pid), keys);
    kill(pid, SIGTERM);
    assert_int_equal(exit_code(pid), 0);
}

static void test_die_with_supervisor(void **state)
{
    begin();
    pid_t pid = fork_supervisor();
    wait_for_start();
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    for (int toy = 0; toy < TOYS; toy++) {
        int child = atomic_load(&board->toys[toy].pid);
        /* It may stay a zombie, when nobody above takes it away. */
        bool gone = false;
        for (int i = 0; i < 2000 && !gone; i++) {
            char path[64], text[256] = "";
            snprintf(path, sizeof(path), "/proc/%d/stat", child);
            int fd = open(path, O_RDONLY | O_CLOEXEC);
            gone = fd < 0;
            if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0) {
                const char *end = strrchr(text, ')');
                gone = end != NULL && end[2] == 'Z';
            }
            if (fd >= 0)
                close(fd);
            nap();
        }
        assert_true(gone);
    }
}

static void test_refuse(void **state)
{
    begin();
    atomic_store(&board->refuse, 1 + TOY_CONTROL);
    assert_int_equal(exit_code(fork_supervisor()), 3);
    assert_int_equal(atomic_load(&board->toys[TOY_CONTROL].starts), 0);
}

static void test_deadline(void **state)
{
    begin();
    atomic_store(&board->deaf, 1 + TOY_CONTROL);
    pid_t pid = fork_supervisor();
    wait_for_start();
    uint64_t began = base_clock_monotonic();
    kill(pid, SIGINT);
    assert_int_equal(exit_code(pid), 0);
    uint64_t took = (base_clock_monotonic() - began) / 1000000;
    assert_true(took >= 290 && took < 4000);
    assert_int_equal(atomic_load(&board->toys[TOY_CONTROL].ended), 0);
    assert_int_equal(atomic_load(&board->toys[TOY_KEYS].ended), 2);
}

static bool hears(int fd, const char *what)
{
    char text[1024];
    for (;;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (poll(&wait, 1, 5000) != 1)
            return false;
        ssize_t length = recv(fd, text, sizeof(text) - 1, 0);
        if (length < 0)
            return false;
        text[length] = '\0';
        if (strstr(text, what) != NULL)
            return true;
    }
}

static void test_notify(void **state)
{
    begin();
    char name[64];
    snprintf(name, sizeof(name), "@kenter-test-%ld", (long)getpid());
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
    setenv("NOTIFY_SOCKET", name, 1);
    setenv("WATCHDOG_USEC", "60000", 1);
    pid_t pid = fork_supervisor();
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    assert_true(hears(fd, "READY=1"));
    assert_true(hears(fd, "WATCHDOG=1"));
    kill(pid, SIGHUP);
    assert_true(hears(fd, "RELOADING=1\nMONOTONIC_USEC="));
    kill(pid, SIGTERM);
    assert_true(hears(fd, "STOPPING=1"));
    assert_int_equal(exit_code(pid), 0);
    close(fd);
}

static void test_activated(void **state)
{
    struct process_activated sockets[4];
    char pid[24];
    unsetenv("LISTEN_PID");
    assert_int_equal(process_activated(sockets, 4), 0);
    snprintf(pid, sizeof(pid), "%ld", (long)getpid());
    setenv("LISTEN_PID", "1", 1);
    setenv("LISTEN_FDS", "2", 1);
    setenv("LISTEN_FDNAMES", "dns:dot", 1);
    assert_int_equal(process_activated(sockets, 4), 0);
    setenv("LISTEN_PID", pid, 1);
    int open_too = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int fds[2] = {dup2(open_too, 3), dup2(open_too, 4)};
    assert_int_equal(process_activated(sockets, 4), 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sockets[i].fd, fds[i]);
        assert_int_equal(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
        assert_int_equal(sockets[i].name_length, 3);
        assert_memory_equal(sockets[i].name, i == 0 ? "dns" : "dot", 3);
        close(fds[i]);
    }
    unsetenv("LISTEN_PID");
}

static void test_backoff(void **state)
{
    struct process_backoff backoff = {0};
    static const unsigned delays[] = {0, 0, 0, 50, 100, 200, 400, 800, 1600, 3200, 5000, 5000};
    for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++)
        assert_int_equal(process_backoff_next(&backoff, i * 10), delays[i]);
    for (int i = 0; i < 100; i++)
        assert_int_equal(process_backoff_next(&backoff, 0), PROCESS_BACKOFF_MAX_MS);
    assert_int_equal(process_backoff_next(&backoff, 60000), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(process_backoff_next(&backoff, 0), i < 3 ? 0 : 50);
}

static void test_bad_options(void **state)
{
    static const char *const arguments[] = {"test", NULL};
    const struct process_role roles[] = {{.name = "a", .arguments = arguments},
                                         {.name = "a", .arguments = arguments}};
    const struct process_link links[] = {{"a", "b", 1}};
    struct process_supervisor *supervisor;
    struct process_supervisor_options options = {.roles = roles, .role_count = 2};
    assert_int_equal(process_supervisor_new(&options, &supervisor), BASE_EINVAL);
    options.role_count = 1;
    options.links = links;
    options.link_count = 1;
    assert_int_equal(process_supervisor_new(&options, &supervisor), BASE_EINVAL);
    options.link_count = 0;
    assert_int_equal(process_supervisor_new(&options, &supervisor), BASE_OK);
    process_supervisor_free(supervisor);
}

/* Without a supervisor a role runs all the same. */
static void test_alone(void **state)
{
    struct process_child child;
    struct process_event event;
    unsetenv(PROCESS_CHANNEL_VARIABLE);
    assert_int_equal(process_child_begin(&child), BASE_OK);
    assert_int_equal(child.fd, -1);
    process_child_ready(&child);
    assert_int_equal(process_child_receive(&child, &event, 1), BASE_ELIMIT);
    process_child_end(&child);
    setenv(PROCESS_CHANNEL_VARIABLE, "0", 1);
    assert_int_equal(process_child_begin(&child), BASE_EFORMAT);
    setenv(PROCESS_CHANNEL_VARIABLE, "x", 1);
    assert_int_equal(process_child_begin(&child), BASE_EFORMAT);
    unsetenv(PROCESS_CHANNEL_VARIABLE);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--role") == 0)
        return run_role(argv[2], argv[3]);
    int fd = mkstemp(board_path);
    if (fd < 0 || ftruncate(fd, sizeof(struct board)) != 0 ||
        (board = map_board(board_path)) == NULL)
        return 1;
    close(fd);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed_at_random),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_die_with_supervisor),
        cmocka_unit_test(test_refuse),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_notify),
        cmocka_unit_test(test_activated),
        cmocka_unit_test(test_backoff),
        cmocka_unit_test(test_bad_options),
        cmocka_unit_test(test_alone),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(board_path);
    munmap(board, sizeof(*board));
    return failed;
}
