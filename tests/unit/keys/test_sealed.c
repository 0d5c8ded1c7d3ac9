/*
 * The key process in its sandbox: everything it is for still works.
 */
#include "support.h"

#include "process/sandbox.h"

#include <signal.h>
#include <sys/wait.h>

static int seal_for_good(void *context)
{
    struct service *service = context;
    struct process_path paths[] = {{service->directory, PROCESS_ALL}};
    return process_sandbox(PROCESS_SANDBOX_KEYS, paths, 1, &service->options.log, NULL);
}

/* The service in a process of its own: a sandbox cannot be left. */
static pid_t fork_service(struct service *service)
{
    int pair[2];
    assert_int_equal(process_channel_pair(pair), BASE_OK);
    service->options = (struct keys_service_options){.directory = service->directory,
                                                     .log = {.fd = STDERR_FILENO, .part = "keys"},
                                                     .seal = seal_for_good,
                                                     .context = service};
    service->options.log.least = BASE_LOG_ERROR;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(pair[0]);
        _exit(keys_service_run(pair[1], &service->options));
    }
    close(pair[1]);
    service->near = pair[0];
    return pid;
}

static void end_service(const struct service *service, pid_t pid)
{
    int status;
    close(service->near);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_sealed(void **state)
{
    static const unsigned algorithms[] = {8, 13, 15, 16};
    struct service service = {.directory = "/tmp/kenter-keys-XXXXXX"};
    assert_non_null(mkdtemp(service.directory));
    /* Keys made by the first are found by the second. */
    for (int run = 0; run < 2; run++) {
        pid_t pid = fork_service(&service);
        struct keys_client *client = connect_client(&service);
        for (size_t i = 0; i < 4; i++) {
            char zone[32];
            snprintf(zone, sizeof(zone), "zone%zu.example.", i);
            struct crypto_keydir keys =
                provide(client, zone, algorithms[i], false, i % 2 == 1, run == 0 ? 2 : 0);
            assert_int_equal(keys.count, 2);
            assert_int_equal(check_key(&keys.keys[1], 200, 7), BASE_OK);
            crypto_keydir_free(&keys);
        }
        struct base_findings findings;
        base_findings_init(&findings, 10);
        assert_int_equal(keys_client_settle(client, &findings), BASE_OK);
        base_findings_free(&findings);
        keys_client_free(client);
        end_service(&service, pid);
    }
    remove_tree(service.directory);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sealed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
