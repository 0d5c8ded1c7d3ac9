/*
 * One thread that waits for introductions and for the channels that come by them.
 */
#include "process/clients.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define INTRODUCED_MAX 32 /* at once; more come only when others do not let go */
#define FIXED          2  /* polled before the introduced: the supervisor, the service */

struct process_clients {
    struct process_child *child;
    int service; /* our end */
    pthread_t thread;
    bool running;
    struct pollfd polls[FIXED + INTRODUCED_MAX];
    size_t count;
    uint8_t buffer[PROCESS_MESSAGE_MAX];
};

int process_clients_new(struct process_child *child, struct process_clients **out, int *fd)
{
    struct process_clients *clients = calloc(1, sizeof(*clients));
    int fds[2];
    if (clients == NULL)
        return BASE_ENOMEM;
    int error = process_channel_pair(fds);
    if (error != BASE_OK) {
        free(clients);
        return error;
    }
    clients->child = child;
    clients->service = fds[0];
    clients->polls[0] = (struct pollfd){.fd = child->fd, .events = POLLIN};
    clients->polls[1] = (struct pollfd){.fd = fds[0]}; /* only its end is of interest */
    clients->count = FIXED;
    *out = clients;
    *fd = fds[1];
    return BASE_OK;
}

static void forget(struct process_clients *clients, size_t index)
{
    close(clients->polls[index].fd);
    clients->polls[index] = clients->polls[--clients->count];
}

static void meet(struct process_clients *clients, int fd)
{
    if (clients->count == FIXED + INTRODUCED_MAX) {
        /* The first is the oldest, or as good as any: whoever lives asks again. */
        close(clients->polls[FIXED].fd);
        clients->count--;
        memmove(&clients->polls[FIXED], &clients->polls[FIXED + 1],
                (clients->count - FIXED) * sizeof(clients->polls[0]));
    }
    clients->polls[clients->count++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

/* False: the end. */
static bool hear_supervisor(struct process_clients *clients)
{
    struct process_event event;
    int error = process_child_receive(clients->child, &event, 0);
    if (error != BASE_OK)
        return error == BASE_ELIMIT;
    if (event.type == PROCESS_PEER)
        meet(clients, event.fd);
    else if (event.fd >= 0)
        close(event.fd);
    return event.type != PROCESS_STOP;
}

/* Passes a client's channel on. False: the service is gone. */
static bool hear_introduced(struct process_clients *clients, size_t index)
{
    struct process_message message;
    int error = process_receive(clients->polls[index].fd, clients->buffer, &message, 0);
    if (error == BASE_ELIMIT || error == BASE_EFORMAT)
        return true;
    if (error != BASE_OK) {
        forget(clients, index);
        return true;
    }
    if (message.fd < 0)
        return true;
    error = process_send(clients->service, &message, 0);
    close(message.fd);
    return error == BASE_OK;
}

static bool do_round(struct process_clients *clients)
{
    if (poll(clients->polls, clients->count, -1) < 0)
        return errno == EINTR;
    if (clients->polls[1].revents != 0)
        return false;
    /* From the last on, since one that is forgotten is replaced by the last. */
    for (size_t i = clients->count; i-- > FIXED;)
        if (clients->polls[i].revents != 0 && !hear_introduced(clients, i))
            return false;
    return clients->polls[0].revents == 0 || hear_supervisor(clients);
}

static void *run(void *data)
{
    struct process_clients *clients = data;
    while (do_round(clients))
        continue;
    shutdown(clients->service, SHUT_RDWR);
    return NULL;
}

int process_clients_start(struct process_clients *clients)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&clients->thread, NULL, run, clients);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = failed;
    clients->running = failed == 0;
    return failed == 0 ? BASE_OK : BASE_EIO;
}

void process_clients_free(struct process_clients *clients)
{
    if (clients == NULL)
        return;
    shutdown(clients->service, SHUT_RDWR);
    if (clients->running)
        pthread_join(clients->thread, NULL);
    while (clients->count > FIXED)
        forget(clients, FIXED);
    close(clients->service);
    free(clients);
}
