/*
 * The child's end of the channel to the supervisor.
 */
#include "process/child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* A small number from the environment; -1: none, or not a number. */
static long number_from(const char *variable)
{
    const char *text = getenv(variable);
    if (text == NULL || *text < '0' || *text > '9')
        return -1;
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    return *end != '\0' || errno != 0 ? -1 : number;
}

static bool is_channel(int fd)
{
    int type;
    socklen_t length = sizeof(type);
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_SEQPACKET;
}

int process_child_over(struct process_child *child, int fd)
{
    uint8_t *buffer = malloc(PROCESS_MESSAGE_MAX);
    if (buffer == NULL)
        return BASE_ENOMEM;
    *child = (struct process_child){.fd = fd, .buffer = buffer};
    return BASE_OK;
}

int process_child_begin(struct process_child *child)
{
    signal(SIGPIPE, SIG_IGN);
    if (getenv(PROCESS_CHANNEL_VARIABLE) == NULL) {
        *child = (struct process_child){.fd = -1};
        return BASE_OK;
    }
    long fd = number_from(PROCESS_CHANNEL_VARIABLE);
    if (fd < 0 || fd > INT32_MAX || !is_channel((int)fd))
        return BASE_EFORMAT;
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    /* Everything that lasts survives kill -9, so nothing softer is needed; and what still runs when
     * the next supervisor starts would hold its locks. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    long parent = number_from(PROCESS_SUPERVISOR_VARIABLE);
    if (parent >= 0 && getppid() != (pid_t)parent)
        return BASE_ENOENT; /* it died before the signal was asked for */
    long generation = number_from(PROCESS_GENERATION_VARIABLE);
    int error = process_child_over(child, (int)fd);
    if (error == BASE_OK && generation > 0)
        child->generation = (uint32_t)generation;
    return error;
}

void process_child_end(struct process_child *child)
{
    if (child->fd >= 0)
        close(child->fd);
    free(child->buffer);
    *child = (struct process_child){.fd = -1};
}

static void drop_fd(const struct process_message *message)
{
    if (message->fd >= 0)
        close(message->fd);
}

/* False: no event that this side knows. */
static bool read_event(const struct process_message *message, struct process_event *event)
{
    *event = (struct process_event){.type = message->type, .fd = message->fd};
    switch (event->type) {
    case PROCESS_PEER:
        if (message->fd < 0 || message->length == 0 || message->length >= PROCESS_NAME_MAX)
            return false;
        memcpy(event->name, message->data, message->length);
        event->generation = message->value;
        return true;
    case PROCESS_SOCKET:
        event->endpoint = (uint32_t)message->id;
        event->worker = (uint16_t)message->value;
        event->protocol = (uint16_t)(message->value >> 16);
        return message->fd >= 0;
    case PROCESS_SOCKETS:
        event->count = message->value;
        return message->fd < 0;
    case PROCESS_RELOAD:
    case PROCESS_STOP:
        return message->fd < 0;
    default:
        return false;
    }
}

int process_child_receive(struct process_child *child, struct process_event *event, int timeout_ms)
{
    if (child->fd < 0) {
        poll(NULL, 0, timeout_ms);
        return BASE_ELIMIT;
    }
    for (;;) {
        struct process_message message;
        int error = process_receive(child->fd, child->buffer, &message, timeout_ms);
        if (error == BASE_EFORMAT)
            continue;
        if (error != BASE_OK)
            return error;
        if (read_event(&message, event))
            return BASE_OK;
        drop_fd(&message); /* of a kind that is not known here */
    }
}

static void tell(const struct process_child *child, enum process_type type, const char *text,
                 size_t length)
{
    struct process_message message = {
        .type = type, .data = (const uint8_t *)text, .length = length, .fd = -1};
    if (child->fd >= 0)
        process_send(child->fd, &message, 0);
}

void process_child_ready(const struct process_child *child)
{
    tell(child, PROCESS_READY, NULL, 0);
}

void process_child_status(const struct process_child *child, const char *text)
{
    tell(child, PROCESS_STATUS, text, strnlen(text, PROCESS_STATUS_MAX));
}

void process_child_alive(const struct process_child *child)
{
    tell(child, PROCESS_ALIVE, NULL, 0);
}

void process_child_ask(const struct process_child *child, const char *name)
{
    tell(child, PROCESS_ASK, name, strnlen(name, PROCESS_NAME_MAX));
}
