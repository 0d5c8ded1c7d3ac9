/*
 * Users, capabilities and limits.
 */
#include "process/privileges.h"

#include "base/error.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REFUSE(log, ...) base_log(log, base_clock_now(), BASE_LOG_ERROR, __VA_ARGS__)

/* ---- looking up ---- */

/* A number that a person wrote; false when it is none. */
static bool read_id(const char *text, unsigned *id)
{
    if (*text < '0' || *text > '9')
        return false;
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (*end != '\0' || errno != 0 || value >= UINT32_MAX)
        return false;
    *id = (unsigned)value;
    return true;
}

static int find_user(const char *name, const struct base_log *log, struct process_user *out)
{
    unsigned id;
    bool numeric = read_id(name, &id);
    errno = 0;
    const struct passwd *entry = numeric ? getpwuid(id) : getpwnam(name);
    if (entry == NULL && numeric) {
        out->uid = id;
        out->gid = id;
        return BASE_OK;
    }
    if (entry == NULL) {
        REFUSE(log,
               "There is no user \"%s\" to run as. Make it (useradd --system %s), or name another "
               "one in the setting \"user\".",
               name, name);
        return BASE_EREFUSED;
    }
    out->uid = entry->pw_uid;
    out->gid = entry->pw_gid;
    return BASE_OK;
}

static int find_group(const char *name, const struct base_log *log, struct process_user *out)
{
    unsigned id;
    bool numeric = read_id(name, &id);
    const struct group *entry = numeric ? getgrgid(id) : getgrnam(name);
    if (entry == NULL && !numeric) {
        REFUSE(log, "There is no group \"%s\" to run as. Make it (groupadd --system %s).", name,
               name);
        return BASE_EREFUSED;
    }
    out->gid = entry != NULL ? entry->gr_gid : id;
    return BASE_OK;
}

int process_user_find(const char *user, const char *group, const struct base_log *log,
                      struct process_user *out)
{
    struct process_user found = {.uid = geteuid(), .gid = getegid()};
    if (user != NULL) {
        int error = find_user(user, log, &found);
        if (error == BASE_OK && group != NULL)
            error = find_group(group, log, &found);
        if (error != BASE_OK)
            return error;
        if (found.uid == 0 || found.gid == 0) {
            REFUSE(log,
                   "Running as \"%s\" would keep the powers of root: name a user that has "
                   "none, or leave the setting \"user\" out.",
                   user);
            return BASE_EREFUSED;
        }
        if (geteuid() != 0 && (geteuid() != found.uid || getegid() != found.gid)) {
            REFUSE(log,
                   "Only root can become the user \"%s\", and this process runs as user %u: start "
                   "it as root, or leave the setting \"user\" out.",
                   user, (unsigned)geteuid());
            return BASE_EREFUSED;
        }
        snprintf(found.name, sizeof(found.name), "%s", user);
    }
    *out = found;
    return BASE_OK;
}

/* ---- becoming ---- */

static int set_capabilities(uint32_t set)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{.effective = set, .permitted = set}};
    return syscall(SYS_capset, &header, data) == 0 ? BASE_OK : BASE_EIO;
}

static bool has_capability(unsigned capability)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    return syscall(SYS_capget, &header, data) == 0 && (data[0].permitted >> capability & 1) != 0;
}

/* What nothing that is executed from here can ever have. */
static void empty_bounding_set(void)
{
    for (unsigned long capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++)
        prctl(PR_CAPBSET_DROP, capability);
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

static int failed(const struct base_log *log, const char *what)
{
    int error = errno == EPERM ? BASE_EPERM : BASE_EIO;
    REFUSE(log, "The powers of root cannot be given up: %s: %s", what, strerror(errno));
    return error;
}

static int change_user(const struct process_user *user, bool bind, const struct base_log *log)
{
    empty_bounding_set();
    if (bind && prctl(PR_SET_KEEPCAPS, 1) != 0)
        return failed(log, "keeping one capability");
    if (setgroups(0, NULL) != 0)
        return failed(log, "leaving the groups");
    if (setresgid(user->gid, user->gid, user->gid) != 0)
        return failed(log, "changing the group");
    if (setresuid(user->uid, user->uid, user->uid) != 0)
        return failed(log, "changing the user");
    return BASE_OK;
}

static int check_gone(const struct process_user *user, const struct base_log *log)
{
    if (getuid() == user->uid && geteuid() == user->uid && getgid() == user->gid &&
        getegid() == user->gid && setresuid(0, 0, 0) != 0)
        return BASE_OK;
    errno = EPERM;
    return failed(log, "the way back is still open");
}

int process_become(const struct process_user *user, bool bind, const struct base_log *log)
{
    int death = 0;
    bool changes = user->name[0] != '\0' && geteuid() == 0;
    uint32_t kept = bind && has_capability(CAP_NET_BIND_SERVICE) ? 1u << CAP_NET_BIND_SERVICE : 0;
    prctl(PR_GET_PDEATHSIG, &death); /* which a change of user forgets */
    if (changes) {
        int error = change_user(user, kept != 0, log);
        if (error != BASE_OK)
            return error;
    }
    /* Root that stays root keeps what makes it root; nobody else needs more than the port. */
    if (geteuid() != 0 && set_capabilities(kept) != BASE_OK)
        return failed(log, "the capabilities");
    if (changes) {
        int error = check_gone(user, log);
        if (error != BASE_OK)
            return error;
    }
    prctl(PR_SET_KEEPCAPS, 0);
    if (death != 0)
        prctl(PR_SET_PDEATHSIG, death);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return failed(log, "for what is executed later");
    return BASE_OK;
}

int process_hand_over(const struct process_user *user, const char *path)
{
    if (user->name[0] == '\0' || geteuid() != 0)
        return BASE_OK;
    return lchown(path, user->uid, user->gid) == 0 ? BASE_OK : BASE_EIO;
}

/* ---- limits ---- */

void process_umask(void)
{
    umask(0027);
}

void process_hide(void)
{
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0);
}

uint64_t process_raise_files(uint64_t wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    if (limit.rlim_cur < wanted) {
        limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur;
}
