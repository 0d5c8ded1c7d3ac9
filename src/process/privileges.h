/*
 * Who a process is, and what it may use up: becoming an unprivileged user for good, and limits.
 * Everything that is refused is logged in words.
 */
#ifndef PROCESS_PRIVILEGES_H
#define PROCESS_PRIVILEGES_H

#include "base/log.h"

#include <stdbool.h>
#include <sys/types.h>

/* A user to become. */
struct process_user {
    char name[64]; /* "": the process stays who it is */
    uid_t uid;
    gid_t gid;
};

/* Looks a user up, by name or number; `group` NULL: the user's own. user NULL: stay. Refuses (with
 * a line in the log) what cannot be: no such user or group, root, another user than now without
 * being root. BASE_EREFUSED, BASE_EIO. */
int process_user_find(const char *user, const char *group, const struct base_log *log,
                      struct process_user *out);

/* Becomes that user for good: supplementary groups, capabilities and the bounding set are given up,
 * and no program that is executed later can gain any (NO_NEW_PRIVS). To be called with one thread.
 * `bind`: keeps the one capability to open ports below 1024, which programs that it executes do not
 * inherit. After an error the process must end. BASE_EPERM, BASE_EIO. */
int process_become(const struct process_user *user, bool bind, const struct base_log *log);
/* Gives a directory or file to the user, when this process is root; else does nothing. Symbolic
 * links are not followed. BASE_EIO. */
int process_hand_over(const struct process_user *user, const char *path);

/* New files are 0640 at most, directories 0750. */
void process_umask(void);
/* No memory image after a crash, and no other process of the same user may look into this one: for
 * processes that hold secrets. */
void process_hide(void);
/* Raises the number of descriptors that may be open to `wanted`, or as far as it may; returns what
 * it is. */
uint64_t process_raise_files(uint64_t wanted);

#endif
