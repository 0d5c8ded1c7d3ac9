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
    API_PARTLY,   /* a page has one of its parts: the backend is to be asked for the next */
    API_ANSWERED, /* the reply has been given */
};

#define API_PARTS_MAX 3 /* of a page */

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
    json_t *parts[API_PARTS_MAX]; /* owned */
    size_t part_count;
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

/* The connection goes on in this stage; one that rests is woken. */
void api_go_on(struct api_reply *reply, enum api_stage stage);
/* Ends the reply. `response` NULL: there was no memory for it. */
void api_give(struct api_reply *reply, unsigned status, struct MHD_Response *response,
              const char *content_type);

#endif
