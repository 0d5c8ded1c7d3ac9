/*
 * Fork and execute. The child inherits standard input, output and error, and its channel, nothing
 * else.
 */
#include "process/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define CHANNEL_FD 3 /* in the child */
#define NOT_RUN    127

static char channel_text[] = PROCESS_CHANNEL_VARIABLE "=3";

/* What is between this process and who started it, and not the child's business. */
static bool is_private(const char *variable)
{
    static const char *const names[] = {"NOTIFY_SOCKET=",
                                        "WATCHDOG_USEC=",
                                        "WATCHDOG_PID=",
                                        "LISTEN_FDS=",
                                        "LISTEN_PID=",
                                        "LISTEN_FDNAMES=",
                                        PROCESS_CHANNEL_VARIABLE "=",
                                        PROCESS_SUPERVISOR_VARIABLE "=",
                                        PROCESS_GENERATION_VARIABLE "="};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strncmp(variable, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

/* The array is the caller's; the texts are not. */
static char **make_environment(char *supervisor, char *generation)
{
    size_t count = 0, kept = 0;
    while (environ != NULL && environ[count] != NULL)
        count++;
    char **variables = calloc(count + 4, sizeof(*variables));
    if (variables == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        if (!is_private(environ[i]))
            variables[kept++] = environ[i];
    variables[kept++] = channel_text;
    variables[kept++] = supervisor;
    variables[kept] = generation;
    return variables;
}

static _Noreturn void give_up(const struct process_launch *launch, const char *what)
{
    base_log(launch->log, base_clock_now(), BASE_LOG_ERROR, "%s: %s: %s", launch->role->name, what,
             strerror(errno));
    _exit(NOT_RUN);
}

static _Noreturn void become(const struct process_launch *launch, pid_t supervisor,
                             char **environment)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != supervisor)
        _exit(NOT_RUN);
    if (launch->channel == CHANNEL_FD ? fcntl(CHANNEL_FD, F_SETFD, 0) != 0
                                      : dup2(launch->channel, CHANNEL_FD) < 0)
        give_up(launch, "its channel cannot be passed on");
    /* Everything else is close-on-exec already; this is for what the supervisor itself inherited.
     * A kernel without the call leaves just that open. */
    close_range(CHANNEL_FD + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    if (launch->role->prepare != NULL && launch->role->prepare(launch->role->context) != BASE_OK)
        _exit(NOT_RUN);
    sigprocmask(SIG_SETMASK, launch->mask, NULL);
    const char *executable = launch->executable != NULL ? launch->executable : "/proc/self/exe";
    execve(executable, (char *const *)(uintptr_t)launch->role->arguments, environment);
    give_up(launch, "the program cannot be executed");
}

int process_launch(const struct process_launch *launch, pid_t *out)
{
    pid_t self = getpid();
    char supervisor[64], generation[64];
    snprintf(supervisor, sizeof(supervisor), PROCESS_SUPERVISOR_VARIABLE "=%ld", (long)self);
    snprintf(generation, sizeof(generation), PROCESS_GENERATION_VARIABLE "=%u", launch->generation);
    char **environment = make_environment(supervisor, generation);
    if (environment == NULL)
        return BASE_ENOMEM;
    pid_t pid = fork();
    if (pid == 0)
        become(launch, self, environment);
    free(environment);
    if (pid < 0)
        return BASE_EIO;
    *out = pid;
    return BASE_OK;
}
