/*
 * Landlock: which files a process may open. The numbers are the kernel's interface
 * (linux/landlock.h), written here since the header of the build may be older than the kernel.
 */
#include "process/sandbox.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CALL_CREATE   444
#define CALL_ADD_RULE 445
#define CALL_RESTRICT 446

#define FS_EXECUTE     (UINT64_C(1) << 0)
#define FS_WRITE_FILE  (UINT64_C(1) << 1)
#define FS_READ_FILE   (UINT64_C(1) << 2)
#define FS_READ_DIR    (UINT64_C(1) << 3)
#define FS_REMOVE_DIR  (UINT64_C(1) << 4)
#define FS_REMOVE_FILE (UINT64_C(1) << 5)
#define FS_MAKE_DIR    (UINT64_C(1) << 7)
#define FS_MAKE_REG    (UINT64_C(1) << 8)
#define FS_MAKE_SOCK   (UINT64_C(1) << 9)
#define FS_VERSION_1   ((UINT64_C(1) << 13) - 1)
#define FS_REFER       (UINT64_C(1) << 13) /* version 2 */
#define FS_TRUNCATE    (UINT64_C(1) << 14) /* version 3 */
#define FS_IOCTL_DEV   (UINT64_C(1) << 15) /* version 5 */
#define FS_OF_FILES    (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

#define NET_TCP        (UINT64_C(3))      /* version 4: bind and connect */
#define SCOPE_ABSTRACT (UINT64_C(1) << 0) /* version 6: abstract Unix sockets of others */
#define SCOPE_SIGNAL   (UINT64_C(1) << 1) /* version 6: signals to others */

struct ruleset {
    uint64_t files, net, scoped;
};
struct beneath {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));

/* What the libraries may look at at any moment. */
static const struct process_path common[] = {
    {"/etc/ssl", PROCESS_READ},       {"/usr/lib/ssl", PROCESS_READ},
    {"/etc/localtime", PROCESS_READ}, {"/usr/share/zoneinfo", PROCESS_READ},
    {"/dev/urandom", PROCESS_READ},   {"/dev/null", PROCESS_READ | PROCESS_WRITE},
};
/* And for control, which resolves names and verifies certificates. */
static const struct process_path wide[] = {
    {"/etc", PROCESS_READ},
    {"/usr", PROCESS_READ},
    {"/lib", PROCESS_READ},
    {"/lib64", PROCESS_READ},
    {"/proc", PROCESS_READ},
    {"/run/systemd/resolve", PROCESS_READ},
    {"/sys/devices/system/cpu", PROCESS_READ},
};

static uint64_t handled_files(long version)
{
    uint64_t files = FS_VERSION_1;
    if (version >= 2)
        files |= FS_REFER;
    if (version >= 3)
        files |= FS_TRUNCATE;
    if (version >= 5)
        files |= FS_IOCTL_DEV;
    return files;
}

/* The attribute as this version of the interface knows it; returns its size. */
static size_t make_ruleset(enum process_sandbox kind, long version, struct ruleset *ruleset)
{
    bool closed = kind != PROCESS_SANDBOX_CONTROL;
    *ruleset = (struct ruleset){.files = handled_files(version)};
    if (version >= 4 && closed)
        ruleset->net = NET_TCP;
    if (version >= 6)
        ruleset->scoped = SCOPE_SIGNAL | (closed ? SCOPE_ABSTRACT : 0);
    return version >= 6   ? sizeof(*ruleset)
           : version >= 4 ? offsetof(struct ruleset, scoped)
                          : offsetof(struct ruleset, net);
}

static uint64_t rights_of(unsigned access)
{
    uint64_t rights = 0;
    if (access & PROCESS_READ)
        rights |= FS_READ_FILE | FS_READ_DIR;
    if (access & PROCESS_WRITE)
        rights |= FS_WRITE_FILE | FS_TRUNCATE;
    if (access & PROCESS_MAKE)
        rights |=
            FS_MAKE_REG | FS_MAKE_DIR | FS_MAKE_SOCK | FS_REMOVE_FILE | FS_REMOVE_DIR | FS_REFER;
    return rights;
}

static int add_path(int ruleset, const struct process_path *path, uint64_t handled)
{
    struct stat status;
    int fd = open(path->path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? BASE_ENOENT : BASE_EIO;
    struct beneath rule = {.allowed = rights_of(path->access) & handled, .parent = fd};
    int error = fstat(fd, &status) == 0 ? BASE_OK : BASE_EIO;
    if (error == BASE_OK && !S_ISDIR(status.st_mode))
        rule.allowed &= FS_OF_FILES;
    if (error == BASE_OK && rule.allowed != 0 &&
        syscall(CALL_ADD_RULE, ruleset, 1 /* path beneath */, &rule, 0) != 0)
        error = BASE_EIO;
    int reason = errno;
    close(fd);
    errno = reason;
    return error;
}

/* What the system does not have is not missed. */
static void add_system(int ruleset, const struct process_path *paths, size_t count,
                       uint64_t handled)
{
    for (size_t i = 0; i < count; i++)
        add_path(ruleset, &paths[i], handled);
}

static int add_named(int ruleset, const struct process_path *paths, size_t count, uint64_t handled,
                     const struct base_log *log)
{
    for (size_t i = 0; i < count; i++) {
        int error = add_path(ruleset, &paths[i], handled);
        if (error == BASE_OK)
            continue;
        base_log(log, base_clock_now(), BASE_LOG_WARNING,
                 "The sandbox leaves out %s, which cannot be opened: %s", paths[i].path,
                 strerror(errno));
    }
    return BASE_OK;
}

int process_sandbox_files(enum process_sandbox kind, const struct process_path *paths, size_t count,
                          const struct base_log *log)
{
    long version = syscall(CALL_CREATE, NULL, 0, 1 /* which version? */);
    if (version < 1)
        return BASE_EUNSUPPORTED;
    struct ruleset attribute;
    size_t size = make_ruleset(kind, version, &attribute);
    int ruleset = (int)syscall(CALL_CREATE, &attribute, size, 0);
    if (ruleset < 0)
        return BASE_EIO;
    add_system(ruleset, common, sizeof(common) / sizeof(common[0]), attribute.files);
    if (kind == PROCESS_SANDBOX_CONTROL)
        add_system(ruleset, wide, sizeof(wide) / sizeof(wide[0]), attribute.files);
    int error = add_named(ruleset, paths, count, attribute.files, log);
    if (error == BASE_OK && syscall(CALL_RESTRICT, ruleset, 0) != 0)
        error = BASE_EIO;
    int reason = errno;
    close(ruleset);
    errno = reason;
    return error;
}
