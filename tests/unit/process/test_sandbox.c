/*
 * Sandboxes and privileges, each tried in a process of its own: what is needed still works, what is
 * forbidden fails. Without kernel support, or under a sanitizer, the parts concerned are left out.
 */
#include "base/error.h"
#include "base/file.h"
#include "process/channel.h"
#include "process/privileges.h"
#include "process/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SKIPPED 77

static char root[] = "/tmp/kenter-sandbox-XXXXXX";
static struct base_log quiet;

static const char *in_root(const char *name)
{
    static char paths[8][128];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof(paths[0]), "%s/%s", root, name);
    return path;
}

static void write_file(const char *name)
{
    int fd = open(in_root(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "text", 4), 4);
    close(fd);
}

static int set_up(void **state)
{
    quiet = (struct base_log){.fd = open("/dev/null", O_WRONLY | O_CLOEXEC)};
    if (getenv("TEST_LOG") != NULL)
        quiet.fd = STDERR_FILENO;
    if (mkdtemp(root) == NULL || mkdir(in_root("mine"), 0750) != 0)
        return -1;
    write_file("mine/data");
    write_file("mine/lock");
    write_file("other");
    return 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"mine/data",  "mine/lock",   "mine/new",
                                        "mine/moved", "mine/socket", "other"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unlink(in_root(names[i]));
    rmdir(in_root("mine"));
    close(quiet.fd);
    return rmdir(root);
}

/* --- a process that tries things: the first that is not as it must be is its exit code --- */

#define MUST(number, condition)                                                                    \
    do {                                                                                           \
        if (!(condition))                                                                          \
            _exit(number);                                                                         \
    } while (0)

static int try(void (*attempt)(void))
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        attempt();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void expect_good(void (*attempt)(void))
{
    int status = try(attempt);
    if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED) {
        print_message("skipped: no sandbox here (kernel, or a build with a sanitizer)\n");
        skip();
    }
    if (WIFSIGNALED(status))
        print_message("signal %d\n", WTERMSIG(status));
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static bool opens(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0640);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool has_socket(int family, int type)
{
    int fd = socket(family, type | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static void *thread_main(void *data)
{
    void *memory = malloc(8 << 20);
    if (memory != NULL)
        memset(memory, 1, 8 << 20);
    free(memory);
    *(bool *)data = memory != NULL;
    return NULL;
}

static bool threads_work(void)
{
    pthread_t thread;
    bool worked = false;
    return pthread_create(&thread, NULL, thread_main, &worked) == 0 &&
           pthread_join(thread, NULL) == 0 && worked;
}

static bool talks(int fds[2])
{
    static uint8_t buffer[PROCESS_MESSAGE_MAX];
    struct process_message message = {.id = 1, .fd = fds[0]}, got;
    if (process_send(fds[0], &message, 0) != BASE_OK ||
        process_receive(fds[1], buffer, &got, 1000) != BASE_OK)
        return false;
    close(got.fd);
    return true;
}

static bool forks(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid > 0;
}

/* Seals with the directory "mine"; the process ends when there is nothing to be tried. */
static struct process_sealed seal(enum process_sandbox kind, unsigned access)
{
    struct process_path paths[] = {{in_root("mine"), access}, {in_root("missing"), PROCESS_ALL}};
    struct process_sealed sealed;
    MUST(1, process_sandbox(kind, paths, 2, &quiet, &sealed) == BASE_OK);
    if (!sealed.files && !sealed.calls)
        _exit(SKIPPED);
    return sealed;
}

static void be_keys(void)
{
    int fds[2];
    MUST(2, process_channel_pair(fds) == BASE_OK);
    struct process_sealed sealed = seal(PROCESS_SANDBOX_KEYS, PROCESS_ALL);
    MUST(3, threads_work());
    MUST(4, talks(fds));
    /* Its own directory is as before: writing aside, renaming, removing. */
    struct base_file_writer *writer;
    MUST(5, base_file_create(in_root("mine/new"), 0600, &writer) == BASE_OK);
    MUST(6, base_file_write(writer, "key", 3) == BASE_OK);
    MUST(7, base_file_commit(writer) == BASE_OK);
    MUST(8, rename(in_root("mine/new"), in_root("mine/moved")) == 0);
    MUST(9, chmod(in_root("mine/moved"), 0400) == 0 && unlink(in_root("mine/moved")) == 0);
    MUST(10, mkdir(in_root("mine/zone"), 0700) == 0 && rmdir(in_root("mine/zone")) == 0);
    uint8_t *data;
    size_t length;
    MUST(11, base_file_read(in_root("mine/data"), 100, &data, &length) == BASE_OK);
    free(data);
    base_log(&quiet, 0, BASE_LOG_INFO, "still logs");
    if (sealed.files) {
        MUST(20, !opens(in_root("other"), O_RDONLY) && errno == EACCES);
        MUST(21, !opens(in_root("another"), O_WRONLY | O_CREAT));
        MUST(22, !opens("/etc/passwd", O_RDONLY));
        MUST(23, rename(in_root("mine/data"), in_root("data")) != 0);
    }
    if (sealed.calls) {
        MUST(30, !has_socket(AF_INET, SOCK_STREAM) && errno == EPERM);
        MUST(31, !has_socket(AF_UNIX, SOCK_DGRAM));
        MUST(32, !forks());
        MUST(33, mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
                     MAP_FAILED);
        MUST(34, prctl(PR_SET_DUMPABLE, 1) != 0);
        MUST(35, kill(getppid(), 0) != 0);
    }
}

static bool udp_works(int fd)
{
    struct sockaddr_in address;
    socklen_t length = sizeof(address);
    char octet = 1;
    struct iovec part = {.iov_base = &octet, .iov_len = 1};
    struct mmsghdr packet = {.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}};
    if (getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        return false;
    packet.msg_hdr.msg_name = &address;
    packet.msg_hdr.msg_namelen = length;
    return sendmmsg(fd, &packet, 1, 0) == 1 && recvmmsg(fd, &packet, 1, MSG_WAITFORONE, NULL) == 1;
}

static int open_loopback(int type)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    MUST(2, fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    return fd;
}

static void be_serve(void)
{
    int udp = open_loopback(SOCK_DGRAM), tcp = open_loopback(SOCK_STREAM);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int late = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address;
    socklen_t length = sizeof(address);
    MUST(2, listen(tcp, 4) == 0 && getsockname(tcp, (struct sockaddr *)&address, &length) == 0);
    MUST(2, connect(client, (struct sockaddr *)&address, length) == 0);
    int lock = open(in_root("mine/lock"), O_RDWR | O_CLOEXEC);
    int fds[2];
    MUST(2, process_channel_pair(fds) == BASE_OK);
    struct process_sealed sealed = seal(PROCESS_SANDBOX_SERVE, PROCESS_READ);
    MUST(3, threads_work());
    MUST(4, talks(fds));
    MUST(5, udp_works(udp));
    int taken = accept4(tcp, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    MUST(6, taken >= 0 && write(taken, "x", 1) == 1);
    /* What is open to be written stays so: the readers' table of the image. */
    struct flock region = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    MUST(7, fcntl(lock, F_SETLK, &region) == 0 && pwrite(lock, "x", 1, 0) == 1);
    void *map = mmap(NULL, 4, PROT_READ | PROT_WRITE, MAP_SHARED, lock, 0);
    MUST(8, map != MAP_FAILED);
    int data = open(in_root("mine/data"), O_RDONLY | O_CLOEXEC);
    MUST(9, data >= 0 && mmap(NULL, 4, PROT_READ, MAP_SHARED, data, 0) != MAP_FAILED);
    MUST(20, !opens(in_root("mine/data"), O_RDWR));
    MUST(21, !opens(in_root("mine/data"), O_WRONLY));
    MUST(22, !opens(in_root("mine/new"), O_WRONLY | O_CREAT));
    MUST(23, unlink(in_root("mine/data")) != 0);
    MUST(24, connect(late, (struct sockaddr *)&address, length) != 0);
    if (sealed.files)
        MUST(25, !opens(in_root("other"), O_RDONLY));
    if (sealed.calls) {
        MUST(30, !opens(in_root("mine/data"), O_RDONLY | O_TRUNC));
        MUST(31, !opens(in_root("mine"), O_TMPFILE | O_RDWR));
        MUST(32, !has_socket(AF_INET, SOCK_DGRAM) && errno == EPERM);
        MUST(33, !forks());
        MUST(34, truncate(in_root("mine/data"), 0) != 0);
        MUST(35, rename(in_root("mine/data"), in_root("mine/moved")) != 0);
        MUST(36, mprotect(map, 4096, PROT_READ | PROT_EXEC) != 0);
        struct rlimit limit = {0, 0};
        MUST(37, getrlimit(RLIMIT_NOFILE, &limit) == 0 && setrlimit(RLIMIT_CORE, &limit) != 0);
    }
}

static void be_control(void)
{
    struct process_sealed sealed = seal(PROCESS_SANDBOX_CONTROL, PROCESS_ALL);
    MUST(3, threads_work());
    MUST(4, has_socket(AF_INET, SOCK_STREAM) && has_socket(AF_UNIX, SOCK_STREAM));
    MUST(5, opens("/etc/passwd", O_RDONLY));
    MUST(6, opens(in_root("mine/data"), O_RDWR));
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", in_root("mine/socket"));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    MUST(7, bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    MUST(8, unlink(in_root("mine/socket")) == 0);
    if (sealed.files) {
        MUST(20, !opens(in_root("other"), O_RDONLY));
        MUST(21, !opens("/etc/kenter-test", O_WRONLY | O_CREAT));
    }
    if (sealed.calls)
        MUST(30, !forks());
}

static void test_keys(void **state)
{
    expect_good(be_keys);
}

static void test_serve(void **state)
{
    expect_good(be_serve);
}

static void test_control(void **state)
{
    expect_good(be_control);
}

/* --- programs --- */

static enum process_sandbox executing;

static void execute(void)
{
    struct process_sealed sealed = seal(executing, PROCESS_ALL);
    if (!sealed.calls)
        _exit(SKIPPED);
    char name[] = "true";
    char *arguments[] = {name, NULL};
    execv("/bin/true", arguments);
    _exit(1);
}

static void test_execute(void **state)
{
    static const enum process_sandbox kinds[] = {PROCESS_SANDBOX_KEYS, PROCESS_SANDBOX_CONTROL,
                                                 PROCESS_SANDBOX_SERVE};
    for (size_t i = 0; i < 3; i++) {
        executing = kinds[i];
        int status = try(execute);
        if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
            skip();
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGSYS);
    }
}

static void *wait_main(void *data)
{
    pause();
    return NULL;
}

/* Threads that are there already would go free. */
static void seal_late(void)
{
    pthread_t thread;
    MUST(2, pthread_create(&thread, NULL, wait_main, NULL) == 0);
    struct process_sealed sealed = {0};
    int error = process_sandbox(PROCESS_SANDBOX_SERVE, NULL, 0, &quiet, &sealed);
    if (error == BASE_OK && !sealed.files && !sealed.calls)
        _exit(SKIPPED);
    MUST(3, error == BASE_EINVAL);
}

static void test_late(void **state)
{
    expect_good(seal_late);
}

/* --- privileges --- */

static void become_user(void)
{
    struct process_user user;
    if (geteuid() != 0)
        _exit(SKIPPED);
    MUST(2, process_user_find("nobody", NULL, &quiet, &user) == BASE_OK);
    MUST(3, process_hand_over(&user, in_root("other")) == BASE_OK);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (process_become(&user, false, &quiet) != BASE_OK)
        _exit(4);
    struct stat status;
    MUST(5, stat(root, &status) == 0);
    MUST(6, getuid() == user.uid && getegid() == user.gid && getgroups(0, NULL) == 0);
    MUST(7, setuid(0) != 0 && setgid(0) != 0);
    int death = 0;
    MUST(8, prctl(PR_GET_PDEATHSIG, &death) == 0 && death == SIGKILL);
    MUST(9, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    MUST(10, process_user_find("root", NULL, &quiet, &user) == BASE_EREFUSED);
    MUST(11, process_user_find("daemon", NULL, &quiet, &user) == BASE_EREFUSED);
    MUST(12, process_user_find("nobody", NULL, &quiet, &user) == BASE_OK);
    MUST(13, process_become(&user, false, &quiet) == BASE_OK);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(7)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int unprivileged = 1024;
    FILE *file = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
    if (file != NULL && fscanf(file, "%d", &unprivileged) == 1 && unprivileged > 7)
        MUST(14, bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0);
}

static void become_and_bind(void)
{
    struct process_user user;
    if (geteuid() != 0)
        _exit(SKIPPED);
    MUST(2, process_user_find("nobody", NULL, &quiet, &user) == BASE_OK);
    MUST(3, process_become(&user, true, &quiet) == BASE_OK);
    MUST(4, getuid() == user.uid && setuid(0) != 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(7)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    MUST(5, bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 || errno == EADDRINUSE);
    MUST(6, chown(root, 0, 0) != 0);
}

static void stay(void)
{
    struct process_user user;
    MUST(2, process_user_find(NULL, NULL, &quiet, &user) == BASE_OK);
    MUST(3, user.name[0] == '\0' && user.uid == geteuid());
    MUST(4, process_hand_over(&user, "/nowhere") == BASE_OK);
    MUST(5, process_become(&user, true, &quiet) == BASE_OK && geteuid() == user.uid);
    process_hide();
    struct rlimit limit;
    MUST(6, getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur == 0);
    MUST(7, prctl(PR_GET_DUMPABLE) == 0);
    MUST(8, process_raise_files(64) >= 64);
    process_umask();
    MUST(9, umask(0) == 0027);
}

static void test_become(void **state)
{
    expect_good(become_user);
}

static void test_become_and_bind(void **state)
{
    expect_good(become_and_bind);
}

static void test_stay(void **state)
{
    expect_good(stay);
}

static void test_user_refused(void **state)
{
    struct process_user user;
    assert_int_equal(process_user_find("no-such-user-here", NULL, &quiet, &user), BASE_EREFUSED);
    assert_int_equal(process_user_find("root", NULL, &quiet, &user), BASE_EREFUSED);
    assert_int_equal(process_user_find("0", NULL, &quiet, &user), BASE_EREFUSED);
    assert_int_equal(process_user_find("nobody", "no-such-group", &quiet, &user), BASE_EREFUSED);
    assert_int_equal(process_user_find("nobody", "root", &quiet, &user), BASE_EREFUSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_serve),
        cmocka_unit_test(test_control),
        cmocka_unit_test(test_execute),
        cmocka_unit_test(test_late),
        cmocka_unit_test(test_become),
        cmocka_unit_test(test_become_and_bind),
        cmocka_unit_test(test_stay),
        cmocka_unit_test(test_user_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
