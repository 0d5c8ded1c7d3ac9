/*
 * The supervisor's loop, and the life of each process in it.
 */
#include "process/supervisor.h"

#include "process/launch.h"
#include "process/notify.h"
#include "process/outbox.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MILLISECOND   UINT64_C(1000000)
#define NEVER         UINT64_MAX
#define MESSAGES      32   /* of one process before others have their turn */
#define ASKS_MAX      4096 /* channels that one process may ask for in its life */
#define LINGER_MS     2000 /* how long a process may live that has closed its channel */
#define STEADY_MS     2000 /* who lived longer had not failed to start */
#define FREE_STARTS   3    /* failures in a row that cost no wait */
#define DELAY_MS      50   /* after the next; then twice as long each time */
#define CHANNELS_MAX  1024 /* of a link */
#define EXIT_TROUBLE  3
#define STATUS_LENGTH 512

struct member {
    const struct process_role *role;
    pid_t pid; /* 0: it does not run */
    int fd;    /* our end of its channel; -1: none */
    uint32_t generation;
    bool ready, ever_ready;
    bool told;    /* to stop */
    bool restart; /* told to stop, to be started again */
    unsigned asked;
    uint64_t ready_ns, heard_ns;
    uint64_t start_ns; /* when it is to be started; NEVER */
    uint64_t kill_ns;  /* when it is to be killed; NEVER */
    struct process_backoff backoff;
    struct process_outbox outbox;
    char status[PROCESS_STATUS_MAX + 1];
};

struct process_supervisor {
    struct process_supervisor_options options;
    struct member *members;
    size_t count;
    struct pollfd *polls; /* signals, then the members */
    int signals;
    sigset_t mask;       /* before */
    sigset_t child_mask; /* of those that are started */
    struct process_notify notify;
    uint64_t watchdog_ns; /* when systemd is told next */
    bool ready, stopping;
    int code;
    uint8_t *buffer;
};

#define LOG(supervisor, level, ...)                                                                \
    base_log(&(supervisor)->options.log, base_clock_now(), BASE_LOG_##level, __VA_ARGS__)

/* ---- making ---- */

static struct member *find(const struct process_supervisor *supervisor, const char *name)
{
    for (size_t i = 0; i < supervisor->count; i++)
        if (strcmp(supervisor->members[i].role->name, name) == 0)
            return &supervisor->members[i];
    return NULL;
}

static bool are_options_good(const struct process_supervisor *supervisor)
{
    const struct process_supervisor_options *options = &supervisor->options;
    for (size_t i = 0; i < options->role_count; i++) {
        const struct process_role *role = &options->roles[i];
        size_t length = strlen(role->name);
        if (length == 0 || length >= PROCESS_NAME_MAX || role->arguments == NULL ||
            find(supervisor, role->name) != &supervisor->members[i])
            return false;
    }
    for (size_t i = 0; i < options->link_count; i++) {
        const struct process_link *link = &options->links[i];
        const struct member *a = find(supervisor, link->a), *b = find(supervisor, link->b);
        if (a == NULL || b == NULL || a == b || link->channels > CHANNELS_MAX)
            return false;
    }
    return options->role_count > 0;
}

static const int signal_numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
#define SIGNALS (sizeof(signal_numbers) / sizeof(signal_numbers[0]))

static sigset_t signal_set(void)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < SIGNALS; i++)
        sigaddset(&set, signal_numbers[i]);
    return set;
}

void process_supervisor_block(void)
{
    sigset_t set = signal_set();
    sigprocmask(SIG_BLOCK, &set, NULL);
}

static int open_signals(struct process_supervisor *supervisor)
{
    sigset_t set = signal_set();
    if (sigprocmask(SIG_BLOCK, &set, &supervisor->mask) != 0)
        return BASE_EIO;
    supervisor->child_mask = supervisor->mask;
    for (size_t i = 0; i < SIGNALS; i++)
        sigdelset(&supervisor->child_mask, signal_numbers[i]);
    supervisor->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (supervisor->signals >= 0)
        return BASE_OK;
    sigprocmask(SIG_SETMASK, &supervisor->mask, NULL);
    return BASE_EIO;
}

static int make(struct process_supervisor *supervisor)
{
    size_t count = supervisor->options.role_count;
    supervisor->members = calloc(count + 1, sizeof(*supervisor->members));
    supervisor->polls = calloc(count + 1, sizeof(*supervisor->polls));
    supervisor->buffer = malloc(PROCESS_MESSAGE_MAX);
    if (supervisor->members == NULL || supervisor->polls == NULL || supervisor->buffer == NULL)
        return BASE_ENOMEM;
    for (size_t i = 0; i < count; i++)
        supervisor->members[i] = (struct member){
            .role = &supervisor->options.roles[i], .fd = -1, .start_ns = NEVER, .kill_ns = NEVER};
    supervisor->count = count;
    return are_options_good(supervisor) ? open_signals(supervisor) : BASE_EINVAL;
}

int process_supervisor_new(const struct process_supervisor_options *options,
                           struct process_supervisor **out)
{
    struct process_supervisor *supervisor = calloc(1, sizeof(*supervisor));
    if (supervisor == NULL)
        return BASE_ENOMEM;
    supervisor->options = *options;
    supervisor->signals = -1;
    int error = make(supervisor);
    if (error != BASE_OK) {
        process_supervisor_free(supervisor);
        return error;
    }
    process_notify_begin(&supervisor->notify);
    supervisor->watchdog_ns = supervisor->notify.watchdog_ns > 0 ? base_clock_monotonic() : NEVER;
    *out = supervisor;
    return BASE_OK;
}

static void close_channel(struct member *member)
{
    if (member->fd >= 0)
        close(member->fd);
    member->fd = -1;
    process_outbox_clear(&member->outbox);
}

void process_supervisor_free(struct process_supervisor *supervisor)
{
    if (supervisor == NULL)
        return;
    for (size_t i = 0; i < supervisor->count; i++) {
        struct member *member = &supervisor->members[i];
        if (member->pid > 0 && kill(member->pid, SIGKILL) == 0)
            while (waitpid(member->pid, NULL, 0) < 0 && errno == EINTR)
                continue;
        close_channel(member);
    }
    if (supervisor->signals >= 0) {
        close(supervisor->signals);
        sigprocmask(SIG_SETMASK, &supervisor->mask, NULL);
    }
    free(supervisor->members);
    free(supervisor->polls);
    free(supervisor->buffer);
    free(supervisor);
}

/* ---- talking ---- */

/* A process that has missed something, or hears nothing, is of no use. */
static void kill_member(struct process_supervisor *supervisor, struct member *member,
                        const char *why)
{
    LOG(supervisor, WARNING, "%s (process %ld) is killed: %s", member->role->name,
        (long)member->pid, why);
    kill(member->pid, SIGKILL);
    member->kill_ns = NEVER;
}

static void flush(struct process_supervisor *supervisor, struct member *member)
{
    if (member->fd < 0)
        return;
    int error = process_outbox_flush(&member->outbox, member->fd);
    if (error == BASE_OK) {
        if (member->told && process_outbox_empty(&member->outbox))
            shutdown(member->fd, SHUT_WR); /* nothing comes after the word to stop */
        return;
    }
    process_outbox_clear(&member->outbox);
    if (error != BASE_ENOENT)
        kill_member(supervisor, member, "its channel has failed");
}

static int give(struct process_supervisor *supervisor, struct member *member,
                const struct process_message *message)
{
    if (member->fd < 0 || member->told)
        return BASE_ENOENT;
    int error = process_outbox_add(&member->outbox, message);
    if (error == BASE_OK)
        flush(supervisor, member);
    return error;
}

int process_supervisor_give(struct process_supervisor *supervisor, const char *name,
                            const struct process_message *message)
{
    struct member *member = find(supervisor, name);
    return member == NULL ? BASE_ENOENT : give(supervisor, member, message);
}

pid_t process_supervisor_pid(const struct process_supervisor *supervisor, const char *name)
{
    const struct member *member = find(supervisor, name);
    return member == NULL ? 0 : member->pid;
}

static int give_peer(struct process_supervisor *supervisor, struct member *to,
                     const struct member *peer, int fd)
{
    const char *name = peer->role->name;
    struct process_message message = {.type = PROCESS_PEER,
                                      .value = peer->generation,
                                      .data = (const uint8_t *)name,
                                      .length = strlen(name),
                                      .fd = fd};
    return give(supervisor, to, &message);
}

/* Makes a channel between two processes. Who does not get an end sees that nothing comes. */
static void introduce(struct process_supervisor *supervisor, struct member *a, struct member *b)
{
    int fds[2];
    int error = process_channel_pair(fds);
    if (error == BASE_OK) {
        error = give_peer(supervisor, a, b, fds[0]);
        if (error == BASE_OK)
            error = give_peer(supervisor, b, a, fds[1]);
        close(fds[0]);
        close(fds[1]);
    }
    if (error != BASE_OK && error != BASE_ENOENT)
        LOG(supervisor, ERROR, "%s and %s cannot be connected: %s", a->role->name, b->role->name,
            error == BASE_EIO ? strerror(errno) : base_strerror(error));
}

/* The other side of a link of this process that runs; NULL: none. */
static struct member *other_side(const struct process_supervisor *supervisor,
                                 const struct process_link *link, const struct member *member)
{
    struct member *a = find(supervisor, link->a), *b = find(supervisor, link->b);
    struct member *other = member == a ? b : member == b ? a : NULL;
    return other != NULL && other->pid > 0 ? other : NULL;
}

static void introduce_all(struct process_supervisor *supervisor, struct member *member)
{
    for (size_t i = 0; i < supervisor->options.link_count; i++) {
        const struct process_link *link = &supervisor->options.links[i];
        struct member *other = other_side(supervisor, link, member);
        for (unsigned channel = 0; other != NULL && channel < link->channels; channel++)
            introduce(supervisor, member, other);
    }
}

/* ---- starting and stopping ---- */

static void begin_stop(struct process_supervisor *supervisor, int code);

unsigned process_backoff_next(struct process_backoff *backoff, uint64_t lived_ms)
{
    if (lived_ms >= STEADY_MS) {
        backoff->failures = 0;
        return 0;
    }
    unsigned failures = backoff->failures;
    if (failures < 31)
        backoff->failures++;
    if (failures < FREE_STARTS)
        return 0;
    uint64_t delay = (uint64_t)DELAY_MS << (failures - FREE_STARTS);
    return delay < PROCESS_BACKOFF_MAX_MS ? (unsigned)delay : PROCESS_BACKOFF_MAX_MS;
}

static void start_later(struct member *member, unsigned delay_ms)
{
    member->start_ns = base_clock_monotonic() + delay_ms * MILLISECOND;
}

static int launch(struct process_supervisor *supervisor, struct member *member)
{
    int fds[2];
    int error = process_channel_pair(fds);
    if (error != BASE_OK)
        return error;
    struct process_launch launch = {.executable = supervisor->options.executable,
                                    .role = member->role,
                                    .channel = fds[1],
                                    .generation = member->generation + 1,
                                    .mask = &supervisor->child_mask,
                                    .log = &supervisor->options.log};
    error = process_launch(&launch, &member->pid);
    close(fds[1]);
    if (error != BASE_OK) {
        close(fds[0]);
        return error;
    }
    member->fd = fds[0];
    return BASE_OK;
}

static void start(struct process_supervisor *supervisor, struct member *member)
{
    member->start_ns = member->kill_ns = NEVER;
    member->ready = member->told = member->restart = false;
    member->asked = 0;
    member->status[0] = '\0';
    int error = launch(supervisor, member);
    if (error != BASE_OK) {
        unsigned delay = process_backoff_next(&member->backoff, 0);
        LOG(supervisor, ERROR, "%s cannot be started: %s", member->role->name,
            error == BASE_EIO ? strerror(errno) : base_strerror(error));
        start_later(member, delay > 0 ? delay : DELAY_MS);
        return;
    }
    member->generation++;
    member->heard_ns = base_clock_monotonic();
    LOG(supervisor, DEBUG, "%s is process %ld", member->role->name, (long)member->pid);
    if (member->role->started != NULL) {
        error = member->role->started(member->role->context, supervisor, member->role->name);
        if (error != BASE_OK && error != BASE_ENOENT) {
            LOG(supervisor, ERROR, "%s cannot be given what it needs: %s", member->role->name,
                base_strerror(error));
            begin_stop(supervisor, EXIT_TROUBLE);
            return;
        }
    }
    introduce_all(supervisor, member);
}

static void tell_stop(struct process_supervisor *supervisor, struct member *member)
{
    if (member->pid == 0 || member->told)
        return;
    struct process_message message = {.type = PROCESS_STOP, .fd = -1};
    int error = give(supervisor, member, &message);
    member->told = true;
    member->kill_ns = base_clock_monotonic() + member->role->stop_ms * MILLISECOND;
    if (error == BASE_OK)
        flush(supervisor, member); /* which ends the channel now */
    else
        member->kill_ns = base_clock_monotonic();
}

int process_supervisor_restart(struct process_supervisor *supervisor, const char *name)
{
    struct member *member = find(supervisor, name);
    if (member == NULL || member->pid == 0)
        return BASE_ENOENT;
    member->restart = true;
    tell_stop(supervisor, member);
    return BASE_OK;
}

/* Tells the next to end, when all that come before have ended. */
static void advance_stop(struct process_supervisor *supervisor)
{
    unsigned order = UINT32_MAX;
    for (size_t i = 0; i < supervisor->count; i++) {
        const struct member *member = &supervisor->members[i];
        if (member->pid > 0 && member->role->stop_order < order)
            order = member->role->stop_order;
    }
    for (size_t i = 0; i < supervisor->count; i++)
        if (supervisor->members[i].role->stop_order == order)
            tell_stop(supervisor, &supervisor->members[i]);
}

static void begin_stop(struct process_supervisor *supervisor, int code)
{
    if (supervisor->stopping)
        return;
    supervisor->stopping = true;
    supervisor->code = code;
    for (size_t i = 0; i < supervisor->count; i++)
        supervisor->members[i].start_ns = NEVER;
    process_notify_stopping(&supervisor->notify);
    advance_stop(supervisor);
}

static void kill_all(struct process_supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->count; i++)
        if (supervisor->members[i].pid > 0)
            kill_member(supervisor, &supervisor->members[i], "a second signal says to end at once");
}

/* ---- what systemd sees ---- */

static void publish_status(struct process_supervisor *supervisor)
{
    char text[STATUS_LENGTH] = "";
    size_t length = 0;
    for (size_t i = 0; i < supervisor->count && length < sizeof(text); i++) {
        const struct member *member = &supervisor->members[i];
        if (member->status[0] != '\0')
            length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%s: %s",
                                       length > 0 ? "; " : "", member->role->name, member->status);
    }
    process_notify(&supervisor->notify, "STATUS=%s", text);
}

static void see_ready(struct process_supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->count; i++)
        if (!supervisor->members[i].ready && !supervisor->members[i].role->optional)
            return;
    if (supervisor->ready || supervisor->stopping)
        return;
    supervisor->ready = true;
    process_notify(&supervisor->notify, "READY=1");
    if (supervisor->options.ready != NULL)
        supervisor->options.ready(supervisor->options.context, supervisor);
}

/* ---- what comes from the processes ---- */

static void take_status(struct member *member, const struct process_message *message)
{
    size_t length =
        message->length < PROCESS_STATUS_MAX ? message->length : (size_t)PROCESS_STATUS_MAX;
    memcpy(member->status, message->data, length);
    member->status[length] = '\0';
    for (char *at = member->status; *at != '\0'; at++)
        if (*at == '\n' || *at == '\r') /* systemd's messages are lines */
            *at = ' ';
}

static void take_ask(struct process_supervisor *supervisor, struct member *member,
                     const struct process_message *message)
{
    char name[PROCESS_NAME_MAX];
    if (message->length >= sizeof(name) || member->asked >= ASKS_MAX)
        return;
    memcpy(name, message->data, message->length);
    name[message->length] = '\0';
    for (size_t i = 0; i < supervisor->options.link_count; i++) {
        struct member *other = other_side(supervisor, &supervisor->options.links[i], member);
        if (other == NULL || strcmp(other->role->name, name) != 0)
            continue;
        member->asked++;
        introduce(supervisor, member, other);
        return;
    }
}

static void take_message(struct process_supervisor *supervisor, struct member *member,
                         const struct process_message *message)
{
    member->heard_ns = base_clock_monotonic();
    switch (message->type) {
    case PROCESS_READY:
        if (!member->ready)
            member->ready_ns = member->heard_ns;
        member->ready = member->ever_ready = true;
        see_ready(supervisor);
        break;
    case PROCESS_STATUS:
        take_status(member, message);
        publish_status(supervisor);
        break;
    case PROCESS_ASK:
        take_ask(supervisor, member, message);
        break;
    default:
        break; /* PROCESS_ALIVE, or nothing that is known */
    }
    if (message->fd >= 0)
        close(message->fd); /* nobody sends any */
}

static void read_channel(struct process_supervisor *supervisor, struct member *member)
{
    for (unsigned i = 0; i < MESSAGES && member->fd >= 0; i++) {
        struct process_message message;
        int error = process_receive(member->fd, supervisor->buffer, &message, 0);
        if (error == BASE_ELIMIT)
            return;
        if (error == BASE_OK) {
            take_message(supervisor, member, &message);
        } else if (error != BASE_EFORMAT) {
            /* It is dying, or has lost its mind: its death tells, or does not come. */
            close_channel(member);
            if (member->kill_ns == NEVER)
                member->kill_ns = base_clock_monotonic() + LINGER_MS * MILLISECOND;
            return;
        }
    }
}

/* ---- deaths ---- */

static void describe_end(int status, char *text, size_t size)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        snprintf(text, size,
                 "was stopped by its sandbox, since it did what its part never does; the system's "
                 "audit log names the call");
    else if (WIFSIGNALED(status))
        snprintf(text, size, "was ended by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(text, size, "ended with code %d", WEXITSTATUS(status));
}

static void come_back(struct process_supervisor *supervisor, struct member *member, int status,
                      const char *how, long pid)
{
    const char *name = member->role->name;
    uint64_t lived =
        member->ready ? (base_clock_monotonic() - member->ready_ns) / MILLISECOND + 1 : 0;
    bool again = WIFEXITED(status) && WEXITSTATUS(status) == PROCESS_EXIT_AGAIN;
    if (WIFEXITED(status) && WEXITSTATUS(status) == PROCESS_EXIT_REFUSED && !member->ever_ready) {
        LOG(supervisor, ERROR, "%s cannot work like this, so kenterd ends", name);
        begin_stop(supervisor, EXIT_TROUBLE);
        return;
    }
    if (member->restart || (again && lived > 0)) {
        LOG(supervisor, INFO, "%s (process %ld) %s and is started anew", name, pid,
            member->restart ? "has ended as told" : "wants to open everything again");
        start_later(member, 0);
        return;
    }
    unsigned delay = process_backoff_next(&member->backoff, lived);
    if (delay == 0)
        LOG(supervisor, WARNING, "%s (process %ld) %s; it is started again", name, pid, how);
    else
        LOG(supervisor, WARNING,
            "%s (process %ld) %s, %u times in a row soon after its start; it is started again in "
            "%u ms",
            name, pid, how, member->backoff.failures, delay);
    start_later(member, delay);
}

static void see_end(struct process_supervisor *supervisor, struct member *member, int status)
{
    long pid = member->pid;
    char how[160];
    describe_end(status, how, sizeof(how));
    read_channel(supervisor, member); /* what it said last */
    close_channel(member);
    member->pid = 0;
    member->kill_ns = NEVER;
    if (!supervisor->stopping) {
        come_back(supervisor, member, status, how, pid);
    } else if (WIFEXITED(status) && WEXITSTATUS(status) == PROCESS_EXIT_END) {
        LOG(supervisor, DEBUG, "%s (process %ld) %s", member->role->name, pid, how);
    } else {
        LOG(supervisor, WARNING, "%s (process %ld) %s", member->role->name, pid, how);
    }
    member->ready = false;
    if (supervisor->stopping)
        advance_stop(supervisor);
}

static void reap(struct process_supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->count; i++) {
        struct member *member = &supervisor->members[i];
        int status;
        if (member->pid > 0 && waitpid(member->pid, &status, WNOHANG) == member->pid)
            see_end(supervisor, member, status);
    }
}

/* ---- signals and time ---- */

static void reload(struct process_supervisor *supervisor)
{
    if (supervisor->stopping)
        return;
    process_notify_reloading(&supervisor->notify);
    int error = BASE_OK;
    if (supervisor->options.reload != NULL)
        error = supervisor->options.reload(supervisor->options.context, supervisor);
    struct process_message message = {.type = PROCESS_RELOAD, .fd = -1};
    for (size_t i = 0; error == BASE_OK && i < supervisor->count; i++)
        give(supervisor, &supervisor->members[i], &message);
    process_notify(&supervisor->notify, "READY=1");
}

static void take_signal(struct process_supervisor *supervisor, int signal)
{
    switch (signal) {
    case SIGHUP:
        reload(supervisor);
        break;
    case SIGTERM:
    case SIGINT:
        if (supervisor->stopping) {
            kill_all(supervisor);
        } else {
            LOG(supervisor, INFO, "ending, as signal %d says", signal);
            begin_stop(supervisor, 0);
        }
        break;
    default:
        break; /* SIGCHLD: looked for in each round */
    }
}

static void read_signals(struct process_supervisor *supervisor)
{
    struct signalfd_siginfo info;
    while (read(supervisor->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
        take_signal(supervisor, (int)info.ssi_signo);
}

static uint64_t silence_end(const struct member *member)
{
    if (member->role->silence_ms == 0 || !member->ready || member->pid == 0)
        return NEVER;
    return member->heard_ns + member->role->silence_ms * MILLISECOND;
}

static void do_due(struct process_supervisor *supervisor)
{
    uint64_t now = base_clock_monotonic();
    for (size_t i = 0; i < supervisor->count; i++) {
        struct member *member = &supervisor->members[i];
        if (member->start_ns <= now && member->pid == 0)
            start(supervisor, member);
        if (member->pid == 0)
            continue;
        if (member->kill_ns <= now)
            kill_member(supervisor, member,
                        member->told ? "it did not end in time" : "it has closed its channel");
        else if (silence_end(member) <= now) {
            kill_member(supervisor, member, "it has not been heard of for too long");
            member->heard_ns = now;
        }
    }
    if (supervisor->watchdog_ns <= now) {
        process_notify(&supervisor->notify, "WATCHDOG=1");
        supervisor->watchdog_ns = now + supervisor->notify.watchdog_ns / 3;
    }
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static int wait_ms(const struct process_supervisor *supervisor)
{
    uint64_t due = supervisor->watchdog_ns, now = base_clock_monotonic();
    for (size_t i = 0; i < supervisor->count; i++) {
        const struct member *member = &supervisor->members[i];
        due = earlier(due, member->pid == 0 ? member->start_ns : member->kill_ns);
        due = earlier(due, silence_end(member));
    }
    if (due == NEVER)
        return -1;
    uint64_t left = due <= now ? 0 : (due - now + MILLISECOND - 1) / MILLISECOND;
    return left < 60000 ? (int)left : 60000;
}

static int wait_for_something(struct process_supervisor *supervisor)
{
    struct pollfd *polls = supervisor->polls;
    polls[0] = (struct pollfd){.fd = supervisor->signals, .events = POLLIN};
    for (size_t i = 0; i < supervisor->count; i++) {
        const struct member *member = &supervisor->members[i];
        short out = process_outbox_empty(&member->outbox) ? 0 : POLLOUT;
        polls[i + 1] = (struct pollfd){.fd = member->fd, .events = (short)(POLLIN | out)};
    }
    int ready = poll(polls, supervisor->count + 1, wait_ms(supervisor));
    return ready >= 0 || errno == EINTR ? BASE_OK : BASE_EIO;
}

static bool is_over(const struct process_supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->count; i++)
        if (supervisor->members[i].pid > 0)
            return false;
    return supervisor->stopping;
}

static void do_round(struct process_supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->count; i++) {
        struct member *member = &supervisor->members[i];
        short events = supervisor->polls[i + 1].revents;
        /* The descriptor may be another one since an earlier member was looked at. */
        if (member->fd < 0 || member->fd != supervisor->polls[i + 1].fd)
            continue;
        if (events & POLLOUT)
            flush(supervisor, member);
        if (events & (POLLIN | POLLHUP | POLLERR))
            read_channel(supervisor, member);
    }
    read_signals(supervisor);
    reap(supervisor);
    do_due(supervisor);
}

int process_supervisor_run(struct process_supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->count; i++)
        supervisor->members[i].start_ns = 0;
    read_signals(supervisor); /* perhaps it is over before it began */
    do_due(supervisor);
    while (!is_over(supervisor)) {
        if (wait_for_something(supervisor) != BASE_OK) {
            LOG(supervisor, ERROR, "the processes cannot be waited for: %s", strerror(errno));
            return EXIT_TROUBLE;
        }
        do_round(supervisor);
    }
    return supervisor->code;
}
