/* What the system says of the processes of kenterd: see internal.h. All of it is read from /proc,
 * and what cannot be read is not known; nothing depends on it. */
#include "control/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static FILE *open_proc(pid_t pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, name);
    return fopen(path, "re");
}

static void read_memory(struct control_process_state *process)
{
    unsigned long long size, resident, common;
    FILE *file = open_proc(process->pid, "statm");
    if (file == NULL)
        return;
    if (fscanf(file, "%llu %llu %llu", &size, &resident, &common) == 3 && resident >= common) {
        uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
        process->own = (resident - common) * page;
        process->shared = common * page;
    }
    fclose(file);
}

/* Field 22 of stat is the start, in ticks after that of the system. The name before it, in
 * parentheses, may hold anything. */
static void read_start(struct control_process_state *process)
{
    char text[1024];
    double up = 0;
    unsigned long long ticks = 0;
    FILE *file = open_proc(process->pid, "stat"), *uptime = fopen("/proc/uptime", "re");
    size_t length = file != NULL ? fread(text, 1, sizeof(text) - 1, file) : 0;
    text[length] = '\0';
    char *at = strrchr(text, ')');
    if (at != NULL && uptime != NULL && fscanf(uptime, "%lf", &up) == 1 &&
        sscanf(at + 1,
               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
               &ticks) == 1) {
        double lived = up - (double)ticks / (double)sysconf(_SC_CLK_TCK);
        process->started = base_clock_now() - (base_time)(lived > 0 ? lived : 0);
    }
    if (file != NULL)
        fclose(file);
    if (uptime != NULL)
        fclose(uptime);
}

/* The last argument of a process is its role (daemon/supervise.c). */
static bool has_role(pid_t pid, const char *role)
{
    char text[8192];
    FILE *file = open_proc(pid, "cmdline");
    if (file == NULL)
        return false;
    size_t length = fread(text, 1, sizeof(text), file), size = strlen(role) + 1;
    bool whole = feof(file) != 0;
    fclose(file);
    return whole && length > size && text[length - size - 1] == '\0' &&
           memcmp(text + length - size, role, size) == 0;
}

/* The supervisor's children: all of kenterd. */
static void find_siblings(pid_t supervisor, struct control_process_state out[CONTROL_PROCESSES])
{
    char path[64];
    long pid;
    snprintf(path, sizeof(path), "/proc/%ld/task/%ld/children", (long)supervisor, (long)supervisor);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    while (fscanf(file, "%ld", &pid) == 1) {
        for (size_t i = 0; i < CONTROL_PROCESSES; i++) {
            if (i != CONTROL_SUPERVISOR && out[i].pid == 0 && has_role((pid_t)pid, out[i].name))
                out[i].pid = (pid_t)pid;
        }
    }
    fclose(file);
}

static uint32_t restarts_of(uint32_t generation)
{
    return generation > 0 ? generation - 1 : 0;
}

void control_processes(struct control *control, struct control_process_state out[CONTROL_PROCESSES])
{
    const struct process_child *child = control->options->child;
    bool supervised = child != NULL && child->fd >= 0;
    out[CONTROL_SUPERVISOR] =
        (struct control_process_state){.name = "supervisor", .up = supervised};
    out[CONTROL_KEYS] =
        (struct control_process_state){.name = "keys",
                                       .up = control_keys_there(control),
                                       .restarts = restarts_of(control->keys_generation)};
    out[CONTROL_SELF] =
        (struct control_process_state){.name = "control", .pid = getpid(), .up = true};
    out[CONTROL_SERVE] =
        (struct control_process_state){.name = "serve",
                                       .up = control->serve >= 0,
                                       .restarts = restarts_of(control->serve_generation)};
    if (supervised) {
        out[CONTROL_SELF].restarts = restarts_of(child->generation);
        out[CONTROL_SUPERVISOR].pid = getppid();
        find_siblings(getppid(), out);
    }
    for (size_t i = 0; i < CONTROL_PROCESSES; i++) {
        if (out[i].pid == 0)
            continue;
        read_memory(&out[i]);
        read_start(&out[i]);
    }
}
