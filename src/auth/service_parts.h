/*
 * What the parts of the frame of services share: the loop and connections (service.c), listening
 * sockets (service_listen.c).
 */
#ifndef AUTH_SERVICE_PARTS_H
#define AUTH_SERVICE_PARTS_H

#include "auth/question.h"

#define AUTH_RECEIVE (64 * 1024)

struct auth_listener {
    struct net_watch watch;
    struct auth_service *service;
    char *path; /* to be removed; NULL */
};

struct auth_service {
    struct auth_service_options options;
    const struct auth_service_calls *calls;
    void *calls_context;
    struct resolve_context *context;
    const struct base_log *log;
    struct net_loop *loop;
    struct net_watch resolve, signals;
    struct net_timer tick;
    struct auth_listener listeners[AUTH_LISTENERS_MAX];
    size_t listener_count;
    struct auth_connection *connections, *woken;
    struct auth_questions *questions; /* of several kinds */
    struct auth_service_counts counts;
    bool stop;
    uint8_t room[AUTH_RECEIVE]; /* where octets come in */
};

/* There is something new in the output, or fewer waits. */
void auth_connection_wake(struct auth_connection *connection);

int auth_service_listen(struct auth_service *service, char why[AUTH_SERVICE_WHY]);
void auth_service_listen_end(struct auth_service *service);

#endif
