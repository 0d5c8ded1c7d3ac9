/* What the server and its replies share. */
#ifndef API_INTERNAL_H
#define API_INTERNAL_H

#include "api/request.h"
#include "base/buf.h"

#include <microhttpd.h>

enum api_stage {
    API_READING,  /* the request comes in */
    API_SERVING,  /* the backend is in its serve */
    API_WAITING,  /* the connection rests until the reply is given */
    API_ANSWERED, /* the reply has been given */
};

/* A request and its reply: an exchange. */
struct api_reply {
    struct api *api;
    struct api_reply *next, **link; /* among those that wait */
    struct MHD_Connection *connection;
    enum api_door door;
    enum api_stage stage;
    bool begun;         /* the head has been seen */
    char *target;       /* owned */
    const char *method; /* while the request is read */
    struct base_buf body;
    size_t held; /* octets of the body that count as held */
    size_t seen; /* octets of the body that came */
    bool too_large, too_busy;
    struct base_arena arena;
    struct base_findings findings;
    struct api_request request;
    struct MHD_Response *response; /* NULL: the one for lack of memory */
    unsigned status;
};

struct api_gate {
    struct api *api;
    enum api_door door;
    struct MHD_Daemon *daemon; /* NULL: not there */
};

struct api {
    struct api_options options;
    int epoll;
    int wake; /* eventfd: a reply was given to a connection that rests */
    struct api_gate gates[2];
    struct api_reply *waiting;
    size_t bodies; /* octets of all bodies that are held */
    bool ending;
    struct MHD_Response *no_memory;
};

#endif
