/*
 * Sandboxes: what a process may still do once it has opened what it needs. Two locks, neither of
 * which can be undone: the system call filter (seccomp) and the file rules (Landlock). Where the
 * kernel lacks one the other still holds, and a line in the log says so.
 *
 *             files                                  system calls
 *   keys      those named                            no sockets, no programs, no processes
 *   serve     those named, never to be written       likewise; connections that come are accepted
 *   control   those named, and /etc, /usr to read    no programs, no processes
 *
 * A call that a part might make by way of a library is refused with EPERM. One that only an
 * intruder makes (execve, ptrace, mount, bpf) ends the process; the supervisor says so.
 *
 * Builds with sanitizers have no sandbox: what those do at exit is forbidden here.
 */
#ifndef PROCESS_SANDBOX_H
#define PROCESS_SANDBOX_H

#include "base/log.h"

#include <stdbool.h>

enum process_sandbox { PROCESS_SANDBOX_KEYS, PROCESS_SANDBOX_CONTROL, PROCESS_SANDBOX_SERVE };

enum process_access {
    PROCESS_READ = 1,  /* files and directories */
    PROCESS_WRITE = 2, /* to files that are there */
    PROCESS_MAKE = 4,  /* make, rename and remove files, directories and sockets */
    PROCESS_ALL = 7
};

/* A file, or a directory with all that is below it. A rule is tied to what has the name now: what
 * is put in its place later is not covered. So a file that is replaced is named by its directory.
 */
struct process_path {
    const char *path;
    unsigned access; /* set of enum process_access */
};

/* What was put in place. */
struct process_sealed {
    bool files; /* Landlock */
    bool calls; /* seccomp */
};

/* Seals the process. To be called with one thread: threads that are there already would stay free.
 * Paths that do not exist are left out, with a warning. `sealed` may be NULL. BASE_EINVAL: there
 * are several threads; BASE_EIO, BASE_ENOMEM: end, half a sandbox may be there. */
int process_sandbox(enum process_sandbox kind, const struct process_path *paths, size_t count,
                    const struct base_log *log, struct process_sealed *sealed);

/* --- inner part --- */

/* BASE_EUNSUPPORTED: the kernel has none. BASE_EIO, BASE_ENOMEM. */
int process_sandbox_files(enum process_sandbox kind, const struct process_path *paths, size_t count,
                          const struct base_log *log);
int process_sandbox_calls(enum process_sandbox kind, const struct base_log *log);

#endif
