/*
 * The two locks of a sandbox, one after the other.
 */
#include "process/sandbox.h"

#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>

/* Sanitizers stop the world with ptrace and read /proc at exit. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static unsigned count_threads(void)
{
    unsigned count = 0;
    DIR *directory = opendir("/proc/self/task");
    if (directory == NULL)
        return 1; /* it cannot be told */
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

static int report(int error, const char *what, const struct base_log *log, bool *done)
{
    *done = error == BASE_OK;
    if (error == BASE_EUNSUPPORTED) {
        base_log(log, base_clock_now(), BASE_LOG_WARNING,
                 "This kernel has no %s, so this part of the sandbox is missing.", what);
        return BASE_OK;
    }
    if (error != BASE_OK)
        base_log(log, base_clock_now(), BASE_LOG_ERROR, "The sandbox (%s) cannot be made: %s", what,
                 error == BASE_EIO ? strerror(errno) : base_strerror(error));
    return error;
}

int process_sandbox(enum process_sandbox kind, const struct process_path *paths, size_t count,
                    const struct base_log *log, struct process_sealed *sealed)
{
    struct process_sealed done = {0};
    int error = BASE_OK;
    if (SANITIZED) {
        base_log(log, base_clock_now(), BASE_LOG_DEBUG, "no sandbox: this build has a sanitizer");
    } else if (count_threads() > 1) {
        base_log(log, base_clock_now(), BASE_LOG_ERROR,
                 "The sandbox is made too late: there are threads that it would not hold.");
        return BASE_EINVAL;
    } else if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return report(BASE_EIO, "no new privileges", log, &done.files);
    } else {
        error =
            report(process_sandbox_files(kind, paths, count, log), "Landlock", log, &done.files);
        if (error == BASE_OK)
            error =
                report(process_sandbox_calls(kind, log), "system call filter", log, &done.calls);
    }
    if (error == BASE_OK && sealed != NULL)
        *sealed = done;
    return error;
}
