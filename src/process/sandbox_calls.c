/*
 * The filter of system calls. keys and serve have a list of what is allowed; control, which stands
 * on many libraries, one of what is not.
 */
#include "process/sandbox.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* Memory, threads, clocks, descriptors that are open: what every program does. */
static const int basic[] = {
    SCMP_SYS(arch_prctl),
    SCMP_SYS(brk),
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(close),
    SCMP_SYS(close_range),
    SCMP_SYS(dup),
    SCMP_SYS(dup2),
    SCMP_SYS(dup3),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(eventfd2),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(fadvise64),
    SCMP_SYS(fcntl),
    SCMP_SYS(flock),
    SCMP_SYS(fstat),
    SCMP_SYS(fstatfs),
    SCMP_SYS(fsync),
    SCMP_SYS(fdatasync),
    SCMP_SYS(futex),
    SCMP_SYS(futex_waitv),
    SCMP_SYS(get_robust_list),
    SCMP_SYS(getcpu),
    SCMP_SYS(getcwd),
    SCMP_SYS(getdents64),
    SCMP_SYS(getegid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getpeername),
    SCMP_SYS(getpid),
    SCMP_SYS(getppid),
    SCMP_SYS(getrandom),
    SCMP_SYS(getresgid),
    SCMP_SYS(getresuid),
    SCMP_SYS(getrlimit),
    SCMP_SYS(getrusage),
    SCMP_SYS(getsockname),
    SCMP_SYS(getsockopt),
    SCMP_SYS(gettid),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(getuid),
    SCMP_SYS(lseek),
    SCMP_SYS(madvise),
    SCMP_SYS(membarrier),
    SCMP_SYS(mincore),
    SCMP_SYS(mlock),
    SCMP_SYS(mlock2),
    SCMP_SYS(mremap),
    SCMP_SYS(msync),
    SCMP_SYS(munlock),
    SCMP_SYS(munmap),
    SCMP_SYS(nanosleep),
    SCMP_SYS(pipe2),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(pread64),
    SCMP_SYS(pselect6),
    SCMP_SYS(pwrite64),
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(rseq),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigpending),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigsuspend),
    SCMP_SYS(rt_sigtimedwait),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_setaffinity),
    SCMP_SYS(sched_yield),
    SCMP_SYS(select),
    SCMP_SYS(sendmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(set_tid_address),
    SCMP_SYS(setsockopt),
    SCMP_SYS(shutdown),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(signalfd4),
    SCMP_SYS(sysinfo),
    SCMP_SYS(tgkill),
    SCMP_SYS(time),
    SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_gettime),
    SCMP_SYS(timerfd_settime),
    SCMP_SYS(times),
    SCMP_SYS(uname),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    /* Asking about files tells little; opening them is another matter. */
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(lstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(stat),
    SCMP_SYS(statfs),
    SCMP_SYS(statx),
};

/* Changing files: which ones, the file rules say. */
static const int keys_only[] = {
    SCMP_SYS(open),      SCMP_SYS(openat),    SCMP_SYS(mkdir),     SCMP_SYS(mkdirat),
    SCMP_SYS(rmdir),     SCMP_SYS(unlink),    SCMP_SYS(unlinkat),  SCMP_SYS(rename),
    SCMP_SYS(renameat),  SCMP_SYS(renameat2), SCMP_SYS(link),      SCMP_SYS(linkat),
    SCMP_SYS(ftruncate), SCMP_SYS(fallocate), SCMP_SYS(chmod),     SCMP_SYS(fchmod),
    SCMP_SYS(fchmodat),  SCMP_SYS(umask),     SCMP_SYS(utimensat), SCMP_SYS(syncfs),
};

static const int serve_only[] = {
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    SCMP_SYS(recvmmsg),
    SCMP_SYS(sendmmsg),
};

/* Nothing of Kenter calls these, nor does a library on its behalf. */
static const int hostile[] = {
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(ptrace),
    SCMP_SYS(bpf),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(move_mount),
    SCMP_SYS(open_tree),
    SCMP_SYS(fsopen),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(setns),
    SCMP_SYS(unshare),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(keyctl),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(reboot),
    SCMP_SYS(swapon),
    SCMP_SYS(swapoff),
    SCMP_SYS(iopl),
    SCMP_SYS(ioperm),
    SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(acct),
    SCMP_SYS(quotactl),
    SCMP_SYS(personality),
    SCMP_SYS(syslog),
    SCMP_SYS(sethostname),
    SCMP_SYS(setdomainname),
    SCMP_SYS(process_madvise),
    SCMP_SYS(vhangup),
};

/* A call that this machine does not have needs no rule. */
static int add(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int result = seccomp_rule_add(filter, action, calls[i], 0);
        if (result == -ENOMEM)
            return BASE_ENOMEM;
        if (result != 0 && result != -EDOM && result != -EINVAL && result != -EACCES) {
            errno = -result;
            return BASE_EIO;
        }
    }
    return BASE_OK;
}

static int add_when(scmp_filter_ctx filter, uint32_t action, int call, struct scmp_arg_cmp compare)
{
    int result = seccomp_rule_add_array(filter, action, call, 1, &compare);
    if (result == 0 || result == -EDOM)
        return BASE_OK;
    errno = -result;
    return result == -ENOMEM ? BASE_ENOMEM : BASE_EIO;
}

/* Threads, but no processes. The flags of clone3 lie in memory, where no filter sees them; the
 * library goes back to clone when the call is not there. */
static int add_threads(scmp_filter_ctx filter, uint32_t refuse)
{
    static const int forks[] = {SCMP_SYS(fork), SCMP_SYS(vfork)};
    struct scmp_arg_cmp thread = SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD);
    struct scmp_arg_cmp process = SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0);
    int error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0
                    ? BASE_OK
                    : BASE_EIO;
    if (error == BASE_OK && refuse == 0)
        return add_when(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), thread);
    if (error == BASE_OK)
        error = add_when(filter, refuse, SCMP_SYS(clone), process);
    return error != BASE_OK ? error : add(filter, refuse, forks, COUNT(forks));
}

/* Calls that are allowed with some arguments only. No memory becomes code. */
static int add_conditional(scmp_filter_ctx filter)
{
    static const unsigned names[] = {PR_SET_NAME, PR_GET_NAME, PR_SET_TIMERSLACK,
                                     0x53564d41 /* PR_SET_VMA: names of memory */};
    static const unsigned long controls[] = {FIONBIO, FIONREAD, TIOCGWINSZ};
    struct scmp_arg_cmp no_code = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    int error = add_when(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), no_code);
    if (error == BASE_OK)
        error = add_when(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), no_code);
    if (error == BASE_OK) /* asking for limits, not setting them */
        error = add_when(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), SCMP_A2(SCMP_CMP_EQ, 0, 0));
    for (size_t i = 0; error == BASE_OK && i < COUNT(names); i++)
        error =
            add_when(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, names[i], 0));
    for (size_t i = 0; error == BASE_OK && i < COUNT(controls); i++)
        error =
            add_when(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, controls[i], 0));
    return error;
}

/* Opening to read. */
static int add_reading(scmp_filter_ctx filter)
{
    const scmp_datum_t writes = O_ACCMODE | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY);
    int error = add_when(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat),
                         SCMP_A2(SCMP_CMP_MASKED_EQ, writes, O_RDONLY));
    return error != BASE_OK ? error
                            : add_when(filter, SCMP_ACT_ALLOW, SCMP_SYS(open),
                                       SCMP_A1(SCMP_CMP_MASKED_EQ, writes, O_RDONLY));
}

static int add_allowed(scmp_filter_ctx filter, enum process_sandbox kind)
{
    bool keys = kind == PROCESS_SANDBOX_KEYS;
    int error = add(filter, SCMP_ACT_ALLOW, basic, COUNT(basic));
    if (error == BASE_OK)
        error = keys ? add(filter, SCMP_ACT_ALLOW, keys_only, COUNT(keys_only))
                     : add(filter, SCMP_ACT_ALLOW, serve_only, COUNT(serve_only));
    if (error == BASE_OK && !keys)
        error = add_reading(filter);
    if (error == BASE_OK)
        error = add_conditional(filter);
    return error != BASE_OK ? error : add_threads(filter, 0);
}

static int fill(scmp_filter_ctx filter, enum process_sandbox kind)
{
    seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree instead of a list */
    int error = add(filter, SCMP_ACT_KILL_PROCESS, hostile, COUNT(hostile));
    if (error != BASE_OK)
        return error;
    return kind == PROCESS_SANDBOX_CONTROL ? add_threads(filter, SCMP_ACT_ERRNO(EPERM))
                                           : add_allowed(filter, kind);
}

int process_sandbox_calls(enum process_sandbox kind, const struct base_log *log)
{
    if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0)
        return BASE_EUNSUPPORTED;
    scmp_filter_ctx filter =
        seccomp_init(kind == PROCESS_SANDBOX_CONTROL ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM));
    if (filter == NULL)
        return BASE_ENOMEM;
    int error = fill(filter, kind);
    if (error == BASE_OK) {
        int result = seccomp_load(filter);
        errno = -result;
        error = result == 0 ? BASE_OK : result == -ENOSYS ? BASE_EUNSUPPORTED : BASE_EIO;
    }
    int reason = errno;
    seccomp_release(filter);
    errno = reason;
    return error;
}
